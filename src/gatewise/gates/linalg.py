"""Matrix functions: solving, inverses, determinants, factorisations, and what is made of them. Products are in
`products`, norms in `norms`.

All work on stacks of matrices (the last two axes), real and complex. A factorisation has several outputs and a gate has
one, so its gate gives them *packed*: laid below each other in one array, from which the function then slices (``svd``
gives the rows of U, then s, then the columns of Vh). So a factorisation is computed once, its outputs' upstream
gradients arrive together, and its rule, written with its own output, can be differentiated again.

What NumPy reads is what gets a gradient: `cholesky` and `eigh` look at one triangle of their matrix, so the other
receives zeros. In the direction of a symmetric change both conventions agree; add the transpose and halve for the
symmetric gradient.

Where eigenvalues or singular values coincide, their vectors turn at will and have no gradient: the terms of the turn,
which divide by the distance of the two, are left out (the choice of least norm). Functions symmetric in such values,
like their sum or the trace of a matrix function, and of the projector onto the space their vectors span, get their
exact gradient. A matrix put together from vectors and functions of the values (``V * np.exp(w) @ V.T``) does not: what
an infinitesimal distance of the values would contribute is lost. Use `expm`, `inv`, `pinv` and `solve` for those.
The phase of complex vectors is a choice too, and what depends on it gets a gradient as if the phase did not change.

Sources:
    M. Giles, "An extended collection of matrix derivative results for forward and reverse mode algorithmic
    differentiation", Oxford 2008 (solve, inv, det, eigh, svd); I. Murray, "Differentiation of the Cholesky
    decomposition", 2016; S. Walter and L. Lehmann, "Algorithmic differentiation of linear algebra functions with
    application in optimum experimental design", 2011 (qr); G. Golub and V. Pereyra, "The differentiation of
    pseudo-inverses", 1973 (pinv, lstsq); M. Seeger et al., "Auto-differentiating linear algebra", 2017 (conventions);
    N. Higham, "The scaling and squaring method for the matrix exponential revisited", 2005 (expm).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2, prod
from typing import Any, ClassVar, NamedTuple

import numpy as np

from gatewise import gates, libraries
from gatewise import samples as draw
from gatewise.errors import LinearAlgebraError, ShapeError, TracedValueError, UnsupportedError
from gatewise.gate import Gate, broadcast_shapes, implements, normalize_axis, refuse
from gatewise.graph import Spec, apply, arrayed, dtype_name, is_complex, namespace, untracked
from gatewise.samples import sample

__all__ = [
    "cholesky",
    "det",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "expm",
    "inv",
    "lstsq",
    "matrix_rank",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensorinv",
    "tensorsolve",
]


class EighResult(NamedTuple):
    """What `eigh` gives, named as NumPy names it."""

    eigenvalues: Any
    eigenvectors: Any


class EigResult(NamedTuple):
    """What `eig` gives, named as NumPy names it."""

    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    """What `qr` gives, named as NumPy names it."""

    Q: Any
    R: Any


class SVDResult(NamedTuple):
    """What `svd` gives, named as NumPy names it."""

    U: Any
    S: Any
    Vh: Any


class SlogdetResult(NamedTuple):
    """What `slogdet` gives, named as NumPy names it."""

    sign: Any
    logabsdet: Any


# ------------------------------------------------------------------------------------------------- what the gates share

_POSITIVE = [[4.0, 1.0, 0.5], [1.0, 3.0, -0.7], [0.5, -0.7, 2.0]]
_HERMITIAN = [[3.0, 0.5 - 0.6j], [0.5 + 0.6j, 2.0]]
_REGULAR = [[2.0, -1.0, 0.3], [0.4, 1.5, 1.0], [-0.7, 0.2, 1.8]]


def _stacked(matrix: list[Any]) -> list[Any]:
    """A matrix and three fifths of it, as a stack."""
    return [matrix, [[0.6 * entry for entry in row] for row in matrix]]


def _asked(xp: Any, name: str, *operands: Any, **options: Any) -> Any:
    """Call ``xp.linalg.name``; what goes wrong in the mathematics becomes an error that names the user's line."""
    function = getattr(getattr(xp, "linalg", None), name, None)
    if function is None:
        raise UnsupportedError(f"the array library {getattr(xp, '__name__', xp)} has no linalg.{name}")
    try:
        return function(*operands, **options)
    except (np.linalg.LinAlgError, RuntimeError) as error:
        if "dimension" in str(error) or not _is_mathematical(error):
            raise  # the shape rule of the gate says it better
        raise LinearAlgebraError(f"{name} of an array of shape {tuple(operands[0].shape)}: {error}") from None


def _is_mathematical(error: Exception) -> bool:
    """Whether an error says that a matrix is singular and the like; PyTorch's LinAlgError is a RuntimeError."""
    return "LinAlgError" in type(error).__name__


def _check(name: str, spec: Spec, square: bool = False) -> tuple[tuple[int, ...], int, int]:
    """The stack, rows and columns of a stack of matrices, or a ShapeError that teaches."""
    if len(spec.shape) < 2:
        raise ShapeError(f"{name} takes a matrix, or a stack of them; got shape {spec.shape}")
    rows, columns = spec.shape[-2:]
    if square and rows != columns:
        raise ShapeError(f"{name} takes square matrices; got {rows} x {columns} (shape {spec.shape})")
    return spec.shape[:-2], rows, columns


