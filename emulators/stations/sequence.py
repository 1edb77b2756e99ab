"""The sequence of events of a station that polls: how states and alarms of its devices have changed.

It holds what the sequence of events of an RTU does, which is of contacts and not of measurements or counts: states and
alarms, in IEC 60870-5-101 single and double points with time tag (7.3.1), and whether a device answers. An event is a
value that is another than before, or of which its device says something else; the first that is known is none. What a
station finds out of a silent device is one event, that it is not online, though all of its values are old from then on.

Events stand as they are heard: step by step, and in a step in the order in which the station has its devices. Stamps of
different clocks need not be in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.clock import Clock, Clocks
from pilotfarm.emulators.contracts.quality import Qualities
from pilotfarm.emulators.stations.polled import Polled

_Shown: TypeAlias = tuple[Floats, Qualities | None]
"""A quantity's values, and what devices say of them where that is not that all are good."""
EVENTS_KEPT: Final = 1_000
"""The newest; they are also what a station costs in memory."""


class Event(NamedTuple):
    """A state or an alarm of a device that changed; times are on the UTC scale [s since 1970]."""

    number: int
    """Counted from 1 since the station began."""
    device: str
    quantity: str
    value: float
    quality: int
    stamped_s: float
    """As its time tag has it."""
    heard_s: float
    """When the station knew of it, as of the site."""


class ReadTimes:
    """When the devices of a group had what a station knows of them, each by its own clock.

    ``clocks`` are those that may be wrong; the site began at ``start_s`` [s since 1970].
    """

    def __init__(self, polled: Polled, clocks: Clocks, start_s: float) -> None:
        self._polled, self._clocks, self._start_s = polled, clocks, start_s

    def stamped_s(self, row: int, quantities: Collection[str]) -> float | None:
        """Return that of a value made of these; ``None`` where the station has found it out by itself."""
        read_s = self._polled.read_s(row, quantities)
        if read_s is None:
            return None
        clock = self._clocks.get(row)
        return self._start_s + read_s if clock is None else clock.stamped_s(self._start_s + read_s)


class Watched:
    """The states and alarms of devices of one group: ``devices`` are by their rows their places at the station."""

    def __init__(
        self, polled: Polled, names: Sequence[str], places: Mapping[int, tuple[int, str]], times: ReadTimes | None
    ) -> None:
        self._polled, self._names, self._times = polled, names, times
        self._places = [(row, *places[row]) for row in sorted(places)]
        self._rows = np.array(sorted(places), dtype=np.intp)
        self.begin()

    def begin(self) -> None:
        """Take what is known now for what it was before."""
        self._shown = self._now()
        self._heard = self._polled.heard[self._rows]

    def changes(self, own_s: float, heard_s: float) -> Iterator[tuple[int, Event]]:
        """Yield what has changed, with its device's place; ``own_s`` is what the station's own stamp says now."""
        before, heard = self._shown, self._heard
        self.begin()
        # What has not moved is mostly the same array.
        which = [k for k, (now, then) in enumerate(zip(self._shown, before, strict=True)) if _differ(now, then)]
        if not which:
            return
        (values, marks), (old_values, old_marks) = (self._stacked(each, which) for each in (self._shown, before))
        remarked = marks != old_marks
        moved = (remarked | (values != old_values)) & heard & self._heard
        if moved.any():
            moved &= ~(np.isnan(values) & np.isnan(old_values)) | remarked
            for at, index in np.argwhere(moved.T).tolist():
                row, place, device = self._places[at]
                name = self._names[which[index]]
                read_s = None if self._times is None else self._times.stamped_s(row, (name,))
                stamped_s = own_s if read_s is None else read_s
                value, mark = float(values[index, at]), int(marks[index, at])
                yield place, Event(0, device, name, value, mark, stamped_s, heard_s)

    def _now(self) -> list[_Shown]:
        columns, said = self._polled.columns, self._polled.said
        return [(columns[name], said.get(name)) for name in self._names]

    def _stacked(self, shown: Sequence[_Shown], which: Sequence[int]) -> tuple[Floats, Qualities]:
        """Return values and what devices say of them, a row a quantity."""
        values = np.stack([shown[k][0][self._rows] for k in which])
        marks = np.zeros(values.shape, dtype=np.uint8)
        for index, k in enumerate(which):
            said = shown[k][1]
            if said is not None:
                marks[index] = said[self._rows]
        return values, marks


def _differ(now: _Shown, then: _Shown) -> bool:
    return now[0] is not then[0] or now[1] is not then[1]


class EventSequence:
    """The newest events of one station, whose ``clock`` is the site's where it has none."""

    def __init__(self, clock: Clock | None) -> None:
        self._clock = clock
        self._watched: list[Watched] = []
        self.events: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self.count = 0
        """Events since the station began, those dropped too."""

    @property
    def dropped(self) -> int:
        return self.count - len(self.events)

    def watch(self, watched: Watched) -> None:
        self._watched.append(watched)

    def look(self, unix_s: float) -> None:
        """Take in what the station knows since the last step; that is over at ``unix_s``."""
        own_s = unix_s if self._clock is None else self._clock.stamped_s(unix_s)
        found = [each for watched in self._watched for each in watched.changes(own_s, unix_s)]
        for _, event in sorted(found, key=lambda each: each[0]):
            self.count += 1
            self.events.append(event._replace(number=self.count))

    def restart(self) -> None:
        """Begin anew, with what is known now."""
        self.events.clear()
        self.count = 0
        for watched in self._watched:
            watched.begin()
