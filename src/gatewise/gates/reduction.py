"""Gates that fold an axis: sum, mean, prod, max, min, logsumexp."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise import gates
from gatewise import samples as draw
from gatewise.errors import ShapeError
from gatewise.gate import Kink, Reduction, implements, normalize_axes, refuse
from gatewise.graph import apply, arrayed, dtype_name, untracked
from gatewise.samples import Sample, sample

__all__ = [
    "logsumexp",
    "max",
    "mean",
    "min",
    "prod",
    "sum",
]

_NUMPY_SUM: Any = np.add.reduce  # what np.sum comes to after its detours


def _samples(entries: Any = draw.normal, *, empty: bool = True) -> tuple[Sample, ...]:
    cases = [
        sample(entries(3, 4), axis=(0, 1), keepdims=False),
        sample(entries(3, 4), axis=(0,), keepdims=False),
        sample(entries(2, 3, 4), axis=(0, 2), keepdims=True),
        sample(entries(3), axis=(0,), keepdims=False),
        sample(entries(), axis=(), keepdims=False),
        sample(entries(2, 3, dtype="float32"), axis=(1,), keepdims=False),
    ]
    if empty:
        cases.append(sample(entries(0, 2), axis=(0,), keepdims=False))
    return tuple(cases)


class Sum(Reduction):
    """Sum over axes"""

    name = "sum"
    symbol = "Σ"
    story = "distributes: every entry that was summed receives the upstream gradient unchanged"
    samples = (*_samples(), sample(draw.complexes(3), axis=(0,), keepdims=False))
    linear = True

    def forward(self, xp: Any, x: Any) -> Any:
        if xp is np:
            return _NUMPY_SUM(x, axis=self.axis, keepdims=self.keepdims)
        return xp.sum(x, axis=self.axis, keepdims=self.keepdims)

    def local_x(self, g: Any, x_shape: Any) -> Any:
        return gates.broadcast_to(_keep(self, g, x_shape), x_shape)


class Mean(Reduction):
    """Mean over axes"""

    name = "mean"
    symbol = "mean"
    story = "distributes evenly: every entry receives the upstream gradient over the number of entries"
    samples = _samples(empty=False)
    linear = True

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.mean(x, axis=self.axis, keepdims=self.keepdims)

    def local_x(self, g: Any, x_shape: Any) -> Any:
        return gates.broadcast_to(_keep(self, g, x_shape) / self.count(x_shape), x_shape)


class Prod(Reduction):
    """Product over axes"""

    name = "prod"
    symbol = "Π"
    story = "swaps: each entry receives the upstream gradient times the product of all the other entries"
    samples = _samples()
    kinks = (
        Kink(
            ([0.0, 2.0, 3.0],),
            ([6.0, 0.0, 0.0],),
            "no kink, though a division by x would make it one: the product of the others is finite",
            (("axis", (0,)), ("keepdims", False)),
        ),
    )

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.prod(x, axis=self.axis, keepdims=self.keepdims)

    def local_x(self, g: Any, x: Any, x_shape: Any) -> Any:
        return _keep(self, g, x_shape) * _product_of_others(x, self.axis, x_shape)


class Max(Reduction):
    """Largest entry over axes"""

    name = "max"
    symbol = "max"
    story = "routes: the largest entry receives all of the upstream gradient, the others nothing"
    samples = _samples(empty=False)
    kinks = (
        Kink(
            ([3.0, 3.0, 1.0],),
            ([0.5, 0.5, 0.0],),
            "a tie: the winners share evenly, the smallest subgradient",
            (("axis", (0,)), ("keepdims", False)),
        ),
    )

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.max(x, axis=self.axis, keepdims=self.keepdims)

    def local_x(self, g: Any, x: Any, out: Any, x_shape: Any) -> Any:
        return _route(self, g, x, out, x_shape)

    def decision(self, out: Any, *inputs: Any) -> Any:
        return inputs[0] == np.reshape(out, self.kept_shape(inputs[0].shape))


class Min(Reduction):
    """Smallest entry over axes"""

    name = "min"
    symbol = "min"
    story = "routes: the smallest entry receives all of the upstream gradient, the others nothing"
    samples = _samples(empty=False)
    kinks = (
        Kink(
            ([1.0, 3.0, 1.0],),
            ([0.5, 0.0, 0.5],),
            "a tie: the winners share evenly, the smallest subgradient",
            (("axis", (0,)), ("keepdims", False)),
        ),
    )

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.min(x, axis=self.axis, keepdims=self.keepdims)

    def local_x(self, g: Any, x: Any, out: Any, x_shape: Any) -> Any:
        return _route(self, g, x, out, x_shape)

    def decision(self, out: Any, *inputs: Any) -> Any:
        return inputs[0] == np.reshape(out, self.kept_shape(inputs[0].shape))


class LogSumExp(Reduction):
    """log of the sum of e ** x over axes, without overflow"""

    name = "logsumexp"
    symbol = "logΣexp"
    story = "shares: each entry receives the upstream gradient times its softmax probability"
    samples = _samples(empty=False)
    kinks = (
        Kink(
            ([-np.inf, -np.inf],),
            ([0.0, 0.0],),
            "no entry has any weight, so none receives a gradient",
            (("axis", (0,)), ("keepdims", False)),
        ),
    )

    def forward(self, xp: Any, x: Any) -> Any:
        peak = xp.max(x, axis=self.axis, keepdims=True)
        shift = xp.where(xp.isfinite(peak), peak, 0 * xp.ones_like(peak))
        with np.errstate(divide="ignore"):  # log 0 is the right answer when every entry is -inf
            out = xp.log(xp.sum(xp.exp(x - shift), axis=self.axis, keepdims=True)) + shift
        return out if self.keepdims else xp.squeeze(out, axis=self.axis)

    def local_x(self, g: Any, x: Any, out: Any, x_shape: Any) -> Any:
        total = _keep(self, out, x_shape)
        # Where the total is infinite, x - total is undefined: entries at +inf share, entries at -inf get nothing.
        finite = abs(total) < np.inf
        softmax = gates.exp(gates.where(finite, x - gates.where(finite, total, 0.0), -np.inf))
        ties = gates.astype((x == total) & (total > 0) & (finite == False), out.dtype)  # noqa: E712
        count = gates.sum(ties, axis=self.axis, keepdims=True)
        return _keep(self, g, x_shape) * (softmax + ties / gates.where(count == 0, 1.0, count))


def _keep(gate: Reduction, reduced: Any, x_shape: tuple[int, ...]) -> Any:
    """`reduced` with the folded axes back as 1, so that it broadcasts against the input."""
    if gate.keepdims or len(gate.axis) == len(x_shape):  # a single number broadcasts as it is
        return reduced
    return gates.reshape(reduced, gate.kept_shape(x_shape))


def _route(gate: Reduction, g: Any, x: Any, out: Any, x_shape: tuple[int, ...]) -> Any:
    """g to the entries of x that equal the winner, shared evenly."""
    wins = x == _keep(gate, out, x_shape)
    winners = gates.sum(gates.astype(wins, out.dtype), axis=gate.axis, keepdims=True)
    return gates.where(wins, _keep(gate, g, x_shape) / winners, 0.0)


def _product_of_others(x: Any, axes: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """For each entry the product of all other entries along `axes`, without dividing, so zeros are no trouble.

    The products of everything before and of everything after each entry, each by log2(n) shifted multiplications.
    """
    if not axes:
        return gates.where(x == x, 1.0, x)
    rest = tuple(i for i in range(len(shape)) if i not in axes)
    order = rest + axes
    moved = tuple(shape[i] for i in order)
    length = 1
    for i in axes:
        length *= shape[i]
    lines = gates.reshape(gates.permute_dims(x, order), (*(shape[i] for i in rest), length))
    before = _running_product(lines, length)
    after = gates.flip(_running_product(gates.flip(lines, axis=-1), length), axis=-1)
    back = tuple(order.index(i) for i in range(len(shape)))
    return gates.permute_dims(gates.reshape(before * after, moved), back)


def _running_product(lines: Any, length: int) -> Any:
    """Exclusive running product along the last axis: entry i is the product of the entries before i."""
    widths = [(0, 0)] * (len(lines.shape) - 1)
    product = gates.pad(lines[..., :-1], [*widths, (1, 0)], 1.0) if length else lines
    shift = 1
    while shift < length:
        product = product * gates.pad(product[..., :-shift], [*widths, (shift, 0)], 1.0)
        shift *= 2
    return product


def _reduce(gate: type[Reduction], x: Any, axis: Any, keepdims: Any, others: dict[str, Any]) -> Any:
    """Apply a reduction with NumPy's arguments."""
    if others:
        dtype = others.get("dtype")
        out = _with_options(gate, x, axis, keepdims is not np._NoValue and bool(keepdims), others)
        return out if dtype is None else gates.astype(out, dtype)  # small integers are added up in larger ones
    x = arrayed(x)
    axes = normalize_axes(axis, len(x.shape), gate.name)
    return apply(gate(axes, keepdims is not np._NoValue and bool(keepdims)), x)


