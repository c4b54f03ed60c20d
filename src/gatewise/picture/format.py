"""A scene as JSON and back, in the format that ``docs/scene.md`` documents: defaults are left out, read back in."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from gatewise.picture.quantity import Quantity, Statistics
from gatewise.picture.scene import Scene, SceneEdge, SceneGate, SceneGroup, SceneNode, Source
from gatewise.picture.stories import in_languages
from gatewise.picture.words import number_text, shape_text

FORMAT = "gatewise-scene"
VERSION = 2
LEVELS = 252
BROKEN = {-math.inf: 253, math.inf: 254}

# --- writing ----------------------------------------------------------------------------------------------------------


def written(scene: Scene) -> str:
    """The scene in the documented format."""
    return json.dumps(data_of(scene), allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def data_of(scene: Scene) -> dict[str, Any]:
    """The scene as JSON's own types."""
    sources: dict[Any, int] = {}
    nodes = [_node(node, scene, sources) for node in scene.nodes]
    groups = [
        _without(
            {
                "identifier": group.identifier,
                "kind": group.kind,
                "label": group.label,
                "parent": group.parent,
                "source": _place(group.source, sources),
            }
        )
        for group in scene.groups
    ]
    whole = {
        "format": FORMAT,
        "version": VERSION,
        "title": scene.title,
        "total": scene.total,
        "gates": {key: _gate(key, gate) for key, gate in scene.gates.items()},
        "sources": [
            _without({"file": file, "line": line, "text": text}, "file", "line") for file, line, text in sources
        ],
        "groups": groups,
        "nodes": nodes,
        "edges": [_edge(edge, scene) for edge in scene.edges],
    }
    if not scene.groups:
        del whole["groups"]
    return whole


def _without(data: dict[str, Any], *kept: str) -> dict[str, Any]:
    """Without the defaults that say nothing."""
    return {
        key: value
        for key, value in data.items()
        if value is not None and (key in kept or value not in ("", (), [], {}))
    }


def _node(node: SceneNode, scene: Scene, sources: dict[Any, int]) -> dict[str, Any]:
    gate = scene.gates.get(node.key)
    return _without(
        {
            "identifier": node.identifier,
            "kind": None if node.kind == "gate" else node.kind,
            "label": None if node.label == _own_label(node.name, gate) else node.label,
            "name": node.name,
            "gate": node.key or node.gate,
            "value": _quantity(node.value),
            "gradient": _quantity(node.gradient),
            "source": _place(node.source, sources),
            "expression": node.source.expression if node.source else "",
            "group": node.group,
            "constants": {str(slot): _number(number) for slot, number in node.constants},
            "holds": node.holds or None,
            "story": node.story if node.story != (gate.story if gate else "") else "",
        },
        "label" if node.label == "" and _own_label(node.name, gate) else "identifier",
    )


def _own_label(name: str, gate: SceneGate | None) -> str:
    """What stands in the shape when nothing else is said."""
    return (gate.symbol if gate else "") or name


def _edge(edge: SceneEdge, scene: Scene) -> dict[str, Any]:
    target, source = scene.node_or_none(edge.target), scene.node_or_none(edge.source)
    gate = scene.gates.get(target.key) if target else None
    own = gate.wires[edge.slot] if gate and edge.slot < len(gate.wires) else ""
    whole = source is not None and edge.gradient is not None and edge.gradient is source.gradient
    return _without(
        {
            "source": edge.source,
            "target": edge.target,
            "slot": edge.slot or None,
            "wire": None if edge.wire == own else edge.wire,
            "gradient": "total" if whole else _quantity(edge.gradient),
            "local": _quantity(edge.local),
            "count": None if edge.count == 1 else edge.count,
        },
        *(("wire",) if edge.wire == "" and own else ()),
    )


def _gate(key: str, gate: SceneGate) -> dict[str, Any]:
    return _without(
        {
            "name": None if gate.name == key else gate.name,
            "symbol": gate.symbol,
            "story": in_languages(gate.story),
            "formula": gate.formula,
            "wires": list(gate.wires),
            "value": _expression(gate.value),
            "locals": [_expression(local) for local in gate.locals],
            "alternatives": list(gate.alternatives),
        }
    )


