"""Statistics against NumPy and central differences."""

from __future__ import annotations

import numpy as np
import pytest
from comparison import right, same
from hypothesis import given, settings
from hypothesis import strategies as st

import gatewise as gw
from gatewise.errors import InputError, ShapeError

NAN, INFINITY = np.nan, np.inf
RNG = np.random.default_rng(7)
MATRIX = RNG.permutation(24).reshape(4, 6) / 3 + RNG.uniform(0, 0.2, (4, 6))
CUBE = RNG.permutation(24).reshape(2, 3, 4) / 3 + RNG.uniform(0, 0.2, (2, 3, 4))
HOLES = np.where(RNG.random((4, 6)) < 0.3, NAN, MATRIX)
METHODS = [
    "inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen", "weibull",
    "linear", "median_unbiased", "normal_unbiased", "lower", "higher", "midpoint", "nearest",
]  # fmt: skip


AXES = [None, 0, -1, (0, 1)]
FOLDING = [np.var, np.std, np.ptp, np.median, np.nansum, np.nanmean, np.nanvar, np.nanstd, np.nanmin, np.nanmax,
           np.nanprod, np.nanmedian]  # fmt: skip


@pytest.mark.parametrize("function", FOLDING, ids=lambda f: f.__name__)
@pytest.mark.parametrize("axis", [*AXES, (0, 2), 1])
@pytest.mark.parametrize("keepdims", [False, True])
def test_folding_has_numpys_value_and_the_right_gradient(function, axis, keepdims):
    same(function, CUBE, axis=axis, keepdims=keepdims)
    same(function, CUBE.astype("float32"), axis=axis, keepdims=keepdims)
    same(function, CUBE.transpose(2, 0, 1)[::-1], axis=axis, keepdims=keepdims)
    if function not in (np.median, np.ptp):
        right(lambda x: function(x, axis=axis, keepdims=keepdims), CUBE / 4)
    else:
        right(lambda x: function(x, axis=axis, keepdims=keepdims) ** 2, CUBE)


@pytest.mark.parametrize("function", [f for f in FOLDING if f.__name__.startswith("nan")], ids=lambda f: f.__name__)
@pytest.mark.parametrize("axis", AXES)
def test_what_is_not_a_number_is_skipped(function, axis):
    same(function, HOLES, axis=axis)
    places = np.nonzero(~np.isnan(HOLES))

    def f(entries):
        full = np.zeros_like(entries * 0, shape=HOLES.shape) + NAN
        full[places] = entries
        return function(full, axis=axis)

    right(f, HOLES[places] / 4)
    gradient = gw.grad(lambda x: np.sum(function(x, axis=axis)))(HOLES)
    assert np.isfinite(gradient).all()
    assert (gradient[np.isnan(HOLES)] == 0).all()


@pytest.mark.parametrize("function", [np.var, np.std, np.nanvar, np.nanstd], ids=lambda f: f.__name__)
def test_degrees_of_freedom(function):
    for options in ({"ddof": 1}, {"ddof": 0.5}, {"correction": 1}, {"ddof": 2, "axis": 1}):
        same(function, MATRIX, **options)
        right(lambda x, options=options: function(x, **options), MATRIX)
    single = gw.variable(MATRIX.astype("float32"))  # NumPy's own nanvar rounds to float32 on the way
    assert function(single, dtype="float64").value == pytest.approx(function(single.value, dtype="float64"), rel=1e-7)
    same(function, np.array(3.0))


def test_complex_spread():
    z = MATRIX[:2] + 1j * MATRIX[2:]
    same(np.var, z, axis=0)
    same(np.std, z, axis=1)
    same(np.nanvar, z)

    def f(re, im):
        return np.std(re + 1j * im) + np.nanvar(re - 2j * im)

    right(f, MATRIX[:2], MATRIX[2:])


@pytest.mark.parametrize("function", [np.std, np.nanstd], ids=lambda f: f.__name__)
@pytest.mark.parametrize("entry", [1.0, 0.1, 1e10 / 3, 0.0])
@pytest.mark.parametrize("number", [1, 3, 7])
def test_the_spread_of_a_constant_has_gradient_zero_to_second_order(function, entry, number):
    x = np.full(number, entry)
    np.testing.assert_array_equal(gw.grad(function)(x), np.zeros(number))
    np.testing.assert_array_equal(gw.hessian(function)(x), np.zeros((number, number)))


def test_the_constant_rows_of_a_matrix_do_not_disturb_the_others():
    x = np.array([[0.1, 0.1, 0.1], [1.0, 2.0, 4.0]])
    gradient = gw.grad(lambda x: np.sum(np.std(x, axis=1)))(x)
    np.testing.assert_array_equal(gradient[0], 0)
    np.testing.assert_allclose(gradient[1], gw.grad(np.std)(x[1]))
    report = gw.check_grads(lambda x: np.std(x, axis=1), (x,))
    assert report.passed, str(report)
    assert any(c.kink for c in report.comparisons)


