"""Loops and branches: held to loops of Python, finite differences, JAX where it is there, and their promises."""

import re
import tracemalloc
from dataclasses import dataclass
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import gatewise as gw
from gatewise.graph import Spec
from gatewise.loops import Branch, Scan, While
from gatewise.symbolic import written

FLOAT = np.dtype(float)


def unrolled(f: Any, init: Any, xs: Any, length: int | None = None, reverse: bool = False) -> Any:
    """What `scan` means for arrays, as a loop of Python."""
    steps = list(range(len(xs) if xs is not None else length or 0))
    carry, ys = init, {}
    for t in reversed(steps) if reverse else steps:
        carry, ys[t] = f(carry, None if xs is None else xs[t])
    return carry, None if not ys or ys[0] is None else gw.stack([ys[t] for t in steps])


def rnn(W: Any, h0: Any, xs: Any, scan: Any = gw.scan, **options: Any) -> Any:
    h, ys = scan(lambda h, x: (np.tanh(W @ h + x), h * x), h0, xs, **options)
    return np.sum(h) + np.sum(ys**2)


@pytest.fixture
def parameters() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((3, 3)) / 2, rng.standard_normal(3), rng.standard_normal((6, 3))


@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_equal_those_of_the_unrolled_loop(parameters, reverse) -> None:
    ours, theirs = (
        gw.value_and_grad(lambda *p, s=s: rnn(*p, scan=s, reverse=reverse), (0, 1, 2))(*parameters)
        for s in (gw.scan, unrolled)
    )
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-13)
    for one, other in zip(ours[1], theirs[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)


def test_derivatives_of_second_and_third_order(parameters) -> None:
    W, h0, xs = parameters
    for argument in range(3):

        def at(scan, x, argument=argument):
            return rnn(*[x if i == argument else p for i, p in enumerate(parameters)], scan=scan)

        v = np.cos(np.arange(parameters[argument].size)).reshape(parameters[argument].shape)
        one, other = (gw.hvp(lambda x, s=s: at(s, x), parameters[argument], v) for s in (gw.scan, unrolled))
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)
    one, other = (gw.hessian(lambda h, s=s: rnn(W, h, xs, scan=s))(h0) for s in (gw.scan, unrolled))
    np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)

    def third(scan):
        squared = gw.grad(lambda h: np.sum(gw.grad(lambda h: rnn(W, h, xs, scan=scan))(h) ** 2))
        return gw.grad(lambda h: np.sum(squared(h) ** 2))(h0)

    np.testing.assert_allclose(third(gw.scan), third(unrolled), rtol=1e-9)


def test_against_finite_differences(parameters) -> None:
    assert gw.check_grads(rnn, parameters, order=2).passed


def test_forward_mode(parameters) -> None:
    W, h0, xs = parameters
    tangents = (np.cos(W), np.sin(h0), np.cos(xs))
    one, other = (gw.jvp(lambda *p, s=s: rnn(*p, scan=s), parameters, tangents) for s in (gw.scan, unrolled))
    np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize("axes", [(0, None, None), (None, 0, None), (None, None, 1), (0, 0, 1)])
def test_vmap_over_a_scan(parameters, axes) -> None:
    stacked = [
        p if axis is None else np.stack([p, 2 * p, np.cos(p)], axis) for p, axis in zip(parameters, axes, strict=True)
    ]
    ours = gw.vmap(gw.grad(rnn, (0, 1, 2)), in_axes=axes)(*stacked)
    for i in range(3):
        example = [p if axis is None else np.take(p, i, axis) for p, axis in zip(stacked, axes, strict=True)]
        for found, expected in zip(ours, gw.grad(lambda *p: rnn(*p, scan=unrolled), (0, 1, 2))(*example), strict=True):
            np.testing.assert_allclose(found[i], expected, rtol=1e-11, atol=1e-12)
    outer = gw.grad(lambda *p: np.sum(gw.vmap(rnn, in_axes=axes)(*p)), (0, 1, 2))(*stacked)
    for found, each, axis in zip(outer, ours, axes, strict=True):
        expected = np.sum(each, 0) if axis is None else np.moveaxis(each, 0, axis)
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


