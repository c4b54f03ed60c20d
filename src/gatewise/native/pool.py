"""Threads for native code: ``gatewise_parallel(body, context, parts)`` calls ``body(context, part, parts)`` per part.

The caller begins with part 0, each worker with one of the others, so that parts find their data in the caches; who has
done his takes what nobody has begun, so that a worker who is kept from running holds nobody up. Which parts there are
does not depend on that, and neither do results. Workers run no Python and never need the interpreter's lock. Between
jobs they look out for the next one for some microseconds and then sleep on a lock; so does a caller who waits for them.
Who finds the pool busy (a second Python thread, or a part that shares its own work) runs all parts himself, and so does
everybody where no thread can be had.

Workers begin when a job first needs them, in a child process after a fork as well, which has none of its parent's.

It is written in LLVM IR on the interpreter's own thread primitives (``PyThread_*``), which exist wherever CPython runs.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from functools import lru_cache

import llvmlite.binding as llvm

from gatewise.errors import InputError
from gatewise.native.machine import Library, function_at, machine_code

#: The symbol under which programs find the function that shares work.
PARALLEL = "gatewise_parallel"

#: More threads than this are never used.
MOST = 64

#: For so many microseconds a thread looks for what it waits for before it sleeps: longer than it takes to be woken.
PATIENCE = 40.0

#: What the pool calls: found by way of ctypes, which knows where the interpreter's library is.
_USED = (
    *("PyThread_allocate_lock", "PyThread_free_lock", "PyThread_acquire_lock", "PyThread_release_lock"),
    *("PyThread_start_new_thread", "PyGILState_Ensure", "PyGILState_Release"),
)

_setting: dict[str, int] = {}
_lock = threading.Lock()


def cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "process_cpu_count"):
        return int(os.process_cpu_count() or 1)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads() -> int:
    """How many threads functions are compiled for: what `set_threads` or GATEWISE_THREADS says, else one per processor.

    Raises:
        InputError: GATEWISE_THREADS is no whole number of at least 1.

    Example:
        >>> import gatewise as gw
        >>> gw.threads() >= 1
        True
    """
    if "threads" not in _setting:
        told = os.environ.get("GATEWISE_THREADS", "")
        if told and (not told.isdecimal() or int(told) < 1):
            raise InputError(f"GATEWISE_THREADS is a whole number of threads, at least 1; got {told!r}")
        _setting["threads"] = min(int(told) if told else cores(), MOST)
    return _setting["threads"]


def set_threads(number: int) -> None:
    """Let functions that are compiled from now on use this many threads.

    Raises:
        InputError: It is no whole number of at least 1.

    Example:
        >>> import gatewise as gw
        >>> before = gw.threads()
        >>> gw.set_threads(1)
        >>> gw.threads()
        1
        >>> gw.set_threads(before)
    """
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise InputError(f"set_threads takes a whole number of threads, at least 1; got {number!r}")
    _setting["threads"] = min(number, MOST)


def start(number: int) -> None:
    """Let up to `number` threads, the caller among them, share the work; they begin when they are first needed."""
    _runtime().allow(min(number, MOST) - 1)


def set_patience(microseconds: float) -> None:
    """For how long a thread looks for what it waits for before it sleeps; at 0 it sleeps at once."""
    _runtime().wait_for(microseconds)


def address() -> int:
    """Where ``gatewise_parallel`` lies."""
    return _runtime().library.address(PARALLEL)


class _Runtime:
    """The pool's code and its state in memory: one per process, never freed, as workers read it to the end."""

    def __init__(self) -> None:
        used = {name: ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0 for name in _USED}
        # Who shares work is done with this code in some tens of nanoseconds, but a first call waits until it is made.
        self.library = Library(machine_code(_written(), quickly=True), used, lasting=True)
        self._allow = self._action("gatewise_allow", ctypes.c_int64)
        self._set_looks = self._action("gatewise_set_looks", ctypes.c_int64)
        self._pause = self._action("gatewise_pause", ctypes.c_int64)
        self._reset = self._action("gatewise_reset")
        self.wait_for(PATIENCE)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._reset)

    def _action(self, name: str, *arguments: type) -> ctypes._FuncPointer:
        return function_at(self.library.address(name), None, *arguments)  # type: ignore[no-any-return]

    def allow(self, workers: int) -> None:
        self._allow(workers)

    def wait_for(self, microseconds: float) -> None:
        """Measure how long a look takes on this processor (1 to 50 nanoseconds), and set how many a thread takes."""
        looks = 5000
        quickest = min(self._time(looks) for _ in range(3))
        self._set_looks(int(microseconds * 1e-6 * looks / max(quickest, 1e-9)))

    def _time(self, looks: int) -> float:
        begun = time.perf_counter()
        self._pause(looks)
        return time.perf_counter() - begun


