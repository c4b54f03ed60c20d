"""SciPy's special functions on traced arrays: values as SciPy's, gradients as differences, and nothing loaded early."""

from __future__ import annotations

import subprocess
import sys

import array_api_strict
import numpy as np
import pytest
from scipy import special

import gatewise as gw
from gatewise.gates import special as ours

INFINITY, NAN = np.inf, np.nan
X = np.array([[0.3, 0.45, 0.8], [0.1, 0.62, 0.93]])
EVERYWHERE = np.array([-30.0, -7.5, -1.3, -1e-9, 0.4, 2.2, 8.5, 26.0])

POSITIVE = [
    "erf", "erfc", "erfinv", "erfcinv", "gamma", "gammaln", "digamma", "psi", "expit", "logit", "log_expit", "entr",
    "ndtr", "log_ndtr", "ndtri", "j0", "j1", "y0", "y1", "i0", "i1", "i0e", "i1e", "k0", "k1", "k0e", "k1e",
    "cbrt", "exp2", "exp10", "expm1", "log1p",
]  # fmt: skip
PAIRS = ["xlogy", "xlog1py", "rel_entr", "kl_div", "betaln"]
ORDERS = ["jv", "yv", "iv", "kv", "ive", "kve", "jn", "yn", "kn"]


def check(f, *args, order=2):
    report = gw.check_grads(f, args, order=order)
    assert report.passed, report


@pytest.mark.parametrize("name", POSITIVE)
def test_functions_of_one_array(name):
    f = getattr(special, name)
    for x in (X, X[0, 0], X[:, ::-2], np.zeros((0, 2)), X.astype("float32")):
        out, _ = gw.vjp(f, x)
        expected = f(x)
        np.testing.assert_allclose(out, expected, rtol=2e-6 if x.dtype == "float32" else 3e-14)
        assert (out.shape, out.dtype) == (expected.shape, expected.dtype)
    check(lambda x: np.sum(np.sin(f(x))), X)


@pytest.mark.parametrize("name", ["erf", "erfc", "expit", "log_expit", "ndtr", "log_ndtr", "i0e", "j0", "j1"])
def test_functions_far_from_zero_and_below(name):
    f = getattr(special, name)
    np.testing.assert_allclose(gw.vjp(f, EVERYWHERE)[0], f(EVERYWHERE), rtol=1e-14)
    for x in (-7.5, -1.3, 0.4, 2.2):
        check(f, x)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("y", [X + 0.3, X[0] + 0.5, 0.7], ids=["equal", "row", "number"])
def test_functions_of_two_arrays(name, y):
    f = getattr(special, name)
    for one, two in ((X, y), (y, X)):
        np.testing.assert_allclose(gw.vjp(f, one, two)[0], f(one, two), rtol=1e-13, atol=1e-15)
    check(lambda x, y: np.sum(np.sin(f(x, y))), X, y)


@pytest.mark.parametrize("order", [0, 1, 2, 5, 2.5])
@pytest.mark.parametrize("name", ORDERS)
def test_bessel_functions_of_any_order(name, order):
    if name.endswith("n") and order == 2.5:
        pytest.skip("for integers")
    f = getattr(special, name)
    x = 3 * X + 0.5
    np.testing.assert_allclose(gw.vjp(lambda x: f(order, x), x)[0], f(order, x), rtol=1e-13)
    scale = 1 / np.max(np.abs(f(order, x)))
    check(lambda x: np.sum(np.sin(scale * f(order, x))), x)


@pytest.mark.parametrize("order", range(5))
def test_polygamma_of_every_order(order):
    x = np.array([0.2, 1.0, 3.7, 40.0, -0.5, -2.25])
    np.testing.assert_allclose(gw.polygamma(order, x), special.polygamma(order, x), rtol=1e-13)
    check(lambda x: np.sum(np.sin(gw.polygamma(order, x))), np.array([0.7, 1.9, 3.2]))


def test_polygamma_and_bessel_want_plain_orders():
    with pytest.raises(gw.UnsupportedError, match="plain integer"):
        gw.polygamma(-1, 2.0)
    with pytest.raises(gw.UnsupportedError, match="plain integer"):
        gw.polygamma(1.5, 2.0)
    with pytest.raises(gw.UnsupportedError, match="no gradient with respect to their order"):
        gw.grad(lambda v: special.jv(v, 2.0))(1.5)
    with pytest.raises(gw.UnsupportedError, match="the kind is one of"):
        gw.bessel("h", 0, 1.0)


def test_a_ufunc_without_a_rule_is_named():
    with pytest.raises(gw.UnsupportedError, match=r"scipy\.special\.zetac has no gradient rule"):
        gw.grad(lambda x: special.zetac(x))(1.5)


def test_a_ufunc_of_the_same_name_from_elsewhere_is_not_taken_for_scipys():
    erf = np.frompyfunc(lambda x: x, 1, 1)
    with pytest.raises(gw.UnsupportedError):
        gw.grad(lambda x: erf(x))(1.0)


# -------------------------------------------------------------------------------------------------------------- corners

