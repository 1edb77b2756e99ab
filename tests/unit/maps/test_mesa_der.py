"""The DNP3 point list: where quantities stand, and that every one of them has a place."""

from __future__ import annotations

from pathlib import Path

import der_profile
import numpy as np
import pytest

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.resource import ITSELF
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.maps.mesa_der import MAP
from pilotfarm.emulators.maps.mesa_der.indices import NUMBERED, VENDOR_FIRST, VENDOR_LAST, VENDOR_RANGE
from pilotfarm.emulators.maps.mesa_der.modes import MODES
from pilotfarm.emulators.plans.dnp3 import PointType
from pilotfarm.emulators.quantities import CATALOGUE, RESOURCES, Role, quantities

INPUTS = (PointType.BINARY_INPUT, PointType.ANALOG_INPUT)
METER, METERS = range(5_000, 5_037), range(5_000, 5_000 + 4 * 37)
"""The analog inputs of the first meter, and of four: the profile has the others as the first repeated."""


def kind_with(*names: str) -> DeviceSpec:
    return DeviceSpec("kind", "a kind", quantities(names), lambda *_: {}, lambda *_: {})


def addresses(*names: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in MAP.points(kind_with(*names), {}):
        if "(" not in row.data_type:
            found.setdefault(row.quantity, []).append(row.address)
    return found


@pytest.mark.parametrize("kind", registry.DEVICES)
def test_every_quantity_of_a_kind_has_a_point_and_no_point_is_given_twice(kind: str) -> None:
    rows = MAP.points(registry.device(kind), {})
    of_no_quantity = {row.address for row in rows if not row.quantity}
    assert of_no_quantity <= {f"BI{index}" for index in range(31, 64)} | {f"AI{k}" for k in (0, 1, *range(24, 29))}
    assert {row.quantity for row in rows} - {""} == {quantity.name for quantity in registry.device(kind).quantities}
    assert len({row.address for row in rows}) == len(rows)


def test_any_quantity_alone_or_of_a_resource_has_a_point_inside_the_profile_or_the_vendor_range() -> None:
    for resource in (ITSELF, *RESOURCES):
        for name in map(resource.of, CATALOGUE):
            points = MAP.plan(kind_with(name)).points
            assert points, name
            assert all(point.index <= VENDOR_LAST for point in points)


def test_the_order_of_the_vendor_range_names_each_quantity_once() -> None:
    assert len(NUMBERED) == len(set(NUMBERED))
    assert set(NUMBERED) >= set(CATALOGUE), "append the new quantity to NUMBERED"


def test_quantities_stand_where_the_profile_has_them() -> None:
    assert addresses("active_power_w") == {"active_power_w": ["AI537"]}
    assert addresses("active_power_setpoint_w") == {"active_power_setpoint_w": ["AI618", "AO508"]}
    assert addresses("storage_voltage_l2_v") == {"storage_voltage_l2_v": ["AI5054"]}
    assert addresses("pv_energy_exported_wh") == {"pv_energy_exported_wh": ["CTR5008"]}
    assert addresses("active_power_limit_enabled", "stop") == {
        "active_power_limit_enabled": ["BI69", "BO17"],
        "stop": ["BO2"],
    }
    assert addresses("start_permitted") == {"start_permitted": ["BI16", "BO3"]}
    assert addresses("online") == {"online": [f"BI{VENDOR_FIRST}"]}


def test_a_limit_of_generation_is_ao88_and_its_scale_a_tenth_of_a_percent() -> None:
    kind = kind_with("active_power_limit_frac")
    rows = {row.address: row for row in MAP.points(kind, {}) if row.quantity}
    assert rows.keys() == {"AO88", "AI149"}
    assert rows["AO88"].scale == 0.001
    assert rows["AO88"].access == "rw"
    assert rows["AI149"].access == "r"


def test_power_that_charges_is_negative_on_the_wire() -> None:
    (rating,) = (point for point in MAP.plan(kind_with("rated_charge_power_w")).points if point.address == "AI5")
    assert rating.source.back(-5_000.0) == {"rated_charge_power_w": 5_000.0}


def test_direct_current_of_cells_is_the_batterys_and_other_direct_current_the_inverters() -> None:
    assert addresses("soc_frac", "dc_voltage_v")["dc_voltage_v"] == ["AI20006"]
    assert addresses("dc_voltage_v")["dc_voltage_v"] == ["AI15008"]
    both = addresses("storage_soc_frac", "storage_dc_voltage_v", "pv_dc_voltage_v")
    assert both["storage_dc_voltage_v"] == ["AI20006"]
    assert both["pv_dc_voltage_v"] == ["AI15008"]


def test_the_first_of_two_that_want_a_point_has_it_and_the_other_goes_to_the_vendor_range() -> None:
    assert addresses("outside_temperature_degc", "pv_outside_temperature_degc") == {
        "outside_temperature_degc": ["AI50002"],
        "pv_outside_temperature_degc": [f"AI{VENDOR_FIRST + 3 * 500 + NUMBERED.index('outside_temperature_degc')}"],
    }


@pytest.mark.parametrize(
    ("name", "event_class"),
    [("cover_open_alarm", 1), ("online", 2), ("cycle_count", 3), ("nominal_voltage_v", 0)],
)
def test_classes_of_the_vendor_range_follow_the_role(name: str, event_class: int) -> None:
    found = {point.event_class for point in MAP.plan(kind_with(name)).points if point.quantity and point.type in INPUTS}
    assert found == {event_class}


@pytest.mark.parametrize("kind", registry.DEVICES)
def test_what_the_profile_has_is_of_its_class_and_scale_and_answers_the_output_it_is_paired_with(kind: str) -> None:
    profile = {f"{point_type}{row['point_index']}": row for point_type, row in der_profile.rows()}
    served = {point.address: point for point in MAP.plan(registry.device(kind)).points}
    checked = 0
    for address, point in served.items():
        if point.index >= VENDOR_RANGE:
            continue
        first = METER.start + (point.index - METER.start) % len(METER) if point.index in METERS else point.index
        if point.type is PointType.COUNTER:
            assert point.index % 5_000 < 16, address
            continue
        row, checked = profile[f"{point.type.value}{first}"], checked + 1
        if point.type in INPUTS:
            assert point.event_class == der_profile.CLASSES[row["event_class"]], address
        if point.type in (PointType.ANALOG_INPUT, PointType.ANALOG_OUTPUT) and point.quantity:
            share = "ercent" in str(row["units"])
            assert abs(point.scale) * (100.0 if share else 1.0) == pytest.approx(row["multiplier"]), address
        back = next((row[name] for name in ("assoc_bi", "assoc_ai") if row.get(name)), None)
        if back in served and not point.pulse and back != "BI23":
            assert served[back].quantity == point.quantity, (address, back)
    assert checked > 60


def test_an_input_of_a_mode_depends_on_a_switch_only_where_there_is_one() -> None:
    both = "active_power_setpoint_w", "active_power_setpoint_enabled"
    for names, switch in ((both, both[1]), (both[:1], "")):
        (mirror,) = (point for point in MAP.plan(kind_with(*names)).points if point.address == "AI618")
        assert mirror.enabled_by == switch


@pytest.mark.parametrize("kind", registry.DEVICES)
def test_every_mode_says_whether_it_is_supported_and_only_a_supported_one_has_points(kind: str) -> None:
    served = {point.address: point for point in MAP.plan(registry.device(kind)).points}
    for number, mode in enumerate(MODES):
        supported = served[f"BI{31 + number}"].fixed
        has = mode.switch in {quantity.name for quantity in registry.device(kind).quantities}
        assert supported == has
        assert (f"BO{12 + number}" in served) == (f"BI{64 + number}" in served) == has
        assert all(served[f"AI{index}"].enabled_by == mode.switch for index in mode.mirrors if f"AI{index}" in served)
        assert has or not any(f"AI{index}" in served for index in mode.mirrors)


@pytest.mark.parametrize(
    ("kind", "meters", "inverters", "batteries", "units"),
    [
        ("battery", 0, 0, 1, 1),
        ("pv_generator", 0, 1, 0, 1),
        ("ev_charger", 0, 0, 0, 1),
        ("smart_meter", 0, 0, 0, 0),
        ("prosumer", 4, 1, 1, 3),
    ],
)
def test_an_outstation_counts_the_blocks_of_points_it_has(
    kind: str, meters: int, inverters: int, batteries: int, units: int
) -> None:
    fixed = {point.index: point.fixed for point in MAP.plan(registry.device(kind)).of(PointType.ANALOG_INPUT)}
    assert [fixed[index] for index in (0, 1, *range(24, 29))] == [100, 0, 0, meters, inverters, batteries, units]


def test_a_home_shows_the_protection_of_any_of_its_resources() -> None:
    served = {point.address: point for point in MAP.plan(registry.device("prosumer")).points}
    shows = served["BI63"].source
    names = [f"{each}_underfrequency_protection_operated" for each in ("ev", "storage", "pv")]
    assert list(shows.quantities) == names
    for tripped in names:
        assert shows.of({name: np.array([float(name == tripped)]) for name in names})[0] == 1.0
    assert shows.of({name: np.zeros(1) for name in names})[0] == 0.0
    assert "BI52" not in {point.address for point in MAP.plan(registry.device("smart_meter")).points}


RUNNING = {"running": 1.0, "started": 1.0, "start_permitted": 1.0}
OFF = {"start_permitted": 1.0}


@pytest.mark.parametrize(
    ("columns", "held"),
    [
        (RUNNING, {18}),
        (RUNNING | {"active_power_w": 0.4}, {18}),
        (RUNNING | {"active_power_w": 0.6}, {19}),
        (RUNNING | {"active_power_w": -0.6}, {20}),
        (RUNNING | {"active_power_w": -0.6, "started": 0.0}, {13, 20}),
        (OFF, {15, 21}),
        (OFF | {"active_power_w": -900.0}, {15, 21}),
        ({}, {15, 22}),
        (OFF | {"fault_trip": 1.0}, {15, 22}),
        (OFF | {"fault_trip": 1.0, "started": 1.0}, {15, 22}),
        (OFF | {"started": 1.0}, {12, 15, 21}),
        (OFF | {"started": 1.0, "available": 1.0}, {12, 15, 22}),
    ],
)
def test_states_of_the_profile_follow_from_those_of_the_device(columns: dict[str, float], held: set[int]) -> None:
    states = {point.index: point for point in MAP.plan(registry.device("battery")).of(PointType.BINARY_INPUT)}
    names = ("running", "started", "available", "start_permitted", "fault_trip", "active_power_w")
    seen = {name: np.array([columns.get(name, 0.0)]) for name in names}
    found = {index for index in (12, 13, 15, *range(18, 23)) if states[index].source.of(seen)[0]}
    assert found == held


@pytest.mark.parametrize("kind", registry.DEVICES)
def test_only_commands_are_pulses_and_outputs_are_what_can_be_written(kind: str) -> None:
    spec = registry.device(kind)
    roles = {quantity.name: quantity.role for quantity in spec.quantities}
    for point in MAP.plan(spec).points:
        if point.meaning:
            assert point.type in INPUTS
            continue
        assert point.pulse == (roles[point.quantity] is Role.COMMAND)
        if point.type in (PointType.BINARY_OUTPUT, PointType.ANALOG_OUTPUT):
            assert roles[point.quantity] in (Role.SETPOINT, Role.COMMAND)


def test_the_page_of_the_point_list_has_every_mode_and_why_it_is_not_supported() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "dnp3.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| BO")]
    assert rows == [
        f"| BO{12 + number} | BI{31 + number} | BI{64 + number} | {mode.name} | "
        + (f"`{mode.switch}` |" if mode.switch else f"no: {mode.why} |")
        for number, mode in enumerate(MODES)
    ]
