"""The two passes as a row of steps: values appear gate by gate, then gradients, gate by gate in reverse.

A `Stepper` knows what is known at each position and why; how it is shown is the terminal's business. The browser's side
has the same in ``viewer/stepper.js``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gatewise.picture.quantity import Quantity
from gatewise.picture.scene import Scene, SceneEdge, SceneNode
from gatewise.picture.words import exact_text, wire_name


@dataclass(frozen=True)
class Step:
    """One step: a value computed or given, the gradient that a result begins with, or a gate's way back."""

    phase: Literal["forward", "seed", "backward"]
    node: SceneNode


class Stepper:
    """A scene at a position: the first `position` steps have been taken.

    >>> import gatewise as gw
    >>> from gatewise.picture.scene import scene_of
    >>> stepper = Stepper(scene_of(gw.trace(lambda x: x * x + x, 3.0)))
    >>> len(stepper), stepper.go(3), stepper.reason()
    (6, 3, 'add(9, 3) = 12')
    >>> stepper.run(breakpoint_of("multiply"), 1), stepper.reason()
    (True, 'multiply ← x: 1 × 3 = 3  ·  x: 1 × 3 = 3; x adds up: 3 + 3 + 1 = 7')
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        drawn = [node for node in scene.nodes if node.kind != "output"]
        self.steps = [Step("forward", node) for node in drawn]
        self.steps += [Step("seed", node) for node in drawn if self._seed(node)]
        self.steps += [
            Step("backward", node)
            for node in reversed(drawn)
            if node.kind == "gate" and any(edge.gradient is not None for edge in scene.incoming(node))
        ]
        self._places: dict[tuple[str, int], int] = {
            (step.phase, step.node.identifier): place for place, step in enumerate(self.steps)
        }
        self.position = len(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def go(self, position: int) -> int:
        """Go to a position; beyond the ends, to the nearer end."""
        self.position = min(max(position, 0), len(self.steps))
        return self.position

    def taken(self, phase: str, node: SceneNode) -> bool:
        """Whether a step of this kind was taken at a node."""
        return self._places.get((phase, node.identifier), len(self.steps)) < self.position

    def arrived(self, node: SceneNode) -> tuple[list[Quantity], bool]:
        """The parts of a node's gradient that have come back, and whether these are all of them."""
        back = [edge for edge in self.scene.outgoing(node) if edge.gradient is not None]
        parts = [edge.gradient for edge in back if self.taken("backward", self.scene.node(edge.target))]
        seed = self._seed(node)
        if seed is not None and self.taken("seed", node):
            parts.insert(0, seed)
        found = [part for part in parts if part is not None]
        return found, len(found) == len(back) + (seed is not None) and bool(found or self.position == len(self.steps))

    def touched(self, place: int) -> list[SceneNode]:
        """The nodes that look different after the step at this place."""
        step = self.steps[place]
        sources = self.scene.incoming(step.node) if step.phase == "backward" else []
        return [step.node, *(self.scene.node(edge.source) for edge in sources)]

    def run(self, holds: Callable[[Stepper, Step], bool], direction: int) -> bool:
        """Go on, or with -1 back, to the next position after a step for which a breakpoint holds; False for none."""
        place = self.position + direction
        while 1 <= place <= len(self.steps):
            if holds(self, self.steps[place - 1]):
                self.position = place
                return True
            place += direction
        return False

    def made(self, step: Step) -> list[Quantity]:
        """What a step produces."""
        if step.phase == "forward":
            found = [step.node.value]
        elif step.phase == "seed":
            found = [step.node.gradient]
        else:
            found = [edge.gradient for edge in self.scene.incoming(step.node)]
        return [quantity for quantity in found if quantity is not None]

    def reason(self) -> str:
        """The last step in one line."""
        if not self.position:
            return "Before the forward pass: no values yet."
        step = self.steps[self.position - 1]
        node = step.node
        if step.phase == "seed":
            return (
                f"The backward pass begins: the gradient of {node.name or node.label} is {exact_text(node.gradient)}."
            )
        if step.phase == "forward":
            return self._computed(node)
        passing = [edge for edge in self.scene.incoming(node) if edge.gradient is not None]
        lines = [self._returned(node, edge, passing[place + 1 :]) for place, edge in enumerate(passing)]
        return f"{node.name or node.gate} ← {'  ·  '.join(lines)}"

    def _computed(self, node: SceneNode) -> str:
        if node.kind != "gate":
            return f"{node.name or node.label} is given: {exact_text(node.value)}"
        slots = {slot: f"{number:.6g}" for slot, number in node.constants}
        slots |= {edge.slot: exact_text(self.scene.node(edge.source).value) for edge in self.scene.incoming(node)}
        inputs = ", ".join(text for _, text in sorted(slots.items()))
        name = f"{node.name} = " if node.name else ""
        return f"{name}{node.gate}({inputs}) = {exact_text(node.value)}"

    def _returned(self, node: SceneNode, edge: SceneEdge, later: list[SceneEdge]) -> str:
        source, name = self.scene.node(edge.source), wire_name(self.scene, edge)
        part = exact_text(edge.gradient)
        if edge.local is None:
            line = f"{name}: {exact_text(node.gradient)} → {part}"
        else:
            line = f"{name}: {exact_text(node.gradient)} × {exact_text(edge.local)} = {part}"
        parts, complete = self.arrived(source)
        numbers = [part.number for part in parts if part.number is not None]
        again = any(other.source == edge.source for other in later)
        if again or len(numbers) < 2 or len(numbers) < len(parts):
            return line
        terms = " + ".join(f"{number:.6g}" for number in numbers)
        return f"{line}; {name} adds up: {terms} = {sum(numbers):.6g}{'' if complete else ' …'}"

    def _seed(self, node: SceneNode) -> Quantity | None:
        """The gradient that a result begins with: what of its own comes from no gate."""
        outgoing = self.scene.outgoing(node)
        if node.gradient is None or not any(self.scene.node(edge.target).kind == "output" for edge in outgoing):
            return None
        back = [edge.gradient for edge in outgoing if edge.gradient is not None]
        if not back:
            return node.gradient
        if node.gradient.number is None or any(part.number is None for part in back):
            return None
        rest = node.gradient.number - sum(part.number for part in back if part.number is not None)
        return Quantity((), node.gradient.dtype, f"{rest:.6g}", rest) if rest else None


