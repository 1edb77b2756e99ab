"""What REST says of data concentrators, and how a head-end has what they have read."""

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
        "clocks_set": 0,
        "clocks_not_set": 0,
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


# ------------------------------------------------------------------------------- reads on demand


@pytest.fixture
def street(tmp_path: Path, make_rest: Callable[..., Rest]) -> Rest:
    (tmp_path / "site.yaml").write_text(SITE, encoding="utf-8")
    return make_rest(site.load(str(tmp_path / "site.yaml")))


def test_a_meter_that_is_read_on_demand_answers_as_it_was(street: Rest) -> None:
    street.pilot.farm.faults.add("offline", {"device": "meters-002"})
    street.pilot.farm.faults.add("quality", {"device": "meters-003", "quantity": "energy_*_wh"})
    street.pilot.step(1.0)
    asked = street("POST", "/api/v1/stations/dc/reads", json={"devices": ["meters-003", "meters-002"]})
    assert asked.status_code == 202
    assert asked.json() == [
        {
            "ticket": ticket,
            "device": device,
            "status": "waiting",
            "asked_at": "2025-06-02T23:00:02+02:00",
            **dict.fromkeys(("ended_at", "serial", "read_at", "quantities")),
        }
        for ticket, device in ((1, "meters-003"), (2, "meters-002"))
    ]
    meter = street.pilot.farm.device("meters-003")
    had: dict[str, tuple[float, int]] = {}
    ended: list[tuple[int, dict[str, Any]]] = []
    for second in range(60):
        before = {
            each.name: (meter.value(each.name), int(meter.quality(each.name))) for each in meter.group.spec.quantities
        }
        street.pilot.step(1.0)
        for ticket in {1, 2} - {each for each, _ in ended}:
            answer = street.get(f"/api/v1/stations/dc/reads/{ticket}")
            if answer["status"] != "waiting":
                ended.append((ticket, answer))
                had = had or before
                assert answer["ended_at"] <= f"2025-06-02T23:00:{3 + second:02}+02:00"
                assert answer["ended_at"] >= f"2025-06-02T23:00:{2 + second:02}+02:00"
    (first, answered), (second, unanswered) = ended
    assert (first, answered["status"], answered["serial"]) == (1, "answered", "meters-003")
    assert answered["read_at"] == answered["ended_at"]
    told = answered["quantities"]
    assert {"energy_imported_wh", "relay_control_state", "power_failure_alarm"} <= set(told)
    assert not {"active_power_w", "limiter_threshold_w", "online", "memory"} & set(told)
    assert {name: each["value"] for name, each in told.items()} == {name: had[name][0] for name in told}
    assert told["energy_imported_wh"]["quality"] == "invalid"
    assert (told["relay_control_state"]["quality"], told["energy_imported_wh"]["unit"]) == ("good", "Wh")
    assert (second, unanswered["status"]) == (2, "unanswered")
    assert [unanswered[name] for name in ("serial", "read_at", "quantities")] == [None] * 3
    took = datetime.fromisoformat(unanswered["ended_at"]) - datetime.fromisoformat(answered["ended_at"])
    assert took.total_seconds() == pytest.approx(20.0), "four tries of 5 s"
    assert street.get("/api/v1/stations/dc/reads/1") == answered
    collector = street.pilot.images.concentrators["dc"].rounds.collector
    assert collector.exchanges - collector.unanswered == 3, "an association, registers, states"


def test_reads_that_cannot_be_are_refused_and_nobody_is_asked(street: Rest) -> None:
    def asked(status: int, *devices: Any, station: str = "dc") -> dict[str, str]:
        return street.problems(status, "POST", f"/api/v1/stations/{station}/reads", json={"devices": devices})

    said = asked(422, "meters-001", "meters-004", "meters-001")
    assert said["devices.1"].startswith("meters-004 is not known; did you mean meters-00")
    assert said["devices.2"] == "meters-001 is named twice"
    assert asked(404, "meters-001", station="gateway") == {"station": "gateway collects no readings"}
    assert asked(422)
    assert asked(422, 5)
    for _ in range(31):
        assert street("POST", "stations/dc/reads", json={"devices": ["meters-001", "meters-002"]}).status_code == 202
    said = asked(503, "meters-001", "meters-002", "meters-003")
    assert said == {"": "62 demands wait at the concentrator, and 64 may"}
    reads = street.pilot.images.concentrators["dc"].reads
    assert reads.asked == 62
    assert street.problems(404, "GET", "stations/dc/reads/63") == {"ticket": "dc has given out no ticket 63"}
    assert street("POST", "stations/dc/reads", json={"devices": ["meters-001", "meters-002"]}).status_code == 202


def test_the_oldest_reads_are_forgotten(tmp_path: Path, make_rest: Callable[..., Rest]) -> None:
    text = SITE.replace("count: 3", "count: 63")
    (tmp_path / "site.yaml").write_text(f"{text}media: false\n", encoding="utf-8")
    rest = make_rest(site.load(str(tmp_path / "site.yaml")))
    devices = [f"meters-{row:03}" for row in range(1, 64)]
    for _ in range(15):
        assert rest("POST", "stations/dc/reads", json={"devices": devices}).status_code == 202
        rest.pilot.step(1.0)
    assert rest("POST", "stations/dc/reads", json={"devices": devices[:57]}).status_code == 202
    assert rest.get("stations/dc/reads/1002")["status"] == "waiting"
    assert rest.get("stations/dc/reads/3")["status"] == "answered"
    assert rest.problems(404, "GET", "stations/dc/reads/2") == {"ticket": "read 2 is forgotten"}


def test_reads_at_a_concentrator_that_goes_down_are_not_answered(street: Rest) -> None:
    assert street("POST", "stations/dc/reads", json={"devices": ["meters-001"]}).status_code == 202
    street.pilot.farm.faults.add("rtu-down", {"station": "dc"})
    street.pilot.step(1.0)
    assert street.get("stations/dc/reads/1")["status"] == "unanswered"


def test_without_media_a_read_is_answered_in_the_next_step(tmp_path: Path, make_rest: Callable[..., Rest]) -> None:
    (tmp_path / "site.yaml").write_text(f"{SITE}media: false\n", encoding="utf-8")
    rest = make_rest(site.load(str(tmp_path / "site.yaml")))
    assert rest("POST", "stations/dc/reads", json={"devices": ["meters-001"]}).status_code == 202
    rest.pilot.step(1.0)
    assert rest.get("stations/dc/reads/1")["status"] == "answered"
