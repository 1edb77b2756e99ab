"""What masters will be told: tables of what is known, and for every address a station.

A table belongs to a group, a map and a viewpoint. Seen from the devices themselves it holds what these report; a
station that remembers has a viewpoint of its own, and stations that have no device in common share it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from graphlib import TopologicalSorter
from typing import Any, TypeAlias

import numpy as np

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.protocol import ProtocolSpec, Seat, Station, Table, TellsTimes
from pilotfarm.emulators.farm.device import FarmDevice
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.farm.population import Group, Way
from pilotfarm.emulators.plans.deadband import Deadbands
from pilotfarm.emulators.plans.own_list import ABSENT, OwnPoint
from pilotfarm.emulators.quantities import Role
from pilotfarm.emulators.serving.column_polling import buses_of, scanner
from pilotfarm.emulators.serving.concentrators import Concentrator
from pilotfarm.emulators.serving.real_polling import real_scanner
from pilotfarm.emulators.site.layout import CollectingLayout, PollingLayout, SeatLayout, SerialEndpoint, StationLayout
from pilotfarm.emulators.stations.behind import Behind, StationDownlink
from pilotfarm.emulators.stations.downlink import BusDownlink
from pilotfarm.emulators.stations.hindered import Hindrances
from pilotfarm.emulators.stations.known import REACHED, Known
from pilotfarm.emulators.stations.polled import Polled, Poller, Polling
from pilotfarm.emulators.stations.real.downlink import RealDownlink
from pilotfarm.emulators.stations.real.known import ReallyPolled
from pilotfarm.emulators.stations.sequence import EventSequence, ReadTimes, Watched

Viewpoint: TypeAlias = tuple[str, str, int, Hashable, Deadbands, str]
"""Group, map, 0 for the devices themselves or the number of a station that remembers, format, deadbands; and the
station's name if it has a list of points of its own."""


