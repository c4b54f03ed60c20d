"""Programs written as one long chain, made into loops: stretches of a script that repeat become scans.

Where a function's Python loop ran, its script repeats: the same gates in the same order, every so many symbols (the
period), each operand a result of the same step, of the step before, of a step of an earlier loop, or the same for all
steps. Such a stretch is found by comparing the script with itself, moved by the period; what an operand is, the
difference tells between where it stands in one step and in the next. Each stretch becomes a `scan` of one step.

A script goes in and a script comes out, and both compute the same, gate for gate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gatewise import gates
from gatewise.graph import Spec, apply
from gatewise.loops import scan
from gatewise.symbolic import Script, Symbol, written

#: Scripts with fewer symbols stay as they are.
FEWEST = 1000

#: Stretches of fewer steps stay as they are.
STEPS = 32

#: The longest period that is looked for, in symbols.
LONGEST = 256

#: Gates with more operands are not looked into.
OPERANDS = 4


def looped(script: Script) -> Script:
    """`script` with stretches that repeat made into scans; itself where there are none.

    Example:
        >>> from gatewise.graph import Spec
        >>> from gatewise.symbolic import written
        >>> def chain(x):
        ...     for _ in range(1000):
        ...         x = np.sin(x) + x / 2
        ...     return [x]
        >>> script = written(chain, [Spec((), np.dtype(float))])
        >>> len(script.symbols), len(looped(script).symbols) < 20
        (3000, True)
        >>> float(looped(script).run([0.5])[0]) == float(script.run([0.5])[0])
        True
    """
    if len(script.symbols) < FEWEST or script.captured:
        return script
    if script.columns.yields():
        return script  # a carry is no Python number, and would not yield to other dtypes as they do
    found = _Loops(script)
    if not found.loops:
        return script
    return written(found.run, [Spec(symbol.shape, symbol.dtype, symbol.weak) for symbol in script.inputs])


@dataclass
class _Loop:
    """A stretch of `steps` times `period` symbols, the first of them in slot `start`."""

    start: int
    period: int
    steps: int
    #: Per symbol of a step and operand, how far the operand moves from step to step; 0 for constants.
    moves: Any
    #: Positions in a step whose results the next step reads, and those that are read from outside, step by step.
    carried: list[int] = field(default_factory=list)
    stacked: set[int] = field(default_factory=set)

    @property
    def stop(self) -> int:
        """The slot behind the last symbol."""
        return self.start + self.period * self.steps

    def place(self, slot: int) -> tuple[int, int]:
        """Step and position of a slot."""
        return divmod(slot - self.start, self.period)


def _runs(marks: Any) -> list[tuple[int, int]]:
    """Where each run of marks begins, and where it ends."""
    edges = np.flatnonzero(np.diff(marks.view(np.int8), prepend=0, append=0)).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _numbered(constants: Sequence[Any]) -> Any:
    """A number for each constant, the same for those that are the same object or the same number of the same type."""
    identities = list(map(id, constants))
    numbers: dict[Any, int] = {}
    of = {}
    for identity, constant in dict(zip(identities, constants, strict=True)).items():
        simple = isinstance(constant, bool | int | float | np.generic)
        key = (type(constant), repr(constant) if simple else identity)
        of[identity] = numbers.setdefault(key, len(numbers))
    return np.array([of[identity] for identity in identities], np.int64)


class _Loops:
    """The loops of a script, and the script run with them."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.columns = script.columns
        self.first = self.columns.first
        self.size = len(self.columns.kinds)
        self._number()
        self.loops: list[_Loop] = []
        self.used = np.zeros(self.size, bool)
        self.home = np.full(self.size, -1, np.int32)  # per slot the number of its loop
        waiting: list[_Loop] = []
        for start, period, steps in self._stretches():
            stretch = _Loop(start, period, steps, None)
            if not self._take(stretch):
                waiting.append(stretch)
                continue
            while any(self._take(loop) for loop in waiting):  # what reads another loop may be met before that
                waiting = [loop for loop in waiting if not self.used[loop.start : loop.stop].any()]
        self._note_reads()

    def _take(self, stretch: _Loop) -> bool:
        """Make a loop of a stretch if one can, and say whether one could."""
        if self.used[stretch.start : stretch.stop].any():
            return False
        loop = self._trimmed(stretch)
        if loop.steps < STEPS or not self._understood(loop):
            return False
        self.home[loop.start : loop.stop] = len(self.loops)
        self.used[loop.start : loop.stop] = True
        self.loops.append(loop)
        return True

    # ------------------------------------------------------------------------------------------------------- finding

    def _number(self) -> None:
        """Every slot's kind, equal where gates and constants are, and the slots of its operands (-1 for constants)."""
        columns = self.columns
        constants = np.full(len(columns.read), -1)
        constants[columns.read < 0] = _numbered(columns.constants)
        wires = np.arange(len(columns.read)) - columns.starts[columns.readers]
        self.wires = np.full((OPERANDS, self.size), -1, np.int32)
        kinds = columns.kinds.copy()
        for wire in range(OPERANDS):
            there = wires == wire
            readers = columns.readers[there]
            self.wires[wire, readers] = columns.read[there]
            given = constants[there]
            if given.max(initial=-1) >= 0:
                row = np.zeros(self.size, np.int64)
                row[readers] = given + 1
                kinds = np.unique(kinds * (row.max() + 1) + row, return_inverse=True)[1]
        kinds[columns.readers[wires == OPERANDS]] = -1  # too many operands
        self.kinds = kinds.astype(np.int32)
        self.operands = self.wires.T

    def _stretches(self) -> Iterator[tuple[int, int, int]]:
        """Start, period and steps of stretches in which gates and constants repeat, shortest periods first."""
        kinds = self.kinds
        self.used[: self.first] = True
        for period in range(1, min(LONGEST, len(kinds) // STEPS) + 1):
            free = ~self.used & (kinds >= 0)
            if free.mean() < 0.1:
                return
            same = (kinds[period:] == kinds[:-period]) & free[period:] & free[:-period]
            for start, stop in _runs(same):
                start = max(start, period)
                if stop - start < (STEPS - 1) * period:
                    continue
                steady = np.ones(stop - start, bool)
                for wire in self.wires:  # an operand moves as far in one step as in the next
                    before, now, after = (wire[start + move : stop + move] for move in (-period, 0, period))
                    steady &= after - now == now - before
                for begin, end in _runs(steady):
                    steps = (end - begin) // period + 1
                    if steps >= STEPS:
                        yield start + begin, period, steps

    def _trimmed(self, loop: _Loop) -> _Loop:
        """The steps of a stretch that read steps of earlier loops, without those that read what came before these."""
        rows = self.operands[loop.start : loop.start + loop.period]
        moves = self.operands[loop.start + loop.period : loop.start + 2 * loop.period] - rows
        begin, end = 0, loop.steps
        for slot, move in zip(rows.ravel().tolist(), moves.ravel().tolist(), strict=True):
            if slot >= 0 and move and not (move == loop.period and slot >= loop.start - loop.period):
                read = self.home[np.clip(slot + move * np.arange(loop.steps), 0, self.size - 1)]
                number = read[loop.steps // 2]
                inside = np.flatnonzero(read == number) if number >= 0 else read[:0]
                begin, end = (max(begin, inside[0]), min(end, inside[-1] + 1)) if inside.size else (0, 0)
        return _Loop(loop.start + int(begin) * loop.period, loop.period, int(max(end - begin, 0)), None)

    def _understood(self, loop: _Loop) -> bool:
        """Find what each operand of a step is; False where one is nothing that a loop can hand to a step."""
        rows = self.operands[loop.start : loop.start + loop.period]
        loop.moves = self.operands[loop.start + loop.period : loop.start + 2 * loop.period] - rows
        for position in range(loop.period):
            for slot, move in zip(rows[position].tolist(), loop.moves[position].tolist(), strict=True):
                if slot < 0 or (move == 0 and slot < loop.start):
                    continue
                if move == loop.period and slot >= loop.start - loop.period:
                    if slot < loop.start and (slot + loop.period - loop.start) not in loop.carried:
                        loop.carried.append(slot + loop.period - loop.start)
                elif self._source(loop, slot, move) is None:
                    return False
        return True

    def _source(self, loop: _Loop, slot: int, move: int) -> tuple[_Loop, int, int, int] | None:
        """The earlier loop that an operand is read from step by step, the position, its first step and direction."""
        last = slot + move * (loop.steps - 1)
        if min(slot, last) < self.first or max(slot, last) >= loop.start:
            return None
        number = int(self.home[slot])
        if number < 0 or self.home[last] != number:
            return None
        source = self.loops[number]
        if abs(move) != source.period:
            return None
        step, position = source.place(slot)
        return source, position, step, move // source.period

    def _note_reads(self) -> None:
        """Note which results of loops are read one by one, from outside their loop or by other loops."""
        results = (*self.script.outputs, *self.script.assumptions)
        reads = [self.columns.slot(result) for result in results if isinstance(result, Symbol)]
        for loop in self.loops:
            rows = self.operands[loop.start : loop.start + loop.period]
            for slot, move in zip(rows.ravel().tolist(), loop.moves.ravel().tolist(), strict=True):
                found = self._source(loop, slot, move) if slot >= 0 and abs(move) > 0 else None
                if found is not None:
                    found[0].stacked.add(found[1])
                elif 0 <= slot < loop.start:
                    reads.append(slot)
        reads += self.operands[self.home < 0].ravel().tolist()
        for slot in reads:
            number = int(self.home[slot]) if slot >= 0 else -1
            if number >= 0:
                loop = self.loops[number]
                step, position = loop.place(slot)
                if step < loop.steps - 1 or position not in loop.carried:
                    loop.stacked.add(position)

    # ------------------------------------------------------------------------------------------------------- running

    def run(self, *inputs: Any) -> list[Any]:
        """What the script computes, its loops as scans."""
        self.values: dict[int, Any] = dict(enumerate(inputs))
        self.results: dict[int, tuple[dict[int, Any], dict[int, Any]]] = {}
        slot = self.first
        following = iter([*sorted(self.loops, key=lambda loop: loop.start), None])
        loop = next(following)
        symbols = self.script.symbols
        while slot < self.size:
            if loop is not None and slot == loop.start:
                self._scan(loop)
                slot, loop = loop.stop, next(following)
                continue
            symbol = symbols[slot - self.first]
            value = apply(symbol.gate, *[self._operand(operand) for operand in symbol.operands])
            self.values[slot] = value
            slot += 1
        for symbol in self.script.assumptions:
            value = self._operand(symbol).value
            if hasattr(value, "assumed_false"):
                value.assumed_false()
        return [self._operand(output) for output in self.script.outputs]

    def _operand(self, operand: Any) -> Any:
        return self._value(self.columns.slot(operand)) if isinstance(operand, Symbol) else operand

    def _value(self, slot: int) -> Any:
        """The value of a slot, whether it was computed by itself or in a loop."""
        found = self.values.get(slot)
        if found is None:
            loop = self.loops[self.home[slot]]
            step, position = loop.place(slot)
            last, stacks = self.results[loop.start]
            if step == loop.steps - 1 and position in last:
                found = last[position]
            else:
                found = gates.getitem(stacks[position], (step,))
            self.values[slot] = found
        return found

    def _scan(self, loop: _Loop) -> None:
        """Run a loop, and keep its results."""
        rows = self.operands[loop.start : loop.start + loop.period].tolist()
        moves = loop.moves.tolist()
        read: dict[tuple[int, int], int] = {}  # operands that are read from earlier loops, by slot and move
        stacks: list[Any] = []
        for position in range(loop.period):
            for slot, move in zip(rows[position], moves[position], strict=True):
                own = move == loop.period and slot >= loop.start - loop.period
                if slot >= 0 and move and not own and (slot, move) not in read:
                    read[slot, move] = len(stacks)
                    stacks.append(self._steps_of(loop, slot, move))
        kept = sorted(loop.stacked)
        symbols = self.script.symbols[loop.start - self.first : loop.start - self.first + loop.period]
        outside = {
            slot: self._value(slot)
            for row, moved in zip(rows, moves, strict=True)
            for slot, move in zip(row, moved, strict=True)
            if slot >= 0 and not move
        }

        def step(carry: Any, x: Any) -> Any:
            before = dict(zip(loop.carried, carry, strict=True))
            now: list[Any] = []
            for symbol, row, moved in zip(symbols, rows, moves, strict=True):
                operands = []
                for operand, slot, move in zip(symbol.operands, row, moved, strict=False):
                    if slot < 0:
                        operands.append(operand)
                    elif not move:
                        operands.append(outside[slot])
                    elif (slot, move) in read:
                        operands.append(x[read[slot, move]])
                    elif slot >= loop.start:
                        operands.append(now[slot - loop.start])
                    else:
                        operands.append(before[slot + loop.period - loop.start])
                now.append(apply(symbol.gate, *operands))
            return tuple(now[p] for p in loop.carried), tuple(now[p] for p in kept)

        start = tuple([self._value(loop.start - loop.period + position) for position in loop.carried])
        last, stacked = scan(step, start, tuple(stacks), length=loop.steps)
        self.results[loop.start] = (
            dict(zip(loop.carried, last, strict=True)),
            dict(zip(kept, stacked, strict=True)),
        )

    def _steps_of(self, loop: _Loop, slot: int, move: int) -> Any:
        """What a loop reads from an earlier one, step by step."""
        found = self._source(loop, slot, move)
        assert found is not None
        source, position, step, direction = found
        stack = self.results[source.start][1][position]
        last = step + direction * (loop.steps - 1)
        chosen = gates.getitem(stack, (slice(min(step, last), max(step, last) + 1),))
        return gates.flip(chosen, axis=0) if direction < 0 else chosen
