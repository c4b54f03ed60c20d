"""Transforms: functions that take a function and give back its gradient, products with its Jacobian, and so on.

Each makes fresh leaves of the arguments, runs the user's function on them once, and sweeps. They nest to any order,
because a sweep that meets an enclosing transform's nodes is recorded like any other computation.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NoReturn

import numpy as np

from gatewise import gates, libraries, tree
from gatewise.array import Array, require_differentiable, seed, stop_gradient
from gatewise.backward import Plan, has_nan, plan, sweep
from gatewise.errors import DTypeError, InputError, ShapeError
from gatewise.forward import push
from gatewise.gates.conversion import IDENTITY, INPUT
from gatewise.graph import (
    NUMPY_TYPES,
    Leaf,
    Tracked,
    arrayed,
    dtype_name,
    filled,
    is_complex,
    namespace,
    plain,
    surfaced,
    untracked,
)
from gatewise.source import here


def track(value: Any, name: str | None = None) -> Array:
    """A fresh leaf that wants a gradient, for `value`, which may itself be traced by an enclosing transform.

    Raises:
        DTypeError: The value is not floating or complex.
    """
    source = None
    wrap: type[Array] = Array
    if isinstance(value, Array):
        source, value, wrap = value.node, value.value, type(value)
        if getattr(value, "weak", False):
            value = value.strengthened()
    elif type(value) is float:
        value = np.float64(value)
    elif type(value) is not np.ndarray:
        value = plain(value)
        libraries.refuse_recorded(value, "it")
        if type(value) is complex:
            value = np.complex128(value)
    require_differentiable(value, "it")
    return wrap.of(Leaf(INPUT if source is None else IDENTITY, value, name, source), value)


def argument_name(f: Callable[..., Any], position: int) -> str:
    """The name `f` gives its positional argument, for messages and pictures."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        return f"argument {position}"
    if position < len(parameters) and parameters[position].kind is not inspect.Parameter.VAR_POSITIONAL:
        return parameters[position].name
    rest = next((p for p in parameters if p.kind is inspect.Parameter.VAR_POSITIONAL), None)
    return f"{rest.name}[{position - parameters.index(rest)}]" if rest else f"argument {position}"


class Run:
    """One run of a function on fresh leaves: its output, and the gradients it can be asked for."""

    def __init__(self, f: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], positions: Sequence[int]):
        traced = list(args)
        self.leaves: list[Leaf] = []
        self.rebuilds: list[tuple[int, Callable[[list[Any]], Any]]] = []
        if len({position % max(len(args), 1) for position in positions}) != len(positions):
            raise InputError(f"argnums {tuple(positions)} names an argument twice{here()}")
        for position in positions:
            if not -len(args) <= position < len(args):
                raise InputError(
                    f"argnums asks for argument {position}, but {_name(f)} got {len(args)} arguments{here()}"
                )
            leaves, rebuild = tree.flatten(args[position])
            try:
                arrays = [track(leaf) for leaf in leaves]
            except DTypeError:
                self._refuse(f, args, position, leaves)
            traced[position] = rebuild(arrays)
            self.leaves.extend([array.node for array in arrays])  # type: ignore[misc]
            self.rebuilds.append((len(arrays), rebuild))
        self.output = f(*traced, **kwargs)

    def _refuse(self, f: Callable[..., Any], args: Sequence[Any], position: int, leaves: list[Any]) -> NoReturn:
        """Raise for the first leaf of an argument that carries no gradient, by its name."""
        for leaf, name in zip(leaves, tree.names(args[position], argument_name(f, position % len(args))), strict=True):
            try:
                track(leaf)
            except DTypeError as error:
                raise DTypeError(f"{_name(f)}, gradient with respect to {name}: {error.reason}") from None
        raise AssertionError("one of the leaves was refused")

    def route(self, outputs: Sequence[Any]) -> Plan:
        """The nodes between `outputs` and the leaves."""
        if not self.leaves:
            return Plan([], (), 0, False)
        return plan([output.node for output in outputs if isinstance(output, Tracked)], self.leaves)

    def flat_gradients(self, route: Plan, outputs: Sequence[Any], upstream: Sequence[Any]) -> list[Any]:
        """A gradient for every leaf of the differentiated arguments."""
        if not self.leaves:
            return []
        seeds = [
            (output.node, seed)
            for output, seed in zip(outputs, upstream, strict=True)
            if isinstance(output, Tracked) and output.node.leaf >= route.oldest
        ]
        flat = sweep(route, seeds, self.leaves, Array)
        return [
            surfaced(filled(leaf.value, 0) if gradient is None else gradient)
            for leaf, gradient in zip(self.leaves, flat, strict=True)
        ]

    def gradients(self, route: Plan, outputs: Sequence[Any], upstream: Sequence[Any]) -> tuple[Any, ...]:
        """Gradients in the structure of each differentiated argument."""
        return self.rebuilt(self.flat_gradients(route, outputs, upstream))

    def rebuilt(self, flat: list[Any]) -> tuple[Any, ...]:
        """One thing per leaf, in the structure of each differentiated argument."""
        result = []
        for number, rebuild in self.rebuilds:
            result.append(rebuild(flat[:number]))
            flat = flat[number:]
        return tuple(result)


