"""What one run of a function left behind: every gate in order, with its value, its gradient and where it was made.

A run keeps only what its gradients need, so a recording computes the values again, gate by gate, from the inputs: the
plain interpreter of a circuit. Gradients come from an ordinary backward sweep that is watched. Drawing is `picture`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewise import libraries, tree
from gatewise.array import Array, seed
from gatewise.backward import plan, sweep
from gatewise.errors import DTypeError, InputError, ShapeError
from gatewise.gates.conversion import INPUT
from gatewise.graph import Leaf, Node, Tracked, filled, namespace, plain, untracked
from gatewise.source import Where
from gatewise.transforms import argument_name


@dataclass(frozen=True, eq=False)
class Entry:
    """One node of a recorded circuit.

    `operands` holds the index of the entry that feeds each input wire, None for a constant, which then stands in
    `constants`. `parts` holds the gradient that arrives on each input wire through this gate (upstream × local), and
    `local` the local gradient itself for element-wise gates. `gradient` is the sum of what all users send back.
    """

    index: int
    name: str | None
    gate: Any
    operands: tuple[int | None, ...]
    constants: tuple[Any, ...]
    operand_names: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: Any
    value: Any
    gradient: Any
    parts: tuple[Any, ...]
    local: tuple[Any, ...]
    where: Where | None

    @property
    def is_input(self) -> bool:
        """Whether the circuit begins here."""
        return not self.operands

    def __repr__(self) -> str:
        name = f"{self.name} = " if self.name else ""
        return f"<{self.index}: {name}{self.gate.name} {self.dtype}{list(self.shape)}>"


@dataclass(frozen=True, eq=False)
class Recording:
    """All entries in topological order, inputs before users, and the indices of the results."""

    entries: tuple[Entry, ...]
    outputs: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __getitem__(self, name: str | int) -> Entry:
        """The entry with this index, or the last one with this name."""
        if isinstance(name, int):
            return self.entries[name]
        for entry in reversed(self.entries):
            if entry.name == name:
                return entry
        known = ", ".join(dict.fromkeys(entry.name for entry in self.entries if entry.name))
        raise InputError(f"no wire of the circuit is called {name!r}; there are {known}")

    @property
    def inputs(self) -> tuple[Entry, ...]:
        """The entries where the circuit begins."""
        return tuple(entry for entry in self.entries if entry.is_input)


def record(f: Callable[..., Any] | Tracked, args: Sequence[Any], upstream: Any = None) -> Recording:
    """Run `f` on `args`, or take what led to a traced value, and record values and gradients of every wire.

    Args:
        f: A function of arrays, or the result of a computation with variables.
        args: Its arguments; integers may be among them and get no gradient.
        upstream: The gradient that arrives at the result. For a single floating number 1 when left out; for any other
            result there are no gradients unless it is given.

    Raises:
        ShapeError: `upstream` does not fit the result.
        DTypeError: An argument is no array, or nothing of the result was traced.
    """
    if isinstance(f, Tracked):
        result: Any = f
        leaves: Sequence[Leaf] = plan([f.node]).leaves
    else:
        arrays: list[Array] = []
        rebuilt = []
        for position, argument in enumerate(args):
            given, rebuild = tree.flatten(argument)
            names = tree.names(argument, argument_name(f, position))
            fresh = [_input(value, name) for value, name in zip(given, names, strict=True)]
            arrays.extend(fresh)
            rebuilt.append(rebuild(fresh))
        result = f(*rebuilt)
        leaves = [array.node for array in arrays if isinstance(array.node, Leaf)]
    outputs = [output for output in tree.flatten(result)[0] if isinstance(output, Tracked)]
    if not outputs:
        raise DTypeError(
            f"{getattr(f, '__name__', 'the function')}() returned nothing that was computed from its arguments"
        )
    nodes = _behind([output.node for output in outputs], leaves)
    values = _replay(nodes)
    parts, totals = _gradients(outputs, leaves, upstream)
    return _entries(nodes, values, parts, totals, [output.node for output in outputs])


def _input(value: Any, name: str) -> Array:
    """A named leaf for an argument. Arrays are copied, so that the recording stays what it was."""
    try:
        array = plain(untracked(value))
    except DTypeError as error:
        raise DTypeError(f"argument {name}: {error.reason}") from None
    if not hasattr(array, "shape"):
        array = np.asarray(array)[()]
    elif isinstance(array, np.ndarray):
        array = array.copy()
    else:
        libraries.refuse_recorded(array, f"argument {name}")
        array = namespace((array,)).asarray(array, copy=True)
    wanted = str(array.dtype).rpartition(".")[2].startswith(("float", "complex", "bfloat"))
    return Array.of(Leaf(INPUT, array, name, wanted=wanted), array)


def _behind(outputs: Sequence[Node], leaves: Sequence[Node]) -> list[Node]:
    """Every node that feeds the outputs, with all the leaves, in the order in which they were made."""
    found = set(leaves)
    stack = list(outputs)
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            stack.extend(source for source in node.inputs if source is not None)
    return sorted(found, key=lambda node: node.order)


def _replay(nodes: Sequence[Node]) -> dict[Node, Any]:
    """Compute every node's value again from the leaves' values: the reference run of a circuit."""
    values: dict[Node, Any] = {}
    with np.errstate(all="ignore"):  # the user's own run has warned already
        for node in nodes:
            if isinstance(node, Leaf):
                values[node] = node.value
                continue
            constants = node.constants or (None,) * len(node.inputs)
            operands = [
                constant if source is None else values[source]
                for source, constant in zip(node.inputs, constants, strict=True)
            ]
            values[node] = node.gate.forward(namespace(operands), *operands)
    return values


def _gradients(
    outputs: Sequence[Tracked], leaves: Sequence[Leaf], upstream: Any
) -> tuple[dict[tuple[Node, int], Any], dict[Node, Any]]:
    """The gradient on every input wire, and the total on every node's output."""
    parts: dict[tuple[Node, int], Any] = {}
    wanted = [leaf for leaf in leaves if leaf.leaf]
    result = outputs[0]
    if upstream is None and len(outputs) == 1 and result.value.shape == () and "float" in str(result.value.dtype):
        upstream = filled(result.value, 1)
    if upstream is None or not wanted:
        return parts, {}
    seeds = [upstream] if len(outputs) == 1 else tree.flatten(upstream)[0]
    if len(seeds) != len(outputs):
        raise ShapeError(f"the upstream gradient has {len(seeds)} arrays, the result has {len(outputs)}")
    pairs = [
        (output.node, seed(given, output.value, "the upstream gradient"))
        for output, given in zip(outputs, seeds, strict=True)
    ]

    def watch(node: Node, wire: int, gradient: Any) -> None:
        parts[node, wire] = gradient

    sweep(plan([node for node, _ in pairs], wanted), pairs, wanted, Array, watch=watch)
    totals: dict[Node, Any] = {}
    arrived = [*pairs, *((node.inputs[wire], part) for (node, wire), part in parts.items())]
    with np.errstate(all="ignore"):
        for target, part in arrived:
            assert target is not None
            totals[target] = part if target not in totals else totals[target] + part
    for leaf in wanted:
        totals.setdefault(leaf, filled(leaf.value, 0))
    return parts, totals


