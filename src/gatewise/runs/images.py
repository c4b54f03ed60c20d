"""An array as a small picture: tiles of at most 64 by 64 cells, a byte each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_CELLS = 64  # along each side of a tile
MOST_TILES = 64
FINITE = 252  # the byte of the largest finite cell; beyond are -inf, inf and NaN


@dataclass(frozen=True)
class Image:
    """Tiles of ``height`` by ``width`` cells; the bytes 0 to 252 rise linearly from ``low`` to ``high``."""

    shape: tuple[int, ...]
    tiles: int
    height: int
    width: int
    low: float
    high: float
    cells: bytes


def image_of(array: NDArray[Any]) -> Image | None:
    """The array's last two axes as a picture, what is before them as one tile after another; None of nothing.

    A cell is the mean of its block, and NaN or infinite where one of its entries is.

    >>> image = image_of(np.array([[0.0, 1.0], [np.nan, 0.5]]))
    >>> (image.tiles, image.height, image.width, list(image.cells))
    (1, 2, 2, [0, 252, 255, 126])
    """
    if not array.size:
        return None
    rows, columns = (1, 1, *array.shape)[-2:]
    stack = array.reshape(-1, rows, columns)[:MOST_TILES].astype(np.float64)
    with np.errstate(all="ignore"):
        grid = _shrunk(_shrunk(stack, 1), 2)
        finite = np.isfinite(grid)
        low, high = (float(grid[finite].min()), float(grid[finite].max())) if finite.any() else (0.0, 0.0)
        span = high / FINITE - low / FINITE  # their difference may overflow
        shares = grid / span - low / span if span > 0 else np.zeros(grid.shape)
        cells = np.clip(np.round(np.where(finite, shares, 0.0)), 0, FINITE).astype(np.uint8)
    cells[np.isneginf(grid)], cells[np.isposinf(grid)], cells[np.isnan(grid)] = 253, 254, 255
    tiles, height, width = map(int, grid.shape)
    return Image(tuple(map(int, array.shape)), tiles, height, width, low, high, cells.tobytes())


def _shrunk(stack: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Means of nearly equal blocks along an axis, at most 64 of them."""
    length = stack.shape[axis]
    if length <= MOST_CELLS:
        return stack
    starts = np.arange(MOST_CELLS) * length // MOST_CELLS
    lengths = np.diff(np.append(starts, length))
    sides = [1, 1, 1]
    sides[axis] = length
    shares = stack / np.repeat(lengths, lengths).reshape(sides)  # before adding: sums of large numbers overflow
    return np.asarray(np.add.reduceat(shares, starts, axis=axis), dtype=np.float64)
