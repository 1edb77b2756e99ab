"""A master reads the memory of a meter a record at a time: what it selects is shown with the next step."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pilotfarm.emulators.columns.arrays import is_nothing
from pilotfarm.emulators.farm.event_log import CODES
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.farm.load_profile import REGISTERS
from pilotfarm.emulators.quantities import RECORDS
from pilotfarm.emulators.site.layout import SiteLayout

SITE = """\
  kept: {kind: smart_meter, count: 3, feeder: east, ratings: {memory: 1, annual_energy_wh: 9000000}, endpoints: []}
  other: {kind: smart_meter, count: 1, feeder: east, endpoints: []}
"""
SHOWN = tuple(name for name in RECORDS if name not in ("record_kind", "record_selected"))


@pytest.fixture
def farm(make_layout: Callable[..., SiteLayout]) -> Farm:
    made = Farm(make_layout(SITE))
    made.device("kept-001").submit({"grid_switch": 0.0}, "rest", "test", 0.0)
    for _ in range(62):
        made.step(900.0)
    made.faults.add("outage", duration_s=1.0)
    made.step(1.0)
    made.step(1.0)
    return made


def _shown(farm: Farm, device: str, **told: float) -> dict[str, float]:
    meter = farm.device(device)
    meter.submit(told, "modbus", "test", 0.0)
    farm.step(0.1)
    return {name: meter.value(name) for name in SHOWN}


def test_what_nobody_selects_is_shown_nowhere(farm: Farm) -> None:
    for group in farm.population:
        assert all(is_nothing(group.columns[name]) for name in RECORDS)


@pytest.mark.parametrize("kind", [0, 1])
def test_a_master_walks_through_a_profile(farm: Farm, kind: int) -> None:
    profile = farm.memories["kept"].profile
    kept = profile.days(1) if kind else profile.intervals(1)
    assert len(kept) == (1 if kind else 62)
    for number in range(1, len(kept) + 1):
        reading, shown = kept[-number], _shown(farm, "kept-002", record_kind=kind, record_selected=number)
        assert 86_400.0 * shown["record_day"] + shown["record_time_s"] == reading.end_s
        assert tuple(shown[f"record_{name}"] for name in REGISTERS) == reading.values
        assert (shown["record_count"], shown["record_status"]) == (len(kept), reading.status)
        assert not any(shown[name] for name in SHOWN if "event" in name)
    beyond = _shown(farm, "kept-002", record_selected=len(kept) + 1)
    assert beyond == dict.fromkeys(SHOWN, 0.0) | {"record_count": len(kept)}
    assert not any(_shown(farm, "kept-002", record_selected=0).values())
    for device in ("kept-001", "kept-003"):
        assert not any(farm.device(device).value(name) for name in SHOWN)


def test_a_master_walks_through_the_event_log(farm: Farm) -> None:
    log = farm.memories["kept"].log.read(0)
    assert [(each.code, each.value, each.cause_code) for each in log] == [
        (CODES["relay_control_state"], 0, 1),
        (CODES["power_failure_alarm"], 1, 0),
        (CODES["power_failure_alarm"], 0, 0),
    ]
    for number in (1, 2, 3):
        event, shown = log[-number], _shown(farm, "kept-001", record_kind=2, record_selected=number)
        assert 86_400.0 * shown["record_day"] + shown["record_time_s"] == pytest.approx(event.time_s, abs=1e-3)
        told = [shown[f"record_{name}"] for name in ("event", "event_value", "event_cause", "count")]
        assert told == [event.code, event.value, event.cause_code, 3]
        assert not any(shown[f"record_{name}"] for name in REGISTERS)


def test_the_newest_record_is_shown_as_long_as_it_is_selected(farm: Farm) -> None:
    meter = farm.device("kept-002")
    first = _shown(farm, "kept-002", record_selected=1)
    farm.step(900.0)
    assert meter.value("record_count") == first["record_count"] + 1
    assert meter.value("record_time_s") == (first["record_time_s"] + 900.0) % 86_400.0
    farm.faults.add("exchanged", {"device": "kept-002"})
    farm.step(1.0)
    assert not any(meter.value(name) for name in SHOWN)
    for _ in range(3):
        farm.step(900.0)
    assert meter.value("record_count") == 2.0


def test_another_meter_shows_nothing_of_the_one_before(make_layout: Callable[..., SiteLayout]) -> None:
    farm = Farm(make_layout(SITE))
    for _ in range(3):
        farm.step(900.0)
    assert _shown(farm, "kept-001", record_selected=1)["record_count"] == 3.0
    farm.faults.add("exchanged", {"device": "kept-001"})
    farm.step(1.0)
    assert not any(farm.device("kept-001").value(name) for name in SHOWN)


def test_a_meter_without_a_memory_has_nothing_to_show(farm: Farm) -> None:
    assert not any(_shown(farm, "other-001", record_selected=1).values())
