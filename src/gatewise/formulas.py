"""A gate on single numbers as formulas: what the catalogue says of it, in the scene's language of expressions.

Nothing is written twice: the gate's forward and its local gradients are written down on symbols and lowered like any
program that is compiled, and the program is read as nested lists. A viewer can compute with them where no Python runs.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from gatewise.gate import REGISTRY, Gate
from gatewise.graph import Spec, apply
from gatewise.native.lower import lowered
from gatewise.native.values import Constant, Input, Map, Value
from gatewise.symbolic import written

#: A number, the name of a wire, "out", or a function's name and its arguments.
Expression = float | str | list[Any]

#: Longer formulas are of no use to a reader, and none of the common gates' is.
PARTS_AT_MOST = 200

_FLOAT = np.dtype("float64")


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
    names = gate.wire_names(number)
    rules = list(zip(range(number), gate.rules)) if gate.rules else []  # noqa: B905  (a variadic gate has one for each)
    passing = [wire for wire, rule in rules if rule is not None]

    def both(*operands: Any) -> list[Any]:
        *inputs, out = operands
        known = {**dict(zip(gate.wires, inputs, strict=False)), "out": out}
        if gate.variadic:
            known[gate.wires[-1]] = tuple(inputs[len(gate.wires) - 1 :])
        saved = [known.get(name, ()) for name in gate.reads]
        return [apply(gate, *inputs), *(gate.rules[wire](gate, np.float64(1), *saved) for wire in passing)]

    specs = [Spec((), _FLOAT)] * (number + 1)
    try:
        program = lowered(written(both, specs, strong=True).trusting())
        said = [_expression(value, (*names, "out")) for value in program.outputs]
    except Exception:  # a gate of the user's own may fail in any way on symbols; then it has no formulas
        return None
    places = {wire: place + 1 for place, wire in enumerate(passing)}
    return said[0], tuple(said[places[wire]] if wire in places else None for wire in range(number))


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


class _Unsaid(Exception):  # noqa: N818  (it never leaves this module)
    """A formula needs more than expressions can say."""


def _expression(value: Value, names: tuple[str, ...]) -> Expression:
    """A value of a lowered program as an expression. Formulas are short, so recursion is bounded."""
    left = [PARTS_AT_MOST]

    def said(value: Value) -> Expression:
        left[0] -= 1
        if left[0] < 0 or value.shape != ():
            raise _Unsaid
        match value:
            case Input():
                return names[value.position]
            case Constant():
                return float(value.array)
            case Map():
                if value.function == "astype":
                    return said(value.operands[0])
                if value.function == "sigmoid":  # the standard has none
                    return ["reciprocal", ["add", 1.0, ["exp", ["negative", said(value.operands[0])]]]]
                return [value.function, *map(said, value.operands)]
        raise _Unsaid

    return said(value)
