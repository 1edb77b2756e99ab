"""Faults of the link of DNP3: what an outstation says to a master that asks its link for something.

Clauses are those of IEEE 1815-2012. Over TCP masters hardly use these services (13.2), but for the request of the link
status, by which they find out whether anybody is there.
"""

from __future__ import annotations

from typing import Final

from py1815.link import MASK_FCB, MASK_FCV, LinkFrame, PrimaryFunction, SecondaryFunction

from pilotfarm.emulators.contracts.fault import LinkFault
from pilotfarm.emulators.contracts.way import Engine
from pilotfarm.emulators.faults import dnp3_frames as frames
from pilotfarm.emulators.faults.parameters import Nothing
from pilotfarm.emulators.links.frames import FrameLink

_SERVICES: Final = (
    PrimaryFunction.RESET_LINK_STATES,
    PrimaryFunction.TEST_LINK_STATES,
    PrimaryFunction.CONFIRMED_USER_DATA,
    PrimaryFunction.REQUEST_LINK_STATUS,
)
"""What a station is to answer (9.2.4.1.3.1)."""
_REFUSALS: Final = {"nack": SecondaryFunction.NACK, "not-supported": SecondaryFunction.NOT_SUPPORTED}


class _Answering(FrameLink):
    """Changes or keeps what an outstation's link answers.

    A service that is refused is not done. Only the outstation knows whether a frame is meant for it, so it is asked for
    the link status in its place, and says that with the refusal.
    """

    def __init__(self, inner: Engine, mode: str, now_s: float) -> None:
        super().__init__(inner, frames.size_of, now_s, hears=mode in _REFUSALS)
        self._mode = mode

    def inward(self, octets: bytes) -> bytes:
        frame = frames.parsed(octets)
        if frame is None or not frame.is_primary or frame.is_broadcast or frame.function not in _SERVICES:
            return octets
        control = frames.with_function(frame, PrimaryFunction.REQUEST_LINK_STATUS) & ~(MASK_FCB | MASK_FCV)
        asked = frames.rebuilt(frame, control=control, payload=b"")
        self.bites.count -= asked != octets  # what it bites is the answer
        return asked

    def outward(self, octets: bytes) -> bytes:
        frame = frames.parsed(octets)
        return octets if frame is None or frame.is_primary else self._said(frame)

    def _said(self, frame: LinkFrame) -> bytes:
        if self._mode == "unacknowledged":
            return b""
        if self._mode == "busy":
            return frames.rebuilt(frame, control=frame.control | MASK_FCV)
        return frames.rebuilt(frame, control=frames.with_function(frame, _REFUSALS[self._mode]))


def _answering(engine: Engine, mode: str, parameters: Nothing, key: int, now_s: float) -> _Answering:
    return _Answering(engine, mode, now_s)


DNP3_LINK = LinkFault(
    kind="dnp3-link",
    title="The link refuses its services (NACK) or does not know them, says that it is busy, or acknowledges nothing",
    parameters=Nothing,
    modes=(*_REFUSALS, "busy", "unacknowledged"),
    protocols=("dnp3",),
    wrap=_answering,
    whose=lambda mode: frames.stations_of,
)
