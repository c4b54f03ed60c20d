"""`Array` behaves as a NumPy array does: the same code gives the same values, and gradients are its slopes."""

from __future__ import annotations

import copy
import math
import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gatewise as gw

X = np.array([0.7, -1.3, 2.1])
M = np.array([[0.5, -1.5, 2.0], [1.25, 0.75, -0.25]])


def slopes(f, x, step=1e-6):
    """The gradient of the scalar function `f` at `x` by central differences."""
    gradient = np.zeros(np.shape(x))
    for index in np.ndindex(np.shape(x)):
        ends = []
        for sign in (1, -1):
            moved = np.array(x)
            moved[index] += sign * step
            ends.append(float(f(moved[()])))
        gradient[index] = (ends[0] - ends[1]) / (2 * step)
    return gradient


def agrees(f, x, **tolerance):
    """Assert that `f` gives on a traced array what it gives on NumPy's, and that its gradient is its slope."""
    weights = np.cos(np.arange(np.size(f(np.array(x))))).reshape(np.shape(f(np.array(x))))
    value, _ = gw.vjp(f, np.array(x))
    np.testing.assert_array_equal(value, f(np.array(x)))
    loss = lambda x: np.sum(weights * f(x))  # noqa: E731
    np.testing.assert_allclose(gw.grad(loss)(np.array(x)), slopes(loss, x), **{"rtol": 1e-6, "atol": 1e-7, **tolerance})


# ------------------------------------------------------------------------------------------------------------ operators

OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.mod, operator.floordiv,
    operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne,
]  # fmt: skip
OTHERS = {
    "python float": 1.7,
    "python int": 2,
    "numpy float": np.float64(1.7),
    "numpy int": np.int64(2),
    "array": np.array([1.2, 0.9, 1.9]),
    "integer array": np.array([1, 2, 3]),
    "column": np.array([[1.2], [0.9]]),
    "zero-dimensional array": np.array(1.7),
    "list": [1.2, 0.9, 1.9],
    "tuple": (1.2, 0.9, 1.9),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("compute", OPERATORS, ids=lambda compute: compute.__name__)
def test_operators_with_plain_values_on_both_sides(compute, other):
    x = np.abs(X)
    if compute in (operator.floordiv, operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne):
        for f in (lambda x: compute(x, other), lambda x: compute(other, x)):
            value, _ = gw.vjp(f, x)
            np.testing.assert_array_equal(value, f(x))
            assert value.dtype == f(x).dtype
        return
    agrees(lambda x: compute(x, other), x)
    agrees(lambda x: compute(other, x), x)


@pytest.mark.parametrize("f", [operator.neg, operator.pos, abs], ids=lambda f: f.__name__)
def test_signs(f):
    agrees(f, X)


@pytest.mark.parametrize("other", [np.eye(3), np.ones((2, 3, 4)), [1.0, 2.0, 3.0]], ids=["matrix", "stack", "list"])
def test_matrix_products(other):
    agrees(lambda x: x @ other, X)
    agrees(lambda x: np.matmul(np.ones((2, 3)), x), X)


@pytest.mark.parametrize("f", [operator.and_, operator.or_, operator.xor], ids=lambda f: f.__name__)
def test_logic(f):
    agrees(lambda x: np.where(f(x > 0, x < 1), x, 0.0) + np.where(~f(x > 0, True), x, 0.0), X)


@pytest.mark.parametrize(
    "f", [divmod, lambda x, y: (round(x), y), lambda x, y: (math.floor(x), y)], ids=["divmod", "round", "floor"]
)
def test_python_functions_on_scalars_work_or_say_why_not(f):
    try:
        value, gradient = gw.value_and_grad(lambda x: x * f(x, 2.0)[0])(3.7)
    except gw.GatewiseError as error:
        assert __file__ in str(error)  # noqa: PT017
    else:
        assert (value, gradient) == (3.7 * f(3.7, 2.0)[0], f(3.7, 2.0)[0])


# ------------------------------------------------------------------------------------------ NumPy functions and methods

FUNCTIONS = {
    "exp": np.exp, "sin": np.sin, "tanh": np.tanh, "square": np.square, "reciprocal": np.reciprocal,
    "sum": np.sum, "sum of rows": lambda x: np.sum(x, axis=1), "sum keepdims": lambda x: np.sum(x, 0, keepdims=True),
    "sum of both": lambda x: np.sum(x, axis=(0, -1)), "mean": lambda x: np.mean(x, axis=-1), "prod": np.prod,
    "max": lambda x: np.max(x, axis=1), "amin": lambda x: np.amin(x), "clip": lambda x: np.clip(x, -1, 1),
    "clip open": lambda x: np.clip(x, None, 1.0), "maximum": lambda x: np.maximum(x, x[0]), "abs": np.abs,
    "where": lambda x: np.where(x > 0, x, -2 * x), "reshape": lambda x: np.reshape(x, (3, -1)),
    "transpose": np.transpose, "transpose axes": lambda x: np.transpose(x, (1, 0)),
    "moveaxis": lambda x: np.moveaxis(x, 0, 1), "swapaxes": lambda x: np.swapaxes(x, 0, -1),
    "concatenate": lambda x: np.concatenate([x, x * 2], axis=1),
    "concatenate flat": lambda x: np.concatenate((x, x), axis=None),
    "stack": lambda x: np.stack([x, np.ones((2, 3))], axis=-1), "vstack": lambda x: np.vstack([x, x[0]]),
    "hstack": lambda x: np.hstack([x, x]), "pad": lambda x: np.pad(x, ((1, 0), (0, 2))), "flip": np.flip,
    "expand_dims": lambda x: np.expand_dims(x, 1), "squeeze": lambda x: np.squeeze(x[:, None]), "ravel": np.ravel,
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 2, 3)), "take": lambda x: np.take(x, [2, 0, 2], axis=1),
    "dot": lambda x: np.dot(x, x.T), "outer": lambda x: np.outer(x[0], x[1]), "trace": lambda x: np.trace(x @ x.T),
    "tensordot": lambda x: np.tensordot(x, x, axes=([1], [1])), "einsum": lambda x: np.einsum("ij,kj->ik", x, x),
    "einsum implicit": lambda x: np.einsum("...i,...i", x, x), "sign": lambda x: np.sign(x) * x,
    "power": lambda x: np.power(x, 3),
    "copy": np.copy, "zeros_like": lambda x: np.zeros_like(x) + x, "full_like": lambda x: np.full_like(x, 2.0) * x,
}  # fmt: skip


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_numpy_functions(f):
    agrees(f, M)


