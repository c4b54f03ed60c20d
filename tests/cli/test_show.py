"""What ``gatewise show`` prints beyond the course's circuits, what it saves, and how it words what went wrong."""

from __future__ import annotations

import io
import json
import re
import sys

import numpy as np
import pytest

from gatewise.picture.scene import Scene


@pytest.mark.parametrize(("ending", "beginning"), [("html", "<!doctype html"), ("svg", "<svg"), ("json", "{")])
def test_saved_pictures(show, tmp_path, ending, beginning):
    out = show("(x+y)*z", "x=-2", "y=5", "z=-4", "--save", f"circuit.{ending}")
    assert out.endswith(f"\nsaved: circuit.{ending}\n")
    content = (tmp_path / f"circuit.{ending}").read_text(encoding="utf-8")
    assert content.lstrip().lower().startswith(beginning)
    if ending == "json":
        scene = Scene.from_json(content)
        assert {node.name: node.gradient.number for node in scene.nodes if node.name} == {"x": -4, "y": -4, "z": 3}
        assert json.loads(content)["total"] == 5


@pytest.mark.parametrize("place", ["circuit.pdf", "circuit", "nowhere/circuit.svg"])
def test_nothing_is_written_where_it_cannot_be_saved(refused, tmp_path, place):
    assert place in refused("x*y", "x=1", "y=2", "--save", place)
    assert list(tmp_path.iterdir()) == []


def test_no_file_is_written_for_bad_input(refused, tmp_path):
    refused("x*y", "x=1", "--save", "circuit.svg")
    refused("log(x, y, z)", "x=1", "--save", "circuit.svg")
    assert list(tmp_path.iterdir()) == []


def test_arrays_show_shape_and_norm_and_small_ones_their_entries(show):
    out = show("sum(x * y)", "x=[1,2,3]", "y=[0.5,-1,2]")
    assert "x  [1.00, 1.00, 1.00] × [0.50, -1.00, 2.00] = [0.50, -1.00, 2.00]\n" in out
    large = show("sum(x * y)", f"x={[1.0] * 16}", "y=2")
    assert "x  (16,), norm 4.00 × (16,), norm 8.00 = (16,), norm 8.00\n" in large
    assert re.search(r"y  .* = +16.00   summed over the copies that broadcasting made\n", large)


def test_nan_is_said_plainly(show):
    out = show("log(x) * y", "x=-1", "y=2")
    assert "f is nan here, so no move of the inputs can be read off." in out
    assert "The first nan comes out of the log gate, log(x), at x = -1.00." in out
    assert "The nan comes in with x." in show("x * y", "x=nan", "y=2")


def test_numpy_does_not_warn_beside_the_reading(show):
    assert "f is nan here" in show("mean(x)", "x=[]")
    assert "f is inf here" in show("exp(x) + 1/y", "x=1e4", "y=0")


def test_an_infinite_slope_is_said_plainly(show):
    assert "The gradient of x is inf: f has no finite slope here." in show("sqrt(x) + y", "x=0", "y=2")
    out = show("sum(sqrt(x))", "x=[0,1,4]")
    assert "The gradient of x is inf in 1 of 3 entries: f has no finite slope here." in out


def test_a_zero_upstream_gradient_stays_zero(show):
    out = show("where(x > 0, log(x), 0)", "x=0")
    assert "x  0.00 × inf = 0.00   a zero upstream gradient stays zero\n" in out
    assert "      x > 0   no gradient passes\n" in out
    assert "Moving x does nothing to f here: its gradient is 0." in out


def test_a_vanished_gradient_is_no_recipe(show):
    assert "Moving x does next to nothing to f here: its gradient is 1.92875e-22." in show("exp(x) + 1", "x=-50")


def test_a_value_of_zero_is_raised_by_a_hundredth(show):
    assert "To raise f by 0.01, raise x by 0.005 (gradient 2: " in show("x * y", "x=0", "y=2")


def test_a_name_alone_is_a_circuit_without_gates(show):
    out = show("x", "x=3")
    assert "Every gate" not in out
    assert "(gradient 1: each unit of x moves f by 1)" in out


def test_an_upstream_gradient_is_passed_on(show):
    out = show("x * y", "x=2", "y=3", "--upstream", -2)
    assert "The gradients shown are those of upstream × f.\n" in out
    assert "x  -2.00 × 3.00 = -6.00\n" in out
    assert "\nupstream × f = -12\n" in out
    assert "x  [1.00, 0.00] × [2.72, 7.39] = [2.72, 0.00]" in show("exp(x)", "x=[1,2]", "--upstream", "[1,0]")


def test_an_upstream_gradient_of_another_shape(refused):
    assert "the upstream gradient has shape (2,), the result f has shape (3,)" in refused(
        "exp(x)", "x=[1,2,3]", "--upstream", "[1,0]"
    )


def test_a_result_without_a_gradient(refused):
    assert "f consists of bool values, which have no gradient" in refused("x > 0", "x=1")
    assert "f does not depend on x" in refused("q = x; f = 3", "x=1")


def test_missing_values_come_with_the_command_that_works(refused, show):
    err = refused("(x+y)*z", "y=5")
    assert "x and z have no value. This would work:\n  gatewise show '(x+y)*z' y=5 x=1 z=1\n" in err
    show("(x+y)*z", "y=5", "x=1", "z=1")


def test_a_value_for_an_unknown_name(refused):
    assert "the expression has no variable weigth: did you mean weight?" in refused("weight*x", "weigth=1", "x=2")
    assert "the expression has no variable q: its variables are x, y" in refused("x*y", "q=1", "x=2", "y=3")


def test_misspelt_options_and_expressions_that_begin_with_a_minus(refused, show):
    assert "No such option '--sav'" in refused("x*y", "x=1", "y=2", "--sav", "a.html")
    assert "No such option '--sav'" in refused("--sav=a.html", "x*y", "x=1", "y=2")
    assert "f = -2\n" in show("-x*y", "x=1", "y=2")


def test_colours_on_request(gatewise, monkeypatch):
    arguments = ("show", "(x+y)*z", "x=-2", "y=5", "z=-4")
    plain = gatewise(*arguments).out
    assert "\x1b" not in plain
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = gatewise(*arguments).out
    assert "\x1b[32m-12.00\x1b[0m" in coloured
    assert "\x1b[31m-4.00\x1b[0m" in coloured


def test_a_terminal_that_is_not_unicode(gatewise, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", stream)
    assert gatewise("show", "x*y", "x=1", "y=2").status == 0
    stream.flush()
    assert b"x ???????" in stream.buffer.getvalue()


def test_a_large_circuit_is_cut_short(show, tmp_path):
    (tmp_path / "deep.py").write_text(
        "import numpy as np\n\n\ndef f(x):\n    for _ in range(300):\n        x = np.sin(x)\n    return x\n"
    )
    out = show("deep.py:f", "x=1")
    assert "... and 100 gates before these" in out
    assert len(out.splitlines()) < 1100


def test_help_has_examples(gatewise):
    status, out, _ = gatewise("show", "--help")
    assert status == 0
    assert 'gatewise show "(x+y)*z" x=-2 y=5 z=-4' in out
    assert "--save" in out


def test_a_large_array(show, tmp_path):
    np.save(tmp_path / "x.npy", np.ones((300, 200), dtype=np.float32))
    out = show("mean(x**2)", "x=@x.npy")
    assert "300×200, norm 244.95" in out
