from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewise.picture.layout import Layout, arrange, spread
from gatewise.picture.scene import Scene, SceneEdge, SceneNode, scene_of


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Any acyclic graph of up to thirty nodes, forks, repeated wires and loose ends included."""
    count = draw(st.integers(min_value=0, max_value=30))
    nodes, edges = [], []
    for number in range(count):
        reads = draw(st.lists(st.integers(0, number - 1), max_size=4)) if number else []
        nodes.append(SceneNode(number, "gate" if reads else draw(st.sampled_from(["input", "constant"])), "+"))
        edges += [SceneEdge(source, number, slot) for slot, source in enumerate(reads)]
    return Scene(tuple(nodes), tuple(edges), count)


def check(scene: Scene, layout: Layout) -> None:
    ranks: dict[int, list[float]] = defaultdict(list)
    for node in scene.nodes:
        ranks[layout.ranks[node.identifier]].append(layout.rows[node.identifier])
    for rows in ranks.values():
        ordered = sorted(rows)
        assert all(after - before >= 1 for before, after in pairwise(ordered))
    for edge, route in zip(scene.edges, layout.routes, strict=True):
        assert layout.ranks[edge.source] < layout.ranks[edge.target]
        assert route[0] == (layout.ranks[edge.source], layout.rows[edge.source])
        assert route[-1] == (layout.ranks[edge.target], layout.rows[edge.target])
        steps = [after - before for (before, _), (after, _) in pairwise(route)]
        assert steps == [1] * len(steps) or len(steps) == 1
    assert all(0 <= row <= layout.height for row in layout.rows.values())
    assert all(0 <= rank < layout.columns for rank in layout.ranks.values())


@given(scenes())
def test_nothing_overlaps_and_wires_run_to_the_right(scene: Scene) -> None:
    layout = arrange(scene)
    check(scene, layout)
    assert layout == arrange(scene)


@given(scenes())
def test_wires_never_run_through_a_node(scene: Scene) -> None:
    layout = arrange(scene)
    places = {(layout.ranks[node.identifier], layout.rows[node.identifier]) for node in scene.nodes}
    for route in layout.routes:
        assert not places & set(route[1:-1])


def test_the_notes_circuit_is_drawn_as_in_the_notes(notes_circuit) -> None:
    scene = scene_of(notes_circuit)
    layout = arrange(scene)
    assert [layout.ranks[number] for number in range(6)] == [0, 0, 0, 1, 2, 3]
    assert layout.rows[0] < layout.rows[1] < layout.rows[2]
    assert layout.rows[0] < layout.rows[3] < layout.rows[1]
    assert layout.rows[4] == layout.rows[5]


def test_a_chain_is_a_straight_line(graph) -> None:
    layout = arrange(graph([], [0], [1], [2], [3]))
    assert set(layout.rows.values()) == {0.0}


def test_a_long_wire_is_straight_between_its_ends(graph) -> None:
    layout = arrange(graph([], [], [0], [2], [3], [4, 1]))
    long = layout.routes[-1]
    assert len({row for _, row in long[:-1]}) == 1


def test_a_tree_has_no_crossing(graph) -> None:
    """Eight leaves, added in pairs: read from top to bottom, they stay in order."""
    layout = arrange(graph(*[[]] * 8, [0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11], [12, 13]))
    assert sorted(range(8), key=layout.rows.__getitem__) == list(range(8))
    assert sorted(range(8, 12), key=layout.rows.__getitem__) == list(range(8, 12))


@pytest.mark.parametrize(
    ("shape", "count"), [("chain", 10_000), ("mirror", 10_000), ("everything reads the first", 3_000)]
)
def test_thousands_of_nodes(graph, count: int, shape: str) -> None:
    if shape == "chain":
        reads = [[], *([number] for number in range(count - 1))]
    elif shape == "everything reads the first":
        reads = [[], *([number, 0] for number in range(count - 1))]
    else:  # as forward and backward do: the second half reads the first in reverse
        half = count // 2
        reads = [[], *([number] for number in range(half - 1)), *([half + n - 1, half - n - 1] for n in range(half))]
    scene = graph(*reads)
    check(scene, arrange(scene))


def test_members_of_a_rank_stand_near_where_they_want_to() -> None:
    assert spread([3.0, 1.0], [1.0, 1.0]) == [1.5, 2.5]
    assert spread([0.0, 5.0], [1.0, 1.0]) == [0.0, 5.0]
    assert spread([], []) == []
