"""uvicorn with bounds on connections, requests at work, arrivals and answers, and saying when it listens."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any, Final

import uvicorn

from pilotfarm.loadtests.web.connection import Config, Connection
from pilotfarm.loadtests.web.door import Door
from pilotfarm.loadtests.web.watch import Bounds
from pilotfarm.loadtests.web.work import Work

BACKLOG: Final = 512
"""Maximum number of connections that wait to be accepted."""

log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """A server of one application; ``settings`` are uvicorn's."""

    server_state: Any

    def __init__(self, app: Any, on_ready: Callable[[], None], bounds: Bounds | None = None, **settings: Any) -> None:
        bounds = Bounds() if bounds is None else bounds
        config = Config(
            Work(app, bounds),
            bounds,
            access_log=False,
            backlog=BACKLOG,
            log_config=None,
            log_level="warning",
            server_header=False,
            ws="none",
            **settings,
        )
        super().__init__(config)
        self._http = config
        self.watch = config.watch
        self._on_ready = on_ready
        self._is_full = False
        self._doors: list[Door] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup([])  # who comes is let in by a door, not by the event loop
        self._doors = [Door(sock, self._connection) for sock in sockets or ()]
        self._on_ready()

    def _connection(self) -> Connection:
        return Connection(self._http, self.server_state, self.lifespan.state)

    async def on_tick(self, counter: int) -> bool:
        self._patrol()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for door in self._doors:
            door.close()
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
        else:  # nobody to wait for, as uvicorn would
            await self.lifespan.shutdown()
        for connection in list(self.server_state.connections):  # who has not read its answer by now
            connection.cut()

    def _patrol(self) -> None:
        self.watch.tick(asyncio.get_running_loop().time())
        connections: list[Connection] = list(self.server_state.connections)
        for connection in connections:
            connection.check(self.watch.now_s)
        unsent = sum(each.unsent for each in connections)
        for connection in sorted(connections, key=Connection.stalled_s, reverse=True):
            if unsent <= self.watch.bounds.unsent_max_bytes:
                break
            unsent -= connection.unsent
            connection.cut()
        self._tell(len(connections), self.watch.bounds.connections_max)

    def _tell(self, count: int, max_count: int) -> None:
        """Tell the operator that connections give way, once until there are few again."""
        if count >= max_count and not self._is_full:
            log.warning("%d connections of HTTP are open; who asks for nothing gives way to newcomers", count)
            self._is_full = True
        elif count < max_count // 2:
            self._is_full = False
