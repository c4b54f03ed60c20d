"""Matrix products entry by entry, for integers and booleans, which `product` has no vectors for."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from gatewise.errors import UnsupportedError
from gatewise.native.blocking import ProductSpec
from gatewise.native.tile import Index, Loops, Register


def stored_as(dtype: str) -> Any:
    """The type of an entry of a dtype."""
    if dtype == "bool":
        return ir.IntType(8)
    if dtype.removeprefix("u").startswith("int"):
        return ir.IntType(int(dtype.removeprefix("u").removeprefix("int")))
    raise UnsupportedError(f"matrix product: native code has no arithmetic for {dtype}; convert the operands first")


class PlainWriter:
    """Writes three nested loops; units are rows of the result, one index of the batch after the other."""

    def __init__(self, builder: ir.IRBuilder, spec: ProductSpec):
        self.spec = spec
        self.code = Loops(builder, stored_as(spec.dtype))

    def write(self, function: ir.Function) -> None:
        """The rows from `begin` to `end`."""
        a, b, c, _, begin, end = function.args
        code, spec = self.code, self.spec
        if not spec.m:
            return

        def row(unit: Index, _: list[Register]) -> None:
            i, index = code.remainder(unit, spec.m), code.divide(unit, spec.m)
            steps = code.offsets(index, spec.batch, (spec.a_batch, spec.b_batch, spec.c_batch))
            left, right, result = (code.at(pointer, step) for pointer, step in zip((a, b, c), steps, strict=True))
            left, result = code.at(left, code.multiply(i, spec.a[0])), code.at(result, code.multiply(i, spec.c[0]))

            def column(j: Index, _: list[Register]) -> None:
                top, place = code.at(right, code.multiply(j, spec.b[1])), code.at(result, code.multiply(j, spec.c[1]))
                start = self._load(place) if spec.accumulate else ir.Constant(code.element, 0)

                def step(k: Index, sums: list[Register]) -> list[Register]:
                    x = self._load(code.at(left, code.multiply(k, spec.a[1])))
                    return [self._multiply_add(x, self._load(code.at(top, code.multiply(k, spec.b[0]))), *sums)]

                (total,) = code.loop(0, spec.k, 1, step, [start])
                code.builder.store(total, place, align=1)

            code.loop(0, spec.n, 1, column)

        code.loop(begin, end, 1, row)

    def _load(self, pointer: Register) -> Register:
        return self.code.builder.load(pointer, typ=self.code.element, align=1)

    def _multiply_add(self, x: Register, y: Register, total: Register) -> Register:
        """x * y + total."""
        builder = self.code.builder
        if self.spec.dtype == "bool":
            return builder.or_(builder.and_(x, y), total)
        return builder.add(builder.mul(x, y), total)
