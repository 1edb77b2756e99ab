"""Faults of IEC 60870-5-104: a device that tells far more events than happen to it.

Types are those of IEC 60870-5-101:2003, 7.2.1.1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from math import floor
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from pilotfarm.emulators.contracts.fault import ProtocolFault
from pilotfarm.emulators.contracts.way import Object, Restless

EVENTS_STEP_MAX: Final = 1_000
"""Events of one device in one step, however long that is."""
_SINGLE, _DOUBLE, _FLOAT = 1, 3, 13
_STATES: Final = (_SINGLE, _DOUBLE)
_TYPES: Final = {"states": _STATES, "chattering": _STATES, "measurements": (_FLOAT,)}
_TURNED: Final = {_SINGLE: 0x01, _DOUBLE: 0x03}
"""Bits that make off of on: 0 and 1 of a single point, 1 and 2 of a double point (7.2.6.1, 7.2.6.2)."""


class Flood(BaseModel):
    """How many."""

    model_config = ConfigDict(extra="forbid")

    events_per_s: float = Field(
        100.0,
        ge=0.01,
        le=1_000.0,
        allow_inf_nan=False,
        description=f"Events of each device, in site time; at most {EVENTS_STEP_MAX} a step [1/s]",
    )


@dataclass(frozen=True, slots=True)
class _Flooding(Restless):
    """Tells a device's states or measurements again and again, one after the other."""

    mode: str
    events_per_s: float

    @property
    def types(self) -> Collection[int]:
        return _TYPES[self.mode]

    def unasked(self, shown: Sequence[Object], since_s: float, until_s: float) -> Iterator[tuple[Object, float]]:
        first = floor(since_s * self.events_per_s)
        count = min(floor(until_s * self.events_per_s) - first, EVENTS_STEP_MAX) if shown else 0
        for number in range(count):
            kind, octets = shown[(first + number) % len(shown)]
            further = (count - 1 - number) // len(shown)  # how often it is told after this, the last time as it is
            if self.mode == "chattering" and further % 2:
                octets = octets[:-1] + bytes((octets[-1] ^ _TURNED[kind],))
            yield (kind, octets), since_s + (until_s - since_s) * (number + 1) / count


def _flooding(mode: str, parameters: Flood, key: int) -> _Flooding:
    return _Flooding(mode, parameters.events_per_s)


IEC104_FLOOD = ProtocolFault(
    kind="iec104-flood",
    title="A flood of spontaneous events: states told again, contacts that chatter, or measurements told again",
    parameters=Flood,
    modes=tuple(_TYPES),
    protocols=("iec104",),
    filter=_flooding,
    by_message=False,
    example={"events_per_s": 200.0},
)
