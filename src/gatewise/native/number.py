"""`Number`: a value in the LLVM function that is being written, with Python's operators.

A Number is a scalar or a vector of floats, integers or truth values; formulas over Numbers read like formulas over
floats and hold for every width. Python numbers that meet a Number become constants of its type. Nothing here allows
LLVM to reassociate or to assume that NaN, infinities or signed zeros do not occur.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from gatewise.native.vectors import splatted, vector_of


@dataclass(frozen=True)
class Format:
    """A floating-point format of IEEE 754: `digits` counts the stored bits of the significand."""

    bits: int
    digits: int

    @property
    def bias(self) -> int:
        """What is added to exponents before they are stored; the largest exponent as well."""
        return (1 << (self.bits - self.digits - 2)) - 1

    @property
    def smallest_normal(self) -> float:
        """The least positive number that is not denormal."""
        return 2.0 ** (1 - self.bias)

    @property
    def largest(self) -> float:
        """The largest finite number."""
        return (2.0 - 2.0**-self.digits) * 2.0**self.bias

    @property
    def float_type(self) -> ir.Type:
        """LLVM's type of one number."""
        return ir.FloatType() if self.bits == 32 else ir.DoubleType()


FORMATS = {"float": Format(32, 23), "double": Format(64, 52)}


def element(kind: ir.Type) -> ir.Type:
    """The type of one entry."""
    return kind.element if isinstance(kind, ir.VectorType) else kind


def lanes(kind: ir.Type) -> int:
    """How many numbers a value of this type holds."""
    return kind.count if isinstance(kind, ir.VectorType) else 1


def like(kind: ir.Type, entry: ir.Type) -> ir.Type:
    """A type of as many lanes as `kind`, of other entries."""
    return vector_of(entry, kind.count) if isinstance(kind, ir.VectorType) else entry


def suffix(kind: ir.Type) -> str:
    """A type in the names of LLVM's overloaded intrinsics: ``f32``, ``v8f64``, ``v4i32``."""
    entry = element(kind)
    name = f"i{entry.width}" if isinstance(entry, ir.IntType) else f"f{FORMATS[str(entry)].bits}"
    return f"v{kind.count}{name}" if isinstance(kind, ir.VectorType) else name


def constant(kind: ir.Type, number: float) -> ir.Constant:
    """`number` in all lanes; a vector is written as a splat."""
    if isinstance(element(kind), ir.IntType):
        width = element(kind).width
        number = int(number) & (2**width - 1)
        number = number - 2**width if width > 1 and number >> (width - 1) else number
    scalar = ir.Constant(element(kind), number)
    if isinstance(kind, ir.VectorType):
        return splatted(scalar, kind.count)
    return scalar


class Number:
    """A value and the builder that computes with it."""

    __slots__ = ("builder", "value")

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder = builder
        self.value = value

    @property
    def type(self) -> ir.Type:
        """LLVM's type."""
        return self.value.type

    @property
    def is_float(self) -> bool:
        """Whether the entries are floats."""
        return not isinstance(element(self.type), ir.IntType)

    @property
    def format(self) -> Format:
        """The floating-point format of the entries, or the one of the same width for integers."""
        entry = element(self.type)
        return (
            FORMATS["float" if entry.width == 32 else "double"]
            if isinstance(entry, ir.IntType)
            else FORMATS[str(entry)]
        )

    def constant(self, number: float) -> Number:
        """`number` in the type of this value."""
        return Number(self.builder, constant(self.type, number))

    def _other(self, other: Number | float) -> ir.Value:
        return other.value if isinstance(other, Number) else constant(self.type, other)

    def _binary(self, name: str, other: Number | float, swapped: bool = False) -> Number:
        operands = (self._other(other), self.value) if swapped else (self.value, self._other(other))
        instruction = getattr(self.builder, ("f" if self.is_float else "") + name)
        return Number(self.builder, instruction(*operands))

    def _compare(self, sign: str, other: Number | float) -> Number:
        if not self.is_float:
            compare: Callable[..., Any] = self.builder.icmp_signed
        else:
            compare = self.builder.fcmp_unordered if sign == "!=" else self.builder.fcmp_ordered
        return Number(self.builder, compare(sign, self.value, self._other(other)))

    def __add__(self, other: Number | float) -> Number:
        return self._binary("add", other)

    def __radd__(self, other: float) -> Number:
        return self._binary("add", other, swapped=True)

    def __sub__(self, other: Number | float) -> Number:
        return self._binary("sub", other)

    def __rsub__(self, other: float) -> Number:
        return self._binary("sub", other, swapped=True)

    def __mul__(self, other: Number | float) -> Number:
        return self._binary("mul", other)

    def __rmul__(self, other: float) -> Number:
        return self._binary("mul", other, swapped=True)

    def __truediv__(self, other: Number | float) -> Number:
        return self._binary("div", other)

    def __rtruediv__(self, other: float) -> Number:
        return self._binary("div", other, swapped=True)

    def __neg__(self) -> Number:
        return Number(self.builder, self.builder.fneg(self.value) if self.is_float else self.builder.neg(self.value))

    def __lt__(self, other: Number | float) -> Number:
        return self._compare("<", other)

    def __le__(self, other: Number | float) -> Number:
        return self._compare("<=", other)

    def __gt__(self, other: Number | float) -> Number:
        return self._compare(">", other)

    def __ge__(self, other: Number | float) -> Number:
        return self._compare(">=", other)

    def equals(self, other: Number | float) -> Number:
        """Whether equal; no NaN is."""
        return self._compare("==", other)

    def differs(self, other: Number | float) -> Number:
        """Whether not equal; NaN always is."""
        return self._compare("!=", other)

    def is_nan(self) -> Number:
        """Whether not a number."""
        return self.differs(self)

    def __and__(self, other: Number | float) -> Number:
        return Number(self.builder, self.builder.and_(self.value, self._other(other)))

    def __or__(self, other: Number | float) -> Number:
        return Number(self.builder, self.builder.or_(self.value, self._other(other)))

    def __xor__(self, other: Number | float) -> Number:
        return Number(self.builder, self.builder.xor(self.value, self._other(other)))

    def __invert__(self) -> Number:
        return self ^ -1

    def __lshift__(self, other: Number | int) -> Number:
        return Number(self.builder, self.builder.shl(self.value, self._other(other)))

    def __rshift__(self, other: Number | int) -> Number:
        return Number(self.builder, self.builder.ashr(self.value, self._other(other)))

    def logical_shift(self, other: Number | int) -> Number:
        """Shifted to the right, zeros coming in."""
        return Number(self.builder, self.builder.lshr(self.value, self._other(other)))

    def bits(self) -> Number:
        """The floats' representation as integers."""
        return Number(self.builder, self.builder.bitcast(self.value, like(self.type, ir.IntType(self.format.bits))))

    def from_bits(self) -> Number:
        """The floats that these integers represent."""
        return Number(self.builder, self.builder.bitcast(self.value, like(self.type, self.format.float_type)))

    def to_double(self) -> Number:
        """The same floats in 64 bits."""
        if self.format.bits == 64:
            return self
        return Number(self.builder, self.builder.fpext(self.value, like(self.type, ir.DoubleType())))

    def to_single(self) -> Number:
        """These doubles rounded to 32 bits."""
        return Number(self.builder, self.builder.fptrunc(self.value, like(self.type, ir.FloatType())))


