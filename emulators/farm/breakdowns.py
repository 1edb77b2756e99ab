"""Device faults as devices have them: the columns that their physics reads, who is away, and who is another one.

With no such fault active every column is ``nothing`` and nobody is asked; with some, they are written when the faults
change and not at every step.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import TypeAlias

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats, Indices
from pilotfarm.emulators.contracts.fault import DeviceFault
from pilotfarm.emulators.farm.fault import Fault, columns_of
from pilotfarm.emulators.farm.population import Group, Population, Rows
from pilotfarm.emulators.farm.targets import names_ways

Written: TypeAlias = tuple[str, str, Floats]
"""Group, column, and what it holds."""


class Breakdowns:
    """The device faults that are active."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self._standing: dict[int, Fault] = {}
        """By number."""
        self._turns_s: dict[int, float] = {}
        """By the number of a fault: when a device of it goes or comes back next. [s since the site's start]"""
        self._written: set[tuple[str, str]] = set()
        """Groups and columns that hold something."""
        self._changed = False
        self._renamed = False
        """Whether other devices than before have been exchanged."""

    def begin(self, fault: Fault) -> None:
        self._standing[fault.id] = fault
        if fault.one_by_one:
            self._turns_s[fault.id] = fault.start_s
        self._changed = True
        self._renamed |= _exchanges(fault)

    def end(self, fault: Fault) -> None:
        del self._standing[fault.id]
        self._turns_s.pop(fault.id, None)
        self._changed = True
        self._renamed |= _exchanges(fault)

    @property
    def turns_s(self) -> float:
        """When a device goes or comes back next."""
        return min(self._turns_s.values(), default=inf)

    def turn(self, time_s: float) -> bool:
        """Let devices go and come back; return whether any did."""
        due = [fault for fault, turns_s in self._turns_s.items() if time_s >= turns_s]
        moved = [self._turn(self._standing[fault], time_s) for fault in due]
        self._changed |= any(moved)
        return any(moved)

    def columns(self) -> Iterator[Written]:
        """Yield every column that is to hold something else than before."""
        if self._renamed:
            self._name_all()
        if not self._changed:
            return
        self._changed = False
        found: dict[tuple[str, str], Floats] = {}
        for fault in self._standing.values():
            for group, rows in self._broken(fault):
                for full, value in columns_of(fault, group).items():
                    column = found.setdefault((group.name, full), np.zeros(group.size))
                    column[rows] = np.maximum(column[rows], value)
        for place in self._written - found.keys():
            yield *place, np.zeros(self._population.groups[place[0]].size)
        for place, column in found.items():
            yield *place, column
        self._written = set(found)

    def _broken(self, fault: Fault) -> Iterator[tuple[Group, Indices]]:
        """Yield whose physics a fault acts on now: nobody's where a station restarts, and not the devices behind it."""
        for name, rows in (fault.at if fault.one_by_one else fault.rows).items():
            group = self._population.groups[name]
            if not (fault.one_by_one and fault.by_way and names_ways(fault.target, group)):
                yield group, rows

    def _turn(self, fault: Fault, time_s: float) -> bool:
        assert isinstance(fault.spec, DeviceFault)
        assert fault.spec.away is not None
        before, fault.at = fault.at, {}
        turns_s = inf
        for name, rows in fault.rows.items():
            begins_s = fault.start_s + fault.course.begins_s(self._population.groups[name].layout.keys[rows], fault.id)
            away = fault.spec.away(fault.mode, fault.parameters, time_s - begins_s)
            turns_s = min(turns_s, away.turns_s)
            if away.now.any():
                fault.at[name] = rows[away.now]
        self._turns_s[fault.id] = time_s + turns_s
        return not _same(before, fault.at)

    def _name_all(self) -> None:
        """Give devices that have been exchanged a serial number of their own."""
        self._renamed = False
        for group in self._population:
            group.serials = {}
        for fault in filter(_exchanges, sorted(self._standing.values(), key=lambda fault: fault.id)):
            for name, rows in fault.rows.items():
                group = self._population.groups[name]
                group.serials |= {row: f"{group.layout.devices[row]}-{fault.id}" for row in rows.tolist()}


def _exchanges(fault: Fault) -> bool:
    return isinstance(fault.spec, DeviceFault) and fault.spec.exchanges


def _same(one: Rows, other: Rows) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)
