"""Register tiles: the innermost loops of products and convolutions, as LLVM IR with explicit vectors.

`Code` writes loops, addresses and vector loads and stores; `outer_tile` and `dot_tile` sum a small block of results in
registers. Sizes and strides are Python integers wherever they are known, and then they leave no instruction behind.
What blocks are computed in which order is decided by the callers, `product` and `convolution`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from llvmlite import ir

from gatewise.native.machine import features, is_arm
from gatewise.native.vectors import integers, lanes_of, undefined, vector_of, whole, zeros

I1 = ir.IntType(1)
I64 = ir.IntType(64)
POINTER = ir.PointerType()

#: A number known when code is written, or one that the code computes.
Index = Any
#: A value of the program that is written.
Register = Any

ELEMENTS = {"float32": ir.FloatType(), "float64": ir.DoubleType()}
SIZES = {"float32": 4, "float64": 8}


@dataclass(frozen=True)
class Machine:
    """What code is chosen by: width and number of vector registers, the second cache in bytes, float16 conversions."""

    vector_bytes: int = 64
    registers: int = 32
    second_cache: int = 1 << 20
    has_halves: bool = True  # without them LLVM would call functions that no library has to have

    @classmethod
    @lru_cache(maxsize=1)
    def host(cls) -> Machine:
        """The processor this runs on, as LLVM tells its features."""
        if is_arm():
            return cls(vector_bytes=16, second_cache=256 << 10)
        known = features()
        if known.get("avx512f"):
            return cls()
        width = 32 if known.get("avx") else 16
        return cls(width, registers=16, second_cache=256 << 10, has_halves=known.get("f16c", False))

    def lanes(self, dtype: str) -> int:
        """Entries of a vector register."""
        return self.vector_bytes // SIZES[dtype]


class Loops:
    """Writes loops, and addresses of entries of type `element`, at the end of `builder`'s block."""

    def __init__(self, builder: ir.IRBuilder, element: Any):
        self.builder = builder
        self.element = element
        self.same: Any = None

    # ------------------------------------------------------------------------------------------------ integers

    def number(self, value: Index) -> Register:
        """`value` as an operand of an instruction."""
        return whole(value) if isinstance(value, int) else value

    def add(self, x: Index, y: Index) -> Index:
        """x + y."""
        if isinstance(x, int) and isinstance(y, int):
            return x + y
        if isinstance(x, int) and x == 0:
            return y
        return x if isinstance(y, int) and y == 0 else self.builder.add(self.number(x), self.number(y))

    def subtract(self, x: Index, y: Index) -> Index:
        """x - y."""
        if isinstance(y, int):
            return self.add(x, -y)
        return self.builder.sub(self.number(x), y)

    def multiply(self, x: Index, y: Index) -> Index:
        """x * y."""
        if isinstance(x, int) and isinstance(y, int):
            return x * y
        if isinstance(x, int):
            x, y = y, x
        if isinstance(y, int) and y in (0, 1):
            return x if y else 0
        return self.builder.mul(x, self.number(y))

    def divide(self, x: Index, y: int) -> Index:
        """x // y for x that are not negative."""
        if isinstance(x, int):
            return x // y
        return x if y == 1 else self.builder.udiv(x, self.number(y))

    def remainder(self, x: Index, y: int) -> Index:
        """x % y for x that are not negative."""
        if isinstance(x, int):
            return x % y
        return 0 if y == 1 else self.builder.urem(x, self.number(y))

    def minimum(self, x: Index, y: Index) -> Index:
        """The smaller one."""
        if isinstance(x, int) and isinstance(y, int):
            return min(x, y)
        x, y = self.number(x), self.number(y)
        return self.builder.select(self.builder.icmp_signed("<", x, y), x, y)

    def maximum(self, x: Index, y: Index) -> Index:
        """The larger one."""
        if isinstance(x, int) and isinstance(y, int):
            return max(x, y)
        x, y = self.number(x), self.number(y)
        return self.builder.select(self.builder.icmp_signed(">", x, y), x, y)

    # ------------------------------------------------------------------------------------------------ control

    def loop(
        self,
        begin: Index,
        end: Index,
        step: int,
        body: Callable[[Index, list[Register]], list[Register] | None],
        values: Sequence[Register] = (),
    ) -> list[Register]:
        """``for index in range(begin, end, step): values = body(index, values)``, and the values at the end."""
        known = isinstance(begin, int) and isinstance(end, int)
        if known and end <= begin:
            return list(values)
        if known and end <= begin + step:
            return list(body(begin, list(values)) or ())
        builder = self.builder
        before, inside, after = builder.block, builder.append_basic_block("loop"), builder.append_basic_block("after")
        begin, end = self.number(begin), self.number(end)
        if known:
            builder.branch(inside)
        else:
            builder.cbranch(builder.icmp_signed("<", begin, end), inside, after)
        builder.position_at_end(inside)
        index = builder.phi(I64)
        carried = [builder.phi(value.type) for value in values]
        results = list(body(index, carried) or ())
        following = builder.add(index, self.number(step))
        last = builder.block
        builder.cbranch(builder.icmp_signed("<", following, end), inside, after)
        for phi, first, again in zip([index, *carried], [begin, *values], [following, *results], strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(again, last)
        builder.position_at_end(after)
        if known:
            return results
        merged = [builder.phi(value.type) for value in values]
        for phi, first, again in zip(merged, values, results, strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(again, last)
        return merged

    def when(self, condition: Index, body: Callable[[], None]) -> None:
        """``if condition: body()``."""
        if isinstance(condition, int):
            if condition:
                body()
            return
        with self.builder.if_then(condition):
            body()

    def less(self, x: Index, y: Index) -> Index:
        """x < y."""
        if isinstance(x, int) and isinstance(y, int):
            return int(x < y)
        return self.builder.icmp_signed("<", self.number(x), self.number(y))

    def equal(self, x: Index, y: Index) -> Index:
        """x == y."""
        if isinstance(x, int) and isinstance(y, int):
            return int(x == y)
        return self.builder.icmp_signed("==", self.number(x), self.number(y))

    def both(self, x: Index, y: Index) -> Index:
        """Whether two conditions hold."""
        if isinstance(x, int):
            return y if x else 0
        if isinstance(y, int):
            return x if y else 0
        return self.builder.and_(x, y)

    def at(self, pointer: Register, offset: Index) -> Register:
        """The address `offset` entries further."""
        if isinstance(offset, int) and offset == 0:
            return pointer
        return self.builder.gep(pointer, [self.number(offset)], source_etype=self.element)

    def settled(self, pointer: Register) -> Register:
        """The same address, of which LLVM does not know how it was computed.

        Where loops are nested deep, its loop strength reduction looks for common parts of the addresses of all rows in
        all loops around them; that was half of what a product took to be made, and no call was quicker for it.
        """
        if self.same is None:
            self.same = ir.InlineAsm(ir.FunctionType(POINTER, [POINTER]), "", "=r,0")
        return self.builder.call(self.same, [pointer])

    def offsets(self, index: Index, sizes: Sequence[int], strides: Sequence[Sequence[int]]) -> list[Index]:
        """How far the entry that is number `index` of axes of these sizes is from the first, by each of the strides."""
        steps: list[Index] = [0] * len(strides)
        for axis in reversed(range(len(sizes))):
            place = self.remainder(index, sizes[axis]) if axis else index
            index = self.divide(index, sizes[axis])
            steps = [
                self.add(step, self.multiply(place, each[axis])) for step, each in zip(steps, strides, strict=True)
            ]
        return steps


class Code(Loops):
    """Writes loops over vectors of entries of a dtype."""

    def __init__(self, builder: ir.IRBuilder, dtype: str, machine: Machine):
        super().__init__(builder, ELEMENTS[dtype])
        self.dtype = dtype
        self.machine = machine
        self.size = SIZES[dtype]
        self.lanes = machine.lanes(dtype)
        self.vector = vector_of(self.element, self.lanes)
        self.zero = zeros(self.vector)
        self.poison = undefined(self.vector)

    # ------------------------------------------------------------------------------------------------ memory

    def load_entry(self, pointer: Register) -> Register:
        """One entry."""
        return self.builder.load(pointer, typ=self.element, align=self.size)

    def store_entry(self, value: Register, pointer: Register) -> None:
        """Write one entry."""
        self.builder.store(value, pointer, align=self.size)

    def spread(self, pointer: Register) -> Register:
        """A vector that holds one entry in every lane."""
        first = self.builder.insert_element(self.poison, self.load_entry(pointer), ir.Constant(ir.IntType(32), 0))
        return self.shuffle(first, self.poison, [0] * self.lanes)

    def load(self, pointer: Register, count: int | Register = -1) -> Register:
        """A vector of entries: all lanes, or the first `count` of them (a mask where it is a register), then zeros."""
        if isinstance(count, int) and count in (-1, self.lanes):
            return self.builder.load(pointer, typ=self.vector, align=self.size)
        kind = ir.FunctionType(self.vector, [POINTER, ir.IntType(32), vector_of(I1, self.lanes), self.vector])
        load = self._intrinsic("llvm.masked.load", kind, "p0")
        return self.builder.call(load, [pointer, ir.Constant(ir.IntType(32), self.size), self._mask(count), self.zero])

    def store(self, value: Register, pointer: Register, count: int | Register = -1) -> None:
        """Write all lanes, or the first `count` of them."""
        if isinstance(count, int) and count in (-1, self.lanes):
            self.builder.store(value, pointer, align=self.size)
            return
        kind = ir.FunctionType(ir.VoidType(), [self.vector, POINTER, ir.IntType(32), vector_of(I1, self.lanes)])
        store = self._intrinsic("llvm.masked.store", kind, "p0")
        self.builder.call(store, [value, pointer, ir.Constant(ir.IntType(32), self.size), self._mask(count)])

    def prefetch(self, pointer: Register) -> None:
        """Ask for the cache line at an address, which need not exist, to be brought into the second cache."""
        words = [ir.IntType(32)] * 3
        kind = ir.FunctionType(ir.VoidType(), [POINTER, *words])
        name = "llvm.prefetch.p0"
        found = self.builder.module.globals.get(name)
        fetch = found if found is not None else ir.Function(self.builder.module, kind, name)
        self.builder.call(
            fetch, [pointer, *(ir.Constant(kind, value) for kind, value in zip(words, (0, 2, 1), strict=True))]
        )

    def mask(self, count: Register) -> Register:
        """The mask of the first `count` lanes, for a count that the code computes."""
        nothing = undefined(vector_of(I64, self.lanes))
        start = self.builder.insert_element(nothing, count, ir.Constant(ir.IntType(32), 0))
        spread = self.builder.shuffle_vector(start, nothing, lanes_of([0] * self.lanes))
        return self.builder.icmp_signed("<", integers(I64, range(self.lanes)), spread)

    def _mask(self, count: int | Register) -> Register:
        if not isinstance(count, int):
            return count
        return integers(I1, [int(lane < count) for lane in range(self.lanes)])

    # ------------------------------------------------------------------------------------------------ vectors

    def fused(self, x: Register, y: Register, z: Register) -> Register:
        """x * y + z, in one instruction where there is one."""
        kind = ir.FunctionType(x.type, [x.type] * 3)
        return self.builder.call(self._intrinsic("llvm.fmuladd", kind), [x, y, z])

    def shuffle(self, x: Register, y: Register, lanes: Sequence[int]) -> Register:
        """The lanes that `lanes` names, those of `y` counted after those of `x`."""
        return self.builder.shuffle_vector(x, y, lanes_of(lanes))

    def transpose(self, rows: Sequence[Register]) -> list[Register]:
        """The columns of a square block of vectors: log2 perfect shuffles, in a loop.

        A loop, because LLVM takes a third of a millisecond for each shuffle that is written out.
        """
        half = self.lanes // 2
        low = [lane // 2 + lane % 2 * self.lanes for lane in range(self.lanes)]
        high = [lane + half for lane in low]

        def shuffled(_: Index, rows: list[Register]) -> list[Register]:
            pairs = [(rows[i], rows[i + half]) for i in range(half)]
            return [self.shuffle(x, y, lanes) for x, y in pairs for lanes in (low, high)]

        return self.loop(0, self.lanes.bit_length() - 1, 1, shuffled, rows)

    def sums(self, vectors: Sequence[Register]) -> Register:
        """A vector whose lane i is the sum over the lanes of `vectors[i]`; at most as many vectors as lanes."""
        level = list(vectors)
        even, odd = list(range(0, 2 * self.lanes, 2)), list(range(1, 2 * self.lanes, 2))
        for _ in range(self.lanes.bit_length() - 1):
            level += [self.poison] * (len(level) % 2)
            pairs = zip(level[::2], level[1::2], strict=True)
            level = [self.builder.fadd(self.shuffle(x, y, even), self.shuffle(x, y, odd)) for x, y in pairs]
        return level[0]

    def _intrinsic(self, name: str, kind: ir.FunctionType, suffix: str = "") -> ir.Function:
        scalar = "f32" if self.size == 4 else "f64"
        name = ".".join(filter(None, [name, f"v{self.lanes}{scalar}", suffix]))
        found = self.builder.module.globals.get(name)
        return found if found is not None else ir.Function(self.builder.module, kind, name)


@dataclass(frozen=True)
class Axis:
    """An axis that is summed over: its size, and how far one step leads in each operand."""

    size: Index
    a: int
    b: int


def multiply_add(
    code: Code,
    a: Register,
    b: Register,
    rows: Sequence[int],
    columns: Sequence[tuple[int, int]],
    sums: Sequence[Register],
) -> list[Register]:
    """`sums`, row by row, to which a[row] * b[column] is added, for vectors of columns."""
    vectors = [code.load(code.at(b, offset), count) for offset, count in columns]
    results: list[Register] = []
    for offset in rows:
        entry = code.spread(code.at(a, offset))
        results += [code.fused(entry, vector, sums[len(results) + j]) for j, vector in enumerate(vectors)]
    return results


def outer_tile(
    code: Code,
    a: Register,
    b: Register,
    rows: Sequence[int],
    columns: Sequence[tuple[int, int]],
    axes: Sequence[Axis],
    ahead: int = 0,
) -> list[list[Register]]:
    """Sums over `axes` of a[row] * b[column], as vectors along the columns.

    `rows` are offsets of entries of `a`, `columns` offsets of vectors of `b` with their numbers of lanes. Every entry
    of the result is summed in the order of the axes, in interleaved parts where the tile is too small to keep the
    multipliers busy. `ahead` asks for the entries of `b` that many places further on.
    """
    width = len(columns)
    unroll = _unrolling(len(rows) * width, axes[-1].size)
    chains = min(unroll, -(-8 // (len(rows) * width)))

    def step(a: Register, b: Register, sums: list[Register], chain: int) -> None:
        first, last = chain * len(rows) * width, (chain + 1) * len(rows) * width
        sums[first:last] = multiply_add(code, a, b, rows, columns, sums[first:last])
        if ahead:
            for offset, _ in columns:
                code.prefetch(code.at(b, offset + ahead))

    start = [code.zero] * (chains * len(rows) * width)
    sums = _nest(code, a, b, axes, unroll, chains, step, start)
    parts = [sums[i : i + len(rows) * width] for i in range(0, len(sums), len(rows) * width)]
    total = _added(code, parts)
    return [total[i * width : (i + 1) * width] for i in range(len(rows))]


def _unrolling(size: int, count: Index) -> int:
    """How many steps of the innermost loop are written out: about 24 multiplications, all of a short loop."""
    unroll = max(1, 24 // size)
    unroll = 1 << (unroll.bit_length() - 1)
    return max(1, min(unroll, count)) if isinstance(count, int) else unroll


def _nest(
    code: Code,
    a: Register,
    b: Register,
    axes: Sequence[Axis],
    unroll: int,
    chains: int,
    step: Callable[[Register, Register, list[Register], int], None],
    sums: list[Register],
) -> list[Register]:
    """The loops over `axes`, the last one unrolled, around `step`."""
    axis = axes[0]

    def steps(count: int) -> Callable[[Index, list[Register]], list[Register]]:
        def body(index: Index, sums: list[Register]) -> list[Register]:
            here, there = code.at(a, code.multiply(index, axis.a)), code.at(b, code.multiply(index, axis.b))
            if len(axes) > 1:
                return _nest(code, here, there, axes[1:], unroll, chains, step, sums)
            sums = list(sums)
            for i in range(count):
                step(code.at(here, i * axis.a), code.at(there, i * axis.b), sums, i % chains)
            return sums

        return body

    if len(axes) > 1:
        return code.loop(0, axis.size, 1, steps(1), sums)
    rest = code.remainder(axis.size, unroll)
    whole = code.subtract(axis.size, rest)
    sums = code.loop(0, whole, unroll, steps(unroll), sums)
    return code.loop(whole, axis.size, 1, steps(1), sums)


def _added(code: Code, parts: Sequence[list[Register]]) -> list[Register]:
    """The sum of the interleaved parts, first to last."""
    total = parts[0]
    for part in parts[1:]:
        total = [code.builder.fadd(x, y) for x, y in zip(total, part, strict=True)]
    return total


def dot_tile(
    code: Code, a: Register, b: Register, rows: Sequence[int], columns: Sequence[int], length: Index, ahead: int = 0
) -> list[Register]:
    """For each row a vector of its inner products, of `length` neighbouring entries of a[row] and b[column].

    At most as many columns as lanes. `ahead` asks for the entries of `a` that many places further on.
    """
    width, lanes = len(columns), code.lanes
    size = len(rows) * width
    vectors = code.divide(length, lanes)
    unroll = _unrolling(size, vectors)
    chains = max(1, min(unroll, -(-8 // size)))

    def step(a: Register, b: Register, sums: list[Register], chain: int, count: int | Register = -1) -> None:
        left = [code.load(code.at(a, offset), count) for offset in rows]
        if ahead:
            for offset in rows:
                code.prefetch(code.at(a, offset + ahead))
        for j, offset in enumerate(columns):
            right = code.load(code.at(b, offset), count)
            for i, vector in enumerate(left):
                place = chain * size + i * width + j
                sums[place] = code.fused(vector, right, sums[place])

    def rest(begin: Index, sums: list[Register]) -> list[Register]:
        left = code.subtract(length, begin)
        sums = list(sums)
        step(code.at(a, begin), code.at(b, begin), sums, 0, left if isinstance(left, int) else code.mask(left))
        return sums

    sums = [code.zero] * (chains * size)
    whole = code.multiply(vectors, lanes)
    if vectors != 0:
        sums = _nest(code, a, b, [Axis(vectors, lanes, lanes)], unroll, chains, step, sums)
    if not isinstance(length, int):
        sums = code.loop(whole, length, lanes, rest, sums)
    elif length % lanes:
        sums = rest(whole, sums)
    total = _added(code, [sums[i : i + size] for i in range(0, len(sums), size)])
    return [code.sums(total[i * width : (i + 1) * width]) for i in range(len(rows))]
