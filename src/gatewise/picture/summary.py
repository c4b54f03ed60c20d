"""A circuit too large to be listed: all of it as a scene, parts of which are told as one node each.

What a picture can hold is spent from the outside in. The user's own structure says what the parts are: calls, modules,
loops and turns; where one of them has many things in it, or where there is no structure at all, stretches of them. A
part that does not fit becomes a *summary*: a node that says how many gates it stands for, with the wires that enter the
part, and after it the gates whose values leave the part, with their own values and gradients. So every number that
crosses the border of a part is there, and none that does not.

The work is done on arrays of numbers, entry by entry only where something is listed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gatewise.calls import grouped
from gatewise.collecting import nothing_collected
from gatewise.picture.quantity import Quantity, quantity_of, quantity_together
from gatewise.picture.scene import (
    SHOWN_AT_MOST,
    Kinds,
    Scene,
    SceneEdge,
    SceneGroup,
    SceneNode,
    constants_of,
    made_in,
    node_of,
    scene_of,
    source_of,
    wires_of,
)
from gatewise.picture.words import shorten
from gatewise.source import resolve

if TYPE_CHECKING:
    from gatewise.recording import Entry, Recording

LISTED_AT_MOST = 20_000
"""Nodes that are listed of a circuit that is told in parts."""
BRANCHES = 60
"""Things directly in a part, from where on they are put into stretches."""
SMALL = 4
"""Gates of the smallest part: fewer are listed."""
CROSSING = 24
"""Wires that are told one by one where they enter or leave a summary."""
BUNDLE = 8
"""Inputs of one argument, beyond which they are told as one where there are very many."""

Numbers = NDArray[np.int64]


def page_scene(circuit: Recording, title: str = "", editable: bool = False) -> Scene:
    """The scene of a circuit for the viewer: every gate listed, or, of a very large one, all of it told in parts."""
    if len(circuit.entries) <= SHOWN_AT_MOST:
        return scene_of(circuit, SHOWN_AT_MOST, title, editable)
    return summarised(circuit, title=title, editable=editable)


def summarised(circuit: Recording, most: int = LISTED_AT_MOST, title: str = "", editable: bool = False) -> Scene:
    """The scene of a whole circuit with about `most` nodes: parts that do not fit are summaries.

    Example:
        >>> import gatewise as gw
        >>> def f(x):
        ...     for _ in range(500):
        ...         x = x * 1.01 + 0.01
        ...     return x
        >>> scene = summarised(gw.trace(f, 1.0), most=60)
        >>> sum(node.holds or node.kind == "gate" for node in scene.nodes)  # every gate is told of
        1000
    """
    with nothing_collected():
        parts = _Parts(circuit)
        parts.open(most)
        return _Told(circuit, parts).scene(title, editable)


# --- the tree of parts ------------------------------------------------------------------------------------------------


class _Parts:
    """Which gates belong together: part 0 is the whole, `around` holds the part around each, `home` that of an entry.

    Every part is a stretch of the run: nothing else was made between its first and its last gate but inputs.
    """

    def __init__(self, circuit: Recording) -> None:
        entries = circuit.entries
        self.count = len(entries)
        groups, places = grouped(made_in(entries), lines=False)
        self.kinds = ["", *(group.kind for group in groups)]
        self.labels = ["", *(group.label for group in groups)]
        self.sources: list[Any] = [None, *(group.place for group in groups)]  # places in the code, or entries
        self.around = np.array([0, *(0 if group.parent is None else group.parent + 1 for group in groups)], np.int64)
        self.home = np.array([0 if place is None else place + 1 for place in places], np.int64)
        self.is_gate = np.array([bool(entry.operands) for entry in entries])
        self._adopt(entries)
        self._drop()
        self._stretch()
        self._drop()
        self._wire(circuit)

    def _adopt(self, entries: Sequence[Entry]) -> None:
        """A gate of which nobody knows the call belongs where the one before it does; inputs belong nowhere."""
        known = np.array([getattr(entry, "call", None) is not None for entry in entries])
        before = np.maximum.accumulate(np.where(known & self.is_gate, np.arange(self.count), -1))
        lost = self.is_gate & ~known & (before >= 0)
        self.home[lost] = self.home[before[lost]]
        self.home[~self.is_gate] = 0

    def _drop(self) -> None:
        """Without the parts that are small, that hold all that the part around them holds, or are no stretch."""
        size = len(self.around)
        rank = np.cumsum(self.is_gate)  # of gates, from 1
        gates = np.flatnonzero(self.is_gate)
        held = np.bincount(self.home[gates], minlength=size)
        first = np.full(size, self.count)
        last = np.full(size, -1)
        np.minimum.at(first, self.home[gates], gates)
        np.maximum.at(last, self.home[gates], gates)
        levels = self._levels()
        for inner in reversed(levels):
            np.add.at(held, self.around[inner], held[inner])
            np.minimum.at(first, self.around[inner], first[inner])
            np.maximum.at(last, self.around[inner], last[inner])
        some = held > 0
        whole = np.zeros(size, bool)
        whole[some] = rank[last[some]] - rank[first[some]] + 1 == held[some]
        kept = whole & (held >= SMALL)
        kept[0] = True
        up = np.arange(size)
        for inner in levels:
            above = up[self.around[inner]]
            up[inner] = np.where(kept[inner] & (held[inner] < held[above]), inner, above)
        self.home = up[self.home]
        number = np.cumsum(up == np.arange(size)) - 1
        stay = np.flatnonzero(up == np.arange(size))
        self.around = number[up[self.around[stay]]]
        self.home = number[self.home]
        self.kinds = [self.kinds[part] for part in stay]
        self.labels = [self.labels[part] for part in stay]
        self.sources = [self.sources[part] for part in stay]
        self.first, self.gates = first[stay], held[stay]

    def _levels(self) -> list[Numbers]:
        """All parts but the whole by their depth, those right in the whole first."""
        depth = self._depths()
        order = np.argsort(depth, kind="stable")
        return np.split(order, np.flatnonzero(np.diff(depth[order])) + 1)[1:]

    def _depths(self) -> Numbers:
        depth = np.zeros(len(self.around), np.int64)
        at = self.around
        reached = np.arange(len(self.around)) != 0
        while reached.any():
            depth += reached
            reached = reached & (at != 0)
            at = self.around[at]
        return depth

    def _stretch(self) -> None:
        """Where a part has many things in it, stretches of them, and stretches of those."""
        size = len(self.around)
        gates = np.flatnonzero(self.is_gate)
        things = np.bincount(self.home[gates], minlength=size) + np.bincount(self.around[1:], minlength=size)
        crowded = things > BRANCHES
        # The things of crowded parts, a part's own one after another, each with the entry where it begins.
        loose = gates[crowded[self.home[gates]]]
        inner = np.flatnonzero(crowded[self.around] & (np.arange(size) > 0))
        owner = np.concatenate([self.home[loose], self.around[inner]])
        begin = np.concatenate([loose, self.first[inner]])
        number = np.concatenate([loose, self.count + inner])  # gates below count, parts above
        order = np.lexsort((begin, owner))
        owner, begin, number = owner[order], begin[order], number[order]
        starts = np.flatnonzero(np.diff(owner, prepend=-1))
        around = [self.around]
        stops = np.append(starts, len(owner))[1:]
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            part = int(owner[start])
            many = stop - start
            levels = math.ceil(math.log(many) / math.log(BRANCHES) - 1e-9)
            branches = math.ceil(many ** (1 / levels))
            above = np.full(many, part)
            turns = all(self.kinds[thing - self.count] == "turn" for thing in number[start:stop] if thing >= self.count)
            turns = turns and bool((number[start:stop] >= self.count).all())
            for level in range(levels - 1, 0, -1):
                length = branches**level
                place = np.arange(many) // length
                fresh = len(self.kinds) + place
                heads = np.arange(0, many, length)
                around.append(above[heads])
                for head in heads.tolist():
                    ends = f"{head + 1:,}", f"{min(head + length, many):,}"
                    self.kinds.append("stretch")
                    self.labels.append("#{} … #{}".format(*ends) if turns else "{} … {}".format(*ends))
                    self.sources.append(int(begin[start + head]))
                above = fresh
            own = number[start:stop]
            self.home[own[own < self.count]] = above[own < self.count]
            self.around[own[own >= self.count] - self.count] = above[own >= self.count]
        self.around = np.concatenate(around)

    def _wire(self, circuit: Recording) -> None:
        """The wires between entries, and how far out each value is used: at the depth of a part it does not leave."""
        entries = circuit.entries
        numbers = np.fromiter((len(entry.operands) for entry in entries), np.int64, self.count)
        ends = np.fromiter(
            (-1 if operand is None else operand for entry in entries for operand in entry.operands),
            np.int64,
            int(numbers.sum()),
        )
        targets = np.repeat(np.arange(self.count), numbers)
        slots = np.arange(len(ends)) - np.repeat(np.cumsum(numbers) - numbers, numbers)
        real = ends >= 0
        self.wires = ends[real], targets[real], slots[real]
        self.depth = self._depths()
        self.used_at = np.full(self.count, len(self.around))
        np.minimum.at(self.used_at, self.wires[0], self.depth[self._common(*self.wires[:2])])
        self.used_at[list(circuit.outputs)] = 0

    def _common(self, sources: Numbers, targets: Numbers) -> Numbers:
        """The innermost part that two entries share."""
        one, other = self.home[sources], self.home[targets]
        apart = np.flatnonzero(one != other)
        while len(apart):
            left, right = one[apart], other[apart]
            below, beyond = self.depth[left] >= self.depth[right], self.depth[left] <= self.depth[right]
            one[apart] = np.where(below, self.around[left], left)
            other[apart] = np.where(beyond, self.around[right], right)
            apart = apart[one[apart] != other[apart]]
        return one

    def open(self, most: int) -> None:
        """List what is in as many parts as fit, from the outside in, and sooner near the ends of the run."""
        size = len(self.around)
        leaving = np.zeros(size, np.int64)
        at, floor = self.home.copy(), self.used_at
        climbing = np.flatnonzero(self.depth[at] > floor)
        while len(climbing):
            np.add.at(leaving, at[climbing], 1)
            at[climbing] = self.around[at[climbing]]
            climbing = climbing[self.depth[at[climbing]] > floor[climbing]]
        self.leaving = leaving
        folded = 1 + np.where(leaving <= CROSSING, leaving, 0)
        listed = np.bincount(self.home[self.is_gate], minlength=size)
        np.add.at(listed, self.around[1:], folded[1:])
        order = np.lexsort((self.first[1:], self.around[1:])) + 1  # by the part around, in the order of the run
        begins = np.searchsorted(self.around[order], np.arange(size + 1))
        is_open = np.zeros(size, bool)
        left = most - int(listed[0])
        waiting: list[tuple[float, int]] = [(0.0, 0)]
        while waiting:
            wait, part = heappop(waiting)
            more = int(listed[part] - folded[part]) if part else 0
            if more > left:
                continue
            left -= more
            is_open[part] = True
            inside = order[begins[part] : begins[part + 1]]
            for place, inner in enumerate(inside.tolist()):
                far = min(place, len(inside) - 1 - place)
                heappush(waiting, (wait + 1 + 2 * math.log2(1 + far), inner))
        # The outermost part that is not open, of every part; 0 for none.
        self.is_open = is_open
        self.fold = np.zeros(size, np.int64)
        for inner in self._levels():
            outer = self.fold[self.around[inner]]
            self.fold[inner] = np.where(outer > 0, outer, np.where(is_open[inner], 0, inner))


# --- the scene --------------------------------------------------------------------------------------------------------


class _Told:
    """A scene of what is listed and of summaries, out of a circuit and its parts."""

    def __init__(self, circuit: Recording, parts: _Parts) -> None:
        self.entries = circuit.entries
        self.outputs = circuit.outputs
        self.parts = parts
        self.directory = Path.cwd()
        self.kinds = Kinds()
        self.known: dict[int, Quantity | None] = {}
        self.nodes: list[SceneNode] = []
        self.edges: list[SceneEdge] = []
        constants = constants_of(self.entries)
        fresh = len(self.entries)
        self.constants: dict[int, int] = {}  # by entry the number of its first array constant
        for index, _ in constants:
            self.constants.setdefault(index, fresh)
            fresh += 1
        self.results = fresh
        fresh += len(self.outputs)
        self.summaries = {int(part): fresh + place for place, part in enumerate(np.unique(parts.fold)[1:])}
        fresh += len(self.summaries)
        self.fold = np.where(parts.is_gate, parts.fold[parts.home], 0)
        out = (self.fold > 0) & (parts.used_at < parts.depth[self.fold])
        self.listed = parts.is_gate & ((self.fold == 0) | (out & (parts.leaving[self.fold] <= CROSSING)))
        self.out = out & ~self.listed
        #: By entry the node that speaks for it.
        of_part = np.zeros(len(parts.around), np.int64)
        of_part[list(self.summaries)] = list(self.summaries.values())
        self.voice = np.where((self.fold > 0) & ~self.listed, of_part[self.fold], np.arange(len(self.entries)))
        self.holds = np.bincount(self.voice, minlength=fresh)
        #: By entry what speaks for it where many wires of one argument enter a summary.
        self.chorus = self.voice.copy()
        self.inputs: dict[int, list[int]] = {}  # of arguments that are told as one
        self._bundle(fresh)

    def _bundle(self, fresh: int) -> None:
        """Inputs of one argument run together; where there are very many, they are told as one node."""
        leaves = np.flatnonzero(~self.parts.is_gate).tolist()
        arguments: dict[str, list[int]] = {}
        for leaf in leaves:
            name = self.entries[leaf].name or ""
            root = name.partition("[")[0].partition(".")[0]
            arguments.setdefault(root if root != name else f"{leaf}", []).append(leaf)
        are_many = len(leaves) > LISTED_AT_MOST // 4
        for members in arguments.values():
            if len(members) <= BUNDLE:
                continue
            self.chorus[members] = members[0]
            if are_many:
                self.voice[members] = self.chorus[members] = fresh
                self.inputs[fresh] = members
                fresh += 1

    def scene(self, title: str, editable: bool) -> Scene:
        """All of it."""
        for identifier, members in self.inputs.items():
            self._tell_inputs(identifier, members)
        entering = self._entering()
        first = {int(self.parts.first[part]): part for part in self.summaries}
        hidden: dict[int, list[int]] = {part: [] for part in self.summaries}
        for place in np.flatnonzero(self.out).tolist():
            hidden[int(self.fold[place])].append(place)
        leaves = np.flatnonzero(~self.parts.is_gate & (self.voice == np.arange(len(self.entries))))
        for place in leaves.tolist():
            self._list(place)
        told = self.listed.copy()
        told[list(first)] = True
        for place in np.flatnonzero(told).tolist():
            if place in first:
                part = first[place]
                self._summarise(part, hidden[part], entering.get(self.summaries[part], ()))
            if self.listed[place]:
                self._list(place)
        for place, index in enumerate(self.outputs):
            name = shorten(self.entries[index].name or "output")
            self.nodes.append(SceneNode(self.results + place, "output", name))
            self.edges.append(SceneEdge(int(self.voice[index]), self.results + place))
        if editable:
            self.kinds.add_alternatives()
        groups = tuple(self._groups())
        return Scene(tuple(self.nodes), tuple(self.edges), len(self.entries), self.kinds.gates, groups, title)

    def _list(self, place: int) -> None:
        """An entry as it is, with its wires."""
        entry = self.entries[place]
        group = int(self.fold[place] or self.parts.home[place]) or None
        node = node_of(entry, self.directory, self.kinds.key(entry), group)
        self.known[place] = node.gradient
        constants, wires = wires_of(entry, self.constants.get(place, 0), self.entries, self.known)
        self.nodes += [*(replace(constant, group=group) for constant in constants), node]
        for wire in wires:
            source = int(self.voice[wire.source]) if wire.source < len(self.entries) else wire.source
            self.edges.append(SceneEdge(source, wire.target, wire.slot, wire.wire, wire.gradient, wire.local))

    def _summarise(self, part: int, out: Sequence[int], entering: Sequence[tuple[int, Quantity | None, int]]) -> None:
        """A part as one node, with the wires that enter it."""
        identifier = self.summaries[part]
        holds = int(self.holds[identifier])
        if not holds:  # all that is in it leaves it, and is listed
            return
        self.nodes.append(
            SceneNode(
                identifier,
                "summary",
                f"… {holds:,}",
                value=quantity_together([self.entries[place].value for place in out]),
                gradient=quantity_together([self.entries[place].gradient for place in out]),
                group=part,
                holds=holds,
            )
        )
        for slot, (source, gradient, count) in enumerate(entering):
            self.edges.append(SceneEdge(source, identifier, slot, gradient=gradient, count=count))

    def _tell_inputs(self, identifier: int, members: Sequence[int]) -> None:
        name = (self.entries[members[0]].name or "").partition("[")[0].partition(".")[0]
        entries = [self.entries[place] for place in members]
        self.nodes.append(
            SceneNode(
                identifier,
                "summary",
                f"{shorten(name)} … {len(members):,}",
                name=name,
                value=quantity_together([entry.value for entry in entries]),
                gradient=quantity_together([entry.gradient for entry in entries]),
                holds=len(members),
            )
        )

    def _entering(self) -> dict[int, list[tuple[int, Quantity | None, int]]]:
        """By summary what enters it: from which node, what goes back in all, and how many wires run together."""
        sources, targets, slots = self.parts.wires
        inside = np.flatnonzero(~self.listed[targets])
        summary = self.voice[targets[inside]]
        source = self.chorus[sources[inside]]
        same = self.fold[sources[inside]] == self.fold[targets[inside]]
        inside, summary, source = inside[~same], summary[~same], source[~same]
        order = np.lexsort((inside, source, summary))
        inside, summary, source = inside[order], summary[order], source[order]
        starts = np.flatnonzero(np.diff(summary, prepend=-1) | np.diff(source, prepend=-1))
        entries, origins = self.entries, sources[inside]
        rows = zip(targets[inside].tolist(), slots[inside].tolist(), strict=True)
        parts = [entries[target].parts[slot] for target, slot in rows]
        told: dict[int, list[tuple[int, Quantity | None, int]]] = {}
        ends = np.append(starts, len(inside))[1:].tolist()
        place = 0
        while place < len(ends):
            start, stop = int(starts[place]), ends[place]
            into = told.setdefault(int(summary[start]), [])
            if len(into) == CROSSING - 1:  # the last one stands for all that are left
                while place + 1 < len(ends) and summary[starts[place + 1]] == summary[start]:
                    place += 1
                stop = ends[place]
            passing = [part for part in parts[start:stop] if part is not None]
            is_one = bool((origins[start:stop] == origins[start]).all())
            gradient = self._sum(int(source[start]), passing) if is_one else quantity_together(passing)
            into.append((int(source[start]), gradient, stop - start))
            place += 1
        return told

    def _sum(self, source: int, parts: Sequence[Any]) -> Quantity | None:
        """What goes back to one node over several wires; the very quantity of its gradient where that is all."""
        if not parts:
            return None
        if source in self.known and len(parts) == 1 and parts[0] is self.entries[source].gradient:
            return self.known[source]
        with np.errstate(all="ignore"):
            total = parts[0]
            for part in parts[1:]:
                total = total + part
        return quantity_of(total)

    def _groups(self) -> Iterator[SceneGroup]:
        """The parts that are open, and those that are summaries."""
        parts = self.parts
        shown = np.flatnonzero(parts.is_open | np.isin(np.arange(len(parts.around)), list(self.summaries)))
        for part in shown[np.lexsort((parts.depth[shown], parts.first[shown]))].tolist():
            if not part:
                continue
            place = parts.sources[part]
            where = self.entries[place].where if isinstance(place, int) else resolve(*place)
            source = source_of(where, self.directory)
            label = parts.labels[part] or (shorten(source.text, 40) if source else "")
            source = source and replace(source, expression="")
            yield SceneGroup(part, parts.kinds[part], label, int(parts.around[part]) or None, source)