def norm_of(quantity: Quantity) -> float:
    """The Euclidean norm of the finite entries."""
    known = quantity.statistics
    if quantity.number is not None or known is None:
        return abs(quantity.number or 0.0)
    return math.sqrt(known.size - known.nans - known.infinities) * math.hypot(known.mean, known.deviation)


def breakpoint_of(text: str) -> Callable[[Stepper, Step], bool]:
    """A breakpoint out of its text: ``not finite``, ``norm > 100``, ``line 12``, or the name of a gate or a variable.

    Raises:
        ValueError: The text is empty, or its number is none.
    """
    said = text.strip()
    if not said:
        raise ValueError("a breakpoint is a gate, a name, 'line 12', 'not finite' or 'norm > 100'")
    if said.lower() in ("not finite", "nan", "inf"):
        return lambda stepper, step: any(quantity.alarming for quantity in stepper.made(step))
    norm = re.fullmatch(r"norm\s*([<>])\s*(\S+)", said, re.IGNORECASE)
    if norm:
        bound = float(norm[2])
        if norm[1] == ">":
            return lambda stepper, step: any(norm_of(quantity) > bound for quantity in stepper.made(step))
        return lambda stepper, step: any(norm_of(quantity) < bound for quantity in stepper.made(step))
    line = re.fullmatch(r"(?:line\s*|.*:)(\d+)", said, re.IGNORECASE)
    if line:
        number = int(line[1])
        return lambda stepper, step: step.node.source is not None and step.node.source.line == number
    return lambda stepper, step: said in (step.node.gate, step.node.name, step.node.label)
