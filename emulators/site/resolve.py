"""From a site file's data to a ``SiteLayout``: every default filled in, every problem found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path as FilePath
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

import numpy as np
from pydantic import TypeAdapter, ValidationError

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.arrays import Columns
from pilotfarm.emulators.contracts.device import DeviceSpec, Keys, Rating
from pilotfarm.emulators.contracts.protocol import MapSpec, ProtocolSpec
from pilotfarm.emulators.contracts.world import Place
from pilotfarm.emulators.errors import Problem
from pilotfarm.emulators.site import distributions
from pilotfarm.emulators.site.addresses import Addressing, Allocator, Span
from pilotfarm.emulators.site.checks import Checker, shown
from pilotfarm.emulators.site.document import Document, Path
from pilotfarm.emulators.site.layout import (
    FeederLayout,
    GridLayout,
    GroupLayout,
    SeatLayout,
    ServedLayout,
    SiteLayout,
    StationLayout,
    WeatherLayout,
)
from pilotfarm.emulators.site.model import (
    DEVICES_MAX,
    START_DEFAULT,
    Endpoint,
    Feeder,
    Frequency,
    Grid,
    GroupHead,
    Head,
    Location,
    Part,
    SiteFile,
    Station,
    WeatherTable,
)
from pilotfarm.profiles import draws
from pilotfarm.profiles.weather import WeatherFileError
from pilotfarm.profiles.weather.files import read as weather_file

_P = TypeVar("_P", bound=Part)
_FAR_DEG: Final = 1.0
"""A weather file from further off is used, and remarked upon."""
_YEARS: Final = (2000, 2099)  # the two-digit year of a time tag: IEC 60870-5-101, 7.2.6.18


@dataclass(frozen=True, slots=True)
class _Asked:
    """An endpoint of a group with what its names stand for; ``breadth`` is addresses a device."""

    protocol: ProtocolSpec
    map: MapSpec
    breadth: int
    endpoint: Endpoint
    options: Any
    at: Path


@dataclass(slots=True)
class _Own:
    """Devices that each answer at an address of their own."""

    group: GroupLayout
    protocol: str
    map: str
    span: Span
    address: int
    options: Any

    def stations(self) -> Iterable[StationLayout]:
        for row in range(len(self.group.devices)):
            host, port = self.span.at(row)
            seat = SeatLayout(self.group.name, row, self.map, self.address)
            yield StationLayout("", self.protocol, host, port, self.options, (seat,))


@dataclass(slots=True)
class _Shared:
    """A station that answers for devices; ``taken`` are the address ranges given out and to whom."""

    name: str
    spec: ProtocolSpec
    span: Span | None
    options: Any
    seats: list[SeatLayout] = field(default_factory=list)
    taken: list[tuple[int, int, Path]] = field(default_factory=list)

    @property
    def next_address(self) -> int:
        return max((last + 1 for _, last, _ in self.taken), default=self.spec.default_address)


def resolve(document: Document, text: str, addressing: Addressing, start: str | None, seed: int | None) -> SiteLayout:
    """Build the layout; problems gather in the document, and a layout with problems is not to be used."""
    return _Resolver(document, addressing).site(text, start, seed)


class _Resolver(Checker):
    def __init__(self, document: Document, addressing: Addressing) -> None:
        super().__init__(document)
        self.addressing = addressing
        self.feeders: dict[str, FeederLayout] = {}
        self.shared: dict[str, _Shared] = {}
        self.own: list[_Own] = []
        self.doubtful = False  # an endpoint is not understood, so a station may look unused that is not

    # ------------------------------------------------------------------------------ the whole site

    def site(self, text: str, start: str | None, seed: int | None) -> SiteLayout:
        data = self.document.data
        assert isinstance(data, dict), "what is no table is refused before"
        tables = ("location", "feeders", "groups", "stations", "grid", "frequency", "weather")
        plain = {key: value for key, value in data.items() if key not in tables}
        head = self.read(Head, plain, (), known=SiteFile.model_fields)
        for key in ("location", "groups"):
            if key not in data:
                self.document.problem((key,), "is missing")
        place = self.place(data)
        begin = self.start(head.start if head else START_DEFAULT, start, place.time_zone)
        raw_groups = self.table(data, "groups", at_least_one=True)
        # A site that names no feeder stands on one that is sized by its devices.
        self.raw_feeders = self.table(data, "feeders", at_least_one=True) if "feeders" in data else {"grid": {}}
        self.raw_stations = self.table(data, "stations", at_least_one=False)
        for name, value in self.raw_feeders.items():
            self.feeder(name, value)
        off_loopback = head.off_loopback if head else data.get("off_loopback") is True
        self.allocator = Allocator(self.addressing, self.document, off_loopback)
        for name, value in self.raw_stations.items():
            self.station(name, value)
        used_seed = seed if seed is not None else head.seed if head else 0
        groups = [group for name, value in raw_groups.items() if (group := self.group(name, value, used_seed))]
        self.whole(groups)
        return SiteLayout(
            name=head.name if head else "",
            title=head.title if head else "",
            source=self.document.file,
            place=place,
            start=begin,
            seed=used_seed,
            step_s=head.step_s if head else 1.0,
            feeders=self.feeders,
            groups=tuple(groups),
            stations=() if self.document.problems else tuple(self.stations()),
            text=text,
            grid=self.grid(data),
            weather=self.weather(data, place),
            frequency_area=frequency.area if (frequency := self.part(Frequency, data, "frequency")) else "",
        )

    def whole(self, groups: list[GroupLayout]) -> None:
        """Check what only the site as a whole can show."""
        total = sum(len(group.devices) for group in groups)
        if total > DEVICES_MAX:
            self.document.problem(("groups",), f"{total:,} devices in all; a site may have {DEVICES_MAX:,}")
        for station in self.shared.values():
            if not station.taken and not self.doubtful:
                self.document.problem(("stations", station.name), "no group has an endpoint at this station")
        self.allocator.report_overlaps()

    def stations(self) -> Iterable[StationLayout]:
        for shared in self.shared.values():
            assert shared.span is not None
            host, port = shared.span.at(0)
            yield StationLayout(shared.name, shared.spec.name, host, port, shared.options, tuple(shared.seats))
        for own in self.own:
            yield from own.stations()

    # ------------------------------------------------------------------------------- small tables

    def place(self, data: Mapping[str, Any]) -> Place:
        location = self.read(Location, data["location"], ("location",)) if "location" in data else None
        if location is None:
            return Place(0.0, 0.0, 0.0, "UTC")
        return Place(location.latitude_deg, location.longitude_deg, location.altitude_m, location.time_zone)

    def start(self, written: str, override: str | None, zone: str) -> datetime:
        path: Path = ("start",)
        text = override if override is not None else written
        try:
            start = datetime.fromisoformat(text)
        except ValueError:
            self.document.problem(path, f"{text!r} is not a date and time such as 2026-06-15T08:00:00")
            return datetime(2026, 1, 1, tzinfo=UTC)
        if start.tzinfo is None:
            start = start.replace(tzinfo=ZoneInfo(zone))
            there = start.astimezone(UTC).astimezone(ZoneInfo(zone))
            if there.replace(tzinfo=None) != start.replace(tzinfo=None):
                self.document.problem(path, f"{text} is left out in {zone}, where clocks go forward; add an offset")
        if not _YEARS[0] <= start.year <= _YEARS[1]:
            self.document.problem(path, f"the year {start.year} is not between {_YEARS[0]} and {_YEARS[1]}")
        return start

    def feeder(self, name: str, value: Any) -> None:
        feeder = self.read(Feeder, value, ("feeders", name))
        if feeder is None:
            return
        nominal = feeder.nominal_voltage_v
        source = nominal if feeder.source_voltage_v is None else feeder.source_voltage_v
        if not 0.5 * nominal <= source <= 1.5 * nominal:
            self.document.problem(
                ("feeders", name, "source_voltage_v"), f"{source:g} V is not within half of the nominal {nominal:g} V"
            )
        if self.impedance(feeder, ("feeders", name)):
            given = {key: item for key, item in feeder.model_dump().items() if not key.endswith("_voltage_v")}
            self.feeders[name] = FeederLayout(name, nominal, source, **given)

    def impedance(self, feeder: Feeder, path: Path) -> bool:
        """Check that a feeder is described in one way: by an impedance, or as a network."""
        impedance = ("resistance_ohm", "reactance_ohm")
        given = [
            key for key, item in feeder.model_dump().items() if item is not None and not key.endswith("_voltage_v")
        ]
        network = [key for key in given if key not in impedance]
        missing = [key for key in impedance if key not in given]
        if len(missing) == 2:
            return True
        if missing:
            self.document.problem((*path, missing[0]), "is missing")
        if network:
            message = f"a feeder described by an impedance has no {network[0]}"
            self.document.problem((*path, network[0]), message)
        return not missing and not network

    def part(self, model: type[_P], data: Mapping[str, Any], key: str) -> _P | None:
        """Read a table that may be left out."""
        return self.read(model, data.get(key, {}), (key,))

    def weather(self, data: Mapping[str, Any], place: Place) -> WeatherLayout:
        """Read the weather's table, and its file."""
        table = self.part(WeatherTable, data, "weather")
        if table is None:
            return WeatherLayout()
        at: Path = ("weather",)
        if (table.file is None) != (table.source == "synthetic"):
            missing = "needs a file" if table.file is None else "has no file; name its format as the source"
            self.document.problem(at, f"{table.source} weather {missing}")
        if table.file is None or table.source == "synthetic":
            return WeatherLayout(clouds=table.clouds, extent_m=table.extent_m)
        file = FilePath(self.document.file).parent / table.file
        try:
            record = weather_file(file, table.source)
        except WeatherFileError as error:
            self.document.problems.append(Problem(str(file), error.line, "", str(error)))
        except OSError as error:
            self.document.problem((*at, "file"), f"{file} cannot be read: {error.strerror}")
        else:
            notes = [f"{file}: {note}" for note in record.notes]
            away = abs(record.latitude_deg - place.latitude_deg), abs(record.longitude_deg - place.longitude_deg)
            if max(away) > _FAR_DEG:
                here = f"{record.latitude_deg:g} N {record.longitude_deg:g} E"
                notes.append(f"{file}: is of a place at {here}, more than {_FAR_DEG:g} degrees from the site")
            return WeatherLayout(record, table.clouds, table.extent_m, tuple(notes))
        return WeatherLayout()

    def grid(self, data: Mapping[str, Any]) -> GridLayout:
        grid = self.part(Grid, data, "grid")
        return GridLayout() if grid is None else GridLayout(grid.solve_every_s, grid.moved_frac)

    def station(self, name: str, value: Any) -> None:
        path: Path = ("stations", name)
        station = self.read(Station, value, path)
        spec = self.protocol(value, path)
        if station is None or spec is None:
            return
        if not spec.shared:
            message = f"every {spec.name} device has an endpoint of its own; no station answers for several"
            self.document.problem((*path, "protocol"), message)
            return
        options = self.options(spec, station.options, path)
        port = spec.default_port if station.port is None else station.port
        self.shared[name] = _Shared(name, spec, self.allocator.station(path, station.host, port), options)

    # --------------------------------------------------------------------------------- the groups

    def group(self, name: str, value: Any, seed: int) -> GroupLayout | None:
        path: Path = ("groups", name)
        if not isinstance(value, dict):
            self.document.problem(path, f"a group is a table of keys and values, not {shown(value)}")
            self.doubtful = True
            return None
        plain = {key: item for key, item in value.items() if key not in ("ratings", "endpoints")}
        head = self.read(GroupHead, plain, path, known=(*GroupHead.model_fields, "ratings", "endpoints"))
        spec = self.kind(value, path)
        feeder = self.feeder_of(value, path)
        # A group with a wrong count is gone through as one device: what else is wrong shows too.
        count = head.count if head else 1
        devices = device_ids(name, count)
        keys = draws.keys_of(seed, [f"{name}/{device}" for device in devices])
        written = self.ratings(spec, value, path)
        endpoints = self.endpoints(value, path)
        if spec is None:
            self.doubtful = True
            return None
        asked = [
            _Asked(protocol, chosen, breadth(chosen, spec), endpoint, options, at)
            for protocol, endpoint, options, at in endpoints
            if (chosen := self.map_for(spec, endpoint, at))
        ]
        self.doubtful |= len(asked) < len(endpoints)
        served = tuple(dict.fromkeys(ServedLayout(each.protocol.name, each.map.name) for each in asked))
        group = GroupLayout(name, spec.kind, devices, feeder, self.sampled(spec, written, feeder, keys), keys, served)
        hosts = -1
        for each in asked:
            if each.endpoint.station is not None:
                self.sit(group, each, each.endpoint.station)
                continue
            if hosts < 0:
                hosts = self.allocator.group_hosts(count)
            self.settle(group, each, hosts)
        return group

    def kind(self, value: Mapping[str, Any], path: Path) -> DeviceSpec | None:
        kind = value.get("kind")
        if not isinstance(kind, str):
            return None
        if kind not in registry.DEVICES:
            self.unknown((*path, "kind"), "device kind", kind, registry.DEVICES)
            return None
        return registry.device(kind)

    def feeder_of(self, value: Mapping[str, Any], path: Path) -> str:
        name = value.get("feeder")
        if name is None and "feeder" not in value:
            if len(self.raw_feeders) == 1:
                return next(iter(self.raw_feeders))
            if self.raw_feeders:
                self.document.problem((*path, "feeder"), f"is missing; one of {', '.join(self.raw_feeders)}")
        elif isinstance(name, str):
            if name not in self.raw_feeders:
                self.unknown((*path, "feeder"), "feeder", name, self.raw_feeders)
            return name
        return ""

    def ratings(self, spec: DeviceSpec | None, value: Mapping[str, Any], path: Path) -> dict[str, Any]:
        """Check the ratings a group sets; without a known kind only their form can be checked."""
        raw = self.table(value, "ratings", at_least_one=False, under=path)
        known = None if spec is None else {rating.name: rating for rating in spec.ratings}
        written: dict[str, Any] = {}
        for name, item in raw.items():
            at = (*path, "ratings", name)
            if known is not None and spec is not None and name not in known:
                self.unknown(at, f"rating of {spec.kind}", name, known)
                continue
            placed = self.placed(known[name], item, at) if known and known[name].names else item
            chosen = None if placed is None else self.distribution(placed, at)
            if chosen is None or known is None:
                continue
            rating = known[name]
            low, high = distributions.support(chosen)
            if rating.possible and not _among(distributions.values(chosen), rating.possible):
                self.document.problem(at, f"should be {_listed(rating)}, or a choice of these, not {shown(item)}")
            elif low < rating.min or high > rating.max:
                bounds = f"{rating.min:g} to {rating.max:g} {rating.unit}"
                found = f"{low:g}" if low == high else f"anything from {low:g} to {high:g}"
                hint = "; cut it off with min and max" if not isinstance(chosen, int | float) else ""
                self.document.problem(at, f"can be {found}, which is impossible: {name} is {bounds}{hint}")
            else:
                written[name] = chosen
        return written

    def placed(self, rating: Rating, item: Any, at: Path) -> Any:
        """Put the numbers in place of the names of a rating that has names; ``None`` after a problem."""
        among = isinstance(item, dict) and isinstance(item.get("choice"), list)
        given = item["choice"] if among else [item]
        for name in given:
            if isinstance(name, str) and name not in rating.names:
                self.unknown(at, rating.name, name, rating.names)
                return None
        numbers = [float(rating.names.index(each)) if isinstance(each, str) else each for each in given]
        return {**item, "choice": numbers} if among else numbers[0]

    def sampled(self, spec: DeviceSpec, written: Mapping[str, Any], feeder: str, keys: Keys) -> Columns:
        """Give every device every rating of its kind: what the group sets, else the kind's default."""
        columns: Columns = {}
        for rating in spec.ratings:
            default = rating.default
            if rating.name == "nominal_voltage_v" and feeder in self.feeders:
                default = self.feeders[feeder].nominal_voltage_v
            chosen = written.get(rating.name, distributions.VALUE.validate_python(default))
            sample = distributions.sample(chosen, keys, rating.name)
            # What a site file sets cannot leave the bounds; a kind's own default is cut off at them.
            columns[rating.name] = np.clip(sample, rating.min, rating.max)
        return columns

    def distribution(self, item: Any, at: Path) -> Any:
        try:
            return distributions.VALUE.validate_python(item)
        except ValidationError as error:
            self.report(error, at, known=("uniform", "normal", "lognormal", "choice", "weights", "min", "max"))
            return None

    # ------------------------------------------------------------------------------ the endpoints

    def endpoints(self, value: Mapping[str, Any], path: Path) -> list[tuple[ProtocolSpec, Endpoint, Any, Path]]:
        raw = value.get("endpoints", [])
        if not isinstance(raw, list):
            self.document.problem((*path, "endpoints"), f"is a list, each with a dash in front, not {shown(raw)}")
            self.doubtful = True
            return []
        found = []
        for index, item in enumerate(raw):
            at = (*path, "endpoints", index)
            endpoint = self.read(Endpoint, item, at)
            spec = self.protocol(item, at)
            if endpoint is not None and spec is not None:
                found.append((spec, endpoint, self.options(spec, endpoint.options, at), at))
        self.doubtful |= len(found) < len(raw)
        return found

    def protocol(self, value: Any, path: Path) -> ProtocolSpec | None:
        name = value.get("protocol") if isinstance(value, dict) else None
        if not isinstance(name, str):
            return None
        if name not in registry.PROTOCOLS:
            self.unknown((*path, "protocol"), "protocol", name, registry.PROTOCOLS)
            return None
        return registry.protocol(name)

    def map_for(self, spec: DeviceSpec, endpoint: Endpoint, at: Path) -> MapSpec | None:
        fitting = {found.name: found for found in registry.maps_for(endpoint.protocol, spec.kind)}
        if endpoint.map is None:
            if not fitting:
                self.document.problem((*at, "protocol"), f"no map serves a {spec.kind} over {endpoint.protocol}")
            return next(iter(fitting.values()), None)
        if endpoint.map not in registry.MAPS:
            self.unknown((*at, "map"), "map", endpoint.map, registry.MAPS)
        elif endpoint.map not in fitting:
            other = f"; {', '.join(fitting)} does" if fitting else ""
            self.document.problem(
                (*at, "map"), f"{endpoint.map} does not serve a {spec.kind} over {endpoint.protocol}{other}"
            )
        return fitting.get(endpoint.map)

    def settle(self, group: GroupLayout, asked: _Asked, hosts: int) -> None:
        """Give every device of a group an address of its own, ``hosts`` and up where nothing else is said."""
        protocol, endpoint, at = asked.protocol, asked.endpoint, asked.at
        address = protocol.default_address if endpoint.address is None else endpoint.address
        self.fits(protocol, address, address + asked.breadth - 1, (*at, "address"), 1)
        span = self.allocator.own(at, endpoint, len(group.devices), hosts, protocol.default_port)
        if span is not None:
            self.own.append(_Own(group, protocol.name, asked.map.name, span, address, asked.options))

    def sit(self, group: GroupLayout, asked: _Asked, name: str) -> None:
        """Give every device of a group a place at a station."""
        protocol, endpoint, at = asked.protocol, asked.endpoint, asked.at
        for key in ("ip", "port", "options"):
            if key in endpoint.model_fields_set:
                self.document.problem((*at, key), "belongs to the station; an endpoint has a station or this")
        if name not in self.raw_stations:
            self.doubtful = True
            self.unknown((*at, "station"), "station", name, self.raw_stations)
        station = self.shared.get(name)
        if station is None:
            return
        if station.spec.name != protocol.name:
            message = f"{name} speaks {station.spec.name}, and this endpoint {protocol.name}"
            self.document.problem((*at, "station"), message)
            return
        rows = range(len(group.devices))
        first = station.next_address if endpoint.address is None else endpoint.address
        last = first + asked.breadth * len(rows) - 1
        if not self.fits(protocol, first, last, at, len(rows)):
            return
        for low, high, other in station.taken:
            if first <= high and low <= last:
                label = protocol.address_name.replace("_", " ")
                message = f"{label} {max(first, low)} at {name} is already used by {self.document.place(other)}"
                self.document.problem((*at, "address"), message)
        station.taken.append((first, last, at))
        station.seats.extend(SeatLayout(group.name, row, asked.map.name, first + asked.breadth * row) for row in rows)

    def fits(self, protocol: ProtocolSpec, first: int, last: int, at: Path, count: int) -> bool:
        low, high = protocol.address_range
        if low <= first and last <= high:
            return True
        label = protocol.address_name.replace("_", " ")
        needed = f"{first}" if first == last else f"{first} to {last}"
        of = f" for {count:,} devices" if count > 1 else ""
        self.document.problem(at, f"needs {label} {needed}{of}; {protocol.title} has {low} to {high}")
        return False

    def options(self, protocol: ProtocolSpec, raw: Mapping[str, Any], at: Path) -> Any:
        model = protocol.options_model
        try:
            return TypeAdapter(model).validate_python(dict(raw))
        except ValidationError as error:
            self.report(error, (*at, "options"), known=getattr(model, "model_fields", ()))
            return None


def device_ids(group: str, count: int) -> tuple[str, ...]:
    """Name the devices of a group, counted from 1 with as many digits as the last needs, and at least three."""
    width = max(3, len(str(count)))
    return tuple(f"{group}-{index:0{width}}" for index in range(1, count + 1))


def breadth(chosen: MapSpec, spec: DeviceSpec) -> int:
    """Return how many addresses in a row a device takes under a map: five for a prosumer over Modbus.

    Unit ids a device answers at besides, far from its own, are aliases of a device that stands alone.
    """
    units = {row.resource_unit for row in chosen.points(spec, {})}
    count = 1
    while count + 1 in units:
        count += 1
    return count


def _among(numbers: tuple[float, ...] | None, possible: tuple[float, ...]) -> bool:
    return numbers is not None and set(numbers) <= set(possible)


def _listed(rating: Rating) -> str:
    *first, last = rating.names or [f"{number:g}" for number in rating.only]
    return f"{', '.join(first)} or {last}"
