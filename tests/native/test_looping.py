"""Chains written without a loop made into loops: the same numbers, and few gates whatever their length."""

from __future__ import annotations

import numpy as np
import pytest

import gatewise as gw
from gatewise.graph import Spec
from gatewise.native import looping, rolling
from gatewise.native.looping import looped
from gatewise.symbolic import written
from gatewise.tree import flatten

NUMBER = Spec((), np.dtype(float))


def chain(n):
    def f(x):
        for _ in range(n):
            x = np.sin(x) + x / 2
        return x

    return f


def two_states(n):
    def f(x, y):
        for _ in range(n):
            x, y = x + 0.1 * y, y - 0.1 * np.sin(x)
        return x * y

    return f


def with_values_on_the_way(n):
    def f(x, a):
        total = 0.0
        for _ in range(n):
            x = np.tanh(a * x + 0.5)
            total = total + x * x
        return total

    return f


def with_a_start_and_an_end(n):
    def f(x, a):
        x = np.exp(x) * a
        for _ in range(n):
            x = 1.0 + 0.5 * np.cos(x)
        y = np.log(x) + a
        for _ in range(n // 2):
            y = y * 0.9 + np.sin(y) * x
        return y / a

    return f


def changing_constants(n):
    def f(x):
        for i in range(n):
            x = np.sin(x) + i
        return x

    return f


def reading_far_back(n):
    def f(x, y):
        values = [x, y]
        for _ in range(n):
            values.append(0.5 * values[-1] - 0.3 * values[-2])
        return sum(values[::7])

    return f


def on_vectors(n):
    def f(x, a):
        for _ in range(n):
            x = np.tanh(x * a) + 0.1
        return np.sum(x)

    return f


CASES = {
    "chain": (chain, (0.7,)),
    "two states": (two_states, (0.3, 0.8)),
    "values on the way": (with_values_on_the_way, (0.3, 0.9)),
    "start and end": (with_a_start_and_an_end, (0.3, 1.2)),
    "changing constants": (changing_constants, (0.3,)),
    "far back": (reading_far_back, (0.3, 0.4)),
    "vectors": (on_vectors, (np.linspace(-1, 1, 5), np.linspace(0.5, 1.5, 5))),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("n", [40, 333])
def test_the_same_numbers_forward_and_backward(name, n, monkeypatch):
    monkeypatch.setattr(looping, "FEWEST", 50)
    make, arguments = CASES[name]
    places = tuple(range(len(arguments)))
    f = gw.value_and_grad(make(n), argnums=places if len(places) > 1 else 0)
    specs = [Spec.of(np.asarray(a)) for a in arguments]
    script = written(lambda *xs: flatten(f(*xs))[0], specs)
    for one, other in zip(looped(script).run(arguments), flatten(f(*arguments))[0], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize("name", ["chain", "two states", "values on the way", "start and end", "vectors"])
def test_how_long_a_chain_is_does_not_matter(name):
    make, arguments = CASES[name]
    sizes = []
    for n in (1000, 2000):
        f = gw.grad(make(n), argnums=tuple(range(len(arguments))))
        script = written(lambda *xs, f=f: flatten(f(*xs))[0], [Spec.of(np.asarray(a)) for a in arguments])
        sizes.append(len(looped(script).symbols))
    assert sizes[0] == sizes[1] < 250


def test_a_compiled_chain_is_a_native_loop():
    f = gw.value_and_grad(chain(5000))
    compiled = gw.compile(f)
    np.testing.assert_allclose(compiled(0.7), f(0.7), rtol=1e-9)
    assert len(compiled.llvm()) < 200_000


def test_numbers_of_python_beside_other_dtypes_stay_as_they_are():
    def f(x, y):
        for _ in range(500):
            x = x * 0.5 + 1.0
        return [x * y]

    script = written(f, [Spec((), np.dtype(float), weak=True), Spec((), np.dtype(np.float32))])
    assert looped(script) is script


def test_zeros_of_both_signs_are_told_apart(monkeypatch):
    monkeypatch.setattr(looping, "FEWEST", 50)
    monkeypatch.setattr(rolling, "FEWEST", 50)
    monkeypatch.setattr(rolling, "GAIN", 0.0)

    def chain(x):
        for i in range(100):
            x = np.copysign(x + 1.0, -0.0 if i >= 50 else 0.0)
        return [x]

    def apart(x):
        return [np.copysign(x + 1.0, -0.0 if i >= 50 else 0.0) for i in range(100)]

    for f in (chain, apart):
        script = written(f, [NUMBER])
        expected = script.run([1.0])
        np.testing.assert_array_equal(looped(script).run([1.0]), expected)
        np.testing.assert_array_equal(rolling.rolled(script).run([1.0]), expected)
