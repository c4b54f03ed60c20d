"""Vector types and known vectors in LLVM's language, each in its shortest form and made once.

llvmlite writes out every lane of a known vector and makes a text of it wherever it occurs; of a program with many
vectors that would be most of the text, and most of the time to write it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

from llvmlite import ir

I32, I64 = ir.IntType(32), ir.IntType(64)


class Spelled(ir.Constant):  # type: ignore[misc]  # llvmlite has no types
    """A constant whose text is known; of a vector, `entry` is what each lane holds, for those of llvmlite who look."""

    def __init__(self, kind: ir.Type, text: str, entry: Any = ir.Undefined) -> None:
        self.type = kind
        self.constant = [entry] * kind.count if isinstance(kind, ir.VectorType) else entry
        self.text = text

    def _get_reference(self) -> str:
        return self.text


@lru_cache(maxsize=4096)
def whole(number: int) -> ir.Constant:
    """A known index.

    >>> str(whole(3))
    'i64 3'
    """
    return ir.Constant(I64, number)


@cache
def vector_of(element: ir.Type, lanes: int) -> ir.VectorType:
    """The type of so many lanes.

    >>> str(vector_of(ir.FloatType(), 8))
    '<8 x float>'
    """
    return ir.VectorType(element, lanes)


@lru_cache(maxsize=4096)
def splatted(scalar: ir.Constant, lanes: int) -> ir.Constant:
    """A known number in every lane.

    >>> str(splatted(ir.Constant(ir.IntType(32), 7), 4))
    '<4 x i32> splat (i32 7)'
    """
    return Spelled(vector_of(scalar.type, lanes), f"splat ({scalar})", scalar)


@cache
def zeros(kind: ir.Type) -> ir.Constant:
    """Zero, or zeros in all lanes.

    >>> str(zeros(vector_of(ir.DoubleType(), 2))), str(zeros(ir.DoubleType()))
    ('<2 x double> zeroinitializer', 'double 0.0')
    """
    if not isinstance(kind, ir.VectorType):
        return ir.Constant(kind, None)
    number = None if isinstance(kind.element, ir.PointerType) else 0
    return Spelled(kind, "zeroinitializer", ir.Constant(kind.element, number))


@cache
def undefined(kind: ir.Type) -> ir.Constant:
    """What may be any number.

    >>> str(undefined(vector_of(ir.IntType(8), 2)))
    '<2 x i8> undef'
    """
    return Spelled(kind, "undef")


def integers(element: ir.Type, numbers: Sequence[int]) -> ir.Constant:
    """A vector of known integers.

    >>> str(integers(ir.IntType(32), range(2)))
    '<2 x i32> <i32 0, i32 1>'
    """
    return _integers(element, tuple(numbers))


@lru_cache(maxsize=4096)
def _integers(element: ir.Type, numbers: tuple[int, ...]) -> ir.Constant:
    if not any(numbers):
        return zeros(vector_of(element, len(numbers)))
    return ir.Constant(vector_of(element, len(numbers)), list(numbers))


def lanes_of(numbers: Sequence[int]) -> ir.Constant:
    """The lanes that a shuffle takes.

    >>> str(lanes_of([1, 0])), str(lanes_of([0, 0]))
    ('<2 x i32> <i32 1, i32 0>', '<2 x i32> zeroinitializer')
    """
    return integers(I32, numbers)


__all__ = ["Spelled", "integers", "lanes_of", "splatted", "undefined", "vector_of", "whole", "zeros"]