#: Of what each reduction with an ``initial`` is made: the value that changes nothing, and how two values are taken
#: together.
_STARTS: dict[type[Reduction], tuple[float, str]] = {
    Sum: (0, "add"),
    Prod: (1, "multiply"),
    Max: (-np.inf, "maximum"),
    Min: (np.inf, "minimum"),
}


def _with_options(gate: type[Reduction], x: Any, axis: Any, keepdims: bool, options: dict[str, Any]) -> Any:
    """A reduction with ``dtype``, ``where`` (only these entries) and ``initial`` (one more entry)."""
    dtype, where, initial = options.pop("dtype", None), options.pop("where", True), options.pop("initial", None)
    refuse(gate.name, options)
    x = arrayed(x) if dtype is None else gates.astype(arrayed(x), dtype)
    axes = normalize_axes(axis, len(x.shape), gate.name)
    folded = gate(axes, keepdims)
    initial = None if initial is np._NoValue else initial
    if gate not in _STARTS and initial is not None:
        refuse(gate.name, {"initial": initial})
    if where is not True and where is not np._NoValue:
        where = arrayed(untracked(where))
        if gate is Mean:
            return _mean_where(folded, x, where)
        if gate not in _STARTS:
            refuse(gate.name, {"where": where})
        neutral, _ = _STARTS[gate]
        if np.isinf(neutral):
            if initial is None:
                raise ShapeError(f"{gate.name} with where= may find no entry: say with initial= what it is then")
            neutral = neutral if np.dtype(dtype_name(x.dtype)).kind == "f" else initial
        x = gates.where(where, x, neutral)
    if initial is None:
        return apply(folded, x)
    _, together = _STARTS[gate]
    if gate in (Max, Min) and not folded.count(x.shape):
        shape = sum(np.empty(tuple(x.shape)), axis=axes, keepdims=keepdims).shape  # no entries are read
        return gates.broadcast_to(gates.astype(arrayed(initial), x.dtype), shape)
    return getattr(gates, together)(apply(folded, x), initial)


