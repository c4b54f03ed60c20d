"""A page served on this machine: an address with a token, and a server beside the program or in front of it."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gatewise.errors import InputError, UnsupportedError
from gatewise.serving.guard import Guard, new_token

if TYPE_CHECKING:
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp

HOST = "127.0.0.1"
PATIENCE = 10.0  # seconds to wait for the server to begin and to end
MESSAGE = 2**20  # bytes of a message over a websocket


def application(routes: Sequence[BaseRoute], port: int, token: str | None = None) -> ASGIApp:
    """Some routes as an ASGI application that answers this machine's own browser only.

    Args:
        routes: What is served, as Starlette's routes.
        port: The port of 127.0.0.1 under which it is served.
        token: What a browser must bring along, once, as ``/?token=...``; a fresh one when left out.
    """
    from starlette.applications import Starlette

    return Guard(Starlette(routes=list(routes)), port, new_token() if token is None else token)


@contextmanager
def serving(make_routes: Callable[[], Sequence[BaseRoute]], port: int = 0) -> Iterator[str]:
    """Serve routes in a thread while the block runs; gives the address of their page, token included.

    Raises:
        InputError: The port is taken.
        UnsupportedError: Starlette or uvicorn is missing.
    """
    try:
        import starlette  # noqa: F401  (so that its absence is told here)
        import uvicorn
    except ImportError:
        raise UnsupportedError("pages that follow a program need more: pip install 'gatewise[serve]'") from None
    routes = make_routes()
    with socket.socket() as listening:
        if os.name == "posix":  # elsewhere it would let two programs share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"port {port} cannot be used: {reason}. Choose another, or leave it out.") from None
        listening.listen()  # before the address is told: who comes before the server has begun waits
        port, token = listening.getsockname()[1], new_token()
        app = application(routes, port, token)
        settings = uvicorn.Config(app, log_level="error", lifespan="off", access_log=False, ws_max_size=MESSAGE)
        server = uvicorn.Server(settings)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            yield f"http://{HOST}:{port}/?token={token}"
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