def _entries(
    nodes: Sequence[Node],
    values: dict[Node, Any],
    parts: dict[tuple[Node, int], Any],
    totals: dict[Node, Any],
    outputs: Sequence[Node],
) -> Recording:
    index = {node: number for number, node in enumerate(nodes)}
    entries = []
    for number, node in enumerate(nodes):
        where = node.where
        name = node.name if isinstance(node, Leaf) and node.name else where.target if where else None
        wires = node.inputs
        entries.append(
            Entry(
                index=number,
                name=name,
                gate=node.gate,
                operands=tuple(None if source is None else index[source] for source in wires),
                constants=(node.constants or (None,) * len(wires)) if wires else (),
                operand_names=node.gate.wire_names(len(wires)) if wires else (),
                shape=node.shape,
                dtype=node.dtype,
                value=values[node],
                gradient=totals.get(node),
                parts=tuple(parts.get((node, wire)) for wire in range(len(wires))),
                local=tuple(_local_gradient(node, wire, values) for wire in range(len(wires))),
                where=where,
            )
        )
    return Recording(tuple(entries), tuple(index[node] for node in outputs))


def _local_gradient(node: Node, wire: int, values: dict[Node, Any]) -> Any:
    """The local gradient of an element-wise gate on one wire; None for other gates and where none passes."""
    if not node.gate.elementwise or not node.gate.rules or node.inputs[wire] is None:
        return None
    rule = node.gate.rules[wire]
    if rule is None:
        return None
    value = values[node]
    with np.errstate(all="ignore"):
        return rule(node.gate, filled(value, 1), *node.saved)
