"""The catalogue: every gate, by family, and the functions that apply them.

A local gradient that needs another gate's function reaches it through this package (``gates.where(...)``), so the files
of the catalogue stay independent of each other. Each file lists its functions in ``__all__``; a new file is added here.
`fourier` keeps its names to itself, because ``gw.fft`` is the namespace of its functions.
"""

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
