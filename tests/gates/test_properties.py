"""NumPy's functions on traced arrays of every kind: shapes, axes, dtypes, layouts, and numbers that are none.

Whatever arrays are drawn, the value is NumPy's own on the plain arrays, gradients have their inputs' shapes and dtypes,
the two sweeps are each other's transpose, `infer` foretells every gate of the circuit, nothing warns that NumPy does
not warn about, and no argument is written into. Where NumPy refuses the arrays, so does Gatewise.
"""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import gatewise as gw
from gatewise import gates
from gatewise.array import Array
from gatewise.gate import NUMPY_FUNCTIONS
from gatewise.gates.conversion import INPUT
from gatewise.graph import Leaf, Spec

gates.load()  # the families that are otherwise imported when first asked for

few = settings(max_examples=20, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))

# --------------------------------------------------------------------------------------------------- what is drawn

FLOATING = ["float64", "float32", "complex128", "complex64"]
WHOLE = ["int64", "int32", "uint8", "bool"]
LAYOUTS = ["C", "F", "reversed", "every other", "read-only", "repeated"]
#: Numbers at which formulas break: zeros of both signs, huge, tiny and denormal ones, infinities, NaN.
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e300, -1e300, 1e38, 1e154, 1e-300, 5e-324, np.inf, -np.inf, np.nan]

shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)


def laid_out(array, layout):
    """An array of the same entries that lies in memory in another way."""
    if layout == "F":
        return np.asfortranarray(array)
    if layout == "reversed":
        return np.flip(np.ascontiguousarray(np.flip(array)))
    if layout == "every other":
        return np.repeat(array, 2, axis=-1)[..., ::2] if array.ndim else array
    if layout == "repeated" and array.ndim and array.shape[0]:
        return np.broadcast_to(array[:1], array.shape)
    array = np.asarray(array)
    array.flags.writeable = layout not in ("read-only", "repeated")
    return array


def entries(rng, shape, dtype, wild):
    """Numbers of a dtype: well apart from zero and each other, or with some of the special ones among them."""
    kind = np.dtype(dtype).kind
    if kind == "b":
        return rng.random(shape) < 0.5
    if kind in "iu":
        return rng.integers(0 if kind == "u" else -3, 4, shape).astype(dtype)
    size = int(np.prod(shape))
    numbers = ((rng.permutation(size) + rng.uniform(0.2, 0.8, size)) / max(size, 1) * 4 - 2.03).reshape(shape)
    if kind == "c":
        numbers = numbers + 1j * rng.uniform(-2, 2, shape)
    if wild:
        special = [number for number in SPECIAL if kind != "c" or abs(number) < 1e20]
        numbers = np.where(rng.random(shape) < 0.5, rng.choice(special, shape), numbers)
    with np.errstate(all="ignore"):
        return np.array(numbers).astype(dtype)


@st.composite
def arrays(draw, shape=shapes, dtypes=(*FLOATING[:2], *FLOATING, *WHOLE), wild=True):
    """An array; the simplest one is of float64 and lies row by row."""
    shape = draw(shape) if isinstance(shape, st.SearchStrategy) else shape
    dtype, layout = draw(st.sampled_from(dtypes)), draw(st.sampled_from(LAYOUTS))
    wild = wild and draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 1 << 16)))
    return laid_out(entries(rng, shape, dtype, wild), layout)


def beside(draw, shape):
    """A shape that broadcasts against another one."""
    kept = shape[draw(st.integers(0, len(shape))) :]
    return tuple(draw(st.sampled_from([n, n, 1])) for n in kept)


def one_axis(draw, x):
    return draw(st.integers(-x.ndim, x.ndim - 1)) if x.ndim else None


def some_axes(draw, x):
    """None, one axis or a tuple of different ones, negative ones among them; () too."""
    chosen = draw(st.none() | st.lists(st.integers(0, max(x.ndim - 1, 0)), unique=True, max_size=x.ndim))
    if chosen is None:
        return None
    axes = tuple(axis - x.ndim * draw(st.booleans()) for axis in chosen)
    return axes[0] if len(axes) == 1 and draw(st.booleans()) else axes


