"""`gatewise` as a namespace of the Python Array API standard: the names, what they make, and that gradients pass."""

from __future__ import annotations

import inspect
import subprocess
import sys

import numpy as np
import pytest

import gatewise as gw
from gatewise import standard

FUNCTIONS = {
    "creation": "arange asarray empty empty_like eye from_dlpack full full_like linspace meshgrid ones ones_like tril "
    "triu zeros zeros_like",
    "data types": "astype can_cast finfo iinfo isdtype result_type",
    "element-wise": "abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_left_shift bitwise_invert "
    "bitwise_or bitwise_right_shift bitwise_xor ceil clip conj copysign cos cosh divide equal exp expm1 floor "
    "floor_divide greater greater_equal hypot imag isfinite isinf isnan less less_equal log log1p log2 log10 logaddexp "
    "logical_and logical_not logical_or logical_xor maximum minimum multiply negative nextafter not_equal positive pow "
    "real reciprocal remainder round sign signbit sin sinh sqrt square subtract tan tanh trunc",
    "indexing": "take take_along_axis",
    "inspection": "__array_namespace_info__",
    "linear algebra": "matmul matrix_transpose tensordot vecdot",
    "manipulation": "broadcast_arrays broadcast_shapes broadcast_to concat expand_dims flip moveaxis permute_dims "
    "repeat reshape roll squeeze stack tile unstack",
    "searching": "argmax argmin count_nonzero nonzero searchsorted where",
    "sets": "isin unique_all unique_counts unique_inverse unique_values",
    "sorting": "argsort sort",
    "statistics": "cumulative_prod cumulative_sum max mean min prod std sum var",
    "utilities": "all any diff",
}
LINALG = (
    "cholesky cross det diagonal eig eigh eigvals eigvalsh inv matmul matrix_norm matrix_power matrix_rank "
    "matrix_transpose outer pinv qr slogdet solve svd svdvals tensordot trace vecdot vector_norm"
)
FFT = "fft ifft fftn ifftn rfft irfft rfftn irfftn hfft ihfft fftfreq rfftfreq fftshift ifftshift"
DTYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128"
MEMBERS = (
    "dtype device mT ndim shape size T __abs__ __add__ __and__ __array_namespace__ __bool__ __complex__ __dlpack__ "
    "__dlpack_device__ __eq__ __float__ __floordiv__ __ge__ __getitem__ __gt__ __index__ __int__ __invert__ __le__ "
    "__lshift__ __lt__ __matmul__ __mod__ __mul__ __ne__ __neg__ __or__ __pos__ __pow__ __rshift__ __setitem__ __sub__ "
    "__truediv__ __xor__ __radd__ __rlshift__ __rrshift__ to_device"
)


@pytest.mark.parametrize("name", [name for names in FUNCTIONS.values() for name in names.split()])
def test_every_function_of_the_standard_is_there_and_documented(name):
    function = getattr(gw, name)
    assert callable(function)
    assert inspect.getdoc(function)
    assert name in dir(gw)


@pytest.mark.parametrize("name", LINALG.split())
def test_every_function_of_linalg_is_there_and_documented(name):
    assert inspect.getdoc(getattr(gw.linalg, name))
    assert name in gw.linalg.__all__


@pytest.mark.parametrize("name", FFT.split())
def test_every_function_of_fft_is_there_and_documented(name):
    assert inspect.getdoc(getattr(gw.fft, name))
    assert name in gw.fft.__all__


@pytest.mark.parametrize("name", MEMBERS.split())
def test_arrays_have_every_member_of_the_standard(name):
    assert hasattr(gw.Array, name)


def test_constants():
    assert (gw.e, gw.pi, gw.inf, gw.newaxis) == (np.e, np.pi, np.inf, None)
    assert gw.nan != gw.nan


@pytest.mark.parametrize("name", DTYPES.split())
def test_dtypes(name):
    made = gw.zeros((2, 3), dtype=getattr(gw, name))
    assert isinstance(made, gw.Array)
    assert made.dtype == np.dtype(name) == getattr(gw, name)
    assert made.itemsize == np.dtype(name).itemsize
    assert made.nbytes == 6 * made.itemsize
    assert gw.astype(made, gw.complex128).dtype == gw.complex128


