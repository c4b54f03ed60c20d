"""The browser's side of the picture: plain JavaScript in readable files, joined here into the module that is shipped.

Nothing is compiled: each file imports only from those before it in `FILES`, so the module is the files one after
another without their imports.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

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
    *parts, last = (_IMPORT.sub("", text_of(__name__, f"{name}.js")) for name in FILES)
    return "\n".join([*(part.replace("\nexport ", "\n") for part in parts), last])


@cache
def style() -> str:
    """The style sheet."""
    return text_of(__name__, "viewer.css")


def script_with(package: str, names: Sequence[str], start: str) -> str:
    """The script of a page that has the viewer in it: the viewer, then files of `package`, then what starts the page.

    The viewer is a scope of its own, ``viewer.mount``; each file imports only from those before it.
    """
    alone = module().replace("\nexport ", "\n")
    parts = [_IMPORT.sub("", text_of(package, f"{name}.js")).replace("\nexport ", "\n") for name in names]
    return "\n".join([f"const viewer = (() => {{\n{alone}\nreturn {{ mount }};\n}})();", *parts, start])


def text_of(package: str, name: str) -> str:
    """A file that travels with a package."""
    place = sys.modules[package].__file__
    assert place is not None
    return (Path(place).parent / name).read_text(encoding="utf-8")
