"""Where users of REST come in: as many as there are descriptors for, and whoever has been idle longest gives way.

The event loop's own servers do not do: for want of descriptors uvloop resets who comes and, on some errors, ends the
listener without a word.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Collection
from typing import Any, Final

from pilotfarm.emulators.errors import LinkError
from pilotfarm.emulators.serving.transports import Acceptor, Arrival

ACCEPTS_A_TURN: Final = 16
"""So few that those who came in the turn before have been let in, and can give way."""

log = logging.getLogger(__name__)


class Door:
    """Lets whoever comes to a listening socket in to uvicorn.

    ``make`` makes uvicorn's end of a connection, ``there`` are those that are open, and at most ``most`` may be.
    """

    def __init__(
        self, sock: socket.socket, make: Callable[[], asyncio.Protocol], there: Collection[Any], most: int
    ) -> None:
        self._make = make
        self._there = there
        self._most = most
        self._coming: set[asyncio.Task[None]] = set()
        self._order: dict[Any, None] = {}
        """Those who came in, the first to come first; some are gone."""
        self._said = False
        sock.setblocking(False)
        self._acceptor = Acceptor(sock, self._arrived, ACCEPTS_A_TURN)

    def close(self) -> None:
        """Let nobody in any more; who is in stays."""
        self._acceptor.close()
        for task in self._coming:
            task.cancel()

    def _arrived(self, arrival: Arrival) -> None:
        if len(self._there) + len(self._coming) >= self._most and not self._made_room():
            arrival.turn_away()
            if not self._said:
                self._said = True
                log.warning(
                    "%d requests at once are all that REST has open files for; more are turned away", self._most
                )
            return
        task = asyncio.ensure_future(self._let_in(arrival))
        self._coming.add(task)
        task.add_done_callback(self._coming.discard)

    async def _let_in(self, arrival: Arrival) -> None:
        connection = self._make()
        try:
            await arrival.let_in(connection)
        except LinkError:
            return
        if len(self._order) >= 2 * self._most:
            self._forget_gone()
        self._order[connection] = None

    def _made_room(self) -> bool:
        """Have the first to come who waits for no answer give way."""
        self._forget_gone()
        idle = next((each for each in self._order if each.cycle is None or each.cycle.response_complete), None)
        if idle is None:
            return False
        del self._order[idle]
        idle.transport.abort()
        return True

    def _forget_gone(self) -> None:
        self._order = {each: None for each in self._order if each in self._there}
