"""How data concentrators read meters: laws of their rounds, and examples worked out by hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pytest

from pilotfarm.emulators.columns.arrays import Bools, Floats
from pilotfarm.emulators.stations.collecting import (
    DEMANDS_MAX,
    Collecting,
    Collector,
    kept_frac,
)
from pilotfarm.emulators.stations.come import Heard, Outcome, Silent, ToldTime
from pilotfarm.profiles.draws import keys_of
from pilotfarm.profiles.media.shared import SharedMedium, hop_s, shared_medium

RULES: Final = Collecting(block_intervals=7, timeout_s=5.0, tries=3)
PLC: Final = shared_medium("plc_g3")
CLEAN: Final = SharedMedium(
    name="clean",
    title="Loses nothing, and takes a time known beforehand",
    rate_bit_s=8_000.0,
    access_median_s=1e-9,
    access_p95_s=1.1e-9,
    access_p99_s=1.2e-9,
    access_max_s=2e-9,
    turnaround_min_s=0.1,
    turnaround_max_s=0.1,
)
BLOCK_S: Final = (20 + 12 + 7 * 27) * 8 / 8_000.0 + 0.1
"""Of request and answer by their octets, and the turn-around."""
DAY: Final = 96


class Night:
    """Some concentrators with their meters, and what has come."""

    def __init__(self, meters: int = 5, concentrators: int = 2, medium: SharedMedium = CLEAN, known: int = 0) -> None:
        n = meters * concentrators
        self.behind = np.repeat(np.arange(concentrators), meters)
        self.collector = Collector(
            medium, keys_of(7, [f"meter {k}" for k in range(n)]), self.behind, RULES, known=known
        )
        self.reachable = np.ones(n, dtype=bool)
        self.noisy: Bools = np.zeros(concentrators, dtype=bool)
        self.heard: list[tuple[int, int, int, float]] = []
        self.silent: list[tuple[int, float]] = []
        self.outcomes: list[Outcome] = []

    def until(self, *times_s: float) -> Night:
        for to_s in times_s:
            come = self.collector.advance(to_s, self.reachable, self.noisy)
            self.heard += sorted(flat(come.heard), key=lambda block: block[3])
            self.silent += sorted(flat(come.silent), key=lambda each: each[1])
            self.outcomes += come.outcomes
        return self

    def of(self, meter: int) -> list[tuple[int, int]]:
        return [(first, last) for each, first, last, _ in self.heard if each == meter]


def flat(told: Iterable[Heard | Silent | ToldTime]) -> Iterable[Any]:
    for each in told:
        yield from zip(*(column.tolist() for column in each), strict=True)


def test_a_meter_is_read_block_by_block_and_then_the_next_one() -> None:
    night = Night()
    night.collector.begin(300.0, DAY)
    night.until(3_600.0)
    blocks = [(k, min(k + 7, DAY)) for k in range(0, DAY, 7)]
    assert all(night.of(meter) == blocks for meter in range(10))
    for concentrator in (0, 1):
        here = [each for each in night.heard if night.behind[each[0]] == concentrator]
        assert [meter for meter, *_ in here] == sorted(
            list(range(5 * concentrator, 5 * concentrator + 5)) * len(blocks)
        )
        np.testing.assert_allclose([at_s for *_, at_s in here], 300.0 + BLOCK_S * np.arange(1, 71), rtol=1e-6)
    assert not night.collector.behind.any()
    assert (night.collector.exchanges, night.collector.unanswered) == (140, 0)


def test_what_is_on_its_way_comes_when_it_comes() -> None:
    night = Night(1, 1)
    night.collector.begin(0.0, DAY)
    assert night.until(0.99 * BLOCK_S).heard == []
    assert night.until(1.01 * BLOCK_S).of(0) == [(0, 7)]
    assert night.until(2.99 * BLOCK_S).of(0) == [(0, 7), (7, 14)]


@pytest.mark.parametrize("medium", [CLEAN, PLC, shared_medium("radio_mesh"), shared_medium("plc_prime")])
def test_each_interval_comes_once_oldest_first_and_one_exchange_is_under_way_at_a_time(medium: SharedMedium) -> None:
    night = Night(20, 3, medium, known=40)
    night.reachable[11] = False
    for number in range(4):
        night.collector.begin(1_800.0 * number, DAY if number < 2 else 2 * DAY)
        night.until(*(1_800.0 * number + np.linspace(100.0, 1_800.0, 13)))
    assert not night.of(11)
    for meter in set(range(60)) - {11}:
        blocks = night.of(meter)
        assert blocks[0][0] == 40
        assert all(later[0] == earlier[1] for earlier, later in pairwise(blocks))
        assert night.collector.known[meter] == blocks[-1][1]
        assert all(0 < last - first <= 7 for first, last in blocks)
    for concentrator in range(3):
        at_s = [at_s for meter, *_, at_s in night.heard if night.behind[meter] == concentrator]
        assert (np.diff(at_s) >= hop_s(medium, 20, medium.rate_bit_s)).all()
    assert night.collector.behind[11]


def test_it_is_the_same_however_the_night_is_cut_and_whoever_else_is_read() -> None:
    whole, cut, alone = Night(20, 2, PLC), Night(20, 2, PLC), Night(20, 1, PLC)
    for night in (whole, cut, alone):
        night.collector.begin(300.0, DAY)
        night.collector.demand(300.0, 7)
    whole.until(3_600.0)
    cut.until(*np.arange(310.0, 3_610.0, 13.0), 3_600.0)
    alone.until(3_600.0)
    assert sorted(cut.heard) == sorted(whole.heard)
    assert alone.heard == [each for each in whole.heard if each[0] < 20]
    assert [each.at_s for each in cut.outcomes] == [each.at_s for each in whole.outcomes]


def test_a_meter_that_does_not_answer_is_left_for_the_next_round_which_goes_on_where_it_stood() -> None:
    night = Night(2, 1)
    night.collector.begin(0.0, DAY)
    night.until(3.01 * BLOCK_S)
    night.reachable[0] = False
    night.until(1_000.0)
    assert night.of(0) == [(0, 7), (7, 14), (14, 21), (21, 28)], "the fourth was under way"
    first_of_the_other = next(at_s for meter, *_, at_s in night.heard if meter == 1)
    assert first_of_the_other == pytest.approx(4 * BLOCK_S + 3 * 5.0 + BLOCK_S), "after three time-outs"
    assert night.silent == [(0, pytest.approx(4 * BLOCK_S + 3 * 5.0))]
    assert night.collector.behind.tolist() == [True, False]
    night.reachable[0] = True
    night.until(2_000.0)
    assert len(night.of(0)) == 4, "until the next round"
    night.collector.begin(2_000.0, DAY)
    night.until(3_000.0)
    assert night.of(0)[4] == (28, 35)
    assert not night.collector.behind.any()


def test_what_a_meter_no_longer_has_is_not_read() -> None:
    night = Night(2, 1)
    night.collector.begin(0.0, DAY, np.array([50, 0]))
    night.until(1_000.0)
    assert night.of(0)[0] == (50, 57)
    assert night.of(1)[0] == (0, 7)


def test_a_demand_goes_before_the_round() -> None:
    night = Night(3, 1)
    night.collector.begin(0.0, DAY)
    night.until(2.5 * BLOCK_S)
    ticket = night.collector.demand(2.5 * BLOCK_S, 2, 2)
    night.until(1_000.0)
    registers_s = (20 + 12 + 60) * 8 / 8_000.0 + 0.1
    (outcome,) = night.outcomes
    assert outcome == Outcome(ticket or 0, 2, True, pytest.approx(3 * BLOCK_S + 2 * registers_s), told=True)
    assert night.heard[3][3] == pytest.approx(4 * BLOCK_S + 2 * registers_s)


def test_a_demand_to_an_idle_concentrator_begins_at_once_and_one_to_a_silent_meter_fails_after_its_tries() -> None:
    night = Night(2, 2)
    night.reachable[3] = False
    tickets = [night.collector.demand(100.0, meter) for meter in (0, 3)]
    assert night.until(110.0).outcomes[0].at_s == pytest.approx(100.0 + 92 / 1_000 + 0.1)
    night.until(114.9)
    assert len(night.outcomes) == 1
    assert night.until(115.0).outcomes[1:] == [Outcome(tickets[1] or 0, 3, False, 115.0, told=False)]


def test_too_many_demands_are_refused() -> None:
    night = Night(1, 2)
    assert all(night.collector.demand(0.0, 0) for _ in range(DEMANDS_MAX))
    assert night.collector.demand(0.0, 0) is None
    assert night.collector.demand(0.0, 1) is not None
    night.until(1_000.0)
    assert len(night.outcomes) == DEMANDS_MAX + 1
    assert night.collector.demand(1_000.0, 0) is not None


def test_an_answer_after_the_time_out_is_none() -> None:
    slow = replace(CLEAN, turnaround_min_s=5.0, turnaround_max_s=5.0)
    night = Night(1, 1, slow)
    night.collector.begin(0.0, DAY)
    night.until(1_000.0)
    assert night.heard == []
    assert night.collector.unanswered == RULES.tries


def test_noise_costs_answers() -> None:
    quiet, noisy = Night(20, 2, PLC), Night(20, 2, PLC)
    noisy.noisy[1] = True
    for night in (quiet, noisy):
        night.collector.begin(0.0, DAY)
        night.until(1_800.0)
    assert [len(noisy.of(meter)) for meter in range(20)] == [len(quiet.of(meter)) for meter in range(20)]
    assert sum(len(noisy.of(meter)) for meter in range(20, 40)) < 0.8 * sum(len(quiet.of(m)) for m in range(20, 40))


def test_some_meters_are_poor_and_the_hops_of_others_are_good() -> None:
    keys = keys_of(1, [f"meter {k}" for k in range(20_000)])
    near, far = (kept_frac(PLC, keys, np.full(20_000, hops)) for hops in (1.0, 4.0))
    poor: Floats = near[near == PLC.poor_kept_frac]
    assert len(poor) / len(keys) == pytest.approx(PLC.poor_frac, abs=0.01)
    good = near[near != PLC.poor_kept_frac]
    assert PLC.good_kept_min_frac <= good.min() < good.max() <= 1.0
    assert good.mean() == pytest.approx((1.0 + PLC.good_kept_min_frac) / 2.0, abs=0.001)
    np.testing.assert_allclose(far[near != PLC.poor_kept_frac], good**4)


def test_what_could_not_be_kept_is_read_again() -> None:
    night = Night(2, 1)
    night.collector.begin(0.0, DAY)
    come = night.collector.advance(3.01 * BLOCK_S, night.reachable, night.noisy)
    for each in come.heard[1:]:
        night.collector.take_back(each)
    night.until(1_000.0)
    assert night.of(0) == []
    assert len(night.of(1)) == 14
    night.collector.begin(1_000.0, DAY)
    assert night.until(2_000.0).of(0)[0] == (7, 14)


def test_what_is_under_way_when_concentrators_stop_has_not_come_and_is_read_again() -> None:
    night, stop_s = Night(2, 2), 2.5 * BLOCK_S
    night.collector.begin(0.0, DAY)
    night.until(stop_s)
    night.reachable[:2] = False  # the first concentrator's next exchange is in vain
    waiting, under_way = (night.collector.demand(stop_s, meter, 1) for meter in (0, 2))
    night.until(3.1 * BLOCK_S)
    assert night.outcomes == []
    night.collector.stop(3.1 * BLOCK_S)
    assert not night.collector.rests, "who waits has to be told"
    night.until(1_000.0)
    assert night.outcomes == [
        Outcome(under_way or 0, 2, False, 3.1 * BLOCK_S, told=True),
        Outcome(waiting or 0, 0, False, 3.1 * BLOCK_S, told=False),
    ]
    assert night.of(0) == night.of(2) == [(0, 7), (7, 14), (14, 21)]
    assert night.collector.rests
    night.reachable[:] = True
    night.collector.begin(1_000.0, DAY)
    night.until(2_000.0)
    assert night.of(0)[3:] == night.of(2)[3:] == [(k, min(k + 7, DAY)) for k in range(21, DAY, 7)]


def test_a_block_on_its_way_when_concentrators_stop_is_read_again() -> None:
    night = Night(1, 1)
    night.collector.begin(0.0, DAY)
    night.until(2.5 * BLOCK_S)
    night.collector.stop(2.5 * BLOCK_S)
    night.until(1_000.0)
    assert night.of(0) == [(0, 7), (7, 14)]
    night.collector.begin(1_000.0, DAY)
    assert night.until(2_000.0).of(0)[2] == (14, 21)


def test_tries_are_counted_for_each_block_by_itself() -> None:
    night = Night(1, 1)
    night.collector.begin(0.0, DAY)
    for _ in range(5):
        before = len(night.heard)
        night.reachable[0] = False
        now_s = float(night.collector._free_s[0])
        night.until(now_s + (RULES.tries - 1) * RULES.timeout_s)
        night.reachable[0] = True
        night.until(now_s + (RULES.tries - 1) * RULES.timeout_s + 1.01 * BLOCK_S)
        assert len(night.heard) > before
    assert night.silent == []


def test_in_noise_every_hop_lets_less_pass() -> None:
    medium = replace(CLEAN, noise_kept_frac=0.5, hops_3_frac=1.0)
    one_hop = replace(CLEAN, noise_kept_frac=0.5)
    for each, share in ((one_hop, 0.5), (medium, 0.125)):
        night = Night(20, 10, each)
        night.noisy[:] = True
        night.collector.begin(0.0, DAY)
        night.until(600.0)
        answered = 1.0 - night.collector.unanswered / night.collector.exchanges
        assert answered == pytest.approx(share, abs=0.04)


# ------------------------------------------------------------------------------------- clocks

TIME_S: Final = (20 + 12 + 12) * 8 / 8_000.0 + 0.1


def test_who_is_read_and_off_is_told_the_time_and_then_the_next_one_is_read() -> None:
    night = Night(meters=2, concentrators=1)
    night.collector.begin(0.0, 7, off=np.array([True, False]))
    come = night.collector.advance(10.0, night.reachable, night.noisy)
    assert [(meter, at_s) for meter, *_, at_s in flat(come.heard)] == [
        (0, pytest.approx(BLOCK_S)),
        (1, pytest.approx(2 * BLOCK_S + TIME_S)),
    ]
    ((meter, answered, at_s),) = flat(come.told_time)
    assert (meter, answered, at_s) == (0, True, pytest.approx(BLOCK_S + TIME_S))
    assert night.collector.idle


def test_who_does_not_answer_when_told_the_time_is_given_up_and_not_told_again_that_day() -> None:
    night = Night(meters=2, concentrators=1)
    night.collector.begin(0.0, 7, off=np.array([True, False]))
    night.until(0.5 * BLOCK_S)
    night.reachable[0] = False
    come = night.collector.advance(100.0, night.reachable, night.noisy)
    assert list(flat(come.told_time)) == [(0, False, pytest.approx(BLOCK_S + RULES.tries * RULES.timeout_s))]
    assert list(flat(come.silent)) == []
    assert not night.collector.behind.any()
    night.reachable[0] = True
    asked = night.collector.exchanges
    assert night.collector.begin_again(1_000.0) == 0
    night.until(2_000.0)
    assert night.collector.exchanges == asked


def test_a_concentrator_that_stops_sets_clocks_later_that_it_had_not_set() -> None:
    night = Night(meters=1, concentrators=1)
    night.collector.begin(0.0, 7, off=np.array([True]))
    night.until(1.01 * BLOCK_S)
    assert not night.collector.behind.any()
    night.collector.stop(1.02 * BLOCK_S)
    assert not night.collector.advance(100.0, night.reachable, night.noisy).told_time
    night.collector.begin_again(200.0)
    ((_, answered, at_s),) = flat(night.collector.advance(300.0, night.reachable, night.noisy).told_time)
    assert (answered, at_s) == (True, pytest.approx(200.0 + TIME_S))
