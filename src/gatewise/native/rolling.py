"""Programs written with scalars, rolled into arrays: gates that are alike are found and become one gate on arrays.

Two scalar gates are alike when they are the same gate on operands that are alike: inputs with inputs, constants with
constants, results of one group with results of one group. So a net written neuron by neuron and point by point comes
apart into a few groups of thousands, each of which one gate on arrays computes; chains of additions become sums. What
a group's operands are is known as index vectors; most are regular, as the loops that wrote them were, and become
slices, transposes and repetitions, which the compiler makes into index maps. The others are gathered.

A script goes in and a script comes out, and both compute the same, but for the order in which sums are added up.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, reduce
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from gatewise import gates
from gatewise.gates.conversion import IDENTITY
from gatewise.graph import Spec, apply, untracked
from gatewise.symbolic import Kind, Script, Symbol, ValueFunction, written

#: Scripts with fewer scalar gates stay as they are: straight code runs as fast, and compiles soon enough.
FEWEST = 1000

#: Scripts are rolled when that leaves at most one group for so many gates.
GAIN = 4.0

#: In longer scripts it is seen from so many gates, the first, whether there is anything to gain.
ENOUGH = 20_000

#: Sums of fewer terms stay additions.
TERMS = 4

#: More axes than this and an index vector counts as irregular.
AXES = 6

#: Length and stride of one axis of an index vector.
Axis = tuple[int, int]


def rolled(script: Script) -> Script:
    """`script` with scalar gates that are alike made into gates on arrays; itself where that would gain little.

    Example:
        >>> from gatewise.graph import Spec
        >>> from gatewise.symbolic import written
        >>> number = Spec((), np.dtype(float))
        >>> def polynomials(*xs):
        ...     return [(x * x + 2.0) * x for x in xs]
        >>> script = written(polynomials, [number] * 500)
        >>> len(script.symbols), len(rolled(script).symbols) < 700  # an output is an entry, and so are inputs
        (1500, True)
        >>> float(rolled(script).run([3.0] * 500)[499])
        33.0
    """
    if len(script.symbols) < FEWEST or script.captured:
        return script
    columns = script.columns
    is_scalar = np.array([not kind.shape for kind in columns.examples])
    if is_scalar[columns.kinds[columns.first :]].sum() < FEWEST or columns.yields(scalars=True):
        return script  # arrays of Python numbers would not yield to other dtypes, as Python numbers do
    if len(script.symbols) > ENOUGH and not _Groups(script, script.symbols[:ENOUGH]).are_worth_it:
        return script
    groups = _Groups(script, script.symbols)
    if not groups.are_worth_it:
        return script
    return written(groups.run, [Spec(symbol.shape, symbol.dtype, symbol.weak) for symbol in script.inputs])


class _Group:
    """Gates that are alike: `kinds` holds, per operand, the number of its group, or None for constants."""

    __slots__ = ("columns", "gate", "kinds", "number", "places", "slots", "symbol")

    def __init__(self, number: int, gate: Any, kinds: tuple[Any, ...], symbol: Symbol) -> None:
        self.number, self.gate, self.kinds, self.symbol = number, gate, kinds, symbol
        self.slots: list[int] = []  # of the members
        self.columns: list[list[Any]] = [[] for _ in kinds]  # of sums: per group of terms a list for each member
        self.places: Any = None  # per member its place in the array

    @property
    def size(self) -> int:
        """The number of members."""
        return len(self.slots)


_SUM = object()


class _Groups:
    """The groups of a script's first symbols, in an order in which they can be computed."""

    def __init__(self, script: Script, symbols: Sequence[Symbol]) -> None:
        self.script = script
        self.table = script.columns
        self.groups: list[_Group] = []
        self.known: dict[Any, _Group] = {}
        first = self.table.first
        size = first + len(symbols)
        #: By slot its group, and which member it is; at last for constants.
        self.group: list[Any] = [None] * (size + 1)
        self.member = [0] * (size + 1)
        for slot, symbol in enumerate(script.inputs):
            self._join(slot, ("input", symbol.dtype) if not symbol.shape else symbol, None, (), symbol)
        self._place(symbols, _sums(script, size))
        self.are_worth_it = GAIN * len(self.groups) <= len(symbols)

    def _place(self, symbols: Sequence[Symbol], terms: Sequence[Any]) -> None:
        """Put every gate that is still to be computed into its group."""
        table, groups, members, known = self.table, self.group, self.member, self.known
        starts, numbers = table.starts[: len(terms) + 1].tolist(), table.kinds[: len(terms)].tolist()
        read = table.read[: starts[-1]].tolist()
        aliases = [_is_alias(kind.gate) for kind in table.examples]
        scalar = [_is_scalar(kind) for kind in table.examples]
        for slot, symbol in enumerate(symbols, table.first):
            found = terms[slot]
            if found is None:
                continue
            if len(found) >= TERMS:
                self._join_sum(slot, symbol, found, read)
                continue
            operands = read[starts[slot] : starts[slot + 1]]
            number = numbers[slot]
            if aliases[number] and _is_identity(symbol):
                groups[slot], members[slot] = groups[operands[0]], members[operands[0]]
                continue
            kinds = tuple([groups[operand] for operand in operands])
            key: Any = (number, kinds)
            if not scalar[number]:
                key = symbol
            elif None in kinds:
                key += tuple([_kind(x) for x, kind in zip(symbol.operands, kinds, strict=True) if kind is None])
            group = known.get(key)
            if group is None:
                self._join(slot, key, symbol.gate, kinds, symbol)
            else:  # the usual case, kept short
                groups[slot] = group.number
                members[slot] = len(group.slots)
                group.slots.append(slot)

    def _join(self, slot: int, key: Any, gate: Any, kinds: tuple[Any, ...], symbol: Symbol) -> _Group:
        """Make what stands in a slot a member of the group with this key."""
        group = self.known.get(key)
        if group is None:
            group = self.known[key] = _Group(len(self.groups), gate, kinds, symbol)
            self.groups.append(group)
        self.group[slot] = group.number
        self.member[slot] = len(group.slots)
        group.slots.append(slot)
        return group

    def _join_sum(self, slot: int, symbol: Symbol, terms: Sequence[int], read: Sequence[int]) -> None:
        """The same for a sum, whose terms are places in `read`."""
        runs: dict[int | None, list[Any]] = {}
        for term in terms:
            operand = read[term]
            value = self.member[operand] if operand >= 0 else self.constants[term]
            runs.setdefault(self.group[operand], []).append(value)
        kinds = tuple(runs)
        key = (_SUM, symbol.dtype, kinds, tuple(map(len, runs.values())))
        group = self._join(slot, key, _SUM, kinds, symbol)
        for column, (kind, values) in zip(group.columns, runs.items(), strict=True):
            column.append(values if kind is None else sorted(values))

    @cached_property
    def constants(self) -> dict[int, Any]:
        """The constants by their places among all operands."""
        return dict(zip(np.flatnonzero(self.table.read < 0).tolist(), self.table.constants, strict=True))

    # ------------------------------------------------------------------------------------------------------- running

    def run(self, *inputs: Any) -> list[Any]:
        """What the script computes, group by group."""
        self.values: list[Any] = []
        self.items: dict[tuple[int, int], Any] = {}
        self.entries = np.array(self.member)
        members: dict[int, list[Any]] = {}
        for slot, value in enumerate(inputs):
            number = self.group[slot]
            members.setdefault(number, []).append(value)
            self.items[number, self.member[slot]] = value
        for number, group in enumerate(self.groups):
            if group.gate is None:
                group.places = np.arange(group.size)
                self.values.append(gates.stack(members[number]) if group.size > 1 else members[number][0])
            else:
                self.values.append(self._computed(group))
                written_down = untracked(self.values[-1])
                if isinstance(written_down, Symbol):
                    written_down.code, written_down.instruction = group.symbol.code, group.symbol.instruction
        self._assume()
        return [self._item(output) if isinstance(output, Symbol) else output for output in self.script.outputs]

    def _assume(self) -> None:
        """Note what the script assumes, for whole groups at once where it does so for all their members."""
        assumed: dict[int, set[int]] = {}
        for symbol in self.script.assumptions:
            slot = self.table.slot(symbol)
            assumed.setdefault(self.group[slot], set()).add(self.member[slot])
        for number, found in assumed.items():
            whole = self.values[number]
            if len(found) < self.groups[number].size:
                places = np.sort(self.groups[number].places[sorted(found)])
                whole = gates.getitem(whole, (places,)) if self.groups[number].size > 1 else whole
            value = untracked(whole)
            some = value.__array_namespace__().any(value)
            if hasattr(some, "assumed_false"):
                some.assumed_false()

    def _item(self, symbol: Symbol) -> Any:
        slot = self.table.slot(symbol)
        number = self.group[slot]
        return self._entry(number, int(self.groups[number].places[self.member[slot]]))

    def _entry(self, number: int, place: int) -> Any:
        """One entry of a group's array."""
        if self.groups[number].size == 1:
            return self.values[number]
        if self.groups[number].gate is None:
            return self.items[number, place]
        found = self.items.get((number, place))
        if found is None:
            found = self.items[number, place] = gates.getitem(self.values[number], (place,))
        return found

    def _computed(self, group: _Group) -> Any:
        """The group's array: one axis, or no axis if it has one member."""
        if group.gate is _SUM:
            return self._summed(group)
        columns = [self._column(group, operand, kind) for operand, kind in enumerate(group.kinds)]
        if group.size == 1:
            group.places = np.zeros(1, np.int64)
            operands = [
                column[0] if kind is None else self._entry(kind, int(column[0]))
                for kind, column in zip(group.kinds, columns, strict=True)
            ]
            return apply(group.gate, *operands)
        order = _order([c for kind, c in zip(group.kinds, columns, strict=True) if kind is not None], group.size)
        group.places = np.argsort(order)
        columns = [
            [c[i] for i in order] if kind is None else c[order] for kind, c in zip(group.kinds, columns, strict=True)
        ]
        moving = [c for kind, c in zip(group.kinds, columns, strict=True) if kind is not None]
        shape = _shape(moving, group.size, ())
        operands = []
        for kind, column in zip(group.kinds, columns, strict=True):
            operands.append(_constants(column, shape) if kind is None else self._fetched(kind, column, shape))
        return gates.reshape(gates.broadcast_to(apply(group.gate, *operands), shape), (group.size,))

    def _column(self, group: _Group, operand: int, kind: int | None) -> Any:
        """Per member the place of an operand in its group's array; constants as they are."""
        where = self.table.starts[group.slots] + operand
        if kind is None:
            return [self.constants[place] for place in where.tolist()]
        return self.groups[kind].places[self.entries[self.table.read[where]]]

    def _summed(self, group: _Group) -> Any:
        """A group of sums: per group of terms one sum over an axis."""
        columns = []
        for kind, entries in zip(group.kinds, group.columns, strict=True):
            rows = np.array(entries)  # members by terms
            columns.append(rows if kind is None else np.sort(self.groups[kind].places[rows], axis=1))
        moving = [c[:, 0] for kind, c in zip(group.kinds, columns, strict=True) if kind is not None]
        order = _order(moving, group.size)
        group.places = np.argsort(order)
        total: Any = None
        for kind, column in zip(group.kinds, columns, strict=True):
            rows = column[order]
            if kind is None:
                part: Any = rows.sum(axis=1)
                part = part[0] if group.size == 1 else part
            else:
                part = self._row_sums(kind, rows)
            total = part if total is None else total + part
        return total

    def _row_sums(self, kind: int, rows: Any) -> Any:
        members, terms = rows.shape
        flat = rows.ravel()
        if self.groups[kind].size == 1:
            value = self.values[kind] * float(terms)
            return value if members == 1 else gates.broadcast_to(value, (members,))
        shape = _shape([flat], flat.size, (terms,))
        value = gates.broadcast_to(self._fetched(kind, flat, shape), shape)
        inner = next(axis for axis in range(len(shape) + 1) if prod(shape[axis:]) == terms)
        if terms > 1:
            value = gates.sum(value, axis=tuple(range(inner, len(shape))))
        return gates.reshape(value, (members,) if members > 1 else ())

    def _fetched(self, kind: int, column: Any, shape: tuple[int, ...]) -> Any:
        """Entries of a group's array in a shape that broadcasts to `shape`."""
        source = self.values[kind]
        size = self.groups[kind].size
        if size == 1:
            return source
        if (column == column[0]).all():
            return self._entry(kind, int(column[0]))
        if size == column.size and (column == np.arange(size)).all():
            return gates.reshape(source, shape)
        axes = _axes_in(column, shape)
        regular = None if axes is None else _sliced(source, size, int(column[0]), axes)
        return gates.getitem(source, (column.reshape(shape),)) if regular is None else regular


