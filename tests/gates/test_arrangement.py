"""Functions that arrange entries: values and shapes against NumPy, gradients against differences."""

from __future__ import annotations

import numpy as np
import pytest

import gatewise as gw

RNG = np.random.default_rng(2)


def normal(*shape):
    return RNG.standard_normal(shape)


def check(f, *args, order=2):
    report = gw.check_grads(f, args, order=order)
    assert report.passed, report


def same(found, expected):
    """Equal values, shapes and dtypes, of one array or of several."""
    if isinstance(expected, tuple | list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other)
        return
    np.testing.assert_array_equal(found, expected)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype


def verify(f, *args, kind=None):
    """f on traced arrays gives what it gives on plain ones, and its gradient is that of a moving of entries."""
    expected = f(*args)
    out, _ = gw.vjp(f, *args)
    same(out, expected)
    if kind is not None:
        assert type(out) is kind
    flat = lambda *xs: [part for part in (f(*xs),) for part in (part if isinstance(part, tuple | list) else [part])]  # noqa: E731

    def loss(*xs):
        return sum(np.sum(np.sin((number + 1) * part)) for number, part in enumerate(flat(*xs)))

    if any(np.size(part) for part in flat(*args)) and all(np.size(arg) for arg in args):
        check(loss, *args)
    small = [np.asarray(arg).astype("float32") for arg in args]
    same(gw.vjp(f, *small)[0], f(*small))


MATRIX = {
    "roll": lambda x: np.roll(x, 2), "roll axis": lambda x: np.roll(x, -1, axis=1),
    "roll axes": lambda x: np.roll(x, (1, -5), axis=(0, -1)), "roll one shift": lambda x: np.roll(x, 2, axis=(0, 1)),
    "roll axis twice": lambda x: np.roll(x, (1, 1), axis=(1, 1)), "roll shifts in a row": lambda x: np.roll(x, (1, 2)),
    "rollaxis": lambda x: np.rollaxis(x, 1), "rollaxis back": lambda x: np.rollaxis(x, 0, 2),
    "rot90": np.rot90, "rot90 2": lambda x: np.rot90(x, 2), "rot90 3": lambda x: np.rot90(x, -1, axes=(1, 0)),
    "rot90 0": lambda x: np.rot90(x, k=4),
    "fliplr": np.fliplr, "flipud": np.flipud,
    "repeat": lambda x: np.repeat(x, 2), "repeat axis": lambda x: np.repeat(x, 3, axis=1),
    "repeat each": lambda x: np.repeat(x, [1, 0, 2], axis=0),
    "repeat last": lambda x: np.repeat(x, [2, 1, 0, 3], axis=-1),
    "repeat never": lambda x: np.repeat(x, 0, axis=0), "repeat list of one": lambda x: np.repeat(x, [2], axis=0),
    "tile": lambda x: np.tile(x, 2), "tile both": lambda x: np.tile(x, (2, 3)),
    "tile new": lambda x: np.tile(x, (2, 1, 3)),
    "tile none": lambda x: np.tile(x, (0, 1)),
    "resize": lambda x: np.resize(x, (5, 4)), "resize less": lambda x: np.resize(x, 3),
    "array_split": lambda x: np.array_split(x, 3, axis=1), "array_split many": lambda x: np.array_split(x, 5),
    "split": lambda x: np.split(x, 2, axis=1), "split at": lambda x: np.split(x, [1, 1, 2]),
    "split beyond": lambda x: np.split(x, [2, 9], axis=-1), "hsplit": lambda x: np.hsplit(x, 2),
    "vsplit": lambda x: np.vsplit(x, 3), "unstack": np.unstack, "unstack axis": lambda x: np.unstack(x, axis=1),
    "column_stack": lambda x: np.column_stack((x[:, 0], x)), "dstack": lambda x: np.dstack([x, 2 * x]),
    "atleast_1d": np.atleast_1d, "atleast_2d": np.atleast_2d, "atleast_3d": np.atleast_3d,
    "atleast of two": lambda x: np.atleast_2d(x, x[0]),
    "diag": np.diag, "diag 1": lambda x: np.diag(x, 1), "diag -2": lambda x: np.diag(x, k=-2),
    "diagflat": lambda x: np.diagflat(x[:2, :2], 1),
    "tril": np.tril, "tril 1": lambda x: np.tril(x, 1), "triu": np.triu, "triu -1": lambda x: np.triu(x, k=-1),
    "append": lambda x: np.append(x, x[:1]), "append axis": lambda x: np.append(x, x[:1], axis=0),
    "append numbers": lambda x: np.append(x, [1.5, 2.5]),
    "insert": lambda x: np.insert(x, 1, 7.0), "insert row": lambda x: np.insert(x, 1, 2 * x[0], axis=0),
    "insert column": lambda x: np.insert(x, 2, x[:, 0], axis=1),
    "insert two": lambda x: np.insert(x, [0, 3], 5.0, axis=1),
    "insert rows": lambda x: np.insert(x, [1, 1], x[:2], axis=0),
    "insert slice": lambda x: np.insert(x, slice(0, 2), 1.0, axis=0),
    "insert last": lambda x: np.insert(x, -1, x[:, 1], axis=-1),
    "insert two at one": lambda x: np.insert(x, 1, 2 * x[:2], axis=0),
    "delete": lambda x: np.delete(x, 3), "delete row": lambda x: np.delete(x, -1, axis=0),
    "delete several": lambda x: np.delete(x, [0, 2], axis=1),
    "delete slice": lambda x: np.delete(x, slice(None, None, 2), axis=1),
    "delete mask": lambda x: np.delete(x, [True, False, True], axis=0),
    "apply to numbers": lambda x: np.apply_along_axis(lambda line: np.sum(line * line), 0, x),
    "apply to lines": lambda x: np.apply_along_axis(np.roll, 1, x, 1),
    "apply to matrices": lambda x: np.apply_along_axis(np.diag, 0, x),
    "broadcast_arrays": lambda x: np.broadcast_arrays(x, x[0], 1.0 * x[:, :1]),
}  # fmt: skip


