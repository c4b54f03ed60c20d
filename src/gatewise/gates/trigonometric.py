"""Trigonometric and hyperbolic gates."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise import gates
from gatewise import samples as draw
from gatewise.gate import Elementwise, Kink, implements
from gatewise.graph import apply
from gatewise.samples import broadcast_samples, sample, unary_samples

__all__ = [
    "acos",
    "asin",
    "atan",
    "atan2",
    "cos",
    "cosh",
    "sin",
    "sinh",
    "tan",
    "tanh",
]


class Sin(Elementwise):
    """Sine"""

    name = "sin"
    symbol = "sin"
    story = "scales by the cosine: the input receives the upstream gradient times cos x"
    samples = (*unary_samples(), sample(draw.complexes(3)))

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.sin(x)

    def local_x(self, g: Any, x: Any) -> Any:
        return g * gates.cos(x)


class Cos(Elementwise):
    """Cosine"""

    name = "cos"
    symbol = "cos"
    story = "scales by minus the sine: the input receives the upstream gradient times -sin x"
    samples = (*unary_samples(), sample(draw.complexes(3)))

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.cos(x)

    def local_x(self, g: Any, x: Any) -> Any:
        return -(g * gates.sin(x))


class Tan(Elementwise):
    """Tangent"""

    name = "tan"
    symbol = "tan"
    story = "scales: the input receives the upstream gradient times 1 + tan², never less than it was"
    samples = (*unary_samples(draw.unit), sample(draw.complexes(3)))

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.tan(x)

    def local_x(self, g: Any, out: Any) -> Any:
        return g * (1 + out * out)


class Asin(Elementwise):
    """Inverse sine"""

    name = "asin"
    symbol = "asin"
    story = "divides by √(1-x²): the nearer to ±1, the larger the gradient"
    samples = unary_samples(draw.unit)

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.asin(x)

    def local_x(self, g: Any, x: Any) -> Any:
        return g / gates.sqrt(1 - x * x)


class Acos(Elementwise):
    """Inverse cosine"""

    name = "acos"
    symbol = "acos"
    story = "divides by -√(1-x²): the nearer to ±1, the larger the gradient"
    samples = unary_samples(draw.unit)

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.acos(x)

    def local_x(self, g: Any, x: Any) -> Any:
        return -(g / gates.sqrt(1 - x * x))


class Atan(Elementwise):
    """Inverse tangent"""

    name = "atan"
    symbol = "atan"
    story = "divides by 1 + x²: far from zero almost nothing passes"
    samples = unary_samples()

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.atan(x)

    def local_x(self, g: Any, x: Any) -> Any:
        return g / (1 + x * x)


class Sinh(Elementwise):
    """Hyperbolic sine"""

    name = "sinh"
    symbol = "sinh"
    story = "scales: the input receives the upstream gradient times cosh x, never less than it was"
    samples = (*unary_samples(), sample(draw.complexes(3)))

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.sinh(x)

    def local_x(self, g: Any, x: Any) -> Any:
        return g * gates.cosh(x)


class Cosh(Elementwise):
    """Hyperbolic cosine"""

    name = "cosh"
    symbol = "cosh"
    story = "scales: the input receives the upstream gradient times sinh x"
    samples = (*unary_samples(), sample(draw.complexes(3)))

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.cosh(x)

    def local_x(self, g: Any, x: Any) -> Any:
        return g * gates.sinh(x)


class Tanh(Elementwise):
    """Hyperbolic tangent"""

    name = "tanh"
    symbol = "tanh"
    story = "squashes: the input receives upstream · (1-tanh²), almost nothing where the output is near ±1"
    samples = (*unary_samples(), sample(draw.complexes(3)))

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.tanh(x)

    def local_x(self, g: Any, out: Any) -> Any:
        return g * (1 - out * out)


class Atan2(Elementwise):
    """Angle of the point (x, y), from -π to π; the first operand is y"""

    name = "atan2"
    symbol = "atan2"
    story = "turns: each input receives the upstream gradient times the other input over the squared radius"
    samples = broadcast_samples(draw.positive)
    kinks = (Kink((0.0, 0.0), (0.0, 0.0), "the origin has no direction: the smallest choice is 0"),)

    def forward(self, xp: Any, y: Any, x: Any) -> Any:
        return xp.atan2(y, x)

    def local_y(self, g: Any, y: Any, x: Any) -> Any:
        return g * x / _squared_radius(y, x)

    def local_x(self, g: Any, y: Any, x: Any) -> Any:
        return -(g * y / _squared_radius(y, x))


def _squared_radius(y: Any, x: Any) -> Any:
    """x² + y², with 1 for the origin, where the numerators are 0."""
    squared = x * x + y * y
    return gates.where(squared == 0, 1.0, squared)


SIN = Sin()
COS = Cos()
TAN = Tan()
ASIN = Asin()
ACOS = Acos()
ATAN = Atan()
SINH = Sinh()
COSH = Cosh()
TANH = Tanh()
ATAN2 = Atan2()


@implements(np.sin)
def sin(x: Any, /) -> Any:
    """Sine."""
    return apply(SIN, x)


@implements(np.cos)
def cos(x: Any, /) -> Any:
    """Cosine."""
    return apply(COS, x)


@implements(np.tan)
def tan(x: Any, /) -> Any:
    """Tangent."""
    return apply(TAN, x)


@implements(np.arcsin)
def asin(x: Any, /) -> Any:
    """Inverse sine."""
    return apply(ASIN, x)


@implements(np.arccos)
def acos(x: Any, /) -> Any:
    """Inverse cosine."""
    return apply(ACOS, x)


@implements(np.arctan)
def atan(x: Any, /) -> Any:
    """Inverse tangent."""
    return apply(ATAN, x)


@implements(np.sinh)
def sinh(x: Any, /) -> Any:
    """Hyperbolic sine."""
    return apply(SINH, x)


@implements(np.cosh)
def cosh(x: Any, /) -> Any:
    """Hyperbolic cosine."""
    return apply(COSH, x)


@implements(np.tanh)
def tanh(x: Any, /) -> Any:
    """Hyperbolic tangent."""
    return apply(TANH, x)


@implements(np.arctan2)
def atan2(y: Any, x: Any, /) -> Any:
    """Angle of the point (x, y)."""
    return apply(ATAN2, y, x)
