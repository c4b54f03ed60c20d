"""Sorting, looking up and picking against NumPy and central differences."""

from __future__ import annotations

import array_api_strict as strict
import numpy as np
import pytest
from comparison import right, same
from hypothesis import given, settings
from hypothesis import strategies as st

import gatewise as gw
from gatewise.errors import DTypeError, InputError, ShapeError, UnsupportedError
from gatewise.gates.conversion import INPUT
from gatewise.graph import Leaf

NAN = np.nan
RNG = np.random.default_rng(5)
ROW = RNG.permutation(7) / 3 + RNG.uniform(0, 0.2, 7)
CUBE = RNG.permutation(24).reshape(2, 3, 4) / 5 - 2 + RNG.uniform(0, 0.1, (2, 3, 4))


# ------------------------------------------------------------------------------------------------------------- sorting


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_sorting(axis):
    same(np.sort, CUBE, axis)
    same(np.sort, CUBE.astype("float32"), axis=axis)
    same(np.sort, CUBE.transpose(2, 0, 1)[::-1], axis=axis, kind="stable")
    same(np.sort, np.where(CUBE > 1, NAN, CUBE), axis=axis)
    same(np.sort, CUBE[:, :0], axis=axis)
    same(np.argsort, CUBE, axis=axis)
    right(lambda x: np.sort(x, axis=axis) ** 2, CUBE)
    np.testing.assert_array_equal(gw.sort(CUBE, axis, descending=True), -np.sort(-CUBE, axis))
    np.testing.assert_array_equal(gw.argsort(CUBE, axis, descending=True), np.argsort(-CUBE, axis))


def test_argsort_descending_keeps_the_order_of_ties():
    assert gw.argsort([1, 2, 1, 2], descending=True).tolist() == [1, 3, 0, 2]
    many = np.tile([1.0, 0.0], 50)  # NumPy's own choice leaves the order of so many ties open
    assert gw.argsort(many).tolist() == [*range(1, 100, 2), *range(0, 100, 2)]
    assert np.argsort(gw.variable(many)).tolist() == np.argsort(many).tolist()
    for library in (strict.asarray(many), gw.asarray(strict.asarray(many))):
        assert np.asarray(gw.argsort(library, descending=True)).tolist() == [*range(0, 100, 2), *range(1, 100, 2)]
    mapped = gw.vmap(lambda x: gw.argsort(x, descending=True))(np.stack([many, -many]))
    np.testing.assert_array_equal(mapped, [gw.argsort(many, descending=True), gw.argsort(-many, descending=True)])


def test_searchsorted_with_a_sorter():
    x, v = np.array([3.0, 1.0, 2.0]), np.array([1.5, 3.0])
    for sorted_ in (x, gw.variable(x)):
        assert np.asarray(gw.searchsorted(sorted_, v, sorter=gw.argsort(sorted_))).tolist() == [1, 2]
    assert np.searchsorted(gw.variable(x), v, "right", np.argsort(x)).tolist() == [1, 3]
    found = gw.searchsorted(strict.asarray(x), strict.asarray(v), sorter=strict.argsort(strict.asarray(x)))
    assert np.asarray(found).tolist() == [1, 2]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_what_is_equal_shares(entries, seed):
    x = np.array(entries, float)
    weights = np.random.default_rng(seed).standard_normal(len(x))
    gradient = gw.grad(lambda x: np.sum(np.sort(x) * weights))(x)
    ordered = np.sort(x)
    expected = [weights[ordered == entry].mean() for entry in x]
    np.testing.assert_allclose(gradient, expected, atol=1e-14)
    kth = int(seed % len(x))
    parted = gw.grad(lambda x: np.partition(x, kth)[kth])(x)
    np.testing.assert_allclose(parted, (x == ordered[kth]) / np.sum(x == ordered[kth]), atol=1e-14)


def test_ties_in_many_lines():
    x = np.array([[1.0, 1.0, 0.0], [1.0, 2.0, 3.0], [5.0, 5.0, 5.0]])
    w = np.arange(9.0).reshape(3, 3)
    expected = [[1.5, 1.5, 0], [3, 4, 5], [7, 7, 7]]
    np.testing.assert_array_equal(gw.grad(lambda x: np.sum(np.sort(x) * w))(x), expected)
    np.testing.assert_array_equal(gw.grad(lambda x: np.sum(np.sort(x, axis=0) * w.T))(x.T), np.transpose(expected))
    _, pushed = gw.jvp(np.sort, (x,), (w,))
    np.testing.assert_array_equal(pushed, [[2, 0.5, 0.5], [3, 4, 5], [7, 7, 7]])


