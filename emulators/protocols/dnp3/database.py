"""The points of an outstation: those of a device by itself, or of several, numbered as their station likes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from pilotfarm.emulators.columns.arrays import Indices
from pilotfarm.emulators.contracts.protocol import Seat
from pilotfarm.emulators.contracts.way import Filter
from pilotfarm.emulators.plans.dnp3 import Point, PointPlan, PointType
from pilotfarm.emulators.plans.own_list import ABSENT
from pilotfarm.emulators.protocols.dnp3.reading import StaticReader
from pilotfarm.emulators.protocols.dnp3.sections import Section, sections_of
from pilotfarm.emulators.protocols.dnp3.table import Dnp3Table, Follower, Listener


class Database(ABC):
    """Points by type and index, whosever they are; lists of inputs are in the order of their section."""

    __slots__ = ("_first", "plan", "reader", "seats", "sections")

    seats: tuple[Seat, ...]
    plan: PointPlan
    sections: Mapping[PointType, Section]
    reader: StaticReader

    def __init__(self, seats: Sequence[Seat]) -> None:
        self.seats = tuple(seats)
        table = self.seats[0].table
        assert isinstance(table, Dnp3Table)
        self._first = table

    @property
    def unix_s(self) -> float:
        return self._first.unix_s

    @property
    def clock_s(self) -> float:
        """How far the clock that stamps here is ahead of the site's."""
        return self._first.tagged_at(self.seats[0].row) - self._first.unix_s

    def unix_ms(self) -> int:
        """What time tags say now. [ms since 1970 UTC]"""
        return self._first.unix_ms(self.seats[0].row)

    def follow(self, follower: Follower, *, follows: bool) -> None:
        """Tell ``follower`` of steps, or no more."""
        if follows:
            self._first.followers.add(follower)
        else:
            self._first.followers.discard(follower)

    @property
    @abstractmethod
    def name(self) -> str:
        """Whose it is; empty if it is several devices'."""

    @property
    @abstractmethod
    def reachable(self) -> bool: ...
    @property
    @abstractmethod
    def filters(self) -> tuple[Filter, ...]: ...
    @abstractmethod
    def owner(self, kind: PointType, index: int) -> Seat:
        """Whose a point is that there is."""

    @abstractmethod
    def row(self) -> memoryview:
        """The static objects, in the order of the sections."""

    @abstractmethod
    def listen(self, listener: Listener) -> None: ...
    @abstractmethod
    def deadbands(self) -> list[float]:
        """Of the analog inputs as the point list has them, in wire units."""

    @abstractmethod
    def told(self) -> list[tuple[int, int]]:
        """Value and flags from which the deadband of each analog input is measured."""

    @abstractmethod
    def told_states(self) -> list[int]:
        """Each binary input as it was told last, state and flags in one octet."""

    @abstractmethod
    def alter(self, deadbands: Sequence[float], reported: Sequence[bool]) -> None:
        """Report the analog inputs by these (``Dnp3Table.alter``)."""


class Alone(Database):
    """A device by itself, with the point list of its kind."""

    __slots__ = ("_row", "_seat")

    def __init__(self, seat: Seat) -> None:
        super().__init__((seat,))
        self._seat, self._row = seat, seat.row
        self.plan, self.sections, self.reader = self._first.plan, self._first.sections, self._first.reader

    @property
    def name(self) -> str:
        return self._seat.device.id

    @property
    def reachable(self) -> bool:
        return self._seat.reachable

    @property
    def filters(self) -> tuple[Filter, ...]:
        return self._seat.filters

    def owner(self, kind: PointType, index: int) -> Seat:
        return self._seat

    def row(self) -> memoryview:
        return self._first.row(self._row)

    def listen(self, listener: Listener) -> None:
        self._first.listen(self._row, listener)

    def deadbands(self) -> list[float]:
        return self._first.deadbands(self._row)

    def told(self) -> list[tuple[int, int]]:
        return self._first.told(self._row)

    def told_states(self) -> list[int]:
        return self._first.told_states(self._row)

    def alter(self, deadbands: Sequence[float], reported: Sequence[bool]) -> None:
        self._first.alter(self._row, deadbands, reported)


