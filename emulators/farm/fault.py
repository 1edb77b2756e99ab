"""One fault on a farm: what, on whom, from when to when, and whether devices of a group can have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pilotfarm.emulators.contracts.disturbance import Disturbance
from pilotfarm.emulators.contracts.fault import DeviceFault, FaultSpec, GridFault, MeasurementFault
from pilotfarm.emulators.farm.population import Group, Rows, Way
from pilotfarm.emulators.farm.reports import gripped
from pilotfarm.emulators.farm.targets import Target, entries, on_way
from pilotfarm.emulators.grid.network import Supply

PENDING, ACTIVE, ENDED = "pending", "active", "ended"
NEVER: Final = float("inf")


@dataclass(slots=True, eq=False)
class Fault:
    """One fault: what, on whom, from when to when (seconds since the site's start)."""

    id: int
    spec: FaultSpec
    target: Target
    mode: str
    parameters: Any
    start_s: float
    duration_s: float | None
    rows: Rows
    hit: tuple[str, ...]
    missed: tuple[str, ...]
    state: str = PENDING
    supplies: frozenset[Supply] = frozenset()
    """What a grid fault disturbs."""

    @property
    def disturbance(self) -> Disturbance:
        return self.spec.disturbance(self.mode, self.parameters) if isinstance(self.spec, GridFault) else Disturbance()

    def acts_at(self, way: Way) -> bool:
        """Whether it acts on one of the ways to the devices it grips."""
        return on_way(self.target, way)

    @property
    def end_s(self) -> float:
        return NEVER if self.duration_s is None else self.start_s + self.duration_s

    @property
    def due_s(self) -> float:
        """When its state changes next."""
        return {PENDING: self.start_s, ACTIVE: self.end_s, ENDED: NEVER}[self.state]


def grips(fault: Fault, group: Group) -> bool:
    """Whether a fault can be had by the devices of a group."""
    if isinstance(fault.spec, MeasurementFault):
        return bool(gripped(group, fault.spec, fault.mode, entries(fault.target, "quantity")))
    if isinstance(fault.spec, DeviceFault):
        return group.readable.issuperset(fault.spec.needs)
    return True
