"""Matrix functions against NumPy, gradients against central differences, and singular and degenerate matrices."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

import gatewise as gw

rng = np.random.default_rng(0)


def draw(*shape, complex=False):
    x = rng.standard_normal(shape)
    return x + 1j * rng.standard_normal(shape) if complex else x


def adjoint(x):
    return np.conj(np.swapaxes(x, -1, -2))


A = draw(3, 3) + 2 * np.eye(3)
STACK = draw(2, 3, 3) + 2 * np.eye(3)
TALL, WIDE = draw(4, 2), draw(2, 4)
P = A @ A.T + np.eye(3)
P_STACK = STACK @ adjoint(STACK) + np.eye(3)
Z = draw(3, 3, complex=True)
H = Z @ adjoint(Z) + np.eye(3)
TALL_Z = draw(4, 2, complex=True)


def agrees(f, *args):
    """Every output has NumPy's value, shape and dtype, and derivatives of both orders pass the check."""
    expected, (found, _) = f(*args), gw.vjp(lambda *xs: list(as_tuple(f(*xs))), *args)
    for one, other in zip(as_tuple(expected), found, strict=True):
        assert np.shape(one) == np.shape(other)
        assert np.asarray(one).dtype == np.asarray(other).dtype
        np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-11)
    report = gw.check_grads(lambda *xs: sum(gw.sum(gw.sin(gw.real(out))) for out in as_tuple(f(*xs))), args, order=2)
    assert report.passed, report.text()


def as_tuple(outputs):
    return tuple(outputs) if isinstance(outputs, tuple | list) else (outputs,)


def slopes_agree(f, *args, step=1e-6, rel=1e-6):
    """The gradient of a real function of complex arrays is ∂/∂Re + i ∂/∂Im, along random directions."""
    gradients = gw.grad(f, argnums=tuple(range(len(args))))(*args)
    for _ in range(3):
        along = [draw(*a.shape, complex=np.iscomplexobj(a)) for a in args]
        ends = [f(*[a + sign * step * d for a, d in zip(args, along, strict=True)]) for sign in (1, -1)]
        found = sum(np.vdot(g, d).real for g, d in zip(gradients, along, strict=True))
        assert found == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=rel, abs=1e-7)