def _inexact(*dtypes: Any) -> Any:
    """The dtype that linear algebra answers in: integers become float64."""
    return np.result_type(*[dtype if dtype.kind in "fc" else np.dtype("float64") for dtype in dtypes])


def _transposed(x: Any) -> Any:
    return gates.swapaxes(x, -1, -2)


def _adjoint(x: Any) -> Any:
    """The conjugate transpose."""
    return gates.conj(gates.swapaxes(x, -1, -2))


def _real_dtype(dtype: Any) -> str:
    """The name of the real dtype with the precision of `dtype`."""
    return {"complex64": "float32", "complex128": "float64"}.get(dtype_name(dtype), dtype_name(dtype))


def _possibly(mask: Any) -> bool:
    """Whether any entry is true; yes where that cannot be told, as inside `vmap`."""
    if libraries.is_lazy(mask):
        return True
    try:
        return bool(namespace((mask,)).any(mask))
    except TracedValueError:
        return True


def _epsilon(dtype: Any) -> float:
    return float(np.finfo(_real_dtype(dtype)).eps)


def _pattern(entries: Any, like: Any) -> Any:
    """A constant of the library and the (real) dtype of `like`."""
    xp = namespace((untracked(like),))
    dtype = _real_dtype(like.dtype)
    return libraries.placed(xp, entries.astype(dtype), untracked(like))


def _eye(n: int, like: Any) -> Any:
    return _pattern(np.eye(n), like)


def _from_triangle(gradient: Any, lower: bool = True) -> Any:
    """The gradient for one triangle, of a function that takes its mirror image for the other one."""
    n = gradient.shape[-1]
    halved = np.tril(np.ones((n, n))) - np.eye(n) / 2
    return (gradient + _adjoint(gradient)) * _pattern(halved if lower else halved.T, gradient)


def _inverse_of_gaps(values: Any, size: Any, n: int) -> Any:
    """1 / (v_j - v_i), and 0 where that is rounding error of numbers of the given size (and on the diagonal)."""
    gaps = values[..., None, :] - values[..., :, None]
    return _safe_inverse(gaps, size[..., None, None], n)


def _safe_inverse(x: Any, size: Any, n: int) -> Any:
    """1 / x, and 0 where x is rounding error of numbers of the given size."""
    tiny = abs(untracked(x)) <= 4 * n * _epsilon(x.dtype) * untracked(size)
    return gates.where(tiny, 0.0, 1.0 / gates.where(tiny, 1.0, x))


def _largest(values: Any) -> Any:
    """The largest |value| along the last axis, as a constant; 0 of none."""
    value = untracked(values)
    xp = namespace((value,))
    return xp.max(abs(value), axis=-1) if value.shape[-1] else libraries.zeros(xp, value.shape[:-1], value)


class _PerMatrix(Gate):
    """Base of gates of one stack of matrices, each of which has outputs of its own."""

    #: How many last axes hold one matrix's outputs.
    outputs: ClassVar[int] = 2

    def silent(self, upstream: Any, shape: tuple[int, ...]) -> Any:
        zeros = upstream == 0
        xp = namespace((zeros,))
        if self.outputs:
            zeros = xp.all(zeros, axis=tuple(range(-self.outputs, 0)))
        return zeros[..., None, None]


# ------------------------------------------------------------------------------------------------ solving and inverting


class Solve(Gate):
    """The solution x of a @ x = b"""

    name = "solve"
    symbol = "solve"
    story = "solves back: b receives the solution for the transposed matrix, a that times -x"
    samples = (
        sample(_REGULAR, draw.normal(3)),
        sample(_REGULAR, draw.normal(3, 2)),
        sample(_stacked(_REGULAR), draw.normal(3, 2)),
        sample(_stacked(_REGULAR), draw.normal(3)),
        sample(_REGULAR, draw.normal(2, 3, 1)),
        sample(_HERMITIAN, draw.complexes(2)),
        sample(_REGULAR, draw.normal(3, 0)),
    )

    def forward(self, xp: Any, a: Any, b: Any) -> Any:
        return _asked(xp, "solve", a, b)

    def local_a(self, g: Any, out: Any, a: Any, b_shape: Any) -> Any:
        back = self._back(g, a, b_shape)
        if len(b_shape) == 1:
            return -back[..., :, None] * out[..., None, :]
        return -back @ _transposed(out)

    def local_b(self, g: Any, a: Any, b_shape: Any) -> Any:
        return self._back(g, a, b_shape)

    def _back(self, g: Any, a: Any, b_shape: Any) -> Any:
        if len(b_shape) == 1:
            return apply(SOLVE, _transposed(a), g[..., None])[..., 0]
        return apply(SOLVE, _transposed(a), g)

    def infer(self, *specs: Spec) -> Spec:
        a, b = specs
        stack, n, _ = _check("solve", a, square=True)
        if not b.shape or b.shape[-1 if len(b.shape) == 1 else -2] != n:
            raise ShapeError(f"solve: a is {n} x {n}, so b needs {n} rows; got shape {b.shape}")
        dtype = _inexact(a.dtype, b.dtype)
        if len(b.shape) == 1:
            return Spec((*stack, n), dtype)
        return Spec((*broadcast_shapes(stack, b.shape[:-2]), *b.shape[-2:]), dtype)


