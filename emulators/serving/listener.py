"""What stands at one address: it lets in whoever comes, as many as it may, or meets them as a fault has it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Collection, Mapping
from typing import Final

from pilotfarm.emulators import registry
from pilotfarm.emulators.clock import Clock
from pilotfarm.emulators.contracts.way import Admission, Engine, WhenFull
from pilotfarm.emulators.errors import LinkError
from pilotfarm.emulators.serving.capture import Capture
from pilotfarm.emulators.serving.connection import Connection, Counters, Wrap
from pilotfarm.emulators.serving.descriptors import Places
from pilotfarm.emulators.serving.images import Place
from pilotfarm.emulators.serving.transports import Arrival, Lasting, transport_of

GRACE_S: Final = 0.25
"""How long one who finds no place waits for one: the server may not have noticed yet that somebody has left."""
WAITING_MAX: Final = 128

log = logging.getLogger(__name__)


class Listener:
    """What stands at one address."""

    __slots__ = (
        "_clock",
        "_counters",
        "_letting_in",
        "_numbered",
        "_talkative",
        "_waiting",
        "_when_full",
        "admission",
        "captures",
        "connections",
        "forgotten",
        "links",
        "max_connections",
        "place",
        "places",
        "sparing",
        "spontaneous",
        "transport",
    )

    def __init__(
        self, place: Place, counters: Counters, talkative: set[Connection], clock: Clock, places: Places
    ) -> None:
        self.place = place
        self.places = places
        self.transport = transport_of(place.layout.endpoint)
        self.max_connections: int = place.layout.options.max_connections
        protocol = registry.protocol(place.layout.protocol)
        self.spontaneous = protocol.spontaneous
        self._when_full = protocol.when_full
        self._waiting: deque[Arrival] = deque()
        """Those who found no place, the first to come first."""
        self.admission = Admission.OPEN
        self.links: Mapping[int, Wrap] = {}
        self.sparing: Collection[int] = ()
        """Which of the links are not put around connections that come."""
        self.captures: tuple[Capture, ...] = ()
        self.connections: set[Connection] = set()
        self.forgotten: dict[Connection, None] = {}
        """Connections that the device has no longer and whose peers do not know, the longest forgotten first.

        They keep their places until somebody else needs them.
        """
        self._counters = counters
        self._talkative = talkative
        self._clock = clock
        self._letting_in: set[asyncio.Task[None]] = set()
        self._numbered = 0

    @property
    def address(self) -> str:
        return self.place.layout.endpoint.label

    @property
    def is_missing(self) -> bool:
        """Whether it is to let people in, and is not open."""
        return self.admission.takes and not self.transport.is_open

    def open(self) -> None:
        """Listen; ``OSError`` if the address cannot be had."""
        self.transport.open(self._arrived)

    def cut(self) -> None:
        """Reset every connection."""
        while self._waiting:
            self._counters.cut += 1
            self._next().turn_away()
        for connection in self.standing:
            self._counters.cut += 1
            connection.abort()

    async def end(self) -> None:
        """Close, with every connection; what was already handed to the system is still sent."""
        self.transport.close()
        while self._waiting:
            self._next().turn_away()
        for connection in self.standing:
            connection.close()
        for task in list(self._letting_in):
            task.cancel()
        await asyncio.gather(*self._letting_in, return_exceptions=True)
        if isinstance(self.transport, Lasting):
            self.transport.remove()

    def engine(self, connection: Connection, now_s: float) -> Engine:
        if self.spontaneous:
            self._talkative.add(connection)
        return self.place.station.connect(connection.peer, now_s)

    def left(self, connection: Connection) -> None:
        if connection in self.connections or connection in self.forgotten:
            self.connections.discard(connection)
            self.forgotten.pop(connection, None)
            self.places.leave(self._there)
        self._talkative.discard(connection)
        self._take_waiting()

    def forget(self, connection: Connection) -> None:
        if connection not in self.connections:
            return
        self.connections.discard(connection)
        self.forgotten[connection] = None
        if self._waiting:
            connection.abort()

    @property
    def standing(self) -> list[Connection]:
        """All connections whose peers have them, those that the device has forgotten too."""
        return [*self.connections, *self.forgotten]

    @property
    def _there(self) -> int:
        return len(self.connections) + len(self.forgotten)

    @property
    def _has_room(self) -> bool:
        return self._there < self.max_connections and self.places.admit(self._there)

    def _arrived(self, arrival: Arrival) -> None:
        if not self.admission.takes:
            self._counters.cut += 1
            arrival.turn_away()
        elif self._has_room:
            self._take(arrival)
        elif len(self._waiting) < WAITING_MAX and self.places.may_wait:
            forgotten = next((each for each in self.forgotten if each.up), None)
            if forgotten is not None:
                forgotten.abort()
            self._waiting.append(arrival)
            self.places.wait()
            asyncio.get_running_loop().call_later(GRACE_S, self._still_waiting, arrival)
        else:
            self._refuse(arrival)

    def _take_waiting(self) -> None:
        if self._waiting and self._has_room:
            self._take(self._next())

    def _next(self) -> Arrival:
        """Have the first of those who wait no longer wait."""
        self.places.waited()
        return self._waiting.popleft()

    def _refuse(self, arrival: Arrival) -> None:
        if self._there < self.max_connections:
            self._counters.no_room += 1
            self.places.refused()
        else:
            self._counters.refused += 1
        arrival.turn_away()

    def _take(self, arrival: Arrival) -> None:
        self._counters.accepted += 1
        self._numbered += 1
        self.places.take(self._there)
        connection = Connection(self, arrival.peer, self._numbered, self._counters, self._clock)
        self.connections.add(connection)
        task = asyncio.ensure_future(self._let_in(arrival, connection))
        self._letting_in.add(task)
        task.add_done_callback(self._letting_in.discard)

    def _still_waiting(self, arrival: Arrival) -> None:
        """Nobody has left: have a connection give way, which makes the first of those who wait come in, or refuse."""
        self._take_waiting()  # somebody may have left at another address
        if arrival not in self._waiting:
            return
        unused = self._longest_unused(arrival)
        if unused is None:
            self._waiting.remove(arrival)
            self.places.waited()
            self._refuse(arrival)
        else:
            self._counters.gave_way += 1
            unused.give_way()

    def _longest_unused(self, arrival: Arrival) -> Connection | None:
        """The connection that gives way to a newcomer, if one is to."""
        if self._when_full is WhenFull.REFUSE:
            return None
        same_host = self._when_full is WhenFull.SAME_HOST_GIVES_WAY
        host = arrival.peer.rpartition(":")[0]
        may = (
            each for each in self.connections if each.up and not (same_host and each.peer.rpartition(":")[0] != host)
        )
        return min(may, key=lambda each: each.used_s, default=None)

    async def _let_in(self, arrival: Arrival, connection: Connection) -> None:
        try:
            await arrival.let_in(connection)
        except LinkError as error:
            self.left(connection)
            log.info("%s: %s went away while it connected: %s", self.address, connection.peer, error)
