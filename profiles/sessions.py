"""Who comes to charge, when, for how long and for how much: charging sessions by the type of a site.

Session ``k`` of a charger is a pure function of the charger's key and ``k``. Arrivals are an inhomogeneous
Poisson process over the local hour; energy and stay are lognormal.

Arrivals by hour, energy and stay are fitted to sessions of ElaadNL [1]_ (private, public, workplace);
workplace medians agree with ACN-Data [2]_. Packs, vehicle power and the share of days with an arrival are
of our own choosing, near the fleet of [1]_: mean pack 60 kWh, nine in ten vehicles with 11 kW AC.

References
----------
.. [1] ElaadNL open charging data, as tabulated in EV2Gym: Orfanoudakis et al., IEEE Transactions on
   Intelligent Transportation Systems 26(2), 2025, doi 10.1109/TITS.2024.3510945.
.. [2] Lee, Li and Low, "ACN-Data: analysis and applications of an open EV charging dataset", e-Energy
   2019, doi 10.1145/3307772.3328313.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from profiles import draws
from profiles.draws import Floats, Keys

PRIVATE, PUBLIC, WORKPLACE = 0, 1, 2

# Arrivals an hour of the day in percent, from midnight; the peaks are the measured ones.
_PRIVATE_HOURS: Final = (
    *(1.2, 0.7, 0.4, 0.3, 0.3, 0.5, 1.0, 2.0, 2.6, 2.6, 2.9, 3.2),
    *(3.7, 3.7, 4.2, 5.8, 9.0, 12.1, 17.0, 11.5, 6.3, 4.2, 3.0, 1.8),
)
_PUBLIC_HOURS: Final = (
    *(0.7, 0.4, 0.3, 0.2, 0.3, 0.8, 2.2, 5.4, 7.9, 7.7, 5.8, 5.4),
    *(5.4, 5.2, 5.0, 5.6, 7.0, 9.6, 10.9, 6.4, 3.6, 2.3, 1.3, 0.6),
)
_WORKPLACE_HOURS: Final = (
    *(0.1, 0.1, 0.1, 0.2, 0.6, 1.8, 5.4, 14.3, 26.7, 18.1, 7.4, 4.6),
    *(4.9, 5.1, 3.2, 2.2, 1.8, 1.5, 0.9, 0.5, 0.2, 0.1, 0.1, 0.1),
)
_HOURS: Final = np.array([_PRIVATE_HOURS, _PUBLIC_HOURS, _WORKPLACE_HOURS])
_SO_FAR: Final = np.concatenate((np.zeros((3, 1)), np.cumsum(_HOURS / _HOURS.sum(axis=1, keepdims=True), axis=1)), 1)
_DAY: Final = np.arange(25.0)
_ARRIVALS_A_DAY: Final = np.array([1.5, 4.0, 1.5])  # while the place is free

# Mean and standard deviation of the logarithm, by site type.
_ENERGY_KWH: Final = np.array([(2.75, 1.05), (2.03, 0.99), (2.16, 0.91)])
_STAY_H: Final = np.array([(2.07, 1.00), (1.41, 1.26), (1.47, 0.91)])
_SHORTEST_STAY_S: Final = 900.0
_LONGEST_STAY_S: Final = 48.0 * 3600.0

_PACK_WH: Final = (40_000.0, 52_000.0, 60_000.0, 77_000.0)
_VEHICLE_W: Final = (7_400.0, *(11_000.0,) * 9)
LARGEST_CARD: Final = 16_777_215


@dataclass(frozen=True, slots=True)
class Sessions:
    """One session for each of ``n`` chargers; every field has shape ``(n,)``."""

    stay_s: Floats
    energy_wanted_wh: Floats
    soc_start_frac: Floats
    pack_wh: Floats
    vehicle_power_w: Floats
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
        ``PRIVATE``, ``PUBLIC`` or ``WORKPLACE``.
    invalid_card_share : (n,)
        Share of cards that will be refused, 0 to 1.

    Returns
    -------
    Sessions
        The energy wanted never exceeds what the pack has room for.
    """
    site = site_type.astype(np.intp)
    stay_s = 3600.0 * _lognormal(keys, k, "stay", _STAY_H[site])
    wish_wh = 1000.0 * _lognormal(keys, k, "energy", _ENERGY_KWH[site])
    pack_wh = np.array(_PACK_WH)[_pick(keys, k, "pack", len(_PACK_WH))]
    soc = 0.1 + 0.6 * draws.uniform(keys, k, "soc")
    return Sessions(
        stay_s=np.clip(stay_s, _SHORTEST_STAY_S, _LONGEST_STAY_S),
        energy_wanted_wh=np.minimum(wish_wh, (1.0 - soc) * pack_wh),
        soc_start_frac=soc,
        pack_wh=pack_wh,
        vehicle_power_w=np.array(_VEHICLE_W)[_pick(keys, k, "vehicle", len(_VEHICLE_W))],
        card_id=(1 + _pick(keys, k, "card", LARGEST_CARD)).astype(np.float64),
        card_valid=(draws.uniform(keys, k, "valid") >= invalid_card_share).astype(np.float64),
    )


def arrival_gap_s(keys: Keys, k: npt.ArrayLike, site_type: Floats, local_hour: Floats) -> Floats:
    """Return how long a place that falls free at ``local_hour`` waits for session ``k`` [s, > 0], shape ``(n,)``.

    The integral of the arrival rate over the wait is exponential with mean 1, as it is for any Poisson
    process; here it is inverted on the hourly table.
    """
    site = site_type.astype(np.intp)
    due = -np.log1p(-draws.uniform(keys, k, "arrival")) / _ARRIVALS_A_DAY[site]
    gap_h = np.empty_like(due)
    for kind, so_far in enumerate(_SO_FAR):
        rows = np.flatnonzero(site == kind)
        days, rest = np.divmod(np.interp(local_hour[rows], _DAY, so_far) + due[rows], 1.0)
        gap_h[rows] = 24.0 * days + np.interp(rest, so_far, _DAY) - local_hour[rows]
    return np.asarray(np.maximum(3600.0 * gap_h, 1.0), dtype=np.float64)


def _lognormal(keys: Keys, k: npt.ArrayLike, stream: str, parameters: Floats) -> Floats:
    logarithm = parameters[:, 0] + parameters[:, 1] * draws.normal(keys, k, stream)
    return np.asarray(np.exp(logarithm), dtype=np.float64)


def _pick(keys: Keys, k: npt.ArrayLike, stream: str, count: int) -> npt.NDArray[np.intp]:
    return np.floor(draws.uniform(keys, k, stream) * count).astype(np.intp)
