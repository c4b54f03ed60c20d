"""``file.py:function``: a user's own function, its arguments by name, and what goes wrong inside it."""

from __future__ import annotations

import pytest

MODEL = """
import numpy as np

RATE = 0.5


def loss(w, x=np.array([[1.0, 2.0], [3.0, 4.0]]), rate=RATE):
    scores = x @ w
    hinge = np.maximum(0, scores)
    return np.sum(hinge) * rate


def broken(w):
    return w.nothing


def quits(w):
    raise SystemExit(0)


def pair(w):
    return w, w


def fixed(w):
    return 3.0


def leaving(w):
    return float(w) * 2


def anything(**values):
    return values["a"] * values["b"]


def positional(w, /):
    return w


async def later(w):
    return w
"""


@pytest.fixture
def model(gatewise, tmp_path):
    (tmp_path / "model.py").write_text(MODEL)


@pytest.mark.usefixtures("model")
def test_a_function_with_defaults(show):
    out = show("model.py:loss", "w=[1,-0.25]")
    assert "scores = x @ w" in out
    assert "model.py:8\n" in out
    assert "loss = 1.25\n" in out
    assert "raise w[1] by 0.00417 (gradient 3, the largest of 2" in out


@pytest.mark.usefixtures("model")
def test_arguments_by_name(show):
    out = show("model.py:loss", "rate=2", "w=[1,-0.25]")
    assert "loss = 5\n" in out
    assert "raise rate by 0.02 (gradient 2.5: each unit of rate moves loss by 2.5)" in out
    assert "anything = 6\n" in show("model.py:anything", "a=2", "b=3")


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("model.py:los", "model.py:los does not exist: did you mean loss?"),
        ("model.py:RATE", "model.py:RATE is not a function"),
        ("model.py:broken", "model.py:14: AttributeError: a traced Array has no attribute 'nothing'"),
        ("model.py:quits", "model.py:18: SystemExit: 0"),
        ("model.py:pair", "pair is a tuple of 2: return one array or number"),
        ("model.py:fixed", "fixed does not depend on w, so it has no gradient"),
        ("model.py:leaving", "model.py:30:  return float(w) * 2"),
        ("model.py:positional", "w cannot be given by name"),
        ("nowhere.py:loss", "nowhere.py: there is no such file"),
    ],
)
def test_functions_that_cannot_be_shown(refused, target, message):
    assert message in refused(target, "w=1")


@pytest.mark.usefixtures("model")
def test_names_of_arguments(refused):
    err = refused("model.py:loss", "rate=1")
    assert "w has no value. This would work:\n  gatewise show model.py:loss rate=1 w=1\n" in err
    assert "model.py:loss has no variable v: its variables are w, x, rate" in refused("model.py:loss", "v=1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("def f(x:\n    return x\n", "user.py:1: SyntaxError: '(' was never closed\n  def f(x:"),
        ("import os\nnumber = 1 / 0\n", "user.py:2: ZeroDivisionError: division by zero\n  number = 1 / 0"),
        ("import no_such_module_anywhere\n", "user.py:1: ModuleNotFoundError: "),
        ("raise SystemExit(0)\n", "user.py:1: SystemExit: 0"),
        ("", "user.py:f does not exist: it defines no function"),
    ],
)
def test_files_that_do_not_run(refused, tmp_path, content, message):
    (tmp_path / "user.py").write_text(content)
    assert message in refused("user.py:f", "x=1")


def test_a_file_imports_its_neighbours(show, tmp_path):
    (tmp_path / "gatewise_test_neighbour.py").write_text("def double(x):\n    return 2 * x\n")
    (tmp_path / "user.py").write_text(
        "from gatewise_test_neighbour import double\n\n\ndef f(x):\n    return double(x)\n"
    )
    assert "f = 6\n" in show("user.py:f", "x=3")


def test_a_wrong_shape_inside_a_function_names_the_line(refused, tmp_path):
    (tmp_path / "user.py").write_text("import numpy as np\n\n\ndef f(w):\n    return w @ np.ones(7)\n")
    err = refused("user.py:f", "w=[1,2]")
    assert "matmul cannot take float64[2] and float64[7]" in err
    assert "user.py:5:  return w @ np.ones(7)" in err
