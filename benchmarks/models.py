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
    ours, theirs = lstm_scan(_ours("scan"), _ours("sigmoid")), lstm_scan(_jax_scan, _jax_sigmoid)
    no_conv = {"autograd": "has no convolution", "mygrad": "takes seconds a call"}
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
            targets=(compiled(0.6),),
        ),
        Row(
            "mlp", "softmax MLP 784-256-128-10, batch 128, float32", digits, softmax_net, None,
            instead=both(softmax_net_torch), skip=NO_SCALARS, tolerance=2e-4, targets=(compiled(0.75),),
        ),
        Row(
            "conv", "conv net 32×3×32×32, two 5×5 layers of 32, float32", images, conv_net, None,
            instead=both(conv_net_torch) | {"jax": conv_net_jax, "jax jit": conv_net_jax},
            skip=NO_SCALARS | no_conv, tolerance=1e-3, targets=(compiled(1.0),),
        ),
        Row(
            "lstm", "character LSTM, 128 hidden, 32 steps, batch 16, float32", text, lstm, None,
            instead={
                "torch eager": lstm_fused, "torch.compile": lstm_torch, "jax jit": theirs, "gatewise compiled": ours,
            },
            skip=NO_SCALARS, tolerance=1e-3, targets=(compiled(0.8),),
        ),
        Row(
            "lstm-adbench", "ADBench's LSTM, 2 layers, 1024 characters, float64", characters,
            adbench_lstm(_ours("scan"), _ours("sigmoid")), None,
            instead={"jax jit": adbench_lstm(_jax_scan, _jax_sigmoid)},
            skip=NO_SCALARS | RECURRENT | dict.fromkeys(torch_too, "takes seconds a call"), tolerance=1e-8,
            targets=(compiled(0.5),),
        ),
        Row(
            "transformer", "transformer block, d=128, 4 heads, 64 steps, batch 8, float32", sentences, transformer,
            None,
            instead=both(transformer_torch), skip=NO_SCALARS, tolerance=1e-3, targets=(compiled(0.8),),
        ),
        *(
            Row(
                f"gmm-{d}", f"Gaussian mixture of ADBench, d={d}, K={K}, n=1000, float64", mixture(d, K), gmm, None,
                instead=both(gmm_torch), skip=NO_SCALARS, tolerance=1e-8, targets=(compiled(limit),),
            )
            for d, K, limit in ((10, 25, 0.4), (64, 50, 0.6))
        ),
    ]  # fmt: skip