def _name(f: Any) -> str:
    return f"{getattr(f, '__name__', type(f).__name__)}()"


def _released(value: Any, nested: bool) -> Any:
    """What the caller gets: plain values, or traced ones when an enclosing transform will want them."""
    return value if nested or not isinstance(value, Tracked) else surfaced(value.value)


_REAL = frozenset({np.dtype("float64"), np.dtype("float32")})


def positions_of(argnums: Any) -> tuple[int, ...]:
    """argnums as a tuple of integers."""
    return tuple(map(operator.index, argnums)) if isinstance(argnums, tuple | list) else (operator.index(argnums),)


def _scalar(output: Any, f: Any, what: str) -> Any:
    """Check that `output` is a single real number, as a gradient needs."""
    if (
        isinstance(output, Tracked)
        and output.node.shape == ()
        and type(output.value) in NUMPY_TYPES  # another library's dtypes do not compare with NumPy's
        and output.value.dtype in _REAL
    ):
        return output
    if not isinstance(output, Tracked | np.ndarray | np.generic | int | float | complex) and not hasattr(
        output, "shape"
    ):
        raise ShapeError(
            f"{what} needs a function that returns a single number; {_name(f)} returned {type(output).__name__}. "
            f"If it returns (loss, extra), pass has_aux=True"
        )
    if np.shape(output) != ():
        raise ShapeError(
            f"{what} needs a function that returns a single number; {_name(f)} returned shape {np.shape(output)}. "
            f"Sum it, or use gw.jacobian for the gradient of every entry"
        )
    if isinstance(output, Tracked):
        if "complex" in str(output.value.dtype):
            raise DTypeError(f"{what} needs a real number; {_name(f)} returned a complex one: take .real or abs()")
        require_differentiable(output.value, f"the result of {_name(f)}")
    return output


