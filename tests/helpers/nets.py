"""A net of single numbers, for pictures: each neuron a call, each layer a loop."""

from __future__ import annotations

from itertools import pairwise

import numpy as np


def neuron(weights, bias, inputs):
    total = bias
    for weight, value in zip(weights, inputs, strict=True):
        total = total + weight * value
    return np.tanh(total)


def network(layers, x):
    for layer in layers:
        x = [neuron(weights, bias, x) for weights, bias in layer]
    return x[0]


def layers_of(*sizes):
    random = np.random.default_rng(0)
    return [[(random.normal(size=before).tolist(), 0.1) for _ in range(after)] for before, after in pairwise(sizes)]
