"""Solutions of equations as gates: `root` and `fixed_point`.

However a solution was found, its derivative follows from the equation it solves (the implicit function theorem): where
f(x, a) = 0, moving a by da moves x by dx with J dx + K da = 0, J and K being the Jacobians of f by x and by a. So a
gradient g on x becomes -Kᵀ u on a, with Jᵀ u = g: one linear system, and nothing of the iterations is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from gatewise import gates, tree
from gatewise.errors import ConvergenceError, DTypeError, LinearAlgebraError, ShapeError
from gatewise.gate import Gate
from gatewise.graph import Spec, Tracked, apply, arrayed, dtype_name, surfaced, untracked
from gatewise.jacobians import jacobian
from gatewise.transforms import vjp

#: Newton steps, and halvings of one of them, before the search is given up.
STEPS, HALVINGS = 50, 30

#: A solver takes a function of one vector and a first guess, plain arrays both, and returns the solution.
Solver = Callable[[Callable[[Any], Any], Any], Any]


class _Solution(Gate):
    """The solution of an equation as a vector, from what the equation depends on; made anew for every call."""

    symbol = "f=0"
    story = "follows the equation: the upstream gradient is divided by how the equation feels x, times how it feels a"

    def __init__(self, f: Callable[..., Any], start: Any, solver: Solver, name: str) -> None:
        self.f, self.start, self.solver = f, start, solver
        self.name = name  # type: ignore[misc]
        self._last: tuple[Any, Any] = (None, None)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def forward(self, xp: Any, *inputs: Any) -> Any:
        if xp is not np:
            raise DTypeError(f"{self.name} solves equations of NumPy arrays")
        return self.solver(lambda x: self.residual(x, inputs), self.start)

    def residual(self, x: Any, inputs: Sequence[Any]) -> Any:
        """The equation's left side, a vector as long as x."""
        value = self.f(x, *inputs)
        if isinstance(value, Tracked) and not any(isinstance(a, Tracked) for a in (x, *inputs)):
            raise DTypeError(
                f"{self.name}: the function uses a traced array that is not among its arguments; pass it as one, so "
                "that its gradient can be found"
            )
        return value

    def local(self, index: int, g: Any, inputs: Any, out: Any) -> Any:
        seen, gradients = self._last
        if seen is not g:
            gradients = self._pull(g, inputs, out)
            self._last = (g, gradients)
        if index == len(inputs) - 1:
            self._last = (None, None)
        return gradients[index]

    def _pull(self, g: Any, inputs: tuple[Any, ...], out: Any) -> Any:
        inputs, out = tuple(map(surfaced, inputs)), surfaced(out)
        slopes = jacobian(lambda x: self.f(x, *inputs), mode="reverse")(out)
        try:
            u = gates.solve(gates.permute_dims(slopes, (1, 0)), surfaced(g))
        except LinearAlgebraError as error:
            raise LinearAlgebraError(_singular(f"at the solution ({error.reason})")) from None
        floating = [i for i, a in enumerate(inputs) if dtype_name(arrayed(a).dtype).startswith(("float", "complex"))]

        def moved(*arrays: Any) -> Any:
            full = list(inputs)
            for i, array in zip(floating, arrays, strict=True):
                full[i] = array
            return self.f(out, *full)

        found = dict(zip(floating, vjp(moved, *[inputs[i] for i in floating])[1](u), strict=True))
        return [-found[i] if i in found else None for i in range(len(inputs))]

    def infer(self, *specs: Spec) -> Spec:
        return Spec(self.start.shape, self.start.dtype)


def newton(f: Callable[[Any], Any], start: Any) -> Any:
    """Newton's method with steps halved until the residual shrinks.

    It ends once steps are below the square root of the precision, relative to x or to the way from `start`, and the
    residual shrinks no more: rounding is all that is left then, whatever the scale of the equation.

    Raises:
        ConvergenceError: The residual does not shrink any more, or steps are not so small after 50 of them.
        LinearAlgebraError: The equation does not depend on x in some direction.
    """
    x = np.array(start)
    slopes_of = jacobian(f, mode="reverse")
    with np.errstate(all="ignore"):
        value = np.asarray(f(x))
        for _ in range(STEPS):
            size = _largest(value)
            if size == 0:
                return x
            step = _solved(np.asarray(slopes_of(x)), value)
            last = _largest(step) <= np.sqrt(np.finfo(x.dtype).eps) * max(_largest(x), _largest(x - start))
            for halving in range(HALVINGS):
                tried = x - step / 2**halving
                new = np.asarray(f(tried))
                if _largest(new) < size:
                    break
                if last:
                    return x
            else:
                raise ConvergenceError(_no_convergence(size, "no step along Newton's direction makes it smaller"))
            if last and _largest(new) > size / 4:
                return tried
            x, value = tried, new
    raise ConvergenceError(_no_convergence(_largest(value), f"after {STEPS} Newton steps"))


def _checked(solver: Solver) -> Solver:
    """A solver of the user's, whose result is made sure of."""

    def solve(f: Callable[[Any], Any], start: Any) -> Any:
        x = np.asarray(solver(f, start.copy()))
        if x.shape != start.shape:
            raise ShapeError(f"the solver must return a vector of {start.size} numbers; it returned shape {x.shape}")
        x = x.astype(start.dtype)
        size, before = _largest(f(x)), _largest(f(start))
        if not size <= np.sqrt(np.finfo(x.dtype).eps) * max(1.0, before):
            raise ConvergenceError(_no_convergence(size, "where the given solver stopped"))
        return x

    return solve


