"""What a fault looks like to masters on real sockets, of every protocol at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import product

import pytest
from on_loopback import (
    GONE,
    Dnp3Master,
    Iec104Master,
    ModbusMaster,
    closed_at_once,
    connected,
    ended,
    free_port,
    listens,
    running,
    step,
    until,
)

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.maps.iec104 import IOA
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site.layout import SiteLayout

METERS = ("meters-001", "meters-002", "meters-003")
POWER = {"quantity": "active_power_w"}
POWER_REGISTER, POWER_IOA, POWER_INDEX = 52, IOA["active_power_w"], 537
HOSTS = ("127.91.0.1", "127.91.0.2", "127.91.0.3")
"""Protocols of which one station may answer for several devices."""


@dataclass
class Masters:
    """Masters of three meters: one at the gateway, one at the RTU, and one at each meter's own outstation."""

    pilot: Pilot
    modbus: ModbusMaster
    iec104: Iec104Master
    dnp3: list[Dnp3Master]

    async def reads(self, row: int) -> tuple[float | int, tuple[float, int], tuple[int, int]]:
        """The power of a meter as each protocol has it, plus towards the grid, with quality or flags."""
        power = await self.modbus.float32(row + 1, POWER_REGISTER)
        return (
            power if isinstance(power, int) else -power,
            await self.iec104.float_at(row + 1, POWER_IOA),
            await self.dnp3[row].analog(POWER_INDEX),
        )

    async def all_read(self, row: int, value: float, quality: int, flags: int) -> None:
        """Every master reads this of a meter; Modbus, which has no quality, has not a number where it is not good."""
        by_modbus, by_iec104, by_dnp3 = await self.reads(row)
        assert by_modbus == pytest.approx(value if quality == 0 else float("nan"), rel=1e-6, nan_ok=True)
        assert by_iec104 == (pytest.approx(value, rel=1e-6), quality)
        assert by_dnp3 == (round(value), flags)

    async def all_true(self) -> None:
        """Every master reads what every meter really draws, and that it is good."""
        for row, name in enumerate(METERS):
            await self.all_read(row, self.pilot.farm.device(name).true_value("active_power_w"), 0, 0x01)


@asynccontextmanager
async def watched(make_layout: Callable[..., SiteLayout]) -> AsyncIterator[Masters]:
    ports = {name: free_port() for name in ("gateway", "rtu", "own")}
    groups = (
        "  meters:\n    kind: smart_meter\n    count: 3\n    feeder: west\n    endpoints:\n"
        "      - {protocol: modbus, station: gateway}\n"
        "      - {protocol: iec104, station: rtu}\n"
        f"      - {{protocol: dnp3, ip: {HOSTS[0]}, port: {ports['own']}, options: {{unsolicited: false}}}}\n"
    )
    stations = (
        "stations:\n"
        f"  gateway: {{protocol: modbus, host: 127.0.0.1, port: {ports['gateway']}}}\n"
        f"  rtu: {{protocol: iec104, host: 127.0.0.1, port: {ports['rtu']}}}\n"
    )
    async with AsyncExitStack() as stack:
        pilot = await stack.enter_async_context(running(make_layout(groups, stations=stations)))
        modbus = ModbusMaster(await stack.enter_async_context(connected(ports["gateway"])))
        iec104 = Iec104Master(await stack.enter_async_context(connected(ports["rtu"])))
        await iec104.start()
        dnp3 = [Dnp3Master(await stack.enter_async_context(connected(ports["own"], host))) for host in HOSTS]
        yield Masters(pilot, modbus, iec104, dnp3)


@pytest.mark.parametrize(
    ("said", "quality", "flags"),
    [("good", 0, 0x01), ("invalid", Quality.INVALID, 0x00), ("questionable", Quality.NOT_TOPICAL, 0x04)],
)
def test_every_master_reads_the_wrong_value_and_what_its_device_says_of_it(
    make_layout: Callable[..., SiteLayout], said: str, quality: int, flags: int
) -> None:
    async def scenario() -> None:
        async with watched(make_layout) as masters:
            pilot, faults = masters.pilot, masters.pilot.farm.faults
            await masters.all_true()
            stuck = faults.add("stuck", {"device": METERS[0], **POWER}, parameters={"value": -4_321.0, "quality": said})
            bias = faults.add(
                "bias", {"device": METERS[1], **POWER}, parameters={"factor": 2.0, "offset": -70.0, "quality": said}
            )
            for _ in range(3):
                await step(pilot)
                true = [pilot.farm.device(name).true_value("active_power_w") for name in METERS]
                await masters.all_read(0, -4_321.0, quality, flags)
                await masters.all_read(1, 2.0 * true[1] - 70.0, quality, flags)
                await masters.all_read(2, true[2], 0, 0x01)
            for fault in (stuck, bias):
                faults.clear(fault.id)
            await step(pilot)
            await masters.all_true()

    asyncio.run(scenario())


