"""What is drawn: a circuit as plain data, for every renderer and for other programs.

Here live the dataclasses of a scene and ``scene_of``, which turns a circuit into a scene; the JSON is ``format``'s.
Where things stand on the page is ``layout``'s business; colours and strokes are the renderers'.

"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from gatewise.calls import grouped
from gatewise.formulas import alternatives_to, formulas_of
from gatewise.picture.quantity import Quantity, quantity_of
from gatewise.picture.words import constant_text, shorten
from gatewise.source import Where, resolve

if TYPE_CHECKING:
    from gatewise.calls import Call
    from gatewise.recording import Entry, Recording

DRAWN_AT_MOST = 2000
"""Nodes of a picture that stands still."""
SHOWN_AT_MOST = 120_000
"""Nodes that the viewer is given."""

Kind = Literal["input", "constant", "gate", "output", "elided", "summary"]


@dataclass(frozen=True)
class Source:
    """The line of the user's code that made a node."""

    file: str
    line: int
    text: str
    expression: str = ""


@dataclass(frozen=True)
class SceneNode:
    """One thing with a place in the picture: an input, a gate, an array constant, a result.

    `key` says which of the scene's `gates` it is, `group` the innermost group it is in, `constants` the numbers folded
    into it, by slot. A summary stands for several nodes that are not listed: `holds` says for how many.
    """

    identifier: int
    kind: Kind
    label: str
    name: str = ""
    gate: str = ""
    story: str = ""
    value: Quantity | None = None
    gradient: Quantity | None = None
    source: Source | None = None
    key: str = ""
    group: int | None = None
    constants: tuple[tuple[int, float], ...] = ()
    holds: int = 0


@dataclass(frozen=True)
class SceneEdge:
    """One wire, from a node to one input of another; into a summary, `count` of them that run together."""

    source: int
    target: int
    slot: int = 0
    wire: str = ""
    gradient: Quantity | None = None
    local: Quantity | None = None
    count: int = 1


@dataclass(frozen=True)
class SceneGate:
    """What is true of all gates of one kind: names, and formulas where the gate is one of single numbers."""

    name: str
    symbol: str = ""
    story: str = ""
    formula: str = ""
    wires: tuple[str, ...] = ()
    value: Any = None
    locals: tuple[Any, ...] = ()
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True)
class SceneGroup:
    """Nodes that can be collapsed into one: a call, a module, a loop, a turn of it, or a line."""

    identifier: int
    kind: str
    label: str
    parent: int | None = None
    source: Source | None = None


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
    gates: Mapping[str, SceneGate] = field(default_factory=dict)
    groups: tuple[SceneGroup, ...] = ()
    title: str = ""

    @property
    def drawn(self) -> int:
        """How many nodes of the circuit are listed in this scene; compare with ``total``."""
        kinds = ((node.kind, node.gate) for node in self.nodes)
        return sum(kind in ("input", "gate") or (kind == "constant" and gate != "") for kind, gate in kinds)

    def node(self, identifier: int) -> SceneNode:
        """The node with this identifier."""
        return self._nodes[identifier]

    def node_or_none(self, identifier: int) -> SceneNode | None:
        """The node with this identifier, where there is one."""
        return self._nodes.get(identifier)

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
        return replace(self, nodes=nodes, edges=edges)

    def to_json(self) -> str:
        """The scene in the documented format."""
        from gatewise.picture.format import written

        return written(self)

    @classmethod
    def from_json(cls, text: str) -> Scene:
        """The scene that ``to_json``, or another program, wrote.

        Raises ``ValueError`` when the text is not a scene, or is one of another version.
        """
        from gatewise.picture.format import read

        return read(text)


# --- from a circuit ---------------------------------------------------------------------------------------------------


def scene_of(circuit: Recording, limit: int = DRAWN_AT_MOST, title: str = "", editable: bool = False) -> Scene:
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
    directory = Path.cwd()
    nodes = [_elided(node_of(entries[index], directory)) for index in sorted(feeding)]
    edges: list[SceneEdge] = []
    fresh = len(entries) + len(constants_of(entries[:start]))
    kinds = Kinds()
    known = {node.identifier: node.gradient for node in nodes}
    groups, places = _groups(kept)
    for entry in kept:
        constants, wires = wires_of(entry, fresh, entries, known)
        fresh += len(constants)
        group = places.get(entry.index)
        node = node_of(entry, directory, kinds.key(entry), group)
        known[entry.index] = node.gradient
        nodes += [*(replace(constant, group=group) for constant in constants), node]
        edges += wires
    for index in circuit.outputs:
        if start <= index < stop:
            nodes.append(SceneNode(fresh, "output", shorten(entries[index].name or "output")))
            edges.append(SceneEdge(index, fresh))
            fresh += 1
    if editable:
        kinds.add_alternatives()
    return Scene(tuple(nodes), tuple(edges), len(entries), kinds.gates, groups, title)


class Kinds:
    """The kinds of gates of a scene, each under a key: its name, with a number when others have the same name."""

    def __init__(self) -> None:
        self.gates: dict[str, SceneGate] = {}
        self._keys: dict[Any, str] = {}

    def key(self, entry: Entry) -> str:
        """The key of an entry's gate, which is listed from now on."""
        if not entry.operands:
            return ""
        number = len(entry.operands)
        gate = entry.gate
        plain = getattr(entry, "shape", None) == ()
        known = self._keys.get((gate, number, plain)) if gate.__hash__ else None
        if known is not None:
            return known
        place = sum(other.name == gate.name for other in self.gates.values())
        key = gate.name if not place else f"{gate.name} ({place + 1})"
        if gate.__hash__:
            self._keys[gate, number, plain] = key
        self.gates[key] = _kind_of(gate, tuple(str(name) for name in entry.operand_names), plain)
        return key

    def add_alternatives(self) -> None:
        """Let each element-wise gate name those with as many wires, and list these, too."""
        plain = any(kind.value is not None for kind in self.gates.values())
        for key, kind in list(self.gates.items()):
            others = alternatives_to(kind.name)
            for gate in others:
                if gate.name not in self.gates:
                    self.gates[gate.name] = _kind_of(gate, gate.wires, plain)
            self.gates[key] = replace(kind, alternatives=tuple(gate.name for gate in others))


