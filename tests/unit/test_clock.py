"""What a clock shows: right, drifting, set, and put off by faults, one of which leaves nothing when it ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfarm.emulators.contracts.clock import CLOCK_END_S, Clock, Clocks
from pilotfarm.emulators.errors import OutOfRange

NOW_S = 1_780_000_000.0
DAY_S = 86_400.0


def drifting(by: float, from_s: float) -> Callable[[float], float]:
    return lambda unix_s: by * (unix_s - from_s)


def stepped(by_s: float) -> Callable[[float], float]:
    return lambda unix_s: by_s


def test_a_right_clock_shows_the_time_of_the_site_and_stands_nowhere() -> None:
    clocks: Clocks = {}
    clock = Clock([(clocks, 3)])
    assert [clock.shown_s(NOW_S), clock.off_s(NOW_S)] == [NOW_S, 0.0]
    assert clocks == {}


def test_a_clock_that_gains_eleven_and_a_half_millionths_is_a_second_fast_after_a_day() -> None:
    clock = Clock(drift_ppm=1e6 / DAY_S, since_s=NOW_S)
    assert clock.shown_s(NOW_S) == NOW_S
    assert clock.off_s(NOW_S + DAY_S) == pytest.approx(1.0, abs=1e-6)
    assert clock.off_s(NOW_S + 10 * DAY_S) == pytest.approx(10.0, abs=1e-6)


def test_a_clock_that_is_set_shows_that_and_drifts_on_from_there() -> None:
    clock = Clock(drift_ppm=-100.0, since_s=NOW_S - DAY_S)
    clock.set(1_000.0, NOW_S)
    assert clock.shown_s(NOW_S) == 1_000.0
    assert clock.shown_s(NOW_S + 10_000.0) == pytest.approx(1_000.0 + 10_000.0 - 1.0, abs=1e-6)


def test_it_stands_in_every_mapping_while_it_may_be_wrong_and_in_none_when_it_is_right() -> None:
    here: Clocks = {}
    there: Clocks = {}
    clock = Clock([(here, 1), (here, 2), (there, 7)])
    everywhere = ({1: clock, 2: clock}, {7: clock})
    clock.set(NOW_S + 5.0, NOW_S)
    assert (here, there) == everywhere
    clock.set(NOW_S, NOW_S)
    assert (here, there) == ({}, {})
    clock.put_off(1, stepped(0.0))
    assert (here, there) == everywhere
    clock.put_right(1)
    assert (here, there) == ({}, {})
    late: Clocks = {}
    clock.set(NOW_S - 5.0, NOW_S)
    clock.stamp_for(late, 0)
    assert late == {0: clock}
    assert Clock([(late, 4)], drift_ppm=1.0) is late[4]


def test_a_step_is_healed_by_who_sets_the_clock_and_a_drift_begins_anew() -> None:
    clock = Clock()
    clock.put_off(1, stepped(3_600.0))
    clock.put_off(2, drifting(0.01, NOW_S))
    assert clock.off_s(NOW_S + 100.0) == 3_601.0
    clock.set(NOW_S + 100.0, NOW_S + 100.0)
    assert clock.off_s(NOW_S + 100.0) == 0.0
    assert clock.off_s(NOW_S + 300.0) == pytest.approx(2.0, abs=1e-6)
    clock.put_right(1)
    assert clock.off_s(NOW_S + 300.0) == pytest.approx(2.0, abs=1e-6), "a healed step takes nothing with it"
    clock.put_right(2)
    assert clock.off_s(NOW_S + 300.0) == 0.0


@pytest.mark.parametrize("wrong_s", [-0.001, -1e9, CLOCK_END_S, 2.0**48 / 1000.0, float("inf"), float("nan")])
def test_a_time_that_no_clock_shows_is_refused_and_the_clock_goes_on(wrong_s: float) -> None:
    clock = Clock()
    clock.set(NOW_S + 7.0, NOW_S)
    with pytest.raises(OutOfRange, match="1970 to 2099"):
        clock.set(wrong_s, NOW_S)
    assert clock.off_s(NOW_S + 1.0) == 7.0


@pytest.mark.parametrize("shown_s", [0.0, CLOCK_END_S - 1.0])
def test_the_first_and_the_last_second_can_be_shown(shown_s: float) -> None:
    clock = Clock()
    clock.set(shown_s, NOW_S)
    assert clock.shown_s(NOW_S) == shown_s


def test_a_clock_stands_still_at_either_end() -> None:
    clock = Clock()
    clock.put_off(1, stepped(-2e9))
    assert [clock.shown_s(NOW_S + t) for t in (0.0, 10.0)] == [0.0, 0.0]
    clock.put_right(1)
    clock.put_off(1, stepped(3e9))
    assert [clock.shown_s(NOW_S + t) for t in (0.0, 10.0)] == [CLOCK_END_S - 0.001] * 2


DEEDS = st.lists(
    st.tuples(st.sampled_from(("off", "right", "set")), st.integers(0, 3), st.integers(-1_000, 1_000)), max_size=20
)


@given(st.integers(-1_000, 1_000), DEEDS)
def test_when_all_faults_have_ended_a_clock_shows_what_one_shows_that_had_none(
    drift_ppm: int, deeds: list[tuple[str, int, int]]
) -> None:
    struck, spared = (Clock(drift_ppm=drift_ppm, since_s=NOW_S) for _ in range(2))
    active: set[int] = set()
    for k, (deed, fault, value) in enumerate(deeds):
        now_s = NOW_S + 60.0 * k
        if deed == "set":
            for clock in (struck, spared):
                clock.set(now_s + value, now_s)
            assert struck.shown_s(now_s) == pytest.approx(now_s + value, abs=1e-6)
        elif deed == "off" and fault not in active:
            active.add(fault)
            struck.put_off(fault, drifting(value * 1e-4, now_s) if fault % 2 else stepped(value))
        elif deed == "right" and fault in active:
            active.remove(fault)
            struck.put_right(fault)
    for fault in active:
        struck.put_right(fault)
    for later_s in (1_200.0, 90_000.0):
        assert struck.shown_s(NOW_S + later_s) == spared.shown_s(NOW_S + later_s)