# ------------------------------------------------------------------------------------------- what is asked of them


#: Where NumPy's refusal is one of its own making, and the answer is what the formula says.
TAKES_MORE = {
    "median",
    "nanmedian",
    "positive",
    "gradient",
    "average",
    "fftshift",
    "correlate",
    "round to tens",
    "vdot",
}
#: Where NumPy's own goes through BLAS, which says nothing about infinities.
QUIETER = {"vdot", "inner", "dot", "tensordot"}


def heard(function, *args):
    """What a function answers or raises, and the warnings that it gives."""
    with (
        warnings.catch_warnings(record=True) as caught,
        np.errstate(divide="warn", over="warn", invalid="warn", under="ignore"),
    ):
        warnings.simplefilter("always")
        try:
            return function(*args), None, caught
        except Exception as error:
            return None, error, caught


def parts_of(result):
    return list(result) if isinstance(result, tuple | list) else [result]


def leaf(value):
    return Array.of(Leaf(INPUT, value, wanted=value.dtype.kind in "fc"), value)


def copied(argument):
    return argument.copy() if isinstance(argument, np.ndarray) else argument


def compare(found, expected, rounding):
    value = found.value if isinstance(found, Array) else found
    assert np.shape(value) == np.shape(expected)
    assert value.dtype == expected.dtype
    if not rounding or expected.dtype.kind not in "fc":
        np.testing.assert_array_equal(value, expected)
    elif expected.size:
        single = expected.dtype.itemsize // (2 if expected.dtype.kind == "c" else 1) < 8
        finite = np.abs(expected[np.isfinite(expected)])
        scale = float(np.max(finite, initial=0.0)) if rounding == "of the largest" else 0.0
        bound = 1e-5 if single else 1e-11
        np.testing.assert_allclose(value, expected, rtol=bound, atol=max(bound * scale, 1e-38 if single else 1e-290))


def inner(left, right) -> float:
    return float(np.real(np.vdot(np.asarray(left, complex), np.asarray(right, complex))))


def random_like(rng, value):
    value = np.asarray(value)
    numbers = rng.standard_normal(value.shape) + (
        1j * rng.standard_normal(value.shape) if value.dtype.kind == "c" else 0
    )
    return np.asarray(numbers).astype(value.dtype)[()]


def holds(function, args, rounding="", name=""):
    """All of the module's promises, of one function at some arguments; `rounding` "" asks for NumPy's very bits."""
    if np.result_type(*args).kind == "c" and not all(np.all(np.isfinite(a)) for a in args):
        return  # what complex infinities give is left to C libraries, which do not agree
    kept = [copied(a) for a in args]
    expected, refused, said = heard(function, *args)
    operands = [leaf(a) if isinstance(a, np.ndarray) else a for a in args]
    found, error, also = heard(function, *operands)
    if refused is not None:
        if error is None and name in TAKES_MORE:
            return
        assert error is not None, f"NumPy refuses: {refused}"
        assert isinstance(error, gw.GatewiseError | type(refused)), repr(error)
        return
    if error is not None:
        raise error
    assert said or name in QUIETER or not also, [str(w.message) for w in also]
    for one, other in zip(parts_of(found), parts_of(expected), strict=True):
        compare(one, other, rounding)
    foretold(parts_of(found))
    with np.errstate(all="ignore"):
        transposed(function, args, parts_of(expected), warned=bool(said) or name in QUIETER)
    for before, after in zip(kept, args, strict=True):
        np.testing.assert_array_equal(before, after)


def foretold(results):
    """`infer` tells shape and dtype of every gate on the way."""
    waiting = [result.node for result in results if isinstance(result, Array)]
    seen = set()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        waiting += [source for source in node.inputs if source is not None]
        booleans = node.gate.name == "pow" and node.inputs[0] is not None and node.inputs[0].dtype == bool
        if not node.inputs or booleans or node.gate.name in ("getitem", "setitem"):
            continue  # what a boolean index picks and which integers b ** 2 are made of, NumPy tells from the values
        specs = [
            Spec.of(node.constants[i]) if source is None else Spec(source.shape, source.dtype)
            for i, source in enumerate(node.inputs)
            if source is not None or node.constants[i] is not None
        ]
        assert node.gate.infer(*specs) == Spec(node.shape, node.dtype), node.gate


