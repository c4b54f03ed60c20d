"""Circuits to begin with, most of them out of the notes of CS231n's lecture on backpropagation, with what they teach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gatewise.workbench.examples import layers, small_net, svm

Text = Mapping[str, str]


@dataclass(frozen=True)
class Example:
    """A circuit of the gallery: an expression with a value for each variable, or a function with its arguments."""

    name: str
    title: Text
    explanation: Text
    expression: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    function: Callable[..., Any] | None = None
    arguments: tuple[Any, ...] = ()


_SVM_X = np.array([[-15.0, 22.0, -44.0, 56.0]]) / 10
_SVM_W = np.array([[0.01, 0.7, 0.0], [-0.05, 0.2, -0.45], [0.1, 0.05, -0.2], [0.05, 0.16, 0.03]])

EXAMPLES = (
    Example(
        "notes",
        {"en": "(x + y) z", "zh": "(x + y) z"},
        {
            "en": "The first circuit of the notes. Forward, the sum gate computes q = 3 and the product gate f = -12. "
            "Backward, the product gate hands each input the other's value; the sum gate hands its gradient on unchanged.",
            "zh": "讲义中的第一个电路。前向：加法门算出 q = 3，乘法门算出 f = -12。反向：乘法门把另一个输入的值乘给每个输入，"
            "加法门把梯度原样传给两个输入。",
        },
        "q = x + y; f = q * z",
        {"x": "-2", "y": "5", "z": "-4"},
    ),
    Example(
        "neuron",
        {"en": "A sigmoid neuron", "zh": "sigmoid 神经元"},
        {
            "en": "Two inputs, two weights, a bias, and the sigmoid made of four gates. Step backward from the right: 1.00, "
            "-0.53, -0.53, -0.20, 0.20. Then swap a gate, or pull a weight, and see which way the output goes.",
            "zh": "两个输入、两个权重、一个偏置，sigmoid 由四个门组成。从右向左逐步走：1.00、-0.53、-0.53、-0.20、0.20。"
            "然后换一个门，或拉动一个权重，看输出往哪边走。",
        },
        "1/(1+exp(-(w0*x0+w1*x1+w2)))",
        {"w0": "2", "x0": "-1", "w1": "-3", "x1": "-2", "w2": "-3"},
    ),
    Example(
        "patterns",
        {"en": "Add, max, multiply: the patterns", "zh": "加、取大、乘：三种模式"},
        {
            "en": "The sum gate distributes its gradient, the max gate routes it to the larger input, the product gate "
            "switches: each input receives the other's value. Raise w above z, and the route changes.",
            "zh": "加法门分发梯度，取大门把梯度送给较大的输入，乘法门交换：每个输入得到另一个输入的值。把 w 提高到 z 之上，路线就变了。",
        },
        "2 * (x * y + max(z, w))",
        {"x": "3", "y": "-4", "z": "2", "w": "-1"},
    ),
    Example(
        "fork",
        {"en": "Gradients add up at forks", "zh": "分叉处梯度相加"},
        {
            "en": "x is used three times, so three gradients come back to it, and they are added: the multivariable chain "
            "rule. Step backward and watch the parts arrive.",
            "zh": "x 被用了三次，所以有三个梯度回到它，并且相加：这就是多元链式法则。反向逐步走，看各部分依次到达。",
        },
        "x * x + x",
        {"x": "3"},
    ),
    Example(
        "staged",
        {"en": "Staged computation", "zh": "分阶段计算"},
        {
            "en": "The notes' harder example, with sigmoids, a square and a quotient. Nobody wants its derivative on paper; "
            "gate by gate it is a page of small steps.",
            "zh": "讲义中较难的例子，有 sigmoid、平方和商。没有人愿意在纸上求它的导数；一个门一个门地走，就只是一页小步骤。",
        },
        "sigy = 1/(1+exp(-y)); num = x + sigy; sigx = 1/(1+exp(-x)); den = sigx + (x+y)**2; num / den",
        {"x": "3", "y": "-4"},
    ),
    Example(
        "matrix",
        {"en": "Matrices: W x", "zh": "矩阵：W x"},
        {
            "en": "Gradients of arrays have the arrays' shapes: dD/dW is the upstream gradient times x, transposed, dD/dx is "
            "W transposed times it. Click a gate to see the arrays as heat maps.",
            "zh": "数组的梯度与数组形状相同：对 W 的梯度是上游梯度乘以 x 的转置，对 x 的梯度是 W 的转置乘以上游梯度。点击一个门，以热图查看数组。",
        },
        "sum((W @ x)**2)",
        {"W": "[[0.1, 0.5], [-0.3, 0.8]]", "x": "[0.2, 0.4]"},
    ),
    Example(
        "net",
        {"en": "A small net", "zh": "一个小网络"},
        {
            "en": "Two inputs, two layers of neurons and a squared loss, written number by number in Python. Each neuron is a "
            "call of the same function: expand one with a double click.",
            "zh": "两个输入、两层神经元和平方损失，用 Python 逐个数写成。每个神经元都是同一个函数的一次调用：双击展开其中一个。",
        },
        function=small_net,
        arguments=(layers(2, 4, 3, 1), [0.5, -1.0]),
    ),
    Example(
        "svm",
        {"en": "SVM loss", "zh": "SVM 损失"},
        {
            "en": "The multiclass hinge loss as vectorised NumPy code: scores, margins, a max with zero. The max gate cuts "
            "off classes that are right by a margin: their gradient is zero.",
            "zh": "向量化 NumPy 写成的多类合页损失：得分、间隔、与零取大。取大门切断了已经以足够间隔分对的类别：它们的梯度为零。",
        },
        function=svm,
        arguments=(_SVM_W, _SVM_X, np.array([2])),
    ),
)

BY_NAME = {example.name: example for example in EXAMPLES}
