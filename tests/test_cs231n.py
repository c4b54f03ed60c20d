"""The course's numbers: what the CS231n notes and lecture 4 print must come out of Gatewise, wire by wire."""

# ruff: noqa: RET504  (the names that results are given are what is tested)
from __future__ import annotations

import numpy as np
import pytest

import gatewise as gw


def circuit_one(x, y, z):
    q = x + y
    f = q * z
    return f


def product(x, y):
    f = x * y
    return f


def larger(x, y):
    f = np.maximum(x, y)
    return f


def circuit_two(x, y, z, w):
    xy = x * y
    m = np.maximum(z, w)
    total = xy + m
    f = 2 * total
    return f


def neuron(w0, w1, w2, x0, x1):
    dot = w0 * x0 + w1 * x1 + w2
    neg = -dot
    e = np.exp(neg)
    denominator = 1 + e
    f = 1 / denominator
    return f


def neuron_in_one_gate(w0, w1, w2, x0, x1):
    dot = w0 * x0 + w1 * x1 + w2
    f = gw.sigmoid(dot)
    return f


def sigma(x):
    return 1 / (1 + np.exp(-x))


def ratio(x, y):
    f = (x + sigma(y)) / (sigma(x) + (x + y) ** 2)
    return f


NEURON = {"w0": 2.0, "w1": -3.0, "w2": -3.0, "x0": -1.0, "x1": -2.0}
NEURON_GRADIENTS = {"w0": -0.196612, "w1": -0.393224, "w2": 0.196612, "x0": 0.393224, "x1": -0.589836}

#: function, inputs by name, values by wire, gradients by wire, as printed in the notes (to 6 digits where they round).
CIRCUITS = [
    (circuit_one, {"x": -2.0, "y": 5.0, "z": -4.0}, {"q": 3, "f": -12}, {"f": 1, "q": -4, "z": 3, "x": -4, "y": -4}),
    (product, {"x": 4.0, "y": -3.0}, {"f": -12}, {"f": 1, "x": -3, "y": 4}),
    (larger, {"x": 4.0, "y": 2.0}, {"f": 4}, {"f": 1, "x": 1, "y": 0}),
    (
        circuit_two,
        {"x": 3.0, "y": -4.0, "z": 2.0, "w": -1.0},
        {"xy": -12, "m": 2, "total": -10, "f": -20},
        {"f": 1, "total": 2, "xy": 2, "m": 2, "x": -8, "y": 6, "z": 2, "w": 0},
    ),
    (
        neuron,
        NEURON,
        {"dot": 1, "neg": -1, "e": 0.367879, "denominator": 1.367879, "f": 0.731059},
        {"f": 1, "denominator": -0.534447, "e": -0.534447, "neg": -0.196612, "dot": 0.196612, **NEURON_GRADIENTS},
    ),
    (neuron_in_one_gate, NEURON, {"dot": 1, "f": 0.731059}, {"f": 1, "dot": 0.196612, **NEURON_GRADIENTS}),
    (ratio, {"x": 3.0, "y": -4.0}, {"f": 1.5456448841}, {"f": 1, "x": 2.0595697956, "y": 1.5922327515}),
]
each_circuit = pytest.mark.parametrize(
    ("f", "inputs", "values", "gradients"), CIRCUITS, ids=[case[0].__name__ for case in CIRCUITS]
)


def printed(number):
    """The number up to the digits that the notes print."""
    digits = 10 if len(str(abs(number))) > 9 else 6
    return pytest.approx(number, abs=0.5 * 10.0**-digits, rel=0)


@each_circuit
def test_values_and_gradients_on_every_wire_are_the_notes(f, inputs, values, gradients):
    circuit = gw.trace(f, *inputs.values())
    for name, value in {**inputs, **values}.items():
        assert circuit[name].value == printed(value), name
    for name, gradient in gradients.items():
        assert circuit[name].gradient == printed(gradient), name


@each_circuit
def test_grad_gives_the_notes_gradients_of_the_inputs(f, inputs, values, gradients):
    found = gw.grad(f, argnums=tuple(range(len(inputs))))(*inputs.values())
    assert dict(zip(inputs, found, strict=True)) == {name: printed(gradients[name]) for name in inputs}


