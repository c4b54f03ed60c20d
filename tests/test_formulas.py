"""A gate's formulas for viewers against the gate itself: the same numbers, from a second reading of the expressions."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

import numpy as np
import pytest

import gatewise as gw
from gatewise import deriving, formulas, gates
from gatewise.deriving import derived
from gatewise.formulas import alternatives_to, formulas_of, is_tabled
from gatewise.gate import REGISTRY

#: What the format allows besides the Array API standard's functions.
FURTHER = {"where", "reciprocal", "square"}
SIMPLE = sorted(name for name, kind in REGISTRY.items() if kind in {type(g) for g in alternatives_to("exp")})
POINTS = [-2.0, -0.5, 0.0, 0.3, 1.0, 2.5, math.inf, math.nan]


def _value(expression, names):
    if isinstance(expression, list):
        function, *arguments = expression
        known = {"abs": np.abs, "logical_and": np.logical_and}.get(function) or getattr(np, function)
        return known(*[_value(argument, names) for argument in arguments])
    return np.float64(names[expression] if isinstance(expression, str) else expression)


def _functions(expression):
    if isinstance(expression, list):
        yield expression[0]
        for argument in expression[1:]:
            yield from _functions(argument)


@pytest.mark.parametrize("name", [*SIMPLE, "exp", "add", "multiply", "divide", "pow", "maximum", "logaddexp", "where"])
def test_formulas_compute_what_the_gate_does(name):
    gate = REGISTRY[name]()
    value, local = formulas_of(gate, len(gate.wires))
    rng = np.random.default_rng(0)
    rows = [[x] * len(gate.wires) for x in POINTS] + rng.normal(size=(8, len(gate.wires))).tolist()
    with np.errstate(all="ignore"):
        for row in rows:
            expected = gate.forward(np, *map(np.float64, row))
            names = dict(zip(gate.wires, row, strict=True))
            np.testing.assert_allclose(_value(value, names), expected, rtol=1e-13)
            names["out"] = expected
            for wire, formula in enumerate(local):
                if formula is None:
                    continue
                reads = [expected if read == "out" else np.float64(names[read]) for read in gate.reads]
                theirs = gate.rules[wire](gate, np.float64(1), *reads)
                np.testing.assert_allclose(_value(formula, names), theirs, rtol=1e-13)


def test_formulas_use_functions_of_the_standard_alone():
    import array_api_strict

    used = set()
    for kind in REGISTRY.values():
        if kind.elementwise and not (is_dataclass(kind) and fields(kind)):
            formulas = formulas_of(kind(), len(kind.wires))
            for formula in [formulas[0], *formulas[1]] if formulas else []:
                used.update(_functions(formula))
    assert {function for function in used if not hasattr(array_api_strict, function)} <= FURTHER
    assert len(used) > 40


def test_the_table_says_what_the_gates_say():
    gates.load()
    kinds = [kind for kind in REGISTRY.values() if is_tabled(kind)]
    assert len(kinds) > 70
    for kind in kinds:
        number = len(kind.wires)
        kept, said = formulas_of(kind(), number), derived(kind(), number)
        assert repr(kept) == repr(said), f"{kind.name}: run scripts/docs"  # as text, since NaN differs from itself


def test_a_page_needs_no_compiler():
    script = (
        "import sys, numpy as np, gatewise as gw\n"
        "page = gw.trace(lambda x, y: 1 / (1 + np.exp(-x * y)), 2.0, -1.0).html()\n"
        "assert 'reciprocal' in page\n"
        "print([name for name in ('llvmlite', 'scipy', 'rich', 'click', 'array_api_compat') if name in sys.modules])\n"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_what_cannot_be_said_has_no_formulas():
    assert formulas_of(REGISTRY["erf"](), 1) is None
    assert formulas_of(gw.trace(np.sum, np.ones(3))[1].gate, 1) is None


def test_alternatives_have_as_many_wires():
    assert {"tanh", "sigmoid", "relu", "sin"} <= {gate.name for gate in alternatives_to("exp")}
    assert {"multiply", "maximum", "subtract"} <= {gate.name for gate in alternatives_to("add")}
    assert "add" not in {gate.name for gate in alternatives_to("add")}
    assert alternatives_to("matmul") == ()


def test_a_gate_of_ones_own_that_cannot_be_written_down_has_no_formulas():
    from gatewise.gate import Elementwise

    class Peeking(Elementwise):
        def forward(self, xp, x):
            return xp.exp(x)

        def local_x(self, g, x):
            return g * nowhere  # noqa: F821  (a gate that fails)

    assert formulas_of(Peeking(), 1) is None


def test_formulas_ask_for_what_the_viewer_computes():
    """Its table has these functions and no others, and so do the formulas that are kept."""
    viewer = Path(deriving.__file__).parent / "picture" / "viewer" / "compute.js"
    table = re.search(r"const FUNCTIONS = {(.*?)^};", viewer.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)[1]
    assert set(re.findall(r"(?:^|, )\s*(\w+):", table, re.MULTILINE)) == deriving.FUNCTIONS

    kept = json.loads(formulas.TABLE.read_text(encoding="utf-8"))
    found = {name for said in kept.values() if said for part in (said[0], *said[1]) for name in _functions(part)}
    assert found <= deriving.FUNCTIONS
    assert len(found) > 20
