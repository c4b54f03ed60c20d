"""What the Python Array API standard asks of a namespace beyond the catalogue: how arrays are made, dtypes, constants,
inspection, and the functions whose answers carry no gradient (is it NaN, which entry is largest, are all true).

``x.__array_namespace__()`` is `gatewise` itself, so code written for the standard runs on Arrays and is differentiated.
What is made here is an `Array` that wants no gradient; traced values can be written into it. Functions of the standard
that are differentiated live in the catalogue, `gates`; ``gw.linalg`` and ``gw.fft`` are in the modules of these names.

Source: https://data-apis.org/array-api/2025.12.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gatewise import gates
from gatewise.array import Array, constant
from gatewise.errors import DTypeError, ShapeError, UnsupportedError
from gatewise.functions import on_values
from gatewise.gate import NUMPY_FUNCTIONS
from gatewise.gate import broadcast_shapes as _common_shape
from gatewise.graph import Tracked, dtype_name, namespace, plain, untracked

__all__ = [
    "__array_namespace_info__",
    "all",
    "any",
    "arange",
    "argmax",
    "argmin",
    "argsort",
    "asarray",
    "bitwise_left_shift",
    "bitwise_right_shift",
    "bool",
    "broadcast_shapes",
    "can_cast",
    "complex64",
    "complex128",
    "count_nonzero",
    "e",
    "empty",
    "empty_like",
    "eye",
    "finfo",
    "float32",
    "float64",
    "from_dlpack",
    "full",
    "full_like",
    "iinfo",
    "inf",
    "int8",
    "int16",
    "int32",
    "int64",
    "isdtype",
    "isfinite",
    "isin",
    "isinf",
    "isnan",
    "linspace",
    "nan",
    "newaxis",
    "nonzero",
    "ones",
    "ones_like",
    "pi",
    "result_type",
    "searchsorted",
    "signbit",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
    "zeros",
    "zeros_like",
]

e, inf, nan, pi, newaxis = math.e, np.inf, np.nan, np.pi, None

bool = np.bool_
int8, int16, int32, int64 = np.int8, np.int16, np.int32, np.int64
uint8, uint16, uint32, uint64 = np.uint8, np.uint16, np.uint32, np.uint64
float32, float64 = np.float32, np.float64
complex64, complex128 = np.complex64, np.complex128

_Shape = int | Sequence[int]


# ------------------------------------------------------------------------------------------------------ making arrays


def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: Any = None) -> Any:
    """`obj` (a number, a nested list, an array of any library) as an Array that wants no gradient; an Array stays.

    Args:
        obj: What to convert. A traced Array stays traced, and its gradient passes.
        dtype: To convert to; otherwise what NumPy finds.
        device: "cpu", or nothing.
        copy: True always copies, False never does and is an error where it would have to.

    Raises:
        DTypeError: The entries are not numbers.

    Example:
        >>> import gatewise as gw
        >>> gw.asarray([1.0, 2.0]) + 1
        Array([2., 3.])
    """
    _check_device(device)
    if isinstance(obj, Array):
        converted: Any = obj if dtype is None else gates.astype(obj, dtype, copy=False)
        if copy is False and converted is not obj:
            raise ValueError(f"asarray: {dtype_name(obj.dtype)} cannot become {_numeric(dtype)} without a copy")
        return converted.copy() if copy and converted is obj else converted
    if hasattr(obj, "__array_namespace__") and not isinstance(obj, np.ndarray | np.generic):
        xp = namespace((obj,))
        return constant(xp.asarray(obj, dtype=_named(xp, dtype), copy=copy))
    return constant(plain(np.asarray(obj, dtype=_numeric(dtype), copy=copy)))


def from_dlpack(x: Any, /, *, device: Any = None, copy: Any = None) -> Any:
    """An Array, that wants no gradient, of an array of any library which offers ``__dlpack__``."""
    _check_device(device)
    if isinstance(x, Array):
        return asarray(x, copy=copy)
    return constant(np.from_dlpack(x, copy=copy))


def zeros(shape: _Shape, *, dtype: Any = None, device: Any = None) -> Array:
    """Zeros, into which traced values can be written.

    Example:
        >>> import gatewise as gw
        >>> def f(x):
        ...     y = gw.zeros(3)
        ...     y[1] = x * x
        ...     return gw.sum(y)
        >>> float(gw.grad(f)(3.0))
        6.0
    """
    _check_device(device)
    return constant(np.zeros(_lengths(shape), _numeric(dtype)))


def ones(shape: _Shape, *, dtype: Any = None, device: Any = None) -> Array:
    """Ones."""
    _check_device(device)
    return constant(np.ones(_lengths(shape), _numeric(dtype)))


def empty(shape: _Shape, *, dtype: Any = None, device: Any = None) -> Array:
    """An Array to be written into; what it holds at first is arbitrary."""
    _check_device(device)
    return constant(np.empty(_lengths(shape), _numeric(dtype)))


def full(shape: _Shape, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """`fill_value` everywhere; if that is traced, its gradient is the sum of the entries' gradients."""
    _check_device(device)
    if isinstance(fill_value, Tracked):
        filled = gates.broadcast_to(fill_value, _lengths(shape))
        return filled if dtype is None else gates.astype(filled, dtype)
    return constant(np.full(_lengths(shape), fill_value, _numeric(dtype)))


