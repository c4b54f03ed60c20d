"""The two losses of the CS231n notes (linear-classify), written as anyone would write them in NumPy.

There are no gradients here, and no import but NumPy's: backpropagation finds the gradients in the code itself.

Both take weights ``W`` of shape (features + 1, classes), whose last row is the bias; data ``X`` of shape
(examples, features + 1), whose last column is constant; and labels ``y``, one integer in [0, classes) per example.
Both return the mean loss of an example plus ``regularization`` × ‖W‖², from which the bias row is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Loss = Callable[..., Any]


def svm_loss(W: Any, X: Any, y: Any, regularization: float = 0.0) -> Any:
    """Multiclass SVM (hinge) loss: the sum over j ≠ y of max(0, s_j − s_y + 1).

    >>> print(svm_loss(np.zeros((3, 10)), np.ones((4, 3)), np.array([1, 0, 9, 5])))
    9.0
    """
    examples = np.arange(len(y))
    scores = X @ W
    correct = scores[examples, y]
    margins = np.maximum(0, scores - correct[:, np.newaxis] + 1)
    margins[examples, y] = 0
    return np.sum(margins) / len(y) + regularization * np.sum(W[:-1] ** 2)


def softmax_loss(W: Any, X: Any, y: Any, regularization: float = 0.0) -> Any:
    """Softmax (cross-entropy) loss: −log of the probability given to the correct class.

    The largest score is subtracted first, which changes no probability and keeps ``exp`` from overflowing.

    >>> print(round(softmax_loss(np.zeros((3, 10)), np.ones((4, 3)), np.array([1, 0, 9, 5])), 6))
    2.302585
    """
    scores = X @ W
    scores = scores - np.max(scores, axis=1, keepdims=True)
    log_probabilities = scores - np.log(np.sum(np.exp(scores), axis=1, keepdims=True))
    correct = log_probabilities[np.arange(len(y)), y]
    return -np.mean(correct) + regularization * np.sum(W[:-1] ** 2)


LOSSES: dict[str, Loss] = {"svm": svm_loss, "softmax": softmax_loss}


def loss_at_chance(name: str, classes: int) -> float:
    """What the data loss must be at W = 0, where every class has the same score: C − 1 for the SVM, ln C for softmax.

    >>> loss_at_chance("svm", 10)
    9.0
    """
    return float(classes - 1) if name == "svm" else float(np.log(classes))
