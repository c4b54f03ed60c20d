"""The graph as data: how deep it may be, what it keeps alive, what is computed, and where its nodes come from."""

# ruff: noqa: RET504  (the names that results are given are what is tested)
from __future__ import annotations

import gc
import operator
import re
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier

import numpy as np
import pytest
import scipy.special

import gatewise as gw
from gatewise.gate import REGISTRY, Elementwise
from gatewise.gates import load
from gatewise.gates.conversion import INPUT
from gatewise.graph import Leaf, Spec, apply
from gatewise.source import resolve

X = np.array([0.5, -1.0, 2.0])


@contextmanager
def no_collector():
    """Without the cyclic garbage collector: what is freed here was freed by reference counts alone."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


# ---------------------------------------------------------------------------------------------------------------- depth


def chain(length):
    def f(x):
        for _ in range(length // 2):
            x = x * 1.0000001
            x = x + 1e-9
        return x

    return f


def test_a_chain_of_a_hundred_thousand_gates_runs_back_and_is_freed():
    with no_collector():
        gradient = gw.grad(chain(100_000))(1.0)
        assert gradient == pytest.approx(1.0000001**50_000, rel=1e-12)
        assert gc.collect() == 0


def test_a_chain_held_by_its_end_is_freed_without_recursion():
    y = chain(100_000)(gw.variable(1.0))
    y.backward()
    del y


def test_second_derivative_through_a_long_chain():
    f = chain(10_000)
    assert gw.hvp(lambda x: f(x) ** 2, 1.0, 1.0) == pytest.approx(2 * 1.0000001**10_000, rel=1e-12)


MILLION = """
import tracemalloc
import gatewise as gw
x = y = gw.variable(1.0)
tracemalloc.start()
for _ in range(100_000):
    y = y * 1.0000001
print(tracemalloc.get_traced_memory()[0] / 100_000)
tracemalloc.stop()
for _ in range(900_000):
    y = y * 1.0000001
