"""Laws every registered device kind keeps, whatever it is."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import pytest
import yaml
from world import HOUR_S, devices, surroundings, told

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.arrays import Columns
from pilotfarm.emulators.contracts.device import Bound, DeviceSpec, OfColumn
from pilotfarm.emulators.quantities import Role

KINDS = list(registry.DEVICES)
OF_THE_SPECIFICATION = [kind for kind in KINDS if registry.device(kind).use_case]
STEP_S = 300.0
ROUNDING = 1e-9


@pytest.fixture(params=KINDS)
def spec(request: pytest.FixtureRequest) -> DeviceSpec:
    return registry.device(request.param)


def run(spec: DeviceSpec, columns: Columns, start_s: float, end_s: float, dt_s: float = STEP_S) -> list[Columns]:
    """Every state from start to end, the first included."""
    n = len(columns["online"])
    states = [columns]
    for k in range(1, round((end_s - start_s) / dt_s) + 1):
        states.append(spec.step(states[-1], surroundings(n, start_s + k * dt_s), dt_s))
    return states


def names(spec: DeviceSpec, *roles: Role) -> list[str]:
    return [q.name for q in spec.quantities if q.role in roles]


@cache
def a_day(kind: str) -> tuple[DeviceSpec, tuple[Columns, ...]]:
    """A kind, and its states through one day from midnight; frozen, for it is shared."""
    spec = registry.device(kind)
    states = tuple(run(spec, devices(spec), 0.0, 24 * HOUR_S))
    for state in states:
        for column in state.values():
            column.setflags(write=False)
    return spec, states


def use_case(spec: DeviceSpec) -> dict[str, Any]:
    """What the specification asks of a kind."""
    text = resources.files("pilotfarm.profiles").joinpath("requirements.yaml").read_text(encoding="utf-8")
    cases: dict[str, dict[str, Any]] = {case["id"]: case for case in yaml.safe_load(text)["use_cases"]}
    return cases[spec.use_case]


# --------------------------------------------------------------------------------- what a spec says


def test_a_kind_bears_the_name_it_is_registered_under(spec: DeviceSpec) -> None:
    room, _, name = registry.DEVICES[spec.kind].partition(":")[0].rpartition(f".{spec.kind}")
    assert room == "pilotfarm.emulators.devices"
    assert not name or name.startswith("."), "its file, or one in its package"


@pytest.mark.parametrize("kind", OF_THE_SPECIFICATION)
def test_every_item_of_the_specification_has_a_quantity_and_none_is_made_up(kind: str) -> None:
    spec = registry.device(kind)
    case = use_case(spec)
    assert case["device"] == spec.kind
    asked = {flow["item"] for direction in ("to_device", "to_sesp") for flow in case[direction]}
    assert set(spec.items) == asked
    assert all(spec.items.values())


@pytest.mark.parametrize("kind", OF_THE_SPECIFICATION)
def test_what_the_sesp_can_do_exceptions_and_post_conditions_are_shown_by_quantities(kind: str) -> None:
    spec = registry.device(kind)
    case = use_case(spec)
    stated = {text for part in ("sesp_can", "exceptions", "post_conditions") for text in case.get(part, ())}
    assert stated <= set(spec.behaviour)


def test_items_behaviour_limits_and_follows_name_what_the_kind_has(spec: DeviceSpec) -> None:
    own = {q.name: q for q in spec.quantities}
    assert len(own) == len(spec.quantities), "a quantity is listed twice"
    for told_of in (*spec.items.values(), *spec.behaviour.values()):
        assert set(told_of) <= set(own)
    columns = devices(spec, 2)
    for name, limits in spec.limits.items():
        assert own[name].writable
        assert set(limits.columns) <= columns.keys()
    for name, followed in spec.follows.items():
        assert own[name].writable
        assert followed.quantity in own
    assert spec.with_any_command.keys() <= columns.keys()


def test_what_is_told_at_the_start_is_within_its_limits(spec: DeviceSpec) -> None:
    columns = devices(spec)

    def value(bound: Bound) -> np.ndarray | float:
        return columns[bound.name] * bound.gain if isinstance(bound, OfColumn) else bound

    for name, limits in spec.limits.items():
        assert np.all(value(limits.min) <= columns[name]), name
        assert np.all(columns[name] <= value(limits.max)), name


def test_rating_defaults_are_possible(spec: DeviceSpec) -> None:
    for rating in spec.ratings:
        assert rating.min <= rating.max
        if not isinstance(rating.default, dict):
            assert rating.min <= float(rating.default) <= rating.max, rating.name


# ------------------------------------------------------------------------------- what columns hold


@pytest.mark.parametrize("kind", KINDS)
def test_over_a_day_every_quantity_is_finite_and_within_the_catalogue(kind: str) -> None:
    spec, states = a_day(kind)
    for q in spec.quantities:
        over_time = np.stack([state[q.name] for state in states])
        assert over_time.shape == (len(states), 16), q.name
        assert over_time.dtype == np.float64, q.name
        assert np.all(np.isfinite(over_time)), q.name
        assert np.all((over_time >= q.min) & (over_time <= q.max)), q.name
        if q.is_binary:
            assert np.all((over_time == 0.0) | (over_time == 1.0)), q.name


@pytest.mark.parametrize("kind", KINDS)
def test_hidden_columns_are_finite_and_none_comes_or_goes(kind: str) -> None:
    _, states = a_day(kind)
    assert all(state.keys() == states[0].keys() for state in states)
    for name in states[0]:
        assert np.all(np.isfinite(np.stack([state[name] for state in states]))), name


def test_a_step_changes_nothing_it_was_given(spec: DeviceSpec) -> None:
    columns = devices(spec)
    for time_s in (6 * HOUR_S, 12 * HOUR_S, 19 * HOUR_S):
        world = surroundings(16, time_s)
        world.voltage_v.setflags(write=False)
        before = {name: column.copy() for name, column in columns.items()}
        for column in columns.values():
            column.setflags(write=False)
        after = spec.step(columns, world, STEP_S)
        assert list(columns) == list(before)
        assert all(np.array_equal(columns[name], before[name]) for name in before)
        columns = after


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_changes_no_set_point(kind: str) -> None:
    spec, states = a_day(kind)
    for name in names(spec, Role.SETPOINT):
        assert all(np.array_equal(state[name], states[0][name]) for state in states), name


def test_rows_do_not_feel_their_neighbours(spec: DeviceSpec) -> None:
    columns = devices(spec)
    order = np.random.default_rng(3).permutation(16)[:11]
    some = {name: column[order] for name, column in columns.items()}
    together = run(spec, columns, 8 * HOUR_S, 11 * HOUR_S)[-1]
    apart = run(spec, some, 8 * HOUR_S, 11 * HOUR_S)[-1]
    for name in together:
        assert np.array_equal(together[name][order], apart[name]), name


def test_the_same_seed_gives_the_same_bytes(spec: DeviceSpec) -> None:
    one, other = (run(spec, devices(spec), 9 * HOUR_S, 11 * HOUR_S)[-1] for _ in range(2))
    assert {name: column.tobytes() for name, column in one.items()} == {
        name: column.tobytes() for name, column in other.items()
    }


def test_commands_fall_back_to_zero(spec: DeviceSpec) -> None:
    commands = names(spec, Role.COMMAND)
    columns = told(devices(spec), **dict.fromkeys(commands, 1.0))
    after = spec.step(columns, surroundings(16, 12 * HOUR_S), 1.0)
    assert {name for name in commands if after[name].any()} == set()
    assert not after["sesp_heard"].any()


# ------------------------------------------------------------------------------- what physics keeps


@pytest.mark.parametrize("kind", KINDS)
def test_energy_registers_never_fall(kind: str) -> None:
    spec, states = a_day(kind)
    for name in names(spec, Role.TOTAL):
        over_time = np.stack([state[name] for state in states])
        assert np.all(np.diff(over_time, axis=0) >= 0.0), name


@pytest.mark.parametrize("kind", KINDS)
def test_energy_registers_are_the_integral_of_power(kind: str) -> None:
    _, states = a_day(kind)
    hours = STEP_S / HOUR_S
    for power_name, out, into in (
        ("active_power_w", "energy_exported_wh", "energy_imported_wh"),
        ("reactive_power_var", "reactive_energy_exported_varh", "reactive_energy_imported_varh"),
    ):
        power = np.stack([state[power_name] for state in states[1:]])
        for register, one_way in ((out, np.maximum(power, 0.0)), (into, np.maximum(-power, 0.0))):
            counted = states[-1][register] - states[0][register]
            assert counted == pytest.approx(one_way.sum(axis=0) * hours, abs=1e-6), register


def test_powers_are_the_sum_of_their_phases(spec: DeviceSpec) -> None:
    for state in run(spec, devices(spec), 10 * HOUR_S, 14 * HOUR_S, 1800.0)[1:]:
        for quantity, unit in (("active_power", "w"), ("reactive_power", "var")):
            phases = sum(state[f"{quantity}_l{k}_{unit}"] for k in (1, 2, 3))
            assert phases == pytest.approx(state[f"{quantity}_{unit}"], abs=1e-6)
        factor = state["power_factor"] * state["apparent_power_va"]
        assert factor == pytest.approx(state["active_power_w"], abs=1e-6)


def test_power_stays_inside_the_apparent_power_circle(spec: DeviceSpec) -> None:
    own = {q.name for q in spec.quantities}
    columns = devices(spec)
    asked = {"volt_var_enabled": 1.0, "frequency_support_enabled": 1.0}
    columns = told(columns, **{name: on for name, on in asked.items() if name in own})
    rated = columns["rated_apparent_power_va"]
    bounded = rated > 0.0
    for k in range(30):
        low_and_fast = surroundings(16, 10 * HOUR_S + 60.0 * k, voltage_v=200.0 + k % 7 * 10.0, frequency_hz=49.5)
        columns = spec.step(columns, low_and_fast, 60.0)
        apparent = np.hypot(columns["active_power_w"], columns["reactive_power_var"])
        assert np.all(apparent[bounded] <= rated[bounded] * (1.0 + ROUNDING))


def test_two_half_steps_are_one_step_while_the_world_stands_still(spec: DeviceSpec) -> None:
    """Tolerance 1e-6 relative, for ageing depends on the path within a step.

    A power shown is the mean of its step, so it may differ where it moves (a vehicle that tapers off);
    the energy it comes to may not.
    """
    world = surroundings(16, 12.5 * HOUR_S)
    columns = devices(spec)
    for _ in range(60):
        columns = spec.step(columns, world, 120.0)  # modules take half an hour to warm up
    whole = spec.step(columns, world, 8.0)
    half = spec.step(spec.step(columns, world, 4.0), world, 4.0)
    for name in names(spec, Role.TOTAL):
        assert half[name] == pytest.approx(whole[name], rel=1e-6, abs=1e-6), name
    steady = np.isclose(whole["active_power_w"], columns["active_power_w"], rtol=1e-6, atol=1e-6)
    assert steady.sum() >= 8
    for name in names(spec, Role.MEASUREMENT):
        assert half[name][steady] == pytest.approx(whole[name][steady], rel=1e-6, abs=1e-6), name


# ------------------------------------------------------------------------------- what life is like


def parts_of(spec: DeviceSpec) -> list[str]:
    """The prefixes of the parts whose power a kind shows besides its own."""
    own = {q.name for q in spec.quantities}
    shown = [name.removesuffix("active_power_w") for name in own if name.endswith("_active_power_w")]
    return [prefix for prefix in shown if f"{prefix}active_power_l1_w" in own]


def test_a_stopped_device_moves_no_power_until_it_is_started(spec: DeviceSpec) -> None:
    """One with parts moves what those of them move that cannot be stopped, such as a household."""
    own, parts = {q.name for q in spec.quantities}, parts_of(spec)
    stops = [prefix for prefix in parts or [""] if f"{prefix}running" in own]
    assert stops
    start = told(devices(spec), identification_clear=1.0)
    columns = run(spec, start, 11 * HOUR_S, 12 * HOUR_S)[-1]
    assert all(columns[f"{prefix}active_power_w"].any() for prefix in stops), "there is something to stop"
    world = surroundings(16, 12 * HOUR_S)
    stopped = spec.step(told(columns, stop=1.0), world, 60.0)
    for after in (stopped, spec.step(stopped, world, 60.0)):
        assert not after["available"].any()
        for prefix in stops:
            assert not after[f"{prefix}running"].any(), prefix
            assert not after[f"{prefix}active_power_w"].any(), prefix
        if parts:
            together = sum(after[f"{prefix}active_power_w"] for prefix in parts)
            assert after["active_power_w"] == pytest.approx(together, abs=1e-6)
    again = spec.step(told(stopped, start=1.0), world, 60.0)
    assert again["available"].all()
    assert all(again[f"{prefix}running"].all() for prefix in stops)
    moving = spec.step(spec.step(again, world, 60.0), world, 60.0)
    assert all(moving[f"{prefix}active_power_w"].any() for prefix in stops)


def test_no_power_flows_through_an_open_switch(spec: DeviceSpec) -> None:
    world = surroundings(16, 12 * HOUR_S)
    columns = run(spec, devices(spec), 11 * HOUR_S, 12 * HOUR_S)[-1]
    opened = spec.step(told(columns, grid_switch=0.0), world, 60.0)
    assert not opened["grid_switch_closed"].any()
    assert not opened["active_power_w"].any()
    assert not opened["reactive_power_var"].any()


def test_a_dead_grid_carries_neither_power_nor_current(spec: DeviceSpec) -> None:
    columns = run(spec, devices(spec), 11 * HOUR_S, 12 * HOUR_S)[-1]
    dead = spec.step(columns, surroundings(16, 12 * HOUR_S, voltage_v=0.0), 60.0)
    for name in ("active_power_w", "reactive_power_var", "current_l1_a", "current_l2_a", "current_l3_a"):
        assert not dead[name].any(), name


def test_the_link_is_lost_after_its_timeout_and_found_when_heard(spec: DeviceSpec) -> None:
    world = surroundings(16, 12 * HOUR_S)
    columns = spec.step(told(devices(spec), sesp_timeout_s=30.0), world, 1.0)
    for _ in range(30):
        columns = spec.step(columns, world, 1.0)
    assert not columns["sesp_link_lost"].any()
    lost = spec.step(columns, world, 1.0)
    assert lost["sesp_link_lost"].all()
    assert lost["general_alarm"].all()
    assert not lost["remote_enabled"].any()
    found = spec.step({**lost, "sesp_heartbeat": np.ones(16)}, world, 1.0)
    assert not found["sesp_link_lost"].any()


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_timeout_the_link_is_never_lost(kind: str) -> None:
    _, states = a_day(kind)
    assert not states[0]["sesp_timeout_s"].any()
    assert not any(state["sesp_link_lost"].any() for state in states)


def test_receipts_are_counted(spec: DeviceSpec) -> None:
    world = surroundings(16, 12 * HOUR_S)
    columns = devices(spec)
    for _ in range(3):
        columns = spec.step(told(columns, sesp_receipt=1.0), world, 1.0)
    columns = spec.step(columns, world, 1.0)
    assert np.all(columns["sesp_receipts"] == 3.0)


def test_a_trip_stays_until_it_is_reset(spec: DeviceSpec) -> None:
    world = surroundings(16, 12 * HOUR_S)
    columns = spec.step(told(devices(spec), identification_clear=1.0), world, 1.0)
    tripped = spec.step({**columns, "fault_trip": np.ones(16)}, world, 1.0)
    assert tripped["fault_trip"].all()
    assert tripped["general_alarm"].all()
    assert not tripped["available"].any()
    reset = spec.step(told(tripped, alarm_reset=1.0), world, 1.0)
    assert not reset["fault_trip"].any()
    assert reset["available"].all()
