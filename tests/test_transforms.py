"""The transforms against finite differences and the laws that tie them to each other."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest

import gatewise as gw

X = np.array([0.3, -1.2, 0.8])
V = np.array([1.0, 0.5, -2.0])


def differences(f, x, step=1e-6):
    """The Jacobian of `f` at the array `x` by central differences, shape (*output, *input)."""
    columns = []
    for index in np.ndindex(np.shape(x)):
        move = np.zeros(np.shape(x))
        move[index] = step
        columns.append((np.asarray(f(x + move)) - np.asarray(f(x - move))) / (2 * step))
    shape = np.shape(f(x))
    return np.stack(columns, axis=-1).reshape(shape + np.shape(x)) if columns else np.zeros(shape + np.shape(x))


def smooth(x):
    return np.sum(np.exp(np.sin(x)) * x) + np.prod(np.cos(x))


# -------------------------------------------------------------------------------------------------------------- pytrees


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclass
class Layer:
    W: Any
    b: Any


@dataclass(frozen=True)
class Frozen:
    W: Any
    b: Any


@dataclass(frozen=True, slots=True)
class Slotted:
    W: Any
    b: Any


@dataclass
class Model:
    layers: list
    scale: Any


W, B = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([5.0, 6.0])

#: A structure that holds W and B, and how to reach them in it.
TREES = {
    "dict": (lambda w, b: {"W": w, "b": b}, lambda t: (t["W"], t["b"])),
    "dict in another order": (lambda w, b: {"b": b, "W": w}, lambda t: (t["W"], t["b"])),
    "list": (lambda w, b: [w, b], lambda t: (t[0], t[1])),
    "tuple": (lambda w, b: (w, b), lambda t: (t[0], t[1])),
    "namedtuple": (Pair, lambda t: (t.first, t.second)),
    "dataclass": (Layer, lambda t: (t.W, t.b)),
    "frozen dataclass": (Frozen, lambda t: (t.W, t.b)),
    "slotted dataclass": (Slotted, lambda t: (t.W, t.b)),
    "dataclass in a dataclass": (lambda w, b: Model([Layer(w, b)], None), lambda t: (t.layers[0].W, t.layers[0].b)),
    "None among them": (lambda w, b: {"W": w, "nothing": None, "b": b}, lambda t: (t["W"], t["b"])),
    "deep": (lambda w, b: {"a": [(w, {"c": Pair(b, ())})]}, lambda t: (t["a"][0][0], t["a"][0][1]["c"].first)),
}


@pytest.fixture(params=TREES, ids=list(TREES))
def tree(request):
    make, reach = TREES[request.param]
    return make(W, B), reach


def tree_loss(reach):
    return lambda t: np.sum(np.sin(reach(t)[0]) @ reach(t)[1])


EXPECTED_W, EXPECTED_B = np.cos(W) * B, np.sum(np.sin(W), axis=0)


def test_gradients_come_back_in_the_structure_of_the_argument(tree):
    argument, reach = tree
    found = gw.grad(tree_loss(reach))(argument)
    assert type(found) is type(argument)
    for gradient, expected in zip(reach(found), (EXPECTED_W, EXPECTED_B), strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-14)
        assert type(gradient) is np.ndarray


def test_vjp_and_jvp_take_and_give_structures(tree):
    argument, reach = tree
    value, pullback = gw.vjp(lambda t: {"twice": t, "loss": tree_loss(reach)(t)}, argument)
    np.testing.assert_array_equal(reach(value["twice"])[0], W)
    (pulled,) = pullback({"twice": argument, "loss": 1.0})
    np.testing.assert_allclose(reach(pulled)[0], W + EXPECTED_W, rtol=1e-14)
    _, moved = gw.jvp(tree_loss(reach), (argument,), (argument,))
    assert moved == pytest.approx(np.vdot(W, EXPECTED_W) + np.vdot(B, EXPECTED_B), rel=1e-13)


def test_hvp_over_structures_is_the_derivative_of_the_gradient(tree):
    argument, reach = tree
    moved = reach(gw.hvp(tree_loss(reach), argument, argument))
    np.testing.assert_allclose(moved[0], -np.sin(W) * W * B + np.cos(W) * B, rtol=1e-13)
    np.testing.assert_allclose(moved[1], np.sum(np.cos(W) * W, axis=0), rtol=1e-13)


def test_jacobian_nests_the_output_around_the_argument():
    found = gw.jacobian(lambda t: (t["a"] * 2, {"sum": np.sum(t["b"]) * t["a"]}))({"a": X, "b": B})
    np.testing.assert_array_equal(found[0]["a"], 2 * np.eye(3))
    np.testing.assert_array_equal(found[0]["b"], np.zeros((3, 2)))
    np.testing.assert_array_equal(found[1]["sum"]["a"], np.sum(B) * np.eye(3))
    np.testing.assert_array_equal(found[1]["sum"]["b"], np.repeat(X[:, None], 2, axis=1))


def test_hessian_of_a_structure_has_a_block_per_pair():
    found = gw.hessian(lambda t: np.sum(t["a"] ** 2) * t["s"])({"a": X, "s": 3.0})
    np.testing.assert_array_equal(found["a"]["a"], 6 * np.eye(3))
    np.testing.assert_array_equal(found["a"]["s"], 2 * X)
    np.testing.assert_array_equal(found["s"]["a"], 2 * X)
    assert found["s"]["s"] == 0


def test_the_users_structure_is_left_alone():
    params = {"W": W.copy(), "list": [B.copy()]}

    def f(p):
        p["W"] += 1.0
        p["list"][0][0] = 0.0
        p["list"].append(3)
        return np.sum(p["W"]) + np.sum(p["list"][0])

    gw.grad(f)(params)
    np.testing.assert_array_equal(params["W"], W)
    np.testing.assert_array_equal(params["list"][0], B)
    assert len(params["list"]) == 1


def test_the_users_array_is_left_alone():
    x = X.copy()

    def f(x):
        x *= 3.0
        x[0] = 0.0
        return np.sum(x * x)

    np.testing.assert_allclose(gw.grad(f)(x), [0, 18 * X[1], 18 * X[2]], rtol=1e-15)
    np.testing.assert_array_equal(x, X)


# ----------------------------------------------------------------------------------- argnums, has_aux, keywords, values


def three(x, y, z):
    return (x + y) * z


@pytest.mark.parametrize(
    ("argnums", "expected"), [
        (0, -4.0), (2, 3.0), (-1, 3.0), (-3, -4.0), ((0, 2), (-4.0, 3.0)), ((2, 0), (3.0, -4.0)), ([1], (-4.0,)),
        ((-1, 0), (3.0, -4.0)), ((), ()),
    ],
)  # fmt: skip
def test_argnums_choose_what_to_differentiate_by(argnums, expected):
    value, gradient = gw.value_and_grad(three, argnums)(-2.0, 5.0, -4.0)
    assert value == -12.0
    assert gradient == expected
    assert gw.grad(three, argnums)(-2.0, 5.0, -4.0) == expected


@pytest.mark.parametrize("argnums", [3, -4, (0, 7)])
def test_argnums_beyond_the_arguments_are_an_input_error(argnums):
    with pytest.raises(gw.InputError, match=r"three\(\).* 3 arguments"):
        gw.grad(three, argnums)(1.0, 2.0, 3.0)


def test_arguments_that_are_not_differentiated_arrive_as_they_are():
    def f(x, mode, count, *, extra):
        assert (mode, count, extra) == ("sum", 3, [1])
        assert type(count) is int
        return np.sum(x) * count

    np.testing.assert_array_equal(gw.grad(f)(X, "sum", 3, extra=[1]), [3, 3, 3])


def test_has_aux_hands_the_extra_through_without_gradient():
    def f(x):
        return np.sum(x**2), {"scores": x * 2, "name": "run", "none": None, "count": 3}

    (value, aux), gradient = gw.value_and_grad(f, has_aux=True)(X)
    assert value == np.sum(X**2)
    np.testing.assert_array_equal(gradient, 2 * X)
    assert type(aux["scores"]) is np.ndarray
    np.testing.assert_array_equal(aux.pop("scores"), 2 * X)
    assert aux == {"name": "run", "none": None, "count": 3}
    gradient, aux = gw.grad(f, has_aux=True)(X)
    assert aux["name"] == "run"


@pytest.mark.parametrize("result", [lambda x: np.sum(x), lambda x: (np.sum(x), 1, 2)])
def test_has_aux_needs_a_pair(result):
    with pytest.raises(gw.ShapeError, match="return a pair"):
        gw.grad(result, has_aux=True)(X)


def test_the_transformed_function_keeps_its_name_and_documentation():
    assert gw.grad(smooth).__name__ == "smooth"
    assert gw.jacobian(smooth).__wrapped__ is smooth


# -------------------------------------------------------------------------------------------------------------- nesting

POWER_OF_FIVE = [lambda x: x**5, lambda x: 5 * x**4, lambda x: 20 * x**3, lambda x: 60 * x**2, lambda x: 120 * x]
SINE = [np.sin, np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x), np.sin]
EXPONENTIAL = [lambda x, n=n: (x**2 + 2 * n * x + n * (n - 1)) * np.exp(x) for n in range(5)]  # x² eˣ, by Leibniz


@pytest.mark.parametrize("order", range(5))
@pytest.mark.parametrize("derivatives", [POWER_OF_FIVE, SINE, EXPONENTIAL], ids=["power", "sine", "exponential"])
@pytest.mark.parametrize("x", [1.3, -0.4])
def test_derivatives_nest_to_order_four(derivatives, order, x):
    f = derivatives[0]
    for _ in range(order):
        f = gw.grad(f)
    assert f(x) == pytest.approx(derivatives[order](x), rel=1e-12)


@pytest.mark.parametrize("order", range(1, 5))
@pytest.mark.parametrize("derivatives", [POWER_OF_FIVE, SINE, EXPONENTIAL], ids=["power", "sine", "exponential"])
def test_forward_and_backward_sweeps_mix_at_any_order(derivatives, order):
    def forward(f):
        return lambda x: gw.jvp(f, (x,), (1.0,))[1]

    for choice in product([gw.grad, forward], repeat=order):
        f = derivatives[0]
        for transform in choice:
            f = transform(f)
        assert f(0.7) == pytest.approx(derivatives[order](0.7), rel=1e-11)


def test_perturbations_are_not_confused():
    assert gw.grad(lambda x: x * gw.grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert gw.grad(lambda x: x * gw.grad(lambda y: x * y)(2.0))(3.0) == 6.0
    assert gw.jvp(lambda x: x * gw.jvp(lambda y: x + y, (1.0,), (1.0,))[1], (1.0,), (1.0,))[1] == 1.0
    assert gw.grad(lambda x: x * gw.jvp(lambda y: x * y, (2.0,), (1.0,))[1])(3.0) == 6.0
    assert gw.jvp(lambda x: x * gw.grad(lambda y: x * y)(2.0), (3.0,), (1.0,))[1] == 6.0


def test_the_same_point_at_two_levels():
    f = lambda x: gw.grad(lambda y: x**2 * y**3)(x)  # 3 x⁴  # noqa: E731
    assert gw.grad(f)(2.0) == 12 * 2.0**3


def test_outer_variables_are_captured():
    outer = gw.variable(2.0)
    inner = gw.grad(lambda y: outer * y**2)(3.0)
    inner.backward()
    assert inner.value == 12.0
    assert outer.grad == 6.0


def test_a_pullback_can_be_differentiated_later():
    _, pullback = gw.vjp(np.exp, X)
    found = gw.grad(lambda u: np.sum(pullback(u)[0] ** 2))(V)
    np.testing.assert_allclose(found, 2 * V * np.exp(2 * X), rtol=1e-14)


def test_tangents_can_be_differentiated():
    found = gw.grad(lambda v: gw.jvp(smooth, (X,), (v,))[1])(V)
    np.testing.assert_allclose(found, gw.grad(smooth)(X), rtol=1e-14)


def test_gradient_of_an_unrolled_descent():
    def after_steps(rate):
        x = 1.0
        for _ in range(5):
            x = x - rate * gw.grad(lambda x: x**2)(x)
        return x

    assert gw.grad(after_steps)(0.1) == pytest.approx(5 * (1 - 0.2) ** 4 * -2, rel=1e-13)


def test_stop_gradient_cuts():
    assert gw.grad(lambda x: x * gw.stop_gradient(x))(3.0) == 3.0
    assert gw.grad(lambda x: gw.stop_gradient(x * x))(3.0) == 0.0
    assert gw.grad(gw.grad(lambda x: x**2 * gw.stop_gradient(x)))(3.0) == 6.0
    assert gw.stop_gradient(3.0) == 3.0


# ------------------------------------------------------------------------------------------------- jacobian and hessian

SHAPES = [(), (1,), (3,), (2, 3), (2, 1, 2)]


def mixing(shape_in, shape_out):
    """A smooth function between arrays of the two shapes in which every entry depends on every other."""
    weights = np.random.default_rng(0).standard_normal((*shape_out, *shape_in))
    return lambda x: np.sin(np.sum(weights * np.exp(0.3 * x), axis=tuple(range(len(shape_out), weights.ndim))))


@pytest.mark.parametrize("shape_in", SHAPES, ids=str)
@pytest.mark.parametrize("shape_out", SHAPES, ids=str)
def test_jacobian_has_the_output_shape_before_the_input_shape(shape_in, shape_out):
    x = np.random.default_rng(1).standard_normal(shape_in)[()]
    f = mixing(shape_in, shape_out)
    found = gw.jacobian(f)(x)
    assert np.shape(found) == shape_out + shape_in
    np.testing.assert_allclose(found, differences(f, x), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(("shape_in", "shape_out"), [((0,), (2,)), ((2,), (0,)), ((0, 3), ()), ((0,), (0, 2))])
def test_jacobian_of_nothing_is_empty(shape_in, shape_out):
    weights = np.ones((*shape_out, *shape_in))
    f = lambda x: np.sum(weights * x, axis=tuple(range(len(shape_out), weights.ndim)))  # noqa: E731
    assert gw.jacobian(f)(np.ones(shape_in)).shape == shape_out + shape_in


@pytest.mark.parametrize("argnums", [1, (0, 1), (-1,)])
def test_jacobian_by_several_arguments(argnums):
    f = lambda x, y: np.outer(x, y)  # noqa: E731
    found = gw.jacobian(f, argnums)(X, B)
    by_x, by_y = differences(lambda x: f(x, B), X), differences(lambda y: f(X, y), B)
    expected = {1: (by_y,), (0, 1): (by_x, by_y), (-1,): (by_y,)}[argnums]
    for one, other in zip((found,) if isinstance(argnums, int) else found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_hessian_is_symmetric_and_equals_differences_of_the_gradient(shape):
    x = np.random.default_rng(2).uniform(0.2, 0.9, shape)[()]
    found = gw.hessian(smooth)(x)
    assert np.shape(found) == shape + shape
    matrix = np.reshape(found, (np.size(x), np.size(x)))
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(found, differences(gw.grad(smooth), x), rtol=1e-6, atol=1e-7)


def test_hvp_is_the_hessian_times_the_vector():
    np.testing.assert_allclose(gw.hvp(smooth, X, V), gw.hessian(smooth)(X) @ V, rtol=1e-12)


def test_jvp_and_vjp_are_transposes_and_rows_and_columns_of_the_jacobian():
    f = mixing((3,), (2, 2))
    full = gw.jacobian(f)(X)
    upstream = np.array([[1.0, -2.0], [0.5, 3.0]])
    value, pushed = gw.jvp(f, (X,), (V,))
    _, pullback = gw.vjp(f, X)
    np.testing.assert_array_equal(value, f(X))
    np.testing.assert_allclose(pushed, full @ V, rtol=1e-13)
    np.testing.assert_allclose(pullback(upstream)[0], np.tensordot(upstream, full, 2), rtol=1e-13)
    assert np.vdot(upstream, pushed) == pytest.approx(np.vdot(pullback(upstream)[0], V), rel=1e-13)


def test_a_pullback_may_be_called_again():
    _, pullback = gw.vjp(np.exp, X)
    for upstream in (V, 2 * V, V):
        np.testing.assert_array_equal(pullback(upstream)[0], upstream * np.exp(X))


@pytest.mark.parametrize("upstream", [np.ones(2), 1.0, (np.ones(3), np.ones(3))])
def test_an_upstream_gradient_that_does_not_fit_is_a_shape_error(upstream):
    _, pullback = gw.vjp(np.exp, X)
    with pytest.raises(gw.ShapeError, match=r"the upstream gradient (has|must have)"):
        pullback(upstream)


def test_a_complex_python_number_is_a_fine_upstream_gradient():
    _, pullback = gw.vjp(lambda z: z * (2 + 1j), 1 + 1j)
    assert pullback(1j) == (1j * (2 - 1j),)


@pytest.mark.parametrize("tangents", [(np.ones(2),), (), (X, X)])
def test_a_tangent_that_does_not_fit_is_a_shape_error(tangents):
    with pytest.raises(gw.ShapeError, match=r"the tangent (has|must have)"):
        gw.jvp(np.exp, (X,), tangents)


def test_a_complex_jacobian_is_right_or_refused():
    try:
        found = gw.jacobian(lambda x: x * 1j)(X)
    except gw.DTypeError:
        return
    np.testing.assert_array_equal(found, 1j * np.eye(3))


# ---------------------------------------------------------------------------------- exactly the input's shape and dtype

READ_ONLY = np.arange(1.0, 4.0)
READ_ONLY.flags.writeable = False

ARRAYS = {
    "float64": np.ones((2, 3)),
    "float32": np.ones((2, 3), np.float32),
    "float16": np.ones((2, 3), np.float16),
    "complex64": np.ones(3, np.complex64),
    "complex128": np.ones(3, np.complex128),
    "zero dimensions": np.array(2.0),
    "zero dimensions float32": np.array(2.0, np.float32),
    "numpy scalar": np.float64(2.0),
    "numpy scalar float32": np.float32(2.0),
    "zero size": np.ones((0, 3)),
    "zero size float32": np.ones((2, 0), np.float32),
    "strided": np.arange(12.0).reshape(3, 4)[:, ::2],
    "transposed": np.arange(6.0).reshape(2, 3).T,
    "negative strides": np.arange(6.0)[::-1],
    "read-only": READ_ONLY,
    "broadcast": np.broadcast_to(1.5, (2, 3)),
    "column-major": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
}


@pytest.mark.parametrize("x", ARRAYS.values(), ids=ARRAYS)
def test_gradient_has_exactly_the_shape_and_dtype_of_the_input(x):
    f = lambda x: np.sum(np.abs(x * 3.0) ** 2.0) + np.sum(x.reshape(-1) * 0.5).real  # noqa: E731
    value, gradient = gw.value_and_grad(f)(x)
    assert np.shape(gradient) == np.shape(x)
    assert gradient.dtype == x.dtype
    assert not isinstance(gradient, gw.Array)
    np.testing.assert_allclose(gradient, 18 * x + 0.5, rtol=1e-2 if x.dtype.itemsize == 2 else 1e-6)
    assert value.dtype == x.real.dtype


@pytest.mark.parametrize("x", ARRAYS.values(), ids=ARRAYS)
def test_an_argument_that_is_not_used_gets_zeros_like_itself(x):
    by_x, by_y = gw.grad(lambda x, y: y * 2.0, argnums=(0, 1))(x, 1.0)
    np.testing.assert_array_equal(by_x, np.zeros_like(x))
    assert by_x.dtype == x.dtype
    assert by_y == 2.0


def test_a_python_number_is_a_float64():
    gradient = gw.grad(lambda x: x * x)(3.0)
    assert gradient == 6.0
    assert gradient.dtype == np.float64


def test_dtypes_mix_and_each_gradient_keeps_its_own():
    single, double = np.ones(3, np.float32), np.ones(3)
    found = gw.grad(lambda a, b: np.sum(a * b), argnums=(0, 1))(single, double)
    assert [gradient.dtype for gradient in found] == [np.float32, np.float64]


def test_float32_stays_float32_beside_python_numbers():
    seen = []
    gw.grad(lambda x: seen.append((2.0 * x + 1) ** 2) or np.sum(seen[0]))(np.ones(3, np.float32))
    assert seen[0].dtype == np.float32


# ----------------------------------------------------------------------------------------------- constants, determinism


@pytest.mark.parametrize("constant", [3.0, np.float64(3.0), np.array(3.0), 3], ids=repr)
def test_a_constant_function_has_gradient_zero(constant):
    value, gradient = gw.value_and_grad(lambda x: constant)(X)
    assert value == 3.0
    np.testing.assert_array_equal(gradient, np.zeros(3))
    np.testing.assert_array_equal(gw.hessian(lambda x: constant)(X), np.zeros((3, 3)))


@pytest.mark.parametrize(
    "constant",
    [3.0, np.ones(2), lambda x: np.ones_like(x), lambda x: x * 0 > 1],
    ids=["number", "array", "ones_like", "comparison"],
)
def test_jvp_vjp_and_jacobian_of_a_constant_are_zero(constant):
    f = constant if callable(constant) else lambda x: constant
    value, moved = gw.jvp(f, (X,), (V,))
    assert np.shape(moved) == np.shape(value) == np.shape(f(X))
    assert not np.any(moved)
    assert not np.any(gw.jacobian(f)(X))
    _, pullback = gw.vjp(f, X)
    np.testing.assert_array_equal(pullback(np.ones(np.shape(value))[()])[0], np.zeros(3))


def test_the_identity():
    assert gw.grad(lambda x: x)(3.0) == 1.0
    np.testing.assert_array_equal(gw.jacobian(lambda x: x)(X), np.eye(3))
    np.testing.assert_array_equal(gw.jvp(lambda x: x, (X,), (V,))[1], V)


def test_the_same_bits_twice():
    x = np.random.default_rng(3).standard_normal((40, 40))
    f = lambda x: np.sum(np.tanh(x @ x) * x[np.arange(40), np.arange(40)] / np.sum(np.exp(x), axis=0))  # noqa: E731
    first = gw.grad(f)(x).tobytes()
    assert all(gw.grad(f)(x).tobytes() == first for _ in range(3))


def test_results_are_plain_arrays():
    value, pullback = gw.vjp(lambda x: (x, x * 2), X)
    results = [*value, *pullback((V, V)), gw.jacobian(np.exp)(X), *gw.jvp(np.exp, (X,), (V,)), gw.hvp(smooth, X, V)]
    assert all(type(result) is np.ndarray for result in results)
