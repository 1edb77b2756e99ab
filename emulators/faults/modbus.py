"""Faults of Modbus: a device that refuses everything, or whose answers come out wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pydantic import Field

from pilotfarm.emulators.contracts.fault import LinkFault, ProtocolFault
from pilotfarm.emulators.contracts.hindrance import Hindrance
from pilotfarm.emulators.contracts.way import Engine, Passing
from pilotfarm.emulators.faults.modbus_frames import MODES, framing_of
from pilotfarm.emulators.faults.parameters import Share
from pilotfarm.emulators.links.channels import Draws
from pilotfarm.emulators.links.frames import FrameLink

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
    polled=lambda mode, p: Hindrance(p.share_frac, refused=True, reads=p.of != "writes", writes=p.of != "reads"),
    example={"code": 6},
)


# ------------------------------------------------------------------------------------- wrong answers


class _Answering(FrameLink):
    """Changes some of a device's answers."""

    def __init__(self, inner: Engine, mode: str, share_frac: float, draw: Draws, now_s: float) -> None:
        framing = framing_of(inner)
        super().__init__(inner, framing.size_of, now_s)
        self._mode = mode
        self._change = framing.changes[mode]
        self._share_frac = share_frac
        self._draw = draw

    def outward(self, frame: bytes) -> bytes:
        if self._draw() >= self._share_frac:
            return frame
        if self._mode == "cut":
            self.break_off()
        return self._change(frame, self._draw)


def _answering(engine: Engine, mode: str, parameters: Share, key: int, now_s: float) -> _Answering:
    return _Answering(engine, mode, parameters.share_frac, Draws(key, "answer"), now_s)


def _not_taken(mode: str, parameters: Share) -> Hindrance | None:
    """Polls are frames of RTU: they have no transaction, protocol or length, and what follows one is noise."""
    if mode in ("transaction", "protocol", "length", "doubled"):
        return None
    return Hindrance(parameters.share_frac, unanswered=True)


MODBUS_ANSWER = LinkFault(
    kind="modbus-answer",
    title="Answers come out wrong: another transaction, protocol, length, unit or function, truncated, corrupted, "
    "doubled, or the connection is cut amid one",
    parameters=Share,
    modes=MODES,
    protocols=("modbus",),
    wrap=_answering,
    polled=_not_taken,
    example={"share_frac": 0.1},
)
