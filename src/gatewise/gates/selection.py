"""Gates that choose, compare and round: maximum, minimum, clip, where, abs, signs, comparisons, rounding, logic."""

from __future__ import annotations

import builtins
import operator
from typing import Any

import numpy as np

from gatewise import gates, libraries
from gatewise import samples as draw
from gatewise.errors import ShapeError
from gatewise.gate import Elementwise, Kink, Operator, implements, loop_dtype, refuse
from gatewise.graph import Tracked, apply, arrayed, dtype_name, is_complex, plain
from gatewise.samples import broadcast_samples, sample, unary_samples

__all__ = [
    "abs",
    "bitwise_and",
    "bitwise_invert",
    "bitwise_or",
    "bitwise_xor",
    "ceil",
    "clip",
    "copysign",
    "equal",
    "floor",
    "fmax",
    "fmin",
    "greater",
    "greater_equal",
    "heaviside",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "not_equal",
    "real_if_close",
    "round",
    "sign",
    "trunc",
    "where",
]


class Maximum(Elementwise):
    """The larger of x and y"""

    name = "maximum"
    symbol = "max"
    story = "routes: the larger input receives all of the upstream gradient, the other one nothing"
    samples = broadcast_samples()
    kinks = (Kink((2.0, 2.0), (0.5, 0.5), "a tie: each side takes half, the smallest subgradient"),)

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return xp.maximum(x, y)

    def local_x(self, g: Any, x: Any, y: Any) -> Any:
        return _share(g, x > y, x < y)

    def local_y(self, g: Any, x: Any, y: Any) -> Any:
        return _share(g, y > x, y < x)

    def decision(self, out: Any, *inputs: Any) -> Any:
        return np.sign(np.subtract(*inputs))


class Minimum(Elementwise):
    """The smaller of x and y"""

    name = "minimum"
    symbol = "min"
    story = "routes: the smaller input receives all of the upstream gradient, the other one nothing"
    samples = broadcast_samples()
    kinks = (Kink((2.0, 2.0), (0.5, 0.5), "a tie: each side takes half, the smallest subgradient"),)

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return xp.minimum(x, y)

    def local_x(self, g: Any, x: Any, y: Any) -> Any:
        return _share(g, x < y, x > y)

    def local_y(self, g: Any, x: Any, y: Any) -> Any:
        return _share(g, y < x, y > x)

    def decision(self, out: Any, *inputs: Any) -> Any:
        return np.sign(np.subtract(*inputs))


class Fmax(Elementwise):
    """The larger of x and y; a number rather than NaN"""

    name = "fmax"
    symbol = "fmax"
    story = "routes: the larger input receives all of the upstream gradient, the other one, or a NaN, nothing"
    samples = broadcast_samples()
    kinks = (
        Kink((2.0, 2.0), (0.5, 0.5), "a tie: each side takes half, the smallest subgradient"),
        Kink((np.nan, 2.0), (0.0, 1.0), "no tie: the one number takes all"),
    )

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return np.fmax(x, y) if xp is np else _numbers_first(xp, xp.maximum, x, y)

    def local_x(self, g: Any, x: Any, y: Any) -> Any:
        return _share(g, (x > y) | (y != y), (x < y) | (x != x))

    def local_y(self, g: Any, x: Any, y: Any) -> Any:
        return _share(g, (y > x) | (x != x), (y < x) | (y != y))

    def decision(self, out: Any, *inputs: Any) -> Any:
        return np.sign(np.subtract(*inputs))


class Fmin(Elementwise):
    """The smaller of x and y; a number rather than NaN"""

    name = "fmin"
    symbol = "fmin"
    story = "routes: the smaller input receives all of the upstream gradient, the other one, or a NaN, nothing"
    samples = broadcast_samples()
    kinks = (
        Kink((2.0, 2.0), (0.5, 0.5), "a tie: each side takes half, the smallest subgradient"),
        Kink((np.nan, 2.0), (0.0, 1.0), "no tie: the one number takes all"),
    )

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return np.fmin(x, y) if xp is np else _numbers_first(xp, xp.minimum, x, y)

    def local_x(self, g: Any, x: Any, y: Any) -> Any:
        return _share(g, (x < y) | (y != y), (x > y) | (x != x))

    def local_y(self, g: Any, x: Any, y: Any) -> Any:
        return _share(g, (y < x) | (x != x), (y > x) | (y != y))

    def decision(self, out: Any, *inputs: Any) -> Any:
        return np.sign(np.subtract(*inputs))


