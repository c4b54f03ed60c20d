"""An expression that a user typed, such as ``q = x + y; q * z``, as a function of its variables.

The text is parsed, checked against what `vocabulary` allows, and translated into a list of steps; nothing is ever
handed to Python to evaluate. Running the steps makes gates, each of which knows its place in the text.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from math import isfinite, prod
from typing import Any

import numpy as np

from gatewise import gates
from gatewise.errors import CodeError, InputError
from gatewise.graph import Tracked
from gatewise.source import Where, origin
from gatewise.typed.vocabulary import CONSTANTS, FUNCTIONS, INSTEAD, OPERATORS, Function
from gatewise.typed.wording import marked, suggestion

LONGEST = 2000
DEEPEST = 60
MOST_NODES = 500
LARGEST_EXPONENT = 1000
MOST_DIGITS = 40
MOST_ENTRIES = 10**7
POWER = OPERATORS[ast.Pow]


@dataclass(frozen=True)
class Step:
    """One operation: what it does, the places of its operands in the list of values, and where it stands."""

    function: Function
    operands: tuple[int, ...]
    where: Where
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Expression:
    """A checked expression: call it with the values of its variables, in their order.

    Example:
        >>> expression = Expression.parse("q = x + y; q * z")
        >>> expression.variables, expression.name, float(expression(-2.0, 5.0, -4.0))
        (('x', 'y', 'z'), 'f', -12.0)
    """

    text: str
    name: str
    variables: tuple[str, ...]
    program: tuple[Step | str | Any, ...]  # a step, the name of a variable, or a constant
    result: int

    @classmethod
    def parse(cls, text: str) -> Expression:
        """Read an expression.

        Raises:
            InputError: It is no expression, uses what is not allowed, or exceeds a limit; says where with a caret.
        """
        text = text.strip()
        statements = _parsed(text)
        translation = _Translation(_lines(text))
        for statement in statements[:-1]:
            translation.assign(statement)
        name, result = translation.conclude(statements[-1])
        return cls(text, name, tuple(translation.variables), tuple(translation.program), result)

    def __call__(self, *arrays: Any) -> Any:
        """The value, computed gate by gate.

        Raises:
            GatewiseError: A gate cannot take its operands, or an array would become too large.
        """
        given = dict(zip(self.variables, arrays, strict=True))
        values: list[Any] = []
        for item in self.program:
            if isinstance(item, Step):
                values.append(_run(item, [values[place] for place in item.operands]))
            else:
                values.append(given[item] if isinstance(item, str) else item)
        return values[self.result]


def _run(step: Step, operands: list[Any]) -> Any:
    """Make the gates of one step; what goes wrong is told with the step's place."""
    entries = step.function.entries(*map(np.shape, operands))
    if entries > MOST_ENTRIES:
        raise InputError(_at(step.where, f"an array of {entries:,} entries is too large: at most {MOST_ENTRIES:,}"))
    if step.function is POWER and not isinstance(operands[1], Tracked) and np.any(abs(operands[1]) > LARGEST_EXPONENT):
        raise InputError(_at(step.where, f"exponents go from -{LARGEST_EXPONENT} to {LARGEST_EXPONENT}"))
    token = origin.set((step.where, 0))
    try:
        with np.errstate(all="ignore"):  # nan and inf are results like others
            return step.function.apply(*operands, **step.settings)
    except CodeError as error:
        raise type(error)(_at(step.where, error.reason), place="") from None
    except InputError as error:
        raise InputError(_at(step.where, str(error))) from None
    except (ValueError, TypeError, IndexError, ArithmeticError) as error:
        raise InputError(_at(step.where, str(error) or type(error).__name__)) from None
    finally:
        origin.reset(token)


def _at(where: Where, message: str) -> str:
    return marked(message, where.text or "", where.start or 0, where.stop)


# --- reading ----------------------------------------------------------------------------------------------------------


def _lines(text: str) -> list[str]:
    """The lines as Python's parser counts them."""
    return re.split(r"\r\n|\r|\n", text)


def _parsed(text: str) -> list[ast.stmt]:
    """The statements of the text, within the limits on length, number and depth."""
    if not text:
        raise InputError('the expression is empty: write one like "(x+y)*z"')
    if len(text) > LONGEST:
        raise InputError(f"the expression has {len(text):,} characters; at most {LONGEST:,} are read")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            statements = ast.parse(text).body
    except SyntaxError as error:
        raise InputError(_syntax_message(text, error)) from None
    except (ValueError, RecursionError, MemoryError, UnicodeError) as error:
        raise InputError(f"the expression cannot be read: {error or 'it is nested too deeply'}") from None
    if not statements:
        raise InputError('the expression is only a comment: write one like "(x+y)*z"')
    nodes = list(_with_depth(statements))
    if len(nodes) > MOST_NODES:
        raise InputError(f"the expression has {len(nodes):,} parts; at most {MOST_NODES:,} are read: split it up")
    if max(depth for _, depth in nodes) > DEEPEST:
        node = next(node for node, depth in nodes if depth > DEEPEST)
        message = f"the expression is nested more than {DEEPEST} deep here: name parts of it, q = x + y; ..."
        raise InputError(_at(_place(_lines(text), node), message))
    return statements


