"""A scene as one HTML page that needs no network: the viewer draws it there and steps through it.

The page's own script and style are those of ``viewer``; the scene travels in the page as its documented JSON, so that
another program can read it back out. A content security policy lets nothing run but this very script.
"""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape

from gatewise.picture import svg, viewer
from gatewise.picture.scene import SHOWN_AT_MOST, Scene

LANGUAGES = ("en", "zh")

PAGE = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<div id="gatewise"></div>
<script type="application/json" id="gatewise-scene">{data}</script>
<script type="module">{script}</script>
</body>
</html>
"""

START = """
const data = JSON.parse(document.getElementById("gatewise-scene").textContent);
const options = {{ language: {language}, palette: {palette}, wholePage: true }};
const page = mount(document.getElementById("gatewise"), data, options);
const asked = location.hash.match(/^#node-(\\d+)$/);
if (asked) page.choose(+asked[1]);
globalThis.gatewise = page;
"""


def render(scene: Scene, title: str = "circuit", palette: str = "default", language: str = "en") -> str:
    """The scene as a self-contained HTML page; ``palette`` as for the SVG, ``language`` one of `LANGUAGES`."""
    svg.check_palette(palette)
    scene = scene.last(SHOWN_AT_MOST)
    script = viewer.module() + START.format(language=json.dumps(language), palette=json.dumps(palette))
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {digest(script)}",
            f"style-src {digest(viewer.style())}",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    return PAGE.format(
        title=svg.safe(title),
        language=language,
        policy=policy,
        style=viewer.style(),
        data=embeddable(scene.to_json()),
        script=script,
    )


def frame(page: str) -> str:
    """A page as an element of another one, shut off from it."""
    inside = escape(page, quote=True)
    style = "width:100%;height:480px;border:0"
    return f'<iframe srcdoc="{inside}" style="{style}" title="circuit" sandbox="allow-scripts"></iframe>'


def digest(text: str) -> str:
    """What a content security policy calls a script or a style by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def embeddable(json_text: str) -> str:
    """JSON that cannot end the script element it stands in, nor open a comment there: the same JSON without ``<``.

    >>> print(embeddable('"</script>"'))
    "\\u003c/script>"
    """
    return json_text.replace("<", "\\u003c")