def _kind_of(gate: Any, wires: tuple[str, ...], plain: bool) -> SceneGate:
    known = hasattr(gate, "rules")  # a graph from elsewhere brings gates of its own
    value, local = (formulas_of(gate, len(wires)) if known and plain else None) or (None, ())
    formula = (type(gate).__doc__ or "").strip().partition("\n")[0] if known else ""
    return SceneGate(gate.name, gate.symbol, gate.story, formula, wires, value, local)


def _groups(entries: Sequence[Entry]) -> tuple[tuple[SceneGroup, ...], dict[int, int | None]]:
    """The groups of some entries, and by an entry's index the innermost it is in."""
    groups, places = grouped(made_in(entries))
    drawn = []
    directory = Path.cwd()
    for group in groups:
        source = source_of(resolve(*group.place), directory)
        label = group.label or (shorten(source.text, 40) if source else "")
        source = source and replace(source, expression="")
        drawn.append(SceneGroup(group.identifier, group.kind, label, group.parent, source))
    return tuple(drawn), {entry.index: place for entry, place in zip(entries, places, strict=True)}


def made_in(entries: Sequence[Entry]) -> list[tuple[Call | None, int]]:
    """Per entry the call that made it and the number of that event; a graph from elsewhere knows none."""
    return [(call, entry.event) if (call := getattr(entry, "call", None)) else (None, 0) for entry in entries]


@lru_cache(maxsize=1 << 14)
def source_of(where: Where | None, directory: Path) -> Source | None:
    """A place in the user's code as a picture tells it."""
    if where is None:
        return None
    return Source(
        _shared_name(str(where.file), directory), int(where.line), (where.text or "").strip(), where.expression or ""
    )


@lru_cache(maxsize=256)
def _shared_name(file: str, directory: Path) -> str:
    """A file's name as a picture shows it: below the working directory, or bare. Pictures travel, paths do not."""
    path = Path(file)
    return path.relative_to(directory).as_posix() if path.is_relative_to(directory) else path.name


def node_of(entry: Entry, directory: Path, key: str = "", group: int | None = None) -> SceneNode:
    """An entry as it is drawn."""
    gate = entry.gate
    leaf = not entry.operands
    kind: Kind = "gate" if not leaf else "input" if gate.name == "input" else "constant"
    label = (entry.name or gate.symbol or gate.name) if leaf else gate_label(entry)
    name = entry.name
    return SceneNode(
        identifier=entry.index,
        kind=kind,
        label=shorten(label),
        name=name or "",
        gate="" if kind == "input" else gate.name,
        story="" if leaf else gate.story,
        value=quantity_of(entry.value),
        gradient=quantity_of(entry.gradient),
        source=source_of(entry.where, directory),
        key=key,
        group=group,
        constants=_folded(entry),
    )


def _folded(entry: Entry) -> tuple[tuple[int, float], ...]:
    """The real numbers that enter a gate as constants, by slot."""
    found = []
    for slot, (operand, constant) in enumerate(_operands(entry)):
        if operand is None and constant is not None and is_number(constant):
            number = _python_number(constant)
            if isinstance(number, bool | int | float):
                found.append((slot, float(number)))
    return tuple(found)


def _elided(node: SceneNode) -> SceneNode:
    """The node as a leaf: itself where it is one, else a stub in the place of a gate that is not drawn."""
    if node.kind != "gate":
        return node
    stub = f"{node.name} …" if node.name else "…"
    return SceneNode(node.identifier, "elided", stub, node.name, value=node.value, gradient=node.gradient)


def wires_of(
    entry: Entry, fresh: int, entries: Sequence[Entry], known: Mapping[int, Quantity | None]
) -> tuple[list[SceneNode], list[SceneEdge]]:
    """The input wires of an entry, and the leaves for its array constants, numbered from ``fresh``.

    Where a wire brings back the whole gradient of its source, it has the very same quantity, out of `known`.
    """
    constants: list[SceneNode] = []
    edges: list[SceneEdge] = []
    locals_ = entry.local
    rows = zip(entry.operands, _padded(entry.constants), _padded(entry.operand_names), strict=False)
    for slot, (operand, constant, name) in enumerate(rows):
        source = operand
        if source is None:
            if is_number(constant):
                continue
            source = fresh + len(constants)
            constants.append(SceneNode(source, "constant", "constant", value=quantity_of(constant)))
        part = entry.parts[slot] if slot < len(entry.parts) else None
        whole = part is not None and operand is not None and part is entries[operand].gradient
        gradient = known[source] if whole and source in known else quantity_of(part)
        local = quantity_of(locals_[slot] if slot < len(locals_) else None)
        edges.append(SceneEdge(source, entry.index, slot, str(name or ""), gradient, local))
    return constants, edges


def constants_of(entries: Sequence[Entry]) -> list[tuple[int, int]]:
    """Entry and slot of each array constant: scenes number them in this order, after all entries."""
    return [
        (entry.index, slot)
        for entry in entries
        if None in entry.operands
        for slot, (operand, constant) in enumerate(_operands(entry))
        if operand is None and not is_number(constant)
    ]


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
