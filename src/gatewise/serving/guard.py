"""Who may ask a page's program: only a browser on this machine that was given the token, and no other site in it.

A web server on loopback is open to every page that the browser shows and, through a name that points here, to every
site. So each request must name this very address as its host, come from no other origin, and bring the token; the
address that is printed carries it, and from then on a cookie does, which scripts cannot read.
"""

from __future__ import annotations

import hmac
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

NAMES = ("127.0.0.1", "localhost")

HEADERS = (
    (b"content-security-policy", b"frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Guard:
    """Lets a request, or a websocket, through to an application when it is one of this page's own."""

    def __init__(self, app: ASGIApp, port: int, token: str) -> None:
        self.app = app
        self.token = token
        self.hosts = {f"{name}:{port}" for name in NAMES}
        self.cookie = f"gatewise-{port}"  # browsers tell ports apart in everything but cookies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or say why not."""
        from starlette.requests import HTTPConnection
        from starlette.responses import PlainTextResponse, RedirectResponse

        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        refusal = self._refusal(request)
        if scope["type"] == "websocket":
            if refusal or not self._same(self._brought(request)):
                await receive()
                await send({"type": "websocket.close", "code": 1008, "reason": "not yours"})
            else:
                await self.app(scope, receive, send)
            return
        answer: ASGIApp
        if refusal:
            status, text = refusal
            answer = PlainTextResponse(text, status)
        elif self._same(request.query_params.get("token", "")):
            entered = RedirectResponse("/", 303)
            entered.set_cookie(self.cookie, self.token, httponly=True, samesite="strict")
            answer = entered
        elif not self._same(self._brought(request)):
            answer = PlainTextResponse("Open the address that the program printed: it carries a token.", 403)
        else:
            answer = self.app

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        await answer(scope, receive, guarded)

    def _refusal(self, request: HTTPConnection) -> tuple[int, str] | None:
        headers = request.headers
        if request.scope.get("method", "GET") not in ("GET", "HEAD", "POST"):
            return 405, "This page is read and asked, nothing else."
        if headers.get("host", "") not in self.hosts:
            return 403, "This program answers under its own address only."
        origin = headers.get("origin")
        changes = request.scope["type"] == "websocket" or request.scope["method"] == "POST"
        if origin is None and changes:
            return 403, "Only this page itself may ask here."
        if origin is not None and (
            not origin.startswith("http://") or origin.removeprefix("http://") not in self.hosts
        ):
            return 403, "Other sites may not ask here."
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return 403, "Other sites may not ask here."
        return None

    def _brought(self, request: HTTPConnection) -> str:
        try:
            found = SimpleCookie(request.headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return ""
        return found.value if found else ""

    def _same(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self.token.encode())


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(24)
