"""NumPy's ufuncs with options, and their methods: reduce, accumulate, outer, at, reduceat.

A ufunc called with nothing but operands is one of our functions (`functions.of_numpy`). Here is the rest, all made of
such calls: ``dtype=`` casts the operands, ``where=`` computes at chosen entries only, ``out=`` rebinds an Array,
``axis=`` and ``axes=`` move axes, and each method is a reduction, a running total or an assignment.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from gatewise import gates
from gatewise.errors import DTypeError, ShapeError, UnsupportedError
from gatewise.functions import VALUES_ONLY, of_numpy, on_values, refusal, spelling, values_of, write_into
from gatewise.gate import normalize_axes, normalize_axis
from gatewise.graph import PYTHON_NUMBERS, Tracked, arrayed, dtype_name, namespace, surfaced, untracked

#: Ufuncs that reduce by one of our functions, which takes axis, keepdims, dtype, initial and where itself.
_REDUCTIONS: dict[Any, Callable[..., Any]] = {
    np.add: gates.sum,
    np.multiply: gates.prod,
    np.maximum: gates.max,
    np.minimum: gates.min,
}
_RUNNING: dict[Any, Callable[..., Any]] = {np.add: gates.cumsum, np.multiply: gates.cumprod}

#: Ufuncs of which neighbours may be taken together in any way, so that n entries need log n steps.
_ASSOCIATIVE = frozenset([np.maximum, np.minimum, np.fmax, np.fmin, np.logaddexp, np.logaddexp2, np.hypot])

#: Options that say how a result lies in memory, which traced values leave to NumPy.
_MEMORY = frozenset(["order", "subok"])


def call(ufunc: Any, method: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """What ``ufunc.method(*inputs, **options)`` is on traced arrays; the method of a plain call is "__call__".

    Raises:
        UnsupportedError: There is no gradient rule for the ufunc, or not with these options.
        ShapeError, DTypeError: The options do not fit the operands.
    """
    if method == "at":
        return _at(ufunc, *inputs)
    out = options.pop("out", (None,) * ufunc.nout)
    if options.get("where", True) is not True and method in ("__call__", "outer"):
        options["kept"] = out
    results = _METHODS[method](ufunc, inputs, options)
    if all(place is None or place is Ellipsis for place in out):
        return results
    name = spelling(ufunc) if method == "__call__" else f"{spelling(ufunc)}.{method}"
    broadcast = method in ("__call__", "outer")
    if ufunc.nout == 1:
        return write_into(out, results, name, broadcast)
    return tuple(write_into(place, result, name, broadcast) for place, result in zip(out, results, strict=True))


def _called(ufunc: Any, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """A plain call with its options; of ``out`` only what ``where`` keeps is read."""
    if ufunc.signature is not None:
        inputs, restore = _core_axes_last(ufunc, inputs, options)
    where = options.pop("where", True)
    casts = {name: options.pop(name) for name in ("dtype", "sig", "signature", "casting") if name in options}
    kept = options.pop("kept", None)
    unknown = [name for name in options if name not in _MEMORY]
    if unknown:
        raise UnsupportedError(f"{spelling(ufunc)}: the option {unknown[0]}= is not supported on traced arrays")
    function = of_numpy(ufunc)
    if function is None:
        function = _values_function(ufunc)
    if any(value is not None for value in casts.values()):
        function, inputs = _cast(ufunc, function, inputs, **casts)
    if where is not True:
        return _where(ufunc, function, inputs, untracked(where), kept)
    results = function(*inputs)
    return results if ufunc.signature is None else restore(results)


def _values_function(ufunc: Any) -> Callable[..., Any]:
    """A ufunc whose answers carry no gradient, as a function of the operands' values."""
    if ufunc.__name__ not in VALUES_ONLY:
        raise refusal(ufunc)
    return lambda *operands: surfaced(on_values(ufunc.__name__, *operands))


