"""``gw.fft``: the Fourier transforms of the catalogue, and the frequencies that belong to their entries.

The gates are in `gates.fourier`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise import standard
from gatewise.gates import fourier
from gatewise.gates.fourier import *  # noqa: F403  gw.fft.rfft and so on

__all__ = [*fourier.__all__, "fftfreq", "rfftfreq"]


def fftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Any:
    """The frequency of each entry of `fft` of `n` samples that are `d` apart; the negative ones follow the positive.

    Example:
        >>> import gatewise as gw
        >>> gw.fft.fftfreq(4).tolist()
        [0.0, 0.25, -0.5, -0.25]
    """
    return standard.asarray(np.fft.fftfreq(n, d), dtype=dtype, device=device)


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Any:
    """The frequency of each entry of `rfft` of `n` samples that are `d` apart."""
    return standard.asarray(np.fft.rfftfreq(n, d), dtype=dtype, device=device)
