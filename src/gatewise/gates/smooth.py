"""Smooth functions of neural networks and signals: softmax, softplus, silu, gelu, sinc.

Gates where the operation is a unit of its own; the others are made of gates of `exponential` and `special`, where the
exponentials, the sigmoid and the error function are.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial, pi
from typing import Any, Literal

import numpy as np

from gatewise import gates
from gatewise import samples as draw
from gatewise.errors import UnsupportedError
from gatewise.gate import Elementwise, Gate, Kink, implements, normalize_axes
from gatewise.graph import Spec, apply, arrayed, namespace
from gatewise.samples import sample, unary_samples

__all__ = [
    "gelu",
    "log_sigmoid",
    "log_softmax",
    "silu",
    "sinc",
    "softmax",
    "softplus",
]

_ALONG_AXES = (
    sample(draw.normal(3, 4), axis=(1,)),
    sample(draw.normal(2, 3, 4), axis=(0, 2)),
    sample(draw.normal(3), axis=(0,)),
    sample(draw.normal(), axis=()),
    sample(draw.normal(0, 2), axis=(1,)),
    sample(draw.normal(2, 3, dtype="float32"), axis=(0,)),
)


@dataclass(frozen=True)
class _Normalized(Gate):
    """What softmax and its logarithm share: the entries along `axis` compete with each other."""

    axis: tuple[int, ...]

    def silent(self, upstream: Any, shape: tuple[int, ...]) -> Any:
        xp = namespace((upstream,))
        return xp.broadcast_to(xp.all(upstream == 0, axis=self.axis, keepdims=True), shape)

    def infer(self, *specs: Spec) -> Spec:
        (x,) = specs
        return Spec(x.shape, self.forward(np, np.ones((1,) * len(x.shape), x.dtype)).dtype)


class Softmax(_Normalized):
    """e ** x over its sum along axes: positive shares that sum to 1"""

    name = "softmax"
    symbol = "softmax"
    story = "competes: each entry receives its share times (its upstream gradient - the shares' mean of all of them)"
    samples = _ALONG_AXES

    def forward(self, xp: Any, x: Any) -> Any:
        powers = xp.exp(x - xp.max(x, axis=self.axis, keepdims=True)) if 0 not in x.shape else xp.exp(x)
        return powers / xp.sum(powers, axis=self.axis, keepdims=True)

    def local_x(self, g: Any, out: Any) -> Any:
        weighted = g * out
        return weighted - out * gates.sum(weighted, axis=self.axis, keepdims=True)


class LogSoftmax(_Normalized):
    """The logarithm of softmax along axes, without overflow"""

    name = "log_softmax"
    symbol = "log softmax"
    story = "competes: each entry receives its upstream gradient minus its softmax share of the sum of all of them"
    samples = _ALONG_AXES

    def forward(self, xp: Any, x: Any) -> Any:
        if 0 in x.shape:
            return x + 0.0
        shifted = x - xp.max(x, axis=self.axis, keepdims=True)
        return shifted - xp.log(xp.sum(xp.exp(shifted), axis=self.axis, keepdims=True))

    def local_x(self, g: Any, out: Any) -> Any:
        return g - gates.exp(out) * gates.sum(g, axis=self.axis, keepdims=True)


@dataclass(frozen=True)
class Sinc(Elementwise):
    """sin(πx) / (πx), and 1 at 0; of an `order` above 0, that derivative of it"""

    name = "sinc"
    symbol = "sinc"
    story = "scales: the input receives the upstream gradient times (cos πx - sinc x) / x, 0 at the summit"
    samples = (
        *(sample(*case.inputs, order=0) for case in unary_samples()),
        sample([1e-9, -1e-4, 0.3, 2.5, -8.25, 30.5], order=0),
        sample([0.0, 1e-5, 0.7, -4.5], order=1),
        sample([0.0, 0.7, 4.5], order=3),
    )
    kinks = (Kink((0.0,), (0.0,), "no kink, though a division by x would make it one: flat at 0", (("order", 0),)),)

    order: int

    def forward(self, xp: Any, x: Any) -> Any:
        if xp is np and self.order == 0:
            return np.sinc(x)
        return _sinc_derivative(xp, pi * x, self.order) * pi**self.order

    def local_x(self, g: Any, x: Any) -> Any:
        return g * apply(Sinc(self.order + 1), x)

    def label(self, constants: tuple[Any, ...] = ()) -> str:
        return "sinc" + "′" * self.order if self.order < 4 else f"sinc^({self.order})"


def _sinc_derivative(xp: Any, t: Any, order: int) -> Any:
    """A derivative of sin(t) / t: by its series near 0, by t f⁽ⁿ⁾ + n f⁽ⁿ⁻¹⁾ = sin⁽ⁿ⁾ t elsewhere."""
    reach = 0.5 + order / 2
    near = abs(t) < reach
    small = xp.where(near, t, 0 * t)
    square = small * small
    lowest = highest = (order + 1) // 2  # the first term of the series of sin(t) / t that n derivatives leave
    while reach ** (2 * highest - order) > 1e-17 * factorial(2 * highest - order):
        highest += 1
    series: Any = 0.0
    for k in range(highest, lowest - 1, -1):
        term = (-1) ** k * (factorial(2 * k) / factorial(2 * k - order)) / factorial(2 * k + 1)
        series = series * square + term
    series = series * small if order % 2 else series + 0 * small
    large = xp.where(near, 1 + 0 * t, t)
    value = xp.sin(large) / large
    for n in range(1, order + 1):
        value = (_sine_derivative(xp, large, n) - n * value) / large
    out = xp.where(near, series, value)
    return out[()] if xp is np else out


def _sine_derivative(xp: Any, t: Any, order: int) -> Any:
    """A derivative of the sine."""
    wave = (xp.cos if order % 2 else xp.sin)(t)
    return -wave if order % 4 > 1 else wave


def softmax(x: Any, /, axis: Any = -1) -> Any:
    """e ** x over its sum along `axis` (None: all axes), without overflow: positive shares that sum to 1.

    Example:
        >>> import gatewise as gw
        >>> gw.softmax([0.0, 0.0, -1e9]).tolist()
        [0.5, 0.5, 0.0]
    """
    x = arrayed(x)
    return apply(Softmax(normalize_axes(axis, len(x.shape), "softmax")), x)


def log_softmax(x: Any, /, axis: Any = -1) -> Any:
    """The logarithm of softmax along `axis` (None: all axes), right where the share itself is too small for a float.

    Example:
        >>> import gatewise as gw
        >>> gw.log_softmax([1000.0, 0.0]).tolist()
        [0.0, -1000.0]
    """
    x = arrayed(x)
    return apply(LogSoftmax(normalize_axes(axis, len(x.shape), "log_softmax")), x)


@implements(np.sinc)
def sinc(x: Any, /) -> Any:
    """sin(πx) / (πx), and 1 at 0, where it is flat.

    Example:
        >>> import gatewise as gw
        >>> float(gw.sinc(0.0)), round(float(gw.grad(gw.sinc)(0.5)), 6)
        (1.0, -1.27324)
    """
    return apply(Sinc(0), arrayed(x))


def softplus(x: Any, /) -> Any:
    """log(1 + e ** x), the smooth ramp, without overflow.

    Example:
        >>> import gatewise as gw
        >>> float(gw.softplus(1000.0)), float(gw.grad(gw.softplus)(0.0))
        (1000.0, 0.5)
    """
    return gates.logaddexp(arrayed(x), 0.0)


def log_sigmoid(x: Any, /) -> Any:
    """The logarithm of the logistic function, right where that is too small for a float."""
    return -softplus(-arrayed(x))


def silu(x: Any, /) -> Any:
    """x * sigmoid(x), also called swish.

    Example:
        >>> import gatewise as gw
        >>> float(gw.grad(gw.silu)(0.0))
        0.5
    """
    x = arrayed(x)
    return x * gates.sigmoid(x)


def gelu(x: Any, /, approximate: Literal["none", "tanh"] = "none") -> Any:
    """x times the probability that a standard normal number is below x (Hendrycks and Gimpel, 2016).

    Args:
        x: The input.
        approximate: "tanh" for the paper's approximation, which many trained models use.

    Raises:
        UnsupportedError: `approximate` is neither.

    Example:
        >>> import gatewise as gw
        >>> round(float(gw.gelu(1.0)), 6), round(float(gw.gelu(1.0, approximate="tanh")), 6)
        (0.841345, 0.841192)
    """
    x = arrayed(x)
    if approximate == "none":
        return 0.5 * x * gates.erfc(x * -(0.5**0.5))
    if approximate == "tanh":
        return x * gates.sigmoid((8 / pi) ** 0.5 * (x + 0.044715 * (x * x * x)))
    raise UnsupportedError(f"gelu: approximate is 'none' or 'tanh'; got {approximate!r}")
