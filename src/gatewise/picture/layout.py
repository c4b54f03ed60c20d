"""Where things stand: a layered layout in linear passes, our own.

Every node gets a *rank*, its column counted from the left, and a *row*, a height in units of one row; every wire gets
its waypoints. Pixels and characters are the renderers' business, so a terminal and a browser draw the same layout. The
passes follow Sugiyama, Tagawa and Toda (1981): ranks by longest path, an order within each rank by barycentre sweeps,
then heights. Each pass visits every node and wire a fixed number of times, without recursion and without chance.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import floor

from gatewise.picture.scene import Scene

ORDER_SWEEPS = 4
HEIGHT_SWEEPS = 7
NEAR_RANKS = 4
"""Leaves stand at the left, as the notes draw them, unless their first use is farther than this."""
BEND_WEIGHT = 8.0
"""How much more a long wire resists being bent than a gate resists being moved."""
WAYPOINTS_PER_NODE = 4
"""Beyond this many waypoints per node, the longest wires run straight: they could number the square of the nodes."""

Point = tuple[int, float]


@dataclass(frozen=True)
class Layout:
    """A place for every node, by identifier, and a route for every edge of the scene, in the scene's order.

    A route runs from its source's (rank, row) to its target's, with one waypoint per rank between; the waypoints of the
    wires of a fork coincide as far as they run together. A route without waypoints over several ranks runs straight.
    """

    ranks: dict[int, int]
    rows: dict[int, float]
    routes: tuple[tuple[Point, ...], ...]
    columns: int
    height: float


@dataclass
class _Graph:
    """Nodes and waypoints, numbered from 0, with the segments that join neighbouring ranks."""

    rank: list[int]
    nodes: int
    before: list[list[tuple[int, float]]]
    after: list[list[tuple[int, float]]]

    def add(self, rank: int) -> int:
        self.rank.append(rank)
        self.before.append([])
        self.after.append([])
        return len(self.rank) - 1

    def join(self, source: int, target: int, port: float) -> None:
        """A segment; ``port`` is how far below the target's middle it arrives."""
        self.before[target].append((source, port))
        self.after[source].append((target, port))


def arrange(scene: Scene) -> Layout:
    """The layout of a scene."""
    numbers = {node.identifier: number for number, node in enumerate(scene.nodes)}
    wires = [(numbers[edge.source], numbers[edge.target]) for edge in scene.edges]
    leaves = [node.kind in ("input", "constant", "elided") for node in scene.nodes]
    constants = [node.kind in ("constant", "elided") for node in scene.nodes]
    rank = _ranks(leaves, constants, wires)
    graph, trunks = _with_waypoints(rank, wires)
    ranks = _ordered(graph)
    heights = _heights(graph, ranks)
    routes = []
    for source, target in wires:
        between = trunks.get(source, [])[: rank[target] - rank[source] - 1]
        if len(between) < rank[target] - rank[source] - 1:
            between = []
        routes.append(tuple((graph.rank[stop], heights[stop]) for stop in (source, *between, target)))
    return Layout(
        ranks={identifier: rank[number] for identifier, number in numbers.items()},
        rows={identifier: heights[number] for identifier, number in numbers.items()},
        routes=tuple(routes),
        columns=max(rank, default=-1) + 1,
        height=max(heights, default=0.0),
    )


# --- ranks ------------------------------------------------------------------------------------------------------------


def _neighbours(count: int, wires: Iterable[tuple[int, int]]) -> tuple[list[list[int]], list[list[int]]]:
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for source, target in wires:
        before[target].append(source)
        after[source].append(target)
    return before, after


