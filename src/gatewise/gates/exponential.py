"""Exponentials, logarithms, roots, and the sigmoid. What is smooth but made of several of these is in `smooth`."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise import gates
from gatewise import samples as draw
from gatewise.gate import Elementwise, Kink, implements
from gatewise.graph import apply
from gatewise.samples import broadcast_samples, sample, unary_samples

__all__ = [
    "cbrt",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "relu",
    "sigmoid",
    "sqrt",
]

LN2 = float(np.log(2))


class Exp(Elementwise):
    """e ** x"""

    name = "exp"
    symbol = "exp"
    story = "scales by its own output: the input receives the upstream gradient times e^x"
    samples = (*unary_samples(), sample(draw.complexes(3)))

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.exp(x)

    def local_x(self, g: Any, out: Any) -> Any:
        return g * out


class Exp2(Elementwise):
    """2 ** x"""

    name = "exp2"
    symbol = "exp2"
    story = "scales by its own output: the input receives the upstream gradient times 2^x · log 2"
    samples = unary_samples()

    def forward(self, xp: Any, x: Any) -> Any:
        return np.exp2(x) if xp is np else 2.0**x

    def local_x(self, g: Any, out: Any) -> Any:
        return g * (out * LN2)


class Expm1(Elementwise):
    """e ** x - 1, accurate near 0"""

    name = "expm1"
    symbol = "expm1"
    story = "scales by its output plus one: the input receives the upstream gradient times e^x"
    samples = unary_samples()

    def forward(self, xp: Any, x: Any) -> Any:
        out = xp.expm1(x)
        if xp is np and out.dtype.kind == "c":  # NumPy answers NaN at infinities where e ** x has a limit
            limit = ~np.isfinite(x) | (x == 0)
            if limit.any():
                with np.errstate(invalid="ignore"):  # NumPy has warned above
                    out = np.where(limit, np.exp(np.where(limit, x, 0)) - 1, out)[()]
        return out

    def local_x(self, g: Any, out: Any) -> Any:
        return g * (out + 1)


class Log(Elementwise):
    """Natural logarithm"""

    name = "log"
    symbol = "log"
    story = "divides: the input receives the upstream gradient over x, so small inputs receive large gradients"
    samples = (*unary_samples(draw.positive), sample(draw.complexes(3)))
    kinks = (Kink((0.0,), (np.inf,), "the slope grows without bound; it is infinite, not a choice"),)

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.log(x)

    def local_x(self, g: Any, x: Any) -> Any:
        return g / x


class Log1p(Elementwise):
    """log(1 + x), accurate near 0"""

    name = "log1p"
    symbol = "log1p"
    story = "divides: the input receives the upstream gradient over 1 + x"
    samples = unary_samples(draw.positive)
    kinks = (Kink((-1.0,), (np.inf,), "the slope grows without bound; it is infinite, not a choice"),)

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.log1p(x)

    def local_x(self, g: Any, x: Any) -> Any:
        return g / (1 + x)


class Log2(Elementwise):
    """Logarithm to base 2"""

    name = "log2"
    symbol = "log2"
    story = "divides: the input receives the upstream gradient over x · log 2"
    samples = unary_samples(draw.positive)
    kinks = (Kink((0.0,), (np.inf,), "the slope grows without bound; it is infinite, not a choice"),)

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.log2(x)

    def local_x(self, g: Any, x: Any) -> Any:
        return g / (x * LN2)


class Log10(Elementwise):
    """Logarithm to base 10"""

    name = "log10"
    symbol = "log10"
    story = "divides: the input receives the upstream gradient over x · log 10"
    samples = unary_samples(draw.positive)
    kinks = (Kink((0.0,), (np.inf,), "the slope grows without bound; it is infinite, not a choice"),)

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.log10(x)

    def local_x(self, g: Any, x: Any) -> Any:
        return g / (x * float(np.log(10)))


class Sqrt(Elementwise):
    """Square root"""

    name = "sqrt"
    symbol = "√"
    story = "divides by twice its output: the closer to zero, the larger the gradient the input receives"
    samples = (*unary_samples(draw.positive), sample(draw.complexes(3)))
    kinks = (Kink((0.0,), (np.inf,), "the slope grows without bound; it is infinite, not a choice"),)

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.sqrt(x)

    def local_x(self, g: Any, out: Any) -> Any:
        return g * 0.5 / out


class Cbrt(Elementwise):
    """Cube root, of negative numbers too"""

    name = "cbrt"
    symbol = "∛"
    story = "divides by three times its squared output: the closer to zero, the larger the gradient the input receives"
    samples = (*unary_samples(draw.positive), sample([-2.0, -0.4, 1.3]))
    kinks = (Kink((0.0,), (np.inf,), "the slope grows without bound; it is infinite, not a choice"),)

    def forward(self, xp: Any, x: Any) -> Any:
        return np.cbrt(x) if xp is np else xp.sign(x) * abs(x) ** (1 / 3)

    def local_x(self, g: Any, out: Any) -> Any:
        return g / (3 * (out * out))


class LogAddExp(Elementwise):
    """log(e ** x + e ** y), without overflow"""

    name = "logaddexp"
    symbol = "log(eˣ+eʸ)"
    story = "shares: x receives the upstream gradient times σ(x-y), y the rest of it, so the larger takes most"
    samples = broadcast_samples()
    kinks = (
        Kink((-np.inf, -np.inf), (0.0, 0.0), "neither has any weight, so none receives a gradient"),
        Kink((np.inf, np.inf), (0.5, 0.5), "a tie: each side takes half"),
    )

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return xp.logaddexp(x, y)

    def local_x(self, g: Any, x: Any, y: Any) -> Any:
        return g * _weight(x, y, 1.0)

    def local_y(self, g: Any, x: Any, y: Any) -> Any:
        return g * _weight(y, x, 1.0)


class LogAddExp2(LogAddExp):
    """log2(2 ** x + 2 ** y), without overflow"""

    name = "logaddexp2"
    symbol = "log2(2ˣ+2ʸ)"
    story = "shares: x receives the upstream gradient times 2^x over 2^x + 2^y, y the rest of it"

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return np.logaddexp2(x, y) if xp is np else xp.logaddexp(x * LN2, y * LN2) / LN2

    def local_x(self, g: Any, x: Any, y: Any) -> Any:
        return g * _weight(x, y, LN2)

    def local_y(self, g: Any, x: Any, y: Any) -> Any:
        return g * _weight(y, x, LN2)


def _weight(x: Any, y: Any, scale: float) -> Any:
    """The share of x in e ** x + e ** y, its exponents times `scale`; two infinities share, two zeros have nothing."""
    together = (x == y) & (gates.abs(x) == np.inf)
    return gates.where(together & (x < 0), 0.0, gates.sigmoid(gates.where(together, 0.0, scale * (x - y))))


class Sigmoid(Elementwise):
    """1 / (1 + e ** -x), computed without overflow"""

    name = "sigmoid"
    symbol = "σ"
    story = "squashes: the input receives upstream · (1-σ)σ, a quarter at most, almost nothing where σ is near 0 or 1"
    samples = unary_samples()

    def forward(self, xp: Any, x: Any) -> Any:
        if hasattr(xp, "sigmoid"):
            return xp.sigmoid(x)
        small = xp.exp(-abs(x))  # at most 1, so nothing overflows
        return xp.where(x >= 0, 1 / (1 + small), small / (1 + small))

    def local_x(self, g: Any, out: Any) -> Any:
        return g * ((1 - out) * out)


class Relu(Elementwise):
    """x where it is positive, else 0"""

    name = "relu"
    symbol = "relu"
    story = "gates: the upstream gradient passes where the input is positive and is blocked elsewhere"
    samples = unary_samples()
    kinks = (Kink((0.0,), (0.0,), "slopes 0 and 1 meet: the smallest subgradient is 0"),)

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.where(x <= 0, 0, x)

    def local_x(self, g: Any, x: Any) -> Any:
        return gates.where(x <= 0, 0.0, g)

    def decision(self, out: Any, *inputs: Any) -> Any:
        return np.sign(inputs[0])


EXP = Exp()
EXPM1 = Expm1()
LOG = Log()
LOG1P = Log1p()
LOG2 = Log2()
LOG10 = Log10()
SQRT = Sqrt()
EXP2 = Exp2()
CBRT = Cbrt()
LOGADDEXP = LogAddExp()
LOGADDEXP2 = LogAddExp2()
SIGMOID = Sigmoid()
RELU = Relu()


@implements(np.exp)
def exp(x: Any, /) -> Any:
    """e ** x."""
    return apply(EXP, x)


@implements(np.exp2)
def exp2(x: Any, /) -> Any:
    """2 ** x."""
    return apply(EXP2, x)


@implements(np.expm1)
def expm1(x: Any, /) -> Any:
    """e ** x - 1, accurate near 0."""
    return apply(EXPM1, x)


@implements(np.log)
def log(x: Any, /) -> Any:
    """Natural logarithm."""
    return apply(LOG, x)


@implements(np.log1p)
def log1p(x: Any, /) -> Any:
    """log(1 + x), accurate near 0."""
    return apply(LOG1P, x)


@implements(np.log2)
def log2(x: Any, /) -> Any:
    """Logarithm to base 2."""
    return apply(LOG2, x)


@implements(np.log10)
def log10(x: Any, /) -> Any:
    """Logarithm to base 10."""
    return apply(LOG10, x)


@implements(np.sqrt)
def sqrt(x: Any, /) -> Any:
    """Square root."""
    return apply(SQRT, x)


@implements(np.cbrt)
def cbrt(x: Any, /) -> Any:
    """Cube root, of negative numbers too."""
    return apply(CBRT, x)


@implements(np.logaddexp)
def logaddexp(x: Any, y: Any, /) -> Any:
    """log(e ** x + e ** y), without overflow.

    Example:
        >>> import gatewise as gw
        >>> [float(g) for g in gw.grad(gw.logaddexp, argnums=(0, 1))(1000.0, 1000.0)]
        [0.5, 0.5]
    """
    return apply(LOGADDEXP, x, y)


@implements(np.logaddexp2)
def logaddexp2(x: Any, y: Any, /) -> Any:
    """log2(2 ** x + 2 ** y), without overflow."""
    return apply(LOGADDEXP2, x, y)


def sigmoid(x: Any, /) -> Any:
    """The logistic function 1 / (1 + e ** -x), as one gate.

    Example:
        >>> import gatewise as gw
        >>> round(float(gw.grad(gw.sigmoid)(1.0)), 6)
        0.196612
    """
    return apply(SIGMOID, x)


def relu(x: Any, /) -> Any:
    """x where it is positive, else 0, as one gate.

    Example:
        >>> import gatewise as gw
        >>> gw.relu([-1.0, 2.0]).tolist()
        [0.0, 2.0]
    """
    return apply(RELU, x)