def _cast(
    ufunc: Any,
    function: Callable[..., Any],
    inputs: tuple[Any, ...],
    dtype: Any = None,
    sig: Any = None,
    signature: Any = None,
    casting: str = "same_kind",
) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The operands in the dtypes of the ufunc's loop that the options choose, and the function with its results so."""
    signature = sig if signature is None else signature
    if dtype is not None:
        signature = (None,) * ufunc.nin + (np.dtype(dtype),) * ufunc.nout
    elif signature is not None and not isinstance(signature, tuple | str):
        signature = (signature,)
    given = tuple(type(x) if type(x) in PYTHON_NUMBERS else np.dtype(dtype_name(arrayed(x).dtype)) for x in inputs)
    try:
        found = ufunc.resolve_dtypes((*given, *(None,) * ufunc.nout), signature=signature, casting=casting)
    except TypeError as error:
        raise DTypeError(f"{spelling(ufunc)}: {error}") from None
    results = found[ufunc.nin :]

    def computed(*operands: Any) -> Any:
        out = function(*operands)
        if ufunc.nout == 1:
            return gates.astype(out, results[0])
        return tuple(gates.astype(one, kind) for one, kind in zip(out, results, strict=True))

    return computed, tuple(gates.astype(arrayed(x), kind) for x, kind in zip(inputs, found, strict=False))


def _where(ufunc: Any, function: Callable[..., Any], inputs: tuple[Any, ...], where: Any, out: Any) -> Any:
    """The results where `where` holds, and what `out` held elsewhere. Only the entries wanted are computed."""
    if out is None or any(place is None or place is Ellipsis for place in out):
        raise UnsupportedError(
            f"{spelling(ufunc)} with where= leaves entries undefined: say with out= what they keep, for example "
            f"out=np.zeros_like(x), or write np.where(condition, result, otherwise)"
        )
    operands = [arrayed(x) for x in inputs]
    shape = np.broadcast_shapes(*(tuple(np.shape(untracked(x))) for x in (*operands, where, *out)))
    if namespace([untracked(x) for x in (*operands, where)]) is not np:
        results = function(*operands)
        results = (results,) if ufunc.nout == 1 else results
        merged = tuple(gates.where(where, one, old) for one, old in zip(results, out, strict=True))
        return merged[0] if ufunc.nout == 1 else merged
    chosen = np.broadcast_to(where, shape)
    if chosen.dtype != bool:
        raise DTypeError(f"{spelling(ufunc)}: where= is a boolean array; got {chosen.dtype}")
    results = function(*[gates.broadcast_to(x, shape)[chosen] if np.shape(untracked(x)) else x for x in operands])
    results = (results,) if ufunc.nout == 1 else results
    merged = tuple(
        gates.setitem(gates.broadcast_to(gates.astype(old, old.dtype), shape), chosen, one)
        for one, old in zip(results, out, strict=True)
    )
    return merged[0] if ufunc.nout == 1 else merged


# ------------------------------------------------------------------------- ufuncs of vectors and matrices: axis, axes


def _core_axes_last(
    ufunc: Any, inputs: tuple[Any, ...], options: dict[str, Any]
) -> tuple[tuple[Any, ...], Callable[[Any], Any]]:
    """The operands with the axes that `axis` or `axes` name at their ends, and what puts the result's axes back."""
    axes, axis, keepdims = options.pop("axes", None), options.pop("axis", None), options.pop("keepdims", False)
    if axes is None and axis is None and not keepdims:
        return inputs, lambda result: result
    before, after = ufunc.signature.replace("?", "").split("->")
    cores = [len(core.split(",")) if core else 0 for core in before[1:-1].split("),(")]
    core_out = len(after[1:-1].split(",")) if after[1:-1] else 0
    arrays = [arrayed(x) for x in inputs]
    name = spelling(ufunc)
    if axis is not None and axes is not None:
        raise ShapeError(f"{name}: give axis= or axes=, not both")
    if (axis is not None or keepdims) and (core_out or set(cores) != {1}):
        raise ShapeError(f"{name} sums over more than vectors, so it takes neither axis= nor keepdims=; use axes=")
    if axes is None:
        place = -1 if axis is None else axis
        axes = [(place,) for _ in arrays]
        place_out: tuple[int, ...] = (place,) if keepdims else ()
    else:
        entries = [tuple(entry) if isinstance(entry, tuple | list) else (entry,) for entry in axes]
        if len(entries) not in (len(arrays), len(arrays) + 1) or (len(entries) == len(arrays) and core_out):
            raise ShapeError(f"{name}: axes= has an entry for each operand and one for the result; got {axes}")
        axes = entries[: len(arrays)]
        place_out = entries[len(arrays)] if len(entries) > len(arrays) else axes[0] if keepdims else ()
    moved = []
    for x, core, entry in zip(arrays, cores, axes, strict=True):
        if len(entry) != core:
            raise ShapeError(f"{name}: an operand has {core} axes of its own, and axes= names {len(entry)}")
        ends = tuple(range(-core, 0))
        moved.append(gates.moveaxis(x, tuple(normalize_axis(a, len(x.shape), name) for a in entry), ends))

    def restore(result: Any) -> Any:
        if keepdims:
            result = result[..., None]
        if not place_out:
            return result
        return gates.moveaxis(result, tuple(range(-len(place_out), 0)), place_out)

    return tuple(moved), restore


