"""What charging points, meters and prosumer homes do besides what every kind does."""

from __future__ import annotations

import numpy as np
import pytest
from world import HOUR_S, MIDNIGHT_S, devices, surroundings, told

from emulators.contracts import DeviceSpec
from emulators.devices.ev_charger import DEVICE as CHARGER
from emulators.devices.ev_charger import EFFICIENCY, V2G_RESERVE_FRAC
from emulators.devices.prosumer import DEVICE as HOME
from emulators.devices.smart_meter import DEVICE as METER
from emulators.encoding import Columns, Floats
from emulators.physics.ev import LAG_S, LEGAL, State
from emulators.quantities import RESOURCES

DAY_S = 86_400.0
POWERS = (("active_power", "w"), ("reactive_power", "var"))


def after(
    spec: DeviceSpec, columns: Columns, start_s: float, seconds: float, dt_s: float = 60.0, **world: float
) -> Columns:
    """The columns some time later."""
    n = len(columns["online"])
    for k in range(1, round(seconds / dt_s) + 1):
        columns = spec.step(columns, surroundings(n, start_s + k * dt_s, **world), dt_s)
    return columns


def charging(**ratings: float) -> tuple[Columns, Floats]:
    """Chargers two minutes on, and which of them have a vehicle that stays and wants energy."""
    columns = after(CHARGER, devices(CHARGER, 64, **{"invalid_card_share": 0.0, **ratings}), 0.0, 120.0)
    stays = columns["time_to_departure_s"] > 1_800.0
    return columns, stays & (columns["energy_wanted_wh"] > 2_000.0)


# ------------------------------------------------------------------------------- charging points


def test_about_half_of_the_chargers_start_with_a_vehicle() -> None:
    assert 0.35 < devices(CHARGER, 400)["vehicle_connected"].mean() < 0.65


def test_vehicles_charge_with_a_taper_or_all_the_point_offers() -> None:
    columns, busy = charging(rated_current_a=16.0, phases=3.0)
    assert busy.sum() > 10
    assert np.all(columns["charge_point_state"][busy] == State.C)
    assert np.all(columns["charging_power_w"][busy] > 0.0)
    assert np.all(columns["current_l1_a"] <= 16.0 + 1e-9)


def test_over_three_days_vehicles_come_go_and_only_make_legal_transitions() -> None:
    columns = devices(CHARGER, 64, invalid_card_share=0.3)
    seen = set()
    for k in range(1, 3 * 24 * 12 + 1):
        new = CHARGER.step(columns, surroundings(64, 300.0 * k), 300.0)
        pairs = zip(columns["charge_point_state"], new["charge_point_state"], strict=True)
        seen |= {(State(int(a)), State(int(b))) for a, b in pairs}
        columns = new
    assert all(to in LEGAL[start] for start, to in seen)
    assert {(State.A, State.B), (State.B, State.C), (State.C, State.B), (State.B, State.A)} <= seen
    assert columns["session_number"].mean() > 2.0


def test_the_vehicle_stores_what_it_draws_less_the_losses() -> None:
    columns, busy = charging()
    later = after(CHARGER, columns, 120.0, 1_200.0)
    stays = busy & (columns["session_number"] == later["session_number"]) & (later["vehicle_connected"] > 0.0)
    drawn = later["energy_imported_wh"] - columns["energy_imported_wh"]
    stored = (later["vehicle_soc_frac"] - columns["vehicle_soc_frac"]) * columns["pack_wh"]
    assert stays.any()
    assert stored[stays] == pytest.approx(EFFICIENCY * drawn[stays], abs=1e-6)
    assert (later["session_energy_wh"] - columns["session_energy_wh"])[stays] == pytest.approx(drawn[stays], abs=1e-6)


def test_an_owner_without_valid_identification_stays_in_b_without_power_until_it_is_accepted() -> None:
    columns, busy = charging(invalid_card_share=1.0)
    assert np.all(columns["identification_failed"][busy] == 1.0)
    assert not columns["authorised"].any()
    assert np.all(columns["charge_point_state"][busy] == State.B)
    assert not columns["active_power_w"].any()
    cleared = after(CHARGER, told(columns, identification_clear=1.0), 120.0, 120.0)
    assert np.all(cleared["charging_power_w"][busy] > 0.0)


