"""What unmodified IEC 60870-5-104 masters see of a station whose link, data or time tags are wrong."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from datetime import UTC, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from hat.drivers import iec104, net
from iec104_bench import ACT, Bench, i, s, spec_of, split, u, unit
from running_farm import RunningFarm, broken, run_client

from pilotfarm.emulators import registry
from pilotfarm.emulators.protocols.iec104.link import STARTDT_ACT, STARTDT_CON, STOPDT_ACT
from pilotfarm.emulators.protocols.iec60870.asdu import Type

DEVICE: Final = "battery-001"
PATIENCE_S: Final = 20.0
T1_S: Final = 1.0
ACTIVATION: Final = iec104.CommandReqCause.ACTIVATION
TERM: Final = iec104.CommandResCause.ACTIVATION_TERMINATION
SPONTANEOUS: Final = iec104.DataResCause.SPONTANEOUS


@asynccontextmanager
async def master(site: RunningFarm, **timing: float) -> AsyncIterator[iec104.Connection]:
    way = site.ways("iec104", station="rtu")[DEVICE]
    async with asyncio.timeout(PATIENCE_S):
        connection = await iec104.connect(net.TcpAddress(way.host, way.port), **timing)
    try:
        yield connection
    finally:
        await connection.async_close()


def address(site: RunningFarm) -> int:
    return site.ways("iec104", station="rtu")[DEVICE].address


async def until(connection: iec104.Connection, enough: Callable[[Any], bool]) -> list[Any]:
    seen: list[Any] = []
    async with asyncio.timeout(PATIENCE_S):
        while not any(map(enough, seen)):
            seen += await connection.receive()
    return seen


def question(site: RunningFarm) -> Any:
    return iec104.InterrogationMsg(False, 0, address(site), 20, False, ACTIVATION)


async def interrogated(site: RunningFarm, connection: iec104.Connection) -> list[Any]:
    """What is told in answer to an interrogation, its end with it."""
    await connection.send([question(site)])
    return await until(connection, lambda m: isinstance(m, iec104.InterrogationMsg) and m.cause is TERM)


def as_master(site: RunningFarm, say: Callable[[iec104.Connection], Awaitable[Any]]) -> Any:
    async def over() -> Any:
        async with master(site) as connection:
            return await say(connection)

    return asyncio.run(over())


# ------------------------------------------------------------------------------------------- links


@pytest.mark.parametrize(
    ("kind", "mode", "starts"),
    [
        ("iec104-function", "startdt", False),
        ("iec104-function", "testfr", True),
        ("iec104-withheld", "acknowledgements", True),
        ("iec104-frame", "send-number", True),
        ("iec104-frame", "receive-number", True),
        ("iec104-frame", "repeated", True),
        ("iec104-frame", "start-octet", False),
        ("iec104-frame", "cut", False),
    ],
)
def test_hat_closes_and_starts_anew_when_the_fault_has_ended(
    site: RunningFarm, kind: str, mode: str, starts: bool
) -> None:
    """After t1 where an answer is missing, at once where a frame is wrong."""

    async def closed() -> None:
        async with master(site, response_timeout=T1_S, test_timeout=T1_S / 4) as connection:
            with suppress(ConnectionError):
                await connection.send([question(site)])
            async with asyncio.timeout(PATIENCE_S):
                await connection.wait_closing()

    with broken(site, kind, {}, mode=mode):
        if starts:
            asyncio.run(closed())
        else:
            with pytest.raises(Exception, match=r"^$|invalid start identifier"):  # hat's own, time-out or a closed line
                asyncio.run(closed())
    assert as_master(site, lambda connection: interrogated(site, connection))


@pytest.mark.parametrize(
    ("kind", "mode", "parameters"),
    [("iec104-withheld", mode, {}) for mode in registry.fault("iec104-withheld").modes]
    + [("iec104-function", mode, {"delay_s": 0.05}) for mode in registry.fault("iec104-function").modes],
)
def test_hat_goes_on_over_a_connection_whose_fault_has_ended(
    site: RunningFarm, kind: str, mode: str, parameters: dict[str, float]
) -> None:
    async def over() -> list[Any]:
        with broken(site, kind, {}, mode=mode, **parameters):
            connection = await connecting.__aenter__()
            assert await interrogated(site, connection)
        try:
            return await interrogated(site, connection)
        finally:
            await connecting.__aexit__(None, None, None)

    connecting = master(site)
    assert asyncio.run(over())


def test_a_master_that_forgives_everything_is_cut_off_when_the_fault_ends(site: RunningFarm) -> None:
    way = site.ways("iec104", station="rtu")[DEVICE]
    with socket.create_connection((way.host, way.port), timeout=PATIENCE_S) as line:
        with broken(site, "iec104-frame", {}, mode="repeated"):
            line.sendall(u(STARTDT_ACT) + i(0, 0, unit(Type.TEST, ACT, way.address, 0, b"\xaa\x55")))
            assert line.recv(6) == u(STARTDT_CON)
            assert line.recv(1)
            line.sendall(u(STOPDT_ACT))
        with suppress(ConnectionResetError):
            while line.recv(65_536):
                pass


# -------------------------------------------------------------------------------- data and time tags


NEVER_TWICE: Final = count(500)


async def changed(site: RunningFarm, connection: iec104.Connection) -> Any:
    """What is told of a set-point that has changed."""
    value = -float(next(NEVER_TWICE))
    site.tell(DEVICE, active_power_setpoint_w=value)
    site.step()

    def ours(message: Any) -> bool:
        return isinstance(message, iec104.DataMsg) and getattr(message.data.value, "value", None) == value

    return next(filter(ours, await until(connection, ours)))


def shown(time: Any) -> tuple[int, ...]:
    return (time.years, time.months, time.day_of_month, time.hours, time.minutes, time.milliseconds)


@pytest.mark.parametrize("mode", ["missing", "invalid", "offset", "day-of-week", "summer-time", "impossible"])
def test_hat_reads_the_time_tags_as_they_are(site: RunningFarm, mode: str) -> None:
    with broken(site, "iec104-time", {"device": DEVICE}, mode=mode, offset_s=-86_400.0):
        told = as_master(site, lambda connection: changed(site, connection))
        now = site.time.astimezone(UTC)
    assert told.cause is SPONTANEOUS
    if mode == "missing":
        assert told.time is None
        return
    if mode == "offset":
        now -= timedelta(days=1)
    month, weekday = (13 if mode == "impossible" else now.month), now.isoweekday() + (mode == "day-of-week")
    milliseconds = now.second * 1000 + now.microsecond // 1000
    assert shown(told.time) == (now.year % 100, month, now.day, now.hour, now.minute, milliseconds)
    flags = (told.time.invalid, told.time.summer_time, told.time.day_of_week)
    assert flags == (mode == "invalid", mode == "summer-time", weekday)


@pytest.mark.parametrize(("kind", "mode"), [("iec104-data", "type"), ("iec104-time", "short")])
def test_hat_knows_no_such_type_and_stays(site: RunningFarm, kind: str, mode: str) -> None:
    async def refused(connection: iec104.Connection) -> None:
        with pytest.raises(Exception, match="unsupported asdu type"):
            await changed(site, connection)
        assert connection.is_open

    with broken(site, kind, {"device": DEVICE}, mode=mode):
        as_master(site, lambda connection: refused(connection))


def test_hat_is_told_of_a_device_that_is_not_there_and_of_objects_and_causes_that_are_not(site: RunningFarm) -> None:
    def told(mode: str | None = None) -> set[tuple[Any, ...]]:
        """Who is said to have told what and why, in answer to an interrogation of the device."""
        with broken(site, "iec104-data", {"device": DEVICE}, mode=mode) if mode else nullcontext():
            found = as_master(site, lambda connection: interrogated(site, connection))
        return {(m.asdu_address, m.io_address, m.cause) for m in found if isinstance(m, iec104.DataMsg)}

    asked = iec104.DataResCause.INTERROGATED_STATION
    objects = {ioa for device, ioa, cause in told() if (device, cause) == (address(site), asked)}
    assert len(objects) > 50
    assert told("common-address") >= {(address(site) ^ 0x4000, ioa, asked) for ioa in objects}
    assert told("object-address") >= {(address(site), ioa | 0x800000, asked) for ioa in objects}
    assert told("cause") >= {(address(site), ioa, 0) for ioa in objects}


def test_hat_takes_a_flood(site: RunningFarm) -> None:
    """A hundred in a step, states that come and go."""

    async def flooded(connection: iec104.Connection) -> list[Any]:
        with broken(site, "iec104-flood", {"device": DEVICE}, mode="chattering", events_per_s=100.0):
            await interrogated(site, connection)  # behind what has happened
            site.step()
            return await interrogated(site, connection)

    told = [m for m in as_master(site, flooded) if isinstance(m, iec104.DataMsg) and m.cause is SPONTANEOUS]
    states = [m for m in told if not isinstance(m.data, iec104.FloatingData)]
    assert len(states) == 100
    assert len({shown(m.time) for m in states}) == 100, "spread over the step"
    assert len({(m.io_address, str(m.data)) for m in states}) > len({m.io_address for m in states})


def test_c104_meets_faults(site: RunningFarm) -> None:
    way = site.ways("iec104", station="rtu")[DEVICE]
    said = dict(
        run_client("c104_faults.py", host=way.host, port=way.port, battery=way.address, rest=str(site.rest.base_url))
    )
    assert way.address ^ 0x4000 in said.pop("stations")
    assert said == {
        "interrogation that does not end": False,
        "interrogation of data of nobody": True,
        "interrogation of data cut short": True,
        "flooded": True,
        "states without time": ["M_DP_NA_1", "M_SP_NA_1"],
        "open after all": "OPEN",
        "stopped": False,
        "interrogation after all": True,
        "states without a start and with": ["OPEN_MUTED", "OPEN"],
        "refused": True,
        "stands meanwhile": True,
        "closes, reset": True,
        "opens again, reset": True,
        "closes, half-open": True,
        "opens again, half-open": True,
    }


# ------------------------------------------------------------------------------------------ tshark

METER: Final = spec_of(("voltage_l1_v", "grid_switch"))
MODES: Final = [
    (kind, mode)
    for kind in ("iec104-frame", "iec104-data", "iec104-time", "iec104-flood")
    for mode in registry.fault(kind).modes
    if mode not in ("lost", "truncated", "cut", "corrupted") or kind == "iec104-data"
]
"""What comes out as whole frames, the same in every run."""


def event(kind: str, mode: str) -> bytes:
    """The first frame with an event that a station tells under a fault."""
    bench, spec = Bench(1, METER), registry.fault(kind)
    parameters: Any = spec.parameters()
    engine: Any = bench.station.connect("peer", 0.0)
    engine.receive(u(STARTDT_ACT), 0.0)
    engine.receive(s(sum(not frame[2] & 1 for frame in split(engine.take_output()))), 0.0)
    if spec.family == "link":
        engine = spec.wrap(engine, mode, parameters, 1, 0.0)
    else:
        bench.seats[0].filters, bench.station.filtered = (spec.filter(mode, parameters, 1),), True
    bench.step()
    bench.set("voltage_l1_v", 0, 230.0)
    bench.step()
    engine.advance(0.0)
    octets: bytes = engine.take_output()
    return octets[: 2 + octets[1]]


@pytest.fixture(scope="module")
def dissected(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], str]:
    """What tshark makes of each: type, cause, and whether it is malformed."""
    if shutil.which("tshark") is None or shutil.which("text2pcap") is None:
        pytest.skip("no tshark: `sudo apt-get install tshark`")
    folder: Path = tmp_path_factory.mktemp("dissected")
    dump = "".join(f"0000 {event(kind, mode).hex(' ')}\n" for kind, mode in MODES)
    (folder / "frames.txt").write_text(dump)
    made = ["text2pcap", "-q", "-T", "2404,50000", str(folder / "frames.txt"), str(folder / "frames.pcap")]
    subprocess.run(made, check=True, capture_output=True)
    read = ["tshark", "-r", str(folder / "frames.pcap"), "-T", "fields"]
    fields = ("iec60870_asdu.typeid", "iec60870_asdu.causetx", "_ws.malformed")
    words = [word for field in fields for word in ("-e", field)]
    done = subprocess.run([*read, *words], check=True, capture_output=True, text=True)
    return dict(zip(MODES, done.stdout.splitlines(), strict=True))


def test_tshark_says_what_is_malformed_and_nothing_else_is(dissected: dict[tuple[str, str], str]) -> None:
    malformed = {each for each, line in dissected.items() if "alformed" in line}
    assert malformed == {("iec104-data", "count"), ("iec104-data", "truncated")}
    assert {each for each, line in dissected.items() if not line.strip()} == {("iec104-frame", "start-octet")}


def test_tshark_knows_events_by_their_types(dissected: dict[tuple[str, str], str]) -> None:
    """M_ME_NC_1, M_ME_TC_1 and M_ME_TF_1, spontaneous."""
    told = {each: line.split("\t")[:2] for each, line in dissected.items()}
    assert told["iec104-time", "missing"] == ["13", "3"]
    assert told["iec104-time", "short"] == ["14", "3"]
    assert told["iec104-time", "offset"] == ["36", "3"]
    assert told["iec104-data", "cause"] == ["36", "0"]
    assert told["iec104-flood", "states"][1] == "3"
