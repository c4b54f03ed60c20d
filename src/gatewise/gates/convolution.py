"""Convolution and pooling: np.convolve and np.correlate, layers of one to three dimensions, sliding windows.

Layers take images as the course does: examples, channels, then the spatial axes (NCHW). A layer is one gate, and so
are its two gradients, each of them the gradient of another: all three are windows (`windows`, whose gradient is `fold`,
what im2col and col2im do) and one matrix product, or one loop of native code. As in all of deep learning, a layer does
not flip its kernel; `convolve` does.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, Literal

import numpy as np

from gatewise import gates, libraries
from gatewise import samples as draw
from gatewise.errors import ShapeError, UnsupportedError
from gatewise.gate import Contraction, Movement, implements, normalize_axis, refuse
from gatewise.graph import Spec, apply, arrayed
from gatewise.samples import sample

__all__ = [
    "average_pool",
    "conv",
    "convolve",
    "correlate",
    "max_pool",
    "sliding_windows",
]


@dataclass(frozen=True)
class _Windowing(Movement):
    """What windows and their fold share: per axis of `axes` the length, stride and dilation of a window."""

    axes: tuple[int, ...]
    window: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]

    def counts(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """How many windows fit along each axis of `shape`; axes without windows keep their length."""
        counts = list(shape)
        for axis, length, stride, dilation in zip(self.axes, self.window, self.stride, self.dilation, strict=True):
            room = shape[axis] - dilation * (length - 1)
            if room <= 0:
                raise ShapeError(
                    f"a window of {dilation * (length - 1) + 1} entries does not fit into axis {axis} of shape {shape}"
                )
            counts[axis] = (room - 1) // stride + 1
        return tuple(counts)

    def corners(self, shape: tuple[int, ...]) -> Any:
        """For each place within a window: its index, and the key that reads that entry of all windows at once."""
        counts = self.counts(shape)
        for place in product(*map(range, self.window)):
            key: list[Any] = [slice(None)] * len(shape)
            for axis, offset, stride, dilation in zip(self.axes, place, self.stride, self.dilation, strict=True):
                start = offset * dilation
                key[axis] = slice(start, start + (counts[axis] - 1) * stride + 1, stride)
            yield place, tuple(key)


class Windows(_Windowing):
    """Every window of an array: the axes count windows, and new axes at the end run within a window"""

    name = "windows"
    symbol = "windows"
    story = "repeats: each entry receives the sum of the upstream gradients of the windows that it is in"
    samples = (
        sample(draw.normal(5), axes=(0,), window=(2,), stride=(1,), dilation=(1,)),
        sample(draw.normal(2, 7), axes=(1,), window=(2,), stride=(2,), dilation=(3,)),
        sample(draw.normal(5, 2, 4), axes=(0, 2), window=(3, 2), stride=(2, 1), dilation=(1, 2)),
        sample(draw.normal(3, 4, dtype="float32"), axes=(0, 1), window=(2, 2), stride=(1, 1), dilation=(1, 1)),
    )

    def forward(self, xp: Any, x: Any) -> Any:
        counts = self.counts(tuple(x.shape))
        if xp is np:
            steps = list(x.strides)
            for axis, stride in zip(self.axes, self.stride, strict=True):
                steps[axis] *= stride
            within = [x.strides[axis] * dilation for axis, dilation in zip(self.axes, self.dilation, strict=True)]
            return np.lib.stride_tricks.as_strided(x, counts + self.window, (*steps, *within), writeable=False)
        parts = [x[key] for _, key in self.corners(tuple(x.shape))]
        return xp.reshape(xp.stack(parts, axis=-1), counts + self.window)

    def local_x(self, g: Any, x_shape: Any) -> Any:
        return apply(Fold(self.axes, self.window, self.stride, self.dilation, tuple(x_shape)), g)

    def infer(self, *specs: Spec) -> Spec:
        return Spec(self.counts(specs[0].shape) + self.window, specs[0].dtype)


@dataclass(frozen=True)
class Fold(_Windowing):
    """Windows added up where they lie in an array of `shape`; the gradient of taking windows"""

    name = "fold"
    symbol = "fold"
    story = "repeats: each window receives the upstream gradient of the place where it lies"
    samples = (
        sample(draw.normal(4, 2), axes=(0,), window=(2,), stride=(1,), dilation=(1,), shape=(5,)),
        sample(draw.normal(2, 2, 2), axes=(1,), window=(2,), stride=(2,), dilation=(3,), shape=(2, 7)),
    )

    shape: tuple[int, ...]

    def forward(self, xp: Any, g: Any) -> Any:
        out = libraries.zeros(xp, self.shape, g)
        for place, key in self.corners(self.shape):
            if xp is np:
                out[key] += g[(..., *place)]
            else:
                out = libraries.written(xp, out, key, out[key] + g[(..., *place)])
        return out

    def local_g(self, g: Any) -> Any:
        return apply(Windows(self.axes, self.window, self.stride, self.dilation), g)

    def infer(self, *specs: Spec) -> Spec:
        return Spec(self.shape, specs[0].dtype)


@dataclass(frozen=True)
class _Layer(Contraction):
    """What a layer and its two gradients share: how windows lie in the images, and the shapes of images and kernels."""

    images: tuple[int, ...]
    kernels: tuple[int, ...]
    stride: tuple[int, ...]
    sides: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int

    @property
    def ndim(self) -> int:
        """The number of spatial axes."""
        return len(self.stride)

    @property
    def padded(self) -> tuple[int, ...]:
        """The images' shape with the zeros around them."""
        sizes = (n + before + after for n, (before, after) in zip(self.images[2:], self.sides, strict=True))
        return (*self.images[:2], *sizes)

    @property
    def windowing(self) -> tuple[Any, ...]:
        """The parameters of `Windows`."""
        return tuple(range(2, 2 + self.ndim)), self.kernels[2:], self.stride, self.dilation

    @property
    def counts(self) -> tuple[int, ...]:
        """How many windows there are along each spatial axis."""
        return Windows(*self.windowing).counts(self.padded)[2:]

    @property
    def result(self) -> tuple[int, ...]:
        """The shape of the layer's output."""
        return (self.images[0], self.kernels[0], *self.counts)

    @property
    def order(self) -> tuple[int, ...]:
        """The windows' axes as rows (channels and places within a window) and columns (windows of all examples)."""
        n = self.ndim
        return (1, *range(2 + n, 2 + 2 * n), 0, *range(2, 2 + n))

    def columns(self, x: Any) -> Any:
        """The windows of images as the columns of a matrix, one matrix per group."""
        if any(side != (0, 0) for side in self.sides):
            x = gates.pad(x, [(0, 0), (0, 0), *self.sides])
        windows = gates.permute_dims(apply(Windows(*self.windowing), x), self.order)
        return gates.reshape(windows, self.grouped(prod(self.kernels[1:]), -1))

    def rows(self, w: Any) -> Any:
        """Kernels as the rows of a matrix, one matrix per group."""
        return gates.reshape(w, self.grouped(self.kernels[0] // self.groups, -1))

    def results(self, g: Any) -> Any:
        """A gradient on the output as a matrix of kernels by windows."""
        return gates.reshape(gates.moveaxis(g, 1, 0), self.grouped(self.kernels[0] // self.groups, -1))

    def grouped(self, rows: int, columns: int) -> tuple[int, ...]:
        """The shape of a matrix, or of one for each group."""
        return (rows, columns) if self.groups == 1 else (self.groups, rows, columns)


def _layer(**parameters: Any) -> dict[str, Any]:
    return parameters


_LAYERS = (
    _layer(images=(2, 2, 5), kernels=(3, 2, 3), stride=(1,), sides=((1, 1),), dilation=(1,), groups=1),
    _layer(
        images=(2, 4, 5, 6),
        kernels=(2, 2, 2, 3),
        stride=(2, 1),
        sides=((0, 1), (2, 0)),
        dilation=(1, 2),
        groups=2,
    ),
    _layer(
        images=(1, 1, 3, 3, 3),
        kernels=(2, 1, 2, 2, 2),
        stride=(1, 1, 1),
        sides=((0, 0),) * 3,
        dilation=(1, 1, 1),
        groups=1,
    ),
)


def _layer_samples(*inputs: str) -> tuple[Any, ...]:
    """Draws of the named shapes for each of a few layers."""
    made = []
    for number, layer in enumerate(_LAYERS):
        known = {"images": layer["images"], "kernels": layer["kernels"], "result": _Layer(**layer).result}
        dtype = "float32" if number == 2 else "float64"
        made.append(sample(*[draw.normal(*known[name], dtype=dtype) for name in inputs], **layer))
    return tuple(made)


class Conv(_Layer):
    """A convolutional layer: each output is a window of all channels times a kernel"""

    name = "conv"
    symbol = "conv"
    story = "swaps: images receive upstream gradients times kernels, kernels the sum over windows of upstream × window"
    samples = _layer_samples("images", "kernels")

    def forward(self, xp: Any, x: Any, w: Any) -> Any:
        if hasattr(xp, "convolved"):
            return xp.convolved(self, "forward", x, w, self.result)
        product = self.rows(w) @ self.columns(x)
        return gates.moveaxis(gates.reshape(product, (self.kernels[0], self.images[0], *self.counts)), 0, 1)

    def local_x(self, g: Any, w: Any) -> Any:
        return apply(ConvImages(**self.parameters), g, w)

    def local_w(self, g: Any, x: Any) -> Any:
        return apply(ConvKernels(**self.parameters), x, g)

    def infer(self, *specs: Spec) -> Spec:
        return Spec(self.result, np.result_type(*(spec.dtype for spec in specs)))


class ConvImages(_Layer):
    """The gradient of a convolutional layer with respect to its images"""

    name = "conv_images"
    symbol = "convᵀ"
    story = "swaps: the gradient that was spread receives the layer of what arrives, kernels the products with it"
    samples = _layer_samples("result", "kernels")

    def forward(self, xp: Any, g: Any, w: Any) -> Any:
        if hasattr(xp, "convolved"):
            return xp.convolved(self, "images", g, w, self.images)
        columns = gates.swapaxes(self.rows(w), -1, -2) @ self.results(g)
        windows = gates.reshape(columns, (self.images[1], *self.kernels[2:], self.images[0], *self.counts))
        windows = gates.permute_dims(windows, tuple(self.order.index(i) for i in range(len(self.order))))
        axes, window, stride, dilation = self.windowing
        padded = apply(Fold(axes, window, stride, dilation, self.padded), windows)
        inside = [slice(before, before + n) for n, (before, _) in zip(self.images[2:], self.sides, strict=True)]
        return padded[(slice(None), slice(None), *inside)]

    def local_g(self, g: Any, w: Any) -> Any:
        return apply(Conv(**self.parameters), g, w)

    def local_w(self, upstream: Any, g: Any) -> Any:
        return apply(ConvKernels(**self.parameters), upstream, g)

    def infer(self, *specs: Spec) -> Spec:
        return Spec(self.images, np.result_type(*(spec.dtype for spec in specs)))


class ConvKernels(_Layer):
    """The gradient of a convolutional layer with respect to its kernels"""

    name = "conv_kernels"
    symbol = "∂conv"
    story = "swaps: images receive what arrives spread by the gradient they met, and the gradient a layer of it"
    samples = _layer_samples("images", "result")

    def forward(self, xp: Any, x: Any, g: Any) -> Any:
        if hasattr(xp, "convolved"):
            return xp.convolved(self, "kernels", x, g, self.kernels)
        return gates.reshape(self.results(g) @ gates.swapaxes(self.columns(x), -1, -2), self.kernels)

    def local_x(self, upstream: Any, g: Any) -> Any:
        return apply(ConvImages(**self.parameters), g, upstream)

    def local_g(self, upstream: Any, x: Any) -> Any:
        return apply(Conv(**self.parameters), x, upstream)

    def infer(self, *specs: Spec) -> Spec:
        return Spec(self.kernels, np.result_type(*(spec.dtype for spec in specs)))


@dataclass(frozen=True)
class Convolve(Contraction):
    """Two vectors convolved: each output sums x[i] · y[k-i]; `mode` "full" or, of the longer x, "valid" """

    name = "convolve"
    symbol = "⊛"
    story = "swaps, as multiply does: each input receives the upstream gradient correlated with the other"
    samples = (
        sample(draw.normal(5), draw.normal(3), mode="full"),
        sample(draw.normal(2), draw.normal(4), mode="full"),
        sample(draw.normal(5), draw.normal(3), mode="valid"),
        sample(draw.normal(3), draw.normal(3), mode="valid"),
        sample(draw.complexes(4), draw.complexes(2), mode="full"),
        sample(draw.normal(4, dtype="float32"), draw.normal(2, dtype="float32"), mode="full"),
    )

    mode: Literal["full", "valid"]

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        if xp is np:
            return np.convolve(x, y, self.mode)
        length, reach = x.shape[0], y.shape[0] - 1
        rows = [x * y[i] for i in range(reach + 1)]
        total = libraries.zeros(xp, (length + reach,), rows[0])
        for i, row in enumerate(rows):
            total = libraries.written(xp, total, slice(i, i + length), total[i : i + length] + row)
        return total if self.mode == "full" else total[reach:length]

    def local_x(self, g: Any, y: Any) -> Any:
        return apply(Convolve("valid" if self.mode == "full" else "full"), g, gates.flip(y))

    def local_y(self, g: Any, x: Any) -> Any:
        if self.mode == "full":
            return apply(Convolve("valid"), g, gates.flip(x))
        return gates.flip(apply(Convolve("valid"), x, gates.flip(g)))

    def infer(self, *specs: Spec) -> Spec:
        x, y = specs
        if len(x.shape) != 1 or len(y.shape) != 1 or not x.shape[0] or not y.shape[0]:
            raise ShapeError(f"two vectors with entries are convolved; got shapes {x.shape} and {y.shape}")
        reach = y.shape[0] - 1
        return Spec(
            (x.shape[0] + (reach if self.mode == "full" else -reach),),
            np.result_type(x.dtype, y.dtype),
        )


# ---------------------------------------------------------------------------------------------------- signals, one axis


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """Two vectors convolved, with NumPy's modes "full", "same" and "valid".

    Raises:
        ShapeError: They are not vectors, or one is empty.
        UnsupportedError: There is no such mode.

    Example:
        >>> import gatewise as gw
        >>> gw.convolve([1.0, 2.0, 3.0], [0.0, 1.0, 0.5]).tolist()
        [0.0, 1.0, 2.5, 4.0, 1.5]
    """
    a, v = (gates.atleast_1d(x) for x in (a, v))
    if len(a.shape) != 1 or len(v.shape) != 1 or not a.shape[0] or not v.shape[0]:
        raise ShapeError(f"convolve takes two vectors with entries; got shapes {tuple(a.shape)} and {tuple(v.shape)}")
    if v.shape[0] > a.shape[0]:
        a, v = v, a
    match mode:
        case "full" | "valid":
            return apply(Convolve(mode), a, v)
        case "same":
            start = (v.shape[0] - 1) // 2
            return apply(Convolve("full"), a, v)[start : start + a.shape[0]]
    raise UnsupportedError(f"convolve: mode is 'full', 'same' or 'valid'; got {mode!r}")


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """Two vectors correlated: `a` convolved with the reversed conjugate of `v`, with NumPy's modes."""
    a, v = (gates.atleast_1d(x) for x in (a, v))
    turned = gates.conj(gates.flip(v))
    if mode == "same" and v.shape[0] > a.shape[0]:
        start = a.shape[0] // 2  # NumPy exchanges the two and turns the result round, so the middle lies further right
        return convolve(a, turned, "full")[start : start + v.shape[0]]
    return convolve(a, turned, mode)


# ------------------------------------------------------------------------------------------------------------- windows


@implements(np.lib.stride_tricks.sliding_window_view)
def sliding_windows(x: Any, window_shape: Any, axis: Any = None, **options: Any) -> Any:
    """Every window of an array, as ``np.lib.stride_tricks.sliding_window_view`` has them, but a copy in meaning.

    Example:
        >>> import gatewise as gw
        >>> gw.sliding_windows([1.0, 2.0, 3.0], 2).tolist()
        [[1.0, 2.0], [2.0, 3.0]]
    """
    options.pop("subok", None)
    if options.pop("writeable", False):
        refuse("sliding_window_view", {"writeable": True})
    refuse("sliding_window_view", options)
    x = arrayed(x)
    window = tuple(window_shape) if isinstance(window_shape, tuple | list) else (window_shape,)
    given = range(len(x.shape)) if axis is None else axis if isinstance(axis, tuple | list) else (axis,)
    axes = tuple(normalize_axis(a, len(x.shape), "sliding_windows") for a in given)
    if len(axes) != len(window):
        raise ShapeError(f"sliding_windows: a window of {len(window)} axes for {len(axes)} axes of the array")
    if len(set(axes)) < len(axes):  # windows of windows: one after the other
        for along, length in zip(axes, window, strict=True):
            x = sliding_windows(x, length, along)
        return x
    ones = (1,) * len(axes)
    return apply(Windows(axes, tuple(map(int, window)), ones, ones), x)


def _per_axis(value: Any, ndim: int, name: str, least: int) -> tuple[int, ...]:
    """One number for all spatial axes, or one per axis."""
    numbers = tuple(map(operator.index, value)) if isinstance(value, tuple | list) else (operator.index(value),) * ndim
    if len(numbers) != ndim or min(numbers) < least:
        raise ShapeError(f"{name} is one number for all axes or {ndim} numbers, at least {least}; got {value!r}")
    return numbers


def _padding(
    padding: Any, shape: tuple[int, ...], window: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> list[tuple[int, int]]:
    """Entries to add before and after each spatial axis."""
    if padding == "valid":
        return [(0, 0)] * len(shape)
    if padding == "same":  # as many outputs as the stride allows; an odd entry goes to the end
        sides = []
        for n, length, step, apart in zip(shape, window, stride, dilation, strict=True):
            missing = max((-(-n // step) - 1) * step + apart * (length - 1) + 1 - n, 0)
            sides.append((missing // 2, missing - missing // 2))
        return sides
    if isinstance(padding, str):
        raise UnsupportedError(f"padding is a number, a number or a pair per axis, 'same' or 'valid'; got {padding!r}")
    if isinstance(padding, tuple | list) and padding and isinstance(padding[0], tuple | list):
        if len(padding) != len(shape):
            raise ShapeError(f"padding has {len(padding)} pairs for {len(shape)} spatial axes")
        return [(operator.index(before), operator.index(after)) for before, after in padding]
    return [(n, n) for n in _per_axis(padding, len(shape), "padding", 0)]


def _laid_out(
    x: Any, window: tuple[int, ...], stride: Any, padding: Any, dilation: Any, name: str
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[tuple[int, int], ...]]:
    """Stride, dilation and padding, each per spatial axis."""
    ndim = len(window)
    if len(x.shape) != ndim + 2:
        raise ShapeError(
            f"{name}: images are (examples, channels, {ndim} spatial axes); got shape {tuple(x.shape)}. "
            f"Add missing axes with x[None]"
        )
    steps, apart = _per_axis(stride, ndim, "stride", 1), _per_axis(dilation, ndim, "dilation", 1)
    return steps, apart, tuple(_padding(padding, tuple(x.shape[2:]), window, steps, apart))


def _image_windows(
    x: Any, window: tuple[int, ...], stride: Any, padding: Any, dilation: Any, fill: float, name: str
) -> Any:
    """The windows of images over their spatial axes: (N, C, *counts, *window)."""
    steps, apart, sides = _laid_out(x, window, stride, padding, dilation, name)
    if any(side != (0, 0) for side in sides):
        x = gates.pad(x, [(0, 0), (0, 0), *sides], constant_values=fill)
    return apply(Windows(tuple(range(2, len(window) + 2)), window, steps, apart), x)


# --------------------------------------------------------------------------------------------------------------- layers


def conv(
    x: Any, w: Any, b: Any = None, *, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """A convolutional layer of one to three dimensions: each output is a window of all channels times a kernel.

    Args:
        x: Images, (N, C, *spatial).
        w: Kernels, (F, C // groups, *window); their spatial axes tell the dimension.
        b: One number per kernel, (F,), or None.
        stride: Step from window to window, one for all axes or one per axis.
        padding: Zeros around the images: a number, a number or a pair (before, after) per axis, "same" or "valid".
        dilation: Distance between the entries of a window.
        groups: Channels and kernels are split into so many groups that do not see each other.

    Returns:
        (N, F, *counts).

    Raises:
        ShapeError: The shapes do not fit.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> gw.conv(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3)), padding=1)[0, 0].tolist()
        [[4.0, 6.0, 4.0], [6.0, 9.0, 6.0], [4.0, 6.0, 4.0]]
    """
    x, w = arrayed(x), arrayed(w)
    ndim = len(w.shape) - 2
    if ndim not in (1, 2, 3):
        raise ShapeError(f"conv: kernels are (F, C, 1 to 3 spatial axes); got shape {tuple(w.shape)}")
    kernels, depth, *window = w.shape
    steps, apart, sides = _laid_out(x, tuple(window), stride, padding, dilation, "conv")
    channels = x.shape[1]
    if groups < 1 or channels != depth * groups or kernels % groups:
        raise ShapeError(
            f"conv: {channels} channels of x, kernels of shape {tuple(w.shape)} and groups={groups} do not fit: "
            f"w is (F, C // groups, ...), and groups divides F"
        )
    layer = Conv(tuple(x.shape), tuple(w.shape), steps, sides, apart, groups)
    out = apply(layer, x, w)
    if b is None:
        return out
    b = arrayed(b)
    if tuple(b.shape) != (kernels,):
        raise ShapeError(f"conv: b holds one number per kernel, ({kernels},); got shape {tuple(b.shape)}")
    return out + gates.reshape(b, (kernels,) + (1,) * ndim)


def max_pool(x: Any, size: Any = 2, *, stride: Any = None, padding: Any = 0) -> Any:
    """The largest entry of each window of images (N, C, *spatial); winners that tie share the gradient.

    `size` and `stride` (by default the size, so that windows do not overlap) are one number or one per spatial axis;
    padding never wins.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> gw.max_pool(np.arange(16.0).reshape(1, 1, 4, 4))[0, 0].tolist()
        [[5.0, 7.0], [13.0, 15.0]]
    """
    return gates.max(*_pool(x, size, stride, padding, -np.inf, "max_pool"))


def average_pool(x: Any, size: Any = 2, *, stride: Any = None, padding: Any = 0) -> Any:
    """The mean of each window of images (N, C, *spatial); zeros of the padding count.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> gw.average_pool(np.arange(16.0).reshape(1, 1, 4, 4))[0, 0].tolist()
        [[2.5, 4.5], [10.5, 12.5]]
    """
    return gates.mean(*_pool(x, size, stride, padding, 0.0, "average_pool"))


def _pool(x: Any, size: Any, stride: Any, padding: Any, fill: float, name: str) -> tuple[Any, tuple[int, ...]]:
    """The windows to be pooled, and the axes within a window."""
    x = arrayed(x)
    ndim = len(x.shape) - 2
    if ndim < 1:
        raise ShapeError(f"{name}: images are (examples, channels, spatial axes); got shape {tuple(x.shape)}")
    window = _per_axis(size, ndim, "size", 1)
    windows = _image_windows(x, window, window if stride is None else stride, padding, 1, fill, name)
    return windows, tuple(range(-ndim, 0))
