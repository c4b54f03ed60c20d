"""The saved page as somebody uses it: stepping, breakpoints, panel, what if, keys, languages, and what must not run."""

from __future__ import annotations

import json
import re
import time

import numpy as np
import pytest

import gatewise as gw
from gatewise.editing import edited
from gatewise.formulas import alternatives_to
from gatewise.picture import html
from gatewise.picture.scene import Scene, scene_of


def notes(x, y, z):
    q = x + y
    f = q * z
    return f  # noqa: RET504  (the name is shown)


def neuron(w0, x0, w1, x1, w2):
    return 1 / (1 + np.exp(-(w0 * x0 + w1 * x1 + w2)))


def fork(x):
    return x * x + x


NEURON = (2.0, -1.0, -3.0, -2.0, -3.0)


def state(page):
    return page.evaluate("gatewise.state()")


def labels(page):
    """What the drawing shows: by node the visible value and gradient."""
    return page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll("[data-label]")].map((label) => [label.dataset.label,
        Object.fromEntries([...label.children].filter((half) => half.style.visibility !== "hidden")
        .map((half) => [half.dataset.kind, half.querySelector("text").textContent]))]))"""
    )


def until(holds):
    """Wait for it, from outside: the page's policy lets nothing be evaluated in it later."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def reason(page):
    return page.locator(".reason").inner_text()


def test_values_appear_from_the_left_then_gradients_from_the_right(open_page):
    page = open_page(gw.trace(notes, -2.0, 5.0, -4.0).html())
    assert labels(page)["3"] == {"value": "3.00", "gradient": "-4.00"}
    page.keyboard.press("Home")
    assert all(shown == {} for shown in labels(page).values())
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    assert {node: shown.get("value") for node, shown in labels(page).items()} == {
        "0": "-2.00", "1": "5.00", "2": "-4.00", "3": "3.00", "4": None}  # fmt: skip
    assert reason(page) == "q = add(-2, 5) = 3"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert labels(page)["4"] == {"value": "-12.00", "gradient": "← 1.00"}
    assert "gradient" not in labels(page)["3"]
    page.keyboard.press("ArrowRight")
    assert (labels(page)["3"]["gradient"], labels(page)["2"]["gradient"]) == ("-4.00", "3.00")
    assert reason(page) == "f ← q: 1 × -4 = -4 · z: 1 × 3 = 3"
    assert "gradient" not in labels(page)["0"]
    page.keyboard.press("ArrowLeft")
    assert "gradient" not in labels(page)["3"]
    page.keyboard.press("End")
    assert state(page)["position"] == state(page)["length"] == 8


def test_stepping_there_and_back_shows_the_same(open_page):
    page = open_page(gw.trace(neuron, *NEURON).html())
    page.evaluate("gatewise.go(0)")
    seen = []
    for position in range(state(page)["length"] + 1):
        page.evaluate(f"gatewise.go({position})")
        seen.append((labels(page), reason(page)))
    for position in reversed(range(len(seen))):
        page.evaluate(f"gatewise.go({position})")
        assert (labels(page), reason(page)) == seen[position]


def test_parts_are_shown_and_added_at_forks(open_page):
    page = open_page(gw.trace(fork, 3.0).html())
    page.evaluate("gatewise.go(5)")  # the sum gate has sent its part back, the product not yet
    assert labels(page)["0"]["gradient"] == "1.00 + …"
    page.keyboard.press("ArrowRight")
    assert labels(page)["0"]["gradient"] == "7.00"
    assert reason(page) == "multiply ← x: 1 × 3 = 3 · x: 1 × 3 = 3; x adds up: 3 + 3 + 1 = 7"


def test_the_playhead_is_dragged_and_played(open_page):
    page = open_page(gw.trace(notes, -2.0, 5.0, -4.0).html())
    page.locator(".slider").first.fill("4")
    assert state(page)["position"] == 4
    page.locator("button.play").click()
    until(lambda: state(page)["position"] > 4)
    page.locator("button.play").click()
    held = state(page)["position"]
    page.wait_for_timeout(900)
    assert state(page)["position"] == held


