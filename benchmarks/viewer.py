"""How long the viewer takes: saving, opening, layout, steps, collapsing, frames; and what a recording costs.

    python benchmarks/viewer.py            # prints the table
    python benchmarks/viewer.py --write    # and puts it into docs/viewer.md

The pages are opened in Chromium, which draws in software where there is no graphics card. Medians of several runs.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright

import gatewise as gw

DOCUMENT = Path(__file__).parent.parent / "docs" / "viewer.md"
BEGIN, END = "<!-- figures: benchmarks/viewer.py -->", "<!-- end -->"
ROUNDS = 5
LARGE = 500_000  # gates, from where on once is enough
MOVE = """() => new Promise((done) => {
  const drawing = gatewise.drawing(); const times = []; let last = performance.now();
  const turn = () => { const now = performance.now(); times.push(now - last); last = now;
    const [x, y, width, height] = drawing.box; drawing.look([x + width * 0.002, y, width, height]);
    if (times.length < 60) requestAnimationFrame(turn); else done(times.slice(20).sort((a, b) => a - b)[20]); };
  requestAnimationFrame(turn); })"""
STEP = """() => { const { length } = gatewise.state(); const times = [];
  for (let turn = 0; turn < 41; turn += 1) {
    const begun = performance.now(); gatewise.go(Math.floor(length / 2) + turn);
    times.push(performance.now() - begun); }
  return times.sort((a, b) => a - b)[20]; }"""
TOGGLE = """() => { const drawing = gatewise.drawing(); const times = [];
  const { group } = drawing.picture.things.filter(({ group }) => group && group.kind !== "argument")
    .reduce((most, thing) => (!most || thing.group.items.length > most.group.items.length ? thing : most), null) ?? {};
  if (!group) return null;
  for (let turn = 0; turn < 6; turn += 1) {
    const begun = performance.now(); drawing.toggle(group); times.push(performance.now() - begun); }
  return Math.max(...times); }"""


def neuron(weights: Any, bias: Any, inputs: Any) -> Any:
    total = bias
    for weight, value in zip(weights, inputs, strict=True):
        total = total + weight * value
    return np.tanh(total)


def loss(parameters: Any, points: Any) -> Any:
    total = 0.0
    for point in points:
        x = point
        for layer in parameters:
            x = [neuron(weights, bias, x) for weights, bias in layer]
        total = total + (x[0] - 1.0) ** 2
    return total


def straight(x: Any) -> Any:
    for _ in range(500_000):
        x = x * 0.999999 + 1e-7
    return x


def arguments(points: int) -> tuple[Any, Any]:
    """A net 2-16-16-1 and so many points: about 640 gates a point."""
    random = np.random.default_rng(0)
    parameters = [
        [(random.uniform(-1, 1, before).tolist(), 0.1) for _ in range(after)]
        for before, after in pairwise((2, 16, 16, 1))
    ]
    return parameters, random.normal(size=(points, 2)).tolist()


def seconds(runs: Sequence[Callable[[], Any]], rounds: int = ROUNDS) -> list[float]:
    """Medians of some things done in turn, so that a machine that is slow for a while is so for all of them."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for run, taken in zip(runs, times, strict=True):
            begun = time.perf_counter()
            run()
            taken.append(time.perf_counter() - begun)
    return [statistics.median(taken) for taken in times]


def spoken(taken: float) -> str:
    return f"{taken * 1e3:.0f} ms" if taken < 1 else f"{taken:.1f} s"


def measured(browser: Any, path: Path) -> dict[str, float | None]:
    """Figures of one saved page, in milliseconds."""
    rows: list[dict[str, float | None]] = []
    for _ in range(3):
        page = browser.new_page(viewport={"width": 1300, "height": 800})
        page.set_default_timeout(120_000)
        begun = time.perf_counter()
        page.goto(path.as_uri())
        page.evaluate("gatewise.state().position")
        opened = (time.perf_counter() - begun) * 1e3
        row: dict[str, float | None] = {"open": opened, "toggle": page.evaluate(TOGGLE), "step": page.evaluate(STEP)}
        if page.locator("select.detail").count():
            page.locator("select.detail").select_option("gates")
        row["layout"] = page.evaluate("gatewise.state().layoutTime")
        row["flat step"] = page.evaluate(STEP)
        page.evaluate("gatewise.drawing().overview()")
        page.wait_for_timeout(1500)
        row["frame"] = page.evaluate(MOVE)
        rows.append(row)
        page.close()
    found: dict[str, float | None] = {}
    for name in rows[0]:
        known = [value for row in rows if (value := row[name]) is not None]
        found[name] = statistics.median(known) if known else None
    return found


def table() -> str:
    lines = [
        "| gates | recording | × value_and_grad | saving | file | opens in | layout of all that is listed | a step | "
        "collapse or expand | a frame while moving |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        cases = [(loss, arguments(points), "") for points in (1, 15, 155, 1550)]
        for function, given, note in [*cases, (straight, (1.0,), ", a straight line")]:
            circuit = gw.trace(function, *given)
            gates = sum(not entry.is_input for entry in circuit)
            path = Path(folder) / "page.html"
            begun = time.perf_counter()
            circuit.save(path)
            saving = time.perf_counter() - begun
            del circuit
            row = measured(browser, path)
            positions = tuple(range(len(given)))
            gradient = gw.value_and_grad(function, argnums=positions if len(given) > 1 else 0)
            plain, recording = seconds(
                [lambda run=gradient, given=given: run(*given), lambda f=function, given=given: gw.trace(f, *given)],
                ROUNDS if gates < LARGE else 1,
            )

            def told(*names: str, row: dict[str, float | None] = row) -> str:
                known = [value for name in names if (value := row[name]) is not None]
                return f"{max(known):.1f} ms" if known and max(known) < 10 else f"{max(known):.0f} ms" if known else "–"

            lines.append(
                f"| {gates:,}{note} | {spoken(recording)} | {recording / plain:.1f} | {spoken(saving)} | "
                f"{path.stat().st_size / 1e6:.1f} MB | {told('open')} | {told('layout')} | "
                f"{told('step', 'flat step')} | {told('toggle')} | {told('frame')} |"
            )
        browser.close()
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into docs/viewer.md")
    made = table()
    print(made)
    if parser.parse_args().write:
        text = DOCUMENT.read_text(encoding="utf-8")
        before, rest = text.split(BEGIN)
        DOCUMENT.write_text(f"{before}{BEGIN}\n{made}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
