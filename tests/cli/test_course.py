"""The circuits of the course, typed as a student types them: every value and gradient of the notes is printed."""

from __future__ import annotations

import json
import re

import pytest

SIGMOID = "1 / (1 + exp(-(w0*x0 + w1*x1 + w2)))"
NEURON = ("w0=2", "w1=-3", "w2=-3", "x0=-1", "x1=-2")


def gate_values(out: str) -> dict[str, tuple[str, str]]:
    """Of every gate's line: expression -> (value, upstream gradient)."""
    heads = re.findall(r"^  (\S.*?)  +[a-z_]+ +(\S+)   upstream (\S+)", out, re.MULTILINE)
    return {expression: (value, upstream) for expression, value, upstream in heads}


def gradients(out: str) -> dict[str, str]:
    """Of every input: the gradient in the reading."""
    moved = re.findall(r"(?:raise|lower) (\w+) by \S+ \(gradient (\S+): each unit", out)
    still = re.findall(r"Moving (\w+) does nothing to f here", out)
    return dict(moved) | dict.fromkeys(still, "0")


def test_the_first_circuit(show):
    out = show("(x+y)*z", "x=-2", "y=5", "z=-4")
    assert gate_values(out) == {"(x+y)*z": ("-12.00", "1.00"), "x+y": ("3.00", "-4.00")}
    assert gradients(out) == {"x": "-4", "y": "-4", "z": "3"}
    assert "f = -12\n" in out
    assert "To raise f by 0.12, lower x by 0.03 (gradient -4: each unit of x moves f by -4).\n" in out
    assert "To raise f by 0.12, raise z by 0.04 (gradient 3: each unit of z moves f by 3).\n" in out


def test_upstream_times_local_stands_on_every_wire(show):
    out = show("q = x + y; f = q * z", "x=-2", "y=5", "z=-4")
    assert out[out.index("  f = q * z") :].startswith(
        "  f = q * z  multiply  -12.00   upstream 1.00\n"
        "      q  1.00 × -4.00 = -4.00\n"
        "      z  1.00 ×  3.00 =  3.00\n"
        "      swaps: each input receives the upstream gradient times the other input\n"
        "\n"
        "  q = x + y  add         3.00   upstream -4.00\n"
        "      x  -4.00 × 1.00 = -4.00\n"
        "      y  -4.00 × 1.00 = -4.00\n"
        "      distributes: every input receives the upstream gradient unchanged\n"
    )


def test_the_drawing_comes_first(show):
    drawing = show("(x+y)*z", "x=-2", "y=5", "z=-4").partition("Every gate")[0]
    assert [part in drawing for part in ("(+)", "(*)", "-12.00", "-4.00", "x ─")] == [True] * 5


def test_product(show):
    out = show("f = x * y", "x=4", "y=-3")
    assert gate_values(out) == {"f = x * y": ("-12.00", "1.00")}
    assert gradients(out) == {"x": "-3", "y": "4"}


def test_max(show):
    out = show("max(x, y)", "x=4", "y=2")
    assert gate_values(out) == {"max(x, y)": ("4.00", "1.00")}
    assert gradients(out) == {"x": "1", "y": "0"}
    assert "routes: the larger input receives all of the upstream gradient" in out


def test_the_circuit_of_the_patterns(show):
    out = show("2 * (x*y + max(z, w))", "x=3", "y=-4", "z=2", "w=-1")
    assert gate_values(out) == {
        "2 * (x*y + max(z, w))": ("-20.00", "1.00"),
        "x*y + max(z, w)": ("-10.00", "2.00"),
        "x*y": ("-12.00", "2.00"),
        "max(z, w)": ("2.00", "2.00"),
    }
    assert gradients(out) == {"x": "-8", "y": "6", "z": "2", "w": "0"}
    assert all(f"      {word}: " in out for word in ("distributes", "routes", "swaps"))


