"""What stands at one common address: a device by itself, or several whose objects a station numbers as it likes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final, NamedTuple, TypeAlias

from pilotfarm.emulators.contracts.protocol import Seat
from pilotfarm.emulators.plans.iec104 import (
    GROUP_ELECTRICAL,
    GROUP_ENVIRONMENT,
    GROUP_SPECIFIC,
    MEASURED,
    ControlPoint,
    ControlType,
    MonitorType,
)
from pilotfarm.emulators.plans.own_list import ABSENT
from pilotfarm.emulators.protocols.iec60870.asdu import Format
from pilotfarm.emulators.protocols.iec60870.table import GENERAL, Cut

_CYCLIC_GROUPS: Final = (GROUP_ELECTRICAL, GROUP_SPECIFIC, GROUP_ENVIRONMENT)
CYCLIC_PARTS: Final = len(_CYCLIC_GROUPS)
Unit: TypeAlias = tuple[bytes, bytes | memoryview]
"""Type and count of a data unit, and its objects."""
Counted: TypeAlias = Sequence[tuple[int, bytes]]
"""The counters of one data unit: object address and object."""


class Found(NamedTuple):
    """An information object: whose it is, its type, and the octets of a row that it stands in."""

    seat: Seat
    type: MonitorType
    start: int
    stop: int

    @property
    def octets(self) -> bytes:
        return bytes(self.seat.table.row(self.seat.row)[self.start : self.stop])


class Sector(ABC):
    """The objects of a common address, whosever they are."""

    __slots__ = ("seats",)

    def __init__(self, seats: Sequence[Seat]) -> None:
        self.seats = tuple(seats)

    @property
    def first(self) -> Seat:
        return self.seats[0]

    def time_at(self) -> float:
        """What the clock shows that stamps here. [s since 1970 UTC]"""
        return float(self.first.table.time_at(self.first.row))

    @abstractmethod
    def owner(self, ioa: int) -> Seat:
        """Whose an object is; of an address that nobody has, the first who is here."""

    @abstractmethod
    def find(self, ioa: int) -> Found | None: ...
    @abstractmethod
    def control(self, ioa: int) -> tuple[Seat, ControlPoint] | None: ...
    @property
    @abstractmethod
    def controls(self) -> frozenset[ControlType]:
        """Of which types its commands are."""

    @abstractmethod
    def units(self, group: int) -> Iterator[Unit]:
        """Yield what answers the interrogation of a group."""

    @abstractmethod
    def cyclic(self, part: int) -> Iterator[Unit]:
        """Yield a part of what is told in cycles, which is measurements: of all sectors the first part comes first."""

    @abstractmethod
    def counted(self, group: int) -> Iterator[Counted]:
        """Yield the counters of a group, as they count."""


class Alone(Sector):
    """A device by itself, with the point list of its kind."""

    __slots__ = ()

    def owner(self, ioa: int) -> Seat:
        return self.first

    def find(self, ioa: int) -> Found | None:
        place = self.first.table.places.get(ioa)
        return None if place is None else Found(self.first, *place)

    def control(self, ioa: int) -> tuple[Seat, ControlPoint] | None:
        control = self.first.table.controls.get(ioa)
        return None if control is None else (self.first, control)

    @property
    def controls(self) -> frozenset[ControlType]:
        return frozenset(each.type for each in self.first.table.controls.values())

    def units(self, group: int) -> Iterator[Unit]:
        seat = self.first
        row = seat.table.row(seat.row)
        cuts: Sequence[Cut] = seat.table.interrogated.get(group, ())
        return iter([(cut.head, row[cut.start : cut.stop]) for cut in cuts])

    def cyclic(self, part: int) -> Iterator[Unit]:
        return self.units(_CYCLIC_GROUPS[part])

    def counted(self, group: int) -> Iterator[Counted]:
        seat = self.first
        at = seat.table.format.object_octets
        for cut in seat.table.counters.get(group, ()):
            row = seat.table.row(seat.row)
            step = (cut.stop - cut.start) // cut.count
            objects = [bytes(row[start : start + step]) for start in range(cut.start, cut.stop, step)]
            yield [(int.from_bytes(each[:at], "little"), each) for each in objects]


class Listed(Sector):
    """Devices behind a station with a list of its own: each object address is one point of one of them."""

    __slots__ = ("_asked", "_controls", "_counted", "_cyclic", "_objects")

    def __init__(self, seats: Sequence[Seat], form: Format) -> None:
        super().__init__(seats)
        self._objects: dict[int, Found] = {}
        self._controls: dict[int, tuple[Seat, ControlPoint]] = {}
        groups: dict[int, list[int]] = {GENERAL: []}
        for seat in self.seats:
            self._objects.update(_objects_of(seat))
            self._controls.update(_controls_of(seat))
            for ioa, group in _groups_of(seat):
                groups.setdefault(group, []).append(ioa)
        groups[GENERAL] = list(self._objects)
        totals = {ioa for ioa, each in self._objects.items() if each.type is MonitorType.TOTAL}
        measured = [ioa for ioa, each in self._objects.items() if each.type in MEASURED]
        # By group the object addresses of each data unit.
        self._asked = {group: self._runs(ioas, form) for group, each in groups.items() if (ioas := {*each} - totals)}
        self._counted = {group: self._runs(ioas, form) for group, each in groups.items() if (ioas := {*each} & totals)}
        self._cyclic = self._runs(measured, form)

    def owner(self, ioa: int) -> Seat:
        found = self._objects.get(ioa) or self._controls.get(ioa)
        return self.first if found is None else found[0]

    def find(self, ioa: int) -> Found | None:
        return self._objects.get(ioa)

    def control(self, ioa: int) -> tuple[Seat, ControlPoint] | None:
        return self._controls.get(ioa)

    @property
    def controls(self) -> frozenset[ControlType]:
        return frozenset(control.type for _, control in self._controls.values())

    def units(self, group: int) -> Iterator[Unit]:
        return self._told(self._asked.get(group, ()))

    def cyclic(self, part: int) -> Iterator[Unit]:
        return iter(()) if part else self._told(self._cyclic)

    def counted(self, group: int) -> Iterator[Counted]:
        for run in self._counted.get(group, ()):
            yield [(ioa, self._objects[ioa].octets) for ioa in run]

    def _told(self, runs: Iterable[Sequence[int]]) -> Iterator[Unit]:
        for run in runs:
            yield bytes((self._objects[run[0]].type, len(run))), b"".join([self._objects[ioa].octets for ioa in run])

    def _runs(self, ioas: Iterable[int], form: Format) -> list[list[int]]:
        """Return object addresses by data units: those of one type, in their order, as many as one has room for."""
        runs = []
        ordered = sorted((self._objects[ioa].type, ioa) for ioa in ioas)
        for _, of_type in groupby(ordered, key=lambda each: each[0]):
            alike = [ioa for _, ioa in of_type]
            room = form.room(self._objects[alike[0]].stop - self._objects[alike[0]].start)
            runs += [alike[first : first + room] for first in range(0, len(alike), room)]
        return runs


def sectors_of(seats: Iterable[Seat], form: Format) -> dict[int, Sector]:
    """Return what stands at each common address of a station."""
    found: dict[int, list[Seat]] = {}
    for seat in seats:
        found.setdefault(seat.address, []).append(seat)
    return {address: _sector(sharing, form) for address, sharing in found.items()}


def _sector(seats: Sequence[Seat], form: Format) -> Sector:
    if seats[0].table.plan.addresses is not None:
        return Listed(seats, form)
    assert len(seats) == 1, "devices at one common address need a list that tells their objects apart"
    return Alone(seats)


def _objects_of(seat: Seat) -> Iterator[tuple[int, Found]]:
    for number, place in seat.table.places.items():
        ioa = seat.table.address(seat.row, number)
        if ioa != ABSENT:
            yield ioa, Found(seat, *place)


def _controls_of(seat: Seat) -> Iterator[tuple[int, tuple[Seat, ControlPoint]]]:
    for number, control in seat.table.controls.items():
        ioa = seat.table.address(seat.row, number)
        if ioa != ABSENT:
            returns = [seat.table.address(seat.row, each) for each in control.returns]
            here = replace(control, ioa=ioa, returns=tuple(each for each in returns if each != ABSENT))
            yield ioa, (seat, here)


def _groups_of(seat: Seat) -> Iterator[tuple[int, int]]:
    for point in seat.table.plan.monitor:
        ioa = seat.table.address(seat.row, point.ioa)
        if ioa != ABSENT:
            yield ioa, point.group
