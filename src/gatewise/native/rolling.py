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
from functools import reduce
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from gatewise import gates
from gatewise.gates.conversion import IDENTITY
from gatewise.graph import Spec, apply, untracked
from gatewise.symbolic import Alike, Script, Symbol, ValueFunction, written

#: Scripts with fewer scalar gates stay as they are: straight code runs as fast, and compiles soon enough.
FEWEST = 1000

#: Scripts are rolled when that leaves at most one group for so many gates.
GAIN = 4.0

#: After so many gates it is seen whether there is anything to gain.
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
    scalars = [symbol for symbol in script.symbols if not symbol.shape]
    if len(scalars) < FEWEST or script.captured:
        return script
    kinds = {(symbol.dtype, symbol.weak) for symbol in (*script.inputs, *scalars) if symbol.dtype.kind != "b"}
    if any(weak for _, weak in kinds) and {dtype for dtype, _ in kinds} != {np.dtype(float)}:
        return script  # arrays of Python numbers would not yield to other dtypes, as Python numbers do
    groups = _Groups(script)
    if not groups.are_worth_it:
        return script
    return written(groups.run, [Spec(symbol.shape, symbol.dtype, symbol.weak) for symbol in script.inputs])


class _Group:
    """Gates that are alike: `columns` holds, per operand, one entry for each member."""

    __slots__ = ("columns", "gate", "kinds", "places", "size", "symbol")

    def __init__(self, gate: Any, kinds: tuple[Any, ...], symbol: Symbol) -> None:
        self.gate, self.kinds, self.symbol = gate, kinds, symbol  # kinds: per operand its group, or None for constants
        self.columns: list[list[Any]] = [[] for _ in kinds]
        self.size = 0
        self.places: Any = None  # per member its place in the array


_SUM = object()


class _Groups:
    """The groups of a script, in an order in which they can be computed."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.groups: list[_Group] = []
        self.known: dict[Any, int] = {}
        self.alike = Alike()
        self.aliases: dict[int, bool] = {}  # by a gate's number, whether it gives single numbers back
        self.home: list[Any] = [None] * _indices(script)  # by a symbol's index: its group, and which member
        for symbol in script.inputs:
            self._join(symbol, ("input", symbol.dtype) if not symbol.shape else symbol, None, (), ())
        terms = _sums(script)
        for number, symbol in enumerate(script.symbols):
            found = terms[symbol.index]
            if found is not None:
                self._place(symbol, found)
            if number == ENOUGH and not self._are_few(number):
                break
        self.are_worth_it = self._are_few(number + 1)

    def _are_few(self, gates_seen: int) -> bool:
        """Whether groups are few beside the gates that were put into them."""
        return GAIN * len(self.groups) <= gates_seen

    def _place(self, symbol: Symbol, terms: Sequence[Any]) -> None:
        operands = symbol.operands
        home = self.home
        if len(terms) >= TERMS:
            runs: dict[int | None, list[Any]] = {}
            for term in terms:
                group, value = self._reference(term)
                runs.setdefault(group, []).append(value)
            kinds = tuple(runs)
            counts = tuple(map(len, runs.values()))
            columns = [values if group is None else sorted(values) for group, values in runs.items()]
            self._join(symbol, (_SUM, symbol.dtype, kinds, counts), _SUM, kinds, columns)
        elif self._is_alias(symbol.gate) and _is_identity(symbol):
            home[symbol.index] = home[operands[0].index]
        elif _is_scalar(symbol):
            groups, entries, fixed = [], [], []
            for operand in operands:
                if type(operand) is Symbol:
                    group, entry = home[operand.index]
                else:
                    group, entry = None, operand
                    fixed.append(_kind(operand))
                groups.append(group)
                entries.append(entry)
            kinds = tuple(groups)
            self._join(
                symbol, (self.alike.number(symbol.gate), symbol.dtype.num, kinds, *fixed), symbol.gate, kinds, entries
            )
        else:
            references = [self._reference(operand) for operand in operands]
            kinds = tuple([group for group, _ in references])
            self._join(symbol, symbol, symbol.gate, kinds, [value for _, value in references])

    def _is_alias(self, gate: Any) -> bool:
        number = self.alike.number(gate)
        known = self.aliases.get(number)
        if known is None:
            known = self.aliases[number] = _is_alias(gate)
        return known

    def _reference(self, operand: Any) -> tuple[int | None, Any]:
        """Group and member of an operand; None and the value of a constant."""
        return self.home[operand.index] if isinstance(operand, Symbol) else (None, operand)

    def _join(self, symbol: Symbol, key: Any, gate: Any, kinds: tuple[Any, ...], entries: Sequence[Any]) -> None:
        number = self.known.get(key)
        if number is None:
            number = self.known[key] = len(self.groups)
            self.groups.append(_Group(gate, kinds, symbol))
        group = self.groups[number]
        for column, entry in zip(group.columns, entries):  # noqa: B905  (a key has as many kinds as entries)
            column.append(entry)
        self.home[symbol.index] = number, group.size
        group.size += 1

    # ------------------------------------------------------------------------------------------------------- running

    def run(self, *inputs: Any) -> list[Any]:
        """What the script computes, group by group."""
        self.values: list[Any] = []
        self.items: dict[tuple[int, int], Any] = {}
        given = dict(zip(self.script.inputs, inputs, strict=True))
        members: dict[int, list[Any]] = {}
        for symbol, value in given.items():
            number, member = self.home[symbol.index]
            members.setdefault(number, []).append(value)
            self.items[number, member] = value
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
            number, member = self.home[symbol.index]
            assumed.setdefault(number, set()).add(member)
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
        number, member = self.home[symbol.index]
        return self._entry(number, int(self.groups[number].places[member]))

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
        columns = [self._column(kind, entries) for kind, entries in zip(group.kinds, group.columns, strict=True)]
        if group.size == 1:
            group.places = np.zeros(1, np.int64)
            operands = [
                column[0] if kind is None else self._entry(kind, int(column[0]))
                for kind, column in zip(group.kinds, columns, strict=True)
            ]
            if _is_alias(group.gate):
                return operands[0]
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
        result = operands[0] if _is_alias(group.gate) else apply(group.gate, *operands)
        return gates.reshape(gates.broadcast_to(result, shape), (group.size,))

    def _column(self, kind: int | None, entries: Sequence[Any]) -> Any:
        """Per member the place of an operand in its group's array; constants as they are."""
        return list(entries) if kind is None else self.groups[kind].places[np.array(entries)]

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


