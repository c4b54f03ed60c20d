"""Every gate of the registry against independent truths, on every sample that it states.

Truths: central differences for local gradients, the law ⟨g, Jt⟩ = ⟨Jᵀg, t⟩ for the forward sweep, central differences
of first gradients for second order, and the gate's own promises at its kinks.
"""

from __future__ import annotations

import array_api_strict
import numpy as np
import pytest

import gatewise as gw
from gatewise import gates
from gatewise.array import Array
from gatewise.gate import REGISTRY, Gate
from gatewise.gates.conversion import INPUT
from gatewise.graph import Leaf, Spec, apply

gates.load()  # the families that are otherwise imported when first asked for

STEP = 1e-6


def cases(wanted=lambda gate, inputs: True):
    """Every gate with every sample it states, as far as a test's question makes sense there."""
    return [
        pytest.param(gate, sample, id=f"{name}-{number}")
        for name, gate in sorted(REGISTRY.items())
        for number, sample in enumerate(gate.samples)
        if wanted(gate, sample.make())
    ]


def shape_is_known(gate, inputs) -> bool:
    """How many entries a boolean or integer index reads is not known without its values."""
    indices = any(isinstance(v, np.ndarray) and v.dtype.kind in "ib" for v in inputs)
    return not (indices and gate.name in ("getitem", "setitem"))


def passes_gradients(gate, inputs) -> bool:
    return bool(differentiable(gate, inputs))


def is_double(gate, inputs) -> bool:
    """Central differences need float64 (or complex128)."""
    return passes_gradients(gate, inputs) and all(
        np.asarray(inputs[i]).dtype.itemsize >= 8 for i in differentiable(gate, inputs)
    )


def is_real(gate, inputs) -> bool:
    arrays = [np.asarray(inputs[i]) for i in differentiable(gate, inputs)]
    return is_double(gate, inputs) and all(v.dtype.kind == "f" and v.size for v in arrays)


def floating(value) -> bool:
    return getattr(value, "dtype", np.dtype(type(value))).kind in "fc"


def build(gate: type[Gate], sample):
    return gate(**dict(sample.static)), sample.make()


def run(instance, inputs, moved, positions):
    full = list(inputs)
    for position, value in zip(positions, moved, strict=True):
        full[position] = value
    return apply(instance, *full)


def differentiable(gate, inputs):
    """Positions of float64 or complex inputs to which the gate passes gradients."""
    if not gate.rules:
        return []
    return [
        i
        for i, value in enumerate(inputs)
        if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fc" and gate.rules[i] is not None
    ]


def inner(a, b) -> float:
    """The real inner product under which the gradient of a real function is ∂/∂Re + i ∂/∂Im."""
    return float(np.real(np.vdot(np.asarray(a), np.asarray(b))))


def directions(rng, values):
    return [
        (rng.standard_normal(v.shape) + (1j * rng.standard_normal(v.shape) if v.dtype.kind == "c" else 0)).astype(
            v.dtype
        )
        for v in values
    ]


def test_every_gate_has_a_story_and_samples():
    for name, gate in REGISTRY.items():
        if name == "input":
            continue
        assert gate.samples, f"{name} states no samples"
        assert ":" in gate.story, f"{name} has no story"
        assert gate.__doc__


@pytest.mark.parametrize(("gate", "sample"), cases(shape_is_known))
def test_infer_tells_the_shape_and_dtype(gate, sample):
    instance, inputs = build(gate, sample)
    out = instance.forward(np, *inputs)
    assert instance.infer(*[Spec.of(v) for v in inputs]) == Spec.of(out)


