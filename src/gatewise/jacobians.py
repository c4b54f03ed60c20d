"""`jacobian` and `hessian`: every first and every second derivative, by sweeps that carry many seeds at once.

A reverse sweep pulls one row of a Jacobian back, a forward sweep pushes one column. The seeds are the rows of a unit
matrix, carried as the examples of `batching`, so one sweep does for many of them what it does for one. How many at
once is a matter of memory: the widest array of the circuit times the seeds should stay near the processor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from math import prod
from typing import Any, Literal

import numpy as np

from gatewise import gates, libraries, tree
from gatewise.array import Array
from gatewise.backward import Plan, has_nan
from gatewise.batching import Batched, gathered
from gatewise.errors import DTypeError, InputError
from gatewise.forward import push
from gatewise.graph import (
    NUMPY_TYPES,
    Leaf,
    Tracked,
    arrayed,
    dtype_name,
    filled,
    is_complex,
    namespace,
    now,
    pointing,
    surfaced,
    untracked,
)
from gatewise.source import here
from gatewise.transforms import Run, grad, positions_of

Mode = Literal["auto", "forward", "reverse"]

#: Seeds times entries of the widest array in a sweep: measured, above it several smaller sweeps are faster.
ENTRIES_AT_ONCE = 1 << 15


def jacobian(f: Callable[..., Any], argnums: int | Sequence[int] = 0, mode: Mode = "auto") -> Callable[..., Any]:
    """The function that returns all first derivatives of `f`: shape (*output shape, *input shape).

    For nested outputs or arguments the result nests accordingly: the structure of the output, and in it the structure
    of the argument.

    Args:
        f: A real function of real arguments.
        argnums: Which positional arguments to differentiate by; for a sequence each block is a tuple.
        mode: "reverse" pulls back one row per entry of the output, "forward" pushes one column per entry of the
            arguments, "auto" does whichever needs fewer. All run `f` once.

    Raises:
        DTypeError: An argument or the output is complex, or an argument is an integer or boolean.
        InputError: `mode` is none of the three.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> gw.jacobian(lambda x: x ** 2)(np.array([1.0, 2.0])).tolist()
        [[2.0, 0.0], [0.0, 4.0]]
        >>> gw.jacobian(lambda t: np.array([1.0, 2.0, 3.0]) * t, mode="forward")(5.0).tolist()
        [1.0, 2.0, 3.0]
    """
    positions = positions_of(argnums)
    single = isinstance(argnums, int)
    require_mode(mode, "jacobian")

    @wraps(f)
    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        run = Run(f, args, kwargs, positions)
        outputs, rebuild = tree.flatten(run.output)
        outputs = [output if isinstance(output, Tracked) else arrayed(output) for output in outputs]
        for array in [*run.leaves, *outputs]:
            require_real(array.dtype, "a jacobian")
        blocks = _columns(run, outputs) if _forward_is_cheaper(run, outputs, mode) else None
        if blocks is None:
            blocks = [_rows(run, output) for output in outputs]
        nested = [run.rebuilt(block) for block in blocks]
        return rebuild([block[0] if single else block for block in nested])

    return jacobian_of


def hessian(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """The function that returns all second derivatives of `f`: shape (*input shape, *input shape).

    Forward sweeps over the gradient. For a nested argument, or several, there is a block for each pair of arrays.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> gw.hessian(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 5.0])).tolist()
        [[10.0, 6.0], [6.0, 0.0]]
    """
    return jacobian(grad(f, argnums), argnums, mode="forward")


def require_mode(mode: str, what: str) -> None:
    """Raise unless `mode` is one that there is."""
    if mode not in ("auto", "forward", "reverse"):
        raise InputError(f'{what}: mode is "auto", "forward" or "reverse"; got {mode!r}{here()}')


def require_real(dtype: Any, what: str) -> None:
    """Raise for a complex dtype, of which no Jacobian is formed."""
    if is_complex(dtype):
        raise DTypeError(f"{what} is of real functions of real arguments; for complex ones use gw.vjp or gw.jvp")


def _forward_is_cheaper(run: Run, outputs: Sequence[Any], mode: Mode) -> bool:
    """Whether to push columns: as asked, else where there are fewer of them than rows."""
    if mode != "auto":
        return mode == "forward"
    return bool(sum(prod(leaf.shape) for leaf in run.leaves) < sum(prod(output.shape) for output in outputs))


def at_once(route: Plan, arrays: Sequence[Any]) -> int:
    """How many seeds one sweep along `route` should carry; 1 for arrays of libraries that cannot carry several."""
    if not all(isinstance(value, Batched) or type(value) in NUMPY_TYPES for value in map(untracked, arrays)):
        return 1
    widest = max([prod(node.shape) for node in (*route.nodes, *route.leaves)], default=1)
    return max(1, ENTRIES_AT_ONCE // max(widest, 1))


def _units(like: Any, start: int, stop: int) -> Any:
    """Rows `start` to `stop` of the unit matrix over the entries of `like`, each in its shape."""
    seeds = np.zeros((stop - start, prod(like.shape)), dtype_name(like.dtype))
    seeds[np.arange(stop - start), np.arange(start, stop)] = 1
    return seeds.reshape((stop - start, *like.shape))


def _rows(run: Run, output: Any) -> list[Any]:
    """For one output array, the Jacobian with respect to each leaf, pulled back row by row or many rows at once."""
    shape = tuple(output.shape)
    route = run.route([output])
    like = untracked(output)
    total, step = prod(shape), at_once(route, [output, *(leaf.value for leaf in run.leaves)])
    if not total:
        empty = run.flat_gradients(route, [output], [filled(like, 0)])
        return [libraries.zeros(namespace((like,)), shape + tuple(leaf.shape), like) for leaf in empty]
    pieces: list[list[Any]] = []
    for start in range(0, total, step):
        if step == 1:
            seed = pointing(like, np.unravel_index(start, shape))  # type: ignore[arg-type]
            rows = run.flat_gradients(route, [output], [seed])
            pieces.append([gates.expand_dims(row, 0) for row in rows])
            continue
        stop = min(start + step, total)
        level = now()
        rows = run.flat_gradients(route, [output], [Batched(_units(like, start, stop), level)])
        pieces.append([gathered(row, level, stop - start, 0) for row in rows])
    return [
        gates.reshape(_joined(column), shape + tuple(leaf.shape))
        for column, leaf in zip(zip(*pieces, strict=True), run.leaves, strict=True)
    ]


def _joined(pieces: Sequence[Any]) -> Any:
    return pieces[0] if len(pieces) == 1 else gates.concat(pieces)


def _columns(run: Run, outputs: Sequence[Any]) -> list[list[Any]] | None:
    """For each output, the Jacobian with respect to each leaf, pushed column by column or many columns at once.

    None if a NaN came out, which the reverse sweep may know to avoid: it keeps zeros zero everywhere.
    """
    route = run.route(outputs)
    step = at_once(route, [*outputs, *(leaf.value for leaf in run.leaves)])
    blocks: list[list[Any]] = [[] for _ in outputs]
    for leaf in run.leaves:
        total = prod(leaf.shape)
        pieces: list[list[Any]] = [[] for _ in outputs]
        for start in range(0, total, step):
            columns = _pushed(route, outputs, leaf, start, min(start + step, total), batched=step > 1)
            if any(has_nan(column) for column in columns):
                return None
            for piece, column in zip(pieces, columns, strict=True):
                piece.append(column)
        for block, piece, output in zip(blocks, pieces, outputs, strict=True):
            block.append(_laid_out(piece, output, leaf))
    return blocks


def _pushed(route: Plan, outputs: Sequence[Any], leaf: Leaf, start: int, stop: int, batched: bool) -> list[Any]:
    """The columns `start` to `stop` of every output's Jacobian by one leaf, as rows."""
    level = now()
    if batched:
        tangent: Any = Batched(_units(leaf, start, stop), level)
    else:
        tangent = pointing(leaf.value, np.unravel_index(start, leaf.shape))  # type: ignore[arg-type]
    reached = [output.node for output in outputs if isinstance(output, Tracked)]
    known = push(route, {leaf: tangent}, reached, Array)
    columns = []
    for output in outputs:
        column = known.get(output.node) if isinstance(output, Tracked) else None
        if column is None:
            column = filled(untracked(output), 0)
        columns.append(gathered(column, level, stop - start, 0) if batched else gates.expand_dims(surfaced(column), 0))
    return columns


def _laid_out(pieces: Sequence[Any], output: Any, leaf: Leaf) -> Any:
    """Columns, which came as rows, as a block of a Jacobian in the dtype of the leaf."""
    shape = tuple(output.shape) + tuple(leaf.shape)
    if not pieces:
        return libraries.zeros(namespace((leaf.value,)), shape, leaf.value)
    block = gates.reshape(gates.moveaxis(_joined(pieces), 0, -1), shape)
    return block if block.dtype == leaf.dtype else gates.astype(block, leaf.dtype)
