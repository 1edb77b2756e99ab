"""The secondary station of a link: it answers, and never begins (IEC 60870-5-2:1992, 5; IEC 60870-5-101:2003, 6.2).

- Until the link is reset only its status and its reset are answered, and what is not implemented; the rest is neither
  taken nor answered, so that a primary begins anew after its time-outs.
- Of frames whose count bit is valid one with the same bit is a repetition, whatever its function: the answer is that
  of before, octet by octet, and nothing is done. An acknowledgement that was refused is tried again instead.
- Without a valid count bit a service is done each time.
- Where the user has no room for data, they are refused with a negative acknowledgement, or silently where no reply is
  wanted.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Protocol

from pilotfarm.emulators.protocols.iec101.frames import SINGLE_CHARACTER, Frame, Framing
from pilotfarm.emulators.protocols.iec101.services import (
    ACCESS_DEMAND,
    COUNT_BIT,
    COUNT_VALID,
    FLOW_CONTROL,
    FUNCTION,
    Reply,
    Request,
)

_WITH_DATA: Final = (Request.DATA, Request.DATA_NO_REPLY)
_SINGLE: Final = bytes((SINGLE_CHARACTER,))
_BY_SINGLE: Final = (Reply.ACK, Reply.NO_DATA)
"""What the single character may stand for, while there is neither access demand nor flow control (6.2)."""


class User(Protocol):
    """Whom a secondary station serves."""

    @property
    def urgent(self) -> bool:
        """Whether data of class 1 wait."""
        ...

    @property
    def full(self) -> bool:
        """Whether there is no room for more data."""
        ...

    def begin(self, now_s: float) -> None:
        """The link has been reset: what was given last may not have arrived."""
        ...

    def take(self, data: bytes, now_s: float) -> None: ...
    def give(self, urgent: bool, now_s: float) -> bytes | None:
        """Hand out data of class 1 or of class 2, if there is any."""
        ...

    def arrived(self) -> None:
        """What was given last has arrived."""
        ...


class Secondary:
    """One link address at a line."""

    __slots__ = ("_address", "_answer", "_bit", "_framing", "_refused", "_services", "_single", "_user", "begun")

    def __init__(
        self, framing: Framing, address: int, services: Collection[Request], user: User, *, single: bool
    ) -> None:
        self._framing = framing
        self._address = address
        self._services = services
        self._user = user
        self._single = single
        self._bit = 0
        self._answer = b""
        """To the last frame with a valid count bit."""
        self._refused = False
        """Whether that was refused for want of room."""
        self.begun = False
        """Whether the link has been reset."""

    def answer(self, frame: Frame, now_s: float) -> bytes:
        """Serve a frame of the primary station, and return what is answered."""
        function = frame.control & FUNCTION
        if bool(frame.data) != (function in _WITH_DATA):
            return b""
        if not self.begun or not frame.control & COUNT_VALID or function == Request.RESET_LINK:
            return self._serve(function, frame.data, now_s)
        bit = frame.control & COUNT_BIT
        if bit == self._bit and not self._refused:
            return self._answer
        if bit != self._bit:
            self._user.arrived()
        self._bit = bit
        self._refused = function == Request.DATA and self._user.full
        self._answer = self._serve(function, frame.data, now_s)
        return self._answer

    def fall(self) -> None:
        """Know nothing of the peer, as after a loss of power."""
        self._bit, self._answer, self._refused, self.begun = 0, b"", False, False

    def _serve(self, function: int, data: bytes, now_s: float) -> bytes:
        if function not in self._services:
            return self._reply(Reply.NOT_IMPLEMENTED)
        if function == Request.RESET_LINK:
            self.fall()
            self.begun = True
            self._user.begin(now_s)
            return self._reply(Reply.ACK)
        if function in (Request.STATUS, Request.ACCESS_DEMAND):
            return self._reply(Reply.STATUS)
        if not self.begun:
            return b""
        if function in (Request.CLASS_1, Request.CLASS_2):
            given = self._user.give(function == Request.CLASS_1, now_s)
            return self._reply(Reply.NO_DATA) if given is None else self._reply(Reply.DATA, given)
        full = bool(data) and self._user.full
        if data and not full:
            self._user.take(data, now_s)
        if function == Request.DATA_NO_REPLY:
            return b""
        return self._reply(Reply.NACK if full else Reply.ACK)

    def _reply(self, function: Reply, data: bytes = b"") -> bytes:
        demand = ACCESS_DEMAND if Request.CLASS_1 in self._services and self._user.urgent else 0
        control = function | demand | (FLOW_CONTROL if self._user.full else 0)
        if self._single and control in _BY_SINGLE:
            return _SINGLE
        return self._framing.encode(control, self._address, data)