def _syntax_message(text: str, error: SyntaxError) -> str:
    lines = _lines(text)
    number = min(max(error.lineno or 1, 1), len(lines)) - 1
    reason = (error.msg or "invalid syntax").removeprefix("invalid syntax. ")
    if re.search(r"\d\s*[^\W\d_]", lines[number]) and "decimal" in reason:
        reason += ": a product is written 2*x"
    return marked(f"the expression cannot be read: {reason}", lines[number], (error.offset or 1) - 1)


def _with_depth(statements: list[ast.stmt]) -> Iterator[tuple[ast.expr | ast.stmt, int]]:
    """Every statement and expression with its depth, without recursion."""
    stack: list[tuple[ast.AST, int]] = [(statement, 0) for statement in statements]
    while stack:
        node, depth = stack.pop()
        if isinstance(node, ast.expr | ast.stmt):
            yield node, depth
        stack.extend((child, depth + 1) for child in ast.iter_child_nodes(node))


def _column(line: str, offset: int) -> int:
    """Of a byte offset, as the parser counts, the number of characters."""
    return len(line.encode(errors="replace")[:offset].decode(errors="replace"))


def _place(lines: list[str], node: ast.expr | ast.stmt) -> Where:
    """The place of `node` in the text."""
    line = lines[node.lineno - 1]
    stop = _column(line, node.end_col_offset or 0) if node.end_lineno == node.lineno else None
    return Where("<expression>", node.lineno, _column(line, node.col_offset), stop, line)


