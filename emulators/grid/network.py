"""The feeders of a site: who stands where on them, and the voltages that come of what they draw.

A feeder described by a transformer, or by nothing at all, is a low-voltage network of substations and
branches (``substations``); one described by an impedance is the linear sweep of ``physics.feeder``.
Networks are cut into parts of some hundred nodes. A part is solved every ``solve_every_s`` of site time,
or as soon as the power behind one of its transformers has moved, and the parts take turns over the
steps. In between its customers keep their last voltages.

A part whose power flow does not converge is split into its substations. The one at fault keeps its last
voltages, its customers are ``questionable``, and the failure is counted, and logged when it begins.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.mains import Mains
from pilotfarm.emulators.grid.substations import Indices, NotConverged, Part, tree
from pilotfarm.emulators.physics import feeder as linear
from pilotfarm.emulators.physics.grid import NetworkPlan, planned
from pilotfarm.emulators.site.layout import FeederLayout, GridLayout

NODES_A_PART: Final = 600
SMALL_SITE: Final = 1_000
SELDOM_S: Final = 10.0

Supply: TypeAlias = tuple[str, int | None]
"""A feeder by its name, and one of its branches or ``None`` for all of it."""

_SOON_S: Final = 1e-9  # sums of tenths of a second miss a whole one by less

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FeederState:
    """A feeder as last solved. Powers flow at the medium voltage, plus towards it.

    An impedance has no losses and no transformer: these are 0. Loading is that of the fullest
    transformer's fullest winding, by current; ``failures`` counts power flows that did not converge.
    """

    name: str
    energised: bool
    converged: bool
    failures: int
    power_w: float
    reactive_power_var: float
    cable_losses_w: float
    transformer_losses_w: float
    loading_frac: float
    lowest_voltage_v: float
    highest_voltage_v: float

    @property
    def losses_w(self) -> float:
        return self.cable_losses_w + self.transformer_losses_w


@dataclass(frozen=True, slots=True)
class Customers:
    """Who stands on the feeders, one row a device.

    ``feeder`` is its number, ``branch`` a draw in [0, 1) that says which of the feeder's branches,
    ``position`` the share of the way along it. By what they are rated to draw and deliver [W, >= 0] a
    feeder nobody described is sized.
    """

    feeder: Indices
    branch: Floats
    position: Floats
    draw_w: Floats
    deliver_w: Floats


class Network:
    """The feeders of a site and their state."""

    def __init__(self, feeders: Sequence[FeederLayout], options: GridLayout, customers: Customers) -> None:
        n = len(customers.feeder)
        self._feeders = {each.name: each for each in feeders}
        self._numbers = {each.name: number for number, each in enumerate(feeders)}
        self._customers = customers
        self._every_s = cadence_s(n) if options.solve_every_s is None else options.solve_every_s
        self._moved_frac = options.moved_frac
        self.solves = 0
        self.failures = 0
        self.questionable = np.zeros(n, dtype=np.bool_)
        """(n,), whether a customer's voltage is left from before the power flow failed."""
        self._dark: set[Supply] = set()
        self._lay_impedances()
        self._lay_networks()
        self._lay_points()

    def _lay_impedances(self) -> None:
        simple = [each.resistance_ohm is not None for each in self._feeders.values()]
        self._by_impedance = np.flatnonzero(np.array(simple)[self._customers.feeder])
        self._impedances = tuple(
            np.array([getattr(each, name) or 0.0 for each in self._feeders.values()])
            for name in ("source_voltage_v", "resistance_ohm", "reactance_ohm")
        )
        self._impedance_power = np.zeros((2, len(simple)))
        self._on_impedance = {
            number: np.flatnonzero(self._customers.feeder == number) for number, each in enumerate(simple) if each
        }

    def _lay_networks(self) -> None:
        who = self._customers
        plans: list[NetworkPlan] = []
        owners: list[int] = []
        first: dict[int, int] = {}
        for number, each in enumerate(self._feeders.values()):
            if each.resistance_ohm is None:
                ours = who.feeder == number
                plan = _planned(each, who.draw_w[ours], who.deliver_w[ours])
                first[number] = len(plans)
                plans += [plan] * plan.substations
                owners += [number] * plan.substations
        self._owner = np.array(owners, dtype=np.intp)
        self.plans = {name: plans[first[number]] for name, number in self._numbers.items() if number in first}
        self._by_network = np.flatnonzero(np.isin(who.feeder, list(first)))
        feeder = who.feeder[self._by_network]
        begin = np.array([first.get(number, 0) for number in range(len(self._feeders))], dtype=np.intp)[feeder]
        width = np.array([plan.branches for plan in plans], dtype=np.intp)[begin] if len(feeder) else begin
        count = np.array([plan.substations for plan in plans], dtype=np.intp)[begin] if len(feeder) else begin
        lane = np.minimum((who.branch[self._by_network] * (width * count)).astype(np.intp), width * count - 1)
        self._substation = begin + lane // np.maximum(width, 1)
        self._branch = lane % np.maximum(width, 1)
        layouts = [list(self._feeders.values())[number] for number in owners]
        self._tree, self._node = tree(
            tuple(plans),
            np.array([each.nominal_voltage_v for each in layouts]),
            np.array([each.source_voltage_v for each in layouts]),
            self._substation,
            self._branch,
            who.position[self._by_network],
        )
        k, s = len(self._tree.substation), len(plans)
        self._place = (self._node + k * np.arange(3)[:, None]).ravel()
        self._peopled, self._first_node = np.unique(self._tree.substation, return_index=True)
        self._load = np.zeros((2, 3, k))
        self._solved = np.zeros((2, 3, k))
        self._flows = np.zeros((5, s))
        self._unread: list[Part] = []
        """Solved since somebody has asked for flows."""
        self._failing = np.zeros(s, dtype=np.bool_)
        self._failed = np.zeros(s, dtype=np.int64)
        self._most_move = np.array([plan.transformer.rated_va for plan in plans]) * self._moved_frac
        self._parts = list(self._cut())
        for turn, part in enumerate(self._parts, 1):
            part.turn_in_s = self._every_s * turn / len(self._parts)

    def _lay_points(self) -> None:
        """Give every customer a point of voltage: that of its node, or one of its own behind an impedance."""
        nodes, alone = len(self._tree.substation), len(self._by_impedance)
        self._point = np.empty(len(self._customers.feeder), dtype=np.intp)
        self._point[self._by_network] = self._node
        self._point[self._by_impedance] = np.arange(nodes, nodes + alone)
        source_v = np.array([each.source_voltage_v for each in self._feeders.values()])
        at_first = np.concatenate((self._tree.source_voltage_v[self._tree.substation], source_v[self._alone()]))
        self._table = Mains.of(np.tile(at_first, (3, 1))).table
        """The mains of all points, of the last solution; the nodes' first."""
        self._mains: Mains | None = None
        self._nodes_v, self._own_points = self._table[:3, :nodes], slice(nodes, None)

    def _alone(self) -> Indices:
        """Return the feeders of those behind an impedance."""
        return self._customers.feeder[self._by_impedance]

    def _cut(self) -> Iterator[Part]:
        """Cut the substations into parts of at least one and about ``NODES_A_PART`` nodes."""
        many = np.bincount(self._tree.substation, minlength=len(self._owner))
        first = nodes = 0
        for index, count in enumerate(many.tolist()):
            if index > first and nodes + count > NODES_A_PART:
                yield Part(self._tree, first, index)
                first, nodes = index, 0
            nodes += count
        if len(many):
            yield Part(self._tree, first, len(many))

    # ------------------------------------------------------------------------------------ step

    def step(self, dt_s: float, active_w: Floats, reactive_var: Floats) -> None:
        """Bring the mains up to date after ``dt_s`` [s, >= 0] with powers ``(3, n)``, plus to the feeder."""
        if self._parts:
            self._solve_parts(dt_s, active_w, reactive_var)
        if len(self._by_impedance):
            self._show(self._own_points, Mains.of(self._swept(active_w, reactive_var)).table)

    @property
    def mains(self) -> Mains:
        """Of all customers, of the last solution: the same as long as no voltage has changed."""
        if self._mains is None:
            self._mains = Mains(self._table.take(self._point, axis=1))
        return self._mains

    @property
    def voltage_v(self) -> Floats:
        """``(3, n)``, by phase and customer: line to neutral, of the last solution."""
        return self.mains.voltage_v

    def _show(self, points: slice | Indices, table: Floats | float) -> None:
        self._table[:, points] = table
        self._mains = None

    def _solve_parts(self, dt_s: float, active_w: Floats, reactive_var: Floats) -> None:
        everybody = len(self._by_network) == active_w.shape[1]
        for load, power in zip(self._load, (active_w, reactive_var), strict=True):
            here = power if everybody else power[:, self._by_network]
            load[:] = np.bincount(self._place, weights=here.ravel(), minlength=load.size).reshape(load.shape)
        for part in self._due(dt_s):
            self._solve(part)

    def _due(self, dt_s: float) -> list[Part]:
        """Return the parts whose turn it is, and those in which power has moved."""
        turns = [self._has_turn(part, dt_s) for part in self._parts]
        if all(turns) or self.solves == self.failures == 0:
            return list(self._parts)
        moved = self._moved()
        if moved.any():
            turns = [turn or bool(moved[part.substations].any()) for turn, part in zip(turns, self._parts, strict=True)]
        return [part for turn, part in zip(turns, self._parts, strict=True) if turn]

    def _has_turn(self, part: Part, dt_s: float) -> bool:
        part.turn_in_s -= dt_s
        turn = part.turn_in_s <= _SOON_S
        if turn:
            part.turn_in_s = self._every_s - max(-part.turn_in_s, 0.0) % self._every_s
        return turn

    def _moved(self) -> npt.NDArray[np.bool_]:
        """Return behind which transformers power has moved since they were solved, ``(s,)``."""
        moves = self._load - self._solved
        np.abs(moves, out=moves)
        by_node = moves.sum(axis=(0, 1))
        moved = np.zeros(len(self._owner), dtype=np.bool_)
        # Nodes are in order of their substations; where nobody stands nothing moves.
        moved[self._peopled] = np.add.reduceat(by_node, self._first_node) > self._most_move[self._peopled]
        return moved

    def _solve(self, part: Part) -> None:
        try:
            voltage = part.solve(self._load[0][:, part.nodes], self._load[1][:, part.nodes])
        except NotConverged as reason:
            if part.count == 1:
                self._keep(part, str(reason))
                return
            place = self._parts.index(part)
            self._parts[place : place + 1] = apart = self._apart(part)
            for each in apart:
                self._solve(each)
            return
        self._take(part, voltage)

    def _apart(self, part: Part) -> list[Part]:
        """Make a part of each of its substations, with switches as they stand."""
        self._read()
        apart = [Part(self._tree, index, index + 1) for index in range(part.substations.start, part.substations.stop)]
        for each in apart:
            each.turn_in_s = part.turn_in_s
        for name, branch in self._dark:
            self._switch(apart, name, branch, closed=False)
        return apart

    def _take(self, part: Part, voltage: Floats) -> None:
        self.solves += 1
        self._solved[:, :, part.nodes] = self._load[:, :, part.nodes]
        self._show(part.nodes, Mains.of(voltage).table)
        if part not in self._unread:
            self._unread.append(part)
        if self._failing[part.substations].any():
            self._failing[part.substations] = False
            self._mark()
            log.warning("feeder %s: the power flow converges again", self._name(part))

    def _keep(self, part: Part, reason: str) -> None:
        self.failures += 1
        self._solved[:, :, part.nodes] = self._load[:, :, part.nodes]
        self._failed[part.substations] += 1
        if not self._failing[part.substations].any():
            self._failing[part.substations] = True
            self._mark()
            log.warning("feeder %s: the power flow fails, the last voltages stand: %s", self._name(part), reason)

    def _mark(self) -> None:
        questionable = np.zeros_like(self.questionable)
        questionable[self._by_network] = self._failing[self._substation]
        self.questionable = questionable

    def _name(self, part: Part) -> str:
        return list(self._feeders)[int(self._owner[part.substations.start])]

    def _swept(self, active_w: Floats, reactive_var: Floats) -> Floats:
        rows, feeder = self._by_impedance, self._alone()
        active, reactive = active_w[:, rows], reactive_var[:, rows]
        voltage: Floats = linear.voltages(active, reactive, feeder, self._customers.position[rows], *self._impedances)
        alive = np.array([(name, None) not in self._dark for name in self._feeders])
        for row, power in enumerate((active, reactive)):
            self._impedance_power[row] = np.bincount(feeder, weights=power.sum(axis=0), minlength=len(alive)) * alive
        voltage *= alive[feeder]
        return voltage

    # -------------------------------------------------------------------------------- switching

    def deenergise(self, feeder: str, branch: int | None = None) -> None:
        """Open a feeder's supply, or one of its branches: the voltage behind it is gone at once.

        Branches count from 0 over the feeder's substations. ``KeyError`` for a feeder or branch there
        is none of.
        """
        self._set(feeder, branch, closed=False)

    def energise(self, feeder: str, branch: int | None = None) -> None:
        """Close again what ``deenergise`` opened; the voltage is back once it is solved."""
        self._set(feeder, branch, closed=True)

    def branches(self, feeder: str) -> int:
        """Return how many branches a feeder has over all its substations; an impedance has none."""
        plan = self.plans.get(feeder)
        return 0 if plan is None else plan.branches * plan.substations

    def supply_of(self, customer: int, *, branch: bool) -> Supply | None:
        """Return what feeds a customer: its feeder, or its branch, of which an impedance has none."""
        feeder = list(self._feeders)[int(self._customers.feeder[customer])]
        if not branch:
            return feeder, None
        number = self.branch_of(customer)
        return None if number < 0 else (feeder, number)

    def branch_of(self, customer: int) -> int:
        """Return the branch a customer is on, -1 on an impedance."""
        place = int(np.searchsorted(self._by_network, customer))
        if place == len(self._by_network) or self._by_network[place] != customer:
            return -1
        substation = int(self._substation[place])
        begin = int(np.searchsorted(self._owner, self._owner[substation]))
        return (substation - begin) * self._tree.plans[substation].branches + int(self._branch[place])

    def _set(self, feeder: str, branch: int | None, *, closed: bool) -> None:
        if feeder not in self._feeders:
            raise KeyError(f"there is no feeder {feeder}")
        if branch is not None and not 0 <= branch < self.branches(feeder):
            raise KeyError(f"feeder {feeder} has {self.branches(feeder)} branches, not one numbered {branch}")
        (self._dark.discard if closed else self._dark.add)((feeder, branch))
        self._switch(self._parts, feeder, branch, closed=closed)
        if not closed:
            self._darken(feeder, branch)

    def _darken(self, feeder: str, branch: int | None) -> None:
        """Take the voltage from who has lost the supply: they feel it in the very step, before it is solved."""
        off = self._customers.feeder == self._numbers[feeder]
        if branch is not None:
            begin = int(np.searchsorted(self._owner, self._numbers[feeder]))
            lane = (self._substation - begin) * self.plans[feeder].branches + self._branch
            off[self._by_network] &= lane == branch
        self._show(self._point[off], 0.0)

    def _switch(self, parts: Sequence[Part], feeder: str, branch: int | None, *, closed: bool) -> None:
        plan = self.plans.get(feeder)
        if plan is None:
            return
        begin = int(np.searchsorted(self._owner, self._numbers[feeder]))
        if branch is None:
            chosen: list[tuple[int, int | None]] = [(begin + index, None) for index in range(plan.substations)]
        else:
            chosen = [(begin + branch // plan.branches, branch % plan.branches)]
        for part in parts:
            for substation, lane in chosen:
                if part.substations.start <= substation < part.substations.stop:
                    part.switch(substation - part.substations.start, lane, closed)
                    part.turn_in_s = 0.0

    # ------------------------------------------------------------------------------------ read

    def _read(self) -> None:
        """Bring the flows up to date with the voltages."""
        for part in self._unread:
            self._flows[:, part.substations] = part.flows()
        self._unread.clear()

    def feeder(self, name: str) -> FeederState:
        """Return a feeder's state as of the last solution; ``KeyError`` if there is none of that name."""
        self._read()
        number = self._numbers[name]
        energised = (name, None) not in self._dark
        ours = slice(*np.searchsorted(self._owner, (number, number + 1)))  # no substation, if it is an impedance
        if name in self.plans:
            nodes = slice(*np.searchsorted(self._tree.substation, (ours.start, ours.stop)))
            voltage = self._nodes_v[:, nodes]
        else:
            voltage = self.voltage_v[:, self._on_impedance[number]]
        flows = self._flows[:4, ours].sum(axis=1)
        flows[:2] += self._impedance_power[:, number]
        source = self._feeders[name].source_voltage_v if energised else 0.0
        power, reactive, cables, transformers = flows.tolist()
        return FeederState(
            name=name,
            energised=energised,
            converged=not self._failing[ours].any(),
            failures=int(self._failed[ours].sum()),
            power_w=power,
            reactive_power_var=reactive,
            cable_losses_w=cables,
            transformer_losses_w=transformers,
            loading_frac=float(self._flows[4, ours].max(initial=0.0)),
            lowest_voltage_v=float(voltage.min()) if voltage.size else source,
            highest_voltage_v=float(voltage.max()) if voltage.size else source,
        )

    def __iter__(self) -> Iterator[FeederState]:
        return (self.feeder(name) for name in self._feeders)


def cadence_s(customers: int) -> float:
    """Return how often a site of so many is solved unless its file says: each second, a larger one less often."""
    return min(max(1.0, customers / SMALL_SITE), SELDOM_S)


def _planned(layout: FeederLayout, draw_w: Floats, deliver_w: Floats) -> NetworkPlan:
    return planned(
        draw_w,
        deliver_w,
        transformers=layout.transformers,
        transformer_kva=layout.transformer_kva,
        uk_frac=layout.transformer_uk_frac,
        rx_ratio=layout.transformer_rx_ratio,
        branches=layout.branches,
        cable=layout.cable,
        length_m=layout.length_m,
    )
