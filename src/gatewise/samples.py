"""How a gate states the inputs it is to be tested with: shapes and ranges, drawn from a seeded generator when wanted.

Samples stand on the gate, next to the rules they test; the generated tests and the gradient checks draw from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Draw:
    """A random array to be: its shape, the interval its entries come from, its dtype; 0-d draws become scalars."""

    shape: tuple[int, ...]
    low: float
    high: float
    dtype: str = "float64"

    def make(self, rng: np.random.Generator) -> Any:
        """Draw the array; entries keep a distance of 1/50 of the interval from each other, so that nothing ties."""
        kind = np.dtype(self.dtype).kind
        if kind == "b":
            return rng.random(self.shape) < 0.5
        if kind in "iu":
            return rng.integers(int(self.low), int(self.high), self.shape).astype(self.dtype)
        if kind == "c":
            parts = rng.uniform(self.low, self.high, (2, *self.shape))
            return (parts[0] + 1j * parts[1]).astype(self.dtype)[()]
        size = int(np.prod(self.shape))
        steps = rng.permutation(size) + rng.uniform(0.1, 0.9, size)
        entries = self.low + (self.high - self.low) * (steps + 0.0) / max(size, 1)
        return entries.reshape(self.shape).astype(self.dtype)[()]


@dataclass(frozen=True)
class Sample:
    """One set of inputs for a gate (draws, nested lists or numbers), with the gate's static parameters."""

    inputs: tuple[Any, ...]
    static: tuple[tuple[str, Any], ...] = ()

    def make(self, seed: int = 0) -> list[Any]:
        """Draw every input."""
        rng = np.random.default_rng(seed)
        return [
            entry.make(rng) if isinstance(entry, Draw) else np.asarray(entry) if isinstance(entry, list) else entry
            for entry in self.inputs
        ]


def sample(*inputs: Any, **static: Any) -> Sample:
    """Inputs for a gate; keyword arguments are its static parameters."""
    return Sample(inputs, tuple(static.items()))


def normal(*shape: int, dtype: str = "float64") -> Draw:
    """Entries of both signs, at distance from zero from each other (uniform, so that kinks at 0 are not hit)."""
    return Draw(shape, -2.03, 2.0, dtype)


def positive(*shape: int, dtype: str = "float64") -> Draw:
    """Entries well above zero."""
    return Draw(shape, 0.3, 3.0, dtype)


def unit(*shape: int, dtype: str = "float64") -> Draw:
    """Entries well inside (-1, 1)."""
    return Draw(shape, -0.9, 0.91, dtype)


def integers(*shape: int, low: int = 0, high: int = 5) -> Draw:
    """Integers from `low` up to but not including `high`."""
    return Draw(shape, low, high, "int64")


def booleans(*shape: int) -> Draw:
    """True or False."""
    return Draw(shape, 0, 1, "bool")


def complexes(*shape: int) -> Draw:
    """Complex entries with parts well away from zero."""
    return Draw(shape, 0.3, 2.0, "complex128")


def broadcast_samples(draw: Any = normal) -> tuple[Sample, ...]:
    """The usual inputs of a two-operand element-wise gate: equal shapes, broadcast both ways, 0-d, empty, float32."""
    return (
        sample(draw(3, 2), draw(3, 2)),
        sample(draw(3, 2), draw(2)),
        sample(draw(2, 1), draw(3)),
        sample(draw(), draw(4)),
        sample(draw(), draw()),
        sample(draw(0, 2), draw(2)),
        sample(draw(3), 1.5),
        sample(draw(2, 2, dtype="float32"), draw(2, dtype="float32")),
    )


def unary_samples(draw: Any = normal) -> tuple[Sample, ...]:
    """The usual inputs of a one-operand element-wise gate: a matrix, 0-d, empty, float32."""
    return (sample(draw(3, 2)), sample(draw()), sample(draw(0, 2)), sample(draw(4, dtype="float32")))
