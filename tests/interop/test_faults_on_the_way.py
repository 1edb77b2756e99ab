"""What unmodified masters see of a link that is slow, cut in pieces or dead, and of devices that answer wrong."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest
from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException
from running_farm import SOON_S, RunningFarm, broken, run_client

DEVICE = "battery-001"


@contextmanager
def connected(site: RunningFarm, timeout_s: float = SOON_S) -> Iterator[ModbusTcpClient]:
    way = site.ways("modbus")[DEVICE]
    with ModbusTcpClient(way.host, port=way.port, timeout=timeout_s, retries=0) as client:
        yield client


def registers(client: ModbusTcpClient) -> list[int]:
    return client.read_holding_registers(40_000, count=100).registers


@pytest.mark.parametrize(
    ("kind", "parameters", "min_s"),
    [
        ("latency", {"delay_s": 0.2, "direction": "to_master"}, 0.2),
        ("loss", {"loss_frac": 0.3}, 0.0),
        ("flapping", {"up_s": 0.05, "down_s": 0.05}, 0.0),
    ],
)
def test_pymodbus_reads_the_same_and_has_to_wait(
    site: RunningFarm, kind: str, parameters: dict[str, float | str], min_s: float
) -> None:
    """An answer may take longer on a busy machine, and never less than the link takes."""
    with connected(site) as before, broken(site, kind, {"device": DEVICE}, **parameters), connected(site) as client:
        found = []
        for each in (before, client):
            began_s = time.monotonic()
            found.append(registers(each))
            assert time.monotonic() - began_s >= min_s
        assert found[0] == found[1]
        assert found[0][:2] == [0x5375, 0x6E53]
    with connected(site) as client:
        assert registers(client)[:2] == [0x5375, 0x6E53]


def test_a_fault_at_a_station_leaves_a_device_its_other_ways(site: RunningFarm) -> None:
    rtu = site.ways("iec104", station="rtu")[DEVICE]
    with broken(site, "offline", {"station": "rtu"}):
        with pytest.raises(ConnectionError), socket.create_connection((rtu.host, rtu.port), SOON_S):
            pass
        with connected(site) as client:
            assert registers(client)[:2] == [0x5375, 0x6E53]
        assert site.values(DEVICE)["online"] == 1
    with broken(site, "offline", {"device": DEVICE, "exclude": "meter-*"}):
        assert site.rest.get(f"devices/{DEVICE}").json()["quantities"]["online"]["reported"] == 0


def test_latency_on_one_protocol_is_felt_on_that_alone(site: RunningFarm) -> None:
    with broken(site, "blackhole", {"protocol": ["iec104", "dnp3"]}), connected(site) as client:
        assert registers(client)[:2] == [0x5375, 0x6E53]
    with (
        broken(site, "blackhole", {"protocol": "modbus", "map": "sunspec"}),
        connected(site, 0.5) as client,
        pytest.raises(ModbusException),
    ):
        registers(client)


@pytest.mark.parametrize("direction", ["to_device", "to_master"])
def test_pymodbus_hears_nothing_from_a_black_hole_until_it_ends(site: RunningFarm, direction: str) -> None:
    with broken(site, "blackhole", {"device": DEVICE}, direction=direction), connected(site, 0.5) as client:
        with pytest.raises(ModbusException):
            registers(client)
        way = site.ways("modbus")["meter-001"]
        with ModbusTcpClient(way.host, port=way.port, timeout=SOON_S) as other:
            assert registers(other)[:2] == [0x5375, 0x6E53]
    with connected(site) as client:
        assert registers(client)[:2] == [0x5375, 0x6E53]


@pytest.mark.parametrize("mode", ["late", "overtaken", "lagging"])
def test_pymodbus_takes_no_late_answer_for_the_one_it_waits_for(site: RunningFarm, mode: str) -> None:
    with broken(site, "modbus-late", {"device": DEVICE}, mode=mode, delay_s=0.5), connected(site, 0.2) as client:
        for _ in range(2):
            with pytest.raises(ModbusException):
                registers(client)
    with connected(site) as client:
        assert registers(client)[:2] == [0x5375, 0x6E53]


@pytest.mark.parametrize(("mode", "follows"), [("unheard", False), ("unanswered", True)])
def test_a_silent_device_does_what_it_heard(site: RunningFarm, mode: str, follows: bool) -> None:
    setpoint = [row for row in site.points(DEVICE, "modbus") if row["quantity"] == "soc_min_frac"]
    address = int([row["address"] for row in setpoint if row["address"].startswith("register")][-1].split()[1])
    site.tell(DEVICE, soc_min_frac=0.05)
    with broken(site, "silence", {"device": DEVICE}, mode=mode), connected(site, 0.5) as client:
        with pytest.raises(ModbusException):
            client.write_register(address, 1500)
        site.step()
        assert site.values(DEVICE)["soc_min_frac"] == (0.15 if follows else 0.05)


FAULTY: Final = {
    "dnp3-response": ("sequence", "no-final", "object"),
    "dnp3-link": ("nack", "busy"),
    "dnp3-frame": ("header-crc", "data-crc", "source", "destination", "sequence", "doubled", "cut"),
}
STATUSES: Final = {
    1: "TIMEOUT",
    2: "NO_SELECT",
    3: "FORMAT_ERROR",
    4: "NOT_SUPPORTED",
    5: "ALREADY_ACTIVE",
    6: "HARDWARE_ERROR",
    7: "LOCAL",
    8: "TOO_MANY_OPS",
    9: "NOT_AUTHORIZED",
    10: "AUTOMATION_INHIBIT",
    11: "PROCESSING_LIMITED",
    12: "OUT_OF_RANGE",
    13: "DOWNSTREAM_LOCAL",
    14: "ALREADY_COMPLETE",
    15: "BLOCKED",
    16: "CANCELLED",
    17: "BLOCKED_OTHER_MASTER",
    18: "DOWNSTREAM_FAIL",
    126: "NON_PARTICIPATING",
    127: "UNDEFINED",
}
"""opendnp3's names of the status codes (IEEE 1815-2012, 11.8)."""


def test_opendnp3_meets_faults(site: RunningFarm) -> None:
    way = site.ways("dnp3")[DEVICE]
    site.tell(DEVICE, active_power_setpoint_w=0.0)
    said = dict(
        run_client(
            "opendnp3_faults.py",
            host=way.host,
            port=way.port,
            outstation=way.address,
            rest=str(site.rest.base_url),
            device=DEVICE,
            faults=[(kind, mode) for kind, modes in FAULTY.items() for mode in modes],
            statuses=list(STATUSES),
        )
    )
    polls, told = said.pop("polls"), said.pop("told")
    assert [each for each, ended in polls.items() if ended == "SUCCESS"] == [
        "dnp3-link nack",
        "dnp3-link busy",
        "dnp3-frame doubled",
    ]
    assert {ended.partition("_")[0] for ended in polls.values()} == {"SUCCESS", "FAILURE"}
    assert told == {str(status): name for status, name in STATUSES.items()}
    assert said.pop("selects and is told that it operates") == ["SUCCESS", "SUCCESS"]
    assert site.values(DEVICE)["active_power_setpoint_w"] == 1_500.0, "which REST has told it"
    assert said == dict.fromkeys(
        (
            "recovers",
            "overflow",
            "storm",
            "reset and back",
            "half-open and back",
            "while half-open",
            "after all",
        ),
        True,
    )
