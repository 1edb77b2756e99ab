"""Every item and sentence of the specification has its quantities, and every quantity its point on each protocol."""

from __future__ import annotations

import pytest

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.quantities import Role
from pilotfarm.profiles import requirements
from pilotfarm.profiles.requirements import Flow

USE_CASES = {case.id: case for case in requirements.use_cases()}


def names_of(spec: DeviceSpec) -> set[str]:
    return {quantity.name for quantity in spec.quantities}


def test_the_specification_has_31_flows_in_5_use_cases() -> None:
    assert len(requirements.flows()) == 31
    assert {case.id: len(case.flows) for case in requirements.use_cases()} == {
        "UC-1-EV_CS": 5,
        "UC-2-STO": 8,
        "UC-3-GEN": 5,
        "UC-4-MET": 3,
        "UC-5-PRO": 10,
    }


def test_every_use_case_has_a_device_kind_and_no_kind_claims_another() -> None:
    claimed = {kind: use_case for kind in registry.DEVICES if (use_case := registry.device(kind).use_case)}
    assert claimed == {case.kind: case.id for case in requirements.use_cases()}


@pytest.mark.parametrize("criterion", requirements.CRITERIA)
def test_the_levels_of_a_criterion_leave_no_gap(criterion: str) -> None:
    levels = [requirements.level(criterion, number) for number in (1, 2, 3)]
    assert [level.name for level in levels] == ["LOW", "AVERAGE", "HIGH"]
    if criterion == "security":
        assert set(levels[0].needs) < set(levels[1].needs) < set(levels[2].needs)
        return
    ends = sorted(
        (0.0 if level.min is None else level.min, float("inf") if level.max is None else level.max) for level in levels
    )
    assert ends[0][0] == 0.0
    assert ends[-1][1] == float("inf")
    assert ends[0][1] == ends[1][0]
    assert ends[1][1] == ends[2][0]


@pytest.mark.parametrize("flow", requirements.flows(), ids=lambda flow: f"{flow.use_case}/{flow.item}")
def test_every_flow_has_levels_and_quantities(flow: Flow) -> None:
    for criterion in requirements.CRITERIA:
        assert requirements.level(criterion, getattr(flow, criterion)).name
    spec = registry.device(flow.kind)
    assert spec.items.get(flow.item), f"{flow.kind} has no quantity for {flow.item!r}"
    assert set(spec.items[flow.item]) <= names_of(spec)


@pytest.mark.parametrize("flow", requirements.flows(), ids=lambda flow: f"{flow.use_case}/{flow.item}")
def test_what_goes_to_the_device_can_be_written_and_what_goes_to_the_sesp_is_no_command(flow: Flow) -> None:
    spec = registry.device(flow.kind)
    roles = {quantity.name: quantity.role for quantity in spec.quantities}
    carried = [roles[name] for name in spec.items[flow.item]]
    if flow.direction == "to_device":
        assert all(role in (Role.SETPOINT, Role.COMMAND) for role in carried)
    else:
        assert all(role not in (Role.SETPOINT, Role.COMMAND) for role in carried)


@pytest.mark.parametrize("case_id", USE_CASES)
def test_no_item_is_claimed_that_the_specification_has_not(case_id: str) -> None:
    case = USE_CASES[case_id]
    assert set(registry.device(case.kind).items) == {flow.item for flow in case.flows}


@pytest.mark.parametrize(
    ("case_id", "text"), [(case.id, text) for case in USE_CASES.values() for text in case.behaviour]
)
def test_every_sentence_that_is_device_behaviour_has_quantities_that_show_it(case_id: str, text: str) -> None:
    spec = registry.device(USE_CASES[case_id].kind)
    assert spec.behaviour.get(text), f"{spec.kind} has nothing to show for {text!r}"
    assert set(spec.behaviour[text]) <= names_of(spec)


@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
@pytest.mark.parametrize("kind", registry.DEVICES)
def test_every_quantity_has_a_point_on_each_protocol(kind: str, protocol: str) -> None:
    spec = registry.device(kind)
    maps = registry.maps_for(protocol, kind)
    assert maps, f"no {protocol} map serves {kind}"
    found = {row.quantity for row in maps[0].points(spec, {})}
    missing = [quantity.name for quantity in spec.quantities if quantity.name not in found]
    assert not missing, f"{maps[0].name} has no point for {missing} of {kind}"


@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
@pytest.mark.parametrize("kind", registry.DEVICES)
def test_every_set_point_and_command_can_be_written_on_each_protocol(kind: str, protocol: str) -> None:
    spec = registry.device(kind)
    written = {row.quantity for row in registry.maps_for(protocol, kind)[0].points(spec, {}) if "w" in row.access}
    missing = [quantity.name for quantity in spec.quantities if quantity.writable and quantity.name not in written]
    assert not missing, f"cannot write {missing} of {kind} over {protocol}"
