"""What meters keep of their registers: the energy of quarters of an hour, and the registers at midnight, for 60 days.

Quarters of an hour are of site time, days of its time zone, so a day has 92, 96 or 100 of them. Power is constant over
a step, so a register at a boundary inside it is known exactly. Registers are in whole units, as a meter shows them, and
an interval is the difference of two: intervals sum to the registers, whatever the lengths of the steps.

An array has a place for every interval there may be, and memory is taken as they are filled: about 100 kB a meter.
"""

from __future__ import annotations

from datetime import datetime
from enum import IntFlag
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from pilotfarm.emulators.columns.arrays import Floats, Indices

INTERVAL_S: Final = 900
DAYS: Final = 60
INTERVALS: Final = DAYS * 86_400 // INTERVAL_S
REGISTERS: Final = (
    "energy_imported_wh",
    "energy_exported_wh",
    "reactive_energy_imported_varh",
    "reactive_energy_exported_varh",
)
_NEVER: Final = -1


class Status(IntFlag):
    """What has been the matter at some time in an interval."""

    POWER_FAILURE = 1
    CLOCK_INVALID = 2
    RELAY_OPEN = 4
    TAMPERED = 8


Statuses = npt.NDArray[np.uint8]


class Reading(NamedTuple):
    """Registers, or what they moved by, in the order of ``REGISTERS``, at the end of a time [s since 1970]."""

    end_s: float
    values: tuple[int, ...]
    status: Status


class LoadProfile:
    """The profiles of ``m`` meters. Registers are ``(4, m)`` in the order of ``REGISTERS``, statuses ``(m,)``."""

    def __init__(self, registers: Floats, unix_s: float, zone: ZoneInfo) -> None:
        m = registers.shape[1]
        self._zone = zone
        self._base = np.zeros_like(registers)
        """Where the registers of each meter began: others stood there before."""
        self._energy = np.zeros((INTERVALS, len(REGISTERS), m), dtype=np.int32)
        self._status = np.zeros((INTERVALS, m), dtype=np.uint8)
        self._ends = np.full(INTERVALS, _NEVER)
        """By place: the number of the boundary at which the interval ends, in quarters of an hour since 1970."""
        self._daily = np.zeros((DAYS, len(REGISTERS), m), dtype=np.int64)
        self._days = np.full(DAYS, _NEVER)
        self._day = 0
        self._under_way = np.zeros(m, dtype=np.uint8)
        self._number, since_s = divmod(int(unix_s), INTERVAL_S)
        self._mark = np.floor(registers)
        self._first = np.full(m, self._number if since_s == 0 and unix_s == int(unix_s) else self._number + 1)
        """The first boundary at which each meter's registers are known."""
        self._keep_day()

    def step(self, before: Floats, after: Floats, status: Statuses, unix_s: float, dt_s: float) -> None:
        """Keep a step of one interval at most: the registers before and after it, and what was the matter in it."""
        self._under_way |= status
        number = int(unix_s // INTERVAL_S)
        if number == self._number:
            return
        since_s = unix_s - number * INTERVAL_S
        mark = np.floor(after - (after - before) * (since_s / dt_s) - self._base)
        place = number % INTERVALS
        self._energy[place] = mark - self._mark
        self._status[place] = self._under_way
        self._ends[place] = number
        self._mark, self._number = mark, number
        self._under_way = status.copy() if since_s > 0.0 else np.zeros_like(status)
        self._keep_day()

    def begin_anew(self, meters: Indices, registers: Floats) -> None:
        """Let other meters stand there, whose registers begin at 0 where those of the site are ``(4, m)``."""
        self._base[:, meters] = registers[:, meters]
        self._first[meters] = self._number + 1

    @property
    def number(self) -> int:
        """The last boundary, in quarters of an hour since 1970: another one is another profile."""
        return self._number

    def intervals(self, meter: int) -> list[Reading]:
        """Return the intervals that a meter has, oldest first."""
        return self._read(self._ends, self._first[meter] + 1, self._energy[:, :, meter], self._status[:, meter])

    def between(self, meter: int, first: int, last: int) -> list[Reading]:
        """Return those intervals that a meter has from number ``first`` to before ``last``, oldest first.

        Interval 0 began in 1970.
        """
        ends = np.arange(max(first + 1, self._number - INTERVALS + 1), min(last, self._number) + 1)
        places = ends % INTERVALS
        there = self._ends[places] == ends
        ends, places = ends[there], places[there]
        return self._read(ends, self._first[meter] + 1, self._energy[places, :, meter], self._status[places, meter])

    def days(self, meter: int) -> list[Reading]:
        """Return the registers of a meter at the ends of days, oldest first."""
        none = np.zeros(DAYS, dtype=np.uint8)
        return self._read(self._days, self._first[meter], self._daily[:, :, meter], none)

    def _keep_day(self) -> None:
        """Keep the registers at a boundary that is the first moment of a day."""
        at_s = self._number * INTERVAL_S
        today, yesterday = (datetime.fromtimestamp(each, self._zone).date() for each in (at_s, at_s - 1))
        if today != yesterday:
            place = self._day % DAYS
            self._daily[place], self._days[place] = self._mark, self._number
            self._day += 1

    @staticmethod
    def _read(
        ends: npt.NDArray[np.int_], first: int, values: npt.NDArray[np.integer], status: Statuses
    ) -> list[Reading]:
        order = np.argsort(ends)
        order = order[ends[order] >= first]
        return [
            Reading(float(end * INTERVAL_S), tuple(row), Status(flags))
            for end, row, flags in zip(
                ends[order].tolist(), values[order].tolist(), status[order].tolist(), strict=True
            )
        ]
