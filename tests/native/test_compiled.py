"""What a compiled function promises besides its numbers: threads, memory, results of one's own, refusals."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from llvmlite import ir

import gatewise as gw


def loss(w, x):
    return np.sum(np.tanh(x @ w) ** 2) / x.shape[0]


def test_results_are_the_callers_own():
    x = np.arange(4.0)
    same, twice, once = gw.compile(lambda x: (x, x, x[::-1]))(x)
    for result in (same, twice, once):
        result[0] = 99.0
    np.testing.assert_array_equal(x, [0.0, 1.0, 2.0, 3.0])
    np.testing.assert_array_equal(same, [99.0, 1.0, 2.0, 3.0])
    np.testing.assert_array_equal(once, [99.0, 2.0, 1.0, 0.0])


def test_arguments_that_overlap_are_read_as_they_are():
    memory = np.arange(6.0)
    f = gw.compile(lambda x, y: (x + y, x * y))
    for one, other in ((memory[:4], memory[2:]), (memory[::-1], memory), (memory[::2], memory[1::2])):
        for found, expected in zip(f(one, other), (one + other, one * other), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_what_the_function_does_besides_computing_is_done_once():
    seen = []

    def f(x):
        seen.append(x.shape)
        return x * 2.0

    compiled = gw.compile(f)
    for _ in range(3):
        compiled(np.ones(3))
    assert seen == [(3,)]


def test_many_shapes_are_told_of_once():
    compiled = gw.compile(lambda x: x * 2.0)
    for n in range(1, 9):
        compiled(np.ones(n))
    with pytest.warns(RuntimeWarning, match=r"has been compiled 9 times.*np\.int64"):
        compiled(np.ones(9))
    for n in range(10, 13):
        np.testing.assert_array_equal(compiled(np.ones(n)), np.full(n, 2.0))


def test_an_array_from_outside_stays_as_it_was():
    scale = np.array([1.0, 2.0])
    compiled = gw.compile(lambda x: x * scale)
    compiled(np.ones(2))
    scale[:] = 0.0
    np.testing.assert_array_equal(compiled(np.ones(2)), [1.0, 2.0])


def test_eight_threads_give_the_bits_of_one():
    random = np.random.default_rng(0)
    step = gw.compile(gw.value_and_grad(loss))
    work = [(random.standard_normal((30, 20)), random.standard_normal((50 + 10 * (i % 3), 30))) for i in range(24)]
    expected = [gw.compile(gw.value_and_grad(loss))(*arguments) for arguments in work]
    with ThreadPoolExecutor(8) as threads:
        for _ in range(5):
            for (value, slope), (right, slopes) in zip(threads.map(lambda a: step(*a), work), expected, strict=True):
                assert value == right
                np.testing.assert_array_equal(slope, slopes)


def test_calls_leave_no_memory_behind():
    step = gw.compile(gw.value_and_grad(loss))
    w, x = np.ones((3, 2)), np.ones((4, 3))
    for _ in range(100):
        step(w, x)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(10_000):
            step(w, x)
        assert tracemalloc.get_traced_memory()[0] - before < 4096
    finally:
        tracemalloc.stop()


def test_what_a_program_was_written_with_is_let_go():
    def f(x):
        return gw.scan(lambda s, _: (np.sin(s) * x, None), x, None, length=50)[0]

    def modules():
        gc.collect()
        return sum(type(found) is ir.Module for found in gc.get_objects())  # isinstance would ask the objects

    compiled = gw.compile(f)
    before = modules()
    compiled(0.5)
    assert modules() == before
    assert "define" in compiled.llvm()
    assert "of_arrays" not in compiled.llvm()


@pytest.mark.parametrize(
    ("f", "arguments", "error", "words"),
    [
        (lambda x: x if x > 0 else -x, (1.0,), gw.TracedValueError, "gw.where"),
        (lambda x: x[x > 0], (np.ones(3),), gw.CodeError, "gw.where"),
        (gw.grad(lambda n: n * 2), (3,), gw.DTypeError, "floating"),
        (lambda x, y: x @ y, (np.ones((2, 3)), np.ones((2, 3))), gw.ShapeError, "matmul"),
        (lambda x: x + 1, ("text",), TypeError, ""),
    ],
    ids=["branch", "mask", "integer", "shapes", "text"],
)
def test_what_cannot_be_compiled_is_refused(f, arguments, error, words):
    with pytest.raises(error) as caught:
        gw.compile(f)(*arguments)
    assert words in str(caught.value)


def test_an_interrupt_in_a_step_that_python_runs_is_passed_on(monkeypatch):
    step = gw.compile(lambda x: np.partition(x, 1) * 2.0)
    x = np.array([3.0, 1.0, 2.0])
    np.testing.assert_array_equal(step(x), [2.0, 4.0, 6.0])
    assert step.report().in_python, "partition has a native form now: take another gate"
    partition = np.partition

    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "partition", interrupted)
    with pytest.raises(KeyboardInterrupt):
        step(x)
    monkeypatch.setattr(np, "partition", partition)
    np.testing.assert_array_equal(step(x), [2.0, 4.0, 6.0])


def test_an_entry_of_what_is_computed_from_something_stored_waits_for_it():
    """The tanh is stored for its sum; an entry of what is made of it was read before that loop had run."""

    def f(x):
        a = np.arctan(x)
        return a + 0.1 * sum([np.sum(np.tanh(x)), np.sum(np.tanh(a)), np.sum(np.tanh(np.ravel(x)))])

    both = gw.value_and_grad(f)
    found, expected = gw.compile(both)(np.float64(0.3)), both(np.float64(0.3))
    np.testing.assert_allclose(found, expected, rtol=1e-14)


# ----------------------------------------------------------------------------------------------------------------- NaN


def masked(x, w):
    """A loss whose branch that is not taken has an infinite slope at 0."""
    return np.sum(np.where(x > 0, np.log(x), w * x) ** 2)


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_where_a_nan_arrives_a_careful_program_answers(monkeypatch):
    both = gw.value_and_grad(masked, argnums=(0, 1))
    compiled = gw.compile(both)
    points = [np.array(x) for x in ([1.0, 2.0, 3.0], [0.0, 2.0, 0.0], [-1.0, 0.0, 5.0])]
    expected = [both(x, 2.0) for x in points]
    compiled(points[0], 2.0)
    compiled(points[1], 2.0)
    monkeypatch.setattr(type(compiled._program((), {})), "_eagerly", None)  # Python computes nothing any more
    for x, (value, gradients) in zip(points, expected, strict=True):
        found, slopes = compiled(x, 2.0)
        np.testing.assert_allclose(found, value, rtol=1e-14)
        for slope, gradient in zip(slopes, gradients, strict=True):
            np.testing.assert_allclose(slope, gradient, rtol=1e-14)
            assert np.all(np.isfinite(slope))


@pytest.mark.filterwarnings("ignore")
def test_a_nan_that_is_in_the_data_stays():
    compiled = gw.compile(gw.grad(lambda x: np.sum(x * x)))
    np.testing.assert_array_equal(compiled(np.array([1.0, np.nan])), [2.0, np.nan])


# ------------------------------------------------------------------------------------------------------------ donation


def step(p, x):
    value, gradient = gw.value_and_grad(lambda p, x: np.sum((x @ p["W"] + p["b"]) ** 2))(p, x)
    return value, {name: p[name] - 0.001 * gradient[name] for name in p}


def parameters():
    rng = np.random.default_rng(0)
    return {"W": rng.standard_normal((5, 3)), "b": np.zeros(3)}, rng.standard_normal((7, 5))


@pytest.mark.parametrize("direct", [True, False])
def test_donated_parameters_are_updated_in_place(direct, monkeypatch):
    if not direct:  # the way for interpreters whose objects lie in memory in another way
        monkeypatch.setattr("gatewise.native.entry.usable", lambda: False)
    p, x = parameters()
    q, _ = parameters()
    plain, donating = gw.compile(step), gw.compile(step, donate_argnums=0)
    for _ in range(5):
        expected, q = plain(q, x)
        value, updated = donating(p, x)
        assert updated["W"] is p["W"]
        assert updated["b"] is p["b"]
        assert value == expected
        for name in p:
            np.testing.assert_array_equal(p[name], q[name])


def test_every_result_is_read_before_a_donated_array_is_written_over():
    f = gw.compile(lambda x, y: (y[::-1] - x, x[::-1] * y, x, y + 0.0), donate_argnums=(0, 1))
    x, y = np.arange(4.0), np.arange(4.0) + 10
    expected = y[::-1] - x, x[::-1] * y, x.copy(), y.copy()
    first, second, third, fourth = f(x, y)
    assert (first is x, second is y) == (True, True)
    for found, right in zip((first, second, third, fourth), expected, strict=True):
        np.testing.assert_array_equal(found, right)


@pytest.mark.filterwarnings("ignore")
def test_donated_arrays_are_whole_when_a_call_raises_or_needs_care():
    def f(x, i):
        return x + x[i]

    compiled = gw.compile(f, donate_argnums=0)
    x = np.arange(3.0)
    compiled(x, np.int64(0))
    kept = x.copy()
    with pytest.raises(IndexError):
        compiled(x, np.int64(7))
    np.testing.assert_array_equal(x, kept)
    descent = gw.compile(lambda x: x - gw.grad(lambda x: np.sum(np.where(x > 0, np.log(x), 0.0)))(x), donate_argnums=0)
    x = np.array([0.0, 2.0])
    assert descent(x) is x
    np.testing.assert_array_equal(x, [0.0, 1.5])


def test_arrays_that_cannot_be_donated_are_told():
    f = gw.compile(lambda x, y: (x + y, x - y), donate_argnums=(0, 1))
    f(np.ones(3), np.ones(3))
    memory = np.ones(5)
    for one, other in ((memory[:3], memory[:3]), (memory[:3], memory[2:])):
        with pytest.raises(gw.errors.InputError, match=r"^x and y are both donated and share memory"):
            f(one, other)
    np.testing.assert_array_equal(memory, np.ones(5))
    locked = np.ones(3)
    locked.flags.writeable = False
    with pytest.raises(gw.errors.InputError, match=r"^x, float64\[3\], is donated but cannot"):
        f(locked, np.ones(3))
    nested = gw.compile(lambda net: {"W": 2 * net["W"]}, donate_argnums=0)
    nested({"W": np.ones(3)})
    with pytest.raises(gw.errors.InputError, match=r"^net\['W'\], float64"):
        nested({"W": locked})
    with pytest.raises(gw.errors.InputError, match="names argument 2"):
        gw.compile(lambda x: x, donate_argnums=2)(np.ones(3))
    for wrong in (-1, (0, "x"), [1.5]):
        with pytest.raises(gw.errors.InputError, match="counted from 0"):
            gw.compile(lambda x: x, donate_argnums=wrong)


@pytest.mark.parametrize("argument", [np.array(["a"]), np.array([1, None]), np.array(["2020-01-01"], "datetime64[D]")])
def test_what_is_no_number_is_told(argument):
    compiled = gw.compile(lambda x: x)
    for _ in range(2):
        with pytest.raises(gw.errors.DTypeError, match="no numbers to compute with"):
            compiled(argument)


def test_an_argument_is_not_kept_by_the_program():
    x = np.ones(1000)
    f = gw.compile(lambda x: np.sum(x))
    f(x)
    left = weakref.ref(x)
    del x
    assert left() is None
    assert f.report(measure=True).seconds_per_call > 0


def test_an_operand_of_a_product_that_is_one_number_everywhere():
    def f(x):
        return x @ np.full((3, 4), 2.0), np.ones((5, 2)) @ x, x @ np.broadcast_to(0.5, (3, 3))

    x = np.arange(6.0).reshape(2, 3)
    for found, expected in zip(gw.compile(f)(x), f(x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-15)
    eigenvalues = gw.compile(gw.grad(lambda x: np.sum(np.linalg.eigh(x)[0])))  # whose sum is the trace
    np.testing.assert_allclose(eigenvalues(np.diag([1.0, 2.0, 4.0]) + 0.1), np.eye(3), atol=1e-12)


def test_a_whole_number_and_a_float_are_two_kinds_of_operand():
    x = np.arange(3)
    for number in (1, 1.5, True, 2.5, 1j):
        np.testing.assert_array_equal(gw.compile(lambda x, number=number: x + number)(x), x + number)


def test_the_parts_of_one_result_are_written_by_the_loop_that_computes_them():
    """Nothing stands in memory in between, neither for a part that is there early nor for one that is a column."""

    def early(x):
        waves = np.sin(x) + np.cos(2 * x)
        return np.concatenate([waves, x / np.sum(x)], axis=1), np.sum(waves)

    def columns(x):
        q = np.tanh(x) * x
        return np.concatenate([np.stack([x, q, np.exp(q)], axis=1), (q * q)[:, None]], axis=1), np.max(np.exp(q))

    for f, x in ((early, np.linspace(0.0, 0.7, 600).reshape(300, 2)), (columns, np.linspace(0.0, 1.0, 300))):
        compiled = gw.compile(f)
        for found, expected in zip(compiled(x), f(x), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12)
        assert compiled.report().arena_bytes < x.nbytes


@pytest.mark.parametrize("length", [63, 64, 80, 100, 4096 * 2 + 64, 4096 * 2 + 81, 200_000, 200_007])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8])
def test_what_is_left_over_by_whole_vectors_is_computed(length, dtype):
    def f(x, y):
        return np.sum(x * x), np.max(x + y), np.any(y > 0), np.all(y == 0), x + y

    x, marked = (np.arange(length) % 7 - 3).astype(dtype), np.zeros(length, dtype)
    marked[-1] = 1
    before = gw.threads()
    try:
        for number in (1, 2):
            gw.set_threads(number)
            for given, want in zip(gw.compile(f)(x, marked), f(x, marked), strict=True):
                np.testing.assert_array_equal(given, want)
    finally:
        gw.set_threads(before)


def test_a_loop_has_no_code_for_what_cannot_be_left_over():
    f = gw.compile(lambda x: np.exp(x) + 1)
    f(np.ones(1024))
    assert "masked" not in f.llvm()
    assert f.llvm().count("phi") == 1


def test_a_function_needed_at_many_places_is_called_there():
    def f(x, times):
        for _ in range(times):
            x = np.tanh(x * 1.5)
        return x

    x = np.linspace(-1, 1, 2)  # which is a vector on every processor
    few, many = gw.compile(f), gw.compile(f)
    np.testing.assert_allclose(few(x, 3), f(x, 3))
    np.testing.assert_allclose(many(x, 33), f(x, 33))
    assert "noinline" not in few.llvm()
    assert many.llvm().count("noinline") == 33


def test_very_many_entries_are_reached_from_a_few_pointers():
    def f(x, y):
        return [x[i] + y[i] for i in range(200)]

    x, y = np.arange(200.0), np.arange(200.0)[::-1].copy()
    compiled = gw.compile(f)
    assert compiled(x, y) == f(x, y)
    assert compiled.llvm().count("store ptr") < 220  # one for each result, and for x and y