@each_circuit
def test_the_imperative_way_gives_the_same(f, inputs, values, gradients):
    variables = {name: gw.variable(value, name) for name, value in inputs.items()}
    f(*variables.values()).backward()
    for name, variable in variables.items():
        assert variable.grad == printed(gradients[name])


@each_circuit
def test_gradient_on_a_wire_is_upstream_times_local(f, inputs, values, gradients):
    circuit = gw.trace(f, *inputs.values())
    arrived = {entry.index: 0.0 for entry in circuit}
    arrived[circuit.outputs[0]] = 1.0
    for entry in reversed(circuit.entries):
        for operand, part, local in zip(entry.operands, entry.parts, entry.local, strict=True):
            if operand is not None:
                assert part == pytest.approx(entry.gradient * local, rel=1e-12)
                arrived[operand] += part
    for entry in circuit:
        assert entry.gradient == pytest.approx(arrived[entry.index], rel=1e-12)


def test_the_sigmoid_gates_local_gradient():
    circuit = gw.trace(neuron_in_one_gate, *NEURON.values())
    sigmoid = circuit["f"]
    assert sigmoid.local[0] == printed(0.196612)
    assert sigmoid.local[0] == pytest.approx((1 - sigmoid.value) * sigmoid.value, rel=1e-15)


# ------------------------------------------------------------------------------------------------------------- patterns


@pytest.mark.parametrize(("x", "y"), [(3.0, -4.0), (0.0, 1e6)])
def test_add_distributes_whatever_the_values(x, y):
    circuit = gw.trace(lambda x, y, z: (x + y) * z, x, y, 2.0)
    add = next(entry for entry in circuit if entry.gate.name == "add")
    assert add.gate.story.startswith("distributes")
    assert add.local == (1.0, 1.0)
    assert add.parts == (add.gradient, add.gradient) == (2.0, 2.0)


@pytest.mark.parametrize(("x", "y", "expected"), [(4.0, 2.0, (3.0, 0.0)), (2.0, 4.0, (0.0, 3.0))])
def test_max_routes_to_the_larger_input(x, y, expected):
    circuit = gw.trace(lambda x, y: 3.0 * np.maximum(x, y), x, y)
    gate = next(entry for entry in circuit if entry.gate.name == "maximum")
    assert gate.gate.story.startswith("routes")
    assert gate.parts == expected


def test_multiply_swaps_and_hands_the_large_gradient_to_the_small_input():
    circuit = gw.trace(lambda w, x: w * x, 0.001, 1000.0)
    multiply = circuit[circuit.outputs[0]]
    assert multiply.gate.story.startswith("swaps")
    assert multiply.parts == (1000.0, 0.001)


def test_gradients_add_up_at_forks():
    assert gw.grad(lambda x: x * 3.0 + x * x)(5.0) == 3.0 + 2 * 5.0


def test_force_each_unit_moves_f_by_the_gradient():
    q = gw.trace(circuit_one, -2.0, 5.0, -4.0)["q"]
    for step in (1.0, -1.0, 0.5):
        assert (q.value + step) * -4.0 == -12.0 + step * q.gradient


# -------------------------------------------------------------------------------------------------------------- vectors


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_matrix_product_rule(dtype):
    rng = np.random.default_rng(0)
    weights, data = rng.standard_normal((5, 10)).astype(dtype), rng.standard_normal((10, 3)).astype(dtype)
    upstream = rng.standard_normal((5, 3)).astype(dtype)
    _, pullback = gw.vjp(lambda W, X: W @ X, weights, data)
    to_weights, to_data = pullback(upstream)
    np.testing.assert_array_equal(to_weights, upstream @ data.T)
    np.testing.assert_array_equal(to_data, weights.T @ upstream)
    assert to_weights.dtype == to_data.dtype == dtype


def svm_loss(W, b, X, y, strength):
    scores = X @ W + b
    rows = np.arange(len(y))
    margins = np.maximum(0.0, scores - scores[rows, y][:, None] + 1)
    margins[rows, y] = 0.0
    return np.sum(margins) / len(y) + strength * np.sum(W * W)


