"""What the rooms of the farm ask of each other: small contracts, and nothing that runs.

``devices``, ``maps``, ``protocols`` and ``faults`` never import each other; they meet here, in
``quantities`` and in ``encoding``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntFlag
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from emulators.encoding import Columns, Floats
from emulators.mains import Mains
from emulators.quantities import Quantity
from emulators.views import Seen

Keys: TypeAlias = npt.NDArray[np.uint64]
Qualities: TypeAlias = npt.NDArray[np.uint8]


class Quality(IntFlag):
    """What is known of a reported value; the bits of the quality descriptor of IEC 60870-5-101, 7.2.6.3."""

    GOOD = 0
    OVERFLOW = 0x01
    BLOCKED = 0x10
    SUBSTITUTED = 0x20
    NOT_TOPICAL = 0x40
    INVALID = 0x80


# ---------------------------------------------------------------------------------------- devices


@dataclass(frozen=True, slots=True)
class Place:
    """Where a site is. Degrees, metres, and the name of its time zone."""

    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    time_zone: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the world does to the ``n`` devices of a group during one step, taken at the step's end.

    The mains are those of the power flow of the step before.
    Irradiance is ``(n,)``: a cloud may stand over one device and not over the next, or one value for all.
    Everything else is one value for the site. Angles in degrees; ``local_hour`` is in [0, 24);
    ``weekday`` counts from Monday = 0; ``unix_s`` is site time on the UTC scale.
    """

    time_s: float
    unix_s: float
    local_hour: float
    weekday: int
    day_of_year: int
    frequency_hz: float
    mains: Mains
    sun_zenith_deg: float
    sun_azimuth_deg: float
    ghi_w_per_m2: Floats | float
    dni_w_per_m2: Floats | float
    dhi_w_per_m2: Floats | float
    air_temperature_degc: float
    wind_speed_m_per_s: float
    wind_direction_deg: float
    humidity_frac: float
    pressure_pa: float
    rain_mm_per_h: float

    @property
    def voltage_v(self) -> Floats:
        """``(3, n)``: line to neutral, by phase."""
        return self.mains.voltage_v

    def darkened(self, live: Floats, rows: slice = slice(None)) -> Surroundings:
        """Return the same without voltage where ``live`` is 0 and not 1; it is of some of the rows."""
        voltage_v = self.voltage_v.copy()
        voltage_v[:, rows] *= live
        return replace(self, mains=Mains.of(voltage_v))


@dataclass(frozen=True, slots=True)
class Rating:
    """A parameter of a device kind that a site file may set: a number, or a distribution of numbers.

    ``default`` may be a number or a distribution as a site file would write it, such as
    ``{"choice": [3700, 11000]}``. A value outside ``low`` to ``high`` is a problem of the site file.
    """

    name: str
    unit: str
    default: float | Mapping[str, Any]
    low: float
    high: float
    doc: str
    names: tuple[str, ...] = ()
    """Where a site file names one of these instead of giving a number: the number is its place, from 0."""
    only: tuple[float, ...] = ()
    """The only numbers it may be, where it may not be any from ``low`` to ``high``."""

    @property
    def possible(self) -> tuple[float, ...]:
        """The only numbers it may be; empty where it may be any from ``low`` to ``high``."""
        return tuple(map(float, range(len(self.names)))) or self.only


@dataclass(frozen=True, slots=True)
class Limits:
    """What a device can be told: numbers, or names of its columns, ``-`` in front turning the sign.

    Beyond ``low`` to ``high`` a set-point is refused. Beyond ``now_low`` to ``now_high``, where
    given, it is taken and the device follows as far as it can at present. A value between the two of
    ``gap`` comes to 0: too little to begin with.
    """

    low: float | str
    high: float | str
    now_low: float | str | None = None
    now_high: float | str | None = None
    gap: tuple[float | str, float | str] | None = None

    @property
    def bounds(self) -> tuple[float | str, ...]:
        """Every number or column it refers to."""
        now = (each for each in (self.now_low, self.now_high) if each is not None)
        return self.low, self.high, *now, *(self.gap or ())


@dataclass(frozen=True, slots=True)
class Turn:
    """What a compound device's step hands to one of its resources, to be given that resource's columns after it.

    ``lent`` are values the resource takes over, ``told`` are set-points it follows in place of its own:
    both for this step, by the resource's own names, ``(n,)`` each. ``live`` is 0 where the resource is cut off
    from the mains, and 1 elsewhere; ``None`` is 1 everywhere.
    """

    resource: str
    lent: Columns = field(default_factory=dict)
    told: Columns = field(default_factory=dict)
    live: Floats | None = None