def test_nested_maps_over_a_scan_with_a_gradient_inside() -> None:
    def f(a, b):
        return gw.scan(lambda c, x: (np.sin(a * c) * b + x, None), 0.3, np.arange(3.0))[0]

    A, B = np.array([0.5, 1.0]), np.array([0.2, 0.3, 0.4])
    found = gw.vmap(lambda a: gw.vmap(lambda b: gw.grad(f)(a, b))(B))(A)
    np.testing.assert_allclose(found, [[gw.grad(f)(a, b) for b in B] for a in A], rtol=1e-12)


def test_a_map_over_a_scan_is_one_loop_for_all_examples(parameters) -> None:
    W, _, xs = parameters
    calls = []

    def step(h, x):
        calls.append(1)
        return np.tanh(W @ h + x), None

    many = np.ones((50, 3))
    found = gw.vmap(lambda h: gw.scan(step, h, xs)[0])(many)
    assert len(calls) == 1
    np.testing.assert_allclose(found[7], unrolled(step, many[7], xs)[0], rtol=1e-13)


def test_a_scan_with_a_vmap_inside(parameters) -> None:
    W, _, xs = parameters
    H = np.ones((4, 3))

    def f(W, scan):
        return np.sum(scan(lambda H, x: (gw.vmap(lambda h: np.tanh(W @ h + x))(H), None), H, xs)[0])

    np.testing.assert_allclose(gw.grad(f)(W, gw.scan), gw.grad(f)(W, unrolled), rtol=1e-12)


@dataclass
class State:
    position: Any
    momentum: Any


def test_nested_carries_with_integers_and_several_dtypes() -> None:
    big = 2**62 + 12345

    def step(carry, x):
        state, counts = carry["state"], carry["counts"]
        momentum = state.momentum - np.float32(0.1) * np.cos(state.position) * x["force"]
        new = State(state.position + momentum, momentum)
        counts = (counts[0] + 1, counts[1] - 3, ~counts[2])
        return {"state": new, "counts": counts}, {"energy": np.sum(momentum**2), "count": counts[0], "on": counts[2]}

    force = np.linspace(0, 1, 5).astype("float32")

    def run(position):
        init = {
            "state": State(position, np.ones(2, "float32")),
            "counts": (np.int64(big), np.int64(-big), np.bool_(True)),
        }
        carry, ys = gw.scan(step, init, {"force": force})
        return np.sum(carry["state"].position) + np.sum(ys["energy"]), (carry, ys)

    (_, (carry, ys)), gradient = gw.value_and_grad(run, has_aux=True)(np.array([0.1, 0.2], "float32"))
    assert isinstance(carry["state"], State)
    assert carry["counts"][0] == big + 5
    assert carry["counts"][1] == -big - 15
    assert carry["counts"][0].dtype == np.int64
    assert not carry["counts"][2]
    assert ys["count"].tolist() == [big + 1 + i for i in range(5)]
    assert ys["on"].tolist() == [False, True, False, True, False]
    assert gradient.dtype == carry["state"].position.dtype == np.float32

    def by_hand(position):
        momentum, energy = np.ones(2, "float32"), 0
        for f in force:
            momentum = momentum - np.float32(0.1) * np.cos(position) * f
            position = position + momentum
            energy = energy + np.sum(momentum**2)
        return np.sum(position) + energy

    np.testing.assert_allclose(gradient, gw.grad(by_hand)(np.array([0.1, 0.2], "float32")), rtol=1e-5)


