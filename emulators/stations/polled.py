"""What a station knows that polls: of every device, what its last good answer said.

A value moves when an answer with it has come, and not before; one of a device that does not answer stays and is not
topical. What a device accepts is known when it is read again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.arrays import Bools, Columns, Floats, Indices, anywhere, everything, nothing
from pilotfarm.emulators.columns.views import Seen, runs
from pilotfarm.emulators.contracts.asking import Told
from pilotfarm.emulators.contracts.quality import Qualities, Quality
from pilotfarm.emulators.stations.hindered import Hindrances
from pilotfarm.emulators.stations.known import REACHED
from pilotfarm.emulators.stations.scanning import News


class Poller(Protocol):
    """What polls: when, and with what success. An array has a row a class of scans and a column a device."""

    answers: Bools
    """Whether each device answered when it was last asked."""
    heard: Bools
    """Whether anything is known of each since the station has begun."""
    known_s: Floats
    """When that was read which is known of each. [s]"""
    scan_s: float
    scans: int
    left_out: int
    unanswered: int

    @property
    def buses(self) -> int: ...
    def advance(self, to_s: float, reachable: Bools) -> Sequence[News]: ...
    def restart(self, now_s: float) -> None: ...


class Polling:
    """A station at work: whom it can reach, and what it heard in the last step, by class of scans.

    While it is ``down`` it asks nobody, and what it knew is lost.
    """

    __slots__ = ("_silence", "down", "hindrances", "news", "reachable", "scanner")

    def __init__(self, scanner: Poller, hindrances: Hindrances) -> None:
        self.scanner = scanner
        self.hindrances = hindrances
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
        self.hindrances.now_s = to_s


def read_at(scan_class: int) -> str:
    """Name the column of when the quantities of a class of scans were read; no quantity is called so."""
    return f"read_s {scan_class}"


class _Picture(NamedTuple):
    """The values of some quantities, a column each, and their qualities as they were when they were taken."""

    values: Sequence[Floats]
    marks: Mapping[str, Qualities]


def _laid(ground: _Picture, *layers: tuple[Bools, _Picture]) -> _Picture:
    """Return a picture with some rows of others on it, the last on top.

    What is the same array in all of them stays that array.
    """
    shown = [(rows, picture) for rows, picture in layers if anywhere(rows)]
    if shown and shown[-1][0].all():
        ground, shown = shown[-1][1], []
    if not shown:
        return ground
    values = list(ground.values)
    differing: set[int] = set()
    for _, picture in shown:
        pairs = zip(values, picture.values, strict=True)
        differing.update([k for k, (below, above) in enumerate(pairs) if above is not below])
    moved = sorted(differing)
    if moved:
        whole = _stacked(values, moved)
        for rows, picture in shown:
            whole = np.where(rows, _stacked(picture.values, moved), whole)
        for number, column in zip(moved, whole, strict=True):
            values[number] = column
    marks = ground.marks
    for rows, picture in shown:
        marks = _marked(marks, rows, picture.marks)
    return _Picture(values, marks)


def _stacked(values: Sequence[Floats], which: Sequence[int]) -> Floats:
    return np.concatenate([values[number] for number in which]).reshape(len(which), -1)


def _marked(below: Mapping[str, Qualities], rows: Bools, above: Mapping[str, Qualities]) -> Mapping[str, Qualities]:
    good = np.zeros(len(rows), dtype=np.uint8)
    names = below.keys() | above.keys()
    found = {name: np.where(rows, above.get(name, good), below.get(name, good)) for name in names}
    return {name: marks for name, marks in found.items() if anywhere(marks)}


def _with(column: npt.NDArray[Any], cells: Mapping[int, float]) -> npt.NDArray[Any]:
    changed = column.copy()
    changed[list(cells)] = list(cells.values())
    return changed


class Heard:
    """What a station knows of the quantities of one class, and what is on its way to it."""

    __slots__ = ("_flight", "_flying", "known", "names")

    def __init__(self, names: Sequence[str], n: int, reported: Seen, quality: Mapping[str, Qualities]) -> None:
        self.names = names
        self.known = self._flight = self._seen(reported, quality)
        self._flying = np.zeros(n, dtype=bool)

    def take(self, news: News, reported: Seen, quality: Mapping[str, Qualities]) -> None:
        """Take what was heard, of what was reported when devices were read in the step."""
        if not self.names or not any(map(anywhere, news)):
            return
        before = self._seen(reported, quality)
        self.known = _laid(self.known, (news.landed, self._flight), (news.fresh, before))
        flying = self._flying & ~news.landed
        # Where nobody else is on his way, it is as it was reported, and costs nothing.
        others_fly = anywhere(flying & ~news.leaving)
        self._flight = _laid(self._flight, (news.leaving, before)) if others_fly else before
        self._flying = flying | news.leaving

    def put(self, said: Mapping[int, Told]) -> None:
        """Take what devices have said by their rows: values, and which they have none for."""
        columns, marks = list(self.known.values), dict(self.known.marks)
        for number, name in enumerate(self.names):
            values = {row: told.values[name] for row, told in said.items() if name in told.values}
            moved = {row: value for row, value in values.items() if value != columns[number][row]}
            if moved:
                columns[number] = _with(columns[number], moved)
            absent = {row: Quality.INVALID for row, told in said.items() if name in told.absent}
            if absent or name in marks:
                before = marks.get(name, np.zeros(len(self._flying), dtype=np.uint8))
                marks[name] = _with(before, dict.fromkeys(said, Quality.GOOD) | absent)
        self.known = _Picture(columns, {name: each for name, each in marks.items() if each.any()})

    def forget(self) -> None:
        self.known = _Picture([nothing(len(self._flying))] * len(self.names), {})
        self._flying = np.zeros_like(self._flying)

    def _seen(self, columns: Seen, marks: Mapping[str, Qualities]) -> _Picture:
        values = [columns[name] for name in self.names]
        return _Picture(values, {name: marks[name] for name in self.names if name in marks} if marks else {})


class Polled:
    """What a station that polls knows of the ``n`` devices of a group, which stand at these places there.

    ``names`` are the quantities of each class of scans; the first class tells of a device whether it is there. Devices
    cannot be asked for those ``unread``. What is in none of them does not change. A site begins with all of it known;
    a station that has been down begins with none of it, and what it has not read yet is 0 and invalid.
    """

    __slots__ = (
        "_before",
        "_class_of",
        "_heard",
        "_marks",
        "_places",
        "_polling",
        "_rows",
        "_unasked",
        "_unread",
        "columns",
        "quality",
        "said",
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
        consecutive = runs(places)
        self._rows = consecutive[0] if len(consecutive) == 1 else places
        asked = [[name for name in each if name != REACHED] for each in names]
        self._class_of = {name: number for number, each in enumerate(asked) for name in each}
        self._heard = [Heard(each, len(places), reported, quality) for each in asked]
        self._unasked: Columns = {name: reported[name] for name in reported if name not in self._class_of}
        self._marks = {name: marks for name, marks in quality.items() if name not in self._class_of}
        invalid = np.full(len(places), Quality.INVALID, dtype=np.uint8)
        self._unread = {name: invalid for name in unread if name != REACHED}
        self._before = reported, quality
        self.columns: Seen = reported
        self.said: Mapping[str, Qualities] = quality
        """What devices say of their values, where that is not that all are good."""
        self.quality: Mapping[str, Qualities] = quality
        self._show()

    @property
    def heard(self) -> Bools:
        """Of which devices anything is known."""
        known: Bools = self._polling.scanner.heard[0, self._places]
        return known

    def read_s(self, row: int, quantities: Collection[str]) -> float | None:
        """Return when a device had what is known of some quantities; ``None`` if they are not read, or no more. [s]"""
        classes = sorted({self._class_of[name] for name in quantities if name in self._class_of})
        scanner, place = self._polling.scanner, self._places[row]
        if not classes or not (scanner.answers & scanner.heard)[classes, place].all():
            return None
        return max(float(self.read_times[read_at(number)][row]) for number in classes)

    @property
    def read_times(self) -> Columns:
        """When devices had what is known of them, by class of scans. [s]"""
        return {read_at(number): each[self._places] for number, each in enumerate(self._polling.scanner.known_s)}

    def reach(self, row: int, reached: bool) -> None:
        """Have a device hear what it is asked, or not, from the next scan on."""
        self._polling.reachable[self._places[row]] = reached

    def update(self, reported: Seen, quality: Mapping[str, Qualities]) -> None:
        """Take what the station heard in the step that ends now; what devices report from now on is read later."""
        for heard, news in zip(self._heard, self._polling.news, strict=True):
            if self._polling.down:
                heard.forget()
            heard.take(self._here(news), *self._before)
        self._before = reported, quality
        self._show()

    def tell(self, reported: Seen, row: int, names: Sequence[str]) -> bool:
        """Take what a device has accepted; it is known when it is read."""
        self._before = reported, self._before[1]
        return False

    def _here(self, news: News) -> News:
        """Return what was heard of its own devices."""
        return News(*(flags[self._rows] for flags in news))

    def _show(self) -> None:
        self.columns = columns = dict(self._unasked)
        self.said = said = dict(self._marks)
        for heard in self._heard:
            columns.update(zip(heard.names, heard.known.values, strict=True))
            said.update(heard.known.marks)
        self.quality = quality = said | self._unread
        scanner = self._polling.scanner
        answers, known = scanner.answers[:, self._rows], scanner.heard[:, self._rows]
        reached = answers[0] & known[0]
        columns[REACHED] = everything(len(reached)) if reached.all() else reached.astype(np.float64)
        if answers.all() and known.all():
            return
        for heard, answer, has in zip(self._heard, answers, known, strict=True):
            stale = np.where(answer, 0, Quality.NOT_TOPICAL).astype(np.uint8)
            stale |= np.where(has, 0, Quality.INVALID).astype(np.uint8)
            quality.update((name, quality[name] | stale if name in quality else stale) for name in heard.names)
