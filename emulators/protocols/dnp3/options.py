"""What a site file may say about a DNP3 outstation."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MASTERS_MAX = 16
Address = Annotated[int, Field(ge=0, le=65_519)]


class Dnp3Options(BaseModel):
    """Associations, buffers and timers of an outstation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_connections: int = Field(4, ge=1, le=64, description="Connections at once")
    masters: (
        Annotated[int, Field(ge=1, le=MASTERS_MAX)]
        | Annotated[tuple[Address, ...], Field(min_length=1, max_length=MASTERS_MAX)]
    ) = Field(4, description="Link addresses of the masters served, or how many masters of any address")
    unsolicited: bool = Field(True, description="Announce a restart and report events of classes a master enables")
    event_buffer: int = Field(500, ge=1, le=100_000, description="Events kept for a master, in each class")
    select_timeout_s: float = Field(10.0, gt=0.0, le=3_600.0, description="Time to operate after a select")
    confirm_timeout_s: float = Field(5.0, gt=0.0, le=3_600.0, description="Wait for a confirmation")
    need_time: bool = Field(False, description="Ask masters for the time, through IIN1.4, until one writes it")
