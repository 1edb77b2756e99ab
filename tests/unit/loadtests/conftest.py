"""A real SESP on a free loopback port, in a thread of the test's own process."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Event, Thread
from typing import Any

import httpx
import pytest
import uvicorn

from loadtests.sesp.app import make_app
from loadtests.sesp.server import Server


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an ASGI application, and give its URL."""
    ready = Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=2), ready.set)
        thread = Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            assert ready.wait(20.0), "the SESP did not come up"
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20.0)


@pytest.fixture(scope="session")
def serve() -> Callable[[Any], AbstractContextManager[str]]:
    return served


@pytest.fixture
def sesp(tmp_path: Any) -> Iterator[httpx.Client]:
    """A client of a SESP with an empty database in a file."""
    with served(make_app(str(tmp_path / "sesp.sqlite"))) as url, httpx.Client(base_url=url) as client:
        yield client