def _largest(vector: Any) -> float:
    return float(np.max(np.abs(vector), initial=0.0))


def _no_convergence(size: float, why: str) -> str:
    return (
        f"the equation is not solved: its largest residual is {size:.3g}, {why}. Start nearer to a solution, scale the "
        "equation so that its entries are about 1, or pass a solver of your own: solver(f, x0)"
    )


def _solved(slopes: Any, value: Any) -> Any:
    try:
        step = np.linalg.solve(slopes, value)
    except np.linalg.LinAlgError:
        step = np.full_like(value, np.nan)
    if not np.all(np.isfinite(step)):
        raise LinearAlgebraError(_singular("on the way to a solution"))
    return step


def _singular(where: str) -> str:
    return (
        f"the equation does not determine x: its Jacobian by x is singular {where}; add the missing equations, start "
        "elsewhere, or, if only the way there is singular, pass a solver of your own: solver(f, x0)"
    )


def root(f: Callable[..., Any], x0: Any, *args: Any, solver: Solver | None = None) -> Any:
    """The x near `x0` for which ``f(x, *args)`` is zero, differentiable by `args`.

    The gradient comes from the equation, not from the iterations: it costs one linear system of the size of x, whatever
    the solver did, and is itself differentiable to any order. Nothing flows back to `x0`.

    Args:
        f: Returns as many numbers as x has, in the structure of x.
        x0: The first guess: an array, or a nested dict, list or tuple of arrays.
        *args: What else the equation depends on; traced arrays must be among them.
        solver: Called with (function, first guess), plain vectors both, it returns the solution; for example
            ``lambda f, x0: scipy.optimize.root(f, x0, method="krylov").x``. Newton's method with damping when left out,
            for up to some thousand unknowns: its Jacobian is dense.

    Raises:
        ConvergenceError: No solution was found, by Newton's method or by `solver`; says how large the residual is.
        LinearAlgebraError: The Jacobian of `f` by x is singular.
        ShapeError: `f` does not return as many numbers as x has.
        DTypeError: `f` uses a traced array that is not among its arguments.

    Example:
        >>> import gatewise as gw
        >>> square_root = lambda a: gw.root(lambda x, a: x * x - a, 1.0, a)
        >>> float(square_root(9.0)), round(float(gw.grad(square_root)(9.0)), 12)
        (3.0, 0.166666666667)
    """
    return _solution(f, x0, args, newton if solver is None else _checked(solver), "root")


def fixed_point(f: Callable[..., Any], x0: Any, *args: Any, solver: Solver | None = None) -> Any:
    """The x near `x0` for which ``f(x, *args)`` is x itself, differentiable by `args`. See `root`.

    Example:
        The number whose cosine it is:

        >>> import gatewise as gw, numpy as np
        >>> round(float(gw.fixed_point(lambda x, a: np.cos(a * x), 0.5, 1.0)), 9)
        0.739085133
    """

    def difference(x: Any, *rest: Any) -> Any:
        value = f(x, *rest)
        if not tree.same_structure(value, x):
            raise ShapeError("fixed_point: the function must return what has the structure of x")
        leaves, rebuild = tree.flatten(x)
        return rebuild([old - new for old, new in zip(leaves, tree.flatten(value)[0], strict=True)])

    return _solution(difference, x0, args, newton if solver is None else _checked(solver), "fixed_point")


def _solution(f: Callable[..., Any], x0: Any, args: tuple[Any, ...], solver: Solver, name: str) -> Any:
    unknowns, rebuild_x = tree.flatten(x0)
    guesses = [np.asarray(untracked(arrayed(leaf))) for leaf in unknowns]
    guesses = [guess if guess.dtype.kind == "f" else guess.astype(float) for guess in guesses]
    shapes, dtype = [guess.shape for guess in guesses], np.result_type(*guesses) if guesses else np.dtype(float)
    given, rebuild_args = tree.flatten(args)
    places = [i for i, leaf in enumerate(given) if tree.is_leaf(leaf) or hasattr(leaf, "shape")]
    leaves = [given[i] for i in places]  # the others, names and functions, are handed on as they are

    def split(vector: Any) -> Any:
        """x in its own structure."""
        parts, place = [], 0
        for shape in shapes:
            whole = vector[place : place + prod(shape)]
            parts.append(gates.reshape(whole, shape) if shape else whole[0])
            place += prod(shape)
        return rebuild_x(parts)

    def flat(vector: Any, *arrays: Any) -> Any:
        current = list(given)
        for place, array in zip(places, arrays, strict=True):
            current[place] = array
        values = [gates.ravel(arrayed(v)) for v in tree.flatten(f(split(vector), *rebuild_args(current)))[0]]
        whole = gates.concat(values) if len(values) != 1 else values[0]
        if whole.shape != vector.shape:
            raise ShapeError(
                f"{name}: the function returned {whole.shape[0]} numbers for an x of {vector.shape[0]}: an equation "
                "needs as many as there are unknowns"
            )
        return gates.astype(whole, vector.dtype)

    start = np.concatenate([guess.ravel() for guess in guesses]).astype(dtype)
    gate = _Solution(flat, start, solver, name)
    solved = apply(gate, *leaves) if leaves else gate.forward(np)
    return split(solved)


__all__ = ["fixed_point", "newton", "root"]
