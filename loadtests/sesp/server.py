"""Serve the reference SESP until SIGINT, SIGTERM or SIGHUP."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from typing import Any

from pilotfarm.loadtests import logs, signals
from pilotfarm.loadtests.sesp.app import make_app
from pilotfarm.loadtests.web.hosts import LocalOnly
from pilotfarm.loadtests.web.server import BACKLOG, Server

KEEP_ALIVE_S = 75
"""How long an idle connection is kept: longer than a load test's usual interval, as head-ends do."""


def serve(database: str, host: str, port: int, on_ready: Callable[[str], None], token: str | None = None) -> None:
    """Serve until told to stop; ``on_ready`` gets the URL once it listens (port 0 takes a free one).

    Raises ``OSError`` if the address cannot be taken.
    """
    logs.configure()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        shown = f"[{host}]" if family == socket.AF_INET6 else host
        url = f"http://{shown}:{listener.getsockname()[1]}"
        app: Any = make_app(database, token=token)
        server = Server(
            LocalOnly(app, [host]) if token is None else app,
            lambda: on_ready(url),
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=5,
        )
        # uvicorn raises the signal that stopped it once more when it is done; that must not end us by the signal.
        for number in signals.ending():
            signal.signal(number, server.handle_exit)
        asyncio.run(server.serve(sockets=[listener]))
