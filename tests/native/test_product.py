"""Native matrix products against NumPy's, for sizes, strides, dtypes, ranges of units and widths of vectors."""

from __future__ import annotations

import ctypes
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llvmlite import binding, ir

from gatewise.errors import UnsupportedError
from gatewise.native.blocking import plan
from gatewise.native.product import ProductSpec, emit_copies, emit_product, units, workspace_bytes
from gatewise.native.tile import Machine

binding.initialize_native_target()
binding.initialize_native_asmprinter()

#: The processor's own vectors, and narrower ones with fewer registers.
MACHINES = [Machine.host(), Machine(32, 16, 1 << 18), Machine(16, 32, 1 << 18)]


def compiled(spec, machine):
    """The product as a function of arrays that computes the units between cuts."""
    module = ir.Module()
    function = emit_product(module, spec, machine)
    copies = emit_copies(module, spec, machine)
    parsed = binding.parse_assembly(str(module))
    target = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(), features=binding.get_host_cpu_features().flatten(), opt=1
    )
    engine = binding.create_mcjit_compiler(parsed, target)
    engine.finalize_object()
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4, *[ctypes.c_int64] * 2)(
        engine.get_function_address(function.name)
    )
    copy = copies and ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2)(engine.get_function_address(copies.name))
    room, spare = workspace_bytes(spec, machine), 4096

    def run(a, b, c, cuts=None):
        """Computes ranges of units one after the other, in a workspace whose end is watched."""
        raw = np.zeros(room + 64 + spare, np.uint8)
        start = -raw.ctypes.data % 64
        raw[start + room :] = 77
        if copy:
            copy(b.ctypes.data, raw.ctypes.data + start)
        for begin, end in pairwise(cuts or [0, units(spec, machine)]):
            call(a.ctypes.data, b.ctypes.data, c.ctypes.data, raw.ctypes.data + start, begin, end)
        assert (raw[start + room :] == 77).all(), "wrote over the end of the workspace"

    run.engine = engine
    return run


