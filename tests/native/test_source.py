"""`Compiled.source`: Python text that gives the results of the function it was made from, with NumPy alone."""

import inspect

import numpy as np
import pytest

import gatewise as gw
from gatewise.gate import REGISTRY
from gatewise.graph import apply
from gatewise.tree import flatten


def run(source, name, *args):
    """What the function that the text defines gives."""
    namespace = dict(source.given)
    exec(source, namespace)
    return namespace[name](*args)


def assert_same(found, expected) -> None:
    ones, others = flatten(found)[0], flatten(expected)[0]
    assert len(ones) == len(others)
    for one, other in zip(ones, others, strict=True):
        one, other = np.asarray(one), np.asarray(other)
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        tolerance = 2e-5 if one.dtype in (np.float32, np.complex64) else 1e-11
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def assert_source_agrees(f, *args):
    """The text gives what the function gives; returned is the text."""
    source = gw.compile(f).source(*args)
    name = f.__name__ if f.__name__.isidentifier() else "function"
    assert_same(run(source, name, *args), f(*args))
    return source


rng = np.random.default_rng(0)
W, b, X = rng.standard_normal((4, 3)), rng.standard_normal(3), rng.standard_normal((5, 4))
y = np.array([0, 2, 1, -1, 0])


def circuit(x, y, z):
    q = x + y
    return q * z


def softmax_loss(W, b, X, y):
    scores = X @ W + b
    shifted = scores - np.max(scores, axis=1, keepdims=True)
    logs = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    return -np.mean(logs[np.arange(len(y)), y])


def hinge_loss(parameters, X, y):
    hidden = np.maximum(0, X @ parameters["W1"] + parameters["b"])
    scores = hidden @ parameters["W2"]
    margins = np.maximum(0, scores - scores[np.arange(len(y)), y][:, None] + 1)
    margins[np.arange(len(y)), y] = 0
    return np.sum(margins) / len(y)


def recurrent_loss(W, xs):
    def step(h, x):
        h = np.tanh(W @ h + x)
        return h, np.sum(h**2)

    h, squares = gw.scan(step, np.zeros(3), xs)
    return np.sum(h) + np.sum(squares)


def root(a):
    return gw.while_loop(lambda x: abs(x * x - a) > 1e-12, lambda x: (x + a / x) / 2, a)


def chosen(x):
    return gw.cond(np.sum(x) > 0, lambda: np.sin(x), lambda: x**3)


def training_step(w, x):
    for _ in range(3):
        w = w - 0.1 * gw.grad(lambda w: np.sum((np.tanh(x @ w) - 1) ** 2))(w)
    return w