SMOOTH = {
    "solve": (np.linalg.solve, A, draw(3)),
    "solve columns": (np.linalg.solve, A, draw(3, 2)),
    "solve stacks": (np.linalg.solve, STACK, draw(2, 3, 2)),
    "solve a stack for one vector": (np.linalg.solve, STACK, draw(3)),
    "solve one matrix for a stack": (np.linalg.solve, A, draw(2, 3, 1)),
    "inv": (np.linalg.inv, A),
    "inv of a stack": (np.linalg.inv, STACK),
    "pinv": (np.linalg.pinv, TALL),
    "pinv of a wide one": (np.linalg.pinv, WIDE),
    "pinv of a stack": (np.linalg.pinv, draw(2, 3, 2)),
    "det": (np.linalg.det, A),
    "det of a stack": (np.linalg.det, STACK),
    "slogdet": (lambda x: np.linalg.slogdet(x)[1], A),
    "slogdet of a stack": (np.linalg.slogdet, STACK),
    "cholesky": (np.linalg.cholesky, P),
    "cholesky of a stack": (np.linalg.cholesky, P_STACK),
    "upper cholesky": (lambda x: np.linalg.cholesky(x, upper=True), P),
    "cholesky reads one triangle": (np.linalg.cholesky, np.tril(P)),
    "eigh": (np.linalg.eigh, P),
    "eigh of a stack": (np.linalg.eigh, P_STACK),
    "eigh of the upper triangle": (lambda x: np.linalg.eigh(x, UPLO="U"), np.triu(P)),
    "eigvalsh": (np.linalg.eigvalsh, P),
    "eig with real values": (np.linalg.eig, np.array([[2.0, 1.0], [0.5, -1.0]])),
    "eigvals": (np.linalg.eigvals, np.array([[2.0, 1.0], [-1.5, -1.0]])),
    "svd": (np.linalg.svd, A),
    "svd of a stack": (np.linalg.svd, STACK),
    "reduced svd": (lambda x: np.linalg.svd(x, full_matrices=False), TALL),
    "reduced svd of a wide one": (lambda x: np.linalg.svd(x, full_matrices=False), WIDE),
    "values of the svd": (lambda x: np.linalg.svd(x, compute_uv=False), TALL),
    "svdvals": (np.linalg.svdvals, WIDE),
    "qr": (np.linalg.qr, A),
    "qr of a tall one": (np.linalg.qr, TALL),
    "qr of a wide one": (np.linalg.qr, WIDE),
    "qr of a stack": (np.linalg.qr, draw(2, 3, 2)),
    "r": (lambda x: np.linalg.qr(x, mode="r"), TALL),
    "complete qr of a wide one": (lambda x: np.linalg.qr(x, mode="complete"), WIDE),
    "lstsq": (lambda a, b: np.linalg.lstsq(a, b, rcond=None)[:2], TALL, draw(4)),
    "lstsq of columns": (lambda a, b: np.linalg.lstsq(a, b, rcond=None)[:2], TALL, draw(4, 3)),
    "lstsq of a wide one": (lambda a, b: np.linalg.lstsq(a, b, rcond=None)[0], WIDE, draw(2)),
    "lstsq's values": (lambda a: np.linalg.lstsq(a, np.ones(4), rcond=None)[3], TALL),
    "tensorinv": (lambda a: np.linalg.tensorinv(a, ind=1), draw(4, 2, 2)),
    "tensorsolve": (np.linalg.tensorsolve, draw(2, 2, 4), draw(2, 2)),
    "tensorsolve with axes": (lambda a, b: np.linalg.tensorsolve(a, b, axes=(0,)), draw(4, 2, 2), draw(2, 2)),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_values_and_derivatives_of(name):
    f, *args = SMOOTH[name]
    agrees(f, *args)


COMPLEX = {
    "solve": (lambda a, b: np.linalg.solve(a, b), Z, draw(3, complex=True)),
    "inv": (np.linalg.inv, Z),
    "det": (np.linalg.det, Z),
    "pinv": (np.linalg.pinv, TALL_Z),
    "pinv of a wide one": (np.linalg.pinv, adjoint(TALL_Z)),
    "slogdet": (lambda x: np.linalg.slogdet(x).sign, Z),
    "logabsdet": (lambda x: np.linalg.slogdet(x).logabsdet, Z),
    "cholesky": (np.linalg.cholesky, H),
    "upper cholesky": (lambda x: np.linalg.cholesky(x, upper=True), H),
    "eigvalsh": (np.linalg.eigvalsh, H),
    "eigvals": (np.linalg.eigvals, Z),
    "eigvals of a real matrix": (np.linalg.eigvals, np.array([[1.0, -2.0], [1.5, 0.5]])),
    "svdvals": (np.linalg.svdvals, TALL_Z),
    "qr": (lambda x: np.linalg.qr(x)[0], TALL_Z),
    "r": (lambda x: np.linalg.qr(x)[1], TALL_Z),
    "qr of a wide one": (lambda x: np.linalg.qr(x)[1], adjoint(TALL_Z)),
    "lstsq": (lambda a, b: np.linalg.lstsq(a, b, rcond=None)[0], TALL_Z, draw(4, complex=True)),
    # vectors by what does not depend on their phase
    "projectors of eigh": (lambda x: projectors(np.linalg.eigh(x)[1]), H),
    "projectors of eig": (lambda x: np.abs(np.linalg.eig(x)[1]), Z),
    "projectors of a real eig": (lambda x: np.abs(np.linalg.eig(x)[1]), np.array([[1.0, -2.0], [1.5, 0.5]])),
    "projectors of svd": (lambda x: pairs(np.linalg.svd(x, full_matrices=False)), TALL_Z),
    "a function of a matrix": (lambda x: function_of(np.linalg.eigh(x)), H),
}


def projectors(v):
    return np.swapaxes(v, 0, 1)[:, :, None] * np.conj(np.swapaxes(v, 0, 1))[:, None, :]


def pairs(svd):
    u, _, vh = svd
    return np.swapaxes(u, 0, 1)[:, :, None] * vh[:, None, :]


def function_of(eigh):
    values, vectors = eigh
    return (vectors * np.exp(values / 5)) @ np.conj(vectors).T


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_gradients_of(name):
    f, *args = COMPLEX[name]
    out = f(*args)
    found, _ = gw.vjp(f, *args)
    np.testing.assert_allclose(found, out, rtol=1e-9, atol=1e-11)
    assert found.dtype == out.dtype
    weights = draw(*out.shape, complex=out.dtype.kind == "c")
    slopes_agree(lambda *xs: np.sum(np.real(weights * f(*xs))), *args)


@pytest.mark.parametrize("shape", [(4, 2), (2, 4)])
def test_full_svd_spans_the_rest(shape):
    x, u_weights, v_weights = draw(*shape), draw(shape[0], shape[0]), draw(shape[1], shape[1])
    for one, other in zip(gw.vjp(lambda x: list(np.linalg.svd(x)), x)[0], np.linalg.svd(x), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)

    def f(x):
        u, _, vh = np.linalg.svd(x)
        return np.sum(u_weights * (u[:, 2:] @ u[:, 2:].T)) + np.sum(v_weights * (vh[2:].T @ vh[2:]))

    report = gw.check_grads(f, (x,), order=2)
    assert report.passed, report.text()


def test_complete_qr_spans_the_rest():
    for one, other in zip(
        gw.vjp(lambda x: list(np.linalg.qr(x, "complete")), TALL)[0], np.linalg.qr(TALL, "complete"), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-12)
    weights = draw(4, 4)

    def f(x):
        q, _ = np.linalg.qr(x, mode="complete")
        return np.sum(weights * (q[:, 2:] @ q[:, 2:].T))

    assert gw.check_grads(f, (TALL,), order=2).passed


# ------------------------------------------------------------------------------------------------ singular, degenerate


@pytest.mark.parametrize(
    "x",
    [
        np.arange(1.0, 10.0).reshape(3, 3),
        np.diag([2.0, 3.0, 0.0]),
        np.outer([1.0, 2.0, 3.0], [1.0, -1.0, 2.0]),
        np.zeros((3, 3)),
        np.zeros((1, 1)),
        np.stack([np.eye(2), np.ones((2, 2))]),
    ],
)
def test_the_determinant_of_singular_matrices_has_derivatives(x):
    report = gw.check_grads(lambda x: 1 + np.sum(np.linalg.det(x)), (x,), order=2)
    assert report.passed, report.text()


def test_third_derivatives_of_a_determinant():
    third = gw.grad(lambda x: gw.hessian(np.linalg.det)(x)[0, 0, 1, 1])(draw(3, 3))
    expected = np.zeros((3, 3))
    expected[2, 2] = 1.0
    np.testing.assert_allclose(third, expected, atol=1e-9)


@pytest.mark.parametrize("values", [[2.0, 2.0, 2.0], [1.0, 2.0, 2.0], [0.0, 0.0, 0.0]])
def test_symmetric_functions_of_repeated_eigenvalues(values):
    q, _ = np.linalg.qr(draw(3, 3))
    x = q * np.array(values) @ q.T
    gradient = gw.grad(lambda x: np.sum(np.exp(np.linalg.eigvalsh((x + x.T) / 2))))(x)
    np.testing.assert_allclose(gradient, scipy.linalg.expm(x), atol=1e-10)

    def trace(x):
        values, vectors = np.linalg.eigh((x + x.T) / 2)
        return np.trace(vectors * np.exp(values) @ vectors.T)

    np.testing.assert_allclose(gw.grad(trace)(x), scipy.linalg.expm(x), atol=1e-10)


def test_symmetric_functions_of_repeated_singular_values():
    q, _ = np.linalg.qr(draw(4, 3))
    gradient = gw.grad(lambda x: np.sum(np.linalg.svdvals(x) ** 2))(3 * q)
    np.testing.assert_allclose(gradient, 6 * q, atol=1e-12)


def test_the_projector_onto_the_space_of_a_repeated_eigenvalue():
    q, _ = np.linalg.qr(draw(3, 3))
    weights = draw(3, 3)

    def f(x):
        vectors = np.linalg.eigh((x + x.T) / 2)[1][:, 1:]
        return np.sum(weights * (vectors @ vectors.T))

    assert gw.check_grads(f, (q * np.array([1.0, 2.0, 2.0]) @ q.T,), order=1).passed


def test_gradients_of_degenerate_vectors_are_finite():
    for x in (np.eye(3), np.zeros((3, 3)), np.ones((3, 3))):
        for f in (np.linalg.eigh, np.linalg.svd):
            gradient = gw.grad(lambda x, f=f: np.sum(np.sin(f(x)[0])) + np.sum(np.sin(f(x)[1])))(x)
            assert np.isfinite(gradient).all()


def test_the_polar_factor_of_an_orthonormal_matrix():
    q, _ = np.linalg.qr(draw(3, 3))

    def polar(x):
        u, _, vh = np.linalg.svd(x)
        return np.sum(np.sin(u @ vh))

    assert gw.check_grads(polar, (2 * q,), order=1).passed


def test_orthonormal_columns_are_no_trouble_for_least_squares():
    q, _ = np.linalg.qr(draw(4, 2))
    agrees(lambda a, b: np.linalg.lstsq(a, b, rcond=None)[0], q, draw(4))
    agrees(np.linalg.pinv, q)


def test_least_squares_of_a_matrix_that_lacks_rank_keeps_to_matrices_of_that_rank():
    left, right, b = draw(4, 1), draw(1, 3), draw(4)
    f = lambda left, right: np.sum(np.sin(np.linalg.lstsq(left @ right, b, rcond=None)[0]))  # noqa: E731
    assert gw.check_grads(f, (left, right), order=1).passed
    g = lambda left, right: np.sum(np.sin(np.linalg.pinv(left @ right, rtol=1e-10)))  # noqa: E731
    assert gw.check_grads(g, (left, right), order=1).passed


def test_the_triangle_that_is_not_read_receives_zeros():
    for f in (np.linalg.cholesky, np.linalg.eigvalsh):
        gradient = gw.grad(lambda x, f=f: np.sum(np.sin(f(x))))(P)
        assert not np.triu(gradient, 1).any()
    assert not np.tril(gw.grad(lambda x: np.sum(np.linalg.eigvalsh(x, "U") ** 2))(P), -1).any()


def test_the_logarithm_of_a_zero_determinant_has_an_infinite_gradient():
    with np.errstate(divide="ignore"):
        gradient = gw.grad(lambda x: np.linalg.slogdet(x)[1])(np.ones((2, 2)))
    assert gradient.tolist() == [[np.inf, -np.inf], [-np.inf, np.inf]]


def test_a_matrix_whose_result_is_not_used_receives_zeros():
    stack = np.stack([np.ones((2, 2)), np.eye(2)])

    def f(x):
        sign, size = np.linalg.slogdet(x)
        return np.sum(np.where(sign > 0, size, 0.0))

    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(gw.grad(f)(stack), np.stack([np.zeros((2, 2)), np.eye(2)]))


# ----------------------------------------------------------------------------------------------------------- the others


@pytest.mark.parametrize("scale", [0.0, 1e-3, 1.0, 30.0])
@pytest.mark.parametrize("complex", [False, True])
def test_the_matrix_exponential(scale, complex):
    x = scale * draw(3, 3, complex=complex) / 4
    np.testing.assert_allclose(gw.expm(x), scipy.linalg.expm(x), rtol=1e-9, atol=1e-10)
    tangent = draw(3, 3, complex=complex)
    expected = scipy.linalg.expm_frechet(x, tangent, compute_expm=False)
    found = gw.jvp(gw.expm, (x,), (tangent,))[1]
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9 * np.abs(expected).max())


