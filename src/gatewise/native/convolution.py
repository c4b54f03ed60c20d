"""Convolutional layers and their two gradients as LLVM IR, without a matrix of windows.

A layer is a matrix product whose one operand, the windows of the images, need not exist: an image is copied into a
buffer with its padding, and there the entry of every window that a given kernel entry meets is a shift away from the
others. So the vectors of a tile run along the pixels of an image, and the sum runs over channels and shifts. With a
stride, the buffer keeps the columns of equal remainder together, so that vectors stay contiguous.

The gradient with respect to the images is such a layer too, of the upstream gradient, spread out by the stride, with
the kernels turned round. The gradient with respect to the kernels sums over images and pixels; its vectors run along
the kernels, so the upstream gradient of an image is transposed first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from math import prod
from typing import Any, Literal

from llvmlite import ir

from gatewise.errors import UnsupportedError
from gatewise.native.product import each_tile, transposing
from gatewise.native.tile import (
    ELEMENTS,
    I64,
    POINTER,
    SIZES,
    Axis,
    Code,
    Index,
    Machine,
    Register,
    multiply_add,
    outer_tile,
)

Sizes = tuple[int, ...]
Direction = Literal["forward", "images", "kernels"]


@dataclass(frozen=True)
class ConvolutionSpec:
    """A layer of one to three dimensions, or one of its gradients; all arrays are contiguous.

    Images are (examples, channels, *sizes), kernels (kernels, channels // groups, *window), results (examples,
    kernels, *counts). `before` and `after` are the zeros around the images, per axis. `direction` says what is
    computed: "forward" the results from images and kernels, "images" the gradient with respect to the images from that
    of the results and the kernels, "kernels" the gradient with respect to the kernels from images and that of the
    results.

    >>> ConvolutionSpec(32, 3, 8, (32, 32), (5, 5), (1, 1), (2, 2), (2, 2), (1, 1)).counts
    (32, 32)
    """

    examples: int
    channels: int
    kernels: int
    sizes: Sizes
    window: Sizes
    stride: Sizes
    before: Sizes
    after: Sizes
    dilation: Sizes
    groups: int = 1
    dtype: str = "float32"
    direction: Direction = "forward"
    threads: int = 1

    @property
    def counts(self) -> Sizes:
        """The spatial axes of the result."""
        axes = zip(self.sizes, self.window, self.stride, self.before, self.after, self.dilation, strict=True)
        return tuple(
            (size + before + after - apart * (length - 1) - 1) // step + 1
            for size, length, step, before, after, apart in axes
        )

    @property
    def name(self) -> str:
        """What the function is called in its module."""
        fields = (self.sizes, self.window, self.stride, self.before, self.after, self.dilation)
        numbers = f"{self.examples}x{self.channels}x{self.kernels}"
        parts = [self.direction, self.dtype, numbers, *("x".join(map(str, field)) for field in fields)]
        return ".".join(["convolution", *parts, str(self.groups), str(self.threads)])


def units(spec: ConvolutionSpec, machine: Machine | None = None) -> int:
    """Into how many parts the work can be divided."""
    machine = machine or Machine.host()
    if spec.direction == "kernels":
        return spec.groups * _Correlation(spec, machine).tiles
    return spec.examples * spec.groups * _Layer.of(spec, machine).row_tiles


def workspace_bytes(spec: ConvolutionSpec, machine: Machine | None = None) -> int:
    """The room that each call needs, aligned to a cache line."""
    machine = machine or Machine.host()
    entries = _Correlation(spec, machine).entries if spec.direction == "kernels" else _Layer.of(spec, machine).entries
    return entries * SIZES[spec.dtype]


def emit_convolution(module: ir.Module, spec: ConvolutionSpec, machine: Machine | None = None) -> ir.Function:
    """The function ``(x, y, result, workspace, begin, end)`` that computes units of a layer or of a gradient.

    `x` and `y` are, by direction, images and kernels, upstream gradient and kernels, or images and upstream gradient.

    Raises:
        UnsupportedError: The dtype is neither float32 nor float64.
    """
    machine = machine or Machine.host()
    if spec.dtype not in ELEMENTS:
        raise UnsupportedError(f"convolution: native code is for float32 and float64, not {spec.dtype}")
    found = module.globals.get(spec.name)
    if found is not None:
        return found
    kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, POINTER, POINTER, I64, I64])
    function = ir.Function(module, kind, spec.name)
    function.attributes.add("nounwind")
    for argument, name in zip(function.args, ("x", "y", "result", "workspace", "begin", "end"), strict=True):
        argument.name = name
    for argument in function.args[:4]:
        argument.add_attribute("noalias")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    code = Code(builder, spec.dtype, machine)
    if spec.direction == "kernels":
        _Correlation(spec, machine).write(code, function)
    else:
        _LayerWriter(code, _Layer.of(spec, machine)).write(function)
    builder.ret_void()
    return function


# ---------------------------------------------------------------------------------------------------- the buffer


@dataclass(frozen=True)
class _Buffer:
    """One image with zeros around it and between its entries, of three spatial axes.

    Along each axis, places of equal remainder by the stride lie together: place q is entry q // stride of part
    q % stride. So what windows a step apart meet are neighbours.
    """

    channels: int
    sizes: Sizes
    insert: Sizes  # distance of the entries of the image
    before: Sizes  # where the first one is, perhaps below zero
    stride: Sizes
    extent: Sizes  # places that windows reach
    lanes: int

    @property
    def pitches(self) -> Sizes:
        """Places of a part, per axis."""
        return tuple(-(-extent // step) for extent, step in zip(self.extent, self.stride, strict=True))

    @property
    def steps(self) -> Sizes:
        """How far the next place of the same part is, per axis."""
        _, height, width = self.pitches
        return height * width, width, 1

    @property
    def plane(self) -> int:
        """Entries of a channel."""
        return prod(self.pitches) * prod(self.stride)

    @property
    def entries(self) -> int:
        """Entries of the buffer; vectors may be read beyond the last row."""
        return -(-(self.channels * self.plane) // self.lanes) * self.lanes + 4 * self.lanes

    def place(self, axis: int, index: int) -> int:
        """Where a place of an axis is."""
        whole, part = divmod(index, self.stride[axis])
        parts = prod(self.stride[axis + 1 :]) * part
        return parts * prod(self.pitches) + whole * self.steps[axis]

    def fill(self, code: Code, target: Register, source: Register) -> None:
        """Copy an image to its places; what lies between stays zero."""
        rows = [self._inside(axis) for axis in range(3)]
        simple = self.stride[2] == self.insert[2] == 1

        def channel(c: Index, _: list[Register]) -> None:
            image = code.at(source, code.multiply(c, prod(self.sizes)))
            room = code.at(target, code.multiply(c, self.plane))

            def depth(i: Index, _: list[Register]) -> None:
                def height(j: Index, _: list[Register]) -> None:
                    line = code.add(code.multiply(i, self.sizes[1]), j)
                    start = code.at(image, code.multiply(line, self.sizes[2]))
                    end = code.at(room, code.add(self._where(code, 0, i), self._where(code, 1, j)))
                    if simple:
                        self._copy_row(code, start, end, rows[2])
                    else:
                        code.loop(*rows[2], 1, lambda k, _: self._copy_entry(code, start, end, k))

                code.loop(*rows[1], 1, height)

            code.loop(*rows[0], 1, depth)

        code.loop(0, self.channels, 1, channel)

    def clear(self, code: Code, target: Register) -> None:
        """Zeros everywhere."""
        clear(code, target, 0, self.entries)

    def _inside(self, axis: int) -> tuple[int, int]:
        """Which entries of an axis of the image have a place."""
        insert, before = self.insert[axis], self.before[axis]
        first = max(0, -(before // insert))
        last = min(self.sizes[axis], (self.extent[axis] - 1 - before) // insert + 1)
        return first, max(first, last)

    def _where(self, code: Code, axis: int, index: Index) -> Index:
        """The place of an entry of the image, along one axis."""
        step, all_parts = self.stride[axis], prod(self.stride[axis + 1 :]) * prod(self.pitches)
        place = code.add(code.multiply(index, self.insert[axis]), self.before[axis])
        part = code.multiply(code.remainder(place, step), all_parts)
        return code.add(part, code.multiply(code.divide(place, step), self.steps[axis]))

    def _copy_row(self, code: Code, source: Register, target: Register, inside: tuple[int, int]) -> None:
        first, last = inside
        for i in range(first, last, code.lanes):
            count = min(code.lanes, last - i)
            code.store(code.load(code.at(source, i), count), code.at(target, i + self.before[2]), count)

    def _copy_entry(self, code: Code, source: Register, target: Register, index: Index) -> None:
        value = code.load_entry(code.at(source, index))
        code.store_entry(value, code.at(target, self._where(code, 2, index)))


def _three(axes: Sizes, fill: int) -> Sizes:
    """Three spatial axes, the missing ones before the others."""
    return (fill,) * (3 - len(axes)) + axes


def _extent(counts: Sizes, window: Sizes, stride: Sizes, dilation: Sizes) -> Sizes:
    axes = zip(counts, window, stride, dilation, strict=True)
    return tuple(max(1, (count - 1) * step + apart * (length - 1) + 1) for count, length, step, apart in axes)


# ---------------------------------------------------------------------------------------------------- layers


@dataclass(frozen=True)
class _Layer:
    """result[item, row, pixel] = sum over channels and taps of w[row, channel, tap] * buffer[channel, pixel + tap].

    An item is a group of an example. A tile is `rows` rows times `lines` lines of pixels, or a piece of `vectors`
    vectors of one line; where lines are short, all pixels of a plane count as one line, those beyond the edge too.
    """

    items: int
    groups: int
    channels: int
    height: int  # rows of the result
    window: Sizes
    dilation: Sizes
    counts: Sizes
    buffer: _Buffer
    w_strides: tuple[int, int, int]  # of row, channel and tap
    w_start: int
    rows: int
    lines: int
    vectors: int
    flat: bool
    lanes: int

    @classmethod
    def of(cls, spec: ConvolutionSpec, machine: Machine) -> _Layer:
        """The layer of a forward pass, or the one that gives the gradient with respect to the images."""
        lanes = machine.lanes(spec.dtype)
        channels, height = spec.channels // spec.groups, spec.kernels // spec.groups
        sizes, counts, insert = _three(spec.sizes, 1), _three(spec.counts, 1), _three((), 1)
        window, dilation = _three(spec.window, 1), _three(spec.dilation, 1)
        stride, before = _three(spec.stride, 1), _three(spec.before, 0)
        taps = prod(window)
        w_strides, w_start = (channels * taps, taps, 1), 0
        if spec.direction == "images":
            w_strides, w_start = (taps, channels * taps, -1), taps - 1
            channels, height = height, channels
            reach = (apart * (length - 1) for apart, length in zip(dilation, window, strict=True))
            before = tuple(most - pad for most, pad in zip(reach, before, strict=True))
            sizes, counts, insert, stride = counts, sizes, stride, _three((), 1)
        buffer = _Buffer(channels, sizes, insert, before, stride, _extent(counts, window, stride, dilation), lanes)
        plain = -(-counts[2] // lanes)
        whole = (counts[1] - 1) * buffer.pitches[2] + counts[2]
        flat = counts[1] > 1 and 1.1 * -(-whole // lanes) < counts[1] * plain
        vectors = -(-whole // lanes) if flat else plain
        rows, lines, piece = _tile_size(height, 1 if flat else counts[1], vectors, machine.registers)
        return cls(
            items=spec.examples * spec.groups,
            groups=spec.groups,
            channels=channels,
            height=height,
            window=window,
            dilation=dilation,
            counts=counts,
            buffer=buffer,
            w_strides=w_strides,
            w_start=w_start,
            rows=rows,
            lines=lines,
            vectors=piece,
            flat=flat,
            lanes=lanes,
        )

    @property
    def row_tiles(self) -> int:
        """Units for one item."""
        return -(-self.height // self.rows)

    @property
    def line(self) -> int:
        """Pixels of a line, as far as tiles are concerned."""
        return (self.counts[1] - 1) * self.buffer.pitches[2] + self.counts[2] if self.flat else self.counts[2]

    @property
    def pitch(self) -> int:
        """Room for the pixels of a flat line."""
        return -(-self.line // self.lanes) * self.lanes

    @property
    def entries(self) -> int:
        """Entries of the workspace: the buffer, and the results of a flat line."""
        return self.buffer.entries + (self.rows * self.pitch if self.flat else 0)


def _tile_size(height: int, lines: int, vectors: int, registers: int) -> tuple[int, int, int]:
    """Rows, lines and vectors of a line in a tile, by the same count of cycles as for matrix products."""

    def cost(size: tuple[int, int, int]) -> float:
        rows, many, piece = size
        total = 0.0
        kinds = 0
        for a, times in _pieces(height, rows):
            for b, more in _pieces(lines, many):
                for c, most in _pieces(vectors, piece):
                    width = b * c
                    total += times * more * most * (max(a * width, 1.1 * (a + width), 4) + 0.1 * (a + width) + 0.5)
                    kinds += 1
        return total * (1 + 0.01 * kinds)

    sizes = [
        (rows, many, piece)
        for piece in range(1, min(vectors, 4) + 1)
        for many in range(1, (4 // piece if piece == vectors else 1) + 1)
        if many <= lines
        for rows in range(1, max(1, min(height, (registers - 1) // (many * piece) - 1, 14)) + 1)
    ]
    return min(sizes, key=cost)


def _pieces(total: int, size: int) -> list[tuple[int, int]]:
    return [(each, count) for each, count in ((size, total // size), (total % size, 1)) if each and count]


class _LayerWriter:
    """Writes the loops of a layer."""

    def __init__(self, code: Code, layer: _Layer):
        self.code = code
        self.layer = layer
        window, buffer = layer.window, layer.buffer
        self.inner = window[2] if window[2] <= 16 else 1  # taps that are written out
        places = [
            sum(buffer.place(axis, tap * layer.dilation[axis]) for axis, tap in enumerate(taps))
            for taps in product(*map(range, window))
        ]
        self.outer = places[:: self.inner]
        self.inner_shifts = [place - places[0] for place in places[: self.inner]]
        self.table = constants(code, self.outer)

    def write(self, function: ir.Function) -> None:
        """The items and their row tiles between `begin` and `end`."""
        code, layer = self.code, self.layer
        source, w, result, workspace, begin, end = function.args
        tiles = layer.row_tiles
        if not (layer.items and layer.height and prod(layer.counts)):
            return
        self.flat_results = code.at(workspace, layer.buffer.entries)
        layer.buffer.clear(code, workspace)
        pixels = prod(layer.counts)
        image = layer.channels * prod(layer.buffer.sizes)
        kernels = layer.height * layer.channels * prod(layer.window)

        def item(index: Index, _: list[Register]) -> None:
            first = code.multiply(index, tiles)
            lower = code.maximum(0, code.subtract(begin, first))
            upper = code.minimum(tiles, code.subtract(end, first))
            layer.buffer.fill(code, workspace, code.at(source, code.multiply(index, image)))
            group = code.remainder(index, layer.groups)
            weights = code.at(w, code.add(code.multiply(group, kernels), layer.w_start))
            place = code.at(result, code.multiply(index, layer.height * pixels))
            each_tile(
                code,
                lower,
                upper,
                layer.height,
                layer.rows,
                lambda i, rows: self._rows(workspace, weights, place, i, rows),
            )

        code.loop(code.divide(begin, tiles), code.divide(code.add(end, tiles - 1), tiles), 1, item)

    def _rows(self, buffer: Register, w: Register, result: Register, tile: Index, rows: int) -> None:
        """All pixels of the rows of a tile."""
        code, layer = self.code, self.layer
        first = code.multiply(tile, layer.rows)
        w = code.at(w, code.multiply(first, layer.w_strides[0]))
        result = code.at(result, code.multiply(first, prod(layer.counts)))
        steps = layer.buffer.steps

        def plane(i: Index, _: list[Register]) -> None:
            source = code.at(buffer, code.multiply(i, steps[0]))
            target = code.at(result, code.multiply(i, layer.counts[1] * layer.counts[2]))
            if layer.flat:
                self._line(source, w, self.flat_results, 1, rows, layer.pitch)
                self._gather(target, rows)
                return

            def lines(j: Index, many: int) -> None:
                start = code.multiply(j, layer.lines)
                here = code.at(source, code.multiply(start, steps[1]))
                there = code.at(target, code.multiply(start, layer.counts[2]))
                self._line(here, w, there, many, rows, prod(layer.counts))

            each_tile(code, 0, -(-layer.counts[1] // layer.lines), layer.counts[1], layer.lines, lines)

        code.loop(0, layer.counts[0], 1, plane)

    def _line(self, source: Register, w: Register, target: Register, lines: int, rows: int, row_step: int) -> None:
        """The vectors of lines, piece by piece."""
        code, layer = self.code, self.layer
        size = layer.vectors * code.lanes
        end = layer.pitch if layer.flat else layer.line

        def piece(i: Index, width: int) -> None:
            start = code.multiply(i, size)
            columns = [
                (line * layer.buffer.steps[1] + j, line * layer.counts[2] + j, min(code.lanes, width - j))
                for line in range(lines)
                for j in range(0, width, code.lanes)
            ]
            sums = self._sums(code.at(source, start), w, rows, [(shift, code.lanes) for shift, _, _ in columns])
            for row in range(rows):
                for j, (_, place, count) in enumerate(columns):
                    vector = sums[row * len(columns) + j]
                    code.store(vector, code.at(code.at(target, start), row * row_step + place), count)

        each_tile(code, 0, -(-end // size), end, size, piece)

    def _sums(self, source: Register, w: Register, rows: int, columns: list[tuple[int, int]]) -> list[Register]:
        """The loops over channels and taps around a tile."""
        code, layer = self.code, self.layer
        row_step, channel_step, tap_step = layer.w_strides
        offsets = [row * row_step for row in range(rows)]

        def channel(c: Index, sums: list[Register]) -> list[Register]:
            image = code.at(source, code.multiply(c, layer.buffer.plane))
            weights = code.at(w, code.multiply(c, channel_step))

            def taps(t: Index, sums: list[Register]) -> list[Register]:
                here = code.at(image, self._shift(t))
                there = code.at(weights, code.multiply(t, self.inner * tap_step))
                for i, shift in enumerate(self.inner_shifts):
                    sums = multiply_add(
                        code, code.at(there, i * tap_step), code.at(here, shift), offsets, columns, sums
                    )
                return sums

            return code.loop(0, len(self.outer), 1, taps, sums)

        return code.loop(0, layer.channels, 1, channel, [code.zero] * (rows * len(columns)))

    def _shift(self, tap: Index) -> Index:
        """Where a tap is in the buffer."""
        if isinstance(tap, int):
            return self.outer[tap]
        return lookup(self.code, self.table, tap)

    def _gather(self, target: Register, rows: int) -> None:
        """The lines of a plane, taken out of the flat results."""
        code, layer = self.code, self.layer
        width, pitch = layer.counts[2], layer.buffer.pitches[2]

        def row(i: Index, _: list[Register]) -> None:
            def line(j: Index, _: list[Register]) -> None:
                source = code.at(self.flat_results, code.add(code.multiply(i, layer.pitch), code.multiply(j, pitch)))
                place = code.add(code.multiply(i, prod(layer.counts)), code.multiply(j, width))
                copy_run(code, source, code.at(target, place), width)

            code.loop(0, layer.counts[1], 1, line)

        code.loop(0, rows, 1, row)


def clear(code: Code, target: Register, begin: Index, end: Index) -> None:
    """Zeros from `begin` to `end`, which are whole vectors apart."""

    def part(i: Index, _: list[Register]) -> None:
        code.store(code.zero, code.at(target, i))

    code.loop(begin, end, code.lanes, part)


def copy_run(code: Code, source: Register, target: Register, count: int) -> None:
    """Copy neighbouring entries."""

    def part(i: Index, width: int) -> None:
        start = code.multiply(i, code.lanes)
        code.store(code.load(code.at(source, start), width), code.at(target, start), width)

    each_tile(code, 0, -(-count // code.lanes), count, code.lanes, part)


def constants(code: Code, numbers: Sequence[int]) -> ir.GlobalVariable:
    """A table of numbers in the module."""
    module = code.builder.module
    kind = ir.ArrayType(I64, len(numbers))
    table = ir.GlobalVariable(module, kind, module.get_unique_name("shifts"))
    table.linkage = "internal"
    table.global_constant = True
    table.initializer = ir.Constant(kind, list(numbers))
    return table


def lookup(code: Code, table: ir.GlobalVariable, index: Index) -> Register:
    """An entry of a table."""
    place = code.builder.gep(table, [code.number(index)], source_etype=I64)
    return code.builder.load(place, typ=I64, align=8)


# ---------------------------------------------------------------------------------------------------- kernels


class _Correlation:
    """The gradient with respect to the kernels: sums over examples and pixels of an image times the upstream gradient.

    A tile is a few rows times all kernels of a group, where rows are channels met by one tap or, where there are few
    channels, taps of one channel. Sums of all tiles are kept in the workspace from example to example.
    """

    def __init__(self, spec: ConvolutionSpec, machine: Machine):
        self.spec = spec
        self.lanes = machine.lanes(spec.dtype)
        self.channels, self.kernels = spec.channels // spec.groups, spec.kernels // spec.groups
        self.window, self.counts = _three(spec.window, 1), _three(spec.counts, 1)
        self.taps = prod(self.window)
        stride, dilation = _three(spec.stride, 1), _three(spec.dilation, 1)
        extent = _extent(self.counts, self.window, stride, dilation)
        sizes, before = _three(spec.sizes, 1), _three(spec.before, 0)
        self.buffer = _Buffer(self.channels, sizes, (1, 1, 1), before, stride, extent, self.lanes)
        self.places = [
            sum(self.buffer.place(axis, tap * dilation[axis]) for axis, tap in enumerate(taps))
            for taps in product(*map(range, self.window))
        ]
        self.vectors = max(1, -(-self.kernels // self.lanes))
        self.width = min(self.vectors, 2)
        most = (machine.registers - 1) // self.width - 1
        self.by_taps = self.channels < 6 and self.taps <= 4 * most
        along = self.taps if self.by_taps else self.channels
        pieces = max(1, -(-along // min(most, 14)))
        self.rows = max(1, -(-along // pieces))
        self.along, self.across = along, self.channels if self.by_taps else self.taps
        self.pieces = -(-along // self.rows)

    @property
    def tiles(self) -> int:
        """Units of a group."""
        return self.across * self.pieces

    @property
    def pixels(self) -> int:
        """Pixels of a result."""
        return prod(self.counts)

    @property
    def pitch(self) -> int:
        """Room for a vector of kernels."""
        return self.vectors * self.lanes

    @property
    def gradient_entries(self) -> int:
        """Room for the upstream gradient of an example, transposed by whole blocks."""
        return (-(-self.pixels // self.lanes) + 1) * self.lanes * self.pitch

    @property
    def entries(self) -> int:
        """Entries of the workspace: an image, its upstream gradient, the sums."""
        return self.buffer.entries + self.gradient_entries + self.tiles * self.rows * self.pitch

    def write(self, code: Code, function: ir.Function) -> None:
        """Groups; in each all examples, and for each example the tiles between `begin` and `end`."""
        images, upstream, result, workspace, begin, end = function.args
        spec = self.spec
        if not (self.kernels and self.channels and self.taps):
            return
        gradient = code.at(workspace, self.buffer.entries)
        totals = code.at(gradient, self.gradient_entries)
        self.table = constants(code, self.places)
        self.buffer.clear(code, workspace)
        image, plane = self.channels * prod(self.buffer.sizes), self.kernels * self.pixels

        def group(g: Index, _: list[Register]) -> None:
            first = code.multiply(g, self.tiles)
            lower = code.maximum(0, code.subtract(begin, first))
            upper = code.minimum(self.tiles, code.subtract(end, first))
            size = self.rows * self.pitch
            clear(code, totals, code.multiply(lower, size), code.multiply(upper, size))

            def example(i: Index, _: list[Register]) -> None:
                item = code.add(code.multiply(i, spec.groups), g)
                self.buffer.fill(code, workspace, code.at(images, code.multiply(item, image)))
                self._transpose(code, code.at(upstream, code.multiply(item, plane)), gradient)
                self._each(code, lower, upper, lambda *tile: self._add(code, workspace, gradient, totals, *tile))

            if self.pixels:
                code.loop(0, spec.examples, 1, example)
            place = code.at(result, code.multiply(g, self.kernels * self.channels * self.taps))
            self._each(code, lower, upper, lambda *tile: self._store(code, totals, place, *tile))

        last = code.divide(code.add(end, self.tiles - 1), self.tiles)
        code.loop(code.divide(begin, self.tiles), last, 1, group)

    def _each(self, code: Code, lower: Index, upper: Index, body: Callable[[Index, Index, int, int], None]) -> None:
        """`body(tile, across, start, rows)`: a tile takes `rows` entries along, from `start` on."""

        def tile(unit: Index, _: list[Register]) -> None:
            across, piece = code.divide(unit, self.pieces), code.remainder(unit, self.pieces)
            if not self.by_taps:
                each_tile(
                    code,
                    piece,
                    code.add(piece, 1),
                    self.along,
                    self.rows,
                    lambda i, rows: body(unit, across, code.multiply(i, self.rows), rows),
                )
                return
            for i in range(self.pieces):
                rows = min(self.rows, self.along - i * self.rows)
                code.when(code.equal(piece, i), partial(body, unit, across, i * self.rows, rows))

        code.loop(lower, upper, 1, tile)

    def _transpose(self, code: Code, source: Register, target: Register) -> None:
        """target[pixel, kernel] = source[kernel, pixel]."""

        def block(i: Index, _: list[Register]) -> None:
            count = code.minimum(code.lanes, code.subtract(self.kernels, i))
            stride, pitch, count, depth = (code.number(n) for n in (self.pixels, self.pitch, count, self.pixels))
            here = code.at(source, code.multiply(i, self.pixels))
            code.builder.call(transposing(code), [here, code.at(target, i), stride, pitch, count, depth])

        code.loop(0, self.kernels, code.lanes, block)

    def _add(self, code: Code, image: Register, gradient: Register, totals: Register, *tile: Any) -> None:
        """Add one example to a tile."""
        unit, across, start, rows = tile
        if self.by_taps:
            a = code.at(image, code.multiply(across, self.buffer.plane))
            offsets = self.places[start : start + rows]
        else:
            a = code.at(image, lookup(code, self.table, across))
            a = code.at(a, code.multiply(start, self.buffer.plane))
            offsets = [row * self.buffer.plane for row in range(rows)]
        depth, height, width = self.counts
        steps = self.buffer.steps
        axes = [
            Axis(depth, steps[0], height * width * self.pitch),
            Axis(height, steps[1], width * self.pitch),
            Axis(width, 1, self.pitch),
        ]
        axes = [axis for axis in axes[:2] if axis.size > 1] + axes[2:]
        place = code.at(totals, code.multiply(unit, self.rows * self.pitch))

        def kernels(j: Index, width: int) -> None:
            start = code.multiply(j, self.width * code.lanes)
            columns = [(i * code.lanes, code.lanes) for i in range(width)]
            sums = outer_tile(code, code.settled(a), code.at(gradient, start), offsets, columns, axes)
            for row, vectors in enumerate(sums):
                for i, vector in enumerate(vectors):
                    there = code.at(code.at(place, start), row * self.pitch + i * code.lanes)
                    code.store(code.builder.fadd(code.load(there), vector), there)

        each_tile(code, 0, -(-self.vectors // self.width), self.vectors, self.width, kernels)

    def _store(self, code: Code, totals: Register, result: Register, *tile: Any) -> None:
        """Write the sums of a tile to their places."""
        unit, across, start, rows = tile
        along, other = (1, self.taps) if self.by_taps else (self.taps, 1)
        place = code.add(code.multiply(start, along), code.multiply(across, other))
        source = code.at(totals, code.multiply(unit, self.rows * self.pitch))
        target = code.at(result, place)

        def entry(f: Index, row: Index) -> None:
            value = code.load_entry(code.at(source, code.add(code.multiply(row, self.pitch), f)))
            step = code.add(code.multiply(f, self.channels * self.taps), code.multiply(row, along))
            code.store_entry(value, code.at(target, step))

        code.loop(0, self.kernels, 1, lambda f, _: code.loop(0, rows, 1, lambda r, _: entry(f, r)) and None)
