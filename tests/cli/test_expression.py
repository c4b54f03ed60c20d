"""The expression language: what it computes, what it refuses and where it points; and that nothing else happens."""

from __future__ import annotations

import ast
import random
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import gatewise as gw
from gatewise.errors import GatewiseError, IndexingError, InputError, ShapeError
from gatewise.typed import expression as language
from gatewise.typed.expression import Expression
from gatewise.typed.vocabulary import FUNCTIONS

X = np.array([[0.3, -1.2, 2.0], [1.5, 0.7, -0.4]])


def evaluate(text, **values):
    expression = Expression.parse(text)
    return expression(*[values[name] for name in expression.variables])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x + y - 2*x/y", 3.0 + 2.0 - 3.0),
        ("x // y + x % y", 1.0 + 1.0),
        ("-x ** 2", -9.0),
        ("+x", 3.0),
        ("2 ** -y", 0.25),
        ("x ** y", 9.0),
        ("pow(x, 2)", 9.0),
        ("sin(pi*x) + log(e)", np.sin(3 * np.pi) + 1),
        ("π - pi + x", 3.0),
        ("max(x, y, 7, 1) + min(x, y)", 9.0),
        ("abs(-x) + sign(-y)", 2.0),
        ("where(x > y, x, y)", 3.0),
        ("where((x > 0) & ~(y > 5) | (x == y), 1, 2) * x", 3.0),
        ("clip(x, 0, 1.5)", 1.5),
        ("ln(x) - log(x) + x", 3.0),
        ("q = x + y; r = q * q; r - q", 20.0),
        ("q = x + y\nf = q * x\n", 15.0),
        ("x = x + 1; x * y", 8.0),
        ("e = 2; e * x * y", 12.0),
        ("1/3*3 + 0*x + 0*y", 1.0),
    ],
)
def test_numbers(text, value):
    values = {"x": np.float64(3), "y": np.float64(2)}
    assert float(evaluate(text, **values)) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("sum(x)", X.sum()),
        ("sum(x, axis=0)", X.sum(0)),
        ("sum(x, 1)", X.sum(1)),
        ("mean(x, axis=(0, 1), keepdims=True)", X.mean(keepdims=True)),
        ("max(x)", X.max()),
        ("max(x, axis=-1)", X.max(-1)),
        ("max(0, x)", np.maximum(0, X)),
        ("prod(x, 0)", X.prod(0)),
        ("logsumexp(x, axis=1)", np.log(np.exp(X).sum(1))),
        ("x.T", X.T),
        ("transpose(x)", X.T),
        ("x @ x.T", X @ X.T),
        ("matmul(x, x.T)", X @ X.T),
        ("dot(x, x.T)", X @ X.T),
        ("dot(x[0], x[1])", X[0] @ X[1]),
        ("outer(x[0], x[1])", np.outer(X[0], X[1])),
        ("reshape(x, (3, 2))", X.reshape(3, 2)),
        ("reshape(x, -1)", X.ravel()),
        ("ravel(x)", X.ravel()),
        ("x[0]", X[0]),
        ("x[-1, 1:]", X[-1, 1:]),
        ("x[..., ::2]", X[..., ::2]),
        ("x[:, None, 0]", X[:, None, 0]),
        ("x[[0, 0, 1]]", X[[0, 0, 1]]),
        ("x[x > 0]", X[X > 0]),
        ("x * [1, 2, -3]", X * [1, 2, -3]),
        ("[[1, 0], [0, 2]] @ x", np.diag([1, 2]) @ X),
    ],
)
def test_arrays(text, value):
    np.testing.assert_allclose(evaluate(text, x=X), value)
    recorded = gw.trace(Expression.parse(text), X)
    np.testing.assert_allclose(recorded.entries[recorded.outputs[0]].value, value)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_makes_a_gate_that_knows_its_place(name):
    operands = ["x"] * FUNCTIONS[name].least
    text = f"2 * {name}({', '.join([*operands, *(['(3, 2)'] if name == 'reshape' else [])])})"
    if name in ("matmul", "dot"):
        text = f"2 * {name}(x, x.T)"
    if name == "where":
        text = "2 * where(x > 0, x, x)"
    circuit = gw.trace(Expression.parse(text), X)
    expressions = [entry.where.expression for entry in circuit if entry.where]
    assert text.removeprefix("2 * ") in expressions
    assert expressions[-1] == text


