"""Who may speak to a server that asks for no token: whoever means this machine, and no page of another site.

A web page can have its name resolve to a loopback address and then reads whatever answers there (DNS rebinding); its
requests still carry its name as ``Host``. Without reading, it can send what needs no preflight (cross-site request
forgery); browsers mark such a request by ``Sec-Fetch-Site`` (W3C Fetch Metadata) or ``Origin``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from pilotfarm.loadtests import problems
from pilotfarm.loadtests.hosts import is_loopback

_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s\[\]:@/?#]+))(?::[0-9]*)?")
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE)
_SAFE: Final = ("GET", "HEAD", "OPTIONS")
_WRONG_HOST: Final = "is no name of this machine; without a token only localhost and loopback addresses are served"
_ELSEWHERE: Final = "a page of another site may not ask for this"


def host_name(text: str) -> str | None:
    """Return the host of a ``Host`` (RFC 9110, 7.2) without its port, in lower case and without the root's dot."""
    found = _HOST.fullmatch(text)
    return None if found is None else (found[1] or found[2]).lower().removesuffix(".")


def in_origin_form(scope: Scope) -> Scope:
    """Return a request in origin form, as a target in absolute form has to be taken (RFC 9112, 3.2.2)."""
    absolute = _ABSOLUTE.fullmatch(scope.get("raw_path") or b"")
    if absolute is None:
        return scope
    path = absolute[2] or b"/"
    headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
    return {
        **scope,
        "raw_path": path,
        "path": unquote(path.decode("ascii")),
        "headers": [(b"host", absolute[1]), *headers],
    }


class LocalOnly:
    """An application that serves this machine's own names, and no other site's pages.

    A request without ``Host``, or with an empty one, is served: no browser sends it. The port may be any, as that of
    a forwarded connection is another. ``hint`` says how ``names`` are given.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str] = (), hint: str = "") -> None:
        self._app = app
        self._hint = hint
        self._names = {host_name(name) for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            host = headers.get("host", "")
            if host and not self._is_served(host):
                # Misdirected Request (RFC 9110, 15.5.20): this server does not answer for that authority.
                refusal = problems.response(scope["path"], 421, [("Host", f"{host[:200]} {_WRONG_HOST}{self._hint}")])
                await refusal(scope, receive, send)
                return
            if _is_from_elsewhere(scope["method"], host, headers):
                await problems.response(scope["path"], 403, [("", _ELSEWHERE)])(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_served(self, host: str) -> bool:
        name = host_name(host)
        if name is None:
            return False
        return is_loopback(name) or name.endswith(".localhost") or name in self._names


def _is_from_elsewhere(method: str, host: str, headers: Headers) -> bool:
    """Whether a page of another origin asks; one that links to here may, for then the user comes along."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        is_link = method in _SAFE and headers.get("sec-fetch-mode") == "navigate"
        return site not in ("same-origin", "none") and not is_link
    origin = headers.get("origin")
    return method not in _SAFE and origin is not None and origin.partition("://")[2].lower() != host.lower()
