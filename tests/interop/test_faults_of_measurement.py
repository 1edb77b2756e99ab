"""What unmodified masters see of values that are wrong, doubted or not there, and of time tags that are stale."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from running_farm import RunningFarm, broken, run_client
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

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


# -------------------------------------------------------------------------------------------- time tags


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
