import base64
import hashlib
import json
import re
from importlib.resources import files

from gatewise.picture import html, viewer
from gatewise.picture.scene import Scene, scene_of


def embedded(page: str) -> str:
    match = re.search(r'<script type="application/json" id="gatewise-scene">(.*?)</script>', page, re.DOTALL)
    assert match is not None
    return match[1]


def test_the_page_holds_the_title_and_the_scene(notes_circuit) -> None:
    scene = scene_of(notes_circuit)
    page = html.render(scene, title="the notes")
    assert "<title>the notes</title>" in page
    assert Scene.from_json(embedded(page)).to_json() == scene.to_json()


def test_the_page_needs_no_network(notes_circuit) -> None:
    page = html.render(scene_of(notes_circuit)).replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|src=|@import|url\(", page)


def test_names_cannot_break_out(build) -> None:
    name = "</script><script>"
    page = html.render(scene_of(build.circuit(build.leaf(0, name, 1.0))), title=name)
    assert name not in page
    assert json.loads(embedded(page))["nodes"][0]["name"] == name
    assert page.count("<script") == 2


def test_a_page_is_plain_ascii(build) -> None:
    """Which is what browsers read quickest; a name of any language comes out as it went in."""
    page = html.render(scene_of(build.circuit(build.leaf(0, "∂损失😀", 1.0))))
    assert page.isascii()
    assert json.loads(embedded(page))["nodes"][0]["name"] == "∂损失😀"


def test_the_viewer_is_small() -> None:
    assert len((viewer.module() + viewer.style()).encode()) < 200_000


def test_the_module_is_one_file() -> None:
    module = viewer.module()
    assert not re.search(r"^import ", module, re.MULTILINE)
    assert re.findall(r"^export (?:const|class) (\w+)", module, re.MULTILINE) == ["mount"]
    listed = {f"{name}.js" for name in viewer.FILES}
    assert listed == {file.name for file in files("gatewise.picture.viewer").iterdir() if file.name.endswith(".js")}


def test_nothing_but_the_viewer_may_run(notes_circuit) -> None:
    """The policy names script and styles by their hashes; no other source is allowed."""
    page = html.render(scene_of(notes_circuit))
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    script = re.search(r'<script type="module">(.*?)</script>', page, re.DOTALL)[1]
    assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy
