"""Faults: they grip whom they should, tell lies only in what is reported, and leave no trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from example_faults import needs

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.fault import DeviceFault, GridFault, Override
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.errors import ConfigError, StateError
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.site.layout import SiteLayout

POWER = {"quantity": "active_power_w"}
ON_EVERY_PROTOCOL = """\
  storage:
    kind: battery
    count: 2
    feeder: east
    labels: {cell: north}
    endpoints: [{protocol: modbus, medium: lte}, {protocol: iec104}, {protocol: dnp3}, {protocol: iec104, station: rtu}]
"""
STATION = "stations: {rtu: {protocol: iec104}}\n"
TELLING = [kind for kind in registry.FAULTS if not isinstance(registry.fault(kind), GridFault | DeviceFault | Override)]
"""Faults that leave the physics alone."""


Told = dict[tuple[str, str], tuple[float, int]]
"""Device and quantity -> value and quality."""


def told(farm: Farm, *, but: str = "") -> Told:
    """What is reported of every device, or of every one but that."""
    return {
        (device.id, name): (value, device.quality(name))
        for device in farm
        if device.id != but
        for name, value in device.readings().items()
    }


def true(farm: Farm, *, but: str = "") -> Told:
    """The truth, with nothing wrong about it."""
    return {(device, name): (farm.device(device).true_value(name), 0) for device, name in told(farm, but=but)}


def target_of(kind: str, **more: str) -> dict[str, str]:
    """A target that has what a kind of fault needs."""
    return {**more, **needs(kind)}


def test_with_no_fault_the_reported_columns_are_the_true_ones(farm: Farm) -> None:
    assert told(farm) == true(farm)


@pytest.mark.parametrize("kind", TELLING)
def test_a_fault_that_is_over_leaves_no_trace(kind: str, make_layout: Callable[..., SiteLayout]) -> None:
    struck, spared = (
        Farm(make_layout(ON_EVERY_PROTOCOL, stations=STATION)),
        Farm(make_layout(ON_EVERY_PROTOCOL, stations=STATION)),
    )
    fault = struck.faults.add(kind, target_of(kind), parameters=registry.fault(kind).example, duration_s=5.0)
    for _ in range(8):
        struck.step(1.0)
        spared.step(1.0)
    assert fault.state == "ended"
    assert told(struck) == told(spared) == true(spared)


@pytest.mark.parametrize("kind", TELLING)
def test_a_fault_changes_no_true_column_and_no_other_device(kind: str, make_layout: Callable[..., SiteLayout]) -> None:
    struck, spared = (
        Farm(make_layout(ON_EVERY_PROTOCOL, stations=STATION)),
        Farm(make_layout(ON_EVERY_PROTOCOL, stations=STATION)),
    )
    struck.faults.add(kind, target_of(kind, device="storage-002"), parameters=registry.fault(kind).example)
    for _ in range(5):
        struck.step(1.0)
        spared.step(1.0)
    assert true(struck) == true(spared)
    assert told(struck, but="storage-002") == true(struck, but="storage-002")


def test_a_stuck_value_stands_still_while_the_true_one_moves(farm: Farm) -> None:
    meter = farm.device("meters-001")
    held = meter.value("energy_imported_wh")
    farm.faults.add("stuck", {"device": "meters-001", "quantity": "energy_imported_wh"})
    for _ in range(5):
        farm.step(60.0)
        assert meter.value("energy_imported_wh") == held
    assert meter.true_value("energy_imported_wh") > held


def test_a_value_can_be_stuck_at_a_number_of_ones_choice_and_say_so(farm: Farm) -> None:
    farm.faults.add("stuck", {"device": "meters-*", **POWER}, parameters={"value": 42.0, "quality": "invalid"})
    farm.step(1.0)
    for n in range(1, 5):
        assert farm.device(f"meters-00{n}").value("active_power_w") == 42.0
        assert farm.device(f"meters-00{n}").quality("active_power_w") == Quality.INVALID


def test_a_bias_is_factor_and_offset_of_the_true_value(farm: Farm) -> None:
    farm.faults.add("bias", {"group": "meters", **POWER}, parameters={"factor": 2.0, "offset": -7.0})
    for _ in range(3):
        farm.step(1.0)
        meter = farm.device("meters-003")
        assert meter.value("active_power_w") == pytest.approx(2.0 * meter.true_value("active_power_w") - 7.0)


def test_faults_on_the_same_value_follow_one_another(farm: Farm) -> None:
    where = {"device": "meters-001", **POWER}
    farm.faults.add("stuck", where, parameters={"value": 10.0})
    farm.faults.add("bias", where, parameters={"offset": 1.0})
    farm.step(1.0)
    assert farm.device("meters-001").value("active_power_w") == 11.0


def test_a_fault_begins_and_ends_at_its_site_times(farm: Farm) -> None:
    fault = farm.faults.add("offline", start_s=farm.time_s + 2.0, duration_s=3.0)
    states = []
    for _ in range(6):
        farm.step(1.0)
        states.append(fault.state)
    assert states == ["pending", "active", "active", "active", "ended", "ended"]


@pytest.mark.parametrize(
    ("target", "hit"),
    [
        ({}, 7),
        ({"kind": "battery"}, 3),
        ({"group": "meters"}, 4),
        ({"feeder": "east"}, 3),
        ({"device": "*-001"}, 2),
        ({"device": "meters-00[12]"}, 2),
        ({"kind": "battery", "device": "*-003"}, 1),
    ],
)
def test_a_target_picks_by_kind_group_feeder_and_glob(farm: Farm, target: dict[str, str], hit: int) -> None:
    assert len(farm.faults.add("offline", target).hit) == hit


LABELLED = """
  meters:
    kind: smart_meter
    count: 40
    feeder: east
    labels: {cell: north, firmware: 1.4.2}
    endpoints: [{protocol: modbus}, {protocol: iec104, station: rtu}]
  storage:
    kind: battery
    count: 3
    feeder: west
    labels: {cell: south}
    endpoints: [{protocol: modbus, map: sunspec}, {protocol: iec104, station: rtu}]
  spare: {kind: battery, count: 2, feeder: west}
