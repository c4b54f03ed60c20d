"""Steps through both passes: laws that hold for every circuit, and the notes' circuit by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gatewise as gw
from gatewise.picture.scene import scene_of
from gatewise.picture.stepping import Stepper, breakpoint_of, norm_of

GATES = (np.sin, np.tanh, lambda x: x * x, lambda x: x + 1.0)


@st.composite
def circuits(draw):
    """A random circuit of numbers, with forks."""
    moves = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20), st.integers(0, 20)), max_size=12))

    def f(x, y):
        values = [x, y, x + y]
        for kind, one, other in moves:
            values.append(GATES[kind](values[one % len(values)]) + values[other % len(values)])
        return sum(values[-3:])

    return gw.trace(f, draw(st.floats(-2, 2)), draw(st.floats(-2, 2)))


def seen(stepper):
    return [
        (stepper.taken("forward", node), [part.number for part in stepper.arrived(node)[0]])
        for node in stepper.scene.nodes
        if node.kind != "output"
    ]


@given(circuits())
def test_the_way_back_shows_what_the_way_there_showed(circuit):
    stepper = Stepper(scene_of(circuit))
    there = []
    for position in range(len(stepper) + 1):
        stepper.go(position)
        there.append((seen(stepper), stepper.reason()))
    for position in reversed(range(len(stepper) + 1)):
        stepper.go(position)
        assert (seen(stepper), stepper.reason()) == there[position]


@given(circuits())
def test_at_the_end_the_parts_add_up_to_the_gradients(circuit):
    stepper = Stepper(scene_of(circuit))
    for node in stepper.scene.nodes:
        if node.kind != "output" and node.gradient is not None:
            parts, complete = stepper.arrived(node)
            assert complete
            total = math.fsum(part.number for part in parts)
            assert total == pytest.approx(node.gradient.number, rel=1e-9, abs=1e-12)


@given(circuits())
def test_a_step_changes_only_what_it_says(circuit):
    stepper = Stepper(scene_of(circuit))
    drawn = [node for node in stepper.scene.nodes if node.kind != "output"]
    stepper.go(0)
    before = seen(stepper)
    for place in range(len(stepper)):
        stepper.go(place + 1)
        after = seen(stepper)
        changed = {node.identifier for node, one, other in zip(drawn, before, after, strict=True) if one != other}
        assert changed <= {node.identifier for node in stepper.touched(place)}
        before = after


def test_the_notes():
    def notes(x, y, z):
        q = x + y
        f = q * z
        return f  # noqa: RET504  (the name is shown)

    stepper = Stepper(scene_of(gw.trace(notes, -2.0, 5.0, -4.0)))
    told = [(stepper.go(position), stepper.reason())[1] for position in range(len(stepper) + 1)]
    assert told == [
        "Before the forward pass: no values yet.",
        "x is given: -2",
        "y is given: 5",
        "z is given: -4",
        "q = add(-2, 5) = 3",
        "f = multiply(3, -4) = -12",
        "The backward pass begins: the gradient of f is 1.",
        "f ← q: 1 × -4 = -4  ·  z: 1 × 3 = 3",
        "q ← x: -4 × 1 = -4  ·  y: -4 × 1 = -4",
    ]


@pytest.mark.parametrize(
    ("text", "position"), [("add", 4), ("f", 5), ("norm > 11", 5), ("not finite", None), ("norm < 1.5", 6), ("z", 3)]
)
def test_breakpoints(text, position):
    def notes(x, y, z):
        q = x + y
        f = q * z
        return f  # noqa: RET504  (the name is shown)

    stepper = Stepper(scene_of(gw.trace(notes, -2.0, 5.0, -4.0)))
    stepper.go(0)
    assert stepper.run(breakpoint_of(text), 1) == (position is not None)
    assert stepper.position == (position or 0)


def test_running_back_and_lines():
    stepper = Stepper(scene_of(gw.trace(lambda x: np.sqrt(x * 2.0), 0.0)))
    assert stepper.run(breakpoint_of("not finite"), -1)
    assert stepper.steps[stepper.position - 1].node.gate == "sqrt"
    line = stepper.scene.node(1).source.line
    assert stepper.run(breakpoint_of(f"line {line}"), -1)
    assert not stepper.run(breakpoint_of("line 100000"), 1)


@pytest.mark.parametrize("text", ["", "  ", "norm > many"])
def test_what_is_no_breakpoint_is_a_value_error(text):
    with pytest.raises(ValueError):
        breakpoint_of(text)


def test_the_norm_of_an_array():
    X = np.array([[3.0, -4.0], [0.0, np.inf]])
    scene = scene_of(gw.trace(lambda x: np.sum(x), X))
    assert norm_of(scene.node(0).value) == pytest.approx(5.0)
