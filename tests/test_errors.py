"""Each mistake raises the right error, which names the gate, the operands, this file's line, and the way out."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import scipy.special
from numpy.testing.overrides import get_overridable_numpy_array_functions, get_overridable_numpy_ufuncs

import gatewise as gw
from gatewise.functions import VALUES_ONLY, of_numpy, reason, refusal, spelling
from gatewise.gate import NUMPY_FUNCTIONS
from gatewise.gates import load

X = np.array([1.0, 2.0, 3.0])
M = np.ones((2, 3))


def set_three_entries_of_two(x):
    x[:2] = np.ones(3)
    return np.sum(x)


#: A mistake on X: what is done, the error's class, what its message must say.
MISTAKES = {
    "matmul": (lambda x: x @ np.ones((2, 2)), gw.ShapeError, ["matmul", "float64[3]", "float64[2, 2]", "x.T"]),
    "matmul of a number": (lambda x: x @ x[0], gw.ShapeError, ["matmul", "float64[]", "use *"]),
    "matmul of stacks": (
        lambda x: (x * np.ones((2, 4, 3))) @ np.ones((3, 3, 4)),
        gw.ShapeError,
        ["matmul", "(2,)", "(3,)"],
    ),
    "operator": (lambda x: x + np.ones(4), gw.ShapeError, ["add", "float64[3]", "float64[4]", "reshape"]),
    "function": (lambda x: np.maximum(np.ones((2, 2)), x), gw.ShapeError, ["maximum", "float64[2, 2]", "float64[3]"]),
    "where": (lambda x: np.where(np.ones(4) > 0, x, 0.0), gw.ShapeError, ["where", "bool[4]", "float64[3]"]),
    "reshape": (lambda x: x.reshape(2, 2), gw.ShapeError, ["reshape", "float64[3]", "3 entries", "(2, 2)"]),
    "reshape -1": (lambda x: np.reshape(x, (2, -1)), gw.ShapeError, ["reshape", "3 entries", "(2,"]),
    "broadcast_to": (lambda x: np.broadcast_to(x, (3, 2)), gw.ShapeError, ["broadcast", "(3,)", "(3, 2)"]),
    "squeeze": (lambda x: np.squeeze(x, 0), gw.ShapeError, ["squeeze", "axis 0", "(3,)"]),
    "index": (lambda x: x[7], gw.IndexingError, ["getitem", "float64[3]", "index 7", "size 3"]),
    "index of a scalar": (lambda x: x[0][0], gw.IndexingError, ["getitem", "float64[]"]),
    "index array": (lambda x: x[np.array([1, 9])], gw.IndexingError, ["getitem", "float64[3]", "out of range"]),
    "index list": (lambda x: x[[0, -4]], gw.IndexingError, ["getitem", "float64[3]"]),
    "index mask": (lambda x: x[np.array([True, False])], gw.IndexingError, ["getitem", "float64[3]", "bool[2]"]),
    "too many indices": (lambda x: x[0, 0], gw.IndexingError, ["getitem", "float64[3]", "too many indices"]),
    "index float": (lambda x: x[1.5], gw.IndexingError, ["integers, slices", "float64"]),
    "index traced float": (lambda x: x[x], gw.IndexingError, ["integers, slices", "float64"]),
    "index string": (lambda x: x["a"], gw.IndexingError, ["integers, slices", "a"]),
    "assignment": (set_three_entries_of_two, gw.ShapeError, ["setitem", "float64[3]", "[:2]"]),
    "sum axis": (lambda x: np.sum(x, axis=5), gw.ShapeError, ["sum", "axis 5", "-1 to 0"]),
    "max axis": (lambda x: x.max(axis=-2), gw.ShapeError, ["max", "axis -2"]),
    "axis twice": (lambda x: np.sum(x[None], axis=(0, -2)), gw.ShapeError, ["sum", "twice"]),
    "axis float": (lambda x: np.mean(x, axis=0.5), gw.DTypeError, ["mean", "axis", "0.5"]),
    "transpose": (lambda x: np.transpose(x, (0, 1)), gw.ShapeError, ["axis 1", "1 axes"]),
    "swapaxes": (lambda x: np.swapaxes(x, 0, 1), gw.ShapeError, ["swapaxes", "axis 1"]),
    "flip": (lambda x: np.flip(x, 2), gw.ShapeError, ["flip", "axis 2"]),
    "stack axis": (lambda x: np.stack([x, x], axis=3), gw.ShapeError, ["stack", "axis 3"]),
    "stack": (lambda x: np.stack([x, np.ones(2)]), gw.ShapeError, ["stack", "float64[3]", "float64[2]", "alike"]),
    "stack nothing": (lambda x: gw.stack([]) + x, gw.ShapeError, ["stack", "at least one"]),
    "concat": (lambda x: np.concatenate([x, np.ones((2, 2))]), gw.ShapeError, ["float64[2, 2]", "axis 0"]),
    "concat numbers": (lambda x: np.concatenate([x[0], x[1]]), gw.ShapeError, ["concat", "use stack"]),
    "einsum letters": (lambda x: np.einsum("ij->i", x), gw.ShapeError, ["einsum", "'ij' names 2 axes", "(3,)"]),
    "einsum lengths": (lambda x: np.einsum("i,i->", x, np.ones(2)), gw.ShapeError, ["einsum", "axis 'i'", "3", "2"]),
    "einsum operands": (lambda x: np.einsum("i,j->", x), gw.ShapeError, ["'i,j->'", "2 operands", "1 were given"]),
    "einsum output": (lambda x: np.einsum("i,i->k", x, x), gw.ShapeError, ["einsum", "'i,i->k'", "no operand has"]),
    "einsum sign": (lambda x: np.einsum("i?->i", x), gw.ShapeError, ["einsum", "not a letter"]),
    "tensordot": (lambda x: np.tensordot(x, np.ones(2), axes=1), gw.ShapeError, ["tensordot", "(3,)", "(2,)", "axes="]),
    "list of traced values": (lambda x: x * [x[0], x[1], 1.0], gw.DTypeError, ["list", "np.stack([...])"]),
    "function of a list": (lambda x: np.sin([x[0], x[1]]), gw.GatewiseError, ["np.stack"]),
    "string": (lambda x: x + "a", gw.DTypeError, ["str", "'a'"]),
    "None": (lambda x: x * None, gw.DTypeError, ["multiply", "NoneType"]),
    "object array": (lambda x: x + np.array([None, 1, 2]), gw.DTypeError, ["object"]),
    "dates": (lambda x: x + np.datetime64("2020-01-01"), gw.DTypeError, ["datetime64"]),
    "float": (lambda x: float(x[0]), gw.TracedValueError, ["float(x)", "gw.stop_gradient"]),
    "unsupported function": (lambda x: np.busday_offset(x, 1), gw.UnsupportedError, ["np.busday_offset", "dates"]),
    "unsupported ufunc": (lambda x: scipy.special.zetac(x), gw.UnsupportedError, ["special.zetac", "nearest"]),
    "ufunc method": (lambda x: np.divide.reduce(x[:0]), gw.ShapeError, ["np.divide.reduce", "initial="]),
    "out of a ufunc": (lambda x: np.exp(x, out=np.zeros(3)), gw.UnsupportedError, ["np.exp", "out="]),
    "where of a ufunc": (lambda x: np.exp(x, where=np.ones(3) > 0), gw.UnsupportedError, ["np.exp", "where="]),
    "out of a function": (lambda x: np.sum(x, out=np.zeros(())), gw.UnsupportedError, ["sum", "out="]),
    "library": (lambda x: scipy.special.softmax(x), gw.TracedValueError, ["scipy.special.softmax", "gw.softmax"]),
    "where without a start": (lambda x: np.max(x, where=x > 0), gw.ShapeError, ["max", "initial="]),
    "order": (lambda x: np.reshape(x, (3, 1), order="F"), gw.GatewiseError, ["reshape", "order"]),
    "pad mode": (lambda x: np.pad(x, 1, mode="wild"), gw.UnsupportedError, ["pad", "wild", "maximum"]),
    "unknown option": (lambda x: np.flip(x, sideways=True), TypeError, ["sideways"]),
}  # fmt: skip


@pytest.mark.parametrize(("mistake", "kind", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_names_the_gate_the_operands_and_the_way_out(mistake, kind, words):
    with pytest.raises(kind) as caught:
        gw.grad(lambda x: np.sum(mistake(x)))(X)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("name", [name for name in MISTAKES if name != "unknown option"])
def test_a_mistake_names_the_line(name):
    mistake = MISTAKES[name][0]
    with pytest.raises(gw.GatewiseError) as caught:
        gw.grad(lambda x: np.sum(mistake(x)))(X)
    source, first = inspect.getsourcelines(mistake)
    lines = {f"{__file__}:{first + number}:" for number in range(len(source))}
    assert any(line in str(caught.value) for line in lines), str(caught.value)


@pytest.mark.parametrize("f", [gw.variable, lambda x: gw.vjp(lambda x: x, x)])
def test_errors_are_also_the_builtin_kind(f):
    with pytest.raises(TypeError):
        f(3)
    with pytest.raises(ValueError, match="entries do not fill"):
        gw.variable(X).reshape(2)
    with pytest.raises(IndexError):
        gw.variable(X)[9]
    with pytest.raises(NotImplementedError):
        np.busday_offset(gw.variable(X), 1)


def test_an_error_of_a_gate_keeps_numpys_as_its_cause():
    with pytest.raises(gw.ShapeError) as caught:
        gw.variable(X) + np.ones(4)
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_mistake_in_a_helper_names_the_helpers_line():
    def helper(x):
        return x @ x[:2]

    with pytest.raises(gw.ShapeError) as caught:
        gw.grad(lambda x: helper(x) * 2)(X)
    assert "return x @ x[:2]" in str(caught.value)


def test_an_error_of_the_users_own_passes_through():
    def f(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        gw.grad(f)(X)


# ------------------------------------------------------------------------------------ over all functions and all gates

load()  # the families that are otherwise imported when first asked for

MATRIX = np.arange(6.0).reshape(2, 3) + 0.5
PLACES = np.zeros((2, 3), int)
#: What functions with an axis take besides the array.
BESIDES = {
    "quantile": (0.5,), "percentile": (30,), "nanquantile": (0.5,), "nanpercentile": (30,), "roll": (1,),
    "repeat": (2,), "array_split": (2,), "split": (1,), "append": (MATRIX,), "insert": (0, 1.0), "delete": (0,),
    "sliding_window_view": (2,), "take": ([0],), "partition": (0,), "argpartition": (0,), "cross": (MATRIX,),
    "take_along_axis": (PLACES,), "put_along_axis": (PLACES, 1.0), "vecdot": (MATRIX,), "linspace": (MATRIX, 3),
    "logspace": (MATRIX, 3), "geomspace": (MATRIX, 3),
}  # fmt: skip


def along(function, axis):
    """A call of a function with an axis."""
    x = gw.variable(MATRIX)
    if function is np.apply_along_axis:
        return function(np.sum, axis, x)
    if function is np.compress:
        return function([True], x, axis=axis)
    if function in (np.stack, np.concatenate):
        return function([x, x], axis=axis)
    return function(x, *BESIDES.get(function.__name__, ()), axis=axis)


WITH_AXIS = [
    function
    for function in NUMPY_FUNCTIONS
    if not isinstance(function, np.ufunc) and "axis" in inspect.signature(function).parameters
]


@pytest.mark.parametrize("axis", [7, -9, 1.5, "rows"])
@pytest.mark.parametrize("function", WITH_AXIS, ids=spelling)
def test_a_wrong_axis_names_the_function_the_axis_and_the_line(function, axis):
    kind = np.exceptions.AxisError if isinstance(axis, int) else TypeError
    with pytest.raises(gw.GatewiseError) as caught:
        along(function, axis)
    assert isinstance(caught.value, kind)
    message = str(caught.value)
    assert function.__name__ in message
    assert repr(axis) in message
    assert f"at {__file__}:" in message


OF_TWO = [ufunc for ufunc in NUMPY_FUNCTIONS if isinstance(ufunc, np.ufunc) and ufunc.nin == 2 and not ufunc.signature]


@pytest.mark.parametrize("ufunc", OF_TWO, ids=spelling)
def test_shapes_that_do_not_broadcast_are_named_with_the_function_the_line_and_the_way_out(ufunc):
    other = np.ones(4, int if ufunc is np.ldexp else float)
    with pytest.raises(gw.ShapeError) as caught:
        ufunc(gw.variable(X), other)
    message = str(caught.value)
    for words in (ufunc.__name__, "(3,) and (4,)", "use reshape", f"at {__file__}:", "ufunc(gw.variable(X), other)"):
        assert words in message


#: What holds no numbers, or has its own rules for them; what the message calls it.
NO_NUMBERS = {
    "strings": (np.array(["a", "b", "c"]), "<U1"),
    "objects": (np.array([None, 1, 2]), "object"),
    "dates": (np.array(["2020-01-01"] * 3, "datetime64[D]"), "datetime64[D]"),
    "records": (np.array([(1.0, 2)] * 3, [("a", float), ("b", int)]), "[('a', '<f8'), ('b', '<i8')]"),
    "masked": (np.ma.array(X, mask=[0, 1, 0]), "MaskedArray"),
    "matrix": (X[None].view(np.matrix), "matrix"),
}


@pytest.mark.parametrize(("value", "words"), NO_NUMBERS.values(), ids=NO_NUMBERS)
@pytest.mark.parametrize("ufunc", [f for f in OF_TWO if f is not np.ldexp], ids=spelling)
def test_what_holds_no_numbers_is_refused_beside_a_traced_array(ufunc, value, words):
    for operands in ((gw.variable(X), value), (value, gw.variable(X))):
        with pytest.raises(gw.DTypeError) as caught:
            ufunc(*operands)
        assert words in str(caught.value)
        assert f"at {__file__}:" in str(caught.value)


@pytest.mark.parametrize(("value", "words"), NO_NUMBERS.values(), ids=NO_NUMBERS)
@pytest.mark.parametrize(
    "ask", [gw.grad(np.sum), gw.value_and_grad(np.sum), gw.jacobian(np.sin), gw.hessian(np.sum), gw.variable]
)
def test_what_holds_no_numbers_has_no_gradient(ask, value, words):
    with pytest.raises(gw.DTypeError) as caught:
        ask(value)
    assert words in str(caught.value)
    assert f"at {__file__}:" in str(caught.value)


WITHOUT = [
    function
    for function in {*get_overridable_numpy_array_functions(), *get_overridable_numpy_ufuncs()}
    if of_numpy(function) is None and function.__name__ not in VALUES_ONLY and not function.__name__.startswith("_")
]
SPECIAL_WITHOUT = [f for f in vars(scipy.special).values() if isinstance(f, np.ufunc) and of_numpy(f) is None]


@pytest.mark.parametrize("function", sorted({*WITHOUT, *SPECIAL_WITHOUT}, key=spelling), ids=spelling)
def test_a_function_without_a_gradient_says_why_or_names_the_nearest_that_has_one(function):
    with pytest.raises(gw.CodeError) as caught:
        raise refusal(function)
    message = str(caught.value)
    assert spelling(function) in message
    why = reason(function)
    nearest = message.partition("the nearest that has one is ")[2].split("\n")[0]
    assert (why and why in message) or nearest.removeprefix("scipy.").startswith(("np.", "special."))
    assert f"at {__file__}:" in message


# ------------------------------------------------------------------------------------------------ what a gradient needs


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (lambda x: x * 2, ["shape (3,)", "Sum it", "gw.jacobian"]),
        (lambda x: (np.sum(x), 3), ["returned tuple", "has_aux=True"]),
        (lambda x: {"loss": np.sum(x)}, ["returned dict"]),
        (lambda x: None, ["returned NoneType"]),
        (lambda x: "loss", ["returned str"]),
        (lambda x: np.ones(2), ["shape (2,)"]),
    ],
    ids=["array", "pair", "dict", "None", "str", "constant"],
)
@pytest.mark.parametrize("transform", [gw.grad, gw.value_and_grad, gw.hessian])
def test_a_gradient_needs_a_single_number(result, words, transform):
    with pytest.raises(
        gw.ShapeError, match=r"needs a function that returns a single number; <lambda>\(\) returned"
    ) as caught:
        transform(result)(X)
    for word in [*words, __file__, "transform(result)(X)"]:
        assert word in str(caught.value)


def test_a_gradient_needs_a_real_number():
    with pytest.raises(
        gw.DTypeError, match=r"needs a real number; <lambda>\(\) returned a complex one: take \.real or abs"
    ):
        gw.grad(lambda z: z * z)(1 + 2j)


def test_a_gradient_of_a_count_is_refused():
    with pytest.raises(gw.DTypeError, match=r"the result of <lambda>\(\) is (bool|int64)"):
        gw.grad(lambda x: x[0] > 0)(X)


@dataclass
class Layer:
    W: Any
    steps: Any


def loss(params, data):
    return np.sum(data)


@pytest.mark.parametrize(
    ("params", "name"),
    [
        (3, "params"),
        (np.arange(3), "params"),
        ({"W": X, "steps": 3}, "params['steps']"),
        ({"layers": [{"W": X}, {"W": np.arange(2)}]}, "params['layers'][1]['W']"),
        ([X, (X, True)], "params[1][1]"),
        (Layer(X, 5), "params.steps"),
    ],
    ids=["int", "array", "dict", "deep", "tuple", "dataclass"],
)
@pytest.mark.parametrize("transform", [gw.grad, gw.jacobian, lambda f: lambda *args: gw.vjp(f, *args)])
def test_an_integer_argument_is_named_by_its_path(params, name, transform):
    with pytest.raises(gw.DTypeError) as caught:
        transform(loss)(params, X)
    message = str(caught.value)
    assert message.startswith(f"loss(), gradient with respect to {name}: it is ")
    assert "carry a gradient" in message
    assert "x.astype(float)" in message
    assert __file__ in message


@pytest.mark.parametrize(
    ("value", "kind"),
    [("text", "str"), (np.array(["a"]), "<U1"), (object(), "object")],
    ids=["str", "strings", "object"],
)
def test_what_is_no_number_is_refused(value, kind):
    with pytest.raises(gw.DTypeError, match=kind):
        gw.grad(loss)(value, X)


# ------------------------------------------------------------------------------------------------ lines of the way back


def test_a_mistake_met_in_the_backward_sweep_of_a_gradient_names_the_forward_line():
    def f(x):
        y = np.exp(x)
        return np.sum(y)

    circuit = gw.trace(gw.grad(f), X)
    gates = [entry for entry in circuit if entry.gate.name not in ("input", "identity")]
    assert gates
    assert {entry.where.file for entry in gates} == {__file__}
    assert any(entry.where.text == "y = np.exp(x)" for entry in gates)
