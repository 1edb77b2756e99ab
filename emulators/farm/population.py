"""Who is who at a site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.device import Bound, DeviceSpec, OfColumn
from pilotfarm.emulators.contracts.quality import Qualities
from pilotfarm.emulators.site.layout import GroupLayout

Rows: TypeAlias = dict[str, npt.NDArray[np.intp]]


@dataclass(slots=True)
class Group:
    """The devices of one group of the site file: true columns, reported columns, and what grips them."""

    layout: GroupLayout
    spec: DeviceSpec
    columns: Seen
    feeder: npt.NDArray[np.intp]
    position: Floats
    reported: Seen
    quality: dict[str, Qualities]
    conditions: dict[str, Floats]

    @property
    def name(self) -> str:
        return self.layout.name

    @property
    def size(self) -> int:
        return len(self.layout.devices)

    def limit(self, bound: Bound, row: int) -> float:
        """A limit's value for one device."""
        if isinstance(bound, OfColumn):
            return float(self.columns[bound.name][row]) * bound.gain + 0.0
        return bound
