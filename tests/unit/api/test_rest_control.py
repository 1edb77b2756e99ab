"""Time, health, metrics, tokens and errors over REST."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from weakref import ref

import pytest
from prometheus_client.parser import text_string_to_metric_families
from rest_client import Rest

from pilotfarm.api.app import BODY_MAX_BYTES, create_app
from pilotfarm.emulators import errors
from pilotfarm.emulators.protocols.iec104 import PROTOCOL
from pilotfarm.emulators.protocols.iec104.link import STARTDT_ACT
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site.layout import SiteLayout
from pilotfarm.loadtests import problems

JSON = {"content-type": "application/json"}


def test_the_site_is_what_was_loaded(still: Rest, tiny: SiteLayout) -> None:
    found = still.get("site")
    assert (found["name"], found["seed"], found["devices"]) == ("tiny", tiny.seed, tiny.device_count)
    assert [group["name"] for group in found["groups"]] == [group.name for group in tiny.groups]
    assert datetime.fromisoformat(found["start"]) == tiny.start


# --------------------------------------------------------------------------------------------- clock


def test_the_clock_has_exactly_the_promised_shape(still: Rest) -> None:
    clock = still.get("clock")
    assert set(clock) == {"time", "speed", "paused", "step_s", "late_steps", "worst_late_s"}
    assert clock["paused"] is False


def test_a_change_leaves_what_it_does_not_name(rest: Rest) -> None:
    assert rest("PATCH", "clock", json={"speed": 60}).json()["speed"] == 60.0
    changed = rest("PATCH", "clock", json={"step_s": 10, "paused": True}).json()
    assert (changed["speed"], changed["step_s"], changed["paused"]) == (60.0, 10.0, True)
    assert rest("PATCH", "clock", json={"speed": 2}).json()["paused"] is True


def test_steps_by_hand_move_site_time_by_their_length(rest: Rest) -> None:
    rest("PATCH", "clock", json={"paused": True, "step_s": 10})
    before = rest.pilot.farm.now
    after = rest("POST", "clock/step", json={"steps": 6}).json()
    assert datetime.fromisoformat(after["time"]) == before + timedelta(minutes=1)


def test_steps_by_hand_are_refused_while_the_clock_runs(still: Rest) -> None:
    assert "pause" in next(iter(still.problems(409, "POST", "clock/step", json={"steps": 1}).values()))


@pytest.mark.parametrize(
    ("method", "path", "body", "where"),
    [
        ("PATCH", "clock", '{"speed": NaN}', "speed"),
        ("PATCH", "clock", '{"speed": Infinity}', "speed"),
        ("PATCH", "clock", '{"speed": 0}', "speed"),
        ("PATCH", "clock", '{"speed": null}', "speed"),
        ("PATCH", "clock", '{"step_s": 0.01}', "step_s"),
        ("PATCH", "clock", '{"paused": 1}', "paused"),
        ("PATCH", "clock", '{"sped": 2}', "sped"),
        ("PATCH", "clock", "{}", ""),
        ("POST", "clock/step", '{"steps": 0}', "steps"),
        ("POST", "clock/step", '{"steps": 1.5}', "steps"),
        ("POST", "clock/step", '{"steps": 1e9}', "steps"),
    ],
)
def test_a_clock_that_cannot_be_is_refused_with_the_field_named(
    still: Rest, method: str, path: str, body: str, where: str
) -> None:
    before = still.get("clock")
    assert where in still.problems(422, method, path, content=body, headers=JSON)
    assert still.get("clock") == before


# -------------------------------------------------------------------------------------------- errors


def all_errors(root: type[errors.PilotfarmError]) -> Iterator[type[errors.PilotfarmError]]:
    yield root
    for each in root.__subclasses__():
        if each.__module__ == errors.__name__:  # a command's own are met by no request
            yield from all_errors(each)


def test_every_error_has_its_status() -> None:
    assert set(problems.STATUS) == set(all_errors(errors.PilotfarmError))


@pytest.mark.parametrize("path", ["/", "/api", "/api/v1/", "/api/v1/snapshots", "/nothing"])
def test_what_is_not_there_is_a_404_and_not_a_stub(still: Rest, path: str) -> None:
    if path == "/":
        assert still("GET", path).status_code == 307
    else:
        assert "no" in still.problems(404, "GET", path)[path]


def test_a_method_that_is_not_taken_is_a_405_that_names_those_that_are(still: Rest) -> None:
    still.problems(405, "DELETE", "site")
    assert "GET" in still("DELETE", "site").headers["Allow"]


def test_an_unexpected_error_is_a_problem_document_without_its_text(
    still: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("a secret of the house")

    monkeypatch.setattr("pilotfarm.api.routes.context.chosen", fail)
    found = still.problems(500, "GET", "devices")
    assert "RuntimeError" in found[""]
    assert "secret" not in found[""]


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_too_large_is_refused_whatever_its_header_says(still: Rest, declared: bool) -> None:
    body = b" " * (BODY_MAX_BYTES + 1)

    async def in_parts() -> Any:
        for _ in range(3):
            yield body[: BODY_MAX_BYTES // 2]

    still.problems(413, "PATCH", "clock", content=body if declared else in_parts(), headers=JSON)


# -------------------------------------------------------------------------------------------- tokens


@pytest.mark.parametrize("path", ["/api/v1/site", "/metrics", "/nothing"])
def test_with_a_token_nothing_but_the_health_and_the_page_is_open(still: Rest, path: str) -> None:
    rest = Rest(still.pilot, create_app(still.pilot, token="secret"))
    for headers in ({}, {"Authorization": "Bearer secre"}, {"Authorization": "secret"}, {"Authorization": "Bearer ü"}):
        encoded = {name: value.encode("latin-1") for name, value in headers.items()}
        rest.problems(401, "GET", path, headers=encoded)
    assert rest("GET", path).headers["WWW-Authenticate"] == "Bearer"
    assert rest("GET", path, headers={"Authorization": "Bearer secret"}).status_code in (200, 307, 404)
    assert rest.get("/healthz")["status"] == "ok"


# ------------------------------------------------------------------------------------------- metrics


def metrics(rest: Rest) -> dict[tuple[str, str], float]:
    text = rest("GET", "/metrics").text
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_count_what_happened(rest: Rest) -> None:
    before = metrics(rest)
    assert before["pilotfarm_devices", "battery"] == 1.0
    assert before["pilotfarm_steps_total", ""] == 1.0
    rest("POST", "devices/battery-001/setpoints", json={"stop": 1})
    rest("POST", "faults", json={"kind": "offline"})
    waiting = metrics(rest)
    assert waiting["pilotfarm_commands_queued", ""] == 1.0
    assert waiting["pilotfarm_faults", "pending"] == 1.0
    rest.pilot.farm.step(1.0)
    after = metrics(rest)
    assert after["pilotfarm_steps_total", ""] == 2.0
    assert after["pilotfarm_commands_queued", ""] == 0.0
    assert after["pilotfarm_faults", "active"] == 1.0
    assert {protocol for name, protocol in after if name == "pilotfarm_received_bytes_total"} == {
        "modbus",
        "iec104",
        "dnp3",
    }


def test_metrics_tell_of_events_that_wait_for_masters_and_of_those_there_was_no_room_for(
    tiny: SiteLayout, make_rest: Callable[..., Rest]
) -> None:
    options = PROTOCOL.options_model(event_buffer=16)
    stations = tuple(replace(each, options=options) if each.name == "rtu" else each for each in tiny.stations)
    rest = make_rest(replace(tiny, stations=stations))
    rtu = next(place.station for place in rest.pilot.images.places if place.layout.name == "rtu")
    engine = rtu.connect("192.0.2.1:1", 0.0)
    engine.receive(bytes((0x68, 4, STARTDT_ACT, 0, 0, 0)), 0.0)
    engine.hang_up(0.0)
    assert metrics(rest)["pilotfarm_events_waiting", "iec104"] == 0.0
    for _ in range(3):
        rest.pilot.step(900.0)
    found = metrics(rest)
    assert found["pilotfarm_events_waiting", "iec104"] == 16.0
    assert found["pilotfarm_events_lost_total", "iec104"] > 0.0


def test_two_farms_in_one_process_count_apart(tiny: SiteLayout, make_rest: Callable[..., Rest]) -> None:
    one, other = make_rest(tiny), make_rest(tiny)
    one.pilot.farm.step(1.0)
    assert metrics(one)["pilotfarm_steps_total", ""] == 2.0
    assert metrics(other)["pilotfarm_steps_total", ""] == 1.0


def test_a_ledger_that_cannot_write_shows_in_the_metrics(tiny: SiteLayout, tmp_path: Any) -> None:
    from pilotfarm.emulators.record.ledger import Ledger

    folder = tmp_path / "ledger"
    pilot = Pilot(tiny)
    ledger = Ledger(folder, pilot.farm, pilot.clock)
    folder.rename(tmp_path / "moved")
    folder.write_text("a file, not a folder")
    pilot.observe(ledger)
    pilot.farm.step(1.0)
    ledger.close()
    found = metrics(Rest(pilot, create_app(pilot, ledger=ledger)))
    assert found["pilotfarm_ledger_write_errors_total", ""] >= 1.0
    assert found["pilotfarm_ledger_rows_dropped_total", ""] > 0.0


def test_an_app_that_nobody_has_any_more_is_gone_with_its_farm(
    tiny: SiteLayout, make_rest: Callable[..., Rest]
) -> None:
    rest = make_rest(tiny)
    assert rest.get("/openapi.json")
    assert rest("GET", "/").status_code == 307
    pilot = ref(rest.pilot)
    del rest
    gc.collect()
    assert pilot() is None
