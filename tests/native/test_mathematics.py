"""The emitted elementary functions against mpmath, and at the edges against NumPy and Python."""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import mpmath
import numpy as np
import pytest
import scipy.special
from llvmlite import ir

from gatewise.native import mathematics
from gatewise.native.values import of_numpy_or_scipy

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()

TYPES = {
    "float32": ir.FloatType(),
    "float64": ir.DoubleType(),
    "int16": ir.IntType(16),
    "int32": ir.IntType(32),
    "int64": ir.IntType(64),
    "uint32": ir.IntType(32),
}
#: Units in the last place that are promised.
BOUNDS = {"float32": 2.0, "float64": 4.0}
BINARY = (
    "atan2",
    "pow",
    "hypot",
    "logaddexp",
    "logaddexp2",
    "fmod",
    "remainder",
    "floor_divide",
    "nextafter",
    "copysign",
)
BINARY += ("maximum", "minimum", "fmax", "fmin")


def loop(name: str, dtype: str, lanes: int, arity: int) -> ir.Module:
    """A module with one function, which applies `name` to vectors of `lanes` entries."""
    entry, size = TYPES[dtype], ir.IntType(64)
    kind = entry if lanes == 1 else ir.VectorType(entry, lanes)
    module = ir.Module()
    pointers = [entry.as_pointer()] * arity
    result = ir.IntType(8) if name.startswith("is") else entry
    arguments = [size, result.as_pointer(), *pointers]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), "loop")
    builder = ir.IRBuilder(function.append_basic_block())
    body, end = builder.append_basic_block(), builder.append_basic_block()
    start = builder.block
    builder.branch(body)
    builder.position_at_end(body)
    index = builder.phi(size)
    operands = []
    for pointer in function.args[2:]:
        place = builder.bitcast(builder.gep(pointer, [index], source_etype=entry), kind.as_pointer())
        operands.append(builder.load(place, align=1, typ=kind))
    out = mathematics.emit(name, builder, *operands)
    if name.startswith("is"):
        out = builder.zext(out, result if lanes == 1 else ir.VectorType(result, lanes))
    place = builder.gep(function.args[1], [index], source_etype=result)
    builder.store(out, builder.bitcast(place, out.type.as_pointer()), align=1)
    following = builder.add(index, ir.Constant(size, lanes))
    index.add_incoming(ir.Constant(size, 0), start)
    index.add_incoming(following, builder.block)
    builder.cbranch(builder.icmp_signed("<", following, function.args[0]), body, end)
    builder.position_at_end(end)
    builder.ret_void()
    return module


@cache
def engine(name: str, dtype: str, lanes: int, arity: int) -> Any:
    """The loop as machine code of this machine."""
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=1, jit=True
    )
    module = llvm.parse_assembly(str(loop(name, dtype, lanes, arity)))
    module.verify()
    out = llvm.create_mcjit_compiler(module, machine)
    out.finalize_object()
    return out


def evaluate(name: str, *operands: Any, lanes: int = 8) -> Any:
    """`name` of arrays of one dtype."""
    dtype = operands[0].dtype.name
    padding = -len(operands[0]) % lanes
    padded = [np.concatenate([operand, np.ones(padding, dtype)]) for operand in operands]
    out = np.empty(len(padded[0]), np.bool_ if name.startswith("is") else dtype)
    address = engine(name, dtype, lanes, len(operands)).get_function_address("loop")
    function = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * (1 + len(operands)))(address)
    function(len(out), out.ctypes.data, *(operand.ctypes.data for operand in padded))
    return out[: len(operands[0])]


def any_floats(generator: np.random.Generator, dtype: str, count: int) -> Any:
    """Numbers of every exponent and both signs, denormal ones included."""
    unsigned = np.dtype(f"u{np.dtype(dtype).itemsize}")
    bits = generator.integers(0, np.iinfo(unsigned).max, count, dtype=unsigned, endpoint=True)
    floats = bits.view(dtype)
    return floats[np.isfinite(floats)]