@dataclass(slots=True, eq=False)
class Image:
    """A table, and the columns it is made of."""

    group: Group
    table: Table
    known: Known | Polled | None
    """Not what the devices report themselves, but what stations know of them."""

    def refresh(self, unix_s: float) -> None:
        if self.known is None:
            self.table.refresh(self.group.reported, self.group.quality, unix_s)
            return
        self.known.update(self.group.reported, self.group.quality)
        self.table.refresh(self.known.columns, self.known.quality, unix_s)

    def tell(self, row: int, names: Sequence[str]) -> None:
        """Show what a device has accepted since the last step."""
        if self.known is None:
            self.table.tell(self.group.reported, row, names)
        elif self.known.tell(self.group.reported, row, names):
            self.table.tell(self.known.columns, row, names)


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A seat, whose it is, and the image it is answered from."""

    group: str
    row: int
    way: Way
    seat: Seat
    image: Image

    def reach(self, reached: bool) -> None:
        """Let the station reach the device, or not; one that polls has to find out."""
        if self.seat.downlink is None:
            self.seat.reachable = reached
        if self.image.known is not None:
            self.image.known.reach(self.row, reached)


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """An address: how it was laid out, what answers there, and for whom."""

    layout: StationLayout
    station: Station
    placed: tuple[Placed, ...]
    polling: Polling | None = None
    """Where it is a station that polls."""
    pollers: list[tuple[Polling, int]] = field(default_factory=list)
    """Stations that poll this one, and which of those they poll it is."""

    def read_times(self) -> Floats:
        """Return when its devices had what a station that polls knows of them, ``(classes, devices)``. [s]"""
        images = {id(each.image): each.image.known for each in self.placed}
        found = {key: [*known.read_times.values()] for key, known in images.items() if isinstance(known, Polled)}
        return np.array([[times[each.row] for times in found[id(each.image)]] for each in self.placed]).T

    def reach(self, reached: bool) -> None:
        """Let the stations reach it that poll it, or not."""
        for polling, number in self.pollers:
            polling.reachable[number] = reached


class Images:
    """The tables of a farm, and the stations that answer from them."""

    def __init__(self, farm: Farm) -> None:
        self._farm = farm
        self._images: dict[Viewpoint, Image] = {}
        self._remembered: Counter[tuple[str, str, int]] = Counter()
        self.polling: dict[str, Polling] = {}
        """Stations that poll, by name; what one polls comes before it, as it does among the images."""
        self.concentrators: dict[str, Concentrator] = {}
        """Those of them that read meters in rounds."""
        self.sequences: dict[str, EventSequence] = {}
        """And what has happened at each."""
        self._asked: list[Image] = []
        """Of devices that are really polled."""
        self._named: dict[str, Place] = {}
        self._seated: dict[tuple[str, str, int], Placed] = {}
        """Devices at stations that have names."""
        made = {number: self._place(farm.layout.stations[number]) for number in bottom_up(farm.layout.stations)}
        self.places = [made[number] for number in range(len(made))]

    def refresh(self) -> None:
        """Take what is known now."""
        unix_s = self._farm.unix_s
        for polling in self.polling.values():
            polling.advance(self._farm.time_s)
        for image in (*self._asked, *self._images.values()):
            image.refresh(unix_s)
        for concentrator in self.concentrators.values():
            concentrator.note_reads()
        for name, sequence in self.sequences.items():
            if self.polling[name].down:
                sequence.restart()
            else:
                sequence.look(unix_s)

    def close(self) -> None:
        """Let go of the files in which concentrators keep what they have read."""
        for each in self.concentrators.values():
            each.queue.close()

    def __iter__(self) -> Iterator[tuple[Viewpoint, Image]]:
        return iter(self._images.items())

    def _place(self, layout: StationLayout) -> Place:
        protocol = registry.protocol(layout.protocol)
        if layout.asks is not None:
            hindrances = Hindrances(self._farm.time_s)
            polling = self.polling[layout.name] = Polling(self._poller(layout, hindrances), hindrances)
            self.sequences[layout.name] = EventSequence(self._farm.clocks.of_station(layout))
        placed = tuple(self._placed(seat, layout, protocol) for seat in layout.seats)
        if layout.polling is not None:
            for number, name in enumerate(layout.polling.through):
                self._named[name].pollers.append((polling, number))
            self._put_downlinks(placed, layout.polling, polling)
        if layout.collecting is not None:
            known = [(each.image.known, each.row) for each in placed if isinstance(each.image.known, Polled)]
            self.concentrators[layout.name].seat([each.seat for each in placed], known)
        station = _station(protocol, [each.seat for each in placed], layout)
        place = Place(layout, station, placed, self.polling.get(layout.name))
        if layout.name:
            self._named[layout.name] = place
            for each in placed:
                self._seated.setdefault((layout.name, each.group, each.row), each)
        return place

    def _poller(self, station: StationLayout, hindrances: Hindrances) -> Poller:
        if station.collecting is not None:
            made = self.concentrators[station.name] = Concentrator(self._farm, station, station.collecting)
            return made.rounds
        layout = station.polling
        assert layout is not None, "a station asks in one of both manners"
        if not layout.real:
            return scanner(layout, self._farm.time_s, hindrances)
        images = {name: self._asked_image(self._farm.groups[name], layout) for name in layout.maps}
        self._asked += images.values()
        return real_scanner(self._farm, station, layout, {name: image.table for name, image in images.items()})

    def _asked_image(self, group: Group, layout: PollingLayout) -> Image:
        """Return the table from which devices answer a station that really polls them."""
        protocol = registry.protocol(layout.protocol)
        plan = _plan_of(layout.maps[group.name], group.spec.kind)
        table = protocol.table(plan, group.size, group.columns, protocol.form(protocol.options_model()))
        table.clocks = group.clocks
        image = Image(group, table, None)
        image.refresh(self._farm.unix_s)
        group.watchers.append(image.tell)
        return image

    def _put_downlinks(self, placed: Sequence[Placed], layout: PollingLayout, polling: Polling) -> None:
        """Have commands go down from a station that polls."""
        buses = None if layout.real else buses_of(layout, polling.hindrances)
        for asked, each in zip(layout.places.tolist(), placed, strict=True):
            below = self._below(layout, asked, each.group, each.row)
            if buses is None:
                each.seat.downlink = RealDownlink(polling, asked, layout.retries)
            elif below is None:
                each.seat.downlink = BusDownlink(polling, buses, asked, each.seat.device)
            else:
                each.seat.downlink = StationDownlink(polling, buses, asked, below.seat)

    def _below(self, polling: PollingLayout | CollectingLayout, asked: int, group: str, row: int) -> Placed | None:
        """Return where the station that is polled for a device has it; ``None`` where the device itself is polled."""
        if not polling.through:
            return None
        return self._seated[polling.through[asked], group, row]

    def _placed(self, seat: SeatLayout, station: StationLayout, protocol: ProtocolSpec) -> Placed:
        group, clock = self._farm.groups[seat.group], self._farm.clocks.of_station(station)
        viewpoint = 0
        if station.asks is not None:
            viewpoint = -len(self.polling)
        elif clock is not None:
            self._remembered[seat.group, seat.map, seat.row] += 1
            viewpoint = self._remembered[seat.group, seat.map, seat.row]
        image = self._image(group, seat, viewpoint, protocol, station)
        if clock is not None:
            clock.stamp_for(image.table.clocks, seat.row)
        device = FarmDevice(self._farm.commands, group, seat.row)
        way = Way.to(group, station, seat.map)
        here = Seat(device, image.table, seat.row, seat.address, stations_clock=clock)
        return Placed(seat.group, seat.row, way, here, image)

    def _image(
        self, group: Group, seat: SeatLayout, viewpoint: int, protocol: ProtocolSpec, station: StationLayout
    ) -> Image:
        form = protocol.form(station.options)
        key = group.name, seat.map, viewpoint, form, seat.deadbands, station.name if seat.points else ""
        if key not in self._images:
            plan = own_plan(group.spec, group.size, station, group.name) if seat.points else _plan(seat, group.spec)
            table = protocol.table(plan, group.size, group.columns, form)
            if not viewpoint:
                table.clocks = group.clocks
            known = self._known(group, station, table) if viewpoint else None
            self._images[key] = Image(group, table, known)
            self._images[key].refresh(self._farm.unix_s)
            group.watchers.append(self._images[key].tell)
        return self._images[key]

    def _known(self, group: Group, station: StationLayout, table: Table) -> Known | Polled:
        """Return what a station knows of the devices of a group."""
        layout = station.asks
        if layout is None:
            return Known([q.name for q in group.spec.quantities], group.size, group.reported, group.quality)
        places = np.zeros(group.size, dtype=np.intp)
        for place, seat in zip(layout.places.tolist(), station.seats, strict=True):
            if seat.group == group.name:
                places[seat.row], row = place, seat.row
        names, unread = layout.names[group.name], layout.unread[group.name]
        polling, below = self.polling[station.name], self._below(layout, int(places[row]), group.name, row)
        polled: Polled
        if isinstance(layout, PollingLayout) and layout.real:
            rows = _rows(group, station)
            polled = ReallyPolled(polling, places, names, unread, group.reported, group.quality, rows=rows)
        elif below is None:
            polled = Polled(polling, places, names, unread, group.reported, group.quality)
        else:
            assert below.image.known is not None, "a station that is polled knows its devices"
            polled = Behind(polling, places, names, unread, below.image.known)
        times = None
        if layout.stamped_by_devices:
            times = ReadTimes(polled, group.clocks, self._farm.unix_s - self._farm.time_s)
            if isinstance(table, TellsTimes):
                table.stamps = times.stamped_s
        self.sequences[station.name].watch(_watched(group, station, polled, times))
        return polled


def _rows(group: Group, station: StationLayout) -> dict[int, int]:
    """Return the rows of a group's devices that are at a station, by their places there."""
    return {place: seat.row for place, seat in enumerate(station.seats) if seat.group == group.name}


