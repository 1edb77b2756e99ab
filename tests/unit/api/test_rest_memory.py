"""What REST says of the memory of meters: profiles, event logs, and of meters that are exchanged."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rest_client import Rest

from pilotfarm.emulators import site

SITE = """\
name: street
location: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}
start: 2026-10-24T23:00:00
groups:
  kept:
    kind: smart_meter
    count: 3
    ratings: {memory: 1, annual_energy_wh: 9_000_000}
    endpoints: [{protocol: modbus}]
  mixed: {kind: smart_meter, count: 8, ratings: {memory: {choice: [0, 1]}}, endpoints: [{protocol: modbus}]}
  other: {kind: smart_meter, count: 1, endpoints: [{protocol: modbus}]}
"""


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory, make_rest: Callable[..., Rest]) -> Rest:
    path = tmp_path_factory.mktemp("memory") / "site.yaml"
    path.write_text(SITE, encoding="utf-8")
    rest = make_rest(site.load(str(path)))
    farm = rest.pilot.farm
    farm.device("kept-001").submit({"grid_switch": 0.0}, "rest", "test", 0.0)
    farm.faults.add("clock-step", {"device": "kept-002"}, parameters={"step_s": 3600.0})
    for _ in range(27 * 4):
        rest.pilot.step(900.0)
    farm.faults.add("exchanged", {"device": "kept-003"}, parameters={"down_s": 60.0})
    for _ in range(3):
        rest.pilot.step(900.0)
    return rest


def _pages(rest: Rest, path: str, **asked: Any) -> tuple[Any, int]:
    answer = rest("GET", path, params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json(), int(answer.headers["X-Total-Count"])


def test_the_night_the_clock_goes_back_has_a_hundred_quarters_that_sum_to_the_day(rest: Rest) -> None:
    found, count = _pages(rest, "devices/kept-002/profile", limit=5_760)
    readings = found["readings"]
    assert (found["device"], found["serial"], found["kind"]) == ("kept-002", "kept-002", "load")
    assert found["clock_offset_s"] == pytest.approx(3_600.0)
    assert count == len(readings) == 27 * 4 + 3
    assert readings[0]["end"] == "2026-10-24T23:15:00+02:00"
    ends = [datetime.fromisoformat(each["end"]) for each in readings]
    assert {(b - a).total_seconds() for a, b in pairwise(ends)} == {900.0}
    assert [each["end"] for each in readings].count("2026-10-25T02:30:00+02:00") == 1
    assert [each["end"] for each in readings].count("2026-10-25T02:30:00+01:00") == 1
    days, _ = _pages(rest, "devices/kept-002/profile", kind="daily")
    first, last = days["readings"]
    assert (first["end"], last["end"]) == ("2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00")
    inside = [each for each in readings if first["end"] < each["end"] <= last["end"]]
    assert len(inside) == 100
    for name in ("energy_imported_wh", "energy_exported_wh", "reactive_energy_imported_varh"):
        assert sum(each[name] for each in inside) == last[name] - first[name]
    # The register that masters read is the sum of all, and of the second of warm-up before.
    shown = rest.get("/api/v1/devices/kept-002")["quantities"]["energy_imported_wh"]["reported"]
    assert sum(each["energy_imported_wh"] for each in readings) == pytest.approx(shown, abs=2.0)
    assert sum(each["energy_imported_wh"] for each in inside) > 5_000


def test_profiles_come_by_pages_from_the_newest_one(rest: Rest) -> None:
    whole, count = _pages(rest, "devices/kept-002/profile", limit=5_760)
    for limit, offset in ((96, 0), (10, 5), (50, 100), (10, 5_000)):
        page, total = _pages(rest, "devices/kept-002/profile", limit=limit, offset=offset)
        end = max(count - offset, 0)
        assert total == count
        assert page["readings"] == whole["readings"][max(end - limit, 0) : end]
    assert len(rest.get("/api/v1/devices/kept-002/profile")["readings"]) == 96


def test_with_an_open_relay_intervals_are_0_and_say_why(rest: Rest) -> None:
    found, _ = _pages(rest, "devices/kept-001/profile")
    assert {each["energy_imported_wh"] for each in found["readings"]} == {0}
    assert all(each["status"] == ["relay_open"] for each in found["readings"])
    log, count = _pages(rest, "devices/kept-001/events")
    assert count == 1
    assert log == [
        {
            "number": 1,
            "time": "2026-10-24T23:15:01+02:00",
            "quantity": "relay_control_state",
            "value": 0,
            "cause": "remote",
        }
    ]


def test_a_meter_that_is_exchanged_has_a_memory_of_its_own(rest: Rest) -> None:
    found, count = _pages(rest, "devices/kept-003/profile")
    assert found["serial"].startswith("kept-003-")
    assert count == len(found["readings"]) == 2
    shown = rest.get("/api/v1/devices/kept-003")["quantities"]["energy_imported_wh"]
    assert shown["reported"] < shown["value"]
    assert sum(each["energy_imported_wh"] for each in found["readings"]) <= shown["reported"] + 1.0


def test_who_keeps_nothing_is_told_apart_from_who_is_not_there(rest: Rest) -> None:
    farm = rest.pilot.farm
    assert set(farm.memories) == {"kept", "mixed"}
    has = farm.groups["mixed"].layout.ratings["memory"]
    assert 0.0 < has.sum() < 8.0
    for path in ("profile", "events"):
        for row, device in enumerate(farm.groups["mixed"].layout.devices):
            assert rest("GET", f"devices/{device}/{path}").status_code == (200 if has[row] else 404)
        said = rest.problems(404, "GET", f"devices/other-001/{path}")
        assert said == {"device": "other-001 keeps nothing: its rating memory is 0"}
        assert rest("GET", f"devices/nobody/{path}").status_code == 404
    assert rest("GET", "devices/kept-001/profile", params={"kind": "weekly"}).status_code == 422


def test_events_have_the_meters_own_time_and_are_gone_when_they_are_cleared(
    tmp_path: Path, make_rest: Callable[..., Rest]
) -> None:
    (tmp_path / "site.yaml").write_text(SITE, encoding="utf-8")
    rest = make_rest(site.load(str(tmp_path / "site.yaml")))
    farm = rest.pilot.farm
    rest.pilot.step(1.0)
    farm.faults.add("clock-step", {"device": "kept-002"}, parameters={"step_s": 3600.0})
    farm.faults.add("outage", duration_s=2.0)
    for _ in range(5):
        rest.pilot.step(1.0)
    one, _ = _pages(rest, "devices/kept-001/events")
    two, _ = _pages(rest, "devices/kept-002/events")
    assert [(each["quantity"], each["value"]) for each in one] == [
        ("power_failure_alarm", 1),
        ("power_failure_alarm", 0),
    ]
    begun, over = (datetime.fromisoformat(each["time"]) for each in one)
    assert (over - begun).total_seconds() == 2.0
    for mine, his in zip(one, two, strict=True):
        late = datetime.fromisoformat(his["time"]) - datetime.fromisoformat(mine["time"])
        assert late.total_seconds() == 3_600.0
    assert _pages(rest, "devices/kept-001/events", limit=1)[0] == one[1:]
    assert _pages(rest, "devices/kept-001/events", offset=1)[0] == one[:1]
    farm.device("kept-001").submit({"event_clear": 1.0}, "rest", "test", 0.0)
    rest.pilot.step(1.0)
    cleared, count = _pages(rest, "devices/kept-001/events")
    assert [(each["quantity"], each["number"]) for each in cleared] == [("event_clear", 3)]
    assert count == 1
