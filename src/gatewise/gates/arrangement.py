"""Functions that arrange entries: repeat, roll, split, pad by copies, triangles, grids, and lists of coefficients.

One gate of its own, `roll`, and many functions made of gates of `movement` and `indexing`, as NumPy makes its own. What
an index, a number of copies or a shape says is taken from values, so it carries no gradient.
"""

from __future__ import annotations

import builtins
import operator
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, pairwise, product
from math import prod
from typing import Any

import numpy as np

from gatewise import gates, libraries
from gatewise import samples as draw
from gatewise.errors import DTypeError, ShapeError, UnsupportedError
from gatewise.gate import Movement, broadcast_shapes, implements, normalize_axes, normalize_axis, refuse
from gatewise.graph import Spec, apply, arrayed, dtype_name, filled, namespace, untracked
from gatewise.samples import sample

__all__ = [
    "append",
    "apply_along_axis",
    "array_split",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block",
    "broadcast_arrays",
    "column_stack",
    "delete",
    "diag",
    "diagflat",
    "dsplit",
    "dstack",
    "fliplr",
    "flipud",
    "hsplit",
    "insert",
    "meshgrid",
    "pad_with_copies",
    "polyadd",
    "polyder",
    "polyint",
    "polymul",
    "polysub",
    "polyval",
    "repeat",
    "resize",
    "roll",
    "rollaxis",
    "rot90",
    "split",
    "tile",
    "tril",
    "trim_zeros",
    "triu",
    "unstack",
    "vander",
    "vsplit",
]


@dataclass(frozen=True)
class Roll(Movement):
    """Entries moved along axes, those pushed off one end coming back at the other"""

    name = "roll"
    symbol = "roll"
    story = "moves: the upstream gradient is rolled back"
    samples = (
        sample(draw.normal(5), shift=(2,), axis=(0,)),
        sample(draw.normal(3, 4), shift=(-1, 3), axis=(0, 1)),
        sample(draw.normal(0, 2), shift=(1,), axis=(1,)),
    )

    shift: tuple[int, ...]
    axis: tuple[int, ...]

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.roll(x, self.shift, axis=self.axis)

    def local_x(self, g: Any) -> Any:
        return apply(Roll(tuple(-n for n in self.shift), self.axis), g)

    def infer(self, *specs: Spec) -> Spec:
        return specs[0]


# ------------------------------------------------------------------------------------------------- rolling and turning


