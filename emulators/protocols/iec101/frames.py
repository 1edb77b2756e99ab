"""FT1.2, the frames of IEC 60870-5-101 (IEC 60870-5-1:1990, 6.2.4.2), without a line.

A frame of fixed length is ``10 C A CS 16``, one of variable length ``68 L L 68 C A data CS 16``, and ``E5`` stands for
a whole frame. C is the control field, A the link address of no, one or two octets, CS the sum of what stands between
the start and itself, L the octets of C, A and data.

What does not fit is lost with all that follows until the line has been idle, as FT1.2 has it: nothing is searched for
in the middle of a broken frame, where data may look like a frame. A frame that stops in its middle is given up after
a longer silence. ``E5`` says nothing of itself, so it counts only alone: once the line has been idle after it, or a
good frame follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

START_FIXED: Final = 0x10
START_VARIABLE: Final = 0x68
END: Final = 0x16
SINGLE_CHARACTER: Final = 0xE5
LENGTH_MAX: Final = 255
"""The largest L (IEC 60870-5-101:2003, 6.1)."""
_AROUND: Final = 6
"""Octets of a variable frame beside those that L counts."""


class Frame(NamedTuple):
    """A control field, the link address, and data; a frame of fixed length has none."""

    control: int
    address: int
    data: bytes = b""


SINGLE: Final = Frame(0, -1)
"""What ``E5`` stands for: control field 0, a positive acknowledgement without demands, from nobody by name."""


@dataclass(frozen=True, slots=True)
class Framing:
    """How wide link addresses are, and which silences mean something.

    ``idle_s`` is the silence after which a broken frame is over; FT1.2 asks for 33 bits. ``gap_s`` is the silence that
    ends a frame which has not come whole.
    """

    address_octets: int = 1
    idle_s: float = 0.03
    gap_s: float = 0.3

    @property
    def broadcast(self) -> int:
        """The link address that means every station of a line; below 0 where there are no addresses."""
        return (1 << 8 * self.address_octets) - 1 if self.address_octets else -1

    @property
    def address_max(self) -> int:
        """The highest address that one station may have."""
        return max(self.broadcast - 1, 0)

    def encode(self, control: int, address: int, data: bytes = b"") -> bytes:
        """Make a frame: of variable length if there is data."""
        counted = bytes((control,)) + address.to_bytes(self.address_octets, "little") + data
        start = bytes((START_VARIABLE, len(counted), len(counted), START_VARIABLE)) if data else bytes((START_FIXED,))
        return start + counted + bytes((sum(counted) & 0xFF, END))

    def size(self, head: bytes) -> int:
        """How many octets the frame has that begins so, as far as they tell; 0 if no frame begins so."""
        if head[0] == START_FIXED:
            return 4 + self.address_octets
        if head[0] != START_VARIABLE:
            return 0
        length = head[1] if len(head) > 1 else LENGTH_MAX
        fits = length > 1 + self.address_octets and head[2:3] in (b"", head[1:2]) and head[3:4] in (b"", b"\x68")
        return length + _AROUND if fits else 0

    def decode(self, octets: bytes) -> Frame | None:
        """Take a whole frame apart; ``None`` if its sum or its end is wrong."""
        counted = octets[4 if octets[0] == START_VARIABLE else 1 : -2]
        if octets[-1] != END or octets[-2] != sum(counted) & 0xFF:
            return None
        data_at = 1 + self.address_octets
        return Frame(counted[0], int.from_bytes(counted[1:data_at], "little"), counted[data_at:])


class Deframer:
    """Octets in, frames out; it keeps less than one frame."""

    __slots__ = ("_broken", "_framing", "_heard_s", "_rest", "_single")

    def __init__(self, framing: Framing, now_s: float) -> None:
        self._framing = framing
        self._rest = b""
        self._single = False
        """Whether an ``E5`` waits to be found alone."""
        self._broken = False
        self._heard_s = now_s

    def receive(self, data: bytes, now_s: float) -> list[Frame]:
        """Return the frames that come to their end."""
        found = self.advance(now_s)
        silence_s = now_s - self._heard_s
        if not data or (self._broken and silence_s < self._framing.idle_s):
            self._heard_s = now_s if data else self._heard_s
            return found
        if self._rest and silence_s >= self._framing.gap_s:
            self._break()
        self._broken = False
        self._heard_s = now_s
        buffer, self._rest = self._rest + data, b""
        at = 0
        while at < len(buffer):
            if buffer[at] == SINGLE_CHARACTER and not self._single:
                self._single = True
                at += 1
                continue
            size = self._framing.size(buffer[at : at + 4])
            if size and at + size > len(buffer):
                self._rest = buffer[at:]
                break
            frame = self._framing.decode(buffer[at : at + size]) if size else None
            if frame is None:
                self._break()
                break
            found += [SINGLE, frame] if self._single else [frame]
            self._single = False
            at += size
        return found

    def advance(self, now_s: float) -> list[Frame]:
        """Return the ``E5`` that has been alone for long enough."""
        due_s = self.deadline_s()
        if due_s is None or now_s < due_s:
            return []
        self._single = False
        return [SINGLE]

    def deadline_s(self) -> float | None:
        return self._heard_s + self._framing.idle_s if self._single and not self._rest else None

    def _break(self) -> None:
        self._broken = True
        self._single = False
        self._rest = b""
