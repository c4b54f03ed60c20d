"""Garbage is looked for as before once a recording is made, however it ends and whoever records at the same time."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

import gatewise as gw
from gatewise import collecting
from gatewise.collecting import MANY, memory_returned, nothing_collected, seldom_collected


@pytest.fixture(autouse=True)
def threshold():
    """A number that is nobody's default."""
    before = gc.get_threshold()
    gc.set_threshold(701, 9, 8)
    yield
    gc.set_threshold(*before)


def test_garbage_is_looked_for_seldom_while_a_function_is_recorded():
    seen = []

    def f(x):
        seen.append((gc.get_threshold(), gc.isenabled()))
        return x * x

    gw.trace(f, 3.0)
    assert seen == [((MANY, 9, 8), True)]
    assert (gc.get_threshold(), gc.isenabled()) == ((701, 9, 8), True)


def test_all_is_as_it_was_after_an_error():
    def f(x):
        raise LookupError

    with pytest.raises(LookupError):
        gw.trace(f, 3.0)
    assert gc.get_threshold() == (701, 9, 8)


def test_the_last_of_several_threads_puts_it_back():
    inside, leave = threading.Event(), threading.Event()

    def other():
        with seldom_collected():
            inside.set()
            leave.wait()

    thread = threading.Thread(target=other)
    with seldom_collected():
        thread.start()
        inside.wait()
    assert gc.get_threshold() == (MANY, 9, 8)
    leave.set()
    thread.join()
    assert gc.get_threshold() == (701, 9, 8)


@pytest.mark.parametrize("chosen", [(0, 5, 5), (MANY * 2, 5, 5)])
def test_who_wants_it_seldom_or_never_is_left_alone(chosen):
    gc.set_threshold(*chosen)
    with seldom_collected():
        assert gc.get_threshold() == chosen
    assert gc.get_threshold() == chosen


def test_what_the_function_sets_itself_stays():
    with seldom_collected():
        gc.set_threshold(50, 2, 2)
    assert gc.get_threshold() == (50, 2, 2)


def test_what_was_switched_off_stays_off():
    gc.disable()
    try:
        with nothing_collected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_memory_is_returned_on_every_system(monkeypatch, platform):
    cycle = type("Cycle", (), {})()
    cycle.itself = cycle
    gone = weakref.ref(cycle)
    monkeypatch.setattr(collecting.sys, "platform", platform)
    with nothing_collected():
        del cycle
        memory_returned()
        assert gone() is None
