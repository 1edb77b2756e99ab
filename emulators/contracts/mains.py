"""The mains at connection points: voltages, and what is derived from them once for all devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.columns.views import SiteRows, at_rows

_ROWS: Final = 9


@dataclass(frozen=True, slots=True)
class Mains:
    """The mains at ``n`` connection points. Voltages [V] are line to neutral and >= 0, but for ``voltage_ll_v``."""

    table: Floats
    """``(9, n)``: the values of all properties in one array, so that the rows of some points are cut out at once."""

    @classmethod
    def of(cls, voltage_v: Floats) -> Mains:
        """Derive all from the voltages ``(3, n)`` of three phases 120 degrees apart."""
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
        """Highest of the three phases, ``(n,)``."""
        return np.asarray(self.table[4])

    @property
    def lowest_v(self) -> Floats:
        """Lowest of the three phases, ``(n,)``."""
        return np.asarray(self.table[5])

    @property
    def current_a_per_va(self) -> Floats:
        """``(3, n)``: current of a volt-ampere on a phase; 0 where there is no voltage."""
        return self.table[6:]


def _line_to_line(a: Floats, b: Floats, c: Floats) -> Floats:
    aa, bb, cc = a * a, b * b, c * c
    total: Floats = np.sqrt(aa + bb + a * b)
    total += np.sqrt(bb + cc + b * c)
    total += np.sqrt(cc + aa + c * a)
    return total / 3.0
