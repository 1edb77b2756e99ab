"""What a master says of the events it is sent: classes of points (function 22) and deadbands (group 34).

Both are of one association: another master's events stay as they are, as with opendnp3, where each master has a
database of its own. They outlive connections, and a restart brings back those of the point list.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Final

from py1815.application import IIN2Bit, ObjectHeader, QualifierCode, Request, _parse_header
from py1815.session import ParameterError, UnknownObject

from pilotfarm.emulators.plans.dnp3 import Point, PointType
from pilotfarm.emulators.protocols.dnp3.reading import CLASS_OBJECTS, runs, selected
from pilotfarm.emulators.protocols.dnp3.sections import Section

DEADBANDS: Final = 34
FROZEN_CLASS: Final = 3
"""The class of frozen counter events, unless a master assigns another."""
_EVENTFUL: Final = {1: PointType.BINARY_INPUT, 21: PointType.COUNTER, 30: PointType.ANALOG_INPUT}
"""Groups whose points make events here; events of counters are those of their freezes."""
_EVENTLESS: Final = (10, 20, 40)
_FORMATS: Final = {1: "<H", 2: "<I", 3: "<f"}
_DEFAULT: Final = 2
_FLOATING: Final = 3
_PREFIXES: Final = {QualifierCode.UINT8_COUNT_UINT8_INDEX: 1, QualifierCode.UINT16_COUNT_UINT16_INDEX: 2}


class Reporting:
    """The classes and deadbands that a master has made different; deadbands in wire units."""

    __slots__ = ("classes", "deadbands")

    def __init__(self) -> None:
        self.classes: dict[tuple[PointType, int], int] = {}
        self.deadbands: dict[int, float] = {}
        """By the index of an analog input. A point that any master has changed stands here for every master."""

    def class_of(self, point: Point) -> int:
        """In which class a master has the events of a point; 0 is none."""
        usual = FROZEN_CLASS if point.type is PointType.COUNTER else point.event_class
        return self.classes.get((point.type, point.index), usual) if self.classes else usual


def assign(reporting: Reporting, sections: Mapping[PointType, Section], headers: Sequence[ObjectHeader]) -> int:
    """Give points the class that stands in front of them; return the bits of IIN2 that say what could not be done."""
    second = 0
    number: int | None = None
    for header in headers:
        if header.group == CLASS_OBJECTS:
            number = header.event_class if header.qualifier is QualifierCode.ALL_OBJECTS else None
            second |= IIN2Bit.PARAM_ERROR if number is None else 0
        elif number is None:
            second |= IIN2Bit.PARAM_ERROR
        elif header.group in _EVENTFUL and header.variation == 0:
            section = sections[_EVENTFUL[header.group]]
            places, missing = selected(section, header)
            second |= IIN2Bit.PARAM_ERROR if missing else 0
            for first, last in places:
                for point in section.points[first:last]:
                    reporting.classes[point.type, point.index] = number
        elif header.group in _EVENTLESS and header.variation == 0:
            second |= IIN2Bit.PARAM_ERROR if number else 0
        else:
            second |= IIN2Bit.OBJECT_UNKNOWN
    return second


def deadbands_read(section: Section, widths: Sequence[float], header: ObjectHeader) -> tuple[list[bytes], bool]:
    """Deadbands a header names, given those of all points, and whether it names points that are not there."""
    variation = header.variation or _DEFAULT
    if variation not in _FORMATS or not section.indices:
        raise UnknownObject(f"group {DEADBANDS} variation {variation} is not served")
    places, missing = selected(section, header)
    return [
        head + b"".join(_shown(widths[at], section.points[at], variation) for at in range(first, last))
        for low, high in places
        for head, first, last in runs(section, DEADBANDS, variation, low, high)
    ], missing


def deadbands_written(section: Section, request: Request) -> dict[int, float]:
    """Deadbands in wire units that a write carries, by index; nothing is written unless all of it can be.

    Raises ``UnknownObject``, ``ParameterError`` or ``RequestError``.
    """
    found = {}
    for index, variation, octets in _objects(request):
        place = section.position.get(index)
        (value,) = struct.unpack(_FORMATS[variation], octets)
        if place is None or not isfinite(value) or value < 0.0:
            raise ParameterError(f"AI{index} cannot have a deadband of {value}")
        found[index] = value / abs(section.points[place].scale) if variation == _FLOATING else float(value)
    return found


def _shown(width: float, point: Point, variation: int) -> bytes:
    """Integers in wire units, floating point in the quantity's own, as the values themselves."""
    if variation == _FLOATING:
        return struct.pack("<f", width * abs(point.scale))
    most = (1 << 8 * struct.calcsize(_FORMATS[variation])) - 1
    return struct.pack(_FORMATS[variation], min(round(width), most))


def _objects(request: Request) -> Iterator[tuple[int, int, bytes]]:
    """Index, variation and octets of each object of a write of deadbands."""
    header, body, at = request.headers[0], request.body, 0
    while True:
        layout = _FORMATS.get(header.variation) if header.group == DEADBANDS else None
        if layout is None:
            raise UnknownObject(f"group {header.group} variation {header.variation} cannot be written")
        size, prefix = struct.calcsize(layout), _PREFIXES.get(header.qualifier, 0)
        if header.start is not None and header.stop is not None:
            count = header.stop - header.start + 1
        elif prefix and header.count is not None:
            count = header.count
        else:
            raise ParameterError("a write of deadbands names its points")
        if count * (prefix + size) > len(body) - at:
            raise ParameterError("fewer objects than the header says")
        for number in range(count):
            index = int.from_bytes(body[at : at + prefix], "little") if prefix else (header.start or 0) + number
            yield index, header.variation, body[at + prefix : at + prefix + size]
            at += prefix + size
        if at == len(body):
            return
        header, at = _parse_header(body, at, indices_follow=False)
