"""Along an axis: running sums and products, differences, slopes and areas.

Here are the gates for running sums, running products and first-order recurrences, and compositions of neighbouring
entries. What folds an axis into one entry is in `reduction`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt, pi, prod
from typing import Any

import numpy as np

from gatewise import gates
from gatewise import samples as draw
from gatewise.errors import DTypeError, ShapeError
from gatewise.gate import Gate, Kink, implements, normalize_axes, normalize_axis, refuse
from gatewise.graph import Spec, apply, arrayed, dtype_name
from gatewise.samples import sample

__all__ = [
    "cumprod",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
    "diff",
    "ediff1d",
    "nancumprod",
    "nancumsum",
    "trapezoid",
    "unwrap",
]


@dataclass(frozen=True)
class CumSum(Gate):
    """Running sum along an axis: each entry becomes the sum of those up to it"""

    name = "cumsum"
    symbol = "cumΣ"
    story = "gathers from the end: each entry receives the sum of the upstream gradients of its place and all after it"
    samples = (
        sample(draw.normal(4), axis=0),
        sample(draw.normal(3, 4), axis=1),
        sample(draw.normal(2, 3, 2), axis=1),
        sample(draw.normal(0, 2), axis=0),
        sample(draw.normal(5, dtype="float32"), axis=0),
        sample(draw.complexes(3), axis=0),
    )
    linear = True

    axis: int

    def forward(self, xp: Any, x: Any) -> Any:
        return np.cumsum(x, axis=self.axis) if xp is np else xp.cumulative_sum(x, axis=self.axis)

    def local_x(self, g: Any) -> Any:
        return gates.flip(cumsum(gates.flip(g, axis=self.axis), self.axis), axis=self.axis)

    def infer(self, *specs: Spec) -> Spec:
        (x,) = specs
        return Spec(x.shape, np.cumsum(np.ones(1, x.dtype)).dtype)


@dataclass(frozen=True)
class CumProd(Gate):
    """Running product along an axis: each entry becomes the product of those up to it"""

    name = "cumprod"
    symbol = "cumΠ"
    story = (
        "swaps: each entry receives, for every product it is in, that one's upstream gradient times the other factors"
    )
    samples = (
        sample(draw.normal(4), axis=0),
        sample(draw.normal(3, 4), axis=1),
        sample(draw.normal(2, 3, 2), axis=1),
        sample(draw.normal(0, 2), axis=0),
        sample([2.0, 0.0, 3.0, 0.0, 5.0], axis=0),
        sample(draw.normal(5, dtype="float32"), axis=0),
        sample(draw.complexes(3), axis=0),
    )
    kinks = (
        Kink(
            ([2.0, 0.0, 3.0],),
            ([1.0, 8.0, 0.0],),
            "no kink, though a division by x would make it one: the products of the others are finite",
            (("axis", 0),),
        ),
    )

    axis: int

    def forward(self, xp: Any, x: Any) -> Any:
        return np.cumprod(x, axis=self.axis) if xp is np else xp.cumulative_prod(x, axis=self.axis)

    def local_x(self, g: Any, x: Any, out: Any, x_shape: Any) -> Any:
        if not prod(x_shape):
            return g
        x, g, out = (gates.moveaxis(array, self.axis, -1) for array in (x, g, out))
        before, after = _behind(out, 1.0), _recur_from_end(x, g)
        # Where nothing arrives from later products, it does not matter that one grew to infinity.
        before = gates.where((after == 0) & (gates.abs(before) == np.inf), 0.0, before)
        return gates.moveaxis(before * after, -1, self.axis)

    def infer(self, *specs: Spec) -> Spec:
        (x,) = specs
        return Spec(x.shape, np.cumprod(np.ones(1, x.dtype)).dtype)


class Recurrence(Gate):
    """y[i] = x[i] + factor[i] · y[i-1] along the last axis, from y[-1] = 0"""

    name = "recurrence"
    symbol = "↻"
    story = (
        "carries back: each entry receives its place's upstream gradient and, times the factor, the one carried back"
    )
    samples = (
        sample(draw.normal(4), draw.normal(4)),
        sample(draw.normal(2, 5), draw.normal(2, 5)),
        sample([1.0, 0.0, 2.0, 3.0], draw.normal(4)),
        sample(draw.normal(100), draw.unit(100)),
        sample(draw.normal(5, dtype="float32"), draw.unit(5, dtype="float32")),
        sample(draw.complexes(3), draw.complexes(3)),
    )

    def forward(self, xp: Any, x: Any, factor: Any) -> Any:
        if xp is np:
            return _recur(np.asarray(x), np.asarray(factor))
        if hasattr(xp, "recurred"):
            return xp.recurred(x, factor)
        out = [x[..., 0]]
        for i in range(1, x.shape[-1]):
            out.append(x[..., i] + factor[..., i] * out[-1])
        return xp.stack(out, axis=-1)

    def local_x(self, g: Any, factor: Any) -> Any:
        return _recur_from_end(factor, g)

    def local_factor(self, g: Any, factor: Any, out: Any) -> Any:
        return _recur_from_end(factor, g) * _behind(out, 0.0)

    def infer(self, *specs: Spec) -> Spec:
        return Spec(specs[0].shape, np.result_type(specs[0].dtype, specs[1].dtype))


RECURRENCE = Recurrence()

#: Lines longer than this are cut into pieces that are run through side by side.
_PIECE = 64


def _recur(x: Any, factor: Any) -> Any:
    """The recurrence, in about 2 √n steps over whole arrays for one long line of n entries, or n for many lines."""
    *rest, length = x.shape
    lines = prod(rest)
    pieces = 1 if length <= _PIECE or lines >= _PIECE else isqrt(length)
    width = -(-length // pieces)
    spare = pieces * width - length
    shape = (lines * pieces, width)
    values, factors = (
        np.ascontiguousarray(np.pad(a.reshape(lines, length), ((0, 0), (0, spare))).reshape(shape).T)
        for a in (x.astype(np.result_type(x, factor)), factor)
    )
    for i in range(1, width):
        values[i] += factors[i] * values[i - 1]
    if pieces > 1:
        products = np.cumprod(factors, axis=0)
        if not np.isfinite(products).all():  # no short cut through what overflows
            return _recur_step_by_step(x, factor)
        ends, steps = (a[-1].reshape(lines, pieces)[:, :-1] for a in (values, products))
        carried = np.pad(_recur(ends, steps), ((0, 0), (1, 0))).reshape(-1)
        values += products * carried
    return values.T.reshape(lines, -1)[:, :length].reshape(x.shape)


def _recur_step_by_step(x: Any, factor: Any) -> Any:
    """The recurrence as it is defined."""
    out = np.moveaxis(x.astype(np.result_type(x, factor)), -1, 0)
    factor = np.moveaxis(factor, -1, 0)
    for i in range(1, len(out)):
        out[i] += factor[i] * out[i - 1]
    return np.moveaxis(out, 0, -1)


def _behind(y: Any, first: float) -> Any:
    """Each entry's predecessor along the last axis."""
    return gates.pad(y[..., :-1], [(0, 0)] * (len(y.shape) - 1) + [(1, 0)], first)


