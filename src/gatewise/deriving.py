"""A gate's formulas out of the gate itself: what it computes is written down on symbols, lowered, and read.

Here works the compiler; what is asked for every day stands in a table, which `formulas` reads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.graph import Spec, apply
from gatewise.native.lower import lowered
from gatewise.native.values import Constant, Input, Map, Value
from gatewise.symbolic import written

#: A number, the name of a wire, "out", or a function's name and its arguments.
Expression = float | str | list[Any]

#: Longer formulas are of no use to a reader, and none of the common gates' is.
PARTS_AT_MOST = 200

#: What a formula may ask for: functions of the Array API standard that every reader of scenes computes, and three more.
FUNCTIONS = frozenset(
    (
        *("abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "copysign", "cos", "cosh"),
        *("divide", "equal", "exp", "expm1", "floor", "floor_divide", "greater", "greater_equal", "hypot", "isfinite"),
        *("isinf", "isnan", "less", "less_equal", "log", "log10", "log1p", "log2", "logaddexp", "logical_and"),
        *("logical_not", "logical_or", "logical_xor", "maximum", "minimum", "multiply", "negative", "not_equal"),
        *("positive", "pow", "reciprocal", "remainder", "round", "sign", "signbit", "sin", "sinh", "sqrt", "square"),
        *("subtract", "tan", "tanh", "trunc", "where"),
    )
)

_FLOAT = np.dtype("float64")


def derived(gate: Any, number: int) -> tuple[Expression, tuple[Expression | None, ...]] | None:
    """The formulas of a gate with so many input wires, as `formulas.formulas_of` gives them.

    Example:
        >>> from gatewise.gate import REGISTRY
        >>> derived(REGISTRY["multiply"](), 2)
        (['multiply', 'x', 'y'], ('y', 'x'))
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
                if value.function in FUNCTIONS:
                    return [value.function, *map(said, value.operands)]
        raise _Unsaid

    return said(value)
