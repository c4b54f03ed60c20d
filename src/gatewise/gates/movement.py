"""Gates that only move entries: reshape, permute, broadcast, flip, concat, stack, pad."""

from __future__ import annotations

import builtins
import operator
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from gatewise import gates, libraries
from gatewise import samples as draw
from gatewise.errors import ShapeError
from gatewise.gate import Movement, broadcast_shapes, implements, normalize_axes, normalize_axis, refuse
from gatewise.graph import Spec, apply, arrayed
from gatewise.samples import sample

__all__ = [
    "broadcast_to",
    "concat",
    "expand_dims",
    "flip",
    "hstack",
    "moveaxis",
    "pad",
    "permute_dims",
    "ravel",
    "reshape",
    "squeeze",
    "stack",
    "swapaxes",
    "vstack",
]


@dataclass(frozen=True)
class Reshape(Movement):
    """The same entries in the same order, in another shape"""

    name = "reshape"
    symbol = "reshape"
    story = "moves: the upstream gradient takes the input's shape again"
    samples = (
        sample(draw.normal(3, 4), shape=(2, 6)),
        sample(draw.normal(6), shape=(2, 3)),
        sample(draw.normal(), shape=(1, 1)),
        sample(draw.normal(0, 3), shape=(3, 0)),
    )

    shape: tuple[int, ...]

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.reshape(x, self.shape)

    def local_x(self, g: Any, x_shape: Any) -> Any:
        return gates.reshape(g, x_shape)

    def infer(self, *specs: Spec) -> Spec:
        (x,) = specs
        if prod(self.shape) != prod(x.shape):
            raise ShapeError(f"{prod(x.shape)} entries do not fill shape {self.shape} ({prod(self.shape)} entries)")
        return Spec(self.shape, x.dtype)


@dataclass(frozen=True)
class Permute(Movement):
    """Axes in another order"""

    name = "permute_dims"
    symbol = "T"
    story = "moves: the upstream gradient's axes are put back in the input's order"
    samples = (
        sample(draw.normal(3, 4), axes=(1, 0)),
        sample(draw.normal(2, 3, 4), axes=(2, 0, 1)),
        sample(draw.normal(), axes=()),
    )

    axes: tuple[int, ...]

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.permute_dims(x, self.axes)

    def local_x(self, g: Any) -> Any:
        return gates.permute_dims(g, tuple(self.axes.index(i) for i in range(len(self.axes))))

    def infer(self, *specs: Spec) -> Spec:
        (x,) = specs
        return Spec(tuple(x.shape[axis] for axis in self.axes), x.dtype)


@dataclass(frozen=True)
class Broadcast(Movement):
    """The entries repeated along new or length-1 axes"""

    name = "broadcast_to"
    symbol = "broadcast"
    story = "repeats: each entry receives the sum of the upstream gradients of its copies"
    samples = (
        sample(draw.normal(3), shape=(2, 3)),
        sample(draw.normal(3, 1), shape=(3, 4)),
        sample(draw.normal(), shape=(2,)),
        sample(draw.normal(1, 2), shape=(0, 2)),
    )

    shape: tuple[int, ...]

    def forward(self, xp: Any, x: Any) -> Any:
        if isinstance(x, np.generic):  # what np.broadcast_to gives, in a fifth of its time
            out: Any = np.ndarray(self.shape, x.dtype, x.data, strides=(0,) * len(self.shape))
            return out
        return xp.broadcast_to(x, self.shape)

    def local_x(self, g: Any) -> Any:
        return g  # the sweep un-broadcasts

    def infer(self, *specs: Spec) -> Spec:
        (x,) = specs
        if broadcast_shapes(x.shape, self.shape) != self.shape:
            raise ShapeError(f"shape {x.shape} cannot be repeated to {self.shape}: only axes of length 1 repeat")
        return Spec(self.shape, x.dtype)