def _numbers_first(xp: Any, choose: Any, x: Any, y: Any) -> Any:
    """The choice among x and y, each standing in for the other where that is NaN."""
    x, y = (libraries.zeros(xp, (), other) + z if isinstance(z, int | float) else z for z, other in ((x, y), (y, x)))
    return choose(xp.where(x == x, x, y), xp.where(y == y, y, x))


def _share(g: Any, wins: Any, loses: Any) -> Any:
    """All of g where this side wins, nothing where it loses, half where the two tie (or one is not a number)."""
    return gates.where(wins, g, gates.where(loses, 0.0, 0.5 * g))


class Clip(Elementwise):
    """x, but at least `low` and at most `high`"""

    name = "clip"
    symbol = "clip"
    story = (
        "gates: the upstream gradient passes where x lies strictly between the bounds, else the bound in force takes it"
    )
    samples = (
        sample(draw.normal(3, 2), -1.0, 1.0),
        sample(draw.normal(3, 2), draw.normal(2), 1.5),
        sample(draw.normal(5, dtype="float32"), -1.0, 1.0),
    )
    kinks = (
        Kink((1.0, -1.0, 1.0), (0.0, 0.0, 1.0), "at a bound: slopes 0 and 1 of x meet, the smallest is 0"),
        Kink((-1.0, -1.0, 1.0), (0.0, 1.0, 0.0), "at a bound: slopes 0 and 1 of x meet, the smallest is 0"),
        Kink((0.0, 1.0, 1.0), (0.0, 0.0, 1.0), "bounds that meet: the upper one is put in force last"),
    )

    def forward(self, xp: Any, x: Any, low: Any, high: Any) -> Any:
        if xp is np:
            return np.clip(x, low, high)
        return xp.minimum(xp.maximum(x, low), high)

    def local_x(self, g: Any, x: Any, low: Any, high: Any) -> Any:
        return gates.where((x <= low) | (x >= high), 0.0, g)

    def local_low(self, g: Any, x: Any, low: Any, high: Any) -> Any:
        return gates.where((x <= low) & (low < high), g, 0.0)

    def local_high(self, g: Any, x: Any, high: Any, low: Any) -> Any:
        return gates.where((x >= high) | (low >= high), g, 0.0)

    def decision(self, out: Any, *inputs: Any) -> Any:
        x, low, high = inputs
        return np.sign(x - low) + np.sign(x - high)


class Where(Elementwise):
    """x where the condition holds, else y"""

    name = "where"
    symbol = "where"
    story = "switches: the chosen branch receives the upstream gradient, the other one exactly zero"
    samples = (
        sample(draw.booleans(3, 2), draw.normal(3, 2), draw.normal(3, 2)),
        sample(draw.booleans(3, 2), draw.normal(2), draw.normal()),
        sample(draw.booleans(3, 1), draw.normal(3, 2), 0.0),
    )

    def forward(self, xp: Any, condition: Any, x: Any, y: Any) -> Any:
        out = xp.where(condition, x, y)
        return out[()] if xp is np else out

    def local_x(self, g: Any, condition: Any) -> Any:
        return gates.where(condition, g, 0.0)

    def local_y(self, g: Any, condition: Any) -> Any:
        return gates.where(condition, 0.0, g)

    def decision(self, out: Any, *inputs: Any) -> Any:
        return inputs[0]


class Abs(Elementwise):
    """Distance from zero"""

    name = "abs"
    symbol = "|x|"
    story = "turns by the sign: the input receives the upstream gradient, negated where the input is negative"
    samples = (*unary_samples(), sample(draw.complexes(3)))
    kinks = (Kink((0.0,), (0.0,), "slopes -1 and 1 meet: the smallest subgradient is 0"),)
    holomorphic = False

    def forward(self, xp: Any, x: Any) -> Any:
        return builtins.abs(x)

    def local_x(self, g: Any, x: Any, out: Any) -> Any:
        if is_complex(x.dtype):  # the direction x / |x| turns with x, so it must stay differentiable
            return g * (x / gates.where(out == 0, 1.0, out))
        return g * sign(x)

    def decision(self, out: Any, *inputs: Any) -> Any:
        x = inputs[0]  # a complex number turns without a kink, but for zero
        return x == 0 if is_complex(x.dtype) else np.sign(x)


