"""A data concentrator at work: when its rounds begin, and what is known of its meters.

It is to a station what a ``Scanner`` is to one that polls: all quantities are one class, known whenever a meter has
answered anything. All times are site seconds, and ``unix_s`` those since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from math import floor, inf
from typing import Final, Protocol
from zoneinfo import ZoneInfo

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools
from pilotfarm.emulators.errors import Busy
from pilotfarm.emulators.stations.collecting import Collector
from pilotfarm.emulators.stations.come import Come, Heard, Outcome, ToldTime
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


class Meters(Protocol):
    """The meters of a concentrator, and what it does with what they say."""

    def powered(self) -> Bools:
        """Which have supply: others do not answer."""
        ...

    def listen(self, to_s: float, reachable: Bools, *, hears: bool) -> None:
        """Hear what they say unasked up to a time, or miss it."""
        ...

    def off(self, unix_s: float) -> Bools:
        """Which have a clock that is to be set."""
        ...

    def set_clocks(self, told: ToldTime) -> None:
        """Set the clocks of those that have answered."""
        ...

    def keep(self, heard: Sequence[Heard]) -> int:
        """Keep blocks that have come, the first ones first; how many it could."""
        ...


class Rounds:
    """The rounds of concentrators that read alike.

    ``keys`` are one a concentrator, for noise. ``offset_s`` is what site time lacks to time since 1970. Meters keep
    ``kept`` intervals. All of ``classes`` are known together.
    """

    def __init__(
        self,
        collector: Collector,
        schedule: Schedule,
        medium: SharedMedium,
        keys: Keys,
        meters: Meters,
        *,
        start_s: float,
        offset_s: float,
        kept: int,
        classes: int = 1,
    ) -> None:
        n = len(collector.known)
        self.collector = collector
        self._schedule, self._medium, self._keys, self._meters = schedule, medium, keys, meters
        self._offset_s, self._kept = offset_s, kept
        self._now_s, self._again_s = start_s, inf
        self._next_s = self._next(start_s)
        self.answers, self.heard = np.ones((classes, n), dtype=bool), np.ones((classes, n), dtype=bool)
        """Whether each meter answered when it was last asked, and whether anything is known of it."""
        self.known_s = np.full((classes, n), start_s)
        self.read: Sequence[Heard] = ()
        """Blocks that have come in the last step, kept or not."""
        self.outcomes: Sequence[Outcome] = ()
        """Of demands that have ended in the last step."""
        self._ends: dict[int, Callable[[Outcome], None]] = {}
        """Who waits for a demand, by its ticket."""
        self._asked_s = np.full(n, -inf)
        self._silence = [News(*np.zeros((3, n), dtype=bool))] * classes
        self.scan_s = schedule.again_s
        self.scans = self.left_out = self.unanswered = 0
        """Rounds begun at their time of day; further ones that were due while a concentrator was still in one."""

    @property
    def buses(self) -> int:
        return self.collector.concentrators

    @property
    def waiting(self) -> int:
        """How many demands wait."""
        return self.collector.waiting

    def demand(self, meter: int, exchanges: int, ended: Callable[[Outcome], None]) -> None:
        """Ask a meter before the round goes on; who asks is told how it ended. Raises ``Busy`` where many wait."""
        ticket = self.collector.demand(self._now_s, meter, exchanges)
        if ticket is None:
            raise Busy("too many demands wait at the concentrator")
        self._ends[ticket] = ended

    def advance(self, to_s: float, reachable: Bools) -> Sequence[News]:
        """Read up to ``to_s``; ``reachable`` says of each meter whether it can answer. One news a class."""
        self._meters.listen(to_s, reachable, hears=True)
        if self.collector.rests and min(self._next_s, self._again_s) >= to_s:
            self._now_s, self.read, self.outcomes = to_s, (), ()
            return self._silence
        from_s, come = self._now_s, Come()
        answer = reachable & self._meters.powered()
        for until_s in self._pieces(to_s):
            come = come.and_then(self.collector.advance(until_s, answer, self._noisy()))
            self._now_s = until_s
        self._note(come)
        fresh, none = self.known_s[0] > from_s, self._silence[0].leaving
        return [News(fresh, none, none)] * len(self.answers)

    def restart(self, now_s: float) -> None:
        """Know nothing of what meters have at present, and ask none of them before ``now_s``.

        Readings are kept, and up to where each meter is read. A round that was due since begins late.
        """
        self._meters.listen(now_s, np.ones(self.answers.shape[1], dtype=bool), hears=False)
        self.collector.stop(now_s)
        self._note(self.collector.advance(now_s, self.answers[0], self._noisy()))
        self._now_s = now_s
        self.heard, self.answers = np.zeros_like(self.heard), np.ones_like(self.answers)
        self.known_s = np.full_like(self.known_s, now_s)

    # ------------------------------------------------------------------------------------- parts

    def _pieces(self, to_s: float) -> Iterator[float]:
        """Part a step where a round begins, and where another quarter of an hour does; begin those that are due."""
        while self._now_s < to_s:
            self._begin_due()
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
            self.collector.begin(now_s, self._schedule.midnight(unix_s), oldest, self._meters.off(unix_s))
            self._next_s, self._again_s = self._next(now_s), now_s + self._schedule.again_s
            self.scans += 1
        elif now_s >= self._again_s:
            self._again_s = now_s + self._schedule.again_s
            self.left_out += self.collector.begin_again(now_s)

    def _noisy(self) -> Bools:
        unix_s = self._now_s + self._offset_s
        hour = datetime.fromtimestamp(unix_s, self._schedule.zone).hour
        evening = _EVENING[0] <= hour < _EVENING[1]
        share = self._medium.noise_evening_frac if evening else self._medium.noise_frac
        noisy: Bools = uniform(self._keys, int(unix_s // INTERVAL_S), "noise") < share
        return noisy

    def _note(self, come: Come) -> None:
        """Keep what was read, and who has answered and who has not, in the order of time."""
        heard = sorted(come.heard, key=lambda each: float(each.at_s.min()))
        for each in heard[self._meters.keep(heard) if heard else 0 :]:
            self.collector.take_back(each)
        self.read, self.outcomes, self.unanswered = heard, come.outcomes, self.collector.unanswered
        told = [(each.meter, each.at_s, True) for each in heard]
        told += [(each.meter, each.at_s, False) for each in come.silent]
        for clocks in come.told_time:
            self._meters.set_clocks(clocks)
            for those, answered in ((clocks.only(clocks.answered), True), (clocks.only(~clocks.answered), False)):
                told.append((those.meter, those.at_s, answered))
        told += [(np.array([each.meter]), np.array([each.at_s]), each.answered) for each in come.outcomes]
        for meter, at_s, answered in told:
            later = at_s >= self._asked_s[meter]
            self._asked_s[meter[later]], self.answers[:, meter[later]] = at_s[later], answered
            if answered:
                self.known_s[:, meter] = np.maximum(self.known_s[:, meter], at_s)
                self.heard[:, meter] = True
        for outcome in come.outcomes:
            if outcome.ticket in self._ends:
                self._ends.pop(outcome.ticket)(outcome)