def transposed(function, args, expected, warned):
    """⟨g, Jt⟩ = ⟨Jᵀg, t⟩, with gradients of the inputs' shapes and dtypes, and without a warning of their own."""
    places = [i for i, a in enumerate(args) if isinstance(a, np.ndarray) and a.dtype.kind in "fc"]
    if not places or not any(e.dtype.kind in "fc" for e in expected):
        return

    def moved(*values):
        full = list(args)
        for place, value in zip(places, values, strict=True):
            full[place] = value
        return [part for part in parts_of(function(*full)) if part.dtype.kind in "fc"]

    rng = np.random.default_rng(0)
    primals = [args[place] for place in places]
    tangents = [random_like(rng, primal) for primal in primals]
    answer, error, forward_said = heard(gw.jvp, moved, primals, tangents)
    if error is not None:
        raise error
    out, pushed = answer
    upstream = [random_like(rng, part) for part in out]
    (_, pullback), *_ = heard(gw.vjp, moved, *primals)
    pulled, error, backward_said = heard(pullback, upstream)
    if error is not None:
        raise error
    assert not backward_said, [str(w.message) for w in backward_said]
    assert warned or not forward_said, [str(w.message) for w in forward_said]
    for gradient, primal in zip(pulled, primals, strict=True):
        assert gradient.shape == primal.shape
        assert gradient.dtype == primal.dtype
    for one, other in zip(pushed, out, strict=True):
        assert np.shape(one) == np.shape(other)
    pairs = [*zip(upstream, pushed, strict=True), *zip(pulled, tangents, strict=True)]
    sizes = sum(float(np.sum(np.abs(np.asarray(a, complex) * np.asarray(b, complex)))) for a, b in pairs)
    if not np.isfinite(sizes):
        return
    single = any(part.dtype.name in ("float32", "complex64") for part in [*primals, *out])
    left = sum(inner(g, moved) for g, moved in zip(upstream, pushed, strict=True))
    right = sum(inner(p, t) for p, t in zip(pulled, tangents, strict=True))
    assert abs(left - right) <= (1e-4 if single else 1e-10) * sizes + (1e-6 if single else 1e-14)


# ------------------------------------------------------------------------------------------------------ the functions

UFUNCS = [f for f in NUMPY_FUNCTIONS if isinstance(f, np.ufunc) and f.nout == 1 and f.signature is None]


def named(functions):
    return pytest.mark.parametrize("function", functions, ids=lambda f: f.__name__)


#: Those that Gatewise computes by a formula, so that the last bit may differ.
BY_FORMULA = {np.reciprocal, np.sign, np.deg2rad, np.radians, np.rad2deg, np.degrees, np.float_power, np.ldexp}


@named([f for f in UFUNCS if f.nin == 1])
@few
@given(data=st.data())
def test_ufuncs_of_one_operand(function, data):
    holds(function, [data.draw(arrays())], rounding="each" if function in BY_FORMULA else "", name=function.__name__)


@named([f for f in UFUNCS if f.nin == 2])
@few
@given(data=st.data())
def test_ufuncs_of_two_operands(function, data):
    x = data.draw(arrays())
    y = data.draw(arrays(beside(data.draw, x.shape)))
    operands = [x, y] if data.draw(st.booleans()) else [y, x]
    holds(function, operands, rounding="each" if function in BY_FORMULA else "", name=function.__name__)


FOLDING = [np.sum, np.mean, np.prod, np.max, np.min, np.var, np.std, np.ptp, np.median, np.nansum, np.nanprod,
           np.nanmax, np.nanmin, np.nanmean, np.nanvar, np.nanstd, np.nanmedian, np.linalg.vector_norm,
           gw.logsumexp]  # fmt: skip


