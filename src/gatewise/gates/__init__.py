"""The catalogue: every gate, by family, and the functions that apply them.

A local gradient that needs another gate's function reaches it through this package (``gates.where(...)``), so the files
of the catalogue stay independent of each other. Each file lists its functions in ``__all__``; a new file is added here.
The families in `LATER` are met through NumPy's names alone (or ``gw.fft``), so they are imported when a first NumPy
function is asked for that no other family has.
"""

from importlib import import_module
from typing import Any

from gatewise.gates import (
    arithmetic,
    arrangement,
    contraction,
    conversion,
    convolution,
    cumulative,
    exponential,
    indexing,
    linalg,
    movement,
    norms,
    ordering,
    products,
    reduction,
    selection,
    smooth,
    special,
    statistics,
    trigonometric,
)
from gatewise.gates.arithmetic import *
from gatewise.gates.arrangement import *
from gatewise.gates.contraction import *
from gatewise.gates.conversion import *
from gatewise.gates.convolution import *
from gatewise.gates.cumulative import *
from gatewise.gates.exponential import *
from gatewise.gates.indexing import *
from gatewise.gates.linalg import *
from gatewise.gates.movement import *
from gatewise.gates.norms import *
from gatewise.gates.ordering import *
from gatewise.gates.products import *
from gatewise.gates.reduction import *
from gatewise.gates.selection import *
from gatewise.gates.smooth import *
from gatewise.gates.special import *
from gatewise.gates.statistics import *
from gatewise.gates.trigonometric import *

__all__ = [
    *arithmetic.__all__,
    *arrangement.__all__,
    *contraction.__all__,
    *conversion.__all__,
    *convolution.__all__,
    *cumulative.__all__,
    *exponential.__all__,
    *indexing.__all__,
    *linalg.__all__,
    *movement.__all__,
    *norms.__all__,
    *ordering.__all__,
    *products.__all__,
    *reduction.__all__,
    *selection.__all__,
    *smooth.__all__,
    *special.__all__,
    *statistics.__all__,
    *trigonometric.__all__,
]

#: Families that add no names here, only functions for NumPy's.
LATER = ("borders", "emath", "fourier", "histograms", "polynomials", "ranges", "sets", "tabulated", "writing")

_loaded: list[str] = []


def later(family: str) -> Any:
    """One of the families in `LATER`, imported."""
    return import_module(f"gatewise.gates.{family}")


def load() -> bool:
    """Import the families in `LATER`; whether that was still to be done."""
    if _loaded:
        return False
    for family in LATER:
        later(family)
    _loaded.extend(LATER)
    return True
