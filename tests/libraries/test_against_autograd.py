"""Gradients of Gatewise on PyTorch's and JAX's arrays, against those that these libraries compute themselves."""

from __future__ import annotations

import numpy as np
import pytest

import gatewise as gw

rng = np.random.default_rng(7)
VECTOR, OTHER = rng.uniform(0.2, 0.9, 6), rng.uniform(0.3, 2.0, 6)
MATRIX, SECOND = rng.standard_normal((3, 4)), rng.standard_normal((4, 2))
SQUARE = rng.standard_normal((3, 3)) + 3 * np.eye(3)
POSITIVE = SQUARE @ SQUARE.T
SIGNAL, KERNEL = rng.standard_normal((2, 3, 9)), rng.standard_normal((4, 3, 3))


def convolution(jax):
    def convolved(x, k):
        return jax.lax.conv_general_dilated(x, k, (1,), "VALID")

    return convolved


#: Ours, PyTorch's spelling, JAX's spelling (each given the library), and the arguments.
FUNCTIONS = {
    "tanh": (gw.tanh, lambda t: t.tanh, lambda j: j.numpy.tanh, [VECTOR]),
    "log1p": (gw.log1p, lambda t: t.log1p, lambda j: j.numpy.log1p, [VECTOR]),
    "sqrt": (gw.sqrt, lambda t: t.sqrt, lambda j: j.numpy.sqrt, [VECTOR]),
    "asin": (gw.asin, lambda t: t.asin, lambda j: j.numpy.arcsin, [VECTOR]),
    "atan2": (gw.atan2, lambda t: t.atan2, lambda j: j.numpy.arctan2, [VECTOR, OTHER]),
    "pow": (gw.pow, lambda t: t.pow, lambda j: j.numpy.power, [VECTOR, OTHER]),
    "hypot": (gw.hypot, lambda t: t.hypot, lambda j: j.numpy.hypot, [VECTOR, OTHER]),
    "logaddexp": (gw.logaddexp, lambda t: t.logaddexp, lambda j: j.numpy.logaddexp, [VECTOR, OTHER]),
    "sigmoid": (gw.sigmoid, lambda t: t.sigmoid, lambda j: j.nn.sigmoid, [VECTOR]),
    "relu": (gw.relu, lambda t: t.relu, lambda j: j.nn.relu, [MATRIX]),
    "gelu": (gw.gelu, lambda t: t.nn.functional.gelu, lambda j: lambda x: j.nn.gelu(x, approximate=False), [MATRIX]),
    "softplus": (gw.softplus, lambda t: t.nn.functional.softplus, lambda j: j.nn.softplus, [MATRIX]),
    "maximum": (gw.maximum, lambda t: t.maximum, lambda j: j.numpy.maximum, [VECTOR, OTHER]),
    "clip": (lambda x: gw.clip(x, -0.5, 0.5), lambda t: lambda x: t.clip(x, -0.5, 0.5),
             lambda j: lambda x: j.numpy.clip(x, -0.5, 0.5), [MATRIX]),
    "erf": (gw.erf, lambda t: t.erf, lambda j: j.scipy.special.erf, [MATRIX]),
    "gammaln": (gw.gammaln, lambda t: t.lgamma, lambda j: j.scipy.special.gammaln, [VECTOR]),
    "digamma": (gw.digamma, lambda t: t.digamma, lambda j: j.scipy.special.digamma, [VECTOR]),
    "sum": (lambda x: gw.sum(x, axis=0), lambda t: lambda x: x.sum(0), lambda j: lambda x: x.sum(0), [MATRIX]),
    "mean": (lambda x: gw.mean(x, axis=1), lambda t: lambda x: x.mean(1), lambda j: lambda x: x.mean(1), [MATRIX]),
    "var": (lambda x: gw.var(x, axis=1), lambda t: lambda x: x.var(1, correction=0),
            lambda j: lambda x: x.var(1), [MATRIX]),
    "prod": (lambda x: gw.prod(x, axis=1), lambda t: lambda x: x.prod(1), lambda j: lambda x: x.prod(1), [MATRIX]),
    "logsumexp": (lambda x: gw.logsumexp(x, axis=1), lambda t: lambda x: x.logsumexp(1),
                  lambda j: lambda x: j.nn.logsumexp(x, axis=1), [MATRIX]),
    "max": (lambda x: gw.max(x, axis=1), lambda t: lambda x: x.amax(1), lambda j: lambda x: x.max(1), [MATRIX]),
    "softmax": (gw.softmax, lambda t: lambda x: t.softmax(x, -1), lambda j: j.nn.softmax, [MATRIX]),
    "log_softmax": (gw.log_softmax, lambda t: lambda x: t.log_softmax(x, -1), lambda j: j.nn.log_softmax, [MATRIX]),
    "norm": (lambda x: gw.linalg.vector_norm(x, axis=1), lambda t: lambda x: t.linalg.vector_norm(x, dim=1),
             lambda j: lambda x: j.numpy.linalg.norm(x, axis=1), [MATRIX]),
    "matmul": (gw.matmul, lambda t: t.matmul, lambda j: j.numpy.matmul, [MATRIX, SECOND]),
    "einsum": (lambda x, y: gw.einsum("ij,jk->ki", x, y), lambda t: lambda x, y: t.einsum("ij,jk->ki", x, y),
               lambda j: lambda x, y: j.numpy.einsum("ij,jk->ki", x, y), [MATRIX, SECOND]),
    "sort": (gw.sort, lambda t: lambda x: t.sort(x).values, lambda j: j.numpy.sort, [MATRIX]),
    "cumsum": (lambda x: gw.cumsum(x, axis=1), lambda t: lambda x: x.cumsum(1), lambda j: lambda x: x.cumsum(1),
               [MATRIX]),
    "cumprod": (lambda x: gw.cumprod(x, axis=1), lambda t: lambda x: x.cumprod(1), lambda j: lambda x: x.cumprod(1),
                [MATRIX]),
    "index": (lambda x: x[[2, 0, 0], 1:], lambda t: lambda x: x[[2, 0, 0], 1:],
              lambda j: lambda x: x[j.numpy.asarray([2, 0, 0]), 1:], [MATRIX]),
    "conv1d": (gw.conv, lambda t: t.nn.functional.conv1d, convolution, [SIGNAL, KERNEL]),
    "inv": (gw.inv, lambda t: t.linalg.inv, lambda j: j.numpy.linalg.inv, [SQUARE]),
    "det": (gw.det, lambda t: t.linalg.det, lambda j: j.numpy.linalg.det, [SQUARE]),
    "solve": (gw.linalg.solve, lambda t: t.linalg.solve, lambda j: j.numpy.linalg.solve, [SQUARE, VECTOR[:3]]),
    "cholesky": (lambda x: gw.linalg.cholesky(x @ x.mT), lambda t: lambda x: t.linalg.cholesky(x @ x.mT),
                 lambda j: lambda x: j.numpy.linalg.cholesky(x @ x.mT), [SQUARE]),
    "eigvalsh": (gw.linalg.eigvalsh, lambda t: t.linalg.eigvalsh, lambda j: j.numpy.linalg.eigvalsh, [POSITIVE]),
    "fft": (lambda x: gw.abs(gw.fft.fft(x)), lambda t: lambda x: t.fft.fft(x).abs(),
            lambda j: lambda x: abs(j.numpy.fft.fft(x)), [VECTOR]),
}  # fmt: skip


