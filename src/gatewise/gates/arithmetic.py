"""Arithmetic gates: +, -, *, /, **, %, //, the signs, and the parts that a floating number is made of."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from gatewise import gates
from gatewise import samples as draw
from gatewise.errors import DTypeError
from gatewise.gate import Elementwise, Kink, Operator, implements, loop_dtype
from gatewise.graph import Tracked, apply, arrayed
from gatewise.samples import broadcast_samples, complexes, normal, sample, unary_samples

__all__ = [
    "add",
    "divide",
    "divmod",
    "float_power",
    "floor_divide",
    "fmod",
    "frexp",
    "ldexp",
    "modf",
    "multiply",
    "negative",
    "nextafter",
    "positive",
    "pow",
    "reciprocal",
    "remainder",
    "square",
    "subtract",
]


class Add(Operator):
    """x + y"""

    name = "add"
    symbol = "+"
    compute = operator.add
    story = "distributes: every input receives the upstream gradient unchanged"
    samples = (*broadcast_samples(), sample(complexes(3), complexes(3)), sample(normal(2, 3), complexes(3)))

    def local_x(self, g: Any) -> Any:
        return g

    def local_y(self, g: Any) -> Any:
        return g


class Subtract(Operator):
    """x - y"""

    name = "subtract"
    symbol = "−"
    compute = operator.sub
    story = "distributes with signs: the first input receives the upstream gradient, the second its negative"
    samples = (*broadcast_samples(), sample(complexes(3), normal(3)))

    def local_x(self, g: Any) -> Any:
        return g

    def local_y(self, g: Any) -> Any:
        return -g


class Multiply(Operator):
    """x * y"""

    name = "multiply"
    symbol = "*"
    compute = operator.mul
    story = "swaps: each input receives the upstream gradient times the other input"
    samples = (*broadcast_samples(), sample(complexes(3), complexes(3)), sample(normal(2, 3), complexes(3)))

    def local_x(self, g: Any, y: Any) -> Any:
        return g * y

    def local_y(self, g: Any, x: Any) -> Any:
        return g * x


class Divide(Operator):
    """x / y"""

    name = "divide"
    symbol = "/"
    compute = operator.truediv
    story = "divides: the numerator receives upstream / denominator, the denominator minus that times the quotient"
    samples = (*broadcast_samples(draw.positive), sample(complexes(3), complexes(3)))

    def local_x(self, g: Any, y: Any) -> Any:
        return g / y

    def local_y(self, g: Any, out: Any, y: Any) -> Any:
        return -(g * out / y)


class Negative(Elementwise):
    """-x"""

    name = "negative"
    symbol = "−"
    story = "flips: the input receives the upstream gradient with its sign changed"
    samples = (*unary_samples(), sample(complexes(3)))
    linear = True

    def forward(self, xp: Any, x: Any) -> Any:
        return -x

    def local_x(self, g: Any) -> Any:
        return -g


class Power(Operator):
    """x ** y"""

    name = "pow"
    symbol = "**"
    compute = operator.pow
    story = "scales: the base receives upstream · y · x^(y-1), the exponent upstream · x^y · log x"
    samples = (
        *broadcast_samples(draw.positive),
        sample(normal(3, 2), 2),
        sample(normal(4), 3.0),
        sample(normal(3), 1),
        sample(complexes(3), 2),
    )
    kinks = (
        Kink((0.0, 0.0), (0.0, 0.0), "x^0 is 1 for every x, and 0^y is 0 for every y > 0: both slopes are taken as 0"),
        Kink((0.0, 2.0), (0.0, 0.0), "0^y does not change with y > 0"),
        Kink((0.0, 1.0), (1.0, 0.0), "x^1 has slope 1 at 0 too"),
    )

    def local_x(self, g: Any, x: Any, y: Any) -> Any:
        if isinstance(y, int | float):
            return g * 0.0 if y == 0 else g if y == 1 else g * (y * x ** (y - 1))
        flat = y == 0
        return gates.where(flat, 0.0, g * y * x ** gates.where(flat, 1.0, y - 1))

    def local_y(self, g: Any, x: Any, out: Any) -> Any:
        return g * out * gates.log(gates.where(x == 0, 1.0, x))


class Remainder(Operator):
    """x % y, with the sign of y, as Python has it"""

    name = "remainder"
    symbol = "%"
    compute = operator.mod
    story = "passes: x receives the upstream gradient, y minus it times how often y went into x"
    samples = (
        sample(normal(3, 2), draw.positive(3, 2)),
        sample(normal(3, 2), draw.positive(2)),
        sample(normal(), 0.7),
    )

    def local_x(self, g: Any) -> Any:
        return g

    def local_y(self, g: Any, x: Any, y: Any) -> Any:
        return -g * (x // y)

    def decision(self, out: Any, *inputs: Any) -> Any:
        return np.floor_divide(*inputs)


class Fmod(Elementwise):
    """What is left of x after taking y away as often as it fits, with the sign of x, as C has it"""

    name = "fmod"
    symbol = "fmod"
    story = "passes: x receives the upstream gradient, y minus it times how often y went into x"
    samples = (
        sample(normal(3, 2), draw.positive(3, 2)),
        sample(normal(3, 2), draw.positive(2)),
        sample(normal(), 0.7),
        sample(draw.positive(3, dtype="float32"), draw.unit(3, dtype="float32")),
    )

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return np.fmod(x, y) if xp is np else x - y * xp.trunc(x / y)

    def local_x(self, g: Any) -> Any:
        return g

    def local_y(self, g: Any, x: Any, y: Any, out: Any) -> Any:
        return -g * gates.round((x - out) / y)

    def decision(self, out: Any, *inputs: Any) -> Any:
        return np.rint((inputs[0] - out) / inputs[1])


class FloorDivide(Operator):
    """x // y"""

    name = "floor_divide"
    symbol = "//"
    compute = operator.floordiv
    story = "blocks: a staircase is flat almost everywhere, so no gradient passes"
    samples = (sample(normal(3, 2), draw.positive(3, 2)), sample(normal(3), 0.7))

    def decision(self, out: Any, *inputs: Any) -> Any:
        return out


