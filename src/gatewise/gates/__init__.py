"""The catalogue: every gate, by family, and the functions that apply them.

A local gradient that needs another gate's function reaches it through this package (``gates.where(...)``), so the files
of the catalogue stay independent of each other. Each file lists its functions in ``__all__``; a new file is added here.
"""

from gatewise.gates import (
    arithmetic,
    contraction,
    conversion,
    exponential,
    indexing,
    movement,
    reduction,
    selection,
    trigonometric,
)
from gatewise.gates.arithmetic import *
from gatewise.gates.contraction import *
from gatewise.gates.conversion import *
from gatewise.gates.exponential import *
from gatewise.gates.indexing import *
from gatewise.gates.movement import *
from gatewise.gates.reduction import *
from gatewise.gates.selection import *
from gatewise.gates.trigonometric import *

__all__ = [
    *arithmetic.__all__,
    *contraction.__all__,
    *conversion.__all__,
    *exponential.__all__,
    *indexing.__all__,
    *movement.__all__,
    *reduction.__all__,
    *selection.__all__,
    *trigonometric.__all__,
]
