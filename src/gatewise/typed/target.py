"""What is to be differentiated: an expression, or a function in a user's own file, with its arguments by name."""

from __future__ import annotations

import importlib.util
import inspect
import re
import shlex
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import numpy as np

from gatewise.errors import GatewiseError, InputError
from gatewise.graph import Tracked
from gatewise.typed.arguments import parse_arguments
from gatewise.typed.expression import Expression
from gatewise.typed.wording import suggestion

FUNCTION = re.compile(r"(?P<file>.+\.py):(?P<name>\w+)")


@dataclass(frozen=True)
class Target:
    """A function of arrays, the name of its result, and the arguments to call it with."""

    function: Callable[..., Any]
    name: str
    arguments: tuple[Any, ...]

    def differentiable(self, result: Any) -> Any:
        """The result, where it is one real array that depends on the arguments.

        Raises:
            InputError: It is something else, which has no gradient.
        """
        if isinstance(result, tuple | list | dict):
            raise InputError(f"{self.name} is a {type(result).__name__} of {len(result)}: return one array or number")
        if not isinstance(result, Tracked):
            raise InputError(f"{self.name} does not depend on {_listed(self.names)}, so it has no gradient")
        if np.dtype(result.value.dtype).kind != "f":
            raise InputError(
                f"{self.name} consists of {result.value.dtype} values, which have no gradient: only real numbers do"
            )
        return result

    def __call__(self, *arrays: Any) -> Any:
        """The function's result, checked."""
        return self.differentiable(self.function(*arrays))

    @property
    def names(self) -> list[str]:
        """The arguments' names."""
        return list(inspect.signature(self.function).parameters)

    @property
    def __name__(self) -> str:
        return self.name

    @property
    def __signature__(self) -> inspect.Signature:
        """For those who name a function's arguments."""
        return inspect.signature(self.function)


def read_target(command: str, text: str, arguments: Sequence[str]) -> Target:
    """Read an expression or ``file.py:function``, and its arguments, as `command` was given them.

    Raises:
        InputError: The text or an argument cannot be used, a variable has no value, or a value no variable.
    """
    typed = f"gatewise {command} {shlex.quote(text)}"
    match = FUNCTION.fullmatch(text.strip())
    if match:
        function = load_function(Path(match["file"]).expanduser(), match["name"])
        values = parse_arguments(arguments)
        needed, allowed = parameters_of(function, text)
        _check_names(text, values, needed, allowed, typed, arguments)
        return target_of_function(function, Path(match["file"]), values)
    expression = read_expression(text)
    values = parse_arguments(arguments)
    _check_names("the expression", values, expression.variables, expression.variables, typed, arguments)
    return target_of_expression(expression, values)


def read_expression(text: str) -> Expression:
    """Read an expression that has something to differentiate."""
    expression = Expression.parse(text)
    if not expression.variables:
        raise InputError(f"{text!r:.80} contains no variable, so there is nothing to differentiate: write x for one")
    return expression


def target_of_expression(expression: Expression, values: Mapping[str, Any]) -> Target:
    """The expression at a value for each of its variables."""
    arguments = tuple(map(values.get, expression.variables))
    return Target(_named(expression, expression.variables), expression.name, arguments)


def target_of_function(function: Callable[..., Any], path: Path, values: Mapping[str, Any]) -> Target:
    """A function out of the file at `path`, called with these arguments by name."""
    return Target(_by_name(function, list(values), path), function.__name__, tuple(values.values()))


def _check_names(
    what: str,
    values: Mapping[str, Any],
    needed: Iterable[str],
    allowed: Iterable[str] | None,
    typed: str,
    arguments: Sequence[str],
) -> None:
    """Refuse values for unknown names, and missing values; say which command would work."""
    for name in values:
        if allowed is not None and name not in allowed:
            missing = [name for name in allowed if name not in values]
            hint = suggestion(name, missing) or f"its variables are {', '.join(allowed)}"
            raise InputError(f"{what} has no variable {name}: {hint}")
    missing = [name for name in needed if name not in values]
    if missing:
        complete = " ".join([typed, *map(shlex.quote, arguments), *(f"{name}=1" for name in missing)])
        verb = "has" if len(missing) == 1 else "have"
        raise InputError(f"{_listed(missing)} {verb} no value. This would work:\n  {complete}")


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]])) or "anything"


def _named(function: Callable[..., Any], names: Iterable[str]) -> Callable[..., Any]:
    """The function, with its positional parameters named."""

    def named(*arrays: Any) -> Any:
        return function(*arrays)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    # inspect.signature reads this attribute, which the stubs of functions do not list
    named.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])  # type: ignore[attr-defined]
    return named


# --- the user's own function ------------------------------------------------------------------------------------------


def load_function(path: Path, name: str) -> Callable[..., Any]:
    """Import the file and take the function out of it.

    Raises:
        InputError: The file is missing, does not run, or has no such function.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    module = _import(path)
    function = getattr(module, name, None)
    if not callable(function):
        own = [key for key, value in vars(module).items() if inspect.isfunction(value) and not key.startswith("_")]
        known = f"it has {', '.join(own)}" if own else "it defines no function"
        what = "is not a function" if hasattr(module, name) else "does not exist"
        raise InputError(f"{path}:{name} {what}: {suggestion(name, own) or known}")
    # what stands in a user's file has no known type; that it can be called was checked above
    return function  # type: ignore[no-any-return]


def _import(path: Path) -> ModuleType:
    """Run the file as a module; it may import its neighbours, as under ``python file.py``."""
    name = f"{path.stem} (shown by gatewise)"  # never the name of a module that somebody imports
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} cannot be imported as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        _refuse(path, error)
    return module


def parameters_of(function: Callable[..., Any], text: str) -> tuple[list[str], list[str] | None]:
    """The names that need a value, and those that may have one; None where any may."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise InputError(f"{text}: Python cannot tell the names of its arguments; wrap it in a function") from None
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    positional = [p.name for p in named if p.kind is p.POSITIONAL_ONLY]
    if positional:
        raise InputError(f"{text}: {_listed(positional)} cannot be given by name: take the / out of the function")
    needed = [p.name for p in named if p.default is p.empty]
    return needed, None if any(p.kind is p.VAR_KEYWORD for p in parameters) else [p.name for p in named]


def _by_name(function: Callable[..., Any], names: Sequence[str], path: Path) -> Callable[..., Any]:
    """The function of positional arrays that hands them on by name, and tells in a line what goes wrong inside."""

    def call(*arrays: Any) -> Any:
        try:
            return function(**dict(zip(names, arrays, strict=True)))
        except GatewiseError:
            raise
        except (Exception, SystemExit) as error:
            _refuse(path, error)

    return _named(call, names)


def _refuse(path: Path, error: BaseException) -> NoReturn:
    """Tell where in the user's file an exception came from."""
    reason = f"{type(error).__name__}: {error}".strip().removesuffix(":")
    if isinstance(error, SyntaxError) and error.lineno:
        file = path if _same(error.filename or "", path) else error.filename
        raise InputError(f"{file}:{error.lineno}: SyntaxError: {error.msg}\n  {(error.text or '').strip()}") from None
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _same(frame.filename, path)]
    if not frames:
        raise InputError(f"{path}: {reason}") from None
    raise InputError(f"{path}:{frames[-1].lineno}: {reason}\n  {(frames[-1].line or '').strip()}") from None


def _same(file: str, path: Path) -> bool:
    return Path(file).resolve() == path.resolve()
