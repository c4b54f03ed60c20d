"""Order and choice: sorting, looking up between sorted points, and picking entries by indices or conditions.

Sorting is a gate; what picks entries is composed of indexing and `where`. Functions that answer with indices
(`argsort`, `searchsorted`) carry no gradient and are computed on values. Medians and quantiles are in `statistics`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewise import gates, libraries
from gatewise import samples as draw
from gatewise.errors import DTypeError, InputError, ShapeError, UnsupportedError
from gatewise.gate import Gate, Kink, broadcast_shapes, implements, normalize_axis, refuse
from gatewise.graph import Spec, Tracked, apply, arrayed, dtype_name, is_complex, namespace, surfaced
from gatewise.samples import sample

__all__ = [
    "argpartition",
    "choose",
    "compress",
    "extract",
    "interp",
    "partition",
    "piecewise",
    "put_along_axis",
    "select",
    "sort",
    "take_along_axis",
    "unique",
]

# ------------------------------------------------------------------------------------------------------------- sorting


@dataclass(frozen=True)
class _Reordering(Gate):
    """What sorting and partitioning share: the entries change places along an axis."""

    axis: int

    def local_x(self, g: Any, x: Any, out: Any) -> Any:
        return apply(Rearrange(self.axis), g, out, x)

    def infer(self, *specs: Spec) -> Spec:
        return specs[0]

    def decision(self, out: Any, *inputs: Any) -> Any:
        return np.argsort(inputs[0], axis=self.axis, kind="stable")


class Sort(_Reordering):
    """Entries in increasing order along an axis, NaN last"""

    name = "sort"
    symbol = "sort"
    story = "routes: each entry receives the upstream gradient of the place that it was sorted to"
    samples = (
        sample(draw.normal(5), axis=0),
        sample(draw.normal(3, 4), axis=1),
        sample(draw.normal(2, 3, 2), axis=1),
        sample(draw.normal(0, 2), axis=0),
        sample(draw.normal(4, dtype="float32"), axis=0),
    )
    kinks = (
        Kink(
            ([3.0, 1.0, 3.0],),
            ([1.0, 1.0, 1.0],),
            "a tie: entries that are equal share what their places receive",
            (("axis", 0),),
        ),
    )

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.sort(x, axis=self.axis)


@dataclass(frozen=True)
class Partition(_Reordering):
    """Entries with those of some ranks in their sorted places along an axis, smaller ones before, larger ones after"""

    name = "partition"
    symbol = "partition"
    story = "routes: each entry receives the upstream gradient of the place that it was moved to"
    samples = (
        sample(draw.normal(5), axis=0, ranks=(2,)),
        sample(draw.normal(3, 4), axis=1, ranks=(0, 2)),
    )

    ranks: tuple[int, ...]

    def forward(self, xp: Any, x: Any) -> Any:
        if xp is np:
            return np.partition(x, self.ranks, axis=self.axis)
        if hasattr(xp, "rearranged"):
            raise UnsupportedError("partitioning, in which the order of the others is NumPy's own")
        return xp.sort(x, axis=self.axis)


@dataclass(frozen=True)
class Rearrange(Gate):
    """x, whose entries belong to those of `before`, put where the same entries stand in `after`

    `before` and `after` hold the same entries along the axis, in different orders. Where some are equal, theirs of x
    are averaged: which of them belongs to which is a choice, and that is its mean.
    """

    name = "rearrange"
    symbol = "rearrange"
    story = "routes: each entry receives the upstream gradient of the place that it was moved to"
    samples = (
        sample(draw.normal(4), [1.0, 2.0, 3.0, 4.0], [3.0, 1.0, 4.0, 2.0], axis=0),
        sample(draw.normal(4), [1.0, 2.0, 2.0, 4.0], [2.0, 1.0, 4.0, 2.0], axis=0),
        sample(draw.normal(2, 3), [[1.0, 2.0, 2.0], [1.0, 2.0, 3.0]], [[2.0, 1.0, 2.0], [3.0, 1.0, 2.0]], axis=1),
        sample(draw.complexes(3), [1.0, 2.0, 3.0], [3.0, 1.0, 2.0], axis=0),
    )

    axis: int

    def forward(self, xp: Any, x: Any, before: Any, after: Any) -> Any:
        if xp is np:
            return _rearranged(x, before, after, self.axis)
        if hasattr(xp, "rearranged"):
            return xp.rearranged(x, before, after, self.axis)
        if 0 not in before.shape and not libraries.is_lazy(before):
            source, target = (xp.argsort(array, axis=self.axis) for array in (before, after))
            owners = xp.take_along_axis(before, source, axis=self.axis)
            lead = (slice(None),) * self.axis
            ties = owners[(*lead, slice(1, None), ...)] == owners[(*lead, slice(None, -1), ...)]
            if not bool(xp.any(ties)):
                ordered = xp.take_along_axis(x, source, axis=self.axis)
                return xp.take_along_axis(ordered, xp.argsort(target, axis=self.axis), axis=self.axis)
        plain = [libraries.to_numpy(array, self.name) for array in (x, before, after)]
        return libraries.placed(xp, _rearranged(plain[0], plain[1], plain[2], self.axis), x)

    def local_x(self, g: Any, before: Any, after: Any) -> Any:
        return apply(self, g, after, before)

    def infer(self, *specs: Spec) -> Spec:
        return specs[0]


def _rearranged(x: Any, before: Any, after: Any, axis: int) -> Any:
    """x moved as its owners moved, from their places in `before` to those in `after`."""
    source, target = (np.argsort(array, axis=axis) for array in (before, after))
    ordered = np.take_along_axis(x, source, axis)
    owners = np.moveaxis(np.take_along_axis(before, source, axis), axis, -1)
    starts = np.ones(owners.shape, bool)
    starts[..., 1:] = owners[..., 1:] != owners[..., :-1]
    if not starts.all():
        row = np.moveaxis(ordered, axis, -1)
        first = np.flatnonzero(starts)
        counts = np.diff(first, append=starts.size)
        means = np.add.reduceat(row.ravel(), first) / counts
        shared = np.repeat(means, counts).reshape(row.shape)
        ordered = np.moveaxis(np.where(np.repeat(counts, counts).reshape(row.shape) > 1, shared, row), -1, axis)
    out = np.empty_like(x)
    np.put_along_axis(out, target, ordered.astype(x.dtype, copy=False), axis)
    return out


@dataclass(frozen=True)
class Distinct(Gate):
    """The first of the slices along an axis that are equal, for each group of equal ones

    `first` says where the groups' first slices are, `group` to which group each slice belongs, and `counts` how many
    slices the groups have.
    """

    name = "distinct"
    symbol = "≠"
    story = "shares: slices that are equal receive even parts of the upstream gradient of the one they became"
    samples = (
        sample(draw.normal(4), [2, 0, 3, 1], [1, 3, 0, 2], [1, 1, 1, 1], axis=0),
        sample(draw.normal(2, 3), [1, 2, 0], [2, 0, 1], [1, 1, 1], axis=1),
        sample(draw.complexes(2), [0, 1], [0, 1], [1, 1], axis=0),
    )

    axis: int

    def forward(self, xp: Any, x: Any, first: Any, group: Any, counts: Any) -> Any:
        return xp.take(x, first, axis=self.axis)

    def local_x(self, g: Any, group: Any, counts: Any, x_shape: Any) -> Any:
        column = gates.reshape(counts, tuple(-1 if i == self.axis else 1 for i in range(len(x_shape))))
        return gates.take(g / gates.astype(column, g.dtype), group, axis=self.axis)

    def infer(self, *specs: Spec) -> Spec:
        x, first, *_ = specs
        return Spec((*x.shape[: self.axis], *first.shape, *x.shape[self.axis + 1 :]), x.dtype)

    def decision(self, out: Any, *inputs: Any) -> Any:
        return inputs[2]


def _along(a: Any, axis: Any, function: str) -> tuple[Any, int]:
    """The array and the axis to work along; None: of all entries in a row."""
    a = arrayed(a)
    if axis is None:
        return gates.ravel(a), 0
    return a, normalize_axis(axis, len(a.shape), function)


@implements(np.sort)
def sort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, descending: bool = False, stable: Any = None
) -> Any:
    """Entries in increasing order along `axis` (None: all in a row), NaN last; equal ones share their gradients.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> gw.grad(lambda x: gw.sort(x)[0])(np.array([3.0, 1.0, 2.0])).tolist()
        [0.0, 1.0, 0.0]
    """
    refuse("sort", {"order": order})
    a, axis = _along(a, axis, "sort")
    ordered = apply(Sort(axis), a)
    return gates.flip(ordered, axis=axis) if descending else ordered


@implements(np.partition)
def partition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Any:
    """Entries so that the one of rank `kth` (or several) is in its sorted place, with smaller ones before it."""
    refuse("partition", {"order": order})
    a, axis = _along(a, axis, "partition")
    length = a.shape[axis]
    ranks = np.atleast_1d(kth)
    if not length:
        return gates.flip(a, axis=axis)  # there is nothing to move, and the result is another array
    if ((ranks < -length) | (ranks >= length)).any():
        raise ShapeError(f"partition: there is no rank {kth} among {length} entries: ranks go from 0 to {length - 1}")
    return apply(Partition(axis, tuple([int(rank) % length for rank in ranks])), a)


@implements(np.argsort)
def argsort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, descending: bool = False, stable: Any = None
) -> Any:
    """Indices that would sort `a`; integers, so they carry no gradient. Descending, equal entries keep their order."""
    refuse("argsort", {"order": order})
    value, axis = _along(_value(a), axis, "argsort")
    xp = namespace((value,))
    if descending:  # equal entries keep their order when what is sorted, and then the result, is turned round
        value, stable = gates.flip(value, axis=axis), True
    if xp is np:
        indices = np.argsort(value, axis=axis, kind="stable" if stable else kind)
    else:
        indices = xp.argsort(value, axis=axis, stable=bool(stable))
    if descending:
        indices = gates.flip(value.shape[axis] - 1 - indices, axis=axis)
    return surfaced(indices)


@implements(np.argpartition)
def argpartition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Any:
    """Indices that would partition `a`; integers, so they carry no gradient."""
    refuse("argpartition", {"order": order})
    value, axis = _along(_value(a), axis, "argpartition")
    return np.argpartition(value, kth, axis=axis)


@implements(np.searchsorted)
def searchsorted(a: Any, v: Any, side: Any = "left", sorter: Any = None) -> Any:
    """Where `v` would go in `a`, sorted or put in order by `sorter`; integers, so they carry no gradient."""
    values = arrayed(_value(a)), arrayed(_value(v))
    if sorter is not None:
        values = gates.take(values[0], arrayed(_value(sorter)), axis=0), values[1]
    xp = namespace(values)
    return surfaced(xp.searchsorted(*values, side=side))


@implements(np.unique)
def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: Any = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    """The different entries, or with `axis` slices, in order; equal ones share the gradient of the one they become.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> gw.grad(lambda x: np.sum(np.unique(x) ** 2))(np.array([3.0, 1.0, 3.0])).tolist()
        [3.0, 2.0, 3.0]
    """
    row, place = (arrayed(ar), axis) if axis is not None else _along(ar, None, "unique")
    place = normalize_axis(place, len(row.shape), "unique")
    value = _value(arrayed(ar))
    if hasattr(type(value), "carrier"):
        raise UnsupportedError(
            "unique: how many different entries there are depends on the numbers, so it cannot be part of a function "
            "that is mapped, compiled or looped: call it outside"
        )
    found = np.unique(libraries.to_numpy(value, "unique"), True, True, True, axis, equal_nan=equal_nan)
    first, inverse, counts = (libraries.placed(namespace((value,)), answer, value) for answer in found[1:])
    different = apply(Distinct(place), row, first, gates.ravel(inverse), counts)
    asked = ((return_index, first), (return_inverse, inverse), (return_counts, counts))
    rest = [answer for wanted, answer in asked if wanted]
    return (different, *rest) if rest else different


# ------------------------------------------------------------------------------------------- looking up between points


@implements(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """The function that runs straight from point to point (xp, fp), at x; differentiated with respect to all three.

    Outside the points it is `left` and `right`, by default the first and last of `fp`; with `period`, it repeats. At a
    point where two slopes meet, the smallest between them is taken: 0 at a peak, else the flatter one.

    Example:
        >>> import gatewise as gw
        >>> float(gw.grad(gw.interp)(1.5, [1.0, 2.0], [10.0, 30.0]))
        20.0
    """
    x, xp, fp = (_floating(array) for array in (x, xp, fp))
    if is_complex(x.dtype) or is_complex(xp.dtype):
        raise DTypeError("interp: places x and xp are real numbers, in order; only the heights fp may be complex")
    if len(xp.shape) != 1 or tuple(xp.shape) != tuple(fp.shape):
        raise ShapeError(f"interp: xp and fp are rows of equal length; got shapes {xp.shape} and {fp.shape}")
    if not xp.shape[0]:
        raise ShapeError("interp: there are no points to run between")
    if period is not None:
        if not period:
            raise InputError("interp: a period cannot be 0")
        period, left, right = abs(period), None, None
        x, xp = gates.remainder(x, period), gates.remainder(xp, period)
        order = argsort(xp)
        xp, fp = xp[order], fp[order]
        xp = gates.concat([xp[-1:] - period, xp, xp[:1] + period])
        fp = gates.concat([fp[-1:], fp, fp[:1]])
    return _between_points(x, xp, fp, fp[0] if left is None else left, fp[-1] if right is None else right)


def _floating(array: Any) -> Any:
    """In double precision, as NumPy interpolates."""
    array = arrayed(array)
    return gates.astype(array, "complex128" if np.dtype(dtype_name(array.dtype)).kind == "c" else "float64")


def _between_points(x: Any, xp: Any, fp: Any, left: Any, right: Any) -> Any:
    """The interpolation; which stretch an x lies in does not change with small steps, and carries no gradient."""
    pick = gates.getitem  # also of plain points at traced places
    on = apply(Stretch("on"), x, xp, fp)
    if xp.shape[0] == 1:
        inside = pick(fp, on)
    else:
        start, flat = apply(Stretch("start"), x, xp, fp), apply(Stretch("flat"), x, xp, fp)
        slope = (pick(fp, start + 1) - pick(fp, start)) / (pick(xp, start + 1) - pick(xp, start))
        inside = gates.where(flat, pick(fp, on), slope * (x - pick(xp, start)) + pick(fp, start))
    out = gates.where(x < xp[0], left, gates.where(x > xp[-1], right, inside))
    return gates.where(x == x, out, np.nan)


@dataclass(frozen=True)
class Stretch(Gate):
    """Where x lies between sorted points: `on` the last one not after x, and which slope is taken there

    That is the one of the stretch with the number `start`, or, if `flat`, none: x is on a point between a rise and a
    fall. The answers are three gates.
    """

    name = "stretch"
    symbol = "which"
    story = "answers with an index: no gradient passes"
    samples = (
        sample(draw.normal(2, 3), [-1.0, 0.0, 1.5], [3.0, 1.0, 2.0], answer="on"),
        sample(draw.normal(3), [-1.0, 0.0, 1.5], [3.0, 1.0, 2.0], answer="start"),
        sample(0.0, [-1.0, 0.0, 1.5], [3.0, 1.0, 2.0], answer="flat"),
    )

    answer: str

    def forward(self, xp: Any, x: Any, points: Any, heights: Any) -> Any:
        if xp is np:
            return self.find(np, *(np.asarray(array) for array in (x, points, heights)))
        if hasattr(xp, "getitem"):
            return self.find(xp, *(xp.asarray(array) for array in (x, points, heights)))
        found = self.find(np, *(libraries.to_numpy(array, self.name) for array in (x, points, heights)))
        return libraries.placed(xp, found, points)

    def find(self, xp: Any, x: Any, points: Any, heights: Any) -> Any:
        """The answer, by a library whose arrays take arrays of indices."""
        last = points.shape[0] - 1
        on = xp.minimum(xp.maximum(xp.searchsorted(points, x, side="right") - 1, 0), last)
        if self.answer == "on":
            return on
        end = xp.zeros((1,), dtype="float64")
        with np.errstate(all="ignore"):
            slopes = xp.concat([end, (heights[1:] - heights[:-1]) / (points[1:] - points[:-1]), end])
        before, after, hit = slopes[on], slopes[on + 1], x == points[on]
        if self.answer == "flat":
            return hit & ~(xp.real(before * xp.conj(after)) > 0)
        start = xp.where(hit & (xp.abs(before) < xp.abs(after)), on - 1, on)
        return xp.minimum(xp.maximum(start, 0), last - 1)

    def infer(self, *specs: Spec) -> Spec:
        return Spec(specs[0].shape, np.dtype(bool if self.answer == "flat" else np.intp))

    def decision(self, out: Any, *inputs: Any) -> Any:
        return out


# -------------------------------------------------------------------------------------------------- picking by indices


def _grid(shape: tuple[int, ...], indices: Any, axis: int) -> tuple[Any, ...]:
    """The full index that picks `indices` along an axis and each entry's own place along the others."""
    if len(indices.shape) != len(shape):
        raise ShapeError(f"indices of shape {tuple(indices.shape)} need as many axes as the array of shape {shape}")
    key: list[Any] = []
    for place, length in enumerate(shape):
        own = np.arange(length).reshape([-1 if i == place else 1 for i in range(len(shape))])
        key.append(indices if place == axis else own)
    return tuple(key)


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    """Entries at `indices` along `axis`, which hold a choice for every line: ``x`` sorted is x at its `argsort`."""
    arr, axis = _along(arr, axis, "take_along_axis")
    indices = arrayed(_value(indices))
    return gates.getitem(arr, _grid(tuple(arr.shape), indices, axis))


