"""Element-wise NumPy functions one by one against NumPy, and the smooth functions of networks, with their corners."""

from __future__ import annotations

import numpy as np
import pytest

import gatewise as gw

RNG = np.random.default_rng(1)
INFINITY, NAN = np.inf, np.nan
X = np.array([[-1.7, -0.6, 0.3], [0.8, 1.4, 2.6]])
Y = np.array([0.7, -1.2, 1.9])


def check(f, *args, order=2):
    report = gw.check_grads(f, args, order=order)
    assert report.passed, report


ONE = {
    "cbrt": np.cbrt, "exp2": np.exp2, "arcsinh": np.arcsinh, "deg2rad": np.deg2rad, "rad2deg": np.rad2deg,
    "degrees": np.degrees, "radians": np.radians, "sinc": np.sinc, "i0": np.i0, "trunc": np.trunc, "fix": np.fix,
    "rint": np.rint, "round": np.round, "around": np.around, "round 1": lambda x: np.round(x, 1),
    "round -1": lambda x: np.round(7 * x, -1), "round by name": lambda x: np.around(x, decimals=2),
    "angle": np.angle, "angle in degrees": lambda x: np.angle(x, deg=True), "real_if_close": np.real_if_close,
    "square": np.square, "reciprocal": np.reciprocal, "fabs": np.fabs, "positive": np.positive,
}  # fmt: skip

TWO = {
    "logaddexp": np.logaddexp, "logaddexp2": np.logaddexp2, "hypot": np.hypot, "copysign": np.copysign,
    "fmax": np.fmax, "fmin": np.fmin, "fmod": np.fmod, "heaviside": np.heaviside, "nextafter": np.nextafter,
    "arctan2": np.arctan2, "remainder": np.remainder, "floor_divide": np.floor_divide,
}  # fmt: skip


@pytest.mark.parametrize("f", ONE.values(), ids=ONE)
@pytest.mark.parametrize("x", [X, X[::-1, ::2].T, X[0, 1], np.zeros((0, 2)), X.astype("float32")], ids=str)
def test_functions_of_one_array_as_numpy(f, x):
    out, _ = gw.vjp(f, x)
    expected = f(x)
    np.testing.assert_allclose(out, expected, rtol=1e-6 if x.dtype == "float32" else 1e-14)
    assert (out.shape, out.dtype) == (expected.shape, expected.dtype)
    if x.dtype != "float32":
        check(lambda x: np.sum(np.sin(f(x))), x)


@pytest.mark.parametrize("f", TWO.values(), ids=TWO)
@pytest.mark.parametrize(
    ("x", "y"),
    [(X, Y), (X, X[::-1]), (X, 0.7), (0.7, Y), (X[:, :1], Y), (np.zeros((0, 3)), Y), (X[0, 0], Y[0])],
    ids=["rows", "equal shapes", "number right", "number left", "crossed", "empty", "scalars"],
)
def test_functions_of_two_arrays_as_numpy(f, x, y):
    out, _ = gw.vjp(f, x, y)
    expected = f(x, y)
    np.testing.assert_allclose(out, expected, rtol=1e-14)
    assert (out.shape, out.dtype) == (expected.shape, expected.dtype)
    check(lambda x, y: np.sum(np.sin(f(x, y))), x, y)


@pytest.mark.parametrize(("f", "low", "high"), [(np.arccosh, 1.2, 5.0), (np.arctanh, -0.9, 0.9)])
def test_inverse_hyperbolic_functions(f, low, high):
    x = RNG.uniform(low, high, (2, 3))
    np.testing.assert_array_equal(gw.vjp(f, x)[0], f(x))
    check(lambda x: np.sum(np.sin(f(x))), x)


PARTS = {"divmod": lambda x: np.divmod(x, 0.7), "modf": np.modf, "frexp": np.frexp}


@pytest.mark.parametrize("f", PARTS.values(), ids=PARTS)
def test_functions_with_two_results(f):
    (one, two), _ = gw.vjp(lambda x: tuple(part + 0.0 for part in f(x)), X)
    np.testing.assert_array_equal(one, f(X)[0])
    np.testing.assert_array_equal(two, f(X)[1])
    check(lambda x: np.sum(np.sin(f(x)[0])), X)


