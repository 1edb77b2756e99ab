"""How a station polls other stations that its devices are behind: an RTU behind an RTU, to any depth.

It is told what the lower station serves, by the lower station's maps: one poll reads all devices there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import TypeAlias

import numpy as np

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.asking import Asking, Request
from pilotfarm.emulators.contracts.protocol import PointRow
from pilotfarm.emulators.plans.own_list import Listed
from pilotfarm.emulators.site.checks import Checker
from pilotfarm.emulators.site.document import Document, Path
from pilotfarm.emulators.site.layout import GroupLayout, PollingLayout, SeatLayout
from pilotfarm.emulators.site.model import Polling
from pilotfarm.emulators.site.polling import CLASSES, Asked, PollingReader, Read, readable
from pilotfarm.emulators.site.served import SharedStation
from pilotfarm.emulators.words import listed
from pilotfarm.profiles.draws import keys_of

Sort: TypeAlias = tuple[str, str, tuple[Listed, ...]]
"""What devices at a station are alike in: kind, map, and their points in a list that the station has of its own."""


class ThroughReader(PollingReader):
    """Reads how the station ``name`` polls others; all are among ``stations`` once its layout is asked for."""

    polled = "station"

    def __init__(
        self,
        checker: Checker,
        path: Path,
        table: Polling,
        *,
        media: bool,
        seed: int,
        name: str,
        stations: Mapping[str, SharedStation],
    ) -> None:
        self._name, self._stations, self._seed = name, stations, seed
        assert table.through is not None
        named = [table.through] if isinstance(table.through, str) else table.through
        self.through = tuple(dict.fromkeys(named))
        super().__init__(checker, path, table, media=media)
        if len(self.through) < len(named):
            twice = next(each for each in self.through if named.count(each) > 1)
            self._document.problem((*path, "through"), f"{twice} is there twice")
        if table.map is not None:
            self._document.problem((*path, "map"), "goes without through: a station is read as it serves its devices")
        if table.real:
            self._document.problem((*path, "real"), "goes without through: what stations are asked is counted")

    def layout(self, seats: Sequence[SeatLayout], groups: Mapping[str, GroupLayout]) -> PollingLayout | None:
        lower = self._lower()
        if lower is None or not self._is_understood():
            return None
        assert self._asking is not None
        wanted: dict[str, set[int]] = {}
        for seat in seats:
            wanted.setdefault(seat.group, set()).add(seat.row)
        found = {name: self._place(groups[name], rows, lower) for name, rows in wanted.items()}
        at = {name: place for name, place in found.items() if place is not None}
        if len(at) < len(found) or not self._takes_times(lower):
            return None
        return self._laid(
            {name: self._read_there(lower[place], groups[name]) for name, place in at.items()},
            keys_of(self._seed, [f"station {self._name}/{each.name}" for each in lower]),
            self._bulks(self._asking, lower, groups),
            np.array([at[seat.group] for seat in seats], dtype=np.intp),
            self.through,
        )

    def _usual_medium(self) -> str:
        return "ethernet"

    def _spoken(self) -> Asking | None:
        return None  # what is polled may not have been read yet

    def _lower(self) -> list[SharedStation] | None:
        """Return the stations it polls, where they can be, all over one protocol."""
        at, tables = (*self._path, "through"), self._document.data["stations"]
        names = [name for name in tables if isinstance(name, str)]
        for name in self.through:
            if name not in names:
                self._checker.unknown(at, "station", name, names)
        lower = [self._stations[name] for name in self.through if name in self._stations]
        if len(lower) < len(self.through):
            return None
        wanted = lower[0].spec.name if self._table.protocol is None else self._table.protocol
        problems = [problem for each in lower if (problem := self._refusal(each, wanted))]
        for key, message in problems:
            self._document.problem((*self._path, key), message)
        self._protocol, self._asking = wanted, lower[0].spec.asking
        return None if problems else lower

    def _refusal(self, lower: SharedStation, wanted: str) -> tuple[str, str] | None:
        if lower.spec.name != wanted:
            key = "through" if self._table.protocol is None else "protocol"
            return key, f"{lower.name} speaks {lower.spec.name}, and this would poll it over {wanted}"
        polls, options = lower.polls is not None, lower.options
        if not polls and options is not None and not lower.spec.has_memory(options, lists=lower.lists, polls=polls):
            return "through", f"{lower.name} hands on what it is asked and knows nothing itself: it has to poll, too"
        return None

    def _place(self, group: GroupLayout, rows: Collection[int], lower: Sequence[SharedStation]) -> int | None:
        """Return through which of the stations it has devices of a group."""
        there = [{seat.row for seat in each.seats if seat.group == group.name} for each in lower]
        for place, has in enumerate(there):
            if has.issuperset(rows):
                return place
        at = next(path for _, _, path in self._stations[self._name].taken if path[1] == group.name)
        missing = min(set(rows) - max(there, key=len))
        message = f"{self._name} polls through {listed(self.through)}, where {group.devices[missing]} is not"
        self._document.problem((*at, "station"), message)
        return None

    def _takes_times(self, lower: Sequence[SharedStation]) -> bool:
        """Whether the stations below have the times of devices, if these are to stamp events."""
        own = [each.name for each in lower if each.polls is not None and each.polls.time_stamps == "station"]
        if self.time_stamps == "station" or not own:
            return True
        message = f"{own[0]} stamps events itself and does not pass on the times of its devices"
        self._document.problem((*self._path, "time_stamps"), message)
        return False

    def _read_there(self, lower: SharedStation, group: GroupLayout) -> Read:
        """Return what the lower station has of a group: of a list of its own, what that has of any device."""
        seats = [seat for seat in lower.seats if seat.group == group.name]
        if not lower.lists:
            return _by_map(group.kind, seats[0].map)
        return _by_list(lower, group.kind, tuple(point for seat in seats for point in seat.points))

    def _bulks(
        self, asking: Asking, lower: Sequence[SharedStation], groups: Mapping[str, GroupLayout]
    ) -> Iterator[Asked]:
        for place, each in enumerate(lower):
            as_one = asking.as_one(each.options)
            together: dict[int, Counter[Sort]] = {}
            for seat in each.seats:
                if seat.group in groups:
                    sort = groups[seat.group].kind, seat.map, seat.points
                    together.setdefault(0 if as_one else seat.address, Counter())[sort] += 1
            for scan_class in range(len(CLASSES)):
                for sorts in together.values():
                    rows = [(self._rows(each, sort)[scan_class], count) for sort, count in sorts.items()]
                    for request in _requests(asking, rows):
                        yield self._bus(place), scan_class, place, request

    def _rows(self, lower: SharedStation, sort: Sort) -> tuple[tuple[PointRow, ...], ...]:
        kind, map_name, points = sort
        return (_by_list(lower, kind, points) if points else _by_map(kind, map_name)).rows


def _requests(asking: Asking, rows: Sequence[tuple[Sequence[PointRow], int]]) -> Sequence[Request]:
    if asking.bulk is not None:
        return asking.bulk(rows)
    return [request for points, count in rows for request in [*asking.requests(points)] * count]


def polling_reader(
    checker: Checker,
    path: Path,
    table: Polling,
    media: bool,
    seed: int,
    name: str,
    stations: Mapping[str, SharedStation],
) -> PollingReader:
    """Return what reads how the station ``name`` at ``path`` polls its devices, or ``stations`` they are behind."""
    path = (*path, "polling")
    if table.through is None:
        return PollingReader(checker, path, table, media=media)
    return ThroughReader(checker, path, table, media=media, seed=seed, name=name, stations=stations)


@cache
def _by_map(kind: str, map_name: str) -> Read:
    spec = registry.device(kind)
    return readable(spec, registry.point_map(map_name).points(spec, {}))


def _by_list(lower: SharedStation, kind: str, points: Sequence[Listed]) -> Read:
    own, spec = registry.own_list(lower.spec.name), registry.device(kind)
    assert own is not None, "a site has a list of no other protocol"
    form = None if lower.options is None else lower.spec.form(lower.options)
    return readable(spec, [own.row(point, address, spec, {}, form) for address, point in points])


def lay_polling(document: Document, stations: Mapping[str, SharedStation], groups: Mapping[str, GroupLayout]) -> None:
    """Work out how stations poll, and tell of those that would poll themselves."""
    _report_loops(document, stations)
    for each in stations.values():
        if each.polls is not None and each.seats:
            each.asks = each.polls.layout(each.seats, groups)


def _report_loops(document: Document, stations: Mapping[str, SharedStation]) -> None:
    """Tell of stations that would poll themselves, each circle once, at the first of them."""
    through = {name: each.polls.through for name, each in stations.items() if isinstance(each.polls, ThroughReader)}
    for name in through:
        circle = _circle(name, through)
        if circle:
            message = "a station cannot poll itself: " + " through ".join([*circle, name])
            document.problem(("stations", name, "polling", "through"), message)
            through = {each: lower for each, lower in through.items() if each not in circle}


def _circle(name: str, through: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the shortest way from a station down to itself, without its end; empty if there is none."""
    ways, met = [[name]], {name}
    while ways:
        way = ways.pop(0)
        for lower in through.get(way[-1], ()):
            if lower == name:
                return way
            if lower not in met:
                met.add(lower)
                ways.append([*way, lower])
    return []
