"""hat-drivers' IEC 60870-5-104 masters come and go at an RTU whose site file names two redundancy groups."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from importlib.resources import files
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
import yaml
from hat.drivers import iec104, net
from running_farm import RunningFarm, brought_up
from test_hat_iec104_master import ACTIVATION, CON, TERM, Master, floating, single, value

BATTERY: Final = "battery-001"
MAIN, SPARE, BACKUP, ANYBODY = "127.0.34.2", "127.0.34.3", "127.0.34.9", "127.0.34.77"
ZONE: Final = ZoneInfo("Europe/Oslo")
OPTIONS: Final = {
    "redundancy_groups": {"centre": [MAIN, SPARE], "backup": ["127.0.34.8/29"]},
    "time_zone": "local",
    "termination": "after_step",
    "broadcast_confirm": "once",
    "command_max_age_s": 30.0,
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    """The site tiny, with an RTU that has groups, local time, and its other options."""
    folder = tmp_path_factory.mktemp("groups")
    described = yaml.safe_load(files("pilotfarm.profiles").joinpath("sites/tiny.yaml").read_text())
    described["stations"]["rtu"]["options"] = OPTIONS
    file = folder / "groups.yaml"
    file.write_text(yaml.safe_dump(described))
    with brought_up(folder, str(file)) as farm:
        yield farm


@asynccontextmanager
async def connected(site: RunningFarm, host: str) -> AsyncIterator[Master]:
    way = site.ways("iec104", station="rtu")[BATTERY]
    connection = await iec104.connect(net.TcpAddress(way.host, way.port), local_addr=(host, 0))
    try:
        yield Master(connection)
    finally:
        await connection.async_close()


def at(message: Any) -> datetime:
    """The time of an event, which the RTU tells in local time."""
    assert message.time is not None
    told = message.time
    assert told.summer_time is (
        datetime(2000 + told.years, told.months, told.day_of_month, 12, tzinfo=ZONE).dst() is not None
    )
    return datetime(
        2000 + told.years,
        told.months,
        told.day_of_month,
        told.hours,
        told.minutes,
        told.milliseconds // 1000,
        tzinfo=ZONE,
    )


def event_at(address: int, ioa: int) -> Any:
    return lambda m: (
        isinstance(m, iec104.DataMsg) and m.time is not None and (m.asdu_address, m.io_address) == (address, ioa)
    )


def test_a_device_lost_and_back_is_two_events_of_its_own_times_for_whoever_comes_next(site: RunningFarm) -> None:
    battery = site.ways("iec104", station="rtu")[BATTERY].address
    times = []
    fault = site.rest.post("faults", json={"kind": "offline", "target": {"device": BATTERY}}).raise_for_status()
    site.step()
    times.append(site.time)
    site.step(30)
    site.rest.delete(f"faults/{fault.json()['id']}").raise_for_status()
    site.step()
    times.append(site.time)

    async def over() -> tuple[list[Any], list[Any]]:
        async with connected(site, BACKUP) as master:
            told = [(await master.until(event_at(battery, 1000)))[-1] for _ in times]
            return told, await master.interrogated(battery)

    told, data = asyncio.run(over())
    assert [(value(each), at(each)) for each in told] == [(0.0, times[0]), (1.0, times[1])]
    assert not any(each.data.quality.not_topical or each.data.quality.invalid for each in told)
    assert [(value(m), m.data.quality.not_topical) for m in data if m.io_address == 1000] == [(1.0, False)]


def test_a_lost_device_reads_offline_and_the_rest_of_it_is_not_topical(site: RunningFarm) -> None:
    battery = site.ways("iec104", station="rtu")[BATTERY].address
    fault = site.rest.post("faults", json={"kind": "offline", "target": {"device": BATTERY}}).raise_for_status()
    site.step()

    async def over() -> tuple[list[Any], Any]:
        async with connected(site, ANYBODY) as master:
            data = await master.interrogated(battery)
            ask = iec104.ReadMsg(False, 0, battery, 1000, iec104.ReadReqCause.REQUEST)
            await master.connection.send([ask])
            read = await master.until(lambda m: isinstance(m, iec104.DataMsg) and m.cause.value == 5)
            return data, read[-1]

    data, read = asyncio.run(over())
    site.rest.delete(f"faults/{fault.json()['id']}").raise_for_status()
    site.step()
    assert (value(read), read.data.quality.not_topical) == (0.0, False)
    assert {m.io_address for m in data if not m.data.quality.not_topical} == {1000}
    assert [value(m) for m in data if m.io_address == 1000] == [0.0]


def test_a_second_line_of_a_group_takes_over_and_each_group_is_told_everything(site: RunningFarm) -> None:
    battery = site.ways("iec104", station="rtu")[BATTERY].address

    def running(now: float) -> tuple[float, datetime]:
        site.tell(BATTERY, **{"start" if now else "stop": 1.0})
        site.step()
        return now, site.time

    async def over() -> list[list[tuple[float, datetime]]]:
        told: list[list[tuple[float, datetime]]] = []
        wanted = event_at(battery, 1005)

        async def take(master: Master, count: int) -> None:
            seen: list[tuple[float, datetime]] = []
            while len(seen) < count:
                event = (await master.until(wanted))[-1]
                seen += [(value(event), at(event))] if at(event) > began else []
            told.append(seen)
            await master.interrogated(battery)  # which acknowledges them

        async with connected(site, MAIN) as main:
            happened.append(await asyncio.to_thread(running, 0.0))
            await take(main, 1)
            async with connected(site, SPARE) as spare:
                happened.append(await asyncio.to_thread(running, 1.0))
                await take(spare, 1)
        happened.append(await asyncio.to_thread(running, 0.0))
        happened.append(await asyncio.to_thread(running, 1.0))
        for host, count in ((MAIN, 2), (BACKUP, 4)):
            async with connected(site, host) as master:
                await take(master, count)
        return told

    began = site.time
    happened: list[tuple[float, datetime]] = []
    first, taken_over, back, backup = asyncio.run(over())
    assert (first, taken_over, back) == (happened[:1], happened[1:2], happened[2:])
    assert backup == happened


def test_a_command_is_terminated_after_the_step_that_took_it_behind_what_came_of_it(site: RunningFarm) -> None:
    battery = site.ways("iec104", station="rtu")[BATTERY].address

    async def over() -> list[Any]:
        async with connected(site, ANYBODY) as master:
            asked = iec104.CommandMsg(False, 0, battery, 5000, floating(777.0), False, None, ACTIVATION)
            await master.connection.send([asked])
            confirmed = await master.until(lambda m: isinstance(m, iec104.CommandMsg))
            await asyncio.to_thread(site.step)
            return confirmed + await master.until(lambda m: isinstance(m, iec104.CommandMsg))

    seen = asyncio.run(over())
    causes = [m.cause for m in seen if getattr(m, "io_address", 0) in (2900, 5000)]
    assert causes[-3:] == [CON, iec104.DataResCause.REMOTE_COMMAND, TERM]


def test_an_interrogation_of_all_is_confirmed_and_terminated_once_where_the_site_says_so(site: RunningFarm) -> None:
    async def over() -> list[Any]:
        async with connected(site, ANYBODY) as master:
            return await master.interrogated(0xFFFF)

    found = {m.asdu_address for m in asyncio.run(over())}
    assert found == {way.address for way in site.ways("iec104", station="rtu").values()}


def test_a_command_from_another_time_is_refused_and_one_of_the_sites_time_is_taken(site: RunningFarm) -> None:
    battery = site.ways("iec104", station="rtu")[BATTERY].address
    now = site.time.astimezone(ZONE)

    def tag(moment: datetime) -> Any:
        date = moment.isoweekday(), moment.day, moment.month, moment.year % 100
        return iec104.Time(
            iec104.TimeSize.SEVEN, 1000 * moment.second, False, False, moment.minute, True, moment.hour, *date
        )

    async def over() -> list[Any]:
        async with connected(site, ANYBODY) as master:
            answers = []
            for moment in (now, now.replace(hour=(now.hour - 1) % 24)):
                asked = iec104.CommandMsg(False, 0, battery, 4000, single(True), False, tag(moment), ACTIVATION)
                await master.connection.send([asked])
                answers += await master.until(lambda m: isinstance(m, iec104.CommandMsg))
            return [m for m in answers if isinstance(m, iec104.CommandMsg)]

    taken, late = asyncio.run(over())
    assert [(m.cause, m.is_negative_confirm) for m in (taken, late)] == [(CON, False), (CON, True)]