class Sign(Elementwise):
    """-1, 0 or 1; for a complex number x / |x|"""

    name = "sign"
    symbol = "sign"
    story = "blocks: a step is flat almost everywhere, so no gradient passes"
    samples = unary_samples()

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.sign(x)

    def decision(self, out: Any, *inputs: Any) -> Any:
        return out


class CopySign(Elementwise):
    """x with the sign of y"""

    name = "copysign"
    symbol = "±"
    story = "turns: x receives the upstream gradient, negated where its sign was changed; y receives none"
    samples = broadcast_samples()
    kinks = (Kink((0.0, 1.0), (0.0, 0.0), "as for abs, slopes -1 and 1 meet: the smallest subgradient is 0"),)

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return xp.copysign(x, y)

    def local_x(self, g: Any, x: Any, out: Any) -> Any:
        return g * (sign(x) * sign(out))

    def decision(self, out: Any, *inputs: Any) -> Any:
        return np.sign(inputs[0]) + 3 * np.copysign(1.0, inputs[1])


class Floor(Elementwise):
    """The largest integer not above x"""

    name = "floor"
    symbol = "⌊x⌋"
    story = "blocks: a staircase is flat almost everywhere, so no gradient passes"
    samples = unary_samples()

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.floor(x)

    def decision(self, out: Any, *inputs: Any) -> Any:
        return out


class Ceil(Elementwise):
    """The smallest integer not below x"""

    name = "ceil"
    symbol = "⌈x⌉"
    story = "blocks: a staircase is flat almost everywhere, so no gradient passes"
    samples = unary_samples()

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.ceil(x)

    def decision(self, out: Any, *inputs: Any) -> Any:
        return out


class Round(Elementwise):
    """The nearest integer, halves to the even one"""

    name = "round"
    symbol = "round"
    story = "blocks: a staircase is flat almost everywhere, so no gradient passes"
    samples = unary_samples()

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.round(x)

    def decision(self, out: Any, *inputs: Any) -> Any:
        return out


class Trunc(Elementwise):
    """x cut to an integer, towards zero"""

    name = "trunc"
    symbol = "trunc"
    story = "blocks: a staircase is flat almost everywhere, so no gradient passes"
    samples = unary_samples()

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.trunc(x)

    def decision(self, out: Any, *inputs: Any) -> Any:
        return out


class Comparison(Operator):
    """Base of gates whose answer is true or false"""

    story = "answers true or false: no gradient passes"
    samples = broadcast_samples()

    def decision(self, out: Any, *inputs: Any) -> Any:
        return out


class Equal(Comparison):
    """x == y"""

    name = "equal"
    symbol = "=="
    compute = operator.eq


class NotEqual(Comparison):
    """x != y"""

    name = "not_equal"
    symbol = "≠"
    compute = operator.ne


class Less(Comparison):
    """x < y"""

    name = "less"
    symbol = "<"
    compute = operator.lt


class LessEqual(Comparison):
    """x <= y"""

    name = "less_equal"
    symbol = "≤"
    compute = operator.le


class Greater(Comparison):
    """x > y"""

    name = "greater"
    symbol = ">"
    compute = operator.gt


class GreaterEqual(Comparison):
    """x >= y"""

    name = "greater_equal"
    symbol = "≥"
    compute = operator.ge


class And(Comparison):
    """x & y"""

    name = "bitwise_and"
    symbol = "and"
    samples = (sample(draw.booleans(3, 2), draw.booleans(2)),)
    compute = operator.and_


class Or(Comparison):
    """x | y"""

    name = "bitwise_or"
    symbol = "or"
    samples = (sample(draw.booleans(3, 2), draw.booleans(2)),)
    compute = operator.or_


class Xor(Comparison):
    """x ^ y"""

    name = "bitwise_xor"
    symbol = "xor"
    samples = (sample(draw.booleans(3, 2), draw.booleans(2)),)
    compute = operator.xor


class Not(Elementwise):
    """~x"""

    name = "bitwise_invert"
    symbol = "not"
    story = "answers true or false: no gradient passes"
    samples = (sample(draw.booleans(3, 2)),)

    def forward(self, xp: Any, x: Any) -> Any:
        return ~x


