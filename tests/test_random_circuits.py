"""Random circuits of 10 to 60 smooth steps, mixed shapes: gradients, second derivatives and the duality law."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gatewise as gw

SHAPES = [(), (2,), (3,), (3, 1), (1, 2), (3, 2)]

UNARY = {
    "sin": np.sin, "cos": np.cos, "tanh": np.tanh, "sigmoid": gw.sigmoid, "negative": lambda x: -x,
    "exp": lambda x: np.exp(np.tanh(x)), "log": lambda x: np.log(1.5 + x * x), "sqrt": lambda x: np.sqrt(1.0 + x**2),
    "atan": np.arctan, "scale": lambda x: 0.5 * x + 1, "sum": lambda x: np.sum(x) / x.size,
    "mean of rows": lambda x: np.mean(x, axis=-1, keepdims=True) if x.ndim else x, "flip": lambda x: np.flip(x),
    "transpose": lambda x: x.T, "ravel": lambda x: np.ravel(x), "first": lambda x: x[0] if x.ndim else x,
    "read twice": lambda x: x[[0, -1]] if x.ndim else x, "logsumexp": lambda x: gw.logsumexp(np.tanh(x)),
    "overwrite": lambda x: gw.setitem(x, 0, 0.25) if x.ndim else x, "prod": lambda x: np.prod(np.sin(x)),
}  # fmt: skip
BINARY = {
    "add": lambda x, y: x + y, "subtract": lambda x, y: x - y, "multiply": lambda x, y: np.tanh(x) * y,
    "divide": lambda x, y: x / (1.5 + y * y), "power": lambda x, y: (1.2 + np.sin(x)) ** np.tanh(y),
    "atan2": lambda x, y: np.arctan2(np.sin(x), 2.0 + y * y), "outer": lambda x, y: np.outer(x, y)[:3, :3],
    "concatenate": lambda x, y: np.concatenate([np.ravel(x)[:3], np.ravel(y)[:2]])[:3],
    "einsum": lambda x, y: np.einsum("i,j->", np.ravel(np.tanh(x)), np.ravel(np.tanh(y))),
}  # fmt: skip

step = st.one_of(
    st.tuples(st.sampled_from(sorted(UNARY)), st.integers(0, 99)),
    st.tuples(st.sampled_from(sorted(BINARY)), st.integers(0, 99), st.integers(0, 99)),
)
circuits = st.lists(step, min_size=10, max_size=60)
inputs = st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3)


def build(steps):
    """The function that the steps spell: each takes earlier values, by number, and adds one."""

    def f(*arguments):
        values = list(arguments)
        for name, *picks in steps:
            chosen = [values[pick % len(values)] for pick in picks]
            try:
                result = (UNARY if name in UNARY else BINARY)[name](*chosen)
            except (ValueError, gw.ShapeError):  # shapes that do not broadcast: this gate is left out
                continue
            if result.size <= 12:
                values.append(result)
        return np.sum(values[-1]) + 0.1 * sum(np.sum(np.tanh(value)) for value in values[:-1])

    return f


def draw(shapes, seed):
    rng = np.random.default_rng(seed)
    return tuple(rng.uniform(-1.5, 1.5, shape)[()] for shape in shapes)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(circuits, inputs, st.integers(0, 2**16))
def test_gradients_and_second_derivatives_pass_the_check(steps, shapes, seed):
    report = gw.check_grads(build(steps), draw(shapes, seed), order=2)
    assert report, report.text()
    assert not report.kinks


@settings(max_examples=80, deadline=None, derandomize=True)
@given(circuits, inputs, st.integers(0, 2**16))
def test_jvp_and_vjp_are_dual(steps, shapes, seed):
    f, primals, tangents = build(steps), draw(shapes, seed), draw(shapes, seed + 1)
    value, pushed = gw.jvp(f, primals, tangents)
    again, pullback = gw.vjp(f, *primals)
    assert value == again == f(*primals)
    pulled = sum(np.vdot(gradient, tangent) for gradient, tangent in zip(pullback(1.0), tangents, strict=True))
    assert pushed == pytest.approx(pulled, rel=1e-10, abs=1e-10)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(circuits, inputs, st.integers(0, 2**16))
def test_hvp_is_symmetric(steps, shapes, seed):
    f, point = build(steps), draw(shapes, seed)
    first, second = draw(shapes, seed + 1), draw(shapes, seed + 2)
    curved = [gw.hvp(lambda p: f(*p), point, along) for along in (first, second)]
    left = sum(np.vdot(a, b) for a, b in zip(second, curved[0], strict=True))
    right = sum(np.vdot(a, b) for a, b in zip(first, curved[1], strict=True))
    assert left == pytest.approx(right, rel=1e-8, abs=1e-9)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(circuits, inputs, st.integers(0, 2**16))
def test_the_recorded_circuit_has_the_value_and_the_gradients(steps, shapes, seed):
    f, point = build(steps), draw(shapes, seed)
    circuit = gw.trace(f, *point)
    value, gradients = gw.value_and_grad(f, argnums=tuple(range(len(point))))(*point)
    assert circuit[circuit.outputs[0]].value == value
    for entry, gradient in zip(circuit.inputs, gradients, strict=True):
        np.testing.assert_array_equal(entry.gradient, gradient)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    st.lists(step, min_size=10, max_size=200),
    st.lists(st.tuples(st.sampled_from(SHAPES), st.sampled_from([np.float64, np.float32])), min_size=1, max_size=3),
    st.integers(0, 2**16),
)
def test_compiled_gradients_equal_eager_ones(steps, specs, seed):
    point = [x.astype(dtype) for x, (_, dtype) in zip(draw([s for s, _ in specs], seed), specs, strict=True)]
    f = gw.value_and_grad(build(steps), argnums=tuple(range(len(point))))
    value, gradients = f(*point)
    compiled = gw.compile(f)
    single = any(dtype is np.float32 for _, dtype in specs)
    tolerance = {"rtol": 2e-3, "atol": 2e-4} if single else {"rtol": 1e-9, "atol": 1e-10}
    for _ in range(2):
        found, slopes = compiled(*point)
        np.testing.assert_allclose(found, value, **tolerance)
        for slope, gradient in zip(slopes, gradients, strict=True):
            assert (slope.shape, slope.dtype) == (gradient.shape, gradient.dtype)
            np.testing.assert_allclose(slope, gradient, **tolerance)
