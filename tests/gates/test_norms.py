"""Norms and condition numbers against NumPy, their gradients against central differences, and zero vectors."""

from __future__ import annotations

import numpy as np
import pytest

import gatewise as gw

rng = np.random.default_rng(0)
V = rng.standard_normal(4)
M = rng.standard_normal((3, 4))
T = rng.standard_normal((2, 3, 4))
S = rng.standard_normal((3, 3))
inf = np.inf

VECTOR_ORDERS = [None, 0, 1, 2, 3, 2.5, 0.5, -1, inf, -inf]
MATRIX_ORDERS = [None, "fro", "nuc", 1, -1, 2, -2, inf, -inf]


def agrees(f, x, order=2):
    expected = f(x)
    found, _ = gw.vjp(f, x)
    assert np.shape(found) == np.shape(expected)
    assert np.asarray(found).dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert gw.check_grads(lambda y: gw.sum(gw.sin(f(y))), (x,), order=order).passed


@pytest.mark.parametrize("order", VECTOR_ORDERS)
@pytest.mark.parametrize(("x", "axis"), [(V, None), (M, 0), (M, -1), (T, 1), (T, (2,))])
@pytest.mark.parametrize("keepdims", [False, True])
def test_norms_of_vectors(order, x, axis, keepdims):
    agrees(lambda y: np.linalg.norm(y, order, axis, keepdims), x)


@pytest.mark.parametrize("order", MATRIX_ORDERS)
@pytest.mark.parametrize(("x", "axis"), [(M, None), (T, (0, 2)), (T, (2, 1)), (T, (-1, -2))])
@pytest.mark.parametrize("keepdims", [False, True])
def test_norms_of_matrices(order, x, axis, keepdims):
    agrees(lambda y: np.linalg.norm(y, order, axis, keepdims), x)


@pytest.mark.parametrize("order", [1, 2, 3.5, inf, -inf, 0])
@pytest.mark.parametrize("axis", [None, 0, (0, 2)])
def test_vector_norm(order, axis):
    agrees(lambda y: np.linalg.vector_norm(y, ord=order, axis=axis), T)


@pytest.mark.parametrize("order", MATRIX_ORDERS[1:])
def test_matrix_norm(order):
    agrees(lambda y: np.linalg.matrix_norm(y, ord=order), T)
    agrees(lambda y: np.linalg.matrix_norm(y, ord=order, keepdims=True), M)


def test_the_norm_of_everything():
    agrees(np.linalg.norm, T)
    agrees(lambda y: np.linalg.norm(y, keepdims=True), T)
    agrees(np.linalg.norm, np.float64(-3.0))


@pytest.mark.parametrize("order", [None, 1, 2, 3, inf])
def test_at_zero_the_gradient_of_a_vectors_norm_is_zero(order):
    f = lambda x: np.linalg.norm(x, order)  # noqa: E731
    np.testing.assert_array_equal(gw.grad(f)(np.zeros(3)), np.zeros(3))


@pytest.mark.parametrize("order", ["fro", "nuc", 1, 2, inf])
def test_at_zero_the_gradient_of_a_matrix_norm_is_zero(order):
    f = lambda x: np.linalg.norm(x, order)  # noqa: E731
    np.testing.assert_array_equal(gw.grad(f)(np.zeros((2, 3))), np.zeros((2, 3)))


def test_the_nuclear_norm_of_a_singular_matrix_has_the_smallest_subgradient():
    gradient = gw.grad(lambda x: np.linalg.norm(x, "nuc"))(np.diag([2.0, 0.0]))
    np.testing.assert_allclose(gradient, np.diag([1.0, 0.0]), atol=1e-15)


def test_only_rows_that_are_zero_are_at_a_kink():
    x = np.array([[3.0, 4.0], [0.0, 0.0]])
    gradient = gw.grad(lambda x: np.sum(np.linalg.norm(x, axis=1)))(x)
    np.testing.assert_allclose(gradient, [[0.6, 0.8], [0.0, 0.0]])


def test_the_squared_norm_has_its_second_derivative_away_from_zero():
    hessian = gw.hessian(lambda x: np.linalg.norm(x) ** 2)(np.array([3.0, 4.0]))
    np.testing.assert_allclose(hessian, 2 * np.eye(2), atol=1e-12)


@pytest.mark.parametrize("order", [None, 1, 3, inf])
def test_complex_norms(order):
    z = V + 1j * M[0]
    value, gradient = gw.value_and_grad(lambda z: np.linalg.norm(z, order))(z)
    assert value == pytest.approx(np.linalg.norm(z, order))
    step = (rng.standard_normal(4) + 1j * rng.standard_normal(4)) * 1e-6
    slope = np.linalg.norm(z + step, order) - np.linalg.norm(z - step, order)
    assert np.vdot(gradient, step).real * 2 == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("order", [None, 0, 1, 2, 3, inf])
def test_dtypes_are_numpys(dtype, order):
    x = V.astype(dtype)
    ours, theirs = (f(x, order) for f in (gw.norm, np.linalg.norm))
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_lists_and_integers():
    assert gw.norm([3, 4]) == 5.0
    assert gw.norm([[3, 4]], 1) == 4.0


@pytest.mark.parametrize("p", [None, 1, 2, -2, "fro", inf])
def test_condition_numbers(p):
    agrees(lambda x: np.log(np.linalg.cond(x, p)), S)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: np.linalg.norm(x, "nuc"), "vector has no norm"),
        (lambda x: np.linalg.norm(x[None], 3), "no norm of order 3"),
        (lambda x: np.linalg.norm(x[None, None], 2), "along one axis"),
        (lambda x: np.linalg.norm(x[None], axis=(0, 0)), "twice"),
        (lambda x: np.linalg.cond(x), "takes a matrix"),
    ],
)
def test_errors_teach(call, message):
    with pytest.raises(gw.GatewiseError, match=message):
        gw.vjp(call, V)


def test_singular_matrices_have_an_infinite_condition_number():
    for x in (np.diag([1.0, 0.0]), np.zeros((2, 2))):
        assert gw.linalg.cond(x) == np.linalg.cond(x) == inf


def test_norms_of_order_below_one_have_a_kink_at_every_zero():
    gradient = gw.grad(lambda x: np.linalg.norm(x, 0.5))(np.array([0.0, 4.0]))
    np.testing.assert_allclose(gradient, [0.0, 1.0])