class NextAfter(Elementwise):
    """The next floating number after x towards y"""

    name = "nextafter"
    symbol = "next"
    story = "passes: x receives the upstream gradient unchanged; y, which only points a way, receives none"
    samples = (sample(normal(3, 2), normal(2)), sample(normal(3), 0.7))

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return xp.nextafter(x, y)

    def local_x(self, g: Any) -> Any:
        return g

    def decision(self, out: Any, *inputs: Any) -> Any:
        return np.sign(inputs[1] - inputs[0])


ADD = Add()
SUBTRACT = Subtract()
MULTIPLY = Multiply()
DIVIDE = Divide()
NEGATIVE = Negative()
POWER = Power()
REMAINDER = Remainder()
FLOOR_DIVIDE = FloorDivide()
FMOD = Fmod()
NEXT_AFTER = NextAfter()


@implements(np.add)
def add(x: Any, y: Any, /) -> Any:
    """x + y, element by element."""
    return apply(ADD, x, y)


@implements(np.subtract)
def subtract(x: Any, y: Any, /) -> Any:
    """x - y, element by element."""
    return apply(SUBTRACT, x, y)


@implements(np.multiply)
def multiply(x: Any, y: Any, /) -> Any:
    """x * y, element by element."""
    return apply(MULTIPLY, x, y)


@implements(np.divide)
def divide(x: Any, y: Any, /) -> Any:
    """x / y, element by element."""
    return apply(DIVIDE, x, y)


@implements(np.negative)
def negative(x: Any, /) -> Any:
    """-x."""
    return apply(NEGATIVE, x)


@implements(np.positive)
def positive(x: Any, /) -> Any:
    """+x, which is x under another name: nothing to compute, so no gate."""
    x = arrayed(x)
    return type(x).of(x.node, x.value) if isinstance(x, Tracked) else x


@implements(np.power)
def pow(x: Any, y: Any, /) -> Any:
    """x ** y, element by element."""
    return apply(POWER, x, y)


@implements(np.float_power)
def float_power(x: Any, y: Any, /) -> Any:
    """x ** y, in float64 or complex128 whatever the operands are."""
    x, y = arrayed(x), arrayed(y)
    dtype = loop_dtype(np.float_power, x, y)
    return apply(POWER, gates.astype(x, dtype), gates.astype(y, dtype))


@implements(np.square)
def square(x: Any, /) -> Any:
    """x ** 2."""
    return apply(POWER, x, 2)


@implements(np.reciprocal)
def reciprocal(x: Any, /) -> Any:
    """1 / x; of integers, as NumPy has it, the whole part of that."""
    dtype = loop_dtype(np.reciprocal, arrayed(x))
    quotient = apply(DIVIDE, 1.0, x)
    return gates.astype(gates.trunc(quotient), dtype) if dtype.kind in "iu" else quotient


@implements(np.remainder)
def remainder(x: Any, y: Any, /) -> Any:
    """x % y with the sign of y."""
    return apply(REMAINDER, x, y)


@implements(np.floor_divide)
def floor_divide(x: Any, y: Any, /) -> Any:
    """x // y: flat almost everywhere, no gradient passes."""
    return apply(FLOOR_DIVIDE, x, y)


@implements(np.fmod)
def fmod(x: Any, y: Any, /) -> Any:
    """What is left of x after taking y away as often as it fits, with the sign of x."""
    return apply(FMOD, x, y)


@implements(np.divmod)
def divmod(x: Any, y: Any, /) -> Any:
    """(x // y, x % y)."""
    return floor_divide(x, y), remainder(x, y)


@implements(np.modf)
def modf(x: Any, /) -> Any:
    """The parts of x behind and before the point, both with its sign; only the first passes a gradient."""
    x = arrayed(x)
    return fmod(gates.where(gates.abs(x) == np.inf, 0.0, x), 1.0), gates.trunc(x)


@implements(np.frexp)
def frexp(x: Any, /) -> Any:
    """(m, e) with x == m * 2 ** e and m at least 0.5, below 1; e is an integer, so only m passes a gradient."""
    x = arrayed(x)
    exponent = np.frexp(x.value if isinstance(x, Tracked) else x)[1]
    return ldexp(x, -exponent), exponent


@implements(np.ldexp)
def ldexp(x: Any, exponent: Any, /) -> Any:
    """x * 2 ** exponent, for integer exponents.

    Raises:
        DTypeError: The exponents are not integers.
    """
    x, n = arrayed(x), arrayed(exponent.value if isinstance(exponent, Tracked) else exponent)
    if n.dtype.kind not in "iub":
        raise DTypeError(f"ldexp: exponents are integers; got {n.dtype}. Write x * 2 ** n for other exponents")
    n = n.astype(int) if n.dtype.kind == "b" else n
    half = n // 2  # in two steps, so that the factor does not overflow where the product would not
    one = np.ones((), x.dtype)
    return multiply(multiply(x, np.ldexp(one, half)), np.ldexp(one, n - half))


@implements(np.nextafter)
def nextafter(x: Any, y: Any, /) -> Any:
    """The next floating number after x towards y: x and a tiny step, so x receives the whole gradient."""
    return apply(NEXT_AFTER, x, y)
