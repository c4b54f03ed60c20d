"""Native forms on made-up inputs: compiled, as text, interpreted and eager, they give the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import gatewise as gw
from gatewise.native.interpret import interpret
from gatewise.native.tile import Machine
from gatewise.tree import flatten

SPECIAL = [0.0, -0.0, 1.0, -1.5, 0.25, 3.0, np.inf, -np.inf, np.nan]
TOLERANCE = {"f4": 2e-5, "c8": 2e-5, "f2": 4e-3}


def assert_same(found, expected, signs=False) -> None:
    for one, other in zip(flatten(found)[0], flatten(expected)[0], strict=True):
        one, other = np.asarray(one), np.asarray(other)
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        tolerance = TOLERANCE.get(one.dtype.str[1:], 1e-11)
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
        if signs and one.dtype.kind in "fc":
            for part in (np.real, np.imag):
                zero = (part(one) == 0) & (part(other) == 0)
                assert np.array_equal(np.signbit(part(one)[zero]), np.signbit(part(other)[zero]))


def assert_native(f, *arguments, signs=False):
    """The program, its text and its meaning give what the function gives, and nothing is left to Python.

    But for float16, where the processor does not convert it.
    """
    with np.errstate(all="ignore"):
        expected = f(*arguments)
    compiled = gw.compile(f)
    assert_same(compiled(*arguments), expected, signs)
    reasons = {reason for _, reason in compiled.report().in_python}
    assert reasons <= (set() if Machine.host().has_halves else {"dtype float16"})
    source = compiled.source(*arguments)
    namespace = dict(source.given)
    exec(source, namespace)
    try:
        assert_same(namespace[f.__name__ if f.__name__.isidentifier() else "function"](*arguments), expected, signs)
    except ArithmeticError:  # an assumption, of which the compiled function takes note by itself
        return
    program = next(iter(compiled._programs.values())).program
    results, broken = interpret(program, [np.asarray(argument) for argument in arguments])
    assert not any(broken)
    assert_same(results, flatten(expected)[0], signs)


def numbers(dtype="float64", special=True, dimensions=3):
    """Arrays of up to three axes, of few or no entries, with all that is special about floats."""
    entries = st.sampled_from(SPECIAL) if special else st.floats(-2, 2, width=32)
    return arrays.arrays(
        dtype, arrays.array_shapes(min_dims=1, max_dims=dimensions, min_side=0, max_side=5), elements=entries
    )


quick = settings(max_examples=25, deadline=None, derandomize=True)

# ------------------------------------------------------------------------------------------------------ running totals


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("function", [np.cumsum, np.cumprod])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int32"])
@quick
@given(st.data())
def test_running_totals(function, dtype, data):
    x = data.draw(numbers("float64", special=dtype != "int32")).astype(dtype)
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    assert_native(lambda x: function(x, axis=axis), x, signs=True)


@pytest.mark.parametrize("length", [1, 3, 8, 17, 100, 5000, 9001])
@pytest.mark.parametrize("function", [np.cumsum, np.cumprod])
@pytest.mark.parametrize("axis", [0, 1])
def test_running_totals_of_long_rows(axis, function, length):
    x = 1 + np.random.default_rng(length).standard_normal((3, length)) / length**0.5
    assert_native(lambda x: function(x, axis=axis), x)
    assert_native(lambda x: np.sum(function(np.cos(x), axis=axis) * x, axis=1) / length, x)


@pytest.mark.parametrize("axis", [0, 1])
def test_running_totals_share_a_loop_with_what_is_around_them(axis):
    compiled = gw.compile(lambda x: np.exp(np.cumsum(x * 2, axis=axis)) + x)
    compiled(np.ones((4, 5)))
    (step,) = compiled.report().steps
    assert step.what == "multiply, running sum, exp, add"


@pytest.mark.filterwarnings("ignore")
@quick
@given(st.data())
def test_gradients_of_running_totals(data):
    x = data.draw(numbers(special=False))
    axis = data.draw(st.integers(0, x.ndim - 1))
    assert_native(gw.grad(lambda x: np.sum(np.sin(np.cumsum(x, axis)))), x)
    assert_native(gw.grad(lambda x: np.sum(np.sin(np.cumprod(x, axis)))), x)


def test_running_totals_in_loops_and_branches():
    def f(x):
        def step(carry, row):
            return np.cumsum(carry) + row, np.cumprod(row)

        last, rows = gw.scan(step, x[0] / 100, x)
        return gw.cond(last[0] > 0, lambda a: np.cumsum(a), lambda a: np.cumprod(a), last), rows

    assert_native(f, np.random.default_rng(0).standard_normal((4, 9)))
    assert_native(gw.grad(lambda x: np.sum(f(x)[0])), np.random.default_rng(1).standard_normal((4, 9)))


@pytest.mark.parametrize("axis", [0, 1])
def test_running_totals_are_not_cut_among_threads(axis):
    x = np.random.default_rng(0).standard_normal((700, 700))
    before = gw.threads()
    try:
        gw.set_threads(2)
        assert_native(lambda x: np.exp(np.cumsum(x, axis=axis) / 100), x)
    finally:
        gw.set_threads(before)


# -------------------------------------------------------------------------------------------------- spreads and norms


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("function", [np.var, np.std])
@quick
@given(st.data())
def test_spreads(function, data):
    x = data.draw(numbers(special=data.draw(st.booleans())))
    axis = data.draw(st.sampled_from([None, 0, -1, tuple(range(x.ndim))]))
    ddof = data.draw(st.sampled_from([0, 1, 0.5]))
    assert_native(lambda x: function(x, axis=axis, ddof=ddof, keepdims=ddof == 1), x)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("order", [2, 3, 1.5, -1, 0, 1, np.inf])
@quick
@given(numbers())
def test_norms(order, x):
    if x.size:
        assert_native(lambda x: np.linalg.norm(x, order, axis=-1), x)
        assert_native(lambda x: np.linalg.vector_norm(x, ord=order, keepdims=True), x)


@pytest.mark.filterwarnings("ignore")
@quick
@given(numbers(special=False, dimensions=2))
def test_gradients_of_spreads_and_norms(x):
    if x.size:
        x = x + np.arange(x.size).reshape(x.shape)
        assert_native(gw.grad(lambda x: np.sum(np.std(x, axis=0) + np.var(x) * np.linalg.norm(x, axis=0))), x)


# ----------------------------------------------------------------------------------------------------------- looking up


@quick
@given(st.data())
def test_interpolation(data):
    points = np.unique(data.draw(arrays.arrays("float64", st.integers(1, 40), elements=st.integers(-20, 20))))
    heights = data.draw(arrays.arrays("float64", len(points), elements=st.integers(-3, 3)))
    x = data.draw(arrays.arrays("float64", st.integers(0, 9), elements=st.sampled_from([*SPECIAL, 20.0, -21.0, 2.5])))
    assert_native(lambda x, points, heights: gw.interp(x, points, heights), x, points, heights)
    finite = np.nan_to_num(x, posinf=30, neginf=-30)
    assert_native(gw.grad(lambda *all: np.sum(gw.interp(*all)), argnums=(0, 1, 2)), finite, points, heights)


def test_the_next_float():
    x, y = (each.ravel() for each in np.meshgrid(SPECIAL, SPECIAL))
    assert_native(lambda x, y: np.nextafter(x, y), x, y)


# -------------------------------------------------------------------------------------------------------------- sorting


@pytest.mark.parametrize("dtype", ["float64", "float32", "int8", "bool"])
@quick
@given(st.data())
def test_sorting(dtype, data):
    x = data.draw(numbers("float64", special=dtype.startswith("float")))
    x = x.astype(dtype)
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    assert_native(lambda x: np.sort(x, axis=axis), x)


@pytest.mark.filterwarnings("ignore")
@quick
@given(st.data())
def test_gradients_of_sorting(data):
    """Equal entries share what arrives; what arrives at NaN goes to the NaN that was there."""
    x = data.draw(numbers(special=data.draw(st.booleans())))
    axis = data.draw(st.integers(0, x.ndim - 1))
    weights = np.cos(np.arange(x.size)).reshape(x.shape)

    def gradient(x):
        return gw.vjp(lambda x: np.sort(x, axis=axis), x)[1](weights)[0]

    assert_native(gradient, x)


@pytest.mark.filterwarnings("ignore")
@quick
@given(numbers(dimensions=2))
def test_medians_and_quantiles(x):
    if x.size:
        assert_native(lambda x: (np.median(x), np.median(x, axis=0), np.quantile(x, [0.1, 0.5, 0.75], axis=-1)), x)
        finite = np.nan_to_num(x, posinf=7, neginf=-7)
        assert_native(gw.grad(lambda x: np.median(x) + np.sum(np.percentile(x, 30, axis=0))), finite)


def test_sorting_inside_a_loop_is_native_where_numpy_would_be_quicker():
    x = np.random.default_rng(0).standard_normal((3, 200))
    assert_native(lambda x: gw.scan(lambda carry, row: (np.sort(carry + row), carry), x[0], x)[0], x)
    compiled = gw.compile(np.sort)
    assert np.array_equal(compiled(x), np.sort(x))
    ((gate, reason),) = compiled.report().in_python
    assert gate == "sort"
    assert "NumPy does quicker" in reason


# ------------------------------------------------------------------------------------------------------ complex numbers

UNARY = ["exp", "log", "log2", "log10", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh"]
UNARY += ["arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh", "abs", "conj", "negative"]


def plane(dtype):
    """All pairs of parts that are special, large and small."""
    limits = np.finfo(dtype)
    ends = [limits.max, -limits.max / 2, limits.tiny, -limits.tiny]
    ends += [np.log(limits.max) + 0.5, -np.log(limits.max) - 2]
    parts = np.array([*SPECIAL, 1e-3, 40.0, -0.9, *ends], limits.dtype)
    real, imaginary = np.meshgrid(parts, parts)
    z = np.empty(real.size, dtype)
    z.real, z.imag = real.ravel(), imaginary.ravel()
    return z


def assert_close_by_parts(found, expected, dtype):
    assert found.dtype == expected.dtype
    with np.errstate(all="ignore"):  # what is small beside the other part may be off by that one's last digit
        beside = np.abs(found - expected) <= 4 * np.finfo(dtype).eps * np.abs(expected)
    found = np.where(beside & np.isfinite(expected), expected, found)
    tolerance = 2e-5 if dtype == "complex64" else 1e-11
    for part in (np.real, np.imag):
        floor = 40 * float(np.finfo(dtype).smallest_subnormal)
        np.testing.assert_allclose(part(found), part(expected), rtol=tolerance, atol=floor)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("name", UNARY)
def test_functions_of_complex_numbers(name, dtype):
    function, z = getattr(np, name), plane(dtype)
    compiled = gw.compile(lambda z: function(z))
    found = compiled(z)
    assert not compiled.report().in_python
    expected = function(z)
    assert_close_by_parts(found, expected, dtype)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_arithmetic_of_complex_numbers(dtype):
    z = plane(dtype)
    sizes = np.abs([z.real, z.imag])
    usual = ~np.isfinite(sizes) | (sizes == 0) | ((sizes > 1e-4) & (sizes < 1e4))
    z = z[usual.all(axis=0)]  # nothing overflows: whether it does may depend on whether NumPy has a fused product
    x, y = (each.ravel() for each in np.meshgrid(z[::3], z[::2]))
    for f in (lambda x, y: x + y, lambda x, y: x - y, lambda x, y: x * y, lambda x, y: x / y):
        assert_close_by_parts(gw.compile(f)(x, y), f(x, y), dtype)
    for f in (lambda x, y: x == y, lambda x, y: x != y):
        assert np.array_equal(gw.compile(f)(x, y), f(x, y))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("exponent", [1, 2, 3, 7, 40, -1, -3, 0, 0.5, 2.5, 1j, 1 - 2j])
def test_powers_of_complex_numbers(exponent):
    z = np.array([0.3 + 0.4j, -1 + 2j, 1j, -2 + 0j, 1.1 - 0.7j, 0j])
    if exponent:
        assert_native(lambda z: z**exponent, z)
    assert_native(lambda z, e: z**e, z, np.full(z.shape, exponent, complex))


def complexes(x, y):
    return x + 1j * y


finite = arrays.arrays("float64", (3, 4, 2), elements=st.floats(-2, 2, width=32))


@quick
@given(finite)
def test_movement_and_sums_of_complex_numbers(parts):
    z = complexes(parts[..., 0], parts[..., 1])
    assert_native(lambda z: (z.T[::-1, None], np.roll(z, 1, axis=0), np.concatenate([z, z.real], axis=1)), z)
    assert_native(lambda z: (np.sum(z, axis=0), np.mean(z), np.cumsum(z, axis=1), np.var(z, axis=0), np.std(z)), z)
    assert_native(lambda z: (z[1], z[[0, 2, 0], [1, 1, 3]], np.where(z.real > 0, z, 1.0), np.linalg.norm(z)), z)
    assert_native(lambda z: (z @ z.T, z @ z[0], np.einsum("ij,kj->ik", z, np.conj(z)), z @ np.ones((4, 2))), z)
    assert_native(lambda z: (gw.setitem(z, 0, 2.0), gw.setitem(z.real, 1, z[0].imag), np.convolve(z[0], z[1])), z)


@pytest.mark.parametrize("length", [0, 1, 2, 7])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_running_products_of_complex_numbers(axis, length):
    rng = np.random.default_rng(0)
    shape = tuple(length if i == axis else 2 for i in range(3))
    z = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    assert_native(lambda z: np.cumprod(z, axis=axis), z)
    assert_native(gw.grad(lambda z: np.sum(np.abs(np.cumprod(z, axis=axis)))), z)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_gradients_with_complex_numbers(dtype):
    z = (np.array([[0.3, -1.2, 0.8], [1.5, 0.1, -0.6]]) + 1j * np.array([[0.9, 0.4, -0.2], [-1.1, 0.7, 0.5]])).astype(
        dtype
    )

    def loss(z, w):
        turned = np.exp(1j * np.abs(z)) * np.sqrt(z) / (1.5 + np.sin(z) ** 2)
        return np.sum(np.abs(turned @ np.conj(w)) ** 2) + np.real(np.sum(np.log(z) * np.tanh(z)[::-1])) + w.imag[0, 0]

    assert_native(gw.value_and_grad(loss, argnums=(0, 1)), z, z.T[:, :1] * 2)


def test_complex_numbers_and_python():
    """Numbers alone, an empty array, an array out of order, results that are arguments."""
    assert_native(lambda z, w: (z * w, z, w.real, np.abs(z) > 1), 1 + 2j, np.complex64(3 - 1j))
    assert_native(lambda z: (z * 2j, np.sum(z)), np.zeros((0, 3), complex))
    assert_native(lambda z: np.conj(z) + 1, (np.arange(12.0).reshape(3, 4) * (1 + 2j)).T[::2])


def test_complex_numbers_go_through_loops_branches_and_gates_that_python_runs():
    z = complexes(np.cos(np.arange(12.0)), np.sin(np.arange(12.0) ** 2)).reshape(3, 2, 2)

    def f(z):
        last, rows = gw.scan(lambda carry, row: (carry * row + 1j, np.sum(carry)), z[0], z)
        turned = gw.cond(np.abs(last[0, 0]) > 1, lambda a: a * 1j, lambda a: a.T, last)
        return turned, rows, gw.while_loop(lambda c: np.abs(c) < 10, lambda c: c * (1 + 1j), last[0, 0] + 0.1)

    assert_native(f, z)
    compiled = gw.compile(lambda z: np.linalg.inv(z * 2) @ z)
    np.testing.assert_allclose(compiled(z), np.broadcast_to(np.eye(2) / 2, (3, 2, 2)), atol=1e-12)
    assert [gate for gate, _ in compiled.report().in_python] == ["inv"]
    source = compiled.source(z)
    namespace = dict(source.given)
    exec(source, namespace)
    np.testing.assert_allclose(namespace["function"](z), compiled(z), atol=1e-12)


# ------------------------------------------------------------------------------------------------------ half precision

HALVES = {
    "arithmetic": lambda x, y: (x + y, x - y, x * y, x / y, -x, abs(x), x + 1.5, x // y, x % y),
    "functions": lambda x, y: (np.exp(x), np.sqrt(x), np.log(x), np.tanh(x), np.arctan2(x, y), np.hypot(x, y), x**y),
    "comparisons": lambda x, y: (x < y, x == y, np.isnan(x), np.signbit(x), np.maximum(x, y), np.where(x > 0, x, y)),
    "sums": lambda x, y: (np.sum(x, axis=-1), np.mean(y), np.max(x, axis=0), np.var(y, axis=-1), np.std(x), np.min(y)),
    "running": lambda x, y: (np.cumsum(y, axis=-1), np.cumprod(y, axis=0), np.sort(y, axis=-1)),
    "movement": lambda x, y: (x.T[::-1], np.concatenate([x, y]), x[0], gw.setitem(x, 0, 1.0), x[[1, 0]]),
    "dtypes": lambda x, y: (x.astype("float32"), x * np.float32(2), gw.astype(y, "float16") + x, y.astype("int32")),
    "products": lambda x, y: (y @ y.T, y @ y[0], np.einsum("ij,kj->ik", y, y)),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", HALVES)
@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.data())
def test_half_precision(name, data):
    entries = st.sampled_from([*SPECIAL, 1e-7, 7e-8, 60000.0, 0.1])
    x = data.draw(arrays.arrays("float16", (2, 5), elements=entries))
    y = data.draw(arrays.arrays("float16", (2, 5), elements=st.floats(-2, 2, width=16)))
    if name == "sums":
        x = np.where(np.isfinite(x), x, 1).astype("float16") / 64
    assert_native(lambda x, y: HALVES[name](x, y), x, y, signs=name in ("arithmetic", "movement"))


@pytest.mark.filterwarnings("ignore")
def test_doubles_are_rounded_to_halves_once():
    rng = np.random.default_rng(0)
    x = np.ldexp(rng.standard_normal(20000), rng.integers(-30, 18, 20000))
    halves = x.astype("float16").astype("float64")
    between = (halves + np.nextafter(halves.astype("float16"), np.float16(9)).astype("float64")) / 2
    x = np.concatenate(
        [x, between, np.nextafter(between, 9), np.nextafter(between, -9), [np.inf, -np.inf, np.nan, -0.0]]
    )
    assert np.array_equal(gw.compile(lambda x: gw.astype(x, "float16"))(x), x.astype("float16"), equal_nan=True)
    whole = rng.integers(-70000, 70000, 1000)
    assert np.array_equal(gw.compile(lambda x: gw.astype(x, "float16"))(whole), whole.astype("float16"))


@pytest.mark.filterwarnings("ignore")
def test_gradients_and_loops_in_half_precision():
    x = np.linspace(-1, 1, 12, dtype="float16").reshape(3, 4)

    def loss(x):
        last, rows = gw.scan(lambda carry, row: (carry * 0.5 + np.tanh(row), np.sum(carry)), x[0], x)
        return np.sum(np.exp(last) * x @ x.T) + np.sum(rows)

    assert_native(gw.value_and_grad(loss), x)


# ---------------------------------------------------------------------------------------------------- special functions


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "name", ["erf", "erfc", "erfinv", "erfcinv", "ndtr", "ndtri", "log_ndtr", "gamma", "gammaln", "digamma"]
)
def test_functions_of_one_number(name, dtype):
    function = getattr(gw, name)
    x = np.array([*SPECIAL, 0.5, 2.0, 1.75, 1e-3, 0.9, -7.0], dtype)
    assert_native(lambda x: function(x), x)
    assert_native(lambda x: (np.exp(function(x)), function(x)[::2]), x)
    inside = np.array([0.125, 0.25, 0.4, 0.75, 0.9], dtype)
    assert_native(gw.grad(lambda x: np.sum(np.sin(function(x)))), inside)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "order"), [("i", 0), ("i", 1), ("ie", 0), ("ie", 1)])
def test_modified_bessel_functions(kind, order, dtype):
    x = np.array([0.0, -0.5, 1.0, 7.9, 8.0, -20.0, np.nan], dtype)
    assert_native(lambda x: gw.bessel(kind, order, x), x)
    if order == 0:
        assert_native(gw.grad(lambda x: np.sum(np.sin(gw.bessel(kind, order, x)))), x[:3])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_entropies(dtype):
    numbers = np.array([*SPECIAL, 1e-30, 1e30, 1.0001, 0.9999, 2.5], dtype)
    x, y = (each.ravel() for each in np.meshgrid(numbers, numbers))
    assert_native(lambda x, y: (gw.rel_entr(x, y), gw.kl_div(x, y)), x, y)
    inside = np.array([0.125, 0.25, 0.4, 0.75, 0.9], dtype)
    assert_native(
        gw.grad(lambda x, y: np.sum(gw.rel_entr(x, y) * gw.kl_div(y, x)), (0, 1)), inside, inside[::-1].copy()
    )
