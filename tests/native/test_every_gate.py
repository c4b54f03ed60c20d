"""Every gate of the registry, forward and backward, compiled: the same numbers as eager, on every sample."""

import numpy as np
import pytest

import gatewise as gw
from gatewise.gate import REGISTRY
from gatewise.graph import apply
from gatewise.tree import flatten

#: Gates whose results, or whose gradients', have a shape that depends on values, or that look at values to choose.
VALUES_DECIDE = {"getitem-6", "setitem-3", "distinct-0", "distinct-1", "distinct-2"}
VALUES_DECIDE_BACKWARD = {"cofactors-0", "cofactors-1", "cofactors-2", "cofactors-3", "lstsq-0", "lstsq-1", "lstsq-3"}
#: Gates that Python runs: LAPACK's, FFT, those that SciPy computes on some samples, and one whose order is NumPy's own.
IN_PYTHON = {
    *("cholesky", "cofactors", "det", "eig", "eigh", "inv", "lstsq", "pinv", "qr", "slogdet", "solve", "svd"),
    *("fft", "rfft", "irfft", "bessel", "polygamma", "tabulated", "partition"),
}


def cases(without=frozenset()):
    return [
        pytest.param(gate, sample, id=f"{name}-{number}")
        for name, gate in sorted(REGISTRY.items())
        for number, sample in enumerate(gate.samples)
        if f"{name}-{number}" not in VALUES_DECIDE | without
    ]


def is_array(value) -> bool:
    return isinstance(value, np.ndarray | np.generic)


def assert_same(compiled, eager) -> None:
    for one, other in zip(flatten(compiled)[0], flatten(eager)[0], strict=True):
        one, other = np.asarray(one), np.asarray(other)
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        tolerance = 2e-5 if one.dtype in (np.float32, np.complex64) else 1e-11
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def forward_of(gate, sample):
    """A function of the sample's arrays; numbers among the inputs stay as they are."""
    instance, inputs = gate(**dict(sample.static)), sample.make()

    def forward(*arrays):
        given = iter(arrays)
        return apply(instance, *[next(given) if is_array(value) else value for value in inputs])

    return forward, [value for value in inputs if is_array(value)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("gate", "sample"), cases())
def test_forward(gate, sample):
    forward, arrays = forward_of(gate, sample)
    compiled = gw.compile(forward)
    assert_same(compiled(*arrays), forward(*arrays))
    assert {name for name, _ in compiled.report().in_python} <= IN_PYTHON


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("gate", "sample"), cases(VALUES_DECIDE_BACKWARD))
def test_backward(gate, sample):
    forward, arrays = forward_of(gate, sample)
    wanted = [i for i, array in enumerate(arrays) if array.dtype.kind in "fc"]
    if not gate.differentiable or not wanted:
        pytest.skip("no gradient passes")

    def backward(*given):
        def of_wanted(*chosen):
            full = list(given)
            for place, array in zip(wanted, chosen, strict=True):
                full[place] = array
            return forward(*full)

        value, pull = gw.vjp(of_wanted, *[given[i] for i in wanted])
        return pull(np.cos(np.arange(value.size)).reshape(value.shape).astype(value.dtype)[()])

    assert_same(gw.compile(backward)(*arrays), backward(*arrays))
