"""Which entries of a circuit's outputs depend on which entries of its leaves: the pattern of a sparse Jacobian.

The pattern is read off the circuit that a run recorded, not off its numbers: an entry is in it when there is a path of
gates through which a gradient could flow, though the local gradients on it may happen to be zero. So it holds for every
run that records the same circuit.

Every gate says for itself how its entries depend on each other, through what it has anyway. An element-wise gate keeps
entries apart; a gate that moves entries is run on their numbers, forward or backward; a reduction folds its axes; a
contraction sums over letters. Any other gate is taken to mix all entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from gatewise.backward import Plan
from gatewise.errors import UnsupportedError
from gatewise.gate import Contraction, Reduction
from gatewise.graph import Node, Tracked

#: More entries than this are no sparse pattern: ten bytes for each would fill ten gigabytes.
LIMIT = 10**9


def sparse_module() -> Any:
    """SciPy's module of sparse arrays.

    Raises:
        UnsupportedError: SciPy is not installed.
    """
    try:
        from scipy import sparse
    except ImportError:
        raise UnsupportedError(
            "sparse derivatives are SciPy arrays, and SciPy is not installed: pip install scipy"
        ) from None
    return sparse


def circuit_of(route: Plan, outputs: Sequence[Any]) -> list[Any]:
    """All of a recorded circuit that its pattern depends on, to be compared with `same_circuit`."""
    numbers: dict[Node, int] = {leaf: i for i, leaf in enumerate(route.leaves)}
    parts: list[Any] = [leaf.shape for leaf in route.leaves]
    for node in route.nodes:
        numbers[node] = len(numbers)
        feeding = tuple(numbers.get(source, -1) if source is not None else -1 for source in node.inputs)
        gate = type(node.gate) if node.gate.elementwise or _mixes(node) else node.gate
        parts.append((gate, feeding, node.shape))
        parts.extend(_deciding(node))
    parts.append(tuple(numbers.get(out.node, -1) if isinstance(out, Tracked) else -1 for out in outputs))
    parts.append(tuple(tuple(out.shape) for out in outputs))
    return parts


def same_circuit(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether two runs recorded circuits of the same pattern."""
    return len(one) == len(other) and all(map(_equal, one, other))


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return type(one) is type(other) and np.array_equal(one, other)
    return bool(one == other)


def _mixes(node: Node) -> bool:
    """Whether the gate is one that is taken to mix all entries, whatever its parameters."""
    gate = node.gate
    if gate.linear or isinstance(gate, Reduction) or _letters(node) is not None:
        return False
    return not any(_only_moves(node, wire) for wire in range(len(node.inputs)))


def _deciding(node: Node) -> list[Any]:
    """The constants whose values the dependencies follow: index arrays, and where factors of a product are zero."""
    if _letters(node) is not None:
        return [constant != 0 for constant in node.constants or () if constant is not None]
    if node.gate.wires[-1:] == ("indices",):
        return [np.asarray(index) for index in (node.constants or ())[len(node.gate.wires) - 1 :] if index is not None]
    return []


def pattern_of(route: Plan, outputs: Sequence[Any]) -> Any:
    """A boolean CSR array: the entries of all outputs in a row, by the entries of all leaves in a row.

    Raises:
        UnsupportedError: SciPy is not installed, or the pattern has more than a thousand million entries.
    """
    sparse = sparse_module()
    total = sum(prod(leaf.shape) for leaf in route.leaves)
    known: dict[Node, Any] = {}
    start = 0
    for leaf in route.leaves:
        size = prod(leaf.shape)
        known[leaf] = _entries(np.arange(size), np.arange(start, start + size), (size, total))
        start += size
    last_use = {source: node for node in route.nodes for source in node.inputs if source is not None}
    kept = {out.node for out in outputs if isinstance(out, Tracked)}
    for node in route.nodes:
        parts: list[Any] = []
        for wire, (source, rule) in enumerate(zip(node.inputs, node.gate.rules)):  # noqa: B905
            if source is None or rule is None or source not in known:
                continue
            part = _through(node, wire, source, known[source])
            if not any(part is other for other in parts):
                parts.append(part)
        for source in node.inputs:
            if source is not None and last_use[source] is node and source not in kept:
                known.pop(source, None)
        if parts:
            known[node] = sum(parts[1:], parts[0])
    rows = [
        known[out.node]
        if isinstance(out, Tracked) and out.node in known
        else sparse.csr_array((prod(out.shape), total), dtype=bool)
        for out in outputs
    ]
    whole = sparse.csr_array(sparse.vstack(rows, format="csr")) if rows else sparse.csr_array((0, total), dtype=bool)
    whole.sum_duplicates()
    return whole