Flow: TypeAlias = Generator[Turn, Seen, Columns]
Parts: TypeAlias = Mapping[str, Seen]
"""The columns of a compound device's resources, by their prefixes."""


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """A device kind, as the registry names it.

    ``make(ratings, keys, place)`` builds the columns of ``n`` devices at the site's start: one array
    for every quantity of the kind, and whatever else its step needs (ratings and hidden state, under
    names that are no quantity's). ``step(columns, surroundings, dt_s)`` returns new columns and
    changes nothing it was given, and no set-point. Rows never mix.

    A compound kind is made of others: ``resources`` gives each by the prefix its columns have at the
    compound device, every kind once, in the order in which ``flow(own, parts, surroundings, dt_s)`` yields
    their turns. It is given the device's own columns and its resources', and returns its own. Its ``step``
    is the same flow with every resource stepped by itself.
    """

    kind: str
    use_case: str
    title: str
    quantities: tuple[Quantity, ...]
    items: Mapping[str, tuple[str, ...]]
    """Item of the specification's tables (to_device and to_sesp) -> the quantities that carry it."""
    behaviour: Mapping[str, tuple[str, ...]]
    """Pre-condition, exception, assumption or post-condition -> the quantities that show it."""
    ratings: tuple[Rating, ...]
    limits: Mapping[str, Limits]
    follows: Mapping[str, str]
    """Set-point or command -> the quantity that shows its physical effect."""
    make: Callable[[Columns, Keys, Place], Columns]
    step: Callable[[Columns, Surroundings, float], Columns]
    resources: Mapping[str, DeviceSpec] = field(default_factory=dict)
    flow: Callable[[Columns, Parts, Surroundings, float], Flow] | None = None
    sunlit: Callable[[Seen], bool] | None = None
    """Whether light does anything to devices with these columns at the start; if not, they are given NaN for it."""


# -------------------------------------------------------------------------------------- protocols


@dataclass(slots=True)
class Command:
    """One request to change a device: what was asked, by whom, and what became of it.

    Wall times are in seconds since 1970 UTC. ``limited`` holds, for each value the device cannot
    follow in full at present, what it will follow instead.
    """

    id: int
    device: str
    values: Mapping[str, float]
    protocol: str
    peer: str
    received_s: float
    acknowledged_s: float | None = None
    limited: Mapping[str, float] = field(default_factory=dict)


class Device(Protocol):
    """One device as a protocol engine sees it: reported values to read, a queue to write to."""

    @property
    def id(self) -> str: ...
    def value(self, quantity: str) -> float:
        """The reported value as of the last step."""
        ...

    def quality(self, quantity: str) -> int:
        """Bits of ``Quality`` of the reported value."""
        ...

    def check(self, values: Mapping[str, float]) -> None:
        """Raise what ``submit`` would raise, and change nothing (for the select before an operate)."""
        ...

    def submit(self, values: Mapping[str, float], protocol: str, peer: str, now_s: float) -> Command:
        """Queue a change for the next step, all of it or none.

        Raises ``NoSuchPoint``, ``NotWritable``, ``OutOfRange`` or ``Busy``. The engine sets
        ``acknowledged_s`` of the command once it has answered.
        """
        ...

    def condition(self, name: str) -> float:
        """A fault's grip on this device's communication, 0.0 while there is none."""
        ...


class Engine(Protocol):
    """One connection's protocol machine, without a socket and without a clock; the caller owns both.

    Times are wall seconds that never go back.
    """

    @property
    def closed(self) -> bool:
        """Whether the connection is to be closed once the output has been sent."""
        ...

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes as they come, cut anywhere. Never raises: a peer's mistake is answered or closes."""
        ...

    def advance(self, now_s: float) -> None:
        """Fire every timer due by ``now_s``."""
        ...

    def deadline_s(self) -> float | None:
        """When ``advance`` is next needed; ``None`` while no timer runs."""
        ...

    def take_output(self) -> bytes:
        """Bytes to send; each is handed out once."""
        ...

    def hang_up(self, now_s: float) -> None:
        """The connection is gone: give back what it held."""
        ...


class Table(Protocol):
    """The bytes of one protocol for all devices of a group, encoded after each step."""

    def refresh(self, columns: Mapping[str, Floats], quality: Mapping[str, Qualities], unix_s: float) -> None:
        """Encode the reported columns; hand what moved past its deadband to the engines that listen.

        ``quality`` has an entry only for a quantity that is not good in every row. ``unix_s`` is the
        site time the values hold for, for time tags.
        """
        ...


