"""What clocks show: a device's part by part, and a zone's standard and summer time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.wire.derived import ReadOnly

CLOCK: Final = "unix_s"
"""The column of what the devices' clocks show, in seconds since 1970 UTC; a table that has one makes it."""
CLOCK_PARTS: Final = ("year", "month", "day", "hour", "minute", "second")
_UNITS: Final = dict(zip(CLOCK_PARTS, "YMDhms", strict=True))
_FIRST: Final = {"year": 1970.0, "month": 1.0, "day": 1.0}
_WHOLE: Final = {"month": "Y", "day": "M", "hour": "D", "minute": "h", "second": "m"}


@dataclass(frozen=True, slots=True)
class ClockPart(ReadOnly):
    """One of ``CLOCK_PARTS`` of the time in UTC."""

    part: str

    @property
    def quantities(self) -> tuple[str, ...]:
        return (CLOCK,)

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        now = np.floor(columns[CLOCK]).astype(np.int64).astype("datetime64[s]")
        count = now.astype(f"datetime64[{_UNITS[self.part]}]")
        begins = now.astype(f"datetime64[{_WHOLE[self.part]}]") if self.part in _WHOLE else np.datetime64(0, "Y")
        since = np.asarray(count - begins.astype(count.dtype)).astype(np.float64)
        return np.asarray(since + _FIRST.get(self.part, 0.0))


@lru_cache(maxsize=256)
def ahead_of_utc(zone: str, year: int) -> tuple[timedelta, timedelta]:
    """Return by how much a zone's standard and summer time are ahead of UTC; the same where it has none."""
    moments = [datetime(year, month, 1, tzinfo=ZoneInfo(zone)) for month in (1, 7)]
    found = [moment.utcoffset() or timedelta() for moment in moments]
    return min(found), max(found)
