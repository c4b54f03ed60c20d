"""Counts and sums by bins: bincount, histogram, histogram2d, histogramdd.

In which bin an entry lies is a whole number and carries no gradient. Weights carry one, and so do the edges of bins
that are laid between the smallest and the largest entry, and through their widths a density.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import prod
from typing import Any

import numpy as np

from gatewise import gates
from gatewise.errors import ShapeError
from gatewise.gate import implements
from gatewise.graph import Tracked, apply, arrayed, untracked

__all__: list[str] = []


def _value(x: Any) -> Any:
    return np.asarray(untracked(arrayed(x)))


def _sums(places: Any, weights: Any, number: int) -> Any:
    """The sum of the weights of each of `number` places; without weights, counts."""
    if weights is None:
        return np.bincount(places, minlength=number)
    return apply(gates.indexing.Scatter((("array",),), (number,)), weights, places)


@implements(np.bincount)
def _bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """How often each whole number comes, or the sum of its weights."""
    places = _value(x)
    if weights is None:
        return np.bincount(places, minlength=minlength)
    weights = gates.astype(arrayed(weights), "float64")
    if tuple(weights.shape) != places.shape:
        raise ShapeError(f"bincount: {places.shape} numbers and {tuple(weights.shape)} weights do not go together")
    length = len(np.bincount(places, minlength=minlength))  # which also says what is wrong with the numbers
    return _sums(places, weights, length)


# --------------------------------------------------------------------------------------------------------------- edges


def _edges(a: Any, bins: Any, limits: Any, weights: Any = None) -> Any:
    """The edges of bins: as they are given, or evenly between limits, which may be the extremes of traced entries."""
    if not isinstance(bins, str) and np.ndim(untracked(bins)) == 1:
        edges = arrayed(bins)
        if np.any(_value(edges)[:-1] > _value(edges)[1:]):
            raise ShapeError("histogram: the edges of bins increase")
        return edges
    if isinstance(bins, str):
        plain = None if limits is None else tuple(untracked(end) for end in limits)
        found = np.histogram_bin_edges(_value(a), bins, plain, None if weights is None else _value(weights))
        number = len(found) - 1
    else:
        number = int(bins)
    if number < 1:
        raise ShapeError(f"histogram: the number of bins is positive; got {number}")
    if limits is not None:
        first, last = (arrayed(end) for end in limits)
        if _value(first) > _value(last):
            raise ShapeError("histogram: the range goes from its lower to its upper end")
    elif prod(a.shape):
        first, last = gates.min(a), gates.max(a)
    else:
        first, last = np.float64(0), np.float64(1)
    if not (np.isfinite(_value(first)) and np.isfinite(_value(last))):
        raise ShapeError("histogram: the range of the entries is not finite")
    if _value(first) == _value(last):
        first, last = first - 0.5, last + 0.5
    return np.linspace(first, last, number + 1)


def _bins_of(a: Any, edges: Any) -> tuple[Any, Any]:
    """For each entry the number of its bin, and whether it is in one; the last bin has both its edges."""
    values, bounds = _value(a), _value(edges)
    places = np.searchsorted(bounds, values, side="right") - 1
    places = np.where(values == bounds[-1], len(bounds) - 2, places)
    return places, (places >= 0) & (places < len(bounds) - 1)


@implements(np.histogram_bin_edges)
def _histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """The edges that `histogram` uses."""
    return _edges(gates.ravel(a), bins, range, weights)


@implements(np.histogram)
def _histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> tuple[Any, Any]:
    """How many entries lie in each bin, or their weights' sums, or a density; and the edges of the bins."""
    a = gates.ravel(a)
    if weights is not None:
        weights = gates.ravel(weights)
        if tuple(weights.shape) != tuple(a.shape):
            raise ShapeError(f"histogram: weights of shape {weights.shape} for entries of shape {a.shape}")
    edges = _edges(a, bins, range, weights)
    places, inside = _bins_of(a, edges)
    chosen = None if weights is None else weights[inside]
    sums = _sums(places[inside], chosen, edges.shape[0] - 1)
    if density:
        return sums / np.diff(edges) / gates.sum(gates.astype(sums, "float64")), edges
    return sums, edges


@implements(np.histogramdd)
def _histogramdd(sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """Like `histogram`, for points of several coordinates: a matrix of points, or a list of coordinates."""
    if isinstance(sample, Tracked | np.ndarray):
        points: Any = arrayed(sample)
        points = gates.reshape(points, (-1, 1)) if len(points.shape) == 1 else points
        coordinates = [points[:, i] for i in np.arange(points.shape[1]).tolist()]
    else:
        coordinates = [arrayed(one) for one in sample]
    width = len(coordinates)
    several: Sequence[Any] = bins if isinstance(bins, list | tuple) else [bins] * width
    if isinstance(bins, np.ndarray | Tracked):
        several = [bins] * width if np.ndim(untracked(bins)) else [int(_value(bins))] * width
    limits = [None] * width if range is None else list(range)
    if len(several) != width or len(limits) != width:
        raise ShapeError(f"histogramdd: {width} coordinates, {len(several)} kinds of bins, {len(limits)} ranges")
    edges = [_edges(*one) for one in zip(coordinates, several, limits, strict=True)]
    found = [_bins_of(*one) for one in zip(coordinates, edges, strict=True)]
    inside = np.logical_and.reduce([one[1] for one in found])
    shape = tuple(edge.shape[0] - 1 for edge in edges)
    places = np.ravel_multi_index([one[0][inside] for one in found], shape)
    chosen = None if weights is None else gates.ravel(weights)[inside]
    sums = gates.astype(gates.reshape(_sums(places, chosen, prod(shape)), shape), "float64")
    if density:
        widths = [np.diff(edge) for edge in edges]
        areas = reduce(lambda area, one: area[..., None] * one, widths)
        sums = sums / areas / gates.sum(sums)
    return sums, tuple(edges)


@implements(np.histogram2d)
def _histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Any, Any, Any]:
    """Like `histogram`, for points of two coordinates."""
    x, y = arrayed(x), arrayed(y)
    if tuple(x.shape) != tuple(y.shape):
        raise ShapeError(f"histogram2d: as many x as y are needed; got shapes {x.shape} and {y.shape}")
    if isinstance(bins, np.ndarray | Tracked) and np.ndim(untracked(bins)):
        bins = [bins, bins]
    elif isinstance(bins, list | tuple) and len(bins) not in (1, 2):
        bins = [np.asarray(bins)] * 2
    sums, edges = _histogramdd([x, y], bins, range, density, weights)
    return sums, edges[0], edges[1]
