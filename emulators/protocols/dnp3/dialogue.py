"""What one outstation hears and says on one connection: whose it is there, and what there is to say unasked."""

from __future__ import annotations

from typing import Final

from py1815.link import FrameReader, LinkFrame, PrimaryFunction, build, control_byte

from pilotfarm.emulators.protocols.dnp3.application import Outstation
from pilotfarm.emulators.protocols.dnp3.association import Association
from pilotfarm.emulators.protocols.dnp3.fragments import Fragments

OUTPUT_MAX: Final = 1 << 20
"""Bytes a master may leave unread of an outstation before its connection closes."""
GRACE_S: Final = 0.25
"""How long a master who finds no association left waits for one: another may be leaving."""
_SLICE: Final = 2_048
"""Bytes taken at once, so that a flood of requests is noticed before all of it is answered."""
HELD_MAX: Final = 4_096
_FRAME_MAX: Final = 292  # IEEE 1815-2012, 9.2: 10 of header and 250 + 32 of data and CRCs
_QUIET_S: Final = 1.0
_REQUEST_STATUS: Final = control_byte(from_master=False, primary=True, function=PrimaryFunction.REQUEST_LINK_STATUS)


class Dialogue:
    """It belongs to the master that the first frame to the outstation names as source.

    A master that connects again takes its association with it, and its older dialogue is over. Until a master has
    spoken, those that the site names and that have not spoken elsewhere are greeted: each is sent what it is owed
    unasked. Whoever has it tells the outstation the time (``tick``) before each call, and closes it by ``displace``.
    """

    __slots__ = (
        "_association",
        "_fragments",
        "_greeted",
        "_held",
        "_newcomer",
        "_output",
        "_quiet_until_s",
        "_reader",
        "_station",
        "over",
        "peer",
        "restarted",
    )

    def __init__(self, station: Outstation, peer: str) -> None:
        self.peer = peer
        self._station = station
        self._fragments: Fragments | None = None
        self._association: Association | None = None
        self._greeted: list[Association] = []
        self._newcomer: tuple[int, float] | None = None
        """A master for whom no association was left, and until when it may wait for one."""
        self._reader: FrameReader | None = FrameReader()
        self._held = bytearray()
        self._output = bytearray()
        self._quiet_until_s = 0.0
        self.over = False
        self.restarted = False
        """Whether it is over because the outstation has begun anew."""
        station.connections.add(self)
        self._greet(station.named())

    def receive(self, data: bytes) -> None:
        for start in range(0, len(data), _SLICE):
            piece = data[start : start + _SLICE]
            if self._association is None and not self.over:
                piece = self._introduce(piece)
            if self.over:
                return
            if self._association is not None:
                self._output += self._exchange(self._association, piece)
                self.over |= len(self._output) > OUTPUT_MAX
        self.speak()

    def admit(self) -> None:
        """Have a master that waits for an association come in, or turn it away once it has waited long enough."""
        if self._newcomer is None or self.over:
            return
        _, until_s = self._newcomer
        self._take_up()
        if self._association is not None:
            held = bytes(self._held)
            self._held.clear()
            self._output += self._exchange(self._association, held)
        elif self._station.now_s >= until_s:
            self.over = True

    def speak(self) -> None:
        """Send what is due unasked; when a session has something it cannot send, leave it a while."""
        if self.over:
            return
        if self._association is None:
            self._greet([each for each in self._station.named() if each.connection is None])
        self._quiet_until_s = 0.0
        for association in self._masters:
            self._output += self._passed_out(association.advance())
            output = association.session.initiate()
            self._output += self._passed_out(output)
            if not output and association.session.initiate_after() == 0.0:
                self._quiet_until_s = self._station.now_s + _QUIET_S

    def deadline_s(self) -> float | None:
        if self.over:
            return None
        waits = [association.session.initiate_after() for association in self._masters]
        due = [max(self._station.now_s + wait_s, self._quiet_until_s) for wait_s in waits if wait_s is not None]
        due += [due_s for each in self._masters if (due_s := each.deadline_s()) is not None]
        if self._newcomer is not None:
            due.append(self._newcomer[1])
        return min(due, default=None)

    def take_output(self) -> bytes:
        output = bytes(self._output)
        self._output.clear()
        return output

    def ask_link_status(self) -> None:
        """Ask whoever is there, or may be, to say so."""
        for association in self._masters:
            self._output += build(_REQUEST_STATUS, association.master, self._station.address)

    def displace(self) -> None:
        self.over = True
        self._station.connections.discard(self)
        for association in self._masters:
            association.part()
        self._association = None
        self._greeted.clear()

    def let_go(self, association: Association) -> None:
        self._greeted.remove(association)
        association.part()

    def restart(self) -> None:
        self.over = self.restarted = True

    # --------------------------------------------------------------------------------- whose it is

    @property
    def mute(self) -> bool:
        """Whether nobody has spoken here yet."""
        return self._association is None

    @property
    def _masters(self) -> list[Association]:
        return self._greeted if self._association is None else [self._association]

    def _introduce(self, piece: bytes) -> bytes:
        """Hold what comes until a frame says whose connection this is; return what its session must see."""
        assert self._reader is not None
        self._held += piece
        for frame in self._reader.feed(piece):
            if self._newcomer is None and self._is_for_us(frame):
                if not self._station.serves(frame.source):
                    self.over = True
                    return b""
                self._newcomer = frame.source, self._station.now_s + GRACE_S
        self._take_up()
        if self._association is not None:
            held = bytes(self._held)
            self._held.clear()
            return held
        if len(self._held) > HELD_MAX:
            self.over |= self._newcomer is not None
            del self._held[:-_FRAME_MAX]
        return b""

    def _is_for_us(self, frame: LinkFrame) -> bool:
        mine = frame.destination == self._station.address or frame.is_broadcast
        return mine and (frame.is_primary or any(each.master == frame.source for each in self._greeted))

    def _take_up(self) -> None:
        """Take the association of the master that has introduced itself, if there is one for it."""
        association = None if self._newcomer is None else self._station.association(self._newcomer[0])
        if association is None:
            return
        for other in [each for each in self._greeted if each is not association]:
            self.let_go(other)
        if association not in self._greeted:
            older = association.connection
            if older is not None and older.mute:
                older.let_go(association)
            elif older is not None:
                older.displace()
            association.connection = self
        self._greeted.clear()
        self._association = association
        self._newcomer = self._reader = None

    def _greet(self, associations: list[Association]) -> None:
        """Take those that no connection has, or that one has where nobody has spoken yet."""
        for association in associations:
            older = association.connection
            if older is self or (older is not None and not older.mute):
                continue
            if older is not None:
                older.let_go(association)
            association.connection = self
            self._greeted.append(association)

    # ------------------------------------------------------------------------------- what is said

    def _exchange(self, association: Association, piece: bytes) -> bytes:
        """Hand bytes to the session, and return what goes back: by way of the seat's filters, if there are any."""
        filters = self._filters()
        if filters is None:
            return association.receive(piece)
        asked, answer = filters.inward(self._station.database.filters, piece, self._station.now_s)
        return answer + self._passed_out(association.receive(asked))

    def _passed_out(self, output: bytes) -> bytes:
        filters = self._filters()
        return (
            output if filters is None else filters.outward(self._station.database.filters, output, self._station.now_s)
        )

    def _filters(self) -> Fragments | None:
        """The fragments of this connection while the seat has filters."""
        if not self._station.database.filters:
            self._fragments = None
        elif self._fragments is None:
            self._fragments = Fragments()
        return self._fragments