def _entries(rows: Any, columns: Any, shape: tuple[int, int]) -> Any:
    """The boolean CSR array with these entries."""
    sparse = sparse_module()
    return sparse.csr_array(sparse.coo_array((np.ones(len(rows), bool), (rows, columns)), shape=shape))


def _through(node: Node, wire: int, source: Node, pattern: Any) -> Any:
    """The pattern of `node`'s entries, caused by that of one of its inputs."""
    gate = node.gate
    if gate.elementwise:
        if source.shape == node.shape:
            return pattern
        return _taken(pattern, np.broadcast_to(_numbers(source.shape), node.shape))
    read = _read_forward(node, wire, source) if gate.linear else None
    if read is not None:
        return _taken(pattern, read)
    written = _written(node, wire, source)
    if written is not None:
        places, entries = written
        kept = places >= 0
        return _joined(node, source, places[kept], entries[kept], pattern)
    if isinstance(gate, Reduction):
        folded = np.broadcast_to(_numbers(gate.kept_shape(source.shape)), source.shape)
        return _joined(node, source, folded.ravel(), np.arange(folded.size), pattern)
    letters = _letters(node)
    if letters is not None:
        return _joined(node, source, *_summed(node, wire, *letters), pattern)
    return _mixed(node, pattern)


def _numbers(shape: tuple[int, ...]) -> Any:
    """The entries of an array of this shape, numbered."""
    return np.arange(prod(shape)).reshape(shape)


def _joined(node: Node, source: Node, places: Any, entries: Any, pattern: Any) -> Any:
    """The pattern of `node` when its entry places[i] depends on entry entries[i] of `source`, for every i."""
    return _entries(places, entries, (prod(node.shape), prod(source.shape))) @ pattern


def _taken(pattern: Any, read: Any) -> Any:
    """The rows that an array of numbers names; an empty row for -1."""
    read = read.ravel()
    if read.size and read.min() < 0:
        kept = np.flatnonzero(read >= 0)
        return _entries(kept, read[kept], (read.size, pattern.shape[0])) @ pattern
    if read.size == pattern.shape[0] and np.array_equal(read, np.arange(read.size)):
        return pattern
    rows = np.diff(pattern.indptr)[read]
    _require_sparse(int(rows.sum()))
    return pattern[read]


def _require_sparse(number: int) -> None:
    if number > LIMIT:
        raise UnsupportedError(
            f"this derivative is not sparse: its pattern, or that of a value on the way, has {number:.1e} entries; use "
            "gw.vjp, gw.jvp or gw.hvp for products with it, or hand over a pattern="
        )


def _mixed(node: Node, pattern: Any) -> Any:
    """Every entry of `node` depends on all that any entry of the input depends on."""
    columns = np.unique(pattern.indices)
    size = prod(node.shape)
    _require_sparse(size * len(columns))
    sparse = sparse_module()
    starts = np.arange(size + 1) * len(columns)
    return sparse.csr_array(
        (np.ones(size * len(columns), bool), np.tile(columns, size), starts), shape=(size, pattern.shape[1])
    )


# -------------------------------------------------------------------------------------- gates that move their entries


