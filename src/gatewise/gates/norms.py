"""Norms of vectors and matrices, and the condition number.

The vector norm of any order but 0, 1 and the infinite ones is a gate; the rest is made of gates of the other files.
At zero every norm has a kink; its gradient there is 0, the smallest subgradient.

`matrix_norm` of order 2, -2 and "nuc" goes by singular values (`linalg`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewise import gates
from gatewise import samples as draw
from gatewise.errors import ShapeError, UnsupportedError
from gatewise.gate import Kink, Reduction, implements, normalize_axes, normalize_axis
from gatewise.graph import apply, arrayed, dtype_name, namespace, untracked
from gatewise.samples import sample

__all__ = [
    "matrix_norm",
    "norm",
    "vector_norm",
]


@dataclass(frozen=True)
class Norm(Reduction):
    """(Σ |x| ** order) ** (1 / order) over axes"""

    name = "norm"
    symbol = "‖x‖"
    story = "points: each entry receives the upstream gradient times its share of the length; of a zero vector nothing"
    samples = (
        sample(draw.normal(3, 4), axis=(0, 1), keepdims=False, order=2.0),
        sample(draw.normal(2, 3, 4), axis=(0, 2), keepdims=True, order=2.0),
        sample(draw.normal(3), axis=(0,), keepdims=False, order=3.0),
        sample(draw.normal(3, 2), axis=(1,), keepdims=False, order=1.5),
        sample(draw.positive(3), axis=(0,), keepdims=False, order=-1.0),
        sample(draw.complexes(3), axis=(0,), keepdims=False, order=2.0),
        sample(draw.complexes(3), axis=(0,), keepdims=False, order=3.0),
        sample(draw.normal(0, 2), axis=(0,), keepdims=False, order=2.0),
        sample(draw.normal(), axis=(), keepdims=False, order=2.0),
        sample(draw.normal(2, 3, dtype="float32"), axis=(1,), keepdims=False, order=2.0),
    )
    kinks = (
        Kink(
            ([0.0, 0.0],),
            ([0.0, 0.0],),
            "the tip of a cone: slopes from -1 to 1 in every direction, the smallest subgradient is 0",
            (("axis", (0,)), ("keepdims", False), ("order", 2.0)),
        ),
        Kink(
            ([0.0, 0.0],),
            ([0.0, 0.0],),
            "the tip of a cone, of whatever order",
            (("axis", (0,)), ("keepdims", False), ("order", 3.0)),
        ),
    )
    holomorphic = False

    order: float

    def forward(self, xp: Any, x: Any) -> Any:
        if xp is np:
            return _numpy_norm(x, self.order, self.axis, self.keepdims)
        if not self.axis:
            return abs(x)
        return xp.linalg.vector_norm(x, axis=self.axis, ord=self.order, keepdims=self.keepdims)

    def local_x(self, g: Any, x: Any, out: Any, x_shape: Any) -> Any:
        shape = self.kept_shape(x_shape)
        g, length = gates.reshape(g, shape), gates.reshape(out, shape)
        length = gates.where(length == 0, np.inf, length)  # where the whole vector is zero, every share is
        if self.order == 2:
            return g * (x / length)
        size = gates.abs(x)
        direction = x / gates.where(size == 0, 1.0, size)
        share = gates.where(size == 0, 0.0, gates.where(size == 0, 1.0, size) / length)
        return g * gates.where(size == 0, 0.0, gates.where(size == 0, 1.0, share) ** (self.order - 1) * direction)

    def decision(self, out: Any, *inputs: Any) -> Any:
        return out == 0 if self.order >= 1 else inputs[0] == 0


def _numpy_norm(x: Any, order: float, axes: tuple[int, ...], keepdims: bool) -> Any:
    """As NumPy's: without scaling, the sum of squares by the dot product where that is possible."""
    if not axes:
        return np.abs(x).astype(np.result_type(np.abs(x), np.float16))[()]
    if x.dtype.kind not in "fc":
        x = x.astype(np.float64)
    if order == 2 and len(axes) == x.ndim and not keepdims:
        flat = x.ravel(order="K")
        if flat.dtype.kind == "c":
            return np.sqrt(flat.real.dot(flat.real) + flat.imag.dot(flat.imag))
        return np.sqrt(flat.dot(flat))
    if order == 2:
        squares = x.real**2 + x.imag**2 if x.dtype.kind == "c" else x * x
        return np.sqrt(np.sum(squares, axis=axes, keepdims=keepdims))
    with np.errstate(divide="ignore"):
        powers = np.sum(np.abs(x) ** x.real.dtype.type(order), axis=axes, keepdims=keepdims)
        return powers ** powers.dtype.type(1 / order)


