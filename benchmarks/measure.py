"""How a number comes about: one process per peer, rounds that go through the peers forwards and backwards in turn.

A worker imports what its peer needs, builds the step and makes the first call (each timed apart), reports results for
the check, memory and work, then waits. The driver gives each worker `budget` seconds per round, one at a time, so that
whatever else the machine does in a round meets all peers alike. A sample is a batch of calls of at least about 2 ms;
the garbage collector stays on, as users have it. Nobody finds what an earlier run left on disk: caches begin empty.
"""

from __future__ import annotations

import gc
import os
import subprocess
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import limits
import numpy as np
from limits import Limits
from peers import PEERS, THREADS, Peer, Step
from rows import ROWS, Arguments, ProcessRow, Row, objective_of

ENVIRONMENT = {name: str(THREADS) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
ENVIRONMENT |= {"JAX_PLATFORMS": "cpu", "PYTHONWARNINGS": "ignore"}
#: Where libraries keep what they compiled for the next process.
CACHES = ("XDG_CACHE_HOME", "TORCHINDUCTOR_CACHE_DIR", "NUMBA_CACHE_DIR")

clock = time.perf_counter


@dataclass(frozen=True)
class Memory:
    """Bytes at the peak of one call, beyond what was there before building; not numbers where the system does not tell.

    Attributes:
        resident: Of the resident set.
        own: The part of it that no file stands behind: the rest are pages of libraries, shared by all who use them.
        whole: Of the resident set, beyond what was there before the imports.
        traced: What was allocated through Python and NumPy in the call alone, if that was counted.
    """

    resident: float = float("nan")
    own: float = float("nan")
    whole: float = float("nan")
    traced: float | None = None


@dataclass(frozen=True)
class Work:
    """What one call of a compiled program moves and computes, and in which precision."""

    moved: int  # bytes
    flops: int
    single: bool  # float32


@dataclass
class Measurement:
    """What is known of one peer in one row; `note` says why there are no times."""

    peer: str
    note: str = ""
    imported: float | None = None  # seconds for the imports of all that it needs
    first: float | None = None  # seconds, building included
    memory: Memory = field(default_factory=Memory)
    work: Work | None = None
    result: list[Any] = field(default_factory=list)  # value and gradients
    error: float | None = None  # largest relative deviation from the reference
    agrees: bool = True
    times: list[float] = field(default_factory=list)  # seconds per call, a number for every round
    disturbed: list[float] = field(default_factory=list)  # the same, of rounds while other programs ran

    @property
    def median(self) -> float | None:
        """Seconds per call, of quiet rounds if there were any; None where nothing was measured or it is wrong."""
        return median(self.times or self.disturbed) if self.agrees and (self.times or self.disturbed) else None


# ------------------------------------------------------------------------------------------------- in the worker


def build(row: Row, peer: Peer, arguments: Arguments) -> Step:
    """The step of `peer` in `row`."""
    objective = objective_of(row, peer.name)
    assert objective is not None
    return peer.build(objective, *arguments, **({"themselves": True} if row.themselves else {}))


def evaluate(step: Step) -> list[Any]:
    """What one step returns, value and gradients mostly, as float64 arrays."""
    return list(_arrays(step()))


def _arrays(result: Any) -> Iterator[Any]:
    """All arrays and numbers of nested tuples and lists."""
    if isinstance(result, tuple | list):
        for part in result:
            yield from _arrays(part)
    else:
        for method in ("detach", "numpy"):  # of PyTorch's and tinygrad's tensors
            result = getattr(result, method, lambda plain=result: plain)()
        yield np.asarray(result, np.float64)


def worker(connection: Connection, row_name: str, peer_name: str, cache: str) -> None:
    """Measure one peer: send what `Measurement` holds, then a list of times for every budget received."""
    if hasattr(os, "sched_setaffinity"):  # for thread pools that read no environment variable
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    os.environ.update(dict.fromkeys(CACHES, cache))
    row, peer = ROWS[row_name], PEERS[peer_name]
    assert isinstance(row, Row)
    try:
        bare, _ = _resident()
        start = clock()
        __import__(peer.module)
        for module in peer.needs:
            with suppress(ImportError):  # another version may have no such part
                __import__(module)
        imported = clock() - start
        arguments = row.arguments()
        before = _resident()
        _reset_resident_peak()
        start = clock()
        step = build(row, peer, arguments)
        step()
        first = clock() - start
        memory = _memory(step, bare, before, traced=row.traced and peer.traced, again=not row.once)
        result = evaluate(build(row, peer, row.checked_on()) if row.checked_on else step)
        times = [first] if row.once else []
        connection.send(
            Measurement(peer.name, "", imported, first, memory, _work(step, arguments), result=result, times=times)
        )
    except BaseException as error:
        connection.send(Measurement(peer.name, f"failed: {type(error).__name__}: {error}"[:100].splitlines()[0]))
        return
    calls = 1
    with suppress(EOFError):
        while True:
            budget = connection.recv()
            times, end = [], clock() + budget
            while True:
                start = clock()
                for _ in range(calls):
                    step()
                stop = clock()
                times.append((stop - start) / calls)
                if stop > end:
                    break
                calls = max(1, round(0.002 / min(times)))
            connection.send(times)


def _memory(step: Step, bare: float, before: tuple[float, float], traced: bool, again: bool) -> Memory:
    """The memory of one more call, or, if it is not to be called `again`, of building and of the first call.

    `bare` and `before` are what was resident before and after the imports.
    """
    if again:
        step()
        gc.collect()
        _reset_resident_peak()
        step()
    resident, files = _resident(peak=True)
    grown = resident - before[0]
    memory = Memory(grown, grown - (files - before[1]), resident - bare)
    if not traced:
        return memory
    tracemalloc.start()
    kept = step()  # what the caller holds counts, as the gradient is part of it
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    del kept
    return replace(memory, traced=peak)


def _work(step: Step, arguments: Arguments) -> Work | None:
    """What a compiled program says of itself; None for those that say nothing."""
    if not hasattr(step, "report"):
        return None
    report = step.report()
    single = any(getattr(parameter, "dtype", None) == np.float32 for parameter in arguments[0])
    return Work(report.bytes_read + report.bytes_written, report.flops, single)


def _resident(peak: bool = False) -> tuple[float, float]:
    """Bytes in memory, now or at most, and how many of them are pages of files; not numbers where nobody tells."""
    with suppress(OSError):
        told = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
        found = [told.get(name) for name in ("VmHWM" if peak else "VmRSS", "RssFile")]
        return tuple(int(text.split()[0]) * 1024 if text else float("nan") for text in found)
    return float("nan"), float("nan")


def _reset_resident_peak() -> None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


# ------------------------------------------------------------------------------------------------- in the driver


def there_and_back(items: Sequence[Any], rounds: int) -> Iterator[Any]:
    """All items, `rounds` times, forwards and backwards in turn."""
    for number in range(rounds):
        yield from items if number % 2 == 0 else reversed(items)


class Running:
    """A peer in its own process, as far as it can take part."""

    def __init__(self, row: Row, name: str, limit: float) -> None:
        self.limit = limit
        self.process = None
        reason = row.skip.get(name) or (objective_of(row, name) is None and "nobody has written it")
        if reason or not PEERS[name].installed:
            self.measurement = Measurement(name, f"skipped: {reason}" if reason else "not installed")
            return
        self.cache = TemporaryDirectory(ignore_cleanup_errors=True)
        spawn = get_context("spawn")
        self.connection, theirs = spawn.Pipe()
        self.process = spawn.Process(target=worker, args=(theirs, row.name, name, self.cache.name), daemon=True)
        self.process.start()
        theirs.close()
        self.measurement = Measurement(name)  # if nothing comes
        self.measurement = self.receive() or self.measurement
        if self.measurement.note or row.once:
            self.stop()

    def receive(self) -> Any:
        """What the process sends; when nothing comes, None and a note of the reason."""
        try:
            if self.connection.poll(self.limit):
                return self.connection.recv()
            self.measurement.note = f"failed: not done after {self.limit:.0f} s"
        except EOFError:
            self.measurement.note = "failed: the process died"
        self.stop()
        return None

    def round(self, budget: float) -> None:
        """One turn; a peer that takes seconds has only two."""
        measurement = self.measurement
        done = len(measurement.times) + len(measurement.disturbed)
        if self.process is None or ((measurement.first or 0) > 2 and done == 2):
            return
        quiet = wait_until_quiet()
        self.connection.send(budget)
        if times := self.receive():
            (measurement.times if quiet else measurement.disturbed).append(median(times))

    def stop(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process = None
            self.cache.cleanup()


def wait_until_quiet(patience: float = 1.0) -> bool:
    """Wait until others leave the cores alone, at most `patience` seconds, and say whether they do."""
    end = clock() + patience
    while (used := cores_used()) > 0.25 and clock() < end:
        pass
    return used <= 0.25


def cores_used(during: float = 0.1) -> float:
    """How many cores are in use by anybody, over a moment in which we only wait; 0 where the system does not tell."""
    before = _processor_seconds()
    time.sleep(during)
    return (_processor_seconds() - before) / during


def _processor_seconds() -> float:
    """Seconds that all cores together were not idle, since the machine started."""
    with suppress(OSError):
        user, nice, system, _idle, _waiting, *others = map(int, Path("/proc/stat").read_text().split()[1:9])
        return (user + nice + system + sum(others)) / os.sysconf("SC_CLK_TCK")
    return 0.0


def measured_limits() -> Limits:
    """What the machine can do, in a process with as many threads as the peers have."""
    os.environ.update(ENVIRONMENT)
    wait_until_quiet()
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(limits.measured)


def measure(row: Row, peers: Sequence[str], rounds: int, budget: float, limit: float) -> list[Measurement]:
    """Measure the named peers in `row`; those that cannot take part are in the result, with a note."""
    os.environ.update(ENVIRONMENT)
    running = [Running(row, name, limit) for name in peers]
    for peer in there_and_back(running, rounds):
        peer.round(budget)
    for peer in running:
        peer.stop()
    measurements = [peer.measurement for peer in running]
    check(measurements, row.tolerance)
    return measurements


def check(measurements: Sequence[Measurement], tolerance: float) -> None:
    """Compare all results with those by hand (else with the first peer's), and mark who disagrees."""
    reference = next((measurement.result for measurement in measurements if measurement.result), [])
    for measurement in measurements:
        if measurement.result:
            measurement.error = deviation(measurement.result, reference)
            measurement.agrees = measurement.error <= tolerance


def deviation(result: Sequence[Any], reference: Sequence[Any]) -> float:
    """The largest deviation of any result, relative to the largest entry; infinite for NaN or other shapes."""
    if [np.shape(array) for array in result] != [np.shape(array) for array in reference]:
        return float("inf")
    deviations = [
        float(np.max(np.abs(array - expected)) / max(np.max(np.abs(expected)), np.finfo(float).tiny))
        for array, expected in zip(result, reference, strict=True)
    ]
    return float("inf") if any(np.isnan(deviations)) else max(deviations)


def measure_processes(row: ProcessRow, rounds: int) -> list[Measurement]:
    """Time the commands of `row`; the first run of each, which compiles to bytecode, is apart."""
    measurements = [Measurement(name) for name in row.commands]
    with TemporaryDirectory() as bytecode:  # of our own, so that all have one, whatever the environment says
        environment = os.environ | ENVIRONMENT | {"PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
        for measurement in there_and_back(measurements, 1 + 2 * rounds):
            if not measurement.note:
                _run(row, measurement, environment)
    return measurements


def _run(row: ProcessRow, measurement: Measurement, environment: dict[str, str]) -> None:
    """One run of one command."""
    start = clock()
    done = subprocess.run(row.commands[measurement.peer], capture_output=True, text=True, env=environment)
    wall = clock() - start
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        measurement.note = reason.replace("ModuleNotFoundError", "not installed")
        return
    measured = float(done.stdout) if row.printed else wall
    if measurement.first is None:
        measurement.first = measured
    else:
        measurement.times.append(measured)