def _recur_from_end(factor: Any, g: Any) -> Any:
    """The transpose: t[i] = g[i] + factor[i+1] · t[i+1], from the end."""
    following = gates.pad(factor[..., 1:], [(0, 0)] * (len(g.shape) - 1) + [(0, 1)], 0.0)
    return gates.flip(apply(RECURRENCE, gates.flip(g, axis=-1), gates.flip(following, axis=-1)), axis=-1)


# ------------------------------------------------------------------------------------------------------ running totals


def _running(gate: Any, a: Any, axis: Any, options: dict[str, Any]) -> Any:
    """Apply one of the two gates with NumPy's arguments."""
    a = arrayed(a)
    dtype = options.pop("dtype")
    refuse(gate.name, options)
    if dtype is not None:
        a = gates.astype(a, dtype)
    if axis is None:
        a, axis = gates.ravel(a), 0
    total = apply(gate(normalize_axis(axis, len(a.shape), gate.name)), a)
    return total if dtype is None else gates.astype(total, dtype)  # small integers are added up in larger ones


@implements(np.cumsum)
def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """Running sum along `axis` (None: of all entries in a row).

    Example:
        >>> import gatewise as gw, numpy as np
        >>> gw.grad(lambda x: gw.cumsum(x)[1])(np.array([1.0, 2.0, 3.0])).tolist()
        [1.0, 1.0, 0.0]
    """
    return _running(CumSum, a, axis, {"dtype": dtype, "out": out})


