"""``gatewise check``: the report, the exit status, and the same input as show."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    "arguments",
    [
        ("(x+y)*z", "x=-2", "y=5", "z=-4"),
        ("max(x, y)", "x=4", "y=2"),
        ("1/(1+exp(-(w0*x0+w1*x1+w2)))", "w0=2", "w1=-3", "w2=-3", "x0=-1", "x1=-2"),
        ("(x + σ(y)) / (σ(x) + (x + y)**2)", "x=3", "y=-4", "--order", "2"),
        ("D = W @ X", "W=[[1,2],[3,4]]", "X=[[1,0.5,2],[0,3,1]]", "--order", "2"),
    ],
)
def test_right_gradients_pass(gatewise, arguments):
    status, out, err = gatewise("check", *arguments)
    assert (status, err) == (0, "")
    assert "largest relative error" in out
    assert ("second derivative" in out) == ("--order" in arguments)
    assert out.endswith("the gradient check passed\n")


def test_a_wrong_gradient_fails(gatewise, tmp_path):
    (tmp_path / "wrong.py").write_text(
        "import gatewise as gw\n\n\ndef f(x):\n    return x * gw.stop_gradient(x)  # half of the gradient is lost\n"
    )
    status, out, err = gatewise("check", "wrong.py:f", "x=3")
    assert (status, err) == (1, "")
    assert "the gradient check FAILED" in out


def test_bad_input_is_refused_as_in_show(refused):
    assert "gatewise check 'x*y' x=1 y=1" in refused("x*y", "x=1", command="check")
    assert "f consists of bool values" in refused("x > 0", "x=1", command="check")
    assert "exq is not a function" in refused("exq(x)", "x=1", command="check")
    assert "No such option '--ordr'" in refused("x", "x=1", "--ordr", "2", command="check")