def test_where_the_sesp_must_release_nothing_charges_before() -> None:
    columns, busy = charging(release_mode=1.0)
    assert np.all(columns["identified"][busy] == 1.0)
    assert not columns["active_power_w"].any()
    released = after(CHARGER, told(columns, charge_release=1.0), 120.0, 120.0)
    assert np.all(released["charging_power_w"][busy] > 0.0)


def test_a_lost_link_leaves_only_the_fallback_current() -> None:
    columns, busy = charging(sesp_timeout_s=300.0, rated_current_a=16.0, phases=3.0)
    assert np.all(columns["current_limit_in_force_a"] == 16.0)
    lost = after(CHARGER, columns, 120.0, 360.0)
    assert np.all(lost["sesp_link_lost"] == 1.0)
    assert np.all(lost["current_limit_in_force_a"] == 6.0)
    for phase in (1, 2, 3):
        assert np.all(lost[f"current_l{phase}_a"][busy] <= 6.0 + 1e-6)
    found = after(CHARGER, told(lost, sesp_heartbeat=1.0), 480.0, 60.0)
    assert np.all(found["current_limit_in_force_a"] == 16.0)


def test_a_set_point_holds_the_power_and_less_than_six_amperes_is_none() -> None:
    columns, busy = charging(rated_current_a=32.0, phases=3.0)
    three = columns["vehicle_wires"] == 3.0
    asked = told(columns, active_power_setpoint_w=-5_000.0, active_power_setpoint_enabled=1.0)
    followed = after(CHARGER, asked, 120.0, 120.0)
    assert np.all(followed["active_power_w"] >= -5_000.0 - 1e-3)
    able = busy & three & (columns["vehicle_power_w"] > 5_000.0)
    assert able.any()
    assert followed["active_power_w"][able] == pytest.approx(-5_000.0)
    little = after(CHARGER, told(asked, active_power_setpoint_w=-4_000.0), 120.0, 60.0)
    assert not little["active_power_w"][three].any()
    assert np.all(little["charge_point_state"][three] <= State.B)
    # On one phase 4,000 W are 17 A, so a single-phase vehicle goes on.
    assert little["active_power_w"][busy & ~three].any()


def test_a_vehicle_follows_its_offer_with_a_lag_of_three_seconds() -> None:
    columns, busy = charging(rated_current_a=16.0, phases=3.0)
    columns = after(CHARGER, columns, 120.0, 60.0, 1.0)
    able = busy & (columns["vehicle_wires"] == 3.0) & (columns["vehicle_power_w"] > 8_000.0)
    able &= columns["vehicle_soc_frac"] < 0.7
    assert able.any()
    before = -columns["active_power_w"][able]
    columns = told(columns, current_limit_a=8.0)
    for k in range(1, 8):
        columns = CHARGER.step(columns, surroundings(64, 180.0 + k), 1.0)
        end = 8.0 * 690.0 + (before - 8.0 * 690.0) * np.exp(-k / LAG_S)
        start = 8.0 * 690.0 + (before - 8.0 * 690.0) * np.exp(-(k - 1) / LAG_S)
        mean = 8.0 * 690.0 + (start - end) * LAG_S
        assert -columns["active_power_w"][able] == pytest.approx(mean)
    assert np.all(columns["current_limit_in_force_a"] == 8.0)


def test_a_single_phase_vehicle_at_a_three_phase_point_loads_its_phase_alone() -> None:
    columns, busy = charging(rated_current_a=32.0, phases=3.0, phase=1.0)
    single = busy & (columns["vehicle_wires"] == 1.0)
    assert single.any()
    assert np.all(columns["active_power_l2_w"][single] == columns["active_power_w"][single])
    assert not columns["active_power_l1_w"][single].any()
    assert np.all(columns["active_power_w"][single] >= -7_400.0)


def test_a_dc_point_charges_at_hundreds_of_kilowatts_and_tapers_early() -> None:
    columns = devices(CHARGER, 64, dc_power_w=350_000.0, invalid_card_share=0.0)
    assert np.all(columns["rated_charge_power_w"] == pytest.approx(350_000.0))
    most = np.zeros(64)
    for k in range(1, 24 * 60 + 1):
        columns = CHARGER.step(columns, surroundings(64, 60.0 * k), 60.0)
        np.maximum(most, columns["charging_power_w"], out=most)
        limit = columns["charge_power_max_w"][columns["vehicle_soc_frac"] > 0.75]
        assert np.all(limit <= 0.5 * columns["vehicle_power_w"][columns["vehicle_soc_frac"] > 0.75] + 1e-6)
    assert np.median(most) > 50_000.0
    assert most.max() > 150_000.0
    # It offers less than 6 A a phase, too.
    asked = told(columns, active_power_setpoint_w=-2_000.0, active_power_setpoint_enabled=1.0)
    low = after(CHARGER, asked, DAY_S, 1_800.0, 60.0)
    assert low["charging_power_w"].max() == pytest.approx(2_000.0, rel=1e-3)


