"""What prosumer homes do besides what every kind does."""

from __future__ import annotations

import numpy as np
import pytest
from world import DAY_S, HOUR_S, MIDNIGHT_S, after, devices, surroundings, told

from pilotfarm.emulators.columns.arrays import Columns
from pilotfarm.emulators.columns.views import of_resource, without_resources
from pilotfarm.emulators.devices.prosumer import DEVICE as HOME
from pilotfarm.emulators.quantities import EV, PV, RESOURCES, STORAGE

POWERS = (("active_power", "w"), ("reactive_power", "var"))
HEATINGS = [0.0, 1.0, 2.0]
"""From elsewhere, by a heat pump, by electric heaters."""


@pytest.mark.parametrize("phases", [1.0, 3.0])
def test_a_home_is_the_sum_of_its_resources_phase_by_phase(phases: float) -> None:
    columns = devices(HOME, phases=phases)
    for k in range(1, 49):
        columns = HOME.step(columns, surroundings(16, k * 1_800.0), 1_800.0)
        by_phase = (f"{power}_l{p}_{unit}" for power, unit in POWERS for p in (1, 2, 3))
        for name in ("active_power_w", "reactive_power_var", *by_phase):
            parts = [columns[resource.of(name)] for resource in RESOURCES]
            assert np.array_equal(columns[name], parts[0] + parts[1] + parts[2] + parts[3]), name


def test_the_storage_makes_up_for_the_rest_of_the_home() -> None:
    ratings = {"ev_rated_current_a": 6.0, "storage_rated_power_w": 30_000.0, "storage_rated_energy_wh": 60_000.0}
    columns = after(HOME, devices(HOME, **ratings), 0.0, 60.0)
    asked = told(columns, active_power_setpoint_w=1_000.0, active_power_setpoint_enabled=1.0)
    followed = after(HOME, asked, 60.0, 120.0, 10.0)
    assert followed["active_power_w"] == pytest.approx(1_000.0)
    assert np.array_equal(followed["storage_active_power_setpoint_w"], columns["storage_active_power_setpoint_w"])
    assert not followed["storage_active_power_setpoint_enabled"].any()


def test_what_the_storage_cannot_draw_waiting_loads_draw() -> None:
    ratings = {"storage_soc_frac": 0.95, "home_deferrable_wh_per_day": 20_000.0, "ev_rated_current_a": 6.0}
    columns = after(HOME, devices(HOME, **ratings), 0.0, 60.0)
    held = told(columns, home_active_power_setpoint_w=0.0, home_active_power_setpoint_enabled=1.0)
    waiting = after(HOME, held, 60.0, 300.0)
    loads = waiting["home_deferrable_energy_wh"] > 500.0
    assert loads.any()
    free = told(
        waiting,
        home_active_power_setpoint_enabled=0.0,
        active_power_setpoint_w=-15_000.0,
        active_power_setpoint_enabled=1.0,
    )
    drawn = after(HOME, free, 360.0, 60.0)
    less = waiting["home_deferrable_energy_wh"] - drawn["home_deferrable_energy_wh"]
    assert np.all(less[loads] > 0.0)


def test_a_set_point_of_the_waiting_loads_is_what_they_draw() -> None:
    columns = after(HOME, devices(HOME, home_deferrable_wh_per_day=20_000.0), 0.0, 60.0)
    asked = told(columns, home_active_power_setpoint_w=-600.0, home_active_power_setpoint_enabled=1.0)
    before = asked["home_deferrable_energy_wh"]
    drawn = before - after(HOME, asked, 60.0, 60.0)["home_deferrable_energy_wh"]
    assert (before > 100.0).sum() > 4
    assert drawn[before > 100.0] == pytest.approx(10.0)