@dataclass(frozen=True, slots=True)
class Seat:
    """A device's place at a station: its row in a table and its address there.

    ``address`` is the Modbus unit id (the first, where a device has several), the IEC common address
    or the DNP3 outstation address.
    """

    device: Device
    table: Any
    row: int
    address: int


class Station(Protocol):
    """What answers at one address: a device, a gateway, or an RTU."""

    def connect(self, peer: str, now_s: float) -> Engine:
        """Make the engine of a new connection."""
        ...


@dataclass(frozen=True, slots=True)
class PointRow:
    """One row of the point list of a group, as a SCADA engineer would import it.

    On every protocol, the number on the wire times ``scale`` is the quantity in ``unit``, whatever
    scale factor a device shows beside it; where a number means something else, ``data_type`` says
    so in brackets. ``deadband`` is in ``unit`` too: one value, or an array with one a device.
    """

    quantity: str
    address: str
    data_type: str
    scale: float
    unit: str
    access: str  # "r", "w" or "rw"
    deadband: float | Floats | None = None
    resource_unit: int | None = None  # Modbus: unit id the register stands at


@dataclass(frozen=True, slots=True)
class ProtocolSpec:
    """A protocol, as the registry names it.

    ``table(plan, n, columns)`` makes the table of a group (``columns`` at the start, for ratings and
    deadbands). ``station(seats, options)`` makes what listens at one address. ``options`` is the
    protocol's part of the site file, checked against ``options_model``. ``spontaneous`` says that
    engines may have output after a step without having been asked.
    """

    name: str
    title: str
    default_port: int
    address_name: str
    """What a device's address is called: ``unit``, ``common_address``, ``link_address``."""
    options_model: type[Any]
    address_range: tuple[int, int]
    spontaneous: bool
    table: Callable[[Any, int, Seen], Table]
    station: Callable[[Sequence[Seat], Any], Station]
    default_address: int = 1
    """The address of a device that has an endpoint of its own."""
    shared: bool = True
    """Whether a station may answer for several devices."""


@dataclass(frozen=True, slots=True)
class MapSpec:
    """A register map or point list, as the registry names it.

    ``plan(spec)`` builds what the protocol's table needs to serve a device kind. ``points(spec,
    columns)`` lists what a master finds at the devices of a group with these columns at the start;
    with no columns, at the kind in general: scales of a typical device, and no deadband where one
    depends on a rating. ``kinds`` are the device kinds it can serve.
    """

    name: str
    protocol: str
    title: str
    kinds: tuple[str, ...]
    plan: Callable[[DeviceSpec], Any]
    points: Callable[[DeviceSpec, Mapping[str, Floats]], Sequence[PointRow]]


# ----------------------------------------------------------------------------------------- faults


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What a grid fault does: which supplies of the targeted devices it opens, and what their area loses."""

    opens: str = ""
    """``feeder``, ``branch``, or nothing."""
    lost_generation_w: float = 0.0


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """A fault, as the registry names it.

    A measurement fault has ``report(mode, parameters, true, reported, note, elapsed_s)``: given a
    quantity's true and so far reported values of the rows it grips, what was reported when it began
    and how long ago that was [s of site time], it returns what is reported instead and the quality of
    that. A communication fault has ``condition(mode, parameters)``: the name and the value, not 0,
    that every gripped device shows its protocol engines and listeners. A grid fault has
    ``disturbance(mode, parameters)``; it alone moves true columns, by way of the physics.
    """

    kind: str
    family: str
    title: str
    parameters: type[Any]
    """A pydantic model; its JSON Schema is the documentation."""
    modes: tuple[str, ...] = ()
    """Variants by name, the default first."""
    report: Callable[[str, Any, Floats, Floats, Floats, float], tuple[Floats, Quality]] | None = None
    condition: Callable[[str, Any], tuple[str, float]] | None = None
    disturbance: Callable[[str, Any], Disturbance] | None = None
    everywhere: bool = False
    """It acts on the whole site, and takes no target."""
    protocols: tuple[str, ...] = ()
    """Protocols it acts on: a device served on none of them is missed. Empty is all."""
    holds: bool = False
    """Whether an RTU loses sight of the device: its points keep their last values, not topical."""
    example: Mapping[str, Any] = field(default_factory=dict)
    """Parameters to try it with."""
