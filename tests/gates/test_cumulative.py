"""Running totals, differences, slopes and areas against NumPy and central differences."""

from __future__ import annotations

import numpy as np
import pytest
from comparison import right, same
from hypothesis import given, settings
from hypothesis import strategies as st

import gatewise as gw
from gatewise.errors import DTypeError, ShapeError, UnsupportedError

NAN = np.nan
RNG = np.random.default_rng(11)
ROW = RNG.uniform(0.5, 2, 7)
CUBE = RNG.uniform(-2, 2, (2, 3, 4))


# ------------------------------------------------------------------------------------------------------ running totals


@pytest.mark.parametrize("function", [np.cumsum, np.cumprod, np.nancumsum, np.nancumprod], ids=lambda f: f.__name__)
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_running_totals(function, axis):
    same(function, CUBE, axis=axis)
    same(function, CUBE.astype("float32"), axis=axis)
    same(function, CUBE.astype("float32"), axis=axis, dtype="float64")
    same(function, CUBE.transpose(2, 0, 1)[::-1], axis)
    same(function, CUBE[:, :0], axis=axis)
    same(function, CUBE + 1j * CUBE[::-1], axis=axis)
    right(lambda x: function(x, axis=axis) ** 2, CUBE)
    holes = np.where(CUBE > 1, NAN, CUBE)
    if "nan" in function.__name__:
        same(function, holes, axis=axis)
        gradient = gw.grad(lambda x: np.sum(function(x, axis=axis)))(holes)
        assert (gradient[np.isnan(holes)] == 0).all()
        assert np.isfinite(gradient).all()


def test_running_totals_of_a_number():
    same(np.cumsum, np.array(3.0))
    same(np.cumprod, np.array(3.0))
    same(np.cumulative_sum, np.array(3.0))
    assert gw.cumsum([True, True]).tolist() == [1, 2]
    assert gw.cumsum(np.ones(2, "int8")).dtype == np.cumsum(np.ones(2, "int8")).dtype


@pytest.mark.parametrize("function", [np.cumulative_sum, np.cumulative_prod], ids=lambda f: f.__name__)
@pytest.mark.parametrize("initial", [False, True])
def test_the_standards_running_totals(function, initial):
    same(function, ROW, include_initial=initial)
    for axis in (0, 1, -1):
        same(function, CUBE, axis=axis, include_initial=initial)
        same(function, CUBE.astype("float32"), axis=axis, include_initial=initial)
        right(lambda x, axis=axis: function(x, axis=axis, include_initial=initial) ** 2, CUBE)
    with pytest.raises(ShapeError, match="name the axis"):
        function(gw.variable(CUBE))


@pytest.mark.parametrize("zeros", [[], [0], [3], [6], [1, 4], [0, 1, 2], list(range(7))])
def test_running_products_are_right_at_zeros_to_second_order(zeros):
    x = ROW.copy()
    x[zeros] = 0
    right(lambda x: np.cumprod(x) * np.arange(1.0, 8), x)

    def triple(x):  # a polynomial whose third derivative is known
        return np.cumprod(x)[2]

    third = gw.grad(gw.grad(gw.grad(triple, 0), 0), 0)
    hessian = gw.hessian(triple)(x)
    expected = np.zeros((7, 7))
    for i, j, k in ((0, 1, 2), (0, 2, 1), (1, 2, 0)):
        expected[i, j] = expected[j, i] = x[k]
    np.testing.assert_allclose(hessian, expected, atol=1e-15)
    assert third is not None
    cross = gw.grad(lambda x: gw.grad(lambda x: gw.grad(triple)(x)[0])(x)[1])(x)
    np.testing.assert_allclose(cross, np.eye(7)[2])


@given(st.integers(1, 400), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_long_running_products(length, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.8, 1.2, length) * np.where(rng.random(length) < 0.01, 0, 1)
    g = rng.standard_normal(length)
    gradient = gw.grad(lambda x: np.sum(np.cumprod(x) * g))(x)
    after, expected = 0.0, np.zeros(length)
    before = np.concatenate([[1.0], np.cumprod(x)[:-1]])
    for i in reversed(range(length)):
        after = g[i] + (x[i + 1] * after if i + 1 < length else 0)
        expected[i] = before[i] * after
    np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-12)


def test_a_long_running_product_that_vanishes_or_grows_without_bound():
    tiny = gw.grad(lambda x: np.sum(np.cumprod(x)))(np.full(5000, 1e-3))
    assert np.isfinite(tiny).all()
    assert tiny[0] == pytest.approx(1 / (1 - 1e-3))
    with np.errstate(over="ignore"):
        first = gw.grad(lambda x: np.cumprod(x)[1])(np.full(5000, 10.0))
    np.testing.assert_array_equal(first[:3], [10, 10, 0])
    assert (first[2:] == 0).all()


def test_options_are_refused_by_name():
    with pytest.raises(UnsupportedError, match="out"):
        np.cumsum(gw.variable(ROW), out=np.zeros(7))