@dataclass(frozen=True)
class Flip(Movement):
    """Entries in reverse order along axes"""

    name = "flip"
    symbol = "flip"
    story = "moves: the upstream gradient is reversed back"
    samples = (sample(draw.normal(3, 4), axis=(0,)), sample(draw.normal(3, 2), axis=(0, 1)))

    axis: tuple[int, ...]

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.flip(x, axis=self.axis)

    def local_x(self, g: Any) -> Any:
        return gates.flip(g, axis=self.axis)

    def infer(self, *specs: Spec) -> Spec:
        return specs[0]


@dataclass(frozen=True)
class Concat(Movement):
    """Arrays joined along an axis; `sizes` are their lengths there"""

    name = "concat"
    symbol = "concat"
    story = "splits: each input receives its own stretch of the upstream gradient"
    linear = False
    jointly_linear = True
    samples = (
        sample(draw.normal(2, 3), draw.normal(1, 3), axis=0, sizes=(2, 1)),
        sample(draw.normal(2, 3), draw.normal(2, 0), draw.normal(2, 2), axis=1, sizes=(3, 0, 2)),
    )

    axis: int
    sizes: tuple[int, ...]

    def forward(self, xp: Any, *arrays: Any) -> Any:
        return xp.concat(arrays, axis=self.axis)

    def local(self, index: int, g: Any) -> Any:
        start = builtins.sum(self.sizes[:index])
        return g[(slice(None),) * self.axis + (slice(start, start + self.sizes[index]), ...)]

    def infer(self, *specs: Spec) -> Spec:
        for one, other in pairwise(specs):
            rest = [s.shape[: self.axis] + s.shape[self.axis + 1 :] for s in (one, other)]
            if len(one.shape) != len(other.shape) or rest[0] != rest[1]:
                raise ShapeError(f"shapes {one.shape} and {other.shape} differ in more than axis {self.axis}")
        shape = list(specs[0].shape)
        shape[self.axis] = builtins.sum(self.sizes)
        return Spec(tuple(shape), np.result_type(*(spec.dtype for spec in specs)))


@dataclass(frozen=True)
class Stack(Movement):
    """Arrays of one shape laid side by side along a new axis"""

    name = "stack"
    symbol = "stack"
    story = "splits: each input receives its own slice of the upstream gradient"
    linear = False
    jointly_linear = True
    samples = (
        sample(draw.normal(2, 3), draw.normal(2, 3), axis=1),
        sample(draw.normal(), draw.normal(), draw.normal(), axis=0),
    )

    axis: int

    def forward(self, xp: Any, *arrays: Any) -> Any:
        return xp.stack([xp.asarray(array) for array in arrays] if xp is np else arrays, axis=self.axis)

    def local(self, index: int, g: Any) -> Any:
        return g[(slice(None),) * self.axis + (index, ...)]

    def infer(self, *specs: Spec) -> Spec:
        for one, other in pairwise(specs):
            if one.shape != other.shape:
                raise ShapeError(f"shapes {one.shape} and {other.shape} differ; stacked arrays must be alike")
        shape = specs[0].shape
        return Spec(
            (*shape[: self.axis], len(specs), *shape[self.axis :]), np.result_type(*(spec.dtype for spec in specs))
        )


@dataclass(frozen=True)
class Pad(Movement):
    """A constant laid around the entries: `widths` before and after, per axis"""

    name = "pad"
    symbol = "pad"
    story = "crops: the input receives the upstream gradient of its own place, the border's is dropped"
    linear = False  # affine: the border does not scale
    samples = (
        sample(draw.normal(2, 3), widths=((1, 0), (0, 2)), fill=0.0),
        sample(draw.normal(3), widths=((2, 1),), fill=1.5),
    )

    widths: tuple[tuple[int, int], ...]
    fill: float

    def forward(self, xp: Any, x: Any) -> Any:
        shape = tuple(before + n + after for n, (before, after) in zip(x.shape, self.widths, strict=True))
        if xp is np:
            out = np.full(shape, self.fill, dtype=x.dtype)
            out[self._inside(x.shape)] = x
            return out
        border = libraries.zeros(xp, shape, x) + self.fill
        return libraries.written(xp, border, self._inside(x.shape), x) if shape else x

    def local_x(self, g: Any, x_shape: Any) -> Any:
        return g[self._inside(x_shape)]

    def infer(self, *specs: Spec) -> Spec:
        (x,) = specs
        return Spec(tuple(b + n + a for n, (b, a) in zip(x.shape, self.widths, strict=True)), x.dtype)

    def _inside(self, shape: tuple[int, ...]) -> tuple[slice, ...]:
        return tuple(slice(before, before + n) for n, (before, _) in zip(shape, self.widths, strict=True))


