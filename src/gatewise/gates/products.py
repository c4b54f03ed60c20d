"""Products of vectors and matrices, diagonals and traces, all made of gates of the other files.

The matrix product itself, dot, tensordot and einsum are in `contraction`.
"""

from __future__ import annotations

import builtins
from math import prod
from typing import Any

import numpy as np

from gatewise import gates, libraries
from gatewise.errors import DTypeError, ShapeError
from gatewise.gate import implements, normalize_axis, refuse
from gatewise.graph import arrayed, namespace, untracked

__all__ = [
    "cross",
    "diagonal",
    "inner",
    "kron",
    "matrix_power",
    "matrix_transpose",
    "matvec",
    "multi_dot",
    "outer",
    "trace_of_matrix",
    "vdot",
    "vecdot",
    "vecmat",
]


@implements(np.inner)
def inner(a: Any, b: Any, /) -> Any:
    """Sums of products over the last axis of both; the other axes stay, a's first."""
    a, b = arrayed(a), arrayed(b)
    if not a.shape or not b.shape:
        return gates.multiply(a, b)
    return gates.tensordot(a, b, axes=([-1], [-1]))


@implements(np.outer)
def outer(a: Any, b: Any, out: Any = None) -> Any:
    """Products of every entry of a with every entry of b."""
    refuse("outer", {"out": out})
    return gates.reshape(a, (-1, 1)) * gates.reshape(b, (1, -1))


@implements(np.linalg.outer)
def _outer_of_vectors(x1: Any, x2: Any, /) -> Any:
    """The outer product of two vectors, as the array API standard has it."""
    x1, x2 = arrayed(x1), arrayed(x2)
    if len(x1.shape) != 1 or len(x2.shape) != 1:
        raise ShapeError(f"linalg.outer takes two vectors; got shapes {x1.shape} and {x2.shape}")
    return outer(x1, x2)


@implements(np.vdot)
def vdot(a: Any, b: Any, /) -> Any:
    """The sum of the products of all entries of conj(a) with those of b."""
    return gates.matmul(gates.conj(gates.ravel(a)), gates.ravel(b))


