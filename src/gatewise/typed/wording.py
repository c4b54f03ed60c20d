"""Small pieces of what the command line says about a user's text: the caret under a column, the nearest known name."""

from __future__ import annotations

from collections.abc import Iterable

WINDOW = 100


def marked(message: str, line: str, start: int, stop: int | None = None) -> str:
    """The message, the line it is about and carets under its columns; of a long line the part around them.

    >>> print(marked("exq is no function: did you mean exp?", "2 * exq(x)", 4, 7))
    exq is no function: did you mean exp?
      2 * exq(x)
          ^^^
    """
    start = max(0, min(start, len(line)))
    first = 0 if len(line) <= WINDOW else max(0, min(start - WINDOW // 2, len(line) - WINDOW))
    shown = "".join(letter if letter.isprintable() else " " for letter in line[first : first + WINDOW])
    left, right = "…" if first else "", "…" if first + WINDOW < len(line) else ""
    carets = "^" * max(1, min(stop or 0, first + WINDOW) - start)
    return f"{message}\n  {left}{shown}{right}\n  {' ' * (len(left) + start - first)}{carets}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """``did you mean exp?``, where a known name is near; else nothing."""
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else ""
