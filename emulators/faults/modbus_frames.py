"""Answers of Modbus in their frames, over TCP and RTU: where one ends, and how one comes out wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from pilotfarm.emulators.contracts.way import Engine, Framed
from pilotfarm.emulators.faults.octets import corrupted
from pilotfarm.emulators.links.channels import Draws
from pilotfarm.emulators.links.frames import SizeOf
from pilotfarm.emulators.wire import rtu

Change: TypeAlias = Callable[[bytes, Draws], bytes]

_HEADER_OCTETS: Final = 7
"""Transaction (2), protocol (2), length (2) and unit (1): MODBUS Messaging on TCP/IP V1.0b, 3.1.3."""
_LENGTH_FROM: Final = 6
"""The length counts from the unit on."""


def _as_it_is(frame: bytes, draw: Draws) -> bytes:
    return frame


def _doubled(frame: bytes, draw: Draws) -> bytes:
    return frame + frame


# ---------------------------------------------------------------------------------------------- TCP


def _other_transaction(frame: bytes, draw: Draws) -> bytes:
    return bytes((frame[0] ^ 0x80,)) + frame[1:]


def _other_protocol(frame: bytes, draw: Draws) -> bytes:
    return frame[:2] + b"\x80\0" + frame[4:]


def _other_length(frame: bytes, draw: Draws) -> bytes:
    """Its header counts an octet more than come."""
    return frame[:4] + (len(frame) - _LENGTH_FROM + 1).to_bytes(2, "big") + frame[_LENGTH_FROM:]


def _other_unit(frame: bytes, draw: Draws) -> bytes:
    return frame[:6] + bytes((frame[6] ^ 0x80,)) + frame[7:]


def _other_function(frame: bytes, draw: Draws) -> bytes:
    return frame[:7] + bytes((frame[7] ^ 0x40,)) + frame[8:]


def _truncated(frame: bytes, draw: Draws) -> bytes:
    """Without its last octets; the header still says how long it was to be."""
    return frame[: _HEADER_OCTETS + max(1, (len(frame) - _HEADER_OCTETS) // 2)]


def _corrupted(frame: bytes, draw: Draws) -> bytes:
    """With one bit of what follows the function turned over, which no checksum of Modbus TCP tells."""
    return corrupted(frame, _HEADER_OCTETS + 1, draw)


def _tcp_size(data: bytes) -> int | None:
    if len(data) < _LENGTH_FROM:
        return None
    return max(_LENGTH_FROM + int.from_bytes(data[4:6], "big"), _HEADER_OCTETS + 1)


# ---------------------------------------------------------------------------------------------- RTU


def _other_rtu_unit(frame: bytes, draw: Draws) -> bytes:
    """From another unit, with a check that fits."""
    return rtu.framed(frame[0] ^ 0x80, frame[1 : -rtu.CHECK_OCTETS])


def _other_rtu_function(frame: bytes, draw: Draws) -> bytes:
    """Of another function, with a check that fits."""
    return rtu.framed(frame[0], bytes((frame[1] ^ 0x40,)) + frame[2 : -rtu.CHECK_OCTETS])


def _truncated_rtu(frame: bytes, draw: Draws) -> bytes:
    return frame[: len(frame) // 2]


def _corrupted_rtu(frame: bytes, draw: Draws) -> bytes:
    """With one bit of what follows the function turned over, which the check tells."""
    return corrupted(frame, 2, draw)


@dataclass(frozen=True, slots=True)
class Framing:
    """Where a frame ends, and what each mode of ``modbus-answer`` makes of one."""

    size_of: SizeOf
    changes: Mapping[str, Change]


_TCP: Final = Framing(
    _tcp_size,
    {
        "transaction": _other_transaction,
        "protocol": _other_protocol,
        "length": _other_length,
        "unit": _other_unit,
        "function": _other_function,
        "truncated": _truncated,
        "corrupted": _corrupted,
        "doubled": _doubled,
        "cut": _truncated,
    },
)
_RTU: Final = Framing(
    rtu.answer_size,
    {
        # A frame of RTU has neither a transaction nor a protocol, and does not say how long it is.
        **dict.fromkeys(("transaction", "protocol", "length"), _as_it_is),
        "unit": _other_rtu_unit,
        "function": _other_rtu_function,
        "truncated": _truncated_rtu,
        "corrupted": _corrupted_rtu,
        "doubled": _doubled,
        "cut": _truncated_rtu,
    },
)
MODES: Final = tuple(_TCP.changes)
assert set(MODES) == set(_RTU.changes), "a mode is missing from a framing"


def framing_of(engine: Engine) -> Framing:
    """Return what an engine speaks, whatever links are around it."""
    while (inner := getattr(engine, "inner", None)) is not None:
        engine = inner
    return _RTU if isinstance(engine, Framed) and engine.framing == "rtu" else _TCP
