"""What pysunspec2 and c104 read of the voltages while the grid is disturbed, and after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from running_farm import RunningFarm, run_client
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

METER, BATTERY = "meter-001", "battery-001"
SOURCE_V = 233.0
RECONNECT_S = 70
"""EN 50549-1, 4.10.2, as profiles/grid_codes has it: 60 s of a good grid; and some."""

SEEN = {
    ("outage", "transformer"): ({}, (0.0, 0.0, 0.0)),
    ("phase-loss", "branch"): ({"phases": "l3-l1"}, (0.0, 1.0, 0.0)),
    ("voltage-swell", None): ({"voltage_pu": 1.15, "phases": "l3"}, (1.0, 1.0, 1.15)),
}
"""Kind and mode -> parameters, and the voltage of the phases over the source's."""


@contextmanager
def disturbed(site: RunningFarm, kind: str, mode: str | None, parameters: dict[str, Any]) -> Iterator[None]:
    fault = {"kind": kind, "target": {"device": METER}, "mode": mode, "parameters": parameters}
    answer = site.rest.post("faults", json=fault)
    assert answer.status_code == 201, answer.text
    assert METER in answer.json()["hit"]
    site.step()
    try:
        yield
    finally:
        site.rest.delete("faults").raise_for_status()
        site.step(2)


def by_modbus(site: RunningFarm) -> list[float]:
    """The meter's voltages as SunSpec has them, in model 203."""
    way = site.ways("modbus")[METER]
    client = SunSpecModbusClientDeviceTCP(slave_id=way.address, ipaddr=way.host, ipport=way.port, timeout=5)
    try:
        client.scan()
        model = client.models[203][0]
        return [model.points[f"PhVph{phase}"].cvalue for phase in "ABC"]
    finally:
        client.close()


def by_iec104(site: RunningFarm, device: str) -> dict[str, Any]:
    way = site.ways("iec104", station="rtu")[device]
    said = run_client("c104_interrogation.py", host=way.host, port=way.port)
    assert said["general"] is True
    points: dict[str, Any] = said["points"][str(way.address)]
    return points


@pytest.mark.parametrize(("kind", "mode"), SEEN)
def test_pysunspec2_reads_the_disturbed_voltages_and_then_those_of_before(
    site: RunningFarm, kind: str, mode: str | None
) -> None:
    parameters, factors = SEEN[kind, mode]
    before = by_modbus(site)
    with disturbed(site, kind, mode, parameters):
        now = by_modbus(site)
        assert now == pytest.approx([SOURCE_V * factor for factor in factors], abs=4.0)
        assert now == pytest.approx([site.values(METER)[f"voltage_l{n}_v"] for n in (1, 2, 3)], abs=0.06)
    assert by_modbus(site) == pytest.approx(before, abs=4.0)


def test_c104_sees_the_battery_of_three_phases_trip_when_one_is_lost(site: RunningFarm) -> None:
    address = next(row["address"] for row in site.points(BATTERY, "iec104") if row["quantity"] == "fault_trip")
    site.step(RECONNECT_S)
    assert by_iec104(site, BATTERY)[address][0] == 0.0
    with disturbed(site, "phase-loss", "feeder", {"phases": "l1"}):
        assert by_iec104(site, BATTERY)[address][0] == 1.0
    site.step(RECONNECT_S)
    assert by_iec104(site, BATTERY)[address][0] == 0.0
