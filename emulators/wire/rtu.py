"""Frames of Modbus RTU: a unit, a message, and a check.

Source: MODBUS over Serial Line Specification and Implementation Guide V1.02 ("SL"), 2.5.1 and 6.2.2. How long a
message is follows from its function (MODBUS Application Protocol Specification V1.1b3, "AP", 6).
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Mapping
from typing import Final

import numpy as np

FRAME_MAX: Final = 256
"""Octets of the longest frame (SL, 2.5.1)."""
FRAME_MIN: Final = 4
CHECK_OCTETS: Final = 2
_POLYNOMIAL: Final = 0xA001
_EXCEPTION: Final = 0x80
_MEI, _IDENTIFICATION = 0x2B, 0x0E


def _table() -> array[int]:
    """What becomes of a check within two octets, by what it is once they are added, the first to its low half."""
    crc = np.arange(1 << 16, dtype=np.uint16)
    for _ in range(16):
        crc = (crc >> 1 ^ np.where(crc & 1, _POLYNOMIAL, 0)).astype(np.uint16)
    return array("H", crc.tobytes())


_OF_OCTETS: Final = _table()


def check(octets: bytes) -> bytes:
    """Return the check of a unit and a message, as it is sent: the low octet first."""
    crc = 0xFFFF
    for two in struct.unpack_from(f"<{len(octets) // 2}H", octets):
        crc = _OF_OCTETS[crc ^ two]
    if len(octets) % 2:
        # One octet alone comes as the second of two, the first of which is nothing.
        crc = crc >> 8 ^ _OF_OCTETS[(crc ^ octets[-1]) << 8 & 0xFF00]
    return crc.to_bytes(2, "little")


def framed(unit: int, message: bytes) -> bytes:
    octets = bytes((unit,)) + message
    return octets + check(octets)


def is_whole(frame: bytes) -> bool:
    """Whether these octets are a frame and nothing else: the check fits."""
    return FRAME_MIN <= len(frame) <= FRAME_MAX and check(frame[:-CHECK_OCTETS]) == frame[-CHECK_OCTETS:]


_ASKED: Final[Mapping[int, int]] = {
    **dict.fromkeys((0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x08), 8),
    **dict.fromkeys((0x07, 0x0B, 0x0C, 0x11), 4),
    0x16: 10,
    0x18: 6,
}
"""Octets of a request's frame by its function."""
_ASKED_COUNTED: Final[Mapping[int, int]] = {0x0F: 6, 0x10: 6, 0x14: 2, 0x15: 2, 0x17: 10}
"""At which octet of a request's frame stands how many octets follow before the check."""
_ANSWERED: Final[Mapping[int, int]] = {**dict.fromkeys((0x05, 0x06, 0x08, 0x0B, 0x0F, 0x10), 8), 0x07: 5, 0x16: 10}
_ANSWERED_COUNTED: Final = frozenset((0x01, 0x02, 0x03, 0x04, 0x0C, 0x11, 0x14, 0x15, 0x17))


def request_size(data: bytes, at: int = 0) -> int | None:
    """Return of how many octets the request's frame is that begins ``at``, as its function has it.

    ``None`` while too few are there to tell; 0 for a function whose length only the silence behind it tells.
    """
    if len(data) < at + 2:
        return None
    function = data[at + 1]
    counted = _ASKED_COUNTED.get(function)
    if counted is not None:
        return counted + 1 + data[at + counted] + CHECK_OCTETS if len(data) > at + counted else None
    if function == _MEI:
        if len(data) < at + 3:
            return None
        return 7 if data[at + 2] == _IDENTIFICATION else 0
    return _ASKED.get(function, 0)


def answer_size(data: bytes) -> int | None:
    """Return of how many octets the answer's frame is that some octets begin with; ``None`` and 0 as of a request."""
    if len(data) < 3:
        return None
    function = data[1]
    if function & _EXCEPTION:
        return 5
    if function in _ANSWERED_COUNTED:
        return 3 + data[2] + CHECK_OCTETS
    if function == _MEI:
        return _identification_size(data)
    return _ANSWERED.get(function, 0)


def _identification_size(data: bytes) -> int | None:
    """Of a device identification: objects, each with a number, a length and a text (AP, 6.21)."""
    if len(data) < 8:
        return None
    end = 8
    for _ in range(data[7]):
        if len(data) < end + 2:
            return None
        end += 2 + data[end + 1]
    return end + CHECK_OCTETS
