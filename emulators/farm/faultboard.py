"""The faults of a running farm: which devices each grips, since when, and what masters are told.

With no fault active the reported columns are the true ones, the same arrays, and no quality and no
condition exists: off means off.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.arrays import Columns
from pilotfarm.emulators.contracts.fault import Disturbance, FaultSpec
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.errors import ConfigError, Problem, StateError
from pilotfarm.emulators.farm.population import Rows
from pilotfarm.emulators.grid.network import Supply

if TYPE_CHECKING:
    from pilotfarm.emulators.farm.farm import Farm
    from pilotfarm.emulators.farm.population import Group

FAULTS_MAX: Final = 1_000
ENDED_KEPT: Final = 200
"""How many that have ended can still be asked for: those that ended last."""
PENDING, ACTIVE, ENDED = "pending", "active", "ended"


@dataclass(slots=True, eq=False)
class Fault:
    """One fault: what, on whom, from when to when (seconds since the site's start)."""

    id: int
    spec: FaultSpec
    target: Mapping[str, str]
    mode: str
    parameters: Any
    start_s: float
    duration_s: float | None
    rows: Rows
    hit: tuple[str, ...]
    missed: tuple[str, ...]
    state: str = PENDING
    supplies: frozenset[Supply] = frozenset()
    """What a grid fault opens."""
    notes: dict[str, Columns] = field(default_factory=dict)

    @property
    def disturbance(self) -> Disturbance:
        disturbs = self.spec.disturbance
        return Disturbance() if disturbs is None else disturbs(self.mode, self.parameters)

    @property
    def end_s(self) -> float:
        return float("inf") if self.duration_s is None else self.start_s + self.duration_s


class FaultBoard:
    """Adds, ages and clears faults, and turns true columns into reported ones."""

    def __init__(self, farm: Farm) -> None:
        self._farm = farm
        self._faults: dict[int, Fault] = {}
        self._last_id = 0
        self._cleared: list[Fault] = []
        self._ended: deque[int] = deque()
        """Those that have ended, the one first that ended first."""
        self._open: set[Supply] = set()
        self.lost_generation_w = 0.0
        """Generation missing in the area because of faults. [W]"""

    # ------------------------------------------------------------------------------- operator

    def add(
        self,
        kind: str,
        target: Mapping[str, str] | None = None,
        mode: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        start_s: float | None = None,
        duration_s: float | None = None,
    ) -> Fault:
        """Put a fault on the farm; it takes hold with the first step at or after ``start_s``.

        ``target`` may name ``kind``, ``group``, ``feeder``, ``device`` (a glob) and, for a measurement
        fault, ``quantity`` (a glob). What is left out matches everything.

        Raises ``ConfigError`` with every problem, or ``StateError`` when the board is full.
        """
        if sum(fault.state != ENDED for fault in self._faults.values()) >= FAULTS_MAX:
            raise StateError(f"{FAULTS_MAX} faults are waiting or active; clear some first")
        request = _Request(self._farm, kind, dict(target or {}), mode, dict(parameters or {}), duration_s)
        if request.problems:
            raise ConfigError(request.problems)
        assert request.spec is not None
        disturbs = request.spec.disturbance
        opens = "" if disturbs is None else disturbs(request.mode, request.parameters).opens
        rows, hit, missed = self._grip(request.spec, request.target)
        supplies: frozenset[Supply] = frozenset()
        if opens:
            rows, hit, missed, supplies = self._cut_off(rows, branch=opens == "branch")
        if not hit:
            reason = "no device matches the target" if not missed else "no device of the target can have this fault"
            raise ConfigError([Problem("fault", 0, "target", reason)])
        self._last_id += 1
        fault = Fault(
            id=self._last_id,
            spec=request.spec,
            target=request.target,
            mode=request.mode,
            parameters=request.parameters,
            start_s=self._farm.time_s if start_s is None else start_s,
            duration_s=duration_s,
            rows=rows,
            hit=hit,
            missed=missed,
            supplies=supplies,
        )
        self._faults[fault.id] = fault
        self._forget_oldest()
        return fault

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

    def rows_of(self, *, kind: str = "", group: str = "", feeder: str = "", device: str = "*") -> Rows:
        """Find devices by kind, group, feeder and glob: group name -> rows, in the site's order."""
        found: Rows = {}
        for name, members in self._farm.groups.items():
            layout = members.layout
            if (kind and layout.kind != kind) or (group and name != group) or (feeder and layout.feeder != feeder):
                continue
            rows = [row for row, each in enumerate(layout.devices) if device == "*" or fnmatchcase(each, device)]
            if rows:
                found[name] = np.array(rows, dtype=np.intp)
        return found

    # ----------------------------------------------------------------------------------- step

    def update(self, time_s: float) -> list[tuple[Fault, str]]:
        """Begin and end what is due; return every fault that changed, with ``"began"`` or ``"ended"``."""
        changed = [(fault, "ended") for fault in self._cleared]
        self._cleared.clear()
        for fault in self._faults.values():
            if fault.state == PENDING and time_s >= fault.start_s:
                self._begin(fault)
                changed.append((fault, "began"))
            if fault.state == ACTIVE and time_s >= fault.end_s:
                self._end(fault)
                changed.append((fault, "ended"))
        return changed

    def report(self) -> None:
        """Make the reported columns of every group from its true ones and the active faults."""
        active = [fault for fault in self._faults.values() if fault.state == ACTIVE]
        for group in self._farm.groups.values():
            gripping = [fault for fault in active if group.name in fault.rows]
            group.reported, group.quality = group.columns, {}
            for fault in gripping:
                if fault.spec.report is not None:
                    self._misreport(group, fault)
            for fault in gripping:
                if fault.spec.holds:
                    self._hold(group, fault)

    def _misreport(self, group: Group, fault: Fault) -> None:
        assert fault.spec.report is not None
        rows, notes = fault.rows[group.name], fault.notes[group.name]
        elapsed_s = self._farm.time_s - fault.start_s
        reported = dict(group.reported)
        for name, note in notes.items():
            column = reported[name].copy()
            true = group.columns[name][rows]
            column[rows], quality = fault.spec.report(fault.mode, fault.parameters, true, column[rows], note, elapsed_s)
            reported[name] = column
            if quality:
                _mark(group, name, rows, quality)
        group.reported = reported

    def _hold(self, group: Group, fault: Fault) -> None:
        """What an RTU still knows of a device that is off the network: the last values, not topical."""
        rows, notes = fault.rows[group.name], fault.notes[group.name]
        reported = dict(group.reported)
        for name, note in notes.items():
            column = reported[name].copy()
            column[rows] = note
            reported[name] = column
            _mark(group, name, rows, Quality.NOT_TOPICAL)
        # That the device is not there is the one thing the RTU does know.
        column = reported["online"]
        column[rows] = 0.0
        group.quality["online"][rows] = Quality.GOOD
        group.reported = reported

    def _begin(self, fault: Fault) -> None:
        fault.state = ACTIVE
        # Its duration counts from the step it takes hold with, or one shorter than a step would never show.
        fault.start_s = self._farm.time_s
        for name, rows in fault.rows.items():
            group = self._farm.groups[name]
            fault.notes[name] = {
                quantity: group.reported[quantity][rows].copy()
                for quantity in _touched(fault.spec, group, fault.target)
            }
        self._take_hold()

    def _end(self, fault: Fault) -> None:
        fault.state = ENDED
        self._ended.append(fault.id)
        fault.notes.clear()
        self._take_hold()

    def _take_hold(self) -> None:
        self._set_conditions()
        active = [fault for fault in self._faults.values() if fault.state == ACTIVE]
        self.lost_generation_w = sum(fault.disturbance.lost_generation_w for fault in active)
        opened = {supply for fault in active for supply in fault.supplies}
        for supply in self._open - opened:
            self._farm.network.energise(*supply)
        for supply in opened - self._open:
            self._farm.network.deenergise(*supply)
        self._open = opened

    def _set_conditions(self) -> None:
        for group in self._farm.groups.values():
            group.conditions = {}
        for fault in self._faults.values():
            if fault.state != ACTIVE or fault.spec.condition is None:
                continue
            name, value = fault.spec.condition(fault.mode, fault.parameters)
            for group_name, rows in fault.rows.items():
                group = self._farm.groups[group_name]
                group.conditions.setdefault(name, np.zeros(group.size))[rows] = value

    # --------------------------------------------------------------------------------- target

    def _grip(self, spec: FaultSpec, target: Mapping[str, str]) -> tuple[Rows, tuple[str, ...], tuple[str, ...]]:
        place = {key: value for key, value in target.items() if key != "quantity"}
        rows, hit, missed = {}, [], []
        for name, found in self.rows_of(**place).items():
            group = self._farm.groups[name]
            devices = [group.layout.devices[row] for row in found]
            served = {way.protocol for way in group.layout.served}
            reachable = not spec.protocols or served.intersection(spec.protocols)
            if reachable and (spec.report is None or _touched(spec, group, target)):
                rows[name] = found
                hit += devices
            else:
                missed += devices
        return rows, tuple(hit), tuple(missed)

    def _cut_off(self, rows: Rows, *, branch: bool) -> tuple[Rows, tuple[str, ...], tuple[str, ...], frozenset[Supply]]:
        """Widen a target to all who share a supply with it; devices that have no such supply are missed."""
        feeding = {
            group.name: [self._farm.network.supply_of(place.start + row, branch=branch) for row in range(group.size)]
            for group, place in self._farm.placed()
        }
        wanted = {feeding[name][row] for name, found in rows.items() for row in found}
        supplies = frozenset(supply for supply in wanted if supply is not None)
        shared, hit, missed = {}, [], []
        for group, _ in self._farm.placed():
            own = [row for row, supply in enumerate(feeding[group.name]) if supply in supplies]
            if own:
                shared[group.name] = np.array(own, dtype=np.intp)
                hit += [group.layout.devices[row] for row in own]
            beside = [row for row in rows.get(group.name, ()) if feeding[group.name][row] is None]
            missed += [group.layout.devices[row] for row in beside]
        return shared, tuple(hit), tuple(missed), supplies

    def _forget_oldest(self) -> None:
        while len(self._ended) > ENDED_KEPT:
            del self._faults[self._ended.popleft()]


def _touched(spec: FaultSpec, group: Group, target: Mapping[str, str]) -> list[str]:
    """The quantities of a group that a fault changes or holds."""
    names = [q.name for q in group.spec.quantities]
    if spec.report is None:
        return names if spec.holds else []
    return [name for name in names if fnmatchcase(name, target.get("quantity", "*"))]


def _mark(group: Group, name: str, rows: npt.NDArray[np.intp], quality: Quality) -> None:
    marks = group.quality.setdefault(name, np.zeros(group.size, dtype=np.uint8))
    marks[rows] |= np.uint8(quality)


class _Request:
    """What was asked for, checked; ``problems`` lists all that is wrong with it."""

    def __init__(
        self,
        farm: Farm,
        kind: str,
        target: dict[str, str],
        mode: str | None,
        parameters: dict[str, Any],
        duration_s: float | None,
    ) -> None:
        self.problems: list[Problem] = []
        self.target = target
        self.mode = ""
        self.parameters: Any = None
        self.spec = registry.fault(kind) if self._known("kind", kind, list(registry.FAULTS)) else None
        if duration_s is not None and not 0.0 < duration_s < float("inf"):
            self._problem("duration_s", "must be a positive number of seconds, or left out")
        self._check_target(farm)
        if self.spec is not None:
            self._check_spec(self.spec, mode, parameters)

    def _check_target(self, farm: Farm) -> None:
        groups = farm.groups.values()
        known = {
            "kind": sorted({group.layout.kind for group in groups}),
            "group": list(farm.groups),
            "feeder": list(farm.layout.feeders),
        }
        for key, value in self.target.items():
            if key in known:
                self._known(f"target.{key}", value, known[key])
            else:
                self._known("target", key, [*known, "device", "quantity"])

    def _check_spec(self, spec: FaultSpec, mode: str | None, parameters: dict[str, Any]) -> None:
        if spec.report is not None and not self.target.get("quantity"):
            self._problem("target.quantity", f"a {spec.kind} fault needs the name or glob of a quantity")
        if spec.everywhere and self.target:
            self._problem("target", f"a {spec.kind} fault acts on the whole site and takes no target")
        elif spec.report is None and "quantity" in self.target:
            self._problem("target.quantity", f"a {spec.kind} fault grips whole devices")
        if mode is not None and not spec.modes:
            self._problem("mode", f"a {spec.kind} fault has no modes")
        elif mode is not None:
            self._known("mode", mode, list(spec.modes))
        self.mode = mode if mode is not None else next(iter(spec.modes), "")
        try:
            self.parameters = spec.parameters.model_validate(parameters)
        except ValidationError as error:
            for each in error.errors():
                where = ".".join(("parameters", *map(str, each["loc"])))
                self._problem(where, each["msg"])

    def _known(self, where: str, name: str, names: list[str]) -> bool:
        if name in names:
            return True
        near = get_close_matches(name, names, 1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"
        self._problem(where, f"{name} is not known; {hint}")
        return False

    def _problem(self, where: str, message: str) -> None:
        self.problems.append(Problem("fault", 0, where, message))
