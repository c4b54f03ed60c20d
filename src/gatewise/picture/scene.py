"""What is drawn: a circuit as plain data, for every renderer and for other programs.

Here live the dataclasses of a scene, their JSON form, and ``scene_of``, which turns a circuit into a scene. Where
things stand on the page is ``layout``'s business; colours and strokes are the renderers'.

The JSON format, version 1
--------------------------
One object. JSON has no NaN and no infinities, so these three floats are the strings ``"nan"``, ``"inf"``, ``"-inf"``::

    {"format": "gatewise-scene", "version": 1,
     "total": 5,                      how many nodes the whole circuit has; more than are listed when it is a summary
     "nodes": [NODE, ...],            in topological order: sources before the nodes that use them
     "edges": [EDGE, ...]}            ordered by target, then by slot

    NODE = {"identifier": 3,          unique in the scene; the entry's index in the circuit where it is an entry
            "kind": "gate",           "input" | "constant" | "gate" | "output" | "elided" (an earlier gate, not drawn)
            "label": "+1",            what stands in the shape: the symbol with scalar constants folded in, or a name
            "name": "q",              the variable's name, or ""
            "gate": "add",            the gate's name; "" for inputs, results, and constants that are no entry
            "story": "distributes: ...",
            "value": QUANTITY | null, "gradient": QUANTITY | null,
            "source": {"file": "neuron.py", "line": 12, "text": "q = x + y",
                       "expression": "x + y"} | null}

    EDGE = {"source": 0, "target": 3, identifiers
            "slot": 0,                which input wire of the target, counted as the gate counts them
            "wire": "x",              the gate's own name for that wire
            "gradient": QUANTITY | null,    what comes back over this wire: upstream × local
            "local": QUANTITY | null}       the local gradient, where it is a plain factor

    QUANTITY = {"shape": [5, 10], "dtype": "float64",
                "text": "5×10",       as it is labelled: the compact number, or the shape
                "number": 3.0 | null, the number itself, when it is one real number
                "statistics": {"minimum", "maximum", "mean", "deviation", "zeros", "size", "nans", "infinities"} | null,
                "thumbnail": [[0.1, ...], ...]}   at most 8 by 8 means of blocks; [] for a single number

An "output" node marks a result of the circuit: one edge leads to it, and it has no gradient of its own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from gatewise.picture.quantity import Quantity, Statistics, quantity_of
from gatewise.picture.words import constant_text, shorten

if TYPE_CHECKING:
    from gatewise.recording import Entry, Recording

FORMAT = "gatewise-scene"
VERSION = 1
DRAWN_AT_MOST = 2000

Kind = Literal["input", "constant", "gate", "output", "elided"]


@dataclass(frozen=True)
class Source:
    """The line of the user's code that made a node."""

    file: str
    line: int
    text: str
    expression: str = ""


@dataclass(frozen=True)
class SceneNode:
    """One thing with a place in the picture: an input, a gate, an array constant, a result."""

    identifier: int
    kind: Kind
    label: str
    name: str = ""
    gate: str = ""
    story: str = ""
    value: Quantity | None = None
    gradient: Quantity | None = None
    source: Source | None = None


@dataclass(frozen=True)
class SceneEdge:
    """One wire, from a node to one input of another."""

    source: int
    target: int
    slot: int = 0
    wire: str = ""
    gradient: Quantity | None = None
    local: Quantity | None = None


