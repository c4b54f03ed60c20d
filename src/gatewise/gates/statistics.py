"""Statistics: spread, weighted means, order statistics, correlation, and all that skips what is not a number.

Here are three gates (variance, standard deviation, order statistics) and many compositions of them and others. Plain
sums, means and extremes are in `reduction`, sorting is in `ordering`.
"""

from __future__ import annotations

import builtins
import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from math import prod
from typing import Any

import numpy as np

from gatewise import gates
from gatewise import samples as draw
from gatewise.errors import DTypeError, InputError, ShapeError
from gatewise.gate import Gate, Kink, Reduction, implements, normalize_axes, refuse
from gatewise.graph import Spec, Tracked, apply, arrayed, dtype_name, is_complex
from gatewise.samples import Sample, sample

__all__ = [
    "average",
    "corrcoef",
    "cov",
    "median",
    "nan_to_num",
    "nanmax",
    "nanmean",
    "nanmedian",
    "nanmin",
    "nanpercentile",
    "nanprod",
    "nanquantile",
    "nanstd",
    "nansum",
    "nanvar",
    "percentile",
    "ptp",
    "quantile",
    "std",
    "var",
]

# ------------------------------------------------------------------------------------------------------------- spread


def _spread_samples() -> tuple[Sample, ...]:
    return (
        sample(draw.normal(3, 4), axis=(0, 1), keepdims=False, ddof=0),
        sample(draw.normal(3, 4), axis=(0,), keepdims=False, ddof=1),
        sample(draw.normal(2, 3, 4), axis=(0, 2), keepdims=True, ddof=0.5),
        sample(draw.normal(3), axis=(0,), keepdims=False, ddof=0),
        sample(draw.normal(4, dtype="float32"), axis=(0,), keepdims=False, ddof=1),
        sample(draw.complexes(2, 3), axis=(1,), keepdims=False, ddof=0),
    )


@dataclass(frozen=True)
class _Spread(Reduction):
    """What variance and standard deviation share."""

    samples = _spread_samples()
    holomorphic = False  # real also for complex entries

    ddof: float

    def variance(self, xp: Any, x: Any) -> Any:
        """The variance, with what the standard has."""
        if not is_complex(x.dtype):
            return xp.var(x, axis=self.axis, correction=self.ddof, keepdims=self.keepdims)
        centred = x - xp.mean(x, axis=self.axis, keepdims=True)
        squares = xp.real(centred) ** 2 + xp.imag(centred) ** 2
        return xp.sum(squares, axis=self.axis, keepdims=self.keepdims) / (self.count(x.shape) - self.ddof)

    def infer(self, *specs: Spec) -> Spec:
        return super().infer(*specs) if not self.ddof else replace(self, ddof=0).infer(*specs)

    def weight(self, shape: tuple[int, ...]) -> float:
        """What the squared distances are multiplied with."""
        freedom = self.count(shape) - self.ddof
        return 1 / freedom if freedom > 0 else np.nan

    def centred(self, x: Any, shape: tuple[int, ...]) -> Any:
        """Distances from the mean."""
        return x - gates.mean(x, axis=self.axis, keepdims=True) if prod(shape) else x


class Var(_Spread):
    """Mean squared distance from the mean over axes, with `ddof` taken off the number of entries"""

    name = "var"
    symbol = "var"
    story = "pushes apart: each entry receives the upstream gradient times twice its distance from the mean, averaged"
    kinks = (
        Kink(
            ([2.0, 2.0, 2.0],),
            ([0.0, 0.0, 0.0],),
            "no kink: the bottom of a bowl",
            (("axis", (0,)), ("keepdims", False), ("ddof", 0)),
        ),
    )

    def forward(self, xp: Any, x: Any) -> Any:
        if xp is np:
            return np.var(x, axis=self.axis, ddof=self.ddof, keepdims=self.keepdims)
        return self.variance(xp, x)

    def local_x(self, g: Any, x: Any, x_shape: Any) -> Any:
        return gates.reshape(g, self.kept_shape(x_shape)) * (self.weight(x_shape) * 2) * self.centred(x, x_shape)


