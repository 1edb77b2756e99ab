"""Who comes to charge, when, for how long and for how much: charging sessions by the type of a site.

Session ``k`` of a charger is a pure function of the charger's key and ``k``. Arrivals follow the published
shares by hour, on workdays and at weekends: a place that is free waits with the hazard that makes all
arrivals together, those kept out by a vehicle already there left aside, come out as published. Energy and
stay, and the vehicle's power, have the published quantiles, with a lognormal between each two; a Gaussian
copula joins energy and stay, with the rank correlation of ACN-Data [2]_ (0.20 and 0.26 at its two sites), and
the power with both. That energy is what meters counted, so no owner asked for much more than his stay was
good for: who takes much in a short time comes with a fast vehicle.

Arrivals, energy, stay and power at AC points are those of ElaadNL [1]_. Of our own choosing are: sessions a
day and place, packs and the charge a vehicle comes with, weekends at work (a twentieth of a workday), how power
goes with energy and stay, and what comes to a DC point (with the hours of a public one; power on average as
in the fleet of [1]_).
Valid for ensembles: a stay does not depend on the hour it begins at, which private ones do.

References
----------
.. [1] ElaadNL open charging data, as tabulated in EV2Gym: Orfanoudakis et al., IEEE Transactions on
   Intelligent Transportation Systems 26(2), 2025, doi 10.1109/TITS.2024.3510945.
.. [2] Lee, Li and Low, "ACN-Data: analysis and applications of an open EV charging dataset", e-Energy
   2019, doi 10.1145/3307772.3328313.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from pilotfarm.profiles import draws
from pilotfarm.profiles.draws import Floats, Keys

PRIVATE, PUBLIC, WORKPLACE, FAST = 0, 1, 2, 3
"""Who comes; ``FAST`` is a DC point, wherever it stands."""
SITE_TYPES: Final = ("private", "public", "workplace")

# Arrivals an hour of the day in percent of a day's, from midnight [1].
_WORKDAY_PERCENT: Final = (
    (
        *(2.1, 0.5, 0.2, 0.1, 0.1, 0.1, 0.2, 0.6, 1.4, 1.1, 1.1, 1.5),
        *(2.2, 2.2, 2.7, 3.7, 5.7, 12.1, 17.0, 11.5, 9.1, 8.9, 9.1, 6.6),
    ),
    (
        *(1.0, 0.5, 0.2, 0.2, 0.2, 0.2, 0.7, 3.2, 7.9, 7.7, 5.1, 4.7),
        *(5.3, 5.3, 5.0, 5.1, 5.7, 8.3, 10.9, 8.1, 5.1, 4.0, 3.4, 2.3),
    ),
    (
        *(0.0, 0.0, 0.0, 0.0, 0.1, 1.4, 4.3, 14.3, 26.7, 18.1, 7.7, 4.9),
        *(5.4, 5.3, 4.0, 3.0, 2.0, 1.0, 0.6, 0.5, 0.3, 0.1, 0.1, 0.0),
    ),
)
_WEEKEND_PERCENT: Final = (
    (
        *(4.1, 2.0, 0.8, 0.3, 0.2, 0.1, 0.1, 0.4, 0.9, 1.7, 3.0, 4.8),
        *(6.0, 6.2, 6.2, 6.9, 8.8, 10.2, 7.9, 6.5, 6.8, 6.2, 5.8, 4.1),
    ),
    (
        *(2.0, 1.2, 0.6, 0.4, 0.3, 0.3, 0.3, 0.6, 1.7, 3.7, 5.7, 7.0),
        *(7.9, 8.2, 8.5, 8.3, 8.0, 8.0, 7.3, 5.8, 4.9, 3.9, 3.1, 2.2),
    ),
)
WORKDAY_PERCENT: Final = np.array([*_WORKDAY_PERCENT, _WORKDAY_PERCENT[PUBLIC]])
WEEKEND_PERCENT: Final = np.array([*_WEEKEND_PERCENT, _WORKDAY_PERCENT[WORKPLACE], _WEEKEND_PERCENT[PUBLIC]])
_A_WORKDAY: Final = np.array([0.7, 1.2, 0.8, 6.0])
_A_WEEKEND_DAY: Final = np.array([0.6, 1.1, 0.04, 6.0])

# Quantiles by site type [1]; the DC row is our own.
_SHARES: Final = np.array([0.01, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99])
_SCORES: Final = ndtri(_SHARES)
_STAY_H: Final = np.array(
    [
        (0.25, 1.0, 1.5, 4.2, 11.0, 14.6, 20.3, 29.3, 48.0),
        (0.1, 0.3, 0.6, 1.7, 4.4, 12.1, 17.1, 21.7, 44.9),
        (0.2, 0.6, 1.2, 2.5, 4.9, 8.5, 9.8, 13.2, 46.4),
        (0.12, 0.2, 0.25, 0.35, 0.5, 0.7, 0.95, 1.2, 2.0),
    ]
)
_ENERGY_KWH: Final = np.array(
    [
        (0.7, 1.8, 3.3, 8.2, 19.4, 35.8, 51.4, 59.6, 73.4),
        (0.2, 0.6, 1.6, 4.2, 7.2, 13.8, 29.0, 41.6, 63.6),
        (0.5, 1.4, 2.7, 5.4, 8.8, 16.7, 26.1, 31.9, 48.2),
        (3.0, 7.0, 10.0, 16.0, 24.0, 35.0, 47.0, 55.0, 68.0),
    ]
)
_AC_KW: Final = np.array((2.4, 2.9, 3.2, 3.6, 5.8, 10.8, 11.4, 13.1, 18.0))
_DC_KW: Final = np.array((40.0, 50.0, 60.0, 85.0, 120.0, 165.0, 220.0, 245.0, 280.0))
_COPULA: Final = 0.25
_POWER_COPULA: Final = 0.5
"""Of the vehicle's power with the energy, and as much the other way with the stay."""
_SHORTEST_STAY_H: Final = 0.1
_LONGEST_STAY_H: Final = 48.0

