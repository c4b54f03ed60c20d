"""The page of runs: readable JavaScript joined into one self-contained HTML page, alive or with its runs inside.

As with the viewer, whose script it holds: each file imports only from those before it in `FILES`.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from gatewise.picture import viewer
from gatewise.picture.html import document, embeddable

#: Each file after those it imports from.
FILES = ("words", "store", "chart", "live")

BODY = """<div id="gatewise-runs" class="gatewise-runs"></div>
<script type="application/json" id="gatewise-data">{data}</script>"""

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
    body = BODY.format(data=embeddable(json.dumps(runs)))
    styles = [viewer.text_of(__name__, "live.css"), viewer.style()]
    return document(title, language, body, styles, script(), ["connect-src 'self'"] if runs is None else [])


@cache
def script() -> str:
    """The page's script: the viewer, then the files of the page."""
    return viewer.script_with(__name__, FILES, START)
