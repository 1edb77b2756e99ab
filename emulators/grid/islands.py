"""What is cut off from the area with generation of its own, for as long as that carries it.

Units that follow a grid and form none take the island's voltage where their power puts it: with loads that are
impedances, at the root of what is delivered over what is drawn, of the voltage before [1]. It stands there until the
units' anti-islanding has seen it, within 2 s where they are tested by IEC 62116, or until none delivers any longer, be
it by its voltage protection; then the island is dark. Without generation it is dark at once.

The island's frequency, which vars would move, is left out: devices see the area's.

References
----------
.. [1] Ropp, Begovic and Rohatgi, "Prevention of islanding in grid-connected photovoltaic systems", Progress in
   Photovoltaics 7(1):39-59, 1999 (the voltage an island moves to).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.grid.topology import Indices
from pilotfarm.emulators.physics.feeder import HIGHEST_SHARE

_ROUNDING_S: Final = 1e-9


class Island:
    """Which customers ``(n,)`` are cut off at ``points``; voltages ``(3, m)`` and powers ``(3, n)`` before."""

    def __init__(
        self,
        customers: npt.NDArray[np.bool_],
        points: Indices,
        before_v: Floats,
        active_w: Floats,
        carried_s: float,
    ) -> None:
        self.points = points
        self._customers = customers
        self._left_s = carried_s
        self._voltage_v = before_v * _ratio(active_w.sum(axis=0)[customers])

    @property
    def over(self) -> bool:
        return self._left_s <= _ROUNDING_S

    def held(self, active_w: Floats, dt_s: float) -> Floats:
        """Return the voltages ``(3, m)`` after ``dt_s`` more with powers ``(3, n)``, plus to the island: 0 if over."""
        delivers = bool((active_w.sum(axis=0)[self._customers] > 0.0).any())
        self._left_s = self._left_s - dt_s if delivers else 0.0
        return self._voltage_v * (not self.over)


def _ratio(active_w: Floats) -> float:
    """Return the voltage over that before, for powers ``(m,)`` of customers."""
    delivered_w, drawn_w = active_w[active_w > 0.0].sum(), -active_w[active_w < 0.0].sum()
    if drawn_w <= 0.0:
        return HIGHEST_SHARE if delivered_w > 0.0 else 0.0
    return min(float((delivered_w / drawn_w) ** 0.5), HIGHEST_SHARE)