def test_ties_share():
    np.testing.assert_array_equal(gw.grad(np.ptp)(np.ones(3)), 0)
    np.testing.assert_array_equal(gw.grad(np.median)(np.array([2.0, 2.0, 1.0, 2.0])), [1 / 3, 1 / 3, 0, 1 / 3])
    np.testing.assert_array_equal(gw.grad(np.nanmax)(np.array([2.0, NAN, 2.0])), [0.5, 0, 0.5])
    many = gw.grad(lambda x: np.sum(np.quantile(x, np.linspace(0, 1, 20))))(np.ones(5))
    np.testing.assert_allclose(many, np.full(5, 4.0))


def test_empty_slices_warn_as_numpy_does():
    x = np.array([[1.0, NAN], [2.0, NAN]])
    for function in (np.nanmean, np.nanmax, np.nanmin, np.nanvar, np.nanstd, np.nanmedian):
        with pytest.warns(RuntimeWarning):
            expected = function(x, axis=0)
        with pytest.warns(RuntimeWarning):
            found = function(gw.variable(x), axis=0)
        np.testing.assert_allclose(found.value, expected)


# ------------------------------------------------------------------------------------------------------------- average


def test_average():
    same(np.average, MATRIX)
    same(np.average, MATRIX, axis=1, keepdims=True)
    w = RNG.uniform(0.5, 2, 6)
    same(np.average, MATRIX, axis=1, weights=w)
    same(np.average, MATRIX, axis=-1, weights=w, returned=True)
    same(np.average, MATRIX, returned=True)
    same(np.average, MATRIX, weights=RNG.uniform(0.5, 2, (4, 6)), returned=True, axis=0)
    same(np.average, CUBE, axis=(2, 0), weights=RNG.uniform(0.5, 2, (4, 2)))
    same(np.average, MATRIX.astype("float32"), axis=1, weights=w.astype("float32"))
    same(np.average, np.arange(3), weights=np.array([1.0, 2.0, 4.0]))
    right(lambda x, w: np.average(x, axis=1, weights=w), MATRIX, w)
    right(lambda x, w: np.average(x, axis=(2, 0), weights=w), CUBE, RNG.uniform(0.5, 2, (4, 2)))
    right(lambda x, w: np.average(x, weights=w, returned=True)[1], w * 2, w)
    with pytest.raises(ShapeError, match="weights of shape"):
        np.average(gw.variable(MATRIX), axis=0, weights=w)
    with pytest.raises(ZeroDivisionError, match="sum to zero"):
        np.average(gw.variable(w), weights=np.zeros(6))


# --------------------------------------------------------------------------------------------------- order statistics


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("axis", [None, 0, (0, 1), 2])
def test_quantiles_by_every_method(method, axis):
    for q in (0.3, 0.5, 0.0, 1.0, [0.25, 0.6], [[0.1, 0.2], [0.9, 0.95]]):
        for function, times in ((np.quantile, 1), (np.percentile, 100)):
            q_scaled = np.multiply(q, times).tolist()
            same(function, CUBE, q_scaled, axis=axis, method=method)
            same(function, CUBE.astype("float32"), q_scaled, axis=axis, method=method)
            same(function, CUBE, q_scaled, axis=axis, method=method, keepdims=True)
    right(lambda x: np.quantile(x, [0.3, 0.77], axis=axis, method=method) ** 2, CUBE)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_quantiles_that_skip_nan(method, axis):
    for q in (0.3, 0.5, 0.0, 1.0, [0.25, 0.6]):
        same(np.nanquantile, HOLES, q, axis=axis, method=method)
        same(np.nanpercentile, HOLES, np.multiply(q, 100).tolist(), axis=axis, method=method, keepdims=True)
    gradient = gw.grad(lambda x: np.sum(np.nanquantile(x, 0.37, axis=axis, method=method) ** 2))(HOLES)
    filled = np.where(np.isnan(HOLES), 0.0, HOLES)
    assert (gradient[np.isnan(HOLES)] == 0).all()

    def f(x):
        return np.nanquantile(np.where(np.isnan(HOLES), NAN, x), 0.37, axis=axis, method=method) ** 2

    right(f, filled)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=9), st.floats(0, 1), st.sampled_from(METHODS))
@settings(max_examples=200, deadline=None)
def test_quantiles_of_anything(entries, q, method):
    x = np.array(entries)
    same(np.quantile, x, q, method=method)
    same(np.nanquantile, x, q, method=method)
    same(np.median, x)
    gradient = gw.grad(lambda x: np.quantile(x, q, method=method))(x)
    assert gradient.sum() == pytest.approx(1)  # adding one to all entries adds one


def test_more_ranks_than_passes_are_worth():
    q = np.linspace(0, 1, 13)
    same(np.quantile, CUBE, q, axis=1)
    right(lambda x: np.quantile(x, q[1:-1]) ** 2, CUBE)
    same(np.quantile, HOLES, q, axis=1)


