"""Every gate on arrays of other libraries: value, gradient and second derivative equal those on NumPy's arrays.

NumPy's are tested against central differences in tests/gates; here the same numbers must come out, as arrays of the
library that went in, with its dtypes and on its device.
"""

from __future__ import annotations

import numpy as np
import pytest

import gatewise as gw
from gatewise.gate import REGISTRY
from gatewise.graph import apply

#: Vectors of these are free in sign, which every library chooses as it likes.
FREE_IN_SIGN = {"eig", "eigh", "qr", "svd"}

#: What Dask can do without looking at values: element-wise gates and these.
LAZY = ["sum", "mean", "prod", "max", "min", "var", "std", "logsumexp", "softmax", "log_softmax", "norm", "matmul",
        "einsum", "reshape", "permute_dims", "broadcast_to", "squeeze", "expand_dims", "flip", "roll", "concat",
        "stack", "pad", "cumsum", "scatter"]  # fmt: skip


def gates(wanted=lambda name: True):
    return [name for name, gate in sorted(REGISTRY.items()) if gate.samples and wanted(name)]


def is_lazy_gate(name) -> bool:
    return (REGISTRY[name].elementwise or name in LAZY) and name != "stretch"


def floating(value) -> bool:
    return isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fc"


class Case:
    """One sample of a gate, as functions that take arrays of any library."""

    def __init__(self, gate, sample):
        self.instance = gate(**dict(sample.static))
        self.inputs = sample.make()
        self.positions = [
            i for i, v in enumerate(self.inputs) if gate.rules and floating(v) and gate.rules[i] is not None
        ]
        single = any(getattr(v, "dtype", None) in (np.float32, np.complex64) for v in self.inputs)
        self.tolerance = 1e-4 if single else 1e-9
        self.value = np.asarray(apply(self.instance, *self.inputs))
        rng = np.random.default_rng(0)
        self.weights = rng.standard_normal(self.value.shape).astype(self.value.real.dtype)
        self.directions = [
            rng.standard_normal(self.inputs[i].shape).astype(self.inputs[i].real.dtype) for i in self.positions
        ]

    @property
    def differentiable(self) -> bool:
        return bool(self.positions) and self.value.dtype.kind in "fc"

    def functions(self, array):
        """The value, its gradient and the gradient of a product with that, with all constants made by `array`."""
        inputs = [array(value) for value in self.inputs]
        weights, directions = array(self.weights), [array(direction) for direction in self.directions]

        def loss(*moved):
            full = list(inputs)
            for position, value in zip(self.positions, moved, strict=True):
                full[position] = value
            return gw.sum(gw.sin(gw.real(apply(self.instance, *full))) * weights)

        wanted = tuple(range(len(self.positions)))
        gradient = gw.grad(loss, argnums=wanted)

        def slope(*moved):
            parts = [gw.sum(gw.multiply(gw.real(g), d)) for g, d in zip(gradient(*moved), directions, strict=True)]
            return sum(parts[1:], parts[0])

        start = [inputs[position] for position in self.positions]
        return inputs, loss, lambda: gradient(*start), lambda: gw.grad(slope, argnums=wanted)(*start)


def equal(library, found, wanted, tolerance):
    wanted = np.asarray(wanted)
    numbers = library.numpy(found)
    assert numbers.dtype == wanted.dtype
    assert numbers.shape == wanted.shape
    np.testing.assert_allclose(numbers, wanted, rtol=tolerance, atol=tolerance)


def compare(library, case):
    """The case on the library's arrays against the same on NumPy's."""
    inputs, loss, first, second = case.functions(library.array)
    value = apply(case.instance, *inputs)
    if case.instance.name in FREE_IN_SIGN and not np.allclose(library.numpy(value), case.value):
        np.testing.assert_allclose(abs(library.numpy(value)), abs(case.value), rtol=1e-9, atol=1e-9)
        assert gw.check_grads(loss, [inputs[position] for position in case.positions])
        return
    equal(library, value, case.value, case.tolerance)
    if not case.differentiable:
        return
    _, _, first_wanted, second_wanted = case.functions(lambda value: value)
    for found, wanted in zip(first(), first_wanted(), strict=True):
        equal(library, found, wanted, case.tolerance)
    for found, wanted in zip(second(), second_wanted(), strict=True):
        equal(library, found, wanted, 10 * case.tolerance)


@pytest.mark.parametrize("name", gates())
def test_values_and_two_orders_of_gradients_equal_numpys(library, name):
    gate = REGISTRY[name]
    tried = [sample for sample in gate.samples if len(gate.samples) == 1 or 0 not in np.shape(sample.make()[0])]
    for sample in tried[: library.samples]:
        compare(library, Case(gate, sample))


@pytest.mark.parametrize("name", gates(is_lazy_gate))
def test_lazy_arrays_have_the_same_gradients(dask, name):
    gate = REGISTRY[name]
    for sample in gate.samples[: dask.samples]:
        compare(dask, Case(gate, sample))
