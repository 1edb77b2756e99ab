"""What a site file may say of a Modbus station."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


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
    sunspec_base: Literal[0, 40_000, 50_000] = Field(40_000, description="Register at which SunSpec models begin")
    sunspec_common: Literal[65, 66] = Field(66, description="Length of SunSpec model 1; 65 has no pad at its end")
    unimplemented_writes: Literal["refuse", "ignore"] = Field(
        "refuse", description="What a write to a SunSpec point that is not implemented meets: exception 2, or nothing"
    )
