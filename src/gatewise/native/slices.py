"""Steps that go through large arrays one after the other are run slice by slice, so that a slice is still in the cache.

Where steps share their leading axis, and what one leaves at an index of it only the same index of the others reads, the
first index can go through all of them before the second begins. `sliced` finds such steps in a schedule and makes one
step of them, a `Slices`. What no other step reads never stands in memory as a whole: each thread has room for some
slices of it, written over again and again. Large arrays that are cheaper to compute than to read are computed again in
each group of steps that reads them.

A product of two matrices goes slice by slice, too: by rows of its result, or, where the axis that it sums over is the
leading one of its operands, by what each slice adds to the result. So a matrix of data is read once, forward and
backward, by ``scores = X @ W`` and the gradient ``X.T @ upstream``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from math import lcm, prod

from gatewise.native.blocking import ProductSpec, estimate, plan
from gatewise.native.nest import Address, Nest, nest_of, operand_address, product_spec
from gatewise.native.schedule import CHEAP, COSTS, Again, Loop, Multiply, Schedule, Step, base_of, work_of
from gatewise.native.tile import ELEMENTS, Machine
from gatewise.native.values import Assemble, Map, Product, Reduce, Shape, Value, number_of

#: How much longer a product may take in slices, by estimate.
LONGER = 1.1

#: How much more work than the others the busiest thread may have.
UNEVEN = 1.25


@dataclass(eq=False)
class Member:
    """A step of a schedule. At which addresses it reads and writes is found out when somebody asks, which is rare."""

    step: Step
    stored: set[Value]
    rest: Member | None = None  # what cannot be run slice by slice of the step that this one is a part of
    whole: Member | None = None  # and that step

    @cached_property
    def length(self) -> int:
        """How long its leading axis is; 0 if there is none, or if it is a step of another kind."""
        shape: Shape = ()
        if isinstance(self.step, Loop):
            shape = self.step.domain if self.step.target is None else ()
        elif isinstance(self.step, Multiply) and self.step.value.dtype.name in ELEMENTS:
            shape = self.step.value.shape if isinstance(self.step.value, Product) else ()
            if self.matrices is not None and self.adds:
                shape = (self.matrices.k, *shape)
        return shape[0] if len(shape) and prod(shape) and shape[0] > 1 else 0

    @cached_property
    def matrices(self) -> ProductSpec | None:
        """The product of two matrices that it is."""
        value = self.step.value if isinstance(self.step, Multiply) else None
        return product_spec(value, self.stored) if isinstance(value, Product) and len(value.shape) == 2 else None

    @property
    def adds(self) -> bool:
        """Whether it is a product of two matrices to whose every entry each slice adds."""
        return self.matrices is not None and _is_along_depth(self.matrices)

    @cached_property
    def written(self) -> set[Value]:
        """What it leaves in memory, in full or in part."""
        if isinstance(self.step, Loop):
            roots = self.step.roots if self.step.target is None else [self.step.target]
            return {*roots, *(whole for _, whole, _ in self.step.pieces)}
        return set(self.step.results) if isinstance(self.step, Again) else {self.step.value}

    @cached_property
    def read(self) -> set[Value]:
        """What it reads of that which other steps leave in memory."""
        if not isinstance(self.step, Loop):
            return {base_of(operand, self.stored) for operand in self.step.value.operands}
        found: set[Value] = set()
        pending, seen = list(self.step.reads()), set()
        while pending:
            value = pending.pop()
            if value in seen:
                continue
            seen.add(value)
            if value in self.stored and value not in self.written:
                found.add(value)
            else:
                pending.extend(value.operands)
        return found

    @cached_property
    def touched(self) -> set[Value]:
        """What it reads or writes in memory."""
        return self.read | self.written

    @cached_property
    def nest(self) -> Nest | None:
        """The nest of a loop that can be run slice by slice."""
        return nest_of(self.step, self.stored, by_slices=True) if isinstance(self.step, Loop) else None

    @cached_property
    def addresses(self) -> list[tuple[Address, Shape]]:
        """Where a loop or product reads and writes, each with the axes over which the strides run."""
        if self.nest is not None:
            found = [item.address for item in self.nest.items if item.address]
            axes = tuple(self.nest.extents)
            return [(address, axes) for address in (*found, *(write.address for write in self.nest.writes))]
        assert isinstance(self.step, Multiply)
        value = self.step.value
        placed = [(operand_address(v, self.stored), v.shape) for v in (*value.operands, value)]
        if self.matrices is None:
            return placed
        (left, (m, k)), (right, (_, n)) = placed[0], placed[1]
        if self.adds:
            return [(Address(left.base, left.strides[::-1], left.offset), (k, m)), placed[1]]
        return [placed[0], (Address(right.base, [0, *right.strides], right.offset), (m, k, n)), placed[2]]

    def divides(self, threads: int, machine: Machine) -> bool:
        """Whether it can be run slice by slice, at no great loss, by threads that have about the same work."""
        if not self.length or -(-self.length // threads) * threads > UNEVEN * self.length:
            return False
        if self.nest is not None:
            across = any(item.along == 0 for item in self.nest.items)
            if across or any(0 in write.reduced for write in self.nest.writes):
                return False
        elif not self._is_as_quick(machine):
            return False
        return self.keeps_to_slices(self.written, self.length)

    def without_sums(self) -> Member:
        """The part of a loop that has a result at each index of the leading axis; what sums over it is its `rest`."""
        if self.nest is None or not isinstance(self.step, Loop) or self.step.target is not None:
            return self
        over: list[Value] = [root for root in self.step.roots if isinstance(root, Reduce) and 0 in root.axes]
        kept = [root for root in self.step.roots if root not in over]
        if not (over and (kept or self.step.pieces)):
            return self
        rest = Member(replace(self.step, roots=over, pieces=[]), self.stored)
        return Member(replace(self.step, roots=kept), self.stored, rest, self)

    def _is_as_quick(self, machine: Machine) -> bool:
        """Whether a product that has an operand in common for all slices takes no longer for each by itself."""
        assert isinstance(self.step, Multiply)
        assert isinstance(self.step.value, Product)
        if self.matrices is not None:
            return True
        whole = product_spec(self.step.value, self.stored)
        one, apart = slice_of(whole)
        if all(apart):
            return True
        return self.length * estimate(plan(one, machine)) <= LONGER * estimate(plan(whole, machine))

    def must_follow(self, other: Member) -> bool:
        """Whether it reads or writes what the other one, which stands before it, writes, or writes what that reads."""
        return bool(self.touched & other.written or self.written & other.touched)

    def keeps_to_slices(self, values: Collection[Value], length: int) -> bool:
        """Whether it reaches, at each index of the leading axis, only the slices of `values` that belong to it."""
        return all(_in_slices(address, axes, length) for address, axes in self.addresses if address.base in values)


@dataclass(eq=False)
class Slices:
    """Steps of one leading axis, run together for `block` indices of it at a time, from multiples of `grain` on."""

    length: int
    block: int
    grain: int
    members: list[Member]
    local: list[Value]  # what only these steps read, in room for one block

    def work(self) -> int:
        """About how many additions they cost."""
        steps = [member.step for member in self.members]
        products = [step.value for step in steps if isinstance(step, Multiply)]
        return sum(work_of(step) for step in steps if isinstance(step, Loop)) + sum(
            product.size * product.left.shape[-1] // 2 for product in products
        )


def sliced(schedule: Schedule, threads: int, machine: Machine) -> list[Step | Slices]:
    """The steps of a schedule, with groups of those that go through large arrays made one step each."""
    products = [step.value for step in schedule.steps if isinstance(step, Multiply)]
    given = {base_of(operand, schedule.stored) for value in products for operand in value.operands}
    if not any(_bytes(value) >= machine.second_cache for value in schedule.stored | given):
        return list(schedule.steps)
    members = [Member(step, schedule.stored) for step in schedule.steps]
    arranged = _grouped(members, threads, machine)
    groups = [part for part in arranged if isinstance(part, list)]
    if not groups:
        return list(schedule.steps)
    alone = {base_of(value, schedule.stored) for value in (*schedule.program.outputs, *schedule.program.assumptions)}
    alone |= {value for part in arranged if isinstance(part, Member) for value in part.touched}
    _compute_again(groups, alone, machine.second_cache)
    steps: list[Step | Slices] = []
    for part in arranged:
        if isinstance(part, Member):
            steps.append(part.step)
        else:
            elsewhere = alone.union(*(_needed(group) for group in groups if group is not part))
            steps.append(_slices(part, elsewhere, machine))
    return steps


def in_slices(spec: ProductSpec, block: int, machine: Machine) -> ProductSpec:
    """The product of two matrices as it is called for `block` slices at a time, or less.

    What slices add to is stored in the order that suits the sums.
    """
    if not _is_along_depth(spec):
        return replace(spec, threads=1, along="rows")
    added = replace(spec, threads=1, along="depth", k=block, accumulate=True)
    orders = [replace(added, c=(spec.n, 1)), replace(added, c=(1, spec.m))]
    return min(orders, key=lambda each: estimate(plan(each, machine)))


def _is_along_depth(spec: ProductSpec) -> bool:
    """Whether the axis that is summed over is the leading one of both operands."""
    return spec.a[0] < spec.a[1] and spec.b[0] > spec.b[1]


def slice_of(spec: ProductSpec) -> tuple[ProductSpec, tuple[int, int, int]]:
    """The product at one index of the leading axis, by one thread, and how far apart operands and results lie."""
    a, b, c = spec.a_batch, spec.b_batch, spec.c_batch
    one = replace(spec, batch=spec.batch[1:], a_batch=a[1:], b_batch=b[1:], c_batch=c[1:], threads=1)
    return one, (a[0], b[0], c[0])


def in_order(values: Iterable[Value]) -> list[Value]:
    """Values in the order in which they were made."""
    return sorted(values, key=lambda value: value.number)


def _bytes(value: Value) -> int:
    return value.size * value.dtype.itemsize


def _in_slices(address: Address, axes: tuple[int, ...], length: int) -> bool:
    """Whether the index i of the leading axis reaches only the i-th of `length` equal parts of what lies there."""
    size, rest = divmod(address.base.size, length)
    if rest or not axes or axes[0] != length or address.strides[0] != size:
        return False
    ranges = [(0, stride * (n - 1)) for stride, n in zip(address.strides[1:], axes[1:], strict=True)]
    for item, stride in address.dynamic:
        limits = _limits(item.value)
        if limits is None:
            return False
        ranges.append((limits[0] * stride, limits[1] * stride))
    first, last = (address.offset + sum(map(bound, ranges)) for bound in (min, max))
    return first >= 0 and last < size


def _limits(value: Value) -> tuple[int, int] | None:
    """The least and the largest entry that an index can have, if it was cut to lie between two numbers."""
    if isinstance(value, Map) and value.function == "minimum":
        below, upper = value.parts
        if isinstance(below, Map) and below.function == "maximum":
            lower = number_of(below.parts[1])
            most = number_of(upper)
            return None if lower is None or most is None else (int(lower), int(most))
    return None


def _grouped(members: list[Member], threads: int, machine: Machine) -> list[Member | list[Member]]:
    """Steps in an order in which those that go through the same large arrays follow each other, as groups of them.

    A step that stands between them goes before the group if it can, else behind it.
    """
    shared = _shared(members, threads, machine)
    large = [any(_bytes(value) >= machine.second_cache for value in member.written) for member in members]
    large = [each or bool(member.read & shared) for each, member in zip(large, members, strict=True)]
    last = {member.length: number for number, member in enumerate(members)}
    arranged: list[Member | list[Member]] = []
    group: list[Member] = []
    behind: list[Member] = []

    def close() -> None:
        if _is_worth_it(group, shared, machine):
            arranged.append(group.copy())
            arranged.extend(behind)
        else:
            arranged.extend(member.whole or member for member in group)
            rests = [member.rest for member in group]
            arranged.extend(member for member in behind if member not in rests)
        group.clear()
        behind.clear()

    for number, whole in enumerate(members):
        waits = any(whole.must_follow(other) for other in behind)
        member = whole.without_sums() if any(other.read & shared for other in group) else whole
        joins = group and not waits and member.length == group[0].length and _joins(member, group, large[number])
        begins = not joins and large[number] and number < last[member.length]
        if (joins or begins) and not member.divides(threads, machine):
            joins = begins = False
        if begins:
            close()
        if joins or begins:
            group.append(member)
            behind.extend([member.rest] if member.rest else [])
        elif waits or any(whole.must_follow(other) for other in group):
            behind.append(whole)
        else:
            arranged.append(whole)
    close()
    return arranged


def _shared(members: list[Member], threads: int, machine: Machine) -> set[Value]:
    """Arrays that several products of matrices read slice by slice, and that the caches of all threads do not hold."""
    seen: set[Value] = set()
    found: set[Value] = set()
    for member in members:
        if member.matrices is not None and member.length:
            far = {value for value in member.read if _bytes(value) > 2 * threads * machine.second_cache}
            far = {value for value in far if member.keeps_to_slices({value}, member.length)}
            found |= far & seen
            seen |= far
    return found


def _joins(member: Member, group: list[Member], large: bool) -> bool:
    """Whether a step belongs to a group: it is as large or reads what that leaves, and slice by slice."""
    written = {value for other in group for value in other.written}
    if not (large or member.read & written):
        return False
    if any(other.adds and member.touched & other.written for other in group):
        return False
    length = member.length
    return member.keeps_to_slices(written, length) and all(
        other.keeps_to_slices(member.written, length) for other in group
    )


def _compute_again(groups: list[list[Member]], alone: set[Value], large: int) -> None:
    """In groups that read a large array which another one leaves, compute it again where that is easily done."""
    for group in groups:
        for member in list(group):
            value = _easily_made(member, large)
            if value is None or value in alone or member.read & {v for other in group for v in other.written}:
                continue
            readers = [other for other in groups if other is not group and value in _needed(other)]
            if all(_reads_in_slices(other, value, member.length) for other in readers):
                for other in readers:
                    other.insert(0, member)


def _easily_made(member: Member, large: int) -> Value | None:
    """The one value that a loop leaves, if it is large and comes of little at little cost."""
    nest = member.nest
    if nest is None or len(nest.writes) != 1:
        return None
    (value,) = member.written
    cost = sum(
        COSTS.get(item.value.function, 1) for item in nest.items if isinstance(item.value, Map) and item.address is None
    )
    least = 4 * sum(map(_bytes, {item.address.base for item in nest.items if item.address}))
    return value if isinstance(value, Map) and cost <= CHEAP and _bytes(value) >= max(large, least) else None


def _reads_in_slices(group: list[Member], value: Value, length: int) -> bool:
    return group[0].length == length and all(
        member.keeps_to_slices({value}, length) and value not in member.written for member in group
    )


def _needed(group: Iterable[Member]) -> set[Value]:
    """What steps read and do not make themselves before."""
    made: set[Value] = set()
    needed: set[Value] = set()
    for member in group:
        needed |= member.read - made
        made |= member.written
    return needed


def _room(group: list[Member]) -> int:
    """About how many bytes belong to one index of the leading axis."""
    addresses = [address for member in group for address, _ in member.addresses]
    return sum(map(_bytes, {address.base for address in addresses if address.strides[0]})) // group[0].length


def _is_worth_it(group: list[Member], shared: set[Value], machine: Machine) -> bool:
    """Whether a slice of a group fits the second cache, and something that does not lies between its steps."""
    if len(group) < 2 or _room(group) * _grain(group, machine) > 2 * machine.second_cache:
        return False
    read = {value for member in group for value in member.read}
    if any(sum(value in member.read for member in group) > 1 for value in shared):
        return True
    return any(_bytes(value) >= machine.second_cache for member in group for value in member.written & read)


def _grain(group: list[Member], machine: Machine) -> int:
    """What the indices where a block begins must be a multiple of: whole tiles of rows."""
    specs = [in_slices(member.matrices, 1, machine) for member in group if member.matrices and not member.adds]
    return lcm(*(plan(spec, machine).grain for spec in specs))


def _slices(group: list[Member], elsewhere: set[Value], machine: Machine) -> Slices:
    """A group as one step, without what nobody reads any more; `elsewhere` is what is needed outside of it."""
    needed = elsewhere.union(*(member.read for member in group))
    members = [member for member in group if member.written & needed]
    kept = elsewhere.union(*(member.written for member in members if member.adds))
    local = {value for member in members for value in member.written if not isinstance(value, Assemble)} - kept
    grain = _grain(members, machine)
    block = max(1, machine.second_cache // 2 // max(_room(members), 1) // grain) * grain
    return Slices(members[0].length, min(block, members[0].length), grain, members, in_order(local))
