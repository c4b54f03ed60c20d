"""Saved pages in the browser, with the network shut off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


def is_problem(message: object) -> bool:
    """Whether the console was told of one: a slow driver and a canvas that is read are none."""
    advice = ("GL Driver Message", "willReadFrequently")
    return message.type in ("error", "warning") and not any(words in message.text for words in advice)


@pytest.fixture
def open_page(browser, tmp_path) -> Iterator[Callable[..., object]]:
    """Save a page's text and open it from disk; whatever it reports as an error fails the test."""
    context = browser.new_context(viewport={"width": 1300, "height": 700}, offline=True)
    problems: list[str] = []
    requests: list[str] = []

    def opened(text: str) -> object:
        path = Path(tmp_path) / "page.html"
        path.write_text(text, encoding="utf-8")
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text) if is_problem(message) else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(f"a dialog: {dialog.message}"))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        return page

    yield opened
    context.close()
    assert problems == []
    assert [url for url in requests if not url.startswith("file:")] == []
