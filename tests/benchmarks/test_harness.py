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
    return SimpleNamespace(
        **{name: import_module(name) for name in ("peers", "rows", "models", "limits", "measure", "report", "run")}
    )


def measured(bench, name, **times):
    """By hand and by Gatewise in this process, with made-up times."""
    row = bench.rows.ROWS[name]
    measurements = []
    for peer, time in times.items():
        step = bench.measure.build(row, bench.peers.PEERS[peer.replace("_", " ")], row.arguments())
        result = bench.measure.evaluate(step)
        memory = bench.measure.Memory(1000, 1000)
        measurements.append(
            bench.measure.Measurement(peer.replace("_", " "), result=result, times=[time], memory=memory)
        )
    return row, measurements


@pytest.mark.parametrize("name", ["adds", "mixed", "scalars", "circuit", "neuron", "svm-200"])
def test_gatewise_agrees_with_the_formula(bench, name):
    row, measurements = measured(bench, name, by_hand=1.0, gatewise=2.0)
    bench.measure.check(measurements, row.tolerance)
    assert all(measurement.agrees for measurement in measurements)


def test_a_bundle_adjustment_agrees_with_the_formulas_in_every_column(bench):
    row = bench.rows.ROWS["bundle"]
    parameters, constants = bench.models.scene(4, 12, 30)
    expected = row.by_hand(*parameters, *constants)
    numba = SimpleNamespace(prange=range, njit=lambda **options: lambda function: function)
    found = {"by hand in numba": row.instead["by hand in numba"](numba)(*parameters, *constants)}
    for name in ("gatewise", "gatewise compiled"):
        found[name] = bench.measure.build(row, bench.peers.PEERS[name], (parameters, constants))()
    assert [part.shape for part in expected] == [(30, 2), (30,), (30, 2, 15), (30,)]
    for results in found.values():
        for result, by_hand in zip(results, expected, strict=True):
            size = np.maximum(np.abs(by_hand).max(0), 1e-300)  # some columns are 0 altogether
            np.testing.assert_allclose(result / size, by_hand / size, rtol=0, atol=1e-12)


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


def compared(bench, **ours):
    """The summary of a row in which JAX was measured as well."""
    row = bench.rows.ROWS["neuron"]
    theirs = bench.measure.Measurement(
        "jax jit", imported=0.4, first=0.1, memory=bench.measure.Memory(50 << 20, 16 << 20, 100 << 20), times=[10e-6]
    )
    made = bench.measure.Measurement(
        "gatewise compiled", imported=0.1, memory=bench.measure.Memory(25 << 20, whole=40 << 20), **ours
    )
    limits = bench.limits.Limits(triad=20e9, sgemm=200e9, dgemm=100e9, call=250e-9)
    return bench.report.summary([(row, [made, theirs])], limits)


def test_first_calls_and_memory_have_targets_in_every_row(bench):
    text = compared(bench, first=0.04, times=[1e-6])
    assert "| first call ≤ 0.5 × jax jit | 0.40 ×, with imports 0.28 × | met |" in text
    assert "| first call ≤ 1 s | 40 ms, with imports 140 ms | met |" in text
    assert "| memory ≤ 1 × the best peer | 0.50 × (jax jit), with imports 0.40 × | met |" in text
    text = compared(bench, first=1.1, times=[1e-6])
    assert "| first call ≤ 0.5 × jax jit | 11.00 ×, with imports 2.40 × | **missed** |" in text
    assert "| first call ≤ 1 s | 1.1 s, with imports 1.2 s | **missed** |" in text


def test_the_distance_from_the_machine_is_told(bench):
    work = bench.measure.Work(moved=10**7, flops=10**8, single=False)
    assert "| 5 GB/s, 0.25 of triad; 50 GFLOP/s, 0.50 of dgemm |" in compared(bench, work=work, times=[2e-3])
    work = bench.measure.Work(moved=1000, flops=500, single=True)
    assert "call overhead: 0.50 of it is a call that does nothing" in compared(bench, work=work, times=[500e-9])


def test_compiled_code_tells_its_work(bench):
    row = bench.rows.ROWS["chain-1e3"]
    arguments = row.arguments()
    step = bench.measure.build(row, bench.peers.PEERS["gatewise compiled"], arguments)
    step()
    work = bench.measure._work(step, arguments)
    assert work.single
    assert work.moved >= 4 * 4000  # two arrays in, two gradients out
    assert work.flops >= 10_000


def test_limits_are_measured(bench, monkeypatch):
    monkeypatch.setattr(bench.limits, "ENTRIES", 1 << 16)
    monkeypatch.setattr(bench.limits, "ORDER", 32)
    monkeypatch.setattr("gatewise.native.report.PATIENCE", 0.001)
    limits = bench.limits.measured()
    assert min(limits.triad, limits.sgemm, limits.dgemm, limits.call) > 0
    assert "triad" in bench.report.machine(limits)


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