def value_and_grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that returns both what `f` returns and its gradient.

    Args:
        f: Returns a single real number; with `has_aux`, a pair of that and anything else.
        argnums: Which positional arguments to differentiate by; for a sequence the gradient is a tuple. An argument may
            be a nested dict, list, tuple or dataclass of floating or complex arrays.
        has_aux: Whether `f` returns a pair (loss, extra); then the result is ((loss, extra), gradient).

    Returns:
        A function with the arguments of `f`. The gradient has the structure, shapes and dtypes of the arguments. For
        complex arguments it is ∂f/∂Re + i·∂f/∂Im, so that ``z -= rate * gradient`` descends.

    Raises:
        ShapeError: `f` does not return a single number.
        DTypeError: An argument differentiated by is an integer or boolean, or the result is complex.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> value, gradient = gw.value_and_grad(lambda x: np.sum(x ** 2))(np.array([1.0, 2.0]))
        >>> float(value), gradient.tolist()
        (5.0, [2.0, 4.0])
    """
    positions = positions_of(argnums)
    single = isinstance(argnums, int)

    @wraps(f)
    def with_gradient(*args: Any, **kwargs: Any) -> Any:
        run = Run(f, args, kwargs, positions)
        output, aux = run.output, None
        if has_aux:
            if not isinstance(output, tuple) or len(output) != 2:
                raise ShapeError(f"has_aux=True needs {_name(f)} to return a pair (loss, extra)")
            output, aux = output
        output = _scalar(output, f, "a gradient")
        route = run.route([output])
        one = filled(output.value, 1) if isinstance(output, Tracked) else 1.0
        gradients = run.gradients(route, [output], [one])
        value = _released(output, route.nested)
        if has_aux:
            leaves, rebuild = tree.flatten(aux)
            value = (value, rebuild([_released(leaf, route.nested) for leaf in leaves]))
        return value, (gradients[0] if single else gradients)

    return with_gradient


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function that returns the gradient of `f`. See `value_and_grad` for arguments and errors.

    With `has_aux` it returns (gradient, extra).

    Example:
        >>> import gatewise as gw
        >>> f = lambda x, y, z: (x + y) * z
        >>> [float(g) for g in gw.grad(f, argnums=(0, 1, 2))(-2.0, 5.0, -4.0)]
        [-4.0, -4.0, 3.0]
        >>> float(gw.grad(gw.grad(lambda x: x ** 3))(2.0))
        12.0
    """
    both = value_and_grad(f, argnums, has_aux)

    @wraps(f)
    def gradient_of(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return gradient_of


def vjp(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """The value of `f` at `primals`, and the function that pulls an upstream gradient back to them.

    Returns:
        (value, pullback). ``pullback(upstream)`` takes a gradient of the value's structure and shapes and returns a
        tuple with one gradient per primal; it may be called any number of times.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> value, pullback = gw.vjp(np.exp, np.array([0.0, 1.0]))
        >>> pullback(np.array([1.0, 0.0]))[0].tolist()
        [1.0, 0.0]
    """
    run = Run(f, [tree.copied(primal) for primal in primals], {}, range(len(primals)))
    outputs, rebuild = tree.flatten(run.output)
    route = run.route(outputs)

    def pullback(upstream: Any) -> tuple[Any, ...]:
        seeds = _matching(upstream, run.output, "the upstream gradient", "the value")
        return run.gradients(route, outputs, seeds)

    return tree.copied(rebuild([_released(output, route.nested) for output in outputs])), pullback


def _matching(given: Any, wanted: Any, what: str, whose: str) -> list[Any]:
    """Leaves of `given`, checked to have the structure and shapes of `wanted`, in its dtypes."""
    if not tree.same_structure(given, wanted):
        raise ShapeError(f"{what} must have the structure of {whose}: the same dicts, lists and tuples")
    pairs = zip(tree.flatten(given)[0], tree.flatten(wanted)[0], strict=True)
    return [seed(leaf, arrayed(untracked(like)), what) for leaf, like in pairs]


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """The value of `f` at `primals`, and how fast it changes when they move along `tangents`.

    Computed by a forward sweep that derives every step from the gates' local gradients.

    Returns:
        (value, tangent), both in the structure of what `f` returns.

    Raises:
        ShapeError: Tangents do not match the primals.

    Example:
        >>> import gatewise as gw
        >>> value, tangent = gw.jvp(lambda x, y: x * y, (3.0, 4.0), (1.0, 0.0))
        >>> float(value), float(tangent)
        (12.0, 4.0)
    """
    run = Run(f, primals, {}, range(len(primals)))
    directions = _matching(tuple(tangents), tuple(primals), "the tangent", "its primal")
    outputs, rebuild = tree.flatten(run.output)
    route = run.route(outputs)
    nested = route.nested or any(isinstance(t, Tracked) for t in directions)
    reached = [output.node for output in outputs if isinstance(output, Tracked)]
    known = push(route, dict(zip(run.leaves, directions, strict=True)), reached, Array)
    moved = []
    for output in outputs:
        tangent = known.get(output.node) if isinstance(output, Tracked) else None
        if tangent is None:
            tangent = filled(arrayed(stop_gradient(output)), 0)
        elif has_nan(tangent):
            with np.errstate(all="ignore"):
                moved_back = _transposed_pullback(run, route, output, directions)
            tangent = _released(moved_back, nested)
        moved.append(surfaced(tangent))
    return rebuild([_released(output, nested) for output in outputs]), rebuild(moved)


def _transposed_pullback(run: Run, route: Plan, output: Array, directions: Sequence[Any]) -> Any:
    """The tangent of `output` by transposing its backward sweep, which keeps zeros zero where the forward one cannot.

    The pullback of an upstream gradient u is linear in u, so the gradient of <pullback(u), directions> with respect to
    u is the tangent, whatever u is; entries that differ keep accidental zeros out of the pullback.
    """
    probe = 1 + 0.1 * np.cos(np.arange(output.size)).reshape(output.shape).astype(dtype_name(output.node.dtype))
    value = output.value
    upstream = track(libraries.placed(namespace((value,)), probe[()], value))
    recorded = Plan(route.nodes, route.leaves, route.oldest, nested=True)
    pulled = sweep(recorded, [(output.node, upstream)], run.leaves, Array)
    total = 0.0
    for gradient, direction in zip(pulled, directions, strict=True):
        if gradient is not None:
            products = gates.conj(gradient) * direction if is_complex(gradient.dtype) else gradient * direction
            total = total + gates.sum(gates.real(products))
    if not isinstance(total, Tracked):  # every gradient is zero, whatever the upstream gradient
        return filled(output.value, 0)
    leaf = upstream.node
    assert isinstance(leaf, Leaf)
    back = plan([total.node], [leaf])
    return sweep(back, [(total.node, filled(total.value, 1))], [leaf], Array)[0]


def hvp(f: Callable[..., Any], x: Any, v: Any) -> Any:
    """The Hessian of `f` at `x` times `v`, without forming the Hessian: a forward sweep over the gradient.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> gw.hvp(lambda x: np.sum(x ** 3), np.array([1.0, 2.0]), np.array([1.0, 1.0])).tolist()
        [6.0, 12.0]
    """
    return jvp(grad(f), (x,), (v,))[1]
