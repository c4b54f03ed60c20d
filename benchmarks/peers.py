"""The peers, one adapter each. What is computed stands in `rows`, how it is timed in `measure`.

An adapter takes an objective, ``objective(xp, *parameters, *constants)``, and those arguments as NumPy arrays or Python
numbers, and returns a *step*: a function of no arguments that returns value and gradients when they are ready. The
objective is handed the library's own NumPy-like namespace as `xp`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata, util
from types import SimpleNamespace
from typing import Any

import numpy as np

#: How many threads every peer may use.
THREADS = 2

Objective = Callable[..., Any]
Step = Callable[[], tuple[Any, Sequence[Any]]]


@dataclass(frozen=True)
class Peer:
    """A way of getting a gradient: a library used in one of its styles, or no library at all."""

    name: str
    module: str
    build: Callable[[Objective, Sequence[Any], Sequence[Any]], Step]
    traced: bool = True  # it allocates through Python and NumPy, so tracemalloc sees every byte

    @property
    def installed(self) -> bool:
        """Whether its module can be imported here."""
        return util.find_spec(self.module) is not None

    @property
    def version(self) -> str:
        """Its module and version."""
        try:
            return f"{self.module} {metadata.version(self.module)}"
        except metadata.PackageNotFoundError:
            return f"{self.module} from its source tree"


def by_hand(function: Objective, parameters: Sequence[Any], constants: Sequence[Any]) -> Step:
    """Value and gradients by the row's own formula, in NumPy or plain Python."""
    return lambda: function(*parameters, *constants)


def gatewise(objective: Objective, parameters: Sequence[Any], constants: Sequence[Any]) -> Step:
    """The functional way; the objective is plain NumPy."""
    import gatewise as gw

    places = tuple(range(len(parameters)))
    step = gw.value_and_grad(lambda *traced: objective(np, *traced, *constants), argnums=places)
    return lambda: step(*parameters)


def gatewise_compiled(objective: Objective, parameters: Sequence[Any], constants: Sequence[Any]) -> Step:
    """Value and gradient as one native program."""
    import gatewise as gw

    gw.set_threads(THREADS)
    places = tuple(range(len(parameters)))
    function = gw.value_and_grad(lambda *arguments: objective(np, *arguments), argnums=places)
    step = gw.compile(function)
    return lambda: step(*parameters, *constants)


def gatewise_backward(objective: Objective, parameters: Sequence[Any], constants: Sequence[Any]) -> Step:
    """The imperative way: variables, made once, and ``backward()``."""
    import gatewise as gw

    variables = [gw.variable(parameter) for parameter in parameters]

    def step() -> tuple[Any, Sequence[Any]]:
        for variable in variables:
            variable.grad = None
        result = objective(np, *variables, *constants)
        result.backward()
        return result.value, [variable.grad for variable in variables]

    return step


def micrograd(objective: Objective, parameters: Sequence[Any], constants: Sequence[Any]) -> Step:
    """Scalars only. It lacks exp and sin; they are added the way its author's lecture adds exp."""
    from micrograd.engine import Value

    def function(forward: Callable[[float], float], slope: Callable[[float, float], float]) -> Callable[[Any], Any]:
        def apply(x: Any) -> Any:
            out = Value(forward(x.data), (x,))

            def backward() -> None:
                x.grad += slope(x.data, out.data) * out.grad

            out._backward = backward
            return out

        return apply

    xp = SimpleNamespace(exp=function(math.exp, lambda x, out: out), sin=function(math.sin, lambda x, out: math.cos(x)))

    variables = [Value(parameter) for parameter in parameters]

    def step() -> tuple[Any, Sequence[Any]]:
        for variable in variables:
            variable.grad = 0
        result = objective(xp, *variables, *constants)
        result.backward()
        return result.data, [variable.grad for variable in variables]

    return step


def autograd(objective: Objective, parameters: Sequence[Any], constants: Sequence[Any]) -> Step:
    """HIPS autograd."""
    import autograd.numpy as xp
    from autograd import value_and_grad

    places = tuple(range(len(parameters)))
    step = value_and_grad(lambda *traced: objective(xp, *traced, *constants), argnum=places)
    return lambda: step(*parameters)


