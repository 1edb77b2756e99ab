"""Feeders that are low-voltage networks: where their customers are connected, and when they are solved.

The substations of all feeders are solved in groups of some hundred nodes, a ``PowerFlow`` each. A group is
solved every ``every_s`` of site time, or as soon as the power behind one of its transformers has moved, and
the groups take turns over the steps. In between its customers keep their last voltages.

A group whose power flow does not converge is split into its substations. The one at fault keeps its last
voltages, its customers are ``questionable``, and the failure is counted, and logged when it begins.

A substation that a fault disturbs is solved apart (``disturbed``) when the turn of its group comes; the group goes on
as if nobody stood on it, and on its own clock.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.disturbance import BRANCH, FEEDER, NOTHING, Disturbance, together
from pilotfarm.emulators.grid.disturbed import Disturbed
from pilotfarm.emulators.grid.powerflow import NotConverged, PowerFlow
from pilotfarm.emulators.grid.sweep import Condition, Phasors
from pilotfarm.emulators.grid.topology import Customers, Indices, Supply, connected
from pilotfarm.emulators.physics.grid import NetworkPlan, planned
from pilotfarm.emulators.site.layout import FeederLayout

NODES_PER_POWER_FLOW: Final = 600

Solved: TypeAlias = tuple[slice, Floats | Phasors]
"""Nodes, and their voltages ``(3, k)``: phasors where they need not be 120 degrees apart."""

_ROUNDING_S: Final = 1e-9  # sums of tenths of a second miss a whole one by less

log = logging.getLogger(__name__)


class LowVoltageFeeders:
    """Those feeders of a site that are networks behind transformers."""

    def __init__(
        self, feeders: Sequence[FeederLayout], customers: Customers, every_s: float, moved_frac: float
    ) -> None:
        self._feeders = feeders
        self._every_s = every_s
        self.solves = 0
        self.failures = 0
        self.questionable = np.zeros(len(customers.feeder), dtype=np.bool_)
        """(n,) of all customers, whether a voltage is left from before the power flow failed."""
        plans = self._plan(customers)
        self._connect(customers, plans)
        k, s = len(self.topology.substation), len(plans)
        self._flat_index = (self.node + k * np.arange(3)[:, None]).ravel()
        """Where a customer's power by phase is added up in a flattened ``(3, k)``."""
        self._occupied, self._first_node = np.unique(self.topology.substation, return_index=True)
        self._load = np.zeros((2, 3, k))
        self._solved_load = np.zeros((2, 3, k))
        self._flows = np.zeros((5, s))
        self._unread: list[PowerFlow] = []
        """Solved since the flows were last asked for."""
        self._failing = np.zeros(s, dtype=np.bool_)
        self._failures = np.zeros(s, dtype=np.int64)
        self._max_move_va = np.array([plan.transformer.rated_va for plan in plans]) * moved_frac
        self._disturbed = Disturbed(self.topology)
        self._power_flows = list(self._grouped())
        for turn, each in enumerate(self._power_flows, 1):
            each.due_in_s = every_s * turn / len(self._power_flows)

    def _plan(self, customers: Customers) -> list[NetworkPlan]:
        """Size the networks and return a plan for every substation."""
        plans: list[NetworkPlan] = []
        owners: list[int] = []
        self._first: dict[int, int] = {}
        """Feeder number -> its first substation."""
        for number, each in enumerate(self._feeders):
            if each.resistance_ohm is None:
                rows = customers.feeder == number
                plan = _planned(each, customers.draw_w[rows], customers.deliver_w[rows])
                self._first[number] = len(plans)
                plans += [plan] * plan.substations
                owners += [number] * plan.substations
        self._owner = np.array(owners, dtype=np.intp)
        """(s,), the number of each substation's feeder."""
        self.plans = {self._feeders[number].name: plans[first] for number, first in self._first.items()}
        return plans

    def _connect(self, customers: Customers, plans: list[NetworkPlan]) -> None:
        """Spread the customers over the branches of their feeders, and these over the substations."""
        self.rows = np.flatnonzero(np.isin(customers.feeder, list(self._first)))
        """Their customers."""
        feeder = customers.feeder[self.rows]
        begin = np.array([self._first.get(number, 0) for number in range(len(self._feeders))], dtype=np.intp)[feeder]
        width = np.array([plan.branches for plan in plans], dtype=np.intp)[begin] if len(feeder) else begin
        count = np.array([plan.substations for plan in plans], dtype=np.intp)[begin] if len(feeder) else begin
        branch = np.minimum((customers.branch[self.rows] * (width * count)).astype(np.intp), width * count - 1)
        self._substation = begin + branch // np.maximum(width, 1)
        self._branch = branch % np.maximum(width, 1)
        owners = [self._feeders[number] for number in self._owner]
        self.topology, self.node = connected(
            tuple(plans),
            np.array([each.nominal_voltage_v for each in owners]),
            np.array([each.source_voltage_v for each in owners]),
            self._substation,
            self._branch,
            customers.position[self.rows],
        )

    def _grouped(self) -> Iterator[PowerFlow]:
        """Group the substations: at least one each, and about ``NODES_PER_POWER_FLOW`` nodes."""
        counts = np.bincount(self.topology.substation, minlength=len(self._owner))
        first = nodes = 0
        for index, count in enumerate(counts.tolist()):
            if index > first and nodes + count > NODES_PER_POWER_FLOW:
                yield PowerFlow(self.topology, first, index)
                first, nodes = index, 0
            nodes += count
        if len(counts):
            yield PowerFlow(self.topology, first, len(counts))

    # ------------------------------------------------------------------------------------ step

    def solve(self, dt_s: float, active_w: Floats, reactive_var: Floats) -> list[Solved]:
        """Solve what is due after ``dt_s`` [s] with the powers ``(3, n)`` of all customers, plus to the feeder.

        Returns the nodes solved and their voltages, line to neutral.
        """
        if not self._power_flows:
            return []
        are_all = len(self.rows) == active_w.shape[1]
        for load, power in zip(self._load, (active_w, reactive_var), strict=True):
            ours = power if are_all else power[:, self.rows]
            load[:] = np.bincount(self._flat_index, weights=ours.ravel(), minlength=load.size).reshape(load.shape)
        return [solved for each in self._due(dt_s) for solved in self._solve(each)]

    def _due(self, dt_s: float) -> list[PowerFlow]:
        """Return the groups whose turn it is, and those in which power has moved."""
        due = [self._has_turn(each, dt_s) for each in self._power_flows]
        if all(due) or self.solves == self.failures == 0:
            return list(self._power_flows)
        moved = self._moved()
        if moved.any():
            due = [
                turn or bool(moved[each.substations].any()) for turn, each in zip(due, self._power_flows, strict=True)
            ]
        return [each for turn, each in zip(due, self._power_flows, strict=True) if turn]

    def _has_turn(self, power_flow: PowerFlow, dt_s: float) -> bool:
        power_flow.due_in_s -= dt_s
        due = power_flow.due_in_s <= _ROUNDING_S
        if due:
            power_flow.due_in_s = self._every_s - max(-power_flow.due_in_s, 0.0) % self._every_s
        return due

    def _moved(self) -> npt.NDArray[np.bool_]:
        """Return behind which transformers power has moved since they were solved, ``(s,)``."""
        moves = self._load - self._solved_load
        np.abs(moves, out=moves)
        by_node = moves.sum(axis=(0, 1))
        moved = np.zeros(len(self._owner), dtype=np.bool_)
        # Nodes are in order of their substations; without customers nothing moves.
        moved[self._occupied] = np.add.reduceat(by_node, self._first_node) > self._max_move_va[self._occupied]
        return moved

    def _solve(self, power_flow: PowerFlow) -> list[Solved]:
        nodes, apart = power_flow.nodes, self._disturbed.among(power_flow.substations)
        try:
            voltage = power_flow.solve(*self._disturbed.left(self._load, nodes))
        except NotConverged as reason:
            if power_flow.count == 1:
                self._fail(power_flow.substations.start, str(reason))
                return []
            self._read()
            place = self._power_flows.index(power_flow)
            self._power_flows[place : place + 1] = single = power_flow.split(self.topology)
            return [solved for each in single for solved in self._solve(each)]
        self.solves += 1
        self._succeed(np.setdiff1d(np.arange(power_flow.substations.start, power_flow.substations.stop), apart))
        if power_flow not in self._unread:
            self._unread.append(power_flow)
        self._solved_load[:, :, nodes] = self._load[:, :, nodes]
        return [(nodes, voltage), *(solved for each in apart for solved in self._solve_apart(each))]

    def _solve_apart(self, substation: int) -> list[Solved]:
        try:
            voltage = self._disturbed.solve(substation, self._load)
        except NotConverged as reason:
            self._fail(substation, str(reason))
            return []
        self._succeed(np.array([substation]))
        return [(self._disturbed.nodes(substation), voltage)]

    def _succeed(self, substations: Indices) -> None:
        again = substations[self._failing[substations]]
        if len(again):
            self._mark(again, failing=False)
            log.warning("feeder %s: the power flow converges again", self._name(int(again[0])))

    def _fail(self, substation: int, reason: str) -> None:
        self.failures += 1
        nodes = self._disturbed.nodes(substation)
        self._solved_load[:, :, nodes] = self._load[:, :, nodes]
        self._failures[substation] += 1
        if not self._failing[substation]:
            self._mark(np.array([substation]), failing=True)
            log.warning("feeder %s: the power flow fails, the last voltages stand: %s", self._name(substation), reason)

    def _mark(self, substations: Indices, *, failing: bool) -> None:
        self._failing[substations] = failing
        questionable = np.zeros_like(self.questionable)
        questionable[self.rows] = self._failing[self._substation]
        self.questionable = questionable

    def _name(self, substation: int) -> str:
        return self._feeders[int(self._owner[substation])].name

    def disturb(self, disturbances: Mapping[Supply, Disturbance]) -> Iterator[Solved]:
        """Have these supplies disturbed, and no others; yield the voltages of those that change, by the last powers."""
        numbers = {each.name: number for number, each in enumerate(self._feeders)}
        wholes: dict[int, Disturbance] = {}
        branches: dict[int, dict[int, Disturbance]] = {}
        for supply, disturbance in disturbances.items():
            if supply.feeder in self.plans:
                substations, branch = self._reached(numbers[supply.feeder], supply)
                for each in substations:
                    if branch is None:
                        wholes[each] = together(wholes.get(each, NOTHING), disturbance)
                    else:
                        branches.setdefault(each, {})[branch] = disturbance
        self._read()
        yield from self._disturbed.become(
            {
                each: Condition(wholes.get(each, NOTHING), branches.get(each, {}))
                for each in wholes.keys() | branches.keys()
            },
            self._load,
        )

    # -------------------------------------------------------------------------------- branches

    def count(self, feeder: int, at: str) -> int:
        """Return how many of such supplies a feeder has over all its substations; an impedance is but a feeder."""
        plan = self.plans.get(self._feeders[feeder].name)
        if at == FEEDER or plan is None:
            return int(at == FEEDER)
        return plan.substations * (plan.branches if at == BRANCH else 1)

    def branch_of(self, customer: int) -> int:
        """Return the branch a customer is on, counted over its feeder; -1 if that is none of these."""
        place = self._place(customer)
        if place < 0:
            return -1
        branches = self.topology.plans[int(self._substation[place])].branches
        return self.transformer_of(customer) * branches + int(self._branch[place])

    def transformer_of(self, customer: int) -> int:
        """Return which transformer of its feeder a customer is behind; -1 if that is none of these."""
        place = self._place(customer)
        if place < 0:
            return -1
        substation = int(self._substation[place])
        return substation - self._first[int(self._owner[substation])]

    def _place(self, customer: int) -> int:
        place = int(np.searchsorted(self.rows, customer))
        return place if place < len(self.rows) and self.rows[place] == customer else -1

    def _reached(self, feeder: int, supply: Supply) -> tuple[range, int | None]:
        """Return which substations a supply of a feeder is of, and which of their branches if it is one."""
        first, plan = self._first[feeder], self.plans[supply.feeder]
        if supply.at == FEEDER:
            return range(first, first + plan.substations), None
        transformer, branch = divmod(supply.number, plan.branches if supply.at == BRANCH else 1)
        return range(first + transformer, first + transformer + 1), branch if supply.at == BRANCH else None

    def behind(self, feeder: int, supply: Supply) -> npt.NDArray[np.bool_]:
        """Return which of ``rows`` a transformer or branch of a feeder feeds, ``(m,)``."""
        substations, branch = self._reached(feeder, supply)
        behind: npt.NDArray[np.bool_] = np.isin(self._substation, list(substations))
        return behind if branch is None else behind & (self._branch == branch)

    # ------------------------------------------------------------------------------------ read

    def _read(self) -> None:
        """Bring the flows up to date with the voltages."""
        for each in self._unread:
            self._flows[:, each.substations] = each.flows()
        self._unread.clear()
        for substation, flows in self._disturbed.flows():
            self._flows[:, substation] = flows

    def flows(self, feeder: int) -> tuple[Floats, float]:
        """Return what flows in a feeder by the last solution, and how loaded its fullest transformer is [1].

        Active and reactive power [W, var] at the medium voltage, plus towards it, the losses of cables and
        of transformers [W].
        """
        self._read()
        here = self._substations(feeder)
        return self._flows[:4, here].sum(axis=1), float(self._flows[4, here].max(initial=0.0))

    def converged(self, feeder: int) -> bool:
        return not self._failing[self._substations(feeder)].any()

    def failures_of(self, feeder: int) -> int:
        return int(self._failures[self._substations(feeder)].sum())

    def nodes(self, feeder: int) -> slice:
        """Return the nodes of a feeder; none if it is none of these."""
        here = self._substations(feeder)
        return slice(*np.searchsorted(self.topology.substation, (here.start, here.stop)))

    def _substations(self, feeder: int) -> slice:
        return slice(*np.searchsorted(self._owner, (feeder, feeder + 1)))


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
