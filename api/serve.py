"""A pilot and its API on one event loop, from the first socket to a clean end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Final, TypeAlias

from fastapi import FastAPI

from pilotfarm.api.app import create_app
from pilotfarm.emulators.errors import ConfigError, Problem
from pilotfarm.emulators.record.ledger import Recording
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site.layout import SiteLayout
from pilotfarm.loadtests import signals
from pilotfarm.loadtests.web.server import BACKLOG, Server
from pilotfarm.loadtests.web.watch import Bounds

GRACE_S: Final = 2
"""How long requests may go on once the farm is told to stop."""
TICK_S: Final = 0.1
"""Between two looks of the HTTP server at its connections, as uvicorn has it."""
_END_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Options:
    """How to bring a site up. ``api_port`` 0 takes any free one."""

    api_host: str
    api_port: int
    token: str | None
    speed: float
    ledger: Recording | None
    hosts: tuple[str, ...] = ()
    """Names, beside this machine's own, that are served without a token."""
    max_late_s: float | None = None
    """How late a step may begin, in wall time; None for no bound."""


Attend: TypeAlias = Callable[[Pilot, Callable[[], None]], None]
"""Called with a pilot before its first step, and what ends it."""


def run(layout: SiteLayout, options: Options, announce: Callable[[str], None], attend: Attend | None = None) -> str:
    """Bring a site up until SIGINT, SIGTERM or SIGHUP; ``announce`` is called with the API's URL once all is up.

    Returns what the ledger lost (``Ledger.loss``). Raises ``ConfigError`` when an address or the ledger's folder cannot
    be had, and ``RunError`` when a step begins too late; nothing is left open then.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_serve(layout, options, announce, attend))


async def _serve(layout: SiteLayout, options: Options, announce: Callable[[str], None], attend: Attend | None) -> str:
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in signals.ending():
        loop.add_signal_handler(number, asked_to_stop.set)
    async with AsyncExitStack() as stack:
        pilot = Pilot(layout, speed=options.speed, max_late_s=options.max_late_s)
        ledger = None if options.ledger is None else options.ledger.of(pilot.farm, pilot.clock)
        if ledger is not None:
            stack.callback(ledger.close)
            pilot.observe(ledger)
        if attend is not None:
            attend(pilot, asked_to_stop.set)
        sock = stack.enter_context(_bound(options.api_host, options.api_port))
        await pilot.start()
        stack.push_async_callback(pilot.close)
        app = create_app(pilot, token=options.token, ledger=ledger, hosts=(options.api_host, *options.hosts))
        http = _Http(app, pilot.server.shares.rest)
        tasks = [asyncio.create_task(pilot.run()), asyncio.create_task(http.serve([sock]))]
        watch = [*tasks, asyncio.create_task(asked_to_stop.wait())]
        ready = asyncio.create_task(http.is_up.wait())
        await asyncio.wait([*watch, ready], return_when=asyncio.FIRST_COMPLETED)
        if http.is_up.is_set():
            host = f"[{options.api_host}]" if ":" in options.api_host else options.api_host
            announce(f"http://{host}:{sock.getsockname()[1]}")
            pilot.runner.change()  # no step is late for what it took to come up
            await asyncio.wait(watch, return_when=asyncio.FIRST_COMPLETED)
        app.state.context.scenarios.close()
        app.state.context.events.close()
        http.leave()
        pilot.stop()
        await _ended(tasks)
        for task in (watch[-1], ready):
            task.cancel()
    return "" if ledger is None else ledger.loss


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    """Wait for what was told to end, not for ever; an error that ended one is raised."""
    done, pending = await asyncio.wait(tasks, timeout=_END_S)
    for task in pending:
        task.cancel()
    for task in done:
        task.result()


class _Http(Server):
    """A server on a loop that is not its own: the signals are somebody else's."""

    def __init__(self, app: FastAPI, connections_max: int) -> None:
        self.is_up = asyncio.Event()
        self._leaving = asyncio.Event()
        bounds = Bounds.of(connections_max)
        super().__init__(app, self.is_up.set, bounds, lifespan="off", timeout_graceful_shutdown=GRACE_S)

    def leave(self) -> None:
        """Have it end now, and not with its next tick."""
        self.should_exit = True
        self._leaving.set()

    async def main_loop(self) -> None:
        tick = 0
        while not await self.on_tick(tick):
            tick += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), TICK_S)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    """Listen for the API; ``ConfigError`` says what to do when that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        message = f"cannot listen on {host}:{port} for the API: {error.strerror}; choose another address with --api"
        raise ConfigError([Problem("--api", 0, "", message)]) from None
    with sock:
        yield sock


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
