"""How NumPy's functions reach gates: looked up, computed on values, or refused with a reason.

Most of NumPy's functions stand in `NUMPY_FUNCTIONS`, registered beside the gates that they are made of. Here is what to
do with a call: find the function, treat ``out=`` alike for all, compute on the values what carries no gradient, and say
why not where there is no answer. Ufuncs with options and their methods are in `ufuncs`.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from gatewise import gates
from gatewise.errors import CodeError, DTypeError, ShapeError, TracedValueError, UnsupportedError
from gatewise.gate import NUMPY_FUNCTIONS, REGISTRY
from gatewise.gates.special import SCIPY_FUNCTIONS, of_scipy
from gatewise.graph import Tracked, namespace, plain, untracked

#: NumPy functions whose answers carry no gradient: they are computed on the values.
VALUES_ONLY = frozenset(
    [
        "all",
        "allclose",
        "any",
        "argmax",
        "argmin",
        "argpartition",
        "argsort",
        "argwhere",
        "array2string",
        "array_equal",
        "array_equiv",
        "array_repr",
        "array_str",
        "bitwise_count",
        "can_cast",
        "common_type",
        "count_nonzero",
        "diag_indices_from",
        "digitize",
        "einsum_path",
        "flatnonzero",
        "gcd",
        "isclose",
        "iscomplex",
        "iscomplexobj",
        "isfinite",
        "isin",
        "isinf",
        "isnan",
        "isneginf",
        "isposinf",
        "isreal",
        "isrealobj",
        "ix_",
        "lcm",
        "left_shift",
        "lexsort",
        "may_share_memory",
        "min_scalar_type",
        "nanargmax",
        "nanargmin",
        "ndim",
        "nonzero",
        "packbits",
        "ravel_multi_index",
        "result_type",
        "right_shift",
        "searchsorted",
        "shape",
        "shares_memory",
        "signbit",
        "size",
        "spacing",
        "tril_indices_from",
        "triu_indices_from",
        "unpackbits",
        "unravel_index",
    ]
)

#: NumPy functions that put an array into a file.
_TO_FILES = frozenset(["save", "savetxt", "savez", "savez_compressed"])

#: Modules and functions of NumPy for text, dates and records, by the start of their full name.
_NOT_FOR_NUMBERS = (
    "numpy.strings.",
    "numpy.char.",
    "numpy.lib.recfunctions.",
    "numpy.busday_",
    "numpy.is_busday",
    "numpy.datetime_as_string",
)

#: NumPy functions that make an array out of a file, text or a buffer, in which nothing is traced.
_FROM_OUTSIDE = frozenset(
    ["arange", "frombuffer", "fromfile", "fromfunction", "fromiter", "fromstring", "genfromtxt", "loadtxt"]
)


def of_numpy(function: Any) -> Callable[..., Any] | None:
    """Our function for one of NumPy's functions, or a ufunc of NumPy's or SciPy's; None where there is none."""
    ours = NUMPY_FUNCTIONS.get(function) or (of_scipy(function) if isinstance(function, np.ufunc) else None)
    if ours is None and gates.load():
        return of_numpy(function)
    return ours


def spelling(function: Any) -> str:
    """A NumPy function or a ufunc as users write it: ``np.linalg.norm``."""
    name: str = function.__name__
    if isinstance(function, np.ufunc):
        if getattr(np, name, None) is function:
            return f"np.{name}"
        special = sys.modules.get("scipy.special")
        return f"scipy.special.{name}" if getattr(special, name, None) is function else f"the ufunc {name}"
    return f"{function.__module__}.{name}".replace("numpy.", "np.", 1)


def on_values(name: str, *operands: Any, **options: Any) -> Any:
    """What the operands' own library answers to a function without gradient, given their values."""
    values = [plain(untracked(operand)) for operand in operands]
    xp = namespace(values)
    function = xp.by_example(name) if hasattr(xp, "by_example") else getattr(xp, name, None)
    if function is None:
        raise UnsupportedError(f"the array library {getattr(xp, '__name__', xp)} has no {name}")
    return function(*values, **options)


def values_of(arguments: Any) -> Any:
    """Arguments of a NumPy function with traced arrays replaced by their values."""
    if isinstance(arguments, Tracked):
        return arguments.value
    if isinstance(arguments, tuple | list):
        return type(arguments)(values_of(a) for a in arguments)
    if isinstance(arguments, dict):
        return {key: values_of(a) for key, a in arguments.items()}
    return arguments


# --------------------------------------------------------------------------------------------------- calling a function


