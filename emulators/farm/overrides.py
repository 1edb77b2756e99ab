"""What overrides make of the weather over devices and of their load, as of now; nothing where none is active.

Of two on one number of a device, values do not add up: that of the higher id holds. Factors multiply, and what is added
to them adds up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import cos, isnan, radians, sin

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats, Indices
from pilotfarm.emulators.contracts.fault import Override
from pilotfarm.emulators.contracts.override import CHANGEABLE, Change
from pilotfarm.emulators.farm.fault import Fault
from pilotfarm.emulators.farm.population import Population, Rows


class Overrides:
    """The overrides of weather and load that are active."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self._starts = {group.name: place.start for group, place in population.placed()}
        self._standing: dict[int, Fault] = {}
        self._changes: Mapping[str, Change] = {}
        self._moved = False

    def begin(self, fault: Fault) -> None:
        self._standing[fault.id] = fault
        self._moved = True

    def end(self, fault: Fault) -> None:
        del self._standing[fault.id]
        self._moved = True

    def move(self) -> None:
        """Hear that one of them has taken or left devices."""
        self._moved = True

    def changes(self) -> Mapping[str, Change]:
        """Return what becomes of each number, by the names of ``CHANGEABLE``; the same arrays until something moves."""
        if self._moved:
            self._moved = False
            self._changes = self._made()
        return self._changes

    def _made(self) -> dict[str, Change]:
        found: dict[str, Change] = {}
        for fault in sorted(self._standing.values(), key=lambda fault: fault.id):
            assert isinstance(fault.spec, Override)
            for name, shift in fault.spec.shifts(fault.parameters).items():
                for rows in self._felt(fault, name):
                    change = found.get(name) or self._unchanged(name)
                    change.where[rows] = 1.0
                    change.factor[rows] *= shift.factor
                    change.added[rows] += shift.added
                    if not isnan(shift.value):
                        change.value[rows] = shift.value
                    found[name] = change
        return found

    def _felt(self, fault: Fault, name: str) -> Iterator[Indices]:
        """Yield the rows in the site of those whom a fault grips now and to whom a number matters."""
        for group, rows in (fault.at if fault.one_by_one else fault.rows).items():
            if self._population.groups[group].feels(name):
                yield rows + self._starts[group]

    def _unchanged(self, name: str) -> Change:
        n = len(self._population)
        low, high = (np.full(n, bound) for bound in CHANGEABLE[name])
        if name == "load":
            for group, place in self._population.placed():
                if group.feels(name):
                    high[place] = group.spec.replays["load"](group.layout.ratings)
            low = -high
        return Change(np.zeros(n), np.full(n, np.nan), np.ones(n), np.zeros(n), low, high)


def met(population: Population, rows: Rows, from_deg: float) -> Mapping[str, Floats]:
    """Return when devices are met by what comes from a bearing, the first at 0 and the last at 1, by group."""
    east, north = sin(radians(from_deg)), cos(radians(from_deg))
    towards: dict[str, Floats] = {}
    for name, chosen in rows.items():
        x_m, y_m = population.stand(name)
        towards[name] = (east * x_m + north * y_m)[chosen]
    first, last = max(each.max() for each in towards.values()), min(each.min() for each in towards.values())
    return {name: (first - each) / max(first - last, 1e-9) for name, each in towards.items()}
