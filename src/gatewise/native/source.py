"""A program as Python text: what the native code computes, forward then backward, for NumPy alone.

Every value of a program is an expression of NumPy's. Those that are read once, by what came of the same line of the
user's code, are written inside the expression that reads them; the others get a statement, named after the variable
that the user's line assigns (``scores``) or whose gradient it is (``dscores``).
"""

from __future__ import annotations

import builtins
import inspect
import keyword
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from gatewise import tree
from gatewise.native import entry
from gatewise.native.values import (
    PROMOTED_AS,
    Accumulate,
    Assemble,
    AxisMap,
    Call,
    Constant,
    Convolve,
    Gather,
    Gradient,
    Input,
    Iota,
    Map,
    Origin,
    Product,
    Program,
    Reduce,
    Repeat,
    Reshape,
    Result,
    Scatter,
    Shape,
    Value,
    View,
    as_inside,
    number_of,
    of_numpy_or_scipy,
)

#: Constants of up to so many entries stand in the text; larger ones are handed to it.
WRITTEN_OUT = 64

#: Expressions of up to so many characters are written inside the one that reads them.
LONGEST = 60

#: The precedence of operators: comparison, or, xor, and, sum, product, sign, power, and whatever needs no brackets.
_COMPARE, _OR, _XOR, _AND, _SUM, _TERM, _SIGN, _POWER, _ATOM = range(9)

_OPERATORS = {
    "add": ("+", _SUM),
    "subtract": ("-", _SUM),
    "multiply": ("*", _TERM),
    "divide": ("/", _TERM),
    "floor_divide": ("//", _TERM),
    "remainder": ("%", _TERM),
    "equal": ("==", _COMPARE),
    "not_equal": ("!=", _COMPARE),
    "less": ("<", _COMPARE),
    "less_equal": ("<=", _COMPARE),
    "greater": (">", _COMPARE),
    "greater_equal": (">=", _COMPARE),
    "logical_and": ("&", _AND),
    "logical_or": ("|", _OR),
    "logical_xor": ("^", _XOR),
    "bitwise_and": ("&", _AND),
    "bitwise_or": ("|", _OR),
    "bitwise_xor": ("^", _XOR),
}
_FORWARD = "# forward pass"
_BACKWARD = "# backward pass: from the result back, upstream times local gradient"

#: The comments that were written last: the pass, and the user's line.
Heading = tuple[str | None, str | None]

_SIGNS = {"negative": "-", "logical_not": "~", "bitwise_invert": "~"}

#: Names that statements may not take.
_RESERVED = frozenset({"np", *keyword.kwlist, *dir(builtins)})


class Source(str):
    """The text of a program, and what it needs besides NumPy.

    Attributes:
        given: Names to be defined where the text is run: constants too large to be written out, and the gates that
            Python runs. Empty for most programs: then the text needs NumPy alone.

    Example:
        >>> import gatewise as gw
        >>> source = gw.compile(lambda x: x * 2.0).source(3.0)
        >>> namespace = dict(source.given)
        >>> exec(source, namespace)
        >>> float(namespace["function"](3.0))
        6.0
    """

    given: dict[str, Any]

    def __new__(cls, text: str, given: dict[str, Any]) -> Source:
        """A string with the names that it needs."""
        made = super().__new__(cls, text)
        made.given = given
        return made


@dataclass(frozen=True)
class Text:
    """An expression, how tightly it binds, and the shape that it has."""

    text: str
    level: int
    shape: Shape

    def within(self, level: int) -> str:
        """In brackets, if it binds less than `level`."""
        return self.text if self.level >= level else f"({self.text})"


def source_of(executable: Any) -> Source:
    """The program of an executable as a function of the user's arguments."""
    shared = _Shared()
    name = executable.f.__name__ if getattr(executable.f, "__name__", "").isidentifier() else "function"
    writer = _Writer(executable.program, shared, sections=True)
    parameters, opening = _arguments(executable, writer)
    body = writer.statements()
    derived = [getattr(output, "instruction", 0) < 0 for output in executable.script.outputs]
    results = map(_outside, writer.results(derived), executable.program.results)
    body.append(f"return {_nested(executable.nesting, list(results))}")
    head = ["import numpy as np", ""]
    if shared.given:
        head += ["# Besides NumPy, the namespace holds:", *(f"#   {name}: {what}" for name, what in shared.told), ""]
    lines = [*head, *shared.functions, "", '@np.errstate(all="ignore")', f"def {name}({', '.join(parameters)}):"]
    lines += [f"    {line}" for line in [*opening, *body]]
    return Source("\n".join(lines) + "\n", shared.given)


