"""The only module that reads time.

Wall time is seconds since 1970-01-01 UTC and never goes back: it is read from the system's clock
once and carried on by the monotonic one. Protocol timers and latencies run on it. Site time is
seconds since the site's start and belongs to the farm; the runner says how the two go together.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where the wall time comes from."""

    def now_s(self) -> float: ...


class WallClock:
    """The machine's own time, never going back."""

    __slots__ = ("_offset_s",)

    def __init__(self) -> None:
        self._offset_s = time.time() - time.monotonic()

    def now_s(self) -> float:
        """Seconds since 1970-01-01 UTC. [s]"""
        return self._offset_s + time.monotonic()


class ManualClock:
    """A time that moves only when told to: for tests, and for a farm stepped by hand."""

    __slots__ = ("_now_s",)

    def __init__(self, now_s: float = 1_750_000_000.0) -> None:
        self._now_s = now_s

    def now_s(self) -> float:
        return self._now_s

    def advance(self, by_s: float) -> float:
        """Move on by ``by_s`` [s, >= 0] and return the new time."""
        assert by_s >= 0.0, "time does not go back"
        self._now_s += by_s
        return self._now_s
