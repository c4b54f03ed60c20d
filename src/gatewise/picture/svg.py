"""A scene as one standalone SVG: values in green above each wire, gradients in red below it, a gate a circle.

Here live the measures, colours and strokes of the house style; where things stand comes from ``layout``, the words from
``words``. The picture stands on a white or a dark page: whatever is not green or red brings its own background.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from gatewise.errors import InputError
from gatewise.picture.layout import Layout, arrange
from gatewise.picture.quantity import Quantity, same
from gatewise.picture.scene import DRAWN_AT_MOST, Scene, SceneEdge, SceneNode
from gatewise.picture.words import explanation, omission, parts_of, range_text

RADIUS = 20
CHARACTER = 7.6
MARGIN = 16
ROW = 66
CELL = 5
PORT_STEP = 16.0
LEGEND = 'above the wire: <tspan class="value">value</tspan>, below: <tspan class="gradient">gradient</tspan>'
LEGEND_WIDTH = 270.0


@dataclass(frozen=True)
class Palette:
    """The two colours that carry meaning; above and below the wire say the same without them."""

    value: str
    gradient: str


PALETTES = {
    "default": Palette(value="#16894a", gradient="#e03131"),
    "colour-blind": Palette(value="#0a7ac2", gradient="#d55e00"),
}

STYLE = """
.gatewise text{{font:13px "DejaVu Sans Mono",Menlo,Consolas,monospace;text-anchor:middle}}
.gatewise .wire path{{fill:none;stroke:#868e96;stroke-width:1.6}}
.gatewise .wire .head,.gatewise .fork{{fill:#868e96;stroke:none}}
.gatewise .shape{{fill:#f1f3f5;stroke:#495057;stroke-width:1.6}}
.gatewise .constant .shape,.gatewise .elided .shape{{stroke-dasharray:4 3}}
.gatewise .output .shape{{stroke:none}}
.gatewise .symbol{{fill:#212529}}
.gatewise .gate .symbol{{font-weight:bold;font-size:15px}}
.gatewise .name,.gatewise .note{{fill:#868e96;font-style:italic;font-size:12px}}
.gatewise .note{{text-anchor:start}}
.gatewise-{palette} .value{{fill:{value}}}
.gatewise-{palette} .gradient{{fill:{gradient}}}
.gatewise-{palette} rect.value{{stroke:{value}}}
.gatewise-{palette} rect.gradient{{stroke:{gradient}}}
.gatewise rect.value,.gatewise rect.gradient{{fill:none;stroke-width:1.4}}
.gatewise text.alarm{{font-weight:bold}}
.gatewise text.part{{font-size:11px}}
"""


def render(scene: Scene, palette: str = "default") -> str:
    """The scene as an SVG document; hovering a gate tells its numbers.

    ``palette`` is ``"default"`` (green and red) or ``"colour-blind"`` (blue and orange). Of a scene with more than a
    few thousand nodes, the end is drawn, and the picture says so.

    >>> from gatewise.picture.scene import SceneEdge, SceneNode
    >>> scene = Scene((SceneNode(0, "input", "x"), SceneNode(1, "gate", "exp")), (SceneEdge(0, 1),), total=2)
    >>> render(scene)[:4]
    '<svg'
    """
    check_palette(palette)
    scene = scene.last(DRAWN_AT_MOST)
    grid = _Grid.of(scene, arrange(scene))
    colours = PALETTES[palette]
    style = STYLE.format(palette=palette, value=colours.value, gradient=colours.gradient)
    pieces = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="gatewise gatewise-{palette}" role="img" '
        f'aria-label="circuit of {scene.drawn} nodes" width="{grid.width:.0f}" height="{grid.height:.0f}" '
        f'viewBox="0 0 {grid.width:.0f} {grid.height:.0f}">',
        f"<style>{style}</style>",
    ]
    if note := omission(scene):
        pieces.append(f'<text class="note" x="{MARGIN}" y="{MARGIN + 4}">{note}</text>')
    for number, edge in enumerate(scene.edges):
        pieces.extend(_wire(grid, number, edge))
    pieces.extend(_forks(grid))
    for node in scene.nodes:
        pieces.extend(_labels(grid, node))
        pieces.extend(_node(grid, node))
    pieces.append(f'<text class="note" x="{MARGIN}" y="{grid.height - 8:.0f}">{LEGEND}</text>')
    return "\n".join([*pieces, "</svg>"])


def check_palette(palette: str) -> None:
    """Raise ``InputError`` where there is no palette of this name."""
    if palette not in PALETTES:
        raise InputError(f"there is no palette {palette!r}: choose one of {', '.join(map(repr, PALETTES))}")


def safe(text: str) -> str:
    """Text made harmless in markup; what XML forbids altogether becomes a replacement character."""
    allowed = (character if _in_xml(ord(character)) else "\ufffd" for character in text)
    return escape("".join(allowed))


def _in_xml(code: int) -> bool:
    return code in (9, 10, 13) or 32 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or code >= 0x10000


# --- measures ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Grid:
    """From ranks and rows to pixels.

    Between two columns of nodes lie, from left to right: the labels of the wires that leave, room for curves, and,
    where wires of forks arrive, room for their parts of the gradient.
    """

    scene: Scene
    layout: Layout
    left: list[float]
    right: list[float]
    labelled: list[float]
    arriving: list[float]
    row: float
    top: float
    width: float
    height: float

    @classmethod
    def of(cls, scene: Scene, layout: Layout) -> _Grid:
        columns = layout.columns
        widths, labels, parts, curves = [0.0] * columns, [0.0] * columns, [0.0] * columns, [24.0] * columns
        above = below = 14.0
        for node in scene.nodes:
            rank = layout.ranks[node.identifier]
            widths[rank] = max(widths[rank], _size(node)[0])
            if scene.outgoing(node):
                labels[rank] = max(labels[rank], _label_width(scene, node))
            above = max(above, 20 + _thumbnail_size(node.value)[1])
            below = max(below, 20 + _thumbnail_size(node.gradient)[1])
        row = max(ROW, above + below + 14)
        for edge, route in zip(scene.edges, layout.routes, strict=True):
            if part := _part_text(scene, edge):
                rank = layout.ranks[edge.target]
                parts[rank] = max(parts[rank], len(part) * 6.6 + 8)
            for (start, first), (_, second) in pairwise(route):
                curves[start] = max(curves[start], min(90.0, 24 + 0.22 * row * abs(first - second)))
        left, right, labelled, arriving = [], [], [], []
        x = float(MARGIN)
        for rank in range(columns):
            arriving.append(x)
            left.append(x + parts[rank])
            right.append(left[-1] + widths[rank])
            labelled.append(right[-1] + labels[rank])
            x = labelled[-1] + (curves[rank] if rank + 1 < columns else 0)
        top = MARGIN + max(above, RADIUS) + (14 if omission(scene) else 0)
        bottom = max(below, RADIUS + 16) + MARGIN + 14
        return cls(
            scene=scene,
            layout=layout,
            left=left,
            right=right,
            labelled=labelled,
            arriving=arriving,
            row=row,
            top=top,
            width=max(x, LEGEND_WIDTH) + MARGIN,
            height=top + layout.height * row + bottom,
        )

    def y(self, row: float) -> float:
        return self.top + row * self.row

    def middle(self, node: SceneNode) -> tuple[float, float]:
        rank = self.layout.ranks[node.identifier]
        return (self.left[rank] + self.right[rank]) / 2, self.y(self.layout.rows[node.identifier])


def _size(node: SceneNode) -> tuple[float, float]:
    """Width and height of a node's shape."""
    if node.kind == "gate":
        return max(2.0 * RADIUS, len(node.label) * 9.2 + 16), 2.0 * RADIUS
    return len(node.label) * CHARACTER + 14, 26.0


def _thumbnail_size(quantity: Quantity | None) -> tuple[float, float]:
    if quantity is None or not quantity.thumbnail:
        return 0.0, 0.0
    rows = len(quantity.thumbnail)
    return len(quantity.thumbnail[0]) * float(CELL), (rows * CELL if rows > 1 else 2 * CELL) + 4.0


def _label_width(scene: Scene, node: SceneNode) -> float:
    texts = [_text_of(node.value, below=False), _gradient_text(scene, node)]
    return max([len(text) * CHARACTER + 14 for text in texts] + [_thumbnail_size(node.value)[0] + 16])


def _gradient_text(scene: Scene, node: SceneNode) -> str:
    """The label below the wire; into a result, the upstream gradient enters from the right."""
    text = _text_of(node.gradient, below=True)
    return f"← {text}" if text and _names_result(scene, node) else text


def _text_of(quantity: Quantity | None, *, below: bool) -> str:
    """A label: a number; the shape of an array above the wire, and the range of its gradient below."""
    if quantity is None:
        return ""
    if quantity.alarming:
        return f"! {quantity.text if quantity.number is not None else range_text(quantity)}"
    return range_text(quantity) if below and quantity.statistics else quantity.text


def _part_text(scene: Scene, edge: SceneEdge) -> str:
    """What an arriving wire of a fork adds to the gradient; nothing where it is the same as the total."""
    source = scene.node(edge.source)
    if edge.gradient is None or (same(edge.gradient, source.gradient) and not parts_of(scene, source)):
        return ""
    return _text_of(edge.gradient, below=True)


# --- wires ------------------------------------------------------------------------------------------------------------


def _wire(grid: _Grid, number: int, edge: SceneEdge) -> Iterator[str]:
    scene, layout = grid.scene, grid.layout
    source, target = scene.node(edge.source), scene.node(edge.target)
    end_x, end_y = _port(grid, edge)
    x, y = grid.middle(source)
    path = [f"M{x + _size(source)[0] / 2:.1f} {y:.1f}"]
    route = layout.routes[number]
    for position, ((rank, _), (next_rank, row)) in enumerate(pairwise(route)):
        next_y = end_y if position == len(route) - 2 else grid.y(row)
        from_x, to_x = grid.labelled[rank], grid.arriving[next_rank]
        path.append(f"H{from_x:.1f}")
        if next_y != y:
            bend = (to_x - from_x) / 2
            path.append(f"C{from_x + bend:.1f} {y:.1f} {to_x - bend:.1f} {next_y:.1f} {to_x:.1f} {next_y:.1f}")
        y = next_y
    path.append(f"H{end_x:.1f}")
    yield f'<g class="wire"><path d="{"".join(path)}"/>'
    if target.kind == "output":
        yield f'<path class="head" d="M{end_x:.1f} {end_y:.1f}l-9 -4.5v9z"/>'
    if part := _part_text(scene, edge):
        kind = _classes("gradient", edge.gradient)
        x = (grid.arriving[layout.ranks[edge.target]] + grid.left[layout.ranks[edge.target]]) / 2
        yield f'<text class="{kind} part" x="{x:.1f}" y="{end_y + 11:.1f}">{part}</text>'
    yield "</g>"


def _forks(grid: _Grid) -> Iterator[str]:
    """A dot where a wire forks, so that a fork does not look like a crossing."""
    onward: dict[tuple[int, float], set[tuple[int, float, int]]] = {}
    for number, route in enumerate(grid.layout.routes):
        for position, (start, (rank, row)) in enumerate(pairwise(route)):
            # The last stretch ends at a port of its own; before that, wires of a fork share their waypoints.
            wire = number if position == len(route) - 2 else -1
            onward.setdefault(start, set()).add((rank, row, wire))
    for (rank, row), ways in onward.items():
        if len(ways) > 1:
            yield f'<circle class="fork" cx="{grid.labelled[rank]:.1f}" cy="{grid.y(row):.1f}" r="3"/>'


def _port(grid: _Grid, edge: SceneEdge) -> tuple[float, float]:
    """Where a wire touches its target: first inputs on top, spread over the left side of the shape."""
    node = grid.scene.node(edge.target)
    arriving = grid.scene.incoming(node)
    x, y = grid.middle(node)
    width, height = _size(node)
    place = [other.slot for other in arriving].index(edge.slot) - (len(arriving) - 1) / 2
    offset = place * min(PORT_STEP, 0.8 * height / max(1, len(arriving) - 1))
    cap = RADIUS - math.sqrt(RADIUS**2 - offset**2) if node.kind == "gate" else 0.0
    return x - width / 2 + cap, y + offset


# --- labels -----------------------------------------------------------------------------------------------------------


def _classes(kind: str, quantity: Quantity | None) -> str:
    return f"{kind} alarm" if quantity is not None and quantity.alarming else kind


def _labels(grid: _Grid, node: SceneNode) -> Iterator[str]:
    """The value above the wire that leaves a node, and the gradient below."""
    leaving = grid.scene.outgoing(node)
    if not leaving:
        return
    rank = grid.layout.ranks[node.identifier]
    x = (grid.right[rank] + grid.labelled[rank]) / 2
    y = grid.y(grid.layout.rows[node.identifier])
    if node.value is not None:
        yield from _label("value", node.value, _text_of(node.value, below=False), x, y - 6)
        yield from _thumbnail("value", node.value, x, y - 20 - _thumbnail_size(node.value)[1])
    if node.gradient is not None:
        yield from _label("gradient", node.gradient, _gradient_text(grid.scene, node), x, y + 16)
        yield from _thumbnail("gradient", node.gradient, x, y + 22)


def _label(kind: str, quantity: Quantity, text: str, x: float, y: float) -> Iterator[str]:
    if quantity.alarming:
        width = len(text) * CHARACTER + 8
        yield _rectangle(x - width / 2, y - 12, width, 16, f'class="{kind} alarm" rx="3"')
    yield f'<text class="{_classes(kind, quantity)}" x="{x:.1f}" y="{y:.1f}">{safe(text)}</text>'


def _thumbnail(kind: str, quantity: Quantity, x: float, y: float) -> Iterator[str]:
    """A heat map: blue below zero, white at zero, orange above; what is not finite is black with a yellow cross."""
    if not quantity.thumbnail:
        return
    width, height = _thumbnail_size(quantity)
    tall = (height - 4) / len(quantity.thumbnail)
    left = x - width / 2
    largest = max((abs(cell) for row in quantity.thumbnail for cell in row if math.isfinite(cell)), default=0.0)
    for number, row in enumerate(quantity.thumbnail):
        for column, cell in enumerate(row):
            cell_x, cell_y = left + column * CELL, y + 2 + number * tall
            yield _rectangle(cell_x, cell_y, CELL, tall, f'fill="{_heat(cell, largest)}" shape-rendering="crispEdges"')
            if not math.isfinite(cell):
                cross = f"M{cell_x:.1f} {cell_y:.1f}l{CELL} {tall:.1f}m0 -{tall:.1f}l-{CELL} {tall:.1f}"
                yield f'<path d="{cross}" stroke="#ffd43b"/>'
    yield _rectangle(left, y + 2, width, height - 4, f'class="{kind}"')


def _rectangle(x: float, y: float, width: float, height: float, attributes: str) -> str:
    return f'<rect {attributes} x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'


def _heat(cell: float, largest: float) -> str:
    if not math.isfinite(cell):
        return "#000000"
    strength = math.sqrt(abs(cell) / largest) if largest else 0.0
    end = (230, 97, 1) if cell > 0 else (5, 113, 176)
    return "#" + "".join(f"{round(250 + (channel - 250) * strength):02x}" for channel in end)


# --- nodes ------------------------------------------------------------------------------------------------------------


def _node(grid: _Grid, node: SceneNode) -> Iterator[str]:
    x, y = grid.middle(node)
    width, height = _size(node)
    words = safe("\n".join(explanation(grid.scene, node)))
    corner = RADIUS if node.kind == "gate" else 6
    yield f'<g class="node {node.kind}" data-node="{node.identifier}"><title>{words}</title>'
    yield _rectangle(x - width / 2, y - height / 2, width, height, f'class="shape" rx="{corner}"')
    yield f'<text class="symbol" x="{x:.1f}" y="{y + 5:.1f}">{safe(node.label)}</text>'
    if node.kind == "gate" and node.name and not _names_result(grid.scene, node):
        yield f'<text class="name" x="{x:.1f}" y="{y + RADIUS + 14:.1f}">{safe(node.name)}</text>'
    yield "</g>"


def _names_result(scene: Scene, node: SceneNode) -> bool:
    """Whether the wire of this node ends at a result that bears its name already."""
    return any(scene.node(edge.target).kind == "output" for edge in scene.outgoing(node))
