"""A loop of the schedule as a nest of loops: which addresses it reads and writes, and what is computed at which depth.

`Nest` is plain data, made by `nest_of`: axes merged where memory lies in a row, the innermost axis chosen so that most
reads go forward, every value with the number of axes it depends on, so that what does not change in an inner loop is
computed outside of it. `emit` turns it into instructions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

from gatewise.native.blocking import ProductSpec
from gatewise.native.schedule import Loop, base_of, identity, is_stored_or_given
from gatewise.native.values import (
    Accumulate,
    AxisMap,
    Constant,
    Gather,
    Input,
    Iota,
    Map,
    Product,
    Reduce,
    Reshape,
    Shape,
    Value,
    View,
    number_of,
)

Maps = tuple[AxisMap, ...]

#: A nest of so many entries that lie apart is handed a pointer to each, so that nests of others may share its code.
MOST_PLACES = 64


@dataclass(eq=False)
class Address:
    """Where an entry lies: base[offset + sum of stride * index + sum of dynamic indices * their strides]."""

    base: Value
    strides: list[int]
    offset: int
    dynamic: list[tuple[Item, int]] = field(default_factory=list)


@dataclass(eq=False)
class Item:
    """A number that is computed for every index: a load, an index or a function of other items."""

    value: Value
    operands: tuple[Item, ...] = ()
    address: Address | None = None  # of a load
    iota: AxisMap | None = None
    along: int | None = None  # of running totals, the axis
    depth: int = 0


@dataclass(eq=False)
class Write:
    """What is stored: an item at an address, or folded into it over `reduced` axes."""

    item: Item
    address: Address
    root: Value
    function: str | None = None
    reduced: frozenset[int] = frozenset()


@dataclass(eq=False)
class Nest:
    """Loops over `extents`, outermost first; `items` in the order in which they are computed."""

    extents: list[int]
    items: list[Item]
    writes: list[Write]
    sequential: bool

    def signature(self) -> tuple[Any, list[tuple[Value, int]]]:
        """What the nest's code depends on, without what lies where; and the values and entries that lie somewhere.

        A nest of very many entries has the offsets of them in its code: pointers to all of them would be most of it.
        """
        places: dict[tuple[Value, int], int] = {}
        numbers = {item: number for number, item in enumerate(self.items)}
        addresses = [a for a in (*[i.address for i in self.items], *[w.address for w in self.writes]) if a is not None]
        apart = len({(address.base, address.offset) for address in addresses}) <= MOST_PLACES

        def at(address: Address | None) -> Any:
            if address is None:
                return None
            place = places.setdefault((address.base, address.offset if apart else 0), len(places))
            dynamic = tuple((numbers[item], stride) for item, stride in address.dynamic)
            return place, 0 if apart else address.offset, tuple(address.strides), dynamic

        items = tuple(
            (
                _kind_of(item.value),
                item.value.dtype.str,
                tuple(numbers[operand] for operand in item.operands),
                at(item.address),
                item.iota,
                item.along,
            )
            for item in self.items
        )
        writes = tuple(
            (numbers[w.item], at(w.address), w.function, w.reduced, w.root.dtype.str, w.root.size) for w in self.writes
        )
        return (tuple(self.extents), self.sequential, items, writes), list(places)


def _kind_of(value: Value) -> Any:
    """What an item computes, if it is not loaded."""
    if isinstance(value, Map):
        return value.function
    if isinstance(value, Accumulate):
        return "running", value.function
    return value.array.tobytes() if isinstance(value, Constant) and value.size == 1 else type(value).__name__


def strides_of(shape: Shape) -> list[int]:
    """How far apart the entries along each axis lie in a contiguous array."""
    return [prod(shape[i + 1 :]) for i in range(len(shape))]


def nest_of(loop: Loop, stored: set[Value], by_slices: bool = False) -> Nest:
    """The nest of a loop; `by_slices`, one whose outermost loop is over the loop's first axis and no other."""
    items: dict[Any, Item] = {}
    identity = tuple((i, 1, 0) for i in range(len(loop.domain)))
    own = set(loop.roots) if loop.target is None else set()
    rank = len(loop.domain)

    def address(value: Value, maps: Maps) -> Address | None:
        """Where `value` at an index lies, if it stands in memory already."""
        if value in own and maps == identity:
            if isinstance(value, View):
                return address_of(value.source, _composed(value.axes, maps), stored, rank)
            if isinstance(value, Reshape):
                return _at(base_of(value.source, stored), value.shape, maps, rank)
            return None
        return address_of(value, maps, stored, rank)

    def item(value: Value, maps: Maps) -> Item:
        """The item for `value` at an index of the loop; iterative, since expressions may be deep."""
        pending: list[tuple[Value, Maps]] = [(value, maps)]
        while pending:
            key = pending[-1]
            if key in items:
                pending.pop()
                continue
            needs = parts(*key)
            missing = [need for need in needs if need not in items]
            if missing:
                pending.extend(reversed(missing))
                continue
            pending.pop()
            items[key] = made(*key, [items[need] for need in needs])
        return items[value, maps]

    def parts(value: Value, maps: Maps) -> list[tuple[Value, Maps]]:
        if address(value, maps) is not None:
            return []
        if isinstance(value, View):
            return [(value.source, _composed(value.axes, maps))]
        if isinstance(value, Map | Accumulate):
            return [(part, maps) for part in value.parts]
        if isinstance(value, Gather):
            return [(index, maps) for index in value.indices]
        return []

    def made(value: Value, maps: Maps, operands: list[Item]) -> Item:
        place = address(value, maps)
        if place is not None:
            return Item(value, address=place)
        if isinstance(value, View):
            return operands[0]
        if isinstance(value, Gather):
            reached = value.source
            axes: list[AxisMap | int] = list(value.axes)
            place = _indexed(reached, axes, maps, operands, stored, rank)
            return Item(value, tuple(operands), address=place)
        if isinstance(value, Iota):
            return Item(value, iota=maps[value.axis])
        if isinstance(value, Accumulate):  # always stored, so that it is only computed at its own place
            return Item(value, tuple(operands), along=value.axis)
        return Item(value, tuple(operands))

    writes = []
    for root in loop.roots:
        if loop.target is not None:
            source = item(root, identity)
            indices = [item(index, identity) for index in loop.indices]
            target = _indexed(loop.target, list(loop.places), identity, indices, stored, rank)
            writes.append(Write(source, target, loop.target, "sum" if loop.added else None))
        elif isinstance(root, Reduce):
            kept = [i for i in range(rank) if i not in root.axes]
            steps = [0] * rank
            for axis, stride in zip(kept, strides_of(root.shape), strict=True):
                steps[axis] = stride
            source = item(root.source, identity)
            writes.append(Write(source, Address(root, steps, 0), root, root.function, frozenset(root.axes)))
        else:
            writes.append(Write(item(root, identity), _at(root, root.shape, identity, rank), root))
    for piece, whole, places in loop.pieces:
        target = _indexed(whole, list(places), identity, [], stored, rank)
        writes.append(Write(item(piece, identity), target, whole))
    order: dict[Item, None] = {}
    for made_item in items.values():
        order.setdefault(made_item)
    nest = Nest(list(loop.domain), list(order), writes, sequential=bool(loop.indices))
    if not nest.sequential:
        _choose_order(nest, int(by_slices))
    _merge(nest, int(by_slices))
    _find_depths(nest)
    return nest


