"""Feeders described by an impedance: the linear sweep of ``physics.feeder``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.disturbance import Disturbance
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
        self._live = np.ones((3, len(feeders)), dtype=np.bool_)
        self._acting = self._described

    def disturb(self, conditions: Mapping[int, Disturbance]) -> None:
        """Put feeders in these conditions, by their numbers, and all others in none."""
        self._live[:] = True
        source_v, resistance, reactance = self._described
        self._acting = self._described
        if not conditions:
            return
        factor, impedance = np.ones_like(self._live, dtype=np.float64), np.ones_like(source_v)
        for number, condition in conditions.items():
            self._live[:, number] = ~np.array(condition.opened)
            factor[:, number], impedance[number] = condition.voltage, condition.impedance
        self._acting = source_v * factor, resistance * impedance, reactance * impedance

    def voltages(self, active_w: Floats, reactive_var: Floats) -> Floats:
        """Return their customers' voltages ``(3, m)`` [V] for the powers ``(3, n)`` of all customers.

        The feeders' own powers are kept in ``power``.
        """
        active, reactive = active_w[:, self.rows], reactive_var[:, self.rows]
        voltage: Floats = linear.voltages(active, reactive, self.feeder, self._position, *self._acting)
        live = self._live[:, self.feeder]
        voltage *= live
        for row, power in enumerate((active, reactive)):
            self.power[row] = np.bincount(
                self.feeder, weights=(power * live).sum(axis=0), minlength=self._live.shape[1]
            )
        return voltage
