"""A scene as one HTML page that needs no network: the viewer draws it there and steps through it.

The page's own script and style are those of ``viewer``; the scene travels in the page as its documented JSON, so that
another program can read it back out. A content security policy lets nothing run but this very script.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from html import escape

from gatewise.picture import svg, viewer
from gatewise.picture.scene import SHOWN_AT_MOST, Scene

LANGUAGES = ("en", "zh")

DOCUMENT = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
{styles}
</head>
<body>
{body}
<script type="module">{script}</script>
</body>
</html>
"""

BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")

#: Tells a browser that most functions are called while the page opens: it need not look through each of them twice.
COMPILED_AT_ONCE = "//# allFunctionsCalledOnLoad\n"

BODY = """<div id="gatewise"></div>
<script type="application/json" id="gatewise-scene">{data}</script>"""

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
    start = START.format(language=json.dumps(language), palette=json.dumps(palette))
    script = COMPILED_AT_ONCE + viewer.module() + start
    return document(title, language, BODY.format(data=embeddable(scene.to_json())), [viewer.style()], script)


def document(
    title: str, language: str, body: str, styles: Sequence[str], script: str, allowed: Sequence[str] = ()
) -> str:
    """A page whose content security policy lets nothing in but this script and these styles.

    `body` is markup; `allowed` are further lines of the policy.
    """
    script = ascii_only(script)
    policy = [
        "default-src 'none'",
        f"script-src {_digest(script)}",
        f"style-src {' '.join(map(_digest, styles))}",
        "img-src data:",
        *allowed,
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return DOCUMENT.format(
        title=svg.safe(title),
        language=language,
        policy="; ".join(policy),
        styles="\n".join(f"<style>{style}</style>" for style in styles),
        body=body,
        script=script,
    )


def frame(page: str) -> str:
    """A page as an element of another one, shut off from it."""
    inside = escape(page, quote=True)
    style = "width:100%;height:480px;border:0"
    return f'<iframe srcdoc="{inside}" style="{style}" title="circuit" sandbox="allow-scripts"></iframe>'


def _digest(text: str) -> str:
    """What a content security policy calls a script or a style by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def embeddable(json_text: str) -> str:
    """JSON that cannot end the script element it stands in, nor open a comment there: the same JSON without ``<``.

    >>> print(embeddable('"</script>"'))
    "\\u003c/script>"
    """
    return ascii_only(json_text.replace("<", "\\u003c"))


def ascii_only(text: str) -> str:
    """JSON, or a script, with its other characters escaped: a browser reads plain ASCII in half the time.

    >>> print(ascii_only('"∂y/∂x"'))
    "\\u2202y/\\u2202x"
    """
    return text if text.isascii() else BEYOND_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text)
