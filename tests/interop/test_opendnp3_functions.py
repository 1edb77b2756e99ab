"""opendnp3 (through yadnp3) on what few masters use: parts of reads, classes, deadbands, restarts, the link status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from running_farm import RunningFarm, run_client


@pytest.fixture(scope="module")
def said(watchful: RunningFarm) -> Mapping[str, Any]:
    way = watchful.ways("dnp3")["battery-001"]
    rest = str(watchful.rest.base_url)
    return run_client("opendnp3_functions.py", host=way.host, port=way.port, outstation=way.address, rest=rest)


def test_a_master_that_says_nothing_answers_for_its_link_and_stays(said: Mapping[str, Any]) -> None:
    assert ["STARTUP_INTEGRITY_POLL", "SUCCESS"] in said["startup"]
    assert said["closed while silent"] == 0


def test_a_read_returns_what_there_is_of_it(watchful: RunningFarm, said: Mapping[str, Any]) -> None:
    rows = {row["address"] for row in watchful.points("battery-001", "dnp3")}
    some, beyond = said["some"], said["beyond"]
    assert some["static"].keys() == {address for address in rows if address.startswith(("BI", "CTR"))}
    assert (some["ended"], some["iin"][1]) == ("SUCCESS", 0x02)
    assert beyond["static"].keys() == {address for address in rows if address.startswith("CTR")}
    assert (beyond["ended"], beyond["iin"][1]) == ("SUCCESS", 0x04)


def test_classes_it_assigns_hold(said: Mapping[str, Any]) -> None:
    assert said["assign"] == "SUCCESS"
    assert (said["polled"]["ended"], said["polled"]["iin"][1]) == ("SUCCESS", 0)
    points = {point for point, _ in said["class 1"]["events"]}
    assert {"AI537", "AI618"} <= points, "a measurement and the mirror of a set-point, once of classes 3 and 2"


def test_events_come_as_floating_point(said: Mapping[str, Any]) -> None:
    events = said["float"]["events"]
    assert ("AI618", 1500.0) in map(tuple, events)
    assert ("AI149", 0.5) in map(tuple, events), "a share, and not per mille"


def test_deadbands_it_writes_hold(said: Mapping[str, Any]) -> None:
    assert said["deadband"] == ["SUCCESS"]
    points = {point for point, _ in said["within"]["events"]}
    assert "AI618" in points
    assert "AI537" not in points


def test_it_restarts_the_outstation_and_is_told(said: Mapping[str, Any]) -> None:
    for kind, again in (("warm", 0), ("cold", 1)):
        talk = said[kind]
        assert [summary for summary, _ in talk["answer"]] == ["SUCCESS"]
        assert (talk["told"], talk["cleared"], talk["opened"]) == (True, True, again), kind
    assert said["after"]["ended"] == "SUCCESS"
    assert {"AI537", "BO18"} <= said["after"]["static"].keys()


# --------------------------------------------------------------------------- several outstations


@pytest.fixture(scope="module")
def station(watchful: RunningFarm) -> Mapping[str, Any]:
    ways = watchful.ways("dnp3", station="terminals")
    (there,) = {(way.host, way.port) for way in ways.values()}
    outstations = {device: way.address for device, way in ways.items()}
    rest = str(watchful.rest.base_url)
    return run_client("opendnp3_station.py", host=there[0], port=there[1], outstations=outstations, rest=rest)


DROPS = ("drops-001", "drops-002", "drops-003")


def test_over_one_channel_every_outstation_gives_its_own_points(
    watchful: RunningFarm, station: Mapping[str, Any]
) -> None:
    rows = {device: {row["address"] for row in watchful.points(device, "dnp3")} for device in DROPS}
    assert {device: set(static) for device, static in station["polled"].items()} == rows
    assert station["opened"] == [1, 1, 1]
    assert station["closed"] == [0, 0, 0]


def test_over_one_channel_every_device_is_operated_by_itself_and_tells_its_events_unasked(
    watchful: RunningFarm, station: Mapping[str, Any]
) -> None:
    assert station["operated"] == {device: ["SUCCESS"] for device in DROPS}
    for number, device in enumerate(DROPS, 1):
        assert watchful.values(device)["active_power_setpoint_w"] == 100.0 * number
        assert station["unsolicited"][device] >= 1
        assert "AI618" in station["events"][device], "the mirror of the set-point"


def test_a_cold_restart_of_one_outstation_leaves_the_channel_and_the_others(station: Mapping[str, Any]) -> None:
    points = len(station["polled"]["drops-001"])
    assert (station["restart"], station["told"]) == ("SUCCESS", True)
    assert station["polled meanwhile"] == [points, points]
    assert station["polled after"] == points
