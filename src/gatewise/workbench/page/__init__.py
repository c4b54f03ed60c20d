"""The local page: readable JavaScript beside the viewer's, joined into one page with a strict content policy."""

from __future__ import annotations

from functools import cache

from gatewise.picture import viewer
from gatewise.picture.html import digest

#: Each file after those it imports from.
FILES = ("words", "workbench")

PAGE = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Gatewise</title>
<link rel="icon" href="data:,">
<style>{style}</style>
<style>{viewer_style}</style>
</head>
<body>
<div id="gatewise-workbench" class="gatewise-workbench"></div>
<script type="module">{script}</script>
</body>
</html>
"""

START = """
const address = `ws://${location.host}/circuit`;
const root = document.getElementById("gatewise-workbench");
globalThis.workbench = open(root, { address, mount: viewer.mount, language: document.documentElement.lang });
"""


@cache
def page(language: str = "en") -> str:
    """The page in a language, ``"en"`` or ``"zh"``."""
    script = viewer.script_with(__name__, FILES, START)
    style, viewer_style = viewer.text_of(__name__, "workbench.css"), viewer.style()
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {digest(script)}",
            f"style-src {digest(style)} {digest(viewer_style)}",
            "img-src data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    return PAGE.format(language=language, policy=policy, style=style, viewer_style=viewer_style, script=script)