def test_a_vehicle_that_leaves_before_it_comes_is_no_session_and_the_next_one_is_drawn() -> None:
    columns = devices(CHARGER, 32)
    columns = {
        **columns,
        "vehicle_connected": np.zeros(32),
        "arrival_s": np.full(32, 600.0),
        "departure_s": np.full(32, 300.0),
    }
    number = columns["session_number"]
    for k in range(1, 16):
        columns = CHARGER.step(columns, surroundings(32, 60.0 * k), 60.0)
        backward = columns["arrival_s"] > columns["departure_s"]
        assert not columns["vehicle_connected"][backward].any()
        assert not columns["active_power_w"][backward].any()
        if k > 5:
            assert np.all(columns["session_number"] == number + 1.0)
            assert not backward.any()
            assert np.all(columns["arrival_s"] > 300.0)


def test_a_point_rated_for_it_discharges_down_to_the_reserve() -> None:
    columns, _ = charging(v2g_power_w=7_000.0, rated_current_a=16.0, phases=3.0)
    asked = told(columns, active_power_setpoint_w=5_000.0, active_power_setpoint_enabled=1.0)
    full = (columns["vehicle_soc_frac"] > V2G_RESERVE_FRAC + 0.1) & (columns["time_to_departure_s"] > 7_200.0)
    assert full.any()
    out = after(CHARGER, asked, 120.0, 240.0)
    assert out["active_power_w"][full] == pytest.approx(5_000.0)
    assert np.all(out["charge_power_min_w"][full] == -7_000.0)
    empty = after(CHARGER, asked, 120.0, 86_400.0, 900.0)
    plugged = empty["vehicle_connected"] > 0.0
    started_above = empty["session_soc_frac"] >= V2G_RESERVE_FRAC
    assert np.all(empty["vehicle_soc_frac"][plugged & started_above] >= V2G_RESERVE_FRAC - 1e-9)


@pytest.mark.parametrize(
    "limits", [{"current_limit_a": 7.0}, {"active_power_limit_frac": 0.25, "active_power_limit_enabled": 1.0}]
)
def test_the_charging_range_reaches_as_far_as_a_set_point_would_be_followed(limits: dict[str, float]) -> None:
    columns = told(devices(CHARGER, 64, v2g_power_w=7_000.0, invalid_card_share=0.0), **limits)
    columns = CHARGER.step(columns, surroundings(64, 30.0), 30.0)
    lowest_w = columns["charge_power_min_w"]
    asked = told(columns, active_power_setpoint_w=7_000.0, active_power_setpoint_enabled=1.0)
    out = after(CHARGER, asked, 30.0, 240.0, 30.0)
    able = (out["charge_point_state"] == 2.0) & (lowest_w < 0.0)
    assert able.sum() > 10
    assert np.allclose(out["active_power_w"][able], -lowest_w[able], rtol=1e-6)
    assert np.all(-lowest_w[able] < 7_000.0)


def sessions_of(dt_s: float, days: float, n: int, **ratings: float) -> dict[tuple[int, int], float]:
    """The energy [Wh] of every session that ended, by charger and number of the session."""
    columns = devices(CHARGER, n, invalid_card_share=0.0, **ratings)
    ended: dict[tuple[int, int], float] = {}
    for k in range(1, round(days * DAY_S / dt_s) + 1):
        before, columns = columns, CHARGER.step(columns, surroundings(n, k * dt_s), dt_s)
        for row in np.flatnonzero(columns["session_number"] > before["session_number"]):
            if before["vehicle_connected"][row] > 0.0:
                ended[row, int(before["session_number"][row])] = before["session_energy_wh"][row]
    return ended


