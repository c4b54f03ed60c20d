"""Scalar functions as LLVM instructions, with NumPy's rules: dtypes, casts, comparisons, integers, NaN.

Everything works on single numbers and on vectors alike. Transcendental functions are `mathematics`'. What is stored as
float16 is computed in float32, and every result rounded, as NumPy does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir

from gatewise.native import mathematics
from gatewise.native.vectors import lanes_of, splatted, undefined, vector_of, zeros

I1 = ir.IntType(1)
_FLOATS: dict[str, Any] = {"float16": ir.HalfType(), "float32": ir.FloatType(), "float64": ir.DoubleType()}
_HALF, _SINGLE = np.dtype(np.float16), np.dtype(np.float32)

_COMPARISONS = {
    "equal": "==",
    "not_equal": "!=",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
}


def scalar_type(dtype: np.dtype[Any]) -> Any:
    """The LLVM type of a number in a register; a boolean is one bit there."""
    if dtype.kind == "b":
        return I1
    return _FLOATS[dtype.name] if dtype.kind == "f" else ir.IntType(8 * dtype.itemsize)


def memory_type(dtype: np.dtype[Any]) -> Any:
    """The LLVM type of an entry in memory; a boolean is a byte there."""
    return ir.IntType(8) if dtype.kind == "b" else scalar_type(dtype)


def widened(element: Any, lanes: int) -> Any:
    """A vector type, or for a single lane the type itself."""
    return element if lanes == 1 else vector_of(element, lanes)


def literal(number: Any, dtype: np.dtype[Any], lanes: int = 1) -> ir.Constant:
    """A known number in every lane."""
    element = scalar_type(dtype)
    if dtype.kind == "f":
        one = ir.Constant(element, float(dtype.type(number)))
    else:
        one = ir.Constant(element, int(number))
    return one if lanes == 1 else splatted(one, lanes)


def splat(builder: ir.IRBuilder, number: Any, lanes: int) -> Any:
    """One number in every lane."""
    if lanes == 1:
        return number
    if isinstance(number, ir.Constant):
        return splatted(number, lanes)
    nothing = undefined(vector_of(number.type, lanes))
    first = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, nothing, lanes_of([0] * lanes))


def emit(
    builder: ir.IRBuilder, function: str, dtype: np.dtype[Any], kinds: tuple[np.dtype[Any], ...], *operands: Any
) -> Any:
    """``function(*operands)``, where `kinds` are the operands' dtypes and `dtype` the result's."""
    kind = kinds[0].kind
    if function == "cast":
        return cast(builder, operands[0], kinds[0], dtype)
    if function == "where":
        return builder.select(*operands)
    if _HALF in kinds:
        wide = [
            cast(builder, x, known, _SINGLE) if known == _HALF else x for x, known in zip(operands, kinds, strict=True)
        ]
        single = tuple(_SINGLE if known == _HALF else known for known in kinds)
        number = emit(builder, function, _SINGLE if dtype == _HALF else dtype, single, *wide)
        return cast(builder, number, _SINGLE, dtype) if dtype == _HALF else number
    if function in _COMPARISONS:
        return _compare(builder, function, kind, *operands)
    if function.startswith("logical"):
        return _logical(builder, function, *operands)
    if kind == "f":
        return _floating(builder, function, *operands)
    return _integer(builder, function, kinds[0], *operands)


def _compare(builder: ir.IRBuilder, function: str, kind: str, x: Any, y: Any) -> Any:
    relation = _COMPARISONS[function]
    if kind == "f":
        return (builder.fcmp_unordered if relation == "!=" else builder.fcmp_ordered)(relation, x, y)
    return (builder.icmp_signed if kind == "i" else builder.icmp_unsigned)(relation, x, y)


def _logical(builder: ir.IRBuilder, function: str, x: Any, y: Any = None) -> Any:
    if function == "logical_not":
        return builder.not_(x)
    return {"logical_and": builder.and_, "logical_or": builder.or_, "logical_xor": builder.xor}[function](x, y)


def _floating(builder: ir.IRBuilder, function: str, *operands: Any) -> Any:
    match function:
        case "add":
            return builder.fadd(*operands)
        case "subtract":
            return builder.fsub(*operands)
        case "multiply":
            return builder.fmul(*operands)
        case "divide":
            return builder.fdiv(*operands)
        case "negative":
            return builder.fneg(*operands)
        case "square":
            return builder.fmul(operands[0], operands[0])
        case "isnan":
            return builder.fcmp_unordered("uno", operands[0], operands[0])
        case _:
            return mathematics.emit(function, builder, *operands)


def _integer(builder: ir.IRBuilder, function: str, kind: np.dtype[Any], *operands: Any) -> Any:
    signed = kind.kind == "i"
    x = operands[0]
    zero = zeros(x.type)
    match function:
        case "add":
            return builder.add(*operands)
        case "subtract":
            return builder.sub(*operands)
        case "multiply":
            return builder.mul(*operands)
        case "square":
            return builder.mul(x, x)
        case "negative":
            return builder.sub(zero, x)
        case "bitwise_and":
            return builder.and_(*operands)
        case "bitwise_or":
            return builder.or_(*operands)
        case "bitwise_xor":
            return builder.xor(*operands)
        case "bitwise_invert":
            return builder.not_(x)
        case "maximum" | "minimum":
            relation = ">" if function == "maximum" else "<"
            test = (builder.icmp_signed if signed else builder.icmp_unsigned)(relation, *operands)
            return builder.select(test, *operands)
        case "abs":
            return builder.select(builder.icmp_signed("<", x, zero), builder.sub(zero, x), x) if signed else x
        case "sign":
            return _integer_sign(builder, x, signed)
        case "floor" | "ceil" | "round" | "trunc":
            return x
        case "isnan" | "isinf":
            return zeros(_booleans(x))
        case "isfinite":
            return builder.not_(zeros(_booleans(x)))
        case "signbit":
            return builder.icmp_signed("<", x, zero) if signed else zeros(_booleans(x))
        case _:
            return mathematics.emit(function if signed else f"unsigned_{function}", builder, *operands)


def _booleans(x: Any) -> Any:
    return vector_of(I1, x.type.count) if isinstance(x.type, ir.VectorType) else I1


def _integer_sign(builder: ir.IRBuilder, x: Any, signed: bool) -> Any:
    zero = zeros(x.type)
    positive = builder.zext((builder.icmp_signed if signed else builder.icmp_unsigned)(">", x, zero), x.type)
    if not signed:
        return positive
    return builder.sub(positive, builder.zext(builder.icmp_signed("<", x, zero), x.type))


def cast(builder: ir.IRBuilder, x: Any, source: np.dtype[Any], target: np.dtype[Any]) -> Any:
    """x in another dtype, as NumPy's astype gives it for numbers that fit."""
    lanes = x.type.count if isinstance(x.type, ir.VectorType) else 1
    goal = widened(scalar_type(target), lanes)
    if source == target:
        return x
    if target == _HALF and source.itemsize == 8 and source.kind == "f":
        return builder.fptrunc(_rounded_to_odd(builder, x, lanes), goal)
    if _HALF in (source, target) and _SINGLE not in (source, target):  # as NumPy does, by way of float32
        return cast(builder, cast(builder, x, source, _SINGLE), _SINGLE, target)
    if target.kind == "b":
        zero = zeros(x.type)
        return builder.fcmp_unordered("!=", x, zero) if source.kind == "f" else builder.icmp_signed("!=", x, zero)
    if source.kind == "f":
        if target.kind == "f":
            return (builder.fpext if target.itemsize > source.itemsize else builder.fptrunc)(x, goal)
        return _saturating(builder, x, source, target, goal)
    if target.kind == "f":
        return (builder.sitofp if source.kind == "i" else builder.uitofp)(x, goal)
    if target.itemsize < source.itemsize:
        return builder.trunc(x, goal)
    if target.itemsize == source.itemsize and source.kind != "b":
        return x
    return (builder.sext if source.kind == "i" else builder.zext)(x, goal)


