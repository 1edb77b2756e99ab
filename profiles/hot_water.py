"""When hot water is tapped: taps at random in quarters of an hour, more in the morning and the evening.

Taps a day and their hours are of our own choosing, near the pattern M of EN 16147 (5.8 kWh a day for a
family; from memory, to be checked: Regulation (EU) 814/2013, annex III, table 1, has load profiles of these
names in public). A tap's energy is exponentially distributed about its mean, from washing hands to a bath.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from pilotfarm.profiles import draws
from pilotfarm.profiles.draws import Floats, Keys

SLOT_S: Final = 900.0
_TAPS_A_DAY: Final = 12.0
_BUMPS: Final = ((7.2, 8.0, 6.0), (12.5, 6.0, 1.0), (19.5, 4.0, 4.0))  # hour, sharpness, weight over 0.3
_NIGHT: Final = 0.3
_LARGEST: Final = 5.0  # means


def tapped_w(keys: Keys, slot: int, local_hour: float, wh_per_day: Floats) -> Floats:
    """Return the mean heat tapped in a slot [W], ``(n,)``; ``slot`` counts quarters of an hour since 1970 UTC."""
    chance = _rates()[int(local_hour * 4.0) % 96]
    drawn = draws.uniform(keys, slot, "tap")
    # Given a tap, the draw over its chance is uniform again.
    size = np.minimum(-np.log1p(-np.minimum(drawn / chance, 1.0 - 2.0**-53)), _LARGEST)
    mean_wh = wh_per_day / (_TAPS_A_DAY * (1.0 - np.exp(-_LARGEST)))
    return np.where(drawn < chance, size * mean_wh * (3_600.0 / SLOT_S), 0.0)


@cache
def _rates() -> Floats:
    """Return how likely a tap is in each quarter of an hour of the day."""
    hours = (np.arange(96) + 0.5) / 4.0
    liking = _NIGHT + sum(w * np.exp(k * (np.cos((hours - at) * (np.pi / 12.0)) - 1.0)) for at, k, w in _BUMPS)
    return np.asarray(liking / liking.sum() * _TAPS_A_DAY)
