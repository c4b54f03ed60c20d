"""Steps that are run slice by slice give what they give one after the other, and need less memory."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gatewise as gw
from gatewise.native.tile import Machine
from gatewise.tree import flatten

rng = np.random.default_rng(0)


@pytest.fixture
def threads():
    before = gw.threads()
    yield gw.set_threads
    gw.set_threads(before)


@contextmanager
def machine_of(second_cache, threads):
    """A machine with so many threads and a second cache of so many bytes, for examples that one test draws."""
    small, before = replace(Machine.host(), second_cache=second_cache), gw.threads()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Machine, "host", lambda: small)
        gw.set_threads(threads)
        try:
            yield
        finally:
            gw.set_threads(before)


@pytest.fixture
def small_cache(monkeypatch):
    """A processor whose second cache holds so little that arrays of the tests do not fit it."""
    host = Machine.host()
    monkeypatch.setattr(Machine, "host", lambda: replace(host, second_cache=2048))


@pytest.fixture
def cache_of_16_kib(monkeypatch):
    """A processor whose second cache holds the tiles of a product, but not all of it."""
    host = Machine.host()
    monkeypatch.setattr(Machine, "host", lambda: replace(host, second_cache=1 << 14))


def groups(compiled):
    """The steps of each group that is run slice by slice, by their kinds."""
    return [[inner.kind for inner in step.inner] for step in compiled.report().steps if step.kind == "slices"]


def assert_as_eager(f, *arguments):
    """Compiled, `f` gives what it gives; returns the compiled function and what it gave."""
    compiled = gw.compile(f)
    found = compiled(*arguments)
    for one, other in zip(flatten(found)[0], flatten(f(*arguments))[0], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10)
    assert not compiled.report().in_python
    return compiled, found


def distances(W, means, x):
    """Sums of squares of all points' differences from all means, seen through one matrix each."""
    y = (x[None] - means[:, None]) @ W
    return np.sum(np.log(np.sum(np.exp(-0.1 * np.sum(y * y, axis=2)), axis=0)))


def of_distances(K=12, n=300, d=48):
    return rng.standard_normal((K, d, d)) / d, rng.standard_normal((K, d)), rng.standard_normal((n, d))


def test_a_gradient_runs_slice_by_slice_forward_and_backward():
    arguments = of_distances()
    compiled, (_, (dW, dmeans)) = assert_as_eager(gw.value_and_grad(distances, argnums=(0, 1)), *arguments)
    forward, backward = groups(compiled)
    assert forward == ["loop", "product", "loop"]
    assert backward[:3] == ["loop", "loop", "product"]  # the differences are computed again
    W, means, _ = arguments
    for which, array, gradient in ((0, W, dW), (1, means, dmeans)):
        direction = rng.standard_normal(array.shape)
        ahead, behind = ([*arguments] for _ in range(2))
        ahead[which], behind[which] = array + 1e-5 * direction, array - 1e-5 * direction
        slope = (distances(*ahead) - distances(*behind)) / 2e-5
        assert np.sum(gradient * direction) == pytest.approx(slope, rel=1e-6)


def test_what_lies_between_the_steps_never_stands_in_memory_as_a_whole():
    W, means, x = of_distances()
    compiled = gw.compile(gw.value_and_grad(distances, argnums=(0, 1)))
    compiled(W, means, x)
    whole = len(W) * x.nbytes
    assert (
        compiled.report().arena_bytes < 2 * whole
    )  # without slices: differences, their products, and gradients of these


def test_slices_have_the_same_bits_with_any_number_of_threads(threads):
    W, means, x = of_distances()
    direction = rng.standard_normal((len(W), len(x)))

    def f(W, means):
        y = (x[None] - means[:, None]) @ W
        return np.sum(np.exp(-0.1 * np.sum(y * y, axis=2)) * direction)

    found = []
    for number in (1, 2, 3, 4):
        threads(number)
        compiled = gw.compile(gw.grad(f, argnums=(0, 1)))
        found += [compiled(W, means), compiled(W, means)]
        assert groups(compiled)
    for other in found[1:]:
        assert all(np.array_equal(one, same) for one, same in zip(found[0], other, strict=True))


def test_slices_that_few_threads_could_share_evenly_are_left_whole(threads):
    W, means, x = of_distances(K=3, n=1200)
    compiled = gw.compile(distances)
    threads(2)
    compiled(W, means, x)
    assert not groups(compiled)


