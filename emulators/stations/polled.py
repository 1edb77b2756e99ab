"""What a station knows that polls: of every device, what its last good answer said.

A value moves when an answer with it has come, and not before; one of a device that does not answer stays and is not
topical. What a device accepts is known when it is read again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Columns, Indices, anywhere
from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.quality import Qualities, Quality
from pilotfarm.emulators.stations.known import REACHED
from pilotfarm.emulators.stations.scanning import News, Scanner


class Polling:
    """A station at work: whom it can reach, and what it heard in the last step, by class of scans.

    While it is ``down`` it asks nobody, and what it knew is lost.
    """

    __slots__ = ("_silence", "down", "news", "reachable", "scanner")

    def __init__(self, scanner: Scanner) -> None:
        self.scanner = scanner
        classes, n = scanner.answers.shape
        self.reachable = np.ones(n, dtype=bool)
        self.down = False
        self._silence: Sequence[News] = [News(*np.zeros((3, n), dtype=bool))] * classes
        self.news: Sequence[News] = self._silence

    def advance(self, to_s: float) -> None:
        if self.down:
            self.scanner.restart(to_s)
            self.news = self._silence
        else:
            self.news = self.scanner.advance(to_s, self.reachable)


class _Picture:
    """Values and their qualities as they were when they were taken, row by row."""

    __slots__ = ("columns", "marks")

    def __init__(self, columns: Seen, marks: Mapping[str, Qualities]) -> None:
        self.columns: Columns = dict(columns)
        self.marks: dict[str, Qualities] = dict(marks)

    def take(self, names: Sequence[str], rows: Bools, columns: Seen, marks: Mapping[str, Qualities]) -> None:
        if not anywhere(rows):
            return
        whole = bool(rows.all())
        for name in names:
            self.columns[name] = columns[name] if whole else np.where(rows, columns[name], self.columns[name])
        good = np.zeros(len(rows), dtype=np.uint8)
        for name in (marks.keys() | self.marks.keys()) & set(names):
            taken = np.where(rows, marks.get(name, good), self.marks.pop(name, good))
            if anywhere(taken):
                self.marks[name] = taken

    def forget(self, names: Sequence[str]) -> None:
        for name in names:
            self.columns[name] = np.zeros_like(self.columns[name])
            self.marks.pop(name, None)


class Polled:
    """What a station that polls knows of the ``n`` devices of a group, which stand at these places there.

    ``names`` are the quantities of each class of scans; the first class tells of a device whether it is there. Devices
    cannot be asked for those ``unread``. What is in none of them does not change. A site begins with all of it known;
    a station that has been down begins with none of it, and what it has not read yet is 0 and invalid.
    """

    __slots__ = (
        "_before",
        "_class_of",
        "_flight",
        "_names",
        "_picture",
        "_places",
        "_polling",
        "_unread",
        "columns",
        "quality",
    )

    def __init__(
        self,
        polling: Polling,
        places: Indices,
        names: Sequence[Sequence[str]],
        unread: Sequence[str],
        reported: Seen,
        quality: Mapping[str, Qualities],
    ) -> None:
        self._polling, self._places = polling, places
        self._names = [[name for name in each if name != REACHED] for each in names]
        self._class_of = {name: number for number, each in enumerate(self._names) for name in each}
        invalid = np.full(len(places), Quality.INVALID, dtype=np.uint8)
        self._unread = {name: invalid for name in unread if name != REACHED}
        self._picture = _Picture(reported, quality)
        self._flight = _Picture(reported, quality)
        """Of what is on its way at the end of a step."""
        self._before = reported, quality
        self.columns: Seen = reported
        self.quality: Mapping[str, Qualities] = quality
        self._show()

    @property
    def heard(self) -> Bools:
        """Of which devices anything is known."""
        known: Bools = self._polling.scanner.heard[0, self._places]
        return known

    @property
    def said(self) -> Mapping[str, Qualities]:
        """What devices say of their values, where that is not that all are good."""
        return self._picture.marks

    def read_s(self, row: int, quantities: Collection[str]) -> float | None:
        """Return when a device had what is known of some quantities; ``None`` if they are not read, or no more. [s]"""
        classes = sorted({self._class_of[name] for name in quantities if name in self._class_of})
        scanner, place = self._polling.scanner, self._places[row]
        if not classes or not (scanner.answers & scanner.heard)[classes, place].all():
            return None
        return float(scanner.known_s[classes, place].max())

    def reach(self, row: int, reached: bool) -> None:
        """Have a device hear what it is asked, or not, from the next scan on."""
        self._polling.reachable[self._places[row]] = reached

    def update(self, reported: Seen, quality: Mapping[str, Qualities]) -> None:
        """Take what the station heard in the step that ends now; what devices report from now on is read later."""
        if self._polling.down:
            for names in self._names:
                self._picture.forget(names)
        for names, news in zip(self._names, self._polling.news, strict=True):
            fresh, landed, leaving = (flag[self._places] for flag in news)
            self._picture.take(names, landed, self._flight.columns, self._flight.marks)
            self._picture.take(names, fresh, *self._before)
            self._flight.take(names, leaving, *self._before)
        self._before = reported, quality
        self._show()

    def tell(self, reported: Seen, row: int, names: Sequence[str]) -> bool:
        """Take what a device has accepted; it is known when it is read."""
        self._before = reported, self._before[1]
        return False

    def _show(self) -> None:
        self.columns = columns = dict(self._picture.columns)
        self.quality = quality = self._picture.marks | self._unread
        scanner = self._polling.scanner
        answers, heard = scanner.answers[:, self._places], scanner.heard[:, self._places]
        columns[REACHED] = (answers[0] & heard[0]).astype(np.float64)
        if answers.all() and heard.all():
            return
        good = np.zeros(len(self._places), dtype=np.uint8)
        for names, answer, known in zip(self._names, answers, heard, strict=True):
            stale = np.where(answer, 0, Quality.NOT_TOPICAL).astype(np.uint8)
            stale |= np.where(known, 0, Quality.INVALID).astype(np.uint8)
            for name in names:
                quality[name] = quality.get(name, good) | stale
