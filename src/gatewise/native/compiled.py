"""`compile`: a function as native code, one program for each structure, shapes and dtypes that it is called with."""

from __future__ import annotations

import ctypes
import inspect
import threading
import warnings
import weakref
from collections.abc import Callable, Collection, Sequence
from functools import update_wrapper
from time import perf_counter
from typing import Any

import numpy as np

from gatewise import tree
from gatewise.collecting import MANY, memory_returned, memory_trimmed, nothing_collected
from gatewise.errors import DTypeError, InputError
from gatewise.graph import PYTHON_NUMBERS, Spec, Tracked
from gatewise.native import cache, entry, pool
from gatewise.native.build import Built, build
from gatewise.native.looping import looped
from gatewise.native.lower import lowered
from gatewise.native.machine import WORTH_A_THREAD, Code, Library, function_at, machine_code
from gatewise.native.report import Report, report_of
from gatewise.native.rolling import rolled
from gatewise.native.source import Source, source_of
from gatewise.native.values import Call, Input, Program, as_outside
from gatewise.symbolic import Script, written
from gatewise.transforms import argument_name

#: So many programs of one function are made without a word; then it is said once why.
PROGRAMS_WITHOUT_A_WORD = 8

#: Leaves of these types are part of the structure: another value makes another program.
STATIC = (bool, int, str, bytes, type(None))

#: Entries of all values together from which on other Python threads may run during a call.
LONG = 1 << 16


