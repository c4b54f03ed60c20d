"""What if: a recorded circuit under edits of its inputs, wires and gates, computed again from what was recorded.

The user's function is not run again, so its decisions stay as they were; the entries keep their numbers, so that what
is drawn can be compared with what was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from gatewise.array import Array
from gatewise.collecting import nothing_collected
from gatewise.errors import CodeError, InputError
from gatewise.formulas import alternatives_to
from gatewise.graph import Leaf, Node, compute, filled, now
from gatewise.recording import Entry, Recording, recorded

Edit = Mapping[str, Any]


Recorded = TypeVar("Recorded", bound=Recording)


def edited(circuit: Recorded, edits: Sequence[Edit]) -> Recorded:
    """The circuit with all these edits, values and gradients computed again.

    Args:
        circuit: As it was recorded; it is left as it is.
        edits: Each as ``docs/scene.md`` says under "Edits": ``set`` gives an input or an array constant another value,
            ``cut`` lets nothing pass a wire, ``hold`` lets the value pass and no gradient, ``swap`` puts another gate
            in a gate's place. Of several for the same thing the last one counts.

    Raises:
        InputError: An edit is not as documented, or the circuit has no such node, wire or gate.

    Example:
        >>> import gatewise as gw
        >>> circuit = gw.trace(lambda x, y, z: (x + y) * z, -2.0, 5.0, -4.0)
        >>> edits = [{"kind": "set", "node": 0, "value": 1.0}, {"kind": "cut", "target": 3, "slot": 1}]
        >>> what_if = edited(circuit, edits)
        >>> [float(entry.value) for entry in what_if], [float(entry.gradient) for entry in what_if.inputs]
        ([1.0, 5.0, -4.0, 1.0, -4.0], [-4.0, 0.0, 1.0])
    """
    plan = _Plan(circuit)
    for number, edit in enumerate(edits):
        if not isinstance(edit, Mapping):
            raise InputError(f"edit {number} is {edit!r:.60}; an edit is an object with a kind")
        what = _KINDS.get(edit.get("kind", "")) if isinstance(edit.get("kind"), str) else None
        if what is None:
            raise InputError(f"edit {number} has the kind {edit.get('kind')!r:.60}; there are {', '.join(_KINDS)}")
        what(plan, edit)
    with nothing_collected():
        made = plan.run()
    return type(circuit)(made.entries, made.outputs, made.upstream)


class _Plan:
    """The edits, sorted by what they change."""

    def __init__(self, circuit: Recording) -> None:
        self.circuit = circuit
        self.values: dict[int, Any] = {}
        self.constants: dict[tuple[int, int], Any] = {}
        self.wires: dict[tuple[int, int], str] = {}
        self.gates: dict[int, Any] = {}

    def set(self, edit: Edit) -> None:
        place = edit.get("node")
        if isinstance(place, int) and place >= len(self.circuit):
            entry, slot = self._constant(place)
            self.constants[entry.index, slot] = _changed(entry.constants[slot], edit, f"node {place}")
            return
        entry = self._entry(place)
        if not entry.is_input:
            raise InputError(
                f"node {entry.index} is computed by a gate, {entry.gate.name}: only inputs and constants can be set; "
                "swap the gate, or cut its wires"
            )
        before = self.values.get(entry.index, entry.value)
        self.values[entry.index] = _changed(before, edit, f"input {entry.name or entry.index}")

    def wire(self, edit: Edit) -> None:
        entry = self._entry(edit.get("target"))
        slot = edit.get("slot", 0)
        if not isinstance(slot, int) or not 0 <= slot < len(entry.operands):
            raise InputError(
                f"node {entry.index} has no input wire {slot!r:.40}: it has {len(entry.operands)}, numbered from 0"
            )
        self.wires[entry.index, slot] = edit["kind"]

    def swap(self, edit: Edit) -> None:
        entry = self._entry(edit.get("node"))
        others = {gate.name: gate for gate in alternatives_to(entry.gate.name)}
        name = edit.get("gate")
        if name == entry.gate.name:
            self.gates.pop(entry.index, None)
        elif not isinstance(name, str) or name not in others:
            known = f"there are {', '.join(others)}" if others else "nothing can stand in its place"
            raise InputError(f"{entry.gate.name} of node {entry.index} cannot become {name!r:.40}: {known}")
        else:
            self.gates[entry.index] = others[name]

    def _entry(self, place: Any) -> Entry:
        if not isinstance(place, int) or isinstance(place, bool) or not 0 <= place < len(self.circuit):
            raise InputError(
                f"the circuit has no node {place!r:.40}; they are numbered from 0 to {len(self.circuit) - 1}"
            )
        return self.circuit.entries[place]

    def _constant(self, place: int) -> tuple[Entry, int]:
        """The wire on which an array constant stands; pictures number them after all the entries."""
        from gatewise.picture.scene import constants_of

        found = constants_of(self.circuit.entries)
        if place - len(self.circuit) >= len(found):
            raise InputError(f"the circuit has no node {place}")
        index, slot = found[place - len(self.circuit)]
        return self.circuit.entries[index], slot

    def run(self) -> Recording:
        """The circuit, entry by entry."""
        nodes: list[Node] = []
        values: list[Any] = []
        with np.errstate(all="ignore"):
            for entry in self.circuit.entries:
                node, value = self._leaf(entry) if entry.is_input else self._gate(entry, nodes, values)
                nodes.append(node)
                values.append(value)
        outputs = [Array.of(nodes[place], values[place]) for place in self.circuit.outputs]
        leaves = [node for node in nodes if isinstance(node, Leaf)]
        calls = {
            node: (value, entry.call, entry.event)
            for node, value, entry in zip(nodes, values, self.circuit.entries, strict=True)
            if entry.call is not None
        }
        return recorded(nodes, values, outputs, leaves, self.circuit.upstream, calls)

    def _leaf(self, entry: Entry) -> tuple[Node, Any]:
        old = entry.node
        value = self.values.get(entry.index, entry.value)
        if not isinstance(old, Leaf):  # a gate without operands makes the same again
            return old, value
        return Leaf(old.gate, value, entry.name, None, bool(old.leaf), (old.code, old.instruction)), value

    def _gate(self, entry: Entry, nodes: Sequence[Node], values: Sequence[Any]) -> tuple[Node, Any]:
        old = entry.node
        gate = self.gates.get(entry.index, old.gate)
        inputs: list[Node | None] = []
        operands: list[Any] = []
        for slot, (operand, constant) in enumerate(zip(entry.operands, entry.constants, strict=True)):
            value = self.constants.get((entry.index, slot), constant) if operand is None else values[operand]
            how = self.wires.get((entry.index, slot))
            inputs.append(None if operand is None or how else nodes[operand])
            operands.append(filled(np.asarray(value)[()], 0) if how == "cut" else value)
        try:
            value = compute(gate, operands)
        except (CodeError, ArithmeticError, ValueError, TypeError, IndexError) as error:
            raise InputError(
                f"node {entry.index}, {gate.name}, cannot be computed with these edits: {error}"
            ) from error
        node = Node()
        node.gate = gate
        node.inputs = tuple(inputs)
        node.constants = tuple(
            [None if source is not None else value for source, value in zip(inputs, operands, strict=True)]
        )
        node.constants = node.constants if None in node.inputs else None
        node.saved = () if gate.save is None else gate.save(tuple(operands), value)
        node.shape, node.dtype = value.shape, value.dtype
        node.order = now()
        node.leaf = max([source.leaf for source in inputs if source is not None], default=0)
        node.leaf = node.leaf if gate.differentiable else 0
        node.code, node.instruction = old.code, old.instruction
        return node, value


_KINDS: dict[str, Callable[[_Plan, Edit], None]] = {
    "set": _Plan.set,
    "cut": _Plan.wire,
    "hold": _Plan.wire,
    "swap": _Plan.swap,
}


def _changed(before: Any, edit: Edit, what: str) -> Any:
    """The value of an input after an edit of all its entries, or of one."""
    array = np.array(before)
    if array.dtype.kind not in "biuf":
        raise InputError(f"{what} is of dtype {array.dtype}; only real numbers can be set")
    try:
        number = array.dtype.type(float(edit["value"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise InputError(f"{what} cannot be {edit.get('value')!r:.40}: give a number") from None
    index = edit.get("index")
    if index is None:
        array[...] = number
        return array[()]
    fits = isinstance(index, list | tuple) and len(index) == array.ndim and all(type(i) is int for i in index)
    if not fits or not all(0 <= i < length for i, length in zip(index, array.shape, strict=True)):
        raise InputError(f"{what} has shape {array.shape}; it has no entry {index!r:.60}")
    array[tuple(index)] = number
    return array[()]
