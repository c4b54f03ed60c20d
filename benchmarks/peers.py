"""The peers, one adapter each. What is computed stands in `rows`, how it is timed in `measure`.

An adapter takes an objective, ``objective(xp, *parameters, *constants)``, and those arguments as NumPy arrays or Python
numbers, and returns a *step*: a function of no arguments that returns value and gradients when they are ready. The
objective is handed the library's own NumPy-like namespace as `xp`. Where a row is about another derivative than the
gradient, its objectives take that derivative `themselves`: the library compiles them, if it compiles at all, and the
step returns what they return.
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
Step = Callable[[], Any]


@dataclass(frozen=True)
class Peer:
    """A way of getting a gradient: a library used in one of its styles, or no library at all."""

    name: str
    module: str
    build: Callable[..., Step]
    traced: bool = True  # it allocates through Python and NumPy, so tracemalloc sees every byte
    needs: tuple[str, ...] = ()  # what it imports beside `module`, at the latest when it compiles

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


def by_hand(function: Objective, parameters: Sequence[Any], constants: Sequence[Any], themselves: bool = False) -> Step:
    """Value and gradients by the row's own formula, in NumPy or plain Python."""
    return lambda: function(*parameters, *constants)


def by_hand_in_numba(
    maker: Objective, parameters: Sequence[Any], constants: Sequence[Any], themselves: bool = False
) -> Step:
    """The same as loops over numbers, which Numba compiles; `maker` is handed Numba and returns the function."""
    import numba

    numba.set_num_threads(THREADS)
    return by_hand(maker(numba), parameters, constants)


def gatewise(
    objective: Objective, parameters: Sequence[Any], constants: Sequence[Any], themselves: bool = False
) -> Step:
    """The functional way; the objective is plain NumPy."""
    import gatewise as gw

    if themselves:
        return lambda: objective(np, *parameters, *constants)
    places = tuple(range(len(parameters)))
    step = gw.value_and_grad(lambda *traced: objective(np, *traced, *constants), argnums=places)
    return lambda: step(*parameters)


def gatewise_compiled(
    objective: Objective, parameters: Sequence[Any], constants: Sequence[Any], themselves: bool = False
) -> Step:
    """Value and gradient as one native program, which can report how much work it is."""
    import gatewise as gw

    gw.set_threads(THREADS)
    places = tuple(range(len(parameters)))
    function = partial(objective, np)
    compiled = gw.compile(function if themselves else gw.value_and_grad(function, argnums=places))

    def step() -> Any:
        return compiled(*parameters, *constants)

    step.report = compiled.report  # type: ignore[attr-defined]
    return step


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


def autograd(
    objective: Objective, parameters: Sequence[Any], constants: Sequence[Any], themselves: bool = False
) -> Step:
    """HIPS autograd."""
    import autograd.numpy as xp
    from autograd import value_and_grad

    if themselves:
        return lambda: objective(xp, *parameters, *constants)
    places = tuple(range(len(parameters)))
    step = value_and_grad(lambda *traced: objective(xp, *traced, *constants), argnum=places)
    return lambda: step(*parameters)


def mygrad(objective: Objective, parameters: Sequence[Any], constants: Sequence[Any], themselves: bool = False) -> Step:
    """MyGrad, with its memory guard off: the speed-up that its documentation recommends."""
    import mygrad as xp

    xp.turn_memory_guarding_off()
    if themselves:
        return lambda: objective(xp, *parameters, *constants)
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


def tinygrad(
    objective: Objective, parameters: Sequence[Any], constants: Sequence[Any], themselves: bool = False
) -> Step:
    """tinygrad with its JIT, which calls clang, or what CC names; `xp` is its class of tensors."""
    from tinygrad import Device, Tensor, TinyJit

    tensors = [
        Tensor(argument).contiguous().realize() if isinstance(argument, np.ndarray) else argument
        for argument in (*parameters, *constants)
    ]
    device = Device[Device.DEFAULT]

    @TinyJit
    def run() -> Any:
        results = objective(Tensor, *tensors)
        if not themselves:
            results = (results, *results.gradient(*tensors[: len(parameters)]))
        Tensor.realize(*results)
        return results

    def step() -> Any:
        results = run()
        device.synchronize()
        return results

    return step


def torch(
    objective: Objective,
    parameters: Sequence[Any],
    constants: Sequence[Any],
    themselves: bool = False,
    compiled: bool = False,
) -> Step:
    """PyTorch; with `compiled`, the objective is handed to torch.compile."""
    import torch as xp

    xp.set_num_threads(THREADS)
    fixed = [xp.from_numpy(constant) if isinstance(constant, np.ndarray) else constant for constant in constants]
    tensors = [xp.from_numpy(np.array(parameter)) for parameter in parameters]
    run = xp.compile(partial(objective, xp)) if compiled else partial(objective, xp)
    if themselves:
        return lambda: run(*tensors, *fixed)
    for tensor in tensors:
        tensor.requires_grad_()

    def step() -> Any:
        result = run(*tensors, *fixed)
        return result, xp.autograd.grad(result, tensors)

    return step


def jax(
    objective: Objective,
    parameters: Sequence[Any],
    constants: Sequence[Any],
    themselves: bool = False,
    jit: bool = False,
) -> Step:
    """JAX, each operation dispatched by itself; with `jit`, value and gradient compiled together."""
    import jax
    import jax.numpy as xp

    if any(np.asarray(parameter).dtype == np.float64 for parameter in parameters):
        jax.config.update("jax_enable_x64", True)
    arguments = [c if isinstance(c, int) else xp.array(c) for c in (*parameters, *constants)]
    function = partial(objective, xp)
    if not themselves:
        function = jax.value_and_grad(function, argnums=tuple(range(len(parameters))))
    if jit:
        fixed = [place for place, argument in enumerate(arguments) if isinstance(argument, int)]
        function = jax.jit(function, static_argnums=fixed)
    return lambda: jax.block_until_ready(function(*arguments))


#: Every peer by name, in the order of the tables.
PEERS = {
    peer.name: peer
    for peer in (
        Peer("by hand", "numpy", by_hand),
        Peer("by hand in numba", "numba", by_hand_in_numba, traced=False),
        Peer("gatewise", "gatewise", gatewise),
        Peer("gatewise backward()", "gatewise", gatewise_backward),
        Peer(
            "gatewise compiled", "gatewise", gatewise_compiled, traced=False,
            needs=("llvmlite.binding", "gatewise.native.compiled", "optree"),
        ),
        Peer("micrograd", "micrograd", micrograd, needs=("micrograd.engine",)),
        Peer("autograd", "autograd", autograd, needs=("autograd.numpy",)),
        Peer("mygrad", "mygrad", mygrad),
        Peer("casadi", "casadi", casadi, traced=False),
        Peer("tinygrad", "tinygrad", tinygrad, traced=False),
        Peer("torch eager", "torch", torch, traced=False),
        Peer(
            "torch.compile", "torch", partial(torch, compiled=True), traced=False,
            needs=("torch._dynamo", "torch._inductor.compile_fx"),
        ),
        Peer("jax", "jax", jax, traced=False, needs=("jax.numpy", "jaxlib.mlir.dialects.mhlo")),
        Peer("jax jit", "jax", partial(jax, jit=True), traced=False, needs=("jax.numpy", "jaxlib.mlir.dialects.mhlo")),
    )
}  # fmt: skip
