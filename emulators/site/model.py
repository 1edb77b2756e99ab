"""The site file's tables as pydantic models: what may be written where, with units and bounds.

Each table is a flat model of its own, so that one bad value does not hide another; ``SiteFile``
puts them together for the JSON Schema. What needs the registry (kinds, ratings, maps, options)
is checked in ``ratings`` and ``stations``.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, Field, WithJsonSchema

from pilotfarm.emulators.contracts.clock import DRIFT_MAX_PPM
from pilotfarm.emulators.contracts.line import BAUD_RATES, Parity, known_rate
from pilotfarm.emulators.site.collecting_model import Collecting
from pilotfarm.emulators.site.distributions import Value
from pilotfarm.emulators.site.replay_model import Market, ReplayTable, SeriesTable, Weather
from pilotfarm.emulators.site.table import Table
from pilotfarm.emulators.site.time_zones import known_zone
from pilotfarm.emulators.stations.real.scanner import REALLY_POLLED_MAX
from pilotfarm.emulators.stations.scanning import RETRIES_MAX
from pilotfarm.profiles.media import NONE

DEVICES_MAX: Final = 100_000
"""Maximum number of devices of one site: a farm of this many still steps within a second on one core."""

SEED_END: Final = 2**63
"""Seeds are below this."""

START_DEFAULT: Final = "2026-06-15T08:00:00"
"""A summer morning: the sun is up, and a site without a start is the same in every run."""

ADDRESS_MAX: Final = 2**24 - 1
"""Beyond any point's address: an information object address has three octets."""

SHARE_PATTERN: Final = r"^[0-9]+(\.[0-9]+)? ?%$"


def is_path(device: str) -> str:
    if not device.startswith("/") or "\0" in device:
        raise ValueError("a serial device is named by its path, such as /dev/ttyUSB0")
    return device


Name: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,62}$")]
Port: TypeAlias = Annotated[int, Field(ge=1, le=65_535)]
Positive: TypeAlias = Annotated[float, Field(gt=0)]
Impedance: TypeAlias = Annotated[float, Field(ge=0, le=100)]
LabelValue: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
SerialDevice: TypeAlias = Annotated[str, AfterValidator(is_path), Field(json_schema_extra={"pattern": "^/"})]
BaudRate: TypeAlias = Annotated[int, AfterValidator(known_rate), Field(json_schema_extra={"enum": [*BAUD_RATES]})]
Labels: TypeAlias = Annotated[
    dict[Name, LabelValue],
    Field(max_length=20, description="Names and values of your own, such as cell: north; faults can be aimed at them"),
]
CableName: TypeAlias = Literal["NAYY-4x50", "NAYY-4x120", "NAYY-4x150", "AL-48", "AL-94"]

DeadbandValue: TypeAlias = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": SHARE_PATTERN}],
            "description": "In the quantity's unit, 0 for every change; or a share of its rating, such as 0.5 %",
        }
    ),
]
"""Checked in ``deadbands``, where the quantity's unit and rating are known."""


class OnLine(Table):
    """The serial line of an endpoint or station, if it is on one."""

    serial: SerialDevice | None = Field(
        default=None,
        description="A serial device, such as /dev/ttyUSB0; whoever names the same is on the same line",
    )
    pty: Name | None = Field(
        default=None,
        description="A pseudo-terminal in place of a serial device; masters open the link of this name, which "
        "`pilotfarm endpoints` tells",
    )
    baud_rate: BaudRate | None = Field(default=None, description="Of a serial line [bit/s]; 19200 if left out")
    parity: Parity | None = Field(default=None, description="Of a serial line; even if left out")
    stop_bits: Literal[1, 2] | None = Field(
        default=None, description="Of a serial line; 1 if left out, without parity 2"
    )


class Location(Table):
    """Where the site is; decides sun, weather and local time."""

    latitude_deg: float = Field(ge=-90, le=90, description="North is plus")
    longitude_deg: float = Field(ge=-180, le=180, description="East is plus")
    altitude_m: float = Field(default=0.0, ge=-430, le=9_000, description="Above the sea")
    time_zone: Annotated[str, AfterValidator(known_zone)] = Field(
        description="A name of the IANA data base, such as Europe/Oslo"
    )


