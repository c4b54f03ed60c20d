"""Functions of complex numbers as formulas of their real and imaginary parts.

The compiler knows no complex numbers: to it each is a pair of real ones (`lower`). The formulas hold for any array
library; where parts are infinite, not a number or zeros of either sign, results are those of C99's Annex G, as NumPy's
are. Quotients are by R. Smith, Algorithm 116: complex division (1962); hyperbolic tangent and inverse functions by W.
Kahan, Branch cuts for complex elementary functions (1987).
"""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import Any, TypeVar

import numpy as np

Pair = tuple[Any, Any]
Formula = TypeVar("Formula", bound=Callable[..., Any])

#: Function -> its formula: of an array library and a pair for each operand, giving a pair or one real result.
FORMULAS: dict[str, Callable[..., Any]] = {}


def _named(*names: str) -> Callable[[Formula], Formula]:
    """Register a formula under its names."""

    def register(formula: Formula) -> Formula:
        FORMULAS.update(dict.fromkeys(names, formula))
        return formula

    return register


def _limits(x: Any) -> Any:
    return np.finfo(np.dtype(x.dtype))


def _is_endless(xp: Any, x: Any) -> Any:
    return xp.abs(x) == np.inf


def _signed(xp: Any, size: Any, *signs: Any) -> Any:
    """`size` with the sign of a product."""
    for sign in signs:
        size = xp.where(xp.signbit(sign), -size, size)
    return size


# ----------------------------------------------------------------------------------------------------------- arithmetic


@_named("add")
def add(xp: Any, x: Pair, y: Pair) -> Pair:
    """x + y."""
    return x[0] + y[0], x[1] + y[1]


@_named("subtract")
def subtract(xp: Any, x: Pair, y: Pair) -> Pair:
    """x - y."""
    return x[0] - y[0], x[1] - y[1]


@_named("negative")
def negative(xp: Any, x: Pair) -> Pair:
    """-x."""
    return -x[0], -x[1]


@_named("multiply")
def multiply(xp: Any, x: Pair, y: Pair) -> Pair:
    """x * y."""
    return x[0] * y[0] - x[1] * y[1], x[0] * y[1] + x[1] * y[0]


@_named("divide")
def divide(xp: Any, x: Pair, y: Pair) -> Pair:
    """x / y, by the ratio of y's smaller part to its larger one."""
    upright = xp.abs(y[0]) >= xp.abs(y[1])
    larger, smaller = xp.where(upright, y[0], y[1]), xp.where(upright, y[1], y[0])
    ratio = smaller / larger
    scale = 1.0 / (larger + smaller * ratio)
    real = xp.where(upright, x[0] + x[1] * ratio, x[0] * ratio + x[1]) * scale
    imaginary = xp.where(upright, x[1] - x[0] * ratio, x[1] * ratio - x[0]) * scale
    nothing = (y[0] == 0) & (y[1] == 0)
    size = xp.abs(y[0])
    return xp.where(nothing, x[0] / size, real), xp.where(nothing, x[1] / size, imaginary)


@_named("abs")
def absolute(xp: Any, x: Pair) -> Any:
    """The distance from 0."""
    return xp.hypot(x[0], x[1])


# ---------------------------------------------------------------------------------------------------------- comparisons


@_named("equal")
def equal(xp: Any, x: Pair, y: Pair) -> Any:
    """Whether both parts are equal."""
    return (x[0] == y[0]) & (x[1] == y[1])


@_named("not_equal")
def not_equal(xp: Any, x: Pair, y: Pair) -> Any:
    """Whether a part differs."""
    return (x[0] != y[0]) | (x[1] != y[1])


@_named("isnan")
def isnan(xp: Any, x: Pair) -> Any:
    """Whether a part is not a number."""
    return xp.isnan(x[0]) | xp.isnan(x[1])


