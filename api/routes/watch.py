"""Watching the farm: its events, its metrics, its health."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from pilotfarm.api import events, models, requests
from pilotfarm.api.metrics import registry_of
from pilotfarm.api.routes.context import Here
from pilotfarm.loadtests.problems import Refused, StrictRoute, documented

router = APIRouter(tags=["watch"], route_class=StrictRoute)
"""Under the API's prefix."""
outside = APIRouter(tags=["watch"], route_class=StrictRoute)
"""Where Prometheus looks for them."""
unlocked = APIRouter(tags=["watch"], route_class=StrictRoute)
"""Where whoever supervises the process looks, without a token."""

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
    "loses the oldest and gets a `dropped` event with their count. Who comes back with `Last-Event-ID` gets what came "
    f"since, of the last {events.KEPT_MAX:,} events; before it a `dropped` event if some are gone, with a `count` of "
    "null if the id is not of this run. The events are kept from the first reader on.",
    response_class=StreamingResponse,
    responses={**_STREAM, **documented(503)},
)
async def read_events(
    here: Here,
    kind: Annotated[
        list[requests.EventKinds] | None,
        Query(description="Only these kinds, and `dropped`: repeated, or joined by commas"),
    ] = None,
    device: Annotated[
        str,
        Query(
            description="Only events of devices of this glob; a fault is of all that it grips",
            min_length=1,
            max_length=200,
        ),
    ] = "*",
    last_event_id: Annotated[str | None, Header(description="Id of the last event a reader had")] = None,
) -> StreamingResponse:
    if here.events.full:
        raise Refused(503, [("", f"{events.SUBSCRIBERS_MAX} readers have the stream open already")])
    kinds = frozenset(each for joined in kind or () for each in joined.split(","))
    wanted = events.Wanted(kinds, device)
    stream = here.events.read(wanted=wanted, last_id=last_event_id)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


@outside.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def read_metrics(here: Here) -> Response:
    registry = registry_of(here.pilot, here.events, here.ledger)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


@unlocked.get("/healthz", summary="Whether the farm is up", description="Needs no token.")
async def read_health(here: Here) -> models.Health:
    layout = here.pilot.layout
    return models.Health(site=layout.name, time=here.farm.now, listening=here.pilot.server.listening)
