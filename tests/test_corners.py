"""The conventions at the corners: minimum-norm slopes at kinks, the strong zero, complex numbers, integers.

The table is docs' own promise; what it promises is checked against one-sided differences, laws and definitions.
"""

from __future__ import annotations

from functools import wraps

import numpy as np
import pytest
import scipy.special

import gatewise as gw

INFINITY, NAN = np.inf, np.nan


def quiet(f):
    """`f` without NumPy's warnings about the value itself, which the user sees as with plain NumPy."""

    @wraps(f)
    def quietly(*args):
        with np.errstate(all="ignore"):
            return f(*args)

    return quietly


def where_log(x):
    return np.where(x > 0, np.log(x), 0.0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


#: name, function, arguments, gradients as the table gives them
CORNERS = [
    ("where log", where_log, [0.0], [0.0]),
    ("where log in an array", lambda x: np.sum(where_log(x)), [[0.0, -1.0, 2.0]], [[0.0, 0.0, 0.5]]),
    ("abs", abs, [0.0], [0.0]),
    ("absolute", np.absolute, [0.0], [0.0]),
    ("relu", gw.relu, [0.0], [0.0]),
    ("relu as maximum", lambda x: np.maximum(x, 0.0), [0.0], [0.5]),
    ("maximum tie", np.maximum, [2.0, 2.0], [0.5, 0.5]),
    ("minimum tie", np.minimum, [2.0, 2.0], [0.5, 0.5]),
    ("max tie", np.max, [[3.0, 3.0, 1.0]], [[0.5, 0.5, 0.0]]),
    ("max of three winners", np.max, [[3.0, 3.0, 3.0]], [[1 / 3, 1 / 3, 1 / 3]]),
    ("min tie", np.min, [[1.0, 3.0, 1.0]], [[0.5, 0.0, 0.5]]),
    ("prod with a zero", np.prod, [[0.0, 2.0, 3.0]], [[6.0, 0.0, 0.0]]),
    ("prod with two zeros", np.prod, [[0.0, 2.0, 0.0]], [[0.0, 0.0, 0.0]]),
    ("pow 0 0", lambda x, y: x**y, [0.0, 0.0], [0.0, 0.0]),
    ("pow 0 2", lambda x, y: x**y, [0.0, 2.0], [0.0, 0.0]),
    ("pow to the constant 0", lambda x: x**0, [0.0], [0.0]),
    ("pow to the constant 1", lambda x: x**1, [0.0], [1.0]),
    ("square", lambda x: x**2, [0.0], [0.0]),
    ("sigmoid by formula, far left", sigmoid, [-800.0], [0.0]),
    ("sigmoid by formula, far right", sigmoid, [800.0], [0.0]),
    ("sigmoid gate, far left", gw.sigmoid, [-800.0], [0.0]),
    ("logsumexp of nothing", gw.logsumexp, [[-INFINITY, -INFINITY]], [[0.0, 0.0]]),
    ("logsumexp beside -inf", gw.logsumexp, [[-INFINITY, 3.0]], [[0.0, 1.0]]),
    ("logsumexp of large", gw.logsumexp, [[1000.0, 1000.0]], [[0.5, 0.5]]),
    ("atan2 at the origin", np.arctan2, [0.0, 0.0], [0.0, 0.0]),
    ("sqrt", np.sqrt, [0.0], [INFINITY]),
    ("log", np.log, [0.0], [INFINITY]),
    ("norm at the origin", np.linalg.norm, [[0.0, 0.0]], [[0.0, 0.0]]),
    ("norm by formula", lambda x: np.sqrt(np.sum(x * x)), [[3.0, 4.0]], [[0.6, 0.8]]),
    ("hypot at the origin", np.hypot, [0.0, 0.0], [0.0, 0.0]),
    ("std of a constant", np.std, [[1.0, 1.0, 1.0]], [[0.0, 0.0, 0.0]]),
    ("var of a constant", np.var, [[1.0, 1.0, 1.0]], [[0.0, 0.0, 0.0]]),
    ("sinc", np.sinc, [0.0], [0.0]),
    ("xlogy at 0, 0", scipy.special.xlogy, [0.0, 0.0], [0.0, 0.0]),
    ("xlog1py at 0, -1", scipy.special.xlog1py, [0.0, -1.0], [0.0, 0.0]),
    ("median tie", np.median, [[3.0, 1.0, 3.0, 3.0]], [[1 / 3, 0.0, 1 / 3, 1 / 3]]),
    ("sort tie", lambda x: np.sort(x)[0], [[1.0, 1.0, 2.0]], [[0.5, 0.5, 0.0]]),
    ("cumprod with a zero", lambda x: np.sum(np.cumprod(x)), [[2.0, 0.0, 3.0]], [[1.0, 8.0, 0.0]]),
    ("log2", np.log2, [0.0], [INFINITY]),
    ("log10", np.log10, [0.0], [INFINITY]),
    ("log1p", np.log1p, [-1.0], [INFINITY]),
    ("asin at 1", np.arcsin, [1.0], [INFINITY]),
    ("asin at -1", np.arcsin, [-1.0], [INFINITY]),
    ("acos at 1", np.arccos, [1.0], [-INFINITY]),
    ("atanh at -1", np.arctanh, [-1.0], [INFINITY]),
    ("clip at a traced lower bound", np.clip, [-1.0, -1.0, 1.0], [0.0, 1.0, 0.0]),
    ("clip at a traced upper bound", np.clip, [1.0, -1.0, 1.0], [0.0, 0.0, 1.0]),
    ("clip between bounds that meet", np.clip, [1.0, 1.0, 1.0], [0.0, 0.0, 1.0]),
    ("clip at the lower bound", lambda x: np.clip(x, -1.0, 1.0), [-1.0], [0.0]),
    ("clip at the upper bound", lambda x: np.clip(x, -1.0, 1.0), [1.0], [0.0]),
    ("clip beyond", lambda x: np.clip(x, -1.0, 1.0), [5.0], [0.0]),
    ("clip between", lambda x: np.clip(x, -1.0, 1.0), [0.5], [1.0]),
]


def make(arguments):
    return [np.array(argument)[()] for argument in arguments]


@pytest.mark.parametrize(
    ("f", "arguments", "gradients"), [case[1:] for case in CORNERS], ids=[case[0] for case in CORNERS]
)
def test_gradient_at_the_corner(f, arguments, gradients):
    found = gw.grad(quiet(f), argnums=tuple(range(len(arguments))))(*make(arguments))
    for gradient, expected in zip(found, gradients, strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("f", "arguments", "gradients"), [case[1:] for case in CORNERS], ids=[case[0] for case in CORNERS]
)
def test_forward_sweep_agrees_with_the_backward_sweep_at_the_corner(f, arguments, gradients):
    primals = make(arguments)
    for which, expected in enumerate(gradients):
        for index in np.ndindex(np.shape(expected)):
            tangents = [np.zeros_like(primal) for primal in primals]
            tangents[which][index] = 1.0
            with np.errstate(all="ignore"):
                _, pushed = gw.jvp(f, primals, [tangent[()] for tangent in tangents])
            np.testing.assert_allclose(pushed, np.asarray(expected)[index], rtol=1e-12)


@pytest.mark.parametrize("x", [-2.0, -1.0, 0.0, 1.0, 2.0])
@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (1.0, 1.0), (1.0, -1.0)])
def test_clip_moves_with_its_operands_when_all_move_together(x, low, high):
    _, pushed = gw.jvp(np.clip, (x, low, high), (1.0, 1.0, 1.0))
    assert pushed == 1.0  # clip(x + t, low + t, high + t) is clip(x, low, high) + t, kinks or not