@_named("isinf")
def isinf(xp: Any, x: Pair) -> Any:
    """Whether a part is infinite."""
    return xp.isinf(x[0]) | xp.isinf(x[1])


@_named("isfinite")
def isfinite(xp: Any, x: Pair) -> Any:
    """Whether both parts are finite."""
    return xp.isfinite(x[0]) & xp.isfinite(x[1])


# ------------------------------------------------------------------------------------------- exponential and logarithm


def _exponentials(xp: Any, x: Any) -> Pair:
    """Two numbers whose product is e ** x, so that times something small it overflows no sooner than it must."""
    cut = float(np.floor(log(float(_limits(x).max)))) - 5.0
    above = x > cut
    return xp.exp(xp.where(above, x - cut, x)), xp.where(above, float(np.exp(cut)), xp.ones_like(x))


@_named("exp")
def exp(xp: Any, x: Pair) -> Pair:
    """e ** x = e ** re · (cos im + i sin im)."""
    first, second = _exponentials(xp, x[0])
    real, imaginary = (first * xp.cos(x[1])) * second, (first * xp.sin(x[1])) * second
    turning, nothing = ~xp.isfinite(x[1]), xp.zeros_like(x[0])
    real = xp.where(turning & _is_endless(xp, x[0]), xp.where(x[0] > 0, x[0], nothing), real)
    imaginary = xp.where(turning & (x[0] == -np.inf), xp.copysign(nothing, x[1]), imaginary)
    flat = x[1] == 0
    return xp.where(flat, xp.exp(x[0]), real), xp.where(flat, x[1], imaginary)


@_named("log")
def log_(xp: Any, x: Pair) -> Pair:
    """log |x| + i times the angle; near the unit circle by what |x|² differs from 1."""
    larger, smaller = xp.abs(x[0]), xp.abs(x[1])
    turned = larger < smaller
    larger, smaller = xp.where(turned, smaller, larger), xp.where(turned, larger, smaller)
    size = xp.hypot(x[0], x[1])
    near = xp.log1p((larger - 1.0) * (larger + 1.0) + smaller * smaller) * 0.5
    exponent = _limits(size).maxexp // 2
    shift = xp.where(size > 2.0**exponent, -1.0, xp.where(size < 2.0**-exponent, 1.0, 0.0)) * exponent
    factor = xp.astype(xp.exp2(shift), size.dtype)
    far = xp.log(xp.hypot(x[0] * factor, x[1] * factor)) - xp.astype(shift, size.dtype) * log(2)
    return xp.where((size > 0.5) & (size < 2.0), near, far), xp.atan2(x[1], x[0])


@_named("log2")
def log2(xp: Any, x: Pair) -> Pair:
    """The logarithm to base 2."""
    real, imaginary = log_(xp, x)
    return real / log(2), imaginary / log(2)


@_named("log10")
def log10(xp: Any, x: Pair) -> Pair:
    """The logarithm to base 10."""
    real, imaginary = log_(xp, x)
    return real / log(10), imaginary / log(10)


