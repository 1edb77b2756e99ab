"""What masters meet when a cell, an RTU, a gateway or a batch of firmware fails, and when it is well again."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException
from running_farm import SOON_S, RunningFarm, broken

NORTH = {"label": "cell=north"}
SUNS = [0x5375, 0x6E53]
SHORT_S = 0.3


@contextmanager
def master(site: RunningFarm, device: str, timeout_s: float = SOON_S) -> Iterator[ModbusTcpClient]:
    way = site.ways("modbus")[device]
    with ModbusTcpClient(way.host, port=way.port, timeout=timeout_s, retries=0) as client:
        yield client


def read(client: ModbusTcpClient) -> list[int]:
    return client.read_holding_registers(40_000, count=2).registers


def online(site: RunningFarm, device: str) -> float:
    found = site.rest.get(f"devices/{device}").json()["quantities"]["online"]["reported"]
    assert isinstance(found, float | int)
    return found


def refused(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), SOON_S):
            return False
    except ConnectionRefusedError:
        return True


def test_behind_a_cell_that_is_down_nobody_answers_and_afterwards_everybody_does(site: RunningFarm) -> None:
    with master(site, "battery-001", SHORT_S) as before:
        assert read(before) == SUNS
        with broken(site, "cell-down", NORTH) as fault:
            assert len(fault["hit"]) == 5
            assert online(site, "battery-001") == 0
            with pytest.raises(ModbusException):
                read(before)
            with master(site, "battery-001", SHORT_S) as newcomer, pytest.raises(ModbusException):
                read(newcomer)
    assert online(site, "battery-001") == 1
    with master(site, "battery-001") as after:
        assert read(after) == SUNS


def test_a_master_of_a_cell_that_was_down_is_reset_when_it_is_back(site: RunningFarm) -> None:
    way = site.ways("modbus")["battery-001"]
    with socket.create_connection((way.host, way.port), SOON_S) as stood:
        stood.settimeout(SOON_S)
        with broken(site, "cell-down", NORTH):
            stood.settimeout(SHORT_S)
            with pytest.raises(TimeoutError):
                stood.recv(1)
            stood.settimeout(SOON_S)
        with pytest.raises(ConnectionResetError):
            stood.recv(1)


def test_an_rtu_that_is_down_takes_its_own_way_alone(site: RunningFarm) -> None:
    rtu = site.ways("iec104", station="rtu")["battery-001"]
    with broken(site, "rtu-down", {"station": "rtu"}):
        assert refused(rtu.host, rtu.port)
        assert online(site, "battery-001") == 1
        with master(site, "battery-001") as client:
            assert read(client) == SUNS
    assert not refused(rtu.host, rtu.port)


@pytest.mark.parametrize("duration_s", [None, 60.0])
def test_a_gateway_restarts_by_itself_and_its_devices_go_on(site: RunningFarm, duration_s: float | None) -> None:
    rtu = site.ways("iec104", station="rtu")["battery-001"]
    with broken(site, "gateway-restart", {"station": "rtu"}, duration_s=duration_s, down_s=3.0) as fault:
        assert refused(rtu.host, rtu.port)
        with master(site, "battery-001") as client:
            assert read(client) == SUNS
        site.step(3)
        assert site.rest.get(f"faults/{fault['id']}").json()["state"] == ("active" if duration_s else "ended")
        assert not refused(rtu.host, rtu.port)


def test_of_a_bad_batch_devices_restart_again_and_again(site: RunningFarm) -> None:
    batch = {"label": "firmware=1.4.2", "kind": ["battery", "pv_generator"]}
    with broken(site, "firmware-bad", batch, down_s=2.0, every_s=5.0) as fault:
        assert fault["hit"] == ["battery-001", "pv-001"]
        course = []
        for _ in range(11):
            course.append((online(site, "battery-001"), online(site, "meter-001")))
            site.step()
    assert [battery for battery, _ in course] == [0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0]
    assert {meter for _, meter in course} == {1}


@pytest.mark.parametrize(
    ("kind", "key"),
    [("cell-down", "label"), ("rtu-down", "station"), ("gateway-restart", "station"), ("firmware-bad", "label")],
)
def test_who_is_meant_has_to_be_said(site: RunningFarm, kind: str, key: str) -> None:
    answer = site.rest.post("faults", json={"kind": kind})
    assert answer.status_code == 422
    assert "fault needs" in answer.text
    assert [each["where"] for each in answer.json()["problems"]] == [f"target.{key}"]