# ------------------------------------------------------------------------------------------------- degenerate matrices

#: Symmetric matrices in which eigenvalues coincide; so do the singular values.
DEGENERATE = {
    "identity": np.eye(3),
    "zero": np.zeros((3, 3)),
    "two alike": np.diag([2.0, 2.0, 5.0]),
    "a turned one": np.array([[2.0, 1.0, 1.0], [1.0, 2.0, 1.0], [1.0, 1.0, 2.0]]),  # eigenvalues 1, 1, 4
}
each_degenerate = pytest.mark.parametrize("matrix", DEGENERATE.values(), ids=DEGENERATE)


@each_degenerate
def test_symmetric_functions_of_equal_eigenvalues_have_their_exact_gradients(matrix):
    """The trace of A², whose gradient is 2A, and the trace of A³, whose gradient is 3A²."""
    for power in (2, 3):
        found = gw.grad(lambda a, power=power: np.sum(np.linalg.eigvalsh(a) ** power))(matrix)
        expected = power * np.linalg.matrix_power(matrix, power - 1)
        np.testing.assert_allclose((found + found.T) / 2, expected, atol=1e-12)  # one triangle is read, and receives it


@each_degenerate
def test_symmetric_functions_of_equal_singular_values_have_their_exact_gradients(matrix):
    """The sum of the squares of the singular values is that of all entries."""
    found = gw.grad(lambda a: np.sum(np.linalg.svd(a, compute_uv=False) ** 2))(matrix)
    np.testing.assert_allclose(found, 2 * matrix, atol=1e-12)


