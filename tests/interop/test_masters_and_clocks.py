"""c104, hat-drivers' master, opendnp3 and dnp3py set clocks and read times of wrong ones; pymodbus reads one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from dnp3.application.builder import build_write_request
from dnp3.application.fragment import ObjectBlock
from dnp3.application.qualifiers import ObjectHeader
from dnp3.core.flags import IIN
from dnp3.core.timestamp import DNP3Timestamp
from dnp3.master import DefaultSOEHandler, MasterTcpRunner
from hat.drivers import iec104, net
from pymodbus.client import ModbusTcpClient
from running_farm import RunningFarm, Way, broken, brought_up, run_client
from test_dnp3py_master import as_master as as_dnp3_master
from test_hat_iec104_master import BROADCAST, Master

DRIFT_PPM: Final = 10_000.0
AGAIN_S: Final = 60
SITE: Final = f"""\
name: clocks
title: A battery and a charger behind an RTU, and each by itself
location: {{latitude_deg: 59.1, longitude_deg: 11.0, altitude_m: 10, time_zone: Europe/Oslo}}
start: 2026-06-15T08:00:00
seed: 1
step_s: 1
feeders:
  street: {{source_voltage_v: 233}}
stations:
  rtu: {{protocol: iec104, clock_drift_ppm: {DRIFT_PPM}, options: {{clock_command: set}}}}
groups:
  battery:
    kind: battery
    count: 1
    ratings: {{clock_drift_ppm: -{DRIFT_PPM}}}
    endpoints:
      - {{protocol: iec104, station: rtu}}
      - {{protocol: iec104, options: {{clock_command: set}}}}
      - {{protocol: dnp3, options: {{clock_command: set, need_time: true, need_time_interval_s: {AGAIN_S}}}}}
  charger:
    kind: ev_charger
    count: 1
    endpoints:
      - {{protocol: iec104, station: rtu}}
      - {{protocol: iec104}}
      - {{protocol: modbus, map: alfen}}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFarm]:
    folder = tmp_path_factory.mktemp("clocks")
    (folder / "clocks.yaml").write_text(SITE)
    with brought_up(folder, str(folder / "clocks.yaml")) as farm:
        yield farm


def offset_s(site: RunningFarm, device: str) -> float:
    found: float = site.rest.get(f"devices/{device}").json()["clock_offset_s"]
    return found


# -------------------------------------------------------------------------------------------- c104


@pytest.mark.parametrize("asked", ["battery-001", "charger-001"])
def test_c104_sets_the_clock_of_an_rtu_for_all_its_devices(site: RunningFarm, asked: str) -> None:
    ways = site.ways("iec104", station="rtu")
    way = ways[asked]
    site.step()
    site.tell("battery-001", active_power_setpoint_w=1_500.0)
    site.tell("charger-001", current_limit_a=10.0)
    said = run_client("c104_clock.py", host=way.host, port=way.port, asked=way.address, rest=str(site.rest.base_url))
    assert said["confirmed"] is True
    assert {each["ca"] for each in said["news"]} == {each.address for each in ways.values()}
    for each in said["news"]:
        at_s = datetime.fromisoformat(each["at"]).replace(tzinfo=UTC).timestamp()
        assert said["before"] - 0.01 <= at_s - 1.0 <= said["after"] + 2.1, "set, and then one to three steps"
    site.tell("battery-001", active_power_setpoint_w=0.0)
    site.tell("charger-001", current_limit_a=32.0)


# ------------------------------------------------------------------------------------- hat-drivers


def as_master(way: Way, say: Callable[[Master], Awaitable[Any]]) -> Any:
    async def over() -> Any:
        connection = await iec104.connect(net.TcpAddress(way.host, way.port))
        try:
            return await say(Master(connection))
        finally:
            await connection.async_close()

    return asyncio.run(over())


async def synchronised(master: Master, address: int, time: Any) -> list[Any]:
    """Send a clock synchronisation; return the time and the sign of each confirmation."""
    cause = iec104.ClockSyncReqCause.ACTIVATION
    await master.connection.send([iec104.ClockSyncMsg(False, 0, address, time, False, cause)])
    last = 2 if address == BROADCAST else address
    seen = await master.until(lambda m: isinstance(m, iec104.ClockSyncMsg) and m.asdu_address == last)
    told = [m for m in seen if isinstance(m, iec104.ClockSyncMsg)]
    return [(m.time, m.is_negative_confirm) for m in told]


def tag_of(moment: datetime, **parts: Any) -> Any:
    return iec104.time_from_datetime(moment)._replace(**parts)