class Compiled:
    """A function that is compiled when it is called; what `compile` returns.

    Calling it gives what the function gives, to the last digits or so. `source`, `report`, `llvm` and `assembly` show
    what became of it. One object may be called from many threads.
    """

    def __init__(self, f: Callable[..., Any], cache: bool = False, donated: Sequence[int] = ()) -> None:
        update_wrapper(self, f)
        self.f = f
        self._cache = cache
        self._donated = tuple(donated)
        self._programs: dict[Any, Executable] = {}
        self._lock = threading.Lock()
        self._told = False
        self._fast: Callable[..., Any] = self._slowly

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the function returns for these arguments."""
        return self._fast(*args, **kwargs)

    def source(self, *args: Any, **kwargs: Any) -> Source:
        """The program for these arguments as Python text: forward, then backward, runnable with NumPy alone.

        The text defines a function of the same name and arguments with the same results, up to rounding; what else it
        needs (large constants, gates that Python runs) is in its attribute ``given``. Without arguments, the program
        that was compiled last.

        Raises:
            InputError: Nothing has been compiled yet, and no arguments are given.

        Example:
            >>> import gatewise as gw
            >>> def f(x, y, z):
            ...     q = x + y
            ...     return q * z
            >>> print(gw.compile(gw.grad(f, argnums=(0, 2))).source(-2.0, 5.0, -4.0))
            import numpy as np
            <BLANKLINE>
            <BLANKLINE>
            @np.errstate(all="ignore")
            def f(x, y, z):
                x, y, z = np.float64(x), np.float64(y), np.float64(z)
                # forward pass
                # line 2: q = x + y
                q = x + y
                # backward pass: from the result back, upstream times local gradient
                dq = z
                dx = dq
                dz = q
                # where one of these holds, a more careful program answers, or the function itself
                if np.isnan(z) or np.isnan(q):
                    raise ArithmeticError("this program was made on the assumption that this does not happen")
                return (dx, dz)
            <BLANKLINE>
        """
        return source_of(self._program(args, kwargs))

    def report(self, *args: Any, measure: bool = False, **kwargs: Any) -> Report:
        """What the program for these arguments consists of: what was fused, bytes, FLOPs, what Python runs and why.

        Args:
            *args: Arguments of the function; none for the program that was compiled last.
            measure: Run it too, and compare its time with the memory bandwidth and the speed of products here.
            **kwargs: More arguments of the function.

        Raises:
            InputError: Nothing has been compiled yet, and no arguments are given.

        Example:
            >>> import gatewise as gw, numpy as np
            >>> report = gw.compile(lambda x: np.sum(np.exp(x) * x)).report(np.ones(1000))
            >>> [step.what for step in report.steps], report.bytes_read
            (['exp, multiply, sum'], 8000)
        """
        return report_of(self._program(args, kwargs), len(self._programs), measure)

    def llvm(self, *args: Any, **kwargs: Any) -> str:
        """The program for these arguments, or the one compiled last, in LLVM's language, before LLVM's own passes.

        Raises:
            InputError: Nothing has been compiled yet, and no arguments are given.
        """
        return self._program(args, kwargs).llvm()

    def assembly(self, *args: Any, **kwargs: Any) -> str:
        """The machine code of the program for these arguments, or of the one compiled last, as text.

        Raises:
            InputError: Nothing has been compiled yet, and no arguments are given.
        """
        return self._program(args, kwargs).library.assembly()

    def _program(self, args: Any, kwargs: Any) -> Executable:
        """The program for these arguments, compiled if need be; without arguments the one compiled last."""
        if args or kwargs or not self._takes_arguments():
            leaves, rebuild = tree.flatten((args, kwargs))
            return self._found(args, kwargs, leaves, rebuild)
        if not self._programs:
            raise InputError(
                f"{getattr(self.f, '__name__', 'the function')}() has not been compiled yet, since that depends on its "
                f"arguments: call it once, or give the arguments here"
            )
        return list(self._programs.values())[-1]

    def _takes_arguments(self) -> bool:
        try:
            return bool(inspect.signature(self.f).parameters)
        except (TypeError, ValueError):
            return True

    def _slowly(self, *args: Any, **kwargs: Any) -> Any:
        """Find the program for these arguments, or make it, and run it."""
        leaves, rebuild = tree.flatten((args, kwargs))
        if any(isinstance(leaf, Tracked) for leaf in leaves):
            return self.f(*args, **kwargs)
        program = self._found(args, kwargs, leaves, rebuild)
        if not kwargs:
            self._fast = program.entry_for(self._slowly)
        return program(leaves)

    def _found(self, args: Any, kwargs: Any, leaves: list[Any], rebuild: Callable[[list[Any]], Any]) -> Executable:
        """The program for these arguments."""
        flat = not kwargs and len(leaves) == len(args) and all(map(tree.is_leaf, args))
        key = (len(args) if flat else tree.structure((args, kwargs)), *map(_kind, leaves))
        program = self._programs.get(key)
        if program is None:
            with self._lock:
                program = self._programs.get(key)
                if program is None:
                    _require_numbers(self.f, leaves)
                    with nothing_collected():
                        program = Executable(
                            self.f, args, kwargs, leaves, rebuild, self._cache, self._donated_leaves(args)
                        )
                    self._programs[key] = program
                    self._tell()
        return program

    def _donated_leaves(self, args: Any) -> set[int]:
        """Which of all leaves belong to arguments that are donated."""
        if self._donated and max(self._donated) >= len(args):
            name = getattr(self.f, "__name__", "the function")
            raise InputError(
                f"donate_argnums names argument {max(self._donated)}, but {name}() was called with {len(args)} "
                f"arguments by position: pass it by position, or name another"
            )
        places, first = set(), 0
        for number, argument in enumerate(args):
            count = len(tree.flatten(argument)[0])
            if number in self._donated:
                places |= set(range(first, first + count))
            first += count
        return places

    def _tell(self) -> None:
        if len(self._programs) <= PROGRAMS_WITHOUT_A_WORD or self._told:
            return
        self._told = True
        warnings.warn(
            f"{getattr(self.f, '__name__', 'the function')}() has been compiled {len(self._programs)} times, for "
            "arguments that differ in shape, dtype or structure, or in a Python integer, which is part of the program: "
            "pass a changing number as np.float64(n) or np.int64(n), and arrays of few different shapes",
            RuntimeWarning,
            stacklevel=4,
        )


def _require_numbers(f: Callable[..., Any], leaves: Sequence[Any]) -> None:
    """Raise a DTypeError for an argument that no native code computes with: texts, dates, objects."""
    for leaf in leaves:
        dtype = getattr(leaf, "dtype", None)
        if isinstance(leaf, np.ndarray | np.generic) and getattr(dtype, "kind", "f") not in "biufc":
            name = getattr(f, "__name__", "the function")
            raise DTypeError(
                f"{name}() was compiled, and an argument of dtype {dtype} has no numbers to compute with: convert it "
                f"first, or leave this function uncompiled"
            )


def _kind(leaf: Any) -> Any:
    """What of a leaf the program depends on."""
    if isinstance(leaf, np.ndarray):
        return leaf.dtype, leaf.shape
    if isinstance(leaf, np.generic):
        return leaf.dtype, None
    return (type(leaf), leaf) if isinstance(leaf, STATIC) else type(leaf)


class Executable:
    """One program: the script it was made from, its native code, and how it is called."""

    def __init__(
        self,
        f: Callable[..., Any],
        args: Any,
        kwargs: Any,
        leaves: Sequence[Any],
        rebuild: Callable[[list[Any]], Any],
        cache: bool = False,
        donated: Collection[int] = (),
        strong: bool = False,
    ) -> None:
        self.f, self.rebuild_arguments = f, rebuild
        #: The leaves that are part of the program, and `...` in the places of arrays.
        self.fixed = [leaf if isinstance(leaf, STATIC) else ... for leaf in leaves]
        self.nesting: Any = None
        self.places = [i for i, leaf in enumerate(leaves) if not isinstance(leaf, STATIC)]
        self.cache, self.strong = cache, strong
        found: dict[str, Any] = {}

        def flat(*arrays: Any) -> list[Any]:
            result = self._eagerly(arrays)
            results, found["rebuild"] = tree.flatten(result)
            found["nesting"] = _nesting(result, iter(range(len(results))))
            return results

        given = [leaves[place] for place in self.places]
        self._given = [weakref.ref(leaf) if isinstance(leaf, np.ndarray) else leaf for leaf in given]
        times = [perf_counter()]
        script = written(flat, [Spec.of(_operand(leaf)) for leaf in given], strong)
        times.append(perf_counter())
        long = len(script.symbols) > MANY
        script = looped(rolled(script))  # nobody else has what it was before, which may be by far the largest of all
        self.script: Script = script
        times.append(perf_counter())
        if long:
            memory_returned()
        self.rebuild_results = found["rebuild"]
        self.program: Program = lowered(self.script)
        times.append(perf_counter())
        taken = [number for number, place in enumerate(self.places) if place in donated]
        self.donated = _donations(self.program, [n for n in taken if isinstance(given[n], np.ndarray)])
        self.built: Built = build(self.program, pool.threads(), donated=self.donated)
        times.append(perf_counter())
        self.fallbacks = self.careful_calls = 0
        self._careful: Executable | None = None
        self._lock = threading.Lock()
        self._interrupts: list[BaseException] = []
        self._gates = {name: self._gate(call) for name, call in self.built.calls}
        self.nesting = found["nesting"]  # holds the keys of dicts that entries make
        self._load(args if not kwargs else None, given, self.nesting)
        times.append(perf_counter())
        if long:
            memory_returned()
        elif len(self.library.code.text) >= WORTH_A_THREAD:
            memory_trimmed()  # LLVM worked in 5 to 7 MiB, of which nothing is needed any more
        #: How long each stage of compiling took.
        self.seconds = dict(zip(("trace", "roll", "lower", "build", "LLVM"), np.diff(times).tolist(), strict=True))

    def __call__(self, leaves: Sequence[Any]) -> Any:
        """The function of arguments that flatten to `leaves`."""
        if self._interrupts:
            raise self._interrupts.pop()
        return self._call(*[leaves[place] for place in self.places])

    def examples(self) -> list[Any]:
        """Leaves to try the program with: those it was made for if they are still there; donated ones are copied."""
        found = []
        for number, (given, spec) in enumerate(zip(self._given, self.program.arguments, strict=True)):
            array = given() if isinstance(given, weakref.ref) else given
            if array is None:
                array = np.zeros(spec.shape, spec.dtype)
            found.append(array.copy() if number in self.donated.values() else array)
        return self._filled(found)

    def entry_for(self, slow: Callable[..., Any]) -> Callable[..., Any]:
        """The program as a function of the user's arguments, which hands over to `slow` what it was not made for."""
        if self._entry is None:
            return slow
        return self._function("entry" if self.library.has("entry") else "of_arrays", slow)

    def _function(self, name: str, slow: Callable[..., Any]) -> Callable[..., Any]:
        return entry.function(getattr(self.f, "__name__", "compiled"), self.library, name, slow)

    def llvm(self) -> str:
        """The program in LLVM's language, without the entries that Python calls."""
        return self.library.code.text[: self._own_text]

    # ------------------------------------------------------------------------------------------------------- loading

    def _load(self, args: Sequence[Any] | None, given: Sequence[Any], nesting: Any) -> None:
        symbols = {name: array.ctypes.data for name, array in self.built.constants.items()}
        symbols |= {name: ctypes.cast(gate, ctypes.c_void_p).value or 0 for name, gate in self._gates.items()}
        if self.built.shared:
            pool.start(pool.threads())
            symbols[pool.PARALLEL] = pool.address()
        text = self.built.as_text() + "\n"
        self._own_text = len(text)
        self._entry: Any = None
        if entry.usable():
            results = [
                entry.Result(spec.shape, np.dtype(spec.dtype.name), self.donated.get(number))
                for number, spec in enumerate(self.program.results)
            ]
            long = self.built.shared or sum(value.size for value in self.built.schedule.stored) > LONG
            rebuild = self.rebuild_results if nesting is None else None
            flat = [entry.argument(leaf) for leaf in given]
            entries = {"of_arrays": flat}
            nested = None if args is None else [entry.argument(argument) for argument in args]
            if nested is not None and None not in nested:
                self._entry = nested  # the objects that entries compare with must stay
                if nested != flat:
                    entries["entry"] = nested
            for name, arguments in entries.items():
                more, objects = entry.written(name, arguments, results, nesting, self.built.arena_bytes, long, rebuild)
                text += more
                symbols |= objects
            text += entry.DECLARATIONS
            symbols |= entry.symbols()
        self.library = Library(self._code(text), symbols)
        self._run = function_at(self.library.address("program"), ctypes.c_int64, ctypes.c_void_p)
        self._call: Callable[..., Any] = self._through_ctypes
        if entry.usable():
            self._call = self._function("of_arrays", self._unlike)

    def _code(self, text: str) -> Code:
        """Machine code of a module, kept on disk if that was asked for."""
        code = cache.found(text) if self.cache else None
        if code is None:
            code = machine_code(text, pool.threads())
            if self.cache:
                cache.keep(code)
        return code

    def _unlike(self, *arrays: Any) -> Any:
        """Arrays of the right shapes and dtypes which the entry did not take: lying otherwise, or out of bounds."""
        self._require_writeable(arrays)
        lying = [
            _memory(a, spec.dtype) if isinstance(a, np.ndarray) else a
            for a, spec in zip(arrays, self.program.arguments, strict=True)
        ]
        if any(one is not other for one, other in zip(lying, arrays, strict=True)):
            return self._call(*lying)
        return self._refused(arrays)

    def _require_writeable(self, arrays: Sequence[Any]) -> None:
        """See to it that donated arrays can be written into, each by itself."""
        given = [(number, arrays[number]) for number in sorted(self.donated.values())]
        for place, (number, array) in enumerate(given):
            if isinstance(array, np.ndarray) and not array.flags.writeable:
                raise InputError(
                    f"{self._name(arrays, number)}, {array.dtype}{list(array.shape)}, is donated but cannot be written "
                    f"into: pass a copy, or do not donate it"
                )
            for before, other in given[:place]:
                if np.may_share_memory(array, other):
                    raise InputError(
                        f"{self._name(arrays, before)} and {self._name(arrays, number)} are both donated and share "
                        f"memory, so that one result would overwrite the other: pass a copy of one"
                    )

    def _name(self, arrays: Sequence[Any], number: int) -> str:
        """What the user calls an array of the arguments."""
        args, kwargs = self.rebuild_arguments(self._filled(arrays))
        named = [(argument_name(self.f, position), argument) for position, argument in enumerate(args)]
        named += [(key, kwargs[key]) for key in tree.sorted_keys(kwargs)]
        paths = [path for name, argument in named for path in tree.names(argument, name)]
        return paths[self.places[number]]

    def _refused(self, arrays: Sequence[Any]) -> Any:
        """The result of a call in which an assumption did not hold."""
        if self._interrupts:
            raise self._interrupts.pop()
        if not self.script.assumptions:  # then it was an index, or a gate that Python runs
            self.fallbacks += 1
            return self._eagerly(arrays)
        self.careful_calls += 1
        with self._lock:
            if self._careful is None:
                full = self._filled(arrays)
                args, kwargs = self.rebuild_arguments(full)
                self._careful = Executable(
                    self.f, args, kwargs, full, self.rebuild_arguments, self.cache, self._donated_places(), strong=True
                )
        return self._careful(self._filled(arrays))

    def _donated_places(self) -> set[int]:
        return {self.places[number] for number in self.donated.values()}

    def _filled(self, arrays: Sequence[Any]) -> list[Any]:
        """All leaves of the arguments."""
        full = list(self.fixed)
        for place, array in zip(self.places, arrays, strict=True):
            full[place] = array
        return full

    def _eagerly(self, arrays: Sequence[Any]) -> Any:
        """The function itself."""
        args, kwargs = self.rebuild_arguments(self._filled(arrays))
        return self.f(*args, **kwargs)

    def _through_ctypes(self, *arrays: Any) -> Any:
        """Run the program without an entry: where the interpreter's objects lie in memory in another way."""
        self._require_writeable(arrays)
        inputs = [_memory(array, spec.dtype) for array, spec in zip(arrays, self.program.arguments, strict=True)]
        outputs = [
            inputs[self.donated[number]] if number in self.donated else np.empty(spec.shape, spec.dtype)
            for number, spec in enumerate(self.program.results)
        ]
        arena = _aligned(self.built.arena_bytes)
        pointers = [array.ctypes.data for array in (*inputs, *outputs, arena)]
        table = (ctypes.c_void_p * len(pointers))(*pointers)
        if self._run(ctypes.addressof(table)):
            return self._refused(arrays)
        return self.rebuild_results([output if output.shape else output[()] for output in outputs])

    def _gate(self, call: Call) -> Any:
        """A C function that runs a gate in Python: takes pointers to its operands and to its result."""
        values = (*call.parts, call)

        def run(*pointers: int) -> int:
            try:
                arrays = [_array_at(pointer, value) for pointer, value in zip(pointers, values, strict=True)]
                with np.errstate(all="ignore"):
                    as_outside(arrays[-1], call.dtypes[-1])[...] = call.run(arrays)
            except Exception:  # the eager run that follows says what went wrong
                return 1
            except BaseException as interrupt:  # which C code cannot pass on
                self._interrupts.append(interrupt)
                return 1
            return 0

        return ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * len(values))(run)

    def __del__(self) -> None:
        library = getattr(self, "library", None)
        for name in ("entry_release", "of_arrays_release"):
            if library is not None and library.has(name):
                function_at(library.address(name), None)()