def test_modf_of_infinities_and_the_sign_of_zero():
    x = np.array([-2.0, INFINITY, -INFINITY, 1.5])
    for ours, numpys in zip(gw.modf(x), np.modf(x), strict=True):
        np.testing.assert_array_equal(ours, numpys)
    assert np.signbit(gw.modf(x)[0][0])
    np.testing.assert_array_equal(gw.grad(lambda x: np.sum(np.modf(x)[0]))(x), [1.0, 0.0, 0.0, 1.0])


@pytest.mark.parametrize("n", [3, -2, [1, 0, -4], np.int32(2), 1100, -1100], ids=str)
def test_ldexp(n):
    x = Y * 1e-300 if n == 1100 else Y * 1e300 if n == -1100 else Y
    value, gradient = gw.value_and_grad(lambda x: np.sum(np.ldexp(x, n)))(x)
    assert value == np.sum(np.ldexp(x, n))
    if np.max(np.abs(n)) < 1000:
        np.testing.assert_array_equal(gradient, np.broadcast_to(np.ldexp(1.0, n), 3))
    assert gw.vjp(lambda x: np.ldexp(x, 2), Y.astype("float32"))[0].dtype == "float32"
    with pytest.raises(gw.DTypeError, match="exponents are integers"):
        gw.grad(lambda x: np.sum(np.ldexp(x, x)))(Y)


def test_frexp_puts_a_number_together_again():
    def f(x):
        mantissa, exponent = np.frexp(x)
        return np.sum(np.ldexp(mantissa, exponent) ** 2)

    np.testing.assert_array_equal(gw.grad(f)(X), 2 * X)


@pytest.mark.parametrize(
    "f",
    [np.isnan, np.isfinite, np.isinf, np.signbit, np.isreal, np.iscomplex, np.isposinf, np.isneginf, np.spacing],
    ids=lambda f: f.__name__,
)
def test_answers_that_carry_no_gradient_are_computed_on_the_values(f):
    x = np.array([1.0, -INFINITY, NAN, -0.0])
    seen = []
    gw.vjp(lambda x: (seen.append(f(x)), x)[1], x)
    np.testing.assert_array_equal(seen[0], f(x))


@pytest.mark.parametrize("f", [np.gcd, np.lcm, np.left_shift, np.right_shift], ids=lambda f: f.__name__)
def test_functions_of_integers(f):
    seen = []
    gw.vjp(lambda x: (seen.append(f(np.round(x).astype(int), 3)), x)[1], np.array([6.0, 9.0]))
    np.testing.assert_array_equal(seen[0], f(np.array([6, 9]), 3))


def test_logical_xor_and_truth():
    one, two = np.array([0.0, 2.0, 0.0, -1.0]), np.array([0.0, 0.0, 1.0, 1.0])
    np.testing.assert_array_equal(gw.logical_xor(one, two), np.logical_xor(one, two))


def test_real_if_close_drops_what_is_nearly_nothing():
    z = np.array([1 + 1e-15j, 2 - 1e-15j])
    out, _ = gw.vjp(np.real_if_close, z)
    assert out.dtype == float
    assert gw.vjp(np.real_if_close, z + 0.1j)[0].dtype == complex
    np.testing.assert_array_equal(gw.grad(lambda z: np.sum(np.real_if_close(z) ** 2))(z), [2, 4])


def test_angle_of_complex_numbers():
    z = np.array([1 + 2j, -0.5 + 0.3j, -1 - 1j])
    np.testing.assert_array_equal(gw.angle(z), np.angle(z))
    check(lambda x, y: np.sum(np.angle(x + 1j * y) ** 2), z.real.copy(), z.imag.copy())
    assert gw.grad(np.angle)(0j) == 0
    assert gw.angle(-1.0) == np.pi


# -------------------------------------------------------------------------------------------------------------- corners