@pytest.mark.parametrize(
    ("stop", "position"),
    [("multiply", 5), ("q", 4), (f"line {notes.__code__.co_firstlineno + 1}", 4), ("norm > 11", 5)],
)
def test_it_runs_to_a_breakpoint(stop, position, open_page):
    page = open_page(gw.trace(notes, -2.0, 5.0, -4.0).html())
    page.keyboard.press("Home")
    page.locator("input.stop").fill(stop)
    page.locator("button.run").click()
    assert (state(page)["position"], state(page)["breakpoint"]) == (position, stop)
    page.keyboard.press("End")


def test_it_stops_where_a_gradient_is_not_finite(open_page):
    page = open_page(gw.trace(lambda x, y: np.sqrt(x * y), 0.0, 2.0).html())
    page.keyboard.press("Home")
    page.locator("input.stop").fill("not finite")
    page.locator("button.run").click()
    assert reason(page).startswith("sqrt ← ")
    assert "inf" in reason(page)
    page.locator("input.stop").fill("norm > many")
    page.locator("button.run").click()
    assert "nothing stops there" in reason(page)


def test_the_panel_tells_the_chain_rule_in_numbers(open_page):
    page = open_page(gw.trace(notes, -2.0, 5.0, -4.0).html())
    page.locator("[data-node='4']").click()
    told = page.locator("aside").inner_text()
    assert "f: multiply (*)" in told
    assert re.search(r"q 1 × -4 = -4", told)
    assert re.search(r"z 1 × 3 = 3", told)
    assert "swaps" in told
    assert "f = q * z" in told
    page.locator("[data-node='0']").click()
    assert "To raise the result by 0.1, lower x by 0.025." in page.locator("aside").inner_text()


def test_arrays_show_heat_map_histogram_and_statistics(open_page):
    X = np.random.default_rng(0).normal(size=(20, 30))
    page = open_page(gw.trace(lambda x: np.sum(np.tanh(x)), X).html())
    page.locator("[data-node='0']").click()
    told = page.locator("aside").inner_text()
    assert "20×30" in told
    assert f"{np.linalg.norm(X):.3f}"[:5] in told
    assert page.locator("aside canvas.heat").count() == 2
    assert page.locator("aside .histogram").first.locator("i").count() == 16
    assert "Edits need a program behind this page" in told


# ------------------------------------------------------------------------------------------------------------- what if


def compare(page, circuit):
    """The page's numbers are the library's."""
    shown = state(page)
    for entry in circuit:
        assert shown["values"][str(entry.index)] == pytest.approx(float(entry.value), rel=1e-12)
        if entry.gradient is not None:
            assert shown["gradients"][str(entry.index)] == pytest.approx(float(entry.gradient), rel=1e-12)


def test_an_input_is_edited_and_everything_follows(open_page):
    circuit = gw.trace(neuron, *NEURON)
    page = open_page(circuit.html())
    page.locator("[data-node='0']").click()
    page.locator("input.set").fill("0.5")
    page.keyboard.press("Enter")
    compare(page, gw.trace(neuron, 0.5, *NEURON[1:]))
    assert labels(page)["0"]["value"] == "0.50"
    assert "1 edit in force" in page.locator(".edits").inner_text()
    page.locator("input.set-slider").fill("-1")
    compare(page, gw.trace(neuron, -1.0, *NEURON[1:]))
    page.locator(".edits button", has_text="reset").click()
    compare(page, circuit)
    assert labels(page)["0"]["value"] == "2.00"