def test_the_matrix_exponential_of_stacks_and_lists():
    np.testing.assert_allclose(gw.expm(STACK), scipy.linalg.expm(STACK), rtol=1e-10)
    np.testing.assert_allclose(gw.expm([[0, 1], [0, 0]]), [[1, 1], [0, 1]])
    assert gw.expm(np.zeros((0, 0))).shape == (0, 0)
    assert gw.expm(A.astype("float32")).dtype == np.float32
    assert gw.check_grads(lambda x: gw.sum(gw.sin(gw.expm(x))), (STACK / 4,), order=2).passed


def test_ranks_carry_no_gradient():
    assert gw.grad(lambda x: np.sum(x) * np.linalg.matrix_rank(x))(np.ones((2, 2))).tolist() == [[1, 1], [1, 1]]


def test_least_squares_gives_what_numpys_gives():
    for a, b in ((TALL, draw(4)), (WIDE, draw(2, 3)), (np.ones((3, 2)), draw(3)), (A, draw(3))):
        for one, other in zip(gw.lstsq(a, b), np.linalg.lstsq(a, b, rcond=None), strict=True):
            assert np.shape(one) == np.shape(other)
            np.testing.assert_allclose(one, other, atol=1e-12)


@pytest.mark.parametrize("name", ["eigh", "eig", "svd", "qr", "slogdet"])
def test_results_have_numpys_names(name):
    ours, theirs = getattr(gw, name)(P), getattr(np.linalg, name)(P)
    assert ours._fields == theirs._fields
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128", "int64"])
@pytest.mark.parametrize(
    "name", ["inv", "det", "slogdet", "cholesky", "eigh", "eigvalsh", "eigvals", "svd", "svdvals", "qr", "pinv"]
)
def test_dtypes_are_numpys(name, dtype):
    x = np.array([[4, 1], [1, 3]]).astype(dtype)
    for one, other in zip(as_tuple(getattr(gw, name)(x)), as_tuple(getattr(np.linalg, name)(x)), strict=True):
        assert np.asarray(one).dtype == np.asarray(other).dtype
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["inv", "det", "slogdet", "cholesky", "eigh", "eigvals", "svd", "qr"])
@pytest.mark.parametrize("shape", [(0, 2, 2), (0, 0)])
def test_without_entries(name, shape):
    x = np.zeros(shape)
    out = as_tuple(getattr(gw, name)(x))
    for one, other in zip(out, as_tuple(getattr(np.linalg, name)(x)), strict=True):
        assert np.shape(one) == np.shape(other)
    f = lambda x: sum(gw.sum(gw.real(out)) for out in as_tuple(getattr(np.linalg, name)(x)))  # noqa: E731
    assert gw.grad(f)(x).shape == shape


