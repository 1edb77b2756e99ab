"""Who stays at charging points, and who comes next: visits of a user's file, as the farm follows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from pilotfarm.profiles.draws import Floats

_DAY_S: Final = 86_400.0
NEVER_S: Final = 1e18
"""When somebody comes and leaves who does not."""


@dataclass(frozen=True, slots=True, eq=False)
class Stays:
    """Visits, a row each, by point and then by time, none overlapping at a point.

    ``point`` counts from 0; ``arrive_s`` and ``leave_s`` in seconds since 1970 UTC; ``place`` names a row's line.
    """

    file: Path
    points: int
    point: npt.NDArray[np.intp]
    arrive_s: Floats
    leave_s: Floats
    energy_wh: Floats
    repeats: bool
    place: Callable[[int], tuple[int, str]]

    @property
    def period_s(self) -> float:
        """After how long they come again: so many whole days as they take."""
        return float(np.ceil((self.leave_s.max() - self.arrive_s.min()) / _DAY_S) * _DAY_S)

    def next_at(self, unix_s: float) -> Floats:
        """Return of each point the first visit that is not over at an instant: arrival, departure [s] and energy [Wh].

        ``(3, points)``; where nobody comes any more ``NEVER_S`` twice, and 0.
        """
        begin_s, period_s = float(self.arrive_s.min()), self.period_s
        round_ = np.floor((unix_s - begin_s) / period_s) if self.repeats else 0.0
        found = self._in_round(unix_s, round_ * period_s)
        if self.repeats:
            found = np.where(found[0] == NEVER_S, self._in_round(unix_s, (round_ + 1.0) * period_s), found)
        return found

    def _in_round(self, unix_s: float, shift_s: float) -> Floats:
        ended = self.leave_s + shift_s <= unix_s
        # Visits of a point are in order, so the first that is not over comes after as many as are.
        first = np.searchsorted(self.point, np.arange(self.points))
        over = np.bincount(self.point, weights=ended, minlength=self.points).astype(np.intp)
        count = np.bincount(self.point, minlength=self.points)
        row = np.minimum(first + over, len(self.point) - 1)
        there = over < count
        visits = np.array([self.arrive_s[row] + shift_s, self.leave_s[row] + shift_s, self.energy_wh[row]])
        return np.where(there, visits, [[NEVER_S], [NEVER_S], [0.0]])


class Guests:
    """Follows ``Stays``: looks again when a visit is over."""

    def __init__(self, stays: Stays) -> None:
        self.stays = stays
        self._now = np.zeros((3, 0))
        self._from_s, self._until_s = np.inf, -np.inf

    def at(self, end_s: float, dt_s: float) -> Floats:
        """Return ``Stays.next_at`` for the beginning of a step; the same array until a visit is over."""
        unix_s = end_s - dt_s
        if not self._from_s <= unix_s < self._until_s:
            self._now = self.stays.next_at(unix_s)
            self._from_s, self._until_s = unix_s, float(self._now[1].min())
        return self._now
