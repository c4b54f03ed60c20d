"""The routes of the local page: the page, its gallery, and questions over a websocket or one by one.

Nothing here decides who may ask: `serving` puts its guard before all of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatewise.errors import InputError
from gatewise.workbench.gallery import EXAMPLES
from gatewise.workbench.page import page
from gatewise.workbench.worker import Worker

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute
    from starlette.websockets import WebSocket

LARGEST = 2**17  # bytes of a question
TOO_LARGE = f"a question has at most {LARGEST} bytes"
MOST_EDITS = 500


def functions_of(targets: Mapping[str, tuple[Path, str]] | None) -> dict[str, tuple[str, str]]:
    """The functions that the page may run, with the absolute paths of their files."""
    found = {}
    for name, (path, function) in (targets or {}).items():
        if not path.is_file():
            raise InputError(f"{path}: there is no such file")
        found[name] = (str(path.resolve()), function)
    return found


def routes(worker: Worker, functions: Mapping[str, tuple[str, str]], language: str = "en") -> list[BaseRoute]:
    """The routes: ``/``, ``/gallery``, ``/circuit`` as a websocket, and ``/circuit`` for one question by POST."""
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import HTMLResponse, JSONResponse
    from starlette.routing import Route, WebSocketRoute
    from starlette.websockets import WebSocketDisconnect

    fresh = {"Cache-Control": "no-store"}

    def show(request: Request) -> Response:
        return HTMLResponse(page(language), headers=fresh)

    def gallery(request: Request) -> Response:
        return JSONResponse({"examples": [_described(example) for example in EXAMPLES], "functions": sorted(functions)})

    async def one(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return JSONResponse({"type": "error", "message": "a question is application/json"}, 415)
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST:
                return JSONResponse({"type": "error", "message": TOO_LARGE}, 413)
        question = _question(body)
        if isinstance(question, str):
            return JSONResponse({"type": "error", "message": question}, 400)
        return JSONResponse(await run_in_threadpool(worker.ask, question), headers=fresh)

    async def many(socket: WebSocket) -> None:
        await socket.accept()
        try:
            while True:
                text = await socket.receive_text()
                question = (
                    _question(text.encode()) if len(text) <= LARGEST else f"a question has at most {LARGEST} bytes"
                )
                if isinstance(question, str):
                    await socket.send_json({"type": "error", "number": None, "message": question})
                else:
                    await socket.send_json(await run_in_threadpool(worker.ask, question))
        except (WebSocketDisconnect, RuntimeError, KeyError):
            pass  # the browser went away, or spoke no text: nothing is kept of a page

    return [
        Route("/", show),
        Route("/gallery", gallery),
        Route("/circuit", one, methods=["POST"]),
        WebSocketRoute("/circuit", many),
    ]


def _question(body: bytes) -> dict[str, Any] | str:
    """A question, or what is wrong with it."""
    try:
        question = json.loads(body)
    except (ValueError, RecursionError):
        return "a question is JSON"
    if not isinstance(question, dict):
        return "a question is a JSON object"
    edits = question.get("edits", [])
    if not isinstance(edits, list) or len(edits) > MOST_EDITS:
        return f"edits are a list of at most {MOST_EDITS}"
    return {key: question.get(key) for key in ("number", "source", "edits")}


def _described(example: Any) -> dict[str, Any]:
    source = (
        {"example": example.name}
        if example.function is not None
        else {"expression": example.expression, "values": dict(example.values)}
    )
    return {
        "name": example.name,
        "title": dict(example.title),
        "explanation": dict(example.explanation),
        "source": source,
    }