def _ranks(leaves: Sequence[bool], constants: Sequence[bool], wires: Sequence[tuple[int, int]]) -> list[int]:
    """Longest path from the left; then whatever costs no wire moves right, toward its use."""
    count = len(leaves)
    before, after = _neighbours(count, wires)
    rank = [0] * count
    for number in range(count):
        rank[number] = 1 + max((rank[source] for source in before[number]), default=-1)
    for number in reversed(range(count)):
        if leaves[number] or not after[number]:
            continue
        held = sum(not leaves[source] for source in set(before[number]))
        if held < len(set(after[number])):
            rank[number] = max(rank[number], min(rank[target] for target in after[number]) - 1)
    for number in range(count):
        if leaves[number] and after[number]:
            first = min(rank[target] for target in after[number])
            rank[number] = first - 1 if constants[number] or first > NEAR_RANKS else 0
    return rank


def _with_waypoints(rank: list[int], wires: Sequence[tuple[int, int]]) -> tuple[_Graph, dict[int, list[int]]]:
    """The graph in which every segment spans one rank: long wires get a waypoint per rank, shared within a fork."""
    count = len(rank)
    before, after = _neighbours(count, wires)
    graph = _Graph(list(rank), count, [[] for _ in rank], [[] for _ in rank])
    reach = [max((rank[target] for target in after[number]), default=0) - rank[number] for number in range(count)]
    budget = WAYPOINTS_PER_NODE * count + 200
    trunks: dict[int, list[int]] = {}
    for source in sorted((number for number in range(count) if reach[number] > 1), key=reach.__getitem__):
        budget -= reach[source]
        if budget < 0:
            break
        stops = [graph.add(rank[source] + step) for step in range(1, reach[source])]
        for first, second in zip([source, *stops], stops, strict=False):
            graph.join(first, second, 0.0)
        trunks[source] = stops
    for target in range(count):
        sources = before[target]
        for slot, source in enumerate(sources):
            span = rank[target] - rank[source]
            if span > 1 and source not in trunks:
                continue
            last = source if span == 1 else trunks[source][span - 2]
            graph.join(last, target, slot - (len(sources) - 1) / 2)
    return graph, trunks


# --- order within a rank ----------------------------------------------------------------------------------------------


def _ordered(graph: _Graph) -> list[list[int]]:
    """The members of each rank from top to bottom: the order with the fewest crossings among a few sweeps."""
    reading = _reading_order(graph)
    ranks: list[list[int]] = [[] for _ in range(max(graph.rank, default=-1) + 1)]
    for number in sorted(range(len(graph.rank)), key=reading.__getitem__):
        ranks[graph.rank[number]].append(number)
    best, fewest = [list(members) for members in ranks], _crossings(graph, ranks)
    for sweep in range(ORDER_SWEEPS):
        if not fewest:
            break
        forward = sweep % 2 == 0
        place = _places(ranks, len(graph.rank))
        for members in ranks if forward else reversed(ranks):
            key = _barycentre(graph.before if forward else graph.after, place, 0.0 if forward else 0.4)
            members.sort(key=key)
            for position, number in enumerate(members):
                place[number] = position
        crossings = _crossings(graph, ranks)
        if crossings < fewest:
            best, fewest = [list(members) for members in ranks], crossings
    return best


def _reading_order(graph: _Graph) -> list[int]:
    """The order in which the expression reads, operands before their gate: it draws any tree without a crossing."""
    order = [-1] * len(graph.rank)
    count = 0
    for sink in range(graph.nodes):
        if graph.after[sink]:
            continue
        stack = [(sink, 0)]
        while stack:
            number, step = stack.pop()
            if step < len(graph.before[number]):
                stack.append((number, step + 1))
                source = graph.before[number][step][0]
                if order[source] < 0:
                    order[source] = 0
                    stack.append((source, 0))
            else:
                order[number] = count
                count += 1
    return order


def _places(ranks: Sequence[Sequence[int]], count: int) -> list[float]:
    place = [0.0] * count
    for members in ranks:
        for position, number in enumerate(members):
            place[number] = position
    return place