class Inv(_PerMatrix):
    """The inverse of a matrix"""

    name = "inv"
    symbol = "inv"
    story = "sandwiches: the input receives minus the upstream gradient between two transposed inverses"
    samples = (
        sample(_REGULAR),
        sample(_stacked(_REGULAR)),
        sample(_HERMITIAN),
        sample([[2.0]]),
        sample(draw.normal(2, 0, 0)),
    )

    def forward(self, xp: Any, x: Any) -> Any:
        return _asked(xp, "inv", x)

    def local_x(self, g: Any, out: Any) -> Any:
        turned = _transposed(out)
        return -turned @ g @ turned

    def infer(self, *specs: Spec) -> Spec:
        (x,) = specs
        _check("inv", x, square=True)
        return Spec(x.shape, _inexact(x.dtype))


@dataclass(frozen=True)
class PInv(_PerMatrix):
    """The Moore-Penrose pseudo-inverse; singular values up to `rtol` times the largest count as zero"""

    name = "pinv"
    symbol = "pinv"
    story = "sandwiches: as for the inverse, and what the matrix maps to zero or cannot reach adds two terms"
    samples = (
        sample(draw.normal(3, 2), rtol=1e-15),
        sample(draw.normal(2, 3), rtol=1e-15),
        sample(draw.normal(2, 3, 2), rtol=1e-15),
        sample(draw.complexes(3, 2), rtol=1e-15),
        sample(draw.normal(0, 2), rtol=1e-15),
        sample(draw.normal(2, 3, 2), rtol=(1e-15, 1e-3)),
    )
    holomorphic = False

    rtol: Any  # a number, or nested tuples of them: one for each matrix

    def forward(self, xp: Any, x: Any) -> Any:
        rtol = libraries.placed(xp, np.asarray(self.rtol), x) if isinstance(self.rtol, tuple) else self.rtol
        return _asked(xp, "pinv", x, rtol=rtol)

    def local_x(self, g: Any, x: Any, out: Any) -> Any:
        back, toward = _adjoint(out), _adjoint(g)
        gradient = -back @ g @ back
        rows, columns = x.shape[-2:]
        if rows and columns:  # each term is zero when the matrix has full rank on its side, which costs little to add
            gradient = gradient + gates.subtract(_eye(rows, x), x @ out) @ toward @ out @ back
            gradient = gradient + back @ out @ toward @ gates.subtract(_eye(columns, x), out @ x)
        return gradient

    def infer(self, *specs: Spec) -> Spec:
        stack, rows, columns = _check("pinv", specs[0])
        return Spec((*stack, columns, rows), _inexact(specs[0].dtype))


@dataclass(frozen=True)
class LeastSquares(Gate):
    """The x of least norm that brings a @ x closest to b"""

    name = "lstsq"
    symbol = "lstsq"
    story = "projects: b receives the upstream gradient through the pseudo-inverse, a that times fit and residual"
    samples = (
        sample(draw.normal(4, 2), draw.normal(4), rcond=1e-15),
        sample(draw.normal(4, 2), draw.normal(4, 3), rcond=1e-15),
        sample(draw.normal(2, 3), draw.normal(2), rcond=1e-15),
        sample(draw.complexes(3, 2), draw.complexes(3), rcond=1e-15),
    )
    holomorphic = False

    rcond: float

    def forward(self, xp: Any, a: Any, b: Any) -> Any:
        if xp is np:
            return _asked(np, "lstsq", a, b, rcond=self.rcond)[0]
        return _asked(xp, "pinv", a, rtol=self.rcond) @ b

    def local_a(self, g: Any, a: Any, b: Any, out: Any) -> Any:
        if len(b.shape) == 1:
            g, b, out = g[:, None], b[:, None], out[:, None]
        inverse = pinv(a, rtol=self.rcond)
        back = _adjoint(inverse)
        gradient = (b - a @ out) @ _adjoint(inverse @ (back @ g)) - (back @ g) @ _adjoint(out)
        if a.shape[0] < a.shape[1] or _rank(a, self.rcond) < a.shape[1]:
            gradient = gradient + (back @ out) @ _adjoint(g - inverse @ (a @ g))
        return gradient

    def local_b(self, g: Any, a: Any) -> Any:
        return _adjoint(pinv(a, rtol=self.rcond)) @ g

    def infer(self, *specs: Spec) -> Spec:
        a, b = specs
        if len(a.shape) != 2 or len(b.shape) not in (1, 2) or a.shape[0] != b.shape[0]:
            raise ShapeError(f"lstsq takes a matrix and as many rows on the right; got {a.shape} and {b.shape}")
        return Spec((a.shape[1], *b.shape[1:]), _inexact(a.dtype, b.dtype))


def _rank(a: Any, rtol: float) -> int:
    """How many singular values of a matrix are above `rtol` times the largest."""
    xp = namespace((untracked(a),))
    values = libraries.to_numpy(xp.linalg.svdvals(untracked(a)), "the rank")
    return int(np.sum(values > rtol * values.max(initial=0.0)))


# --------------------------------------------------------------------------------------------------------- determinants