class Std(_Spread):
    """Root of the mean squared distance from the mean over axes, with `ddof` taken off the number of entries"""

    name = "std"
    symbol = "std"
    story = "pushes apart: each entry receives the upstream gradient times its distance from the mean in standard units"
    kinks = (
        Kink(
            ([2.0, 2.0, 2.0],),
            ([0.0, 0.0, 0.0],),
            "a constant: the tip of a cone, whose smallest subgradient is 0",
            (("axis", (0,)), ("keepdims", False), ("ddof", 0)),
        ),
        Kink(
            ([0.1, 0.1, 0.1],),
            ([0.0, 0.0, 0.0],),
            "a constant, though rounding of the mean makes the value 1e-17",
            (("axis", (0,)), ("keepdims", False), ("ddof", 0)),
        ),
    )

    def forward(self, xp: Any, x: Any) -> Any:
        if xp is np:
            return np.std(x, axis=self.axis, ddof=self.ddof, keepdims=self.keepdims)
        return xp.sqrt(self.variance(xp, x))

    def local_x(self, g: Any, x: Any, out: Any, x_shape: Any) -> Any:
        if not prod(x_shape):
            return x
        kept = self.kept_shape(x_shape)
        first = x[tuple(slice(0, 1) if i in self.axis else slice(None) for i in range(len(x_shape)))]
        differing = gates.sum(gates.astype(x != first, dtype_name(out.dtype)), axis=self.axis, keepdims=True)
        out = gates.reshape(out, kept)
        flat = (differing == 0) | (out == 0)
        scale = gates.reshape(g, kept) * self.weight(x_shape) / gates.where(flat, 1.0, out)
        return gates.where(flat, 0.0, scale * self.centred(x, x_shape))

    def decision(self, out: Any, *inputs: Any) -> Any:
        (x,) = inputs
        mean = np.mean(x, axis=self.axis, keepdims=True)
        tip = np.reshape(out, self.kept_shape(x.shape)) <= 1e-4 * np.maximum(1, np.abs(mean))
        return np.where(tip, np.sign(np.real(x - mean)), 0)  # near the tip, which side of it x is on


def _spread(gate: type[_Spread], a: Any, axis: Any, ddof: Any, keepdims: Any, options: dict[str, Any]) -> Any:
    """Apply one of the two gates with NumPy's arguments, or compose it of others around a given mean."""
    where, mean = options.pop("where"), options.pop("mean")
    partly = where is not True and where is not np._NoValue
    given = mean is not None and mean is not np._NoValue
    a = _in_dtype(a, options.pop("dtype"))
    correction = options.pop("correction")
    if correction is not None and correction is not np._NoValue:
        if ddof:
            raise InputError(f"{gate.name}: ddof and correction are two names of one option; give one of them")
        ddof = correction
    refuse(gate.name, options)
    if partly or given:
        where = arrayed(_value(where))
        variance = _variance_where(a, axis, ddof, _flag(keepdims), where, mean if given else None)
        return variance if gate is Var else _root(variance)
    return apply(gate(normalize_axes(axis, len(a.shape), gate.name), _flag(keepdims), ddof), a)


@implements(np.var)
def var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """Mean squared distance from the mean over `axis` (None: all axes).

    `ddof`, or `correction` as the Array API standard calls it, is taken off the number of entries in the mean.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> gw.grad(gw.var)(np.array([1.0, 2.0, 6.0])).tolist()
        [-1.3333333333333333, -0.6666666666666666, 2.0]
    """
    options = {"dtype": dtype, "correction": correction, "out": out, "where": where, "mean": mean}
    return _spread(Var, a, axis, ddof, keepdims, options)