def _barycentre(
    neighbours: Sequence[Sequence[tuple[int, float]]], place: Sequence[float], port_step: float
) -> Callable[[int], float]:
    """Sorting key: the mean place of a node's neighbours, the ports telling the wires of one gate apart."""

    def key(number: int) -> float:
        near = neighbours[number]
        if not near:
            return place[number]
        total = 0.0
        for other, port in near:
            total += place[other] + port_step * max(-1.0, min(1.0, port))
        return total / len(near)

    return key


def _crossings(graph: _Graph, ranks: Sequence[Sequence[int]]) -> int:
    """How many pairs of segments cross: inversions, counted by insertion."""
    place = _places(ranks, len(graph.rank))
    total = 0
    for members in ranks:
        seen: list[float] = []
        for number in members:
            ends = sorted(place[target] + port / 1000 for target, port in graph.after[number])
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                seen.insert(bisect_right(seen, end), end)
    return total


# --- heights ----------------------------------------------------------------------------------------------------------


def _heights(graph: _Graph, ranks: Sequence[Sequence[int]]) -> list[float]:
    """A row for every node and waypoint, in halves; members of one rank at least one row apart."""
    row = [float(place) for place in _places(ranks, len(graph.rank))]
    for sweep in range(HEIGHT_SWEEPS):
        forward = sweep % 2 == 0
        near, sign = (graph.before, -1) if forward else (graph.after, 1)
        for members in ranks if forward else reversed(ranks):
            _settle(graph, members, row, near, sign)
    _snap(row)
    _straighten(graph, ranks, row)
    _snap(row)
    top = min(row, default=0.0)
    return [height - top for height in row]


def _snap(row: list[float]) -> None:
    row[:] = [floor(2 * height + 0.5) / 2 for height in row]


def _settle(
    graph: _Graph,
    members: Sequence[int],
    row: list[float],
    neighbours: Sequence[Sequence[tuple[int, float]]],
    sign: int,
) -> None:
    """Move one rank to where its neighbours on one side want it, as near as its own crowding allows.

    ``sign`` says which way a port shifts: a source wants to stand at the height of the port, its target above it.
    """
    wanted, weights = [], []
    for number in members:
        near = neighbours[number]
        total = 0.0
        for other, port in near:
            total += row[other] + sign * port
        wanted.append(total / len(near) if near else row[number])
        weights.append(0.01 if not near else BEND_WEIGHT if number >= graph.nodes else 1.0)
    for number, height in zip(members, spread(wanted, weights), strict=True):
        row[number] = height


def _straighten(graph: _Graph, ranks: Sequence[Sequence[int]], row: list[float]) -> None:
    """A last pass from the left that takes out the small bends that rounding leaves in single-file wires."""
    for members in ranks:
        wanted = []
        weights = []
        for number in members:
            near = graph.before[number]
            single = len(near) == 1 and near[0][1] == 0 and abs(row[near[0][0]] - row[number]) <= 1
            wanted.append(row[near[0][0]] if single else row[number])
            weights.append(1.0 if single else 4.0)
        for number, height in zip(members, spread(wanted, weights), strict=True):
            row[number] = height


def spread(wanted: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The heights nearest to the wanted ones, in the weighted least-squares sense, that keep order and unit distance.

    Subtracting each member's position turns unit distance into "never decreasing": isotonic regression, which pooling
    adjacent violators solves exactly in one pass.

    >>> spread([0.0, 0.0, 5.0], [1.0, 1.0, 1.0])
    [-0.5, 0.5, 5.0]
    """
    pools: list[tuple[float, float, int]] = []
    for position, (height, weight) in enumerate(zip(wanted, weights, strict=True)):
        mean, total, size = height - position, weight, 1
        while pools and pools[-1][0] > mean:
            other, other_total, other_size = pools.pop()
            mean = (mean * total + other * other_total) / (total + other_total)
            total, size = total + other_total, size + other_size
        pools.append((mean, total, size))
    heights: list[float] = []
    for mean, _, size in pools:
        first = len(heights)
        heights.extend(mean + first + offset for offset in range(size))
    return heights