def test_complex_carries() -> None:
    xs = np.array([0.3 + 1j, -0.5j, 1.0 - 0.2j])

    def f(z, scan):
        carry, ys = scan(lambda c, x: (c * x + np.exp(c), np.abs(c)), z, xs)
        return np.abs(carry) ** 2 + np.sum(ys)

    np.testing.assert_allclose(gw.grad(f)(0.2 + 0.1j, gw.scan), gw.grad(f)(0.2 + 0.1j, unrolled), rtol=1e-12)
    ours, theirs = (gw.jvp(lambda z, s=s: f(z, s), (0.2 + 0.1j,), (1.0 - 2j,))[1] for s in (gw.scan, unrolled))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_a_counter_that_indexes() -> None:
    def f(x, scan):
        def step(carry, _):
            i, total = carry
            return (i + 1, total + x[i] * i), x[i]

        (_, total), ys = scan(step, (0, 0.0), None, 4)
        return total + np.sum(np.sin(ys))

    x = np.array([1.0, 2.0, 3.0, 4.0])
    np.testing.assert_allclose(gw.grad(f)(x, gw.scan), np.arange(4) + np.cos(x), rtol=1e-13)
    many = np.stack([x, 2 * x])
    np.testing.assert_allclose(gw.vmap(gw.grad(lambda x: f(x, gw.scan)))(many), np.arange(4) + np.cos(many))


def test_nested_scans() -> None:
    A = np.random.default_rng(1).standard_normal((3, 4))

    def f(A, w, scan):
        def row(total, row):
            inner, ys = scan(lambda c, x: (np.sin(w * c + x), c), total, row)
            return inner + np.sum(ys), inner

        total, ys = scan(row, 0.3, A)
        return total * np.sum(ys)

    for argument in (0, 1):
        one, other = (gw.grad(f, argument)(A, 0.7, s) for s in (gw.scan, unrolled))
        np.testing.assert_allclose(one, other, rtol=1e-11)
    one, other = (gw.grad(gw.grad(f, 1), 1)(A, 0.7, s) for s in (gw.scan, unrolled))
    np.testing.assert_allclose(one, other, rtol=1e-10)


def test_transforms_and_checkpoint_inside_the_step() -> None:
    """Descent as a scan: the gradient of where it ends with respect to the learning rate and the target."""

    def end(rate, target, scan):
        loss = gw.checkpoint(lambda p, target: np.sum((np.tanh(p) - target) ** 2))
        return np.sum(scan(lambda p, _: (p - rate * gw.grad(loss)(p, target), None), np.zeros(2), None, 8)[0] ** 2)

    target = np.array([0.3, -0.4])
    for argument in (0, 1):
        one, other = (gw.grad(end, argument)(0.4, target, s) for s in (gw.scan, unrolled))
        np.testing.assert_allclose(one, other, rtol=1e-11)


def test_gradients_of_what_is_captured_inside_the_step() -> None:
    """Gradients gathered over batches, differentiated once more by the weights."""
    batches = np.random.default_rng(2).standard_normal((5, 3))

    def gathered(w, scan):
        def step(total, batch):
            return total + gw.grad(lambda w: np.sum(np.sin(w * batch)))(w), None

        return np.sum(scan(step, np.zeros(3), batches)[0] ** 2)

    w = np.array([0.5, -1.0, 2.0])
    assert gathered(w, gw.scan) == pytest.approx(gathered(w, unrolled))
    np.testing.assert_allclose(gw.grad(gathered)(w, gw.scan), gw.grad(gathered)(w, unrolled), rtol=1e-12)


def test_a_hessian_inside_the_step() -> None:
    """Newton's method for a minimum, ten steps; where it ends depends on the target, as the minimum does."""

    def minimum(target, scan):
        def step(p, _):
            loss = lambda p: np.sum((p - target) ** 2) + 0.1 * np.sum(p**4)  # noqa: E731
            return p - np.linalg.solve(gw.hessian(loss)(p), gw.grad(loss)(p)), None

        return scan(step, np.zeros(2), None, 10)[0]

    target = np.array([0.5, -1.0])
    p = minimum(target, gw.scan)
    np.testing.assert_allclose(2 * (p - target) + 0.4 * p**3, 0, atol=1e-12)
    slope = 2 / (2 + 1.2 * p**2)
    np.testing.assert_allclose(gw.jacobian(lambda t: minimum(t, gw.scan))(target), np.diag(slope), atol=1e-10)