class Det(_PerMatrix):
    """The determinant"""

    name = "det"
    symbol = "det"
    story = "swaps: each entry receives the upstream gradient times its cofactor, which the other rows and columns make"
    samples = (
        sample(draw.normal(3, 3)),
        sample(draw.normal(2, 2, 2)),
        sample(draw.complexes(2, 2)),
        sample(draw.normal(1, 1)),
        sample([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]),
        sample([[1.0, 2.0], [2.0, 4.0]]),
        sample([[0.0, 0.0], [0.0, 0.0]]),
    )
    outputs = 0

    def forward(self, xp: Any, x: Any) -> Any:
        return _asked(xp, "det", x)

    def local_x(self, g: Any, x: Any) -> Any:
        return g[..., None, None] * apply(COFACTORS, x)

    def infer(self, *specs: Spec) -> Spec:
        stack, _, _ = _check("det", specs[0], square=True)
        return Spec(stack, _inexact(specs[0].dtype))


class Cofactors(_PerMatrix):
    """The matrix of cofactors: the gradient of the determinant, finite for singular matrices too

    Of a regular matrix it is det(x) times the transposed inverse. Otherwise it comes from the singular values:
    cofactors of a product are products of cofactors, and those of a diagonal matrix are products of all other entries.
    """

    name = "cofactors"
    symbol = "cof"
    story = "swaps: each entry receives the upstream gradients times determinants of what remains of the matrix"
    samples = (
        sample(draw.normal(3, 3)),
        sample(draw.complexes(2, 2)),
        sample([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]),
        sample([[1.0, 2.0], [2.0, 4.0]]),
    )

    def forward(self, xp: Any, x: Any) -> Any:
        inverse = _well_inverted(xp, x)
        if inverse is not None:
            return xp.linalg.det(x)[..., None, None] * xp.linalg.matrix_transpose(inverse)
        u, s, vh = xp.linalg.svd(x, full_matrices=False)
        turn = (xp.linalg.det(u) * xp.linalg.det(vh))[..., None, None]
        return turn * xp.conj(u) @ (_products_of_others(s, 1)[..., None] * xp.conj(vh))

    def local_x(self, g: Any, x: Any, out: Any) -> Any:
        value = untracked(x)
        if _well_inverted(namespace((value,)), value) is not None:
            turned = _transposed(apply(INV, x))
            total = gates.sum(g * out, axis=(-2, -1), keepdims=True)
            return turned * total - apply(DET, x)[..., None, None] * (turned @ _transposed(g) @ turned)
        u, s, vh = svd(x, full_matrices=False)
        products = _products_of_others(s, 2)
        inner = _adjoint(u) @ g @ _adjoint(vh)
        n = x.shape[-1]
        diagonal = gates.sum(inner * _eye(n, x), axis=-1)
        onto = (products @ diagonal[..., None]) * _eye(n, x) - products * _transposed(inner)
        turn = (apply(DET, u) * apply(DET, vh))[..., None, None]
        return turn * (gates.conj(u) @ onto @ gates.conj(vh))

    def infer(self, *specs: Spec) -> Spec:
        _check("cofactors", specs[0], square=True)
        return Spec(specs[0].shape, _inexact(specs[0].dtype))


def _well_inverted(xp: Any, x: Any) -> Any:
    """The inverses of a stack of matrices, or None where one of them loses more than a quarter of the digits."""
    try:
        inverse = xp.linalg.inv(x)
    except (np.linalg.LinAlgError, RuntimeError) as error:
        if not _is_mathematical(error):
            raise
        return None
    if not prod(inverse.shape):
        return inverse
    if libraries.is_lazy(inverse):  # nobody can know yet
        return None
    norms = [xp.max(xp.sum(abs(m), axis=-1), axis=-1) for m in (x, inverse)]
    good = norms[0] * norms[1] < _epsilon(inverse.dtype) ** -0.25
    return inverse if bool(xp.all(good)) else None


def _products_of_others(s: Any, left_out: int) -> Any:
    """Of numbers along the last axis, products of all but number i; or of all but numbers i and j, 0 where i is j."""
    n = s.shape[-1]
    keep = ~np.eye(n, dtype=bool)
    if left_out == 1:
        return gates.prod(s[..., None, :] * _pattern(keep, s) + _pattern(~keep, s), axis=-1)
    both = keep[:, None, :] & keep[None, :, :]
    products = gates.prod(s[..., None, None, :] * _pattern(both, s) + _pattern(~both, s), axis=-1)
    return products * _pattern(keep, s)


class SlogDet(_PerMatrix):
    """The determinant's sign and the logarithm of its size, packed in a last axis of 2"""

    name = "slogdet"
    symbol = "log|det|"
    story = "spreads: the input receives the upstream gradient times the transposed inverse"
    samples = (
        sample(draw.normal(3, 3)),
        sample(draw.normal(2, 2, 2)),
        sample(draw.complexes(2, 2)),
        sample(draw.normal(1, 1)),
    )
    outputs = 1
    holomorphic = False

    def forward(self, xp: Any, x: Any) -> Any:
        sign, size = _asked(xp, "slogdet", x)
        return xp.stack([sign, xp.astype(size, sign.dtype)], axis=-1)

    def local_x(self, g: Any, x: Any, out: Any) -> Any:
        weight = gates.real(g[..., 1])
        if is_complex(out.dtype):
            weight = weight + gates.imag(gates.conj(out[..., 0]) * g[..., 0]) * 1j
        singular = (untracked(out)[..., 0] == 0)[..., None, None]
        if not _possibly(singular):
            return weight[..., None, None] * _adjoint(apply(INV, x))
        inverse = apply(INV, gates.where(singular, _eye(x.shape[-1], x), x))
        infinite = apply(COFACTORS, x) / gates.where(singular, 0.0, 1.0)
        return weight[..., None, None] * gates.conj(gates.where(singular, infinite, _transposed(inverse)))

    def infer(self, *specs: Spec) -> Spec:
        stack, _, _ = _check("slogdet", specs[0], square=True)
        return Spec((*stack, 2), _inexact(specs[0].dtype))