def test_a_wire_is_cut_held_and_restored(open_page):
    circuit = gw.trace(notes, -2.0, 5.0, -4.0)
    page = open_page(circuit.html())
    page.locator("[data-node='3']").click()
    for kind in ("cut", "hold"):
        page.locator("aside button", has_text=kind).nth(1).click()
        what_if = edited(circuit, [{"kind": kind, "target": 3, "slot": 1}])
        compare(page, what_if)
        page.locator("aside button", has_text="restore").click()
        compare(page, circuit)


def test_a_gate_is_swapped_and_undone(open_page):
    circuit = gw.trace(neuron, *NEURON)
    page = open_page(circuit.html())
    gate = next(entry for entry in circuit if entry.gate.name == "exp")
    page.locator(f"[data-node='{gate.index}']").click()
    for name in ("tanh", "relu", "sin"):
        page.locator("select.swap").select_option(name)
        compare(page, edited(circuit, [{"kind": "swap", "node": gate.index, "gate": name}]))
    page.locator(".edits button", has_text="undo").click()
    compare(page, circuit)


def test_the_page_computes_every_gate_as_the_library_does(open_page):
    """One circuit of all the gates that could stand in each other's place, at points where they are defined."""
    names = [gate.name for gate in alternatives_to("exp")]
    gates = {gate.name: gate for gate in alternatives_to("exp")}
    from gatewise.graph import apply

    def every(x, y):
        total = x + y
        for name in names:
            total = total + apply(gates[name], x if name != "acosh" else y)
        for gate in alternatives_to("add"):
            total = total + apply(gate, x, y)
        return total

    circuit = gw.trace(every, 0.4, 1.7)
    page = open_page(circuit.html())
    page.locator("[data-node='0']").click()
    page.locator("input.set").fill("0.25")
    page.keyboard.press("Enter")
    compare(page, gw.trace(every, 0.25, 1.7))


# ------------------------------------------------------------------------------------------------------- getting around


def on_screen(page, node=3):
    """Where the shape of a gate stands on the screen, without its outline."""
    return page.evaluate(
        """(node) => { const shape = document.querySelector(`[data-node='${node}'] rect`).getBoundingClientRect();
        const { x, y, width, height } = shape; return { x, y, width, height }; }""",
        node,
    )


def test_it_is_used_with_keys_alone(open_page):
    page = open_page(gw.trace(notes, -2.0, 5.0, -4.0).html())
    page.evaluate("document.querySelector('[data-node=\"4\"]').focus()")
    assert state(page)["chosen"] == 4
    before = on_screen(page)
    page.keyboard.press("+")
    assert on_screen(page)["width"] == pytest.approx(before["width"] / 0.8, rel=1e-3)
    page.keyboard.press("0")
    assert on_screen(page) == pytest.approx(before, abs=0.1)
    page.keyboard.press("/")
    page.keyboard.type("q")
    page.keyboard.press("Enter")
    assert state(page)["chosen"] == 3


def test_wheel_and_drag_move_the_view(open_page):
    page = open_page(gw.trace(notes, -2.0, 5.0, -4.0).html())
    before = on_screen(page)
    page.mouse.move(300, 300)
    page.mouse.wheel(0, -300)
    page.wait_for_function("width => gatewise.drawing().frame().scale > width", arg=1.01 * before["width"] / 40)
    zoomed = on_screen(page)
    page.mouse.down()
    page.mouse.move(400, 350, steps=4)
    page.mouse.up()
    assert on_screen(page) == pytest.approx(
        {"x": zoomed["x"] + 100, "y": zoomed["y"] + 50, "width": zoomed["width"], "height": zoomed["height"]}, abs=0.1
    )
    page.mouse.dblclick(100, 600)
    assert on_screen(page) == pytest.approx(before, abs=0.1)


MOVED = """([x, y, factor]) => { const drawing = gatewise.drawing();
    for (const [left, top, wide, high] of [drawing.box, drawing.box]) {
        drawing.look([left + x / 2, top + y / 2, wide, high]); drawing.zoom(factor); }
    return document.querySelector("svg.gatewise").style.transform !== ""; }"""
