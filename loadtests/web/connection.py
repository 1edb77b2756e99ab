"""A connection of HTTP with deadlines: for a request to arrive, and for an answer to be read.

uvicorn waits for ever for the rest of a head or a body, and for a peer to read what it was sent. RFC 9110, 15.5.9
has 408 for the first; the second can only be cut.
"""

from __future__ import annotations

import asyncio
import logging
from enum import Enum, auto
from typing import Any, Final

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from pilotfarm.loadtests import problems
from pilotfarm.loadtests.web.watch import Bounds, Watch

log = logging.getLogger(__name__)
log.setLevel(logging.ERROR)  # what uvicorn warns of, a peer can send as often as it likes

_GONE: Final = "a newcomer needs the place of this connection, which waited longest for a request"
_ENDING: Final = "the server is ending"


class _Phase(Enum):
    IDLE = auto()
    """Nothing of a request has come."""
    ARRIVING = auto()
    AT_WORK = auto()


class Config(uvicorn.Config):
    """uvicorn's settings, with the watch over its connections."""

    def __init__(self, app: Any, bounds: Bounds, **settings: Any) -> None:
        super().__init__(app, http=Connection, **settings)
        self.watch: Watch[Connection] = Watch(bounds)


class Connection(H11Protocol):
    """One peer; ``check`` is called several times a second."""

    connections: set[Connection]  # type: ignore[assignment]

    def __init__(self, config: Config, *rest: Any, **more: Any) -> None:
        super().__init__(config, *rest, **more)
        self.logger = log
        self._watch = config.watch
        self._served = False
        self._phase = _Phase.IDLE
        self._since_s = self._moved_s = config.watch.now_s
        self._received = 0
        self.unsent = 0

    # --------------------------------------------------------------------------- as uvicorn tells

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._watch.bounds.connections_max:
            (self._watch.longest() or self).give_way(_GONE)
        self._watch.line_up(self, self._served)

    def connection_lost(self, exc: Exception | None) -> None:
        self._watch.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look()
        self._received += len(data)

    def on_response_complete(self) -> None:
        self._served = True
        self._enter(_Phase.IDLE)
        super().on_response_complete()
        self._look()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "this is no request of HTTP/1.1 (RFC 9112)")

    def shutdown(self) -> None:
        if self._phase is _Phase.ARRIVING:
            self.give_way(_ENDING)
        else:
            super().shutdown()

    # --------------------------------------------------------------------------- bounds

    def give_way(self, why: str) -> None:
        """Make room at once; say why where a request has begun, for the end of an idle connection needs no word."""
        self.connections.discard(self)
        self._watch.leave(self)
        if self.transport.is_closing() or self.unsent:
            self.transport.abort()
        elif self._phase is _Phase.ARRIVING:
            self._refuse(503, why)
        else:
            self.transport.close()

    def check(self, now_s: float) -> None:
        """Keep the deadlines."""
        bounds = self._watch.bounds
        unsent = self.transport.get_write_buffer_size()
        if unsent == 0 or unsent < self.unsent:
            self._moved_s = now_s
        self.unsent = unsent
        waited_s = now_s - self._since_s
        if now_s - self._moved_s > bounds.stall_s:
            self.cut()
        elif self.transport.is_closing():
            return
        elif self._phase is _Phase.ARRIVING:
            if waited_s > bounds.arrival_s + self._received / bounds.arrival_bytes_per_s:
                self._refuse(408, f"the request did not arrive within {waited_s:.3g} s")
        elif self._phase is _Phase.IDLE and not self._served and waited_s > bounds.arrival_s:
            self.transport.close()

    def cut(self) -> None:
        """Let go of a peer that does not read, and of what waits for it."""
        self.unsent = 0
        self.transport.abort()

    def stalled_s(self) -> float:
        """Return how long nothing of what waits was read."""
        return self._watch.now_s - self._moved_s

    # --------------------------------------------------------------------------- within

    def _look(self) -> None:
        """See whether a request is on its way: part of a head, or a head whose body has not come whole."""
        state = self.conn.their_state
        if state is h11.SEND_BODY or (state is h11.IDLE and self.conn.trailing_data[0]):
            phase = _Phase.ARRIVING
        elif self.cycle is None or self.cycle.response_complete:
            phase = _Phase.IDLE
        else:
            phase = _Phase.AT_WORK
        if phase is not self._phase:
            self._enter(phase)

    def _enter(self, phase: _Phase) -> None:
        self._phase = phase
        self._since_s = self._watch.now_s
        self._received = 0
        if phase is _Phase.AT_WORK:
            self._watch.leave(self)
        else:
            self._watch.line_up(self, self._served)

    def _refuse(self, status: int, message: str) -> None:
        """Answer with a problem document if the answer has not begun, and close."""
        cycle = self.cycle if self.cycle is not None and not self.cycle.response_complete else None
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            path = cycle.scope["path"] if cycle is not None else ""
            answer = problems.response(path, status, [("", message)], {"Connection": "close"})
            headers = [*self.server_state.default_headers, *answer.raw_headers]
            events: list[h11.Response | h11.Data | h11.EndOfMessage] = [
                h11.Response(status_code=status, headers=headers, reason=STATUS_PHRASES[status])
            ]
            if cycle is None or cycle.scope["method"] != "HEAD":
                events.append(h11.Data(data=bytes(answer.body)))
            for event in [*events, h11.EndOfMessage()]:
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
