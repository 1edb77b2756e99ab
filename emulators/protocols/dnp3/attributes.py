"""Device attributes: group 0 of IEEE 1815-2012 (5.5.5, A.1), set 0. What a device is, in the words of its maker.

An attribute is a data type, a length and a value. Variation 254 asks for all of them, 255 for the list of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from py1815.application import ObjectHeader, QualifierCode, object_header
from py1815.session import UnknownObject

from pilotfarm.emulators.plans.dnp3 import PointPlan, PointType

GROUP: Final = 0
ALL: Final = 254
LIST: Final = 255
MAKER: Final = "pilotfarm"
VERSION: Final = "1.0"
FRAGMENT_MAX: Final = 2_048
"""The longest fragment taken, and the longest sent. [octets]"""
_TEXT, _UNSIGNED, _INTEGER, _PAIRS = 1, 2, 3, 254
_TEXT_MAX: Final = 255
_SET: Final = 0


def attributes(plan: PointPlan, name: str, serial: str) -> dict[int, bytes]:
    """The attributes of an outstation, by variation: type, length and value. ``name`` is the device's, if it is one."""
    found = {
        219: _yes(False),  # analog output events
        222: _yes(False),  # binary output events
        225: _yes(bool(plan.of(PointType.COUNTER))),  # frozen counter events
        226: _yes(bool(plan.of(PointType.COUNTER))),  # frozen counters
        227: _yes(False),  # counter events
        230: _yes(False),  # frozen analog inputs
        231: _yes(bool(plan.of(PointType.ANALOG_INPUT))),
        234: _yes(False),  # double-bit events
        236: _number(0),  # double-bit inputs
        237: _yes(bool(plan.of(PointType.BINARY_INPUT))),
        240: _number(FRAGMENT_MAX),
        241: _number(FRAGMENT_MAX),
        242: _text(VERSION),  # of the software
        243: _text(VERSION),  # of the hardware
        249: _text("2:2012"),  # subset level and edition of the standard
        250: _text(plan.model),
        252: _text(MAKER),
    }
    for highest, how_many, kind in (
        (220, 221, PointType.ANALOG_OUTPUT),
        (223, 224, PointType.BINARY_OUTPUT),
        (228, 229, PointType.COUNTER),
        (232, 233, PointType.ANALOG_INPUT),
        (238, 239, PointType.BINARY_INPUT),
    ):
        points = plan.of(kind)
        found[how_many] = _number(len(points))
        if points:
            found[highest] = _number(points[-1].index)
    if name:
        found |= {247: _text(name), 248: _text(serial)}  # as its user calls it, and its serial number
    return dict(sorted(found.items()))


def read(known: Mapping[int, bytes], header: ObjectHeader) -> tuple[list[bytes], bool]:
    """Attributes a header names, each under a header of its own, and whether it names sets that are not there."""
    missing = header.qualifier is not QualifierCode.ALL_OBJECTS and (header.start, header.stop) != (_SET, _SET)
    if missing and header.start != _SET:
        return [], True
    if header.variation == ALL:
        return [_under(variation, octets) for variation, octets in known.items()], missing
    if header.variation == LIST:
        pairs = b"".join(bytes([variation, 0]) for variation in known)  # 0: none may be written
        head = bytes([GROUP, LIST, QualifierCode.UINT8_COUNT_UINT8_INDEX, 1, _SET])  # as 5.5.6.2 has it
        return [head + bytes([_PAIRS, len(pairs)]) + pairs], missing
    if header.variation not in known:
        raise UnknownObject(f"no device attribute {header.variation}")
    return [_under(header.variation, known[header.variation])], missing


def _under(variation: int, octets: bytes) -> bytes:
    return object_header(GROUP, variation, start=_SET, stop=_SET) + octets


def _text(text: str) -> bytes:
    octets = text.encode("ascii", "replace")[:_TEXT_MAX]
    return bytes([_TEXT, len(octets)]) + octets


def _number(value: int) -> bytes:
    size = 1 if value < 1 << 8 else 2 if value < 1 << 16 else 4
    return bytes([_UNSIGNED, size]) + value.to_bytes(size, "little")


def _yes(true: bool) -> bytes:
    return bytes([_INTEGER, 1, true])
