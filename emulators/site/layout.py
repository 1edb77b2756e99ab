"""A site, resolved: a site file with every default, rating and address filled in.

``site.load`` makes it; ``farm``, ``images`` and ``server`` bring it up; endpoint and point lists are
printed from it. Nothing here reads a file or opens a socket.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from pathlib import Path
from typing import Any, ClassVar, TypeAlias
from zoneinfo import ZoneInfo

from pilotfarm.emulators.columns.arrays import Columns, Floats, Indices
from pilotfarm.emulators.contracts.asking import Request
from pilotfarm.emulators.contracts.device import Keys
from pilotfarm.emulators.contracts.line import Parity, SerialLine
from pilotfarm.emulators.contracts.world import Place
from pilotfarm.emulators.plans.deadband import Deadbands
from pilotfarm.emulators.plans.own_list import Listed
from pilotfarm.emulators.stations.collecting import Collecting
from pilotfarm.emulators.stations.scanning import Polls
from pilotfarm.profiles.media import NONE
from pilotfarm.profiles.series import Guests, Prices, Replayed
from pilotfarm.profiles.weather import EXTENT_DEFAULT_M, Record


@dataclass(frozen=True, slots=True)
class FeederLayout:
    """A low-voltage feeder: one impedance a phase to its far end, or a network behind transformers.

    With ``resistance_ohm`` it is a stiff source behind that impedance and nothing else is given. Without,
    ``None`` means sized by its customers (``physics.grid.planned``). Voltages are line to neutral.
    """

    name: str
    nominal_voltage_v: float
    source_voltage_v: float
    resistance_ohm: float | None = None
    reactance_ohm: float | None = None
    transformers: int | None = None
    transformer_kva: float | None = None
    transformer_uk_frac: float | None = None
    transformer_rx_ratio: float | None = None
    branches: int | None = None
    cable: str | None = None
    length_m: float | None = None


@dataclass(frozen=True, slots=True)
class GridLayout:
    """When feeders are solved: at a period [s], ``None`` by the site's size, or after a move.

    ``moved_frac`` is the share of a transformer's rating by which the loads behind it may move before
    that period is over.
    """

    solve_every_s: float | None = None
    moved_frac: float = 0.1


@dataclass(frozen=True, slots=True)
class WeatherLayout:
    """Synthetic weather, or a recorded year; and the ground over which the clouds pass.

    ``clouds`` is whether single clouds cross the site, ``None`` by the source. ``notes`` say what was
    amended in the record.
    """

    record: Record | None = None
    clouds: bool | None = None
    extent_m: float = EXTENT_DEFAULT_M
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServedLayout:
    """One way in which the devices of a group are served: a protocol and a map, in a form (``MapSpec.points``).

    ``deadbands`` are those that the site file changes; ``medium`` is one of ``profiles.media.NAMES``.
    """

    protocol: str
    map: str
    form: Hashable = None
    deadbands: Deadbands = ()
    medium: str = NONE


@dataclass(frozen=True, slots=True)
class GroupLayout:
    """Devices of one kind with one set of columns; ``ratings`` are sampled, one row a device."""

    name: str
    kind: str
    devices: tuple[str, ...]
    feeder: str
    ratings: Columns
    keys: Keys
    served: tuple[ServedLayout, ...]
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SeatLayout:
    """A device's place at a station; ``address`` is its first unit id, common or link address.

    Where the station has a list of points of its own, ``points`` are those of the device, and devices share addresses.
    """

    group: str
    row: int
    map: str
    address: int
    deadbands: Deadbands = ()
    points: tuple[Listed, ...] = ()


@dataclass(frozen=True, slots=True)
class TcpEndpoint:
    """A TCP port to listen on; ``host`` is an IP address."""

    host: str
    port: int

    @property
    def label(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SerialEndpoint:
    """A serial line to answer on: its device such as ``/dev/ttyUSB0``, its speed [bit/s], its characters."""

    device: str
    baud_rate: int
    parity: Parity
    data_bits: int
    stop_bits: int

    paced: ClassVar = True

    @property
    def label(self) -> str:
        return self.device

    @property
    def line(self) -> SerialLine:
        return SerialLine(self.baud_rate, self.parity, self.data_bits, self.stop_bits, self.paced)


@dataclass(frozen=True, slots=True)
class PtyEndpoint(SerialEndpoint):
    """A pseudo-terminal in place of a serial line; ``device`` is a link to the end that masters open."""

    paced: ClassVar = False


Endpoint: TypeAlias = TcpEndpoint | SerialEndpoint
"""Where a master finds a station. ``label`` names it, unique within a site."""


@dataclass(frozen=True, slots=True, eq=False)
class PollingLayout:
    """How a station polls its devices, or stations ``through`` which it has them: over what, how often, and what for.

    ``names`` are by group the quantities of each class of scans, fast, slow and counters; ``unread`` those that the
    map does not have by which they are read. Who is polled has an entry in ``keys`` and ``bus`` each, devices in the
    order of the station's seats; ``places`` are those of the seats among them. ``asked`` and ``answered`` are octets
    of the requests of ``polls``.
    """

    protocol: str
    medium: str
    rate_bit_s: float | None
    scan_s: float
    timeout_s: float
    retries: int
    names: Mapping[str, tuple[tuple[str, ...], ...]]
    unread: Mapping[str, tuple[str, ...]]
    keys: Keys
    polls: Polls
    asked: Floats
    answered: Floats
    bus: Indices
    write: Request
    """Of a command."""
    places: Indices
    stamped_by_devices: bool = False
    """Whether events have the time of the device that was read, and not of the station that heard it."""
    through: tuple[str, ...] = ()
    """Stations by name, none where devices are polled."""
    maps: Mapping[str, str] = field(default_factory=dict)
    """By group, the map that its devices are read by."""
    real: bool = False
    """Whether octets are exchanged, and not only counted."""

    @property
    def classes(self) -> int:
        """How many classes of scans there are."""
        return len(next(iter(self.names.values())))

    def every_s(self, group: str, quantity: str) -> float | None:
        """Return how often a quantity of the devices of a group is read; ``None`` if it is not. [s]"""
        for number, names in enumerate(self.names[group]):
            if quantity in names:
                every = self.polls.every[self.polls.scan_class == number]
                return self.scan_s * int(every[0]) if len(every) else None
        return None


@dataclass(frozen=True, slots=True, eq=False)
class CollectingLayout:
    """How a data concentrator reads its meters: over what, when, and how much it keeps.

    ``names``, ``unread``, ``keys`` and ``places`` are as those of ``PollingLayout``; ``key`` is the concentrator's own.
    ``folder`` is where its file is, ``None`` for memory; of ``readings_max`` readings the oldest are kept, of
    ``alarms_max`` alarms the newest.
    """

    medium: str
    at: time
    zone: ZoneInfo
    again_s: float
    rules: Collecting
    names: Mapping[str, tuple[tuple[str, ...], ...]]
    unread: Mapping[str, tuple[str, ...]]
    keys: Keys
    key: int
    places: Indices
    readings_max: int
    alarms_max: int
    folder: Path | None

    through: ClassVar[tuple[str, ...]] = ()
    stamped_by_devices: ClassVar = False


@dataclass(frozen=True, slots=True)
class Written:
    """Where in a site file something stands."""

    file: str
    line: int
    where: str


@dataclass(frozen=True, slots=True)
class StationLayout:
    """What answers at one endpoint. ``name`` is empty where devices answer for themselves: one, or those on a line.

    ``written`` is where in the site file a serial line was first named.
    """

    name: str
    protocol: str
    endpoint: Endpoint
    options: Any
    seats: tuple[SeatLayout, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    clock_drift_ppm: float = 0.0
    medium: str = NONE
    polling: PollingLayout | None = None
    """How it polls its devices."""
    written: Written | None = None
    collecting: CollectingLayout | None = None
    """How it reads its meters, as a data concentrator does."""

    @property
    def asks(self) -> PollingLayout | CollectingLayout | None:
        """How it asks its devices; without, it knows what they report as soon as they do."""
        return self.polling or self.collecting

    @property
    def lists_points(self) -> bool:
        """Whether it has a list of points of its own."""
        return any(seat.points for seat in self.seats[:1])


@dataclass(frozen=True, slots=True, eq=False)
class ReplayLayout:
    """What a series says of the devices of a group, or of the whole site where ``group`` is empty.

    ``what`` is one of ``contracts.replay.REPLAYABLE``; ``values`` in its unit, one a device, or one for the site.
    """

    group: str
    what: str
    values: Replayed | Guests | Prices


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that a site file names, as written there, with its SHA-256 in hexadecimal digits and its size."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class SiteLayout:
    """A whole site. ``start`` is aware. ``text`` is the site file as read, for the record."""

    name: str
    title: str
    source: str
    place: Place
    start: datetime
    seed: int
    step_s: float
    feeders: Mapping[str, FeederLayout]
    groups: tuple[GroupLayout, ...]
    stations: tuple[StationLayout, ...]
    text: str
    grid: GridLayout = GridLayout()
    frequency_area: str = "continental"
    weather: WeatherLayout = WeatherLayout()
    replays: tuple[ReplayLayout, ...] = ()
    currency: str = ""
    """Of prices, ISO 4217; empty where nothing says a price."""
    inputs: tuple[InputFile, ...] = ()
    """The files it was made from besides the site file: series and weather, by their names."""

    def group(self, name: str) -> GroupLayout:
        return next(group for group in self.groups if group.name == name)

    @property
    def device_count(self) -> int:
        return sum(len(group.devices) for group in self.groups)
