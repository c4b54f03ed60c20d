"""How Python calls a program: a built-in function whose code is part of the program itself.

A call from Python costs more than a small circuit. So the function that Python calls is emitted too: it looks at its
arguments in memory, and when each is exactly what the program was made for, runs the program at once. Anything else
(another shape or dtype, a list, keywords, an assumption that did not hold) goes to a Python function, `slow`.

It relies on what CPython and NumPy 2 promise: the layout of objects, floats and arrays, and their C interfaces, reached
by address. Where that does not hold (no interpreter lock, another implementation) `usable` says so.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from gatewise.native.machine import Library

#: Flags of an array that must be set: C-contiguous and aligned; if it is to be written into, writeable.
CONTIGUOUS, ALIGNED, WRITEABLE = 0x1, 0x100, 0x400

#: Arenas of up to so many bytes lie on the stack; where code must ask for each page of it, on one page.
ON_STACK = 1 << 15 if sys.platform != "win32" else 1 << 11

_FASTCALL_WITH_KEYWORDS = 0x0080 | 0x0002

#: Keys of these types are looked up without running any code of the user's.
_PLAIN_KEYS = (str, bytes, int)

# Offsets in bytes: the type in an object, the size and the items of a container, the number in a float, and an
# array's fields.
_SIZE, _LIST_ITEMS = 16, 24
_TYPE, _NUMBER, _DATA, _RANK, _LENGTHS, _DTYPE, _FLAGS = 8, 16, 16, 24, 32, 56, 64

# Places in NumPy's table of C functions.
_ARRAY_TYPE, _SCALAR, _NEW = 2, 60, 93


@dataclass(frozen=True)
class Argument:
    """What an argument must be: an array, a NumPy scalar, or (`number`) a Python float."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    number: bool
    scalar: bool


@dataclass(frozen=True)
class Result:
    """An array, or for shape () a NumPy scalar; `donated` is the number of the argument that it is, written over."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    donated: int | None = None


@dataclass(frozen=True)
class Same:
    """An argument, or a part of one, that is the very object: a Python integer, None, a string."""

    thing: Any


@dataclass(frozen=True)
class Container:
    """A list, tuple or dict of arguments; for a dict `keys` go with `items`."""

    kind: type
    items: tuple[Any, ...]
    keys: tuple[Any, ...] = ()


#: How results are nested: a result's number, or a Container of such.
Nesting = Any


class _MethodDefinition(ctypes.Structure):
    """CPython's PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("code", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("documentation", ctypes.c_char_p),
    )


@lru_cache(maxsize=1)
def _items_of_tuple() -> int:
    """Where a tuple's items begin, in bytes; it differs between versions of CPython."""
    return tuple.__basicsize__


def usable() -> bool:
    """Whether this interpreter's objects lie in memory as the emitted code expects."""
    unlocked = hasattr(sys, "_is_gil_enabled") and not sys._is_gil_enabled()
    plain = platform.python_implementation() == "CPython" and not hasattr(sys, "gettotalrefcount")
    return plain and not unlocked and sys.maxsize > 2**32 and _layout_is_known()


@lru_cache(maxsize=1)
def _layout_is_known() -> bool:
    """Look at objects whose contents are known."""
    array = np.arange(6.0).reshape(2, 3)
    place = id(array)

    def word(offset: int) -> int:
        return ctypes.c_size_t.from_address(place + offset).value

    lengths = (ctypes.c_ssize_t * 2).from_address(word(_LENGTHS))
    number = 2.5
    return (
        word(_TYPE) == id(np.ndarray)
        and word(_DATA) == array.ctypes.data
        and ctypes.c_int.from_address(place + _RANK).value == 2
        and list(lengths) == [2, 3]
        and word(_DTYPE) == id(array.dtype)
        and ctypes.c_int.from_address(place + _FLAGS).value & (CONTIGUOUS | ALIGNED) == CONTIGUOUS | ALIGNED
        and ctypes.c_double.from_address(id(number) + _NUMBER).value == number
        and _containers_are_known()
        and ctypes.c_double.from_address(id(np.float64(number)) + _NUMBER).value == number
    )


def _containers_are_known() -> bool:
    """Look at a list, a tuple and a dict."""
    one, two = object(), object()
    items, pair, table = [one, two], (one, two), {1: one, 2: two}
    sizes = [ctypes.c_ssize_t.from_address(id(thing) + _SIZE).value for thing in (items, pair, table)]
    inside = ctypes.c_size_t.from_address(id(items) + _LIST_ITEMS).value
    firsts = [ctypes.c_size_t.from_address(place).value for place in (inside, id(pair) + _items_of_tuple())]
    return sizes == [2, 2, 2] and firsts == [id(one), id(one)]


