"""hat-drivers' IEC 60870-5-101 master at lines of a small site, unbalanced and balanced; tshark reads what was said.

The master opens a serial path, so a pseudo terminal stands between it and the connection; its code is its own.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tty
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from hat.drivers import iec101
from hat.drivers.iec60870 import link
from on_loopback import Iec104Master, connected, free_port, running, step

from pilotfarm.emulators import registry
from pilotfarm.emulators.clock import WallClock
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site.layout import SiteLayout

PATIENCE_S: Final = 20.0
ACT: Final = iec101.CommandReqCause.ACTIVATION
CON: Final = iec101.CommandResCause.ACTIVATION_CONFIRMATION
TERM: Final = iec101.CommandResCause.ACTIVATION_TERMINATION
SETPOINT: Final = 5000
BATTERY, METER, HOME = 1, 3, 4
_ERROR: Final = "8388608"
"""The severity of an error, as tshark counts it."""
DEVICES: Final = {BATTERY: "storage", METER: "meters", HOME: "homes"}
GROUPS: Final = """\
  storage:
    kind: battery
    count: 2
    feeder: east
    ratings: {{rated_power_w: 5000, rated_charge_power_w: 5000, rated_energy_wh: 10000}}
    endpoints: [{{protocol: iec101, station: line}}, {{protocol: iec104, station: rtu}}]
  meters:
    kind: smart_meter
    count: 1
    feeder: west
    endpoints: [{{protocol: iec101, station: line}}, {{protocol: iec104, station: rtu}}]
  homes:
    kind: prosumer
    count: 1
    feeder: west
    endpoints: [{{protocol: iec101, station: line}}, {{protocol: iec104, station: rtu}}]
stations:
  line: {{protocol: iec101, host: 127.0.0.1, port: {line}, options: {{{options}}}}}
  rtu: {{protocol: iec104, host: 127.0.0.1, port: {rtu}}}
"""


@dataclass(frozen=True)
class Setting:
    """How a line is set up, at both ends."""

    mode: str
    link: int
    cause: int
    common: int
    object: int

    @property
    def options(self) -> str:
        return (
            f"mode: {self.mode}, link_address_octets: {self.link}, cause_octets: {self.cause}, "
            f"common_address_octets: {self.common}, object_address_octets: {self.object}"
        )


SETTINGS: Final = [
    Setting("unbalanced", 1, 1, 2, 2),
    Setting("unbalanced", 2, 2, 1, 3),
    Setting("balanced", 0, 2, 1, 2),
]


@dataclass
class Terminal:
    """A serial path whose other end is a connection, and what has passed: who sent it, and what."""

    path: str
    said: list[tuple[bool, bytes]] = field(default_factory=list)


@asynccontextmanager
async def terminal(port: int) -> AsyncIterator[Terminal]:
    """The connection stands from the master's first octets on, so that the station finds it listening."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    made, loop = Terminal(os.ttyname(theirs)), asyncio.get_running_loop()
    from_master: asyncio.Queue[bytes] = asyncio.Queue()
    loop.add_reader(ours, lambda: from_master.put_nowait(os.read(ours, 4096)))

    async def to_master(reader: asyncio.StreamReader) -> None:
        while data := await reader.read(4096):
            made.said.append((False, data))
            os.write(ours, data)

    async def bridge() -> None:
        data = await from_master.get()
        async with connected(port) as (reader, writer), asyncio.TaskGroup() as both_ways:
            both_ways.create_task(to_master(reader))
            while True:
                made.said.append((True, data))
                writer.write(data)
                data = await from_master.get()

    bridged = asyncio.create_task(bridge())
    try:
        yield made
    finally:
        loop.remove_reader(ours)
        bridged.cancel()
        with suppress(asyncio.CancelledError):
            await bridged
        os.close(ours)
        os.close(theirs)


class Master:
    """A connection to one common address."""

    def __init__(self, connection: iec101.Connection, common_address: int) -> None:
        self.connection = connection
        self.common_address = common_address

    async def until(self, enough: Callable[[Any], bool]) -> list[Any]:
        """Everything received up to and with the first message that is enough."""
        seen: list[Any] = []
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for message in await self.connection.receive():
                    if message.asdu_address == self.common_address:
                        seen.append(message)
                        if enough(message):
                            return seen

    async def ask(self, kind: type[Any], *values: Any, over: Any = TERM) -> list[Any]:
        """Send a message of a kind, and return all up to its end."""
        await self.connection.send([kind(False, 0, self.common_address, *values)])
        return await self.until(lambda each: isinstance(each, kind) and each.cause is over)

    async def interrogated(self) -> dict[int, float]:
        seen = await self.ask(iec101.InterrogationMsg, 20, False, ACT)
        data = [m for m in seen if isinstance(m, iec101.DataMsg) and m.cause.value == 20]
        return {m.io_address: float(getattr(m.data.value, "value", 0.0)) for m in data}

    async def told(self, ioa: int, command: Any, over: Any = TERM) -> list[tuple[Any, bool]]:
        seen = await self.ask(iec101.CommandMsg, ioa, command, False, ACT, over=over)
        return [(m.cause, m.is_negative_confirm) for m in seen if isinstance(m, iec101.CommandMsg)]