@pytest.mark.parametrize(("dt_s", "hours"), [(120.0, 12.0), (900.0, 24.0)])
def test_loads_told_to_wait_wait_until_their_deadline_and_no_longer(dt_s: float, hours: float) -> None:
    """Each lot comes at a full hour and is due ``deferrable_wait_h`` later, whatever the set-point."""
    columns = devices(HOME, 32, home_deferrable_wait_h=5.0)
    columns = told(columns, home_active_power_setpoint_w=0.0, home_active_power_setpoint_enabled=1.0)
    columns = HOME.step(columns, surroundings(32, dt_s), dt_s)
    came = {0.0: columns["home_deferrable_energy_wh"]}
    drawn = np.zeros(32)
    early = np.zeros(32)
    for k in range(2, round(hours * HOUR_S / dt_s) + 1):
        before, now_s = columns["home_deferrable_energy_wh"], k * dt_s
        columns = HOME.step(columns, surroundings(32, now_s), dt_s)
        if now_s % HOUR_S < dt_s:
            lot = np.minimum(columns["home_deferrable_wh_per_day"] / 6.0, columns["home_deferrable_rated_w"])
            came[now_s - now_s % HOUR_S] = lot * (columns["home_lots_wh"][:, _ring(now_s)] > 0.0)
            before = before + came[now_s - now_s % HOUR_S]
        step_wh = before - columns["home_deferrable_energy_wh"]
        early += np.where(step_wh > 1e-6, 1.0, 0.0)
        drawn += step_wh
        due = sum((wh for start, wh in came.items() if start + 5 * HOUR_S <= now_s), start=np.zeros(32))
        assert np.all(drawn >= due - 1e-6)
    assert np.all(drawn <= sum(came.values()) + 1e-6)
    # Told to wait, they draw only in the last moments: at full power, that is a small part of a day.
    assert np.all(early * dt_s <= 0.25 * hours * HOUR_S + 10 * dt_s)


