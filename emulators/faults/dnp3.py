"""Faults of DNP3: an outstation that says it is not well, refuses to be operated, or hears no confirmation.

Clauses are those of IEEE 1815-2012. A fragment begins with its application control, its function and, where it is a
response, two octets of internal indications (4.2.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from pilotfarm.emulators.contracts.fault import ProtocolFault
from pilotfarm.emulators.contracts.way import Passing
from pilotfarm.emulators.faults.parameters import Nothing

_CONFIRM, _SELECT, _OPERATING, _NO_ACKNOWLEDGEMENT = 0, 3, (3, 4, 5), 6
_RESPONSE, _UNSOLICITED = 129, 130
"""Function codes (4.2.2.5)."""
_FIRST_AND_FINAL, _SEQUENCE = 0xC0, 0x0F
"""Bits of the application control (4.2.2.4)."""
_NO_FUNCTION: Final = -1


def _function(message: bytes) -> int:
    return message[1] if len(message) > 1 else _NO_FUNCTION


# --------------------------------------------------------------------------------------- indications

_INDICATIONS: Final = {
    "device-trouble": (2, 0x40),
    "need-time": (2, 0x10),
    "local-control": (2, 0x20),
    "restart": (2, 0x80),
    "event-buffer-overflow": (3, 0x08),
    "already-executing": (3, 0x10),
    "configuration-corrupt": (3, 0x20),
}
"""Octet and bit of each internal indication (4.2.2.6)."""


@dataclass(frozen=True, slots=True)
class _Indicating(Passing):
    octet: int
    bit: int

    def outward(self, message: bytes, now_s: float) -> bytes | None:
        if _function(message) not in (_RESPONSE, _UNSOLICITED):
            return message
        return message[: self.octet] + bytes((message[self.octet] | self.bit,)) + message[self.octet + 1 :]


def _indicating(mode: str, parameters: Nothing, key: int) -> _Indicating:
    return _Indicating(*_INDICATIONS[mode])


DNP3_INDICATION = ProtocolFault(
    kind="dnp3-indication",
    title="Every response has an internal indication set, whatever its master does about it",
    parameters=Nothing,
    modes=tuple(_INDICATIONS),
    protocols=("dnp3",),
    filter=_indicating,
)


# ------------------------------------------------------------------------------------------ controls

_OBJECT_OCTETS: Final = {(12, 1): 11, (41, 1): 5, (41, 2): 3, (41, 3): 5, (41, 4): 9}
"""Octets of control blocks and analog outputs by group and variation, the status last (A.8, A.22)."""
_INDEX_OCTETS: Final = {0x17: 1, 0x28: 2}
"""Octets of the count, and of each index, by qualifier (4.2.2.7)."""


class Refusal(BaseModel):
    """What the device says of controls."""

    model_config = ConfigDict(extra="forbid")

    status: int = Field(
        6,
        ge=0,
        le=127,
        description="Status code; 0 is success, 4 not supported, 6 hardware error, 7 local, 9 not authorized, "
        "10 automation inhibit (IEEE 1815-2012, 11.8)",
    )


@dataclass(frozen=True, slots=True)
class _Uncontrolled(Passing):
    """Answers operations, and selections if they are of ``functions``, with a status, and leaves the device alone."""

    status: int
    functions: tuple[int, ...]

    def inward(self, message: bytes, now_s: float) -> tuple[bytes | None, bytes | None]:
        function = _function(message)
        if function == _NO_ACKNOWLEDGEMENT:
            return None, None
        objects = _with_status(message[2:], self.status) if function in self.functions else None
        if objects is None:
            return message, None
        control = _FIRST_AND_FINAL | message[0] & _SEQUENCE
        return None, bytes((control, _RESPONSE, 0, 0)) + objects


def _with_status(objects: bytes, status: int) -> bytes | None:
    """Return control objects with another status; nothing where they are no control objects, or not whole."""
    told, at = bytearray(objects), 0
    while at < len(told):
        group, variation, qualifier = (*told[at : at + 3], 0, 0)[:3]
        size, wide = _OBJECT_OCTETS.get((group, variation)), _INDEX_OCTETS.get(qualifier)
        if size is None or wide is None:
            return None
        count = int.from_bytes(told[at + 3 : at + 3 + wide], "little")
        at += 3 + wide
        ends = [at + (wide + size) * (number + 1) for number in range(count)]
        at = max([at, *ends])
        if at > len(told):
            return None
        for end in ends:
            told[end - 1] = status
    return bytes(told)


_ANSWERED: Final = {"all": _OPERATING, "operate": tuple(each for each in _OPERATING if each != _SELECT)}


def _uncontrolled(mode: str, parameters: Refusal, key: int) -> _Uncontrolled:
    return _Uncontrolled(parameters.status, _ANSWERED[mode])


DNP3_CONTROL = ProtocolFault(
    kind="dnp3-control",
    title="Operations, and selections or not, are answered with a status, and the device is not told",
    parameters=Refusal,
    modes=tuple(_ANSWERED),
    protocols=("dnp3",),
    filter=_uncontrolled,
    example={"status": 9},
)


# ------------------------------------------------------------------------------------- confirmations


@dataclass(frozen=True, slots=True)
class _Unconfirmed(Passing):
    def inward(self, message: bytes, now_s: float) -> tuple[bytes | None, bytes | None]:
        return (None, None) if _function(message) == _CONFIRM else (message, None)


def _unconfirmed(mode: str, parameters: Nothing, key: int) -> _Unconfirmed:
    return _Unconfirmed()


DNP3_CONFIRMATION = ProtocolFault(
    kind="dnp3-confirmation",
    title="Confirmations are not heard: events are told again and again",
    parameters=Nothing,
    protocols=("dnp3",),
    filter=_unconfirmed,
)
