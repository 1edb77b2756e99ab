"""What a protocol, its stations and its maps are to the farm."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.asking import Asking, Downlink
from pilotfarm.emulators.contracts.clock import Clock, Clocks, Stamps
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.line import SerialLine
from pilotfarm.emulators.contracts.quality import Qualities
from pilotfarm.emulators.contracts.way import Engine, Filter, WhenFull


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
    @property
    def clock(self) -> Clock:
        """The device's own clock."""
        ...

    @property
    def serial(self) -> str:
        """Its serial number: its id, until it is exchanged."""
        ...

    def value(self, quantity: str) -> float:
        """The reported value: as of the last step, of a set-point as accepted since."""
        ...

    def quality(self, quantity: str) -> int:
        """Bits of ``Quality`` of the reported value."""
        ...

    def check(self, values: Mapping[str, float]) -> None:
        """Raise what ``submit`` would raise, and change nothing (for the select before an operate)."""
        ...

    def submit(self, values: Mapping[str, float], protocol: str, peer: str, now_s: float) -> Command:
        """Queue a change for the next step, all of it or none; set-points are reported as accepted from now on.

        Raises ``NoSuchPoint``, ``NotWritable``, ``OutOfRange`` or ``Busy``. The engine sets
        ``acknowledged_s`` of the command once it has answered.
        """
        ...


class Table(Protocol):
    """The bytes of one protocol for all devices of a group."""

    clocks: Clocks
    """What stamps for some rows; others have the time of the site."""

    def refresh(self, columns: Mapping[str, Floats], quality: Mapping[str, Qualities], unix_s: float) -> None:
        """Take what is known as of a step; hand what moved past its deadband to the engines that listen.

        ``quality`` has an entry only for a quantity that is not good in every row. ``unix_s`` is the
        site time the values hold for, for time tags.
        While nobody listens the bytes are made when somebody reads.
        """
        ...

    def tell(self, columns: Mapping[str, Floats], row: int, names: Sequence[str]) -> None:
        """Show what one device has accepted between two steps: some quantities of the columns, at its row.

        It is read at once, and handed to who listens with the next step.
        """
        ...


@runtime_checkable
class TellsTimes(Protocol):
    """A table whose changes are told with time tags."""

    stamps: Stamps | None
    """What says when values were; else they are of the step that shows them, by ``clocks``."""


@dataclass(slots=True, eq=False)
class Seat:
    """A device's place at a station: its row in a table and its address there.

    ``address`` is the Modbus unit id (the first, where a device has several), the IEC common address
    or the DNP3 outstation address. What happens on the way is set from outside, between two steps.
    """

    device: Device
    table: Any
    row: int
    address: int
    reachable: bool = True
    """Whether the station reaches the device."""
    filters: tuple[Filter, ...] = ()
    """The first is nearest to the application."""
    stations_clock: Clock | None = None
    """That of the station, where it has one of its own."""
    downlink: Downlink | None = None
    """What commands go down, where it takes them time."""

    @property
    def clock(self) -> Clock:
        """What stamps for the device here."""
        return self.device.clock if self.stations_clock is None else self.stations_clock


@dataclass(slots=True)
class Traffic:
    """What the masters of a station have asked for since the start, and how often they were refused."""

    requests: int = 0
    refusals: dict[str, int] = field(default_factory=dict)
    """By kind, in the protocol's own words: as many as it has."""

    def refuse(self, kind: str, times: int = 1) -> None:
        self.refusals[kind] = self.refusals.get(kind, 0) + times

    @classmethod
    def sum(cls, several: Iterable[Traffic]) -> Traffic:
        total = cls()
        for each in several:
            total.requests += each.requests
            for kind, times in each.refusals.items():
                total.refuse(kind, times)
        return total


class Station(Protocol):
    """What answers at one address: a device, a gateway, or an RTU."""

    filtered: bool
    """Whether a seat has filters; set by whoever sets these."""

    @property
    def traffic(self) -> Traffic: ...
    def connect(self, peer: str, now_s: float) -> Engine:
        """Make the engine of a new connection."""
        ...

    def restart(self, seats: Collection[Seat]) -> None:
        """Devices at some of its seats have begun anew. Where all have, so has the station: it owes masters nothing."""
        ...


@runtime_checkable
class KeepsEvents(Protocol):
    """A station that keeps events for its masters, within bounds."""

    @property
    def waiting_events(self) -> int:
        """Events that no master has been told yet, summed over those that are owed them."""
        ...

    @property
    def lost_events(self) -> int:
        """Events that gave way to others since the start."""
        ...


