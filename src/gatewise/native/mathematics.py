"""Elementary functions as LLVM IR, for scalars and vectors of any width, without tables, branches or a library.

`emit` writes a call of a function of `FUNCTIONS`; the function itself is written once for each type and module. The
names are NumPy's. Results are those of C99 Annex F and NumPy for NaN, infinities, signed zeros and denormals, and
within 2 units in the last place of float32, 4 of float64 (`benchmarks/mathematics.py` measures them). Only
operations that every vector machine has are used: fused multiply-add, comparison, selection, and integer
arithmetic on the bits of a float.

Polynomials stand in `coefficients`, the arithmetic in `number`. Sources, in the docstrings by name: W. Cody and W.
Waite, Software Manual for the Elementary Functions (1980); J.-M. Muller, Elementary Functions (3rd edition, 2016);
M. Payne and R. Hanek, Radian reduction for trigonometric functions (1983); N. Shibata and F. Petrogalli, SLEEF: a
portable vectorized library of C standard mathematical functions (2020); T. Dekker, A floating-point technique
for extending the available precision (1971).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from functools import wraps
from math import inf, ldexp, log, nan, pi
from math import sqrt as sqrt_of

from llvmlite import ir

from gatewise.native import coefficients
from gatewise.native.number import (
    Number,
    absolute,
    any_lane,
    clip,
    copysign,
    element,
    fma,
    intrinsic,
    lanes,
    like,
    polynomial,
    square_root,
    suffix,
    where,
)

__all__ = ["FUNCTIONS", "emit"]

Function = Callable[..., Number]

#: Every function that `emit` knows, by NumPy's name, as a formula over Numbers.
FUNCTIONS: dict[str, Function] = {}
#: Those of a few instructions, which are written where they are used.
_SHORT: set[str] = set()


def emit(name: str, builder: ir.IRBuilder, *operands: ir.Value) -> ir.Value:
    """Write `FUNCTIONS[name]` of scalars or vectors of one type, float or double, into the block of `builder`.

    `floor_divide` and `remainder` take signed integers as well. `isnan`, `isinf` and `isfinite` give one bit for each
    lane. Raises KeyError for a name that is not there.

    >>> module = ir.Module()
    >>> double = ir.DoubleType()
    >>> function = ir.Function(module, ir.FunctionType(double, [double]), "square_root")
    >>> builder = ir.IRBuilder(function.append_basic_block())
    >>> builder.ret(emit("sqrt", builder, function.args[0]))
    <ir.Ret ...>
    """
    formula = FUNCTIONS[name]
    if name in _SHORT:
        return formula(*(Number(builder, operand) for operand in operands)).value
    return builder.call(_function(builder.module, name, operands[0].type, len(operands)), operands)


def is_long(name: str) -> bool:
    """Whether a function is some tens of instructions, and therefore one of the module."""
    return name in FUNCTIONS and name not in _SHORT


def _function(module: ir.Module, name: str, kind: ir.Type, count: int) -> ir.Function:
    """The function of `module` that computes `name` for this type; written when first asked for."""

    def body(builder: ir.IRBuilder, *arguments: ir.Value) -> ir.Value:
        return FUNCTIONS[name](*(Number(builder, argument) for argument in arguments)).value

    return _define(module, f"{name}.{suffix(kind)}", kind, [kind] * count, body, "alwaysinline")


def _define(
    module: ir.Module,
    name: str,
    result: ir.Type,
    arguments: list[ir.Type],
    body: Callable[..., ir.Value],
    *attributes: str,
) -> ir.Function:
    """An internal function of `module`, from what writes its body and gives its result."""
    known = module.globals.get(name)
    if isinstance(known, ir.Function):
        return known
    function = ir.Function(module, ir.FunctionType(result, arguments), name)
    function.linkage = "internal"
    for attribute in ("nounwind", *attributes):
        function.attributes.add(attribute)
    builder = ir.IRBuilder(function.append_basic_block())
    builder.ret(body(builder, *function.args))
    return function


def _named(*names: str, short: bool = False) -> Callable[[Function], Function]:
    """Register a formula under its names."""

    def register(formula: Function) -> Function:
        for name in names:
            FUNCTIONS[name] = formula
            if short:
                _SHORT.add(name)
        return formula

    return register


# --------------------------------------------------------------------------------------------------- constants and bits

# To 70 digits: enough for three parts of 53 bits.
_PI = Fraction(31415926535897932384626433832795028841971693993751058209749445923078164, 10**70)
_LOG_2 = Fraction(6931471805599453094172321214581765680755001343602552541206800094933936, 10**70)
_LOG_10 = Fraction(23025850929940456840179914546843642076011014886287729760333279009675726, 10**70)


def _rounded(number: Fraction, bits: int) -> Fraction:
    """The nearest float of so many bits."""
    if bits == 64:
        return Fraction(float(number))
    return Fraction(struct.unpack("f", struct.pack("f", float(number)))[0])


def _parts(number: Fraction, bits: int, count: int) -> list[float]:
    """`number` as a sum of floats, the largest first."""
    parts = []
    for _ in range(count):
        part = _rounded(number, bits)
        parts.append(float(part))
        number -= part
    return parts


def _pattern(number: float, bits: int) -> int:
    """The representation of a float as an integer."""
    form = "<fi" if bits == 32 else "<dq"
    return int(struct.unpack("<" + form[2], struct.pack(form[:2], number))[0])


def _magic(x: Number, extra: int = 0) -> float:
    """A number so large that adding it rounds to integers; the last bits of the sum are the integer plus `extra`.

    This is how floats become integers and back on machines that cannot convert vectors of 64 bits.
    """
    return ldexp(1.5, x.format.digits) + extra


def _nearest(x: Number, factor: float | None = None, extra: int = 0) -> tuple[Number, Number]:
    """The integer nearest to x · factor: in the last bits of a float, increased by `extra`, and as a float."""
    magic = _magic(x, extra)
    shifted = x + magic if factor is None else fma(x, factor, magic)
    return shifted, shifted - magic


def _power_of_two(shifted: Number) -> Number:
    """2 to the integer that `_nearest` gave with the format's bias as `extra`."""
    return (shifted.bits() << shifted.format.digits).from_bits()


def _sign_bit(x: Number) -> Number:
    """The sign of a float, all other bits 0, as an integer."""
    return x.bits() & (-1 << (x.format.bits - 1))


# ------------------------------------------------------------------------------------------------ sums of two floats

Pair = tuple[Number, Number]  # an unevaluated sum of a float and one in its last place (Dekker)


def _sum(a: Number, b: Number) -> Pair:
    """a + b where a is the larger."""
    total = a + b
    return total, (a - total) + b


def _product(a: Pair, b: Pair) -> Pair:
    """a · b; the second of the two floats may reach a few units in the last place of the first."""
    high = a[0] * b[0]
    return high, fma(a[0], b[1], fma(a[1], b[0], fma(a[0], b[0], -high)))


def _pair(x: Number, number: Fraction) -> Pair:
    """A constant as a pair."""
    high, low = _parts(number, x.format.bits, 2)
    return x.constant(high), x.constant(low)


def _ratio(a: Pair, b: Pair) -> Number:
    """a / b, rounded once or nearly so."""
    inverse = 1.0 / b[0]
    ratio = a[0] * inverse
    return fma(fma(-ratio, b[1], fma(-ratio, b[0], a[0]) + a[1]), inverse, ratio)


# -------------------------------------------------------------------------------------------------------- exponentials


def _reduce_exponent(x: Number, extra: int) -> tuple[Number, Number, Number]:
    """x = n · log 2 + r with |r| ≤ log 2 / 2, in two steps (Cody and Waite): n shifted, n, r."""
    shifted, n = _nearest(x, float(1 / _LOG_2), extra)
    high, low = _parts(_LOG_2, x.format.bits, 2)
    return shifted, n, fma(n, -low, fma(n, -high, x))


