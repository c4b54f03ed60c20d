"""Scans that keep what a later one would compute again, and add up products afterwards: the same numbers as before."""

from __future__ import annotations

import numpy as np
import pytest

import gatewise as gw
from gatewise.graph import Spec
from gatewise.native import lower, scans
from gatewise.native.lower import lowered
from gatewise.native.values import Map, Product, Repeat
from gatewise.symbolic import written

rng = np.random.default_rng(0)


def elman(W, U, b, xs):
    """A plain recurrent net, whose forward step costs a product and a tanh."""

    def cell(h, x):
        h = np.tanh(x @ U + h @ W + b)
        return h, h

    return np.sum(gw.scan(cell, np.zeros((3, 5)), xs)[1] ** 2)


def backwards(W, U, b, xs):
    def cell(h, x):
        h = np.tanh(x @ U + h @ W + b)
        return h, h * b

    last, given = gw.scan(cell, np.ones((3, 5)), xs, reverse=True)
    return np.sum(given * last)


def carried_sum(W, U, b, xs):
    """The sum is read in every step, so that it cannot wait until after the loop."""

    def cell(carry, x):
        total, h = carry
        h = np.tanh(h @ W + np.mean(total) + x @ U)
        return (total + h.T @ h, h), b * h

    (total, last), given = gw.scan(cell, (np.zeros((5, 5)), np.ones((3, 5))), xs)
    return np.sum(total) + np.sum(last * given)


def gram(W, U, b, xs):
    """A sum of products, of slices with each other, and of a step's own value with itself."""

    def cell(carry, x):
        one, two, h = carry
        h = np.sin(h @ W + b)
        return (one + x.T @ x, two + h.T @ (x @ U), h), None

    one, two, h = gw.scan(cell, (np.ones((4, 4)), np.zeros((5, 5)), np.ones((3, 5))), xs)[0]
    return np.sum(one) * np.sum(two) + np.sum(h)


def twice(W, U, b, xs):
    """Two loops over the same slices, of which the second computes what the first does."""

    def cell(h, x):
        return h + np.exp(np.tanh(x @ U)), np.tanh(x @ U)

    first, given = gw.scan(cell, np.zeros((3, 5)), xs)
    second, _ = gw.scan(lambda h, x: (h * 0.5 + np.tanh(x @ U) @ W, None), np.ones((3, 5)), xs)
    return np.sum(first * second) + np.sum(given * b)


def nested(W, U, b, xs):
    def outer(h, x):
        inner, steps = gw.scan(lambda c, w: (np.tanh(c @ W + w), c), h, np.stack([x @ U, x @ U * 0.5]))
        return inner, np.sum(steps) + np.sum(inner * b)

    last, given = gw.scan(outer, np.zeros((3, 5)), xs)
    return np.sum(last) + np.sum(given)


def rows(W, U, b, xs):
    """Vectors in place of matrices: outer products are added up."""

    def cell(h, x):
        h = np.tanh(h @ W + x[0] @ U)
        return h, h

    return np.sum(gw.scan(cell, b, xs)[1] ** 2)


LOOPS = (elman, backwards, carried_sum, gram, twice, nested, rows)
ARGUMENTS = (
    0.4 * rng.standard_normal((5, 5)),
    rng.standard_normal((4, 5)),
    rng.standard_normal(5),
    rng.standard_normal((6, 3, 4)),
)


