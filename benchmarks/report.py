"""Tables of what was measured: every peer that was asked for, whether Gatewise wins or loses, and the targets."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from math import isnan
from pathlib import Path

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
    if target.quantity == "memory":
        asked = f"memory ≤ {target.rival} + {amount(target.limit)}" + (" a gate" if gates else "")
    else:
        asked = f"≤ {target.limit:g} × {target.rival}" if target.rival else f"≤ {seconds(target.limit)}"
    if ours.median is None:
        return asked, "–", ours.note or "wrong gradient"
    rival = next((other for other in others if other.peer == target.rival), None)
    if target.rival == "the best peer":
        peers = [
            o for o in others if o.median is not None and o.peer != "by hand" and not o.peer.startswith("gatewise")
        ]
        rival = min(peers, key=lambda other: other.median or 0.0, default=None)
    if target.rival and (rival is None or rival.median is None):
        return asked, "–", f"{target.rival} was not measured"
    if target.quantity == "memory":
        reached = (ours.peak - (rival.peak if rival else 0)) / (gates or 1)
        if isnan(reached):
            return asked, "–", "this system does not tell"
        shown = ("+ " if reached >= 0 else "− ") + amount(abs(reached))
    elif rival is not None and rival.median is not None:
        reached = ours.median / rival.median
        shown = f"{reached:.2f} ×" + (f" ({rival.peer})" if target.rival == "the best peer" else "")
    else:
        reached = ours.median
        shown = seconds(reached)
    return asked, shown, "met" if reached <= target.limit else "**missed**"


def summary(measured: Sequence[Measured]) -> str:
    """One line per target."""
    lines = ["| row | | median | target | measured | |", "|---|---|--:|---|--:|---|"]
    for row, measurements in measured:
        for ours in measurements:
            if not ours.peer.startswith("gatewise") or ours.note.startswith("skipped"):
                continue
            own = [t for t in row.targets if (t.ours or ours.peer.replace(" compiled", "?")) == ours.peer]
            for target in own or (None,):
                asked, reached, word = "–", "–", ours.note
                if target is not None:
                    asked, reached, word = verdict(target, ours, measurements, getattr(row, "gates", 0))
                lines.append(f"| {row.name} | {ours.peer} | {seconds(ours.median)} | {asked} | {reached} | {word} |")
    return "\n".join(lines)


def table(row: Row | ProcessRow, measurements: Sequence[Measurement]) -> str:
    """All peers of one row, fastest first, then those without a time and why."""
    ways = [m.median for m in measurements if m.peer.startswith("gatewise") and m.median is not None]
    ours = min(ways, default=None)
    gates = getattr(row, "gates", 0)
    lines = [
        f"### {row.name}: {row.title}\n",
        f"| | median |{' per gate |' if gates else ''} Gatewise is | first call | peak memory | deviation |",
        f"|---|--:|{'--:|' if gates else ''}--:|--:|--:|--:|",
    ]
    for m in sorted(measurements, key=lambda m: float("inf") if m.median is None else m.median):
        cells = [m.peer, seconds(m.median) + ("" if m.times or m.median is None else " ~")]
        if gates:
            cells.append(seconds(None if m.median is None else m.median / gates))
        cells += [_comparison(m, ours), seconds(m.first), _peak(row, m), "" if m.error is None else f"{m.error:.0e}"]
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


def _peak(row: Row | ProcessRow, measurement: Measurement) -> str:
    exact = getattr(row, "traced", False) and measurement.peer in PEERS and PEERS[measurement.peer].traced
    return amount(measurement.peak) + ("" if exact or isnan(measurement.peak) else " rss")


def machine() -> str:
    """Processor, threads, Python and versions."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        model = found[1] if found else model
    versions = dict.fromkeys(peer.version for peer in PEERS.values() if peer.installed)
    load = f", load average {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else ""
    return (
        f"{model}, {os.cpu_count()} cores, {THREADS} threads each{load}; {platform.system()}, "
        f"{platform.python_implementation()} {platform.python_version()}; {', '.join(versions)}."
    )


def report(measured: Sequence[Measured]) -> str:
    """Machine, summary and all tables, in Markdown."""
    return "\n\n".join([machine(), summary(measured), *(table(row, measurements) for row, measurements in measured)])


def write(text: str, path: Path = README) -> None:
    """Replace what stands between the markers in `path`."""
    start, end = MARKERS
    before, _, rest = path.read_text(encoding="utf-8").partition(start)
    path.write_text(f"{before}{start}\n\n{text}\n\n{end}{rest.partition(end)[2]}", encoding="utf-8")