def gradients_by(framework, name, arguments, jax_or_torch):
    """The library's own gradients of the sum of sines of the function's values."""
    _, torch_spelling, jax_spelling, _ = FUNCTIONS[name]
    if framework.name == "torch":
        torch = jax_or_torch
        leaves = [argument.clone().requires_grad_() for argument in arguments]
        loss = torch_spelling(torch)(*leaves).sin().sum()
        return torch.autograd.grad(loss, leaves)
    jax = jax_or_torch
    f = jax_spelling(jax)
    return jax.grad(lambda *xs: jax.numpy.sin(f(*xs)).sum(), argnums=tuple(range(len(arguments))))(*arguments)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_equal_the_librarys_own(framework, name, request):
    ours, _, _, values = FUNCTIONS[name]
    arguments = [framework.array(value) for value in values]
    theirs = gradients_by(framework, name, arguments, request.getfixturevalue(framework.name))
    positions = tuple(range(len(values)))
    found = gw.grad(lambda *xs: gw.sum(gw.sin(ours(*xs))), argnums=positions)(*arguments)
    for one, other in zip(found, theirs, strict=True):
        if name in ("eigvalsh",):  # a symmetric argument: which triangle is read is a choice, what both share is not
            one, other = one + one.mT, other + other.mT
        np.testing.assert_allclose(framework.numpy(one), framework.numpy(other), rtol=1e-8, atol=1e-10)


def test_second_derivatives_equal_torchs(torch):
    x = torch.tensor(VECTOR)
    f = lambda x: gw.logsumexp(x * x) * gw.tanh(x[0])  # noqa: E731
    wanted = torch.autograd.functional.hessian(lambda x: (x * x).logsumexp(0) * x[0].tanh(), x)
    torch.testing.assert_close(gw.hessian(f)(x), wanted)


def test_second_derivatives_equal_jaxs(jax):
    x = jax.numpy.asarray(VECTOR)
    f = lambda x: gw.logsumexp(x * x) * gw.tanh(x[0])  # noqa: E731
    wanted = jax.hessian(lambda x: jax.nn.logsumexp(x * x) * jax.numpy.tanh(x[0]))(x)
    np.testing.assert_allclose(gw.hessian(f)(x), wanted, rtol=1e-9)


def test_our_gradient_runs_under_jit(jax):
    def loss(W, x):
        hidden = gw.tanh(W @ x)
        return gw.sum(gw.where(hidden > 0, gw.log(hidden), 0.0)) + gw.logsumexp(W[0] * x)

    W, x = jax.numpy.asarray(MATRIX), jax.numpy.asarray(VECTOR[:4])
    compiled = jax.jit(gw.grad(loss, argnums=(0, 1)))
    for one, other in zip(compiled(W, x), gw.grad(loss, argnums=(0, 1))(W, x), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10)


def test_zeros_stay_zero_under_jit(jax):
    f = jax.jit(gw.grad(lambda x: gw.sum(gw.where(x > 0, gw.log(x), 0.0))))
    assert f(jax.numpy.asarray([0.0, 2.0])).tolist() == [0.0, 0.5]
