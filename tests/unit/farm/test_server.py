"""The server: bounds on both sides of a socket, and nothing half-started or left behind."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress

import pytest
from dnp3_bench import CLEAR_RESTART, EVERYTHING
from dnp3_bench import Master as Dnp3Master
from iec104_bench import s, u
from on_loopback import Dnp3Master as Dnp3MasterOnLoopback
from on_loopback import Iec104Master, closed_at_once, connected, ended, free_port, running, step, until
from py1815.application import FunctionCode, Response

from pilotfarm.emulators import registry
from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.maps.iec104 import IOA
from pilotfarm.emulators.protocols.iec104.link import STARTDT_ACT
from pilotfarm.emulators.protocols.iec60870.asdu import Cause
from pilotfarm.emulators.serving import connection as connection_module
from pilotfarm.emulators.serving import listener as listener_module
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site.layout import SiteLayout

READ = struct.pack(">HHHBBHH", 7, 0, 6, 1, 3, 40_000, 2)
PROBES = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 120_000}
"""On Linux; with no answer a peer is given up after 60 + 4 x 15 = 120 s."""
SUNS = struct.pack(">HHHBBB4s", 7, 0, 7, 1, 3, 4, b"SunS")


def one_meter(port: int, options: str = "") -> str:
    return (
        "  meters:\n    kind: smart_meter\n    count: 1\n    feeder: west\n"
        f"    endpoints: [{{protocol: modbus, port: {port}{options}}}]\n"
    )


async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.write(READ)
    return await reader.readexactly(len(SUNS)) == SUNS


def test_a_master_is_answered(make_layout: Callable[..., SiteLayout]) -> None:
    port = free_port()

    async def scenario() -> None:
        async with running(make_layout(one_meter(port))) as pilot:
            counters = pilot.server.counters["modbus"]
            async with connected(port) as connection:
                assert await answered(*connection)
                assert (counters.accepted, counters.open) == (1, 1)
                assert (counters.bytes_in, counters.bytes_out) == (len(READ), len(SUNS))
            await until(lambda: counters.open == 0)

    asyncio.run(scenario())


def limited(port: int, protocol: str, connections: int) -> str:
    return one_meter(port, f", options: {{max_connections: {connections}}}").replace("modbus", protocol)


def test_a_full_iec104_station_refuses_and_serves_those_who_are_in(make_layout: Callable[..., SiteLayout]) -> None:
    port = free_port()

    async def scenario() -> None:
        async with running(make_layout(limited(port, "iec104", 2))) as pilot:
            counters = pilot.server.counters["iec104"]
            async with connected(port) as first:
                async with connected(port):
                    await until(lambda: counters.open == 2)
                    assert await closed_at_once(port)
                    assert (counters.refused, counters.gave_way) == (1, 0)
                    await Iec104Master(first).start()
                await until(lambda: counters.open == 1)
                async with connected(port) as third:
                    await Iec104Master(third).start()

    asyncio.run(scenario())


def test_at_a_full_modbus_station_the_connection_longest_unused_gives_way(
    make_layout: Callable[..., SiteLayout],
) -> None:
    port = free_port()

    async def scenario() -> None:
        async with running(make_layout(limited(port, "modbus", 3))) as pilot:
            counters = pilot.server.counters["modbus"]
            async with connected(port) as first, connected(port) as second, connected(port) as third:
                for each in (second, third, first):  # the second is the one longest unused
                    assert await answered(*each)
                    pilot.clock.advance(1.0)
                async with connected(port) as newcomer:
                    assert await answered(*newcomer)
                    assert await ended(second[0])
                    assert (counters.refused, counters.gave_way, counters.open) == (0, 1, 3)
                    for each in (first, third):
                        assert await answered(*each)

    asyncio.run(scenario())


def test_as_many_connections_give_way_as_there_are_newcomers(make_layout: Callable[..., SiteLayout]) -> None:
    port = free_port()

    async def scenario() -> None:
        async with running(make_layout(limited(port, "modbus", 3))) as pilot, AsyncExitStack() as peers:
            counters = pilot.server.counters["modbus"]
            old = [await peers.enter_async_context(connected(port)) for _ in range(3)]
            await until(lambda: counters.open == 3)
            new = await asyncio.gather(*(peers.enter_async_context(connected(port)) for _ in range(3)))
            assert all(await asyncio.gather(*(answered(*each) for each in new)))
            assert all(await asyncio.gather(*(ended(reader) for reader, _ in old)))
            assert (counters.refused, counters.gave_way, counters.open) == (0, 3, 3)

    asyncio.run(scenario())


def test_at_a_full_dnp3_outstation_a_connection_of_the_same_host_gives_way_and_no_other(
    make_layout: Callable[..., SiteLayout],
) -> None:
    port = free_port()

    async def scenario() -> None:
        async with running(make_layout(limited(port, "dnp3", 1))) as pilot:
            counters = pilot.server.counters["dnp3"]
            async with connected(port) as (reader, _):
                await until(lambda: counters.open == 1)
                async with connected(port, whence="127.0.0.9") as stranger:
                    assert await ended(stranger[0])
                assert (counters.refused, counters.gave_way) == (1, 0)
                async with connected(port) as back:
                    assert await ended(reader)
                    assert (counters.refused, counters.gave_way) == (1, 1)
                    assert (await Dnp3MasterOnLoopback(back).analog(537))[1] == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
def test_one_who_connects_as_another_leaves_has_the_place(
    protocol: str, make_layout: Callable[..., SiteLayout]
) -> None:
    """A close that the server has not noticed yet refuses nobody, and costs nobody else the connection."""
    port = free_port()

    async def scenario() -> None:
        async with running(make_layout(limited(port, protocol, 2))) as pilot:
            counters = pilot.server.counters[protocol]
            async with connected(port) as (stays, _):
                for number in range(20):
                    with socket.create_connection(("127.0.0.1", port)):
                        await until(lambda: counters.open == 2)
                    # The loop has not turned since: what comes now meets a server that still counts two.
                    with socket.create_connection(("127.0.0.1", port)):
                        await until(lambda number=number: counters.accepted == 3 + 2 * number and counters.open == 2)
                    await until(lambda: counters.open == 1)
                assert (counters.refused, counters.gave_way) == (0, 0)
                assert not stays.at_eof()

    asyncio.run(scenario())


def test_those_who_wait_for_a_place_are_turned_away_when_a_fault_or_the_end_comes(
    make_layout: Callable[..., SiteLayout], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener_module, "GRACE_S", 3_600.0)
    monkeypatch.setattr(listener_module, "WAITING_MAX", 2)
    port = free_port()

    async def scenario() -> None:
        async with running(make_layout(limited(port, "modbus", 1))) as pilot:
            counters = pilot.server.counters["modbus"]
            async with connected(port), connected(port) as second, connected(port) as third:
                await until(lambda: counters.open == 1)
                assert await closed_at_once(port), "no more than two wait"
                assert counters.refused == 1
                fault = pilot.farm.faults.add("offline", mode="cut")
                await step(pilot)
                assert await ended(second[0])
                assert await ended(third[0])
                assert counters.cut == 3
                pilot.farm.faults.clear(fault.id)
                await step(pilot)

    asyncio.run(scenario())


def test_those_who_wait_for_a_place_are_turned_away_at_the_end(
    make_layout: Callable[..., SiteLayout], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener_module, "GRACE_S", 3_600.0)
    port = free_port()

    async def scenario() -> None:
        async with AsyncExitStack() as peers:
            async with running(make_layout(limited(port, "modbus", 1))) as pilot:
                first, waits = [await peers.enter_async_context(connected(port)) for _ in range(2)]
                (listener,) = pilot.server._listeners
                await until(lambda: len(listener._waiting) == 1)
            assert await ended(first[0])
            assert await ended(waits[0])

    asyncio.run(scenario())


@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
def test_the_system_probes_a_peer_that_is_silent(protocol: str, make_layout: Callable[..., SiteLayout]) -> None:
    port = free_port()

    async def scenario() -> None:
        async with running(make_layout(limited(port, protocol, 2))) as pilot, connected(port):
            await until(lambda: pilot.server.counters[protocol].open == 1)
            (connection,) = pilot.server._listeners[0].connections
            assert connection._transport is not None
            mine = connection._transport.get_extra_info("socket")
            assert mine.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            probes = {name: mine.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in PROBES}
            assert probes == PROBES

    asyncio.run(scenario())


def test_a_peer_that_never_reads_is_no_longer_read_from_and_then_cut(
    make_layout: Callable[..., SiteLayout], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "STALL_S", 0.2)
    monkeypatch.setattr(connection_module, "OUTPUT_HIGH_BYTES", 4_096)
    port = free_port()
    big = struct.pack(">HHHBBHH", 7, 0, 6, 1, 3, 40_070, 100)

    async def scenario() -> None:
        async with running(make_layout(one_meter(port))) as pilot:
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            sock.connect(("127.0.0.1", port))
            sock.setblocking(False)
            counters = pilot.server.counters["modbus"]
            while not counters.stalled:
                with suppress(BlockingIOError, ConnectionError):
                    sock.send(big * 100)
                await asyncio.sleep(0.005)
            await until(lambda: counters.open == 0)
            assert counters.stalled == 1
            sock.close()

    asyncio.run(scenario())


def test_every_taken_port_is_named_and_nothing_stays_open(make_layout: Callable[..., SiteLayout]) -> None:
    groups = (
        "  meters:\n    kind: smart_meter\n    count: 3\n    feeder: west\n"
        "    endpoints: [{protocol: modbus, ip: 127.90.0.1, port: PORT}]\n"
    )
    port = free_port()

    async def scenario() -> None:
        with socket.socket() as taken, socket.socket() as taken_too:
            for sock, host in ((taken, "127.90.0.2"), (taken_too, "127.90.0.3")):
                sock.bind((host, port))
                sock.listen()
            pilot = Pilot(make_layout(groups.replace("PORT", str(port))), ManualClock())
            with pytest.raises(ConfigError) as refused:
                await pilot.start()
        for number in (2, 3):
            assert f"meters-00{number}: cannot listen on 127.90.0.{number}:{port}" in str(refused.value)
        assert "--ports-from" in str(refused.value)
        assert pilot.server.listening == 0
        for host in ("127.90.0.1", "127.90.0.3"):
            with socket.socket() as sock:
                assert sock.connect_ex((host, port)) != 0

    asyncio.run(scenario())


@pytest.mark.parametrize("mode", ["refuse", "cut"])
def test_an_offline_device_is_cut_and_comes_back(mode: str, make_layout: Callable[..., SiteLayout]) -> None:
    port = free_port()

    async def scenario() -> None:
        async with running(make_layout(one_meter(port))) as pilot:
            counters = pilot.server.counters["modbus"]
            async with connected(port) as (reader, _):
                await until(lambda: counters.open == 1)
                fault = pilot.farm.faults.add("offline", mode=mode)
                await step(pilot)
                assert await ended(reader)
            assert counters.cut == 1
            if mode == "refuse":
                with pytest.raises(ConnectionRefusedError):
                    await asyncio.open_connection("127.0.0.1", port)
            else:
                assert await closed_at_once(port)
                assert counters.cut == 2
            pilot.farm.faults.clear(fault.id)
            await step(pilot)
            async with connected(port) as connection:
                assert await answered(*connection)

    asyncio.run(scenario())


def test_an_address_that_could_not_be_had_again_stays_shut_if_another_fault_comes_first(
    make_layout: Callable[..., SiteLayout],
) -> None:
    port = free_port()

    async def scenario() -> None:
        async with running(make_layout(one_meter(port))) as pilot:
            pilot.farm.faults.add("offline", mode="refuse")
            await step(pilot)
            with socket.socket() as taken:
                taken.bind(("127.0.0.1", port))
                taken.listen()
                pilot.farm.faults.clear_all()
                await step(pilot)
                assert pilot.server.listening == 0
                pilot.farm.faults.add("offline", mode="refuse")
                await step(pilot)
            await step(pilot)
            assert pilot.server.listening == 0
            pilot.farm.faults.clear_all()
            await step(pilot)
            assert pilot.server.listening == 1

    asyncio.run(scenario())


def test_a_modbus_exception_fault_answers_every_request_and_goes_away(make_layout: Callable[..., SiteLayout]) -> None:
    port = free_port()

    async def scenario() -> None:
        async with running(make_layout(one_meter(port))) as pilot, connected(port) as (reader, writer):
            fault = pilot.farm.faults.add("modbus-exception", parameters={"code": 6})
            await step(pilot)
            writer.write(READ)
            assert (await reader.readexactly(9))[7:] == b"\x83\x06"
            pilot.farm.faults.clear(fault.id)
            await step(pilot)
            assert await answered(reader, writer)

    asyncio.run(scenario())


def test_a_link_holds_back_what_comes_for_those_who_are_there_and_those_who_come_and_loses_nothing(
    make_layout: Callable[..., SiteLayout], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.FAULTS, "slow", "example_faults:SLOW")
    port = free_port()

    async def scenario() -> None:
        async with running(make_layout(one_meter(port))) as pilot, connected(port) as (reader, writer):
            counters = pilot.server.counters["modbus"]
            assert await answered(reader, writer)
            fault = pilot.farm.faults.add("slow", parameters={"delay_s": 600.0})
            await step(pilot)
            async with connected(port) as (later_reader, later_writer):
                writer.write(READ)
                later_writer.write(READ)
                await until(lambda: counters.bytes_in == 3 * len(READ))
                assert counters.bytes_out == len(SUNS)
                pilot.farm.faults.clear(fault.id)
                await step(pilot)
                for each in (reader, later_reader):
                    assert await each.readexactly(len(SUNS)) == SUNS

    asyncio.run(scenario())


def test_a_change_is_told_with_its_step_to_a_master_that_has_not_asked(make_layout: Callable[..., SiteLayout]) -> None:
    port = free_port()

    async def scenario() -> None:
        layout = make_layout(one_meter(port).replace("modbus", "iec104"))
        async with running(layout) as pilot, connected(port) as streams:
            master = Iec104Master(streams)
            await master.start()
            assert (await master.told()).cause == Cause.INITIALISED
            counters = pilot.server.counters["iec104"]
            await until(lambda: counters.bytes_in == len(u(STARTDT_ACT) + s(1)))
            before = counters.bytes_out
            pilot.farm.faults.add("stuck", {"quantity": "voltage_l1_v"}, parameters={"quality": "invalid"})
            await step(pilot)
            assert counters.bytes_out > before
            while True:
                told = await master.told()
                assert told.cause == Cause.SPONTANEOUS
                size = len(told.body) // told.count
                objects = {
                    told.body[at : at + 3]: told.body[at + 3 : at + size] for at in range(0, len(told.body), size)
                }
                changed = objects.get(IOA["voltage_l1_v"].to_bytes(3, "little"))
                if changed is not None:
                    assert changed[4] & 0x80
                    return

    asyncio.run(scenario())


class Wire:
    """Stands in for a station: what a master of DNP3 says to it goes into a socket."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.said = 0
        self.heard = b""

    def connect(self, peer: str, now_s: float) -> Wire:
        return self

    def receive(self, data: bytes, now_s: float) -> None:
        self.writer.write(data)
        self.said += len(data)

    def take_output(self) -> bytes:
        heard, self.heard = self.heard, b""
        return heard


