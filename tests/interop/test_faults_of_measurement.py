"""What unmodified masters see of values that are wrong, doubted or not there, and of time tags that are stale."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from running_farm import RunningFarm, run_client
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP
from test_faults_on_the_way import broken

METER: Final = "meter-001"
DOUBTS: Final = {
    "voltage_l1_v": ("quality", "invalid", {}),
    "voltage_l2_v": ("quality", "not-topical", {}),
    "voltage_l3_v": ("quality", "blocked", {}),
    "current_l1_a": ("quality", "substituted", {}),
    "current_l2_a": ("quality", "overflow", {}),
    "current_l3_a": ("missing", None, {}),
    "reactive_power_var": ("out-of-range", None, {}),
    "apparent_power_va": ("missing", None, {"quality": "questionable"}),
}
"""One of everything that can be said of a value."""


@contextmanager
def doubted(site: RunningFarm) -> Iterator[None]:
    with ExitStack() as faults:
        for name, (kind, mode, given) in DOUBTS.items():
            faults.enter_context(broken(site, kind, {"device": METER, "quantity": name}, mode, **given))
        yield


@contextmanager
def by_pysunspec2(site: RunningFarm) -> Iterator[Any]:
    """The meter's model 203, read anew."""
    way = site.ways("modbus")[METER]
    device = SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr=way.host, ipport=way.port, timeout=30.0)
    try:
        device.scan()
        (model,) = device.models[203]
        model.read()
        yield model
    finally:
        device.close()


def true_of(site: RunningFarm) -> dict[str, float]:
    found = site.rest.get(f"devices/{METER}").json()["quantities"]
    return {name: math.nan if each["value"] is None else each["value"] for name, each in found.items()}


def points(site: RunningFarm, protocol: str) -> dict[str, str]:
    """Where each quantity of the meter can be read."""
    rows = [row for row in site.points(METER, protocol) if row["access"] == "r"]
    return {row["quantity"]: row["address"] for row in rows}


# ----------------------------------------------------------------------------------------- qualities


def test_pysunspec2_takes_what_is_invalid_old_or_missing_for_not_implemented(site: RunningFarm) -> None:
    with doubted(site), by_pysunspec2(site) as meter:
        unknown = [name for name in ("PhVphA", "PhVphB", "AphC", "VA") if meter.points[name].cvalue is None]
        true = true_of(site)
        assert unknown == ["PhVphA", "PhVphB", "AphC", "VA"]
        assert meter.points["PhVphC"].cvalue == pytest.approx(true["voltage_l3_v"], abs=0.06)
        assert meter.points["AphA"].cvalue == pytest.approx(true["current_l1_a"], abs=0.06)
        assert meter.points["AphB"].cvalue == pytest.approx(true["current_l2_a"], abs=0.06)
        assert abs(meter.points["VAR"].value) == 32_767
    with by_pysunspec2(site) as meter:
        assert all(meter.points[name].cvalue is not None for name in ("PhVphA", "PhVphB", "AphC", "VA"))


def test_c104_hears_of_every_value_what_is_known_of_it(site: RunningFarm) -> None:
    way = site.ways("iec104", station="rtu")[METER]
    place = points(site, "iec104")
    with doubted(site):
        held = ask_c104(site, way)["held"]
        true = true_of(site)
    told = {name: held[place[name]] for name in DOUBTS}
    assert {name: marks for name, (_, marks) in told.items()} == {
        "voltage_l1_v": ["Invalid"],
        "voltage_l2_v": ["NonTopical"],
        "voltage_l3_v": ["Blocked"],
        "current_l1_a": ["Substituted"],
        "current_l2_a": ["Overflow"],
        "current_l3_a": ["Invalid"],
        "reactive_power_var": ["Invalid", "Overflow"],
        "apparent_power_va": ["Invalid", "NonTopical"],
    }
    assert told["voltage_l1_v"][0] == pytest.approx(true["voltage_l1_v"], rel=1e-6)
    assert math.isnan(told["current_l3_a"][0])
    assert math.isinf(told["reactive_power_var"][0])
    assert ask_c104(site, way)["held"][place["voltage_l1_v"]][1] == []


ONLINE, COMM_LOST, LOCAL_FORCED, OVER_RANGE, REFERENCE_ERR = 0x01, 0x04, 0x10, 0x20, 0x40
"""Flags of an analog input (IEEE 1815-2012, 11.6)."""


