"""What the page asks, answered: a source becomes a circuit, edits another one. Runs in the worker's process."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gatewise.circuit import Circuit, trace
from gatewise.errors import GatewiseError, InputError
from gatewise.picture.scene import scene_of
from gatewise.typed.arguments import parse_numbers
from gatewise.typed.running import quietly, run
from gatewise.typed.target import (
    Target,
    load_function,
    parameters_of,
    read_expression,
    target_of_expression,
    target_of_function,
)
from gatewise.widget import answer
from gatewise.workbench.gallery import BY_NAME

SHOWN = 30_000  # nodes that are sent to the page
REMEMBERED = 4  # circuits kept for what-ifs
LONGEST_VALUE = 20_000  # characters


class Answers:
    """Answers questions about expressions, the gallery, and the functions that the owner named."""

    def __init__(self, functions: Mapping[str, tuple[str, str]]) -> None:
        self.functions = functions  # what the page calls them: file and name
        self._circuits: OrderedDict[str, tuple[Circuit, dict[str, str]]] = OrderedDict()

    def __call__(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one question of the page, an error among them."""
        number = question.get("number")
        try:
            circuit, values = self._circuit(question.get("source"))
            edits = question.get("edits") or []
            if edits:
                said = answer(circuit, {"type": "edit", "number": number, "edits": edits})
                if said is not None:
                    return said
            with quietly():
                scene = scene_of(circuit, SHOWN, editable=True)
        except GatewiseError as error:
            return {"type": "error", "number": number, "message": str(error)}
        except MemoryError:
            return {"type": "error", "number": number, "message": "this needs more memory than the page may use"}
        return {"type": "scene", "number": number, "scene": json.loads(scene.to_json()), "values": values}

    def _circuit(self, source: object) -> tuple[Circuit, dict[str, str]]:
        key = json.dumps(source, sort_keys=True)
        if key not in self._circuits:
            self._circuits[key] = self._made(source)
            while len(self._circuits) > REMEMBERED:
                self._circuits.popitem(last=False)
        self._circuits.move_to_end(key)
        return self._circuits[key]

    def _made(self, source: object) -> tuple[Circuit, dict[str, str]]:
        if not isinstance(source, Mapping):
            raise InputError("a question names its source: an expression, a function or an example")
        given = source.get("values") or {}
        if not isinstance(given, Mapping) or not all(isinstance(text, str) for text in (*given, *given.values())):
            raise InputError("values are texts by name")
        if isinstance(name := source.get("example"), str):
            return self._example(name), {}
        if isinstance(text := source.get("expression"), str):
            expression = read_expression(text)
            values = {name: given.get(name, "1") for name in expression.variables}
            target = target_of_expression(expression, _parsed(values))
            return run(target)[0], values
        if isinstance(name := source.get("function"), str):
            return self._function(name, given)
        raise InputError("a question names its source: an expression, a function or an example")

    def _example(self, name: str) -> Circuit:
        example = BY_NAME.get(name)
        if example is None or example.function is None:
            raise InputError(f"there is no example {name!r:.60}")
        with quietly():
            return trace(example.function, *example.arguments)

    def _function(self, name: str, given: Mapping[str, str]) -> tuple[Circuit, dict[str, str]]:
        if name not in self.functions:
            raise InputError(f"{name!r:.60} is not among the functions that this page was started with")
        file, function_name = self.functions[name]
        function = load_function(Path(file), function_name)
        needed, allowed = parameters_of(function, name)
        wrong = [key for key in given if allowed is not None and key not in allowed]
        if wrong:
            raise InputError(f"{name} has no argument {wrong[0]!r:.40}")
        values = {key: given.get(key, "1") for key in [*needed, *(key for key in given if key not in needed)]}
        target: Target = target_of_function(function, Path(file), _parsed(values))
        return run(target)[0], values


def _parsed(values: Mapping[str, str]) -> dict[str, Any]:
    for name, text in values.items():
        if len(text) > LONGEST_VALUE:
            raise InputError(f"the value of {name:.40} is longer than {LONGEST_VALUE} characters")
        if "@" in text:
            raise InputError(f"{name:.40}: this page reads no files; write the numbers, as in [[1, 2], [3, 4]]")
    return {name: parse_numbers(text, name) for name, text in values.items()}