@pytest.mark.parametrize("kth", [0, 2, -1, [1, 3]])
def test_partitions(kth):
    found = np.partition(gw.variable(ROW), kth).value
    np.testing.assert_array_equal(found[kth], np.sort(ROW)[kth])
    np.testing.assert_array_equal(np.sort(found), np.sort(ROW))
    right(lambda x: np.partition(x, kth)[kth] ** 2, ROW)
    right(lambda x: np.partition(x, 1, axis=1)[:, 1] ** 2, CUBE)
    same(np.argpartition, ROW, kth)


def test_sorting_in_place():
    def smallest(x):
        y = x * 2
        before = y[0]
        y.sort()
        return y[0] * before

    x = np.array([3.0, 1.0, 2.0])
    np.testing.assert_array_equal(gw.grad(smallest)(x), [4, 12, 0])
    y = gw.variable(x) * 1
    assert y.partition(1) is None
    assert y.value[1] == 2
    assert y.argsort().tolist() == np.argsort(y.value).tolist()
    assert y.nonzero()[0].tolist() == [0, 1, 2]
    ordered = np.sort(gw.variable(x))
    assert ordered.searchsorted(1.5) == 1
    assert np.searchsorted(ordered, gw.variable(2.5), side="right") == 2


def test_unique():
    x = np.array([[3.0, 1.0, 3.0], [2.0, 1.0, NAN]])
    same(np.unique, x)
    same(np.unique, np.append(x, NAN))
    same(np.unique, np.append(x, NAN), equal_nan=False)
    for options in ({"return_index": True}, {"return_inverse": True, "return_counts": True}):
        same(np.unique, x, **options)
    w = np.array([1.0, 10.0, 100.0])
    gradient = gw.grad(lambda x: np.sum(np.unique(x) * w))(np.array([3.0, 1.0, 3.0, 2.0]))
    np.testing.assert_array_equal(gradient, [50, 1, 50, 10])
    with pytest.raises(UnsupportedError, match="mapped, compiled or looped"):
        gw.vmap(np.unique)(x)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_unique_along_an_axis(axis):
    x = np.array([[3.0, 1.0, 3.0], [2.0, 1.0, 2.0], [3.0, 1.0, 3.0]])
    for options in ({}, {"return_index": True}, {"return_inverse": True, "return_counts": True}):
        same(np.unique, x, axis=axis, **options)
    right(lambda x: np.unique(x, axis=axis) ** 2, CUBE)
    with pytest.raises(gw.AxisError, match="unique: axis 2 is out of range"):
        np.unique(gw.variable(x), axis=2)


def test_equal_slices_share_the_gradient_of_the_one_they_become():
    x = np.array([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]])
    gradient = gw.grad(lambda x: np.sum(np.unique(x, axis=0) * [[1.0, 10.0], [100.0, 1000.0]]))(x)
    np.testing.assert_array_equal(gradient, [[0.5, 5], [100, 1000], [0.5, 5]])


def test_unique_of_another_library():
    x = strict.asarray([3.0, 1.0, 3.0])
    traced = gw.Array.of(Leaf(INPUT, x), x)
    values, counts = gw.unique(traced, return_counts=True)
    gw.sum(values * values).backward()
    assert type(traced.grad) is type(counts) is type(x)
    np.testing.assert_array_equal(np.asarray(traced.grad), [3, 2, 3])
    np.testing.assert_array_equal(np.asarray(counts), [1, 2])


# -------------------------------------------------------------------------------------------------------- interpolation

POINTS = np.array([-1.0, 0.2, 1.0, 2.5])
HEIGHTS = np.array([1.0, 3.0, -2.0, 0.5])
PLACES = np.array([[-2.0, -0.5, 0.7], [1.1, 2.2, 3.0]])


