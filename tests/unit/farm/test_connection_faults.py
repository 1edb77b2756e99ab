"""Connections that are refused, reset, closed or forgotten: their links by themselves, and on real sockets."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from on_loopback import Streams, closed_at_once, connected, ended, free_port, running, step, until
from pydantic import ValidationError

from pilotfarm.emulators import registry
from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.contracts.fault import LinkFault
from pilotfarm.emulators.contracts.way import Admission, Engine, Severing
from pilotfarm.emulators.serving import listener as listener_module
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site.layout import SiteLayout

READ = struct.pack(">HHHBBHH", 7, 0, 6, 1, 3, 40_000, 2)
SUNS = struct.pack(">HHHBBB4s", 7, 0, 7, 1, 3, 4, b"SunS")
NOW_S = 1_000.0


@dataclass
class Device:
    """An engine with something to say."""

    to_say: bytes = b""
    heard: bytes = b""
    due_s: float | None = None
    hung_up: list[float] = field(default_factory=list)

    @property
    def closed(self) -> bool:
        return bool(self.hung_up)

    def receive(self, data: bytes, now_s: float) -> None:
        self.heard += data

    def advance(self, now_s: float) -> None: ...
    def deadline_s(self) -> float | None:
        return self.due_s

    def take_output(self) -> bytes:
        said, self.to_say = self.to_say, b""
        return said

    def hang_up(self, now_s: float) -> None:
        self.hung_up.append(now_s)


def linked(kind: str, device: Engine, mode: str = "", key: int = 1, **parameters: Any) -> Any:
    spec = registry.fault(kind)
    assert isinstance(spec, LinkFault)
    return spec.wrap(device, mode or next(iter(spec.modes), ""), spec.parameters(**parameters), key, NOW_S)


def ends(link: Any) -> str:
    """How a connection ends, if it does."""
    return ("reset" if link.resets else "close") if link.closed else ""


# ------------------------------------------------------------------------------ links by themselves


@pytest.mark.parametrize("mode", ["reset", "close"])
def test_without_a_time_or_a_size_a_connection_ends_at_once_and_says_nothing_more(mode: str) -> None:
    device = Device(b"answer")
    link = linked("reset", device, mode)
    assert ends(link) == mode
    link.receive(b"request", NOW_S)
    assert (link.take_output(), device.heard) == (b"", b"")


@pytest.mark.parametrize("mode", ["reset", "close"])
def test_a_connection_lasts_as_long_as_was_asked_for(mode: str) -> None:
    device = Device(b"answer", due_s=NOW_S + 9.0)
    link = linked("reset", device, mode, after_s=5.0)
    assert link.deadline_s() == NOW_S + 5.0
    link.receive(b"request", NOW_S + 4.999)
    link.advance(NOW_S + 4.999)
    assert (link.take_output(), device.heard, ends(link)) == (b"answer", b"request", "")
    assert link.bites.count == 0
    for now_s in (NOW_S + 5.0, NOW_S + 6.0):
        link.advance(now_s)
        assert (ends(link), link.bites.count) == (mode, 1)


def test_what_comes_when_a_connection_is_over_is_not_heard() -> None:
    device = Device()
    link = linked("reset", device, after_s=5.0)
    link.receive(b"request", NOW_S + 5.0)
    assert (device.heard, ends(link)) == (b"", "reset")


@pytest.mark.parametrize("mode", ["reset", "close"])
@pytest.mark.parametrize("pieces", [[7], [3, 4], [1] * 7, [20], [6, 20]])
def test_a_connection_ends_once_it_has_been_sent_so_much_amid_an_answer_too(mode: str, pieces: list[int]) -> None:
    device = Device()
    link = linked("reset", device, mode, after_octets=7)
    told = b""
    for size in pieces:
        assert ends(link) == ""
        device.to_say = b"x" * size
        told += link.take_output()
    assert (len(told), ends(link)) == (7, mode)
    device.to_say = b"more"
    assert link.take_output() == b""
    assert link.bites.count == 1


def test_a_time_and_a_size_hold_together() -> None:
    link = linked("reset", Device(b"12345"), after_s=5.0, after_octets=3)
    link.advance(NOW_S + 5.0)
    assert ends(link) == "reset"
    link = linked("reset", Device(b"12345"), after_s=5.0, after_octets=3)
    assert (link.take_output(), ends(link)) == (b"123", "reset")


def test_a_reset_that_is_over_leaves_the_connection_as_it_was() -> None:
    device = Device()
    link = linked("reset", device, after_s=5.0, after_octets=3)
    link.let_go(NOW_S + 1.0)
    assert link.deadline_s() is None
    link.receive(b"request", NOW_S + 9.0)
    device.to_say = b"answer"
    assert (link.take_output(), device.heard, ends(link)) == (b"answer", b"request", "")


def test_a_device_that_closes_closes_and_resets_nothing() -> None:
    device = Device()
    link = linked("reset", device, after_s=5.0)
    link.hang_up(NOW_S + 1.0)
    assert (device.hung_up, ends(link)) == ([NOW_S + 1.0], "close")


def test_a_forgotten_connection_says_and_hears_nothing_and_stands() -> None:
    device = Device(b"answer", due_s=NOW_S + 1.0)
    link = linked("half-open", device)
    assert (device.hung_up, link.forgotten) == ([NOW_S], True)
    link.receive(b"request", NOW_S + 1.0)
    link.advance(NOW_S + 1e6)
    assert (link.take_output(), device.heard, link.deadline_s(), ends(link)) == (b"", b"", None, "")
    link.hang_up(NOW_S + 1e6)
    assert device.hung_up == [NOW_S], "once is enough"


def test_a_forgotten_connection_is_reset_a_while_after_its_master_has_spoken_and_no_sooner() -> None:
    link = linked("half-open", Device(), reset_after_s=5.0)
    link.advance(NOW_S + 100.0)
    assert (link.deadline_s(), ends(link)) == (None, "")
    link.receive(b"request", NOW_S + 100.0)
    link.receive(b"request", NOW_S + 104.0)
    assert link.deadline_s() == NOW_S + 105.0
    link.advance(NOW_S + 104.999)
    assert ends(link) == ""
    link.advance(NOW_S + 105.0)
    assert ends(link) == "reset"


def test_a_forgotten_connection_may_be_reset_with_the_first_octet() -> None:
    link = linked("half-open", Device(), reset_after_s=0.0)
    assert ends(link) == ""
    link.receive(b"r", NOW_S + 1.0)
    assert ends(link) == "reset"


def test_a_forgotten_connection_is_reset_when_the_fault_ends() -> None:
    link = linked("half-open", Device())
    link.let_go(NOW_S + 1.0)
    assert ends(link) == "reset"


@pytest.mark.parametrize("kind", ["reset", "half-open"])
def test_a_share_of_the_connections_is_gripped_by_the_seed_and_others_are_as_they_were(kind: str) -> None:
    gripped = [isinstance(linked(kind, Device(), key=key, share_frac=0.25), Severing) for key in range(400)]
    assert 70 <= sum(gripped) <= 130  # 100, with a standard deviation of 8.7
    device = Device(b"answer", due_s=4.0)
    link = linked(kind, device, key=gripped.index(False), share_frac=0.25)
    link.receive(b"request", NOW_S)
    link.advance(NOW_S + 1e6)
    link.let_go(NOW_S + 1e6)
    assert (link.take_output(), device.heard, link.deadline_s(), link.closed) == (b"answer", b"request", 4.0, False)
    link.hang_up(NOW_S)
    assert link.closed


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("reset", {"after_s": -1.0}),
        ("reset", {"after_s": float("nan")}),
        ("reset", {"after_octets": 0}),
        ("reset", {"share_frac": 0.0}),
        ("half-open", {"reset_after_s": float("inf")}),
        ("half-open", {"share_frac": 1.1}),
        ("refused", {"share_frac": 0.5}),
    ],
)
def test_what_cannot_be_is_refused(kind: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        registry.fault(kind).parameters(**parameters)


def test_admissions_are_in_the_order_in_which_they_shut_out() -> None:
    assert all(first < second for first, second in pairwise(Admission))
    assert [each.name for each in Admission if each.shut] == ["REFUSE", "RESET"]
    assert [each.name for each in Admission if each.cuts_off] == ["SILENT", "REFUSE", "RESET"]
    assert [each.name for each in Admission if each.takes] == ["OPEN", "SILENT"]
    assert [each.name for each in Admission if not each.listens] == ["REFUSE_NEW", "REFUSE"]


# --------------------------------------------------------------------------------- on real sockets


def served(port: int, protocol: str = "modbus", connections: int = 8) -> str:
    return (
        "  meters:\n    kind: smart_meter\n    count: 1\n    feeder: west\n"
        f"    endpoints: [{{protocol: {protocol}, port: {port}, options: {{max_connections: {connections}}}}}]\n"
    )


Scenario = Callable[[Pilot, int], Awaitable[None]]


@pytest.fixture
def on_site(make_layout: Callable[..., SiteLayout]) -> Callable[..., None]:
    """Run a scenario with a pilot of one device."""

    def run(scenario: Scenario, **options: Any) -> None:
        port = free_port()

        async def whole() -> None:
            async with running(make_layout(served(port, **options))) as pilot:
                await scenario(pilot, port)

        asyncio.run(whole())

    return run


async def answered(streams: Streams) -> bool:
    streams[1].write(READ)
    return await streams[0].readexactly(len(SUNS)) == SUNS


async def was_reset(streams: Streams) -> bool:
    """Whether a connection ends with RST, and not with FIN."""
    try:
        await streams[0].read()
    except ConnectionResetError:
        return True
    return False


async def silent(streams: Streams, pilot: Pilot) -> bool:
    """Whether a connection stands and what it asks gets no answer."""
    counters = next(iter(pilot.server.counters.values()))
    heard = counters.bytes_in
    streams[1].write(READ)
    await until(lambda: counters.bytes_in == heard + len(READ))
    await asyncio.sleep(0)
    return not streams[0].at_eof() and not streams[0]._buffer  # type: ignore[attr-defined]


def standing(pilot: Pilot) -> tuple[int, int]:
    """Connections that the device has, and those it has forgotten."""
    (listener,) = pilot.server._listeners
    return len(listener.connections), len(listener.forgotten)


@pytest.mark.parametrize("mode", ["refuse", "reset"])
def test_new_connections_are_refused_while_those_that_stand_stay(mode: str, on_site: Callable[..., None]) -> None:
    async def scenario(pilot: Pilot, port: int) -> None:
        async with connected(port) as before:
            assert await answered(before)
            fault = pilot.farm.faults.add("refused", mode=mode)
            await step(pilot)
            assert await answered(before)
            if mode == "refuse":
                with pytest.raises(ConnectionRefusedError):
                    await asyncio.open_connection("127.0.0.1", port)
            else:
                assert await closed_at_once(port)
            assert await answered(before)
            assert pilot.ways.reachable("meters", 0)
            pilot.farm.faults.clear(fault.id)
            await step(pilot)
            async with connected(port) as after:
                assert await answered(after)
            assert await answered(before)

    on_site(scenario)


def test_where_a_device_is_offline_as_well_who_is_there_is_reset(on_site: Callable[..., None]) -> None:
    async def scenario(pilot: Pilot, port: int) -> None:
        async with connected(port) as before:
            assert await answered(before)
            pilot.farm.faults.add("refused")
            pilot.farm.faults.add("offline", mode="cut")
            await step(pilot)
            assert await was_reset(before)
            assert not pilot.ways.reachable("meters", 0)

    on_site(scenario)


@pytest.mark.parametrize(("mode", "rst"), [("reset", True), ("close", False)])
def test_those_that_stand_end_once_and_those_that_come_stay(mode: str, rst: bool, on_site: Callable[..., None]) -> None:
    async def scenario(pilot: Pilot, port: int) -> None:
        async with connected(port) as first, connected(port) as second:
            assert await answered(first)
            assert await answered(second)
            fault = pilot.farm.faults.add("reset", mode=mode)
            await step(pilot)
            assert fault.bites.count == 2
            assert [await was_reset(each) for each in (first, second)] == [rst, rst]
        async with connected(port) as new:
            assert await answered(new)
            pilot.farm.faults.add("reset", parameters={"after_octets": 1_000})  # another does not bring the first back
            await step(pilot)
            assert await answered(new)

    on_site(scenario)


def test_each_connection_ends_amid_its_second_answer(on_site: Callable[..., None]) -> None:
    async def scenario(pilot: Pilot, port: int) -> None:
        async with connected(port) as before:
            fault = pilot.farm.faults.add("reset", parameters={"after_octets": len(SUNS) + 5})
            await step(pilot)
            for streams in (before, None):
                async with connected(port) as new:
                    reader, writer = streams or new
                    assert await answered((reader, writer))
                    writer.write(READ)
                    assert await was_reset((reader, writer))
            pilot.farm.faults.clear(fault.id)
            await step(pilot)
        async with connected(port) as after:
            assert all([await answered(after) for _ in range(3)])

    on_site(scenario)


def test_each_connection_lasts_a_time(on_site: Callable[..., None]) -> None:
    async def scenario(pilot: Pilot, port: int) -> None:
        pilot.farm.faults.add("reset", parameters={"after_s": 30.0})
        await step(pilot)
        clock = pilot.server._clock
        assert isinstance(clock, ManualClock)
        for _ in range(2):
            async with connected(port) as streams:
                assert await answered(streams)
                clock.advance(29.999)
                await step(pilot)
                assert await answered(streams)
                clock.advance(0.001)
                streams[1].write(READ)
                assert await was_reset(streams)

    on_site(scenario)


@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
def test_forgotten_connections_are_silent_and_reset_at_the_end(protocol: str, on_site: Callable[..., None]) -> None:
    async def scenario(pilot: Pilot, port: int) -> None:
        async with connected(port) as first, connected(port) as second:
            await until(lambda: standing(pilot) == (2, 0))
            fault = pilot.farm.faults.add("half-open")
            await step(pilot)
            assert (standing(pilot), fault.bites.count) == ((0, 2), 2)
            for each in (first, second):
                assert await silent(each, pilot)
            pilot.farm.faults.clear(fault.id)
            await step(pilot)
            assert [await was_reset(each) for each in (first, second)] == [True, True]
            await until(lambda: standing(pilot) == (0, 0))
        assert next(iter(pilot.server.counters.values())).open == 0

    on_site(scenario, protocol=protocol)


@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
def test_who_comes_takes_the_place_of_the_longest_forgotten(protocol: str, on_site: Callable[..., None]) -> None:
    async def scenario(pilot: Pilot, port: int) -> None:
        async with connected(port) as first, AsyncExitStack() as peers:
            await until(lambda: standing(pilot) == (1, 0))
            pilot.farm.faults.add("half-open")
            await step(pilot)
            async with connected(port) as second:
                await until(lambda: standing(pilot) == (1, 1))
                pilot.farm.faults.add("half-open")
                await step(pilot)
                assert standing(pilot) == (0, 2)
                for place, forgotten in enumerate((first, second), 1):
                    await peers.enter_async_context(connected(port))
                    assert await was_reset(forgotten)
                    await until(lambda place=place: standing(pilot) == (place, 2 - place))  # type: ignore[misc]
        assert next(iter(pilot.server.counters.values())).refused == 0

    on_site(scenario, protocol=protocol, connections=2)


def test_who_waits_for_a_place_gets_that_of_a_connection_that_is_forgotten(
    on_site: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener_module, "GRACE_S", 3_600.0)

    async def scenario(pilot: Pilot, port: int) -> None:
        (listener,) = pilot.server._listeners
        async with connected(port) as first:
            await until(lambda: standing(pilot) == (1, 0))
            async with connected(port) as waits:
                await until(lambda: len(listener._waiting) == 1)
                pilot.farm.faults.add("half-open")
                await step(pilot)
                assert await was_reset(first)
                assert await answered(waits)

    on_site(scenario, connections=1)


def test_who_comes_after_the_power_is_back_is_served_and_who_was_there_learns_when_it_speaks(
    on_site: Callable[..., None],
) -> None:
    async def scenario(pilot: Pilot, port: int) -> None:
        async with connected(port) as first, connected(port) as quiet:
            assert await answered(first)
            assert await answered(quiet)
            pilot.farm.faults.add("half-open", parameters={"reset_after_s": 0.0})
            await step(pilot)
            async with connected(port) as new:
                assert await answered(new)
                first[1].write(READ)
                assert await was_reset(first)
                await step(pilot)
                assert await answered(new)
            assert not quiet[0].at_eof()
            assert standing(pilot)[1] == 1

    on_site(scenario)


def test_forgotten_connections_count_among_what_the_system_grants(on_site: Callable[..., None]) -> None:
    async def scenario(pilot: Pilot, port: int) -> None:
        (listener,) = pilot.server._listeners
        free = listener.places._free
        async with connected(port) as first, connected(port):
            await until(lambda: standing(pilot) == (2, 0))
            pilot.farm.faults.add("half-open")
            await step(pilot)
            async with connected(port):
                await until(lambda: standing(pilot) == (1, 2))
                assert listener.places._free == free - 2, "the first at an address costs none of what is shared"
            first[1].close()
            await until(lambda: standing(pilot) == (0, 1))
            assert listener.places._free == free
        await until(lambda: standing(pilot) == (0, 0))
        assert listener.places._free == free

    on_site(scenario)


def test_a_device_off_the_network_and_the_end_of_the_farm_end_forgotten_connections_too(
    on_site: Callable[..., None],
) -> None:
    streams: list[Streams] = []

    async def scenario(pilot: Pilot, port: int) -> None:
        streams.append(await asyncio.open_connection("127.0.0.1", port))
        await until(lambda: standing(pilot) == (1, 0))
        pilot.farm.faults.add("half-open")
        await step(pilot)
        async with connected(port):
            await until(lambda: standing(pilot) == (1, 1))
            pilot.farm.faults.add("half-open")
            await step(pilot)
        await until(lambda: standing(pilot) == (0, 1))
        fault = pilot.farm.faults.add("offline")
        await step(pilot)
        assert await was_reset(streams[0])
        pilot.farm.faults.clear(fault.id)
        await step(pilot)
        async with connected(port) as last:
            await until(lambda: standing(pilot)[0] == 1)
            pilot.farm.faults.add("half-open")
            await step(pilot)
            await pilot.close()
            assert await ended(last[0])

    on_site(scenario)
