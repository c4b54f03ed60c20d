"""Circuits told in parts: every gate is told of once, and what crosses the border of a part is all there."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import layers_of, network

import gatewise as gw
from gatewise.editing import edited
from gatewise.picture import summary
from gatewise.picture.scene import Scene, scene_of
from gatewise.picture.summary import CROSSING, page_scene, summarised
from gatewise.picture.words import omission


def loss(layers, points):
    total = 0.0
    for point in points:
        total = total + (network(layers, point) - 1.0) ** 2
    return total


def net(points):
    random = np.random.default_rng(0)
    return gw.trace(loss, layers_of(2, 5, 1), random.normal(size=(points, 2)).tolist())


def straight(x):
    for _ in range(600):
        x = x * 1.001
    return x


def wide(xs):
    for _ in range(30):
        xs = [np.sin(x) * 1.1 for x in xs]
    return sum(xs)


def recursive(x, depth=60):
    return x * 2.0 + recursive(np.sin(x), depth - 1) if depth else x * x


def generated(x):
    def parts(x):
        for place in range(100):
            y = np.exp(x * 0.01) + place
            yield y * x + 1.0

    total = x
    for part in parts(x):
        total = total + part * x
    return total


def inner(x):
    for _ in range(40):
        x = x - 0.01 * gw.grad(lambda y, x=x: np.sum(np.sin(y) * y * x))(x)
    return np.sum(x)


CIRCUITS = {
    "net": lambda: net(30),
    "straight": lambda: gw.trace(straight, 1.0),
    "wide": lambda: gw.trace(wide, np.linspace(0, 1, 40).tolist()),
    "recursive": lambda: gw.trace(recursive, 0.3),
    "generator": lambda: gw.trace(generated, 0.3),
    "gradients inside": lambda: gw.trace(inner, np.ones(3)),
    "variables": lambda: gw.trace(straight(gw.variable(1.0, name="x"))),
    "several results": lambda: gw.trace(lambda x: {"a": straight(x), "b": x * x}, 1.0, upstream={"a": 1.0, "b": 2.0}),
}


@pytest.fixture(scope="module", params=CIRCUITS)
def circuit(request):
    return CIRCUITS[request.param]()


@pytest.fixture(params=[30, 150, 400])
def told(request, circuit):
    return summarised(circuit, most=request.param)


def test_every_node_is_told_of_once(circuit, told):
    listed = [node.identifier for node in told.nodes if node.identifier < len(circuit)]
    assert len(set(listed)) == len(listed)
    assert len(listed) + sum(node.holds for node in told.nodes) == told.total == len(circuit)


def test_there_are_about_as_many_nodes_as_are_asked_for(circuit):
    scene = summarised(circuit, most=150)
    counted = [node for node in scene.nodes if node.kind in ("gate", "summary")]
    assert 60 <= len(counted) <= 165


def test_sources_come_before_targets_and_groups_before_those_inside(told):
    order = {node.identifier: place for place, node in enumerate(told.nodes)}
    assert len(order) == len(told.nodes)
    assert all(order[edge.source] < order[edge.target] for edge in told.edges)
    known = {None}
    for group in told.groups:
        assert group.parent in known
        known.add(group.identifier)
    assert {node.group for node in told.nodes} <= known
    targets = [(order[edge.target], edge.slot) for edge in told.edges]
    assert targets == sorted(targets)


def test_what_is_listed_is_as_in_the_whole(circuit, told):
    whole = scene_of(circuit, limit=10**9)
    for node in told.nodes:
        if node.identifier < len(circuit):
            same = whole.node(node.identifier)
            assert (node.kind, node.label, node.name) == (same.kind, same.label, same.name)
            assert (repr(node.value), repr(node.gradient)) == (repr(same.value), repr(same.gradient))
    rows = {(edge.target, edge.slot): edge for edge in whole.edges}
    for edge in told.edges:
        if edge.target < len(circuit):
            same = rows[edge.target, edge.slot]
            assert (edge.wire, repr(edge.gradient), repr(edge.local)) == (
                same.wire,
                repr(same.gradient),
                repr(same.local),
            )
            assert edge.source == same.source or told.node(edge.source).kind == "summary"
    count = Counter(edge.target for edge in told.edges)
    for node in told.nodes:
        if node.kind == "gate":
            assert count[node.identifier] == len(whole.incoming(whole.node(node.identifier)))


def test_gradients_that_come_back_to_a_gate_add_up(circuit, told):
    """A wire into a summary brings back what all those do that it stands for, as long as they come from one gate."""
    together = [edge for edge in told.edges if edge.count > 1 and edge.gradient and edge.gradient.number is None]
    if any(told.node(edge.source).kind != "input" for edge in together):
        return  # some wires speak for others' too
    for node in told.nodes:
        parts = [edge.gradient for edge in told.outgoing(node) if edge.gradient is not None]
        if node.kind == "gate" and node.identifier not in circuit.outputs and parts and parts[0].number is not None:
            assert sum(part.number for part in parts) == pytest.approx(node.gradient.number, rel=1e-9)


def test_wires_are_counted(circuit, told):
    """The wires of the whole are those that are listed, those that run together, and those inside summaries."""
    hidden = {node.identifier for node in told.nodes if node.kind == "summary"}
    within = sum(edge.count for edge in told.edges if edge.target < len(circuit) or edge.target in hidden)
    whole = scene_of(circuit, limit=10**9)
    between = sum(edge.target < len(circuit) for edge in whole.edges)
    listed = {node.identifier for node in told.nodes}
    inside = sum(edge.target not in listed and edge.source not in listed for edge in whole.edges)
    assert between - inside <= within <= between


def test_a_straight_line_is_cut_into_stretches_that_say_which():
    scene = summarised(gw.trace(straight, 1.0), most=40)
    labels = [group.label for group in scene.groups if group.kind == "stretch"]
    assert labels[0] == "1 … 25"
    assert all(group.source.text == "x = x * 1.001" for group in scene.groups)


def test_turns_are_cut_into_stretches_of_turns():
    scene = summarised(net(70), most=100)
    tops = [group for group in scene.groups if group.parent is None]
    assert tops[0].label == "#1 … #9"
    assert {group.kind for group in tops} == {"stretch"}


def test_both_ends_of_the_run_are_listed_sooner():
    circuit = net(40)
    listed = [node.identifier for node in summarised(circuit, most=600).nodes if node.kind == "gate"]
    gates = [entry.index for entry in circuit if not entry.is_input]
    assert set(gates[:40]) <= set(listed)
    assert set(gates[-40:]) <= set(listed)
    middle = gates[len(gates) // 2 - 20 : len(gates) // 2 + 20]
    assert not set(middle) <= set(listed)


def test_one_value_that_leaves_a_part_is_listed_with_it():
    circuit = gw.trace(straight, 1.0)
    scene = summarised(circuit, most=40)
    for node in scene.nodes:
        if node.kind != "summary":
            continue
        (wire,) = scene.outgoing(node)
        after = scene.node(wire.target)
        assert (after.kind, after.group) == ("gate", node.group)
        assert after.value.number == float(circuit[after.identifier].value)
        assert (node.value, node.gradient) == (None, None)


def test_of_many_values_that_leave_a_part_the_spread_is_told():
    circuit = gw.trace(wide, np.linspace(0, 1, CROSSING + 16).tolist())
    told = [node for node in summarised(circuit, most=30).nodes if node.kind == "summary" and node.value]
    assert told
    assert all(node.value.shape == (CROSSING + 16,) for node in told)
    sines = [float(entry.value) for entry in circuit if entry.gate.name == "multiply"]
    assert all(min(sines) - 1e-5 <= node.value.statistics.minimum for node in told)


def test_wires_of_one_argument_enter_a_part_as_one():
    scene = summarised(net(30), most=100)
    many = [edge for edge in scene.edges if edge.count > 1]
    assert many
    assert all(scene.node(edge.target).kind == "summary" for edge in many)
    assert {scene.node(edge.source).name for edge in many} >= {"layers[0][0][0][0]"}


def test_very_many_inputs_of_an_argument_are_told_as_one(monkeypatch):
    monkeypatch.setattr(summary, "LISTED_AT_MOST", 100)
    circuit = net(30)
    scene = summarised(circuit, most=200)
    inputs = {node.name: node for node in scene.nodes if node.kind == "summary" and node.name}
    assert {name: node.holds for name, node in inputs.items()} == {"layers": 21, "points": 60}
    points = [float(entry.value) for entry in circuit.inputs if entry.name.startswith("points")]
    assert inputs["points"].value.statistics.maximum == max(points)


def test_a_page_lists_all_it_can_and_summarises_beyond(monkeypatch):
    circuit = gw.trace(straight, 1.0)
    assert page_scene(circuit) == scene_of(circuit)
    monkeypatch.setattr(summary, "SHOWN_AT_MOST", 100)
    monkeypatch.setattr(summary.summarised, "__defaults__", (50, "", False))
    scene = page_scene(circuit, title="t", editable=True)
    assert scene.title == "t"
    assert scene.gates["multiply"].alternatives
    count = sum(node.kind == "summary" for node in scene.nodes)
    assert count > 10
    assert omission(scene) == f"{scene.drawn} of 601 nodes are listed, the others told in {count} summaries"
    assert page_scene(edited(circuit, [{"kind": "set", "node": 0, "value": 2.0}])).node(0).value.number == 2.0


def test_summaries_are_read_as_they_were_written(told):
    again = Scene.from_json(told.to_json())
    assert again.to_json() == told.to_json()
    assert [node.holds for node in again.nodes] == [node.holds for node in told.nodes]
    assert [edge.count for edge in again.edges] == [edge.count for edge in told.edges]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["+", "*", "sin", "loop", "call"]), st.integers(0, 50)), min_size=60, max_size=150
    ),
    st.integers(5, 80),
)
def test_any_program_is_told_whole(steps, most):
    def twice(x):
        return np.sin(x) * 0.5 + x

    def f(x, y):
        values = [x, y]
        for kind, place in steps:
            value = values[place % len(values)]
            if kind == "loop":
                for _ in range(place % 7):
                    value = value * 0.9 + values[-1]
            elif kind == "call":
                value = twice(twice(value))
            else:
                value = np.sin(value) if kind == "sin" else value + values[-1] if kind == "+" else value * values[-1]
            values.append(np.tanh(value))
        return values[-1] + x

    circuit = gw.trace(f, 0.3, 0.4)
    scene = summarised(circuit, most=most)
    listed = [node for node in scene.nodes if node.identifier < len(circuit)]
    assert len(listed) + sum(node.holds for node in scene.nodes) == len(circuit)
    order = {node.identifier: place for place, node in enumerate(scene.nodes)}
    assert all(order[edge.source] < order[edge.target] for edge in scene.edges)