def _ring(time_s: float) -> int:
    return int((MIDNIGHT_S + time_s) // HOUR_S) % 9


def test_a_limit_of_the_power_to_the_grid_curtails_the_sun() -> None:
    columns = after(HOME, devices(HOME), 12 * HOUR_S, 600.0, ghi_w_per_m2=900.0, dni_w_per_m2=800.0)
    assert columns["active_power_w"].max() > 500.0
    limited = told(columns, active_power_limit_frac=0.0, active_power_limit_enabled=1.0)
    held = after(HOME, limited, 12 * HOUR_S + 600.0, 120.0, ghi_w_per_m2=900.0, dni_w_per_m2=800.0)
    assert held["active_power_w"].max() < 1e-6


def limited_at_noon(n: int = 16, **written: float) -> Columns:
    """Homes in the sun that may deliver nothing to the grid."""
    noon = {"ghi_w_per_m2": 900.0, "dni_w_per_m2": 800.0}
    ratings = {"storage_soc_frac": 0.4, "sesp_timeout_s": 900.0, "ev_rated_current_a": 6.0}
    columns = after(HOME, devices(HOME, n, **ratings), 12 * HOUR_S, 600.0, **noon)
    limited = told(columns, active_power_limit_frac=0.0, active_power_limit_enabled=1.0, **written)
    return after(HOME, limited, 12 * HOUR_S + 600.0, 300.0, **noon)


def test_a_limit_of_the_power_to_the_grid_outlives_the_link_to_the_sesp() -> None:
    limited = limited_at_noon()
    noon = {"ghi_w_per_m2": 900.0, "dni_w_per_m2": 800.0}
    lost = after(HOME, limited, 12 * HOUR_S + 900.0, 1_200.0, **noon)
    assert lost["sesp_link_lost"].all()
    assert lost["active_power_w"].max() < 1e-6


@pytest.mark.parametrize(
    "written",
    [
        {"storage_active_power_setpoint_w": -3_000.0, "storage_active_power_setpoint_enabled": 1.0},
        {"active_power_setpoint_w": 0.0, "active_power_setpoint_enabled": 1.0},
    ],
    ids=["own set-point", "the home's"],
)
def test_a_limit_curtails_no_sun_that_a_set_point_puts_into_the_storage(written: dict[str, float]) -> None:
    columns = limited_at_noon(**written)
    assert columns["active_power_w"].max() < 1e-6
    drawn = -columns["storage_active_power_w"]
    spare = columns["pv_available_power_w"] + columns["home_active_power_w"] + columns["ev_active_power_w"]
    most = columns["storage_rated_charge_power_w"]
    wished = np.minimum(3_000.0, most) if "storage_active_power_setpoint_w" in written else np.minimum(spare, most)
    sunny = spare > wished - 1e-6
    assert sunny.sum() > 4
    assert drawn[sunny] == pytest.approx(wished[sunny], rel=1e-3)
    # All of it is from the roof.
    assert columns["active_power_w"][sunny] == pytest.approx(0.0, abs=1.0)


@pytest.mark.parametrize(("dt_s", "seconds"), [(2.0, 240.0), (60.0, 600.0)])
def test_a_storage_that_fills_up_does_not_break_the_limit(dt_s: float, seconds: float) -> None:
    noon = {"ghi_w_per_m2": 900.0, "dni_w_per_m2": 800.0}
    columns = devices(HOME, 16, storage_soc_frac=0.94, storage_rated_energy_wh=6_000.0)
    columns = after(HOME, columns, 12 * HOUR_S, 60.0, dt_s, **noon)
    columns = told(
        columns,
        active_power_limit_frac=0.0,
        active_power_limit_enabled=1.0,
        active_power_setpoint_w=0.0,
        active_power_setpoint_enabled=1.0,
    )
    stored = np.zeros(16)
    for k in range(1, round(seconds / dt_s) + 1):
        columns = HOME.step(columns, surroundings(16, 12 * HOUR_S + 60.0 + k * dt_s, **noon), dt_s)
        assert columns["active_power_w"].max() < 1.0
        np.maximum(stored, -columns["storage_active_power_w"], out=stored)
    assert stored.max() > 500.0
    assert (columns["storage_charge_power_available_w"] < 200.0).sum() > 10


def test_reactive_power_of_the_home_is_made_by_the_storage() -> None:
    columns = after(HOME, devices(HOME), 0.0, 60.0)
    asked = told(columns, reactive_power_setpoint_var=500.0, reactive_power_setpoint_enabled=1.0)
    assert after(HOME, asked, 60.0, 60.0)["reactive_power_var"] == pytest.approx(500.0)


def told_to(columns: Columns) -> dict[str, set[str]]:
    """Names of the set-points each resource is told in a step, beside how long it waits for the SESP."""
    assert HOME.flow is not None
    parts = {resource: of_resource(columns, resource) for resource in HOME.resources}
    here, names = surroundings(16, 12 * HOUR_S), {}
    under_way = HOME.flow(without_resources(columns, HOME.resources), parts, here, 60.0)
    turn = next(under_way)
    try:
        while True:
            names[turn.resource] = set(turn.setpoints) - {"sesp_timeout_s"}
            given = {**parts[turn.resource], **turn.inputs, **turn.setpoints}
            turn = under_way.send(HOME.resources[turn.resource].step(given, here, 60.0))
    except StopIteration:
        return names


ACTIVE = {"active_power_setpoint_w", "active_power_setpoint_enabled"}
REACTIVE = {"reactive_power_setpoint_var", "reactive_power_setpoint_enabled"}
LIMIT = {f"active_power_limit_{name}" for name in ("frac", "enabled", "window_s", "ramp_s")}
ASKS = {
    "nothing": ({}, set(), set()),
    "active power": ({"active_power_setpoint_w": -500.0, "active_power_setpoint_enabled": 1.0}, ACTIVE, set()),
    "vars": ({"reactive_power_setpoint_var": 300.0, "reactive_power_setpoint_enabled": 1.0}, REACTIVE, set()),
    "power factor": ({"power_factor_setpoint": 0.95, "power_factor_setpoint_enabled": 1.0}, REACTIVE, set()),
    "a limit": ({"active_power_limit_frac": 0.1, "active_power_limit_enabled": 1.0}, LIMIT, LIMIT),
    "voltage": (
        {"voltage_setpoint_v": 235.0, "volt_var_enabled": 1.0},
        {"voltage_setpoint_v", "volt_var_enabled"},
        set(),
    ),
    "frequency": (
        {"frequency_setpoint_hz": 50.1, "frequency_support_enabled": 1.0},
        {"frequency_setpoint_hz", "frequency_support_enabled"},
        set(),
    ),
}


@pytest.mark.parametrize(("written", "storage", "pv"), ASKS.values(), ids=ASKS)
def test_resources_are_told_what_a_home_asks_for_and_no_more(
    written: dict[str, float], storage: set[str], pv: set[str]
) -> None:
    columns = after(HOME, devices(HOME), 12 * HOUR_S, 120.0)
    assert told_to({**columns, **{name: np.full(16, value) for name, value in written.items()}}) == {
        "appliances": set(),
        "ev": set(),
        "pv": pv,
        "storage": storage,
    }


@pytest.mark.parametrize("written", [written for written, _, _ in ASKS.values()], ids=ASKS)
def test_what_one_home_asks_for_moves_no_other(written: dict[str, float]) -> None:
    """To the last bit: one that asks has all of them worked out what else is nothing."""
    alone = after(HOME, devices(HOME, sesp_timeout_s=900.0), 12 * HOUR_S, 120.0)
    first = np.arange(16.0) == 0.0
    beside = {**alone, **{name: np.where(first, value, alone[name]) for name, value in written.items()}}
    for k in range(3, 13):
        alone, beside = (HOME.step(each, surroundings(16, 12 * HOUR_S + 60.0 * k), 60.0) for each in (alone, beside))
        for name, column in alone.items():
            assert np.array_equal(column[1:], beside[name][1:]), name
    moved = {name for name, column in alone.items() if not np.array_equal(column[0], beside[name][0])}
    assert moved >= set(written)


def test_stop_stops_the_resources_and_the_household_runs_on() -> None:
    columns = after(HOME, devices(HOME), 12 * HOUR_S, 300.0)
    stopped = after(HOME, told(columns, stop=1.0), 12 * HOUR_S + 300.0, 60.0)
    for resource in (EV, STORAGE, PV):
        assert not stopped[resource.of("active_power_w")].any()
    assert np.all(stopped["home_active_power_w"] < 0.0)


def test_a_home_that_lost_the_sesp_follows_no_set_point() -> None:
    columns = after(HOME, devices(HOME, sesp_timeout_s=120.0), 0.0, 60.0)
    asked = told(columns, storage_active_power_setpoint_w=2_000.0, storage_active_power_setpoint_enabled=1.0)
    followed = after(HOME, asked, 60.0, 60.0)
    assert followed["storage_active_power_w"] == pytest.approx(2_000.0)
    lost = after(HOME, followed, 120.0, 300.0)
    assert lost["sesp_link_lost"].all()
    assert not lost["storage_active_power_w"].any()
    assert np.all(lost["ev_current_limit_in_force_a"] == 6.0)


def test_rooms_stay_warm_in_winter() -> None:
    columns = after(HOME, devices(HOME, home_heat_loss_w_per_k=150.0), 0.0, DAY_S, 600.0, air_temperature_degc=-2.0)
    assert np.all(np.abs(columns["home_room_temperature_degc"] - columns["home_room_wanted_degc"]) < 1.5)
    assert np.all(columns["outside_temperature_degc"] == -2.0)


@pytest.mark.parametrize(("dt_s", "days"), [(300.0, 1), (900.0, 4)])
def test_rooms_and_water_stay_warm_in_a_week_of_frost_in_the_leakiest_house_of_the_defaults(
    dt_s: float, days: int
) -> None:
    """A heat pump of 2 kW gives half of what 250 W/K lose at -11 degC; its electric element gives the rest."""
    rows = 48
    ratings = {"home_heat_loss_w_per_k": 250.0, "home_heat_pump_w": 2_000.0, "home_heaters_w": 9_000.0}
    columns = devices(HOME, rows, home_heating=np.repeat(HEATINGS, rows // 3), **ratings)
    coldest_k = np.zeros(rows)
    coldest_tank = np.full(rows, 60.0)
    for k in range(1, round(days * DAY_S / dt_s) + 1):
        world = surroundings(rows, k * dt_s, air_temperature_degc=-11.0, ghi_w_per_m2=0.0)
        columns = HOME.step(columns, world, dt_s)
        away = columns["home_room_temperature_degc"] - columns["home_room_wanted_degc"]
        np.minimum(coldest_k, away, out=coldest_k)
        np.minimum(coldest_tank, columns["home_tank_temperature_degc"], out=coldest_tank)
    assert coldest_k.min() > -2.0
    assert np.median(coldest_k) > -1.3
    assert coldest_tank.min() > 35.0
    assert np.median(coldest_tank) > 40.0


@pytest.mark.parametrize("dt_s", [30.0, 60.0])
def test_a_set_point_at_either_end_of_a_homes_reach_is_followed(dt_s: float) -> None:
    """In homes where nothing but the storage and the loads that wait can change within a step."""
    still = {"home_annual_energy_wh": 0.0, "home_heating": 0.0, "pv_rated_power_w": 1.0, "storage_soc_frac": 0.5}
    columns = after(HOME, devices(HOME, 32, **still), 9 * HOUR_S, 900.0, dt_s)
    for end in ("reach_min_w", "reach_max_w"):
        asked = {**told(columns, active_power_setpoint_enabled=1.0), "active_power_setpoint_w": columns[end]}
        reached = HOME.step(asked, surroundings(32, 9 * HOUR_S + 900.0 + dt_s), dt_s)
        steady = np.abs(reached["ev_active_power_w"] - columns["ev_active_power_w"]) < 0.1
        steady &= columns["home_deferrable_energy_wh"] > 200.0
        assert steady.sum() > 6
        assert reached["active_power_w"][steady] == pytest.approx(columns[end][steady], abs=2.0), end


@pytest.mark.parametrize("dt_s", [60.0, 900.0])
def test_every_kind_of_heating_holds_room_and_water_at_any_step_length(dt_s: float) -> None:
    rows = 48
    ratings = {"home_heat_loss_w_per_k": 130.0, "home_heat_pump_w": 3_000.0}
    columns = devices(HOME, rows, home_heating=np.repeat(HEATINGS, rows // 3), **ratings)
    start = columns["home_energy_imported_wh"]
    for k in range(1, round(6 * HOUR_S / dt_s) + 1):
        world = surroundings(rows, 5 * HOUR_S + k * dt_s, air_temperature_degc=2.0, ghi_w_per_m2=0.0)
        columns = HOME.step(columns, world, dt_s)
        away = columns["home_room_temperature_degc"] - columns["home_room_wanted_degc"]
        # While the heater warms water, the room goes without.
        assert np.all(away > -1.5)
        assert np.all(away < 0.4 + 0.2)
        assert np.all(columns["home_tank_temperature_degc"] < 55.0 + 1e-9)
        assert np.all(columns["home_tank_temperature_degc"] > 40.0)
    drawn = (columns["home_energy_imported_wh"] - start).reshape(3, -1).mean(axis=1)
    assert np.all(drawn > [500.0, 5_000.0, 13_000.0])
    assert np.all(drawn < [7_000.0, 13_000.0, 26_000.0])


def test_electric_heaters_draw_what_the_house_loses() -> None:
    """Steady state: the room's 21 degC against 1 degC outside lose 20 K times the loss; appliances give some back."""
    columns = devices(HOME, 64, home_heating=2.0, home_heat_loss_w_per_k=150.0, home_annual_energy_wh=0.0)
    columns = {**columns, "home_hot_water_wh_per_day": np.zeros(64), "home_deferrable_wh_per_day": np.zeros(64)}
    heated = np.zeros(64)
    for k in range(1, 8 * 24 + 1):
        world = surroundings(64, k * 900.0, air_temperature_degc=1.0, ghi_w_per_m2=0.0)
        columns = HOME.step(columns, world, 900.0)
        heated -= columns["home_active_power_w"] * (k > 96)
    lost = 150.0 * (columns["home_room_wanted_degc"] - 1.0) + 1.5 * (52.0 - columns["home_room_wanted_degc"])
    assert (heated / 96.0).mean() == pytest.approx(lost.mean(), rel=0.03)