METHODS = {
    "sum": lambda x: x.sum(axis=0), "mean": lambda x: x.mean(1, keepdims=True), "prod": lambda x: x.prod(axis=1),
    "max": lambda x: x.max(axis=0), "min": lambda x: x.min(), "reshape": lambda x: x.reshape(3, 2),
    "reshape tuple": lambda x: x.reshape((-1,)), "T": lambda x: x.T, "transpose": lambda x: x.transpose(1, 0),
    "swapaxes": lambda x: x.swapaxes(0, 1), "ravel": lambda x: x.ravel(), "flatten": lambda x: x.flatten(),
    "squeeze": lambda x: x[None].squeeze(0), "clip": lambda x: x.clip(-1, 1), "dot": lambda x: x.dot(x.T),
    "take": lambda x: x.take([0, 5, 0]), "astype": lambda x: x.astype(np.float64), "conj": lambda x: x.conj(),
    "copy": lambda x: x.copy(), "real": lambda x: x.real, "imag": lambda x: x.imag, "mT": lambda x: x.mT,
}  # fmt: skip


@pytest.mark.parametrize("f", METHODS.values(), ids=METHODS)
def test_methods(f):
    agrees(f, M)


WITH_LISTS = {
    "outer": lambda x: np.outer([1.0, 2.0], x[0]), "outer with a number": lambda x: np.outer(2.0, x),
    "tensordot": lambda x: np.tensordot([1.0, 2.0], x, axes=1), "vstack": lambda x: np.vstack([[1.0, 2.0, 3.0], x]),
    "hstack": lambda x: np.hstack([[1.0, 2.0], x[0]]), "concatenate": lambda x: np.concatenate([[[1.0, 2.0, 3.0]], x]),
    "stack": lambda x: np.stack([[1.0, 2.0, 3.0], x[0]]),
    "where": lambda x: np.where([True, False, True], x, [[1.0], [2.0]]),
    "dot": lambda x: np.dot([1.0, 2.0], x), "einsum": lambda x: np.einsum("i,ij->j", [1.0, 2.0], x),
    "maximum": lambda x: np.maximum([0.0, 1.0, 0.3], x), "clip": lambda x: np.clip(x, [-1.0, 0.0, 0.1], 1.0),
}  # fmt: skip