# ------------------------------------------------------------------------------------------------------- factorisations


class Cholesky(_PerMatrix):
    """The lower triangular L of x = L @ L^H, from the lower triangle of x"""

    name = "cholesky"
    symbol = "chol"
    story = "unfolds: the lower triangle receives the upstream gradient through the factor, from both of its sides"
    samples = (sample(_POSITIVE), sample(_stacked(_POSITIVE)), sample(_HERMITIAN), sample([[2.0]]))
    holomorphic = False

    def forward(self, xp: Any, x: Any) -> Any:
        return _asked(xp, "cholesky", x)

    def local_x(self, g: Any, out: Any) -> Any:
        n = out.shape[-1]
        turned = _adjoint(out)
        inner = (turned @ g) * _pattern(np.tril(np.ones((n, n))) - np.eye(n) / 2, out)
        half = apply(SOLVE, turned, inner)
        return _from_triangle(_adjoint(apply(SOLVE, turned, _adjoint(half))))

    def infer(self, *specs: Spec) -> Spec:
        _check("cholesky", specs[0], square=True)
        return Spec(specs[0].shape, _inexact(specs[0].dtype))


@dataclass(frozen=True)
class Eigh(_PerMatrix):
    """Eigenvalues and vectors of a Hermitian matrix, from one triangle, packed: a row of values, then vectors"""

    name = "eigh"
    symbol = "eigh"
    story = "splits by direction: a value's upstream gradient moves along its vector, a vector's turns it to the others"
    samples = (
        sample(_POSITIVE, lower=True),
        sample(_stacked(_POSITIVE), lower=True),
        sample([[2.0]], lower=False),
    )
    holomorphic = False

    lower: bool

    def forward(self, xp: Any, x: Any) -> Any:
        if xp is np:
            values, vectors = _asked(np, "eigh", x, UPLO="L" if self.lower else "U")
        else:  # the standard leaves it open which triangle is read; libraries read the lower one
            values, vectors = _asked(xp, "eigh", x if self.lower else xp.conj(xp.linalg.matrix_transpose(x)))
        return xp.concat([xp.astype(values, vectors.dtype)[..., None, :], vectors], axis=-2)

    def local_x(self, g: Any, out: Any) -> Any:
        n = out.shape[-1]
        values, vectors = gates.real(out[..., 0, :]), out[..., 1:, :]
        overlap = _adjoint(vectors) @ g[..., 1:, :]
        turns = (overlap - _adjoint(overlap)) / 2 * _inverse_of_gaps(values, _largest(values), n)
        return _from_triangle(
            (vectors * gates.real(g[..., None, 0, :]) + vectors @ turns) @ _adjoint(vectors), self.lower
        )

    def infer(self, *specs: Spec) -> Spec:
        stack, n, _ = _check("eigh", specs[0], square=True)
        return Spec((*stack, n + 1, n), _inexact(specs[0].dtype))


class Eig(_PerMatrix):
    """Eigenvalues and vectors of any square matrix, complex, packed: a row of values, then vectors"""

    name = "eig"
    symbol = "eig"
    story = "splits by direction: a value's upstream gradient moves along its vector, a vector's turns it to the others"
    samples = (sample([[2.0, 1.0], [0.5, -1.0]]), sample(_stacked([[2.0, 1.0], [0.5, -1.0]])), sample([[2.0]]))
    holomorphic = False

    def forward(self, xp: Any, x: Any) -> Any:
        values, vectors = _asked(xp, "eig", x)
        packed = xp.concat([values[..., None, :], vectors], axis=-2)
        wide = {"float32": xp.complex64, "float64": xp.complex128}.get(dtype_name(packed.dtype))
        return packed if wide is None else xp.astype(packed, wide)

    def local_x(self, g: Any, out: Any) -> Any:
        n = out.shape[-1]
        values, vectors = out[..., 0, :], out[..., 1:, :]
        turned = _adjoint(vectors)
        overlap = turned @ g[..., 1:, :]
        along = gates.real(gates.sum(overlap * _eye(n, out), axis=-2))  # changes of length, which the norm of 1 undoes
        turns = (overlap - turned @ vectors * along[..., None, :]) * _inverse_of_gaps(
            gates.conj(values), _largest(values), n
        )
        inner = turns + g[..., None, 0, :] * _eye(n, out)
        return apply(SOLVE, turned, inner @ turned)

    def infer(self, *specs: Spec) -> Spec:
        stack, n, _ = _check("eig", specs[0], square=True)
        return Spec((*stack, n + 1, n), np.result_type(_inexact(specs[0].dtype), np.complex64))


