"""In which order, and in which loops, the values of a program are computed, and where they are kept.

Most values are computed inside the loop that reads them and never stand in memory. `stored` says which do: results,
what products, calls and reshapes read, sums, and what several loops would otherwise compute again. Stored values of one
shape whose operands are there at the same time share one loop, a `Loop`; they form its `roots`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from typing import Any

from gatewise.native.values import (
    MANY,
    Accumulate,
    Assemble,
    AxisMap,
    Call,
    Constant,
    Convolve,
    Gather,
    Input,
    Iota,
    Laid,
    Map,
    Product,
    Program,
    Reduce,
    Repeat,
    Reshape,
    Result,
    Scatter,
    Shape,
    Value,
    View,
    are_apart,
    number_of,
)

#: What a function costs next to an addition; those not named cost 1.
COSTS = {
    **dict.fromkeys(("divide", "sqrt", "floor_divide", "remainder", "reciprocal"), 5),
    **dict.fromkeys(("exp", "exp2", "log", "log2", "log10", "tanh", "sigmoid", "sin", "cos", "cbrt", "expm1"), 20),
    **dict.fromkeys(("log1p", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "pow", "hypot", "logaddexp"), 30),
    **dict.fromkeys(("asinh", "acosh", "atanh", "erf", "erfc", "ndtr", "log_ndtr", "i0e", "i1e"), 40),
    **dict.fromkeys(("erfinv", "erfcinv", "ndtri", "gamma", "gammaln", "psi", "trigamma", "i0", "i1"), 100),
}

#: Values of which no entry can be read in the round that computes them.
WHOLE = Reduce | Product | Convolve | Assemble | Scatter | Call | Result

#: An expression that costs at most so much is computed again rather than stored.
CHEAP = 4

#: Arrays of up to so many entries are held in memory of the program's own code.
SMALL = 1 << 10


@dataclass(eq=False)
class Loop:
    """Values of one domain computed entry by entry in one nest of loops.

    `roots` are what is stored: maps at their place, reductions at what is left of it. A loop that writes a part of an
    assembled or scattered value has that one in `target`, and how its axes are reached in `places`.
    """

    domain: Shape
    roots: list[Value] = field(default_factory=list)
    #: Values that are written into a part of an assembled one: (value, assembled value, how its axes are reached).
    pieces: list[tuple[Value, Value, tuple[AxisMap, ...]]] = field(default_factory=list)
    target: Value | None = None
    places: tuple[AxisMap | int, ...] = ()
    indices: tuple[Value, ...] = ()
    added: bool = False

    def reads(self) -> tuple[Value, ...]:
        """The values that its expressions begin with."""
        sources = [root.source if isinstance(root, Reduce) and self.target is None else root for root in self.roots]
        return (*sources, *self.indices, *[piece for piece, _, _ in self.pieces])


@dataclass(eq=False)
class Multiply:
    """A matrix product or a convolution."""

    value: Product | Convolve


@dataclass(eq=False)
class Leave:
    """A gate that Python runs."""

    value: Call


@dataclass(eq=False)
class Again:
    """A program inside this one, run again and again, or once if it is chosen."""

    value: Repeat
    results: list[Result] = field(default_factory=list)


Step = Loop | Multiply | Leave | Again


@dataclass
class Schedule:
    """Steps in order, and the values that stand in memory."""

    program: Program
    steps: list[Step]
    stored: set[Value]


def base_of(value: Value, stored: set[Value]) -> Value:
    """The value in memory that is read for `value`: what views and reshapes that are not copied are made of."""
    while isinstance(value, View | Reshape) and value not in stored:
        value = value.source
    return value


def scheduled(program: Program) -> Schedule:
    """Choose what is stored and arrange the loops."""
    values = program.values()
    stored = _must_be_stored(program, values)
    while True:
        levels = _levels(values, stored)
        more = _worth_storing(program, values, stored, levels)
        if not more:
            break
        stored |= more
    return Schedule(program, _arranged(values, stored, levels), stored)


def is_stored_or_given(value: Value, stored: set[Value]) -> bool:
    """Whether a value stands in memory: an argument, a constant, or stored."""
    return isinstance(value, Input | Constant) or value in stored


def _must_be_stored(program: Program, values: list[Value]) -> set[Value]:
    stored: set[Value] = set()

    def in_memory(value: Value) -> None:
        """See to it that `value` can be read at computed addresses."""
        while isinstance(value, View):
            value = value.source
        if not isinstance(value, Input | Constant | Reshape):
            stored.add(value)

    for output in (*program.outputs, *program.assumptions):
        if not isinstance(output, Input | Constant):
            stored.add(output)
    for value in values:
        if isinstance(value, Accumulate | Reduce | Product | Convolve | Assemble | Scatter | Call | Repeat | Result):
            stored.add(value)
        if isinstance(value, Product):
            in_memory(value.left)
            in_memory(value.right)
        elif isinstance(value, Gather):
            in_memory(value.source)
        elif isinstance(value, Repeat):
            bases = [part.source if isinstance(part, Reshape) else part for part in value.operands]
            stored.update(part for part in bases if not isinstance(part, Input | Constant))
        elif isinstance(value, Call | Convolve):
            stored.update(part for part in value.operands if not isinstance(part, Input | Constant))
        elif isinstance(value, Reshape) and not isinstance(value.source, Input | Constant):
            stored.add(value.source)
    return stored


def _levels(values: list[Value], stored: set[Value]) -> dict[Value, int]:
    """For each value the round in which it is computed: operands that are only there after a loop cost one round."""
    levels: dict[Value, int] = {}
    whole: dict[Value, int] = {}  # the first round in which every entry can be read, or computed from what is there

    def ready(value: Value, at_index: bool = True) -> int:
        """The first round in which `value` can be read; `at_index`, at the index at which it is computed."""
        return _ready(value, levels) if at_index or isinstance(value, WHOLE) else whole[value]

    for value in values:
        if isinstance(value, View | Reshape | Gather):
            rounds = [ready(value.source, at_index=False)]
            if isinstance(value, Gather):
                rounds += [ready(index) for index in value.indices]
        elif isinstance(value, Result):
            rounds = [levels[value.source]]
        elif isinstance(value, Product | Convolve | Call | Repeat):
            rounds = [ready(operand) for operand in value.operands]
        else:
            rounds = [ready(operand) for operand in value.operands]
        levels[value] = max(rounds, default=0)
        if value in stored:
            whole[value] = levels[value] + 1
        else:
            whole[value] = max([ready(operand, at_index=False) for operand in value.operands], default=0)
    return levels


def _ready(value: Value, levels: dict[Value, int]) -> int:
    """The first round in which an entry of `value` can be read where it is computed."""
    return levels[value] + isinstance(value, WHOLE)


def _rounds_of_pieces(value: Assemble, levels: dict[Value, int]) -> list[int] | None:
    """In which rounds the pieces are written, each in the loop that computes it; None if they must be in order."""
    given = isinstance(value.base, Input | Constant) or number_of(value.base) is not None
    first = 0 if given else levels[value.base] + 1
    if first > levels[value] or not are_disjoint(value):
        return None
    return [max(first, _ready(piece, levels)) for piece in value.pieces]


def _worth_storing(program: Program, values: list[Value], stored: set[Value], levels: dict[Value, int]) -> set[Value]:
    """Values that several loops, or one at several indices, would compute again at a cost."""
    contexts: dict[Value, set[Any]] = defaultdict(set)
    work: dict[Value, float] = defaultdict(float)  # entries of the loops that read it

    def read(value: Value, where: set[Any], entries: float) -> None:
        contexts[value] |= where
        work[value] = max(work[value], entries)

    for value in reversed(values):
        if value in stored:
            here: set[Any] = {(levels[value], value.source.shape if isinstance(value, Reduce) else value.shape)}
            if isinstance(value, Assemble | Scatter):
                here = {(levels[value], value.number)}
            entries: float = value.source.size if isinstance(value, Reduce) else value.size
        else:
            here, entries = contexts[value], work[value]
        if isinstance(value, View):
            here = {(place, value.number) for place in here}
        rounds = _rounds_of_pieces(value, levels) if isinstance(value, Assemble) else None
        for index, operand in enumerate(value.operands):
            if rounds is not None and index:
                read(operand, {(rounds[index - 1], operand.shape)}, operand.size)
            elif isinstance(value, Assemble | Scatter):
                read(operand, {(place, index) for place in here}, operand.size)
            else:
                read(operand, here, entries)
    costs: dict[Value, int] = {}
    found: set[Value] = set()
    for value in values:
        costs[value] = 0
        if isinstance(value, Map | Gather) and value not in stored:
            cost = COSTS.get(value.function, 1) if isinstance(value, Map) else 4
            costs[value] = cost + sum(costs[operand] for operand in value.operands)
            again = len(contexts[value]) > 1 or work[value] > 4 * value.size
            if again and costs[value] > CHEAP:
                found.add(value)
                costs[value] = 0
        elif isinstance(value, View) and value not in stored:
            costs[value] = costs[value.source]
    return found


def _arranged(values: list[Value], stored: set[Value], levels: dict[Value, int]) -> list[Step]:
    loops: dict[tuple[int, Shape], Loop] = {}
    repeats: dict[Repeat, Again] = {}
    before: dict[int, list[Step]] = defaultdict(list)
    rounds: dict[int, list[Step]] = defaultdict(list)
    later: dict[int, list[Step]] = defaultdict(list)

    def loop_of(level: int, domain: Shape) -> Loop:
        loop = loops.get((level, domain))
        if loop is None:
            loop = loops[level, domain] = Loop(domain)
            rounds[level].append(loop)
        return loop

    for value in values:
        if value not in stored:
            continue
        level = levels[value]
        if isinstance(value, Product | Convolve):
            later[level].append(Multiply(value))
        elif isinstance(value, Call):
            later[level].append(Leave(value))
        elif isinstance(value, Repeat):
            repeats[value] = Again(value)
            later[level].append(repeats[value])
        elif isinstance(value, Result):
            repeats[value.source].results.append(value)
        elif isinstance(value, Assemble):
            written = _rounds_of_pieces(value, levels)
            if not (written and sum(piece.size for piece in value.pieces) == value.size):
                base = Loop(value.shape, [value.base], target=value, places=identity(value.shape))
                (before[min(written)] if written else later[level]).append(base)
            for number, (piece, places) in enumerate(zip(value.pieces, value.places, strict=True)):
                if written:
                    loop_of(written[number], piece.shape).pieces.append((piece, value, places))
                else:
                    later[level].append(Loop(piece.shape, [piece], target=value, places=places))
        elif isinstance(value, Scatter):
            later[level].append(Loop(value.shape, [value.base], target=value, places=identity(value.shape)))
            later[level].append(
                Loop(
                    value.piece.shape,
                    [value.piece],
                    target=value,
                    places=value.axes,
                    indices=value.indices,
                    added=value.added,
                )
            )
        else:
            domain = value.source.shape if isinstance(value, Reduce) else value.shape
            loop_of(level, domain).roots.append(value)
    steps: list[Step] = []
    for level in range(max(levels.values(), default=-1) + 1):
        steps.extend(before[level])
        steps.extend(rounds[level])
        steps.extend(later[level])
    return steps


def identity(shape: Shape) -> tuple[AxisMap, ...]:
    """The axis maps that read an array where it is."""
    return tuple((i, 1, 0) for i in range(len(shape)))


def are_disjoint(value: Assemble) -> bool:
    """Whether no entry is written twice."""
    laid = list(zip(value.places, value.pieces, strict=True))
    if len(laid) > MANY:
        return _in_order(laid)
    return all(are_apart(one, other) for i, one in enumerate(laid) for other in laid[i + 1 :])


def _in_order(laid: list[Laid]) -> bool:
    """Whether many pieces follow each other along one axis, each behind the one before."""

    def ends(places: tuple[AxisMap, ...], piece: Value, axis: int) -> tuple[int, int]:
        place, step, start = places[axis]
        last = start + step * (piece.shape[place] - 1) if place >= 0 else start
        return min(start, last), max(start, last)

    return any(
        all(ends(*one, axis=axis)[1] < ends(*other, axis=axis)[0] for one, other in pairwise(laid))
        for axis in range(len(laid[0][0]))
    )


def work_of(loop: Loop) -> int:
    """About how many additions a loop costs."""
    seen: set[Value] = set()
    stack = list(loop.reads())
    cost = 0
    while stack:
        value = stack.pop()
        if value in seen:
            continue
        seen.add(value)
        cost += COSTS.get(value.function, 1) if isinstance(value, Map) else 1
        if isinstance(value, Map | Accumulate | View | Gather | Iota):
            stack.extend(value.operands)
    return cost * prod(loop.domain)