@dataclass(frozen=True, slots=True)
class PointRow:
    """One row of the point list of a group, as a SCADA engineer would import it.

    On every protocol, the number on the wire times ``scale`` is the quantity in ``unit``, whatever
    scale factor a device shows beside it; where a number means something else, ``data_type`` says
    so in brackets. What an outstation says of itself is no quantity and has no unit; ``says`` is what it means then.
    ``deadband`` is in ``unit`` too: one value, or an array with one a device; ``None`` where nothing is told unasked.

    ``object`` and ``number`` are the address for a machine: the kind of object in the words of the standard, and its
    Modbus address counted from 0, its information object address or its DNP3 index. The codes are what a master asks,
    hears and writes it with: Modbus function codes, IEC type identifications, DNP3 object groups.
    """

    quantity: str
    address: str
    data_type: str
    scale: float
    unit: str
    access: str  # "r", "w" or "rw"
    deadband: float | Floats | None = None
    resource_unit: int | None = None  # Modbus: unit id the register stands at, for a device at unit 1
    is_alias: bool = False  # Modbus: that unit id holds as it stands, on a station with one device alone
    object: str = ""
    number: int = 0
    bit: int | None = None  # of a register, from 0 on
    read_code: int | None = None
    event_code: int | None = None
    write_code: int | None = None
    group: int | None = None  # IEC: interrogation or counter group
    event_class: int | None = None  # DNP3
    says: str = ""
    is_alone: bool = False  # Modbus: a read of it has no other registers


def _no_format(options: Any) -> Hashable:
    return None


def _any_options(options: Any) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class OnLine:
    """How a protocol is spoken on serial lines.

    ``station(seats, options, line)`` makes what answers on one, in an engine for as long as the line is there.
    ``refusal(options)`` says what of a site file's options a line cannot have, empty if it can have all;
    ``refusal_shared(options)`` the same of a line that is over a medium on which one talks at a time.
    """

    station: Callable[[Sequence[Seat], Any, SerialLine], Station]
    refusal: Callable[[Any], str] = _any_options
    refusal_shared: Callable[[Any], str] = _any_options


def _one_framing(options: Any) -> str:
    return ""


def _never(options: Any) -> bool:
    return False


def _nobody(options: Any) -> Collection[int]:
    return ()


@dataclass(frozen=True, slots=True)
class ProtocolSpec:
    """A protocol, as the registry names it.

    ``table(plan, n, columns, form)`` makes the table of a group (``columns`` at the start, for ratings and
    deadbands). ``station(seats, options)`` makes what listens at one address. ``options`` is the
    protocol's part of the site file, checked against ``options_model``. ``form(options)`` is what a
    station's tables must know of them, such as the widths of addresses. ``spontaneous`` says that
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
    table: Callable[[Any, int, Seen, Any], Table]
    station: Callable[[Sequence[Seat], Any], Station]
    form: Callable[[Any], Hashable] = _no_format
    default_address: int = 1
    """The address of a device that has an endpoint of its own."""
    remembers: Callable[[Any], bool] = _never
    """Whether such a station, by its options, still shows what it last knew of a device it does not reach; else it
    says so."""
    address_max: Callable[[Any], int] | None = None
    """The highest address by the options of a station, where these leave less than ``address_range``."""
    masters: Callable[[Any], Collection[int]] = _nobody
    """Addresses that masters have by the options of a station: no device can have one of them."""
    when_full: WhenFull = WhenFull.REFUSE
    asking: Asking | None = None
    """How a station polls devices; ``None`` where none does."""
    on_line: OnLine | None = None
    """How it is spoken on serial lines; ``None`` if it is not."""
    framing: Callable[[Any], str] = _one_framing
    """``framing(options)``: what its messages travel in over TCP, where the options ask for another than usual."""

    def has_memory(self, options: Any, *, lists: bool, polls: bool) -> bool:
        """Whether a station for several devices ``remembers``: so does one that tells events of what it has polled, or
        out of a list of its own.

        It has a clock of its own then.
        """
        return self.remembers(options) or ((lists or polls) and self.spontaneous)


class Points(Protocol):
    """What lists the points of a map."""

    def __call__(
        self, spec: DeviceSpec, columns: Mapping[str, Floats], form: Hashable = None
    ) -> Sequence[PointRow]: ...


@dataclass(frozen=True, slots=True)
class MapSpec:
    """A register map or point list, as the registry names it.

    ``plan(spec)`` builds what the protocol's table needs to serve a device kind. ``points(spec,
    columns, form)`` lists what a master finds at the devices of a group with these columns at the start;
    with no columns, at the kind in general: scales of a typical device, and no deadband where one
    depends on a rating. ``form`` is what the station's options make of the points (``ProtocolSpec.form``), ``None``
    without any; ``ValueError`` says why they cannot. ``fits(spec)`` says whether it has a point for all that a device
    kind has.
    """

    name: str
    protocol: str
    title: str
    plan: Callable[[DeviceSpec], Any]
    points: Points
    fits: Callable[[DeviceSpec], bool] = lambda spec: True
