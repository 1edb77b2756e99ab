"""Laws of the two kinds the SESP steers by inverter: what a set-point does, and where the energy goes."""

from __future__ import annotations

import numpy as np
import pytest
from world import HOUR_S, devices, surroundings, told

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.arrays import Columns
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.physics import battery, cells, grid_code
from pilotfarm.emulators.quantities import PROTECTION

N = 16
BATTERY = registry.device("battery")
PV = registry.device("pv_generator")
BOTH = pytest.mark.parametrize("spec", [BATTERY, PV], ids=["battery", "pv"])


def after(spec: DeviceSpec, columns: Columns, seconds: float = 60, dt_s: float = 1.0, **world: float) -> Columns:
    """Let the world stand still at half past noon for some seconds, a second a step."""
    still = surroundings(N, 12.5 * HOUR_S, **world)
    for _ in range(round(seconds / dt_s)):
        columns = spec.step(columns, still, dt_s)
    return columns


def asked(columns: Columns, watts: float) -> Columns:
    return told(columns, active_power_setpoint_w=watts, active_power_setpoint_enabled=1.0)


# ----------------------------------------------------------------------------------------- battery


CHEMISTRY = pytest.mark.parametrize("chemistry", range(len(cells.NAMES)), ids=cells.NAMES)


def stored_wh(columns: Columns) -> np.ndarray:
    """Chemical energy above an empty battery."""
    of = cells.of(columns["chemistry"])
    _, _, energy_v = cells.open_circuit(of.kind, columns["soc_frac"])
    return np.asarray(energy_v * columns["cell_count"] * of.capacity_ah * columns["soh_frac"])


def heat_wh(before: Columns, after: Columns, around_degc: float, dt_s: float) -> np.ndarray:
    """Heat that the cells' temperature tells of, by the thermal node solved for it."""
    of = cells.of(before["chemistry"])
    decay = np.exp(-dt_s / battery.THERMAL_TIME_S)
    final = (after["temperature_degc"] - before["temperature_degc"] * decay) / (1.0 - decay)
    conductance = before["cell_count"] * of.heat_j_per_k / battery.THERMAL_TIME_S
    return np.asarray((final - around_degc) * conductance * dt_s / HOUR_S)


@CHEMISTRY
@pytest.mark.parametrize("dt_s", [0.1, 1.0, 60.0, 900.0])
@pytest.mark.parametrize("watts", [-4_000.0, 4_000.0])
def test_a_step_moves_energy_and_makes_none_and_stops_at_the_window(chemistry: int, dt_s: float, watts: float) -> None:
    """What leaves the cells is what they held less heat; ageing takes its part of what is held too."""
    start = 0.1002 if watts > 0.0 else 0.9498
    columns = asked(devices(BATTERY, N, soc_frac=start, c_rate_per_h=5.0, chemistry=chemistry), watts)
    for k in range(100):
        world = surroundings(N, 12 * HOUR_S + k * dt_s, air_temperature_degc=20.0)
        new = BATTERY.step(columns, world, dt_s)
        unaged = {**new, "soh_frac": columns["soh_frac"]}
        spent = stored_wh(columns) - stored_wh(unaged)
        heat = heat_wh(columns, new, 20.0, dt_s)
        given = new["charge_rate_w"] * dt_s / HOUR_S
        assert spent == pytest.approx(given + heat, rel=1e-5, abs=1e-6)
        assert np.all(heat > -1e-7)
        loss = new["charge_rate_w"] - new["active_power_w"]
        assert np.all(loss >= 0.0)
        assert np.all((new["soc_frac"] >= 0.1) & (new["soc_frac"] <= 0.95))
        columns = new
    assert columns["soc_low_alarm" if watts > 0.0 else "soc_high_alarm"].all()
    assert columns["active_power_w"] == pytest.approx(np.zeros(N), abs=1e-3 if dt_s > 1.0 else 10.0)


