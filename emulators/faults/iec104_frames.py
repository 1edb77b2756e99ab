"""What faults of IEC 60870-5-104 must know of a frame (IEC 60870-5-104:2006, clause 5)."""

from __future__ import annotations

from typing import Final

START: Final = 0x68
_LENGTHS: Final = range(4, 254)
MODULO: Final = 1 << 15
HEAD_OCTETS: Final = 6
"""Start, length, and four octets of control."""

STARTDT_ACT: Final = 0x07
STOPDT_ACT: Final = 0x13
TESTFR_ACT: Final = 0x43
TESTFR_CON: Final = 0x83


def size_of(data: bytes) -> int | None:
    """How long the frame is that some bytes begin with: ``None`` is not yet to tell, 0 no frame."""
    if data[0] != START:
        return 0
    if len(data) < 2:
        return None
    return 2 + data[1] if data[1] in _LENGTHS else 0


def is_frame(data: bytes) -> bool:
    return len(data) >= HEAD_OCTETS and size_of(data) == len(data)


def numbered(frame: bytes) -> bool:
    """Whether it is an I frame, which carries a data unit."""
    return is_frame(frame) and not frame[2] & 0x01


def supervisory(frame: bytes) -> bool:
    """Whether it is an S frame, which acknowledges and does nothing else."""
    return is_frame(frame) and frame[2] & 0x03 == 0x01


def unnumbered(function: int) -> bytes:
    """Return the U frame of a function."""
    return bytes((START, 4, function, 0, 0, 0))


def acknowledgement(number: int) -> bytes:
    """Return the S frame with a receive number."""
    return with_received(bytes((START, 4, 0x01, 0, 0, 0)), number)


def sent(frame: bytes) -> int:
    """N(S) of an I frame."""
    return frame[2] >> 1 | frame[3] << 7


def received(frame: bytes) -> int:
    """N(R) of an I or S frame."""
    return frame[4] >> 1 | frame[5] << 7


def with_sent(frame: bytes, number: int) -> bytes:
    return frame[:2] + _shown(number) + frame[4:]


def with_received(frame: bytes, number: int) -> bytes:
    return frame[:4] + _shown(number) + frame[6:]


def _shown(number: int) -> bytes:
    return (number % MODULO << 1).to_bytes(2, "little")
