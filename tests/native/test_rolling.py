"""Scalar programs made into programs on arrays: the same numbers, few gates, whatever the scalars' order was."""

from __future__ import annotations

import gc
import random as plain_random
import weakref
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gatewise as gw
from gatewise.graph import Spec
from gatewise.native import looping, rolling
from gatewise.native.looping import looped
from gatewise.native.rolling import rolled
from gatewise.symbolic import written

NUMBER = Spec((), np.dtype(float))


def net(points, sizes):
    """A net of scalars as one would write it with loops, and how many weights it has."""
    random = plain_random.Random(0)
    xs = [[random.uniform(-1, 1) for _ in range(sizes[0])] for _ in range(points)]
    labels = [random.choice([-1.0, 1.0]) for _ in range(points)]

    def loss(*weights):
        given = iter(weights)
        layers = [[([next(given) for _ in range(n)], next(given)) for _ in range(m)] for n, m in pairwise(sizes)]
        losses = []
        for x, label in zip(xs, labels, strict=True):
            h = x
            for layer in layers:
                h = [np.tanh(sum((w * v for w, v in zip(row, h, strict=True)), b)) for row, b in layer]
            losses.append((h[0] - label) ** 2)
        return sum(losses) / len(losses) + 1e-3 * sum(w * w for w in weights)

    return loss, sum((n + 1) * m for n, m in pairwise(sizes))


def test_a_net_of_scalars_is_a_few_gates_on_arrays():
    loss, count = net(30, (3, 8, 8, 1))
    f = gw.value_and_grad(loss, argnums=tuple(range(count)))
    weights = np.random.default_rng(0).uniform(-1, 1, count).tolist()
    value, gradients = f(*weights)
    script = written(lambda *w: [(r := f(*w))[0], *r[1]], [NUMBER] * count)
    short = rolled(script)
    gates = [symbol for symbol in short.symbols if getattr(symbol.gate, "elementwise", False)]
    assert len(script.symbols) > 15_000
    assert len(gates) < 70
    np.testing.assert_allclose(short.run(weights), [value, *gradients], rtol=1e-12)
    compiled = gw.compile(f)
    for _ in range(3):
        found, slopes = compiled(*weights)
        np.testing.assert_allclose([found, *slopes], [value, *gradients], rtol=1e-12)
    assert not compiled.report().fallbacks + compiled.report().careful_calls


def test_a_nan_among_many_scalars_is_found_and_its_strong_zeros_kept():
    loss, count = net(12, (3, 8, 1))

    def masked(*w):
        return np.where(w[0] > 0, np.log(w[0]), 0.0) + loss(*w)  # whose gradient at 0 is 0 times infinity

    f = gw.grad(masked, argnums=tuple(range(count)))
    weights = [0.0, *np.random.default_rng(0).uniform(-1, 1, count - 1).tolist()]
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(gw.compile(f)(*weights), f(*weights), rtol=1e-12)


@pytest.fixture
def eagerly(monkeypatch):
    """Even small scripts are rolled."""
    monkeypatch.setattr(rolling, "FEWEST", 1)
    monkeypatch.setattr(rolling, "GAIN", 0.0)


def random_program(seed, size, inputs):
    """A list of scalar gates on earlier results, with some regularity, and a function that runs it."""
    random = plain_random.Random(seed)
    steps = []
    while len(steps) < size:
        there = inputs + len(steps)
        if steps and random.random() < 0.5:  # what was done before, done again some steps further on
            length = random.randrange(1, min(len(steps), 12) + 1)
            start = random.randrange(len(steps) - length + 1)
            shift = len(steps) - start
            for kind, one, other, constant in steps[start : start + length]:
                move = shift if random.random() < 0.8 else 0
                limit = inputs + len(steps)
                steps.append((kind, min(one + move, limit - 1), min(other + move, limit - 1), constant))
        else:
            kind = random.choice(["add", "add", "add", "multiply", "scale", "shift", "tanh", "square", "choose"])
            steps.append((kind, random.randrange(there), random.randrange(there), random.choice([0.5, -0.25, 1.0])))
    return steps


KINDS = {
    "add": lambda x, y, c: (x + y) * 0.5,
    "multiply": lambda x, y, c: x * y,
    "scale": lambda x, y, c: x * c,
    "shift": lambda x, y, c: x + c,
    "tanh": lambda x, y, c: np.tanh(x),
    "square": lambda x, y, c: x**2,
    "choose": lambda x, y, c: np.where(x > y, x, y * c),
}


def run_program(steps, values):
    values = list(values)
    for kind, one, other, constant in steps:
        values.append(KINDS[kind](values[one], values[other], constant))
    return values