@implements(np.std)
def std(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """Root of the mean squared distance from the mean over `axis` (None: all axes).

    `ddof`, or `correction` as the Array API standard calls it, is taken off the number of entries in the mean. The
    gradient at a constant is 0.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> gw.grad(gw.std)(np.array([1.0, 1.0, 1.0])).tolist()
        [0.0, 0.0, 0.0]
    """
    options = {"dtype": dtype, "correction": correction, "out": out, "where": where, "mean": mean}
    return _spread(Std, a, axis, ddof, keepdims, options)


def _variance_where(a: Any, axis: Any, ddof: Any, keepdims: bool, where: Any, mean: Any) -> Any:
    """The variance of the entries where `where` holds, around `mean` or else theirs."""
    if mean is None:
        mean = gates.mean(a, axis=axis, keepdims=True, where=where)
    centred = gates.where(where, a - mean, 0)
    squares = gates.real(centred * gates.conj(centred)) if is_complex(a.dtype) else centred * centred
    chosen = gates.astype(gates.broadcast_to(where, tuple(a.shape)), dtype_name(squares.dtype))
    freedom = gates.sum(chosen, axis=axis, keepdims=keepdims) - ddof
    return gates.sum(squares, axis=axis, keepdims=keepdims) / gates.maximum(freedom, 0.0)


def _root(variance: Any) -> Any:
    """The square root, with gradient 0 at 0."""
    flat = variance == 0
    return gates.where(flat, 0.0, gates.sqrt(gates.where(flat, 1.0, variance)))


@implements(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    """Largest minus smallest entry over `axis`, "peak to peak"."""
    refuse("ptp", {"out": out})
    return gates.max(a, axis=axis, keepdims=keepdims) - gates.min(a, axis=axis, keepdims=keepdims)


@implements(np.average)
def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False) -> Any:
    """Mean over `axis` with `weights`, which have the shape of `a` or of its axes named by `axis`.

    Returns:
        The mean, or with `returned` a pair of the mean and the sum of the weights, in the same shape.

    Raises:
        ShapeError: The weights' shape is neither.
        ZeroDivisionError: The weights sum to zero.
    """
    a = arrayed(a)
    if weights is None:
        mean = gates.mean(a, axis=axis, keepdims=keepdims)
        total: Any = prod(a.shape) / builtins.max(prod(mean.shape), 1)
    else:
        weights = _weights_as(arrayed(weights), a.shape, axis)
        dtype = np.result_type(_dtype(a), _dtype(weights), *([] if _is_inexact(a) else [np.float64]))
        total = gates.sum(gates.astype(weights, dtype), axis=axis, keepdims=keepdims)
        if np.any(_value(total) == 0):
            raise ZeroDivisionError("average: the weights sum to zero, so they cannot be normalized")
        mean = gates.sum(gates.astype(a * weights, dtype), axis=axis, keepdims=keepdims) / total
    if not returned:
        return mean
    total = gates.astype(arrayed(total), dtype_name(mean.dtype))
    return mean, gates.broadcast_to(total, mean.shape) if tuple(total.shape) != tuple(mean.shape) else total


def _weights_as(weights: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """Weights with as many axes as the array they weigh."""
    if tuple(weights.shape) == tuple(shape):
        return weights
    given = () if axis is None else axis if isinstance(axis, tuple | list) else (axis,)
    axes = [normalize_axes(a, len(shape), "average")[0] for a in given]
    if tuple(weights.shape) != tuple(shape[a] for a in axes) or not axes:
        raise ShapeError(
            f"average: weights of shape {tuple(weights.shape)} fit neither shape {tuple(shape)} nor its axes {axis}"
        )
    order = sorted(range(len(axes)), key=axes.__getitem__)
    return gates.reshape(gates.permute_dims(weights, order), tuple(n if i in axes else 1 for i, n in enumerate(shape)))


# -------------------------------------------------------------------------------------------------- order statistics


@dataclass(frozen=True)
class OrderStatistics(Gate):
    """The entries of given ranks along the last axis, counted from the smallest; NaN where an entry is NaN"""

    name = "order_statistics"
    symbol = "ranks"
    story = "routes: the entry of a rank receives all of that rank's upstream gradient, the others nothing"
    samples = (
        sample(draw.normal(5), ranks=(2,)),
        sample(draw.normal(3, 4), ranks=(1, 2)),
        sample(draw.normal(2, 2, 3), ranks=(0,)),
        sample(draw.normal(0, 3), ranks=(1,)),
        sample(draw.normal(4, dtype="float32"), ranks=(0, 3)),
    )
    kinks = (
        Kink(
            ([3.0, 3.0, 1.0],),
            ([0.5, 0.5, 0.0],),
            "a tie: those that have the rank share evenly, the smallest subgradient",
            (("ranks", (1,)),),
        ),
    )

    ranks: tuple[int, ...]

    def forward(self, xp: Any, x: Any) -> Any:
        last = x.shape[-1] - 1
        if xp is np:
            parted = np.partition(x, sorted({*self.ranks, last}), axis=-1)
            out = parted[..., list(self.ranks)]
            out[(parted[..., last] != parted[..., last])] = np.nan if out.dtype.kind in "fc" else 0
            return out
        ordered = xp.sort(x, axis=-1)
        largest = ordered[..., last:]
        chosen = xp.concat([ordered[..., rank : rank + 1] for rank in self.ranks], axis=-1)
        return xp.where(largest == largest, chosen, largest)

    def local_x(self, g: Any, x: Any, out: Any) -> Any:
        total = None
        for place in range(len(self.ranks)):
            column = (..., slice(place, place + 1))
            winners = gates.astype(x == out[column], dtype_name(out.dtype))
            part = g[column] * winners / gates.sum(winners, axis=-1, keepdims=True)
            total = part if total is None else total + part
        return total

    def infer(self, *specs: Spec) -> Spec:
        (x,) = specs
        return Spec((*x.shape[:-1], len(self.ranks)), x.dtype)

    def decision(self, out: Any, *inputs: Any) -> Any:
        return np.sign(inputs[0][..., None] - out[..., None, :])


#: With more ranks than this, one sort is quicker than a pass over the entries for each.
_RANKS_AT_MOST = 8


def _ranked(lines: Any, ranks: Any) -> Any:
    """The entries of `ranks` (an integer array) along the last axis of `lines`; shape: rest of lines, then of ranks."""
    wanted, places = np.unique(ranks, return_inverse=True)
    if len(wanted) <= _RANKS_AT_MOST:
        chosen = apply(OrderStatistics(tuple(wanted.tolist())), lines)
    else:
        ordered = gates.sort(lines, axis=-1)
        chosen = gates.where(ordered[..., -1:] == ordered[..., -1:], ordered[..., wanted], np.nan)
    if len(wanted) == places.size and np.array_equal(places.ravel(), np.arange(places.size)):
        return gates.reshape(chosen, (*chosen.shape[:-1], *np.shape(ranks)))
    return chosen[..., places.reshape(np.shape(ranks))]


def _lines(a: Any, axis: Any, function: str) -> tuple[Any, tuple[int, ...]]:
    """`a` with the axes to fold as one, at the end; and its shape with those axes as 1."""
    shape = tuple(a.shape)
    axes = normalize_axes(axis, len(shape), function)
    rest = tuple(i for i in range(len(shape)) if i not in axes)
    kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
    if rest + axes != tuple(range(len(shape))):
        a = gates.permute_dims(a, rest + axes)
    length = prod(shape[i] for i in axes)
    return gates.reshape(a, (*(shape[i] for i in rest), length)), kept


@implements(np.median)
def median(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False) -> Any:
    """The middle entry over `axis` (None: all axes), or the mean of the two middle ones.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> gw.grad(gw.median)(np.array([1.0, 5.0, 2.0, 9.0])).tolist()
        [0.0, 0.5, 0.5, 0.0]
    """
    refuse("median", {"out": out})
    lines, kept = _lines(arrayed(a), axis, "median")
    length = lines.shape[-1]
    if not length:
        middle = gates.mean(lines, axis=-1)
    elif length % 2:
        middle = gates.mean(_ranked(lines, np.array([length // 2])), axis=-1)
    else:
        middle = gates.mean(_ranked(lines, np.array([length // 2 - 1, length // 2])), axis=-1)
    return gates.reshape(middle, kept) if _flag(keepdims) else middle


# Between which ranks a quantile lies, per method (Hyndman and Fan 1996, and NumPy's own). Each rule is a function of
# the number of entries n and of q, giving the virtual rank, which need not be whole.

_CONTINUOUS: dict[str, Callable[[Any, Any], Any]] = {
    "linear": lambda n, q: (n - 1) * q,
    "interpolated_inverted_cdf": lambda n, q: n * q + (0 + q * (1 - 0 - 1)) - 1,
    "hazen": lambda n, q: n * q + (0.5 + q * (1 - 0.5 - 0.5)) - 1,
    "weibull": lambda n, q: n * q + (0 + q * (1 - 0 - 0)) - 1,
    "median_unbiased": lambda n, q: n * q + (1 / 3.0 + q * (1 - 1 / 3.0 - 1 / 3.0)) - 1,
    "normal_unbiased": lambda n, q: n * q + (3 / 8.0 + q * (1 - 3 / 8.0 - 3 / 8.0)) - 1,
}
_DISCRETE: dict[str, Callable[[Any, Any], Any]] = {
    "lower": lambda n, q: gates.floor((n - 1) * q),
    "higher": lambda n, q: gates.ceil((n - 1) * q),
    "nearest": lambda n, q: gates.round((n - 1) * q),
    "inverted_cdf": lambda n, q: gates.ceil(n * q - 1),
    "closest_observation": lambda n, q: _closest(n * q - 1 - 0.5),
}
_HALFWAY: dict[str, Callable[[Any, Any], Any]] = {
    "midpoint": lambda n, q: 0.5 * (gates.floor((n - 1) * q) + gates.ceil((n - 1) * q)),
    "averaged_inverted_cdf": lambda n, q: n * q - 1,
}


def _closest(rank: Any) -> Any:
    """The next whole rank, or this one where it is whole and odd."""
    below = gates.floor(rank)
    return gates.where((rank == below) & (below % 2 == 1), below, below + 1)


def _neighbours(n: Any, q: Any, method: str) -> tuple[Any, Any, Any]:
    """The ranks below and above each quantile, and how far between them it lies (0 to 1); n and q may be traced.

    Raises:
        InputError: There is no such method.
    """
    if method in _DISCRETE:
        rank = gates.astype(gates.clip(_DISCRETE[method](n, q), 0, n - 1), "int64")
        return rank, rank, 0.0
    rule = _CONTINUOUS.get(method) or _HALFWAY.get(method)
    if rule is None:
        names = ", ".join(sorted({*_CONTINUOUS, *_DISCRETE, *_HALFWAY}))
        raise InputError(f"quantile: there is no method {method!r}; the methods are {names}")
    virtual = rule(n, q)
    floor = gates.floor(virtual)
    below = gates.astype(gates.clip(floor, 0, n - 1), "int64")
    above = gates.astype(gates.where(virtual < 0, 0, gates.clip(floor + 1, 0, n - 1)), "int64")
    if method == "midpoint":
        between = gates.where(virtual == floor, 0.0, 0.5)
    elif method == "averaged_inverted_cdf":
        between = gates.where(virtual == floor, 0.5, 1.0)
    else:
        between = virtual - floor
    return below, above, between


def _between(below: Any, above: Any, t: Any) -> Any:
    """The point that is t of the way from one to the other; from the nearer end, as NumPy rounds it."""
    step = above - below
    if isinstance(t, float):
        return above + step * (t - 1) if t >= 0.5 else below + step * t
    far = t >= 0.5  # only what is taken is computed, since the other might warn about infinities
    return gates.where(far, above, below) + step * gates.where(far, t - 1, t)


def _fractions(q: Any, function: str = "quantile", scale: float = 1.0) -> Any:
    """q as a floating array, checked to lie between 0 and `scale`.

    Raises:
        InputError: Some of it does not.
    """
    q = arrayed(q)
    if not np.all((_value(q) >= 0) & (_value(q) <= scale)):
        raise InputError(f"{function}: q must lie between 0 and {scale:g}; got {_value(q)!r:.60}")
    return q if _is_inexact(q) else gates.astype(q, "float64")


def _hundredths(q: Any, function: str) -> Any:
    """q from 0 to 100 as a share; of a Python number a Python number, which leaves the dtype to the entries."""
    q = q if type(q) in (int, float) and 0 <= q <= 100 else _fractions(q, function, 100.0)
    return q / 100.0


def _quantile(a: Any, q: Any, weak: bool, axis: Any, method: str, keepdims: Any, options: dict[str, Any]) -> Any:
    """Quantiles with q from 0 to 1; `weak`, where q was a Python number, which leaves the dtype to `a`."""
    weights = options.pop("weights", None)
    refuse("quantile", options)
    if weights is not None:
        return _weighted_quantile(arrayed(a), q, axis, method, _flag(keepdims), weights)
    lines, kept = _lines(arrayed(a), axis, "quantile")
    length = lines.shape[-1]
    if not length:
        raise ShapeError("quantile: there are no entries to choose from")
    if is_complex(lines.dtype):
        raise DTypeError("quantile: complex numbers have no order")
    below, above, between = _neighbours(length, q, method)
    ranked = _ranked(lines, np.stack([_value(below), _value(above)], axis=-1))
    low, high = ranked[..., 0], ranked[..., 1]
    if method in _DISCRETE:
        result = low
    else:
        result = _between(low, high, float(between) if weak and not isinstance(between, Tracked) else between)
    return _quantiles_first(result, len(np.shape(below)), kept if _flag(keepdims) else tuple(lines.shape[:-1]))


def _weighted_quantile(a: Any, q: Any, axis: Any, method: str, keepdims: bool, weights: Any) -> Any:
    """Quantiles of entries that count as often as their weights say; which entry is one, is seen in the values.

    NumPy has this for the method ``"inverted_cdf"``. The weights only decide, so no gradient passes to them.
    """
    chosen = np.quantile(_value(a), _value(q), axis, method=method, weights=_value(weights))  # type: ignore[call-overload]
    lines, kept = _lines(a, axis, "quantile")
    rest, shares = tuple(lines.shape[:-1]), tuple(q.shape)
    number = len(shares)
    columns = np.moveaxis(chosen, range(number), range(-number, 0)).reshape(*rest, prod(shares))
    ordered = gates.sort(lines, axis=-1)
    ranks = np.sum(_value(ordered)[..., None] < columns[..., None, :], axis=-2)
    result = gates.reshape(gates.take_along_axis(ordered, ranks, axis=-1), (*rest, *shares))
    return _quantiles_first(result, number, kept if keepdims else rest)


def _quantiles_first(result: Any, number: int, shape: tuple[int, ...]) -> Any:
    """The last `number` axes, those of q, moved to the front, and the others in `shape`."""
    ndim = len(result.shape)
    order = (*range(ndim - number, ndim), *range(ndim - number))
    if number:
        result = gates.permute_dims(result, order)
    target = (*result.shape[:number], *shape)
    return result if tuple(result.shape) == target else gates.reshape(result, target)


@implements(np.quantile)
def quantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
    interpolation: Any = None,
) -> Any:
    """The value below which a share `q` of the entries over `axis` lies; all of NumPy's methods.

    `q` may be an array, whose axes then come first in the result. With the methods that interpolate, the result is
    differentiated with respect to `q` too.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> gw.grad(lambda x: gw.quantile(x, 0.25))(np.array([4.0, 1.0, 3.0])).tolist()
        [0.0, 0.5, 0.5]
    """
    options = {"out": out, "weights": weights, "interpolation": interpolation}
    return _quantile(a, _fractions(q), type(q) in (int, float), axis, method, keepdims, options)


def _with_options_of_quantile(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, which hands its options on to `quantile` by name, with the signature that NumPy's has."""
    signature = inspect.signature(quantile)

    @wraps(function)
    def bound(*args: Any, **options: Any) -> Any:
        return function(**signature.bind(*args, **options).arguments)

    bound.__signature__ = signature  # type: ignore[attr-defined]  # as inspect looks for it
    return bound


@implements(np.percentile)
@_with_options_of_quantile
def percentile(a: Any, q: Any, **options: Any) -> Any:
    """`quantile` with `q` from 0 to 100.

    Example:
        >>> import gatewise as gw
        >>> float(gw.percentile([4.0, 1.0, 3.0], 50))
        3.0
    """
    return quantile(a, _hundredths(q, "percentile"), **options)


# --------------------------------------------------------------------------------------- skipping what is not a number


@implements(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """x with NaN, +inf and -inf replaced, by default by 0 and the largest and smallest numbers of the dtype.

    No gradient passes where an entry was replaced. The result is always a copy.
    """
    x = arrayed(x)
    if not _is_inexact(x):
        return x
    if is_complex(x.dtype):
        parts = [nan_to_num(part(x), True, nan, posinf, neginf) for part in (gates.real, gates.imag)]
        return parts[0] + parts[1] * 1j
    largest = np.finfo(_dtype(x)).max.item()
    x = gates.where(x != x, nan, x)
    x = gates.where(x == np.inf, largest if posinf is None else posinf, x)
    return gates.where(x == -np.inf, -largest if neginf is None else neginf, x)


def _instead(a: Any, number: float) -> Any:
    """`a` with `number` in place of what is not a number."""
    return gates.where(a != a, number, a) if _is_inexact(a) else a


@implements(np.nansum)
def nansum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **others: Any) -> Any:
    """Sum over `axis` of what is a number."""
    return gates.sum(_instead(arrayed(a), 0), axis=axis, keepdims=keepdims, dtype=dtype, out=out, **others)


@implements(np.nanprod)
def nanprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **others: Any) -> Any:
    """Product over `axis` of what is a number."""
    return gates.prod(_instead(arrayed(a), 1), axis=axis, keepdims=keepdims, dtype=dtype, out=out, **others)


@implements(np.nanmax)
def nanmax(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, **others: Any) -> Any:
    """Largest number over `axis`; NaN, with NumPy's warning, where there is none."""
    return _nan_extreme(gates.max, -np.inf, a, axis, keepdims, {"out": out, **others})


@implements(np.nanmin)
def nanmin(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, **others: Any) -> Any:
    """Smallest number over `axis`; NaN, with NumPy's warning, where there is none."""
    return _nan_extreme(gates.min, np.inf, a, axis, keepdims, {"out": out, **others})


def _nan_extreme(function: Any, neutral: float, a: Any, axis: Any, keepdims: Any, options: dict[str, Any]) -> Any:
    refuse(function.__name__, options)
    a = arrayed(a)
    extreme = function(_instead(a, neutral), axis=axis, keepdims=keepdims)
    if not _is_inexact(a):
        return extreme
    count = _count(a, axis, keepdims)
    _warn_where(count, 0, "All-NaN slice encountered")
    return gates.where(count == 0, np.nan, extreme)


def _count(a: Any, axis: Any, keepdims: Any) -> Any:
    """How many entries over `axis` are numbers, in the dtype of `a` (real)."""
    dtype = np.zeros((), _dtype(a)).real.dtype
    return gates.astype(gates.sum(gates.astype(a == a, "float64"), axis=axis, keepdims=keepdims), dtype)


def _warn_where(count: Any, bound: float, message: str) -> None:
    """NumPy's warning if somewhere `count` is not above `bound`."""
    value = _value(count)
    known = isinstance(value, np.ndarray | np.generic)
    if known and np.any(value <= bound):
        warnings.warn(message, RuntimeWarning, stacklevel=4)


@implements(np.nanmean)
def nanmean(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **others: Any) -> Any:
    """Mean over `axis` of what is a number; NaN, with NumPy's warning, where nothing is."""
    refuse("nanmean", {"out": out, **others})
    a = _in_dtype(a, dtype)
    if not _is_inexact(a):
        return gates.mean(a, axis=axis, keepdims=keepdims)
    count = _count(a, axis, keepdims)
    _warn_where(count, 0, "Mean of empty slice")
    total = gates.sum(_instead(a, 0), axis=axis, keepdims=keepdims)
    return gates.where(count == 0, np.nan, total / gates.where(count == 0, 1.0, count))


@implements(np.nanvar)
def nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """Mean squared distance from the mean over `axis`, of what is a number."""
    refuse("nanvar", {"out": out, "where": where, "mean": mean})
    if correction is not None and correction is not np._NoValue:
        ddof = correction
    a = _in_dtype(a, dtype)
    if not _is_inexact(a):
        return var(a, axis, ddof=ddof, keepdims=keepdims)
    count = _count(a, axis, True)
    _warn_where(count, ddof, "Degrees of freedom <= 0 for slice.")
    some = gates.where(count == 0, 1.0, count)
    numbers = _instead(a, 0)
    centred = gates.where(a == a, numbers - gates.sum(numbers, axis=axis, keepdims=True) / some, 0)
    # Once more, so that the distances of equal entries are zero and not the rounding error of their mean.
    centred = gates.where(a == a, centred - gates.sum(centred, axis=axis, keepdims=True) / some, 0)
    squares = gates.real(centred * gates.conj(centred)) if is_complex(a.dtype) else centred * centred
    freedom = _count(a, axis, keepdims) - ddof
    total = gates.sum(squares, axis=axis, keepdims=keepdims)
    return gates.where(freedom <= 0, np.nan, total / gates.where(freedom <= 0, 1.0, freedom))


@implements(np.nanstd)
def nanstd(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = None,
    correction: Any = None,
) -> Any:
    """Root of the mean squared distance from the mean over `axis`, of what is a number; at a constant gradient 0."""
    options = {"where": where, "mean": mean, "correction": correction}
    variance = nanvar(a, axis, dtype, out, ddof, keepdims, **options)
    return _root(variance)


@implements(np.nanmedian)
def nanmedian(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False) -> Any:
    """The middle over `axis` of what is a number."""
    refuse("nanmedian", {"out": out})
    a = arrayed(a)
    if not _is_inexact(a):
        return median(a, axis, keepdims=keepdims)
    return _nan_quantile(a, np.array(0.5), True, axis, "linear", keepdims, _mean_of_two)


def _mean_of_two(below: Any, above: Any, t: Any) -> Any:
    """The middle of two, or the one where they are the same; infinities stay what they are."""
    return gates.where(t == 0, below, (below + gates.where(t == 0, below, above)) / 2)


@implements(np.nanquantile)
@_with_options_of_quantile
def nanquantile(a: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: Any = False, **options: Any) -> Any:
    """`quantile` of what is a number."""
    options.pop("overwrite_input", None)
    refuse("nanquantile", options)
    if is_complex(arrayed(a).dtype):
        raise DTypeError("nanquantile: complex numbers have no order")
    return _nan_quantile(a, _fractions(q, "nanquantile"), type(q) in (int, float), axis, method, keepdims)


@implements(np.nanpercentile)
@_with_options_of_quantile
def nanpercentile(a: Any, q: Any, **options: Any) -> Any:
    """`nanquantile` with `q` from 0 to 100."""
    return nanquantile(a, _hundredths(q, "nanpercentile"), **options)


def _nan_quantile(
    a: Any, q: Any, weak: bool, axis: Any, method: str, keepdims: Any, between_two: Callable[..., Any] = _between
) -> Any:
    """Quantiles of the numbers in each line: a sort puts NaN last, and each line has a length of its own."""
    a = arrayed(a)
    if not _is_inexact(a) and prod(a.shape):
        return _quantile(a, q, weak, axis, method, keepdims, {})
    if not _is_inexact(a):
        a = gates.astype(a, "float64")  # of no entries, NaN
    lines, kept = _lines(a, axis, "quantile")
    rest, shares = tuple(lines.shape[:-1]), tuple(q.shape)
    number = len(shares)
    count = gates.reshape(gates.sum(gates.astype(lines == lines, "float64"), axis=-1), rest + (1,) * number)
    _warn_where(count, 0, "All-NaN slice encountered")
    below, above, between = _neighbours(gates.maximum(count, 1.0), q, method)
    if lines.shape[-1]:
        ordered = gates.sort(lines, axis=-1)
        picked = [
            gates.reshape(
                gates.take_along_axis(ordered, gates.reshape(ranks, (*rest, prod(shares))), axis=-1), (*rest, *shares)
            )
            for ranks in (below, above)
        ]
    else:
        picked = [np.full((*rest, *shares), np.nan, _dtype(a))] * 2
    if method in _DISCRETE:
        result = picked[0]
    else:
        if weak:
            between = gates.astype(between, _dtype(a))
        result = between_two(picked[0], picked[1], between)
    return _quantiles_first(result, number, kept if _flag(keepdims) else rest)


# --------------------------------------------------------------------------------------------------------- correlation


@implements(np.cov)
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """Covariance matrix of variables in rows (or columns, with ``rowvar=False``); as NumPy's, argument by argument.

    `aweights` may be traced too.

    Raises:
        ShapeError: An array has more than two axes, or the weights are not as many as the observations.
    """
    if ddof is not None and ddof != int(ddof):
        raise InputError(f"cov: ddof must be an integer; got {ddof}")
    parts = [arrayed(m)] if y is None else [arrayed(m), arrayed(y)]
    common = dtype or np.result_type(np.float64, *(_dtype(part) for part in parts))
    rows = [_rows(gates.astype(part, common), rowvar, first=not i) for i, part in enumerate(parts)]
    if rows[0].shape[0] == 0:
        return np.array([]).reshape(0, 0)
    data = rows[0] if y is None else gates.concat(rows, axis=0)
    ddof = (0 if bias else 1) if ddof is None else ddof
    weights = _observation_weights(fweights, aweights, data.shape[1])
    mean, total = average(data, axis=1, weights=weights, returned=True)
    total = total[0]
    if weights is None:
        freedom: Any = data.shape[1] - ddof
    elif ddof == 0:
        freedom = total
    elif aweights is None:
        freedom = total - ddof
    else:
        freedom = total - ddof * gates.sum(weights * aweights) / total
    freedom = gates.real(freedom)
    if not _value(freedom) > 0:
        warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=2)
        freedom = np.zeros(())
    centred = data - gates.reshape(mean, (-1, 1))
    other = centred if weights is None else centred * weights
    return gates.squeeze(gates.matmul(centred, gates.conj(gates.permute_dims(other))) * (1 / freedom))


def _rows(part: Any, rowvar: bool, first: bool) -> Any:
    """Variables as the rows of a matrix."""
    if len(part.shape) > 2:
        raise ShapeError(f"cov: variables and observations are two axes; got shape {tuple(part.shape)}")
    vector = len(part.shape) < 2
    part = gates.reshape(part, (1, -1)) if vector else part
    turned = not rowvar and (not vector if first else part.shape[0] != 1)
    return gates.permute_dims(part) if turned else part


def _observation_weights(fweights: Any, aweights: Any, number: int) -> Any:
    """The product of the two kinds of weights, checked; None where there are none."""
    product: Any = None
    for name, weights in (("fweights", fweights), ("aweights", aweights)):
        if weights is None:
            continue
        weights = gates.astype(arrayed(weights), "float64")
        value = _value(weights)
        if tuple(weights.shape) != (number,):
            raise ShapeError(f"cov: {name} has shape {tuple(weights.shape)}, there are {number} observations")
        if np.any(value < 0):
            raise InputError(f"cov: {name} must not be negative")
        if name == "fweights" and np.any(value != np.around(value)):
            raise DTypeError("cov: fweights must be whole numbers")
        product = weights if product is None else product * weights
    return product


@implements(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """Matrix of Pearson's correlation coefficients of variables in rows (or columns, with ``rowvar=False``)."""
    c = cov(x, y, rowvar, dtype=dtype)
    if len(c.shape) == 0:
        return c / c
    places = np.arange(c.shape[0])
    variance = gates.real(c[places, places])
    spread = gates.sqrt(variance)
    c = c / gates.reshape(spread, (-1, 1)) / spread
    # The diagonal is 1 whatever the data, not a number next to a bound.
    c = gates.where(np.eye(c.shape[0], dtype=bool), variance / variance, c)
    if is_complex(c.dtype):
        return gates.clip(gates.real(c), -1, 1) + gates.clip(gates.imag(c), -1, 1) * 1j
    return gates.clip(c, -1, 1)


# ------------------------------------------------------------------------------------------------------------- helpers


def _value(x: Any) -> Any:
    return x.value if isinstance(x, Tracked) else x


def _dtype(x: Any) -> Any:
    return np.dtype(dtype_name(x.dtype))


def _is_inexact(x: Any) -> bool:
    """Whether entries are floating or complex, so that one could be NaN."""
    return _dtype(x).kind in "fc"


def _flag(keepdims: Any) -> bool:
    return keepdims is not np._NoValue and bool(keepdims)


def _in_dtype(a: Any, dtype: Any) -> Any:
    a = arrayed(a)
    return a if dtype is None else gates.astype(a, dtype)
