"""From an array to the little that a picture shows of it: a number, or statistics and a thumbnail.

Every value that enters a scene passes here, so that the scene itself is plain data and no renderer needs NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gatewise.picture.words import complex_text, number_text, shape_text, shorten

THUMBNAIL_CELLS = 8
HISTOGRAM_BINS = 16


@dataclass(frozen=True)
class Statistics:
    """An array in eight numbers; the first four are over its finite elements."""

    minimum: float
    maximum: float
    mean: float
    deviation: float
    zeros: int
    size: int
    nans: int
    infinities: int


@dataclass(frozen=True)
class Quantity:
    """A value or a gradient, reduced to what a picture shows."""

    shape: tuple[int, ...]
    dtype: str
    text: str
    number: float | None = None
    statistics: Statistics | None = None
    thumbnail: tuple[tuple[float, ...], ...] = ()
    histogram: tuple[int, ...] = ()

    @property
    def alarming(self) -> bool:
        """Whether a NaN or an infinity is in it."""
        if self.number is not None:
            return not math.isfinite(self.number)
        return self.statistics is not None and self.statistics.nans + self.statistics.infinities > 0


def quantity_of(value: object) -> Quantity | None:
    """What a picture shows of a value, of any shape and dtype; None stays None."""
    if value is None:
        return None
    if type(value) is np.float64:  # most of a large circuit
        number = float(value)
        return Quantity((), "float64", number_text(number), number)
    array = _as_numpy(value)
    if array is None or array.dtype.kind not in "biufc":
        shape = tuple(int(length) for length in getattr(value, "shape", ()))
        return Quantity(shape, str(getattr(value, "dtype", type(value).__name__)), shorten(str(value), 12))
    if array.ndim == 0:
        return _scalar(array)
    magnitudes = _real(array)
    text = shape_text(array.shape)
    statistics, thumbnail = _statistics(magnitudes), _thumbnail(magnitudes)
    return Quantity(
        array.shape, _dtype_name(array.dtype), text, None, statistics, thumbnail, _histogram(magnitudes, statistics)
    )


def quantity_together(values: Iterable[object]) -> Quantity | None:
    """Several values as one row of all their entries; None where there are none, or one that NumPy cannot hold."""
    known = [value for value in values if value is not None]
    if known and all(type(value) is np.float64 for value in known):
        return quantity_of(np.array(known))
    arrays = [_as_numpy(value) for value in known]
    rows = [array.ravel() for array in arrays if array is not None and array.dtype.kind in "biufc"]
    return quantity_of(np.concatenate(rows)) if rows and len(rows) == len(arrays) else None


@lru_cache(maxsize=64)
def _dtype_name(dtype: np.dtype[np.generic]) -> str:
    """NumPy takes several microseconds to spell one."""
    return str(dtype)


def same(first: Quantity | None, second: Quantity | None) -> bool:
    """Whether two gradients would look the same, so that drawing both would only clutter."""
    return repr(first) == repr(second)


def _as_numpy(value: object) -> NDArray[np.generic] | None:
    """The value as a NumPy array, wherever it lives; None where NumPy cannot hold it."""
    for step in ("detach", "cpu", "get"):  # PyTorch keeps a graph and a device, CuPy a device
        if not isinstance(value, np.ndarray | np.generic) and hasattr(value, step) and hasattr(value, "shape"):
            value = getattr(value, step)()
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError):
        return None


def _real(array: NDArray[np.generic]) -> NDArray[np.float64]:
    """The array as real numbers: complex ones by magnitude."""
    with np.errstate(all="ignore"):
        return np.asarray(np.abs(array) if array.dtype.kind == "c" else array, dtype=np.float64)


def _scalar(array: NDArray[np.generic]) -> Quantity:
    number = array.item()
    if isinstance(number, complex):
        broken = not bool(np.isfinite(number))
        statistics = Statistics(0.0, 0.0, 0.0, 0.0, 0, 1, int(np.isnan(number)), int(not np.isnan(number)))
        return Quantity((), _dtype_name(array.dtype), complex_text(number), None, statistics if broken else None)
    text = str(number) if isinstance(number, bool | int) else number_text(float(number))
    return Quantity((), _dtype_name(array.dtype), text if len(text) <= 9 else number_text(float(number)), float(number))


def _statistics(array: NDArray[np.float64]) -> Statistics:
    """Over the finite elements; what is not finite is counted apart."""
    finite = array[np.isfinite(array)]
    nans = int(np.isnan(array).sum())
    zeros = int((array == 0).sum())
    if not finite.size:
        return Statistics(0.0, 0.0, 0.0, 0.0, zeros, array.size, nans, array.size - nans)
    with np.errstate(all="ignore"):
        moments = float(finite.mean()), float(finite.std())
    infinities = array.size - nans - finite.size
    return Statistics(float(finite.min()), float(finite.max()), *moments, zeros, array.size, nans, infinities)


def _thumbnail(array: NDArray[np.float64]) -> tuple[tuple[float, ...], ...]:
    """The array as a grid of at most 8 by 8 cells, each the mean of its block.

    Leading axes are stacked. A block that holds a NaN is NaN and one that holds an infinity is infinite (or NaN, when
    it holds both signs): averaging must not hide what is broken.
    """
    if not array.size:
        return ()
    grid = array.reshape(-1, array.shape[-1])
    for axis in (0, 1):
        starts = _blocks(grid.shape[axis])
        lengths = np.diff(np.append(starts, grid.shape[axis]))
        with np.errstate(all="ignore"):
            # Divided before adding, so that the mean of large numbers does not overflow.
            shares = grid / np.repeat(lengths, lengths).reshape((-1, 1) if axis == 0 else (1, -1))
            grid = np.add.reduceat(shares, starts, axis=axis)
    return tuple(tuple(map(float, row)) for row in grid)


def _histogram(array: NDArray[np.float64], statistics: Statistics) -> tuple[int, ...]:
    """How many finite entries fall into each of equal parts of their range; nothing where all are the same."""
    low, high = statistics.minimum, statistics.maximum
    width = high / HISTOGRAM_BINS - low / HISTOGRAM_BINS  # their difference alone may overflow
    if not low < high or width == 0:
        return ()
    finite = array[np.isfinite(array)]
    with np.errstate(all="ignore"):
        places = np.clip((finite / width - low / width).astype(np.intp), 0, HISTOGRAM_BINS - 1)
    return tuple(map(int, np.bincount(places, minlength=HISTOGRAM_BINS)))


def _blocks(length: int) -> NDArray[np.intp]:
    """Where each of at most eight nearly equal blocks starts."""
    count = min(length, THUMBNAIL_CELLS)
    return np.asarray(np.arange(count) * length // count, dtype=np.intp)
