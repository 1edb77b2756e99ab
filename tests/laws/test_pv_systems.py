"""Laws of PV systems: planes, light of their own, dirt, the inverter's losses, dark days."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from world import HOUR_S, devices, surroundings, told

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.arrays import Columns
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.physics import grid_code, pv
from pilotfarm.emulators.site.layout import SiteLayout

N = 16
PV = registry.device("pv_generator")
NOON_S = 12.5 * HOUR_S


def warm(columns: Columns, hour: float = 12.5) -> Columns:
    """Let the modules settle in the light of an hour."""
    for _ in range(10):
        columns = PV.step(columns, surroundings(N, hour * HOUR_S), 600.0)
    return columns


@pytest.mark.parametrize("limit", [1.0, 0.1, 0.02])
def test_what_the_strings_give_less_what_the_inverter_loses_is_what_it_delivers(limit: float) -> None:
    held = warm(told(devices(PV, N), active_power_limit_frac=limit, active_power_limit_enabled=1.0))
    dc = held["dc_voltage_v"] * held["dc_current_a"]
    assert pv.ac_given(dc, held["rated_power_w"]) == pytest.approx(held["active_power_w"], rel=1e-6)


def test_a_second_and_a_third_plane_add_up_and_flatten_the_day() -> None:
    facing = {"tilt_deg": 30.0, "rated_power_w": 20_000.0, "dc_power_w": 10_000.0}
    east, west = (devices(PV, N, azimuth_deg=side, **facing) for side in (90.0, 270.0))
    both = devices(PV, N, azimuth_deg=90.0, share_2=0.5, tilt_2_deg=30.0, azimuth_2_deg=270.0, **facing)
    for hour in (8.0, 12.5, 17.0):
        east, west, both = (warm(columns, hour) for columns in (east, west, both))
        half = 0.5 * (east["available_power_w"] + west["available_power_w"])
        assert both["available_power_w"] == pytest.approx(half, rel=0.03)  # the inverter's losses are not linear
    assert np.array_equal(both["irradiance_plane_w_per_m2"], east["irradiance_plane_w_per_m2"])


def test_shares_of_planes_never_come_to_more_than_all_modules() -> None:
    columns = devices(PV, N, share_2=0.9, share_3=0.9)
    assert columns["plane_share"] == pytest.approx(np.zeros(N))
    assert columns["plane_share_2"] + columns["plane_share_3"] == pytest.approx(np.ones(N))


def test_dirt_and_shade_take_their_share_of_the_light() -> None:
    dc = []
    for share in (0.0, 0.1):
        state = warm(devices(PV, N, soiling_frac=share, shading_frac=share, dc_power_w=1_000.0))
        dc.append(state["dc_voltage_v"] * state["dc_current_a"])
    assert dc[1] == pytest.approx(0.81 * dc[0])
    blind = warm(devices(PV, N, soiling_frac=1.0))
    for name in ("active_power_w", "available_power_w", "dc_voltage_v", "dc_current_a"):
        assert not blind[name].any(), name


def test_a_cloud_over_one_device_leaves_the_next_in_the_sun() -> None:
    light = np.where(np.arange(N) % 2 == 0, 100.0, 800.0)
    world = replace(
        surroundings(N, NOON_S),
        ghi_w_per_m2=light,
        dni_w_per_m2=np.where(light > 500.0, 700.0, 0.0),
        dhi_w_per_m2=100.0,
    )
    columns = devices(PV, N, tilt_deg=20.0, azimuth_deg=180.0, rated_power_w=5_000.0)
    for _ in range(3):
        columns = PV.step(columns, world, 600.0)
    assert np.array_equal(columns["irradiance_horizontal_w_per_m2"], light)
    assert columns["active_power_w"][1::2].min() > 4.0 * columns["active_power_w"][::2].max()


def test_more_modules_than_the_inverter_takes_are_clipped_and_leave_their_best_point() -> None:
    facing = {"tilt_deg": 20.0, "azimuth_deg": 180.0, "dc_power_w": 8_000.0}
    columns = warm(devices(PV, N, rated_power_w=2_000.0, **facing))
    assert np.all(columns["active_power_w"] == 2_000.0)
    assert np.all(columns["available_power_frac"] == 1.0)
    roomy = warm(devices(PV, N, rated_power_w=8_000.0, **facing))
    assert np.all(columns["dc_voltage_v"] > roomy["dc_voltage_v"])


@pytest.mark.parametrize("dt_s", [0.1, 900.0])
def test_a_sun_below_the_horizon_all_day_gives_zeros_and_no_nonsense(dt_s: float) -> None:
    night = {"sun_zenith_deg": 101.0, "ghi_w_per_m2": 0.0, "dni_w_per_m2": 0.0, "dhi_w_per_m2": 0.0}
    columns = devices(PV, N)
    for k in range(20):
        columns = PV.step(columns, surroundings(N, k * dt_s, **night), dt_s)
    for name in ("active_power_w", "available_power_w", "energy_exported_wh", "dc_voltage_v", "dc_current_a"):
        assert not columns[name].any(), name
    assert all(np.isfinite(values).all() for values in columns.values())


def test_at_night_it_does_not_say_that_it_has_vars_to_give() -> None:
    dark = {"sun_zenith_deg": 101.0, "ghi_w_per_m2": 0.0, "dni_w_per_m2": 0.0, "dhi_w_per_m2": 0.0}
    asked = told(devices(PV, N), reactive_power_setpoint_var=500.0, reactive_power_setpoint_enabled=1.0)
    night = PV.step(asked, surroundings(N, 0.0, **dark), 1.0)
    assert not night["reactive_power_var"].any()
    assert not night["reactive_available_var"].any()
    assert PV.step(night, surroundings(N, NOON_S), 1.0)["reactive_available_var"].all()


@pytest.mark.parametrize(
    "asked",
    [
        {"active_power_limit_frac": 0.3, "active_power_limit_enabled": 1.0},
        {"reactive_power_setpoint_var": -3_300.0, "reactive_power_setpoint_enabled": 1.0},
        {"power_factor_setpoint": 0.85, "power_factor_setpoint_enabled": 1.0},
    ],
    ids=["limit", "vars first", "power factor"],
)
def test_who_asks_for_power_is_told_what_the_inverter_will_follow_instead(
    make_layout: Callable[..., SiteLayout], asked: dict[str, float]
) -> None:
    ratings = "{rated_power_w: 5000, dc_power_w: 90_000, rated_apparent_power_va: 5500, tilt_deg: 30, azimuth_deg: 150}"
    farm = Farm(make_layout(f"  pv: {{kind: pv_generator, count: 1, feeder: east, ratings: {ratings}}}\n"))
    device = farm.device("pv-001")
    device.submit(asked, "test", "here", 0.0)
    for _ in range(20):
        farm.step(1.0)
    told_of = device.submit(
        {"active_power_setpoint_w": 4_999.0, "active_power_setpoint_enabled": 1.0}, "test", "here", 0.0
    ).limited
    for _ in range(20):
        farm.step(1.0)
    assert told_of == {"active_power_setpoint_w": pytest.approx(device.true_value("active_power_w"), rel=1e-3)}
    assert device.true_value("available_power_w") > 4_900.0


@pytest.mark.parametrize(("first", "active", "reactive"), [(1.0, 2_500.0, 4_330.127), (0.0, 5_000.0, 2_291.288)])
def test_a_power_factor_takes_active_power_only_where_vars_go_first(
    first: float, active: float, reactive: float
) -> None:
    """A power factor of 0.5 of 5 kVA is 2.5 kW; 5 kW of 5.5 kVA leave sqrt(5.5**2 - 5**2) kvar."""
    apparent = 5_000.0 if first else 5_500.0
    columns = devices(
        PV,
        N,
        rated_power_w=5_000.0,
        dc_power_w=12_000.0,
        rated_apparent_power_va=apparent,
        reactive_capability_frac=1.0,
        reactive_first=first,
        tilt_deg=20.0,
        azimuth_deg=180.0,
    )
    columns = warm(told(columns, power_factor_setpoint=0.5, power_factor_setpoint_enabled=1.0))
    assert columns["available_power_w"] == pytest.approx(5_000.0)
    assert columns["active_power_w"] == pytest.approx(active)
    assert columns["reactive_power_var"] == pytest.approx(reactive)


@pytest.mark.parametrize(
    ("code", "share"),
    [("en-50549-1", 1.0 - 0.4 * 0.3), ("vde-ar-n-4105", 1.0 - 0.4 * 0.3), ("ieee-1547-2018-b", None)],
)
def test_too_high_a_frequency_takes_a_share_of_what_it_delivered_when_that_began(
    code: str, share: float | None
) -> None:
    """40 % of the momentary power a hertz above 50.2 Hz in Europe; in IEEE 1547 the rating counts, whatever the sun."""
    number = grid_code.NAMES.index(code)
    columns = devices(PV, N, rated_power_w=10_000.0, dc_power_w=4_000.0, grid_code=number, tilt_deg=20.0)
    columns = warm(told(columns, frequency_support_enabled=1.0))
    before = columns["active_power_w"]
    for _ in range(60):
        columns = PV.step(columns, surroundings(N, NOON_S, frequency_hz=50.5), 1.0)
    expected = before * share if share else before - 1e4 * (0.5 / 50.0 - 0.036 / 60.0) / 0.05
    assert columns["active_power_w"] == pytest.approx(np.maximum(expected, 0.0), rel=1e-3)
    if share:
        cloudless = {"ghi_w_per_m2": 1_200.0, "dni_w_per_m2": 1_000.0, "dhi_w_per_m2": 200.0}
        brighter = PV.step(columns, surroundings(N, NOON_S, frequency_hz=50.5, **cloudless), 60.0)
        assert brighter["active_power_w"] == pytest.approx(expected, rel=1e-3), "more sun is not for the taking"
    for _ in range(60):
        columns = PV.step(columns, surroundings(N, NOON_S), 1.0)
    assert columns["active_power_w"] == pytest.approx(columns["available_power_w"])


def test_the_dark_is_the_limit_of_ever_less_light() -> None:
    """At night most is not worked out at all, which must come to what next to no light comes to."""
    columns = warm(devices(PV, N, share_2=0.3))
    world = replace(surroundings(N, 22.0 * HOUR_S), ghi_w_per_m2=0.0, dni_w_per_m2=0.0, dhi_w_per_m2=0.0)
    night = PV.step(columns, world, 60.0)
    dusk = PV.step(columns, replace(world, ghi_w_per_m2=1e-9, dhi_w_per_m2=1e-9), 60.0)
    assert night.keys() == dusk.keys()
    for name, values in dusk.items():
        assert night[name] == pytest.approx(values, abs=1e-8), name
    assert np.all(night["module_temperature_degc"] > world.air_temperature_degc)
