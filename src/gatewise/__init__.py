"""Gatewise: backpropagation, gate by gate. Gradients you can see, explain and trust.

Public names, nothing else.
"""

import importlib
from typing import TYPE_CHECKING, Any

from gatewise import gates
from gatewise.array import Array, stop_gradient, variable
from gatewise.errors import (
    AxisError,
    CodeError,
    ConvergenceError,
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
from gatewise.transforms import grad, hvp, jvp, value_and_grad, vjp

__version__ = "0.1.0"
__array_api_version__ = "2025.12"

__all__ = [
    "Array",
    "AxisError",
    "Circuit",
    "CodeError",
    "ConvergenceError",
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
    "compile",
    "cond",
    "custom_gradient",
    "fixed_point",
    "fori_loop",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "live",
    "root",
    "scan",
    "set_threads",
    "show",
    "sparse_hessian",
    "sparse_jacobian",
    "stop_gradient",
    "threads",
    "trace",
    "value_and_grad",
    "variable",
    "vjp",
    "vmap",
    "while_loop",
    *gates.__all__,
]

if TYPE_CHECKING:
    from gatewise.batching import vmap
    from gatewise.circuit import Circuit, show, trace
    from gatewise.explain.check import GradientReport, check_grads
    from gatewise.implicit import fixed_point, root
    from gatewise.jacobians import hessian, jacobian
    from gatewise.loops import cond, fori_loop, scan, while_loop
    from gatewise.native.compiled import compile
    from gatewise.native.pool import set_threads, threads
    from gatewise.runs.recorder import live
    from gatewise.sparse import sparse_hessian, sparse_jacobian
    from gatewise.whole import checkpoint, custom_gradient

#: Names that are imported when first used, so that `import gatewise` stays quick.
_LATER = {
    "Circuit": "gatewise.circuit",
    "show": "gatewise.circuit",
    "trace": "gatewise.circuit",
    "vmap": "gatewise.batching",
    "hessian": "gatewise.jacobians",
    "jacobian": "gatewise.jacobians",
    "sparse_hessian": "gatewise.sparse",
    "sparse_jacobian": "gatewise.sparse",
    "GradientReport": "gatewise.explain.check",
    "check_grads": "gatewise.explain.check",
    "checkpoint": "gatewise.whole",
    "custom_gradient": "gatewise.whole",
    "compile": "gatewise.native.compiled",
    "set_threads": "gatewise.native.pool",
    "threads": "gatewise.native.pool",
    "fixed_point": "gatewise.implicit",
    "live": "gatewise.runs.recorder",
    "root": "gatewise.implicit",
    "cond": "gatewise.loops",
    "fori_loop": "gatewise.loops",
    "scan": "gatewise.loops",
    "while_loop": "gatewise.loops",
}

#: Namespaces of the Array API standard, imported when first used.
_NAMESPACES = {"fft", "linalg"}


def __dir__() -> list[str]:
    from gatewise import standard

    return sorted({*globals(), *_LATER, *_NAMESPACES, *standard.__all__})


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    if name in _NAMESPACES:
        return importlib.import_module(f"gatewise.{name}")
    if name != "standard":  # which asks here whether it is there, before it is imported
        standard = importlib.import_module("gatewise.standard")  # zeros, isnan, float32: what makes this a namespace
        if name in standard.__all__:
            return getattr(standard, name)
    raise AttributeError(f"module 'gatewise' has no attribute {name!r}")
