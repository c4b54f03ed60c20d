"""A gate on single numbers as formulas: what the catalogue says of it, in the scene's language of expressions.

Nothing is written twice: the gate's forward and its local gradients are written down on symbols and lowered like any
program that is compiled, and the program is read as nested lists: that is `deriving`. Of the catalogue's gates without
parameters the result is kept in ``formulas.json``, since most pictures need no more, and need no compiler then.
Viewers can compute with formulas where no Python runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatewise.gate import REGISTRY, Gate

if TYPE_CHECKING:
    from gatewise.deriving import Expression

#: Written by ``scripts/docs``; a test derives all of it again.
TABLE = Path(__file__).parent / "formulas.json"


@lru_cache(maxsize=4096)
def formulas_of(gate: Any, number: int) -> tuple[Expression, tuple[Expression | None, ...]] | None:
    """The value of a gate with so many input wires, all single float64 numbers, and its local gradient per wire.

    The local gradients may read ``"out"``, the gate's own value, and are None where none passes. The whole is None for
    gates whose formulas cannot be said with the functions of the standard.

    Example:
        >>> from gatewise.gate import REGISTRY
        >>> formulas_of(REGISTRY["exp"](), 1)
        (['exp', 'x'], ('out',))
    """
    if not gate.elementwise or not number:
        return None
    if is_tabled(type(gate)) and gate.name in _table():
        return _table()[gate.name]
    from gatewise.deriving import derived

    return derived(gate, number)


def is_tabled(kind: type[Gate]) -> bool:
    """Whether a gate's formulas can be looked up: it is of the catalogue, acts entry by entry, has no parameters."""
    plain = kind.elementwise and not kind.variadic and not (is_dataclass(kind) and fields(kind))
    return plain and kind.__module__.startswith("gatewise.gates.") and REGISTRY.get(kind.name) is kind


def tabled() -> Iterator[tuple[str, Any]]:
    """The table, derived anew: names of gates and their formulas."""
    from gatewise.deriving import derived

    for name, kind in sorted(REGISTRY.items()):
        if is_tabled(kind):
            yield name, derived(kind(), len(kind.wires))


@cache
def _table() -> dict[str, tuple[Expression, tuple[Expression | None, ...]] | None]:
    rows = json.loads(TABLE.read_text(encoding="utf-8"))
    return {name: row and (row[0], tuple(row[1])) for name, row in rows.items()}


@lru_cache(maxsize=256)
def alternatives_to(name: str) -> tuple[Any, ...]:
    """The gates that could stand in the place of the one with this name: as many wires, differentiable, no parameters.

    Only gates that act entry by entry, and whose formulas are known.
    """
    kind = REGISTRY.get(name)
    if kind is None or not _swappable(kind):
        return ()
    found = [other() for other in REGISTRY.values() if other.name != name and _swappable(other)]
    return tuple(
        sorted(
            (gate for gate in found if len(gate.wires) == len(kind.wires) and formulas_of(gate, len(gate.wires))),
            key=lambda gate: str(gate.name),
        )
    )


def _swappable(kind: type[Gate]) -> bool:
    parameters = is_dataclass(kind) and fields(kind)
    return kind.elementwise and not kind.variadic and not parameters and all(kind.rules or (None,))
