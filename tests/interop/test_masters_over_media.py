"""Unmodified masters of each protocol reach devices over GPRS: they read the same, and no sooner than was drawn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from dnp3.master import DefaultSOEHandler, Master, MasterConfig, MasterTcpRunner
from pymodbus.client import ModbusTcpClient
from running_farm import RunningFarm, Way, brought_up, run_client

from pilotfarm.emulators.links.channels import Draws
from pilotfarm.emulators.links.medium import DIRECTIONS, latency
from pilotfarm.profiles.draws import key_of
from pilotfarm.profiles.media import medium

SEED = 332  # whose draws are short
SITE = f"""\
name: media
media: false
seed: {SEED}
location: {{latitude_deg: 59.1, longitude_deg: 11.0, altitude_m: 10, time_zone: Europe/Oslo}}
groups:
  far:
    kind: battery
    count: 3
    labels: {{cell: north}}
    endpoints: &over
      - {{protocol: modbus, medium: gprs}}
      - {{protocol: iec104, medium: gprs}}
      - {{protocol: dnp3, medium: gprs}}
  near:
    kind: battery
    count: 3
    endpoints: [{{protocol: modbus}}, {{protocol: iec104}}, {{protocol: dnp3}}]
"""


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    folder = tmp_path_factory.mktemp("media")
    (folder / "media.yaml").write_text(SITE)
    with brought_up(folder, str(folder / "media.yaml"), "--media") as farm:
        yield farm


def scheduled_s(device: str, protocol: str, exchanges: int) -> float:
    """What the first connection of a device takes: its modem wakes up, TCP is set up, then messages go to and fro.

    Of the first exchange it is known where it stands in the stream; a further one takes the medium's floor at least.
    """
    gprs = medium("gprs")
    asleep, wake = gprs.sleeps[-1], Draws(key_of(SEED, "modem", device, "gprs"), "wake")()
    key = key_of(SEED, "medium", protocol, device, "1")
    drawn = sum(latency(gprs, way).drawn(key, sequence) for way in DIRECTIONS for sequence in (0, 1))
    further = 2.0 * gprs.floor_s * (exchanges - 1)
    return asleep.wake_min_s + (asleep.wake_max_s - asleep.wake_min_s) * wake + drawn + further


def modbus(way: Way) -> Any:
    with ModbusTcpClient(way.host, port=way.port, timeout=60.0, retries=0) as client:
        return client.read_holding_registers(40_000, count=4).registers[:2]


def iec104(way: Way) -> Any:
    said = run_client("c104_interrogation.py", host=way.host, port=way.port)
    return said["general"], sorted(said["points"][str(way.address)])


def dnp3(way: Way) -> Any:
    async def poll() -> Any:
        heard = DefaultSOEHandler()
        master = Master(handler=heard, config=MasterConfig(address=3, outstation_address=way.address))
        async with MasterTcpRunner(master=master, host=way.host, port=way.port, response_timeout=60.0) as runner:
            fragments = await runner.integrity_poll()
            return fragments[-1].fin, sorted(heard.analog_inputs), sorted(heard.binary_inputs)

    return asyncio.run(poll())


Read = Callable[[Way], Any]
MASTERS: dict[str, tuple[str, Read, int]] = {
    "modbus": ("001", modbus, 1),
    "iec104": ("002", iec104, 2),
    "dnp3": ("003", dnp3, 1),
}
"""The device that each reads, how, and how many exchanges it takes at least."""


def timed(read: Read, way: Way) -> tuple[Any, float]:
    began_s = time.monotonic()
    return read(way), time.monotonic() - began_s


def test_masters_over_gprs_read_the_same_and_have_to_wait(reached: RunningFarm) -> None:
    with ThreadPoolExecutor(len(MASTERS)) as at_once:
        asked = {
            protocol: at_once.submit(timed, read, reached.ways(protocol)[f"far-{device}"])
            for protocol, (device, read, _) in MASTERS.items()
        }
        far = {protocol: each.result() for protocol, each in asked.items()}
    for protocol, (device, read, exchanges) in MASTERS.items():
        said, took_s = far[protocol]
        assert took_s >= scheduled_s(f"far-{device}", protocol, exchanges), protocol
        near, near_s = timed(read, reached.ways(protocol)[f"near-{device}"])
        assert said == near
        assert near_s < took_s, protocol
    assert far["modbus"][0] == [0x5375, 0x6E53]
    assert far["iec104"][0][0] is True
    assert far["dnp3"][0][0] is True


def test_rest_says_what_they_are_over_and_faults_can_be_aimed_at_it(reached: RunningFarm) -> None:
    rows = reached.rest.get("endpoints").json()
    assert {(row["device"].split("-")[0], row["medium"]) for row in rows} == {("far", "gprs"), ("near", "none")}
    fault = {"kind": "offline", "target": {"medium": "gprs"}}
    answer = reached.rest.post("faults", json=fault)
    assert answer.status_code == 201, answer.text
    assert answer.json()["hit"] == ["far-001", "far-002", "far-003"]
    reached.rest.delete("faults").raise_for_status()
    refused = reached.rest.post(
        "faults", json={"kind": "latency", "target": {"medium": "gprs"}, "parameters": {"delay_s": 0.01}}
    )
    assert refused.status_code == 422
    assert "gprs takes 0.25 s or more" in refused.text
