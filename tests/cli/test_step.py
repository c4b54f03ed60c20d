"""``gatewise step``: the application driven by keys, and the command's refusals."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

import gatewise as gw
from gatewise.picture.scene import scene_of

pytest.importorskip("textual")
from textual.widgets import Static

from gatewise.terminal.stepping import Stepping


def notes(x, y, z):
    q = x + y
    f = q * z
    return f  # noqa: RET504  (the name is shown)


def driven(circuit, *keys):
    """Press keys; what is shown after each: position, the rows' values and gradients, reason and panel."""
    shown = []

    async def drive():
        app = Stepping(scene_of(circuit))
        async with app.run_test(size=(120, 30)) as pilot:
            for key in keys:
                await pilot.press(key)
                await pilot.pause()
                rows = {}
                for node in app._drawn:
                    _, _, _, value, gradient = app._table.get_row(str(node.identifier))
                    rows[node.name] = (value.plain, gradient.plain)
                texts = [str(app.query_one(name, Static).content) for name in ("#reason", "#told")]
                shown.append((app.stepper.position, rows, *texts))

    asyncio.run(drive())
    return shown


def test_arrows_step_forward_and_back():
    *_, (position, rows, reason, told) = driven(gw.trace(notes, -2.0, 5.0, -4.0), *["right"] * 4)
    assert position == 4
    assert rows == {"x": ("-2.00", ""), "y": ("5.00", ""), "z": ("-4.00", ""), "q": ("3.00", ""), "f": ("", "")}
    assert reason == "4 / 8  q = add(-2, 5) = 3"
    assert told.startswith("q: add (+)\n")
    there = driven(gw.trace(notes, -2.0, 5.0, -4.0), *["right"] * 8)
    back = driven(gw.trace(notes, -2.0, 5.0, -4.0), "end", *["left"] * 7)
    assert [state[:3] for state in there] == [state[:3] for state in reversed(back)]
    assert there[-1][1]["x"] == ("-2.00", "-4.00")


def test_home_end_and_the_panel():
    _, (position, rows, _, told) = driven(gw.trace(notes, -2.0, 5.0, -4.0), "home", "end")
    assert position == 8
    assert rows["f"] == ("-12.00", "1.00")
    assert "x: -4 × 1 = -4" in told
    assert "To raise the result by 0.1, lower q by 0.025." in told


def test_parts_of_a_fork():
    state = driven(gw.trace(lambda x: x * x + x, 3.0), *["right"] * 5)[-1]
    assert state[1]["x"] == ("3.00", "1.00 + …")


def test_it_runs_to_a_breakpoint_and_back():
    keys = ["b", *"multiply", "enter", "n", "p"]
    shown = driven(gw.trace(notes, -2.0, 5.0, -4.0), *keys)
    assert [state[0] for state in shown[-3:]] == [5, 6, 5]
    broken = driven(gw.trace(lambda x: np.sqrt(x * 2.0), 0.0), "b", *["n", "a", "n"], "enter")[-1]
    assert "inf" in broken[2]
    assert "nothing stops at w" in driven(gw.trace(notes, -2.0, 5.0, -4.0), "b", "w", "enter")[-1][2]
    assert "a breakpoint is" in driven(gw.trace(notes, -2.0, 5.0, -4.0), "n")[-1][2]


def test_it_plays_and_pauses():
    async def play():
        app = Stepping(scene_of(gw.trace(notes, -2.0, 5.0, -4.0)))
        async with app.run_test() as pilot:
            await pilot.press("space")
            while app.stepper.position < 2:
                await pilot.pause(0.05)
            await pilot.press("space")
            held = app.stepper.position
            await pilot.pause(1.0)
            return held, app.stepper.position

    held, after = asyncio.run(play())
    assert held == after >= 2


def test_names_are_no_markup():
    hostile = gw.trace(lambda d: d["[red]boo[/nonsense]"] * 2.0, {"[red]boo[/nonsense]": 3.0})
    name = next(entry.name for entry in hostile.inputs)
    shown = driven(hostile, "right")[-1]
    assert name in shown[1]
    assert name in shown[2]


def test_without_a_terminal_it_says_what_to_do(refused):
    assert "gatewise step needs a terminal" in refused("(x+y)*z", "x=1", "y=2", "z=3", command="step")
    assert "x" in refused("(x+y)*z", "y=2", "z=3", command="step")
