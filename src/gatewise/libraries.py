"""What array libraries do each in their own way, although gates are written once for all of them.

Gates compute with the functions of the Python Array API standard. The standard has no word for the few things gathered
here: which library an array is of and where it lies, a constant put beside it, writing into a copy, adding at places,
the way back to NumPy, and arrays whose values are not known while the code runs (Dask's, and JAX's under ``jax.jit``).
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from gatewise.errors import DTypeError, UnsupportedError

#: How libraries are called in messages, by the first part of the module that defines their arrays.
TITLES = {
    "array_api_strict": "array-api-strict",
    "cupy": "CuPy",
    "dask": "Dask",
    "jax": "JAX",
    "jaxlib": "JAX",
    "numpy": "NumPy",
    "torch": "PyTorch",
}

#: Libraries whose own arithmetic takes NumPy arrays as constants.
TAKES_NUMPY = frozenset({"Dask", "JAX"})


def title(value: Any) -> str:
    """The name of the library that an array is of, as its makers write it.

    Example:
        >>> title(np.ones(2))
        'NumPy'
    """
    module = type(value).__module__.partition(".")[0]
    return TITLES.get(module, module)


def is_lazy(value: Any) -> bool:
    """Whether the entries are not known while the code runs: a Dask array, or a JAX one that ``jax.jit`` traces."""
    module = type(value).__module__.partition(".")[0]
    if module == "dask":
        return True
    return module == "jax" and isinstance(value, sys.modules["jax"].core.Tracer)


def device(value: Any) -> Any:
    """Where an array lies, as its library's creation functions take it; None where there is nothing to say."""
    if hasattr(type(value), "carrier") or is_lazy(value):
        return None
    from array_api_compat import device as of

    return of(value)


def placed(xp: Any, value: Any, like: Any) -> Any:
    """A NumPy array as a constant of the library, and on the device, of `like`."""
    if xp is np:
        return value
    where = device(like)
    return xp.asarray(value) if where is None else xp.asarray(value, device=where)


def zeros(xp: Any, shape: tuple[int, ...], like: Any, dtype: Any = None) -> Any:
    """Zeros in the library, on the device and by default in the dtype of `like`."""
    where = None if xp is np else device(like)
    dtype = like.dtype if dtype is None else dtype
    return xp.zeros(shape, dtype=dtype) if where is None else xp.zeros(shape, dtype=dtype, device=where)


def ones(xp: Any, shape: tuple[int, ...], like: Any) -> Any:
    """Ones in the library and dtype, and on the device, of `like`."""
    return zeros(xp, shape, like) + 1


def eye(xp: Any, n: int, like: Any) -> Any:
    """The unit matrix in the library and dtype, and on the device, of `like`."""
    where = None if xp is np else device(like)
    return xp.eye(n, dtype=like.dtype) if where is None else xp.eye(n, dtype=like.dtype, device=where)


def written(xp: Any, x: Any, key: Any, value: Any) -> Any:
    """A copy of x with `value` at `key`."""
    if hasattr(type(xp), "setitem"):  # an array library of ours, which writes down what is asked
        return xp.setitem(x, key if isinstance(key, tuple) else (key,), value)
    if 0 in getattr(value, "shape", ()):
        return x  # nothing to write, which not every library takes
    if title(x) == "JAX":  # whose arrays cannot be written into
        return x.at[key].set(value)
    out = xp.asarray(x, copy=True)
    out[key] = value
    return out


def gathered(xp: Any, size: int, places: Any, entries: Any) -> Any:
    """A vector of `size` zeros to which `entries` are added at `places`, a NumPy array of integers; repeats add up.

    Raises:
        UnsupportedError: The entries are Dask's, which cannot be added at places that repeat.
    """
    flat = zeros(xp, (size,), entries)
    if title(flat) == "JAX":
        return flat.at[places].add(entries)
    if title(flat) == "PyTorch":
        return flat.index_add(0, placed(xp, places, entries), entries)
    if title(flat) == "CuPy":
        xp.add.at(flat, placed(xp, places, entries), entries)
        return flat
    if is_lazy(flat):
        if np.unique(places).size < places.size:
            raise UnsupportedError(f"{title(flat)} cannot add at places that repeat; read every entry once")
        source = np.full(size, places.size)
        source[places] = np.arange(places.size)
        return xp.concat([entries, zeros(xp, (1,), entries)])[source]
    for position, place in enumerate(places.tolist()):
        flat[place] += entries[position]
    return flat


def to_numpy(value: Any, what: str = "this") -> np.ndarray[Any, Any]:
    """The values as a NumPy array, from whatever library and device; `what` asks for them, for the message.

    Raises:
        UnsupportedError: The values are not known while the code runs.
    """
    if is_lazy(value):
        raise UnsupportedError(
            f"{what} needs the numbers themselves, and those of a {title(value)} array are not known while the code "
            f"runs: {'call .compute() first' if title(value) == 'Dask' else 'leave this part outside of jax.jit'}"
        )
    match title(value):
        case "PyTorch":
            value = value.detach().cpu().resolve_conj().resolve_neg()
            if "bfloat16" in str(value.dtype):
                value = value.float()
        case "array-api-strict":
            value = value.to_device(sys.modules["array_api_strict"].Device("CPU_DEVICE"))
        case "CuPy":
            value = value.get()
    return np.asarray(value)


def defers(value: Any) -> bool:
    """Whether an array's operators leave operands that they do not know to these; array-api-strict's raise at once."""
    return title(value) != "array-api-strict"


def refuse_recorded(value: Any, what: str) -> None:
    """Raise a DTypeError if PyTorch itself keeps a graph for this tensor: it would record every gate a second time."""
    if getattr(value, "requires_grad", False):
        raise DTypeError(
            f"{what} is a PyTorch tensor with requires_grad=True, for which PyTorch records a graph of its own: "
            f"pass x.detach()"
        )


def described(value: Any) -> str:
    """Library, dtype and shape, for messages about arrays of several libraries."""
    dtype = str(getattr(value, "dtype", type(value).__name__)).rpartition(".")[2]
    shape = ", ".join(map(str, getattr(value, "shape", ())))
    return f"{title(value)} {dtype}[{shape}]"


def require_alike(gate: str, values: Any) -> None:
    """Raise a DTypeError if some values are arrays of different libraries that do not compute with each other.

    NumPy scalars count as numbers; JAX and Dask take NumPy arrays.
    """
    first: Any = None
    for value in values:
        if not hasattr(value, "shape") or isinstance(value, np.generic) or hasattr(type(value), "carrier"):
            continue
        if first is None:
            first = value
            continue
        one, other = title(first), title(value)
        if one == other or (one == "NumPy" and other in TAKES_NUMPY) or (other == "NumPy" and one in TAKES_NUMPY):
            continue
        raise DTypeError(
            f"{gate} cannot take {described(first)} and {described(value)}: arrays of two libraries; convert one of "
            f"them first, as in torch.asarray(c) or np.asarray(c)"
        )