def test_methods():
    x = gw.variable(CUBE)
    np.testing.assert_array_equal(x.cumsum(1).value, CUBE.cumsum(1))
    np.testing.assert_array_equal(x.cumprod().value, CUBE.cumprod())


# ---------------------------------------------------------------------------------------------------------- neighbours


@pytest.mark.parametrize("n", [0, 1, 2, 3, 9])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_differences(n, axis):
    same(np.diff, CUBE, n, axis)
    same(np.diff, CUBE.astype("float32"), n=n, axis=axis)
    same(np.diff, CUBE, n, axis, prepend=1.5)
    same(np.diff, CUBE, n, axis, append=CUBE * 2, prepend=CUBE)
    right(lambda x: np.diff(x, n, axis) ** 2 if n < 9 else x * 1, CUBE)
    right(lambda x, p: np.diff(x, 1, axis, prepend=p, append=p * x) ** 2, CUBE, np.array(0.3))


def test_differences_of_other_kinds():
    np.testing.assert_array_equal(gw.diff([True, False, False]), [True, False])
    np.testing.assert_array_equal(gw.diff([1, 4, 9]), [3, 5])
    with pytest.raises(ShapeError, match="no neighbours"):
        np.diff(gw.variable(1.0))
    same(np.ediff1d, CUBE)
    same(np.ediff1d, ROW, to_end=np.array([1.0, 2.0]), to_begin=5.0)
    same(np.ediff1d, ROW.astype("float32"), np.array([1.0], "float32"), 2)
    same(np.ediff1d, ROW[:1])
    right(lambda x, end: np.ediff1d(x, end * 2, to_begin=end) ** 2, CUBE, np.array([1.0, 3.0]))
    with pytest.raises(DTypeError, match="does not fit"):
        np.ediff1d(gw.variable(ROW), 1j)


@pytest.mark.parametrize("edge_order", [1, 2])
@pytest.mark.parametrize("axis", [None, 1, -1, (0, 2)])
def test_slopes(edge_order, axis):
    f = RNG.standard_normal((3, 4, 5))
    options = {"axis": axis, "edge_order": edge_order}
    axes = (0, 1, 2) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    places = [np.cumsum(RNG.uniform(0.5, 2, f.shape[a])) for a in axes]
    mixed = [0.5 if not i else place for i, place in enumerate(places)]
    for spacing in ((), (0.3,), places, mixed, [np.arange(f.shape[a]) * 2 for a in axes]):
        same(np.gradient, f, *spacing, **options)
    same(np.gradient, f.astype("float32"), **options)
    right(lambda f, d: np.gradient(f, d, **options), f, np.array(0.7))
    right(lambda f, *places: np.gradient(f, *places, **options), f, *places)


def test_slopes_teach():
    same(np.gradient, np.array([1.0, 2.0, 4.0]), 2)
    same(np.gradient, ROW[:2])
    same(np.gradient, ROW[:2], ROW[:2])
    with pytest.raises(ShapeError, match="too short"):
        np.gradient(gw.variable(ROW[:2]), edge_order=2)
    with pytest.raises(ShapeError, match="spacings"):
        np.gradient(gw.variable(ROW), 1.0, 2.0)


def test_areas():
    same(np.trapezoid, ROW)
    same(np.trapezoid, ROW, dx=0.3)
    same(np.trapezoid, ROW.astype("float32"))
    for axis in (0, 1, -1):
        place = np.cumsum(RNG.uniform(0.5, 2, CUBE.shape[axis]))
        same(np.trapezoid, CUBE, place, axis=axis)
        same(np.trapezoid, CUBE, np.cumsum(abs(CUBE), axis=axis), axis=axis)
        right(lambda y, x, axis=axis: np.trapezoid(y, x, axis=axis), CUBE, place)
        right(lambda y, x, axis=axis: np.trapezoid(y, x, axis=axis), CUBE, np.cumsum(abs(CUBE), axis=axis))
    right(lambda y, dx: np.trapezoid(y, dx=dx), ROW, np.array(0.3))


def test_unwrap():
    angles = np.array([0.1, 3.0, -3.0, 2.5, -2.0, 6.0, 0.0])
    same(np.unwrap, angles)
    same(np.unwrap, angles, discont=4.0)
    same(np.unwrap, angles, period=1.5)
    same(np.unwrap, np.array([0, np.pi, 0, -np.pi, 0]))
    same(np.unwrap, CUBE * 4, axis=1)
    same(np.unwrap, (CUBE * 4).astype("float32"))
    assert gw.unwrap([1, 2, 3, 0, 1], period=4).tolist() == np.unwrap([1, 2, 3, 0, 1], period=4).tolist()
    assert gw.unwrap([1, 2, 5, 1], period=5).tolist() == np.unwrap([1, 2, 5, 1], period=5).tolist()
    np.testing.assert_array_equal(gw.jacobian(np.unwrap)(angles), np.eye(7))
    report = gw.check_grads(lambda p, period: np.unwrap(p, period=period), (angles, np.array(6.1)))
    assert report.passed, str(report)