def _scaled(twice: Number, shifted: Number, small: Number) -> Number:
    """`twice` · 2^(n − 1), where `shifted` holds n + bias − 1; `small` says where that power would be denormal."""
    digits = twice.format.digits
    power = ((shifted.bits() << digits) + where(small, shifted.bits().constant(64 << digits), 0)).from_bits()
    return twice * power * where(small, twice.constant(2.0**-64), 1.0)


def _twice_exponential(r: Number, low: Number | None = None) -> Number:
    """2 · e^r for |r| ≤ log 2 / 2; `low` is what r leaves of the exponent."""
    terms = coefficients.EXP[r.format.bits]
    out = polynomial(r, [2.0, 2.0, *(2 * term for term in terms)])
    return out if low is None else fma(out, low, out)


@_named("exp")
def exp(x: Number) -> Number:
    """e ** x.

    The result is 2^(n − 1) times twice the polynomial, so that the power is finite up to the end of the range; results
    that are denormal get there by a last multiplication, which rounds once.
    """
    form = x.format
    y = clip(x, -(form.bias + form.digits + 2) * log(2), (form.bias + 1) * log(2) + 0.1)
    shifted, _, r = _reduce_exponent(y, form.bias - 1)
    return _scaled(_twice_exponential(r), shifted, y < (2.5 - form.bias) * log(2))


@_named("exp2")
def exp2(x: Number) -> Number:
    """2 ** x; the fraction is exact, so one multiplication by log 2 is all the reduction there is."""
    form = x.format
    y = clip(x, -(form.bias + form.digits + 2), form.bias + 2)
    shifted, n = _nearest(y, extra=form.bias - 1)
    return _scaled(_twice_exponential((y - n) * float(_LOG_2)), shifted, y < 2.5 - form.bias)


def _exponential_less_one(r: Number) -> Number:
    """e^r − 1 for |r| ≤ log 2 / 2."""
    return fma(r * r, polynomial(r, coefficients.EXP[r.format.bits]), r)


@_named("expm1")
def expm1(x: Number) -> Number:
    """e ** x − 1 as 2^n · (e^r − 1) + (2^n − 1), all halved until the end, where it may overflow."""
    form = x.format
    y = clip(x, -(form.digits + 3) * log(2), (form.bias + 1) * log(2) + 0.1)
    shifted, _, r = _reduce_exponent(y, form.bias - 1)
    power = _power_of_two(shifted)
    out = fma(power, _exponential_less_one(r), power - 0.5) * 2.0
    return where(absolute(x) < 2.0 ** (-form.digits - 2), x, out)


def _hyperbolic(x: Number, sine: bool) -> Number:
    """sinh |x| or cosh x from sinh r and cosh r − 1 and the quarters of 2^n ± 2^−n: nothing cancels."""
    form = x.format
    y = clip(absolute(x), 0.0, (form.bias + 2) * log(2) + 0.05)
    shifted, _, r = _reduce_exponent(y, form.bias - 2)
    power = _power_of_two(shifted)
    inverse = (-(power.bits() - (2 * form.bias << form.digits))).from_bits()
    sums, differences = fma(inverse, 2.0**-4, power), fma(inverse, -(2.0**-4), power)
    square = r * r
    sinh_r = fma(r * square, polynomial(square, coefficients.SINH[form.bits]), r)
    cosh_r = square * polynomial(square, coefficients.COSH[form.bits])
    first, second = (differences, sums) if sine else (sums, differences)
    return (fma(cosh_r, first, sinh_r * second) + first) * 2.0


