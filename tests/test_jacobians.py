"""Jacobians in both modes: against each other, against differences, inside other transforms, and past one batch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gatewise as gw
from gatewise import jacobians

RANDOM = np.random.default_rng(0)
W = RANDOM.standard_normal((4, 4))
X = RANDOM.uniform(0.2, 0.9, 4)


def differences(f, x, step=1e-6):
    columns = []
    for index in np.ndindex(*np.shape(x)):
        move = np.zeros(np.shape(x))
        move[index] = step
        columns.append((np.asarray(f(x + move)) - np.asarray(f(x - move))) / (2 * step))
    return np.moveaxis(np.array(columns), 0, -1).reshape(np.shape(f(x)) + np.shape(x))


def written(x):
    x[1:3] = x[2:] ** 2
    return x * 2.0


FUNCTIONS = {
    "element-wise": lambda x: np.sin(x) * x,
    "matrix product": lambda x: np.tanh(W @ x),
    "both factors": lambda x: (W * x) @ (x[:, None] * W),
    "einsum": lambda x: np.einsum("ij,j,i->ji", W, x, x),
    "joined": lambda x: np.concatenate([x[:2] ** 2, np.ones(2), x * x[0]]),
    "stacked": lambda x: np.stack([x**2, np.ones(4), x[::-1]], axis=1),
    "written": written,
    "solved": lambda x: np.linalg.solve(W + 5 * np.diag(x), x),
    "sorted": lambda x: np.sort(x) * np.cumsum(x),
    "picked": lambda x: x[np.array([0, 0, 3])] * x[np.argmax(x)],
    "convolved": lambda x: np.convolve(x, x[:2]),
    "where": lambda x: np.where(x > 0.5, np.log(x), x[::-1]),
    "checkpointed": lambda x: gw.checkpoint(lambda x: np.sin(x) * x)(x),
    "own gradient": lambda x: gw.custom_gradient(lambda x: (np.exp(x), lambda g: g * np.exp(x)))(x),
    "scanned": lambda x: gw.scan(lambda carry, t: (carry * np.sin(t), carry + t), x[0], x)[1],
    "padded": lambda x: np.pad(x**2, 1, constant_values=2.0),
    "of a matrix": lambda x: np.linalg.inv(np.outer(x, x) + np.eye(4)),
    "of a number": lambda x: np.sum(x**3),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_both_modes_equal_differences(name):
    f = FUNCTIONS[name]
    expected = differences(lambda x: f(x.copy()), X)
    for mode in ("forward", "reverse", "auto"):
        np.testing.assert_allclose(gw.jacobian(f, mode=mode)(X), expected, rtol=1e-6, atol=1e-8, err_msg=mode)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("at_once", [1, 20, 40])
def test_rows_and_columns_in_several_sweeps_are_the_same(name, at_once, monkeypatch):
    f = FUNCTIONS[name]
    whole = [gw.jacobian(f, mode=mode)(X) for mode in ("forward", "reverse")]
    monkeypatch.setattr(jacobians, "ENTRIES_AT_ONCE", at_once)
    for mode, expected in zip(("forward", "reverse"), whole, strict=True):
        np.testing.assert_allclose(gw.jacobian(f, mode=mode)(X), expected, rtol=1e-12, atol=1e-14)


@given(st.lists(st.integers(0, 3), max_size=2), st.lists(st.integers(0, 3), max_size=2), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_both_modes_agree_for_any_shapes(shape_in, shape_out, seed):
    weights = np.random.default_rng(seed).standard_normal((*shape_out, *shape_in))
    f = lambda x: np.sin(np.sum(weights * x, axis=tuple(range(len(shape_out), weights.ndim))))  # noqa: E731
    x = np.random.default_rng(seed + 1).standard_normal(shape_in)
    forward, reverse = (gw.jacobian(f, mode=mode)(x) for mode in ("forward", "reverse"))
    assert forward.shape == reverse.shape == (*shape_out, *shape_in)
    np.testing.assert_allclose(forward, reverse, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_jacobians_are_differentiated_mapped_and_nested(mode):
    f = lambda x: np.tanh(W @ x) * x  # noqa: E731
    J = gw.jacobian(f, mode=mode)
    size = lambda x: np.sum(J(x) ** 2)  # noqa: E731
    np.testing.assert_allclose(gw.grad(size)(X), differences(size, X), rtol=1e-7)
    np.testing.assert_allclose(gw.jvp(J, (X,), (np.ones(4),))[1], differences(J, X).sum(-1), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(gw.jacobian(J, mode=mode)(X), differences(J, X), rtol=1e-6, atol=1e-8)
    rows = np.stack([X, -X, 2 * X])
    np.testing.assert_allclose(gw.vmap(J)(rows), np.stack([J(row) for row in rows]), rtol=1e-13)
    np.testing.assert_allclose(gw.vmap(gw.grad(size))(rows), np.stack([gw.grad(size)(row) for row in rows]), rtol=1e-12)
    np.testing.assert_allclose(gw.compile(J)(X), J(X), rtol=1e-13)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_structures_in_both_modes(mode):
    f = lambda p, s: {"u": p["a"] * s, "v": (np.sum(p["a"]), p["b"] @ p["a"])}  # noqa: E731
    p = {"a": X, "b": W}
    found = gw.jacobian(f, argnums=(0, 1), mode=mode)(p, 2.0)
    np.testing.assert_allclose(found["u"][0]["a"], 2 * np.eye(4))
    np.testing.assert_allclose(found["u"][0]["b"], np.zeros((4, 4, 4)))
    np.testing.assert_allclose(found["u"][1], X)
    np.testing.assert_allclose(found["v"][0][0]["a"], np.ones(4))
    np.testing.assert_allclose(found["v"][1][0]["a"], W)
    np.testing.assert_allclose(found["v"][1][0]["b"], np.einsum("ij,k->ijk", np.eye(4), X))
    assert found["v"][0][1] == 0


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_each_block_has_the_dtype_of_its_argument(mode):
    f = lambda x, y: x * y  # noqa: E731
    found = gw.jacobian(f, (0, 1), mode=mode)(X.astype("float32"), X)
    assert [block.dtype for block in found] == [np.float32, np.float64]


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_zeros_stay_zero_in_both_modes(mode):
    f = lambda x: np.where(x > 0, np.log(x), 0.0) + 0 * np.sqrt(x) + np.array([0.0, 1.0]) * x  # noqa: E731
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(gw.jacobian(f, mode=mode)(np.array([0.0, 2.0])), [[0, 0], [0, 1.5]])


def test_a_tangent_of_zero_stays_zero_where_a_factor_is_infinite():
    weights = np.array([[np.inf, 1.0], [2.0, 3.0]])
    f = lambda x: weights @ (x * np.array([0.0, 1.0]))  # noqa: E731
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(gw.jacobian(f, mode="forward")(np.ones(2)), [[0, 1], [0, 3]])


def test_auto_runs_the_cheaper_sweep(monkeypatch):
    chosen = []
    for name in ("_rows", "_columns"):
        real = getattr(jacobians, name)
        monkeypatch.setattr(jacobians, name, lambda *given, name=name, real=real: chosen.append(name) or real(*given))
    gw.jacobian(lambda x: np.outer(x, x))(X)
    gw.jacobian(lambda x: x[:2])(X)
    gw.jacobian(np.sin)(X)
    assert chosen == ["_columns", "_rows", "_rows"]


def test_a_hessian_is_pushed_through_the_gradient():
    f = lambda x: np.sum(np.tanh(W @ x) ** 2) * x[0]  # noqa: E731
    np.testing.assert_allclose(gw.hessian(f)(X), gw.jacobian(gw.grad(f), mode="reverse")(X), rtol=1e-12)
    np.testing.assert_allclose(gw.hessian(f)(X), differences(gw.grad(f), X), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("mode", ["forward", "reverse", "auto"])
def test_complex_numbers_are_refused(mode):
    for f, x in ((lambda x: x * 1j, X), (lambda x: x.real, X + 1j)):
        with pytest.raises(gw.DTypeError, match=r"gw\.vjp or gw\.jvp"):
            gw.jacobian(f, mode=mode)(x)


def test_an_unknown_mode_is_refused():
    with pytest.raises(gw.InputError, match='"auto", "forward" or "reverse"; got \'both\''):
        gw.jacobian(np.sin, mode="both")