@pytest.mark.parametrize("ratings", [{"dc_power_w": 150_000.0}, {"rated_current_a": 32.0}], ids=["dc", "ac"])
def test_a_session_comes_to_the_same_energy_whatever_the_steps_are(ratings: dict[str, float]) -> None:
    """The lag of 3 s and the taper are all that a mean over a step may blur: 2 % and 100 Wh of a session."""
    fine = sessions_of(30.0, 1.0, 32, **ratings)
    assert len(fine) > 25
    assert sum(fine.values()) > 200_000.0
    for dt_s in (60.0, 300.0, 900.0):
        coarse = sessions_of(dt_s, 1.25, 32, **ratings)
        assert set(fine) <= set(coarse)
        for one, energy_wh in fine.items():
            assert coarse[one] == pytest.approx(energy_wh, rel=0.02, abs=100.0), (dt_s, one)


def test_what_a_session_got_and_still_wants_is_what_its_owner_asked_for_all_of_it_metered() -> None:
    columns = CHARGER.step(devices(CHARGER, 64, invalid_card_share=0.0), surroundings(64, 60.0), 60.0)
    there = columns["vehicle_connected"] > 0.0
    asked_wh = columns["session_energy_wh"] + columns["energy_wanted_wh"]
    later = after(CHARGER, columns, 60.0, 7_200.0, 300.0)
    there &= (later["vehicle_connected"] > 0.0) & (later["session_number"] == columns["session_number"])
    assert there.sum() > 10
    assert later["session_energy_wh"][there].max() > 2_000.0
    assert (later["session_energy_wh"] + later["energy_wanted_wh"])[there] == pytest.approx(asked_wh[there])


@pytest.mark.parametrize(("site_type", "published_kwh"), [(0.0, 23.6), (1.0, 11.9), (2.0, 12.1)])
def test_vehicles_leave_with_about_the_energy_that_is_published(site_type: float, published_kwh: float) -> None:
    """Means of ElaadNL, by EV2Gym. Stays too short for the wish leave ours 5 to 20 % below."""
    columns, got = devices(CHARGER, 200, invalid_card_share=0.0, site_type=site_type), []
    for k in range(1, 5 * 96 + 1):
        before, columns = columns, CHARGER.step(columns, surroundings(200, 900.0 * k), 900.0)
        left = (columns["session_number"] > before["session_number"]) & (before["arrival_s"] > 0.0)
        got.extend(before["session_energy_wh"][left & (before["vehicle_connected"] > 0.0)])
    assert len(got) > 400
    assert 0.8 * published_kwh < np.mean(got) / 1_000.0 < 1.05 * published_kwh


@pytest.mark.parametrize("dt_s", [60.0, 900.0])
def test_between_two_vehicles_a_point_is_free_for_a_step_at_least(dt_s: float) -> None:
    columns = devices(CHARGER, 64, dc_power_w=150_000.0)
    for k in range(1, round(DAY_S / dt_s) + 1):
        before, columns = columns, CHARGER.step(columns, surroundings(64, k * dt_s), dt_s)
        left = (columns["session_number"] > before["session_number"]) & (before["vehicle_connected"] > 0.0)
        assert not columns["vehicle_connected"][left].any()
        stays = (before["vehicle_connected"] * columns["vehicle_connected"]) > 0.0
        both_s = columns["session_duration_s"] + columns["time_to_departure_s"]
        stay_s = columns["departure_s"] - columns["arrival_s"]
        assert both_s[stays & (before["arrival_s"] > 0.0)] == pytest.approx(stay_s[stays & (before["arrival_s"] > 0.0)])