def _is_scalar(symbol: Symbol) -> bool:
    """Whether a gate computes one number entry by entry, so that many of it are one gate on arrays."""
    if symbol.shape:
        return False
    gate = symbol.gate
    if type(gate) is ValueFunction:
        return gate.function in _BY_ENTRY and not symbol.operands[0].shape
    return bool(gate.elementwise)


_BY_ENTRY = frozenset({"isnan", "isinf", "isfinite", "signbit", "any", "all"})


def _is_alias(gate: Any) -> bool:
    """Whether a gate on a single number gives that number."""
    return gate == IDENTITY or (isinstance(gate, ValueFunction) and gate.function in ("any", "all"))


def _is_identity(symbol: Symbol) -> bool:
    operand = symbol.operands[0]
    return isinstance(operand, Symbol) and not operand.shape and operand.dtype == symbol.dtype


def _kind(constant: Any) -> Any:
    """What of a constant tells groups apart: whole numbers, which are exponents and choices; of others, the type."""
    return constant if isinstance(constant, int | np.integer) else type(constant)


def _indices(script: Script) -> int:
    """How many indices its symbols have."""
    return 1 + max((symbols[-1].index for symbols in (script.inputs, script.symbols) if symbols), default=-1)


def _sums(script: Script) -> list[Any]:
    """By index: the terms of a chain of additions for its last one, else ().

    None for additions in the middle of a chain, which nobody else reads.
    """
    size = _indices(script)
    uses = [0] * size
    for symbol in script.symbols:
        for operand in symbol.operands:
            if type(operand) is Symbol:
                uses[operand.index] += 1
    for symbol in (*script.outputs, *script.assumptions):
        if isinstance(symbol, Symbol):
            uses[symbol.index] = 2
    terms: list[Any] = [()] * size
    pieces: dict[int, list[Symbol]] = {}
    for symbol in script.symbols:
        if symbol.gate.name != "add" or not _is_scalar(symbol) or symbol.dtype.kind != "f":
            continue
        together: list[Any] = []
        inside: list[Symbol] = []
        for operand in symbol.operands:
            found = terms[operand.index] if type(operand) is Symbol else ()
            if found and uses[operand.index] == 1 and operand.dtype == symbol.dtype:
                together = found if not together else together + found
                inside.append(operand)
            else:
                together.append(operand)
        for operand in inside:
            terms[operand.index] = None
        pieces[symbol.index] = inside
        terms[symbol.index] = together
    for index in reversed(pieces):  # what stays an addition keeps its operands
        found = terms[index]
        if found and len(found) < TERMS:
            stack = [index]
            while stack:
                one = stack.pop()
                terms[one] = ()
                stack.extend([piece.index for piece in pieces[one]])
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
