"""From faults to the wire: what grips a device's way to its masters reaches seats, listeners and connections.

A medium's link is always there, within those of faults.

A seat is reachable, and has filters, by the faults of its device. A listener admits, and its connections have
links, by what the faults of all its devices have in common: a gateway with one device left still answers. A device
that has been away begins anew when it is back, and a station does when all of its devices do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from pilotfarm.emulators.contracts.fault import LinkFault, MediumOverride, ProtocolFault, Whose, acts_on
from pilotfarm.emulators.contracts.hindrance import Hindrance
from pilotfarm.emulators.contracts.protocol import Seat
from pilotfarm.emulators.contracts.way import Admission, Engine, Filter, Link
from pilotfarm.emulators.farm.fault import Fault, hindrance
from pilotfarm.emulators.farm.faultboard import FaultBoard
from pilotfarm.emulators.farm.reach import admits, shut, stops, takes_away
from pilotfarm.emulators.farm.targets import names_ways
from pilotfarm.emulators.links.filters import Counted
from pilotfarm.emulators.links.frames import FrameLink
from pilotfarm.emulators.links.severing import Forgotten
from pilotfarm.emulators.serving.connection import Wrap
from pilotfarm.emulators.serving.images import Place, Placed
from pilotfarm.emulators.serving.media import Media, who_at
from pilotfarm.emulators.serving.server import Server
from pilotfarm.emulators.site.layout import StationLayout
from pilotfarm.emulators.stations.hindered import Hindering
from pilotfarm.profiles.draws import key_of

_SILENCE: Final = -1
"""The number of the link around connections at an address that is silent; those of faults are above, of media beside.
"""


class Ways:
    """Carries the active faults to whom they grip, whenever the board has moved."""

    def __init__(self, board: FaultBoard, places: Sequence[Place], server: Server, seed: int, media: Media) -> None:
        self._board = board
        self._places = places
        self._media = media
        self._server = server
        self._seed = seed
        self._revision = board.revision
        self._faults: dict[tuple[str, int], list[Fault]] = {}
        self._filters: dict[Placed, dict[int, Filter]] = {}
        self._framed = False
        """Whether a fault has come or gone that may act on the frames of some stations at a place."""
        self._meant: dict[tuple[int, int], set[int]] = {}
        """By a place and a fault's number, the addresses there whose frames the fault's links act on."""
        self._serials: dict[tuple[str, int], str] = {}
        """Of devices that have been exchanged, as of the last step."""
        self._stations_own: dict[tuple[int, int], bool] = {}
        """By a fault's number and a place's, whether it is one of what answers there."""
        self._at: dict[tuple[str, int], list[tuple[int, Placed]]] = {}
        for number, place in enumerate(places):
            for placed in place.placed:
                self._at.setdefault((placed.group, placed.row), []).append((number, placed))
        for number in media:
            server.link(number, media.links(number))

    def reachable(self, group: str, row: int) -> bool:
        """Whether masters can reach a device, as of the last step."""
        gripping = self._faults.get((group, row))
        if not gripping:
            return True
        ways = self._at.get((group, row))
        if ways is None:
            return not shut(gripping)
        return not all(shut(self._gripping(placed)) for _, placed in ways)

    def stations(self, group: str, row: int) -> list[StationLayout]:
        """Where masters find a device."""
        return [self._places[number].layout for number, _ in self._at.get((group, row), ())]

    def update(self) -> None:
        """Set seats and listeners by the faults that are active now; nothing if these are the same as before."""
        if self._board.revision == self._revision:
            return
        self._revision = self._board.revision
        before, self._faults = self._faults, self._board.on_the_way()
        self._stations_own.clear()
        changed = [device for device in before.keys() | self._faults if before.get(device) != self._faults.get(device)]
        moved = (fault for device in changed for fault in (*before.get(device, ()), *self._faults.get(device, ())))
        self._framed = any(isinstance(fault.spec, LinkFault) and fault.spec.whose(fault.mode) for fault in moved)
        places: set[int] = set()
        for device in changed:
            for number, placed in self._at.get(device, ()):
                self._set_seat(number, placed)
                places.add(number)
        for number in sorted(places):
            self._set_place(number)
        for number, seats in self._back(before):
            self._begin_anew(number, seats)

    def _back(self, before: Mapping[tuple[str, int], Sequence[Fault]]) -> Iterator[tuple[int, Sequence[Seat]]]:
        """Yield where devices are back that have begun anew: they were away, or others have taken their place."""
        serials, self._serials = self._serials, self._board.serials()
        exchanged = {
            device for device in serials.keys() | self._serials if serials.get(device) != self._serials.get(device)
        }
        found: dict[int, list[Seat]] = {}
        was_gone = {device for device, faults in before.items() if any(map(takes_away, faults))}
        for device in sorted(exchanged | was_gone):
            for number, placed in self._at.get(device, ()):
                if self._places[number].polling is not None:
                    continue  # it is there whatever its devices do
                was_away = any(takes_away(each) and each.acts_at(placed.way) for each in before.get(device, ()))
                if (was_away or device in exchanged) and not any(map(takes_away, self._gripping(placed))):
                    found.setdefault(number, []).append(placed.seat)
        yield from sorted(found.items())

    def _begin_anew(self, number: int, seats: Sequence[Seat]) -> None:
        place = self._places[number]
        place.station.restart(seats)
        if len(seats) == len(place.placed):
            self._server.cut(number)

    def _gripping(self, placed: Placed) -> list[Fault]:
        """The active faults of a device that act on one of its ways."""
        return [fault for fault in self._faults.get((placed.group, placed.row), ()) if fault.acts_at(placed.way)]

    def _of_station(self, fault: Fault, number: int) -> bool:
        """Whether a fault is one of what answers at a place, and not of devices that are polled from there.

        It is where it means ways, and that to each of the devices; then it lies between the station and its masters.
        """
        place = self._places[number]
        if place.polling is None:
            return True
        if (fault.id, number) not in self._stations_own:
            rows = {name: set(rows.tolist()) for name, rows in fault.rows.items()}
            self._stations_own[fault.id, number] = fault.by_way and all(
                each.row in rows.get(each.group, ()) and names_ways(fault.target, each.image.group)
                for each in place.placed
            )
        return self._stations_own[fault.id, number]

    def _gripping_all(self, number: int) -> Collection[Sequence[Fault]]:
        """What grips the devices of a place, each combination once; nothing else where one of them is free."""
        found: set[tuple[Fault, ...]] = set()
        for placed in self._places[number].placed:
            faults = tuple(fault for fault in self._gripping(placed) if self._of_station(fault, number))
            if not faults:
                return [faults]
            found.add(faults)
        return found

    def _set_seat(self, number: int, placed: Placed) -> None:
        faults = self._gripping(placed)
        polls = self._places[number].polling is not None
        placed.reach(not shut(fault for fault in faults if not polls or not self._of_station(fault, number)))
        before = self._filters.pop(placed, {})
        filters = {
            fault.id: before.get(fault.id) or self._filter(fault.spec, fault, placed)
            for fault in faults
            if isinstance(fault.spec, ProtocolFault) and acts_on(fault.spec, placed.way.station.protocol)
            if hindrance(fault, placed.way, placed.image.group) is None
        }
        if filters:
            self._filters[placed] = filters
        placed.seat.filters = tuple(filters.values())

    def _filter(self, spec: ProtocolFault, fault: Fault, placed: Placed) -> Filter:
        key = key_of(self._seed, "filter", str(fault.id), placed.seat.device.id)
        made = spec.filter(fault.mode, fault.parameters, key)
        return Counted(made, fault.bites) if spec.by_message else made

    def _set_place(self, number: int) -> None:
        place = self._places[number]
        place.station.filtered = any(placed.seat.filters for placed in place.placed)
        gripping = self._gripping_all(number)
        admission = _admission(gripping)
        if place.polling is not None:
            self._stop(number, gripping)
            if place.layout.polling is not None and not place.layout.polling.through:
                place.polling.hindrances.standing = list(self._hindering(place))
        self._media.move(number, _medium(gripping))
        self._media.met(number, admission)
        self._server.admit(number, admission)
        place.reach(not admission.cuts_off)
        self._hinder_pollers(place, gripping)
        links = self._media.links(number)
        sparing: set[int] = set()
        for fault in next(iter(gripping)):
            spec = fault.spec
            if not isinstance(spec, LinkFault) or not acts_on(spec, place.layout.protocol):
                continue
            if all(fault in faults for faults in gripping):
                links[fault.id] = self._wrap(spec, fault, place)
                if spec.spares(fault.mode, fault.parameters):
                    sparing.add(fault.id)
        links |= self._by_frame(number)
        if admission is Admission.SILENT:
            links[_SILENCE] = _unanswered
        self._server.link(number, links, sparing)

    def _hindering(self, place: Place) -> Iterator[Hindering]:
        """Yield what hinders the polls of devices, in the order of faults."""
        layout = place.layout.polling
        assert layout is not None
        met: dict[int, tuple[Fault, Hindrance, list[int]]] = {}
        for asked, placed in zip(layout.places.tolist(), place.placed, strict=True):
            for fault in self._faults.get((placed.group, placed.row), ()):
                found = hindrance(fault, placed.way, placed.image.group)
                if found is not None:
                    met.setdefault(fault.id, (fault, found, []))[2].append(asked)
        for _, (fault, found, devices) in sorted(met.items()):
            yield self._hinder(fault, found, devices, len(layout.keys))

    def _hinder_pollers(self, place: Place, gripping: Collection[Sequence[Fault]]) -> None:
        """Let what lies between a station and its masters hinder those who poll it, too."""
        common = [fault for fault in next(iter(gripping)) if all(fault in faults for faults in gripping)]
        for polling, number in place.pollers:
            others = [each for each in polling.hindrances.standing if not each.at[number]]
            for fault in common:
                spec = fault.spec
                if isinstance(spec, LinkFault | ProtocolFault) and acts_on(spec, place.layout.protocol):
                    found = spec.polled(fault.mode, fault.parameters)
                    if found is not None:
                        others.append(self._hinder(fault, found, [number], len(polling.reachable)))
            polling.hindrances.standing = others

    def _hinder(self, fault: Fault, found: Hindrance, asked: Sequence[int], n: int) -> Hindering:
        key = key_of(self._seed, "polls", str(fault.id))
        return Hindering(found, np.isin(np.arange(n), asked), key, fault.start_s, fault.bites)

    def _stop(self, number: int, gripping: Iterable[Sequence[Fault]]) -> None:
        """Let a station that polls be down, or begin anew."""
        place = self._places[number]
        assert place.polling is not None
        was_down, place.polling.down = place.polling.down, all(any(map(stops, faults)) for faults in gripping)
        if was_down and not place.polling.down:
            self._begin_anew(number, [each.seat for each in place.placed])

    def _by_frame(self, number: int) -> Mapping[int, Wrap]:
        """Return the links of faults that act on the frames of those stations at a place that they grip."""
        place = self._places[number]
        if not self._framed and not any(key[0] == number for key in self._meant):
            return {}
        there = Counter(placed.seat.address for placed in place.placed)
        gripped: dict[Fault, Counter[int]] = {}
        for placed in place.placed if len(place.placed) > 1 else ():
            for fault in self._gripping(placed):
                if _whose(fault, place) is not None and self._of_station(fault, number):
                    gripped.setdefault(fault, Counter())[placed.seat.address] += 1
        before, found = self._meant, {}
        self._meant = {key: each for key, each in before.items() if key[0] != number}
        for fault, addresses in gripped.items():
            self._meant[number, fault.id] = meant = before.get((number, fault.id), set())
            meant.clear()
            meant.update(address for address, devices in addresses.items() if devices == there[address])
            found[fault.id] = self._wrap_frames(fault, place, meant)
        return found

    def _wrap_frames(self, fault: Fault, place: Place, meant: Collection[int]) -> Wrap:
        """Put a link there that acts on frames of some addresses, which may become others."""
        spec, whose = fault.spec, _whose(fault, place)
        assert isinstance(spec, LinkFault)
        assert whose is not None
        made = self._wrap(spec, fault, place)

        def wrap(engine: Engine, connection: int, now_s: float) -> Link:
            link = made(engine, connection, now_s)
            assert isinstance(link, FrameLink), "what tells frames apart takes frames"
            link.grips = lambda octets: any(address in meant for address in whose(octets))
            return link

        return wrap

    def _wrap(self, spec: LinkFault, fault: Fault, place: Place) -> Wrap:
        name = who_at(place)

        def wrap(engine: Engine, connection: int, now_s: float) -> Link:
            key = key_of(self._seed, "link", str(fault.id), place.layout.protocol, name, str(connection))
            link = spec.wrap(engine, fault.mode, fault.parameters, key, now_s)
            fault.bites.count += link.bites.count  # some have bitten by being put there
            link.bites = fault.bites
            return link

        return wrap


def _whose(fault: Fault, place: Place) -> Whose | None:
    """What tells frames of several stations at a place apart, if the fault acts on those of each."""
    spec = fault.spec
    if not isinstance(spec, LinkFault) or not acts_on(spec, place.layout.protocol):
        return None
    return spec.whose(fault.mode)


def _unanswered(engine: Engine, connection: int, now_s: float) -> Link:
    return Forgotten(engine, None, now_s)


def _admission(gripping: Collection[Sequence[Fault]]) -> Admission:
    """How a listener meets who connects: open while one device is not gripped, else as the strictest fault has it.

    Masters stay while one device lets them stay.
    """
    met = [max((admits(fault) for fault in faults), default=Admission.OPEN) for faults in gripping]
    if not all(met):
        return Admission.OPEN
    return max([each for each in met if not each.cuts_off] or met)


def _medium(gripping: Collection[Sequence[Fault]]) -> str:
    """Return what the way to a listener is over instead of its own medium, as the last has it that grips all there."""
    found = ""
    for fault in next(iter(gripping)):
        if isinstance(fault.spec, MediumOverride) and all(fault in faults for faults in gripping):
            found = fault.spec.medium(fault.parameters)
    return found
