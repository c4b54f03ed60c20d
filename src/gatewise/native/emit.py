"""From nests of loops to LLVM instructions, explicitly vectorised.

The innermost loop goes forward by a vector of entries at a time; what is left over is one more vector under a mask.
Sums are kept in several vectors at once and folded from time to time into a total that is kept with more digits, so
that their error stays below that of NumPy's pairwise sums. What does not change in the innermost loop is computed
outside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from llvmlite import ir
from llvmlite.ir.instructions import CallInstr

from gatewise.native import arithmetic
from gatewise.native.arithmetic import literal, memory_type, scalar_type, splat, widened
from gatewise.native.mathematics import is_long
from gatewise.native.nest import Address, Item, Nest, Write, strides_of
from gatewise.native.values import Accumulate, Constant, Map, Value
from gatewise.native.vectors import integers, lanes_of, splatted, undefined, vector_of, whole, zeros

I1, I8, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 32, 64))
POINTER = ir.PointerType()

#: Entries after which running sums are folded into the total.
BLOCK = 4096

#: Parts of a single loop begin at multiples of so many entries.
GRAIN = 64

#: Sums of expressions of up to so many items are kept in this many vectors at once.
UNROLLED, SMALL_BODY = 4, 24

#: So many results of straight code are kept in registers until all of them are there.
MANY_RESULTS = 16

#: A function like `exp` counts as so many items, and is called where it is needed at more places than these in a row.
LONG_FUNCTION, PLACES = 24, 8

#: An innermost axis of up to so many full vectors is written out, if that makes no more than so many instructions.
CHUNKED, WRITTEN_OUT = 4, 320

_NEUTRAL = {"sum": 0, "prod": 1, "any": 0, "all": 1}


@contextmanager
def counted(builder: ir.IRBuilder, start: Any, stop: Any, step: int = 1) -> Any:
    """A loop over ``range(start, stop, step)``; yields the index. The builder goes on after it."""
    before = builder.block
    head = builder.append_basic_block("head")
    body = builder.append_basic_block("body")
    after = builder.append_basic_block("after")
    builder.branch(head)
    builder.position_at_end(head)
    index = builder.phi(I64)
    index.add_incoming(start, before)
    builder.cbranch(builder.icmp_signed("<", index, stop), body, after)
    builder.position_at_end(body)
    yield index
    index.add_incoming(builder.add(index, whole(step)), builder.block)
    builder.branch(head)
    builder.position_at_end(after)


@contextmanager
def when(builder: ir.IRBuilder, condition: Any) -> Any:
    """Instructions that are only run under a condition."""
    body = builder.append_basic_block("when")
    after = builder.append_basic_block("after")
    builder.cbranch(condition, body, after)
    builder.position_at_end(body)
    yield
    builder.branch(after)
    builder.position_at_end(after)


@dataclass(eq=False)
class Running:
    """The registers of a reduction: vectors, which fold into a total (and what rounding took from it)."""

    write: Write
    level: int  # the loop outside of which it begins
    vectors: list[Any]
    kept: bool  # a result for every entry of the innermost axis, which is written out chunk by chunk
    total: Any
    lost: Any


class NestEmitter:
    """Writes one nest into the current function."""

    def __init__(
        self,
        builder: ir.IRBuilder,
        nest: Nest,
        pointer: Callable[[Value, int], Any],
        vector_bytes: int,
        private: dict[Value, Any],
        grain: int = GRAIN,
    ) -> None:
        self.builder = builder
        self.grain = grain  # what every start and stop of the outermost loop is a multiple of, but for the very last
        self.nest = nest
        self.pointer = pointer
        self.private = private  # where this part of the work keeps results that all parts add to
        self.rank = len(nest.extents)
        self.indices: list[Any] = []
        self.numbers: dict[Item, Any] = {}
        self.totals: dict[Item, Any] = {}  # registers of what runs along the innermost axis
        inner = [item for item in nest.items if item.depth == self.rank]
        widest = max((item.value.dtype.itemsize for item in inner), default=8)
        self.lanes = 1
        if self.rank and not nest.sequential:
            while self.lanes * 2 <= min(vector_bytes // widest, nest.extents[-1]):
                self.lanes *= 2
        self.copies = 1
        self.chunks: list[tuple[int, int]] = []
        self.full = vector_bytes // widest

    def emit(self, start: Any, stop: Any) -> None:
        """The nest, with the outermost loop from `start` to `stop`."""
        self.bounds = (start, stop)
        self.running: list[Running] = []
        inner = [item for item in self.nest.items if item.depth == self.rank]
        self._cut_into_chunks(isinstance(start, ir.Constant) and isinstance(stop, ir.Constant), len(inner))
        sums = [w for w in self.nest.writes if w.function and w.reduced and self.rank - 1 in w.reduced]
        long = [function for item in self.nest.items if (function := _long_function(item.value))]
        self.called = {function for function, count in Counter(long).items() if count > PLACES}
        size = len(inner) + (LONG_FUNCTION - 1) * sum(bool(_long_function(item.value)) for item in inner)
        waiting = [w for w in sums if w.function not in ("any", "all")]  # these are done in a cycle, the next can begin
        if not self.chunks and waiting and size <= SMALL_BODY and self.nest.extents[-1] >= UNROLLED * self.lanes:
            self.copies = UNROLLED
        self._level(0)

    def _cut_into_chunks(self, known: bool, items: int) -> None:
        """Write a short innermost axis out, as vectors of as many entries as remain: 10 as 8 and 2."""
        length = self.nest.extents[-1] if self.rank else 0
        if self.nest.sequential or not 0 < length <= CHUNKED * self.full or not (known or self.rank > 1):
            return
        place, chunks = 0, []
        while place < length:
            lanes = self.full
            while lanes > length - place:
                lanes //= 2
            chunks.append((place, lanes))
            place += lanes
        if len(chunks) * items <= WRITTEN_OUT:
            self.chunks = chunks

    # -------------------------------------------------------------------------------------------------------- loops

    def _level(self, level: int) -> None:
        """What is computed outside of the loop `level`, the loop itself, and what is done after it."""
        if not self.rank and len(self.nest.writes) > MANY_RESULTS:
            self._straight()
            return
        self._compute([item for item in self.nest.items if item.depth == level], lanes=1, mask=None)
        begun = [self._begin(write, level) for write in self.nest.writes if self._starts_at(write) == level]
        self.running.extend(begun)
        if level == self.rank:
            if not self.rank:
                self._write_all(lanes=1, mask=None, copy=0)
        else:
            start, stop = self.bounds if level == 0 else (whole(0), whole(self.nest.extents[level]))
            if level == self.rank - 1:
                self._begin_totals()
                self._innermost(start, stop)
            else:
                with counted(self.builder, start, stop) as index:
                    self.indices.append(index)
                    self._level(level + 1)
                    self._write_outer(level + 1)
                    self.indices.pop()
        for running in begun:
            self._finish(running)
            self.running.remove(running)

    def _straight(self) -> None:
        """Very many numbers without a loop, each stored when it is there: those that wait would need registers."""
        self.running = []
        results: dict[Item, list[Write]] = {}
        for write in self.nest.writes:
            results.setdefault(write.item, []).append(write)
        for item in self.nest.items:
            self._compute([item], lanes=1, mask=None)
            for write in results.get(item, ()):
                self._write(write, lanes=1, mask=None, copy=0)

    def _write_outer(self, depth: int) -> None:
        """Plain stores that do not depend on inner loops belong to the innermost one all the same: nothing to do."""

    def _innermost(self, start: Any, stop: Any) -> None:
        builder = self.builder
        length = self.nest.extents[-1]
        if self.chunks:
            for copy, (place, lanes) in enumerate(self.chunks):
                self._body(whole(place), lanes, None, copy)
        elif any(running.lost is not None for running in self.running) and length > 2 * BLOCK:
            with counted(builder, start, stop, BLOCK) as first:
                last = builder.add(first, whole(BLOCK))
                last = builder.select(builder.icmp_signed("<", last, stop), last, stop)
                self._vectors(first, last)
                for running in self.running:
                    if running.lost is not None:
                        self._fold(running)
        else:
            self._vectors(start, stop)

    def _vectors(self, start: Any, stop: Any) -> None:
        """The innermost loop: several vectors at a time, single vectors, and what is left under a mask, if anything."""
        builder, lanes = self.builder, self.lanes
        known = isinstance(start, ir.Constant) and isinstance(stop, ir.Constant)
        # What is left over by steps of a size that divides all starts is the same wherever anything is left.
        length = stop.constant - start.constant if known else self.nest.extents[-1]
        step = lanes * self.copies
        told = known or self.grain % step == 0
        for copies in (self.copies, 1) if self.copies > 1 else (1,):
            size = lanes * copies
            if known:
                end = whole(stop.constant - length % size)
            else:
                end = builder.add(start, builder.and_(builder.sub(stop, start), whole(-size)))
            if not told or length >= size:
                with counted(builder, start, end, size) as index:
                    for copy in range(copies):
                        self._body(builder.add(index, whole(copy * lanes)) if copy else index, lanes, None, copy)
            start, length = end, length % size if told else length
            if told and not length:
                return
        if lanes == 1:
            return
        if known:
            self._body(start, lanes, self._first(length), 0)
            return
        with when(builder, builder.icmp_signed("<", start, stop)):
            if told:
                mask = self._first(length)
            else:
                left = splat(builder, builder.sub(stop, start), lanes)
                mask = builder.icmp_signed("<", integers(I64, range(lanes)), left)
            self._body(start, lanes, mask, 0)

    def _first(self, count: int) -> ir.Constant:
        """The mask of so many lanes."""
        return integers(I1, [int(lane < count) for lane in range(self.lanes)])

    def _body(self, index: Any, lanes: int, mask: Any, copy: int) -> None:
        self.indices.append(index)
        self._compute([item for item in self.nest.items if item.depth == self.rank], lanes, mask)
        self._write_all(lanes, mask, copy)
        self.indices.pop()

    # -------------------------------------------------------------------------------------------------------- items

    def _compute(self, items: list[Item], lanes: int, mask: Any) -> None:
        for item in items:
            self.numbers[item] = self._number(item, lanes, mask)

    def _number(self, item: Item, lanes: int, mask: Any) -> Any:
        value = item.value
        if item.address is not None:
            return self._load(item.address, value.dtype, lanes, mask)
        if item.iota is not None:
            axis, step, start = item.iota
            if axis < 0:
                return literal(start, value.dtype, lanes)
            index = self._lane_indices(axis, lanes)
            scaled = self.builder.mul(index, literal(step, value.dtype, _lanes_of(index))) if step != 1 else index
            return self.builder.add(scaled, literal(start, value.dtype, _lanes_of(index))) if start else scaled
        if isinstance(value, Constant):
            return literal(value.array.reshape(())[()], value.dtype, lanes)
        operands = [self._operand(operand, lanes) for operand in item.operands]
        if item.along is not None:
            if item.along == self.rank - 1:
                return self._along_lanes(item, operands, lanes)
            return self._after_row(item, operands, lanes, mask)
        assert isinstance(value, Map)
        number = arithmetic.emit(
            self.builder, value.function, value.dtype, tuple(o.value.dtype for o in item.operands), *operands
        )
        if value.function in self.called and isinstance(number, CallInstr):
            number.attributes.add("noinline")
        return number

    # ------------------------------------------------------------------------------------------------ running totals

    def _begin_totals(self) -> None:
        """What comes before the first entry of running totals along the innermost axis."""
        for item in self.nest.items:
            if item.along == self.rank - 1 and item.address is None:
                if item not in self.totals:
                    self.totals[item] = self._register(scalar_type(item.value.dtype))
                self.builder.store(_before_first(item.value), self.totals[item])

    def _along_lanes(self, item: Item, operands: list[Any], lanes: int) -> Any:
        """Running totals from lane to lane: sums by halving, what depends on the order one lane after the other."""
        builder, value, register = self.builder, item.value, self.totals[item]
        assert isinstance(value, Accumulate)
        dtype, kind = value.dtype, scalar_type(value.dtype)
        total = builder.load(register, typ=kind)
        if value.function == "linear":
            operands[1] = self._factor(item, operands[1], lanes)
        if lanes == 1:
            total = _continued(builder, value, total, *operands)
            builder.store(total, register)
            return total
        if value.function == "sum" and dtype != np.float16:  # of which every sum is rounded, so the order tells
            sums, step = operands[0], 1
            nothing = splatted(_before_first(value), lanes)
            while step < lanes:
                places = [lanes + i - step if i >= step else i for i in range(lanes)]
                behind = builder.shuffle_vector(nothing, sums, lanes_of(places))
                sums = combined(builder, "sum", dtype, sums, behind)
                step *= 2
            last = builder.extract_element(sums, ir.Constant(I32, lanes - 1))
            builder.store(combined(builder, "sum", dtype, total, last), register)
            return combined(builder, "sum", dtype, splat(builder, total, lanes), sums)
        made: Any = undefined(widened(kind, lanes))
        for lane in range(lanes):
            place = ir.Constant(I32, lane)
            total = _continued(builder, value, total, *[builder.extract_element(x, place) for x in operands])
            made = builder.insert_element(made, total, place)
        builder.store(total, register)
        return made

    def _after_row(self, item: Item, operands: list[Any], lanes: int, mask: Any) -> Any:
        """Running totals from row to row: what came before is read where it was stored."""
        builder, value, axis = self.builder, item.value, item.along
        assert isinstance(value, Accumulate)
        assert axis is not None
        here = self.indices[axis]
        first = builder.icmp_signed("==", here, whole(0))
        self.indices[axis] = builder.select(first, whole(0), builder.sub(here, whole(1)))
        address = next(write.address for write in self.nest.writes if write.root is value)
        before = self._load(address, value.dtype, lanes, mask)
        self.indices[axis] = here
        before = builder.select(first, splat(builder, _before_first(value), lanes), before)
        if value.function == "linear":
            operands[1] = self._factor(item, operands[1], lanes)
        return _continued(builder, value, before, *operands)

    def _factor(self, item: Item, factor: Any, lanes: int) -> Any:
        """The factors of a recurrence, with 0 for the first, so that it takes nothing from what is before it."""
        builder, axis = self.builder, item.along
        assert axis is not None
        index = self._lane_indices(axis, lanes)
        first = builder.icmp_signed("==", index, zeros(index.type))
        return builder.select(first, zeros(factor.type), factor)

    def _operand(self, item: Item, lanes: int) -> Any:
        number = self.numbers[item]
        return splat(self.builder, number, lanes) if _lanes_of(number) < lanes else number

    def _lane_indices(self, axis: int, lanes: int) -> Any:
        """The index along an axis, in every lane."""
        index = self.indices[axis]
        if axis < self.rank - 1 or lanes == 1:
            return index
        counting = integers(I64, range(lanes))
        return self.builder.add(splat(self.builder, index, lanes), counting)

    # ----------------------------------------------------------------------------------------------------- addresses

    def _entry(self, address: Address, lanes: int) -> tuple[Any, Any, int]:
        """Pointer to the base, index of the first entry or of every lane's, and the step from lane to lane."""
        builder = self.builder
        index: Any = None
        inner = address.strides[-1] if self.rank and len(self.indices) == self.rank else 0
        for axis, stride in enumerate(address.strides[: len(self.indices)]):
            if stride:
                part = self.indices[axis] if stride == 1 else builder.mul(self.indices[axis], whole(stride))
                index = part if index is None else builder.add(index, part)
        index = whole(0) if index is None else index
        varying = None
        for item, stride in address.dynamic:
            number = self.numbers[item]
            if _lanes_of(number) > 1:
                scaled = builder.mul(number, splat(builder, whole(stride), lanes))
                varying = scaled if varying is None else builder.add(varying, scaled)
            else:
                index = builder.add(index, builder.mul(number, whole(stride)))
        if varying is not None:
            index = builder.add(splat(builder, index, lanes), varying)
            if inner:
                index = builder.add(index, integers(I64, [lane * inner for lane in range(lanes)]))
        return self._base(address.base, address.offset), index, inner

    def _base(self, value: Value, offset: int = 0) -> Any:
        """Where entry `offset` of a value lies."""
        return self.private.get(value) or self.pointer(value, offset)

    def _load(self, address: Address, dtype: np.dtype[Any], lanes: int, mask: Any) -> Any:
        builder = self.builder
        base, index, inner = self._entry(address, lanes)
        element = memory_type(dtype)
        if _lanes_of(index) > 1:
            number = self._gather(base, index, element, lanes, mask)
        elif inner == 0 or lanes == 1:
            place = builder.gep(base, [index], source_etype=element)
            number = builder.load(place, typ=element, align=dtype.itemsize)
        elif inner == 1:
            place = builder.gep(base, [index], source_etype=element)
            vector = widened(element, lanes)
            if mask is None:
                number = builder.load(place, typ=vector, align=dtype.itemsize)
            else:
                number = self._masked("load", vector, dtype.itemsize, place, mask)
        elif inner == -1 and mask is None:
            last = builder.sub(index, whole(lanes - 1))
            place = builder.gep(base, [last], source_etype=element)
            vector = widened(element, lanes)
            forward = builder.load(place, typ=vector, align=dtype.itemsize)
            turned = lanes_of(range(lanes - 1, -1, -1))
            number = builder.shuffle_vector(forward, undefined(vector), turned)
        else:
            steps = integers(I64, [lane * inner for lane in range(lanes)])
            number = self._gather(base, builder.add(splat(builder, index, lanes), steps), element, lanes, mask)
        if dtype.kind == "b":
            number = builder.icmp_unsigned("!=", number, zeros(number.type))
        return number

    def _gather(self, base: Any, index: Any, element: Any, lanes: int, mask: Any) -> Any:
        builder = self.builder
        pointers = vector_of(POINTER, lanes)
        places = _vector_gep(builder, base, index, element, pointers)
        vector = vector_of(element, lanes)
        bits = vector_of(I1, lanes)
        mask = mask if mask is not None else splatted(ir.Constant(I1, 1), lanes)
        name = f"llvm.masked.gather.v{lanes}{_suffix(element)}.v{lanes}p0"
        function = _declared(builder.module, name, ir.FunctionType(vector, [pointers, I32, bits, vector]))
        return builder.call(function, [places, ir.Constant(I32, _bytes(element)), mask, zeros(vector)])

    def _masked(self, action: str, vector: Any, align: int, place: Any, mask: Any, value: Any = None) -> Any:
        builder = self.builder
        bits = vector_of(I1, vector.count)
        name = f"llvm.masked.{action}.v{vector.count}{_suffix(vector.element)}.p0"
        if action == "load":
            function = _declared(builder.module, name, ir.FunctionType(vector, [POINTER, I32, bits, vector]))
            return builder.call(function, [place, ir.Constant(I32, align), mask, zeros(vector)])
        function = _declared(builder.module, name, ir.FunctionType(ir.VoidType(), [vector, POINTER, I32, bits]))
        return builder.call(function, [value, place, ir.Constant(I32, align), mask])

    def _store(self, address: Address, number: Any, dtype: np.dtype[Any], lanes: int, mask: Any) -> None:
        builder = self.builder
        if dtype.kind == "b":
            number = builder.zext(number, widened(I8, _lanes_of(number)))
        base, index, inner = self._entry(address, lanes)
        element = memory_type(dtype)
        if lanes == 1:
            builder.store(number, builder.gep(base, [index], source_etype=element), align=dtype.itemsize)
            return
        number = splat(builder, number, lanes) if _lanes_of(number) < lanes else number
        if inner == 1 and _lanes_of(index) == 1:
            place = builder.gep(base, [index], source_etype=element)
            if mask is None:
                builder.store(number, place, align=dtype.itemsize)
            else:
                self._masked("store", number.type, dtype.itemsize, place, mask, number)
            return
        if _lanes_of(index) == 1:
            steps = integers(I64, [lane * inner for lane in range(lanes)])
            index = builder.add(splat(builder, index, lanes), steps)
        pointers = vector_of(POINTER, lanes)
        places = _vector_gep(builder, base, index, element, pointers)
        bits = vector_of(I1, lanes)
        mask = mask if mask is not None else splatted(ir.Constant(I1, 1), lanes)
        name = f"llvm.masked.scatter.v{lanes}{_suffix(element)}.v{lanes}p0"
        function = _declared(builder.module, name, ir.FunctionType(ir.VoidType(), [number.type, pointers, I32, bits]))
        builder.call(function, [number, places, ir.Constant(I32, dtype.itemsize), mask])

    # -------------------------------------------------------------------------------------------------------- writes

    def _starts_at(self, write: Write) -> int:
        """The level outside of which a reduction's registers begin; -1 for what needs none."""
        if not write.function or not write.reduced:
            return -1
        innermost = self.rank - 1 if self._keeps_innermost(write) else self.rank
        level = innermost
        while level and level - 1 in write.reduced:
            level -= 1
        return level if level < innermost else -1

    def _keeps_innermost(self, write: Write) -> bool:
        """Whether there is a result for every entry of an innermost axis that is written out."""
        return bool(self.chunks) and self.rank - 1 not in write.reduced

    def folds_into_memory(self, write: Write) -> bool:
        """Whether entries of the result are read and written again and again, so that they must be neutral at first."""
        if not write.function or not write.reduced:
            return False
        level = self._starts_at(write)
        return level != 0 and (level < 0 or any(axis < level for axis in write.reduced))

    def fill(self, write: Write, start: Any = None, stop: Any = None) -> None:
        """Neutral entries for a reduction that is folded into memory: all, or those from `start` up to `stop`."""
        dtype = write.root.dtype
        base, element = self._base(write.root), memory_type(dtype)
        neutral = neutral_of(str(write.function), dtype)
        if dtype.kind == "b":
            neutral = ir.Constant(I8, neutral.constant)
        start, stop = (whole(0), whole(write.root.size)) if start is None else (start, stop)
        with counted(self.builder, start, stop) as index:
            self.builder.store(neutral, self.builder.gep(base, [index], source_etype=element), align=dtype.itemsize)

    def _begin(self, write: Write, level: int) -> Running:
        dtype, function = write.root.dtype, str(write.function)
        neutral = neutral_of(function, dtype)
        vectors = []
        for lanes in self._widths():
            register = self._register(widened(scalar_type(dtype), lanes))
            self.builder.store(splat(self.builder, neutral, lanes), register)
            vectors.append(register)
        if self._keeps_innermost(write):
            return Running(write, level, vectors, kept=True, total=None, lost=None)
        exact = function == "sum" and dtype.kind == "f"
        kind = ir.DoubleType() if exact else scalar_type(dtype)
        total = self._register(kind)
        self.builder.store(ir.Constant(kind, 0.0) if exact else neutral, total)
        lost = None
        if exact:
            lost = self._register(kind)
            self.builder.store(ir.Constant(kind, 0.0), lost)
        return Running(write, level, vectors, kept=False, total=total, lost=lost)

    def _widths(self) -> list[int]:
        """The lanes of each of the vectors in which a reduction is kept."""
        return [lanes for _, lanes in self.chunks] or [self.lanes] * self.copies

    def _register(self, kind: Any) -> Any:
        """A variable of the function; LLVM keeps it in a register."""
        with self.builder.goto_entry_block():
            return self.builder.alloca(kind)

    def _write_all(self, lanes: int, mask: Any, copy: int) -> None:
        for write in self.nest.writes:
            self._write(write, lanes, mask, copy)

    def _write(self, write: Write, lanes: int, mask: Any, copy: int) -> None:
        running = next((r for r in self.running if r.write is write), None)
        number = self._operand(write.item, lanes)
        dtype = write.root.dtype
        if running is not None:
            if mask is not None:
                neutral = splat(self.builder, neutral_of(str(write.function), dtype), lanes)
                number = self.builder.select(mask, number, neutral)
            register = running.vectors[copy]
            old = self.builder.load(register, typ=number.type)
            self.builder.store(combined(self.builder, str(write.function), dtype, old, number), register)
        elif write.function and (write.reduced or self.nest.sequential):
            old = self._load(write.address, dtype, lanes, mask)
            old = splat(self.builder, old, lanes) if _lanes_of(old) < lanes else old
            number = combined(self.builder, write.function, dtype, old, number)
            self._store(write.address, number, dtype, lanes, mask)
        else:
            self._store(write.address, number, dtype, lanes, mask)

    def _fold(self, running: Running) -> None:
        """Fold the vectors of a reduction into its total and begin them afresh."""
        builder, write = self.builder, running.write
        function, dtype = str(write.function), write.root.dtype
        neutral = neutral_of(function, dtype)
        number: Any = None
        by_width: dict[int, Any] = {}
        for register, lanes in zip(running.vectors, self._widths(), strict=True):
            loaded = builder.load(register, typ=widened(scalar_type(dtype), lanes))
            builder.store(splat(builder, neutral, lanes), register)
            known = by_width.get(lanes)
            by_width[lanes] = loaded if known is None else combined(builder, function, dtype, known, loaded)
        for lanes, vector in by_width.items():
            part = horizontal(builder, function, dtype, vector, lanes)
            number = part if number is None else combined(builder, function, dtype, number, part)
        total = builder.load(running.total, typ=running.total.allocated_type)
        if running.lost is None:
            builder.store(combined(builder, function, dtype, total, number), running.total)
            return
        number = builder.fpext(number, ir.DoubleType()) if dtype.itemsize == 4 else number
        # Knuth's two-sum: what rounding takes from the total is collected on the side.
        new = builder.fadd(total, number)
        part = builder.fsub(new, total)
        error = builder.fadd(builder.fsub(total, builder.fsub(new, part)), builder.fsub(number, part))
        lost = builder.load(running.lost, typ=ir.DoubleType())
        builder.store(builder.fadd(lost, error), running.lost)
        builder.store(new, running.total)

    def _finish_kept(self, running: Running) -> None:
        """Store the results of an innermost axis that is written out."""
        builder, write = self.builder, running.write
        dtype, outer = write.root.dtype, self.indices
        adding = any(axis < running.level for axis in write.reduced)
        for register, (place, lanes) in zip(running.vectors, self.chunks, strict=True):
            self.indices = [*outer, *[whole(0)] * (self.rank - 1 - len(outer)), whole(place)]
            number = builder.load(register, typ=widened(scalar_type(dtype), lanes))
            if adding:
                old = self._load(write.address, dtype, lanes, None)
                number = combined(builder, str(write.function), dtype, old, number)
            self._store(write.address, number, dtype, lanes, None)
        self.indices = outer

    def _finish(self, running: Running) -> None:
        if running.kept:
            self._finish_kept(running)
            return
        self._fold(running)
        builder, write = self.builder, running.write
        dtype = write.root.dtype
        number = builder.load(running.total, typ=running.total.allocated_type)
        if running.lost is not None:
            lost = builder.load(running.lost, typ=ir.DoubleType())
            # Where the total is infinite or NaN, so is what rounding took from it: then the total stands as it is.
            finite = builder.fcmp_ordered("==", builder.fsub(lost, lost), ir.Constant(ir.DoubleType(), 0.0))
            number = builder.select(finite, builder.fadd(number, lost), number)
            number = builder.fptrunc(number, ir.FloatType()) if dtype.itemsize == 4 else number
        if any(axis < running.level for axis in write.reduced):
            old = self._load(write.address, dtype, 1, None)
            number = combined(builder, str(write.function), dtype, old, number)
        self._store(write.address, number, dtype, 1, None)


