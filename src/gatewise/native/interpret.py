"""The slow interpreter: what every kind of value means, in NumPy. The compiled program must agree with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise.native.values import (
    Accumulate,
    Assemble,
    AxisMap,
    Call,
    Constant,
    Convolve,
    Gather,
    Input,
    Iota,
    Map,
    Product,
    Program,
    Reduce,
    Repeat,
    Reshape,
    Result,
    Scatter,
    Shape,
    Value,
    View,
    as_inside,
    as_outside,
    of_numpy_or_scipy,
)

_NUMPY = {
    "abs": np.abs,
    "sigmoid": lambda x: np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), 1 - 1 / (1 + np.exp(-np.abs(x)))),
}


def interpret(program: Program, arguments: Sequence[Any]) -> tuple[list[Any], list[bool]]:
    """The results, and the assumptions, of a program for these arguments."""
    given = [as_inside(argument, spec.dtype) for argument, spec in zip(arguments, program.arguments, strict=True)]
    outputs, assumptions = _interpreted(program, given)
    return [as_outside(output, spec.dtype) for output, spec in zip(outputs, program.results, strict=True)], assumptions


def _interpreted(program: Program, arguments: Sequence[Any]) -> tuple[list[Any], list[bool]]:
    """The same, as things lie in memory."""
    known: dict[Value, Any] = {}
    repeated: dict[Value, list[Any]] = {}
    with np.errstate(all="ignore"):
        for value in program.values():
            if isinstance(value, Repeat):
                repeated[value] = _repeat(value, [known[operand] for operand in value.operands])
            operands = [known[operand] for operand in value.operands]
            given = repeated[value.source] if isinstance(value, Result) else arguments
            known[value] = np.asarray(_value(value, operands, given))
            assert known[value].shape == value.shape, f"{value} came out with shape {known[value].shape}"
            assert known[value].dtype == value.dtype, f"{value} came out with dtype {known[value].dtype}"
    return [known[output] for output in program.outputs], [bool(known[a]) for a in program.assumptions]


def _value(value: Value, operands: list[Any], arguments: Sequence[Any]) -> Any:
    match value:
        case Input():
            return np.asarray(arguments[value.position], value.dtype)
        case Constant():
            return value.array
        case Iota():
            return np.broadcast_to(_axis(value.shape, value.axis), value.shape)
        case Map(function="cast"):
            return operands[0].astype(value.dtype)
        case Map():
            function: Any = _NUMPY.get(value.function) or of_numpy_or_scipy(value.function)
            return np.asarray(function(*operands)).astype(value.dtype)
        case View():
            return np.broadcast_to(operands[0][_key(value.axes, value.shape, ())], value.shape)
        case Reshape():
            return operands[0].reshape(value.shape)
        case Reduce():
            return np.asarray(getattr(np, value.function)(operands[0], axis=value.axes)).astype(value.dtype)
        case Accumulate():
            return _accumulated(value, operands)
        case Product():
            return operands[0] @ operands[1]
        case Convolve():
            return value.gate.forward(np, *operands)
        case Gather():
            return operands[0][_key(value.axes, value.shape, operands[1:])]
        case Assemble():
            out = operands[0].copy()
            for piece, places in zip(operands[1:], value.places, strict=True):
                out[_key(places, piece.shape, ())] = piece
            return out
        case Scatter():
            out = operands[0].copy()
            key = _key(value.axes, operands[1].shape, operands[2:])
            if value.added:
                np.add.at(out, key, operands[1])
            else:
                out[key] = operands[1]
            return out
        case Repeat():
            return np.zeros((0,), bool)
        case Result():
            return arguments[value.place]
        case Call():
            return as_inside(value.run(operands), value.dtypes[-1])
    raise AssertionError(f"no meaning for {value}")


def _accumulated(value: Accumulate, operands: list[Any]) -> Any:
    """Running totals, one entry after the other."""
    out, *factors = (np.moveaxis(operand, value.axis, 0).copy() for operand in operands)
    for i in range(1, len(out)):
        if value.function == "linear":
            out[i] += factors[0][i] * out[i - 1]
        else:
            out[i] = out[i - 1] * out[i] if value.function == "prod" else out[i - 1] + out[i]
    return np.moveaxis(out, 0, value.axis)


def _repeat(value: Repeat, operands: list[Any]) -> list[Any]:
    """The results of a loop or a branch."""
    if value.otherwise is not None:
        return _interpreted(value.body if operands[0] else value.otherwise, operands[1:])[0]
    n, first = value.carries, value.carries + value.scanned
    carry, sliced, shared = operands[:n], operands[n:first], operands[first:]
    stacked: list[list[Any]] = []
    steps = range(value.length)
    for step in reversed(steps) if value.reverse else steps:
        results = _interpreted(value.body, [*carry, *[x[step] for x in sliced], *shared])[0]
        carry = results[:n]
        stacked.append(results[n:])
    while value.condition is not None and _interpreted(value.condition, [*carry, *shared])[0][0]:
        carry = _interpreted(value.body, [*carry, *shared])[0][:n]
    columns = [
        np.asarray([row[i] for row in (stacked[::-1] if value.reverse else stacked)], output.dtype).reshape(
            (value.length, *output.shape)
        )
        for i, output in enumerate(value.body.outputs[n:])
    ]
    return [*carry, *columns]


def _axis(shape: Shape, axis: int) -> Any:
    """The index along an axis, in an array that broadcasts to `shape`."""
    return np.arange(shape[axis]).reshape([n if i == axis else 1 for i, n in enumerate(shape)])


def _key(axes: Sequence[AxisMap | int], shape: Shape, indices: Sequence[Any]) -> tuple[Any, ...]:
    """An index that reads, for every index of `shape`, the entry that `axes` lead to."""
    key = []
    for axis in axes:
        if isinstance(axis, int):
            key.append(indices[axis])
        else:
            place, step, start = axis
            reached = np.asarray(start) if place < 0 else _axis(shape, place) * step + start
            key.append(np.broadcast_to(reached, shape))
    return tuple(key)
