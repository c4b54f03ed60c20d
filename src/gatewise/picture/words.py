"""How numbers and chain-rule rows are worded, once for every renderer.

Here live the compact numbers of the CS231n notes (``-4.00``, ``0.73``, ``1.2e+05``) and the sentences that a gate
says about itself. Nothing here knows about SVG, HTML or terminals.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatewise.picture.quantity import Quantity
    from gatewise.picture.scene import Scene, SceneEdge, SceneNode

LABEL_LENGTH = 18


def number_text(number: float) -> str:
    """A number as the CS231n notes write it: two decimals, at least two significant digits, never ``-0.00``.

    >>> [number_text(number) for number in (-4, 0.731, -0.1966, 0.0123, 123456.0, -0.0, 1e-7)]
    ['-4.00', '0.73', '-0.20', '0.012', '1.2e+05', '0.00', '1.0e-07']
    """
    if not math.isfinite(number):
        return f"{number:g}"
    size = abs(number)
    if size == 0:
        return "0.00"
    if size >= 99999.95 or size < 0.000995:
        return f"{number:.1e}"
    if size >= 999.95:
        return f"{number:.1f}"
    if size >= 0.0995:
        return f"{number:.2f}"
    return f"{number:.{3 if size >= 0.00995 else 4}f}"


def complex_text(number: complex) -> str:
    """A complex number, both parts compact.

    >>> complex_text(1 - 2j)
    '1.00-2.00j'
    """
    imaginary = number_text(number.imag)
    return f"{number_text(number.real)}{'' if imaginary.startswith('-') else '+'}{imaginary}j"


def constant_text(constant: object) -> str:
    """A constant as it is written inside a gate: ``1``, ``-1``, ``0.5``.

    >>> constant_text(1.0), constant_text(-0.5), constant_text(True)
    ('1', '-0.5', 'True')
    """
    if isinstance(constant, float):
        return f"{constant:.4g}"
    return shorten(str(constant), 10)


def shape_text(shape: tuple[int, ...]) -> str:
    """The shape of an array.

    >>> shape_text((5, 10)), shape_text((3,))
    ('5×10', '(3,)')
    """
    return f"({shape[0]},)" if len(shape) == 1 else "×".join(map(str, shape))


def shorten(text: str, length: int = LABEL_LENGTH) -> str:
    """The text on one line, with an ellipsis when it is longer than ``length``."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def range_text(quantity: Quantity) -> str:
    """What an array spans, or what is wrong with it: ``-0.81…1.20``, ``3 nan``."""
    statistics = quantity.statistics
    if statistics is None:
        return quantity.text
    if quantity.alarming:
        counts = ((statistics.nans, "nan"), (statistics.infinities, "inf"))
        return " ".join(f"{count} {what}" for count, what in counts if count)
    if not statistics.size:
        return "empty"
    if statistics.minimum == statistics.maximum:
        return f"all {number_text(statistics.minimum)}"
    return f"{number_text(statistics.minimum)}…{number_text(statistics.maximum)}"


def exact_text(quantity: Quantity | None) -> str:
    """A quantity in a sentence: six digits for a number; shape and range for an array."""
    if quantity is None:
        return "none"
    if quantity.number is not None:
        return f"{quantity.number:.6g}"
    if quantity.statistics is None:
        return quantity.text
    return f"{shape_text(quantity.shape)} [{range_text(quantity)}]"


def chain_rule(scene: Scene, edge: SceneEdge) -> str:
    """One input wire's row: ``upstream × local = gradient``, in real numbers.

    Where the local gradient is not a plain factor (a matrix product), the row says what came in and what left.
    """
    upstream = exact_text(scene.node(edge.target).gradient)
    if edge.gradient is None:
        return f"{wire_name(scene, edge)}: no gradient on this wire"
    if edge.local is None:
        return f"{wire_name(scene, edge)}: upstream {upstream} → gradient {exact_text(edge.gradient)}"
    return f"{wire_name(scene, edge)}: {upstream} × {exact_text(edge.local)} = {exact_text(edge.gradient)}"


def wire_name(scene: Scene, edge: SceneEdge) -> str:
    """The variable on the wire where it has a name, else the gate's own name for the wire."""
    source = scene.node(edge.source)
    written = source.source.expression if source.source else ""
    return source.name or (source.label if source.kind == "input" else written) or edge.wire or f"input {edge.slot}"


def heading(node: SceneNode) -> str:
    """What a node is, in a few words: ``q: add (+)``, ``input x``."""
    if node.kind == "gate":
        name = f"{node.name}: " if node.name else ""
        symbol = f" ({node.label})" if node.label and node.label != node.gate else ""
        return f"{name}{node.gate}{symbol}"
    if node.kind == "summary":
        return f"{node.holds:,} {'inputs of ' + node.name if node.name else 'gates'}, not listed"
    kind = "earlier gate, not drawn:" if node.kind == "elided" else node.kind
    return f"{kind} {node.label}".strip()


def explanation(scene: Scene, node: SceneNode) -> list[str]:
    """All that a node says about itself, line by line: what it is, its story, its chain-rule rows, its line of code."""
    lines = [heading(node)]
    if node.story:
        lines.append(node.story)
    if node.value is not None:
        lines.append(f"value {exact_text(node.value)}")
    if node.kind != "output":
        lines.append(f"gradient {exact_text(node.gradient)}{fork_text(scene, node)}")
    incoming = [] if node.kind == "output" else scene.incoming(node)
    if any(edge.gradient is not None for edge in incoming):
        plain = any(edge.local is not None for edge in incoming)
        lines.append("upstream × local = gradient" if plain else "upstream → gradient")
        lines.extend(chain_rule(scene, edge) for edge in incoming)
    if node.source is not None:
        lines.append(f"{node.source.file}:{node.source.line}  {node.source.text}".rstrip())
    return lines


def parts_of(scene: Scene, node: SceneNode) -> list[Quantity]:
    """The gradients that come back over the wires of a fork; empty when there is no fork."""
    parts = [edge.gradient for edge in scene.outgoing(node) if edge.gradient is not None]
    return parts if len(parts) > 1 else []


def fork_text(scene: Scene, node: SceneNode) -> str:
    """How the gradients add up where a wire forks: ``= 3 + 1``."""
    parts = parts_of(scene, node)
    if not parts:
        return ""
    if len(parts) > 6 or any(part.number is None for part in parts):
        return f" = sum over {len(parts)} wires (gradients add up at forks)"
    terms = " + ".join(f"({text})" if text.startswith("-") else text for text in map(exact_text, parts))
    return f" = {terms} (gradients add up at forks)"


def omission(scene: Scene) -> str:
    """The sentence that says that only a part is drawn; empty when all is drawn."""
    if scene.total <= scene.drawn:
        return ""
    if summaries := [node for node in scene.nodes if node.kind == "summary"]:
        return f"{scene.drawn:,} of {scene.total:,} nodes are listed, the others told in {len(summaries):,} summaries"
    return f"showing the last {scene.drawn:,} of {scene.total:,} nodes"
