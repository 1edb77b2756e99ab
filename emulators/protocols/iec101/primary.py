"""The primary station of a balanced link: it asks for the status of the link, resets it, and sends data.

Per IEC 60870-5-2:1992, 5 and 6, and IEC 60870-5-101:2003, 6.2. One service is under way at a time. What is not
answered is repeated as it was; after the last repetition the link is down, and begins again with its status, which
is asked for until it is told. A peer without room is asked for its status until it has some; what it refused is then
sent as a new service. A line that is silent for long is tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from pilotfarm.emulators.protocols.iec101.frames import Framing
from pilotfarm.emulators.protocols.iec101.services import (
    COUNT_BIT,
    COUNT_VALID,
    FLOW_CONTROL,
    FUNCTION,
    PRIMARY,
    Reply,
    Request,
)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long an answer is waited for, how often a frame is repeated, and after which silence the link is tested."""

    timeout_s: float
    repeats: int
    test_s: float


class _At(Enum):
    """What the station waits for."""

    STATUS = auto()  # of a link that is down
    RESET = auto()
    NOTHING = auto()
    DATA = auto()
    TEST = auto()
    ROOM = auto()  # at a peer that is full


_UP = (_At.NOTHING, _At.DATA, _At.TEST, _At.ROOM)


class Primary:
    """Data out, one service at a time; answers of the secondary station in."""

    __slots__ = (
        "_address",
        "_at",
        "_bit",
        "_carried",
        "_data",
        "_due_s",
        "_frame",
        "_framing",
        "_heard_s",
        "_out",
        "_sent",
        "_timing",
    )

    def __init__(self, framing: Framing, address: int, timing: Timing, now_s: float) -> None:
        self._framing = framing
        self._address = address
        self._timing = timing
        self._out: list[bytes] = []
        self._heard_s = now_s
        self._bit = 0
        self._at = _At.STATUS
        self._data = b""
        """What is under way, or was refused."""
        self._carried: Sequence[Any] = ()
        """What is lost with it."""
        self._begin(now_s)

    @property
    def up(self) -> bool:
        return self._at in _UP

    @property
    def room(self) -> bool:
        """Whether data may be sent now."""
        return self._at is _At.NOTHING

    def send(self, data: bytes, now_s: float, carried: Sequence[Any] = ()) -> None:
        """Send data; only while there is ``room``. What they carry is kept until they are acknowledged."""
        self._data, self._carried = data, carried
        self._ask_counted(_At.DATA, Request.DATA, now_s, data)

    def heard(self, now_s: float) -> None:
        """The peer is alive: it has begun a service of its own."""
        self._heard_s = now_s

    def receive(self, control: int, now_s: float) -> None:
        """Take the control field of an answer; what nobody waits for is nothing."""
        self._heard_s = now_s
        function, full = control & FUNCTION, bool(control & FLOW_CONTROL)
        if self._at in (_At.STATUS, _At.ROOM):
            if function == Reply.STATUS:
                self._told_of_room(full, now_s)
        elif self._at is _At.NOTHING or function == Reply.STATUS:
            return
        elif function == Reply.ACK:
            if self._at is _At.DATA:
                self._data, self._carried = b"", ()
            self._settle(full, now_s)
        elif self._at is _At.TEST:
            self._settle(full, now_s)  # not implemented, and yet alive
        elif function == Reply.NACK and self._at is _At.DATA:
            self._settle(True, now_s)
        else:
            self._begin(now_s)

    def advance(self, now_s: float) -> None:
        """Repeat or test what is due."""
        due_s = self.deadline_s()
        if due_s is None or now_s < due_s:
            return
        if self._at is _At.NOTHING:
            self._ask_counted(_At.TEST, Request.TEST_LINK, now_s)
        elif self._at is not _At.STATUS and self._sent > self._timing.repeats:
            self._begin(now_s)
        else:
            self._send(now_s)

    def deadline_s(self) -> float | None:
        if self._at is not _At.NOTHING:
            return self._due_s
        return self._heard_s + self._timing.test_s if self._timing.test_s else None

    def take_output(self) -> bytes:
        output = b"".join(self._out)
        self._out.clear()
        return output

    def give_back(self) -> list[Any]:
        """Hand out what the unacknowledged data carry; neither is kept any longer."""
        left = list(self._carried)
        self._data, self._carried = b"", ()
        return left

    def fall(self) -> None:
        """Know nothing of the peer, as after a loss of power; the link begins again with what is due next."""
        self._frame = self._framing.encode(PRIMARY | Request.STATUS, self._address)
        self._at, self._sent, self._due_s = _At.STATUS, 0, self._heard_s

    # -------------------------------------------------------------------------------- services

    def _begin(self, now_s: float) -> None:
        self._ask(_At.STATUS, PRIMARY | Request.STATUS, now_s)

    def _told_of_room(self, full: bool, now_s: float) -> None:
        if full:
            self._sent, self._due_s = 0, now_s + self._timing.timeout_s
        elif self._at is _At.STATUS:
            self._bit = 0
            self._ask(_At.RESET, PRIMARY | Request.RESET_LINK, now_s)
        elif self._data:
            self._ask_counted(_At.DATA, Request.DATA, now_s, self._data)
        else:
            self._at = _At.NOTHING

    def _settle(self, full: bool, now_s: float) -> None:
        """A service has ended: the next may begin, or must wait for room."""
        self._at = _At.ROOM if full else _At.NOTHING
        if full:
            self._frame = self._framing.encode(PRIMARY | Request.STATUS, self._address)
            self._told_of_room(full, now_s)

    def _ask_counted(self, at: _At, function: Request, now_s: float, data: bytes = b"") -> None:
        self._bit ^= COUNT_BIT
        self._ask(at, PRIMARY | COUNT_VALID | self._bit | function, now_s, data)

    def _ask(self, at: _At, control: int, now_s: float, data: bytes = b"") -> None:
        self._at = at
        self._frame = self._framing.encode(control, self._address, data)
        self._sent = 0
        self._send(now_s)

    def _send(self, now_s: float) -> None:
        self._out.append(self._frame)
        self._sent += 1
        self._due_s = now_s + self._timing.timeout_s