def test_names_of_parts_are_names_of_gates():
    circuit = gw.trace(Expression.parse("q = x + y; f = q * z"), -2.0, 5.0, -4.0)
    assert [entry.name for entry in circuit if entry.operands] == ["q", "f"]
    assert str(circuit["q"].where) == "<expression>:1"


def test_columns_count_characters_not_bytes():
    circuit = gw.trace(Expression.parse("σ(ä) + σ(ß*ä)"), 1.0, 2.0)
    assert [entry.where.expression for entry in circuit if entry.where] == ["σ(ä)", "ß*ä", "σ(ß*ä)", "σ(ä) + σ(ß*ä)"]


REFUSED = [
    ("", "the expression is empty", None),
    ("# nothing", "only a comment", None),
    ("exq(x)", "exq is not a function of expressions: did you mean exp?", "exq"),
    ("1 + eval('x')", "eval is not a function of expressions", "eval"),
    ("__import__('os').system('true')", "write functions by their name alone", "__import__('os').system"),
    ("x.__class__", "the only attribute is .T", "x.__class__"),
    ("np.exp(x)", "write functions by their name alone, as in exp(x)", "np.exp"),
    ("x * _y", "names begin with a letter", "_y"),
    ("_q = x; x", "names begin with a letter", "_q"),
    ("x ^ 2", "write **", "x ^ 2"),
    ("x and y", "written & and |", "x and y"),
    ("not x", "'not' is written ~", "not x"),
    ("0 < x < 1", "two values at a time", "0 < x < 1"),
    ("x if x > 0 else y", "where(condition, x, y)", "x if x > 0 else y"),
    ("lambda: x", "write the body of the function itself", "lambda: x"),
    ("[a for a in x]", "sum(x)", "[a for a in x]"),
    ("f'{x}'", "not part of expressions", "f'{x}'"),
    ("'text' * x", "'text' is not a real number", "'text'"),
    ("x * 2j", "2j is not a real number", "2j"),
    ("x * True", "True is not a real number", "True"),
    ("{x: 1}", "not part of expressions", "{x: 1}"),
    ("x, y", "a row of numbers is written", "x, y"),
    ("(q := x) * q", "a part is named in front", "q := x"),
    ("import os", "all functions are there already", "import os"),
    ("del x", "not part of expressions", "del x"),
    ("x += 1; x", "name a new value instead", "x += 1"),
    ("x + y; x", "this value is not used", "x + y"),
    ("a, b = x; a", "one name is given a value at a time", "a, b = x"),
    ("a = b = x; a", "one name is given a value at a time", "a = b = x"),
    ("exp(x, y)", "exp takes 1 value; got 2", "exp(x, y)"),
    ("exp()", "exp takes 1 value; got 0", "exp()"),
    ("max()", "max takes 1 or more values; got 0", "max()"),
    ("exp(*x)", "not part of expressions", "*x"),
    ("exp(**x)", "exp has no setting **", "exp(**x)"),
    ("sum(x, axes=0)", "sum has no setting axes: it takes axis, keepdims", "sum(x, axes=0)"),
    ("sum(x, axis=y)", "whole numbers that are written out", "y"),
    ("x[y]", "whole numbers that are written out", "y"),
    ("x[1.5]", "whole numbers that are written out", "1.5"),
    ("[1, x] * x", "an array that is written out consists of numbers", "x"),
    ("[[1], [1, 2]] * x", "the rows of this array have different lengths", "[[1], [1, 2]]"),
    ("x * 1e999", "this number is too large", "1e999"),
    ("x * " + "9" * 41, "at most 40 digits", "9" * 41),
    ("x is y", "two values at a time", "x is y"),
    ("x in y", "two values at a time", "x in y"),
]


