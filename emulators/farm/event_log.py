"""The event logs of meters: a ring of the newest 200 a meter."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats, Indices

EVENTS_MAX: Final = 200
WHO: Final = ("remote", "manual", "local")
"""Who moves a relay, by the numbers of ``relay_moved_by`` from 1 on."""
RELAY, CLEARED, DIP = "relay_control_state", "event_clear", "voltage_dip"
CODES: Final = {
    CLEARED: 1,
    RELAY: 2,
    DIP: 3,
    "power_failure_alarm": 10,
    **{f"undervoltage_l{phase}_alarm": 10 + phase for phase in (1, 2, 3)},
    **{f"overvoltage_l{phase}_alarm": 13 + phase for phase in (1, 2, 3)},
    "overcurrent_alarm": 17,
    "low_power_factor_alarm": 18,
    "cover_open_alarm": 20,
    "magnetic_field_alarm": 21,
    "clock_invalid_alarm": 22,
    "battery_low_alarm": 23,
    "communication_lost_alarm": 24,
    "limiter_alarm": 25,
    "fault_trip": 30,
    "sesp_link_lost": 31,
    "identification_failed": 32,
}
"""What events are about -> its number where a master reads a record; a number is never used again."""


class Logged(NamedTuple):
    """An event: its number since the meter's first, its time by the meter's clock [s since 1970], and what it was."""

    number: int
    time_s: float
    quantity: str
    value: int
    cause: str

    @property
    def code(self) -> int:
        return CODES[self.quantity]

    @property
    def cause_code(self) -> int:
        """Who moved the relay, as in ``WHO`` from 1 on; 0 is nobody."""
        return 1 + WHO.index(self.cause) if self.cause else 0


class EventLog:
    """The logs of ``m`` meters; ``names`` are what events are about, with 0 and 1 for an end and a beginning."""

    def __init__(self, names: tuple[str, ...], m: int) -> None:
        causes = [(RELAY, state, who) for state in range(3) for who in WHO]
        self._kinds = [(CLEARED, 1, ""), *causes, *((name, value, "") for name in names for value in (0, 1))]
        self._code_of = {kind: code for code, kind in enumerate(self._kinds)}
        self._times = np.zeros((m, EVENTS_MAX))
        self._codes = np.zeros((m, EVENTS_MAX), dtype=np.uint8)
        assert len(self._kinds) <= 256
        assert CODES.keys() >= {name for name, _, _ in self._kinds}
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

    def span(self, meter: int) -> tuple[int, int]:
        """Return the numbers between which a meter's events are: another pair is another log."""
        return int(self._first[meter]), int(self._next[meter])

    def read(self, meter: int) -> list[Logged]:
        """Return the events of a meter, oldest first."""
        end = int(self._next[meter])
        begin = max(int(self._first[meter]), end - EVENTS_MAX)
        found = []
        for number in range(begin, end):
            place = number % EVENTS_MAX
            found.append(Logged(number + 1, float(self._times[meter, place]), *self._kinds[self._codes[meter, place]]))
        return found