@_named("sinh")
def sinh(x: Number) -> Number:
    """(e^x − e^−x) / 2."""
    out = copysign(_hyperbolic(x, sine=True), x)
    return where(absolute(x) < 2.0 ** (-x.format.digits // 2), x, out)


@_named("cosh")
def cosh(x: Number) -> Number:
    """(e^x + e^−x) / 2."""
    return _hyperbolic(x, sine=False)


@_named("tanh")
def tanh(x: Number) -> Number:
    """E / (E + 2) with E = e^2|x| − 1, both rounded once from 2^n and e^r − 1; where that is large, 1 − 2 / (E + 2)."""
    form = x.format
    y = clip(absolute(x) * 2.0, 0.0, (form.digits + 4) * log(2))
    shifted, _, r = _reduce_exponent(y, form.bias)
    power, rest = _power_of_two(shifted), _exponential_less_one(r)
    far = y > 1.5
    above, below = where(far, 2.0, fma(power, rest, power - 1.0)), fma(power, rest, power + 1.0)
    if form.bits == 64:
        ratio = above / below
    else:
        ratio = _ratio((above, x.constant(0.0)), (below, fma(power, rest, (power + 1.0) - below)))
    return copysign(where(far, 1.0 - ratio, ratio), x)


@_named("sigmoid")
def sigmoid(x: Number) -> Number:
    """1 / (1 + e^−x), by e^−|x|, which does not overflow; what rounds off 1 + e^−|x| is made good where it tells."""
    power = exp(-absolute(x))
    total = power + 1.0
    ratio = where(x < 0.0, power, 1.0) / total
    return fma(ratio, (total - 1.0) - power, ratio)


# ---------------------------------------------------------------------------------------------------------- logarithms


def _exponent_and_significand(x: Number) -> tuple[Number, Number]:
    """x = 2^e · m with √½ ≤ m < √2, for positive x, denormal ones included."""
    form = x.format
    tiny, shift = x < form.smallest_normal, form.digits + 2
    centre = _pattern(0.5**0.5, form.bits)
    bits = where(tiny, x * 2.0**shift, x).bits() - centre
    magic = _magic(x)
    whole = ((bits >> form.digits) + _pattern(magic, form.bits)).from_bits()
    exponent = whole - where(tiny, x.constant(magic + shift), magic)
    return exponent, ((bits & (2**form.digits - 1)) + centre).from_bits()


def _log_rest(f: Number) -> Number:
    """log(1 + f) − f for √½ ≤ 1 + f ≤ √2.

    In float64 by s = f / (2 + f), of which log(1 + f) is 2 · atanh: the division is cheaper than a polynomial of twice
    the length (Cody and Waite).
    """
    if f.format.bits == 32:
        return f * f * fma(f, polynomial(f, coefficients.LOG[32]), -0.5)
    s = f / (f + 2.0)
    square, half = s * s, f * f * 0.5
    terms = [2 * term for term in coefficients.ATANH[64]]
    return fma(s, fma(square, polynomial(square, terms), half), -half)


def _log_ends(x: Number, out: Number) -> Number:
    """`out` where x is positive and finite, else what the logarithm is there."""
    out = where(x > 0.0, out, where(x.equals(0.0), x.constant(-inf), nan))
    return where(x < inf, out, x)


def _log_sum(exponent: Number, f: Number, rest: Number) -> Number:
    """exponent · log 2 + (f + rest)."""
    high, low = _parts(_LOG_2, f.format.bits, 2)
    return fma(exponent, high, fma(exponent, low, rest + f))


@_named("log")
def log_(x: Number) -> Number:
    """Natural logarithm."""
    exponent, significand = _exponent_and_significand(x)
    f = significand - 1.0
    return _log_ends(x, _log_sum(exponent, f, _log_rest(f)))


def _log_to_base(x: Number, two: Fraction, scale: Fraction) -> Number:
    """A logarithm that is `scale` times the natural one, of which `two` is that of 2."""
    exponent, significand = _exponent_and_significand(x)
    f = significand - 1.0
    (two_high, two_low), (high, low) = _parts(two, x.format.bits, 2), _parts(scale, x.format.bits, 2)
    head = f * high
    rest = fma(_log_rest(f), high, fma(f, low, fma(f, high, -head)))
    return _log_ends(x, fma(exponent, two_high, head + fma(exponent, two_low, rest)))


@_named("log2")
def log2(x: Number) -> Number:
    """Logarithm to base 2, exact for powers of 2."""
    return _log_to_base(x, Fraction(1), 1 / _LOG_2)


@_named("log10")
def log10(x: Number) -> Number:
    """Logarithm to base 10."""
    return _log_to_base(x, _LOG_2 / _LOG_10, 1 / _LOG_10)


def _log_one_plus(x: Number, low: Number | None = None) -> Number:
    """log(1 + x + low) for x > −1: exponent from 1 + x, but the rest from x itself, so that nothing is lost."""
    form = x.format
    exponent, significand = _exponent_and_significand(x + 1.0)
    magic = _magic(x, form.bias)
    inverse = ((x.constant(magic) - exponent).bits() << form.digits).from_bits()
    f = fma(x, inverse, inverse - 1.0)
    huge = x > 2.0 ** (2 * form.digits)  # there 1 does not count, and the inverse may not exist
    f = where(huge, significand - 1.0, f)
    rest = _log_rest(f)
    if low is not None:  # the logarithm's slope is 1 / (1 + f), nearly 1 − f
        rest = fma(where(huge, 0.0, low * inverse), 1.0 - f, rest)
    return _log_sum(exponent, f, rest)


@_named("log1p")
def log1p(x: Number) -> Number:
    """log(1 + x), accurate near 0."""
    return copysign(
        where(x.equals(-1.0) | x.equals(inf), copysign(x.constant(inf), x), where(x < -1.0, nan, _log_one_plus(x))), x
    )


@_named("asinh")
def asinh(x: Number) -> Number:
    """log(a + √(a² + 1)) of a = |x|, as log(1 + a + a² / (1 + √(1 + a²)))."""
    a = absolute(x)
    big = a > 2.0 ** (x.format.digits + 5)
    b = where(big, 1.0, a)
    rest = b * b / (square_root(fma(b, b, 1.0)) + 1.0)
    total = b + rest
    out = _log_one_plus(where(big, a, total), where(big, 0.0, (b - total) + rest)) + where(big, x.constant(log(2)), 0.0)
    return copysign(where(a < inf, out, a), x)


@_named("acosh")
def acosh(x: Number) -> Number:
    """log(x + √(x² − 1)), as log(1 + t + √(t² + 2t)) of t = x − 1, which is exact."""
    big = x > 2.0 ** (x.format.digits + 5)
    t = where(big, x.constant(1.0), x - 1.0)
    root = square_root(fma(t, t, t + t))
    total = root + t
    low = (root - total) + t
    out = _log_one_plus(where(big, x, total), where(big, 0.0, low)) + where(big, x.constant(log(2)), 0.0)
    return where(x < 1.0, nan, where(x < inf, out, x))


@_named("atanh")
def atanh(x: Number) -> Number:
    """½ · log((1 + a) / (1 − a)) of a = |x|: e/2 · log 2 + atanh(s), 2^e being the power of two next to the ratio."""
    form = x.format
    a = absolute(x)
    above, below = a + 1.0, 1.0 - a
    small = a < 0.25
    exponent = ((above.bits() - below.bits()) + (1 << (form.digits - 1))) >> form.digits
    exponent = where(small, 0, exponent)
    power = (above.bits().constant(form.bias << form.digits) - (exponent << form.digits)).from_bits()
    head = where(exponent > 12, fma(above, power, -below), fma(a, power + 1.0, power - 1.0))
    s = where(small, a, head / fma(above, power, below))
    square = s * s
    magic = _magic(x)
    whole = (exponent + _pattern(magic, form.bits)).from_bits() - magic
    high, low = _parts(_LOG_2 / 2, form.bits, 2)
    rest = fma(s * square, polynomial(square, coefficients.ATANH_WIDE[form.bits]), s)
    out = fma(whole, high, fma(whole, low, rest))
    out = where(a < 1.0, out, where(a.equals(1.0), x.constant(inf), nan))
    return copysign(out, x)


@_named("logaddexp")
def logaddexp(x: Number, y: Number) -> Number:
    """log(e^x + e^y)."""
    larger, smaller = where(x < y, y, x), where(x < y, x, y)
    out = larger + _log_one_plus(exp(smaller - larger))
    return where(x.equals(y), x + log(2), out)


@_named("logaddexp2")
def logaddexp2(x: Number, y: Number) -> Number:
    """log2(2^x + 2^y)."""
    larger, smaller = where(x < y, y, x), where(x < y, x, y)
    out = larger + _log_one_plus(exp2(smaller - larger)) * float(1 / _LOG_2)
    return where(x.equals(y), x + 1.0, out)


@_named("softplus")
def softplus(x: Number) -> Number:
    """log(1 + e^x)."""
    return where(x < 0.0, x.constant(0.0), x) + _log_one_plus(exp(-absolute(x)))


# --------------------------------------------------------------------------------------------------------- trigonometry

#: 2/π in binary, 1216 bits after the point: 971 for the largest exponent of a double, the rest for what is left.
_TWO_OVER_PI_BITS = 1216
#: What is hardly ever run is not worth the time to inline or to unroll it.
_RARE = ("noinline", "cold", "minsize", "optsize")


def _reduce(x: Number, n: Number, period: Fraction) -> tuple[Number, Number]:
    """x − n · period as a sum of two floats, by three parts of the period (Cody and Waite).

    The first step is exact thanks to the fused multiply-add; the second rounds relative to what is left.
    """
    first, second, third = _parts(period, x.format.bits, 3)
    return fma(n, -second, fma(n, -first, x)), n * -third


def _sine(r: Number, low: Number) -> Number:
    """sin(r + low) for |r| ≤ π/2, `low` being in the last place of r."""
    square = r * r
    terms = coefficients.SIN[r.format.bits]
    return r + fma(r * square, polynomial(square, terms), low * fma(square, -0.5, 1.0))


def _sine_pair(r: Number, low: Number) -> Pair:
    """sin(r + low) for |r| ≤ π/4."""
    square = r * r
    terms = coefficients.SIN_QUARTER[r.format.bits]
    return _sum(r, fma(r * square, polynomial(square, terms), low * fma(square, -0.5, 1.0)))


def _cosine_pair(r: Number, low: Number) -> Pair:
    """cos(r + low) for |r| ≤ π/4."""
    square = r * r
    half = square * 0.5
    near = 1.0 - half
    rest = fma(square * square, polynomial(square, coefficients.COS_QUARTER[r.format.bits]), -(r * low))
    return _sum(near, ((1.0 - near) - half) + rest)


def _limit(x: Number) -> float:
    """Up to where `_reduce` is accurate."""
    return 2.0**14 if x.format.bits == 32 else 2.0**26


@_named("sin")
def sin(x: Number) -> Number:
    """Sine; one polynomial on half a turn, of which there are n."""
    shifted, n = _nearest(x, float(1 / _PI))
    out = _sine(*_reduce(x, n, _PI))
    out = (out.bits() ^ (shifted.bits() << (x.format.bits - 1))).from_bits()
    return _with_huge("sin", x, where(x.equals(0.0), x, out))


@_named("cos")
def cos(x: Number) -> Number:
    """Cosine, as the sine of what is missing to the nearest n + ½ half turns."""
    shifted, n = _nearest(fma(absolute(x), float(1 / _PI), -0.5))
    out = _sine(*_reduce(absolute(x), n + 0.5, _PI))
    sign = (~shifted.bits()) << (x.format.bits - 1)
    return _with_huge("cos", x, (out.bits() ^ sign).from_bits())


@_named("tan")
def tan(x: Number) -> Number:
    """Tangent, sine by cosine on a quarter of a turn; after an odd number of quarters −cosine by sine."""
    shifted, n = _nearest(x, float(2 / _PI))
    rest = _reduce(x, n, _PI / 2)
    sine, cosine = _sine_pair(*rest), _cosine_pair(*rest)
    odd = (shifted.bits() & 1).differs(0)
    above, below = (
        (where(odd, one[0], other[0]), where(odd, one[1], other[1])) for one, other in ((cosine, sine), (sine, cosine))
    )
    out = _ratio(above, below)
    out = (out.bits() ^ where(odd, _sign_bit(x.constant(-0.0)), 0)).from_bits()
    return _with_huge("tan", x, where(x.equals(0.0), x, out))


def _with_huge(name: str, x: Number, usual: Number) -> Number:
    """`usual`, except in lanes where x is huge but finite; a branch that is taken only where there is such a lane."""
    builder, kind = x.builder, x.type
    size = absolute(x)
    huge = (size > _limit(x)) & (size < inf)
    before = builder.block
    with builder.if_then(any_lane(huge), likely=False):
        slow = _define(builder.module, f"{name}.huge.{suffix(kind)}", kind, [kind], _lane_by_lane(name), *_RARE)
        merged = where(huge, Number(builder, builder.call(slow, [x.value])), usual)
        inside = builder.block
    out = builder.phi(kind)
    out.add_incoming(usual.value, before)
    out.add_incoming(merged.value, inside)
    return Number(builder, out)


def _lane_by_lane(name: str) -> Callable[[ir.IRBuilder, ir.Value], ir.Value]:
    """What writes a loop over the lanes of a vector, which calls `_sine_of_huge`."""

    def one(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
        double, integer = ir.DoubleType(), ir.IntType(64)
        function = _define(builder.module, "sine.huge", double, [double, integer], _sine_of_huge, *_RARE)
        given = Number(builder, x)

        def call(quarter: int) -> Number:
            return Number(builder, builder.call(function, [given.to_double().value, ir.Constant(integer, quarter)]))

        out = call(0) / call(1) if name == "tan" else call(int(name == "cos"))
        return out.value if given.format.bits == 64 else out.to_single().value

    def every(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
        if not isinstance(x.type, ir.VectorType):
            return one(builder, x)
        index_type = ir.IntType(32)
        before, loop = builder.block, builder.append_basic_block()
        builder.branch(loop)
        builder.position_at_end(loop)
        index, vector = builder.phi(index_type), builder.phi(x.type)
        changed = builder.insert_element(vector, one(builder, builder.extract_element(x, index)), index)
        following = builder.add(index, ir.Constant(index_type, 1))
        for phi, start, step in ((index, ir.Constant(index_type, 0), following), (vector, x, changed)):
            phi.add_incoming(start, before)
            phi.add_incoming(step, loop)
        after = builder.append_basic_block()
        builder.cbranch(builder.icmp_signed("<", following, ir.Constant(index_type, lanes(x.type))), loop, after)
        builder.position_at_end(after)
        return changed

    return every


def _sine_of_huge(builder: ir.IRBuilder, argument: ir.Value, quarter: ir.Value) -> ir.Value:
    """sin(x + quarter · π/2) of a double that is 2^14 or more: Payne and Hanek's reduction, in integers.

    x is an integer times a power of two. Of its product with 2/π only 192 bits matter, from 2 before the point on:
    three words of 2/π are loaded, from where the power of two says, to whole bytes; what the bytes are off goes to the
    integer. The two bits before the point number the quarter turn; those behind are cut into three doubles.
    """
    word, wide = ir.IntType(64), ir.IntType(128)
    x = Number(builder, argument)
    bits = absolute(x).bits()
    start = 1023 + 52 + _TWO_OVER_PI_BITS - 190 - (bits >> 52)
    above = (start + 7) >> 3
    integer = ((bits & (2**52 - 1)) | 2**52) << ((above << 3) - start)
    table = _two_over_pi(builder.module)

    def product(index: int, carry: Number | None) -> Number:
        """The integer times a word of 2/π, in 128 bits, and the upper word of the product before."""
        address = builder.gep(table, [ir.Constant(word, 0), (above + 8 * index).value])
        value = builder.load(builder.bitcast(address, word.as_pointer()), align=1, typ=word)
        out = Number(builder, builder.mul(builder.zext(integer.value, wide), builder.zext(value, wide)))
        return out if carry is None else out + carry.logical_shift(64)

    last = product(0, None)
    middle = product(1, last)
    words = [_truncated(each, word) for each in (product(2, middle), middle, last)]
    negative = (words[0] << 2) < 0
    turn = words[0].logical_shift(62) + Number(builder, builder.zext(negative.value, word))
    flip = (words[0] << 2) >> 63
    upper, centre, lower = (each ^ flip for each in words)
    pieces = (
        (upper << 2).logical_shift(11),
        ((upper << 55) | centre.logical_shift(9)).logical_shift(11),
        ((centre << 44) | lower.logical_shift(20)).logical_shift(11),
    )
    first, second, third = (_to_float(piece) * 2.0 ** (-53 * (k + 1)) for k, piece in enumerate(pieces))
    high, low = _sum(first, second)
    high, low = _product((high, low + third), _pair(x, _PI / 2))
    sign = where(negative, -1.0, x.constant(1.0))
    high, low = high * sign, low * sign
    turn = turn + Number(builder, quarter)
    out = where((turn & 1).differs(0), _cosine_pair(high, low)[0], _sine_pair(high, low)[0])
    out = (out.bits() ^ ((turn & 2) << 62)).from_bits()
    return where(Number(builder, quarter).equals(0) & (x < 0.0), -out, out).value


def _two_over_pi(module: ir.Module) -> ir.GlobalVariable:
    """2/π as bytes, the last ones first."""
    table = module.globals.get("two.over.pi")
    if table is None:
        size = (_TWO_OVER_PI_BITS + 192) // 8
        whole = int(2 / _pi_to_bits(_TWO_OVER_PI_BITS + 64) * 2**_TWO_OVER_PI_BITS)
        table = ir.GlobalVariable(module, ir.ArrayType(ir.IntType(8), size), "two.over.pi")
        table.linkage, table.global_constant = "internal", True
        table.initializer = ir.Constant(table.value_type, bytearray(whole.to_bytes(size, "little")))
    return table


def _pi_to_bits(bits: int) -> Fraction:
    """π by Machin's formula, 16 · atan(1/5) − 4 · atan(1/239), in integers."""
    one = 1 << (bits + 16)

    def arctangent_of_inverse(x: int) -> int:
        power, total, k = one // x, 0, 0
        while power:
            total += (-power if k % 2 else power) // (2 * k + 1)
            power, k = power // (x * x), k + 1
        return total

    return Fraction(16 * arctangent_of_inverse(5) - 4 * arctangent_of_inverse(239), one)


def _truncated(x: Number, kind: ir.Type) -> Number:
    return Number(x.builder, x.builder.trunc(x.value, kind))


def _to_float(x: Number) -> Number:
    return Number(x.builder, x.builder.sitofp(x.value, like(x.type, ir.DoubleType())))


def _arctangent(smaller: Number, larger: Number, swapped: Number, negative: Number | None = None) -> Number:
    """The angle of a point from its smaller and its larger coordinate, both positive.

    The ratio is at most ½, else it is that of the difference to the sum, an eighth of a turn away. `swapped`: the angle
    is what is missing to a quarter turn; `negative`: then, what is missing to half a turn.
    """
    bits = smaller.format.bits
    far = smaller > larger * 0.5
    ratio = where(far, smaller - larger, smaller) / where(far, smaller + larger, larger)
    square = ratio * ratio
    angle = fma(ratio * square, polynomial(square, coefficients.ATAN[bits]), ratio)
    eighths = where(far, smaller.constant(1.0), 0.0)
    eighths = where(swapped, 2.0 - eighths, eighths)
    reverse = swapped
    if negative is not None:
        eighths = where(negative, 4.0 - eighths, eighths)
        reverse = swapped ^ negative
    high, low = _parts(_PI / 4, bits, 2)
    angle = where(reverse, -angle, angle)
    return fma(eighths, high, fma(eighths, low, angle))


@_named("atan", "arctan")
def atan(x: Number) -> Number:
    """Inverse tangent."""
    a = absolute(x)
    swapped = a > 1.0
    return copysign(_arctangent(where(swapped, 1.0, a), where(swapped, a, 1.0), swapped), x)


@_named("atan2", "arctan2")
def atan2(y: Number, x: Number) -> Number:
    """The angle of the point (x, y), in (−π, π]; of the origin by the signs of its zeros."""
    form = x.format
    a, b = absolute(x), absolute(y)
    swapped = b > a
    smaller, larger = where(swapped, a, b), where(swapped, b, a)
    both = smaller.equals(inf)
    smaller = where(both, 1.0, smaller)
    larger = where(both | larger.equals(0.0), 1.0, larger)
    scale = where(larger > 2.0 ** (form.bias - 1), x.constant(0.25), 1.0)
    out = copysign(_arctangent(smaller * scale, larger * scale, swapped, x.bits() < 0), y)
    return where(x.is_nan() | y.is_nan(), nan, out)


def _arcsine_parts(x: Number) -> tuple[Number, Number, Number]:
    """asin |x| = s + rest, or, where |x| > ½, π/2 − 2 · (s + rest) with s = √((1 − |x|) / 2)."""
    a = absolute(x)
    far = a > 0.5
    square = where(far, fma(a, -0.5, 0.5), a * a)
    s = where(far, square_root(square), a)
    return far, s, s * square * polynomial(square, coefficients.ASIN[x.format.bits])


@_named("asin", "arcsin")
def asin(x: Number) -> Number:
    """Inverse sine."""
    far, s, rest = _arcsine_parts(x)
    high, low = _parts(_PI / 2, x.format.bits, 2)
    return copysign(where(far, fma(rest - low / 2, -2.0, fma(s, -2.0, high)), s + rest), x)


@_named("acos", "arccos")
def acos(x: Number) -> Number:
    """Inverse cosine."""
    far, s, rest = _arcsine_parts(x)
    high, low = _parts(_PI / 2, x.format.bits, 2)
    near = high - (copysign(s, x) + (copysign(rest, x) - low))
    beyond = fma(s, -2.0, 2 * high) + (2 * low - 2.0 * rest)
    return where(far, where(x < 0.0, beyond, (s + rest) * 2.0), near)


for _alias, _name in (("arcsinh", "asinh"), ("arccosh", "acosh"), ("arctanh", "atanh")):
    FUNCTIONS[_alias] = FUNCTIONS[_name]


# --------------------------------------------------------------------------------------------------------------- powers


@_named("sqrt", short=True)
def sqrt(x: Number) -> Number:
    """√x."""
    return square_root(x)


@_named("reciprocal", short=True)
def reciprocal(x: Number) -> Number:
    """1 / x."""
    return 1.0 / x


@_named("rsqrt", short=True)
def rsqrt(x: Number) -> Number:
    """1 / √x."""
    return 1.0 / square_root(x)


@_named("cbrt")
def cbrt(x: Number) -> Number:
    """Cube root: w ≈ m^(−1/3) from a polynomial, made better by iterations of order four; then m · w², corrected."""
    form = x.format
    a = absolute(x)
    tiny = a < form.smallest_normal
    bits = where(tiny, a * 2.0**54, a).bits()
    offset = -form.bias % 3
    third = ((bits.logical_shift(form.digits) + offset) * 43691).logical_shift(17)  # divided by 3
    base = (form.bias + offset) // 3
    m = (bits - ((third * 3 - 3 * base) << form.digits)).from_bits()
    w = polynomial(m, coefficients.INVERSE_CUBE_ROOT[form.bits])
    for _ in range(1 if form.bits == 32 else 2):
        error = fma(m * w, -(w * w), 1.0)
        w = fma(w * error, polynomial(error, (1 / 3, 2 / 9, 14 / 81)), w)
    square = w * w
    root = m * square
    root = fma(fma(root * root, -root, m) * square, 1 / 3, root)
    power = ((third + (form.bias - base)) << form.digits).from_bits()
    out = copysign(root * power * where(tiny, x.constant(2.0**-18), 1.0), x)
    return where(a.equals(0.0) | ~(a < inf), x, out)


@_named("hypot")
def hypot(x: Number, y: Number) -> Number:
    """√(x² + y²), without overflow on the way."""
    a, b = absolute(x), absolute(y)
    infinite = a.equals(inf) | b.equals(inf)
    if x.format.bits == 32:
        c, d = a.to_double(), b.to_double()
        return where(infinite, inf, square_root(fma(c, c, d * d)).to_single())
    larger, smaller = where(a < b, b, a), where(a < b, a, b)
    up, down = larger < 2.0**-450, larger > 2.0**450
    scale = where(up, x.constant(2.0**600), where(down, x.constant(2.0**-600), 1.0))
    back = where(up, x.constant(2.0**-600), where(down, x.constant(2.0**600), 1.0))
    c, d = larger * scale, smaller * scale
    return where(infinite, inf, square_root(fma(c, c, d * d)) * back)


@_named("pow", "power", "float_power")
def pow_(x: Number, y: Number) -> Number:
    """x ** y, with all the special cases of C99: 1 for y = 0 or x = 1 whatever the other is, ..."""
    size = absolute(x)
    magnitude = _single_power(size, y) if x.format.bits == 32 else _double_power(size, y)
    grows = (y < 0.0) ^ size.equals(inf)
    magnitude = where(size.equals(0.0) | size.equals(inf), where(grows, inf, x.constant(0.0)), magnitude)
    whole = intrinsic("trunc", y).equals(y)
    half = y * 0.5
    odd = whole & intrinsic("trunc", half).differs(half) & (absolute(y) < inf)
    out = where((x < 0.0) & ~whole & (size < inf), nan, magnitude)
    sign = where(odd, _sign_bit(x), 0)
    out = (out.bits() ^ sign).from_bits()
    out = where(x.is_nan() | y.is_nan(), nan, out)
    return where(x.equals(1.0) | y.equals(0.0) | (x.equals(-1.0) & absolute(y).equals(inf)), 1.0, out)


def _single_power(x: Number, y: Number) -> Number:
    """x ** y of float32 for positive x, in float64, whose short polynomials have bits enough to round once."""
    exponent, significand = _exponent_and_significand(x.to_double())
    s = (significand - 1.0) / (significand + 1.0)
    square = s * s
    scale = 2 / float(_LOG_2)
    log_2 = fma(s, polynomial(square, [scale * term for term in coefficients.SHORT_ATANH[64]]), exponent)
    product = clip(log_2 * y.to_double(), -200.0, 200.0)
    shifted, n = _nearest(product, extra=1023)
    return (polynomial(product - n, coefficients.SHORT_EXP2[64]) * _power_of_two(shifted)).to_single()


def _log_pair(x: Number) -> Pair:
    """log x of float64 to about 66 bits, for positive x.

    2 · atanh(s) = 2s + 2s · s²/3 + 2s · s⁴ · P(s²): only the last term, 2^−12 of the sum, is computed in one float.
    """
    exponent, significand = _exponent_and_significand(x)
    f = significand - 1.0
    below, below_low = _sum(x.constant(1.0), significand)
    inverse = 1.0 / below
    quotient = f * inverse
    s = quotient, fma(-quotient, below_low, fma(-quotient, below, f)) * inverse
    square = _product(s, s)
    last = square[0] * square[0] * polynomial(square[0], coefficients.POW_ATANH[64])
    third = _product(square, _pair(x, Fraction(1, 3)))
    series = _sum(third[0], third[1] + last)
    twice = (s[0] * 2.0, s[1] * 2.0)
    rest = _product(twice, series)
    total = _sum(twice[0], rest[0])
    high = Fraction(round(_LOG_2 * 2**42), 2**42)  # so short that its product with an exponent is exact
    # where the exponent is 0 the larger is total[0], and the sum is exact all the same
    whole = _sum(exponent * float(high), total[0])
    return whole[0], whole[1] + fma(exponent, float(_LOG_2 - high), total[1] + (twice[1] + rest[1]))


def _double_power(x: Number, y: Number) -> Number:
    """x ** y of float64 for positive x: e to the product of y and a logarithm of two floats."""
    form = y.format
    y = clip(y, -1e20, 1e20)  # beyond, x ** y is 0, 1 or infinite anyway
    high, low = _log_pair(x)
    product = high * y
    rest = fma(high, y, -product) + low * y
    inside = absolute(product) < 800.0
    z = clip(product, -(form.bias + form.digits + 2) * log(2), (form.bias + 1) * log(2) + 0.1)
    shifted, _, r = _reduce_exponent(z, form.bias - 1)
    out = _twice_exponential(r, where(inside, rest, 0.0))
    return _scaled(out, shifted, z < (2.5 - form.bias) * log(2))


# ------------------------------------------------------------------------------------------------------- error function


def _erfc_far(a: Number) -> Number:
    """erfc(a) for a ≥ 0.64, or 1 in float32: e^(−a²) / a times a polynomial in (a − c) / (a + c).

    The method of M. Shepherd and J. Laframboise, Chebyshev approximation of (1 + 2x) exp(x²) erfc x (1981).
    """
    centre, end = (3.0, 10.3) if a.format.bits == 32 else (4.2, 27.3)
    a = clip(a, 0.64, end)
    square = a * a
    low = fma(a, a, -square)
    series = polynomial((a - centre) / (a + centre), coefficients.ERFC[a.format.bits]) / a
    form = a.format
    shifted, _, r = _reduce_exponent(-square, form.bias - 1)
    twice = _twice_exponential(r, -low) * series
    return _scaled(twice, shifted, square > (form.bias - 2.5) * log(2))


def _erf_near(x: Number) -> Number:
    """erf(x) for |x| ≤ 1."""
    square = x * x
    return fma(x, polynomial(square, coefficients.ERF[x.format.bits]), x)


@_named("erf")
def erf(x: Number) -> Number:
    """Error function, 2/√π · ∫ e^(−t²) from 0 to x."""
    a = absolute(x)
    return where(a < 1.0, _erf_near(x), copysign(1.0 - _erfc_far(a), x))


@_named("erfc")
def erfc(x: Number) -> Number:
    """1 − erf(x), accurate where that is near 0; of float32 in float64, because the errors of its factors add up."""
    if x.format.bits == 32:
        return erfc(x.to_double()).to_single()
    a = absolute(x)
    far = _erfc_far(a)
    return where(a < 0.65, 1.0 - _erf_near(x), where(x < 0.0, 2.0 - far, far))


# ------------------------------------------------------------------------------------------------- normal distribution

_ROOT_HALF = Fraction(70710678118654752440084436210484903928483593768847403658833987, 10**62)


def _in_double(formula: Function) -> Function:
    """A formula for float64; what comes as float32 is computed in it, and rounded."""

    @wraps(formula)
    def rounded(*numbers: Number) -> Number:
        if numbers[0].format.bits == 64:
            return formula(*numbers)
        return formula(*(number.to_double() for number in numbers)).to_single()

    return rounded


@_named("ndtr")
@_in_double
def ndtr(x: Number) -> Number:
    """erfc(−x / √2) / 2. Far to the left, where that is steep, what rounds off x / √2 is made good."""
    high, low = _parts(_ROOT_HALF, 64, 2)
    a = x * -high
    left = fma(x, -high, -a) - x * low
    out = erfc(a) * 0.5
    steep = (a > 1.0) & (a < 28.0)
    slope = where(steep, a * 2.0 + 1.0 / where(steep, a, 1.0), 0.0)
    return where(steep, fma(-out * left, slope, out), out)


@_named("log_ndtr")
@_in_double
def log_ndtr(x: Number) -> Number:
    """log ndtr(x): −x² / 2 and the logarithm of what is left of erfc beside e^(−a²); for large x, −ndtr(−x)."""
    a = clip(x * -float(_ROOT_HALF), 0.64, 27.0)
    series = polynomial((a - 4.2) / (a + 4.2), coefficients.ERFC[64]) / a
    far = x < -37.0
    inverse = 1.0 / where(far, x, 1.0)
    square = inverse * inverse
    terms = [1.0, -1.0, 3.0, -15.0, 105.0, -945.0, 10395.0]
    beyond = polynomial(square, terms) * -inverse * float(_ROOT_HALF) * (2 / sqrt_of(pi))
    rest = log_(where(far, beyond, series) * 0.5)
    left = fma(x * -0.5, x, rest)
    near = where(x < -1.0, left, log1p(-ndtr(-x)))
    return where(x.equals(-inf), x, near)


#: M. Wichura, Algorithm AS 241: the percentage points of the normal distribution (1988), its PPND16: numerators and
#: denominators, from the constant term up, in 0.180625 − q², and in √−log p less 1.6 and 5.
_QUANTILE = [
    [[Fraction(term) for term in terms.split()] for terms in pair]
    for pair in (
        (
            "3.3871328727963666080e0 1.3314166789178437745e2 1.9715909503065514427e3 1.3731693765509461125e4 "
            "4.5921953931549871457e4 6.7265770927008700853e4 3.3430575583588128105e4 2.5090809287301226727e3",
            "1.0 4.2313330701600911252e1 6.8718700749205790830e2 5.3941960214247511077e3 "
            "2.1213794301586595867e4 3.9307895800092710610e4 2.8729085735721942674e4 5.2264952788528545610e3",
        ),
        (
            "1.42343711074968357734e0 4.63033784615654529590e0 5.76949722146069140550e0 3.64784832476320460504e0 "
            "1.27045825245236838258e0 2.41780725177450611770e-1 2.27238449892691845833e-2 7.74545014278341407640e-4",
            "1.0 2.05319162663775882187e0 1.67638483018380384940e0 6.89767334985100004550e-1 "
            "1.48103976427480074590e-1 1.51986665636164571966e-2 5.47593808499534494600e-4 1.05075007164441684324e-9",
        ),
        (
            "6.65790464350110377720e0 5.46378491116411436990e0 1.78482653991729133580e0 2.96560571828504891230e-1 "
            "2.65321895265761230930e-2 1.24266094738807843860e-3 2.71155556874348757815e-5 2.01033439929228813265e-7",
            "1.0 5.99832206555887937690e-1 1.36929880922735805310e-1 1.48753612908506148525e-2 "
            "7.86869131145613259100e-4 1.84631831751005468180e-5 1.42151175831644588870e-7 2.04426310338993978564e-15",
        ),
    )
]


def _horner_pair(x: Number, terms: list[Fraction]) -> Pair:
    """A polynomial as a pair."""
    high, low = _pair(x, terms[-1])
    for term in terms[-2::-1]:
        product = high * x
        rest = fma(low, x, fma(high, x, -product))
        more, less = _pair(x, term)
        high = product + more
        part = high - product
        low = ((product - (high - part)) + (more - part)) + (rest + less)
    return high, low


def _quantile(q: Number, smaller: Number) -> Number:
    """The number below which a standard normal one lies with probability q + ½; `smaller` is ½ − |q|, exactly."""
    square = q * q
    (above, below), *outer = _QUANTILE
    r = 0.180625 - square
    centre = q * _ratio(_horner_pair(r, above), _horner_pair(r, below))
    depth = square_root(-log_(smaller))
    ratios = [
        _ratio(_horner_pair(depth - shift, above), _horner_pair(depth - shift, below))
        for shift, (above, below) in zip((1.6, 5.0), outer, strict=True)
    ]
    size = where(depth <= 5.0, ratios[0], ratios[1])
    tail = copysign(where(smaller.equals(0.0), inf, size), q)
    return where(absolute(q) <= 0.425, centre, where(smaller < 0.0, nan, tail))


@_named("ndtri")
@_in_double
def ndtri(p: Number) -> Number:
    """The number below which a standard normal one lies with probability p."""
    return _quantile(p - 0.5, where(p < 0.5, p, 1.0 - p))


@_named("erfinv")
@_in_double
def erfinv(x: Number) -> Number:
    """The y with erf(y) = x."""
    out = _quantile(x * 0.5, (1.0 - absolute(x)) * 0.5) * float(_ROOT_HALF)
    return where(absolute(x) < 1e-100, x * (sqrt_of(pi) / 2), out)


@_named("erfcinv")
@_in_double
def erfcinv(x: Number) -> Number:
    """The y with erfc(y) = x."""
    return _quantile((1.0 - x) * 0.5, where(x < 1.0, x, 2.0 - x) * 0.5) * float(_ROOT_HALF)


# ------------------------------------------------------------------------------------------------------ gamma function

#: Where digamma is 0, to the right of 0.
_DIGAMMA_ROOT = Fraction(14616321449683623412626595423257213284681, 10**40)


def _turned(x: Number) -> Number:
    """π times the distance of x from the nearest whole number, which is exact."""
    return (x - intrinsic("roundeven", x)) * pi


@_named("gammaln")
@_in_double
def gammaln(x: Number) -> Number:
    """log |Γ(x)|: a polynomial around its zeros at 1 and 2, from where factors lead up to 12; then Stirling's series.

    To the left of 0 by the reflection at it.
    """
    a = absolute(x)
    below = a < 1.0
    near, product = where(below, a + 1.0, a), where(below, a, 1.0)
    for _ in range(10):
        over = (near > 2.5) & (a < 12.0)
        near = where(over, near - 1.0, near)
        product = where(over, product * near, product)
    zeros = where(below, a, near - 1.0) * where(below, a - 1.0, near - 2.0)
    powers = log_(product)
    small = fma(zeros, polynomial(near - 1.75, coefficients.LOG_GAMMA[64]), where(below, -powers, powers))
    far = where(a < 12.0, 12.0, a)
    inverse = 1.0 / far
    terms = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156]
    rest = fma(inverse, polynomial(inverse * inverse, terms), 0.5 * log(2 * pi) - 0.5)
    large = fma(far - 0.5, log_(far) - 1.0, rest)
    right = where(a < 12.0, small, where(a < inf, large, a))
    sine = absolute(sin(_turned(x)))
    left = log(pi) - log_(a * sine) - right
    left = where(a < 1e-20, -log_(a), where(sine.equals(0.0), inf, left))
    return where(x > 0.0, right, where(absolute(x) < inf, left, x))


def _stirling(x: Number) -> Number:
    """Γ(x) for x from 12 on: e to (x − ½) log x − x and a series, with what rounding takes from the exponent."""
    form = x.format
    inverse = 1.0 / x
    terms = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156]
    series = fma(inverse, polynomial(inverse * inverse, terms), 0.5 * log(2 * pi))
    power = x - 0.5
    high, low = _log_pair(x)
    product = high * power
    less, first = _sum(product, -x)
    exponent, second = _sum(less, series)
    rest = (fma(high, power, -product) + low * power) + (first + second)
    shifted, _, r = _reduce_exponent(clip(exponent, 0.0, (form.bias + 1) * log(2) + 0.1), form.bias - 1)
    return _scaled(_twice_exponential(r, rest), shifted, exponent < 0.0)


@_named("gamma")
@_in_double
def gamma(x: Number) -> Number:
    """A polynomial between 1 and 2, from where factors lead up to 12; above, Stirling's formula.

    To the left of 0 by the reflection at it.
    """
    a = absolute(x)
    below = a < 1.0
    near = where(below, a + 1.0, a)
    product: Pair = x.constant(1.0), x.constant(0.0)
    for _ in range(11):
        over = (near >= 2.0) & (a < 12.0)
        near = where(over, near - 1.0, near)
        high, low = _product(product, (near, x.constant(0.0)))
        product = where(over, high, product[0]), where(over, low, product[1])
    start = polynomial(near - 1.5, coefficients.GAMMA[64])
    small = fma(start, product[1], start * product[0])
    small = where(below, start / where(below, a, 1.0), small)
    far = clip(where(a < 12.0, 12.0, a), 12.0, 200.0)
    large = _stirling(far)
    right = where(a < 12.0, small, large)
    whole = intrinsic("roundeven", a)
    sine = sin(_turned(a))
    odd = intrinsic("trunc", whole * 0.5).differs(whole * 0.5)
    left = -pi / (a * (where(odd, -sine, sine) * right))
    left = where(sine.equals(0.0) | ~(a < inf), nan, left)
    left = where(a < 1e-20, 1.0 / x, left)
    return where(x > 0.0, right, where(x.is_nan(), x, left))


@_named("psi")
@_in_double
def psi(x: Number) -> Number:
    """Digamma: a polynomial around its root between 1 and 2, from where steps lead up to 10; above, its series.

    To the left of 0 by the reflection at ½.
    """
    left = x <= 0.0
    a = where(left, 1.0 - x, x)
    below = a < 1.0
    near, steps = where(below, a + 1.0, a), where(below, -1.0 / a, 0.0)
    for _ in range(9):
        over = (near >= 2.0) & (a < 10.0)
        near = where(over, near - 1.0, near)
        steps = where(over, steps + 1.0 / near, steps)
    high, low = _parts(_DIGAMMA_ROOT, 64, 2)
    small = fma((near - high) - low, polynomial(near - 1.5, coefficients.DIGAMMA[64]), steps)
    far = where(a < 10.0, 10.0, a)
    inverse = 1.0 / far
    square = inverse * inverse
    terms = [1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12, -3617 / 8160]
    large = log_(far) - fma(square, polynomial(square, terms), inverse * 0.5)
    right = where(a < 10.0, small, large)
    angle = _turned(x)
    reflected = where(angle.equals(0.0), nan, right - pi / tan(angle))
    out = where(left, reflected, right)
    return where(x.equals(0.0), copysign(x.constant(inf), -x), where(x.equals(-inf), nan, out))


@_named("trigamma")
@_in_double
def trigamma(x: Number) -> Number:
    """The slope of digamma: steps up to 12, from where its series is used; left of 0 by the reflection at ½."""
    left = x <= 0.0
    b = where(left, 1.0 - x, x)
    total = x.constant(0.0)
    for _ in range(12):
        under = b < 12.0
        inverse = 1.0 / b
        total = where(under, fma(inverse, inverse, total), total)
        b = where(under, b + 1.0, b)
    inverse = 1.0 / b
    square = inverse * inverse
    terms = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6]
    right = total + fma(square * inverse, polynomial(square, terms), fma(square, 0.5, inverse))
    sine = sin(_turned(x))
    reflected = where(sine.equals(0.0), inf, (pi / sine) * (pi / sine) - right)
    return where(left, where(x.equals(-inf), inf, reflected), right)


# ---------------------------------------------------------------------------------------------------- Bessel functions


def _bessel(x: Number, order: int, scaled: bool) -> Number:
    """A modified Bessel function, `scaled` by e ** −|x|: a series up to 8, then e ** |x| · P / √|x|."""
    a = absolute(x)
    near, far = clip(a, 0.0, 8.0), where(a < 8.0, 8.0, a)
    series = polynomial(near * near, (coefficients.BESSEL_I0, coefficients.BESSEL_I1)[order][64])
    series = series * near if order else series
    terms = (coefficients.BESSEL_I0_FAR, coefficients.BESSEL_I1_FAR)[order][64]
    beyond = polynomial(16.0 / far - 1.0, terms) / square_root(far)
    if scaled:
        series = series * exp(-near)
    else:  # in halves, as the power overflows before the function does
        half = exp(far * 0.5)
        beyond = half * beyond * half
        beyond = where(a.equals(inf), a, beyond)
    out = where(a < 8.0, series, beyond)
    return copysign(out, x) if order else out


@_named("i0")
@_in_double
def i0(x: Number) -> Number:
    """The modified Bessel function of the first kind, of order 0."""
    return _bessel(x, 0, scaled=False)


@_named("i1")
@_in_double
def i1(x: Number) -> Number:
    """The modified Bessel function of the first kind, of order 1."""
    return _bessel(x, 1, scaled=False)


@_named("i0e")
@_in_double
def i0e(x: Number) -> Number:
    """The same of order 0, times e ** −|x|."""
    return _bessel(x, 0, scaled=True)


@_named("i1e")
@_in_double
def i1e(x: Number) -> Number:
    """The same of order 1, times e ** −|x|."""
    return _bessel(x, 1, scaled=True)


# --------------------------------------------------------------------------------------- rounding, division, comparison


@_named("floor", short=True)
def floor(x: Number) -> Number:
    """The largest integer that is not above x."""
    return intrinsic("floor", x)


@_named("ceil", short=True)
def ceil(x: Number) -> Number:
    """The least integer that is not below x."""
    return intrinsic("ceil", x)


@_named("trunc", short=True)
def trunc(x: Number) -> Number:
    """x without its fraction."""
    return intrinsic("trunc", x)


@_named("round", "rint", short=True)
def round_(x: Number) -> Number:
    """The nearest integer, the even one of two."""
    return intrinsic("roundeven", x)


@_named("abs", "absolute", "fabs", short=True)
def abs_(x: Number) -> Number:
    """x without its sign."""
    return absolute(x)


@_named("copysign", short=True)
def copysign_(x: Number, sign: Number) -> Number:
    """x with the sign of another number."""
    return copysign(x, sign)


@_named("sign", short=True)
def sign(x: Number) -> Number:
    """−1, 0 or 1; NaN of NaN."""
    return where(x > 0.0, 1.0, where(x < 0.0, -1.0, where(x.equals(0.0), x.constant(0.0), x)))


@_named("maximum", short=True)
def maximum(x: Number, y: Number) -> Number:
    """The larger; NaN if one is."""
    return where(x.is_nan(), x, where(x > y, x, y))


@_named("minimum", short=True)
def minimum(x: Number, y: Number) -> Number:
    """The smaller; NaN if one is."""
    return where(x.is_nan(), x, where(x < y, x, y))


@_named("fmax", short=True)
def fmax(x: Number, y: Number) -> Number:
    """The larger; the other one if one is NaN."""
    return where(y.is_nan(), x, where(x > y, x, y))


@_named("fmin", short=True)
def fmin(x: Number, y: Number) -> Number:
    """The smaller; the other one if one is NaN."""
    return where(y.is_nan(), x, where(x < y, x, y))


@_named("signbit", short=True)
def signbit(x: Number) -> Number:
    """Whether the sign is minus, that of a zero or NaN too."""
    return x.bits() < 0


@_named("isnan", short=True)
def isnan(x: Number) -> Number:
    """Whether not a number."""
    return x.is_nan()


@_named("isinf", short=True)
def isinf(x: Number) -> Number:
    """Whether infinite, of either sign."""
    return absolute(x).equals(inf)


@_named("isfinite", short=True)
def isfinite(x: Number) -> Number:
    """Whether neither infinite nor NaN."""
    return absolute(x) < inf


@_named("nextafter")
def nextafter(x: Number, y: Number) -> Number:
    """The float next to x in the direction of y."""
    bits = x.bits()
    away = where((x < y) ^ (bits < 0), bits.constant(1), -1)
    moved = where(x.equals(0.0), _sign_bit(y) | 1, bits + away).from_bits()
    return where(x.equals(y), y, where(x.is_nan() | y.is_nan(), nan, moved))


def _fmod(x: Number, y: Number) -> Number:
    """x − trunc(x / y) · y, exactly: each step takes away the nearest multiple, without error as it is fused.

    One step is enough unless the quotient has more digits than a float; then others follow, until no lane is left.
    """
    form = x.format
    size = absolute(y)
    valid = (absolute(x) < inf) & (size > 0.0) & (size < inf)
    divisor = where(valid, size, 1.0)
    rest = where(valid, x, 0.0)
    rest = _mod_loop(rest, divisor) if form.bits == 64 else _mod_loop(rest.to_double(), divisor.to_double()).to_single()
    wrong = (rest.bits() ^ x.bits()) < 0
    rest = where(wrong & rest.differs(0.0), rest + copysign(divisor, x), rest)
    out = copysign(rest, x)
    out = where(size.equals(inf) & (absolute(x) < inf), x, where(valid, out, nan))
    return where(y.is_nan(), y, out)


def _mod_loop(rest: Number, divisor: Number) -> Number:
    """What is left of `rest`, less than `divisor` in size, of either sign.

    Where the quotient of two doubles could overflow, it is divided by the divisor times a power of two first.
    """
    builder = rest.builder
    before, loop, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
    builder.branch(loop)
    builder.position_at_end(loop)
    phi = builder.phi(rest.type)
    current = Number(builder, phi)
    size = absolute(current) * 2.0**-600
    multiple = divisor * where(size > divisor * 2.0**400, divisor.constant(2.0**1000), 1.0)
    multiple = multiple * where(size > divisor * 2.0**490, divisor.constant(2.0**90), 1.0)
    quotient = intrinsic("roundeven", current / multiple)
    reduced = fma(quotient, -multiple, current)
    phi.add_incoming(rest.value, before)
    phi.add_incoming(reduced.value, loop)
    builder.cbranch(any_lane(absolute(reduced) >= divisor), loop, after)
    builder.position_at_end(after)
    return reduced


@_named("fmod")
def fmod(x: Number, y: Number) -> Number:
    """The remainder of a division that truncates; it has the sign of x."""
    return _fmod(x, y)


def _remainder(x: Number, y: Number) -> Number:
    rest = _fmod(x, y)
    shifted = where((rest < 0.0) ^ (y < 0.0), rest + y, rest)
    return where(rest.equals(0.0), copysign(rest, y), shifted)


@_named("remainder", "mod")
def remainder(x: Number, y: Number) -> Number:
    """The remainder of a division that rounds down; it has the sign of y, as in Python."""
    return _remainder(x, y) if x.is_float else _integer_division(x, y)[1]


@_named("floor_divide")
def floor_divide(x: Number, y: Number) -> Number:
    """x / y rounded down: from the exact remainder, so that it fits `remainder`, as in Python."""
    if not x.is_float:
        return _integer_division(x, y)[0]
    rest = _fmod(x, y)
    quotient = (x - rest) / y
    quotient = where(rest.differs(0.0) & ((rest < 0.0) ^ (y < 0.0)), quotient - 1.0, quotient)
    down = intrinsic("floor", quotient)
    down = where(quotient - down > 0.5, down + 1.0, down)
    exact = x / y
    out = where(quotient.equals(0.0), copysign(x.constant(0.0), exact), down)
    return where(y.equals(0.0), exact, out)


@_named("unsigned_remainder")
def unsigned_remainder(x: Number, y: Number) -> Number:
    """The remainder of unsigned integers, 0 for a division by 0."""
    quotient = _unsigned_quotient(x, y)
    return where(y.equals(0), 0, x - quotient * y)


@_named("unsigned_floor_divide")
def unsigned_floor_divide(x: Number, y: Number) -> Number:
    """The quotient of unsigned integers, 0 for a division by 0."""
    return where(y.equals(0), 0, _unsigned_quotient(x, y))


def _unsigned_quotient(x: Number, y: Number) -> Number:
    """x / y; x where y is 0."""
    return Number(x.builder, x.builder.udiv(x.value, where(y.equals(0), 1, y).value))


def _integer_division(x: Number, y: Number) -> tuple[Number, Number]:
    """Quotient rounded down and remainder of signed integers, both 0 for a division by 0.

    Vectors of up to 32 bits are divided as doubles, which is exact; no machine has a vector division of integers.
    """
    builder, width = x.builder, element(x.type).width
    zero = y.equals(0)
    # the least integer by −1 overflows: by 1 it gives the same
    divisor = where(zero | (x.equals(-(2 ** (width - 1))) & y.equals(-1)), 1, y)
    if width <= 32 and isinstance(x.type, ir.VectorType):
        quotient = Number(builder, builder.fptosi((_to_float(x) / _to_float(divisor)).value, x.type))
    else:
        quotient = Number(builder, builder.sdiv(x.value, divisor.value))
    rest = x - quotient * divisor
    down = rest.differs(0) & ((rest ^ divisor) < 0)
    quotient, rest = where(down, quotient - 1, quotient), where(down, rest + divisor, rest)
    return where(zero, 0, quotient), where(zero, 0, rest)
