import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewise.picture.scene import scene_of
from gatewise.picture.words import explanation, number_text, shape_text, shorten


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (-4.0, "-4.00"),
        (0.731059, "0.73"),
        (-0.196612, "-0.20"),
        (123456.0, "1.2e+05"),
        (0.0, "0.00"),
        (-0.0, "0.00"),
        (-0.001, "-0.0010"),
        (0.0123, "0.012"),
        (1234.5, "1234.5"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_numbers_read_as_in_the_notes(number: float, text: str) -> None:
    assert number_text(number) == text


@given(st.floats(min_value=-1e308, max_value=1e308))
def test_a_number_keeps_two_significant_digits_and_stays_short(number: float) -> None:
    text = number_text(number)
    assert len(text) <= 9
    assert float(text) == pytest.approx(number, rel=0.06, abs=0)


def test_shapes() -> None:
    assert shape_text((5, 10)) == "5×10"
    assert shape_text((7,)) == "(7,)"


def test_shortening_keeps_one_line() -> None:
    assert shorten("a\n b") == "a b"
    assert shorten("a" * 30, 10) == "a" * 9 + "…"


def test_a_gate_explains_itself_with_the_numbers_of_its_wires(notes_circuit) -> None:
    scene = scene_of(notes_circuit)
    lines = explanation(scene, scene.node(4))
    assert lines[0] == "f: multiply (*)"
    assert "the story of multiply" in lines
    assert "q: 1 × -4 = -4" in lines
    assert "z: 1 × 3 = 3" in lines
    assert "notes.py:3  f = (x + y) * z" in lines


def test_a_rule_that_is_no_plain_factor_says_what_came_in_and_what_left(build) -> None:
    made = build.circuit(build.leaf(0, "W", 2.0, 3.0), build.gate(1, "matmul", "@", [0], 6.0, 1.0, parts=(3.0,)))
    scene = scene_of(made)
    assert "W: upstream 1 → gradient 3" in explanation(scene, scene.node(1))


def test_forks_say_how_their_gradients_add_up(build) -> None:
    made = build.circuit(
        build.leaf(0, "x", 3.0, 5.0), build.gate(1, "add", "+", [0, 0], 6.0, 1.0, parts=(2.0, 3.0), local=(2.0, 3.0))
    )
    scene = scene_of(made)
    assert "gradient 5 = 2 + 3 (gradients add up at forks)" in explanation(scene, scene.node(0))
