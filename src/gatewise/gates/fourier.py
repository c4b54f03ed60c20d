"""Fourier transforms: three gates (of complex numbers, and from and to real ones), and NumPy's functions made of them.

A transform is a linear map with a symmetric matrix, so its local gradient is another transform. Lengths that differ
from the input's are cropped or padded with zeros before the gate, so the gates know one length only. Shifting spectra
is a movement of entries.

These functions are in ``gw.fft``, named as in ``np.fft``: ``gw.fft.rfft(x)``.

Source: the definitions are NumPy's, https://numpy.org/doc/stable/reference/routines.fft.html.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewise import gates, libraries
from gatewise import samples as draw
from gatewise.errors import ShapeError, UnsupportedError
from gatewise.gate import Gate, implements, normalize_axes, normalize_axis, refuse
from gatewise.graph import Spec, apply, arrayed, dtype_name, is_complex, namespace, untracked
from gatewise.samples import sample

__all__ = [
    "fft",
    "fft2",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftn",
]

#: The scaling under which the transposed transform is the inverse one.
_SWAPPED = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


def _transform(xp: Any, name: str, x: Any, **options: Any) -> Any:
    """Call ``xp.fft.name``."""
    function = getattr(getattr(xp, "fft", None), name, None)
    if function is None:
        raise UnsupportedError(f"the array library {getattr(xp, '__name__', xp)} has no fft.{name}")
    return function(x, **options)


def _complex_dtype(dtype: Any) -> Any:
    """The dtype of a spectrum."""
    single = dtype_name(dtype) in ("float16", "float32", "complex64")
    return np.dtype("complex64" if single else "complex128")


@dataclass(frozen=True)
class Fourier(Gate):
    """The discrete Fourier transform over axes, or its inverse; `scale` says which is divided by the length"""

    name = "fft"
    symbol = "fft"
    story = "transforms again: the input receives the transform of the upstream gradient, as the matrix is symmetric"
    samples = (
        sample(draw.complexes(4), axes=(0,), scale="backward", inverse=False),
        sample(draw.complexes(2, 3), axes=(0, 1), scale="backward", inverse=True),
        sample(draw.complexes(2, 3), axes=(1,), scale="ortho", inverse=False),
        sample(draw.normal(5), axes=(0,), scale="forward", inverse=False),
        sample(draw.normal(2, 3), axes=(0,), scale="backward", inverse=True),
    )
    linear = True

    axes: tuple[int, ...]
    scale: str
    inverse: bool

    def forward(self, xp: Any, x: Any) -> Any:
        if xp is not np and not is_complex(x.dtype):
            x = xp.astype(x, getattr(xp, _complex_dtype(x.dtype).name))
        if len(self.axes) == 1:
            return _transform(xp, "ifft" if self.inverse else "fft", x, axis=self.axes[0], norm=self.scale)
        return _transform(xp, "ifftn" if self.inverse else "fftn", x, axes=self.axes, norm=self.scale)

    def local_x(self, g: Any) -> Any:
        return apply(self, g)

    def infer(self, *specs: Spec) -> Spec:
        _not_empty(specs[0].shape, self.axes)
        return Spec(specs[0].shape, _complex_dtype(specs[0].dtype))

    def label(self, constants: tuple[Any, ...] = ()) -> str:
        return "ifft" if self.inverse else "fft"


@dataclass(frozen=True)
class RealFourier(Gate):
    """The first half of the spectrum of real numbers, which the other half mirrors"""

    name = "rfft"
    symbol = "rfft"
    story = "transforms back: the input receives the real inverse transform of the upstream gradient"
    samples = (
        sample(draw.normal(4), axis=0, scale="backward"),
        sample(draw.normal(5), axis=0, scale="forward"),
        sample(draw.normal(3, 2), axis=0, scale="ortho"),
        sample(draw.normal(2, 1), axis=1, scale="backward"),
        sample(draw.normal(6, dtype="float32"), axis=0, scale="backward"),
    )
    linear = True
    holomorphic = False

    axis: int
    scale: str

    def forward(self, xp: Any, x: Any) -> Any:
        return _transform(xp, "rfft", x, axis=self.axis, norm=self.scale)

    def local_x(self, g: Any, x_shape: Any) -> Any:
        n = x_shape[self.axis]
        return apply(RealInverse(self.axis, _SWAPPED[self.scale], n), g * _weights(g, self.axis, n, 0.5))

    def infer(self, *specs: Spec) -> Spec:
        (x,) = specs
        _not_empty(x.shape, (self.axis,))
        return Spec(_resized(x.shape, self.axis, x.shape[self.axis] // 2 + 1), _complex_dtype(x.dtype))


@dataclass(frozen=True)
class RealInverse(Gate):
    """The `length` real numbers whose half spectrum is given"""

    name = "irfft"
    symbol = "irfft"
    story = "transforms back: the half spectrum receives the upstream gradient's, twice where it stands for its mirror"
    samples = (
        sample(draw.complexes(3), axis=0, scale="backward", length=4),
        sample(draw.complexes(3), axis=0, scale="forward", length=5),
        sample(draw.complexes(3, 2), axis=0, scale="ortho", length=4),
        sample(draw.complexes(2, 1), axis=1, scale="backward", length=1),
        sample(draw.normal(3), axis=0, scale="backward", length=4),
    )
    linear = True
    holomorphic = False

    axis: int
    scale: str
    length: int

    def forward(self, xp: Any, x: Any) -> Any:
        if xp is not np and not is_complex(x.dtype):
            x = xp.astype(x, getattr(xp, _complex_dtype(x.dtype).name))
        return _transform(xp, "irfft", x, n=self.length, axis=self.axis, norm=self.scale)

    def local_x(self, g: Any) -> Any:
        half = apply(RealFourier(self.axis, _SWAPPED[self.scale]), g)
        return half * _weights(half, self.axis, self.length, 2.0)

    def infer(self, *specs: Spec) -> Spec:
        (x,) = specs
        if self.length < 1:
            raise ShapeError(f"a Fourier transform has at least one entry; along axis {self.axis} it has {self.length}")
        real = "float32" if _complex_dtype(x.dtype) == np.complex64 else "float64"
        return Spec(_resized(x.shape, self.axis, self.length), np.dtype(real))


def _weights(half: Any, axis: int, n: int, inside: float) -> Any:
    """1 for the entries of a half spectrum that are their own mirror images, `inside` for the others."""
    weights = np.full(n // 2 + 1, inside)
    weights[0] = 1.0
    if n % 2 == 0:
        weights[-1] = 1.0
    real = "float32" if dtype_name(half.dtype) == "complex64" else "float64"
    shape = tuple(-1 if i == axis else 1 for i in range(len(half.shape)))
    weights = weights.astype(real).reshape(shape)
    xp = namespace((untracked(half),))
    return libraries.placed(xp, weights, untracked(half))


def _resized(shape: tuple[int, ...], axis: int, n: int) -> tuple[int, ...]:
    return tuple(n if i == axis else length for i, length in enumerate(shape))


def _not_empty(shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    for axis in axes:
        if shape[axis] < 1:
            raise ShapeError(f"a Fourier transform needs at least one entry along axis {axis}; got shape {shape}")


# ------------------------------------------------------------------------------------------------------- the functions


def _scale(norm: Any) -> str:
    if norm is None:
        return "backward"
    if norm not in _SWAPPED:
        raise UnsupportedError(f"fft: norm is 'backward', 'ortho' or 'forward'; got {norm!r}")
    return str(norm)


def _fitted(x: Any, axis: int, n: int) -> Any:
    """x cropped or padded with zeros to n entries along an axis."""
    length = x.shape[axis]
    if n < 1:
        raise ShapeError(f"a Fourier transform has at least one entry; along axis {axis} of shape {x.shape}, n is {n}")
    if length == n:
        return x
    if length > n:
        return x[(slice(None),) * axis + (slice(0, n), ...)]
    xp = namespace((untracked(x),))
    return gates.concat([x, libraries.zeros(xp, _resized(tuple(x.shape), axis, n - length), untracked(x))], axis=axis)


def _along(x: Any, axes: list[int], lengths: list[int], norm: Any, inverse: bool) -> Any:
    """Complex transforms over some axes, with these lengths; an axis may be named twice."""
    if len(set(axes)) < len(axes):
        for axis, n in reversed(list(zip(axes, lengths, strict=True))):
            x = _along(x, [axis], [n], norm, inverse)
        return x
    for axis, n in zip(axes, lengths, strict=True):
        x = _fitted(x, axis, n)
    return apply(Fourier(tuple(axes), _scale(norm), inverse), x) if axes else x


def _one(a: Any, n: Any, axis: Any, norm: Any, inverse: bool) -> Any:
    a = arrayed(a)
    place = normalize_axis(axis, len(a.shape), "fft")
    return _along(a, [place], [a.shape[place] if n is None else operator.index(n)], norm, inverse)


def _lengths(a: Any, s: Any, axes: Any, name: str) -> tuple[list[int], list[int]]:
    """The axes of a transform of several axes and how many entries to take along each, as NumPy works them out."""
    ndim = len(a.shape)
    if axes is None:
        places = list(range(ndim)) if s is None else list(range(ndim - len(s), ndim))
    else:
        places = [normalize_axis(axis, ndim, name) for axis in axes]
    lengths = [a.shape[place] for place in places] if s is None else [operator.index(n) for n in s]
    if len(lengths) != len(places):
        raise ShapeError(f"{name}: s gives {len(lengths)} lengths for {len(places)} axes")
    return places, [a.shape[place] if n == -1 else n for place, n in zip(places, lengths, strict=True)]


def _several(a: Any, s: Any, axes: Any, norm: Any, inverse: bool, name: str) -> Any:
    a = arrayed(a)
    places, lengths = _lengths(a, s, axes, name)
    return _along(a, places, lengths, norm, inverse)


@implements(np.fft.fft)
def fft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    """The Fourier transform along `axis`, of `n` entries (cropped or padded with zeros).

    Example:
        >>> import gatewise as gw, numpy as np
        >>> gw.grad(lambda x: np.sum(np.abs(np.fft.fft(x)) ** 2))(np.array([1.0, 2.0])).tolist()
        [4.0, 8.0]
    """
    refuse("fft", {"out": out})
    return _one(a, n, axis, norm, inverse=False)


@implements(np.fft.ifft)
def ifft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    """The inverse Fourier transform along `axis`, of `n` entries."""
    refuse("ifft", {"out": out})
    return _one(a, n, axis, norm, inverse=True)


@implements(np.fft.rfft)
def rfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    """The first half of the Fourier transform of real numbers along `axis`."""
    refuse("rfft", {"out": out})
    a = arrayed(a)
    if is_complex(a.dtype):
        raise UnsupportedError("rfft takes real numbers, these are complex: use fft, or take .real first")
    place = normalize_axis(axis, len(a.shape), "rfft")
    a = _fitted(a, place, a.shape[place] if n is None else operator.index(n))
    return apply(RealFourier(place, _scale(norm)), a)


@implements(np.fft.irfft)
def irfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    """The `n` real numbers (by default an even number) whose half spectrum lies along `axis`."""
    refuse("irfft", {"out": out})
    a = arrayed(a)
    place = normalize_axis(axis, len(a.shape), "irfft")
    length = 2 * (a.shape[place] - 1) if n is None else operator.index(n)
    a = _fitted(a, place, length // 2 + 1 if length > 0 else 0)
    return apply(RealInverse(place, _scale(norm), length), a)


@implements(np.fft.hfft)
def hfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    """The real spectrum of a signal that is its own conjugate mirror image, of which half is given."""
    refuse("hfft", {"out": out})
    return irfft(gates.conj(a), n, axis, _SWAPPED[_scale(norm)])


@implements(np.fft.ihfft)
def ihfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    """The first half of the signal whose spectrum is real: the inverse of `hfft`."""
    refuse("ihfft", {"out": out})
    return gates.conj(rfft(a, n, axis, _SWAPPED[_scale(norm)]))


@implements(np.fft.fftn)
def fftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    """The Fourier transform over several axes (None: all)."""
    refuse("fftn", {"out": out})
    return _several(a, s, axes, norm, False, "fftn")


@implements(np.fft.ifftn)
def ifftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    """The inverse Fourier transform over several axes (None: all)."""
    refuse("ifftn", {"out": out})
    return _several(a, s, axes, norm, True, "ifftn")


@implements(np.fft.rfftn)
def rfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    """The Fourier transform of real numbers over several axes, of the last one the first half."""
    refuse("rfftn", {"out": out})
    a = arrayed(a)
    places, lengths = _lengths(a, s, axes, "rfftn")
    if not places:
        raise ShapeError("rfftn: at least one axis must be transformed")
    half = rfft(a, lengths[-1], places[-1], norm)
    return _along(half, places[:-1], lengths[:-1], norm, inverse=False)


@implements(np.fft.irfftn)
def irfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    """The real numbers whose transform over several axes, of the last one the first half, is given."""
    refuse("irfftn", {"out": out})
    a = arrayed(a)
    places, lengths = _lengths(a, s, axes, "irfftn")
    if not places:
        raise ShapeError("irfftn: at least one axis must be transformed")
    if s is None:
        lengths[-1] = 2 * (a.shape[places[-1]] - 1)
    return irfft(_along(a, places[:-1], lengths[:-1], norm, inverse=True), lengths[-1], places[-1], norm)


@implements(np.fft.fft2)
def fft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    """The Fourier transform over two axes."""
    return fftn(a, s, axes, norm, out)


@implements(np.fft.ifft2)
def ifft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    """The inverse Fourier transform over two axes."""
    return ifftn(a, s, axes, norm, out)


@implements(np.fft.rfft2)
def rfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    """The Fourier transform of real numbers over two axes, of the last one the first half."""
    return rfftn(a, s, axes, norm, out)


@implements(np.fft.irfft2)
def irfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    """The real numbers whose transform over two axes, of the last one the first half, is given."""
    return irfftn(a, s, axes, norm, out)


def _shifted(x: Any, axes: Any, sign: int) -> Any:
    """Entries moved around by half the length along axes."""
    x = arrayed(x)
    for axis in normalize_axes(axes, len(x.shape), "fftshift"):
        n = x.shape[axis]
        start = (-sign * (n // 2)) % n if n else 0
        if start:
            before = (slice(None),) * axis
            x = gates.concat([x[(*before, slice(start, None), ...)], x[(*before, slice(0, start), ...)]], axis=axis)
    return x


@implements(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Any:
    """The zero frequency moved to the middle of each of `axes` (None: all)."""
    return _shifted(x, axes, 1)


@implements(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Any:
    """`fftshift` undone."""
    return _shifted(x, axes, -1)
