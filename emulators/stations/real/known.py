"""What a station knows that really polls: of every device, what its last good answers said, as they said it.

One that the device says is not there is invalid, and so is one that its map says only a part of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pilotfarm.emulators.columns.arrays import Indices
from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.quality import Qualities, Quality
from pilotfarm.emulators.stations.polled import Polled, Polling
from pilotfarm.emulators.stations.real.scanner import RealScanner


class ReallyPolled(Polled):
    """What ``Polled`` is, of devices whose answers say it; those in ``rows`` are at the station, by their places."""

    __slots__ = ("_row_at", "_scanner")

    def __init__(
        self,
        polling: Polling,
        places: Indices,
        names: Sequence[Sequence[str]],
        unread: Sequence[str],
        reported: Seen,
        quality: Mapping[str, Qualities],
        *,
        rows: Mapping[int, int],
    ) -> None:
        assert isinstance(polling.scanner, RealScanner)
        self._scanner, self._row_at = polling.scanner, rows
        super().__init__(polling, places, names, unread, reported, quality)
        for place, row in rows.items():
            for heard, says in zip(self._heard, self._scanner.peers[place].master.says, strict=True):
                for name in (name for name in heard.names if name not in says):
                    self._unread.setdefault(name, np.zeros(len(places), dtype=np.uint8))[row] = Quality.INVALID
        self._show()

    def update(self, reported: Seen, quality: Mapping[str, Qualities]) -> None:
        """Take what answers have said in the step that ends now."""
        for number, heard in enumerate(self._heard):
            if self._polling.down:
                heard.forget()
            told = {
                self._row_at[place]: each
                for place, of, each in self._scanner.told
                if of == number and place in self._row_at
            }
            if told:
                heard.put(told)
        self._show()
