"""What a page asks of recordings, as plain data: all runs, and of one run what is new.

JSON has no NaN: None stands where there is no finite number.
"""

from __future__ import annotations

import base64
import json
import math
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gatewise.errors import InputError
from gatewise.runs.file import VERSION, open_to_read

RUN = "SELECT identifier, name, settings, state, reason, started, updated, step, stride FROM runs"


def all_runs(paths: Sequence[Path]) -> dict[str, Any]:
    """Every run of some recordings, with the last value of each metric."""
    runs = []
    for place, path in enumerate(paths):
        with open_to_read(path) as connection:
            for row in connection.execute(f"{RUN} ORDER BY identifier").fetchall():
                runs.append(_summary(connection, row, place, path))
    return {"format": "gatewise-runs", "version": VERSION, "now": time.time(), "runs": runs}


def one_run(paths: Sequence[Path], identifier: str, since: int = -1, stride: int = 0) -> dict[str, Any]:
    """One run: the buckets, images and circuit that are newer than step ``since``.

    Everything is sent where ``stride``, that of the buckets the asker has, is no longer the run's. ``identifier`` is
    the one that `all_runs` gives.

    Raises:
        InputError: There is no such run.
    """
    path, number = _place(paths, identifier)
    with open_to_read(path) as connection:
        row = connection.execute(f"{RUN} WHERE identifier = ?", (number,)).fetchone()
        if row is None:
            raise InputError(f"there is no run {identifier}")
        summary = _summary(connection, row, identifier.partition(".")[0], path)
        if stride != summary["stride"]:
            since = -1
        return summary | {
            "since": since,
            "series": _series(connection, number, since),
            "images": _images(connection, number, since),
            "circuit": _circuit(connection, number, since),
        }


def _place(paths: Sequence[Path], identifier: str) -> tuple[Path, int]:
    file, _, number = identifier.partition(".")
    if not (file.isascii() and file.isdigit() and number.isascii() and number.isdigit() and len(identifier) < 20):
        raise InputError(f"there is no run {identifier!r:.40}")
    if int(file) >= len(paths):
        raise InputError(f"there is no run {identifier}")
    return paths[int(file)], int(number)


def _summary(connection: sqlite3.Connection, row: Sequence[Any], place: Any, path: Path) -> dict[str, Any]:
    number, name, settings, state, reason, started, updated, step, stride = row
    latest = connection.execute("SELECT name, latest FROM series WHERE run = ? AND kind = 'metric'", (number,))
    return {
        "identifier": f"{place}.{number}",
        "file": path.name,
        "name": name,
        "settings": json.loads(settings),
        "state": state,
        "reason": reason,
        "started": started,
        "updated": updated,
        "step": step,
        "stride": stride,
        "latest": {name: _number(value) for name, value in latest},
    }


def _number(value: float | None) -> float | str:
    """A number as scenes write it: ``"nan"``, ``"inf"`` and ``"-inf"`` in words."""
    if value is None:
        return "nan"
    return value if math.isfinite(value) else f"{value}"


def _series(connection: sqlite3.Connection, run: int, since: int) -> list[dict[str, Any]]:
    points: dict[int, list[list[Any]]] = {}
    found = connection.execute(
        "SELECT series, bucket, step, count, broken, mean, low, high FROM points WHERE run = ? AND step > ?"
        " ORDER BY series, bucket",
        (run, since),
    )
    for place, *point in found:
        points.setdefault(place, []).append(point)
    rows = connection.execute("SELECT identifier, kind, name, latest FROM series WHERE run = ? ORDER BY 1", (run,))
    return [
        {"kind": kind, "name": name, "latest": _number(latest), "points": points.get(place, [])}
        for place, kind, name, latest in rows
    ]


def _images(connection: sqlite3.Connection, run: int, since: int) -> list[dict[str, Any]]:
    rows = connection.execute(
        "SELECT name, step, shape, tiles, height, width, low, high, cells FROM images WHERE run = ? AND step > ?",
        (run, since),
    )
    names = ("name", "step", "shape", "tiles", "height", "width", "low", "high", "cells")
    images = [dict(zip(names, row, strict=True)) for row in rows]
    for image in images:
        image["shape"] = json.loads(image["shape"])
        image["cells"] = base64.b64encode(image["cells"]).decode()
    return images


def _circuit(connection: sqlite3.Connection, run: int, since: int) -> dict[str, Any] | None:
    row = connection.execute("SELECT step, scene FROM circuits WHERE run = ? AND step > ?", (run, since)).fetchone()
    if row is None:
        return None
    return {"step": row[0], "scene": json.loads(row[1])}
