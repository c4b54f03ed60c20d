"""A scene as one HTML page that needs no network: the SVG, and a panel that tells each gate's chain rule on hover.

The page's own script and style are the two files beside this one in ``viewer``; the scene travels in the page as its
documented JSON, so that another program can read it back out.
"""

from __future__ import annotations

from importlib.resources import files

from gatewise.picture import svg
from gatewise.picture.scene import DRAWN_AT_MOST, Scene
from gatewise.picture.words import omission

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main id="gatewise-view">
{drawing}
</main>
<aside id="gatewise-panel" aria-live="polite">
<h1>{title}</h1>
<p>Hover over a gate, or reach it with the Tab key, to see its chain rule. Click to keep it.
Drag to move, turn the wheel to zoom, double-click to see all.</p>
<p>{note}</p>
</aside>
<script type="application/json" id="gatewise-scene">{data}</script>
<script>
{script}</script>
</body>
</html>
"""


def render(scene: Scene, title: str = "circuit", palette: str = "default") -> str:
    """The scene as a self-contained HTML page; ``palette`` as for the SVG."""
    scene = scene.last(DRAWN_AT_MOST)
    viewer = files("gatewise.picture") / "viewer"
    return PAGE.format(
        title=svg.safe(title),
        style=(viewer / "viewer.css").read_text(encoding="utf-8"),
        drawing=svg.render(scene, palette),
        note=svg.safe(omission(scene)),
        data=embeddable(scene.to_json()),
        script=(viewer / "viewer.js").read_text(encoding="utf-8"),
    )


def embeddable(json_text: str) -> str:
    """JSON that cannot end the script element it stands in, nor open a comment there: the same JSON without ``<``.

    >>> print(embeddable('"</script>"'))
    "\\u003c/script>"
    """
    return json_text.replace("<", "\\u003c")
