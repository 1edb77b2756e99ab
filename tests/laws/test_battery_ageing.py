"""Laws of a battery's age: what it shows agrees with itself, and how time is cut into steps does not matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from world import HOUR_S, PLACE, devices, drawn, surroundings, told

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.arrays import Columns
from pilotfarm.emulators.physics import ageing, cells
from pilotfarm.profiles.draws import keys_of

BATTERY = registry.device("battery")
CHEMISTRY = pytest.mark.parametrize("chemistry", range(len(cells.NAMES)), ids=cells.NAMES)


def asked(columns: Columns, watts: float) -> Columns:
    return told(columns, active_power_setpoint_w=watts, active_power_setpoint_enabled=1.0)


def agrees(before: Columns, after: Columns) -> None:
    """What a battery shows of its age agrees with itself, and gets no younger."""
    assert np.all(after["soh_frac"] <= before["soh_frac"])
    assert np.all(after["cycle_count"] >= before["cycle_count"])
    assert np.array_equal(after["real_capacity_wh"], after["rated_energy_wh"] * after["soh_frac"])
    worn_out = after["soh_frac"] <= ageing.END_OF_LIFE_FRAC
    assert np.array_equal(after["remaining_life_years"] == 0.0, worn_out)
    rated = np.where(after["charge_rate_w"] > 0.0, after["rated_power_w"], after["rated_charge_power_w"])
    assert after["charge_rate_frac"] * rated == pytest.approx(after["charge_rate_w"])


@CHEMISTRY
@pytest.mark.parametrize("dt_s", [1.0, 7.0, 60.0, 900.0])
def test_health_capacity_and_remaining_life_agree_in_every_step(chemistry: int, dt_s: float) -> None:
    """Some of these reach the end of their life between two minutes, when a half cycle ends."""
    health = ageing.END_OF_LIFE_FRAC + np.concatenate((np.geomspace(1e-9, 1e-3, 22), [0.0, 0.15]))
    n = len(health)
    keys = keys_of(1, [f"battery-{k}" for k in range(n)])
    ratings = {rating.name: drawn(rating, keys) for rating in BATTERY.ratings}
    same = {"chemistry": float(chemistry), "c_rate_per_h": 10.0, "rated_power_w": 50_000.0, "own_schedule_frac": 0.0}
    ratings |= {name: np.full(n, value) for name, value in same.items()} | {"soh_frac": health}
    columns = BATTERY.make(ratings, keys, PLACE)
    ended = columns["soh_frac"] <= ageing.END_OF_LIFE_FRAC
    for k in range(130):
        watts = 20_000.0 * (1.0 if int(k * dt_s // max(25.0, dt_s)) % 2 else -1.0)
        new = BATTERY.step(asked(columns, watts), surroundings(n, k * dt_s), dt_s)
        agrees(columns, new)
        columns = new
    assert np.any(columns["soh_frac"] <= ageing.END_OF_LIFE_FRAC)
    assert np.count_nonzero(columns["soh_frac"] <= ageing.END_OF_LIFE_FRAC) > np.count_nonzero(ended)
    assert not np.all(columns["soh_frac"] <= ageing.END_OF_LIFE_FRAC)


def aged_by(columns: Columns, hours: float, dt_s: float, swap_s: float | None = None) -> Columns:
    """What some hours from nine o'clock, at a constant air temperature, do to a battery's age.

    It follows its own schedule, or turns around every ``swap_s``.
    """
    world = surroundings(len(columns["online"]), 0.0, air_temperature_degc=22.0)
    new = columns
    for k in range(round(hours * HOUR_S / dt_s)):
        time_s = 9.0 * HOUR_S + k * dt_s
        if swap_s is not None:
            new = asked(new, 15_000.0 if int((k + 0.5) * dt_s // swap_s) % 2 else -15_000.0)
        new = BATTERY.step(new, replace(world, time_s=time_s, local_hour=time_s / HOUR_S % 24.0), dt_s)
    sums = ("calendar_stress", "cycle_stress", "summed_resistance_rise", "soh_frac")
    return {name: new[name] - columns[name] for name in sums} | {"remaining_life_years": new["remaining_life_years"]}


def alike(one: Columns, other: Columns, rel: float) -> bool:
    return all(np.allclose(column, other[name], rtol=rel, atol=0.0) for name, column in one.items())


def test_a_day_ages_the_same_by_steps_of_half_a_minute_and_of_a_quarter_of_an_hour() -> None:
    """Within 0.5 % of the loss: the long step's schedule is the same, cut coarser."""
    same = {"soh_frac": 0.97, "cycle_count": 200.0, "soc_frac": 0.2, "own_schedule_frac": 0.6}
    begun = devices(BATTERY, len(cells.NAMES), chemistry=np.arange(len(cells.NAMES)), **same)
    short = aged_by(begun, 26.0, 30.0)
    for dt_s in (300.0, 900.0):
        assert alike(aged_by(begun, 26.0, dt_s), short, 0.005), dt_s


def test_six_minutes_age_the_same_by_fifths_of_a_second_and_by_minutes() -> None:
    """Within 4 %: a half cycle of two steps of a minute is cut coarser than one of 600 steps."""
    begun = devices(
        BATTERY,
        len(cells.NAMES),
        chemistry=np.arange(len(cells.NAMES)),
        soh_frac=0.97,
        cycle_count=200.0,
        soc_frac=0.5,
        rated_power_w=15_000.0,
        rated_energy_wh=10_000.0,
        c_rate_per_h=5.0,
        ramp_frac_per_s=100.0,
    )
    short = aged_by(begun, 0.1, 0.2, 120.0)
    assert np.all(short["cycle_stress"] > 0.0)
    for dt_s in (1.0, 10.0, 60.0):
        assert alike(aged_by(begun, 0.1, dt_s, 120.0), short, 0.04), dt_s


@CHEMISTRY
@pytest.mark.parametrize("dt_s", [60.0, 900.0])
def test_what_rounding_moves_is_no_time_in_use(chemistry: int, dt_s: float) -> None:
    """Full, a battery rests, though the last digit of its charge may still move."""
    columns = devices(BATTERY, 200, chemistry=chemistry)
    used_h = np.zeros(200)
    for k in range(round(6.0 * HOUR_S / dt_s)):
        new = BATTERY.step(asked(columns, -4_000.0), surroundings(200, k * dt_s), dt_s)
        used_h += (np.abs(new["soc_frac"] - columns["soc_frac"]) > 1e-9) * (dt_s / HOUR_S)
        columns = new
    assert np.all(columns["soc_frac"] == pytest.approx(columns["soc_max_frac"]))
    assert columns["cycle_moving_h"] == pytest.approx(used_h)


@CHEMISTRY
def test_the_remaining_life_runs_out_by_as_much_as_time_goes_by(chemistry: int) -> None:
    """Under the stress it assumes a battery lives a month less a month later."""
    stress = ageing.calendar_stress(chemistry, np.full(1, 20.0), np.full(1, 0.5)), np.full(1, 2e-13 + 1e-11 * chemistry)
    start = ageing.stress_at(chemistry, np.full(1, 0.93), np.full(1, 300.0))
    month = ageing.YEAR_S / 12.0
    later = tuple(each + rate * month for each, rate in zip(start, stress, strict=True))
    first, second = (
        ageing.remaining_years(chemistry, 1.0 - ageing.lost(chemistry, *sums), *sums, *stress)
        for sums in (start, later)
    )
    assert first - second == pytest.approx(1.0 / 12.0, rel=1e-9)
