import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gatewise as gw
from gatewise.picture.quantity import quantity_of
from gatewise.picture.scene import Scene, SceneEdge, SceneGate, SceneGroup, SceneNode, Source, scene_of

arrays = st.lists(st.floats(width=32), max_size=20).map(lambda numbers: np.array(numbers, np.float32))
numbers = st.floats() | st.integers(-(10**6), 10**6) | st.booleans() | st.complex_numbers() | arrays
quantities = st.none() | numbers.map(quantity_of)
kinds = st.sampled_from(["input", "constant", "gate", "output", "elided", "summary"])
text = st.text(max_size=5)
counts = st.integers(min_value=0, max_value=10**12)
sources = st.none() | st.builds(Source, text, counts, text, text)
gates = {
    "add": SceneGate("add", "+", "distributes", "x + y", ("x", "y"), ["add", "x", "y"], (1.0, None)),
    "other": SceneGate("power", value=["pow", "x", float("inf")]),
}
groups = (SceneGroup(0, "call", "f"), SceneGroup(1, "line", "y = x", 0, Source("f.py", 3, "y = x")))
keyed = st.sampled_from([("", "", ""), ("add", "add", "distributes"), ("power", "other", "")])


def _noded(identifier, kind, label, name, key, value, gradient, source, group, constants, holds):
    gate, key, story = key
    return SceneNode(identifier, kind, label, name, gate, story, value, gradient, source, key, group, constants, holds)


constants = st.lists(st.tuples(st.integers(0, 3), st.floats(allow_nan=False)), max_size=2, unique_by=lambda c: c[0])
nodes = st.builds(
    _noded,
    *(counts, kinds, text, text, keyed, quantities, quantities, sources, st.sampled_from([None, 0, 1])),
    constants.map(tuple),
    counts,
)
edges = st.builds(SceneEdge, counts, counts, st.integers(0, 3), text, quantities, quantities, counts)
scenes = st.builds(
    Scene,
    st.lists(nodes, max_size=3).map(tuple),
    st.lists(edges, max_size=3).map(tuple),
    counts,
    st.just(gates),
    st.just(groups),
    text,
)


@given(scenes)
def test_json_round_trip(scene: Scene) -> None:
    """What is read is what was written, but for the rounding of statistics and thumbnails, and that only once."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    written = scene.to_json()
    json.loads(written, parse_constant=refuse)
    again = Scene.from_json(written)
    assert again.to_json() == written
    for ours, theirs in zip(scene.nodes, again.nodes, strict=True):
        for field in ("identifier", "kind", "label", "name", "gate", "story", "key", "group", "constants", "holds"):
            assert getattr(ours, field) == getattr(theirs, field)
        for kind in ("value", "gradient"):
            one, other = getattr(ours, kind), getattr(theirs, kind)
            assert (one is None) == (other is None)
            if one is not None:
                # Compared as text: a NaN does not equal itself.
                rows = [
                    (q.shape, q.dtype, q.text, repr(q.number), q.histogram, [len(row) for row in q.thumbnail])
                    for q in (one, other)
                ]
                assert rows[0] == rows[1]
                cells = zip(np.ravel(one.thumbnail), np.ravel(other.thumbnail), strict=True)
                known = one.statistics
                for first, second in cells if known else ():
                    width = known.maximum / 252 - known.minimum / 252
                    rough = width + 1e-5 * max(abs(known.minimum), abs(known.maximum))
                    assert first == second or (first != first and second != second) or abs(first - second) <= rough
    assert [edge.count for edge in again.edges] == [edge.count for edge in scene.edges]
    assert (again.groups, again.total, again.title) == (scene.groups, scene.total, scene.title)
    assert repr(again.gates) == repr(scene.gates)


def test_the_least_scene_of_the_format() -> None:
    """The example of the format's page, which another program may have written."""
    page = (Path(__file__).parents[2] / "docs" / "scene.md").read_text(encoding="utf-8")
    scene = Scene.from_json(page.partition("```json\n")[2].partition("```")[0])
    assert [(node.kind, node.label, node.value.number) for node in scene.nodes] == [
        ("input", "x", 3.0),
        ("gate", "square", 9.0),
    ]
    assert [(edge.source, edge.target, edge.slot, edge.gradient) for edge in scene.edges] == [(0, 1, 0, None)]


@pytest.mark.parametrize("broken", ['{"nodes": []}', '{"nodes": [{}], "edges": []}', '{"nodes": 3, "edges": 4}'])
def test_a_scene_that_is_not_as_documented_is_a_value_error(broken) -> None:
    data = {"format": "gatewise-scene", "version": 2, **json.loads(broken)}
    with pytest.raises(ValueError, match=r"docs/scene\.md"):
        Scene.from_json(json.dumps(data))


def test_groups_follow_calls_methods_loops_turns_and_lines() -> None:
    class Layer:
        def __init__(self, w):
            self.w = w

        def __call__(self, x):
            return np.tanh(x * self.w + 1.0)

    def block(x):
        y = x * 2.0
        for _ in range(3):
            y = np.sin(y) + x
        return y

    def f(x):
        for layer in layers:
            x = layer(x)
        z = block(x)
        return sum(z * k for k in range(3))

    layers = [Layer(2.0), Layer(3.0)]
    scene = scene_of(gw.trace(f, 0.3))
    rows = [(group.kind, group.label, group.parent) for group in scene.groups]
    assert rows == [
        ("loop", "for layer in layers:", None),
        ("module", "Layer", 0),
        ("module", "Layer", 0),
        ("call", "block", None),
        ("loop", "for _ in range(3):", 3),
        ("turn", "1", 4),
        ("turn", "2", 4),
        ("turn", "3", 4),
        ("line", "return sum(z * k for k in range(3))", None),
        ("line", "return sum(z * k for k in range(3))", None),
    ]
    places = [node.group for node in scene.nodes]
    assert places[:12] == [None, 1, 1, 1, 2, 2, 2, 3, 5, 5, 6, 6]


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
