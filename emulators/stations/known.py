"""What a station knows of the devices behind it: what they report, and of one it lost what it last knew.

true -> reported by the device -> known at the station. Each is columns: a place that knows something else than the
devices report has columns of its own, and tables of its own made of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Columns
from pilotfarm.emulators.columns.views import Overlaid, Seen
from pilotfarm.emulators.contracts.quality import Qualities, Quality

REACHED: Final = "online"
"""Whether a device is reached is the one thing that a station knows of a lost device."""


class Known:
    """What stations know of ``n`` devices of a group, each at one station.

    While no device is lost these are the reported columns, the same mapping.
    """

    __slots__ = ("_held", "_lost", "_n", "_names", "_own", "columns", "quality")

    def __init__(self, names: Sequence[str], n: int, reported: Seen, quality: Mapping[str, Qualities]) -> None:
        self._names = names
        self._n = n
        self._lost: set[int] = set()
        self._held: dict[int, dict[str, float]] = {}
        self._own: Columns = {}
        """What is known while a device is lost."""
        self.columns = reported
        self.quality = quality

    def reach(self, row: int, reached: bool) -> None:
        """Lose a device or have it back, as of the next ``update``."""
        if reached:
            self._lost.discard(row)
            self._held.pop(row, None)
        else:
            self._lost.add(row)

    def update(self, reported: Seen, quality: Mapping[str, Qualities]) -> None:
        """Take what the devices report now, in ``quality`` what is not good in every row."""
        for row in self._lost - self._held.keys():
            self._held[row] = {name: float(self.columns[name][row]) for name in self._names}
        if self._lost:
            self._overlay(reported, quality)
        else:
            self.columns, self.quality = reported, quality

    def tell(self, reported: Seen, row: int, names: Sequence[str]) -> bool:
        """Take what a device has accepted since the last ``update``; whether it is known, the device being reached."""
        if not self._lost:
            self.columns = reported
        elif row not in self._lost:
            for name in names:
                self._own[name] = self._own[name].copy()
                self._own[name][row] = reported[name][row]
        return row not in self._lost

    def _overlay(self, reported: Seen, quality: Mapping[str, Qualities]) -> None:
        rows = np.array(sorted(self._lost), dtype=np.intp)
        columns: Columns = {}
        marks: dict[str, Qualities] = {}
        for name in self._names:
            columns[name] = reported[name].copy()
            columns[name][rows] = [self._held[row][name] for row in rows]
            marks[name] = quality[name].copy() if name in quality else np.zeros(self._n, dtype=np.uint8)
            marks[name][rows] |= np.uint8(Quality.NOT_TOPICAL)
        columns[REACHED][rows] = 0.0
        marks[REACHED][rows] = Quality.GOOD
        self._own = columns
        self.columns, self.quality = Overlaid(reported, columns), marks