def _arguments(executable: Any, writer: _Writer) -> tuple[list[str], list[str]]:
    """The parameters, and the statements that take nested ones apart and name each input."""
    arguments, keywords = executable.rebuild_arguments(executable.fixed)
    parameters = _parameters(executable.f, len(arguments))
    pairs = [*zip(parameters, arguments, strict=True), *((key, keywords[key]) for key in tree.sorted_keys(keywords))]
    writer.names.taken.update(key for key, _ in pairs)
    paths = [(key, path) for key, argument in pairs for path in tree.names(argument, key)]
    kept = [paths[place] for place in executable.places]
    names, readings = [], []
    program = executable.program
    for value, spec, (key, path) in zip(program.inputs, program.arguments, kept, strict=True):
        name = key if path == key else writer.names.fresh(_identifier(path[len(key) :]) or key)
        if spec.dtype.kind == "c":
            name = writer.names.fresh(f"{name}_parts")
            reading = f"np.stack([np.real({path}), np.imag({path})], axis=-1, dtype=np.{value.dtype.name})"
        else:
            reading = f"np.{value.dtype.name}({path})" if not value.shape else path
        writer.known[value] = Text(name, _ATOM, value.shape)
        if reading != name:
            names.append(name)
            readings.append(reading)
    return [key for key, _ in pairs], [f"{', '.join(names)} = {', '.join(readings)}"] if names else []


def _outside(text: str, spec: Any) -> str:
    """The expression of a result as the caller has it: of complex numbers, its pairs of reals as such."""
    if spec.dtype.kind != "c":
        return text
    return f"{text}.view(np.{spec.dtype.name})[{'..., 0' if spec.shape else '0'}]"


