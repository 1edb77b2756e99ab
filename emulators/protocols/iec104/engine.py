"""IEC 60870-5-104: the link and the application joined, and the station that makes one pair a master."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial

from pilotfarm.emulators.contracts.protocol import Seat, Traffic
from pilotfarm.emulators.contracts.way import Engine, Filter
from pilotfarm.emulators.errors import ProtocolError
from pilotfarm.emulators.links.filters import inward, outward
from pilotfarm.emulators.protocols.iec104.link import Link
from pilotfarm.emulators.protocols.iec104.options import Iec104Options
from pilotfarm.emulators.protocols.iec60870.application import Application
from pilotfarm.emulators.protocols.iec60870.asdu import FORMAT_104, Format
from pilotfarm.emulators.protocols.iec60870.events import Event
from pilotfarm.emulators.protocols.iec60870.outbox import ANSWERS_MAX, Unit
from pilotfarm.emulators.protocols.iec60870.sector import sectors_of
from pilotfarm.emulators.protocols.iec60870.station import ControlledStation


class Iec104Engine:
    """One master's connection."""

    __slots__ = ("_application", "_ended", "_in_place", "_link", "_now_s", "_started", "_station")

    def __init__(self, station: Iec104Station, shared: ControlledStation, peer: str, now_s: float) -> None:
        self._station = station
        self._link = Link(station.options.timing, now_s)
        self._application = Application(shared, peer, self._interrupt)
        self._in_place: deque[bytes] = deque()
        """What filters answer in the application's place."""
        self._now_s = now_s
        self._started = False
        self._ended = False

    @property
    def closed(self) -> bool:
        return self._link.closed

    @property
    def lost_events(self) -> int:
        """Events that gave way to newer ones because the master did not take them in time."""
        return self._application.outbox.lost

    def receive(self, data: bytes, now_s: float) -> None:
        self._now_s = now_s
        try:
            for asdu in self._link.receive(data, now_s):
                self._follow()
                if asdu:
                    self._take(asdu, now_s)
                self._pump(now_s)
        except ProtocolError:
            self._link.close()
        self._follow()

    def advance(self, now_s: float) -> None:
        self._now_s = now_s
        self._link.advance(now_s)
        self._follow()
        try:
            self._application.advance(now_s)
        except ProtocolError:
            self._link.close()
        self._follow()
        self._pump(now_s)

    def deadline_s(self) -> float | None:
        if self._link.room and (self._in_place or self._application.outbox.pending):
            return self._now_s
        due = self._link.deadline_s()
        waited = self._application.deadline_s()
        return due if waited is None or due is None else min(due, waited)

    def take_output(self) -> bytes:
        return self._link.take_output()

    def hang_up(self, now_s: float) -> None:
        self._link.close()
        self._follow()

    def _follow(self) -> None:
        """Let the application know where the link's data transfer has come to."""
        started = self._link.started
        if started is not self._started:
            self._started = started
            if started:
                self._application.start()
            else:
                self._application.stop()
        if self._link.closed and not self._ended:
            self._ended = True
            self._application.end(self._link.give_back())

    def _interrupt(self) -> Sequence[Event]:
        """Another connection takes over."""
        self._started = False
        self._link.stop()
        return self._link.give_back()

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
            unit = following()
            if unit is None:
                return
            asdu, events = unit
            link.send(asdu, now_s, events)

    def _following(self, now_s: float) -> Unit | None:
        """The next data unit that gets past the filters."""
        if self._in_place:
            return self._in_place.popleft(), ()
        while (unit := self._application.outbox.next()) is not None:
            asdu, events = unit
            parts = [outward(self._station.filters_of(part), part, now_s) for part in self._station.parts_of(asdu)]
            passed = [part for part in parts if part is not None]
            if passed:
                self._in_place.extendleft(reversed(passed[1:]))
                return passed[0], events
        return None


class Iec104Station:
    """What listens at one address: an RTU with a common address a device, or a device by itself.

    What the masters share is made when the first of them comes, so that a thousand idle stations
    cost next to nothing; or at once where the site file names redundancy groups, whose events are kept from the start.
    """

    __slots__ = ("_form", "_seats", "_shared", "filtered", "options")

    def __init__(self, seats: Sequence[Seat], options: Iec104Options) -> None:
        self._seats = tuple(seats)
        self._form = format_of(options)
        self.options = options
        self.filtered = False
        self._shared = self._made() if options.redundancy_groups else None

    @property
    def waiting_events(self) -> int:
        return sum(group.waiting for group in self._shared.groups) if self._shared else 0

    @property
    def lost_events(self) -> int:
        return sum(group.lost for group in self._shared.groups) if self._shared else 0

    @property
    def traffic(self) -> Traffic:
        return self._shared.traffic if self._shared else Traffic()

    def connect(self, peer: str, now_s: float) -> Engine:
        if self._shared is None:
            self._shared = self._made()
        return Iec104Engine(self, self._shared, peer, now_s)

    def restart(self, seats: Collection[Seat]) -> None:
        """Begin anew, if all devices have; an RTU whose devices come back by and by goes on."""
        if self._shared is not None and len(seats) == len(self._seats):
            self._shared.restart()

    def filters_of(self, asdu: bytes) -> tuple[Filter, ...]:
        """The filters of the seat a data unit is of; none for a broadcast."""
        return self._shared.filters_of(asdu) if self._shared is not None else ()

    def parts_of(self, asdu: bytes) -> list[bytes]:
        """Take a data unit with objects of several seats apart."""
        return self._shared.parts_of(asdu) if self._shared is not None else [asdu]

    def _made(self) -> ControlledStation:
        sectors = sectors_of(self._seats, self._form)
        groups = self.options.redundancy_groups
        return ControlledStation("iec104", self._form, sectors, self.options, lambda: self.filtered, groups)


def format_of(options: Iec104Options) -> Format:
    """Return what tables and masters of a station must know of its data units."""
    return replace(FORMAT_104, time_zone=options.time_zone)
