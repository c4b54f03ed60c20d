import json
import re
from importlib.resources import files

from gatewise.picture import html
from gatewise.picture.scene import Scene, scene_of


def embedded(page: str) -> str:
    match = re.search(r'<script type="application/json" id="gatewise-scene">(.*?)</script>', page, re.DOTALL)
    assert match is not None
    return match[1]


def test_the_page_holds_the_drawing_and_the_scene(notes_circuit) -> None:
    scene = scene_of(notes_circuit)
    page = html.render(scene, title="the notes")
    assert "<svg" in page
    assert "<title>the notes</title>" in page
    assert Scene.from_json(embedded(page)) == scene


def test_the_page_needs_no_network(notes_circuit) -> None:
    page = html.render(scene_of(notes_circuit)).replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|src=|@import|url\(", page)


def test_names_cannot_break_out(build) -> None:
    name = "</script><script>"
    page = html.render(scene_of(build.circuit(build.leaf(0, name, 1.0))), title=name)
    assert name not in page
    assert json.loads(embedded(page))["nodes"][0]["label"] == name
    assert page.count("<script") == 2


def test_the_viewer_is_small() -> None:
    viewer = files("gatewise.picture") / "viewer"
    assert sum(len(file.read_bytes()) for file in viewer.iterdir()) < 30_000
