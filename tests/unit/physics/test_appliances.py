"""Appliances: the same uses and the same energy at any step length, and what they come to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pytest
from homes import HOMES_N, begun, energy_wh, stepped

from pilotfarm.emulators.devices.keys import keys_in
from pilotfarm.emulators.physics import appliances
from pilotfarm.profiles import draws, load

WEDNESDAY = datetime(2025, 3, 12, 16, tzinfo=UTC)
START = WEDNESDAY + timedelta(seconds=217)


@cache
def an_evening(dt_s: float) -> np.ndarray:
    """Energy of each home and phase over three hours and a half, W and var apart. [Wh, varh]"""
    return energy_wh(begun(), WEDNESDAY, timedelta(hours=3.5), dt_s)


@pytest.mark.parametrize("dt_s", [7.0, 60.0, 300.0, 900.0])
def test_any_step_length_comes_to_the_same_energy(dt_s: float) -> None:
    assert an_evening(dt_s) == pytest.approx(an_evening(1.0), abs=1e-6)


def test_a_step_as_long_as_an_hour_forgets_nothing() -> None:
    hours = timedelta(hours=3)
    short = energy_wh(begun(annual_wh=16e6), WEDNESDAY, hours, 60.0)
    assert energy_wh(begun(annual_wh=16e6), WEDNESDAY, hours, 3_600.0) == pytest.approx(short, abs=1e-6)


def drawn_of(key: np.uint64, annual_wh: float, moments_s: np.ndarray) -> np.ndarray:
    """What a home draws at moments from ``START`` on [W], its uses followed one by one."""
    keys = np.array([key])
    home = load.homes(keys, np.array([annual_wh]))
    offset_s = 10.0 * np.floor(30.0 * draws.uniform(keys, 0, "slot offset")[0])
    period_s = 2_400.0 + 1_800.0 * draws.uniform(keys, 0, "fridge")[0]
    midnight_s, habit_h = WEDNESDAY.timestamp() - 16.0 * 3_600.0, home.habit_h[0]
    free_s = np.zeros(len(load.APPLIANCES))
    drawn_w = np.full(len(moments_s), home.standby_w[0])
    drawn_w += home.fridge_w[0] / 0.4 * ((moments_s + offset_s) % period_s < 0.4 * period_s)
    # A site knows of no use that began more than 49 slots before it does.
    first = int((START.timestamp() + offset_s) // 300.0) - 48
    for slot in range(first, int((moments_s[-1] + offset_s) // 300.0) + 1):
        begins_s = slot * 300.0 - offset_s
        cell = load.cell_of(np.array([48.0 + (begins_s - midnight_s) / 3_600.0 + habit_h]))
        inside = (moments_s >= begins_s) & (moments_s < begins_s + 300.0)
        drawn_w += home.beyond_w[0] * load.shape_in(cell, 71)[0] * inside
        _, kinds, parts, lasts_s = load.uses(keys, np.array([slot]), cell, home.use_rate, 71)
        for kind, part, long_s in zip(kinds, parts, lasts_s, strict=True):
            if free_s[kind] <= begins_s:
                on_s = begins_s + part * 300.0
                free_s[kind] = on_s + long_s
                drawn_w += home.use_power_w[0, kind] * ((moments_s >= on_s) & (moments_s < free_s[kind]))
    return drawn_w


@pytest.mark.parametrize("annual_wh", [3.5e6, 16e6])
def test_uses_drawn_ahead_are_those_followed_one_by_one(annual_wh: float) -> None:
    columns, seen = begun(40, annual_wh=annual_wh), []
    for second in range(37, 2 * 3_600, 37):
        columns = stepped(columns, START + timedelta(seconds=second), 37.0)
        seen.append(columns["power"][:, 1, :3].sum(axis=1))
    moments_s = START.timestamp() + np.arange(37.0, 2 * 3_600, 37.0)
    for home, key in enumerate(keys_in(columns)):
        assert np.array(seen)[:, home] == pytest.approx(drawn_of(key, annual_wh, moments_s), abs=1e-6)


@pytest.mark.parametrize("dt_s", [0.3, 60.0])
def test_a_home_draws_the_same_whether_it_is_looked_at_or_not(dt_s: float) -> None:
    """To the last bit: what stands still is the same power, and what moves is looked at anyway."""
    columns = begun(annual_wh=9e6)
    for k in range(1, 40):
        now = WEDNESDAY + timedelta(seconds=k * dt_s)
        looked_at = stepped(columns | {"next_s": np.zeros(HOMES_N)}, now, dt_s)
        columns = stepped(columns, now, dt_s)
        for name in ("power", "next_s"):
            assert columns[name].tobytes() == looked_at[name].tobytes(), name


def test_between_changes_the_power_stands_still() -> None:
    before = stepped(begun(), WEDNESDAY, 30.0)
    after = stepped(before, WEDNESDAY + timedelta(seconds=30), 30.0)
    still = before["next_s"] > WEDNESDAY.timestamp() + 30.0
    assert 0.9 * HOMES_N < still.sum() < HOMES_N
    assert np.array_equal(after["power"][:, 0][still], before["power"][:, 1][still])
    moved = ~(after["power"][:, 0] == before["power"][:, 1]).all(axis=1)
    assert moved.any()
    assert not (moved & still).any()


def test_no_appliance_is_switched_on_while_it_is_on() -> None:
    columns, uses = begun(), 0
    for minute in range(240):
        before, columns = columns, stepped(columns, WEDNESDAY + timedelta(minutes=minute + 1), 60.0)
        begins_s, ends_s = columns["uses"].transpose(1, 2, 0, 3)
        assert np.all(begins_s[1] >= ends_s[0])
        assert np.all(begins_s <= ends_s)
        if minute > 0:
            fresh = begins_s[1] != before["uses"][:, 0, 1]
            uses += fresh.sum()
            # What was the newer use is the older one now, and forgotten is only what is over.
            assert np.array_equal(begins_s[0][fresh], before["uses"][:, 0, 1][fresh])
            assert np.all(before["uses"][:, 1, 0][fresh] <= WEDNESDAY.timestamp() + 60.0 * (minute + 1))
    assert uses > 5 * HOMES_N


def test_a_single_phase_home_draws_on_its_phase_alone() -> None:
    energy = energy_wh(begun(phase=2.0), WEDNESDAY, timedelta(hours=1), 300.0)
    assert not energy[:, [0, 1, 3, 4]].any()
    assert np.all(energy[:, 2] > 0.0)


def test_fridges_run_two_fifths_of_the_time() -> None:
    columns = begun(annual_wh=3.5e6)
    columns |= {"use_rate": np.zeros_like(columns["use_rate"])}
    energy = energy_wh(columns, WEDNESDAY, timedelta(hours=70), 300.0)[:, :3].sum(axis=1) / 70.0
    running_w = columns["power_of_use"][:, appliances.FRIDGE, :3].sum(axis=1)
    assert energy == pytest.approx(columns["power_always"][:, :3].sum(axis=1) + 0.4 * running_w, rel=0.02)
    assert energy == pytest.approx(0.35 * 3.5e6 / 8_766.0, rel=0.02)


def test_a_dead_home_has_the_same_uses_when_the_voltage_is_back() -> None:
    """Uses follow from key and time: what the grid does meanwhile changes none of them."""
    columns = begun(annual_wh=0.0)
    assert not energy_wh(columns, WEDNESDAY, timedelta(hours=1), 60.0).any()
    columns = stepped(columns, WEDNESDAY, 60.0)
    assert (columns["uses"] > 0.0).any()


def test_a_step_changes_none_of_the_columns_it_was_given() -> None:
    columns = stepped(begun(annual_wh=9e6), WEDNESDAY, 60.0)
    before = {name: column.copy() for name, column in columns.items()}
    for minutes in (1, 5, 30):
        stepped(columns, WEDNESDAY + timedelta(minutes=minutes), 60.0)
        assert all(np.array_equal(columns[name], before[name]) for name in columns)
