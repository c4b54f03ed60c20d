"""Functions of the gallery, written as a user would write them: their lines, calls and loops are shown."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np


def neuron_of(weights: Any, bias: Any, inputs: Any) -> Any:
    """A neuron, written number by number."""
    total = bias
    for weight, value in zip(weights, inputs, strict=True):
        total = total + weight * value
    return np.tanh(total)


def small_net(parameters: Any, x: Any) -> Any:
    """A net of neurons, layer by layer; its loss is the squared distance of its answer from 1."""
    for layer in parameters:
        x = [neuron_of(weights, bias, x) for weights, bias in layer]
    return (x[0] - 1.0) ** 2


def svm(W: Any, X: Any, y: Any) -> Any:
    """The multiclass SVM loss of some rows, vectorised."""
    scores = X @ W
    correct = scores[np.arange(len(y)), y][:, None]
    margins = np.maximum(0, scores - correct + 1.0)
    margins[np.arange(len(y)), y] = 0
    return np.sum(margins) / len(y)


def layers(*sizes: int) -> list[Any]:
    """Parameters of a net with so many neurons in each layer, drawn with a fixed seed."""
    random = np.random.default_rng(3)
    return [
        [(np.round(random.normal(size=before), 1).tolist(), 0.1) for _ in range(after)]
        for before, after in pairwise(sizes)
    ]
