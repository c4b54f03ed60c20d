"""Recorded runs in a browser: the page and its two questions as Starlette routes, and the page as one file.

Nothing here decides who may ask: whatever serves these routes puts its own guard before them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatewise.errors import InputError
from gatewise.runs.page import page
from gatewise.runs.reading import all_runs, one_run

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route


def routes(paths: Sequence[str | os.PathLike[str]], language: str = "en") -> list[Route]:
    """The routes of the page of some recordings: ``/``, ``/runs`` and ``/runs/<identifier>``.

    Raises:
        InputError: One of them is no recording.
    """
    from starlette.responses import HTMLResponse
    from starlette.routing import Route

    files = [Path(path) for path in paths]
    all_runs(files)  # says now what is wrong with a file, not when somebody looks

    def show(request: Request) -> Response:
        return HTMLResponse(page(language=language), headers={"Cache-Control": "no-store"})

    def several(request: Request) -> Response:
        return _answer(lambda: all_runs(files))

    def one(request: Request) -> Response:
        asked = request.query_params

        def answer() -> dict[str, Any]:
            since, stride = (_whole(asked.get(name, default)) for name, default in (("since", "-1"), ("stride", "0")))
            return one_run(files, request.path_params["identifier"], since, stride)

        return _answer(answer)

    return [Route("/", show), Route("/runs", several), Route("/runs/{identifier}", one)]


def _answer(make: Callable[[], dict[str, Any]]) -> Response:
    from starlette.responses import JSONResponse

    headers = {"Cache-Control": "no-store"}
    try:
        return JSONResponse(make(), headers=headers)
    except InputError as error:
        return JSONResponse({"error": str(error)}, status_code=404, headers=headers)


def _whole(text: str) -> int:
    try:
        return int(text[:18])
    except ValueError:
        raise InputError(f"{text!r:.40} is no whole number") from None


def save(paths: Sequence[str | os.PathLike[str]], target: str | os.PathLike[str], language: str = "en") -> Path:
    """Write the runs of some recordings as one HTML page that needs no network. It is written whole or not at all.

    Raises:
        InputError: One of them is no recording, or the page cannot be written.
    """
    files, target = [Path(path) for path in paths], Path(target)
    answer = all_runs(files)
    answer["runs"] = [one_run(files, run["identifier"]) for run in answer["runs"]]
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        draft.write_text(page(answer, files[0].stem if files else "Training", language), encoding="utf-8")
        os.replace(draft, target)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InputError(f"{target} cannot be written: {error.strerror}") from None
    return target