@lru_cache(maxsize=1)
def symbols() -> dict[str, int]:
    """The functions of CPython and NumPy that entries call, by name."""
    from numpy._core import _multiarray_umath  # type: ignore[attr-defined]

    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    table = ctypes.cast(get(_multiarray_umath._ARRAY_API, None), ctypes.POINTER(ctypes.c_void_p))
    found = {"gatewise_scalar": table[_SCALAR], "gatewise_new": table[_NEW]}
    names = (
        *("PyObject_Vectorcall", "PyObject_CallOneArg", "PyTuple_New", "PyTuple_GetItem", "PyList_New", "Py_DecRef"),
        *("PyEval_SaveThread", "PyEval_RestoreThread", "PyMem_RawMalloc", "PyMem_RawFree", "PyErr_NoMemory"),
        *("PyTuple_SetItem", "PyList_SetItem", "PyDict_New", "PyDict_SetItem", "PyDict_GetItemWithError", "Py_IncRef"),
    )
    for name in names:
        found[name] = ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value
    return {name: int(address or 0) for name, address in found.items()}


def argument(thing: Any) -> Any:
    """What a later argument must be like to stand in this one's place; None for what an entry cannot look into."""
    if isinstance(thing, np.ndarray):
        return Argument(thing.shape, np.dtype(thing.dtype.name), number=False, scalar=False)
    if isinstance(thing, np.generic):
        return Argument((), np.dtype(thing.dtype.name), number=False, scalar=True)
    if type(thing) in (float, complex):
        return Argument((), np.dtype(type(thing)), number=True, scalar=False)
    if thing is None or isinstance(thing, bool | int | str | bytes):
        return Same(thing)
    if type(thing) not in (list, tuple, dict):
        return None
    keys = tuple(thing) if type(thing) is dict else ()
    if any(type(key) not in _PLAIN_KEYS for key in keys):
        return None
    try:
        keys = tuple(sorted(keys))  # the order in which trees are flattened
    except TypeError:
        return None
    items = [argument(thing[key]) for key in keys] if keys else [argument(item) for item in thing]
    return None if None in items else Container(type(thing), tuple(items), keys)


def written(
    name: str,
    arguments: Sequence[Any],
    results: Sequence[Result],
    nesting: Nesting,
    arena_bytes: int,
    unlocked: bool,
    rebuild: Callable[[list[Any]], Any] | None,
) -> tuple[str, dict[str, int]]:
    """An entry in LLVM's language, to be put behind a module that defines ``i64 @program(ptr)``, with `DECLARATIONS`.

    The text holds no addresses, so that it is the same in every process. The objects that it compares with or hands
    out are symbols of it, which are given here with their addresses.

    Args:
        name: What the function is called.
        arguments: What the function takes, in the order of the program's inputs once containers are unfolded.
        results: What it gives.
        nesting: The structure of the value that is returned.
        arena_bytes: How much memory the program works in.
        unlocked: Whether other Python threads may run meanwhile; it costs a little.
        rebuild: A function of the list of results that returns the value, in place of `nesting`; must be kept alive.
    """
    entry = _Entry(name, arguments, results, nesting, arena_bytes, unlocked, rebuild)
    return entry.text(), entry.objects


def function(title: str, library: Library, name: str, slow: Callable[..., Any]) -> Callable[..., Any]:
    """An entry as a built-in function.

    It keeps alive what it needs, its own definition too: CPython reads that when it frees the function.

    Args:
        title: What the function is called.
        library: What holds the entry.
        name: What the entry is called there.
        slow: Takes the same arguments, and is called with those that the program was not made for.
    """
    definition = _MethodDefinition(title.encode(), library.address(name), _FASTCALL_WITH_KEYWORDS, None)
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]
    return make(ctypes.addressof(definition), (slow, definition, library), None)  # type: ignore[no-any-return]