@implements(np.cumprod)
def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """Running product along `axis` (None: of all entries in a row); right at zeros.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> gw.grad(lambda x: gw.sum(gw.cumprod(x)))(np.array([2.0, 0.0, 3.0])).tolist()
        [1.0, 8.0, 0.0]
    """
    return _running(CumProd, a, axis, {"dtype": dtype, "out": out})


@implements(np.cumulative_sum)
def cumulative_sum(
    x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False
) -> Any:
    """Running sum along `axis`, which only a vector may leave out; with `include_initial` it starts with 0."""
    return _with_initial(CumSum, x, axis, {"dtype": dtype, "out": out}, 0.0 if include_initial else None)


@implements(np.cumulative_prod)
def cumulative_prod(
    x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False
) -> Any:
    """Running product along `axis`, which only a vector may leave out; with `include_initial` it starts with 1."""
    return _with_initial(CumProd, x, axis, {"dtype": dtype, "out": out}, 1.0 if include_initial else None)


def _with_initial(gate: Any, x: Any, axis: Any, options: dict[str, Any], initial: float | None) -> Any:
    """A running total as the Array API standard has it."""
    x = arrayed(x)
    if not x.shape:
        x = gates.reshape(x, (1,))
    if axis is None and len(x.shape) > 1:
        raise ShapeError(f"{gate.name}: name the axis of shape {tuple(x.shape)} along which to run")
    place = 0 if axis is None else normalize_axis(axis, len(x.shape), gate.name)
    total = _running(gate, x, place, options)
    if initial is None:
        return total
    return gates.pad(total, [(int(i == place), 0) for i in range(len(x.shape))], initial)


@implements(np.nancumsum)
def nancumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """Running sum along `axis`, in which NaN counts as 0."""
    return cumsum(_instead_of_nan(a, 0), axis, dtype, out)


@implements(np.nancumprod)
def nancumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """Running product along `axis`, in which NaN counts as 1."""
    return cumprod(_instead_of_nan(a, 1), axis, dtype, out)


def _instead_of_nan(a: Any, number: int) -> Any:
    a = arrayed(a)
    return gates.where(a != a, number, a) if np.dtype(dtype_name(a.dtype)).kind in "fc" else a


# ---------------------------------------------------------------------------------------------------------- neighbours


@implements(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = np._NoValue, append: Any = np._NoValue) -> Any:
    """Differences of neighbours along `axis`, `n` times over; `prepend` and `append` are joined to `a` before.

    Example:
        >>> import gatewise as gw
        >>> gw.diff([1.0, 4.0, 9.0, 16.0], n=2).tolist()
        [2.0, 2.0]
    """
    if n == 0:
        return a
    if n < 0:
        raise ShapeError(f"diff: n counts how often differences are taken; got {n}")
    a = arrayed(a)
    if not a.shape:
        raise ShapeError("diff: a single number has no neighbours; it needs at least one axis")
    axis = normalize_axis(axis, len(a.shape), "diff")
    parts = [_as_border(prepend, a.shape, axis), a, _as_border(append, a.shape, axis)]
    given = [part for part in parts if part is not None]
    if len(given) > 1:
        a = gates.concat(given, axis=axis)
    boolean = dtype_name(a.dtype) == "bool"
    for _ in range(n):
        after, before = _part(a, axis, 1, None), _part(a, axis, None, -1)
        a = after != before if boolean else after - before
    return a


