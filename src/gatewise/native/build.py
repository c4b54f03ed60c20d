"""A program as one LLVM module: memory planned, steps written as functions, and one function that runs them in order.

The module's function ``program(table)`` takes a table of pointers: to the arguments, to the results, to the arena. It
returns 0, or 1 when an assumption did not hold. Steps with enough work are shared among threads: each part of the work
is a call ``step(table, part, parts)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from math import prod
from typing import Any

import numpy as np
from llvmlite import ir

from gatewise.native import convolution, product
from gatewise.native.arithmetic import memory_type
from gatewise.native.emit import GRAIN, I8, I64, POINTER, NestEmitter, combined, counted, when, whole
from gatewise.native.nest import Nest, nest_of, operand_address, product_spec
from gatewise.native.schedule import Again, Leave, Loop, Multiply, Schedule, Step, base_of, scheduled, work_of
from gatewise.native.slices import Slices, in_order, in_slices, slice_of, sliced
from gatewise.native.spelling import settle, text_of
from gatewise.native.tile import Machine
from gatewise.native.values import (
    Call,
    Constant,
    Convolve,
    Input,
    Product,
    Program,
    Repeat,
    Value,
    check,
    reachable,
)

#: Work, in additions, that is worth sharing among threads.
SHARED_FROM = 400_000

#: Entries up to which the step of a loop is written out in the loop.
SHORT = 8

#: Bytes to which everything in the arena is aligned.
ALIGNED = 64

#: The symbol of the function ``parallel(body, context, parts)``.
PARALLEL = "gatewise_parallel"

#: Entries of a constant up to which it is written into the module.
WRITTEN_OUT = 512

#: Functions that handle more arrays than this, none of them larger than `LITTLE`, are not worth LLVM's optimisations,
#: whose time grows faster than the length of a block. Nor is the function that calls the steps where it hands them more
#: pointers than this and one leads to a larger array.
MANY, LITTLE = 64, 4096

#: What a step's function gets a pointer to: an entry of a value, or (with None) an offset in the arena.
Place = tuple[Value | None, int]


@dataclass
class Built:
    """A module and what its caller must provide."""

    module: ir.Module | None
    schedule: Schedule
    arena_bytes: int
    constants: dict[str, np.ndarray[Any, Any]]  # symbols that must be given the address of these arrays
    calls: list[tuple[str, Call]]  # symbols of functions (inputs and result pointers) that run a gate in Python
    shared: bool  # whether any step is divided among threads
    steps: list[_Step]

    def as_text(self) -> str:
        """The module's text. The objects that it was written with, many times as large, are let go."""
        assert self.module is not None
        for function in self.module.functions:
            settle(function)
        text = text_of(self.module)
        self._let_go()
        return text

    def _let_go(self) -> None:
        self.module = None
        for step in self.steps:
            for inner in step.inner:
                inner.function = None
                inner.built._let_go()


@dataclass(eq=False)
class _Step:
    """A step with what its code needs."""

    step: Step | Slices
    nest: Nest | None
    reads: list[Value]
    writes: list[Value]
    parts: int = 1
    private: dict[Value, int] | None = None  # results that each part keeps for itself, by arena offset
    workspace: tuple[int, int] | None = None  # offset and bytes per part
    inner: list[_Inner] = field(default_factory=list)  # the programs of a loop or branch
    carried: list[int] = field(default_factory=list)  # arena offsets of the two places of each carry
    spare: dict[int, int] = field(default_factory=dict)  # arena offsets of one step's results that nobody reads
    members: list[_Step] = field(default_factory=list)  # what is run slice by slice
    rooms: dict[Value, tuple[int, int]] = field(default_factory=dict)  # of values local to slices: as `workspace`
    spec: Any = None  # of a product


@dataclass(eq=False)
class _Inner:
    """A program inside the program, with the place of its own arena."""

    function: Any
    built: Built
    program: Program
    offset: int = 0

    @property
    def arena_bytes(self) -> int:
        return self.built.arena_bytes