y.backward()
print(float(x.grad))
"""


def test_a_million_gates_run_back_and_take_at_most_400_bytes_each():
    done = subprocess.run([sys.executable, "-c", MILLION], capture_output=True, text=True, check=True)
    bytes_each, gradient = map(float, done.stdout.split())
    assert bytes_each - 32 <= 400  # the values, NumPy scalars, take 32 bytes each
    assert gradient == pytest.approx(1.0000001**1_000_000, rel=1e-9)


# --------------------------------------------------------------------------------------------------------------- memory


def network(x):
    h = np.tanh(x @ np.ones((3, 4)))
    h[0] *= 2.0
    return np.sum(np.concatenate([h, np.exp(x)])) + np.max(x) * np.einsum("i,i->", x, x)


@pytest.mark.parametrize(
    "transform",
    [
        gw.grad(network),
        gw.hessian(network),
        gw.jacobian(lambda x: np.exp(x)),
        lambda x: gw.hvp(network, x, x),
        lambda x: gw.jvp(network, (x,), (x,)),
        lambda x: gw.vjp(network, x)[1](1.0),
        lambda x: network(gw.variable(x)).backward(),
        lambda x: gw.trace(network, x),
        lambda x: gw.grad(lambda p: np.sum(p["a"][0]))({"a": [x, x]}),
        gw.grad(lambda x: np.sum(np.where(x > 0.5, np.log(x - 0.5), 0.0))),
    ],
    ids=["grad", "hessian", "jacobian", "hvp", "jvp", "vjp", "backward", "trace", "structure", "strong zero"],
)
def test_there_are_no_reference_cycles(transform):
    with np.errstate(all="ignore"), no_collector():
        transform(X)
        gc.collect()
        for _ in range(5):
            transform(X)
        assert gc.collect() == 0


def test_memory_is_flat_over_many_gradients():
    import tracemalloc

    large = np.ones(100_000)
    gradient = gw.grad(lambda x: np.sum(np.exp(x) * x))
    with no_collector():
        gradient(large)
        tracemalloc.start()
        for _ in range(20):
            gradient(large)
        left, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert left < 50_000
    assert peak < 12 * large.nbytes


#: One function of each family of gates, cheap enough to be differentiated often.
OF_EACH_FAMILY = {
    "arithmetic": lambda x: x * x / (x + 4.0),
    "exponential": lambda x: np.exp(x) + gw.sigmoid(x),
    "trigonometric": lambda x: np.sin(np.arctan2(x, 2.0)),
    "selection": lambda x: np.where(x > 0, np.maximum(x, 1.0), np.clip(x, -0.5, 0.5)),
    "reduction": lambda x: np.max(x) * np.mean(x) + np.prod(x),
    "contraction": lambda x: np.einsum("i,i->", x, x) + x @ x,
    "movement": lambda x: np.concatenate([x.reshape(3, 1).T[0], x[::-1]]),
    "indexing": lambda x: x[[0, 2, 0]] * x[1:2],
    "writing": lambda x: gw.setitem(x, 0, x[1]),
    "arrangement": lambda x: np.tril(np.outer(x, x)),
    "cumulative": lambda x: np.cumsum(x) * np.cumprod(x),
    "ordering": lambda x: np.sort(x) * np.interp(x, [0.0, 1.0], [2.0, 5.0]),
    "statistics": lambda x: np.median(x) * np.std(x),
    "products": lambda x: np.kron(x, x),
    "norms": np.linalg.norm,
    "linalg": lambda x: np.linalg.solve(np.eye(3) * 4 + x[:, None] * x, x),
    "fourier": lambda x: np.abs(np.fft.rfft(x)),
    "convolution": lambda x: np.convolve(x, x),
    "smooth": lambda x: gw.softmax(x) * np.sinc(x),
    "special": lambda x: scipy.special.erf(x) * scipy.special.xlogy(2.0, x * x),
    "tabulated": lambda x: scipy.special.expit(x) + scipy.special.j0(x),
    "strong zero": lambda x: np.where(x > 0.5, np.log(x - 0.5), 0.0),
}


@pytest.mark.parametrize("f", OF_EACH_FAMILY.values(), ids=OF_EACH_FAMILY)
def test_memory_is_flat_over_many_gradients_of_each_family(f):
    gradient = gw.grad(lambda x: np.sum(f(x)))
    number = 1000
    with np.errstate(all="ignore"), no_collector():
        for _ in range(number):  # the interpreter specialises code that runs often, and NumPy keeps some buffers, once
            gradient(X)
        gc.collect()  # here and below it empties the interpreter's lists of freed objects too
        before = sys.getallocatedblocks()
        for _ in range(number):
            gradient(X)
        assert gc.collect() == 0
        left = sys.getallocatedblocks() - before
    assert left < number / 4  # one object left behind by each call would make it `number`


def value_of(array):
    return weakref.ref(array.value)


def test_a_branch_that_nobody_keeps_is_freed_at_once():
    with no_collector():
        x = gw.variable(X)
        dead = np.exp(x * 2.0)
        freed = value_of(dead)
        alive = x + 1.0
        del dead
        assert freed() is None
        np.sum(alive).backward()


@pytest.mark.parametrize(
    ("unread", "use"),
    [
        ("add", lambda y: y + 1.0),
        ("subtract", lambda y: 1.0 - y),
        ("negative", lambda y: -y),
        ("sum", np.sum),
        ("mean", lambda y: y.mean()),
        ("reshape", lambda y: np.exp(y + 0.0)),
        ("times a constant", lambda y: y * 2.0),
        ("concat", lambda y: np.concatenate([y, y])),
        ("getitem", lambda y: y[::-1] + y[[0, 1, 0]]),
        ("exp, which reads its output", np.exp),
        ("divided by a constant", lambda y: y / 2.0),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_a_value_that_no_local_gradient_reads_is_not_kept(unread, use):
    with no_collector():
        x = gw.variable(X)
        y = x + 0.5
        freed = value_of(y)
        z = use(y)
        del y
        assert freed() is None
        np.sum(z).backward()
        assert x.grad is not None


def test_a_value_that_a_local_gradient_reads_is_kept():
    x = gw.variable(X)
    y = x + 0.5
    kept = value_of(y)
    z = y * y
    del y
    assert kept() is not None
    del z
    assert kept() is None


def test_comparisons_keep_nothing():
    with no_collector():
        x = gw.variable(X)
        y = x * 2.0
        freed = value_of(y)
        mask = y > 0
        del y
        assert freed() is None
        assert mask.node.leaf == 0


# ----------------------------------------------------------------------------------------------- only what is asked for


@pytest.fixture
def counted():
    """A gate that counts how often each of its local gradients is asked for; not in the registry."""
    calls = {"x": 0, "y": 0}

    class Counted(Elementwise):
        """x * y, counting"""

        name = "counted for a test"

        def forward(self, xp, x, y):
            return x * y

        def local_x(self, g, y):
            calls["x"] += 1
            return g * y

        def local_y(self, g, x):
            calls["y"] += 1
            return g * x

    REGISTRY.pop(Counted.name)
    return Counted(), calls


@pytest.mark.parametrize(("argnums", "expected"), [(0, (1, 0)), (1, (0, 1)), ((0, 1), (1, 1))])
def test_a_wire_nobody_asked_for_is_never_computed(counted, argnums, expected):
    gate, calls = counted
    gw.grad(lambda x, y: apply(gate, x, y) * 2.0, argnums)(3.0, 5.0)
    assert (calls["x"], calls["y"]) == expected


def test_a_branch_that_leads_to_no_wanted_leaf_is_never_visited(counted):
    gate, calls = counted
    gw.grad(lambda x, y: x * 2.0 + apply(gate, y, y), 0)(3.0, 5.0)
    gw.grad(lambda x: x * apply(gate, gw.stop_gradient(x), 2.0))(3.0)
    gw.grad(lambda x: x + 0.0 * (apply(gate, x, 2.0) > 1))(3.0)
    assert calls == {"x": 0, "y": 0}


def test_each_local_gradient_is_asked_for_once_however_often_its_output_is_used(counted):
    gate, calls = counted

    def f(x):
        y = apply(gate, x, 2.0)
        return y * y + np.sin(y) + y

    gw.grad(f)(3.0)
    assert calls == {"x": 1, "y": 0}


def test_the_function_runs_once_per_gradient():
    runs = []
    gw.value_and_grad(lambda x: runs.append(1) or np.sum(x))(X)
    gw.jacobian(lambda x: runs.append(1) or np.exp(x))(X)
    assert len(runs) == 2


def test_a_gate_defined_in_a_test_prints_and_infers(counted):
    gate, _ = counted
    assert repr(gate) == "Counted()"
    assert gate.infer(Spec.of(X), Spec.of(np.float32(1.0))) == Spec.of(X)
    assert gate.wires == ("x", "y")
    assert type(gate).reads == ("x", "y")


# ------------------------------------------------------------------------------------------------------ forks and reuse

REUSE = {
    "product with itself": (lambda x: np.sum(x * x), 2 * X),
    "dot with itself": (lambda x: x @ x, 2 * X),
    "sum with itself": (lambda x: np.sum(x + x), 2 * np.ones(3)),
    "difference from itself": (lambda x: np.sum(x - x), np.zeros(3)),
    "quotient by itself": (lambda x: np.sum(x / x), np.zeros(3)),
    "maximum with itself": (lambda x: np.sum(np.maximum(x, x)), np.ones(3)),
    "concat with itself": (lambda x: np.sum(np.concatenate([x, x, x])), 3 * np.ones(3)),
    "einsum with itself": (lambda x: np.einsum("i,i,i->", x, x, x), 3 * X**2),
    "where of itself": (lambda x: np.sum(np.where(x > 0, x, x)), np.ones(3)),
    "three uses": (lambda x: np.sum(x * 2 + np.exp(x) + x[::-1] * 3), 5 + np.exp(X)),
    "broadcast against itself": (lambda x: np.sum(x[:, None] * x), 2 * np.sum(X) * np.ones(3)),
    "written over itself": (lambda x: np.sum(gw.setitem(x, 0, x[1])), np.array([0.0, 2.0, 1.0])),
}


@pytest.mark.parametrize(("f", "expected"), REUSE.values(), ids=REUSE)
def test_gradients_add_where_a_value_is_used_again(f, expected):
    np.testing.assert_allclose(gw.grad(f)(X), expected, rtol=1e-14, atol=1e-15)


def test_a_diamond_ladder_is_swept_once_per_gate():
    def f(x):
        for _ in range(60):  # 2^60 paths
            x = x + x
        return x

    assert gw.grad(f)(1.0) == 2.0**60


def test_one_leaf_given_twice():
    by_x, by_y = gw.grad(lambda x, y: x * y, argnums=(0, 1))(*[np.float64(3.0)] * 2)
    assert (by_x, by_y) == (3.0, 3.0)
    assert gw.grad(lambda x: gw.grad(lambda a, b: a * b * b, argnums=0)(x, x))(3.0) == 6.0


# ------------------------------------------------------------------------------------------------------- the two makers

#: The methods that `operator_method` writes out for speed, which must leave what `apply` leaves.
WRITTEN_OUT = {name: method for name, method in vars(gw.Array).items() if hasattr(method, "reflected")}
OTHERS = {
    "number": 2.0,
    "NumPy scalar": np.float64(2.0),
    "float32 scalar": np.float32(2.0),
    "array": X + 3.0,
    "matrix": np.ones((2, 1)),
    "float32 array": X.astype("float32"),
    "integers": np.array([1, 2, 3]),
    "list": [1.0, 2.0, 3.0],
    "large array": np.ones((3000, 3)),
}


def applied(method, x, other):
    """What `apply` makes of the operands, called from a function as it is everywhere."""
    return apply(method.gate, *((other, x) if method.reflected else (x, other)))


def operands_for(method, other):
    numbers = X > 0 if "bitwise" in method.gate.name else X  # those compute with booleans
    x = gw.Array.of(Leaf(INPUT, numbers), numbers)
    if other is None:
        return x, gw.Array.of(Leaf(INPUT, numbers), numbers)
    if "bitwise" in method.gate.name and type(other) is not object:
        other = np.asarray(other) > 1 if np.shape(other) else True
    return x, other


@pytest.mark.parametrize(
    ("name", "other"),
    [
        pytest.param(name, other, id=f"{name}-{kind}")
        for name, method in WRITTEN_OUT.items()
        for kind, other in {**OTHERS, **({} if method.reflected else {"traced": None})}.items()
    ],
)
def test_an_operator_makes_the_node_that_apply_makes(name, other):
    method = WRITTEN_OUT[name]
    x, other = operands_for(method, other)
    try:
        wanted = applied(method, x, other)
    except gw.ShapeError as refused:  # only the matrix product asks for more than broadcasting
        with pytest.raises(gw.ShapeError, match=re.escape(refused.reason)):
            method(x, other)
        return
    found = method(x, other)
    assert type(found) is type(wanted)
    assert_alike(found.value, wanted.value)
    for field in ("gate", "shape", "dtype", "leaf"):
        assert getattr(found.node, field) == getattr(wanted.node, field), field
    assert len(found.node.inputs) == len(wanted.node.inputs) == 2
    assert all(map(operator.is_, found.node.inputs, wanted.node.inputs))
    for field in ("constants", "saved"):
        left, right = getattr(found.node, field), getattr(wanted.node, field)
        assert (left is None) == (right is None)
        for one, two in zip(left or (), right or (), strict=True):
            assert_alike(one, two)
    assert (found.node.where.file, wanted.node.where.file) == (__file__, __file__)
    assert found.node.where.text == "found = method(x, other)"
    assert wanted.node.where.text == "wanted = applied(method, x, other)"


def assert_alike(one, two):
    assert type(one) is type(two)
    np.testing.assert_array_equal(one, two)
    assert getattr(one, "dtype", None) == getattr(two, "dtype", None)


@pytest.mark.parametrize(
    "other", [np.ones(4), "text", object(), np.array([None] * 3)], ids=["shape", "str", "object", "objects"]
)
@pytest.mark.parametrize("name", ["__add__", "__rsub__", "__mul__", "__truediv__", "__pow__"])
def test_an_operator_refuses_what_apply_refuses(name, other):
    method = WRITTEN_OUT[name]
    x = gw.variable(X)
    with pytest.raises((gw.CodeError, TypeError)) as wanted:
        applied(method, x, other)
    if type(other) is object:  # Python asks the other side, and says itself that neither can
        assert method(x, other) is NotImplemented
        return
    with pytest.raises(type(wanted.value)) as found:
        method(x, other)
    assert found.value.reason == wanted.value.reason


# -------------------------------------------------------------------------------------------------------------- threads


def test_eight_threads_at_once_give_the_bits_of_one():
    def work(seed):
        x = np.random.default_rng(seed).standard_normal((6, 6))
        f = lambda x: np.sum(np.tanh(x @ x) * np.where(x > 0, x, np.exp(x)))  # noqa: E731
        parts = [gw.grad(f)(x), gw.hvp(f, x, x), gw.grad(lambda p: f(p["a"]) + p["b"][0])({"a": x, "b": [1.0]})["a"]]
        variable = gw.variable(x)
        f(variable).backward()
        parts += [variable.grad, gw.trace(f, x).entries[0].gradient]
        return b"".join(np.asarray(part).tobytes() for part in parts)

    expected = [work(seed) for seed in range(40)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(40))) == expected


def of_the_catalogue(gate, sample):
    """The bits of a gate's value, gradients, pushed tangents and second derivatives at a sample of its own."""
    instance, inputs = gate(**dict(sample.static)), sample.make()
    places = [
        place
        for place, value in enumerate(inputs)
        if gate.rules and isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fc" and gate.rules[place]
    ]

    def f(*moved):
        full = list(inputs)
        for place, value in zip(places, moved, strict=True):
            full[place] = value
        return apply(instance, *full)

    start = [inputs[place] for place in places]
    parts = [f(*start)]
    if places and np.asarray(parts[0]).dtype.kind in "fc":
        loss = lambda *moved: gw.sum(gw.sin(gw.real(f(*moved))))  # noqa: E731
        gradient = gw.grad(loss, argnums=tuple(range(len(places))))
        parts += [*gradient(*start), gw.jvp(f, start, start)[1], *gw.jvp(lambda *m: gradient(*m), start, start)[1]]
    return b"".join(np.asarray(part).tobytes() for part in parts)


