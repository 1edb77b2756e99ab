"""Scenarios over REST: taken as JSON or YAML, refused with every problem, run as the farm steps, and stopped."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree as Xml

import httpx
import pytest
from rest_client import Rest
from scenario_rig import steps

from pilotfarm.emulators.farm.fault import ENDED
from pilotfarm.emulators.scenarios import board
from pilotfarm.emulators.site.layout import SiteLayout

OFF = "fault: {kind: offline, target: {device: meter-001}}"
GONE = "expect: meter-001.online reported == 0"
WAITS = steps("wait: 1 h")


@pytest.fixture(scope="module")
def shared(tiny: SiteLayout, make_rest: Callable[..., Rest]) -> Rest:
    return make_rest(tiny)


@pytest.fixture
def farm(shared: Rest) -> Iterator[Rest]:
    """A farm on which no scenario and no fault is left."""
    yield shared
    for each in shared.get("scenarios", params={"state": "running"}):
        shared("DELETE", f"scenarios/{each['id']}")
    shared("DELETE", "faults")
    shared.pilot.step(1.0)


def post(rest: Rest, text: str, kind: str = "application/yaml", **query: Any) -> httpx.Response:
    return rest("POST", "scenarios", content=text.encode(), headers={"content-type": kind}, params=query)


def begun(rest: Rest, text: str, **query: Any) -> dict[str, Any]:
    answer = post(rest, text, **query)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/api/v1/scenarios/{found['id']}"
    return found


def standing(rest: Rest) -> list[str]:
    return [fault.spec.kind for fault in rest.pilot.farm.faults if fault.state != ENDED]


def verdicts(found: dict[str, Any]) -> list[str]:
    return [each["verdict"] for each in found["results"]]


# -------------------------------------------------------------------------------------------- running


def test_it_goes_on_with_the_farm_s_steps_and_says_how_far_it_is(farm: Rest) -> None:
    taken = begun(farm, steps(OFF, GONE, "wait: 2 s", "expect: meter-001.online reported == 1"))
    assert (taken["state"], taken["verdict"], taken["phase"]) == ("running", None, "only")
    assert taken["waits_for"] == "fault offline"
    farm.pilot.step(1.0)
    found = farm.get(f"scenarios/{taken['id']}")
    assert (found["time_s"], found["waits_for"], verdicts(found)) == (1.0, "wait 2 s, 2 s left", ["PASS", "PASS"])
    assert found["results"][1] == {
        "phase": "only", "step": "2", "line": 6, "text": GONE.replace(":", ""), "verdict": "PASS",
        "began_s": 1.0, "ended_s": 1.0, "detail": "meter-001 has 0",
    }  # fmt: skip
    for _ in range(5):
        farm.pilot.step(1.0)
    found = farm.get(f"scenarios/{taken['id']}")
    assert (found["state"], found["verdict"], found["time_s"]) == ("ended", "FAIL", 3.0)
    assert found["counts"] == {"passed": 3, "failed": 1, "blocked": 0, "skipped": 0}
    assert (found["phase"], found["waits_for"]) == ("", "")
    assert found["began"] == taken["began"]


def test_one_that_ends_leaves_no_fault_of_its_own_and_no_other_s_is_touched(farm: Rest) -> None:
    farm("POST", "faults", json={"kind": "trip", "target": {"device": "charger-001"}})
    taken = begun(farm, steps(OFF, GONE))
    assert standing(farm) == ["trip", "offline"]
    farm.pilot.step(1.0)
    assert farm.get(f"scenarios/{taken['id']}")["verdict"] == "PASS"
    assert standing(farm) == ["trip"]


def test_one_that_is_stopped_is_skipped_and_its_faults_end(farm: Rest) -> None:
    taken = begun(farm, steps(OFF, "wait: 1 h", GONE))
    farm.pilot.step(1.0)
    answer = farm("DELETE", f"scenarios/{taken['id']}")
    assert (answer.json()["state"], verdicts(answer.json())) == ("ended", ["PASS", "SKIPPED", "SKIPPED"])
    assert answer.json()["results"][2]["detail"] == "stopped over REST"
    assert standing(farm) == []
    assert "has ended" in farm.problems(409, "DELETE", f"scenarios/{taken['id']}")[""]
    assert farm.get(f"scenarios/{taken['id']}")["results"] == answer.json()["results"]


def test_several_run_side_by_side_up_to_a_bound(farm: Rest) -> None:
    first = begun(farm, WAITS)
    short = begun(farm, steps("wait: 1 s"))
    for _ in range(board.RUNNING_MAX - 2):
        begun(farm, WAITS)
    for query in ({}, {"dry_run": True}):
        refused = post(farm, WAITS, **query)
        assert refused.status_code == 409
        assert "10 scenarios are under way" in refused.json()["detail"]
    farm.pilot.step(1.0)
    assert farm.get(f"scenarios/{short['id']}")["state"] == "ended"
    assert first["id"] in [each["id"] for each in farm.get("scenarios", params={"state": "running"})]
    begun(farm, WAITS)


def test_the_last_ones_that_ended_are_kept(farm: Rest) -> None:
    still = begun(farm, WAITS)["id"]
    ids = [begun(farm, steps("expect: meter-001.online true == 1"))["id"] for _ in range(board.ENDED_KEPT + 1)]
    assert [each["id"] for each in farm.get("scenarios", params={"state": "ended"})] == ids[1:]
    assert [each["id"] for each in farm.get("scenarios")] == [still, *ids[1:]]
    assert farm.problems(404, "GET", f"scenarios/{ids[0]}")["scenario"] == f"there is no scenario {ids[0]}"


def test_results_come_in_pages_and_as_junit_once_it_is_over(farm: Rest) -> None:
    number = begun(farm, steps(*['{skip: "odd & <words>", wait: 1 s}'] * 5, "wait: 1 s"))["id"]
    assert "has not ended" in farm.problems(409, "GET", f"scenarios/{number}/junit")[""]
    farm.pilot.step(1.0)
    page = farm("GET", f"scenarios/{number}", params={"limit": 2, "offset": 4})
    assert verdicts(page.json()) == ["SKIPPED", "PASS"]
    assert page.headers["x-total-count"] == "6"
    assert farm.get(f"scenarios/{number}", params={"limit": 0})["results"] == []
    answer = farm("GET", f"scenarios/{number}/junit")
    assert answer.headers["content-type"].startswith("text/xml")
    assert [case.get("line") for case in Xml.fromstring(answer.text).iter("testcase")] == [*"56789", "10"]


def test_a_paused_farm_takes_it_and_says_that_it_waits(farm: Rest) -> None:
    farm("PATCH", "clock", json={"paused": True})
    taken = begun(farm, steps("wait: 2 s"))
    assert "paused" in taken["warnings"][0]
    farm("POST", "clock/step", json={"steps": 2})
    farm("PATCH", "clock", json={"paused": False})
    assert farm.get(f"scenarios/{taken['id']}")["verdict"] == "PASS"
    assert begun(farm, WAITS)["warnings"] == []


def test_wall_time_is_the_farm_s_own(farm: Rest) -> None:
    number = begun(farm, steps("expect: meter-001.online true == 0 within 60 s wall"))["id"]
    farm.pilot.clock.advance(59.0)  # type: ignore[attr-defined]
    farm.pilot.step(1.0)
    assert farm.get(f"scenarios/{number}")["state"] == "running"
    farm.pilot.clock.advance(1.0)  # type: ignore[attr-defined]
    farm.pilot.step(1.0)
    assert farm.get(f"scenarios/{number}")["verdict"] == "FAIL"


def test_events_tell_what_comes_of_it(farm: Rest) -> None:
    async def told() -> list[dict[str, Any]]:
        stream = farm.app.state.context.events
        reader = stream.read(0.01)
        assert await anext(reader) == ": listening\n\n"
        farm.app.state.context.scenarios.close()
        plan = farm.app.state.context.scenarios.get(begins).plan
        farm.app.state.context.scenarios.begin(plan)
        farm.pilot.step(1.0)
        farm.pilot.step(1.0)
        text = await anext(reader)
        await reader.aclose()
        found = [each.split("\n") for each in text.strip().split("\n\n")]
        return [json.loads(lines[2][6:]) for lines in found if lines[1] == "event: scenario"]

    begins = begun(farm, steps("wait: 1 s", "wait: 1 s", "expect: meter-001.online true == 0"))["id"]
    found = asyncio.run(told())
    assert [each["scenario"] - begins for each in found] == [0, 0, 0, 0, 1, 1, 1, 1, 1]
    assert [each["event"] for each in found[4:]] == ["began", "result", "result", "result", "ended"]
    assert [each["verdict"] for each in found] == [*["SKIPPED"] * 4, None, "PASS", "PASS", "FAIL", "FAIL"]
    assert found[1]["detail"] == "the farm ended"
    assert found[7]["text"] == "expect meter-001.online true == 0"


# -------------------------------------------------------------------------------------------- taking


def test_json_and_yaml_are_the_same_scenario(farm: Rest) -> None:
    phases = [{"name": "only", "steps": [{"expect": ["meter-001.online true == 1"]}]}]
    sent = [post(farm, json.dumps({"name": "made", "phases": phases}), "application/json")]
    text = steps("expect: [meter-001.online true == 1]")
    kinds = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml", "Application/YAML; charset=utf-8")
    sent += [post(farm, text, kind) for kind in kinds]
    found = [farm.get(f"scenarios/{each.json()['id']}")["results"] for each in sent]
    assert [each[0].pop("line") for each in found] == [None, *[5] * len(kinds)]
    assert found == [found[0]] * len(found)


def test_a_dry_run_begins_nothing(farm: Rest) -> None:
    before = farm.get("scenarios")
    answer = post(farm, steps(OFF, GONE), dry_run=True)
    assert (answer.status_code, answer.json()) == (
        200, {"name": "made", "title": "", "phases": 1, "steps": 2, "expectations": 1, "warnings": []}
    )  # fmt: skip
    assert post(farm, steps("wiat: 1 s"), dry_run=True).status_code == 422
    assert farm.get("scenarios") == before
    assert standing(farm) == []


def test_all_that_is_wrong_is_told_at_once_with_its_line(farm: Rest) -> None:
    text = "seed: 99\n" + steps("wiat: 1 s", "expect: metre-001.online true == 1", "fault: {kind: bais}")
    answer = post(farm, text)
    assert answer.status_code == 422
    found = {each["where"]: each for each in answer.json()["problems"]}
    assert {where: each["line"] for where, each in found.items()} == {
        "seed": 1, "phases[0].steps[0]": 6, "phases[0].steps[0].wiat": 6, "phases[0].steps[1].expect": 7,
        "phases[0].steps[2].fault.kind": 8,
    }  # fmt: skip
    assert "did you mean meter-001" in found["phases[0].steps[1].expect"]["message"]
    data = {"name": "made", "phases": [{"name": "only", "steps": [{"wiat": 1}, {"name": "a", "wait": 1}] * 2}]}
    document = post(farm, json.dumps(data), "application/json").json()
    assert {each["where"] for each in document["problems"]} > {"phases[0].steps[3].name", "phases[0].steps[2].wiat"}
    assert "line" not in json.dumps(document).replace("outline", "")


@pytest.mark.parametrize(
    ("head", "where", "said"),
    [
        ("site: norway", "site", "this farm is tiny"),
        ("site: ../sites/small.yaml", "site", "this farm is tiny"),
        ("seed: 2", "seed", "brought up with"),
        ("step_s: 2", "step_s", "is 1 s long"),
        ("start: 2026-06-15T09:00:00", "start", "2026-06-15T08:00:00+02:00"),
        ("start: soon", "start", "'soon' is not a date"),
    ],
)
def test_a_scenario_for_another_farm_is_refused_unless_it_is_to_be_taken_as_it_is(
    farm: Rest, head: str, where: str, said: str
) -> None:
    answer = post(farm, f"{head}\n{WAITS}", dry_run=True)
    assert answer.status_code == 422
    (problem,) = answer.json()["problems"]
    assert (problem["where"], problem["line"]) == (where, 1)
    assert said in problem["message"]
    assert post(farm, f"{head}\n{WAITS}", dry_run=True, as_is=True).status_code == 200


def test_one_for_this_farm_is_taken(farm: Rest) -> None:
    seed = farm.get("site")["seed"]
    for site in ("tiny", "elsewhere/tiny.yaml"):
        head = f"site: {site}\nseed: {seed}\nstep_s: 1\nstart: 2026-06-15T06:00:00Z\n"
        assert post(farm, head + WAITS, dry_run=True).status_code == 200


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        ("a: [", "application/yaml", 400),
        ("- 1", "application/yaml", 422),
        ("# nothing", "text/yaml", 400),
        ("", "text/yaml", 422),
        ("{", "application/json", 400),
        ('{"name": "a", "name": "b"}', "application/json", 400),
        ("[" * 100_000, "application/json", 400),
        ("[]", "application/json", 422),
        ("", "application/json", 422),
        (WAITS, "text/plain", 415),
        (WAITS, "", 415),
        (WAITS, "application/x-www-form-urlencoded", 415),
    ],
)
def test_what_cannot_be_read_is_refused(farm: Rest, content: str, kind: str, status: int) -> None:
    answer = post(farm, content, kind)
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert len(answer.json()["problems"]) == 1


def test_text_that_is_not_utf_8_is_refused_and_a_byte_order_mark_is_not(farm: Rest) -> None:
    kind = {"content-type": "application/yaml"}
    assert "UTF-8" in farm.problems(400, "POST", "scenarios", content=b"name: \xff", headers=kind)["body"]
    assert post(farm, "\ufeff" + WAITS, dry_run=True).status_code == 200


def test_one_that_comes_to_too_many_results_is_refused(farm: Rest) -> None:
    phase = "phases:\n  - name: only\n    repeat: 101\n    steps:\n"
    text = "name: made\n" + phase + "      - expect:\n" + "          - meter-001.online true == 1\n" * 100
    answer = post(farm, text)
    assert answer.status_code == 422
    assert "10,100 results" in answer.json()["detail"]


def test_the_end_of_the_farm_ends_them(farm: Rest) -> None:
    number = begun(farm, steps(OFF, "wait: 1 h"))["id"]
    farm.app.state.context.scenarios.close()
    assert farm.get(f"scenarios/{number}")["verdict"] == "SKIPPED"
    assert standing(farm) == []


# ------------------------------------------------------------------------------------------ recording


def test_what_is_done_over_rest_becomes_a_scenario_that_does_it_again(
    tiny: SiteLayout, make_rest: Callable[..., Rest]
) -> None:
    rest = make_rest(tiny)
    assert "nothing is being recorded" in rest.problems(404, "GET", "scenarios/recording")["recording"]
    assert rest("POST", "scenarios/recording", params={"masters": True}).json()["masters"]
    assert "already" in rest.problems(409, "POST", "scenarios/recording")[""]
    rest.pilot.step(1.0)
    fault = {"kind": "bias", "target": {"quantity": "active_power_w"}, "parameters": {"factor": 2}, "ramp_s": 5}
    rest("POST", "faults", json=fault)
    rest("POST", "setpoints", json={"target": {"kind": "battery"}, "values": {"active_power_setpoint_w": 800}})
    begun(rest, steps("setpoints: {target: {kind: ev_charger}, values: {stop: 1}}"))
    rest.pilot.step(1.0)
    rest("DELETE", "faults/1")
    rest.pilot.step(1.0)
    assert rest.get("scenarios/recording")["steps"] == 4
    found = rest("DELETE", "scenarios/recording").json()
    assert (found["steps"], found["full"], found["began"]) == (
        4,
        False,
        rest.get("site")["start"].replace("00+", "01+"),
    )
    assert found["time"] == rest.get("clock")["time"]
    rest.problems(404, "DELETE", "scenarios/recording")
    other = make_rest(tiny)
    number = begun(other, found["text"])["id"]
    for _ in range(3):
        other.pilot.step(1.0)
    assert other.get(f"scenarios/{number}")["verdict"] == "PASS"
    assert other.get("devices") == rest.get("devices")
    faults = [each.get("faults")[0] for each in (rest, other)]
    assert faults[0] == faults[1]
