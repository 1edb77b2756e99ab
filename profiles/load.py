"""What a household draws: a mean shape over hour, weekday and season, and the appliances that make it up.

The shape is a smooth curve of our own, fitted to the mean workday, Saturday and Sunday of the German standard
profile for homes [1]_ (root mean square 2 % of the mean); its mean over a year is 1. A third of it is always
there: what stands by, and the fridge's cycle. Above that, classes of appliances are switched on at random,
each with hours of its own, so that together they come to the shape; a use lasts a gamma-distributed time at
the appliance's power, the construction of Richardson et al. [2]_ without its survey tables. What a
consumer draws beyond ``_HOMES_MAX`` average homes is many uses at once, and follows the shape smoothly.

The shares of the classes are of our own choosing, near the usual split of a European home's use without
heating; so are powers and durations. Valid for ensembles and for one home's character, not for one
appliance's inner cycle: a washing machine draws its mean from start to end.

References
----------
.. [1] BDEW, standard load profile H25 (2025).
.. [2] Richardson et al., "Domestic electricity use", Energy and Buildings 42:1878-1887, 2010,
   doi 10.1016/j.enbuild.2010.05.023.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincc, gammaincinv, i0e

from pilotfarm.profiles import draws
from pilotfarm.profiles.draws import Floats, Keys

# Bumps of a day: hour, sharpness (of a von Mises curve), weight over the night's load of 1.
_WORKDAY: Final = ((7.3, 9.7, 0.6), (12.5, 2.1, 0.8), (19.1, 4.0, 1.6), (22.3, 7.5, 0.7))
_SATURDAY: Final = ((8.4, 12.8, 0.4), (11.7, 2.3, 1.5), (19.1, 1.9, 1.8), (22.8, 12.6, 0.4))
_SUNDAY: Final = ((8.5, 15.6, 0.3), (11.6, 3.1, 1.8), (19.1, 1.8, 1.9), (22.3, 20.0, 0.1))
_DAYS: Final = (*(_WORKDAY,) * 5, _SATURDAY, _SUNDAY)
_DAY_WEIGHT: Final = (*(0.956,) * 5, 1.09, 1.13)  # their mean over a week is 1
_HOURS: Final = np.arange(288) / 12.0  # the curve is tabled every 5 min
_SEASON: Final = 0.16
_MIDWINTER_DAY: Final = 15.0
_HOURS_A_YEAR: Final = 8_766.0

SLOT_S: Final = 300.0
"""Within a slot an appliance is switched on once at most, and the hour of its habits stands still."""
LONGEST_S: Final = 4.0 * 3_600.0
"""No use lasts longer."""
_SLOTS_A_WEEK: Final = 2_016
_HOME_WH: Final = 3_500_000.0  # an average home's year, for which the classes' powers stand
_HOMES_MAX: Final = 2.0
_ALWAYS: Final = 0.35
FRIDGE: Final = 0.12
"""Share of a home's mean that the fridge draws; the rest of what is always there stands by."""
_POWER_SIGMA: Final = 0.2
_OFTENER: Final = 0.3  # of a larger home's use, the power of its size that comes from more uses, not stronger ones
HABIT_H: Final = 1.0
"""A home lives up to this many hours earlier or later than the mean one."""


@dataclass(frozen=True, slots=True)
class Appliance:
    """A class of appliances of an average home."""

    name: str
    share: float
    """Of the energy above what is always there."""
    power_w: float
    mean_s: float
    regularity: float
    """Shape of the gamma distribution of its durations; the larger, the more they are alike."""
    vars_per_watt: float
    hours: tuple[tuple[float, float, float], ...]
    """When it is liked: bumps over an even liking of 1, as in the shape."""