def test_eight_threads_at_once_give_the_bits_of_one_over_the_whole_catalogue():
    load()
    cases = [(gate, sample) for _, gate in sorted(REGISTRY.items()) for sample in gate.samples[:2]]
    number = 8
    start = Barrier(number)

    def work(thread):
        start.wait()
        order = np.roll(np.arange(len(cases)), thread * len(cases) // number)
        return {case: of_the_catalogue(*cases[case]) for case in order}

    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # so that threads meet in the middle of everything
    try:
        with ThreadPoolExecutor(number) as pool:
            found = list(pool.map(work, range(number)))
    finally:
        sys.setswitchinterval(switching)
    assert len(cases) > 200
    for number, case in enumerate(cases):
        expected = of_the_catalogue(*case)
        assert all(of_thread[number] == expected for of_thread in found), case


# ---------------------------------------------------------------------------------------------------------------- where


def lines_of_gates(f, *args):
    return {entry.gate.name: entry.where for entry in gw.trace(f, *args) if not entry.is_input}


def test_a_node_knows_file_line_expression_and_target():
    def f(x, y):
        q = x * y  # the first
        return np.exp(q) + q

    where = lines_of_gates(f, 2.0, 3.0)
    first = f.__code__.co_firstlineno
    assert str(where["multiply"]) == f"{__file__}:{first + 1}"
    assert (where["multiply"].expression, where["multiply"].target) == ("x * y", "q")
    assert (where["exp"].expression, where["exp"].target, where["exp"].line) == ("np.exp(q)", None, first + 2)
    assert where["add"].expression == "np.exp(q) + q"


def targets(f):
    return [entry.name for entry in gw.trace(f, 0.5)]


def test_a_gatewise_functions_result_takes_the_variables_name():
    def f(x):
        squashed = gw.sigmoid(x)
        scaled = np.exp(squashed)
        shaped = scaled.reshape(1)
        total = np.sum(shaped)
        return total

    assert targets(f) == ["x", "squashed", "scaled", "shaped", "total"]


def test_augmented_assignment_and_loops_keep_the_line_and_the_name():
    def f(x):
        total = 0.0
        for factor in (2.0, 3.0):
            total += x * factor
        return total

    entries = gw.trace(f, 1.0).entries
    assert [entry.name for entry in entries] == ["x", None, "total", None, "total"]
    assert {entry.where.line for entry in entries[1:]} == {f.__code__.co_firstlineno + 3}


def test_an_expression_over_several_lines_has_a_line():
    def f(x):
        return (
            x * 2.0
            + np.exp(x)
        )  # fmt: skip

    where = lines_of_gates(f, 1.0)
    first = f.__code__.co_firstlineno
    assert where["multiply"].line == first + 2
    assert where["exp"].line == first + 3


def test_letters_beyond_ascii_do_not_shift_the_expression():
    def f(x):
        größe = x * 2.0; höhe = np.exp(größe)  # noqa: E702  # fmt: skip
        return höhe

    where = lines_of_gates(f, 1.0)
    assert where["multiply"].expression == "x * 2.0"
    assert (where["exp"].expression, where["exp"].target) == ("np.exp(größe)", "höhe")


def test_code_without_a_file_still_has_a_line():
    space = {}
    exec("def f(x):\n    return x * x", space)
    where = lines_of_gates(space["f"], 2.0)["multiply"]
    assert (where.file, where.line, where.text) == ("<string>", 2, None)


def test_nothing_known_is_none():
    assert resolve(None, 0) is None


def test_the_order_of_nodes_is_topological():
    for entry in gw.trace(network, X):
        assert all(source is None or source < entry.index for source in entry.operands)
