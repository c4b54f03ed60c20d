"""Every error Gatewise raises on purpose. Each says what happened, where in the user's code, and what to do next.

How a message is put together lives with whoever raises it; here are only the classes, so that users can catch them.
"""

from __future__ import annotations


class GatewiseError(Exception):
    """Base class: catch this to catch everything Gatewise raises on purpose."""


class InputError(GatewiseError, ValueError):
    """Something the user typed or a file the user named cannot be used."""


class ShapeError(GatewiseError, ValueError):
    """Shapes that do not fit a gate, or an output that is not the scalar a gradient needs."""


class DTypeError(GatewiseError, TypeError):
    """A dtype that a gate cannot take, or that carries no gradient (integers, booleans)."""


class IndexingError(GatewiseError, IndexError):
    """An index outside an array, or of a kind that arrays do not take."""


class TracedValueError(GatewiseError, TypeError):
    """A value that is being traced was about to leave the circuit silently (``float(x)``, ``np.asarray(x)``)."""


class UnsupportedError(GatewiseError, NotImplementedError):
    """A function, or an option of one, that Gatewise has no gradient for."""