@pytest.mark.parametrize("end", ["charge_power_min_w", "charge_power_max_w"])
@pytest.mark.parametrize(
    "ratings",
    [
        {"rated_current_a": 16.0},
        {"rated_current_a": 32.0, "phases": 1.0},
        {"dc_power_w": 150_000.0},
        {"rated_current_a": 16.0, "v2g_power_w": 7_000.0},
    ],
    ids=["three-phase", "single-phase", "dc", "v2g"],
)
def test_a_set_point_at_either_end_of_the_charging_range_is_followed(ratings: dict[str, float], end: str) -> None:
    """At any voltage, rounded to whole watts as on the wire; where nothing is wanted any more the range is none."""
    voltages = np.linspace(219.0, 241.0, 3 * 128).reshape(3, 128)

    def later(columns: Columns, start_s: float, seconds: float, dt_s: float) -> Columns:
        for k in range(1, round(seconds / dt_s) + 1):
            columns = CHARGER.step(columns, surroundings(128, start_s + k * dt_s, voltage_v=voltages), dt_s)
        return columns

    columns = later(devices(CHARGER, 128, invalid_card_share=0.0, **ratings), 0.0, 900.0, 60.0)
    read_w = columns[end]
    asked = {**told(columns, active_power_setpoint_enabled=1.0), "active_power_setpoint_w": -np.rint(read_w)}
    followed = later(asked, 900.0, 20.0, 1.0)
    stays = (columns["vehicle_connected"] > 0.0) & (followed["time_to_departure_s"] > 0.0)
    satisfied = stays & (columns["energy_wanted_wh"] < 1e-6)
    assert satisfied.any()
    # 20 s of the power read take a DC vehicle a little further into its taper.
    stays &= satisfied | (columns["energy_wanted_wh"] > 2_000.0)
    assert stays.sum() > 20
    assert followed["active_power_w"][stays] == pytest.approx(-read_w[stays], rel=0.05, abs=1.0)


def test_six_amperes_are_charged_with_at_any_voltage() -> None:
    voltages = np.linspace(219.0, 241.0, 3 * 256).reshape(3, 256)
    columns = told(devices(CHARGER, 256, invalid_card_share=0.0, rated_current_a=16.0), current_limit_a=6.0)
    for k in range(1, 4):
        columns = CHARGER.step(columns, surroundings(256, 10.0 * k, voltage_v=voltages), 10.0)
    assert np.all(columns["current_limit_in_force_a"] == 6.0)
    less = told(columns, current_limit_a=5.9)
    less = CHARGER.step(less, surroundings(256, 40.0, voltage_v=voltages), 10.0)
    assert not less["current_limit_in_force_a"].any()


def test_reactive_power_follows_its_set_point_within_the_circle() -> None:
    columns, busy = charging(rated_current_a=32.0, phases=3.0)
    asked = told(columns, reactive_power_setpoint_var=4_000.0, reactive_power_setpoint_enabled=1.0)
    followed = after(CHARGER, asked, 120.0, 60.0)
    assert followed["reactive_power_var"][busy] == pytest.approx(4_000.0)
    assert not followed["reactive_power_var"][columns["vehicle_connected"] == 0.0].any()


# ------------------------------------------------------------------------------------------ meters


def test_an_open_relay_disconnects_the_household_and_is_no_alarm() -> None:
    columns = after(METER, devices(METER), 0.0, 60.0)
    assert np.all(columns["active_power_w"] < 0.0)
    opened = after(METER, told(columns, grid_switch=0.0), 60.0, 60.0)
    assert opened["relay_open"].all()
    assert not opened["active_power_w"].any()
    assert not opened["power_failure_alarm"].any()


