"""What one run of a function left behind: every gate in order, with its value, its gradient and where it was made.

The run is watched gate by gate, which keeps the values; for a circuit that was built before, they are computed again
from the inputs: the plain interpreter of a circuit. Gradients come from an ordinary backward sweep that is watched,
too. Drawing is `picture`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np

from gatewise import libraries, tree
from gatewise.array import Array, seed
from gatewise.backward import Ledger, Plan, plan, sweep
from gatewise.calls import Call, Watched, WatchedArray
from gatewise.collecting import nothing_collected, seldom_collected
from gatewise.errors import DTypeError, InputError, ShapeError
from gatewise.gates.conversion import INPUT
from gatewise.graph import Leaf, Node, Tracked, dtype_name, filled, namespace, plain, untracked
from gatewise.source import Where
from gatewise.transforms import argument_name

_ONE = np.float64(1)

#: What is known of a node that nobody watched: what it came as, its call, the event's number.
_UNWATCHED = (None, None, 0)


class Entry:
    """One node of a recorded circuit.

    `operands` holds the index of the entry that feeds each input wire, None for a constant, which then stands in
    `constants`. `parts` holds the gradient that arrives on each input wire through this gate (upstream × local), and
    `local` the local gradient itself for element-wise gates. `gradient` is the sum of what all users send back.
    `call` is the call of the user's function in which it was made, as its event number `event`, where that was watched.
    What only a look at the entry needs, like its name and its line, is worked out at that look.
    """

    __slots__ = ("call", "event", "gradient", "index", "node", "operands", "parts", "value")

    def __init__(
        self,
        index: int,
        node: Node,
        operands: tuple[int | None, ...],
        value: Any,
        gradient: Any,
        parts: tuple[Any, ...],
        call: Call | None,
        event: int,
    ) -> None:
        self.index = index
        self.node = node
        self.operands = operands
        self.value = value
        self.gradient = gradient
        self.parts = parts
        self.call = call
        self.event = event

    @property
    def gate(self) -> Any:
        """The gate, or the one called ``input`` where the circuit begins."""
        return self.node.gate

    @property
    def constants(self) -> tuple[Any, ...]:
        """Per input wire the constant on it, None for a wire."""
        return self.node.constants or (None,) * len(self.operands)

    @property
    def operand_names(self) -> tuple[str, ...]:
        """The gate's own names for its input wires."""
        return tuple(self.gate.wire_names(len(self.operands))) if self.operands else ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis of the value."""
        return self.node.shape

    @property
    def dtype(self) -> Any:
        """Kind of its numbers."""
        return self.node.dtype

    @property
    def where(self) -> Where | None:
        """The user's line that made it."""
        return self.node.where

    @property
    def instruction(self) -> int:
        """The instruction of the call's function that made it."""
        return self.node.instruction

    @property
    def name(self) -> str | None:
        """The variable that holds the value, or the input's name."""
        if isinstance(self.node, Leaf) and self.node.name:
            return self.node.name
        where = self.where
        return where.target if where else None

    @property
    def local(self) -> tuple[Any, ...]:
        """Per input wire the local gradient, of element-wise gates; None where none passes."""
        return tuple(_local_gradient(self.node, wire, self.value) for wire in range(len(self.operands)))

    @property
    def is_input(self) -> bool:
        """Whether the circuit begins here."""
        return not self.operands

    def __repr__(self) -> str:
        name = f"{self.name} = " if self.name else ""
        return f"<{self.index}: {name}{self.gate.name} {self.dtype}{list(self.shape)}>"


@dataclass(frozen=True, eq=False)
class Recording:
    """All entries in topological order, inputs before users, the indices of the results, and what arrived at them."""

    entries: tuple[Entry, ...]
    outputs: tuple[int, ...]
    upstream: Any = None

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
    watched = Watched()
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
        with seldom_collected():
            result = watched.run(f, rebuilt)
        leaves = [array.node for array in arrays if isinstance(array.node, Leaf)]
    outputs = [output for output in tree.flatten(result)[0] if isinstance(output, Tracked)]
    if not outputs:
        raise DTypeError(
            f"{getattr(f, '__name__', 'the function')}() returned nothing that was computed from its arguments"
        )
    with nothing_collected():
        nodes = _behind([output.node for output in outputs], leaves)
        calls = watched.calls()
        return recorded(nodes, _replay(nodes, calls), outputs, leaves, upstream, calls)


