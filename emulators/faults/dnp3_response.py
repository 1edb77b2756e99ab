"""Faults of DNP3: responses whose frames are right, and what they say is not.

Clauses are those of IEEE 1815-2012.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pilotfarm.emulators.contracts.fault import ProtocolFault
from pilotfarm.emulators.contracts.way import Passing
from pilotfarm.emulators.faults.octets import corrupted
from pilotfarm.emulators.faults.parameters import Share
from pilotfarm.emulators.links.channels import Draws

_RESPONSES: Final = (129, 130)
_OBJECTS_AT: Final = 4
"""Behind the application control, the function and two octets of internal indications (4.2.2)."""
_FIRST, _FINAL, _SEQUENCE = 0x80, 0x40, 0x0F
"""Bits of the application control (4.2.2.4)."""
_NO_FUNCTION, _NO_GROUP = 0xC1, 0xFF
"""A function code (4.2.2.5) and an object group (Annex A) that there is none of."""


def _sequence(message: bytes, draw: Draws) -> bytes:
    control = message[0]
    return bytes((control & ~_SEQUENCE | (control + 1) & _SEQUENCE,)) + message[1:]


def _no_first(message: bytes, draw: Draws) -> bytes:
    return bytes((message[0] & ~_FIRST,)) + message[1:]


def _no_final(message: bytes, draw: Draws) -> bytes:
    return bytes((message[0] & ~_FINAL,)) + message[1:]


def _function(message: bytes, draw: Draws) -> bytes:
    return message[:1] + bytes((_NO_FUNCTION,)) + message[2:]


def _object(message: bytes, draw: Draws) -> bytes:
    return message[:_OBJECTS_AT] + bytes((_NO_GROUP,)) + message[_OBJECTS_AT + 1 :]


def _truncated(message: bytes, draw: Draws) -> bytes:
    """Without its last object, or the end of it."""
    return message[:-1]


def _corrupted(message: bytes, draw: Draws) -> bytes:
    """With one bit of its objects turned over, and checks that fit."""
    return corrupted(message, _OBJECTS_AT, draw)


_CHANGES: Final[dict[str, tuple[int, Callable[[bytes, Draws], bytes]]]] = {
    "sequence": (_OBJECTS_AT, _sequence),
    "no-first": (_OBJECTS_AT, _no_first),
    "no-final": (_OBJECTS_AT, _no_final),
    "function": (_OBJECTS_AT, _function),
    "object": (_OBJECTS_AT + 1, _object),
    "truncated": (_OBJECTS_AT + 1, _truncated),
    "corrupted": (_OBJECTS_AT + 1, _corrupted),
}
"""Mode -> the octets of the shortest response that can be wrong in that way, and what becomes of one."""


@dataclass(slots=True)
class _Responding(Passing):
    """Changes some of a device's responses, unsolicited ones too."""

    mode: str
    share_frac: float
    draw: Draws

    def outward(self, message: bytes, now_s: float) -> bytes | None:
        octets, changed = _CHANGES[self.mode]
        if len(message) < octets or message[1] not in _RESPONSES or self.draw() >= self.share_frac:
            return message
        return changed(message, self.draw)


def _responding(mode: str, parameters: Share, key: int) -> _Responding:
    return _Responding(mode, parameters.share_frac, Draws(key, "response"))


DNP3_RESPONSE = ProtocolFault(
    kind="dnp3-response",
    title="Responses come out wrong in frames that are right: another sequence number, function or object, said "
    "not to be the first or the last of an answer, truncated or corrupted",
    parameters=Share,
    modes=tuple(_CHANGES),
    protocols=("dnp3",),
    filter=_responding,
    example={"share_frac": 0.1},
)
