"""Balanced transmission at the controlled station: both ends begin services, each with a link of its own.

The station's primary begins with the connection, and data go out unasked once its link is up. What the master sends
is taken once the master has reset the other.
"""

from __future__ import annotations

from collections.abc import Sequence

from pilotfarm.emulators.protocols.iec101.frames import SINGLE, Deframer, Frame
from pilotfarm.emulators.protocols.iec101.options import Iec101Options
from pilotfarm.emulators.protocols.iec101.primary import Primary
from pilotfarm.emulators.protocols.iec101.secondary import Secondary
from pilotfarm.emulators.protocols.iec101.services import BALANCED, DIRECTION, PRIMARY
from pilotfarm.emulators.protocols.iec101.session import Session, earliest
from pilotfarm.emulators.protocols.iec60870.events import Event
from pilotfarm.emulators.protocols.iec60870.station import ControlledStation


class BalancedLine:
    """One master's connection, and the user of its secondary station."""

    __slots__ = ("_address", "_deframer", "_now_s", "_out", "_primary", "_secondary", "_session", "_station")

    closed = False
    urgent = False

    def __init__(
        self, station: ControlledStation, address: int, options: Iec101Options, peer: str, now_s: float
    ) -> None:
        framing, single = options.framing, options.single_character
        self._address = address
        self._now_s = now_s
        self._station = station
        self._session = Session(station, peer, self._interrupt)
        self._deframer = Deframer(framing, now_s)
        self._secondary = Secondary(framing, address, BALANCED, self, single=single)
        self._primary = Primary(framing, address, options.timing, now_s)
        self._out: list[bytes] = []

    @property
    def lost_events(self) -> int:
        return self._session.lost_events

    def receive(self, data: bytes, now_s: float) -> None:
        self._now_s = now_s
        for frame in self._deframer.receive(data, now_s):
            self._hear(frame, now_s)

    def advance(self, now_s: float) -> None:
        self._now_s = now_s
        for frame in self._deframer.advance(now_s):
            self._hear(frame, now_s)
        self._primary.advance(now_s)
        self._session.advance(now_s)
        self._follow(now_s)

    def deadline_s(self) -> float | None:
        if self._primary.room and self._session.pending:
            return self._now_s
        return earliest(self._deframer.deadline_s(), self._primary.deadline_s(), self._session.deadline_s())

    def take_output(self) -> bytes:
        output = b"".join(self._out) + self._primary.take_output()
        self._out.clear()
        return output

    def hang_up(self, now_s: float) -> None:
        self._session.end(self._primary.give_back())

    # -------------------------------------------------------------------- as the secondary's user

    @property
    def full(self) -> bool:
        return self._session.full

    def begin(self, now_s: float) -> None:
        """What goes the other way is the primary's."""

    def take(self, data: bytes, now_s: float) -> None:
        self._session.take(data, now_s)

    def give(self, urgent: bool, now_s: float) -> bytes | None:
        return None  # nobody asks

    def arrived(self) -> None:
        """What goes the other way is the primary's."""

    # ------------------------------------------------------------------------------------ frames

    def _hear(self, frame: Frame, now_s: float) -> None:
        if frame is SINGLE:
            self._primary.receive(frame.control, now_s)
        elif not frame.control & DIRECTION or frame.address != self._address:
            return
        elif frame.control & PRIMARY:
            self._primary.heard(now_s)
            self._out.append(self._secondary.answer(frame, now_s))
        else:
            self._primary.receive(frame.control, now_s)
        self._follow(now_s)

    def _follow(self, now_s: float) -> None:
        """Let the application know whether the link is up, and send what it has."""
        if not self._primary.up:
            self._session.stop(self._primary.give_back())
            return
        self._session.start()
        unit = self._session.next(now_s) if self._primary.room else None
        if unit is not None:
            data, events = unit
            self._primary.send(data, now_s, events)

    def _interrupt(self) -> Sequence[Event]:
        self._session.interrupted()
        self._secondary.fall()
        self._primary.fall()
        return self._primary.give_back()
