"""A data concentrator at work: when its rounds begin, and what is known of its meters.

It is to a station what a ``Scanner`` is to one that polls: all quantities are one class, known whenever a meter has
answered anything. All times are site seconds, and ``unix_s`` those since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from math import floor, inf
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools
from pilotfarm.emulators.stations.collecting import Collector, Come, Heard, Outcome
from pilotfarm.emulators.stations.scanning import News
from pilotfarm.profiles.draws import Keys, uniform
from pilotfarm.profiles.media.shared import SharedMedium

INTERVAL_S: Final = 900
_DAYS_2_S: Final = 2.0 * 86_400.0 + 3_601.0
_EVENING: Final = (18, 23)
"""Between these hours appliances are on, and make noise."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a concentrator reads: a round every day at a local time, and again while something lacks.

    A round reads up to the midnight before it. Of a clock that is put forward, a time that there is not is an hour
    later; of one that is put back, a time that there is twice is the first.
    """

    zone: ZoneInfo
    at: time
    again_s: float

    def begins(self, after_unix_s: float, until_unix_s: float) -> Iterator[float]:
        """Yield the instants of daily rounds after one instant and up to another."""
        day = datetime.fromtimestamp(after_unix_s, self.zone).date() - timedelta(days=1)
        last = datetime.fromtimestamp(until_unix_s, self.zone).date()
        while day <= last:
            begin = datetime.combine(day, self.at, self.zone).timestamp()
            if after_unix_s < begin <= until_unix_s:
                yield begin
            day += timedelta(days=1)

    def midnight(self, unix_s: float) -> int:
        """Return the number of the interval that begins at the midnight before an instant, in intervals since 1970."""
        day: date = datetime.fromtimestamp(unix_s, self.zone).date()
        return floor(datetime.combine(day, time(), self.zone).timestamp()) // INTERVAL_S


class Rounds:
    """The rounds of concentrators that read alike.

    ``keys`` are one a concentrator, for noise. ``offset_s`` is what site time lacks to time since 1970. Meters keep
    ``kept`` intervals.
    """

    def __init__(
        self,
        collector: Collector,
        schedule: Schedule,
        medium: SharedMedium,
        keys: Keys,
        *,
        start_s: float,
        offset_s: float,
        kept: int,
    ) -> None:
        n = len(collector.known)
        self.collector = collector
        self._schedule, self._medium, self._keys = schedule, medium, keys
        self._offset_s, self._kept = offset_s, kept
        self._now_s, self._again_s = start_s, inf
        self._next_s = self._next(start_s)
        self.answers, self.heard = np.ones((1, n), dtype=bool), np.ones((1, n), dtype=bool)
        """Whether each meter answered when it was last asked, and whether anything is known of it."""
        self.known_s = np.full((1, n), start_s)
        self.read: Sequence[Heard] = ()
        """Blocks that have come in the last step."""
        self.outcomes: dict[int, Outcome] = {}
        """Of demands, by ticket, until somebody asks."""
        self._asked_s = np.full(n, -inf)
        self.rounds = 0

    def advance(self, to_s: float, reachable: Bools) -> list[News]:
        """Read up to ``to_s``; ``reachable`` says of each meter whether it can answer. One news, of its one class."""
        from_s, come = self._now_s, Come([], [], [])
        for until_s in self._pieces(to_s):
            self._begin_due()
            piece = self.collector.advance(until_s, reachable, self._noisy())
            come = Come(*([*before, *now] for before, now in zip(come, piece, strict=True)))
            self._now_s = until_s
        self._note(come)
        fresh, none = self.known_s[0] > from_s, np.zeros(self.known_s.shape[1], dtype=bool)
        return [News(fresh, none, none)]

    # ------------------------------------------------------------------------------------- parts

    def _pieces(self, to_s: float) -> Iterator[float]:
        """Part a step where a round begins, and where another quarter of an hour does."""
        while self._now_s < to_s:
            quarter = floor((self._now_s + self._offset_s) / INTERVAL_S) + 1
            yield min(to_s, quarter * INTERVAL_S - self._offset_s, *self._still((self._next_s, self._again_s)))

    def _still(self, times_s: Iterable[float]) -> list[float]:
        return [each_s for each_s in times_s if each_s > self._now_s]

    def _next(self, after_s: float) -> float:
        after = after_s + self._offset_s
        return next(self._schedule.begins(after, after + _DAYS_2_S)) - self._offset_s

    def _begin_due(self) -> None:
        """Begin the round that is due now."""
        now_s, unix_s = self._now_s, self._now_s + self._offset_s
        if now_s >= self._next_s:
            last = floor(unix_s) // INTERVAL_S
            oldest = np.full(len(self.collector.known), last - self._kept, dtype=np.intp)
            self.collector.begin(now_s, self._schedule.midnight(unix_s), oldest)
            self._next_s, self._again_s = self._next(now_s), now_s + self._schedule.again_s
            self.rounds += 1
        elif now_s >= self._again_s:
            self._again_s += self._schedule.again_s
            self.collector.begin_again(now_s)

    def _noisy(self) -> Bools:
        unix_s = self._now_s + self._offset_s
        hour = datetime.fromtimestamp(unix_s, self._schedule.zone).hour
        evening = _EVENING[0] <= hour < _EVENING[1]
        share = self._medium.noise_evening_frac if evening else self._medium.noise_frac
        noisy: Bools = uniform(self._keys, int(unix_s // INTERVAL_S), "noise") < share
        return noisy

    def _note(self, come: Come) -> None:
        """Keep who has answered, and who has not, in the order of time."""
        self.read = come.heard
        told = [(each.meter, each.at_s, True) for each in come.heard]
        told += [(each.meter, each.at_s, False) for each in come.silent]
        told += [(np.array([each.meter]), np.array([each.at_s]), each.answered) for each in come.outcomes]
        for meter, at_s, answered in told:
            later = at_s >= self._asked_s[meter]
            self._asked_s[meter[later]], self.answers[0, meter[later]] = at_s[later], answered
            if answered:
                self.known_s[0, meter] = np.maximum(self.known_s[0, meter], at_s)
        self.outcomes |= {each.ticket: each for each in come.outcomes}
