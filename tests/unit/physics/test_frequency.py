"""The grid's frequency."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pilotfarm.emulators.physics.frequency import (
    AREAS,
    DEVIATION_MAX_HZ,
    NOISE_MAX_HZ,
    STANDARD_DEVIATION_HZ,
    Area,
    Swing,
    frequency_hz,
    steady_deviation_hz,
    swung,
)

START_S = 1_750_000_000.0
CONTINENT, ISLAND = AREAS["continental"], AREAS["island"]
REFERENCE_INCIDENT_W = 3e9


def course(area: Area, lost_w: float, until_s: int, dt_s: float = 1.0, swing: Swing | None = None) -> list[Swing]:
    swings = [Swing() if swing is None else swing]
    for _ in range(round(until_s / dt_s)):
        swings.append(swung(area, swings[-1], lost_w, dt_s))
    return swings


# ------------------------------------------------------------------------------------------ noise


def test_it_is_a_function_of_key_and_time_alone() -> None:
    assert frequency_hz(5, START_S + 12.3) == frequency_hz(5, START_S + 12.3)
    assert frequency_hz(5, START_S) != frequency_hz(6, START_S)


def test_over_a_week_its_mean_and_spread_are_those_of_continental_europe() -> None:
    values = np.array([frequency_hz(1, START_S + 30.0 * k) for k in range(20_160)])
    assert values.mean() == pytest.approx(50.0, abs=0.001)
    assert values.std() == pytest.approx(STANDARD_DEVIATION_HZ, rel=0.05)
    assert np.abs(values - 50.0).max() <= NOISE_MAX_HZ


def test_it_moves_by_millihertz_a_second() -> None:
    values = np.array([frequency_hz(1, START_S + k) for k in range(3_600)])
    assert 0.0 < np.abs(np.diff(values)).max() < 0.005


def test_it_lies_about_the_nominal_frequency() -> None:
    assert frequency_hz(1, START_S, 60.0) - 60.0 == pytest.approx(frequency_hz(1, START_S) - 50.0)


def test_an_island_is_less_quiet_in_proportion() -> None:
    quiet = frequency_hz(1, START_S) - 50.0
    assert frequency_hz(1, START_S, noise=ISLAND.noise) - 50.0 == pytest.approx(ISLAND.noise * quiet)


# ---------------------------------------------------------------------------------- loss of generation


def test_the_whole_primary_reserve_acts_at_200_mhz_and_nearly_all_within_half_a_minute() -> None:
    """Regulation (EU) 2017/1485, annex V, Continental Europe; the reserve is the reference incident of article 153."""
    assert CONTINENT.primary_max_w == REFERENCE_INCIDENT_W
    assert CONTINENT.primary_max_w / CONTINENT.primary_w_per_hz == pytest.approx(0.2)
    assert 1.0 - np.exp(-30.0 / CONTINENT.primary_lag_s) > 0.97


def test_without_secondary_control_a_loss_ends_at_the_closed_form() -> None:
    alone = replace(CONTINENT, secondary_time_s=float("inf"))
    end = course(alone, REFERENCE_INCIDENT_W, 300)[-1]
    assert end.deviation_hz == pytest.approx(-3_000.0 / 16_500.0, abs=1e-6)
    assert steady_deviation_hz(CONTINENT, REFERENCE_INCIDENT_W) == pytest.approx(-3_000.0 / 16_500.0)


@pytest.mark.parametrize("lost_w", [4e9, -4e9])
def test_beyond_the_reserve_the_loads_damping_carries_the_rest(lost_w: float) -> None:
    alone = replace(CONTINENT, secondary_time_s=float("inf"))
    end = course(alone, lost_w, 900)[-1]
    assert end.deviation_hz == pytest.approx(steady_deviation_hz(CONTINENT, lost_w), abs=1e-4)
    assert abs(end.primary_w) == pytest.approx(CONTINENT.primary_max_w, rel=1e-4)


def test_it_falls_at_first_as_the_mass_alone_lets_it() -> None:
    rate = -REFERENCE_INCIDENT_W * 50.0 / (2.0 * CONTINENT.inertia_s * CONTINENT.rated_va)
    assert swung(CONTINENT, Swing(), REFERENCE_INCIDENT_W, 0.1).deviation_hz / 0.1 == pytest.approx(rate, rel=0.01)


def test_the_reference_incident_is_lowest_after_13_s_and_gone_after_a_quarter_of_an_hour() -> None:
    trace = [50.0 + each.deviation_hz for each in course(CONTINENT, REFERENCE_INCIDENT_W, 900)]
    assert min(trace) == pytest.approx(49.56, abs=0.01)
    assert 10 <= trace.index(min(trace)) <= 16
    assert trace[-1] == pytest.approx(50.0, abs=0.005)


def test_a_small_island_falls_deeper_by_a_twentieth_of_its_power_than_a_continent_by_a_fiftieth() -> None:
    trace = [50.0 + each.deviation_hz for each in course(ISLAND, 20e6, 900)]
    assert min(trace) == pytest.approx(49.50, abs=0.02)
    assert trace.index(min(trace)) < 6
    assert trace[-1] == pytest.approx(50.0, abs=0.005)


def test_in_the_end_secondary_control_alone_has_replaced_what_was_lost_and_all_is_still() -> None:
    end = course(CONTINENT, REFERENCE_INCIDENT_W, 36_000, dt_s=100.0)[-1]
    assert end == Swing(0.0, 0.0, REFERENCE_INCIDENT_W, REFERENCE_INCIDENT_W)
    back = course(CONTINENT, 0.0, 36_000, dt_s=100.0, swing=end)[-1]
    assert back == Swing()


@pytest.mark.parametrize("dt_s", [0.1, 0.25, 0.5, 7.0, 60.0, 900.0])
@pytest.mark.parametrize("area", AREAS.values(), ids=AREAS)
def test_the_step_length_does_not_matter(area: Area, dt_s: float) -> None:
    until_s = max(round(dt_s), 14)
    fine = course(area, 0.02 * area.rated_va, until_s, 0.05)
    coarse = course(area, 0.02 * area.rated_va, until_s, dt_s)
    assert coarse[-1].deviation_hz == pytest.approx(fine[-1].deviation_hz, abs=5e-4)


def test_losses_add_up_while_no_reserve_is_used_up() -> None:
    one, other, both = (course(CONTINENT, lost_w, 60)[-1] for lost_w in (2e8, 3e8, 5e8))
    assert both.deviation_hz == pytest.approx(one.deviation_hz + other.deviation_hz)


@pytest.mark.parametrize("lost_w", [1e12, -1e12])
def test_an_absurd_loss_stays_within_bounds(lost_w: float) -> None:
    trace = [each.deviation_hz for each in course(CONTINENT, lost_w, 600)]
    assert max(map(abs, trace)) <= DEVIATION_MAX_HZ


def test_an_area_in_peace_does_not_move() -> None:
    assert swung(CONTINENT, Swing(), 0.0, 900.0) == Swing()
