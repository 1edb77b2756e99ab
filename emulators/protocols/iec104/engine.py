"""IEC 60870-5-104: the link and the application joined, and the station that makes one pair a master."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial

from pilotfarm.emulators.contracts.protocol import Seat
from pilotfarm.emulators.contracts.way import Engine, Filter
from pilotfarm.emulators.errors import ProtocolError
from pilotfarm.emulators.links.filters import inward, outward
from pilotfarm.emulators.protocols.iec104.application import Application, ControlledStation
from pilotfarm.emulators.protocols.iec104.asdu import FORMAT_104
from pilotfarm.emulators.protocols.iec104.commands import Selections
from pilotfarm.emulators.protocols.iec104.link import Link, Transfer
from pilotfarm.emulators.protocols.iec104.options import Iec104Options
from pilotfarm.emulators.protocols.iec104.outbox import ANSWERS_MAX


class Iec104Engine:
    """One master's connection."""

    __slots__ = ("_application", "_in_place", "_link", "_now_s", "_started", "_station")

    def __init__(self, station: Iec104Station, shared: ControlledStation, peer: str, now_s: float) -> None:
        self._station = station
        self._link = Link(station.options.timing, now_s)
        self._application = Application(shared, peer)
        self._in_place: deque[bytes] = deque()
        """What filters answer in the application's place."""
        self._now_s = now_s
        self._started = False

    @property
    def closed(self) -> bool:
        return self._link.closed

    @property
    def lost_events(self) -> int:
        """Changes that gave way to newer ones because the master did not take them in time."""
        return self._application.outbox.lost

    def receive(self, data: bytes, now_s: float) -> None:
        self._now_s = now_s
        try:
            for asdu in self._link.receive(data, now_s):
                if asdu:
                    self._take(asdu, now_s)
                elif not self._started:
                    self._begin()
                self._pump(now_s)
        except ProtocolError:
            self._link.close()

    def advance(self, now_s: float) -> None:
        self._now_s = now_s
        self._link.advance(now_s)
        self._pump(now_s)

    def deadline_s(self) -> float | None:
        if self._link.room and (self._in_place or self._application.outbox.pending):
            return self._now_s
        return self._link.deadline_s()

    def take_output(self) -> bytes:
        return self._link.take_output()

    def hang_up(self, now_s: float) -> None:
        self._link.close()
        if self._started:
            self._started = False
            self._application.stop()

    def _begin(self) -> None:
        if self._link.transfer is Transfer.STARTED:
            self._started = True
            self._application.start()

    def _take(self, asdu: bytes, now_s: float) -> None:
        if self._station.filtered:
            asked, answer = inward(self._station.filters_of(asdu), asdu, now_s)
            if answer is not None:
                if len(self._in_place) >= ANSWERS_MAX:
                    raise ProtocolError("the master asks on and does not acknowledge")
                self._in_place.append(answer)
            if asked is None:
                return
            asdu = asked
        self._application.handle(asdu, now_s)

    def _pump(self, now_s: float) -> None:
        link, following = self._link, self._application.outbox.next
        if self._station.filtered or self._in_place:
            following = partial(self._following, now_s)
        for _ in range(link.room):
            asdu = following()
            if asdu is None:
                return
            link.send(asdu, now_s)

    def _following(self, now_s: float) -> bytes | None:
        """The next data unit that gets past the filters."""
        if self._in_place:
            return self._in_place.popleft()
        while (asdu := self._application.outbox.next()) is not None:
            passed = outward(self._station.filters_of(asdu), asdu, now_s)
            if passed is not None:
                return passed
        return None


class Iec104Station:
    """What listens at one address: an RTU with a common address a device, or a device by itself.

    What the masters share is made when the first of them comes, so that a thousand idle stations
    cost next to nothing.
    """

    __slots__ = ("_seats", "_shared", "filtered", "options")

    def __init__(self, seats: Sequence[Seat], options: Iec104Options) -> None:
        self._seats = tuple(seats)
        self._shared: ControlledStation | None = None
        self.options = options
        self.filtered = False

    def connect(self, peer: str, now_s: float) -> Engine:
        options = self.options
        if self._shared is None:
            self._shared = ControlledStation(
                "iec104",
                FORMAT_104,
                {seat.address: seat for seat in self._seats},
                Selections(options.sbo, options.select_timeout_s),
                options.cyclic_s,
                options.event_queue,
            )
        return Iec104Engine(self, self._shared, peer, now_s)

    def filters_of(self, asdu: bytes) -> tuple[Filter, ...]:
        """The filters of the seat a data unit is of; none for a broadcast."""
        address = FORMAT_104.address_of(asdu)
        return next((seat.filters for seat in self._seats if seat.address == address), ())