"""
RTU = "stations: {rtu: {protocol: iec104, labels: {cell: east}}}"


@pytest.fixture
def labelled(make_layout: Callable[..., SiteLayout]) -> Farm:
    return Farm(make_layout(LABELLED, stations=RTU))


@pytest.mark.parametrize(
    ("target", "hit"),
    [
        ({"device": ["meters-001", "storage-00?"]}, 4),
        ({"kind": ["battery", "smart_meter"], "exclude": "*-001"}, 42),
        ({"exclude": ["meters-*", "spare-*"]}, 3),
        ({"feeder": ["east", "west"]}, 45),
        ({"station": "rtu"}, 43),
        ({"protocol": "modbus"}, 43),
        ({"protocol": "modbus", "station": "rtu"}, 0),
        ({"map": "sunspec", "kind": "battery"}, 3),
        ({"label": "cell=north"}, 40),
        ({"label": ["cell=north", "cell=south"]}, 43),
        ({"label": ["cell=north", "firmware=1.4.2"]}, 40),
        ({"label": ["cell=south", "firmware=1.4.2"]}, 0),
        ({"label": "cell=east"}, 43),
        ({"label": "cell=north", "protocol": "iec104"}, 0),
        ({"label": "cell=south", "protocol": "modbus"}, 3),
        ({"pick": "all"}, 45),
        ({"pick": 7}, 7),
        ({"pick": "25 %", "group": "meters"}, 10),
        ({"pick": "0.1%", "group": "storage"}, 1),
        ({"pick": "100%"}, 45),
        ({"pick": 1_000}, 45),
    ],
)
def test_a_target_means_those_of_whom_all_its_keys_hold(labelled: Farm, target: dict[str, Any], hit: int) -> None:
    if hit:
        assert len(labelled.faults.add("offline", target).hit) == hit
    else:
        with pytest.raises(ConfigError, match="no device matches"):
            labelled.faults.add("offline", target)


def test_a_pick_is_drawn_by_the_seed_and_differs_from_fault_to_fault(make_layout: Callable[..., SiteLayout]) -> None:
    def drawn(seed: int) -> list[tuple[str, ...]]:
        farm = Farm(make_layout(LABELLED, seed, RTU))
        return [farm.faults.add("offline", {"group": "meters", "pick": "5"}).hit for _ in range(2)]

    first, second = drawn(1)
    assert first != second
    assert drawn(1) == [first, second]
    assert drawn(7) != [first, second]


def test_only_those_who_can_have_a_fault_are_picked(labelled: Farm) -> None:
    fault = labelled.faults.add("bias", {"quantity": "soc_frac", "pick": 4}, parameters={"offset": 0.1})
    assert len(fault.hit) == 4
    assert set(fault.hit) < {"storage-001", "storage-002", "storage-003", "spare-001", "spare-002"}
    assert len(fault.missed) == 40
    answering = labelled.faults.add("modbus-exception", {"kind": "battery"})
    assert (len(answering.hit), answering.missed) == (3, ("spare-001", "spare-002"))
    with pytest.raises(ConfigError, match="no device of the target can have"):
        labelled.faults.add("modbus-exception", {"protocol": "iec104"})


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ({"label": "cell=nroth"}, "target.label: cell=nroth is not known; did you mean cell=north?"),
        ({"label": "north"}, "is no label such as cell=north"),
        ({"station": "rtx"}, "target.station: rtx is not known; did you mean rtu?"),
        ({"protocol": ["modbus", "iec102"]}, "target.protocol: iec102 is not known"),
        ({"map": "sunspecs"}, "did you mean sunspec?"),
        ({"device": ["meters-001", "meters-099"]}, "target.device: no device is called"),
        ({"exclude": ["meters-001", "nobody"]}, "target.exclude: no device is called"),
        ({"group": []}, "target.group: must not be an empty list"),
        ({"group": 5}, "target.group: must be a name or a list of names"),
        ({"group": ["meters", None]}, "target.group: must be a name or a list of names"),
        ({"device": "x" * 201}, "target.device: a name has at most 200 characters"),
        ({"device": ["x"] * 10_001}, "10,000 are the maximum"),
        ({"pick": 0}, "target.pick: picks nobody"),
        ({"pick": "0.0 %"}, "target.pick: picks nobody"),
        ({"pick": "101 %"}, "target.pick: is more than 100 %"),
        ({"pick": "-1"}, "target.pick: must be all, a number"),
        ({"pick": 0.5}, "target.pick: must be all, a number"),
        ({"pick": True}, "target.pick: must be all, a number"),
        ({"pick": ["1", "2"]}, "target.pick: must be all, a number"),
    ],
)
def test_a_target_that_cannot_be_is_refused(labelled: Farm, target: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        labelled.faults.add("offline", target)
    assert text in str(refused.value)
    assert list(labelled.faults) == []


def test_devices_that_cannot_have_the_fault_are_missed_by_name(farm: Farm) -> None:
    fault = farm.faults.add("stuck", {"quantity": "soc_frac"})
    assert fault.hit == ("storage-001", "storage-002", "storage-003")
    assert fault.missed == ("meters-001", "meters-002", "meters-003", "meters-004")


@pytest.mark.parametrize(
    ("request_", "texts"),
    [
        ({"kind": "ofline"}, ["ofline is not known; did you mean offline?"]),
        ({"kind": "stuck"}, ["target.quantity: a stuck fault needs"]),
        ({"kind": "offline", "target": {"quantity": "x"}}, ["grips whole devices"]),
        (
            {"kind": "offline", "target": {"kind": "batery", "colour": "red"}},
            ["did you mean battery", "colour is not known"],
        ),
        ({"kind": "offline", "mode": "refused"}, ["did you mean refuse"]),
        ({"kind": "bias", "target": dict(POWER)}, ["offset other than 0"]),
        ({"kind": "bias", "target": dict(POWER), "parameters": {"ofset": 1.0}}, ["parameters.ofset"]),
        ({"kind": "bias", "target": dict(POWER), "parameters": {"offset": float("nan")}}, ["parameters.offset"]),
        ({"kind": "modbus-exception", "parameters": {"code": 12}}, ["parameters.code"]),
        ({"kind": "offline", "duration_s": 0.0}, ["duration_s"]),
        ({"kind": "offline", "duration_s": float("inf")}, ["duration_s"]),
        ({"kind": "offline", "duration_s": float("nan")}, ["duration_s"]),
        ({"kind": "offline", "target": {"device": "nobody-*"}}, ["no device matches"]),
        ({"kind": "stuck", "target": {"quantity": "no_such"}}, ["no device of the target can have"]),
    ],
)
def test_a_fault_that_cannot_be_is_refused_with_every_problem(
    farm: Farm, request_: dict[str, Any], texts: list[str]
) -> None:
    with pytest.raises(ConfigError) as refused:
        farm.faults.add(**request_)
    for text in texts:
        assert text in str(refused.value)
    assert list(farm.faults) == []


def test_clearing_ends_a_fault_with_the_next_step(farm: Farm) -> None:
    fault = farm.faults.add("stuck", POWER, parameters={"value": 1e6})
    farm.step(1.0)
    farm.faults.clear(fault.id)
    farm.step(1.0)
    assert farm.device("meters-001").value("active_power_w") == farm.device("meters-001").true_value("active_power_w")
    with pytest.raises(StateError, match="no fault 1 is waiting or active"):
        farm.faults.clear(fault.id)
    with pytest.raises(StateError, match="there is no fault 99"):
        farm.faults.get(99)


def test_no_more_faults_than_the_bound_wait_or_are_active(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilotfarm.emulators.farm.faultboard.FAULTS_MAX", 2)
    farm.faults.add("offline", start_s=farm.time_s + 5.0)
    second = farm.faults.add("offline")
    for _ in range(5):
        with pytest.raises(StateError, match="2 faults are waiting or active"):
            farm.faults.add("offline")
        farm.faults.clear(second.id)
        second = farm.faults.add("offline")
        farm.step(1.0)


def test_of_faults_that_have_ended_those_are_kept_that_ended_last_however_long_they_were(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They end by their time and by the operator's hand, in an order that is not that of their ids."""
    monkeypatch.setattr("pilotfarm.emulators.farm.faultboard.ENDED_KEPT", 3)
    rng = np.random.default_rng(200)
    active: dict[int, float] = {}
    ended: list[int] = []
    for _ in range(60):
        duration_s = float(rng.integers(1, 12))
        active[farm.faults.add("offline", duration_s=duration_s).id] = farm.time_s + 1.0 + duration_s
        del ended[:-3]
        assert [each.id for each in farm.faults] == sorted([*active, *ended])
        if rng.random() < 0.3:
            cleared = int(rng.choice(list(active)))
            farm.faults.clear(cleared)
            del active[cleared]
            ended.append(cleared)
        farm.step(1.0)
        over = [number for number, end_s in active.items() if end_s <= farm.time_s]
        ended += over
        for number in over:
            del active[number]
        assert {each.id for each in farm.faults if each.state != "ended"} == set(active)
    with pytest.raises(StateError, match="there is no fault 1"):
        farm.faults.get(1)