@implements(np.vecdot, np.linalg.vecdot)
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Sums of conj(x1) * x2 along `axis`; the other axes broadcast."""
    x1, x2 = arrayed(x1), arrayed(x2)
    if not x1.shape or not x2.shape:
        raise ShapeError("vecdot takes arrays with at least one axis; use * for numbers")
    places = [normalize_axis(axis, len(x.shape), "vecdot") for x in (x1, x2)]
    x1, x2 = (gates.moveaxis(x, place, -1) for x, place in zip((x1, x2), places, strict=True))
    _same_length(x1, x2, -1, "vecdot")
    products = gates.multiply(gates.conj(x1), x2)
    return gates.astype(gates.sum(products, axis=-1), products.dtype)  # a sum of small integers is of larger ones


@implements(np.matvec)
def matvec(x1: Any, x2: Any, /) -> Any:
    """Matrices times vectors: the last axis of x2 holds a vector, the axes before broadcast."""
    x1, x2 = arrayed(x1), arrayed(x2)
    _vectors(x2, x1, "matvec")
    return gates.matmul(x1, x2[..., None])[..., 0]


@implements(np.vecmat)
def vecmat(x1: Any, x2: Any, /) -> Any:
    """Conjugated vectors times matrices: the last axis of x1 holds a vector, the axes before broadcast."""
    x1, x2 = arrayed(x1), arrayed(x2)
    _vectors(x1, x2, "vecmat")
    return gates.matmul(gates.conj(x1)[..., None, :], x2)[..., 0, :]


def _vectors(vectors: Any, matrices: Any, name: str) -> None:
    if not vectors.shape or len(matrices.shape) < 2:
        raise ShapeError(f"{name} takes matrices and vectors; got shapes {matrices.shape} and {vectors.shape}")


def _same_length(x: Any, y: Any, axis: int, name: str) -> None:
    if x.shape[axis] != y.shape[axis]:
        raise ShapeError(f"{name}: vectors of lengths {x.shape[axis]} and {y.shape[axis]} do not go together")


@implements(np.kron)
def kron(a: Any, b: Any) -> Any:
    """The Kronecker product: b laid out once per entry of a, times that entry.

    Example:
        >>> import gatewise as gw
        >>> gw.kron([1.0, 10.0], [1.0, 2.0]).tolist()
        [1.0, 2.0, 10.0, 20.0]
    """
    a, b = arrayed(a), arrayed(b)
    ndim = builtins.max(len(a.shape), len(b.shape))
    left, right = ((1,) * (ndim - len(x.shape)) + tuple(x.shape) for x in (a, b))
    a = gates.reshape(a, tuple(n for length in left for n in (length, 1)))
    b = gates.reshape(b, tuple(n for length in right for n in (1, length)))
    return gates.reshape(a * b, tuple(m * n for m, n in zip(left, right, strict=True)))


@implements(np.cross)
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """The cross product of vectors of three dimensions, which lie along `axisa` of a and `axisb` of b.

    Example:
        >>> import gatewise as gw
        >>> gw.cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]).tolist()
        [0.0, 0.0, 1.0]
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = arrayed(a), arrayed(b)
    a = gates.moveaxis(a, normalize_axis(axisa, len(a.shape), "cross"), -1)
    b = gates.moveaxis(b, normalize_axis(axisb, len(b.shape), "cross"), -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ShapeError(f"cross takes vectors of length 3; got {a.shape[-1]} and {b.shape[-1]}")
    (a0, a1, a2), (b0, b1, b2) = ([x[..., i] for i in range(3)] for x in (a, b))
    product = gates.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], axis=-1)
    return gates.moveaxis(product, -1, normalize_axis(axisc, len(product.shape), "cross"))


