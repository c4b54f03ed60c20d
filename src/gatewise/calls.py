"""Which call of which function made a gate: the user's own structure, for pictures that collapse by it.

A node keeps the line that made it and nothing of how the program came there. While a run is recorded its traced values
are of a class of their own, which looks at the stack whenever one is made; what is found is a tree of `Call`. How calls
fall into loops and turns is worked out afterwards, from the order of instructions alone, by `turns`.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any

from gatewise.array import Array
from gatewise.graph import Node
from gatewise.source import INTERNAL

_getframe = sys._getframe
_GENERATOR = 0x20  # inspect.CO_GENERATOR


class Call:
    """One call of a function of the user's: its code, who called it and from which instruction.

    `owner` is the name of the class where the function is a method. `events` tells what the call did, gates and further
    calls, in order: per event twice the instruction, and one more where it goes on with the event before (as when one
    line of the user's asks for a function that is made of several gates).
    """

    __slots__ = ("code", "event", "events", "inner", "instruction", "number", "owner", "parent")

    def __init__(self, number: int, code: CodeType, parent: Call | None, instruction: int, owner: str) -> None:
        self.number = number
        self.code = code
        self.parent = parent
        self.instruction = instruction  # of the event in the parent
        self.event = 0 if parent is None else len(parent.events)  # and the event's number
        self.owner = owner
        self.events: list[int] = []
        self.inner: FrameType | None = None  # the frame called last, kept so that no other takes its place

    def __repr__(self) -> str:
        return f"<call {self.number} of {self.code.co_qualname}>"


#: Who watches the run of this thread.
_watching: ContextVar[Watched | None] = ContextVar("gatewise_watching", default=None)


class WatchedArray(Array):
    """An Array that tells whoever watches the run that it is being made; gates make more of its class."""

    __slots__ = ()

    def __init__(self) -> None:
        watched = _watching.get()
        if watched is None:
            return
        # The usual case, kept short: the call that made the value before goes on.
        inner = frame = _getframe(1)
        top, base = watched.top, watched.base
        while frame is not top:
            if frame is base:
                return
            above = frame.f_back
            if above is None or not INTERNAL[frame.f_code.co_filename]:
                watched.enter(frame)
                top = watched.top
                if frame is not top:
                    return
                break
            inner, frame = frame, above
        call = watched.call
        assert call is not None
        events = call.events
        if inner is frame:
            call.inner = None
            events.append(2 * frame.f_lasti)
        else:
            events.append(2 * frame.f_lasti + (inner is call.inner))
            call.inner = inner
        watched.made.append((self, call, len(events) - 1))


class Watched:
    """A run in which every traced value is kept, with the call that made it."""

    def __init__(self) -> None:
        self.made: list[tuple[Array, Call, int]] = []
        self.top: FrameType | None = None  # of what is known of the stack, and the call that runs in it
        self.call: Call | None = None
        self.base: FrameType | None = None  # that of `run`
        self._stack: list[tuple[FrameType, Call]] = []
        self._generators: dict[FrameType, Call] = {}
        self._number = 0

    def run(self, f: Callable[..., Any], arguments: Sequence[Any]) -> Any:
        """The result of `f`, watched. What is to be watched is a `WatchedArray`."""
        self.base = _getframe()
        before = _watching.set(self)
        try:
            return f(*arguments)
        finally:
            _watching.reset(before)
            self.base = None
            self._drop(0)
            self._generators.clear()

    def calls(self) -> dict[Node, tuple[Array, Call, int]]:
        """Per node the array it came as, the call that made it, and the number of that event in the call."""
        return {made[0].node: made for made in self.made}

    def enter(self, frame: FrameType) -> None:
        """Make the call that runs in `frame` the one on top, where it is a part of what is watched."""
        if self.base is not None and self._call_of(frame) is not None:
            self.top, self.call = self._stack[-1]

    def _call_of(self, frame: FrameType | None) -> Call | None:
        """The call that runs in `frame`: the one on top of what is known of the stack, or calls new since then."""
        stack = self._stack
        if stack and stack[-1][0] is frame:
            return stack[-1][1]
        fresh: list[FrameType] = []
        call: Call | None = None
        while frame is not None and frame is not self.base:
            place = len(stack)
            while place and stack[place - 1][0] is not frame:
                place -= 1
            if place:
                self._drop(place)
                call = stack[-1][1]
                break
            if not INTERNAL[frame.f_code.co_filename]:
                fresh.append(frame)
            frame = frame.f_back
        else:
            if frame is None:
                return None  # another thread's, or a generator of before
            self._drop(0)
        for frame in reversed(fresh):
            call = self._generators.get(frame) or self._new(frame, call)
            stack.append((frame, call))
        return call

    def _drop(self, depth: int) -> None:
        """Forget the calls from this depth on: they have returned, and their frames would keep variables alive."""
        while len(self._stack) > depth:
            self._stack.pop()[1].inner = None
        self.top, self.call = self._stack[-1] if depth else (None, None)

    def _new(self, frame: FrameType, parent: Call | None) -> Call:
        code = frame.f_code
        above = self._stack[-1][0] if self._stack else None
        instruction = above.f_lasti if above is not None else -1
        owner = ""
        if code.co_argcount and code.co_varnames[0] == "self":
            owner = type(frame.f_locals.get("self")).__name__
        call = Call(self._number, code, parent, instruction, owner)
        self._number += 1
        if parent is not None:
            parent.events.append(2 * instruction)
            parent.inner = None
        if code.co_flags & _GENERATOR:
            self._generators[frame] = call
        return call


@lru_cache(maxsize=1024)
def loops_of(code: CodeType) -> tuple[tuple[int, int], ...]:
    """First and last instruction of each loop of a function, outer ones first."""
    found: dict[int, int] = {}
    for step in dis.get_instructions(code):
        if "JUMP_BACKWARD" in step.opname and isinstance(step.argval, int):
            found[step.argval] = max(found.get(step.argval, 0), step.offset)
    return tuple(sorted(found.items(), key=lambda loop: (loop[0], -loop[1])))


def turns(call: Call) -> list[tuple[tuple[int, int], ...]]:
    """Per event of a call the loops around it, outermost first, each as (which loop, which turn of it).

    A turn begins where an instruction comes that is not behind the one before. Where one loop is all that another does,
    both look alike, and the turns are counted to the inner one.
    """
    loops = loops_of(call.code)
    if not loops:
        return [()] * len(call.events)
    entered = [0] * len(loops)  # how often a loop was begun anew, so that its turns are told from those before
    turn = [0] * len(loops)
    last = -1
    rows: list[tuple[tuple[int, int], ...]] = []
    for event in call.events:
        instruction, continued = event >> 1, event & 1
        around = [number for number, (first, end) in enumerate(loops) if first <= instruction <= end]
        if not continued:
            again = [number for number in around if loops[number][0] <= last <= loops[number][1]]
            for number in set(around) - set(again):
                entered[number] += 1
                turn[number] = 0
            if again and instruction <= last:
                turn[again[-1]] += 1
                for number in around:
                    if number > again[-1]:
                        entered[number] += 1
                        turn[number] = 0
        last = instruction
        rows.append(tuple((number + len(loops) * entered[number], turn[number]) for number in around))
    return rows


# --- what can be collapsed --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    """Some gates that belong together in the user's program, and the group around them.

    `kind` is "call", "module" (a call of a method), "loop", "turn" or "line"; `place` is the line it came from, as code
    and instruction.
    """

    identifier: int
    kind: str
    label: str
    parent: int | None
    place: tuple[CodeType, int]


def grouped(made: Sequence[tuple[Call | None, int]]) -> tuple[list[Group], list[int | None]]:
    """The groups that calls, loops and lines make, and for each of the gates that were made the innermost one.

    Args:
        made: Per gate the call and the number of the event in it. The gates may be a part of all.

    A group of a single gate is none, and neither is one that holds what the group around it holds; of a turn of a loop
    that is one call of a function, the function's name is told.
    """
    paths = _Paths()
    chains = [paths.of(call, event) if call is not None else () for call, event in made]
    members: dict[tuple[Any, ...], int] = {}
    for chain in chains:
        for depth in range(1, len(chain) + 1):
            key = chain[:depth]
            members[key] = members.get(key, 0) + 1
    groups: list[Group] = []
    known: dict[tuple[Any, ...], int | None] = {(): None}
    held: dict[int | None, int] = {None: len(made)}
    innermost: list[int | None] = []
    for chain in chains:
        for depth in range(1, len(chain) + 1):
            key = chain[:depth]
            if key in known:
                continue
            parent = known[chain[: depth - 1]]
            kind, label, place = paths.described(chain[depth - 1])
            if members[key] < 2 or members[key] == held[parent]:
                known[key] = parent
                if parent is not None and members[key] > 1 and groups[parent].kind == "turn" and kind != "line":
                    groups[parent] = Group(parent, kind, label, groups[parent].parent, place)
                continue
            known[key] = len(groups)
            held[len(groups)] = members[key]
            groups.append(Group(len(groups), kind, label, parent, place))
        innermost.append(known[chain])
    return groups, innermost


class _Paths:
    """Of each event of each call the way from the outermost call down to its line, worked out once."""

    def __init__(self) -> None:
        self._rows: dict[Call, list[tuple[tuple[int, int], ...]]] = {}
        self._calls: dict[Call, tuple[Any, ...]] = {}
        self._steps: dict[tuple[Any, ...], tuple[str, str, tuple[CodeType, int]]] = {}

    def of(self, call: Call, event: int) -> tuple[Any, ...]:
        """The steps to an event: calls, and in each the loops, their turns, and at last the line."""
        instruction = call.events[event] >> 1
        line = _line(call.code, instruction)
        step = ("line", call.number, line)
        self._steps.setdefault(step, ("line", "", (call.code, instruction)))
        return (*self._to(call), *self._around(call, event), step)

    def described(self, step: tuple[Any, ...]) -> tuple[str, str, tuple[CodeType, int]]:
        """Kind, label and place of a step."""
        return self._steps[step]

    def _to(self, call: Call) -> tuple[Any, ...]:
        missing: list[Call] = []
        at: Call | None = call
        while at is not None and at not in self._calls:
            missing.append(at)
            at = at.parent
        for one in reversed(missing):
            parent = one.parent
            if parent is None:
                self._calls[one] = ()
                continue
            above = (*self._calls[parent], *self._around(parent, one.event))
            name = one.code.co_name
            if name.startswith("<") and name != "<lambda>":  # a comprehension is a part of its function
                self._calls[one] = above
                continue
            step = ("call", one.number)
            label = "λ" if name == "<lambda>" else name
            owned = label if not one.owner else one.owner if name == "__call__" else f"{one.owner}.{name}"
            kind = "module" if one.owner else "call"
            self._steps[step] = (kind, owned, (parent.code, one.instruction))
            self._calls[one] = (*above, step)
        return self._calls[call]

    def _around(self, call: Call, event: int) -> tuple[Any, ...]:
        """The loops and turns around an event of a call; those of a comprehension are not told apart."""
        if call.code.co_name.startswith("<"):
            return ()
        rows = self._rows.get(call)
        if rows is None:
            self._rows[call] = rows = turns(call)
        steps: list[Any] = []
        for loop, turn in rows[event]:
            first = loops_of(call.code)[loop % len(loops_of(call.code))][0]
            whole, part = ("loop", call.number, loop), ("turn", call.number, loop, turn)
            if whole not in self._steps:
                self._steps[whole] = ("loop", "", (call.code, first))
            if part not in self._steps:
                self._steps[part] = ("turn", str(turn + 1), (call.code, first))
            steps += [whole, part]
        return tuple(steps)


@lru_cache(maxsize=1024)
def _lines(code: CodeType) -> list[int | None]:
    return [position[0] for position in code.co_positions()]


def _line(code: CodeType, instruction: int) -> int | None:
    """The line of an instruction."""
    return _lines(code)[instruction // 2]
