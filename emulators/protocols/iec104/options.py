"""What a site file may say of an IEC 60870-5-104 station."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pilotfarm.emulators.protocols.iec104.commands import SelectMode
from pilotfarm.emulators.protocols.iec104.link import Timing


class Iec104Options(BaseModel):
    """Ranges of the timers and counters are those of clause 9.6.

    The standard recommends ``w`` of at most two thirds of the master's ``k``. Timers and the
    selection's time-out run on wall time, ``cyclic_s`` on site time; 0 sends nothing of its own
    accord but changes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_connections: int = Field(8, ge=1, le=64)
    k: int = Field(12, ge=1, le=32767)
    w: int = Field(8, ge=1, le=32767)
    t1_s: float = Field(15.0, ge=1.0, le=255.0)
    t2_s: float = Field(10.0, ge=1.0, le=255.0)
    t3_s: float = Field(20.0, ge=1.0, le=172_800.0)
    cyclic_s: float = Field(0.0, ge=0.0, le=86_400.0)
    select_timeout_s: float = Field(30.0, ge=1.0, le=3600.0)
    sbo: SelectMode = "both"
    event_queue: int = Field(10_000, ge=16, le=1_000_000)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.t2_s >= self.t1_s:
            raise ValueError("t2_s must be shorter than t1_s, or acknowledgements come too late")
        if self.w > self.k:
            raise ValueError("w must not exceed k, or a peer with the same k waits for acknowledgements in vain")
        return self

    @property
    def timing(self) -> Timing:
        return Timing(self.k, self.w, self.t1_s, self.t2_s, self.t3_s)
