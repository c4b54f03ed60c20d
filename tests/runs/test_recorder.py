"""Recorded trainings: what a file says afterwards, against the same numbers computed here."""

from __future__ import annotations

import base64
import math
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gatewise as gw
from gatewise.errors import InputError
from gatewise.runs.history import MOST_BUCKETS, History
from gatewise.runs.reading import all_runs, one_run


def series_of(run):
    return {(one["kind"], one["name"]): one for one in run["series"]}


def means(run, kind, name):
    """The mean of each bucket, by the last step in it."""
    return {point[1]: point[4] for point in series_of(run)[kind, name]["points"]}


def loss(W, x):
    return np.sum((W @ x - 1.0) ** 2)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.sqlite"


def test_norms_and_updates_are_those_of_numpy(path):
    W, x = np.array([[0.5, -1.0], [2.0, 0.25]]), np.array([1.0, 2.0])
    weights, gradients, losses = [], [], []
    with gw.live(path, "descent", settings={"rate": 0.05}, every=1) as run:
        for _ in range(20):
            value, gradient = gw.value_and_grad(loss)(W, x)
            W = W - 0.05 * gradient
            run.step(loss=value, parameters={"W": W}, gradients={"W": gradient})
            weights.append(W)
            gradients.append(gradient)
            losses.append(value)
    said = one_run([path], "0.1")
    assert (said["name"], said["settings"], said["state"], said["step"]) == ("descent", {"rate": 0.05}, "finished", 19)
    assert means(said, "metric", "loss") == pytest.approx(dict(enumerate(losses)))
    assert means(said, "weight", "W") == pytest.approx({step: np.linalg.norm(W) for step, W in enumerate(weights)})
    assert means(said, "gradient", "W") == pytest.approx({step: np.linalg.norm(G) for step, G in enumerate(gradients)})
    ratios = {
        step: np.linalg.norm(weights[step] - weights[step - 1]) / np.linalg.norm(weights[step - 1])
        for step in range(1, 20)
    }
    assert means(said, "ratio", "W") == pytest.approx(ratios)


@given(
    st.lists(st.floats(allow_subnormal=False, min_value=-1e6, max_value=1e6) | st.just(math.nan), min_size=1),
    st.integers(0, 4),
)
def test_buckets_tell_of_all_values(values, doublings):
    history = History()
    for step, value in enumerate(values):
        history.add(step, value, 1)
    for _ in range(doublings):
        history.double()
    stride = 2**doublings
    for bucket in history.buckets:
        members = values[bucket.number * stride : (bucket.number + 1) * stride]
        finite = [value for value in members if math.isfinite(value)]
        assert (bucket.count, bucket.broken) == (len(members), len(members) - len(finite))
        if finite:
            assert (bucket.low, bucket.high) == (min(finite), max(finite))
            assert bucket.mean == pytest.approx(sum(finite) / len(finite), abs=1e-6)
    assert sum(bucket.count for bucket in history.buckets) == len(values)


def test_a_long_run_stays_short_and_keeps_its_spike(path):
    with gw.live(path) as run:
        for step in range(5000):
            run.step(loss=1e6 if step == 1234 else 1.0)
    said = one_run([path], "0.1")
    points = series_of(said)["metric", "loss"]["points"]
    assert MOST_BUCKETS / 2 <= len(points) <= MOST_BUCKETS
    assert sum(point[2] for point in points) == 5000
    assert max(point[6] for point in points) == 1e6


def test_what_is_not_finite_is_counted_and_said(path):
    with gw.live(path) as run:
        for value in (1.0, math.inf, math.nan):
            run.step(loss=value)
    said = one_run([path], "0.1")
    points = series_of(said)["metric", "loss"]["points"]
    assert [point[3] for point in points] == [0, 1, 1]
    assert said["latest"] == {"loss": "nan"}


def test_images_are_the_arrays_to_a_byte(path):
    W = np.arange(12.0).reshape(3, 4) - 5
    with gw.live(path) as run:
        run.step(parameters={"W": W})
    image = next(image for image in one_run([path], "0.1")["images"] if image["name"] == "W")
    cells = np.frombuffer(base64.b64decode(image["cells"]), dtype=np.uint8).astype(float)
    shown = image["low"] + (image["high"] - image["low"]) * cells / 252
    assert (image["height"], image["width"]) == (3, 4)
    assert shown.reshape(3, 4) == pytest.approx(W, abs=11 / 252)


def test_the_circuit_is_the_one_of_the_last_time(path):
    with gw.live(path) as run:
        for x in (1.0, 3.0):
            run.step(loss=x, circuit=lambda x=x: gw.trace(lambda x: x * x, x))
    circuit = one_run([path], "0.1")["circuit"]
    assert circuit["scene"]["nodes"][0]["value"] == 3.0


def test_runs_stand_side_by_side_in_one_file_and_in_several(path, tmp_path):
    for name in ("one", "two"):
        with gw.live(path, name) as run:
            run.step(loss=1.0)
    other = tmp_path / "other.sqlite"
    with gw.live(other, "three") as run:
        run.step(loss=2.0)
    runs = all_runs([path, other])["runs"]
    assert [(run["identifier"], run["name"]) for run in runs] == [("0.1", "one"), ("0.2", "two"), ("1.1", "three")]


def test_what_was_committed_survives_a_program_that_dies(path):
    program = f"""
import os, time
import gatewise as gw
run = gw.live({str(path)!r})
for step in range(40):
    run.step(loss=float(step))
    time.sleep(0.03)
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9
    said = one_run([path], "0.1")
    assert said["state"] == "running"  # nobody could say otherwise; the page tells how long it has been silent
    kept = means(said, "metric", "loss")
    assert len(kept) >= 10
    assert kept == {step: float(step) for step in kept}


def test_an_error_in_the_loop_is_noted_and_not_swallowed(path):
    def descend():
        with gw.live(path) as run:
            run.step(loss=1.0)
            raise ZeroDivisionError("division by zero")

    with pytest.raises(ZeroDivisionError):
        descend()
    said = all_runs([path])["runs"][0]
    assert (said["state"], said["reason"]) == ("failed", "ZeroDivisionError: division by zero")


def test_another_file_is_left_as_it_is(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("a text that is no database, and long enough to look like one " * 40)
    database = tmp_path / "other.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE mine (x)")
    for path in (text, database):
        before = path.read_bytes()
        with pytest.raises(InputError, match="recording"):
            gw.live(path)
        with pytest.raises(InputError, match="recording"):
            all_runs([path])
        assert path.read_bytes() == before


def test_wrong_input_is_refused_in_words(path, tmp_path):
    with pytest.raises(InputError, match="folder"):
        gw.live(tmp_path)
    with pytest.raises(InputError, match="no folder"):
        gw.live(tmp_path / "absent" / "run.sqlite")
    with pytest.raises(InputError, match="every"):
        gw.live(path, every=0)
    run = gw.live(path)
    for wrong in ({"loss": "low"}, {"loss": np.ones(3)}, {"loss": 1j}):
        with pytest.raises(InputError, match="loss is"):
            run.step(**wrong)
    run.step(number=5)
    with pytest.raises(InputError, match="step 4"):
        run.step(number=4)
    run.close()
    with pytest.raises(InputError, match="closed"):
        run.step()
