"""What a site file may say of a Modbus station."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from pilotfarm.emulators.contracts.line import BAUD_RATES, known_rate
from pilotfarm.emulators.wording import shown, unknown
from pilotfarm.profiles.media.shared import SHARED, shared_medium

UNITS: Final = (1, 247)
"""Unit ids of single devices on a line (MODBUS over Serial Line V1.02, 2.2)."""
_SPAN: Final = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?", re.ASCII)


def _known(name: str) -> str:
    if name not in SHARED:
        raise ValueError(unknown(name, SHARED))
    return name


def _units(span: str) -> range:
    """Return the units that a span names, ``7`` or ``10-20``; ``ValueError`` if it names none."""
    found = _SPAN.fullmatch(span)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not UNITS[0] <= first <= last <= UNITS[1]:
        raise ValueError(f"'{shown(span)}' is no unit from {UNITS[0]} to {UNITS[1]}, and no span of them such as 10-20")
    return range(first, last + 1)


def _by_unit(value: object) -> object:
    """Have spans as text, as a file may say a unit by its number."""
    return {str(key): each for key, each in value.items()} if isinstance(value, dict) else value


def _once(timeouts_s: dict[str, float]) -> dict[str, float]:
    seen: dict[int, str] = {}
    for span in timeouts_s:
        for unit in _units(span):
            if unit in seen:
                raise ValueError(f"unit {unit} is in '{seen[unit]}' and in '{span}'")
            seen[unit] = span
    return timeouts_s


UnitTimeouts: TypeAlias = Annotated[
    dict[str, Annotated[float, Field(gt=0.0, le=600.0)]], BeforeValidator(_by_unit), AfterValidator(_once)
]


class BusOptions(BaseModel):
    """The serial bus behind a gateway."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    medium: Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": [*SHARED]})] = Field(
        "rs485", description="What its devices share"
    )
    baud_rate: Annotated[int, AfterValidator(known_rate), Field(json_schema_extra={"enum": [*BAUD_RATES]})] | None = (
        Field(None, description="Of a serial line [bit/s]; the medium's if left out")
    )
    timeout_s: float = Field(0.5, gt=0.0, le=600.0, description="How long the gateway waits for a device's answer")
    timeouts_s: UnitTimeouts = Field(
        {}, description="The same for some units, by unit id or a span of them: `{7: 2.0, 10-20: 1.0}`"
    )
    retries: int = Field(0, ge=0, le=10, description="How often it asks a device again that has not answered")
    queue: int = Field(16, ge=1, le=1_000, description="Requests that may wait for the bus; one more is exception 0A")

    @model_validator(mode="after")
    def _has_a_rate(self) -> Self:
        if self.baud_rate is not None and not shared_medium(self.medium).serial:
            raise ValueError(f"{self.medium} is no serial line: leave out baud_rate")
        return self

    def timeout_of(self, unit: int) -> float:
        """Return how long the gateway waits for the answer of a unit."""
        found = (each for span, each in self.timeouts_s.items() if unit in _units(span))
        return next(found, self.timeout_s)

    @property
    def rate_bit_s(self) -> float:
        return shared_medium(self.medium).rate_bit_s if self.baud_rate is None else float(self.baud_rate)


class ModbusOptions(BaseModel):
    """What a site file may say of a Modbus station."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_connections: int = Field(
        16, ge=1, le=1000, description="Connections at a time; one more, and the longest unused is closed"
    )
    idle_timeout_s: float = Field(
        0.0, ge=0.0, le=86_400.0, allow_inf_nan=False, description="Silence after which a connection closes; 0 is never"
    )
    framing: Literal["tcp", "rtu"] | None = Field(
        None, description="What messages travel in: `rtu` over TCP is a serial server's; by the endpoint if left out"
    )
    bus: BusOptions | None = Field(
        None, description="A gateway's serial bus, on which requests wait for their turn; answered at once if left out"
    )
    sunspec_base: Literal[0, 40_000, 50_000] = Field(40_000, description="Register at which SunSpec models begin")
    sunspec_common: Literal[65, 66] = Field(66, description="Length of SunSpec model 1; 65 has no pad at its end")
    unimplemented_writes: Literal["refuse", "ignore"] = Field(
        "refuse", description="What a write to a SunSpec point that is not implemented meets: exception 2, or nothing"
    )

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if self.bus is not None and self.framing == "rtu":
            raise ValueError("a bus is behind a gateway of Modbus TCP: leave out framing, or bus")
        return self