def svm_gradient(W, b, X, y, strength):
    """Row by row, as the notes give it: the indicator of a violated margin, counted for the right class."""
    to_weights, to_bias = np.zeros_like(W), np.zeros_like(b)
    for x, label in zip(X, y, strict=True):
        scores = x @ W + b
        violated = scores - scores[label] + 1 > 0
        violated[label] = False
        for wrong in np.flatnonzero(violated):
            to_weights[:, wrong] += x
            to_weights[:, label] -= x
            to_bias[wrong] += 1
            to_bias[label] -= 1
    return to_weights / len(y) + 2 * strength * W, to_bias / len(y)


def classifier(batch, classes, dtype, scale=1.0):
    rng = np.random.default_rng(batch + classes)
    weights = (scale * rng.standard_normal((7, classes))).astype(dtype)
    bias = (scale * rng.standard_normal(classes)).astype(dtype)
    data = rng.standard_normal((batch, 7)).astype(dtype)
    return weights, bias, data, rng.integers(0, classes, batch)


@pytest.mark.parametrize(("batch", "classes"), [(1, 3), (20, 10), (64, 4)])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
def test_svm_gradient_is_the_notes_row_wise_formula(batch, classes, dtype, tolerance):
    weights, bias, data, labels = classifier(batch, classes, dtype)
    found = gw.grad(svm_loss, argnums=(0, 1))(weights, bias, data, labels, 0.1)
    for gradient, expected in zip(found, svm_gradient(weights, bias, data, labels, 0.1), strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=tolerance, atol=tolerance)
        assert gradient.dtype == dtype


@pytest.mark.parametrize("classes", [2, 10])
def test_svm_loss_at_zero_weights_is_classes_minus_one(classes):
    weights, bias, data, labels = classifier(12, classes, "float64", scale=0.0)
    loss, _ = gw.value_and_grad(svm_loss)(weights, bias, data, labels, 0.1)
    assert loss == classes - 1


def softmax_loss(W, X, y):
    scores = X @ W
    shifted = scores - np.max(scores, axis=1, keepdims=True)
    logarithms = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    return -np.mean(logarithms[np.arange(len(y)), y])


@pytest.mark.parametrize("classes", [2, 10])
def test_softmax_loss_at_zero_weights_is_the_logarithm_of_classes(classes):
    weights, _, data, labels = classifier(12, classes, "float64", scale=0.0)
    loss, gradient = gw.value_and_grad(softmax_loss)(weights, data, labels)
    assert loss == pytest.approx(np.log(classes), rel=1e-14)
    probabilities = np.full((12, classes), 1 / classes)
    probabilities[np.arange(12), labels] -= 1
    np.testing.assert_allclose(gradient, data.T @ probabilities / 12, rtol=1e-12, atol=1e-14)


def test_data_times_a_thousand_is_weight_gradient_times_a_thousand():
    weights, bias, data, labels = classifier(20, 10, "float64", scale=0.0)
    small = gw.grad(svm_loss)(weights, bias, data, labels, 0.0)
    large = gw.grad(svm_loss)(weights, bias, 1000 * data, labels, 0.0)
    np.testing.assert_allclose(large, 1000 * small, rtol=1e-12, atol=1e-12)


def test_more_regularisation_raises_the_loss():
    weights, bias, data, labels = classifier(20, 10, "float64")
    losses = [gw.value_and_grad(svm_loss)(weights, bias, data, labels, strength)[0] for strength in (0.0, 0.1, 1.0)]
    assert losses == sorted(set(losses))


# ------------------------------------------------------------------------------------------------------- gradient check


@pytest.mark.parametrize(
    ("mistake", "verdict", "passed"),
    [
        (0.0, "happy", True),
        (1e-8, "happy", True),
        (1e-5, "fine", True),
        (1e-3, "uncomfortable", False),
        (0.1, "wrong", False),
    ],
)
def test_gradient_check_speaks_the_thresholds_of_the_notes(mistake, verdict, passed):
    def f(x):  # the value of sin, the gradient of sin times (1 - mistake)
        return np.sum((1 - mistake) * np.sin(x) + mistake * np.sin(gw.stop_gradient(x)))

    report = gw.check_grads(f, (np.array([0.3, 1.2]),), order=1)
    assert report.worst.verdict == verdict
    assert report.passed == bool(report) == passed


def test_softmax_and_svm_pass_the_gradient_check():
    weights, bias, data, labels = classifier(5, 3, "float64")
    assert gw.check_grads(softmax_loss, (weights, data, labels))
    assert gw.check_grads(svm_loss, (weights, bias, data, labels, 0.1))
