"""The rows of compiled code: losses of models, each value and gradient of all parameters.

Each objective is written once against a NumPy-like namespace; where a library is used differently by those who know it
(PyTorch's losses and fused recurrences, loops as scans), `instead` holds that form. Sizes follow micrograd's demo, the
CS231n assignments and ADBench (F. Srajer, Z. Kukelova, A. Fitzgibbon, "A benchmark of selected algorithmic
differentiation tools on some problems in computer vision and machine learning", 2018), with random data of its sizes.
"""

from __future__ import annotations

import math
import random as plain_random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

NO_SCALARS = {"micrograd": "scalars only", "casadi": "scalars only here"}
RECURRENT = {"mygrad": "see autograd", "autograd": "takes seconds a call", "jax": "see jax jit"}


def _normal(*shape: int, seed: int = 0, scale: float = 1.0) -> Any:
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def _layers(*sizes: int, dtype: Any = np.float32) -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    made: list[Any] = []
    for rows, columns in pairwise(sizes):
        weights = rng.standard_normal((rows, columns)) * math.sqrt(2 / rows)
        made += [weights.astype(dtype), (0.1 * rng.standard_normal(columns)).astype(dtype)]
    return tuple(made)


# ------------------------------------------------------------------------------------------------------- element-wise


def chain(xp: Any, x: Any, w: Any) -> Any:
    y = xp.tanh(x * w + 0.5)
    z = xp.exp(-(y * y)) * xp.log(1.0 + x * x)
    return xp.sum(z * y + w)


# ---------------------------------------------------------------------------------------------------- small and dense


def moons() -> Any:
    rng = np.random.default_rng(1337)
    t = np.linspace(0, np.pi, 50)
    X = np.vstack([np.c_[np.cos(t), np.sin(t)], np.c_[1 - np.cos(t), 0.5 - np.sin(t)]])
    return _layers(2, 16, 16, 1, dtype=np.float64), (
        X + rng.normal(scale=0.1, size=X.shape),
        np.r_[-np.ones(50), np.ones(50)],
    )


def hinge_net(xp: Any, W1: Any, b1: Any, W2: Any, b2: Any, W3: Any, b3: Any, X: Any, y: Any) -> Any:
    zero = 0.0 * b1[0]
    h = xp.maximum(X @ W1 + b1, zero)
    h = xp.maximum(h @ W2 + b2, zero)
    scores = (h @ W3 + b3)[:, 0]
    penalty = sum(xp.sum(p * p) for p in (W1, b1, W2, b2, W3, b3))
    return xp.sum(xp.maximum(1.0 - y * scores, zero)) / 100 + 1e-4 * penalty


def scalar_moons() -> Any:
    random = plain_random.Random(1337)
    count = 2 * 16 + 16 + 16 * 16 + 16 + 16 + 1
    return tuple(random.uniform(-1, 1) for _ in range(count)), ()


def scalar_net(xp: Any, *weights: Any) -> Any:
    """micrograd's demo, neuron by neuron: about 60 000 scalar gates."""
    X, y = moons()[1]
    given = iter(weights)
    layers = [
        ([[next(given) for _ in range(n)] for _ in range(m)], [next(given) for _ in range(m)])
        for n, m in ((2, 16), (16, 16), (16, 1))
    ]

    def relu(x: Any) -> Any:
        return x.relu() if hasattr(x, "relu") else xp.fmax(x, 0.0) if hasattr(xp, "fmax") else xp.maximum(x, 0.0)

    losses = []
    for point, label in zip(X.tolist(), y.tolist(), strict=True):
        h: list[Any] = point
        for number, (W, b) in enumerate(layers):
            h = [sum((w * x for w, x in zip(row, h, strict=True)), bias) for row, bias in zip(W, b, strict=True)]
            h = [relu(x) for x in h] if number < 2 else h
        losses.append(relu(1.0 - label * h[0]))
    return sum(losses) * (1.0 / len(losses)) + 1e-4 * sum(w * w for w in weights)


def digits() -> Any:
    rng = np.random.default_rng(0)
    return _layers(784, 256, 128, 10), (rng.random((128, 784), dtype=np.float32), rng.integers(0, 10, 128))


def cross_entropy(xp: Any, scores: Any, y: Any) -> Any:
    peak = xp.max(scores, axis=1, keepdims=True)
    return xp.mean(xp.log(xp.sum(xp.exp(scores - peak), axis=1)) + peak[:, 0] - scores[np.arange(len(y)), y])


def softmax_net(xp: Any, W1: Any, b1: Any, W2: Any, b2: Any, W3: Any, b3: Any, X: Any, y: Any) -> Any:
    h = xp.maximum(X @ W1 + b1, 0.0)
    h = xp.maximum(h @ W2 + b2, 0.0)
    return cross_entropy(xp, h @ W3 + b3, y)