def product(a, b, c, accumulate=False, machine=None, threads=1, cuts=None):
    """C after the native product."""
    spec = ProductSpec.of(a, b, c, accumulate, threads)
    compiled(spec, machine or Machine.host())(a, b, c, cuts)
    return c


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 70), st.integers(1, 40), st.integers(1, 1500)),
    st.sampled_from(["float32", "float64"]),
    st.sampled_from(["rows", "columns"]),
    st.sampled_from(["rows", "columns"]),
    st.sampled_from(MACHINES),
    st.sampled_from(["rows", "depth"]),
    st.lists(st.integers(0, 1500), max_size=3),
)
def test_units_of_slices_are_rows_or_entries_of_k(sizes, dtype, left, right, machine, along, cuts):
    m, n, k = sizes
    generator = np.random.default_rng(m * n * k)
    a, b = array(generator, m, k, dtype, left), array(generator, k, n, dtype, right)
    c = generator.standard_normal((m, n)).astype(dtype)
    before = c.copy() if along == "depth" else 0.0
    spec = replace(ProductSpec.of(a, b, c), along=along, accumulate=along == "depth")
    grain = plan(spec, machine).grain if along == "rows" else 1
    inside = sorted({cut // grain * grain for cut in cuts if cut // grain * grain < units(spec, machine)} - {0})
    compiled(spec, machine)(a, b, c, [0, *inside, units(spec, machine)])
    assert_close(c, a, b, before)


def assert_close(got, a, b, before=0.0):
    """Within the bound on rounding of a sum of k products, in any order."""
    exact = np.matmul(a.astype("float64"), b.astype("float64")) + before
    scale = np.matmul(np.abs(a).astype("float64"), np.abs(b).astype("float64")) + np.abs(before)
    bound = (a.shape[-1] + 2) * np.finfo(got.dtype).eps * scale
    assert (np.abs(got - exact) <= bound).all()


def array(generator, rows, columns, dtype, layout, batch=()):
    """Normal numbers, stored by rows, by columns, or with gaps."""
    if layout == "rows":
        return generator.standard_normal((*batch, rows, columns)).astype(dtype)
    if layout == "columns":
        return generator.standard_normal((*batch, columns, rows)).astype(dtype).swapaxes(-1, -2)
    if layout == "batch inside" and batch:
        return np.moveaxis(generator.standard_normal((rows, *batch, columns)).astype(dtype), 0, -2)
    return generator.standard_normal((*batch, 2 * rows, 3 * columns)).astype(dtype)[..., ::2, ::3]


SIZES = st.one_of(st.sampled_from([0, 1, 2, 3, 8, 10, 16, 17, 32, 33, 64]), st.integers(0, 150))
LAYOUTS = st.sampled_from(["rows", "columns", "gaps", "batch inside"])


@settings(max_examples=80, deadline=None)
@given(data=st.data(), m=SIZES, n=SIZES, k=SIZES, dtype=st.sampled_from(["float32", "float64"]))
def test_as_numpy(data, m, n, k, dtype):
    generator = np.random.default_rng(m + 200 * n + 40000 * k)
    batch = data.draw(st.sampled_from([(), (), (3,), (2, 3), (1, 4)]))
    batches = [data.draw(st.sampled_from([batch, tuple(1 for _ in batch)])) for _ in range(2)]
    a = array(generator, m, k, dtype, data.draw(LAYOUTS), batches[0])
    b = array(generator, k, n, dtype, data.draw(LAYOUTS), batches[1])
    c = array(generator, m, n, dtype, data.draw(LAYOUTS), batch)
    machine, threads = data.draw(st.sampled_from(MACHINES)), data.draw(st.sampled_from([1, 2, 5]))
    accumulate = data.draw(st.booleans())
    count = units(ProductSpec.of(a, b, c, accumulate, threads), machine)
    cuts = sorted([0, count, *data.draw(st.lists(st.integers(0, count), max_size=3))])
    before = c.astype("float64") if accumulate else np.zeros(c.shape)
    if not accumulate:
        c[...] = np.nan  # what is not to be read
    assert_close(product(a, b, c, accumulate, machine, threads, cuts), a, b, before)


@pytest.mark.parametrize("machine", MACHINES, ids=["host", "32 bytes", "16 bytes"])
@pytest.mark.parametrize(
    ("m", "k", "n", "a_layout", "b_layout"),
    [
        (37, 3073, 10, "rows", "rows"),  # inner products, B copied
        (3073, 37, 10, "columns", "rows"),  # transposed, results through the registers
        (700, 40, 600, "rows", "columns"),  # B copied through the registers
        (520, 900, 530, "rows", "rows"),  # blocks of k
        (4, 1200, 900, "rows", "rows"),  # B read ahead
        (200, 1, 300, "rows", "rows"),
        (1, 700, 500, "rows", "rows"),
        (500, 700, 1, "rows", "rows"),
        (1, 5000, 1, "rows", "rows"),
    ],
)
def test_each_way(machine, m, k, n, a_layout, b_layout):
    generator = np.random.default_rng(0)
    a, b = array(generator, m, k, "float32", a_layout), array(generator, k, n, "float32", b_layout)
    assert_close(product(a, b, np.full((m, n), np.nan, "float32"), machine=machine), a, b)
    start = generator.standard_normal((n, m)).astype("float32").T
    assert_close(product(a, b, start.copy(order="K"), accumulate=True, machine=machine), a, b, start)


def test_the_ways_are_taken():
    """The sizes above do reach every kind of plan."""

    def chosen(m, k, n, a, b, c):
        return plan(ProductSpec(m, n, k, "float32", a, b, c), Machine())

    skinny = chosen(200, 3073, 10, (3073, 1), (10, 1), (10, 1))
    assert skinny.inner
    assert skinny.copied
    tall = chosen(3073, 200, 10, (1, 3073), (10, 1), (10, 1))
    assert tall.swapped
    assert not tall.inner
    assert chosen(700, 40, 600, (40, 1), (1, 40), (600, 1)).copied
    large = chosen(1024, 1024, 1024, (1024, 1), (1024, 1), (1024, 1))
    assert large.depth < 1024
    assert large.copied


def test_nothing_beside_the_result_is_written():
    generator = np.random.default_rng(1)
    a, b = array(generator, 21, 19, "float64", "rows"), array(generator, 19, 35, "float64", "rows")
    for columns, step in ((40, 1), (80, 2)):
        whole = np.full((50, columns), 5.0)
        product(a, b, whole[:42:2, : 35 * step : step])
        touched = np.zeros(whole.shape, bool)
        touched[:42:2, : 35 * step : step] = True
        assert (whole[~touched] == 5.0).all()
        assert_close(whole[:42:2, : 35 * step : step], a, b)


@pytest.mark.parametrize("shape", [(200, 300, 10), (64, 64, 64), (10, 500, 700), (3, 40, 1)])
def test_the_shares_do_not_change_a_bit(shape):
    m, k, n = shape
    generator = np.random.default_rng(2)
    a, b = array(generator, m, k, "float32", "rows"), array(generator, k, n, "float32", "rows")
    count = units(ProductSpec.of(a, b, np.empty((m, n), "float32"), threads=2))
    alone = product(a, b, np.empty((m, n), "float32"), threads=2)
    for cuts in ([0, count // 2, count], list(range(count + 1)), [0, 0, count, count]):
        assert product(a, b, np.empty((m, n), "float32"), threads=2, cuts=cuts).tobytes() == alone.tobytes()


def test_nan_and_infinity_arrive_where_they_belong():
    a, b = np.ones((20, 33), "float32"), np.ones((33, 21), "float32")
    a[3, 32], b[32, 20] = np.nan, np.inf
    got = product(a, b, np.zeros((20, 21), "float32"))
    np.testing.assert_array_equal(got, a @ b)


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint16", "bool"])
@pytest.mark.parametrize("accumulate", [False, True])
def test_other_dtypes(dtype, accumulate):
    generator = np.random.default_rng(3)

    def numbers(*shape):
        values = generator.integers(-9, 9, shape)
        return (values % 3 == 0) if dtype == "bool" else values.astype(dtype)

    a, b, c = numbers(2, 7, 5), numbers(5, 6).T.copy().T, numbers(2, 7, 6)
    want = a @ b
    if accumulate:
        want = (c | want) if dtype == "bool" else c + want
    assert units(ProductSpec.of(a, b, c)) == 14
    np.testing.assert_array_equal(product(a, b, c.copy(), accumulate, cuts=[0, 3, 9, 14]), want)


def test_unknown_dtype():
    spec = ProductSpec(2, 2, 2, "complex64", (2, 1), (2, 1), (2, 1))
    with pytest.raises(UnsupportedError, match=re.escape("no arithmetic for complex64")):
        emit_product(ir.Module(), spec)


def test_one_function_for_one_specification():
    module = ir.Module()
    spec = ProductSpec(4, 5, 6, "float64", (6, 1), (5, 1), (5, 1))
    assert emit_product(module, spec) is emit_product(module, spec)
    other = ProductSpec(4, 5, 6, "float64", (6, 1), (5, 1), (5, 1), accumulate=True)
    assert emit_product(module, other) is not emit_product(module, spec)