def test_opendnp3_hears_of_every_value_what_is_known_of_it(site: RunningFarm) -> None:
    place = points(site, "dnp3")
    with doubted(site):
        said = ask_opendnp3(site)
    flags = {name: said["flags"][place[name]] for name in DOUBTS}
    assert flags == {
        "voltage_l1_v": 0,
        "voltage_l2_v": COMM_LOST,
        "voltage_l3_v": LOCAL_FORCED | ONLINE,
        "current_l1_a": LOCAL_FORCED | ONLINE,
        "current_l2_a": OVER_RANGE | ONLINE,
        "current_l3_a": REFERENCE_ERR,
        "reactive_power_var": OVER_RANGE,
        "apparent_power_va": REFERENCE_ERR | COMM_LOST,
    }
    assert said["static"][place["current_l3_a"]] == 0.0


# --------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("kind", "target", "given"),
    [
        ("sign-turned", {"quantity": "active_power_w"}, {}),
        ("noise", {"quantity": "active_power_w"}, {"std": 200.0}),
        ("drift", {"quantity": "active_power_w"}, {"rate_per_h": 360_000.0}),
        ("spike", {"quantity": "active_power_w"}, {"offset": 900.0, "spikes_per_h": 3_600.0}),
        ("quantised", {"quantity": "active_power_w"}, {"step": 700.0}),
    ],
)
def test_pysunspec2_reads_the_wrong_power_that_is_reported(
    site: RunningFarm, kind: str, target: dict[str, str], given: dict[str, float]
) -> None:
    with broken(site, kind, {"device": METER, **target}, **given):
        site.step(2)
        said, true = site.values(METER)["active_power_w"], true_of(site)["active_power_w"]
        with by_pysunspec2(site) as meter:
            assert meter.points["W"].cvalue == pytest.approx(-said, abs=0.6)
        assert abs(said - true) > 1.0
        if kind in ("drift", "spike"):
            assert said - true == pytest.approx({"drift": 200.0, "spike": 900.0}[kind])
        if kind == "quantised":
            assert said % 700.0 == 0.0
    with by_pysunspec2(site) as meter:
        assert meter.points["W"].cvalue == pytest.approx(-true_of(site)["active_power_w"], abs=0.6)


@pytest.mark.parametrize("kind", ["phases-swapped", "phase-missing"])
def test_pysunspec2_reads_phases_that_are_swapped_or_gone(site: RunningFarm, kind: str) -> None:
    mode = {"phases-swapped": "l1-l2", "phase-missing": "l1"}[kind]
    with broken(site, kind, {"device": METER}, mode), by_pysunspec2(site) as meter:
        true = true_of(site)
        shown = [meter.points[name].cvalue for name in ("WphA", "WphB", "AphA", "AphB")]
        names = ("active_power_l1_w", "active_power_l2_w", "current_l1_a", "current_l2_a")
        one_w, other_w, one_a, other_a = (true[name] for name in names)
        wanted = [-other_w, -one_w, other_a, one_a] if kind == "phases-swapped" else [0.0, -other_w, 0.0, other_a]
    assert one_w != other_w
    assert shown == pytest.approx(wanted, abs=0.6)


# -------------------------------------------------------------------------------------------- time tags


def test_opendnp3_is_told_events_of_an_hour_ago(site: RunningFarm) -> None:
    with broken(site, "stale-time-tag", {"device": METER}, lag_s=3_600.0):
        before = site.time
        said = ask_opendnp3(site)
    fresh = [datetime.fromtimestamp(each["time"] / 1000.0, UTC) + timedelta(hours=1) for each in said["events"]]
    assert [each for each in fresh if before <= each <= site.time], said["events"]


def test_c104_is_told_changes_with_the_time_tag_of_when_it_stopped(site: RunningFarm) -> None:
    (pv,) = (way for way in site.ways("iec104").values() if way.device == "pv-001")
    with broken(site, "stale-time-tag", {"device": "pv-001"}):
        stood = site.time.astimezone(UTC)
        news = ask_c104(site, pv, steps=120)["news"]
        assert news
        assert site.time.astimezone(UTC) - stood == timedelta(seconds=120)
    assert {datetime.fromisoformat(each["at"]).replace(tzinfo=UTC) for each in news} == {stood}


def ask_c104(site: RunningFarm, way: Any, steps: int = 0) -> Any:
    rest = str(site.rest.base_url)
    return run_client("c104_changes.py", host=way.host, port=way.port, address=way.address, rest=rest, steps=steps)


def ask_opendnp3(site: RunningFarm) -> Any:
    way, rest = site.ways("dnp3")[METER], str(site.rest.base_url)
    return run_client("opendnp3_master.py", host=way.host, port=way.port, outstation=way.address, rest=rest)