def test_zero_steps() -> None:
    empty = np.zeros((0, 2))
    carry, ys = gw.scan(lambda c, x: (c * 2, c + x), np.array([1.0, 2.0]), empty)
    assert carry.tolist() == [1.0, 2.0]
    assert ys.shape == (0, 2)
    gradient = gw.grad(lambda c, w: np.sum(gw.scan(lambda c, x: (c * w, c), c, empty)[0] ** 2), (0, 1))
    found = gradient(np.array([1.0, 2.0]), 3.0)
    assert found[0].tolist() == [2.0, 4.0]
    assert found[1] == 0.0


def test_a_branch_not_taken_leaks_no_nan() -> None:
    def f(x, scan):
        def step(c, x):
            return c + np.where(x > 0, np.log(x), 0.0) + 0 * np.sqrt(c * 0), x * c

        carry, ys = scan(step, 1.0, x)
        return carry * 2 + np.sum(ys)

    x = np.array([0.5, 0.0, 2.0])
    with np.errstate(divide="ignore", invalid="ignore"):
        ours, theirs = (gw.grad(f)(x, s) for s in (gw.scan, unrolled))
    assert np.isfinite(ours).all()
    np.testing.assert_allclose(ours, theirs, rtol=1e-13)
    with np.errstate(divide="ignore", invalid="ignore"):
        ours, theirs = (gw.grad(lambda x, s=s: np.sum(gw.grad(f)(x, s) ** 2))(x) for s in (gw.scan, unrolled))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_a_sweep_inside_the_step_keeps_zeros_zero() -> None:
    slope = gw.grad(lambda x: np.where(x > 0, np.sqrt(x), 0.0))
    with np.errstate(divide="ignore"):
        found = gw.scan(lambda c, x: (c + slope(x), slope(x)), 0.0, np.array([0.0, 4.0, -1.0]))
    assert found[0] == 0.25
    assert found[1].tolist() == [0.0, 0.25, 0.0]


def test_python_numbers_take_the_dtype_they_become() -> None:
    total, ys = gw.scan(lambda c, x: (c + x, c), 0, np.ones(3, "float32"))
    assert total.dtype == ys.dtype == np.float32
    assert gw.scan(lambda c, x: (c + 1, None), 0, length=3)[0] == 3


def test_results_are_the_callers_own() -> None:
    xs = np.ones((3, 2))
    carry, _ = gw.scan(lambda c, x: (x, None), np.zeros(2), xs)
    carry[:] = 7
    assert xs.tolist() == [[1.0, 1.0]] * 3


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: gw.scan(lambda c, x: (c[None], None), np.ones(2), length=2), gw.ShapeError, r"float64\[2\].*\[1, 2\]"),
        (
            lambda: gw.scan(lambda c, x: ({"h": c["h"].astype("float32")}, None), {"h": np.ones(2)}, length=2),
            gw.DTypeError,
            r"carry\['h'\] goes in as float64\[2\] and comes out as float32\[2\]",
        ),
        (lambda: gw.scan(lambda c, x: ((c, c), None), np.ones(2), length=2), gw.ShapeError, "structure"),
        (lambda: gw.scan(lambda c, x: c, np.ones(2), length=2), gw.ShapeError, "pair"),
        (lambda: gw.scan(lambda c, x: (c, x), 0.0), gw.ShapeError, "length"),
        (lambda: gw.scan(lambda c, x: (c, x), 0.0, np.ones(2), 3), gw.ShapeError, "3 in length, 2 in xs"),
        (lambda: gw.scan(lambda c, x: (c, x), 0.0, (np.ones(2), np.ones(3))), gw.ShapeError, r"3 in xs\[1\]"),
        (lambda: gw.scan(lambda c, x: (c, x), 0.0, 1.0), gw.ShapeError, "first axis"),
        (lambda: gw.scan(lambda c, x: (c, x), 0.0, length=-1), gw.ShapeError, "-1"),
        (lambda: gw.scan(lambda c, x: (c if c > 0 else x, x), 0.0, np.ones(2)), gw.TracedValueError, r"gw\.where"),
        (lambda: gw.scan(lambda c, x: (c, x), "a", np.ones(2)), gw.DTypeError, "carry"),
        (lambda: gw.while_loop(lambda c: c, lambda c: c, 1.0), gw.DTypeError, "single boolean"),
        (lambda: gw.cond(np.ones(2) > 0, np.sin, np.cos, 1.0), gw.ShapeError, r"gw\.where"),
    ],
)
def test_errors_teach(call, kind, words) -> None:
    with pytest.raises(kind, match=re.compile(words, re.DOTALL)) as caught:
        call()
    assert "test_loops.py" in str(caught.value)


