"""Gates that read and write parts of an array: x[i], x[i] = v, and the scatter that is the gradient of reading.

An index is split in two: its *pattern*, a hashable tuple that is the gate's static parameter (integers, slices, new
axes, ellipsis, and marks where an index array goes), and the index arrays, which are constant input wires.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from gatewise import gates, libraries
from gatewise import samples as draw
from gatewise.errors import IndexingError, ShapeError
from gatewise.gate import Gate, Movement, broadcast_shapes, implements, normalize_axis, refuse
from gatewise.graph import Spec, Tracked, apply, arrayed, dtype_name, namespace, untracked
from gatewise.samples import sample

__all__ = [
    "getitem",
    "setitem",
    "take",
]

#: One item of an index: ("int", i), ("slice", start, stop, step), ("new",), ("dots",) or ("array",).
Item = tuple[Any, ...]
Pattern = tuple[Item, ...]

_ARRAY: Item = ("array",)
_DOTS: Item = ("dots",)
_NEW: Item = ("new",)


def split_key(key: Any) -> tuple[Pattern, list[Any]]:
    """Split what stands between the brackets of ``x[...]`` into its pattern and its index arrays.

    Raises:
        IndexingError: An item is none of the things that arrays are indexed with.
    """
    pattern: list[Item] = []
    arrays: list[Any] = []
    for item in key if type(key) is tuple else (key,):
        if type(item) is int:
            pattern.append(("int", item))
        elif type(item) is slice:
            pattern.append(("slice", _whole(item.start), _whole(item.stop), _whole(item.step)))
        elif item is None:
            pattern.append(_NEW)
        elif item is Ellipsis:
            pattern.append(_DOTS)
        elif isinstance(item, np.integer):
            pattern.append(("int", int(item)))
        else:
            array = item.value if isinstance(item, Tracked) else item
            if not hasattr(array, "dtype"):
                array = np.asarray(array, dtype=None if np.size(array) else int)
            kind = getattr(array.dtype, "kind", None) or np.dtype(dtype_name(array.dtype)).kind
            if kind not in "iub":
                raise IndexingError(
                    f"an array is indexed with integers, slices, booleans, None or ...; got {array.dtype} "
                    f"{'array' if array.shape else array}"
                )
            pattern.append(_ARRAY)
            arrays.append(array)
    return tuple(pattern), arrays


def _whole(n: Any) -> int | None:
    """A slice bound as a plain integer."""
    return None if n is None else operator.index(n)


def join_key(pattern: Pattern, arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    """Put an index together again."""
    queue = iter(arrays)
    key: list[Any] = []
    for item in pattern:
        match item[0]:
            case "int":
                key.append(item[1])
            case "slice":
                key.append(slice(*item[1:]))
            case "new":
                key.append(None)
            case "dots":
                key.append(Ellipsis)
            case _:
                key.append(next(queue))
    return tuple(key)


def _stand_in(index: Spec) -> Any:
    """An index array of this spec, to see which shape it picks."""
    if index.dtype != bool:
        return np.broadcast_to(np.zeros((), int), index.shape)
    if index.mask is None:
        raise IndexingError("how many entries a boolean index picks depends on its values: use gw.where with the mask")
    return index.mask


@dataclass(frozen=True)
class _Indexing(Gate):
    """What reading, writing and scattering share: the pattern and its ways of reaching entries."""

    pattern: Pattern

    def label(self, constants: tuple[Any, ...] = ()) -> str:
        words = {"new": "None", "dots": "…", "array": "i"}
        parts = []
        for item in self.pattern:
            if item[0] == "slice":
                start, stop, step = ("" if n is None else str(n) for n in item[1:])
                parts.append(f"{start}:{stop}" + (f":{step}" if step else ""))
            else:
                parts.append(str(item[1]) if item[0] == "int" else words[item[0]])
        return f"[{', '.join(parts)}]"

    def key(self, xp: Any, ndim: int, indices: tuple[Any, ...]) -> tuple[Any, ...]:
        """What goes between the brackets."""
        return self._key_of(xp, self.pattern, ndim, indices)

    def places(self, xp: Any, shape: tuple[int, ...], indices: tuple[Any, ...]) -> Any:
        """For namespaces with few ways of indexing: the flat position of every entry that the index reads."""
        numbers = np.arange(int(np.prod(shape))).reshape(shape)
        return numbers[join_key(self.pattern, tuple(libraries.to_numpy(i, "this index") for i in indices))]

    def plainly(self, xp: Any, shape: tuple[int, ...], entries: Any) -> tuple[tuple[Any, ...], Any]:
        """The key without new axes, which an array is not written with in every library, and entries to match."""
        pattern = tuple(item for item in self.pattern if item != _NEW)
        if pattern == self.pattern or not hasattr(entries, "shape"):
            return self._key_of(xp, pattern, len(shape)), entries
        numbers = np.broadcast_to(False, shape)
        full = xp.broadcast_to(entries, numbers[join_key(self.pattern, ())].shape)
        return self._key_of(xp, pattern, len(shape)), xp.reshape(full, numbers[join_key(pattern, ())].shape)

    @staticmethod
    def _key_of(xp: Any, pattern: Pattern, ndim: int, indices: tuple[Any, ...] = ()) -> tuple[Any, ...]:
        """What goes between the brackets; the standard wants every axis named, or the rest left to an ellipsis."""
        key = join_key(pattern, indices)
        named = sum(item is not None for item in key)
        return key if xp is np or _DOTS in pattern or named == ndim else (*key, ...)

    def backwards(self) -> bool:
        """Whether a slice has a negative step, which not every library takes."""
        return any(item[0] == "slice" and (item[3] or 1) < 0 for item in self.pattern)


class GetItem(_Indexing, Movement):
    """x[index]"""

    name = "getitem"
    symbol = "[]"
    story = "picks: the entries that were read receive their upstream gradients, all others zero; read twice, they add"
    samples = (
        sample(draw.normal(3, 4), pattern=(("int", 1),)),
        sample(draw.normal(3, 4), pattern=(("slice", None, None, 2), ("slice", 1, None, None))),
        sample(draw.normal(3, 4), pattern=(("slice", None, None, -1), _NEW, ("int", -1))),
        sample(draw.normal(2, 3, 4), pattern=(_DOTS, ("int", 0))),
        sample(draw.normal(3), [2, 0, 0, 1], pattern=(_ARRAY,)),
        sample(draw.normal(3, 4), [0, 1, 2, 0], [3, 1, 0, 3], pattern=(_ARRAY, _ARRAY)),
        sample(draw.normal(3, 4), [[True, False, True, False]] * 3, pattern=(_ARRAY,)),
        sample(draw.normal(3, 4), [2, 2], pattern=(("slice", None, None, None), _ARRAY)),
    )

    def on_numpy(self) -> Callable[..., Any]:
        if _ARRAY in self.pattern:
            return super().on_numpy()
        return operator.itemgetter(join_key(self.pattern, ()))

    def forward(self, xp: Any, x: Any, *indices: Any) -> Any:
        if xp is np:
            return x[join_key(self.pattern, indices)]
        if hasattr(xp, "getitem"):
            return xp.getitem(x, join_key(self.pattern, indices))
        if indices or self.backwards():
            places = self.places(xp, x.shape, indices)
            flat = libraries.placed(xp, places.ravel(), x)
            return xp.reshape(xp.take(xp.reshape(x, (-1,)), flat, axis=0), places.shape)
        return x[self.key(xp, len(x.shape), indices)]

    def local(self, index: int, g: Any, x_shape: Any, indices: Any) -> Any:
        return None if index else apply(Scatter(self.pattern, x_shape), g, *indices)

    def infer(self, *specs: Spec) -> Spec:
        x, *indices = specs
        numbers = np.broadcast_to(np.zeros((), x.dtype), x.shape)
        try:
            return Spec(numbers[join_key(self.pattern, tuple(map(_stand_in, indices)))].shape, x.dtype)
        except IndexError as error:
            raise IndexingError(f"{self.label()} on shape {x.shape}: {error}") from None


@dataclass(frozen=True)
class Scatter(_Indexing, Movement):
    """Zeros of `shape` to which g is added at the index; the gradient of reading there"""

    name = "scatter"
    symbol = "scatter"
    story = "places: each entry that was placed receives the upstream gradient of its place"
    samples = (
        sample(draw.normal(4), pattern=(("int", 1),), shape=(3, 4)),
        sample(draw.normal(4), [2, 0, 0, 1], pattern=(_ARRAY,), shape=(3,)),
    )

    shape: tuple[int, ...]

    def forward(self, xp: Any, g: Any, *indices: Any) -> Any:
        if hasattr(xp, "getitem"):
            return xp.scatter(self, g, indices)
        if xp is not np:
            if not indices and not self.backwards():
                key, entries = self.plainly(xp, self.shape, g)
                return libraries.written(xp, libraries.zeros(xp, self.shape, g), key, entries)
            places = self.places(xp, self.shape, indices).ravel()
            return xp.reshape(libraries.gathered(xp, prod(self.shape), places, xp.reshape(g, (-1,))), self.shape)
        out = np.zeros(self.shape, g.dtype)
        key = join_key(self.pattern, indices)
        if any(index.dtype != bool for index in indices):
            np.add.at(out, key, g)  # an entry read twice receives twice
        else:
            out[key] = g
        return out

    def local(self, index: int, g: Any, indices: Any) -> Any:
        return None if index else apply(GetItem(self.pattern), g, *indices)

    def infer(self, *specs: Spec) -> Spec:
        return Spec(self.shape, specs[0].dtype)


class SetItem(_Indexing, Movement):
    """x with value written at the index"""

    name = "setitem"
    symbol = "[]="
    story = "overwrites: the value receives the upstream gradient of its place, and x receives none there"
    linear = False
    samples = (
        sample(draw.normal(3, 4), draw.normal(4), pattern=(("int", 1),)),
        sample(draw.normal(3, 4), draw.normal(), pattern=(("slice", None, None, None), ("int", 2))),
        sample(draw.normal(4), draw.normal(3), [2, 0, 2], pattern=(_ARRAY,)),
        sample(draw.normal(2, 2), draw.normal(), [[True, False], [True, True]], pattern=(_ARRAY,)),
    )

    def forward(self, xp: Any, x: Any, value: Any, *indices: Any) -> Any:
        if hasattr(xp, "getitem"):
            return xp.setitem(x, join_key(self.pattern, indices), value)
        if xp is not np and (indices or self.backwards()):
            return self.overwritten(xp, x, value, indices)
        if xp is np:
            out = xp.asarray(x, copy=True)
            out[self.key(xp, len(x.shape), indices)] = value
            return out
        key, entries = self.plainly(xp, tuple(x.shape), self.fitting(xp, x, value))
        return libraries.written(xp, x, key, entries)

    def fitting(self, xp: Any, x: Any, value: Any) -> Any:
        """What is written, in the dtype of x; a number stays one."""
        return value if isinstance(value, bool | int | float | complex) else xp.astype(value, x.dtype, copy=False)

    def overwritten(self, xp: Any, x: Any, value: Any, indices: tuple[Any, ...]) -> Any:
        """The same for libraries with few ways of indexing: every entry of the result is read from one of the two."""
        places = self.places(xp, x.shape, indices)
        source = np.arange(prod(x.shape))
        source[places.ravel()] = source.size + np.arange(places.size)  # of several writes the last one stays
        new = libraries.zeros(xp, places.shape, x) + self.fitting(xp, x, value)
        both = xp.concat([xp.reshape(x, (-1,)), xp.reshape(new, (-1,))])
        return xp.reshape(xp.take(both, libraries.placed(xp, source, x), axis=0), x.shape)

    def local(self, index: int, g: Any, x_shape: Any, indices: Any) -> Any:
        if index == 0:
            return apply(self, g, 0.0, *indices)
        if index > 1:
            return None
        taken = apply(GetItem(self.pattern), g, *indices)
        kept = self._last_writes(x_shape, indices)
        if kept is None:
            return taken
        value = untracked(taken)
        return gates.where(
            libraries.placed(namespace((value,)), kept, value) if type(kept) is np.ndarray else kept, taken, 0.0
        )

    def _last_writes(self, shape: tuple[int, ...], indices: tuple[Any, ...]) -> Any:
        """Which of the written entries stayed; those that a later one at the same place overwrote did not."""
        if all("bool" in str(index.dtype) for index in indices):
            return None
        if any(hasattr(index, "assumed_false") for index in indices):  # not known yet: let the gates find it out
            writer = apply(SetItem(self.pattern), np.full(shape, -1), -1, *indices)
            picked = apply(GetItem(self.pattern), writer, *indices).shape
            numbers = np.arange(prod(picked)).reshape(picked)
            return (
                apply(GetItem(self.pattern), apply(SetItem(self.pattern), writer, numbers, *indices), *indices)
                == numbers
            )
        key = join_key(self.pattern, tuple(libraries.to_numpy(index, "this index") for index in indices))
        writer = np.full(shape, -1)
        numbers = np.arange(writer[key].size).reshape(writer[key].shape)
        writer[key] = numbers
        return None if np.array_equal(writer[key], numbers) else writer[key] == numbers

    def infer(self, *specs: Spec) -> Spec:
        x, value, *indices = specs
        target = GetItem(self.pattern).infer(x, *indices)
        if target.shape != broadcast_shapes(target.shape, value.shape):
            raise ShapeError(f"a value of shape {value.shape} cannot be written where shape {target.shape} is")
        return Spec(x.shape, x.dtype)


def getitem(x: Any, key: Any) -> Any:
    """x[key], a copy in meaning: what is later written into x does not show in it."""
    pattern, arrays = split_key(key)
    return apply(GetItem(pattern), x, *arrays)


def setitem(x: Any, key: Any, value: Any) -> Any:
    """A new array: x with `value` written at `key`."""
    pattern, arrays = split_key(key)
    if isinstance(value, Tracked) and np.dtype(dtype_name(x.dtype)).kind in "iub":
        value = gates.astype(value, x.dtype)  # an integer array cuts what is written into it, and no gradient passes
    return apply(SetItem(pattern), x, value, *arrays)


@implements(np.take)
def take(a: Any, indices: Any, axis: int | None = None, **others: Any) -> Any:
    """Entries of an array at integer `indices` along `axis` (None: of it flattened)."""
    if others.pop("mode", "raise") != "raise":
        refuse("take", {"mode": "other than 'raise'"})
    refuse("take", others)
    places = untracked(indices)
    if not hasattr(places, "dtype"):
        places = np.asarray(places)
    if dtype_name(places.dtype) == "bool":
        places = libraries.to_numpy(places, "take").astype(int)
    x = arrayed(a)
    if axis is None:
        return getitem(gates.ravel(x), (places,))
    lead = (slice(None),) * normalize_axis(axis, len(x.shape), "take")
    return getitem(x, (*lead, places))
