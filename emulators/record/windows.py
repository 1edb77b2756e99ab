"""Windows of site time: a ledger's file holds the rows of one.

A window's length is fixed for a run by what is recorded, and windows begin at whole multiples of it since 1970 UTC, so
which rows a file holds has nothing to do with when and how fast they were written.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

LENGTHS: Final = tuple(
    timedelta(**each) for each in ({"minutes": 1}, {"minutes": 5}, {"minutes": 15}, {"hours": 1}, {"days": 1})
)
"""The lengths there are; the shortest and the longest bound the others."""
STEPS_MAX: Final = 3_600
"""Steps of a window, if it is longer than the hour that every site may have."""
ROWS_MAX: Final = 150_000_000
"""Rows of values of a window, if it is longer than the shortest: about 300 MB."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of site time, without its end."""

    begin: datetime
    end: datetime

    @property
    def name(self) -> str:
        return self.begin.strftime("%Y%m%dT%H%M%SZ")


def window_at(at: datetime, length: timedelta) -> Window:
    """Return the window of a length that a site time falls in."""
    begin = _EPOCH + (at - _EPOCH) // length * length
    return Window(begin, begin + length)


def length_for(rows_a_step: int, interval_s: float) -> timedelta:
    """Return how long windows are where so many rows of values are recorded every ``interval_s`` of site time."""
    longest = max(_HOUR, STEPS_MAX * timedelta(seconds=min(interval_s, _HOUR.total_seconds())))
    fitting = [
        each
        for each in LENGTHS
        if each <= longest and rows_a_step * each.total_seconds() / max(interval_s, 1e-9) <= ROWS_MAX
    ]
    return max(fitting, default=LENGTHS[0])
