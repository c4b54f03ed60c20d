"""Gatewise: backpropagation, gate by gate. Gradients you can see, explain and trust.

Public names, nothing else.
"""

from gatewise.array import Array, stop_gradient, variable
from gatewise.errors import (
    DTypeError,
    GatewiseError,
    IndexingError,
    InputError,
    ShapeError,
    TracedValueError,
    UnsupportedError,
)
from gatewise.transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

__version__ = "0.1.0"
