"""`live`: a training loop reports its steps here, and they are recorded without getting in its way.

Numbers are kept at every step. What costs time (norms, images, circuits, commits) is done as often as a small share of
the training's time allows. What was committed survives whatever happens to the program afterwards.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatewise import tree
from gatewise.errors import InputError
from gatewise.graph import Tracked
from gatewise.runs.file import open_to_write
from gatewise.runs.history import MOST_BUCKETS, History
from gatewise.runs.images import image_of

SHARE = 0.02  # of the time that passes, for what can wait
COMMIT_SECONDS = 0.5
CIRCUIT_SECONDS = 5.0
DRAWN_NODES = 400
SAMPLED = 2**20  # update:weight of a larger parameter is measured on this many of its entries


def live(
    path: str | os.PathLike[str],
    name: str = "",
    *,
    settings: Mapping[str, Any] | None = None,
    every: int | None = None,
) -> Run:
    """Record a training into a file, to be watched with ``gatewise live`` while it runs and afterwards.

    A file may hold many runs, and several programs may record into one at once.

    Args:
        path: The file; it is made where there is none, and a run is added to one that is there.
        name: What the run is called in the page's legend, such as ``"lr 0.1"``.
        settings: Numbers and words to be shown with it, such as ``{"rate": 0.1}``.
        every: Measure parameters and gradients at every so many steps; when left out, as often as 2 % of the time
            allow.

    Raises:
        InputError: The folder does not exist, the file is something else or cannot be written, or `every` is below 1.

    Example:
        >>> import gatewise as gw
        >>> W = np.ones((2, 2))
        >>> with gw.live(getfixture("tmp_path") / "run.sqlite", name="rate 0.1") as run:
        ...     for _ in range(10):
        ...         loss, gradient = gw.value_and_grad(lambda W: gw.sum(W * W))(W)
        ...         W = W - 0.1 * gradient
        ...         run.step(loss=loss, parameters={"W": W}, gradients={"W": gradient})
        >>> run.last_step
        9
    """
    return Run(Path(path), name, settings or {}, every)


class Run:
    """One training that is being recorded: report its steps, and leave the ``with`` block, or `close`, at the end."""

    def __init__(self, path: Path, name: str, settings: Mapping[str, Any], every: int | None) -> None:
        if every is not None and every < 1:
            raise InputError(f"every is a number of steps, 1 or more; got {every}")
        try:
            noted = json.dumps(dict(settings), default=_plain)
        except (TypeError, ValueError) as error:
            raise InputError(f"the settings of a run are numbers and words: {error}") from None
        self.path = path
        self.name = name or "run"
        self._writer = _Writer(path, self.name, noted, every)
        # A program that ends without closing its run keeps what it reported
        self._end = weakref.finalize(self, self._writer.end, "stopped", "the program ended without closing the run")

    @property
    def last_step(self) -> int:
        """The number of the last step; -1 before the first."""
        return self._writer.step

    @property
    def failure(self) -> str:
        """Why no more is recorded, where the file could not be written; else nothing."""
        return self._writer.failure

    def step(
        self,
        *,
        number: int | None = None,
        parameters: Any = None,
        gradients: Any = None,
        images: Mapping[str, Any] | None = None,
        circuit: Any = None,
        **metrics: Any,
    ) -> None:
        """Report one step.

        Args:
            number: Its number; when left out, the next. The last one's number adds to the last one.
            parameters: Arrays by name, after the step, nested as you like: norms, update:weight and images are kept.
            gradients: Gradients by the same names: their norms are kept.
            images: Other arrays by name, to be shown as images: of the last two axes, others one tile after another.
            circuit: A `Circuit`, or a function that makes one, which is called every few seconds only.
            **metrics: Numbers of any name, ``loss=0.3, accuracy=0.9, validation_loss=0.4``; None for one not measured.

        Raises:
            InputError: A metric is no number, or a step comes before the last one.
        """
        with self._writer.lock:
            self._writer.report(number, metrics, parameters, gradients, images, circuit)

    def close(self) -> None:
        """Commit what is left; the run is finished."""
        self._finish("finished", "")

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        elif issubclass(kind, KeyboardInterrupt):
            self._finish("stopped", "interrupted")
        else:
            self._finish("failed", f"{kind.__name__}: {error}"[:500])

    def _finish(self, state: str, reason: str) -> None:
        if self._end.detach() is not None:
            self._writer.end(state, reason)

    def __repr__(self) -> str:
        return f"<run {self.name!r} in {self.path}: {self.last_step + 1} steps>"


class _Writer:
    """What a run keeps in memory, and how it reaches the file."""

    def __init__(self, path: Path, name: str, settings: str, every: int | None) -> None:
        self.lock = threading.RLock()
        self.path = path
        self.every = every
        self.step = -1
        self.failure = ""
        self.ended = False
        self.stride = 1
        self.stride_in_file = 1
        self.series: dict[tuple[str, str], History] = {}
        self.in_file: set[tuple[str, str]] = set()
        self.before: dict[str, NDArray[Any]] = {}
        self.parameters: Any = None
        self.images: Mapping[str, Any] = {}
        self.circuit: Any = None
        self.measuring = self.committing = 0.0  # seconds spent
        self.began = self.committed = time.monotonic()
        self.next_circuit = 0.0
        self.connection = open_to_write(path)
        now = time.time()
        row = (name, settings, "running", now, now, -1, 1)
        cursor = self.connection.execute(
            "INSERT INTO runs (name, settings, state, started, updated, step, stride) VALUES (?, ?, ?, ?, ?, ?, ?)", row
        )
        self.run = cursor.lastrowid

    def report(
        self,
        number: int | None,
        metrics: Mapping[str, Any],
        parameters: Any,
        gradients: Any,
        images: Mapping[str, Any] | None,
        circuit: Any,
    ) -> None:
        if self.ended:
            raise InputError(f"the run in {self.path} is closed: report its steps inside the with block")
        step = self.step + 1 if number is None else int(number)
        if step < self.step:
            raise InputError(f"step {step} is reported after step {self.step}: steps are numbered upwards")
        numbers = [(name, _number(name, value)) for name, value in metrics.items() if value is not None]
        self.step = step
        while step // self.stride >= MOST_BUCKETS:
            self.stride *= 2
            for history in self.series.values():
                history.double()
        for name, value in numbers:
            self.add("metric", name, value)
        now = time.monotonic()
        if parameters is not None or gradients is not None:
            if self.before or self._is_due(step, now):
                self._measure(step, parameters, gradients)
                self.measuring += time.monotonic() - now
            self.parameters = parameters
        if images is not None:
            self.images = images
        if circuit is not None:
            self.circuit = circuit
        if now - self.committed >= COMMIT_SECONDS and self.committing <= SHARE * (now - self.began):
            self.commit()

    def add(self, kind: str, name: str, value: float) -> None:
        history = self.series.get((kind, name))
        if history is None:
            self.series[kind, name] = history = History()
        history.add(self.step, value, self.stride)

    def _is_due(self, step: int, now: float) -> bool:
        if self.every is not None:
            return step % self.every == 0
        return self.measuring <= SHARE * (now - self.began)

    def _measure(self, step: int, parameters: Any, gradients: Any) -> None:
        """Norms; update:weight needs two steps in a row, of which the first leaves a copy for the second."""
        for name, gradient in _named(gradients):
            self.add("gradient", name, _norm(gradient))
        before, self.before = self.before, {}
        again = self.every == 1 or not before
        for name, parameter in _named(parameters):
            weight = _norm(parameter)
            self.add("weight", name, weight)
            sample = _sample(parameter)
            old = before.get(name)
            if old is not None and old.shape == sample.shape:
                with np.errstate(all="ignore"):
                    moved, size = _norm(sample - old), _norm(old)
                    self.add("ratio", name, moved / size if size else math.inf if moved else 0.0)
            if again:
                self.before[name] = sample.copy()

    # --- into the file ------------------------------------------------------------------------------------------------

    def commit(self, state: str = "running", reason: str = "") -> None:
        """Write what has changed; where that cannot be done, say so once, and let the training go on."""
        if self.failure:
            return
        start = time.monotonic()
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                self._write(state, reason, start)
                self.connection.execute("COMMIT")
            except BaseException:
                self.connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            self.failure = str(error)
            warnings.warn(f"{self.path} is recorded no further: {error}. The training goes on.", stacklevel=4)
            return
        for history in self.series.values():
            history.changed = len(history.buckets)
        self.in_file = set(self.series)
        self.stride_in_file = self.stride
        self.committed = time.monotonic()
        self.committing += self.committed - start

    def _write(self, state: str, reason: str, now: float) -> None:
        execute, run = self.connection.execute, self.run
        values = (state, reason, time.time(), self.step, self.stride, run)
        execute("UPDATE runs SET state = ?, reason = ?, updated = ?, step = ?, stride = ? WHERE identifier = ?", values)
        if self.stride != self.stride_in_file:
            execute("DELETE FROM points WHERE run = ?", (run,))
        for place, ((kind, name), history) in enumerate(self.series.items()):
            latest = None if math.isnan(history.latest) else history.latest
            if (kind, name) in self.in_file:
                execute("UPDATE series SET latest = ? WHERE run = ? AND identifier = ?", (latest, run, place))
            else:
                execute("INSERT INTO series VALUES (?, ?, ?, ?, ?)", (run, place, kind, name, latest))
            rows = (
                (run, place, b.number, b.step, b.count, b.broken, *_extent(b.count > b.broken, b.mean, b.low, b.high))
                for b in history.buckets[history.changed :]
            )
            self.connection.executemany("INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        for name, array in (*_named(self.parameters), *_named(self.images)):
            image = image_of(array) if array.dtype.kind in "biuf" else None
            if image is not None:
                shape = json.dumps(image.shape)
                sizes = (image.tiles, image.height, image.width, image.low, image.high, image.cells)
                row = (run, name, self.step, shape, *sizes)
                execute("INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        self.parameters, self.images = None, {}
        if self.circuit is not None and (now >= self.next_circuit or state != "running"):
            scene = _scene(self.circuit)
            execute("INSERT OR REPLACE INTO circuits VALUES (?, ?, ?)", (run, self.step, scene))
            self.circuit = None
            self.next_circuit = now + max(CIRCUIT_SECONDS, (time.monotonic() - now) / SHARE)

    def end(self, state: str, reason: str) -> None:
        with self.lock:
            if self.ended:
                return
            self.ended = True
            self.commit(state, reason)
            self.connection.close()


def _extent(known: bool, *numbers: float) -> tuple[float | None, ...]:
    return numbers if known else (None,) * len(numbers)


def _number(name: str, value: Any) -> float:
    if isinstance(value, float | int):
        return float(value)
    array = _array(value)
    if array is None or array.size != 1 or array.dtype.kind not in "biuf":
        found = f"an array of shape {array.shape}" if array is not None and array.shape else f"{value!r:.60}"
        raise InputError(f"{name} is {found}: a metric is one real number")
    return float(array.reshape(()))


def _array(value: Any) -> NDArray[Any] | None:
    """The value as a NumPy array, wherever it lives; None where it is none."""
    if isinstance(value, Tracked):
        value = value.value
    for move in ("detach", "cpu", "get"):  # PyTorch keeps a graph and a device, CuPy a device
        if not isinstance(value, np.ndarray | np.generic) and hasattr(value, move) and hasattr(value, "shape"):
            value = getattr(value, move)()
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError):
        return None
    return array if array.dtype.kind in "biufc" else None


def _named(arrays: Any) -> Iterator[tuple[str, NDArray[Any]]]:
    """The arrays by name; nested ones by their path, ``layers[0].W``."""
    if arrays is None:
        return
    if not isinstance(arrays, Mapping):
        arrays = {"": arrays}
    for name, value in arrays.items():
        for leaf, path in zip(tree.flatten(value)[0], tree.names(value, str(name)), strict=True):
            array = _array(leaf)
            if array is not None:
                yield path or "parameters", array


def _norm(array: NDArray[Any]) -> float:
    """The Euclidean norm, of small and large numbers, too."""
    with np.errstate(all="ignore"):
        flat = array.ravel()
        norm = float(np.linalg.norm(flat if flat.dtype.kind in "fc" else flat.astype(np.float64)))
        if math.isinf(norm) and np.isfinite(flat).all():
            largest = float(np.abs(flat).max())
            norm = float(np.linalg.norm(flat.astype(np.result_type(flat, np.float64)) / largest) * largest)
    return norm


def _sample(array: NDArray[Any]) -> NDArray[Any]:
    """All entries, or of many every so many."""
    flat = array.ravel()
    return flat[:: -(-flat.size // SAMPLED)] if flat.size > SAMPLED else flat


def _scene(circuit: Any) -> str:
    """The JSON of a circuit, of a scene, or of what a function returns."""
    from gatewise.picture.scene import Scene, scene_of
    from gatewise.recording import Recording

    if isinstance(circuit, Callable) and not isinstance(circuit, Recording | Scene):  # type: ignore[arg-type]
        circuit = circuit()
    if isinstance(circuit, Recording):
        circuit = scene_of(circuit, DRAWN_NODES)
    if not isinstance(circuit, Scene):
        raise InputError(f"circuit is a {type(circuit).__name__}: give what gw.trace returns, or a function that does")
    return circuit.to_json()


def _plain(value: Any) -> Any:
    """A setting that JSON does not know: a NumPy number as a number, anything else as text."""
    array = _array(value)
    return array.item() if array is not None and array.size == 1 else str(value)[:200]
