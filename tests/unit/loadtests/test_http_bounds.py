"""What peers that send or read slowly, or nothing, can take from others over HTTP: spoken to over real sockets."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Event, Thread
from typing import Any, Final

import httpx
import pytest
from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from pilotfarm.loadtests.problems import Api
from pilotfarm.loadtests.web.connection import Connection
from pilotfarm.loadtests.web.server import Server
from pilotfarm.loadtests.web.watch import Bounds, Watch
from pilotfarm.loadtests.web.work import BODY_FREE_BYTES

PATIENCE_S: Final = 20.0
HEAD: Final = b"GET /quick HTTP/1.1\r\nHost: localhost\r\nX-More: a"
LARGE_BYTES: Final = 24_000_000


def post(length: int, sent: bytes, path: str = "/count") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode() + sent


HALVES: Final = {
    "head": HEAD,
    "no more than a letter": b"G",
    "body": post(1_000, b"1"),
    "chunks": b"POST /count HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    "body after an answer": b"GET /quick HTTP/1.1\r\nHost: localhost\r\n\r\n" + post(1_000, b"1"),
}


class Served:
    """A server in a thread of its own, with an application that waits, streams and answers at length."""

    def __init__(self, bounds: Bounds, port: int) -> None:
        self.port = port
        self.goes_on = asyncio.Event()
        self.waiting = 0
        self.loop: asyncio.AbstractEventLoop | None = None
        """Where requests wait, once one does."""
        self.app = Api(title="test")
        self.app.get("/quick")(self.quick)
        self.app.get("/wait")(self.wait)
        self.app.get("/large")(self.large)
        self.app.get("/stream")(self.stream)
        self.app.post("/count")(self.count)
        self.app.head("/count")(self.count)
        self.ready = Event()
        self.server = Server(self.app, self.ready.set, bounds, lifespan="off", timeout_graceful_shutdown=1)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S, trust_env=False)

    async def quick(self) -> str:
        return "quick"

    async def wait(self) -> str:
        self.loop = asyncio.get_running_loop()
        self.waiting += 1
        await self.goes_on.wait()
        return "waited"

    async def large(self) -> Response:
        return Response(b"x" * LARGE_BYTES)

    async def count(self, request: Request) -> int:
        return len(await request.body())

    async def stream(self) -> StreamingResponse:
        self.loop = asyncio.get_running_loop()

        async def lines() -> AsyncIterator[str]:
            yield ": listening\n\n"
            self.waiting += 1
            await self.goes_on.wait()

        return StreamingResponse(lines(), media_type="text/event-stream")

    def connect(self, sent: bytes = b"") -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)
        sock.sendall(sent)
        return sock

    @property
    def connections(self) -> set[Connection]:
        return set(self.server.server_state.connections)

    @property
    def open(self) -> int:
        return len(self.connections)

    @property
    def now_s(self) -> float:
        return self.server.watch.now_s


@contextmanager
def serving(**bounds: Any) -> Iterator[Served]:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        served = Served(Bounds(**bounds), listener.getsockname()[1])
        thread = Thread(target=served.server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            assert served.ready.wait(PATIENCE_S)
            with served.client:
                yield served
        finally:
            served.server.should_exit = True
            thread.join(PATIENCE_S)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def few() -> Iterator[Served]:
    """A server of few connections that waits for ever."""
    with serving(connections_max=40, requests_max=8, arrival_s=1e6) as found:
        yield found


@pytest.fixture(scope="module")
def hasty() -> Iterator[Served]:
    """A server that does not wait for long."""
    with serving(arrival_s=0.3, stall_s=0.6) as found:
        yield found


def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def everything(sock: socket.socket) -> bytes:
    """Read until the server closes."""
    found = b""
    with sock:
        while data := sock.recv(65_536):
            found += data
    return found


def problem(answer: bytes) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.lower().split(b"\r\n")
    assert b"connection: close" in head.lower().split(b"\r\n")
    found: dict[str, Any] = json.loads(body)
    assert int(head.split()[1]) == found["status"]
    return found


@pytest.mark.parametrize("sent", [b"", *HALVES.values()], ids=["nothing", *HALVES])
def test_half_sent_requests_shut_nobody_out(few: Served, sent: bytes) -> None:
    with ExitStack() as stack:
        for _ in range(120):
            stack.enter_context(few.connect(sent))
        assert few.client.get("/quick").status_code == 200
        assert few.client.post("/count", content=b"four").json() == 4
        eventually(lambda: few.open <= 40)


def test_idle_connections_shut_nobody_out_and_those_at_work_stay(few: Served) -> None:
    with ExitStack() as stack:
        at_work = few.connect(b"GET /wait HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        eventually(lambda: few.waiting == 1)
        for _ in range(120):
            sock = stack.enter_context(few.connect(b"GET /quick HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            assert sock.recv(1_000).startswith(b"HTTP/1.1 200")
        assert few.client.get("/quick").status_code == 200
        asyncio_call(few, few.goes_on.set)
        assert everything(at_work).endswith(b'"waited"')
        asyncio_call(few, few.goes_on.clear)
        few.waiting = 0


def asyncio_call(served: Served, call: Callable[[], None]) -> None:
    """Call in the server's loop, as an event wants it."""
    assert served.loop is not None
    served.loop.call_soon_threadsafe(call)


