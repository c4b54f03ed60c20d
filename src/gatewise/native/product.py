"""Matrix products as LLVM IR, made for the one set of sizes and strides they will be called with.

`emit_product` adds a function to a module; the same specification gives the same function. Transposed operands are
strides and nothing else. How a product is computed, `blocking` chooses from the sizes: which operand lies along the
vector lanes, whether sums run down the lanes (outer products of a column and a row) or across them (inner products),
and whether B is first copied into panels that the innermost loop reads in order. Integers and booleans get the
loops of `plain`.

The work is divided into `units`, rows or columns of tiles, so that threads may share a product: a call computes the
units from `begin` up to `end`. How the units are shared does not change a bit of the result. A product that is made for
slices of its operands has rows of C as units, for which `emit_copies` copies B once for all calls, or entries of k.

The blocking follows K. Goto and R. van de Geijn, *Anatomy of high-performance matrix multiplication* (2008).
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from llvmlite import ir

from gatewise.native.blocking import Plan, ProductSpec, Strides, plan
from gatewise.native.plain import PlainWriter
from gatewise.native.tile import (
    ELEMENTS,
    I64,
    POINTER,
    SIZES,
    Axis,
    Code,
    Index,
    Loops,
    Machine,
    Register,
    dot_tile,
    outer_tile,
)
from gatewise.native.vectors import zeros


def units(spec: ProductSpec, machine: Machine | None = None) -> int:
    """Into how many parts the work can be divided: `begin` and `end` of a call lie between 0 and this number."""
    if spec.along != "tiles":
        return spec.m if spec.along == "rows" else spec.k
    if spec.dtype not in ELEMENTS:
        return prod(spec.batch) * spec.m
    chosen = plan(spec, machine or Machine.host())
    return prod(chosen.spec.batch) * chosen.tiles


def workspace_bytes(spec: ProductSpec, machine: Machine | None = None) -> int:
    """The room that each call needs for copies, aligned to a cache line."""
    if spec.dtype not in ELEMENTS:
        return 0
    chosen = plan(spec, machine or Machine.host())
    return chosen.panel_entries * SIZES[spec.dtype]


def emit_product(module: ir.Module, spec: ProductSpec, machine: Machine | None = None) -> ir.Function:
    """The function ``(a, b, c, workspace, begin, end)`` that computes units of a product.

    The pointers lead to the first entries; `workspace` leads to `workspace_bytes(spec)` bytes of the caller's, aligned
    to a cache line, one such room for each thread. C is written, never read unless the product accumulates.

    Raises:
        UnsupportedError: Native code has no arithmetic for the dtype.

    Example:
        >>> spec = ProductSpec(8, 4, 100, "float32", a=(100, 1), b=(1, 100), c=(4, 1))
        >>> emit_product(ir.Module(), spec).name
        'product.float32.8x100x4.100_1.1_100.4_1.set.1'
    """
    machine = machine or Machine.host()
    found = module.globals.get(spec.name)
    if found is not None:
        return found
    kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, POINTER, POINTER, I64, I64])
    function = ir.Function(module, kind, spec.name)
    function.attributes.add("nounwind")
    for argument, name in zip(function.args, ("a", "b", "c", "workspace", "begin", "end"), strict=True):
        argument.name = name
    for argument in function.args[:4]:
        argument.add_attribute("noalias")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    if spec.dtype in ELEMENTS:
        _Writer(builder, plan(spec, machine), machine).write(function)
    else:
        PlainWriter(builder, spec).write(function)
    builder.ret_void()
    return function


def emit_copies(module: ir.Module, spec: ProductSpec, machine: Machine | None = None) -> ir.Function | None:
    """The function ``(b, workspace)`` that copies B for all calls, where units are rows and B is copied."""
    machine = machine or Machine.host()
    chosen = plan(spec, machine) if spec.along == "rows" else None
    if not (chosen and chosen.before):
        return None
    name = f"{spec.name}.copies"
    found = module.globals.get(name)
    if found is not None:
        return found
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [POINTER, POINTER]), name)
    function.attributes.add("nounwind")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    _Writer(builder, chosen, machine).write_copies(*function.args)
    builder.ret_void()
    return function


class _Writer:
    """Writes the loops of one plan."""

    def __init__(self, builder: ir.IRBuilder, chosen: Plan, machine: Machine):
        self.plan = chosen
        self.spec = chosen.spec
        self.length: Index = chosen.spec.k
        self.code = Code(builder, chosen.spec.dtype, machine)
        self.stack: Register | None = None

    def write(self, function: ir.Function) -> None:
        """The loop over the indices of the batch, and in each the tiles between `begin` and `end`."""
        code, chosen, spec = self.code, self.plan, self.spec
        a, b, c, workspace, begin, end = function.args
        if chosen.swapped:
            a, b = b, a
        self.copy = workspace
        if self._turned():
            self.stack = code.builder.alloca(code.vector, code.lanes)
        elif self.spec.c[1] != 1 and chosen.width != 1:
            self.stack = code.builder.alloca(code.vector, chosen.rows * max(1, chosen.width // code.lanes))
        tiles, count = chosen.tiles, prod(spec.batch)
        if not (tiles and count):
            return
        if spec.along == "depth":
            a, b = code.at(a, code.multiply(begin, spec.a[1])), code.at(b, code.multiply(begin, spec.b[0]))
            self.length = code.subtract(end, begin)
            begin, end = 0, tiles
        elif spec.along == "rows":
            begin = code.divide(begin, chosen.grain)
            end = code.divide(code.add(end, chosen.grain - 1), chosen.grain)
        if count == 1:
            self._ranges(a, b, c, begin, end)
            return

        def each(index: Index, _: list[Register]) -> None:
            first = code.multiply(index, tiles)
            lower = code.maximum(0, code.subtract(begin, first))
            upper = code.minimum(tiles, code.subtract(end, first))
            steps = code.offsets(index, spec.batch, (spec.a_batch, spec.b_batch, spec.c_batch))
            x, y, z = (code.at(pointer, step) for pointer, step in zip((a, b, c), steps, strict=True))
            self._ranges(x, y, z, lower, upper)

        code.loop(code.divide(begin, tiles), code.divide(code.add(end, tiles - 1), tiles), 1, each)

    def write_copies(self, b: Register, workspace: Register) -> None:
        """All panels of B, one block of k after the other."""
        code, chosen = self.code, self.plan

        def in_depth(start: Index, _: list[Register]) -> None:
            depth = code.minimum(chosen.depth, code.subtract(self.length, start))
            self.copy = self._copied_from(workspace, start)
            self._copy(code.at(b, code.multiply(start, self.spec.b[0])), 0, chosen.column_tiles, depth)

        code.loop(0, self.length, chosen.depth, in_depth)

    def _copied_from(self, workspace: Register, start: Index) -> Register:
        """Where the panels of a block of k lie that was copied before. All blocks but the last are whole vectors."""
        return self.code.at(workspace, self.code.multiply(start, self.plan.column_tiles * self.plan.width))

    def _ranges(self, a: Register, b: Register, c: Register, begin: Index, end: Index) -> None:
        if self.plan.by_rows:
            self._blocks(a, b, c, (begin, end), (0, self.plan.column_tiles))
        else:
            self._blocks(a, b, c, (0, self.plan.row_tiles), (begin, end))

    def _blocks(
        self, a: Register, b: Register, c: Register, rows: tuple[Index, Index], columns: tuple[Index, Index]
    ) -> None:
        """Blocks of columns, of k and of rows, with copies made on the way."""
        code, chosen, spec, workspace = self.code, self.plan, self.spec, self.copy

        def in_columns(left: Index, _: list[Register]) -> None:
            right = code.minimum(code.add(left, chosen.block_columns), columns[1])
            length = max(self.length, 1) if isinstance(self.length, int) else self.length
            code.loop(0, length, chosen.depth, lambda start, _: in_depth(left, right, start))

        def in_depth(left: Index, right: Index, start: Index) -> None:
            depth = code.minimum(chosen.depth, code.subtract(self.length, start))
            a_block = code.at(a, code.multiply(start, spec.a[1]))
            b_block = code.at(b, code.multiply(start, spec.b[0]))
            if chosen.before:
                self.copy = self._copied_from(workspace, start)
            elif chosen.copied:
                self._copy(b_block, left, right, depth)

            def in_rows(top: Index, _: list[Register]) -> None:
                bottom = code.minimum(code.add(top, chosen.block_rows), rows[1])
                self._tiles(a_block, b_block, c, (top, bottom), (left, right), start, depth)

            self._each_block(rows, chosen.block_rows, chosen.row_tiles, in_rows)

        self._each_block(columns, chosen.block_columns, chosen.column_tiles, in_columns)

    def _each_block(
        self, tiles: tuple[Index, Index], size: int, total: int, body: Callable[[Index, list[Register]], None]
    ) -> None:
        """`body(begin)` for blocks of `size` tiles; a single block needs no loop."""
        if size >= total:
            body(tiles[0], [])
        else:
            self.code.loop(*tiles, size, body)

    def _tiles(
        self,
        a: Register,
        b: Register,
        c: Register,
        rows: tuple[Index, Index],
        columns: tuple[Index, Index],
        start: Index,
        depth: Index,
    ) -> None:
        """The tiles of a block. A panel of B stays in the first cache while the rows pass by."""
        code, chosen, spec = self.code, self.plan, self.spec

        def column(j: Index, width: int) -> None:
            if chosen.copied:
                b_tile = code.at(self.copy, code.multiply(code.subtract(j, columns[0]), chosen.panel))
            else:
                b_tile = code.at(b, code.multiply(j, chosen.width * spec.b[1]))

            def row(i: Index, height: int) -> None:
                a_tile = code.at(a, code.multiply(i, chosen.rows * spec.a[0]))
                place = code.add(code.multiply(i, chosen.rows * spec.c[0]), code.multiply(j, chosen.width * spec.c[1]))
                a_tile = code.settled(a_tile) if spec.batch else a_tile
                self._tile(a_tile, b_tile, code.at(c, place), height, width, start, depth)

            each_tile(code, *rows, spec.m, chosen.rows, row)

        each_tile(code, *columns, spec.n, chosen.width, column)

    def _tile(self, a: Register, b: Register, c: Register, height: int, width: int, start: Index, depth: Index) -> None:
        """One tile, summed and stored."""
        code, chosen, spec = self.code, self.plan, self.spec
        lanes = code.lanes
        if chosen.inner:
            row_step = spec.a[0]
            column_step = chosen.padded_depth if chosen.copied else spec.b[1]
            rows = [i * row_step for i in range(height)]
            vectors = dot_tile(code, a, b, rows, [j * column_step for j in range(width)], depth, chosen.ahead)
            sums = [[vector] for vector in vectors]
            counts = [width]
        else:
            row_step, a_step = spec.a
            counts = [min(lanes, width - j) for j in range(0, width, lanes)]
            b_step = len(counts) * lanes if chosen.copied else spec.b[0]
            loads = [(j * lanes, lanes if chosen.copied else count) for j, count in enumerate(counts)]
            rows = [i * row_step for i in range(height)]
            sums = outer_tile(code, a, b, rows, loads, [Axis(depth, a_step, b_step)], chosen.ahead)
        if isinstance(start, int):
            self._store(sums, c, counts, spec.accumulate or start > 0)
        elif spec.accumulate:
            self._store(sums, c, counts, True)
        else:
            with code.builder.if_else(code.less(0, start)) as (later, first):
                with later:
                    self._store(sums, c, counts, True)
                with first:
                    self._store(sums, c, counts, False)

    # ------------------------------------------------------------------------------------------------ the result

    def _turned(self) -> bool:
        """Whether tiles are stored by vectors along their columns, after a transposition."""
        row, column = self.spec.c
        return row == 1 and column != 1 and self.plan.width != 1 and self.plan.rows <= self.plan.lanes

    def _store(self, sums: list[list[Register]], c: Register, counts: list[int], add: bool) -> None:
        """Write a tile, given as vectors along its rows, to its place."""
        code, (row, column) = self.code, self.spec.c
        lanes = code.lanes
        if column == 1 or counts == [1]:
            for i, vectors in enumerate(sums):
                for j, (vector, count) in enumerate(zip(vectors, counts, strict=True)):
                    self._store_vector(vector, code.at(c, i * row + j * lanes), count, add)
        elif self._turned():
            for j, count in enumerate(counts):
                for i, vectors in enumerate(sums):
                    code.store(vectors[j], code.at(self.stack, i * lanes))
                arguments = [code.number(number) for number in (column, len(sums), count)]
                place = code.at(c, j * lanes * column)
                code.builder.call(turning(code, add), [self.stack, place, *arguments])
        else:
            self._store_entries(sums, c, sum(counts), add)

    def _store_vector(self, vector: Register, place: Register, count: int, add: bool) -> None:
        code = self.code
        if add:
            vector = code.builder.fadd(vector, code.load(place, count))
        code.store(vector, place, count)

    def _store_entries(self, sums: list[list[Register]], c: Register, width: int, add: bool) -> None:
        """Entry by entry, by way of a tile on the stack."""
        code, (row, column) = self.code, self.spec.c
        pitch = len(sums[0]) * code.lanes
        for i, vectors in enumerate(sums):
            for j, vector in enumerate(vectors):
                code.store(vector, code.at(self.stack, i * pitch + j * code.lanes))

        def entry(i: Index, j: Index) -> None:
            value = code.load_entry(code.at(self.stack, code.add(code.multiply(i, pitch), j)))
            place = code.at(c, code.add(code.multiply(i, row), code.multiply(j, column)))
            code.store_entry(code.builder.fadd(value, code.load_entry(place)) if add else value, place)

        code.loop(0, len(sums), 1, lambda i, _: code.loop(0, width, 1, lambda j, _: entry(i, j)) and None)

    # ------------------------------------------------------------------------------------------------ the copies

    def _copy(self, b: Register, begin: Index, end: Index, depth: Index) -> None:
        """Panels of B: for each k the columns of a tile side by side, or for inner products each column by itself."""
        code, chosen, spec = self.code, self.plan, self.spec
        if spec.b[1] == 1 and not chosen.inner:
            self._copy_rows(b, begin, end, depth)
            return

        def panel(j: Index, width: int) -> None:
            source = code.at(b, code.multiply(j, chosen.width * spec.b[1]))
            target = code.at(self.copy, code.multiply(code.subtract(j, begin), chosen.panel))
            if chosen.inner:
                copy_panel(code, source, spec.b, target, chosen.padded_depth, depth, width)
            else:
                pitch = -(-width // code.lanes) * code.lanes
                copy_panel(code, source, spec.b[::-1], target, pitch, width, depth)

        each_tile(code, begin, end, spec.n, chosen.width, panel)

    def _copy_rows(self, b: Register, begin: Index, end: Index, depth: Index) -> None:
        """Panels of B, written row by row: memory is read in order, which is the quickest way through it."""
        code, chosen, spec = self.code, self.plan, self.spec
        lanes = code.lanes

        def row(k: Index, _: list[Register]) -> None:
            def part(j: Index, width: int) -> None:
                source = code.at(b, code.add(code.multiply(k, spec.b[0]), code.multiply(j, chosen.width)))
                place = code.multiply(code.subtract(j, begin), chosen.panel)
                pitch = -(-width // lanes) * lanes
                target = code.at(self.copy, code.add(place, code.multiply(k, pitch)))
                for i in range(0, width, lanes):
                    code.store(code.load(code.at(source, i), min(lanes, width - i)), code.at(target, i))

            each_tile(code, begin, end, spec.n, chosen.width, part)

        code.loop(0, depth, 1, row)


def each_tile(code: Loops, begin: Index, end: Index, total: int, size: int, body: Callable[[Index, int], None]) -> None:
    """`body(tile, size)` for tiles from `begin` to `end` of `total` entries, of which the very last may be smaller."""
    whole, rest = divmod(total, size)
    code.loop(begin, code.minimum(end, whole) if rest else end, 1, lambda tile, _: body(tile, size))
    if rest:
        inside = code.both(code.less(begin, whole + 1), code.less(whole, end))
        code.when(inside, lambda: body(whole, rest))


def copy_panel(
    code: Code, source: Register, strides: Strides, target: Register, pitch: int, height: Index, depth: Index
) -> None:
    """target[j, i] = source[i, j] for i below `height` and j below `depth`, in rows of `pitch` entries.

    Whole vectors are written in ascending order: what one writes over its end, the next one overwrites.
    """
    lanes = code.lanes
    if strides[0] == 1:

        def row(j: Index, _: list[Register]) -> None:
            def part(i: Index, count: int) -> None:
                vector = code.load(code.at(source, code.add(i, code.multiply(j, strides[1]))), count)
                code.store(vector, code.at(target, code.add(i, code.multiply(j, pitch))))

            whole, rest = divmod(height, lanes)
            code.loop(0, whole, 1, lambda i, _: part(code.multiply(i, lanes), lanes))
            if rest:
                part(whole * lanes, rest)

        code.loop(0, depth, 1, row)
    elif strides[1] == 1:

        def group(i: Index, _: list[Register]) -> None:
            count = code.minimum(lanes, code.subtract(height, i))
            function = transposing(code)
            arguments = [strides[0], pitch, count, depth]
            code.builder.call(
                function,
                [code.at(source, code.multiply(i, strides[0])), code.at(target, i), *map(code.number, arguments)],
            )

        code.loop(0, height, lanes, group)
    else:

        def entry(i: Index, j: Index) -> None:
            place = code.add(code.multiply(i, strides[0]), code.multiply(j, strides[1]))
            value = code.load_entry(code.at(source, place))
            code.store_entry(value, code.at(target, code.add(i, code.multiply(j, pitch))))

        code.loop(0, depth, 1, lambda j, _: code.loop(0, height, 1, lambda i, _: entry(i, j)) and None)


def turning(code: Code, add: bool) -> ir.Function:
    """The function (tile, target, pitch, rows, columns): target[j, i] = tile[i, j], or with `add` that much more there.

    The tile is a square block of vectors, of which so many rows and columns count. A function of its own, because a
    transposition is long and products have several kinds of tiles.
    """
    module = code.builder.module
    name = f"turn.{code.dtype}.{'add' if add else 'set'}"
    found = module.globals.get(name)
    if found is not None:
        return found
    kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, I64, I64, I64])
    function = ir.Function(module, kind, name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    tile, target, pitch, rows, columns = function.args
    inside = Code(ir.IRBuilder(function.append_basic_block("entry")), code.dtype, code.machine)
    builder, lanes = inside.builder, inside.lanes
    left = inside.mask(rows)
    for j, vector in enumerate(inside.transpose([inside.load(inside.at(tile, i * lanes)) for i in range(lanes)])):
        place = inside.at(target, inside.multiply(pitch, j))
        present = builder.icmp_signed("<", inside.number(j), columns)
        mask = builder.select(present, left, zeros(left.type))
        inside.store(builder.fadd(vector, inside.load(place, mask)) if add else vector, place, mask)
    builder.ret_void()
    return function


def transposing(code: Code) -> ir.Function:
    """The function (source, stride, target, pitch, count, depth): target[j, i] = source[i, j], for count rows i.

    Rows of the source are `stride` entries apart and have `depth` entries; those of the target are `pitch` apart.
    """
    module = code.builder.module
    name = f"transpose.{code.dtype}"
    found = module.globals.get(name)
    if found is not None:
        return found
    kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, I64, I64, I64, I64])
    function = ir.Function(module, kind, name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    source, target, stride, pitch, count, depth = function.args
    inside = Code(ir.IRBuilder(function.append_basic_block("entry")), code.dtype, code.machine)
    builder, lanes = inside.builder, inside.lanes

    def block(j: Index, _: list[Register]) -> None:
        left = inside.mask(inside.subtract(depth, j))
        start = inside.at(source, j)
        rows = []
        for i in range(lanes):
            present = builder.icmp_signed("<", inside.number(i), count)
            mask = builder.select(present, left, zeros(left.type))
            rows.append(inside.load(inside.at(start, inside.multiply(stride, i)), mask))
        for i, row in enumerate(inside.transpose(rows)):
            inside.store(row, inside.at(target, inside.multiply(inside.add(j, i), pitch)))

    inside.loop(0, depth, lanes, block)
    builder.ret_void()
    return function
