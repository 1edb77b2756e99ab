"""When data concentrators begin their rounds, and what they know of their meters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from test_collecting import CLEAN, RULES

from pilotfarm.emulators.columns.arrays import Bools
from pilotfarm.emulators.stations.collecting import Collector
from pilotfarm.emulators.stations.come import Heard, Outcome, ToldTime
from pilotfarm.emulators.stations.rounds import INTERVAL_S, Rounds, Schedule
from pilotfarm.profiles.draws import keys_of

OSLO: Final = ZoneInfo("Europe/Oslo")
AT: Final = Schedule(OSLO, time(0, 5), 1_800.0)


def instant(*of: int) -> float:
    return datetime(*of, tzinfo=OSLO).timestamp()  # type: ignore[arg-type, misc]


def local(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, OSLO).isoformat(timespec="minutes")


class Concentrator:
    def __init__(self, *start: int, meters: int = 4, schedule: Schedule = AT) -> None:
        self.unix_s = instant(*start)
        keys = keys_of(5, [f"meter {k}" for k in range(meters)])
        first = -(-int(self.unix_s) // INTERVAL_S)
        collector = Collector(CLEAN, keys, np.zeros(meters, dtype=np.intp), RULES, known=first)
        own = keys_of(5, ["concentrator"])
        self.room = 1_000_000
        """For how many blocks there is room."""
        self.powered_: Bools = np.ones(meters, dtype=bool)
        self.off_: Bools = np.zeros(meters, dtype=bool)
        self.told_time: list[tuple[int, bool]] = []
        self.rounds = Rounds(collector, schedule, CLEAN, own, self, start_s=0.0, offset_s=self.unix_s, kept=60 * 96)
        self.reachable = np.ones(meters, dtype=bool)
        self.now_s = 0.0
        self.begun: list[str] = []
        self.read: list[tuple[int, int, int]] = []

    def powered(self) -> Bools:
        return self.powered_

    def listen(self, to_s: float, reachable: Bools, *, hears: bool) -> None:
        """They say nothing."""

    def off(self, unix_s: float) -> Bools:
        return self.off_

    def set_clocks(self, told: ToldTime) -> None:
        self.told_time += zip(told.meter.tolist(), told.answered.tolist(), strict=True)
        self.off_ = self.off_ & ~np.isin(np.arange(len(self.off_)), told.meter[told.answered])

    def keep(self, heard: Sequence[Heard]) -> int:
        kept = min(len(heard), self.room)
        self.room -= kept
        for each in heard[:kept]:
            self.read += zip(each.meter.tolist(), each.first.tolist(), each.last.tolist(), strict=True)
        return kept

    def until(self, *to: int, step_s: float = 60.0) -> Concentrator:
        while self.now_s < instant(*to) - self.unix_s:
            before = self.rounds.scans
            self.now_s += step_s
            self.fresh = self.rounds.advance(self.now_s, self.reachable)[0].fresh
            if self.rounds.scans > before:
                self.begun.append(local(self.unix_s + self.now_s))
            for each in self.rounds.read:
                assert (each.at_s <= self.now_s).all()
                assert (each.last * INTERVAL_S <= self.unix_s + each.at_s).all(), "nobody reads what is to come"
        return self

    def read_to(self, meter: int) -> str:
        return local(max(last for each, _, last in self.read if each == meter) * INTERVAL_S)


def test_a_round_begins_daily_at_its_time_and_reads_up_to_midnight() -> None:
    made = Concentrator(2026, 6, 15, 8, 0).until(2026, 6, 17, 3, 0)
    assert made.begun == ["2026-06-16T00:06+02:00", "2026-06-17T00:06+02:00"], "with the step in which it begins"
    assert {made.read_to(meter) for meter in range(4)} == {"2026-06-17T00:00+02:00"}
    assert sum(last - first for meter, first, last in made.read if meter == 0) == 16 * 4 + 96


@pytest.mark.parametrize(("day", "intervals"), [((2026, 3, 29), 92), ((2026, 10, 25), 100), ((2026, 6, 1), 96)])
def test_a_day_has_the_intervals_it_has(day: tuple[int, int, int], intervals: int) -> None:
    year, month, number = day
    made = Concentrator(year, month, number, 0, 0).until(year, month, number, 23, 0)
    assert made.read == []
    made.until(*datetime.fromtimestamp(instant(year, month, number, 23) + 14_400, OSLO).timetuple()[:5])
    assert sum(last - first for meter, first, last in made.read if meter == 0) == intervals


@pytest.mark.parametrize("at", [time(2, 30), time(0, 5)])
@pytest.mark.parametrize("day", [(2026, 3, 29), (2026, 10, 25)])
def test_there_is_one_round_on_each_day_also_when_the_clock_changes(at: time, day: tuple[int, int, int]) -> None:
    schedule = Schedule(OSLO, at, 1_800.0)
    noon = instant(*day, 12) - 86_400.0
    begins = list(schedule.begins(noon, noon + 3 * 86_400.0))
    assert len(begins) == 3
    assert len({datetime.fromtimestamp(each, OSLO).date() for each in begins}) == 3
    assert begins == sorted(begins)
    for each in begins:
        assert list(schedule.begins(each - 1.0, each)) == [each]
        assert list(schedule.begins(each, each + 60.0)) == []


def test_what_lacks_is_read_again_every_half_hour_until_nothing_does() -> None:
    made = Concentrator(2026, 6, 15, 23, 0)
    made.reachable[2] = False
    made.until(2026, 6, 16, 0, 30)
    assert {meter for meter, *_ in made.read} == {0, 1, 3}
    assert made.rounds.answers.tolist() == [[True, True, False, True]]
    asked = made.rounds.collector.exchanges
    made.until(2026, 6, 16, 1, 0)
    assert made.rounds.collector.exchanges == asked + RULES.tries, "once, at 00:35"
    made.reachable[2] = True
    made.until(2026, 6, 16, 1, 4)
    assert made.rounds.answers[0, 2] == 0
    made.until(2026, 6, 16, 1, 6)
    assert made.read_to(2) == "2026-06-16T00:00+02:00"
    assert made.rounds.answers.all()
    asked = made.rounds.collector.exchanges
    made.until(2026, 6, 16, 23, 0)
    assert made.rounds.collector.exchanges == asked


def test_long_steps_read_the_same_as_short_ones() -> None:
    short, long = (Concentrator(2026, 6, 15, 23, 0).until(2026, 6, 16, 2, 0, step_s=each) for each in (10.0, 900.0))
    assert sorted(short.read) == sorted(long.read)
    np.testing.assert_allclose(short.rounds.known_s, long.rounds.known_s)


def test_a_meter_is_known_as_of_its_last_answer_and_fresh_in_that_step() -> None:
    made = Concentrator(2026, 6, 15, 23, 0).until(2026, 6, 15, 23, 30)
    assert not made.fresh.any()
    assert (made.rounds.known_s == 0.0).all()
    ended: list[Outcome] = []
    made.rounds.demand(1, 1, ended.append)
    made.until(2026, 6, 15, 23, 31)
    assert made.fresh.tolist() == [False, True, False, False]
    assert [each.answered for each in ended] == [True]
    assert made.rounds.known_s[0, 1] == ended[0].at_s
    made.until(2026, 6, 15, 23, 32)
    assert not made.fresh.any()


def test_further_rounds_that_are_due_in_a_round_are_left_out() -> None:
    """Of 40 meters with 94 intervals each: 13 blocks of 0.321 s and one of 0.213 s are 175 s in all."""
    made = Concentrator(2026, 6, 15, 0, 30, meters=40, schedule=Schedule(OSLO, time(0, 5), 60.0))
    made.until(2026, 6, 16, 1, 0, step_s=900.0)
    assert (made.rounds.scans, made.rounds.left_out) == (1, 2)
    assert made.rounds.unanswered == 0


def test_a_demand_that_fails_says_that_a_meter_does_not_answer_and_the_next_that_it_does() -> None:
    made, ended = Concentrator(2026, 6, 15, 12, 0), list[Outcome]()
    for reachable in (False, True):
        made.reachable[0] = reachable
        made.rounds.demand(0, 1, ended.append)
        made.until(2026, 6, 15, 12, 1 + reachable)
        assert made.rounds.answers[0].tolist() == [reachable, True, True, True]


def test_midnight_is_that_of_the_zone() -> None:
    noon = datetime(2026, 6, 15, 12, tzinfo=UTC).timestamp()
    assert AT.midnight(noon) * INTERVAL_S == datetime(2026, 6, 14, 22, tzinfo=UTC).timestamp()
    assert Schedule(ZoneInfo("UTC"), time(), 1.0).midnight(noon) * INTERVAL_S == noon - 43_200.0


# ------------------------------------------------------------------------------------- clocks


def test_clocks_that_are_off_are_set_once_a_day_after_their_meters_are_read() -> None:
    made = Concentrator(2026, 6, 15, 20, 0)
    made.off_[[1, 3]] = True
    made.until(2026, 6, 16, 0, 5)
    assert made.told_time == []
    before = made.rounds.collector.exchanges
    made.until(2026, 6, 16, 0, 30)
    assert sorted(made.told_time) == [(1, True), (3, True)]
    assert made.rounds.collector.exchanges - before == 4 * 3 + 2, "16 intervals are three blocks"
    assert (made.rounds.known_s[0, [1, 3]] > made.rounds.known_s[0, [0, 2]]).all()
    made.off_[0] = True
    made.until(2026, 6, 17, 0, 5)
    assert len(made.told_time) == 2
    made.until(2026, 6, 17, 0, 30)
    assert made.told_time[2:] == [(0, True)]
    made.until(2026, 6, 17, 23, 0)
    assert len(made.told_time) == 3


def test_a_meter_that_is_not_read_is_not_told_the_time_until_it_is() -> None:
    made = Concentrator(2026, 6, 15, 23, 0)
    made.off_[2], made.reachable[2] = True, False
    made.until(2026, 6, 16, 1, 30)
    assert made.told_time == []
    made.reachable[2] = True
    made.until(2026, 6, 16, 1, 34)
    assert made.told_time == []
    made.until(2026, 6, 16, 1, 40)
    assert made.told_time == [(2, True)]


def test_long_steps_set_the_same_clocks_as_short_ones() -> None:
    short, long = (Concentrator(2026, 6, 15, 23, 0) for _ in range(2))
    for made, step_s in ((short, 10.0), (long, 900.0)):
        made.off_[:] = True
        made.until(2026, 6, 16, 2, 0, step_s=step_s)
    assert sorted(short.told_time) == sorted(long.told_time) == [(meter, True) for meter in range(4)]
    np.testing.assert_allclose(short.rounds.known_s, long.rounds.known_s)
