"""Parts of a circuit that collapse and expand, the minimap, and circuits too large for SVG."""

from __future__ import annotations

import time

import numpy as np
import pytest
from nets import layers_of, network

import gatewise as gw
from gatewise.picture import html
from gatewise.picture.summary import summarised

PLACES = """() => Object.fromEntries(gatewise.drawing().picture.things.map(
    ({ node, group, x, y }) => [node ? node.identifier : `group ${group.number}`, [x, y]]))"""
SCREEN = """(name) => { const shape = document.querySelector(`[data-node='${name}'] rect`).getBoundingClientRect();
    return [shape.x, shape.y]; }"""


TO_A_TANH = """() => { const drawing = gatewise.drawing();
    const { node, x, y } = drawing.picture.things.find(({ node }) => node.gateName === "tanh");
    drawing.look([x - 200, y - 150, 400, 300]);
    return node.identifier; }"""
GREEN = """() => { const near = document.querySelector("canvas.near");
    const { data } = near.getContext("2d").getImageData(0, 0, near.width, near.height);
    const isGreen = (at) => data[at] < 60 && data[at + 1] > 110 && data[at + 2] < 110 && data[at + 3] > 128;
    return Array.from({ length: data.length / 4 }, (_, pixel) => isGreen(4 * pixel)).filter(Boolean).length; }"""


def things(page):
    return page.evaluate("gatewise.state().things")


def net_page(open_page, *sizes):
    return open_page(gw.trace(network, layers_of(*sizes), [0.5, -1.0]).html(title="net"))


@pytest.fixture
def page(open_page):
    return net_page(open_page, 2, 8, 8, 1)


def test_a_large_circuit_starts_collapsed_and_says_so(page):
    assert things(page) <= 60
    assert "collapsed: a double click expands one" in page.locator("aside").inner_text()
    assert page.locator("[data-group]").count() > 0
    assert "inputs" in page.locator(".group.argument").first.text_content()


def test_expanding_moves_only_what_must_make_room(page):
    group = page.locator("g.group:not(.argument)").first
    number = group.get_attribute("data-group")
    before = page.evaluate(PLACES)
    place = before[f"group {number}"]
    group.dblclick()
    assert things(page) > len(before)
    after = page.evaluate(PLACES)
    kept = [key for key in before if key in after]
    moved = {key: np.subtract(after[key], before[key]) for key in kept}
    left = {tuple(np.round(moved[key], 6)) for key in kept if before[key][0] < place[0] - 200}
    right = {round(moved[key][0], 6) for key in kept if before[key][0] > place[0] + 200}
    assert {x for x, _ in left} <= {0.0}
    assert len(right - {0.0}) <= 2  # by what the group grew, and by what the box around it grew
    assert min(right) >= 0
    page.locator(f"[data-box='{number}'] .caption").dispatch_event("click")
    page.locator("aside button", has_text="collapse").click()
    assert page.evaluate(PLACES) == before


def test_what_stands_at_the_left_stays_on_the_screen(open_page):
    def f(x, y):
        start = x * y + x
        for _ in range(60):
            start = np.sin(start) * 0.5 + start * x - y
        return start * y

    page = open_page(gw.trace(f, 0.3, 0.4).html())
    assert page.locator("[data-group]").count() == 1
    before = page.evaluate(SCREEN, "0")
    page.locator("[data-group]").dblclick()
    assert page.locator("[data-group]").count() == 60
    assert page.evaluate(SCREEN, "0") == pytest.approx(before, abs=0.6)


def test_everything_can_be_reached_with_keys(page):
    page.keyboard.press("]")
    first = page.locator("aside h1").inner_text()
    for _ in range(things(page)):
        page.keyboard.press("]")
        if page.locator("aside button", has_text="expand").count():
            break
    assert page.locator("aside h1").inner_text() != first
    before = things(page)
    page.locator("g.group").first.press("Enter")
    assert things(page) != before


def test_finding_expands_what_hides_the_node(page):
    page.locator("input.search").fill("tanh")
    page.locator("input.search").press("Enter")
    chosen = page.evaluate("gatewise.state().chosen")
    assert "tanh" in page.locator("aside h1").inner_text()
    assert page.locator(f"[data-node='{chosen}']").count() == 1
    page.locator("aside .groups button").first.click()  # and its surroundings collapse again
    assert page.locator(f"[data-node='{chosen}']").count() == 0


def test_every_gate_and_lines_can_be_asked_for(page):
    page.locator("select.detail").select_option("gates")
    total = page.evaluate("Object.keys(gatewise.state().values).length") + 1
    assert things(page) == total
    assert page.locator("[data-group]").count() == 0
    page.locator("select.detail").select_option("lines")
    assert things(page) < total


def test_the_minimap_travels(open_page):
    page = net_page(open_page, 2, 16, 16, 1)
    page.locator("select.detail").select_option("gates")
    before = page.evaluate("gatewise.state().box")
    spot = page.locator("canvas.map").bounding_box()
    page.mouse.click(spot["x"] + spot["width"] * 0.75, spot["y"] + spot["height"] * 0.5)
    after = page.evaluate("gatewise.state().box")
    whole = page.evaluate("gatewise.drawing().all")
    assert after[0] + after[2] / 2 == pytest.approx(0.75 * whole[2], abs=0.02 * whole[2])
    assert after[2:] == before[2:]