APPLIANCES: Final = (
    Appliance("cooker", 0.24, 1_800.0, 1_800.0, 3.0, 0.0, ((7.5, 8.0, 1.0), (12.2, 8.0, 4.0), (18.5, 8.0, 5.0))),
    Appliance("kettle", 0.06, 2_000.0, 240.0, 4.0, 0.0, ((7.2, 6.0, 5.0), (15.5, 6.0, 2.0))),
    Appliance("lighting", 0.14, 300.0, 3_600.0, 2.0, 0.3, ((7.0, 8.0, 1.5), (20.5, 4.0, 4.0))),
    Appliance("television", 0.12, 250.0, 4_320.0, 3.0, 0.25, ((13.0, 3.0, 0.5), (20.8, 5.0, 5.0))),
    Appliance("computer", 0.10, 150.0, 5_400.0, 2.0, 0.3, ((10.5, 3.0, 1.5), (16.0, 3.0, 1.5))),
    Appliance("washing machine", 0.09, 600.0, 4_800.0, 8.0, 0.5, ((10.0, 3.0, 3.0), (16.0, 4.0, 1.0))),
    Appliance("dishwasher", 0.08, 900.0, 4_000.0, 8.0, 0.1, ((13.5, 8.0, 2.0), (20.0, 6.0, 3.0))),
    Appliance("dryer", 0.07, 2_000.0, 3_600.0, 6.0, 0.2, ((12.0, 3.0, 2.0), (17.5, 4.0, 2.0))),
    Appliance("small appliances", 0.10, 1_200.0, 900.0, 2.0, 0.1, ((8.5, 3.0, 1.5), (17.0, 3.0, 1.0))),
)
VARS_PER_WATT: Final = np.array([one.vars_per_watt for one in APPLIANCES])
_POWERS_W: Final = np.array([one.power_w for one in APPLIANCES])
_MEANS_S: Final = np.array([one.mean_s for one in APPLIANCES])
_REGULARITY: Final = np.array([one.regularity for one in APPLIANCES])
_CLASSES: Final = np.arange(len(APPLIANCES))


@dataclass(frozen=True, slots=True)
class Homes:
    """What homes are like: ``(n,)``, or ``(n, len(APPLIANCES))`` for ``use_power_w`` and ``use_rate``."""

    standby_w: Floats
    fridge_w: Floats
    """Its mean."""
    beyond_w: Floats
    """Mean of what follows the shape smoothly."""
    use_power_w: Floats
    use_rate: Floats
    """How much more often than in an average home an appliance is switched on."""
    habit_h: Floats


def homes(keys: Keys, annual_energy_wh: Floats) -> Homes:
    """Draw what homes are like, from a key each and what they draw in a year on average [Wh]."""
    mean_w = annual_energy_wh / _HOURS_A_YEAR
    lived_w = np.minimum(mean_w, _HOMES_MAX * _HOME_WH / _HOURS_A_YEAR)
    size = lived_w * (_HOURS_A_YEAR / _HOME_WH)
    oftener = np.clip(size, 0.5, _HOMES_MAX) ** _OFTENER
    spread = np.clip(draws.normal(keys[:, None], _CLASSES, "appliance power"), -1.5, 1.5)
    stronger = np.exp(_POWER_SIGMA * spread)
    return Homes(
        standby_w=(_ALWAYS - FRIDGE) * lived_w,
        fridge_w=FRIDGE * lived_w,
        beyond_w=mean_w - lived_w,
        use_power_w=_POWERS_W * stronger * (size / oftener)[:, None],
        use_rate=oftener[:, None] / stronger,
        habit_h=(2.0 * draws.uniform(keys, 0, "habit") - 1.0) * HABIT_H,
    )


@lru_cache(maxsize=4)
def season(day_of_year: int) -> float:
    """Return the factor of the year, 1 on average; ``day_of_year`` from 1."""
    return 1.0 + _SEASON * float(np.cos((day_of_year - _MIDWINTER_DAY) * (2.0 * np.pi / 365.25)))


def shape(local_hour: Floats | float, weekday: int, day_of_year: int) -> Floats:
    """Return the mean home's load as a multiple of its yearly mean, 1.

    ``local_hour`` in [0, 24), any shape; ``weekday`` from Monday = 0; ``day_of_year`` from 1.
    """
    curve = np.interp(local_hour, _HOURS, _curve(weekday), period=24.0)
    return np.asarray(curve * season(day_of_year), dtype=np.float64)