class SVD(_PerMatrix):
    """Singular values and vectors, packed: the rows of U, a row of values, then the columns of Vh"""

    name = "svd"
    symbol = "svd"
    story = "splits by direction: a value's upstream gradient moves along its pair of vectors, a vector's turns it"
    samples = (
        sample(draw.normal(3, 3)),
        sample(draw.normal(4, 2)),
        sample(draw.normal(2, 3)),
        sample(draw.normal(2, 3, 2)),
    )
    holomorphic = False

    def forward(self, xp: Any, x: Any) -> Any:
        u, s, vh = _asked(xp, "svd", x, full_matrices=False)
        return xp.concat([u, xp.astype(s, u.dtype)[..., None, :], xp.linalg.matrix_transpose(vh)], axis=-2)

    def local_x(self, g: Any, out: Any, x_shape: Any) -> Any:
        rows, columns = x_shape[-2:]
        u, s, v = out[..., :rows, :], gates.real(out[..., rows, :]), gates.conj(out[..., rows + 1 :, :])
        g_u, g_s, g_v = g[..., :rows, :], gates.real(g[..., rows, :]), gates.conj(g[..., rows + 1 :, :])
        size, k, most = _largest(s), out.shape[-1], max(rows, columns)
        in_u, in_v = _adjoint(u) @ g_u, _adjoint(v) @ g_v
        skew_u, skew_v = in_u - _adjoint(in_u), in_v - _adjoint(in_v)
        # Pairs turn together, which divides by the distance of their values, and against each other: by the sum.
        sums = s[..., None, :] + s[..., :, None]
        inner = (skew_u + skew_v) / 2 * _inverse_of_gaps(s, size, most)
        inner = inner + (skew_u - skew_v) / 2 * _safe_inverse(sums, size[..., None, None], most)
        inner = inner + g_s[..., None, :] * _eye(k, out)
        over_s = _safe_inverse(s, size[..., None], most)[..., None, :]
        left = u @ inner
        if rows > k:
            left = left + (g_u - u @ in_u) * over_s
        gradient = left @ _adjoint(v)
        if columns > k:
            gradient = gradient + (u * over_s) @ _adjoint(g_v - v @ in_v)
        return gradient

    def infer(self, *specs: Spec) -> Spec:
        stack, rows, columns = _check("svd", specs[0])
        return Spec((*stack, rows + columns + 1, min(rows, columns)), _inexact(specs[0].dtype))


class QR(_PerMatrix):
    """Orthonormal columns Q and upper triangular R with x = Q @ R, of a tall matrix, packed: Q, then R transposed"""

    name = "qr"
    symbol = "qr"
    story = "straightens: the input receives Q's upstream gradient as far as Q may turn, and R's seen from Q"
    samples = (sample(draw.normal(3, 3)), sample(draw.normal(4, 2)), sample(draw.normal(2, 3, 2)))
    holomorphic = False

    def forward(self, xp: Any, x: Any) -> Any:
        q, r = _asked(xp, "qr", x)
        return xp.concat([q, xp.linalg.matrix_transpose(r)], axis=-2)

    def local_x(self, g: Any, out: Any, x_shape: Any) -> Any:
        rows, n = x_shape[-2:]
        q, r = out[..., :rows, :], _transposed(out[..., rows:, :])
        g_q, g_r = g[..., :rows, :], _transposed(g[..., rows:, :])
        upper = (g_r @ _adjoint(r) - _adjoint(q) @ g_q) * _pattern(np.triu(np.ones((n, n))) - np.eye(n) / 2, out)
        return _adjoint(apply(SOLVE, r, _adjoint(g_q + q @ (upper + _adjoint(upper)))))

    def infer(self, *specs: Spec) -> Spec:
        stack, rows, columns = _check("qr", specs[0])
        if rows < columns:
            raise ShapeError(f"the gate qr takes at least as many rows as columns; got shape {specs[0].shape}")
        return Spec((*stack, rows + columns, columns), _inexact(specs[0].dtype))


SOLVE = Solve()
INV = Inv()
DET = Det()
COFACTORS = Cofactors()
SLOGDET = SlogDet()
CHOLESKY = Cholesky()
EIG = Eig()
SVD_GATE = SVD()
QR_GATE = QR()


# ------------------------------------------------------------------------------------------------------- the functions


@implements(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    """The x with a @ x = b; a one-dimensional `b` is one right-hand side, any other a stack of matrices of columns.

    Raises:
        LinearAlgebraError: A matrix is singular.

    Example:
        >>> import gatewise as gw
        >>> gw.solve([[2.0, 0.0], [0.0, 4.0]], [2.0, 2.0]).tolist()
        [1.0, 0.5]
    """
    return apply(SOLVE, arrayed(a), arrayed(b))


@implements(np.linalg.inv)
def inv(a: Any) -> Any:
    """The inverse of each matrix.

    Raises:
        LinearAlgebraError: A matrix is singular.
    """
    return apply(INV, arrayed(a))


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = np._NoValue) -> Any:
    """The pseudo-inverse of each matrix; singular values up to `rtol` (or `rcond`) times the largest count as zero.

    The tolerance is one number, or an array with a number for each matrix, without gradient.
    """
    a = arrayed(a)
    if hermitian:
        refuse("pinv", {"hermitian": hermitian})
    if rcond is None:
        if rtol is np._NoValue:
            rcond = 1e-15
        else:
            rcond = max(a.shape[-2:]) * _epsilon(_inexact(a.dtype)) if rtol is None else rtol
    return apply(PInv(_nested(np.asarray(untracked(rcond), float).tolist())), a)