def test_nan_makes_a_median_nan():
    same(np.median, HOLES, axis=1)
    same(np.quantile, HOLES, 0.3, axis=0)
    x = np.array([[1.0, NAN, 2.0], [4.0, 9.0, 5.0]])
    np.testing.assert_array_equal(gw.grad(lambda x: np.median(x, axis=1)[1])(x)[1], [0, 0, 1])


def test_the_gradient_with_respect_to_the_share():
    x = np.array([1.0, 4.0, 9.0, 16.0])
    assert float(gw.grad(lambda q: np.quantile(x, q))(0.4)) == pytest.approx(3 * 5)
    right(lambda q: np.quantile(x, q), np.array([0.4, 0.7]))
    right(lambda x, q: np.percentile(x, q, method="weibull"), x, np.array([40.3, 71.0]))


def test_quantile_teaches():
    x = gw.variable(np.ones(3))
    with pytest.raises(InputError, match="between 0 and 1"):
        np.quantile(x, 1.5)
    with pytest.raises(InputError, match="no method 'cubic'"):
        np.quantile(x, 0.5, method="cubic")
    with pytest.raises(ValueError, match="Only method 'inverted_cdf' supports weights"):
        np.quantile(x, 0.5, weights=np.ones(3))


def test_integers_and_lists():
    numbers = np.array([3, 1, 2, 7])
    for function in (np.median, np.std, np.var, np.ptp, np.nanmean, np.nanmax, np.nansum, np.nanmedian):
        found = getattr(gw, function.__name__)(numbers.tolist())
        assert found == function(numbers)
        assert found.dtype == function(numbers).dtype
    assert gw.percentile([3, 1, 2, 7], 50, method="lower") == 2


# --------------------------------------------------------------------------------------------------------- correlation


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rowvar": False},
        {"bias": True},
        {"ddof": 2},
        {"fweights": [1, 2, 0, 3, 1, 1]},
        {"aweights": [1.0, 2.0, 0.5, 3.0, 1.0, 1.0]},
        {"fweights": [1, 2, 0, 3, 1, 1], "aweights": [1.0, 2.0, 0.5, 3.0, 1.0, 1.0]},
        {"aweights": [1.0, 2.0, 0.5, 3.0, 1.0, 1.0], "ddof": 0},
    ],
    ids=str,
)
def test_covariance(options):
    same(np.cov, MATRIX, **options)
    right(lambda x: np.cov(x, **options), MATRIX)


def test_covariance_of_two():
    same(np.cov, MATRIX[0])
    same(np.cov, MATRIX[0], MATRIX[1])
    same(np.cov, MATRIX, CUBE.reshape(4, 6))
    same(np.cov, MATRIX, CUBE.reshape(4, 6), rowvar=False)
    same(np.cov, MATRIX.astype("float32"))
    same(np.cov, MATRIX[:2] + 1j * MATRIX[2:])
    right(lambda x, y: np.cov(x, y), MATRIX[0], MATRIX[1])
    right(lambda w: np.cov(MATRIX, aweights=w), np.array([1.0, 2.0, 0.5, 3.0, 1.0, 1.0]))
    with pytest.raises(ShapeError, match="two axes"):
        np.cov(gw.variable(CUBE))


def test_correlation():
    same(np.corrcoef, MATRIX)
    same(np.corrcoef, MATRIX[0], MATRIX[1])
    same(np.corrcoef, MATRIX, rowvar=False)
    same(np.corrcoef, MATRIX[0])
    right(lambda x, y: np.corrcoef(x, y)[0, 1], MATRIX[0], MATRIX[1])
    perfect = gw.grad(lambda x: np.corrcoef(x, 2 * x)[0, 1])(MATRIX[0])
    np.testing.assert_allclose(perfect, 0, atol=1e-12)


# ---------------------------------------------------------------------------------------------------------- nan_to_num


def test_nan_to_num():
    x = np.array([1.0, NAN, INFINITY, -INFINITY, -2.0])
    same(np.nan_to_num, x)
    same(np.nan_to_num, x.astype("float32"))
    same(np.nan_to_num, x, nan=3.0, posinf=1.0, neginf=-1.0)
    z = np.array([complex(1, NAN), complex(INFINITY, 2), complex(NAN, -INFINITY)])
    same(np.nan_to_num, z)
    np.testing.assert_array_equal(
        gw.grad(lambda x: np.sum(np.nan_to_num(x, posinf=1, neginf=1) / 2))(x), [0.5, 0, 0, 0, 0.5]
    )


def test_array_methods():
    x = gw.variable(MATRIX)
    np.testing.assert_array_equal(x.std(axis=0).value, MATRIX.std(axis=0))
    np.testing.assert_array_equal(x.var(0, ddof=1, keepdims=True).value, MATRIX.var(0, ddof=1, keepdims=True))
