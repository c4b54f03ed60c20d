"""Zeros that must stay connected, memory that must stay apart, and operands that must be refused.

A derivative that happens to be zero still has derivatives of its own; what is handed out belongs to the user.
"""

from __future__ import annotations

import numpy as np
import pytest

import gatewise as gw


def test_a_gradient_through_a_zero_tangent():
    assert gw.grad(lambda x: gw.hvp(lambda y: y**3, x, 1.0))(0.0) == 6.0


def test_a_jvp_is_linear_in_a_tangent_that_has_zeros():
    x = np.array([1.0, 2.0])
    push = gw.jacobian(lambda v: gw.jvp(np.exp, (x,), (v,))[1])
    np.testing.assert_allclose(push(np.array([0.0, 1.0])), np.diag(np.exp(x)))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_second_derivatives_beside_a_strong_zero():
    def f(x):
        return np.sum(np.where(x > 0, np.log(x), 0.0)) + np.sum(np.sin(x) ** 2)

    assert gw.grad(gw.grad(f))(0.0) == pytest.approx(2.0)
    assert gw.hvp(f, 0.0, 1.0) == pytest.approx(2.0)
    np.testing.assert_allclose(gw.hessian(f)(np.zeros(2)), 2 * np.eye(2))


PADDED = np.array([[1.0, 2.0], [np.nan, np.inf]])
VALID = np.array([True, False])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    "scores",
    [
        lambda w: PADDED @ w,
        lambda w: np.einsum("ij,j->i", PADDED, w),
        lambda w: np.sum(PADDED * w, axis=1),
        lambda w: (PADDED @ np.stack([w, w], axis=1))[:, 0],
        lambda w: w @ PADDED.T,
    ],
    ids=["vector", "einsum", "by hand", "matrix", "from the left"],
)
def test_masked_rows_do_not_leak(scores):
    gradient = gw.grad(lambda w: np.sum(np.where(VALID, scores(w), 0.0)))(np.ones(2))
    np.testing.assert_array_equal(gradient, [1.0, 2.0])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_infinite_upstream_gradient_goes_to_the_winner_alone():
    np.testing.assert_array_equal(gw.grad(lambda x: np.sqrt(np.max(x)))(np.array([0.0, -1.0])), [np.inf, 0.0])


def test_what_stop_gradient_gives_may_be_written_into():
    def f(x):
        fixed = gw.stop_gradient(x)
        fixed -= fixed.max()
        return np.sum(x * x)

    x = np.array([1.0, 2.0])
    np.testing.assert_array_equal(gw.grad(f)(x), [2.0, 4.0])
    np.testing.assert_array_equal(x, [1.0, 2.0])


def test_a_pullback_keeps_what_it_needs():
    x = np.array([0.0, 1.0])
    value, pullback = gw.vjp(np.exp, x)
    value -= value
    x[:] = 3.0
    np.testing.assert_allclose(pullback(np.ones(2))[0], np.exp([0.0, 1.0]))


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("kind", [np.matrix, np.ma.masked_array])
def test_arrays_with_rules_of_their_own_are_refused(kind):
    operand = kind([1.0, 2.0])
    with pytest.raises(gw.DTypeError, match=r"np\.asarray"):
        gw.grad(lambda x: np.sum(x * operand))(np.ones(2))


def test_an_object_array_is_refused():
    with pytest.raises(gw.DTypeError, match="object"):
        gw.grad(lambda x: np.sum(x * np.array([1, "a"], dtype=object)))(np.ones(2))


@pytest.mark.parametrize(
    "f", [lambda x: np.sum(2**x), lambda x: np.sum(x ** np.array([2, 3], np.int8)), lambda x: np.sum(np.float64(2) * x)]
)
def test_the_gradient_has_the_inputs_dtype_whatever_it_met(f):
    assert gw.grad(f)(np.ones(2, np.float32)).dtype == np.float32


def test_an_argument_named_twice_is_refused():
    with pytest.raises(gw.InputError, match="twice"):
        gw.grad(lambda x, y: x * y, argnums=(0, -2))(2.0, 3.0)


def test_a_tangent_of_another_structure_is_refused():
    with pytest.raises(gw.ShapeError, match="structure"):
        gw.jvp(lambda p: p["a"] * p["b"], ({"a": 1.0, "b": 2.0},), ({"b": 1.0, "c": 5.0},))


def test_none_is_never_equal_to_an_array():
    x = gw.variable(1.0)
    assert (x == None) is False  # noqa: E711
    assert (x != None) is True  # noqa: E711


def test_another_class_may_take_the_operator():
    class Unit:
        def __rmul__(self, other):
            return "mine"

    assert gw.variable(1.0) * Unit() == "mine"


def test_tiny_coordinates_have_an_angle_too():
    y, x = gw.grad(np.arctan2, argnums=(0, 1))(1e-200, 1e-200)
    assert y == pytest.approx(5e199)
    assert x == pytest.approx(-5e199)


def test_a_kink_does_not_hide_a_wrong_gradient():
    def wrong(w, v):  # v's part stands on a kink in every direction
        return np.sum(gw.stop_gradient(w) * w) + np.sum(np.abs(v))

    report = gw.check_grads(wrong, (np.ones(3), np.zeros(3)), 1, mode="directions")
    assert not report.passed
