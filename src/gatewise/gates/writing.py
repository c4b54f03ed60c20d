"""NumPy's functions that write into their first argument: copyto, put, place, putmask, fill_diagonal.

Into an Array they write as ``x[i] = v`` does: its name stands for a new node afterwards. `put_along_axis` is in
`ordering`, assignment itself in `indexing`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from gatewise import gates
from gatewise.errors import DTypeError, ShapeError, UnsupportedError
from gatewise.gate import implements
from gatewise.graph import PYTHON_NUMBERS, Tracked, arrayed, dtype_name, untracked

__all__: list[str] = []


def _writes(function: Any) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """Register a function that gives the new content of its first argument as what a NumPy function writes into it."""

    def register(content: Callable[..., Any]) -> Callable[..., None]:
        def write(target: Any, *args: Any, **kwargs: Any) -> None:
            if isinstance(target, Tracked):
                target[...] = content(target, *args, **kwargs)  # type: ignore[index]  # an Array takes it
                return
            if any(isinstance(x, Tracked) and x.node.leaf for x in (*args, *kwargs.values())):
                raise UnsupportedError(
                    f"np.{function.__name__} would write a traced value into a plain array, which has no gradient: "
                    f"start from gw-made arrays such as np.zeros_like(x), and write gw.full for np.full"
                )
            function(target, *map(untracked, args), **{name: untracked(x) for name, x in kwargs.items()})

        write.__name__, write.__doc__, write.__module__ = function.__name__, content.__doc__, __name__
        implements(function)(write)
        return write

    return register


def _repeated(values: Any, places: Any, number: int, dtype: Any) -> Any:
    """Entries of `values`, again and again from its start, at the given places of a row of `number`."""
    row = gates.ravel(gates.astype(arrayed(values), dtype))
    return row[places % row.shape[0]] if row.shape[0] != number else row[places]


def _written(target: Any, places: Any, values: Any) -> Any:
    """`target` with values at flat places."""
    return gates.reshape(gates.setitem(gates.ravel(target), places, values), target.shape)


@_writes(np.copyto)
def _copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> Any:
    """`src` written over `dst`, where `where` holds."""
    source = type(src)(0) if type(src) in PYTHON_NUMBERS else np.dtype(dtype_name(arrayed(src).dtype))
    kind = np.result_type(source, dst.dtype) if type(src) in PYTHON_NUMBERS else source
    if not np.can_cast(kind, dst.dtype, casting=casting):  # type: ignore[arg-type]
        raise DTypeError(f"copyto: {kind} does not fit into {dst.dtype} with casting={casting!r}")
    filled = gates.broadcast_to(gates.astype(arrayed(src), dst.dtype), dst.shape)
    return filled if where is True else gates.where(untracked(where), filled, dst)


@_writes(np.put)
def _put(a: Any, ind: Any, v: Any, mode: str = "raise") -> Any:
    """Values written at places of the row of all entries."""
    places, length = np.ravel(np.asarray(untracked(ind))).astype(int), prod(a.shape)
    if mode == "wrap":
        places = places % length
    elif mode == "clip":
        places = np.clip(places, 0, length - 1)
    elif mode != "raise":
        raise UnsupportedError(f"put: the mode is 'raise', 'wrap' or 'clip'; got {mode!r}")
    if not places.size or not prod(np.shape(v)):
        return a
    return _written(a, places, _repeated(v, np.arange(places.size), -1, a.dtype))


@_writes(np.place)
def _place(arr: Any, mask: Any, vals: Any) -> Any:
    """Values written, one after another, where the mask holds."""
    places = np.flatnonzero(untracked(mask))
    if not places.size:
        return arr
    if not prod(np.shape(vals)):
        raise ShapeError("place: there are no values to write")
    return _written(arr, places, _repeated(vals, np.arange(places.size), -1, arr.dtype))


@_writes(np.putmask)
def _putmask(a: Any, mask: Any, values: Any) -> Any:
    """Where the mask holds, the value of the same place, values being repeated until they are as many as entries."""
    places = np.flatnonzero(untracked(mask))
    if not places.size or not prod(np.shape(values)):
        return a
    return _written(a, places, _repeated(values, places, prod(a.shape), a.dtype))


@_writes(np.fill_diagonal)
def _fill_diagonal(a: Any, val: Any, wrap: bool = False) -> Any:
    """Values written along the diagonal."""
    mask = np.zeros(a.shape, bool)
    np.fill_diagonal(mask, True, wrap)
    places = np.flatnonzero(mask)
    return _written(a, places, _repeated(val, np.arange(places.size), -1, a.dtype))
