"""How Python calls a program: what is taken at once, what goes to the slow way, and that nothing is lost on either."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
import threading
import tracemalloc
import weakref

import numpy as np
import pytest

from gatewise.native import entry
from gatewise.native.machine import Library

pytestmark = pytest.mark.skipif(not entry.usable(), reason="the interpreter's objects lie in memory in another way")

NOTHING = "define i64 @program(ptr %table) {\n  ret i64 0\n}\n"
REFUSES = "define i64 @program(ptr %table) {\n  ret i64 1\n}\n"

DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float32", "float64", "complex64", "complex128"),
)


def slowly(*args, **kwargs):
    """What the slow way is told."""
    return "slow", args, kwargs


def copying(sizes, inputs=1):
    """A program that copies input i, modulo their number, to output i, which has so many bytes."""
    lines = []
    for number, size in enumerate(sizes):
        lines += [
            f"  %f{number} = getelementptr ptr, ptr %table, i64 {number % inputs}",
            f"  %from{number} = load ptr, ptr %f{number}",
            f"  %t{number} = getelementptr ptr, ptr %table, i64 {inputs + number}",
            f"  %to{number} = load ptr, ptr %t{number}",
            f"  call void @llvm.memcpy.p0.p0.i64(ptr %to{number}, ptr %from{number}, i64 {size}, i1 false)",
        ]
    return (
        "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)\n"
        "define i64 @program(ptr %table) {\n" + "\n".join(lines) + "\n  ret i64 0\n}\n"
    )


def made(
    arguments,
    results,
    nesting=0,
    program=None,
    arena=0,
    unlocked=False,
    rebuild=None,
    slow=slowly,
    symbols=(),
):
    """A function whose arguments are like `arguments`, around a program that copies them to its results."""
    kinds = [entry.argument(argument) for argument in arguments]
    if program is None:
        program = copying([int(np.prod(r.shape)) * r.dtype.itemsize for r in results], max(len(arguments), 1))
    text, objects = entry.written("entry", kinds, results, nesting, arena, unlocked, rebuild)
    library = Library(program + text + entry.DECLARATIONS, entry.symbols() | objects | dict(symbols))
    return entry.function("called", library, "entry", slow)


def array_like(array):
    return entry.Result(array.shape, array.dtype)


def pair(*items):
    return entry.Container(tuple, items)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 0), (2, 1, 3, 1, 2)])
def test_arrays_of_every_dtype_go_in_and_out(dtype, shape):
    given = (np.arange(np.prod(shape)).reshape(shape) % 2).astype(dtype)
    result = made([given], [array_like(given)])(given)
    assert type(result) is (np.ndarray if shape else np.dtype(dtype).type)
    assert result.dtype == given.dtype
    np.testing.assert_array_equal(result, given)


@pytest.mark.parametrize("dtype", DTYPES)
def test_scalars_of_every_dtype_go_in_and_out(dtype):
    given = np.dtype(dtype).type(1)
    result = made([given], [entry.Result((), given.dtype)])(given)
    assert type(result) is type(given)
    assert result == given


def test_a_python_number_gives_a_numpy_scalar():
    result = made([0.0], [entry.Result((), np.dtype(float))])(2.5)
    assert (type(result), result) == (np.float64, 2.5)


def test_a_result_is_an_array_like_any_other():
    given = np.arange(6.0).reshape(2, 3)
    result = made([given], [array_like(given)])(given)
    assert result.flags.owndata
    assert result.flags.writeable
    assert result.flags.c_contiguous
    assert result.base is None
    assert not np.shares_memory(result, given)


SIX = np.arange(6.0).reshape(2, 3)
UNALIGNED = np.zeros(49, np.uint8)[1:].view(np.float64).reshape(2, 3)


class Special(np.ndarray):
    """An array of another type."""


@pytest.mark.parametrize(
    "other",
    [
        SIX[:1],
        SIX.reshape(3, 2),
        SIX.reshape(6),
        SIX.reshape(1, 2, 3),
        SIX.astype(np.float32),
        SIX.astype(np.int64),
        SIX.astype(SIX.dtype.newbyteorder()),
        np.asfortranarray(SIX),
        np.arange(12.0).reshape(2, 6)[:, ::2],
        UNALIGNED,
        SIX.view(Special),
        SIX.tolist(),
        2.0,
        None,
    ],
    ids=[
        *("length", "lengths", "rank 1", "rank 3", "float32", "int64", "byte order", "Fortran", "steps", "unaligned"),
        *("subclass", "list", "number", "None"),
    ],
)
def test_what_is_not_exactly_alike_goes_the_slow_way(other):
    word, args, kwargs = made([SIX], [array_like(SIX)])(other)
    assert word == "slow"
    assert args[0] is other
    assert kwargs == {}


@pytest.mark.parametrize("other", [1, True, np.float64(1), np.array(1.0), 1j, "1"], ids=repr)
def test_what_is_not_exactly_a_float_goes_the_slow_way(other):
    assert made([1.0], [entry.Result((), np.dtype(float))])(other)[0] == "slow"


def test_other_numbers_of_arguments_and_keywords_go_the_slow_way():
    function = made([1.0, 2.0], [entry.Result((), np.dtype(float))])
    assert function() == ("slow", (), {})
    assert function(1.0) == ("slow", (1.0,), {})
    assert function(1.0, 2.0, 3.0) == ("slow", (1.0, 2.0, 3.0), {})
    assert function(1.0, y=2.0) == ("slow", (1.0,), {"y": 2.0})
    assert function(*[1.0, 2.0]) == 1.0


def test_an_error_of_the_slow_way_is_passed_on():
    def fails(*_args):
        raise ValueError("not like this")

    with pytest.raises(ValueError, match="not like this"):
        made([1.0], [entry.Result((), np.dtype(float))], slow=fails)("x")


def test_a_program_that_refuses_goes_the_slow_way():
    function = made([SIX, 1.0], [array_like(SIX), array_like(SIX)], pair(0, 1), program=REFUSES)
    word, args, _ = function(SIX, 1.0)
    assert word == "slow"
    assert args[0] is SIX


def test_results_are_nested_as_told():
    given = [1.0, 2.0, np.arange(3.0)]
    nesting = pair(0, entry.Container(list, (1,)), entry.Container(dict, (2, pair()), ("b", "a")))
    results = [entry.Result((), np.dtype(float))] * 2 + [array_like(given[2])]
    one, (two,), table = made(given, results, nesting)(*given)
    assert (one, two) == (1.0, 2.0)
    assert list(table) == ["b", "a"]
    np.testing.assert_array_equal(table["b"], given[2])
    assert table["a"] == ()


def test_any_other_structure_is_made_by_a_function():
    def rebuild(items):
        return {"all": items}

    results = [entry.Result((), np.dtype(float))] * 2
    assert made([1.0, 2.0], results, None, rebuild=rebuild)(3.0, 4.0) == {"all": [3.0, 4.0]}


def test_an_error_while_rebuilding_is_passed_on():
    def rebuild(_items):
        raise LookupError("no such structure")

    with pytest.raises(LookupError, match="no such structure"):
        made([1.0], [entry.Result((), np.dtype(float))], None, rebuild=rebuild)(1.0)


def test_containers_are_looked_into():
    given = ({"w": np.arange(3.0), "b": 2.0}, [1.0, (np.float32(3),)], "mode", None)
    kinds = [entry.argument(argument) for argument in given]
    results = [
        array_like(np.float64(0)),
        array_like(np.arange(3.0)),
        array_like(np.float64(0)),
        array_like(np.float32(0)),
    ]
    text, objects = entry.written("entry", kinds, results, pair(0, 1, 2, 3), 0, True, None)
    library = Library(copying([8, 24, 8, 4], 4) + text + entry.DECLARATIONS, entry.symbols() | objects)
    function = entry.function("called", library, "entry", slowly)
    b, w, one, three = function(*given)
    assert (b, w.tolist(), one, three) == (2.0, [0.0, 1.0, 2.0], 1.0, 3.0)
    w, b = given[0]["w"], given[0]["b"]
    for other in ({"w": w}, {"w": w, "c": b}, {"w": w, "b": b, "c": b}, {"w": b, "b": w}, [w, b]):
        assert function(other, *given[1:])[0] == "slow"
    for other in ([1.0], [1.0, [np.float32(3)]], (1.0, (np.float32(3),)), [1.0, (np.float32(3),), 1.0]):
        assert function(given[0], other, *given[2:])[0] == "slow"
    assert function(*given[:2], "another mode", None)[0] == "slow"


def test_keys_with_code_of_their_own_are_not_looked_up():
    class Key(str):
        """A string that compares as it likes."""

        __slots__ = ()

    assert entry.argument({Key("a"): 1.0}) is None
    assert entry.argument({(1, 2): 1.0}) is None


# Writes to the last byte of an arena of 64 KiB, shows the arena to `meet`, and returns its number.
MEETS = """
declare void @meet(ptr)
define i64 @program(ptr %table) {
  %place = getelementptr ptr, ptr %table, i64 2
  %arena = load ptr, ptr %place
  %last = getelementptr i8, ptr %arena, i64 65535
  store i8 1, ptr %last
  call void @meet(ptr %arena)
  %from.place = load ptr, ptr %table
  %number = load double, ptr %from.place
  %to.place = getelementptr ptr, ptr %table, i64 1
  %to = load ptr, ptr %to.place
  store double %number, ptr %to
  ret i64 0
}
"""


def test_threads_in_one_program_have_arenas_of_their_own_and_run_at_once():
    barrier, arenas = threading.Barrier(3, timeout=20), []

    @ctypes.CFUNCTYPE(None, ctypes.c_void_p)
    def meet(arena):
        arenas.append(arena)
        barrier.wait()  # all are inside at once: with the interpreter's lock held this would end in an error

    symbols = {"meet": ctypes.cast(meet, ctypes.c_void_p).value}
    results = [entry.Result((), np.dtype(float))]
    function = made([0.0], results, program=MEETS, arena=1 << 16, unlocked=True, symbols=symbols.items())
    answers = {}
    threads = [
        threading.Thread(target=lambda number=number: answers.update({number: function(float(number))}))
        for number in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {0: 0.0, 1: 1.0, 2: 2.0}
    assert len(set(arenas)) == 3
    assert all(arena % 64 == 0 for arena in arenas)


def test_one_thread_finds_the_same_arena_again():
    arenas = []
    meet = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(arenas.append)
    symbols = {"meet": ctypes.cast(meet, ctypes.c_void_p).value}
    results = [entry.Result((), np.dtype(float))]
    function = made([0.0], results, program=MEETS, arena=1 << 16, symbols=symbols.items())
    for _ in range(5):
        function(1.0)
    assert len(set(arenas)) == 1


# ------------------------------------------------------------------------------------------------ references and memory


def references_kept(function, *args):
    """How many references to its arguments, and how many bytes, a hundred calls leave behind."""

    def run(times):
        for _ in range(times):
            with contextlib.suppress(MemoryError, LookupError):
                function(*args)

    run(100)
    gc.collect()
    before = [sys.getrefcount(argument) for argument in args]
    run(100)
    after = [sys.getrefcount(argument) for argument in args]
    tracemalloc.start()
    try:
        run(10)
        gc.collect()
        start = tracemalloc.get_traced_memory()[0]
        run(1000)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - start
    finally:
        tracemalloc.stop()
    return after != before, grown > 2000


@pytest.mark.parametrize("unlocked", [False, True])
def test_calls_leave_nothing_behind(unlocked):
    given = [np.arange(100.0), 1.5, {"a": [np.ones(3)]}]
    results = [array_like(given[0]), entry.Result((), np.dtype(float)), array_like(np.ones(3))]
    nesting = pair(0, entry.Container(list, (1,)), entry.Container(dict, (2,), ("key",)))
    function = made(given, results, nesting, arena=1 << 16, unlocked=unlocked)
    assert references_kept(function, *given) == (False, False)
    assert references_kept(function, given[0], 1.5, {"a": [np.ones(4)]}) == (False, False)


def test_refusals_and_errors_leave_nothing_behind():
    def rebuild(_items):
        raise LookupError

    refusing = made([SIX], [array_like(SIX)] * 2, pair(0, 1), program=REFUSES, arena=1 << 16, slow=lambda x: None)
    assert references_kept(refusing, SIX) == (False, False)
    failing = made([SIX], [array_like(SIX)] * 2, None, rebuild=rebuild)
    assert references_kept(failing, SIX) == (False, False)


#: For each C function that may fail: what it takes, what it returns, what that is when it failed.
CAN_FAIL = {
    "gatewise_new": ("ptr, i32, ptr, i32, ptr, ptr, i32, i32, ptr", "ptr", "null"),
    "gatewise_scalar": ("ptr, ptr, ptr", "ptr", "null"),
    "PyTuple_New": ("i64", "ptr", "null"),
    "PyList_New": ("i64", "ptr", "null"),
    "PyDict_New": ("", "ptr", "null"),
    "PyDict_SetItem": ("ptr, ptr, ptr", "i32", "-1"),
    "PyMem_RawMalloc": ("i64", "ptr", "null"),
}


def failing_from(name, number):
    """A stand-in for a C function that works `number` times and then fails for want of memory."""
    kinds, returned, failure = CAN_FAIL[name]
    parameters = ", ".join(f"{kind} %a{i}" for i, kind in enumerate(kinds.split(", "))) if kinds else ""
    told = "" if name == "PyMem_RawMalloc" else "%error = call ptr @PyErr_NoMemory()"
    text = f"""
