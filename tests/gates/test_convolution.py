"""Convolution and pooling against NumPy, SciPy's signal processing and plain loops; gradients against differences."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import signal

import gatewise as gw

RNG = np.random.default_rng(0)
MODES = ["full", "same", "valid"]


def normal(*shape):
    return RNG.standard_normal(shape)


def check(f, *args, order=2):
    report = gw.check_grads(f, args, order=order)
    assert report.passed, report


# -------------------------------------------------------------------------------------------------- one axis, as NumPy


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("function", [np.convolve, np.correlate])
@pytest.mark.parametrize("lengths", list(product([1, 2, 3, 5, 6], repeat=2)), ids=str)
def test_vectors_of_all_lengths_as_numpy(function, mode, lengths):
    a, v = normal(lengths[0]) + 1j * normal(lengths[0]), normal(lengths[1]) - 1j * normal(lengths[1])
    out, _ = gw.vjp(lambda a, v: function(a, v, mode), a, v)
    np.testing.assert_allclose(out, function(a, v, mode), rtol=1e-13)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("function", [np.convolve, np.correlate])
@pytest.mark.parametrize("lengths", [(5, 3), (3, 5), (4, 4), (6, 2), (1, 3)], ids=str)
def test_gradients_of_vectors(function, mode, lengths):
    check(lambda a, v: np.sum(np.sin(function(a, v, mode=mode))), normal(lengths[0]), normal(lengths[1]))


def test_defaults_are_numpys_and_lists_and_numbers_are_accepted():
    a, v = [1.0, 2.0, 3.0], [0.5, -1.0]
    np.testing.assert_array_equal(gw.convolve(a, v), np.convolve(a, v))
    np.testing.assert_array_equal(gw.correlate(a, v), np.correlate(a, v))
    np.testing.assert_array_equal(gw.grad(lambda v: np.sum(np.convolve(a, v)))(2.0), 6.0)


def test_complex_correlation_has_the_gradient_of_its_definition():
    a, v = normal(4) + 1j * normal(4), normal(3) + 1j * normal(3)
    by_function = gw.grad(lambda a, v: np.sum(np.abs(np.correlate(a, v, "full")) ** 2), argnums=(0, 1))(a, v)
    rows = [[(k - 2 + n, n) for n in range(3) if 0 <= k - 2 + n < 4] for k in range(6)]

    def by_loop(a, v):
        return sum(np.abs(sum(a[i] * np.conj(v[n]) for i, n in row)) ** 2 for row in rows)

    for found, expected in zip(by_function, gw.grad(by_loop, argnums=(0, 1))(a, v), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("f", [np.convolve, np.correlate])
def test_vectors_that_cannot_be_convolved(f):
    with pytest.raises(gw.ShapeError, match="two vectors with entries"):
        gw.grad(lambda x: np.sum(f(x, np.ones((2, 2)))))(np.ones(3))
    with pytest.raises(gw.ShapeError, match="two vectors with entries"):
        gw.grad(lambda x: np.sum(f(x, np.ones(0))))(np.ones(3))
    with pytest.raises(gw.UnsupportedError, match="'full', 'same' or 'valid'"):
        gw.grad(lambda x: np.sum(f(x, x, "circular")))(np.ones(3))


# ------------------------------------------------------------------------------------------------------------- windows

WINDOWS = [
    ((5,), 3, None), ((5, 6), (2, 3), None), ((5, 6), 2, 1), ((5, 6), 2, -1), ((4, 5, 3), (2, 3), (0, 1)),
    ((6,), (2, 3), (0, 0)), ((5, 6), (3, 2), (1, 0)), ((3,), 3, None),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "window", "axis"), WINDOWS, ids=str)
def test_sliding_windows_as_numpy(shape, window, axis):
    x = normal(*shape)
    f = lambda x: np.lib.stride_tricks.sliding_window_view(x, window, axis=axis)  # noqa: E731
    out, _ = gw.vjp(f, x)
    np.testing.assert_array_equal(out, f(x))
    check(lambda x: np.sum(np.sin(f(x))), x)


def test_windows_of_arrays_that_are_not_contiguous():
    x = normal(6, 5).T[::-1, ::2]
    f = lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 2))  # noqa: E731
    np.testing.assert_array_equal(gw.vjp(f, x)[0], f(x))


def test_a_window_that_does_not_fit_and_one_that_would_be_written_into():
    view = np.lib.stride_tricks.sliding_window_view
    with pytest.raises(gw.ShapeError, match="a window of 4 entries does not fit into axis 0"):
        gw.grad(lambda x: np.sum(view(x, 4)))(np.ones(3))
    with pytest.raises(gw.UnsupportedError, match="writeable"):
        gw.grad(lambda x: np.sum(view(x, 2, writeable=True)))(np.ones(3))


# --------------------------------------------------------------------------------------------------------------- layers


def loop_conv(x, w, b=None, stride=1, padding=0, dilation=1, groups=1):
    """A layer by its definition, entry by entry."""
    ndim = w.ndim - 2
    stride, dilation = (np.broadcast_to(n, ndim) for n in (stride, dilation))
    sides = [(n, n) for n in np.broadcast_to(padding, ndim)]
    x = np.pad(x, [(0, 0), (0, 0), *sides])
    counts = [
        (n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(x.shape[2:], w.shape[2:], stride, dilation, strict=True)
    ]
    out = np.zeros((x.shape[0], w.shape[0], *counts))
    depth, per_group = w.shape[1], w.shape[0] // groups
    for n, f in np.ndindex(out.shape[:2]):
        channels = x[n, (f // per_group) * depth : (f // per_group + 1) * depth]
        for place in np.ndindex(*counts):
            key = tuple(
                slice(p * s, p * s + d * (k - 1) + 1, d)
                for p, s, d, k in zip(place, stride, dilation, w.shape[2:], strict=True)
            )
            out[(n, f, *place)] = np.sum(channels[(slice(None), *key)] * w[f])
    return out if b is None else out + b.reshape(-1, *[1] * ndim)


LAYERS = {
    "plain": ((2, 3, 5, 6), (4, 3, 3, 2), {}),
    "stride": ((2, 3, 7, 6), (2, 3, 3, 3), {"stride": 2}),
    "stride per axis": ((1, 2, 7, 6), (2, 2, 2, 3), {"stride": (3, 1)}),
    "padding": ((2, 2, 4, 4), (3, 2, 3, 3), {"padding": 1}),
    "padding per axis": ((1, 2, 4, 4), (3, 2, 3, 3), {"padding": (2, 0)}),
    "dilation": ((1, 2, 7, 8), (2, 2, 3, 3), {"dilation": (2, 3)}),
    "all": ((2, 2, 8, 8), (2, 2, 3, 2), {"stride": (2, 3), "padding": (1, 2), "dilation": (2, 1)}),
    "groups": ((2, 4, 5, 4), (6, 2, 2, 2), {"groups": 2}),
    "depthwise": ((1, 3, 4, 4), (3, 1, 2, 2), {"groups": 3, "padding": 1}),
    "one axis": ((2, 3, 9), (4, 3, 3), {"stride": 2, "padding": 1}),
    "three axes": ((1, 2, 3, 4, 3), (2, 2, 2, 2, 2), {"padding": (0, 1, 0)}),
    "1 x 1": ((2, 3, 2, 2), (2, 3, 1, 1), {}),
    "no examples": ((0, 3, 4, 4), (2, 3, 3, 3), {}),
}


@pytest.mark.parametrize(("x", "w", "options"), LAYERS.values(), ids=LAYERS)
def test_layers_equal_their_definition(x, w, options):
    x, w, b = normal(*x), normal(*w), normal(w[0])
    out, _ = gw.vjp(lambda x, w, b: gw.conv(x, w, b, **options), x, w, b)
    np.testing.assert_allclose(out, loop_conv(x, w, b, **options), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(gw.conv(x, w, **options), loop_conv(x, w, **options), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "name", ["plain", "stride", "padding", "dilation", "groups", "depthwise", "one axis", "three axes"]
)
def test_gradients_of_layers(name):
    x, w, options = LAYERS[name]
    check(lambda x, w, b: np.sum(np.sin(gw.conv(x, w, b, **options))), normal(*x), normal(*w), normal(w[0]))


@pytest.mark.parametrize("size", [(3, 3), (2, 4)], ids=str)
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_two_axes_equal_scipys_correlate(size, padding):
    x, w = normal(6, 7), normal(*size)
    expected = signal.correlate2d(np.pad(x, [((k - 1) // 2, k // 2) for k in size]), w, mode="valid")
    if padding == "valid":
        expected = signal.correlate2d(x, w, mode="valid")
    np.testing.assert_allclose(gw.conv(x[None, None], w[None, None], padding=padding)[0, 0], expected, rtol=1e-12)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_same_padding_with_strides_gives_one_output_per_step(stride):
    out = gw.conv(normal(1, 1, 7, 8), normal(1, 1, 3, 3), stride=stride, padding="same")
    assert out.shape[2:] == (-(-7 // stride), -(-8 // stride))


def test_pairs_of_padding():
    x, w = normal(1, 2, 5, 4), normal(3, 2, 3, 3)
    expected = loop_conv(np.pad(x, [(0, 0), (0, 0), (1, 0), (2, 1)]), w)
    np.testing.assert_allclose(gw.conv(x, w, padding=((1, 0), (2, 1))), expected, rtol=1e-12)


def test_layers_keep_float32():
    x, w = normal(1, 2, 4, 4).astype("float32"), normal(2, 2, 3, 3).astype("float32")
    value, gradients = gw.value_and_grad(lambda x, w: np.sum(gw.conv(x, w, padding=1) ** 2), argnums=(0, 1))(x, w)
    assert {value.dtype, *(g.dtype for g in gradients)} == {np.dtype("float32")}


@pytest.mark.parametrize(
    ("x", "w", "options", "message"),
    [
        ((3, 4, 4), (2, 3, 3, 3), {}, r"\(examples, channels, 2 spatial axes\)"),
        ((1, 2, 4, 4), (2, 3, 3, 3), {}, "2 channels"),
        ((1, 4, 4, 4), (3, 2, 3, 3), {"groups": 2}, "groups=2"),
        ((1, 3, 2, 2), (2, 3, 3, 3), {}, "a window of 3 entries does not fit"),
        ((1, 3, 4, 4), (2, 3, 3, 3), {"stride": 0}, "stride is one number"),
        ((1, 3, 4, 4), (2, 3, 3, 3), {"padding": (1, 2, 3)}, "padding is one number"),
        ((1, 3), (2, 3), {}, "1 to 3 spatial axes"),
    ],
)
def test_layers_that_do_not_fit(x, w, options, message):
    with pytest.raises(gw.ShapeError, match=message):
        gw.conv(normal(*x), normal(*w), **options)


def test_a_bias_that_does_not_fit_and_an_unknown_padding():
    x, w = normal(1, 1, 3, 3), normal(2, 1, 2, 2)
    with pytest.raises(gw.ShapeError, match="one number per kernel"):
        gw.conv(x, w, normal(3))
    with pytest.raises(gw.UnsupportedError, match="'same' or 'valid'"):
        gw.conv(x, w, padding="reflect")


# -------------------------------------------------------------------------------------------------------------- pooling


def loop_pool(fold, x, size, stride, padding, fill):
    x = np.pad(x, [(0, 0), (0, 0), *[(padding, padding)] * (x.ndim - 2)], constant_values=fill)
    counts = [(n - k) // stride + 1 for n, k in zip(x.shape[2:], size, strict=True)]
    out = np.zeros((*x.shape[:2], *counts))
    for place in np.ndindex(*counts):
        key = tuple(slice(p * stride, p * stride + k) for p, k in zip(place, size, strict=True))
        out[(..., *place)] = fold(x[(slice(None), slice(None), *key)], axis=tuple(range(2, x.ndim)))
    return out


@pytest.mark.parametrize(
    ("shape", "size", "stride", "padding"),
    [
        ((2, 3, 4, 6), (2, 2), 2, 0), ((1, 2, 5, 5), (3, 2), 1, 1), ((2, 1, 7), (3,), 2, 1),
        ((1, 1, 4, 4, 4), (2, 2, 2), 2, 0), ((1, 2, 5, 5), (2, 2), 2, 0),
    ],
)  # fmt: skip
def test_pooling_equals_its_definition(shape, size, stride, padding):
    x = normal(*shape)
    for ours, fold, fill in ((gw.max_pool, np.max, -np.inf), (gw.average_pool, np.mean, 0.0)):
        expected = loop_pool(fold, x, size, stride, padding, fill)
        np.testing.assert_allclose(ours(x, size, stride=stride, padding=padding), expected, rtol=1e-13)
        check(lambda x, ours=ours: np.sum(np.sin(ours(x, size, stride=stride, padding=padding))), x)


def test_winners_of_a_window_that_tie_share_the_gradient():
    x = np.array([[[[1.0, 3.0], [3.0, 2.0]]]])
    np.testing.assert_array_equal(gw.grad(lambda x: np.sum(gw.max_pool(x)))(x), [[[[0.0, 0.5], [0.5, 0.0]]]])


def test_pooling_wants_images():
    with pytest.raises(gw.ShapeError, match="examples, channels, spatial axes"):
        gw.max_pool(np.ones((4, 4)))
    with pytest.raises(gw.ShapeError, match="size is one number"):
        gw.average_pool(np.ones((1, 1, 4, 4)), (2, 2, 2))
