"""The house, its thermostats, its heat pump and its hot water."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm

from pilotfarm.emulators.physics import home

LOSS, COUPLING, AIR, MASS = 150.0, 1_000.0, 2e6, 2.5e7
HOUSE = home.House(*(np.array([value]) for value in (LOSS, COUPLING, AIR, MASS)))


def after(room: float, mass: float, outside: float, heat: float, dt_s: float) -> tuple[float, float]:
    room_after, mass_after = home.house_temperatures(
        np.array([room]), np.array([mass]), outside, np.array([heat]), np.array([LOSS]), home.response(HOUSE, dt_s)
    )
    return float(room_after[0]), float(mass_after[0])


def heated(on: float, unheated: float, most: float = 5_000.0, kelvin_per_watt: float = 1e-3) -> tuple[float, float]:
    heat_w, after_on = home.heat_by_thermostat(
        np.array([on]), np.array([unheated]), kelvin_per_watt, 19.6, 20.4, np.array([most])
    )
    return float(heat_w[0]), float(after_on[0])


def test_a_house_at_rest_stays_at_rest() -> None:
    assert after(20.0, 20.0, 5.0, LOSS * 15.0, 3_600.0) == pytest.approx((20.0, 20.0))


def test_left_alone_it_cools_to_the_outside() -> None:
    assert after(21.0, 20.0, -4.0, 0.0, 1e8) == pytest.approx((-4.0, -4.0))


@pytest.mark.parametrize("dt_s", [0.1, 60.0, 3_600.0, 86_400.0])
def test_a_step_is_the_exponential_of_the_houses_matrix(dt_s: float) -> None:
    matrix = np.array([[-(LOSS + COUPLING) / AIR, COUPLING / AIR], [COUPLING / MASS, -COUPLING / MASS]])
    over = home.response(HOUSE, dt_s)
    ours = [[over.room_by_room[0], over.room_by_mass[0]], [over.mass_by_room[0], over.mass_by_mass[0]]]
    assert np.array(ours) == pytest.approx(expm(matrix * dt_s), abs=1e-12)


@pytest.mark.parametrize("dt_s", [1.0, 60.0, 3_600.0, 86_400.0])
def test_any_two_half_steps_are_one_step(dt_s: float) -> None:
    half = after(21.0, 19.0, 3.0, 2_500.0, dt_s / 2.0)
    assert after(*half, 3.0, 2_500.0, dt_s / 2.0) == pytest.approx(after(21.0, 19.0, 3.0, 2_500.0, dt_s), abs=1e-9)


def test_the_heat_put_in_is_stored_or_lost() -> None:
    steps, dt_s, heat = 3_600, 1.0, 3_000.0
    room, mass, lost = 19.0, 18.0, 0.0
    for _ in range(steps):
        before = room
        room, mass = after(room, mass, 2.0, heat, dt_s)
        lost += LOSS * (0.5 * (before + room) - 2.0) * dt_s
    stored = AIR * (room - 19.0) + MASS * (mass - 18.0)
    assert stored + lost == pytest.approx(heat * steps * dt_s, rel=1e-5)


def test_a_thermostat_heats_with_all_it_has_until_the_upper_edge_and_then_waits_for_the_lower() -> None:
    assert heated(1.0, 10.0) == (5_000.0, 1.0)
    assert heated(1.0, 20.0) == (pytest.approx(400.0), 0.0)
    assert heated(1.0, 21.0) == (0.0, 0.0)
    assert heated(0.0, 20.0) == (0.0, 0.0)
    assert heated(0.0, 19.5) == (pytest.approx(100.0), 1.0)
    assert heated(0.0, 10.0) == (5_000.0, 1.0)


def test_a_heat_pump_gives_more_heat_the_warmer_it_is_outside_within_bounds() -> None:
    outside = np.arange(-40.0, 60.0, 5.0)
    cops = home.heat_pump_cop(outside)
    assert np.all(np.diff(cops) >= 0.0)
    assert cops[0] >= 1.5
    assert cops[-1] <= 6.0
    assert np.all(home.heat_pump_cop(outside, 55.0) <= cops)


@pytest.mark.parametrize(("lift", "cop"), [(20.0, 4.642), (33.0, 3.503), (45.0, 2.641), (60.0, 1.818)])
def test_the_cop_is_staffells_curve(lift: float, cop: float) -> None:
    """6.81 - 0.121 dT + 0.00063 dT**2, air source: Staffell et al. 2012."""
    assert float(home.heat_pump_cop(40.0 - lift)) == pytest.approx(cop, abs=1e-3)


def test_a_tank_keeps_the_heat_put_in_less_what_is_tapped_and_lost() -> None:
    tank, room, tapped, heat, dt_s = 50.0, 20.0, 800.0, 2_000.0, 600.0
    cold, per_watt = home.unheated_tank(np.array([tank]), np.array([room]), np.array([tapped]), dt_s)
    warm = float(cold[0]) + heat * per_watt
    lost = home.TANK_LOSS_W_PER_K * (0.5 * (tank + warm) - room) * dt_s
    assert home.TANK_J_PER_K * (warm - tank) == pytest.approx((heat - tapped) * dt_s - lost, rel=1e-4)


def test_a_full_tank_left_alone_cools_about_a_kelvin_in_five_hours() -> None:
    cold, _ = home.unheated_tank(np.array([55.0]), np.array([20.0]), np.zeros(1), 5.0 * 3_600.0)
    assert 55.0 - float(cold[0]) == pytest.approx(1.1, abs=0.05)
