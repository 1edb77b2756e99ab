"""How data concentrators read their meters, by arrays: rounds of exchanges, one at a time behind each concentrator.

A meter's load profile comes in blocks, oldest first. A block that is lost is asked for again; a meter that fails all
tries is left for the next round, which goes on where it stood. Who has been read, and has a clock that is off, is told
the time. What a head-end demands goes before the round. All
times are site seconds; intervals of a profile have numbers that grow.

Nobody is looked up one by one: an exchange of every concentrator is some array operations.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Floats, Indices, anywhere
from pilotfarm.emulators.stations.come import Come, Heard, Outcome, Silent, ToldTime, parted
from pilotfarm.emulators.stations.exchanges import SharedWay
from pilotfarm.profiles.draws import Keys, bits, key_of, uniform
from pilotfarm.profiles.media.shared import SharedMedium

INTERVALS_A_DAY: Final = 96
DEMANDS_MAX: Final = 64
"""How many demands may wait at a concentrator."""
_ASKED: Final = 20.0
"""Octets of a request: who, which object, from where, and its check."""
_AROUND: Final = 12.0
"""Octets of an answer beside its values."""
_TIME: Final = 12.0
"""Octets of a date and time (IEC 62056-6-2, 4.1.6.1)."""
_NEXT: Final = np.uint64(key_of(0, "next"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Collecting:
    """How meters are read: blocks of so many intervals of so many octets, and patience."""

    block_intervals: int = 7
    interval_octets: float = 27.0
    """Of four quantities of six octets, and a stamp and status they share."""
    registers_octets: float = 60.0
    timeout_s: float = 5.0
    tries: int = 4


@dataclass(slots=True)
class _Demand:
    """A meter is to answer so many exchanges in a row, each tried so often."""

    ticket: int
    meter: int
    left: int
    tries: int = 0
    told: bool = False

    def outcome(self, at_s: float) -> Outcome:
        return Outcome(self.ticket, self.meter, self.left == 0, at_s, self.told)


class Collector:
    """Data concentrators and their meters.

    Parameters
    ----------
    medium : SharedMedium
        Between a concentrator and its meters.
    keys : (n,) uint64
        One a meter; they decide how many hops away it is, and how good those are.
    concentrator : (n,) int
        Which concentrator a meter is behind, from 0; they never fall.
    known : int or (n,) int
        The first interval that nobody has read yet.
    """

    def __init__(
        self, medium: SharedMedium, keys: Keys, concentrator: Indices, rules: Collecting, *, known: int | Indices = 0
    ) -> None:
        n = len(keys)
        self._keys, self._behind, self._rules = keys.copy(), concentrator, rules
        self._blocks = block_way(medium, keys, rules)
        asked = np.full(n, _ASKED)
        self._registers = SharedWay(medium, keys, asked, np.full(n, _AROUND + rules.registers_octets))
        self._time = SharedWay(medium, keys, asked + _TIME, np.full(n, _AROUND))
        self.hops = self._blocks.hops
        self._kept = kept_frac(medium, keys, self.hops)
        self._kept_in_noise = self._kept * medium.noise_kept_frac**self.hops
        self.known = np.full(n, known, dtype=np.intp)
        self._wanted = self.known.copy()
        self._due = np.zeros(n, dtype=bool)
        self._off = np.zeros(n, dtype=bool)
        """Whose clocks are to be set."""
        self._tries = np.zeros(n, dtype=np.intp)
        self._free_s = np.full(int(concentrator.max(initial=-1)) + 1, -np.inf)
        self._demands: dict[int, deque[_Demand]] = {}
        """By concentrator, where something is demanded."""
        self._heard: list[Heard] = []
        self._silent: list[Silent] = []
        self._told_time: list[ToldTime] = []
        self._outcomes: list[Outcome] = []
        self._tickets = 0
        self.exchanges = self.unanswered = 0

    @property
    def behind(self) -> Bools:
        """Which meters have intervals that were wanted and have not come: the gap list."""
        owing: Bools = self.known < self._wanted
        return owing

    @property
    def idle(self) -> bool:
        """Whether every concentrator has been through its round."""
        return not anywhere(self._due)

    @property
    def rests(self) -> bool:
        """Whether nothing happens until a round begins, or something is demanded."""
        return self.idle and not (self._demands or self._heard or self._silent or self._told_time or self._outcomes)

    @property
    def waiting(self) -> int:
        """How many demands wait, at all concentrators."""
        return sum(map(len, self._demands.values()))

    @property
    def concentrators(self) -> int:
        return len(self._free_s)

    def stop(self, now_s: float) -> None:
        """End rounds and demands; what has not come by now has not been read."""
        for each in self._heard:
            np.minimum.at(self.known, each.meter, each.first)
        for told in self._told_time:
            self._off[told.meter] = True
        self._heard, self._silent, self._told_time = [], [], []
        self._due[:] = False
        self._free_s = np.full_like(self._free_s, now_s)
        failed = [each.outcome(now_s) for waiting in self._demands.values() for each in waiting]
        self._outcomes = [each._replace(answered=False, at_s=now_s) for each in self._outcomes] + failed
        self._demands.clear()

    def take_back(self, heard: Heard) -> None:
        """Have what could not be kept read again in the next round, and nothing more of these meters in this one."""
        np.minimum.at(self.known, heard.meter, heard.first)
        self._due[heard.meter] = False
        others = [~np.isin(each.meter, heard.meter) for each in self._heard]
        self._heard = [each.only(keep) for each, keep in zip(self._heard, others, strict=True)]

    def begin(self, now_s: float, wanted: int, oldest: Indices | None = None, off: Bools | None = None) -> None:
        """Begin a round: read all meters up to before interval ``wanted``, and set the clocks that are ``off``.

        ``oldest`` is the first interval that each meter still has; those before it are never read.
        """
        self._wanted[:] = wanted
        if off is not None:
            self._off = off.copy()
        if oldest is not None:
            np.maximum(self.known, oldest, out=self.known)
        self._ask(now_s, np.ones(len(self._free_s), dtype=bool))

    def begin_again(self, now_s: float) -> int:
        """Begin another round for what lacks, where a round is over; how many concentrators are still in one."""
        over = np.ones(len(self._free_s), dtype=bool)
        over[self._behind[self._due]] = False
        self._ask(now_s, over)
        return int(np.count_nonzero(~over))

    def _ask(self, now_s: float, concentrators: Bools) -> None:
        here = concentrators[self._behind]
        self._due = np.where(here, self.behind | self._off, self._due)
        self._tries[here] = 0
        self._free_s = np.where(concentrators, np.maximum(self._free_s, now_s), self._free_s)

    def demand(self, now_s: float, meter: int, exchanges: int = 1) -> int | None:
        """Ask a meter before the round goes on; a ticket, or ``None`` where too many wait.

        A read takes one exchange, a command one more to read back what it did.
        """
        concentrator = int(self._behind[meter])
        waiting = self._demands.setdefault(concentrator, deque())
        if len(waiting) >= DEMANDS_MAX:
            return None
        self._free_s[concentrator] = max(self._free_s[concentrator], now_s)
        self._tickets += 1
        waiting.append(_Demand(self._tickets, meter, exchanges))
        return self._tickets

    def advance(self, to_s: float, reachable: Bools, noisy: Bools) -> Come:
        """Exchange up to ``to_s``; which meters can answer, and which concentrators have noise.

        Return what has come by then.
        """
        while True:
            self._meet(to_s, reachable, noisy)
            which = self._asked_next(to_s)
            if not len(which):
                break
            behind = self.behind[which]
            self._read(which[behind], reachable, noisy)
            self._tell_time(which[~behind], reachable, noisy)
        return self._come_by(to_s)

    # ---------------------------------------------------------------------------------- the round

    def _asked_next(self, to_s: float) -> Indices:
        """Return the next meter of each concentrator that is free before then."""
        due = np.flatnonzero(self._due & (self._free_s < to_s)[self._behind])
        behind = self._behind[due]
        first: Bools = np.diff(behind, prepend=-1) != 0
        return due[first]

    def _read(self, which: Indices, reachable: Bools, noisy: Bools) -> None:
        if not len(which):
            return
        at_s, lost = self._exchanged(self._blocks, which, reachable, noisy)
        came, tried = which[~lost], which[lost]
        first = self.known[came]
        last = np.minimum(first + self._rules.block_intervals, self._wanted[came])
        self.known[came] = last
        self._tries[came] = 0
        self._tries[tried] += 1
        self._due[came[(last == self._wanted[came]) & ~self._off[came]]] = False
        failed = self._tries[tried] >= self._rules.tries
        self._due[tried[failed]] = False
        if len(came):
            self._heard.append(Heard(came, first, last, at_s[~lost]))
        if anywhere(failed):
            self._silent.append(Silent(tried[failed], at_s[lost][failed]))

    def _tell_time(self, which: Indices, reachable: Bools, noisy: Bools) -> None:
        if not len(which):
            return
        at_s, lost = self._exchanged(self._time, which, reachable, noisy)
        self._tries[which] += 1
        over = ~lost | (self._tries[which] >= self._rules.tries)
        self._due[which[over]] = self._off[which[over]] = False
        if anywhere(over):
            self._told_time.append(ToldTime(which[over], ~lost[over], at_s[over]))

    # ------------------------------------------------------------------------------------ demands

    def _meet(self, to_s: float, reachable: Bools, noisy: Bools) -> None:
        """Do what is demanded, as far as there is time."""
        for concentrator, waiting in list(self._demands.items()):
            while waiting and self._free_s[concentrator] < to_s:
                demand = waiting[0]
                at_s, lost = self._exchanged(self._registers, np.array([demand.meter]), reachable, noisy)
                demand.left -= not lost[0]
                demand.told |= not lost[0]
                demand.tries = demand.tries + 1 if lost[0] else 0
                if demand.left == 0 or demand.tries == self._rules.tries:
                    waiting.popleft()
                    self._outcomes.append(demand.outcome(float(at_s[0])))
            if not waiting:
                del self._demands[concentrator]

    # -------------------------------------------------------------------------------------- both

    def _exchanged(self, way: SharedWay, which: Indices, reachable: Bools, noisy: Bools) -> tuple[Floats, Bools]:
        """Have each concentrator exchange with one meter: when it is over, and whether nothing came."""
        self._keys[which] = bits(self._keys[which] ^ _NEXT, 0)
        drawn = way.drawn(self._keys[which], 0, which)
        behind = self._behind[which]
        kept = np.where(noisy[behind], self._kept_in_noise[which], self._kept[which])
        lost = drawn.lost | ~reachable[which] | (uniform(self._keys[which], 0, "kept") >= kept)
        lost |= drawn.took_s > self._rules.timeout_s
        at_s = self._free_s[behind] + np.where(lost, self._rules.timeout_s, drawn.took_s)
        self._free_s[behind] = at_s
        self.exchanges += len(which)
        self.unanswered += int(np.count_nonzero(lost))
        return at_s, lost

    def _come_by(self, to_s: float) -> Come:
        heard, self._heard = parted(self._heard, to_s)
        silent, self._silent = parted(self._silent, to_s)
        told_time, self._told_time = parted(self._told_time, to_s)
        outcomes = [each for each in self._outcomes if each.at_s <= to_s]
        self._outcomes = [each for each in self._outcomes if each.at_s > to_s]
        return Come(heard, silent, told_time, outcomes)


def block_way(medium: SharedMedium, keys: Keys, rules: Collecting) -> SharedWay:
    """Return what lies between concentrators and meters for who reads a block of each."""
    block = _AROUND + rules.block_intervals * rules.interval_octets
    return SharedWay(medium, keys, np.full(len(keys), _ASKED), np.full(len(keys), block))


def day_s(medium: SharedMedium, keys: Keys, rules: Collecting) -> Floats:
    """Return how long it takes to read a day of each meter when all goes well. [s]"""
    return ceil(INTERVALS_A_DAY / rules.block_intervals) * block_way(medium, keys, rules).nominal_s


def kept_frac(medium: SharedMedium, keys: Keys, hops: Floats) -> Floats:
    """Return the share of exchanges that the hops to each meter let pass: its own may be poor, others are good."""
    good = medium.good_kept_min_frac + (1.0 - medium.good_kept_min_frac) * uniform(keys, 0, "hop")
    poor = uniform(keys, 0, "poor") < medium.poor_frac
    kept: Floats = good ** (hops - 1.0) * np.where(poor, medium.poor_kept_frac, good)
    return kept