_STREAMS: Final = ("stay", "energy", "vehicle", "pack", "soc", "card", "valid")
_PACK_WH: Final = np.array((40_000.0, 52_000.0, 60_000.0, 77_000.0))
_WANTED_MAX_FRAC: Final = 0.9  # share of a pack; a larger vars_asked comes with a larger pack
_ONE_PHASE_MAX_W: Final = 7_400.0
_ONE_PHASE_SURE_W: Final = 3_000.0  # a single-phase vehicle takes this at any point
_FASTER: Final = 1.1  # than on average, so that it is done in time
_SOC_MIN_FRAC: Final = 0.1  # of who comes with the emptiest pack
LARGEST_CARD: Final = 16_777_215
_CELLS_AN_HOUR: Final = 4
_WEEK_H: Final = 168.0
_HOURS: Final = np.linspace(0.0, _WEEK_H, int(_WEEK_H) * _CELLS_AN_HOUR + 1)


@dataclass(frozen=True, slots=True)
class Sessions:
    """One session for each of ``n`` chargers; every field has shape ``(n,)``."""

    stay_s: Floats
    energy_wanted_wh: Floats
    soc_start_frac: Floats
    pack_wh: Floats
    vehicle_power_w: Floats
    vehicle_phases: Floats  # 1 or 3
    card_id: Floats
    card_valid: Floats  # 1.0 or 0.0


def session(keys: Keys, k: npt.ArrayLike, site_type: Floats, invalid_card_share: Floats) -> Sessions:
    """Draw session ``k`` of each charger.

    Parameters
    ----------
    keys : (n,) uint64
        One a charger.
    k : (n,) or scalar integer, >= 0
        Which session.
    site_type : (n,)
        ``PRIVATE``, ``PUBLIC``, ``WORKPLACE`` or ``FAST``.
    invalid_card_share : (n,)
        Share of cards that will be refused, 0 to 1.

    Returns
    -------
    Sessions
        The energy wanted, as a meter counts it, never exceeds what the pack has room for. A stay may be too
        short for it, for about one in seven: then the vehicle leaves with less.
    """
    site = site_type.astype(np.intp)
    drawn = draws.uniforms(keys, k, _STREAMS)
    stay_score, energy_own, vehicle_own = draws.score(drawn[:3])
    pack, soc, card, valid = drawn[3:]
    energy_score = _COPULA * stay_score + np.sqrt(1.0 - _COPULA**2) * energy_own
    stay_h = np.clip(_by_site(stay_score, _STAY_H, site), _SHORTEST_STAY_H, _LONGEST_STAY_H)
    power_score = _power_score(energy_score, stay_score, vehicle_own)
    power_w = 1_000.0 * np.where(site == FAST, _quantile(power_score, _DC_KW), _quantile(power_score, _AC_KW))
    wanted_wh = 1_000.0 * _by_site(energy_score, _ENERGY_KWH, site)
    pack_wh = np.maximum(_PACK_WH[(pack * len(_PACK_WH)).astype(np.intp)], wanted_wh / _WANTED_MAX_FRAC)
    return Sessions(
        stay_s=3_600.0 * stay_h,
        energy_wanted_wh=wanted_wh,
        soc_start_frac=(1.0 - wanted_wh / pack_wh) * (0.3 + 0.7 * soc),
        pack_wh=pack_wh,
        vehicle_power_w=power_w,
        vehicle_phases=np.where(power_w > _ONE_PHASE_MAX_W, 3.0, 1.0),
        card_id=1.0 + np.floor(card * LARGEST_CARD),
        card_valid=(valid >= invalid_card_share).astype(np.float64),
    )