def test_several_small_slices_are_run_at_a_time(small_cache):
    x = rng.standard_normal((101, 3, 4))
    compiled, _ = assert_as_eager(lambda x: np.sum(np.exp(x) @ np.swapaxes(np.tanh(x), 1, 2), axis=2) + 1, x)
    (step,) = [step for step in compiled.report().steps if step.kind == "slices"]
    assert "at a time" in step.what


@pytest.mark.parametrize("length", [40, 50, 96, 101])
def test_numbers_of_one_for_each_slice_are_all_computed(length, small_cache):
    """A block of slices is no whole number of vectors."""
    x, c = rng.standard_normal((length, 3, 4)), rng.standard_normal(length)

    def f(x, c):
        y = np.exp(x)
        totals = np.sum(y, axis=(1, 2))
        return np.sum(y / totals[:, None, None] * (np.log(totals) * c)[:, None, None])

    compiled, _ = assert_as_eager(gw.value_and_grad(f, argnums=(0, 1)), x, c)
    assert groups(compiled)


@pytest.mark.parametrize(
    "mix",
    [
        lambda y: y[::-1],
        lambda y: np.roll(y, 1, axis=0),
        lambda y: np.cumsum(y, axis=0),
        lambda y: y - np.mean(y, axis=0),
        lambda y: y[[5, 4, 3, 2, 1, 0]],
        lambda y: np.swapaxes(np.reshape(y, (20, 6, 20)), 0, 1),
        lambda y: np.reshape(y, (20, 6, 20))[:6],
        lambda y: y[1:2] + y,
    ],
)
def test_what_reads_other_slices_waits_for_all(mix, small_cache):
    W, x = rng.standard_normal((6, 20, 20)), rng.standard_normal((6, 20, 20))

    def f(W, x):
        y = np.exp(0.1 * x) @ W
        return np.sum(np.tanh(mix(y)[:, :, :7] @ W[:, :7]) ** 2)

    assert_as_eager(gw.value_and_grad(f, argnums=(0, 1)), W, x)


def test_a_result_that_is_also_read_inside_is_kept():
    W, means, x = of_distances()

    def f(W, means, x):
        y = (x[None] - means[:, None]) @ W
        return y, np.sum(y * y, axis=2)

    compiled, _ = assert_as_eager(f, W, means, x)
    assert groups(compiled) == [["loop", "product", "loop"]]


def test_pieces_of_an_array_are_written_slice_by_slice(small_cache):
    W, x = rng.standard_normal((6, 20, 20)), rng.standard_normal((6, 20, 20))

    def f(W, x):
        y = x @ W
        z = np.concatenate([np.exp(0.1 * y), y[:, :3]], axis=1)
        return np.sum(np.sum(z @ W, axis=2) ** 2)

    assert_as_eager(gw.value_and_grad(f, argnums=(0, 1)), W, x)


def test_loops_run_slices_inside(small_cache):
    W, x = rng.standard_normal((6, 20, 20)), rng.standard_normal((6, 20, 20))

    def f(W, x):
        return np.sum(gw.scan(lambda h, _: (np.tanh(np.exp(0.1 * h) @ W), None), x, None, length=3)[0])

    assert_as_eager(gw.value_and_grad(f, argnums=(0, 1)), W, x)


def hinge(W, X, y):
    scores = X @ W
    margins = np.maximum(0, scores - scores[np.arange(len(y)), y][:, None] + 1)
    return np.sum(np.where(np.arange(W.shape[1]) == y[:, None], 0, margins)) / len(y) + np.sum(W * W)


def softmax(W, X, y):
    scores = X @ W
    scores = scores - np.max(scores, axis=1, keepdims=True)
    return np.mean(np.log(np.sum(np.exp(scores), axis=1)) - scores[np.arange(len(y)), y])


def two_layers(W, X, y):
    hidden = np.tanh(X @ W)
    return np.sum((hidden @ np.cos(W[:6, :3]))[np.arange(len(y)), y % 3])


def gram(W, X, y):
    """Both factors of one product are of the data, and what it gives is read as a whole by another one."""
    return np.sum(np.sin(X.T @ (X * y[:, None]) / len(X)) @ W)


