"""The local page: readable JavaScript beside the viewer's, joined into one page with a strict content policy."""

from __future__ import annotations

from functools import cache

from gatewise.picture import viewer
from gatewise.picture.html import document

#: Each file after those it imports from.
FILES = ("words", "workbench")

BODY = '<div id="gatewise-workbench" class="gatewise-workbench"></div>'

START = """
const address = `ws://${location.host}/circuit`;
const root = document.getElementById("gatewise-workbench");
globalThis.workbench = open(root, { address, mount: viewer.mount, language: document.documentElement.lang });
"""


@cache
def page(language: str = "en") -> str:
    """The page in a language, ``"en"`` or ``"zh"``."""
    script = viewer.script_with(__name__, FILES, START)
    styles = [viewer.text_of(__name__, "workbench.css"), viewer.style()]
    return document("Gatewise", language, BODY, styles, script, ["connect-src 'self'"])
