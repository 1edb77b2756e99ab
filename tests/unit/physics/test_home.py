"""The house and the loads that can wait."""

from __future__ import annotations

import numpy as np
import pytest

from emulators.encoding import Floats
from emulators.physics import home

LOSS, COUPLING, AIR, MASS = 150.0, 1_000.0, 2e6, 2.5e7


def after(room: float, mass: float, outside: float, heat: float, dt_s: float) -> tuple[float, float]:
    columns = (np.array([value]) for value in (LOSS, COUPLING, AIR, MASS))
    room_after, mass_after = home.house_temperatures(
        np.array([room]), np.array([mass]), outside, np.array([heat]), *columns, dt_s
    )
    return float(room_after[0]), float(mass_after[0])


def draw(waiting: float, asked: float, dt_s: float = 60.0, room: float = 5_000.0) -> float:
    def column(value: float) -> Floats:
        return np.array([value])

    return float(home.deferrable_draw_w(column(waiting), column(asked), column(2_000.0), column(room), dt_s)[0])


def test_a_house_at_rest_stays_at_rest() -> None:
    assert after(20.0, 20.0, 5.0, LOSS * 15.0, 3_600.0) == pytest.approx((20.0, 20.0))


def test_left_alone_it_cools_to_the_outside() -> None:
    assert after(21.0, 20.0, -4.0, 0.0, 1e8) == pytest.approx((-4.0, -4.0))


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


def test_the_thermostat_switches_at_the_edges_of_its_band_and_holds_within() -> None:
    room = np.array([19.5, 19.5, 20.0, 20.0, 20.5, 20.5])
    on = np.array([0.0, 1.0, 0.0, 1.0, 0.0, 1.0])
    assert home.thermostat(on, room, np.full(6, 20.0)).tolist() == [1.0, 1.0, 0.0, 1.0, 0.0, 0.0]


def test_a_heat_pump_gives_more_heat_the_warmer_it_is_outside_within_bounds() -> None:
    cops = [home.heat_pump_cop(outside) for outside in range(-40, 60, 5)]
    assert cops == sorted(cops)
    assert cops[0] >= 1.5
    assert cops[-1] <= 6.0
    assert home.heat_pump_cop(7.0) == pytest.approx(3.5, abs=0.1)


def test_waiting_loads_draw_what_they_are_asked_for_up_to_their_power() -> None:
    assert draw(3_000.0, 0.0) == 0.0
    assert draw(3_000.0, 700.0) == 700.0
    assert draw(3_000.0, 9_000.0) == 2_000.0


def test_they_never_draw_more_than_waits() -> None:
    assert draw(10.0, 2_000.0, 3_600.0) == pytest.approx(10.0)
    assert draw(0.0, 2_000.0) == 0.0


def test_what_waits_beyond_the_room_is_drawn_unasked() -> None:
    assert draw(5_010.0, 0.0, 60.0) == pytest.approx(600.0)