def intrinsic(name: str, *operands: Number) -> Number:
    """A call of an LLVM intrinsic that maps operands of one type to a value of this type."""
    first = operands[0]
    full = f"llvm.{name}.{suffix(first.type)}"
    module = first.builder.module
    function = module.globals.get(full)
    if function is None:
        function = ir.Function(module, ir.FunctionType(first.type, [operand.type for operand in operands]), full)
    return Number(first.builder, first.builder.call(function, [operand.value for operand in operands]))


def fma(x: Number, y: Number | float, z: Number | float) -> Number:
    """x · y + z, rounded once."""
    y = y if isinstance(y, Number) else x.constant(y)
    z = z if isinstance(z, Number) else x.constant(z)
    return intrinsic("fma", x, y, z)


def where(condition: Number, x: Number | float, y: Number | float) -> Number:
    """x in the lanes where `condition` holds, y in the others; one of them is a Number."""
    known = x if isinstance(x, Number) else y
    assert isinstance(known, Number)
    return Number(known.builder, known.builder.select(condition.value, known._other(x), known._other(y)))


def absolute(x: Number) -> Number:
    """x without its sign."""
    return intrinsic("fabs", x)


def copysign(x: Number, sign: Number) -> Number:
    """x with the sign of `sign`."""
    return intrinsic("copysign", x, sign)


def square_root(x: Number) -> Number:
    """√x, rounded correctly."""
    return intrinsic("sqrt", x)


def clip(x: Number, low: float, high: float) -> Number:
    """x held between two bounds; NaN stays."""
    x = where(x < low, low, x)
    return where(x > high, high, x)


def polynomial(x: Number, coefficients: Sequence[float]) -> Number:
    """Σ coefficients[k] · xᵏ: a short one by Horner's rule, one of seven or eight terms by Estrin's scheme.

    Estrin's takes half as long to its end, which a loop of single numbers waits for, and two more products, which
    vectors would notice in longer ones. Those are two chains in x² side by side. The last step is Horner's in both: it
    is the one whose rounding counts.
    """
    if len(coefficients) <= 6:
        return _horner(x, coefficients)
    square = x * x
    if len(coefficients) > 8:
        rest = fma(_horner(square, coefficients[2::2]), x, _horner(square, coefficients[1::2]))
    else:
        low, middle, high = (_horner(x, coefficients[place : place + 2]) for place in (1, 3, 5))
        if len(coefficients) == 8:
            high = fma(square, coefficients[7], high)
        rest = fma(square * square, high, fma(square, middle, low))
    return fma(x, rest, coefficients[0])


def _horner(x: Number, coefficients: Sequence[float]) -> Number:
    total = x.constant(coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total = fma(x, total, coefficient)
    return total


def any_lane(condition: Number) -> ir.Value:
    """Whether the condition holds in some lane, as one bit to branch on."""
    if not isinstance(condition.type, ir.VectorType):
        return condition.value
    builder = condition.builder
    name = f"llvm.vector.reduce.or.{suffix(condition.type)}"
    function = builder.module.globals.get(name)
    if function is None:
        function = ir.Function(builder.module, ir.FunctionType(ir.IntType(1), [condition.type]), name)
    return builder.call(function, [condition.value])
