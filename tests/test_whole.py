"""checkpoint and custom_gradient against the same functions without them, and what they refuse."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import gatewise as gw

x = np.array([0.3, -0.7, 1.1])
W = np.arange(9.0).reshape(3, 3) / 7


def step(x, W, scale=1.0):
    return np.tanh(x @ W) * scale + x


def loss(f):
    return lambda x, W: np.sum(f(f(x, W), W, scale=2.0) ** 2)


@pytest.mark.parametrize("transform", [gw.grad, lambda f: gw.grad(f, 1), gw.hessian, lambda f: gw.grad(f, (0, 1))])
def test_a_checkpoint_changes_no_derivative(transform):
    found = transform(loss(gw.checkpoint(step)))(x, W)
    expected = transform(loss(step))(x, W)
    for one, other in zip(*[a if isinstance(a, tuple) else (a,) for a in (found, expected)], strict=True):
        np.testing.assert_allclose(one, other)


def test_a_checkpoint_pushes_tangents_too():
    saving = gw.checkpoint(step)
    found = gw.jvp(lambda x: saving(x, W), (x,), (np.ones(3),))
    np.testing.assert_allclose(found, gw.jvp(lambda x: step(x, W), (x,), (np.ones(3),)))


def test_nested_arguments():
    f = gw.checkpoint(lambda p, x: p["W"] @ x + p["b"])
    gradient = gw.grad(lambda p: np.sum(f(p, x) ** 2))({"W": W, "b": x})
    expected = gw.grad(lambda p: np.sum((p["W"] @ x + p["b"]) ** 2))({"W": W, "b": x})
    np.testing.assert_allclose(gradient["W"], expected["W"])
    np.testing.assert_allclose(gradient["b"], expected["b"])


def test_a_long_chain_keeps_the_square_root_of_its_values():
    size, pieces = 2000, 20

    def piece(x):
        for _ in range(pieces):
            x = np.sin(x) + x / 2
        return x

    def chain(wrap):
        def f(x):
            for _ in range(pieces):
                x = wrap(piece)(x)
            return np.sum(x)

        return gw.grad(f)

    peaks = []
    for wrap in (lambda f: f, gw.checkpoint):
        gradient = chain(wrap)
        gradient(np.ones(size))
        tracemalloc.start()
        gradient(np.ones(size))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] / 5


def test_a_captured_traced_array_is_refused():
    with pytest.raises(gw.DTypeError, match="not among its arguments"):
        gw.grad(lambda x: np.sum(gw.checkpoint(lambda y: y * x)(x)))(x)


def test_a_gradient_of_ones_own():
    @gw.custom_gradient
    def clipped(x, y):
        return x * y, lambda g: (np.clip(g * y, -1, 1), np.clip(g * x, -1, 1))

    gradients = gw.grad(lambda x, y: 10 * clipped(x, y), argnums=(0, 1))(3.0, 0.05)
    assert gradients == pytest.approx((0.5, 1.0))


def test_a_gradient_of_ones_own_is_differentiable():
    @gw.custom_gradient
    def cube(x):
        return x**3, lambda g: g * 3 * x**2

    assert gw.grad(gw.grad(cube))(2.0) == pytest.approx(12.0)
    assert gw.hvp(cube, 2.0, 1.0) == pytest.approx(12.0)
    assert gw.check_grads(cube, (1.3,)).passed


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: x, "pair"),
        (lambda x: (x, 3), "pair"),
        (lambda x: (x, lambda g: (g, g)), "2 gradients"),
        (lambda x: (x, lambda g: np.sum(g)), "shape"),
    ],
)
def test_what_is_no_gradient_is_said(f, message):
    with pytest.raises(gw.ShapeError, match=message):
        gw.grad(lambda x: np.sum(gw.custom_gradient(f)(x)))(x)
