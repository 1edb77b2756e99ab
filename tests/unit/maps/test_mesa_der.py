"""The DNP3 point list: where quantities stand, and that every one of them has a place."""

from __future__ import annotations

import pytest

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.resource import ITSELF
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.maps.mesa_der import MAP
from pilotfarm.emulators.maps.mesa_der.indices import NUMBERED, VENDOR_FIRST, VENDOR_LAST
from pilotfarm.emulators.plans.dnp3 import PointType
from pilotfarm.emulators.quantities import CATALOGUE, RESOURCES, Role, quantities


def kind_with(*names: str) -> DeviceSpec:
    return DeviceSpec("kind", "a kind", quantities(names), lambda *_: {}, lambda *_: {})


def addresses(*names: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in MAP.points(kind_with(*names), {}):
        found.setdefault(row.quantity, []).append(row.address)
    return found


@pytest.mark.parametrize("kind", registry.DEVICES)
def test_every_quantity_of_a_kind_has_a_point_and_no_point_is_given_twice(kind: str) -> None:
    rows = MAP.points(registry.device(kind), {})
    assert {row.quantity for row in rows} == {quantity.name for quantity in registry.device(kind).quantities}
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
    assert addresses("active_power_limit_enabled", "stop") == {"active_power_limit_enabled": ["BO17"], "stop": ["BO2"]}
    assert addresses("online") == {"online": [f"BI{VENDOR_FIRST}"]}


def test_a_limit_of_generation_is_ao88_and_its_scale_a_tenth_of_a_percent() -> None:
    rows = {row.address: row for row in MAP.points(kind_with("active_power_limit_frac"), {})}
    assert rows.keys() == {"AO88", "AI149"}
    assert rows["AO88"].scale == 0.001
    assert rows["AO88"].access == "rw"
    assert rows["AI149"].access == "r"


def test_power_that_charges_is_negative_on_the_wire() -> None:
    (rating,) = MAP.plan(kind_with("rated_charge_power_w")).of(PointType.ANALOG_INPUT)[:1]
    assert rating.address == "AI5"
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
    [("cover_open_alarm", 1), ("running", 2), ("charge_point_state", 2), ("frequency_hz", 3), ("rated_power_w", 0)],
)
def test_classes_follow_the_role(name: str, event_class: int) -> None:
    assert {point.event_class for point in MAP.plan(kind_with(name)).points} == {event_class}


@pytest.mark.parametrize("kind", registry.DEVICES)
def test_only_commands_are_pulses_and_outputs_are_what_can_be_written(kind: str) -> None:
    spec = registry.device(kind)
    roles = {quantity.name: quantity.role for quantity in spec.quantities}
    for point in MAP.plan(spec).points:
        assert point.pulse == (roles[point.quantity] is Role.COMMAND)
        if point.type in (PointType.BINARY_OUTPUT, PointType.ANALOG_OUTPUT):
            assert roles[point.quantity] in (Role.SETPOINT, Role.COMMAND)
