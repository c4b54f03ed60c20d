"""`sparse_jacobian` and `sparse_hessian`: derivatives with few entries, by few sweeps, as SciPy sparse arrays.

Which entries can be other than zero is read off the circuit (`patterns`), columns that share no row share a colour
(`colouring`), and one sweep per colour computes the sum of its columns, out of which every entry is picked. Pattern and
colours are kept for the next call, and used again when it records the same circuit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from math import prod
from typing import Any

import numpy as np

from gatewise import tree
from gatewise.array import Array
from gatewise.backward import Plan
from gatewise.batching import Batched, gathered
from gatewise.colouring import column_colours, star_colours
from gatewise.errors import InputError, ShapeError, UnsupportedError
from gatewise.forward import push
from gatewise.graph import NUMPY_TYPES, Node, Tracked, arrayed, dtype_name, now, untracked
from gatewise.jacobians import Mode, at_once, require_mode, require_real
from gatewise.patterns import circuit_of, pattern_of, same_circuit, sparse_module
from gatewise.source import here
from gatewise.transforms import Run, grad

#: How many circuits' patterns a function keeps: as many as it has branches that take turns, within reason.
KEPT = 8


def sparse_jacobian(
    f: Callable[..., Any], argnums: int = 0, pattern: Any = None, mode: Mode = "auto"
) -> Callable[..., Any]:
    """The function that returns all first derivatives of `f` as a ``scipy.sparse.csr_array``.

    Rows stand for the entries of the output, columns for those of the argument, both in row-major order; of nested ones
    the arrays follow each other. What is stored is the pattern: entries that no value of the argument can make other
    than zero are left out, others may be stored as zeros. Keep the function, rather than making it anew for
    every call: it keeps pattern and colours. They are used again when a call records the same circuit, and found anew
    when it does not, as after another branch of an ``if``.

    Args:
        f: A real function of real NumPy arrays.
        argnums: Which positional argument to differentiate by.
        pattern: Where entries may be other than zero, if you know: a boolean matrix, sparse or dense, of shape (entries
            of the output, entries of the argument). It is checked against one product with random numbers when it
            is first used.
        mode: "forward" compresses columns, "reverse" rows, "auto" does whichever has fewer entries in its fullest line.

    Raises:
        UnsupportedError: SciPy is missing, the pattern is too full to be called sparse, an argument is of another
            library, or the function runs inside another transform: a sparse array holds plain numbers.
        ShapeError: `pattern` has another shape than the Jacobian.
        InputError: The Jacobian has entries that `pattern` leaves out, or `mode` is none of the three.
        DTypeError: An argument or the output is complex.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> J = gw.sparse_jacobian(lambda x: x[1:] * x[:-1])
        >>> J(np.array([1.0, 2.0, 3.0])).toarray().tolist()
        [[2.0, 1.0, 0.0], [0.0, 3.0, 2.0]]
    """
    require_mode(mode, "sparse_jacobian")
    return _wrapped(f, _Sparse(f, argnums, pattern, mode, symmetric=False))


def sparse_hessian(f: Callable[..., Any], argnums: int = 0, pattern: Any = None) -> Callable[..., Any]:
    """The function that returns all second derivatives of `f` as a ``scipy.sparse.csr_array``.

    Forward sweeps over the gradient, one for each colour of a star colouring, which makes use of the symmetry. See
    `sparse_jacobian` for arguments, errors, and what is kept from call to call.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> H = gw.sparse_hessian(lambda x: np.sum(x[1:] ** 2 * x[:-1]))
        >>> H(np.array([1.0, 2.0, 3.0])).toarray().tolist()
        [[0.0, 4.0, 0.0], [4.0, 2.0, 6.0], [0.0, 6.0, 4.0]]
    """
    return _wrapped(f, _Sparse(grad(f, argnums), argnums, pattern, "forward", symmetric=True))


def _wrapped(f: Callable[..., Any], derivative: _Sparse) -> Callable[..., Any]:
    """`derivative` as a function with the name and documentation of `f`."""

    @wraps(f)
    def derivative_of(*args: Any, **kwargs: Any) -> Any:
        return derivative(*args, **kwargs)

    return derivative_of


class _Layout:
    """Where the entries of a sparse matrix stand, which seeds find them, and where in what comes out."""

    def __init__(self, pattern: Any, mode: Mode, symmetric: bool) -> None:
        sparse = sparse_module()
        if symmetric:
            pattern = sparse.csr_array(pattern + pattern.T)
        pattern.sort_indices()
        self.shape = pattern.shape
        self.indices, self.starts = pattern.indices, pattern.indptr
        rows = np.repeat(np.arange(self.shape[0]), np.diff(self.starts))
        columns = self.indices.astype(np.int64)
        fullest_row = int(np.diff(self.starts).max(initial=0))
        fullest_column = int(np.bincount(columns, minlength=1).max(initial=0))
        self.forward = mode == "forward" or (mode == "auto" and fullest_row <= fullest_column)
        if symmetric:
            self.colours = star_colours(pattern)
            alone = np.bincount(rows * (_count(self.colours)) + self.colours[columns], minlength=1)
            mixed = alone[rows * _count(self.colours) + self.colours[columns]] > 1
            rows, columns = np.where(mixed, columns, rows), np.where(mixed, rows, columns)  # read the mirror image
        elif self.forward:
            self.colours = column_colours(pattern)
        else:
            self.colours = column_colours(sparse.csr_array(pattern.T))
            rows, columns = columns, rows
        self.number = _count(self.colours)
        # Products are picked from several at a time, as many as take no more room than the entries themselves.
        length = self.shape[0 if self.forward else 1]
        self.block = max(1, min(self.number, 2 * len(rows) // max(length, 1)))
        block, within = np.divmod(self.colours[columns], self.block)
        places = within * length + rows
        #: Per block of colours, which stored entries it finds and where among its products.
        self.picks: list[tuple[Any, Any]] = [(slice(None), places)]
        if self.number > self.block:
            order = np.argsort(block, kind="stable")
            bounds = np.searchsorted(block[order], np.arange(1, -(-self.number // self.block)))
            parts = np.split(order, bounds)
            self.picks = [(part, places[part]) for part in parts]

    def seeds(self, start: int, stop: int, arrays: Sequence[Any]) -> list[Any]:
        """For each array, seeds of its shape: ones at the entries that have the colours `start` to `stop`."""
        found, first = [], 0
        for array in arrays:
            last = first + prod(array.shape)
            seeds = self.colours[first:last] == np.arange(start, stop)[:, None]
            found.append(seeds.astype(dtype_name(array.dtype)).reshape((stop - start, *array.shape)))
            first = last
        return found

    def matrix(self, data: Any) -> Any:
        """The sparse matrix with these entries, and index arrays of its own, since SciPy changes them in place."""
        return sparse_module().csr_array((data, self.indices.copy(), self.starts.copy()), shape=self.shape)


def _count(colours: Any) -> int:
    return int(colours.max(initial=-1)) + 1


class _Sparse:
    """A function's sparse Jacobian, with the layouts it has found so far."""

    def __init__(self, f: Callable[..., Any], argnums: int, pattern: Any, mode: Mode, symmetric: bool) -> None:
        self.f = f
        self.argnums = argnums
        self.pattern = pattern
        self.mode = mode
        self.symmetric = symmetric
        self.known: tuple[tuple[list[Any], _Layout], ...] = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        run = Run(self.f, args, kwargs, (self.argnums,))
        outputs = [out if isinstance(out, Tracked) else arrayed(out) for out in tree.flatten(run.output)[0]]
        route = run.route(outputs)
        _require_plain(run, route, outputs)
        circuit, layout = self._layout(run, route, outputs)
        matrix = layout.matrix((_pushed if layout.forward else _pulled)(run, route, outputs, layout))
        if not any(layout is known for _, known in self.known):
            if self.pattern is not None:
                _require_complete(run, route, outputs, matrix)
            self.known = ((circuit, layout), *self.known[: KEPT - 1])
        return matrix

    def _layout(self, run: Run, route: Plan, outputs: Sequence[Any]) -> tuple[list[Any], _Layout]:
        """What was just recorded, and the layout for it: one that is known, or a new one."""
        if self.pattern is not None:
            circuit: list[Any] = [leaf.shape for leaf in run.leaves] + [tuple(out.shape) for out in outputs]
        else:
            circuit = circuit_of(route, outputs)
        for known, layout in self.known:
            if same_circuit(known, circuit):
                return circuit, layout
        pattern = pattern_of(route, outputs) if self.pattern is None else self._given(run, outputs)
        return circuit, _Layout(pattern, self.mode, self.symmetric)

    def _given(self, run: Run, outputs: Sequence[Any]) -> Any:
        """The pattern that was handed over, as a boolean CSR array."""
        sparse = sparse_module()
        pattern = sparse.csr_array(self.pattern).astype(bool)
        pattern.eliminate_zeros()
        pattern.sum_duplicates()
        wanted = sum(prod(out.shape) for out in outputs), sum(prod(leaf.shape) for leaf in run.leaves)
        if pattern.shape != wanted:
            raise ShapeError(f"pattern has shape {pattern.shape}, the matrix of derivatives has shape {wanted}")
        return pattern