def _donations(program: Program, given: Sequence[int]) -> dict[int, int]:
    """For results' numbers the arguments, of those `given`, that have their shape and dtype, each taken once."""
    free = list(given)
    found = {}
    for number, (output, spec) in enumerate(zip(program.outputs, program.results, strict=True)):
        for place in free if not isinstance(output, Input) else ():
            if program.arguments[place] == spec:
                found[number] = place
                free.remove(place)
                break
    return found


def _nesting(result: Any, numbers: Any) -> Any:
    """Which result stands where, when results are nested in tuples, lists and dicts alone; else None."""
    if tree.is_leaf(result):
        return next(numbers)
    if type(result) is dict:
        keys = tree.sorted_keys(result)
        items = [_nesting(result[key], numbers) for key in keys]
        if None in items:
            return None
        order = [keys.index(key) for key in result]
        return entry.Container(dict, tuple(items[i] for i in order), tuple(result))
    if type(result) in (tuple, list):
        items = [_nesting(item, numbers) for item in result]
        return None if None in items else entry.Container(type(result), tuple(items))
    return None


def _operand(leaf: Any) -> Any:
    return leaf if type(leaf) in PYTHON_NUMBERS or hasattr(leaf, "dtype") else np.asarray(leaf)


def _memory(leaf: Any, dtype: Any) -> np.ndarray[Any, Any]:
    """An argument as a contiguous array in native byte order; itself if it is one."""
    if (
        type(leaf) is np.ndarray
        and leaf.flags.c_contiguous
        and leaf.flags.aligned
        and leaf.dtype is np.dtype(dtype.name)
    ):
        return leaf
    return np.array(leaf, np.dtype(dtype.name), order="C", copy=True)


