"""Open files: shared out so that everybody has some, and a shortage pauses instead of turning in circles."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from on_loopback import closed_at_once, connected, ended, free_port, running, until
from test_server import READ, SUNS, answered, limited, one_meter

from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.serving import listener as listener_module
from pilotfarm.emulators.serving import server as server_module
from pilotfarm.emulators.serving import transports
from pilotfarm.emulators.serving.descriptors import (
    OWN,
    REST_MAX,
    REST_MIN,
    SHORTAGE,
    WAITING_MIN,
    Places,
    Shares,
    share,
)
from pilotfarm.emulators.site.layout import SiteLayout

GRANTED = (256, 512, 1_024, 20_000, 1_048_576, float("inf"))


@pytest.mark.parametrize("granted", GRANTED)
def test_shares_fit_into_what_is_granted_and_everybody_has_some(granted: float) -> None:
    for listeners, each in product((1, 12, 63, 64, 65, 128, 359, 500, 10_000), (1, 4, 16, 1_000)):
        admitted = listeners * each
        least = min(admitted, REST_MIN)
        if granted < listeners + OWN + WAITING_MIN + REST_MIN + least:
            with pytest.raises(ConfigError, match=rf"{listeners} addresses .* `ulimit -n`"):
                share(granted, listeners, admitted)
            continue
        found = share(granted, listeners, admitted)
        assert listeners + OWN + found.masters + found.rest + found.waiting <= granted
        assert least <= found.masters <= admitted
        assert REST_MIN <= found.rest <= REST_MAX
        assert found.waiting >= WAITING_MIN
        assert found.masters == admitted or (found.rest, found.waiting) == (REST_MIN, WAITING_MIN)


def test_what_has_no_room_is_said_once_with_the_remedy(caplog: pytest.LogCaptureFixture) -> None:
    """The site norway where a user may open 1,024 files, as many systems have it."""
    assert share(1_024, 359, 5_104).masters == 473
    (said,) = caplog.messages
    assert said.startswith("473 of the 5104 connections")
    enough = 359 + OWN + WAITING_MIN + 5_104 + REST_MAX
    assert f"`ulimit -n {enough}`" in said
    caplog.clear()
    assert share(enough, 359, 5_104) == Shares(5_104, REST_MAX, WAITING_MIN)
    assert not caplog.messages


@given(st.integers(1, 8), st.integers(0, 12), st.lists(st.tuples(st.integers(0, 7), st.booleans())))
def test_places_are_never_overdrawn_and_with_enough_of_them_each_address_has_one(
    addresses: int, masters: int, moves: list[tuple[int, bool]]
) -> None:
    places, there = Places(Shares(masters, 1, 1), addresses), Counter[int]()
    for number, comes in moves:
        at = number % addresses
        if comes:
            if places.admit(there[at]):
                places.take(there[at])
                there[at] += 1
            else:
                assert there[at] or masters < addresses
        elif there[at]:
            there[at] -= 1
            places.leave(there[at])
        assert there.total() <= masters
        if masters >= addresses:
            free = masters - sum(max(1, there[each]) for each in range(addresses))
            assert places.admit(1) == (free > 0)
        else:
            assert places.admit(0) == places.admit(1) == (there.total() < masters)


def scarce(monkeypatch: pytest.MonkeyPatch, masters: int, waiting: int = 1) -> None:
    """Have a farm of so few places that a handful of masters are all."""
    monkeypatch.setattr(server_module, "share", lambda *_: Shares(masters, 1, waiting))


def test_a_master_beyond_the_shared_places_is_turned_away_counted_and_said_once(
    make_layout: Callable[..., SiteLayout], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scarce(monkeypatch, masters=3)
    first, second = free_port(), free_port()
    groups = limited(first, "iec104", 8) + limited(second, "iec104", 8).replace("meters", "others")

    async def scenario() -> None:
        async with running(make_layout(groups)) as pilot, AsyncExitStack() as stack:
            counters = pilot.server.counters["iec104"]
            for _ in range(2):
                await stack.enter_async_context(connected(first))
            await until(lambda: counters.open == 2)
            for turned_away in range(1, 4):
                async with connected(first) as (reader, _):
                    assert await ended(reader)
                assert (counters.no_room, counters.refused, counters.accepted) == (turned_away, 0, 2)
            # The place of the other address is kept for it.
            await stack.enter_async_context(connected(second))
            await until(lambda: counters.open == 3)

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert [message for message in caplog.messages if "turned away" in message] == [
        "more masters come than this user may open files for; they are turned away: raise `ulimit -n`"
    ]


def test_where_places_are_few_a_modbus_master_takes_that_of_the_longest_unused(
    make_layout: Callable[..., SiteLayout], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that silent masters cannot keep a farm for themselves."""
    scarce(monkeypatch, masters=2)
    port = free_port()

    async def scenario() -> None:
        async with running(make_layout(limited(port, "modbus", 16))) as pilot:
            counters = pilot.server.counters["modbus"]
            async with connected(port) as silent, connected(port) as second:
                await until(lambda: counters.open == 2)
                pilot.clock.advance(1.0)
                assert await answered(*second)
                async with connected(port) as newcomer:
                    assert await answered(*newcomer)
                    assert await ended(silent[0])
                    assert (counters.no_room, counters.gave_way, counters.open) == (0, 1, 2)

    asyncio.run(scenario())