@asynccontextmanager
async def mastered(setting: Setting, path: str, *common_addresses: int) -> AsyncIterator[list[Master]]:
    """Masters of some devices: unbalanced a connection each, balanced one at a time."""
    size = link.AddressSize(setting.link)
    made: Any
    if setting.mode == "unbalanced":
        made = await link.create_master_link(path, size)
        connections = [
            await made.open_connection(each, response_timeout=10.0, poll_class1_delay=0.02, poll_class2_delay=0.05)
            for each in common_addresses
        ]
    else:
        made = await link.create_balanced_link(path, size)
        address = 1 if setting.link else 0
        connections = [await made.open_connection(link.Direction.A_TO_B, address, response_timeout=10.0)]
    widths = (
        iec101.CauseSize(setting.cause),
        iec101.AsduAddressSize(setting.common),
        iec101.IoAddressSize(setting.object),
    )
    joined = [iec101.Connection(each, *widths) for each in connections]
    try:
        yield [Master(joined[at if len(joined) > 1 else 0], each) for at, each in enumerate(common_addresses)]
    finally:
        await made.async_close()


def reported(pilot: Pilot, name: str) -> dict[int, float]:
    """What a device reports, by the address of the point that shows it."""
    group = pilot.farm.groups[name]
    rows = registry.point_map("iec101").points(group.spec, {})
    values = {row.number: float(group.reported[row.quantity][0]) / row.scale for row in rows if row.read_code}
    return {ioa: each + 1 if 1100 <= ioa % 10_000 < 1120 else each for ioa, each in values.items()}


def conversation(
    make_layout: Callable[..., SiteLayout], setting: Setting, talk: Callable[[Pilot, Terminal, int], Awaitable[None]]
) -> Terminal:
    line, rtu = free_port(), free_port()
    layout = make_layout(GROUPS.format(line=line, rtu=rtu, options=setting.options))

    async def scenario() -> Terminal:
        async with running(layout, WallClock()) as pilot:
            await step(pilot)
            async with terminal(line) as made:
                await talk(pilot, made, rtu)
                return made

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    "setting", SETTINGS, ids=lambda each: f"{each.mode}-{each.link}{each.cause}{each.common}{each.object}"
)
def test_the_master_reads_and_commands_and_tshark_finds_nothing_wrong(
    make_layout: Callable[..., SiteLayout], setting: Setting, tmp_path: Path
) -> None:
    async def talk(pilot: Pilot, made: Terminal, rtu: int) -> None:
        devices = (BATTERY, METER, HOME) if setting is SETTINGS[0] else (BATTERY, METER)
        async with connected(rtu) as streams, mastered(setting, made.path, *devices) as masters:
            over_104 = Iec104Master(streams)
            await over_104.start()
            for master in masters:
                found = await master.interrogated()
                assert found.keys() == (await over_104.interrogate(master.common_address)).keys()
                known = reported(pilot, DEVICES[master.common_address])
                assert all(np.isclose(value, known[ioa], rtol=1e-6, equal_nan=True) for ioa, value in found.items())
            await commanded(pilot, masters[0])
            await counted(pilot, masters[1])

    said = conversation(make_layout, setting, talk).said
    dissected(setting, said, tmp_path)