def shown(site: RunningFarm, way: Way, steps: int = 1) -> timedelta:
    """By how much the tag of an event of the battery is ahead of the site, after some steps."""

    async def say(master: Master) -> Any:
        await master.interrogated(way.address)
        await asyncio.to_thread(site.step, steps)
        position = site.values("battery-001")["grid_switch"]
        await asyncio.to_thread(site.tell, "battery-001", grid_switch=1.0 - position)
        await asyncio.to_thread(site.step)
        seen = await master.until(
            lambda m: isinstance(m, iec104.DataMsg) and (m.io_address, m.asdu_address) == (1100, way.address)
        )
        return iec104.time_to_datetime(seen[-1].time)

    found = as_master(way, say)
    return found - site.time


def near(found: timedelta, wanted_s: float) -> bool:
    return abs(found.total_seconds() - wanted_s) <= 0.002


LATER = datetime(2031, 12, 24, 18, 0, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize("station", ["rtu", None])
def test_hat_sets_a_clock_to_any_time_and_reads_tags_by_it_that_drift(site: RunningFarm, station: str | None) -> None:
    way = site.ways("iec104", station=station)["battery-001"]
    drift = (DRIFT_PPM if station else -DRIFT_PPM) * 1e-6
    ((_, negative),) = as_master(way, lambda master: synchronised(master, way.address, tag_of(LATER)))
    assert negative is False
    began = site.time
    ahead_s = (LATER - began).total_seconds()
    assert near(shown(site, way, 10), ahead_s + drift * (site.time - began).total_seconds())
    if station is None:
        assert offset_s(site, "battery-001") == pytest.approx(ahead_s + drift * 11.0, abs=0.002)
        assert offset_s(site, "charger-001") == 0.0, "another device"
    ((before, _),) = as_master(way, lambda master: synchronised(master, way.address, tag_of(site.time)))
    assert near(iec104.time_to_datetime(before) - site.time, ahead_s + drift * 11.0)


def test_hat_is_refused_a_time_that_says_it_is_invalid_and_one_that_is_none(site: RunningFarm) -> None:
    way = site.ways("iec104", station="rtu")["battery-001"]
    as_master(way, lambda master: synchronised(master, way.address, tag_of(site.time)))
    invalid = tag_of(LATER, invalid=True)
    none = tag_of(LATER, months=2, day_of_month=31)
    for wrong in (invalid, none):
        told = as_master(way, lambda master, wrong=wrong: synchronised(master, BROADCAST, wrong))
        assert told == [(wrong, True), (wrong, True)]
    ((before, negative),) = as_master(way, lambda master: synchronised(master, way.address, tag_of(site.time)))
    assert (iec104.time_to_datetime(before), negative) == (site.time, False)


def test_hat_sets_nothing_where_the_clock_command_is_ignored(site: RunningFarm) -> None:
    way = site.ways("iec104")["charger-001"]
    for _ in range(2):
        told = as_master(way, lambda master: synchronised(master, way.address, tag_of(LATER)))
        assert [(iec104.time_to_datetime(time), negative) for time, negative in told] == [(site.time, False)]
    assert offset_s(site, "charger-001") == 0.0


@pytest.mark.parametrize("station", ["rtu", None])
@pytest.mark.parametrize(
    ("kind", "parameters", "at_once_s", "a_second_s"),
    [
        ("clock-step", {"step_s": -90.0}, -90.0, 0.0),
        ("clock-drift", {"drift_ppm": 1e5}, 0.0, 0.1),
        ("clock-zone", {"zone": "UTC"}, -7_200.0, 0.0),
        ("clock-zone", {"zone": "standard"}, -3_600.0, 0.0),
    ],
)
def test_hat_reads_tags_of_a_clock_that_is_wrong_and_heals_it(
    site: RunningFarm,
    station: str | None,
    kind: str,
    parameters: dict[str, float | str],
    at_once_s: float,
    a_second_s: float,
) -> None:
    way = site.ways("iec104", station=station)["battery-001"]
    own = (DRIFT_PPM if station else -DRIFT_PPM) * 1e-6
    as_master(way, lambda master: synchronised(master, way.address, tag_of(site.time)))
    target = {"station": station} if station else {"device": "battery-001"}
    with broken(site, kind, target, **parameters):
        # It began with a first step, and five more are taken.
        assert near(shown(site, way, 4), at_once_s + a_second_s * 5.0 + own * 6.0)
        as_master(way, lambda master: synchronised(master, way.address, tag_of(site.time)))
        set_at = site.time
        assert near(shown(site, way, 4), (a_second_s + own) * 5.0), "a step is healed, a drift goes on"
    assert near(shown(site, way), own * (site.time - set_at).total_seconds()), "and ends with the fault"


# ---------------------------------------------------------------------------------------- opendnp3


@pytest.mark.parametrize("mode", ["LAN", "NonLAN"])
def test_opendnp3_gives_the_time_it_is_asked_for_and_reads_events_by_it(site: RunningFarm, mode: str) -> None:
    way = site.ways("dnp3")["battery-001"]
    site.tell("battery-001", active_power_setpoint_w=0.0)
    site.step(AGAIN_S)
    said = run_client(
        "opendnp3_clock.py",
        host=way.host,
        port=way.port,
        outstation=way.address,
        rest=str(site.rest.base_url),
        device="battery-001",
        mode=mode,
        again_s=AGAIN_S,
    )
    assert (said["asked"], said["synchronised"], said["asked when set"]) == (True, True, False)
    assert said["events"]
    for each in said["events"]:
        at_s = each["time"] / 1000.0
        assert said["before"] - 0.01 <= at_s - 1.0 <= said["after"] + 2.01, "set, and then one to three steps"
    assert (said["asked again"], said["synchronised again"], said["asked at the end"]) == (True, True, False)


# ------------------------------------------------------------------------------------------ dnp3py


def ahead_s(site: RunningFarm, *, write: datetime | None = None) -> tuple[Any, set[float]]:
    """What dnp3py is answered to a time, and by how much the times of events are ahead of the site's then."""

    async def say(runner: MasterTcpRunner, heard: DefaultSOEHandler) -> tuple[Any, set[float]]:
        await runner.class_poll(class_1=True, class_2=True, class_3=True)
        refused = IIN(0)
        if write is not None:
            time = DNP3Timestamp.from_datetime(write).to_bytes()
            block = ObjectBlock(ObjectHeader(50, 1, 0x07), bytes([1]) + time)
            answers = await runner.request(build_write_request((block,), seq=7))
            refused = answers[-1].iin & (IIN.PARAMETER_ERROR | IIN.NEED_TIME)
        heard.clear()
        position = site.values("battery-001")["grid_switch"]
        await asyncio.to_thread(site.tell, "battery-001", grid_switch=1.0 - position)
        await asyncio.to_thread(site.step)
        await runner.class_poll(class_1=True, class_2=True, class_3=True)
        points = (*heard.binary_inputs.values(), *heard.analog_inputs.values())
        return refused, {(each.timestamp - site.time).total_seconds() for each in points}

    return as_dnp3_master(site, "battery-001", say)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("kind", "parameters", "wanted_s"),
    [
        ("clock-step", {"step_s": 90.0}, 90.0),
        ("clock-drift", {"drift_ppm": -1e5}, -0.1),
        ("clock-zone", {"zone": "Asia/Tokyo"}, 7.0 * 3_600.0),
    ],
)
def test_dnp3py_reads_times_of_a_clock_that_is_wrong(
    site: RunningFarm, kind: str, parameters: dict[str, float | str], wanted_s: float
) -> None:
    ahead_s(site, write=site.time)
    own_s = offset_s(site, "battery-001")
    with broken(site, kind, {"device": "battery-001"}, **parameters):
        _, (found,) = ahead_s(site)
        assert found == pytest.approx(own_s + wanted_s, abs=0.05)
    _, (found,) = ahead_s(site)
    assert found == pytest.approx(own_s, abs=0.06)