def test_every_name_of_the_module_is_in_the_namespace_and_only_those():
    for name in standard.__all__:
        getattr(gw, name)
    for hidden in ("_lengths", "UniqueAll", "prod_", "NamedTuple"):
        assert not hasattr(gw, hidden)


def test_the_standard_is_imported_when_first_asked_for():
    code = (
        "import sys, gatewise as gw\n"
        "late = {'gatewise.standard', 'gatewise.linalg', 'gatewise.fft'}\n"
        "assert not late & set(sys.modules)\n"
        "gw.zeros(2), gw.linalg.inv, gw.fft.fft\n"
        "assert late <= set(sys.modules)\n"
        "import gatewise.linalg, gatewise.fft"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ------------------------------------------------------------------------------------------------------------ namespace


def test_the_namespace_of_an_array_is_gatewise():
    x = gw.variable([1.0, 2.0])
    assert x.__array_namespace__() is gw
    assert x.__array_namespace__(api_version=gw.__array_api_version__) is gw
    assert (x + 1).__array_namespace__(api_version="2024.12") is gw
    with pytest.raises(ValueError, match=r"versions of the Array API standard are .* got '1999.12'"):
        x.__array_namespace__(api_version="1999.12")


def test_array_api_compat_finds_it():
    compat = pytest.importorskip("array_api_compat")
    assert compat.array_namespace(gw.variable(1.0), gw.zeros(2)) is gw


def layer(x, w, b):
    """Code written for any library of the standard."""
    xp = x.__array_namespace__()
    rows = xp.matmul(x, w) + b
    rows = xp.where(xp.isfinite(rows), rows, xp.zeros_like(rows))
    shares = xp.exp(rows - xp.max(rows, axis=-1, keepdims=True))
    shares = shares / xp.sum(shares, axis=-1, keepdims=True)
    chosen = xp.take_along_axis(shares, xp.argmax(x, axis=-1, keepdims=True) % shares.shape[-1], axis=-1)
    picture = xp.concat([xp.reshape(chosen, (-1,)), xp.ones(2, dtype=xp.float64) * xp.pi])
    return -xp.sum(xp.log(picture)) + xp.linalg.vector_norm(w) + xp.sum(xp.abs(xp.fft.fft(b)))


def test_gradients_pass_through_code_written_for_the_standard():
    rng = np.random.default_rng(0)
    arguments = rng.normal(size=(4, 3)), rng.normal(size=(3, 5)), rng.normal(size=5)
    np.testing.assert_allclose(gw.value_and_grad(layer)(*arguments)[0], layer(*arguments))
    report = gw.check_grads(layer, arguments, order=2)
    assert report.passed


def test_the_gradient_of_the_shortest_example():
    def total(x):
        xp = x.__array_namespace__()
        return xp.sum(xp.exp(x))

    x = np.array([0.0, 1.0])
    np.testing.assert_allclose(gw.grad(total)(x), np.exp(x))


# ------------------------------------------------------------------------------------------------------------- creation

CREATED = [
    ("asarray", ([[1, 2], [3, 4]],), {}),
    ("asarray", ([1, 2],), {"dtype": "float32"}),
    ("asarray", (True,), {}),
    ("zeros", (3,), {}),
    ("zeros", ((2, 0),), {"dtype": "int16"}),
    ("ones", ((),), {"dtype": "complex64"}),
    ("full", ((2, 2), 7), {}),
    ("full", (3, 0.5), {"dtype": "float32"}),
    ("eye", (3,), {}),
    ("eye", (2, 4), {"k": 1, "dtype": "int8"}),
    ("arange", (5,), {}),
    ("arange", (1, 8, 3), {}),
    ("arange", (1.0, 0.0, -0.25), {"dtype": "float32"}),
    ("linspace", (0, 1, 5), {}),
    ("linspace", (0.0, 1.0, 4), {"endpoint": False, "dtype": "float32"}),
]


@pytest.mark.parametrize(("name", "arguments", "options"), CREATED)
def test_what_is_made_is_numpys_as_an_array(name, arguments, options):
    ours, theirs = getattr(gw, name)(*arguments, **options), getattr(np, name)(*arguments, **options)
    assert isinstance(ours, gw.Array)
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours.value, theirs)