def _norm(x: Any, order: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    """The vector norm of any order."""
    if not dtype_name(x.dtype).startswith(("float", "complex")):
        x = gates.astype(x, "float64")
    if order == 0:
        real = {"complex64": "float32", "complex128": "float64"}.get(dtype_name(x.dtype), dtype_name(x.dtype))
        return gates.sum(gates.astype(x != 0, real), axis=axes, keepdims=keepdims)
    if order == 1:
        return gates.sum(gates.abs(x), axis=axes, keepdims=keepdims)
    if order == np.inf:
        return gates.max(gates.abs(x), axis=axes, keepdims=keepdims)
    if order == -np.inf:
        return gates.min(gates.abs(x), axis=axes, keepdims=keepdims)
    return apply(Norm(axes, bool(keepdims), float(order)), x)


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """The norm of vectors along `axis` (None: of all entries), of order `ord`.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> gw.grad(gw.vector_norm)(np.array([3.0, 4.0])).tolist()
        [0.6, 0.8]
        >>> gw.grad(gw.vector_norm)(np.array([0.0, 0.0])).tolist()
        [0.0, 0.0]
    """
    x = arrayed(x)
    order = 2 if ord is None else ord
    if isinstance(order, str):
        raise UnsupportedError(f"vector_norm: ord is a number; got {ord!r}, which is for matrices")
    return _norm(x, order, normalize_axes(axis, len(x.shape), "vector_norm"), keepdims)


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """The norm of matrices: "fro", "nuc", 1, -1, 2, -2, inf or -inf; the last two axes are the matrix."""
    x = arrayed(x)
    if len(x.shape) < 2:
        raise ShapeError(f"matrix_norm takes a matrix, or a stack of them; got shape {x.shape}")
    return _matrix_norm(x, ord, len(x.shape) - 2, len(x.shape) - 1, keepdims)


def _matrix_norm(x: Any, order: Any, rows: int, columns: int, keepdims: bool) -> Any:
    """The norm of the matrices that two axes of x hold."""
    if order in (None, "fro", "f"):
        return _norm(x, 2, tuple(sorted((rows, columns))), keepdims)
    if order in (1, -1, np.inf, -np.inf):
        along, over = (rows, columns) if order in (1, -1) else (columns, rows)
        sums = _norm(x, 1, (along,), True)
        result = (gates.max if order > 0 else gates.min)(sums, axis=(along, over), keepdims=True)
    elif order in ("nuc", 2, -2):
        values = gates.svdvals(gates.moveaxis(x, (rows, columns), (-2, -1)))
        value = untracked(values)
        if order != -2 and value.shape[-1]:  # at zero a singular value has a kink; it takes no part in the gradient
            xp = namespace((value,))
            tiny = np.max(x.shape) * float(xp.finfo(value.dtype).eps)
            values = gates.where(value > tiny * xp.max(value, axis=-1, keepdims=True), values, value)
        fold = {"nuc": gates.sum, 2: gates.max, -2: gates.min}[order]
        result = gates.expand_dims(fold(values, axis=-1), tuple(sorted((rows, columns))))
    else:
        raise UnsupportedError(
            f"norm: a matrix has no norm of order {order!r}; there are 'fro', 'nuc', 1, -1, 2, -2, inf, -inf"
        )
    return result if keepdims else gates.squeeze(result, axis=(rows, columns))


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The norm of vectors (one axis) or matrices (two axes); without `ord` and `axis`, the length of all entries.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> gw.grad(lambda W: np.linalg.norm(W, "nuc"))(np.diag([3.0, 2.0])).round(9).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    x = arrayed(x)
    ndim = len(x.shape)
    if axis is None:
        if ord is None or (ndim == 1 and ord == 2) or (ndim == 2 and ord in ("fro", "f")):
            return _norm(x, 2, tuple(range(ndim)), keepdims)
        axis = tuple(range(ndim))
    axes = [normalize_axis(a, ndim, "norm") for a in (axis if isinstance(axis, tuple | list) else (axis,))]
    if len(axes) == 1:
        if isinstance(ord, str):
            raise UnsupportedError(f"norm: a vector has no norm of order {ord!r}; give a number")
        return _norm(x, 2 if ord is None else ord, tuple(axes), keepdims)
    if len(axes) != 2:
        raise ShapeError(f"norm: vectors lie along one axis, matrices along two; got axes {tuple(axes)} of {x.shape}")
    if axes[0] == axes[1]:
        raise ShapeError(f"norm: axis {axis} names an axis twice")
    return _matrix_norm(x, ord, axes[0], axes[1], keepdims)


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """The condition number of each matrix: its norm of order `p` times that of its inverse."""
    x = arrayed(x)
    if len(x.shape) < 2:
        raise ShapeError(f"cond takes a matrix, or a stack of them; got shape {x.shape}")
    if p is None or p in (2, -2):
        values = gates.svdvals(x)
        largest, smallest = gates.max(values, axis=-1), gates.min(values, axis=-1)
        if p == -2:
            return smallest / largest
        with np.errstate(divide="ignore"):  # a singular matrix has an infinite one, zero too
            return gates.where(largest == 0, np.inf, largest) / smallest
    regular = np.isfinite(np.linalg.cond(untracked(x), p))
    if np.all(regular):
        return matrix_norm(x, ord=p) * matrix_norm(gates.inv(x), ord=p)
    matrices = gates.where(regular[..., None, None], x, np.eye(x.shape[-1]))  # a singular one has no inverse
    return gates.where(regular, matrix_norm(matrices, ord=p) * matrix_norm(gates.inv(matrices), ord=p), np.inf)