@_named("sqrt")
def sqrt(xp: Any, x: Pair) -> Pair:
    """The root whose real part is not negative; large and small numbers are scaled by a power of 4 on the way."""
    limits = _limits(x[0])
    larger = xp.maximum(xp.abs(x[0]), xp.abs(x[1]))
    up, down = larger < float(limits.smallest_normal) * 2.0**8, larger > float(limits.max) / 8
    exponent = 2 * (limits.nmant // 2 + 2)
    factor = xp.where(up, 2.0**exponent, xp.where(down, 2.0**-4, xp.ones_like(larger)))
    back = xp.where(up, 2.0 ** -(exponent // 2), xp.where(down, 4.0, xp.ones_like(larger)))
    real, imaginary = x[0] * factor, x[1] * factor
    root = xp.sqrt((xp.abs(real) + xp.hypot(real, imaginary)) * 0.5)
    other = imaginary / (root * 2.0)
    right = ~(real < 0)
    first = xp.where(right, root, xp.abs(other)) * back
    second = xp.where(right, other, xp.copysign(root, imaginary)) * back
    nothing = (x[0] == 0) & (x[1] == 0)
    first, second = xp.where(nothing, 0.0, first), xp.where(nothing, x[1], second)
    level, upright = _is_endless(xp, x[0]), _is_endless(xp, x[1])
    first = xp.where(level, xp.where(x[0] > 0, np.inf, xp.where(xp.isnan(x[1]), x[1], 0.0)), first)
    ends = xp.where(x[0] > 0, xp.where(xp.isnan(x[1]), x[1], xp.zeros_like(x[1])), np.inf)
    second = xp.where(level, xp.copysign(ends, x[1]), second)
    return xp.where(upright, np.inf, first), xp.where(upright, x[1], second)


@_named("pow")
def pow_(xp: Any, x: Pair, y: Pair) -> Pair:
    """x ** y: by multiplication where y is a whole number below 100, as NumPy does, else e ** (y log x)."""
    real, imaginary = exp(xp, multiply(xp, y, log_(xp, x)))
    size = xp.abs(y[0])
    product, power, left = _one(xp, x), x, size
    for bit in range(7):
        half = xp.floor(left * 0.5)
        product = _chosen(xp, left != half * 2.0, multiply(xp, product, power), product)
        left, power = half, multiply(xp, power, power) if bit < 6 else power
    product = _chosen(xp, y[0] < 0, divide(xp, _one(xp, x), product), product)
    for few in (1, 2, 3):
        product = _chosen(xp, y[0] == few, whole_power(xp, x, few), product)
    whole = (y[1] == 0) & (xp.floor(size) == size) & (size < 100)
    real, imaginary = _chosen(xp, whole, product, (real, imaginary))
    zero = (x[0] == 0) & (x[1] == 0) & ~((y[0] == 0) & (y[1] == 0))
    nothing = xp.where(y[0] > 0, 0.0, xp.astype(xp.full(size.shape, np.nan), size.dtype))
    return _chosen(xp, zero, (nothing, nothing), (real, imaginary))


def whole_power(xp: Any, x: Pair, n: int) -> Pair:
    """x ** n for a known whole number."""
    if 1 <= n <= 3:
        power = x
        for _ in range(n - 1):
            power = multiply(xp, x, power)
        return power
    product, power, left = _one(xp, x), x, abs(n)
    while left:
        if left % 2:
            product = multiply(xp, product, power)
        left //= 2
        power = multiply(xp, power, power)
    return product if n >= 0 else divide(xp, _one(xp, x), product)


def _one(xp: Any, x: Pair) -> Pair:
    return xp.ones_like(x[0]), xp.zeros_like(x[0])


def _chosen(xp: Any, condition: Any, x: Pair, y: Pair) -> Pair:
    """x where the condition holds, else y."""
    return xp.where(condition, x[0], y[0]), xp.where(condition, x[1], y[1])


# ---------------------------------------------------------------------------------------------- trigonometric functions


def _hyperbolic(xp: Any, x: Any, function: Any) -> Pair:
    """sinh or cosh as two factors, of which the second is not 1 where the product may overflow."""
    cut = float(np.floor(log(float(_limits(x).max)))) - 5.0
    size = xp.abs(x)
    above = size > cut
    return function(xp.where(above, xp.copysign(size - 20.0, x), x)), xp.where(above, float(np.exp(20.0)), 1.0)


@_named("sinh")
def sinh(xp: Any, x: Pair) -> Pair:
    """sinh re · cos im + i cosh re · sin im."""
    (first, scale), (second, _) = _hyperbolic(xp, x[0], xp.sinh), _hyperbolic(xp, x[0], xp.cosh)
    real, imaginary = (first * xp.cos(x[1])) * scale, (second * xp.sin(x[1])) * scale
    turning = ~xp.isfinite(x[1])
    real = xp.where(turning & (x[0] == 0), x[0], xp.where(turning & _is_endless(xp, x[0]), np.inf, real))
    flat = x[1] == 0
    return xp.where(flat, xp.sinh(x[0]), real), xp.where(flat, x[1], imaginary)


@_named("cosh")
def cosh(xp: Any, x: Pair) -> Pair:
    """cosh re · cos im + i sinh re · sin im."""
    (first, scale), (second, _) = _hyperbolic(xp, x[0], xp.cosh), _hyperbolic(xp, x[0], xp.sinh)
    real, imaginary = (first * xp.cos(x[1])) * scale, (second * xp.sin(x[1])) * scale
    real = xp.where(~xp.isfinite(x[1]) & _is_endless(xp, x[0]), np.inf, real)
    flat = x[1] == 0
    nothing = _signed(xp, xp.zeros_like(x[0]), x[0], x[1])
    return xp.where(flat, xp.cosh(x[0]), real), xp.where(flat | (x[0] == 0), nothing, imaginary)


@_named("sin")
def sin(xp: Any, x: Pair) -> Pair:
    """-i sinh(i x)."""
    real, imaginary = sinh(xp, (-x[1], x[0]))
    return imaginary, xp.where(~xp.isfinite(x[0]) & _is_endless(xp, x[1]), np.inf, -real)


@_named("cos")
def cos(xp: Any, x: Pair) -> Pair:
    """cosh(i x)."""
    return cosh(xp, (-x[1], x[0]))


@_named("tanh")
def tanh(xp: Any, x: Pair) -> Pair:
    """By the tangent of the imaginary part and the hyperbolic sine of the real one, which is cut where it is huge."""
    end = log(float(_limits(x[0]).max)) / 4
    size = xp.abs(x[0])
    tangent, lift = xp.tan(x[1]), xp.sinh(xp.copysign(xp.minimum(size, end), x[0]))
    slope = tangent * tangent + 1.0
    below = slope * lift * lift + 1.0
    real, imaginary = slope * xp.sqrt(lift * lift + 1.0) * lift / below, tangent / below
    nothing = xp.zeros_like(size)
    far = size >= end
    turn = xp.where(xp.isfinite(x[1]), xp.sin(x[1] * 2.0), x[1])
    real = xp.where(far, xp.copysign(xp.ones_like(size), x[0]), real)
    imaginary = xp.where(far, xp.copysign(nothing, turn), imaginary)
    lost = ~xp.isfinite(x[1]) & xp.isfinite(x[0])
    real = xp.where(lost, xp.where(x[0] == 0, x[0], np.nan), real)
    return real, xp.where(x[1] == 0, x[1], xp.where(lost, np.nan, imaginary))


@_named("tan")
def tan(xp: Any, x: Pair) -> Pair:
    """-i tanh(i x)."""
    real, imaginary = tanh(xp, (-x[1], x[0]))
    return imaginary, -real


# -------------------------------------------------------------------------------------------------- inverse functions


def _is_far(xp: Any, x: Pair) -> tuple[Any, Any]:
    """Whether 1 is nothing beside x, and what is then the logarithm of 2 |x|."""
    end = 2.0 ** (_limits(x[0]).maxexp // 2 - 2)
    far = (xp.abs(x[0]) > end) | (xp.abs(x[1]) > end)
    return far, xp.log(xp.hypot(x[0] * 0.5, x[1] * 0.5)) + 2 * log(2)


@_named("asinh")
def asinh(xp: Any, x: Pair) -> Pair:
    """From the roots of 1 + i x and 1 - i x, whose product does not cancel."""
    far, most = _is_far(xp, x)
    near = xp.where(far, 0.0, x[0]), xp.where(far, 0.0, x[1])
    one, two = sqrt(xp, (near[1] + 1.0, -near[0])), sqrt(xp, (1.0 - near[1], near[0]))
    real = xp.where(far, xp.copysign(most, x[0]), xp.asinh(one[0] * two[1] - two[0] * one[1]))
    below = xp.where(far, xp.abs(x[0]), one[0] * two[0] - one[1] * two[1])
    return real, xp.where(x[1] == 0, x[1], xp.atan2(x[1], below))


@_named("asin")
def asin(xp: Any, x: Pair) -> Pair:
    """-i asinh(i x)."""
    real, imaginary = asinh(xp, (-x[1], x[0]))
    return imaginary, -real


@_named("acos")
def acos(xp: Any, x: Pair) -> Pair:
    """From the roots of 1 - x and 1 + x."""
    far, most = _is_far(xp, x)
    near = xp.where(far, 0.0, x[0]), xp.where(far, 0.0, x[1])
    one, two = sqrt(xp, (1.0 - near[0], -near[1])), sqrt(xp, (near[0] + 1.0, near[1]))
    real = xp.where(far, xp.atan2(xp.abs(x[1]), x[0]), xp.atan2(one[0], two[0]) * 2.0)
    imaginary = xp.where(far, xp.copysign(most, -x[1]), xp.asinh(two[0] * one[1] - two[1] * one[0]))
    return xp.where((x[0] == 0) & xp.isnan(x[1]), np.pi / 2, real), imaginary


@_named("acosh")
def acosh(xp: Any, x: Pair) -> Pair:
    """From the roots of x - 1 and x + 1."""
    far, most = _is_far(xp, x)
    near = xp.where(far, 0.0, x[0]), xp.where(far, 0.0, x[1])
    one, two = sqrt(xp, (near[0] - 1.0, near[1])), sqrt(xp, (near[0] + 1.0, near[1]))
    real = xp.where(far, most, xp.asinh(one[0] * two[0] + one[1] * two[1]))
    imaginary = xp.where(far, xp.atan2(x[1], x[0]), xp.atan2(one[1], two[0]) * 2.0)
    return real, xp.where((x[0] == 0) & xp.isnan(x[1]), np.pi / 2, imaginary)


@_named("atanh")
def atanh(xp: Any, x: Pair) -> Pair:
    """A logarithm and an angle, both of the upper right quadrant."""
    size, height = xp.abs(x[0]), xp.abs(x[1])
    far, _ = _is_far(xp, x)
    length = xp.hypot(x[0] * 0.5, x[1] * 0.5)
    outside = size * 0.25 / length / length
    outside = xp.where(_is_endless(xp, x[0]) | _is_endless(xp, x[1]), 0.0, outside)
    inside = xp.log1p(size * 4.0 / ((1.0 - size) * (1.0 - size) + height * height)) * 0.25
    small = (size == 1.0) & (height < float(_limits(size).smallest_normal) ** 0.5)
    close = -xp.log(xp.sqrt(height) / xp.sqrt(xp.hypot(height, 2.0)))
    real = xp.where(far, outside, xp.where(small, close, inside))
    angle = xp.atan2(height * 2.0, (1.0 - size) * (size + 1.0) - height * height) * 0.5
    angle = xp.where(far, np.pi / 2, xp.where(small, xp.atan2(2.0, -height) * 0.5, angle))
    angle = xp.where((x[1] == 0) & ~(size > 1), height, angle)
    angle = xp.where(xp.isnan(x[1]) | (xp.isnan(x[0]) & ~_is_endless(xp, x[1])), np.nan, angle)
    real = xp.where((x[0] == 0) & ~xp.isinf(x[1]), size, real)
    return xp.copysign(real, x[0]), xp.copysign(angle, x[1])


@_named("atan")
def atan(xp: Any, x: Pair) -> Pair:
    """-i atanh(i x)."""
    real, imaginary = atanh(xp, (-x[1], x[0]))
    return imaginary, -real