def _require_plain(run: Run, route: Plan, outputs: Sequence[Any]) -> None:
    """Raise for what a sparse array cannot hold."""
    for array in [*run.leaves, *outputs]:
        require_real(array.dtype, "a sparse jacobian or hessian")
    values = [leaf.value for leaf in run.leaves] + [untracked(out) for out in outputs]
    if route.nested or any(type(value) not in NUMPY_TYPES for value in values):
        raise UnsupportedError(
            "a sparse jacobian or hessian holds plain NumPy numbers, so it cannot be taken inside another transform, "
            "nor of arrays of other libraries: use gw.jacobian or gw.hessian there"
        )


def _pushed(run: Run, route: Plan, outputs: Sequence[Any], layout: _Layout) -> Any:
    """The stored entries, out of forward sweeps that each carry the columns of one colour, or of several."""
    reached = [out.node for out in outputs if isinstance(out, Tracked)]

    def push_seeds(seeds: list[Any]) -> list[Any]:
        known = push(route, dict(zip(run.leaves, seeds, strict=True)), reached, Array)
        return [known.get(out.node) if isinstance(out, Tracked) else None for out in outputs]

    return _entries(layout, at_once(route, []), run.leaves, outputs, push_seeds)


def _pulled(run: Run, route: Plan, outputs: Sequence[Any], layout: _Layout) -> Any:
    """The stored entries, out of reverse sweeps that each carry the rows of one colour, or of several."""

    def pull_seeds(seeds: list[Any]) -> list[Any]:
        return run.flat_gradients(route, outputs, seeds)

    return _entries(layout, at_once(route, []), outputs, run.leaves, pull_seeds)


