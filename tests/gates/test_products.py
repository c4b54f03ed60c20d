"""Products, diagonals and traces against NumPy, and their gradients against central differences."""

from __future__ import annotations

import numpy as np
import pytest

import gatewise as gw

rng = np.random.default_rng(0)
A23, A32, A33, B33, V3, W3 = (rng.standard_normal(s) for s in ((2, 3), (3, 2), (3, 3), (3, 3), 3, 3))
T = rng.standard_normal((2, 3, 4))
C3, D3 = V3 + 1j * W3, W3 - 2j * V3

CASES = {
    "inner of vectors": (np.inner, V3, W3),
    "inner of matrices": (np.inner, A23, T[0, :, :3]),
    "inner of a number": (np.inner, np.float64(2.0), V3),
    "outer": (np.outer, A23, V3),
    "linalg.outer": (np.linalg.outer, W3, V3),
    "vdot": (np.vdot, A23, A32),
    "vecdot": (np.vecdot, A33, V3),
    "linalg.vecdot along an axis": (lambda x, y: np.linalg.vecdot(x, y, axis=0), A33, B33),
    "matvec": (np.matvec, T, T[0, 0]),
    "vecmat": (np.vecmat, V3, T),
    "kron": (np.kron, A23, A32),
    "kron of other ranks": (np.kron, V3, T),
    "cross": (np.cross, A33, V3),
    "cross along an axis": (lambda x, y: np.cross(x, y, axis=0), A33, B33),
    "cross with axes": (lambda x, y: np.cross(x, y, axisa=0, axisb=1, axisc=0), A33, B33),
    "linalg.cross": (np.linalg.cross, A33, B33),
    "matrix_transpose": (np.matrix_transpose, T),
    "linalg.matrix_transpose": (np.linalg.matrix_transpose, T),
    "linalg.matmul": (np.linalg.matmul, A23, A32),
    "linalg.tensordot": (lambda x, y: np.linalg.tensordot(x, y, axes=1), A23, A32),
    "linalg.diagonal": (lambda x: np.linalg.diagonal(x, offset=1), T),
    "linalg.trace": (lambda x: np.linalg.trace(x, offset=-1), T),
    "trace": (np.trace, A33),
    "trace of an offset": (lambda x: np.trace(x, 1, 0, 2), T),
    "matrix_power 0": (lambda x: np.linalg.matrix_power(x, 0) @ x, A33),
    "matrix_power 1": (lambda x: np.linalg.matrix_power(x, 1), A33),
    "matrix_power 5": (lambda x: np.linalg.matrix_power(x, 5) / 10, A33),
    "matrix_power -2": (lambda x: np.linalg.matrix_power(x, -2), A33 + 3 * np.eye(3)),
    "multi_dot": (lambda *xs: np.linalg.multi_dot(xs), A23, A33, A32, A23),
    "multi_dot with vectors": (lambda *xs: np.linalg.multi_dot(list(xs)), V3, A33, A32, T[0, 0, :2]),
    "multi_dot of a row": (lambda *xs: np.linalg.multi_dot(xs), V3, A33, B33),
}


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradients_of(name):
    f, *args = CASES[name]
    expected = f(*args)
    found, _ = gw.vjp(f, *args)
    assert np.shape(found) == np.shape(expected)
    assert np.asarray(found).dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert gw.check_grads(lambda *xs: gw.sum(gw.sin(f(*xs))), args, order=2).passed


@pytest.mark.parametrize("function", [np.vdot, np.vecdot, np.inner, np.outer, np.kron, np.cross])
def test_complex_products(function):
    found, pullback = gw.vjp(function, C3, D3)
    np.testing.assert_allclose(found, function(C3, D3), rtol=1e-12)
    upstream = (rng.standard_normal(found.shape) + 1j * rng.standard_normal(found.shape))[()]
    steps = [rng.standard_normal(3) + 1j * rng.standard_normal(3) for _ in range(2)]
    slope = (function(C3 + 1e-6 * steps[0], D3 + 1e-6 * steps[1]) - function(C3, D3)) / 1e-6
    expected = np.vdot(upstream, slope).real
    got = sum(np.vdot(g, s).real for g, s in zip(pullback(upstream), steps, strict=True))
    assert got == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("function", [np.vecmat, np.matvec])
def test_complex_vectors_and_matrices(function):
    args = (C3, np.outer(C3, D3)) if function is np.vecmat else (np.outer(C3, D3), C3)
    np.testing.assert_allclose(gw.vjp(function, *args)[0], function(*args), rtol=1e-12)


@pytest.mark.parametrize("offset", [-5, -2, -1, 0, 1, 3, 4, 9])
@pytest.mark.parametrize("axes", [(0, 1), (1, 0), (0, 2), (-1, -2)])
def test_diagonals(offset, axes):
    f = lambda x: np.diagonal(x, offset, *axes)  # noqa: E731
    found, pullback = gw.vjp(f, T)
    np.testing.assert_array_equal(found, f(T))
    (gradient,) = pullback(np.ones(found.shape))
    expected = np.zeros_like(T)
    np.moveaxis(expected, axes, (-2, -1))[...] = np.eye(T.shape[axes[0]], T.shape[axes[1]], offset)
    np.testing.assert_array_equal(gradient, expected)


def test_diagonal_without_entries():
    for shape in ((0, 3), (3, 0), (0, 0)):
        assert gw.diagonal(np.zeros(shape)).shape == np.diagonal(np.zeros(shape)).shape


def test_lists_are_taken():
    assert gw.kron([1.0, 2.0], [1.0]).tolist() == [1.0, 2.0]
    assert gw.trace_of_matrix([[1, 2], [3, 4]]) == 5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: np.cross(x, x[:2]), "length 3"),
        (lambda x: np.linalg.matrix_power(x, 2), "square"),
        (lambda x: np.diagonal(x), "two axes"),
        (lambda x: np.vecdot(x, x[:2]), "lengths 3 and 2"),
        (lambda x: np.linalg.multi_dot([x]), "at least two"),
        (lambda x: np.matvec(x, x), "matrices and vectors"),
        (lambda x: np.linalg.matrix_transpose(x), "a matrix"),
        (lambda x: np.trace(np.outer(x, x), out=np.zeros(())), "out"),
    ],
)
def test_errors_teach(call, message):
    with pytest.raises(gw.GatewiseError, match=message):
        gw.vjp(call, V3)