@dataclass(frozen=True)
class Scene:
    """A circuit, ready to draw.

    >>> scene = Scene((SceneNode(0, "input", "x"), SceneNode(1, "gate", "exp")), (SceneEdge(0, 1),), total=2)
    >>> Scene.from_json(scene.to_json()) == scene
    True
    """

    nodes: tuple[SceneNode, ...]
    edges: tuple[SceneEdge, ...]
    total: int = field(default=0)

    @property
    def drawn(self) -> int:
        """How many nodes of the circuit stand in this scene; compare with ``total``."""
        kinds = ((node.kind, node.gate) for node in self.nodes)
        return sum(kind in ("input", "gate") or (kind == "constant" and gate != "") for kind, gate in kinds)

    def node(self, identifier: int) -> SceneNode:
        """The node with this identifier."""
        return self._nodes[identifier]

    def incoming(self, node: SceneNode) -> list[SceneEdge]:
        """The input wires of a node, by slot."""
        return self._wires[0].get(node.identifier, [])

    def outgoing(self, node: SceneNode) -> list[SceneEdge]:
        """The wires that leave a node."""
        return self._wires[1].get(node.identifier, [])

    @cached_property
    def _nodes(self) -> dict[int, SceneNode]:
        return {node.identifier: node for node in self.nodes}

    @cached_property
    def _wires(self) -> tuple[dict[int, list[SceneEdge]], dict[int, list[SceneEdge]]]:
        incoming: dict[int, list[SceneEdge]] = {}
        outgoing: dict[int, list[SceneEdge]] = {}
        for edge in self.edges:
            incoming.setdefault(edge.target, []).append(edge)
            outgoing.setdefault(edge.source, []).append(edge)
        return incoming, outgoing

    def last(self, count: int) -> Scene:
        """The end of the scene, with what feeds it from before as leaves; the scene itself when it is small enough."""
        if len(self.nodes) <= count:
            return self
        kept = {node.identifier for node in self.nodes[-count:]}
        edges = tuple(edge for edge in self.edges if edge.target in kept)
        feeding = {edge.source for edge in edges} - kept
        nodes = tuple(
            _elided(node) if node.identifier in feeding else node
            for node in self.nodes
            if node.identifier in kept or node.identifier in feeding
        )
        return Scene(nodes, edges, self.total)

    def to_json(self) -> str:
        """The scene in the documented format."""
        return json.dumps({"format": FORMAT, "version": VERSION, **_plain(self)}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Scene:
        """The scene that ``to_json`` wrote.

        Raises ``ValueError`` when the text is not a scene, or is one of another version.
        """
        data = json.loads(text)
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise ValueError(f'this JSON is not a picture of a circuit: its "format" should be "{FORMAT}"')
        if data.get("version") != VERSION:
            raise ValueError(
                f"this scene has format version {data.get('version')!r}, and this Gatewise reads version {VERSION}: "
                "write it again with the same Gatewise, or install the one that wrote it"
            )
        return cls(
            nodes=tuple(map(_node_from, data["nodes"])),
            edges=tuple(map(_edge_from, data["edges"])),
            total=data["total"],
        )


# --- JSON -------------------------------------------------------------------------------------------------------------


def _plain(value: object) -> Any:
    """The value in JSON's own types. Its depth is that of the format, five, not that of the circuit."""
    if is_dataclass(value):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _node_from(data: Mapping[str, Any]) -> SceneNode:
    quantities = {key: _quantity_from(data[key]) for key in ("value", "gradient")}
    source = None if data["source"] is None else Source(**data["source"])
    return SceneNode(**{**data, **quantities, "source": source})


def _edge_from(data: Mapping[str, Any]) -> SceneEdge:
    return SceneEdge(**{**data, **{key: _quantity_from(data[key]) for key in ("gradient", "local")}})


def _quantity_from(data: Mapping[str, Any] | None) -> Quantity | None:
    if data is None:
        return None
    statistics = data["statistics"]
    measures = ("minimum", "maximum", "mean", "deviation")
    return Quantity(
        shape=tuple(data["shape"]),
        dtype=data["dtype"],
        text=data["text"],
        number=None if data["number"] is None else float(data["number"]),
        statistics=statistics and Statistics(**{**statistics, **{key: float(statistics[key]) for key in measures}}),
        thumbnail=tuple(tuple(map(float, row)) for row in data["thumbnail"]),
    )


# --- from a circuit ---------------------------------------------------------------------------------------------------


def scene_of(circuit: Recording, limit: int = DRAWN_AT_MOST) -> Scene:
    """The scene of a circuit: all of it, or its last ``limit`` nodes when it is larger.

    Numbers that enter a gate as constants are folded into its symbol, as the notes draw them (``+1``, ``1/x``); array
    constants become leaves without a gradient.
    """
    entries = circuit.entries
    stop = len(entries)
    if stop > limit and circuit.outputs:
        stop = max(circuit.outputs) + 1
    start = max(0, stop - limit)
    kept = entries[start:stop]
    feeding = {operand for entry in kept for operand in entry.operands if operand is not None and operand < start}
    nodes = [_elided(_node_of(entries[index])) for index in sorted(feeding)]
    edges: list[SceneEdge] = []
    fresh = len(entries)
    for entry in kept:
        constants, wires = _wires_of(entry, fresh)
        fresh += len(constants)
        nodes += [*constants, _node_of(entry)]
        edges += wires
    for index in circuit.outputs:
        if start <= index < stop:
            nodes.append(SceneNode(fresh, "output", shorten(entries[index].name or "output")))
            edges.append(SceneEdge(index, fresh))
            fresh += 1
    return Scene(tuple(nodes), tuple(edges), len(entries))


def _shared_name(file: str) -> str:
    """A file's name as a picture shows it: below the working directory, or bare. Pictures travel, paths do not."""
    path = Path(file)
    return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else path.name


def _node_of(entry: Entry) -> SceneNode:
    gate = entry.gate
    leaf = not entry.operands
    kind: Kind = "gate" if not leaf else "input" if gate.name == "input" else "constant"
    label = (entry.name or gate.symbol or gate.name) if leaf else gate_label(entry)
    where = entry.where
    return SceneNode(
        identifier=entry.index,
        kind=kind,
        label=shorten(label),
        name=entry.name or "",
        gate="" if kind == "input" else gate.name,
        story="" if leaf else gate.story,
        value=quantity_of(entry.value),
        gradient=quantity_of(entry.gradient),
        source=None
        if where is None
        else Source(_shared_name(str(where.file)), int(where.line), (where.text or "").strip(), where.expression or ""),
    )


def _elided(node: SceneNode) -> SceneNode:
    """The node as a leaf: itself where it is one, else a stub in the place of a gate that is not drawn."""
    if node.kind != "gate":
        return node
    stub = f"{node.name} …" if node.name else "…"
    return SceneNode(node.identifier, "elided", stub, node.name, value=node.value, gradient=node.gradient)


def _wires_of(entry: Entry, fresh: int) -> tuple[list[SceneNode], list[SceneEdge]]:
    """The input wires of an entry, and the leaves for its array constants, numbered from ``fresh``."""
    constants: list[SceneNode] = []
    edges: list[SceneEdge] = []
    rows = zip(entry.operands, _padded(entry.constants), _padded(entry.operand_names), strict=False)
    for slot, (operand, constant, name) in enumerate(rows):
        source = operand
        if source is None:
            if is_number(constant):
                continue
            source = fresh + len(constants)
            constants.append(SceneNode(source, "constant", "constant", value=quantity_of(constant)))
        gradient, local = (
            quantity_of(values[slot] if slot < len(values) else None) for values in (entry.parts, entry.local)
        )
        edges.append(SceneEdge(source, entry.index, slot, str(name or ""), gradient, local))
    return constants, edges


def _padded(items: Iterable[object]) -> Iterator[object]:
    """The items, then None without end: a graph from elsewhere may name fewer wires than it has."""
    yield from items
    while True:
        yield None


def is_number(constant: object) -> bool:
    """Whether a constant is a single number (or is absent), to be written in the gate rather than drawn as an array."""
    return not getattr(constant, "shape", ()) and not isinstance(constant, list | tuple)


def gate_label(entry: Entry) -> str:
    """The gate's symbol with its scalar constants folded in: ``+1``, ``*-1``, ``1/x``, ``max(x, 0)``."""
    symbol: str = entry.gate.symbol or entry.gate.name
    folded = [operand is None and is_number(constant) for operand, constant in _operands(entry)]
    if not any(folded) or all(folded):
        return symbol
    names = [str(name or "x") for name, _ in zip(_padded(entry.operand_names), folded, strict=False)]
    texts = [
        constant_text(_python_number(constant)) if fold else names[slot]
        for slot, (fold, (_, constant)) in enumerate(zip(folded, _operands(entry), strict=True))
    ]
    if len(texts) != 2 or symbol[:1].isalpha():
        return f"{symbol}({', '.join(texts)})"
    if folded[1]:
        return f"{symbol}{texts[1]}"
    return f"{symbol}{texts[0]}" if symbol in ("+", "*", "×") else f"{texts[0]}{symbol}x"


def _operands(entry: Entry) -> list[tuple[int | None, object]]:
    return list(zip(entry.operands, _padded(entry.constants), strict=False))


def _python_number(constant: object) -> object:
    """A NumPy scalar or 0-d array as the Python number it holds."""
    item = getattr(constant, "item", None)
    return cast(object, item()) if callable(item) else constant