def test_an_event_is_told_with_its_step_to_a_master_of_dnp3_that_has_not_asked(
    make_layout: Callable[..., SiteLayout],
) -> None:
    port = free_port()

    async def scenario() -> None:
        layout = make_layout(one_meter(port).replace("modbus", "dnp3"))
        async with running(layout) as pilot, connected(port) as (reader, writer):
            wire = Wire(writer)
            master = Dnp3Master(wire, outstation=layout.stations[0].seats[0].address)  # type: ignore[arg-type]

            async def hears() -> list[Response]:
                wire.heard = await reader.read(4_096)
                responses = master.heard()
                for response in responses:
                    if response.control.con:
                        master.confirm(response)
                return responses

            for function, body in (
                (FunctionCode.WRITE, CLEAR_RESTART),
                (FunctionCode.ENABLE_UNSOLICITED, EVERYTHING[:9]),
            ):
                wire.receive(master.request(function, body), 0.0)
                while not any(not response.control.uns for response in await hears()):
                    pass
            counters = pilot.server.counters["dnp3"]
            await until(lambda: counters.bytes_in == wire.said)
            before = counters.bytes_out
            pilot.farm.faults.add("stuck", {"quantity": "voltage_l1_v"}, parameters={"quality": "invalid"})
            await step(pilot)
            assert counters.bytes_out > before
            while not any(response.control.uns and response.body for response in await hears()):
                pass

    asyncio.run(scenario())


def test_closing_frees_every_address_while_masters_are_connected(make_layout: Callable[..., SiteLayout]) -> None:
    port = free_port()

    async def scenario() -> None:
        for _ in range(2):
            pilot = Pilot(make_layout(one_meter(port)), ManualClock())
            await pilot.start()
            async with connected(port) as (reader, writer):
                assert await answered(reader, writer)
                await pilot.close()
                assert await ended(reader)

    asyncio.run(scenario())
