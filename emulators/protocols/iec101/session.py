"""The devices of one link address towards one master: their application, between the filters and the link."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Final

from pilotfarm.emulators.errors import ProtocolError
from pilotfarm.emulators.links.filters import inward, outward
from pilotfarm.emulators.protocols.iec101.widths import narrowed, widened
from pilotfarm.emulators.protocols.iec60870.application import Application
from pilotfarm.emulators.protocols.iec60870.events import Event
from pilotfarm.emulators.protocols.iec60870.outbox import ANSWERS_MAX, Unit
from pilotfarm.emulators.protocols.iec60870.station import ControlledStation

MALFORMED: Final = "malformed"
"""A data unit that is none; the link has acknowledged it, and no word of the application says so."""


class Session:
    """Data units of one master in, and out.

    ``interrupt`` breaks the link down, and returns the events sent that have not arrived.
    """

    __slots__ = ("_application", "_in_place", "_started", "_station")

    def __init__(self, station: ControlledStation, peer: str, interrupt: Callable[[], Sequence[Event]]) -> None:
        self._station = station
        self._application = Application(station, peer, interrupt)
        self._in_place: deque[bytes] = deque()
        """What filters answer in the application's place."""
        self._started = False

    @property
    def started(self) -> bool:
        return self._started

    @property
    def lost_events(self) -> int:
        return self._application.outbox.lost

    @property
    def urgent(self) -> bool:
        """Whether data of class 1 wait."""
        return bool(self._in_place) or self._application.outbox.urgent

    @property
    def pending(self) -> bool:
        """Whether data of any class wait."""
        return bool(self._in_place) or self._application.outbox.pending

    @property
    def full(self) -> bool:
        """Whether what a further data unit leads to could find no room."""
        return self._application.outbox.full or len(self._in_place) >= ANSWERS_MAX

    def start(self) -> None:
        """The master is there, unless it was before."""
        if not self._started:
            self._started = True
            self._application.start()

    def stop(self, unacknowledged: Collection[Event] = ()) -> None:
        """The master is not there; of what was sent, this has not arrived."""
        if self._started:
            self._started = False
            self._application.stop(unacknowledged)

    def interrupted(self) -> None:
        """The application knows that the master is not there."""
        self._started = False

    def end(self, unacknowledged: Collection[Event]) -> None:
        """The connection is gone."""
        self._started = False
        self._application.end(unacknowledged)

    def advance(self, now_s: float) -> None:
        """Answer what waited for devices."""
        self._application.advance(now_s)

    def deadline_s(self) -> float | None:
        """When ``advance`` is next needed."""
        return self._application.deadline_s()

    def take(self, data: bytes, now_s: float) -> None:
        """Take a data unit; only while it is not ``full``."""
        filters = self._station.filters_of(data)
        if filters:
            form, wide = self._station.form, widened(data, self._station.form)
            asked, answer = inward(filters, wide, now_s)
            if answer is not None:
                self._in_place.append(narrowed(answer, form, data[0]))
            if asked is None:
                return
            data = data if asked == wide else narrowed(asked, form, data[0])
        try:
            self._application.handle(data, now_s)
        except ProtocolError:
            self._station.traffic.refuse(MALFORMED)

    def next(self, now_s: float, *, urgent: bool | None = None) -> Unit | None:
        """Hand out the next data unit of class 1 or class 2, or of any, that gets past the filters."""
        if self._in_place and urgent is not False:
            return self._in_place.popleft(), ()
        outbox = self._application.outbox
        while (unit := outbox.next() if urgent is None else outbox.next_of(urgent=urgent)) is not None:
            parts = [self._passed(part, now_s) for part in self._station.parts_of(unit[0])]
            passed = [part for part in parts if part is not None]
            if passed:
                self._in_place.extendleft(reversed(passed[1:]))
                return passed[0], unit[1]
        return None

    def _passed(self, data: bytes, now_s: float) -> bytes | None:
        """What of a data unit gets past the filters of its seat."""
        filters = self._station.filters_of(data)
        if not filters:
            return data
        form, wide = self._station.form, widened(data, self._station.form)
        passed = outward(filters, wide, now_s)
        if passed is None or passed == wide:
            return None if passed is None else data
        return narrowed(passed, form, data[0])


def earliest(*due_s: float | None) -> float | None:
    """The first of some times, where there is any."""
    return min((each for each in due_s if each is not None), default=None)
