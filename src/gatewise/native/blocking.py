"""How a matrix product is computed: tile, blocks and copies, chosen from sizes and strides by a count of cycles.

A product is first brought to few batch axes, and then considered both as it is and transposed. In an *outer* plan the
lanes of a vector lie along the columns of B: each entry of a column of A multiplies vectors of a row of B. In an
*inner* plan they lie along k, where both operands must be contiguous, and are added up at the end. `estimate` counts
what the cycles go to: multiplications, in lanes that may be unused, loads where they are the bottleneck, stores, and
copies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf, prod
from typing import Any, NamedTuple

import numpy as np

from gatewise.native.tile import SIZES, Machine

Strides = tuple[int, int]


@dataclass(frozen=True)
class ProductSpec:
    """C = A @ B, or C += A @ B, for m × k, k × n and m × n entries, once for each index of `batch`.

    Strides count entries: `a`, `b` and `c` are those of (row, column), `a_batch`, `b_batch` and `c_batch` those of the
    batch axes, 0 where an operand is shared. C must not overlap A or B. `threads` says how many callers will share the
    units; it shapes the tiles. `along` says what units are: "tiles", rows or columns of them, whichever suits; "rows"
    of C, where B may be copied before; or "depth", entries of k, whose products are added to C.

    >>> ProductSpec.of(np.zeros((5, 3)), np.zeros((4, 3)).T, np.zeros((5, 4)))
    ProductSpec(m=5, n=4, k=3, dtype='float64', a=(3, 1), b=(1, 3), c=(4, 1), batch=(), a_batch=(), b_batch=(),
        c_batch=(), accumulate=False, threads=1, along='tiles')
    """

    m: int
    n: int
    k: int
    dtype: str
    a: Strides
    b: Strides
    c: Strides
    batch: tuple[int, ...] = ()
    a_batch: tuple[int, ...] = ()
    b_batch: tuple[int, ...] = ()
    c_batch: tuple[int, ...] = ()
    accumulate: bool = False
    threads: int = 1
    along: str = "tiles"

    @classmethod
    def of(
        cls,
        a: np.ndarray[Any, Any],
        b: np.ndarray[Any, Any],
        c: np.ndarray[Any, Any],
        accumulate: bool = False,
        threads: int = 1,
    ) -> ProductSpec:
        """The specification of ``c = a @ b`` for arrays of at least two axes, whose batch axes broadcast."""
        batch = c.shape[:-2]

        def strides(array: np.ndarray[Any, Any]) -> tuple[int, ...]:
            whole = np.broadcast_to(array, batch + array.shape[-2:])
            return tuple(stride // array.itemsize for stride in whole.strides)

        (*a_batch, a0, a1), (*b_batch, b0, b1), (*c_batch, c0, c1) = strides(a), strides(b), strides(c)
        return cls(
            *(c.shape[-2], c.shape[-1], a.shape[-1], c.dtype.name),
            *((a0, a1), (b0, b1), (c0, c1)),
            *(batch, tuple(a_batch), tuple(b_batch), tuple(c_batch)),
            accumulate=accumulate,
            threads=threads,
        )

    @property
    def name(self) -> str:
        """What the function is called in its module: the fields, in words."""
        parts = [self.dtype, f"{self.m}x{self.k}x{self.n}"]
        parts += ["_".join(map(str, strides)) for strides in (self.a, self.b, self.c)]
        if self.batch:
            fields = (self.batch, self.a_batch, self.b_batch, self.c_batch)
            parts.append("batch." + ".".join("_".join(map(str, field)) for field in fields))
        parts.append("add" if self.accumulate else "set")
        return ".".join(["product", *parts, str(self.threads), *([self.along] if self.along != "tiles" else [])])


class Plan(NamedTuple):
    """How a product is computed: `spec` with batch axes merged and perhaps transposed, tile, blocks and copies."""

    spec: ProductSpec
    swapped: bool  # whether `spec` is that of the transposed product
    inner: bool  # inner products along k, else outer products
    rows: int  # rows of a tile
    width: int  # columns of a tile: a multiple of the lanes in outer products
    depth: int  # entries of k in a block
    block_rows: int  # tiles of rows that pass by each panel of B
    block_columns: int  # tiles of columns that are copied at a time
    copied: bool  # whether B is copied into panels
    by_rows: bool  # whether units are rows of tiles, else columns of tiles
    ahead: int  # how far on memory is asked for, in entries
    lanes: int

    @property
    def row_tiles(self) -> int:
        """Tiles one below the other, for one index of the batch."""
        return -(-self.spec.m // self.rows)

    @property
    def column_tiles(self) -> int:
        """Tiles side by side, for one index of the batch."""
        return -(-self.spec.n // self.width)

    @property
    def tiles(self) -> int:
        """Units for one index of the batch."""
        return self.row_tiles if self.by_rows else self.column_tiles

    @property
    def padded_depth(self) -> int:
        """Room for the depth of a panel, which is written by whole vectors."""
        return -(-self.depth // self.lanes) * self.lanes

    @property
    def panel(self) -> int:
        """Entries of the copy of the columns of a tile."""
        return self.width * self.padded_depth

    @property
    def before(self) -> bool:
        """Whether B is copied as a whole before the first call, for all of them."""
        return self.copied and self.spec.along == "rows" and self.by_rows

    @property
    def grain(self) -> int:
        """What the rows where a call begins are a multiple of, where units are rows."""
        return self.width if self.swapped else self.rows

    @property
    def panel_entries(self) -> int:
        """Entries of the copy of B. Where it is transposed for inner products, the last vectors run over its end."""
        spare = self.lanes * self.padded_depth if self.inner else 0
        if self.before:
            return -(-self.spec.k // self.depth) * self.column_tiles * self.panel + spare
        return min(self.block_columns, self.column_tiles) * self.panel + spare if self.copied else 0


#: So many sums keep the multipliers busy: tiles of fewer are not considered, unless there is no more to compute.
BUSY = 8

#: What is sure to stay in the first cache while something else passes through it, in bytes.
FIRST_CACHE = 24 << 10


@lru_cache(maxsize=4096)
def plan(spec: ProductSpec, machine: Machine) -> Plan:
    """The plan of least cost, by estimate."""
    straight = _normal(merged(spec))
    chosen: Plan | None = None
    least = inf
    for swapped, each in ((False, straight), (True, _normal(transposed(straight)))):
        for candidate in (*_outer_plans(each, swapped, machine), *_inner_plans(each, swapped, machine)):
            cost = estimate(candidate)
            if chosen is None or cost < least:
                chosen, least = candidate, cost
    assert chosen is not None  # there always is an outer plan
    return chosen


def _outer_plans(spec: ProductSpec, swapped: bool, machine: Machine) -> Iterator[Plan]:
    """Outer products, with every tile that fits the registers."""
    lanes, size = machine.lanes(spec.dtype), SIZES[spec.dtype]
    vectors = max(1, -(-spec.n // lanes))
    flat = spec.m <= 2 or spec.k <= 2  # bound by memory, which long runs suit best
    for width in (1, 2, 3, 4, 8, 16):
        if width > min(vectors, machine.registers // 2 if flat else 4):
            break
        most = max(1, min((machine.registers - width - 1) // width, 24))
        for rows in _heights(spec, most, -(-BUSY // width)):
            large = spec.k * spec.n * size > machine.second_cache
            for copied in (False, True) if spec.b[1] == 1 else (True,):
                depth = spec.k
                if large:
                    depth = _even(spec.k, 512)
                elif copied:
                    depth = _even(spec.k, 1024)
                far = large and not copied
                yield from _plans(spec, swapped, machine, False, rows, width * lanes, depth, copied, far)


def _inner_plans(spec: ProductSpec, swapped: bool, machine: Machine) -> Iterator[Plan]:
    """Inner products, for operands that are contiguous along k, B perhaps after a copy."""
    lanes, copied = machine.lanes(spec.dtype), spec.b[0] != 1
    if spec.a[1] != 1 or spec.k < 2 or (copied and spec.n >= 4 * lanes):
        return
    far = spec.m * spec.k * SIZES[spec.dtype] > machine.second_cache
    most = min(spec.n, lanes, machine.registers - 2)
    for width in range(1, most + 1):
        least = 1 if width == spec.n else -(-BUSY // width)
        for rows in _heights(spec, (machine.registers - 1) // (width + 1), least):
            for depth in {spec.k, _even(spec.k, 512)}:
                yield from _plans(spec, swapped, machine, True, rows, width, depth, copied, far)


def _heights(spec: ProductSpec, most: int, least: int) -> Iterator[int]:
    """Rows of tiles that are worth a look: of those that make equally many tiles the fewest, and at least `least`."""
    most, least = max(1, min(most, spec.m)), min(least, -(-spec.m // spec.threads))
    tiles = -1
    for rows in range(1, most + 1):
        if -(-spec.m // rows) != tiles and (rows >= least or rows == most):
            tiles = -(-spec.m // rows)
            yield rows


def _even(size: int, most: int) -> int:
    """The depth of blocks of at most `most` that are about equal: a multiple of 16, unless one block will do."""
    blocks = max(1, -(-size // most))
    return max(1, size) if blocks == 1 else -(-size // (16 * blocks)) * 16


def _plans(
    spec: ProductSpec,
    swapped: bool,
    machine: Machine,
    inner: bool,
    rows: int,
    width: int,
    depth: int,
    copied: bool,
    far: bool,
) -> Iterator[Plan]:
    """Plans of one tile; `far` is whether the operand that passes by comes from memory and is asked for ahead."""
    lanes, size = machine.lanes(spec.dtype), SIZES[spec.dtype]
    depth = max(1, depth)
    half = machine.second_cache // 2
    # Few columns at a time leave room for A in the second cache; where it does not fit, it passes by once for many.
    columns = half // 2 if spec.m * spec.k * size <= half else 8 * half
    ahead = 0
    if far:
        ahead = rows * spec.a[0] if inner else 2 * width
    if spec.along == "depth":
        ahead = 0 if copied else spec.k * spec.b[0]  # where the next slices lie
    first = Plan(
        spec=spec,
        swapped=swapped,
        inner=inner,
        rows=rows,
        width=width,
        depth=depth,
        block_rows=max(1, half // (2 if inner else 1) // (rows * depth * size)),
        block_columns=max(1, columns // (width * depth * size)),
        copied=copied,
        by_rows=True,
        ahead=ahead,
        lanes=lanes,
    )
    if spec.along != "rows":
        yield first
        if spec.threads > 1 and first.column_tiles > 1:
            yield first._replace(by_rows=False)
    elif swapped:
        yield first._replace(by_rows=False)
    else:
        yield first._replace(block_columns=first.column_tiles)


def estimate(plan: Plan) -> float:
    """Cycles of the slowest thread: of use only for comparison."""
    spec = plan.spec
    batch = prod(spec.batch)
    heights, widths = _pieces(spec.m, plan.rows), _pieces(spec.n, plan.width)
    tile = _inner_tile if plan.inner else _outer_tile
    work = 0.0
    for height, below in heights:
        for width, beside in widths:
            work += below * beside * batch * tile(plan, height, width)
    work *= 1 + 0.01 * (len(heights) * len(widths) - 1)  # each kind of tile is more code
    units = batch * plan.tiles
    if units:
        work *= -(-units // spec.threads) / units
    whole = batch / spec.threads if batch >= spec.threads else batch  # what every thread does by itself
    parted = batch / spec.threads
    lines = spec.k * SIZES[spec.dtype] / 64
    if plan.by_rows:
        return work + (_copying(plan) + spec.n * lines) * whole + spec.m * lines * parted
    return work + (_copying(plan) + spec.n * lines) * parted + spec.m * lines * whole


def _pieces(total: int, size: int) -> list[tuple[int, int]]:
    """How often each size of a tile occurs."""
    whole, rest = divmod(total, size)
    found = [(size, whole)] if whole else []
    return [*found, (rest, 1)] if rest else found


def _outer_tile(plan: Plan, height: int, width: int) -> float:
    spec, lanes = plan.spec, plan.lanes
    vectors = -(-width // lanes)
    near = spec.k * spec.n * SIZES[spec.dtype] <= FIRST_CACHE
    steps = spec.k * (max(height * vectors, height + vectors, 4 if near else vectors + 2) + 0.1 * (height + vectors))
    if not plan.copied and min(spec.k, plan.depth) * width * SIZES[spec.dtype] > FIRST_CACHE:
        steps += spec.k * vectors  # lines far apart, which nothing asks for ahead
    row, column = spec.c
    if column == 1 or width == 1:
        store = 2.0 * height * (vectors + 1)
    elif row == 1 and plan.rows <= lanes:
        store = 7.0 * lanes * vectors
    else:
        store = 3.0 * height * lanes * vectors
    return steps + store * -(-spec.k // plan.depth) + 12


def _inner_tile(plan: Plan, height: int, width: int) -> float:
    spec, lanes = plan.spec, plan.lanes
    steps = -(-spec.k // lanes) * float(max(height * width, height + width, 4))
    if max(width, height) * plan.depth * SIZES[spec.dtype] > FIRST_CACHE:
        steps += 0.9 * (height + width) * -(-spec.k // lanes)
    store = (1.0 if spec.c[1] == 1 or width == 1 else 3.0 * lanes) * height
    return steps + (height * (3 * width + lanes) + store + 16) * -(-spec.k // plan.depth)


def _copying(plan: Plan) -> float:
    """Cycles for the copy of B, once."""
    spec, lanes = plan.spec, plan.lanes
    if not plan.copied or plan.before:
        return 0.0
    count = spec.k * -(-spec.n // lanes)
    if plan.inner:
        return 7.0 * -(-spec.k // lanes) * (-(-spec.n // lanes) * lanes) if spec.b[1] == 1 else 2.5 * spec.k * spec.n
    if spec.b[1] == 1:
        return 2.5 * count
    return 7.0 * count if spec.b[0] == 1 else 2.5 * spec.k * spec.n


def _normal(spec: ProductSpec) -> ProductSpec:
    """The same product where the strides along axes of size one, which are never taken, read as contiguous."""
    (a0, a1), (b0, b1), (c0, c1) = spec.a, spec.b, spec.c
    if spec.k == 1 and spec.along != "depth":
        a1 = b0 = 1
    if spec.n == 1:
        b1 = c1 = 1
    if spec.m == 1:
        a0 = c0 = 1
    return replace(spec, a=(a0, a1), b=(b0, b1), c=(c0, c1))


def merged(spec: ProductSpec) -> ProductSpec:
    """The same product with as few batch axes as strides allow; some become rows or columns."""
    axes = zip(spec.batch, spec.a_batch, spec.b_batch, spec.c_batch, strict=True)
    kept: list[tuple[int, int, int, int]] = []
    for axis in axes:
        size = axis[0]
        if size == 1:
            continue
        if kept and all(outer == inner * size for outer, inner in zip(kept[-1][1:], axis[1:], strict=True)):
            kept[-1] = (kept[-1][0] * size, *axis[1:])
        else:
            kept.append(axis)
    m, n = spec.m, spec.n
    if kept and kept[-1][2] == 0 and kept[-1][1] == m * spec.a[0] and kept[-1][3] == m * spec.c[0]:
        m *= kept.pop()[0]
    elif kept and kept[-1][1] == 0 and kept[-1][2] == n * spec.b[1] and kept[-1][3] == n * spec.c[1]:
        n *= kept.pop()[0]
    columns = list(zip(*kept, strict=True)) if kept else [()] * 4
    return replace(spec, m=m, n=n, batch=columns[0], a_batch=columns[1], b_batch=columns[2], c_batch=columns[3])


def transposed(spec: ProductSpec) -> ProductSpec:
    """The product of the transposes in the other order, whose result is the transpose."""
    return replace(
        spec,
        m=spec.n,
        n=spec.m,
        a=spec.b[::-1],
        b=spec.a[::-1],
        c=spec.c[::-1],
        a_batch=spec.b_batch,
        b_batch=spec.a_batch,
    )
