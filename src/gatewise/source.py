"""Where in the user's code a gate was made: two references when captured, file, line and text only when asked.

Capturing must cost nanoseconds, so a node keeps just the frame's code object and instruction offset. Everything that
reads files or walks tables happens in :func:`resolve`, when a picture or an error message wants it.
"""

from __future__ import annotations

import linecache
import os
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from types import CodeType, FrameType

import numpy as np

PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
#: Functions that travel with Gatewise and are shown as a user's own.
EXAMPLES = os.path.join(PACKAGE, "workbench", "examples.py")
NUMPY = os.path.dirname(os.path.abspath(np.__file__)) + os.sep


#: Where libraries are installed: NumPy's neighbours.
INSTALLED = os.path.dirname(os.path.dirname(NUMPY)) + os.sep


class _Internal(dict[str, bool]):
    """Whether a file belongs to Gatewise or NumPy: ``INTERNAL[code.co_filename]``, worked out once per file."""

    def __missing__(self, file: str) -> bool:
        self[file] = internal = file.startswith((PACKAGE, NUMPY)) and not file.startswith(EXAMPLES)
        return internal


INTERNAL = _Internal()


@dataclass(frozen=True)
class Where:
    """A place in the user's code: file, line, the columns of the expression and the text of the line.

    Example:
        >>> where = Where("circuit.py", 3, 4, 9, "q = x + y")
        >>> str(where), where.expression
        ('circuit.py:3', 'x + y')
    """

    file: str
    line: int
    start: int | None = None
    stop: int | None = None
    text: str | None = None
    target: str | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"

    @property
    def expression(self) -> str | None:
        """The very expression the gate came from, where Python recorded its columns."""
        if self.text is None or self.start is None or self.stop is None:
            return None
        return self.text[self.start : self.stop]


#: The place to name when a gate is made by Gatewise itself on behalf of somebody: the backward sweep sets it to the
#: gate it differentiates, the expression evaluator to the part of the expression it evaluates. Only read when the
#: calling frame is not the user's.
origin: ContextVar[tuple[CodeType | Where | None, int] | None] = ContextVar("gatewise_origin", default=None)


def outside(frame: FrameType | None) -> tuple[CodeType | Where | None, int]:
    """Find the innermost place outside Gatewise at or above `frame` (or what `origin` says), unresolved."""
    told = origin.get()
    if told is not None:
        return told
    while frame is not None and INTERNAL[frame.f_code.co_filename]:
        frame = frame.f_back
    return (None, 0) if frame is None else (frame.f_code, frame.f_lasti)


@lru_cache(maxsize=1 << 14)
def resolve(code: CodeType | Where | None, instruction: int) -> Where | None:
    """Turn a captured pair into a `Where`; None when the place is not known.

    A negative instruction marks a gate made on behalf of the one at ``~instruction``: its place, but not its name.
    """
    if code is None or isinstance(code, Where):
        return code
    derived = instruction < 0
    if derived:
        instruction = ~instruction
    position = next(islice(code.co_positions(), instruction // 2, None), (None,) * 4)
    line, last_line, start, stop = position
    if line is None:
        return None
    raw = linecache.getline(code.co_filename, line).rstrip("\n")
    indent = len(raw) - len(raw.lstrip())
    if start is None or stop is None or last_line != line:
        first, last = None, None
    else:  # columns are byte offsets into the UTF-8 line
        encoded = raw.encode()
        first = len(encoded[:start].decode(errors="replace")) - indent
        last = len(encoded[:stop].decode(errors="replace")) - indent
    target = None if derived else _assigned_name(code, instruction)
    return Where(code.co_filename, line, first, last, raw.strip() or None, target)


def _assigned_name(code: CodeType, instruction: int) -> str | None:
    """The variable that the result at `instruction` is stored in right away (``q = x + y`` gives ``q``)."""
    import dis

    after = next(
        (step for step in dis.get_instructions(code) if step.offset > instruction and step.opname != "NOP"), None
    )
    if after is None or not after.opname.startswith("STORE_"):
        return None
    if after.opname in ("STORE_SUBSCR", "STORE_ATTR", "STORE_SLICE"):
        return None
    name = after.argval[0] if isinstance(after.argval, tuple) else after.argval
    return name if isinstance(name, str) and name.isidentifier() else None


def here() -> str:
    """`` at file:line: text`` for the user's line being executed now, for the end of an error message; may be empty."""
    import sys

    return _at(resolve(*outside(sys._getframe(1))))


def _at(where: Where | None) -> str:
    if where is None:
        return ""
    return f"\n  at {where}" + (f":  {where.text}" if where.text else "")


def library_caller(frame: FrameType | None) -> tuple[str, str | None]:
    """The function of an installed library, like SciPy's softmax, in which `frame` is, and the place of its caller.

    The name is ``"scipy.special.softmax"`` and the place as `here` writes it; without a library ``""`` and None.
    """
    name, package = "", ""
    while frame is not None:
        file, function = frame.f_code.co_filename, frame.f_code.co_name
        if not INTERNAL[file]:
            module = str(frame.f_globals.get("__name__", ""))
            top = module.partition(".")[0]
            if not file.startswith(INSTALLED) or top != (package or top):
                break
            package = top
            if function.isidentifier() and not function.startswith("_") and function != "wrapper":
                public = [part for part in module.split(".") if not part.startswith("_")]
                name = ".".join([*public, function])
        frame = frame.f_back
    return (name, _at(resolve(*outside(frame)))) if name else ("", None)