def _expression(expression: Any) -> Any:
    if isinstance(expression, list | tuple):
        return [_expression(part) for part in expression]
    return _number(expression) if isinstance(expression, float) else expression


def _place(source: Source | None, sources: dict[Any, int]) -> int | None:
    return None if source is None else sources.setdefault((source.file, source.line, source.text), len(sources))


def _number(number: float) -> float | str:
    return number if math.isfinite(number) else str(number)


def _rounded(number: float) -> float | str:
    return _number(float(f"{number:.6g}"))


def _quantity(quantity: Quantity | None) -> Any:
    if quantity is None:
        return None
    if quantity.number is not None and quantity.dtype == "float64" and quantity.shape == ():
        own = number_text(quantity.number)
        if quantity.text == own and quantity.statistics is None:
            return _number(quantity.number)
    known = quantity.statistics
    return _without(
        {
            "shape": list(quantity.shape),
            "dtype": None if quantity.dtype == "float64" else quantity.dtype,
            "number": None if quantity.number is None else _number(quantity.number),
            "text": None if quantity.text == _own_text(quantity) else quantity.text,
            "statistics": known
            and [
                *map(_rounded, (known.minimum, known.maximum, known.mean, known.deviation)),
                *(known.zeros, known.size, known.nans, known.infinities),
            ],
            "thumbnail": _thumbnail(quantity),
            "histogram": list(quantity.histogram),
        },
        *(("text",) if quantity.text == "" else ()),
        *(("dtype",) if quantity.dtype == "" else ()),
    )


def _own_text(quantity: Quantity) -> str:
    return shape_text(quantity.shape) if quantity.number is None else number_text(quantity.number)


def _thumbnail(quantity: Quantity) -> str:
    """The cells as a byte each, linear between the extremes."""
    rows, known = quantity.thumbnail, quantity.statistics
    if not rows or known is None:
        return ""
    low, high = known.minimum, known.maximum
    width = high / LEVELS - low / LEVELS  # in parts, since the difference may overflow
    cells = bytearray()
    for row in rows:
        for cell in row:
            if math.isfinite(cell):
                level = round(cell / width - low / width) if width > 0 else 0
                cells.append(min(max(level, 0), LEVELS))
            else:
                cells.append(BROKEN.get(cell, 255))
    return f"{len(rows)}x{len(rows[0])}:{base64.b64encode(cells).decode()}"


# --- reading ----------------------------------------------------------------------------------------------------------


def read(text: str) -> Scene:
    """The scene in a text of the documented format; ``ValueError`` says what is wrong with any other."""
    data = json.loads(text)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError(f'this JSON is not a picture of a circuit: its "format" should be "{FORMAT}"')
    if data.get("version") != VERSION:
        raise ValueError(
            f"this scene has format version {data.get('version')!r}, and this Gatewise reads version {VERSION}: "
            "write it again with the same Gatewise, or install the one that wrote it"
        )
    try:
        return _scene(data)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"this scene is not as docs/scene.md says: {type(error).__name__}: {error}") from error


def _scene(data: Mapping[str, Any]) -> Scene:
    sources = [Source(row["file"], row["line"], row.get("text", "")) for row in data.get("sources", ())]
    gates = {key: _read_gate(key, row) for key, row in data.get("gates", {}).items()}
    nodes = [_read_node(row, gates, sources) for row in data["nodes"]]
    known = {node.identifier: node for node in nodes}
    edges = [_read_edge(row, gates, known) for row in data["edges"]]
    groups = [
        SceneGroup(
            row["identifier"], row["kind"], row.get("label", ""), row.get("parent"), _source(row.get("source"), sources)
        )
        for row in data.get("groups", ())
    ]
    total = data.get("total", len(nodes))
    return Scene(tuple(nodes), tuple(edges), total, gates, tuple(groups), data.get("title", ""))


def _source(place: int | None, sources: Sequence[Source]) -> Source | None:
    return None if place is None else sources[place]