def _probes(shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Entries numbered from 1, and numbers no two of which add up to a third."""
    return _numbers(shape) + 1.0, np.random.default_rng(0).uniform(1.0, 2.0, shape)


def _read_forward(node: Node, wire: int, source: Node) -> Any:
    """For a linear gate each of whose outputs is a copy of one input entry: its number, or -1 for none; else None."""
    constants = (node.constants or ())[1:]
    if wire or any(constant is None for constant in constants):
        return None
    numbered, random = _probes(source.shape)
    return _moved(lambda probe: node.gate.forward(np, probe, *constants), numbered, random)


def _only_moves(node: Node, wire: int) -> bool:
    """Whether the local gradient of a wire reads no values: then it can only move and add what arrives."""
    gate = node.gate
    if not gate.rules or gate.elementwise or isinstance(gate, Contraction):
        return False
    asked = gate.asked[0 if gate.variadic else wire]
    return all(name.endswith("_shape") or name == "indices" for name in asked)


def _written(node: Node, wire: int, source: Node) -> tuple[Any, Any] | None:
    """For a gate whose rule hands every input entry the gradient of one output: pairs of places and entries.

    The rule's result may be broadcast against the input; -1 stands for no place. None if the rule does anything else.
    """
    if not _only_moves(node, wire):
        return None
    rule = node.gate.rules[wire]
    numbered, random = _probes(node.shape)
    places = _moved(lambda probe: rule(node.gate, probe, *node.saved), numbered, random)
    if places is None:
        return None
    entries = np.broadcast_to(_numbers(source.shape), places.shape)
    return places.ravel(), entries.ravel()


def _moved(function: Any, numbered: Any, random: Any) -> Any:
    """Where each entry of a function's result comes from, or None if one is more than a copy of an argument's entry."""
    found = np.asarray(function(numbered))
    places = np.rint(found.real).astype(np.int64)
    if places.size and not (places.min() >= 0 and places.max() <= numbered.size):
        return None
    expected = np.concatenate([[0.0], random.ravel()])[places]
    return places - 1 if np.array_equal(np.asarray(function(random)), expected) else None


# -------------------------------------------------------------------------------------------------------- contractions


def _letters(node: Node) -> tuple[tuple[str, ...], str] | None:
    """A contraction's index letters per operand and of the result, as in einsum; None for any other gate."""
    if not isinstance(node.gate, Contraction):
        return None
    constants = node.constants or (None,) * len(node.inputs)
    ndims = [
        np.ndim(constant) if source is None else len(source.shape)
        for source, constant in zip(node.inputs, constants, strict=True)
    ]
    return node.gate.letters(*ndims)


def _summed(node: Node, wire: int, operands: tuple[str, ...], output: str) -> tuple[Any, Any]:
    """Pairs of output and input entries that a product connects, through factors that are not zero."""
    source = node.inputs[wire]
    assert source is not None
    letters = "".join(dict.fromkeys(output + operands[wire]))
    sizes = dict(zip(output, node.shape, strict=True))
    for letter, size in zip(operands[wire], source.shape, strict=True):
        sizes[letter] = max(size, sizes.get(letter, 1))
    connected = np.ones([sizes[letter] for letter in letters], bool)
    for term, constant in zip(operands, node.constants or (), strict=False):
        if constant is not None:
            connected &= _aligned(np.asarray(constant) != 0, term, letters)
    _require_sparse(int(np.count_nonzero(connected)))
    places = dict(zip(letters, np.nonzero(connected), strict=True))
    return _flat(places, output, node.shape, connected), _flat(places, operands[wire], source.shape, connected)


def _aligned(array: Any, term: str, letters: str) -> Any:
    """A boolean array with axes named by `term`, to broadcast against one with axes named by `letters`."""
    for letter in sorted(set(term)):
        first, *again = [axis for axis, other in enumerate(term) if other == letter]
        for axis in reversed(again):  # a repeated letter reads the diagonal
            array = np.moveaxis(np.diagonal(array, axis1=first, axis2=axis), -1, first)
            term = term[:axis] + term[axis + 1 :]
    summed = tuple(axis for axis, letter in enumerate(term) if letter not in letters)
    array = array.any(axis=summed)
    term = "".join(letter for letter in term if letter in letters)
    array = array.transpose([term.index(letter) for letter in letters if letter in term])
    return array.reshape([array.shape[sorted(term, key=letters.index).index(c)] if c in term else 1 for c in letters])


def _flat(places: dict[str, Any], term: str, shape: tuple[int, ...], connected: Any) -> Any:
    """Flat numbers of the entries of an array with axes named by `term`, one for each connected place."""
    if not term:
        return np.zeros(int(np.count_nonzero(connected)), np.int64)
    return np.ravel_multi_index(
        [places[c] if n > 1 else 0 * places[c] for c, n in zip(term, shape, strict=True)], shape
    )
