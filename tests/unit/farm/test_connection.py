"""Links around the engine of a connection: put on, taken off and in the middle, with nothing lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import permutations

import pytest
from example_faults import Delay
from on_loopback import until

from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.contracts.way import Admission, Engine
from pilotfarm.emulators.serving.connection import TIMED_EVERY, Connection, Counters, Wrap
from pilotfarm.emulators.serving.histogram import LATENCIES_S


class Parrot:
    """Says everything back."""

    def __init__(self) -> None:
        self.heard = b""
        self.said = b""
        self.closed = False

    def receive(self, data: bytes, now_s: float) -> None:
        self.heard += data
        self.said += data

    def advance(self, now_s: float) -> None: ...
    def deadline_s(self) -> float | None:
        return None

    def take_output(self) -> bytes:
        said, self.said = self.said, b""
        return said

    def hang_up(self, now_s: float) -> None:
        self.closed = True


class Sleeper(Parrot):
    """Wants to be woken, and says so when it is."""

    def __init__(self, due_s: float) -> None:
        super().__init__()
        self.due_s: float | None = due_s

    def advance(self, now_s: float) -> None:
        if self.due_s is not None and now_s >= self.due_s:
            self.said, self.due_s = b"awake", None

    def deadline_s(self) -> float | None:
        return self.due_s


class Line(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.ended = ""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def is_closing(self) -> bool:
        return bool(self.ended)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.ended = "closed"

    def abort(self) -> None:
        self.ended = "aborted"


class Desk:
    """A listener of one connection."""

    address = "here"

    def __init__(
        self, links: Mapping[int, Wrap], admission: Admission = Admission.OPEN, parrot: Parrot | None = None
    ) -> None:
        self.counters = Counters()
        self.links = links
        self.sparing: tuple[int, ...] = ()
        self.captures = ()
        self.forgotten = False
        self.admission = admission
        self.parrot = Parrot() if parrot is None else parrot
        self.clock = ManualClock(0.0)
        self.line = Line()
        self.connection = Connection(self, "peer", 7, self.counters, self.clock)
        self.gone = False

    def engine(self, connection: Connection, now_s: float) -> Engine:
        return self.parrot

    def left(self, connection: Connection) -> None:
        self.gone = True

    def forget(self, connection: Connection) -> None:
        self.forgotten = True

    def wait(self, seconds: float) -> None:
        self.connection.pump(self.clock.advance(seconds))


def late(seconds: float) -> Wrap:
    return lambda engine, number, now_s: Delay(engine, seconds)


def test_a_link_holds_bytes_back_both_ways() -> None:
    async def scenario() -> None:
        desk = Desk({1: late(2.0)})
        desk.connection.connection_made(desk.line)
        desk.connection.data_received(b"ab")
        assert desk.parrot.heard == b""
        desk.wait(2.0)
        assert (desk.parrot.heard, desk.line.written) == (b"ab", b"")
        desk.wait(1.999)
        assert desk.line.written == b""
        desk.wait(0.001)
        assert desk.line.written == b"ab"

    asyncio.run(scenario())


def test_an_engine_is_woken_when_it_is_due_and_sooner_if_it_comes_to_be_due_sooner() -> None:
    async def scenario() -> None:
        for first_s, then_s in ((10.0, 10.0), (1_000.0, 10.0)):
            sleeper = Sleeper(first_s)
            desk = Desk({}, parrot=sleeper)
            desk.clock.advance(9.999)
            desk.connection.connection_made(desk.line)
            sleeper.due_s = then_s
            desk.connection.data_received(b"")
            desk.clock.advance(0.001)
            await until(lambda line=desk.line: line.written == b"awake")  # type: ignore[misc]
            desk.connection.connection_lost(None)

    asyncio.run(scenario())


class Slow(Parrot):
    """Takes a while to answer, and does not answer everything."""

    clock: ManualClock

    def receive(self, data: bytes, now_s: float) -> None:
        self.clock.advance(0.004)
        if data != b"silence":
            super().receive(data, now_s)


def test_one_read_in_sixteen_is_timed_if_it_is_answered() -> None:
    async def scenario() -> None:
        desk = Desk({}, parrot=(slow := Slow()))
        slow.clock = desk.clock
        desk.connection.connection_made(desk.line)
        for timed in (1, 2, 3):
            desk.connection.data_received(b"a")
            assert sum(desk.counters.answer_times.counts) == timed, "the first of each sixteen"
            for _ in range(TIMED_EVERY - 1):
                desk.connection.data_received(b"a")
            assert desk.counters.answer_times.counts[LATENCIES_S.index(0.005)] == timed
        desk.connection.data_received(b"silence")
        assert (desk.counters.reads, sum(desk.counters.answer_times.counts)) == (3 * TIMED_EVERY + 1, 3)
        assert desk.counters.answer_times.total == pytest.approx(3 * 0.004)

    asyncio.run(scenario())


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))))
@pytest.mark.parametrize("waited_s", [0.0, 1.0, 2.5, 5.0, 8.0])
def test_links_that_go_in_any_order_lose_nothing_and_leave_the_engine_alone(
    order: tuple[int, ...], waited_s: float
) -> None:
    async def scenario() -> None:
        links = {1: late(1.0), 2: late(2.0), 3: late(0.5)}
        desk = Desk(links)
        desk.connection.connection_made(desk.line)
        desk.connection.data_received(b"before")
        desk.wait(waited_s)
        for number in order:
            del links[number]
            desk.connection.link(links)
        assert (desk.parrot.heard, desk.line.written) == (b"before", b"before")
        desk.connection.data_received(b" after")
        assert desk.line.written == b"before after"

    asyncio.run(scenario())


def test_links_put_around_a_standing_connection_are_the_newest_outside() -> None:
    async def scenario() -> None:
        desk = Desk({})
        desk.connection.connection_made(desk.line)
        desk.connection.data_received(b"x")
        assert desk.line.written == b"x"
        seen: list[tuple[type, int]] = []

        def wrap(engine: Engine, number: int, now_s: float) -> Delay:
            seen.append((type(engine), number))
            return Delay(engine, 1.0)

        desk.connection.link({5: wrap, 6: wrap})
        assert seen == [(Parrot, 7), (Delay, 7)]

    asyncio.run(scenario())


def test_who_came_in_the_moment_in_which_the_door_was_shut_is_reset() -> None:
    async def scenario() -> None:
        desk = Desk({}, Admission.REFUSE)
        desk.connection.connection_made(desk.line)
        assert desk.line.ended == "aborted"
        desk.connection.data_received(b"ab")
        desk.connection.connection_lost(None)
        assert (desk.parrot.heard, desk.gone) == (b"", True)

    asyncio.run(scenario())
