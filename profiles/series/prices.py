"""Prices as who pays them looks at them: what energy costs now, and how much of the day it is cheaper or dearer."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from pilotfarm.profiles.draws import Floats
from pilotfarm.profiles.series.replay import Replayed


class Prices:
    """Follows a series of prices; days are those of ``zone``, and all prices of a day are known."""

    def __init__(self, prices: Replayed, zone: str) -> None:
        self.prices = prices
        self._zone = ZoneInfo(zone)
        self._day = (np.inf, -np.inf)
        self._lasts_h, self._of_day = np.zeros(0), np.zeros((0, 0))
        self._price: Floats | None = None
        self._now = np.zeros((3, 0))

    def at(self, end_s: float, dt_s: float) -> Floats:
        """Return the price in the step of ``dt_s`` that ends at ``end_s`` [s since 1970 UTC], ``(3, devices)``.

        Its first row is the price; then for how many hours of the day, as far as the series has it, energy is cheaper,
        and for how many it is dearer. NaN where the series says nothing. It is the same array until something moves.
        """
        price, begin_s = self.prices.at(end_s, dt_s), end_s - dt_s
        is_another_day = not self._day[0] <= begin_s < self._day[1]
        if is_another_day:
            self._look_at_day(begin_s)
        if is_another_day or price is not self._price:
            self._price = price
            cheaper_h, dearer_h = (self._lasts_h @ than for than in (self._of_day < price, self._of_day > price))
            known = np.where(np.isnan(price), np.nan, 1.0)
            self._now = np.array([price, cheaper_h * known, dearer_h * known])
        return self._now

    def _look_at_day(self, unix_s: float) -> None:
        today = datetime.fromtimestamp(unix_s, UTC).astimezone(self._zone).date()
        midnights = (datetime.combine(day, time(), self._zone) for day in (today, today + timedelta(days=1)))
        begin_s, end_s = (midnight.timestamp() for midnight in midnights)
        self._day = begin_s, end_s
        lasts_s, self._of_day = self.prices.between(begin_s, end_s)
        self._lasts_h = lasts_s / 3_600.0
