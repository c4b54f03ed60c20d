"""A scene for the terminal: drawn in two dimensions where it fits, a table of one row per node where it does not.

The drawing follows the same layout and the same house style as the SVG: values above the wire, gradients below, gates
in round brackets. Both forms are lines of styled spans; ``plain`` joins their text and ``render`` hands them to rich,
which is imported only there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from gatewise.picture.layout import Layout, arrange
from gatewise.picture.quantity import Quantity
from gatewise.picture.scene import Scene, SceneNode
from gatewise.picture.words import omission, parts_of, range_text, shorten

if TYPE_CHECKING:
    from rich.text import Text

Span = tuple[str, str]
"""A piece of text and its style: "value", "gradient", "gate", "faint", each with " alarm" where it is not finite."""

STYLES = {"value": "green", "gradient": "red", "gate": "bold", "faint": "dim", "": ""}
GATES_IN_A_DRAWING = 40
ROWS_IN_A_TABLE = 200
LINES_PER_ROW = 4

LEFT, RIGHT, UP, DOWN = 1, 2, 4, 8
GLYPHS = {
    LEFT: "─", RIGHT: "─", LEFT | RIGHT: "─", UP: "│", DOWN: "│", UP | DOWN: "│",
    LEFT | UP: "┘", LEFT | DOWN: "┐", RIGHT | UP: "└", RIGHT | DOWN: "┌",
    LEFT | UP | DOWN: "┤", RIGHT | UP | DOWN: "├", LEFT | RIGHT | UP: "┴", LEFT | RIGHT | DOWN: "┬",
    LEFT | RIGHT | UP | DOWN: "┼",
}  # fmt: skip


def plain(scene: Scene, width: int = 100) -> str:
    """The scene as text without colour.

    >>> from gatewise.picture.scene import SceneEdge, SceneNode
    >>> scene = Scene((SceneNode(0, "input", "x"), SceneNode(1, "gate", "exp")), (SceneEdge(0, 1),), total=2)
    >>> print(plain(scene).strip())
    x ───(exp)
    """
    return "\n".join("".join(text for text, _ in line).rstrip() for line in _lines(scene, width))


def render(scene: Scene, width: int = 100) -> Text:
    """The scene as a rich ``Text``: values green, gradients red, what is not finite in reverse video."""
    from rich.text import Text

    drawn = Text(no_wrap=True, overflow="ellipsis", end="")
    for line in _lines(scene, width):
        for text, style in line:
            kind, _, alarm = style.partition(" ")
            drawn.append(text, style=f"{STYLES[kind]} bold reverse" if alarm else STYLES[kind])
        drawn.append("\n")
    return drawn


def _lines(scene: Scene, width: int) -> list[list[Span]]:
    if sum(node.kind == "gate" for node in scene.nodes) <= GATES_IN_A_DRAWING:
        layout = arrange(scene)
        for spacing in SPACINGS:
            drawing = _Drawing(scene, layout, spacing)
            if drawing.place() <= width:
                return drawing.lines()
    return _table(scene.last(ROWS_IN_A_TABLE), width)


def _text_of(quantity: Quantity | None, *, below: bool) -> str:
    if quantity is None:
        return ""
    if quantity.alarming:
        return f"!{quantity.text if quantity.number is not None else range_text(quantity)}"
    return range_text(quantity) if below and quantity.statistics else quantity.text


def _style(kind: str, quantity: Quantity | None) -> str:
    return f"{kind} alarm" if quantity is not None and quantity.alarming else kind


# --- the drawing ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Spacing:
    """How much room a drawing takes: ``pad`` around labels, and whether forks show their sum, ``3.00+1.00=4.00``."""

    pad: int
    sums: bool


SPACINGS = (_Spacing(1, sums=True), _Spacing(1, sums=False), _Spacing(0, sums=False))
UNROUTABLE = 10**9


@dataclass
class _Drawing:
    """The canvas: wires as directions per cell, to become box characters; text over them.

    Between two columns of nodes lie a zone for labels and one for vertical strokes. Every target has a vertical of its
    own, in which its inputs meet; wires of a fork share the horizontal that leaves their source.
    """

    scene: Scene
    layout: Layout
    spacing: _Spacing
    left: list[int] = field(default_factory=list)
    labelled: list[int] = field(default_factory=list)
    strokes: dict[tuple[int, int], int] = field(default_factory=dict)
    joints: set[tuple[int, int]] = field(default_factory=set)
    texts: dict[tuple[int, int], Span] = field(default_factory=dict)

    def line_of(self, row: float) -> int:
        """The line of the wire that leaves at this row; its value stands above, its gradient below."""
        return 1 + round(row * LINES_PER_ROW)

    def place(self) -> int:
        """Decide the columns; the width they take."""
        layout = self.layout
        glyphs, labels = [0] * layout.columns, [0] * layout.columns
        for node in self.scene.nodes:
            rank = layout.ranks[node.identifier]
            glyphs[rank] = max(glyphs[rank], len(_glyph(node)))
            if self.scene.outgoing(node):
                labels[rank] = max(labels[rank], *(len(text) for text, _ in self._labels(node)))
        self.verticals = [_verticals(gap) for gap in self._gaps()]
        if any(after - before > 1 for route in layout.routes for (before, _), (after, _) in pairwise(route)):
            return UNROUTABLE
        x = 0
        for rank in range(layout.columns):
            self.left.append(x)
            self.labelled.append(x + glyphs[rank] + labels[rank] + 2 * self.spacing.pad)
            verticals = self.verticals[rank]
            if verticals is None:
                return UNROUTABLE
            x = self.labelled[-1] + max(verticals.values(), default=-1) + 2
        return (self.left[-1] + glyphs[-1]) if self.left else 0

    def _gaps(self) -> list[dict[int, set[int]]]:
        """Per gap between ranks: the lines of the wires' sources, by the line of their target."""
        gaps: list[dict[int, set[int]]] = [{} for _ in range(self.layout.columns)]
        for route in self.layout.routes:
            for (rank, row), (_, next_row) in pairwise(route):
                gaps[rank].setdefault(self.line_of(next_row), set()).add(self.line_of(row))
        return gaps

    def _labels(self, node: SceneNode) -> tuple[Span, Span]:
        value, gradient = node.value, node.gradient
        text = _text_of(gradient, below=True)
        parts = [_text_of(part, below=True) for part in parts_of(self.scene, node)]
        if self.spacing.sums and 2 <= len(parts) <= 3 and gradient is not None and gradient.number is not None:
            text = f"{'+'.join(parts).replace('+-', '-')}={text}"
        return (_text_of(value, below=False), _style("value", value)), (text, _style("gradient", gradient))

    def lines(self) -> list[list[Span]]:
        """Stroke the wires, write the texts over them, and read the canvas off line by line."""
        for rank, gap in enumerate(self._gaps()):
            for target, sources in gap.items():
                self._wire(rank, target, sources)
        for route in self.layout.routes:
            for rank, row in route[1:-1]:
                self._horizontal(self.line_of(row), self.left[rank], self.labelled[rank])
        for node in self.scene.nodes:
            self._node(node)
        canvas = {cell: (self._glyph_at(cell, mask), "faint") for cell, mask in self.strokes.items()} | self.texts
        height = max((line for line, _ in canvas), default=0) + 1
        rows: list[dict[int, Span]] = [{} for _ in range(height)]
        for (line, column), span in canvas.items():
            rows[line][column] = span
        note = omission(self.scene)
        return [*([[(note, "faint")]] if note else []), *map(_spans, rows)]

    def _glyph_at(self, cell: tuple[int, int], mask: int) -> str:
        crossing = mask & (LEFT | RIGHT) and mask & (UP | DOWN) and cell not in self.joints
        return "│" if crossing else GLYPHS[mask]

    def _stroke(self, line: int, column: int, mask: int) -> None:
        self.strokes[line, column] = self.strokes.get((line, column), 0) | mask

    def _horizontal(self, line: int, start: int, stop: int) -> None:
        for column in range(start, stop):
            self._stroke(line, column, LEFT | RIGHT)

    def _wire(self, rank: int, target: int, sources: set[int]) -> None:
        """All wires of one gap that end at one target."""
        start, stop = self.labelled[rank], self.left[rank + 1]
        verticals = self.verticals[rank] or {}
        if target not in verticals:
            self._horizontal(target, start, stop)
            return
        column = start + verticals[target]
        top, bottom = min(*sources, target), max(*sources, target)
        for line in range(top, bottom + 1):
            self._stroke(line, column, (UP if line > top else 0) | (DOWN if line < bottom else 0))
        for line in sources:
            self._horizontal(line, start, column)
            self._stroke(line, column, LEFT)
            self.joints.add((line, column))
        self._stroke(target, column, RIGHT)
        self.joints.add((target, column))
        self._horizontal(target, column + 1, stop)

    def _node(self, node: SceneNode) -> None:
        rank = self.layout.ranks[node.identifier]
        line = self.line_of(self.layout.rows[node.identifier])
        glyph = _glyph(node)
        self._write(line, self.left[rank], glyph, "gate")
        if not self.scene.outgoing(node):
            return
        start, stop = self.left[rank] + len(glyph), self.labelled[rank]
        self._horizontal(line, start, stop)
        labels = self._labels(node)
        room = max(len(text) for text, _ in labels)
        first = min(start + self.spacing.pad, stop - room)
        for (text, style), beside in zip(labels, (line - 1, line + 1), strict=True):
            self._write(beside, first + (room - len(text)) // 2, text, style)

    def _write(self, line: int, column: int, text: str, style: str) -> None:
        for offset, letter in enumerate(text):
            self.texts[line, column + offset] = (letter, style)


def _glyph(node: SceneNode) -> str:
    if node.kind == "gate":
        return f"({node.label})"
    if node.kind == "output":
        return "▶" if node.label == "output" else f"▶ {node.label}"
    return f"{node.label} " if node.kind == "input" else f"[{node.label}]"


def _verticals(gap: dict[int, set[int]]) -> dict[int, int] | None:
    """For every target whose wires are not straight, the place of its vertical stroke; None when wires would overlap.

    Where the line of one target's source is the line of another target, the first must turn off before the second
    turns in: an order on verticals, which here and there has a cycle.
    """
    bent = sorted(target for target, sources in gap.items() if sources != {target})
    later: dict[int, set[int]] = {target: set() for target in bent}
    waiting = dict.fromkeys(bent, 0)
    for first in bent:
        for line in gap[first]:
            if line in later and line != first and line not in later[first]:
                later[first].add(line)
                waiting[line] += 1
    places: dict[int, int] = {}
    taken: list[list[tuple[int, int]]] = []
    ready = [target for target in bent if not waiting[target]]
    while ready:
        target = ready.pop(0)
        low, high = min(*gap[target], target), max(*gap[target], target)
        place = max((places[other] + 1 for other in places if target in later[other]), default=0)
        while place < len(taken) and any(low <= bottom and top <= high for top, bottom in taken[place]):
            place += 1
        while place >= len(taken):
            taken.append([])
        taken[place].append((low, high))
        places[target] = place
        for other in sorted(later[target]):
            waiting[other] -= 1
            if not waiting[other]:
                ready.append(other)
    return places if len(places) == len(bent) else None


def _spans(cells: dict[int, Span]) -> list[Span]:
    """A line of single characters as runs of one style."""
    line: list[Span] = []
    for column in range(max(cells, default=-1) + 1):
        letter, style = cells.get(column, (" ", ""))
        if line and line[-1][1] == style:
            line[-1] = (line[-1][0] + letter, style)
        else:
            line.append((letter, style))
    return line


# --- the table --------------------------------------------------------------------------------------------------------

HEADINGS = ("#", "name", "gate", "inputs", "value", "gradient", "line")
RIGHT_ALIGNED = ("#", "value", "gradient")
DISPENSABLE = ("line", "inputs", "#")
"""Columns to leave out, in this order, on a narrow terminal."""


def _table(scene: Scene, width: int) -> list[list[Span]]:
    rows = [_row(scene, node) for node in scene.nodes if node.kind != "output"]
    headings = list(HEADINGS)
    widths = {name: max([len(name), *(len(row[name][0]) for row in rows)]) for name in headings}
    for name in DISPENSABLE:
        if sum(widths[kept] + 2 for kept in headings) - 2 > width:
            headings.remove(name)
    excess = sum(widths[kept] + 2 for kept in headings) - 2 - width
    widths["gate"] = max(6, widths["gate"] - max(0, excess))
    lines = [_cells(headings, {name: (name, "faint") for name in headings}, widths)]
    lines += [_cells(headings, row, widths) for row in rows]
    note = omission(scene)
    return [*([[(note, "faint")]] if note else []), *lines]


def _row(scene: Scene, node: SceneNode) -> dict[str, Span]:
    gate = f"{node.gate} ({node.label})" if node.gate and node.label not in (node.gate, "") else node.gate or node.label
    inputs = ", ".join(_input_name(scene, edge.source) for edge in scene.incoming(node)[:4])
    source = node.source
    return {
        "#": (str(node.identifier), "faint"),
        "name": (node.name or ("" if node.kind == "gate" else node.label), ""),
        "gate": (gate, "gate") if node.kind == "gate" else (node.kind, "faint"),
        "inputs": (inputs + (", …" if len(scene.incoming(node)) > 4 else ""), ""),
        "value": (_text_of(node.value, below=False), _style("value", node.value)),
        "gradient": (_text_of(node.gradient, below=True), _style("gradient", node.gradient)),
        "line": (f"{source.file.rsplit('/', 1)[-1]}:{source.line}" if source else "", "faint"),
    }


def _input_name(scene: Scene, identifier: int) -> str:
    node = scene.node(identifier)
    return node.name or f"#{identifier}"


def _cells(headings: Sequence[str], row: dict[str, Span], widths: dict[str, int]) -> list[Span]:
    line: list[Span] = []
    for name in headings:
        text, style = shorten(row[name][0], widths[name]), row[name][1]
        space = " " * (widths[name] - len(text))
        before, after = (space, "") if name in RIGHT_ALIGNED else ("", space)
        line += [(before, ""), (text, style), (after + "  ", "")]
    return line
