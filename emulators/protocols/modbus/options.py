"""What a site file may say of a Modbus station."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from pilotfarm.emulators.contracts.line import BAUD_RATES, known_rate
from pilotfarm.emulators.wording import unknown
from pilotfarm.profiles.media.shared import SHARED, shared_medium


def _known(name: str) -> str:
    if name not in SHARED:
        raise ValueError(unknown(name, SHARED))
    return name


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
    retries: int = Field(0, ge=0, le=10, description="How often it asks a device again that has not answered")
    queue: int = Field(16, ge=1, le=1_000, description="Requests that may wait for the bus; one more is exception 0A")

    @model_validator(mode="after")
    def _has_a_rate(self) -> Self:
        if self.baud_rate is not None and not shared_medium(self.medium).serial:
            raise ValueError(f"{self.medium} is no serial line: leave out baud_rate")
        return self

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
