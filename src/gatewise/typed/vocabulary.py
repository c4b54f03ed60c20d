"""The words of an expression: the functions and operators it may use, and how large their results can become.

An expression is read in `expression`; nothing that is not in these tables can be reached from it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from math import e, pi, prod
from typing import Any

import numpy as np

from gatewise import gates

Shape = tuple[int, ...]


def broadcast_entries(*shapes: Shape) -> int:
    """How many entries an element-wise result has; 0 where the shapes do not fit, for the gate to say so."""
    try:
        return prod(np.broadcast_shapes(*shapes))
    except ValueError:
        return 0


def outer_entries(*shapes: Shape) -> int:
    """How many entries there are when each entry of one meets each of the other."""
    return prod(map(prod, shapes))


def matmul_entries(x: Shape, y: Shape) -> int:
    """How many entries ``x @ y`` has, batch axes included."""
    columns = y[-1:] if len(y) > 1 else ()
    return broadcast_entries(x[:-2], y[:-2]) * prod(x[-2:-1]) * prod(columns)


def dot_entries(x: Shape, y: Shape) -> int:
    """How many entries ``dot(x, y)`` has: all rows of x with all columns of y."""
    return matmul_entries(x, y) if x and y and max(len(x), len(y)) < 3 else prod(x[:-1]) * prod(y)


@dataclass(frozen=True)
class Function:
    """A function of the expression language: it takes arrays, then settings, which are written out as numbers."""

    apply: Callable[..., Any]
    least: int = 1
    most: int = 1
    settings: tuple[str, ...] = ()
    entries: Callable[..., int] = broadcast_entries

    @property
    def usage(self) -> str:
        """How many arrays it takes, in words."""
        if self.least == self.most:
            return f"{self.least} value{'s' if self.least > 1 else ''}"
        return f"{self.least} or more values"


def _extreme(of_two: Callable[[Any, Any], Any], of_entries: Callable[..., Any]) -> Function:
    """``max(x, y, ...)`` as the course writes it: the larger one; of a single array, its largest entry."""

    def apply(*operands: Any, **settings: Any) -> Any:
        if len(operands) == 1:
            return of_entries(*operands, **settings)
        if settings:
            raise TypeError("an axis goes with a single array")
        return reduce(of_two, operands)

    return Function(apply, least=1, most=16, settings=("axis", "keepdims"))


def _two(function: Callable[..., Any], entries: Callable[..., int] = broadcast_entries) -> Function:
    return Function(function, least=2, most=2, entries=entries)


FUNCTIONS: dict[str, Function] = {
    **{
        function.__name__: Function(function)
        for function in (
            gates.exp, gates.expm1, gates.log, gates.log1p, gates.log2, gates.log10, gates.sqrt, gates.square,
            gates.sin, gates.cos, gates.tan, gates.asin, gates.acos, gates.atan, gates.sinh, gates.cosh, gates.tanh,
            gates.sigmoid, gates.relu, gates.sign, gates.floor, gates.ceil, gates.round, gates.ravel,
        )
    },
    "ln": Function(gates.log),
    "abs": Function(gates.abs),
    "sigma": Function(gates.sigmoid),
    "σ": Function(gates.sigmoid),
    "arcsin": Function(gates.asin),
    "arccos": Function(gates.acos),
    "arctan": Function(gates.atan),
    "transpose": Function(gates.permute_dims),
    "pow": _two(gates.pow),
    "atan2": _two(gates.atan2),
    "maximum": _two(gates.maximum),
    "minimum": _two(gates.minimum),
    "max": _extreme(gates.maximum, gates.max),
    "min": _extreme(gates.minimum, gates.min),
    "where": Function(gates.where, least=3, most=3),
    "clip": Function(gates.clip, least=3, most=3),
    **{
        function.__name__: Function(function, settings=("axis", "keepdims"))
        for function in (gates.sum, gates.mean, gates.prod, gates.logsumexp)
    },
    "matmul": _two(gates.matmul, matmul_entries),
    "dot": _two(gates.dot, dot_entries),
    "outer": _two(gates.outer, outer_entries),
    "reshape": Function(gates.reshape, settings=("shape",)),
}  # fmt: skip

OPERATORS: dict[type[ast.AST], Function] = {
    ast.Add: _two(gates.add),
    ast.Sub: _two(gates.subtract),
    ast.Mult: _two(gates.multiply),
    ast.Div: _two(gates.divide),
    ast.FloorDiv: _two(gates.floor_divide),
    ast.Mod: _two(gates.remainder),
    ast.Pow: FUNCTIONS["pow"],
    ast.MatMult: FUNCTIONS["matmul"],
    ast.BitAnd: _two(gates.logical_and),
    ast.BitOr: _two(gates.logical_or),
    ast.USub: Function(gates.negative),
    ast.UAdd: Function(gates.positive),
    ast.Invert: Function(gates.logical_not),
    ast.Lt: _two(gates.less),
    ast.LtE: _two(gates.less_equal),
    ast.Gt: _two(gates.greater),
    ast.GtE: _two(gates.greater_equal),
    ast.Eq: _two(gates.equal),
    ast.NotEq: _two(gates.not_equal),
}

CONSTANTS = {"pi": pi, "π": pi, "e": e}

#: What to write instead of a construct that is not part of the language.
INSTEAD: dict[type[ast.AST], str] = {
    ast.BitXor: "^ is not a power here: write **",
    ast.BoolOp: "'and' and 'or' are written & and |, with each comparison in parentheses",
    ast.Not: "'not' is written ~",
    ast.IfExp: "a choice is written where(condition, x, y)",
    ast.Attribute: "write functions by their name alone, as in exp(x); the only attribute is .T",
    ast.Tuple: "a row of numbers is written [1, 2, 3]",
    ast.Compare: "compare two values at a time: (0 < x) & (x < 1)",
    ast.AugAssign: "name a new value instead: q = q + x",
    **dict.fromkeys((ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp), "a sum over all entries is sum(x)"),
    ast.NamedExpr: "a part is named in front: q = x + y; q * z",
    ast.Lambda: "write the body of the function itself",
    ast.FunctionDef: "put the function into a file and name it: gatewise show file.py:function",
    ast.Import: "all functions are there already",
    ast.ImportFrom: "all functions are there already",
}