@named(FOLDING)
@few
@given(data=st.data())
def test_folding(function, data):
    x = data.draw(arrays())
    options = {"axis": some_axes(data.draw, x), "keepdims": data.draw(st.booleans())}
    if function is np.linalg.vector_norm and (x.ndim == 0 or options["axis"] == ()):
        return  # over no axes at all, NumPy's overflows where |x| need not
    holds(partial(function, **options), [x], rounding="of the largest", name=function.__name__)


ALONG = {
    "cumsum": np.cumsum,
    "cumprod": np.cumprod,
    "nancumsum": np.nancumsum,
    "nancumprod": np.nancumprod,
    "sort": np.sort,
    "flip": np.flip,
    "diff": np.diff,
    "roll": lambda x, axis: np.roll(x, -2, axis),
    "unwrap": np.unwrap,
    "trapezoid": np.trapezoid,
    "repeat": lambda x, axis: np.repeat(x, 2, axis),
    "gradient": np.gradient,
    "cumulative_sum": lambda x, axis: np.cumulative_sum(x, axis=axis, include_initial=True),
    "cumulative_prod": lambda x, axis: np.cumulative_prod(x, axis=axis, include_initial=True),
    "delete": lambda x, axis: np.delete(x, 0, axis),
    "insert": lambda x, axis: np.insert(x, 0, 1, axis),
    "split": lambda x, axis: np.array_split(x, 2, axis),
    "expand_dims": np.expand_dims,
    "squeeze": np.squeeze,
    "concatenate": lambda x, axis: np.concatenate([x, x], axis),
    "stack": lambda x, axis: np.stack([x, x], axis),
    "append": lambda x, axis: np.append(x, x, axis),
    "median": np.median,
    "vecdot": lambda x, axis: np.vecdot(x, x, axis=axis),
    "quantile": lambda x, axis: np.quantile(x, [0.2, 0.9], axis),
    "percentile": lambda x, axis: np.percentile(x, 30, axis),
    "nanquantile": lambda x, axis: np.nanquantile(x, 0.5, axis),
    "average": lambda x, axis: np.average(x, axis),
    "take_along_axis": lambda x, axis: np.take_along_axis(x, np.argsort(x, axis), axis),
    "fft": lambda x, axis: np.fft.fft(x, axis=axis),
    "ifft": lambda x, axis: np.fft.ifft(x, 5, axis=axis),
    "rfft": lambda x, axis: np.fft.rfft(x, axis=axis),
    "irfft": lambda x, axis: np.fft.irfft(x, axis=axis),
    "fftshift": lambda x, axis: np.fft.fftshift(x, axis),
    "argsort": np.argsort,
    "argmax": np.argmax,
    "norm": lambda x, axis: np.linalg.norm(x, axis=axis),
    "norm of order 1": lambda x, axis: np.linalg.norm(x, 1, axis=axis),
    "partition": lambda x, axis: np.sort(np.partition(x, 0, axis), axis),
}


@pytest.mark.parametrize("name", ALONG)
@few
@given(data=st.data())
def test_along_an_axis(name, data):
    x = data.draw(arrays())
    holds(partial(ALONG[name], axis=one_axis(data.draw, x)), [x], rounding="of the largest", name=name)