@pytest.mark.parametrize("name", ["zeros_like", "ones_like", "empty_like"])
def test_likes(name):
    for source in (np.ones((2, 3), "float32"), gw.variable(np.ones((2, 3), "float32"))):
        made = getattr(gw, name)(source)
        assert (type(made), made.shape, made.dtype) == (gw.Array, (2, 3), np.float32)
        assert getattr(gw, name)(source, dtype=gw.int64).dtype == np.int64


def test_likes_keep_the_library():
    strict = pytest.importorskip("array_api_strict")
    made = gw.full_like(strict.asarray([1.0, 2.0]), 3.0)
    assert type(made.value).__module__.startswith("array_api_strict")


def test_traced_values_are_written_into_what_is_made():
    def f(x):
        y = gw.zeros((2, 2))
        y[0, 1] = x[0] * x[1]
        y += gw.ones(2)
        return gw.sum(y * y)

    x = np.array([2.0, 3.0])
    np.testing.assert_allclose(gw.grad(f)(x), [2 * 7 * 3, 2 * 7 * 2])
    np.testing.assert_allclose(gw.vmap(gw.grad(f))(np.stack([x, x])), [[42, 28]] * 2)
    np.testing.assert_allclose(gw.vmap(f)(np.stack([x, x])), [52, 52])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: gw.sum(gw.full((2, 3), x) * np.arange(6.0).reshape(2, 3)),
        lambda x: gw.sum(gw.full_like(np.ones(3), x) ** 2),
        lambda x: gw.sum(np.full_like(gw.ones(3), x) ** 2),
        lambda x: gw.sum(gw.linspace(x, 3 * x, 4) ** 2),
        lambda x: gw.sum(gw.linspace(gw.stack([x, 2 * x]), 5.0, 4, endpoint=False) ** 3),
        lambda x: gw.sum(gw.asarray(x, dtype=gw.float64, copy=True) ** 2),
        lambda x: gw.sum(gw.unique_values(gw.stack([x, 2 * x, 2 * x])) ** 2),
    ],
)
def test_traced_values_in_what_is_made_keep_their_gradient(f):
    assert gw.check_grads(f, (1.5,), order=2).passed


def test_linspace_of_traced_ends_is_numpys():
    start, stop = np.float32(1), np.float32(2)
    ours = gw.linspace(gw.variable(start), stop, 5)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours.value, np.linspace(start, stop, 5))
    ends = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    np.testing.assert_allclose(gw.linspace(gw.variable(ends[0]), ends[1], 4).value, np.linspace(*ends, 4))


def test_asarray_copies_as_it_is_told():
    x = np.ones(2)
    assert gw.asarray(x).value is x
    assert gw.asarray(x, copy=True).value is not x
    traced = gw.variable(x)
    assert gw.asarray(traced) is traced
    assert gw.asarray(traced, copy=True) is not traced
    with pytest.raises(ValueError, match="without a copy"):
        gw.asarray(traced, dtype=gw.float32, copy=False)
    with pytest.raises(gw.DTypeError, match="compute with numbers"):
        gw.asarray(["a"])
    with pytest.raises(gw.DTypeError, match="hold numbers"):
        gw.zeros(2, dtype="datetime64[s]")


def test_devices():
    x = gw.ones(2, device="cpu")
    assert x.device == "cpu"
    assert x.to_device("cpu") is x
    with pytest.raises(gw.UnsupportedError, match="stays on its device"):
        x.to_device("cuda")
    with pytest.raises(gw.UnsupportedError, match="'cpu'; got 'cuda'"):
        gw.zeros(2, device="cuda")


def test_dlpack():
    x = np.arange(3.0)
    assert isinstance(gw.from_dlpack(x), gw.Array)
    np.testing.assert_array_equal(np.from_dlpack(gw.asarray(x)), x)
    assert np.from_dlpack(gw.sum(gw.asarray(x))) == 3
    assert gw.asarray(x).__dlpack_device__() == x.__dlpack_device__()
    with pytest.raises(gw.TracedValueError, match="out of the circuit"):
        np.from_dlpack(gw.variable(x))


# ----------------------------------------------------------------------------------------------------------- inspection