def points(name: str, dtype: str) -> Any:
    """Where functions of one number are tried: all magnitudes, and densely where something changes."""
    generator = np.random.default_rng(7)
    one = 1 + np.concatenate([[-1, 1]]).repeat(15) * 10 ** generator.uniform(-7, -0.4, 30)
    quarters = generator.integers(-300, 300, 30) * (math.pi / 4)
    parts = [generator.uniform(-width, width, 60) for width in (0.3, 1, 4, 30, 800)]
    x = np.concatenate([*parts, one, -one, quarters]).astype(dtype)
    return np.concatenate([x, any_floats(generator, dtype, 60)])


def exact(number: Any) -> mpmath.mpf:
    return mpmath.mpf(float(number))


def errors(out: Any, expected: list[mpmath.mpf]) -> list[float]:
    """Errors in units in the last place, for results that are real."""
    info = np.finfo(out.dtype)
    found = []
    for value, truth in zip(out, expected, strict=True):
        if abs(truth) > exact(info.max):
            found.append(0.0 if np.isinf(value) and (value > 0) == (truth > 0) else math.inf)
            continue
        exponent = max(mpmath.frexp(truth)[1] - 1, info.minexp) if truth else info.minexp
        unit = mpmath.ldexp(1, int(exponent) - info.nmant)
        found.append(float(abs(exact(value) - truth) / unit) if np.isfinite(value) else math.inf)
    return found


UNARY: dict[str, Callable[[mpmath.mpf], Any]] = {
    "exp": mpmath.exp,
    "exp2": lambda x: mpmath.mpf(2) ** x,
    "expm1": mpmath.expm1,
    "log": mpmath.log,
    "log2": lambda x: mpmath.log(x) / mpmath.log(2),
    "log10": mpmath.log10,
    "log1p": mpmath.log1p,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "tan": mpmath.tan,
    "asin": mpmath.asin,
    "acos": mpmath.acos,
    "atan": mpmath.atan,
    "sinh": mpmath.sinh,
    "cosh": mpmath.cosh,
    "tanh": mpmath.tanh,
    "asinh": mpmath.asinh,
    "acosh": mpmath.acosh,
    "atanh": mpmath.atanh,
    "sqrt": mpmath.sqrt,
    "rsqrt": lambda x: 1 / mpmath.sqrt(x),
    "reciprocal": lambda x: 1 / x,
    "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)),
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "erf": mpmath.erf,
    "erfc": lambda x: mpmath.erfc(x) if x < 200 else mpmath.mpf(0),
}
DOMAINS: dict[str, tuple[float, float]] = {
    "log": (0, math.inf),
    "log2": (0, math.inf),
    "log10": (0, math.inf),
    "sqrt": (0, math.inf),
    "rsqrt": (0, math.inf),
    "log1p": (-1, math.inf),
    "asin": (-1, 1),
    "acos": (-1, 1),
    "acosh": (1, math.inf),
    "atanh": (-1, 1),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", UNARY)
def test_within_the_bound(name: str, dtype: str) -> None:
    low, high = DOMAINS.get(name, (-math.inf, math.inf))
    x = points(name, dtype)
    x = x[(x > low) & (x < high) & (x != 0)]
    with mpmath.workprec(1300 if name in ("sin", "cos", "tan") else 220):
        expected = [UNARY[name](exact(each)) for each in x]
        assert max(errors(evaluate(name, x), expected)) <= BOUNDS[dtype]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["atan2", "pow", "hypot"])
