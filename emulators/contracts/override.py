"""What overrides make of the numbers around devices: weather and load other than models and series have them."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nan
from typing import Final, NamedTuple

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.columns.views import SiteRows, at_rows


class Shift(NamedTuple):
    """What one override makes of a number: ``value`` in place of it where that is one, then times and plus."""

    value: float = nan
    factor: float = 1.0
    added: float = 0.0


@dataclass(frozen=True, slots=True)
class Change:
    """What all overrides make of a number of ``n`` devices: that of ``where``, kept from ``min`` to ``max``.

    Each is ``(n,)``, ``where`` 1 or 0. A ``value`` that is NaN is the number of before.
    """

    where: Floats
    value: Floats
    factor: Floats
    added: Floats
    min: Floats
    max: Floats

    def of(self, before: Floats) -> Floats:
        """Return what becomes of numbers ``(n,)``; elsewhere they stay what they are."""
        asked = np.where(np.isnan(self.value), before, self.value) * self.factor + self.added
        return np.where(self.where > 0.0, np.minimum(np.maximum(asked, self.min), self.max), before)

    def at(self, rows: SiteRows) -> Change:
        """Return that of some rows."""
        each = (self.where, self.value, self.factor, self.added, self.min, self.max)
        return Change(*(at_rows(part, rows) for part in each))


CHANGEABLE: Final = {
    "irradiance": (0.0, 2_000.0),
    "temperature": (-70.0, 60.0),
    "wind_speed": (0.0, 100.0),
    "wind_direction": (0.0, 360.0),
    "humidity": (0.0, 1.0),
    "pressure": (30_000.0, 120_000.0),
    "rain": (0.0, 1_000.0),
    "load": (-inf, inf),
}
"""What overrides may change, and what it is at least and at most; a load is what its fuse lets through besides.

[W/m2, degC, m/s, deg, share, Pa, mm/h, W]
"""