def test_inspection():
    info = gw.__array_namespace_info__()
    assert info.default_device() in info.devices()
    assert info.default_dtypes()["real floating"] == gw.float64
    assert set(info.dtypes()) == set(DTYPES.split())
    assert set(info.dtypes(kind="bool")) == {"bool"}
    assert info.capabilities()["boolean indexing"]


def test_limits_are_plain_numbers():
    for source in (gw.float32, "float32", np.dtype("float32"), gw.complex64, gw.ones(2, dtype=gw.float32)):
        limits = gw.finfo(source)
        assert (limits.bits, limits.dtype) == (32, np.float32)
        assert [type(limits.eps), type(limits.max), type(limits.smallest_normal)] == [float] * 3
    limits = gw.iinfo(gw.zeros(1, dtype=gw.int16))
    assert (limits.bits, limits.min, limits.max) == (16, -(2**15), 2**15 - 1)


def test_dtypes_that_meet():
    assert gw.result_type(gw.ones(1, dtype=gw.float32), 1.0) == gw.float32
    assert gw.result_type(gw.float32, gw.zeros(1)) == gw.float64
    assert gw.result_type(gw.int8, gw.uint8) == gw.int16
    assert gw.can_cast(gw.ones(1, dtype=gw.float32), gw.float64)
    assert not gw.can_cast(gw.float64, gw.float32)
    assert gw.isdtype(gw.float32, "real floating")
    assert gw.isdtype(gw.variable(1.0).dtype, (gw.int8, "numeric"))
    assert not gw.isdtype(gw.bool, "integral")
    assert gw.broadcast_shapes((3, 1), (2,)) == (3, 2)
    with pytest.raises(gw.ShapeError, match="do not broadcast"):
        gw.broadcast_shapes((3,), (2,))


# ------------------------------------------------------------------------------------- answers that carry no gradient

NUMBERS = np.array([[0.0, -0.0, np.nan, 2.0], [np.inf, -np.inf, 2.0, -3.0]])
WHOLE = np.array([[1, 2, 0], [4, 1, 1]])
ANSWERS = [
    *[(name, (NUMBERS,), {}) for name in ("isnan", "isinf", "isfinite", "signbit")],
    *[
        (name, (WHOLE,), options)
        for name in ("all", "any", "argmax", "argmin", "count_nonzero")
        for options in ({}, {"axis": 0}, {"axis": -1, "keepdims": True})
    ],
    ("all", (WHOLE,), {"axis": (0, 1)}),
    ("bitwise_left_shift", (WHOLE, 2), {}),
    ("bitwise_right_shift", (WHOLE, WHOLE), {}),
    ("isin", (WHOLE, [1, 4]), {}),
    ("isin", (WHOLE, np.array([1, 4])), {"invert": True}),
]


@pytest.mark.parametrize(("name", "arguments", "options"), ANSWERS)
def test_answers_are_numpys_and_arrays_where_an_array_is_asked_about(name, arguments, options):
    theirs = getattr(np, name)(*arguments, **options)
    ours = getattr(gw, name)(*arguments, **options)
    assert not isinstance(ours, gw.Array)
    np.testing.assert_array_equal(ours, theirs)
    traced = getattr(gw, name)(gw.asarray(arguments[0]), *arguments[1:], **options)
    assert isinstance(traced, gw.Array)
    assert traced.dtype == np.asarray(theirs).dtype
    np.testing.assert_array_equal(traced.value, theirs)
    mapped = gw.vmap(lambda x: getattr(gw, name)(x, *arguments[1:], **options))(np.stack([arguments[0]] * 2))
    np.testing.assert_array_equal(mapped, np.stack([theirs] * 2))


def test_numpys_predicates_inside_a_map():
    x = np.array([[1.0, np.nan], [2.0, 3.0]])
    np.testing.assert_array_equal(gw.vmap(lambda x: np.where(np.isnan(x), 0.0, x))(x), [[1, 0], [2, 3]])


