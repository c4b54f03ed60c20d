"""The local page in a real browser, against the real server."""

from __future__ import annotations

import json
import time

import pytest

from gatewise.errors import InputError
from gatewise.serving.server import serving
from gatewise.workbench.application import functions_of, routes
from gatewise.workbench.gallery import EXAMPLES
from gatewise.workbench.worker import Worker


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("owner") / "own.py"
    path.write_text("import numpy as np\n\ndef loss(w, x=2.0):\n    return (np.tanh(w * x) - 0.5) ** 2\n")
    known = functions_of({"own.py:loss": (path, "loss")})
    worker = Worker(known)
    with serving(lambda: routes(worker, known)) as made:
        yield made
    worker.close()


@pytest.fixture
def page(browser, address):
    context = browser.new_context(viewport={"width": 1300, "height": 800})
    problems = []
    opened = context.new_page()
    opened.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("dialog", lambda dialog: problems.append(dialog.message))
    opened.goto(address)
    until(opened, lambda state: state["source"])
    yield opened
    context.close()
    assert problems == []


def state_of(page):
    return page.evaluate("workbench.state()")


def until(page, holds):
    deadline = time.monotonic() + 30
    while not holds(state_of(page)):
        assert time.monotonic() < deadline, state_of(page)
        time.sleep(0.03)


def answered(page):
    deadline = time.monotonic() + 30
    while page.locator(".state").inner_text():
        assert time.monotonic() < deadline
        time.sleep(0.03)


def result_of(state):
    return list(state["values"].values())[-1]


def test_an_expression_becomes_a_circuit_as_it_is_typed(page):
    page.locator("input.expression").fill("a * b + 1")
    until(page, lambda state: state["source"].get("expression") == "a * b + 1")
    page.locator("input[name=a]").fill("3")
    page.locator("input[name=a]").press("Enter")
    page.locator("input[name=b]").fill("-4")
    page.locator("input[name=b]").press("Enter")
    until(page, lambda state: state["gradients"].get("0") == -4.0)
    assert result_of(state_of(page)) == -11.0


def test_a_mistake_is_said_where_it_is_and_the_circuit_stays(page):
    before = state_of(page)["values"]
    page.locator("input.expression").fill("exq(a)")
    until(page, lambda state: state["trouble"])
    assert "did you mean exp?" in state_of(page)["trouble"]
    assert state_of(page)["values"] == before


def test_sliders_ask_what_if(page):
    until(page, lambda state: state["source"].get("function") == "own.py:loss")  # the owner's, shown first
    slider = page.locator("input.slide[aria-label='w, slider']")
    slider.focus()
    slider.press("ArrowRight")
    until(page, lambda state: state["edits"])
    until(page, lambda state: state["values"]["0"] == state["edits"][0]["value"])
    assert state_of(page)["values"]["1"] == pytest.approx(2 * state_of(page)["values"]["0"])


def test_an_edit_of_the_circuit_that_is_being_left_is_dropped(page):
    example = page.locator("button.pick", has_text="(x + y) z")
    example.click()
    until(page, lambda state: state["source"].get("key") == "example notes")
    before = state_of(page)["values"]
    for order in ("button.click(); edit();", "edit(); button.click();"):
        example.evaluate(f"button => {{ const edit = () => workbench.viewer().set(0, 9); {order} }}")
        answered(page)
        page.wait_for_timeout(300)  # an answer that comes late
        answered(page)
        assert state_of(page)["edits"] == []
        assert state_of(page)["values"] == before


def test_what_is_being_typed_goes_on_when_an_answer_comes(page):
    page.locator("input.expression").fill("a * b + 1")
    until(page, lambda state: state["source"].get("expression") == "a * b + 1")
    field = page.locator("input[name=b]")
    field.press("ControlOrMeta+a")
    field.press_sequentially("-4")
    page.locator("input[name=a]").evaluate("field => { field.value = '3'; field.dispatchEvent(new Event('change')); }")
    until(page, lambda state: state["source"]["values"]["a"] == "3")
    assert field.input_value() == "-4"
    field.press("Enter")
    until(page, lambda state: result_of(state) == -11.0)


def test_the_whole_gallery_opens_with_its_explanation(page):
    for example in EXAMPLES:
        page.locator("button.pick", has_text=example.title["en"]).last.click()
        until(page, lambda state, name=example.name: state["source"].get("key") == f"example {name}")
        assert page.locator(".explanation").inner_text() == example.explanation["en"]
        assert state_of(page)["trouble"] == ""
        assert page.locator("main svg .node").count() > 2


def test_a_gate_is_swapped_and_a_wire_cut_by_the_program(page):
    page.locator("button.pick", has_text="(x + y) z").click()
    until(page, lambda state: state["source"].get("key") == "example notes")
    page.locator("[data-node='3']").click()
    page.locator("select.swap").select_option("multiply")
    until(page, lambda state: state["values"]["3"] == -10.0)
    page.locator(".edits button", has_text="reset").click()
    until(page, lambda state: state["values"]["3"] == 3.0)


def test_chinese(page):
    page.locator("button.language").click()
    until(page, lambda state: state["source"])
    assert "从这些电路开始" in page.locator("nav").inner_text()
    page.locator("button.pick", has_text="sigmoid 神经元").click()
    until(page, lambda state: state["source"].get("key") == "example neuron")
    assert page.locator(".explanation").inner_text() == EXAMPLES[1].explanation["zh"]


def test_two_pages_and_one_that_goes_away(page, browser, address):
    context = browser.new_context()
    other = context.new_page()
    other.goto(address)
    until(other, lambda state: state["source"])
    other.locator("input.expression").fill("sum([1, 2, 3] * x)")
    context.close()
    page.locator("input.expression").fill("x * 7")
    until(page, lambda state: state["source"].get("expression") == "x * 7")
    assert result_of(state_of(page)) == 7.0


def test_the_address_without_its_token_shows_nothing(browser, address):
    context = browser.new_context()
    opened = context.new_page()
    answer = opened.goto(address.partition("?")[0])
    assert answer.status == 403
    assert "token" in opened.locator("body").inner_text()
    context.close()


def test_another_site_in_the_same_browser_gets_nothing(page, address, tmp_path):
    """A file's page has a foreign origin, and the browser would send it the cookie's name at most."""
    origin = address.partition("/?")[0]
    foreign = tmp_path / "foreign.html"
    foreign.write_text(
        f"""<!DOCTYPE html><script>globalThis.seen = [];
        const answer = fetch("{origin}/gallery", {{credentials: "include"}}).then((a) => a.text());
        answer.then((t) => seen.push(t), () => seen.push("refused"));
        const socket = new WebSocket("{origin.replace("http", "ws")}/circuit");
        socket.onopen = () => seen.push("open"); socket.onclose = () => seen.push("closed");</script>"""
    )
    context = page.context
    other = context.new_page()
    other.goto(foreign.as_uri())
    deadline = time.monotonic() + 20
    while len(other.evaluate("seen")) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sorted(other.evaluate("seen")) == ["closed", "refused"]
    other.close()


def test_a_port_in_use_is_said(address):
    port = int(address.partition("/?")[0].rpartition(":")[2])
    with pytest.raises(InputError, match=f"port {port} cannot be used"), serving(list, port):
        pass


def test_everything_of_the_gallery_can_be_told():
    for example in EXAMPLES:
        assert set(example.title) == set(example.explanation) == {"en", "zh"}
        assert bool(example.expression) != (example.function is not None)
        json.dumps(dict(example.values))
