"""The battery's energy, heat and age, against closed forms and known values."""

from __future__ import annotations

import numpy as np
import pytest

from emulators.physics import battery


def at(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def test_cells_give_more_than_is_delivered_and_take_less_than_is_drawn() -> None:
    cells = battery.cell_power(at(960.0, -1_000.0, 0.0), at(0.9, 0.9, 0.9), at(0.96, 0.96, 0.96))
    assert cells == pytest.approx([1_000.0, -900.0, 0.0])


@pytest.mark.parametrize("dt_s", [0.1, 1.0, 900.0])
def test_a_step_at_the_limit_ends_exactly_at_the_edge_of_the_window(dt_s: float) -> None:
    soc, low, high, capacity = at(0.5), at(0.1), at(0.9), at(10_000.0)
    room, store = battery.energy_limits(soc, low, high, capacity, dt_s)
    assert soc + room * dt_s / 3_600.0 / capacity == pytest.approx(high, abs=1e-14)
    assert soc - store * dt_s / 3_600.0 / capacity == pytest.approx(low, abs=1e-14)


def test_outside_its_window_a_battery_only_moves_back_towards_it() -> None:
    room, store = battery.energy_limits(at(0.05, 0.99), at(0.1, 0.1), at(0.9, 0.9), at(1e4, 1e4), 1.0)
    assert store[0] == 0.0
    assert room[0] > 0.0
    assert room[1] == 0.0
    assert store[1] > 0.0


def test_cold_stops_charging_first_and_heat_stops_both() -> None:
    share_in, share_out = battery.thermal_derating(at(-25.0, -5.0, 2.5, 25.0, 54.0, 60.0))
    assert share_in.tolist() == [0.0, 0.0, 0.5, 1.0, 0.5, 0.0]
    assert share_out.tolist() == [0.0, 1.0, 1.0, 1.0, 0.5, 0.0]


def test_a_constant_loss_warms_by_loss_over_conductance_in_the_end() -> None:
    capacity, loss = at(10_000.0), at(200.0)
    conductance = 10_000.0 * 8.0 / 10_800.0
    mean, hottest = battery.warmed(at(20.0), at(20.0), loss, capacity, 1e6)
    assert mean == pytest.approx(20.0 + 100.0 / conductance)
    assert hottest == pytest.approx(20.0 + 1.15 * 100.0 / conductance)


def test_warming_does_not_depend_on_how_the_time_is_cut() -> None:
    around, loss, capacity = at(15.0), at(300.0), at(10_000.0)
    whole, _ = battery.warmed(at(25.0), around, loss, capacity, 900.0)
    cut = at(25.0)
    for _ in range(9_000):
        cut, _ = battery.warmed(cut, around, loss, capacity, 0.1)
    assert cut == pytest.approx(whole, abs=1e-9)


def test_a_battery_at_rest_lives_its_calendar_life_and_a_worked_one_its_cycles() -> None:
    rest = battery.fade_per_year(at(25.0), at(0.0), at(18.0), at(6_000.0))
    assert battery.remaining_years(at(1.0), rest) == pytest.approx(18.0)
    warm = battery.fade_per_year(at(35.0), at(0.0), at(18.0), at(6_000.0))
    assert warm == pytest.approx(2.0 * rest)
    worked = battery.fade_per_year(at(25.0), at(600.0), at(18.0), at(6_000.0)) - rest
    assert battery.remaining_years(at(1.0), worked) == pytest.approx(10.0)
    assert battery.remaining_years(at(0.7), rest) == 0.0


def test_the_voltage_rises_with_the_charge_and_sags_under_load() -> None:
    soc = np.linspace(0.0, 1.0, 101)
    nominal, capacity = np.full(101, 400.0), np.full(101, 1e4)
    rest = battery.terminal_voltage(soc, np.zeros(101), capacity, nominal)
    assert np.all(np.diff(rest) > 0.0)
    assert rest[50] == pytest.approx(400.0, rel=0.02)
    assert np.all(battery.terminal_voltage(soc, capacity, capacity, nominal) == pytest.approx(rest * 0.97))
    assert np.all(battery.terminal_voltage(soc, -capacity, capacity, nominal) > rest)
