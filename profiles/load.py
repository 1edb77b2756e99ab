"""What a household draws: a mean shape over hour, weekday and season, and each home's own life on it.

The shape is a smooth curve of our own with the features of the German standard profile for homes (a
night valley, a morning rise, a noon shoulder, an evening peak, a later and fuller Sunday, a fifth more
in midwinter than on average); its mean over a year is 1. On it lie two kinds of noise with mean 1: slow,
drawn every 15 min, and fast, drawn every minute, both interpolated in time. So the load is a function of
a home's key and the time alone, and no step length changes it.

References
----------
.. [1] BDEW, standard load profile H25 (2025) and its predecessor H0 (VDEW, 1999): the features named.
.. [2] Richardson et al., "Domestic electricity use", Energy and Buildings 42:1878-1887, 2010,
   doi 10.1016/j.enbuild.2010.05.023 (how far one home's load departs from the mean).
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from scipy.special import i0e

from profiles import draws
from profiles.draws import Floats, Keys

# Bumps of a day: hour, sharpness (of a von Mises curve), weight over the base load of 1.
_WORKDAY: Final = ((7.2, 6.0, 1.0), (12.7, 5.0, 0.8), (19.3, 4.0, 2.4), (22.0, 8.0, 0.4))
_SATURDAY: Final = ((9.3, 4.0, 1.2), (12.8, 5.0, 1.2), (18.9, 3.5, 2.2), (22.0, 8.0, 0.4))
_SUNDAY: Final = ((9.8, 4.0, 1.3), (12.2, 6.0, 1.8), (18.8, 3.5, 2.1), (21.8, 8.0, 0.4))
_DAYS: Final = (*(_WORKDAY,) * 5, _SATURDAY, _SUNDAY)
_DAY_WEIGHT: Final = (*(0.98,) * 5, 1.05, 1.05)  # their mean over a week is 1
_HOURS: Final = np.arange(288) / 12.0  # the curve is tabled every 5 min
_SEASON: Final = 0.2
_MIDWINTER_DAY: Final = 15.0
_DAYS_A_YEAR: Final = 365.25

SLOW_SLOT_S: Final = 900.0
FAST_SLOT_S: Final = 60.0
_SLOW_SIGMA: Final = 0.6
_FAST_SPREAD: Final = 0.5
_HABIT_H: Final = 1.5
"""A home lives up to this many hours earlier or later than the mean one."""


def shape(local_hour: Floats | float, weekday: int, day_of_year: int) -> Floats:
    """Return the mean home's load as a multiple of its yearly mean, 1.

    ``local_hour`` in [0, 24), any shape; ``weekday`` from Monday = 0; ``day_of_year`` from 1.
    """
    season = 1.0 + _SEASON * np.cos((day_of_year - _MIDWINTER_DAY) * (2.0 * np.pi / _DAYS_A_YEAR))
    return np.asarray(np.interp(local_hour, _HOURS, _curve(weekday), period=24.0) * season, dtype=np.float64)


@cache
def _curve(weekday: int) -> Floats:
    """Return a day's load at ``_HOURS``, before the season."""
    load, mean = np.ones_like(_HOURS), 1.0
    for hour, sharpness, weight in _DAYS[weekday]:
        load += weight * np.exp(sharpness * (np.cos((_HOURS - hour) * (2.0 * np.pi / 24.0)) - 1.0))
        mean += weight * float(i0e(sharpness))
    return load * (_DAY_WEIGHT[weekday] / mean)


def household_w(
    keys: Keys, annual_energy_wh: Floats, unix_s: float, local_hour: float, weekday: int, day_of_year: int
) -> Floats:
    """Return what each home draws at a moment [W, >= 0], shape ``(n,)``.

    Parameters
    ----------
    keys : (n,) uint64
        One a home.
    annual_energy_wh : (n,)
        What the home draws in a year, on average over its noise. [Wh]
    unix_s : float
        The moment, seconds since 1970 UTC.
    local_hour, weekday, day_of_year
        The same moment on the home's clock and calendar, as in ``shape``.
    """
    habit = (2.0 * draws.uniform(keys, 0, "habit") - 1.0) * _HABIT_H
    mean_w = annual_energy_wh / (_DAYS_A_YEAR * 24.0)
    return mean_w * shape(local_hour + habit, weekday, day_of_year) * _slow(keys, unix_s) * _fast(keys, unix_s)


def _slow(keys: Keys, unix_s: float) -> Floats:
    slot, share = divmod(unix_s / SLOW_SLOT_S, 1.0)
    # Divided by the root of the weights' squares, an interpolated normal keeps its variance of 1.
    level = (1.0 - share) * draws.normal(keys, int(slot), "slow") + share * draws.normal(keys, int(slot) + 1, "slow")
    level /= np.hypot(1.0 - share, share)
    return np.asarray(np.exp(_SLOW_SIGMA * level - _SLOW_SIGMA**2 / 2.0), dtype=np.float64)


def _fast(keys: Keys, unix_s: float) -> Floats:
    slot, share = divmod(unix_s / FAST_SLOT_S, 1.0)
    level = (1.0 - share) * draws.uniform(keys, int(slot), "fast") + share * draws.uniform(keys, int(slot) + 1, "fast")
    return 1.0 + _FAST_SPREAD * (2.0 * level - 1.0)