def test_nonzero_and_unique():
    x = gw.asarray(WHOLE)
    for ours, theirs in zip(gw.nonzero(x), np.nonzero(WHOLE), strict=True):
        assert isinstance(ours, gw.Array)
        np.testing.assert_array_equal(ours.value, theirs)
    with pytest.raises(gw.ShapeError, match="with axes"):
        gw.nonzero(gw.asarray(1))
    for name in ("unique_all", "unique_counts", "unique_inverse"):
        ours, theirs = getattr(gw, name)(x), getattr(np, name)(WHOLE)
        assert ours._fields == theirs._fields
        for one, two in zip(ours, theirs, strict=True):
            assert isinstance(one, gw.Array)
            np.testing.assert_array_equal(one.value, two)
        assert not any(isinstance(part, gw.Array) for part in getattr(gw, name)(WHOLE))
    assert gw.unique_values(gw.asarray([np.nan, np.nan])).shape == (2,)


def test_entries_that_are_equal_share_the_gradient_of_the_one_they_become():
    gradient = gw.grad(lambda x: gw.sum(gw.unique_all(x).values ** 2))(np.array([[3.0, 1.0], [3.0, 2.0]]))
    assert gradient.tolist() == [[3, 2], [3, 4]]


@pytest.mark.parametrize("name", ["unique_all", "unique_counts", "unique_inverse", "unique_values"])
def test_numpys_functions_of_different_values_on_traced_arrays(name):
    x = np.array([[3.0, 1.0, np.nan], [3.0, 2.0, np.nan]])
    ours, theirs = getattr(np, name)(gw.variable(x)), getattr(np, name)(x)
    pairs = [(ours, theirs)] if name == "unique_values" else zip(ours, theirs, strict=True)
    for one, two in pairs:
        np.testing.assert_array_equal(getattr(one, "value", one), two)


def test_indices_are_arrays_where_an_array_is_sorted():
    x = gw.variable([3.0, 1.0, 2.0])
    order = gw.argsort(x)
    assert isinstance(order, gw.Array)
    assert order.tolist() == [1, 2, 0]
    assert gw.argsort(x, descending=True).tolist() == [0, 2, 1]
    assert gw.argsort(x[None], axis=None).shape == (3,)
    assert not isinstance(gw.argsort([3.0, 1.0]), gw.Array)
    for found in (gw.searchsorted(x, 1.5, sorter=order), gw.searchsorted([1.0, 2.0, 3.0], x[2] - 0.5)):
        assert isinstance(found, gw.Array)
        assert (found.shape, found.item()) == ((), 1)
    np.testing.assert_array_equal(gw.grad(lambda x: x[gw.argsort(x)][1] ** 2)(x.value), [0, 0, 4])
    np.testing.assert_array_equal(gw.vmap(lambda x: x[gw.argsort(x)])(np.array([[2.0, 1.0], [1.0, 2.0]])), [[1, 2]] * 2)


def test_shifts():
    x = gw.asarray([1, 2])
    assert (x << 1).tolist() == [2, 4]
    assert (1 << x).tolist() == [2, 4]
    assert (x >> gw.asarray([1, 0])).tolist() == [0, 2]
    assert (np.array([8, 8]) >> x).tolist() == [4, 2]
    x <<= 2
    x >>= 1
    assert x.tolist() == [2, 4]
    with pytest.raises(gw.DTypeError, match="take integers"):
        gw.variable([1.0]) << 1
    with pytest.raises(TypeError):
        x << "a"


def test_methods_that_answer_without_gradient():
    x = gw.variable([1.0, 0.0])
    assert not x.all()
    assert x.any()
    assert np.isin(x, [1.0]).tolist() == [True, False]


# ------------------------------------------------------------------------- what the conformance suite found to be amiss


SMALL = np.array([[200, 100, 3], [7, 11, 250]], "uint8")


@pytest.mark.parametrize("make", [np.asarray, gw.asarray])
@pytest.mark.parametrize("name", ["sum", "prod", "cumulative_sum", "cumulative_prod"])
@pytest.mark.parametrize("dtype", [None, "uint8", "int16", "float32"])
def test_totals_of_small_integers_have_the_dtype_that_is_asked_for(name, dtype, make):
    expected = getattr(np, name)(SMALL, axis=1, dtype=dtype)
    found = getattr(gw, name)(make(SMALL), axis=1, dtype=dtype)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(getattr(found, "value", found), expected)


@pytest.mark.parametrize("space", [gw, gw.linalg])
def test_vecdot_of_small_integers_keeps_their_dtype(space):
    found = space.vecdot(gw.asarray(SMALL), gw.asarray(SMALL))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found.value, np.vecdot(SMALL, SMALL))
    assert space.vecdot(SMALL > 5, SMALL > 5).dtype == bool