@pytest.mark.parametrize("f", MATRIX.values(), ids=MATRIX)
def test_functions_of_a_matrix(f):
    verify(f, normal(3, 4))


@pytest.mark.parametrize("f", [np.rot90, np.tril, np.fliplr, np.atleast_3d, np.unstack, lambda x: np.dsplit(x, 2)])
def test_functions_of_more_axes(f):
    verify(f, normal(2, 3, 4))


@pytest.mark.parametrize(
    "f", [np.diag, lambda x: np.diag(x, 2), lambda x: np.diag(x, -1), np.tril, np.triu, np.diagflat, np.atleast_2d,
          np.atleast_3d, lambda x: np.hsplit(x, [1]), lambda x: np.tile(x, (2, 2)), np.flipud,
          lambda x: np.dstack((x, x)),
          lambda x: np.append(x, 2.0), lambda x: np.insert(x, [2, 0], np.stack([x[0], 3.0])), lambda x: np.roll(x, 7)]
)  # fmt: skip
def test_functions_of_a_vector(f):
    verify(f, normal(3))


@pytest.mark.parametrize(
    "f", [np.atleast_1d, np.atleast_2d, np.atleast_3d, lambda x: np.repeat(x, 3), lambda x: np.tile(x, (2, 2)),
          lambda x: np.resize(x, (2, 2)), np.diagflat, lambda x: np.append(x, 1.0), lambda x: np.roll(x, 1)]
)  # fmt: skip
def test_functions_of_a_number(f):
    verify(f, np.float64(1.3))


@pytest.mark.parametrize(
    "f", [np.tril, lambda x: np.roll(x, 1), lambda x: np.repeat(x, 2, axis=1), lambda x: np.tile(x, 2), np.fliplr,
          lambda x: np.resize(x, (2, 2)), lambda x: np.array_split(x, 2), lambda x: np.diag(x[:, 0])]
)  # fmt: skip
def test_functions_of_nothing(f):
    verify(f, np.zeros((0, 3)))


@pytest.mark.parametrize(
    "options", [{}, {"indexing": "ij"}, {"sparse": True}, {"sparse": True, "indexing": "ij"}], ids=str
)
def test_meshgrid(options):
    verify(lambda x, y: np.meshgrid(x, y, **options), normal(2), normal(3), kind=tuple)
    verify(lambda x, y, z: np.meshgrid(x, y, z, **options), normal(2), normal(3), normal(2), kind=tuple)
    verify(lambda x: np.meshgrid(x, **options), normal(2), kind=tuple)


def test_block():
    verify(lambda x, y: np.block([[x, 2 * x], [y, np.ones((1, 2))]]), normal(2, 2), normal(1, 2))
    verify(lambda x, y: np.block([x, y, 3.0]), normal(2), normal(1))
    verify(lambda x: np.block(x), normal(2))
    verify(lambda x: np.block([[[x]], [[x]]]), normal(2, 2, 2))
    with pytest.raises(gw.ShapeError, match="nested equally deep"):
        gw.block([[1.0], 2.0])


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1)])
@pytest.mark.parametrize("trim", ["fb", "f", "b"])
def test_trim_zeros_of_a_matrix(trim, axis):
    x = np.pad(normal(2, 3), [(1, 2), (2, 1)])
    f = lambda x: np.trim_zeros(x, trim, axis=axis)  # noqa: E731
    same(gw.vjp(f, x)[0], f(x))
    same(gw.vjp(f, 0 * x)[0], f(0 * x))


def test_trim_zeros_of_a_vector():
    x = np.array([0.0, 0.0, 1.5, 0.0, 2.0, 0.0])
    np.testing.assert_array_equal(gw.grad(lambda x: np.sum(np.trim_zeros(x) ** 2))(x), 2 * x)
    with pytest.raises(gw.UnsupportedError, match="made of 'f' and 'b'"):
        gw.trim_zeros(x, "x")