async def commanded(pilot: Pilot, master: Master) -> None:
    """A set-point selected and executed acts, an event tells it, and a clock is confirmed by the station's own."""
    asked = iec101.FloatingCommand(iec101.FloatingValue(1500.0), True)
    assert await master.told(SETPOINT, asked, over=CON) == [(CON, False)]
    assert await master.told(SETPOINT, asked._replace(select=False)) == [(CON, False), (TERM, False)]
    refused = iec101.FloatingCommand(iec101.FloatingValue(1e9), False)
    assert await master.told(SETPOINT, refused, over=CON) == [(CON, True)]
    await step(pilot, 3)
    assert pilot.farm.groups["storage"].reported["active_power_w"][0] == pytest.approx(1500.0, rel=0.01)
    seen = await master.until(lambda m: isinstance(m, iec101.DataMsg) and m.io_address == 2000 and m.time is not None)
    assert seen[-1].cause is iec101.DataResCause.SPONTANEOUS
    assert seen[-1].data.value.value == pytest.approx(1500.0, rel=0.01)
    now = iec101.time_from_datetime(datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC))
    shown = (await master.ask(iec101.ClockSyncMsg, now, False, iec101.ClockSyncReqCause.ACTIVATION,
                              over=iec101.ClockSyncResCause.ACTIVATION_CONFIRMATION))[-1]  # fmt: skip
    assert iec101.time_to_datetime(shown.time).timestamp() == pytest.approx(pilot.farm.unix_s, abs=0.002)


async def counted(pilot: Pilot, master: Master) -> None:
    """Counters of a meter come as it reports them."""
    seen = await master.ask(iec101.CounterInterrogationMsg, 5, iec101.FreezeCode.READ, False, ACT)
    found = {m.io_address: m.data.value.value for m in seen if isinstance(m, iec101.DataMsg) and m.io_address >= 3000}
    known = reported(pilot, "meters")
    assert found
    assert all(value == int(known[ioa]) for ioa, value in found.items())


def dissected(setting: Setting, said: list[tuple[bool, bytes]], folder: Path) -> None:
    """Have tshark take apart what passed: nothing is malformed, and all types are there."""
    tshark, text2pcap = shutil.which("tshark"), shutil.which("text2pcap")
    if tshark is None or text2pcap is None:
        pytest.skip("no tshark: `sudo apt-get install tshark`")
    text, file = folder / "said.txt", folder / "said.pcap"
    text.write_text("".join(f"{'I' if ours else 'O'}\n000000 {octets.hex(' ')}\n" for ours, octets in said))
    subprocess.run([text2pcap, "-q", "-D", "-T", "40000,2401", str(text), str(file)], check=True, capture_output=True)
    widths = (
        ("linkaddr", setting.link),
        ("cot", setting.cause),
        ("asdu_addr", setting.common),
        ("asdu_ioa", setting.object),
    )
    command = [tshark, "-r", str(file), "-d", "tcp.port==2401,iec60870_101"]
    command += [word for name, octets in widths for word in ("-o", f"iec60870_101.{name}_len:{octets} octet")]
    shown = ("_ws.col.Protocol", "iec60870_asdu.typeid", "_ws.malformed", "_ws.expert.severity")
    command += ["-T", "fields", "-E", "separator=;", *(word for each in shown for word in ("-e", each))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    lines = [line.split(";") for line in done.stdout.splitlines()]
    assert {protocol for protocol, *_ in lines} == {"IEC 60870-5-101", "IEC 60870-5 ASDU"}
    assert not [line for line in lines if line[2] or _ERROR in line[3]]
    types = {int(each) for _, kinds, *_ in lines for each in kinds.split(",") if each}
    assert {1, 13, 15, 36, 50, 70, 100, 101, 103} <= types


@pytest.mark.parametrize("setting", [SETTINGS[0], SETTINGS[2]], ids=lambda each: each.mode)
def test_the_master_is_on_the_farms_own_pseudo_terminal(
    make_layout: Callable[..., SiteLayout], setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    line = f"{{protocol: iec101, host: 127.0.0.1, port: 1, options: {{{setting.options}}}}}"
    groups = GROUPS.format(line=1, rtu=free_port(), options=setting.options)
    assert line in groups
    layout = make_layout(groups.replace(line, line.replace("host: 127.0.0.1, port: 1", "pty: bus")))
    (path,) = [each.endpoint.label for each in layout.stations if each.name == "line"]

    async def scenario() -> None:
        async with running(layout, WallClock()) as pilot:
            await step(pilot)
            async with mastered(setting, path, BATTERY) as (master,):
                known = reported(pilot, "storage")
                found = await master.interrogated()
                assert len(found) > 50
                assert all(np.isclose(value, known[ioa], rtol=1e-6, equal_nan=True) for ioa, value in found.items())
                asked = iec101.FloatingCommand(iec101.FloatingValue(1500.0), False)
                assert await master.told(SETPOINT, asked) == [(CON, False), (TERM, False)]
                await step(pilot, 3)
                assert pilot.farm.groups["storage"].reported["active_power_w"][0] == pytest.approx(1500.0, rel=0.01)

    asyncio.run(scenario())