class _Entry:
    """Writes the text of one entry."""

    def __init__(
        self,
        title: str,
        arguments: Sequence[Any],
        results: Sequence[Result],
        nesting: Nesting,
        arena_bytes: int,
        unlocked: bool,
        rebuild: Callable[[list[Any]], Any] | None,
    ) -> None:
        self.title = title
        self.arguments, self.results, self.nesting = arguments, results, nesting
        self.arena_bytes, self.unlocked, self.rebuild = arena_bytes, unlocked, rebuild
        self.inputs = sum(map(_leaves_of, arguments))
        self.held: list[str] = []  # what another thread could take out of its container while the program runs
        self.filled = 0
        self.donated = {result.donated: "" for result in results if result.donated is not None}
        self.owned: list[str] = []  # references that are this function's to give away or to drop
        self.undoing: dict[tuple[str, ...], str] = {}
        self.lines: list[str] = []
        self.globals: list[str] = []
        self.objects: dict[str, int] = {}
        self.count = 0

    def object(self, thing: Any) -> str:
        """The symbol of an object, which somebody else keeps alive."""
        place = id(thing)
        for symbol, known in self.objects.items():
            if known == place:
                return f"@{symbol}"
        symbol = f"{self.title}_object{len(self.objects)}"
        self.objects[symbol] = place
        self.globals.append(f"@{symbol} = external global i8")
        return f"@{symbol}"

    def name(self) -> str:
        """A fresh register."""
        self.count += 1
        return f"%r{self.count}"

    def say(self, line: str) -> None:
        """One more instruction."""
        self.lines.append(line if line.endswith(":") else "  " + line)

    def field(self, place: str, offset: int, kind: str) -> str:
        """A field of an object."""
        at, value = self.name(), self.name()
        self.say(f"{at} = getelementptr i8, ptr {place}, i64 {offset}")
        self.say(f"{value} = load {kind}, ptr {at}")
        return value

    def unless(self, relation: str, left: str, right: str, kind: str, goal: str) -> None:
        """Go on if a comparison holds, else to `goal`."""
        test, label = self.name(), f"go{self.count}"
        self.say(f"{test} = icmp {relation} {kind} {left}, {right}")
        self.say(f"br i1 {test}, label %{label}, label %{goal}")
        self.say(f"{label}:")

    def text(self) -> str:
        """The whole entry."""
        outputs = len(self.results)
        slots = self.inputs + outputs + 1
        self.say("entry:")
        self.say(f"%table = alloca [{slots} x ptr]")
        for number, result in enumerate(self.results):
            if not result.shape:
                self.say(f"%number{number} = alloca [2 x i64], align 16")
        on_stack = self.arena_bytes <= ON_STACK
        if on_stack and self.arena_bytes:
            self.say(f"%arena = alloca [{self.arena_bytes} x i8], align 64")
        self.unless("eq", "%keywords", "null", "ptr", "slow")
        self.unless("eq", "%count", str(len(self.arguments)), "i64", "slow")
        for number, argument in enumerate(self.arguments):
            place, thing = self.name(), self.name()
            self.say(f"{place} = getelementptr ptr, ptr %given, i64 {number}")
            self.say(f"{thing} = load ptr, ptr {place}")
            self._check(thing, argument, inside=False)
        self._check_donated()
        made = self._allocate()
        if not on_stack:
            self._take_arena()
        if self.arena_bytes:
            self._slot(slots - 1, "%arena")
        for thing in self.held:
            self.say(f"call void @Py_IncRef(ptr {thing})")
        if self.unlocked:
            self.say("%thread = call ptr @PyEval_SaveThread()")
        self.say("%status = call i64 @program(ptr %table)")
        if self.unlocked:
            self.say("call void @PyEval_RestoreThread(ptr %thread)")
        for thing in self.held:
            self.say(f"call void @Py_DecRef(ptr {thing})")
        if not on_stack:
            self._return_arena()
        self.unless("eq", "%status", "0", "i64", "refused")
        self._answer(made)
        self.say("refused:")
        self._drop(list(made.values()))
        self.say("br label %slow")
        self.say("slow:")
        self.say("%handler = call ptr @PyTuple_GetItem(ptr %self, i64 0)")
        self.say("%slowly = call ptr @PyObject_Vectorcall(ptr %handler, ptr %given, i64 %count, ptr %keywords)")
        self.say("ret ptr %slowly")
        self._undo()
        self.say("failed:")
        self.say("ret ptr null")
        body = "\n".join(self.lines)
        return (
            "\n".join(self.globals)
            # Not optimised: that makes a small program compile in a quarter less time, and no call slower.
            + f"\ndefine ptr @{self.title}(ptr %self, ptr %given, i64 %count, ptr %keywords) noinline optnone "
            + f"{{\n{body}\n}}\n"
        )

    def _drop(self, places: Sequence[str]) -> None:
        for place in places:
            self.say(f"call void @Py_DecRef(ptr {place})")

    def _fails_if(self, relation: str, kind: str, value: str, wrong: str) -> None:
        """Where a C function says that it failed, drop what is owned and pass the exception on."""
        test, label = self.name(), f"{self.count}"
        self.say(f"{test} = icmp {relation} {kind} {value}, {wrong}")
        self.say(f"br i1 {test}, label %{self._undone()}, label %done{label}")
        self.say(f"done{label}:")

    def _undone(self) -> str:
        """Where what is owned now is dropped, one thing after the other: places that drop the same share the way."""
        owned = tuple(self.owned)
        number = len(owned)
        while number and owned[:number] not in self.undoing:
            self.undoing[owned[:number]] = f"undo{len(self.undoing)}"
            number -= 1
        return self.undoing[owned] if owned else "failed"

    def _undo(self) -> None:
        """The ways on which what was owned is dropped."""
        for owned, label in self.undoing.items():
            self.say(f"{label}:")
            self._drop(owned[-1:])
            self.say(f"br label %{self.undoing.get(owned[:-1], 'failed')}")

    def _new(self, call: str, place: str | None = None) -> str:
        """What a C function returns, a new reference."""
        place = place or self.name()
        self.say(f"{place} = call ptr {call}")
        self._fails_if("eq", "ptr", place, "null")
        self.owned.append(place)
        return place

    def _slot(self, number: int, pointer: str) -> None:
        place = self.name()
        self.say(f"{place} = getelementptr ptr, ptr %table, i64 {number}")
        self.say(f"store ptr {pointer}, ptr {place}")

    def _check(self, thing: str, argument: Any, inside: bool) -> None:
        """Go on if an argument is what it should be; its data's address goes into the table."""
        if isinstance(argument, Same):
            self.unless("eq", thing, self.object(argument.thing), "ptr", "slow")
            return
        if isinstance(argument, Container):
            self._check_container(thing, argument)
            return
        if inside and self.unlocked:
            self.held.append(thing)
        number = self.filled
        self.filled += 1
        kind = self.field(thing, _TYPE, "ptr")
        if argument.number or argument.scalar:
            wanted = type(argument.dtype.type().item()) if argument.number else argument.dtype.type
            self.unless("eq", kind, self.object(wanted), "ptr", "slow")
            data = self.name()
            self.say(f"{data} = getelementptr i8, ptr {thing}, i64 {_NUMBER}")
            self._slot(number, data)
            return
        self.unless("eq", kind, self.object(np.ndarray), "ptr", "slow")
        self.unless("eq", self.field(thing, _DTYPE, "ptr"), self.object(argument.dtype), "ptr", "slow")
        self.unless("eq", self.field(thing, _RANK, "i32"), str(len(argument.shape)), "i32", "slow")
        flags, kept, wanted_flags = self.field(thing, _FLAGS, "i32"), self.name(), CONTIGUOUS | ALIGNED
        if number in self.donated:
            self.donated[number] = thing
            wanted_flags |= WRITEABLE
        self.say(f"{kept} = and i32 {flags}, {wanted_flags}")
        self.unless("eq", kept, str(wanted_flags), "i32", "slow")
        if argument.shape:
            lengths = self.field(thing, _LENGTHS, "ptr")
            for axis, length in enumerate(argument.shape):
                self.unless("eq", self.field(lengths, 8 * axis, "i64"), str(length), "i64", "slow")
        self._slot(number, self.field(thing, _DATA, "ptr"))

    def _check_donated(self) -> None:
        """Go on if no two arrays that will be written into overlap."""
        sizes = {r.donated: prod(r.shape) * r.dtype.itemsize for r in self.results if r.donated is not None}
        count = len(sizes)
        if count < 2:
            return
        for kind, numbers in (("places", sizes), ("sizes", sizes.values())):
            listed = ", ".join(f"i64 {number}" for number in numbers)
            self.globals.append(f"@{self.title}_{kind} = internal constant [{count} x i64] [{listed}]")
        before = self.name()
        self.say(f"br label %before{before[1:]}")
        self.say(f"before{before[1:]}:")
        self.say("br label %donated")
        self.say("donated:")
        self.say(f"%one = phi i64 [ 1, %before{before[1:]} ], [ %next.one, %donated.after ]")
        self._span("one")
        self.say("br label %donated.other")
        self.say("donated.other:")
        self.say("%other = phi i64 [ 0, %donated ], [ %next.other, %donated.apart ]")
        self._span("other")
        self.say("%starts = icmp ult i64 %start.one, %end.other")
        self.say("%ends = icmp ult i64 %start.other, %end.one")
        self.say("%overlap = and i1 %starts, %ends")
        self.say("br i1 %overlap, label %slow, label %donated.apart")
        self.say("donated.apart:")
        self.say("%next.other = add i64 %other, 1")
        self.say("%more.other = icmp ult i64 %next.other, %one")
        self.say("br i1 %more.other, label %donated.other, label %donated.after")
        self.say("donated.after:")
        self.say("%next.one = add i64 %one, 1")
        self.say(f"%more.one = icmp ult i64 %next.one, {count}")
        self.say("br i1 %more.one, label %donated, label %donated.none")
        self.say("donated.none:")

    def _span(self, which: str) -> None:
        """Where the memory of one of the arrays that will be written into begins and ends."""
        for kind in ("places", "sizes"):
            self.say(f"%{kind}.{which} = getelementptr i64, ptr @{self.title}_{kind}, i64 %{which}")
            self.say(f"%{kind}.of.{which} = load i64, ptr %{kind}.{which}")
        self.say(f"%slot.{which} = getelementptr ptr, ptr %table, i64 %places.of.{which}")
        self.say(f"%start.{which} = load i64, ptr %slot.{which}")
        self.say(f"%end.{which} = add i64 %start.{which}, %sizes.of.{which}")

    def _check_container(self, thing: str, container: Container) -> None:
        self.unless("eq", self.field(thing, _TYPE, "ptr"), self.object(container.kind), "ptr", "slow")
        self.unless("eq", self.field(thing, _SIZE, "i64"), str(len(container.items)), "i64", "slow")
        if container.kind is dict:
            for key, item in zip(container.keys, container.items, strict=True):
                found = self.name()
                self.say(f"{found} = call ptr @PyDict_GetItemWithError(ptr {thing}, ptr {self.object(key)})")
                self.unless("ne", found, "null", "ptr", "slow")
                self._check(found, item, inside=True)
            return
        if container.kind is list:
            contents = self.field(thing, _LIST_ITEMS, "ptr") if container.items else thing
        else:
            contents = self.name()
            self.say(f"{contents} = getelementptr i8, ptr {thing}, i64 {_items_of_tuple()}")
        for number, item in enumerate(container.items):
            self._check(self.field(contents, 8 * number, "ptr"), item, inside=container.kind is list)

    def _allocate(self) -> dict[int, str]:
        """New arrays for results; scalars get their place on the stack."""
        made: dict[int, str] = {}
        for number, result in enumerate(self.results):
            slot = self.inputs + number
            if result.donated is not None:
                made[number] = thing = self.donated[result.donated]
                self.say(f"call void @Py_IncRef(ptr {thing})")
                self.owned.append(thing)
                self._slot(slot, self.field(thing, _DATA, "ptr"))
                continue
            if not result.shape:
                self._slot(slot, f"%number{number}")
                continue
            lengths = ", ".join(f"i64 {n}" for n in result.shape)
            self.globals.append(
                f"@{self.title}_lengths{number} = internal constant [{len(result.shape)} x i64] [{lengths}]"
            )
            array = self._new(
                f"@gatewise_new(ptr {self.object(np.ndarray)}, i32 {len(result.shape)}, "
                f"ptr @{self.title}_lengths{number}, "
                f"i32 {result.dtype.num}, ptr null, ptr null, i32 0, i32 0, ptr null)",
                f"%array{number}",
            )
            made[number] = array
            self._slot(slot, self.field(array, _DATA, "ptr"))
        return made

    def _take_arena(self) -> None:
        """The program's own memory if nobody else is using it, else fresh memory."""
        self.globals.append(f"@{self.title}_spare = internal global ptr null, align 8")
        self.globals.append(
            f"define void @{self.title}_release() {{\n"
            f"  %old = atomicrmw xchg ptr @{self.title}_spare, ptr null seq_cst\n"
            "  call void @PyMem_RawFree(ptr %old)\n  ret void\n}"
        )
        self.say(f"%kept = atomicrmw xchg ptr @{self.title}_spare, ptr null seq_cst")
        self.say("%none = icmp eq ptr %kept, null")
        self.say("br i1 %none, label %allocate, label %have")
        self.say("allocate:")
        self.say(f"%fresh = call ptr @PyMem_RawMalloc(i64 {self.arena_bytes + 64})")
        self.say("%nothing = icmp eq ptr %fresh, null")
        self.say("br i1 %nothing, label %exhausted, label %allocated")
        self.say("exhausted:")
        self._drop(self.owned)
        self.say("%told = call ptr @PyErr_NoMemory()")
        self.say("br label %failed")
        self.say("allocated:")
        self.say("br label %have")
        self.say("have:")
        self.say(
            "%room = phi ptr [ %kept, %go_have ], [ %fresh, %allocated ]".replace("%go_have", self._block_before())
        )
        self.say("%address = ptrtoint ptr %room to i64")
        self.say("%above = add i64 %address, 63")
        self.say("%rounded = and i64 %above, -64")
        self.say("%arena = inttoptr i64 %rounded to ptr")

    def _block_before(self) -> str:
        """The block in which the arena was asked for."""
        labels = [line[:-1] for line in self.lines if line.endswith(":") and not line.startswith(" ")]
        return "%" + labels[labels.index("allocate") - 1]

    def _return_arena(self) -> None:
        self.say(f"%swap = cmpxchg ptr @{self.title}_spare, ptr null, ptr %room seq_cst seq_cst")
        self.say("%back = extractvalue { ptr, i1 } %swap, 1")
        self.say("br i1 %back, label %returned, label %surplus")
        self.say("surplus:")
        self.say("call void @PyMem_RawFree(ptr %room)")
        self.say("br label %returned")
        self.say("returned:")

    def _answer(self, made: dict[int, str]) -> None:
        """Put the results together and return them."""
        values = {
            number: made.get(number) or self._number(number, result) for number, result in enumerate(self.results)
        }
        if self.rebuild is None:
            self.say(f"ret ptr {self._nested(self.nesting, values)}")
            return
        items = self._new(f"@PyList_New(i64 {len(values)})")
        for number, value in values.items():
            self._put("PyList_SetItem", items, number, value)
        answer = self.name()
        self.say(f"{answer} = call ptr @PyObject_CallOneArg(ptr {self.object(self.rebuild)}, ptr {items})")
        self.say(f"call void @Py_DecRef(ptr {items})")
        self.say(f"ret ptr {answer}")

    def _put(self, setter: str, items: str, number: int, value: str) -> None:
        self.say(f"{self.name()} = call i32 @{setter}(ptr {items}, i64 {number}, ptr {value})")
        self.owned.remove(value)

    def _number(self, number: int, result: Result) -> str:
        """A NumPy scalar."""
        return self._new(f"@gatewise_scalar(ptr %number{number}, ptr {self.object(result.dtype)}, ptr null)")

    def _nested(self, nesting: Nesting, values: dict[int, str]) -> str:
        if isinstance(nesting, int):
            return values[nesting]
        items = [self._nested(item, values) for item in nesting.items]
        if nesting.kind is dict:
            whole = self._new("@PyDict_New()")
            for key, item in zip(nesting.keys, items, strict=True):
                status = self.name()
                self.say(f"{status} = call i32 @PyDict_SetItem(ptr {whole}, ptr {self.object(key)}, ptr {item})")
                self._fails_if("slt", "i32", status, "0")
                self._drop([item])
                self.owned.remove(item)
            return whole
        name = "PyTuple" if nesting.kind is tuple else "PyList"
        whole = self._new(f"@{name}_New(i64 {len(items)})")
        for number, item in enumerate(items):
            self._put(f"{name}_SetItem", whole, number, item)
        return whole


def _leaves_of(argument: Any) -> int:
    """How many inputs of the program an argument holds."""
    if isinstance(argument, Container):
        return sum(map(_leaves_of, argument.items))
    return int(isinstance(argument, Argument))


DECLARATIONS = """
declare ptr @gatewise_scalar(ptr, ptr, ptr)
declare ptr @gatewise_new(ptr, i32, ptr, i32, ptr, ptr, i32, i32, ptr)
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare ptr @PyObject_CallOneArg(ptr, ptr)
declare ptr @PyTuple_New(i64)
declare ptr @PyTuple_GetItem(ptr, i64)
declare ptr @PyList_New(i64)
declare i32 @PyTuple_SetItem(ptr, i64, ptr)
declare i32 @PyList_SetItem(ptr, i64, ptr)
declare ptr @PyDict_New()
declare i32 @PyDict_SetItem(ptr, ptr, ptr)
declare ptr @PyDict_GetItemWithError(ptr, ptr)
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare ptr @PyMem_RawMalloc(i64)
declare void @PyMem_RawFree(ptr)
declare ptr @PyErr_NoMemory()
"""