def _aligned(size: int) -> np.ndarray[Any, Any]:
    """Memory that begins at a cache line."""
    room = np.empty(size + 64, np.uint8)
    start = -room.ctypes.data % 64
    return room[start : start + max(size, 1)]


def _array_at(pointer: int, value: Any) -> np.ndarray[Any, Any]:
    size = value.size * value.dtype.itemsize
    buffer = (ctypes.c_char * size).from_address(pointer or 0) if size else b""
    return np.frombuffer(buffer, value.dtype).reshape(value.shape)


def compile(f: Callable[..., Any], *, cache: bool = False, donate_argnums: int | Sequence[int] = ()) -> Compiled:
    """The same function, as native code: one program for all that it computes, gradients included.

    The function runs once on arrays without numbers for every new combination of structure, shapes and dtypes of its
    arguments; what it computes on the way becomes the program, which later calls of that kind run. Therefore:

    - Python integers, booleans, strings and None among the arguments are part of the program: another value makes
      another one. A number that changes is passed as a float or as ``np.int64(n)``.
    - What the function uses without getting it as an argument (arrays, attributes, global variables) is read when it
      is compiled, and stays as it was then.
    - What it does besides computing (printing, writing into lists) happens while it is compiled, and not again.
    - Arrays are split among `threads()` threads where there is enough work; `set_threads` changes that.

    A gate without a native form is run by Python inside the program. Programs are made on the assumption that no NaN
    arrives among gradients; where one does, a second program that takes care of zeros computes that call. With an index
    out of bounds the function itself runs, and raises its error.
    Traced arguments do, too, so a compiled function can be differentiated, but only what is inside it is compiled:
    compile ``gw.grad(f)``, rather than differentiate the compiled `f`.

    Args:
        f: A function of arrays and numbers, nested as one likes, with results likewise.
        cache: Keep machine code on disk, in the user's cache directory or in what GATEWISE_CACHE names, so that other
            processes need not wait for it again. Entries are bound to the program and the processor; what is corrupt
            or could have been written by somebody else is not used.
        donate_argnums: Arguments whose arrays may be written over: results of the same shapes and dtypes are then put
            into them, and what is returned is the very array that was passed. What raises leaves them whole.

    Raises:
        DTypeError: At a call: an argument has no numbers (texts, dates, objects).
        InputError: `donate_argnums` holds something else than places of arguments. At a call: a donated array cannot be
            written into, or shares memory with another.
        TracedValueError: At a call: `f` asks for numbers that are not there yet, with ``if``, ``float(x)`` and the
            like. The message names the line and what to use: ``gw.where``, ``gw.cond``, ``gw.while_loop``.
        ShapeError: At a call: a result's shape depends on numbers, like that of ``x[x > 0]``. Use ``gw.where``.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> def loss(w, x, y):
        ...     return np.mean((np.tanh(x @ w) - y) ** 2)
        >>> step = gw.compile(lambda w, x, y: w - 0.5 * gw.grad(loss)(w, x, y))
        >>> w, x, y = np.zeros(2), np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([0.5, -0.5])
        >>> for _ in range(100):
        ...     w = step(w, x, y)
        >>> np.tanh(x @ w).round(3)
        array([ 0.5, -0.5])
        >>> update = gw.compile(lambda w, x, y: w - 0.5 * gw.grad(loss)(w, x, y), donate_argnums=0)
        >>> update(w, x, y) is w
        True
        >>> gw.compile(lambda x: x if x > 0 else -x)(np.float64(2.0))
        Traceback (most recent call last):
            ...
        gatewise.errors.TracedValueError: a branch of Python (if, while, and, or, assert) depends on the numbers of ...
    """
    numbers = (donate_argnums,) if isinstance(donate_argnums, int) else tuple(donate_argnums)
    if any(type(number) is not int or number < 0 for number in numbers):
        raise InputError(f"donate_argnums takes places of arguments, counted from 0; got {donate_argnums!r}")
    return Compiled(f, cache, numbers)


__all__ = ["Compiled", "Executable", "compile"]
