"""Tables of what was measured: every peer that was asked for, whether Gatewise wins or loses, and the targets."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from math import isnan
from pathlib import Path

from limits import Limits
from measure import Measurement
from peers import PEERS, THREADS
from rows import ProcessRow, Row, Target

README = Path(__file__).with_name("README.md")
MARKERS = ("<!-- table: written by run.py --write -->", "<!-- end of table -->")
Measured = tuple[Row | ProcessRow, list[Measurement]]


def seconds(time: float | None) -> str:
    """A time with three digits and a fitting unit."""
    if time is None:
        return "–"
    for size, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if time >= size:
            return f"{time / size:.3g} {unit}"
    return f"{time * 1e9:.0f} ns"


def amount(size: float) -> str:
    """Bytes with a fitting unit."""
    if isnan(size):
        return "–"
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 1024:.0f} KiB" if size >= 1024 else f"{size:.0f} B"


def verdict(target: Target, ours: Measurement, others: Sequence[Measurement], gates: int = 0) -> tuple[str, str, str]:
    """What was asked, what was measured, and "met", "missed" or why that cannot be said."""
    what = "" if target.quantity == "time" else f"{target.quantity} "
    if target.quantity == "extra memory":
        asked = f"memory ≤ {target.rival} + {amount(target.limit)}" + (" a gate" if gates else "")
    else:
        asked = what + (f"≤ {target.limit:g} × {target.rival}" if target.rival else f"≤ {seconds(target.limit)}")
    if ours.median is None:
        return asked, "–", ours.note or "wrong gradient"
    rival = _rival(target, others)
    if target.rival and rival is None:
        return asked, "–", f"{target.rival} was not measured"
    if target.quantity == "extra memory":
        reached = (_taken(ours) - (_taken(rival) if rival else 0)) / (gates or 1)
        shown = ("+ " if reached >= 0 else "− ") + amount(abs(reached))
    else:
        reached = _quantity(target, ours) / (_quantity(target, rival) if rival else 1)
        shown = f"{reached:.2f} ×" if rival else seconds(reached)
        if rival and target.rival == "the best peer":
            shown += f" ({rival.peer})"
        if target.quantity == "first call":
            shown += f", with imports {_with_imports(ours, rival)}"
        if target.quantity == "memory" and rival:
            shown += f", with imports {ours.memory.whole / max(rival.memory.whole, 4096.0):.2f} ×"
    if isnan(reached):
        return asked, "–", "this system does not tell"
    return asked, shown, "met" if reached <= target.limit else "**missed**"


def _rival(target: Target, others: Sequence[Measurement]) -> Measurement | None:
    """Whom a target is about; None where there is nobody, or nobody that was measured."""
    measured = [other for other in others if other.median is not None]
    if target.rival != "the best peer":
        return next((other for other in measured if other.peer == target.rival), None)
    libraries = [other for other in measured if not other.peer.startswith(("by hand", "gatewise"))]
    return min(libraries, key=lambda other: other.median or 0.0, default=None)


def _quantity(target: Target, measurement: Measurement) -> float:
    quantities = {
        "time": measurement.median,
        "first call": measurement.first,
        # At least a page, so that nobody is compared with nothing.
        "memory": max(measurement.memory.resident, 4096.0),
    }
    found = quantities[target.quantity]
    return float("nan") if found is None else found


def _with_imports(ours: Measurement, rival: Measurement | None) -> str:
    times = [(m.imported or 0.0) + (m.first or 0.0) for m in (ours, rival) if m is not None]
    return f"{times[0] / times[1]:.2f} ×" if rival else seconds(times[0])


def _taken(measurement: Measurement) -> float:
    """The memory of a call, counted byte by byte where it can be."""
    memory = measurement.memory
    return memory.resident if memory.traced is None else memory.traced


def distance(measurement: Measurement, limits: Limits) -> str:
    """How far a compiled program is from what the machine can do."""
    work, time = measurement.work, measurement.median
    if work is None or time is None:
        return ""
    product, peak = ("sgemm", limits.sgemm) if work.single else ("dgemm", limits.dgemm)
    if max(work.moved / limits.triad, work.flops / peak) < limits.call:
        return f"call overhead: {limits.call / time:.2f} of it is a call that does nothing"
    moved, flops = work.moved / time, work.flops / time
    return (
        f"{moved / 1e9:.2g} GB/s, {moved / limits.triad:.2f} of triad; "
        f"{flops / 1e9:.2g} GFLOP/s, {flops / peak:.2f} of {product}"
    )


def summary(measured: Sequence[Measured], limits: Limits | None = None) -> str:
    """One line per target, and one for each row's distance from the limits of the machine."""
    lines = ["| row | | median | target | measured | |", "|---|---|--:|---|--:|---|"]
    for row, measurements in measured:
        for ours in measurements:
            if not ours.peer.startswith("gatewise") or ours.note.startswith("skipped"):
                continue
            own = [t for t in row.goals if (t.ours or ours.peer.replace(" compiled", "?")) == ours.peer]
            cells = [verdict(target, ours, measurements, getattr(row, "gates", 0)) for target in own]
            if limits is not None and (told := distance(ours, limits)):
                cells.append(("the machine", told, ""))
            for asked, reached, word in cells or [("–", "–", ours.note)]:
                lines.append(f"| {row.name} | {ours.peer} | {seconds(ours.median)} | {asked} | {reached} | {word} |")
    return "\n".join(lines)