def recorded(
    nodes: Sequence[Node],
    values: Sequence[Any],
    outputs: Sequence[Tracked],
    leaves: Sequence[Leaf],
    upstream: Any,
    calls: Mapping[Node, tuple[Any, Call, int]],
) -> Recording:
    """The recording of a graph whose values are known: one entry per node, in their order.

    `calls` tells of the nodes that were made while somebody watched in which call that was, and as which event of it,
    after what it came as.
    """
    ledger = _gradients(nodes, outputs, leaves, upstream)
    rows, totals = ledger.rows, ledger.totals
    index: dict[Node | None, int | None] = {None: None}  # a constant comes from nowhere
    entries = []
    for number, (node, value) in enumerate(zip(nodes, values, strict=True)):
        index[node] = number
        operands = tuple([index[source] for source in node.inputs])
        row = rows.get(node)
        _, call, event = calls.get(node, _UNWATCHED)
        parts = (None,) * len(operands) if row is None else tuple(row)
        entries.append(Entry(number, node, operands, value, totals.get(node), parts, call, event))
    places = tuple(place for output in outputs if (place := index[output.node]) is not None)
    return Recording(tuple(entries), places, upstream)


def _input(value: Any, name: str) -> Array:
    """A named leaf for an argument. Arrays are copied, so that the recording stays what it was."""
    if type(value) is float:
        number = np.float64(value)
        return WatchedArray.of(Leaf(INPUT, number, name), number)
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
    wanted = dtype_name(array.dtype).startswith(("float", "complex", "bfloat"))
    return WatchedArray.of(Leaf(INPUT, array, name, wanted=wanted), array)


def _behind(outputs: Sequence[Node], leaves: Sequence[Node]) -> list[Node]:
    """Every node that feeds the outputs, with all the leaves, in the order in which they were made."""
    found: set[Node | None] = {None, *leaves}
    stack = [output for output in outputs if output not in found]
    found.update(stack)
    while stack:
        for source in stack.pop().inputs:
            if source not in found:
                found.add(source)
                stack.append(source)  # type: ignore[arg-type]  # None was found before all
    found.remove(None)
    return sorted(found, key=attrgetter("order"))  # type: ignore[arg-type]


def _replay(nodes: Sequence[Node], made: Mapping[Node, tuple[Array, Call, int]]) -> list[Any]:
    """Every node's value: as it was when the run made it, else computed again from the leaves' values."""
    values: dict[Node, Any] = {}
    with np.errstate(all="ignore"):  # the user's own run has warned already
        for node in nodes:
            known = made.get(node)
            if known is not None:
                values[node] = known[0].value
                continue
            if isinstance(node, Leaf):
                values[node] = node.value
                continue
            constants = node.constants or (None,) * len(node.inputs)
            operands = [
                constant if source is None else values[source]
                for source, constant in zip(node.inputs, constants, strict=True)
            ]
            values[node] = node.gate.forward(namespace(operands), *operands)
    return [values[node] for node in nodes]


def _gradients(nodes: Sequence[Node], outputs: Sequence[Tracked], leaves: Sequence[Leaf], upstream: Any) -> Ledger:
    """Per node the gradient on each input wire, and the total on every node's output."""
    ledger = Ledger()
    wanted = [leaf for leaf in leaves if leaf.leaf]
    result = outputs[0]
    if upstream is None and len(outputs) == 1 and result.value.shape == () and "float" in str(result.value.dtype):
        upstream = filled(result.value, 1)
    if upstream is None or not wanted:
        return ledger
    seeds = [upstream] if len(outputs) == 1 else tree.flatten(upstream)[0]
    if len(seeds) != len(outputs):
        raise ShapeError(f"the upstream gradient has {len(seeds)} arrays, the result has {len(outputs)}")
    pairs = [
        (output.node, seed(given, output.value, "the upstream gradient"))
        for output, given in zip(outputs, seeds, strict=True)
    ]
    sweep(_route(nodes, [node for node, _ in pairs], wanted), pairs, wanted, Array, ledger=ledger)
    for leaf in wanted:
        ledger.totals.setdefault(leaf, filled(leaf.value, 0))
    return ledger


def _route(nodes: Sequence[Node], outputs: Sequence[Node], leaves: Sequence[Leaf]) -> Plan:
    """The way back over `nodes`, which are all that lead to the outputs: no need to look for them once more."""
    oldest = min([leaf.order for leaf in leaves])
    if any(0 < node.leaf < oldest for node in nodes):
        return plan(outputs, leaves)  # something beyond the leaves is differentiated, too
    return Plan([node for node in nodes if node.leaf and node.inputs], leaves, oldest, nested=False)


def _local_gradient(node: Node, wire: int, value: Any) -> Any:
    """The local gradient of an element-wise gate on one wire; None for other gates and where none passes."""
    if not node.gate.elementwise or not node.gate.rules or node.inputs[wire] is None:
        return None
    rule = node.gate.rules[wire]
    if rule is None:
        return None
    one = _ONE if type(value) is np.float64 else filled(value, 1)
    with np.errstate(all="ignore"):
        return rule(node.gate, one, *node.saved)
