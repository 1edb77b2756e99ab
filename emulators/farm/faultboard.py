"""The faults of a running farm: which devices each grips, and since when.

What a fault does is done elsewhere: ``reports`` makes reported columns, the network disturbs supplies, and whoever
serves the devices looks at ``on_the_way`` when ``revision`` has moved.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from pilotfarm.emulators.contracts.disturbance import Disturbance, together
from pilotfarm.emulators.contracts.fault import (
    AdmissionFault,
    ClockFault,
    DeviceFault,
    FaultSpec,
    GridFault,
    LinkFault,
    MediumOverride,
    Override,
    ProtocolFault,
)
from pilotfarm.emulators.contracts.override import Change
from pilotfarm.emulators.contracts.way import Bites
from pilotfarm.emulators.errors import ConfigError, Problem, StateError
from pilotfarm.emulators.farm.aiming import Aim
from pilotfarm.emulators.farm.breakdowns import Breakdowns, Written
from pilotfarm.emulators.farm.clocks import Clocks
from pilotfarm.emulators.farm.fault import ACTIVE, ENDED, NEVER, PENDING, Course, Fault, fights, misreport
from pilotfarm.emulators.farm.overrides import Overrides
from pilotfarm.emulators.farm.population import Population
from pilotfarm.emulators.farm.reports import Reports
from pilotfarm.emulators.farm.requests import FaultRequest
from pilotfarm.emulators.farm.targets import entries
from pilotfarm.emulators.farm.unpowered import Unpowered
from pilotfarm.emulators.grid.network import Network, Supply

FAULTS_MAX: Final = 1_000
ENDED_KEPT: Final = 200
"""How many that have ended can still be asked for: those that ended last."""


class FaultBoard:
    """Adds, ages and clears faults."""

    def __init__(self, population: Population, network: Network, clocks: Clocks) -> None:
        self._population = population
        self._network = network
        self._clocks = clocks
        self._reports = Reports(population)
        self._breakdowns = Breakdowns(population)
        self._overrides = Overrides(population)
        self._aim = Aim(population, network)
        self._unpowered = Unpowered(population)
        self._faults: dict[int, Fault] = {}
        self._last_id = 0
        self._cleared: list[Fault] = []
        self._ended: deque[int] = deque()
        """Those that have ended, the one first that ended first."""
        self._standing: dict[type[FaultSpec], dict[int, Fault]] = {}
        """The active faults by family and id."""
        self._turning: dict[int, Fault] = {}
        """Those of them on the way that take or leave their devices one after the other, by id."""
        self._time_s = 0.0
        self._due_s = NEVER
        self._growing = False
        """Whether a grid fault that is active has not reached its strength."""
        self.lost_generation_w = 0.0
        """Generation missing in the area because of faults. [W]"""
        self.frequency_offset_hz = 0.0
        self.revision = 0
        """Moves whenever another set of faults is active."""

    # ------------------------------------------------------------------------------- operator

    def add(
        self,
        kind: str,
        target: Mapping[str, Any] | None = None,
        mode: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        start_s: float | None = None,
        duration_s: float | None = None,
        *,
        ramp_s: float = 0.0,
        spread_s: float = 0.0,
        count: int | None = None,
        dry_run: bool = False,
    ) -> Fault:
        """Put a fault on the farm; it takes hold with the first step at or after ``start_s``.

        ``target`` has the keys of ``requests.FAULT_KEYS``: by each a name or a list of names, globs for ``device``,
        ``exclude`` and a measurement fault's ``quantity``; ``pick`` is ``all``, a number or a share of those who
        can have it. What is left out matches everything.

        It lasts for ``duration_s``, or until it has changed ``count`` messages. Over ``ramp_s`` it takes its devices
        one after the other, or a wrong value or clock goes from right to wrong; over ``spread_s`` after its duration
        it leaves them one after the other. [s of site time] With ``dry_run`` nothing is put anywhere: the fault that
        would have been is returned.

        Raises ``ConfigError`` with every problem, or ``StateError`` when the board is full.
        """
        if sum(fault.state != ENDED for fault in self) >= FAULTS_MAX:
            raise StateError(f"{FAULTS_MAX} faults are waiting or active; clear some first")
        course = Course(duration_s, ramp_s, spread_s, count)
        request = FaultRequest(self._population, kind, target or {}, mode, parameters or {}, course)
        if request.problems:
            raise ConfigError(request.problems)
        assert request.spec is not None
        fault = Fault(
            id=self._last_id + 1,
            spec=request.spec,
            target=request.target,
            mode=request.mode,
            parameters=request.parameters,
            start_s=self._time_s if start_s is None else start_s,
            course=request.course,
            rows={},
            hit=(),
            missed=(),
            bites=Bites(max=NEVER if count is None else count),
        )
        self._aim.take(fault)
        if not fault.hit:
            raise ConfigError([Problem("fault", 0, "target", self._aim.missing(fault))])
        if wrong := fights(fault, self._population.ways):
            raise ConfigError([Problem("fault", 0, "parameters", wrong)])
        if not dry_run:
            self._put(fault)
        return fault

    def _put(self, fault: Fault) -> None:
        self._last_id = fault.id
        self._faults[fault.id] = fault
        self._due_s = min(self._due_s, fault.due_s)
        self._forget_oldest()

    def clear(self, fault_id: int) -> Fault:
        """End a fault, as of the next step; ``StateError`` if there is none of that id, or it has ended already."""
        fault = self._faults.get(fault_id)
        if fault is None or fault.state == ENDED:
            raise StateError(f"no fault {fault_id} is waiting or active")
        self._cleared.append(fault)
        self._end(fault)
        return fault

    def clear_all(self) -> list[Fault]:
        """End every fault that is waiting or active."""
        return [self.clear(fault.id) for fault in list(self) if fault.state != ENDED]

    def get(self, fault_id: int) -> Fault:
        """Return a fault by its id; ``StateError`` if there is none."""
        try:
            return self._faults[fault_id]
        except KeyError:
            raise StateError(f"there is no fault {fault_id}") from None

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults.values())

    # ----------------------------------------------------------------------------------- step

    def update(self, time_s: float) -> list[tuple[Fault, str]]:
        """Begin and end what is due; return every fault that changed, with ``"began"`` or ``"ended"``."""
        since_s, self._time_s = self._time_s, time_s
        changed = [(fault, "ended") for fault in self._cleared]
        self._cleared.clear()
        if time_s >= self._due_s or self._any_spent():
            for fault in self:
                if fault.state == PENDING and time_s >= fault.start_s:
                    self._begin(fault)
                    changed.append((fault, "began"))
                if fault.state == ACTIVE and (time_s >= fault.end_s or fault.bites.spent):
                    self._end(fault)
                    changed.append((fault, "ended"))
            self.revision += self._breakdowns.turn(time_s)
            self._due_s = min((fault.due_s for fault in self), default=NEVER)
            self._due_s = min(self._due_s, self._breakdowns.turns_s)
        for fault in self._turning.values():
            if not fault.course.rests(since_s - fault.start_s, time_s - fault.start_s):
                self._take_and_leave(fault)
        if changed:
            self._set_clocks(changed)
        if changed or self._growing:
            self._disturb()
        return changed

    def report(self) -> None:
        """Make the reported columns of every group from its true ones and the active faults.

        And see who is off the network for want of supply.
        """
        self._reports.report(self._time_s)
        self.revision += self._unpowered.update()

    def _set_clocks(self, changed: Sequence[tuple[Fault, str]]) -> None:
        for fault, event in changed:
            if isinstance(fault.spec, ClockFault) and event == "began":
                off_by = partial(fault.spec.offset_s, fault.mode, fault.parameters)
                stations, tags_only = entries(fault.target, "station"), fault.spec.tags_only
                self._clocks.put_off(
                    fault.id,
                    off_by,
                    fault.start_s,
                    fault.rows,
                    stations,
                    ramp_s=fault.course.ramp_s,
                    tags_only=tags_only,
                )
            else:
                self._clocks.put_right(fault.id)

    def columns(self) -> Iterator[Written]:
        """Yield the columns that device faults set, and that are to hold something else than in the last step."""
        return self._breakdowns.columns()

    def changes(self) -> Mapping[str, Change]:
        """Return what overrides make of weather and load now."""
        return self._overrides.changes()

    def serials(self) -> dict[tuple[str, int], str]:
        """Return the serial numbers of devices that have been exchanged, by group and row."""
        return {(group.name, row): serial for group in self._population for row, serial in group.serials.items()}

    def on_the_way(self) -> dict[tuple[str, int], list[Fault]]:
        """Return the active faults that grip a device's way to its masters, by group and row, in their order.

        The want of supply is one of them.
        """
        found: dict[tuple[str, int], list[Fault]] = {}
        on_the_way = self._active(AdmissionFault, LinkFault, ProtocolFault, DeviceFault, MediumOverride)
        for fault in (self._unpowered.fault, *on_the_way):
            for group, rows in fault.ways.items():
                for row in rows.tolist():
                    found.setdefault((group, row), []).append(fault)
        return found

    def _any_spent(self) -> bool:
        return any(
            fault.bites.spent
            for family in (LinkFault, ProtocolFault)
            for fault in self._standing.get(family, {}).values()
        )

    def _take_and_leave(self, fault: Fault) -> None:
        """Find whom a fault grips now that takes or leaves its devices one after the other."""
        elapsed_s = self._time_s - fault.start_s
        before, fault.at = fault.at, {}
        for name, rows in fault.rows.items():
            keys = self._population.groups[name].layout.keys[rows]
            fault.at[name] = rows[fault.course.gripped(keys, fault.id, elapsed_s, fault.met.get(name))]
        moved = any(not np.array_equal(rows, before.get(name, [-1])) for name, rows in fault.at.items())
        self.revision += moved
        if moved and isinstance(fault.spec, Override):
            self._overrides.move()

    def _active(self, *families: type[FaultSpec]) -> list[Fault]:
        """The active faults of some families, in the order of their ids."""
        found = [fault for family in families for fault in self._standing.get(family, {}).values()]
        return sorted(found, key=lambda fault: fault.id)

    def _begin(self, fault: Fault) -> None:
        fault.state = ACTIVE
        self._standing.setdefault(type(fault.spec), {})[fault.id] = fault
        # Its duration counts from the step it takes hold with, or one shorter than a step would never show.
        fault.start_s = self._time_s
        self.revision += 1
        if isinstance(fault.spec, DeviceFault):
            self._breakdowns.begin(fault)
        elif fault.one_by_one:
            self._turning[fault.id] = fault
        if isinstance(fault.spec, Override):
            self._overrides.begin(fault)
        for name in fault.rows:
            told = misreport(fault, self._population.groups[name])
            if told is not None:
                self._reports.begin(name, told)

    def _end(self, fault: Fault) -> None:
        began, fault.state = fault.state == ACTIVE, ENDED
        self._ended.append(fault.id)
        self.revision += began
        if not began:
            return
        del self._standing[type(fault.spec)][fault.id]
        self._turning.pop(fault.id, None)
        if isinstance(fault.spec, DeviceFault):
            self._breakdowns.end(fault)
        if isinstance(fault.spec, Override):
            self._overrides.end(fault)
        for name in fault.rows:
            self._reports.end(name, fault.id)

    def _disturb(self) -> None:
        """Disturb the supplies and the area as the active grid faults have it."""
        met: dict[Supply, list[Disturbance]] = {}
        self._growing = False
        area = []
        for fault in self._active(GridFault):
            area.append(disturbance := fault.disturbs(self._time_s))
            self._growing |= disturbance != fault.disturbance
            for supply in fault.supplies:
                met.setdefault(supply, []).append(disturbance)
        self.lost_generation_w = sum(each.lost_generation_w for each in area)
        self.frequency_offset_hz = sum(each.frequency_hz for each in area)
        self._network.disturb({supply: together(*each) for supply, each in met.items()})

    def _forget_oldest(self) -> None:
        while len(self._ended) > ENDED_KEPT:
            del self._faults[self._ended.popleft()]
