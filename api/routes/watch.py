"""Watching the farm: its events, its metrics, its health."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from pilotfarm.api import events, models
from pilotfarm.api.metrics import registry_of
from pilotfarm.api.routes.context import Here
from pilotfarm.loadtests.problems import Refused, documented

router = APIRouter(tags=["watch"])
"""Under the API's prefix."""
outside = APIRouter(tags=["watch"])
"""Where Prometheus and whoever supervises the process look for them."""

_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Events until either side ends the stream",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.get(
    "/events",
    summary="What happens, as it happens (server-sent events)",
    description=f"Events: {', '.join(f'`{name}`' for name in events.NAMES)}; the data of each is JSON. A comment "
    f"comes every {events.HEARTBEAT_S:g} s of silence. Whoever falls more than {events.WAITING_MAX:,} events behind "
    "loses the oldest and gets a `dropped` event with their count.",
    response_class=StreamingResponse,
    responses={**_STREAM, **documented(503)},
)
async def read_events(here: Here) -> StreamingResponse:
    if here.events.full:
        raise Refused(503, [("", f"{events.SUBSCRIBERS_MAX} readers have the stream open already")])
    return StreamingResponse(here.events.read(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


@outside.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def read_metrics(here: Here) -> Response:
    registry = registry_of(here.pilot, here.events, here.ledger)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


@outside.get("/healthz", summary="Whether the farm is up", description="Needs no token.")
async def read_health(here: Here) -> models.Health:
    layout = here.pilot.layout
    return models.Health(site=layout.name, time=here.farm.now, listening=here.pilot.server.listening)
