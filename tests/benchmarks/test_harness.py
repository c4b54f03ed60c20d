"""The benchmark's own checking: a wrong gradient is caught, a losing row is shown, nothing drops out silently."""

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return SimpleNamespace(**{name: import_module(name) for name in ("peers", "rows", "measure", "report", "run")})


def measured(bench, name, **times):
    """By hand and by Gatewise in this process, with made-up times."""
    row = bench.rows.ROWS[name]
    measurements = []
    for peer, time in times.items():
        step = bench.measure.build(row, bench.peers.PEERS[peer.replace("_", " ")], row.arguments())
        result = bench.measure.evaluate(step)
        measurements.append(bench.measure.Measurement(peer.replace("_", " "), result=result, times=[time], peak=1000))
    return row, measurements


@pytest.mark.parametrize("name", ["adds", "mixed", "scalars", "neuron", "svm-200"])
def test_gatewise_agrees_with_the_formula(bench, name):
    row, measurements = measured(bench, name, by_hand=1.0, gatewise=2.0)
    bench.measure.check(measurements, row.tolerance)
    assert all(measurement.agrees for measurement in measurements)


@pytest.mark.parametrize("spoil", [lambda g: g * 1.01, lambda g: np.array([g]), lambda g: g * float("nan")])
def test_a_wrong_gradient_is_caught_and_has_no_time(bench, spoil):
    row, measurements = measured(bench, "neuron", by_hand=1.0, gatewise=0.1)
    measurements[1].result[-1] = spoil(measurements[1].result[-1])
    bench.measure.check(measurements, row.tolerance)
    assert not measurements[1].agrees
    assert measurements[1].median is None
    assert "wrong value or gradient" in bench.report.table(row, measurements)
    assert "| – | wrong gradient |" in bench.report.summary([(row, measurements)])


def test_losing_rows_and_absent_peers_are_shown(bench):
    row, measurements = measured(bench, "neuron", by_hand=1e-6, gatewise=30e-6)
    measurements.append(bench.measure.Measurement("micrograd", times=[10e-6]))
    measurements.append(bench.measure.Measurement("torch eager", "not installed"))
    text = bench.report.table(row, measurements)
    assert "30.00 × slower" in text
    assert "| torch eager | – | not installed |" in text
    assert "3.00 × | **missed** |" in bench.report.summary([(row, measurements)])
    measurements[1].times = [12e-6]
    assert "1.20 × | met |" in bench.report.summary([(row, measurements)])


def test_a_run_from_end_to_end(bench, capsys):
    bench.run.main(["--row", "neuron", "--peers", "by hand,gatewise", "--rounds", "1", "--budget", "0.001"])
    text = capsys.readouterr().out
    assert "| by hand |" in text
    assert "micrograd was not measured" in text


def test_the_readme_takes_the_table_and_keeps_the_rest(bench, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text((BENCHMARKS / "README.md").read_text(encoding="utf-8"), encoding="utf-8")
    for text in ("one", "two"):
        bench.report.write(text, readme)
    after = readme.read_text(encoding="utf-8")
    assert after.startswith("# Benchmarks")
    assert "one" not in after.partition(bench.report.MARKERS[0])[2]
    assert after.endswith(f"two\n\n{bench.report.MARKERS[1]}\n")