class Feeder(Table):
    """A low-voltage feeder: a network behind transformers, or a stiff source behind one impedance a phase.

    What is left out of a network is sized by the devices on it.
    """

    nominal_voltage_v: float = Field(default=230.0, gt=0, le=1_000, description="Line to neutral")
    source_voltage_v: Positive | None = Field(
        default=None, description="Line to neutral, at the transformer without load; the nominal voltage if left out"
    )
    resistance_ohm: Impedance | None = Field(default=None, description="To the far end, with reactance_ohm alone")
    reactance_ohm: Impedance | None = Field(default=None, description="To the far end, with resistance_ohm alone")
    transformers: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        default=None, description="Equal substations the devices are spread over"
    )
    transformer_kva: Annotated[float, Field(ge=5, le=100_000)] | None = Field(default=None, description="Of each")
    transformer_uk_frac: Annotated[float, Field(ge=0.01, le=0.3)] | None = Field(
        default=None, description="Short-circuit voltage, a share: 0.04, beyond 630 kVA 0.06, if left out"
    )
    transformer_rx_ratio: Annotated[float, Field(ge=0.0, le=5.0)] | None = Field(
        default=None, description="R over X of the short circuit, instead of usual load losses"
    )
    branches: Annotated[int, Field(ge=1, le=100)] | None = Field(default=None, description="Cables from a transformer")
    cable: CableName | None = Field(default=None, description="NAYY-4x150 if left out")
    length_m: Annotated[float, Field(ge=1, le=20_000)] | None = Field(
        default=None, description="Of a branch; 300 if left out"
    )


class Grid(Table):
    """When the feeders' networks are solved."""

    solve_every_s: Annotated[float, Field(ge=0.1, le=900.0)] | None = Field(
        default=None, description="Site time between two power flows; by the number of devices, 1 to 10, if left out"
    )
    moved_frac: float = Field(
        default=0.1, ge=0.0, le=10.0, description="Share of a transformer's rating its loads may move without another"
    )


class Frequency(Table):
    """Which grid the site is part of."""

    area: Literal["continental", "island"] = Field(
        default="continental",
        description="The synchronous grid of Continental Europe, or an island of 400 MVA, whose frequency moves more",
    )


class Endpoint(OnLine):
    """One way in which every device of a group is served."""

    protocol: str = Field(description="What the devices speak here")
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
        "station or on a serial line, from where it counts up; of every device that has an endpoint of its own",
    )
    deadbands: dict[str, DeadbandValue] = Field(
        default_factory=dict,
        description="How far a quantity moves before IEC 104 or DNP3 reports it: by its name or a glob over names. "
        "A later line goes before an earlier one",
    )
    medium: str = Field(
        default=NONE, description="What lies between each device and its masters; a station has one of its own"
    )
    options: dict[str, Any] = Field(default_factory=dict, description="The protocol's own settings")


class GroupHead(Table):
    """What a group is, apart from its ratings and endpoints."""

    kind: str = Field(description="What the devices are; it decides their ratings, quantities and maps")
    count: int = Field(ge=1, le=DEVICES_MAX, description="How many; they are named after the group, as homes-001")
    feeder: str | None = Field(default=None, description="May be left out where the site has one feeder")
    labels: Labels = Field(default_factory=dict)


class Group(GroupHead):
    """Devices of one kind at one feeder."""

    ratings: dict[str, Value] = Field(
        default_factory=dict,
        description="Each a number, or a distribution of which every device draws its own; else the kind's default",
    )
    replay: dict[str, ReplayTable] = Field(
        default_factory=dict, description="What series say of the devices in place of models"
    )
    endpoints: list[Endpoint] = Field(
        default_factory=list, description="Ways to reach every device of the group; without one it is not served"
    )


class Polling(Table):
    """How a station asks its devices, or stations they are behind, on buses with one exchange under way at a time."""

    through: Name | Annotated[list[Name], Field(min_length=1, max_length=1_000)] | None = Field(
        default=None,
        description="A station, or several, that it asks for its devices; the devices themselves if left out",
    )
    protocol: str | None = Field(
        default=None, description="What the devices speak, modbus if left out; or what the stations they are behind do"
    )
    map: str | None = Field(default=None, description="The protocol's first map for each kind if left out")
    medium: str | None = Field(
        default=None,
        description="What lies between; rs485 if left out, or ethernet for what is over TCP alone, and to stations",
    )
    baud_rate: Annotated[int, Field(ge=300, le=10_000_000)] | None = Field(
        default=None, description="Of a serial line [bit/s]; the medium's if left out"
    )
    devices_per_bus: int = Field(default=32, ge=1, le=1_000, description="How many share a bus, in the station's order")
    scan_s: float = Field(
        default=1.0, ge=0.1, le=86_400.0, description="Site time between two scans of measurements, states and alarms"
    )
    slow_s: float = Field(default=10.0, le=864_000.0, description="The same of set-points: a multiple of scan_s")
    counters_s: float = Field(default=60.0, le=864_000.0, description="The same of energy registers")
    timeout_s: float = Field(default=1.0, gt=0, le=600.0, description="How long an answer is waited for")
    retries: int = Field(
        default=2, ge=0, le=RETRIES_MAX, description="How often one that did not answer is asked again"
    )
    time_stamps: Literal["station", "device"] = Field(
        default="station",
        description="Whose clock stamps events: the station's when it has the answer, or the device's when it was read",
    )
    real: bool = Field(
        default=False,
        description=f"Whether octets are exchanged, of up to {REALLY_POLLED_MAX} devices, and not only counted",
    )


