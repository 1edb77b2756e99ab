"""The feeders of a site, and the voltages that result from what their customers draw and deliver.

A feeder described by a transformer, or not at all, is a low-voltage network of substations and branches
(``lowvoltage``); one described by an impedance is a linear sweep (``impedance``).

``disturb`` says what faults do to them. Who stands on what has changed has the voltages of it at once, before the
next solution; a supply that no fault touches is solved as if there were none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.disturbance import BRANCH, FEEDER, NOTHING, Disturbance
from pilotfarm.emulators.contracts.mains import Mains
from pilotfarm.emulators.grid.impedance import ImpedanceFeeders
from pilotfarm.emulators.grid.islands import Island
from pilotfarm.emulators.grid.lowvoltage import LowVoltageFeeders
from pilotfarm.emulators.grid.sweep import NO_VOLTAGE_V, Phasors
from pilotfarm.emulators.grid.topology import Customers, Indices, Supply
from pilotfarm.emulators.physics.grid import NetworkPlan
from pilotfarm.emulators.site.layout import FeederLayout, GridLayout

__all__ = ["Customers", "FeederState", "Network", "Supply", "cadence_s"]

CUSTOMERS_PER_SECOND: Final = 1_000
CADENCE_MIN_S: Final = 1.0
CADENCE_MAX_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class FeederState:
    """A feeder as last solved. Powers are those at the medium voltage, plus towards it.

    An impedance has no losses and no transformer: these are 0. ``loading_frac`` is the current of the most
    loaded winding of all transformers over its rated current; ``failures`` counts power flows that did not
    converge. Voltages are line to neutral.
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