def quick(sock: socket.socket) -> bytes:
    """Read one answer of /quick, which may come in parts."""
    found = b""
    while not found.endswith(b'"quick"'):
        data = sock.recv(1_000)
        assert data, found
        found += data
    return found


def test_who_was_never_served_gives_way_first_and_the_longest_first() -> None:
    with serving(connections_max=6, requests_max=4, arrival_s=1e6) as few, ExitStack() as stack:
        served = stack.enter_context(few.connect(b"GET /quick HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        assert quick(served).startswith(b"HTTP/1.1 200")
        first, second = (few.connect(sent) for sent in (HEAD, post(1_000, b"1")))
        eventually(lambda: sum(each.conn.trailing_data[0] != b"" for each in few.connections) == 1)
        eventually(lambda: len(few.server.server_state.tasks) == 1)
        for _ in range(3):
            stack.enter_context(few.connect())
        eventually(lambda: few.open == 6)
        first.setblocking(False)
        with pytest.raises(BlockingIOError):
            first.recv(1)
        first.settimeout(PATIENCE_S)
        stack.enter_context(few.connect())
        assert problem(everything(first))["status"] == 503
        second.setblocking(False)
        with second, pytest.raises(BlockingIOError):
            second.recv(1)
        served.sendall(b"GET /quick HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert quick(served).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("sent", HALVES.values(), ids=HALVES)
def test_a_request_that_does_not_arrive_in_time_gets_408(hasty: Served, sent: bytes) -> None:
    answer = everything(hasty.connect(sent))
    answer = answer[answer.rindex(b"HTTP/1.1 ") :]
    assert problem(answer)["status"] == 408


@pytest.mark.parametrize("sent", [HEAD, post(1_000_000, b"1")], ids=["head", "body"])
def test_a_byte_now_and_then_is_no_arrival(hasty: Served, sent: bytes) -> None:
    sock = hasty.connect(sent)
    sock.settimeout(0.02)
    answer = b""
    for _ in range(1_000):
        try:
            sock.sendall(b"a")
            if not (data := sock.recv(65_536)):
                break
            answer += data
        except TimeoutError:
            continue
        except OSError:  # closed, with our last byte unread
            break
    else:
        pytest.fail("a byte now and then keeps a request alive")
    sock.close()
    assert problem(answer)["status"] == 408


def test_who_sends_nothing_is_let_go_without_a_word(hasty: Served) -> None:
    assert everything(hasty.connect()) == b""


def test_a_refused_body_that_goes_on_is_not_listened_to_for_ever(hasty: Served) -> None:
    answer = everything(hasty.connect(post(1_000, b"1", "/nowhere")))
    assert answer.startswith(b"HTTP/1.1 404")
    assert answer.count(b"HTTP/1.1") == 1


def test_a_head_that_asks_for_a_head_alone_gets_no_body_with_408(hasty: Served) -> None:
    answer = everything(hasty.connect(post(1_000, b"1").replace(b"POST", b"HEAD", 1)))
    assert answer.startswith(b"HTTP/1.1 408")
    assert answer.endswith(b"\r\n\r\n")
    assert hasty.client.get("/quick").status_code == 200


def test_a_long_body_has_time_by_its_length() -> None:
    with serving(arrival_s=0.2, arrival_bytes_per_s=10_000.0) as served:
        sock = served.connect(post(100_001, b"x" * 100_000))
        until_s = served.now_s + 0.5  # longer than a short one may take
        eventually(lambda: served.now_s > until_s)
        sock.sendall(b"x")
        assert sock.recv(1_000).startswith(b"HTTP/1.1 200")
        sock.close()


def test_the_servers_own_delay_counts_for_nobody() -> None:
    watch: Watch[str] = Watch(Bounds())
    for loop_s in (1_000.0, 1_000.1, 1_060.0, 1_060.1):
        watch.tick(loop_s)
    assert watch.now_s == pytest.approx(0.7)


def test_more_requests_than_may_be_at_work_are_told_to_come_again() -> None:
    with serving(requests_max=4) as served, ExitStack() as stack:
        for number in range(8):  # neither streams that have begun nor bodies on their way are work
            stack.enter_context(served.connect(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            stack.enter_context(served.connect(post(9, b"1")))
            eventually(lambda number=number: served.waiting == number + 1)
        waiting = [
            served.connect(b"GET /wait HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n") for _ in range(4)
        ]
        eventually(lambda: served.waiting == 12)
        for answer in (served.client.get("/quick"), served.client.post("/count", content=b"1")):
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["retry-after"] == "1"
        asyncio_call(served, served.goes_on.set)
        assert all(everything(sock).endswith(b'"waited"') for sock in waiting)
        assert served.client.get("/quick").status_code == 200


def test_bodies_on_their_way_hold_so_much_and_no_more() -> None:
    with serving(bodies_max_bytes=150_000) as served:
        long = 100_000 + BODY_FREE_BYTES
        assert served.client.post("/count", content=b"x" * long).json() == long
        half = served.connect(post(long + 1, b"x" * long))
        eventually(lambda: served.server.config.app._bodies_bytes == 100_000)
        refused = served.client.post("/count", content=b"x" * long)
        assert refused.status_code == 503
        assert refused.headers["content-type"] == "application/problem+json"
        assert served.client.post("/count", content=b"x" * BODY_FREE_BYTES).json() == BODY_FREE_BYTES
        half.close()
        eventually(lambda: served.client.post("/count", content=b"x" * long).status_code == 200)


@pytest.mark.parametrize("keeps", [b"keep-alive", b"close"])
def test_an_answer_that_nobody_reads_is_let_go(hasty: Served, keeps: bytes) -> None:
    sock = hasty.connect(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: " + keeps + b"\r\n\r\n")
    sock.recv(1)
    eventually(lambda: all(each.transport.get_write_buffer_size() == 0 for each in hasty.connections))
    assert is_cut(sock)


def is_cut(sock: socket.socket) -> bool:
    """Whether the rest of a large answer does not come."""
    found = 0
    with sock:
        try:
            while data := sock.recv(2**20):
                found += len(data)
        except ConnectionError:
            return True
    return found < LARGE_BYTES


def test_answers_wait_for_their_readers_with_so_much_and_no_more() -> None:
    with serving(unsent_max_bytes=LARGE_BYTES, stall_s=1e6) as served:
        first, second = (asks_at_length(served, count) for count in (1, 2))
        eventually(lambda: served.open == 1)
        assert is_cut(first)
        assert not is_cut(second)


def asks_at_length(served: Served, count: int) -> socket.socket:
    """Ask for what nobody reads, and wait until the server has seen that ``count`` do not."""
    sock = served.connect(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    eventually(lambda: served.server.server_state.total_requests == count)
    if count == 1:
        eventually(lambda: any(each.unsent for each in served.connections))
    return sock


def test_the_server_ends_though_an_answer_is_not_read() -> None:
    with serving() as served:
        sock = asks_at_length(served, 1)
    assert is_cut(sock)


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
    ],
    ids=["text", "TLS", "no host", "no ASCII"],
)
def test_garbage_gets_a_problem_document_and_no_line_in_the_log(
    hasty: Served, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert problem(everything(hasty.connect(sent)))["status"] == 400
    assert not [record for record in caplog.records if not record.name.startswith("http")]


def test_who_leaves_in_the_middle_of_a_body_leaves_no_line_in_the_log(
    few: Served, caplog: pytest.LogCaptureFixture
) -> None:
    sock = few.connect(post(1_000, b"1"))
    eventually(lambda: len(few.server.server_state.tasks) == 1)
    sock.close()
    eventually(lambda: not few.server.server_state.tasks)
    assert not [record for record in caplog.records if not record.name.startswith("http")]


def test_the_server_ends_without_waiting_for_the_rest_of_a_request() -> None:
    with serving(arrival_s=1e6) as served:
        halves = [served.connect(sent) for sent in (HEAD, post(1_000, b"1"))]
        eventually(lambda: served.open == 2)
    assert [problem(everything(sock))["status"] for sock in halves] == [503, 503]


@pytest.mark.parametrize(("target", "status"), [("/quick", 200), ("/nowhere", 404), ("", 404), ("?a=1", 404)])
def test_a_target_may_be_in_absolute_form(hasty: Served, target: str, status: int) -> None:
    with hasty.connect(f"GET HTTP://localhost{target} HTTP/1.1\r\nHost: other\r\n\r\n".encode()) as sock:
        assert sock.recv(1_000).startswith(f"HTTP/1.1 {status}".encode())
