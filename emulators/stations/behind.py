"""What a station knows that polls other stations: of every device, what the lower one showed at its last good poll.

Value, quality and time come up together: when a device had a value is a column like it. What the lower station marks
as not topical is so here, and all it has is once it does not answer itself. Commands go down both lines.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Columns, Indices
from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.asking import Carried, Order
from pilotfarm.emulators.contracts.protocol import Seat
from pilotfarm.emulators.contracts.quality import Qualities, Quality
from pilotfarm.emulators.errors import NoAnswer, PointError
from pilotfarm.emulators.stations.downlink import BusDownlink, Buses, Sent
from pilotfarm.emulators.stations.known import REACHED, Known
from pilotfarm.emulators.stations.polled import Heard, Polled, Polling, read_at

_HEARD: Final = "heard"
"""The column of whether the lower station knew anything of a device; no quantity is called so."""


class Behind(Polled):
    """What a station knows of devices of a group that are behind others; see ``Polled``.

    ``lower`` is what the station below knows of the group. It is brought up to date first in each step.
    """

    __slots__ = ("_carried", "_lower", "_told")

    def __init__(
        self,
        polling: Polling,
        places: Indices,
        names: Sequence[Sequence[str]],
        unread: Sequence[str],
        lower: Known | Polled,
    ) -> None:
        self._lower = lower
        polls = isinstance(lower, Polled)
        self._told = self._tells()
        of_all = [[REACHED, *[_HEARD] * polls], *[[]] * (len(names) - 1)]
        times = [[read_at(number)] * polls for number in range(len(names))]
        self._carried = [Heard([*a, *b], len(places), self._told, {}) for a, b in zip(of_all, times, strict=True)]
        """What comes up of a device beside its quantities, by class of scans."""
        super().__init__(polling, places, names, unread, lower.columns, lower.quality)

    @property
    def heard(self) -> Bools:
        known: Bools = super().heard & (self._came_up.get(_HEARD, 1.0) > 0.0)
        return known

    @property
    def read_times(self) -> Columns:
        """When devices had what is known; a station that does not poll knew it at once when it was asked itself. [s]"""
        if not isinstance(self._lower, Polled):
            return super().read_times
        found = self._came_up
        return {name: found[name] for name in map(read_at, range(len(self._carried)))}

    def read_s(self, row: int, quantities: Collection[str]) -> float | None:
        return super().read_s(row, quantities) if self.columns[REACHED][row] else None

    def reach(self, row: int, reached: bool) -> None:
        """Nothing: the way to a device is the lower station's."""

    def update(self, reported: Seen, quality: Mapping[str, Qualities]) -> None:
        for carried, news in zip(self._carried, self._polling.news, strict=True):
            carried.take(self._here(news), self._told, {})
        self._told = self._tells()
        super().update(self._lower.columns, self._lower.quality)

    def tell(self, reported: Seen, row: int, names: Sequence[str]) -> bool:
        return super().tell(self._lower.columns, row, names)

    @property
    def _came_up(self) -> Columns:
        return {
            name: column for each in self._carried for name, column in zip(each.names, each.known.values, strict=True)
        }

    def _tells(self) -> Columns:
        """Return what the lower station tells of devices beside their quantities."""
        lower, reached = self._lower, self._lower.columns[REACHED]
        if not isinstance(lower, Polled):
            return {REACHED: reached}
        return {REACHED: reached, _HEARD: lower.heard.astype(np.float64), **lower.read_times}

    def _show(self) -> None:
        """Have a device reached that both stations reach; that one is silent, it has not said itself."""
        super()._show()
        below = self._carried[0].known.values[0]
        if below.all():
            return
        self.columns = {**self.columns, REACHED: self.columns[REACHED] * below}
        own = np.where(below > 0.0, 0, Quality.NOT_TOPICAL).astype(np.uint8)
        self.said = {name: marks & ~own for name, marks in self.said.items()}


class Passed:
    """A command to a device behind another station: that station has it at ``heard_s``, or never, and passes it on."""

    __slots__ = ("_below", "_comes", "_heard_s", "_lower", "_order")

    def __init__(self, lower: Seat, order: Order, heard_s: float, comes: bool) -> None:
        self._lower, self._order, self._heard_s, self._comes = lower, order, heard_s, comes
        self._below: Carried | None = None

    @property
    def due_s(self) -> float:
        return self._heard_s if self._below is None else self._below.due_s

    def done(self, now_s: float) -> bool:
        if self._below is None:
            if now_s < self._heard_s:
                return False
            self._below = self._passed_on()
        return self._below.done(now_s)

    def leave(self) -> None:
        with suppress(PointError):
            (self._below or self._passed_on()).leave()

    def _passed_on(self) -> Carried:
        lower = self._lower
        if not self._comes:
            raise NoAnswer(f"the station that {lower.device.id} is behind does not answer")
        if lower.downlink is None:
            return Sent(lower.device, self._order, self._heard_s, lower.reachable)
        return lower.downlink.carry(self._order, self._heard_s)


class StationDownlink(BusDownlink):
    """The way of commands to a device behind another station, where it has the seat ``lower``."""

    __slots__ = ("_lower",)

    def __init__(self, polling: Polling, buses: Buses, place: int, lower: Seat) -> None:
        super().__init__(polling, buses, place, lower.device)
        self._lower = lower

    def carry(self, order: Order, now_s: float) -> Carried:
        return Passed(self._lower, order, *self._drawn(now_s))
