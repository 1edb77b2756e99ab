"""The endpoints of groups, the stations they name, and the addresses at both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.protocol import MapSpec, ProtocolSpec
from pilotfarm.emulators.plans.own_list import OWN_LIST
from pilotfarm.emulators.site import asking, deadbands, lines, own_lists
from pilotfarm.emulators.site.addresses import Allocator
from pilotfarm.emulators.site.behind import lay_polling
from pilotfarm.emulators.site.checks import Checker
from pilotfarm.emulators.site.collecting import CollectingReader
from pilotfarm.emulators.site.document import Path
from pilotfarm.emulators.site.inputs import Inputs
from pilotfarm.emulators.site.layout import GroupLayout, SeatLayout, SerialEndpoint, StationLayout
from pilotfarm.emulators.site.model import Endpoint, Station
from pilotfarm.emulators.site.polling import PollingReader
from pilotfarm.emulators.site.served import EndpointTable, OwnEndpoints, Service, SharedStation, addresses_per_device
from pilotfarm.emulators.words import listed, quoted, with_article
from pilotfarm.profiles.media import NAMES, NONE
from pilotfarm.profiles.media.shared import SHARED

_OF_THE_STATION: Final = ("ip", "port", "serial", "pty", "baud_rate", "parity", "stop_bits", "medium", "options")
"""What an endpoint at a station leaves to it."""


class Stations:
    """The stations of a site, and the endpoints its devices have of their own."""

    def __init__(
        self,
        checker: Checker,
        allocator: Allocator,
        inputs: Inputs,
        tables: Mapping[str, Any],
        time_zone: str,
        *,
        site: str,
        media: bool,
        seed: int,
    ) -> None:
        self._checker = checker
        self._site, self._seed = site, seed
        self._media = media
        self.have_media = False
        """Whether anybody has a medium, be it that all are switched off."""
        self._time_zone = time_zone
        self._document = checker.document
        self._allocator = allocator
        self._inputs = inputs
        self._names = tuple(tables)
        self._shared: dict[str, SharedStation] = {}
        self._lines: dict[str, SharedStation] = {}
        """By the device; those that stations have, and those that groups have named."""
        self._own: list[OwnEndpoints] = []
        self.is_complete = True
        """Whether every endpoint is understood; if not, a station may look unused that is used."""
        for name, value in tables.items():
            self._add(name, value)

    def _add(self, name: str, value: Any) -> None:
        path: Path = ("stations", name)
        lists = isinstance(value, dict) and "points" in value
        plain = {key: item for key, item in value.items() if key != "points"} if lists else value
        station = self._checker.read(Station, plain, path)
        spec = self._protocol(value, path)
        if station is None or spec is None:
            return
        options = self._options(spec, station.options, path)
        line = self._line(station, spec, options, path)
        block = None
        if line is None:
            port = spec.default_port if station.port is None else station.port
            block = self._allocator.station(path, station.host, port)
        polls = station.polling is not None or station.collecting is not None
        remembers = options is None or spec.has_memory(options, lists=lists, polls=polls)
        if station.clock_drift_ppm and not remembers:
            message = f"a station over {spec.name} has no clock of its own; that of a device is a rating of its group"
            self._document.problem((*path, "clock_drift_ppm"), message)
        medium = self._medium(station.medium, path)
        endpoint = line or (block.at(0) if block else None)
        at = (*path, "points")
        own = own_lists.reader(self._checker, self._inputs, value["points"], spec, options, at) if lists else None
        self._shared[name] = shared = SharedStation(
            name,
            spec,
            endpoint,
            options,
            path,
            station.labels,
            station.clock_drift_ppm,
            medium,
            self._polls(name, station, path),
            lists=lists,
            own=own,
        )
        if line is not None:
            earlier = self._lines.setdefault(line.device, shared)
            if earlier is not shared:
                message = f"{line.device} is already used by {self._document.locate(earlier.path)}"
                self._document.problem(path, message)

    def _line(self, table: Endpoint | Station, spec: ProtocolSpec, options: Any, at: Path) -> SerialEndpoint | None:
        """Return the serial line that an endpoint or a station is on, if it is on one."""
        line = lines.read(self._document, table, at, self._site)
        if line is not None:
            lines.check(self._document, spec, options, at, table)
        return line

    def _polls(self, name: str, station: Station, path: Path) -> PollingReader | CollectingReader | None:
        media, seed, zone = self._media, self._seed, self._time_zone
        found = asking.reader(self._checker, path, station, name, self._shared, media=media, seed=seed, time_zone=zone)
        self.have_media |= found is not None and found.named_medium != NONE
        return found

    def layouts(self) -> Iterable[StationLayout]:
        for shared in (*self._shared.values(), *(each for each in self._lines.values() if not each.name)):
            yield shared.layout(self._document)
        for own in self._own:
            yield from own.stations()

    def lay_points(self, groups: Sequence[GroupLayout]) -> None:
        """Work out what stands where in the lists that stations have of their own, once all devices are known."""
        named = {group.name: group for group in groups}
        for shared in self._shared.values():
            if shared.own is not None:
                at = [path for _, _, path in shared.taken]
                shared.seats = shared.own.seats(shared.seats, named, at, is_complete=self.is_complete)

    def lay_polling(self, groups: Sequence[GroupLayout]) -> None:
        """Work out how stations poll, once all have their seats."""
        lay_polling(self._document, self._shared, {group.name: group for group in groups})

    def report_unused(self) -> None:
        for station in self._shared.values():
            if not station.taken and self.is_complete:
                self._document.problem(("stations", station.name), "no group has an endpoint at this station")

    # ------------------------------------------------------------------------------- endpoints

    def read_endpoints(self, group: Mapping[str, Any], path: Path) -> list[EndpointTable]:
        """Read the endpoints of a group's table."""
        raw = group.get("endpoints", [])
        if not isinstance(raw, list):
            message = f"must be a list, a dash and a space before each, not {quoted(raw)}"
            self._document.problem((*path, "endpoints"), message)
            self.is_complete = False
            return []
        found = []
        for index, item in enumerate(raw):
            at = (*path, "endpoints", index)
            table = self._checker.read(Endpoint, item, at)
            spec = self._protocol(item, at)
            if table is not None and spec is not None:
                options = self._options(spec, table.options, at)
                line = self._line(table, spec, options, at) if table.station is None else None
                found.append(EndpointTable(at, spec, table, options, line))
        self.is_complete &= len(found) == len(raw)
        return found

    def services(self, endpoints: list[EndpointTable], spec: DeviceSpec) -> list[Service]:
        """Find the map of each endpoint for a kind of device."""
        found = [service for each in endpoints if (service := self._service(each, spec))]
        self.is_complete &= len(found) == len(endpoints)
        return found

    def _service(self, each: EndpointTable, spec: DeviceSpec) -> Service | None:
        station = self._shared.get(each.table.station) if each.table.station else None
        if station is not None and station.lists:
            return self._listed(each, station)
        chosen = self._map(spec, each.table, each.path)
        if chosen is None:
            return None
        options = station.options if station else each.options
        if station and station.spec is not each.protocol:
            options = None  # a problem that is told where the device gets its address
        form = None if options is None else each.protocol.form(options)
        try:
            count = addresses_per_device(chosen, spec, form)
        except ValueError as error:
            self._document.problem((*each.path, "options"), str(error))
            return None
        bands = deadbands.read(self._checker, each.table.deadbands, spec, chosen, each.path)
        medium = station.medium if station else self._medium(each.table.medium, each.path)
        return Service(
            each.path, each.protocol, each.table, each.options, each.line, chosen.name, form, count, bands, medium
        )

    def _listed(self, each: EndpointTable, station: SharedStation) -> Service:
        """Return the service of an endpoint at a station whose own list says all of its points."""
        own_lists.refuse_what_a_list_says(self._document, each.table, each.path)
        form = None if station.options is None else station.spec.form(station.options)
        line, medium = each.line, station.medium
        return Service(each.path, each.protocol, each.table, each.options, line, OWN_LIST, form, 0, (), medium)

    def assign(self, group: GroupLayout, services: Iterable[Service]) -> None:
        """Give every device of a group its address for each service, at a station or of its own."""
        hosts = -1
        for each in services:
            if each.table.station is not None:
                self._assign_seats(group, each, each.table.station)
                continue
            if each.line is not None:
                self._assign_on_line(group, each, each.line)
                continue
            if hosts < 0:
                hosts = self._allocator.reserve_hosts(len(group.devices))
            self._assign_own(group, each, hosts)

    def _assign_own(self, group: GroupLayout, service: Service, hosts: int) -> None:
        protocol, table, at = service.protocol, service.table, service.path
        address = protocol.default_address if table.address is None else table.address
        last = address + service.addresses_per_device - 1
        self._fits(protocol, service.options, address, last, (*at, "address"), 1)
        block = self._allocator.devices(at, table, len(group.devices), hosts, protocol.default_port)
        if block is not None:
            own = OwnEndpoints(
                group,
                protocol.name,
                service.map,
                block,
                address,
                service.options,
                service.deadbands,
                service.medium,
            )
            self._own.append(own)

    def _assign_seats(self, group: GroupLayout, service: Service, name: str) -> None:
        protocol, table, at = service.protocol, service.table, service.path
        for key in _OF_THE_STATION:
            if key in table.model_fields_set:
                self._document.problem((*at, key), "belongs to the station; an endpoint has a station or this")
        if name not in self._names:
            self.is_complete = False
            self._checker.unknown((*at, "station"), "station", name, self._names)
        station = self._shared.get(name)
        if station is None:
            return
        if station.spec.name != protocol.name:
            message = f"{name} speaks {station.spec.name}, and this endpoint {protocol.name}"
            self._document.problem((*at, "station"), message)
            return
        self._seat(group, service, station, name)

    def _assign_on_line(self, group: GroupLayout, service: Service, line: SerialEndpoint) -> None:
        new = SharedStation("", service.protocol, line, service.options, service.path, medium=service.medium)
        station = self._lines.setdefault(line.device, new)
        place = self._document.locate(station.path)
        if station.name:
            message = f"{line.device} is already used by {place}; name that as the station"
            self._document.problem(service.path, message)
        elif not station.is_like(new):
            message = f"{line.device} has another protocol, rate, parity, stop bits, medium or options at {place}"
            self._document.problem(service.path, message)
        else:
            self._seat(group, service, station, line.device)

    def _seat(self, group: GroupLayout, service: Service, station: SharedStation, name: str) -> None:
        """Give every device of a group an address at a station."""
        protocol, table, at = service.protocol, service.table, service.path
        rows = range(len(group.devices))
        if station.lists:
            station.taken.append((0, 0, at))
            station.seats.extend(SeatLayout(group.name, row, OWN_LIST, 0) for row in rows)
            return
        first = station.next_address if table.address is None else table.address
        last = first + service.addresses_per_device * len(rows) - 1
        if not self._fits(protocol, station.options, first, last, at, len(rows)):
            return
        for low, high, other in station.taken:
            if first <= high and low <= last:
                label = protocol.address_name.replace("_", " ")
                message = f"{label} {max(first, low)} at {name} is already used by {self._document.locate(other)}"
                self._document.problem((*at, "address"), message)
        station.taken.append((first, last, at))
        station.seats.extend(
            SeatLayout(group.name, row, service.map, first + service.addresses_per_device * row, service.deadbands)
            for row in rows
        )

    def _medium(self, name: str, at: Path) -> str:
        """Return the medium that holds."""
        if name not in (*NAMES, *SHARED):
            self._checker.unknown((*at, "medium"), "medium", name, (*NAMES, *SHARED))
        self.have_media |= name != NONE
        return name if self._media else NONE

    # ---------------------------------------------------------------------- protocols and maps

    def _protocol(self, value: Any, path: Path) -> ProtocolSpec | None:
        name = value.get("protocol") if isinstance(value, dict) else None
        if not isinstance(name, str):
            return None
        if name not in registry.PROTOCOLS:
            self._checker.unknown((*path, "protocol"), "protocol", name, registry.PROTOCOLS)
            return None
        return registry.protocol(name)

    def _options(self, protocol: ProtocolSpec, raw: Mapping[str, Any], at: Path) -> Any:
        model = protocol.options_model
        try:
            return TypeAdapter(model).validate_python(dict(raw), context={"time_zone": self._time_zone})
        except ValidationError as error:
            self._checker.report(error, (*at, "options"), tuple(getattr(model, "model_fields", ())), dict(raw))
            return None

    def _map(self, spec: DeviceSpec, table: Endpoint, at: Path) -> MapSpec | None:
        fitting = {found.name: found for found in registry.maps_for(table.protocol, spec.kind)}
        if table.map is None:
            if not fitting:
                self._document.problem(
                    (*at, "protocol"), f"no map serves {with_article(spec.kind)} over {table.protocol}"
                )
            return next(iter(fitting.values()), None)
        if table.map not in registry.MAPS:
            self._checker.unknown((*at, "map"), "map", table.map, registry.MAPS)
        elif table.map not in fitting:
            other = f"; what does is {listed(fitting)}" if fitting else ""
            message = f"{table.map} does not serve {with_article(spec.kind)} over {table.protocol}{other}"
            self._document.problem((*at, "map"), message)
        return fitting.get(table.map)

    def _fits(self, protocol: ProtocolSpec, options: Any, first: int, last: int, at: Path, count: int) -> bool:
        low, high = protocol.address_range
        if protocol.address_max is not None and options is not None:
            high = protocol.address_max(options)
        label = protocol.address_name.replace("_", " ")
        if low <= first and last <= high:
            masters = () if options is None else protocol.masters(options)
            for address in (each for each in masters if first <= each <= last):
                self._document.problem(at, f"{label} {address} is a master's, by the options; no device can have it")
            return True
        needed = f"{first}" if first == last else f"{first} to {last}"
        of = f" for {count:,} devices" if count > 1 else ""
        options_say = " with these options" if high < protocol.address_range[1] else ""
        message = f"needs {label} {needed}{of}; {protocol.title} has {low} to {high}{options_say}"
        self._document.problem(at, message)
        return False
