"""Devices that are off the network by themselves: without supply for longer than they last (column ``dark``).

To their masters that is what a restart is: nobody answers, and who comes back begins anew.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats, anywhere
from pilotfarm.emulators.contracts.fault import Away, DeviceFault
from pilotfarm.emulators.farm.fault import ACTIVE, Course, Fault
from pilotfarm.emulators.farm.population import Population

DARK: Final = "dark"


def _away(mode: str, parameters: None, elapsed_s: Floats) -> Away:
    return Away(np.ones(len(elapsed_s), dtype=np.bool_), np.inf)


_SPEC: Final = DeviceFault(kind="unpowered", title="The device has no supply", parameters=type(None), away=_away)


class Unpowered:
    """Who is off the network for want of supply; ``fault`` grips their ways to their masters, and nothing else."""

    def __init__(self, population: Population) -> None:
        self._groups = [group for group in population if DARK in group.columns]
        self.fault = Fault(0, _SPEC, {}, "", None, 0.0, Course(), {}, (), (), ACTIVE)

    def update(self) -> bool:
        """Look at the columns of the last step; return whether others are off than before."""
        before = self.fault.at
        self.fault.at = {
            group.name: np.flatnonzero(group.columns[DARK]) for group in self._groups if anywhere(group.columns[DARK])
        }
        return before.keys() != self.fault.at.keys() or any(
            not np.array_equal(before[name], rows) for name, rows in self.fault.at.items()
        )