SETTLED = "() => document.querySelector('svg.gatewise').style.transform === ''"


@pytest.mark.parametrize("way", [(30, -20, 1), (-10, 5, 0.7), (0, 0, 1.15), (4000, 0, 1), (0, 0, 0.1)])
def test_what_is_drawn_stands_where_it_should_while_it_moves_and_at_rest(open_page, way):
    """A gate's middle on the screen against the view that is asked for, before and after all is drawn anew."""
    page = open_page(gw.trace(notes, -2.0, 5.0, -4.0).html())
    is_moved_as_a_picture = page.evaluate(MOVED, way)
    assert is_moved_as_a_picture or abs(way[0]) > 1000 or way[2] < 0.5  # what is not drawn yet has to be
    box, around = state(page)["box"], page.locator("main").bounding_box()
    scale = min(around["width"] / box[2], around["height"] / box[3])
    thing = page.evaluate("(({ x, y }) => [x, y])(gatewise.drawing().picture.things[3])")
    expected = [
        around["x"] + around["width"] / 2 + (thing[0] - box[0] - box[2] / 2) * scale,
        around["y"] + around["height"] / 2 + (thing[1] - box[1] - box[3] / 2) * scale,
    ]

    def middle():
        shape = on_screen(page, page.evaluate("gatewise.drawing().picture.things[3].node.identifier"))
        return [shape["x"] + shape["width"] / 2, shape["y"] + shape["height"] / 2]

    near = max(0.5, 0.1 * scale)  # places have a digit behind the point; sizes of the view are whole pixels
    assert middle() == pytest.approx(expected, abs=near, rel=2e-3)
    page.wait_for_function(SETTLED)
    assert middle() == pytest.approx(expected, abs=near, rel=2e-3)


def test_the_first_picture_is_fitted_to_the_room_that_the_bar_leaves(open_page):
    page = open_page(gw.trace(neuron, *NEURON).html())
    known, real = page.evaluate(
        "(() => { const { size, view } = gatewise.drawing(); return [size, [view.clientWidth, view.clientHeight]]; })()"
    )
    assert known == real
    before = state(page)["box"]
    page.evaluate("gatewise.drawing().fit()")
    assert state(page)["box"] == before


def test_a_view_that_changes_its_size_is_drawn_anew(open_page):
    page = open_page(gw.trace(notes, -2.0, 5.0, -4.0).html())
    before = on_screen(page)
    page.set_viewport_size({"width": 700, "height": 500})
    page.wait_for_function("width => gatewise.drawing().frame().scale < width", arg=0.99 * before["width"] / 40)
    page.wait_for_function(
        """() => { const { view, circuit } = gatewise.drawing(); return circuit.drawnAt.width === view.clientWidth; }"""
    )
    around, shape = page.locator("main").bounding_box(), on_screen(page)
    assert around["x"] <= shape["x"] <= around["x"] + around["width"]
    scale = page.evaluate("gatewise.drawing().frame().scale")
    assert shape["width"] == pytest.approx(40 * scale, rel=0.01)


def test_chinese(open_page):
    page = open_page(gw.trace(notes, -2.0, 5.0, -4.0).html(language="zh"))
    page.locator("[data-node='0']").click()
    assert "要使结果增大 0.1，应把x减小 0.025。" in page.locator("aside").inner_text()
    page.keyboard.press("Home")
    assert reason(page) == "前向传播之前：还没有值。"
    with pytest.raises(gw.InputError, match="the page speaks en and zh"):
        gw.trace(notes, -2.0, 5.0, -4.0).html(language="fr")
    page.locator("[data-node='4']").click()
    assert "交换：每个输入得到上游梯度乘以另一个输入" in page.locator("aside").inner_text()


COLOUR = "getComputedStyle(document.querySelector('%s')).%s"


