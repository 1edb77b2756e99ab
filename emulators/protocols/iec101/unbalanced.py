"""Unbalanced transmission at the controlled stations of a line: they answer what the master asks, and no more.

Each link address has a link and an application of its own. Frames of other stations, and for others, are nothing. A
device that is not reached does not answer under a link address of its own; under one that is shared the station
tells what it last knew. A master that is silent for long is taken for gone: events are kept for it then as
they happen, and handed over when it asks again, be it without a reset.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pilotfarm.emulators.protocols.iec101.frames import Deframer, Frame
from pilotfarm.emulators.protocols.iec101.options import Iec101Options
from pilotfarm.emulators.protocols.iec101.secondary import Secondary
from pilotfarm.emulators.protocols.iec101.services import COUNT_VALID, DIRECTION, FUNCTION, PRIMARY, UNBALANCED, Request
from pilotfarm.emulators.protocols.iec101.session import Session, earliest
from pilotfarm.emulators.protocols.iec60870.events import Event
from pilotfarm.emulators.protocols.iec60870.station import ControlledStation


class Polled:
    """One link address: the user of its secondary station."""

    __slots__ = ("_heard_s", "_secondary", "_session", "_silence_s", "_under_way")

    def __init__(
        self, station: ControlledStation, address: int, options: Iec101Options, peer: str, now_s: float
    ) -> None:
        self._session = Session(station, peer, self._interrupt)
        single = options.single_character
        self._secondary = Secondary(options.framing, address, UNBALANCED, self, single=single)
        self._silence_s = options.silence_s
        self._heard_s = now_s
        self._under_way: Sequence[Event] = ()
        """Events in the last answer, while nothing says that it has arrived."""

    @property
    def lost_events(self) -> int:
        return self._session.lost_events

    def hear(self, frame: Frame, now_s: float) -> bytes:
        """Serve a frame of the master, and return what is answered."""
        self._heard_s = now_s
        if self._secondary.begun:
            self._session.start()
        self._session.advance(now_s)
        return self._secondary.answer(frame, now_s)

    def advance(self, now_s: float) -> None:
        self._session.advance(now_s)
        if now_s >= self._heard_s + self._silence_s:
            self._session.stop()

    def deadline_s(self) -> float | None:
        silent_s = self._heard_s + self._silence_s if self._session.started else None
        return earliest(silent_s, self._session.deadline_s())

    def end(self) -> None:
        self._session.end(self._give_back())

    # -------------------------------------------------------------------- as the secondary's user

    @property
    def urgent(self) -> bool:
        return self._session.urgent

    @property
    def full(self) -> bool:
        return self._session.full

    def begin(self, now_s: float) -> None:
        self._session.stop(self._give_back())
        self._session.start()

    def take(self, data: bytes, now_s: float) -> None:
        self._session.take(data, now_s)

    def give(self, urgent: bool, now_s: float) -> bytes | None:
        unit = self._session.next(now_s, urgent=urgent)
        if unit is None:
            return None
        data, self._under_way = unit
        return data

    def arrived(self) -> None:
        self._under_way = ()

    def _give_back(self) -> Sequence[Event]:
        left, self._under_way = self._under_way, ()
        return left

    def _interrupt(self) -> Sequence[Event]:
        self._session.interrupted()
        self._secondary.fall()
        return self._give_back()


class LinkAddresses(Protocol):
    """What stands at a line."""

    @property
    def options(self) -> Iec101Options: ...
    def at(self, address: int) -> ControlledStation | None:
        """What stands at a link address."""
        ...

    def silent(self, address: int) -> bool:
        """Whether what stands there cannot answer."""
        ...


class UnbalancedLine:
    """One master's connection."""

    __slots__ = ("_broadcast", "_deframer", "_line", "_out", "_peer", "_polled")

    closed = False

    def __init__(self, line: LinkAddresses, peer: str, now_s: float) -> None:
        self._line = line
        self._peer = peer
        framing = line.options.framing
        self._deframer = Deframer(framing, now_s)
        self._broadcast = framing.broadcast
        self._polled: dict[int, Polled] = {}
        """Link addresses that the master has asked; each is made then."""
        self._out: list[bytes] = []

    @property
    def lost_events(self) -> int:
        return sum(each.lost_events for each in self._polled.values())

    def receive(self, data: bytes, now_s: float) -> None:
        for frame in self._deframer.receive(data, now_s):
            if frame.control & (PRIMARY | DIRECTION) != PRIMARY:
                continue
            if frame.address != self._broadcast:
                self._hear(frame, now_s)
            elif frame.control & FUNCTION == Request.DATA_NO_REPLY:
                control = frame.control & ~COUNT_VALID  # a broadcast takes no turn of any station's count bit
                for address in self._polled:
                    self._hear(frame._replace(control=control, address=address), now_s)

    def advance(self, now_s: float) -> None:
        self._deframer.advance(now_s)
        for each in self._polled.values():
            each.advance(now_s)

    def deadline_s(self) -> float | None:
        return earliest(self._deframer.deadline_s(), *(each.deadline_s() for each in self._polled.values()))

    def take_output(self) -> bytes:
        output = b"".join(self._out)
        self._out.clear()
        return output

    def hang_up(self, now_s: float) -> None:
        for each in self._polled.values():
            each.end()
        self._polled.clear()

    def _hear(self, frame: Frame, now_s: float) -> None:
        polled = self._polled.get(frame.address)
        if polled is None:
            station = self._line.at(frame.address)
            if station is None:
                return
            polled = self._polled[frame.address] = Polled(station, frame.address, self._line.options, self._peer, now_s)
        if not self._line.silent(frame.address):
            self._out.append(polled.hear(frame, now_s))
