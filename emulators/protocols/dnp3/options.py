"""What a site file may say about a DNP3 outstation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MASTERS_MAX = 16
Address = Annotated[int, Field(ge=0, le=65_519)]


class Dnp3Options(BaseModel):
    """Associations, buffers and timers of an outstation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_connections: int = Field(
        4, ge=1, le=64, description="Connections at once; one more, and the longest unused of the same host is closed"
    )
    masters: (
        Annotated[int, Field(ge=1, le=MASTERS_MAX)]
        | Annotated[tuple[Address, ...], Field(min_length=1, max_length=MASTERS_MAX)]
    ) = Field(4, description="Link addresses of the masters served, or how many masters of any address")
    unsolicited: bool = Field(True, description="Announce a restart and report events of classes a master enables")
    event_buffer: int = Field(500, ge=1, le=100_000, description="Events kept for a master, in each class")
    select_timeout_s: float = Field(10.0, gt=0.0, le=3_600.0, description="Time to operate after a select")
    confirm_timeout_s: float = Field(
        5.0,
        gt=0.0,
        le=3_600.0,
        description="Wait for a confirmation, or for the answer to a request of the link status",
    )
    keep_alive_s: float = Field(
        60.0, ge=0.0, le=86_400.0, description="Silence after which the link status is asked for; 0 is never"
    )
    restart_s: float = Field(
        2.0, ge=0.0, le=60.0, description="How long a cold restart takes; meanwhile nobody is answered"
    )
    broadcast_controls: bool = Field(True, description="Operate controls that a master sends to all outstations")
    need_time: bool = Field(False, description="Ask every master for the time, through IIN1.4, until one writes it")
    need_time_interval_s: float = Field(
        0.0,
        ge=0.0,
        le=31_622_400.0,
        allow_inf_nan=False,
        description="Ask for the time again so long after it was written, or after the start; 0 is never",
    )
    clock_command: Literal["ignore", "set"] = Field(
        "ignore", description="What a master's time does: nothing, or it sets the device's clock"
    )

    @property
    def named_masters(self) -> tuple[int, ...]:
        """The link addresses of masters that the site names."""
        return self.masters if isinstance(self.masters, tuple) else ()