def cell_of(week_hour: Floats) -> npt.NDArray[np.intp]:
    """Return which slot of the week hours since Monday's midnight lie in; any number wraps around."""
    return np.asarray(np.mod(week_hour, 168.0) * 12.0, dtype=np.intp)


def shape_in(cell: npt.NDArray[np.intp], day_of_year: int) -> Floats:
    """Return the shape in slots of the week."""
    return np.asarray(_week()[cell] * season(day_of_year), dtype=np.float64)


def uses(
    keys: Keys, slot: npt.NDArray[np.int64], cell: npt.NDArray[np.intp], rate: Floats, day_of_year: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Floats, Floats]:
    """Draw what is switched on in a slot, if it is off when the slot begins.

    Parameters
    ----------
    keys, slot, cell : (n,)
        One a home; the slot's number since 1970, which is the draw's; and where in the week it lies.
    rate : (n, classes)
        ``Homes.use_rate``.

    Returns
    -------
    home, appliance : (m,)
        Whose appliance is switched on.
    begins, lasts : (m,)
        When, as a share of the slot, and for how long. [s]
    """
    started, taken = (table.take(cell, axis=0) for table in _tables(season(day_of_year)))
    idle = np.maximum(1.0 - rate * taken, 0.1)
    chance = np.minimum(SLOT_S * rate * started / idle, 1.0)
    counter = slot[:, None] * len(APPLIANCES) + _CLASSES
    drawn = draws.uniform(keys[:, None], counter, "switched on")
    hits = (drawn < chance).ravel().nonzero()[0]
    home, appliance = np.divmod(hits, len(APPLIANCES))
    begins = drawn.ravel()[hits] / chance.ravel()[hits]
    regularity = _REGULARITY[appliance]
    luck = draws.uniform(keys[home], counter.ravel()[hits], "lasts")
    lasts = gammaincinv(regularity, luck) * (_MEANS_S[appliance] / regularity)
    return home, appliance, begins, np.minimum(lasts, LONGEST_S)


@cache
def _curve(weekday: int) -> Floats:
    """Return a day's load at ``_HOURS``, before the season."""
    load, mean = np.ones_like(_HOURS), 1.0
    for hour, sharpness, weight in _DAYS[weekday]:
        load += weight * np.exp(sharpness * (np.cos((_HOURS - hour) * (2.0 * np.pi / 24.0)) - 1.0))
        mean += weight * float(i0e(sharpness))
    return load * (_DAY_WEIGHT[weekday] / mean)


@cache
def _week() -> Floats:
    """Return the shape before the season in every slot of the week."""
    return np.concatenate([_curve(weekday) for weekday in range(7)])


@lru_cache(maxsize=4)
def _tables(season_factor: float) -> tuple[Floats, Floats]:
    """Return an average home's switchings a second, and the share of homes whose appliance is on.

    Both ``(slots of the week, classes)``, the share when the slot begins. At every hour the classes divide
    what the shape has above what is always there, by their shares and their hours. An appliance that is on
    is not switched on; so those that are off are the more often, and all come to as many as wanted.
    """
    liking = np.stack([one.share * _liking(one) for one in APPLIANCES], axis=1)
    liking = np.tile(liking / liking.sum(axis=1, keepdims=True), (7, 1))
    energy_w = (_week() * season_factor - _ALWAYS)[:, None] * liking * (_HOME_WH / _HOURS_A_YEAR)
    started = energy_w / (_POWERS_W * _MEANS_S)
    taken = np.zeros_like(started)
    for back in range(1, int(LONGEST_S / SLOT_S) + 1):
        age_s = (back - 0.5) * SLOT_S
        longer = gammaincc(_REGULARITY, _REGULARITY * age_s / _MEANS_S)
        taken += np.roll(started, back, axis=0) * longer * SLOT_S
    return started, taken


def _liking(one: Appliance) -> Floats:
    bumps = (weight * np.exp(k * (np.cos((_HOURS - hour) * (np.pi / 12.0)) - 1.0)) for hour, k, weight in one.hours)
    wanted = np.ones_like(_HOURS) + sum(bumps)
    return np.asarray(wanted / wanted.mean())