def address_of(value: Value, maps: Maps, stored: set[Value], rank: int, numbers: bool = False) -> Address | None:
    """Where an entry of `value` lies, reached by `maps` from an index of `rank` axes, if it stands in memory.

    With `numbers` that goes for constants, too, that are one number everywhere, which loops need not read.
    """
    while isinstance(value, View) and value not in stored:
        maps = _composed(value.axes, maps)
        value = value.source
    shape = value.shape
    while isinstance(value, Reshape) and value not in stored:
        value = value.source
    is_number = isinstance(value, Constant) and number_of(value) is not None
    if not is_stored_or_given(value, stored) or (is_number and not numbers):
        return None
    return _at(value, shape, maps, rank)


def operand_address(value: Value, stored: set[Value]) -> Address:
    """Where a value lies that is read or written as a whole, and stands in memory."""
    rank = len(value.shape)
    address = address_of(value, identity(value.shape), stored, rank, numbers=True)
    assert address is not None, f"{value} does not stand in memory"
    return address


def product_spec(value: Product, stored: set[Value], threads: int = 1) -> ProductSpec:
    """How the operands of a matrix product and its result lie."""
    left, right, result = (operand_address(v, stored).strides for v in (value.left, value.right, value))
    return ProductSpec(
        m=value.left.shape[-2],
        n=value.right.shape[-1],
        k=value.left.shape[-1],
        dtype=value.dtype.name,
        a=(left[-2], left[-1]),
        b=(right[-2], right[-1]),
        c=(result[-2], result[-1]),
        batch=tuple(value.shape[:-2]),
        a_batch=tuple(left[:-2]),
        b_batch=tuple(right[:-2]),
        c_batch=tuple(result[:-2]),
        threads=threads,
    )


def _composed(axes: Maps, maps: Maps) -> Maps:
    """How a view's source is reached when the view itself is reached by `maps`."""
    found = []
    for axis, step, start in axes:
        if axis < 0:
            found.append((-1, 0, start))
        else:
            outer, outer_step, outer_start = maps[axis]
            found.append((outer, step * outer_step if outer >= 0 else 0, start + step * outer_start))
    return tuple(found)