def test_two_operands_within_the_bound(name: str, dtype: str) -> None:
    generator = np.random.default_rng(3)
    x, y = points(name, dtype), points(name, dtype)
    generator.shuffle(y)
    with np.errstate(over="ignore", under="ignore"):
        near = (x * generator.uniform(0.3, 3, len(x))).astype(dtype)
    x, y = np.concatenate([x, x]), np.concatenate([y, near])
    if name == "pow":
        base = np.concatenate([np.abs(x), generator.uniform(0.5, 2, 200).astype(dtype)])
        y = np.concatenate([y, generator.uniform(-1000, 1000, 200).astype(dtype)])
        x = base
        with np.errstate(all="ignore"):
            size = np.abs(np.log(np.abs(x.astype(float))) * y.astype(float))
        x, y = x[size < 2000], y[size < 2000]  # beyond, mpmath takes long to say that it is infinite
    reference = {"atan2": mpmath.atan2, "pow": mpmath.power, "hypot": mpmath.hypot}[name]
    with mpmath.workprec(220):
        expected = [reference(exact(a), exact(b)) for a, b in zip(x, y, strict=True)]
        assert max(errors(evaluate(name, x, y), expected)) <= BOUNDS[dtype]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_log_of_a_sum_of_powers(dtype: str) -> None:
    generator = np.random.default_rng(5)
    x = generator.uniform(-30, 30, 300).astype(dtype)
    y = (x + generator.uniform(-5, 5, 300)).astype(dtype)
    out = evaluate("logaddexp", x, y)
    expected = np.logaddexp(x.astype(np.longdouble), y.astype(np.longdouble))
    scale = np.maximum(np.abs(x), np.abs(y)) * np.finfo(dtype).eps
    assert np.max(np.abs(out - expected) / np.maximum(scale, np.finfo(dtype).eps)) < 2
    binary = evaluate("logaddexp2", x, y)
    expected = np.logaddexp2(x.astype(np.longdouble), y.astype(np.longdouble))
    assert np.max(np.abs(binary - expected) / np.maximum(scale, np.finfo(dtype).eps)) < 2


def quantile(p: mpmath.mpf) -> mpmath.mpf:
    """The number below which a standard normal one lies with probability p, at most ½."""
    y, root = mpmath.mpf(float(scipy.special.ndtri(float(p)))), mpmath.sqrt(2)
    for _ in range(5):
        below = mpmath.erfc(-y / root) / 2
        y -= mpmath.log(below / p) * below / mpmath.npdf(y)
    return y


def log_ndtr(x: mpmath.mpf) -> mpmath.mpf:
    return mpmath.log(mpmath.ncdf(x)) if x < 0 else mpmath.log1p(-mpmath.ncdf(-x))


NORMAL: dict[str, tuple[Callable[[mpmath.mpf], Any], float, float]] = {  # and between which numbers
    "ndtr": (mpmath.ncdf, -37, 8),
    "log_ndtr": (log_ndtr, -37, 8),
    "ndtri": (lambda p: quantile(p) if p < 0.5 else -quantile(1 - p), 0, 1),
    "erfinv": (lambda x: -mpmath.sign(x) * quantile((1 - abs(x)) / 2) / mpmath.sqrt(2), -1, 1),
    "erfcinv": (lambda x: -(quantile(x / 2) if x < 1 else -quantile(1 - x / 2)) / mpmath.sqrt(2), 0, 2),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NORMAL)
def test_the_normal_distribution(name: str, dtype: str) -> None:
    """Within 5 units; SciPy's `ndtr` is off by over a thousand far to the left."""
    reference, low, high = NORMAL[name]
    generator = np.random.default_rng(3)
    small = np.exp(-generator.uniform(1, 30 if name == "erfinv" else 80, 50))
    x = np.concatenate([generator.uniform(low, high, 100), small, high - small]).astype(dtype)
    x = x[(x > low) & (x < high)]
    with mpmath.workprec(300):
        expected = [reference(exact(each)) for each in x]
        assert max(errors(evaluate(name, x), expected)) <= (5 if dtype == "float64" else BOUNDS[dtype])