# ------------------------------------------------------------------------------------------------------ other loops


def test_fori_loop() -> None:
    power = gw.grad(lambda x: gw.fori_loop(2, 6, lambda i, y: y * x + i, 1.0))
    by_hand = gw.grad(lambda x: ((((x + 2) * x + 3) * x + 4) * x) + 5)
    assert power(1.5) == pytest.approx(by_hand(1.5))
    assert gw.fori_loop(3, 1, lambda i, y: y * 2, 1.0) == 1.0


def newton(a: Any) -> Any:
    return gw.while_loop(lambda x: abs(x * x - a) > 1e-14 * a, lambda x: (x + a / x) / 2, a)


def test_while_loop_and_its_derivatives() -> None:
    assert newton(2.0) == pytest.approx(2**0.5)
    assert gw.grad(newton)(2.0) == pytest.approx(0.5 * 2**-0.5)
    assert gw.grad(gw.grad(newton))(2.0) == pytest.approx(-0.25 * 2**-1.5)
    assert gw.jvp(newton, (2.0,), (3.0,))[1] == pytest.approx(1.5 * 2**-0.5)


def test_while_loop_for_examples_that_end_at_different_times() -> None:
    a = np.array([0.5, 2.0, 900.0])

    def collatz(n):
        return gw.while_loop(
            lambda s: s[0] != 1, lambda s: (np.where(s[0] % 2 == 0, s[0] // 2, 3 * s[0] + 1), s[1] + 1), (n, 0)
        )[1]

    assert gw.vmap(collatz)(np.array([1, 6, 27])).tolist() == [0, 8, 111]
    np.testing.assert_allclose(gw.vmap(newton)(a), np.sqrt(a))
    np.testing.assert_allclose(gw.vmap(gw.grad(newton))(a), 0.5 / np.sqrt(a))
    np.testing.assert_allclose(gw.vmap(gw.grad(gw.grad(newton)))(a), -0.25 * a**-1.5)
    np.testing.assert_allclose(gw.grad(lambda a: np.sum(gw.vmap(newton)(a)))(a), 0.5 / np.sqrt(a))


def test_while_loop_without_numbers_has_a_value_and_no_gradient() -> None:
    script = written(lambda a: [newton(a)], [Spec((), FLOAT)])
    assert sum(isinstance(symbol.gate, While) for symbol in script.symbols) == 1
    assert script.run([np.float64(9.0)])[0] == pytest.approx(3.0)
    assert gw.grad(lambda a: script.run([a])[0])(9.0) == pytest.approx(1 / 6)
    with pytest.raises(gw.UnsupportedError, match=r"gw\.scan"):
        written(lambda a: [gw.grad(newton)(a)], [Spec((), FLOAT)])


def test_cond_computes_only_the_branch_taken() -> None:
    called = []

    def one(x):
        called.append("one")
        return x**2

    def other(x):
        called.append("other")
        return 3 * x

    f = gw.grad(lambda x: gw.cond(x > 1, one, other, x))
    assert f(2.0) == 4.0
    assert f(0.5) == 3.0
    assert called == ["one", "other"]


def branching(x: Any, w: Any) -> Any:
    """A scan that branches on its carry, with a captured weight in one of the branches."""

    def step(c, x):
        c = gw.cond(c > 0, lambda c: (np.sin(c * w) - x, {"y": c * x}), lambda c: (c + 1.0, {"y": x}), c)
        return c[0], c[1]["y"]

    c, ys = gw.scan(step, 0.3, x)
    return c * np.sum(ys)


def branching_by_hand(x: Any, w: Any) -> Any:
    c, total = 0.3, 0.0
    for i in range(x.shape[0]):
        total = total + (c * x[i] if c > 0 else x[i])
        c = np.sin(c * w) - x[i] if c > 0 else c + 1.0
    return c * total


def test_cond_inside_a_scan() -> None:
    x = np.array([1.0, 0.2, 0.3, 2.0, -0.5])
    assert branching(x, 0.7) == pytest.approx(branching_by_hand(x, 0.7))
    for argument in (0, 1):
        np.testing.assert_allclose(
            gw.grad(branching, argument)(x, 0.7), gw.grad(branching_by_hand, argument)(x, 0.7), rtol=1e-12
        )
    second = [gw.grad(gw.grad(f, 1), 1)(x, 0.7) for f in (branching, branching_by_hand)]
    assert second[0] == pytest.approx(second[1])
    many = np.stack([x, -x, np.cos(x)])
    found = gw.vmap(gw.grad(branching), in_axes=(0, None))(many, 0.7)
    for row, each in zip(found, many, strict=True):
        np.testing.assert_allclose(row, gw.grad(branching_by_hand)(each, 0.7), rtol=1e-12, atol=1e-14)


def test_cond_without_numbers_is_one_gate() -> None:
    script = written(lambda x: [gw.cond(x[0] > 0, np.sum, np.prod, x)], [Spec((2,), FLOAT)])
    assert sum(isinstance(symbol.gate, Branch) for symbol in script.symbols) == 1
    assert script.run([np.array([2.0, 3.0])])[0] == 5.0
    assert script.run([np.array([-2.0, 3.0])])[0] == -6.0
    slopes = written(lambda x: [gw.grad(lambda x: gw.cond(x[0] > 0, np.sum, np.prod, x))(x)], [Spec((2,), FLOAT)])
    assert slopes.run([np.array([2.0, 3.0])])[0].tolist() == [1.0, 1.0]
    assert slopes.run([np.array([-2.0, 3.0])])[0].tolist() == [3.0, -2.0]
    with pytest.raises(gw.ShapeError, match="same structure"):
        written(lambda x: [gw.cond(x > 0, lambda x: x, lambda x: (x, x), x)], [Spec((), FLOAT)])


# --------------------------------------------------------------------------------------------- scripts and circuits


def test_written_down_a_scan_is_one_gate_and_so_is_its_gradient(parameters) -> None:
    W, h0, xs = parameters
    specs = [Spec(p.shape, FLOAT) for p in parameters]
    value = written(lambda *p: [rnn(*p)], specs)
    assert sum(isinstance(symbol.gate, Scan) for symbol in value.symbols) == 1
    assert value.run(parameters)[0] == pytest.approx(rnn(*parameters))
    script = written(lambda *p: list(gw.grad(rnn, (0, 1, 2))(*p)), specs)
    assert sum(isinstance(symbol.gate, Scan) for symbol in script.symbols) == 2
    for found, expected in zip(script.run(parameters), gw.grad(rnn, (0, 1, 2))(*parameters), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-13)
    replayed = gw.grad(lambda W: value.run([W, h0, xs])[0])(W)
    np.testing.assert_allclose(replayed, gw.grad(rnn)(*parameters), rtol=1e-13)
    mapped = written(lambda H: [gw.vmap(lambda h: rnn(W, h, xs))(H)], [Spec((4, 3), FLOAT)])
    assert sum(isinstance(symbol.gate, Scan) for symbol in mapped.symbols) == 1
    H = np.stack([h0, 2 * h0, 3 * h0, 4 * h0])
    np.testing.assert_allclose(mapped.run([H])[0], [rnn(W, h, xs) for h in H], rtol=1e-12)


def test_the_picture_shows_one_gate(parameters) -> None:
    circuit = gw.trace(rnn, *parameters)
    assert [entry.gate.name for entry in circuit].count("scan") == 1
    assert "(scan)" in circuit.text()
    assert "(while)" in gw.trace(newton, 2.0).text()
    assert all(entry.gate.story for entry in circuit)


def test_only_carries_that_are_read_again_are_kept() -> None:
    def kept(f: Any) -> Any:
        entries = gw.trace(f, np.ones(3)).entries
        return next(entry.gate.kept for entry in entries if entry.gate.name == "scan")

    linear = kept(lambda x: np.sum(gw.scan(lambda c, x: (c + x, None), np.zeros(3), x[None])[0]))
    assert linear == ()
    assert kept(
        lambda x: np.sum(gw.scan(lambda c, _: ((c[0] + c[1], np.sin(c[1])), None), (x, x), length=2)[0][0])
    ) == (1,)


def test_memory_holds_carries_and_not_what_is_between() -> None:
    steps, size = 10_000, 8
    carries = steps * size * 8

    def last(x):
        def step(h, _):
            for _ in range(10):
                h = np.sin(h) * 1.01
            return h, None

        return np.sum(gw.scan(step, x, length=steps)[0])

    tracemalloc.start()
    try:
        gw.grad(last)(np.ones(size))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert carries <= peak < 4 * carries  # all 20 values of a step would take 20


def test_other_array_libraries(parameters) -> None:
    strict = pytest.importorskip("array_api_strict")
    arrays = [strict.asarray(p) for p in parameters]

    def loss(W, h0, xs):
        h, ys = gw.scan(lambda h, x: (gw.tanh(W @ h + x), h * x), h0, xs)
        return gw.sum(h) + gw.sum(ys**2)

    for found, expected in zip(gw.grad(loss, (0, 1, 2))(*arrays), gw.grad(rnn, (0, 1, 2))(*parameters), strict=True):
        np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-12)
        assert type(found) is type(arrays[0])


def test_against_jax(parameters) -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)

    def theirs(W, h0, xs):
        h, ys = jax.lax.scan(lambda h, x: (jax.numpy.tanh(W @ h + x), h * x), h0, xs)
        return jax.numpy.sum(h) + jax.numpy.sum(ys**2)

    for found, expected in zip(
        gw.grad(rnn, (0, 1, 2))(*parameters), jax.grad(theirs, (0, 1, 2))(*parameters), strict=True
    ):
        np.testing.assert_allclose(found, np.asarray(expected), rtol=1e-11)


