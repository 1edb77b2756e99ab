"""Whom a fault hits: the devices its target means that can have it, and who share a supply with them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Indices
from pilotfarm.emulators.contracts.fault import LinkFault, MediumOverride, Override, ProtocolFault, acts_on
from pilotfarm.emulators.farm.fault import Fault, grips, hindrance
from pilotfarm.emulators.farm.overrides import met
from pilotfarm.emulators.farm.population import Group, Population, Rows, Way
from pilotfarm.emulators.farm.targets import chosen, picked
from pilotfarm.emulators.grid.network import Network, Supply
from pilotfarm.profiles.media import NONE
from pilotfarm.profiles.media.shared import SHARED


class _Feeding(NamedTuple):
    """What feeds the devices of a site."""

    supplies: list[Supply]
    numbers: Rows
    """By group, of each device: where its supply is in ``supplies``, -1 for none."""


class Aim:
    """Finds whom the faults of a farm hit."""

    def __init__(self, population: Population, network: Network) -> None:
        self._population = population
        self._network = network
        self._feeding: dict[str, _Feeding] = {}
        """By where supplies are, once somebody has asked."""

    def take(self, fault: Fault) -> None:
        """Find whom a fault hits, and who of its target is missed."""
        found = chosen(self._population, fault.target)
        able = {name: self._able(fault, name, rows) for name, rows in found.items()}
        gripped = {name: rows[able[name]] for name, rows in found.items() if able[name].any()}
        missed = {name: rows[~able[name]] for name, rows in found.items() if not able[name].all()}
        fault.rows = picked(self._population, gripped, str(fault.target.get("pick", "all")), fault.id)
        if fault.disturbance.at:
            missed = self._widened(fault, fault.disturbance.at)
        if isinstance(fault.spec, Override) and (from_deg := fault.spec.from_deg(fault.parameters)) is not None:
            fault.met = met(self._population, fault.rows, from_deg)
        fault.hit = tuple(self._population.ids(fault.rows))
        fault.missed = tuple(self._population.ids(missed))

    def missing(self, fault: Fault) -> str:
        """Say why a fault that has been aimed hits nobody."""
        if not fault.missed:
            return "no device matches the target"
        if isinstance(fault.spec, MediumOverride):
            if all(station.medium in (NONE, *SHARED) for station in self._population.stations):
                return "no way of this site has a medium; those of a built-in one hold with --media"
            return f"no way to the target's devices is over another medium than {fault.parameters.to}"
        return "no device of the target can have this fault"

    def _able(self, fault: Fault, name: str, rows: Indices) -> Bools:
        """Return which devices of a group can have a fault."""
        spec = fault.spec
        if not isinstance(spec, LinkFault | ProtocolFault | MediumOverride):
            return np.full(len(rows), grips(fault, self._population.groups[name]))
        group = self._population.groups[name]
        ways = (self._population.ways.get((name, row), ()) for row in rows.tolist())
        return np.array([any(_can(fault, way, group) for way in own) for own in ways], dtype=bool)

    def _widened(self, fault: Fault, at: str) -> Rows:
        """Widen a fault to all who share a supply with it; return those of its target that have no such supply."""
        supplies, numbers = self._fed_from(at)
        own = {name: numbers[name][rows] for name, rows in fault.rows.items()}
        missed = {name: rows[own[name] < 0] for name, rows in fault.rows.items()}
        wanted = np.array(sorted({number for each in own.values() for number in each.tolist() if number >= 0}))
        fault.supplies = frozenset(supplies[number] for number in wanted.tolist())
        sharing = {name: np.flatnonzero(np.isin(each, wanted)) for name, each in numbers.items()}
        fault.rows = {name: rows for name, rows in sharing.items() if len(rows)}
        return missed

    def _fed_from(self, at: str) -> _Feeding:
        """Return what feeds every device there: neither moves while a site runs."""
        if at not in self._feeding:
            supplies: dict[Supply | None, int] = {None: -1}
            numbers = {}
            for group, place in self._population.placed():
                feeding = (self._network.supply_of(customer, at) for customer in range(place.start, place.stop))
                numbers[group.name] = np.array([supplies.setdefault(each, len(supplies) - 1) for each in feeding])
            self._feeding[at] = _Feeding([each for each in supplies if each is not None], numbers)
        return self._feeding[at]


def _can(fault: Fault, way: Way, group: Group) -> bool:
    """Whether a way can have a fault: one without a medium has none that could be another one, nor has a line."""
    spec = fault.spec
    if isinstance(spec, MediumOverride):
        return fault.acts_at(way) and way.station.medium not in (NONE, *SHARED, spec.medium(fault.parameters))
    assert isinstance(spec, LinkFault | ProtocolFault)
    return (fault.acts_at(way) and acts_on(spec, way.station.protocol)) or hindrance(fault, way, group) is not None
