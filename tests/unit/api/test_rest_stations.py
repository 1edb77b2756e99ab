"""What REST says of stations, and how far those that poll are behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rest_client import Rest

from pilotfarm.emulators import site

SITE = """\
name: street
location: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}
groups:
  meters:
    kind: smart_meter
    count: 5
    endpoints: [{protocol: iec104, station: rtu}, {protocol: modbus, station: gateway}]
stations:
  rtu:
    protocol: iec104
    medium: gprs
    polling: {baud_rate: 115_200, scan_s: 2, slow_s: 4, counters_s: 4, devices_per_bus: 3, timeout_s: 0.1}
  gateway: {protocol: modbus}
"""


def test_a_station_that_polls_says_how_old_is_what_it_knows(tmp_path: Path, make_rest: Callable[..., Rest]) -> None:
    (tmp_path / "site.yaml").write_text(SITE, encoding="utf-8")
    rest = make_rest(site.load(str(tmp_path / "site.yaml")))
    rest.pilot.farm.faults.add("offline", {"device": "meters-005"})
    for _ in range(10):
        rest.pilot.step(1.0)
    rtu, gateway = rest.get("/api/v1/stations")
    assert gateway == {
        "name": "gateway",
        "protocol": "modbus",
        "medium": "none",
        "devices": 5,
        "polling": None,
        "collecting": None,
    }
    assert (rtu["name"], rtu["protocol"], rtu["medium"], rtu["devices"]) == ("rtu", "iec104", "gprs", 5)
    polling, scanner = rtu["polling"], rest.pilot.images.polling["rtu"].scanner
    assert (polling["protocol"], polling["medium"], polling["buses"], polling["scan_s"]) == ("modbus", "rs485", 2, 2.0)
    assert polling["real"] is False
    assert (polling["scans"], polling["scans_left_out"]) == (2 * 5, 0)
    assert polling["silent"] == ["meters-005"]
    assert polling["polls_unanswered"] == scanner.unanswered > 5
    ages = polling["age_s"]
    assert ages.keys() == {"scan", "slow", "counters"}
    assert ages["scan"]["max"] == pytest.approx(10.0)  # nobody has read the fifth
    assert 0.0 < ages["scan"]["median"] <= 3.0
    assert ages["scan"]["median"] < ages["counters"]["median"] <= 5.0
    known_s = rest.pilot.farm.time_s - scanner.known_s[0]
    assert ages["scan"]["p95"] == pytest.approx(float(np.quantile(known_s, 0.95)))


def test_the_sequence_of_events_of_a_station_that_polls(tmp_path: Path, make_rest: Callable[..., Rest]) -> None:
    text = SITE.replace("timeout_s: 0.1", "timeout_s: 0.1, time_stamps: device")
    (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
    rest = make_rest(site.load(str(tmp_path / "site.yaml")))
    rest.pilot.farm.faults.add("offline", {"device": "meters-005"})
    rest.pilot.farm.faults.add("outage", start_s=4.0)
    rest.pilot.farm.faults.add("clock-step", {"device": "meters-002"}, parameters={"step_s": 3600.0})
    for _ in range(10):
        rest.pilot.step(1.0)
    path = "/api/v1/stations/rtu/events"
    answer = rest("GET", path)
    events = answer.json()
    assert (
        answer.headers["X-Total-Count"] == str(len(events)) == str(rest.get("/api/v1/stations")[0]["polling"]["events"])
    )
    assert rest.get("/api/v1/stations")[0]["polling"]["events_dropped"] == 0
    assert rest.get("/api/v1/stations")[0]["polling"]["time_stamps"] == "device"
    assert [each["number"] for each in events] == list(range(1, len(events) + 1))
    first, *others = events
    # The third of its bus: two polls before it, and three tries of 0.1 s, all in the step after the scan at 2 s.
    assert first | {"time": ""} == {
        "number": 1, "device": "meters-005", "quantity": "online", "value": 0.0, "quality": "good", "time": "",
        "received": "2026-06-15T08:00:03+02:00",
    }  # fmt: skip
    assert {each["device"] for each in others} == {f"meters-00{n}" for n in range(1, 5)}
    failures = {each["device"]: each for each in others if each["quantity"] == "power_failure_alarm"}
    assert {each["value"] for each in failures.values()} == {1.0}
    assert failures["meters-001"]["time"].startswith("2026-06-15T08:00:04.")  # read after the scan at 4 s
    assert failures["meters-002"]["time"].startswith("2026-06-15T09:00:04.")
    assert {each["received"] for each in failures.values()} == {"2026-06-15T08:00:05+02:00"}
    assert rest.get(path, params={"offset": 1, "limit": 2}) == events[1:3]
    assert rest.get(path, params={"offset": len(events)}) == []


def test_who_keeps_no_events_says_why(tmp_path: Path, make_rest: Callable[..., Rest]) -> None:
    (tmp_path / "site.yaml").write_text(SITE, encoding="utf-8")
    rest = make_rest(site.load(str(tmp_path / "site.yaml")))
    said = rest.problems(404, "GET", "/api/v1/stations/gateway/events")
    assert said == {"station": "gateway does not poll, and keeps no events"}
    assert rest.problems(404, "GET", "/api/v1/stations/rtus/events")["station"].endswith("did you mean rtu?")
    assert "limit" in str(rest.problems(422, "GET", "/api/v1/stations/rtu/events", params={"limit": 1_001}))


BEHIND = SITE.replace(
    "{protocol: iec104, station: rtu}", "{protocol: iec104, station: rtu}, {protocol: iec104, station: head}"
)
BEHIND += "  head: {protocol: iec104, polling: {through: rtu, medium: none, scan_s: 3, slow_s: 3, counters_s: 3}}\n"


def test_a_station_that_polls_another_says_so_and_how_old_all_is(
    tmp_path: Path, make_rest: Callable[..., Rest]
) -> None:
    (tmp_path / "site.yaml").write_text(BEHIND, encoding="utf-8")
    rest = make_rest(site.load(str(tmp_path / "site.yaml")))
    rest.pilot.farm.faults.add("offline", {"device": "meters-005"})
    for _ in range(11):
        rest.pilot.step(1.0)
    rtu, _, head = (each["polling"] for each in rest.get("/api/v1/stations"))
    assert (rtu["through"], rtu["silent_stations"], rtu["silent"]) == ([], [], ["meters-005"])
    rest.pilot.images.polling["rtu"].scanner.answers[2, 0] = False
    assert rest.get("/api/v1/stations")[0]["polling"]["silent"] == ["meters-001", "meters-005"]
    assert (head["protocol"], head["through"], head["medium"], head["buses"]) == ("iec104", ["rtu"], "none", 1)
    assert (head["silent_stations"], head["silent"]) == ([], ["meters-005"])
    assert head["age_s"]["scan"]["median"] > rtu["age_s"]["scan"]["median"]
    own_s = rest.pilot.farm.time_s - rest.pilot.images.polling["head"].scanner.known_s[0, 0]
    assert head["age_s"]["scan"]["median"] > own_s
    rest.pilot.farm.faults.add("rtu-down", {"station": "rtu"})
    for _ in range(8):
        rest.pilot.step(1.0)
    *_, head = (each["polling"] for each in rest.get("/api/v1/stations"))
    assert (head["silent_stations"], len(head["silent"])) == (["rtu"], 5)


def test_a_station_that_really_polls_says_so_and_how_it_goes(tmp_path: Path, make_rest: Callable[..., Rest]) -> None:
    (tmp_path / "site.yaml").write_text(
        SITE.replace("timeout_s: 0.1}", "timeout_s: 0.1, real: true}"), encoding="utf-8"
    )
    rest = make_rest(site.load(str(tmp_path / "site.yaml")))
    rest.pilot.farm.faults.add("offline", {"device": "meters-005"})
    for _ in range(9):
        rest.pilot.step(1.0)
    polling = rest.get("/api/v1/stations")[0]["polling"]
    assert (polling["real"], polling["buses"], polling["scans"]) == (True, 2, 2 * 4)
    assert polling["silent"] == ["meters-005"]
    assert 0.0 < polling["age_s"]["scan"]["median"] < 4.0 < polling["age_s"]["scan"]["max"]