class Network:
    """The feeders of a site and their state."""

    def __init__(self, feeders: Sequence[FeederLayout], options: GridLayout, customers: Customers) -> None:
        self._feeders = {each.name: each for each in feeders}
        self._numbers = {each.name: number for number, each in enumerate(feeders)}
        self._customers = customers
        every_s = cadence_s(len(customers.feeder)) if options.solve_every_s is None else options.solve_every_s
        self._impedances = ImpedanceFeeders(feeders, customers)
        self._low_voltage = LowVoltageFeeders(feeders, customers, every_s, options.moved_frac)
        self._disturbances: dict[Supply, Disturbance] = {}
        self._islands: dict[Supply, Island] = {}
        idle = np.zeros((3, len(customers.feeder)))
        self._power = idle, idle
        """Of the last step, active and reactive."""
        # A customer's voltage is that of a point: its node, or a point of its own behind an impedance.
        topology = self._low_voltage.topology
        nodes, behind_impedances = len(topology.substation), len(self._impedances.rows)
        self._point = np.empty(len(customers.feeder), dtype=np.intp)
        self._point[self._low_voltage.rows] = self._low_voltage.node
        self._point[self._impedances.rows] = np.arange(nodes, nodes + behind_impedances)
        initial = np.concatenate((topology.source_voltage_v[topology.substation], self._impedances.source_voltage_v))
        self._table = Mains.of(np.tile(initial, (3, 1))).table
        """The mains of all points, of the last solution; the nodes' first."""
        self._mains: Mains | None = None
        self._nodes_v, self._impedance_v = self._table[:3, :nodes], self._table[:3, nodes:]
        self._impedance_points = slice(nodes, None)

    @property
    def plans(self) -> Mapping[str, NetworkPlan]:
        """What the feeders that are networks consist of, by name."""
        return self._low_voltage.plans

    @property
    def solves(self) -> int:
        """Power flows that converged."""
        return self._low_voltage.solves

    @property
    def failures(self) -> int:
        """Power flows that did not."""
        return self._low_voltage.failures

    @property
    def questionable(self) -> npt.NDArray[np.bool_]:
        """``(n,)``, whether a customer's voltage is left from before the power flow failed."""
        return self._low_voltage.questionable

    # ------------------------------------------------------------------------------------ step

    def step(self, dt_s: float, active_w: Floats, reactive_var: Floats) -> None:
        """Bring the voltages up to date after ``dt_s`` [s, >= 0] with powers ``(3, n)``, plus to the feeder."""
        self._power = active_w, reactive_var
        for nodes, voltage in self._low_voltage.solve(dt_s, active_w, reactive_var):
            self._set(nodes, _table(voltage))
        self._solve_impedances()
        self._carry(dt_s)

    def _solve_impedances(self) -> None:
        if len(self._impedances.rows):
            self._set(self._impedance_points, _table(self._impedances.voltages(*self._power)))

    @property
    def mains(self) -> Mains:
        """Of all customers, of the last solution: the same object as long as no voltage has changed."""
        if self._mains is None:
            self._mains = Mains(self._table.take(self._point, axis=1))
        return self._mains

    @property
    def voltage_v(self) -> Floats:
        """``(3, n)``, by phase and customer: line to neutral, of the last solution."""
        return self.mains.voltage_v

    def _set(self, points: slice | Indices, table: Floats | float) -> None:
        self._table[:, points] = table
        self._mains = None

    # ----------------------------------------------------------------------------- disturbances

    def disturb(self, disturbances: Mapping[Supply, Disturbance]) -> None:
        """Have these supplies disturbed, and no others: the voltages behind those that change are others at once.

        ``KeyError`` for a supply that does not exist.
        """
        for supply in disturbances:
            self._check(supply)
        if disturbances == self._disturbances:
            return
        before, self._disturbances = self._disturbances, dict(disturbances)
        self._cut_islands(before)
        for nodes, voltage in self._low_voltage.disturb(self._disturbances):
            self._set(nodes, _table(voltage))
        self._impedances.disturb({self._numbers[each.feeder]: what for each, what in self._disturbances.items()})
        self._solve_impedances()
        self._carry(0.0)

    def _check(self, supply: Supply) -> None:
        if supply.feeder not in self._feeders:
            raise KeyError(f"there is no feeder {supply.feeder}")
        count = self._low_voltage.count(self._numbers[supply.feeder], supply.at)
        if not 0 <= supply.number < count:
            raise KeyError(f"feeder {supply.feeder} has {count} of its kind {supply.at}, and no number {supply.number}")

    def _cut_islands(self, before: Mapping[Supply, Disturbance]) -> None:
        """Begin islands where what has just been cut off is carried on, and forget those that are back."""
        carried = {supply: each for supply, each in self._disturbances.items() if each.cut_off and each.carried_s > 0.0}
        self._islands = {supply: island for supply, island in self._islands.items() if supply in carried}
        for supply, disturbance in carried.items():
            if not before.get(supply, NOTHING).cut_off:
                behind = self._behind(supply)
                points = np.unique(self._point[behind])
                self._islands[supply] = Island(
                    behind, points, self._table[:3, points], self._power[0], disturbance.carried_s
                )

    def _carry(self, dt_s: float) -> None:
        """Hold the voltages of islands for ``dt_s`` more; one that nobody carries any longer is dark."""
        if not self._islands:
            return
        dark = np.zeros(self._table.shape[1], dtype=np.bool_)
        for supply, disturbance in self._disturbances.items():
            if disturbance.cut_off and supply not in self._islands:
                dark[self._point[self._behind(supply)]] = True
        for supply, island in list(self._islands.items()):
            held = island.held(self._power[0], dt_s) * ~dark[island.points]
            self._set(island.points, _table(held))
            if island.over:
                del self._islands[supply]

    def _behind(self, supply: Supply) -> npt.NDArray[np.bool_]:
        """Return which customers a supply feeds, ``(n,)``."""
        number = self._numbers[supply.feeder]
        behind: npt.NDArray[np.bool_] = self._customers.feeder == number
        if supply.at != FEEDER:
            behind[self._low_voltage.rows] &= self._low_voltage.behind(number, supply)
        return behind

    def branches(self, feeder: str) -> int:
        """Return how many branches a feeder has over all its substations; an impedance has none."""
        return self._low_voltage.count(self._numbers[feeder], BRANCH)

    def supply_of(self, customer: int, at: str = FEEDER) -> Supply | None:
        """Return what feeds a customer: its feeder, transformer or branch; an impedance is but a feeder."""
        feeder = list(self._feeders)[int(self._customers.feeder[customer])]
        if at == FEEDER:
            return Supply(feeder)
        number = self.branch_of(customer) if at == BRANCH else self._low_voltage.transformer_of(customer)
        return None if number < 0 else Supply(feeder, at, number)

    def branch_of(self, customer: int) -> int:
        """Return the branch a customer is on, -1 on an impedance."""
        return self._low_voltage.branch_of(customer)

    # ------------------------------------------------------------------------------------ read

    def feeder(self, name: str) -> FeederState:
        """Return a feeder's state as of the last solution; ``KeyError`` if there is none of that name."""
        number = self._numbers[name]
        energised = not self._disturbances.get(Supply(name), NOTHING).cut_off
        if name in self.plans:
            voltage = self._nodes_v[:, self._low_voltage.nodes(number)]
        else:
            voltage = self._impedance_v[:, self._impedances.feeder == number]
        flows, loading = self._low_voltage.flows(number)
        flows[:2] += self._impedances.power[:, number]
        source = self._feeders[name].source_voltage_v if energised else 0.0
        power, reactive, cables, transformers = flows.tolist()
        return FeederState(
            name=name,
            energised=energised,
            converged=self._low_voltage.converged(number),
            failures=self._low_voltage.failures_of(number),
            power_w=power,
            reactive_power_var=reactive,
            cable_losses_w=cables,
            transformer_losses_w=transformers,
            loading_frac=loading,
            lowest_voltage_v=float(voltage.min()) if voltage.size else source,
            highest_voltage_v=float(voltage.max()) if voltage.size else source,
        )

    def __iter__(self) -> Iterator[FeederState]:
        return (self.feeder(name) for name in self._feeders)


def cadence_s(customers: int) -> float:
    """Return how often a site of so many customers is solved unless its file says: larger ones less often."""
    return min(max(CADENCE_MIN_S, customers / CUSTOMERS_PER_SECOND), CADENCE_MAX_S)


def _table(voltage: Floats | Phasors) -> Floats:
    """Return the mains of voltages ``(3, k)``; of phasors, line to line is what lies between them."""
    magnitude = np.abs(voltage)
    table = Mains.of(np.where(magnitude > NO_VOLTAGE_V, magnitude, 0.0)).table
    if np.iscomplexobj(voltage):
        table[3] = np.abs(voltage - np.roll(voltage, 1, axis=0)).mean(axis=0)
    return table
