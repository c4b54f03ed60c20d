"""Threads for native code: ``gatewise_parallel(body, context, parts)`` calls ``body(context, part, parts)`` for each part.

The caller takes part 0, workers take the others, always the same ones, so results do not depend on who is quicker.
Workers run no Python and never need the interpreter's lock. Between jobs they look out for the next one for some
microseconds and then sleep on a lock. Who finds the pool busy (a second Python thread) runs all parts himself, as does
a process whose workers are gone (after a fork, until `start` is called again).

It is written in LLVM IR on the interpreter's own thread primitives (``PyThread_*``), which exist wherever CPython runs.
"""

from __future__ import annotations

import ctypes
import os
import threading
from functools import lru_cache

import llvmlite.binding as llvm

from gatewise.errors import InputError
from gatewise.native.machine import Library

#: The symbol under which programs find the function that shares work.
PARALLEL = "gatewise_parallel"

#: More threads than this are never used.
MOST = 64

#: How often a worker looks for the next job before it sleeps: some tens of microseconds.
LOOKS = 4000

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
    """See to it that `number` threads, the caller among them, share the work."""
    with _lock:
        _runtime().start(number - 1)


def address() -> int:
    """Where ``gatewise_parallel`` lies."""
    return _runtime().library.address(PARALLEL)


class _Runtime:
    """The pool's code and its state in memory: one per process, never freed, as workers read it to the end."""

    def __init__(self) -> None:
        self.library = Library(_written(), {}, lasting=True)
        self.started = 0
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.forget_workers)

    def forget_workers(self) -> None:
        """Begin afresh in a child process, which has none of its parent's threads."""
        self.started = 0
        ctypes.CFUNCTYPE(None)(self.library.address("gatewise_reset"))()

    def start(self, workers: int) -> None:
        """Start those of so many workers that do not run yet."""
        begin = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(self.library.address("gatewise_start"))
        while self.started < min(workers, MOST - 1):
            if begin(self.started + 1):
                break  # the system gives no more threads: those there are do the work
            self.started += 1


@lru_cache(maxsize=1)
def _runtime() -> _Runtime:
    return _Runtime()


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

    A job is published by raising `generation`; every worker answers by lowering `remaining`, those without a part too,
    so the next job cannot begin before all have seen this one. `asleep[w]` is 1 while worker w sleeps or is about to:
    whoever turns it to 0 decides whether the worker is woken or goes on by itself.
    """
    pause, declared = _pause()
    return f"""
{declared}
declare ptr @PyThread_allocate_lock()
declare i32 @PyThread_acquire_lock(ptr, i32)
declare void @PyThread_release_lock(ptr)
declare i64 @PyThread_start_new_thread(ptr, ptr)

@generation = internal global i64 0, align 64
@remaining = internal global i64 0, align 64
@workers = internal global i64 0, align 64
@busy = internal global i64 0, align 64
@body = internal global ptr null
@context = internal global ptr null
@parts = internal global i64 0
@asleep = internal global [{MOST} x i64] zeroinitializer, align 64
@begun = internal global [{MOST} x i64] zeroinitializer
@locks = internal global [{MOST} x ptr] zeroinitializer

define void @gatewise_reset() {{
  store atomic i64 0, ptr @generation seq_cst, align 8
  store atomic i64 0, ptr @remaining seq_cst, align 8
  store atomic i64 0, ptr @workers seq_cst, align 8
  store atomic i64 0, ptr @busy seq_cst, align 8
  store [{MOST} x i64] zeroinitializer, ptr @asleep
  ret void
}}

; Begin worker number %me while no job is going on; 0 when its thread runs.
define i64 @gatewise_start(i64 %me) {{
entry:
  br label %enter
enter:
  {pause}
  %taken = atomicrmw xchg ptr @busy, i64 1 seq_cst
  %free = icmp eq i64 %taken, 0
  br i1 %free, label %begin, label %enter
begin:
  %lock = call ptr @PyThread_allocate_lock()
  %got = call i32 @PyThread_acquire_lock(ptr %lock, i32 1)
  %lock.place = getelementptr [{MOST} x ptr], ptr @locks, i64 0, i64 %me
  store ptr %lock, ptr %lock.place
  %now = load atomic i64, ptr @generation seq_cst, align 8
  %begun.place = getelementptr [{MOST} x i64], ptr @begun, i64 0, i64 %me
  store i64 %now, ptr %begun.place
  %argument = inttoptr i64 %me to ptr
  %ident = call i64 @PyThread_start_new_thread(ptr @worker, ptr %argument)
  %failed = icmp eq i64 %ident, -1
  %before = sub i64 %me, 1
  %count = select i1 %failed, i64 %before, i64 %me
  store atomic i64 %count, ptr @workers seq_cst, align 8
  store atomic i64 0, ptr @busy seq_cst, align 8
  %status = zext i1 %failed to i64
  ret i64 %status
}}