def _nested(numbers: Any) -> Any:
    """Nested lists as nested tuples, which can stand in a gate."""
    return tuple(map(_nested, numbers)) if isinstance(numbers, list) else numbers


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """The x of least norm that brings a @ x closest to b: solution, sums of squared residuals, rank, singular values.

    Example:
        >>> import gatewise as gw
        >>> gw.lstsq([[1.0], [1.0]], [1.0, 3.0])[0].round(9).tolist()
        [2.0]
    """
    a, b = arrayed(a), arrayed(b)
    if rcond is None:
        rcond = max(a.shape, default=1) * _epsilon(_inexact(a.dtype, b.dtype))
    solution = apply(LeastSquares(float(rcond)), a, b)
    values = svdvals(a)
    value = libraries.to_numpy(untracked(values), "the rank")
    rank = int(np.sum(value > rcond * value.max(initial=0.0)))
    off = b - a @ solution
    squares = gates.sum(gates.real(off * gates.conj(off)), axis=0)
    columns = squares if len(b.shape) == 2 else gates.reshape(squares, (1,))
    residuals = columns if rank == a.shape[1] < a.shape[0] else columns[:0]
    return solution, residuals, rank, values


@implements(np.linalg.matrix_rank)
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """The rank of each matrix: a whole number, so it carries no gradient."""
    return np.linalg.matrix_rank(untracked(arrayed(A)), tol, hermitian, rtol=rtol)


@implements(np.linalg.det)
def det(a: Any) -> Any:
    """The determinant of each matrix; its gradient is finite for singular matrices too.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> gw.grad(gw.det)(np.array([[1.0, 2.0], [2.0, 4.0]])).round(9).tolist()
        [[4.0, -2.0], [-2.0, 1.0]]
    """
    return apply(DET, arrayed(a))


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """The determinant of each matrix as its sign (or phase) and the logarithm of its size."""
    packed = apply(SLOGDET, arrayed(a))
    return SlogdetResult(packed[..., 0], gates.real(packed[..., 1]))


