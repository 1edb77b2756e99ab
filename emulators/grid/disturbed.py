"""The substations that faults disturb, while they do: a sweep of its own for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.grid.powerflow import NotConverged
from pilotfarm.emulators.grid.sweep import EVEN, Condition, Phasors, Sweep
from pilotfarm.emulators.grid.topology import Topology


class Disturbed:
    """Which of the substations of a topology are disturbed, and how."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._conditions: dict[int, Condition] = {}
        self._sweeps: dict[int, Sweep] = {}
        self._even = np.ones(len(topology.substation))

    def nodes(self, substation: int) -> slice:
        return slice(*np.searchsorted(self._topology.substation, (substation, substation + 1)))

    def among(self, substations: slice) -> list[int]:
        """Return which of some substations are disturbed."""
        return [each for each in self._conditions if substations.start <= each < substations.stop]

    def left(self, load: Floats, nodes: slice) -> Floats:
        """Return the load ``(2, 3, k)`` of some nodes without that at disturbed substations."""
        ours: Floats = load[..., nodes]
        return ours * self._even[nodes] if self._conditions else ours

    def become(self, conditions: Mapping[int, Condition], load: Floats) -> Iterator[tuple[slice, Phasors]]:
        """Put substations in these conditions, all others in none; yield the voltages at once of those that change.

        They are those of the last powers ``(2, 3, k)``, or where these have no solution those without load.
        """
        before, self._conditions = self._conditions, dict(conditions)
        sweeps = self._sweeps
        self._sweeps = {each: sweeps.get(each) or self._sweep(each) for each in conditions}
        self._even[:] = 1.0
        for each in conditions:
            self._even[self.nodes(each)] = 0.0
        for each in sorted(before.keys() | conditions.keys()):
            condition = conditions.get(each, EVEN)
            if condition != before.get(each, EVEN):
                sweep, nodes = self._sweeps.get(each) or sweeps[each], self.nodes(each)
                try:
                    yield nodes, sweep.solve(condition, *load[..., nodes])
                except NotConverged:
                    yield nodes, sweep.without_load(condition)

    def _sweep(self, substation: int) -> Sweep:
        return Sweep(self._topology.subset(substation, substation + 1))

    def solve(self, substation: int, load: Floats) -> Phasors:
        """Return the voltages of a disturbed substation's nodes; raises ``NotConverged``."""
        return self._sweeps[substation].solve(self._conditions[substation], *load[..., self.nodes(substation)])

    def flows(self) -> Iterator[tuple[int, Floats]]:
        """Yield what flows at each disturbed substation, as ``PowerFlow.flows`` does."""
        for substation, sweep in self._sweeps.items():
            yield substation, sweep.flows()