class ListedRow(Table):
    """A row of a station's own list of points: one or several quantities of one or several devices."""

    devices: str | list[str] = Field(description="Devices behind the station: an id, a glob over ids, or several")
    quantity: str | list[str] = Field(description="What of them: a quantity by its name, or several")
    address: int = Field(
        ge=0,
        le=ADDRESS_MAX,
        description="Of the first: information object address, register, or DNP3 index; further quantities, then "
        "further devices, have the next ones",
    )
    step: Annotated[int, Field(ge=1, le=ADDRESS_MAX)] | None = Field(
        default=None, description="From one device to the next; as much as the quantities take if left out"
    )
    common_address: int | None = Field(
        default=None, description="IEC 104, IEC 101: where the points stand; the protocol's default if left out"
    )
    unit: int | None = Field(default=None, description="The same of Modbus: a unit id")
    link_address: int | None = Field(default=None, description="The same of DNP3")
    type: str | None = Field(default=None, description="The protocol's type, such as M_ME_TF_1 or int16")
    scale: float | None = Field(
        default=None, description="The number on the wire times it is the quantity in its unit; the usual if left out"
    )
    group: int | None = Field(default=None, description="IEC 104, IEC 101: interrogation group, or of a counter its")
    event_class: int | None = Field(default=None, description="DNP3: class of its events")
    deadband: DeadbandValue | None = Field(
        default=None, description="How far it moves before it is reported; else that of the endpoint, or the usual"
    )


class Station(OnLine):
    """What answers for several devices at one address or on one line: a Modbus gateway or bus, an IEC 104 RTU."""

    protocol: str = Field(description="What the station speaks")
    host: str | None = Field(default=None, description="IPv4 address; counted up from 127.0.1.1 if left out")
    port: Port | None = Field(default=None, description="The protocol's default if left out")
    labels: Labels = Field(default_factory=dict)
    clock_drift_ppm: float = Field(
        default=0.0,
        ge=-DRIFT_MAX_PPM,
        le=DRIFT_MAX_PPM,
        description="Drift of its own clock, where it has one, as an RTU does; plus gains time",
    )
    medium: str = Field(default=NONE, description="What lies between the station and its masters")
    points: Annotated[list[ListedRow], Field(min_length=1)] | str = Field(
        default_factory=list,
        description="Its own list of points, or the name of a CSV file that has it; without one every device has its "
        "own address and its map's points",
    )
    polling: Polling | None = Field(
        default=None, description="How it asks its devices; it knows all at once what they report if left out"
    )
    collecting: Collecting | None = Field(
        default=None, description="In place of polling: how it reads meters in rounds, as a data concentrator does"
    )
    options: dict[str, Any] = Field(default_factory=dict, description="The protocol's own settings")


class Head(Table):
    """The plain values at the top of a site file."""

    name: Name = Field(description="The site's name: a letter, then up to 62 letters, digits, - or _")
    title: str = Field(default="", description="One line for people")
    start: str = Field(default=START_DEFAULT, description="ISO 8601; local time where it has no offset")
    seed: int = Field(
        default=1, ge=0, lt=SEED_END, description="Of everything random: the same file and seed give the same run"
    )
    step_s: float = Field(default=1.0, ge=0.1, le=900.0, description="Length of a physics step")
    off_loopback: bool = Field(default=False, description="Allows addresses outside 127.0.0.0/8")
    media: bool = Field(
        default=True,
        description="Whether the media of endpoints and stations hold, if --media or --no-media does not say",
    )


class SiteFile(Head):
    """A pilot site: where it is, its feeders, its devices and how they are reached."""

    location: Location = Field(description="Where the site is; decides sun, weather and local time")
    feeders: dict[Name, Feeder] = Field(
        default_factory=lambda: {"grid": Feeder()},
        min_length=1,
        description="Low-voltage feeders by name; one that is sized by the devices if left out",
    )
    grid: Grid = Field(default=Grid(), description="When the feeders' networks are solved")
    frequency: Frequency = Field(default=Frequency(), description="Which grid sets the frequency")
    weather: Weather = Field(default=Weather(), description="Made-up weather of the place, or a file's, or a series'")
    market: Market = Field(default=Market(), description="What energy costs, as a series says")
    series: dict[Name, SeriesTable] = Field(
        default_factory=dict, description="Measured columns over time by name, for groups, weather and market to replay"
    )
    groups: dict[Name, Group] = Field(min_length=1, description="By name: devices of one kind at one feeder")
    stations: dict[Name, Station] = Field(
        default_factory=dict, description="What answers for several devices at one address, by name: gateways and RTUs"
    )
