"""A module's text as several modules, so that threads can make machine code of one each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_SYMBOL = r'@"?([^"\s(),=]+)"?'
_NAME = re.compile(_SYMBOL)
_REGISTER = re.compile(r' %"?[\w.$-]+"?')
_HEAD = re.compile(rf"define ([^@\n]*){_SYMBOL}(\(.*\))([^)\n{{]*)")
_VARIABLE = re.compile(rf"^{_SYMBOL} = (internal|private) (global|constant) .*\n?", re.MULTILINE)


@dataclass(frozen=True)
class _Function:
    """The text of a function, and parts of its first line."""

    text: str
    before: str  # what stands before its name: linkage and what it returns
    name: str
    arguments: str
    attributes: str


_Functions = Mapping[str, _Function]
_Variables = Mapping[str, re.Match[str]]


def divided(text: str, count: int) -> list[str]:
    r"""A module as up to `count` modules of about equal length, which together define what it does.

    What was internal is shared by them under a hidden name. Functions that are to be written out where they are called,
    and constants, go with each module that uses them.

    Args:
        text: The module in LLVM's language, each function ending with a brace on a line of its own.
        count: How many modules are wanted.

    Example:
        >>> one = "define internal i64 @one() {\n  ret i64 1\n}\n"
        >>> two = "define i64 @two() {\n  %x = call i64 @one()\n  ret i64 %x\n}\n"
        >>> first, second = divided(one + two, 2)
        >>> print(first, end="")
        declare hidden i64 @"one"()
        define i64 @two() {
          %x = call i64 @one()
          ret i64 %x
        }
        >>> print(second, end="")
        define hidden i64 @one() {
          ret i64 1
        }
    """
    if count < 2:
        return [text]
    functions, rest = _functions(text)
    variables = {match[1]: match for match in _VARIABLE.finditer(rest)}
    inlined = {name for name, function in functions.items() if "alwaysinline" in function.attributes}
    uses = _uses(functions, inlined)
    lengths = {
        name: len(functions[name].text) + sum(len(functions[used].text) for used in names & inlined)
        for name, names in uses.items()
    }
    groups: list[list[str]] = [[] for _ in range(count)]
    for name in sorted(uses, key=lambda name: -lengths[name]):
        min(groups, key=lambda group: sum(lengths[member] for member in group)).append(name)
    rest = _VARIABLE.sub("", rest)
    modules = [_module(functions, variables, group, uses, inlined, not i) for i, group in enumerate(groups) if group]
    return [rest + module for module in modules]


def _functions(text: str) -> tuple[dict[str, _Function], str]:
    """The functions that a module defines, and the rest of it."""
    text = f"\n{text}"
    functions, rest, done = {}, [], 1
    while (start := text.find("\ndefine ", done - 1) + 1) > 0:
        head = _HEAD.match(text, start)
        assert head is not None
        rest.append(text[done:start])
        done = text.find("\n}", head.end()) + 2
        done += text.startswith("\n", done)
        functions[head[2]] = _Function(text[start:done], head[1], head[2], head[3], head[4])
    return functions, "".join([*rest, text[done:]])


def _uses(functions: _Functions, inlined: set[str]) -> dict[str, set[str]]:
    """The names that each function uses, those of functions that are written out in it included."""
    named = {name: set(_NAME.findall(function.text)) - {name} for name, function in functions.items()}
    uses = {}
    for name in functions:
        if name in inlined:
            continue
        todo, seen = list(named[name]), set(named[name])
        while todo:
            used = todo.pop()
            more = named[used] - seen if used in inlined else set()
            seen |= more
            todo += more
        uses[name] = seen
    return uses


def _module(
    functions: _Functions,
    variables: _Variables,
    group: Sequence[str],
    uses: Mapping[str, set[str]],
    inlined: set[str],
    first: bool,
) -> str:
    """The definitions of a group of functions; the first group has the variables that can change as well."""
    used: set[str] = set().union(*[uses[name] for name in group])
    lines = []
    for name, match in variables.items():
        if match[3] == "constant":
            lines.append(match[0] if name in used else "")
        elif first:
            lines.append(match[0].replace(match[2], "hidden", 1))
        elif name in used:
            lines.append(f'@"{name}" = external hidden global i8\n')
    for name, function in functions.items():
        shared = function.before.replace("internal ", "hidden ")
        if name in group:
            lines.append(function.text.replace(function.before, shared, 1) if function.before else function.text)
        elif name in used and name in inlined:
            lines.append(function.text)
        elif name in used:
            lines.append(f'declare {shared}@"{name}"{_REGISTER.sub("", function.arguments)}\n')
    return "".join(lines)