CORNERS = [
    ("cbrt", np.cbrt, [0.0], [INFINITY]),
    ("cbrt of a negative", np.cbrt, [-8.0], [1 / 12]),
    ("hypot at the origin", np.hypot, [0.0, 0.0], [0.0, 0.0]),
    ("hypot of large", np.hypot, [3e200, 4e200], [0.6, 0.8]),
    ("logaddexp of two nothings", np.logaddexp, [-INFINITY, -INFINITY], [0.0, 0.0]),
    ("logaddexp beside nothing", np.logaddexp, [-INFINITY, 1.0], [0.0, 1.0]),
    ("logaddexp of large", np.logaddexp, [1e4, 1e4], [0.5, 0.5]),
    ("logaddexp2 of large", np.logaddexp2, [1e4, -1e4], [1.0, 0.0]),
    ("copysign of 0", np.copysign, [0.0, -2.0], [0.0, 0.0]),
    ("copysign", np.copysign, [3.0, -2.0], [-1.0, 0.0]),
    ("fmax of a tie", np.fmax, [2.0, 2.0], [0.5, 0.5]),
    ("fmax beside nan", np.fmax, [NAN, 2.0], [0.0, 1.0]),
    ("fmin beside nan", np.fmin, [2.0, NAN], [1.0, 0.0]),
    ("fmod of a negative", np.fmod, [-7.0, 3.0], [1.0, 2.0]),
    ("heaviside at 0", np.heaviside, [0.0, 0.5], [0.0, 1.0]),
    ("heaviside elsewhere", np.heaviside, [-2.0, 0.5], [0.0, 0.0]),
    ("sinc at 0", np.sinc, [0.0], [0.0]),
    ("nextafter", np.nextafter, [1.0, 2.0], [1.0, 0.0]),
    ("round", lambda x: np.round(x, 1), [0.17], [0.0]),
    ("trunc", np.trunc, [1.7], [0.0]),
    ("softplus far left", gw.softplus, [-800.0], [0.0]),
    ("softplus far right", gw.softplus, [800.0], [1.0]),
    ("log_sigmoid far left", gw.log_sigmoid, [-800.0], [1.0]),
    ("silu far left", gw.silu, [-800.0], [0.0]),
    ("gelu far left", gw.gelu, [-40.0], [0.0]),
    ("gelu far right", gw.gelu, [40.0], [1.0]),
    ("softmax beside -inf", lambda x: gw.softmax(x)[1], [[-INFINITY, 3.0]], [[0.0, 0.0]]),
    ("log_softmax of large", lambda x: gw.log_softmax(x)[0], [[1000.0, 0.0]], [[0.0, 0.0]]),
]


@pytest.mark.parametrize(
    ("f", "arguments", "gradients"), [case[1:] for case in CORNERS], ids=[case[0] for case in CORNERS]
)
def test_gradients_at_the_corners_forward_and_backward(f, arguments, gradients):
    primals = [np.array(a)[()] for a in arguments]
    with np.errstate(all="ignore"):
        found = gw.grad(f, argnums=tuple(range(len(primals))))(*primals)
        for which, (gradient, expected) in enumerate(zip(found, gradients, strict=True)):
            np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-300)
            for index in np.ndindex(np.shape(expected)):
                tangents = [np.zeros_like(primal) for primal in primals]
                tangents[which][index] = 1.0
                _, pushed = gw.jvp(f, primals, [tangent[()] for tangent in tangents])
                np.testing.assert_allclose(pushed, np.asarray(expected)[index], rtol=1e-12, atol=1e-300)


def test_second_derivative_of_logaddexp_at_a_tie_is_that_of_the_sigmoid():
    assert gw.grad(gw.grad(lambda x: np.logaddexp(x, 1.0)))(1.0) == 0.25


@pytest.mark.parametrize("x", [0.0, 1e-12, 1e-6, 1e-3, 0.1, 0.6, 0.7, 3.3, 40.25])
def test_derivatives_of_sinc_are_accurate_near_and_far(x):
    mean = lambda f: np.mean([f(s) for s in (np.arange(2000) + 0.5) / 2000])  # noqa: E731  an integral from 0 to 1
    # sinc(x) is the integral of cos(pi x s); so are its derivatives of that function's.
    first = mean(lambda s: -np.pi * s * np.sin(np.pi * x * s))
    second = mean(lambda s: -((np.pi * s) ** 2) * np.cos(np.pi * x * s))
    third = mean(lambda s: (np.pi * s) ** 3 * np.sin(np.pi * x * s))
    derivative = np.sinc
    for expected in (first, second, third):
        derivative = gw.grad(derivative)
        assert derivative(x) == pytest.approx(expected, rel=2e-5 if x < 10 else 1e-2, abs=1e-300)


