import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from gatewise.picture.quantity import THUMBNAIL_CELLS, quantity_of, same


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3.00"),
        (3, "3"),
        (True, "True"),
        (np.float32(0.5), "0.50"),
        (np.array(2.5), "2.50"),
        (1 + 2j, "1.00+2.00j"),
        (np.zeros((5, 10)), "5×10"),
        (np.zeros((0, 3)), "0×3"),
        (10**12, "1.0e+12"),
    ],
)
def test_the_label_of_a_value(value: object, text: str) -> None:
    quantity = quantity_of(value)
    assert quantity is not None
    assert quantity.text == text
    assert not quantity.alarming


@given(
    st_numpy.arrays(
        dtype=st.sampled_from(["float64", "float32", "float16", "int8", "bool", "complex128"]),
        shape=st_numpy.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=20),
    )
)
def test_any_array_has_a_thumbnail_of_bounded_size(array) -> None:
    quantity = quantity_of(array)
    assert quantity is not None
    assert quantity.shape == array.shape
    assert len(quantity.thumbnail) <= THUMBNAIL_CELLS
    assert all(len(row) <= THUMBNAIL_CELLS for row in quantity.thumbnail)
    assert quantity.alarming == (not np.isfinite(array).all())


def test_a_thumbnail_is_the_mean_of_blocks() -> None:
    quantity = quantity_of(np.arange(16.0))
    assert quantity is not None
    assert quantity.thumbnail == ((0.5, 2.5, 4.5, 6.5, 8.5, 10.5, 12.5, 14.5),)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_one_broken_element_among_many_is_seen(broken: float) -> None:
    array = np.zeros((1000, 1000))
    array[777, 3] = broken
    quantity = quantity_of(array)
    assert quantity is not None
    assert quantity.alarming
    assert not all(np.isfinite(quantity.thumbnail).ravel())


def test_statistics_are_over_what_is_finite() -> None:
    quantity = quantity_of(np.array([1.0, 3.0, np.nan, np.inf, 0.0]))
    assert quantity is not None
    assert quantity.statistics is not None
    assert (quantity.statistics.minimum, quantity.statistics.maximum) == (0.0, 3.0)
    assert (quantity.statistics.zeros, quantity.statistics.nans, quantity.statistics.infinities) == (1, 1, 1)


def test_large_numbers_do_not_overflow_the_thumbnail() -> None:
    quantity = quantity_of(np.full(100, 1.5e308))
    assert quantity is not None
    assert np.isfinite(quantity.thumbnail).all()


def test_what_numpy_cannot_hold_is_shown_as_text() -> None:
    quantity = quantity_of(object())
    assert quantity is not None
    assert quantity.text.startswith("<object")


def test_sameness_holds_for_nan() -> None:
    assert same(quantity_of(float("nan")), quantity_of(float("nan")))
    assert not same(quantity_of(1.0), quantity_of(2.0))
