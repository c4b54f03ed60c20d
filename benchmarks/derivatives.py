"""Rows of other derivatives than value and gradient: each a process that checks its result and prints its seconds.

python benchmarks/derivatives.py per-example "jax jit"
python benchmarks/derivatives.py tridiagonal gatewise
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter as clock
from typing import Any

import numpy as np

EXAMPLES, PARAMETERS, ENTRIES = 10_000, 100, 100_000


# --------------------------------------------------------------------------------------------- gradients per example


def logistic(xp: Any, w: Any, x: Any, y: Any) -> Any:
    return xp.log1p(xp.exp(-y * (x @ w)))


def data() -> tuple[Any, Any, Any]:
    random = np.random.default_rng(0)
    x = random.standard_normal((EXAMPLES, PARAMETERS))
    return random.standard_normal(PARAMETERS) / 10, x, np.sign(random.standard_normal(EXAMPLES))


def per_example_by_hand() -> Callable[[], Any]:
    w, x, y = data()
    return lambda: (-y / (1 + np.exp(y * (x @ w))))[:, None] * x


def per_example_gatewise(compiled: bool = False) -> Callable[[], Any]:
    from peers import THREADS

    import gatewise as gw

    gw.set_threads(THREADS)
    gradients = gw.vmap(gw.grad(lambda w, x, y: logistic(np, w, x, y)), in_axes=(None, 0, 0))
    if compiled:
        gradients = gw.compile(gradients)
    arguments = data()
    return lambda: gradients(*arguments)


def per_example_jax() -> Callable[[], Any]:
    import jax
    import jax.numpy as xp

    jax.config.update("jax_enable_x64", True)
    gradients = jax.jit(jax.vmap(jax.grad(lambda w, x, y: logistic(xp, w, x, y)), in_axes=(None, 0, 0)))
    arguments = [xp.asarray(argument) for argument in data()]
    return lambda: gradients(*arguments).block_until_ready()


# -------------------------------------------------------------------------------------------------- a sparse Jacobian


def reaction(x: Any) -> Any:
    """A second difference and a nonlinear term, with the ends held."""
    inside = x[2:] - 2 * x[1:-1] + x[:-2] + 0.01 * np.sin(x[1:-1]) * x[2:]
    return np.concatenate([x[:1], inside, x[-1:]])


def point() -> Any:
    return np.random.default_rng(0).standard_normal(ENTRIES)


def reaction_itself() -> Callable[[], Any]:
    x = point()
    return lambda: reaction(x)


def tridiagonal(kept: bool) -> Callable[[], Any]:
    import gatewise as gw

    x = point()
    jacobian = gw.sparse_jacobian(reaction)
    jacobian(x)
    return lambda: (jacobian if kept else gw.sparse_jacobian(reaction))(x)


def is_tridiagonal(found: Any) -> bool:
    from scipy.sparse import diags_array

    x = point()
    middle, after = np.ones(ENTRIES), np.zeros(ENTRIES - 1)
    middle[1:-1] = -2 + 0.01 * np.cos(x[1:-1]) * x[2:]
    after[1:] = 1 + 0.01 * np.sin(x[1:-1])
    before = np.append(np.ones(ENTRIES - 2), 0.0)
    return bool(abs(found - diags_array([before, middle, after], offsets=[-1, 0, 1])).max() < 1e-12)


#: Per row: what each way of computing it is called and how it is built, and how a result is checked.
WAYS: dict[str, tuple[dict[str, Callable[[], Callable[[], Any]]], Callable[[Any], bool]]] = {
    "per-example": (
        {
            "by hand": per_example_by_hand,
            "gatewise": per_example_gatewise,
            "gatewise compiled": lambda: per_example_gatewise(compiled=True),
            "jax jit": per_example_jax,
        },
        lambda found: np.allclose(found, per_example_by_hand()(), rtol=1e-9),
    ),
    "tridiagonal": (
        {
            "the function": reaction_itself,
            "gatewise": lambda: tridiagonal(kept=True),
            "gatewise, pattern not known": lambda: tridiagonal(kept=False),
        },
        lambda found: isinstance(found, np.ndarray) or is_tridiagonal(found),
    ),
}


def main(row: str, way: str) -> None:
    """Time one way of one row for half a second or more."""
    ways, is_right = WAYS[row]
    step = ways[way]()
    if not is_right(step()):
        raise SystemExit("wrong derivative")
    times: list[float] = []
    while sum(times) < 0.5 or len(times) < 5:
        start = clock()
        step()
        times.append(clock() - start)
    print(median(times))


if __name__ == "__main__":
    main(*sys.argv[1:])
