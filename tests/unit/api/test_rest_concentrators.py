"""What REST says of data concentrators, and how a head-end has what they have read."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rest_client import Rest

from pilotfarm.emulators import site

SITE = """\
name: street
location: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}
start: 2025-06-02T23:00:00
groups:
  meters:
    kind: smart_meter
    count: 3
    ratings: {memory: 1}
    endpoints: [{protocol: iec104, station: dc}, {protocol: modbus, station: gateway}]
stations:
  dc: {protocol: iec104, collecting: {medium: plc_prime, queue: 100}}
  gateway: {protocol: modbus}
"""


def test_a_head_end_has_each_reading_until_it_acknowledges_it(tmp_path: Path, make_rest: Callable[..., Rest]) -> None:
    (tmp_path / "site.yaml").write_text(SITE, encoding="utf-8")
    rest = make_rest(site.load(str(tmp_path / "site.yaml")))
    rest.pilot.farm.faults.add("offline", {"device": "meters-002"})
    assert rest.get("/api/v1/stations/dc/readings") == []
    for _ in range(74):
        rest.pilot.step(60.0)
    ways = {each["station"]: each for each in rest.get("/api/v1/endpoints")}
    assert (ways["dc"]["polled_over"], ways["gateway"].get("polled_over")) == ("plc_prime", None)
    dc, gateway = rest.get("/api/v1/stations")
    assert (gateway["collecting"], dc["polling"]) == (None, None)
    rounds = rest.pilot.images.concentrators["dc"].rounds
    assert dc["collecting"] == {
        "medium": "plc_prime",
        "at": "00:05",
        "again_s": 1_800.0,
        "rounds": 1,
        "rounds_left_out": 0,
        "exchanges": rounds.collector.exchanges,
        "exchanges_unanswered": rounds.collector.unanswered,
        "behind": ["meters-002"],
        "silent": ["meters-002"],
        "readings_waiting": 8,
        "alarms_waiting": 0,
        "alarms_lost": 0,
        "problem": "",
    }
    assert rounds.collector.exchanges > rounds.collector.unanswered >= 4
    answer = rest("GET", "/api/v1/stations/dc/readings", params={"limit": 5})
    assert answer.headers["X-Total-Count"] == "8"
    first = answer.json()
    assert [each["number"] for each in first] == [1, 2, 3, 4, 5]
    assert first[0].keys() == {
        *(
            "number",
            "device",
            "serial",
            "begin",
            "end",
            "status",
            "read_at",
            "energy_imported_wh",
            "energy_exported_wh",
        ),
        *("reactive_energy_imported_varh", "reactive_energy_exported_varh"),
    }
    assert (first[0]["device"], first[0]["begin"]) == ("meters-001", "2025-06-02T23:00:00+02:00")
    profile = rest.get("/api/v1/devices/meters-001/profile")["readings"]
    assert [each["energy_imported_wh"] for each in first[:4]] == [each["energy_imported_wh"] for each in profile[:4]]
    assert all(earlier["end"] == later["begin"] for earlier, later in pairwise(first[:4]))
    rest_of_it = rest.get("/api/v1/stations/dc/readings", params={"after": 5})
    assert [each["number"] for each in rest_of_it] == [6, 7, 8]
    assert {each["device"] for each in first + rest_of_it} == {"meters-001", "meters-003"}
    for to, count in ((5, 5), (5, 0), (8, 3)):
        gone = rest("DELETE", "/api/v1/stations/dc/readings", params={"to": to})
        assert (gone.status_code, gone.json()) == (200, {"acknowledged": count})
    assert rest.get("/api/v1/stations/dc/readings") == []


def of(words: list[dict[str, Any]], alarm: str) -> set[str]:
    return {each["device"] for each in words if each["alarm"] == alarm}


@pytest.mark.parametrize("last_gasp_s", [0.0, 5.0])
def test_an_outage_as_its_concentrator_knows_it_beside_what_is_true(
    tmp_path: Path, make_rest: Callable[..., Rest], last_gasp_s: float
) -> None:
    text = SITE.replace("count: 3", "count: 40").replace("memory: 1", f"memory: 1, last_gasp_s: {last_gasp_s}")
    (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
    rest = make_rest(site.load(str(tmp_path / "site.yaml")))
    faults = rest.pilot.farm.faults
    offline, outage = faults.add("offline", {"device": "meters-007"}), faults.add("outage", start_s=10.0)
    for _ in range(40):
        rest.pilot.step(1.0)
    words = rest.get("/api/v1/stations/dc/alarms")
    assert rest.get("/api/v1/stations")[0]["collecting"]["alarms_waiting"] == len(words)
    gasped = of(words, "power_failure")
    assert 8 < len(gasped) == len(words) < 40
    assert "meters-007" not in gasped
    assert all(each["since"].startswith("2025-06-02T23:00:1") for each in words)
    assert all(each["since"] < each["received"] for each in words)
    outages = rest.get("/api/v1/stations/dc/outages")
    assert len(outages) == 40
    assert not any(each["supplied"] for each in outages)
    assert {each["device"] for each in outages if each["known"] == "last_gasp"} == gasped
    assert {each["since"] for each in outages if each["known"] == "last_gasp"} == {each["received"] for each in words}
    assert {each["known"] for each in outages if each["device"] not in gasped} == {"supplied"}
    gone = rest("DELETE", "/api/v1/stations/dc/alarms", params={"to": words[-1]["number"]})
    assert gone.json() == {"acknowledged": len(words)}

    faults.clear(outage.id)
    for _ in range(3):
        rest.pilot.step(1.0)
    knows = rest.get("/api/v1/stations/dc/outages")
    assert {each["device"] for each in knows} <= gasped
    assert len(knows) > 0.8 * len(gasped)
    assert all(each["supplied"] for each in knows)
    for _ in range(20):
        rest.pilot.step(60.0)
    assert [each for each in rest.get("/api/v1/stations/dc/outages") if each["known"] == "last_gasp"] == []
    for _ in range(50):
        rest.pilot.step(60.0)
    words = rest.get("/api/v1/stations/dc/alarms")
    assert of(words, "power_restored") == {f"meters-{row:03}" for row in range(1, 41)} - {"meters-007"}
    assert len(words) == 39
    (left,) = rest.get("/api/v1/stations/dc/outages")
    assert (left["device"], left["known"], left["supplied"]) == ("meters-007", "no_contact", True)
    assert left["since"] == "2025-06-02T23:00:01+02:00"
    faults.clear(offline.id)
    for _ in range(31):
        rest.pilot.step(60.0)
    assert rest.get("/api/v1/stations/dc/outages") == []


def test_another_station_has_no_readings(tmp_path: Path, make_rest: Callable[..., Rest]) -> None:
    (tmp_path / "site.yaml").write_text(SITE, encoding="utf-8")
    rest = make_rest(site.load(str(tmp_path / "site.yaml")))
    said = rest.problems(404, "GET", "/api/v1/stations/gateway/readings")
    assert said == {"station": "gateway collects no readings"}
    said = rest.problems(404, "DELETE", "/api/v1/stations/dcc/readings", params={"to": 1})
    assert "did you mean dc?" in said["station"]
    assert "query.to" in rest.problems(422, "DELETE", "/api/v1/stations/dc/readings")
