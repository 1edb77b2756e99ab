"""Where connections of HTTP are accepted, in the way masters are: short of descriptors, a listener pauses.

The event loop's own servers do not do. For want of descriptors uvloop resets who comes, and where accepting fails for
another reason it ends the listener without a word; asyncio logs a traceback a second.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from pilotfarm.emulators.errors import LinkError
from pilotfarm.emulators.serving.transports import Acceptor, Arrival

ACCEPTS_A_TURN: Final = 16
"""So few that those who came in the turn before have been let in, and can give way."""


class Door:
    """Lets whoever comes to a listening socket in; ``make`` makes our end of a connection."""

    def __init__(self, sock: socket.socket, make: Callable[[], asyncio.Protocol]) -> None:
        self._make = make
        self._coming: set[asyncio.Task[None]] = set()
        sock.setblocking(False)
        self._acceptor = Acceptor(sock, self._arrived, ACCEPTS_A_TURN)

    def close(self) -> None:
        """Let nobody in any more; who is in stays."""
        self._acceptor.close()
        for task in self._coming:
            task.cancel()

    def _arrived(self, arrival: Arrival) -> None:
        task = asyncio.ensure_future(self._let_in(arrival))
        self._coming.add(task)
        task.add_done_callback(self._coming.discard)

    async def _let_in(self, arrival: Arrival) -> None:
        with suppress(LinkError):
            await arrival.let_in(self._make())
