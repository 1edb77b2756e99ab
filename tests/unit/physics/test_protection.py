"""Grid protection: ride through, trip in time, come back by itself and slowly."""

from __future__ import annotations

import numpy as np
import pytest

from pilotfarm.emulators.columns.arrays import everything, nothing
from pilotfarm.emulators.physics import grid_code, protection

ONE = np.ones(1)


def watch(name: str, seconds: float, dt_s: float, voltage: float = 1.0, frequency: float = 1.0, state=None):
    """Let a grid stand for some seconds; return the state at the end and when it tripped first [s]."""
    state = protection.in_service(1) if state is None else state
    tripped_s = None
    for k in range(round(seconds / dt_s)):
        state = protection.watched(state, voltage * ONE, voltage * ONE, frequency, grid_code.code(name), dt_s)
        if tripped_s is None and state.tripped[0]:
            tripped_s = (k + 1) * dt_s
    return state, tripped_s


@pytest.mark.parametrize(
    ("name", "voltage", "frequency", "after_s"),
    [
        ("en-50549-1", 1.26, 1.0, 0.1),
        ("en-50549-1", 0.79, 1.0, 3.0),
        ("en-50549-1", 0.44, 1.0, 0.3),
        ("en-50549-1", 1.0, 51.6 / 50.0, 0.1),
        ("vde-ar-n-4105", 1.0, 47.4 / 50.0, 0.1),
        ("ieee-1547-2018-b", 1.15, 1.0, 2.0),
        ("ieee-1547-2018-b", 1.21, 1.0, 0.2),  # 0.16 s, at the end of the second step
        ("ieee-1547-2018-b", 0.69, 1.0, 10.0),
        ("ieee-1547-2018-b", 1.0, 61.3 / 60.0, 300.0),
    ],
)
def test_a_limit_passed_for_its_time_trips_and_not_a_step_before(
    name: str, voltage: float, frequency: float, after_s: float
) -> None:
    _, tripped_s = watch(name, after_s + 1.0, 0.1, voltage, frequency)
    assert tripped_s == pytest.approx(after_s)


@pytest.mark.parametrize("dt_s", [0.1, 1.0, 60.0, 900.0])
def test_within_the_limits_it_never_trips(dt_s: float) -> None:
    for voltage, frequency in ((0.86, 0.96), (1.09, 1.02)):
        assert watch("en-50549-1", 3_600.0, dt_s, voltage, frequency)[1] is None


def test_a_dip_shorter_than_its_time_is_ridden_through_and_forgotten() -> None:
    state, tripped_s = watch("en-50549-1", 2.9, 0.1, 0.7)
    assert tripped_s is None
    state, _ = watch("en-50549-1", 0.1, 0.1, 1.0, state=state)
    assert watch("en-50549-1", 2.9, 0.1, 0.7, state=state)[1] is None


def test_a_high_voltage_trips_by_its_ten_minute_mean() -> None:
    assert watch("en-50549-1", 900.0, 1.0, 1.12)[1] == pytest.approx(-300.0 * np.log(0.02 / 0.12), abs=1.0)
    assert watch("en-50549-1", 60.0, 1.0, 1.2)[1] is None


def test_a_step_longer_than_a_limits_time_trips_at_its_end() -> None:
    assert watch("en-50549-1", 900.0, 900.0, 0.7)[1] == 900.0


def test_it_waits_for_a_good_grid_and_then_comes_back_at_a_tenth_a_minute() -> None:
    state, tripped_s = watch("en-50549-1", 1.0, 1.0, 1.3)
    assert tripped_s == 1.0
    state, _ = watch("en-50549-1", 59.0, 1.0, state=state)
    assert state.tripped[0]
    state, _ = watch("en-50549-1", 1.0, 1.0, frequency=50.15 / 50.0, state=state)  # too fast: waits anew
    state, _ = watch("en-50549-1", 59.0, 1.0, state=state)
    assert state.tripped[0]
    state, _ = watch("en-50549-1", 1.0, 1.0, state=state)
    assert not state.tripped[0]
    assert state.ramp_frac == 0.0
    state, _ = watch("en-50549-1", 300.0, 1.0, state=state)
    assert state.ramp_frac == pytest.approx(0.5)
    state, _ = watch("en-50549-1", 301.0, 1.0, state=state)
    assert state.ramp_frac is everything(1)
    assert state.tripped is nothing(1)


@pytest.mark.parametrize(
    ("place", "voltage", "frequency"),
    [(0, 1.3, 1.0), (0, 1.14, 1.0), (1, 0.3, 1.0), (2, 1.0, 51.6 / 50.0), (3, 1.0, 47.4 / 50.0)],
)
def test_the_function_that_tripped_says_so_until_it_is_back(place: int, voltage: float, frequency: float) -> None:
    state, tripped_s = watch("en-50549-1", 900.0, 1.0, voltage, frequency)
    assert tripped_s is not None
    only = [float(each == place) for each in range(4)]
    assert [float(each[0]) for each in state.operated] == only
    state, _ = watch("en-50549-1", 59.0, 1.0, state=state)
    assert [float(each[0]) for each in state.operated] == only
    state, _ = watch("en-50549-1", 900.0, 1.0, state=state)
    assert all(each is nothing(1) for each in state.operated)


def test_two_functions_may_trip_it_and_one_that_only_began_has_not() -> None:
    state, _ = watch("en-50549-1", 1.0, 1.0, 1.3)
    state, _ = watch("en-50549-1", 0.2, 0.1, 0.7, state=state)
    assert [float(each[0]) for each in state.operated] == [1.0, 0.0, 0.0, 0.0]
    state, _ = watch("en-50549-1", 4.0, 1.0, 0.7, state=state)
    assert [float(each[0]) for each in state.operated] == [1.0, 1.0, 0.0, 0.0]


def test_it_stays_off_while_it_is_not_permitted_to_come_back() -> None:
    code, state = grid_code.code("en-50549-1"), watch("en-50549-1", 1.0, 1.0, 1.3)[0]
    for permitted in (0.0, 1.0):
        for _ in range(59):
            state = protection.watched(state, ONE, ONE, 1.0, code, 1.0, np.array([permitted]))
            assert state.tripped[0]
        state = protection.watched(state, ONE, ONE, 1.0, code, 1.0, np.array([permitted]))
        assert state.tripped[0] == 1.0 - permitted


def test_neighbours_in_trouble_change_nothing_for_a_healthy_one() -> None:
    code = grid_code.code("en-50549-1")
    alone, together = protection.in_service(1), protection.in_service(3)
    for k in range(200):
        voltage = 1.0 + 0.08 * np.sin(0.1 * k)
        alone = protection.watched(alone, voltage * ONE, voltage * ONE, 1.0, code, 1.0)
        grid = np.array([1.3 if k == 5 else 1.0, voltage, 0.3 if k > 50 else 1.0])
        together = protection.watched(together, grid, grid, 1.0, code, 1.0)
    assert together.tripped.tolist() == [0.0, 0.0, 1.0]
    assert together.mean_pu[1] == alone.mean_pu[0]
    assert together.ramp_frac[1] == alone.ramp_frac[0] == 1.0