def test_interpolation():
    same(np.interp, PLACES, POINTS, HEIGHTS)
    same(np.interp, PLACES, POINTS, HEIGHTS, left=-7.0, right=9.0)
    same(np.interp, POINTS, POINTS, HEIGHTS)
    same(np.interp, np.array([NAN, 0.3]), POINTS, HEIGHTS)
    same(np.interp, np.array(0.3), POINTS, HEIGHTS)
    same(np.interp, PLACES.astype("float32"), POINTS, HEIGHTS)
    same(np.interp, PLACES, POINTS, HEIGHTS + 2j)
    same(np.interp, PLACES, np.array([0.0]), np.array([4.0]))
    same(np.interp, PLACES * 4, np.array([3.0, 0.5, 1.7, 5.9]), HEIGHTS, period=4.0)
    same(np.interp, np.array([0.5, 1.0, 2.0]), np.array([0.0, 1.0, 1.0, 2.0]), HEIGHTS)
    assert gw.interp(1.5, [1, 2], [10, 30]) == 20


def test_interpolation_has_the_right_gradients():
    right(lambda x, points, heights: np.interp(x, points, heights) ** 2, PLACES, POINTS, HEIGHTS)
    right(
        lambda x, heights, left, right: np.interp(x, POINTS, heights, left, right) ** 2,
        PLACES,
        HEIGHTS,
        np.array(3.0),
        np.array(4.0),
    )
    right(
        lambda x, points, heights: np.interp(x, points, heights, period=4.0) ** 2,
        PLACES * 4 + 0.3,
        np.array([3.0, 0.5, 1.7, 5.9]),
        HEIGHTS,
    )


@pytest.mark.parametrize(
    ("x", "slope"), [(0.0, 0.0), (1.0, 0.0), (2.0, -1.0), (3.0, -1.0), (4.0, 0.0), (-1.0, 0.0), (5.0, 0.0)]
)
def test_at_a_point_the_smallest_slope_between_the_two_is_taken(x, slope):
    points, heights = [0.0, 1.0, 2.0, 3.0, 4.0], [0.0, 5.0, 2.0, 1.0, -1.0]
    assert float(gw.grad(lambda x: np.interp(x, np.array(points), np.array(heights)))(x)) == slope
    at_heights = gw.grad(lambda fp: gw.interp(x, points, fp))(np.array(heights))
    np.testing.assert_array_equal(at_heights, np.eye(5)[int(np.clip(x, 0, 4))])


def test_interpolation_teaches():
    with pytest.raises(ShapeError, match="rows of equal length"):
        np.interp(gw.variable(1.0), [1.0, 2.0], [1.0])
    with pytest.raises(ShapeError, match="no points"):
        np.interp(gw.variable(1.0), [], [])
    with pytest.raises(InputError, match="period"):
        np.interp(gw.variable(1.0), [1.0, 2.0], [1.0, 2.0], period=0)


# -------------------------------------------------------------------------------------------------- picking by indices


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_along_an_axis(axis):
    order = np.argsort(CUBE, axis=axis)
    same(np.take_along_axis, CUBE, order, axis)
    same(np.take_along_axis, CUBE, np.argmax(CUBE, axis=axis, keepdims=True), axis)
    right(lambda x: np.take_along_axis(x, order, axis) ** 2, CUBE)
    largest = np.argmax(CUBE, axis=axis, keepdims=True)
    expected = CUBE.copy()
    np.put_along_axis(expected, largest, 7.0, axis)
    np.testing.assert_array_equal(gw.put_along_axis(CUBE, largest, 7.0, axis), expected)
    right(lambda x, v: gw.put_along_axis(x, largest, v, axis) ** 2, CUBE, np.array(3.0))

    def in_place(x, v):
        y = x * 1
        assert np.put_along_axis(y, largest, v, axis) is None
        return y**2

    right(in_place, CUBE, np.array(3.0))


def test_along_the_row():
    same(np.take_along_axis, CUBE, np.array([3, 3, 0]), None)
    assert gw.put_along_axis([[1.0, 2.0], [3.0, 4.0]], [1], 7.0, None).tolist() == [[1, 7], [3, 4]]
    with pytest.raises(ShapeError, match="as many axes"):
        np.take_along_axis(gw.variable(CUBE), np.array([1]), 0)
    with pytest.raises(UnsupportedError, match="plain array"):
        np.put_along_axis(np.zeros(3), np.array([1]), gw.variable(2.0), 0)