@implements(np.reshape)
def reshape(x: Any, /, shape: Any = None, *, copy: bool | None = None, **others: Any) -> Any:
    """The same entries in the same order in `shape`; one length may be -1, to be worked out.

    Args:
        x: An array.
        shape: The lengths, whose product is the number of entries.
        copy: For plain arrays: True always copies, False never does and is an error where it would have to. Arrays
            are copies in meaning, always.
        others: NumPy's ``order="C"``.

    Raises:
        ShapeError: The entries do not fill `shape`, or cannot be put into it without the copy that was forbidden.
    """
    x = arrayed(x)
    shape = others.pop("newshape", shape)
    if others.pop("order", "C") not in ("C", None):
        raise ShapeError("reshape: only row-major order (order='C') is supported; transpose first for another order")
    refuse("reshape", others)
    lengths = [operator.index(n) for n in (shape if isinstance(shape, tuple | list) else (shape,))]
    if -1 in lengths:
        known = -prod(lengths)
        lengths[lengths.index(-1)] = prod(x.shape) // known if known > 0 else 0
    out = apply(Reshape(tuple(lengths)), x)
    if copy is not None and isinstance(x, np.ndarray) and copy == np.shares_memory(x, out):
        if not copy:
            raise ShapeError(f"reshape: shape {x.shape} cannot become {out.shape} without a copy, as copy=False asks")
        return out.copy()
    return out


@implements(np.ravel)
def ravel(x: Any, /, order: str = "C") -> Any:
    """All entries in a row."""
    x = arrayed(x)
    return reshape(x, (-1,), order=order) if prod(x.shape) else reshape(x, (0,), order=order)


@implements(np.permute_dims)
def permute_dims(x: Any, /, axes: Any = None) -> Any:
    """Axes in the given order (None: reversed)."""
    x = arrayed(x)
    ndim = len(x.shape)
    if axes is None:
        order = tuple(reversed(range(ndim)))
    else:
        order = tuple(normalize_axis(axis, ndim, "permute_dims") for axis in axes)
        if sorted(order) != list(range(ndim)):
            raise ShapeError(f"permute_dims: axes {tuple(axes)} are not an order of the {ndim} axes of shape {x.shape}")
    return apply(Permute(order), x)


@implements(np.swapaxes)
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Two axes exchanged."""
    x = arrayed(x)
    ndim = len(x.shape)
    order = list(range(ndim))
    one, two = normalize_axis(axis1, ndim, "swapaxes"), normalize_axis(axis2, ndim, "swapaxes")
    order[one], order[two] = two, one
    return permute_dims(x, order)


@implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Axes moved to new places, the others keeping their order."""
    x = arrayed(a)
    ndim = len(x.shape)
    one = [normalize_axis(a, ndim, "moveaxis") for a in (source if isinstance(source, tuple | list) else [source])]
    two = [
        normalize_axis(a, ndim, "moveaxis")
        for a in (destination if isinstance(destination, tuple | list) else [destination])
    ]
    order = [axis for axis in range(ndim) if axis not in one]
    for to, axis in sorted(zip(two, one, strict=True)):
        order.insert(to, axis)
    return permute_dims(x, order)


@implements(np.broadcast_to)
def broadcast_to(x: Any, /, shape: Any) -> Any:
    """The entries repeated to `shape`; read-only in meaning."""
    x = arrayed(x)
    return apply(Broadcast(tuple(shape) if isinstance(shape, tuple | list) else (shape,)), x)


@implements(np.flip)
def flip(x: Any, /, axis: Any = None) -> Any:
    """Entries in reverse order along `axis` (None: all axes)."""
    x = arrayed(x)
    return apply(Flip(normalize_axes(axis, len(x.shape), "flip")), x)