@each_degenerate
def test_vectors_of_equal_values_do_not_turn_and_no_nan_arises(matrix):
    """Their turn is a choice, of which the smallest is none: only the values carry a gradient between them."""

    def by_eigenvalues(a):
        values, vectors = np.linalg.eigh(a)
        return np.sum((vectors * values) @ vectors.T * WEIGHTS)

    def by_singular_values(a):
        u, s, vh = np.linalg.svd(a)
        return np.sum((u * s) @ vh * WEIGHTS)

    for f in (by_eigenvalues, by_singular_values):
        assert np.isfinite(gw.grad(f)(matrix)).all()
    values, vectors = np.linalg.eigh(matrix)
    together = np.abs(values[:, None] - values) < 1e-9
    along = vectors.T @ (WEIGHTS + WEIGHTS.T) / 2 @ vectors  # what each pair of vectors would receive
    kept = np.where(together & ~np.eye(3, dtype=bool), 0, along)
    expected = vectors @ kept @ vectors.T
    found = gw.grad(by_eigenvalues)(matrix)
    np.testing.assert_allclose((found + found.T) / 2, expected, atol=1e-12)


WEIGHTS = np.arange(9.0).reshape(3, 3) ** 2 / 10

SECOND = [
    ("where log", where_log, 0.0, 0.0),
    ("abs", abs, 0.0, 0.0),
    ("relu", gw.relu, 0.0, 0.0),
    ("square", lambda x: x**2, 0.0, 2.0),
    ("cube", lambda x: x**3, 0.0, 0.0),
    ("pow to the constant 1", lambda x: x**1, 0.0, 0.0),
    ("sigmoid by formula, far left", sigmoid, -800.0, 0.0),
    ("sigmoid by formula, far right", sigmoid, 800.0, 0.0),
    ("clip at a bound", lambda x: np.clip(x, -1.0, 1.0), 1.0, 0.0),
]


@pytest.mark.parametrize(("f", "x", "expected"), [case[1:] for case in SECOND], ids=[case[0] for case in SECOND])
def test_second_order_at_the_corner(f, x, expected):
    assert gw.grad(gw.grad(quiet(f)))(x) == expected


def test_second_order_of_prod_with_a_zero_is_the_product_of_the_others():
    found = gw.hessian(np.prod)(np.array([0.0, 2.0, 3.0]))
    np.testing.assert_array_equal(found, [[0, 3, 2], [3, 0, 0], [2, 0, 0]])


# ---------------------------------------------------------------------------------------------------------- strong zero


def outside_its_domain(gate):
    """Points where the gate's slope is infinite or undefined."""
    return {
        "log": (np.log, 0.0),
        "log2": (np.log2, 0.0),
        "log10": (np.log10, 0.0),
        "log1p": (np.log1p, -1.0),
        "log of a negative": (np.log, -1.0),
        "sqrt": (np.sqrt, 0.0),
        "sqrt of a negative": (np.sqrt, -1.0),
        "reciprocal": (lambda x: 1 / x, 0.0),
        "power": (lambda x: x**-2.0, 0.0),
        "root": (lambda x: x**0.5, 0.0),
        "exp": (np.exp, 1e4),
        "cosh": (np.cosh, 1e4),
        "asin": (np.arcsin, 1.0),
        "acos": (np.arccos, 2.0),
    }[gate]


GATES = [
    "log", "log2", "log10", "log1p", "log of a negative", "sqrt", "sqrt of a negative", "reciprocal", "power", "root",
    "exp", "cosh", "asin", "acos",
]  # fmt: skip