def test_a_circuit_too_large_for_elements_is_painted_and_answers(open_page):
    page = net_page(open_page, 2, 24, 24, 1)
    page.locator("select.detail").select_option("gates")
    assert page.evaluate("gatewise.state().painted")
    assert page.locator("canvas.near").count() == 1
    chosen = page.evaluate(TO_A_TANH)
    around = page.locator("main").bounding_box()
    page.mouse.click(around["x"] + around["width"] / 2, around["y"] + around["height"] / 2)
    assert page.evaluate("gatewise.state().chosen") == chosen
    assert "tanh" in page.locator("aside h1").inner_text()

    def green():
        """How many pixels have the colour of values."""
        page.wait_for_timeout(100)
        return page.evaluate(GREEN)

    assert green() > 50
    page.evaluate("gatewise.go(0)")
    assert green() == 0


def test_a_graphics_card_that_goes_away_and_comes_back(open_page):
    page = net_page(open_page, 2, 24, 24, 1)
    page.locator("select.detail").select_option("gates")
    if not page.evaluate("Boolean(gatewise.drawing().circuit.gl)"):
        pytest.skip("no WebGL here")
    page.evaluate("window.card = gatewise.drawing().circuit.gl.getExtension('WEBGL_lose_context'); card.loseContext()")
    until(page, "gatewise.drawing().circuit.gl === null")
    page.evaluate("card.restoreContext()")
    until(page, "gatewise.drawing().circuit.gl !== null")
    program = "(({ gl, program }) => gl.getProgramParameter(program, gl.LINK_STATUS))(gatewise.drawing().circuit)"
    assert page.evaluate(program)
    page.evaluate("gatewise.drawing().overview()")
    page.wait_for_timeout(100)
    assert page.evaluate("gatewise.drawing().circuit.gl.getError()") == 0


def until(page, condition):
    deadline = time.monotonic() + 30
    while not page.evaluate(condition):
        assert time.monotonic() < deadline
        time.sleep(0.03)


def test_a_circuit_told_in_parts_is_there_as_a_whole(open_page):
    circuit = gw.trace(network, layers_of(2, 16, 16, 1), [0.5, -1.0])
    scene = summarised(circuit, most=120, title="net")
    page = open_page(html.render(scene))
    said = page.locator("aside").inner_text()
    assert f"its {len(circuit)} nodes are too many for a page: {scene.drawn} are listed" in said
    gates = page.evaluate("gatewise.drawing().structure.gatesIn(gatewise.drawing().structure.groups[0])")
    assert gates == sum(not entry.is_input for entry in circuit)
    page.locator("g.group.turn", has_text="#2").dblclick()
    dashed = page.locator("g.group.told").first
    assert "… 33 gates" in dashed.text_content() or "… 5 gates" in dashed.text_content()
    dashed.dblclick()
    assert "The gates inside are too many for this page" in page.locator("aside").inner_text()
    summary = page.locator("g.summary").first
    summary.click()
    assert "These gates are inside a part and are not in this page." in page.locator("aside").inner_text()
    assert page.locator("aside .row", has_text="wires)").count() > 0
    assert "what goes back to" in page.locator("aside").inner_text()


def test_what_is_alike_is_expanded_together(open_page):
    page = open_page(gw.trace(network, layers_of(2, 16, 16, 1), [0.5, -1.0]).html(title="net"))
    shown = page.evaluate(
        "gatewise.drawing().picture.things.filter(({ group }) => group).map(({ group }) => [group.kind, group.label])"
    )
    # The loop over layers and the last one's only neuron are expanded; of the sixteen of the others none is.
    assert [label for kind, label in shown if kind == "turn"] == ["#1", "#2"]
    assert not [label for kind, label in shown if kind == "call"]


def test_the_passes_step_over_summaries(open_page):
    def f(x):
        for _ in range(200):
            x = x * 1.01
        return x

    page = open_page(html.render(summarised(gw.trace(f, 1.0), most=20)))
    page.evaluate("gatewise.go(2)")
    assert "gates run here; they are not in this page" in page.locator(".reason").inner_text()
    last = page.evaluate("gatewise.state().length")
    page.evaluate(f"gatewise.go({last})")
    assert f"{1.01**200:.6g}" in page.locator(".reason").inner_text()


def test_a_scene_whose_groups_go_in_circles_is_drawn(open_page):
    """Another program's groups need not be stretches of the run."""
    from gatewise.picture.scene import Scene, SceneEdge, SceneGroup, SceneNode

    nodes = [SceneNode(0, "input", "x", "x")] + [SceneNode(n, "gate", "+", group=n % 2) for n in range(1, 13)]
    edges = [SceneEdge(n, n + 1) for n in range(12)]
    groups = (SceneGroup(0, "call", "even"), SceneGroup(1, "call", "odd"))
    page = open_page(html.render(Scene(tuple(nodes), tuple(edges), 13, groups=groups)))
    assert things(page) == 13
    page.locator(".box .caption", has_text="even").click()
    page.locator("aside button", has_text="collapse").click()
    assert things(page) == 8
