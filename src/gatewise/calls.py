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
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any, NamedTuple

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
    inside: dict[int, tuple[int, ...]] = {}  # by instruction; alike ones are the same
    alike: dict[tuple[int, ...], tuple[int, ...]] = {}
    last = -1
    before: tuple[int, ...] = ()
    row: tuple[tuple[int, int], ...] = ()
    rows: list[tuple[tuple[int, int], ...]] = []
    for event in call.events:
        instruction = event >> 1
        around = inside.get(instruction)
        if around is None:
            around = tuple([number for number, (first, end) in enumerate(loops) if first <= instruction <= end])
            inside[instruction] = around = alike.setdefault(around, around)
        if (not event & 1 and instruction <= last) or around is not before:
            if not event & 1:
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
            row = tuple([(number + len(loops) * entered[number], turn[number]) for number in around])
            before = around
        last = instruction
        rows.append(row)
    return rows


# --- what can be collapsed --------------------------------------------------------------------------------------------


class Group(NamedTuple):
    """Some gates that belong together in the user's program, and the group around them.

    `kind` is "call", "module" (a call of a method), "loop", "turn" or "line"; `place` is the line it came from, as code
    and instruction.
    """

    identifier: int
    kind: str
    label: str
    parent: int | None
    place: tuple[CodeType, int]


def grouped(made: Sequence[tuple[Call | None, int]], lines: bool = True) -> tuple[list[Group], list[int | None]]:
    """The groups that calls, loops and lines make, and for each of the gates that were made the innermost one.

    Args:
        made: Per gate the call and the number of the event in it. The gates may be a part of all.
        lines: Whether the gates of one line are a group.

    A group of a single gate is none, and neither is one that holds what the group around it holds; of a turn of a loop
    that is one call of a function, the function's name is told.
    """
    ways = _Ways(lines)
    ends = [ways.to(call, event) if call is not None else 0 for call, event in made]
    parents = ways.parents
    members = [0] * len(parents)
    for end in ends:
        members[end] += 1
    for way in range(len(parents) - 1, 0, -1):  # a way is found after the one around it
        members[parents[way]] += members[way]
    groups: list[Group] = []
    known: list[int | None] = [None] * len(parents)
    is_known = bytearray(len(parents))
    is_known[0] = 1
    held: dict[int | None, int] = {None: len(made)}
    for end in ends:
        if is_known[end]:
            continue
        fresh = []
        while not is_known[end]:
            fresh.append(end)
            end = parents[end]
        for way in reversed(fresh):
            is_known[way] = 1
            parent = known[parents[way]]
            if members[way] < 2 or members[way] == held[parent]:
                known[way] = parent
                if parent is not None and members[way] > 1 and groups[parent].kind == "turn":
                    kind, label, place = ways.described(way)
                    if kind != "line":
                        groups[parent] = Group(parent, kind, label, groups[parent].parent, place)
                continue
            known[way] = len(groups)
            held[len(groups)] = members[way]
            groups.append(Group(len(groups), *ways.described(way)[:2], parent, ways.described(way)[2]))
    return groups, [known[end] for end in ends]


class _Ways:
    """The ways from the outermost call down to gates, over calls, in each the loops and their turns, at last the line.

    A way is a number; `parents` holds for each the way around it, which was found before. The outermost is 0.
    """

    def __init__(self, lines: bool) -> None:
        self.parents = [0]
        self._steps: list[tuple[str, Call, int]] = [("", None, 0)]  # type: ignore[list-item]  # the outermost is none
        self._lines = lines
        self._calls: dict[Call, int] = {}
        self._around: dict[Call, list[int]] = {}  # per event the way to it, but for the line
        self._ends: dict[Call, list[int]] = {}  # and with the line

    def to(self, call: Call, event: int) -> int:
        """The way to an event of a call."""
        ends = self._ends.get(call)
        if ends is None:
            self._ends[call] = ends = self._with_lines(call)
        return ends[event]

    def described(self, way: int) -> tuple[str, str, tuple[CodeType, int]]:
        """Kind, label and place of a way's last step."""
        kind, call, detail = self._steps[way]
        if kind == "line":
            return kind, "", (call.code, detail)
        if kind == "call":
            assert call.parent is not None
            name = call.code.co_name
            label = "λ" if name == "<lambda>" else name
            owned = label if not call.owner else call.owner if name == "__call__" else f"{call.owner}.{name}"
            return "module" if call.owner else "call", owned, (call.parent.code, call.instruction)
        if kind == "loop":
            return kind, "", (call.code, detail)
        loop = self._steps[self.parents[way]]
        return kind, str(detail + 1), (call.code, loop[2])

    def _new(self, parent: int, kind: str, call: Call, detail: int) -> int:
        self.parents.append(parent)
        self._steps.append((kind, call, detail))
        return len(self.parents) - 1

    def _of(self, call: Call) -> int:
        """The way to a call."""
        missing: list[Call] = []
        at: Call | None = call
        while at is not None and at not in self._calls:
            missing.append(at)
            at = at.parent
        for one in reversed(missing):
            parent = one.parent
            if parent is None:
                self._calls[one] = 0
                continue
            above = self._to_events(parent)[one.event]
            name = one.code.co_name
            is_part = name.startswith("<") and name != "<lambda>"  # a comprehension is a part of its function
            self._calls[one] = above if is_part else self._new(above, "call", one, 0)
        return self._calls[call]

    def _to_events(self, call: Call) -> list[int]:
        """The ways to the loops and turns around each event of a call; those of a comprehension are not told apart."""
        ways = self._around.get(call)
        if ways is not None:
            return ways
        start = self._of(call)
        if call.code.co_name.startswith("<") or not (loops := loops_of(call.code)):
            ways = [start] * len(call.events)
        else:
            ways = []
            known: dict[tuple[int, int], int] = {}

            def step(way: int, kind: str, which: int, detail: int) -> int:
                found = known.get((way, which))
                if found is None:
                    known[way, which] = found = self._new(way, kind, call, detail)
                return found

            before: Any = None
            way = start
            for row in turns(call):
                if row is not before:
                    before = row
                    way = start
                    for loop, turn in row:
                        way = step(way, "loop", loop, loops[loop % len(loops)][0])
                        way = step(way, "turn", turn, turn)
                ways.append(way)
        self._around[call] = ways
        return ways

    def _with_lines(self, call: Call) -> list[int]:
        ways = self._to_events(call)
        if not self._lines:
            return ways
        known: dict[tuple[int, int | None], int] = {}
        numbers = _lines(call.code)
        ends = []
        for way, event in zip(ways, call.events, strict=True):
            key = (way, numbers[event >> 2])
            end = known.get(key)
            if end is None:
                known[key] = end = self._new(way, "line", call, event >> 1)
            ends.append(end)
        return ends


@lru_cache(maxsize=1024)
def _lines(code: CodeType) -> list[int | None]:
    return [position[0] for position in code.co_positions()]
