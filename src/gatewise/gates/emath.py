"""``np.emath``: functions that answer with complex numbers outside of their real domain.

Whether an entry lies outside is seen in the values, as NumPy does; the gates are those of the real functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gatewise import gates
from gatewise.gate import implements
from gatewise.graph import arrayed, dtype_name, untracked

__all__: list[str] = []


def _extended(x: Any, outside: Callable[[Any], Any]) -> Any:
    """`x`, as complex numbers if one of its entries lies outside the real domain."""
    x = arrayed(x)
    kind = dtype_name(x.dtype)
    if np.dtype(kind).kind == "c" or not np.any(outside(untracked(x))):
        return x
    return gates.astype(x, "complex64" if kind in ("float32", "float16", "int8", "int16", "uint8") else "complex128")


def _negative(value: Any) -> Any:
    return value < 0


def _beyond_one(value: Any) -> Any:
    return np.abs(value) > 1


def _register(function: Any, ours: str, outside: Callable[[Any], Any]) -> None:
    def extended(x: Any) -> Any:
        return getattr(gates, ours)(_extended(x, outside))

    extended.__name__, extended.__module__ = function.__name__, __name__
    implements(function)(extended)


for _function, _ours, _outside in (
    (np.emath.sqrt, "sqrt", _negative),
    (np.emath.log, "log", _negative),
    (np.emath.log2, "log2", _negative),
    (np.emath.log10, "log10", _negative),
    (np.emath.arccos, "acos", _beyond_one),
    (np.emath.arcsin, "asin", _beyond_one),
    (np.emath.arctanh, "atanh", _beyond_one),
):
    _register(_function, _ours, _outside)


@implements(np.emath.logn)
def _logn(n: Any, x: Any) -> Any:
    """The logarithm to base n."""
    return gates.log(_extended(x, _negative)) / gates.log(_extended(n, _negative))


@implements(np.emath.power)
def _power(x: Any, p: Any) -> Any:
    """x to the power of p."""
    p = arrayed(p)
    if np.dtype(dtype_name(p.dtype)).kind in "iu" and np.any(untracked(p) < 0):
        p = gates.astype(p, "float64")
    return gates.pow(_extended(x, _negative), p)
