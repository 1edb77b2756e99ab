"""What data concentrators keep until it is acknowledged."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from pilotfarm.api import concentrator_models as models
from pilotfarm.api import requests
from pilotfarm.api.routes.context import TOTAL, Context, Here, counted
from pilotfarm.emulators.serving.concentrators import Concentrator
from pilotfarm.emulators.wording import unknown
from pilotfarm.loadtests.problems import Refused, StrictRoute, documented

router = APIRouter(tags=["site"], route_class=StrictRoute)

StationName = Annotated[str, Path(description="A station's name", examples=["dc-1"])]


@router.get(
    "/stations/{station}/readings",
    summary="Readings that a data concentrator keeps",
    description="In the order in which they came, those after a number. They stay until they are acknowledged, so who "
    f"asks again gets them again. The header `{TOTAL}` says how many there are in all.",
    responses={200: {"headers": counted("How many readings are kept")}, **documented(404)},
)
async def list_station_readings(
    here: Here,
    response: Response,
    station: StationName,
    after: Annotated[requests.RecordNumber, Query(description="The last number that is known already")] = 0,
    limit: Annotated[requests.RecordsLimit, Query(description="Maximum number of readings")] = 1_000,
) -> list[models.StationReadingAnswer]:
    queue = concentrator(here, station).queue
    response.headers[TOTAL] = str(queue.waiting()[0])
    return [
        models.StationReadingAnswer.model_validate({"number": each.number, **json.loads(each.text)})
        for each in queue.readings(after, limit)
    ]


@router.delete(
    "/stations/{station}/readings",
    summary="Acknowledge readings",
    description="The concentrator forgets those up to and with a number, which whoever asks has kept.",
    responses=documented(404),
)
async def clear_station_readings(
    here: Here,
    station: StationName,
    to: Annotated[requests.RecordNumber, Query(description="The last number that is kept elsewhere")],
) -> models.AcknowledgedAnswer:
    return models.AcknowledgedAnswer(acknowledged=concentrator(here, station).queue.acknowledge_readings(to))


@router.get(
    "/stations/{station}/alarms",
    summary="Alarms that a data concentrator keeps",
    description="What its meters told it unasked, those after a number; they stay until they are acknowledged, or give "
    f"way to newer ones. The header `{TOTAL}` says how many there are in all.",
    responses={200: {"headers": counted("How many alarms are kept")}, **documented(404)},
)
async def list_station_alarms(
    here: Here,
    response: Response,
    station: StationName,
    after: Annotated[requests.RecordNumber, Query(description="The last number that is known already")] = 0,
    limit: Annotated[requests.RecordsLimit, Query(description="Maximum number of alarms")] = 1_000,
) -> list[models.StationAlarmAnswer]:
    queue = concentrator(here, station).queue
    response.headers[TOTAL] = str(queue.waiting()[1])
    return [
        models.StationAlarmAnswer.model_validate({"number": each.number, **json.loads(each.text)})
        for each in queue.alarms(after, limit)
    ]


@router.delete(
    "/stations/{station}/alarms",
    summary="Acknowledge alarms",
    description="The concentrator forgets those up to and with a number, which whoever asks has kept.",
    responses=documented(404),
)
async def clear_station_alarms(
    here: Here,
    station: StationName,
    to: Annotated[requests.RecordNumber, Query(description="The last number that is kept elsewhere")],
) -> models.AcknowledgedAnswer:
    return models.AcknowledgedAnswer(acknowledged=concentrator(here, station).queue.acknowledge_alarms(to))


@router.get(
    "/stations/{station}/outages",
    summary="Customers without supply, as a data concentrator knows it",
    description="Those that it takes to be without supply, or cannot reach, and those that are without it in truth.",
    responses=documented(404),
)
async def list_station_outages(here: Here, station: StationName) -> list[models.OutageAnswer]:
    world = here.farm.world
    return [
        models.OutageAnswer(
            device=each.device,
            known=each.known,
            since=None if each.since_s is None else datetime.fromtimestamp(world.unix_s(each.since_s), world.zone),
            supplied=each.supplied,
        )
        for each in concentrator(here, station).outages()
    ]


def concentrator(here: Context, name: str) -> Concentrator:
    """Return a data concentrator by its station's name; another station is refused."""
    found = here.pilot.images.concentrators.get(name)
    if found is None:
        names = [each.name for each in here.pilot.layout.stations if each.name]
        why = f"{name} collects no readings" if name in names else unknown(name, names)
        raise Refused(404, [("station", why)])
    return found
