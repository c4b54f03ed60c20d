"""vmap against a loop: every gate of the registry, the transforms inside and outside of it, and its errors."""

from __future__ import annotations

import numpy as np
import pytest

import gatewise as gw
from gatewise.gate import REGISTRY
from gatewise.graph import apply

RNG = np.random.default_rng(0)
X = RNG.standard_normal((5, 3))
W = RNG.standard_normal((3, 4))
v = RNG.standard_normal(3)


def looped(f, *arrays):
    return np.stack([np.asarray(f(*row)) for row in zip(*arrays, strict=True)])


def cases():
    for name, gate in sorted(REGISTRY.items()):
        for number, sample in enumerate(gate.samples):
            inputs = sample.make()
            kinds = [getattr(value, "dtype", np.dtype(type(value))).kind for value in inputs]
            if gate.rules and gate.rules[0] is not None and kinds[0] == "f" and set(kinds) <= set("fibc"):
                yield pytest.param(gate, sample, id=f"{name}-{number}")


@pytest.mark.parametrize(("gate", "sample"), list(cases()))
def test_every_gate_and_its_gradient_per_example(gate, sample):
    instance = gate(**dict(sample.static))
    first, *rest = sample.make()
    examples = np.stack([np.asarray(sample.make(seed)[0]) for seed in range(3)])

    def f(x):
        return apply(instance, x, *rest)

    def loss(x):
        return gw.sum(gw.sin(gw.real(f(x))))

    np.testing.assert_allclose(gw.vmap(f)(examples), looped(f, examples), rtol=1e-5, atol=1e-12)
    if np.asarray(first).dtype == np.float64:
        try:
            found = gw.vmap(gw.grad(loss))(examples)
        except gw.TracedValueError:  # a rule that branches on values says so
            return
        np.testing.assert_allclose(found, looped(gw.grad(loss), examples), rtol=1e-9, atol=1e-12)


def test_a_gradient_through_the_map():
    gradient = gw.grad(lambda W: np.sum(gw.vmap(lambda x: np.sum(np.exp(x @ W)))(X)))
    np.testing.assert_allclose(gradient(W), gw.grad(lambda W: np.sum(np.exp(X @ W)))(W))


def test_a_gradient_through_the_map_of_gradients():
    def inside(x, W):
        return np.sum(np.sin(x @ W))

    mapped = gw.grad(lambda W: np.sum(gw.vmap(gw.grad(inside), in_axes=(0, None))(X, W) ** 2))
    by_loop = gw.grad(lambda W: sum(np.sum(gw.grad(inside)(x, W) ** 2) for x in X))
    np.testing.assert_allclose(mapped(W), by_loop(W))


@pytest.mark.parametrize("f", [lambda x: np.sum(x**3) * x[0], lambda x: x[0] * x[1] / x[2], lambda x: np.max(x) ** 2])
def test_derivatives_of_any_order_per_example(f):
    for transform in (gw.grad, gw.hessian, lambda f: gw.jacobian(gw.grad(f)), lambda f: lambda x: gw.hvp(f, x, v)):
        np.testing.assert_allclose(gw.vmap(transform(f))(X), looped(transform(f), X))


def test_maps_nest():
    outer = gw.vmap(gw.vmap(lambda a, b: a * b + np.sin(a), in_axes=(None, 0)), in_axes=(0, None))
    np.testing.assert_allclose(outer(X[0], v), X[0][:, None] * v + np.sin(X[0])[:, None])


def test_an_index_per_example():
    labels = np.array([0, 2, 1, 1, 0])

    def loss(W, x, label):
        scores = x @ W
        return gw.logsumexp(scores) - scores[label]

    found = gw.vmap(gw.grad(loss), in_axes=(None, 0, 0))(W, X, labels)
    np.testing.assert_allclose(found, looped(lambda x, k: gw.grad(loss)(W, x, k), X, labels))


def test_assignment_inside_the_map():
    def f(x):
        z = np.zeros_like(x)
        z[1:] = x[:-1] * 2
        z += x
        return z * z[0]

    np.testing.assert_allclose(gw.vmap(f)(X), looped(f, X))


def test_axes_and_structures():
    pairs = {"a": X.T, "b": [X.T * 2]}
    found = gw.vmap(lambda p: {"sum": p["a"] + p["b"][0]}, in_axes=1, out_axes=1)(pairs)
    np.testing.assert_allclose(found["sum"], 3 * X.T)
    constant = gw.vmap(lambda x: 1.0)(X)
    np.testing.assert_array_equal(constant, np.ones(5))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gw.vmap(lambda x, y: x + y)(X, X[:2]), "one number of examples"),
        (lambda: gw.vmap(lambda x: x, in_axes=None)(X), "no argument is mapped"),
        (lambda: gw.vmap(lambda x: x, in_axes=2)(X), "no axis 2"),
        (lambda: gw.vmap(lambda x: x, in_axes=(0, 0))(X), "2 axes"),
    ],
)
def test_what_cannot_be_mapped_is_said(call, message):
    with pytest.raises(gw.ShapeError, match=message):
        call()


def test_a_branch_on_an_example_is_refused():
    with pytest.raises(gw.TracedValueError, match=r"np\.where"):
        gw.vmap(lambda x: x if x[0] > 0 else -x)(X)


@pytest.mark.parametrize("product", [lambda x, w: x @ w, lambda x, w: w @ x], ids=["x @ w", "w @ x"])
def test_a_vector_that_all_examples_share_is_multiplied_at_once(product):
    random = np.random.default_rng(0)
    rows, w = random.standard_normal((5, 3)), random.standard_normal(3)
    np.testing.assert_allclose(gw.vmap(product, in_axes=(0, None))(rows, w), rows @ w, rtol=1e-14)
    slopes = gw.vmap(gw.grad(lambda w, x: np.sin(product(x, w))), in_axes=(None, 0))(w, rows)
    np.testing.assert_allclose(slopes, np.cos(rows @ w)[:, None] * rows, rtol=1e-13)
    whole = gw.grad(lambda w: np.sum(np.sin(gw.vmap(lambda x: product(x, w))(rows))))(w)
    np.testing.assert_allclose(whole, np.cos(rows @ w) @ rows, rtol=1e-13)
    pairs = gw.vmap(product)(rows, 2 * rows)
    np.testing.assert_allclose(pairs, 2 * np.sum(rows**2, axis=1), rtol=1e-13)
