import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewise.picture import text
from gatewise.picture.scene import Scene, SceneEdge, SceneNode, scene_of

NOTES = """\
   -2.00
x ───────┐
   -4.00 │     3.00
         ├─(+)───────┐
   5.00  │     -4.00 │     -12.00
y ───────┘           ├─(*)─────────▶ f
   -4.00             │      1.00
                     │
   -4.00             │
z ───────────────────┘
   3.00"""


def test_the_notes_circuit(notes_circuit) -> None:
    assert text.plain(scene_of(notes_circuit), width=80) == NOTES


def test_a_narrow_terminal_gets_a_table(notes_circuit) -> None:
    table = text.plain(scene_of(notes_circuit), width=30)
    assert "multi…" in table
    assert "─" not in table
    assert "-12.00" in table
    assert all(len(line) <= 30 for line in table.splitlines())


def test_a_large_circuit_gets_the_end_of_a_table(graph) -> None:
    table = text.plain(graph([], *([number] for number in range(999))), width=500)
    assert table.startswith("showing the last 200 of 1,000 nodes")
    assert len(table.splitlines()) < 210


def test_a_table_names_inputs_and_lines(notes_circuit) -> None:
    narrow = text.plain(scene_of(notes_circuit), width=30)
    wide = "\n".join("".join(part for part, _ in line) for line in text._table(scene_of(notes_circuit), 100))
    assert "q, z" in wide
    assert "notes.py:3" in wide
    assert "notes.py:3" not in narrow


def test_forks_show_their_sum(build) -> None:
    scene = scene_of(
        build.circuit(
            build.leaf(0, "x", 3.0, 5.0),
            build.gate(1, "multiply", "*", [0, 0], 9.0, 1.0, parts=(2.0, 3.0), local=(2.0, 3.0)),
        )
    )
    assert "2.00+3.00=5.00" in text.plain(scene)


def test_rendered_in_colour(notes_circuit) -> None:
    drawn = text.render(scene_of(notes_circuit), width=80)
    styles = {drawn.plain[span.start : span.end].strip(): span.style for span in drawn.spans}
    assert drawn.plain.splitlines()[0].strip() == "-2.00"
    assert styles["-2.00"] == "green"
    assert styles["1.00"] == "red"


def test_what_is_not_finite_stands_out(build) -> None:
    scene = scene_of(build.circuit(build.leaf(0, "x", np.array([1.0, np.nan]), 1.0)))
    drawn = text.render(scene)
    assert "!1 nan" in drawn.plain
    assert any("reverse" in str(span.style) for span in drawn.spans)


def test_importing_the_picture_does_not_import_rich() -> None:
    code = "import gatewise.picture.text, sys; sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    count = draw(st.integers(min_value=0, max_value=25))
    nodes, edges = [], []
    for number in range(count):
        reads = draw(st.lists(st.integers(0, number - 1), max_size=3)) if number else []
        nodes.append(SceneNode(number, "gate" if reads else "input", f"n{number}"))
        edges += [SceneEdge(source, number, slot) for slot, source in enumerate(reads)]
    return Scene(tuple(nodes), tuple(edges), count)


@given(scenes())
def test_every_node_is_shown_within_any_width(scene: Scene) -> None:
    shown = text.plain(scene, width=10_000)
    assert all(node.label in shown for node in scene.nodes)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_drawing_stays_within_its_width(build, width: int) -> None:
    steps = [build.gate(index, "exp", "exp", [index - 1], 1.0, 1.0) for index in range(1, 9)]
    drawn = text.plain(scene_of(build.circuit(build.leaf(0, "x", 1.0, 1.0), *steps)), width)
    assert all(len(line) <= width for line in drawn.splitlines())
