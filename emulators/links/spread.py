"""How quoted percentiles of a time are spread: log-normal between them, up to a maximum."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import exp, log
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.profiles.draws import score as score_of

_BELOW_1: Final = 1.0 - 2.0**-53
_QUANTILES: Final = 2**12
_NORMAL: Final = NormalDist()
_SCORES: Final = tuple(map(_NORMAL.inv_cdf, (0.5, 0.95, 0.99)))


class Spread:
    """A time whose logarithm is linear in the normal score between its median, its 95th and its 99th percentile,
    and goes on so beyond them. [s]"""

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

    def drawn_one(self, drawn: float) -> float:
        """Return the time of a draw from [0, 1)."""
        return self.at(min(drawn + 2.0**-54, _BELOW_1))

    def drawn(self, sixteen: npt.NDArray[np.uint16]) -> Floats:
        """Return a time for each of some draws, by the upper twelve of sixteen bits."""
        return self._quantiles.take(sixteen >> 4)

    @cached_property
    def _quantiles(self) -> Floats:
        """The times of as many equal shares: to look one up takes a tenth of working it out."""
        score = score_of((np.arange(_QUANTILES) + 0.5) / _QUANTILES)
        above = score >= _SCORES[1]
        logs, slopes, scores = (np.where(above, pair[1], pair[0]) for pair in (self._logs, self._slopes, _SCORES))
        times: Floats = np.minimum(np.exp(logs + slopes * (score - scores)), self._max_s)
        return times
