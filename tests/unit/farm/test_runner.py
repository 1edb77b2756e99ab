"""The runner: every step is taken, late ones are counted, and the operator's word is taken at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.errors import StateError
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.serving.runner import Runner


async def turns(n: int = 20) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


class Stepper(ManualClock):
    """A clock that goes on by itself whenever it is read, so that nobody has to wait for it."""

    def __init__(self, by_s: float) -> None:
        super().__init__()
        self._by_s = by_s

    def now_s(self) -> float:
        return self.advance(self._by_s)


def test_no_step_is_skipped_and_late_ones_are_counted(farm: Farm) -> None:
    async def scenario() -> Runner:
        steps = 0

        def step(dt_s: float) -> None:
            nonlocal steps
            farm.step(dt_s)
            steps += 1
            if steps == 30:
                runner.stop()

        # Each look at the clock costs 2 s, so every step of 1 s is late before it begins.
        runner = Runner(step, 1.0, Stepper(2.0))
        await runner.run()
        return runner

    before_s = farm.time_s
    runner = asyncio.run(scenario())
    assert farm.time_s - before_s == 30.0
    assert runner.late_steps == 30
    assert runner.worst_late_s > 30.0
    assert (sum(runner.durations.counts), sum(runner.latenesses.counts)) == (30, 30)
    assert runner.durations.total == 30 * 2.0
    assert runner.worst_late_s < runner.latenesses.total < 30 * runner.worst_late_s


def test_steps_in_time_are_not_counted_as_late(farm: Farm) -> None:
    async def scenario() -> Runner:
        steps = 0

        def step(dt_s: float) -> None:
            nonlocal steps
            farm.step(dt_s)
            steps += 1
            if steps == 30:
                runner.stop()

        runner = Runner(step, 1.0, Stepper(0.01), speed=1_000.0)
        runner.change(step_s=50.0)
        await runner.run()
        return runner

    runner = asyncio.run(scenario())
    assert runner.late_steps == 0
    assert runner.worst_late_s <= 0.05


def test_a_paused_farm_stands_still_and_steps_by_hand(farm: Farm) -> None:
    async def scenario() -> None:
        runner = Runner(farm.step, 1.0, ManualClock())
        task = asyncio.ensure_future(runner.run())
        with pytest.raises(StateError, match="pause it"):
            await runner.step_by_hand(1)
        runner.change(paused=True)
        before_s = farm.time_s
        await turns()
        assert farm.time_s == before_s
        await runner.step_by_hand(7)
        assert farm.time_s == before_s + 7.0
        runner.stop()
        await task

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("change", "due_s"),
    [({"speed": 500.0}, 0.002), ({"speed": 1_000.0, "step_s": 5.0}, 0.005), ({"speed": 100.0, "step_s": 0.5}, 0.005)],
)
def test_a_new_pace_starts_the_schedule_afresh(farm: Farm, change: dict[str, float], due_s: float) -> None:
    """By the clock, which goes on by a hundredth of what a step may take whenever somebody looks at it."""
    clock, look_s = Stepper(due_s / 100.0), due_s / 100.0
    times_s: list[float] = []

    async def scenario() -> None:
        def step(dt_s: float) -> None:
            farm.step(dt_s)
            times_s.append(clock.now_s())
            if len(times_s) == 4:
                runner.stop()

        runner = Runner(step, 1.0, clock)
        runner.change(paused=True)
        task = asyncio.ensure_future(runner.run())
        await turns()
        clock.advance(7.0 * due_s)
        runner.change(paused=False, **change)  # type: ignore[arg-type]
        times_s.append(clock.now_s())
        await task

    asyncio.run(scenario())
    assert np.diff(times_s) == pytest.approx(np.full(3, due_s), abs=6.0 * look_s)


def test_stopping_ends_a_pause(farm: Farm) -> None:
    async def scenario(make: Callable[[], Runner]) -> None:
        runner = make()
        runner.change(paused=True)
        task = asyncio.ensure_future(runner.run())
        await turns()
        runner.stop()
        await task

    asyncio.run(scenario(lambda: Runner(farm.step, 1.0, ManualClock())))
