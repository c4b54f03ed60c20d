"""Matrix products entry by entry, for the dtypes that `product` has no vectors for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from gatewise.errors import UnsupportedError
from gatewise.native.blocking import ProductSpec
from gatewise.native.tile import Index, Loops, Register

Parts = list[Register]


@dataclass(frozen=True)
class Entry:
    """How one entry is stored and summed: a number is the list of its `parts`, of which complex numbers have two."""

    kind: str  # "integer", "bool", "half" or "complex"
    stored: Any
    part: Any
    parts: int = 1


def entry_of(dtype: str) -> Entry:
    """The arithmetic of a dtype."""
    if dtype == "bool":
        return Entry("bool", ir.IntType(8), ir.IntType(8))
    if dtype.removeprefix("u").startswith("int"):
        number = ir.IntType(int(dtype.removeprefix("u").removeprefix("int")))
        return Entry("integer", number, number)
    if dtype == "float16":
        return Entry("half", ir.HalfType(), ir.FloatType())
    if dtype in ("complex64", "complex128"):
        part = ir.FloatType() if dtype == "complex64" else ir.DoubleType()
        return Entry("complex", ir.ArrayType(part, 2), part, 2)
    raise UnsupportedError(f"matrix product: native code has no arithmetic for {dtype}; convert the operands first")


class PlainWriter:
    """Writes three nested loops; units are rows of the result, one index of the batch after the other."""

    def __init__(self, builder: ir.IRBuilder, spec: ProductSpec):
        self.spec = spec
        self.entry = entry_of(spec.dtype)
        self.code = Loops(builder, self.entry.stored)

    def write(self, function: ir.Function) -> None:
        """The rows from `begin` to `end`."""
        a, b, c, _, begin, end = function.args
        code, spec = self.code, self.spec
        if not spec.m:
            return

        def row(unit: Index, _: Parts) -> None:
            i, index = code.remainder(unit, spec.m), code.divide(unit, spec.m)
            steps = code.offsets(index, spec.batch, (spec.a_batch, spec.b_batch, spec.c_batch))
            left, right, result = (code.at(pointer, step) for pointer, step in zip((a, b, c), steps, strict=True))
            left, result = code.at(left, code.multiply(i, spec.a[0])), code.at(result, code.multiply(i, spec.c[0]))

            def column(j: Index, _: Parts) -> None:
                top, place = code.at(right, code.multiply(j, spec.b[1])), code.at(result, code.multiply(j, spec.c[1]))
                start = self._load(place) if spec.accumulate else [ir.Constant(self.entry.part, 0)] * self.entry.parts

                def step(k: Index, sums: Parts) -> Parts:
                    x = self._load(code.at(left, code.multiply(k, spec.a[1])))
                    return self._multiply_add(x, self._load(code.at(top, code.multiply(k, spec.b[0]))), sums)

                self._store(code.loop(0, spec.k, 1, step, start), place)

            code.loop(0, spec.n, 1, column)

        code.loop(begin, end, 1, row)

    def _load(self, pointer: Register) -> Parts:
        builder, entry = self.code.builder, self.entry
        value = builder.load(pointer, typ=entry.stored, align=1)
        if entry.kind == "complex":
            return [builder.extract_value(value, part) for part in range(2)]
        return [builder.fpext(value, entry.part)] if entry.kind == "half" else [value]

    def _store(self, parts: Parts, pointer: Register) -> None:
        builder, entry = self.code.builder, self.entry
        value = parts[0]
        if entry.kind == "complex":
            value = ir.Constant(entry.stored, ir.Undefined)
            for i, part in enumerate(parts):
                value = builder.insert_value(value, part, i)
        elif entry.kind == "half":
            value = builder.fptrunc(value, entry.stored)
        builder.store(value, pointer, align=1)

    def _multiply_add(self, x: Parts, y: Parts, sums: Parts) -> Parts:
        """x * y + sums."""
        builder, kind = self.code.builder, self.entry.kind
        if kind == "bool":
            return [builder.or_(builder.and_(x[0], y[0]), sums[0])]
        if kind == "integer":
            return [builder.add(builder.mul(x[0], y[0]), sums[0])]
        if kind == "half":
            return [builder.fadd(builder.fmul(x[0], y[0]), sums[0])]
        real = builder.fsub(builder.fmul(x[0], y[0]), builder.fmul(x[1], y[1]))
        imaginary = builder.fadd(builder.fmul(x[0], y[1]), builder.fmul(x[1], y[0]))
        return [builder.fadd(real, sums[0]), builder.fadd(imaginary, sums[1])]