def test_the_neuron(show):
    out = show(SIGMOID, *NEURON, "--digits", 6)
    assert gradients(out) == {
        "w0": "-0.196612", "w1": "-0.393224", "w2": "0.196612", "x0": "0.393224", "x1": "-0.589836",
    }  # fmt: skip
    assert gate_values(out) == {
        SIGMOID: ("0.731059", "1"),
        "1 + exp(-(w0*x0 + w1*x1 + w2))": ("1.36788", "-0.534447"),
        "exp(-(w0*x0 + w1*x1 + w2))": ("0.367879", "-0.534447"),
        "-(w0*x0 + w1*x1 + w2)": ("-1", "-0.196612"),
        "w0*x0 + w1*x1 + w2": ("1", "0.196612"),
        "w0*x0 + w1*x1": ("4", "0.196612"),
        "w0*x0": ("-2", "0.196612"),
        "w1*x1": ("6", "0.196612"),
    }
    assert ("1.367879", "-0.5344466") in gate_values(show(SIGMOID, *NEURON, "--digits", 7)).values()


@pytest.mark.parametrize("name", ["sigmoid", "sigma", "σ"])
def test_the_neuron_with_one_gate(show, name):
    out = show(f"f = {name}(w0*x0 + w1*x1 + w2)", *NEURON, "--digits", 6)
    assert f"  f = {name}(w0*x0 + w1*x1 + w2)  sigmoid   0.731059   upstream 1\n" in out
    assert "w0*x0 + w1*x1 + w2  1 × 0.196612 = 0.196612\n" in out
    assert gradients(out)["x1"] == "-0.589836"


def test_gradients_add_up_at_forks(show):
    expression = "(x + σ(y)) / (σ(x) + (x + y)**2)"
    out = show(expression, "x=3", "y=-4", "--digits", 11)
    assert gate_values(out)[expression] == ("1.5456448841", "1")
    assert gradients(out) == {"x": "2.0595697956", "y": "1.5922327515"}
    assert "gradients add up: x receives 1.5831868945 + -0.035761547813 + 0.51214444884 = 2.0595697956\n" in out
    compact = show(expression, "x=3", "y=-4")
    assert "gradients add up: x receives 1.58 + -0.036 + 0.51 = 2.06\n" in compact


def test_matrix_product(show, tmp_path):
    import numpy as np

    rng = np.random.default_rng(0)
    W, X, dD = rng.normal(size=(5, 10)), rng.normal(size=(10, 3)), rng.normal(size=(5, 3))
    for name, array in (("W", W), ("X", X), ("dD", dD)):
        np.save(f"{name}.npy", array)
    out = show("D = W @ X", "W=@W.npy", "X=@X.npy", "--upstream", "@dD.npy", "--digits", 12, "--save", "c.json")
    for name, expected in (("W", dD @ X.T), ("X", W.T @ dD)):
        assert f"norm {np.linalg.norm(expected):.12g}\n" in out
        place = np.unravel_index(np.argmax(abs(expected)), expected.shape)
        assert f"{name}[{place[0]}, {place[1]}] by " in out
        assert f"(gradient {expected[place]:.12g}, the largest of {expected.size}: " in out
    rows = json.loads((tmp_path / "c.json").read_text())["nodes"]
    (W_row,) = [row for row in rows if row.get("name") == "W"]
    assert W_row["gradient"]["statistics"][1] == pytest.approx((dD @ X.T).max(), rel=1e-5)


def test_an_array_result_is_summed(show):
    out = show("D = W @ X", f"W={[[0.5] * 10] * 5}", f"X={[[1.0] * 3] * 10}")
    assert "the result has shape (5, 3): gradients shown are those of the sum of its entries" in out
    assert "upstream gradient of ones" in out
    assert "the sum of D = 75\n" in out
    assert "To raise the sum of D by 0.75, raise W[0, 0] by 0.25 (gradient 3, the largest of 50: " in out


def test_scale_of_the_data_is_the_scale_of_the_weight_gradient(show):
    small, large = (show("sum(w * x)", "w=[1,1]", f"x=[{x},0]", "--digits", 4) for x in (3, 3000))
    assert "raise w[0] by 0.01 (gradient 3, " in small
    assert "raise w[0] by 0.01 (gradient 3000, " in large
