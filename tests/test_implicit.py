"""Solutions of equations: values against the equation, gradients against differences and against known formulas."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gatewise as gw


def square_root(a):
    return gw.root(lambda x, a: x * x - a, 1.0, a)


@pytest.mark.parametrize("a", [0.25, 2.0, 9.0, 1e6])
def test_derivatives_of_a_square_root_to_third_order(a):
    first, second, third = gw.grad(square_root), gw.grad(gw.grad(square_root)), gw.grad(gw.grad(gw.grad(square_root)))
    assert square_root(a) == pytest.approx(a**0.5)
    assert first(a) == pytest.approx(0.5 * a**-0.5)
    assert second(a) == pytest.approx(-0.25 * a**-1.5)
    assert third(a) == pytest.approx(0.375 * a**-2.5)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.integers(0, 2**31))
def test_a_system_of_equations(n, seed):
    rng = np.random.default_rng(seed)
    A, b = rng.normal(size=(n, n)) + 3 * n * np.eye(n), rng.normal(size=n)

    def f(x, A, b):
        return A @ x + 0.1 * x**3 - b

    x = gw.root(f, np.zeros(n), A, b)
    np.testing.assert_allclose(f(x, A, b), 0, atol=1e-10)
    report = gw.check_grads(lambda A, b: np.sum(np.sin(gw.root(f, np.zeros(n), A, b))), (A, b), order=2)
    assert report.passed, str(report)


def test_forward_and_reverse_agree():
    def f(a):
        return gw.root(lambda x, a: np.stack([x[0] + x[1] ** 3 - a[0], x[1] - 0.3 * x[0] * a[1]]), np.ones(2), a)

    a, t, g = np.array([1.5, 0.7]), np.array([1.0, -2.0]), np.array([0.3, 0.8])
    tangent, (gradient,) = gw.jvp(f, (a,), (t,))[1], gw.vjp(f, a)[1](g)
    assert g @ tangent == pytest.approx(gradient @ t)


def test_nested_unknowns_and_arguments():
    def f(x, p):
        return {"u": np.cos(p["k"] * x["v"]), "v": 0.5 * x["u"] + p["shift"]}

    p = {"k": 1.2, "shift": np.array([0.1, 0.2])}
    x = gw.fixed_point(f, {"u": np.zeros(2), "v": np.zeros(2)}, p)
    np.testing.assert_allclose(x["u"], np.cos(1.2 * x["v"]))
    np.testing.assert_allclose(x["v"], 0.5 * x["u"] + p["shift"])
    assert gw.check_grads(lambda p: np.sum(gw.fixed_point(f, x, p)["u"]), (p,)).passed


def test_a_solver_of_your_own_and_nothing_flows_through_it():
    calls = []

    def bisection(f, start):
        calls.append(start)
        low, high = np.zeros(1), np.full(1, 10.0)
        for _ in range(80):
            middle = (low + high) / 2
            low, high = (middle, high) if f(middle)[0] < 0 else (low, middle)
        return low

    f = gw.value_and_grad(lambda a: gw.root(lambda x, a: x * x - a, 1.0, a, solver=bisection))
    value, gradient = f(2.0)
    assert (value, gradient) == pytest.approx((2**0.5, 0.5 / 2**0.5))
    assert len(calls) == 1


def test_examples_of_a_map():
    a = np.array([4.0, 9.0, 16.0])
    np.testing.assert_allclose(gw.vmap(gw.grad(square_root))(a), 0.5 * a**-0.5)


def test_the_first_guess_has_no_gradient():
    assert gw.grad(lambda guess: gw.root(lambda x, a: x * x - a, guess, 2.0))(1.0) == 0


def test_refusals():
    with pytest.raises(gw.ConvergenceError, match="largest residual"):
        gw.root(lambda x: np.where(x > 0, x + 1, x - 1), 3.0)  # jumps over zero
    with pytest.raises(gw.LinearAlgebraError, match="singular"):
        gw.root(lambda x: np.stack([x[0] - 1, x[0] - 1]), np.array([3.0, 2.0]))
    with pytest.raises(gw.ShapeError, match="1 numbers for an x of 2"):
        gw.root(lambda x: x[:1], np.zeros(2))
    with pytest.raises(gw.DTypeError, match="not among its arguments"):
        gw.grad(lambda a: gw.root(lambda x: x - a, 1.0))(2.0)
    with pytest.raises(gw.ShapeError, match="structure of x"):
        gw.fixed_point(lambda x: (x, x), 1.0)


@pytest.mark.parametrize("scale", [1e-20, 1e-6, 1.0, 1e15])
def test_the_scale_of_an_equation_does_not_matter(scale):
    f = lambda a: gw.root(lambda x, a: scale * (x * x - a), 1.0, a)  # noqa: E731
    assert f(2.0) == pytest.approx(2**0.5, rel=1e-14)
    assert gw.grad(f)(2.0) == pytest.approx(0.5 / 2**0.5, rel=1e-12)


@pytest.mark.parametrize("target", [0.0, 1e-12, 1e12])
def test_the_scale_of_a_solution_does_not_matter(target):
    found = gw.root(lambda x, a: np.tanh(x - a) + (x - a), target + 0.5, target)
    assert found == pytest.approx(target, rel=1e-14, abs=1e-15)


def test_jacobian_and_hessian_are_those_of_the_solution():
    def solution(a):  # x + exp(x) = a, so x' = 1 / (1 + exp(x))
        return gw.root(lambda x, a: x + np.exp(x) - a, np.zeros(3), a)

    a = np.array([1.0, 2.0, 3.0])
    slope = 1 / (1 + np.exp(solution(a)))
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(gw.jacobian(solution, mode=mode)(a), np.diag(slope), rtol=1e-12)
    second = -np.exp(solution(a)) * slope**3
    np.testing.assert_allclose(gw.hessian(lambda a: np.sum(solution(a)))(a), np.diag(second), rtol=1e-11)
    np.testing.assert_allclose(gw.vmap(gw.grad(lambda a: solution(a * np.ones(3))[0]))(a), slope, rtol=1e-12)


def test_an_inner_problem_of_an_outer_one():
    def inner(a):  # the y with y ** 3 + y = a
        return gw.root(lambda y, a: y**3 + y - a, 0.5, a)

    def outer(b):  # the x with inner(x) + x = b
        return gw.root(lambda x, b: inner(x) + x - b, 0.5, b)

    y = inner(outer(2.0))
    slope = 1 / (3 * y**2 + 1)
    assert gw.grad(outer)(2.0) == pytest.approx(1 / (slope + 1), rel=1e-12)


def test_a_complex_argument_gets_its_gradient():
    found = gw.grad(lambda z: gw.root(lambda x, z: x**3 - abs(z) ** 2, 1.0, z))(1 + 2j)
    x = 5 ** (1 / 3)
    assert found == pytest.approx(2 * (1 + 2j) / (3 * x**2), rel=1e-12)


def test_arguments_that_are_no_arrays_are_handed_on():
    def f(x, kind, power, a):
        assert (kind, power) == ("power", 3)
        return x**power - a

    assert gw.grad(lambda a: gw.root(f, 1.0, "power", 3, a))(8.0) == pytest.approx(1 / 12)


def test_a_solver_of_scipy():
    from scipy.optimize import root

    a = np.array([2.0, 3.0])
    solve = lambda f, x0: root(f, x0).x  # noqa: E731
    found = gw.jacobian(lambda a: gw.root(lambda x, a: x**2 - a, np.ones(2), a, solver=solve))(a)
    np.testing.assert_allclose(found, np.diag(0.5 / np.sqrt(a)), rtol=1e-7)


def test_what_a_solver_returns_is_made_sure_of():
    with pytest.raises(gw.ConvergenceError, match="residual is 1, where the given solver stopped"):
        gw.root(lambda x, a: x**2 - a, 1.0, 2.0, solver=lambda f, x0: x0)
    with pytest.raises(gw.ShapeError, match=r"returned shape \(2,\)"):
        gw.root(lambda x, a: x**2 - a, 1.0, 2.0, solver=lambda f, x0: np.ones(2))


def test_a_solution_that_does_not_move_smoothly_has_no_gradient():
    exact = lambda f, x0: np.zeros(1)  # noqa: E731
    with pytest.raises(gw.LinearAlgebraError, match="singular at the solution"):
        gw.grad(lambda a: gw.root(lambda x, a: x**2 - a, 1.0, a, solver=exact))(0.0)