def _long_function(value: Value) -> str:
    """The function of a map if it is some tens of instructions, else nothing."""
    return value.function if isinstance(value, Map) and is_long(value.function) else ""


def _before_first(value: Any) -> ir.Constant:
    """What running totals begin with, so that the first is what comes in, a negative zero too."""
    dtype = value.dtype
    return literal(1 if value.function == "prod" else -0.0 if dtype.kind == "f" else 0, dtype)


def _continued(builder: ir.IRBuilder, value: Accumulate, before: Any, x: Any, factor: Any = None) -> Any:
    """The next of running totals."""
    if factor is None:
        return combined(builder, value.function, value.dtype, before, x)
    return combined(builder, "sum", value.dtype, x, combined(builder, "prod", value.dtype, factor, before))


def neutral_of(function: str, dtype: np.dtype[Any]) -> ir.Constant:
    """What a reduction of nothing is."""
    if function in _NEUTRAL:
        return literal(_NEUTRAL[function], dtype)
    if dtype.kind == "f":
        return literal(-np.inf if function == "max" else np.inf, dtype)
    if dtype.kind == "b":
        return literal(function == "min", dtype)
    limits = np.iinfo(dtype)
    return literal(limits.min if function == "max" else limits.max, dtype)


def combined(builder: ir.IRBuilder, function: str, dtype: np.dtype[Any], x: Any, y: Any) -> Any:
    """Two parts of a reduction as one."""
    names = {
        "sum": "add",
        "prod": "multiply",
        "max": "maximum",
        "min": "minimum",
        "any": "logical_or",
        "all": "logical_and",
    }
    name = names[function]
    if dtype.kind == "b":
        name = {"maximum": "logical_or", "minimum": "logical_and"}.get(name, name)
    if dtype.kind == "f" and function in ("max", "min"):
        # NaN wins, whichever side it is on.
        first = builder.fcmp_ordered(">=" if function == "max" else "<=", x, y)
        nan = builder.fcmp_unordered("uno", x, x)
        return builder.select(builder.or_(first, nan), x, y)
    return arithmetic.emit(builder, name, dtype, (dtype, dtype), x, y)


