"""Waiting over REST until a condition holds, by steps by hand or by those that the clock takes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from rest_client import Rest

from pilotfarm.api.app import create_app
from pilotfarm.emulators.clock import WallClock
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site.layout import SiteLayout

NEVER = "battery-001.soc_frac < 0.1"


@pytest.fixture(scope="module")
def paused(tiny: SiteLayout, make_rest: Callable[..., Rest]) -> Rest:
    rest = make_rest(tiny)
    assert rest("PATCH", "clock", json={"paused": True}).status_code == 200
    return rest


def until(rest: Rest, condition: str, within_s: float | None = None) -> Any:
    answer = rest("POST", "clock/until", json={"condition": condition, "within_s": within_s})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_what_holds_already_takes_no_step(paused: Rest) -> None:
    before = paused.get("clock")["time"]
    answer = until(paused, "battery-001.soc_frac > 0.1", 100_000)  # steps, at most
    assert (answer["held"], answer["passed_s"], answer["time"]) == (True, 0.0, before)


def test_what_comes_is_seen_at_the_step_it_comes_with(paused: Rest) -> None:
    told = paused("POST", "devices/battery-001/setpoints", json={"active_power_setpoint_w": -1200})
    assert told.status_code == 202
    answer = until(paused, "battery-001.active_power_w == -1200 +- 1 within 1 min")
    assert answer["held"]
    assert 1.0 <= answer["passed_s"] < 60.0
    assert answer["time"] == paused.get("clock")["time"]
    assert answer["seen"] == "battery-001 has -1200"


@pytest.mark.parametrize("within_s", [0.0, 3.0])
def test_what_does_not_come_is_waited_for_as_long_as_was_said_and_not_longer(paused: Rest, within_s: float) -> None:
    steps = paused.pilot.farm.steps
    answer = until(paused, NEVER, within_s)
    assert (answer["held"], answer["passed_s"]) == (False, within_s)
    assert paused.pilot.farm.steps == steps + within_s
    assert answer["seen"].startswith("battery-001 has 0.3")


def test_a_condition_holds_for_as_long_as_it_says_after_it_has_come(paused: Rest) -> None:
    answer = until(paused, "battery-001.soc_frac > 0.1 for 5 s", 1)
    assert (answer["held"], answer["passed_s"]) == (True, 5.0)


def test_true_is_meant_where_nothing_is_said_and_reported_where_it_is(rest: Rest) -> None:
    rest("PATCH", "clock", json={"paused": True})
    fault = {"kind": "bias", "target": {"device": "meter-001", "quantity": "voltage_l1_v"}, "parameters": {"factor": 2}}
    assert rest("POST", "faults", json=fault).status_code == 201
    rest("POST", "clock/step", json={"steps": 1})
    assert not until(rest, "meter-001.voltage_l1_v > 400", 0)["held"]
    assert until(rest, "meter-001.voltage_l1_v reported > 400", 0)["held"]


@pytest.mark.parametrize(
    ("condition", "within_s", "problems"),
    [
        ("battery-01.soc_frac < 1", 1, {"condition": "did you mean battery-001?"}),
        ("battery-001.soc < 1", 1, {"condition": "did you mean soc_frac?"}),
        ("battery-001.soc_frac", 1, {"condition": "a comparison is"}),
        ("battery-001.soc_frac < -1", 1, {"condition": "can never hold"}),
        ("meter-001.voltage_l1_v reported < 0", 1, {"condition": "can never hold"}),
        (NEVER, None, {"within_s": "is missing"}),
        (f"{NEVER} within 3 s", 3, {"within_s": "said twice"}),
        (f"{NEVER} within 3 s wall", None, {"condition": "leave out wall"}),
        (NEVER, -1, {"within_s": "at least 0"}),
        (NEVER, 100_001, {"within_s": "100,001 steps; 100,000 are the maximum"}),
        (f"{NEVER} for 100 s", 99_901, {"within_s": "100,001 steps"}),
        ("", 1, {"condition": "must not be empty"}),
    ],
)
def test_what_cannot_be_waited_for_is_refused_and_takes_no_step(
    paused: Rest, condition: str, within_s: float | None, problems: dict[str, str]
) -> None:
    steps = paused.pilot.farm.steps
    body = {"condition": condition, "within_s": within_s}
    found = paused.problems(422, "POST", "clock/until", json=body)
    assert found.keys() == problems.keys()
    assert all(said in found[where] for where, said in problems.items())
    assert paused.pilot.farm.steps == steps


def test_a_reported_value_may_be_impossible_while_a_fault_stands(paused: Rest) -> None:
    fault = {
        "kind": "bias",
        "target": {"device": "meter-001", "quantity": "voltage_l1_v"},
        "parameters": {"factor": -1},
    }
    assert paused("POST", "faults", json=fault).status_code == 201
    assert until(paused, "meter-001.voltage_l1_v reported < 0", 5)["held"]
    assert paused("DELETE", "faults").status_code == 200


def test_while_the_clock_runs_its_steps_are_waited_for(tiny: SiteLayout) -> None:
    async def waited() -> tuple[Any, int]:
        pilot = Pilot(tiny, WallClock(), speed=1000.0)
        wire = httpx.ASGITransport(create_app(pilot))
        before = len(pilot.attendants)
        run = asyncio.create_task(pilot.run())
        async with httpx.AsyncClient(transport=wire, base_url="http://localhost/api/v1/") as client:
            answer = await client.post("clock/until", json={"condition": NEVER, "within_s": 5})
        pilot.stop()
        await run
        return answer.json(), len(pilot.attendants) - before

    answer, attendants = asyncio.run(waited())
    assert (answer["held"], answer["passed_s"]) == (False, 5.0)
    assert attendants == 0


def test_who_has_gone_is_not_waited_for(tiny: SiteLayout) -> None:
    pilot = Pilot(tiny, WallClock())
    pilot.runner.change(paused=True)
    body = json.dumps({"condition": NEVER, "within_s": 100_000}).encode()
    messages = [{"type": "http.request", "body": body, "more_body": False}, {"type": "http.disconnect"}]
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/api/v1/clock/until", "headers": headers, "query_string": b""}

    async def receive() -> Any:
        return messages.pop(0) if len(messages) > 1 else messages[0]

    async def send(message: Any) -> None:
        pass

    asyncio.run(create_app(pilot)(scope, receive, send))
    assert pilot.farm.steps <= 2
