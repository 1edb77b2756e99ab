"""hat-drivers' IEC 60870-5-104 master interrogates, reads and commands the RTU of the site tiny."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hat.drivers import iec104, net
from running_farm import RunningFarm

PATIENCE_S: Final = 10.0
BROADCAST: Final = 0xFFFF
GROUPS: Final = {1: range(1000, 1120), 2: range(2000, 2100), 3: range(2100, 2200), 4: range(2200, 2300)}
GROUPS |= {5: range(2900, 3000), 6: range(2300, 2400)}
ACTIVATION: Final = iec104.CommandReqCause.ACTIVATION
CON: Final = iec104.CommandResCause.ACTIVATION_CONFIRMATION
TERM: Final = iec104.CommandResCause.ACTIVATION_TERMINATION


class Master:
    """One started connection to the RTU."""

    def __init__(self, connection: iec104.Connection) -> None:
        self.connection = connection

    async def until(self, enough: Callable[[Any], bool]) -> list[Any]:
        """Everything received up to and with the first message that is enough."""
        seen: list[Any] = []
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for message in await self.connection.receive():
                    seen.append(message)
                    if enough(message):
                        return seen

    async def interrogated(self, common_address: int, request: int = 20, by: Sequence[int] = ()) -> list[Any]:
        """The data of an interrogation that was confirmed and terminated, where it was of all by each."""
        asked = iec104.InterrogationMsg(False, 0, common_address, request, False, ACTIVATION)
        await self.connection.send([asked])
        by = by or (common_address,)

        def over(message: Any) -> bool:
            ours = isinstance(message, iec104.InterrogationMsg) and message.asdu_address == by[-1]
            return ours and message.cause is not CON

        seen = await self.until(over)
        answers = [m for m in seen if isinstance(m, iec104.InterrogationMsg)]
        assert [(m.cause, m.is_negative_confirm, m.asdu_address) for m in answers] == [
            *((CON, False, address) for address in by),
            *((TERM, False, address) for address in by),
        ]
        return [m for m in seen if isinstance(m, iec104.DataMsg) and m.cause.value == request]

    async def told(
        self, common_address: int, ioa: int, command: Any, *, time: Any = None, cause: Any = ACTIVATION
    ) -> list[tuple[Any, bool]]:
        """Causes and signs of the answers to a command, up to the last there will be."""
        await self.connection.send([iec104.CommandMsg(False, 0, common_address, ioa, command, False, time, cause)])
        last = command.select or cause is not ACTIVATION

        def over(message: Any) -> bool:
            ours = isinstance(message, iec104.CommandMsg) and message.io_address == ioa
            return ours and (last or message.cause is not CON or message.is_negative_confirm)

        seen = await self.until(over)
        answers = [m for m in seen if isinstance(m, iec104.CommandMsg)]
        assert all(m.command == command for m in answers), "the mirror is the command"
        return [(m.cause, m.is_negative_confirm) for m in answers]


def as_master(site: RunningFarm, say: Callable[[Master], Awaitable[Any]]) -> Any:
    way = site.ways("iec104", station="rtu")["battery-001"]

    async def over() -> Any:
        connection = await iec104.connect(net.TcpAddress(way.host, way.port))
        try:
            return await say(Master(connection))
        finally:
            await connection.async_close()

    return asyncio.run(over())


def value(message: Any) -> float:
    found = message.data.value
    return float(found.value)


def expected(site: RunningFarm, device: str) -> dict[int, float]:
    """Every monitored object of a device as the point list and what masters are told now have it."""
    values = site.values(device) | site.ledger_now()[device]
    rows = [
        row for row in site.points(device, "iec104") if row["access"] == "r" and int(row["address"]) % 10_000 < 3000
    ]
    found = {int(row["address"]): values[row["quantity"]] / row["scale"] for row in rows}
    return {ioa: each + 1 if 1100 <= ioa % 10_000 < 1120 else each for ioa, each in found.items()}


def floating(asked: float, *, select: bool = False) -> Any:
    return iec104.FloatingCommand(iec104.FloatingValue(asked), select)


def single(on: bool, *, select: bool = False) -> Any:
    return iec104.SingleCommand(iec104.SingleValue(int(on)), select, 0)


def double(position: iec104.DoubleValue, *, select: bool = False) -> Any:
    return iec104.DoubleCommand(position, select, 0)


@pytest.mark.parametrize("device", ["charger-001", "battery-001", "pv-001", "meter-001", "home-001"])
def test_a_general_interrogation_gives_every_object_as_the_ledger_has_it(site: RunningFarm, device: str) -> None:
    way = site.ways("iec104", station="rtu")[device]
    data = as_master(site, lambda master: master.interrogated(way.address))
    assert {m.asdu_address for m in data} == {way.address}
    assert len({m.io_address for m in data}) == len(data), "each object once"
    assert all(m.time is None for m in data)
    assert {m.io_address: value(m) for m in data} == pytest.approx(expected(site, device), rel=1e-6, abs=1e-6)
    assert not any(m.data.quality.invalid or m.data.quality.not_topical for m in data)


def test_the_groups_part_what_the_general_interrogation_gives(site: RunningFarm) -> None:
    address = site.ways("iec104", station="rtu")["home-001"].address

    async def say(master: Master) -> tuple[list[Any], dict[int, list[Any]]]:
        return await master.interrogated(address), {k: await master.interrogated(address, 20 + k) for k in GROUPS}

    whole, parts = as_master(site, say)
    for group, block in GROUPS.items():
        assert {m.io_address % 10_000 in block for m in parts[group]} == {True}
    apart = [m.io_address for part in parts.values() for m in part]
    assert sorted(apart) == sorted(m.io_address for m in whole)


def test_an_interrogation_of_everybody_is_answered_by_each_device(site: RunningFarm) -> None:
    addresses = sorted(way.address for way in site.ways("iec104", station="rtu").values())
    data = as_master(site, lambda master: master.interrogated(BROADCAST, by=addresses))
    found = {(m.asdu_address, m.io_address): value(m) for m in data}
    wanted = {
        (way.address, ioa): each
        for device, way in site.ways("iec104", station="rtu").items()
        for ioa, each in expected(site, device).items()
    }
    assert found == pytest.approx(wanted, rel=1e-6, abs=1e-6)


def test_a_counter_interrogation_gives_the_energy_registers(site: RunningFarm) -> None:
    site.step(60)
    address = site.ways("iec104", station="rtu")["meter-001"].address

    async def say(master: Master) -> list[Any]:
        asked = iec104.CounterInterrogationMsg(False, 0, address, 5, iec104.FreezeCode.READ, False, ACTIVATION)
        await master.connection.send([asked])
        return await master.until(lambda m: isinstance(m, iec104.CounterInterrogationMsg) and m.cause is not CON)

    data = [m for m in as_master(site, say) if isinstance(m, iec104.DataMsg) and m.cause.value == 37]
    truth = site.values("meter-001")
    listed = {
        int(row["address"]): row["quantity"] for row in site.points("meter-001", "iec104") if row["role"] == "total"
    }
    wanted = {address: int(truth[name]) for address, name in listed.items()}
    assert [listed[3000], listed[3001]] == ["energy_exported_wh", "energy_imported_wh"]
    assert {m.io_address: value(m) for m in data} == wanted
    assert wanted[3001] > 0


def test_a_single_object_is_read_and_an_unknown_one_is_told_so(site: RunningFarm) -> None:
    address = site.ways("iec104", station="rtu")["pv-001"].address

    async def say(master: Master) -> tuple[Any, Any]:
        for ioa in (2201, 7777):
            ask = iec104.ReadMsg(False, 0, address, ioa, iec104.ReadReqCause.REQUEST)
            await master.connection.send([ask])
        known = await master.until(lambda m: isinstance(m, iec104.DataMsg) and m.cause is iec104.DataResCause.REQUEST)
        unknown = await master.until(lambda m: isinstance(m, iec104.ReadMsg))
        return known[-1], unknown[-1]

    known, unknown = as_master(site, say)
    assert value(known) == pytest.approx(site.values("pv-001")["irradiance_plane_w_per_m2"], rel=1e-6)
    assert unknown.cause is iec104.ReadResCause.UNKNOWN_IO_ADDRESS


def test_a_clock_synchronisation_is_confirmed_with_the_time_of_the_site(site: RunningFarm) -> None:
    addresses = sorted(way.address for way in site.ways("iec104", station="rtu").values())

    async def say(master: Master) -> list[Any]:
        now = iec104.time_from_datetime(datetime.now(UTC))
        cause = iec104.ClockSyncReqCause.ACTIVATION
        await master.connection.send([iec104.ClockSyncMsg(False, 0, BROADCAST, now, False, cause)])
        seen = await master.until(lambda m: isinstance(m, iec104.ClockSyncMsg) and m.asdu_address == addresses[-1])
        return [m for m in seen if isinstance(m, iec104.ClockSyncMsg)]

    before = site.time
    answers = as_master(site, say)
    assert [(m.asdu_address, m.is_negative_confirm) for m in answers] == [(each, False) for each in addresses]
    assert {iec104.time_to_datetime(m.time) for m in answers} == {before}
    assert site.time == before, "a master does not move the site's clock"


@pytest.mark.parametrize("select", [False, True], ids=["direct", "selected first"])
def test_a_set_point_is_confirmed_terminated_and_followed(site: RunningFarm, select: bool) -> None:
    asked = -1800.0 if select else 1400.0
    address = site.ways("iec104", station="rtu")["battery-001"].address

    async def say(master: Master) -> None:
        if select:
            assert await master.told(address, 5000, floating(asked, select=True)) == [(CON, False)]
        assert await master.told(address, 5000, floating(asked)) == [(CON, False), (TERM, False)]

    as_master(site, say)
    site.step(120)
    data = {m.io_address: value(m) for m in as_master(site, lambda master: master.interrogated(address))}
    assert data[2000] == pytest.approx(asked, rel=0.02)
    assert data[2900] == asked, "the set-point's mirror"
    assert data[1080] == 1.0, "a set-point switches itself on"
    site.proves("battery-001", "active_power_setpoint_w", asked, "iec104")


def test_single_and_double_commands_are_followed(site: RunningFarm) -> None:
    address = site.ways("iec104", station="rtu")["battery-001"].address
    done = [(CON, False), (TERM, False)]

    async def off(master: Master) -> None:
        assert await master.told(address, 4001, single(True)) == done
        assert await master.told(address, 4100, double(iec104.DoubleValue.OFF, select=True)) == [(CON, False)]
        assert await master.told(address, 4100, double(iec104.DoubleValue.OFF)) == done

    async def on(master: Master) -> None:
        assert await master.told(address, 4100, double(iec104.DoubleValue.ON)) == done
        assert await master.told(address, 4000, single(True)) == done

    for tell, running, position in ((off, 0.0, 1.0), (on, 1.0, 2.0)):
        as_master(site, tell)
        site.step(10)
        data = {m.io_address: value(m) for m in as_master(site, lambda master: master.interrogated(address, 21))}
        assert (data[1005], data[1100]) == (running, position)
    site.proves("battery-001", "grid_switch", 1.0, "iec104")


def test_a_command_with_a_time_tag_is_taken(site: RunningFarm) -> None:
    address = site.ways("iec104", station="rtu")["battery-001"].address
    now = iec104.time_from_datetime(datetime.now(UTC))
    answers = as_master(site, lambda master: master.told(address, 5001, floating(500.0), time=now))
    assert answers == [(CON, False), (TERM, False)]
    site.step()
    assert site.values("battery-001")["reactive_power_setpoint_var"] == 500.0


def test_what_cannot_be_is_refused_in_the_standards_own_words(site: RunningFarm) -> None:
    ways = site.ways("iec104", station="rtu")
    battery, meter = ways["battery-001"].address, ways["meter-001"].address
    negative = [(CON, True)]
    res = iec104.CommandResCause

    async def say(master: Master) -> dict[str, Any]:
        return {
            "out of range": await master.told(battery, 5000, floating(1e9)),
            "not a number": await master.told(battery, 5001, floating(float("inf"))),
            "neither on nor off": await master.told(battery, 4100, double(iec104.DoubleValue.FAULT)),
            "no such object": await master.told(battery, 5099, floating(1.0)),
            "not on a meter": await master.told(meter, 5000, floating(1.0)),
            "no such device": await master.told(999, 5000, floating(1.0)),
        }

    before = site.values("battery-001")
    assert as_master(site, say) == {
        "out of range": negative,
        "not a number": negative,
        "neither on nor off": negative,
        "no such object": [(res.UNKNOWN_IO_ADDRESS, True)],
        "not on a meter": [(res.UNKNOWN_IO_ADDRESS, True)],
        "no such device": [(res.UNKNOWN_ASDU_ADDRESS, True)],
    }
    site.step()
    assert site.values("battery-001")["active_power_setpoint_w"] == before["active_power_setpoint_w"]


def test_what_one_master_selected_another_cannot_operate(site: RunningFarm) -> None:
    way = site.ways("iec104", station="rtu")["battery-001"]

    async def over() -> tuple[Any, ...]:
        connections = [await iec104.connect(net.TcpAddress(way.host, way.port)) for _ in range(2)]
        first, second = map(Master, connections)
        try:
            selected = await first.told(way.address, 5000, floating(100.0, select=True))
            taken = await second.told(way.address, 5000, floating(200.0))
            data = await asyncio.gather(first.interrogated(way.address), second.interrogated(way.address))
            operated = await first.told(way.address, 5000, floating(100.0))
            return selected, taken, operated, data
        finally:
            for each in connections:
                await each.async_close()

    selected, taken, operated, (one, other) = asyncio.run(over())
    assert (selected, taken, operated) == ([(CON, False)], [(CON, True)], [(CON, False), (TERM, False)])
    assert [(m.io_address, value(m)) for m in one] == [(m.io_address, value(m)) for m in other]


def test_a_change_comes_by_itself_with_the_time_of_the_site(site: RunningFarm) -> None:
    way = site.ways("iec104", station="rtu")["battery-001"]

    async def over() -> list[Any]:
        connection = await iec104.connect(net.TcpAddress(way.host, way.port))
        try:
            master = Master(connection)
            await master.interrogated(way.address)
            await master.told(way.address, 5000, floating(2500.0))
            await asyncio.to_thread(site.step, 5)
            return await master.until(
                lambda m: isinstance(m, iec104.DataMsg) and m.io_address == 2000 and m.asdu_address == way.address
            )
        finally:
            await connection.async_close()

    began = site.time
    seen = as_spontaneous(asyncio.run(over()))
    power = seen[-1]
    assert power.time is not None
    tagged = iec104.time_to_datetime(power.time)
    assert abs((tagged - began).total_seconds()) <= 5.0


def as_spontaneous(messages: list[Any]) -> list[Any]:
    data = [m for m in messages if isinstance(m, iec104.DataMsg)]
    assert data[-1].cause is iec104.DataResCause.SPONTANEOUS
    return data


def test_a_set_points_own_object_is_told_as_return_information(site: RunningFarm) -> None:
    way = site.ways("iec104", station="rtu")["battery-001"]

    async def say(master: Master) -> Any:
        await master.told(way.address, 5000, floating(1234.0))
        await asyncio.to_thread(site.step, 2)
        mirror = await master.until(lambda m: isinstance(m, iec104.DataMsg) and m.io_address == 2900)
        return mirror[-1]

    mirror = as_master(site, say)
    assert (value(mirror), mirror.cause) == (1234.0, iec104.DataResCause.REMOTE_COMMAND)


def test_what_one_master_froze_another_reads(site: RunningFarm) -> None:
    address = site.ways("iec104", station="rtu")["meter-001"].address

    def counters(freeze: iec104.FreezeCode) -> Callable[[Master], Awaitable[dict[int, int]]]:
        async def say(master: Master) -> dict[int, int]:
            asked = iec104.CounterInterrogationMsg(False, 0, address, 5, freeze, False, ACTIVATION)
            await master.connection.send([asked])
            seen = await master.until(lambda m: isinstance(m, iec104.CounterInterrogationMsg) and m.cause is not CON)
            return {m.io_address: m.data.value.value for m in seen if isinstance(m, iec104.DataMsg) and not m.time}

        return say

    codes = iec104.FreezeCode
    assert as_master(site, counters(codes.FREEZE)) == {}
    then = int(site.values("meter-001")["energy_imported_wh"])
    site.step(120)
    assert int(site.values("meter-001")["energy_imported_wh"]) > then
    assert as_master(site, counters(codes.READ))[3001] == then
    as_master(site, counters(codes.FREEZE_AND_RESET))
    before = int(site.values("meter-001")["energy_imported_wh"])
    site.step(120)
    as_master(site, counters(codes.FREEZE))
    now = int(site.values("meter-001")["energy_imported_wh"])
    assert as_master(site, counters(codes.READ))[3001] == now - before