def _read_gate(key: str, row: Mapping[str, Any]) -> SceneGate:
    story = row.get("story", "")
    return SceneGate(
        name=row.get("name", key),
        symbol=row.get("symbol", ""),
        story=story if isinstance(story, str) else story.get("en", ""),
        formula=row.get("formula", ""),
        wires=tuple(row.get("wires", ())),
        value=_read_expression(row.get("value")),
        locals=tuple(map(_read_expression, row.get("locals", ()))),
        alternatives=tuple(row.get("alternatives", ())),
    )


def _read_expression(expression: Any) -> Any:
    if isinstance(expression, list):
        return [_read_expression(part) for part in expression]
    if expression in ("nan", "inf", "-inf"):
        return float(expression)
    return float(expression) if isinstance(expression, int) else expression


def _read_node(row: Mapping[str, Any], gates: Mapping[str, SceneGate], sources: Sequence[Source]) -> SceneNode:
    key = row.get("gate", "")
    gate = gates.get(key)
    name = row.get("name", "")
    source = _source(row.get("source"), sources)
    expression = row.get("expression", "")
    if source is not None and expression:
        source = Source(source.file, source.line, source.text, expression)
    return SceneNode(
        identifier=row["identifier"],
        kind=row.get("kind", "gate"),
        label=row.get("label", _own_label(name, gate)),
        name=name,
        gate=gate.name if gate else key,
        story=row.get("story") or (gate.story if gate else ""),
        value=_read_quantity(row.get("value")),
        gradient=_read_quantity(row.get("gradient")),
        source=source,
        key=key if gate else "",
        group=row.get("group"),
        constants=tuple((int(slot), float(number)) for slot, number in row.get("constants", {}).items()),
        holds=row.get("holds", 0),
    )


def _read_edge(row: Mapping[str, Any], gates: Mapping[str, SceneGate], nodes: Mapping[int, SceneNode]) -> SceneEdge:
    slot = row.get("slot", 0)
    target, source = nodes.get(row["target"]), nodes.get(row["source"])
    gate = gates.get(target.key) if target else None
    own = gate.wires[slot] if gate and slot < len(gate.wires) else ""
    gradient = row.get("gradient")
    return SceneEdge(
        source=row["source"],
        target=row["target"],
        slot=slot,
        wire=row.get("wire", own),
        gradient=(source.gradient if source else None) if gradient == "total" else _read_quantity(gradient),
        local=_read_quantity(row.get("local")),
        count=row.get("count", 1),
    )


def _read_quantity(data: Any) -> Quantity | None:
    if data is None:
        return None
    if not isinstance(data, Mapping):
        return Quantity((), "float64", number_text(float(data)), float(data))
    shape = tuple(data.get("shape", ()))
    number = data.get("number")
    known = data.get("statistics")
    statistics = None if known is None else _read_statistics(*known)
    quantity = Quantity(
        shape=shape,
        dtype=data.get("dtype", "float64"),
        text="",
        number=None if number is None else float(number),
        statistics=statistics,
        thumbnail=_read_thumbnail(data.get("thumbnail", ""), statistics),
        histogram=tuple(data.get("histogram", ())),
    )
    text = data.get("text", _own_text(quantity))
    return Quantity(shape, quantity.dtype, text, quantity.number, statistics, quantity.thumbnail, quantity.histogram)


def _read_statistics(
    minimum: Any, maximum: Any, mean: Any, deviation: Any, zeros: int, size: int, nans: int, infinities: int
) -> Statistics:
    floats = (float(minimum), float(maximum), float(mean), float(deviation))
    return Statistics(*floats, zeros, size, nans, infinities)


def _read_thumbnail(text: str, statistics: Statistics | None) -> tuple[tuple[float, ...], ...]:
    if not text or statistics is None:
        return ()
    size, _, cells = text.partition(":")
    columns = int(size.partition("x")[2])
    low, high = statistics.minimum, statistics.maximum
    meanings = {level: number for number, level in BROKEN.items()} | {255: math.nan}
    numbers = [
        meanings[byte] if byte > LEVELS else low * (1 - byte / LEVELS) + high * (byte / LEVELS)
        for byte in base64.b64decode(cells)
    ]
    return tuple(tuple(numbers[start : start + columns]) for start in range(0, len(numbers), columns))