def test_choose():
    choices = [CUBE[0], CUBE[1], CUBE[0, 0]]
    numbers = RNG.integers(0, 3, (3, 4))
    same(np.choose, numbers, choices)
    same(np.choose, numbers - 1, choices, mode="wrap")
    same(np.choose, numbers * 2, choices, mode="clip")
    same(np.choose, np.array([[1], [0], [2]]), choices)
    right(lambda a, b, c: np.choose(numbers, [a, b, c]) ** 2, *choices)
    with pytest.raises(ShapeError, match="numbers from"):
        np.choose(numbers + 1, [gw.variable(c) for c in choices])


# ----------------------------------------------------------------------------------------------- picking by conditions


def test_compress_and_extract():
    keep = [True, False, True]
    same(np.compress, keep, CUBE, axis=1)
    same(np.compress, keep, CUBE)
    same(np.extract, CUBE > 0, CUBE)
    right(lambda x: np.compress(keep, x, axis=1) ** 2, CUBE)
    right(lambda x: np.extract(CUBE > 0, x) ** 2, CUBE)
    np.testing.assert_array_equal(gw.variable(CUBE).compress(keep, axis=1).value, CUBE.compress(keep, axis=1))
    np.testing.assert_array_equal(gw.grad(lambda x: np.sum(np.extract(x > 0, x)))(CUBE), CUBE > 0)


def test_select():
    conditions = [CUBE < -1, CUBE < 0, CUBE > 1]
    choices = [CUBE * 2, CUBE**2, 5.0]
    same(np.select, conditions, choices)
    same(np.select, conditions, choices, default=-1)
    same(np.select, conditions, [c.astype("float32") if np.ndim(c) else c for c in choices])
    right(lambda x: np.select([x < -1, x < 0, x > 1], [x * 2, x**2, np.exp(x)], default=x) * x, CUBE * 0.97)
    safe = gw.grad(lambda x: np.sum(np.select([x > 0], [np.log(np.where(x > 0, x, 1))], 0)))(np.array([0.0, 2.0]))
    np.testing.assert_array_equal(safe, [0, 0.5])
    with pytest.raises(ShapeError, match="conditions for"):
        np.select([CUBE > 0], [gw.variable(CUBE), 1.0])
    with pytest.raises(DTypeError, match="boolean"):
        np.select([1], [gw.variable(CUBE)])


def test_piecewise():
    functions = [lambda x: -x, lambda x: x**2, 3.0]
    same(np.piecewise, CUBE, [CUBE < -1, CUBE > 1], functions)
    same(np.piecewise, CUBE, [CUBE < -1, CUBE > 1], functions[:2])
    same(np.piecewise, ROW.astype("float32"), ROW < 1, [lambda x: x * 2, np.exp])
    same(np.piecewise, CUBE.astype("float32"), [CUBE < 0], [lambda x: x * 2, np.exp])
    same(np.piecewise, np.array(2.0), [True], [lambda x: x * 2])
    same(np.piecewise, CUBE, [CUBE > 0], [lambda x, scale: x * scale, 1.0], 3.0)
    same(np.piecewise, ROW, [ROW > 1, ROW > 1.5], [1.0, 2.0])
    right(lambda x: np.piecewise(x, [x < -1, x > 1], [lambda x: -x, lambda x: x**2, 3.0]) * x, CUBE)
    root = gw.grad(lambda x: np.sum(np.piecewise(x, [x > 0], [np.sqrt, 0.0])))(np.array([0.0, 4.0]))
    np.testing.assert_array_equal(root, [0, 0.25])
    with pytest.raises(ShapeError, match="functions are expected"):
        np.piecewise(gw.variable(ROW), [ROW > 1], [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(np.sort(x) * np.arange(5.0)),
        lambda x: np.partition(x, 2)[2],
        lambda x: x[np.argsort(x)][0] ** 2,
        lambda x: np.sum(np.take_along_axis(x, np.argsort(x), 0)[:2]),
        lambda x: np.sum(np.interp(x, np.arange(-3.0, 4), np.arange(7.0) ** 2)),
        lambda x: np.nanquantile(x, 0.3) + np.std(x) + np.median(x),
        lambda x: np.sum(np.cumprod(x) * np.cumsum(x)),
    ],
    ids=["sort", "partition", "argsort", "take_along_axis", "interp", "statistics", "running"],
)
def test_many_examples_at_once(f):
    examples = RNG.standard_normal((4, 5))
    expected = [gw.grad(f)(example) for example in examples]
    np.testing.assert_allclose(gw.vmap(gw.grad(f))(examples), expected, rtol=1e-12)