# -------------------------------------------------------------------------------------------------------------- methods


def _reduce(ufunc: Any, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """All entries along axes taken together, first to last."""
    (x,) = inputs
    axis = options.pop("axis", 0)
    keepdims = bool(options.pop("keepdims", False))
    options = {name: value for name, value in options.items() if value is not None and value is not np._NoValue}
    reduction = _REDUCTIONS.get(ufunc)
    if reduction is not None:
        return reduction(x, axis=axis, keepdims=keepdims, **options)
    if not _answers_with_fractions(ufunc, x):
        return ufunc.reduce(untracked(x), axis=axis, keepdims=keepdims, **values_of(options))
    function = _two_operands(ufunc)
    dtype, where, initial = options.get("dtype"), options.get("where", True), options.get("initial")
    x = arrayed(x) if dtype is None else gates.astype(arrayed(x), dtype)
    if ufunc is np.logaddexp and where is True and initial is None and prod(x.shape):
        return gates.logsumexp(x, axis=axis, keepdims=keepdims)
    axes = normalize_axes(axis, len(x.shape), spelling(ufunc))
    if len(axes) > 1 and ufunc not in _ASSOCIATIVE:
        raise ShapeError(f"{spelling(ufunc)}.reduce depends on the order of entries: name one axis, not {axis}")
    start = ufunc.identity if initial is None else initial
    chosen = None
    if where is not True:
        if start is None:
            raise ShapeError(f"{spelling(ufunc)}.reduce with where= has no value to start from: give initial=")
        if ufunc in _ASSOCIATIVE:  # what is left out becomes what changes nothing
            x = gates.where(where, x, start if ufunc.identity is None else ufunc.identity)
        else:
            chosen = _lines_first(gates.broadcast_to(arrayed(where), tuple(x.shape)), axes)
    lines = _lines_first(x, axes)
    if initial is not None or (not lines.shape[0] and start is not None):
        first = gates.astype(gates.broadcast_to(arrayed(start), lines.shape[1:]), lines.dtype)
        lines = gates.concat([first[None], lines])
    if ufunc in _ASSOCIATIVE:
        folded = _in_pairs(function, lines, spelling(ufunc))
    else:
        folded = _one_by_one(function, lines, chosen, spelling(ufunc))
    if not keepdims:
        return folded
    return gates.reshape(folded, tuple(1 if i in axes else n for i, n in enumerate(x.shape)))


def _lines_first(x: Any, axes: tuple[int, ...]) -> Any:
    """The axes to fold as one, in front."""
    rest = tuple(i for i in range(len(x.shape)) if i not in axes)
    moved = gates.permute_dims(x, axes + rest)
    return gates.reshape(moved, (prod(x.shape[i] for i in axes), *(x.shape[i] for i in rest)))


def _one_by_one(function: Callable[..., Any], lines: Any, chosen: Any, name: str) -> Any:
    """Entries along the first axis taken together, one after another; of those after an initial one only the chosen."""
    length = lines.shape[0]
    if not length:
        raise ShapeError(f"{name}.reduce of no entries has no value: give initial=")
    total = lines[0]
    for i in range(1, length):
        further = function(total, lines[i])
        total = further if chosen is None else gates.where(chosen[i - 1], further, total)
    return total


def _in_pairs(function: Callable[..., Any], lines: Any, name: str) -> Any:
    """Entries along the first axis taken together, neighbours first, where the order is free."""
    length = lines.shape[0]
    if not length:
        raise ShapeError(f"{name}.reduce of no entries has no value: give initial=")
    while length > 1:
        half = length // 2
        joined = function(lines[:half], lines[half : 2 * half])
        lines = gates.concat([joined, lines[2 * half :]]) if length % 2 else joined
        length -= half
    return lines[0]


def _accumulate(ufunc: Any, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """All entries up to each one taken together."""
    (x,) = inputs
    axis, dtype = options.pop("axis", 0), options.pop("dtype", None)
    running = _RUNNING.get(ufunc)
    if running is not None:
        return running(x, axis=axis, dtype=dtype)
    if not _answers_with_fractions(ufunc, x):
        return ufunc.accumulate(untracked(x), axis=axis, dtype=dtype)
    function = _two_operands(ufunc)
    x = arrayed(x) if dtype is None else gates.astype(arrayed(x), dtype)
    place = normalize_axis(axis, len(x.shape), spelling(ufunc))
    lines = gates.moveaxis(x, place, 0)
    length = lines.shape[0]
    if ufunc in _ASSOCIATIVE:
        step = 1
        while step < length:
            lines = gates.concat([lines[:step], function(lines[:-step], lines[step:])])
            step *= 2
    elif length:
        totals = [lines[0]]
        for i in range(1, length):
            totals.append(function(totals[-1], lines[i]))
        lines = gates.stack(totals)
    return gates.moveaxis(lines, 0, place)


def _outer(ufunc: Any, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Every entry of the first operand with every entry of the second."""
    a, b = (arrayed(x) for x in inputs)
    apart = gates.reshape(a, tuple(a.shape) + (1,) * len(b.shape))
    return _called(ufunc, (apart, b), options)


def _at(ufunc: Any, a: Any, indices: Any, *others: Any) -> None:
    """The ufunc applied to the entries of `a` at `indices`, in place; where an index comes twice, twice.

    Indices that repeat are taken in rounds, each of which meets a place once.
    """
    function = of_numpy(ufunc) or _values_function(ufunc)
    if not isinstance(a, Tracked):
        b = others[0] if others else None
        if isinstance(b, Tracked) and b.node.leaf:
            write_into(a, b, f"{spelling(ufunc)}.at")  # a plain array, which refuses
        ufunc.at(a, values_of(indices), *values_of(others))
        return
    key = values_of(indices)
    places = np.arange(prod(a.value.shape)).reshape(a.value.shape)[key]
    operands = [gates.broadcast_to(arrayed(b), places.shape) for b in others]
    flat = np.ravel(places)
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    turns = np.empty(flat.shape, int)  # how often the place came before
    turns[order] = np.arange(len(flat)) - np.searchsorted(ordered, ordered)
    row = gates.ravel(a)
    for turn in range(int(turns.max(initial=-1)) + 1):
        now = np.flatnonzero(turns == turn)
        row = gates.setitem(row, flat[now], function(row[flat[now]], *[gates.ravel(b)[now] for b in operands]))
    result = gates.reshape(row, a.value.shape)
    write_into(a, result, f"{spelling(ufunc)}.at")


def _reduceat(ufunc: Any, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """The entries of each stretch taken together: from an index up to the next one, or one entry if that is smaller."""
    x, indices = inputs
    axis, dtype = options.pop("axis", 0), options.pop("dtype", None)
    starts = np.asarray(untracked(indices))
    if not _answers_with_fractions(ufunc, x):
        return ufunc.reduceat(untracked(x), starts, axis=axis, dtype=dtype)
    x = arrayed(x)
    place = normalize_axis(axis, len(x.shape), spelling(ufunc))
    lines = gates.moveaxis(x, place, 0)
    length = lines.shape[0]
    if starts.size and not (starts.min() >= 0 and starts.max() < length):
        raise ShapeError(f"{spelling(ufunc)}.reduceat: indices {starts.min()} to {starts.max()} for {length} entries")
    stops = [*starts[1:].tolist(), length]
    parts = [lines[start : max(stop, start + 1)] for start, stop in zip(starts.tolist(), stops, strict=True)]
    totals = [_reduce(ufunc, (part,), {"axis": 0, "dtype": dtype}) for part in parts]
    if not totals:
        return gates.moveaxis(lines[:0], 0, place)
    return gates.moveaxis(gates.stack(totals), 0, place)


def _answers_with_fractions(ufunc: Any, x: Any) -> bool:
    """Whether a ufunc of two operands gives floating or complex numbers for those of `x`, so gradients could pass."""
    kind = np.dtype(dtype_name(arrayed(x).dtype))
    try:
        return bool(ufunc.resolve_dtypes((kind, kind, None))[-1].kind in "fc")
    except TypeError:  # it takes integers or booleans only, and says so itself
        return False


def _two_operands(ufunc: Any) -> Callable[..., Any]:
    function = of_numpy(ufunc)
    if function is None:
        raise refusal(ufunc)
    return function


_METHODS: dict[str, Callable[..., Any]] = {
    "__call__": _called,
    "reduce": _reduce,
    "accumulate": _accumulate,
    "outer": _outer,
    "reduceat": _reduceat,
}