LARGE = rng.standard_normal((3, 100))
parameters = {"W1": rng.standard_normal((4, 6)), "b": np.zeros(6), "W2": rng.standard_normal((6, 3))}
FUNCTIONS = {
    "circuit": (gw.value_and_grad(circuit, argnums=(0, 1, 2)), (-2.0, 5.0, -4.0)),
    "softmax": (gw.value_and_grad(softmax_loss, argnums=(0, 1, 2)), (W, b, X, y)),
    "softmax in float32": (gw.grad(softmax_loss), (W.astype("f"), b.astype("f"), X.astype("f"), y)),
    "hinge": (gw.value_and_grad(hinge_loss), (parameters, X, y)),
    "scan": (gw.value_and_grad(recurrent_loss), (rng.standard_normal((3, 3)), rng.standard_normal((7, 3)))),
    "while": (root, (9.0,)),
    "cond": (lambda x: chosen(x), (b,)),
    "cond, the other one": (lambda x: chosen(x), (-np.abs(b),)),
    "training": (training_step, (b, rng.standard_normal((4, 3)))),
    "hessian": (gw.hessian(lambda x: np.sum(np.sin(x)) * x[0]), (b,)),
    "jvp": (lambda x: gw.jvp(lambda x: np.exp(x) * x[0], (x,), (np.ones(3),)), (b,)),
    "vmap": (gw.vmap(gw.grad(lambda w, x: (x @ w) ** 2), in_axes=(None, 0)), (b, rng.standard_normal((4, 3)))),
    "slices": (lambda x: (x[::-1, 1], x[1:, ::2].T, x.T[1], x[-1, None], np.diagonal(x)), (X,)),
    "broadcasts": (lambda x, y: (x[:, None] * y, np.broadcast_to(x, (2, 3)), x * np.ones((1, 3, 3))), (b, b[:2])),
    "pieces": (gw.grad(lambda x: np.sum(np.concatenate([x[1:], x[:1] * 2, x[::2]], axis=0) ** 3)), (X,)),
    "scatter": (gw.grad(lambda x: np.sum(x[np.array([[0, 1], [1, 1]])] ** 2)), (b,)),
    "integers": (lambda n: (n // 3, n % 3, -n, n & 1, n.sum(), n.prod(axis=0), n > 2), (np.arange(8).reshape(2, 4),)),
    "small integers": (lambda n: (n.sum(), n + n, n.max()), (np.arange(8, dtype=np.int8),)),
    "booleans": (lambda p, q: (p & q, p | ~q, p ^ q, np.any(p), np.all(q, axis=0)), (X > 0, X < 0.5)),
    "constants": (lambda x: x + np.array([1.0, np.inf, -np.inf]), (b,)),
    "a large constant": (lambda x: x @ LARGE, (X[:, :3],)),
    "precedence": (lambda x: (x - (x - 1), x / (x / 3), -(x**2), (-x) ** 2, (x > 0) == (x < 1), 2 - (x + x)), (b,)),
    "gates of Python": (gw.grad(lambda x: np.sum(np.linalg.inv(x) * x)), (np.eye(3) * 2 + 0.1,)),
    "keyword names": (lambda np_, sum: np_ * sum, (2.0, 3.0)),
    "results": (lambda x: {"b": x, "a": [x * 2, (x,)]}, (b,)),
    "no argument at all in it": (lambda x: (np.ones(3), 2.0, x), (b,)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_text_gives_the_same_results(name):
    f, args = FUNCTIONS[name]
    assert_source_agrees(f, *args)


def samples():
    return [
        pytest.param(gate, sample, id=f"{name}-{number}")
        for name, gate in sorted(REGISTRY.items())
        for number, sample in enumerate(gate.samples)
    ]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("gate", "sample"), samples())
def test_every_gate(gate, sample):
    instance, inputs = gate(**dict(sample.static)), sample.make()
    places = [i for i, value in enumerate(inputs) if isinstance(value, np.ndarray | np.generic)]
    wanted = [i for i in places if inputs[i].dtype.kind in "fc"]

    def forward(*chosen):
        full = list(inputs)
        for place, array in zip(wanted, chosen, strict=True):
            full[place] = array
        return apply(instance, *full)

    def backward(*chosen):
        value, pull = gw.vjp(forward, *chosen)
        return value, pull(np.cos(np.arange(value.size)).reshape(value.shape).astype(value.dtype)[()])

    f = backward if gate.differentiable and wanted else forward
    arrays = [inputs[i] for i in wanted]
    compiled = gw.compile(f)
    try:
        expected = f(*arrays)
        compiled(*arrays)
    except gw.errors.GatewiseError:
        pytest.skip("its results' shapes depend on values")
    source = compiled.source(*arrays)
    try:
        found = run(source, f.__name__, *arrays)
    except ArithmeticError:
        report = compiled.report(*arrays)
        assert report.fallbacks + report.careful_calls
        return
    assert_same(found, expected)


# --------------------------------------------------------------------------------------------------------- what it says


def test_statements_bear_the_users_names():
    source = gw.compile(gw.value_and_grad(softmax_loss, argnums=(0, 1))).source(W, b, X, y)
    lines = source.splitlines()
    assert "    scores = X @ W + b" in lines
    assert "    dW = X.T @ dscores" in lines
    number = inspect.getsourcelines(softmax_loss)[1] + 1
    assert f"    # line {number}: scores = X @ W + b" in lines
    assert f"    # backprop through line {number}: scores = X @ W + b" in lines
    forward = next(i for i, line in enumerate(lines) if "# forward pass" in line)
    backward = next(i for i, line in enumerate(lines) if "# backward pass" in line)
    assert forward < lines.index("    scores = X @ W + b") < backward < lines.index("    dW = X.T @ dscores")
    assert lines[-1].endswith("(dW, db))")


def test_a_gradient_that_is_an_argument_has_a_name_too():
    source = gw.compile(gw.grad(circuit, argnums=(0, 1, 2))).source(-2.0, 5.0, -4.0)
    assert "    dq = z\n    dx = dq\n    dy = dq\n    dz = q\n" in source
    assert "return (dx, dy, dz)" in source


def test_most_programs_need_numpy_alone():
    f, args = FUNCTIONS["scan"]
    source = gw.compile(f).source(*args)
    assert source.given == {}
    assert [line for line in source.splitlines() if line.startswith(("import", "from"))] == ["import numpy as np"]


def test_what_else_is_needed_is_given_and_told():
    f, args = FUNCTIONS["gates of Python"]
    source = gw.compile(f).source(*args)
    assert list(source.given) == ["inv"]
    assert "#   inv: the gate inv, which Python runs" in source
    large, (x,) = FUNCTIONS["a large constant"]
    assert [value.shape for value in gw.compile(large).source(x).given.values()] == [(3, 100)]


def test_captured_arrays_stay_as_they_were():
    table = np.arange(1000.0)
    compiled = gw.compile(lambda x: x + table)
    before = compiled(np.ones(1000))
    table[:] = 0
    np.testing.assert_array_equal(compiled(np.ones(1000)), before)
    np.testing.assert_array_equal(run(compiled.source(), "function", np.ones(1000)), before)


def test_an_assumption_that_does_not_hold_is_an_error():
    def masked(x):
        return np.sum(np.where(x > 0, np.log(x), 0))

    source = gw.compile(gw.grad(masked)).source(np.array([1.0, 2.0]))
    with pytest.raises(ArithmeticError, match="assumption"):
        run(source, "masked", np.array([0.0, 2.0]))


def test_without_arguments_it_is_the_program_compiled_last():
    compiled = gw.compile(circuit)
    with pytest.raises(gw.errors.InputError, match=r"circuit\(\) has not been compiled yet"):
        compiled.source()
    compiled(1.0, 2.0, 3.0)
    compiled(np.ones(3), 2.0, 3.0)
    assert compiled.source() == compiled.source(np.ones(3), 2.0, 3.0) != compiled.source(1.0, 2.0, 3.0)


def test_llvm_and_machine_code_are_text():
    compiled = gw.compile(circuit)
    assert "define" in compiled.llvm(1.0, 2.0, 3.0)
    assert "fmul" in compiled.llvm()
    assert "program" in compiled.assembly()
