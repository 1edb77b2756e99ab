"""How many requests are at work at one time, and how much their bodies hold."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pilotfarm.loadtests import problems
from pilotfarm.loadtests.web.hosts import in_origin_form
from pilotfarm.loadtests.web.watch import Bounds

BODY_FREE_BYTES: Final = 65_536
"""How much of each body counts for nothing: a set-point or a fault is taken however long others' bodies are."""
_BUSY: Final = "as many requests are at work as there may be"
_FULL: Final = "other requests' bodies take all the room there is"


class Work:
    """An application that works on so many requests and no more; who comes too many is told when to come again.

    A request is at work once it has come whole. Event streams are long on purpose and have a bound of their own.
    """

    def __init__(self, app: ASGIApp, bounds: Bounds) -> None:
        self._app = app
        self._bounds = bounds
        self._at_work = 0
        self._bodies_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = in_origin_form(scope)
        job = _Job(self, receive, send)
        try:
            if _has_body(scope):
                await self._app(scope, job.receive, job.send)
            elif self.begin():
                job.at_work = True
                await self._app(scope, receive, job.send)
            else:
                await problems.response(scope["path"], 503, [("", _BUSY)])(scope, receive, send)
        finally:
            job.leave()
            self._bodies_bytes -= job.held_bytes

    def begin(self) -> bool:
        """Take a place at work, if there is one."""
        free = self._at_work < self._bounds.requests_max
        self._at_work += free
        return free

    def end(self) -> None:
        self._at_work -= 1

    def hold(self, count: int) -> None:
        """Keep room for a body's bytes."""
        self._bodies_bytes += count
        if self._bodies_bytes > self._bounds.bodies_max_bytes:
            raise HTTPException(503, _FULL)


class _Job:
    """One request."""

    def __init__(self, work: Work, receive: Receive, send: Send) -> None:
        self._work = work
        self._receive = receive
        self._send = send
        self._free = BODY_FREE_BYTES
        self.held_bytes = 0
        self.at_work = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._free -= len(message.get("body", b""))
            if self._free < 0:
                more, self._free = -self._free, 0
                self.held_bytes += more
                self._work.hold(more)
            if not message.get("more_body", False) and not self.at_work:
                self.at_work = self._work.begin()
                if not self.at_work:
                    raise HTTPException(503, _BUSY)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            kind = Headers(raw=message.get("headers", [])).get("content-type", "")
            if kind.startswith("text/event-stream"):
                self.leave()
        await self._send(message)

    def leave(self) -> None:
        if self.at_work:
            self.at_work = False
            self._work.end()


def _has_body(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
