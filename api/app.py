"""The REST API of a running pilot."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from importlib.metadata import version
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request, Security
from fastapi.responses import RedirectResponse
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pilotfarm.api.events import EventStream
from pilotfarm.api.routes import (
    capture,
    clock,
    concentrators,
    devices,
    faults,
    memory,
    recording,
    scenarios,
    setpoints,
    site,
    stations,
    until,
    watch,
)
from pilotfarm.api.routes.context import Context
from pilotfarm.emulators.record.ledger import Ledger
from pilotfarm.emulators.scenarios.board import Board, Entry
from pilotfarm.emulators.scenarios.model import ScenarioFile
from pilotfarm.emulators.scenarios.verdict import Result
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.loadtests import problems
from pilotfarm.loadtests.web.docs import add_docs
from pilotfarm.loadtests.web.gate import TokenGate
from pilotfarm.loadtests.web.hosts import LocalOnly

PREFIX: Final = "/api/v1"
BODY_MAX_BYTES: Final = 1_000_000
_TAGS: Final = [
    {"name": "site", "description": "What was brought up, and where it listens"},
    {"name": "devices", "description": "True and reported values, points, set-points"},
    {"name": "faults", "description": "Break things, and mend them"},
    {"name": "scenarios", "description": "What goes wrong and when, and a verdict on what is seen"},
    {"name": "clock", "description": "Speed, pause, steps by hand"},
    {"name": "watch", "description": "Events, metrics, health"},
]
_ABOUT: Final = """Virtual smart-grid pilot: read and command its devices, break things, control its time.

Powers are positive when they leave the device towards the grid. Every error is a problem document
(`application/problem+json`, RFC 9457) that lists all that is wrong with the request.
"""


def create_app(
    pilot: Pilot, *, token: str | None = None, ledger: Ledger | None = None, hosts: Collection[str] = ()
) -> FastAPI:
    """Build the API of a pilot.

    With ``token``, every request but for the health and the page to try the API needs it as bearer. Without, only
    requests to this machine's own names, and to ``hosts``, are served.
    """
    context = _context(pilot, ledger)
    app = problems.Api(
        models=[ScenarioFile],
        title="pilotfarm",
        summary="Control of a virtual smart-grid pilot",
        description=_ABOUT,
        version=version("pilotfarm"),
        openapi_tags=_TAGS,
        openapi_url=f"{PREFIX}/openapi.json",
        responses=problems.documented(*(() if token else (403, 421)), 500, 503),
    )
    app.state.context = context
    opened = ["/", "/healthz", "/openapi.json", *add_docs(app, f"{PREFIX}/docs")]
    app.add_middleware(_Bodies)
    if token is None:
        app.add_middleware(LocalOnly, names=hosts, hint=", and what `--allow-host` names")
    else:
        app.add_middleware(TokenGate, token=token, open_paths=frozenset(opened))
    locks = [Security(HTTPBearer(auto_error=False))] if token else []
    refused = problems.documented(401) if token else {}
    api = APIRouter(prefix=PREFIX, responses=refused)
    for module in (
        site,
        stations,
        concentrators,
        devices,
        memory,
        setpoints,
        faults,
        recording,
        scenarios,
        clock,
        until,
        watch,
        capture,
    ):
        api.include_router(module.router)
    app.include_router(api, dependencies=locks)
    app.include_router(watch.outside, responses=refused)
    app.include_router(watch.unlocked)

    app.get("/openapi.json", include_in_schema=False)(_read_schema)
    app.get("/", include_in_schema=False)(_read_root)
    return app


# Not inside of ``create_app``: FastAPI keeps what it has called, and with it would keep an app that has ended.
async def _read_schema(request: Request) -> dict[str, Any]:
    schema: dict[str, Any] = request.app.openapi()
    return schema


async def _read_root() -> RedirectResponse:
    return RedirectResponse(f"{PREFIX}/docs")


def _context(pilot: Pilot, ledger: Ledger | None) -> Context:
    """Have the events and scenarios of a pilot follow its steps."""
    events = EventStream(pilot.farm.population, pilot.clock)
    pilot.observe(events)

    def tell(entry: Entry, event: str, results: Sequence[Result]) -> None:
        events.scenario_moved(entry, event, results, pilot.farm.moment)

    board = Board(pilot.farm, pilot.clock.now_s, tell)
    pilot.attendants.append(board.advance)
    return Context(pilot, events, ledger, board, asyncio.Lock())


class _Bodies:
    """Takes no body that is too large."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        if length.isdecimal() and int(length) > BODY_MAX_BYTES:
            await _too_large(scope["path"])(scope, receive, send)
            return
        await self._app(scope, _Bounded(receive), send)


class _Bounded:
    """A body that ends where it grows too large, whatever its header said of it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._left = BODY_MAX_BYTES

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise HTTPException(413, _TOO_LARGE)
        return message


_TOO_LARGE: Final = f"the body is larger than {BODY_MAX_BYTES:,} bytes"


def _too_large(path: str) -> ASGIApp:
    return problems.response(path, 413, [("", _TOO_LARGE)])