# ------------------------------------------------------------------------------------------------------------- gates


def _is_scalar(kind: Kind) -> bool:
    """Whether a gate computes one number entry by entry, so that many of it are one gate on arrays."""
    gate = kind.gate
    return not kind.shape and (gate.function in _BY_ENTRY if type(gate) is ValueFunction else bool(gate.elementwise))


_BY_ENTRY = frozenset({"isnan", "isinf", "isfinite", "signbit"})


def _is_alias(gate: Any) -> bool:
    """Whether a gate on a single number of its result's dtype gives that number."""
    return gate == IDENTITY or (isinstance(gate, ValueFunction) and gate.function in ("any", "all"))


def _is_identity(symbol: Symbol) -> bool:
    operand = symbol.operands[0]
    return isinstance(operand, Symbol) and not operand.shape and operand.dtype == symbol.dtype


def _kind(constant: Any) -> Any:
    """What of a constant tells groups apart: whole numbers, which are exponents and choices; of others, the type."""
    return constant if isinstance(constant, int | np.integer) else type(constant)


def _sums(script: Script, size: int) -> list[Any]:
    """For the first slots: the terms of a chain of additions for its last one, as places among all operands; else ().

    None for additions in the middle of a chain, which nobody else reads.
    """
    table = script.columns
    uses = np.bincount(table.read[table.read >= 0], minlength=len(table.kinds))
    for symbol in (*script.outputs, *script.assumptions):
        if isinstance(symbol, Symbol):
            uses[table.slot(symbol)] = 2
    is_sum = [_is_scalar(kind) and kind.gate.name == "add" and kind.dtype.kind == "f" for kind in table.examples]
    numbers = table.kinds[:size]
    kinds, starts = numbers.tolist(), table.starts[: size + 1].tolist()
    read = table.read[: starts[-1]].tolist()
    once = (uses[:size] == 1).tolist()
    terms: list[Any] = [()] * size
    pieces: dict[int, list[int]] = {}
    for slot in np.flatnonzero(np.array(is_sum)[numbers]).tolist():
        together: list[int] = []
        inside: list[int] = []
        for place in range(starts[slot], starts[slot + 1]):
            operand = read[place]
            found = terms[operand] if operand >= 0 else ()
            if found and once[operand] and kinds[operand] == kinds[slot]:
                together = found if not together else together + found
                inside.append(operand)
            else:
                together.append(place)
        for operand in inside:
            terms[operand] = None
        pieces[slot] = inside
        terms[slot] = together
    for slot in reversed(pieces):  # what stays an addition keeps its operands
        found = terms[slot]
        if found and len(found) < TERMS:
            stack = [slot]
            while stack:
                one = stack.pop()
                terms[one] = ()
                stack.extend(pieces[one])
    return terms