@implements(np.expand_dims)
def expand_dims(x: Any, /, axis: Any) -> Any:
    """New axes of length 1 at `axis`."""
    x = arrayed(x)
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    ndim = len(x.shape) + len(axes)
    places = normalize_axes(tuple(axes), ndim, "expand_dims")
    lengths = iter(x.shape)
    return reshape(x, tuple(1 if i in places else next(lengths) for i in range(ndim)))


@implements(np.squeeze)
def squeeze(x: Any, /, axis: Any = None) -> Any:
    """Axes of length 1 removed: those named, or all of them."""
    x = arrayed(x)
    if axis is None:
        places: tuple[int, ...] = tuple(i for i, n in enumerate(x.shape) if n == 1)
    else:
        places = normalize_axes(axis, len(x.shape), "squeeze")
        for place in places:
            if x.shape[place] != 1:
                raise ShapeError(f"squeeze: axis {place} of shape {x.shape} is not of length 1")
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in places))


@implements(np.concat)
def concat(arrays: Any, /, axis: Any = 0, **others: Any) -> Any:
    """Arrays joined along `axis` (None: all flattened first)."""
    dtype = others.pop("dtype", None)
    others.pop("casting", None)
    refuse("concat", others)
    parts = [arrayed(array) for array in arrays]
    if not parts:
        raise ShapeError("concat: needs at least one array")
    if axis is None:
        parts, axis = [ravel(part) for part in parts], 0
    ndim = len(parts[0].shape)
    if ndim == 0:
        raise ShapeError("concat: 0-d arrays have no axis to be joined along; use stack")
    place = normalize_axis(axis, ndim, "concat")
    sizes = tuple(part.shape[place] if len(part.shape) > place else 1 for part in parts)
    out = apply(Concat(place, sizes), *parts)
    return out if dtype is None else gates.astype(out, dtype)


@implements(np.stack)
def stack(arrays: Any, /, axis: int = 0, **others: Any) -> Any:
    """Arrays of one shape laid side by side along a new axis."""
    refuse("stack", others)
    parts = [arrayed(array) for array in arrays]
    if not parts:
        raise ShapeError("stack: needs at least one array")
    return apply(Stack(normalize_axis(axis, len(parts[0].shape) + 1, "stack")), *parts)


@implements(np.vstack)
def vstack(arrays: Any) -> Any:
    """Rows, or arrays, one below the other."""
    parts = [arrayed(array) for array in arrays]
    return concat([reshape(part, (1, -1)) if len(part.shape) < 2 else part for part in parts], axis=0)


@implements(np.hstack)
def hstack(arrays: Any) -> Any:
    """Arrays side by side."""
    parts = [reshape(array, (1,)) if np.shape(array) == () else arrayed(array) for array in arrays]
    return concat(parts, axis=0 if not parts or len(parts[0].shape) == 1 else 1)


@implements(np.pad)
def pad(
    x: Any, /, pad_width: Any, *mode_and_fill: Any, mode: str = "constant", constant_values: Any = 0.0, **others: Any
) -> Any:
    """A constant laid around the entries, or with `mode` "edge", "reflect", "symmetric", "wrap" copies of them.

    `pad_width` is as NumPy has it: one number, one pair for all axes, or a pair per axis. The fill may also be given
    as the third argument.
    """
    x = arrayed(x)
    if mode_and_fill and isinstance(mode_and_fill[0], str):
        mode = mode_and_fill[0]
    elif mode_and_fill:
        constant_values = mode_and_fill[0]
    if mode != "constant":
        return gates.pad_with_copies(x, pad_width, mode, **others)
    if not isinstance(constant_values, int | float):  # one for each side, or traced
        return gates.later("borders").pad_by_rule(x, pad_width, mode, constant_values=constant_values, **others)
    refuse("pad", others)
    widths = np.broadcast_to(np.asarray(pad_width, dtype=int), (len(x.shape), 2)).tolist()
    return apply(Pad(tuple((before, after) for before, after in widths), float(constant_values)), x)