@pytest.mark.parametrize("f", WITH_LISTS.values(), ids=WITH_LISTS)
def test_numpy_functions_take_lists_beside_traced_arrays(f):
    agrees(f, M)


@pytest.mark.parametrize(
    "name", ["ravel", "flip", "squeeze", "permute_dims", "real", "imag", "conj", "positive", "sum"]
)
def test_our_functions_take_lists(name):
    numpy_name = {"conj": "conjugate"}.get(name, name)
    found = getattr(gw, name)(M.tolist())
    np.testing.assert_array_equal(found, getattr(np, numpy_name)(M.tolist()))
    assert not isinstance(found, list)


KEYS = {
    "int": 1, "negative": -1, "tuple": (0, 2), "slice": slice(None, None, -1), "step": (slice(None), slice(0, 3, 2)),
    "new axis": (None, 0), "ellipsis": (..., 1), "list": [1, 0, 1], "array": (np.array([0, 1]), np.array([2, 2])),
    "grid": (np.array([[0], [1]]), [0, 2]), "mask": M > 0, "mask of rows": np.array([True, False]), "empty": [],
    "bool": True, "numpy int": np.int64(1), "mixed": (slice(None), [2, 2]), "zero-dimensional array": (np.array(1), 0),
}  # fmt: skip


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_reading(key):
    agrees(lambda x: x[key], M)


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_writing(key):
    def write(x):
        out = x * 1.0
        out[key] = np.sum(x, axis=-1)[0] * 2.0
        return out

    def add(x):
        out = x * 1.0
        out[key] += x[0, 1] * 2.0
        return out

    agrees(write, M)
    agrees(add, M)


@pytest.mark.parametrize("function", [np.argmax, np.argsort, np.isnan, np.shape, np.ndim, np.isfinite, np.any])
def test_functions_without_gradient_answer_from_the_values(function):
    seen = []
    gw.grad(lambda x: seen.append(function(x)) or np.sum(x))(X)
    np.testing.assert_array_equal(seen[0], function(X))
    assert not isinstance(seen[0], gw.Array)


def test_an_index_found_from_traced_values():
    agrees(lambda x: x[np.argmax(x)] * x[x > 0][0] + x[np.argsort(x)][2], X)


def test_one_argument_where_gives_indices():
    agrees(lambda x: x[np.where(x > 0)], X)


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda x: x.copy(), np.copy], ids=["copy", "deepcopy", "method", "np.copy"]
)
def test_a_copy_keeps_the_gradient_and_is_written_to_apart(duplicate):
    def f(x):
        x = x * 2.0
        y = duplicate(x)
        y[0] = 7.0
        return x + 3 * y

    agrees(f, X)


# --------------------------------------------------------------------------------------- assignment, exactly as NumPy's


def test_writing_changes_the_array_and_not_what_was_read_before():
    def f(x):
        before = x[0] * 2.0
        x[0] = 5.0
        return before + np.sum(x)

    agrees(f, X)


def test_an_alias_of_an_array_sees_in_place_changes():
    def f(x):
        x = x * 1.0
        y = x
        x += 1
        x[0] = 3.0
        return y * 2

    agrees(f, X)


@pytest.mark.parametrize("update", ["+=", "-=", "*=", "/=", "**=", "//=", "%="])
def test_an_alias_sees_every_in_place_operator(update):
    def f(x):
        space = {"x": x * 1.0}
        exec(f"y = x\nx {update} 2.0", space)
        return space["y"]

    value, _ = gw.vjp(f, X)
    np.testing.assert_array_equal(value, f(X))


def test_an_alias_of_a_scalar_does_not():
    def f(x):
        y = x
        x += 1
        return x * y

    assert gw.value_and_grad(f)(3.0) == (12.0, 7.0)
    entry = lambda x: f(x[0])  # noqa: E731  an entry of an array is a scalar too
    assert gw.grad(entry)(np.array([3.0])) == [7.0]


def test_a_slice_is_a_copy_in_meaning():
    def f(x):
        part = x[:2]
        part *= 10.0
        return np.sum(x)

    np.testing.assert_array_equal(gw.grad(f)(X), np.ones(3))


