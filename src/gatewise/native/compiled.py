"""`compile`: a function as native code, one program for each structure, shapes and dtypes that it is called with."""

from __future__ import annotations

import ctypes
import inspect
import threading
import warnings
from collections.abc import Callable, Sequence
from functools import update_wrapper
from time import perf_counter
from typing import Any

import numpy as np

from gatewise import tree
from gatewise.collecting import nothing_collected
from gatewise.errors import InputError
from gatewise.graph import PYTHON_NUMBERS, Spec, Tracked
from gatewise.native import entry, pool
from gatewise.native.build import Built, build
from gatewise.native.looping import looped
from gatewise.native.lower import lowered
from gatewise.native.machine import Library, function_at
from gatewise.native.report import Report, report_of
from gatewise.native.rolling import rolled
from gatewise.native.source import Source, source_of
from gatewise.native.values import Call, Program
from gatewise.symbolic import Script, written

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

    def __init__(self, f: Callable[..., Any]) -> None:
        update_wrapper(self, f)
        self.f = f
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
                # where one of these holds, the compiled function leaves the call to the function itself
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
                    with nothing_collected():
                        program = Executable(self.f, args, kwargs, leaves, rebuild)
                    self._programs[key] = program
                    self._tell()
        return program

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
        self, f: Callable[..., Any], args: Any, kwargs: Any, leaves: Sequence[Any], rebuild: Callable[[list[Any]], Any]
    ) -> None:
        self.f, self.rebuild_arguments, self.template = f, rebuild, list(leaves)
        self.nesting: Any = None
        self.places = [i for i, leaf in enumerate(leaves) if not isinstance(leaf, STATIC)]
        found: dict[str, Any] = {}

        def flat(*arrays: Any) -> list[Any]:
            result = self._eagerly(arrays)
            results, found["rebuild"] = tree.flatten(result)
            found["nesting"] = _nesting(result, iter(range(len(results))))
            return results

        given = [leaves[place] for place in self.places]
        times = [perf_counter()]
        script = written(flat, [Spec.of(_operand(leaf)) for leaf in given])
        times.append(perf_counter())
        self.script: Script = looped(rolled(script))
        times.append(perf_counter())
        self.rebuild_results = found["rebuild"]
        self.program: Program = lowered(self.script)
        times.append(perf_counter())
        self.built: Built = build(self.program, pool.threads())
        times.append(perf_counter())
        self.fallbacks = 0
        self._interrupts: list[BaseException] = []
        self._gates = {name: self._gate(call) for name, call in self.built.calls}
        self.nesting = found["nesting"]  # holds the keys of dicts that entries make
        self._load(args if not kwargs else None, given, self.nesting)
        times.append(perf_counter())
        #: How long each stage of compiling took.
        self.seconds = dict(zip(("trace", "roll", "lower", "build", "LLVM"), np.diff(times).tolist(), strict=True))

    def __call__(self, leaves: Sequence[Any]) -> Any:
        """The function of arguments that flatten to `leaves`."""
        if self._interrupts:
            raise self._interrupts.pop()
        return self._call(*[leaves[place] for place in self.places])

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
        text = self.built.as_text()
        self._own_text = len(text)
        self._entry: Any = None
        if entry.usable():
            results = [entry.Result(value.shape, np.dtype(value.dtype.name)) for value in self.program.outputs]
            long = self.built.shared or sum(value.size for value in self.built.schedule.stored) > LONG
            rebuild = self.rebuild_results if nesting is None else None
            flat = [entry.argument(leaf) for leaf in given]
            nested = None if args is None else [entry.argument(argument) for argument in args]
            if nested is not None and None not in nested:
                self._entry = nested, args  # the objects that entries compare with must stay
                if nested != flat:
                    text += entry.written("entry", nested, results, nesting, self.built.arena_bytes, long, rebuild)
            text += entry.written("of_arrays", flat, results, nesting, self.built.arena_bytes, long, rebuild)
            text += entry.DECLARATIONS
            symbols |= entry.symbols()
        self.library = Library(text, symbols)
        self._run = function_at(self.library.address("program"), ctypes.c_int64, ctypes.c_void_p)
        self._call: Callable[..., Any] = self._through_ctypes
        if entry.usable():
            self._call = self._function("of_arrays", self._unlike)

    def _unlike(self, *arrays: Any) -> Any:
        """Arrays of the right shapes and dtypes which the entry did not take: lying otherwise, or out of bounds."""
        lying = [
            _memory(a, v.dtype) if isinstance(a, np.ndarray) else a
            for a, v in zip(arrays, self.program.inputs, strict=True)
        ]
        if any(one is not other for one, other in zip(lying, arrays, strict=True)):
            return self._call(*lying)
        self.fallbacks += 1
        if self._interrupts:
            raise self._interrupts.pop()
        return self._eagerly(arrays)

    def _eagerly(self, arrays: Sequence[Any]) -> Any:
        """The function itself."""
        full = list(self.template)
        for place, array in zip(self.places, arrays, strict=True):
            full[place] = array
        args, kwargs = self.rebuild_arguments(full)
        return self.f(*args, **kwargs)

    def _through_ctypes(self, *arrays: Any) -> Any:
        """Run the program without an entry: where the interpreter's objects lie in memory in another way."""
        inputs = [_memory(array, value.dtype) for array, value in zip(arrays, self.program.inputs, strict=True)]
        outputs = [np.empty(value.shape, value.dtype) for value in self.program.outputs]
        arena = _aligned(self.built.arena_bytes)
        pointers = [array.ctypes.data for array in (*inputs, *outputs, arena)]
        table = (ctypes.c_void_p * len(pointers))(*pointers)
        if self._run(ctypes.addressof(table)):
            self.fallbacks += 1
            return self._eagerly(arrays)
        return self.rebuild_results([output if output.shape else output[()] for output in outputs])

    def _gate(self, call: Call) -> Any:
        """A C function that runs a gate in Python: takes pointers to its operands and to its result."""
        values = (*call.parts, call)

        def run(*pointers: int) -> int:
            try:
                arrays = [_array_at(pointer, value) for pointer, value in zip(pointers, values, strict=True)]
                parts = iter(arrays)
                operands = [next(parts)[()] if given is None else given[0] for given in call.arguments]
                with np.errstate(all="ignore"):
                    arrays[-1][...] = call.gate.forward(np, *operands)
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


