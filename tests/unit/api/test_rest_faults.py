"""Faults over REST: put on, seen, cleared; every mistake named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from example_faults import needs
from rest_client import Rest

from pilotfarm.emulators import registry
from pilotfarm.emulators.site import load
from pilotfarm.emulators.site.layout import SiteLayout

METER = {"kind": "stuck", "target": {"kind": "smart_meter", "quantity": "active_power_w"}}


def added(rest: Rest, **body: Any) -> dict[str, Any]:
    answer = rest("POST", "faults", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"/api/v1/faults/{found['id']}"
    return found


@pytest.fixture(scope="module")
def without_media(tiny: SiteLayout, make_rest: Callable[..., Rest]) -> Rest:
    return make_rest(tiny)


@pytest.fixture(scope="module")
def with_media(make_rest: Callable[..., Rest]) -> Rest:
    return make_rest(load("tiny", media=True))


@pytest.mark.parametrize("kind", registry.FAULTS)
def test_every_kind_is_described_and_its_example_is_taken(without_media: Rest, with_media: Rest, kind: str) -> None:
    rest = with_media if kind == "medium" else without_media
    (described,) = [each for each in rest.get("faults/kinds") if each["kind"] == kind]
    target = needs(kind)
    assert list(target) == described["required"]
    fault = added(rest, kind=kind, target=target, parameters=described["example"])
    assert set(described["parameters"]["properties"]) == set(fault["parameters"])
    assert fault["hit"]
    for mode in described["modes"]:
        assert added(rest, kind=kind, target=target, mode=mode, parameters=described["example"])["mode"] == mode
    rest("DELETE", "faults")
    assert rest.get("faults", params={"state": "pending"}) == []


def test_the_answer_names_who_is_hit_and_who_is_missed(rest: Rest) -> None:
    fault = added(rest, kind="stuck", target={"quantity": "soc_frac"})
    assert fault["hit"] == ["battery-001"]
    assert set(fault["missed"]) == {"charger-001", "pv-001", "meter-001", "home-001"}
    assert fault["state"] == "pending"


def test_a_dry_run_answers_as_the_fault_would_and_puts_it_nowhere(rest: Rest) -> None:
    body = {"kind": "silence", "target": {"phase": ["L1", "L2"]}, "count": 5, "duration_s": 1e-3, "ramp_s": 2.0}
    answer = rest("POST", "faults", json={**body, "dry_run": True})
    assert (answer.status_code, "Location" in answer.headers) == (200, False)
    trial = answer.json()
    assert rest.get("faults") == []
    taken = added(rest, **body)
    assert trial["count"] == 5
    assert trial["warnings"]
    assert {**trial, "id": 1, "state": "pending", "bites": 0} == taken
    refused = rest.problems(422, "POST", "faults", json={"kind": "ofline", "dry_run": True})
    assert "offline" in refused["kind"]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"count": 0}, "count"),
        ({"count": 2.5}, "count"),
        ({"ramp_s": -1}, "ramp_s"),
        ({"spread_s": 1e12, "duration_s": 1.0}, "spread_s"),
        ({"spread_s": 5.0}, "spread_s"),
        ({"dry_run": "yes"}, "dry_run"),
        ({"target": {"phase": "L5"}}, "target.phase"),
        ({"target": {"branch": "street/9"}}, "target.branch"),
    ],
)
def test_a_course_that_cannot_be_is_refused_by_name(rest: Rest, body: dict[str, Any], where: str) -> None:
    assert where in rest.problems(422, "POST", "faults", json={"kind": "silence", **body})
    assert rest.get("faults") == []


def test_a_fault_tells_how_often_it_has_bitten_where_it_can_be_counted(rest: Rest) -> None:
    assert added(rest, kind="latency", parameters={"delay_s": 1.0})["bites"] == 0
    assert added(rest, kind="offline")["bites"] is None
    assert added(rest, **METER)["bites"] is None


def test_a_fault_goes_from_pending_over_active_to_ended(rest: Rest) -> None:
    fault = added(rest, **METER, duration_s=2.0)
    path = f"faults/{fault['id']}"
    states = []
    for _ in range(4):
        states.append(rest.get(path)["state"])
        rest.pilot.farm.step(1.0)
    assert states == ["pending", "active", "active", "ended"]
    assert rest.get("faults", params={"state": "ended"}) == [rest.get(path)]
    assert rest.get("faults", params={"state": "active"}) == []


@pytest.mark.parametrize("written", ["seconds", "aware", "naive", "elsewhere"])
def test_a_start_may_be_seconds_or_an_instant_of_site_time(rest: Rest, written: str) -> None:
    due = rest.pilot.farm.now + timedelta(seconds=10)
    start = {
        "seconds": 10,
        "aware": due.isoformat(),
        "naive": due.replace(tzinfo=None).isoformat(),
        "elsewhere": due.astimezone(tz=None).isoformat(),
    }[written]
    fault = added(rest, **METER, start=start)
    assert datetime.fromisoformat(fault["start"]) == due
    for _ in range(9):
        rest.pilot.farm.step(1.0)
    assert rest.get(f"faults/{fault['id']}")["state"] == "pending"
    rest.pilot.farm.step(1.0)
    assert rest.get(f"faults/{fault['id']}")["state"] == "active"


def test_an_instant_already_past_is_the_next_step(rest: Rest) -> None:
    fault = added(rest, **METER, start="2001-01-01T00:00:00Z", duration_s=5)
    assert datetime.fromisoformat(fault["start"]) == rest.pilot.farm.now


def test_every_problem_of_a_fault_is_listed_with_what_was_meant(still: Rest) -> None:
    body = {"kind": "stuck", "target": {"kind": "batery", "feder": "x"}, "mode": "soft", "parameters": {"valu": 1}}
    problems = still.problems(422, "POST", "faults", json=body)
    assert set(problems) == {"target.kind", "target", "target.quantity", "mode", "parameters.valu"}
    assert "battery" in problems["target.kind"]
    assert "feeder" in problems["target"]
    assert still.get("faults") == []


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"kind": 3}, "kind"),
        ({"target": "all"}, "target"),
        ({"duration_s": 0}, "duration_s"),
        ({"duration_s": -1}, "duration_s"),
        ({"duration_s": 1e12}, "duration_s"),
        ({"duration_s": "5"}, "duration_s"),
        ({"start": "9999-12-31T23:59:59Z"}, "start"),
        ({"colour": "red"}, "colour"),
        ({"target": {"quantity": "*", "device": "x" * 1000}}, "target.device"),
    ],
)
def test_a_field_that_cannot_be_is_named(still: Rest, change: dict[str, Any], where: str) -> None:
    assert where in still.problems(422, "POST", "faults", json={**METER, **change})


@pytest.mark.parametrize("start", ["soon", "-5", "2026-13-01T00:00:00"])
def test_a_start_that_is_no_time_is_refused(still: Rest, start: str) -> None:
    problems = still.problems(422, "POST", "faults", json={**METER, "start": start})
    assert any(where.startswith("start") for where in problems)


def test_a_target_without_devices_is_refused(still: Rest) -> None:
    assert still.problems(422, "POST", "faults", json={"kind": "offline", "target": {"device": "nobody"}}) == {
        "target": "no device matches the target"
    }


def test_one_fault_is_cleared_once(rest: Rest) -> None:
    fault = added(rest, **METER)
    rest.pilot.farm.step(1.0)
    assert rest("DELETE", f"faults/{fault['id']}").json()["state"] == "ended"
    rest.problems(409, "DELETE", f"faults/{fault['id']}")
    rest.problems(404, "DELETE", "faults/999")
    rest.problems(404, "GET", "faults/999")
    rest.problems(422, "GET", "faults/first")


def test_all_faults_are_cleared_at_once(rest: Rest) -> None:
    numbers = [added(rest, **METER)["id"], added(rest, kind="offline")["id"]]
    assert [each["id"] for each in rest("DELETE", "faults").json()] == numbers
    assert rest("DELETE", "faults").json() == []


def test_the_board_has_a_bound(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilotfarm.emulators.farm.faultboard.FAULTS_MAX", 1)
    added(rest, **METER)
    rest.problems(409, "POST", "faults", json=METER)


def test_a_device_off_the_network_is_shown_as_such_and_lives_on(rest: Rest) -> None:
    before = rest("GET", "devices/meter-001").json()["quantities"]
    number = added(rest, kind="offline", target={"device": "meter-001"})["id"]
    rest.pilot.step(60.0)
    after = rest("GET", "devices/meter-001").json()["quantities"]
    assert (after["online"]["value"], after["online"]["reported"]) == (1.0, 0.0)
    assert after["energy_imported_wh"]["reported"] > before["energy_imported_wh"]["reported"]
    listed = {each["device"]: each["online"] for each in rest("GET", "devices").json()}
    assert [device for device, online in listed.items() if not online] == ["meter-001"]
    rest("DELETE", f"faults/{number}")
    rest.pilot.step(1.0)
    assert rest("GET", "devices/meter-001").json()["quantities"]["online"]["reported"] == 1.0


# ------------------------------------------------------------------------------------- pages and warnings


def test_faults_come_in_pages_with_their_number(rest: Rest) -> None:
    numbers = [added(rest, **METER)["id"] for _ in range(7)]
    for number in numbers[:3]:
        rest("DELETE", f"faults/{number}")

    def page(**query: Any) -> tuple[list[int], str]:
        answer = rest("GET", "faults", params=query)
        return [each["id"] for each in answer.json()], answer.headers["X-Total-Count"]

    assert page() == (numbers, "7")
    assert page(limit=3, offset=2) == (numbers[2:5], "7")
    assert page(state="ended") == (numbers[:3], "3")
    assert page(state="ended", limit=2, offset=2) == (numbers[2:3], "3")
    assert page(state="active") == ([], "0")
    assert page(offset=7) == ([], "7")


def test_no_more_of_those_that_ended_are_kept_than_the_bound(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilotfarm.emulators.farm.faultboard.ENDED_KEPT", 2)
    for _ in range(4):
        rest("DELETE", f"faults/{added(rest, **METER)['id']}")
    added(rest, **METER)
    assert rest("GET", "faults", params={"state": "ended"}).headers["X-Total-Count"] == "2"
    assert [each["id"] for each in rest.get("faults")] == [3, 4, 5]


DAY_S = 86_400.0


@pytest.mark.parametrize(
    ("speed", "timing", "words"),
    [
        (1.0, {"start": None}, ()),
        (1.0, {"start": 0}, ()),
        (1.0, {"start": 3_600.0, "duration_s": 600.0}, ()),
        (1.0, {"start": DAY_S}, ()),
        (1.0, {"start": 1.01 * DAY_S}, ("24 hours of site time ahead", "speed of 1")),
        (60.0, {"start": 2.0 * DAY_S}, ()),
        (60.0, {"start": 30.0 * DAY_S}, ()),
        (60.0, {"start": 31.0 * DAY_S}, ("31 days of site time ahead", "12 hours")),
        (3_600.0, {"start": "2026-11-28T08:00:00"}, ("166 days of site time ahead", "66 minutes")),
        (1.0, {"start": "2026-06-15T07:59:59"}, ("2 s before site time now and before the site's start",)),
        (1.0, {"start": "2026-06-15T08:00:01"}, ()),
        (1.0, {"duration_s": 1.0}, ()),
        (1.0, {"duration_s": 0.5}, ("shorter than a step of 1 s",)),
        (1.0, {"duration_s": 31.0 * DAY_S}, ("duration_s is 31 days at the present speed of 1",)),
        (60.0, {"duration_s": 31.0 * DAY_S}, ()),
        (1.0, {"start": "2026-01-01T00:00:00", "duration_s": 0.1}, ("before the site's start", "shorter than a step")),
    ],
)
def test_what_of_the_timing_may_not_be_meant_is_said_and_taken(
    shared: Rest, speed: float, timing: dict[str, Any], words: tuple[str, ...]
) -> None:
    assert shared("PATCH", "clock", json={"speed": speed}).status_code == 200
    fault = added(shared, **METER, **timing)
    said = "; ".join(fault["warnings"])
    assert bool(said) == bool(words)
    for each in words:
        assert each in said
    kept = shared.get(f"faults/{fault['id']}")
    assert kept == {name: value for name, value in fault.items() if name != "warnings"}


@pytest.fixture(scope="module")
def shared(tiny: SiteLayout, make_rest: Callable[..., Rest]) -> Rest:
    return make_rest(tiny)


def test_an_instant_that_has_passed_after_the_start_is_not_before_it(rest: Rest) -> None:
    for _ in range(3):
        rest.pilot.farm.step(1.0)
    (said,) = added(rest, **METER, start="2026-06-15T08:00:01")["warnings"]
    assert said == "start lies 3 s before site time now: the fault takes hold with the next step"


def test_an_instant_is_what_clocks_show_then_whatever_summer_time_does(shared: Rest) -> None:
    """Winter at a site that starts in summer."""
    assert added(shared, **METER, start="2026-12-01T12:00:00")["start"] == "2026-12-01T12:00:00+01:00"
    assert added(shared, **METER, start="2026-12-01T12:00:00+02:00")["start"] == "2026-12-01T11:00:00+01:00"


@pytest.mark.parametrize("start", ["0001-01-01T00:00:00+14:00", "0001-01-01", "9999-12-31T23:59:59-14:00"])
def test_an_instant_at_the_calendar_s_end_is_no_error_of_the_server(shared: Rest, start: str) -> None:
    assert shared("POST", "faults", json={**METER, "start": start}).status_code in (201, 422)
