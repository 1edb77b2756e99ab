"""The event logs of meters: a ring of the newest 200 a meter."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats, Indices

EVENTS_MAX: Final = 200
WHO: Final = ("remote", "manual", "local")
"""Who moves a relay, by the numbers of ``relay_moved_by`` from 1 on."""
RELAY, CLEARED, DIP = "relay_control_state", "event_clear", "voltage_dip"


class Logged(NamedTuple):
    """An event: its number since the meter's first, its time by the meter's clock [s since 1970], and what it was."""

    number: int
    time_s: float
    quantity: str
    value: int
    cause: str


class EventLog:
    """The logs of ``m`` meters; ``names`` are what events are about, with 0 and 1 for an end and a beginning."""

    def __init__(self, names: tuple[str, ...], m: int) -> None:
        causes = [(RELAY, state, who) for state in range(3) for who in WHO]
        self._kinds = [(CLEARED, 1, ""), *causes, *((name, value, "") for name in names for value in (0, 1))]
        self._code_of = {kind: code for code, kind in enumerate(self._kinds)}
        self._times = np.zeros((m, EVENTS_MAX))
        self._codes = np.zeros((m, EVENTS_MAX), dtype=np.uint8)
        assert len(self._kinds) <= 256
        self._first = np.zeros(m, dtype=np.int64)
        """By meter: the number of the first event that has not been cleared."""
        self._next = np.zeros(m, dtype=np.int64)

    def add(self, meters: Indices, times_s: Floats, quantity: str, value: int, cause: str = "") -> None:
        """Log an event of some meters, each with a time of its own ``(len(meters),)``."""
        place = self._next[meters] % EVENTS_MAX
        self._times[meters, place] = times_s
        self._codes[meters, place] = self._code_of[quantity, value, cause]
        self._next[meters] += 1

    def clear(self, meters: Indices) -> None:
        """Forget all events of some meters; those to come are numbered on."""
        self._first[meters] = self._next[meters]

    def begin_anew(self, meters: Indices) -> None:
        """Let other meters stand there, with nothing logged."""
        self._first[meters] = self._next[meters] = 0

    def read(self, meter: int) -> list[Logged]:
        """Return the events of a meter, oldest first."""
        end = int(self._next[meter])
        begin = max(int(self._first[meter]), end - EVENTS_MAX)
        found = []
        for number in range(begin, end):
            place = number % EVENTS_MAX
            found.append(Logged(number + 1, float(self._times[meter, place]), *self._kinds[self._codes[meter, place]]))
        return found
