"""Fourier transforms against NumPy over lengths, axes and scalings; gradients against central differences."""

from __future__ import annotations

import numpy as np
import pytest

import gatewise as gw

rng = np.random.default_rng(0)
X = rng.standard_normal((3, 4, 5))
Z = X + 1j * rng.standard_normal(X.shape)
SMALL = rng.standard_normal((2, 3))
NORMS = [None, "backward", "ortho", "forward"]
ONE = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]
SEVERAL = ["fftn", "ifftn", "rfftn", "irfftn"]


def agrees(name, x, **options):
    """Value, shape and dtype are NumPy's, and the pullback is the transpose of the (linear) map."""
    f = lambda y: getattr(np.fft, name)(y, **options)  # noqa: E731
    expected = f(x)
    found, pullback = gw.vjp(f, x)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    upstream = rng.standard_normal(found.shape)
    tangent = rng.standard_normal(x.shape)
    if found.dtype.kind == "c":
        upstream = upstream + 1j * rng.standard_normal(found.shape)
    if x.dtype.kind == "c":
        tangent = tangent + 1j * rng.standard_normal(x.shape)
    (gradient,) = pullback(upstream)
    assert gradient.dtype == x.dtype
    assert np.vdot(gradient, tangent).real == pytest.approx(np.vdot(upstream, f(tangent)).real, rel=1e-11)
    np.testing.assert_allclose(gw.jvp(f, (x,), (tangent,))[1], f(tangent), rtol=1e-11, atol=1e-12)


def operands(name):
    return [X] if name in ("rfft", "ihfft", "rfftn", "rfft2") else [X, Z]


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("n", [None, 1, 2, 3, 4, 7, 8])
@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_transforms_along_an_axis(name, n, axis):
    for x in operands(name):
        agrees(name, x, n=n, axis=axis)


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("norm", NORMS)
def test_scalings(name, norm):
    for x in operands(name):
        agrees(name, x, norm=norm)


@pytest.mark.parametrize("name", SEVERAL)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(
    ("s", "axes"),
    [
        (None, None),
        (None, (0,)),
        (None, (2, 0)),
        (None, (1, 1)),
        ((2, 6), (0, 1)),
        ((-1, 3), (1, 2)),
        ((3, -1), (-1, 0)),
        ((4, 4, 4), (0, 1, 2)),
    ],
)
def test_transforms_of_several_axes(name, norm, s, axes):
    for x in operands(name):
        agrees(name, x, s=s, axes=axes, norm=norm)


@pytest.mark.parametrize("name", ["fft2", "ifft2", "rfft2", "irfft2"])
@pytest.mark.parametrize("axes", [(-2, -1), (0, 1)])
def test_transforms_of_two_axes(name, axes):
    for x in operands(name):
        agrees(name, x, axes=axes)
        agrees(name, x, s=(3, 6), axes=axes)


@pytest.mark.parametrize("name", ["fftshift", "ifftshift"])
@pytest.mark.parametrize("axes", [None, 0, -1, (0, 2)])
def test_shifts(name, axes):
    for x in (X, Z):
        agrees(name, x, axes=axes)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128", "int64"])
@pytest.mark.parametrize("name", ["fft", "ifft", "irfft", "hfft"])
def test_dtypes_are_numpys(name, dtype):
    x = np.arange(6).astype(dtype)
    ours, theirs = getattr(gw.fft, name)(x), getattr(np.fft, name)(x)
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_lists_are_taken():
    np.testing.assert_allclose(gw.fft.fft([1.0, 2.0]), [3, -1])
    np.testing.assert_allclose(gw.fft.rfft([1.0, 2.0]), [3, -1])
    np.testing.assert_array_equal(gw.fft.fftshift([1, 2, 3]), [3, 1, 2])


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "fftn", "rfftn", "ihfft"])
def test_second_derivatives_of_the_power_spectrum(name):
    f = lambda x: np.sum(np.sin(np.abs(getattr(np.fft, name)(x)) ** 2))  # noqa: E731
    assert gw.check_grads(f, (SMALL,), order=2).passed


@pytest.mark.parametrize("name", ["irfft", "hfft", "irfftn"])
def test_second_derivatives_of_real_transforms(name):
    f = lambda x: np.sum(np.sin(getattr(np.fft, name)(np.fft.rfft(x) ** 2)))  # noqa: E731
    assert gw.check_grads(f, (SMALL,), order=2).passed


def test_parsevals_theorem():
    gradient = gw.grad(lambda x: np.sum(np.abs(np.fft.fft(x, norm="ortho")) ** 2))(X)
    np.testing.assert_allclose(gradient, 2 * X)


def test_there_and_back():
    gradient = gw.grad(lambda x: np.sum(np.fft.irfft(np.fft.rfft(x), n=5) * X))(X)
    np.testing.assert_allclose(gradient, X, atol=1e-12)


def test_a_convolution_by_way_of_spectra():
    a, b = rng.standard_normal(4), rng.standard_normal(3)
    by_fft = lambda a, b: np.sum(np.fft.irfft(np.fft.rfft(a, 6) * np.fft.rfft(b, 6), 6) ** 2)  # noqa: E731
    assert by_fft(a, b) == pytest.approx(np.sum(np.convolve(a, b) ** 2))
    assert gw.check_grads(by_fft, (a, b), order=2).passed


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: np.fft.fft(x, n=0), "at least one entry"),
        (lambda x: np.fft.irfft(x[:, :1]), "at least one entry"),
        (lambda x: np.fft.fft(x, axis=2), "out of range"),
        (lambda x: np.fft.fft(x, norm="unitary"), "norm is"),
        (lambda x: np.fft.rfft(x * 1j), "real numbers"),
        (lambda x: np.fft.fftn(x, s=(2,), axes=(0, 1)), "1 lengths for 2 axes"),
        (lambda x: np.fft.rfftn(x, axes=()), "at least one axis"),
    ],
)
def test_errors_teach(call, message):
    with pytest.raises(gw.GatewiseError, match=message):
        gw.vjp(call, SMALL)
