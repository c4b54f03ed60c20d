"""The methods that NumPy's arrays have, on `Array`: each is the function of the same name.

What is said about memory (views, strides, bytes) a traced array does not have; the error says what it has instead.
Operators, indexing and NumPy's protocols are in `array`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gatewise import functions, gates
from gatewise.errors import DTypeError, ShapeError
from gatewise.functions import values_of
from gatewise.gate import NUMPY_FUNCTIONS
from gatewise.graph import Tracked, dtype_name

#: What NumPy's arrays have and Array has not -> what to do instead.
NOT_HERE = {
    **dict.fromkeys(
        ["base", "byteswap", "ctypes", "data", "flags", "getfield", "setfield", "setflags", "strides", "view"],
        "it tells how an array lies in memory, where gradients have no place; x.value has it, without gradient",
    ),
    **dict.fromkeys(
        ["dump", "dumps", "tobytes", "tofile"],
        "bytes and files carry no gradient: use x.value for the numbers alone",
    ),
    "flat": "use x.ravel() to read and np.put(x, i, v) to write",
    "resize": "use np.resize(x, shape), which gives a new array",
}


def _as(function: Any, text: str) -> Callable[..., Any]:
    """The method that is a NumPy function of the array and further arguments."""
    ours = NUMPY_FUNCTIONS[function]

    def method(self: Any, *args: Any, **options: Any) -> Any:
        if len(args) > 1 or "out" in options:  # in NumPy's order, or into another array
            return functions.call(function, (self, *args), options)
        return ours(self, *args, **options)

    method.__name__, method.__doc__ = function.__name__, text
    return method


def _of_value(name: str, text: str) -> Callable[..., Any]:
    """The method whose answer carries no gradient: it is asked of the value."""

    def method(self: Any, *args: Any, **options: Any) -> Any:
        return getattr(self.value, name)(*values_of(args), **values_of(options))

    method.__name__, method.__doc__ = name, text
    return method


class Methods(Tracked):
    """A tracked value with the methods of NumPy's arrays."""

    __slots__ = ()

    sum = _as(np.sum, "Sum over `axis`.")
    mean = _as(np.mean, "Mean over `axis`.")
    prod = _as(np.prod, "Product over `axis`.")
    max = _as(np.max, "Largest entry over `axis`.")
    min = _as(np.min, "Smallest entry over `axis`.")
    var = _as(np.var, "Mean squared distance from the mean over `axis`.")
    std = _as(np.std, "Root of the mean squared distance from the mean over `axis`.")
    cumsum = _as(np.cumsum, "Running sum along `axis`.")
    cumprod = _as(np.cumprod, "Running product along `axis`.")
    clip = _as(np.clip, "At least `min`, at most `max`.")
    round = _as(np.round, "The nearest numbers of so many decimals; no gradient passes.")
    dot = _as(np.dot, "NumPy's dot product.")
    take = _as(np.take, "Entries at integer indices along an axis.")
    choose = _as(np.choose, "For each of these integers the entry of the choice of that number.")
    repeat = _as(np.repeat, "Each entry repeated along `axis`.")
    diagonal = _as(np.diagonal, "The entries with equal indices on two axes.")
    trace = _as(np.trace, "The sum along a diagonal.")
    squeeze = _as(np.squeeze, "Axes of length 1 removed.")
    swapaxes = _as(np.swapaxes, "Two axes exchanged.")
    conj = conjugate = _as(np.conj, "Complex conjugate.")

    all = _of_value("all", "Whether all entries along `axis` are true; a boolean, so it carries no gradient.")
    any = _of_value("any", "Whether an entry along `axis` is true; a boolean, so it carries no gradient.")
    argmax = _of_value("argmax", "Index of the largest entry; an integer, so it carries no gradient.")
    argmin = _of_value("argmin", "Index of the smallest entry; an integer, so it carries no gradient.")
    nonzero = _of_value("nonzero", "Indices of the entries that are not zero, per axis.")
    argsort = _as(np.argsort, "Indices that would sort; integers, so they carry no gradient.")
    argpartition = _as(np.argpartition, "Indices that would partition; integers, so they carry no gradient.")
    searchsorted = _as(np.searchsorted, "Where `v` would go in this sorted array; integers, so no gradient.")

    def reshape(self, *shape: Any, **options: Any) -> Any:
        """The same entries in another shape."""
        return gates.reshape(self, shape[0] if len(shape) == 1 else shape, **options)

    def transpose(self, *axes: Any) -> Any:
        """Axes in another order; none given: reversed."""
        return gates.permute_dims(self, (axes[0] if len(axes) == 1 else axes) if axes else None)

    def ravel(self, order: str = "C") -> Any:
        """All entries in a row: the last index first, or with ``order="F"`` the first."""
        if order not in ("C", "F", "A", "K"):
            raise ShapeError(f"ravel: the order is 'C' or 'F', or 'A' or 'K', which are 'C' here; got {order!r}")
        return gates.ravel(gates.permute_dims(self) if order == "F" else self)

    flatten = ravel

    def compress(self, condition: Any, axis: Any = None, out: Any = None) -> Any:
        """The slices along `axis` for which `condition` holds."""
        return functions.call(np.compress, (condition, self, axis), {"out": out})

    def astype(
        self, dtype: Any, order: str = "K", casting: Any = "unsafe", subok: bool = True, copy: bool = True
    ) -> Any:
        """In another dtype.

        Raises:
            DTypeError: The entries cannot be cast so under NumPy's rule `casting`.
        """
        if casting != "unsafe" and not np.can_cast(dtype_name(self.value.dtype), dtype, casting):
            raise DTypeError(f"astype: {self.value.dtype} does not fit into {dtype} with casting={casting!r}")
        return gates.astype(self, dtype)

    def copy(self, order: str = "C") -> Any:
        """Another name for the same node: writing into one does not show in the other."""
        return type(self).of(self.node, self.value)

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    # ---------------------------------------------------------------------------------- in place: a name rebound

    def fill(self, value: Any) -> None:
        """Write one value everywhere: this name now stands for an array of it."""
        self._rebind(gates.setitem(self, ..., value))

    def put(self, indices: Any, values: Any, mode: str = "raise") -> None:
        """Write values at places of the row of all entries."""
        functions.call(np.put, (self, indices, values, mode), {})

    def sort(self, axis: int = -1, **options: Any) -> None:
        """Sort along `axis` in place, as NumPy's method does: this name now stands for the sorted array."""
        self._rebind(gates.sort(self, axis, **options))

    def partition(self, kth: Any, axis: int = -1, **options: Any) -> None:
        """Partition along `axis` in place, as NumPy's method does: this name now stands for the result."""
        self._rebind(gates.partition(self, kth, axis, **options))

    def _rebind(self, result: Any) -> None:
        """Make this name stand for `result`, which inside a map may be an Array of another class."""
        self.node, self.value = result.node, result.value
        if type(result) is not type(self):
            self.__class__ = type(result)