def test_writing_into_part_of_a_part_needs_one_index():
    def f(x):
        out = np.zeros_like(x)
        out[0, 1:] += x[1, :2]
        out[1][0] = 100.0  # written into a copy
        return np.sum(out * x)

    np.testing.assert_array_equal(gw.grad(f)(M), [[0, 1.25, 0.75], [-1.5, 2.0, 0]])


@pytest.mark.parametrize(("update", "message"), [("+=", r"x \+= v keeps the shape"), ("@=", "keeps the shape")])
def test_an_in_place_operator_keeps_the_shape(update, message):
    def f(x):
        space = {"x": x, "v": np.ones((3, 3, 3))}
        exec(f"x {update} v", space)
        return np.sum(space["x"])

    with pytest.raises(gw.ShapeError, match=message):
        gw.grad(f)(X)


def test_an_in_place_operator_keeps_the_dtype():
    def widen(x):
        x += np.ones(3)
        assert x.dtype == np.float32
        return np.sum(x)

    def make_complex(x):
        x += 1j
        return np.sum(x)

    assert gw.grad(widen)(np.ones(3, np.float32)).dtype == np.float32
    with pytest.raises(gw.DTypeError, match=r"keeps the dtype of x, float64, and cannot hold complex128"):
        gw.grad(make_complex)(X)


def test_writing_into_zeros_like():
    def f(x):
        out = np.zeros_like(x)
        for i in range(3):
            out[i] = x[i] ** 2 + (out[i - 1] if i else 0.0)
        return out

    agrees(f, X)


def test_scattered_addition_reads_each_place_once():
    places = np.array([0, 2, 2])

    def f(x):
        out = x * 1.0
        out[places] += x * 10.0
        return out

    agrees(f, X)


def test_a_plain_array_may_be_changed_after_it_was_used():
    def f(x):
        weights, total = np.ones(3), 0.0
        for _ in range(3):
            weights *= 2.0
            total = total + np.sum(weights * x)
        return total

    np.testing.assert_array_equal(gw.grad(f)(X), [14.0, 14.0, 14.0])


scalars = st.sampled_from(["x[0]", "y[1] * x[2]", "2.0", "np.sum(x)", "s", "y[-1] + 1", "x[1] * x[1]"])
vectors = st.sampled_from(
    ["x", "y", "x * y", "y[::-1]", "x[[2, 0, 1]]", "np.sin(y)", "s * x", "x + 0.5", "np.where(y > 0, x, y)"]
)
pairs = st.sampled_from(["x[1:]", "y[:2] * s", "x[:2] * y[1:]", "np.array([0.5, 2.0])", "1.5"])
names = st.sampled_from(["x", "y"])
updates = st.sampled_from(["=", "+=", "-=", "*="])
index_of_one = st.sampled_from(["0", "-1", "np.int64(1)"])
index_of_two = st.sampled_from(["1:", "::2", "[0, 2]", "np.array([2, 1])", "np.array([True, False, True])", "-2:"])
lines = st.one_of(
    st.tuples(names, updates, vectors).map(
        lambda t: f"{t[0]} {t[1]} {t[2]}" if t[1] != "=" else f"{t[0]} = 1.0 * ({t[2]})"
    ),
    st.tuples(names, index_of_one, updates, scalars).map(lambda t: f"{t[0]}[{t[1]}] {t[2]} {t[3]}"),
    st.tuples(names, index_of_two, updates, pairs).map(lambda t: f"{t[0]}[{t[1]}] {t[2]} {t[3]}"),
    st.tuples(updates, scalars).map(lambda t: f"s {t[0]} {t[1]}"),
    st.sampled_from(
        [
            "y = x",
            "x = y",
            "y = x.copy()",
            "y = np.zeros_like(x)",
            "if s > 0: x[1] = s",
            "for i in range(2): y[i + 1] += y[i]",
        ]
    ),
)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(st.lists(lines, min_size=2, max_size=8))
def test_random_programs_of_assignments_do_what_they_do_on_numpy(program):
    code = compile("\n".join(program), "program", "exec")

    def f(x):
        space = {"np": np, "x": x, "y": np.cos(x), "s": x[1] * 0.5}
        exec(code, space)
        return space["x"] * 0.3 + space["y"] * space["s"] * 0.1

    start = np.array([0.7, -0.4, 1.1])
    with np.errstate(all="ignore"):
        if not np.all(np.abs(f(start.copy())) < 1e4):
            return
        value, _ = gw.vjp(f, start)
        np.testing.assert_array_equal(value, f(start.copy()))
        loss = lambda x: np.sum(f(x))  # noqa: E731
        wide, narrow = slopes(loss, start, 1e-5), slopes(loss, start, 1e-6)
        if np.allclose(wide, narrow, rtol=1e-5, atol=1e-5):  # no kink within reach, no overflow
            np.testing.assert_allclose(gw.grad(loss)(start), narrow, rtol=1e-4, atol=1e-4)


