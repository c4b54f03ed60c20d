"""NumPy's two protocols: ufuncs with options and methods, and its functions.

On traced arrays they give what they give on plain ones, and gradients are slopes.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import gatewise as gw

X = np.array([0.7, 1.3, 2.1, 0.4, 1.9])
M = np.array([[0.5, 1.5, 2.0], [1.25, 0.75, 0.25]])
S = np.array([[2.0, 0.3, 0.1], [0.4, 1.5, 0.2], [0.7, 0.6, 3.0]])
MASK = np.array([True, False, True, True, False])


def slopes(f, x, step=1e-6):
    """The gradient of the scalar function `f` at `x` by central differences."""
    gradient = np.zeros(np.shape(x), np.asarray(x).dtype)
    for index in np.ndindex(np.shape(x)):
        for direction in (1, 1j) if gradient.dtype.kind == "c" else (1,):
            ends = []
            for sign in (1, -1):
                moved = np.array(x)
                moved[index] += sign * step * direction
                ends.append(float(f(moved)))
            gradient[index] += direction * (ends[0] - ends[1]) / (2 * step)
    return gradient


def parts(result):
    """The arrays of a result, which may be a tuple of them, as one real row."""
    row = (
        [np.ravel(np.real(one)) for one in result] if isinstance(result, tuple | list) else [np.ravel(np.real(result))]
    )
    if isinstance(result, tuple | list):
        row += [np.ravel(np.imag(one)) for one in result if np.iscomplexobj(one)]
    elif np.iscomplexobj(result):
        row.append(np.ravel(np.imag(result)))
    return np.concatenate(row)


def agrees(f, x, **tolerance):
    """Assert that `f` gives on a traced array what it gives on NumPy's, and that its gradient is its slope."""
    expected, found = parts(f(np.array(x))), []
    weights = np.cos(1 + np.arange(expected.size))

    def loss(x):
        row = parts(f(x))
        found.append(row)
        return np.sum(weights * row)

    gradient = gw.grad(loss)(np.array(x))
    value = gw.stop_gradient(found[0])
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-14)
    assert value.dtype == expected.dtype
    np.testing.assert_allclose(gradient, slopes(loss, x), **{"rtol": 1e-6, "atol": 1e-7, **tolerance})


# ---------------------------------------------------------------------------------------------------- options of ufuncs


def into(ufunc, *others, **options):
    """The ufunc written into an array like its first operand."""

    def f(x):
        out = np.zeros_like(x)
        answer = ufunc(x, *others, out=out, **options)
        assert answer is out
        return out * 1.0

    return f


def test_out_rebinds_an_array():
    agrees(into(np.exp), X)
    agrees(into(np.add, X[::-1]), X)
    agrees(into(np.multiply, 2.0), X)
    agrees(into(np.hypot, X), X)


def test_out_may_be_the_operand_itself_as_with_plain_arrays():
    def f(x):
        x = x * 1.0
        alias = x
        np.multiply(x, x, out=x)
        np.add(x, 1.0, out=x)
        return alias * 2

    agrees(f, X)


def test_out_of_several_results():
    def f(x):
        whole, rest = np.zeros_like(x), np.zeros_like(x)
        np.modf(x * 3.0, out=(rest, whole))
        return rest * whole

    agrees(f, X)


def test_out_repeats_a_smaller_result_and_keeps_its_dtype():
    def f(x):
        out = np.zeros_like(x, shape=(2, 5))
        np.add(x, 1, out=out)
        return out

    agrees(f, X)
    narrow = np.zeros_like(gw.variable(X), dtype=np.float32)
    np.add(gw.variable(X), 1, out=narrow)
    assert narrow.dtype == np.float32
    with pytest.raises(gw.DTypeError, match="which out, of dtype float64, cannot hold"):
        np.add(gw.variable(X), 1j, out=np.zeros_like(gw.variable(X)))
    with pytest.raises(gw.ShapeError, match=r"result has shape \(5,\), and out has shape \(2,\)"):
        np.exp(gw.variable(X), out=np.zeros_like(gw.variable(X[:2])))


