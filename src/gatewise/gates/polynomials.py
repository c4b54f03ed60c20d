"""Polynomials with the highest power first: their roots, coefficients from roots, division, and fits to points.

What needs no solving (values, sums, products, derivatives) is in `arrangement`.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from gatewise import gates
from gatewise.errors import ShapeError
from gatewise.gate import implements
from gatewise.graph import arrayed, dtype_name, untracked

__all__: list[str] = []


def _inexact(x: Any) -> Any:
    """At least a vector, of floating or complex numbers."""
    x = gates.atleast_1d(arrayed(x))
    return x if np.dtype(dtype_name(x.dtype)).kind in "fc" else gates.astype(x, "float64")


@implements(np.roots)
def _roots(p: Any) -> Any:
    """The roots of a polynomial, as eigenvalues of its companion matrix."""
    p = _inexact(p)
    if len(p.shape) != 1:
        raise ShapeError(f"roots: coefficients are a vector; got shape {tuple(p.shape)}")
    places = np.flatnonzero(untracked(p))
    if not places.size:
        return np.array([])
    zeros = p.shape[0] - int(places[-1]) - 1
    p = p[int(places[0]) : int(places[-1]) + 1]
    degree = p.shape[0] - 1
    if not degree:
        return np.zeros(zeros)
    first = -p[1:] / p[0]
    companion = gates.concat([first[None], np.eye(degree - 1, degree, dtype=dtype_name(p.dtype))])
    roots = gates.eigvals(companion)
    return gates.concat([roots, np.zeros(zeros, dtype_name(roots.dtype))]) if zeros else roots


@implements(np.poly)
def _poly(seq_of_zeros: Any) -> Any:
    """The coefficients of the polynomial with these roots; of a square matrix, its characteristic polynomial."""
    zeros = _inexact(seq_of_zeros)
    if len(zeros.shape) == 2 and zeros.shape[0] == zeros.shape[1] and zeros.shape[0]:
        zeros = gates.eigvals(zeros)
    if len(zeros.shape) != 1:
        raise ShapeError(f"poly takes a vector of roots or a square matrix; got shape {tuple(zeros.shape)}")
    kind = dtype_name(zeros.dtype)
    coefficients: Any = np.ones(1, kind)
    for i in range(zeros.shape[0]):
        nothing = np.zeros(1, kind)
        shifted = gates.concat([nothing, coefficients])
        coefficients = gates.concat([coefficients, nothing]) - shifted * zeros[i]
    value = untracked(zeros)
    if value.dtype.kind == "c" and np.all(np.sort(value) == np.sort(value.conj())):
        return gates.real(coefficients)
    return coefficients


@implements(np.polydiv)
def _polydiv(u: Any, v: Any) -> tuple[Any, Any]:
    """Quotient and remainder of two polynomials."""
    u, v = _inexact(u), _inexact(v)
    kind = np.result_type(dtype_name(u.dtype), dtype_name(v.dtype))
    rest, v = gates.astype(u, kind), gates.astype(v, kind)
    width = v.shape[0]
    scale = 1.0 / v[0]
    quotient = []
    for k in range(rest.shape[0] - width + 1):
        factor = scale * rest[k]
        quotient.append(factor)
        rest = gates.concat([rest[:k], rest[k : k + width] - factor * v, rest[k + width :]])
    while rest.shape[0] > 1 and np.allclose(untracked(rest[0]), 0, rtol=1e-14):
        rest = rest[1:]
    return gates.stack(quotient) if quotient else np.zeros(1, kind), rest


@implements(np.polyfit)
def _polyfit(x: Any, y: Any, deg: int, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False) -> Any:
    """The coefficients of the polynomial of a degree that is closest to points (x, y); all but `deg` may be traced."""
    x, y = _inexact(x), _inexact(y)
    order, number = int(deg) + 1, x.shape[0]
    if order < 1:
        raise ShapeError(f"polyfit: the degree is not negative; got {deg}")
    if len(x.shape) != 1 or not number or len(y.shape) > 2 or y.shape[0] != number:
        raise ShapeError(f"polyfit: as many values as places are needed; got shapes {x.shape} and {y.shape}")
    if rcond is None:
        rcond = number * np.finfo(dtype_name(x.dtype)).eps
    left, right = gates.vander(x, order), y
    if w is not None:
        w = _inexact(w)
        if tuple(w.shape) != (number,):
            raise ShapeError(f"polyfit: {number} weights are needed; got shape {tuple(w.shape)}")
        left = left * w[:, None]
        right = right * (w if len(y.shape) == 1 else w[:, None])
    scale = gates.sqrt(gates.sum(left * left, axis=0))
    left = left / scale
    solution, residuals, rank, values = gates.lstsq(left, right, rcond)
    column = scale if len(y.shape) == 1 else scale[:, None]
    coefficients = solution / column
    if rank != order and not full:
        warnings.warn("Polyfit may be poorly conditioned", np.exceptions.RankWarning, stacklevel=2)
    if full:
        return coefficients, residuals, rank, values, rcond
    if not cov:
        return coefficients
    spread = gates.inv(left.T @ left) / gates.outer(scale, scale)
    if cov == "unscaled":
        return coefficients, spread if len(y.shape) == 1 else spread[:, :, None] * 1.0
    if number <= order:
        raise ShapeError(f"polyfit: {number} points leave no spread for {order} coefficients; use cov='unscaled'")
    factor = residuals / (number - order)
    return coefficients, spread * factor if len(y.shape) == 1 else spread[:, :, None] * factor


def _ascending(c: Any, x: Any) -> Any:
    """A polynomial with the lowest power first along the first axis of `c`, by Horner's rule."""
    value: Any = 0.0
    for i in reversed(range(c.shape[0])):
        value = value * x + c[i]
    return value


@implements(np.polynomial.polynomial.polyval2d)
def _polyval2d(x: Any, y: Any, c: Any) -> Any:
    """The sum of c[i, j] · x**i · y**j, lowest powers first."""
    x, y = (arrayed(place) for place in (x, y))
    c = gates.reshape(c, (*np.shape(c), *(1,) * len(x.shape)))
    return _ascending(gates.stack([_ascending(c[i], y) for i in range(c.shape[0])]), x)


@implements(np.polynomial.polynomial.polygrid2d)
def _polygrid2d(x: Any, y: Any, c: Any) -> Any:
    """The same at every pair of an x and a y."""
    x, y = (arrayed(place) for place in (x, y))
    across = gates.reshape(x, (*x.shape, *(1,) * len(y.shape)))
    return _polyval2d(*gates.broadcast_arrays(across, y), c)
