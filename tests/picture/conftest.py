"""Circuits to draw, made by hand to the contract that pictures build on, so that these tests need no engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from gatewise.picture.scene import Scene, SceneEdge, SceneNode
from gatewise.source import Where


@dataclass(frozen=True)
class Entry:
    index: int
    name: str | None
    gate: SimpleNamespace
    operands: tuple[int | None, ...] = ()
    constants: tuple[object, ...] = ()
    operand_names: tuple[str, ...] = ()
    value: object = 0.0
    gradient: object = None
    parts: tuple[object, ...] = ()
    local: tuple[object, ...] = ()
    where: Where | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.value)


def leaf(index: int, name: str | None, value: object, gradient: object = None) -> Entry:
    return Entry(index, name, SimpleNamespace(name="input", symbol="", story=""), value=value, gradient=gradient)


def gate(
    index: int, kind: str, symbol: str, operands: Sequence[object], value: object, gradient: object = None, **more
) -> Entry:
    """A gate's entry; an operand is an index, or a constant wrapped in a list."""
    entry = Entry(
        index=index,
        name=None,
        gate=SimpleNamespace(name=kind, symbol=symbol, story=f"the story of {kind}"),
        operands=tuple(operand if isinstance(operand, int) else None for operand in operands),
        constants=tuple(operand[0] if isinstance(operand, list) else None for operand in operands),
        operand_names=("x", "y", "z")[: len(operands)],
        value=value,
        gradient=gradient,
        where=Where("notes.py", 3, text="f = (x + y) * z"),
    )
    return replace(entry, **more)


def circuit(*entries: Entry, outputs: tuple[int, ...] | None = None) -> SimpleNamespace:
    return SimpleNamespace(entries=entries, outputs=(len(entries) - 1,) if outputs is None else outputs)


@pytest.fixture
def notes_circuit() -> SimpleNamespace:
    """(x + y) * z, with the numbers of the CS231n notes."""
    return circuit(
        leaf(0, "x", -2.0, -4.0),
        leaf(1, "y", 5.0, -4.0),
        leaf(2, "z", -4.0, 3.0),
        gate(3, "add", "+", [0, 1], 3.0, -4.0, name="q", parts=(-4.0, -4.0), local=(1.0, 1.0)),
        gate(4, "multiply", "*", [3, 2], -12.0, 1.0, name="f", parts=(-4.0, 3.0), local=(-4.0, 3.0)),
    )


@pytest.fixture
def graph() -> Callable[..., Scene]:
    """Scenes of any shape: each node lists the nodes it reads."""

    def make(*reads: Sequence[int]) -> Scene:
        nodes = tuple(
            SceneNode(number, "gate" if sources else "input", "+" if sources else f"x{number}")
            for number, sources in enumerate(reads)
        )
        edges = tuple(
            SceneEdge(source, target, slot)
            for target, sources in enumerate(reads)
            for slot, source in enumerate(sources)
        )
        return Scene(nodes, edges, total=len(nodes))

    return make


@pytest.fixture
def build() -> SimpleNamespace:
    """The builders, for tests that write circuits of their own."""
    return SimpleNamespace(leaf=leaf, gate=gate, circuit=circuit)
