"""Sharing work among threads: every part is run once, whatever else goes on, and no process hangs for it."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from gatewise.errors import InputError
from gatewise.native import pool
from gatewise.native.machine import Library, function_at

# Array libraries that other tests have imported warn of every fork, since their own threads do not survive it.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:RuntimeWarning", "ignore:.*fork:DeprecationWarning")

# `count` adds 1 to the part's number in a table. `many` shares that out again and again. `outer` shares out, inside
# each of its parts, four parts of its own.
TEXT = """
declare void @gatewise_parallel(ptr, ptr, i64)
define internal void @count(ptr %table, i64 %part, i64 %parts) {
  %place = getelementptr i64, ptr %table, i64 %part
  %old = load i64, ptr %place
  %new = add i64 %old, 1
  store i64 %new, ptr %place
  ret void
}
define internal void @nested(ptr %table, i64 %part, i64 %parts) {
  %first = mul i64 %part, 4
  %rows = getelementptr i64, ptr %table, i64 %first
  call void @gatewise_parallel(ptr @count, ptr %rows, i64 4)
  ret void
}
define void @outer(ptr %table, i64 %parts) {
  call void @gatewise_parallel(ptr @nested, ptr %table, i64 %parts)
  ret void
}
define void @many(ptr %table, i64 %parts, i64 %times) {
entry:
  br label %again
again:
  %done = phi i64 [ 0, %entry ], [ %next, %again ]
  call void @gatewise_parallel(ptr @count, ptr %table, i64 %parts)
  %next = add i64 %done, 1
  %more = icmp slt i64 %next, %times
  br i1 %more, label %again, label %end
end:
  ret void
}
"""


class Work:
    """The functions of `TEXT`."""

    def __init__(self):
        self.library = Library(TEXT, {pool.PARALLEL: pool.address()})
        self._many = function_at(self.library.address("many"), None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
        self._outer = function_at(self.library.address("outer"), None, ctypes.c_void_p, ctypes.c_int64)

    def many(self, parts, times):
        """How often each part was run."""
        table = np.zeros(max(parts, 1), np.int64)
        self._many(table.ctypes.data, parts, times)
        return table

    def outer(self, parts):
        """How often each part of a part was run."""
        table = np.zeros(4 * parts, np.int64)
        self._outer(table.ctypes.data, parts)
        return table


@pytest.fixture
def work():
    pool.start(4)
    yield Work()
    pool.set_patience(pool.PATIENCE)


@pytest.mark.parametrize("parts", [1, 2, 3, 4, 5, 64, 1000])
def test_every_part_is_run_once_a_time(work, parts):
    assert (work.many(parts, 50) == 50).all()


def test_no_parts_are_no_work(work):
    assert work.many(0, 3) == [0]


def test_parts_are_run_on_several_threads_at_once():
    """Each part waits for all the others: in one thread this would wait for ever."""
    barrier, seen = threading.Barrier(3, timeout=20), set()

    @ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    def body(_context, part, _parts):
        barrier.wait()
        seen.add((part, threading.get_ident()))

    pool.start(3)
    share = function_at(pool.address(), None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    share(ctypes.cast(body, ctypes.c_void_p), None, 3)
    first = dict(seen)
    seen.clear()
    share(ctypes.cast(body, ctypes.c_void_p), None, 3)
    assert first.keys() == {0, 1, 2}
    assert len(set(first.values())) == 3
    assert first[0] == threading.get_ident()
    assert dict(seen) == first, "parts are always run by the same threads"


def test_a_part_may_share_its_own_work(work):
    assert (work.outer(7) == 1).all()


@pytest.mark.parametrize("patience", [0.0, 1.0, 40.0])
def test_a_hundred_thousand_jobs_from_several_python_threads(work, patience):
    pool.set_patience(patience)
    tables = {}

    def run(number):
        tables[number] = work.many(2 + number, 25_000)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((tables[number] == 25_000).all() for number in range(4))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_forked_in_the_middle_of_a_job_has_a_pool_of_its_own(work):
    stop = threading.Event()

    def keep_busy():
        while not stop.is_set():
            work.many(4, 500)

    busy = threading.Thread(target=keep_busy)
    busy.start()
    try:
        statuses = []
        for _ in range(20):
            child = os.fork()
            if child == 0:
                import signal

                signal.alarm(20)  # a child that hangs is ended, and the test fails
                right = (work.many(4, 200) == 200).all()
                alive = len(os.listdir("/proc/self/task")) if sys.platform.startswith("linux") else 4
                os._exit(0 if right and alive == 4 else 1)
            statuses.append(os.waitpid(child, 0)[1])
    finally:
        stop.set()
        busy.join()
    assert statuses == [0] * 20


@pytest.mark.parametrize("while_working", [False, True])
def test_the_interpreter_ends_though_workers_wait_or_work(while_working):
    script = f"""
import ctypes, threading
from gatewise.native import pool
from gatewise.native.machine import Library, function_at
pool.start(3)
library = Library({TEXT!r}, {{pool.PARALLEL: pool.address()}})
many = function_at(library.address("many"), None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
table = (ctypes.c_int64 * 3)()
many(ctypes.addressof(table), 3, 1000)
if {while_working}:
    threading.Thread(target=many, args=(ctypes.addressof(table), 3, 1 << 40), daemon=True).start()
print(list(table) if not {while_working} else "working")
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.strip() == ("working" if while_working else "[1000, 1000, 1000]")


def told(variable):
    script = "from gatewise.native import pool; print(pool.threads())"
    environment = os.environ | {"GATEWISE_THREADS": variable}
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)


def test_the_environment_says_how_many():
    assert told("3").stdout == "3\n"
    assert told("").stdout == f"{min(pool.cores(), pool.MOST)}\n"


@pytest.mark.parametrize("variable", ["0", "-1", "many", "1.5"])
def test_an_environment_that_makes_no_sense_is_an_error(variable):
    assert f"at least 1; got {variable!r}" in told(variable).stderr


@pytest.mark.parametrize("number", [0, -1, 1.5, "2", True])
def test_a_number_of_threads_that_makes_no_sense_is_an_error(number):
    with pytest.raises(InputError, match="at least 1"):
        pool.set_threads(number)


def test_set_threads_is_remembered_up_to_the_most():
    before = pool.threads()
    try:
        pool.set_threads(10_000)
        assert pool.threads() == pool.MOST
    finally:
        pool.set_threads(before)