@lru_cache(maxsize=1)
def _only() -> _Runtime:
    return _Runtime()


def _runtime() -> _Runtime:
    with _lock:  # a cache alone would let two threads make two
        return _only()


def _forget_lock() -> None:
    """In a child process, whose parent's lock may have been held by a thread that it does not have."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_lock)


def _pause() -> tuple[str, str]:
    """The instruction that tells the processor of a waiting loop: its call and its declaration."""
    triple = llvm.get_default_triple()
    if triple.startswith(("x86_64", "i686", "amd64")):
        return "call void @llvm.x86.sse2.pause()", "declare void @llvm.x86.sse2.pause()"
    if triple.startswith(("aarch64", "arm64")):
        return "call void @llvm.aarch64.hint(i32 1)", "declare void @llvm.aarch64.hint(i32)"
    return "", ""


def _written() -> str:
    """The pool's module.

    Each worker has a letter box: 0 when empty, 1 when a job is in it, 2 when it is empty and the worker sleeps (or is
    about to). Whoever finds a 2 on putting a 1 there wakes the worker; who puts a 0 in place of a 1 has taken the job,
    or, as the caller does once all parts are begun, taken it back. `claimed` has a bit for each part (of many parts,
    for each 64th) that somebody has begun. `remaining` counts the workers who have not finished; the caller adds
    ASLEEP to it when he sleeps, so that the last worker sees it and wakes him. Only the holder of `busy` writes the
    job, makes workers and sleeps on `finished`.
    """
    pause, declared = _pause()
    asleep = 1 << 32
    return f"""
{declared}
declare ptr @PyThread_allocate_lock()
declare void @PyThread_free_lock(ptr)
declare i32 @PyThread_acquire_lock(ptr, i32)
declare void @PyThread_release_lock(ptr)
declare i64 @PyThread_start_new_thread(ptr, ptr)
declare i32 @PyGILState_Ensure()
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare void @PyGILState_Release(i32)

@busy = internal global i64 0, align 128
@remaining = internal global i64 0, align 128
@boxes = internal global [{MOST} x [16 x i64]] zeroinitializer, align 128
@locks = internal global [{MOST} x ptr] zeroinitializer, align 128
@finished = internal global ptr null
@workers = internal global i64 0
@allowed = internal global i64 0
@looks = internal global i64 0
@body = internal global ptr null
@context = internal global ptr null
@parts = internal global i64 0
@claimed = internal global i64 0, align 128

