"""The link of IEC 60870-5-104 at the controlled station: frames, counters and timers, without a socket.

One ``Link`` a connection, per IEC 60870-5-104:2006, clause 5: I, S and U format, at most ``k`` of our
frames unacknowledged, an acknowledgement after ``w`` of the peer's or ``t2``, closed when an
acknowledgement or a test confirmation is missing for ``t1``, a test frame after ``t3`` of silence.
t0 concerns only who connects. Bits the standard calls reserved must be 0.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from struct import Struct
from typing import Any, Final

START: Final = 0x68
LONGEST: Final = 253
MODULO: Final = 1 << 15
_NUMBERED: Final = Struct("<BBHH")  # the head of an I frame: start, length, and both numbers, a bit to the left

STARTDT_ACT: Final = 0x07
STARTDT_CON: Final = 0x0B
STOPDT_ACT: Final = 0x13
STOPDT_CON: Final = 0x23
TESTFR_ACT: Final = 0x43
TESTFR_CON: Final = 0x83


@dataclass(frozen=True, slots=True)
class Timing:
    """The parameters of clause 9.6; frames and seconds."""

    k: int = 12
    w: int = 8
    t1_s: float = 15.0
    t2_s: float = 10.0
    t3_s: float = 20.0


class Transfer(Enum):
    """Whether I frames may pass (5.3)."""

    STOPPED = auto()
    STARTED = auto()
    STOPPING = auto()  # a stop was asked for; our frames wait for their acknowledgement first


class Link:
    """Frames in, application data units out, and the other way round."""

    __slots__ = (
        "_acknowledged",
        "_heard_s",
        "_out",
        "_received",
        "_rest",
        "_sent",
        "_test_s",
        "_timing",
        "_unconfirmed",
        "_unconfirmed_s",
        "_under_way",
        "closed",
        "transfer",
    )

    def __init__(self, timing: Timing, now_s: float) -> None:
        self._timing = timing
        self._rest = b""
        self._out: list[bytes] = []
        self._sent = 0
        self._acknowledged = 0
        self._under_way: deque[tuple[float, Sequence[Any]]] = deque()
        """When each frame was sent that is not acknowledged, and what is lost with it."""
        self._received = 0
        self._unconfirmed = 0
        self._unconfirmed_s = now_s
        self._heard_s = now_s
        self._test_s: float | None = None
        self.transfer = Transfer.STOPPED
        self.closed = False

    @property
    def started(self) -> bool:
        """Whether data units may pass both ways."""
        return self.transfer is Transfer.STARTED and not self.closed

    @property
    def room(self) -> int:
        """How many data units may be sent now."""
        return self._timing.k - len(self._under_way) if self.started else 0

    def receive(self, data: bytes, now_s: float) -> Iterator[bytes]:
        """Yield each frame's data unit as it is reached, ``b""`` where it has none.

        The caller answers before it takes the next, so that answers keep the frames' order and do
        not depend on where the stream is cut.
        """
        buffer = self._rest + data
        self._rest = b""
        at = 0
        while not self.closed and at < len(buffer):
            length = buffer[at + 1] if at + 1 < len(buffer) else LONGEST
            if buffer[at] != START or not 4 <= length <= LONGEST:
                self.close()
                return
            end = at + 2 + length
            if end > len(buffer):
                self._rest = buffer[at:]
                return
            frame = buffer[at + 2 : end]
            at = end
            self._heard_s = now_s
            if not frame[0] & 0x01:
                yield frame[4:] if self._accept(frame, now_s) else b""
                continue
            if frame[0] & 0x02:
                self._unnumbered(frame)
            else:
                self._supervisory(frame)
            yield b""

    def send(self, asdu: bytes, now_s: float, carried: Sequence[Any] = ()) -> None:
        """Frame a data unit; only while there is ``room``. What it carries is kept until it is acknowledged."""
        sent = self._sent
        self._out.append(_NUMBERED.pack(START, 4 + len(asdu), sent << 1, self._received << 1) + asdu)
        self._sent = (sent + 1) % MODULO
        self._under_way.append((now_s, carried))
        self._unconfirmed = 0

    def advance(self, now_s: float) -> None:
        """Fire every timer that is due."""
        if self.closed:
            return
        timing = self._timing
        waiting = self._under_way[0][0] if self._under_way else now_s
        tested = now_s if self._test_s is None else self._test_s
        if now_s >= waiting + timing.t1_s or now_s >= tested + timing.t1_s:
            self.close()
            return
        if self._unconfirmed and now_s >= self._unconfirmed_s + timing.t2_s:
            self._confirm()
        if self._test_s is None and now_s >= self._heard_s + timing.t3_s:
            self._test_s = now_s
            self._u(TESTFR_ACT)

    def deadline_s(self) -> float | None:
        if self.closed:
            return None
        timing = self._timing
        due = self._heard_s + timing.t3_s if self._test_s is None else self._test_s + timing.t1_s
        if self._under_way:
            due = min(due, self._under_way[0][0] + timing.t1_s)
        if self._unconfirmed:
            due = min(due, self._unconfirmed_s + timing.t2_s)
        return due

    def take_output(self) -> bytes:
        output = b"".join(self._out)
        self._out.clear()
        return output

    def stop(self) -> None:
        """Stop the data transfer without having been asked; frames of ours may still be acknowledged."""
        self.transfer = Transfer.STOPPED
        self._confirm()

    def give_back(self) -> list[Any]:
        """Hand out what the unacknowledged frames carry; it is kept no longer."""
        left = [each for _, carried in self._under_way for each in carried]
        self._under_way = deque((sent_s, ()) for sent_s, _ in self._under_way)
        return left

    def close(self) -> None:
        """Close actively; what is already framed still goes out."""
        self.closed = True
        self._rest = b""

    # ---------------------------------------------------------------------------------- frames

    def _accept(self, frame: bytes, now_s: float) -> bool:
        """Check an I frame; before the start, out of sequence or empty it closes the link."""
        number = frame[0] >> 1 | frame[1] << 7
        out_of_place = self.transfer is Transfer.STOPPED or number != self._received or len(frame) == 4
        if out_of_place or not self._acknowledge(frame):
            self.close()
            return False
        self._received = (number + 1) % MODULO
        if not self._unconfirmed:
            self._unconfirmed_s = now_s
        self._unconfirmed += 1
        if self._unconfirmed >= self._timing.w:
            self._confirm()
        return True

    def _supervisory(self, frame: bytes) -> None:
        if len(frame) != 4 or frame[0] != 0x01 or frame[1] or not self._acknowledge(frame):
            self.close()

    def _acknowledge(self, frame: bytes) -> bool:
        """Take the peer's receive number; false if it acknowledges what was never sent."""
        number = frame[2] >> 1 | frame[3] << 7
        newly = (number - self._acknowledged) % MODULO
        if frame[2] & 0x01 or newly > len(self._under_way):
            return False
        for _ in range(newly):
            self._under_way.popleft()
        self._acknowledged = number
        if self.transfer is Transfer.STOPPING and not self._under_way:
            self._stop()
        return True

    def _unnumbered(self, frame: bytes) -> None:
        function = frame[0]
        if len(frame) != 4 or frame[1] or frame[2] or frame[3]:
            self.close()
        elif function == STARTDT_ACT:
            self.transfer = Transfer.STARTED
            self._u(STARTDT_CON)
        elif function == STOPDT_ACT:
            self._confirm()
            if self._under_way:
                self.transfer = Transfer.STOPPING
            else:
                self._stop()
        elif function == TESTFR_ACT:
            self._u(TESTFR_CON)
        elif function == TESTFR_CON:
            self._test_s = None
        else:
            self.close()

    def _stop(self) -> None:
        self.transfer = Transfer.STOPPED
        self._confirm()
        self._u(STOPDT_CON)

    def _confirm(self) -> None:
        if self._unconfirmed:
            received = self._received
            self._out.append(bytes((START, 4, 0x01, 0, received << 1 & 0xFE, received >> 7)))
            self._unconfirmed = 0

    def _u(self, function: int) -> None:
        self._out.append(bytes((START, 4, function, 0, 0, 0)))