class Listed(Database):
    """Devices behind a station with a list of its own: each index is one point of one of them.

    The station answers for all of them, so it is there whoever of them it reaches. What happens to messages of a device
    happens to those here when it happens to every device.
    """

    __slots__ = ("_gathered", "_places", "_width")

    def __init__(self, seats: Sequence[Seat]) -> None:
        super().__init__(seats)
        found = {kind: sorted(_places(kind, self.seats)) for kind in PointType}
        self._places = {kind: [(number, place) for _, number, place in each] for kind, each in found.items()}
        """By type, of each point the number of its seat, and where it stands in that seat's section."""
        points = (
            replace(self._section(number, kind).points[place], index=index)
            for kind, each in found.items()
            for index, number, place in each
        )
        self.plan = PointPlan(tuple(points), model=self._first.plan.model)
        self.sections = sections_of(self.plan)
        self.reader = StaticReader(self.sections)
        self._width = max(section.end for section in self.sections.values())
        self._gathered = self._from_tables()

    def _section(self, number: int, kind: PointType) -> Section:
        sections: Mapping[PointType, Section] = self.seats[number].table.sections
        return sections[kind]

    def _from_tables(self) -> list[tuple[Dnp3Table, Indices, Indices]]:
        """Return for each table which of its octets stand where in a row here."""
        found: dict[Dnp3Table, list[tuple[int, int]]] = {}
        for kind, each in self._places.items():
            here = self.sections[kind]
            for at, (number, place) in enumerate(each):
                seat, there = self.seats[number], self._section(number, kind)
                first = seat.row * seat.table.octets.shape[1] + there.offset + place * there.size
                octets = ((first + k, here.offset + at * here.size + k) for k in range(here.size))
                found.setdefault(seat.table, []).extend(octets)
        return [(table, *np.array(pairs, dtype=np.intp).T) for table, pairs in found.items()]

    @property
    def name(self) -> str:
        return ""

    @property
    def reachable(self) -> bool:
        return True

    @property
    def filters(self) -> tuple[Filter, ...]:
        return self.seats[0].filters if all(seat.filters for seat in self.seats) else ()

    def owner(self, kind: PointType, index: int) -> Seat:
        number, _ = self._places[kind][self.sections[kind].position[index]]
        return self.seats[number]

    def row(self) -> memoryview:
        octets = np.empty(self._width, np.uint8)
        for table, there, here in self._gathered:
            octets[here] = table.octets.reshape(-1)[there]
        return octets.data

    def listen(self, listener: Listener) -> None:
        own: list[dict[tuple[PointType, int], Point]] = [{} for _ in self.seats]
        for kind, each in self._places.items():
            for point, (number, place) in zip(self.sections[kind].points, each, strict=True):
                own[number][kind, self._section(number, kind).points[place].index] = point
        for seat, points in zip(self.seats, own, strict=True):
            seat.table.listen(seat.row, _Ear(listener, points))

    def deadbands(self) -> list[float]:
        widths = [seat.table.deadbands(seat.row) for seat in self.seats]
        return [widths[number][place] for number, place in self._places[PointType.ANALOG_INPUT]]

    def told(self) -> list[tuple[int, int]]:
        told = [seat.table.told(seat.row) for seat in self.seats]
        return [told[number][place] for number, place in self._places[PointType.ANALOG_INPUT]]

    def told_states(self) -> list[int]:
        told = [seat.table.told_states(seat.row) for seat in self.seats]
        return [told[number][place] for number, place in self._places[PointType.BINARY_INPUT]]

    def alter(self, deadbands: Sequence[float], reported: Sequence[bool]) -> None:
        widths = [seat.table.deadbands(seat.row) for seat in self.seats]
        wanted = [[False] * len(each) for each in widths]
        for (number, place), width, want in zip(self._places[PointType.ANALOG_INPUT], deadbands, reported, strict=True):
            widths[number][place], wanted[number][place] = width, want
        for seat, own_widths, own_wanted in zip(self.seats, widths, wanted, strict=True):
            seat.table.alter(seat.row, own_widths, own_wanted)


class _Ear:
    """Hears of the points of one device, which have other indices here."""

    __slots__ = ("_listener", "_points")

    def __init__(self, listener: Listener, points: Mapping[tuple[PointType, int], Point]) -> None:
        self._listener, self._points = listener, points

    def analog_moved(self, point: Point, value: int, flags: int, unix_ms: int) -> None:
        here = self._points.get((point.type, point.index))
        if here is not None:
            self._listener.analog_moved(here, value, flags, unix_ms)

    def binary_moved(self, point: Point, state: bool, flags: int, unix_ms: int) -> None:
        here = self._points.get((point.type, point.index))
        if here is not None:
            self._listener.binary_moved(here, state, flags, unix_ms)


def databases_of(seats: Sequence[Seat]) -> dict[int, Database]:
    """Return what stands at each link address of a station."""
    found: dict[int, list[Seat]] = {}
    for seat in seats:
        found.setdefault(seat.address, []).append(seat)
    return {address: _database(sharing) for address, sharing in found.items()}


def _database(seats: Sequence[Seat]) -> Database:
    if seats[0].table.plan.addresses is not None:
        return Listed(seats)
    assert len(seats) == 1, "devices at one link address need a list that tells their points apart"
    return Alone(seats[0])


def _places(kind: PointType, seats: Sequence[Seat]) -> Iterator[tuple[int, int, int]]:
    """Yield index, number of the seat, and place in its section, of each point that a device has."""
    for number, seat in enumerate(seats):
        for place, point in enumerate(seat.table.sections[kind].points):
            index = int(seat.table.plan.addresses[seat.row, point.index])
            if index != ABSENT:
                yield index, number, place
