"""The clock of a device, or of a station that has one of its own.

Right, it shows the time of the site. It drifts at a rate of its own, masters may set it, and faults put it off. All
times here are on the UTC scale [s since 1970], of the site where nothing else is said; plus is fast.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, MutableMapping, Sequence
from typing import Final, TypeAlias

from pilotfarm.emulators.errors import OutOfRange

CLOCK_END_S: Final = 4_102_444_800.0
"""The first moment of 2100. A clock tells the time from 1970 to then, and stands still at either end."""
DRIFT_MAX_PPM: Final = 100_000.0
_TICK_S: Final = 0.001


def can_show(unix_s: float) -> bool:
    """Whether a clock can be set to a time."""
    return 0.0 <= unix_s < CLOCK_END_S


Offset: TypeAlias = Callable[[float], float]
"""By how much a fault puts a clock off, by the time of the site. [s]"""


class Clock:
    """A clock, as a function of the site's time: it costs nothing while nobody looks.

    While it may be wrong it stands in the mappings of the tables that it stamps for, by its rows there, and else in
    none of them.
    """

    __slots__ = ("_drift", "_faults", "_off_s", "_rows", "_since_s", "_tags")

    def __init__(
        self, rows: Sequence[tuple[Clocks, int]] = (), *, drift_ppm: float = 0.0, since_s: float = 0.0
    ) -> None:
        self._rows: list[tuple[Clocks, int]] = []
        self._drift = drift_ppm * 1e-6
        self._off_s, self._since_s = 0.0, since_s
        """By how much it was off when it was set, or at the start, and when that was."""
        self._faults: dict[int, tuple[Offset, float]] = {}
        """By a fault's number: what it does, and how much of that somebody has healed by setting the clock."""
        self._tags: dict[int, Offset] = {}
        """By a fault's number: by how much time tags are off from what the clock shows."""
        for clocks, row in rows:
            self.stamp_for(clocks, row)

    def stamp_for(self, clocks: Clocks, row: int) -> None:
        """Also stamp for a row of the tables that have this mapping."""
        self._rows.append((clocks, row))
        self._settle([(clocks, row)])

    def off_s(self, unix_s: float) -> float:
        """By how much it is off. [s]"""
        return self.shown_s(unix_s) - unix_s

    def shown_s(self, unix_s: float) -> float:
        """What it shows."""
        own_s = self._off_s + self._drift * (unix_s - self._since_s)
        faults_s = sum(offset(unix_s) - healed_s for offset, healed_s in self._faults.values())
        return min(max(unix_s + own_s + faults_s, 0.0), CLOCK_END_S - _TICK_S)

    def stamped_s(self, unix_s: float) -> float:
        """What its time tags say."""
        return max(self.shown_s(unix_s) + sum(offset(unix_s) for offset in self._tags.values()), 0.0)

    def set(self, shown_s: float, unix_s: float) -> None:
        """Have it show ``shown_s`` from ``unix_s`` on; ``OutOfRange`` for a time that no clock can show.

        It goes on at its own rate, and at that of a fault that stands: what such a fault has done so far is healed.
        """
        if not can_show(shown_s):
            raise OutOfRange("a clock tells the time from 1970 to 2099")
        self._off_s, self._since_s = shown_s - unix_s, unix_s
        self._faults = {number: (offset, offset(unix_s)) for number, (offset, _) in self._faults.items()}
        self._settle(self._rows)

    def put_off(self, fault: int, offset: Offset, *, tags_only: bool = False) -> None:
        """Let a fault put it off, or only its time tags."""
        if tags_only:
            self._tags[fault] = offset
        else:
            self._faults[fault] = offset, 0.0
        self._settle(self._rows)

    def put_right(self, fault: int) -> None:
        """End a fault: from now on it shows what it would show without it."""
        self._faults.pop(fault, None)
        self._tags.pop(fault, None)
        self._settle(self._rows)

    def _settle(self, rows: Sequence[tuple[Clocks, int]]) -> None:
        wrong = bool(self._off_s or self._drift or self._faults or self._tags)
        for clocks, row in rows:
            if wrong:
                clocks[row] = self
            else:
                clocks.pop(row, None)


Clocks: TypeAlias = MutableMapping[int, Clock]
"""The clocks of some rows of a group that may be wrong."""

Stamps: TypeAlias = Callable[[int, Collection[str]], float | None]
"""By a row and the quantities of a value, when it was that by somebody's clock; ``None``: it has come to be now. [s]"""