def test_dnp3py_sets_a_time_and_is_refused_one_that_no_clock_shows(site: RunningFarm) -> None:
    answered, (found,) = ahead_s(site, write=site.time + timedelta(days=365))
    assert (answered, found) == (IIN(0), pytest.approx(365 * 86_400.0, abs=0.02))
    answered, (found,) = ahead_s(site, write=datetime(2100, 1, 1, tzinfo=UTC))
    assert (answered, found) == (IIN.PARAMETER_ERROR, pytest.approx(365 * 86_400.0, abs=0.1))


# ----------------------------------------------------------------------------------------- pymodbus


def test_pymodbus_reads_the_wrong_time_of_an_alfen(site: RunningFarm) -> None:
    way = site.ways("modbus")["charger-001"]

    def read() -> datetime:
        with ModbusTcpClient(way.host, port=way.port) as client:
            return datetime(*client.read_holding_registers(168, count=6, device_id=200).registers, tzinfo=UTC)  # type: ignore[arg-type]

    assert read() == site.time
    with broken(site, "clock-step", {"device": "charger-001"}, step_s=-2e9):
        assert read() == datetime(1970, 1, 1, tzinfo=UTC), "a clock that has lost its time"
    with broken(site, "clock-zone", {"map": "alfen"}, hours=5.5):
        assert read() - site.time == timedelta(hours=5.5)
        assert offset_s(site, "charger-001") == 19_800.0
    assert read() == site.time
