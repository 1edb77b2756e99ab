"""Faults of Modbus TCP: a device that refuses everything, or whose answers come out wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pydantic import Field

from pilotfarm.emulators.contracts.fault import LinkFault, ProtocolFault
from pilotfarm.emulators.contracts.way import Engine, Passing
from pilotfarm.emulators.faults.octets import corrupted
from pilotfarm.emulators.faults.parameters import Share
from pilotfarm.emulators.links.channels import Draws
from pilotfarm.emulators.links.frames import FrameLink

_HEADER_OCTETS: Final = 7
"""Transaction (2), protocol (2), length (2) and unit (1): MODBUS Messaging on TCP/IP V1.0b, 3.1.3."""
_LENGTH_FROM: Final = 6
"""The length counts from the unit on."""


# --------------------------------------------------------------------------------------- exceptions


class ModbusException(Share):
    """Requests are answered with one exception."""

    code: int = Field(
        4,
        ge=1,
        le=11,
        description="Exception code; 4 is server device failure, 6 busy (MODBUS Application Protocol V1.1b3, 7)",
    )
    of: Literal["all", "reads", "writes"] = Field("all", description="Requests it grips; what writes and reads, writes")


_WRITING: Final = frozenset((5, 6, 15, 16, 21, 22, 23))
"""Function codes that write (6)."""
_FUNCTIONS: Final = {"all": frozenset(range(0x80)), "reads": frozenset(range(0x80)) - _WRITING, "writes": _WRITING}


@dataclass(frozen=True, slots=True)
class _Refusing(Passing):
    """Answers requests with the exception of their function, and asks nobody."""

    code: int
    functions: frozenset[int]
    share_frac: float
    draw: Draws

    def inward(self, message: bytes, now_s: float) -> tuple[bytes | None, bytes | None]:
        function = message[0]
        if function & 0x7F not in self.functions or self.draw() >= self.share_frac:
            return message, None
        return None, bytes((function | 0x80, self.code))


def _refusing(mode: str, parameters: ModbusException, key: int) -> _Refusing:
    return _Refusing(parameters.code, _FUNCTIONS[parameters.of], parameters.share_frac, Draws(key, "exception"))


MODBUS_EXCEPTION = ProtocolFault(
    kind="modbus-exception",
    title="Modbus requests are answered with an exception",
    parameters=ModbusException,
    protocols=("modbus",),
    filter=_refusing,
    example={"code": 6},
)


# ------------------------------------------------------------------------------------- wrong answers


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


def _doubled(frame: bytes, draw: Draws) -> bytes:
    return frame + frame


_CHANGES: Final = {
    "transaction": _other_transaction,
    "protocol": _other_protocol,
    "length": _other_length,
    "unit": _other_unit,
    "function": _other_function,
    "truncated": _truncated,
    "corrupted": _corrupted,
    "doubled": _doubled,
    "cut": _truncated,
}


class _Answering(FrameLink):
    """Changes some of a device's answers."""

    def __init__(self, inner: Engine, mode: str, share_frac: float, draw: Draws, now_s: float) -> None:
        super().__init__(inner, size_of, now_s)
        self._mode = mode
        self._share_frac = share_frac
        self._draw = draw

    def outward(self, frame: bytes) -> bytes:
        if self._draw() >= self._share_frac:
            return frame
        if self._mode == "cut":
            self.break_off()
        return _CHANGES[self._mode](frame, self._draw)


def size_of(data: bytes) -> int | None:
    if len(data) < _LENGTH_FROM:
        return None
    return max(_LENGTH_FROM + int.from_bytes(data[4:6], "big"), _HEADER_OCTETS + 1)


def _answering(engine: Engine, mode: str, parameters: Share, key: int, now_s: float) -> _Answering:
    return _Answering(engine, mode, parameters.share_frac, Draws(key, "answer"), now_s)


MODBUS_ANSWER = LinkFault(
    kind="modbus-answer",
    title="Answers come out wrong: another transaction, protocol, length, unit or function, truncated, corrupted, "
    "doubled, or the connection is cut amid one",
    parameters=Share,
    modes=tuple(_CHANGES),
    protocols=("modbus",),
    wrap=_answering,
    example={"share_frac": 0.1},
)