@implements(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """Entries moved by `shift` along `axis` (None: all entries in a row), those at the end coming back at the start.

    Example:
        >>> import gatewise as gw
        >>> gw.roll([1.0, 2.0, 3.0], 1).tolist()
        [3.0, 1.0, 2.0]
    """
    a = arrayed(a)
    if axis is None:
        steps = builtins.sum(shift) if isinstance(shift, tuple | list) else shift
        return gates.reshape(roll(gates.ravel(a), steps, 0), a.shape)
    pairs = np.broadcast(shift, axis)
    shifts, axes = [], []
    for n, place in pairs:
        shifts.append(int(n))
        axes.append(normalize_axis(place, len(a.shape), "roll"))
    return apply(Roll(tuple(shifts), tuple(axes)), a)


@implements(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """An axis moved back until it stands before `start`."""
    a = arrayed(a)
    ndim = len(a.shape)
    place = normalize_axis(axis, ndim, "rollaxis")
    before = start + ndim if start < 0 else start
    if not 0 <= before <= ndim:
        raise ShapeError(f"rollaxis: start {start} is out of range for an array of {ndim} axes")
    return gates.moveaxis(a, place, before - 1 if place < before else before)


@implements(np.fliplr)
def fliplr(m: Any) -> Any:
    """Columns in reverse order."""
    return gates.flip(_with_axes(m, 2, "fliplr"), axis=1)


@implements(np.flipud)
def flipud(m: Any) -> Any:
    """Rows in reverse order."""
    return gates.flip(_with_axes(m, 1, "flipud"), axis=0)


@implements(np.rot90)
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """The plane of two axes turned by 90 degrees `k` times, from the first axis towards the second."""
    m = arrayed(m)
    first, second = (normalize_axis(axis, len(m.shape), "rot90") for axis in axes)
    if first == second:
        raise ShapeError(f"rot90: the two axes of the plane must differ; got {tuple(axes)}")
    match k % 4:
        case 0:
            return m
        case 1:
            return gates.swapaxes(gates.flip(m, axis=second), first, second)
        case 2:
            return gates.flip(m, axis=(first, second))
        case _:
            return gates.flip(gates.swapaxes(m, first, second), axis=second)


def _with_axes(x: Any, least: int, name: str) -> Any:
    x = arrayed(x)
    if len(x.shape) < least:
        raise ShapeError(f"{name} is for arrays of at least {least} axes; this one has shape {x.shape}")
    return x


# -------------------------------------------------------------------------------------------------------- repeating


@implements(np.repeat)
def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Each entry repeated, `repeats` times or as many times as `repeats` says for each, along `axis` (None: in a row).

    Example:
        >>> import gatewise as gw
        >>> gw.repeat([1.0, 2.0], [1, 3]).tolist()
        [1.0, 2.0, 2.0, 2.0]
    """
    a = arrayed(a)
    if axis is None:
        a, axis = gates.ravel(a), 0
    place = normalize_axis(axis, len(a.shape), "repeat")
    length = a.shape[place]
    counts = libraries.to_numpy(untracked(repeats), "repeat")
    if counts.dtype.kind not in "iub":
        raise DTypeError(f"repeat: the numbers of repeats are integers; got {counts.dtype}")
    if counts.size == 1:
        times = int(counts.ravel()[0])
        if times < 0:
            raise ShapeError(f"repeat: an entry cannot be repeated {times} times")
        lead, rest = a.shape[:place], a.shape[place + 1 :]
        apart = gates.reshape(a, (*lead, length, 1, *rest))
        return gates.reshape(gates.broadcast_to(apart, (*lead, length, times, *rest)), (*lead, length * times, *rest))
    if counts.shape != (length,):
        raise ShapeError(f"repeat: axis {axis} has {length} entries, and {counts.shape} numbers of repeats were given")
    return _taken(a, np.repeat(np.arange(length), counts), place)


@implements(np.tile)
def tile(A: Any, reps: Any) -> Any:
    """The whole array laid side by side, `reps` times per axis.

    Example:
        >>> import gatewise as gw
        >>> gw.tile([1.0, 2.0], (2, 2)).tolist()
        [[1.0, 2.0, 1.0, 2.0], [1.0, 2.0, 1.0, 2.0]]
    """
    a = arrayed(A)
    times = tuple(operator.index(n) for n in (reps if isinstance(reps, tuple | list | np.ndarray) else (reps,)))
    ndim = max(len(times), len(a.shape))
    times = (1,) * (ndim - len(times)) + times
    shape = (1,) * (ndim - len(a.shape)) + tuple(a.shape)
    apart = gates.reshape(a, tuple(n for length in shape for n in (1, length)))
    laid = gates.broadcast_to(apart, tuple(n for pair in zip(times, shape, strict=True) for n in pair))
    return gates.reshape(laid, tuple(t * n for t, n in zip(times, shape, strict=True)))


@implements(np.resize)
def resize(a: Any, new_shape: Any) -> Any:
    """The entries in a row, again and again until they fill `new_shape`."""
    a = gates.ravel(a)
    shape = tuple(new_shape) if isinstance(new_shape, tuple | list) else (new_shape,)
    length, wanted = a.shape[0], prod(shape)
    if wanted < 0 or any(n < 0 for n in shape):
        raise ShapeError(f"resize: lengths are not negative; got {shape}")
    if not length or not wanted:
        return namespace((untracked(a),)).zeros(shape, dtype=a.dtype)
    return gates.reshape(tile(a, -(-wanted // length))[:wanted], shape)


# ---------------------------------------------------------------------------------------------- splitting and joining


@implements(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Stretches along `axis`: so many, nearly equal ones, or those between the given indices."""
    ary = arrayed(ary)
    place = normalize_axis(axis, len(ary.shape), "array_split")
    length = ary.shape[place]
    if np.ndim(indices_or_sections) == 0:
        sections = operator.index(indices_or_sections)
        if sections <= 0:
            raise ShapeError(f"array_split: the number of sections is positive; got {sections}")
        small, larger = divmod(length, sections)
        cuts = [0, *accumulate([small + 1] * larger + [small] * (sections - larger))]
    else:
        cuts = [0, *(operator.index(i) for i in indices_or_sections), length]
    lead = (slice(None),) * place
    return [gates.getitem(ary, (*lead, slice(start, stop))) for start, stop in pairwise(cuts)]


@implements(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Stretches along `axis`: so many equal ones, or those between the given indices.

    Raises:
        ShapeError: The axis does not divide into so many equal stretches.

    Example:
        >>> import gatewise as gw
        >>> [part.tolist() for part in gw.split([1.0, 2.0, 3.0], [1])]
        [[1.0], [2.0, 3.0]]
    """
    ary = arrayed(ary)
    place = normalize_axis(axis, len(ary.shape), "split")
    if np.ndim(indices_or_sections) == 0 and ary.shape[place] % indices_or_sections:
        raise ShapeError(
            f"split: {ary.shape[place]} entries do not divide into {indices_or_sections} equal parts; use array_split"
        )
    return array_split(ary, indices_or_sections, place)


@implements(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Stretches of columns; of a vector, of entries."""
    ary = _with_axes(ary, 1, "hsplit")
    return split(ary, indices_or_sections, 1 if len(ary.shape) > 1 else 0)


@implements(np.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Stretches of rows."""
    return split(_with_axes(ary, 2, "vsplit"), indices_or_sections, 0)


@implements(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Stretches along the third axis."""
    return split(_with_axes(ary, 3, "dsplit"), indices_or_sections, 2)


@implements(np.unstack)
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """The slices along `axis`, without it: the inverse of `stack`."""
    x = _with_axes(x, 1, "unstack")
    place = normalize_axis(axis, len(x.shape), "unstack")
    return tuple(gates.getitem(x, (slice(None),) * place + (i,)) for i in range(x.shape[place]))


@implements(np.column_stack)
def column_stack(tup: Any) -> Any:
    """Vectors as columns, and matrices, side by side."""
    parts = [arrayed(part) for part in tup]
    return gates.concat([gates.reshape(p, (-1, 1)) if len(p.shape) < 2 else p for p in parts], axis=1)


@implements(np.dstack)
def dstack(tup: Any) -> Any:
    """Arrays one behind the other, along the third axis."""
    return gates.concat([atleast_3d(part) for part in tup], axis=2)


@implements(np.block)
def block(arrays: Any) -> Any:
    """An array put together from nested lists of blocks: the innermost along the last axis, and so outwards.

    Example:
        >>> import gatewise as gw
        >>> gw.block([[gw.tile(1.0, (2, 2)), gw.tile(0.0, (2, 1))], [gw.tile(5.0, (1, 3))]]).tolist()
        [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [5.0, 5.0, 5.0]]
    """
    depth = _depth(arrays)
    ndim = max(depth, _largest_ndim(arrays, depth))
    return _joined(arrays, depth, ndim)


def _depth(arrays: Any) -> int:
    """How deep the lists of blocks are nested."""
    if not isinstance(arrays, list):
        return 0
    if not arrays:
        raise ShapeError("block: a list of blocks is empty")
    depths = {_depth(part) for part in arrays}
    if len(depths) > 1:
        raise ShapeError("block: the lists of blocks are not nested equally deep")
    return depths.pop() + 1


def _largest_ndim(arrays: Any, depth: int) -> int:
    if depth == 0:
        return len(np.shape(untracked(arrays)))
    return max(_largest_ndim(part, depth - 1) for part in arrays)


def _joined(arrays: Any, depth: int, ndim: int) -> Any:
    """The blocks of one level of nesting joined along its axis, each with `ndim` axes."""
    if depth == 0:
        part = arrayed(arrays)
        return gates.reshape(part, (1,) * (ndim - len(part.shape)) + tuple(part.shape))
    return gates.concat([_joined(part, depth - 1, ndim) for part in arrays], axis=-depth)


@implements(np.append)
def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """`values` joined to the end along `axis` (None: both in a row)."""
    return gates.concat([arr, values], axis=axis)


@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """`values` put in before the indices `obj` along `axis` (None: of the entries in a row)."""
    arr, values, obj = arrayed(arr), arrayed(values), untracked(obj)
    if axis is None:
        arr, axis = gates.ravel(arr), 0
    ndim = len(arr.shape)
    place = normalize_axis(axis, ndim, "insert")
    length = arr.shape[place]
    values = gates.reshape(values, (1,) * (ndim - len(values.shape)) + tuple(values.shape))
    if isinstance(obj, slice):
        obj = np.arange(*obj.indices(length))
    obj = np.asarray(obj, dtype=None if np.size(obj) else int)
    if obj.dtype == bool:
        obj = np.flatnonzero(obj)
    if obj.ndim == 0:  # then the first axis of the values lies along the axis of the array
        values = gates.moveaxis(values, 0, place)
        many = values.shape[place]
        obj = np.full(many, int(obj))
    else:
        many = obj.size
    shape = (*arr.shape[:place], many, *arr.shape[place + 1 :])
    values = gates.astype(gates.broadcast_to(values, shape), arr.dtype)
    order = np.insert(np.arange(length), obj, np.arange(length, length + many))
    return _taken(gates.concat([arr, values], axis=place), order, place)


@implements(np.delete)
def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    """What is left without the indices `obj` along `axis` (None: of the entries in a row)."""
    arr = arrayed(arr)
    if axis is None:
        arr, axis = gates.ravel(arr), 0
    place = normalize_axis(axis, len(arr.shape), "delete")
    return _taken(arr, np.delete(np.arange(arr.shape[place]), untracked(obj)), place)


def _taken(x: Any, indices: Any, axis: int) -> Any:
    """Entries at indices along an axis."""
    return gates.getitem(x, (slice(None),) * axis + (indices,))


@implements(np.trim_zeros)
def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    """Without the zeros at the front ("f") and the back ("b"), along `axis` (None: all axes)."""
    filt = arrayed(filt)
    trim = trim.lower()
    if trim not in ("f", "b", "fb", "bf"):
        raise UnsupportedError(f"trim_zeros: trim is made of 'f' and 'b'; got {trim!r}")
    places = np.argwhere(libraries.to_numpy(untracked(filt), "trim_zeros") != 0)
    key: list[slice] = [slice(None)] * len(filt.shape)
    for along in normalize_axes(axis, len(filt.shape), "trim_zeros"):
        if not len(places):
            key[along] = slice(0, 0)
            continue
        start = int(places[:, along].min()) if "f" in trim else None
        stop = int(places[:, along].max()) + 1 if "b" in trim else None
        key[along] = slice(start, stop)
    return gates.getitem(filt, tuple(key)) if key else filt


# ----------------------------------------------------------------------------------------------- shapes brought in line


def _at_least(name: str, function: Callable[[Any], Any]) -> Callable[..., Any]:
    def at_least(*arys: Any) -> Any:
        results = tuple(function(arrayed(array)) for array in arys)
        return results[0] if len(results) == 1 else results

    at_least.__name__ = at_least.__qualname__ = name
    return at_least


def _three_axes(x: Any) -> Any:
    shape = tuple(x.shape)
    return x if len(shape) > 2 else gates.reshape(x, ((1, 1, 1), (1, *shape, 1), (*shape, 1))[len(shape)])


atleast_1d = _at_least("atleast_1d", lambda x: x if x.shape else gates.reshape(x, (1,)))
atleast_1d.__doc__ = "A single number as an array of one entry; anything else as it is. Several arguments give a tuple."
atleast_2d = _at_least("atleast_2d", lambda x: x if len(x.shape) > 1 else gates.reshape(x, (1, -1)))
atleast_2d.__doc__ = "A number or a vector as a matrix of one row; anything else as it is."
atleast_3d = _at_least("atleast_3d", _three_axes)
atleast_3d.__doc__ = "New axes around a vector, behind a matrix, so that there are three."
implements(np.atleast_1d)(atleast_1d)
implements(np.atleast_2d)(atleast_2d)
implements(np.atleast_3d)(atleast_3d)


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    """The arrays repeated to their common shape."""
    arrays = [arrayed(array) for array in args]
    shape = broadcast_shapes(*(tuple(array.shape) for array in arrays))
    return tuple(array if tuple(array.shape) == shape else gates.broadcast_to(array, shape) for array in arrays)


@implements(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    """Coordinates of a grid from one vector per axis; `sparse` leaves out what repeats."""
    if indexing not in ("xy", "ij"):
        raise UnsupportedError(f"meshgrid: indexing is 'xy' or 'ij'; got {indexing!r}")
    ndim = len(xi)
    order = [1, 0, *range(2, ndim)] if indexing == "xy" and ndim > 1 else list(range(ndim))
    grids = [gates.reshape(x, tuple(-1 if along == order[i] else 1 for along in range(ndim))) for i, x in enumerate(xi)]
    return tuple(grids) if sparse else broadcast_arrays(*grids)


@implements(np.apply_along_axis)
def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """A function of a vector applied to each line along `axis`; what it returns stands in its place."""
    arr = arrayed(arr)
    place = normalize_axis(axis, len(arr.shape), "apply_along_axis")
    lines = gates.moveaxis(arr, place, -1)
    outer = tuple(lines.shape[:-1])
    if not prod(outer):
        raise ShapeError(f"apply_along_axis: shape {tuple(arr.shape)} has no lines along axis {axis}")
    results = [arrayed(func1d(lines[index], *args, **kwargs)) for index in product(*map(range, outer))]
    inner = tuple(results[0].shape)
    together = gates.reshape(gates.stack(results), (*outer, *inner))
    width = len(inner)
    return gates.moveaxis(together, tuple(range(-width, 0)), tuple(range(place, place + width))) if width else together


@implements(np.apply_over_axes)
def _apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Any:
    """A function of an array and an axis applied for one axis after another, each kept with length 1."""
    value = arrayed(a)
    for axis in axes if isinstance(axes, tuple | list | np.ndarray) else (axes,):
        place = normalize_axis(axis, len(value.shape), "apply_over_axes")
        result = arrayed(func(value, place))
        if len(result.shape) not in (len(value.shape), len(value.shape) - 1):
            raise ShapeError(f"apply_over_axes: the function made shape {result.shape} of shape {value.shape}")
        value = result if len(result.shape) == len(value.shape) else gates.expand_dims(result, place)
    return value


# --------------------------------------------------------------------------------------------- diagonals and triangles


@implements(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    """Of a vector the matrix with it on diagonal `k`, of a matrix that diagonal.

    Example:
        >>> import gatewise as gw
        >>> gw.diag([1.0, 2.0]).tolist()
        [[1.0, 0.0], [0.0, 2.0]]
    """
    v = arrayed(v)
    if len(v.shape) == 2:
        return gates.diagonal(v, k)
    if len(v.shape) != 1:
        raise ShapeError(f"diag is for vectors and matrices; this one has shape {tuple(v.shape)}")
    length = v.shape[0]
    side = length + abs(k)
    zeros = namespace((untracked(v),)).zeros((side * side,), dtype=v.dtype)
    start = k if k >= 0 else -k * side
    flat = gates.setitem(zeros, slice(start, start + length * (side + 1), side + 1), v) if length else zeros
    return gates.reshape(flat, (side, side))


@implements(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    """The matrix with all entries of `v` on diagonal `k`."""
    return diag(gates.ravel(v), k)


@implements(np.tril)
def tril(m: Any, k: int = 0) -> Any:
    """A matrix, or many, with zeros above diagonal `k`."""
    return _triangle(m, k, lower=True)


@implements(np.triu)
def triu(m: Any, k: int = 0) -> Any:
    """A matrix, or many, with zeros below diagonal `k`."""
    return _triangle(m, k, lower=False)


def _triangle(m: Any, k: int, lower: bool) -> Any:
    m = _with_axes(m, 1, "tril" if lower else "triu")
    rows, columns = m.shape[-2:] if len(m.shape) > 1 else m.shape * 2
    mask = np.tri(rows, columns, k if lower else k - 1, dtype=bool)
    xp = namespace((untracked(m),))
    value = untracked(m)
    return gates.where(libraries.placed(xp, mask if lower else ~mask, value), m, libraries.zeros(xp, (), value))


# ------------------------------------------------------------------------------------------------------ pad by copies

#: Modes of np.pad in which the border is made of entries; which ones, np.pad itself says for an array of indices.
COPIES = ("edge", "reflect", "symmetric", "wrap")


def pad_with_copies(array: Any, pad_width: Any, mode: str, **options: Any) -> Any:
    """A border made of the entries themselves: "edge", "reflect", "symmetric" or "wrap", as ``np.pad`` has them.

    NumPy's other modes, in which a border is computed, are in `borders`.

    Example:
        >>> import gatewise as gw
        >>> gw.pad_with_copies([1.0, 2.0, 3.0], (1, 2), "reflect").tolist()
        [2.0, 1.0, 2.0, 3.0, 2.0, 1.0]
    """
    if mode not in COPIES or options.get("reflect_type", "even") != "even":
        return gates.later("borders").pad_by_rule(array, pad_width, mode, **options)
    options.pop("reflect_type", None)
    refuse("pad", options)
    x = arrayed(array)
    widths = np.broadcast_to(np.asarray(pad_width, dtype=int), (len(x.shape), 2)).tolist()
    for axis, (before, after) in enumerate(widths):
        if not before and not after:
            continue
        try:
            # NumPy's stubs list the modes one by one; a wrong one ends in the except below
            places = np.pad(np.arange(x.shape[axis]), (before, after), mode=mode)  # type: ignore[call-overload]
        except ValueError as error:
            raise ShapeError(f"pad: axis {axis} of shape {tuple(x.shape)}: {error}") from None
        border = [places[:before], places[before + x.shape[axis] :]]
        sides = [_taken(x, indices, axis) for indices in border]  # only the borders' gradients need to be gathered
        x = gates.concat([sides[0], x, sides[1]], axis=axis)
    return x


# ------------------------------------------------------------------------------- polynomials, highest power first


@implements(np.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The matrix whose columns are powers of `x`, falling from N - 1 to 0."""
    x = _with_axes(x, 1, "vander")
    if len(x.shape) != 1:
        raise ShapeError(f"vander is for vectors; this one has shape {tuple(x.shape)}")
    x = gates.astype(x, np.promote_types(dtype_name(x.dtype), int))  # as NumPy, which gives float64 for float32
    powers = np.arange(x.shape[0] if N is None else N, dtype=dtype_name(x.dtype))
    xp = namespace((untracked(x),))
    return gates.pow(x[:, None], libraries.placed(xp, powers if increasing else powers[::-1].copy(), untracked(x)))


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """The polynomial with coefficients `p`, highest power first, at `x`, by Horner's rule.

    Example:
        >>> import gatewise as gw
        >>> float(gw.polyval([3.0, 0.0, 1.0], 5.0))  # 3x² + 1
        76.0
    """
    p, x = arrayed(p), arrayed(x)
    if not p.shape:
        raise ShapeError("polyval: the coefficients are a row, the one of the highest power first; got a single number")
    value = filled(untracked(x), 0)
    for i in range(p.shape[0]):
        value = value * x + p[i]
    return value


@implements(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    """The sum of two polynomials."""
    one, two = _same_degree(a1, a2)
    return gates.add(one, two)


@implements(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    """The difference of two polynomials."""
    one, two = _same_degree(a1, a2)
    return gates.subtract(one, two)


def _same_degree(a1: Any, a2: Any) -> tuple[Any, Any]:
    """Two lists of coefficients, the shorter with zeros in front."""
    one, two = atleast_1d(a1), atleast_1d(a2)
    if one.shape[0] != two.shape[0] and len(one.shape) + len(two.shape) > 2:
        raise ShapeError(f"polynomials are rows of coefficients; got shapes {tuple(one.shape)} and {tuple(two.shape)}")
    longest = max(one.shape[0], two.shape[0])
    if one.shape[0] < longest:
        one = gates.pad(one, (longest - one.shape[0], 0))
    if two.shape[0] < longest:
        two = gates.pad(two, (longest - two.shape[0], 0))
    return one, two


@implements(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    """The product of two polynomials; zeros in front are left out, as NumPy does."""
    parts = []
    for coefficients in (a1, a2):
        trimmed = trim_zeros(atleast_1d(coefficients), "f")
        parts.append(trimmed if trimmed.shape[0] else atleast_1d(coefficients)[-1:])
    return gates.convolve(*parts)


@implements(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    """The coefficients of the `m`-th derivative of a polynomial."""
    p = arrayed(p)
    if m < 0:
        raise UnsupportedError(f"polyder: the order is not negative; got {m}")
    for _ in range(m):
        degree = p.shape[0] - 1
        p = p[:-1] * np.arange(degree, 0, -1, dtype=dtype_name(p.dtype)) if degree > 0 else p[:0]
    return p


@implements(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """The coefficients of the `m`-th antiderivative of a polynomial, with the constants `k` of integration."""
    p = arrayed(p)
    if m < 0:
        raise UnsupportedError(f"polyint: the order is not negative; got {m}")
    constants = atleast_1d(0.0 if k is None else k)
    if constants.shape[0] == 1 and m > 1:
        constants = repeat(constants, m)
    if constants.shape[0] < m:
        raise ShapeError(f"polyint: {m} constants of integration are needed, {constants.shape[0]} were given")
    for i in range(m):
        p = gates.concat([p / np.arange(p.shape[0], 0, -1, dtype=dtype_name(p.dtype)), constants[i : i + 1]])
    return p


# ------------------------------------------------------------------------------------- arrays made for another's sake


for _function in (np.eye, np.identity, np.tri):  # np.eye(3, like=x) is a constant, which NumPy itself makes
    implements(_function)(_function)
