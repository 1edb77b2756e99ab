"""One connection to an outstation: whose it is, whether anybody is there, and what there is to say unasked."""

from __future__ import annotations

from typing import Final

from py1815.link import FrameReader, LinkFrame, PrimaryFunction, build, control_byte

from pilotfarm.emulators.protocols.dnp3.application import Outstation
from pilotfarm.emulators.protocols.dnp3.association import Association
from pilotfarm.emulators.protocols.dnp3.fragments import Fragments

OUTPUT_MAX: Final = 1 << 20
"""Bytes a master may leave unread before its link closes."""
GRACE_S: Final = 0.25
"""How long a master who finds no association left waits for one: another may be leaving."""
_SLICE: Final = 2_048
"""Bytes taken at once, so that a flood of requests is noticed before all of it is answered."""
_HELD_MAX: Final = 4_096
_FRAME_MAX: Final = 292  # IEEE 1815-2012, 9.2: 10 of header and 250 + 32 of data and CRCs
_QUIET_S: Final = 1.0
_REQUEST_STATUS: Final = control_byte(from_master=False, primary=True, function=PrimaryFunction.REQUEST_LINK_STATUS)


class Link:
    """One connection. It belongs to the master that its first frame to this outstation names as source.

    A master that connects again takes its association with it, and its older link closes. Until a master has spoken,
    those that the site names and that have not spoken elsewhere are greeted: each is sent what it is owed unasked.
    A link that has been silent for ``keep_alive_s`` asks for the link status, and closes if nothing comes back.
    """

    __slots__ = (
        "_asked_s",
        "_association",
        "_begun",
        "_closed",
        "_fragments",
        "_greeted",
        "_heard_s",
        "_held",
        "_newcomer",
        "_output",
        "_quiet_until_s",
        "_reader",
        "_station",
        "peer",
    )

    def __init__(self, station: Outstation, peer: str, now_s: float) -> None:
        station.tick(now_s)
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
        self._closed = False
        self._begun = False
        """Whether the outstation is up, and serves what comes."""
        self._quiet_until_s = 0.0
        self._heard_s = now_s
        self._asked_s: float | None = None
        """When the link status was asked for, if nothing has come since."""
        self._begin()

    @property
    def closed(self) -> bool:
        return self._closed

    def receive(self, data: bytes, now_s: float) -> None:
        self._station.tick(now_s)
        self._heard_s, self._asked_s = now_s, None
        if not self._begun:
            self._held += data
            self._closed |= len(self._held) > _HELD_MAX
            self._begin()
        else:
            self._take_in(data)

    def advance(self, now_s: float) -> None:
        self._station.tick(now_s)
        if not self._begun:
            self._begin()
        if self._closed or not self._begun:
            return
        self._admit()
        self._keep_alive()
        self._speak()

    def deadline_s(self) -> float | None:
        if self._closed:
            return None
        if not self._begun:
            return self._station.restarting_until_s
        waits = [association.session.initiate_after() for association in self._masters]
        due = [max(self._station.now_s + wait_s, self._quiet_until_s) for wait_s in waits if wait_s is not None]
        if self._newcomer is not None:
            due.append(self._newcomer[1])
        if self._station.options.keep_alive_s:
            due.append(self._silent_until_s)
        return min(due, default=None)

    def take_output(self) -> bytes:
        output = bytes(self._output)
        self._output.clear()
        return output

    def hang_up(self, now_s: float) -> None:
        self._station.tick(now_s)
        self.displace()

    def displace(self) -> None:
        self._closed = True
        self._station.connections.discard(self)
        for association in self._masters:
            self._part(association)
        self._association = None
        self._greeted.clear()

    def let_go(self, association: Association) -> None:
        self._greeted.remove(association)
        self._part(association)

    def restart(self) -> None:
        self._closed = True

    def _begin(self) -> None:
        """Serve, unless the outstation is restarting; what comes before it is up waits."""
        if self._station.restarting or self._closed:
            return
        self._begun = True
        self._station.connections.add(self)
        self._greet(self._station.named())
        held = bytes(self._held)
        self._held.clear()
        self._take_in(held)

    def _take_in(self, data: bytes) -> None:
        for start in range(0, len(data), _SLICE):
            piece = data[start : start + _SLICE]
            if self._association is None and not self._closed:
                piece = self._introduce(piece)
            if self._closed:
                return
            if self._association is not None:
                self._output += self._exchange(self._association, piece)
                self._closed |= len(self._output) > OUTPUT_MAX
        self._speak()

    # --------------------------------------------------------------------------------- whose it is

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
                    self._closed = True
                    return b""
                self._newcomer = frame.source, self._station.now_s + GRACE_S
        self._take_up()
        if self._association is not None:
            held = bytes(self._held)
            self._held.clear()
            return held
        if len(self._held) > _HELD_MAX:
            self._closed |= self._newcomer is not None
            del self._held[:-_FRAME_MAX]
        return b""

    def _is_for_us(self, frame: LinkFrame) -> bool:
        mine = frame.destination == self._station.seat.address or frame.is_broadcast
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

    def _admit(self) -> None:
        """Have a master that waits for an association come in, or turn it away once it has waited long enough."""
        if self._newcomer is None:
            return
        _, until_s = self._newcomer
        self._take_up()
        if self._association is not None:
            held = bytes(self._held)
            self._held.clear()
            self._output += self._exchange(self._association, held)
        elif self._station.now_s >= until_s:
            self._closed = True

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

    @property
    def mute(self) -> bool:
        """Whether nobody has spoken here yet."""
        return self._association is None

    def _part(self, association: Association) -> None:
        association.session.connection_reset()
        association.connection = None

    # ----------------------------------------------------------------------- whether anybody is there

    @property
    def _silent_until_s(self) -> float:
        """Until when the master may be silent before something is done about it."""
        options = self._station.options
        if self._asked_s is not None:
            return self._asked_s + options.confirm_timeout_s
        return self._heard_s + options.keep_alive_s

    def _keep_alive(self) -> None:
        """Ask for the link status after a silence (IEEE 1815-2012, 13.2), and close when that stays unanswered.

        Where nobody has said who is there, there may be nobody to ask.
        """
        now_s = self._station.now_s
        if not self._station.options.keep_alive_s or now_s < self._silent_until_s:
            return
        if self._asked_s is not None:
            self._closed = True
            return
        self._asked_s = now_s
        for association in self._masters:
            self._output += build(_REQUEST_STATUS, association.master, self._station.seat.address)

    # ------------------------------------------------------------------------------- what is said

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

    def _speak(self) -> None:
        """Send what is due unasked; when a session has something it cannot send, leave it a while."""
        if self._closed:
            return
        if self._association is None:
            self._greet([each for each in self._station.named() if each.connection is None])
        self._quiet_until_s = 0.0
        for association in self._masters:
            output = association.session.initiate()
            self._output += self._passed_out(output)
            if not output and association.session.initiate_after() == 0.0:
                self._quiet_until_s = self._station.now_s + _QUIET_S