def test_singular_matrices_are_an_error_that_numpys_users_catch_too():
    for call in (np.linalg.inv, lambda x: np.linalg.solve(x, x), lambda x: np.linalg.cholesky(x - 1)):
        with pytest.raises(np.linalg.LinAlgError, match=r"test_linalg\.py") as caught:
            gw.vjp(call, np.ones((2, 2)))
        assert isinstance(caught.value, gw.LinearAlgebraError)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: np.linalg.inv(x), "square"),
        (lambda x: np.linalg.inv(x[0]), "takes a matrix"),
        (lambda x: np.linalg.det(x), "square"),
        (lambda x: np.linalg.solve(x[:2, :2], x), "rows"),
        (lambda x: np.linalg.cholesky(x), "square"),
        (lambda x: np.linalg.svd(x[0]), "takes a matrix"),
        (lambda x: np.linalg.svd(x, hermitian=True), "hermitian"),
        (lambda x: np.linalg.pinv(x, hermitian=True), "hermitian"),
        (lambda x: np.linalg.qr(x, mode="raw"), "mode"),
        (lambda x: np.linalg.eigh(x.T @ x, UPLO="X"), "UPLO"),
        (lambda x: np.linalg.lstsq(x, x[:2]), "as many rows"),
        (lambda x: gw.expm(x), "square"),
    ],
)
def test_errors_teach(call, message):
    with pytest.raises(gw.GatewiseError, match=message):
        gw.vjp(call, TALL)