@pytest.mark.parametrize("length", [1, 2, 6])
@pytest.mark.parametrize("loop", LOOPS)
def test_values_and_gradients_are_those_of_the_uncompiled_loop(loop, length):
    arguments = (*ARGUMENTS[:3], ARGUMENTS[3][:length])
    both = gw.value_and_grad(loop, argnums=(0, 1, 2, 3))
    value, gradients = both(*arguments)
    found, slopes = gw.compile(both)(*arguments)
    np.testing.assert_allclose(found, value, rtol=1e-12)
    for slope, gradient in zip(slopes, gradients, strict=True):
        np.testing.assert_allclose(slope, gradient, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("loop", [elman, rows, gram])
def test_second_derivatives(loop):
    def directed(*arguments):
        return gw.jvp(gw.grad(loop), arguments, ARGUMENTS)[1]

    np.testing.assert_allclose(gw.compile(directed)(*ARGUMENTS), directed(*ARGUMENTS), rtol=1e-10)


def both_ends(h):
    """The last carry and what is given are one value, and a gradient arrives at each of them."""

    def cell(carry, _):
        total, h = carry
        h = h * 2.0
        return (total + h, h), h

    (total, last), given = gw.scan(cell, (np.zeros(3), h), None, length=1)
    return np.sum(total) + np.sum(last * given)


@pytest.mark.filterwarnings("ignore")
def test_gradients_of_all_results_arrive_at_once():
    h = np.array([0.5, -1.0, 2.0])
    expected = 2 + 8 * h
    np.testing.assert_allclose(gw.compile(gw.grad(both_ends))(h), expected)
    np.testing.assert_allclose(gw.compile(gw.grad(lambda h: both_ends(np.where(h > 9, np.log(h - h), h))))(h), expected)


def loops_of(f, *arguments):
    """The scans of the compiled program, in order."""
    specs = [Spec(a.shape, a.dtype) for a in arguments]
    program = lowered(written(lambda *arrays: gw.tree.flatten(f(*arrays))[0], specs))
    return [value for value in program.values() if isinstance(value, Repeat)]


def count(scan, kind, function=None):
    return sum(
        isinstance(value, kind) and (function is None or value.function == function) for value in scan.body.values()
    )


def test_the_backward_loop_reads_what_the_forward_loop_computed():
    forward, backward = loops_of(gw.grad(elman, argnums=(0, 1, 2)), *ARGUMENTS)
    assert count(forward, Map, "tanh") == 1
    assert count(backward, Map, "tanh") == 0
    assert count(backward, Product) == 1  # the gradient of the carry; those of W and U are products after the loop
    assert backward.carries == 2  # the gradient of the carry, and the sum that is the gradient of b


def test_a_sum_that_steps_read_stays_in_the_loop():
    (loop,) = loops_of(carried_sum, *ARGUMENTS)
    assert loop.carries == 2
    (loop,) = loops_of(gram, *ARGUMENTS)
    assert loop.carries == 1


def test_no_more_is_kept_than_is_reasonable(monkeypatch):
    monkeypatch.setattr(scans, "MOST", 0)
    _, backward = loops_of(gw.grad(elman, argnums=(0, 1, 2)), *ARGUMENTS)
    assert count(backward, Map, "tanh") == 1


def test_the_rewritten_program_means_the_same(monkeypatch):
    from gatewise.native.interpret import interpret

    both = gw.value_and_grad(twice, argnums=(0, 1, 2, 3))
    specs = [Spec(a.shape, a.dtype) for a in ARGUMENTS]
    script = written(lambda *arrays: gw.tree.flatten(both(*arrays))[0], specs)
    results = []
    for rewrite in (scans.relieved, lambda program: program):
        monkeypatch.setattr(lower, "relieved", rewrite)
        results.append(interpret(lowered(script), ARGUMENTS)[0])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("shape", [(2, 3, 4), (4, 8, 2), (5, 2, 16)])
def test_a_sum_of_products_is_one_product(shape):
    batch, m, k = shape
    x, y = rng.standard_normal((batch, k, m)), rng.standard_normal((batch, k, 6))

    def f(x, y):
        return np.sum(np.swapaxes(x, 1, 2) @ y, axis=0)

    specs = [Spec(a.shape, a.dtype) for a in (x, y)]
    products = [v for v in lowered(written(lambda *a: [f(*a)], specs)).values() if isinstance(v, Product)]
    assert [product.shape for product in products] == [(m, 6)]
    np.testing.assert_allclose(gw.compile(f)(x, y), f(x, y), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("axes", [0, 1, 2, (0, 1), (1, 2), (0, 2), (0, 1, 2), -1])
def test_sums_of_rows_and_columns_are_products_of_sums(axes):
    x, y = rng.standard_normal((4, 9, 8)), rng.standard_normal((4, 8, 7))
    for f in (lambda x, y: np.sum(x @ y, axis=axes), lambda x, y: np.mean(-(x @ y), axis=axes, keepdims=True)):
        value, pull = gw.vjp(f, x, y)
        np.testing.assert_allclose(gw.compile(f)(x, y), value, rtol=1e-12, atol=1e-13)
        seed = np.cos(np.arange(np.size(value))).reshape(np.shape(value))[()]
        back = gw.compile(lambda x, y, g, f=f: gw.vjp(f, x, y)[1](g))
        for found, expected in zip(back(x, y, seed), pull(seed), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


def test_the_sum_of_rows_costs_no_product_of_all_rows():
    report = gw.compile(lambda x, y: np.sum(x @ y, axis=0)).report(np.ones((1000, 64)), np.ones((64, 64)))
    assert report.flops < 4 * 1000 * 64


def test_sums_of_products_whose_inner_axes_do_not_lie_in_a_row_stay_sums():
    x, y = rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 4, 5))
    z = rng.standard_normal((7, 2, 3, 4))
    for f, arguments in (
        (lambda x, y: np.sum(x @ y, axis=0), (x, y)),
        (lambda x, y: np.sum(x @ y, axis=(0, 1)), (x, y)),
        (lambda x, y: np.sum(x @ y[0], axis=0), (x, y)),
        (lambda z, y: np.sum(z @ y, axis=(0, 1)), (z, y)),
        (lambda z, y: np.sum(z[::2, :, :, ::-1] @ y, axis=0), (z, y)),
    ):
        np.testing.assert_allclose(gw.compile(f)(*arguments), f(*arguments), rtol=1e-12, atol=1e-13)