MAXIMUM = Maximum()
MINIMUM = Minimum()
CLIP = Clip()
WHERE = Where()
ABS = Abs()
SIGN = Sign()
FLOOR = Floor()
CEIL = Ceil()
ROUND = Round()
TRUNC = Trunc()
FMAX = Fmax()
FMIN = Fmin()
COPYSIGN = CopySign()
EQUAL = Equal()
NOT_EQUAL = NotEqual()
LESS = Less()
LESS_EQUAL = LessEqual()
GREATER = Greater()
GREATER_EQUAL = GreaterEqual()
AND = And()
OR = Or()
XOR = Xor()
NOT = Not()


@implements(np.maximum)
def maximum(x: Any, y: Any, /) -> Any:
    """The larger of x and y, element by element; a tie gives each half the gradient."""
    return apply(MAXIMUM, x, y)


@implements(np.minimum)
def minimum(x: Any, y: Any, /) -> Any:
    """The smaller of x and y, element by element; a tie gives each half the gradient."""
    return apply(MINIMUM, x, y)


@implements(np.clip, np._core.umath.clip)  # type: ignore[attr-defined]  # the ufunc behind it
def clip(x: Any, min: Any = None, max: Any = None, **numpy_names: Any) -> Any:
    """x, but at least `min` and at most `max`; None leaves that side open. At a bound the gradient is 0."""
    low = numpy_names.pop("a_min", min)
    high = numpy_names.pop("a_max", max)
    refuse("clip", numpy_names)
    x = arrayed(x)
    dtype = np.dtype(dtype_name(x.dtype))
    lowest: Any
    highest: Any
    if dtype.kind == "b":
        lowest, highest = False, True
    elif dtype.kind in "iu":
        lowest, highest = np.iinfo(dtype).min, np.iinfo(dtype).max
    else:
        lowest, highest = -np.inf, np.inf
    return apply(CLIP, x, lowest if low is None else low, highest if high is None else high)


@implements(np.where)
def where(condition: Any, x1: Any = np._NoValue, x2: Any = np._NoValue, /) -> Any:
    """x1 where `condition` holds, else x2; the branch not taken receives a gradient of exactly zero.

    With the condition alone the indices where it holds, as ``np.where`` has it.

    Raises:
        ShapeError: Only one branch is given, or the shapes do not broadcast.
    """
    if x2 is not np._NoValue:
        return apply(WHERE, condition, x1, x2)
    if x1 is not np._NoValue:
        raise ShapeError("where: give both branches, where(condition, x, y), or none")
    return np.nonzero(condition)


@implements(np.fmax)
def fmax(x: Any, y: Any, /) -> Any:
    """The larger of x and y, a number rather than NaN; a tie gives each half the gradient."""
    return apply(FMAX, x, y)


@implements(np.fmin)
def fmin(x: Any, y: Any, /) -> Any:
    """The smaller of x and y, a number rather than NaN; a tie gives each half the gradient."""
    return apply(FMIN, x, y)


@implements(np.heaviside)
def heaviside(x: Any, at_zero: Any, /) -> Any:
    """0 below zero, 1 above, and `at_zero` at zero, which alone receives a gradient, there.

    Example:
        >>> import gatewise as gw
        >>> gw.heaviside([-1.0, 0.0, 2.0], 0.5).tolist()
        [0.0, 0.5, 1.0]
    """
    x, at_zero = arrayed(x), arrayed(at_zero)
    dtype = loop_dtype(np.heaviside, x, at_zero)
    x, at_zero = gates.astype(x, dtype), gates.astype(at_zero, dtype)
    return where(x == 0, at_zero, 0.5 * (sign(x) + 1))


@implements(np.real_if_close)
def real_if_close(x: Any, /, tol: float = 100) -> Any:
    """The real part where no imaginary part is larger than `tol` (in units of the dtype's precision), else x."""
    x = arrayed(x)
    value = x.value if isinstance(x, Tracked) else x
    return gates.real(x) if is_complex(x.dtype) and not is_complex(np.real_if_close(value, tol).dtype) else x


@implements(np.copysign)
def copysign(x: Any, y: Any, /) -> Any:
    """x with the sign of y."""
    return apply(COPYSIGN, x, y)


@implements(np.fabs)
def _fabs(x: Any, /) -> Any:
    """Distance of real numbers from zero, of integers as floating numbers."""
    x = arrayed(x)
    return abs(gates.astype(x, loop_dtype(np.fabs, x)))


