"""`trace` and `Circuit`: what a recorded run knows of each wire, and how it is looked at and saved."""

# ruff: noqa: RET504  (the names that results are given are what is tested)
from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import gatewise as gw

X = np.array([0.5, -1.0, 2.0])


def notes(x, y, z):
    q = x + y
    f = q * z
    return f


@pytest.fixture
def circuit():
    return gw.trace(notes, -2.0, 5.0, -4.0)


def test_entries_come_in_order_with_everything_about_the_wire(circuit):
    assert [(e.index, e.name, e.gate.name, float(e.value), float(e.gradient)) for e in circuit] == [
        (0, "x", "input", -2.0, -4.0),
        (1, "y", "input", 5.0, -4.0),
        (2, "z", "input", -4.0, 3.0),
        (3, "q", "add", 3.0, -4.0),
        (4, "f", "multiply", -12.0, 1.0),
    ]
    multiply = circuit["f"]
    assert (multiply.operands, multiply.constants, multiply.operand_names) == ((3, 2), (None, None), ("x", "y"))
    assert (multiply.parts, multiply.local) == ((-4.0, 3.0), (-4.0, 3.0))
    assert (multiply.shape, multiply.dtype) == ((), np.float64)
    assert multiply.where.text == "f = q * z"
    assert circuit["x"].where is None or circuit["x"].where.file == __file__
    assert circuit.outputs == (4,)
    assert [e.name for e in circuit.inputs] == ["x", "y", "z"]
    assert [e.is_input for e in circuit] == [True, True, True, False, False]
    assert len(circuit) == 5
    assert repr(multiply) == "<4: f = multiply float64[]>"


def test_lookup_by_number_and_by_the_last_of_a_name(circuit):
    def f(x):
        y = x * 2.0
        y = y + 1.0
        return y

    assert circuit[3] is circuit["q"]
    assert circuit[-1] is circuit["f"]
    assert gw.trace(f, 1.0)["y"].gate.name == "add"
    with pytest.raises(gw.InputError, match="no wire of the circuit is called 'w'; there are x, y, z, q, f"):
        circuit["w"]
    with pytest.raises(IndexError):
        circuit[5]


def test_constants_stand_with_the_gate():
    entry = gw.trace(lambda x: 2.0 - x, 5.0)[1]
    assert entry.operands == (None, 0)
    assert entry.constants == (2.0, None)
    assert entry.parts == (None, -1.0)


def test_arguments_that_do_not_matter_and_integers_are_entries_without_gradients():
    circuit = gw.trace(lambda x, unused, times: x * times, 3.0, 4.0, 2)
    assert {e.name: e.gradient for e in circuit.inputs} == {"x": 2.0, "unused": 0.0, "times": None}


def test_values_of_gates_that_keep_nothing_are_there():
    circuit = gw.trace(lambda x: np.sum((x + 1.0) * 2.0), X)
    np.testing.assert_array_equal(circuit[1].value, X + 1)
    np.testing.assert_array_equal(circuit[2].value, (X + 1) * 2)
    np.testing.assert_array_equal(circuit[2].gradient, np.ones(3))


# --------------------------------------------------------------------------------------------- gradients when asked for


def test_several_entries_have_gradients_only_with_an_upstream_gradient():
    f = lambda x: x * x  # noqa: E731
    assert all(entry.gradient is None for entry in gw.trace(f, X))
    circuit = gw.trace(f, X, upstream=np.array([1.0, 0.0, 2.0]))
    np.testing.assert_array_equal(circuit["x"].gradient, 2 * X * [1, 0, 2])
    np.testing.assert_array_equal(circuit[1].gradient, [1, 0, 2])


def test_an_upstream_gradient_for_a_number_scales():
    assert gw.trace(notes, -2.0, 5.0, -4.0, upstream=10.0)["x"].gradient == -40.0


def test_several_results_take_a_structure_of_upstream_gradients():
    f = lambda x: {"a": x * 2.0, "b": np.sum(x)}  # noqa: E731
    assert gw.trace(f, X).outputs == (1, 2)
    circuit = gw.trace(f, X, upstream={"a": np.ones(3), "b": 10.0})
    np.testing.assert_array_equal(circuit["x"].gradient, [12.0, 12.0, 12.0])


@pytest.mark.parametrize("upstream", [1.0, np.ones(2), [np.ones(3)] * 2])
def test_an_upstream_gradient_that_does_not_fit_is_a_shape_error(upstream):
    with pytest.raises(gw.ShapeError, match=r"upstream gradient has shape .*, the value has shape \(3,\)") as caught:
        gw.trace(lambda x: x * 2, X, upstream=upstream)
    assert __file__ in str(caught.value)