def call(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a NumPy function is on traced arrays.

    Raises:
        UnsupportedError: There is no gradient rule for the function, or not with these options; says what is near.
        TracedValueError: The function would write traced values into a file.
    """
    place = _place_of_out(function) if len(args) > 1 or "out" in kwargs else None
    if place is not None:
        if len(args) > place:
            args, kwargs = (*args[:place], *args[place + 1 :]), {**kwargs, "out": args[place]}
        out = kwargs.get("out")
        if out is not None:
            result = call(function, args, {name: value for name, value in kwargs.items() if name != "out"})
            return write_into(out, result, spelling(function))
    ours = NUMPY_FUNCTIONS.get(function)
    if ours is None and function.__name__ in VALUES_ONLY:  # before the families that load late, which have none of them
        return function(*values_of(args), **values_of(kwargs))
    ours = ours or of_numpy(function)
    if ours is None:
        raise refusal(function)
    try:
        return ours(*args, **kwargs)
    except CodeError as error:
        raise naming(error, function) from error.__cause__
    except TypeError as error:
        if _takes(ours, args, kwargs):
            raise
        named = dict(zip(_parameters(function)[1 : len(args)], args[1:], strict=False)) | kwargs
        if len(args) > 1 and _takes(ours, args[:1], named):  # what NumPy takes by place, ours may take by name
            return ours(*args[:1], **named)
        raise UnsupportedError(f"{spelling(function)}: {error}") from None


def naming(error: CodeError, function: Any) -> CodeError:
    """The error, with the function's name in front where the gate that failed has another one."""
    if function.__name__ in error.reason:
        return error
    place = str(error).removeprefix(error.reason)
    return type(error)(f"{spelling(function)}: {error.reason}", place)


@cache
def _parameters(function: Any) -> tuple[str, ...]:
    """The names of a function's parameters; none for one that does not say."""
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()


@cache
def _place_of_out(function: Any) -> int | None:
    """Where ``out`` stands among a function's parameters; None for one without, far away for one that is only named."""
    names = _parameters(function)
    if "out" not in names:
        return None
    kind = inspect.signature(function).parameters["out"].kind
    return names.index("out") if kind is inspect.Parameter.POSITIONAL_OR_KEYWORD else 1 << 30


def _takes(function: Callable[..., Any], args: Any, kwargs: Any) -> bool:
    """Whether a function has parameters for these arguments."""
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def write_into(out: Any, result: Any, name: str, broadcast: bool = False) -> Any:
    """What ``out=`` does: the Array `out` becomes a name for `result`, under NumPy's rules on shape and dtype.

    Raises:
        UnsupportedError: `out` is a plain array and `result` is traced.
        ShapeError, DTypeError: `result` does not fit into `out`; with `broadcast` it may be repeated.
    """
    if isinstance(out, tuple):
        (out,) = out
    if out is None or out is Ellipsis:
        return result
    if not isinstance(out, Tracked):
        if isinstance(result, Tracked) and result.node.leaf:
            raise UnsupportedError(
                f"{name} with out=, or an operator like a += x on a plain array, would write a traced value into "
                f"memory that has no gradient: write a = a + x, or start from gw-made arrays such as np.zeros_like(x)"
            )
        np.copyto(out, untracked(result), casting="same_kind")
        return out
    shape, dtype = tuple(out.value.shape), out.value.dtype
    if tuple(result.shape) != shape:
        padded = (1,) * (len(shape) - len(result.shape)) + tuple(result.shape)
        fits = len(padded) == len(shape) and all(n in (1, m) for n, m in zip(padded, shape, strict=True))
        if not (broadcast and fits):
            raise ShapeError(f"{name}: the result has shape {tuple(result.shape)}, and out has shape {shape}")
        result = gates.broadcast_to(result, shape)
    if not np.can_cast(result.dtype, dtype, casting="same_kind"):
        raise DTypeError(f"{name}: the result is {result.dtype}, which out, of dtype {dtype}, cannot hold")
    if isinstance(result, Tracked):
        out._rebind(gates.astype(result, dtype))  # type: ignore[attr-defined]  # an Array, which stands above
    else:
        out[...] = result  # type: ignore[index]
    return out


# ------------------------------------------------------------------------------------------------------------ refusing


def reason(function: Any) -> str:
    """Why a function will never take traced arrays; empty for one that might."""
    name = f"{getattr(function, '__module__', None) or 'ufunc'}.{function.__name__}"
    if function.__name__ in _TO_FILES:
        return "it writes into a file, where gradients end: give it x.value"
    wordy = isinstance(function, np.ufunc) and not any(loop[0] in "lfd" for loop in function.types)
    if wordy or name.startswith(_NOT_FOR_NUMBERS):
        return "it is for text, dates or records, and traced arrays hold numbers"
    if function.__name__ in _FROM_OUTSIDE:
        return "it makes an array out of what is never traced: leave out like="
    return ""


def refusal(function: Any, name: str = "") -> CodeError:
    """The error for a function that has no answer on traced arrays."""
    name = name or spelling(function)
    why = reason(function)
    if function.__name__ in _TO_FILES:
        return TracedValueError(f"{name} does not take traced arrays: {why}")
    if why:
        return UnsupportedError(f"{name} does not take traced arrays: {why}")
    return UnsupportedError(f"{name} has no gradient rule here{nearest(function)}")


def nearest(function: Any) -> str:
    """``; the nearest that has one is np.…`` for a function, by the spelling of its name, of the same library."""
    import difflib

    names = {name: f"scipy.special.{name}" for name in SCIPY_FUNCTIONS}
    if not spelling(function).startswith("scipy."):
        names = {known.__name__: spelling(known) for known in NUMPY_FUNCTIONS}
    close = difflib.get_close_matches(function.__name__, sorted(names), n=1, cutoff=0.0)
    return f"; the nearest that has one is {names[close[0]]}"


def of_torch(function: Any, args: Any, options: Any) -> Any:
    """What a traced value does when PyTorch's functions meet it: element-wise gates of the same name take over.

    Raises:
        UnsupportedError: There is none; PyTorch's other functions name and order their arguments in their own way.
    """
    name = function.__name__
    if name.startswith("__") or hasattr(function, "__objclass__"):
        return NotImplemented  # an operator of a tensor's, which leaves the work to the traced value's
    gate = REGISTRY.get(name)
    if gate is not None and gate.elementwise and name in gates.__all__ and not options:
        return getattr(gates, name)(*args)
    hint = f"gw.{name}, which takes NumPy's arguments" if name in gates.__all__ else "what docs/gates.md lists"
    raise UnsupportedError(f"torch.{name} does not take traced values: use {hint}")
