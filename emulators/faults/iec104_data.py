"""Faults of IEC 60870-5-104: data units that come out wrong, in frames that are right.

Numbers and clauses are those of IEC 60870-5-101:2003.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pydantic import Field

from pilotfarm.emulators.contracts.fault import ProtocolFault
from pilotfarm.emulators.contracts.way import Passing
from pilotfarm.emulators.faults import iec104_units as units
from pilotfarm.emulators.faults.parameters import Share
from pilotfarm.emulators.links.channels import Draws

_RESERVED_TYPE: Final = 99
"""Of those kept for further definitions (7.2.1.3)."""
_UNUSED_CAUSE: Final = 0
"""Not used (7.2.3)."""
_CAUSE_BITS: Final = 0x3F
_NOBODY: Final = (0, 0xFFFF)
"""Common addresses of no device: not used, and everybody's (7.2.4)."""


class Data(Share):
    """Which data units, and how often."""

    of: Literal["data", "all"] = Field(
        "data", description="What is told of values and states, or answers to commands and questions as well"
    )


def _of_nobody(unit: bytes) -> bytes:
    """From a common address far from the device's own."""
    own = int.from_bytes(unit[4:6], "little")
    other = next(each for mask in (0x4000, 0x2000) if (each := own ^ mask) not in _NOBODY)
    return unit[:4] + other.to_bytes(2, "little") + unit[6:]


def _of_no_object(unit: bytes) -> bytes:
    """With addresses in the upper half of what three octets hold, where no map has an object."""
    told = bytearray(unit)
    found = list(units.objects(unit))
    step = len(found[0]) if found else len(unit)
    for at in range(units.HEAD_OCTETS + units.ADDRESS_OCTETS - 1, len(unit), step):
        told[at] ^= 0x80
    return bytes(told)


def _of_no_type(unit: bytes) -> bytes:
    return bytes((_RESERVED_TYPE,)) + unit[1:]


def _for_no_cause(unit: bytes) -> bytes:
    return unit[:2] + bytes((unit[2] & ~_CAUSE_BITS | _UNUSED_CAUSE,)) + unit[3:]


def _one_too_many(unit: bytes) -> bytes:
    """With a number of objects one above what is there, or where no more can be told one below."""
    more = units.count(unit) + 1
    return bytes((unit[0], unit[1] + 1 if more < 0x80 else unit[1] - 1)) + unit[2:]


def _truncated(unit: bytes) -> bytes:
    """Without its last octet; the frame's length is that of what is left."""
    return unit[:-1]


_CHANGES: Final = {
    "common-address": _of_nobody,
    "object-address": _of_no_object,
    "type": _of_no_type,
    "cause": _for_no_cause,
    "count": _one_too_many,
    "truncated": _truncated,
}


@dataclass(slots=True)
class _Misstated(Passing):
    """Changes some of what a device tells."""

    mode: str
    everything: bool
    share_frac: float
    draw: Draws

    def outward(self, message: bytes, now_s: float) -> bytes | None:
        gripped = self.everything or message[0] in units.MONITORED
        return _CHANGES[self.mode](message) if gripped and self.draw() < self.share_frac else message


def _misstated(mode: str, parameters: Data, key: int) -> _Misstated:
    return _Misstated(mode, parameters.of == "all", parameters.share_frac, Draws(key, "data"))


IEC104_DATA = ProtocolFault(
    kind="iec104-data",
    title="Data units come with a common address, object addresses, a type or a cause that nobody knows, with another "
    "number of objects than they say, or truncated",
    parameters=Data,
    modes=tuple(_CHANGES),
    protocols=("iec104", "iec101"),
    filter=_misstated,
    example={"share_frac": 0.1},
)