def _mean_where(gate: Reduction, x: Any, where: Any) -> Any:
    """The mean of the entries where `where` holds; NaN, with NumPy's warning, where there are none."""
    total = sum(gates.where(where, x, 0), axis=gate.axis, keepdims=gate.keepdims)
    kind = dtype_name((total / 1).dtype)
    chosen = gates.astype(gates.broadcast_to(where, tuple(x.shape)), kind)
    return total / sum(chosen, axis=gate.axis, keepdims=gate.keepdims)


@implements(np.sum)
def sum(x: Any, axis: Any = None, dtype: Any = None, *, keepdims: Any = False, **others: Any) -> Any:
    """Sum over `axis` (None: all axes), in `dtype`, which for small integers is by default a larger one."""
    if dtype is not None:
        others["dtype"] = dtype
    return _reduce(Sum, x, axis, keepdims, others)


@implements(np.mean)
def mean(x: Any, axis: Any = None, *, keepdims: Any = False, **others: Any) -> Any:
    """Mean over `axis` (None: all axes)."""
    return _reduce(Mean, x, axis, keepdims, others)


@implements(np.prod)
def prod(x: Any, axis: Any = None, dtype: Any = None, *, keepdims: Any = False, **others: Any) -> Any:
    """Product over `axis` (None: all axes), in `dtype`, by default a larger one for small integers; right at zeros."""
    if dtype is not None:
        others["dtype"] = dtype
    return _reduce(Prod, x, axis, keepdims, others)


@implements(np.max, np.amax)
def max(x: Any, axis: Any = None, *, keepdims: Any = False, **others: Any) -> Any:
    """Largest entry over `axis` (None: all axes); winners that tie share the gradient."""
    return _reduce(Max, x, axis, keepdims, others)


@implements(np.min, np.amin)
def min(x: Any, axis: Any = None, *, keepdims: Any = False, **others: Any) -> Any:
    """Smallest entry over `axis` (None: all axes); winners that tie share the gradient."""
    return _reduce(Min, x, axis, keepdims, others)


def logsumexp(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """log of the sum of e ** x over `axis`, without overflow.

    Example:
        >>> import gatewise as gw
        >>> round(float(gw.logsumexp([1000.0, 1000.0])), 4)
        1000.6931
    """
    return _reduce(LogSumExp, x, axis, keepdims, {})