@pytest.mark.parametrize(("text", "message", "marked"), REFUSED)
def test_refusals_say_what_and_where(text, message, marked):
    with pytest.raises(InputError) as caught:
        Expression.parse(text)
    assert message in str(caught.value)
    if marked is not None:
        _, line, carets = str(caught.value).splitlines()
        assert line == f"  {text}"
        assert line[carets.index("^") : len(carets)] == marked


@pytest.mark.parametrize(("text", "column"), [("(x + y", 0), ("x +", 3), ("2x", 0), ("x $ y", 2)])
def test_syntax_errors_have_a_caret(text, column):
    with pytest.raises(InputError) as caught:
        Expression.parse(text)
    message, line, caret = str(caught.value).splitlines()
    assert message.startswith("the expression cannot be read: ")
    assert line == f"  {text}"
    assert caret.index("^") - 2 == column


def test_a_product_without_a_sign_gets_advice():
    with pytest.raises(InputError, match=r"a product is written 2\*x"):
        Expression.parse("3 + 2x")


@pytest.mark.parametrize(
    ("text", "kind", "message", "marked"),
    [
        ("1 + x @ y", ShapeError, "matmul cannot take", "x @ y"),
        ("x[7] + sum(y)", IndexingError, "out of bounds", "x[7]"),
        ("sum(x, axis=3) + sum(y)", ShapeError, "axis 3 is out of range", "sum(x, axis=3)"),
        ("x ** 1001 + sum(y)", InputError, "exponents go from -1000 to 1000", "x ** 1001"),
        ("x ** -1001 + sum(y)", InputError, "exponents go from -1000 to 1000", "x ** -1001"),
        ("pow(x, 1e5) + sum(y)", InputError, "exponents go from", "pow(x, 1e5)"),
        ("x + y", ShapeError, "do not broadcast", "x + y"),
        ("max(x, y, axis=0)", InputError, "an axis goes with a single array", "max(x, y, axis=0)"),
        ("reshape(x, (2, 2)) + sum(y)", ShapeError, "reshape", "reshape(x, (2, 2))"),
    ],
)
def test_errors_of_gates_point_into_the_expression(text, kind, message, marked):
    expression = Expression.parse(text)
    with pytest.raises(kind) as caught:
        gw.trace(expression, np.ones(3), np.ones(2))
    first, line, carets = str(caught.value).splitlines()
    assert message in first
    assert line == f"  {text}"
    assert line[carets.index("^") : len(carets)] == marked


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("outer(x, x)", (4000,)),
        ("x[:, None] * x", (4000,)),
        ("x[:, None] @ x[None]", (4000,)),
        ("dot(x[:, None], x[None])", (4000,)),
        ("x[[0, 0, 0, 0]]", (2, 4_000_000)),
        ("where(x[:, None] > 0, x, x)", (4000,)),
    ],
)
def test_arrays_that_would_be_too_large_are_not_made(text, shape):
    with pytest.raises(InputError, match="entries is too large: at most 10,000,000"):
        Expression.parse(text)(np.ones(shape))


@pytest.mark.parametrize("text", ["x @ x.T", "x.T @ x", "dot(x, x.T)", "x[None] @ x.T", "dot(x, x[0])", "x @ x[0]"])
def test_products_of_fair_size_are_made(text):
    assert evaluate(text, x=np.ones((1000, 1000))).size <= 10**6


def test_limits():
    with pytest.raises(InputError, match=r"2,001 characters; at most 2,000"):
        Expression.parse("x" * 2001)
    with pytest.raises(InputError, match=r"parts; at most 500"):
        Expression.parse("max(" + ",".join(["x"] * 600) + ")")
    with pytest.raises(InputError, match=r"nested more than 60 deep"):
        Expression.parse("+".join(["x"] * 70))
    Expression.parse("+".join(["x"] * 50))


@pytest.mark.parametrize("text", ["-" * 1999 + "x", "(" * 1999, "[" * 1000 + "]" * 1000, "x" + ".T" * 900, "~" * 1500])
def test_deep_nesting_is_refused_quietly(text):
    with pytest.raises(InputError):
        Expression.parse(text)


