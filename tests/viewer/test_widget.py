"""The notebook's widget: its messages in Python, and its module in a browser with a model as front ends have it."""

from __future__ import annotations

import json

import numpy as np
import pytest

import gatewise as gw
from gatewise.picture.scene import scene_of
from gatewise.picture.viewer import module, style
from gatewise.widget import RENDER, answer

X = np.array([[0.5, -1.0], [2.0, 0.25]])


def f(x):
    return np.sum(np.tanh(x) * 2.0)


PAGE = """<!DOCTYPE html><meta charset="utf-8"><style>%s</style><p>a cell</p><div id="cell"></div>
<script type="module">%s
const sent = [];
let hear;
const state = %s;
const model = {
  get: (name) => state[name], send: (message) => sent.push(message), on: (kind, listener) => { hear = listener; },
};
widget.render({ model, el: document.getElementById("cell") });
const deliver = (message) => hear(message);
Object.assign(globalThis, { sent, deliver, gatewise: document.getElementById("cell").gatewise });
</script>"""


def page_of(circuit):
    scene = scene_of(circuit, editable=True)
    state = {"scene": scene.to_json(), "palette": "default", "language": "en"}
    script = module() + RENDER.replace("export default", "const widget =")
    return PAGE % (style(), script, json.dumps(state).replace("<", "\\u003c"))


def answered(page, circuit):
    """Hand the last message to Python, and its answer back."""
    message = page.evaluate("sent.at(-1)")
    page.evaluate("message => deliver(message)", answer(circuit, message))
    return message


def test_edits_of_arrays_are_computed_by_python(open_page):
    circuit = gw.trace(f, X)
    page = open_page(page_of(circuit))
    page.locator("[data-node='0']").click()
    page.locator("input.set-index").fill("1, 0")
    page.locator("input.set-entry").fill("-3")
    page.keyboard.press("Enter")
    message = answered(page, circuit)
    assert message["edits"] == [{"kind": "set", "node": 0, "value": -3, "index": [1, 0]}]
    changed = X.copy()
    changed[1, 0] = -3
    assert page.evaluate("gatewise.state().values")["3"] == pytest.approx(float(f(changed)))
    assert page.evaluate("gatewise.state().chosen") == 0
    page.locator("[data-node='1']").click()
    page.locator("select.swap").select_option("sin")
    answered(page, circuit)
    assert page.evaluate("gatewise.state().values")["3"] == pytest.approx(float(np.sum(np.sin(changed) * 2)))
    page.locator(".edits button", has_text="reset").click()
    answered(page, circuit)
    assert page.evaluate("gatewise.state().values")["3"] == pytest.approx(float(f(X)))
    assert page.locator(".edits").inner_text() == ""


def test_what_python_refuses_is_said_and_changes_nothing(open_page):
    circuit = gw.trace(f, X)
    page = open_page(page_of(circuit))
    page.locator("[data-node='0']").click()
    page.locator("input.set-index").fill("7, 7")
    page.locator("input.set-entry").fill("1")
    page.keyboard.press("Enter")
    answered(page, circuit)
    assert "has no entry [7, 7]" in page.locator(".reason").inner_text()
    assert page.evaluate("gatewise.state().values")["3"] == pytest.approx(float(f(X)))
    assert page.evaluate("gatewise.state().edits") == []


def test_keys_are_heard_inside_the_widget_alone(open_page):
    page = open_page(page_of(gw.trace(f, X)))
    page.evaluate("gatewise.go(0)")
    page.locator("p").first.click()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("gatewise.state().position") == 0
    page.locator("[data-node='0']").click()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("gatewise.state().position") == 1


def test_an_answer_to_what_was_asked_before_is_dropped(open_page):
    circuit = gw.trace(lambda x, y: x * y, 2.0, 3.0)
    page = open_page(page_of(circuit))
    page.locator("[data-node='0']").click()
    for value in ("5", "7"):
        page.locator("input.set").fill(value)
        page.keyboard.press("Enter")
    first, second = page.evaluate("sent")
    page.evaluate("message => deliver(message)", answer(circuit, second))
    page.evaluate("message => deliver(message)", answer(circuit, first))
    assert page.evaluate("gatewise.state().values")["2"] == 21.0


def test_the_widget_in_python():
    pytest.importorskip("anywidget")
    circuit = gw.trace(f, X)
    widget = circuit.widget(language="zh")
    sent = []
    widget.send = lambda message, *_: sent.append(message)
    edits = [{"kind": "hold", "target": 1, "slot": 0}]
    widget._handle_custom_msg({"type": "edit", "number": 4, "edits": edits}, [])
    widget._handle_custom_msg({"type": "something else"}, [])
    (message,) = sent
    assert (message["type"], message["number"]) == ("scene", 4)
    made = widget._repr_mimebundle_()
    bundle = made[0] if isinstance(made, tuple) else made
    assert bundle["text/html"].startswith("<iframe srcdoc=")
    assert "application/vnd.jupyter.widget-view+json" in bundle
    widget.close()
    with pytest.raises(gw.InputError, match="the widget speaks en and zh"):
        circuit.widget(language="fr")


@pytest.mark.parametrize("edits", ["all", None, [3], [{"kind": "set"}], {"kind": "set"}])
def test_messages_that_make_no_sense_are_answered_with_an_error(edits):
    said = answer(gw.trace(f, X), {"type": "edit", "number": 1, "edits": edits})
    assert (said["type"], said["number"]) == ("error", 1)
