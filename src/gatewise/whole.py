"""Whole functions as single gates: `checkpoint`, which recomputes instead of storing, and `custom_gradient`.

On the circuit such a function is one gate, with one input wire per array it takes. Its local gradient is not a formula
of ours but another run: of the function itself (`checkpoint`), or of what its author says (`custom_gradient`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from gatewise import tree
from gatewise.errors import DTypeError, ShapeError
from gatewise.gate import Gate
from gatewise.graph import Spec, Tracked, apply, untracked
from gatewise.symbolic import Symbol, written
from gatewise.transforms import vjp


class _WholeFunction(Gate):
    """A function of some arrays as a gate; made anew for every call."""

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f
        self.name = getattr(f, "__name__", "function")  # type: ignore[misc]
        self._last: tuple[Any, Any] = (None, None)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def local(self, index: int, g: Any, inputs: Any) -> Any:
        seen, gradients = self._last
        if seen is not g:
            gradients = self.pull(g, inputs)
            self._last = (g, gradients)
        if index == len(inputs) - 1:
            self._last = (None, None)
        return gradients[index]

    def pull(self, g: Any, inputs: tuple[Any, ...]) -> Any:
        """Gradients with respect to all inputs."""
        raise NotImplementedError


class _Checkpoint(_WholeFunction):
    symbol = "↺"
    story = "recomputes: the function is run again, and the upstream gradient sent back through that run"

    def forward(self, xp: Any, *inputs: Any) -> Any:
        out = self.f(*inputs)
        if isinstance(out, Tracked):
            raise DTypeError(
                f"checkpoint: {self.name}() uses a traced array that is not among its arguments; pass it as one, "
                "so that its gradient can be found"
            )
        if not hasattr(out, "shape"):
            raise ShapeError(f"checkpoint: {self.name}() must return one array; it returned {type(out).__name__}")
        return out

    def pull(self, g: Any, inputs: tuple[Any, ...]) -> Any:
        return vjp(self.f, *inputs)[1](g)


class _Custom(_WholeFunction):
    symbol = "∂"
    story = "follows its author: the gradients are those that the function gives itself"

    def forward(self, xp: Any, *inputs: Any) -> Any:
        return self.split(inputs)[0]

    def pull(self, g: Any, inputs: tuple[Any, ...]) -> Any:
        gradients = self.split(inputs)[1](g)
        if not isinstance(gradients, tuple | list):
            gradients = (gradients,)
        if len(gradients) != len(inputs):
            raise ShapeError(
                f"custom_gradient: {self.name}() takes {len(inputs)} arrays, "
                f"its pullback gave {len(gradients)} gradients"
            )
        for gradient, value in zip(gradients, inputs, strict=True):
            if gradient is not None and np.shape(gradient) != tuple(value.shape):
                raise ShapeError(
                    f"custom_gradient: a gradient of {self.name}() has shape {np.shape(gradient)}, its argument "
                    f"{tuple(value.shape)}"
                )
        return gradients

    def infer(self, *specs: Spec) -> Spec:
        (value,) = written(lambda *inputs: [self.split(inputs)[0]], specs).outputs
        return Spec(tuple(value.shape), value.dtype)

    def split(self, inputs: tuple[Any, ...]) -> tuple[Any, Callable[[Any], Any]]:
        """The value and the pullback."""
        pair = self.f(*inputs)
        if not isinstance(pair, tuple) or len(pair) != 2 or not callable(pair[1]):
            raise ShapeError(f"custom_gradient: {self.name}() must return a pair (value, pullback)")
        return pair


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, whose inner values are not kept for the backward sweep but computed again in it.

    Memory for time: a chain of n steps, cut into √n checkpointed pieces, keeps about 2 √n values instead of n.

    Args:
        f: Returns one array. Traced arrays it depends on must be among its arguments, which may be nested.

    Raises:
        DTypeError: `f` uses a traced array that is not among its arguments.
        ShapeError: `f` does not return one array.

    Example:
        >>> import gatewise as gw, numpy as np
        >>> def ten_steps(x):
        ...     for _ in range(10):
        ...         x = np.sin(x) + x / 2
        ...     return x
        >>> plain, saving = gw.grad(ten_steps), gw.grad(gw.checkpoint(ten_steps))
        >>> bool(plain(0.3) == saving(0.3))
        True
    """

    @wraps(f)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        leaves, rebuild = tree.flatten(args)
        if any(isinstance(untracked(leaf), Symbol) for leaf in leaves):
            return f(*args, **kwargs)  # what to keep is up to whoever runs the script

        @wraps(f)
        def flat(*arrays: Any) -> Any:
            return f(*rebuild(list(arrays)), **kwargs)

        return apply(_Checkpoint(flat), *leaves)

    return checkpointed


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function that brings its own gradient.

    Args:
        f: Takes arrays and returns (value, pullback); ``pullback(upstream)`` returns one gradient per argument (or just
            the one), of its shape. Written with NumPy functions, it is itself differentiable.

    Raises:
        ShapeError: `f` returns no such pair, or a gradient does not have the shape of its argument.

    Example:
        A logarithm of a sum of exponentials whose gradient does not overflow:

        >>> import gatewise as gw, numpy as np
        >>> @gw.custom_gradient
        ... def log1pexp(x):
        ...     return np.log1p(np.exp(x)), lambda upstream: upstream * gw.sigmoid(x)
        >>> float(gw.grad(log1pexp)(0.0)), float(gw.grad(gw.grad(log1pexp))(0.0))
        (0.5, 0.25)
    """

    @wraps(f)
    def with_own_gradient(*arrays: Any) -> Any:
        return apply(_Custom(f), *arrays)

    return with_own_gradient