GAMMA: dict[str, Callable[[mpmath.mpf], Any]] = {
    "gamma": mpmath.gamma,
    "gammaln": lambda x: mpmath.log(abs(mpmath.gamma(x))),
    "psi": mpmath.digamma,
    "trigamma": lambda x: mpmath.psi(1, x),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", GAMMA)
def test_the_gamma_function(name: str, dtype: str) -> None:
    """As near as others to the right of 0; to its left the logarithms are, where they pass 0, as far off as near 1."""
    generator = np.random.default_rng(3)
    near = np.concatenate([point + generator.normal(size=20) * 1e-5 for point in (1, 1.4616321449683623, 2)])
    x = np.concatenate([generator.uniform(0, 15, 100), np.exp(generator.uniform(-30, 4, 50)), near]).astype(dtype)
    out = evaluate(name, x)
    with mpmath.workprec(220):
        expected = [GAMMA[name](exact(each)) for each in x]
    known = [i for i, truth in enumerate(expected) if truth]
    assert max(errors(out[known], [expected[i] for i in known])) <= BOUNDS[dtype]
    x = -generator.uniform(0, 20, 100).astype(dtype)
    with mpmath.workprec(220):
        expected = [GAMMA[name](exact(each)) for each in x]
    if name in ("gamma", "trigamma"):
        assert max(errors(evaluate(name, x), expected)) <= BOUNDS[dtype]
    for value, truth in zip(evaluate(name, x), expected, strict=True):
        assert abs(exact(value) - truth) <= 8 * np.finfo(dtype).eps * max(1, abs(truth))


BESSEL: dict[str, Callable[[mpmath.mpf], Any]] = {
    "i0": lambda x: mpmath.besseli(0, x),
    "i1": lambda x: mpmath.besseli(1, x),
    "i0e": lambda x: mpmath.besseli(0, x) * mpmath.exp(-abs(x)),
    "i1e": lambda x: mpmath.besseli(1, x) * mpmath.exp(-abs(x)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", BESSEL)
def test_modified_bessel_functions(name: str, dtype: str) -> None:
    generator = np.random.default_rng(3)
    parts = [generator.uniform(-9, 9, 80), generator.uniform(-85, 85, 80), np.exp(generator.uniform(-20, 4, 40))]
    x = np.concatenate([*parts, generator.uniform(80, 713, 40) if dtype == "float64" else parts[0]]).astype(dtype)
    with mpmath.workprec(220):
        expected = [BESSEL[name](exact(each)) for each in x]
    assert max(errors(evaluate(name, x), expected)) <= BOUNDS[dtype]


def test_the_ends_of_modified_bessel_functions() -> None:
    x = np.array([0.0, np.inf, -np.inf, np.nan, 714.0, 1e300])
    assert_like(evaluate("i0", x), np.array([1.0, np.inf, np.inf, np.nan, np.inf, np.inf]))
    assert_like(evaluate("i1", x), np.array([0.0, np.inf, -np.inf, np.nan, np.inf, np.inf]))
    for name in ("i0e", "i1e"):
        assert_like(evaluate(name, x), getattr(scipy.special, name)(x))


def test_the_ends_of_the_gamma_function() -> None:
    x = np.array(
        [0, -0.0, 1, -1, 2, -2, -3, np.inf, -np.inf, np.nan, 1e300, -1e300, 171.7, -180.5, 1e-200, -1e-200, 12]
    )
    for name in GAMMA:
        function = scipy.special.gamma if name == "gamma" else of_numpy_or_scipy(name)
        with np.errstate(all="ignore"):
            assert_like(evaluate(name, x), function(x))


def test_the_ends_of_the_normal_distribution() -> None:
    x = np.array([0, 1, -1, 2, -2, 0.5, 3, -3, np.inf, -np.inf, np.nan, 1e300, -1e300, 5e-324, 40, -40, -38.5, -1e10])
    for name in NORMAL:
        with np.errstate(all="ignore"):
            assert_like(evaluate(name, x) + 0.0, getattr(scipy.special, name)(x) + 0.0)  # of zeros any sign


SPECIAL = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 1e30, 1e-30, math.inf]


def specials(dtype: str) -> Any:
    info = np.finfo(dtype)
    numbers = [*SPECIAL, float(info.max), float(info.tiny), float(info.smallest_subnormal)]
    return np.array([*numbers, *(-number for number in numbers), math.nan], dtype)


NUMPY_NAMES = {
    **{name: f"arc{name[1:]}" for name in ("asin", "acos", "atan", "asinh", "acosh", "atanh", "atan2")},
    "abs": "absolute",
    "pow": "power",
    "round": "rint",
}


def assert_like(out: Any, expected: Any) -> None:
    """NaN, infinities and zeros, their signs included, are the same; other numbers nearly."""
    assert np.array_equal(np.isnan(out), np.isnan(expected))
    known = ~np.isnan(expected)
    out, expected = out[known], expected[known]
    edge = np.isinf(expected) | (expected == 0) | np.isinf(out) | (out == 0)
    assert np.array_equal(out[edge], expected[edge])
    assert np.array_equal(np.signbit(out[edge]), np.signbit(expected[edge]))
    assert np.allclose(out, expected, rtol=8 * np.finfo(out.dtype).eps, atol=np.finfo(out.dtype).smallest_subnormal)


ALL_UNARY = [*UNARY, "floor", "ceil", "trunc", "round", "abs", "sign"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "name", [name for name in ALL_UNARY if name not in ("sigmoid", "softplus", "rsqrt", "erf", "erfc")]
)
def test_special_values_are_numpys(name: str, dtype: str) -> None:
    x = specials(dtype)
    with np.errstate(all="ignore"):
        wide = getattr(np, NUMPY_NAMES.get(name, name))(x.astype(np.longdouble))
        assert_like(evaluate(name, x), wide.astype(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", BINARY)
def test_special_pairs_are_numpys(name: str, dtype: str) -> None:
    x, y = (each.ravel() for each in np.meshgrid(specials(dtype), specials(dtype)))
    if name in ("maximum", "minimum", "fmax", "fmin"):  # which of two zeros is left to the implementation
        x, y = x[(x != 0) | (y != 0)], y[(x != 0) | (y != 0)]
    with np.errstate(all="ignore"):
        expected = getattr(np, NUMPY_NAMES.get(name, name))(x, y)
    assert_like(evaluate(name, x, y), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_limits_of_the_others(dtype: str) -> None:
    x = np.array([-np.inf, -0.0, 0.0, np.inf, np.nan], dtype)
    assert_like(evaluate("sigmoid", x), np.array([0, 0.5, 0.5, 1, np.nan], dtype))
    assert_like(evaluate("softplus", x), np.array([0, math.log(2), math.log(2), np.inf, np.nan], dtype))
    assert_like(evaluate("erf", x), np.array([-1, -0.0, 0, 1, np.nan], dtype))
    assert_like(evaluate("erfc", x), np.array([2, 1, 1, 0, np.nan], dtype))
    assert_like(evaluate("rsqrt", x), np.array([np.nan, -np.inf, np.inf, 0, np.nan], dtype))
    for name in ("isnan", "isinf", "isfinite"):
        assert np.array_equal(evaluate(name, x), getattr(np, name)(x))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_exact_results(dtype: str) -> None:
    powers = np.arange(-100, 100, dtype=dtype)
    assert np.array_equal(evaluate("exp2", powers), 2.0**powers)
    assert np.array_equal(evaluate("log2", 2.0**powers), powers)
    cubes = np.arange(-50, 50, dtype=dtype)
    assert np.array_equal(evaluate("cbrt", cubes**3), cubes)
    zero = np.zeros(1, dtype)
    assert evaluate("cos", zero) == evaluate("exp", zero) == evaluate("cosh", zero) == 1
    assert evaluate("log", np.ones(1, dtype)) == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*UNARY, "floor", "pow", "remainder"])
def test_lanes_make_no_difference(name: str, dtype: str) -> None:
    x = np.concatenate([points(name, dtype), specials(dtype)])
    operands = (x, x[::-1].copy())[: 2 if name in BINARY else 1]
    one = evaluate(name, *operands, lanes=1)
    for lanes in (2, 16):
        assert np.array_equal(one, evaluate(name, *operands, lanes=lanes), equal_nan=True)


def test_sine_of_the_worst_arguments() -> None:
    """Doubles that are nearest to multiples of π/2, as known from Kahan and Muller, and the largest."""
    x = np.array([6381956970095103 * 2.0**797, 5319372648326541 * 2.0**70, np.finfo(float).max, 1e22, 2.0**26 + 1])
    x = np.concatenate([x, -x, [0.5, 3.0, -7.0]])
    with mpmath.workprec(1400):
        for name, truth in (("sin", mpmath.sin), ("cos", mpmath.cos), ("tan", mpmath.tan)):
            assert max(errors(evaluate(name, x), [truth(exact(each)) for each in x])) < 4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_remainders_are_exact(dtype: str) -> None:
    generator = np.random.default_rng(11)
    x, y = any_floats(generator, dtype, 3000), any_floats(generator, dtype, 3000)
    count = min(len(x), len(y))
    x, y = x[:count], y[:count]
    expected = [math.fmod(float(a), float(b)) for a, b in zip(x, y, strict=True)]
    assert np.array_equal(evaluate("fmod", x, y), np.array(expected, dtype))
    moderate = (generator.normal(size=count) * 100).astype(dtype), generator.normal(size=count).astype(dtype)
    rest, quotient = evaluate("remainder", *moderate), evaluate("floor_divide", *moderate)
    for a, b, r, q in zip(*moderate, rest, quotient, strict=True):
        truth = Fraction(float(a)) // Fraction(float(b))
        assert q == np.dtype(dtype).type(truth)
        assert (
            abs(Fraction(float(r)) - (Fraction(float(a)) - truth * Fraction(float(b)))) <= abs(b) * np.finfo(dtype).eps
        )


@pytest.mark.parametrize("lanes", [1, 8])
@pytest.mark.parametrize("dtype", ["int16", "int32", "int64"])
def test_integers_divide_as_numpys_do(dtype: str, lanes: int) -> None:
    info, generator = np.iinfo(dtype), np.random.default_rng(2)
    edges = np.array([info.min, info.min + 1, -7, -2, -1, 0, 1, 2, 7, info.max], dtype)
    x, y = (each.ravel() for each in np.meshgrid(edges, edges))
    x = np.concatenate([x, generator.integers(info.min, info.max, 500, dtype=dtype)])
    y = np.concatenate([y, generator.integers(info.min, info.max, 500, dtype=dtype)])
    with np.errstate(all="ignore"):
        assert np.array_equal(evaluate("floor_divide", x, y, lanes=lanes), np.floor_divide(x, y))
        assert np.array_equal(evaluate("remainder", x, y, lanes=lanes), np.remainder(x, y))


def test_unsigned_integers_divide_as_numpys_do() -> None:
    x = np.array([0, 1, 7, 2**31, 2**32 - 1], np.uint32).repeat(5)
    y = np.tile(np.array([0, 1, 7, 2**31, 2**32 - 1], np.uint32), 5)
    with np.errstate(all="ignore"):
        assert np.array_equal(evaluate("unsigned_floor_divide", x, y), np.floor_divide(x, y))
        assert np.array_equal(evaluate("unsigned_remainder", x, y), np.remainder(x, y))


def test_a_function_is_written_once() -> None:
    module = ir.Module()
    kind = ir.VectorType(ir.FloatType(), 16)
    function = ir.Function(module, ir.FunctionType(kind, [kind]), "f")
    builder = ir.IRBuilder(function.append_basic_block())
    builder.ret(mathematics.emit("exp", builder, mathematics.emit("exp", builder, function.args[0])))
    assert len(re.findall(r"define internal .*exp", str(module))) == 1


@pytest.mark.parametrize(
    ("triple", "cpu"), [("x86_64-linux", "x86-64-v3"), ("x86_64-linux", "x86-64-v4"), ("aarch64-linux", "")]
)
def test_no_library_is_called(triple: str, cpu: str) -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, opt=1)
    for name in (*UNARY, "pow", "atan2", "hypot", "remainder", "floor", "round"):
        module = loop(name, "float32", 8, 2 if name in BINARY else 1)
        module.triple = triple
        own = {function.name for function in module.functions}
        assembly = machine.emit_assembly(llvm.parse_assembly(str(module)))
        called = {target.strip('"').split("@")[0] for target in re.findall(r"\s(?:callq|bl)\s+([^*\s]+)", assembly)}
        assert called <= own, name
