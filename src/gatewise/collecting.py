"""Python's search for garbage, held off while something large is made that is kept."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Objects that are made between two searches while they are seldom; Python's own number is 700.
MANY = 100_000

_lock = threading.Lock()
_depth = 0
_usual = (0, 0, 0)


@contextmanager
def nothing_collected() -> Iterator[None]:
    """While many objects are made and all are kept, looking for garbage among them takes a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def seldom_collected() -> Iterator[None]:
    """While much is kept of what somebody else's code makes: garbage is looked for, but not every few hundred objects.

    It may be asked for within itself, and by many threads at once; when the last is done, all is as it was.
    """
    global _depth, _usual
    with _lock:
        if _depth == 0:
            _usual = gc.get_threshold()
            if 0 < _usual[0] < MANY:
                gc.set_threshold(MANY, *_usual[1:])
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0 and gc.get_threshold()[0] == MANY:  # else somebody has set it meanwhile
                gc.set_threshold(*_usual)


def memory_returned() -> None:
    """Give the memory of a great many objects that were freed back to the system, as far as it can be.

    Python keeps some thousands of freed tuples for the next ones, and with each the block of memory it lies in, until
    it looks for garbage everywhere; the C library keeps what it may want again until it is told otherwise.
    """
    gc.collect()
    memory_trimmed()


def memory_trimmed() -> None:
    """Give what the C library keeps of freed memory back to the system.

    It takes half a millisecond, and more in a process whose memory is in very many pieces.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # which is glibc's alone
        if trim is not None:
            trim(0)
