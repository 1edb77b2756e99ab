"""Feeders described by an impedance: the linear sweep of ``physics.feeder``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.grid.topology import Customers
from pilotfarm.emulators.physics import feeder as linear
from pilotfarm.emulators.site.layout import FeederLayout


class ImpedanceFeeders:
    """Those feeders of a site that are a stiff source behind an impedance."""

    def __init__(self, feeders: Sequence[FeederLayout], customers: Customers) -> None:
        here = np.array([each.resistance_ohm is not None for each in feeders])
        self.rows = np.flatnonzero(here[customers.feeder])
        """Their customers."""
        self.feeder = customers.feeder[self.rows]
        """(m,), the number of each customer's feeder."""
        self.source_voltage_v = np.array([each.source_voltage_v for each in feeders])[self.feeder]
        """(m,), line to neutral, of each customer's feeder."""
        self.power = np.zeros((2, len(feeders)))
        """Active and reactive power [W, var] of each feeder, plus towards the source; 0 for other feeders."""
        self._position = customers.position[self.rows]
        self._described = tuple(
            np.array([getattr(each, name) or 0.0 for each in feeders])
            for name in ("source_voltage_v", "resistance_ohm", "reactance_ohm")
        )

    def voltages(self, active_w: Floats, reactive_var: Floats, energised: npt.NDArray[np.bool_]) -> Floats:
        """Return their customers' voltages ``(3, m)`` [V] for the powers ``(3, n)`` of all customers.

        ``energised`` has one value a feeder. The feeders' own powers are kept in ``power``.
        """
        active, reactive = active_w[:, self.rows], reactive_var[:, self.rows]
        voltage: Floats = linear.voltages(active, reactive, self.feeder, self._position, *self._described)
        for row, power in enumerate((active, reactive)):
            total = np.bincount(self.feeder, weights=power.sum(axis=0), minlength=len(energised))
            self.power[row] = total * energised
        voltage *= energised[self.feeder]
        return voltage
