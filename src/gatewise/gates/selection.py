"""Gates that choose, compare and round: maximum, minimum, clip, where, abs, sign, comparisons, rounding, logic."""

from __future__ import annotations

import builtins
import operator
from typing import Any

import numpy as np

from gatewise import gates
from gatewise import samples as draw
from gatewise.errors import ShapeError
from gatewise.gate import Elementwise, Kink, Operator, implements, refuse
from gatewise.graph import apply, dtype_name, is_complex
from gatewise.samples import broadcast_samples, sample, unary_samples

__all__ = [
    "abs",
    "bitwise_and",
    "bitwise_invert",
    "bitwise_or",
    "bitwise_xor",
    "ceil",
    "clip",
    "equal",
    "floor",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "maximum",
    "minimum",
    "not_equal",
    "round",
    "sign",
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
        Kink((1.0, -1.0, 1.0), (0.0, 0.0, 0.0), "at a bound: slopes 0 and 1 meet, the smallest is 0"),
        Kink((-1.0, -1.0, 1.0), (0.0, 0.0, 0.0), "at a bound: slopes 0 and 1 meet, the smallest is 0"),
    )

    def forward(self, xp: Any, x: Any, low: Any, high: Any) -> Any:
        if xp is np:
            return np.clip(x, low, high)
        return xp.minimum(xp.maximum(x, low), high)

    def local_x(self, g: Any, x: Any, low: Any, high: Any) -> Any:
        return gates.where((x <= low) | (x >= high), 0.0, g)

    def local_low(self, g: Any, x: Any, low: Any, high: Any) -> Any:
        return gates.where((x < low) & (low < high), g, 0.0)

    def local_high(self, g: Any, x: Any, high: Any, low: Any) -> Any:
        return gates.where((x > high) | (low > high), g, 0.0)

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
        return np.sign(inputs[0])


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


@implements(np.clip)
def clip(x: Any, min: Any = None, max: Any = None, **numpy_names: Any) -> Any:
    """x, but at least `min` and at most `max`; None leaves that side open. At a bound the gradient is 0."""
    low = numpy_names.pop("a_min", min)
    high = numpy_names.pop("a_max", max)
    refuse("clip", numpy_names)
    return apply(CLIP, x, -np.inf if low is None else low, np.inf if high is None else high)


@implements(np.where)
def where(condition: Any, *branches: Any) -> Any:
    """x where `condition` holds, else y; the branch not taken receives a gradient of exactly zero.

    With the condition alone the indices where it holds, as ``np.where`` has it.
    """
    if not branches:
        return np.nonzero(condition)
    if len(branches) != 2:
        raise ShapeError("where: give both branches, where(condition, x, y), or none")
    return apply(WHERE, condition, *branches)


@implements(np.abs, np.fabs)
def abs(x: Any, /) -> Any:
    """Distance from zero."""
    return apply(ABS, x)


@implements(np.sign)
def sign(x: Any, /) -> Any:
    """-1, 0 or 1; no gradient passes."""
    return apply(SIGN, x)


@implements(np.floor)
def floor(x: Any, /) -> Any:
    """The largest integer not above x; no gradient passes."""
    return apply(FLOOR, x)


@implements(np.ceil)
def ceil(x: Any, /) -> Any:
    """The smallest integer not below x; no gradient passes."""
    return apply(CEIL, x)


@implements(np.rint)
def round(x: Any, /) -> Any:
    """The nearest integer, halves to the even one; no gradient passes."""
    return apply(ROUND, x)


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


@implements(np.logical_not)
def logical_not(x: Any, /) -> Any:
    """Not true (zero)."""
    return apply(NOT, _truth(x))


def _truth(x: Any) -> Any:
    """x as booleans."""
    return x if dtype_name(getattr(x, "dtype", type(x).__name__)) == "bool" else x != 0