def compile(f: Callable[..., Any]) -> Compiled:
    """The same function, as native code: one program for all that it computes, gradients included.

    The function runs once on arrays without numbers for every new combination of structure, shapes and dtypes of its
    arguments; what it computes on the way becomes the program, which later calls of that kind run. Therefore:

    - Python integers, booleans, strings and None among the arguments are part of the program: another value makes
      another one. A number that changes is passed as a float or as ``np.int64(n)``.
    - What the function uses without getting it as an argument (arrays, attributes, global variables) is read when it
      is compiled, and stays as it was then.
    - What it does besides computing (printing, writing into lists) happens while it is compiled, and not again.
    - Arrays are split among `threads()` threads where there is enough work; `set_threads` changes that.

    A gate without a native form is run by Python inside the program. Where something was assumed that turns out wrong
    (an index out of bounds, a NaN among gradients, whose strong zeros need care), that call runs the function itself.
    Traced arguments do, too, so a compiled function can be differentiated, but only what is inside it is compiled:
    compile ``gw.grad(f)``, rather than differentiate the compiled `f`.

    Args:
        f: A function of arrays and numbers, nested as one likes, with results likewise.

    Raises:
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
        >>> gw.compile(lambda x: x if x > 0 else -x)(np.float64(2.0))
        Traceback (most recent call last):
            ...
        gatewise.errors.TracedValueError: a branch of Python (if, while, and, or, assert) depends on the numbers of ...
    """
    return Compiled(f)


__all__ = ["Compiled", "Executable", "compile"]
