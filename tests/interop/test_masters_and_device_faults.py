"""What unmodified masters see of devices that fail themselves: pymodbus, pysunspec2, c104 and opendnp3."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException
from running_farm import SOON_S, RunningFarm, broken, run_client
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

BATTERY, METER = "battery-001", "meter-001"
FAULT, OFF_BY_TRIP, STORAGE_FAULT = 7, 4, 99
"""SunSpec: St of model 103 and a bit of its Evt1; State of model 802."""


@contextmanager
def modbus(site: RunningFarm, device: str) -> Iterator[ModbusTcpClient]:
    way = site.ways("modbus")[device]
    with ModbusTcpClient(way.host, port=way.port, timeout=SOON_S, retries=0) as client:
        yield client


@contextmanager
def sunspec(site: RunningFarm, device: str) -> Iterator[Any]:
    way = site.ways("modbus")[device]
    client = SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr=way.host, ipport=way.port, timeout=SOON_S)
    client.scan()
    try:
        yield client
    finally:
        client.close()


def test_pymodbus_is_cut_off_and_refused_while_a_device_restarts_and_then_reads_on(site: RunningFarm) -> None:
    way = site.ways("modbus")[METER]
    with modbus(site, METER) as client:
        assert client.read_holding_registers(40_000, count=2).registers == [0x5375, 0x6E53]
        with broken(site, "restart", {"device": METER}, down_s=2.0):
            with pytest.raises(ModbusException):
                client.read_holding_registers(40_000, count=2)
            with pytest.raises(ConnectionError):
                socket.create_connection((way.host, way.port), SOON_S)
            assert site.values(METER)["online"] == 0
            site.step(2)
            with modbus(site, METER) as again:
                assert again.read_holding_registers(40_000, count=2).registers == [0x5375, 0x6E53]
            assert site.values(METER)["online"] == 1


def test_pysunspec2_finds_another_meter_whose_register_began_at_0(site: RunningFarm) -> None:
    site.step(120)
    with sunspec(site, METER) as before:
        assert before.common[0].SN.value == METER
        assert before.models[203][0].TotWhImp.value > 0
    with broken(site, "exchanged", {"device": METER}, down_s=1.0):
        site.step(1)
        with sunspec(site, METER) as there:
            assert there.common[0].SN.value.startswith(f"{METER}-")
            assert there.common[0].Md.value == before.common[0].Md.value
            assert there.models[203][0].TotWhImp.value is None  # as pysunspec2 reads an accumulator at 0
    with sunspec(site, METER) as after:
        assert after.common[0].SN.value == METER


def test_pysunspec2_sees_a_trip_a_lock_out_and_that_the_reset_ends_it(site: RunningFarm) -> None:
    with sunspec(site, BATTERY) as client:
        inverter, storage = client.models[103][0], client.models[802][0]

        def states() -> tuple[int, int, bool]:
            inverter.read()
            storage.read()
            return inverter.St.value, storage.State.value, bool(inverter.Evt1.value >> OFF_BY_TRIP & 1)

        before, off = states(), (FAULT, STORAGE_FAULT, True)
        with broken(site, "trip", {"device": BATTERY}, "lock-out"):
            assert states() == off
        assert states() == off
        site.tell(BATTERY, alarm_reset=1)
        site.step()
        assert states() == before
        with broken(site, "trip", {"device": BATTERY}):
            assert states() == off
        assert states() == before


def test_pysunspec2_sees_what_a_derated_battery_can_do(site: RunningFarm) -> None:
    with sunspec(site, BATTERY) as client:
        settings, inverter = client.models[704][0], client.models[103][0]
        most_w = float(client.models[702][0].WMaxRtg.cvalue)
        settings.WSet.cvalue, settings.WSetEna.value = most_w, 1
        settings.write()
        with broken(site, "derating", {"device": BATTERY}, share_frac=0.75):
            site.step(20)
            inverter.read()
            assert float(inverter.W.cvalue) == pytest.approx(0.25 * most_w, rel=0.01)
        site.step(20)
        inverter.read()
        assert float(inverter.W.cvalue) == pytest.approx(most_w, rel=0.01)
    site.tell(BATTERY, active_power_setpoint_enabled=0)
    site.step()


def test_pysunspec2_writes_a_set_point_that_reads_back_and_is_not_followed(site: RunningFarm) -> None:
    with sunspec(site, BATTERY) as client:
        settings, inverter = client.models[704][0], client.models[103][0]

        def power_w() -> float:
            inverter.read()
            return float(inverter.W.cvalue)

        settings.WSet.cvalue, settings.WSetEna.value = 0.0, 1
        settings.write()
        site.step(10)
        with broken(site, "follows-none", {"device": BATTERY}):
            settings.WSet.cvalue = 1_000.0
            settings.write()
            site.step(10)
            settings.read()
            assert settings.WSet.cvalue == 1_000.0
            assert power_w() == 0.0
        site.step(10)
        assert power_w() == pytest.approx(1_000.0, abs=5.0)
    site.tell(BATTERY, active_power_setpoint_enabled=0)
    site.step()


def test_c104_meets_a_trip_a_deaf_battery_and_the_restart_of_its_rtu(site: RunningFarm) -> None:
    way = site.ways("iec104", station="rtu")[BATTERY]
    others = sorted(each.address for each in site.ways("iec104", station="rtu").values())
    site.tell(BATTERY, active_power_setpoint_w=0, active_power_setpoint_enabled=1)
    said = run_client(
        "c104_device_faults.py", host=way.host, port=way.port, battery=way.address, rest=str(site.rest.base_url)
    )
    assert said["trip"] == [0.0, 1.0, 0.0]
    assert said["acknowledged"] is True
    assert said["power"] == pytest.approx([0.0, -1_200.0], abs=5.0)
    assert (said["cut"], said["again"]) == (True, True)
    assert said["initialised"] == [[address, 0] for address in others]
    assert said["power after"] == pytest.approx(-1_200.0, abs=5.0)


def test_opendnp3_meets_a_trip_a_deaf_battery_and_its_restart(site: RunningFarm) -> None:
    way = site.ways("dnp3")[BATTERY]
    site.tell(BATTERY, active_power_setpoint_w=0, active_power_setpoint_enabled=1)
    wanted = {"fault_trip": "BI", "active_power_w": "AI", "active_power_setpoint_w": "AO"}
    points = {
        row["quantity"]: row["address"]
        for row in site.points(BATTERY, "dnp3")
        if row["address"].startswith(wanted.get(row["quantity"], "none"))
    }
    said = run_client(
        "opendnp3_device_faults.py",
        host=way.host,
        port=way.port,
        outstation=way.address,
        rest=str(site.rest.base_url),
        points=points,
    )
    assert said["trip"] == [0.0, 1.0, 0.0]
    assert (said["status"], said["shown"]) == (["SUCCESS"], -1_500.0)
    assert said["power"] == pytest.approx([0.0, -1_500.0], abs=5.0)
    assert (said["cut"], said["again"]) == (True, True)
    assert said["restarted"] == [False, True]
    assert said["frozen"][0] > 0
    assert said["frozen"][1] == 0