def softmax_net_torch(xp: Any, W1: Any, b1: Any, W2: Any, b2: Any, W3: Any, b3: Any, X: Any, y: Any) -> Any:
    h = (X @ W1 + b1).relu()
    h = (h @ W2 + b2).relu()
    return xp.nn.functional.cross_entropy(h @ W3 + b3, y)


def softmax_net_tinygrad(xp: Any, W1: Any, b1: Any, W2: Any, b2: Any, W3: Any, b3: Any, X: Any, y: Any) -> Any:
    h = (X @ W1 + b1).relu()
    h = (h @ W2 + b2).relu()
    return (h @ W3 + b3).sparse_categorical_crossentropy(y)


# -------------------------------------------------------------------------------------------------------- convolution


def images() -> Any:
    rng = np.random.default_rng(2)

    def filters(*shape: int) -> Any:
        return (rng.standard_normal(shape) * math.sqrt(2 / math.prod(shape[1:]))).astype(np.float32)

    zeros = np.zeros(32, np.float32)
    parameters = (
        filters(32, 3, 5, 5),
        zeros,
        filters(32, 32, 5, 5),
        zeros,
        filters(10, 2048).T.copy(),
        zeros[:10].copy(),
    )
    return parameters, (rng.standard_normal((32, 3, 32, 32)).astype(np.float32), rng.integers(0, 10, 32))


