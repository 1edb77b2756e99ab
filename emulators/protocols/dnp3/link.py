"""One connection to an outstation: whose it is, and when there is something to say unasked."""

from __future__ import annotations

from typing import Final

from py1815.link import FrameReader

from pilotfarm.emulators.protocols.dnp3.application import Association, Outstation
from pilotfarm.emulators.protocols.dnp3.fragments import Fragments

OUTPUT_MAX: Final = 1 << 20
"""Bytes a master may leave unread before its link closes."""
_SLICE: Final = 2_048
"""Bytes taken at once, so that a flood of requests is noticed before all of it is answered."""
_HELD_MAX: Final = 4_096
_FRAME_MAX: Final = 292  # IEEE 1815-2012, 9.2: 10 of header and 250 + 32 of data and CRCs
_QUIET_S: Final = 1.0


class Link:
    """One connection. It belongs to the master that its first frame to this outstation names as source.

    A master that connects again takes its association with it, and its older link closes.
    """

    __slots__ = (
        "_association",
        "_closed",
        "_fragments",
        "_held",
        "_output",
        "_quiet_until_s",
        "_reader",
        "_station",
        "peer",
    )

    def __init__(self, station: Outstation, peer: str) -> None:
        self.peer = peer
        self._station = station
        self._fragments: Fragments | None = None
        self._association: Association | None = None
        self._reader: FrameReader | None = FrameReader()
        self._held = bytearray()
        self._output = bytearray()
        self._closed = False
        self._quiet_until_s = 0.0

    @property
    def closed(self) -> bool:
        return self._closed

    def receive(self, data: bytes, now_s: float) -> None:
        self._station.tick(now_s)
        for start in range(0, len(data), _SLICE):
            piece = data[start : start + _SLICE]
            if self._association is None and not self._closed:
                piece = self._introduce(piece)
            if self._closed:
                return
            if self._association is not None:
                self._output += self._exchange(self._association, piece)
                self._closed = len(self._output) > OUTPUT_MAX
        self._speak()

    def advance(self, now_s: float) -> None:
        self._station.tick(now_s)
        self._speak()

    def deadline_s(self) -> float | None:
        if self._association is None or self._closed:
            return None
        wait_s = self._association.session.initiate_after()
        return None if wait_s is None else max(self._station.now_s + wait_s, self._quiet_until_s)

    def take_output(self) -> bytes:
        output = bytes(self._output)
        self._output.clear()
        return output

    def hang_up(self, now_s: float) -> None:
        self._station.tick(now_s)
        self._closed = True
        self._part()

    def _exchange(self, association: Association, piece: bytes) -> bytes:
        """Hand bytes to the session, and return what goes back: by way of the seat's filters, if there are any."""
        filters = self._filters()
        if filters is None:
            return association.receive(piece)
        asked, answer = filters.inward(self._station.seat.filters, piece, self._station.now_s)
        return answer + self._passed_out(association.receive(asked))

    def _passed_out(self, output: bytes) -> bytes:
        filters = self._filters()
        return output if filters is None else filters.outward(self._station.seat.filters, output, self._station.now_s)

    def _filters(self) -> Fragments | None:
        """The fragments of this connection while the seat has filters."""
        if not self._station.seat.filters:
            self._fragments = None
        elif self._fragments is None:
            self._fragments = Fragments()
        return self._fragments

    def _introduce(self, piece: bytes) -> bytes:
        """Hold what comes until a frame says whose connection this is; return what its session must see."""
        assert self._reader is not None
        self._held += piece
        for frame in self._reader.feed(piece):
            if frame.destination != self._station.seat.address or not frame.is_primary:
                continue
            association = self._station.association(frame.source)
            if association is None:
                self._closed = True
                return b""
            if association.connection is not None:
                association.connection.displace()
            association.connection = self
            self._association = association
            held = bytes(self._held)
            self._held.clear()
            self._reader = None
            return held
        if len(self._held) > _HELD_MAX:
            del self._held[:-_FRAME_MAX]
        return b""

    def displace(self) -> None:
        self._closed = True
        self._part()

    def _part(self) -> None:
        if self._association is not None:
            self._association.session.connection_reset()
            self._association.connection = None
            self._association = None

    def _speak(self) -> None:
        """Send what is due unasked; when the session has something it cannot send, leave it a while."""
        if self._association is None or self._closed:
            return
        session = self._association.session
        output = session.initiate()
        self._output += self._passed_out(output)
        stuck = not output and session.initiate_after() == 0.0
        self._quiet_until_s = self._station.now_s + _QUIET_S if stuck else 0.0