CORNERS = [
    ("xlogy at 0, 0", special.xlogy, [0.0, 0.0], [0.0, 0.0]),
    ("xlogy at 0, 2", special.xlogy, [0.0, 2.0], [np.log(2.0), 0.0]),
    ("xlog1py at 0, -1", special.xlog1py, [0.0, -1.0], [0.0, 0.0]),
    ("entr at 0", special.entr, [0.0], [INFINITY]),
    ("rel_entr at 0, 0", special.rel_entr, [0.0, 0.0], [0.0, 0.0]),
    ("kl_div at equal", special.kl_div, [0.4, 0.4], [0.0, 0.0]),
    ("logit at 0", special.logit, [0.0], [INFINITY]),
    ("logit at 1", special.logit, [1.0], [INFINITY]),
    ("ndtri at 0", special.ndtri, [0.0], [INFINITY]),
    ("erfinv at 1", special.erfinv, [1.0], [INFINITY]),
    ("expit far left", special.expit, [-800.0], [0.0]),
    ("log_expit far left", special.log_expit, [-800.0], [1.0]),
    ("log_ndtr far right", special.log_ndtr, [50.0], [0.0]),
    ("i0e at its peak", special.i0e, [0.0], [0.0]),
    ("j0 at 0", special.j0, [0.0], [0.0]),
    ("j1 at 0", special.j1, [0.0], [0.5]),
    ("i0 at 0", np.i0, [0.0], [0.0]),
]


@pytest.mark.parametrize(
    ("f", "arguments", "gradients"), [case[1:] for case in CORNERS], ids=[case[0] for case in CORNERS]
)
def test_gradients_at_the_corners(f, arguments, gradients):
    with np.errstate(all="ignore"):
        found = gw.grad(f, argnums=tuple(range(len(arguments))))(*arguments)
    np.testing.assert_allclose(found, gradients, rtol=1e-13)


def test_log_ndtr_far_left_has_the_slope_of_a_quadratic():
    assert gw.grad(special.log_ndtr)(-1e3) == pytest.approx(1e3 + 1e-3, rel=1e-9)


@pytest.mark.parametrize("name", ["xlogy", "xlog1py", "entr", "rel_entr", "kl_div", "logit"])
def test_values_at_the_edges_are_scipys(name):
    f = getattr(special, name)
    edges = np.array([-2.0, -1.0, 0.0, 0.5, 1.0, INFINITY, NAN])
    with np.errstate(all="ignore"):
        if name in ("entr", "logit"):
            np.testing.assert_array_equal(getattr(gw, name)(edges), f(edges))
        else:
            np.testing.assert_array_equal(getattr(gw, name)(edges[:, None], edges), f(edges[:, None], edges))


def test_cross_entropy_with_a_share_of_zero_has_a_finite_gradient():
    shares = np.array([0.0, 1.0])
    found = gw.grad(lambda q: -np.sum(special.xlogy(shares, q)))(np.array([0.0, 0.5]))
    np.testing.assert_array_equal(found, [0.0, -2.0])


# ----------------------------------------------------------------------------------------------------- without SciPy


def test_nothing_of_scipy_is_loaded_before_it_is_needed():
    code = (
        "import sys, numpy as np, gatewise as gw\n"
        "gw.grad(lambda x: np.sum(gw.softplus(x) + np.sinc(x) + gw.xlogy(x, x) + gw.softmax(x)))(np.ones(3))\n"
        "assert 'scipy' not in sys.modules\n"
        "print(float(gw.grad(gw.erf)(0.0)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(run.stdout) == 2 / np.sqrt(np.pi)


@pytest.fixture
def without_scipy(monkeypatch):
    monkeypatch.setattr(ours, "_scipy", lambda: None)


@pytest.mark.parametrize("name", ["erf", "erfc"])
def test_the_error_function_without_scipy(without_scipy, name):
    x = np.concatenate([np.linspace(-7, 27, 2001), [-0.0, 1.0, 8.0, INFINITY, -INFINITY, NAN]])
    f = getattr(special, name)
    np.testing.assert_allclose(getattr(gw, name)(x), f(x), rtol=1e-14, atol=1e-300)
    check(getattr(gw, name), 0.7)


@pytest.mark.parametrize("x", [0.0, 1e-4, -0.3, 4.0, -25.0, 600.0])
def test_i0_and_its_derivatives_without_scipy(without_scipy, x):
    assert gw.i0(x) == pytest.approx(special.i0(x), rel=1e-14)
    assert gw.grad(gw.i0)(x) == pytest.approx(special.i1(x), rel=1e-13)
    assert gw.grad(gw.grad(gw.i0))(x) == pytest.approx((special.i0(x) + special.iv(2, x)) / 2, rel=1e-13)


def test_other_functions_say_that_scipy_is_needed(without_scipy):
    with pytest.raises(gw.UnsupportedError, match="pip install scipy"):
        gw.grad(gw.gammaln)(2.0)


@pytest.mark.parametrize("name", ["erf", "erfc", "gammaln", "ndtr", "logit", "entr"])
def test_arrays_of_another_library_come_back_as_they_went(name):
    x = array_api_strict.asarray([0.2, 0.7])
    out = getattr(gw, name)(x)
    assert isinstance(out, type(x))
    np.testing.assert_allclose(np.asarray(out), getattr(special, name)(np.asarray(x)), rtol=1e-14)
