"""Gatewise: backpropagation, gate by gate. Gradients you can see, explain and trust.

Public names, nothing else.
"""

import importlib
from typing import TYPE_CHECKING, Any

from gatewise import gates
from gatewise.array import Array, stop_gradient, variable
from gatewise.errors import (
    CodeError,
    DTypeError,
    GatewiseError,
    IndexingError,
    InputError,
    LinearAlgebraError,
    ShapeError,
    TracedValueError,
    UnsupportedError,
)
from gatewise.gates import *  # noqa: F403  the catalogue's functions, gw.exp and so on
from gatewise.gates import fourier as fft  # noqa: F401  the namespace gw.fft
from gatewise.transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

__version__ = "0.1.0"

__all__ = [
    "Array",
    "Circuit",
    "CodeError",
    "DTypeError",
    "GatewiseError",
    "GradientReport",
    "IndexingError",
    "InputError",
    "LinearAlgebraError",
    "ShapeError",
    "TracedValueError",
    "UnsupportedError",
    "check_grads",
    "checkpoint",
    "custom_gradient",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "show",
    "stop_gradient",
    "trace",
    "value_and_grad",
    "variable",
    "vjp",
    "vmap",
    *gates.__all__,
]

if TYPE_CHECKING:
    from gatewise.batching import vmap
    from gatewise.circuit import Circuit, show, trace
    from gatewise.explain.check import GradientReport, check_grads
    from gatewise.whole import checkpoint, custom_gradient

#: Names that are imported when first used, so that `import gatewise` stays quick.
_LATER = {
    "Circuit": "gatewise.circuit",
    "show": "gatewise.circuit",
    "trace": "gatewise.circuit",
    "vmap": "gatewise.batching",
    "GradientReport": "gatewise.explain.check",
    "check_grads": "gatewise.explain.check",
    "checkpoint": "gatewise.whole",
    "custom_gradient": "gatewise.whole",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'gatewise' has no attribute {name!r}")
    return getattr(importlib.import_module(_LATER[name]), name)