def mygrad(objective: Objective, parameters: Sequence[Any], constants: Sequence[Any]) -> Step:
    """MyGrad, with its memory guard off: the speed-up that its documentation recommends."""
    import mygrad as xp

    xp.turn_memory_guarding_off()
    tensors = [xp.tensor(parameter) for parameter in parameters]

    def step() -> tuple[Any, Sequence[Any]]:
        for tensor in tensors:
            tensor.null_grad()
        result = objective(xp, *tensors, *constants)
        result.backward()
        return result.data, [tensor.grad for tensor in tensors]

    return step


def casadi(objective: Objective, parameters: Sequence[Any], constants: Sequence[Any]) -> Step:
    """CasADi: the expression as a virtual machine's program, called through its buffers. Scalars only."""
    import casadi as xp

    symbols = [xp.SX.sym(f"x{i}") for i in range(len(parameters))]
    value, x = objective(xp, *symbols, *constants), xp.vertcat(*symbols)
    function = xp.Function("f", [x], [value, xp.gradient(value, x)])
    buffer, evaluate = function.buffer()
    point, result, gradient = np.array(parameters, float), np.zeros(1), np.zeros(len(parameters))
    buffer.set_arg(0, memoryview(point))
    buffer.set_res(0, memoryview(result))
    buffer.set_res(1, memoryview(gradient))

    def step(kept: Any = (function, buffer, point)) -> tuple[Any, Sequence[Any]]:  # CasADi holds plain addresses only
        evaluate()
        return result[0], list(gradient)

    return step


def torch(objective: Objective, parameters: Sequence[Any], constants: Sequence[Any], compiled: bool = False) -> Step:
    """PyTorch; with `compiled`, the objective is handed to torch.compile."""
    import torch as xp

    xp.set_num_threads(THREADS)
    tensors = [xp.from_numpy(np.array(parameter)).requires_grad_() for parameter in parameters]
    fixed = [xp.from_numpy(constant) if isinstance(constant, np.ndarray) else constant for constant in constants]
    if compiled:
        run = xp.compile(partial(objective, xp))
    else:
        run = partial(objective, xp)

    def step() -> tuple[Any, Sequence[Any]]:
        result = run(*tensors, *fixed)
        return result, xp.autograd.grad(result, tensors)

    return step


def jax(objective: Objective, parameters: Sequence[Any], constants: Sequence[Any], jit: bool = False) -> Step:
    """JAX, each operation dispatched by itself; with `jit`, value and gradient compiled together."""
    import jax
    import jax.numpy as xp

    if any(np.asarray(parameter).dtype == np.float64 for parameter in parameters):
        jax.config.update("jax_enable_x64", True)
    arguments = [c if isinstance(c, int) else xp.array(c) for c in (*parameters, *constants)]
    function = jax.value_and_grad(lambda *traced: objective(xp, *traced), argnums=tuple(range(len(parameters))))
    if jit:
        fixed = [place for place, argument in enumerate(arguments) if isinstance(argument, int)]
        function = jax.jit(function, static_argnums=fixed)
    return lambda: jax.block_until_ready(function(*arguments))


#: Every peer by name, in the order of the tables.
PEERS = {
    peer.name: peer
    for peer in (
        Peer("by hand", "numpy", by_hand),
        Peer("gatewise", "gatewise", gatewise),
        Peer("gatewise backward()", "gatewise", gatewise_backward),
        Peer("gatewise compiled", "gatewise", gatewise_compiled, traced=False),
        Peer("micrograd", "micrograd", micrograd),
        Peer("autograd", "autograd", autograd),
        Peer("mygrad", "mygrad", mygrad),
        Peer("casadi", "casadi", casadi, traced=False),
        Peer("torch eager", "torch", torch, traced=False),
        Peer("torch.compile", "torch", partial(torch, compiled=True), traced=False),
        Peer("jax", "jax", jax, traced=False),
        Peer("jax jit", "jax", partial(jax, jit=True), traced=False),
    )
}