@pytest.mark.parametrize("mode", ["edge", "reflect", "symmetric", "wrap"])
@pytest.mark.parametrize("widths", [1, (0, 2), ((1, 2), (3, 0)), ((0, 0), (2, 9)), 7, 0], ids=str)
def test_pad_by_copies(mode, widths):
    verify(lambda x: np.pad(x, widths, mode), normal(3, 4))
    verify(lambda x: np.pad(x, widths, mode=mode), normal(1, 4))


def test_pad_refuses_what_it_does_not_do():
    for options in ({"mode": "mean", "end_values": 1}, {"mode": "edge", "stat_length": 1}):
        with pytest.raises(gw.UnsupportedError):
            gw.grad(lambda x, options=options: np.sum(np.pad(x, 1, **options)))(np.ones(3))
    with pytest.raises(gw.ShapeError, match="axis 0"):
        gw.grad(lambda x: np.sum(np.pad(x, 1, "edge")))(np.ones(0))


# ----------------------------------------------------------------------------------------------------- polynomials

POLYNOMIALS = {
    "polyval": lambda p, x: np.polyval(p, x),
    "polyval of a matrix": lambda p, x: np.polyval(p, x[:, None] * x),
    "polyadd": np.polyadd,
    "polysub": np.polysub,
    "polymul": np.polymul,
    "polymul with zeros": lambda p, x: np.polymul(np.append(0.0 * p[:1], p), x),
    "polyder": lambda p, x: np.polyder(p),
    "polyder 2": lambda p, x: np.polyder(p, 2),
    "polyder 9": lambda p, x: np.polyder(p, m=9),
    "polyint": lambda p, x: np.polyint(p),
    "polyint with constants": lambda p, x: np.polyint(p, 2, k=[1.5, -2.0]),
    "vander": lambda p, x: np.vander(x),
    "vander increasing": lambda p, x: np.vander(x, 5, increasing=True),
    "vander 0": lambda p, x: np.vander(x, 0),
}  # fmt: skip


@pytest.mark.parametrize("f", POLYNOMIALS.values(), ids=POLYNOMIALS)
@pytest.mark.parametrize("degree", [1, 3])
def test_polynomials(f, degree):
    p, x = normal(degree + 1), normal(3)
    out, _ = gw.vjp(f, p, x)
    expected = f(p, x)
    np.testing.assert_allclose(out, expected, rtol=1e-13, atol=1e-14)
    assert (out.shape, out.dtype) == (expected.shape, expected.dtype)
    check(lambda p, x: np.sum(np.sin(f(p, x))), p, x)


def test_constants_of_integration_receive_gradients():
    f = lambda p, k: np.sum(np.polyval(gw.polyint(p, 1, k), 2.0))  # noqa: E731
    np.testing.assert_array_equal(gw.grad(f, argnums=(0, 1))(np.array([3.0, 1.0]), 5.0)[1], 1.0)


def test_powers_at_zero():
    found = gw.jacobian(lambda x: np.vander(x, 3)[0])(np.array([0.0]))
    np.testing.assert_array_equal(found[:, 0], [0.0, 1.0, 0.0])


# ------------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: np.split(x, 2), "do not divide into 2 equal parts"),
        (lambda x: np.array_split(x, 0), "number of sections"),
        (lambda x: np.repeat(x, [1, 2], axis=0), "numbers of repeats"),
        (lambda x: np.repeat(x, -1), "-1 times"),
        (lambda x: np.rot90(x, 1, (0, 0)), "must differ"),
        (lambda x: np.rollaxis(x, 0, 5), "out of range"),
        (lambda x: np.diag(np.stack([x, x])), "vectors and matrices"),
        (lambda x: np.vander(x), "for vectors"),
        (lambda x: np.fliplr(x[0]), "at least 2 axes"),
        (lambda x: np.dsplit(x, 2), "at least 3 axes"),
        (lambda x: np.roll(x, 1, axis=2), "out of range"),
    ],
)
def test_shapes_that_do_not_fit(f, message):
    with pytest.raises(gw.ShapeError, match=message):
        gw.vjp(f, normal(3, 4))


def test_repeats_are_integers_and_meshgrid_knows_two_orders():
    with pytest.raises(gw.DTypeError, match="integers"):
        gw.repeat([1.0], 1.5)
    with pytest.raises(gw.UnsupportedError, match="'xy' or 'ij'"):
        gw.meshgrid([1.0], indexing="yx")


@pytest.mark.parametrize(
    "make", [lambda x: np.eye(3, like=x), lambda x: np.tri(2, 3, like=x), lambda x: np.identity(2, like=x)]
)
def test_arrays_made_like_a_traced_one_are_constants(make):
    seen = []
    gw.vjp(lambda x: (seen.append(make(x)), x)[1], normal(2))
    np.testing.assert_array_equal(seen[0], make(normal(2)))