@pytest.mark.parametrize("name", GATES)
def test_a_zero_upstream_gradient_stays_zero(name):
    gate, point = outside_its_domain(name)
    x = np.array([point, 0.5])
    masked = quiet(lambda x: np.sum(np.where(x == point, 7.0, gate(x))))
    np.testing.assert_array_equal(gw.grad(masked)(x)[0], 0.0)
    assert np.isfinite(gw.grad(masked)(x)[1])


@pytest.mark.parametrize("name", GATES)
def test_multiplying_by_a_constant_zero_gives_a_zero_gradient(name):
    gate, point = outside_its_domain(name)
    _, pullback = gw.vjp(quiet(gate), point)
    assert pullback(0.0) == (0.0,)


@pytest.mark.parametrize("name", GATES)
def test_a_zero_tangent_stays_zero(name):
    gate, point = outside_its_domain(name)
    _, pushed = gw.jvp(quiet(gate), (point,), (0.0,))
    assert pushed == 0.0


MASKED = {
    "prod": np.prod,
    "matmul": lambda x: x @ x,
    "einsum": lambda x: np.einsum("i,i->", x, x),
    "sum of logs": lambda x: np.sum(np.log(x - x)),
    "logsumexp": lambda x: gw.logsumexp(-x * x),
    "max": lambda x: np.max(x * x),
}


@pytest.mark.parametrize("f", MASKED.values(), ids=MASKED)
def test_a_zero_upstream_gradient_stays_zero_through_gates_that_fold(f):
    masked = quiet(lambda x: np.where(x[1] > 5, 0.0, f(x)) + x[0])
    np.testing.assert_array_equal(gw.grad(masked)(np.array([2.0, INFINITY, 3.0])), [1.0, 0.0, 0.0])


def test_strong_zero_holds_on_every_wire_of_a_trace():
    def f(x):
        masked = np.where(x > 1, x, 2.0)
        zero = masked * 0.0
        logarithm = np.log(zero)
        return np.where(x > 5, logarithm, 0.0)

    circuit = gw.trace(quiet(f), 0.0)
    assert {name: float(circuit[name].gradient) for name in ("logarithm", "zero", "masked", "x")} == {
        "logarithm": 0.0,
        "zero": 0.0,
        "masked": 0.0,
        "x": 0.0,
    }


@pytest.mark.parametrize(
    ("f", "x"),
    [(lambda x: x * NAN, 1.0), (lambda x: np.log(x), NAN), (lambda x: np.sqrt(x), -1.0), (lambda x: x * x, NAN)],
    ids=["times nan", "log nan", "sqrt of a negative", "square of nan"],
)
def test_a_genuine_nan_stays_nan(f, x):
    assert np.isnan(gw.grad(quiet(f))(x))


def test_nan_reaches_only_the_inputs_that_feed_it():
    found = gw.grad(quiet(lambda x: np.sum(np.sqrt(x))))(np.array([4.0, -1.0, 1.0]))
    np.testing.assert_array_equal(found, [0.25, NAN, 0.5])


def test_nan_where_zero_weights_meet_it_is_kept_out():
    weights = np.array([1.0, 0.0])
    found = gw.grad(quiet(lambda x: np.sum(weights * np.log(x))))(np.array([2.0, 0.0]))
    np.testing.assert_array_equal(found, [0.5, 0.0])


# -------------------------------------------------------------------------------------------------------------- complex

Z = np.array([0.7 - 0.4j, -1.2 + 0.3j, 0.2 + 1.5j])
W = np.array([0.3 + 0.2j, 1.1 - 0.8j, -0.6 + 0.1j])

COMPLEX = {
    "abs": lambda z: np.sum(abs(z)),
    "squared modulus": lambda z: np.sum((z * np.conj(z)).real),
    "real": lambda z: np.sum(z.real * np.arange(3.0)),
    "imag": lambda z: np.sum(np.imag(z) ** 2),
    "conj": lambda z: np.sum(np.real(np.conj(z) * W)),
    "exp": lambda z: np.sum(np.exp(z).real),
    "product": lambda z: np.sum((z * W).imag),
    "product with itself": lambda z: np.sum((z * z * z).real),
    "quotient": lambda z: np.sum(np.real(W / z)),
    "matmul": lambda z: np.real(z @ W) * np.imag(W @ z),
    "log": lambda z: np.sum(np.log(z).imag),
    "sqrt": lambda z: np.sum(np.sqrt(z).real),
    "sin": lambda z: np.sum(np.abs(np.sin(z))),
    "power": lambda z: np.sum(np.real(z**3)),
    "indexing": lambda z: np.abs(z[1] - z[0]) ** 2,
    "through a real array": lambda z: np.sum(np.exp(z.real) * W).imag,
    "mean and sum": lambda z: np.abs(np.mean(z)) + np.abs(np.sum(z * 1j)),
    "einsum": lambda z: np.real(np.einsum("i,j->", z, W * z)),
}
each_complex = pytest.mark.parametrize("f", COMPLEX.values(), ids=COMPLEX)


