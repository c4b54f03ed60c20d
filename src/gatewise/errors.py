"""Every error Gatewise raises on purpose. Each says what happened, where in the user's code, and what to do next.

How a message is put together lives with whoever raises it; the place in the user's code is added here, for all of them.
"""

from __future__ import annotations

import numpy as np

from gatewise.source import here


class GatewiseError(Exception):
    """Base class: catch this to catch everything Gatewise raises on purpose."""


class InputError(GatewiseError, ValueError):
    """Something the user typed or a file the user named cannot be used."""


class CodeError(GatewiseError):
    """Base class of errors in the user's code: the message ends with the file, the line and its text.

    `reason` is the message without the place, for whoever wraps one error in another; `place` replaces the line found.
    """

    def __init__(self, reason: str, place: str | None = None) -> None:
        self.reason = reason
        super().__init__(reason + (here() if place is None else place))


class ShapeError(CodeError, ValueError):
    """Shapes that do not fit a gate, or an output that is not the scalar a gradient needs."""


class AxisError(ShapeError, np.exceptions.AxisError):
    """An axis that an array does not have; an ``IndexError`` and ``np.exceptions.AxisError`` too, as NumPy's own is."""


class DTypeError(CodeError, TypeError):
    """A dtype that a gate cannot take, or that carries no gradient (integers, booleans)."""


class IndexingError(CodeError, IndexError):
    """An index outside an array, or of a kind that arrays do not take."""


class LinearAlgebraError(CodeError, np.linalg.LinAlgError):
    """A matrix that has no inverse, no Cholesky factor, or whose factorisation does not converge."""


class TracedValueError(CodeError, TypeError):
    """A value that is being traced was about to leave the circuit silently (``float(x)``, ``np.asarray(x)``)."""


class UnsupportedError(CodeError, NotImplementedError):
    """A function, or an option of one, that Gatewise has no gradient for."""


class ConvergenceError(CodeError, ArithmeticError):
    """An iteration did not find what it was looking for."""