@left = internal global i64 {number}
declare ptr @PyErr_NoMemory()
declare {returned} @original({kinds})
define {returned} @stand_in({parameters}) {{
  %left = load i64, ptr @left
  %fewer = sub i64 %left, 1
  store i64 %fewer, ptr @left
  %works = icmp sgt i64 %left, 0
  br i1 %works, label %go, label %fail
fail:
  {told}
  ret {returned} {failure}
go:
  %value = call {returned} @original({parameters})
  ret {returned} %value
}}
"""
    symbols = entry.symbols()
    return Library(text, {"original": symbols[name], "PyErr_NoMemory": symbols["PyErr_NoMemory"]})


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("name", CAN_FAIL)
def test_want_of_memory_is_an_exception_and_leaves_nothing_behind(name, number):
    stand_in = failing_from(name, number)
    nesting = entry.Container(dict, (0, pair(1, entry.Container(list, (2,)))), ("first", "rest"))
    results = [entry.Result((), np.dtype(float)), array_like(SIX), array_like(SIX)]
    symbols = {name: stand_in.address("stand_in")}
    function = made([SIX], results, nesting, arena=1 << 16, symbols=symbols.items())
    failures = 0
    for _ in range(5):
        try:
            function(SIX)
        except MemoryError:
            failures += 1
    kept_its_arena = name == "PyMem_RawMalloc" and number > 0
    assert failures == 0 if kept_its_arena else failures >= 2
    assert references_kept(function, SIX) == (False, False)


def test_a_function_is_all_that_needs_to_be_kept():
    """Code, definition and the slow way live as long as the function, and no longer."""

    class Slow:
        def __call__(self, *args):
            return args

    slow = Slow()
    gone = weakref.ref(slow)
    function = made([1.0], [entry.Result((), np.dtype(float))], slow=slow)
    del slow
    gc.collect()
    assert function(2.0) == 2.0
    assert function("x") == ("x",)
    assert function.__name__ == "called"
    del function
    gc.collect()
    assert gone() is None


def test_a_function_in_a_cycle_is_freed():
    """The collector may clear everything around a function first; CPython reads the definition after that."""

    class Holder:
        def slow(self, *args):
            return args

    gone = []
    for _ in range(50):
        holder = Holder()
        holder.function = made([1.0], [entry.Result((), np.dtype(float))], program=NOTHING, slow=holder.slow)
        gone.append(weakref.ref(holder))
        del holder
    gc.collect()
    assert all(reference() is None for reference in gone)
    definition = made([1.0], [entry.Result((), np.dtype(float))])
    kept = [type(thing).__name__ for thing in gc.get_referents(definition)[0]]
    assert "_MethodDefinition" in kept


def test_without_entries_the_answers_are_the_same(monkeypatch):
    """Where objects lie in memory in another way, programs are called through ctypes."""
    from gatewise.native.compiled import compile as compiled

    def f(x, w, scale):
        return {"sum": np.sum(np.tanh(x @ w)) * scale, "all": (x + scale, [w * w])}

    x, w = np.arange(6.0).reshape(2, 3) / 7, np.ones((3, 4), np.float32) / 3
    calls = [(x, w, 2.0), (x, w, 3.0), (x[:, ::-1], w, 2.0), (np.asfortranarray(x), w, np.float64(2)), (x[:1], w, 2.0)]
    with_entries = compiled(f)
    expected = [with_entries(*call) for call in calls]
    monkeypatch.setattr(entry, "usable", lambda: False)
    monkeypatch.setattr(entry, "function", None)  # not to be called
    through_ctypes = compiled(f)
    for call, one in zip(calls, expected, strict=True):
        other = through_ctypes(*call)
        assert other.keys() == one.keys()
        for got, wanted in [
            (other["sum"], one["sum"]),
            (other["all"][0], one["all"][0]),
            (other["all"][1][0], one["all"][1][0]),
        ]:
            assert type(got) is type(wanted)
            assert got.dtype == wanted.dtype
            np.testing.assert_array_equal(got, wanted)
        np.testing.assert_allclose(other["sum"], np.sum(np.tanh(call[0] @ w)) * call[2], rtol=1e-6)
