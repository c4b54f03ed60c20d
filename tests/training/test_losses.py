"""The losses against the notes: their values at W = 0, and their gradients written by hand, row by row."""

from __future__ import annotations

import numpy as np
import pytest

import gatewise as gw
from gatewise.training.losses import LOSSES, loss_at_chance, softmax_loss, svm_loss


@pytest.fixture
def problem() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    X = np.hstack([generator.normal(size=(20, 6)), np.ones((20, 1))])
    return generator.normal(size=(7, 10)), X, generator.integers(0, 10, size=20)


def svm_by_hand(W: np.ndarray, X: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Loops over examples and classes: for j ≠ y, 1(margin > 0)·x; for y, minus the number of violated margins·x."""
    loss, gradient = 0.0, np.zeros_like(W)
    for x, label in zip(X, y, strict=True):
        scores = x @ W
        for j in range(W.shape[1]):
            margin = scores[j] - scores[label] + 1
            if j != label and margin > 0:
                loss += margin
                gradient[:, j] += x
                gradient[:, label] -= x
    return loss / len(y), gradient / len(y)


def softmax_by_hand(W: np.ndarray, X: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """For each class, (its probability − 1 if it is the correct one)·x."""
    loss, gradient = 0.0, np.zeros_like(W)
    for x, label in zip(X, y, strict=True):
        probabilities = np.exp(x @ W) / np.sum(np.exp(x @ W))
        loss -= np.log(probabilities[label])
        for j in range(W.shape[1]):
            gradient[:, j] += (probabilities[j] - (j == label)) * x
    return loss / len(y), gradient / len(y)


@pytest.mark.parametrize(("loss", "by_hand"), [(svm_loss, svm_by_hand), (softmax_loss, softmax_by_hand)])
@pytest.mark.parametrize("regularization", [0.0, 0.3])
def test_value_and_gradient_are_those_of_the_notes(loss, by_hand, regularization, problem):
    W, X, y = problem
    value, gradient = gw.value_and_grad(loss)(W, X, y, regularization)
    expected_value, expected_gradient = by_hand(W, X, y)
    without_bias = np.where(np.arange(7)[:, np.newaxis] < 6, W, 0)
    np.testing.assert_allclose(value, expected_value + regularization * np.sum(without_bias**2), rtol=1e-13)
    np.testing.assert_allclose(gradient, expected_gradient + 2 * regularization * without_bias, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize(("name", "expected"), [("svm", 9.0), ("softmax", 2.302585092994046)])
def test_at_zero_the_loss_is_at_chance(name, expected, problem):
    _, X, y = problem
    assert LOSSES[name](np.zeros((7, 10)), X, y) == pytest.approx(expected, rel=1e-14)
    assert loss_at_chance(name, 10) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("loss", [svm_loss, softmax_loss])
def test_data_times_1000_makes_the_gradient_times_1000(loss, problem):
    _, X, y = problem
    zero = np.zeros((7, 10))
    plain, scaled = (gw.value_and_grad(loss)(zero, factor * X, y)[1] for factor in (1, 1000))
    np.testing.assert_allclose(scaled, 1000 * plain, rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("loss", [svm_loss, softmax_loss])
def test_the_arguments_are_left_alone(loss, problem):
    copies = [array.copy() for array in problem]
    gw.value_and_grad(loss)(*problem)
    for array, copy in zip(problem, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_softmax_survives_scores_that_exp_does_not():
    value, gradient = gw.value_and_grad(softmax_loss)(np.array([[1e5, 0.0, -1e5]]), np.ones((1, 1)), np.array([1]))
    assert value == pytest.approx(1e5)
    np.testing.assert_array_equal(gradient, [[1.0, -1.0, 0.0]])