def test_one_who_waits_has_the_place_that_is_left_at_another_address(
    make_layout: Callable[..., SiteLayout], monkeypatch: pytest.MonkeyPatch
) -> None:
    scarce(monkeypatch, masters=3)
    first, second = free_port(), free_port()
    groups = limited(first, "iec104", 8) + limited(second, "iec104", 8).replace("meters", "others")

    async def scenario() -> None:
        async with running(make_layout(groups)) as pilot, connected(first), connected(second):
            counters = pilot.server.counters["iec104"]
            async with connected(second):
                await until(lambda: counters.open == 3)
                newcomer = socket.create_connection(("127.0.0.1", first))
            with newcomer:
                await until(lambda: counters.accepted == 4)
                assert counters.no_room == 0

    asyncio.run(scenario())


def test_those_who_wait_are_bounded_over_all_addresses(
    make_layout: Callable[..., SiteLayout], monkeypatch: pytest.MonkeyPatch
) -> None:
    scarce(monkeypatch, masters=1, waiting=2)
    monkeypatch.setattr(listener_module, "GRACE_S", 3_600.0)
    port = free_port()

    async def scenario() -> None:
        async with running(make_layout(limited(port, "iec104", 1))) as pilot:
            counters = pilot.server.counters["iec104"]
            async with connected(port):
                await until(lambda: counters.open == 1)
                newcomers = [asyncio.create_task(closed_at_once(port)) for _ in range(5)]
                await until(lambda: counters.refused == 3)
            await until(lambda: counters.accepted == 2)  # one of those who waited, so that another may wait
            newcomers += [asyncio.create_task(closed_at_once(port)) for _ in range(2)]
            await until(lambda: counters.refused == 4)
            assert sum(each.done() for each in newcomers) <= 4
        assert await asyncio.gather(*newcomers) == 7 * [True]

    asyncio.run(scenario())


# ------------------------------------------------------------------------------------- a shortage


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Have the system grant no further descriptor to this process."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_listener_that_can_accept_nobody_leaves_the_loop_and_comes_back(
    make_layout: Callable[..., SiteLayout], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()

    async def scenario() -> None:
        async with running(make_layout(one_meter(port))):
            loop, begun = asyncio.get_running_loop(), SHORTAGE.pauses
            with socket.socket() as sock, socket.socket() as other:
                for each in (sock, other):
                    each.setblocking(False)
                monkeypatch.setattr(transports, "PAUSE_S", 3_600.0)
                with no_descriptors():
                    await loop.sock_connect(sock, ("127.0.0.1", port))
                    await until(lambda: SHORTAGE.pauses > begun)
                    for _ in range(200):  # turns in which a listener still in the loop would try again
                        await asyncio.sleep(0)
                    assert SHORTAGE.pauses == begun + 1
                assert caplog.messages == [
                    "cannot accept connections: Too many open files; who comes has to wait, or to come again"
                ]

    asyncio.run(scenario())


def test_who_waited_in_a_shortage_is_served_after_it_and_each_is_said_once(
    make_layout: Callable[..., SiteLayout], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ports = free_port(), free_port()
    groups = one_meter(ports[0]) + one_meter(ports[1]).replace("meters", "others")
    monkeypatch.setattr(transports, "PAUSE_S", 0.01)

    async def scenario() -> None:
        async with running(make_layout(groups)):
            loop, begun = asyncio.get_running_loop(), SHORTAGE.pauses
            with socket.socket() as sock, socket.socket() as other:
                for each in (sock, other):
                    each.setblocking(False)
                with no_descriptors():
                    for each, port in zip((sock, other), ports, strict=True):
                        await loop.sock_connect(each, ("127.0.0.1", port))
                    await until(lambda: SHORTAGE.pauses >= begun + 6)
                    assert len(caplog.messages) == 1
                for each in (sock, other):
                    await loop.sock_sendall(each, READ)
                    assert await loop.sock_recv(each, len(SUNS)) == SUNS
            assert caplog.messages[1:] == ["connections are accepted again"]

    asyncio.run(scenario())


def test_a_listener_that_closes_in_a_shortage_ends_it(
    make_layout: Callable[..., SiteLayout], caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()

    async def scenario() -> None:
        with socket.socket() as sock:
            sock.setblocking(False)
            async with running(make_layout(one_meter(port))):
                begun = SHORTAGE.pauses
                with no_descriptors():
                    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
                    await until(lambda: SHORTAGE.pauses > begun)
            assert caplog.messages[1:] == ["connections are accepted again"]

    asyncio.run(scenario())