@implements(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """The lower triangular L with a = L @ L^H; `upper`: its conjugate transpose, from the upper triangle of `a`.

    The triangle of `a` that is read receives the gradient, the other zeros.

    Raises:
        LinearAlgebraError: A matrix is not positive definite.

    Example:
        >>> import gatewise as gw
        >>> gw.cholesky([[4.0, 0.0], [2.0, 2.0]]).tolist()
        [[2.0, 0.0], [1.0, 1.0]]
    """
    a = arrayed(a)
    if upper and len(a.shape) > 1:
        return _adjoint(apply(CHOLESKY, _adjoint(a)))
    return apply(CHOLESKY, a)


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    """Eigenvalues (ascending) and vectors (columns) of each Hermitian matrix, from its lower or upper triangle.

    The triangle that is read receives the gradient, the other zeros. Vectors whose values coincide have no gradient
    towards each other.

    Raises:
        LinearAlgebraError: The factorisation does not converge.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> gw.grad(lambda a: np.sum(np.linalg.eigh(a)[0] ** 2))(np.eye(2)).tolist()
        [[2.0, 0.0], [0.0, 2.0]]
    """
    a = arrayed(a)
    if UPLO.upper() not in ("L", "U"):
        raise UnsupportedError(f"eigh: UPLO is 'L' or 'U'; got {UPLO!r}")
    packed = apply(Eigh(UPLO.upper() == "L"), a)
    return EighResult(gates.real(packed[..., 0, :]), packed[..., 1:, :])


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """Eigenvalues (ascending) of each Hermitian matrix."""
    return eigh(a, UPLO).eigenvalues


@implements(np.linalg.eig)
def eig(a: Any) -> Any:
    """Eigenvalues and vectors (columns of norm 1) of each square matrix; complex unless all values are real.

    Raises:
        LinearAlgebraError: The factorisation does not converge.
    """
    a = arrayed(a)
    packed = apply(EIG, a)
    values, vectors = packed[..., 0, :], packed[..., 1:, :]
    if not is_complex(a.dtype) and not libraries.to_numpy(untracked(values), "whether the values are real").imag.any():
        values, vectors = gates.real(values), gates.real(vectors)
    return EigResult(values, vectors)


@implements(np.linalg.eigvals)
def eigvals(a: Any) -> Any:
    """Eigenvalues of each square matrix; complex unless all are real."""
    return eig(a).eigenvalues


@implements(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """Singular vectors and values of each matrix: a = U @ diag(S) @ Vh.

    With `full_matrices`, U and Vh are square. The vectors that this adds are determined only up to turns among
    themselves; their gradient is the one of least norm.

    Raises:
        LinearAlgebraError: The factorisation does not converge.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> gw.grad(lambda a: np.linalg.svd(a)[1][0])(np.diag([3.0, 2.0])).round(9).tolist()
        [[1.0, 0.0], [0.0, 0.0]]
    """
    if hermitian:
        refuse("svd", {"hermitian": hermitian})
    a = arrayed(a)
    packed = apply(SVD_GATE, a)
    rows, columns = a.shape[-2:]
    u, s, vh = packed[..., :rows, :], gates.real(packed[..., rows, :]), _transposed(packed[..., rows + 1 :, :])
    if not compute_uv:
        return s
    if full_matrices and rows != columns:
        full = namespace((untracked(a),)).linalg.svd(untracked(a), full_matrices=True)
        if rows > columns:
            u = _completed(u, full[0])
        else:
            vh = _adjoint(_completed(_adjoint(vh), _adjoint(full[2])))
    return SVDResult(u, s, vh)


@implements(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    """Singular values of each matrix, the largest first."""
    return svd(x, compute_uv=False)


def _completed(columns: Any, full: Any) -> Any:
    """Orthonormal `columns` and after them those of `full`, constants, kept orthogonal to them as they move.

    What the columns move into is taken away, and one step of Newton and Schulz makes the rest orthonormal again, so the
    value is that of `full` and derivatives up to the third order are right.
    """
    k = columns.shape[-1]
    rest = full[..., k:]
    rest = rest - columns @ (_adjoint(columns) @ rest)
    rest = 1.5 * rest - 0.5 * (rest @ (_adjoint(rest) @ rest))
    return gates.concat([columns, rest], axis=-1)


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """Orthonormal columns Q and upper triangular R of each matrix: a = Q @ R.

    `mode` is "reduced", "complete" (Q is square) or "r" (R alone).

    Raises:
        LinearAlgebraError: A gradient is asked for and the first columns of a matrix depend on each other.
    """
    if mode not in ("reduced", "complete", "r"):
        refuse("qr", {"mode": mode})
    a = arrayed(a)
    _check("qr", Spec.of(untracked(a)))
    rows, columns = a.shape[-2:]
    k = min(rows, columns)
    packed = apply(QR_GATE, a if k == columns else a[..., :k])
    q, r = packed[..., :rows, :], _transposed(packed[..., rows:, :])
    if k < columns:
        r = gates.concat([r, _adjoint(q) @ a[..., k:]], axis=-1)
    if mode == "r":
        return r
    if mode == "complete" and k < rows:
        xp = namespace((untracked(a),))
        q = _completed(q, xp.linalg.qr(untracked(a), mode="complete")[0])
        r = gates.concat([r, libraries.zeros(xp, (*a.shape[:-2], rows - k, columns), untracked(r))], axis=-2)
    return QRResult(q, r)


#: Coefficients of the Padé approximant of order 13, and the norm up to which it is exact in double precision.
_PADE = (
    64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0,
    10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0,
)  # fmt: skip
_PADE_REACH = 5.371920351148152


def expm(a: Any) -> Any:
    """The matrix exponential of each square matrix, by scaling and squaring.

    Source: N. Higham, "The scaling and squaring method for the matrix exponential revisited", 2005.

    Example:
        >>> import gatewise as gw
        >>> gw.expm([[0.0, 1.0], [0.0, 0.0]]).round(9).tolist()
        [[1.0, 1.0], [0.0, 1.0]]
    """
    a = arrayed(a)
    _check("expm", Spec.of(untracked(a)), square=True)
    if not dtype_name(a.dtype).startswith(("float", "complex")):
        a = gates.astype(a, "float64")
    value = untracked(a)
    xp = namespace((value,))
    norm = xp.max(xp.sum(abs(value), axis=-2)) if prod(a.shape) else np.float64(0)
    large = bool((norm > _PADE_REACH) & (norm < np.inf))
    squarings = ceil(log2(float(norm) / _PADE_REACH)) if large else 0
    a = a * 0.5**squarings
    one, b = _eye(a.shape[-1], a), _PADE
    a2 = a @ a
    a4 = a2 @ a2
    a6 = a2 @ a4
    odd = a6 @ (b[13] * a6 + b[11] * a4 + b[9] * a2) + b[7] * a6 + b[5] * a4 + b[3] * a2 + b[1] * one
    even = a6 @ (b[12] * a6 + b[10] * a4 + b[8] * a2) + b[6] * a6 + b[4] * a4 + b[2] * a2 + b[0] * one
    odd = a @ odd
    result = solve(even - odd, even + odd)
    for _ in range(squarings):
        result = result @ result
    return result


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    """The inverse under ``tensordot`` over the first `ind` axes."""
    a = arrayed(a)
    if ind <= 0:
        raise ShapeError(f"tensorinv: ind is the number of first axes, at least 1; got {ind}")
    first, last = tuple(a.shape[:ind]), tuple(a.shape[ind:])
    return gates.reshape(inv(gates.reshape(a, (prod(first), prod(last)))), (*last, *first))


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """The x whose ``tensordot`` with `a` over all of x's axes is b; `axes` of `a` are moved to its end first."""
    a, b = arrayed(a), arrayed(b)
    if axes is not None:
        ndim = len(a.shape)
        moved = [normalize_axis(axis, ndim, "tensorsolve") for axis in axes]
        a = gates.permute_dims(a, [i for i in range(ndim) if i not in moved] + moved)
    last = tuple(a.shape[len(b.shape) :])
    return gates.reshape(solve(gates.reshape(a, (-1, prod(last))), gates.reshape(b, (-1,))), last)
