"""What filters have an outstation do that nothing happened for: tell more events than there were, or keep fewer.

Objects are those of IEEE 1815-2012, Annex A: an index of two octets and the flags, of an analog input (group 32) the
value too.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from typing import Final

from py1815.events import EventClass
from py1815.objects import AnalogPoint, BinaryPoint

from pilotfarm.emulators.contracts.way import Cramped, Filter, Object, Restless
from pilotfarm.emulators.plans.dnp3 import PointType
from pilotfarm.emulators.protocols.dnp3.assignments import Reporting
from pilotfarm.emulators.protocols.dnp3.buffers import Buffers
from pilotfarm.emulators.protocols.dnp3.database import Database
from pilotfarm.emulators.protocols.dnp3.sections import STATE

BINARY, ANALOG = 2, 32
_BINARY: Final = struct.Struct("<HB")
_ANALOG: Final = struct.Struct("<HBi")
_TOLD_ANYWAY: Final = -1.0
"""A deadband that lets a value through that has not moved."""


def capacity(filters: Sequence[Filter], usual: int) -> int:
    """How many events an outstation keeps for a master, in each class."""
    return min([usual, *(each.events_kept for each in filters if isinstance(each, Cramped))])


def restless(filters: Sequence[Filter]) -> list[Restless]:
    return [each for each in filters if isinstance(each, Restless)]


def shown(database: Database, groups: Collection[int]) -> list[Object]:
    """The binary and analog inputs of an outstation as they are, those of some groups."""
    octets = database.row()
    return [
        (group, index.to_bytes(2, "little") + bytes(section.cut(octets, place, place + 1)))
        for group, section in (
            (BINARY, database.sections[PointType.BINARY_INPUT]),
            (ANALOG, database.sections[PointType.ANALOG_INPUT]),
        )
        if group in groups
        for place, index in enumerate(section.indices)
    ]


def record(events: Buffers, reporting: Reporting, database: Database, told: Object, unix_ms: int) -> None:
    """Keep an event for a master who wants to know of the point, whether it has moved or not."""
    group, octets = told
    section = database.sections[PointType.BINARY_INPUT if group == BINARY else PointType.ANALOG_INPUT]
    index = int.from_bytes(octets[:2], "little")
    number = reporting.class_of(section.points[section.position[index]])
    if not number:
        return
    if group == BINARY:
        _, octet = _BINARY.unpack(octets)
        state, flags = bool(octet & STATE), octet & ~STATE
        events.prime_binary(index, BinaryPoint(not state, flags))
        events.record_binary(index, BinaryPoint(state, flags), event_class=EventClass(number), timestamp_ms=unix_ms)
    else:
        _, flags, value = _ANALOG.unpack(octets)
        point = AnalogPoint(value, flags)
        events.record_analog(index, point, event_class=EventClass(number), deadband=_TOLD_ANYWAY, timestamp_ms=unix_ms)
