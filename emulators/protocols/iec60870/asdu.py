"""Application service data units of IEC 60870-5-101 and -104: identifiers and header.

The two protocols differ in how many octets they give the cause, the common address and the object
address; ``Format`` holds that, and nothing above the link knows which of the two it serves.
Clauses are those of IEC 60870-5-101:2003.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from pilotfarm.emulators.errors import ProtocolError
from pilotfarm.emulators.plans.iec104 import MonitorType
from pilotfarm.emulators.protocols.iec60870.times import TIME_OCTETS, UTC_ZONE, time_of, time_tag


class Type(IntEnum):
    """Type identifications in use here beside those of a plan (7.2.1)."""

    SINGLE_SHORT_TAGGED = 2
    DOUBLE_SHORT_TAGGED = 4
    NORMALIZED_SHORT_TAGGED = 10
    SCALED_SHORT_TAGGED = 12
    FLOAT_SHORT_TAGGED = 14
    SINGLE_TAGGED = 30
    DOUBLE_TAGGED = 31
    NORMALIZED_TAGGED = 34
    SCALED_TAGGED = 35
    FLOAT_TAGGED = 36
    SINGLE_COMMAND = 45
    DOUBLE_COMMAND = 46
    NORMALIZED_SETPOINT = 48
    SCALED_SETPOINT = 49
    SETPOINT = 50
    SINGLE_COMMAND_TAGGED = 58
    DOUBLE_COMMAND_TAGGED = 59
    NORMALIZED_SETPOINT_TAGGED = 61
    SCALED_SETPOINT_TAGGED = 62
    SETPOINT_TAGGED = 63
    END_OF_INITIALISATION = 70
    INTERROGATION = 100
    COUNTER_INTERROGATION = 101
    READ = 102
    CLOCK = 103
    TEST = 104
    RESET = 105
    TEST_TAGGED = 107


TOLD: Final[Mapping[int, Mapping[MonitorType, int]]] = {
    7: {
        MonitorType.SINGLE: Type.SINGLE_TAGGED,
        MonitorType.DOUBLE: Type.DOUBLE_TAGGED,
        MonitorType.NORMALIZED: Type.NORMALIZED_TAGGED,
        MonitorType.SCALED: Type.SCALED_TAGGED,
        MonitorType.FLOAT: Type.FLOAT_TAGGED,
    },
    3: {
        MonitorType.SINGLE: Type.SINGLE_SHORT_TAGGED,
        MonitorType.DOUBLE: Type.DOUBLE_SHORT_TAGGED,
        MonitorType.NORMALIZED: Type.NORMALIZED_SHORT_TAGGED,
        MonitorType.SCALED: Type.SCALED_SHORT_TAGGED,
        MonitorType.FLOAT: Type.FLOAT_SHORT_TAGGED,
    },
    0: {each: each for each in MonitorType if each is not MonitorType.TOTAL},
}
"""Octets of a time tag -> type of an object -> type of its events."""


class Cause(IntEnum):
    """Causes of transmission (7.2.3)."""

    CYCLIC = 1
    SPONTANEOUS = 3
    INITIALISED = 4
    REQUEST = 5
    ACTIVATION = 6
    ACTIVATION_CON = 7
    DEACTIVATION = 8
    DEACTIVATION_CON = 9
    ACTIVATION_TERM = 10
    RETURN_REMOTE = 11
    INTERROGATED = 20
    COUNTERS_REQUESTED = 37
    UNKNOWN_TYPE = 44
    UNKNOWN_CAUSE = 45
    UNKNOWN_ADDRESS = 46
    UNKNOWN_OBJECT = 47


NEGATIVE: Final = 0x40
TEST_BIT: Final = 0x80

ELEMENT_OCTETS: Final[dict[int, int]] = {
    Type.SINGLE_COMMAND: 1,
    Type.DOUBLE_COMMAND: 1,
    Type.SETPOINT: 5,
    Type.SINGLE_COMMAND_TAGGED: 1 + TIME_OCTETS,
    Type.DOUBLE_COMMAND_TAGGED: 1 + TIME_OCTETS,
    Type.SETPOINT_TAGGED: 5 + TIME_OCTETS,
    Type.INTERROGATION: 1,
    Type.COUNTER_INTERROGATION: 1,
    Type.READ: 0,
    Type.CLOCK: TIME_OCTETS,
    Type.TEST: 2,
    Type.RESET: 1,
    Type.TEST_TAGGED: 2 + TIME_OCTETS,
}
"""Octets behind the object address in what a master may send; a type not here is not served."""

INTEGER_OCTETS: Final[dict[int, int]] = {
    Type.NORMALIZED_SETPOINT: 3,
    Type.SCALED_SETPOINT: 3,
    Type.NORMALIZED_SETPOINT_TAGGED: 3 + TIME_OCTETS,
    Type.SCALED_SETPOINT_TAGGED: 3 + TIME_OCTETS,
}
"""The same of types that only a station serves in whose list of points they are."""

TAGGED_COMMANDS: Final = frozenset(
    {
        Type.SINGLE_COMMAND_TAGGED,
        Type.DOUBLE_COMMAND_TAGGED,
        Type.NORMALIZED_SETPOINT_TAGGED,
        Type.SCALED_SETPOINT_TAGGED,
        Type.SETPOINT_TAGGED,
    }
)


@dataclass(frozen=True, slots=True)
class Asdu:
    """What a master sent: the identifier of the data unit, taken apart, and the rest as it came."""

    type: int
    count: int
    cause: int
    negative: bool
    test: bool
    originator: int
    address: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Format:
    """How many octets each part of the identifier has, how long a whole data unit may be, and whose time tags show."""

    cause_octets: int = 2
    address_octets: int = 2
    object_octets: int = 3
    limit: int = 249
    time_zone: str = UTC_ZONE
    originator: int = 0
    """In what a station sends of its own accord."""
    tag_octets: int = TIME_OCTETS
    """Of the time tags of events: CP56Time2a, its first three octets, which are CP24Time2a (7.2.6.19), or none."""

    @property
    def header_octets(self) -> int:
        return 2 + self.cause_octets + self.address_octets

    @property
    def broadcast(self) -> int:
        """The common address that means every station (7.2.4)."""
        return (1 << 8 * self.address_octets) - 1

    def room(self, object_octets: int) -> int:
        """How many information objects of so many octets, address included, one data unit holds."""
        return min(127, (self.limit - self.header_octets) // object_octets)

    def time_tag(self, unix_s: float) -> bytes:
        return time_tag(unix_s, self.time_zone)

    def event_tag(self, unix_s: float) -> bytes:
        return self.time_tag(unix_s)[: self.tag_octets]

    def time_of(self, tag: bytes) -> float | None:
        return time_of(tag, self.time_zone)

    def ioa(self, address: int) -> bytes:
        return address.to_bytes(self.object_octets, "little")

    def header(self, type_id: int, count: int, cause: int, address: int, originator: int | None = None) -> bytes:
        """The data unit identifier; ``cause`` has the test and negative bits in it already.

        Without an originator it is the station's own.
        """
        shown = self.originator if originator is None else originator
        causes = (cause | shown << 8).to_bytes(2, "little")[: self.cause_octets]
        return bytes((type_id, count)) + causes + address.to_bytes(self.address_octets, "little")

    def parse(self, data: bytes, elements: Mapping[int, int] = ELEMENT_OCTETS) -> Asdu:
        """Take a data unit apart; ``ProtocolError`` if its length cannot be. ``elements`` is what is served."""
        at = self.header_octets
        if not at + self.object_octets <= len(data) <= self.limit:
            raise ProtocolError(f"a data unit of {len(data)} octets")
        type_id, count, cause = data[0], data[1], data[2]
        if count == 1 and type_id in elements and len(data) != at + self.object_octets + elements[type_id]:
            raise ProtocolError(f"type {type_id} in a data unit of {len(data)} octets")
        originator = data[3] if self.cause_octets == 2 else 0
        flags = bool(cause & NEGATIVE), bool(cause & TEST_BIT)
        return Asdu(type_id, count, cause & 0x3F, *flags, originator, self.address_of(data), data[at:])

    def address_of(self, data: bytes) -> int:
        """The common address of a data unit."""
        return int.from_bytes(data[2 + self.cause_octets : self.header_octets], "little")

    def object_of(self, data: bytes) -> int:
        """The address of a data unit's first object."""
        at = self.header_octets
        return int.from_bytes(data[at : at + self.object_octets], "little")

    def answer(
        self, asked: Asdu, cause: int, negative: bool = False, body: bytes | None = None, address: int | None = None
    ) -> bytes:
        """Mirror a data unit with another cause; test bit, originator and what is not given stay as they came."""
        bits = cause | negative * NEGATIVE | asked.test * TEST_BIT
        shown = asked.address if address is None else address
        head = self.header(asked.type, asked.count, bits, shown, asked.originator)
        return head + (asked.body if body is None else body)


FORMAT_104: Final = Format()
