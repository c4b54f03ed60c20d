"""What holds for arrays of every library beside the numbers: kinds, devices, dtypes, transforms, errors, pictures."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import gatewise as gw
from gatewise.errors import DTypeError, LinearAlgebraError, ShapeError, TracedValueError, UnsupportedError

X = np.array([1.0, 2.0, 3.0])
W = np.array([[1.0, 2.0, 0.0], [0.5, 1.0, 1.0]])


def written(x):
    x[0] = x[1] * 2
    x[[0, 2]] = 5 * x[1:]
    x[::-2] = x[:2] * x[0]
    x *= x
    return gw.sum(x)


#: Functions of X, each with a derivative that NumPy's arrays give too.
TRANSFORMS = {
    "grad": lambda x, w: gw.grad(lambda x: gw.sum(gw.exp(w @ x)))(x),
    "grad of NumPy's functions": lambda x, w: gw.grad(lambda x: np.sum(np.exp(w @ x), axis=0))(x),
    "grad through assignment": lambda x, w: gw.grad(written)(x),
    "jacobian": lambda x, w: gw.jacobian(lambda x: w @ x * gw.sum(x))(x),
    "jacobian of nothing": lambda x, w: gw.jacobian(lambda x: x[:0])(x),
    "hessian": lambda x, w: gw.hessian(lambda x: gw.sum(gw.exp(x)) * x[0])(x),
    "hvp": lambda x, w: gw.hvp(lambda x: gw.sum(x**3), x, x),
    "vjp": lambda x, w: gw.vjp(lambda x: w @ x, x)[1](w @ x)[0],
    "jvp": lambda x, w: gw.jvp(lambda x: gw.softmax(w @ x), (x,), (x * x,))[1],
    "jvp of a constant": lambda x, w: gw.jvp(lambda x: gw.floor(x), (x,), (x,))[1],
    "jvp that meets 0/0": lambda x, w: gw.jvp(lambda x: gw.where(x > 1, gw.log(x - 1), 0.0), (x,), (x,))[1],
    "vmap": lambda x, w: gw.vmap(gw.grad(lambda r: gw.sum(r * r * x)))(w),
    "vmap along the last axis": lambda x, w: gw.vmap(gw.sum, in_axes=1)(w),
    "grad of vmap": lambda x, w: gw.grad(lambda w: gw.sum(gw.vmap(lambda r: gw.exp(r)[0], out_axes=0)(w)))(w),
    "checkpoint": lambda x, w: gw.grad(gw.checkpoint(lambda x: gw.sum(gw.exp(x))))(x),
    "a strong zero": lambda x, w: gw.grad(lambda x: gw.sum(gw.where(x > 1, gw.log(x - 1), 0.0)))(x),
    "stop_gradient": lambda x, w: gw.grad(lambda x: gw.sum(x * gw.stop_gradient(x)))(x),
    "argmax": lambda x, w: gw.grad(lambda x: x[gw.argmax(x)] ** 2)(x),
    "nested arguments": lambda x, w: gw.grad(lambda p: gw.sum(p["w"] @ p["x"][0]))({"w": w, "x": [x]})["w"],
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms_equal_numpys(framework, name):
    f = TRANSFORMS[name]
    with np.errstate(all="ignore"):
        wanted = f(X, W)
    found = framework.numpy(f(framework.array(X), framework.array(W)))
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_arguments_are_left_as_they_were(framework):
    x = framework.array(X)
    gw.grad(written)(x)
    assert framework.numpy(x).tolist() == X.tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_variable_and_its_gradient_stay_in_the_library(library, dtype):
    x = library.array(X.astype(dtype))
    v = gw.variable(x, name="v")
    gw.sum(gw.exp(v) * v * 2.0).backward()
    assert v.grad.dtype == x.dtype
    expected = 2 * np.exp(X) * (X + 1)
    np.testing.assert_allclose(library.numpy(v.grad), expected, rtol=1e-5 if dtype == "float32" else 1e-12)


def test_a_variable_is_a_copy(torch):
    x = torch.tensor(X)
    v = gw.variable(x)
    x[0] = 100.0
    assert v.value.tolist() == [1.0, 2.0, 3.0]
    assert "Array([1., 2., 3.]" in repr(v)


def test_python_scalars_keep_the_dtype(library):
    x = library.array(X.astype("float32"))
    gradient = gw.grad(lambda x: gw.sum((2 * x + 1.5) ** 2 / 3))(x)
    assert library.numpy(gradient).dtype == np.float32
    np.testing.assert_allclose(library.numpy(gradient), 4 * (2 * X + 1.5) / 3, rtol=1e-6)


def test_dtypes_promote_as_the_library_promotes_them(library):
    narrow, wide = library.array(X.astype("float32")), library.array(X)
    value, gradient = gw.value_and_grad(lambda x: gw.sum(x * wide))(narrow)
    assert library.numpy(value).dtype == np.float64
    assert library.numpy(gradient).dtype == np.float32


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_short_floats(torch, name):
    x = torch.tensor(X).to(getattr(torch, name))
    gradient = gw.grad(lambda x: gw.sum(gw.exp(x)))(x)
    assert gradient.dtype == x.dtype
    np.testing.assert_allclose(gradient.float(), np.exp(X), rtol=1e-2)


def test_torchs_own_functions_of_single_entries_work(torch):
    x = torch.tensor(X)
    assert gw.grad(lambda x: gw.sum(torch.exp(x) + torch.maximum(x, 2 * x)))(x).tolist() == pytest.approx(np.exp(X) + 2)


def test_torchs_other_functions_are_refused_with_a_way_out(torch):
    with pytest.raises(UnsupportedError, match=r"torch\.softmax does not take traced values: use gw\.softmax"):
        gw.grad(lambda x: gw.sum(torch.softmax(x, dim=0)))(torch.tensor(X))


@pytest.mark.parametrize("use", [gw.grad(gw.sum), gw.variable, lambda x: gw.trace(gw.sum, x),
                                 lambda x: gw.grad(lambda y: gw.sum(x * y))(x.detach()),
                                 lambda x: gw.vjp(gw.exp, x.detach())[1](x)])  # fmt: skip
def test_tensors_for_which_torch_records_a_graph_are_refused(torch, use):
    x = torch.tensor(X).requires_grad_()
    with pytest.raises(DTypeError, match=r"requires_grad=True.*pass x\.detach\(\)"):
        use(x)


@pytest.mark.parametrize("mixed", [lambda x: x * X, lambda x: X * x, lambda x: x @ X, lambda x: gw.maximum(x, X),
                                   lambda x: x > X, lambda x: gw.where(X > 1, x, 0.0)])  # fmt: skip
def test_numpy_constants_beside_tensors_are_refused(torch, mixed):
    with pytest.raises(DTypeError, match=r"(PyTorch.* NumPy|NumPy.* PyTorch).*convert one of them") as caught:
        gw.grad(lambda x: gw.sum(mixed(x)))(torch.tensor(X))
    assert "test_frameworks.py" in str(caught.value)


@pytest.mark.parametrize("start", [X, 2.0])
@pytest.mark.parametrize("mixed", [lambda x, t: x * t, lambda x, t: t * x, gw.multiply])
def test_constants_of_another_library_beside_numpys_values_are_refused(framework, start, mixed):
    t = framework.array(X)
    with pytest.raises(DTypeError, match=rf"NumPy.*{framework.title}"):
        gw.grad(lambda x: gw.sum(mixed(x, t)))(start)


def test_two_inputs_of_different_libraries_are_refused(torch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(DTypeError, match=r"PyTorch.*NumPy"):
            gw.grad(lambda x, y: gw.sum(x * y), argnums=(0, 1))(torch.tensor(X), X)


def test_jax_takes_numpys_constants_as_it_always_does(jax):
    x = jax.numpy.asarray(X)
    gradient = gw.grad(lambda x: gw.sum(x * X) + gw.sum(W @ x))(x)
    assert isinstance(gradient, jax.Array)
    np.testing.assert_allclose(gradient, X + W.sum(0))


def test_an_upstream_gradient_of_another_library_is_refused(torch):
    with pytest.raises(DTypeError, match=r"the upstream gradient.*NumPy.*PyTorch"):
        gw.vjp(gw.exp, torch.tensor(X))[1](X)


def test_integers_carry_no_gradient(framework):
    with pytest.raises(DTypeError, match="int64"):
        gw.grad(gw.sum)(framework.array(np.array([1, 2])))


def test_shapes_that_do_not_fit_are_explained(framework):
    x, w = framework.array(X), framework.array(W)
    with pytest.raises(ShapeError, match=rf"{framework.title} float64\[3\] and {framework.title} float64\[2, 3\]"):
        gw.grad(lambda x: gw.sum(x @ w))(x)
    with pytest.raises(ShapeError, match="keeps the shape" if framework.name == "torch" else "do not broadcast"):
        gw.grad(lambda x: gw.sum(x.__iadd__(w) + w[0, :2]))(x)


def test_a_singular_matrix_is_an_error_of_linear_algebra(torch):
    with pytest.raises(LinearAlgebraError, match="singular"):
        gw.grad(lambda x: gw.sum(gw.inv(x)))(torch.ones((2, 2), dtype=torch.float64))


def test_values_do_not_leave_silently(torch):
    with pytest.raises(TracedValueError, match=r"float\(x\)"):
        gw.grad(lambda x: x[0] * float(x[1]))(torch.tensor(X))


def test_check_grads(library):
    if library.name == "strict":
        pytest.skip("its operators raise on operands that they do not know, where others leave the work to these")
    w = library.array(W)
    assert gw.check_grads(lambda x: gw.softmax(w @ x) * gw.abs(x[0]), (library.array(X),))

    @gw.custom_gradient
    def wrong(x):
        return x * x, lambda g: (3 * x * g,)

    assert not gw.check_grads(lambda x: gw.sum(wrong(x)), (library.array(X),), order=1)


def test_check_grads_tells_kinks_apart(framework):
    report = gw.check_grads(lambda x: gw.sum(gw.abs(x)), (framework.array(np.array([0.0, 1.0])),), order=1)
    assert report.passed
    assert "kink at x[0]" in str(report)


def test_pictures_show_the_numbers(library):
    circuit = gw.trace(lambda x, y: (x + y) * x, *[library.array(np.float64(v)) for v in (2.0, 3.0)])
    if library.name != "strict":  # whose second device stands for one that NumPy cannot look into
        assert "10.00" in circuit.text()
        assert "7.00" in circuit.text()
    assert circuit.svg().startswith("<svg")
    assert circuit.html()


def test_show(torch, capsys):
    gw.show(lambda x: gw.sum(gw.exp(x)), torch.tensor(X))
    assert "exp" in capsys.readouterr().out


# ---------------------------------------------------------------------------------------------------------------- Dask


def test_dask_stays_lazy(dask):
    x, w = (dask.array(value).rechunk(1) for value in (X, W))
    value, gradient = gw.value_and_grad(lambda x: gw.sum(gw.tanh(w @ x) ** 2))(x)
    assert type(value).__module__.startswith("dask")
    inner = np.tanh(W @ X)
    np.testing.assert_allclose(dask.numpy(gradient), W.T @ (2 * inner * (1 - inner**2)))


def test_dask_keeps_zeros_zero(dask):
    gradient = gw.grad(lambda x: gw.sum(gw.where(x > 1, gw.log(x - 1), 0.0)))(dask.array(X))
    with np.errstate(all="ignore"):
        assert dask.numpy(gradient).tolist() == [0.0, 1.0, 0.5]


def test_dask_reads_at_numpys_indices(dask):
    gradient = gw.grad(lambda x: gw.sum(x[np.array([2, 0])] * x[1]))(dask.array(X))
    assert dask.numpy(gradient).tolist() == [2.0, 4.0, 2.0]
    with pytest.raises(UnsupportedError, match="Dask cannot add at places that repeat"):
        gw.grad(lambda x: gw.sum(x[np.array([0, 0])]))(dask.array(X))


def test_dask_says_what_needs_the_numbers(dask):
    with pytest.raises(UnsupportedError, match=r"needs the numbers themselves.*call \.compute\(\) first"):
        gw.grad(lambda x: gw.sum(x[dask.array(np.array([0, 1]))]))(dask.array(X))
    with pytest.raises(UnsupportedError, match="needs the numbers themselves"):
        gw.grad(lambda x: gw.sum(gw.sort(x)))(dask.array(X))
    with pytest.raises(UnsupportedError, match=r"dask.*has no linalg\.det"):
        gw.grad(lambda w: gw.linalg.det(w @ w.mT))(dask.array(W))