def conv_net(xp: Any, F1: Any, b1: Any, F2: Any, b2: Any, W: Any, b: Any, X: Any, y: Any) -> Any:
    import gatewise as gw

    def block(x: Any, F: Any, b: Any) -> Any:
        c = xp.maximum(gw.conv(x, F, padding=2) + b[:, None, None], 0.0)
        n, k, h, w = c.shape
        return xp.max(c.reshape(n, k, h // 2, 2, w // 2, 2), axis=(3, 5))

    return cross_entropy(xp, block(block(X, F1, b1), F2, b2).reshape(32, -1) @ W + b, y)


def conv_net_torch(xp: Any, F1: Any, b1: Any, F2: Any, b2: Any, W: Any, b: Any, X: Any, y: Any) -> Any:
    F = xp.nn.functional
    h = F.max_pool2d(F.relu(F.conv2d(X, F1, b1, padding=2)), 2)
    h = F.max_pool2d(F.relu(F.conv2d(h, F2, b2, padding=2)), 2)
    return F.cross_entropy(h.flatten(1) @ W + b, y)


def conv_net_tinygrad(xp: Any, F1: Any, b1: Any, F2: Any, b2: Any, W: Any, b: Any, X: Any, y: Any) -> Any:
    h = X.conv2d(F1, b1, padding=2).relu().max_pool2d(2)
    h = h.conv2d(F2, b2, padding=2).relu().max_pool2d(2)
    return (h.flatten(1) @ W + b).sparse_categorical_crossentropy(y)


def conv_net_jax(xp: Any, F1: Any, b1: Any, F2: Any, b2: Any, W: Any, b: Any, X: Any, y: Any) -> Any:
    from jax import lax

    def block(x: Any, F: Any, b: Any) -> Any:
        c = lax.conv_general_dilated(x, F, (1, 1), "SAME", dimension_numbers=("NHWC", "OIHW", "NHWC"))
        n, h, w, k = c.shape
        return xp.maximum(c + b, 0).reshape(n, h // 2, 2, w // 2, 2, k).max((2, 4))

    h = block(block(X.transpose(0, 2, 3, 1), F1, b1), F2, b2).transpose(0, 3, 1, 2)
    return cross_entropy(xp, h.reshape(32, -1) @ W + b, y)


# --------------------------------------------------------------------------------------------------------- recurrence

STEPS, BATCH, LETTERS, HIDDEN = 32, 16, 64, 128


def text() -> Any:
    rng = np.random.default_rng(0)

    def weights(*shape: int) -> Any:
        return (rng.standard_normal(shape) / math.sqrt(shape[0])).astype(np.float32)

    letters = rng.integers(0, LETTERS, (STEPS + 1, BATCH))
    parameters = (
        weights(LETTERS, 4 * HIDDEN), weights(HIDDEN, 4 * HIDDEN), np.zeros(4 * HIDDEN, np.float32),
        weights(HIDDEN, LETTERS), np.zeros(LETTERS, np.float32),
    )  # fmt: skip
    return parameters, (np.eye(LETTERS, dtype=np.float32)[letters[:-1]], letters[1:].reshape(-1))


def lstm_with(sigmoid: Any, tanh: Any, concatenate: Any, loss: Any) -> Callable[..., Any]:
    """The unrolled form."""

    def f(xp: Any, Wx: Any, Wh: Any, b: Any, Wy: Any, by: Any, X: Any, y: Any) -> Any:
        G = (X.reshape(STEPS * BATCH, LETTERS) @ Wx + b).reshape(STEPS, BATCH, 4 * HIDDEN)
        h = c = None
        outputs = []
        for t in range(STEPS):
            g = G[t] if h is None else G[t] + h @ Wh
            i, f, o = (sigmoid(xp)(g[:, k * HIDDEN : (k + 1) * HIDDEN]) for k in range(3))
            u = tanh(xp)(g[:, 3 * HIDDEN :])
            c = i * u if c is None else f * c + i * u
            h = o * tanh(xp)(c)
            outputs.append(h)
        return loss(xp, concatenate(xp)(outputs) @ Wy + by, y)

    return f


def lstm_scan(scan: Any, sigmoid: Any) -> Callable[..., Any]:
    """The form with a loop."""

    def f(xp: Any, Wx: Any, Wh: Any, b: Any, Wy: Any, by: Any, X: Any, y: Any) -> Any:
        G = (X.reshape(STEPS * BATCH, LETTERS) @ Wx + b).reshape(STEPS, BATCH, 4 * HIDDEN)

        def cell(state: Any, g: Any) -> Any:
            h, c = state
            g = g + h @ Wh
            i, f, o = (sigmoid()(g[:, k * HIDDEN : (k + 1) * HIDDEN]) for k in range(3))
            c = f * c + i * xp.tanh(g[:, 3 * HIDDEN :])
            h = o * xp.tanh(c)
            return (h, c), h

        zeros = np.zeros((BATCH, HIDDEN), np.float32)
        _, hs = scan()(cell, (zeros, zeros), G)
        return cross_entropy(xp, hs.reshape(STEPS * BATCH, HIDDEN) @ Wy + by, y)

    return f


def lstm_fused(xp: Any, Wx: Any, Wh: Any, b: Any, Wy: Any, by: Any, X: Any, y: Any) -> Any:
    """PyTorch's own LSTM, whose gates stand in another order."""
    H = HIDDEN

    def ordered(W: Any) -> Any:
        return xp.cat([W[..., : 2 * H], W[..., 3 * H :], W[..., 2 * H : 3 * H]], -1)

    zeros = xp.zeros(1, BATCH, H)
    weights = [ordered(Wx).t(), ordered(Wh).t(), ordered(b), xp.zeros(4 * H)]
    out, _, _ = xp.lstm(X, (zeros, zeros), weights, True, 1, 0.0, True, False, False)
    return xp.nn.functional.cross_entropy(out.reshape(STEPS * BATCH, H) @ Wy + by, y)


def _ours(name: str) -> Callable[[], Any]:
    def find() -> Any:
        import gatewise as gw

        return getattr(gw, name)

    return find


def _jax_scan() -> Any:
    from jax import lax

    return lax.scan


def _jax_sigmoid() -> Any:
    import jax

    return jax.nn.sigmoid


LAYERS, BITS, CHARACTERS = 2, 14, 1024


def characters() -> Any:
    rng = np.random.default_rng(0)
    main = rng.standard_normal((2 * LAYERS, 4 * BITS)) * 0.5
    extra = rng.standard_normal((3, BITS)) * 0.5
    state = rng.standard_normal((2 * LAYERS, BITS)) * 0.5
    return (main, extra), (state, (rng.random((CHARACTERS, BITS)) < 0.3).astype(float))


def adbench_lstm(scan: Any, sigmoid: Any) -> Callable[..., Any]:
    """ADBench's element-wise LSTM, as a loop."""

    def f(xp: Any, main: Any, extra: Any, state: Any, sequence: Any) -> Any:
        sig = sigmoid()

        def cell(s: Any, pair: Any) -> Any:
            x, gold = pair
            x = x * extra[0]
            new = []
            for k in range(0, 2 * LAYERS, 2):
                g = xp.concatenate([x, s[k], x, s[k]]) * main[k] + main[k + 1]
                n = BITS
                c = s[k + 1] * sig(g[:n]) + sig(g[n : 2 * n]) * xp.tanh(g[3 * n :])
                x = sig(g[2 * n : 3 * n]) * xp.tanh(c)
                new += [x, c]
            y = x * extra[1] + extra[2]
            return tuple(new), xp.sum(gold * (y - xp.log(xp.sum(xp.exp(y)) + 2.0)))

        start = tuple(state[k] for k in range(2 * LAYERS))
        _, losses = scan()(cell, start, (sequence[:-1], sequence[1:]))
        return -xp.sum(losses) / ((CHARACTERS - 1) * BITS)

    return f


# ---------------------------------------------------------------------------------------------------------- attention

ROWS, WIDTH, HEADS = 64, 128, 4


def sentences() -> Any:
    rng = np.random.default_rng(0)

    def weights(*shape: int) -> Any:
        return (rng.standard_normal(shape) / math.sqrt(shape[0])).astype(np.float32)

    def small(n: int) -> Any:
        return (rng.standard_normal(n) * 0.02).astype(np.float32)

    x = rng.standard_normal((8, ROWS, WIDTH)).astype(np.float32)
    parameters = (
        x, 1 + small(WIDTH), small(WIDTH), weights(WIDTH, 3 * WIDTH), small(3 * WIDTH), weights(WIDTH, WIDTH),
        small(WIDTH), 1 + small(WIDTH), small(WIDTH), weights(WIDTH, 4 * WIDTH), small(4 * WIDTH),
        weights(4 * WIDTH, WIDTH), small(WIDTH),
    )  # fmt: skip
    return parameters, (rng.standard_normal((8, ROWS, WIDTH)).astype(np.float32),)


def block_with(norm: Any, softmax: Any, gelu: Any, transpose: Any) -> Callable[..., Any]:
    def f(
        xp: Any, x: Any, g1: Any, b1: Any, Wqkv: Any, bqkv: Any, Wo: Any, bo: Any, g2: Any, b2: Any, W1: Any, c1: Any,
        W2: Any, c2: Any, R: Any,
    ) -> Any:  # fmt: skip
        h = norm(xp, x, g1, b1)
        qkv = transpose(xp, (h @ Wqkv + bqkv).reshape(8, ROWS, 3, HEADS, WIDTH // HEADS), (2, 0, 3, 1, 4))
        q, k, v = qkv[0], qkv[1], qkv[2]
        a = softmax(xp, (q @ transpose(xp, k, (0, 1, 3, 2))) * (HEADS / WIDTH) ** 0.5)
        o = transpose(xp, a @ v, (0, 2, 1, 3)).reshape(8, ROWS, WIDTH)
        x = x + o @ Wo + bo
        x = x + gelu(xp, norm(xp, x, g2, b2) @ W1 + c1) @ W2 + c2
        return xp.mean(x * R)

    return f


def _norm(xp: Any, x: Any, g: Any, b: Any) -> Any:
    centred = x - xp.mean(x, axis=-1, keepdims=True)
    return centred / xp.sqrt(xp.mean(centred * centred, axis=-1, keepdims=True) + 1e-5) * g + b


def _softmax(xp: Any, s: Any) -> Any:
    e = xp.exp(s - xp.max(s, axis=-1, keepdims=True))
    return e / xp.sum(e, axis=-1, keepdims=True)


def _gelu(xp: Any, v: Any) -> Any:
    return 0.5 * v * (1.0 + xp.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v * v * v)))


transformer = block_with(_norm, _softmax, _gelu, lambda xp, x, axes: xp.transpose(x, axes))
transformer_torch = block_with(
    lambda xp, x, g, b: xp.nn.functional.layer_norm(x, (WIDTH,), g, b, 1e-5),
    lambda xp, s: xp.softmax(s, -1),
    lambda xp, v: xp.nn.functional.gelu(v, approximate="tanh"),
    lambda xp, x, axes: x.permute(axes),
)
transformer_tinygrad = block_with(
    lambda xp, x, g, b: x.layernorm(eps=1e-5) * g + b,
    lambda xp, s: s.softmax(-1),
    lambda xp, v: v.gelu(),
    lambda xp, x, axes: x.permute(axes),
)


# ----------------------------------------------------------------------------------------------------- ADBench's others


def mixture(d: int, K: int) -> Callable[[], Any]:
    def arguments() -> Any:
        rng = np.random.default_rng(0)
        corner = d * (d - 1) // 2
        places = np.full((d, d), corner)  # of L[i, j] in the packed strict lower triangle; else a zero
        places[np.tril_indices(d, -1)] = np.arange(corner)
        parameters = (rng.standard_normal(K), rng.random((K, d)), rng.standard_normal((K, d + corner)) * 0.5)
        return parameters, (rng.random((1000, d)), places)

    return arguments


def gmm_with(library: Any) -> Callable[..., Any]:
    concatenate, peak, transpose = library

    def f(xp: Any, alphas: Any, means: Any, icf: Any, x: Any, places: Any) -> Any:
        n, d = x.shape
        K = alphas.shape[0]
        q, low = icf[:, :d], icf[:, d:]
        Q = xp.exp(q)
        zeros = 0.0 * alphas.reshape(K, 1)
        L = concatenate(xp, [low, zeros])[:, places.reshape(-1)].reshape(K, d, d)
        full = L + Q.reshape(K, 1, d) * xp.eye(d, dtype=x.dtype)
        y = (x.reshape(1, n, d) - means.reshape(K, 1, d)) @ transpose(xp, full)
        inner = (alphas + q.sum(1)).reshape(K, 1) - 0.5 * (y * y).sum(2)
        top, top_alpha = peak(xp, inner), peak(xp, alphas.reshape(K, 1))
        likelihood = xp.sum(xp.log(xp.sum(xp.exp(inner - top), 0)) + top[0])
        weight = xp.log(xp.sum(xp.exp(alphas.reshape(K, 1) - top_alpha))) + top_alpha[0, 0]
        prior = 0.5 * ((Q * Q).sum() + (low * low).sum()) - q.sum()
        return likelihood - n * weight + prior

    return f


gmm = gmm_with((
    lambda xp, arrays: xp.concatenate(arrays, axis=1),
    lambda xp, x: xp.max(x, axis=0, keepdims=True),
    lambda xp, x: xp.transpose(x, (0, 2, 1)),
))  # fmt: skip
gmm_torch = gmm_with((
    lambda xp, arrays: xp.cat(arrays, 1),
    lambda xp, x: x.amax(0, keepdim=True).detach(),
    lambda xp, x: x.transpose(1, 2),
))  # fmt: skip
gmm_tinygrad = gmm_with((
    lambda xp, arrays: xp.cat(*arrays, dim=1),
    lambda xp, x: x.max(0, keepdim=True).detach(),
    lambda xp, x: x.transpose(1, 2),
))  # fmt: skip


# --------------------------------------------------------------------------------------------------- bundle adjustment

CAMERAS, POINTS, OBSERVATIONS = 49, 7776, 31843


def scene(cameras: int = CAMERAS, points: int = POINTS, observations: int = OBSERVATIONS) -> Any:
    """Cameras (rotation, centre, focal length, principal point, distortion) around points, and what they see where."""
    rng = np.random.default_rng(0)

    def around(middle: list[float], spread: list[float], count: int) -> Any:
        return np.array(middle) + np.array(spread) * rng.standard_normal((count, len(middle)))

    middle = [0.2, -0.1, 0.3, 0.0, 0.0, -12.0, 500.0, 5.0, -8.0, 0.1, 0.02]
    spread = [0.2, 0.2, 0.2, 1.0, 1.0, 1.0, 50.0, 2.0, 2.0, 0.05, 0.01]
    parameters = (
        around(middle, spread, cameras),
        around([0.0] * 3, [1.0] * 3, points),
        around([1.0], [0.1], observations)[:, 0],
    )
    seen = rng.integers(0, cameras, observations), rng.integers(0, points, observations)
    return parameters, (around([0.0] * 2, [100.0] * 2, observations), *seen)


def reprojection(xp: Any, camera: Any, point: Any, weight: Any, feature: Any) -> Any:
    """How far from its feature a camera sees a point, weighted: across and down. A number more per axis in front."""
    r0, r1, r2 = camera[..., 0], camera[..., 1], camera[..., 2]
    x0, x1, x2 = (point[..., k] - camera[..., 3 + k] for k in range(3))
    angle = xp.sqrt(r0 * r0 + r1 * r1 + r2 * r2)
    cos, sin = xp.cos(angle), xp.sin(angle)
    a0, a1, a2 = r0 / angle, r1 / angle, r2 / angle
    along = (a0 * x0 + a1 * x1 + a2 * x2) * (1.0 - cos)
    y0 = x0 * cos + (a1 * x2 - a2 * x1) * sin + a0 * along
    y1 = x1 * cos + (a2 * x0 - a0 * x2) * sin + a1 * along
    y2 = x2 * cos + (a0 * x1 - a1 * x0) * sin + a2 * along
    u, v = y0 / y2, y1 / y2
    square = u * u + v * v
    scale = camera[..., 6] * (1.0 + camera[..., 9] * square + camera[..., 10] * square * square)
    across, down = (u * scale + camera[..., 7], v * scale + camera[..., 8])
    return weight * (across - feature[..., 0]), weight * (down - feature[..., 1])


def weight_error(weight: Any) -> Any:
    return 1.0 - weight * weight


def adjustment(pullback: Any, stack: Any, concatenate: Any) -> Callable[..., Any]:
    """ADBench's errors and Jacobians, by two products with the transposed Jacobian of all observations at once.

    Returned are the reprojections' errors (n, 2), those of the weights (n,), the Jacobian (n, 2, 15) by camera, point
    and weight, and that of the weights' errors (n,).
    """

    def f(
        xp: Any, cameras: Any, points: Any, weights: Any, features: Any, camera_of: Any, point_of: Any
    ) -> tuple[Any, ...]:
        def errors(camera: Any, point: Any, weight: Any) -> Any:
            return stack(xp)(reprojection(xp, camera, point, weight, features), -1)

        found, pull = pullback(xp)(errors, cameras[camera_of], points[point_of], weights)
        zero = 0.0 * weights
        rows = []
        for upstream in ((zero + 1.0, zero), (zero, zero + 1.0)):
            camera, point, weight = pull(stack(xp)(upstream, -1))
            rows.append(concatenate(xp)([camera, point, weight[:, None]], -1))
        apart, pull = pullback(xp)(weight_error, weights)
        return found, apart, stack(xp)(rows, 1), pull(zero + 1.0)[0]

    return f


def _gatewise_pullback(xp: Any) -> Any:
    import gatewise as gw

    return gw.vjp


def _jax_pullback(xp: Any) -> Any:
    import jax

    return jax.vjp


def _torch_pullback(xp: Any) -> Any:
    """Of autograd's engine, which is quicker than ``torch.func.vjp`` where nothing is compiled."""

    def pullback(f: Any, *primals: Any) -> Any:
        leaves = [primal.detach().requires_grad_() for primal in primals]
        value = f(*leaves)
        return value.detach(), lambda upstream: xp.autograd.grad(value, leaves, upstream, retain_graph=True)

    return pullback


def _torch_compiled_pullback(xp: Any) -> Any:
    return xp.func.vjp


def _autograd_pullback(xp: Any) -> Any:
    from autograd import make_vjp

    def pullback(f: Any, *primals: Any) -> Any:
        pull, value = make_vjp(lambda arguments: f(*arguments))(primals)
        return value, pull

    return pullback


def _mygrad_pullback(xp: Any) -> Any:
    """Forward again for every product, since going back frees the graph."""

    def pullback(f: Any, *primals: Any) -> Any:
        def pull(upstream: Any) -> Any:
            tensors = [xp.tensor(primal) for primal in primals]
            f(*tensors).backward(upstream)
            return [tensor.grad for tensor in tensors]

        return f(*primals).data, pull

    return pullback


def _tinygrad_pullback(xp: Any) -> Any:
    def pullback(f: Any, *primals: Any) -> Any:
        primals = tuple(primal.contiguous() for primal in primals)
        value = f(*primals)
        return value, lambda upstream: value.gradient(*primals, gradient=upstream)

    return pullback


def adjustment_by_hand(
    cameras: Any, points: Any, weights: Any, features: Any, camera_of: Any, point_of: Any
) -> tuple[Any, ...]:
    rotations, turned_by = _rotations(cameras[:, :3])
    c, R = cameras[camera_of], rotations[camera_of]
    x = points[point_of] - c[:, 3:6]
    y = (R @ x[:, :, None])[:, :, 0]
    depth = y[:, 2, None]
    plane = y[:, :2] / depth
    square = np.sum(plane * plane, axis=1)[:, None]
    focal, k1, k2 = c[:, 6, None], c[:, 9, None], c[:, 10, None]
    radial = 1 + k1 * square + k2 * square**2
    by_plane = focal[:, :, None] * (
        radial[:, :, None] * np.eye(2) + 2 * (k1 + 2 * k2 * square)[:, :, None] * plane[:, :, None] * plane[:, None, :]
    )
    by_y = np.concatenate([by_plane, -by_plane @ plane[:, :, None]], axis=2) / depth[:, :, None]
    by_point = by_y @ R
    jacobian = np.zeros((len(weights), 2, 15))
    jacobian[:, :, :3] = np.cross(x[:, None, :], by_point) @ turned_by[camera_of]
    jacobian[:, :, 3:6] = -by_point
    jacobian[:, :, 6] = plane * radial
    jacobian[:, :, 7:9] = np.eye(2)
    jacobian[:, :, 9] = focal * plane * square
    jacobian[:, :, 10] = focal * plane * square**2
    jacobian[:, :, 11:14] = by_point
    jacobian *= weights[:, None, None]
    error = focal * plane * radial + c[:, 7:9] - features
    jacobian[:, :, 14] = error
    return weights[:, None] * error, 1 - weights**2, jacobian, -2 * weights


def _rotations(r: Any) -> tuple[Any, Any]:
    """Rotation matrices R of vectors r (Rodrigues), and (r rᵀ + (Rᵀ - 1) [r]) / |r|².

    With the latter the derivative of R x by r is -R [x] (...), [x] being the matrix of the cross product (G. Gallego,
    A. Yezzi, "A compact formula for the derivative of a 3-D rotation in exponential coordinates", 2015).
    """
    angle = np.sqrt(np.sum(r * r, axis=1))[:, None, None]
    cross = np.zeros((len(r), 3, 3))
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        cross[:, i, j], cross[:, j, i] = -r[:, k], r[:, k]
    R = np.eye(3) + np.sin(angle) / angle * cross + (1 - np.cos(angle)) / angle**2 * cross @ cross
    outer = r[:, :, None] * r[:, None, :]
    return R, (outer + (np.transpose(R, (0, 2, 1)) - np.eye(3)) @ cross) / angle**2


def adjustment_in_numba(numba: Any) -> Callable[..., Any]:
    """The same formulas, observation by observation."""

    def fill(
        cameras: Any, rotations: Any, turned_by: Any, points: Any, weights: Any, features: Any, camera_of: Any,
        point_of: Any, errors: Any, jacobian: Any,
    ) -> None:  # fmt: skip
        for n in numba.prange(len(weights)):
            c, R, M, w = cameras[camera_of[n]], rotations[camera_of[n]], turned_by[camera_of[n]], weights[n]
            p = points[point_of[n]]
            x0, x1, x2 = p[0] - c[3], p[1] - c[4], p[2] - c[5]
            over = 1 / (R[2, 0] * x0 + R[2, 1] * x1 + R[2, 2] * x2)
            plane = (
                (R[0, 0] * x0 + R[0, 1] * x1 + R[0, 2] * x2) * over,
                (R[1, 0] * x0 + R[1, 1] * x1 + R[1, 2] * x2) * over,
            )
            square = plane[0] * plane[0] + plane[1] * plane[1]
            radial = 1 + c[9] * square + c[10] * square * square
            slope = 2 * (c[9] + 2 * c[10] * square)
            for k in range(2):
                row, at, scale = jacobian[n, k], plane[k], w * c[6] * over
                d0 = scale * (slope * at * plane[0] + (radial if k == 0 else 0.0))
                d1 = scale * (slope * at * plane[1] + (radial if k == 1 else 0.0))
                d2 = -(d0 * plane[0] + d1 * plane[1])
                g0 = d0 * R[0, 0] + d1 * R[1, 0] + d2 * R[2, 0]
                g1 = d0 * R[0, 1] + d1 * R[1, 1] + d2 * R[2, 1]
                g2 = d0 * R[0, 2] + d1 * R[1, 2] + d2 * R[2, 2]
                t0, t1, t2 = x1 * g2 - x2 * g1, x2 * g0 - x0 * g2, x0 * g1 - x1 * g0
                for axis in range(3):
                    row[axis] = t0 * M[0, axis] + t1 * M[1, axis] + t2 * M[2, axis]
                row[3], row[4], row[5], row[11], row[12], row[13] = -g0, -g1, -g2, g0, g1, g2
                row[6] = w * at * radial
                row[7 + k], row[8 - k] = w, 0.0
                row[9] = w * c[6] * at * square
                row[10] = row[9] * square
                row[14] = c[6] * at * radial + c[7 + k] - features[n, k]
                errors[n, k] = w * row[14]

    compiled = numba.njit(parallel=True, fastmath=True)(fill)

    def f(cameras: Any, points: Any, weights: Any, *seen: Any) -> tuple[Any, ...]:
        errors, jacobian = np.empty((len(weights), 2)), np.empty((len(weights), 2, 15))
        compiled(cameras, *_rotations(cameras[:, :3]), points, weights, *seen, errors, jacobian)
        return errors, 1 - weights**2, jacobian, -2 * weights

    return f


def model_rows(Row: Any, compiled: Callable[[float], Any]) -> list[Any]:
    """The rows of this file."""

    def chain_arguments(size: int) -> Callable[[], Any]:
        return lambda: ((_normal(size), _normal(size, seed=1)), ())

    eager = lambda name: lambda xp: getattr(xp, name)  # noqa: E731  (looked up in the peer's namespace)
    stable = lambda xp: lambda v: 0.5 * (xp.tanh(0.5 * v) + 1.0)  # noqa: E731
    lstm = lstm_with(stable, eager("tanh"), eager("concatenate"), cross_entropy)
    lstm_torch = lstm_with(
        eager("sigmoid"), eager("tanh"), eager("cat"), lambda xp, s, y: xp.nn.functional.cross_entropy(s, y)
    )
    numpy_like = eager("stack"), eager("concatenate")
    torch_like = eager("stack"), eager("cat")
    tinygrad_like = (
        lambda xp: lambda parts, axis: xp.stack(*parts, dim=axis),
        lambda xp: lambda parts, axis: xp.cat(*parts, dim=axis),
    )
    ours, theirs = lstm_scan(_ours("scan"), _ours("sigmoid")), lstm_scan(_jax_scan, _jax_sigmoid)
    no_conv = {"autograd": "has no convolution", "mygrad": "takes seconds a call"}
    unrolled = {"tinygrad": "unrolls the loop: takes minutes to compile"}
    torch_too = dict.fromkeys(("torch eager", "torch.compile"))

    def both(objective: Any) -> dict[str, Any]:
        return dict.fromkeys(torch_too, objective)

    return [
        *(
            Row(
                f"chain-1e{power}", f"element-wise chain, 10^{power} float32", chain_arguments(10**power), chain, None,
                skip=NO_SCALARS | ({"mygrad": "takes seconds a call"} if power == 7 else {}), tolerance=2e-4,
                targets=(compiled(limit),),
            )
            for power, limit in ((3, 0.15), (5, 0.5), (7, 0.4))
        ),
        Row(
            "moons", "micrograd's demo on arrays: 2-16-16-1, 100 points, float64", moons, hinge_net, None,
            skip=NO_SCALARS, targets=(compiled(0.4),),
        ),
        Row(
            "moons-scalar", "micrograd's demo, 60 000 scalar gates", scalar_moons, scalar_net, None,
            skip=dict.fromkeys(("autograd", "mygrad", *torch_too, "jax", "jax jit"), "takes seconds a call"),
            targets=(compiled(0.6),), first_call=3.0,
        ),
        Row(
            "mlp", "softmax MLP 784-256-128-10, batch 128, float32", digits, softmax_net, None,
            instead=both(softmax_net_torch) | {"tinygrad": softmax_net_tinygrad},
            skip=NO_SCALARS, tolerance=2e-4, targets=(compiled(0.75),),
        ),
        Row(
            "conv", "conv net 32×3×32×32, two 5×5 layers of 32, float32", images, conv_net, None,
            instead=both(conv_net_torch) | dict.fromkeys(("jax", "jax jit"), conv_net_jax)
            | {"tinygrad": conv_net_tinygrad},
            skip=NO_SCALARS | no_conv, tolerance=1e-3, targets=(compiled(1.0),),
        ),
        Row(
            "lstm", "character LSTM, 128 hidden, 32 steps, batch 16, float32", text, lstm, None,
            instead={
                "torch eager": lstm_fused, "torch.compile": lstm_torch, "jax jit": theirs, "gatewise compiled": ours,
            },
            skip=NO_SCALARS | unrolled, tolerance=1e-3, targets=(compiled(0.8),),
        ),
        Row(
            "lstm-adbench", "ADBench's LSTM, 2 layers, 1024 characters, float64", characters,
            adbench_lstm(_ours("scan"), _ours("sigmoid")), None,
            instead={"jax jit": adbench_lstm(_jax_scan, _jax_sigmoid)},
            skip=NO_SCALARS | RECURRENT | unrolled | dict.fromkeys(torch_too, "takes seconds a call"), tolerance=1e-8,
            targets=(compiled(0.5),),
        ),
        Row(
            "transformer", "transformer block, d=128, 4 heads, 64 steps, batch 8, float32", sentences, transformer,
            None,
            instead=both(transformer_torch) | {"tinygrad": transformer_tinygrad},
            skip=NO_SCALARS, tolerance=1e-3, targets=(compiled(0.8),),
        ),
        *(
            Row(
                f"gmm-{d}", f"Gaussian mixture of ADBench, d={d}, K={K}, n=1000, float64", mixture(d, K), gmm, None,
                instead=both(gmm_torch) | {"tinygrad": gmm_tinygrad},
                skip=NO_SCALARS, tolerance=1e-8, targets=(compiled(limit),),
            )
            for d, K, limit in ((10, 25, 0.4), (64, 50, 0.6))
        ),
        Row(
            "bundle", f"Jacobian of ADBench's bundle adjustment, {CAMERAS} cameras, {OBSERVATIONS} observations",
            scene, None, adjustment_by_hand,
            instead={
                "by hand in numba": adjustment_in_numba,
                "gatewise": adjustment(_gatewise_pullback, *numpy_like),
                "gatewise compiled": adjustment(_gatewise_pullback, *numpy_like),
                "autograd": adjustment(_autograd_pullback, *numpy_like),
                "mygrad": adjustment(_mygrad_pullback, *numpy_like),
                "tinygrad": adjustment(_tinygrad_pullback, *tinygrad_like),
                "torch eager": adjustment(_torch_pullback, *torch_like),
                "torch.compile": adjustment(_torch_compiled_pullback, *torch_like),
                "jax": adjustment(_jax_pullback, *numpy_like),
                "jax jit": adjustment(_jax_pullback, *numpy_like),
            },
            skip=NO_SCALARS | {"gatewise backward()": "see gatewise"}, themselves=True, tolerance=1e-10,
            targets=(compiled(0.25),),
        ),
    ]  # fmt: skip
