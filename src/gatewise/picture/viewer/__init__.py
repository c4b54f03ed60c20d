"""The browser's side of the picture: plain JavaScript in readable files, joined here into the module that is shipped.

Nothing is compiled: each file imports only from those before it in `FILES`, so the module is the files one after
another without their imports.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

#: Each file after those it imports from.
FILES = (
    "numbers",
    "labels",
    "scene",
    "compute",
    "stepper",
    "words",
    "panel",
    "layers",
    "structure",
    "drawn",
    "painted",
    "drawing",
    "viewer",
)

_IMPORT = re.compile(r"^import \{[^}]*\} from \"\./\w+\.js\";\n", re.MULTILINE)


@cache
def module() -> str:
    """The viewer as one JavaScript module, which exports ``mount``."""
    parts = []
    for name in FILES:
        text = _IMPORT.sub("", _text(f"{name}.js"))
        parts.append(text if name == FILES[-1] else text.replace("\nexport ", "\n"))
    return "\n".join(parts)


@cache
def style() -> str:
    """The style sheet."""
    return _text("viewer.css")


def _text(name: str) -> str:
    return (files(__package__ or "gatewise.picture.viewer") / name).read_text(encoding="utf-8")