@pytest.mark.parametrize(("gate", "sample"), cases(is_double))
def test_local_gradients_equal_central_differences(gate, sample):
    instance, inputs = build(gate, sample)
    positions = differentiable(gate, inputs)
    values = [np.asarray(inputs[i]) for i in positions]
    rng = np.random.default_rng(1)
    out, pullback = gw.vjp(lambda *moved: run(instance, inputs, moved, positions), *[v[()] for v in values])
    (upstream,) = directions(rng, [np.asarray(out)])
    gradients = pullback(upstream[()])
    for which, (value, gradient) in enumerate(zip(values, gradients, strict=True)):
        assert gradient.shape == value.shape
        assert gradient.dtype == value.dtype
        for index in np.ndindex(value.shape):
            for unit in (1.0, 1j) if value.dtype.kind == "c" else (1.0,):
                ends = []
                for sign in (1, -1):
                    moved = [v.copy() for v in values]
                    moved[which][index] += sign * STEP * unit
                    ends.append(np.asarray(run(instance, inputs, [m[()] for m in moved], positions)))
                expected = inner(upstream, (ends[0] - ends[1]) / (2 * STEP))
                found = gradient[index] if unit == 1.0 else gradient[index].imag
                assert np.real(found) == pytest.approx(expected, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize(("gate", "sample"), cases(passes_gradients))
def test_forward_sweep_is_the_transpose_of_the_backward_sweep(gate, sample):
    instance, inputs = build(gate, sample)
    positions = differentiable(gate, inputs)
    values = [inputs[i] for i in positions]
    rng = np.random.default_rng(2)
    f = lambda *moved: run(instance, inputs, moved, positions)  # noqa: E731
    tangents = [t[()] for t in directions(rng, [np.asarray(v) for v in values])]
    out, pushed = gw.jvp(f, values, tangents)
    _, pullback = gw.vjp(f, *values)
    (upstream,) = directions(rng, [np.asarray(out)])
    pulled = pullback(upstream[()])
    assert np.shape(pushed) == np.shape(out)
    left = inner(upstream, pushed)
    right = sum(inner(p, t) for p, t in zip(pulled, tangents, strict=True))
    tolerance = 1e-4 if any(np.asarray(v).dtype.itemsize < 8 for v in values) else 1e-11
    assert left == pytest.approx(right, rel=tolerance, abs=tolerance)


@pytest.mark.parametrize(("gate", "sample"), cases(is_real))
def test_second_order_equals_central_differences_of_first_order(gate, sample):
    instance, inputs = build(gate, sample)
    positions = differentiable(gate, inputs)
    values = [np.asarray(inputs[i]) for i in positions]
    rng = np.random.default_rng(3)
    weights = None

    def loss(*moved):  # nonlinear in the output, so that linear gates are tested too
        nonlocal weights
        out = run(instance, inputs, moved, positions)
        if weights is None:
            weights = rng.standard_normal(out.shape)
        return gw.sum(weights * gw.sin(gw.real(out)))

    gradient = gw.grad(loss, argnums=tuple(range(len(values))))
    start = [v[()] for v in values]
    gradient(*start)
    along = [d[()] for d in directions(rng, values)]
    _, found = gw.jvp(lambda *moved: gradient(*moved), start, along)
    ends = [gradient(*[v + sign * STEP * d for v, d in zip(start, along, strict=True)]) for sign in (1, -1)]
    for one, other, pushed in zip(*ends, found, strict=True):
        np.testing.assert_allclose(pushed, (one - other) / (2 * STEP), rtol=1e-5, atol=1e-6)


def kinks():
    for name, gate in sorted(REGISTRY.items()):
        for number, kink in enumerate(gate.kinks):
            yield pytest.param(gate, kink, id=f"{name}-{number}")


@pytest.mark.parametrize(("gate", "kink"), list(kinks()))
def test_kinks_are_as_promised(gate, kink):
    inputs = [np.asarray(v, dtype=float)[()] for v in kink.inputs]
    instance = gate(**dict(kink.static))
    with np.errstate(all="ignore"):
        found = gw.grad(lambda *xs: gw.sum(apply(instance, *xs)), argnums=tuple(range(len(inputs))))(*inputs)
    for gradient, promised in zip(found, kink.gradients, strict=True):
        np.testing.assert_array_equal(gradient, promised)


@pytest.mark.parametrize(("gate", "sample"), cases())
def test_value_and_gradient_on_the_strict_namespace_equal_numpy(gate, sample):
    instance, inputs = build(gate, sample)
    expected = instance.forward(np, *inputs)
    strict = [array_api_strict.asarray(np.asarray(v)) if isinstance(v, np.ndarray | np.generic) else v for v in inputs]
    index_arrays = gate.name in ("getitem", "setitem", "scatter")
    operands = [
        Array.of(Leaf(INPUT, v), v) if hasattr(v, "dtype") and not (index_arrays and i >= gate_wires(gate)) else v
        for i, v in enumerate(strict)
    ]
    out = apply(instance, *operands)
    np.testing.assert_allclose(np.asarray(out.value), expected, rtol=1e-6, atol=1e-12)
    positions = differentiable(gate, inputs)
    if not positions or not floating(np.asarray(expected)):
        return
    ones = array_api_strict.ones(out.shape, dtype=out.value.dtype)
    out.backward(ones)
    _, pullback = gw.vjp(lambda *m: run(instance, inputs, m, positions), *[inputs[i] for i in positions])
    wanted = pullback(np.ones_like(expected)[()])
    for position, gradient in zip(positions, wanted, strict=True):
        got = operands[position].grad
        assert "array_api_strict" in type(got).__module__
        np.testing.assert_allclose(np.asarray(got), gradient, rtol=1e-5, atol=1e-12)


def gate_wires(gate) -> int:
    """How many leading inputs of an indexing gate are data; index arrays follow."""
    return len(gate.wires) - 1
