import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewise.picture.quantity import Quantity, Statistics
from gatewise.picture.scene import Scene, SceneEdge, SceneNode, Source, scene_of

floats = st.floats()
counts = st.integers(min_value=0, max_value=10**12)
statistics = st.builds(Statistics, floats, floats, floats, floats, counts, counts, counts, counts)
rows = st.lists(st.lists(floats, max_size=3).map(tuple), max_size=3).map(tuple)
quantities = st.none() | st.builds(
    Quantity,
    st.lists(counts, max_size=3).map(tuple),
    st.text(),
    st.text(),
    st.none() | floats,
    st.none() | statistics,
    rows,
)
kinds = st.sampled_from(["input", "constant", "gate", "output", "elided"])
sources = st.none() | st.builds(Source, st.text(), counts, st.text())
text = st.text()
nodes = st.builds(SceneNode, counts, kinds, text, text, text, text, quantities, quantities, sources)
edges = st.builds(SceneEdge, counts, counts, counts, text, quantities, quantities)
scenes = st.builds(Scene, st.lists(nodes, max_size=3).map(tuple), st.lists(edges, max_size=3).map(tuple), total=counts)


@given(scenes)
def test_json_round_trip(scene: Scene) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    written = scene.to_json()
    json.loads(written, parse_constant=refuse)
    # Compared as text: a NaN does not equal itself.
    assert repr(Scene.from_json(written)) == repr(scene)


def test_other_json_is_refused_with_a_reason() -> None:
    with pytest.raises(ValueError, match='"format" should be "gatewise-scene"'):
        Scene.from_json("{}")
    with pytest.raises(ValueError, match="version 99"):
        Scene.from_json('{"format": "gatewise-scene", "version": 99}')


def test_the_circuit_of_the_notes(notes_circuit) -> None:
    scene = scene_of(notes_circuit)
    assert [(node.kind, node.label) for node in scene.nodes] == [
        ("input", "x"),
        ("input", "y"),
        ("input", "z"),
        ("gate", "+"),
        ("gate", "*"),
        ("output", "f"),
    ]
    assert [(edge.source, edge.target) for edge in scene.edges] == [(0, 3), (1, 3), (3, 4), (2, 4), (4, 5)]
    assert scene.node(3).gradient == scene.edges[2].gradient


@pytest.mark.parametrize(
    ("name", "symbol", "operands", "label"),
    [
        ("add", "+", [0, [1]], "+1"),
        ("add", "+", [[1.0], 0], "+1"),
        ("multiply", "*", [[-1], 0], "*-1"),
        ("divide", "/", [[1.0], 0], "1/x"),
        ("divide", "/", [0, [2]], "/2"),
        ("subtract", "-", [[1], 0], "1-x"),
        ("power", "**", [0, [2]], "**2"),
        ("power", "**", [[2], 0], "2**x"),
        ("maximum", "max", [0, [0.0]], "max(x, 0)"),
        ("add", "+", [0, [np.float64(0.5)]], "+0.5"),
        ("add", "+", [0, [np.array(0.5)]], "+0.5"),
        ("where", "where", [0, 0, [0]], "where(x, y, 0)"),
    ],
)
def test_scalar_constants_are_folded_into_the_symbol(build, name, symbol, operands, label) -> None:
    scene = scene_of(build.circuit(build.leaf(0, "x", 1.0), build.gate(1, name, symbol, operands, 2.0)))
    assert scene.node(1).label == label
    assert not any(node.kind == "constant" for node in scene.nodes)


def test_array_constants_are_leaves_without_a_gradient(build) -> None:
    scene = scene_of(
        build.circuit(build.leaf(0, "x", np.ones(3)), build.gate(1, "add", "+", [0, [np.ones(3)]], np.ones(3)))
    )
    (constant,) = [node for node in scene.nodes if node.kind == "constant"]
    assert constant.gradient is None
    assert [edge.source for edge in scene.incoming(scene.node(1))] == [0, constant.identifier]


def test_every_node_comes_before_its_readers(build) -> None:
    made = build.circuit(
        build.leaf(0, "x", np.ones(2)),
        build.gate(1, "add", "+", [0, [np.ones(2)]], np.ones(2)),
        build.gate(2, "add", "+", [1, [np.ones(2)]], np.ones(2)),
    )
    scene = scene_of(made)
    order = {node.identifier: place for place, node in enumerate(scene.nodes)}
    assert len(order) == len(scene.nodes)
    assert all(order[edge.source] < order[edge.target] for edge in scene.edges)


def _chain(build, length: int):
    steps = [build.gate(index, "exp", "exp", [index - 1], 1.0) for index in range(1, length)]
    return build.circuit(build.leaf(0, "x", 1.0), *steps)


def test_a_large_circuit_becomes_its_end(build) -> None:
    scene = scene_of(_chain(build, 5000), limit=100)
    assert scene.total == 5000
    assert scene.drawn == 100
    assert scene.nodes[0].kind == "elided"
    assert scene.nodes[-1].kind == "output"


def test_inputs_that_the_end_reads_are_kept_as_inputs(build) -> None:
    made = _chain(build, 50)
    made = build.circuit(*made.entries, build.gate(50, "add", "+", [49, 0], 1.0))
    scene = scene_of(made, limit=10)
    assert scene.node(0).kind == "input"


def test_the_end_of_a_scene(build) -> None:
    scene = scene_of(_chain(build, 50))
    assert scene.last(1000) is scene
    end = scene.last(10)
    assert len(end.nodes) == 11
    assert {edge.source for edge in end.edges} <= {node.identifier for node in end.nodes}


def test_a_circuit_whose_result_is_an_input(build) -> None:
    scene = scene_of(build.circuit(build.leaf(0, "x", 1.0, 1.0)))
    assert [node.kind for node in scene.nodes] == ["input", "output"]


def test_a_whole_circuit_is_not_called_a_summary(build) -> None:
    """An entry without operands that is no input is drawn as a constant, and counts as drawn."""
    made = build.circuit(build.gate(0, "zeros", "0", [], 0.0), build.gate(1, "exp", "exp", [0], 1.0))
    scene = scene_of(made)
    assert scene.nodes[0].kind == "constant"
    assert scene.drawn == scene.total == 2
