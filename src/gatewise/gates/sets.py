"""Arrays as sets: union, intersection, differences, and the answers of NumPy's ``unique_*``; sorted complex numbers.

Which entries are equal is seen in the values. `unique` itself is in `ordering`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise import gates
from gatewise.gate import implements
from gatewise.graph import arrayed, dtype_name, untracked

__all__: list[str] = []


@implements(np.union1d)
def _union(ar1: Any, ar2: Any) -> Any:
    """The different entries of both; equal ones share the gradient."""
    return gates.unique(gates.concat([ar1, ar2], axis=None))


@implements(np.intersect1d)
def _intersection(ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False) -> Any:
    """The entries that are in both, each half from either side."""
    answer = np.intersect1d(untracked(arrayed(ar1)), untracked(arrayed(ar2)), assume_unique, return_indices=True)
    _, first, second = answer
    common = gates.ravel(ar1)[first] * 0.5 + gates.ravel(ar2)[second] * 0.5
    common = gates.astype(common, answer[0].dtype)
    return (common, first, second) if return_indices else common


@implements(np.setdiff1d)
def _difference(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """The entries of the first that are not in the second."""
    entries = gates.ravel(ar1) if assume_unique else gates.unique(ar1)
    return entries[np.isin(untracked(entries), untracked(arrayed(ar2)), invert=True)]


@implements(np.setxor1d)
def _in_one(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """The entries that are in one of the two only."""
    entries = gates.unique(gates.concat([ar1, ar2], axis=None))
    chosen = np.setxor1d(untracked(arrayed(ar1)), untracked(arrayed(ar2)), assume_unique)
    return entries[np.isin(untracked(entries), chosen)]


def _different(x: Any, values: Any) -> Any:
    """The different entries of `x` in the order of `values`, which NumPy found."""
    entries = gates.unique(x, equal_nan=False)
    known = untracked(entries)
    if np.array_equal(known, values, equal_nan=values.dtype.kind in "fc"):
        return entries
    return entries[np.searchsorted(known, values)]


@implements(np.unique_values)
def _unique_values(x: Any) -> Any:
    """The different entries."""
    return _different(x, np.unique_values(untracked(arrayed(x))))


def _answers(function: Any) -> None:
    def answer(x: Any) -> Any:
        found = function(untracked(arrayed(x)))
        return found._replace(values=_different(x, found.values))

    answer.__name__, answer.__module__ = function.__name__, __name__
    implements(function)(answer)


for _function in (np.unique_all, np.unique_counts, np.unique_inverse):
    _answers(_function)


@implements(np.sort_complex)
def _sort_complex(a: Any) -> Any:
    """Entries sorted by real, then by imaginary part, as complex numbers."""
    ordered = gates.sort(a)
    dtype = np.dtype(dtype_name(ordered.dtype))
    if dtype.kind == "c":
        return ordered
    return gates.astype(ordered, "complex64" if dtype.char in "bhBH" else "complex128")  # small integers, as in NumPy
