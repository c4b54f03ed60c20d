"""Softmax regression on handwritten digits: the loss is plain NumPy, its gradient is one line.

Run it: python examples/digits.py   (needs scikit-learn, for the data)
"""

import numpy as np
from sklearn.datasets import load_digits

import gatewise as gw

RATE = 0.5
STEPS = 300
REGULARIZATION = 1e-4


def softmax_loss(parameters, X, y):
    """Mean of minus the log of the probability given to the right class, plus a penalty on large weights."""
    scores = X @ parameters["W"] + parameters["b"]
    scores = scores - np.max(scores, axis=1, keepdims=True)
    log_probabilities = scores - np.log(np.sum(np.exp(scores), axis=1, keepdims=True))
    return -np.mean(log_probabilities[np.arange(len(y)), y]) + REGULARIZATION * np.sum(parameters["W"] ** 2)


def accuracy(parameters, X, y):
    """The share of examples whose highest score is that of the right class."""
    return np.mean(np.argmax(X @ parameters["W"] + parameters["b"], axis=1) == y)


def main():
    """Check the gradient, train, and tell the accuracy on digits that were not trained on."""
    X, y = load_digits(return_X_y=True)
    X = X / 16
    order = np.random.default_rng(0).permutation(len(y))
    train, test = order[:1400], order[1400:]
    parameters = {"W": np.zeros((64, 10)), "b": np.zeros(10)}

    few = train[:20]
    report = gw.check_grads(lambda parameters: softmax_loss(parameters, X[few], y[few]), (parameters,), order=1)
    print(report)

    step = gw.value_and_grad(softmax_loss)
    for number in range(STEPS + 1):
        loss, gradient = step(parameters, X[train], y[train])
        if number % 100 == 0:
            print(f"step {number:3}  loss {loss:.4f}  test accuracy {accuracy(parameters, X[test], y[test]):.3f}")
        parameters = {name: parameters[name] - RATE * gradient[name] for name in parameters}


if __name__ == "__main__":
    main()
