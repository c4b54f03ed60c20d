"""Colours for the columns of a sparse matrix, so that columns of one colour can be computed in one product.

Columns may share a colour when no row has an entry in both (A. Curtis, M. Powell, J. Reid, "On the estimation of sparse
Jacobian matrices", 1974). A symmetric matrix needs fewer: its entry is found twice, so one of the two may be mixed up
with others; a star colouring keeps one of them clean (T. Coleman, J. Moré, 1984; A. Gebremedhin, F. Manne, A. Pothen,
"What color is your Jacobian?", 2005).
"""

from __future__ import annotations

from typing import Any

import numpy as np


def column_colours(pattern: Any) -> Any:
    """A colour per column of a CSR pattern, such that the entries of every row have different colours.

    Example:
        >>> from scipy.sparse import csr_array
        >>> column_colours(csr_array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]])).tolist()
        [0, 1, 0, 1]
    """
    least = int(np.diff(pattern.indptr).max(initial=0))
    for number in range(max(least, 1), least + 4):  # banded matrices, and many that come from grids
        colours = np.arange(pattern.shape[1]) % number
        if _separates(pattern, colours, number):
            return colours
    found = [_greedy(pattern, order) for order in (np.arange(pattern.shape[1]), _largest_first(pattern))]
    return min(found, key=_number)


def _number(colours: Any) -> int:
    return int(colours.max(initial=-1)) + 1


def _separates(pattern: Any, colours: Any, number: int) -> bool:
    """Whether no row has two entries of one colour."""
    keys = _rows(pattern) * number + colours[pattern.indices]
    return bool(np.bincount(keys, minlength=1).max(initial=0) <= 1)


def _rows(pattern: Any) -> Any:
    """The row of each stored entry."""
    return np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))


def _largest_first(pattern: Any) -> Any:
    """Columns in the order of how many entries they have, most first."""
    return np.argsort(-np.bincount(pattern.indices, minlength=pattern.shape[1]), kind="stable")


def _greedy(pattern: Any, order: Any) -> Any:
    """Each column in turn takes the first colour that none of its rows has; a row's colours are bits of a number."""
    by_column = pattern.tocsc()
    starts, rows = by_column.indptr.tolist(), by_column.indices.tolist()
    taken = [0] * pattern.shape[0]
    colours = np.zeros(pattern.shape[1], np.int64)
    for column in order.tolist():
        mine = rows[starts[column] : starts[column + 1]]
        used = 0
        for row in mine:
            used |= taken[row]
        free = ~used & (used + 1)  # the lowest bit that is not set
        for row in mine:
            taken[row] |= free
        colours[column] = free.bit_length() - 1
    return colours


def star_colours(pattern: Any) -> Any:
    """A colour per column of a symmetric CSR pattern, such that every entry stands alone in one of its two places.

    For an entry (i, j), either column j is the only one of its colour in row i, or column i of its colour in row j.

    Example:
        An arrow needs two colours, where `column_colours` would need one for each column:

        >>> from scipy.sparse import csr_array
        >>> star_colours(csr_array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1], [1, 1, 1, 1]])).tolist()
        [1, 1, 1, 0]
    """
    plain = column_colours(pattern) if int(np.diff(pattern.indptr).max(initial=0)) <= _FEW else None
    if plain is not None and _number(plain) <= 3:
        return plain  # no path of four has a star colouring with fewer
    star = _star(pattern, _largest_first(pattern))
    return star if plain is None or _number(star) < _number(plain) else plain


#: With rows of more entries than this, a column colouring of a symmetric pattern is not worth looking for.
_FEW = 1000


def _star(pattern: Any, order: Any) -> Any:
    """Each vertex in turn takes the first colour that leaves no edge of one colour and no path of four with two.

    Sets of colours are the bits of a number. `seen` and `twice` hold those that a vertex' neighbours have, and that two
    of them have; `bad`, for a vertex w, those of its neighbours beside which another has the colour of w: a path of
    four with two colours would be complete with one of them on the other side of w.
    """
    starts, indices = pattern.indptr.tolist(), pattern.indices.tolist()
    neighbours = [[j for j in indices[starts[i] : starts[i + 1]] if j != i] for i in range(pattern.shape[0])]
    colours = [-1] * pattern.shape[0]
    bad, seen, twice = ([0] * pattern.shape[0] for _ in range(3))
    for vertex in order.tolist():
        forbidden = 0
        for near in neighbours[vertex]:
            forbidden |= 1 << colours[near] | bad[near] if colours[near] >= 0 else seen[near]
        free = ~forbidden & (forbidden + 1)  # the lowest bit that is not set
        colours[vertex] = colour = free.bit_length() - 1
        if twice[vertex]:
            for near in neighbours[vertex]:
                if colours[near] >= 0 and twice[vertex] >> colours[near] & 1:
                    bad[near] |= free
        for near in neighbours[vertex]:
            if not seen[near] & free:
                seen[near] |= free
            elif not twice[near] & free:
                twice[near] |= free
                if colours[near] >= 0:
                    for far in neighbours[near]:
                        if colours[far] == colour:
                            bad[far] |= 1 << colours[near]
            elif colours[near] >= 0:
                bad[vertex] |= 1 << colours[near]
    return np.array(colours, np.int64)
