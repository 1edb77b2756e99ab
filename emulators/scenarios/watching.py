"""Waiting for a condition: until it has begun to hold in time, and held for as long as it should."""

from __future__ import annotations

from collections.abc import Callable

from pilotfarm.emulators.scenarios.observed import Observed

SOON_S: float = 1e-6
"""What times may differ by that were added up in other ways."""


class Watching:
    """One condition from the moment somebody waits for it; times are those of the clock it is watched by."""

    def __init__(self, observed: Observed, within_s: float, now_s: Callable[[], float]) -> None:
        self.observed = observed
        self._within_s = within_s
        self._now_s = now_s
        self._began_s = now_s()
        self._since_s: float | None = None

    def look(self) -> bool | None:
        """Return whether it has come (True), cannot come any more (False), or may still (None)."""
        now_s = self._now_s()
        elapsed_s = now_s - self._began_s
        if not self.observed.holds():
            self._since_s = None
        elif self._since_s is None and elapsed_s <= self._within_s + SOON_S:
            self._since_s = now_s
        if self._since_s is not None:
            return True if now_s - self._since_s >= self.observed.watch.for_s - SOON_S else None
        return False if elapsed_s >= self._within_s - SOON_S else None