def test_a_zero_stays_zero_on_wires_of_which_no_input_is_told():
    """The undefined gradient is behind a `where` of its own, so that every input's gradient is finite without care."""

    def f(x):
        inner = np.where(x > 0, np.log(x), 0.0)
        return np.where(x > 5, inner * x, x * 2.0)

    with np.errstate(all="ignore"):
        circuit = gw.trace(f, 0.0)
    assert circuit["x"].gradient == 2.0
    assert {entry.gate.name: entry.parts for entry in circuit if entry.gate.name == "log"} == {"log": (0.0,)}
    assert all(np.isfinite(part) for entry in circuit for part in entry.parts if part is not None)


def test_gradients_of_a_recording_are_those_of_the_transform():
    def f(x, y):
        return np.sum(np.tanh(x @ y) / (1.0 + x[0] ** 2)[:1])

    x, y = np.outer(X, X), np.outer(X, -X)
    circuit = gw.trace(f, x, y)
    for entry, gradient in zip(circuit.inputs, gw.grad(f, argnums=(0, 1))(x, y), strict=True):
        np.testing.assert_array_equal(entry.gradient, gradient)


def test_a_yes_or_no_result_has_no_gradients():
    assert [entry.gradient for entry in gw.trace(lambda x: x > 1, 3.0)] == [None, None]


def test_a_result_that_was_not_computed_from_the_arguments_is_refused():
    with pytest.raises(gw.DTypeError, match="returned nothing that was computed from its arguments"):
        gw.trace(lambda x: 3.0, 1.0)


def test_what_is_no_number_is_refused_by_its_name():
    with pytest.raises(gw.DTypeError, match=r"argument mode: .*str"):
        gw.trace(lambda x, mode: x, 1.0, "train")


def test_a_trace_is_not_changed_by_writing_into_the_argument_later():
    x = X.copy()
    circuit = gw.trace(lambda x: np.sum(x * x), x)
    x[:] = 0
    np.testing.assert_array_equal(circuit["x"].value, X)
    np.testing.assert_array_equal(circuit["x"].gradient, 2 * X)


def test_the_users_arguments_are_left_alone():
    x = X.copy()

    def f(x):
        x *= 2.0
        x[0] = 0.0
        return np.sum(x)

    circuit = gw.trace(f, x)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(circuit.inputs[0].value, X)


# ------------------------------------------------------------------------------------------------------ names of inputs


@dataclass
class Layer:
    W: Any
    b: Any


def test_wires_of_structures_are_named_as_python_spells_them():
    def f(params, layers, *rest):
        return np.sum(params["W"]) + layers[0].b + rest[1]

    circuit = gw.trace(f, {"W": X, "b": [1.0, 2.0]}, [Layer(X, 3.0)], 4.0, 5.0)
    names = ["params['W']", "params['b'][0]", "params['b'][1]", "layers[0].W", "layers[0].b", "rest[0]", "rest[1]"]
    assert [entry.name for entry in circuit.inputs] == names
    np.testing.assert_array_equal(circuit["params['W']"].gradient, np.ones(3))
    assert circuit["layers[0].b"].gradient == 1.0


def test_numpy_functions_can_be_traced():
    circuit = gw.trace(np.exp, 1.0)
    assert [entry.gate.name for entry in circuit] == ["input", "exp"]


def test_the_imperative_way():
    x = gw.variable(-2.0, name="x")
    y = gw.variable(5.0)
    q = x + y
    f = q * q
    circuit = gw.trace(f)
    assert [entry.name for entry in circuit] == ["x", "y", "q", "f"]
    assert circuit["x"].gradient == circuit["y"].gradient == 6.0
    assert x.grad is None, "looking changes nothing"


def test_a_gradient_can_be_traced_too():
    circuit = gw.trace(gw.grad(lambda x: np.sin(x) * x), 0.7)
    assert circuit[circuit.outputs[0]].value == pytest.approx(np.cos(0.7) * 0.7 + np.sin(0.7), rel=1e-15)
    assert circuit["x"].gradient == pytest.approx(2 * np.cos(0.7) - np.sin(0.7) * 0.7, rel=1e-14)


def test_a_trace_inside_a_gradient_looks_at_values():
    seen = []

    def f(x):
        seen.append(gw.trace(lambda y: y * y, x)["y"].gradient)
        return x * 3.0

    assert gw.grad(f)(5.0) == 3.0
    assert seen == [10.0]


