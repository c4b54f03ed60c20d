import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewise.picture import svg
from gatewise.picture.quantity import quantity_of
from gatewise.picture.scene import Scene, SceneEdge, SceneNode, scene_of

SVG = "{http://www.w3.org/2000/svg}"


def texts(drawing: str, kind: str) -> list[tuple[str, float]]:
    root = ElementTree.fromstring(drawing)
    return [
        (element.text or "", float(element.get("y", "nan")))
        for element in root.iter(f"{SVG}text")
        if kind in element.get("class", "").split()
    ]


def test_values_stand_above_the_wire_and_gradients_below(notes_circuit) -> None:
    drawing = svg.render(scene_of(notes_circuit))
    values, gradients = texts(drawing, "value"), texts(drawing, "gradient")
    assert [text for text, _ in values] == ["-2.00", "5.00", "-4.00", "3.00", "-12.00"]
    assert [text for text, _ in gradients] == ["-4.00", "-4.00", "3.00", "-4.00", "← 1.00"]
    assert all(above < below for (_, above), (_, below) in zip(values, gradients, strict=True))


def test_hovering_a_gate_tells_its_chain_rule(notes_circuit) -> None:
    root = ElementTree.fromstring(svg.render(scene_of(notes_circuit)))
    titles = [element.text or "" for element in root.iter(f"{SVG}title")]
    (multiply,) = [title for title in titles if title.startswith("f: multiply")]
    assert "z: 1 × 3 = 3" in multiply
    assert "notes.py:3" in multiply


@given(st.text())
def test_any_name_is_harmless(name: str) -> None:
    scene = Scene((SceneNode(0, "input", name), SceneNode(1, "gate", name, name, name)), (SceneEdge(0, 1, 0, name),))
    ElementTree.fromstring(svg.render(scene).encode())


def test_markup_in_a_name_is_text(build) -> None:
    drawing = svg.render(scene_of(build.circuit(build.leaf(0, "<script>alert(1)</script>", 1.0))))
    assert "<script" not in drawing
    assert "&lt;script" in drawing


def test_arrays_show_shape_and_thumbnail(build) -> None:
    value = np.arange(50.0).reshape(5, 10)
    drawing = svg.render(scene_of(build.circuit(build.leaf(0, "W", value, value / 100))))
    assert ("5×10") in [text for text, _ in texts(drawing, "value")]
    assert "← 0.00…0.49" in [text for text, _ in texts(drawing, "gradient")]
    assert len(set(re.findall(r'fill="(#\w{6})"', drawing))) > 10


def test_what_is_not_finite_is_marked(build) -> None:
    drawing = svg.render(
        scene_of(build.circuit(build.leaf(0, "x", np.array([1.0, np.nan]), np.array([np.inf, 1.0])))),
    )
    assert "! 1 nan" in [text for text, _ in texts(drawing, "alarm")]
    assert "← ! 1 inf" in [text for text, _ in texts(drawing, "alarm")]


@pytest.mark.parametrize("value", [np.zeros((0, 3)), np.float32(1), True, 7, 1j, np.array([1j, complex("nan")]), None])
def test_every_kind_of_value_is_drawn(build, value: object) -> None:
    ElementTree.fromstring(svg.render(scene_of(build.circuit(build.leaf(0, "x", value)))))


def test_the_wires_of_a_fork_show_their_parts(build) -> None:
    scene = scene_of(
        build.circuit(
            build.leaf(0, "x", 3.0, 5.0),
            build.gate(1, "multiply", "*", [0, 0], 9.0, 1.0, parts=(2.0, 3.0), local=(2.0, 3.0)),
        )
    )
    gradients = [text for text, _ in texts(svg.render(scene), "gradient")]
    assert sorted(gradients) == ["2.00", "3.00", "5.00", "← 1.00"]


def test_a_fork_is_dotted_and_a_plain_wire_is_not(graph) -> None:
    assert '<circle class="fork"' in svg.render(graph([], [0], [0]))
    assert '<circle class="fork"' not in svg.render(graph([], [0], [1]))


def test_a_summary_says_so() -> None:
    one = quantity_of(1.0)
    nodes = tuple(SceneNode(number, "gate" if number else "input", "exp", value=one) for number in range(5000))
    edges = tuple(SceneEdge(number, number + 1) for number in range(4999))
    drawing = svg.render(Scene(nodes, edges, total=5000))
    assert "showing the last 2,000 of 5,000 nodes" in drawing
    assert drawing.count('data-node="') == 2001


def test_an_empty_scene_and_an_unknown_palette() -> None:
    ElementTree.fromstring(svg.render(Scene((), ())))
    with pytest.raises(ValueError, match="colour-blind"):
        svg.render(Scene((), ()), palette="sepia")


def test_the_colour_blind_palette_is_neither_green_nor_red(notes_circuit) -> None:
    scene = scene_of(notes_circuit)
    default = svg.PALETTES["default"]
    drawing = svg.render(scene, palette="colour-blind")
    assert default.value not in drawing
    assert default.gradient not in drawing
