"""How quoted percentiles of a time are spread: log-normal between them, up to a maximum."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log
from statistics import NormalDist
from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.profiles.draws import score as score_of

_NORMAL: Final = NormalDist()
_SCORES: Final = tuple(map(_NORMAL.inv_cdf, (0.5, 0.95, 0.99)))


class Spread:
    """A time whose logarithm is linear in the normal score between its median, its 95th and its 99th percentile,
    and goes on so beyond them. [s]"""

    __slots__ = ("_logs", "_max_s", "_slopes")

    def __init__(self, quoted_s: Sequence[float], max_s: float) -> None:
        logs = [log(each) for each in quoted_s]
        self._logs = logs[:2]
        self._slopes = [(logs[k + 1] - logs[k]) / (_SCORES[k + 1] - _SCORES[k]) for k in range(2)]
        self._max_s = max_s

    def at(self, share: float) -> float:
        """Return what a share of all, in (0, 1), takes at most."""
        score = _NORMAL.inv_cdf(share)
        place = 0 if score < _SCORES[1] else 1
        return min(exp(self._logs[place] + self._slopes[place] * (score - _SCORES[place])), self._max_s)

    def drawn(self, uniform: Floats) -> Floats:
        """Return a time for each of some draws from [0, 1)."""
        score = score_of(uniform)
        above = score >= _SCORES[1]
        logs, slopes, scores = (np.where(above, pair[1], pair[0]) for pair in (self._logs, self._slopes, _SCORES))
        times: Floats = np.minimum(np.exp(logs + slopes * (score - scores)), self._max_s)
        return times