def _as_border(border: Any, shape: tuple[int, ...], axis: int) -> Any:
    """What is to be joined to an array of `shape`; a number is repeated along the other axes."""
    if border is np._NoValue or border is None:
        return None
    border = arrayed(border)
    if border.shape:
        return border
    return gates.broadcast_to(border, tuple(1 if i == axis else n for i, n in enumerate(shape)))


def _part(a: Any, axis: int, start: int | None, stop: int | None) -> Any:
    """a[..., start:stop, ...] along `axis`."""
    return a[(slice(None),) * axis + (slice(start, stop),)]


@implements(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Differences of neighbours in the row of all entries, between `to_begin` and `to_end`."""
    row = gates.ravel(ary)
    parts = []
    for border in (to_begin, row[1:] - row[:-1], to_end):
        if border is not None:
            border = gates.ravel(border)
            if not np.can_cast(dtype_name(border.dtype), dtype_name(row.dtype), casting="same_kind"):
                raise DTypeError(f"ediff1d: {border.dtype} does not fit into the differences' {row.dtype}")
            parts.append(gates.astype(border, dtype_name(row.dtype)))
    return gates.concat(parts) if len(parts) > 1 else parts[0]


@implements(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Slopes of sampled values by central differences, one array per axis; NumPy's ``np.gradient``.

    This is numerical differentiation of data; gradients of functions are `grad`'s. The spacing, one number or the
    coordinates along an axis, may be traced too. It is reached by NumPy's name only, as ``gw.gradient`` would be taken
    for `grad`.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> gw.jacobian(np.gradient)(np.array([1.0, 2.0, 4.0])).tolist()
        [[-1.0, 1.0, 0.0], [-0.5, 0.0, 0.5], [0.0, -1.0, 1.0]]
    """
    f = arrayed(f)
    if np.dtype(dtype_name(f.dtype)).kind not in "fc":
        f = gates.astype(f, "float64")
    if edge_order not in (1, 2):
        raise ShapeError(f"gradient: edge_order is 1 or 2; got {edge_order}")
    ndim = len(f.shape)
    if axis is None:
        axes = list(range(ndim))
    else:
        axes = [normalize_axis(a, ndim, "gradient") for a in (axis if isinstance(axis, tuple | list) else (axis,))]
        normalize_axes(tuple(axes), ndim, "gradient")  # names none twice
    spacings = _spacings(varargs, [f.shape[a] for a in axes])
    slopes = []
    for place, spacing in zip(axes, spacings, strict=True):
        if f.shape[place] < edge_order + 1:
            raise ShapeError(
                f"gradient: axis {place} of shape {tuple(f.shape)} is too short for edge_order={edge_order}"
            )
        slopes.append(gates.moveaxis(_slopes(gates.moveaxis(f, place, -1), spacing, edge_order), -1, place))
    return slopes[0] if len(slopes) == 1 else tuple(slopes)


def _spacings(given: tuple[Any, ...], lengths: list[int]) -> list[Any]:
    """For each axis the distance of neighbours: one number, or an array of them."""
    if not given:
        return [1.0] * len(lengths)
    if len(given) == 1 and np.ndim(given[0]) == 0:
        return list(given) * len(lengths)
    if len(given) != len(lengths):
        raise ShapeError(f"gradient: {len(given)} spacings were given for {len(lengths)} axes")
    spacings = []
    for entry, length in zip(given, lengths, strict=True):
        if np.ndim(entry) == 0:
            spacings.append(entry)
            continue
        coordinates = arrayed(entry)
        if tuple(coordinates.shape) != (length,):
            raise ShapeError(f"gradient: {length} coordinates are needed along the axis; got {coordinates.shape}")
        if np.dtype(dtype_name(coordinates.dtype)).kind in "iub":
            coordinates = gates.astype(coordinates, "float64")
        spacings.append(diff(coordinates))
    return spacings


def _slopes(f: Any, spacing: Any, edge_order: int) -> Any:
    """Slopes along the last axis."""
    if np.ndim(spacing) == 0:
        inner = (f[..., 2:] - f[..., :-2]) / (2.0 * spacing)
        first, last = spacing, spacing
        ends = (spacing, spacing), (spacing, spacing)
    elif isinstance(spacing, np.ndarray) and (spacing == spacing[0]).all():
        return _slopes(f, spacing[0], edge_order)  # what NumPy does for even coordinates, rounding included
    else:
        before, after = spacing[:-1], spacing[1:]
        inner = (
            -after / (before * (before + after)) * f[..., :-2]
            + (after - before) / (before * after) * f[..., 1:-1]
            + before / (after * (before + after)) * f[..., 2:]
        )
        first, last = spacing[0], spacing[-1]
        ends = (spacing[0], spacing[min(1, len(spacing) - 1)]), (spacing[-1], spacing[-min(2, len(spacing))])
    if edge_order == 1:
        start = (f[..., 1:2] - f[..., :1]) / first
        end = (f[..., -1:] - f[..., -2:-1]) / last
    else:
        start = _edge(f[..., :1], f[..., 1:2], f[..., 2:3], *ends[0])
        end = -_edge(f[..., -1:], f[..., -2:-1], f[..., -3:-2], *ends[1])
    return gates.astype(gates.concat([start, inner, end], axis=-1), dtype_name(f.dtype))


def _edge(f0: Any, f1: Any, f2: Any, near: Any, far: Any) -> Any:
    """The slope at an end, exact for parabolas: from the end's value and the next two, inwards."""
    whole = near + far
    return -(near + whole) / (near * whole) * f0 + whole / (near * far) * f1 - near / (far * whole) * f2


@implements(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """Area under sampled values, by trapezoids; the places `x`, or their distance `dx`, may be traced too.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> gw.grad(gw.trapezoid)(np.array([1.0, 2.0, 3.0])).tolist()
        [0.5, 1.0, 0.5]
    """
    y = arrayed(y)
    axis = normalize_axis(axis, len(y.shape), "trapezoid")
    if x is None:
        widths = dx
    else:
        x = arrayed(x)
        if len(x.shape) == 1:
            widths = gates.reshape(diff(x), tuple(-1 if i == axis else 1 for i in range(len(y.shape))))
        else:
            widths = diff(x, axis=axis - len(y.shape))
    return gates.sum(widths * (_part(y, axis, 1, None) + _part(y, axis, None, -1)) / 2.0, axis=axis)


@implements(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * pi) -> Any:
    """Angles without jumps: multiples of `period` are added so that neighbours differ by at most half of it."""
    p = arrayed(p)
    axis = normalize_axis(axis, len(p.shape), "unwrap")
    steps = diff(p, axis=axis)
    discont = period / 2 if discont is None else discont
    if np.dtype(dtype_name((steps + period).dtype)).kind in "iu":
        high, odd = divmod(period, 2)
    else:
        high, odd = period / 2, 0
    wrapped = gates.remainder(steps + high, period) - high
    if odd == 0:
        wrapped = gates.where((wrapped == -high) & (steps > 0), high, wrapped)
    correction = gates.where(gates.abs(steps) < discont, 0, wrapped - steps)
    rest = _part(p, axis, 1, None) + cumsum(correction, axis)
    return gates.concat([_part(p, axis, None, 1), rest], axis=axis)
