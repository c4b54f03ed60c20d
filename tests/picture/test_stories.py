"""The stories of all gates, in Chinese as well."""

import json
from collections.abc import Iterator
from importlib import import_module
from importlib.resources import files
from pkgutil import walk_packages

import gatewise as gw
from gatewise.gate import Gate
from gatewise.picture.scene import scene_of
from gatewise.picture.stories import in_languages


def kinds(base: type) -> Iterator[type]:
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


def stories() -> set[str]:
    for module in walk_packages(gw.__path__, "gatewise."):
        if module.name != "gatewise.__main__":
            import_module(module.name)  # some families are loaded when they are wanted
    ours = (kind for kind in kinds(Gate) if kind.__module__.startswith("gatewise."))
    return {story for kind in ours if isinstance(story := getattr(kind, "story", ""), str) and story}


def test_every_gate_tells_its_story_in_chinese() -> None:
    assert [story for story in sorted(stories()) if not isinstance(in_languages(story), dict)] == []


def test_nothing_is_translated_that_no_gate_says() -> None:
    text = (files("gatewise.picture") / "stories.zh.json").read_text(encoding="utf-8")
    assert set(json.loads(text)) - stories() == set()


def test_scenes_carry_both_and_read_back_english() -> None:
    scene = scene_of(gw.trace(lambda x, y: x * y, 2.0, 3.0))
    data = json.loads(scene.to_json())
    assert data["gates"]["multiply"]["story"]["zh"].startswith("交换")
    assert type(scene).from_json(scene.to_json()) == scene


def test_a_story_of_ones_own_stays_as_it_is() -> None:
    assert in_languages("a gate of my own") == "a gate of my own"