; A worker's life: wait for a job, do the part of it that is his, answer.
define internal void @worker(ptr %argument) {{
entry:
  %me = ptrtoint ptr %argument to i64
  %asleep.place = getelementptr [{MOST} x i64], ptr @asleep, i64 0, i64 %me
  %lock.place = getelementptr [{MOST} x ptr], ptr @locks, i64 0, i64 %me
  %lock = load ptr, ptr %lock.place
  %begun.place = getelementptr [{MOST} x i64], ptr @begun, i64 0, i64 %me
  %begun = load i64, ptr %begun.place
  br label %wait
wait:
  %seen = phi i64 [ %begun, %entry ], [ %seen, %doze ], [ %published, %answer ]
  br label %look
look:
  %looks = phi i64 [ 0, %wait ], [ %more, %again ]
  %current = load atomic i64, ptr @generation seq_cst, align 8
  %fresh = icmp ne i64 %current, %seen
  br i1 %fresh, label %job, label %again
again:
  {pause}
  %more = add i64 %looks, 1
  %patient = icmp slt i64 %more, {LOOKS}
  br i1 %patient, label %look, label %sleep
sleep:
  store atomic i64 1, ptr %asleep.place seq_cst, align 8
  %last.look = load atomic i64, ptr @generation seq_cst, align 8
  %just.now = icmp ne i64 %last.look, %seen
  br i1 %just.now, label %decide, label %doze
decide:
  %flag = atomicrmw xchg ptr %asleep.place, i64 0 seq_cst
  %mine = icmp eq i64 %flag, 1
  br i1 %mine, label %job, label %doze
doze:
  %woken = call i32 @PyThread_acquire_lock(ptr %lock, i32 1)
  br label %wait
job:
  %published = load atomic i64, ptr @generation seq_cst, align 8
  %count = load i64, ptr @parts
  %wanted = icmp slt i64 %me, %count
  br i1 %wanted, label %run, label %answer
run:
  %function = load ptr, ptr @body
  %data = load ptr, ptr @context
  call void %function(ptr %data, i64 %me, i64 %count)
  br label %answer
answer:
  %left = atomicrmw sub ptr @remaining, i64 1 seq_cst
  br label %wait
}}

define void @{PARALLEL}(ptr %function, ptr %data, i64 %count) {{
entry:
  %running = load atomic i64, ptr @workers seq_cst, align 8
  %needed = sub i64 %count, 1
  %can = icmp sle i64 %needed, %running
  br i1 %can, label %enter, label %alone
enter:
  %taken = atomicrmw xchg ptr @busy, i64 1 seq_cst
  %free = icmp eq i64 %taken, 0
  br i1 %free, label %publish, label %alone
alone:
  br label %each
each:
  %part = phi i64 [ 0, %alone ], [ %next, %each ]
  call void %function(ptr %data, i64 %part, i64 %count)
  %next = add i64 %part, 1
  %others = icmp slt i64 %next, %count
  br i1 %others, label %each, label %done
publish:
  store ptr %function, ptr @body
  store ptr %data, ptr @context
  store i64 %count, ptr @parts
  store atomic i64 %running, ptr @remaining seq_cst, align 8
  %job = atomicrmw add ptr @generation, i64 1 seq_cst
  br label %wake
wake:
  %worker = phi i64 [ 1, %publish ], [ %following, %woken ]
  %everybody = icmp sgt i64 %worker, %running
  br i1 %everybody, label %own, label %ask
ask:
  %asleep.place = getelementptr [{MOST} x i64], ptr @asleep, i64 0, i64 %worker
  %flag = atomicrmw xchg ptr %asleep.place, i64 0 seq_cst
  %sleeps = icmp eq i64 %flag, 1
  br i1 %sleeps, label %rouse, label %woken
rouse:
  %lock.place = getelementptr [{MOST} x ptr], ptr @locks, i64 0, i64 %worker
  %lock = load ptr, ptr %lock.place
  call void @PyThread_release_lock(ptr %lock)
  br label %woken
woken:
  %following = add i64 %worker, 1
  br label %wake
own:
  call void %function(ptr %data, i64 0, i64 %count)
  br label %finish
finish:
  {pause}
  %left = load atomic i64, ptr @remaining seq_cst, align 8
  %waiting = icmp sgt i64 %left, 0
  br i1 %waiting, label %finish, label %leave
leave:
  store atomic i64 0, ptr @busy seq_cst, align 8
  br label %done
done:
  ret void
}}
"""