class _Arena:
    """Offsets for buffers that live from one step to another."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, int, int, int]] = []  # first step, last step, start, end
        self.bytes = 0

    def place(self, first: int, last: int, size: int) -> int:
        """The lowest offset that is free from step `first` to step `last`."""
        size = -(-max(size, 1) // ALIGNED) * ALIGNED
        busy = sorted((start, end) for f, t, start, end in self.taken if f <= last and first <= t)
        offset = 0
        for start, end in busy:
            if start - offset >= size:
                break
            offset = max(offset, end)
        self.taken.append((first, last, offset, offset + size))
        self.bytes = max(self.bytes, offset + size)
        return offset


def build(
    program: Program, threads: int = 1, machine: Machine | None = None, donated: Mapping[int, int] | None = None
) -> Built:
    """Schedule `program`, plan its memory and write its module.

    Args:
        program: What to compute.
        threads: How many threads share steps with enough work.
        machine: The processor; left out, the one this runs on.
        donated: For a result's number, the argument in whose memory it will lie. That memory is written into at the
            very end, and only when all assumptions held, so the arguments are whole wherever the program refuses.
    """
    check(program)
    builder = _Builder(scheduled(program), threads, machine or Machine.host())
    builder.donated = dict(donated or {})
    return builder.build()


class _Builder:
    """Builds one program; `prefix` sets apart the names of the programs inside it."""

    def __init__(
        self, schedule: Schedule, threads: int, machine: Machine, outer: _Builder | None = None, prefix: str = ""
    ) -> None:
        self.schedule, self.threads, self.machine, self.prefix = schedule, threads, machine, prefix
        self.program, self.stored = schedule.program, schedule.stored
        self.module: ir.Module = ir.Module("gatewise") if outer is None else outer.module
        self.constants: dict[str, Any] = {} if outer is None else outer.constants
        self.calls: list[tuple[str, Call]] = [] if outer is None else outer.calls
        self.functions: dict[Any, Any] = {} if outer is None else outer.functions
        self.shared = False
        self.steps: list[_Step] = []
        self.offsets: dict[Value, int] = {}
        self.outputs: dict[Value, int] = {}
        self.own_functions: list[Any] = []
        self.donated: dict[int, int] = {}
        self.handed: list[Place] = []
        self.arena_start: Any = None

    def build(self) -> Built:
        for number, output in enumerate(self.program.outputs):
            if output in self.stored and number not in self.donated:
                self.outputs.setdefault(output, number)
        for step in sliced(self.schedule, self.threads, self.machine):
            if isinstance(step, Loop) and not prod(step.domain) and not self._folds_nothing(step):
                continue
            self.steps.append(self._prepared(step))
        self._plan_memory()
        self._write_program()
        self.shared = self.shared or any(step.parts > 1 for step in self.steps)
        return Built(self.module, self.schedule, self.arena.bytes, self.constants, self.calls, self.shared, self.steps)

    def write_out_if_short(self) -> None:
        """Have a step of a loop that is a few numbers' work written out in the loop: a call would take as long."""
        loops = [step.nest for step in self.steps if step.nest is not None]
        if len(loops) < len(self.steps) or sum(max(prod(nest.extents), 1) for nest in loops) > SHORT:
            return
        functions = (self.function, *self.own_functions)
        if not any("noinline" in function.attributes for function in functions):
            for function in functions:
                function.attributes.add("alwaysinline")

    @staticmethod
    def _folds_nothing(loop: Loop) -> bool:
        return any(root.size for root in loop.roots if loop.target is None)

    # ------------------------------------------------------------------------------------------------------- planning

    def _prepared(self, step: Step | Slices) -> _Step:
        if isinstance(step, Slices):
            return self._prepared_slices(step)
        if isinstance(step, Loop):
            nest = nest_of(step, self.stored)
            reads = [item.address.base for item in nest.items if item.address]
            writes = [write.address.base for write in nest.writes]
            made = _Step(step, nest, reads, writes)
            divisible = not nest.sequential and nest.extents and nest.extents[0] >= 2 * self.threads
            divisible = divisible and not any(item.along == 0 for item in nest.items)
            if divisible and self.threads > 1 and work_of(step) >= SHARED_FROM:
                made.parts = self.threads
            return made
        value = step.value
        if isinstance(step, Again):
            return self._prepared_again(step)
        made = _Step(step, None, [base_of(operand, self.stored) for operand in value.operands], [value])
        if isinstance(value, Convolve):
            made.parts = self.threads if prod(value.shape) >= SHARED_FROM // 100 else 1
        if isinstance(value, Product):
            m, k, n = value.left.shape[-2], value.left.shape[-1], value.right.shape[-1]
            if self.threads > 1 and 2 * prod(value.shape[:-2]) * m * k * n >= 4 * SHARED_FROM:
                made.parts = self.threads
        return made

    def _prepared_slices(self, step: Slices) -> _Step:
        members = [_Step(m.step, m.nest, in_order(m.read), in_order(m.written)) for m in step.members]
        made = _Step(step, None, [], [], members=members)
        made.reads = [value for member in members for value in member.reads if value not in step.local]
        made.writes = [value for member in members for value in member.writes if value not in step.local]
        if self.threads > 1 and step.work() >= SHARED_FROM:
            made.parts = self.threads
        return made

    def _prepared_again(self, step: Again) -> _Step:
        """Build the programs inside a loop or branch, as functions of the same module."""
        value = step.value
        made = _Step(step, None, [base_of(operand, self.stored) for operand in value.operands], list(step.results))
        for number, program in enumerate((value.body, value.condition, value.otherwise)):
            if program is None:
                continue
            prefix = f"{self.prefix}inner_{value.number}_{number}_"
            inner = _Builder(scheduled(program), self.threads, self.machine, self, prefix)
            built = inner.build()
            inner.write_out_if_short()
            self.shared = self.shared or built.shared
            made.inner.append(_Inner(inner.function, built, program))
        return made

    def _plan_memory(self) -> None:
        first: dict[Value, int] = {}
        last: dict[Value, int] = {}
        for number, step in enumerate(self.steps):
            for value in (*step.reads, *step.writes):
                first.setdefault(value, number)
                last[value] = number
        for value in (*self.program.assumptions, *self.program.outputs):
            last[base_of(value, self.stored)] = len(self.steps)
        self.arena = _Arena()
        for number, step in enumerate(self.steps):
            for value in dict.fromkeys(step.writes):
                if first[value] == number and value not in self.outputs:
                    self.offsets[value] = self.arena.place(number, last[value], value.size * value.dtype.itemsize)
            if isinstance(step.step, Multiply):
                step.spec = self._spec(step)
                step.workspace = self._room(number, step, self._workspace_bytes(step))
            if isinstance(step.step, Slices):
                self._place_slices(number, step, step.step)
            if isinstance(step.step, Again):
                self._place_again(number, step)
            if step.parts > 1 and step.nest is not None:
                step.private = {}
                for write in step.nest.writes:
                    if write.function and 0 in write.reduced:
                        size = -(-write.root.size * write.root.dtype.itemsize // ALIGNED) * ALIGNED
                        step.private[write.root] = self.arena.place(number, number, size * step.parts)

    def _workspace_bytes(self, step: _Step) -> int:
        return int(self._kind(step).workspace_bytes(step.spec, self.machine))

    def _room(self, number: int, step: _Step, size: int) -> tuple[int, int]:
        """Room of so many bytes for each part of a step: where that of the first lies, and how far they are apart."""
        size = -(-size // ALIGNED) * ALIGNED
        return self.arena.place(number, number, size * step.parts), size

    def _place_slices(self, number: int, step: _Step, slices: Slices) -> None:
        """Room for a block of each value that is local to slices, for what they add to, and for copies of products."""
        for value in slices.local:
            size = value.size // slices.length * value.dtype.itemsize
            step.rooms[value] = self._room(number, step, slices.block * size)
        for member in step.members:
            if isinstance(member.step, Multiply):
                whole = self._spec(member)
                member.spec = slice_of(whole)[0] if whole.batch else in_slices(whole, slices.block, self.machine)
                member.workspace = self._room(number, step, self._workspace_bytes(member))
                if member.spec.accumulate:
                    value = member.step.value
                    step.rooms[value] = self._room(number, step, value.size * value.dtype.itemsize)

    def _place_again(self, number: int, step: _Step) -> None:
        """Room for the inner programs' arenas, for two places of every carry, and for results that nobody reads."""
        for inner in step.inner:
            inner.offset = self.arena.place(number, number, inner.arena_bytes)
        value = step.step.value  # type: ignore[union-attr]
        assert isinstance(value, Repeat)
        for output in value.body.outputs[: value.carries]:
            size = -(-output.size * output.dtype.itemsize // ALIGNED) * ALIGNED
            step.carried.append(self.arena.place(number, number, 2 * size))
        read = {result.place for result in step.step.results}  # type: ignore[union-attr]
        step.spare = {
            place: self.arena.place(number, number, output.size * output.dtype.itemsize)
            for place, output in enumerate(value.body.outputs)
            if place not in read and (place >= value.carries or value.otherwise is not None)
        }
        if value.condition is not None:
            step.spare[-1] = self.arena.place(number, number, 1)

    # -------------------------------------------------------------------------------------------------------- writing

    def _write_program(self) -> None:
        function = ir.Function(self.module, ir.FunctionType(I64, [POINTER]), f"{self.prefix}program")
        if self.prefix:
            function.linkage = "internal"
        self.function = function
        builder = ir.IRBuilder(function.append_basic_block("entry"))
        table = function.args[0]
        failures: list[Any] = []
        for number, step in enumerate(self.steps):
            if isinstance(step.step, Leave):
                failures.append(self._write_call(builder, table, step.step.value))
            elif isinstance(step.step, Again):
                failures.append(self._write_again(builder, table, step))
            elif step.parts == 1:
                body, places = self._step_function(number, step)
                builder.call(body, [self._places(builder, table, places), whole(0), whole(1)])
            else:
                body, places = self._step_function(number, step)
                if step.nest is not None:
                    self._fill_shared(builder, table, step)
                kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, I64])
                parallel = self.module.globals.get(PARALLEL) or ir.Function(self.module, kind, PARALLEL)
                builder.call(parallel, [body, self._places(builder, table, places), whole(step.parts)])
                if step.private:
                    self._join(builder, table, step)
            if isinstance(step.step, Slices):
                self._join_products(builder, table, step)
        many = len(self.program.inputs) + len(self.program.outputs) > MANY
        large = any(value is not None and value.size > LITTLE for value, _ in self.handed)
        if many or (large and len(self.handed) > MANY and not self.prefix):
            _leave_as_written(function)
        self._copy_outputs(builder, table)
        status: Any = whole(0)
        for failure in failures:
            status = builder.or_(status, failure)
        for assumption in self.program.assumptions:
            flag = builder.load(self._pointer(builder, table, assumption), typ=I8)
            status = builder.or_(status, builder.zext(flag, I64))
        if self.donated:
            with when(builder, builder.icmp_signed("==", status, whole(0))):
                self._copy_outputs(builder, table, donated=True)
        builder.ret(status)

    def _copy_outputs(self, builder: ir.IRBuilder, table: Any, donated: bool = False) -> None:
        """Results that stand elsewhere: arguments, constants, the same value a second time, and what is `donated`."""
        for number, output in enumerate(self.program.outputs):
            if self.outputs.get(output) == number or not output.size or (number in self.donated) is not donated:
                continue
            target = self._table_entry(builder, table, len(self.program.inputs) + number)
            source = self._pointer(builder, table, output)
            self._copy(builder, target, source, output.size * output.dtype.itemsize)

    def _copy(self, builder: ir.IRBuilder, target: Any, source: Any, size: int) -> None:
        kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, I64, ir.IntType(1)])
        name = "llvm.memcpy.p0.p0.i64"
        function = self.module.globals.get(name) or ir.Function(self.module, kind, name)
        builder.call(function, [target, source, whole(size), ir.Constant(ir.IntType(1), 0)])

    def _clear(self, builder: ir.IRBuilder, target: Any, size: int) -> None:
        kind = ir.FunctionType(ir.VoidType(), [POINTER, I8, I64, ir.IntType(1)])
        name = "llvm.memset.p0.i64"
        function = self.module.globals.get(name) or ir.Function(self.module, kind, name)
        builder.call(function, [target, ir.Constant(I8, 0), whole(size), ir.Constant(ir.IntType(1), 0)])

    def _table_entry(self, builder: ir.IRBuilder, table: Any, number: int) -> Any:
        place = builder.gep(table, [whole(number)], source_etype=POINTER) if number else table
        return builder.load(place, typ=POINTER)

    def _pointer(self, builder: ir.IRBuilder, table: Any, value: Value) -> Any:
        """The first entry of a value in memory."""
        if isinstance(value, Input):
            return self._table_entry(builder, table, value.position)
        if isinstance(value, Constant):
            return self._constant(value)
        if value in self.outputs:
            return self._table_entry(builder, table, len(self.program.inputs) + self.outputs[value])
        return self._arena_pointer(builder, table, self.offsets.get(value, 0))  # what has no entries lies nowhere

    def _arena_pointer(self, builder: ir.IRBuilder, table: Any, offset: int) -> Any:
        if self.arena_start is None:
            with builder.goto_entry_block():
                self.arena_start = self._table_entry(
                    builder, table, len(self.program.inputs) + len(self.program.outputs)
                )
        return builder.gep(self.arena_start, [whole(offset)], source_etype=I8) if offset else self.arena_start

    def _constant(self, value: Constant) -> Any:
        name = f"{self.prefix}constant_{value.number}"
        found = self.module.globals.get(name)
        if found is not None:
            return found
        array = np.ascontiguousarray(value.array)
        element = memory_type(value.dtype)
        variable = ir.GlobalVariable(self.module, ir.ArrayType(element, array.size), name)
        if array.size <= WRITTEN_OUT and value.dtype.kind != "c":
            number = float if value.dtype.kind == "f" else int
            numbers = [ir.Constant(element, number(n)) for n in array.ravel()]
            variable.initializer = ir.Constant(variable.value_type, numbers)
            variable.global_constant = True
            variable.linkage = "internal"
        else:
            self.constants[name] = array
        return variable

    def _places(self, builder: ir.IRBuilder, table: Any, places: list[Place]) -> Any:
        """A row of pointers for a step's function: to values, and to offsets in the arena."""
        with builder.goto_entry_block():
            row = builder.alloca(ir.ArrayType(POINTER, max(len(places), 1)))
        row.type = POINTER  # llvmlite gives it a type of its own; for LLVM pointers are all alike
        self.handed += places
        for number, place in enumerate(places):
            value, offset = place
            if value is None:
                pointer = self._arena_pointer(builder, table, offset)
            else:
                pointer = self._pointer(builder, table, value)
                if offset:
                    pointer = builder.gep(pointer, [whole(offset * value.dtype.itemsize)], source_etype=I8)
            self._set(builder, row, number, pointer)
        return row

    def _step_function(self, number: int, step: _Step) -> tuple[Any, list[Place]]:
        """The function of a step, and what it must be handed pointers to. Steps that are alike share one function."""
        if isinstance(step.step, Slices):
            return self._slices_function(number, step, step.step)
        signature, places = self._signature(step)
        function = self.functions.get(signature)
        if function is None:
            kind = ir.FunctionType(ir.VoidType(), [POINTER, I64, I64])
            function = ir.Function(self.module, kind, f"{self.prefix}step_{number}")
            self.functions[signature] = function
            self.own_functions.append(function)
            self._write_step(function, step, places)
            settle(function)
            if len(places) > MANY and all(value is None or value.size <= LITTLE for value, _ in places):
                _leave_as_written(function)
        return function, places

    def _signature(self, step: _Step) -> tuple[Any, list[Place]]:
        """What a step's code depends on, without the places of what it reads and writes, and these."""
        if step.nest is None:
            value = step.step.value  # type: ignore[union-attr]
            assert isinstance(value, Product | Convolve)
            assert step.workspace is not None
            addresses = [operand_address(operand, self.stored) for operand in (value.left, value.right, value)]
            signature: Any = (step.spec, step.parts)
            return signature, [*[(address.base, address.offset) for address in addresses], (None, step.workspace[0])]
        signature, places = step.nest.signature()
        private = step.private or {}
        kept = tuple(places.index((value, 0)) for value in private)
        return (signature, step.parts, kept), [*places, *[(None, offset) for offset in private.values()]]

    def _write_step(self, function: Any, step: _Step, places: list[Place]) -> None:
        function.linkage = "internal"
        function.attributes.add("nounwind")
        builder = ir.IRBuilder(function.append_basic_block("entry"))
        row, part, _ = function.args
        many = len(places) > MANY  # which are then loaded where they are used, as there are not so many registers
        pointers = [] if many else [self._table_entry(builder, row, number) for number in range(len(places))]
        begin = builder.append_basic_block("begin")
        builder.branch(begin)
        builder.position_at_end(begin)
        if step.nest is None:
            self._write_product(builder, part, step, pointers)
        else:
            numbers = {place: number for number, place in enumerate(places)}

            def pointer(value: Value | None, offset: int) -> Any:
                number = numbers.get((value, offset))
                if number is not None:
                    return self._table_entry(builder, row, number) if many else pointers[number]
                assert value is not None
                return builder.gep(pointer(value, 0), [whole(offset * value.dtype.itemsize)], source_etype=I8)

            private = {value: pointer(None, offset) for value, offset in (step.private or {}).items()}
            self._write_nest(builder, part, step, pointer, private)
        builder.ret_void()

    def _write_nest(
        self,
        builder: ir.IRBuilder,
        part: Any,
        step: _Step,
        pointer: Callable[[Value, int], Any],
        rooms: dict[Value, Any],
    ) -> None:
        nest = step.nest
        assert nest is not None
        private = {}
        for value, room in rooms.items():
            size = -(-value.size * value.dtype.itemsize // ALIGNED) * ALIGNED
            private[value] = builder.gep(room, [builder.mul(part, whole(size))], source_etype=I8)
        emitter = NestEmitter(builder, nest, pointer, self.machine.vector_bytes, private)
        for write in nest.writes:
            if emitter.folds_into_memory(write) and (step.parts == 1 or write.root in private):
                emitter.fill(write)
        length = nest.extents[0] if nest.extents else 1
        if step.parts == 1:
            emitter.emit(whole(0), whole(length))
            return
        grain = GRAIN if len(nest.extents) == 1 else 1
        share = -(-length // (step.parts * grain)) * grain
        start = builder.mul(part, whole(share))
        stop = builder.add(start, whole(share))
        start = builder.select(builder.icmp_signed("<", start, whole(length)), start, whole(length))
        stop = builder.select(builder.icmp_signed("<", stop, whole(length)), stop, whole(length))
        emitter.emit(start, stop)

    def _fill_shared(self, builder: ir.IRBuilder, table: Any, step: _Step) -> None:
        """Neutral entries for results that parts fold into memory, each into its own rows."""
        assert step.nest is not None
        private = step.private or {}

        def pointer(value: Value, _: int) -> Any:
            return self._pointer(builder, table, value)

        emitter = NestEmitter(builder, step.nest, pointer, self.machine.vector_bytes, {})
        for write in step.nest.writes:
            if emitter.folds_into_memory(write) and write.root not in private:
                emitter.fill(write)

    def _join(self, builder: ir.IRBuilder, table: Any, step: _Step) -> None:
        """Fold what each part has kept for itself, in the order of the parts."""
        assert step.nest is not None
        assert step.private is not None
        functions = {write.root: str(write.function) for write in step.nest.writes if write.function}
        for value, offset in step.private.items():
            size = -(-value.size * value.dtype.itemsize // ALIGNED) * ALIGNED
            rows = self._arena_pointer(builder, table, offset)
            target = self._pointer(builder, table, value)
            element = memory_type(value.dtype)
            with counted(builder, whole(0), whole(value.size)) as index:
                total: Any = None
                for part in range(step.parts):
                    row = builder.gep(rows, [whole(part * size)], source_etype=I8)
                    number = builder.load(builder.gep(row, [index], source_etype=element), typ=element)
                    if value.dtype.kind == "b":
                        number = builder.icmp_unsigned("!=", number, ir.Constant(I8, 0))
                    total = number if total is None else combined(builder, functions[value], value.dtype, total, number)
                if value.dtype.kind == "b":
                    total = builder.zext(total, I8)
                builder.store(total, builder.gep(target, [index], source_etype=element))

    def _join_products(self, builder: ir.IRBuilder, table: Any, step: _Step) -> None:
        """Add up what the parts' slices have added, each in its own room, and lay the rows one below the other."""
        for member in step.members:
            if member.nest is not None or not member.spec.accumulate:
                continue
            value, spec = member.writes[0], member.spec
            start, apart = step.rooms[value]
            rooms = [self._arena_pointer(builder, table, start + part * apart) for part in range(step.parts)]
            target, element = self._pointer(builder, table, value), memory_type(value.dtype)
            with counted(builder, whole(0), whole(spec.m)) as i, counted(builder, whole(0), whole(spec.n)) as j:
                place = builder.add(builder.mul(i, whole(spec.c[0])), builder.mul(j, whole(spec.c[1])))
                parts = [builder.load(builder.gep(room, [place], source_etype=element), typ=element) for room in rooms]
                place = builder.add(builder.mul(i, whole(spec.n)), j)
                builder.store(reduce(builder.fadd, parts), builder.gep(target, [place], source_etype=element))

    # ------------------------------------------------------------------------------------------------------- products

    @staticmethod
    def _kind(step: _Step) -> Any:
        """The module that writes products, or the one that writes convolutions."""
        return convolution if isinstance(step.step.value, Convolve) else product  # type: ignore[union-attr]

    def _spec(self, step: _Step) -> Any:
        value = step.step.value  # type: ignore[union-attr]
        if isinstance(value, Convolve):
            return replace(value.spec, threads=step.parts)
        assert isinstance(value, Product)
        return product_spec(value, self.stored, step.parts)

    def _write_product(self, builder: ir.IRBuilder, part: Any, step: _Step, pointers: list[Any]) -> None:
        assert step.workspace is not None
        spec, kind = step.spec, self._kind(step)
        write = kind.emit_convolution if kind is convolution else kind.emit_product
        function = write(self.module, spec, self.machine)
        settle(function)
        workspace = builder.gep(pointers[3], [builder.mul(part, whole(step.workspace[1]))], source_etype=I8)
        count = kind.units(spec, self.machine)
        begin, end = (
            builder.sdiv(builder.mul(p, whole(count)), whole(step.parts)) for p in (part, builder.add(part, whole(1)))
        )
        builder.call(function, [*pointers[:3], workspace, begin, end])

    # --------------------------------------------------------------------------------------------------------- slices

    def _slices_function(self, number: int, step: _Step, slices: Slices) -> tuple[Any, list[Place]]:
        """A function ``(row, part, parts)`` that runs a part's slices block by block through the functions of steps.

        A member's function is told where a block begins and ends, and finds values where they would lie if all of their
        slices stood in memory. Where only a block does, that is so far before its room that the block lies in it.
        """
        places: list[Place] = []
        members: list[tuple[Any, list[tuple[int, int, int, int]]]] = []
        first: list[Any] = []
        for index, member in enumerate(step.members):
            body, needed = self._member_function(f"{self.prefix}step_{number}_{index}", member, slices.length)
            members.append((body, [self._wire(step, slices, member, place, places) for place in needed]))
            first.append(self._before_slices(f"{self.prefix}step_{number}_{index}_before", member))
        kind = ir.FunctionType(ir.VoidType(), [POINTER, I64, I64])
        wired = tuple((body.name, tuple(wires)) for body, wires in members)
        signature = ("slices", slices.length, slices.block, slices.grain, wired)
        function = self.functions.get(signature)
        if function is None:
            function = ir.Function(self.module, kind, f"{self.prefix}step_{number}")
            self.functions[signature] = function
            self.own_functions.append(function)
            self._write_slices(function, slices, members, first, len(places))
            settle(function)
        return function, places

    def _wire(
        self, step: _Step, slices: Slices, member: _Step, place: Place, places: list[Place]
    ) -> tuple[int, int, int, int]:
        """Which of the group's pointers a member needs, and how many bytes further: in all, per part, and per slice."""
        value, offset = place
        apart = size = further = 0
        if value is None:
            assert member.workspace is not None
            apart = member.workspace[1]
        elif value in step.rooms:
            start, apart = step.rooms[value]
            place, further = (None, start), offset * value.dtype.itemsize
            size = value.size // slices.length * value.dtype.itemsize if value in slices.local else 0
        if place not in places:
            places.append(place)
        return places.index(place), further, apart, -size

    def _write_slices(
        self,
        function: Any,
        slices: Slices,
        members: list[tuple[Any, list[tuple[int, int, int, int]]]],
        before: list[Any],
        count: int,
    ) -> None:
        function.linkage = "internal"
        function.attributes.add("nounwind")
        builder = ir.IRBuilder(function.append_basic_block("entry"))
        row, part, parts = function.args
        pointers = [self._table_entry(builder, row, number) for number in range(count)]
        rows = [builder.alloca(ir.ArrayType(POINTER, len(wires))) for _, wires in members]
        grains = whole(-(-slices.length // slices.grain))
        first, last = (
            builder.mul(builder.sdiv(builder.mul(p, grains), parts), whole(slices.grain))
            for p in (part, builder.add(part, whole(1)))
        )
        last = builder.select(builder.icmp_signed("<", last, whole(slices.length)), last, whole(slices.length))

        def wire(inner: Any, wires: list[tuple[int, int, int, int]], begin: Any) -> None:
            inner.type = POINTER  # llvmlite gives it a type of its own; for LLVM pointers are all alike
            for number, (index, further, apart, size) in enumerate(wires):
                steps = builder.add(builder.mul(part, whole(apart)), builder.mul(begin, whole(size)))
                steps = builder.add(steps, whole(further))
                self._set(builder, inner, number, builder.gep(pointers[index], [steps], source_etype=I8))

        for (_, wires), inner, prepared in zip(members, rows, before, strict=True):
            if prepared is not None:
                wire(inner, wires, first)
                builder.call(prepared, [inner])
        with counted(builder, first, last, slices.block) as begin:
            end = builder.add(begin, whole(slices.block))
            end = builder.select(builder.icmp_signed("<", end, last), end, last)
            for (body, wires), inner in zip(members, rows, strict=True):
                wire(inner, wires, begin)
                builder.call(body, [inner, begin, end])
        builder.ret_void()

    def _before_slices(self, name: str, member: _Step) -> Any:
        """The function ``(row)`` that a part calls once, if a product needs copies or has zeros to add to."""
        if member.nest is not None:
            return None
        copies = product.emit_copies(self.module, member.spec, self.machine)
        if copies is None and not member.spec.accumulate:
            return None
        signature = ("before slices", member.spec)
        function = self.functions.get(signature)
        if function is None:
            function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), [POINTER]), name)
            function.linkage = "internal"
            function.attributes.add("nounwind")
            self.functions[signature] = function
            self.own_functions.append(function)
            builder = ir.IRBuilder(function.append_basic_block("entry"))
            b, c, workspace = (self._table_entry(builder, function.args[0], number) for number in (1, 2, 3))
            if copies is not None:
                settle(copies)
                builder.call(copies, [b, workspace])
            if member.spec.accumulate:
                self._clear(builder, c, member.writes[0].size * member.writes[0].dtype.itemsize)
            builder.ret_void()
            settle(function)
        return function

    def _member_function(self, name: str, member: _Step, length: int) -> tuple[Any, list[Place]]:
        """The function ``(row, begin, end)`` of a step, for the slices from `begin` up to `end`."""
        signature, places = self._signature(member)
        signature = ("slice", length, signature, member.spec and self._spec(member))
        function = self.functions.get(signature)
        if function is None:
            kind = ir.FunctionType(ir.VoidType(), [POINTER, I64, I64])
            function = ir.Function(self.module, kind, name)
            function.linkage = "internal"
            function.attributes.add("nounwind")
            self.functions[signature] = function
            self.own_functions.append(function)
            builder = ir.IRBuilder(function.append_basic_block("entry"))
            row, begin, end = function.args
            pointers = [self._table_entry(builder, row, number) for number in range(len(places))]
            if member.nest is None:
                self._write_slices_of_product(builder, member, pointers, begin, end)
            else:
                known = dict(zip(places, pointers, strict=True))
                emitter = NestEmitter(
                    *(builder, member.nest, lambda value, offset: known[value, offset], self.machine.vector_bytes, {}),
                    grain=1,
                )
                for write in member.nest.writes:
                    if emitter.folds_into_memory(write):
                        size = whole(write.root.size // length)
                        emitter.fill(write, builder.mul(begin, size), builder.mul(end, size))
                emitter.emit(begin, end)
            builder.ret_void()
            settle(function)
        return function, places

    def _write_slices_of_product(
        self, builder: ir.IRBuilder, member: _Step, pointers: list[Any], begin: Any, end: Any
    ) -> None:
        spec = member.spec
        function = product.emit_product(self.module, spec, self.machine)
        settle(function)
        if spec.along != "tiles":
            builder.call(function, [*pointers, begin, end])
            return
        _, apart = slice_of(self._spec(member))
        element = memory_type(np.dtype(spec.dtype))
        with counted(builder, begin, end) as index:
            operands = [
                builder.gep(pointer, [builder.mul(index, whole(stride))], source_etype=element)
                for pointer, stride in zip(pointers[:3], apart, strict=True)
            ]
            builder.call(function, [*operands, pointers[3], whole(0), whole(product.units(spec, self.machine))])

    # ---------------------------------------------------------------------------------------------- loops and branches

    def _write_again(self, builder: ir.IRBuilder, table: Any, step: _Step) -> Any:
        """A loop or a branch; gives 0, or 1 when an assumption inside did not hold."""
        value = step.step.value  # type: ignore[union-attr]
        assert isinstance(value, Repeat)
        results: dict[int, Any] = {
            result.place: self._pointer(builder, table, result)
            for result in step.step.results  # type: ignore[union-attr]
        }
        operands = [self._pointer(builder, table, base_of(part, self.stored)) for part in value.parts]
        with builder.goto_entry_block():
            status = builder.alloca(I64)
        builder.store(whole(0), status)
        if value.otherwise is not None:
            self._write_branch(builder, table, step, operands, results, status)
        else:
            self._write_loop(builder, table, step, operands, results, status)
        return builder.load(status, typ=I64)

    def _inner_table(self, builder: ir.IRBuilder, table: Any, inner: _Inner) -> Any:
        """The table of pointers of an inner program, with its arena in place."""
        size = len(inner.program.inputs) + len(inner.program.outputs) + 1
        with builder.goto_entry_block():
            made = builder.alloca(ir.ArrayType(POINTER, size))
        made.type = POINTER  # llvmlite gives it a type of its own; for LLVM pointers are all alike
        self._set(builder, made, size - 1, self._arena_pointer(builder, table, inner.offset))
        return made

    @staticmethod
    def _set(builder: ir.IRBuilder, table: Any, number: int, pointer: Any) -> None:
        builder.store(pointer, builder.gep(table, [whole(number)], source_etype=POINTER) if number else table)

    @staticmethod
    def _run(builder: ir.IRBuilder, inner: _Inner, table: Any, status: Any) -> None:
        answer = builder.call(inner.function, [table])
        builder.store(builder.or_(builder.load(status, typ=I64), answer), status)

    def _write_branch(
        self, builder: ir.IRBuilder, table: Any, step: _Step, operands: list[Any], results: dict[int, Any], status: Any
    ) -> None:
        places = dict(results)
        for place, offset in step.spare.items():
            places[place] = self._arena_pointer(builder, table, offset)
        chosen = builder.icmp_unsigned("!=", builder.load(operands[0], typ=I8), ir.Constant(I8, 0))
        for inner, condition in zip(step.inner, (chosen, builder.not_(chosen)), strict=True):
            with when(builder, condition):
                inside = self._inner_table(builder, table, inner)
                for number, pointer in enumerate(operands[1:]):
                    self._set(builder, inside, number, pointer)
                for place in range(len(inner.program.outputs)):
                    self._set(builder, inside, len(inner.program.inputs) + place, places[place])
                self._run(builder, inner, inside, status)

    def _write_loop(
        self, builder: ir.IRBuilder, table: Any, step: _Step, operands: list[Any], results: dict[int, Any], status: Any
    ) -> None:
        """Carries change places between two rooms each: a step reads from one and writes into the other."""
        value = step.step.value  # type: ignore[union-attr]
        assert isinstance(value, Repeat)
        body, n, first = value.body, value.carries, value.carries + value.scanned
        sizes = [-(-o.size * o.dtype.itemsize // ALIGNED) * ALIGNED for o in body.outputs[:n]]
        rooms = [self._arena_pointer(builder, table, offset) for offset in step.carried]
        for room, pointer, output in zip(rooms, operands[:n], body.outputs[:n], strict=True):
            self._copy(builder, room, pointer, output.size * output.dtype.itemsize)
        inside = self._inner_table(builder, table, step.inner[0])
        inputs = len(body.inputs)
        for number in range(first, inputs):
            self._set(builder, inside, number, operands[number])
        for place, offset in step.spare.items():
            if place >= 0:
                self._set(builder, inside, inputs + place, self._arena_pointer(builder, table, offset))
        with builder.goto_entry_block():
            side = builder.alloca(I64)
        builder.store(whole(0), side)

        def take_step(index: Any) -> None:
            now = builder.load(side, typ=I64)
            other = builder.sub(whole(1), now)
            for number, (room, size) in enumerate(zip(rooms, sizes, strict=True)):
                for place, which in ((number, now), (inputs + number, other)):
                    pointer = builder.gep(room, [builder.mul(which, whole(size))], source_etype=I8)
                    self._set(builder, inside, place, pointer)
            for number in range(n, first):
                stride = body.inputs[number].size * body.inputs[number].dtype.itemsize
                pointer = builder.gep(operands[number], [builder.mul(index, whole(stride))], source_etype=I8)
                self._set(builder, inside, number, pointer)
            for place in range(n, len(body.outputs)):
                if place in results:
                    stride = body.outputs[place].size * body.outputs[place].dtype.itemsize
                    pointer = builder.gep(results[place], [builder.mul(index, whole(stride))], source_etype=I8)
                    self._set(builder, inside, inputs + place, pointer)
            self._run(builder, step.inner[0], inside, status)
            builder.store(other, side)

        if value.condition is None:
            with counted(builder, whole(0), whole(value.length)) as index:
                take_step(builder.sub(whole(value.length - 1), index) if value.reverse else index)
        else:
            self._while(builder, table, step, rooms, sizes, operands[first:], side, status, take_step)
        now = builder.load(side, typ=I64)
        for place, (room, size) in enumerate(zip(rooms, sizes, strict=True)):
            if place in results:
                pointer = builder.gep(room, [builder.mul(now, whole(size))], source_etype=I8)
                output = body.outputs[place]
                self._copy(builder, results[place], pointer, output.size * output.dtype.itemsize)

    def _while(
        self,
        builder: ir.IRBuilder,
        table: Any,
        step: _Step,
        rooms: list[Any],
        sizes: list[int],
        shared: list[Any],
        side: Any,
        status: Any,
        take_step: Callable[[Any], None],
    ) -> None:
        condition = step.inner[1]
        asked = self._inner_table(builder, table, condition)
        holds = self._arena_pointer(builder, table, step.spare[-1])
        self._set(builder, asked, len(condition.program.inputs), holds)
        for number, pointer in enumerate(shared):
            self._set(builder, asked, len(rooms) + number, pointer)
        head, body, after = (builder.append_basic_block(name) for name in ("asked", "again", "over"))
        builder.branch(head)
        builder.position_at_end(head)
        now = builder.load(side, typ=I64)
        for number, (room, size) in enumerate(zip(rooms, sizes, strict=True)):
            pointer = builder.gep(room, [builder.mul(now, whole(size))], source_etype=I8)
            self._set(builder, asked, number, pointer)
        self._run(builder, condition, asked, status)
        # An assumption that does not hold ends the loop: the result will not be used.
        good = builder.icmp_signed("==", builder.load(status, typ=I64), whole(0))
        goes_on = builder.icmp_unsigned("!=", builder.load(holds, typ=I8), ir.Constant(I8, 0))
        builder.cbranch(builder.and_(good, goes_on), body, after)
        builder.position_at_end(body)
        take_step(whole(0))
        builder.branch(head)
        builder.position_at_end(after)

    # --------------------------------------------------------------------------------------------- gates left to Python

    def _write_call(self, builder: ir.IRBuilder, table: Any, call: Call) -> Any:
        """Call back into Python; gives 0, or 1 when the gate refused its operands."""
        name = f"{self.prefix}call_{call.number}"
        self.calls.append((name, call))
        count = len(call.parts) + 1
        function = ir.Function(self.module, ir.FunctionType(I64, [POINTER] * count), name)
        operands = [self._pointer(builder, table, value) for value in (*call.parts, call)]
        return builder.call(function, operands)


__all__ = ["Built", "build", "reachable"]


def _leave_as_written(function: Any) -> None:
    function.attributes.add("noinline")
    function.attributes.add("optnone")
