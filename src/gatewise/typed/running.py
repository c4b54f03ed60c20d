"""Run what was typed, and record its circuit."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from gatewise.circuit import Circuit, trace
from gatewise.errors import InputError
from gatewise.typed.arguments import parse_value
from gatewise.typed.target import Target


def run(target: Target, upstream: str | None = None) -> tuple[Circuit, Any]:
    """Record the circuit, and return it with the gradient that was sent into its result."""
    sent: Any = np.float64(1) if upstream is None else parse_value(upstream, "upstream")
    with quietly():
        circuit = trace(target, *target.arguments)
    shape = circuit.entries[circuit.outputs[0]].shape
    if upstream is None and not shape:
        return circuit, sent
    try:
        sent = np.broadcast_to(sent, shape).copy()[()]
    except ValueError:
        raise InputError(
            f"the upstream gradient has shape {np.shape(sent)}, the result {target.name} has shape {shape}: "
            "it needs one entry for each"
        ) from None
    with quietly():
        return trace(target, *target.arguments, upstream=sent), sent


@contextmanager
def quietly() -> Iterator[None]:
    """Without NumPy's warnings about nan and inf: what is printed says it itself."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield
