"""The feeders of a site, and the voltages that result from what their customers draw and deliver.

A feeder described by a transformer, or not at all, is a low-voltage network of substations and branches
(``lowvoltage``); one described by an impedance is a linear sweep (``impedance``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.mains import Mains
from pilotfarm.emulators.grid.impedance import ImpedanceFeeders
from pilotfarm.emulators.grid.lowvoltage import LowVoltageFeeders
from pilotfarm.emulators.grid.topology import Customers, Indices
from pilotfarm.emulators.physics.grid import NetworkPlan
from pilotfarm.emulators.site.layout import FeederLayout, GridLayout

__all__ = ["Customers", "FeederState", "Network", "Supply", "cadence_s"]

CUSTOMERS_PER_SECOND: Final = 1_000
CADENCE_MIN_S: Final = 1.0
CADENCE_MAX_S: Final = 10.0

Supply: TypeAlias = tuple[str, int | None]
"""A feeder by its name, and one of its branches or ``None`` for all of it."""


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
        self._open: set[Supply] = set()
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
        for nodes, voltage in self._low_voltage.solve(dt_s, active_w, reactive_var):
            self._set(nodes, Mains.of(voltage).table)
        if len(self._impedances.rows):
            energised = np.array([(name, None) not in self._open for name in self._feeders])
            voltage = self._impedances.voltages(active_w, reactive_var, energised)
            self._set(self._impedance_points, Mains.of(voltage).table)

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

    # -------------------------------------------------------------------------------- switching

    def deenergise(self, feeder: str, branch: int | None = None) -> None:
        """Open a feeder's supply, or one of its branches: the voltage behind it is gone at once.

        Branches count from 0 over the feeder's substations. ``KeyError`` for a feeder or branch that does
        not exist.
        """
        number = self._switch(feeder, branch, closed=False)
        # Customers feel it in this very step, before it is solved.
        off = self._customers.feeder == number
        if branch is not None:
            off[self._low_voltage.rows] &= self._low_voltage.on_branch(number, branch)
        self._set(self._point[off], 0.0)

    def energise(self, feeder: str, branch: int | None = None) -> None:
        """Close again what ``deenergise`` opened; the voltage is back once it is solved."""
        self._switch(feeder, branch, closed=True)

    def _switch(self, feeder: str, branch: int | None, *, closed: bool) -> int:
        if feeder not in self._feeders:
            raise KeyError(f"there is no feeder {feeder}")
        if branch is not None and not 0 <= branch < self.branches(feeder):
            raise KeyError(f"feeder {feeder} has {self.branches(feeder)} branches, not one numbered {branch}")
        (self._open.discard if closed else self._open.add)((feeder, branch))
        number = self._numbers[feeder]
        self._low_voltage.switch(number, branch, closed=closed)
        return number

    def branches(self, feeder: str) -> int:
        """Return how many branches a feeder has over all its substations; an impedance has none."""
        return self._low_voltage.branches(self._numbers[feeder])

    def supply_of(self, customer: int, *, branch: bool) -> Supply | None:
        """Return what feeds a customer: its feeder, or its branch; ``None`` for the branch of an impedance."""
        feeder = list(self._feeders)[int(self._customers.feeder[customer])]
        if not branch:
            return feeder, None
        number = self.branch_of(customer)
        return None if number < 0 else (feeder, number)

    def branch_of(self, customer: int) -> int:
        """Return the branch a customer is on, -1 on an impedance."""
        return self._low_voltage.branch_of(customer)

    # ------------------------------------------------------------------------------------ read

    def feeder(self, name: str) -> FeederState:
        """Return a feeder's state as of the last solution; ``KeyError`` if there is none of that name."""
        number = self._numbers[name]
        energised = (name, None) not in self._open
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
