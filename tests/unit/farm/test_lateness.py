"""A farm that cannot hold its speed says so once, and once when it can; by the clock that a test moves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest
from test_runner import turns

from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.errors import RunError
from pilotfarm.emulators.serving.lateness import BEHIND_S, HOLDS_S, Lateness, Pace
from pilotfarm.emulators.serving.runner import Runner

PACE = Pace(speed=60.0, step_s=6.0, took_s=0.02)
"""A step is due every 0.1 s."""
IN_TIME_S, LATE_S, TOO_LATE_S = 0.05, 0.06, BEHIND_S + 0.01


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.WARNING):
        yield


def noted(late_s: list[float], every_s: float = 0.1, pace: Pace = PACE) -> Lateness:
    """Lateness after steps that began this late, one every ``every_s``."""
    found = Lateness()
    for number, each in enumerate(late_s):
        found.note(each, number * every_s, pace)
    return found


def test_a_step_is_late_beyond_half_the_time_between_two_and_beyond_what_a_busy_loop_may_have() -> None:
    assert noted([IN_TIME_S, LATE_S, IN_TIME_S]).late_steps == 1
    slow = Pace(speed=1.0, step_s=2.0, took_s=0.0)
    assert noted([0.99, 1.01], pace=slow).late_steps == 1
    assert noted([0.1, 0.7, 0.3]).worst_s == 0.7


def test_falling_behind_is_said_once_with_the_remedies_and_so_is_the_end_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    holds = round(HOLDS_S / 0.1)
    noted([BEHIND_S, TOO_LATE_S, 7.0, 9.0, 2.0, LATE_S] + [IN_TIME_S] * holds + [IN_TIME_S])
    behind, again = caplog.messages
    assert behind.startswith("the farm is 1.01 s behind: at speed 60 a step of 6 s is due every 0.1 s")
    assert "the last one took 0.02 s" in behind
    for remedy in ("lower --speed", "longer --step", "fewer devices"):
        assert remedy in behind
    assert again == "the farm holds its speed again, 10.4 s after it fell behind"


def test_a_farm_at_its_limit_does_not_flap(caplog: pytest.LogCaptureFixture) -> None:
    """It catches up now and then, and never for long enough."""
    almost = round(HOLDS_S / 0.1) - 1
    noted(20 * ([TOO_LATE_S] + almost * [IN_TIME_S]))
    assert len(caplog.messages) == 1
    caplog.clear()
    noted(20 * ([TOO_LATE_S] + (almost + 1) * [IN_TIME_S]))
    assert len(caplog.messages) == 40


def test_a_farm_of_long_steps_is_behind_by_a_whole_step(caplog: pytest.LogCaptureFixture) -> None:
    slow = Pace(speed=1.0, step_s=60.0, took_s=0.1)
    noted([TOO_LATE_S, 59.9], 60.0, slow)
    assert not caplog.messages
    noted([60.1], 60.0, slow)
    assert len(caplog.messages) == 1


def test_a_step_later_than_is_borne_ends_the_run_and_one_as_late_does_not() -> None:
    bounded = Lateness(0.5)
    bounded.note(0.5, 0.0, PACE)
    with pytest.raises(RunError, match=r"0\.501 s behind, more than --max-late 0\.5: .* lower --speed"):
        bounded.note(0.501, 0.1, PACE)
    assert (bounded.late_steps, bounded.worst_s) == (2, 0.501)


class Slow:
    """A farm whose steps take ``took_s`` by the clock, and stop the run after ``steps`` of them."""

    def __init__(self, took_s: float, steps: int, max_late_s: float | None) -> None:
        self.took_s = took_s
        self.steps = steps
        self.clock = ManualClock()
        self.runner = Runner(self.step, 1.0, self.clock, speed=2.0, max_late_s=max_late_s)
        self.taken = 0

    def step(self, dt_s: float) -> None:
        self.taken += 1
        self.clock.advance(self.took_s)
        if self.taken == self.steps:
            self.runner.stop()

    async def run(self) -> None:
        """From the moment the first step is due."""
        task = asyncio.ensure_future(self.runner.run())
        await turns()
        self.clock.advance(0.5)
        self.runner._changed.set()
        await task


def test_the_run_ends_before_the_step_that_is_too_late() -> None:
    """Steps of 0.8 s each 0.5 s: the second begins 0.3 s late, the third 0.6 s, the fourth 0.9 s."""
    slow = Slow(0.8, steps=10, max_late_s=0.7)
    with pytest.raises(RunError):
        asyncio.run(slow.run())
    assert slow.taken == 3
    assert slow.runner.worst_late_s == pytest.approx(0.9)


def test_a_run_without_a_bound_goes_on_however_late() -> None:
    slow = Slow(60.0, steps=10, max_late_s=None)
    asyncio.run(slow.run())
    assert slow.taken == 10


def test_pauses_steps_by_hand_and_a_new_speed_are_no_lateness() -> None:
    async def scenario() -> None:
        slow = Slow(0.1, steps=6, max_late_s=0.2)
        runner = slow.runner
        task = asyncio.ensure_future(runner.run())
        await turns()
        runner.change(paused=True)
        slow.clock.advance(3_600.0)
        await runner.step_by_hand(5)
        slow.clock.advance(3_600.0)
        runner.change(paused=False)
        await turns()
        slow.clock.advance(0.3)
        runner.change(speed=4.0)
        await turns()
        slow.clock.advance(0.25 + 0.19)
        runner._changed.set()
        await task
        assert runner.worst_late_s == pytest.approx(0.19)

    asyncio.run(scenario())
