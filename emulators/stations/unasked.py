"""What meters tell their concentrator unasked: that their supply is gone, and that it is back.

A meter says its last gasp when it goes dark, in the step in which that shows, and a word when it has supply again and
is back on its network. Messages pass over meters that have supply, or still live. All times are site seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Floats, anywhere
from pilotfarm.emulators.stations.collecting import kept_frac
from pilotfarm.emulators.stations.exchanges import hops
from pilotfarm.emulators.stations.gasping import gasps, parents, returns
from pilotfarm.profiles.draws import Keys
from pilotfarm.profiles.media.shared import HOPS_MAX, SharedMedium


class Word(NamedTuple):
    """What has come from a meter: that its supply is back, or gone; since when, and when that came."""

    meter: int
    supplied: bool
    since_s: float
    at_s: float


class Unasked:
    """The meters of one concentrator, which ``keys`` are of; all begin with supply."""

    def __init__(self, medium: SharedMedium, keys: Keys) -> None:
        n = len(keys)
        away = hops(medium, keys)
        self._medium, self._keys = medium, keys
        self._behind = np.zeros(n, dtype=np.intp)
        self._parent = parents(keys, self._behind, away)
        self._kept = kept_frac(medium, keys, away)
        self._out = np.zeros(n, dtype=bool)
        self._number = 0
        """Of the outage or the return that is drawn."""
        self._since_s = np.zeros((2, n))
        self._comes_s = np.full((2, n), np.inf)
        """Of each meter's last gasp and its word of return: since when that holds, and when it comes."""

    def advance(self, to_s: float, powered: Bools, reachable: Bools) -> list[Word]:
        """Hear what has come up to ``to_s``; which meters have supply, and are on their network."""
        come = list(self._come_by(to_s))
        went, back = ~powered & ~self._out, powered & reachable & self._out
        if anywhere(went):
            silent = self._out | ~reachable
            self._say(0, to_s, went, gasps(*self._over(silent), went, self._number))
            self._comes_s[1, went] = np.inf  # a meter that is dark again has no word of return left
            self._out |= went
        if anywhere(back):
            self._out &= ~back
            self._say(1, to_s, back, returns(*self._over(self._out | ~reachable), back, self._number))
        return come

    def _over(self, silent: Bools) -> tuple[SharedMedium, Keys, np.ndarray, np.ndarray, Floats]:
        """Return what messages pass over, where some meters pass on nothing, and say nothing."""
        lost, by = silent.copy(), self._parent
        for _ in range(HOPS_MAX):
            lost |= (by >= 0) & silent[by]
            by = np.where(by >= 0, self._parent[by], -1)
        return self._medium, self._keys, self._behind, self._parent, np.where(lost, 0.0, self._kept)

    def _say(self, what: int, now_s: float, who: Bools, after_s: Floats) -> None:
        self._number += 1
        self._since_s[what, who] = now_s
        self._comes_s[what, who] = now_s + after_s[who]

    def _come_by(self, to_s: float) -> Iterator[Word]:
        if not anywhere(self._comes_s <= to_s):
            return
        found = [
            Word(meter, bool(what), float(self._since_s[what, meter]), float(self._comes_s[what, meter]))
            for what, meter in np.argwhere(self._comes_s <= to_s).tolist()
        ]
        self._comes_s[self._comes_s <= to_s] = np.inf
        yield from sorted(found, key=lambda word: word.at_s)
