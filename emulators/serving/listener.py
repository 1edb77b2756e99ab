"""What stands at one address: it lets in whoever comes, as many as it may, or meets them as a fault has it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from pilotfarm.emulators import registry
from pilotfarm.emulators.clock import Clock
from pilotfarm.emulators.contracts.way import Admission, Engine
from pilotfarm.emulators.errors import LinkError
from pilotfarm.emulators.serving.connection import Connection, Counters, Wrap
from pilotfarm.emulators.serving.images import Place
from pilotfarm.emulators.serving.transports import Arrival, transport_of

log = logging.getLogger(__name__)


class Listener:
    """What stands at one address."""

    __slots__ = (
        "_clock",
        "_counters",
        "_letting_in",
        "_numbered",
        "_talkative",
        "admission",
        "connections",
        "links",
        "max_connections",
        "place",
        "spontaneous",
        "transport",
    )

    def __init__(self, place: Place, counters: Counters, talkative: set[Connection], clock: Clock) -> None:
        self.place = place
        self.transport = transport_of(place.layout.endpoint)
        self.max_connections: int = place.layout.options.max_connections
        self.spontaneous = registry.protocol(place.layout.protocol).spontaneous
        self.admission = Admission.OPEN
        self.links: Mapping[int, Wrap] = {}
        self.connections: set[Connection] = set()
        self._counters = counters
        self._talkative = talkative
        self._clock = clock
        self._letting_in: set[asyncio.Task[None]] = set()
        self._numbered = 0

    @property
    def address(self) -> str:
        return self.place.layout.endpoint.label

    def open(self) -> None:
        """Listen; ``OSError`` if the address cannot be had."""
        self.transport.open(self._arrived)

    def cut(self) -> None:
        """Reset every connection."""
        for connection in list(self.connections):
            self._counters.cut += 1
            connection.abort()

    async def end(self) -> None:
        """Close, with every connection; what was already handed to the system is still sent."""
        self.transport.close()
        for connection in list(self.connections):
            connection.close()
        for task in list(self._letting_in):
            task.cancel()
        await asyncio.gather(*self._letting_in, return_exceptions=True)

    def engine(self, connection: Connection, now_s: float) -> Engine:
        if self.spontaneous:
            self._talkative.add(connection)
        return self.place.station.connect(connection.peer, now_s)

    def left(self, connection: Connection) -> None:
        self.connections.discard(connection)
        self._talkative.discard(connection)

    def _arrived(self, arrival: Arrival) -> None:
        if self.admission is not Admission.OPEN:
            self._counters.cut += 1
            arrival.turn_away()
        elif len(self.connections) >= self.max_connections:
            self._counters.refused += 1
            arrival.turn_away()
        else:
            self._counters.accepted += 1
            self._numbered += 1
            connection = Connection(self, arrival.peer, self._numbered, self._counters, self._clock)
            self.connections.add(connection)
            task = asyncio.ensure_future(self._let_in(arrival, connection))
            self._letting_in.add(task)
            task.add_done_callback(self._letting_in.discard)

    async def _let_in(self, arrival: Arrival, connection: Connection) -> None:
        try:
            await arrival.let_in(connection)
        except LinkError as error:
            self.connections.discard(connection)
            log.info("%s: %s went away while it connected: %s", self.address, connection.peer, error)
