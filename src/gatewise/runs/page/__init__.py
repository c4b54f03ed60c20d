"""The page of runs: readable JavaScript joined into one self-contained HTML page, alive or with its runs inside.

As with the viewer, whose script it holds: each file imports only from those before it in `FILES`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from gatewise.picture import svg, viewer
from gatewise.picture.html import embeddable

#: Each file after those it imports from.
FILES = ("words", "store", "chart", "live")

_IMPORT = re.compile(r"^import \{[^}]*\} from \"\./\w+\.js\";\n", re.MULTILINE)

PAGE = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
<style>{viewer_style}</style>
</head>
<body>
<div id="gatewise-runs" class="gatewise-runs"></div>
<script type="application/json" id="gatewise-data">{data}</script>
<script type="module">{script}</script>
</body>
</html>
"""

START = """
const ask = async (path) => {
  const answer = await fetch(path, { headers: { Accept: "application/json" }, credentials: "same-origin" });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(said.error ?? answer.statusText);
  return said;
};
const data = JSON.parse(document.getElementById("gatewise-data").textContent);
const language = document.documentElement.lang;
globalThis.gatewiseRuns = open(document.getElementById("gatewise-runs"), { data, ask, mount: viewer.mount, language });
"""


def page(runs: dict[str, Any] | None = None, title: str = "Training", language: str = "en") -> str:
    """The page: with runs, one that needs no network; without, one that asks the program that serves it."""
    style, viewer_style = _text("live.css"), viewer.style()
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {_hash(script())}",
            f"style-src {' '.join(map(_hash, (style, viewer_style)))}",
            "img-src data:",
            *(["connect-src 'self'"] if runs is None else []),
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    return PAGE.format(
        language=language,
        title=svg.safe(title),
        policy=policy,
        style=style,
        viewer_style=viewer_style,
        data=embeddable(json.dumps(runs)),
        script=script(),
    )


@cache
def script() -> str:
    """The page's script: the viewer in a scope of its own, then the files of the page."""
    alone = viewer.module().replace("\nexport ", "\n")
    parts = [f"const viewer = (() => {{\n{alone}\nreturn {{ mount }};\n}})();"]
    parts += [_IMPORT.sub("", _text(f"{name}.js")).replace("\nexport ", "\n") for name in FILES]
    return "\n".join([*parts, START])


@cache
def _text(name: str) -> str:
    return (files(__package__ or "gatewise.runs.page") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """What a content security policy calls a script or a style by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
