"""Records: several results of one gate, laid end to end in one flat array.

A gate has one result and a loop has many: carries and stacked results of any shapes and dtypes. As the factorisations
do, a loop gives them packed; `pick` takes one out again. The record has the widest of the dtypes, and integers of 64
bits, which a floating number cannot hold exactly, stand in it as two halves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from gatewise import gates
from gatewise.gate import Gate
from gatewise.graph import Node, Spec, Tracked, apply, untracked
from gatewise.symbolic import Symbol

#: The high half of an integer counts so many times.
HALF = 2**32


class Unlisted(Gate):
    """A gate that a function makes for one use: it has a name, but no row in the catalogue."""

    def __init_subclass__(cls, called: str) -> None:
        super().__init_subclass__()
        cls.name = called


@dataclass(frozen=True)
class Part:
    """Where one result stands in a record: `size` numbers from `start` on, of `total`."""

    start: int
    size: int
    shape: tuple[int, ...]
    dtype: str
    total: int
    record: str

    @property
    def place(self) -> slice:
        """The part of the record."""
        return slice(self.start, self.start + self.size)

    @property
    def halved(self) -> bool:
        """Whether each number stands there as two."""
        return self.dtype in ("int64", "uint64")

    @property
    def floating(self) -> bool:
        """Whether it carries a gradient."""
        return np.dtype(self.dtype).kind in "fc"


def parts_of(specs: Sequence[Spec]) -> tuple[Part, ...]:
    """How results of these shapes and dtypes are laid into a record."""
    dtypes = [np.dtype("float64") if spec.dtype in (np.int64, np.uint64) else spec.dtype for spec in specs]
    record = np.result_type(np.float16, *dtypes)
    sizes = [prod(spec.shape) * (1 + (spec.dtype in (np.int64, np.uint64))) for spec in specs]
    total = sum(sizes)
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return tuple(
        Part(start, size, tuple(spec.shape), spec.dtype.name, total, record.name)
        for start, size, spec in zip(starts, sizes, specs, strict=True)
    )


def spec_of(parts: Sequence[Part]) -> Spec:
    """Shape and dtype of the record with these parts."""
    return Spec((parts[0].total,), np.dtype(parts[0].record)) if parts else Spec((0,), np.dtype("float64"))


def laid(value: Any, part: Part, lead: tuple[int, ...] = ()) -> Any:
    """`value` as it stands in the record: in a row, in the record's dtype. Axes of `lead` stay in front."""
    row = gates.reshape(value, (*lead, prod(part.shape)))
    if part.halved:
        row = gates.concat([gates.floor_divide(row, HALF), gates.remainder(row, HALF)], axis=-1)
    return gates.astype(row, part.record)


def record_of(values: Sequence[Any], parts: Sequence[Part], lead: tuple[int, ...] = ()) -> Any:
    """The record of these results, of any array library."""
    if not parts:
        return np.zeros((*lead, 0))
    rows = [laid(value, part, lead) for value, part in zip(values, parts, strict=True)]
    return gates.concat(rows, axis=-1) if len(rows) > 1 else rows[0]


def numpy_record(parts: Sequence[Part]) -> tuple[Any, list[Any]]:
    """An empty record of NumPy's, and for each part that it holds as it is the array to write it into; else None."""
    spec = spec_of(parts)
    record = np.empty(spec.shape, spec.dtype)
    views = [record[part.place].reshape(part.shape) if part.dtype == part.record else None for part in parts]
    return record, views


@dataclass(frozen=True)
class Pick(Unlisted, called="pick"):
    """One of the results of a loop or a branch"""

    symbol = "pick"
    story = "takes one of several results: the upstream gradient goes to that result's place, zeros to the others"
    linear = True
    holomorphic = False

    part: Part

    def forward(self, xp: Any, record: Any) -> Any:
        part = self.part
        if hasattr(xp, "picked"):
            return xp.picked(record, part)
        row = record[part.place] if isinstance(record, np.ndarray) else gates.getitem(record, part.place)
        if part.halved:
            count = prod(part.shape)
            high, low = (gates.astype(row[half], part.dtype) for half in (slice(0, count), slice(count, 2 * count)))
            row = high * HALF + low
        elif part.dtype != part.record:
            row = gates.astype(gates.real(row) if not part.dtype.startswith("complex") else row, part.dtype)
        return row.reshape(part.shape)[()] if isinstance(row, np.ndarray) else gates.reshape(row, part.shape)

    def local_record(self, g: Any) -> Any:
        return apply(Place(self.part), g)

    def infer(self, *specs: Spec) -> Spec:
        return Spec(self.part.shape, np.dtype(self.part.dtype))


class PickWhole(Pick, called="pick"):
    """One of the results of a loop or a branch, of integers or booleans"""

    story = "blocks: whole numbers do not change with small steps, so no gradient passes"
    linear = False
    local_record = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Place(Unlisted, called="place"):
    """One of the results of a loop or a branch laid into a record of zeros"""

    symbol = "place"
    story = "lays into zeros: what arrives at the part's place goes back"
    linear = True
    holomorphic = False

    part: Part

    def forward(self, xp: Any, x: Any) -> Any:
        part = self.part
        if hasattr(xp, "laid"):
            return xp.laid(x, part)
        if xp is np:
            record = np.zeros(part.total, part.record)
            record[part.place] = np.ravel(x)
            return record
        row = laid(x, part)
        before, after = (np.zeros(n, part.record) for n in (part.start, part.total - part.start - part.size))
        if hasattr(xp, "run"):
            return gates.concat([before, row, after])
        return gates.concat([xp.asarray(before), row, xp.asarray(after)])

    def local_x(self, g: Any) -> Any:
        return pick(g, self.part)

    def infer(self, *specs: Spec) -> Spec:
        return spec_of((self.part,))


def pick(record: Any, part: Part) -> Any:
    """The result that stands at `part` in a record."""
    if isinstance(record, Symbol) and record.gate == Place(part):
        return record.operands[0]
    return apply((Pick if part.floating else PickWhole)(part), record)


def arrives(gradient: Any, part: Part) -> bool:
    """Whether a gradient may be other than zero at `part`: False only where it is known to be zero."""
    if isinstance(gradient, Tracked) and gradient.node.leaf:
        return not _is_elsewhere(gradient.node, part)
    value = untracked(gradient)
    if isinstance(value, Symbol):
        return not _is_elsewhere(value, part)
    return bool(value[part.place].any()) if isinstance(value, np.ndarray) else True


def _is_elsewhere(source: Node | Symbol | Any, part: Part) -> bool:
    """Whether a record was made of other parts only, laid into zeros and added up."""
    pending = [source]
    while pending:
        source = pending.pop()
        if not isinstance(source, Node | Symbol):
            return False
        if source.gate.name == "add":
            pending.extend(source.inputs if isinstance(source, Node) else source.operands)
        elif not isinstance(source.gate, Place) or source.gate.part == part:
            return False
    return True