@each_complex
def test_complex_gradient_is_the_slope_over_re_plus_i_times_the_slope_over_im(f):
    step = 1e-6
    found = gw.grad(f)(Z)
    assert found.dtype == complex
    for index in range(3):
        slopes = []
        for unit in (1.0, 1j):
            move = np.zeros(3, complex)
            move[index] = step * unit
            slopes.append((f(Z + move) - f(Z - move)) / (2 * step))
        assert found[index] == pytest.approx(complex(*slopes), rel=1e-7, abs=1e-8)


@each_complex
def test_a_step_against_the_complex_gradient_descends(f):
    value, gradient = gw.value_and_grad(f)(Z)
    rate = 1e-5
    descent = value - f(Z - rate * gradient)
    assert descent == pytest.approx(rate * np.sum(np.abs(gradient) ** 2), rel=1e-2)


def test_modulus_at_zero_has_gradient_zero():
    assert gw.grad(abs)(0j) == 0


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_gradient_of_a_complex_array_keeps_its_dtype(dtype):
    assert gw.grad(lambda z: np.sum(abs(z) ** 2))(Z.astype(dtype)).dtype == dtype


def test_real_input_in_a_complex_computation_gets_a_real_gradient():
    f = lambda x: np.sum(np.abs(x * W) ** 2)  # noqa: E731
    found = gw.grad(f)(np.arange(3.0))
    assert found.dtype == float
    np.testing.assert_allclose(found, 2 * np.arange(3.0) * np.abs(W) ** 2, rtol=1e-14)


def test_complex_product_rule_by_hand():
    upstream = 2.0 - 3.0j
    _, pullback = gw.vjp(lambda z, w: z * w, 1 + 2j, 3 - 1j)
    assert pullback(upstream) == (upstream * np.conj(3 - 1j), upstream * np.conj(1 + 2j))


def test_complex_second_order_is_the_derivative_of_the_gradient():
    gradient = gw.grad(lambda z: np.sum(np.abs(z) ** 4))
    _, pushed = gw.jvp(gradient, (Z,), (W,))
    step = 1e-6
    np.testing.assert_allclose(pushed, (gradient(Z + step * W) - gradient(Z - step * W)) / (2 * step), rtol=1e-7)


# ------------------------------------------------------------------------------------------------ integers and booleans


@pytest.mark.parametrize("value", [3, True, np.int64(3), np.array([1, 2]), np.array([True]), np.uint8(2)], ids=repr)
@pytest.mark.parametrize("ask", [gw.grad, gw.jacobian, lambda f: lambda x: gw.vjp(f, x), lambda f: gw.variable])
def test_integers_and_booleans_are_refused_with_a_word_on_converting(value, ask):
    with pytest.raises(gw.DTypeError, match=r"only floating and complex numbers carry a gradient.*convert with"):
        ask(lambda x: np.sum(x * 2.0))(value)


def test_an_integer_on_the_way_blocks_the_gradient():
    assert gw.grad(lambda x: x * x.astype(int))(2.7) == 2.0
    assert gw.grad(lambda x: x * (x > 1))(2.7) == 1.0


def test_writing_into_an_integer_array_cuts_the_number_and_blocks_the_gradient():
    def f(x):
        counts = x.astype(int)
        counts[0] = x[0] * 2.5  # cut to 2, flat almost everywhere
        return np.sum(counts * x)

    np.testing.assert_array_equal(gw.grad(f)(np.array([1.0, 4.0])), [2.0, 4.0])


@pytest.mark.parametrize("other", [2, np.int32(2), np.array([2, 3]), [2, 3], True])
def test_integers_beside_floats_are_fine(other):
    x = np.array([0.5, 1.5])
    np.testing.assert_array_equal(gw.grad(lambda x: np.sum(x * other))(x), np.broadcast_to(np.asarray(other), 2))
