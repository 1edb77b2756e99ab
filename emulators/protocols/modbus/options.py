"""What a site file may say of a Modbus TCP listener."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ModbusOptions(BaseModel):
    """What a site file may say of a Modbus TCP listener."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_connections: int = Field(
        16, ge=1, le=1000, description="Connections at a time; one more, and the longest unused is closed"
    )
    idle_timeout_s: float = Field(
        0.0, ge=0.0, le=86_400.0, allow_inf_nan=False, description="Silence after which a connection closes; 0 is never"
    )