def _at(value: Value, shape: Shape, maps: Maps, rank: int) -> Address:
    strides, offset = [0] * rank, 0
    for (axis, step, start), stride in zip(maps, strides_of(shape), strict=True):
        offset += start * stride
        if axis >= 0:
            strides[axis] += step * stride
    return Address(value, strides, offset)


def _indexed(
    value: Value, axes: list[AxisMap | int], maps: Maps, indices: list[Item], stored: set[Value], rank: int
) -> Address:
    """The address of an entry some of whose indices are computed."""
    static: list[AxisMap] = []
    dynamic_axes = []
    for place, axis in enumerate(axes):
        if isinstance(axis, int):
            static.append((-1, 0, 0))
            dynamic_axes.append((place, axis))
        else:
            static.extend(_composed((axis,), maps))
    source, chain = value, tuple(static)
    # Each computed index runs along one axis of the source; follow it through the views down to memory.
    steps = {place: [0] * len(value.shape) for place, _ in dynamic_axes}
    for place in steps:
        steps[place][place] = 1
    while isinstance(source, View) and source not in stored:
        chain = _composed(source.axes, chain)
        for place, factors in steps.items():
            steps[place] = [factors[axis] * step if axis >= 0 else 0 for axis, step, _ in source.axes]
        source = source.source
    shape = source.shape
    while isinstance(source, Reshape) and source not in stored:
        source = source.source
    address = _at(source, shape, chain, rank)
    for place, number in dynamic_axes:
        stride = sum(f * s for f, s in zip(steps[place], strides_of(shape), strict=True))
        address.dynamic.append((indices[number], stride))
    return address


def _addresses(nest: Nest) -> list[Address]:
    return [*(item.address for item in nest.items if item.address), *(write.address for write in nest.writes)]


def _permute(nest: Nest, order: list[int]) -> None:
    nest.extents = [nest.extents[i] for i in order]
    for address in {id(a): a for a in _addresses(nest)}.values():
        address.strides = [address.strides[i] for i in order]
    for item in nest.items:
        if item.iota is not None and item.iota[0] >= 0:
            item.iota = (order.index(item.iota[0]), *item.iota[1:])
        if item.along is not None:
            item.along = order.index(item.along)
    for write in nest.writes:
        write.reduced = frozenset(order.index(i) for i in write.reduced)


def _choose_order(nest: Nest, first: int) -> None:
    """Put that axis innermost, of those from `first` on, along which most reads and writes go forward one by one."""
    rank = len(nest.extents)
    if rank < first + 2:
        return

    def score(axis: int) -> float:
        steps = [abs(address.strides[axis]) for address in _addresses(nest)]
        return sum(1.0 if step == 1 else 0.5 if step == 0 else -1.0 for step in steps) * min(nest.extents[axis], 16)

    best = max(reversed(range(first, rank)), key=score)
    if best != rank - 1 and nest.extents[rank - 1] > 1 and score(best) > score(rank - 1) + 1:
        _permute(nest, [i for i in range(rank) if i != best] + [best])


def _merge(nest: Nest, first: int) -> None:
    """Drop axes of length 1 and make one loop of two wherever memory goes on without a gap, from axis `first` on."""
    for axis in reversed(range(first, len(nest.extents))):
        if nest.extents[axis] == 1:
            _drop(nest, axis)
    for axis in reversed(range(first, len(nest.extents) - 1)):
        length = nest.extents[axis + 1]
        single = {item.iota[0] for item in nest.items if item.iota is not None}
        single |= {item.along for item in nest.items if item.along is not None}
        alike = all((axis in write.reduced) == (axis + 1 in write.reduced) for write in nest.writes)
        gapless = all(a.strides[axis] == a.strides[axis + 1] * length for a in _addresses(nest))
        if alike and gapless and not {axis, axis + 1} & single:
            nest.extents[axis + 1] *= nest.extents[axis]
            _drop(nest, axis)


def _drop(nest: Nest, axis: int) -> None:
    del nest.extents[axis]
    for address in {id(a): a for a in _addresses(nest)}.values():
        address.strides = address.strides[:axis] + address.strides[axis + 1 :]
    for item in nest.items:
        if item.iota is not None:
            place, step, start = item.iota
            item.iota = (-1, 0, start) if place == axis else (place - (place > axis), step, start)
        if item.along is not None:
            item.along -= item.along > axis
    for write in nest.writes:
        write.reduced = frozenset(i - (i > axis) for i in write.reduced if i != axis)


def _find_depths(nest: Nest) -> None:
    for item in nest.items:  # operands come first
        depth = max((operand.depth for operand in item.operands), default=0)
        if item.address is not None:
            depth = max([depth, *(i + 1 for i, step in enumerate(item.address.strides) if step)])
        if item.iota is not None and item.iota[0] >= 0:
            depth = item.iota[0] + 1
        item.depth = depth if item.along is None else len(nest.extents)


Emitter = Callable[..., Any]
__all__ = ["Address", "Input", "Item", "Nest", "Write", "nest_of", "strides_of"]
