"""Laws of what a master lets a storage do: its window, its source, its ramps, and what goes before what."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from world import HOUR_S, after, devices, surroundings, told

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.arrays import Columns, Floats, canonical
from pilotfarm.emulators.contracts.device import OfColumn
from pilotfarm.emulators.devices.battery.limits import window
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.quantities import STORAGE
from pilotfarm.emulators.site import load

BATTERY = registry.device("battery")
HOME = registry.device("prosumer")
RATED_W = 3_300.0
NOON = {"ghi_w_per_m2": 900.0, "dni_w_per_m2": 800.0}
SUPPORT = {"frequency_support_enabled": 1.0}


def batteries(n: int = 1, **ratings: float) -> Columns:
    """Batteries that rest unless they are asked, with room both ways at their rated power."""
    given = {"rated_power_w": RATED_W, "rated_energy_wh": 20_000.0, "soc_frac": 0.5, "own_schedule_frac": 0.0}
    return devices(BATTERY, n, **(given | {"ramp_frac_per_s": 1.0} | ratings))


def ran(columns: Columns, seconds: int = 3, hour: float = 9.0, **world: float) -> Columns:
    return after(BATTERY, columns, hour * HOUR_S, float(seconds), 1.0, **world)


def limited(columns: Columns, charge: float | None, discharge: float | None, **written: float) -> Columns:
    """Both rates in per cent, each with its bit set unless it is ``None``."""
    return told(
        columns,
        charge_limit_frac=1.0 if charge is None else charge / 100.0,
        charge_limit_enabled=float(charge is not None),
        discharge_limit_frac=1.0 if discharge is None else discharge / 100.0,
        discharge_limit_enabled=float(discharge is not None),
        **written,
    )


# ---------------------------------------------------------------------------------------- the window


FRONIUS = {
    "1: only charge": (None, 0.0, -3_300.0, 0.0),
    "2: only discharge": (0.0, None, 0.0, 3_300.0),
    "3: neither": (0.0, 0.0, 0.0, 0.0),
    "4: both at half": (50.0, 50.0, -1_650.0, 1_650.0),
    "5: charge with half to three quarters": (75.0, -50.0, -2_475.0, -1_650.0),
    "6: discharge with half": (-50.0, 50.0, 1_650.0, 1_650.0),
    "7: charge with half to all": (None, -50.0, -3_300.0, -1_650.0),
    "nothing": (None, None, -3_300.0, 3_300.0),
}
"""The examples of Fronius' manual for WChaMax = 3300 W (its example 6 states the power as that of charging)."""


@pytest.mark.parametrize(("charge", "discharge", "low_w", "high_w"), FRONIUS.values(), ids=FRONIUS)
def test_the_window_is_that_of_fronius_examples(
    charge: float | None, discharge: float | None, low_w: float, high_w: float
) -> None:
    columns = limited(batteries(), charge, discharge)
    for asked_w in np.linspace(-3_300.0, 3_300.0, 9):
        asked = told(columns, active_power_setpoint_w=asked_w, active_power_setpoint_enabled=1.0)
        assert ran(asked)["active_power_w"] == pytest.approx(min(max(asked_w, low_w), high_w))
    rests = 0.0 if low_w <= 0.0 <= high_w else low_w if low_w > 0.0 else high_w
    assert ran(columns)["active_power_w"] == pytest.approx(rests)


CONTRADICTIONS = {
    "two minima": (-50.0, -50.0, 0.0),
    "a minimum of discharge above its maximum": (-50.0, 30.0, 990.0),
    "a minimum of charge above its maximum": (30.0, -50.0, -990.0),
    "a minimum of discharge, and none allowed": (-50.0, 0.0, 0.0),
    "a minimum of charge, and none allowed": (0.0, -50.0, 0.0),
}


