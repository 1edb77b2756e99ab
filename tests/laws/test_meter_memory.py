"""What meters keep: intervals that sum to the registers over every change of the clock, and a ring of events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.farm.event_log import EVENTS_MAX, EventLog
from pilotfarm.emulators.farm.load_profile import DAYS, INTERVAL_S, INTERVALS, LoadProfile, Status

M = 3
OFF = np.zeros(M, dtype=np.uint8)
Step = tuple[Floats, Floats, float, float]
"""Registers before and after, the time of its end, its length."""


def steps(start_s: float, seconds: float, rng: np.random.Generator, dt_s: float | None = None) -> Iterator[Step]:
    """Steps of drawn or equal lengths, in which the registers move at a rate of their own."""
    time_s, after = start_s, np.floor(rng.uniform(0.0, 1e6, (4, M)))
    while time_s < start_s + seconds:
        length_s = float(rng.choice([0.1, 7.0, 60.0, 899.9, 900.0])) if dt_s is None else dt_s
        before, after = after, after + rng.uniform(0.0, 3.0, (4, M)) * length_s
        time_s += length_s
        yield before, after, time_s, length_s


def kept(made: LoadProfile, course: Iterator[Step]) -> tuple[Floats, list[tuple[float, Floats]]]:
    """Let a profile keep a course; return the registers at its end and those at every boundary, worked out apart."""
    boundaries, last = [], np.zeros(0)
    for before, after, time_s, length_s in course:
        made.step(before, after, OFF, time_s, length_s)
        if (number := time_s // INTERVAL_S) != (time_s - length_s) // INTERVAL_S:
            share = (number * INTERVAL_S - (time_s - length_s)) / length_s
            boundaries.append((number * INTERVAL_S, before + share * (after - before)))
        last = after
    return last, boundaries


ZONES = {
    # The day that the clock goes forward, and the one it goes back, with their quarters of an hour.
    ("Europe/Oslo", (2026, 3, 29)): 92,
    ("Europe/Oslo", (2026, 10, 25)): 100,
    ("Europe/Malta", (2026, 3, 29)): 92,
    ("Australia/Lord_Howe", (2026, 10, 4)): 94,
    ("Australia/Lord_Howe", (2026, 4, 5)): 98,
    ("Asia/Beirut", (2026, 3, 29)): 92,  # at midnight: the day begins at 1 o'clock
    ("Asia/Kathmandu", (2026, 3, 29)): 96,  # three quarters of an hour off the full hour
}


@pytest.mark.parametrize("dt_s", [None, 60.0, 900.0])
@pytest.mark.parametrize(("where", "quarters"), ZONES.items())
def test_intervals_sum_to_the_registers_over_a_change_of_the_clock(
    where: tuple[str, tuple[int, int, int]], quarters: int, dt_s: float | None
) -> None:
    zone, rng = ZoneInfo(where[0]), np.random.default_rng(quarters)
    day = datetime(*where[1], tzinfo=zone)
    begins = (day - timedelta(days=1)).replace(hour=12).timestamp() + (0.0 if dt_s else 17.3)
    course = list(steps(begins, 2.2 * 86_400.0, rng, dt_s))
    made = LoadProfile(course[0][0], begins, zone)
    _, boundaries = kept(made, iter(course))
    for meter in range(M):
        intervals, days = made.intervals(meter), made.days(meter)
        assert [each.end_s for each in intervals] == [at for at, _ in boundaries][0 if dt_s else 1 :]
        for (_, before), (at, after), each in zip(
            boundaries, boundaries[1:], intervals[1 if dt_s else 0 :], strict=False
        ):
            assert each.end_s == at
            assert each.values == pytest.approx((after - before)[:, meter], abs=1.0)
        first, last = days[0], days[1]
        midnights = [datetime.fromtimestamp(each.end_s, zone) for each in days]
        assert midnights[0].date() == day.date()
        assert midnights[1].date() == day.date() + timedelta(days=1)
        inside = [each for each in intervals if first.end_s < each.end_s <= last.end_s]
        assert len(inside) == quarters
        sums = np.sum([each.values for each in inside], axis=0)
        assert np.array_equal(sums, np.subtract(last.values, first.values))


def test_the_first_interval_is_whole() -> None:
    for late_s, first in ((0.0, 1), (0.5, 2), (1.0, 2), (899.0, 2)):
        begins = 900.0 * 1_000_000 + late_s
        course = list(steps(begins, 3_600.0, np.random.default_rng(1), 30.0))
        made = LoadProfile(course[0][0], begins, ZoneInfo("UTC"))
        kept(made, iter(course))
        assert made.intervals(0)[0].end_s == 900.0 * (1_000_000 + first), late_s


def test_sixty_days_are_kept_and_the_oldest_give_way() -> None:
    begins, zone = datetime(2026, 1, 1, 12, tzinfo=ZoneInfo("UTC")).timestamp(), ZoneInfo("Europe/Oslo")
    course = list(steps(begins, (DAYS + 10) * 86_400.0, np.random.default_rng(2), 900.0))
    made = LoadProfile(course[0][0], begins, zone)
    _, boundaries = kept(made, iter(course))
    intervals, days = made.intervals(1), made.days(1)
    assert len(intervals) == INTERVALS == 60 * 96
    assert len(days) == DAYS
    assert intervals[-1].end_s == boundaries[-1][0]
    assert {b.end_s - a.end_s for a, b in pairwise(intervals)} == {900.0}
    assert {b.end_s - a.end_s for a, b in pairwise(days)} == {86_400.0}
    register = dict(boundaries)
    for each in days:
        assert each.values == tuple(np.floor(register[each.end_s][:, 1]).astype(int))


def test_what_was_the_matter_stands_with_the_interval_it_was_in() -> None:
    begins = 900.0 * 1_000_000
    made = LoadProfile(np.zeros((4, M)), begins, ZoneInfo("UTC"))
    flat = np.zeros((4, M))
    for k in range(1, 61):
        status = OFF.copy()
        if k == 30:  # ends with the second interval
            status[0] = Status.POWER_FAILURE
        if k == 31:  # ends a minute into the third
            status[1] = Status.RELAY_OPEN | Status.TAMPERED
        made.step(flat, flat, status, begins + 60.0 * k + (0.0 if k < 31 else 30.0), 60.0 if k != 31 else 90.0)
    assert [int(each.status) for each in made.intervals(0)] == [0, 1, 0, 0]
    assert [int(each.status) for each in made.intervals(1)] == [0, 0, 12, 0]
    # A step on either side of a boundary may be of both.
    across = LoadProfile(flat, begins, ZoneInfo("UTC"))
    for k in range(1, 6):
        across.step(flat, flat, OFF + np.uint8(k == 2), begins + 600.0 * k, 600.0)
    assert [int(each.status) for each in across.intervals(2)] == [1, 1, 0]


def test_a_meter_that_is_exchanged_keeps_nothing_of_before_and_counts_from_0() -> None:
    begins = 900.0 * 1_000_000
    course = list(steps(begins, 7_200.0, np.random.default_rng(3), 100.0))
    made = LoadProfile(course[0][0], begins, ZoneInfo("UTC"))
    for number, step in enumerate(course):
        if number == 25:
            made.begin_anew(np.array([1]), step[0])
        made.step(step[0], step[1], OFF, *step[2:])
    old, new = made.intervals(0), made.intervals(1)
    assert len(old) == 8
    # Exchanged after 2,500 s: its first whole interval begins at 2,700 s.
    assert [each.end_s - begins for each in new] == [900.0 * k for k in range(4, 9)]
    known = course[26][1] - course[25][0]
    total = np.sum([each.values for each in new], axis=0)
    end = course[71][1] - course[25][0]
    assert total == pytest.approx(np.floor(end[:, 1]) - np.floor(known[:, 1]), abs=0.0)


# ------------------------------------------------------------------------------------------ events


def test_a_log_is_the_newest_200_events_of_each_meter_whatever_comes() -> None:
    rng, names = np.random.default_rng(5), ("overcurrent_alarm", "voltage_dip")
    log, model = EventLog(names, M), [[] for _ in range(M)]
    numbers = [0] * M
    for k in range(700):
        meters = np.flatnonzero(rng.random(M) < (0.9, 0.3, 0.5))
        what = (str(rng.choice(names)), int(rng.integers(2)), "")
        if rng.random() < 0.2:
            what = ("relay_control_state", int(rng.integers(3)), str(rng.choice(["remote", "manual", "local"])))
        log.add(meters, k + 0.25 * meters, *what)
        for meter in meters.tolist():
            numbers[meter] += 1
            model[meter] = [*model[meter], (numbers[meter], k + 0.25 * meter, *what)][-EVENTS_MAX:]
        if k in (150, 640):
            log.clear(np.array([1]))
            model[1] = []
        if k in (300, 500):  # one that has been cleared, and one that has not
            meter = 2 if k == 300 else 1
            log.begin_anew(np.array([meter]))
            model[meter], numbers[meter] = [], 0
        if k % 50 == 0:
            assert [log.read(meter) for meter in range(M)] == model, k
    assert [log.read(meter) for meter in range(M)] == model
    assert len(model[0]) == 200
