"""What a battery does while nobody asks: it follows the clock, or the price of energy.

By the clock it charges around noon and discharges in the evening. By the price it charges in the hours of the day in
which energy is cheapest and discharges in those in which it is dearest, so many of each (``tariff_hours``); as long
as no price is known it follows the clock. On a day with one price it idles.
"""

from __future__ import annotations

from math import pi, sin
from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Columns, Floats, anywhere, nothing
from pilotfarm.emulators.contracts.device import Rating
from pilotfarm.emulators.contracts.world import Surroundings

MODES: Final = ("schedule", "tariff")
_TARIFF: Final = float(MODES.index("tariff"))

RATINGS: Final = (
    Rating("own_mode", "name", 0.0, 0.0, len(MODES) - 1.0, "What it follows when not asked: clock or price", MODES),
    Rating("own_schedule_frac", "1", 0.4, 0.0, 1.0, "Power at which it follows that; 0 idles"),
    Rating("tariff_hours", "h", 4.0, 0.0, 12.0, "By price: hours of a day in which it charges; and discharges"),
)


def by_price(ratings: Columns) -> Bools:
    """Return which batteries follow the price."""
    return np.asarray(ratings["own_mode"] == _TARIFF)


def share(new: Columns, surroundings: Surroundings) -> Floats:
    """Return how much of ``own_schedule_frac`` it delivers by itself, -1 to 1 and minus charging, ``(n,)``."""
    clock, n = _of_clock(surroundings.local_hour), len(new["own_mode"])
    if surroundings.prices is None or not anywhere(new["own_mode"]):
        return np.full(n, clock) if clock else nothing(n)
    price = _of_price(surroundings.prices, new["tariff_hours"])
    return np.where(by_price(new) & ~np.isnan(price), price, clock)


def _of_clock(hour: float) -> float:
    """Charge from 10 to 15, discharge from 17 to 22."""
    if 10.0 < hour < 15.0:
        return -sin(pi * (hour - 10.0) / 5.0)
    if 17.0 < hour < 22.0:
        return sin(pi * (hour - 17.0) / 5.0)
    return 0.0


def _of_price(prices: Floats, hours: Floats) -> Floats:
    """Charge while the day has less than ``hours`` that are cheaper, discharge while it has less that are dearer."""
    _, cheaper_h, dearer_h = prices
    asked = (dearer_h < hours).astype(np.float64) - (cheaper_h < hours)
    return np.where(np.isnan(cheaper_h), np.nan, asked)