@pytest.mark.parametrize("dt_s", [60.0, 420.0, 900.0, 2_700.0])
def test_the_last_whole_quarter_of_an_hour_is_the_registers_difference(dt_s: float) -> None:
    columns = devices(METER)
    at = {0.0: columns["energy_imported_wh"]}
    for k in range(1, 61):
        before = columns
        columns = METER.step(columns, surroundings(16, k * dt_s), dt_s)
        first, last = int((k - 1) * dt_s // 900.0) + 1, int(k * dt_s // 900.0)
        rate = (columns["energy_imported_wh"] - before["energy_imported_wh"]) / dt_s
        for boundary in range(first, last + 1):
            at[boundary * 900.0] = before["energy_imported_wh"] + rate * (boundary * 900.0 - (k - 1) * dt_s)
    end = (60 * dt_s) // 900.0 * 900.0
    assert columns["interval_energy_imported_wh"] == pytest.approx(at[end] - at[end - 900.0], rel=1e-9)


@pytest.mark.parametrize("dt_s", [20.0, 600.0, 900.0])
def test_a_mean_voltage_out_of_band_raises_the_phases_alarm_and_counts_one_event(dt_s: float) -> None:
    columns = after(METER, devices(METER, phases=3.0), 0.0, 1_800.0, dt_s)
    start = columns["event_count"]
    phases = np.array([[200.0], [230.0], [260.0]])
    for k in range(1, round(3_600.0 / dt_s) + 1):
        columns = METER.step(columns, surroundings(16, 1_800.0 + k * dt_s, voltage_v=phases), dt_s)
    assert columns["undervoltage_l1_alarm"].all()
    assert columns["overvoltage_l3_alarm"].all()
    for name in ("undervoltage_l2_alarm", "undervoltage_l3_alarm", "overvoltage_l1_alarm", "overvoltage_l2_alarm"):
        assert not columns[name].any()
    assert columns["general_alarm"].all()
    voltage_events = columns["event_count"] - start
    assert np.all(voltage_events >= 2.0)
    cleared = METER.step(told(columns, event_clear=1.0), surroundings(16, 5_420.0), 20.0)
    assert not cleared["event_count"].any()


def test_voltage_is_judged_by_its_mean_over_ten_minutes_of_the_clock() -> None:
    columns = after(METER, devices(METER, phases=3.0), 0.0, 1_200.0)
    seen = []
    for k in range(1, 21):
        # 400 s of 200 V in a window have a mean of 210 V, 500 s one of 205 V: the band ends at 207 V.
        low = k <= 5 or 10 < k <= 17
        columns = METER.step(columns, surroundings(16, 1_200.0 + 60.0 * k, voltage_v=200.0 if low else 230.0), 60.0)
        seen.append(columns["undervoltage_l1_alarm"].all())
    assert not any(seen[:19])
    assert seen[19] == (200.0 * 7 + 230.0 * 3 < 10 * 207.0)
    columns = after(METER, columns, 2_400.0, 480.0, voltage_v=200.0)
    columns = after(METER, columns, 2_880.0, 120.0)
    assert columns["undervoltage_l1_alarm"].all()
    assert not after(METER, columns, 3_000.0, 600.0)["undervoltage_l1_alarm"].any()


def test_an_interruption_is_a_power_failure_and_no_low_voltage() -> None:
    columns = after(METER, devices(METER), 0.0, 600.0)
    dead = after(METER, columns, 600.0, 540.0, voltage_v=0.0)
    assert dead["power_failure_alarm"].all()
    back = after(METER, dead, 1_140.0, 60.0)
    assert not back["power_failure_alarm"].any()
    assert not back["undervoltage_l1_alarm"].any()
    assert np.array_equal(back["event_count"], columns["event_count"] + 1.0)


def test_a_lost_phase_is_a_low_voltage_of_that_phase_and_no_power_failure() -> None:
    columns = after(METER, devices(METER, phases=3.0), 0.0, 600.0)
    phases = np.array([[0.0], [230.0], [230.0]])
    for k in range(1, 11):
        columns = METER.step(columns, surroundings(16, 600.0 + 60.0 * k, voltage_v=phases), 60.0)
    assert columns["undervoltage_l1_alarm"].all()
    assert not columns["undervoltage_l2_alarm"].any()
    assert not columns["power_failure_alarm"].any()
    # What is not wired is not missed.
    single = after(METER, devices(METER, phases=1.0, phase=1.0), 0.0, 600.0)
    for k in range(1, 11):
        single = METER.step(single, surroundings(16, 600.0 + 60.0 * k, voltage_v=phases), 60.0)
    assert not single["general_alarm"].any()
    assert not single["event_count"].any()


def test_a_voltage_dip_is_one_event_and_no_alarm() -> None:
    """Below 90 % of nominal it begins; with a hysteresis of 2 % it is over at 92 %."""
    columns = after(METER, devices(METER, phases=3.0), 0.0, 660.0)
    assert not columns["event_count"].any()
    for k, volts, events in ((1, 150.0, 1), (2, 206.0, 1), (3, 208.0, 1), (4, 206.0, 1), (5, 230.0, 1), (6, 206.0, 2)):
        columns = METER.step(columns, surroundings(16, 660.0 + k, voltage_v=volts), 1.0)
        assert np.all(columns["event_count"] == events), (volts, events)
        assert not columns["general_alarm"].any()


def test_more_than_the_main_fuse_on_one_phase_is_an_overcurrent() -> None:
    columns = devices(METER, 64, main_fuse_a=6.0, annual_energy_wh=9e6, phases=3.0)
    seen = np.zeros(64)
    for k in range(1, 24 * 12 + 1):
        columns = METER.step(columns, surroundings(64, 300.0 * k), 300.0)
        most = np.maximum.reduce([columns[f"current_l{phase}_a"] for phase in (1, 2, 3)])
        assert np.array_equal(columns["overcurrent_alarm"] > 0.0, most > 6.0)
        seen += columns["overcurrent_alarm"]
    assert seen.any()


@pytest.mark.parametrize("tamper", ["magnetic_field", "clock_invalid", "battery_low", "communication_lost"])
def test_what_happens_to_a_meter_is_an_event_and_an_alarm_until_cleared(tamper: str) -> None:
    columns = devices(METER)
    there = after(METER, {**columns, tamper: np.ones(16)}, 0.0, 120.0)
    assert there[f"{tamper}_alarm"].all()
    assert np.array_equal(there["event_count"], columns["event_count"] + 1.0)
    gone = after(METER, told({**there, tamper: np.zeros(16)}, event_clear=1.0), 120.0, 60.0)
    assert not gone[f"{tamper}_alarm"].any()


@pytest.mark.parametrize("spec", [METER, HOME], ids=["meter", "home"])
def test_phases_carry_different_appliances_and_add_up(spec: DeviceSpec) -> None:
    columns = after(spec, devices(spec, 64, phases=3.0), 18 * HOUR_S, 1_800.0, 300.0)
    prefix = "home_" if spec is HOME else ""
    phases = np.stack([columns[f"{prefix}active_power_l{phase}_w"] for phase in (1, 2, 3)])
    assert np.array_equal(phases.sum(axis=0), columns[f"{prefix}active_power_w"])
    assert np.mean(phases.max(axis=0) - phases.min(axis=0)) > 100.0


def test_without_voltage_the_meter_reports_a_power_failure() -> None:
    assert after(METER, devices(METER), 0.0, 60.0, voltage_v=0.0)["power_failure_alarm"].all()


def test_an_opened_cover_stays_noted_until_the_events_are_cleared() -> None:
    columns = devices(METER)
    opened = after(METER, {**columns, "cover_open": np.ones(16)}, 0.0, 60.0)
    shut = after(METER, {**opened, "cover_open": np.zeros(16)}, 60.0, 60.0)
    assert shut["cover_open_alarm"].all()
    assert not after(METER, told(shut, event_clear=1.0), 120.0, 60.0)["cover_open_alarm"].any()


def test_pv_behind_the_meter_feeds_in_at_noon() -> None:
    columns = after(METER, devices(METER, pv_power_w=20_000.0), 12 * HOUR_S, 60.0, ghi_w_per_m2=900.0)
    assert columns["active_power_w"].max() > 0.0
    assert columns["energy_exported_wh"].max() > 0.0


# ----------------------------------------------------------------------------------- prosumer homes


@pytest.mark.parametrize("phases", [1.0, 3.0])
def test_a_home_is_the_sum_of_its_resources_phase_by_phase(phases: float) -> None:
    columns = devices(HOME, phases=phases)
    for k in range(1, 49):
        columns = HOME.step(columns, surroundings(16, k * 1_800.0), 1_800.0)
        by_phase = (f"{power}_l{p}_{unit}" for power, unit in POWERS for p in (1, 2, 3))
        for name in ("active_power_w", "reactive_power_var", *by_phase):
            parts = [columns[f"{resource}_{name}"] for resource in RESOURCES]
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


@pytest.mark.parametrize("dt_s", [60.0, 900.0])
def test_loads_told_to_wait_wait_until_their_deadline_and_no_longer(dt_s: float) -> None:
    """Each lot comes at a full hour and is due ``deferrable_wait_h`` later, whatever the set-point."""
    columns = devices(HOME, 32, home_deferrable_wait_h=5.0)
    columns = told(columns, home_active_power_setpoint_w=0.0, home_active_power_setpoint_enabled=1.0)
    columns = HOME.step(columns, surroundings(32, dt_s), dt_s)
    came = {0.0: columns["home_deferrable_energy_wh"]}
    drawn = np.zeros(32)
    early = np.zeros(32)
    for k in range(2, round(24 * HOUR_S / dt_s) + 1):
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
    assert np.all(early * dt_s <= 6 * HOUR_S + 10 * dt_s)


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


@pytest.mark.parametrize("dt_s", [1.0, 60.0])
def test_a_storage_that_fills_up_does_not_break_the_limit(dt_s: float) -> None:
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
    for k in range(1, round(600.0 / dt_s) + 1):
        columns = HOME.step(columns, surroundings(16, 12 * HOUR_S + 60.0 + k * dt_s, **noon), dt_s)
        assert columns["active_power_w"].max() < 1.0
        np.maximum(stored, -columns["storage_active_power_w"], out=stored)
    assert stored.max() > 500.0
    assert (columns["storage_charge_power_available_w"] < 200.0).sum() > 10


def test_reactive_power_of_the_home_is_made_by_the_storage() -> None:
    columns = after(HOME, devices(HOME), 0.0, 60.0)
    asked = told(columns, reactive_power_setpoint_var=500.0, reactive_power_setpoint_enabled=1.0)
    assert after(HOME, asked, 60.0, 60.0)["reactive_power_var"] == pytest.approx(500.0)


def test_stop_stops_the_resources_and_the_household_runs_on() -> None:
    columns = after(HOME, devices(HOME), 12 * HOUR_S, 300.0)
    stopped = after(HOME, told(columns, stop=1.0), 12 * HOUR_S + 300.0, 60.0)
    for resource in ("ev", "storage", "pv"):
        assert not stopped[f"{resource}_active_power_w"].any()
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


@pytest.mark.parametrize("dt_s", [300.0, 900.0])
def test_rooms_and_water_stay_warm_in_a_week_of_frost_in_the_leakiest_house_of_the_defaults(dt_s: float) -> None:
    """A heat pump of 2 kW gives half of what 250 W/K lose at -11 degC; its electric element gives the rest."""
    rows = 48
    ratings = {"home_heat_loss_w_per_k": 250.0, "home_heat_pump_w": 2_000.0, "home_heaters_w": 9_000.0}
    columns = devices(HOME, rows, ev_v2g_power_w=0.0, **ratings)
    kinds = np.repeat([0.0, 1.0, 2.0], rows // 3)
    made = [devices(HOME, rows, home_heating=kind, **ratings) for kind in (0.0, 1.0, 2.0)]
    columns = {
        name: np.where(
            (kinds == 0.0).reshape(-1, *[1] * (made[0][name].ndim - 1)),
            made[0][name],
            np.where((kinds == 1.0).reshape(-1, *[1] * (made[0][name].ndim - 1)), made[1][name], made[2][name]),
        )
        for name in columns
    }
    coldest_k = np.zeros(rows)
    coldest_tank = np.full(rows, 60.0)
    for k in range(1, round(4 * DAY_S / dt_s) + 1):
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
    for end in ("reach_low_w", "reach_high_w"):
        asked = {**told(columns, active_power_setpoint_enabled=1.0), "active_power_setpoint_w": columns[end]}
        reached = HOME.step(asked, surroundings(32, 9 * HOUR_S + 900.0 + dt_s), dt_s)
        steady = np.abs(reached["ev_active_power_w"] - columns["ev_active_power_w"]) < 0.1
        steady &= columns["home_deferrable_energy_wh"] > 200.0
        assert steady.sum() > 6
        assert reached["active_power_w"][steady] == pytest.approx(columns[end][steady], abs=2.0), end


@pytest.mark.parametrize("dt_s", [10.0, 900.0])
@pytest.mark.parametrize("heating", [0.0, 1.0, 2.0])
def test_every_kind_of_heating_holds_room_and_water_at_any_step_length(heating: float, dt_s: float) -> None:
    ratings = {"home_heating": heating, "home_heat_loss_w_per_k": 130.0, "home_heat_pump_w": 3_000.0}
    columns = devices(HOME, 16, **ratings)
    start = columns["home_energy_imported_wh"]
    for k in range(1, round(6 * HOUR_S / dt_s) + 1):
        world = surroundings(16, 5 * HOUR_S + k * dt_s, air_temperature_degc=2.0, ghi_w_per_m2=0.0)
        columns = HOME.step(columns, world, dt_s)
        away = columns["home_room_temperature_degc"] - columns["home_room_wanted_degc"]
        # While the heater warms water, the room goes without.
        assert np.all(away > -1.5)
        assert np.all(away < 0.4 + 0.2)
        assert np.all(columns["home_tank_temperature_degc"] < 55.0 + 1e-9)
        assert np.all(columns["home_tank_temperature_degc"] > 40.0)
    drawn = (columns["home_energy_imported_wh"] - start).mean()
    assert drawn > {0.0: 500.0, 1.0: 5_000.0, 2.0: 13_000.0}[heating]
    assert drawn < {0.0: 7_000.0, 1.0: 13_000.0, 2.0: 26_000.0}[heating]


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
