"""``gw.linalg``: the linear algebra of the catalogue under the names of the Array API standard and of ``np.linalg``.

Where the standard's function differs from NumPy's main one, it is the standard's that is here: `diagonal` and `trace`
read the last two axes, `outer` takes vectors, `eig` and `eigvals` always answer in complex numbers. No gates live here;
they are in `gates.linalg`, `gates.products` and `gates.norms`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise import gates
from gatewise.gate import NUMPY_FUNCTIONS
from gatewise.gates import (
    cholesky,
    det,
    eigh,
    eigvalsh,
    expm,
    inv,
    lstsq,
    matmul,
    matrix_norm,
    matrix_power,
    matrix_rank,
    matrix_transpose,
    multi_dot,
    norm,
    pinv,
    qr,
    slogdet,
    solve,
    svd,
    svdvals,
    tensordot,
    tensorinv,
    tensorsolve,
    vecdot,
    vector_norm,
)
from gatewise.gates.norms import cond

__all__ = [
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "expm",
    "inv",
    "lstsq",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "trace",
    "vecdot",
    "vector_norm",
]

cross = NUMPY_FUNCTIONS[np.linalg.cross]
diagonal = NUMPY_FUNCTIONS[np.linalg.diagonal]
outer = NUMPY_FUNCTIONS[np.linalg.outer]
trace = NUMPY_FUNCTIONS[np.linalg.trace]


def eig(x: Any, /) -> Any:
    """Eigenvalues and eigenvectors of each matrix, complex even if they happen to be real.

    Example:
        >>> import gatewise as gw
        >>> gw.linalg.eig([[2.0, 0.0], [0.0, 3.0]]).eigenvalues.tolist()
        [(2+0j), (3+0j)]
    """
    answer = gates.eig(x)
    return type(answer)(*map(_complex, answer))


def eigvals(x: Any, /) -> Any:
    """Eigenvalues of each matrix, complex even if they happen to be real."""
    return _complex(gates.eigvals(x))


def _complex(x: Any) -> Any:
    return gates.astype(x, np.result_type(x.dtype, np.complex64).name)