def with_energy(drawn: Sessions, energy_wh: Floats, stay_s: Floats, full_power_to_frac: Floats) -> Sessions:
    """Return sessions with an energy [Wh] and a stay [s > 0] that are known: the rest suits them, and cards are valid.

    A vehicle takes the energy within its stay: up to a state of charge of ``full_power_to_frac`` it takes all the power
    it can, and there it ends. Without a stay [0] there is no energy.
    """
    mean_w = energy_wh * (3_600.0 / np.maximum(stay_s, 1.0))
    power_w = np.maximum(drawn.vehicle_power_w, _FASTER * mean_w)
    three = (power_w > _ONE_PHASE_MAX_W) | (mean_w > _ONE_PHASE_SURE_W)
    pack_wh = np.maximum(drawn.pack_wh, energy_wh / (full_power_to_frac - _SOC_MIN_FRAC))
    return replace(
        drawn,
        stay_s=stay_s,
        energy_wanted_wh=energy_wh,
        pack_wh=pack_wh,
        soc_start_frac=np.minimum(drawn.soc_start_frac, full_power_to_frac - energy_wh / pack_wh),
        vehicle_power_w=power_w,
        vehicle_phases=np.where(three, 3.0, drawn.vehicle_phases),
        card_valid=np.ones_like(energy_wh),
    )


def arrival_gap_s(keys: Keys, k: npt.ArrayLike, site_type: Floats, week_hour: Floats) -> Floats:
    """Return how long a place that falls free waits for session ``k`` [s, > 0], shape ``(n,)``.

    ``week_hour`` is when it falls free, in hours since Monday's midnight, [0, 168). The integral of the
    hazard over the wait is exponential with mean 1; here it is inverted on its table.
    """
    site = site_type.astype(np.intp)
    due = -np.log1p(-draws.uniform(keys, k, "arrival"))
    gap_h = np.empty_like(due)
    for kind, rows in _alike(site):
        so_far = _hazard_so_far(kind)
        weeks, rest = np.divmod(np.interp(week_hour[rows], _HOURS, so_far) + due[rows], so_far[-1])
        gap_h[rows] = _WEEK_H * weeks + np.interp(rest, so_far, _HOURS) - week_hour[rows]
    return np.asarray(np.maximum(3_600.0 * gap_h, 1.0), dtype=np.float64)


@cache
def _hazard_so_far(kind: int) -> Floats:
    """Return the integral of a free place's arrival hazard from Monday's midnight, a value each quarter hour.

    With ``a`` arrivals an hour in the mean and a share ``S(h)`` of stays longer than ``h``, a place is taken
    with probability ``p(t) = integral of a(t - h) S(h) dh``; arrivals come out as ``a`` if a free place's
    hazard is ``a / (1 - p)``.
    """
    cell_h = 1.0 / _CELLS_AN_HOUR
    workday = WORKDAY_PERCENT[kind] / WORKDAY_PERCENT[kind].sum() * _A_WORKDAY[kind]
    weekend = WEEKEND_PERCENT[kind] / WEEKEND_PERCENT[kind].sum() * _A_WEEKEND_DAY[kind]
    arrivals = np.repeat(np.concatenate((np.tile(workday, 5), np.tile(weekend, 2))), _CELLS_AN_HOUR)
    age_h = cell_h * (np.arange(int(_LONGEST_STAY_H) * _CELLS_AN_HOUR) + 0.5)
    longer = 1.0 - ndtr(np.interp(np.log(age_h), np.log(_STAY_H[kind]), _SCORES, left=-np.inf, right=np.inf))
    taken = sum(np.roll(arrivals, back) * share for back, share in enumerate(longer)) * cell_h
    return np.concatenate(([0.0], np.cumsum(arrivals / (1.0 - taken)) * cell_h))


def _power_score(energy_score: Floats, stay_score: Floats, own: Floats) -> Floats:
    """Return a standard normal score with ``_POWER_COPULA`` to the energy's, and minus that to the stay's."""
    weight = _POWER_COPULA / (1.0 - _COPULA)
    return np.asarray(weight * (energy_score - stay_score) + np.sqrt(1.0 - 2.0 * weight * _POWER_COPULA) * own)


def _alike(site: npt.NDArray[np.intp]) -> Iterator[tuple[int, npt.NDArray[np.intp]]]:
    """Yield the site types there are, and the rows of each."""
    for kind in sorted(set(site.tolist())):
        yield kind, np.flatnonzero(site == kind)


def _by_site(score: Floats, table: Floats, site: npt.NDArray[np.intp]) -> Floats:
    values = np.empty_like(score)
    for kind, rows in _alike(site):
        values[rows] = _quantile(score[rows], table[kind])
    return values


def _quantile(score: Floats, table: Floats) -> Floats:
    """Return the values at standard normal scores: lognormal between the published quantiles, none beyond."""
    return np.asarray(np.exp(np.interp(score, _SCORES, np.log(table))), dtype=np.float64)