MOVING = {
    "ravel": np.ravel,
    "transpose": np.transpose,
    "fliplr": np.fliplr,
    "reshape": lambda x: np.reshape(x, (1, -1, 1)),
    "flipud": np.flipud,
    "rot90": np.rot90,
    "tril": np.tril,
    "triu": lambda x: np.triu(x, 1),
    "diag": np.diag,
    "diagflat": np.diagflat,
    "trace": np.trace,
    "diagonal": np.diagonal,
    "tile": lambda x: np.tile(x, (2, 1)),
    "resize": lambda x: np.resize(x, (3, 2)),
    "pad": lambda x: np.pad(x, 1),
    "pad with edges": lambda x: np.pad(x, 1, mode="edge"),
    "reflect": lambda x: np.pad(x, 1, mode="reflect"),
    "atleast_1d": np.atleast_1d,
    "atleast_2d": np.atleast_2d,
    "atleast_3d": np.atleast_3d,
    "squeeze": np.squeeze,
    "broadcast_to": lambda x: np.broadcast_to(x, (2, *x.shape)),
    "matrix_transpose": np.matrix_transpose,
    "moveaxis": lambda x: np.moveaxis(x, 0, -1),
    "swapaxes": lambda x: np.swapaxes(x, 0, -1),
    "copy": np.copy,
    "real": np.real,
    "imag": np.imag,
    "angle": np.angle,
    "sinc": np.sinc,
    "nan_to_num": np.nan_to_num,
    "round": np.round,
    "round to tens": lambda x: np.round(x, -1),
    "clip": lambda x: np.clip(x, -0.5, 0.5),
    "i0": np.i0,
    "fix": np.fix,
    "clip below": lambda x: np.clip(x, None, 1),
    "where": lambda x: np.where(x == x, x, 0),
    "zeros": np.zeros_like,
    "ones": np.ones_like,
    "full": lambda x: np.full_like(x, 2),
    "last": lambda x: x[..., -1:],
    "reversed": lambda x: x[::-1],
    "first": lambda x: x[0],
    "new axis": lambda x: x[..., None],
    "mask": lambda x: x[np.ones(x.shape, bool)],
    "take": lambda x: np.take(x, [0, -1]),
    "index array": lambda x: x[[0, 0]],
    "nothing": lambda x: x[:0],
    "cov": np.cov,
    "ediff1d": np.ediff1d,
    "trim_zeros": lambda x: np.trim_zeros(x.ravel()),
    "vander": lambda x: np.vander(x, 3),
    "astype": lambda x: x.astype("float32"),
    "fft2": np.fft.fft2,
    "rfftn": np.fft.rfftn,
    "sort_complex": np.sort_complex,
    "meshgrid": lambda x: np.meshgrid(x, x),
}


@pytest.mark.parametrize("name", MOVING)
@few
@given(data=st.data())
def test_of_one_array(name, data):
    holds(MOVING[name], [data.draw(arrays())], rounding="of the largest", name=name)


PAIRS = {
    "matmul": np.matmul,
    "dot": np.dot,
    "inner": np.inner,
    "outer": np.outer,
    "vdot": np.vdot,
    "kron": np.kron,
    "vecdot": np.vecdot,
    "tensordot": lambda x, y: np.tensordot(x, y, 1),
    "matvec": np.matvec,
    "einsum": lambda x, y: np.einsum("...i,...i->...", x, y),
    "convolve": np.convolve,
    "correlate": np.correlate,
    "concatenate": lambda x, y: np.concatenate([x, y]),
    "stack": lambda x, y: np.stack([x, y], -1),
    "hstack": lambda x, y: np.hstack([x, y]),
    "vstack": lambda x, y: np.vstack([x, y]),
    "dstack": lambda x, y: np.dstack([x, y]),
    "column_stack": lambda x, y: np.column_stack([x, y]),
    "append": np.append,
    "polyval": np.polyval,
    "where": lambda x, y: np.where(np.ones(x.shape, bool), x, y),
    "block": lambda x, y: np.block([x, y]),
    "broadcast_arrays": np.broadcast_arrays,
    "clip": lambda x, y: np.clip(x, y, 2.0),
    "weights": lambda x, y: np.average(x, weights=y),
    "corrcoef": np.corrcoef,
    "interp": lambda x, y: np.interp(x, [0.0, 1.0], [2.0, 3.0]),
}


@pytest.mark.parametrize("name", PAIRS)
@few
@given(data=st.data())
def test_of_two_arrays(name, data):
    x = data.draw(arrays())
    shape = data.draw(st.sampled_from([x.shape, x.shape[::-1], x.shape[-1:], x.shape[1:]]))
    holds(PAIRS[name], [x, data.draw(arrays(shape))], rounding="of the largest", name=name)
