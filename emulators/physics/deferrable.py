"""Loads that can wait: lots of energy that come at full hours, each due some hours later.

A lot may be drawn at any power up to the home's, and in pieces: warm water, a pool's pump, a car on a plain
socket. Lots are drawn first come, first served, which, with one waiting time a home, is earliest deadline
first. What must be drawn for every lot to be there in time is drawn whether asked for or not, as late as it
can be. A lot is never larger than what the home can draw in an hour, so all deadlines can be met as long as
there is voltage; a lot that found none in time is due at once.

The lots are a ring by the hour in which they came: lot ``k`` came in the last hour whose number leaves the
rest ``k`` by ``HOURS``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from emulators.contracts import Keys
from emulators.encoding import Floats
from profiles import draws

HOUR_S: Final = 3_600.0
HOURS: Final = 9
"""Length of the ring: a lot can wait one hour less, 8 h."""
LOTS_A_DAY: Final = 6.0


def with_arrivals(
    lots_wh: Sequence[Floats], last_hour: Floats, hour: int, keys: Keys, wh_per_day: Floats, power_w: Floats
) -> tuple[Floats, ...]:
    """Return the lots with those that came in the hours after ``last_hour`` ``(n,)`` up to ``hour``."""
    lots = list(lots_wh)
    lot_wh = np.minimum(wh_per_day / LOTS_A_DAY, power_w)
    for number in range(max(int(last_hour.min()) + 1, hour - HOURS + 1), hour + 1):
        comes = (draws.uniform(keys, number, "lot") < LOTS_A_DAY / 24.0) & (number > last_hour)
        lots[number % HOURS] = lots[number % HOURS] + lot_wh * comes
    return tuple(lots)


def drawn(
    lots_wh: Sequence[Floats], waits_h: Floats, power_w: Floats, asked_w: Floats, unix_s: float, dt_s: float
) -> tuple[Floats, tuple[Floats, ...]]:
    """Return the mean power the lots draw over a step that ends at ``unix_s`` [W], and what is left of them [Wh].

    Parameters
    ----------
    lots_wh : HOURS of (n,)
        The ring, as of the step's end.
    waits_h : (n,)
        How long each lot may wait, 1 to ``HOURS - 1``. [h]
    power_w : (n,)
        The most the home can draw for them.
    asked_w : (n,)
        What they are asked to draw, >= 0.
    """
    hour = int(unix_s // HOUR_S)
    order = [number % HOURS for number in range(hour - HOURS + 1, hour + 1)]
    waiting, must = np.zeros_like(power_w), np.zeros_like(power_w)
    for age, lot in zip(range(HOURS - 1, -1, -1), order, strict=True):
        waiting = waiting + lots_wh[lot]
        left_h = waits_h + ((hour - age) * HOUR_S - unix_s) / HOUR_S
        due = waiting - power_w * np.maximum(left_h, 0.0)
        np.maximum(must, np.where(lots_wh[lot] > 0.0, due, 0.0), out=must)
    total = np.maximum(asked_w * (dt_s / HOUR_S), must)
    total = np.minimum(np.minimum(total, power_w * (dt_s / HOUR_S)), waiting)
    after, rest = list(lots_wh), total
    for lot in order:
        taken = np.minimum(lots_wh[lot], rest)
        after[lot] = lots_wh[lot] - taken
        rest = rest - taken
    return total * (HOUR_S / dt_s), tuple(after)
