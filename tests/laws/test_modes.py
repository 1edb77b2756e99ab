"""Modes come into force within their window and over their ramp, and revert unless they are renewed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from test_accepted_at_once import TINY

from pilotfarm.emulators import registry
from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.columns.arrays import Columns, everything, nothing
from pilotfarm.emulators.devices import easing
from pilotfarm.emulators.devices.keys import key_columns
from pilotfarm.emulators.farm.device import FarmDevice
from pilotfarm.emulators.farm.reversions import reverted
from pilotfarm.emulators.quantities import RESOURCES, modes, quantity
from pilotfarm.emulators.quantities.modes import Mode, modes_of
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site import load
from pilotfarm.profiles import draws

NAME, N = "active_power_limit", 400


# ------------------------------------------------------------------------------- window and ramp


def eased(window_s: float, ramp_s: float, n: int = N) -> Columns:
    keys = draws.keys_of(7, [f"device-{k}" for k in range(n)])
    times = {f"{NAME}_window_s": np.full(n, window_s), f"{NAME}_ramp_s": np.full(n, ramp_s)}
    return easing.at_rest(NAME, everything(n)) | key_columns(keys) | times


def follow(columns: Columns, target: float, dt_s: float, steps: int = 1) -> np.ndarray:
    for _ in range(steps):
        last = easing.follow(columns, NAME, np.full(len(columns["key_low"]), target), dt_s)
    return last


@pytest.mark.parametrize("dt_s", [0.25, 1.0, 4.0, 7.0, 50.0])
def test_a_ramp_is_even_and_as_long_as_asked_whatever_the_steps(dt_s: float) -> None:
    columns, passed_s = eased(0.0, 40.0, 1), 0.0
    while passed_s < 60.0:
        passed_s += dt_s
        wanted = 1.0 - 0.6 * min(passed_s / 40.0, 1.0)
        assert follow(columns, 0.4, dt_s) == pytest.approx(wanted, abs=1e-12)
    assert follow(columns, 0.4, dt_s) == 0.4


def test_a_ramp_may_be_shorter_than_a_second() -> None:
    columns = eased(0.0, 0.5, 1)
    assert follow(columns, 0.0, 0.25) == pytest.approx(0.5)
    assert follow(columns, 0.0, 0.25) == 0.0


def test_a_change_on_the_way_takes_its_own_time_from_where_it_is() -> None:
    columns = eased(0.0, 10.0, 1)
    assert follow(columns, 0.0, 5.0) == pytest.approx(0.5)
    assert follow(columns, 1.0, 5.0) == pytest.approx(0.75)
    assert follow(columns, 1.0, 5.0) == 1.0


def test_devices_begin_evenly_spread_over_a_window_and_differently_at_each_change() -> None:
    columns, begun = eased(100.0, 0.0), []
    for target in (0.5, 0.9):
        shares = [np.mean(follow(columns, target, 10.0) == target) for _ in range(10)]
        assert shares == pytest.approx(np.arange(1, 11) / 10.0, abs=0.1)
        assert shares[-1] == 1.0
    for target in (0.5, 0.9):
        begun.append(follow(columns, target, 50.0) == target)
        follow(columns, target, 50.0)
    assert 0.3 < np.mean(begun[0] != begun[1]) < 0.7


def test_what_is_asked_anew_within_the_window_waits_anew() -> None:
    columns = eased(1_000.0, 0.0)
    follow(columns, 0.5, 1.0)
    before = columns[f"{NAME}_wait_s"]
    follow(columns, 0.4, 1.0)
    assert np.mean(columns[f"{NAME}_wait_s"] > before) > 0.3
    assert np.max(columns[f"{NAME}_wait_s"]) < 1_000.0


def test_a_ramp_begins_when_the_wait_ends_be_that_within_a_step() -> None:
    columns = eased(8.0, 10.0)
    follow(columns, 0.0, 8.0)
    waited_s = 8.0 - (1.0 - columns[f"{NAME}_in_force"]) * 10.0
    assert np.all((waited_s >= 0.0) & (waited_s < 8.0))
    assert np.ptp(waited_s) > 6.0
    fine = eased(8.0, 10.0)
    assert follow(fine, 0.0, 0.5, 16) == pytest.approx(columns[f"{NAME}_in_force"], abs=1e-12)


def test_without_window_and_ramp_what_is_asked_is_in_force_as_the_same_array() -> None:
    columns = eased(0.0, 0.0) | {f"{NAME}_window_s": nothing(N), f"{NAME}_ramp_s": nothing(N)}
    target = np.linspace(0.0, 1.0, N)
    assert easing.follow(columns, NAME, target, 1.0) is target
    assert easing.in_force(columns, NAME) is target


def test_a_ramp_that_is_taken_back_on_the_way_ends_at_once() -> None:
    columns = eased(0.0, 100.0, 1)
    follow(columns, 0.0, 1.0)
    columns[f"{NAME}_ramp_s"] = np.zeros(1)
    assert follow(columns, 0.0, 1.0) == 0.0


# ---------------------------------------------------------------------------------------- at devices


@pytest.fixture
def pilot(tmp_path: Path) -> Pilot:
    site = tmp_path / "pairs.yaml"
    site.write_text(TINY.read_text(encoding="utf-8").replace("count: 1", "count: 2"), encoding="utf-8")
    return Pilot(load(str(site)), ManualClock())


def run(pilot: Pilot, wall_s: float, *, speed: float = 1.0, step_s: float = 1.0) -> None:
    """Let wall time pass, step after step."""
    assert isinstance(pilot.clock, ManualClock)
    for _ in range(round(wall_s * speed / step_s)):
        pilot.clock.advance(step_s / speed)
        pilot.step(step_s)


def told(device: FarmDevice, **values: float) -> None:
    device.submit(values, "test", "me", 0.0)


def test_a_limit_moves_the_power_of_a_battery_over_its_ramp(pilot: Pilot) -> None:
    battery = pilot.farm.device("battery-001")
    rated_w = battery.value("rated_power_w")
    told(battery, active_power_setpoint_w=rated_w, active_power_setpoint_enabled=1.0)
    run(pilot, 30.0)
    assert battery.value("active_power_w") == pytest.approx(rated_w)
    told(battery, active_power_limit_frac=0.5, active_power_limit_enabled=1.0, active_power_limit_ramp_s=10.0)
    for second in range(1, 13):
        run(pilot, 1.0)
        assert battery.value("active_power_w") == pytest.approx(rated_w * max(1.0 - 0.05 * second, 0.5))
    assert pilot.farm.device("battery-002").value("active_power_limit_frac") == 1.0


def test_the_limits_of_a_storage_ramp_together(pilot: Pilot) -> None:
    battery = pilot.farm.device("battery-001")
    rated_w, reference_w = battery.value("rated_power_w"), battery.value("reference_power_w")
    told(battery, active_power_setpoint_w=rated_w, active_power_setpoint_enabled=1.0)
    run(pilot, 30.0)
    assert battery.value("active_power_w") == pytest.approx(rated_w)
    told(battery, discharge_limit_frac=0.2, discharge_limit_enabled=1.0, charge_discharge_limits_ramp_s=20.0)
    for second in range(1, 23):
        run(pilot, 1.0)
        wanted_w = reference_w * max(1.0 - 0.04 * second, 0.2)
        assert battery.value("active_power_w") == pytest.approx(min(rated_w, wanted_w))
    told(battery, discharge_limit_enabled=0.0, charge_discharge_limits_ramp_s=0.0)
    run(pilot, 10.0)
    assert battery.value("active_power_w") == pytest.approx(rated_w)


def test_a_power_factor_ramps_in_vars_and_never_by_way_of_zero(pilot: Pilot) -> None:
    battery = pilot.farm.device("battery-001")
    power_w = 0.5 * battery.value("rated_power_w")
    told(battery, active_power_setpoint_w=power_w, active_power_setpoint_enabled=1.0)
    told(battery, power_factor_setpoint=0.9, power_factor_setpoint_enabled=1.0)
    run(pilot, 30.0)
    full_var = power_w * np.sqrt(1.0 / 0.81 - 1.0)
    assert battery.value("reactive_power_var") == pytest.approx(full_var)
    told(battery, power_factor_setpoint=-0.9, power_factor_setpoint_ramp_s=10.0)
    for second in range(1, 12):
        run(pilot, 1.0)
        wanted = full_var * max(1.0 - 0.2 * second, -1.0)
        assert battery.value("reactive_power_var") == pytest.approx(wanted, abs=1e-6)
    told(battery, power_factor_setpoint_enabled=0.0)
    run(pilot, 5.0)
    assert battery.value("reactive_power_var") == pytest.approx(-0.5 * full_var)
    run(pilot, 5.0)
    assert battery.value("reactive_power_var") == 0.0


def test_a_homes_power_factor_and_limit_ramp_too(pilot: Pilot) -> None:
    home = pilot.farm.device("home-001")
    told(home, power_factor_setpoint=0.9, power_factor_setpoint_enabled=1.0, power_factor_setpoint_ramp_s=100.0)
    run(pilot, 50.0)
    ratio = abs(home.value("reactive_power_var") / home.value("active_power_w"))
    assert ratio == pytest.approx(0.5 * np.sqrt(1.0 / 0.81 - 1.0), rel=0.1)


def test_a_homes_limit_holds_at_once_whatever_ramp_its_resources_have(pilot: Pilot) -> None:
    home = pilot.farm.device("home-001")
    told(home, storage_active_power_setpoint_w=0.0, storage_active_power_setpoint_enabled=1.0)
    told(home, pv_active_power_limit_ramp_s=5_000.0, pv_active_power_limit_window_s=5_000.0)
    run(pilot, 8.0, speed=900.0, step_s=900.0)
    for _ in range(40):
        run(pilot, 1.0, speed=600.0, step_s=600.0)
        if home.value("active_power_w") > 500.0:
            break
    assert home.value("active_power_w") > 500.0
    told(home, active_power_limit_frac=0.0, active_power_limit_enabled=1.0)
    run(pilot, 1.0)
    assert home.value("active_power_w") < 1e-6
    told(home, active_power_limit_enabled=0.0, active_power_limit_ramp_s=1_000.0, pv_active_power_limit_ramp_s=0.0)
    for second in range(1, 20):
        run(pilot, 1.0)
        assert home.value("active_power_w") <= 0.001 * second * home.value("rated_power_w") + 1e-6
    assert home.value("active_power_w") > 0.0


def test_a_switch_opens_within_its_window(pilot: Pilot) -> None:
    battery = pilot.farm.device("battery-001")
    told(battery, grid_switch=0.0, grid_switch_window_s=60.0)
    closed = 0
    while battery.value("grid_switch_closed"):
        run(pilot, 1.0)
        closed += 1
        assert closed <= 60
    assert closed > 1


# ------------------------------------------------------------------------------------- reversion


def all_modes(pilot: Pilot) -> Iterator[tuple[FarmDevice, Mode]]:
    for device in pilot.farm:
        if device.id.endswith("-001"):
            for mode in modes_of(device.group.readable, RESOURCES):
                yield device, mode


def away(device: FarmDevice, mode: Mode) -> dict[str, float]:
    """Values of a mode that are not what it reverts to."""
    values = {}
    for name in (*mode.switches, *mode.setpoints):
        low, high = device.bounds(name)
        values[name] = 1.0 - device.value(name) if quantity(name).is_binary else 0.5 * (max(low, -1e4) + min(high, 1e4))
    return values


def test_every_controllable_kind_has_every_mode(pilot: Pilot) -> None:
    found: dict[str, int] = {}
    for device, _ in all_modes(pilot):
        found[device.kind] = found.get(device.kind, 0) + 1
    of_all, at_connection = len(modes.MODES) - 1, 1
    of_resources = 3 * (of_all - at_connection) + 1
    assert found == {
        "ev_charger": of_all,
        "battery": of_all + 1,
        "pv_generator": of_all,
        "prosumer": of_all + of_resources,
    }


@pytest.mark.parametrize(("speed", "step_s"), [(1.0, 1.0), (60.0, 5.0), (0.25, 0.5)])
def test_every_mode_reverts_after_its_wall_time_at_any_speed(pilot: Pilot, speed: float, step_s: float) -> None:
    asked = {}
    for device, mode in all_modes(pilot):
        asked[device.id, mode.name] = device, mode, away(device, mode)
        told(device, **asked[device.id, mode.name][2], **{mode.reversion: 20.0})
    assert len(asked) > 30
    run(pilot, step_s / speed, speed=speed, step_s=step_s)
    for left in (20.0, 12.0, 4.0):
        for device, mode, values in asked.values():
            assert device.value(mode.remaining) == pytest.approx(left, abs=1e-3)
            assert {name: device.value(name) for name in values} == values
        run(pilot, 8.0, speed=speed, step_s=step_s)
    for device, mode, values in asked.values():
        assert device.value(mode.remaining) == 0.0
        after = reverted(device.group, device.row, mode)
        assert {name: device.value(name) for name in after} == after
        assert {name: device.value(name) for name in values} != values
        assert pilot.farm.groups[device.group.name].columns[mode.remaining][1] == 0.0


@pytest.mark.parametrize("renewed", ["switch", "setpoint", "time"])
def test_a_write_of_any_part_starts_the_time_again(pilot: Pilot, renewed: str) -> None:
    battery, mode = pilot.farm.device("battery-001"), modes.LIMIT
    values = {"active_power_limit_enabled": 1.0, "active_power_limit_frac": 0.3, mode.reversion: 10.0}
    told(battery, **values)
    name = {"switch": mode.switches[0], "setpoint": mode.setpoints[0], "time": mode.reversion}[renewed]
    for _ in range(4):
        run(pilot, 9.0)
        assert battery.value("active_power_limit_enabled") == 1.0
        told(battery, **{name: values[name]})
    run(pilot, 10.0)
    assert battery.value("active_power_limit_enabled") == 1.0
    run(pilot, 1.0)
    assert battery.value("active_power_limit_enabled") == 0.0
    assert battery.value("active_power_limit_frac") == 1.0


def test_a_renewal_that_waits_for_the_step_in_which_the_time_ends_is_not_too_late(pilot: Pilot) -> None:
    battery = pilot.farm.device("battery-001")
    told(battery, active_power_limit_enabled=1.0, active_power_limit_frac=0.3, active_power_limit_reversion_s=5.0)
    run(pilot, 5.0)
    told(battery, active_power_limit_frac=0.4)
    run(pilot, 1.0)
    assert battery.value("active_power_limit_enabled") == 1.0
    assert battery.value("active_power_limit_frac") == 0.4
    assert battery.value("active_power_limit_reversion_remaining_s") == 5.0


def test_it_reverts_to_what_the_master_asked_for(pilot: Pilot) -> None:
    battery = pilot.farm.device("battery-001")
    told(battery, active_power_setpoint_reverted_w=-700.0, active_power_setpoint_reverted_enabled=1.0)
    told(
        battery, active_power_setpoint_w=900.0, active_power_setpoint_enabled=1.0, active_power_setpoint_reversion_s=3.0
    )
    run(pilot, 30.0)
    assert battery.value("active_power_setpoint_enabled") == 1.0
    assert battery.value("active_power_setpoint_w") == -700.0
    assert battery.value("active_power_w") == pytest.approx(-700.0)


def test_a_mode_that_is_switched_off_or_has_its_time_taken_back_reverts_no_more(pilot: Pilot) -> None:
    battery = pilot.farm.device("battery-001")
    for ended in ({"active_power_limit_enabled": 0.0}, {"active_power_limit_reversion_s": 0.0}):
        told(battery, active_power_limit_enabled=1.0, active_power_limit_frac=0.3, active_power_limit_reversion_s=9.0)
        run(pilot, 2.0)
        assert battery.value("active_power_limit_reversion_remaining_s") == 8.0
        told(battery, **ended)
        run(pilot, 1.0)
        assert battery.value("active_power_limit_reversion_remaining_s") == 0.0
        run(pilot, 30.0)
        assert battery.value("active_power_limit_frac") == 0.3


def test_a_pause_does_not_stop_the_time_and_the_next_step_reverts(pilot: Pilot) -> None:
    battery = pilot.farm.device("battery-001")
    told(battery, active_power_limit_enabled=1.0, active_power_limit_frac=0.3, active_power_limit_reversion_s=9.0)
    run(pilot, 1.0)
    assert isinstance(pilot.clock, ManualClock)
    pilot.clock.advance(3_600.0)
    pilot.step(1.0)
    assert battery.value("active_power_limit_enabled") == 0.0


def test_a_reversion_is_recorded_as_the_devices_own_and_is_no_sign_of_the_sesp(pilot: Pilot) -> None:
    seen = []

    class Watcher:
        def stepped(self, *_: object) -> None: ...
        def fault_changed(self, *_: object) -> None: ...
        def traced(self, *_: object) -> None: ...
        def commanded(self, command: object, moment: object) -> None:
            seen.append(command)

    pilot.observe(Watcher())
    battery = pilot.farm.device("battery-001")
    told(battery, active_power_limit_enabled=1.0, active_power_limit_reversion_s=3.0, sesp_timeout_s=5.0)
    run(pilot, 7.0)
    assert [(each.protocol, dict(each.values)) for each in seen][1:] == [
        ("reversion", {"active_power_limit_enabled": 0.0, "active_power_limit_frac": 1.0})
    ]
    assert [each.id for each in seen] == [1, 2]
    assert battery.value("sesp_link_lost") == 1.0


def test_what_a_set_point_reverts_to_has_its_bounds() -> None:
    for kind in registry.DEVICES:
        limits = registry.device(kind).limits
        for back, name in modes.REVERTED.items():
            if name in limits:
                assert (limits[back].min, limits[back].max) == (limits[name].min, limits[name].max)
                assert limits[back].now_min is limits[back].gap is None