# -------------------------------------------------------------------------------------------------- leaving the circuit


def into_an_array(x):
    out = np.zeros(3)
    out[:] = x
    return out.sum()


def entry_into_an_array(x):
    out = np.zeros(3)
    out[0] = x[0]
    return out.sum()


LEAVING = {
    "float": lambda x: float(x[0]),
    "int": lambda x: int(x[0]),
    "complex": lambda x: complex(x[0]),
    "math": lambda x: math.exp(x[0]),
    "asarray": lambda x: np.asarray(x).sum(),
    "array of a list": lambda x: np.array([x[0], x[1]]).sum(),
    "writing into an array": into_an_array,
    "writing an entry into an array": entry_into_an_array,
}


@pytest.mark.parametrize("f", LEAVING.values(), ids=LEAVING)
def test_a_traced_value_does_not_leave_silently(f):
    # NumPy turns an error of float(x) inside `out[0] = x` into its own ValueError, and keeps ours as the cause.
    with pytest.raises((gw.TracedValueError, ValueError)) as caught:
        gw.grad(f)(X)
    error = caught.value if isinstance(caught.value, gw.TracedValueError) else caught.value.__cause__
    assert isinstance(error, gw.TracedValueError)
    assert f"{__file__}:{f.__code__.co_firstlineno}"[:-2] in str(error)
    assert "gw.stop_gradient(x)" in str(error)


def test_an_in_place_operator_of_a_plain_array_is_refused_with_the_line():
    def f(x):
        total = np.zeros(3)
        total += x
        return np.sum(total)

    with pytest.raises(gw.GatewiseError) as caught:
        gw.grad(f)(X)
    assert f"{__file__}:{f.__code__.co_firstlineno + 2}" in str(caught.value)
    assert "total += x" in str(caught.value)


def test_ways_out_that_are_meant():
    def f(x):
        assert x[0].item() == 0.7
        assert x.tolist() == X.tolist()
        assert float(gw.stop_gradient(x)[0]) == 0.7
        np.testing.assert_array_equal(x.value, X)
        assert type(np.asarray(gw.stop_gradient(x * 2))) is np.ndarray
        return np.sum(x)

    gw.grad(f)(X)


def test_values_that_depend_on_nothing_may_leave():
    seen = []
    gw.grad(lambda x: seen.append(float(np.ones_like(x)[0]) + np.asarray(x > 0)[0]) or np.sum(x))(X)
    assert seen == [2.0]


def test_item_of_several_entries_is_a_shape_error():
    with pytest.raises(gw.ShapeError, match=r"one entry; this one has shape \(3,\)"):
        gw.variable(X).item()


# ------------------------------------------------------------------------------------ control flow, iteration, printing


@pytest.mark.parametrize("x", [3.0, -1.8, 0.25])
def test_control_flow_on_values(x):
    def f(x):
        y = x
        while abs(y) > 0.5:
            y = y / 2 if y > 0 else -y
        return y * x if y else x

    value, gradient = gw.value_and_grad(f)(x)
    assert value == f(x)
    assert gradient == pytest.approx(slopes(f, x), rel=1e-6)


def test_truth_of_several_entries_is_ambiguous_as_in_numpy():
    with pytest.raises(ValueError, match="ambiguous"):
        gw.grad(lambda x: np.sum(x) if x > 0 else x[0])(X)