def test_out_that_is_a_plain_array_is_refused_for_traced_values_only():
    space = np.zeros(5)
    with pytest.raises(gw.UnsupportedError, match="memory that has no gradient"):
        gw.grad(lambda x: np.sum(np.exp(x, out=space)))(X)
    with pytest.raises(gw.UnsupportedError, match="memory that has no gradient"):
        gw.grad(lambda x: np.sum(x, out=np.zeros(())))(X)
    assert np.add(np.ones_like(gw.variable(X)), 1.0, out=space) is space
    np.testing.assert_array_equal(space, np.full(5, 2.0))


@pytest.mark.parametrize("function", [np.sum, np.mean, np.max, np.cumsum, np.median, np.std, np.nanmax, np.prod])
def test_out_of_functions(function):
    def f(x):
        out = np.zeros_like(x, shape=np.shape(function(x * 1.0)))
        assert function(x, out=out) is out
        return out * 2

    agrees(f, X)


def test_out_by_place():
    def f(x):
        a, b, c = (np.zeros_like(x) for _ in range(3))
        np.clip(x, 0.5, 1.5, a)
        x.cumsum(0, None, b)
        np.round(x, 1, c)
        return a * b + c

    agrees(f, X)


def test_where_computes_at_the_chosen_entries_only():
    agrees(into(np.log, where=MASK), X)
    agrees(into(np.add, 3.0, where=MASK), X)

    def safe(x):
        return np.log(x, out=np.zeros_like(x), where=x > 0)

    start = np.array([-1.0, 2.0, 0.0, 3.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # log is never asked for -1 and 0
        np.testing.assert_allclose(gw.grad(lambda x: np.sum(safe(x)))(start), [0, 0.5, 0, 1 / 3])
    agrees(lambda x: np.multiply(x[:, None], x, out=x[None] * np.ones((5, 1)), where=MASK[:, None]), X)


def test_where_keeps_the_gradient_of_what_stood_in_out():
    agrees(lambda x: np.exp(x, out=x * 3.0, where=MASK), X)


def test_where_without_out_says_what_to_do():
    with pytest.raises(gw.UnsupportedError, match=r"say with out= .*np\.where"):
        np.log(gw.variable(X), where=MASK)


def test_dtype_chooses_the_loop():
    x = gw.variable(X)
    assert np.add(x, 1, dtype=np.float32).dtype == np.float32
    assert np.add(x, 1, dtype=complex).dtype == np.complex128
    assert np.exp(x, signature="f->f").dtype == np.float32
    assert np.sum(x, dtype=np.float32).dtype == np.float32
    agrees(lambda x: np.multiply(x, x, dtype=np.float64, casting="unsafe", order="C", subok=False), X)
    with pytest.raises(gw.DTypeError, match="Cannot cast"):
        np.add(x, 1, dtype=np.int64)


def test_unknown_options_are_refused():
    with pytest.raises((gw.UnsupportedError, TypeError)):
        np.exp(gw.variable(X), nonsense=1)


def test_axes_of_products():
    A, B = np.random.default_rng(0).uniform(1, 2, (2, 2, 3, 4))
    agrees(lambda a: np.vecdot(a, B, axis=0), A)
    agrees(lambda a: np.vecdot(a, B, axis=1, keepdims=True), A)
    agrees(lambda a: np.vecdot(a, B, axes=[1, 1]), A)
    agrees(lambda a: np.matmul(a, np.ones((4, 5, 3)), axes=[(0, 2), (0, 1), (0, 1)]), A)
    agrees(lambda a: np.matvec(a, B[0, 0], axes=[(0, 2), 0, 0]), A)
    agrees(lambda a: np.vecmat(a, np.ones((3, 4)), axes=[0, (1, 0), 0]), A[0, 0])
    with pytest.raises(gw.ShapeError, match="neither axis= nor keepdims="):
        np.matmul(gw.variable(A), B, axis=0)


# ---------------------------------------------------------------------------------------------------- methods of ufuncs

REDUCED = [
    np.add, np.multiply, np.maximum, np.minimum, np.logaddexp, np.logaddexp2, np.hypot, np.fmax, np.fmin,
    np.subtract, np.divide,
]  # fmt: skip


@pytest.mark.parametrize("ufunc", REDUCED, ids=lambda ufunc: ufunc.__name__)
def test_reduce_accumulate_outer_reduceat(ufunc):
    agrees(lambda x: ufunc.reduce(x), X)
    agrees(lambda x: ufunc.reduce(x, axis=1), M)
    agrees(lambda x: ufunc.reduce(x, axis=0, keepdims=True), M)
    agrees(lambda x: ufunc.reduce(x, initial=0.9), X)
    agrees(lambda x: ufunc.accumulate(x), X)
    agrees(lambda x: ufunc.accumulate(x, axis=1), M)
    agrees(lambda x: ufunc.outer(x, M), X[:2])
    agrees(lambda x: ufunc.outer(M, x), X[:2])
    agrees(lambda x: ufunc.reduceat(x, [0, 3, 1, 4]), X)
    agrees(lambda x: ufunc.reduceat(x, [0, 2], axis=1), M)


@pytest.mark.parametrize("ufunc", REDUCED[:9], ids=lambda ufunc: ufunc.__name__)
def test_reduce_over_several_axes_and_where(ufunc):
    agrees(lambda x: ufunc.reduce(x, axis=None), M)
    agrees(lambda x: ufunc.reduce(x, axis=(0, 2), keepdims=True), np.stack([M, M + 0.1]))
    agrees(lambda x: ufunc.reduce(x, initial=0.3, where=MASK), X)


@pytest.mark.parametrize("ufunc", [np.power, np.arctan2, np.subtract], ids=lambda ufunc: ufunc.__name__)
def test_where_the_order_matters_entries_are_taken_one_by_one(ufunc):
    # The truth is spelled out, because NumPy 2.4 itself skips entries of power and arctan2 on some processors.
    def folded(x):
        return ufunc(ufunc(ufunc(0.9, x[0]), x[2]), x[3])

    def reduced(x):
        return ufunc.reduce(x, initial=0.9, where=MASK) if isinstance(x, gw.Array) else folded(x)

    def run(x):
        totals = [x[0]]
        for entry in x[1:]:
            totals.append(ufunc(totals[-1], entry))
        return np.stack(totals)

    agrees(reduced, X)
    agrees(lambda x: ufunc.accumulate(x) if isinstance(x, gw.Array) else run(x), X)


def test_reduce_of_no_entries():
    nothing = gw.variable(np.zeros((0, 2)))
    np.testing.assert_array_equal(np.add.reduce(nothing).value, [0, 0])
    np.testing.assert_array_equal(np.hypot.reduce(nothing).value, [0, 0])
    np.testing.assert_array_equal(np.maximum.reduce(nothing, initial=3.0), [3, 3])
    with pytest.raises(ValueError, match="max"):
        np.maximum.reduce(nothing)
    with pytest.raises(gw.ShapeError, match="no value: give initial="):
        np.divide.reduce(nothing)


def test_an_order_that_matters_needs_one_axis():
    with pytest.raises(gw.ShapeError, match="depends on the order"):
        np.subtract.reduce(gw.variable(M), axis=None)


def test_methods_with_out_and_dtype():
    def f(x):
        total, running = np.zeros_like(x, shape=()), np.zeros_like(x)
        np.multiply.reduce(x, out=total)
        np.maximum.accumulate(x, out=running)
        return total * running

    agrees(f, X)
    assert np.add.reduce(gw.variable(X), dtype=np.float32).dtype == np.float32
    assert np.subtract.accumulate(gw.variable(X), dtype=np.float32).dtype == np.float32


def test_methods_of_ufuncs_without_gradient_answer_from_values():
    x = gw.variable(X)
    assert np.logical_and.reduce(x) == np.True_
    np.testing.assert_array_equal(np.greater.outer(x, X[:2]).value, np.greater.outer(X, X[:2]))
    np.testing.assert_array_equal(np.logical_or.accumulate(x), np.logical_or.accumulate(X))


@pytest.mark.parametrize("ufunc", [np.add, np.subtract, np.multiply, np.divide, np.maximum, np.power])
@pytest.mark.parametrize("places", [[0, 2], [1, 1, 4, 1], np.array([-1, 0])], ids=str)
def test_at_meets_every_index_as_often_as_it_comes(ufunc, places):
    values = 1.0 + 0.3 * np.arange(len(places))

    def into_x(x):
        x = x * 1.0
        ufunc.at(x, places, values)
        return x

    def from_x(x):
        out = np.zeros_like(x) + 1.5
        ufunc.at(out, places, x[: len(places)])
        return out

    agrees(into_x, X)
    agrees(from_x, X)


def test_at_of_one_operand_and_of_several_axes():
    def f(x):
        x = x * 1.0
        np.negative.at(x, ([0, 1, 0], [0, 2, 0]))
        np.exp.at(x, (slice(None), 1))
        np.add.at(x, (1, [0, 0]), np.sum(x))
        return x

    agrees(f, M)
    with pytest.raises(gw.UnsupportedError, match="memory that has no gradient"):
        np.add.at(np.zeros(5), [0, 1], gw.variable(X)[:2])


# ----------------------------------------------------------------------------------------------------------- reductions


@pytest.mark.parametrize(
    "f",
    {
        "sum": lambda x: np.sum(x, where=MASK),
        "sum initial": lambda x: np.sum(x, where=MASK, initial=2.0),
        "sum rows": lambda x: np.sum(np.outer(x, x), axis=1, where=MASK, keepdims=True),
        "mean": lambda x: np.mean(x, where=MASK),
        "mean rows": lambda x: np.mean(np.outer(x, x), axis=0, where=MASK[:, None]),
        "prod": lambda x: np.prod(x, where=MASK, initial=0.5),
        "max": lambda x: np.max(x, where=MASK, initial=0.1),
        "min": lambda x: x.min(where=MASK, initial=9.0),
        "initial wins": lambda x: np.max(x, initial=9.0) + np.sum(x),
        "var": lambda x: np.var(x, where=MASK),
        "var ddof": lambda x: np.var(np.outer(x, x), axis=1, ddof=1, where=MASK),
        "std": lambda x: x.std(where=MASK, keepdims=True),
        "var mean": lambda x: np.var(x, mean=np.mean(x, keepdims=True)),
        "nansum": lambda x: np.nansum(x, where=MASK),
        "positional": lambda x: np.sum(x, 0, np.float64) + x.mean(0, np.float64),
    }.items(),
    ids=lambda f: f[0],
)
def test_reductions_of_chosen_entries(f):
    agrees(f[1], X)


def test_an_extreme_of_chosen_entries_needs_a_start():
    with pytest.raises(gw.ShapeError, match="initial="):
        np.max(gw.variable(X), where=MASK)


def test_any_and_all_of_chosen_entries():
    x = gw.variable(X)
    assert np.any(x > 2, where=MASK)
    assert x.any(where=MASK)
    assert not np.all(x > 2, where=MASK)


# ------------------------------------------------------------------------------------------------------- array methods


def filled(x):
    x = x * 1.0
    x.fill(np.sum(x))
    return x


def put(x):
    x = x * 1.0
    x.put([0, -1], x[1] * 2.0)
    x.put([7, 3], [0.5], "wrap")
    return x


METHODS = {
    "round": lambda x: x.round() + x.round(1) + x, "repeat": lambda x: x.repeat([1, 0, 2, 1, 3]),
    "conjugate": lambda x: x.conjugate(), "fill": filled, "put": put, "flatten F": lambda x: x.flatten("F"),
    "astype": lambda x: x.astype(float, casting="safe"), "sum": lambda x: x.sum(0, None, None, True),
    "max": lambda x: x.max(0, None, True), "clip": lambda x: x.clip(0.5, max=1.0), "copy": lambda x: x.copy("C"),
}  # fmt: skip


@pytest.mark.parametrize("f", METHODS.values(), ids=METHODS)
def test_methods_of_arrays(f):
    agrees(f, X)


def test_methods_of_matrices():
    agrees(lambda x: x.trace() * x.diagonal(1), S)
    agrees(lambda x: x.ravel("F") * x.ravel(), M)


def test_membership():
    x = gw.variable(M)
    assert 1.5 in x
    assert 7.0 not in x


def test_boolean_updates_in_place_reach_an_alias():
    mask = gw.variable(X) > 1
    alias = mask
    mask &= MASK
    mask |= ~MASK
    mask ^= True
    np.testing.assert_array_equal(alias.value, (((X > 1) & MASK) | ~MASK) ^ True)


@pytest.mark.parametrize(
    "name", [name for name in dir(np.ndarray) if not name.startswith("_") and name not in ("grad",)]
)
def test_what_arrays_have_is_there_or_says_what_is_instead(name):
    try:
        getattr(gw.variable(S), name)
    except AttributeError as error:
        assert "what NumPy has is in" not in str(error)  # noqa: PT017  a reason of its own


# ------------------------------------------------------------------------------------------------- functions of NumPy's

NUMBERS = np.array([0, 2, 2, 1, 4])
FUNCTIONS = {
    "bincount": lambda x: np.bincount(NUMBERS, x),
    "bincount longer": lambda x: np.bincount(NUMBERS, x, minlength=9),
    "histogram weights": lambda x: np.histogram(X, [0, 1, 1.5, 3], weights=x)[0],
    "histogram density": lambda x: np.histogram(X, 3, weights=x, density=True)[0],
    "histogram edges": lambda x: np.histogram_bin_edges(x, 4),
    "histogram of x": lambda x: np.histogram(x, 2, density=True),
    "histogram range": lambda x: np.histogram(x * 1.0, 3, (0, x[2] * 1.1), density=True),
    "histogram2d": lambda x: np.histogram2d(X, X[::-1], 2, weights=x, density=True),
    "histogram2d edges": lambda x: np.histogram2d(x, X, [np.array([0.0, 1.0, 3.0]), 2], density=True),
    "histogramdd": lambda x: np.histogramdd(np.stack([X, X], 1), (2, 3), weights=x)[0],
    "polyfit": lambda x: np.polyfit(x, X[::-1], 2),
    "polyfit values": lambda x: np.polyfit(X, x, 3),
    "polyfit weights": lambda x: np.polyfit(X, X**2, 1, w=x),
    "polyfit many": lambda x: np.polyfit(X, np.stack([x, x * x], 1), 1),
    "polyfit covariance": lambda x: np.polyfit(X, np.sin(3 * x), 1, cov=True),
    "polyfit unscaled": lambda x: np.polyfit(x, X, 1, cov="unscaled")[1],
    "poly": np.poly,
    "poly of a matrix": lambda x: np.poly(np.outer(x, x) + np.diag(x)),
    "roots": lambda x: np.sort_complex(np.roots(x)),
    "roots with zeros": lambda x: np.roots(np.concatenate([[0.0], x[:2] - 3, [0.0]])),
    "polydiv": lambda x: np.polydiv(x, x[:2]),
    "polydiv longer": lambda x: np.polydiv(x[:2], x),
    "polyval": lambda x: np.polyval(x, x[:2]),
    "linspace": lambda x: np.linspace(x[0], x[1], 7),
    "linspace arrays": lambda x: np.linspace(x, 2 * x + 1, 3, axis=1),
    "linspace open": lambda x: np.linspace(x[0], 3.0, 4, endpoint=False),
    "linspace one": lambda x: np.linspace(x, 1, 1),
    "linspace step": lambda x: np.linspace(x[0], x[2], 5, retstep=True),
    "linspace still": lambda x: np.linspace(x[0], x[0], 3),
    "logspace": lambda x: np.logspace(x[0], x[1], 4),
    "logspace base": lambda x: np.logspace(0.5, 1, 3, base=x),
    "geomspace": lambda x: np.geomspace(x[0], x[1], 4),
    "geomspace falling": lambda x: np.geomspace(-x, -2.0, 3, endpoint=False),
    "union1d": lambda x: np.union1d(x, [1.4, 5.0]),
    "intersect1d": lambda x: np.intersect1d(x, x * 1.0),
    "intersect1d indices": lambda x: np.intersect1d(x, x[1:3], return_indices=True)[0],
    "setdiff1d": lambda x: np.setdiff1d(x, x[:2] * 1.0),
    "setxor1d": lambda x: np.setxor1d(x[:4], x[3:]),
    "unique_values": lambda x: np.sort(np.unique_values(x)),
    "unique_all": lambda x: np.unique_all(x).values,
    "unique_counts": lambda x: np.unique_counts(x).values,
    "unique_inverse": lambda x: np.unique_inverse(x).values,
    "sort_complex": np.sort_complex,
    "emath sqrt": lambda x: np.emath.sqrt(x - 1),
    "emath sqrt real": np.emath.sqrt,
    "emath log": lambda x: np.emath.log(x - 1),
    "emath log2": lambda x: np.emath.log2(x - 1),
    "emath log10": lambda x: np.emath.log10(x - 1),
    "emath logn": lambda x: np.emath.logn(x + 1, x),
    "emath power": lambda x: np.emath.power(x - 1, 1.5),
    "emath arccos": np.emath.arccos,
    "emath arcsin": lambda x: np.emath.arcsin(x),
    "emath arctanh": np.emath.arctanh,
    "ramp": lambda x: np.pad(x, (3, 2), "linear_ramp", end_values=(5.0, -4.0)),
    "pad mean": lambda x: np.pad(x, 2, "mean"),
    "pad mean of some": lambda x: np.pad(x, 2, "mean", stat_length=(2, 3)),
    "pad maximum": lambda x: np.pad(x, 1, "maximum"),
    "pad minimum": lambda x: np.pad(x, (1, 0), "minimum", stat_length=2),
    "pad median": lambda x: np.pad(x, 2, "median"),
    "pad odd": lambda x: np.pad(x, (3, 13), "reflect", reflect_type="odd"),
    "pad odd symmetric": lambda x: np.pad(x, (12, 4), "symmetric", reflect_type="odd"),
    "pad traced": lambda x: np.pad(x, (1, 2), constant_values=(x[0] * 2, 3.0)),
    "pad one": lambda x: np.pad(x[:1], (2, 3), "reflect", reflect_type="odd"),
    "apply_over_axes": lambda x: np.apply_over_axes(np.sum, np.multiply.outer(x, np.outer(x, x)), [0, 2]),
    "quantile weights": lambda x: np.quantile(x, [0.2, 0.7], method="inverted_cdf", weights=NUMBERS + 1),
    "percentile weights": lambda x: np.percentile(
        np.outer(x, x), 30, axis=1, method="inverted_cdf", weights=NUMBERS + 1
    ),
    "fft": lambda x: np.fft.fft(x),
    "irfft": lambda x: np.fft.irfft(x),
    "fftshift": np.fft.fftshift,
    "asarray": lambda x: np.asarray([x[0], 2.0], like=x) if isinstance(x, gw.Array) else np.array([x[0], 2.0]),
    "full": lambda x: np.full((2, 2), x[0], like=x) * x[1] if isinstance(x, gw.Array) else np.full((2, 2), x[0]) * x[1],
}


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
def test_functions(f):
    agrees(f, X, rtol=1e-5, atol=1e-6)


def copyto(x):
    out = np.zeros_like(x)
    np.copyto(out, x[::-1] * 2)
    np.copyto(out, x[0], where=MASK)
    return out


def putting(x):
    out = x * 1.0
    np.put(out, [1, -1], x[:2] * 3)
    np.place(out, MASK, x[3:])
    np.putmask(out, ~MASK, x[2] * x[:2])
    return out


def diagonals(x):
    out = np.zeros_like(x, shape=(5, 4))
    np.fill_diagonal(out, x)
    tall = np.zeros_like(x, shape=(9, 2))
    np.fill_diagonal(tall, x[0], wrap=True)
    return np.concatenate([out.ravel(), tall.ravel()])


@pytest.mark.parametrize("f", [copyto, putting, diagonals], ids=lambda f: f.__name__)
def test_functions_that_write(f):
    agrees(f, X)


def test_functions_that_write_do_not_write_traced_values_into_plain_arrays():
    space = np.zeros(5)
    with pytest.raises(gw.UnsupportedError, match="no gradient: start from gw-made arrays"):
        np.copyto(space, gw.variable(X))
    with pytest.raises(gw.DTypeError, match="complex128 does not fit into float64"):
        np.copyto(gw.variable(X), 1j)
    np.copyto(space, np.ones_like(gw.variable(X)))
    np.testing.assert_array_equal(space, np.ones(5))


def test_counts_are_whole_numbers_without_gradient():
    counts, edges = np.histogram(gw.variable(X), 3)
    np.testing.assert_array_equal(counts, np.histogram(X, 3)[0])
    assert not isinstance(counts, gw.Array)
    assert isinstance(edges, gw.Array)
    np.testing.assert_array_equal(np.bincount(np.array([1, 1])), [0, 2])


def test_the_full_answer_of_a_fit():
    found = np.polyfit(gw.variable(X), X**2, 1, full=True)
    for one, other in zip(found, np.polyfit(X, X**2, 1, full=True), strict=True):
        np.testing.assert_allclose(one.value if isinstance(one, gw.Array) else one, other)


def test_a_singular_matrix_has_an_infinite_condition_number():
    for p in (None, 1, "fro", np.inf, 2, -2):
        assert np.linalg.cond(gw.variable(np.ones((2, 2))), p).value == np.linalg.cond(np.ones((2, 2)), p) or p in (
            None,
            2,
        )
    agrees(lambda x: np.linalg.cond(np.stack([x, x @ x]), 1), S)


def test_answers_from_values():
    x = gw.variable(X)
    assert np.nanargmax(x) == 2
    assert np.array_equiv(x, X)
    assert np.common_type(x) is np.float64
    np.testing.assert_array_equal(np.ix_(x > 1, [0])[0], np.ix_(X > 1, [0])[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: np.save("/nowhere", x), "writes into a file.*x.value"),
        (lambda x: np.strings.upper(x), "text, dates or records"),
        (lambda x: np.busday_offset(x, 1), "text, dates or records"),
        (lambda x: np.pad(x, 1, "wild"), "no mode 'wild'"),
    ],
)
def test_refusals_give_a_reason(call, message, tmp_path):
    with pytest.raises(gw.CodeError, match=message):
        call(gw.variable(X))


# --------------------------------------------------------------------------------------------------------- per example


@pytest.mark.parametrize(
    "f",
    [
        np.maximum.accumulate,
        np.hypot.reduce,
        np.subtract.reduce,
        lambda x: np.multiply.outer(x, x),
        lambda x: np.log(x, out=np.zeros_like(x), where=x > 0.5),
        lambda x: np.add.reduceat(x, [0, 1]),
        lambda x: np.sum(x, where=x > 1),
        lambda x: np.pad(x, 2, "linear_ramp"),
        lambda x: np.linspace(x[0], x[1], 4),
        lambda x: np.bincount(np.array([0, 1, 1]), x),
        lambda x: np.poly(x),
        filled,
    ],
)
def test_a_map_gives_what_each_example_gives(f):
    rows = np.array([[0.7, 1.3, 2.1], [0.4, 0.2, 0.9]])
    np.testing.assert_allclose(gw.vmap(f)(rows), np.stack([f(row) for row in rows]), rtol=1e-12)
