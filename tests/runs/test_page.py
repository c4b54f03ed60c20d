"""The page of trainings in a real browser: saved, without a network, and served while a training runs."""

from __future__ import annotations

import time

import numpy as np
import pytest

import gatewise as gw
from gatewise.runs.application import routes, save
from gatewise.serving.server import serving

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"


def record(path, name, rate, steps=60):
    W, x = np.array([[0.5, -1.0], [2.0, 0.25]]), np.array([1.0, 2.0])

    def loss(W):
        return np.sum((W @ x - 1.0) ** 2)

    with gw.live(path, name, settings={"rate": rate, "note": HOSTILE}, every=1) as run:
        for _ in range(steps):
            value, gradient = gw.value_and_grad(loss)(W)
            W = W - rate * gradient
            numbers = {"loss": value, "validation_loss": 2 * value, "accuracy": 0.5}
            run.step(**numbers, parameters={"W": W}, gradients={"W": gradient}, circuit=gw.trace(loss, W))


@pytest.fixture
def open_file(browser):
    context = browser.new_context(viewport={"width": 1300, "height": 900}, offline=True)
    problems = []

    def opened(path):
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(dialog.message))
        page.goto(path.as_uri())
        return page

    yield opened
    context.close()
    assert problems == []


@pytest.fixture
def page(tmp_path, open_file):
    path = tmp_path / "run.sqlite"
    record(path, "slow", 0.001)
    record(path, HOSTILE, 0.05)
    return open_file(save([path], tmp_path / "run.html"))


def state_of(page):
    return page.evaluate("gatewiseRuns.state()")


def test_curves_gradients_and_updates_of_two_runs_side_by_side(page):
    state = state_of(page)
    assert [run["name"] for run in state["runs"]] == ["slow", HOSTILE]
    assert set(state["charts"]) == {"metric loss", "metric accuracy", "ratio W", "gradient W"}
    for chart in page.locator("figure svg").all():
        assert chart.locator("path, polyline").count() >= 2
    assert "rate 0.05" in page.locator(".card").nth(1).inner_text()
    assert HOSTILE in page.locator(".card").nth(1).inner_text()
    assert page.locator("img").count() == 0


def test_a_run_is_hidden_and_shown(page):
    page.locator(".card .toggle").first.click()
    assert [run["shown"] for run in state_of(page)["runs"]] == [False, True]
    page.locator(".card .toggle").first.click()
    assert [run["shown"] for run in state_of(page)["runs"]] == [True, True]


def test_weights_are_images_and_the_circuit_steps(page):
    assert page.locator(".images canvas").count() >= 1
    viewer = page.locator(".circuit .gatewise-viewer")
    before = viewer.locator(".counter").inner_text()
    viewer.locator("button.back").click()
    assert viewer.locator(".counter").inner_text() != before
    assert viewer.locator("svg .node").count() > 3


def test_chinese(page):
    page.locator("button.language").click()
    assert "训练" in page.locator("h1").first.inner_text()


def test_a_page_follows_a_training_that_runs(browser, tmp_path):
    path = tmp_path / "run.sqlite"
    run = gw.live(path, "live", every=1)
    run.step(loss=3.0)
    with serving(lambda: routes([path])) as address:
        context = browser.new_context()
        page = context.new_page()
        page.goto(address)
        step = 1
        deadline = time.monotonic() + 30
        while not (state_of(page)["runs"] and state_of(page)["runs"][0]["step"] > 20):
            assert time.monotonic() < deadline
            run.step(loss=3.0 / step)
            step += 1
            time.sleep(0.02)
        run.close()
        while "finished" not in page.locator(".card").inner_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        context.close()
