"""What a site file may say of any station of IEC 60870-5-101 or -104."""

from __future__ import annotations

from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

from pilotfarm.emulators.protocols.iec60870.commands import SelectMode
from pilotfarm.emulators.protocols.iec60870.times import UTC_ZONE

LOCAL: Final = "local"
SITE_TIME_ZONE: Final = "time_zone"
"""The key under which the validation's context has the site's own time zone."""


def _zone(name: str, info: ValidationInfo) -> str:
    if name == LOCAL:
        context = info.context or {}
        if SITE_TIME_ZONE not in context:
            raise ValueError("only a site has a local time")
        name = context[SITE_TIME_ZONE]
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise ValueError(f"{UTC_ZONE}, {LOCAL}, or a name of the IANA data base such as Europe/Oslo") from error
    return name


class ApplicationOptions(BaseModel):
    """The selection's time-out runs on wall time, ``cyclic_s`` and ``command_max_age_s`` on site time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cyclic_s: float = Field(0.0, ge=0.0, le=86_400.0, description="Period of cyclic measurements; 0 sends none")
    select_timeout_s: float = Field(30.0, ge=1.0, le=3600.0, description="How long a selection holds")
    sbo: SelectMode = Field("both", description="Whether a command must be selected first")
    termination: Literal["at_once", "after_step"] = Field(
        "at_once", description="When a command is terminated: with its confirmation, or once the device has taken it"
    )
    command_max_age_s: float = Field(
        0.0, ge=0.0, le=86_400.0, description="Age from which a command's time tag is too late; 0 judges none"
    )
    clock_command: Literal["ignore", "set"] = Field(
        "ignore", description="What a clock synchronisation does: nothing, or it sets the clock of what answers"
    )
    broadcast_confirm: Literal["each", "once"] = Field(
        "each", description="Who confirms and terminates what is asked of all: each device, or all of them together"
    )
    time_zone: Annotated[str, AfterValidator(_zone)] = Field(
        UTC_ZONE, description="Of time tags: UTC, local for the site's, or a name of the IANA data base"
    )
    event_queue: int = Field(
        10_000, ge=16, le=1_000_000, description="Events that wait for a started connection, at most"
    )
    event_buffer: int = Field(
        2_000, ge=16, le=1_000_000, description="Events kept while no connection is started, at most; a group each"
    )
