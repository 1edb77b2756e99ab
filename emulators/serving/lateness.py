"""Whether a farm holds its speed: said when it does not and when it does again, and an end to the run if asked for."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from pilotfarm.emulators.errors import RunError

BEHIND_S: Final = 1.0
"""Lateness of a step, in wall time, from which the farm is behind; or the time between two steps, if that is more."""
HOLDS_S: Final = 10.0
"""How long every step has to begin in time until the farm holds its speed again."""
_LATE_S: Final = 0.05
"""Lateness that a busy event loop may have without a step counting as late."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How a step was to go, and how the one before it went."""

    speed: float
    step_s: float
    took_s: float
    """Wall time of the last step."""

    @property
    def every_s(self) -> float:
        """Wall time between two steps."""
        return self.step_s / self.speed

    def __str__(self) -> str:
        return (
            f"at speed {self.speed:g} a step of {self.step_s:g} s is due every {self.every_s:.3g} s and the last one "
            f"took {self.took_s:.3g} s; take a lower --speed, a longer --step or fewer devices"
        )


class Lateness:
    """How late steps begin, in seconds of wall time; ``max_s`` is what is borne at most."""

    def __init__(self, max_s: float | None = None) -> None:
        self._max_s = max_s
        self._behind = False
        self._fell_behind_s = self._last_late_s = 0.0
        self.late_steps = 0
        self.worst_s = 0.0

    def note(self, late_s: float, now_s: float, pace: Pace) -> None:
        """Take note of a step that is about to begin; ``RunError`` if it is later than is borne."""
        self.worst_s = max(self.worst_s, late_s)
        if late_s > max(_LATE_S, 0.5 * pace.every_s):
            self.late_steps += 1
            self._last_late_s = now_s
        if self._max_s is not None and late_s > self._max_s:
            raise RunError(f"the farm is {late_s:.3g} s behind, more than --max-late {self._max_s:g}: {pace}")
        if not self._behind and late_s > max(BEHIND_S, pace.every_s):
            self._behind = True
            self._fell_behind_s = now_s
            log.warning("the farm is %.3g s behind: %s", late_s, pace)
        elif self._behind and now_s - self._last_late_s >= HOLDS_S:
            self._behind = False
            log.warning("the farm holds its speed again, %.3g s after it fell behind", now_s - self._fell_behind_s)