def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> Any:
    """A new array: `arr` with `values` written at `indices` along `axis`.

    NumPy's own writes into its array and answers nothing; ``np.put_along_axis`` on an Array does the same.
    """
    shape = tuple(np.shape(arr))
    arr, axis = _along(arr, axis, "put_along_axis")
    written = gates.setitem(arr, _grid(tuple(arr.shape), arrayed(_value(indices)), axis), values)
    return gates.reshape(written, shape)


@implements(np.put_along_axis)
def _put_along_axis_in_place(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    if not isinstance(arr, Tracked):
        refuse("np.put_along_axis", {"arr": "a plain array, which would lose the gradient of traced values"})
    arr[...] = put_along_axis(arr, indices, values, axis)


@implements(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    """For each entry of the integers `a` the entry of the choice of that number.

    `mode` says what a number without a choice means: an error, or counted around (``"wrap"``) or cut (``"clip"``).
    """
    refuse("choose", {"out": out})
    parts = [arrayed(choice) for choice in choices]
    a = arrayed(_value(a))
    shape = broadcast_shapes(tuple(a.shape), *(tuple(part.shape) for part in parts))
    numbers = np.broadcast_to(a, shape)
    if mode == "wrap":
        numbers = numbers % len(parts)
    elif mode == "clip":
        numbers = np.clip(numbers, 0, len(parts) - 1)
    elif numbers.size and not (numbers.min() >= 0 and numbers.max() < len(parts)):
        raise ShapeError(f"choose: numbers from {numbers.min()} to {numbers.max()} for {len(parts)} choices")
    chosen = gates.stack([gates.broadcast_to(part, shape) for part in parts])
    return take_along_axis(chosen, numbers[None], axis=0)[0]


# ----------------------------------------------------------------------------------------------- picking by conditions


@implements(np.compress)
def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    """The slices of `a` along `axis` (None: entries of the row) for which the vector `condition` holds."""
    refuse("compress", {"out": out})
    condition = np.asarray(_value(condition))
    if condition.ndim != 1:
        raise ShapeError(f"compress: the condition is a vector; got shape {condition.shape}")
    a, axis = _along(a, axis, "compress")
    return gates.take(a, np.flatnonzero(condition), axis=axis)


@implements(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    """The entries where `condition` holds, in a row."""
    return gates.getitem(gates.ravel(arr), np.flatnonzero(np.asarray(_value(condition))))


@implements(np.select)
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """Entry by entry the choice of the first condition that holds, else `default`.

    Raises:
        ShapeError: There are not as many conditions as choices, or none.
        DTypeError: A condition is not boolean.
    """
    if len(condlist) != len(choicelist) or not condlist:
        raise ShapeError(f"select: {len(condlist)} conditions for {len(choicelist)} choices")
    numbers = [
        choice if type(choice) in (int, float, complex) else arrayed(choice) for choice in (default, *choicelist)
    ]
    dtype = np.result_type(*(np.dtype(dtype_name(c.dtype)) if hasattr(c, "dtype") else c for c in numbers))
    out = gates.astype(arrayed(numbers.pop(0)), dtype)
    for condition, choice in zip(reversed(condlist), reversed(numbers), strict=True):
        condition = arrayed(condition)
        if dtype_name(condition.dtype) != "bool":
            raise DTypeError(f"select: conditions are boolean; got {condition.dtype}")
        out = gates.where(condition, choice, out)
    return out


@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Any:
    """Where a condition holds, the value of its function (or its number) there; the dtype is that of `x`.

    One function more than conditions is for where none holds; where no function is, the result is 0.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> f = lambda x: np.sum(np.piecewise(x, [x < 0, x >= 0], [lambda x: -x, lambda x: x ** 2]))
        >>> gw.grad(f)(np.array([-2.0, 3.0])).tolist()
        [-1.0, 6.0]
    """
    x = arrayed(x)
    conditions = _conditions(condlist, tuple(x.shape))
    if len(conditions) == len(funclist) - 1:
        conditions.append(~np.any(conditions, axis=0))
    elif len(conditions) != len(funclist):
        raise ShapeError(
            f"piecewise: with {len(conditions)} conditions, {len(conditions)} or {len(conditions) + 1} functions are "
            f"expected; got {len(funclist)}"
        )
    out: Any = np.zeros(tuple(x.shape), dtype_name(x.dtype))
    for condition, function in zip(conditions, funclist, strict=True):
        if not callable(function):
            out = gates.setitem(out, condition, function)
        elif condition.any():
            out = gates.setitem(out, condition, function(gates.getitem(x, condition), *args, **kw))
    return out if isinstance(out, Tracked) else x * 0 + out


def _conditions(condlist: Any, shape: tuple[int, ...]) -> list[Any]:
    """The conditions of `piecewise` as boolean arrays; one alone need not be in a list."""
    if isinstance(condlist, Tracked):
        condlist = condlist.value
    if np.ndim(condlist) == 0 or (
        not isinstance(condlist[0], list | np.ndarray | Tracked) and (shape or not isinstance(condlist, list | tuple))
    ):
        condlist = [condlist]
    conditions = [np.asarray(_value(condition), dtype=bool) for condition in condlist]
    for condition in conditions:
        if condition.shape != shape:
            raise ShapeError(f"piecewise: a condition of shape {condition.shape} for an array of shape {shape}")
    return conditions


def _value(x: Any) -> Any:
    return x.value if isinstance(x, Tracked) else x
