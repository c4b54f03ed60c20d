"""The gradient check: it finds wrong gradients, passes right ones, and lays aside what a kink makes worthless."""

from __future__ import annotations

import numpy as np
import pytest

import gatewise as gw
from gatewise.explain.check import Comparison

X = np.array([0.4, -1.1, 2.3])


def scaled_slope(factor):
    """sin, with `factor` times its gradient."""

    def f(x):
        rest = gw.stop_gradient(np.sin(x))
        return np.sum(factor * np.sin(x) + (1 - factor) * rest)

    return f


RIGHT = {
    "sin": lambda x: np.sum(np.sin(x)),
    "exp over sum": lambda x: np.exp(x[0]) / np.sum(np.exp(x)),
    "product": np.prod,
    "norm": lambda x: np.sqrt(np.sum(x * x)),
    "large values": lambda x: 1e6 + np.sum(np.cos(x)),
    "large slopes": lambda x: np.sum(np.exp(5 * x)),
    "linear": lambda x: x @ np.arange(3.0),
    "constant": lambda x: 7.0 + 0.0 * x[0],
    "relu away from 0": lambda x: np.sum(gw.relu(x) ** 2),
    "where": lambda x: np.sum(np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), x**3)),
    "several entries": lambda x: np.outer(x, np.sin(x)),
    "several outputs": lambda x: {"a": np.exp(x), "b": [np.sum(x * x)]},
    "in place": lambda x: gw.setitem(x, 0, x[1] * x[2]),
}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("mode", ["entries", "directions", "auto"])
@pytest.mark.parametrize("f", RIGHT.values(), ids=RIGHT)
def test_right_gradients_pass(f, mode, order):
    report = gw.check_grads(f, (X,), order, mode=mode)
    assert report, report.text()
    assert {comparison.order for comparison in report.comparisons} == set(range(1, order + 1))
    assert report.worst.verdict in ("happy", "fine")
    assert report.kinks == ()
    assert report.text().endswith("the gradient check passed")


@pytest.mark.parametrize("mode", ["entries", "directions"])
@pytest.mark.parametrize("factor", [0.0, 0.5, 1.5, -1.0])
def test_a_wrong_gradient_is_found(factor, mode):
    report = gw.check_grads(scaled_slope(factor), (X,), 1, mode=mode)
    assert not report
    assert report.worst.verdict == "wrong"
    assert "above 1e-2: the gradient is wrong" in report.text()
    assert "FAILED" in repr(report)


def test_a_wrong_entry_is_named_with_both_numbers():
    def loss(params):
        W = params["W"] * 1.0
        W[1] = gw.stop_gradient(W[1])
        return np.sum(np.sin(W))

    report = gw.check_grads(loss, ({"W": X},), 1)
    assert [c.name for c in report.comparisons if c.verdict == "wrong"] == ["params['W'][1]"]
    assert report.worst.analytic == 0.0
    assert report.worst.numerical == pytest.approx(np.cos(X[1]), rel=1e-8)
    assert "at params['W'][1]" in report.text()


def test_a_wrong_second_derivative_is_found():
    def f(x):  # first derivative right, second one cut
        return np.sum(x * gw.stop_gradient(3 * x**2)) + np.sum(gw.stop_gradient(-2 * x**3))

    assert gw.check_grads(f, (X,), 1)
    report = gw.check_grads(f, (X,), 2)
    assert not report
    assert report.worst.order == 2
    assert "second derivative" in report.text()


KINKS = {
    "relu at 0": (gw.relu, 0.0, "relu"),
    "abs within the step": (abs, 3e-6, "abs"),
    "relu within the step": (gw.relu, -4e-6, "relu"),
    "maximum within the step": (lambda x: np.maximum(x, 2.0), 1.999997, "maximum"),
    "minimum within the step": (lambda x: np.minimum(x, 2.0), 2.000003, "minimum"),
    "clip at a bound": (lambda x: np.clip(x, -1.0, 1.0), 1.0, "clip"),
    "where": (lambda x: np.where(x > 1, x, 5.0), 1.000002, "where|greater"),
    "branch in Python": (lambda x: np.exp(x) if x > 1 else x, 1.000002, "exp|greater"),
    "sign": (lambda x: np.sign(x) * (x + 1), 1e-6, "sign"),
    "floor": (lambda x: np.floor(x) * x, 3.0, "floor"),
    "remainder": (lambda x: x % 1.0, 2.0, "remainder"),
    "cast": (lambda x: x * x.astype(int), 3.0, "discretize"),
}


@pytest.mark.parametrize(("f", "x", "gate"), KINKS.values(), ids=KINKS)
def test_kinks_are_laid_aside_and_named(f, x, gate):
    report = gw.check_grads(f, (x,), 1)
    assert len(report.kinks) == 1
    assert report.kinks[0].verdict == "kink"
    assert any(name in report.kinks[0].kink for name in gate.split("|"))
    assert report.worst is None
    assert not report, "nothing was compared"
    assert "says nothing about the gradient" in report.text()
    assert "nothing could be checked: every comparison crosses a kink" in report.text()
    assert "FAILED" not in report.text(), "a kink is no mistake"


def test_a_kink_beside_a_comparison_is_no_mistake():
    report = gw.check_grads(lambda x: np.sum(gw.relu(x)), (np.array([1.0, 0.0]),), 1)
    assert [c.verdict for c in report.comparisons] == ["happy", "kink"]
    assert report


def test_arguments_without_entries_pass():
    report = gw.check_grads(np.sum, (np.zeros((0, 3)),))
    assert report
    assert report.comparisons == ()
    assert report.text() == "the arguments have no entries: there is nothing to check"


