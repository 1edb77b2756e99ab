"""Appliances: the same uses and the same energy at any step length, and what they come to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pytest
from homes import HOMES_N, begun, energy_wh, world

from emulators.devices import common
from emulators.physics import appliances

WEDNESDAY = datetime(2025, 3, 12, 16, tzinfo=UTC)


@cache
def an_evening(dt_s: float) -> np.ndarray:
    """Energy of each home and phase over three hours and a half, W and var apart. [Wh, varh]"""
    return energy_wh(begun(), WEDNESDAY, timedelta(hours=3.5), dt_s)


@pytest.mark.parametrize("dt_s", [7.0, 60.0, 300.0, 900.0])
def test_any_step_length_comes_to_the_same_energy(dt_s: float) -> None:
    assert an_evening(dt_s) == pytest.approx(an_evening(1.0), abs=1e-6)


def test_a_step_as_long_as_an_hour_forgets_nothing() -> None:
    hours = timedelta(hours=3)
    short = energy_wh(begun(), WEDNESDAY, hours, 60.0)
    assert energy_wh(begun(), WEDNESDAY, hours, 3_600.0) == pytest.approx(short, abs=1e-6)


def test_between_changes_the_power_stands_still() -> None:
    columns = begun()
    appliances.drawn(columns, common.keys_in, world(WEDNESDAY), 1.0)
    before = {name: values.copy() for name, values in columns.items()}
    next_s = columns["use_next_s"]
    active, _ = appliances.drawn(columns, common.keys_in, world(WEDNESDAY + timedelta(seconds=1)), 1.0)
    still = next_s > WEDNESDAY.timestamp() + 1.0
    assert still.sum() > 0.9 * HOMES_N
    for index in range(3):
        assert np.array_equal(active[index][still], before["use_now"][still, index])


def test_no_appliance_is_switched_on_while_it_is_on() -> None:
    columns, ends = begun(), None
    for minute in range(240):
        now = WEDNESDAY + timedelta(minutes=minute + 1)
        before = columns["use_begins_s"], columns["use_ends_s"]
        appliances.drawn(columns, common.keys_in, world(now), 60.0)
        fresh = columns["use_begins_s"] != before[0]
        ends = before[1]
        assert np.all(columns["use_begins_s"][fresh] >= ends[fresh])
    assert ends is not None


def test_a_single_phase_home_draws_on_its_phase_alone() -> None:
    columns = begun(phases=1.0, phase=2.0)
    columns |= {"share_l1": np.zeros(HOMES_N), "share_l2": np.zeros(HOMES_N), "share_l3": np.ones(HOMES_N)}
    energy = energy_wh(columns, WEDNESDAY, timedelta(hours=1), 300.0)
    assert not energy[:, :2].any()
    assert np.all(energy[0, 2] > 0.0)


def test_fridges_run_two_fifths_of_the_time() -> None:
    columns = begun(annual_wh=3.5e6)
    columns |= {"use_rate": np.zeros_like(columns["use_rate"])}
    energy = energy_wh(columns, WEDNESDAY, timedelta(hours=70), 300.0)[0].sum(axis=0) / 70.0
    assert energy == pytest.approx(columns["standby_w"] + columns["fridge_w"], rel=0.02)


def test_a_dead_home_has_the_same_uses_when_the_voltage_is_back() -> None:
    """Uses follow from key and time: what the grid does meanwhile changes none of them."""
    columns = begun(annual_wh=0.0)
    energy = energy_wh(columns, WEDNESDAY, timedelta(hours=1), 60.0)
    assert not energy.any()
    assert (columns["use_ends_s"] > 0.0).any()
