"""What meters count by phase, and the demands of a smart meter."""

from __future__ import annotations

import numpy as np
import pytest
from world import MIDNIGHT_S, after, devices, surroundings, told

from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.devices.ev_charger import DEVICE as CHARGER
from pilotfarm.emulators.devices.prosumer import DEVICE as HOME
from pilotfarm.emulators.devices.smart_meter import DEVICE as METER

PHASES = (1, 2, 3)
METERED = pytest.mark.parametrize("spec", [METER, CHARGER, HOME], ids=lambda spec: spec.kind)


@METERED
@pytest.mark.parametrize("phases", [1.0, 3.0])
def test_what_the_phases_count_is_the_power_over_the_step_and_adds_up(spec: DeviceSpec, phases: float) -> None:
    columns = after(spec, devices(spec, phases=phases), 0.0, 36_000.0, 600.0)
    moved = 0.0
    for k in range(1, 9):
        before, hours = columns, 600.0 / 3600.0
        columns = spec.step(columns, surroundings(16, 36_000.0 + 600.0 * k), 600.0)

        def counted(name: str) -> np.ndarray:
            return columns[name] - before[name]  # noqa: B023  (called within the turn)

        for unit, stem, power in (
            ("wh", "energy", "active_power_l{}_w"),
            ("varh", "reactive_energy", "reactive_power_l{}_var"),
        ):
            net = [counted(f"{stem}_exported_l{p}_{unit}") - counted(f"{stem}_imported_l{p}_{unit}") for p in PHASES]
            for phase, energy in zip(PHASES, net, strict=True):
                assert energy == pytest.approx(columns[power.format(phase)] * hours, abs=1e-6)
                assert np.all(counted(f"{stem}_exported_l{phase}_{unit}") >= 0.0)
                assert np.all(counted(f"{stem}_imported_l{phase}_{unit}") >= 0.0)
            total = counted(f"{stem}_exported_{unit}") - counted(f"{stem}_imported_{unit}")
            assert sum(net) == pytest.approx(total, abs=1e-6)
        for phase in PHASES:
            apparent = np.hypot(columns[f"active_power_l{phase}_w"], columns[f"reactive_power_l{phase}_var"])
            assert counted(f"apparent_energy_l{phase}_vah") == pytest.approx(apparent * hours, abs=1e-6)
        assert counted("apparent_energy_vah") == pytest.approx(columns["apparent_power_va"] * hours, abs=1e-6)
        amperes = sum(columns[f"current_l{phase}_a"] for phase in PHASES)
        assert counted("charge_ah") == pytest.approx(amperes * hours, abs=1e-9)
        moved += float(counted("charge_ah").sum())
    assert moved > 0.0


def steps_of(minutes: float, dt_s: float, until_s: float, **told_first: float) -> tuple[list[float], list[dict]]:
    """Run a meter in steps of ``dt_s``; return its powers drawn and its columns, one a step."""
    columns = devices(METER, 8, phases=3.0)
    columns = told(columns, demand_period_s=60.0 * minutes, **told_first)
    powers, seen = [], []
    for k in range(1, round(until_s / dt_s) + 1):
        columns = METER.step(columns, surroundings(8, k * dt_s), dt_s)
        powers.append(-columns["active_power_w"])
        seen.append(columns)
    return powers, seen


@pytest.mark.parametrize(("minutes", "dt_s"), [(5.0, 60.0), (15.0, 60.0), (15.0, 450.0), (30.0, 900.0), (60.0, 900.0)])
def test_a_demand_is_the_mean_of_a_whole_period_of_the_clock(minutes: float, dt_s: float) -> None:
    assert MIDNIGHT_S % 3_600.0 == 0.0
    powers, seen = steps_of(minutes, dt_s, 3.0 * 3_600.0)
    a_period = round(60.0 * minutes / dt_s)
    highest = np.zeros(8)
    for k, columns in enumerate(seen, 1):
        whole = k // a_period
        expected = np.mean(powers[(whole - 1) * a_period : whole * a_period], axis=0) if whole else np.zeros(8)
        highest = np.maximum(highest, expected)
        assert columns["demand_power_w"] == pytest.approx(expected, rel=1e-9)
        assert columns["demand_power_max_w"] == pytest.approx(highest, rel=1e-9)


def test_of_a_step_longer_than_the_period_the_demand_is_its_power() -> None:
    powers, seen = steps_of(15.0, 2_700.0, 4.0 * 2_700.0)
    assert seen[-1]["demand_power_w"] == pytest.approx(powers[-1])


def test_with_a_period_of_0_the_demand_is_what_is_now_and_the_maximum_the_highest_of_that() -> None:
    powers, seen = steps_of(0.0, 300.0, 7_200.0)
    for k, columns in enumerate(seen):
        assert columns["demand_power_w"] == pytest.approx(powers[k])
        assert columns["demand_current_l2_a"] == pytest.approx(columns["current_l2_a"])
        assert columns["demand_apparent_power_va"] == pytest.approx(columns["apparent_power_va"])
        assert columns["demand_power_max_w"] == pytest.approx(np.max(powers[: k + 1], axis=0))
        assert columns["demand_current_max_l2_a"] == pytest.approx(
            np.max([each["current_l2_a"] for each in seen[: k + 1]], axis=0)
        )


def test_a_reset_forgets_the_highest_demands_and_keeps_the_demand() -> None:
    _, seen = steps_of(5.0, 60.0, 7_200.0)
    before = seen[-1]
    assert np.any(before["demand_power_max_w"] > before["demand_power_w"])
    reset = METER.step(told(before, demand_reset=1.0), surroundings(8, 7_230.0), 30.0)
    assert reset["demand_power_max_w"] == pytest.approx(before["demand_power_w"])
    assert reset["demand_power_w"] == pytest.approx(before["demand_power_w"])
    assert not reset["demand_reset"].any()


def test_a_period_that_changes_begins_anew() -> None:
    _, seen = steps_of(60.0, 60.0, 3_600.0 + 600.0)
    columns = told(seen[-1], demand_period_s=300.0)
    shown, powers = columns["demand_power_w"], []
    # 70 min after midnight a period of 5 min begins: what was counted for the hour is no part of it.
    for k in range(1, 6):
        columns = METER.step(columns, surroundings(8, 4_200.0 + 60.0 * k), 60.0)
        powers.append(-columns["active_power_w"])
        if k < 5:
            assert columns["demand_power_w"] == pytest.approx(shown)
    assert columns["demand_power_w"] == pytest.approx(np.mean(powers, axis=0))


def test_a_period_that_was_not_seen_whole_is_no_demand() -> None:
    columns = told(devices(METER, 8), demand_period_s=900.0)
    for k in range(1, 11):
        columns = METER.step(columns, surroundings(8, 300.0 + 60.0 * k), 60.0)
    assert not columns["demand_power_w"].any(), "since 00:05 no whole quarter of an hour is over"
    for k in range(11, 26):
        columns = METER.step(columns, surroundings(8, 300.0 + 60.0 * k), 60.0)
    assert columns["demand_power_w"].all()
