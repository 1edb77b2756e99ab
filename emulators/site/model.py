"""The site file's tables as pydantic models: what may be written where, with units and bounds.

Each table is a flat model of its own, so that one bad value does not hide another; ``SiteFile``
puts them together for the JSON Schema. What needs the registry (kinds, ratings, maps, options)
is checked in ``resolve``.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from emulators.site.distributions import Value
from emulators.site.document import nearest

DEVICES_MAX: Final = 100_000
"""Most devices of one site: a farm of this many still steps within a second on one core."""

START_DEFAULT: Final = "2026-06-15T08:00:00"
"""A summer morning: the sun is up, and a site without a start is the same in every run."""

Name: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,62}$")]
Port: TypeAlias = Annotated[int, Field(ge=1, le=65_535)]
Positive: TypeAlias = Annotated[float, Field(gt=0)]
Impedance: TypeAlias = Annotated[float, Field(ge=0, le=100)]


class Part(BaseModel):
    """A table of the site file: no unknown keys, no conversion between types, no NaN."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise ValueError(f"there is no such time zone{nearest(name, available_timezones())}") from error
    return name


class Location(Part):
    """Where the site is; decides sun, weather and local time."""

    latitude_deg: float = Field(ge=-90, le=90, description="North is plus")
    longitude_deg: float = Field(ge=-180, le=180, description="East is plus")
    altitude_m: float = Field(default=0.0, ge=-430, le=9_000, description="Above the sea")
    time_zone: Annotated[str, AfterValidator(_known_zone)] = Field(
        description="A name of the IANA data base, such as Europe/Oslo"
    )


class Feeder(Part):
    """A low-voltage feeder: a stiff source behind one impedance a phase."""

    nominal_voltage_v: float = Field(default=230.0, gt=0, le=1_000, description="Line to neutral")
    source_voltage_v: Positive | None = Field(
        default=None, description="Line to neutral, at the transformer; the nominal voltage if left out"
    )
    resistance_ohm: Impedance
    reactance_ohm: Impedance


class Endpoint(Part):
    """One way in which every device of a group is served."""

    protocol: str
    map: str | None = Field(default=None, description="The protocol's first map for the kind if left out")
    ip: str | None = Field(default=None, description="IPv4 address of the first device, counted up one a device")
    port: Port | None = Field(
        default=None,
        description="Alone: port of the first device, counted up on 127.0.0.1. With ip: the port of every device",
    )
    station: str | None = Field(default=None, description="Name of the gateway or RTU that answers for the devices")
    address: int | None = Field(
        default=None,
        description="Modbus unit id, IEC 104 common address or DNP3 link address: of the first device at a "
        "station, from where it counts up; of every device that has an endpoint of its own",
    )
    options: dict[str, Any] = Field(default_factory=dict, description="The protocol's own settings")


class GroupHead(Part):
    """What a group is, apart from its ratings and endpoints."""

    kind: str
    count: int = Field(ge=1, le=DEVICES_MAX)
    feeder: str | None = Field(default=None, description="May be left out where the site has one feeder")


class Group(GroupHead):
    """Devices of one kind at one feeder."""

    ratings: dict[str, Value] = Field(default_factory=dict)
    endpoints: list[Endpoint] = Field(default_factory=list)


class Station(Part):
    """What answers for several devices at one address: a Modbus gateway, an IEC 104 RTU."""

    protocol: str
    host: str | None = Field(default=None, description="IPv4 address; counted up from 127.0.1.1 if left out")
    port: Port | None = Field(default=None, description="The protocol's default if left out")
    options: dict[str, Any] = Field(default_factory=dict, description="The protocol's own settings")


class Head(Part):
    """The plain values at the top of a site file."""

    name: Name
    title: str = ""
    start: str = Field(default=START_DEFAULT, description="ISO 8601; local time where it has no offset")
    seed: int = Field(default=1, ge=0, lt=2**63)
    step_s: float = Field(default=1.0, ge=0.1, le=900.0, description="Length of a physics step")
    off_loopback: bool = Field(default=False, description="Allows addresses outside 127.0.0.0/8")


class SiteFile(Head):
    """A pilot site: where it is, its feeders, its devices and how they are reached."""

    location: Location
    feeders: dict[Name, Feeder] = Field(min_length=1)
    groups: dict[Name, Group] = Field(min_length=1)
    stations: dict[Name, Station] = Field(default_factory=dict)