@given(st.integers(0, 10**9), st.integers(1, 120), st.integers(1, 5))
@settings(max_examples=150, deadline=None)
def test_random_programs_of_scalars_compute_the_same(seed, size, inputs):
    steps = random_program(seed, size, inputs)
    start = np.random.default_rng(seed).uniform(-1, 1, inputs).tolist()

    def f(*xs):
        found = run_program(steps, xs)
        return sum(found) + found[-1], found[len(found) // 2]

    def both(*xs):
        (value, middle), pull = gw.vjp(lambda *xs: f(*xs), *xs)
        return [value, middle, *pull((1.0, 0.5))]

    script = written(lambda *xs: both(*xs), [NUMBER] * inputs)
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(rolling, "FEWEST", 1)
        patch.setattr(rolling, "GAIN", 0.0)
        patch.setattr(looping, "FEWEST", 1)
        patch.setattr(looping, "STEPS", 3)
        expected = script.run(start)
        for short in (rolled(script), looped(script)):
            np.testing.assert_allclose(short.run(start), expected, rtol=1e-9, atol=1e-9)


def test_scalars_of_arrays_whole_exponents_and_booleans(eagerly):
    def f(a, b):
        parts = [a[i] * b + a[i] ** (i % 3) for i in range(6)]
        return np.stack([sum(parts), np.where(parts[0] > parts[1], parts[2], 1.0)])

    specs = [Spec((6,), np.dtype(float)), NUMBER]
    a = np.linspace(0.5, 1.5, 6)
    short = rolled(written(lambda a, b: [f(a, b)], specs))
    np.testing.assert_allclose(short.run([a, 2.0])[0], f(a, 2.0), rtol=1e-14)


def test_numbers_of_python_beside_other_dtypes_stay_as_they_are(eagerly):
    script = written(
        lambda x, y: [x * y + x, x * x], [Spec((), np.dtype(float), weak=True), Spec((), np.dtype(np.float32))]
    )
    assert rolled(script) is script


def test_a_result_that_is_an_input_or_a_constant(eagerly):
    script = written(lambda x, y: [x, 3.0, x * y, (x * y) + y, y], [NUMBER, NUMBER])
    np.testing.assert_array_equal(rolled(script).run([2.0, 5.0]), [2.0, 3.0, 10.0, 15.0, 5.0])


@pytest.mark.parametrize(
    "column",
    [
        np.arange(12),
        np.arange(12)[::-1],
        np.repeat(np.arange(3), 4),
        np.tile(np.arange(3), 4),
        np.add.outer(np.arange(3) * 20, np.arange(4) * 5).ravel(),
        np.add.outer(np.arange(4), np.arange(3) * 7).ravel(),
        np.array([0, 5, 1, 9]),
    ],
)
def test_index_vectors_are_what_their_axes_say(column):
    axes = rolling._axes(column)
    if axes is None:
        assert column.tolist() == [0, 5, 1, 9]
        return
    rebuilt = np.zeros(1, int)
    for length, stride in axes:
        rebuilt = (rebuilt[:, None] + np.arange(length) * stride).ravel()
    np.testing.assert_array_equal(rebuilt + column[0], column)


def test_whether_any_entry_of_an_array_is_true_stays_one_truth_beside_scalars():
    def f(a, x):
        total = 0.0
        for i in range(600):
            total = total + np.sin(a * float(i)) * a
        some, every = np.any(x > 2.0), np.all(x > 0.0)
        return total, some, every, np.where(some, 1.0, 2.0)

    compiled = gw.compile(f)
    for x in (np.array([1.0, 3.0]), np.array([0.0, 1.0])):
        for found, expected in zip(compiled(0.3, x), f(0.3, x), strict=True):
            assert np.shape(found) == np.shape(expected)
            np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_what_was_written_down_is_freed_without_a_search_for_garbage():
    def f(x):
        for _ in range(500):
            x = np.sin(x) + x / 2
        return x

    gc.collect()
    gc.disable()
    try:
        script = written(lambda x: [gw.grad(f)(x)], [NUMBER])
        symbol = weakref.ref(script.symbols[1000].tape)
        short = looped(script)
        del script
        assert symbol() is None
    finally:
        gc.enable()
    assert len(short.symbols) < 100


@pytest.mark.parametrize("constants", [(1, 1.0), (0.0, -0.0), (np.float64(2), 2.0)])
def test_constants_that_are_equal_but_not_the_same_end_a_stretch(constants):
    one, other = constants

    def f(x):
        for number in (one, other):
            for _ in range(300):
                x = np.sin(x) + number
                x = np.copysign(x, number)
        return [x]

    script = written(f, [NUMBER])
    scans = [symbol for symbol in looped(script).symbols if symbol.gate.name == "scan"]
    assert len(scans) == 2
    assert float(looped(script).run([0.5])[0]) == float(script.run([0.5])[0])