def test_long_lines_are_shown_around_the_place():
    with pytest.raises(InputError) as caught:
        Expression.parse(f"{'+'.join(['velocity'] * 25)} + exq(x) + {'+'.join(['velocity'] * 25)}")
    _, line, carets = str(caught.value).splitlines()
    assert len(line) < 110
    assert line[carets.index("^") : len(carets)] == "exq"


def test_control_characters_do_not_reach_the_terminal():
    with pytest.raises(InputError) as caught:
        Expression.parse("x + '\x1b[31m'")
    assert "\x1b" not in str(caught.value)


# --- anything at all --------------------------------------------------------------------------------------------------

WORDS = [
    *FUNCTIONS, "x", "y", "pi", "__import__", "eval", "open", "lambda", "for", "in", "if", "else", "import", "yield",
    "await", "None", "True", "...", "print", "exit", "x.T", "x.__class__", "axis=", "0", "1", "2.5", "1e308", "10**9",
    "+", "-", "*", "/", "**", "//", "%", "@", "<", "==", "&", "|", "^", "~", "=", ":=", ";", "\n", ",", ":", "(", ")",
    "[", "]", "{", "}", ".", "'", '"', "f'", "\\", "#", " ", "\t", "\x00", "σ", "ℯ", "𝐱", "\u2028",
]  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def nothing_is_executed():
    """Notice any attempt to run code, or to touch files, processes or the network, from an expression."""

    def watch(event, arguments):
        looked_up = event == "open" and str(arguments[0]).startswith("<")  # the parser's own, for its error message
        if watching and not looked_up and event in ("exec", "open", "os.system", "subprocess.Popen", "socket.connect"):
            seen.append(f"an expression led to {event} {arguments}")

    sys.addaudithook(watch)  # it stays, and does nothing while no attempt is watched


watching: list[bool] = []
seen: list[str] = []


def attempt(text):
    """Parse and run; anything but a GatewiseError is a failure."""
    watching.append(True)
    try:
        expression = Expression.parse(text)
        if len(expression.variables) <= 2:
            gw.trace(expression, *[X, np.float64(0.5)][: len(expression.variables)])
    except GatewiseError:
        pass
    finally:
        watching.clear()
    assert not seen


@settings(max_examples=300, deadline=None)
@given(some.text(max_size=60))
def test_random_text(text):
    attempt(text)


@settings(max_examples=600, deadline=None)
@given(some.lists(some.sampled_from(WORDS), max_size=25).map("".join))
def test_random_words(text):
    attempt(text)


ATOMS = some.sampled_from(["x", "y", "2", "0.5", "pi", "[1,2,3]", "x[0]", "x.T", "0", "1e300", "x[x>0]"])


def combined(inner):
    operators = some.sampled_from(["+", "-", "*", "/", "**", "@", "//", "%", "<", "==", "&"])
    names = some.sampled_from(sorted(FUNCTIONS))
    return (
        some.tuples(inner, operators, inner).map(lambda parts: "({} {} {})".format(*parts))
        | some.tuples(names, some.lists(inner, min_size=1, max_size=3)).map(lambda p: f"{p[0]}({', '.join(p[1])})")
        | inner.map(lambda text: f"(-{text})")
    )


@settings(max_examples=600, deadline=None)
@given(some.recursive(ATOMS, combined, max_leaves=8))
def test_random_expressions(text):
    attempt(text)


def test_mutations_of_good_expressions():
    generator = random.Random(0)
    good = ["(x+y)*z", "1/(1+exp(-(w0*x0+w1*x1+w2)))", "q = x[0]; sum(q * y, axis=0)", "max(0, x @ [1,2,3])"]
    for _ in range(3000):
        text = list(generator.choice(good))
        for _ in range(generator.randint(1, 4)):
            place = generator.randrange(len(text))
            text[place : place + generator.randint(0, 2)] = generator.choice([*"()[]+-*/.=;,@ _0x'\"", "**", ""])
        attempt("".join(text))


def test_no_evaluation_in_the_source():
    source = ast.parse(Path(language.__file__).read_text(encoding="utf-8"))
    called = {
        node.func.id for node in ast.walk(source) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"eval", "exec", "compile", "getattr", "__import__"}