def _parameters(f: Callable[..., Any], count: int) -> list[str]:
    """The names of the first positional parameters of `f`, or x0, x1, ... where it has none."""
    try:
        found = [
            p.name
            for p in inspect.signature(f).parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
    except (TypeError, ValueError):
        found = []
    return [*found[:count], *(f"x{i}" for i in range(len(found), count))]


def _identifier(path: str) -> str:
    """A name made of what tells a leaf apart: ['W'][0] gives W_0."""
    words = re.findall(r"\w+", path)
    name = "_".join(words)
    return name if not name or (name.isidentifier() and name not in _RESERVED) else f"x_{name}"


def _nested(nesting: entry.Container | int | None, results: list[str]) -> str:
    """The results, nested as the function nests them; flat where that is known only to its own classes."""
    if nesting is None:
        return f"({', '.join(results)},)"
    if not isinstance(nesting, entry.Container):
        return results[nesting]
    items = [_nested(item, results) for item in nesting.items]
    if nesting.kind is dict:
        return "{" + ", ".join(f"{key!r}: {item}" for key, item in zip(nesting.keys, items, strict=True)) + "}"
    if nesting.kind is list:
        return f"[{', '.join(items)}]"
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"


class _Names:
    """Names that are in use."""

    def __init__(self, taken: set[str]) -> None:
        self.taken = taken
        self.counts: dict[str, int] = defaultdict(int)

    def fresh(self, wanted: str, numbered: bool = False) -> str:
        """`wanted`, or with a number if that is taken."""
        self.counts[wanted] += 1
        name = f"{wanted}{self.counts[wanted]}" if numbered or self.counts[wanted] > 1 else wanted
        while name in self.taken or name in _RESERVED:
            self.counts[wanted] += 1
            name = f"{wanted}{self.counts[wanted]}"
        self.taken.add(name)
        return name


class _Shared:
    """What a text and the functions inside it have in common."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}
        self.told: list[tuple[str, str]] = []
        self.functions: list[str] = []
        self.names = _Names(set())

    def of_scipy(self, function: str) -> str:
        """The name of a function that NumPy lacks."""
        if function not in self.given:
            self.give(function, of_numpy_or_scipy(function), f"scipy.special.{function}")
        return function

    def give(self, wanted: str, thing: Any, what: str) -> str:
        """A name of the namespace."""
        name = self.names.fresh(wanted)
        self.given[name] = thing
        self.told.append((name, what))
        return name


class _Writer:
    """Writes the statements of one program."""

    def __init__(self, program: Program, shared: _Shared, sections: bool = False) -> None:
        self.program, self.shared, self.sections = program, shared, sections
        self.names = _Names(set(shared.names.taken))
        self.known: dict[Value, Text] = {}
        self.lines: list[str] = []
        self.values = self._needed()
        needed = set(self.values)
        self.gradients = [found for found in program.gradients if found.value in needed]
        self.own = {found.value: found.whose for found in reversed(self.gradients) if _is_new(found)}
        self.others = [found for found in self.gradients if self.own.get(found.value) is not found.whose]
        self.called: dict[Value, list[str]] = defaultdict(list)  # the names of gradients
        self.ends: dict[Value, list[str]] = defaultdict(list)  # of those, the gradients of arguments
        self.inlined = self._to_be_inlined()

    # ------------------------------------------------------------------------------------------------ what is written

    def _operands(self, value: Value) -> tuple[Value, ...]:
        """What the expression of a value reads: of an index, what it was before it was brought into bounds."""
        if isinstance(value, Gather):
            return (value.source, *map(_index_root, value.indices))
        if isinstance(value, Scatter):
            return (value.base, value.piece, *map(_index_root, value.indices))
        return value.operands

    def _needed(self) -> list[Value]:
        found: set[Value] = set()
        stack: list[Value] = [*self.program.outputs, *self.program.assumptions]
        while stack:
            value = stack.pop()
            if value not in found:
                found.add(value)
                stack.extend(self._operands(value))
        return sorted(found, key=lambda value: value.number)

    def _to_be_inlined(self) -> set[Value]:
        """Values without a statement of their own: views, and what is read once by its own line."""
        results = {*self.program.outputs, *self.program.assumptions}
        readers: dict[Value, list[Any]] = defaultdict(list)  # the line of every place that reads a value
        for found in self.others:
            readers[found.value].append(found)
        inlined: set[Value] = set()
        for value in reversed(self.values):
            if isinstance(value, View | Reshape | Iota) and value not in results:
                inlined.add(value)
                lines = readers[value]
            else:
                lines = [_line(value)]
                once = len(readers[value]) == 1 and readers[value][0] == lines[0]
                if (
                    once
                    and isinstance(value, Map | Accumulate | Reduce | Product | Gather)
                    and not (isinstance(value, Accumulate) and value.function == "linear")
                    and not self._has_name(value)
                    and value not in results
                ):
                    inlined.add(value)
            for operand in self._operands(value):
                readers[operand].extend(lines)
        return inlined

    def statements(self) -> list[str]:
        """The statements, in the order in which the program computes."""
        checks = set(self.program.assumptions) - set(self.program.outputs)
        heading: Heading = (None, None)
        others = list(self.others)
        for value in self.values:
            while others and others[0].place <= value.number:
                heading = self._call_too(others.pop(0), heading)
            if value in checks or value in self.known or isinstance(value, Result):
                continue
            if isinstance(value, Constant) and number_of(value) is not None:
                continue
            if value in self.inlined:
                if isinstance(value, View | Reshape | Iota):
                    continue
                text = self._expression(value)
                if len(text.text) <= LONGEST:
                    self.known[value] = text
                    continue
            start = len(self.lines)
            self._state(value)
            if value.origin is not None and not isinstance(value, Constant):
                self.lines[start:start], heading = self._headings(value.origin, heading)
        for found in others:
            heading = self._call_too(found, heading)
        self._check(checks)
        return self.lines

    def _call_too(self, found: Gradient, heading: Heading) -> Heading:
        """Give a gradient that is a value already there, an argument say, its own name, if its variable has one."""
        wanted = self._whose(found.whose)
        if not wanted or (found.value not in self.known and number_of(found.value) is None):
            return heading
        text = self.called[found.value][0] if self.called[found.value] else self._read(found.value, typed=True).text
        name = self.names.fresh(f"d{wanted}")
        if self.sections and heading[0] != _BACKWARD:
            self.lines.append(_BACKWARD)
            heading = _BACKWARD, None
        self.lines.append(f"{name} = {text}")
        self.called[found.value].append(name)
        if isinstance(found.whose, Input):
            self.ends[found.value].append(name)
        return heading

    def _headings(self, origin: Origin, before: Heading) -> tuple[list[str], Heading]:
        """The comments above a statement where they change: the pass, and the user's line."""
        section = (_BACKWARD if origin.derived else _FORWARD) if self.sections else None
        where = origin.symbol.where
        line = None
        if where is not None and where.text is not None:
            line = f"# {'backprop through ' if origin.derived else ''}line {where.line}: {where.text}"
        told = [section] if section and section != before[0] else []
        if line and (line != before[1] or told):
            told.append(line)
        return told, (section, line)

    def _check(self, checks: set[Value]) -> None:
        """What must not hold; the compiled function leaves such a call to the function itself."""
        texts = [self._read(value).text for value in self.program.assumptions if value in checks]
        if texts:
            self.lines += [
                "# where one of these holds, a more careful program answers, or the function itself",
                f"if {' or '.join(texts)}:",
                '    raise ArithmeticError("this program was made on the assumption that this does not happen")',
            ]

    def results(self, derived: Sequence[bool] = ()) -> list[str]:
        """The expressions of the outputs; `derived` are those that a sweep found."""
        texts = []
        for place, output in enumerate(self.program.outputs):
            ends = self.ends[output]
            if place < len(derived) and derived[place] and ends:
                texts.append(ends.pop(0) if len(ends) > 1 else ends[0])
            else:
                texts.append(self._read(output, typed=True).text)
        return texts

    def _whose(self, whose: Value | str) -> str:
        """The variable whose gradient something is; empty if it has no name of the user's."""
        if isinstance(whose, str):
            return whose if whose.isascii() else ""
        known = self.known.get(whose)
        named = isinstance(whose, Input) or _name(whose)
        return known.text if known is not None and named and known.text.isidentifier() else ""

    def _has_name(self, value: Value) -> bool:
        return value in self.own or bool(_name(value))

    def _name_of(self, value: Value) -> str:
        """A name for a statement's value."""
        whose = self.own.get(value)
        if whose is not None:
            known = self.known.get(whose) if isinstance(whose, Value) else None
            wanted = known.text if known is not None and known.text.isidentifier() else self._whose(whose)
            if wanted:
                name = self.names.fresh(f"d{wanted}")
                self.called[value].append(name)
                if isinstance(whose, Input):
                    self.ends[value].append(name)
                return name
        if _name(value):
            return self.names.fresh(_name(value))
        if value in self.program.outputs and self.sections:
            return self.names.fresh("result")
        return self.names.fresh("t", numbered=True)

    def _bind(self, value: Value, text: str) -> None:
        name = self._name_of(value)
        self.lines.append(f"{name} = {text}")
        self.known[value] = Text(name, _ATOM, value.shape)

    # ------------------------------------------------------------------------------------------------------ statements

    def _state(self, value: Value) -> None:
        """Write the statements that compute a value."""
        match value:
            case Constant():
                self._constant(value)
            case Assemble():
                self._laid(value, value.base, zip(value.places, value.pieces, strict=True))
            case Scatter():
                self._scattered(value)
            case Repeat():
                self._again(value)
            case Result():
                pass
            case Accumulate(function="linear"):
                self._recurred(value)
            case Call():
                self._called(value)
            case Convolve():
                self._convolved(value)
            case _:
                self._bind(value, self._expression(value).text)

    def _constant(self, value: Constant) -> None:
        array = value.array
        if array.size > WRITTEN_OUT:
            what = f"a constant, {array.dtype}{list(array.shape)}"
            name = self.shared.give("constant", array, what)
            self.known[value] = Text(name, _ATOM, value.shape)
            return
        name = self.names.fresh("c", numbered=True)
        self.known[value] = Text(name, _ATOM, value.shape)
        if not array.size:
            self.lines.append(f"{name} = np.empty({_shape(value.shape)}, np.{array.dtype.name})")
            return
        numbers = re.sub(r"\b(inf|nan)\b", r"np.\1", repr(array.tolist()))
        self.lines.append(f"{name} = np.array({numbers}, np.{array.dtype.name})")

    def _begun(self, value: Value, base: Value) -> str:
        """A fresh array that holds `base`."""
        number = number_of(base)
        if number is None:
            self._bind(value, f"{self._read(base).within(_ATOM)}.copy()")
        elif number == 0:
            self._bind(value, f"np.zeros({_shape(value.shape)}, np.{value.dtype.name})")
        else:
            self._bind(value, f"np.full({_shape(value.shape)}, {_literal(number)}, np.{value.dtype.name})")
        return self.known[value].text

    def _laid(self, value: Value, base: Value, pieces: Any) -> None:
        name = self._begun(value, base)
        for places, piece in pieces:
            text = self._read(piece)
            used = [place for place, _, _ in places if place >= 0]
            lengths = tuple(piece.shape[place] for place in sorted(used))
            laid = text.text
            if lengths != piece.shape:
                laid = f"{text.within(_ATOM)}.reshape({_shape(lengths)})"
            if used != sorted(used):
                ranks = [sorted(used).index(place) for place in used]
                laid = f"({laid}).transpose({_shape(tuple(ranks))})"
            key = [_slice(axis, piece.shape, n) for axis, n in zip(places, value.shape, strict=True)]
            self.lines.append(f"{name}[{', '.join(key) or '()'}] = {laid}")

    def _scattered(self, value: Scatter) -> None:
        name = self._begun(value, value.base)
        key = self._key(value.axes, value.piece.shape, value.indices)
        piece = self._read(value.piece).text
        if value.added:
            self.lines.append(f"np.add.at({name}, ({key},), {piece})")
        else:
            self.lines.append(f"{name}[{key}] = {piece}")

    def _recurred(self, value: Accumulate) -> None:
        """A recurrence, step by step."""
        x, factor = (self._read(part, typed=True) for part in value.parts)
        self._bind(value, f"{x.within(_ATOM)}.copy()")
        name, lead = self.known[value].text, ":, " * value.axis
        self.lines.append(f"for i in range(1, {value.shape[value.axis]}):")
        behind = f"{factor.within(_ATOM)}[{lead}i] * {name}[{lead}i - 1]"
        self.lines.append(f"    {name}[{lead}i] += {behind}")

    def _called(self, value: Call) -> None:

        def run(*arrays: Any) -> Any:
            return as_inside(value.run(arrays), value.dtypes[-1])[()]

        label = re.sub(r"\W", "_", value.details())
        reason = value.reason.partition("\n")[0]
        name = self.shared.give(label, run, f"the gate {value.details()}, which Python runs: {reason}")
        self.names.taken.add(name)
        self._bind(value, f"{name}({', '.join(self._read(part, typed=True).text for part in value.parts)})")

    def _convolved(self, value: Convolve) -> None:
        def run(*arrays: Any) -> Any:
            return value.gate.forward(np, *arrays)

        name = self.shared.give(value.gate.name, run, f"{value.gate.name}, for which NumPy has no function")
        self.names.taken.add(name)
        self._bind(value, f"{name}({', '.join(self._read(part, typed=True).text for part in value.operands)})")

    def _again(self, value: Repeat) -> None:
        """A loop or a branch: its programs as functions, and the statement that runs them."""
        results: dict[int, Result] = {r.place: r for r in self.values if isinstance(r, Result) and r.source is value}
        names = []
        for place in range(len(value.body.outputs)):
            result = results.get(place)
            if result is None:
                names.append(self.names.fresh("t", numbered=True))
                continue
            names.append(self._name_of(result))
            self.known[result] = Text(names[-1], _ATOM, result.shape)
        body = self._function("step" if value.otherwise is None else "chosen", value.body)
        operands = [self._read(part, typed=True).text for part in value.parts]
        targets = ", ".join(names) + ("," if len(names) == 1 else "")
        if value.otherwise is not None:
            other = self._function("otherwise", value.otherwise)
            given = ", ".join(operands[1:])
            self.lines.append(f"{targets} = {body}({given}) if {operands[0]} else {other}({given})")
            return
        n, first = value.carries, value.carries + value.scanned
        if n:
            carried = ", ".join(operands[:n]) + ("," if n == 1 else "")
            self.lines.append(f"{', '.join(names[:n])}{',' if n == 1 else ''} = {carried}")
        if value.condition is not None:
            condition = self._function("goes_on", value.condition)
            given = ", ".join([*names[:n], *operands[first:]])
            self.lines.append(f"while {condition}({given})[0]:")
        else:
            for name, output in zip(names[n:], value.body.outputs[n:], strict=True):
                shape = _shape((value.length, *output.shape))
                self.lines.append(f"{name} = np.empty({shape}, np.{output.dtype.name})")
            steps = f"range({value.length})"
            self.lines.append(f"for i in {f'reversed({steps})' if value.reverse else steps}:")
            given = ", ".join([*names[:n], *(f"{x}[i]" for x in operands[n:first]), *operands[first:]])
        left = ", ".join([*names[:n], *(f"{name}[i]" for name in names[n:])]) + ("," if len(names) == 1 else "")
        self.lines.append(f"    {left} = {body}({given})" if names else "    pass")

    def _function(self, wanted: str, program: Program) -> str:
        """A program inside this one, as a function of the text."""
        name = self.shared.names.fresh(wanted)
        self.names.taken.add(name)
        writer = _Writer(program, self.shared)
        writer.names.taken.update(self.names.taken)
        parameters = []
        for value in program.inputs:
            parameters.append(writer.names.fresh("x", numbered=True))
            writer.known[value] = Text(parameters[-1], _ATOM, value.shape)
        body = writer.statements()
        results = writer.results()
        body.append(f"return {', '.join(results)}{',' if len(results) == 1 else ''}" if results else "return ()")
        self.shared.functions += ["", f"def {name}({', '.join(parameters)}):", *(f"    {line}" for line in body), ""]
        return name

    # ----------------------------------------------------------------------------------------------------- expressions

    def _read(self, value: Value, loose: bool = False, typed: bool = False) -> Text:
        """How a value is read. `loose`: of any shape that NumPy broadcasts to it. `typed`: of its own dtype."""
        known = self.known.get(value)
        if known is not None:
            return known
        number = number_of(value)
        if number is not None:
            literal = f"np.{value.dtype.name}({_literal(number)})" if typed or not loose else _literal(number)
            level = _ATOM if literal[0] != "-" else _SIGN
            return Text(literal, level, ()) if loose else _spread(Text(literal, level, ()), value.shape)
        if isinstance(value, View):
            return self._viewed(value.axes, value.shape, self._read(value.source), loose)
        if isinstance(value, Iota):
            axes = ((value.axis, 1, 0),)
            n = value.shape[value.axis]
            return self._viewed(axes, value.shape, Text(f"np.arange({n})", _ATOM, (n,)), loose)
        return self._expression(value)

    def _expression(self, value: Value) -> Text:
        """The expression that computes a value."""
        match value:
            case Map():
                return self._mapped(value)
            case Reshape():
                source = self._read(value.source).within(_ATOM)
                return Text(f"{source}.reshape({_shape(value.shape)})", _ATOM, value.shape)
            case Reduce():
                return self._reduced(value)
            case Accumulate():
                source = self._read(value.parts[0], typed=True).text
                return Text(f"np.cum{value.function}({source}, axis={value.axis})", _ATOM, value.shape)
            case Product():
                left, right = self._read(value.left).within(_TERM), self._read(value.right).within(_SIGN)
                return Text(f"{left} @ {right}", _TERM, value.shape)
            case Gather():
                key = self._key(value.axes, value.shape, value.indices)
                return Text(f"{self._read(value.source).within(_ATOM)}[{key}]", _ATOM, value.shape)
            case View() | Iota() | Constant():
                return self._read(value)
        raise AssertionError(f"no text for {value}")

    def _mapped(self, value: Map) -> Text:
        numbers = [number_of(part) is not None and part not in self.known for part in value.parts]
        typed = all(numbers)
        if value.function == "where":
            typed = all(numbers[1:])
        parts = [self._read(part, loose=True, typed=typed) for part in value.parts]
        if np.broadcast_shapes(*[part.shape for part in parts]) != value.shape:
            place = numbers.index(False) if False in numbers else 0
            parts[place] = _spread(parts[place], value.shape)
        function = value.function
        if function == "cast":
            return Text(f"{parts[0].within(_ATOM)}.astype(np.{value.dtype.name})", _ATOM, value.shape)
        if function in _OPERATORS:
            sign, level = _OPERATORS[function]
            tighter = level + 1
            left = parts[0].within(tighter if level == _COMPARE else level)
            text = Text(f"{left} {sign} {parts[1].within(tighter)}", level, value.shape)
        elif function in _SIGNS:
            text = Text(f"{_SIGNS[function]}{parts[0].within(_SIGN)}", _SIGN, value.shape)
        elif function == "pow":
            text = Text(f"{parts[0].within(_ATOM)} ** {parts[1].within(_ATOM)}", _POWER, value.shape)
        elif function == "square":
            text = Text(f"{parts[0].within(_ATOM)} ** 2", _POWER, value.shape)
        elif function == "sigmoid":
            text = Text(f"1 / (1 + np.exp(-{parts[0].within(_SIGN)}))", _TERM, value.shape)
        else:
            numpys = of_numpy_or_scipy(function) is getattr(np, function, None)
            called = f"np.{function}" if numpys else self.shared.of_scipy(function)
            text = Text(f"{called}({', '.join(part.text for part in parts)})", _ATOM, value.shape)
        if _numpy_dtype(function, tuple(part.dtype for part in value.parts)) != value.dtype:
            text = Text(f"{text.within(_ATOM)}.astype(np.{value.dtype.name})", _ATOM, value.shape)
        return text

    def _reduced(self, value: Reduce) -> Text:
        options = [self._read(value.source).text]
        if len(value.axes) < len(value.source.shape):
            options.append(f"axis={value.axes[0] if len(value.axes) == 1 else value.axes}")
        if value.function in ("sum", "prod") and value.dtype.kind in "iu" and value.dtype.itemsize < 8:
            options.append(f"dtype=np.{value.dtype.name}")
        return Text(f"np.{value.function}({', '.join(options)})", _ATOM, value.shape)

    def _viewed(self, axes: Sequence[AxisMap], shape: Shape, source: Text, loose: bool) -> Text:
        """The expression of a view."""
        if _is_broadcast(axes, shape, source.shape):
            made = source
        elif len({axis for axis, _, _ in axes if axis >= 0}) < sum(axis >= 0 for axis, _, _ in axes):  # a diagonal
            key = ", ".join(_counted(axis, shape) for axis in axes)
            reached = {axis for axis, _, _ in axes}
            lengths = tuple(n if i in reached else 1 for i, n in enumerate(shape))
            made = Text(f"{source.within(_ATOM)}[{key}]", _ATOM, lengths)
        else:
            made = _sliced(axes, shape, source, loose)
        return made if loose else _spread(made, shape)

    def _key(self, axes: Sequence[AxisMap | int], shape: Shape, indices: Sequence[Value]) -> str:
        """An index of arrays that broadcast to `shape`."""
        texts, shapes = [], []
        for axis in axes:
            if isinstance(axis, int):
                root = _index_root(indices[axis])
                index = indices[axis]
                if isinstance(index, View) and root is not index:
                    text = self._viewed(index.axes, index.shape, self._read(root), loose=True)
                else:
                    text = self._read(root, loose=True)
                texts.append(text.text)
                shapes.append(text.shape)
            else:
                texts.append(_counted(axis, shape))
                shapes.append((shape[axis[0]],) + (1,) * (len(shape) - axis[0] - 1) if axis[0] >= 0 else ())
        if np.broadcast_shapes(*shapes) != shape:
            texts[0] = f"np.broadcast_to({texts[0]}, {_shape(shape)})"
        return ", ".join(texts)


def _is_broadcast(axes: Sequence[AxisMap], shape: Shape, source: Shape) -> bool:
    """Whether a view of these axes is what NumPy's broadcasting gives."""
    extra = len(shape) - len(source)
    if extra < 0 or any(n not in (1, shape[extra + i]) for i, n in enumerate(source)):
        return False
    return all(
        axis == (extra + i, 1, 0) or (axis == (-1, 0, 0) and n == 1)
        for i, (axis, n) in enumerate(zip(axes, source, strict=True))
    )


def _sliced(axes: Sequence[AxisMap], shape: Shape, source: Text, loose: bool) -> Text:
    """A view by slices, whole numbers and None, and a transposition if need be; not yet repeated along its axes."""
    order = [axis for axis, _, _ in axes if axis >= 0]
    pending = [(_slice(axis, shape, n), axis[0] >= 0) for axis, n in zip(axes, source.shape, strict=True)]
    text = source.within(_ATOM)
    if order != sorted(order):
        if any(item != ":" for item, _ in pending):
            text = f"{text}[{', '.join(item for item, _ in pending)}]"
        ranks = tuple(order.index(axis) for axis in sorted(order))
        text = f"{text}.T" if ranks == tuple(reversed(range(len(ranks)))) else f"{text}.transpose({_shape(ranks)})"
        pending = [(":", True)] * len(order)
    key: list[str] = []
    lengths: list[int] = []
    for axis, n in enumerate(shape):
        if axis in order:
            while not pending[0][1]:
                key.append(pending.pop(0)[0])
            key.append(pending.pop(0)[0])
            lengths.append(n)
        elif lengths or not loose:
            key.append("None")
            lengths.append(1)
    key += [item for item, _ in pending]
    while key and key[-1] == ":":
        key.pop()
    return Text(f"{text}[{', '.join(key)}]" if key else text, _ATOM, tuple(lengths))


def _spread(text: Text, shape: Shape) -> Text:
    """An expression with its shape made `shape`."""
    return text if text.shape == shape else Text(f"np.broadcast_to({text.text}, {_shape(shape)})", _ATOM, shape)


def _shape(shape: Shape) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _literal(number: Any) -> str:
    """A number as Python writes it."""
    if number.dtype.kind != "f":
        return repr(number.item())
    if not np.isfinite(number):
        return "np.nan" if number != number else "np.inf" if number > 0 else "-np.inf"
    return str(number)


def _slice(axis: AxisMap, shape: Shape, length: int) -> str:
    """The index of one axis of an array of `length` entries along it."""
    place, step, start = axis
    if place < 0:
        return str(start)
    count = shape[place]
    stop = start + step * count
    if (start, step) == (0, 1) and count == length:
        return ":"
    if step < 0:
        return f"{'' if start == length - 1 else start}:{'' if stop < 0 else stop}:{step}"
    end = min(start + step * (count - 1) + 1, length) if count else start
    return f"{start or ''}:{'' if end == length else end}" + (f":{step}" if step != 1 else "")


def _counted(axis: AxisMap, shape: Shape) -> str:
    """The index of one axis as an array that broadcasts to `shape`."""
    place, step, start = axis
    if place < 0:
        return str(start)
    n = shape[place]
    if step > 0:
        counts = [*([start] if start or step != 1 else []), start + step * n, *([step] if step != 1 else [])]
        text = f"np.arange({', '.join(map(str, counts))})"
    else:
        text = f"np.arange({start}, {start + step * n}, {step})"
    behind = len(shape) - place - 1
    return text + (f"[:{', None' * behind}]" if behind else "")


def _index_root(index: Value) -> Value:
    """An index before it was counted from the start and brought into bounds, which NumPy's indexing does by itself."""
    root = index.source if isinstance(index, View) else index
    match root:
        case Map(function="minimum", parts=(Map(function="maximum", parts=(Map(function="where") as wrapped, _)), _)):
            before = wrapped.parts[2]
            return before.parts[0] if isinstance(before, Map) and before.function == "cast" else before
    return root


def _line(value: Value) -> Any:
    """The line of the user's code that a value was made for; in the backward pass, the gate."""
    origin: Origin | None = value.origin
    if origin is None:
        return value
    symbol = origin.symbol
    if origin.derived:
        return symbol.code, symbol.instruction
    where = symbol.where
    return where and (where.file, where.line)


def _name(value: Value) -> str:
    """The variable that a line of the user's assigns a value to; empty if there is none."""
    origin = value.origin
    if origin is None or origin.result is not value:
        return ""
    name = origin.name
    return name if name and name.isascii() else ""


def _is_new(found: Gradient) -> bool:
    """Whether a sweep's gate made the value, which is then named after this gradient alone."""
    origin = found.value.origin
    return origin is not None and origin.derived and origin.result is found.value


@lru_cache(maxsize=4096)
def _numpy_dtype(function: str, kinds: tuple[np.dtype[Any], ...]) -> np.dtype[Any]:
    """The dtype of NumPy's result for operands of these dtypes."""
    if function in PROMOTED_AS:
        return kinds[0]
    with np.errstate(all="ignore"):
        return np.asarray(getattr(np, function)(*[np.ones((), kind) for kind in kinds])).dtype


__all__ = ["Source", "source_of"]