class _Translation:
    """Turns checked syntax into steps. `scope` says in which place of the program each name's value lies."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.program: list[Any] = []
        self.variables: list[str] = []
        self.scope: dict[str, int] = {}

    def fault(self, node: ast.expr | ast.stmt, message: str) -> InputError:
        """The error that shows `node`."""
        return InputError(_at(self.where(node), message))

    def add(self, item: Any) -> int:
        """Append to the program; the place of the value."""
        self.program.append(item)
        return len(self.program) - 1

    def step(self, node: ast.expr, function: Function, operands: list[ast.expr], **settings: Any) -> int:
        """Append an operation on the values of `operands`."""
        places = tuple([self.value(operand) for operand in operands])
        return self.add(Step(function, places, self.where(node), settings))

    def where(self, node: ast.expr | ast.stmt) -> Where:
        """The place of `node` in the text."""
        return _place(self.lines, node)

    # ------------------------------------------------------------------------------------------------- statements

    def assign(self, statement: ast.stmt) -> str:
        """Translate ``q = x + y``; the name."""
        match statement:
            case ast.Assign(targets=[ast.Name(id=name) as target], value=value):
                self.check_name(target)
                place = self.value(value)
                step = self.program[place]
                if isinstance(step, Step) and step.where.target is None:
                    self.program[place] = replace(step, where=replace(step.where, target=name))
                self.scope[name] = place
                return name
            case ast.Assign():
                raise self.fault(statement, "one name is given a value at a time: q = x + y; f = q * z")
            case ast.Expr():
                raise self.fault(
                    statement, "this value is not used: only the last part is the result; name it, q = x + y"
                )
            case _:
                raise self.unknown(statement)

    def conclude(self, statement: ast.stmt) -> tuple[str, int]:
        """Translate the last part: the name of the result, and its place."""
        if isinstance(statement, ast.Expr):
            return "f", self.value(statement.value)
        name = self.assign(statement)
        return name, self.scope[name]

    # ------------------------------------------------------------------------------------------------ expressions

    def value(self, node: ast.expr) -> int:
        """Translate an expression; the place of its value."""
        match node:
            case ast.Constant():
                return self.add(np.float64(self.number(node)))
            case ast.Name():
                return self.variable(node)
            case ast.UnaryOp(op=op, operand=operand) if type(op) in OPERATORS:
                return self.step(node, OPERATORS[type(op)], [operand])
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
                return self.step(node, OPERATORS[type(op)], [left, right])
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in OPERATORS:
                return self.step(node, OPERATORS[type(op)], [left, right])
            case ast.Call():
                return self.call(node)
            case ast.Subscript():
                return self.subscript(node)
            case ast.Attribute(value=value, attr="T"):
                return self.step(node, FUNCTIONS["transpose"], [value])
            case ast.List():
                return self.add(self.array(node))
            case ast.UnaryOp(op=op) | ast.BinOp(op=op):
                raise self.unknown(node, type(op))
            case _:
                raise self.unknown(node)

    def unknown(self, node: ast.expr | ast.stmt, kind: type[ast.AST] | None = None) -> InputError:
        """The error for a construct that is not part of the language."""
        kind = kind or type(node)
        rule = (
            f"{kind.__name__} is not part of expressions: they have numbers, names, operators, functions and [indices]"
        )
        return self.fault(node, INSTEAD.get(kind, rule))

    def number(self, node: ast.Constant) -> float:
        """The value of a number that was written out."""
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fault(node, f"{value!r:.40} is not a real number, and an expression is made of real numbers")
        if isinstance(value, int) and value >= 10**MOST_DIGITS:
            raise self.fault(node, f"a whole number has at most {MOST_DIGITS} digits; write large ones as 1e50")
        if not isfinite(value):
            raise self.fault(node, "this number is too large: the largest is about 1.8e308")
        return float(value)

    def variable(self, node: ast.Name) -> int:
        """The place of a name's value; a name that was given none before is a variable, or a constant."""
        self.check_name(node)
        name = node.id
        if name not in self.scope:
            if name in CONSTANTS:
                return self.add(np.float64(CONSTANTS[name]))
            self.variables.append(name)
            self.scope[name] = self.add(name)
        return self.scope[name]

    def check_name(self, node: ast.Name) -> None:
        """Refuse names that begin with an underscore."""
        if node.id.startswith("_"):
            raise self.fault(node, f"names begin with a letter; {node.id:.40} does not")

    def call(self, node: ast.Call) -> int:
        """Translate ``sum(x, axis=0)``."""
        if not isinstance(node.func, ast.Name):
            raise self.fault(node.func, f"this cannot be called: {INSTEAD[ast.Attribute]}")
        name = node.func.id
        function = FUNCTIONS.get(name)
        if function is None:
            known = suggestion(name, FUNCTIONS) or f"there are {', '.join(FUNCTIONS)}"
            raise self.fault(node.func, f"{name:.40} is not a function of expressions: {known}")
        operands, settings = list(node.args), {}
        if function.settings and function.most == 1:
            for setting, value in zip(function.settings, operands[1:], strict=False):
                settings[setting] = self.static(value)
            operands = operands[:1] + operands[1 + len(function.settings) :]
        for keyword in node.keywords:
            if keyword.arg not in function.settings:
                known = f"it takes {', '.join(function.settings)}" if function.settings else "it takes none"
                raise self.fault(node, f"{name} has no setting {keyword.arg or '**'}: {known}")
            settings[keyword.arg] = self.static(keyword.value)
        if not function.least <= len(operands) <= function.most:
            raise self.fault(node, f"{name} takes {function.usage}; got {len(operands)}")
        return self.step(node, function, operands, **settings)

    def subscript(self, node: ast.Subscript) -> int:
        """Translate ``x[0]``, ``x[1:, None]`` or ``x[x > 0]``."""
        if isinstance(node.slice, ast.Compare | ast.BinOp | ast.UnaryOp) and not _is_number(node.slice):
            return self.step(
                node, Function(gates.getitem, 2, 2, entries=lambda shape, mask: prod(shape)), [node.value, node.slice]
            )
        key = self.static(node.slice)
        repeats = sum(isinstance(part, ast.List) and len(part.elts) for part in ast.walk(node.slice))
        read = Function(partial(_item, key), entries=lambda shape: prod(shape) * max(1, repeats))
        return self.step(node, read, [node.value])

    # -------------------------------------------------------------------------------- what is written out in numbers

    def static(self, node: ast.expr) -> Any:
        """An index, an axis or a shape: whole numbers, slices, None, ... and rows of them."""
        match node:
            case ast.Constant(value=value) if value is None or value is ... or isinstance(value, int):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(value))) if not isinstance(value, bool):
                return -value
            case ast.Tuple(elts=items):
                return tuple([self.static(item) for item in items])
            case ast.List(elts=items):
                return [self.static(item) for item in items]
            case ast.Slice():
                return slice(*[part and self.static(part) for part in (node.lower, node.upper, node.step)])
        raise self.fault(
            node, "indices, axes and shapes are whole numbers that are written out, as in x[0], x[1:], axis=0"
        )

    def array(self, node: ast.List) -> Any:
        """``[[1, 2], [3, 4]]``, as an array of constants."""
        rows = self.rows(node)
        try:
            return np.asarray(rows, dtype=np.float64)
        except ValueError:
            raise self.fault(node, "the rows of this array have different lengths") from None

    def rows(self, node: ast.expr) -> Any:
        """Numbers in nested lists."""
        match node:
            case ast.List(elts=items):
                return [self.rows(item) for item in items]
            case ast.Constant():
                return self.number(node)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant() as operand):
                return -self.number(operand)
        raise self.fault(node, "an array that is written out consists of numbers; others are given by name: x=[1,2,3]")


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant)


def _item(key: Any, x: Any) -> Any:
    return gates.getitem(x, key)