@implements(np.linalg.cross)
def _cross_along(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The cross product along `axis`, as the array API standard has it."""
    return cross(x1, x2, axis=axis)


@implements(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    """The last two axes exchanged."""
    x = arrayed(x)
    if len(x.shape) < 2:
        raise ShapeError(f"matrix_transpose takes a matrix, or a stack of them; got shape {x.shape}")
    return gates.swapaxes(x, -1, -2)


@implements(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The entries with equal indices on two axes (`offset` apart), as a last axis.

    Example:
        >>> import gatewise as gw
        >>> gw.diagonal([[1.0, 2.0], [3.0, 4.0]]).tolist()
        [1.0, 4.0]
    """
    a = arrayed(a)
    ndim = len(a.shape)
    if ndim < 2:
        raise ShapeError(f"diagonal takes arrays of at least two axes; got shape {a.shape}")
    one, two = normalize_axis(axis1, ndim, "diagonal"), normalize_axis(axis2, ndim, "diagonal")
    if one == two:
        raise ShapeError(f"diagonal: axis1 and axis2 are both axis {one}")
    a = gates.moveaxis(a, (one, two), (-2, -1))
    rows, columns = a.shape[-2:]
    length = builtins.max(0, builtins.min(rows + builtins.min(offset, 0), columns - builtins.max(offset, 0)))
    if not length:
        return a[..., 0:0, 0] if columns else gates.reshape(a[..., 0:0, :], (*a.shape[:-2], 0))
    start = offset if offset >= 0 else -offset * columns
    flat = gates.reshape(a, (*a.shape[:-2], rows * columns))  # one step along the diagonal is columns + 1 entries
    return flat[..., start : start + (length - 1) * (columns + 1) + 1 : columns + 1]


@implements(np.linalg.diagonal)
def _diagonal_of_matrix(x: Any, /, *, offset: int = 0) -> Any:
    """The diagonal of each matrix, as the array API standard has it."""
    return diagonal(x, offset, -2, -1)


@implements(np.trace)
def trace_of_matrix(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
    """The sum along a diagonal: ``np.trace``, under another name because ``gw.trace`` records a circuit."""
    refuse("trace", {"out": out})
    return gates.sum(diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)


@implements(np.linalg.trace)
def _trace_of_matrix(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """The trace of each matrix, as the array API standard has it."""
    return trace_of_matrix(x, offset, -2, -1, dtype)


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    """The matrix product of n copies of each matrix; of its inverse for a negative n.

    Example:
        >>> import gatewise as gw
        >>> gw.matrix_power([[1.0, 1.0], [0.0, 1.0]], 3).tolist()
        [[1.0, 3.0], [0.0, 1.0]]
    """
    a = arrayed(a)
    if len(a.shape) < 2 or a.shape[-1] != a.shape[-2]:
        raise ShapeError(f"matrix_power takes square matrices; got shape {a.shape}")
    if not hasattr(n, "__index__"):
        raise DTypeError(f"matrix_power: the exponent is an integer; got {n!r}")
    n = n.__index__()
    if n == 0:
        xp = namespace((untracked(a),))
        value = untracked(a)
        return libraries.zeros(xp, a.shape, value) + libraries.eye(xp, a.shape[-1], value)
    if n < 0:
        a, n = gates.inv(a), -n
    square, result = a, None
    while n:
        if n % 2:
            result = square if result is None else gates.matmul(result, square)
        n //= 2
        square = gates.matmul(square, square) if n else square
    return result


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Any, *, out: Any = None) -> Any:
    """The product of several matrices, multiplied in the order that takes the least work; the ends may be vectors."""
    refuse("multi_dot", {"out": out})
    parts = [arrayed(array) for array in arrays]
    if len(parts) < 2:
        raise ShapeError(f"multi_dot takes at least two arrays; got {len(parts)}")
    row, column = len(parts[0].shape) == 1, len(parts[-1].shape) == 1
    if row:
        parts[0] = parts[0][None, :]
    if column:
        parts[-1] = parts[-1][:, None]
    for part in parts:
        if len(part.shape) != 2:
            raise ShapeError(f"multi_dot takes matrices, and vectors at the ends; got shape {part.shape}")
    lengths = [part.shape[0] for part in parts] + [parts[-1].shape[1]]
    product = _multiplied(parts, _splits(lengths))
    shape = (() if row else (lengths[0],)) + (() if column else (lengths[-1],))
    return gates.reshape(product, shape) if row or column else product


def _splits(lengths: list[int]) -> dict[tuple[int, int], int]:
    """Where to split each stretch of a product of matrices, matrix i being lengths[i] x lengths[i + 1]."""
    number = len(lengths) - 1
    costs = {(i, i): 0 for i in range(number)}
    splits = {}
    for width in range(1, number):
        for i in range(number - width):
            j = i + width
            choices = [
                (costs[i, k] + costs[k + 1, j] + prod((lengths[i], lengths[k + 1], lengths[j + 1])), k)
                for k in range(i, j)
            ]
            costs[i, j], splits[i, j] = builtins.min(choices)
    return splits


def _multiplied(parts: list[Any], splits: dict[tuple[int, int], int]) -> Any:
    """The product of all parts, splitting each stretch where `splits` says; with a stack, not by recursion."""
    products: dict[tuple[int, int], Any] = {(i, i): part for i, part in enumerate(parts)}
    stack = [(0, len(parts) - 1)]
    while stack:
        i, j = stack[-1]
        if (i, j) in products:
            stack.pop()
            continue
        k = splits[i, j]
        missing = [stretch for stretch in ((i, k), (k + 1, j)) if stretch not in products]
        if missing:
            stack += missing
        else:
            products[i, j] = gates.matmul(products[i, k], products[k + 1, j])
    return products[0, len(parts) - 1]