@pytest.mark.parametrize("function", [hinge, softmax, two_layers, gram])
@pytest.mark.parametrize("shape", [(600, 40), (601, 40), (307, 64), (128, 128)])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_matrix_of_data_is_read_once_forward_and_backward(function, shape, number, threads, cache_of_16_kib):
    n, d = shape
    X, W, y = rng.standard_normal((n, d)), rng.standard_normal((d, 6)), rng.integers(0, 6, n)
    threads(number)
    compiled, _ = assert_as_eager(gw.value_and_grad(function, argnums=(0, 1)), W, X, y)
    compiled, _ = assert_as_eager(gw.value_and_grad(function), W, X, y)
    if function in (hinge, softmax):
        (group,) = groups(compiled)
        assert group[0] == group[-1] == "product"


def test_data_that_fits_the_cache_is_not_cut_into_slices(threads):
    X, W, y = rng.standard_normal((200, 100)), rng.standard_normal((100, 6)), rng.integers(0, 6, 200)
    compiled, _ = assert_as_eager(gw.value_and_grad(softmax), W, X, y)
    assert not groups(compiled)


def test_labels_out_of_range_are_refused_in_slices(threads, cache_of_16_kib):
    X, W, y = rng.standard_normal((600, 40)), rng.standard_normal((40, 6)), rng.integers(0, 6, 600)
    threads(2)
    compiled = gw.compile(gw.value_and_grad(hinge))
    compiled(W, X, y)
    assert groups(compiled)
    y[77] = 6
    with pytest.raises(IndexError):
        compiled(W, X, y)


STEPS = (
    lambda x, W: np.exp(0.1 * x),
    lambda x, W: np.tanh(x) @ W,
    lambda x, W: np.swapaxes(x, 1, 2) @ W * 0.1,
    lambda x, W: x - np.max(x, axis=2, keepdims=True),
    lambda x, W: x + np.sum(x, axis=1, keepdims=True) * 0.1,
    lambda x, W: x[::-1] * W,
    lambda x, W: x - np.mean(x, axis=0),
    lambda x, W: np.concatenate([x[:, 1:], x[:, :1]], axis=1),
    lambda x, W: np.cumsum(x, axis=2) * 0.1,
    lambda x, W: np.sin(x[:, :, ::-1]),
    lambda x, W: x / np.sqrt(1 + np.sum(x * x, axis=(1, 2)))[:, None, None],
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.lists(st.sampled_from(range(len(STEPS))), min_size=2, max_size=6),
    st.integers(1, 3),
    st.sampled_from([(6, 9), (37, 3), (100, 2)]),
)
def test_any_chain_of_steps(chain, number, shape):
    length, side = shape
    W, x = rng.standard_normal((length, side, side)), rng.standard_normal((length, side, side))

    def f(x, W):
        for step in chain:
            x = STEPS[step](x, W)
        return np.sum(x * np.cos(x))

    with machine_of(1024, number):
        assert_as_eager(gw.value_and_grad(f, argnums=(0, 1)), x, W)


ROWS = (
    lambda H, X, W: H @ W,
    lambda H, X, W: np.tanh(H),
    lambda H, X, W: X * np.cos(H),
    lambda H, X, W: X @ (X.T @ np.sin(H)) / X.size,
    lambda H, X, W: X @ np.sin(H.T @ X) / len(W),
    lambda H, X, W: (W.T @ H.T).T / len(W),
    lambda H, X, W: H - np.max(H, axis=1, keepdims=True),
    lambda H, X, W: H / (1 + np.mean(H * H, axis=0)),
    lambda H, X, W: H[::-1],
    lambda H, X, W: H * (1 + np.arange(len(H)) % 3)[:, None],
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.sampled_from(range(len(ROWS))), min_size=2, max_size=6),
    st.integers(1, 3),
    st.sampled_from([(240, 40), (241, 40), (128, 128), (60, 200)]),
    st.sampled_from([1 << 11, 1 << 13]),
)
def test_any_chain_of_matrices(chain, number, shape, cache):
    n, d = shape
    X, W = rng.standard_normal((n, d)), rng.standard_normal((d, d)) / d**0.5

    def f(X, W):
        H = X
        for step in chain:
            H = ROWS[step](H, X, W)
        return np.mean(H * np.cos(H))

    with machine_of(cache, number):
        assert_as_eager(gw.value_and_grad(f, argnums=(0, 1)), X, W)