def _entries(
    layout: _Layout, step: int, seeded: Sequence[Any], found: Sequence[Any], sweep: Callable[[list[Any]], list[Any]]
) -> Any:
    """The stored entries, picked out of the products that sweeps with `step` seeds each bring."""
    dtype = np.result_type(*(np.dtype(dtype_name(array.dtype)) for array in found))
    data = np.empty(len(layout.indices), dtype)
    products = np.zeros((layout.block, sum(prod(array.shape) for array in found)), dtype)
    for number, (entries, places) in enumerate(layout.picks):
        for first in range(0, layout.block, step):
            start = number * layout.block + first
            stop = min(start + step, (number + 1) * layout.block, layout.number)
            if start < stop:
                level = now()
                seeds = layout.seeds(start, stop, seeded)
                results = sweep([Batched(seed, level) if step > 1 else seed[0][()] for seed in seeds])
                _lay(products[first : first + stop - start], results, found, level if step > 1 else None)
        data[entries] = products.take(places)
    return data


def _lay(rows: Any, results: Sequence[Any], found: Sequence[Any], level: int | None) -> None:
    """Write what a sweep found for each array into rows that hold all of them; `level` if it found several at once."""
    count = len(rows)
    first = 0
    for result, array in zip(results, found, strict=True):
        last = first + prod(array.shape)
        if result is None:
            rows[:, first:last] = 0
        else:
            whole = result if level is None else gathered(result, level, count, 0)
            rows[:, first:last] = np.reshape(whole, (count, last - first))
        first = last


def _require_complete(run: Run, route: Plan, outputs: Sequence[Any], matrix: Any) -> None:
    """Raise if a product with random numbers shows entries that the pattern leaves out."""
    random = np.random.default_rng(0)
    tangents: dict[Node, Any] = {
        leaf: random.uniform(1, 2, leaf.shape).astype(dtype_name(leaf.dtype))[()] for leaf in run.leaves
    }
    reached = [out.node for out in outputs if isinstance(out, Tracked)]
    known = push(route, tangents, reached, Array)
    pushed = [known.get(out.node, np.zeros(out.node.shape)) if isinstance(out, Tracked) else 0 * out for out in outputs]
    whole = np.concatenate([np.ravel(part) for part in pushed])
    direction = np.concatenate([np.ravel(tangent) for tangent in tangents.values()])
    missing = abs(whole - matrix @ direction) > np.sqrt(np.finfo(matrix.dtype).eps) * (
        abs(whole) + abs(matrix) @ direction
    )
    if missing.any():
        row = int(np.flatnonzero(missing)[0])
        raise InputError(
            f"the derivatives have entries that pattern leaves out: {np.count_nonzero(missing)} rows, first "
            f"row {row}, do not multiply random numbers as they should; complete the pattern, or leave it to be "
            f"found{here()}"
        )
