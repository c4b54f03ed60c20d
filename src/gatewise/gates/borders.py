"""Borders that are computed: ramps, means, extremes, odd reflections, and constants that differ or are traced.

`pad_by_rule` is what `pad` (in `movement`) and `pad_with_copies` (in `arrangement`) hand these modes to. Axis after
axis is padded, so corners are made of borders, as NumPy does it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gatewise import gates
from gatewise.errors import ShapeError, UnsupportedError
from gatewise.gate import refuse
from gatewise.graph import arrayed, dtype_name

__all__: list[str] = []

_STATISTICS = {"mean": "mean", "maximum": "max", "minimum": "min", "median": "median"}
_MODES = ("constant", "empty", "linear_ramp", "mean", "maximum", "minimum", "median", "reflect", "symmetric")


def pad_by_rule(x: Any, pad_width: Any, mode: str, **options: Any) -> Any:
    """A border by one of the modes in `_MODES`, with their options ``constant_values``, ``end_values`` and so on.

    Raises:
        UnsupportedError: There is no such mode.
    """
    x = arrayed(x)
    if mode not in _MODES:
        raise UnsupportedError(f"pad: there is no mode {mode!r}; the others are edge, wrap, {', '.join(_MODES)}")
    ndim = len(x.shape)
    widths = np.broadcast_to(np.asarray(pad_width, dtype=int), (ndim, 2)).tolist()
    if mode in ("constant", "empty", "linear_ramp"):  # of "empty" nothing is promised, so it is 0
        name = "end_values" if mode == "linear_ramp" else "constant_values"
        ends = _per_side(options.pop(name, 0), ndim)
    else:
        ends = None
    lengths = options.pop("stat_length", None) if mode in _STATISTICS else None
    if mode in ("reflect", "symmetric"):
        options.pop("reflect_type", None)
    refuse("pad", options)
    chunks = np.broadcast_to(np.asarray(-1 if lengths is None else lengths, dtype=int), (ndim, 2)).tolist()
    for axis, (before, after) in enumerate(widths):
        if not before and not after:
            continue
        lines = gates.moveaxis(x, axis, 0)
        if mode in ("reflect", "symmetric"):
            lines = _reflected_oddly(lines, before, after, mode == "symmetric")
        else:
            border = _border(mode, ends[axis] if ends is not None else chunks[axis])
            parts = [border(lines, before, 0), lines, gates.flip(border(gates.flip(lines, axis=0), after, 1), axis=0)]
            lines = gates.concat(parts)
        x = gates.moveaxis(lines, 0, axis)
    return x


def _per_side(values: Any, ndim: int) -> list[list[Any]]:
    """One value, a pair, or a pair per axis, as a pair per axis."""
    if isinstance(values, list | tuple):
        values = np.stack([np.stack(one) if isinstance(one, list | tuple) else one for one in values])
    given = gates.broadcast_to(arrayed(values), (ndim, 2))
    return [[given[i, side] for side in (0, 1)] for i in range(ndim)]


def _border(mode: str, setting: Any) -> Callable[[Any, int, int], Any]:
    """What makes the border in front of lines: of a width, for a side (0, or 1 where the lines come flipped)."""

    def constant(lines: Any, width: int, side: int) -> Any:
        value = gates.astype(setting[side], dtype_name(lines.dtype))
        return gates.broadcast_to(value, (width, *lines.shape[1:]))

    def ramp(lines: Any, width: int, side: int) -> Any:
        if not width:
            return lines[:0]
        points = np.linspace(gates.astype(setting[side], dtype_name(lines.dtype)), lines[0], width, endpoint=False)
        return gates.astype(points, dtype_name(lines.dtype))

    def statistic(lines: Any, width: int, side: int) -> Any:
        number = setting[side] if setting[side] >= 0 else lines.shape[0]
        if not number and mode in ("maximum", "minimum"):
            raise ShapeError(f"pad: stat_length=0 leaves no entry for mode {mode!r}")
        value = getattr(gates, _STATISTICS[mode])(lines[:number], axis=0, keepdims=True)
        if np.dtype(dtype_name(lines.dtype)).kind in "iu":
            value = gates.round(value)
        value = gates.astype(value, dtype_name(lines.dtype))
        return gates.broadcast_to(value, (width, *lines.shape[1:]))

    if mode == "linear_ramp":
        return ramp
    return statistic if mode in _STATISTICS else constant


def _reflected_oddly(lines: Any, before: int, after: int, with_edge: bool) -> Any:
    """Both ends continued through their end points, as often as the border is wider than the lines."""
    if not lines.shape[0]:
        raise ShapeError("pad: an axis without entries has nothing to reflect")
    if lines.shape[0] == 1 and not with_edge:
        return gates.broadcast_to(lines, (1 + before + after, *lines.shape[1:]))
    skip = 0 if with_edge else 1
    while before or after:
        longest = lines.shape[0] - skip
        left, right = min(before, longest), min(after, longest)
        length = lines.shape[0]
        front = 2 * lines[:1] - gates.flip(lines[skip : skip + left], axis=0)
        back = 2 * lines[length - 1 :] - gates.flip(lines[length - skip - right : length - skip], axis=0)
        lines = gates.concat([front, lines, back])
        before, after = before - left, after - right
    return lines