# ------------------------------------------------------------------------------------------------------ index vectors


def _order(columns: Sequence[Any], size: int) -> Any:
    """An order of a group's members in which their operands lie as regularly as can be."""
    forward = np.arange(size)
    orders = [forward, forward[::-1]]
    if columns:
        orders.append(np.lexsort(columns[::-1]))
    return min(orders, key=lambda order: sum(_irregularity(column[order]) for column in columns))


def _irregularity(column: Any) -> int:
    axes = _axes(column)
    if axes is None:
        return 100
    return len(axes) + sum(10 for _, stride in axes if stride < 0) + (bool(axes) and axes[-1][1] > 1)


def _axes(column: Any) -> list[Axis] | None:
    """Lengths and strides, outermost first, of loops whose index is this vector; None if there are none."""
    found: list[Axis] = []
    block = column
    while block.size > 1:
        steps = np.diff(block)
        other = np.flatnonzero(steps != steps[0])
        length = int(other[0]) + 1 if other.size else block.size
        if block.size % length or len(found) == AXES:
            return None
        rows = block.reshape(-1, length)
        if (rows - rows[:, :1] != np.arange(length) * steps[0]).any():
            return None
        found.append((length, int(steps[0])))
        block = rows[:, 0]
    return found[::-1]


def _shape(columns: Sequence[Any], size: int, boundaries: Sequence[int]) -> tuple[int, ...]:
    """A shape whose axes cut every regular column into axes of one stride each, as far as they fit together."""
    sizes = {1, size, *boundaries}
    for column in columns:
        inner = 1
        cuts = []
        for length, _ in reversed(_axes(column) or []):
            inner *= length
            cuts.append(inner)
        ordered = sorted({*sizes, *cuts})
        if all(outer % inner == 0 for inner, outer in pairwise(ordered)):
            sizes.update(cuts)
    return tuple([outer // inner for inner, outer in pairwise(sorted(sizes))][::-1])


def _axes_in(column: Any, shape: tuple[int, ...]) -> list[Axis] | None:
    """Length and stride along each axis of `shape`; None where a column has not one."""
    block = column.reshape(shape)
    axes = []
    rebuilt = np.zeros((), np.int64)
    for axis, length in enumerate(shape):
        corner = block[tuple([slice(0, 2) if i == axis else 0 for i in range(len(shape))])]
        axes.append((length, int(corner[1] - corner[0])))
        rebuilt = rebuilt[..., None] + np.arange(length) * axes[-1][1]
    return axes if (rebuilt + block.flat[0] == block).all() else None


def _sliced(source: Any, size: int, start: int, axes: Sequence[Axis]) -> Any:
    """Entries start + the sum of index times stride, by slices and transposes; axes that repeat have length 1."""
    strided = sorted((axis for axis in range(len(axes)) if axes[axis][1]), key=lambda axis: -axes[axis][1])
    lengths: list[int] = []
    value, room, begin, rest = source, size, start, 0
    for axis in strided:
        length, stride = axes[axis]
        if not lengths and begin + length * stride > room:  # the same entries, each counted from further back
            begin = room - length * stride
            rest = start - begin
        if stride < 0 or begin < 0 or begin + length * stride > room:
            return None
        value = gates.getitem(value, (..., slice(begin, begin + length * stride)))
        lengths.append(length)
        value = gates.reshape(value, (*lengths, stride))
        room, begin = stride, 0
    if rest >= room:
        return None
    value = gates.permute_dims(gates.getitem(value, (..., rest)), tuple(np.argsort(strided).tolist()))
    return gates.reshape(value, tuple([length if stride else 1 for length, stride in axes]))


def _constants(values: Sequence[Any], shape: tuple[int, ...]) -> Any:
    """Constants of a group's members: the number itself if it is one, else an array without repetitions."""
    first = values[0]
    if all(value is first for value in values):
        return first
    array = np.array(values).reshape(shape)
    if _is_all(array, array[:1].ravel()[:1]):
        return first
    return reduce(_unrepeated, range(len(shape)), array)


def _unrepeated(array: Any, axis: int) -> Any:
    first = array.take([0], axis)
    return first if _is_all(array, first) else array


def _is_all(array: Any, entries: Any) -> bool:
    """Whether an array repeats some entries, to the bit: zeros have signs."""
    return bool(array.tobytes() == np.broadcast_to(entries, array.shape).tobytes())
