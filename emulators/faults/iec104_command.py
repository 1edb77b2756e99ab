"""Faults of IEC 60870-5-104: a controlled station that takes commands in another way than it says.

Numbers and clauses are those of IEC 60870-5-101:2003. A broadcast is of no single device, and is left as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from pilotfarm.emulators.contracts.fault import ProtocolFault

_PROCESS: Final = range(45, 70)
"""Types of process information in control direction (7.2.1.2)."""
_SYSTEM: Final = range(100, 114)
"""Types of system information and parameters in control direction (7.2.1.4, 7.2.1.5)."""
_INTERROGATIONS: Final = range(100, 102)
"""Of the station, and of its counters."""
_TYPES: Final = {"process": (_PROCESS,), "interrogation": (_INTERROGATIONS,), "all": (_PROCESS, _SYSTEM)}
_ACTIVATION, _ACTIVATION_CON, _DEACTIVATION, _ACTIVATION_TERM, _REQUEST = 6, 7, 8, 10, 5
"""Causes of transmission (7.2.3)."""
_CAUSE_BITS: Final = 0x3F
_NEGATIVE: Final = 0x40


class Commands(BaseModel):
    """Which commands."""

    model_config = ConfigDict(extra="forbid")

    of: Literal["process", "interrogation", "all"] = Field(
        "process",
        description="Commands and set-points; interrogations, of counters too; or these, clock, test and parameters",
    )


@dataclass(frozen=True, slots=True)
class _Commanded:
    """What becomes of the commands of a station and of its answers to them."""

    mode: str
    of: str

    def inward(self, message: bytes, now_s: float) -> tuple[bytes | None, bytes | None]:
        cause = message[2] & _CAUSE_BITS
        if not self._grips(message) or cause not in (_ACTIVATION, _DEACTIVATION):
            return message, None
        # A confirmation is the command come back, with the cause that follows its own (7.2.3).
        if self.mode == "refused":
            return None, _with_cause(message, cause + 1, _NEGATIVE)
        if self.mode == "ineffective":
            return None, _with_cause(message, cause + 1)
        return message, None

    def outward(self, message: bytes, now_s: float) -> bytes | None:
        cause = message[2] & _CAUSE_BITS
        if not self._grips(message):
            return message
        if self.mode == "unconfirmed" and cause == _ACTIVATION_CON:
            return None
        if self.mode == "unterminated" and cause == _ACTIVATION_TERM:
            return None
        if self.mode == "wrong-cause" and cause == _ACTIVATION_CON:
            return _with_cause(message, _REQUEST)
        return message

    def _grips(self, message: bytes) -> bool:
        return any(message[0] in types for types in _TYPES[self.of])


def _with_cause(message: bytes, cause: int, flag: int = 0) -> bytes:
    return message[:2] + bytes((message[2] & ~_CAUSE_BITS | cause | flag,)) + message[3:]


def _commanded(mode: str, parameters: Commands, key: int) -> _Commanded:
    return _Commanded(mode, parameters.of)


IEC104_COMMAND = ProtocolFault(
    kind="iec104-command",
    title="Commands are done and not confirmed, refused, confirmed and not done, never terminated, or confirmed with "
    "another cause",
    parameters=Commands,
    modes=("unconfirmed", "refused", "ineffective", "unterminated", "wrong-cause"),
    protocols=("iec104", "iec101"),
    filter=_commanded,
    example={"of": "process"},
)
