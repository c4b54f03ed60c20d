"""The rows: what is computed, by which formula the gradient is known, and what Gatewise has to reach.

An objective is written once, against a NumPy-like namespace `xp`, and every peer gets it; where a library is used
differently by those who know it, `instead` holds the form they would write.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from derivatives import WAYS
from models import model_rows
from peers import PEERS, Objective

#: Parameters to differentiate by, and constants.
Arguments = tuple[tuple[Any, ...], tuple[Any, ...]]


@dataclass(frozen=True)
class Target:
    """What Gatewise has to reach.

    For time, the first call and memory, `limit` is a factor on what the `rival` takes ("the best peer" is the quickest
    library that is not ours), or seconds when there is no rival. For extra memory it is bytes beyond the rival's peak,
    per gate where the row counts gates. `ours` is the way of using Gatewise that has to reach it; left out, every way
    but compiled.
    """

    limit: float
    rival: str = ""
    quantity: Literal["time", "first call", "memory", "extra memory"] = "time"
    ours: str = ""


@dataclass(frozen=True)
class Row:
    """One computation that all peers do: value and gradients, or what the objectives return that take derivatives."""

    name: str
    title: str
    arguments: Callable[[], Arguments]
    objective: Objective | None
    by_hand: Objective | None
    instead: Mapping[str, Objective] = field(default_factory=dict)
    skip: Mapping[str, str] = field(default_factory=dict)
    targets: tuple[Target, ...] = ()
    gates: int = 0  # to print the time per gate
    tolerance: float = 1e-9
    checked_on: Callable[[], Arguments] | None = None  # other arguments for the check of value and gradients
    themselves: bool = False  # objectives take the derivative themselves, so all but those by hand are in `instead`
    first_call: float = 1.0  # seconds in which compiled code has to be there
    traced: bool = False  # peak memory is counted by tracemalloc where it can be, else from the resident set
    once: bool = False  # too long to repeat: the first call is all there is

    @property
    def goals(self) -> tuple[Target, ...]:
        """Its targets, and those that compiled code has in every row."""
        return (
            *self.targets,
            Target(0.5, "jax jit", "first call", ours=COMPILED),
            Target(self.first_call, "", "first call", ours=COMPILED),
            Target(1.0, "the best peer", "memory", ours=COMPILED),
        )


def objective_of(row: Row, peer: str) -> Objective | None:
    """What a peer is handed in a row; None if nobody has written it."""
    if peer in row.instead:
        return row.instead[peer]
    if peer == "by hand":
        return row.by_hand
    return None if row.themselves or peer.startswith("by hand") else row.objective


@dataclass(frozen=True)
class ProcessRow:
    """Commands that are timed as whole processes."""

    name: str
    title: str
    commands: Mapping[str, list[str]]
    targets: tuple[Target, ...] = ()
    printed: bool = False  # each command prints its time itself; else it is the wall time of the process

    @property
    def goals(self) -> tuple[Target, ...]:
        """Its targets."""
        return self.targets


SCALARS_ONLY = {"micrograd": "scalars only", "casadi": "scalars only here"}
NO_NUMBERS = {"tinygrad": "arrays only"}
COMPILED = "gatewise compiled"


# ------------------------------------------------------------------------------------------- cost per gate, on arrays


def four_numbers() -> Arguments:
    return (np.linspace(0.5, 1, 4, dtype=np.float32), np.linspace(0.9, 1.2, 4, dtype=np.float32)), ()


def adds(xp: Any, x: Any, v: Any) -> Any:
    for _ in range(99):
        x = x + v
    return xp.sum(x)


def adds_by_hand(x: Any, v: Any) -> Any:
    for _ in range(99):
        x = x + v
    g = np.ones_like(x)
    gradient_v = np.zeros_like(v)
    for _ in range(99):
        gradient_v = gradient_v + g
    return x.sum(), (g, gradient_v)


def mixed(xp: Any, x: Any, v: Any) -> Any:
    for _ in range(33):
        x = xp.tanh(x * v + v)
    return xp.sum(x)


def mixed_by_hand(x: Any, v: Any) -> Any:
    inputs = []
    for _ in range(33):
        inputs.append(x)
        x = np.tanh(x * v + v)
    outputs = [*inputs[1:], x]
    g = np.ones_like(x)
    gradient_v = np.zeros_like(v)
    for before, after in zip(reversed(inputs), reversed(outputs), strict=True):
        g = g * (1 - after * after)
        gradient_v = gradient_v + g + g * before
        g = g * v
    return x.sum(), (g, gradient_v)


# ------------------------------------------------------------------------------------------------------------ scalars


def scalar_chain(xp: Any, x: Any, v: Any) -> Any:
    for _ in range(50):
        x = x * v
        x = x + v
    return x


def scalar_chain_by_hand(x: Any, v: Any) -> Any:
    inputs = []
    for _ in range(50):
        inputs.append(x)
        x = x * v + v
    g, gradient_v = 1.0, 0.0
    for before in reversed(inputs):
        gradient_v += g * before + g
        g *= v
    return x, (g, gradient_v)


def circuit(xp: Any, x: Any, y: Any, z: Any) -> Any:
    return (x + y) * z


def circuit_by_hand(x: float, y: float, z: float) -> Any:
    q = x + y
    return q * z, (z, z, q)


def neuron(xp: Any, w0: Any, x0: Any, w1: Any, x1: Any, w2: Any) -> Any:
    return 1.0 / (1.0 + xp.exp(-(w0 * x0 + w1 * x1 + w2)))


def neuron_by_hand(w0: float, x0: float, w1: float, x1: float, w2: float) -> Any:
    f = 1.0 / (1.0 + math.exp(-(w0 * x0 + w1 * x1 + w2)))
    g = (1.0 - f) * f
    return f, (g * x0, g * w0, g * x1, g * w1, g)


# ---------------------------------------------------------------------------------------------- multiclass hinge loss

REGULARISATION = 1e-3


def svm_arguments(batch: int) -> Callable[[], Arguments]:
    def arguments() -> Arguments:
        random = np.random.default_rng(0)
        X = random.standard_normal((batch, 3073), dtype=np.float32)
        W = random.standard_normal((3073, 10), dtype=np.float32) * np.float32(0.01)
        return (W,), (X, random.integers(0, 10, batch))

    return arguments


def svm(xp: Any, W: Any, X: Any, y: Any) -> Any:
    number = len(X)
    scores = X @ W
    margins = xp.maximum(scores - scores[np.arange(number), y][:, None] + 1.0, 0.0)
    return (xp.sum(margins) - number) / number + REGULARISATION * xp.sum(W * W)


def svm_with_methods(xp: Any, W: Any, X: Any, y: Any) -> Any:
    number = len(X)
    scores = X @ W
    margins = (scores - scores.gather(1, y[:, None]) + 1.0).relu()
    return (margins.sum() - number) / number + REGULARISATION * (W * W).sum()


def svm_by_hand(W: Any, X: Any, y: Any) -> Any:
    number = len(X)
    rows = np.arange(number)
    scores = X @ W
    margins = np.maximum(scores - scores[rows, y][:, None] + 1, 0)
    margins[rows, y] = 0
    value = margins.sum() / number + REGULARISATION * (W * W).sum()
    upstream = (margins > 0).astype(np.float32)
    upstream[rows, y] = -upstream.sum(axis=1)
    return value, (X.T @ upstream / np.float32(number) + np.float32(2 * REGULARISATION) * W,)


def svm_row(batch: int, limit: float) -> Row:
    scores = batch * 10 * 4  # bytes
    return Row(
        f"svm-{batch}", f"SVM, {batch} × 3073 × 10, float32", svm_arguments(batch), svm, svm_by_hand,
        instead=dict.fromkeys(("torch eager", "torch.compile", "tinygrad"), svm_with_methods),
        skip=SCALARS_ONLY, tolerance=2e-4, traced=True,
        targets=(Target(1.15, "by hand"), Target(scores, "by hand", "extra memory"), compiled(limit)),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------- deep circuits


def deep_arguments(steps: int) -> Callable[[], Arguments]:
    return lambda: ((0.3,), (steps,))


def deep(xp: Any, x: Any, steps: int) -> Any:
    for _ in range(steps):
        x = xp.sin(x) + x / 2
    return x


def deep_scan(xp: Any, x: Any, steps: int) -> Any:
    from jax.lax import scan

    return scan(lambda x, _: (xp.sin(x) + x / 2, None), x, None, length=steps)[0]


def deep_scan_compiled(xp: Any, x: Any, steps: int) -> Any:
    import gatewise as gw

    return gw.scan(lambda x, _: (np.sin(x) + x / 2, None), x, None, length=steps)[0]


def deep_by_hand(x: float, steps: int) -> Any:
    inputs = []
    for _ in range(steps):
        inputs.append(x)
        x = math.sin(x) + x / 2
    g = 1.0
    for before in reversed(inputs):
        g *= math.cos(before) + 0.5
    return x, (g,)


SHORT_CHAIN = deep_arguments(100)  # of the long one the gradient is 0: every step multiplies it by 0.18
UNROLLS = "unrolls the loop: takes minutes to compile"
TOO_LONG = "takes about a minute; see the row with 10⁵ gates"
TEN_SECONDS = "takes ten seconds a call; see the row with 10⁵ gates"


# ------------------------------------------------------------------------------------------------------ recomputation


CHAIN, PIECE = 10_000, 100


def held() -> Arguments:
    return (np.linspace(0.1, 1.0, 1000),), ()


def long_chain(xp: Any, x: Any) -> Any:
    for _ in range(CHAIN):
        x = xp.sin(x) + 0.05
    return xp.sum(x)


def long_chain_in_pieces(xp: Any, x: Any) -> Any:
    import gatewise as gw

    def piece(x: Any) -> Any:
        for _ in range(PIECE):
            x = xp.sin(x) + 0.05
        return x

    checkpointed = gw.checkpoint(piece)
    for _ in range(CHAIN // PIECE):
        x = checkpointed(x)
    return xp.sum(x)


def long_chain_by_hand(x: Any) -> Any:
    starts = []
    for _ in range(CHAIN // PIECE):
        starts.append(x)
        for _ in range(PIECE):
            x = np.sin(x) + 0.05
    value, g = np.sum(x), np.ones_like(x)
    for start in reversed(starts):
        inside = [start]
        for _ in range(PIECE - 1):
            inside.append(np.sin(inside[-1]) + 0.05)
        for before in reversed(inside):
            g = g * np.cos(before)
    return value, (g,)


# -------------------------------------------------------------------------------------------------------------- all


def derivatives(row: str) -> dict[str, list[str]]:
    script = str(Path(__file__).with_name("derivatives.py"))
    return {way: [sys.executable, script, row, way] for way in WAYS[row][0]}


def importing(module: str) -> list[str]:
    code = f"from time import perf_counter as clock; start = clock(); import {module}; print(clock() - start)"
    return [sys.executable, "-c", code]


def compiled(limit: float) -> Target:
    """What compiled code has to reach: a factor on the quickest peer of the same run."""
    return Target(limit, "the best peer", ours=COMPILED)


#: Every row by name, in the order of the tables.
ROWS: dict[str, Row | ProcessRow] = {
    row.name: row
    for row in (
        Row(
            "adds", "100 gates on 4 float32: 99 adds, a sum", four_numbers, adds, adds_by_hand, gates=100,
            skip=SCALARS_ONLY, tolerance=1e-5, targets=(Target(0.75, "torch eager"), compiled(0.2)),
        ),
        Row(
            "mixed", "100 gates on 4 float32: 33 × (multiply, add, tanh), a sum", four_numbers, mixed, mixed_by_hand,
            gates=100, skip=SCALARS_ONLY | {"tinygrad": "takes minutes to compile"}, tolerance=1e-4,
            targets=(Target(0.75, "torch eager"),),
        ),
        Row(
            "scalars", "100 gates on scalars: 50 × (multiply, add)", lambda: ((1.0, 0.99), ()), scalar_chain,
            scalar_chain_by_hand, gates=100, skip=NO_NUMBERS, targets=(Target(1.5, "micrograd"),),
        ),
        Row(
            "circuit", "(x + y) z, three numbers", lambda: ((-2.0, 5.0, -4.0), ()), circuit, circuit_by_hand,
            skip=NO_NUMBERS, targets=(compiled(0.6),),
        ),
        Row(
            "neuron", "sigmoid neuron, 5 inputs", lambda: ((2.0, -1.0, -3.0, -2.0, -3.0), ()), neuron, neuron_by_hand,
            skip=NO_NUMBERS, targets=(Target(1.5, "micrograd"), compiled(0.6)),
        ),
        svm_row(200, 0.7),
        svm_row(5000, 0.4),
        *model_rows(Row, compiled),
        Row(
            "deep", "10⁵ gates deep: x ← sin(x) + x / 2", deep_arguments(33_333), deep, deep_by_hand,
            gates=100_000, checked_on=SHORT_CHAIN,
            instead={"jax jit": deep_scan, "gatewise compiled": deep_scan_compiled},
            skip=NO_NUMBERS | {"jax": "see jax jit", "torch.compile": UNROLLS}, targets=(compiled(0.9),),
        ),
        Row(
            "loop", "10⁵ steps of a plain Python loop: x ← sin(x) + x / 2", deep_arguments(100_000), deep, deep_by_hand,
            checked_on=SHORT_CHAIN, instead={"jax jit": deep_scan}, first_call=10.0,
            skip=NO_NUMBERS | dict.fromkeys(("autograd", "mygrad"), TEN_SECONDS)
            | {"jax": "see jax jit", "torch.compile": UNROLLS},
            targets=(compiled(0.9),),
        ),
        Row(
            "million", "10⁶ gates deep, once: forward, backward, freed", deep_arguments(333_333), deep, deep_by_hand,
            gates=1_000_000, checked_on=SHORT_CHAIN, once=True,
            instead={"jax jit": deep_scan, "gatewise compiled": deep_scan_compiled},
            skip=NO_NUMBERS | dict.fromkeys(("casadi", "autograd", "mygrad"), TOO_LONG)
            | {"torch.compile": UNROLLS, "jax": "see jax jit"},
            targets=(Target(400, "by hand", "extra memory"),),
        ),
        Row(
            "checkpoint", "10⁴ steps on 1000 float64 in checkpoints of 100", held, long_chain, long_chain_by_hand,
            instead={"gatewise": long_chain_in_pieces}, traced=True,
            skip=dict.fromkeys([name for name in PEERS if name not in ("by hand", "gatewise")], "keeps every step"),
            targets=(Target(1 << 20, "by hand", "extra memory"),),
        ),
        ProcessRow(
            "per-example", "gradients per example: 10⁴ examples, 100 parameters", derivatives("per-example"),
            printed=True,
            targets=(Target(1.5, "jax jit"), Target(1.5, "jax jit", ours="gatewise compiled")),
        ),
        ProcessRow(
            "tridiagonal", "Jacobian of 10⁵ × 10⁵, tridiagonal, in evaluations of the function",
            derivatives("tridiagonal"), printed=True, targets=(Target(10, "the function", ours="gatewise"),),
        ),
        ProcessRow(
            "import", "import time", {peer.module: importing(peer.module) for peer in PEERS.values()},
            printed=True, targets=(Target(1.5, "numpy"),),
        ),
        ProcessRow(
            "show", 'gatewise show "(x+y)*z" x=-2 y=5 z=-4', {
                "gatewise": [sys.executable, "-c", "from gatewise.cli import main; main()",
                             "show", "(x+y)*z", "x=-2", "y=5", "z=-4"],
            }, targets=(Target(0.5),),
        ),
    )
}  # fmt: skip
