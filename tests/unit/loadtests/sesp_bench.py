"""A real SESP on a free loopback port, in a thread of the test's own process; what to send it, and where it stores."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any, Final
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url, text

from pilotfarm.loadtests.web.server import Server

READINGS: Final = "/api/v1/readings"
POSTGRESQL: Final = "PILOTFARM_TEST_POSTGRESQL"
"""Variable of the environment with the URL of a PostgreSQL server on which a test may make databases."""


def reading(sequence: int = 1, device: str = "meter-1", run: str = "r", **changes: Any) -> dict[str, Any]:
    return {
        "device_id": device,
        "kind": "smart_meter",
        "run": run,
        "sequence": sequence,
        "timestamp": "2026-06-15T08:00:00+02:00",
        "values": {"active_power_w": -1500.5},
        **changes,
    }


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an ASGI application, and give its URL."""
    ready = Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(app, ready.set, timeout_graceful_shutdown=2)
        thread = Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            assert ready.wait(20.0), "the SESP did not come up"
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20.0)


@contextmanager
def new_postgresql(options: str = "") -> Iterator[str]:
    """Make an empty database on the tests' PostgreSQL server, give its URL, and drop it; skip without a server."""
    if not os.environ.get(POSTGRESQL):
        pytest.skip(f"PostgreSQL is not tested: {POSTGRESQL} is not set; run `tests/postgresql.sh make test`")
    server = make_url(os.environ[POSTGRESQL]).set(drivername="postgresql+psycopg")
    name = f"sesp_{uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0 {options}"))
            try:
                yield server.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
            finally:
                connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        engine.dispose()