@CHEMISTRY
@pytest.mark.parametrize(("dt_s", "charged_s"), [(1.0, 600.0), (900.0, 3_600.0)])
def test_a_round_trip_gives_back_less_than_it_took_and_most_of_it(
    chemistry: int, dt_s: float, charged_s: float
) -> None:
    ratings = {"soc_frac": 0.5, "own_schedule_frac": 0.0, "rated_energy_wh": 10_000.0, "ramp_frac_per_s": 100.0}
    columns = devices(BATTERY, N, chemistry=chemistry, **ratings)
    start, taken, steps = columns, np.zeros(N), round(charged_s / dt_s)
    noon = surroundings(N, 12 * HOUR_S)
    for k in range(4 * steps):
        watts = -2_500.0 if k < steps else 2_500.0
        back = columns["soc_frac"] <= start["soc_frac"]
        if k >= steps and back.all():
            break
        columns = BATTERY.step(asked(columns, watts), noon, dt_s)
    taken = columns["energy_imported_wh"]
    # What it gave beyond the start was the start's own.
    over = stored_wh(columns) - stored_wh(start)
    share = (columns["energy_exported_wh"] + over) / taken
    assert np.all((share > 0.85) & (share < 0.95))


@pytest.mark.parametrize("watts", [-3_000.0, 0.0, 3_000.0])
def test_a_battery_reaches_its_set_point_within_its_ramp(watts: float) -> None:
    columns = devices(BATTERY, N, rated_power_w=5_000.0, ramp_frac_per_s=0.2, own_schedule_frac=0.0)
    columns = asked(after(BATTERY, columns, 2), watts)
    for second in (1, 2, 3):
        columns = after(BATTERY, columns, 1)
        assert np.all(columns["active_power_w"] == np.sign(watts) * min(1_000.0 * second, abs(watts)))
    lost = columns["charge_rate_w"] - watts
    full = columns["rated_power_w"]
    expected = (
        (0.0072 + 0.0345 * 0.36) * full
        if watts > 0.0
        else 0.0072 * full + 0.0345 * columns["charge_rate_w"] ** 2 / full
    )
    assert lost == pytest.approx(expected if watts else 0.0)  # Notton type 2


def test_a_battery_does_not_exceed_what_it_says_is_available() -> None:
    columns = asked(devices(BATTERY, N, soc_frac=0.2), 1e6)
    for _ in range(50):
        available = columns["discharge_power_available_w"]
        columns = after(BATTERY, columns, 1)
        assert np.all(columns["active_power_w"] <= available * (1.0 + 1e-6))


def test_a_lost_link_sends_the_battery_to_zero_and_a_sign_of_life_back_to_its_set_point() -> None:
    columns = asked(devices(BATTERY, N, sesp_timeout_s=20.0), 2_000.0)
    columns = after(BATTERY, columns, 15)
    assert np.all(columns["active_power_w"] == 2_000.0)
    columns = after(BATTERY, columns, 30)
    assert not columns["active_power_w"].any()
    columns = after(BATTERY, {**columns, "sesp_heartbeat": np.ones(N)}, 10)
    assert np.all(columns["active_power_w"] == 2_000.0)