@implements(np.abs)
def abs(x: Any, /) -> Any:
    """Distance from zero."""
    return apply(ABS, x)


@implements(np.sign)
def sign(x: Any, /) -> Any:
    """-1, 0 or 1; no gradient passes. For a complex number x / |x|, which turns with x."""
    x = arrayed(x)
    if is_complex(x.dtype):
        size = abs(x)
        return where(size == 0, 0.0, x / where(size == 0, 1.0, size))  # of a complex zero 0, never -0
    return apply(SIGN, x)


@implements(np.floor)
def floor(x: Any, /) -> Any:
    """The largest integer not above x; no gradient passes."""
    return apply(FLOOR, x)


@implements(np.ceil)
def ceil(x: Any, /) -> Any:
    """The smallest integer not below x; no gradient passes."""
    return apply(CEIL, x)


@implements(np.trunc, np.fix)
def trunc(x: Any, /) -> Any:
    """x cut to an integer, towards zero; no gradient passes."""
    return apply(TRUNC, x)


@implements(np.rint)
def _rint(x: Any, /) -> Any:
    """The nearest whole number, of integers as a floating number."""
    x = arrayed(x)
    return apply(ROUND, gates.astype(x, loop_dtype(np.rint, x)))


@implements(np.round, np.around)
def round(x: Any, /, decimals: int = 0) -> Any:
    """The nearest number of so many decimals, halves to the even one; no gradient passes."""
    if decimals == 0:
        return apply(ROUND, x)
    x = arrayed(x)
    if np.dtype(dtype_name(x.dtype)).kind in "iu":  # whole numbers stay whole, and have no decimals
        return x if decimals > 0 else gates.astype(apply(ROUND, x / 10**-decimals) * 10**-decimals, dtype_name(x.dtype))
    scale = 10.0 ** builtins.abs(decimals)
    return apply(ROUND, x * scale) / scale if decimals > 0 else apply(ROUND, x / scale) * scale


@implements(np.equal)
def equal(x: Any, y: Any, /) -> Any:
    """x == y."""
    return apply(EQUAL, x, y)


@implements(np.not_equal)
def not_equal(x: Any, y: Any, /) -> Any:
    """x != y."""
    return apply(NOT_EQUAL, x, y)


@implements(np.less)
def less(x: Any, y: Any, /) -> Any:
    """x < y."""
    return apply(LESS, x, y)


@implements(np.less_equal)
def less_equal(x: Any, y: Any, /) -> Any:
    """x <= y."""
    return apply(LESS_EQUAL, x, y)


@implements(np.greater)
def greater(x: Any, y: Any, /) -> Any:
    """x > y."""
    return apply(GREATER, x, y)


@implements(np.greater_equal)
def greater_equal(x: Any, y: Any, /) -> Any:
    """x >= y."""
    return apply(GREATER_EQUAL, x, y)


@implements(np.bitwise_and)
def bitwise_and(x: Any, y: Any, /) -> Any:
    """x & y."""
    return apply(AND, x, y)


@implements(np.bitwise_or)
def bitwise_or(x: Any, y: Any, /) -> Any:
    """x | y."""
    return apply(OR, x, y)


@implements(np.bitwise_xor)
def bitwise_xor(x: Any, y: Any, /) -> Any:
    """x ^ y."""
    return apply(XOR, x, y)


@implements(np.invert)
def bitwise_invert(x: Any, /) -> Any:
    """~x."""
    return apply(NOT, x)


@implements(np.logical_and)
def logical_and(x: Any, y: Any, /) -> Any:
    """Both are true (not zero)."""
    return apply(AND, _truth(x), _truth(y))


@implements(np.logical_or)
def logical_or(x: Any, y: Any, /) -> Any:
    """One of them is true (not zero)."""
    return apply(OR, _truth(x), _truth(y))


@implements(np.logical_xor)
def logical_xor(x: Any, y: Any, /) -> Any:
    """One of them is true (not zero), the other is not."""
    return apply(XOR, _truth(x), _truth(y))


@implements(np.logical_not)
def logical_not(x: Any, /) -> Any:
    """Not true (zero)."""
    return apply(NOT, _truth(x))


def _truth(x: Any) -> Any:
    """x as booleans."""
    x = arrayed(x if isinstance(x, Tracked) else plain(x))
    return x if dtype_name(x.dtype) == "bool" else x != 0