def zeros_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Array:
    """Zeros of the shape, dtype and library of `x`."""
    return _like("zeros_like", x, dtype, device)


def ones_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Array:
    """Ones of the shape, dtype and library of `x`."""
    return _like("ones_like", x, dtype, device)


def empty_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Array:
    """An Array of the shape, dtype and library of `x`, to be written into."""
    return _like("empty_like", x, dtype, device)


def full_like(x: Any, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """`fill_value` everywhere, in the shape, dtype and library of `x`; a traced one receives the gradients' sum."""
    if isinstance(fill_value, Tracked):
        _check_device(device)
        return gates.astype(gates.broadcast_to(fill_value, tuple(np.shape(untracked(x)))), dtype or x.dtype)
    return _like("full_like", x, dtype, device, fill_value)


def arange(start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None) -> Array:
    """Evenly spaced numbers from `start` (0 if one number is given) up to `stop`, which is left out."""
    _check_device(device)
    start, stop, step = _number(start), _number(stop), _number(step)
    if stop is None:
        start, stop = 0, start
    return constant(np.arange(start, stop, step, dtype=_numeric(dtype)))


def linspace(start: Any, stop: Any, /, num: int, *, dtype: Any = None, device: Any = None, endpoint: Any = True) -> Any:
    """`num` evenly spaced numbers from `start` to `stop`; traced ends are differentiated.

    Example:
        >>> import gatewise as gw
        >>> gw.jacobian(lambda stop: gw.linspace(0.0, stop, 3))(1.0).tolist()
        [0.0, 0.5, 1.0]
    """
    _check_device(device)
    if not isinstance(start, Tracked) and not isinstance(stop, Tracked):
        return constant(np.linspace(start, stop, num, dtype=_numeric(dtype), endpoint=endpoint))
    gates.load()
    return NUMPY_FUNCTIONS[np.linspace](start, stop, num, endpoint, dtype=_numeric(dtype))


def eye(n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: Any = None) -> Array:
    """Ones on the diagonal number `k`, zeros elsewhere."""
    _check_device(device)
    return constant(np.eye(n_rows, n_cols, k, _numeric(dtype) or np.float64))


def _like(name: str, x: Any, dtype: Any, device: Any, *fill_value: Any) -> Array:
    """What the library of `x` makes of it by `name`, as a constant."""
    _check_device(device)
    value = untracked(x)
    xp = namespace((value,))
    options = {} if dtype is None else {"dtype": _named(xp, dtype)}
    return constant(getattr(xp, name)(value, *fill_value, **options))


def _numeric(dtype: Any) -> Any:
    """A dtype as NumPy takes it.

    Raises:
        DTypeError: It is no dtype of numbers.
    """
    if dtype is None:
        return None
    found = np.dtype(dtype if isinstance(dtype, type | str) else dtype_name(dtype))
    if found.kind not in "biufc":
        raise DTypeError(f"arrays here hold numbers and booleans, not {found}")
    return found


def _named(xp: Any, dtype: Any) -> Any:
    """A dtype as the library `xp` takes it."""
    return dtype if dtype is None or xp is np else getattr(xp, _numeric(dtype).name)


def _lengths(shape: Any) -> tuple[int, ...]:
    """A shape, which may be one number, as a tuple."""
    return tuple(n.__index__() for n in shape) if isinstance(shape, Sequence) else (shape.__index__(),)


def _number(value: Any) -> Any:
    """An end of a range: a traced number that wants a gradient is refused, because the count depends on it."""
    return np.asarray(value)[()] if isinstance(value, Tracked) else value


def _check_device(device: Any) -> None:
    if device not in (None, "cpu"):
        raise UnsupportedError(f"arrays are made on the device 'cpu'; got {device!r}")


# ------------------------------------------------------------------------------------------------ dtypes, inspection


class FloatInfo(NamedTuple):
    """What `finfo` tells."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: Any


class IntegerInfo(NamedTuple):
    """What `iinfo` tells."""

    bits: int
    max: int
    min: int
    dtype: Any


def finfo(kind: Any, /) -> FloatInfo:
    """The limits of a floating dtype (of a complex one: of its parts), or of the dtype of an array."""
    info = np.finfo(_dtype_of(kind))
    return FloatInfo(
        info.bits, float(info.eps), float(info.max), float(info.min), float(info.smallest_normal), info.dtype
    )


def iinfo(kind: Any, /) -> IntegerInfo:
    """The limits of an integer dtype, or of the dtype of an array."""
    info = np.iinfo(_dtype_of(kind))
    return IntegerInfo(info.bits, info.max, info.min, info.dtype)


def isdtype(dtype: Any, kind: Any) -> Any:
    """Whether a dtype is of a kind ("real floating", "integral", "numeric", ..., a dtype, or a tuple of these)."""
    return np.isdtype(_numeric(dtype), kind)


def can_cast(from_: Any, to: Any, /) -> Any:
    """Whether the dtype, or the dtype of the array, `from_` turns into `to` without loss."""
    return np.can_cast(_dtype_of(from_), _numeric(to))


def result_type(*arrays_and_dtypes: Any) -> Any:
    """The dtype that operations on these arrays, numbers and dtypes answer in."""
    return np.result_type(
        *[kind if isinstance(kind, int | float | complex) else _dtype_of(kind) for kind in arrays_and_dtypes]
    )


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that arrays of these shapes broadcast to.

    Raises:
        ShapeError: They do not.
    """
    return _common_shape(*shapes)


def _dtype_of(kind: Any) -> Any:
    """The dtype of an array, or the dtype itself."""
    return _numeric(kind.dtype if hasattr(kind, "shape") and not isinstance(kind, type | np.dtype) else kind)


class NamespaceInfo:
    """What ``__array_namespace_info__()`` gives: devices, dtypes and abilities, by the standard's method names."""

    def capabilities(self) -> dict[str, Any]:
        """What shapes may depend on, and how many axes there may be."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """Where arrays are made."""
        return "cpu"

    def devices(self) -> tuple[str, ...]:
        """Where arrays can be made."""
        return ("cpu",)

    def default_dtypes(self, *, device: Any = None) -> dict[str, Any]:
        """The dtype of each kind that is used when none is asked for."""
        return dict(np.__array_namespace_info__().default_dtypes(device=device))

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, Any]:
        """The dtypes by name, of one kind or of all."""
        return dict(np.__array_namespace_info__().dtypes(device=device, kind=kind))


def __array_namespace_info__() -> NamespaceInfo:  # noqa: N807  (the standard's name)
    """Devices, dtypes and abilities of this namespace."""
    return NamespaceInfo()


# ---------------------------------------------------------------------------------- answers that carry no gradient


def isnan(x: Any, /) -> Any:
    """Where `x` is not a number; booleans, so they carry no gradient."""
    return _on_values("isnan", x)


def isinf(x: Any, /) -> Any:
    """Where `x` is infinite; booleans, so they carry no gradient."""
    return _on_values("isinf", x)


def isfinite(x: Any, /) -> Any:
    """Where `x` is neither infinite nor NaN; booleans, so they carry no gradient."""
    return _on_values("isfinite", x)


def signbit(x: Any, /) -> Any:
    """Where the sign is minus, also of zeros; booleans, so they carry no gradient."""
    return _on_values("signbit", x)


def bitwise_left_shift(x1: Any, x2: Any, /) -> Any:
    """The bits of `x1` moved up by `x2`; integers, so they carry no gradient."""
    return _on_values("bitwise_left_shift", x1, x2)


def bitwise_right_shift(x1: Any, x2: Any, /) -> Any:
    """The bits of `x1` moved down by `x2`; integers, so they carry no gradient."""
    return _on_values("bitwise_right_shift", x1, x2)


def all(x: Any, /, *, axis: Any = None, keepdims: Any = False) -> Any:
    """Whether all entries along `axis` are true (not zero)."""
    return _on_values("all", x, axis=axis, keepdims=keepdims)


def any(x: Any, /, *, axis: Any = None, keepdims: Any = False) -> Any:
    """Whether an entry along `axis` is true (not zero)."""
    return _on_values("any", x, axis=axis, keepdims=keepdims)


def argmax(x: Any, /, *, axis: int | None = None, keepdims: Any = False) -> Any:
    """The index of the largest entry along `axis`; integers, so they carry no gradient."""
    return _on_values("argmax", x, axis=axis, keepdims=keepdims)


def argmin(x: Any, /, *, axis: int | None = None, keepdims: Any = False) -> Any:
    """The index of the smallest entry along `axis`; integers, so they carry no gradient."""
    return _on_values("argmin", x, axis=axis, keepdims=keepdims)


def argsort(x: Any, /, axis: int | None = -1, *, descending: Any = False, stable: Any = True) -> Any:
    """The indices that sort `x` along `axis` (None: all entries in a row); integers, so they carry no gradient.

    Args:
        x: An array.
        axis: Along which to sort.
        descending: Whether the largest comes first.
        stable: Whether entries that are equal keep their order, as they do in decreasing order in any case.

    Example:
        >>> import gatewise as gw
        >>> gw.argsort([3.0, 1.0, 3.0], descending=True).tolist()
        [0, 2, 1]
    """
    return _constant_beside((x,), NUMPY_FUNCTIONS[np.argsort](x, axis, descending=descending, stable=stable))


def searchsorted(x1: Any, x2: Any, /, side: str = "left", sorter: Any = None) -> Any:
    """Where the entries of `x2` would go in the vector `x1`; integers, so they carry no gradient.

    Args:
        x1: A vector, sorted, or put in order by the indices `sorter`.
        x2: What to look up.
        side: Whether before entries that are equal ("left") or behind them ("right").
        sorter: The indices that sort `x1`.

    Example:
        >>> import gatewise as gw
        >>> gw.searchsorted([1.0, 2.0, 3.0], [2.0, 2.5]).tolist()
        [1, 2]
    """
    return _constant_beside((x1, x2), NUMPY_FUNCTIONS[np.searchsorted](x1, x2, side, sorter))


def count_nonzero(x: Any, /, *, axis: Any = None, keepdims: Any = False) -> Any:
    """How many entries along `axis` are not zero."""
    return _on_values("count_nonzero", x, axis=axis, keepdims=keepdims)


def nonzero(x: Any, /) -> tuple[Any, ...]:
    """The indices of the entries that are not zero, an array per axis."""
    if np.ndim(untracked(x)) == 0:
        raise ShapeError("nonzero takes an array with axes, not a single number")
    return tuple(_on_values("nonzero", x))


def isin(x1: Any, x2: Any, /, *, invert: Any = False) -> Any:
    """Where the entries of `x1` occur in `x2`; booleans, so they carry no gradient."""
    return _on_values("isin", x1, x2, invert=invert)


def _on_values(name: str, *operands: Any, **options: Any) -> Any:
    """A function of the operands' own library, on their values; constants again where an operand is an Array."""
    return _constant_beside(operands, on_values(name, *operands, **options))


def _constant_beside(operands: Sequence[Any], answer: Any) -> Any:
    """`answer`, or the tuple of answers, as constants where one of the operands is an Array."""
    if not builtins.any(isinstance(operand, Tracked) for operand in operands):
        return answer
    return tuple(map(constant, answer)) if isinstance(answer, tuple) else constant(_arrayed(untracked(answer)))


def _arrayed(value: Any) -> Any:
    """`value` with a shape: NumPy counts in Python's integers."""
    return value if hasattr(value, "shape") else np.asarray(value)[()]


# ------------------------------------------------------------------------------------------------------ sets of entries


class UniqueAll(NamedTuple):
    """What `unique_all` gives."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCounts(NamedTuple):
    """What `unique_counts` gives."""

    values: Any
    counts: Any


class UniqueInverse(NamedTuple):
    """What `unique_inverse` gives."""

    values: Any
    inverse_indices: Any


def unique_all(x: Any, /) -> UniqueAll:
    """The different entries, where each first occurs, where each entry of `x` is among them, and how often it occurs.

    Every NaN counts as different. Entries that are equal share the gradient of the one they become.

    Example:
        >>> import gatewise as gw
        >>> gw.unique_all([3.0, 1.0, 3.0]).inverse_indices.tolist()
        [1, 0, 1]
    """
    values, *places = gates.unique(x, return_index=True, return_inverse=True, return_counts=True, equal_nan=False)
    return UniqueAll(values, *_constant_beside((x,), tuple(places)))


def unique_counts(x: Any, /) -> UniqueCounts:
    """The different entries and how often each occurs."""
    answer = unique_all(x)
    return UniqueCounts(answer.values, answer.counts)


def unique_inverse(x: Any, /) -> UniqueInverse:
    """The different entries, and where each entry of `x` is among them."""
    answer = unique_all(x)
    return UniqueInverse(answer.values, answer.inverse_indices)


def unique_values(x: Any, /) -> Any:
    """The different entries."""
    return unique_all(x).values
