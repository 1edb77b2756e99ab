"""Paces the farm: one step after another, each when it is due, none skipped.

A step of ``step_s`` seconds of site time is due every ``step_s / speed`` seconds of wall time. A step
that starts late is counted and its lateness kept; the ones behind it follow at once until the farm has
caught up. Pausing and a new speed start the schedule afresh, and steps by hand are never late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from pilotfarm.emulators.clock import Clock
from pilotfarm.emulators.errors import StateError
from pilotfarm.emulators.farm.farm import STEP_MAX_S, STEP_MIN_S
from pilotfarm.emulators.serving.histogram import STEPS_S, Histogram
from pilotfarm.emulators.serving.lateness import Lateness, Pace

SPEED_MIN: Final = 0.001
SPEED_MAX: Final = 100_000.0
STEPS_BY_HAND_MAX: Final = 100_000


class Runner:
    """Calls ``step`` with the length of each step until it is stopped.

    ``max_late_s`` is how late a step may begin, in wall time; left out, that has no bound.
    """

    def __init__(
        self,
        step: Callable[[float], None],
        step_s: float,
        clock: Clock,
        *,
        speed: float = 1.0,
        max_late_s: float | None = None,
    ) -> None:
        self._take_step = step
        self._clock = clock
        self._step_s = step_s
        self._speed = speed
        self._paused = False
        self._stopped = False
        self._changed = asyncio.Event()
        self._due_s = 0.0
        self._lateness = Lateness(max_late_s)
        self._last_took_s = 0.0
        self.durations = Histogram(STEPS_S)
        self.latenesses = Histogram(STEPS_S)
        """Of steps taken by themselves, not by hand."""

    @property
    def speed(self) -> float:
        return self._speed

    @property
    def step_s(self) -> float:
        return self._step_s

    @property
    def paused(self) -> bool:
        return self._paused

    @property
    def late_steps(self) -> int:
        return self._lateness.late_steps

    @property
    def worst_late_s(self) -> float:
        return self._lateness.worst_s

    def change(self, *, speed: float | None = None, paused: bool | None = None, step_s: float | None = None) -> None:
        """Set a new speed [site seconds a wall second], pause, or step length [s]; the values are in range."""
        if speed is not None:
            assert SPEED_MIN <= speed <= SPEED_MAX
            self._speed = speed
        if step_s is not None:
            assert STEP_MIN_S <= step_s <= STEP_MAX_S
            self._step_s = step_s
        if paused is not None:
            self._paused = paused
        self._restart()

    async def step_by_hand(self, steps: int) -> None:
        """Take steps while paused; ``StateError`` if the farm runs by itself."""
        if not self._paused:
            raise StateError("the clock runs; pause it before stepping by hand")
        for _ in range(steps):
            self._step()
            # Masters are served between two steps, however many were asked for.
            await asyncio.sleep(0)

    def stop(self) -> None:
        """Let ``run`` return after the step it is in."""
        self._stopped = True
        self._changed.set()

    async def run(self) -> None:
        """Step until stopped; ``RunError`` before a step that begins later than it may."""
        self._restart()
        while not self._stopped:
            self._changed.clear()
            now_s = self._clock.now_s()
            wait_s = None if self._paused else self._due_s - now_s
            if wait_s is None or wait_s > 0.0:
                await self._sleep(wait_s)
                continue
            self.latenesses.take(-wait_s)
            self._lateness.note(-wait_s, now_s, Pace(self._speed, self._step_s, self._last_took_s))
            self._due_s += self._step_s / self._speed
            self._step()
            await asyncio.sleep(0)

    async def _sleep(self, wait_s: float | None) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), wait_s)
        except TimeoutError:
            return

    def _step(self) -> None:
        begin_s = self._clock.now_s()
        self._take_step(self._step_s)
        self._last_took_s = self._clock.now_s() - begin_s
        self.durations.take(self._last_took_s)

    def _restart(self) -> None:
        self._due_s = self._clock.now_s() + self._step_s / self._speed
        self._changed.set()
