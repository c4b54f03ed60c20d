"""Points between two ends, which may be traced: linspace, logspace, geomspace."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from gatewise import gates
from gatewise.errors import ShapeError
from gatewise.gate import broadcast_shapes, implements
from gatewise.graph import arrayed, dtype_name, untracked

__all__: list[str] = []


@implements(np.linspace)
def _linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """`num` points at even distances from `start` to `stop`, with `retstep` also the distance."""
    number = num.__index__()
    if number < 0:
        raise ShapeError(f"linspace: the number of points is not negative; got {number}")
    start, stop = (_inexact(end) for end in (start, stop))
    gaps = number - 1 if endpoint else number
    across = stop - start
    shape = broadcast_shapes(tuple(start.shape), tuple(stop.shape))
    counts = np.arange(number, dtype=np.zeros((), dtype_name(across.dtype)).real.dtype).reshape(-1, *(1,) * len(shape))
    step = across / gaps if gaps > 0 else np.nan
    points = counts * (step if gaps > 0 else across) + start
    if endpoint and number > 1:
        points = gates.concat([points[:-1], gates.broadcast_to(stop, shape)[None]])
    if dtype is not None:
        points = gates.astype(gates.floor(points) if np.dtype(dtype).kind in "iu" else points, dtype)
    points = gates.moveaxis(points, 0, axis) if axis else points
    return (points, step) if retstep else points


def _inexact(x: Any) -> Any:
    x = arrayed(x)
    return x if np.dtype(dtype_name(x.dtype)).kind in "fc" else gates.astype(x, "float64")


@implements(np.logspace)
def _logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0
) -> Any:
    """`base` to the power of evenly distant exponents; the base may be traced too."""
    base = arrayed(base)
    if prod(base.shape) != 1:
        shape = broadcast_shapes(*(tuple(np.shape(untracked(x))) for x in (start, stop, base)))
        start, stop = (gates.broadcast_to(arrayed(x), shape) for x in (start, stop))
        base = gates.expand_dims(gates.broadcast_to(base, shape), axis)
    powers = gates.pow(base, _linspace(start, stop, num, endpoint, axis=axis))
    return powers if dtype is None else gates.astype(powers, dtype)


@implements(np.geomspace)
def _geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """`num` points from `start` to `stop`, each the same multiple of the one before."""
    start, stop = gates.broadcast_arrays(_inexact(start), _inexact(stop))
    if np.any(untracked(start) == 0) or np.any(untracked(stop) == 0):
        raise ShapeError("geomspace: from or to 0 no multiple leads")
    kind = np.result_type(dtype_name(start.dtype), dtype_name(stop.dtype))
    if kind.kind == "f" and np.any(np.sign(untracked(start)) != np.sign(untracked(stop))):
        raise ShapeError("geomspace: from a negative to a positive number no multiple leads; use complex numbers")
    start, stop = gates.astype(start, kind), gates.astype(stop, kind)
    sign = gates.sign(start)
    first, last = start / sign, stop / sign
    points = _logspace(gates.log10(first), gates.log10(last), num, endpoint)
    parts = [first[None], points[1:-1] if endpoint else points[1:], last[None]]
    if num > 1 or (num == 1 and not endpoint):
        points = gates.concat(parts if endpoint else parts[:2])
    elif num == 1:
        points = first[None]
    points = points * sign
    points = gates.moveaxis(points, 0, axis) if axis else points
    return points if dtype is None else gates.astype(points, dtype)
