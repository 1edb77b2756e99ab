"""What a station knows that polls: of every device, what its last good answer said.

A value moves when an answer with it has come, and not before; one of a device that does not answer stays and is not
topical. What a device accepts is known when it is read again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Columns, Indices, anywhere
from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.quality import Qualities, Quality
from pilotfarm.emulators.stations.known import REACHED
from pilotfarm.emulators.stations.scanning import News, Scanner


class Polling:
    """A station at work: whom it can reach, and what it heard in the last step, by class of scans."""

    __slots__ = ("news", "reachable", "scanner")

    def __init__(self, scanner: Scanner) -> None:
        self.scanner = scanner
        self.reachable = np.ones(scanner.answers.shape[1], dtype=bool)
        self.news: Sequence[News] = ()

    def advance(self, to_s: float) -> None:
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


class Polled:
    """What stations that poll know of ``n`` devices of a group, each at one station.

    ``names`` are the quantities of each class of scans; the first class tells of a device whether it is there. What is in
    none of them does not change. A site begins with all of it known.
    """

    __slots__ = ("_before", "_flight", "_n", "_names", "_picture", "_seated", "columns", "quality")

    def __init__(
        self, names: Sequence[Sequence[str]], n: int, reported: Seen, quality: Mapping[str, Qualities]
    ) -> None:
        self._names = names
        self._n = n
        self._seated: list[tuple[Polling, Indices, Indices]] = []
        self._picture = _Picture(reported, quality)
        self._flight = _Picture(reported, quality)
        """Of what is on its way at the end of a step."""
        self._before = reported, quality
        self.columns: Seen = self._picture.columns
        self.quality: Mapping[str, Qualities] = self._picture.marks

    def seat(self, polling: Polling, rows: Indices, places: Indices) -> None:
        """Have a station poll devices: rows of the group, and their places at the station."""
        self._seated.append((polling, rows, places))

    def update(self, reported: Seen, quality: Mapping[str, Qualities]) -> None:
        """Take what stations heard in the step that ends now; what devices report from now on is read later."""
        answers = np.ones((len(self._names), self._n), dtype=bool)
        for number, names in enumerate(self._names):
            heard = np.zeros((3, self._n), dtype=bool)
            for polling, rows, places in self._seated:
                heard[:, rows] = np.stack(polling.news[number][:3])[:, places]
                answers[number, rows] = polling.scanner.answers[number, places]
            fresh, landed, leaving = heard
            self._picture.take(names, landed, self._flight.columns, self._flight.marks)
            self._picture.take(names, fresh, *self._before)
            self._flight.take(names, leaving, *self._before)
        self._before = reported, quality
        self._show(answers)

    def tell(self, reported: Seen, row: int, names: Sequence[str]) -> bool:
        """Take what a device has accepted; it is known when it is read."""
        self._before = reported, self._before[1]
        return False

    def _show(self, answers: Bools) -> None:
        self.columns = columns = dict(self._picture.columns)
        self.quality = quality = dict(self._picture.marks)
        if answers.all():
            return
        good = np.zeros(self._n, dtype=np.uint8)
        for names, answer in zip(self._names, answers, strict=True):
            stale = np.where(answer, 0, Quality.NOT_TOPICAL).astype(np.uint8)
            for name in names:
                quality[name] = quality.get(name, good) | stale
        columns[REACHED] = np.where(answers[0], columns[REACHED], 0.0)
        quality.pop(REACHED, None)