def test_iteration_length_and_unpacking():
    def f(x):
        a, b, c = x
        rest = [entry * entry for entry in x]
        return a * b + c + sum(rest) * len(x) + max(x)

    np.testing.assert_allclose(gw.grad(f)(X), slopes(f, X), rtol=1e-7)
    rows = lambda m: sum(np.prod(row) for row in m)  # noqa: E731
    np.testing.assert_allclose(gw.grad(rows)(M), slopes(rows, M), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("f", [len, iter, list], ids=lambda f: f.__name__)
def test_a_single_number_has_no_length(f):
    with pytest.raises(TypeError, match="0-d Array"):
        f(gw.variable(1.0))


def test_printing():
    x = gw.variable([1.0, 2.5])
    assert repr(x) == "Array([1. , 2.5])"
    assert repr(gw.variable(np.float32(2.0))) == "Array(2., dtype=float32)"
    assert f"{x[1]:.3f}" == "2.500"
    assert f"{x}" == str(np.array([1.0, 2.5]))
    assert repr(gw.variable(np.zeros(1000))).count("0.") < 20


def test_shape_dtype_and_size():
    x = gw.variable(M)
    assert (x.shape, x.dtype, x.ndim, x.size, len(x), x.device) == ((2, 3), np.float64, 2, 6, 2, "cpu")


def test_arrays_are_not_hashable_because_equality_is_entry_wise():
    with pytest.raises(TypeError, match="unhashable"):
        {gw.variable(1.0)}
    assert (gw.variable(X) == X).tolist() == [True] * 3


# --------------------------------------------------------------------------------------------------- the imperative way


def test_backward_accumulates_until_the_gradient_is_set_to_none():
    x = gw.variable(3.0, name="x")
    assert x.grad is None
    y = x * x
    y.backward()
    assert x.grad == 6.0
    y.backward()
    assert x.grad == 12.0
    (2.0 * x).backward()
    assert x.grad == 14.0
    x.grad = None
    y.backward()
    assert x.grad == 6.0


def test_backward_from_several_entries_needs_an_upstream_gradient():
    x = gw.variable(X)
    with pytest.raises(gw.ShapeError, match=r"this value has shape \(3,\)\. Sum it, or give"):
        (x * 2).backward()
    with pytest.raises(gw.ShapeError, match=r"upstream gradient has shape \(2,\), the value has shape \(3,\)"):
        (x * 2).backward(np.ones(2))
    (x * 2).backward(np.array([1.0, 0.0, 3.0]))
    np.testing.assert_array_equal(x.grad, [2.0, 0.0, 6.0])


def test_a_list_is_a_fine_upstream_gradient():
    x = gw.variable(X)
    (np.sin(x) * x).backward([1.0, 1.0, 1.0])
    np.testing.assert_allclose(x.grad, np.cos(X) * X + np.sin(X), rtol=1e-15)


def test_accumulated_gradients_do_not_share_memory_with_the_upstream_gradient():
    x, upstream = gw.variable(X), np.ones(3)
    (x + 0.0).backward(upstream)
    upstream[:] = 7.0
    np.testing.assert_array_equal(x.grad, np.ones(3))


def test_gradients_are_writable_and_share_no_memory():
    first, second = gw.grad(lambda x, y: np.sum(x + y), argnums=(0, 1))(X, X)
    first *= 0.0
    np.testing.assert_array_equal(second, np.ones(3))
    x, y = gw.variable(X), gw.variable(X)
    np.sum(x + y).backward()
    x.grad *= 0.0
    np.testing.assert_array_equal(y.grad, np.ones(3))


def test_variables_that_took_no_part_have_no_gradient():
    x, y = gw.variable(1.0), gw.variable(2.0)
    (x * 3).backward()
    assert (x.grad, y.grad) == (3.0, None)


def test_a_variable_copies_what_it_is_given():
    start = X.copy()
    x = gw.variable(start)
    start[:] = 0
    np.testing.assert_array_equal(x.value, X)
    x += 1.0
    np.testing.assert_array_equal(start, np.zeros(3))


@pytest.mark.parametrize("value", [3, [1, 2], np.array([True])], ids=repr)
def test_an_integer_variable_is_refused(value):
    with pytest.raises(gw.DTypeError, match=r"variable 'count' is (int64|int|bool).*carry a gradient"):
        gw.variable(value, name="count")


def test_backward_of_a_value_that_depends_on_no_variable():
    with pytest.raises(gw.DTypeError, match="depends on no variable"):
        (gw.variable(3.0) > 2.0).backward()
    with pytest.raises(gw.DTypeError, match="depends on no variable"):
        np.zeros_like(gw.variable(3.0)).backward()


def test_grad_of_a_computed_value_points_to_trace():
    with pytest.raises(gw.UnsupportedError, match=r"belongs to variables.*gw\.trace"):
        _ = (gw.variable(3.0) * 2).grad


def test_complex_backward_from_a_complex_value_is_refused():
    z = gw.variable(1 + 2j)
    with pytest.raises(gw.DTypeError, match="complex"):
        (z * z).backward()