def test_of_a_device_off_the_network_every_master_learns_in_its_own_way_and_its_neighbours_go_on(
    make_layout: Callable[..., SiteLayout],
) -> None:
    """Its own outstation is gone, its gateway answers for it with an exception, its RTU holds its last values."""

    async def scenario() -> None:
        async with watched(make_layout) as masters:
            pilot = masters.pilot
            own = masters.dnp3[1].streams
            port = own[1].get_extra_info("peername")[1]
            last = pilot.farm.device(METERS[1]).value("active_power_w")
            fault = pilot.farm.faults.add("offline", {"device": METERS[1]})
            for _ in range(3):
                await step(pilot, 60)
                assert await masters.modbus.registers(2, POWER_REGISTER, 2) == GONE
                assert await masters.iec104.float_at(2, POWER_IOA) == (pytest.approx(last), Quality.NOT_TOPICAL)
                for row in (0, 2):
                    true = pilot.farm.device(METERS[row]).true_value("active_power_w")
                    await masters.all_read(row, true, 0, 0x01)
            assert await ended(own[0])
            assert [await listens(port, host) for host in HOSTS] == [True, False, True]
            assert pilot.farm.device(METERS[1]).true_value("active_power_w") != last
            pilot.farm.faults.clear(fault.id)
            await step(pilot)
            async with connected(port, HOSTS[1]) as streams:
                masters.dnp3[1] = Dnp3Master(streams)
                await masters.all_true()

    asyncio.run(scenario())


def test_a_modbus_exception_is_seen_on_modbus_alone(make_layout: Callable[..., SiteLayout]) -> None:
    async def scenario() -> None:
        async with watched(make_layout) as masters:
            pilot = masters.pilot
            fault = pilot.farm.faults.add("modbus-exception", {"device": METERS[2]}, parameters={"code": 6})
            await step(pilot)
            true = [pilot.farm.device(name).true_value("active_power_w") for name in METERS]
            assert await masters.modbus.registers(3, POWER_REGISTER, 2) == 6
            assert await masters.iec104.float_at(3, POWER_IOA) == (pytest.approx(true[2]), 0)
            assert await masters.dnp3[2].analog(POWER_INDEX) == (round(true[2]), 0x01)
            for row in (0, 1):
                await masters.all_read(row, true[row], 0, 0x01)
            pilot.farm.faults.clear(fault.id)
            await step(pilot)
            await masters.all_true()

    asyncio.run(scenario())


@pytest.mark.parametrize("mode", ["refuse", "cut"])
@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
def test_a_station_is_on_the_network_as_long_as_one_device_behind_it_is(
    make_layout: Callable[..., SiteLayout], protocol: str, mode: str
) -> None:
    """Whichever devices are off, one after another: its connections and its listener stay until it is all of them."""
    port = free_port()
    groups = (
        "  meters:\n    kind: smart_meter\n    count: 3\n    feeder: west\n"
        f"    endpoints: [{{protocol: {protocol}, station: shared}}]\n"
    )
    stations = f"stations:\n  shared: {{protocol: {protocol}, host: 127.0.0.1, port: {port}}}\n"

    async def scenario() -> None:
        async with running(make_layout(groups, stations=stations)) as pilot:
            counters, faults = pilot.server.counters[protocol], pilot.farm.faults
            for off in product((False, True), repeat=3):
                async with connected(port) as (reader, _):
                    await until(lambda: counters.open == 1)
                    for name in (name for name, gone in zip(METERS, off, strict=True) if gone):
                        faults.add("offline", {"device": name}, mode=mode)
                    cut_before = counters.cut
                    await step(pilot)
                    if all(off):
                        assert await ended(reader)
                        assert (await closed_at_once(port)) if mode == "cut" else not await listens(port)
                    else:
                        assert await listens(port)
                        assert counters.cut == cut_before
                        assert not reader.at_eof()
                await until(lambda: counters.open == 0)
                faults.clear_all()
                await step(pilot)
                assert await listens(port)
                await until(lambda: counters.open == 0)

    asyncio.run(scenario())
