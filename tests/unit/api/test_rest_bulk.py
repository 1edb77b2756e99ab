"""Set-points to many devices in one request: who has succeeded, who has failed and why."""

from __future__ import annotations

from typing import Any

import pytest
from rest_client import Rest

HALF = {"active_power_limit_frac": 0.5}
STEERED = {"charger-001", "battery-001", "pv-001", "home-001"}


def told(rest: Rest, status: int, **body: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    answer = rest("POST", "setpoints", json=body)
    assert answer.status_code == status, answer.text
    found = answer.json()
    assert set(found) == {"succeeded", "failed"}
    return {each["device"]: each for each in found["succeeded"]}, {each["device"]: each for each in found["failed"]}


def test_all_devices_of_a_target_are_told_the_same(rest: Rest) -> None:
    succeeded, failed = told(rest, 202, target={"device": "*-001", "kind": "battery"}, values=HALF)
    assert failed == {}
    assert succeeded["battery-001"]["accepted"] == {"active_power_limit_enabled": 1.0, **HALF}
    assert len(rest.pilot.farm.commands) == 1
    rest.pilot.step(1.0)
    assert rest.get("devices/battery-001")["quantities"]["active_power_limit_frac"]["value"] == 0.5


def test_who_cannot_be_told_fails_with_the_reason_and_nobody_else(rest: Rest) -> None:
    succeeded, failed = told(rest, 207, target={}, values=HALF)
    assert set(succeeded) == STEERED
    assert set(failed) == {"meter-001"}
    assert failed["meter-001"]["problems"] == [
        {"where": "active_power_limit_frac", "message": "meter-001: a smart_meter has no active_power_limit_frac"}
    ]
    assert {waiting.command.device for waiting in rest.pilot.farm.commands.take()} == STEERED


def test_each_device_is_told_its_own_all_of_it_or_nothing(rest: Rest) -> None:
    succeeded, failed = told(
        rest,
        207,
        devices={
            "battery-001": {"active_power_setpoint_w": 1e9, "stop": 1, "soc_frac": "full"},
            "charger-001": {"stop": 1},
            "nobody": {"stop": 1},
        },
    )
    assert succeeded["charger-001"]["accepted"] == {"stop": 1.0}
    assert {each["where"] for each in failed["battery-001"]["problems"]} == {"active_power_setpoint_w", "soc_frac"}
    assert "no device nobody" in failed["nobody"]["problems"][0]["message"]
    assert [waiting.command.device for waiting in rest.pilot.farm.commands.take()] == ["charger-001"]


def test_a_device_is_answered_as_if_it_had_been_asked_alone(rest: Rest) -> None:
    values = {"active_power_setpoint_w": 1200.0, "stop": 0}
    alone = rest("POST", "devices/battery-001/setpoints", json=values).json()
    (together,) = told(rest, 202, devices={"battery-001": values})[0].values()
    assert {**together, "id": 0} == {**alone, "id": 0}


def test_where_the_queue_is_full_the_rest_fails(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilotfarm.emulators.farm.commands.QUEUE_MAX", 3)
    succeeded, failed = told(rest, 207, target={}, values={"sesp_timeout_s": 100})
    assert len(succeeded) == 3
    assert all("wait for the next step" in each["problems"][0]["message"] for each in failed.values())
    assert len(succeeded) + len(failed) == len(rest.pilot.farm.population)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, {""}),
        ({"target": {}}, {""}),
        ({"values": HALF}, {""}),
        ({"target": {}, "values": HALF, "devices": {"battery-001": HALF}}, {""}),
        ({"target": {}, "values": {}}, {"values"}),
        ({"devices": {}}, {"devices"}),
        ({"devices": {"battery-001": {}, "pv-001": 3}}, {"devices.battery-001", "devices.pv-001"}),
        ({"target": {"kind": "batery", "colour": "red"}, "values": HALF}, {"target", "target.kind"}),
        ({"target": {"quantity": "*"}, "values": HALF}, {"target"}),
        ({"target": {"device": "nobody*"}, "values": HALF}, {"target"}),
        ({"target": {}, "valeus": HALF, "values": HALF}, {"valeus"}),
        ({"target": {}, "values": {f"a{k}": 0 for k in range(201)}}, {"values"}),
        ({"devices": {f"a{k}": {"stop": 1} for k in range(10_001)}}, {"devices"}),
    ],
)
def test_a_request_that_cannot_be_meant_tells_nobody_anything(still: Rest, body: Any, where: set[str]) -> None:
    assert set(still.problems(422, "POST", "setpoints", json=body)) == where
    assert len(still.pilot.farm.commands) == 0