def test_the_colour_blind_palette_is_blue_and_orange(open_page):
    page = open_page(gw.trace(notes, -2.0, 5.0, -4.0).html(palette="colour-blind"))
    assert page.evaluate(COLOUR % ("svg text.value", "fill")) == "rgb(10, 122, 194)"
    assert page.evaluate(COLOUR % ("svg text.gradient", "fill")) == "rgb(213, 94, 0)"
    with pytest.raises(gw.InputError, match="no palette 'plaid'"):
        gw.trace(notes, -2.0, 5.0, -4.0).html(palette="plaid")


def test_a_dark_desktop_gets_a_dark_page(open_page):
    page = open_page(gw.trace(notes, -2.0, 5.0, -4.0).html())
    light = page.evaluate(COLOUR % ("main", "backgroundColor"))
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(COLOUR % ("main", "backgroundColor"))
    shade = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (light, dark)]
    assert shade[0] > 700
    assert shade[1] < 150
    ink = sum(map(int, re.findall(r"\d+", page.evaluate(COLOUR % ("svg .symbol", "fill")))[:3]))
    assert ink > 600


def test_a_circuit_without_gradients_and_one_of_nan(open_page):
    page = open_page(gw.trace(lambda x: x > 1.0, 3.0).html())
    assert state(page)["length"] == 2
    page = open_page(gw.trace(notes, np.nan, 5.0, -4.0).html())
    page.locator("[data-node='3']").click()
    assert "nan" in page.locator("aside").inner_text()
    page.locator("aside button", has_text="cut").first.click()
    assert state(page)["values"]["3"] == 5.0


def test_a_part_of_a_large_circuit_says_so(open_page):
    def chain(x):
        for _ in range(2100):
            x = np.sin(x) + 0.1
        return x

    page = open_page(html.render(scene_of(gw.trace(chain, 0.5), 2000)))
    assert "showing the last 2000 of 4201 nodes" in page.locator("aside").inner_text()
    page.keyboard.press("ArrowLeft")
    assert state(page)["stepTime"] < 1000  # a hang, not a speed: benchmarks measure that


HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>'\"`${alert(3)}"


def test_names_stories_and_sources_are_never_markup(open_page):
    row = {
        "identifier": 1,
        "label": HOSTILE,
        "name": HOSTILE,
        "gate": HOSTILE,
        "value": 9.0,
        "gradient": 1.0,
        "source": 0,
    }
    data = {
        "format": "gatewise-scene", "version": 2, "title": HOSTILE,
        "gates": {HOSTILE: {"story": HOSTILE, "formula": HOSTILE, "symbol": HOSTILE, "wires": [HOSTILE],
                            "value": ["constructor", HOSTILE], "locals": [["alert", 1]], "alternatives": [HOSTILE]}},
        "sources": [{"file": HOSTILE, "line": 1, "text": HOSTILE}],
        "nodes": [{"identifier": 0, "kind": "input", "name": HOSTILE, "value": 3.0, "gradient": 6.0}, row,
                  {"identifier": 2, "kind": "output", "label": HOSTILE}],
        "edges": [{"source": 0, "target": 1, "gradient": "total", "local": 6.0}, {"source": 1, "target": 2}],
    }  # fmt: skip
    page = open_page(html.render(Scene.from_json(json.dumps(data)), title=HOSTILE))
    for node in (1, 0):
        page.locator(f"[data-node='{node}']").click()
        assert HOSTILE in page.locator("aside").inner_text().replace("\n", "")
    page.locator("input.set").fill("4")
    page.keyboard.press("Enter")
    assert "not allowed" in reason(page)
    assert state(page)["values"]["1"] == 9.0  # nothing is half updated
    assert page.locator("img").count() == 0


def test_a_scene_of_another_version_is_refused_with_a_message(open_page):
    text = gw.trace(notes, -2.0, 5.0, -4.0).html().replace('"version":2', '"version":3')
    page = open_page(text)
    assert "format version 3" in page.locator("main").inner_text()
