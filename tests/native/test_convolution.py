"""Native convolutions and their gradients against sums over the taps of the kernels, in NumPy and float64."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from llvmlite import binding, ir

from gatewise.errors import UnsupportedError
from gatewise.native.convolution import ConvolutionSpec, emit_convolution, units, workspace_bytes
from gatewise.native.tile import Machine

binding.initialize_native_target()
binding.initialize_native_asmprinter()

MACHINES = [Machine.host(), Machine(32, 16, 1 << 18), Machine(16, 32, 1 << 18)]


def native(spec, x, y, result, machine, cuts=None):
    """`result` after the native function; the workspace starts as NaN, and its end is watched."""
    module = ir.Module()
    name = emit_convolution(module, spec, machine).name
    target = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(), features=binding.get_host_cpu_features().flatten(), opt=1
    )
    engine = binding.create_mcjit_compiler(binding.parse_assembly(str(module)), target)
    engine.finalize_object()
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4, *[ctypes.c_int64] * 2)(engine.get_function_address(name))
    room = workspace_bytes(spec, machine)
    raw = np.full(room + 4096, 0xFF, np.uint8)
    start = -raw.ctypes.data % 64
    raw[start + room :] = 77
    for begin, end in pairwise(cuts or [0, units(spec, machine)]):
        call(x.ctypes.data, y.ctypes.data, result.ctypes.data, raw.ctypes.data + start, begin, end)
    assert (raw[start + room :] == 77).all(), "wrote over the end of the workspace"
    return result


def by_taps(spec, images, kernels, upstream):
    """Results, gradient with respect to images, gradient with respect to kernels."""
    padded = np.pad(images.astype("float64"), [(0, 0), (0, 0), *zip(spec.before, spec.after, strict=True)])
    kernels, upstream = kernels.astype("float64"), upstream.astype("float64")
    results, back, weights = np.zeros(upstream.shape), np.zeros_like(padded), np.zeros_like(kernels)
    depth, height = spec.channels // spec.groups, spec.kernels // spec.groups
    axes = list(zip(spec.dilation, spec.stride, spec.counts, strict=True))
    for tap in product(*map(range, spec.window)):
        shift = tuple(slice(t * d, t * d + (n - 1) * s + 1, s) for t, (d, s, n) in zip(tap, axes, strict=True))
        for group in range(spec.groups):
            channel = slice(group * depth, (group + 1) * depth)
            kernel = slice(group * height, (group + 1) * height)
            window, entry, g = padded[:, channel, *shift], kernels[kernel, :, *tap], upstream[:, kernel]
            results[:, kernel] += np.einsum("nc...,fc->nf...", window, entry)
            back[:, channel, *shift] += np.einsum("nf...,fc->nc...", g, entry)
            flat = (spec.examples, -1, int(np.prod(spec.counts)))
            weights[kernel, :, *tap] += np.einsum("ncp,nfp->fc", window.reshape(flat), g.reshape(flat))
    inside = tuple(slice(b, b + size) for b, size in zip(spec.before, spec.sizes, strict=True))
    return results, back[:, :, *inside], weights


def arrays(spec):
    """Images, kernels and an upstream gradient of normal numbers."""
    generator = np.random.default_rng(0)
    shapes = [
        (spec.examples, spec.channels, *spec.sizes),
        (spec.kernels, spec.channels // spec.groups, *spec.window),
        (spec.examples, spec.kernels, *spec.counts),
    ]
    return [generator.standard_normal(shape).astype(spec.dtype) for shape in shapes]


def check(spec, machine, shares=()):
    """All three directions, each in shares of its units."""
    images, kernels, upstream = arrays(spec)
    wanted = by_taps(spec, images, kernels, upstream)
    operands = {"forward": (images, kernels), "images": (upstream, kernels), "kernels": (images, upstream)}
    for (direction, (x, y)), want in zip(operands.items(), wanted, strict=True):
        each = replace(spec, direction=direction)
        count = units(each, machine)
        cuts = sorted([0, count, *(int(share * count) for share in shares)])
        got = native(each, x, y, np.full(want.shape, np.nan, spec.dtype), machine, cuts)
        scale = max(1.0, np.abs(want).max())
        np.testing.assert_allclose(got, want, rtol=0, atol=100 * np.finfo(spec.dtype).eps * scale, err_msg=direction)


@settings(max_examples=25, deadline=None)
@given(data=st.data(), dimensions=st.sampled_from([1, 2, 2, 3]), dtype=st.sampled_from(["float32", "float64"]))
def test_as_sums_over_taps(data, dimensions, dtype):
    def per_axis(*numbers):
        return tuple(data.draw(st.sampled_from(numbers)) for _ in range(dimensions))

    window = per_axis(1, 2, 3, 5, 19) if dimensions == 1 else per_axis(1, 2, 3, 5)
    dilation, before, after = per_axis(1, 1, 2), per_axis(0, 1, 2, 4), per_axis(0, 1, 2)
    spare = per_axis(0, 1, 5, 9, 20) if dimensions < 3 else per_axis(0, 1, 5)
    reach = zip(window, dilation, before, after, spare, strict=True)
    sizes = tuple(max(1, d * (k - 1) + 1 - b - a) + more for k, d, b, a, more in reach)
    groups = data.draw(st.sampled_from([1, 1, 2, 3]))
    channels = groups * data.draw(st.sampled_from([1, 2, 6, 17]))
    kernels = groups * data.draw(st.sampled_from([1, 2, 9, 18, 40]))
    examples = data.draw(st.integers(1, 3))
    stride = per_axis(1, 1, 2, 3)
    spec = ConvolutionSpec(examples, channels, kernels, sizes, window, stride, before, after, dilation, groups, dtype)
    assume(min(spec.counts) > 0)
    check(spec, data.draw(st.sampled_from(MACHINES)), data.draw(st.lists(st.floats(0, 1), max_size=2)))


@pytest.mark.parametrize("machine", MACHINES, ids=["host", "32 bytes", "16 bytes"])
@pytest.mark.parametrize(
    "spec",
    [
        ConvolutionSpec(2, 3, 32, (32, 32), (5, 5), (1, 1), (2, 2), (2, 2), (1, 1)),
        ConvolutionSpec(2, 32, 33, (16, 16), (5, 5), (1, 1), (2, 2), (2, 2), (1, 1)),
        ConvolutionSpec(2, 8, 9, (7, 7), (3, 3), (1, 1), (1, 1), (1, 1), (1, 1)),  # short lines
        ConvolutionSpec(1, 3, 8, (30, 31), (7, 7), (2, 2), (3, 3), (3, 3), (1, 1)),
        ConvolutionSpec(1, 16, 24, (9, 70), (1, 1), (1, 1), (0, 0), (0, 0), (1, 1)),
        ConvolutionSpec(1, 5, 5, (12, 12), (3, 3), (1, 1), (1, 1), (1, 1), (1, 1), groups=5),  # by channel
        ConvolutionSpec(2, 2, 3, (100,), (25,), (4,), (0,), (0,), (1,)),
    ],
    ids=["first layer", "second layer", "short lines", "stride", "one by one", "by channel", "long window"],
)
def test_layers_of_networks(spec, machine):
    check(spec, machine, (0.3, 0.7))


def test_the_shares_do_not_change_a_bit():
    spec = ConvolutionSpec(3, 6, 20, (11, 13), (3, 3), (1, 1), (1, 1), (1, 1), (1, 1))
    images, kernels, upstream = arrays(spec)
    for direction, x, y, like in (
        ("forward", images, kernels, upstream),
        ("images", upstream, kernels, images),
        ("kernels", images, upstream, kernels),
    ):
        each = replace(spec, direction=direction)
        count = units(each)
        alone = native(each, x, y, np.empty_like(like), Machine.host())
        for cuts in ([0, count // 2, count], list(range(count + 1)), [0, 0, count, count]):
            assert native(each, x, y, np.empty_like(like), Machine.host(), cuts).tobytes() == alone.tobytes()


def test_padding_that_cuts_off_is_not_needed_for_the_gradient():
    """With more padding than the window reaches, the gradient's own image is cut instead of padded."""
    check(ConvolutionSpec(1, 2, 3, (5, 6), (2, 2), (1, 1), (4, 3), (4, 3), (1, 1)), Machine.host())


def test_other_dtypes():
    spec = ConvolutionSpec(1, 1, 1, (4,), (2,), (1,), (0,), (0,), (1,), dtype="complex64")
    with pytest.raises(UnsupportedError, match="float32 and float64, not complex64"):
        emit_convolution(ir.Module(), spec)
