"""Faults of DNP3: an outstation that keeps too few events, or tells far more than happen to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from pilotfarm.emulators.contracts.fault import ProtocolFault
from pilotfarm.emulators.contracts.way import Cramped
from pilotfarm.emulators.faults.retelling import Retelling, Retold

# ----------------------------------------------------------------------------------------- overflow


class Buffer(BaseModel):
    """How much is left of it."""

    model_config = ConfigDict(extra="forbid")

    events: int = Field(
        1, ge=1, le=10_000, description="Events kept for a master in each class; one more, and the oldest is lost"
    )


@dataclass(frozen=True, slots=True)
class _Cramped(Cramped):
    events_kept: int


def _cramped(mode: str, parameters: Buffer, key: int) -> _Cramped:
    return _Cramped(parameters.events)


DNP3_OVERFLOW = ProtocolFault(
    kind="dnp3-overflow",
    title="The event buffers are small: events are lost, and the overflow is indicated (IIN2.3)",
    parameters=Buffer,
    protocols=("dnp3",),
    filter=_cramped,
    by_message=False,
    example={"events": 5},
)

# -------------------------------------------------------------------------------------------- storm

_BINARY, _ANALOG = 2, 32
"""Groups of events (IEEE 1815-2012, Annex A)."""
_STATE: Final = 0x80
"""The state of a binary input, among its flags."""
_TOLD: Final[dict[str, tuple[tuple[int, ...], dict[int, int]]]] = {
    "chattering": ((_BINARY,), {_BINARY: _STATE}),
    "measurements": ((_ANALOG,), {}),
}
"""Mode -> which groups are told, and what turns them over."""


def _storming(mode: str, parameters: Retold, key: int) -> Retelling:
    return Retelling(*_TOLD[mode], parameters.events_per_s)


DNP3_STORM = ProtocolFault(
    kind="dnp3-storm",
    title="A storm of events, unsolicited where a master has enabled that: contacts that chatter, or measurements told "
    "again",
    parameters=Retold,
    modes=tuple(_TOLD),
    protocols=("dnp3",),
    filter=_storming,
    by_message=False,
    example={"events_per_s": 200.0},
)
