"""c104, the Python face of lib60870-C, interrogates and commands the RTU of the site tiny."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from running_farm import RunningFarm, run_client


@dataclass(frozen=True)
class Heard:
    """What the client said of one conversation, with what the farm held while it listened."""

    said: Mapping[str, Any]
    values: Mapping[str, Mapping[str, float]]
    began: datetime


@pytest.fixture(scope="module")
def heard(site: RunningFarm) -> Heard:
    site.step(60)
    ways = site.ways("iec104", station="rtu")
    values = {device: site.values(device) | each for device, each in site.ledger_now().items()}
    way, began = ways["battery-001"], site.time
    said = run_client("c104_master.py", host=way.host, port=way.port, battery=way.address, rest=str(site.rest.base_url))
    return Heard(said, values, began)


def test_interrogations_counters_clock_and_test_are_confirmed(heard: Heard) -> None:
    asked = ("general", "group", "counters", "clock", "test", "read")
    assert {name: heard.said[name] for name in asked} == dict.fromkeys(asked, True)
    assert heard.said["nobody"] is False


def test_the_client_holds_every_object_of_every_device_as_the_ledger_has_it(site: RunningFarm, heard: Heard) -> None:
    found = {(ca, ioa): value for ca, objects in heard.said["points"].items() for ioa, (value, _, _) in objects.items()}
    wanted = {}
    for device, way in site.ways("iec104", station="rtu").items():
        for row in site.points(device, "iec104"):
            if row["access"] == "r":
                value, ioa = heard.values[device][row["quantity"]], int(row["address"]) % 10_000
                value /= row["scale"]
                value = value + 1 if 1100 <= ioa < 1120 else int(value) if 3000 <= ioa < 3100 else value
                wanted[str(way.address), row["address"]] = value
    assert found == pytest.approx(wanted, rel=1e-6, abs=1e-6)


def test_types_are_those_of_the_point_list_and_qualities_good(heard: Heard) -> None:
    types = {1: "M_SP_NA_1", 11: "M_DP_NA_1", 2: "M_ME_NC_1", 3: "M_IT_NA_1"}
    for objects in heard.said["points"].values():
        for ioa, (_, kind, good) in objects.items():
            block = int(ioa) % 10_000 // 100
            assert kind == types[block if block == 11 else block // 10], ioa
            assert good, ioa


def test_commands_are_confirmed_direct_and_selected_first(site: RunningFarm, heard: Heard) -> None:
    done = ("set-point", "set-point selected first", "single", "double selected first")
    assert {name: heard.said[name] for name in done} == dict.fromkeys(done, True)
    site.step(120)
    values = site.values("battery-001")
    assert values["active_power_w"] == pytest.approx(2100.0, rel=0.02)
    assert values["reactive_power_var"] == pytest.approx(-700.0, rel=0.02)
    assert values["sesp_receipts"] >= 1.0
    site.proves("battery-001", "active_power_setpoint_w", 2100.0, "iec104")
    site.proves("battery-001", "reactive_power_setpoint_var", -700.0, "iec104")


def test_what_cannot_be_is_refused(heard: Heard) -> None:
    refused = ("out of range", "neither on nor off", "no such object", "no such device")
    assert {name: heard.said[name] for name in refused} == dict.fromkeys(refused, False)


def test_changes_come_spontaneously_with_a_time_tag_of_the_site(site: RunningFarm, heard: Heard) -> None:
    battery = site.ways("iec104", station="rtu")["battery-001"].address
    news = {each["ioa"]: each for each in heard.said["news"] if each["ca"] == battery}
    assert (news[2900]["value"], news[2900]["cause"]) == (2100.0, "RETURN_INFO_REMOTE")
    assert (news[2000]["value"] > 0.0, news[2000]["cause"]) == (True, "SPONTANEOUS")
    assert news[2000]["type"] == "M_ME_TF_1"
    at = datetime.fromisoformat(news[2000]["at"]).replace(tzinfo=UTC)
    assert 0.0 <= (at - heard.began).total_seconds() <= 5.0


def test_what_happened_while_the_client_was_away_it_is_told_in_order_when_it_comes_back(
    site: RunningFarm, heard: Heard
) -> None:
    battery = site.ways("iec104", station="rtu")["battery-001"].address
    breaker = [each for each in heard.said["missed"] if (each["ca"], each["ioa"]) == (battery, 1100)]
    assert [each["value"] for each in breaker] == [1.0, 2.0], "opened, then closed"
    times = [datetime.fromisoformat(each["at"]) for each in heard.said["missed"]]
    assert times == sorted(times)
    assert (times[-1] - times[0]).total_seconds() >= 2.0
