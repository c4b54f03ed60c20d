"""Edits of a recorded circuit against recordings of functions that were written with the edit in them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gatewise as gw
from gatewise.editing import edited

X, W = np.array([0.5, -1.0, 2.0]), np.array([[1.0, 2.0], [0.5, -1.0], [0.25, 3.0]])


def notes(x, y, z):
    q = x + y
    f = q * z
    return f  # noqa: RET504  (the name is shown)


def layer(x, w):
    return np.sum(np.tanh(x @ w + np.array([0.5, -0.5])) ** 2)


def same(one, other):
    assert len(one) == len(other)
    for ours, theirs in zip(one, other, strict=True):
        for kind in ("value", "gradient"):
            np.testing.assert_array_equal(getattr(ours, kind), getattr(theirs, kind))
        assert ours.where == theirs.where
    assert one.outputs == other.outputs


finite = st.floats(-1e3, 1e3)


@given(finite, finite, finite)
def test_other_inputs_give_the_circuit_of_other_inputs(x, y, z):
    edits = [{"kind": "set", "node": node, "value": value} for node, value in enumerate((x, y, z))]
    same(edited(gw.trace(notes, -2.0, 5.0, -4.0), edits), gw.trace(notes, x, y, z))


def test_no_edits_change_nothing_and_the_circuit_is_left_alone():
    circuit = gw.trace(layer, X, W)
    before = circuit.json()
    same(edited(circuit, []), circuit)
    edited(circuit, [{"kind": "set", "node": 0, "value": 7.0}, {"kind": "cut", "target": 2, "slot": 0}])
    assert circuit.json() == before


def test_one_entry_and_all_entries_of_an_array():
    circuit = gw.trace(layer, X, W)
    changed = X.copy()
    changed[1] = 3.0
    same(edited(circuit, [{"kind": "set", "node": 0, "value": 3, "index": [1]}]), gw.trace(layer, changed, W))
    same(edited(circuit, [{"kind": "set", "node": 0, "value": 3}]), gw.trace(layer, np.full(3, 3.0), W))


def test_array_constants_have_the_numbers_of_the_scene():
    circuit = gw.trace(layer, X, W)
    (constant,) = [row for row in json.loads(circuit.json())["nodes"] if row.get("kind") == "constant"]
    what_if = edited(circuit, [{"kind": "set", "node": constant["identifier"], "value": 0.0}])
    other = gw.trace(lambda x, w: np.sum(np.tanh(x @ w + np.zeros(2)) ** 2), X, W)
    for ours, theirs in zip(what_if, other, strict=True):
        np.testing.assert_array_equal(ours.value, theirs.value)
        np.testing.assert_array_equal(ours.gradient, theirs.gradient)


def test_a_cut_wire_brings_zero_and_takes_no_gradient_back():
    what_if = edited(gw.trace(notes, -2.0, 5.0, -4.0), [{"kind": "cut", "target": 3, "slot": 1}])
    assert [float(entry.value) for entry in what_if] == [-2.0, 5.0, -4.0, -2.0, 8.0]
    assert [float(entry.gradient) for entry in what_if] == [-4.0, 0.0, -2.0, -4.0, 1.0]


def test_a_held_wire_is_a_stopped_gradient():
    what_if = edited(gw.trace(notes, -2.0, 5.0, -4.0), [{"kind": "hold", "target": 4, "slot": 0}])
    held = gw.trace(lambda x, y, z: gw.stop_gradient(x + y) * z, -2.0, 5.0, -4.0)
    assert [float(what_if[name].gradient) for name in "xyz"] == [float(held[name].gradient) for name in "xyz"]
    assert float(what_if["f"].value) == -12.0


def test_a_swapped_gate_is_the_other_function():
    what_if = edited(gw.trace(lambda x: np.sum(np.tanh(x) * 2.0), X), [{"kind": "swap", "node": 1, "gate": "sin"}])
    other = gw.trace(lambda x: np.sum(np.sin(x) * 2.0), X)
    for ours, theirs in zip(what_if, other, strict=True):
        np.testing.assert_array_equal(ours.value, theirs.value)
        np.testing.assert_array_equal(ours.gradient, theirs.gradient)


def test_the_upstream_gradient_stays():
    circuit = gw.trace(lambda x: x * x, X, upstream=np.array([1.0, 0.0, 2.0]))
    what_if = edited(circuit, [{"kind": "set", "node": 0, "value": 2.0}])
    np.testing.assert_array_equal(what_if["x"].gradient, [4.0, 0.0, 8.0])


def test_everything_cut_computes_on():
    circuit = gw.trace(notes, -2.0, 5.0, -4.0)
    cuts = [{"kind": "cut", "target": target, "slot": slot} for target in (3, 4) for slot in (0, 1)]
    what_if = edited(circuit, cuts)
    assert [float(entry.value) for entry in what_if] == [-2.0, 5.0, -4.0, 0.0, 0.0]
    assert [float(entry.gradient) for entry in what_if.inputs] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ("set", "edit 0 is 'set'"),
        ({}, "edit 0 has the kind None; there are set, cut, hold, swap"),
        ({"kind": ["set"]}, "edit 0 has the kind"),
        ({"kind": "set", "node": 9, "value": 1}, "the circuit has no node 9"),
        ({"kind": "set", "node": -1, "value": 1}, "no node -1; they are numbered from 0 to 4"),
        ({"kind": "set", "node": True, "value": 1}, "no node True"),
        ({"kind": "set", "node": 3, "value": 1}, "computed by a gate, add: only inputs and constants"),
        ({"kind": "set", "node": 0}, "input x cannot be None: give a number"),
        ({"kind": "set", "node": 0, "value": "__import__('os')"}, "input x cannot be .*: give a number"),
        ({"kind": "set", "node": 0, "value": 1, "index": [0]}, r"has shape \(\); it has no entry \[0\]"),
        ({"kind": "cut", "target": 3, "slot": 2}, "no input wire 2: it has 2"),
        ({"kind": "cut", "target": 0, "slot": 0}, "no input wire 0: it has 0"),
        ({"kind": "swap", "node": 3, "gate": "exp"}, "add of node 3 cannot become 'exp': there are"),
        ({"kind": "swap", "node": 0, "gate": "exp"}, "nothing can stand in its place"),
    ],
)
def test_bad_edits_are_refused_with_a_reason(edit, message):
    with pytest.raises(gw.InputError, match=message):
        edited(gw.trace(notes, -2.0, 5.0, -4.0), [edit])
