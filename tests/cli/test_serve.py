"""``gatewise serve`` and ``gatewise live``: what is refused before a page stands; the pages have tests of their own."""

from __future__ import annotations

import socket

import pytest

import gatewise as gw


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("serve", "absent.py:f"), "absent.py: there is no such file"),
        (("serve", "model"), "names no function: write file.py:function"),
        (("serve", "model.py:"), "names no function"),
        (("serve", "--port", "70000"), "70000"),
        (("live",), "RECORDINGS"),
        (("live", "absent.sqlite"), "absent.sqlite: there is no such file"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_words(gatewise, arguments, words):
    outcome = gatewise(*arguments)
    assert outcome.status != 0
    assert words in outcome.err


def test_a_port_in_use_is_named(gatewise):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        outcome = gatewise("serve", "--no-browser", "--port", port)
    assert outcome.status != 0
    assert f"port {port} cannot be used" in outcome.err


def test_a_recording_is_saved_as_a_page_or_not_at_all(gatewise, tmp_path):
    with gw.live(tmp_path / "run.sqlite") as run:
        run.step(loss=1.0)
    assert gatewise("live", "run.sqlite", "--save", "run.html").status == 0
    assert "<!DOCTYPE html>" in (tmp_path / "run.html").read_text(encoding="utf-8")
    outcome = gatewise("live", "run.sqlite", "--save", "absent/run.html")
    assert outcome.status != 0
    assert "cannot be written" in outcome.err
    assert not (tmp_path / "absent").exists()


def test_a_training_is_recorded_beside_its_weights(gatewise, tmp_path):
    pytest.importorskip("sklearn")
    from gatewise.runs.reading import all_runs, one_run

    outcome = gatewise("train", "--page", "--epochs", "2", "--output", "kept")
    assert outcome.status == 0, outcome.err
    path = tmp_path / "kept" / "run.sqlite"
    assert all_runs([path])["runs"][0]["state"] == "finished"
    run = one_run([path], "0.1")
    series = {(one["kind"], one["name"]) for one in run["series"]}
    assert {("metric", "loss"), ("metric", "validation_accuracy"), ("gradient", "W"), ("weight", "W")} <= series
    assert run["circuit"]["scene"]["nodes"]