# -------------------------------------------------------------------------------------------------- looked at and saved


def test_it_prints_values_and_gradients(circuit):
    for text in (repr(circuit), circuit.text(), circuit.text(width=30)):
        assert all(number in text for number in ("-12", "-4", "3"))


def test_the_drawing_is_well_formed_and_holds_the_numbers(circuit):
    for palette in ("default", "colour-blind"):
        root = ElementTree.fromstring(circuit.svg(palette))
        assert root.tag.endswith("svg")
        assert "-12" in "".join(root.itertext())


def test_the_page_needs_no_network(circuit):
    page = circuit.html("the first <circuit>")
    assert "the first &lt;circuit&gt;" in page
    assert 'src="http' not in page
    assert "https://" not in page.replace("http://www.w3.org", "")


def test_the_json_is_json(circuit):
    json.loads(circuit.json())


@pytest.mark.parametrize("ending", [".html", ".svg", ".json", ".txt", ".HTML"])
def test_it_is_saved_by_its_ending(circuit, tmp_path, ending):
    path = circuit.save(tmp_path / f"circuit{ending}")
    makers = {
        ".html": lambda: circuit.html("circuit"),
        ".svg": circuit.svg,
        ".json": circuit.json,
        ".txt": circuit.text,
    }
    assert path.read_text(encoding="utf-8") == makers[ending.lower()]()
    assert [file.name for file in tmp_path.iterdir()] == [f"circuit{ending}"]


def test_a_path_may_be_a_string_and_the_file_is_replaced(circuit, tmp_path):
    path = tmp_path / "circuit.txt"
    path.write_text("old")
    assert circuit.save(str(path)) == path
    assert "-12" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["circuit.png", "circuit", "circuit.svg.gz", ".svg"])
def test_another_ending_is_refused_and_leaves_nothing(circuit, tmp_path, name):
    with pytest.raises(gw.InputError, match=r"saved as \.html, \.svg, \.json or \.txt; got ending"):
        circuit.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist_is_an_input_error(circuit, tmp_path):
    with pytest.raises(gw.InputError, match="cannot be written: No such file or directory"):
        circuit.save(tmp_path / "nowhere" / "circuit.svg")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_taken_by_a_folder_leaves_nothing_behind(circuit, tmp_path):
    (tmp_path / "circuit.svg").mkdir()
    with pytest.raises(gw.InputError, match="cannot be written"):
        circuit.save(tmp_path / "circuit.svg")
    assert [file.name for file in tmp_path.iterdir()] == ["circuit.svg"]
    assert list((tmp_path / "circuit.svg").iterdir()) == []


def test_a_notebook_gets_all_forms(circuit):
    bundle = circuit._repr_mimebundle_()
    assert set(bundle) == {"text/html", "image/svg+xml", "text/plain"}
    assert bundle["text/plain"] == circuit.text()
    assert bundle["image/svg+xml"] == circuit.svg()
    assert bundle["text/html"].startswith("<iframe srcdoc=")
    assert 'sandbox="allow-scripts"' in bundle["text/html"]
    assert "<script" not in bundle["text/html"]


def test_show_prints_the_circuit(capsys):
    gw.show(notes, -2.0, 5.0, -4.0)
    assert "-12" in capsys.readouterr().out


@pytest.mark.parametrize(
    "f",
    [lambda x: x, lambda x: x[:0], lambda x: np.exp(x * 1e308), lambda x: x * np.nan, lambda x: x > 0],
    ids=["identity", "empty", "infinite", "nan", "booleans"],
)
def test_odd_circuits_can_be_looked_at(f):
    with np.errstate(all="ignore"):
        circuit = gw.trace(f, X)
    assert circuit.text()
    ElementTree.fromstring(circuit.svg())
    json.loads(circuit.json(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert circuit.html()


def test_what_a_recording_does_not_need_is_freed_at_once():
    """Neither the frames of the user's calls nor values that lead nowhere outlive the run."""
    import gc
    import weakref

    class Thing:
        pass

    kept = []

    def inner(x):
        thing = Thing()
        kept.append(weakref.ref(thing))
        unused = np.exp(x) * 2.0
        kept.append(weakref.ref(unused.value))
        return np.sin(x)

    gc.disable()
    try:
        circuit = gw.trace(lambda x: np.sum(inner(x) + inner(x * 2.0)), X)
        assert [reference() for reference in kept] == [None] * 4
        assert len(circuit) == 6
    finally:
        gc.enable()