def table(row: Row | ProcessRow, measurements: Sequence[Measurement]) -> str:
    """All peers of one row, fastest first, then those without a time and why."""
    ways = [m.median for m in measurements if m.peer.startswith("gatewise") and m.median is not None]
    ours = min(ways, default=None)
    gates = getattr(row, "gates", 0)
    lines = [
        f"### {row.name}: {row.title}\n",
        f"| | median |{' per gate |' if gates else ''} Gatewise is | first call | imports | peak memory | deviation |",
        f"|---|--:|{'--:|' if gates else ''}--:|--:|--:|--:|--:|",
    ]
    for m in sorted(measurements, key=lambda m: float("inf") if m.median is None else m.median):
        cells = [m.peer, seconds(m.median) + ("" if m.times or m.median is None else " ~")]
        if gates:
            cells.append(seconds(None if m.median is None else m.median / gates))
        cells += [_comparison(m, ours), seconds(m.first), seconds(m.imported), _peak(m)]
        cells.append("" if m.error is None else f"{m.error:.0e}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _comparison(measurement: Measurement, ours: float | None) -> str:
    if not measurement.agrees:
        return "**wrong value or gradient**"
    if measurement.median is None:
        return measurement.note
    if ours is None or measurement.peer.startswith("gatewise"):
        return ""
    ratio = measurement.median / ours
    return f"{ratio:.2f} × faster" if ratio >= 1 else f"**{1 / ratio:.2f} × slower**"


def _peak(measurement: Measurement) -> str:
    memory = measurement.memory
    if memory.traced is not None:
        return amount(memory.traced)
    if isnan(memory.resident):
        return "–"
    own = "" if isnan(memory.own) else f", own {amount(max(memory.own, 0.0))}"
    return f"{amount(memory.resident)} rss{own}"


def machine(limits: Limits | None = None) -> str:
    """Processor, threads, Python and versions, and what the machine was measured to reach."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        model = found[1] if found else model
    versions = dict.fromkeys(peer.version for peer in PEERS.values() if peer.installed)
    load = f", load average {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else ""
    text = (
        f"{model}, {os.cpu_count()} cores, {THREADS} threads each{load}; {platform.system()}, "
        f"{platform.python_implementation()} {platform.python_version()}; {', '.join(versions)}."
    )
    if limits is None:
        return text
    return (
        f"{text} Limits: triad {limits.triad / 1e9:.1f} GB/s, sgemm {limits.sgemm / 1e9:.0f} GFLOP/s, "
        f"dgemm {limits.dgemm / 1e9:.0f} GFLOP/s, a compiled call that does nothing {seconds(limits.call)}."
    )


def report(measured: Sequence[Measured], limits: Limits | None = None) -> str:
    """Machine, summary and all tables, in Markdown."""
    tables = [table(row, measurements) for row, measurements in measured]
    return "\n\n".join([machine(limits), summary(measured, limits), *tables])


def write(text: str, path: Path = README) -> None:
    """Replace what stands between the markers in `path`."""
    start, end = MARKERS
    before, _, rest = path.read_text(encoding="utf-8").partition(start)
    path.write_text(f"{before}{start}\n\n{text}\n\n{end}{rest.partition(end)[2]}", encoding="utf-8")