@pytest.mark.parametrize(
    ("name", "parameters"),
    {
        "sum": "x axis dtype keepdims",
        "prod": "x axis dtype keepdims",
        "reshape": "x shape copy",
        "astype": "x dtype copy device",
        "where": "condition x1 x2",
        "argsort": "x axis descending stable",
        "searchsorted": "x1 x2 side sorter",
    }.items(),
)
def test_parameters_have_the_standards_names(name, parameters):
    assert set(parameters.split()) <= set(inspect.signature(getattr(gw, name)).parameters)


def test_where_takes_both_branches_or_none():
    assert gw.where([True, False], 1.0, 2.0).tolist() == [1, 2]
    assert gw.where([False, True])[0].tolist() == [1]
    with pytest.raises(gw.ShapeError, match="give both branches"):
        gw.where([True], 1.0)


def test_reshape_copies_as_it_is_told():
    x = np.arange(6.0).reshape(2, 3)
    assert np.shares_memory(gw.reshape(x, (6,)), x)
    assert np.shares_memory(gw.reshape(x, (6,), copy=False), x)
    assert not np.shares_memory(gw.reshape(x, (6,), copy=True), x)
    with pytest.raises(gw.ShapeError, match=r"shape \(3, 2\) cannot become \(6,\) without a copy"):
        gw.reshape(x.T, (6,), copy=False)
    assert gw.reshape(gw.asarray(x), (3, -1), copy=True).shape == (3, 2)


def test_astype_stays_on_the_device():
    x = gw.ones(2)
    assert gw.astype(x, gw.float32, device="cpu").dtype == gw.float32
    with pytest.raises(gw.UnsupportedError, match="stays on its device, 'cpu'"):
        gw.astype(x, gw.float32, device="cuda")


@pytest.mark.parametrize(
    "copied",
    [lambda x: x.astype(float), lambda x: np.astype(x, float), lambda x: +x, np.positive, np.conj],
)
def test_what_numpy_copies_is_another_name(copied):
    def f(x):
        y = copied(x)
        y += 1
        y[0] = 5.0
        return np.sum(x * y)

    x = np.array([1.0, 2.0])
    value, gradient = gw.value_and_grad(f)(x)
    assert value == f(x) == 11
    np.testing.assert_array_equal(gradient, [5, 5])
    kept = gw.variable(x)
    assert gw.astype(kept, float, copy=False) is kept


@pytest.mark.parametrize(
    "call",
    [
        lambda x: gw.sum(x, axis=2),
        lambda x: gw.expand_dims(x, axis=4),
        lambda x: gw.concat([x, x], axis=-3),
        lambda x: gw.sort(x, axis=5),
    ],
)
def test_an_axis_that_is_not_there_is_numpys_error_too(call):
    for x in (np.ones((2, 2)), gw.variable(np.ones((2, 2)))):
        for kind in (gw.AxisError, gw.ShapeError, IndexError, ValueError, np.exceptions.AxisError):
            with pytest.raises(kind, match="is out of range for an array of"):
                call(x)
        x = gw.variable(np.ones((2, 2)))


def signs(x):
    return [bool(np.signbit(part)) for part in (np.real(x), np.imag(x))]


def test_signs_of_zeros():
    for x in (complex(-0.0, -0.0), complex(0.0, -0.0), complex(-0.0, 0.0)):
        assert signs(gw.sign(x)) == [False, False]
    for x, y in [(0.0, -0.0), (-0.0, 0.0)]:
        assert np.signbit(gw.nextafter(x, y)) == np.signbit(y)
        assert np.signbit(gw.nextafter(gw.variable(x), y).value) == np.signbit(y)


