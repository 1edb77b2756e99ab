"""Who may ask a server over HTTP: whoever shows its bearer token (RFC 6750, 2.1)."""

from __future__ import annotations

from collections.abc import Collection
from secrets import compare_digest

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pilotfarm.loadtests import problems


class TokenGate:
    """Middleware that lets nobody in without the token, but for the paths that are open to all."""

    def __init__(self, app: ASGIApp, token: str, open_paths: Collection[str]) -> None:
        self._app = app
        self._token = token
        self._open = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = None
        if scope["type"] == "http" and scope["path"] not in self._open:
            refusal = refused(scope["path"], Headers(scope=scope), self._token)
        await (refusal or self._app)(scope, receive, send)


def refused(path: str, headers: Headers, token: str) -> Response | None:
    """Return the answer for a request that does not show the token, ``None`` for one that does."""
    given = headers.get("authorization", "")
    scheme, _, credentials = given.partition(" ")
    # The name of a scheme has no case (RFC 9110, 11.1).
    if scheme.lower() == "bearer" and compare_digest(credentials.strip().encode("latin-1"), token.encode()):
        return None
    reason = "is wrong" if given else "is missing"
    where = [("Authorization", f"the bearer token {reason}")]
    return problems.response(path, 401, where, {"WWW-Authenticate": "Bearer"})