; In a child process: no workers, no job, and locks of its own (the parent's may be held for ever).
define void @gatewise_reset() {{
  store i64 0, ptr @workers
  store i64 0, ptr @remaining
  store ptr null, ptr @finished
  call void @llvm.memset.p0.i64(ptr @boxes, i8 0, i64 {MOST * 128}, i1 false)
  store atomic i64 0, ptr @busy seq_cst, align 8
  ret void
}}

define void @gatewise_allow(i64 %number) {{
  %old = atomicrmw max ptr @allowed, i64 %number seq_cst
  ret void
}}

define void @gatewise_set_looks(i64 %number) {{
  store atomic i64 %number, ptr @looks seq_cst, align 8
  ret void
}}

; Look so many times, as a thread that waits does.
define void @gatewise_pause(i64 %number) {{
entry:
  br label %look
look:
  %count = phi i64 [ 0, %entry ], [ %more, %look ]
  {pause}
  %seen = load atomic i64, ptr @remaining seq_cst, align 8
  %more = add i64 %count, 1
  %on = icmp slt i64 %more, %number
  br i1 %on, label %look, label %done
done:
  ret void
}}

; A lock that is held, so that who takes it again sleeps; null when there is none.
define internal ptr @held_lock() {{
  %lock = call ptr @PyThread_allocate_lock()
  %none = icmp eq ptr %lock, null
  br i1 %none, label %done, label %hold
hold:
  %got = call i32 @PyThread_acquire_lock(ptr %lock, i32 1)
  br label %done
done:
  ret ptr %lock
}}

; Make workers until there are %wanted, or until the system gives no more; the caller holds @busy.
define internal void @grow(i64 %wanted) noinline {{
entry:
  %state = call i32 @PyGILState_Ensure()
  %old = load ptr, ptr @finished
  %have = icmp ne ptr %old, null
  br i1 %have, label %next, label %first
first:
  %made = call ptr @held_lock()
  store ptr %made, ptr @finished
  %unable = icmp eq ptr %made, null
  br i1 %unable, label %done, label %next
next:
  %running = load i64, ptr @workers
  %me = add i64 %running, 1
  %needed = icmp sle i64 %me, %wanted
  br i1 %needed, label %make, label %done
make:
  %lock = call ptr @held_lock()
  %nothing = icmp eq ptr %lock, null
  br i1 %nothing, label %refused, label %begin
begin:
  %lock.place = getelementptr [{MOST} x ptr], ptr @locks, i64 0, i64 %me
  store ptr %lock, ptr %lock.place
  %argument = inttoptr i64 %me to ptr
  %ident = call i64 @PyThread_start_new_thread(ptr @worker, ptr %argument)
  %failed = icmp eq i64 %ident, -1
  br i1 %failed, label %give.back, label %begun
begun:
  store i64 %me, ptr @workers
  br label %next
give.back:
  call void @PyThread_release_lock(ptr %lock)
  call void @PyThread_free_lock(ptr %lock)
  br label %refused
refused:
  store atomic i64 %running, ptr @allowed seq_cst, align 8
  br label %done
done:
  call void @PyGILState_Release(i32 %state)
  ret void
}}

; The parts that nobody has begun, from %member on: of up to 64 parts each by itself, of more every 64th together.
define internal void @share(ptr %function, ptr %data, i64 %member, i64 %count) {{
entry:
  %few = icmp slt i64 %count, 64
  %chunks = select i1 %few, i64 %count, i64 64
  br label %each
each:
  %number = phi i64 [ 0, %entry ], [ %following, %passed ]
  %counted = add i64 %member, %number
  %chunk = urem i64 %counted, %chunks
  %bit = shl i64 1, %chunk
  %before = atomicrmw or ptr @claimed, i64 %bit acq_rel
  %seen = and i64 %before, %bit
  %free = icmp eq i64 %seen, 0
  br i1 %free, label %run, label %passed
run:
  %part = phi i64 [ %chunk, %each ], [ %next, %run ]
  call void %function(ptr %data, i64 %part, i64 %count)
  %next = add i64 %part, 64
  %more = icmp slt i64 %next, %count
  br i1 %more, label %run, label %passed
passed:
  %following = add i64 %number, 1
  %others = icmp slt i64 %following, %chunks
  br i1 %others, label %each, label %done
done:
  ret void
}}

; A worker's life: wait for a job, do his share, say so.
define internal void @worker(ptr %argument) {{
entry:
  %me = ptrtoint ptr %argument to i64
  %box = getelementptr [{MOST} x [16 x i64]], ptr @boxes, i64 0, i64 %me
  %lock.place = getelementptr [{MOST} x ptr], ptr @locks, i64 0, i64 %me
  %lock = load ptr, ptr %lock.place
  br label %wait
wait:
  %patience = load atomic i64, ptr @looks monotonic, align 8
  br label %look
look:
  %count = phi i64 [ 0, %wait ], [ %more, %again ]
  %letter = load atomic i64, ptr %box acquire, align 8
  %come = icmp eq i64 %letter, 1
  br i1 %come, label %take, label %again
again:
  {pause}
  %more = add i64 %count, 1
  %patient = icmp slt i64 %more, %patience
  br i1 %patient, label %look, label %sleep
sleep:
  %swap = cmpxchg ptr %box, i64 0, i64 2 seq_cst seq_cst
  %empty = extractvalue {{ i64, i1 }} %swap, 1
  br i1 %empty, label %doze, label %take
doze:
  %woken = call i32 @PyThread_acquire_lock(ptr %lock, i32 1)
  br label %wait
take:
  %taken = cmpxchg ptr %box, i64 1, i64 0 seq_cst seq_cst
  %mine = extractvalue {{ i64, i1 }} %taken, 1
  br i1 %mine, label %job, label %wait
job:
  %function = load ptr, ptr @body
  %data = load ptr, ptr @context
  %parts = load i64, ptr @parts
  call void @share(ptr %function, ptr %data, i64 %me, i64 %parts)
  %left = atomicrmw sub ptr @remaining, i64 1 seq_cst
  %wake = icmp eq i64 %left, {asleep + 1}
  br i1 %wake, label %rouse, label %wait
rouse:
  %finished = load ptr, ptr @finished
  call void @PyThread_release_lock(ptr %finished)
  br label %wait
}}

define void @{PARALLEL}(ptr %function, ptr %data, i64 %count) {{
entry:
  %none = icmp slt i64 %count, 1
  br i1 %none, label %done, label %some
some:
  %permitted = load atomic i64, ptr @allowed monotonic, align 8
  %others = sub i64 %count, 1
  %fewer = icmp slt i64 %others, %permitted
  %wanted = select i1 %fewer, i64 %others, i64 %permitted
  %helped = icmp sgt i64 %wanted, 0
  br i1 %helped, label %enter, label %alone
alone:
  %part = phi i64 [ 0, %some ], [ 0, %enter ], [ %following.part, %alone ]
  call void %function(ptr %data, i64 %part, i64 %count)
  %following.part = add i64 %part, 1
  %more.parts = icmp slt i64 %following.part, %count
  br i1 %more.parts, label %alone, label %done
enter:
  %taken = atomicrmw xchg ptr @busy, i64 1 seq_cst
  %free = icmp eq i64 %taken, 0
  br i1 %free, label %hire, label %alone
hire:
  %running = load i64, ptr @workers
  %enough = icmp sge i64 %running, %wanted
  br i1 %enough, label %publish, label %more
more:
  call void @grow(i64 %wanted)
  %grown = load i64, ptr @workers
  br label %publish
publish:
  %present = phi i64 [ %running, %hire ], [ %grown, %more ]
  %short = icmp slt i64 %present, %wanted
  %helpers = select i1 %short, i64 %present, i64 %wanted
  store ptr %function, ptr @body
  store ptr %data, ptr @context
  store i64 %count, ptr @parts
  store atomic i64 0, ptr @claimed seq_cst, align 8
  store atomic i64 %helpers, ptr @remaining seq_cst, align 8
  br label %next
next:
  %worker = phi i64 [ 1, %publish ], [ %following, %told ]
  %everybody = icmp sgt i64 %worker, %helpers
  br i1 %everybody, label %own, label %tell
tell:
  %box = getelementptr [{MOST} x [16 x i64]], ptr @boxes, i64 0, i64 %worker
  %before = atomicrmw xchg ptr %box, i64 1 seq_cst
  %sleeps = icmp eq i64 %before, 2
  br i1 %sleeps, label %rouse, label %told
rouse:
  %lock.place = getelementptr [{MOST} x ptr], ptr @locks, i64 0, i64 %worker
  %lock = load ptr, ptr %lock.place
  call void @PyThread_release_lock(ptr %lock)
  br label %told
told:
  %following = add i64 %worker, 1
  br label %next
own:
  call void @share(ptr %function, ptr %data, i64 0, i64 %count)
  %patience = load atomic i64, ptr @looks monotonic, align 8
  br label %take.back
take.back:
  %late = phi i64 [ 1, %own ], [ %later, %taken.back ]
  %all = icmp sgt i64 %late, %helpers
  br i1 %all, label %finish, label %retract
retract:
  %late.box = getelementptr [{MOST} x [16 x i64]], ptr @boxes, i64 0, i64 %late
  %retracted = cmpxchg ptr %late.box, i64 1, i64 0 seq_cst seq_cst
  %unread = extractvalue {{ i64, i1 }} %retracted, 1
  br i1 %unread, label %spare, label %taken.back
spare:
  %fewer.left = atomicrmw sub ptr @remaining, i64 1 seq_cst
  br label %taken.back
taken.back:
  %later = add i64 %late, 1
  br label %take.back
finish:
  %looked = phi i64 [ 0, %take.back ], [ %again, %patiently ]
  %left = load atomic i64, ptr @remaining acquire, align 8
  %waiting = icmp sgt i64 %left, 0
  br i1 %waiting, label %patiently, label %leave
patiently:
  {pause}
  %again = add i64 %looked, 1
  %patient = icmp slt i64 %again, %patience
  br i1 %patient, label %finish, label %sleep
sleep:
  %still = atomicrmw add ptr @remaining, i64 {asleep} seq_cst
  %unfinished = icmp sgt i64 %still, 0
  br i1 %unfinished, label %doze, label %leave
doze:
  %finished = load ptr, ptr @finished
  %woken = call i32 @PyThread_acquire_lock(ptr %finished, i32 1)
  br label %leave
leave:
  store atomic i64 0, ptr @busy seq_cst, align 8
  br label %done
done:
  ret void
}}
"""