@pytest.mark.filterwarnings("ignore:overflow")
def test_nextafter_is_numpys_everywhere():
    numbers = np.array([0.0, -0.0, 1.0, -1.5, 5e-324, np.finfo(float).max, np.inf, -np.inf, np.nan])
    expected = np.nextafter(numbers[:, None], numbers)
    np.testing.assert_array_equal(np.nextafter(gw.variable(numbers[:, None]), numbers).value, expected)
    np.testing.assert_allclose(gw.grad(lambda x: np.sum(np.nextafter(x, 2.0) ** 2))(np.array([1.0, 3.0])), [2, 6])


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (complex(np.inf, 0.0), complex(np.inf, 0.0)),
        (complex(-np.inf, 2.0), complex(-1.0, 0.0)),
        (complex(-np.inf, np.inf), complex(-1.0, 0.0)),
        (complex(-np.inf, np.nan), complex(-1.0, 0.0)),
        (complex(np.inf, np.inf), complex(np.inf, np.nan)),
        (complex(np.inf, np.nan), complex(np.inf, np.nan)),
        (complex(np.nan, 0.0), complex(np.nan, 0.0)),
        (complex(-0.0, 0.0), complex(0.0, 0.0)),
        (complex(1e-17, 0.0), complex(1e-17, 0.0)),
    ],
)
def test_expm1_of_complex_numbers_has_the_standards_limits(x, expected):
    for found in (gw.expm1(x), gw.expm1(np.array([x]))[0], np.expm1(gw.variable(np.complex128(x))).value):
        assert abs(found.real) == abs(expected.real) or np.isnan([found.real, expected.real]).all()
        assert abs(found.imag) == abs(expected.imag) or np.isnan([found.imag, expected.imag]).all()


def test_a_tolerance_for_each_matrix():
    stack, tolerances = np.arange(24.0).reshape(4, 3, 2) ** 1.5, np.array([1e-15, 0.5, 0.05, 0.01])
    expected = np.linalg.pinv(stack, rtol=tolerances)
    assert not np.allclose(expected, np.linalg.pinv(stack, rtol=1e-15))
    for rtol in (tolerances, gw.asarray(tolerances)):
        np.testing.assert_allclose(gw.linalg.pinv(gw.variable(stack), rtol=rtol).value, expected)
    mapped = gw.vmap(lambda x: gw.linalg.pinv(x, rtol=tolerances))(np.stack([stack, stack]))
    np.testing.assert_allclose(mapped, [expected, expected])


def test_numpys_linspace_and_full_of_traced_values():
    x = np.float64(1.5)
    np.testing.assert_array_equal(np.linspace(gw.variable(x), 4.0, 6).value, np.linspace(x, 4.0, 6))
    assert gw.check_grads(lambda x: np.sum(np.linspace(x, 3 * x, 4, endpoint=False) ** 2), (x,), order=2).passed
    for options in ({}, {"dtype": float}):
        with pytest.raises(gw.CodeError, match=r"gw.full for np.full(.|\n)*test_standard.py"):
            np.full(3, gw.variable(x), **options)


# ------------------------------------------------------------------------------------------------------ linalg and fft


def test_linalg_has_the_standards_functions():
    stack = np.arange(18.0).reshape(2, 3, 3)
    x = gw.variable(stack)
    np.testing.assert_allclose(gw.linalg.trace(x).value, np.linalg.trace(stack))
    np.testing.assert_allclose(gw.linalg.diagonal(x, offset=1).value, np.linalg.diagonal(stack, offset=1))
    np.testing.assert_allclose(gw.linalg.outer(x[0, 0], x[0, 1]).value, np.outer(stack[0, 0], stack[0, 1]))
    np.testing.assert_allclose(gw.linalg.cross(x, x[0]).value, np.linalg.cross(stack, stack[0]))
    symmetric = gw.linalg.eig(np.diag(np.float32([1, 2])))
    assert [part.dtype for part in symmetric] == [np.complex64] * 2
    assert gw.linalg.eigvals(np.eye(2)).dtype == np.complex128


def test_frequencies():
    for name in ("fftfreq", "rfftfreq"):
        ours = getattr(gw.fft, name)(5, d=0.5, dtype=gw.float32)
        assert (type(ours), ours.dtype) == (gw.Array, np.float32)
        np.testing.assert_allclose(ours.value, getattr(np.fft, name)(5, d=0.5), rtol=1e-6)


def test_a_spectrum_weighted_by_its_frequencies_is_differentiated():
    def roughness(x):
        xp = x.__array_namespace__()
        return xp.sum(xp.abs(xp.fft.rfft(x) * xp.fft.rfftfreq(x.shape[0])) ** 2)

    assert gw.check_grads(roughness, (np.array([1.0, 3.0, 2.0, 5.0]),), order=2).passed