@pytest.mark.parametrize(("charge", "discharge", "watts"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
@pytest.mark.parametrize("asked_w", [-3_000.0, 0.0, 3_000.0])
def test_a_maximum_goes_before_a_minimum_and_two_minima_cancel_out(
    charge: float, discharge: float, watts: float, asked_w: float
) -> None:
    columns = limited(batteries(), charge, discharge, active_power_setpoint_w=asked_w, active_power_setpoint_enabled=1)
    assert ran(columns)["active_power_w"] == pytest.approx(watts)


RATES = (-1.0, -0.4, 0.0, 0.3, 1.0)
OFF_ON = (0.0, 1.0)
STATES_OF_CHARGE = (0.1, 0.5, 0.95)
SETTINGS = np.array(
    list(product(RATES, OFF_ON, RATES, OFF_ON, STATES_OF_CHARGE, (-2_000.0, 1_500.0), OFF_ON, OFF_ON, OFF_ON, OFF_ON))
).T
"""Both rates with their bits, state of charge, set-point and its switch, limit to the grid, source, link lost."""
NAMES = ("charge_limit_frac", "charge_limit_enabled", "discharge_limit_frac", "discharge_limit_enabled", "soc_frac")
NAMES += ("active_power_setpoint_w", "active_power_setpoint_enabled", "active_power_limit_enabled")
NAMES += ("grid_charging_allowed", "lost")


def every_combination(hour: float) -> tuple[Columns, dict[str, Floats]]:
    """A battery a combination, settled at an hour of the day at which it has a schedule, and what it was told."""
    given = dict(zip(NAMES, SETTINGS, strict=True))
    made = [batteries(SETTINGS.shape[1], own_schedule_frac=0.5, soc_frac=soc) for soc in STATES_OF_CHARGE]
    which = np.searchsorted(STATES_OF_CHARGE, given["soc_frac"])
    columns = {name: np.choose(which, [each[name] for each in made]) for name in made[0]}
    columns |= {name: values.copy() for name, values in given.items() if name not in ("lost", "soc_frac")}
    columns["active_power_limit_frac"] = np.full(SETTINGS.shape[1], 0.2)
    columns["sesp_timeout_s"] = np.where(given["lost"] > 0.0, 0.5, 0.0)
    columns["sesp_silence_s"] = np.where(given["lost"] > 0.0, 10.0, 0.0)
    return after(BATTERY, columns, hour * HOUR_S, 3.0, 1.0), given


def expected(given: dict[str, Floats], row: int, schedule_w: float) -> float:
    """The order of precedence in plain words, from what goes last to what goes first."""
    of = {name: float(values[row]) for name, values in given.items()}
    lost = of["lost"] > 0.0
    power = 0.0 if lost else schedule_w
    if of["active_power_setpoint_enabled"] and not lost:
        power = of["active_power_setpoint_w"]
    low, high = -np.inf, np.inf
    if of["charge_limit_enabled"]:
        low = -of["charge_limit_frac"] * RATED_W
    if of["discharge_limit_enabled"]:
        high = of["discharge_limit_frac"] * RATED_W
    if low <= high:
        if not lost:
            power = min(max(power, low), high)
    else:
        power = min(max(0.0, high), low)
        if lost:
            power = 0.0
    power = min(max(power, -max(-low, 0.0)), max(high, 0.0))
    if not of["grid_charging_allowed"]:
        power = max(power, 0.0)
    if of["active_power_limit_enabled"]:
        power = min(power, 0.2 * RATED_W)
    if of["soc_frac"] <= 0.1:
        power = min(power, 0.0)
    if of["soc_frac"] >= 0.95:
        power = max(power, 0.0)
    return power


@pytest.mark.parametrize("hour", [12.5, 19.5], ids=["charging by its schedule", "discharging by its schedule"])
def test_what_goes_before_what_in_every_combination(hour: float) -> None:
    columns, given = every_combination(hour)
    schedule_w = ran(batteries(own_schedule_frac=0.5), hour=hour)["active_power_w"][0]
    assert abs(schedule_w) == pytest.approx(0.5 * RATED_W, rel=1e-3)
    wanted = [expected(given, row, schedule_w) for row in range(SETTINGS.shape[1])]
    assert columns["active_power_w"] == pytest.approx(np.array(wanted), abs=3.0)
    assert np.array_equal(columns["sesp_link_lost"], given["lost"])


def test_what_it_says_it_can_follow_is_what_it_follows() -> None:
    """To the end of its reach a set-point is met; beyond it the power is the end, with every combination of limits."""
    columns, given = every_combination(12.5)
    followed = (given["lost"] == 0.0) & (given["soc_frac"] == 0.5)
    ends = {"charge_power_available_w": -1.0, "discharge_power_available_w": 1.0}
    for bound, (name, sign) in zip(("now_min", "now_max"), ends.items(), strict=True):
        end = getattr(BATTERY.limits["active_power_setpoint_w"], bound)
        assert isinstance(end, OfColumn)
        reach = end.gain * columns[end.name]
        asked = {**columns, "active_power_setpoint_enabled": np.ones_like(reach)}
        asked["active_power_setpoint_w"] = np.full_like(reach, sign * RATED_W)
        moved = after(BATTERY, asked, 12.5 * HOUR_S, 4.0, 1.0)
        assert moved["active_power_w"][followed] == pytest.approx(reach[followed], abs=3.0)
        assert np.all(sign * moved["active_power_w"][followed] <= columns[name][followed] + 3.0)


def test_a_limit_needs_an_identified_sesp_as_the_limit_to_the_grid_does() -> None:
    refused = limited(batteries(invalid_credential=1.0, own_schedule_frac=0.5), 0.0, None)
    assert ran(refused, hour=12.5)["active_power_w"] == pytest.approx(-0.5 * RATED_W)
    cleared = {**refused, "identification_clear": np.ones(1)}
    assert ran(cleared, hour=12.5)["active_power_w"] == 0.0


def test_without_a_limit_there_is_no_window_and_each_of_them_alone_makes_one() -> None:
    columns = {name: canonical(column) for name, column in batteries().items()}
    shares = dict.fromkeys(("charge_limit_frac", "discharge_limit_frac"), np.zeros(1))
    assert window({**columns, **shares}, columns["remote_enabled"]) is None
    for name, value in (("charge_limit_enabled", 1.0), ("discharge_limit_enabled", 1.0), ("reference_power_w", 3e3)):
        assert window({**columns, name: np.full(1, value)}, columns["remote_enabled"]) is not None
    moved = {**told(columns, active_power_setpoint_w=-RATED_W), "active_power_setpoint_enabled": np.ones(1)}
    assert ran({**moved, "reference_power_w": np.full(1, 3e3)})["active_power_w"] == pytest.approx(-3e3)


@pytest.mark.parametrize("kind", ["battery", "home"])
def test_what_a_master_may_set_is_within_the_ratings(kind: str) -> None:
    device = next(each for each in Farm(load("tiny")) if each.id.startswith(kind))
    own = STORAGE.of if kind == "home" else str
    largest_w = max(device.value(own("rated_power_w")), device.value(own("rated_charge_power_w")))
    bounds = {"reference_power_w": (0.01 * largest_w, largest_w)}
    bounds |= {"charge_limit_frac": (-1.0, 1.0), "discharge_limit_frac": (-1.0, 1.0)}
    bounds |= {"charge_ramp_frac_per_s": (0.002, 0.2), "discharge_ramp_frac_per_s": (0.002, 0.2)}
    for name, (low, high) in bounds.items():
        assert device.bounds(own(name)) == pytest.approx((low, high)), name


def test_both_limits_revert_together_and_a_write_of_either_renews_them() -> None:
    farm = Farm(load("tiny"))
    battery = next(each for each in farm if each.id.startswith("battery"))
    both = {"charge_limit_enabled": 1.0, "charge_limit_frac": 0.3}
    both |= {"discharge_limit_enabled": 1.0, "discharge_limit_frac": 0.7}
    battery.submit(both | {"charge_discharge_limits_reversion_s": 10.0}, "test", "me", 0.0)
    for name in both:
        for _ in range(8):
            farm.step(1.0)
        battery.submit({name: both[name]}, "test", "me", 0.0)
    for _ in range(10):
        farm.step(1.0)
    assert [battery.value(f"{way}_limit_enabled") for way in ("charge", "discharge")] == [1.0, 1.0]
    assert battery.value("charge_discharge_limits_reversion_remaining_s") == 1.0
    farm.step(1.0)
    assert [battery.value(f"{way}_limit_enabled") for way in ("charge", "discharge")] == [0.0, 0.0]
    assert [battery.value(f"{way}_limit_frac") for way in ("charge", "discharge")] == [0.3, 0.7]


# ------------------------------------------------------------------------- frequency, ramps, reference


@pytest.mark.parametrize(("frequency_hz", "sign"), [(49.0, 1.0), (51.0, -1.0)])
def test_support_of_the_frequency_moves_away_from_a_minimum_and_stays_within_a_maximum(
    frequency_hz: float, sign: float
) -> None:
    helps = ran(told(batteries(), **SUPPORT), 20, frequency_hz=frequency_hz)["active_power_w"]
    assert np.all(sign * helps > 500.0)
    charging, discharging = limited(batteries(), None, -50.0, **SUPPORT), limited(batteries(), -50.0, None, **SUPPORT)
    for columns, least_w in ((charging, -1_650.0), (discharging, 1_650.0)):
        kept = ran(columns, 20, frequency_hz=frequency_hz)["active_power_w"]
        assert kept == pytest.approx(np.clip(least_w + helps, -RATED_W, RATED_W) * (np.sign(least_w + helps) != 0.0))
    bounded = ran(limited(batteries(), 5.0, 10.0, **SUPPORT), 20, frequency_hz=frequency_hz)["active_power_w"]
    assert bounded == pytest.approx(0.1 * RATED_W if sign > 0.0 else -0.05 * RATED_W)


@pytest.mark.parametrize(("charge_w", "discharge_w"), [(3_300.0, 3_300.0), (2_000.0, 5_000.0), (5_000.0, 2_000.0)])
def test_the_reference_is_the_larger_rating_until_it_is_moved_and_then_the_maximum_charge_power(
    charge_w: float, discharge_w: float
) -> None:
    """Fronius: WChaMax := max(MaxChaRte, MaxDisChaRte)."""
    columns = batteries(rated_power_w=discharge_w, rated_charge_power_w=charge_w)
    larger = max(charge_w, discharge_w)
    assert columns["reference_power_w"] == larger
    half = limited(columns, 50.0, 50.0)
    for asked_w, rated_w in ((-charge_w, charge_w), (discharge_w, discharge_w)):
        asked = told(half, active_power_setpoint_w=asked_w, active_power_setpoint_enabled=1.0)
        assert np.abs(ran(asked)["active_power_w"]) == pytest.approx(min(0.5 * larger, rated_w))
    moved = told(columns, reference_power_w=1_000.0, active_power_setpoint_w=-charge_w, active_power_setpoint_enabled=1)
    assert ran(moved)["active_power_w"] == pytest.approx(-1_000.0)
    assert ran(moved)["charge_power_available_w"] == pytest.approx(1_000.0)
    assert ran(limited(moved, 50.0, -20.0))["active_power_w"] == pytest.approx(-500.0)
    assert ran(limited(moved, None, -20.0, active_power_setpoint_w=0.0))["active_power_w"] == pytest.approx(-200.0)


def test_each_way_has_a_ramp_of_its_own_over_the_reference() -> None:
    columns = told(batteries(), charge_ramp_frac_per_s=0.1, discharge_ramp_frac_per_s=0.2)
    columns = told(columns, active_power_setpoint_w=-3_000.0, active_power_setpoint_enabled=1.0)
    assert ran(columns, 2)["active_power_w"] == pytest.approx(-2 * 0.1 * RATED_W)
    up = told(ran(columns, 20), active_power_setpoint_w=3_000.0)
    assert ran(up, 2)["active_power_w"] == pytest.approx(-3_000.0 + 2 * 0.2 * RATED_W)
    slow = told(columns, reference_power_w=1_650.0)
    assert ran(slow, 2)["active_power_w"] == pytest.approx(-2 * 0.1 * 1_650.0)


def test_a_minimum_is_met_by_the_ramp_and_a_maximum_at_once() -> None:
    columns = told(batteries(ramp_frac_per_s=0.1), active_power_setpoint_w=-3_000.0, active_power_setpoint_enabled=1.0)
    assert ran(limited(columns, None, -100.0), 2)["active_power_w"] == pytest.approx(-0.2 * RATED_W)
    assert ran(limited(ran(columns, 20), 10.0, None), 1)["active_power_w"] == pytest.approx(-0.1 * RATED_W)


# ----------------------------------------------------------------------------------------- reserve


def test_the_reserve_ends_discharge_at_its_edge_and_charges_nothing() -> None:
    columns = told(batteries(), soc_min_frac=0.5 - 1e-4, active_power_setpoint_w=3_000.0)
    emptied = ran(told(columns, active_power_setpoint_enabled=1.0), 60)
    assert emptied["soc_frac"] == pytest.approx(0.5 - 1e-4, abs=1e-9)
    raised = ran(told(columns, active_power_setpoint_enabled=1.0, soc_min_frac=0.8), 60)
    assert raised["active_power_w"] == 0.0
    assert raised["soc_frac"] == 0.5
    assert ran(limited(raised, None, -50.0), 3)["active_power_w"] == pytest.approx(-0.5 * RATED_W)


# ------------------------------------------------------------------------------------------ source


def test_a_battery_by_itself_that_may_not_charge_from_the_grid_does_not_charge() -> None:
    columns = batteries(grid_charging_allowed=0.0, own_schedule_frac=0.5)
    assert columns["charge_power_available_w"] == 0.0
    for state in (
        ran(columns, hour=12.5),
        ran(limited(columns, None, -100.0)),
        ran(told(columns, active_power_setpoint_w=-3_000.0, active_power_setpoint_enabled=1.0)),
        ran(told(columns, **SUPPORT), frequency_hz=51.0),
    ):
        assert state["active_power_w"] == 0.0
        assert state["charge_power_available_w"] == 0.0
    assert ran(columns, hour=19.5)["active_power_w"] > 0.0
    assert ran(told(columns, grid_charging_allowed=1.0), hour=12.5)["active_power_w"] < 0.0


FORCED = {
    "a minimum": {"storage_discharge_limit_frac": -1.0, "storage_discharge_limit_enabled": 1.0},
    "a set-point": {"storage_active_power_setpoint_w": -2_000.0, "storage_active_power_setpoint_enabled": 1.0},
    "the home's set-point": {"active_power_setpoint_w": -30_000.0, "active_power_setpoint_enabled": 1.0},
}


@pytest.mark.parametrize("written", FORCED.values(), ids=FORCED)
@pytest.mark.parametrize("dt_s", [1.0, 60.0])
def test_a_home_that_may_not_charge_from_the_grid_charges_with_the_power_of_its_pv(
    written: dict[str, float], dt_s: float
) -> None:
    """From dawn over noon into the night, step by step."""
    ratings = {"storage_soc_frac": 0.3, "storage_rated_energy_wh": 40_000.0, "pv_rated_power_w": 6_000.0}
    start = devices(HOME, **(ratings | {"storage_rated_power_w": 2_000.0, "ev_rated_current_a": 6.0}))
    held = told(start, storage_grid_charging_allowed=0.0, **written)
    free = told(start, **written)
    short = enough = 0
    for hour in (3.0, 6.5, 8.0, 12.0, 18.5, 23.0):
        for k in range(6):
            world = surroundings(16, hour * HOUR_S + k * dt_s)
            held, free = (HOME.step(each, world, dt_s) for each in (held, free))
            drawn_w = -held["storage_active_power_w"]
            assert np.all(drawn_w <= held["pv_active_power_w"])
            assert np.all(held["storage_charge_power_available_w"] <= held["pv_active_power_w"])
        most_w = -free["storage_active_power_w"]
        assert drawn_w == pytest.approx(np.minimum(most_w, held["pv_active_power_w"]), abs=1.0)
        short += np.sum(held["pv_active_power_w"] < most_w - 1.0)
        enough += np.sum((held["pv_active_power_w"] > most_w + 1.0) & (most_w > 100.0))
    assert min(short, enough) > 4


def test_a_home_that_may_charge_from_the_grid_does_so_at_night_when_it_has_to() -> None:
    columns = told(devices(HOME, storage_soc_frac=0.3), **FORCED["a minimum"])
    night = after(HOME, columns, 1.0 * HOUR_S, 300.0)
    assert np.all(night["storage_active_power_w"] < -2_000.0)
    assert not night["pv_active_power_w"].any()


@pytest.mark.parametrize("allowed", [0.0, 1.0])
def test_a_limit_to_the_grid_curtails_no_sun_that_a_minimum_puts_into_the_storage(allowed: float) -> None:
    """Also where only sun may go in: the PV is not held down because nothing is stored, and nothing stored for that."""
    ratings = {"storage_soc_frac": 0.3, "ev_rated_current_a": 6.0}
    night = after(HOME, devices(HOME, 16, **ratings), 1 * HOUR_S, 600.0)
    written = {"active_power_limit_frac": 0.0, "active_power_limit_enabled": 1.0} | FORCED["a minimum"]
    columns = after(HOME, told(night, storage_grid_charging_allowed=allowed, **written), 1 * HOUR_S + 600.0, 120.0)
    assert not columns["pv_active_power_w"].any()
    for k in range(1, 4):
        columns = HOME.step(columns, surroundings(16, 12 * HOUR_S + 10.0 * k, **NOON), 10.0)
        assert columns["active_power_w"].max() < 1e-6
    most_w = columns["storage_rated_charge_power_w"]
    wanted_w = most_w if allowed else np.minimum(most_w, columns["pv_available_power_w"])
    assert -columns["storage_active_power_w"] == pytest.approx(wanted_w, rel=0.01)


def test_a_limit_to_the_grid_is_kept_while_a_storage_takes_up_its_minimum_by_a_slow_ramp() -> None:
    ratings = {"storage_soc_frac": 0.3, "ev_rated_current_a": 6.0}
    columns = after(HOME, devices(HOME, 16, **ratings), 12 * HOUR_S, 600.0, **NOON)
    limit = {"active_power_limit_frac": 0.0, "active_power_limit_enabled": 1.0}
    columns = after(HOME, told(columns, **limit), 12 * HOUR_S + 600.0, 60.0, 10.0, **NOON)
    columns = told(columns, storage_charge_ramp_frac_per_s=0.002, **FORCED["a minimum"])
    for k in range(1, 10):
        columns = HOME.step(columns, surroundings(16, 12 * HOUR_S + 660.0 + 10.0 * k, **NOON), 10.0)
        assert columns["active_power_w"].max() < 1e-6
    assert np.all(columns["storage_active_power_w"] < -200.0)


def test_a_charge_limit_lets_a_limit_to_the_grid_curtail_the_sun_at_once() -> None:
    ratings = {"storage_soc_frac": 0.3, "ev_rated_current_a": 6.0}
    columns = after(HOME, devices(HOME, **ratings), 12 * HOUR_S, 600.0, **NOON)
    written = {"active_power_limit_frac": 0.0, "active_power_limit_enabled": 1.0} | FORCED["a set-point"]
    columns = after(HOME, told(columns, **written), 12 * HOUR_S + 600.0, 120.0, **NOON)
    assert columns["storage_active_power_w"].max() < -1_900.0
    for k in range(1, 5):
        columns = told(columns, storage_charge_limit_frac=0.1, storage_charge_limit_enabled=1.0)
        columns = HOME.step(columns, surroundings(16, 12 * HOUR_S + 720.0 + 10.0 * k, **NOON), 10.0)
        assert columns["active_power_w"].max() < 1e-6
        assert np.all(-columns["storage_active_power_w"] <= 0.1 * columns["storage_reference_power_w"] + 1e-9)


@pytest.mark.parametrize("least_w", [-1_500.0, 1_500.0])
def test_a_home_cannot_reach_beyond_a_minimum_of_its_storage_and_says_so(least_w: float) -> None:
    still = {"home_annual_energy_wh": 0.0, "home_heating": 0.0, "pv_rated_power_w": 1.0, "storage_soc_frac": 0.5}
    columns = after(HOME, devices(HOME, home_deferrable_wh_per_day=0.0, **still), 9 * HOUR_S, 900.0, 30.0)
    share = np.abs(least_w) / columns["storage_reference_power_w"]
    way = "discharge" if least_w < 0.0 else "charge"
    columns = told(columns, **{f"storage_{way}_limit_enabled": 1.0}) | {f"storage_{way}_limit_frac": -share}
    columns = after(HOME, columns, 9 * HOUR_S + 900.0, 60.0, 30.0)
    assert columns["storage_active_power_w"] == pytest.approx(least_w)
    others = columns["active_power_w"] - columns["storage_active_power_w"]
    end = "reach_max_w" if least_w < 0.0 else "reach_min_w"
    assert columns[end] == pytest.approx(others + least_w)


def test_loads_that_wait_take_what_a_storage_has_to_deliver() -> None:
    ratings = {"home_deferrable_wh_per_day": 20_000.0, "ev_rated_current_a": 6.0}
    columns = after(HOME, devices(HOME, **ratings), 0.0, 60.0)
    hold = {"home_active_power_setpoint_w": 0.0, "home_active_power_setpoint_enabled": 1.0}
    waiting = after(HOME, told(columns, **hold), 60.0, 300.0)
    loads = waiting["home_deferrable_energy_wh"] > 500.0
    assert loads.any()
    asked = {"home_active_power_setpoint_enabled": 0.0, "active_power_setpoint_enabled": 1.0}
    asked |= {"storage_charge_limit_frac": -0.6, "storage_charge_limit_enabled": 1.0}
    drawn = after(HOME, told(waiting, active_power_setpoint_w=0.0, **asked), 360.0, 180.0)
    less = waiting["home_deferrable_energy_wh"] - drawn["home_deferrable_energy_wh"]
    assert np.all(less[loads] > 0.0)


def test_a_limit_to_the_grid_is_kept_when_the_link_and_with_it_a_minimum_is_lost() -> None:
    ratings = {"storage_soc_frac": 0.3, "ev_rated_current_a": 6.0, "sesp_timeout_s": 900.0}
    columns = after(HOME, devices(HOME, 16, **ratings), 12 * HOUR_S, 600.0, **NOON)
    limit = {"active_power_limit_frac": 0.0, "active_power_limit_enabled": 1.0}
    columns = told(columns, **limit, **FORCED["a minimum"])
    for k in range(1, 20):
        columns = HOME.step(columns, surroundings(16, 12 * HOUR_S + 600.0 + 60.0 * k, **NOON), 60.0)
        assert columns["active_power_w"].max() < 1e-6
    assert columns["sesp_link_lost"].all()
    assert not columns["storage_active_power_w"].any()