def test_a_kink_names_the_line():
    def f(x):
        return np.sum(gw.relu(x))

    report = gw.check_grads(f, (np.array([1.0, 0.0]),), 1)
    assert [c.verdict for c in report.comparisons] == ["happy", "kink"]
    assert f"{__file__}:{f.__code__.co_firstlineno + 1}" in report.kinks[0].kink


@pytest.mark.parametrize(
    ("f", "x"), [(abs, 0.0), (np.max, np.array([3.0, 3.0, 1.0])), (lambda x: np.maximum(x, 2.0), 2.0)]
)
def test_the_minimum_norm_choice_at_a_symmetric_kink_is_the_central_difference(f, x):
    for comparison in gw.check_grads(f, (x,), 1).comparisons:
        assert comparison.verdict in ("kink", "happy")
        assert comparison.analytic == pytest.approx(comparison.numerical, rel=1e-9, abs=1e-9)


def test_max_near_a_tie_is_a_kink_for_the_winners_only():
    report = gw.check_grads(np.max, (np.array([3.0, 3.000004, 1.0]),), 1)
    assert [c.verdict for c in report.comparisons] == ["kink", "kink", "happy"]


def test_a_wrong_gradient_beside_a_kink_is_still_found():
    f = scaled_slope(0.5)
    report = gw.check_grads(lambda x: f(x[1:]) + gw.relu(x[0]), (np.array([0.0, 0.3]),), 1)
    assert [c.verdict for c in report.comparisons] == ["kink", "wrong"]
    assert not report


def test_a_wrong_gradient_of_a_function_with_a_far_kink_is_wrong():
    f = scaled_slope(0.5)
    assert gw.check_grads(lambda x: f(x) + np.sum(gw.relu(x)), (X,), 1).worst.verdict == "wrong"


def test_many_entries_are_probed_along_random_directions():
    report = gw.check_grads(lambda x: np.sum(np.tanh(x) ** 2), (np.linspace(-2, 2, 500),), 1)
    assert report
    assert {c.name for c in report.comparisons} == {f"random direction {i}" for i in range(len(report.comparisons))}
    assert len(report.comparisons) < 50
    assert len(gw.check_grads(np.sum, (np.ones(300),), 1, mode="entries").comparisons) == 300


def test_names_follow_structure_and_index():
    report = gw.check_grads(lambda params, scale: np.sum(params["W"]) * scale, ({"W": np.ones((1, 2))}, 2.0), 1)
    assert [c.name for c in report.comparisons] == ["params['W'][0, 0]", "params['W'][0, 1]", "scale"]


def test_integers_and_booleans_are_held_fixed():
    labels, mask = np.array([0, 2]), np.array([True, False, True])

    def f(x, labels, mask, times):
        assert labels.dtype.kind == "i"
        assert mask.dtype == bool
        return np.sum(np.exp(x)[labels]) * times + np.sum(x[mask] ** 2)

    report = gw.check_grads(f, (X, labels, mask, 3))
    assert report
    assert {c.name for c in report.comparisons if c.order == 1} == {"x[0]", "x[1]", "x[2]"}


def test_float32_arguments_are_checked_in_float64():
    assert gw.check_grads(lambda x: np.sum(np.exp(x)), (X.astype(np.float32),))


def test_the_arguments_are_left_alone():
    x = X.copy()

    def f(x):
        x *= 2.0
        return np.sum(x * x)

    assert gw.check_grads(f, (x,))
    np.testing.assert_array_equal(x, X)


def test_the_same_seed_gives_the_same_report():
    f = RIGHT["several entries"]
    reports = [gw.check_grads(f, (X,), mode="directions", seed=seed) for seed in (5, 5, 6)]
    assert reports[0] == reports[1]
    assert reports[0] != reports[2]


@pytest.mark.parametrize(
    ("args", "message"),
    [((3,), "none of x is floating"), ((np.array([True]),), "none of x is floating"), ((1j,), "takes real arguments")],
    ids=["int", "bool", "complex"],
)
def test_arguments_without_real_gradients_are_refused(args, message):
    with pytest.raises(gw.DTypeError, match=message) as caught:
        gw.check_grads(lambda x: x * 2.0, args)
    assert __file__ in str(caught.value)


@pytest.mark.parametrize("options", [{"order": 3}, {"order": 0}, {"mode": "all"}])
def test_options_that_do_not_exist_are_refused(options):
    with pytest.raises(gw.InputError, match="mode is 'auto', 'entries' or 'directions' and order is 1 or 2"):
        gw.check_grads(np.sum, (X,), **options)


@pytest.mark.parametrize(
    ("analytic", "numerical", "verdict"),
    [
        (1.0, 1.0 + 5e-8, "happy"), (1.0, 1.0 + 5e-5, "fine"), (1.0, 1.005, "uncomfortable"), (1.0, 1.05, "wrong"),
        (0.0, 0.0, "happy"), (0.0, 1e-3, "wrong"), (np.nan, 1.0, "wrong"), (np.inf, 1.0, "wrong"),
        (1.0, np.inf, "undefined"), (1.0, np.nan, "undefined"),
    ],
)  # fmt: skip
def test_the_verdicts_are_the_notes_thresholds(analytic, numerical, verdict):
    assert Comparison("x", 1, analytic, numerical, 0.0, None).verdict == verdict


def test_a_gradient_of_nan_does_not_pass():
    with np.errstate(all="ignore"):
        assert not gw.check_grads(lambda x: np.sum(np.sqrt(x)), (np.array([-1.0]),), 1)