STEPS = {
    "sin": lambda c, x, w: np.sin(c * w) + x,
    "product": lambda c, x, w: c * x * w + c,
    "maximum": lambda c, x, w: np.maximum(c, x * w) - 0.1 * c,
    "where": lambda c, x, w: np.where(c > x, c * w, x),
    "power": lambda c, x, w: np.sqrt(1 + c**2) * w - x**2,
    "forgets": lambda c, x, w: x * w + 0 * c,
}


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=3),
    length=st.integers(0, 5),
    reverse=st.booleans(),
    seed=st.integers(0, 2**16),
    shape=st.sampled_from([(), (2,), (2, 1)]),
)
def test_any_step_of_any_length(names, length, reverse, seed, shape) -> None:
    rng = np.random.default_rng(seed)
    init, xs, w = rng.standard_normal(shape), rng.standard_normal((length, *shape)), rng.standard_normal()

    def loss(init, xs, w, scan):
        def step(c, x):
            y = c
            for name in names:
                c = STEPS[name](c, x, w)
            return c, np.cos(y * x)

        carry, ys = scan(step, init, xs, None, reverse)
        return np.sum(carry**2) + (0 if ys is None else np.sum(ys))

    arguments = (np.array(init), xs, w)
    ours, theirs = (gw.value_and_grad(loss, (0, 1, 2))(*arguments, s) for s in (gw.scan, unrolled))
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-10)
    for one, other in zip(ours[1], theirs[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-10)
        assert one.shape == other.shape
        assert one.dtype == other.dtype
    ours, theirs = (gw.hvp(lambda w, s=s: loss(*arguments[:2], w, s), w, 1.0) for s in (gw.scan, unrolled))
    np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-8)
