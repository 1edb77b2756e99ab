"""What a site file may say of an IEC 60870-5-104 station."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from itertools import combinations
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from pilotfarm.emulators.protocols.iec104.commands import SelectMode
from pilotfarm.emulators.protocols.iec104.link import Timing
from pilotfarm.emulators.protocols.iec104.times import UTC_ZONE

LOCAL: Final = "local"
SITE_TIME_ZONE: Final = "time_zone"
"""The key under which the validation's context has the site's own time zone."""


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise ValueError(f"an IP address, or a network such as 192.0.2.0/24: {error}") from error


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


Network = Annotated[str, AfterValidator(_network)]
GroupName = Annotated[str, Field(min_length=1, max_length=63)]


class Iec104Options(BaseModel):
    """Ranges of the timers and counters are those of clause 9.6.

    The standard recommends ``w`` of at most two thirds of the master's ``k``. Timers and the
    selection's time-out run on wall time, ``cyclic_s`` and ``command_max_age_s`` on site time.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_connections: int = Field(8, ge=1, le=64, description="Connections at once")
    k: int = Field(12, ge=1, le=32767, description="I frames sent and not acknowledged, at most")
    w: int = Field(8, ge=1, le=32767, description="I frames received after which an acknowledgement is due")
    t1_s: float = Field(15.0, ge=1.0, le=255.0, description="Wait for an acknowledgement")
    t2_s: float = Field(10.0, ge=1.0, le=255.0, description="Time within which received frames are acknowledged")
    t3_s: float = Field(20.0, ge=1.0, le=172_800.0, description="Silence after which the link is tested")
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
    redundancy_groups: Annotated[
        Mapping[GroupName, Annotated[tuple[Network, ...], Field(min_length=1, max_length=64)]], Field(max_length=16)
    ] = Field({}, description="Redundancy groups by name: addresses or networks of the masters of each")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.t2_s >= self.t1_s:
            raise ValueError("t2_s must be shorter than t1_s, or acknowledgements come too late")
        if self.w > self.k:
            raise ValueError("w must not exceed k, or a peer with the same k waits for acknowledgements in vain")
        return self

    @model_validator(mode="after")
    def _masters_in_one_group(self) -> Self:
        for (name, networks), (other, others) in combinations(self.redundancy_groups.items(), 2):
            for mine in map(ip_network, networks):
                for theirs in map(ip_network, others):
                    if mine.overlaps(theirs):
                        raise ValueError(f"{mine} is in {name}, and {theirs} in {other}: a master has one group")
        return self

    @property
    def timing(self) -> Timing:
        return Timing(self.k, self.w, self.t1_s, self.t2_s, self.t3_s)