def test_sinc_has_the_derivatives_of_its_series_at_0():
    derivative = np.sinc
    for expected in (0.0, -(np.pi**2) / 3, 0.0, np.pi**4 / 5, 0.0, -(np.pi**6) / 7):
        derivative = gw.grad(derivative)
        assert derivative(0.0) == pytest.approx(expected, rel=1e-13)


# --------------------------------------------------------------------------------------------------- of neural networks


@pytest.mark.parametrize("axis", [-1, 0, (0, 1), None, 1])
@pytest.mark.parametrize(
    "x", [X, X * 1000, X.astype("float32"), np.zeros((0, 3))], ids=["plain", "large", "f32", "empty"]
)
def test_softmax_and_its_logarithm(axis, x):
    special = pytest.importorskip("scipy.special")
    if x.size:
        rtol = 1e-5 if x.dtype == "float32" else 1e-12
        np.testing.assert_allclose(gw.softmax(x, axis), special.softmax(x, axis), rtol=rtol)
        np.testing.assert_allclose(gw.log_softmax(x, axis), special.log_softmax(x, axis), rtol=rtol, atol=1e-7)
    else:
        assert gw.softmax(x, axis).shape == gw.log_softmax(x, axis).shape == x.shape
    assert gw.softmax(x, axis).dtype == gw.log_softmax(x, axis).dtype == x.dtype
    if x is X:
        check(lambda x: np.sum(np.sin(3 * gw.softmax(x, axis))), x)
        check(lambda x: np.sum(np.sin(gw.log_softmax(x, axis))), x)


def test_cross_entropy_of_log_softmax_is_the_shares_minus_the_labels():
    labels = np.array([0, 2])
    loss = lambda x: -np.sum(gw.log_softmax(x)[np.arange(2), labels])  # noqa: E731
    np.testing.assert_allclose(gw.grad(loss)(X), gw.softmax(X) - np.eye(3)[labels], rtol=1e-13)


def test_rows_of_softmax_that_nothing_flows_back_to_get_zeros():
    x = np.array([[1.0, 2.0], [NAN, 0.0]])
    found = gw.grad(lambda x: np.sum(gw.softmax(x)[0] * np.array([1.0, 0.0])))(x)
    np.testing.assert_array_equal(found[1], [0.0, 0.0])
    assert np.all(np.isfinite(found))


FORMULAS = {
    "softplus": (gw.softplus, lambda x: np.log(1 + np.exp(x))),
    "log_sigmoid": (gw.log_sigmoid, lambda x: -np.log(1 + np.exp(-x))),
    "silu": (gw.silu, lambda x: x / (1 + np.exp(-x))),
    "gelu tanh": (
        lambda x: gw.gelu(x, approximate="tanh"),
        lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    ),
    "gelu": (gw.gelu, lambda x: x * np.vectorize(normal_cdf)(x)),
}


def normal_cdf(x):
    from math import erf

    return 0.5 * (1 + erf(x / 2**0.5))


@pytest.mark.parametrize(("f", "formula"), FORMULAS.values(), ids=FORMULAS)
def test_ramps_equal_their_formulas(f, formula):
    np.testing.assert_allclose(f(X), formula(X), rtol=1e-13)
    np.testing.assert_allclose(f([0.5, -0.5]), formula(np.array([0.5, -0.5])), rtol=1e-13)
    assert gw.vjp(f, X.astype("float32"))[0].dtype == "float32"
    check(lambda x: np.sum(np.sin(f(x))), X)


def test_gelu_knows_two_ways():
    with pytest.raises(gw.UnsupportedError, match="'none' or 'tanh'"):
        gw.gelu(1.0, approximate="sigmoid")
