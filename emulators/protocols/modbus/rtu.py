"""Modbus RTU: the framing of a serial line, or of a serial server's TCP connection.

Source: MODBUS over Serial Line Specification and Implementation Guide V1.02 ("SL").

A frame ends where its function says and its check confirms. The silence before it, 3.5 characters (SL, 2.5.1.1), is
where one begins: after a frame with a wrong check nothing is heard until the line has been silent, and a function
whose length nobody knows ends with the silence behind it. An adapter, a serial server or this machine may hand over
the second part of a frame late, which looks like silence too. So what came before is kept: it is dropped once what
follows the silence is a frame, and if both are one, it is answered. The check decides.

A wrong check, a unit that is not here and what is said to all are answered by nobody (SL, 2.1 and 2.4.3).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pilotfarm.emulators.contracts.line import SerialLine
from pilotfarm.emulators.contracts.protocol import Traffic
from pilotfarm.emulators.plans.modbus import READS
from pilotfarm.emulators.protocols.modbus.application import Application
from pilotfarm.emulators.protocols.modbus.functions import EXCEPTION, exception_name
from pilotfarm.emulators.wire.rtu import CHECK_OCTETS, FRAME_MAX, framed, is_whole, request_size

SILENCE_CHARACTERS: Final = 3.5
SILENCE_MIN_S: Final = 0.001_75
"""Above ``FAST_BIT_S``, whatever a character takes (SL, 2.5.1.1)."""
FAST_BIT_S: Final = 19_200
BROADCAST: Final = 0
_READ_OVER_TCP: Final = b"\0\0\0\6"
"""How a read begins over TCP, after its transaction: as such it is remembered, by masters of all framings together."""
_MESSAGE_AT: Final = 5
"""Where the message is in what is remembered."""
CRC_ERROR: Final = "crc_error"
"""Under what octets are counted that were no frame; not more than once between two silences."""


def silence_s(line: SerialLine) -> float:
    """Return how long a line is silent between two frames."""
    fast = line.baud_rate > FAST_BIT_S
    return SILENCE_MIN_S if fast else SILENCE_CHARACTERS * line.character_s


class RtuEngine:
    """What answers on a line, or on one connection of a serial server's.

    ``leave`` is called once, when nobody is there any more.
    """

    __slots__ = (
        "_application",
        "_buffer",
        "_character_s",
        "_due_s",
        "_ended",
        "_heard_s",
        "_held",
        "_idle_s",
        "_leave",
        "_out",
        "_peer",
        "_silence_s",
        "_starts",
        "_traffic",
        "_turnaround_s",
        "closed",
    )

    framing = "rtu"

    def __init__(
        self,
        application: Application,
        traffic: Traffic,
        peer: str,
        now_s: float,
        *,
        line: SerialLine | None = None,
        idle_s: float = 0.0,
        leave: Callable[[], None] | None = None,
    ) -> None:
        self._application = application
        self._traffic = traffic
        self._peer = peer
        self._heard_s = now_s
        self._idle_s = idle_s
        self._leave = leave
        self._silence_s = SILENCE_MIN_S if line is None else silence_s(line)
        paced = line is not None and line.paced
        self._character_s = line.character_s if line is not None and paced else 0.0
        self._turnaround_s = self._silence_s if paced else 0.0
        """How long a master has to get ready to hear an answer."""
        self.closed = False
        self._buffer = b""
        self._starts = [0]
        """Where in the buffer a frame may begin, the first at 0; none until the line is silent again."""
        self._ended = True
        """Whether it has been looked at what the last silence ended."""
        self._held = b""
        self._due_s = now_s
        self._out = b""

    def receive(self, data: bytes, now_s: float) -> None:
        if self.closed or not data:
            return
        began_s = now_s - len(data) * self._character_s
        if began_s >= self._heard_s + self._silence_s:
            self._fall_silent(now_s)
            self._starts.append(len(self._buffer))
        self._heard_s = now_s
        if self._starts:
            self._buffer += data
            self._ended = False
            self._take_apart(now_s)
        self._send(now_s)

    def advance(self, now_s: float) -> None:
        if self.closed:
            return
        if now_s >= self._heard_s + self._silence_s:
            self._fall_silent(now_s)
        if self._idle_s and now_s >= self._heard_s + self._idle_s:
            self.closed = True
        self._send(now_s)

    def deadline_s(self) -> float | None:
        if self.closed:
            return None
        due = [self._due_s] if self._held else []
        if not self._ended:
            due.append(self._heard_s + self._silence_s)
        if self._idle_s:
            due.append(self._heard_s + self._idle_s)
        return min(due, default=None)

    def take_output(self) -> bytes:
        out, self._out = self._out, b""
        return out

    def hang_up(self, now_s: float) -> None:
        self.closed = True
        if self._leave is not None:
            self._leave()
            self._leave = None

    # ------------------------------------------------------------------------------------ frames

    def _take_apart(self, now_s: float) -> None:
        """Answer every frame there is; keep what may become one."""
        while (found := self._found()) is not None:
            start, end = found
            if start:
                self._traffic.refuse(CRC_ERROR)
            self._answer(self._buffer[start:end], now_s)
            self._buffer, self._starts = self._buffer[end:], [0]
        if not self._starts:
            self._traffic.refuse(CRC_ERROR)
        first = self._starts[0] if self._starts else len(self._buffer)
        self._buffer, self._starts = self._buffer[first:], [start - first for start in self._starts]
        self._ended |= not self._buffer

    def _found(self) -> tuple[int, int] | None:
        """Return from where to where a frame is there; where there can be none, none begins any more."""
        for start in tuple(self._starts):
            end = self._end(start)
            if end:
                return start, end
            if end is not None:
                self._starts.remove(start)
        return None

    def _end(self, start: int) -> int | None:
        """Where the frame ends that begins there: ``None`` while it is on its way, 0 if there is none."""
        size = request_size(self._buffer, start)
        end = start + (size or FRAME_MAX + 1)
        if size is None or (size <= FRAME_MAX and end > len(self._buffer)):
            return None
        return end if size and is_whole(self._buffer[start:end]) else 0

    def _fall_silent(self, now_s: float) -> None:
        """Answer what the silence has ended, if that is a frame."""
        if self._ended:
            return
        self._ended = True
        for start in self._starts:
            frame = self._buffer[start:]
            if is_whole(frame):
                self._answer(frame, now_s)
                self._buffer, self._starts = b"", [0]
                return

    def _answer(self, frame: bytes, now_s: float) -> None:
        unit, message = frame[0], frame[1:-CHECK_OCTETS]
        if unit == BROADCAST:
            self._traffic.requests += 1
            self._application.tell(message, self._peer, now_s)
            return
        if message[0] & EXCEPTION or not self._application.has(unit):
            return
        self._traffic.requests += 1
        answer = self._again(frame)
        if answer is None:
            answer = self._application.answer(unit, message, self._peer, now_s)
            if answer is None:
                return
            if answer[0] & EXCEPTION:
                self._traffic.refuse(exception_name(answer[1]))
            elif message[0] in READS:
                self._remember(frame, answer)
        self._held += framed(unit, answer)
        self._due_s = now_s + self._turnaround_s

    def _again(self, frame: bytes) -> bytes | None:
        """Answer a read as some master of the group has asked before, over TCP or here; ``None`` for other messages."""
        bank = self._application.banks.get(frame[0])
        if bank is None or bank.seat.filters or not bank.seat.reachable:
            return None
        framed_for_tcp = bank.again(_READ_OVER_TCP + frame[:-CHECK_OCTETS])
        return None if framed_for_tcp is None else framed_for_tcp[_MESSAGE_AT:]

    def _remember(self, frame: bytes, answer: bytes) -> None:
        bank = self._application.banks[frame[0]]
        if not bank.seat.filters:
            length = (len(answer) + 1).to_bytes(2, "big")
            asked = _READ_OVER_TCP + frame[:-CHECK_OCTETS]
            bank.remember(asked, b"\0\0" + length + frame[:1] + answer[:2])

    def _send(self, now_s: float) -> None:
        if self._held and now_s >= self._due_s:
            self._out += self._held
            self._held = b""
