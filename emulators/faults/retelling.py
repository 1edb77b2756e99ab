"""A device that tells far more events than happen to it, over any protocol that has events."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from pilotfarm.emulators.contracts.way import Object, Restless

EVENTS_STEP_MAX: Final = 1_000
"""Events of one device in one step, however long that is."""


class Retold(BaseModel):
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
class Retelling(Restless):
    """Tells a device's objects of some types again and again, one after the other.

    ``turned`` are, by type, the bits of an object's last octet that make another state of it. Objects of such a type
    come and go, and are told as they are at the end of a step.
    """

    types: Collection[int]
    turned: Mapping[int, int]
    events_per_s: float

    def unasked(self, shown: Sequence[Object], since_s: float, until_s: float) -> Iterator[tuple[Object, float]]:
        first = floor(since_s * self.events_per_s)
        count = min(floor(until_s * self.events_per_s) - first, EVENTS_STEP_MAX) if shown else 0
        for number in range(count):
            kind, octets = shown[(first + number) % len(shown)]
            further = (count - 1 - number) // len(shown)  # how often it is told after this, the last time as it is
            if further % 2:
                octets = octets[:-1] + bytes((octets[-1] ^ self.turned.get(kind, 0),))
            yield (kind, octets), since_s + (until_s - since_s) * (number + 1) / count