def _watched(group: Group, station: StationLayout, polled: Polled, times: ReadTimes | None) -> Watched:
    """Return what a station finds events in: the states and alarms that it reads, no counts, and who answers."""
    assert station.asks is not None
    read = station.asks.names[group.name][0]
    kept = (q for q in group.spec.quantities if q.role in (Role.STATE, Role.ALARM) and q.unit in ("bool", "enum"))
    names = [each.name for each in kept if each.name in read]
    places = {row: (place, group.layout.devices[row]) for place, row in _rows(group, station).items()}
    return Watched(polled, list(dict.fromkeys((REACHED, *names))), places, times)


def bottom_up(stations: Sequence[StationLayout]) -> list[int]:
    """Return the numbers of stations, those that one polls before it; else in their order."""
    through = {each.name: each.polling.through for each in stations if each.polling is not None}
    depth: dict[str, int] = {}
    for name in TopologicalSorter(through).static_order():
        depth[name] = 1 + max((depth[below] for below in through.get(name, ())), default=0)
    return sorted(range(len(stations)), key=lambda number: depth.get(stations[number].name, 0))


def _station(protocol: ProtocolSpec, seats: Sequence[Seat], layout: StationLayout) -> Station:
    if isinstance(layout.endpoint, SerialEndpoint):
        assert protocol.on_line is not None, "a site has no other protocol on a line"
        return protocol.on_line.station(seats, layout.options, layout.endpoint.line)
    return protocol.station(seats, layout.options)


def _plan(seat: SeatLayout, spec: DeviceSpec) -> Any:
    plan = _plan_of(seat.map, spec.kind)
    return plan.reported_by(seat.deadbands) if seat.deadbands else plan


@cache
def _plan_of(map_name: str, kind: str) -> Any:
    return registry.point_map(map_name).plan(registry.device(kind))


def own_plan(spec: DeviceSpec, n: int, station: StationLayout, group: str) -> Any:
    """Return what a table needs for the ``n`` devices of a group, some of which are in a station's own list."""
    own = registry.own_list(station.protocol)
    assert own is not None, "a site has a list of no other protocol"
    columns: dict[tuple[OwnPoint, int], int] = {}
    cells = []
    for seat in station.seats:
        counted: Counter[OwnPoint] = Counter()
        for address, point in seat.points if seat.group == group else ():
            column = columns.setdefault((point, counted[point]), len(columns))
            counted[point] += 1
            cells.append((seat.row, column, address))
    addresses = np.full((n, len(columns)), ABSENT, dtype=np.int64)
    rows, places, found = np.array(cells).T
    addresses[rows, places] = found
    return own.plan(spec, [point for point, _ in columns], addresses)
