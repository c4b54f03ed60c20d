"""Trigonometric and hyperbolic gates, their inverses, and the geometry of points and angles."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise import gates
from gatewise import samples as draw
from gatewise.gate import Elementwise, Kink, implements, loop_dtype
from gatewise.graph import apply, arrayed, is_complex, untracked
from gatewise.samples import broadcast_samples, sample, unary_samples

__all__ = [
    "acos",
    "acosh",
    "angle",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cos",
    "cosh",
    "deg2rad",
    "hypot",
    "rad2deg",
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


def _half_circle(x: Any) -> Any:
    """√(1-x²); beyond ±1, of complex numbers, on the side of the cut that the sign of a zero imaginary part tells."""
    if is_complex(x.dtype):
        return gates.sqrt(-(x - 1)) * gates.sqrt(-(-x - 1))
    return gates.sqrt(1 - x * x)


class Asin(Elementwise):
    """Inverse sine"""

    name = "asin"
    symbol = "asin"
    story = "divides by √(1-x²): the nearer to ±1, the larger the gradient"
    samples = unary_samples(draw.unit)
    kinks = (
        Kink((1.0,), (np.inf,), "the slope grows without bound; it is infinite, not a choice"),
        Kink((-1.0,), (np.inf,), "the slope grows without bound; it is infinite, not a choice"),
    )

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.asin(x)

    def local_x(self, g: Any, x: Any) -> Any:
        return g / _half_circle(x)


class Acos(Elementwise):
    """Inverse cosine"""

    name = "acos"
    symbol = "acos"
    story = "divides by -√(1-x²): the nearer to ±1, the larger the gradient"
    samples = unary_samples(draw.unit)
    kinks = (
        Kink((1.0,), (-np.inf,), "the slope grows without bound; it is infinite, not a choice"),
        Kink((-1.0,), (-np.inf,), "the slope grows without bound; it is infinite, not a choice"),
    )

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.acos(x)

    def local_x(self, g: Any, x: Any) -> Any:
        return -(g / _half_circle(x))


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


class Asinh(Elementwise):
    """Inverse hyperbolic sine"""

    name = "asinh"
    symbol = "asinh"
    story = "divides by √(1+x²): far from zero little passes, as through a logarithm"
    samples = (*unary_samples(), sample(draw.complexes(3)))

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.asinh(x)

    def local_x(self, g: Any, x: Any) -> Any:
        return g / gates.sqrt(1 + x * x)


class Acosh(Elementwise):
    """Inverse hyperbolic cosine, for x ≥ 1"""

    name = "acosh"
    symbol = "acosh"
    story = "divides by √(x²-1): the nearer to 1, the larger the gradient"
    samples = (*unary_samples(lambda *shape, dtype="float64": draw.Draw(shape, 1.3, 4.0, dtype)),)
    kinks = (Kink((1.0,), (np.inf,), "the slope grows without bound; it is infinite, not a choice"),)

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.acosh(x)

    def local_x(self, g: Any, x: Any) -> Any:
        return g / (gates.sqrt(x - 1) * gates.sqrt(x + 1))


class Atanh(Elementwise):
    """Inverse hyperbolic tangent"""

    name = "atanh"
    symbol = "atanh"
    story = "divides by 1 - x²: the nearer to ±1, the larger the gradient"
    samples = (*unary_samples(draw.unit), sample(draw.complexes(3)))
    kinks = (
        Kink((1.0,), (np.inf,), "the slope grows without bound; it is infinite, not a choice"),
        Kink((-1.0,), (np.inf,), "the slope grows without bound; it is infinite, not a choice"),
    )

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.atanh(x)

    def local_x(self, g: Any, x: Any) -> Any:
        return g / ((1 - x) * (1 + x))


class Hypot(Elementwise):
    """Distance of the point (x, y) from the origin, without overflow"""

    name = "hypot"
    symbol = "hypot"
    story = "points: each input receives the upstream gradient times its share of the direction, never more than all"
    samples = broadcast_samples()
    kinks = (Kink((0.0, 0.0), (0.0, 0.0), "every direction leads away from the origin: the smallest choice is 0"),)

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return xp.hypot(x, y)

    def local_x(self, g: Any, x: Any, out: Any) -> Any:
        return g * (x / gates.where(out == 0, 1.0, out))

    def local_y(self, g: Any, y: Any, out: Any) -> Any:
        return g * (y / gates.where(out == 0, 1.0, out))


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
        return g * _over_squared_radius(x, y, x)

    def local_x(self, g: Any, y: Any, x: Any) -> Any:
        return -(g * _over_squared_radius(y, y, x))


def _over_squared_radius(numerator: Any, y: Any, x: Any) -> Any:
    """numerator / (x² + y²), 0 at the origin; scaled by the larger of the two, so that no square overflows."""
    scale = gates.maximum(abs(untracked(x)), abs(untracked(y)))
    scale = gates.where(scale == 0, 1.0, scale)
    squares = gates.add((x / scale) * (x / scale), (y / scale) * (y / scale))
    return gates.divide(numerator / scale, gates.where(squares == 0, 1.0, squares)) / scale


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
ASINH = Asinh()
ACOSH = Acosh()
ATANH = Atanh()
HYPOT = Hypot()


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


@implements(np.arcsinh)
def asinh(x: Any, /) -> Any:
    """Inverse hyperbolic sine."""
    return apply(ASINH, x)


@implements(np.arccosh)
def acosh(x: Any, /) -> Any:
    """Inverse hyperbolic cosine."""
    return apply(ACOSH, x)


@implements(np.arctanh)
def atanh(x: Any, /) -> Any:
    """Inverse hyperbolic tangent."""
    return apply(ATANH, x)


@implements(np.hypot)
def hypot(x: Any, y: Any, /) -> Any:
    """Distance of the point (x, y) from the origin; there its gradient is 0.

    Example:
        >>> import gatewise as gw
        >>> [round(float(g), 6) for g in gw.grad(gw.hypot, argnums=(0, 1))(3.0, 4.0)]
        [0.6, 0.8]
    """
    return apply(HYPOT, x, y)


def _scaled(ufunc: np.ufunc, x: Any, factor: float) -> Any:
    """x times a number, in the dtype in which NumPy has it."""
    x = arrayed(x)
    return gates.multiply(gates.astype(x, loop_dtype(ufunc, x)), factor)


@implements(np.deg2rad, np.radians)
def deg2rad(x: Any, /) -> Any:
    """Degrees as radians."""
    return _scaled(np.deg2rad, x, np.pi / 180)


@implements(np.rad2deg, np.degrees)
def rad2deg(x: Any, /) -> Any:
    """Radians as degrees."""
    return _scaled(np.rad2deg, x, 180 / np.pi)


@implements(np.angle)
def angle(z: Any, /, deg: bool = False) -> Any:
    """The angle of complex numbers, from -π to π; 0 or π for real ones. At 0 its gradient is 0."""
    z = arrayed(z)
    turned = atan2(gates.imag(z), gates.real(z)) if is_complex(z.dtype) else atan2(0, z)
    return rad2deg(turned) if deg else turned
