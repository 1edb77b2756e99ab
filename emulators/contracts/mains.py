"""The mains at connection points: their voltages, and what everybody behind them makes of these, worked out once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.columns.views import SiteRows, at_rows

_ROWS: Final = 9


@dataclass(frozen=True, slots=True)
class Mains:
    """Of ``n`` connection points. Voltages are line to neutral [V], >= 0, but for ``voltage_ll_v``."""

    table: Floats
    """``(9, n)``: what the properties name, in one array, so that those of some points are one look-up."""

    @classmethod
    def of(cls, voltage_v: Floats) -> Mains:
        """Work out what comes of the voltages ``(3, n)`` of three phases 120 degrees apart."""
        table = np.empty((_ROWS, voltage_v.shape[1]))
        table[:3] = voltage_v
        a, b, c = table[:3]
        table[3] = _line_to_line(a, b, c)
        np.maximum(np.maximum(a, b), c, out=table[4])
        np.minimum(np.minimum(a, b), c, out=table[5])
        table[6:] = 0.0
        np.divide(1.0, table[:3], out=table[6:], where=table[:3] > 0.0)
        return cls(table)

    def at(self, rows: SiteRows) -> Mains:
        """Return the mains of some of the points."""
        return Mains(at_rows(self.table, rows))

    @property
    def voltage_v(self) -> Floats:
        """``(3, n)``, by phase."""
        return self.table[:3]

    @property
    def voltage_ll_v(self) -> Floats:
        """Mean of the three voltages from line to line."""
        return np.asarray(self.table[3])

    @property
    def highest_v(self) -> Floats:
        """Of the three phases."""
        return np.asarray(self.table[4])

    @property
    def lowest_v(self) -> Floats:
        """Of the three phases."""
        return np.asarray(self.table[5])

    @property
    def current_a_per_va(self) -> Floats:
        """``(3, n)``: current that a volt-ampere on a phase is; 0 where there is no voltage."""
        return self.table[6:]


def _line_to_line(a: Floats, b: Floats, c: Floats) -> Floats:
    aa, bb, cc = a * a, b * b, c * c
    total: Floats = np.sqrt(aa + bb + a * b)
    total += np.sqrt(bb + cc + b * c)
    total += np.sqrt(cc + aa + c * a)
    return total / 3.0