@pytest.mark.parametrize("watts", [-5_000.0, 5_000.0])
@pytest.mark.parametrize(
    ("change", "dt_s"),
    [({}, 1.0), ({"soc_max_frac": 0.4}, 1.0), ({"soc_min_frac": 0.6}, 1.0), ({}, 60.0), ({}, 900.0)],
    ids=["nothing", "highest", "lowest", "a minute", "a quarter of an hour"],
)
def test_what_the_last_step_found_possible_holds_only_for_the_same_window_and_step(
    change: dict[str, float], dt_s: float, watts: float
) -> None:
    columns = asked(after(BATTERY, devices(BATTERY, N, soc_frac=0.5, own_schedule_frac=0.0), 5), watts)
    changed = told(columns, **change)
    nothing = np.full(N, np.nan)
    forgotten = {**changed, "reach_dt_s": nothing, "reach_charge_w": nothing, "reach_discharge_w": nothing}
    world = surroundings(N, 12.5 * HOUR_S)
    found, expected = (BATTERY.step(each, world, dt_s) for each in (changed, forgotten))
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_a_battery_wears_with_use_and_its_real_capacity_with_it() -> None:
    idle, used = devices(BATTERY, N, own_schedule_frac=0.0), devices(BATTERY, N, own_schedule_frac=0.0)
    for k in range(240):
        world = surroundings(N, k * 900.0)
        idle = BATTERY.step(idle, world, 900.0)
        used = BATTERY.step(asked(used, 5_000.0 if k // 8 % 2 else -5_000.0), world, 900.0)
    assert np.all(used["cycle_count"] > idle["cycle_count"])
    assert np.all(used["soh_frac"] < idle["soh_frac"])
    assert np.all(used["remaining_life_years"] < idle["remaining_life_years"])
    assert np.all(idle["soh_frac"] < devices(BATTERY, N)["soh_frac"])
    assert np.array_equal(used["real_capacity_wh"], used["rated_energy_wh"] * used["soh_frac"])


def test_a_frozen_battery_does_not_charge() -> None:
    cold = devices(BATTERY, N, room_min_degc=-15.0, room_max_degc=0.0)
    world = {"air_temperature_degc": -15.0}
    for k in range(100):
        cold = BATTERY.step(cold, surroundings(N, k * 900.0, **world), 900.0)
    cold = after(BATTERY, asked(cold, -2_000.0), 10, **world)
    assert cold["temperature_low_alarm"].all()
    assert not cold["active_power_w"].any()
    assert not cold["charge_power_available_w"].any()


def test_frequency_support_delivers_below_the_reference_and_draws_above_it() -> None:
    columns = told(devices(BATTERY, N, own_schedule_frac=0.0), frequency_support_enabled=1.0)
    assert not after(BATTERY, columns, 10, frequency_hz=49.81)["active_power_w"].any()
    low = after(BATTERY, columns, 10, frequency_hz=49.5)["active_power_w"]
    high = after(BATTERY, columns, 10, frequency_hz=50.5)["active_power_w"]
    assert low == pytest.approx(columns["rated_power_w"] * (0.5 - 0.2) / 2.5, rel=1e-3)
    assert high == pytest.approx(-low)


# ---------------------------------------------------------------------------------------------- PV


def test_a_clear_noon_gives_power_and_night_gives_none() -> None:
    day = after(PV, devices(PV, N))
    assert np.all(day["active_power_w"] > 0.4 * day["rated_power_w"])
    assert np.all(day["available_power_frac"] == day["available_power_w"] / day["rated_power_w"])
    night = PV.step(day, surroundings(N, 0.0), 1.0)
    for name in ("active_power_w", "reactive_power_var", "available_power_w", "dc_voltage_v", "dc_current_a"):
        assert not night[name].any(), name


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_limit_is_kept_even_with_the_link_lost(share: float) -> None:
    limits = {"active_power_limit_frac": share, "active_power_limit_enabled": 1.0}
    columns = after(PV, told(devices(PV, N, sesp_timeout_s=20.0), **limits), 120)
    assert columns["sesp_link_lost"].all()
    assert columns["active_power_w"] == pytest.approx(
        np.minimum(columns["available_power_w"], share * columns["rated_power_w"])
    )


def test_a_set_point_is_an_upper_limit_and_is_dropped_when_the_link_is_lost() -> None:
    columns = after(PV, asked(devices(PV, N, sesp_timeout_s=30.0), 1_000.0), 25)
    assert np.all(columns["active_power_w"] == 1_000.0)
    columns = after(PV, columns, 60)
    assert np.array_equal(columns["active_power_w"], columns["available_power_w"])


def test_pv_gives_way_above_the_reference_frequency_and_cannot_exceed_the_sun_below_it() -> None:
    columns = after(PV, told(devices(PV, N), frequency_support_enabled=1.0))
    high = after(PV, columns, frequency_hz=50.5)
    assert high["active_power_w"] == pytest.approx(columns["active_power_w"] * (1.0 - (0.5 - 0.2) / 2.5))
    low = after(PV, columns, frequency_hz=49.0)
    assert np.array_equal(low["active_power_w"], low["available_power_w"])


def test_curtailed_modules_raise_their_voltage_and_carry_the_power_they_give() -> None:
    free, held = after(PV, devices(PV, N)), after(PV, asked(devices(PV, N), 500.0))
    assert np.all(held["dc_voltage_v"] > free["dc_voltage_v"])
    for state in (free, held):
        dc = state["dc_voltage_v"] * state["dc_current_a"]
        assert np.all((dc > state["active_power_w"]) & (dc < 1.2 * state["active_power_w"]))


# -------------------------------------------------------------------------------------------- both


@BOTH
@pytest.mark.parametrize("share", [-0.5, 0.25])
def test_a_reactive_set_point_is_followed(spec: DeviceSpec, share: float) -> None:
    columns = devices(spec, N, rated_power_w=5_000.0)
    told_vars = share * 5_500.0
    columns = after(spec, told(columns, reactive_power_setpoint_var=told_vars, reactive_power_setpoint_enabled=1.0), 5)
    assert np.all(columns["reactive_power_var"] == told_vars)


@BOTH
@pytest.mark.parametrize("factor", [-0.9, 0.95, 1.0])
def test_a_power_factor_set_point_is_followed_at_full_load_too(spec: DeviceSpec, factor: float) -> None:
    columns = devices(spec, N, rated_power_w=5_000.0, rated_apparent_power_va=5_000.0)
    columns = asked(told(columns, power_factor_setpoint=factor, power_factor_setpoint_enabled=1.0), 5_000.0)
    columns = after(spec, columns, 30, ghi_w_per_m2=1_000.0, dni_w_per_m2=900.0, dhi_w_per_m2=150.0)
    assert np.all(columns["active_power_w"] > 0.0)
    assert columns["power_factor"] == pytest.approx(np.full(N, abs(factor)))
    assert np.all(np.sign(columns["reactive_power_var"]) == (np.sign(factor) if abs(factor) < 1.0 else 0.0))


@BOTH
@pytest.mark.parametrize(
    ("code", "most_frac", "calm_pu"), [("en-50549-1", 0.436, 1.029), ("ieee-1547-2018-b", 0.44, 1.019)]
)
def test_voltage_support_draws_vars_when_high_and_delivers_when_low(
    spec: DeviceSpec, code: str, most_frac: float, calm_pu: float
) -> None:
    columns = devices(spec, N, rated_power_w=5_000.0, grid_code=grid_code.NAMES.index(code))
    columns = told(columns, volt_var_enabled=1.0)
    most = most_frac * columns["rated_apparent_power_va"]
    assert not after(spec, columns, voltage_v=230.0 * calm_pu)["reactive_power_var"].any()
    assert after(spec, columns, voltage_v=230.0 * 1.09)["reactive_power_var"] == pytest.approx(-most)
    assert after(spec, columns, voltage_v=230.0 * 0.9)["reactive_power_var"] == pytest.approx(most)


@BOTH
def test_voltage_support_gives_up_active_power_where_the_code_says_so(spec: DeviceSpec) -> None:
    """Half way up the volt-watt curve of IEEE 1547-2018 (table 10): half of the rating."""
    columns = devices(spec, N, rated_power_w=5_000.0, dc_power_w=20_000.0, grid_code=2.0) if spec is PV else None
    columns = columns or devices(spec, N, rated_power_w=5_000.0, c_rate_per_h=5.0, grid_code=2.0)
    columns = asked(told(columns, volt_var_enabled=1.0), 5_000.0)
    assert after(spec, columns, voltage_v=230.0 * 1.05)["active_power_w"] == pytest.approx(5_000.0, rel=0.03)
    assert after(spec, columns, voltage_v=230.0 * 1.08)["active_power_w"] == pytest.approx(2_500.0, rel=1e-3)


@BOTH
def test_of_a_limit_and_volt_watt_the_lower_one_holds(spec: DeviceSpec) -> None:
    """Together they let through what the stricter of the two lets through alone, at every voltage and limit."""
    sunny = {"dc_power_w": 20_000.0} if spec is PV else {"c_rate_per_h": 5.0}
    start = asked(
        devices(spec, N, rated_power_w=5_000.0, grid_code=2.0, reactive_capability_frac=0.0, **sunny), 5_000.0
    )
    share = np.linspace(0.0, 1.0, N)
    support = {"volt_var_enabled": np.ones(N)}
    limit = {"active_power_limit_enabled": np.ones(N), "active_power_limit_frac": share}
    both_act = 0
    for per_unit in np.linspace(1.05, 1.0999, 6):
        by_limit, by_voltage, by_both = (
            after(spec, {**start, **each}, voltage_v=230.0 * per_unit)["active_power_w"]
            for each in (limit, support, {**limit, **support})
        )
        assert by_both == pytest.approx(np.minimum(by_limit, by_voltage), abs=1e-6)
        both_act += int(np.sum((by_limit < 4_900.0) & (by_voltage < 4_900.0)))
    assert both_act > 2 * N


@BOTH
def test_a_protection_trip_shows_and_ends_by_itself_with_a_ramp(spec: DeviceSpec) -> None:
    columns = after(spec, asked(devices(spec, N, rated_power_w=5_000.0), 1_000.0), 10)
    assert np.all(columns["active_power_w"] == 1_000.0)
    off = after(spec, columns, 1, voltage_v=290.0)
    for name in ("fault_trip", "general_alarm"):
        assert off[name].all(), name
    for name in ("available", "running", "active_power_w", "reactive_power_var"):
        assert not off[name].any(), name
    reset = after(spec, told(off, alarm_reset=1.0), 1)
    assert reset["fault_trip"].all(), "the protection is not to be reset"
    assert after(spec, off, 59)["fault_trip"].all()
    back = after(spec, off, 60)
    assert not back["fault_trip"].any()
    assert back["running"].all()
    later = after(spec, back, 30)
    ramp = 30.0 / 600.0 * later["largest_power_w"]  # 10 % a minute
    assert later["active_power_w"] == pytest.approx(np.minimum(ramp, 1_000.0))
    assert np.all(after(spec, later, 120)["active_power_w"] == 1_000.0)


@BOTH
@pytest.mark.parametrize(
    ("name", "grid", "within_s"),
    [
        ("overvoltage", {"voltage_v": 290.0}, 0.3),
        ("undervoltage", {"voltage_v": 150.0}, 3.0),
        ("overfrequency", {"frequency_hz": 51.6}, 0.3),
        ("underfrequency", {"frequency_hz": 47.4}, 0.3),
    ],
)
def test_the_protection_says_that_it_started_and_that_it_operated(
    spec: DeviceSpec, name: str, grid: dict[str, float], within_s: float
) -> None:
    columns = devices(spec, N)
    started = after(spec, columns, 0.05, dt_s=0.05, **grid)
    operated = after(spec, started, within_s, dt_s=0.05, **grid)
    good = after(spec, operated, 1)
    back = after(spec, good, 60)
    stands = [{each for each in PROTECTION if now[each].any()} for now in (columns, started, operated, good, back)]
    first, second = f"{name}_protection_started", f"{name}_protection_operated"
    assert stands == [set(), {first}, {first, second}, {second}, set()]
    for now, each in ((started, first), (operated, second)):
        assert now[each].all()
    assert operated["fault_trip"].all()
    assert operated["general_alarm"].all()


@BOTH
def test_a_device_that_may_not_start_stays_off_after_a_trip_until_it_may(spec: DeviceSpec) -> None:
    off = after(spec, told(devices(spec, N), start_permitted=0.0), 1, voltage_v=290.0)
    waited = after(spec, off, 600)
    assert waited["fault_trip"].all()
    assert not waited["running"].any()
    assert after(spec, told(waited, start_permitted=1.0), 60)["running"].all()


@BOTH
def test_after_a_trip_the_power_follows_its_ramp_to_the_full_rating(spec: DeviceSpec) -> None:
    """A tenth of the rating a minute, in every step until there is all that was asked for."""
    sunny = {"dc_power_w": 20_000.0} if spec is PV else {"c_rate_per_h": 5.0}
    columns = asked(devices(spec, N, rated_power_w=5_000.0, **sunny), 5_000.0)
    columns = after(spec, after(spec, columns, 1, voltage_v=290.0), 59)
    assert columns["fault_trip"].all()
    for second in range(601):
        columns = after(spec, columns, 1)
        assert columns["active_power_w"] == pytest.approx(np.full(N, 5_000.0 * second / 600.0), abs=1e-6)
    assert np.all(after(spec, columns, 1)["active_power_w"] == 5_000.0)


@BOTH
def test_an_own_fault_outlives_the_grid_s(spec: DeviceSpec) -> None:
    faulty = {**devices(spec, N), "fault_trip": np.ones(N)}
    both = after(spec, after(spec, faulty, 1), 1, frequency_hz=52.0)
    waited = after(spec, both, 100)
    assert waited["fault_trip"].all()
    assert not after(spec, told(waited, alarm_reset=1.0), 1)["fault_trip"].any()


@BOTH
def test_a_device_rides_through_a_dip(spec: DeviceSpec) -> None:
    columns = after(spec, asked(devices(spec, N, rated_power_w=5_000.0), 1_000.0), 10)
    for _ in range(3):
        columns = after(spec, after(spec, columns, 2, voltage_v=170.0), 1)
        assert columns["running"].all()
    assert np.all(columns["active_power_w"] == 1_000.0)


@BOTH
def test_a_device_whose_identification_failed_refuses_set_points_until_it_is_cleared(spec: DeviceSpec) -> None:
    columns = after(spec, asked(devices(spec, N, invalid_credential=1.0), 700.0), 20)
    assert columns["identification_failed"].all()
    assert columns["general_alarm"].all()
    assert not columns["remote_enabled"].any()
    assert not (columns["active_power_w"] == 700.0).any()
    columns = after(spec, told(columns, identification_clear=1.0), 20)
    assert columns["remote_enabled"].all()
    assert np.all(columns["active_power_w"] == 700.0)


@BOTH
def test_without_identification_neither_limit_nor_support_is_followed(spec: DeviceSpec) -> None:
    switches = {"active_power_limit_enabled": 1.0, "volt_var_enabled": 1.0, "frequency_support_enabled": 1.0}
    world = {"voltage_v": 250.0, "frequency_hz": 50.5}
    refused = after(spec, devices(spec, N, invalid_credential=1.0), **world)
    meddled = after(
        spec, told(devices(spec, N, invalid_credential=1.0), active_power_limit_frac=0.0, **switches), **world
    )
    for name in ("active_power_w", "reactive_power_var"):
        assert np.array_equal(meddled[name], refused[name]), name


@pytest.mark.parametrize(("v2g_w", "trips"), [(0.0, False), (5_000.0, True)])
def test_the_protection_is_for_what_can_deliver_and_leaves_a_load_on(v2g_w: float, trips: bool) -> None:
    spec = registry.device("ev_charger")
    columns = after(spec, devices(spec, N, v2g_power_w=v2g_w), 1, voltage_v=290.0)
    assert columns["fault_trip"].all() == trips
    assert columns["fault_trip"].any() == trips