def _rounded_to_odd(builder: ir.IRBuilder, x: Any, lanes: int) -> Any:
    """A double as a float, of the two next to it that with an odd last bit: to round that again is to round once."""
    single, double = (widened(_FLOATS[name], lanes) for name in ("float32", "float64"))
    whole = widened(ir.IntType(32), lanes)
    near = builder.fptrunc(x, single)
    back = builder.fpext(near, double)
    zero = zeros(double)
    below = builder.fcmp_ordered("<", x, zero)
    beyond = builder.select(below, builder.fcmp_ordered("<", back, x), builder.fcmp_ordered(">", back, x))
    inexact = builder.fcmp_ordered("!=", back, x)
    bits = builder.sub(builder.bitcast(near, whole), builder.zext(beyond, whole))
    return builder.bitcast(builder.or_(bits, builder.zext(inexact, whole)), single)


def _saturating(builder: ir.IRBuilder, x: Any, source: np.dtype[Any], target: np.dtype[Any], goal: Any) -> Any:
    """A float cut to an integer, without undefined results: through int64, which holds every smaller integer."""
    lanes = x.type.count if isinstance(x.type, ir.VectorType) else 1
    wide = widened(ir.IntType(64), lanes)
    name = ("u" if target == np.uint64 else "s") + "i"
    suffix = f"v{lanes}" if lanes > 1 else ""
    float_name = f"{suffix}f{8 * source.itemsize}"
    intrinsic = f"llvm.fpto{name}.sat.{suffix}i64.{float_name}"
    module = builder.module
    function = module.globals.get(intrinsic) or ir.Function(module, ir.FunctionType(wide, [x.type]), intrinsic)
    whole = builder.call(function, [x])
    return whole if target.itemsize == 8 else builder.trunc(whole, goal)
