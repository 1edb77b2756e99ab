"""Devices over REST: what is read is what is, and what is told is told once or not at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from rest_client import Rest

from pilotfarm.emulators.site import load
from pilotfarm.emulators.site.layout import SiteLayout
from pilotfarm.emulators.site.listing import Wanted, endpoint_rows, point_rows

KINDS = {"ev_charger", "battery", "pv_generator", "smart_meter", "prosumer"}
DEVICES = ("charger-001", "battery-001", "pv-001", "meter-001", "home-001")


def test_a_device_shows_what_energy_costs_where_a_series_says_it(make_rest) -> None:
    priced = make_rest(load("replay", start="2026-06-15T12:00:00"))
    priced.pilot.farm.step(60.0)
    assert priced.get("devices/storage-001")["price"] == {
        "per_mwh": 9.44,
        "currency": "EUR",
        "cheaper_h": 1.0,
        "dearer_h": 22.0,
    }
    assert [each["name"] for each in priced.get("site")["inputs"]] == [
        f"replay/{name}.csv" for name in ("cars", "loads", "prices", "weather")
    ]


@pytest.mark.parametrize("device", DEVICES)
def test_a_device_has_exactly_the_promised_shape_and_every_quantity(still: Rest, device: str) -> None:
    found = still.get(f"devices/{device}")
    assert set(found) == {"device", "kind", "site", "feeder", "branch", "time", "clock_offset_s", "quantities"}
    assert datetime.fromisoformat(found["time"]) == still.pilot.farm.now
    real = still.pilot.farm.device(device)
    assert set(found["quantities"]) == {q.name for q in real.group.spec.quantities}
    for name, each in found["quantities"].items():
        assert set(each) == {"value", "reported", "unit", "role", "quality"}
        assert each["value"] == real.true_value(name) == each["reported"]
        assert each["quality"] == "good"


def test_a_fault_shows_in_reported_and_quality_and_not_in_value(rest: Rest) -> None:
    body = {
        "kind": "stuck",
        "target": {"device": "meter-001", "quantity": "frequency_hz"},
        "parameters": {"value": 12.0, "quality": "invalid"},
    }
    assert rest("POST", "faults", json=body).status_code == 201
    rest.pilot.farm.step(1.0)
    found = rest.get("devices/meter-001")["quantities"]["frequency_hz"]
    assert found["reported"] == 12.0
    assert found["quality"] == "invalid"
    assert found["value"] == pytest.approx(50.0, abs=1.0)


def test_a_value_json_has_no_number_for_is_null(rest: Rest) -> None:
    body = {
        "kind": "bias",
        "target": {"device": "meter-001", "quantity": "frequency_hz"},
        "parameters": {"factor": 1e308},
    }
    assert rest("POST", "faults", json=body).status_code == 201
    rest.pilot.farm.step(1.0)
    assert rest.get("devices/meter-001")["quantities"]["frequency_hz"]["reported"] is None


def test_every_device_is_listed_once_in_the_order_of_the_site(still: Rest) -> None:
    listed = still.get("devices")
    assert [each["device"] for each in listed] == list(still.pilot.farm.population.devices)
    assert {each["kind"] for each in listed} == KINDS


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"kind": "battery"}, {"battery-001"}),
        ({"group": "pv"}, {"pv-001"}),
        ({"feeder": "street", "device": "*e*-001"}, {"charger-001", "battery-001", "meter-001", "home-001"}),
        ({"kind": "battery", "group": "pv"}, set()),
        ({"device": "nobody"}, set()),
    ],
)
def test_filters_narrow_each_other(still: Rest, query: dict[str, str], expected: set[str]) -> None:
    answer = still("GET", "devices", params=query)
    assert {each["device"] for each in answer.json()} == expected
    assert answer.headers["X-Total-Count"] == str(len(expected))


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_pages_put_together_are_the_whole_list(
    make_layout: Callable[..., SiteLayout], make_rest: Callable[..., Rest], limit: int
) -> None:
    rest = make_rest(make_layout())
    pages = [rest.get("devices", params={"limit": limit, "offset": offset}) for offset in range(0, 9, limit)]
    assert [each for page in pages for each in page] == rest.get("devices")


def test_endpoints_are_the_rows_of_the_command(still: Rest) -> None:
    rows = still.get("endpoints")
    assert rows == endpoint_rows(still.pilot.layout)
    common = {"device", "kind", "site", "protocol", "map", "medium", "host", "port", "station"}
    labels = {"modbus": "unit", "iec104": "common_address", "dnp3": "link_address"}
    assert {row["protocol"] for row in rows} == set(labels)
    assert all(set(row) == common | {labels[row["protocol"]]} for row in rows)


@pytest.mark.parametrize("device", DEVICES)
def test_points_cover_each_protocol_the_device_is_served_on(still: Rest, device: str) -> None:
    rows = still.get(f"devices/{device}/points")
    assert rows == list(point_rows(still.pilot.layout, Wanted(device)))
    assert {row["device"] for row in rows} == {device}
    assert {row["protocol"] for row in rows} == {"modbus", "iec104", "dnp3"}


# ---------------------------------------------------------------------------------------- set-points


def told(rest: Rest, values: dict[str, Any], device: str = "battery-001") -> dict[str, Any]:
    answer = rest("POST", f"devices/{device}/setpoints", json=values)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_set_point_switches_its_enable_on_and_the_physics_follows(rest: Rest) -> None:
    answer = told(rest, {"active_power_setpoint_w": 1200.0})
    assert set(answer) == {"id", "device", "accepted", "limited"}
    assert answer["accepted"] == {"active_power_setpoint_enabled": 1.0, "active_power_setpoint_w": 1200.0}
    assert answer["limited"] == {}
    for _ in range(30):
        rest.pilot.farm.step(1.0)
    quantities = rest.get("devices/battery-001")["quantities"]
    assert quantities["active_power_w"]["value"] == pytest.approx(1200.0, rel=0.02)
    assert quantities["active_power_setpoint_enabled"]["value"] == 1.0


def test_before_the_step_only_the_set_point_shows_what_was_accepted(rest: Rest) -> None:
    before = rest.get("devices/battery-001")["quantities"]
    told(rest, {"active_power_setpoint_w": 1200.0})
    after = rest.get("devices/battery-001")["quantities"]
    assert after.pop("active_power_setpoint_w")["value"] == 1200.0
    assert after.pop("active_power_setpoint_enabled")["value"] == 1.0
    assert {name: before[name] for name in after} == after
    assert len(rest.pilot.farm.commands) == 1


def test_an_enable_in_the_same_request_is_left_as_asked(rest: Rest) -> None:
    answer = told(rest, {"active_power_setpoint_w": 500.0, "active_power_setpoint_enabled": 0.0})
    assert answer["accepted"]["active_power_setpoint_enabled"] == 0.0


def test_a_command_carries_who_sent_it_and_when_it_was_answered(rest: Rest) -> None:
    seen = []

    class Watcher:
        def stepped(self, moment: Any) -> None: ...
        def commanded(self, command: Any, moment: Any) -> None:
            seen.append(command)

        def traced(self, *_: Any) -> None: ...
        def fault_changed(self, *_: Any) -> None: ...

    rest.pilot.observe(Watcher())
    told(rest, {"stop": 1})
    rest.pilot.farm.step(1.0)
    (command,) = seen
    assert (command.protocol, command.device) == ("rest", "battery-001")
    assert command.peer == "127.0.0.1:123"
    assert command.acknowledged_s is not None


def test_what_a_device_cannot_follow_now_is_named_as_limited(rest: Rest) -> None:
    battery = rest.pilot.farm.device("battery-001")
    battery.group.columns["soc_frac"][:] = battery.true_value("soc_max_frac")
    rest.pilot.farm.step(1.0)
    low, _ = battery.bounds("active_power_setpoint_w")
    answer = told(rest, {"active_power_setpoint_w": low})
    assert answer["accepted"]["active_power_setpoint_w"] == low
    assert low < answer["limited"]["active_power_setpoint_w"] <= 0.0


def test_every_refused_value_is_listed_and_nothing_is_queued(still: Rest) -> None:
    low, high = still.pilot.farm.device("battery-001").bounds("active_power_setpoint_w")
    body = (
        f'{{"active_power_setpoint_w": {high + 1}, "reactive_power_setpoint_var": NaN, "voltage_setpoint_v": -Infinity,'
        f'"soc_frac": 0.5, "nonsense": 1, "stop": 0.5, "start": "1", "alarm_reset": true,'
        f'"sesp_timeout_s": 1{"0" * 400},'
        '"frequency_setpoint_hz": 50.1}'
    )
    problems = still.problems(
        422, "POST", "devices/battery-001/setpoints", content=body, headers={"content-type": "application/json"}
    )
    assert set(problems) == {
        "active_power_setpoint_w",
        "reactive_power_setpoint_var",
        "voltage_setpoint_v",
        "soc_frac",
        "nonsense",
        "stop",
        "start",
        "alarm_reset",
        "sesp_timeout_s",
    }
    assert f"from {low:g} to {high:g} W" in problems["active_power_setpoint_w"]
    assert "finite" in problems["reactive_power_setpoint_var"]
    assert "cannot be written" in problems["soc_frac"]
    assert "has no nonsense" in problems["nonsense"]
    assert len(still.pilot.farm.commands) == 0


@pytest.mark.parametrize("body", ["", "{", "[]", "3", "null", "{}", '"text"', '{"a": }', "\xff", "1" * 5000])
def test_a_body_that_is_no_table_of_numbers_is_refused(still: Rest, body: str) -> None:
    answer = still(
        "POST",
        "devices/battery-001/setpoints",
        content=body.encode("latin-1"),
        headers={"content-type": "application/json"},
    )
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["problems"]


def test_a_command_without_its_permission_is_refused_and_one_request_may_bring_both(rest: Rest) -> None:
    told(rest, {"start_permitted": 0})
    assert "start" in rest.problems(422, "POST", "devices/battery-001/setpoints", json={"start": 1})
    told(rest, {"start_permitted": 1, "start": 1})


def test_a_full_queue_is_a_503_that_says_when_to_try_again(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilotfarm.emulators.farm.commands.QUEUE_MAX", 1)
    told(rest, {"stop": 1})
    answer = rest("POST", "devices/battery-001/setpoints", json={"stop": 1})
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize("path", ["devices/nobody", "devices/nobody/points"])
def test_an_unknown_device_is_a_404(still: Rest, path: str) -> None:
    assert "nobody" in next(iter(still.problems(404, "GET", path).values()))
    still.problems(404, "POST", "devices/nobody/setpoints", json={"stop": 1})
