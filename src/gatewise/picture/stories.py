"""What gates tell about themselves, in other languages: a catalogue by the English text, as gettext keeps them."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files


def in_languages(story: str) -> str | dict[str, str]:
    """A gate's story in every language that has it; the story itself where only English does.

    >>> in_languages("distributes: every input receives the upstream gradient unchanged")["zh"]
    '分发：每个输入原样得到上游梯度'
    """
    chinese = _catalogue("zh").get(story)
    return story if chinese is None else {"en": story, "zh": chinese}


@cache
def _catalogue(language: str) -> dict[str, str]:
    text = (files("gatewise.picture") / f"stories.{language}.json").read_text(encoding="utf-8")
    known: dict[str, str] = json.loads(text)
    return known
