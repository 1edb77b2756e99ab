"""One fault on a farm: what, on whom, from when to when, and what of a device it can grip."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Floats
from pilotfarm.emulators.columns.resource import ITSELF, Resource
from pilotfarm.emulators.contracts.device import Keys
from pilotfarm.emulators.contracts.disturbance import Disturbance
from pilotfarm.emulators.contracts.fault import (
    ALARM,
    DeviceFault,
    FaultSpec,
    GridFault,
    LinkFault,
    MeasurementFault,
    Override,
    ProtocolFault,
    acts_on,
    on_the_way,
    spreads,
)
from pilotfarm.emulators.contracts.hindrance import Hindrance
from pilotfarm.emulators.contracts.way import Bites
from pilotfarm.emulators.farm.population import Group, Rows, Way
from pilotfarm.emulators.farm.reports import Misreport, gripped
from pilotfarm.emulators.farm.targets import Target, entries, names_ways, ways_meant
from pilotfarm.emulators.grid.network import Supply
from pilotfarm.emulators.quantities import split
from pilotfarm.profiles.draws import uniform
from pilotfarm.profiles.media import NONE, medium
from pilotfarm.profiles.media.shared import SHARED

PENDING, ACTIVE, ENDED = "pending", "active", "ended"
NEVER: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Course:
    """When a fault grips its devices, and when it lets go of them; see ``FaultBoard.add``."""

    duration_s: float | None = None
    ramp_s: float = 0.0
    spread_s: float = 0.0
    count: int | None = None

    def begins_s(self, keys: Keys, number: int) -> Floats:
        """Return how long after the beginning of the fault of that number each device is taken, by their keys [s]."""
        return self.ramp_s * uniform(keys, number, "ramp")

    def gripped(self, keys: Keys, number: int, elapsed_s: float, met: Floats | None = None) -> Bools:
        """Return which devices are gripped so long after the beginning of the fault of that number, by their keys.

        ``met`` says instead in which order it takes and leaves them, from 0 to 1.
        """
        found = np.full(len(keys), True)
        if elapsed_s < self.ramp_s:
            found &= (self.begins_s(keys, number) if met is None else self.ramp_s * met) <= elapsed_s
        if self.duration_s is not None and elapsed_s >= self.duration_s:
            left = uniform(keys, number, "spread") if met is None else met
            found &= self.duration_s + self.spread_s * left > elapsed_s
        return found

    @property
    def takes_time(self) -> bool:
        """Whether devices are taken or left one after the other, where the kind can do that."""
        return self.ramp_s + self.spread_s > 0.0

    def rests(self, since_s: float, until_s: float) -> bool:
        """Whether no device is taken or left between two moments after the beginning of the fault."""
        return since_s >= self.ramp_s and (self.duration_s is None or until_s < self.duration_s)


@dataclass(slots=True, eq=False)
class Fault:
    """One fault: what, on whom, from when to when (seconds since the site's start)."""

    id: int
    spec: FaultSpec
    target: Target
    mode: str
    parameters: Any
    start_s: float
    course: Course
    rows: Rows
    hit: tuple[str, ...]
    missed: tuple[str, ...]
    state: str = PENDING
    supplies: frozenset[Supply] = frozenset()
    """What a grid fault disturbs."""
    bites: Bites = field(default_factory=Bites)
    at: Rows = field(default_factory=dict)
    """Whom it grips now, where it takes and leaves its devices one after the other."""
    met: Mapping[str, Floats] = field(default_factory=dict)
    """By group, when it meets each device, from 0 to 1, where it comes from somewhere."""
    _meant: Callable[[Way], bool] = field(init=False)

    def __post_init__(self) -> None:
        self._meant = ways_meant(self.target)

    @property
    def disturbance(self) -> Disturbance:
        return self.spec.disturbance(self.mode, self.parameters) if isinstance(self.spec, GridFault) else Disturbance()

    def disturbs(self, time_s: float) -> Disturbance:
        """What it does to the grid so far."""
        elapsed_s = time_s - self.start_s
        ramps = elapsed_s < self.course.ramp_s
        return self.disturbance.scaled(elapsed_s / self.course.ramp_s) if ramps else self.disturbance

    def acts_at(self, way: Way) -> bool:
        """Whether it acts on one of the ways to the devices it grips; one that is exchanged is gone on all."""
        return self._meant(way) or not self.by_way

    @property
    def by_way(self) -> bool:
        """Whether it acts on those ways alone that its target means."""
        return not (isinstance(self.spec, DeviceFault) and self.spec.exchanges)

    @property
    def one_by_one(self) -> bool:
        """Whether it takes or leaves its devices one after the other."""
        if isinstance(self.spec, DeviceFault):
            return self.spec.away is not None
        return spreads(self.spec) and self.course.takes_time

    @property
    def ways(self) -> Rows:
        """Whose ways to their masters it grips now."""
        if not on_the_way(self.spec) and not (isinstance(self.spec, DeviceFault) and self.spec.away is not None):
            return {}
        return self.at if self.one_by_one else self.rows

    @property
    def end_s(self) -> float:
        """When it has left the last device."""
        lasts_s = self.course.duration_s
        return NEVER if lasts_s is None else self.start_s + lasts_s + self.course.spread_s

    @property
    def due_s(self) -> float:
        """When its state changes next."""
        return {PENDING: self.start_s, ACTIVE: self.end_s, ENDED: NEVER}[self.state]


def fights(fault: Fault, ways: Mapping[tuple[str, int], Sequence[Way]]) -> str:
    """Say why a fault's parameters make no sense on one of the ways it acts on, or nothing; ``ways`` are the site's."""
    if not isinstance(fault.spec, LinkFault):
        return ""
    names = {
        way.station.medium
        for group, rows in fault.rows.items()
        for row in rows.tolist()
        for way in ways.get((group, row), ())
        if fault.acts_at(way) and acts_on(fault.spec, way.station.protocol)
    }
    found = (fault.spec.fights(fault.mode, fault.parameters, medium(name)) for name in sorted(names - {NONE, *SHARED}))
    return next(filter(None, found), "")


def hindrance(fault: Fault, way: Way, group: Group) -> Hindrance | None:
    """Return what a fault makes of the polls of a way's station: it is one of a device that this polls itself.

    One that means ways is not, but of what its target says.
    """
    spec, polling = fault.spec, way.station.polling
    if polling is None or polling.through or polling.real or not isinstance(spec, LinkFault | ProtocolFault):
        return None
    if names_ways(fault.target, group):
        return None
    return spec.polled(fault.mode, fault.parameters) if acts_on(spec, polling.protocol) else None


def grips(fault: Fault, group: Group) -> bool:
    """Whether a fault can be had by the devices of a group."""
    spec = fault.spec
    if isinstance(spec, MeasurementFault):
        return bool(_misreported(fault, group))
    if isinstance(spec, DeviceFault):
        return spec.away is not None or bool(_misreported(fault, group) or columns_of(fault, group))
    if isinstance(spec, Override):
        return any(map(group.feels, spec.shifts(fault.parameters)))
    return True


def misreport(fault: Fault, group: Group) -> Misreport | None:
    """Return how devices of a group misreport by a fault that begins, if they do."""
    spec = fault.spec.says if isinstance(fault.spec, DeviceFault) else fault.spec
    reads = _misreported(fault, group)
    if not isinstance(spec, MeasurementFault) or not reads:
        return None
    rows = fault.rows[group.name]
    notes = {name: group.reported[name][rows].copy() for name in reads}
    ramp_s = fault.course.ramp_s
    return Misreport(fault.id, spec, fault.mode, fault.parameters, fault.start_s, ramp_s, rows, notes, reads)


def columns_of(fault: Fault, group: Group) -> dict[str, float]:
    """Return which columns a device fault sets in a group, those of its resources under their full names."""
    spec = fault.spec
    assert isinstance(spec, DeviceFault)
    only = spec.part(fault.parameters)
    values = spec.sets(fault.mode, fault.parameters)
    silent = {split(name)[0] for name in _misreported(fault, group)}
    found: dict[str, float] = {}
    for part in (ITSELF, *map(Resource, group.spec.resources)):
        own = [name for name in values if part.of(name) in group.columns]
        if (only is None or part == only) and (part in silent or any(name != ALARM for name in own)):
            found |= {part.of(name): values[name] for name in own}
    return found


def _misreported(fault: Fault, group: Group) -> Mapping[str, str]:
    """Return the quantities that devices of a group misreport by a fault, and whose value each shows."""
    spec = fault.spec
    if isinstance(spec, MeasurementFault):
        return gripped(group, spec, fault.mode, entries(fault.target, "quantity"))
    if not isinstance(spec, DeviceFault) or spec.says is None:
        return {}
    only = spec.part(fault.parameters)
    reads = gripped(group, spec.says, fault.mode, ())
    return {name: read for name, read in reads.items() if only is None or split(name)[0] == only}
