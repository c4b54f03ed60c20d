"""Sparse derivatives against the dense ones, patterns and colours against what they promise."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

import gatewise as gw
from gatewise import tree
from gatewise.colouring import column_colours, star_colours
from gatewise.sparse import _Sparse

RANDOM = np.random.default_rng(0)
X = RANDOM.uniform(0.2, 0.9, 6)
M = RANDOM.uniform(0.2, 0.9, (3, 4))
BANDED = np.diag(np.ones(6)) + np.diag(np.full(5, 2.0), 1)
PICKS = np.array([2, 0, 0, 5])


def set_entries(x):
    x[1:3] = x[3:5] ** 2
    x[PICKS[1:3]] = x[1] * np.array([2.0, 3.0])
    return x


#: Functions of a vector of six, and how many entries their Jacobian's pattern has.
VECTOR = {
    "element-wise": (lambda x: np.sin(x) * x, 6),
    "second difference": (lambda x: x[2:] - 2 * x[1:-1] + x[:-2], 12),
    "neighbours": (lambda x: x[1:] * np.exp(x[:-1]), 10),
    "reversed": (lambda x: x * x[::-1], 12),
    "rolled": (lambda x: np.roll(x, 2) ** 2 + x, 12),
    "indexed": (lambda x: x[PICKS] ** 2, 4),
    "masked": (lambda x: x[np.array([True, False, True, True, False, False])] * x[0], 5),
    "written": (set_entries, 6),
    "joined": (lambda x: np.concatenate([x[:2] ** 2, x[3:] * x[2]]), 8),
    "stacked": (lambda x: np.stack([x, x[::-1]]) * x, 18),
    "padded": (lambda x: np.pad(x, 2, constant_values=3.0) ** 2, 6),
    "rows summed": (lambda x: np.sum(x.reshape(2, 3) ** 2, axis=1), 6),
    "mean of columns": (lambda x: np.mean(x.reshape(2, 3), axis=0, keepdims=True), 6),
    "greatest of rows": (lambda x: np.max(x.reshape(3, 2), axis=1), 6),
    "outer product": (lambda x: x[:2, None] * x[2:], 16),
    "banded matrix": (lambda x: BANDED @ np.tanh(x), 11),
    "banded from the left": (lambda x: (x**2) @ BANDED, 11),
    "einsum": (lambda x: np.einsum("i,ij->j", x, BANDED), 11),
    "diagonal": (lambda x: np.diagonal(np.einsum("i,j->ij", x, x)), 6),
    "windows": (lambda x: np.sum(np.lib.stride_tricks.sliding_window_view(x, 3) ** 2, axis=1), 12),
    "where": (lambda x: np.where(x > 0.5, x, x[::-1]), 12),
    "a step": (lambda x: np.floor(x) + x, 6),
    "sorted": (lambda x: np.sort(x), 36),
    "running sum": (lambda x: np.cumsum(x), 36),
    "solved": (lambda x: np.linalg.solve(BANDED + np.diag(x), x), 36),
    "checkpointed": (lambda x: gw.checkpoint(np.sin)(x), 36),
    "scanned": (lambda x: gw.scan(lambda carry, t: (carry, t**2), 0.0, x)[1], 36),
    "constant": (lambda x: np.ones(3), 0),
    "partly constant": (lambda x: (x[:2] ** 2, np.ones(2)), 2),
    "a number": (lambda x: x[2] * x[4], 2),
    "several": (lambda x: {"a": x[:2] * x[1], "b": np.sum(x[3:])}, 6),
}


def dense(f, x):
    blocks, _ = tree.flatten(gw.jacobian(f)(x))
    return np.concatenate([np.reshape(block, (-1, np.size(x))) for block in blocks])


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
@pytest.mark.parametrize("name", VECTOR)
def test_sparse_jacobian_equals_the_dense_one(name, mode):
    f, _ = VECTOR[name]
    found = gw.sparse_jacobian(f, mode=mode)(X)
    assert isinstance(found, csr_array)
    np.testing.assert_allclose(found.toarray(), dense(f, X), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", VECTOR)
def test_the_pattern_has_no_more_entries_than_the_structure_calls_for(name):
    f, entries = VECTOR[name]
    found = gw.sparse_jacobian(f)(X)
    assert found.nnz == entries
    assert found.has_canonical_format


@pytest.mark.parametrize(
    ("f", "entries"), [
        (lambda a: a @ np.eye(4), 12),
        (lambda a: np.eye(3) @ a, 12),
        (lambda a: np.sum(a, axis=1) * a[:, 0], 12),
        (lambda a: a.T, 12),
        (lambda a: np.einsum("ij,ij->i", a, a), 12),
        (lambda a: np.einsum("ij,kj->ik", a, np.eye(4)[:2]), 6),
        (lambda a: np.broadcast_to(a, (2, 3, 4)) * 2, 24),
        (lambda a: a[None] @ np.ones((2, 4, 1)), 24),
        (lambda a: a @ a.T, 60),
        (lambda a: np.tril(a) @ np.ones(4), 12),
        (lambda a: np.linalg.norm(a, axis=0), 12),
        (lambda a: np.var(a, axis=1), 12),
        (lambda a: a[:, [0, 0, 2]] * a[1, 3], 18),
    ],
)  # fmt: skip
def test_of_a_matrix(f, entries):
    found = gw.sparse_jacobian(f)(M)
    np.testing.assert_allclose(found.toarray(), gw.jacobian(f)(M).reshape(-1, M.size), rtol=1e-12, atol=1e-14)
    assert found.nnz <= entries


SCALAR = {
    "chain": (lambda x: np.sum((x[1:] - x[:-1] ** 2) ** 2), 16),
    "squares": (lambda x: np.sum(x**4), 6),
    "arrow": (lambda x: np.sum(x[0] * x[1:] ** 3), 15),
    "arrow from behind": (lambda x: np.sum(x[-1] * x[:-1] ** 3) + x[-1] ** 3, 16),
    "linear": (lambda x: np.sum(x * 3), 0),
    "pairs": (lambda x: np.sum(np.sin(x[::2] * x[1::2])), 12),
    "dense": (lambda x: np.sum(x**2) ** 2, 36),
    "mixed": (lambda x: x[0] * x[5] + np.exp(x[2]), 3),
    "matrix": (lambda x: np.sum(np.cos(BANDED @ x)), 16),
}


@pytest.mark.parametrize("name", SCALAR)
def test_sparse_hessian_equals_the_dense_one(name):
    f, entries = SCALAR[name]
    found = gw.sparse_hessian(f)(X)
    np.testing.assert_allclose(found.toarray(), gw.hessian(f)(X), rtol=1e-11, atol=1e-13)
    assert (found != found.T).nnz == 0 or np.allclose(found.toarray(), found.toarray().T)
    assert found.nnz == entries


patterns = st.tuples(st.integers(1, 9), st.integers(1, 9), st.floats(0, 1), st.integers(0, 10**6)).map(
    lambda given: np.random.default_rng(given[3]).uniform(size=given[:2]) < given[2]
)


@given(patterns, st.sampled_from(["auto", "forward", "reverse"]))
@settings(max_examples=150, deadline=None)
def test_any_pattern(pattern, mode):
    weights = np.where(pattern, 1.5, 0.0)
    f = lambda x: np.sin(weights @ x) * 2  # noqa: E731
    x = np.linspace(-1, 1, pattern.shape[1])
    found = gw.sparse_jacobian(f, mode=mode)(x)
    np.testing.assert_allclose(found.toarray(), gw.jacobian(f)(x), rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(found.toarray() != 0, pattern & (np.cos(weights @ x)[:, None] != 0))
    told = gw.sparse_jacobian(f, pattern=pattern, mode=mode)(x)
    np.testing.assert_allclose(told.toarray(), found.toarray(), rtol=1e-12, atol=1e-14)


@given(patterns)
@settings(max_examples=150, deadline=None)
def test_any_symmetric_pattern(pattern):
    weights = np.where(pattern, 0.5, 0.0)
    f = lambda x: np.sum(np.sin(weights @ x))  # noqa: E731
    x = np.linspace(-1, 1, pattern.shape[1])
    found = gw.sparse_hessian(f)(x)
    np.testing.assert_allclose(found.toarray(), gw.hessian(f)(x), rtol=1e-11, atol=1e-13)


@given(patterns)
@settings(max_examples=200, deadline=None)
def test_columns_of_one_colour_share_no_row(pattern):
    colours = column_colours(csr_array(pattern))
    for row in pattern:
        mine = colours[row]
        assert len(set(mine.tolist())) == len(mine)


@given(patterns)
@settings(max_examples=200, deadline=None)
def test_a_star_colouring_finds_every_entry_alone_in_one_of_two_places(pattern):
    square = pattern[: min(pattern.shape), : min(pattern.shape)]
    square = square | square.T
    colours = star_colours(csr_array(square))
    for i, j in np.argwhere(square):
        alone = np.sum(colours[square[i]] == colours[j]) == 1
        mirrored = np.sum(colours[square[j]] == colours[i]) == 1
        assert alone or mirrored


@pytest.mark.parametrize(("lower", "upper"), [(1, 1), (0, 2), (3, 1), (2, 2)])
def test_a_band_has_as_many_colours_as_diagonals(lower, upper):
    band = scipy.sparse.diags_array(np.ones(lower + upper + 1), offsets=range(-lower, upper + 1), shape=(50, 50))
    assert column_colours(csr_array(band)).max() + 1 == lower + upper + 1


def test_an_arrow_hessian_has_two_colours():
    arrow = np.eye(30, dtype=bool)
    arrow[7] = arrow[:, 7] = True
    assert star_colours(csr_array(arrow)).max() + 1 == 2


# ------------------------------------------------------------------------------------------------------- what is kept


def test_the_pattern_follows_the_branch():
    def f(x):
        return x[1:] * x[:-1] if x[0] > 0 else x[::-1] ** 2

    J = gw.sparse_jacobian(f)
    for x in (X, -X, 2 * X, -3 * X):
        np.testing.assert_allclose(J(x).toarray(), gw.jacobian(f)(x), rtol=1e-13)


def test_the_pattern_follows_index_arrays_and_zeros_of_constant_factors():
    def f(x, order, weights):
        return weights @ x[order]

    J = gw.sparse_jacobian(f)
    for seed in range(5):
        random = np.random.default_rng(seed)
        weights = np.where(random.uniform(size=(4, 6)) < 0.4, 1.0, 0.0)
        order = random.permutation(6)
        found = J(X, order, weights)
        np.testing.assert_allclose(found.toarray(), gw.jacobian(f)(X, order, weights), rtol=1e-13)
        assert found.nnz == np.count_nonzero(weights)


def test_the_pattern_follows_the_shape():
    J = gw.sparse_jacobian(lambda x: x[1:] * x[:-1])
    for n in (4, 7, 4, 2):
        assert J(np.ones(n)).shape == (n - 1, n)


def test_the_pattern_is_found_once_for_one_circuit(monkeypatch):
    from gatewise import sparse

    calls = []
    real = sparse.pattern_of
    monkeypatch.setattr(sparse, "pattern_of", lambda *given: calls.append(1) or real(*given))
    J = gw.sparse_jacobian(lambda x: x[1:] * x[:-1] if x[0] > 0 else x**2)
    for x in (X, 2 * X, -X, X, -X):
        J(x)
    assert len(calls) == 2


def test_a_result_may_be_changed_in_place():
    J = gw.sparse_jacobian(lambda x: np.maximum(x, 0.5) ** 2)
    first = J(X)
    first.eliminate_zeros()
    np.testing.assert_allclose(J(X).toarray(), gw.jacobian(lambda x: np.maximum(x, 0.5) ** 2)(X))


def test_zeros_stay_zero_where_a_local_gradient_is_infinite():
    f = lambda x: np.where(x > 0.5, np.sqrt(abs(x - 0.5)), 0.0) * x[::-1]  # noqa: E731
    x = np.array([0.5, 0.7, 0.9])
    assert np.all(np.isfinite(gw.sparse_jacobian(f, mode="reverse")(x).toarray()))
    np.testing.assert_array_equal(
        gw.sparse_jacobian(f, mode="forward")(x).toarray(), gw.sparse_jacobian(f, mode="reverse")(x).toarray()
    )


def test_a_nested_argument_has_its_arrays_one_after_the_other():
    f = lambda t: t["a"] * t["b"][1]  # noqa: E731
    found = gw.sparse_jacobian(f)({"a": X[:3], "b": X[3:5]})
    assert found.shape == (3, 5)
    np.testing.assert_allclose(found.toarray(), np.hstack([X[4] * np.eye(3), np.zeros((3, 1)), X[:3, None]]))


def test_single_precision_stays():
    assert gw.sparse_jacobian(np.sin)(X.astype("float32")).dtype == np.float32


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_wide_circuits_take_one_seed_at_a_time(mode):
    n = 40_000
    x = np.linspace(0, 1, n)
    found = gw.sparse_jacobian(lambda x: x[1:] * x[:-1], mode=mode)(x)
    expected = scipy.sparse.diags_array([x[1:], x[:-1]], offsets=[0, 1], shape=(n - 1, n))
    assert found.nnz == 2 * (n - 1)
    assert abs(found - expected).max() == 0


def test_products_are_taken_in_blocks_where_one_line_is_full():
    f = lambda x: np.concatenate([x[1:] * x[:-1], np.sum(x**2, keepdims=True)])  # noqa: E731
    x = np.linspace(1, 2, 300)
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(gw.sparse_jacobian(f, mode=mode)(x).toarray(), gw.jacobian(f)(x), rtol=1e-14)


# -------------------------------------------------------------------------------------------------------------- errors


def test_a_pattern_that_leaves_entries_out_is_refused():
    with pytest.raises(gw.InputError, match="entries that pattern leaves out"):
        gw.sparse_jacobian(lambda x: x * x[::-1], pattern=np.eye(6))(X)


def test_a_pattern_of_another_shape_is_refused():
    with pytest.raises(gw.ShapeError, match=r"pattern has shape \(5, 6\).* shape \(6, 6\)"):
        gw.sparse_jacobian(np.sin, pattern=np.ones((5, 6)))(X)


def test_a_pattern_may_hold_more_than_there_is():
    np.testing.assert_allclose(
        gw.sparse_jacobian(np.sin, pattern=np.tri(6))(X).toarray(), np.diag(np.cos(X)), rtol=1e-14
    )


def test_inside_another_transform_it_is_refused():
    with pytest.raises(gw.UnsupportedError, match=r"use gw\.jacobian"):
        gw.grad(lambda x: np.sum(gw.sparse_jacobian(np.sin)(x).data))(X)
    with pytest.raises(gw.UnsupportedError, match=r"use gw\.jacobian"):
        gw.vmap(gw.sparse_jacobian(np.sin))(M)


def test_what_is_far_from_sparse_is_refused():
    with pytest.raises(gw.UnsupportedError, match="not sparse"):
        gw.sparse_jacobian(lambda x: x * np.sum(x))(np.ones(10**5))


def test_complex_numbers_are_refused():
    with pytest.raises(gw.DTypeError, match=r"gw\.vjp"):
        gw.sparse_jacobian(lambda x: x * 1j)(X)


def test_an_unknown_mode_is_refused():
    with pytest.raises(gw.InputError, match="mode"):
        gw.sparse_jacobian(np.sin, mode="sideways")


def test_without_scipy_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "scipy", None)
    with pytest.raises(gw.UnsupportedError, match="pip install scipy"):
        _Sparse(np.sin, 0, None, "auto", symmetric=False)(X)
