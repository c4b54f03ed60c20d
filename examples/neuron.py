"""A single neuron learns the logical OR, step by step, with variables and backward().

Run it: python examples/neuron.py
"""

import numpy as np

import gatewise as gw

INPUTS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
TARGETS = np.array([0.0, 1.0, 1.0, 1.0])
RATE = 1.0
STEPS = 200


class Neuron:
    """σ(w · x + b), with its weights as variables."""

    def __init__(self, size, rng):
        self.w = gw.variable(rng.standard_normal(size), name="w")
        self.b = gw.variable(0.0, name="b")

    def __call__(self, x):
        """The probability that the answer is yes, for each row of x."""
        return gw.sigmoid(x @ self.w + self.b)

    def step(self, rate):
        """Walk downhill: make new variables a little away from the old ones."""
        self.w = gw.variable(self.w.value - rate * self.w.grad, name="w")
        self.b = gw.variable(self.b.value - rate * self.b.grad, name="b")


def cross_entropy(probability, target):
    """Minus the log of the probability given to what is true, mean over the examples."""
    return -np.mean(target * np.log(probability) + (1 - target) * np.log(1 - probability))


def main():
    """Train, and show what was learned."""
    neuron = Neuron(2, np.random.default_rng(0))
    for step in range(STEPS + 1):
        loss = cross_entropy(neuron(INPUTS), TARGETS)
        loss.backward()
        if step % 50 == 0:
            print(f"step {step:3}  loss {loss.item():.4f}")
        neuron.step(RATE)
    for x, probability in zip(INPUTS, neuron(INPUTS).value, strict=True):
        print(f"{x[0]:.0f} or {x[1]:.0f}: {probability:.2f}")
    print("\nThe neuron on its last example, as a circuit:")
    gw.show(neuron(INPUTS[-1]))


if __name__ == "__main__":
    main()
