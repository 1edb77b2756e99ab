"""What smart meters do besides what every kind does."""

from __future__ import annotations

import numpy as np
import pytest
from world import HOUR_S, after, devices, surroundings, told

from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.devices.prosumer import DEVICE as HOME
from pilotfarm.emulators.devices.smart_meter import DEVICE as METER


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
    # What is not connected is not missed.
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


def test_dips_are_counted_by_the_lowest_phase_whatever_the_voltages_do() -> None:
    """Each course of voltages is told apart by a machine of two states, to a hundredth of a percent at both edges."""
    n, rng = 64, np.random.default_rng(30)
    columns = after(METER, devices(METER, n, phases=3.0), 0.0, 660.0)
    shares = np.array([0.5, 0.8999, 0.9001, 0.91, 0.9199, 0.9201, 0.95, 1.0, 1.05])
    dipped, events = np.zeros(n, dtype=bool), np.zeros(n)
    for k in range(1, 401):
        share = rng.choice(shares, (3, n), p=[0.02, 0.1, 0.1, 0.06, 0.1, 0.1, 0.17, 0.2, 0.15])
        columns = METER.step(columns, surroundings(n, 660.0 + k, voltage_v=230.0 * share), 1.0)
        lowest = share.min(axis=0)
        begun = ~dipped & (lowest < 0.90)
        dipped = (dipped & (lowest < 0.92)) | begun
        events += begun
        assert np.array_equal(columns["event_count"], events), k
    assert events.min() > 10.0
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
