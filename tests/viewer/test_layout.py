"""Where the page puts things: against Graphviz, and what stays when a group is collapsed or expanded."""

from __future__ import annotations

import numpy as np
import pytest
from nets import layers_of, network

import gatewise as gw


def notes(x, y, z):
    return (x + y) * z


def neuron(w0, x0, w1, x1, w2):
    return 1 / (1 + np.exp(-(w0 * x0 + w1 * x1 + w2)))


def staged(x, y):
    """The course's harder example: sigma and squares, with forks."""
    sigy = 1.0 / (1 + np.exp(-y))
    num = x + sigy
    sigx = 1.0 / (1 + np.exp(-x))
    xpy = x + y
    return num / (sigx + xpy**2)


def tree(*leaves):
    while len(leaves) > 1:
        leaves = [np.maximum(a, b) * 0.5 + a for a, b in zip(leaves[::2], leaves[1::2], strict=True)]
    return leaves[0]


CIRCUITS = {
    "the notes": lambda: gw.trace(notes, -2.0, 5.0, -4.0),
    "neuron": lambda: gw.trace(neuron, 2.0, -1.0, -3.0, -2.0, -3.0),
    "staged": lambda: gw.trace(staged, 3.0, -4.0),
    "small net": lambda: gw.trace(network, layers_of(2, 4, 4, 1), [0.5, -1.0]),
    "net of 10³ gates": lambda: gw.trace(network, layers_of(3, 18, 18, 6, 1), [0.5, -1.0, 0.3]),
    "tree of 10³ gates": lambda: gw.trace(tree, *np.linspace(-1, 1, 256).tolist()),
}

PICTURE = """() => { const { things, wires } = gatewise.drawing().picture; return {
    things: things.map(({ node, x, y, width, label }) =>
        [node.identifier, x, y, width, 2 * Math.max(0, label - x - width / 2)]),
    wires: wires.map(({ source, node, points }) => [source.identifier, node.identifier, points]) }; }"""
ROW = 66


def from_middle_to_middle(wire, middles):
    """A wire as Graphviz sees it: between the middles of the things with their labels, whatever the slot."""
    source, target, points = wire
    way = np.array(points).reshape(-1, 2)
    return np.vstack([middles[source], way[2:-2], middles[target]])


def crossings(ways):
    """How many pairs of stretches cross, each inside both; where wires run together they are one."""
    stretches = np.unique(np.concatenate([np.hstack([way[:-1], way[1:]]) for way in ways]), axis=0)
    start, end = stretches[:, :2], stretches[:, 2:]

    def side(origin, tip, point):
        return np.sign(
            (tip[..., 0] - origin[..., 0]) * (point[..., 1] - origin[..., 1])
            - (tip[..., 1] - origin[..., 1]) * (point[..., 0] - origin[..., 0])
        )

    total = 0
    for place in range(len(stretches)):
        a, b, others, ends = start[place], end[place], start[place + 1 :], end[place + 1 :]
        total += np.sum(
            (side(a, b, others) * side(a, b, ends) < 0) & (side(others, ends, a) * side(others, ends, b) < 0)
        )
    return int(total)


def length(ways):
    return sum(float(np.sum(np.hypot(*np.diff(way, axis=0).T))) for way in ways)


def graphviz(things, wires):
    """The ways that Graphviz's dot finds for the same things of the same size."""
    pygraphviz = pytest.importorskip("pygraphviz", reason="the oracle of layouts")
    graph = pygraphviz.AGraph(
        directed=True, strict=False, rankdir="LR", nodesep="0.02", ranksep="0.5", splines="polyline"
    )
    for identifier, _, _, width, label in things:
        graph.add_node(identifier, shape="box", fixedsize="true", width=(width + label) / 72, height=ROW / 72, label="")
    for number, (source, target, _) in enumerate(wires):
        graph.add_edge(source, target, key=str(number), arrowhead="none")
    graph.layout(prog="dot")

    def numbers(text):
        return [float(number) for number in text.split(",")]

    ways = []
    for edge in graph.edges(keys=True):
        points = [point for point in graph.get_edge(*edge).attr["pos"].split() if point[0] not in "es"]
        ends = [numbers(graph.get_node(node).attr["pos"]) for node in edge[:2]]
        ways.append(np.array([ends[0], *map(numbers, points[3:-3:3]), ends[1]]))
    return ways


@pytest.mark.parametrize("name", CIRCUITS)
def test_crossings_and_lengths_are_near_to_those_of_graphviz(name, open_page):
    page = open_page(CIRCUITS[name]().html())
    if page.locator("select.detail").count():
        page.locator("select.detail").select_option("gates")
    picture = page.evaluate(PICTURE)
    middles = {identifier: (x + label / 2, y) for identifier, x, y, _, label in picture["things"]}
    ours = [from_middle_to_middle(wire, middles) for wire in picture["wires"]]
    theirs = graphviz(picture["things"], picture["wires"])
    assert crossings(ours) <= 1.3 * crossings(theirs)
    assert length(ours) <= 1.3 * length(theirs)
