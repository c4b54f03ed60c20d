"""Small pieces of what the command line says about a user's text: the caret under a column, the nearest known name."""

from __future__ import annotations

from collections.abc import Iterable

WINDOW = 100


def marked(message: str, line: str, column: int) -> str:
    """The message, the line it is about and a caret under the column; of a long line the part around it.

    >>> print(marked("exq is no function: did you mean exp?", "2 * exq(x)", 4))
    exq is no function: did you mean exp?
      2 * exq(x)
          ^
    """
    column = max(0, min(column, len(line)))
    start = 0 if len(line) <= WINDOW else max(0, min(column - WINDOW // 2, len(line) - WINDOW))
    shown = "".join(letter if letter.isprintable() else " " for letter in line[start : start + WINDOW])
    left, right = "…" if start else "", "…" if start + WINDOW < len(line) else ""
    return f"{message}\n  {left}{shown}{right}\n  {' ' * (len(left) + column - start)}^"


def suggestion(name: str, known: Iterable[str]) -> str:
    """``did you mean exp?``, where a known name is near; else nothing."""
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else ""
