"""Loads that can wait: lots of energy that come at full hours, each due some hours later.

A lot may be drawn at any power up to the home's, and in pieces: warm water, a pool's pump, a car on a plain
socket. Lots are drawn first come, first served, which, with one waiting time a home, is earliest deadline
first. What must be drawn for every lot to be there in time is drawn whether asked for or not, as late as it
can be. A lot is never larger than what the home can draw in an hour, so all deadlines can be met as long as
there is voltage; a lot that found none in time is due at once.

The lots of ``n`` homes are an array ``(HOURS, n)``, a ring by the hour in which they came: lot ``k`` came in the
last hour whose number leaves the rest ``k`` by ``HOURS``.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats, Indices
from pilotfarm.emulators.contracts.device import Keys
from pilotfarm.emulators.physics.inverter import clipped
from pilotfarm.profiles import draws

HOUR_S: Final = 3_600.0
HOURS: Final = 9
"""Length of the ring: a lot can wait one hour less, 8 h."""
LOTS_A_DAY: Final = 6.0
NEVER: Final = 1e18
ROUNDING_WH: Final = 1e-6
"""Less than this is what rounding left of a lot that was drawn: it waits for nothing."""


def with_arrivals(
    lots_wh: Floats, last_hour: Floats, hour: int, keys: Keys, wh_per_day: Floats, power_w: Floats
) -> Floats:
    """Return the lots with those that came in the hours after ``last_hour`` ``(n,)`` up to ``hour``."""
    lots = lots_wh.copy()
    lot_wh = np.minimum(wh_per_day / LOTS_A_DAY, power_w)
    for number in range(max(int(last_hour.min()) + 1, hour - HOURS + 1), hour + 1):
        comes = (draws.uniform(keys, number, "lot") < LOTS_A_DAY / 24.0) & (number > last_hour)
        lots[number % HOURS] += lot_wh * comes
    return lots


def settled(lots_wh: Floats, taken_wh: Floats, hour: int) -> Floats:
    """Return what is left of the lots after energy was taken from them, the first that came first, as of an hour."""
    by_age = lots_wh[_order(hour)]
    older_wh = np.cumsum(by_age, axis=0) - by_age
    after = np.empty_like(by_age)
    after[_order(hour)] = by_age - clipped(taken_wh - older_wh, 0.0, by_age)
    return after


def latest_s(lots_wh: Floats, waits_h: Floats, power_w: Floats, hour: int) -> Floats:
    """Return until when the lots can all wait, in seconds since 1970; ``NEVER`` where there is none.

    From then on they must draw all the power the home has for them. Whatever is drawn before moves it on.

    Parameters
    ----------
    lots_wh : (HOURS, n)
        The ring as of ``hour``.
    waits_h : (n,)
        How long each lot may wait, 1 to ``HOURS - 1``. [h]
    power_w : (n,)
        The maximum the home can draw for them, > 0.
    """
    by_age = lots_wh[_order(hour)]
    came = hour - np.arange(HOURS - 1.0, -1.0, -1.0)
    start_s = (came[:, None] + waits_h - np.cumsum(by_age, axis=0) / power_w) * HOUR_S
    return np.asarray(np.where(by_age > ROUNDING_WH, start_s, NEVER).min(axis=0))


def drawn_wh(
    waiting_wh: Floats, latest: Floats, asked_w: Floats, rated_w: Floats, max_w: Floats, unix_s: float, dt_s: float
) -> Floats:
    """Return the energy the lots draw over a step that ends at ``unix_s``: what is asked for, and what must be. [Wh]

    ``latest`` is ``latest_s`` of the lots at the step's start. ``rated_w`` is what they can draw as long as
    there is voltage, ``max_w`` what they can draw in this step.
    """
    hours = dt_s / HOUR_S
    must = np.maximum(unix_s - latest, 0.0) * (rated_w / HOUR_S)
    return np.minimum(np.minimum(np.maximum(asked_w * hours, must), max_w * hours), waiting_wh)


def _order(hour: int) -> Indices:
    """Return the lots of the ring by age, the oldest first."""
    return np.arange(hour - HOURS + 1, hour + 1) % HOURS