def horizontal(builder: ir.IRBuilder, function: str, dtype: np.dtype[Any], vector: Any, lanes: int) -> Any:
    """All lanes of a vector as one number, in a fixed order."""
    if dtype.kind == "b":
        name = f"llvm.vector.reduce.{'or' if function in ('any', 'max') else 'and'}.v{lanes}i1"
        reduce = None if lanes == 1 else _declared(builder.module, name, ir.FunctionType(I1, [vector.type]))
        return vector if reduce is None else builder.call(reduce, [vector])
    while lanes > 1:
        half = lanes // 2
        nothing = undefined(vector.type)
        low = lanes_of(range(half))
        high = lanes_of(range(half, lanes))
        one, two = builder.shuffle_vector(vector, nothing, low), builder.shuffle_vector(vector, nothing, high)
        if half == 1:
            zero = ir.Constant(I32, 0)
            one, two = builder.extract_element(one, zero), builder.extract_element(two, zero)
        vector = combined(builder, function, dtype, one, two)
        lanes = half
    return vector


def _lanes_of(number: Any) -> int:
    return number.type.count if isinstance(number.type, ir.VectorType) else 1


def _suffix(element: Any) -> str:
    if isinstance(element, ir.IntType):
        return f"i{element.width}"
    return str(element.intrinsic_name)


def _bytes(element: Any) -> int:
    if isinstance(element, ir.IntType):
        return int(element.width) // 8
    return {"half": 2, "float": 4}.get(str(element), 8)


def _declared(module: ir.Module, name: str, kind: ir.FunctionType) -> Any:
    return module.globals.get(name) or ir.Function(module, kind, name)


def _vector_gep(builder: ir.IRBuilder, base: Any, index: Any, element: Any, pointers: Any) -> Any:
    """Pointers to the entries at a vector of indices."""
    place = builder.gep(base, [index], source_etype=element)
    place.type = pointers  # llvmlite takes the base's type; LLVM gives a vector for a vector index
    return place


__all__ = ["NestEmitter", "counted", "prod", "strides_of", "when", "whole"]
