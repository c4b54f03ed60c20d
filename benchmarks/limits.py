"""What this machine can do, measured in the run whose rows are compared with it.

Memory by a triad, ``a = b + 3 c`` on arrays that no cache holds (J. D. McCalpin's STREAM: three arrays move, what a
write reads first is not counted); arithmetic by NumPy's matrix products; and a compiled call that does nothing. All but
the last are independent of Gatewise, and all run on as many threads as the peers have.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
from peers import THREADS

#: Entries of each array of the triad, and of the pieces in which NumPy's two functions go over them, which caches hold.
ENTRIES, PIECE = 1 << 25, 1 << 15

#: Rows and columns of the matrices that are multiplied.
ORDER = 1024


@dataclass(frozen=True)
class Limits:
    """Bytes and FLOPs per second, and seconds per call."""

    triad: float
    sgemm: float
    dgemm: float
    call: float


def measured() -> Limits:
    """The limits, each the best of many."""
    import gatewise as gw
    from gatewise.native.report import best_time

    def best(call: Callable[[], Any]) -> float:
        return min(best_time(call) for _ in range(5))

    nothing = gw.compile(lambda x: x)
    nothing(1.0)
    sgemm, dgemm = (2 * ORDER**3 / best(_product(dtype)) for dtype in (np.float32, np.float64))
    with ThreadPoolExecutor(THREADS) as pool:
        triad = 3 * 8 * ENTRIES / best(_triad(pool))
    return Limits(triad, sgemm, dgemm, best(lambda: nothing(1.0)))


def _triad(pool: ThreadPoolExecutor) -> Callable[[], Any]:
    a, b, c = (np.full(ENTRIES, number) for number in (0.0, 1.0, 2.0))
    starts = [range(part, ENTRIES, PIECE * THREADS) for part in range(0, PIECE * THREADS, PIECE)]

    def go(starts: range, scale: float) -> None:
        for start in starts:
            piece = slice(start, start + PIECE)
            np.multiply(c[piece], scale, out=a[piece])
            np.add(a[piece], b[piece], out=a[piece])

    return lambda: list(pool.map(go, starts, repeat(3.0)))


def _product(dtype: Any) -> Callable[[], Any]:
    left, right = (np.ones((ORDER, ORDER), dtype) for _ in range(2))
    out = np.empty_like(left)
    return lambda: np.matmul(left, right, out=out)
