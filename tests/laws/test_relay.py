"""The supply relay of a meter: every transition of IEC 62056-6-2's disconnect control, and the limiter's trip."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from world import after, devices, surroundings, told

from pilotfarm.emulators.columns.arrays import Columns
from pilotfarm.emulators.devices.prosumer import DEVICE as HOME
from pilotfarm.emulators.devices.smart_meter import DEVICE as METER

DISCONNECTED, CONNECTED, READY = 0.0, 1.0, 2.0
# Remote opens to, remote closes to, manual opens, local closes: interface class 70, the table of control_mode.
MODES = {
    0: (CONNECTED, CONNECTED, False, False),
    1: (DISCONNECTED, READY, True, False),
    2: (DISCONNECTED, CONNECTED, True, False),
    3: (DISCONNECTED, READY, False, False),
    4: (DISCONNECTED, CONNECTED, False, False),
    5: (DISCONNECTED, READY, True, True),
    6: (DISCONNECTED, READY, False, True),
}


def _meters(mode: float, n: int = 4, **ratings: float) -> Columns:
    return after(METER, devices(METER, n, relay_control_mode=mode, **ratings), 0.0, 60.0)


def _stepped(columns: Columns, dt_s: float = 60.0, **values: float) -> Columns:
    n = len(columns["online"])
    return METER.step(told(columns, **values) if values else columns, surroundings(n, 600.0), dt_s)


def _is(columns: Columns, state: float) -> bool:
    """Whether all relays are in a control state, and closed in that of connected alone."""
    closed = columns["grid_switch_closed"], 1.0 - columns["relay_open"], columns["load_energised"]
    same = [bool((each == (state == CONNECTED)).all()) for each in closed]
    return bool((columns["relay_control_state"] == state).all()) and all(same)


@pytest.mark.parametrize(("mode", "expected"), MODES.items())
def test_a_mode_lets_those_move_the_relay_whom_the_table_names(
    mode: int, expected: tuple[float, float, bool, bool]
) -> None:
    opened_to, closed_to, manual_opens, _ = expected
    connected = _meters(mode)
    assert _is(connected, CONNECTED)
    manual = _stepped(connected, relay_manual_disconnect=1.0)
    assert _is(manual, READY if manual_opens else CONNECTED)
    opened = _stepped(connected, grid_switch=0.0)
    assert _is(opened, opened_to)
    # The button closes nothing that is not ready, and nobody opens by hand what is open.
    for name in ("relay_manual_reconnect", "relay_manual_disconnect"):
        assert _is(_stepped(opened, **{name: 1.0}), opened_to if mode else CONNECTED)
    closed = _stepped(opened, grid_switch=1.0)
    assert _is(closed, closed_to)
    assert _is(_stepped(closed, relay_manual_reconnect=1.0), CONNECTED)
    assert _is(_stepped(closed, grid_switch=0.0), opened_to)


@pytest.mark.parametrize("mode", MODES)
def test_a_change_of_the_mode_moves_the_relay_only_where_it_is_always_connected(mode: int) -> None:
    opened = _stepped(_meters(3), grid_switch=0.0)
    assert _is(_stepped(opened, relay_control_mode=mode), CONNECTED if mode == 0 else DISCONNECTED)


def test_what_the_relay_is_told_again_moves_nothing() -> None:
    for mode, asked in product(MODES, (0.0, 1.0)):
        once = _stepped(_stepped(_meters(mode), grid_switch=0.0), grid_switch=asked)
        assert np.array_equal(_stepped(once, grid_switch=asked)["relay_control_state"], once["relay_control_state"]), (
            mode,
            asked,
        )


def test_with_an_open_relay_nothing_flows_and_the_registers_stand_on_the_live_line() -> None:
    n = 16
    columns = after(METER, devices(METER, n, pv_power_w=5_000.0), 43_200.0, 60.0, ghi_w_per_m2=800.0)
    assert columns["active_power_w"].any()
    before = told(columns, grid_switch=0.0)
    for k in range(1, 31):
        before = METER.step(before, surroundings(n, 43_260.0 + 60.0 * k, ghi_w_per_m2=800.0), 60.0)
        for phase in ("", "_l1", "_l2", "_l3"):
            assert not before[f"active_power{phase}_w"].any()
            assert not before[f"reactive_power{phase}_var"].any()
        assert np.all(before["voltage_l1_v"] == 230.0)
        assert before["online"].all()
        assert not before["load_energised"].any()
    for name in METER.quantities:
        if name.role == "total":
            assert np.array_equal(before[name.name], columns[name.name]), name.name
    back = METER.step(told(before, grid_switch=1.0), surroundings(n, 46_000.0), 60.0)
    assert back["active_power_w"].all()


def test_a_relay_behind_which_there_is_no_supply_energises_nobody() -> None:
    dead = after(METER, _meters(4), 60.0, 60.0, voltage_v=0.0)
    assert not dead["load_energised"].any()
    assert np.all(dead["relay_control_state"] == CONNECTED)
    # A single-phase customer is dark with the phase that feeds it, and no other.
    one = devices(METER, 3, phases=1.0, phase=np.arange(3.0))
    seen = METER.step(one, surroundings(3, 60.0, voltage_v=np.array([[0.0], [230.0], [230.0]])), 60.0)
    assert seen["load_energised"].tolist() == [0.0, 1.0, 1.0]


def test_a_welded_relay_is_disconnected_and_lets_through() -> None:
    columns = {**_meters(4), "switch_welded": np.ones(4)}
    opened = _stepped(columns, grid_switch=0.0)
    assert np.all(opened["relay_control_state"] == DISCONNECTED)
    assert opened["load_energised"].all()
    assert np.all(opened["active_power_w"] < 0.0)
    mended = _stepped({**opened, "switch_welded": np.zeros(4)})
    assert _is(mended, DISCONNECTED)


def test_the_customer_presses_the_button_when_it_is_time_and_not_before() -> None:
    for after_s in (0.0, 30.0, 300.0):
        columns = _stepped(_meters(3, button_after_s=after_s), grid_switch=0.0)
        columns = _stepped(columns, grid_switch=1.0)
        seen = []
        for _ in range(7):
            columns = _stepped(columns)
            seen.append(bool((columns["relay_control_state"] == CONNECTED).all()))
        assert seen.index(True) == max(int(np.ceil(after_s / 60.0)) - 1, 0) if after_s else not any(seen)


def test_the_customer_is_heeded_where_the_sesp_is_not() -> None:
    columns = _meters(5)
    here = {**columns, "local_mode": np.ones(4)}
    assert _is(_stepped(here, grid_switch=0.0), CONNECTED)
    ready = _stepped(here, relay_manual_disconnect=1.0)
    assert _is(ready, READY)
    assert _is(_stepped(ready, relay_manual_reconnect=1.0), CONNECTED)


# --------------------------------------------------------------------------------------- the limiter


def _limited(mode: float, over_s: float = 120.0, under_s: float = 180.0) -> tuple[Columns, float]:
    """Meters whose limit is half of what they draw."""
    columns = _meters(mode, annual_energy_wh=9e6, limiter_over_duration_s=over_s, limiter_under_duration_s=under_s)
    drawn_w = float(-columns["active_power_w"].max())
    assert drawn_w > 50.0
    return told(columns, limiter_threshold_w=drawn_w / 2.0), drawn_w


def _states(columns: Columns, steps: int, dt_s: float = 60.0) -> list[float]:
    seen = []
    for _ in range(steps):
        columns = _stepped(columns, dt_s)
        assert len(set(columns["relay_control_state"])) == 1
        assert np.array_equal(columns["limiter_alarm"] > 0.0, columns["relay_control_state"] != CONNECTED)
        assert np.array_equal(columns["general_alarm"], columns["limiter_alarm"])
        seen.append(float(columns["relay_control_state"][0]))
    return seen


@pytest.mark.parametrize("mode", MODES)
def test_power_above_the_limit_for_its_time_opens_the_relay_and_modes_5_and_6_close_it_again(mode: int) -> None:
    columns, _ = _limited(mode)
    # Two steps above the limit are 120 s: the third begins with the relay open. Three below are 180 s.
    seen = _states(columns, 12)
    if mode == 0:
        assert seen == [CONNECTED] * 12
    elif MODES[mode][3]:
        assert seen == [
            CONNECTED,
            CONNECTED,
            READY,
            READY,
            READY,
            CONNECTED,
            CONNECTED,
            READY,
            READY,
            READY,
            CONNECTED,
            CONNECTED,
        ]
    else:
        assert seen == [CONNECTED, CONNECTED, *[READY] * 10]


def test_a_limit_that_is_not_passed_for_long_enough_or_at_all_opens_nothing() -> None:
    columns, drawn_w = _limited(4)
    above = _stepped(columns)
    below = _stepped(above, limiter_threshold_w=1e6)
    assert _states(told(below, limiter_threshold_w=drawn_w / 2.0), 2) == [CONNECTED, CONNECTED]
    assert _states(told(columns, limiter_threshold_w=0.0), 4) == [CONNECTED] * 4
    assert _states(told(columns, limiter_threshold_w=1e6), 4) == [CONNECTED] * 4


def test_power_that_is_delivered_passes_no_limit() -> None:
    columns = devices(METER, 4, pv_power_w=5_000.0, limiter_threshold_w=1_000.0, limiter_over_duration_s=0.0)
    columns = after(METER, columns, 43_200.0, 600.0, ghi_w_per_m2=1_000.0)
    assert np.all(columns["active_power_w"] > 1_000.0)
    assert _is(columns, CONNECTED)


def test_a_relay_that_the_limiter_opened_is_closed_by_the_button_or_disconnected_and_closed_remotely() -> None:
    columns, _ = _limited(4)
    for _ in range(3):
        columns = _stepped(columns)
    assert _is(columns, READY)
    assert _is(_stepped(columns, grid_switch=1.0), READY)
    pressed = _stepped(columns, relay_manual_reconnect=1.0, limiter_threshold_w=0.0)
    assert _is(pressed, CONNECTED)
    assert not pressed["limiter_alarm"].any()
    opened = _stepped(columns, grid_switch=0.0)
    assert _is(opened, DISCONNECTED)
    assert opened["limiter_alarm"].all()
    closed = _stepped(opened, grid_switch=1.0)
    assert _is(closed, CONNECTED)
    assert not closed["limiter_alarm"].any()


def test_every_move_of_the_relay_is_an_event() -> None:
    columns = _meters(4)
    start = columns["event_count"]
    opened = _stepped(columns, grid_switch=0.0)
    assert np.array_equal(opened["event_count"], start + 1.0)
    assert np.array_equal(_stepped(opened)["event_count"], start + 1.0)
    assert np.array_equal(_stepped(opened, grid_switch=1.0)["event_count"], start + 2.0)


def test_a_homes_limiter_cuts_off_all_that_is_in_it() -> None:
    columns = devices(HOME, 8, limiter_threshold_w=1.0, limiter_over_duration_s=0.0, relay_control_mode=3.0)
    seen = np.zeros(8, dtype=bool)
    for k in range(1, 31):
        before, columns = columns, HOME.step(columns, surroundings(8, 72_000.0 + 60.0 * k), 60.0)
        opened = columns["relay_control_state"] == READY
        assert np.array_equal(opened, (before["limiter_over_s"] > 0.0) | (before["relay_control_state"] == READY))
        assert np.array_equal(columns["limiter_alarm"] > 0.0, opened)
        for resource in ("", "ev_", "storage_", "pv_", "home_"):
            assert not columns[f"{resource}active_power_w"][opened].any(), resource
            assert not columns[f"{resource}reactive_power_var"][opened].any(), resource
        assert np.all(columns["voltage_l1_v"] == 230.0)
        seen |= opened
    # A home whose storage holds it at 0 draws nothing.
    assert seen.sum() >= 4
    closed = HOME.step(told(columns, relay_manual_reconnect=1.0), surroundings(8, 73_900.0), 60.0)
    assert np.all(closed["relay_control_state"] == CONNECTED)
    assert closed["active_power_w"].any()
