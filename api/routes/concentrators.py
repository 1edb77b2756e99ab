"""What data concentrators keep for a head-end until it is acknowledged, what they read on demand, and outages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from pilotfarm.api import concentrator_models as models
from pilotfarm.api import requests
from pilotfarm.api.routes.context import TOTAL, Context, Here, counted, number, quality_text
from pilotfarm.emulators.quantities import quantity
from pilotfarm.emulators.serving.concentrators import Concentrator
from pilotfarm.emulators.stations.collecting import DEMANDS_MAX
from pilotfarm.emulators.stations.on_demand import READS_KEPT, Read
from pilotfarm.emulators.wording import unknown
from pilotfarm.loadtests.problems import Refused, Said, StrictRoute, documented

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
    description="What its meters told it unasked, and whose clock could not be set, those after a number; they stay "
    f"until they are acknowledged, or give way to newer ones. The header `{TOTAL}` says how many there are in all.",
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


@router.post(
    "/stations/{station}/reads",
    status_code=202,
    summary="Have a data concentrator read meters at once",
    description="All of them or none. Reads wait for the exchange under way and for those before them, not for the "
    f"round; with commands {DEMANDS_MAX} may wait. Every device has a ticket, in the order of the request.",
    responses=documented(404, 503),
)
async def add_station_reads(
    here: Here, station: StationName, asked: requests.ReadsRequest
) -> list[models.StationReadAnswer]:
    found = concentrator(here, station)
    meters = _meters(found, asked.devices)
    return [_read(here, found, each) for each in found.reads.ask(meters, here.farm.time_s)]


@router.get(
    "/stations/{station}/reads/{ticket}",
    summary="What came of a read on demand",
    description=f"It may be waiting, answered or unanswered. The newest {READS_KEPT:,} are kept.",
    responses=documented(404),
)
async def read_station_ticket(
    here: Here,
    station: StationName,
    ticket: Annotated[requests.Ticket, Path(description="As it was given out")],
) -> models.StationReadAnswer:
    found = concentrator(here, station)
    read = found.reads.get(ticket)
    if read is None:
        none = f"{station} has given out no ticket {ticket}"
        raise Refused(404, [("ticket", none if ticket > found.reads.asked else f"read {ticket} is forgotten")])
    return _read(here, found, read)


def _meters(found: Concentrator, devices: Sequence[str]) -> list[int]:
    """Return the places of meters by their ids; all that are strange or named twice are refused."""
    problems: list[Said] = []
    for k, device in enumerate(devices):
        if device not in found.places:
            problems.append((f"devices.{k}", unknown(device, found.devices)))
        elif device in devices[:k]:
            problems.append((f"devices.{k}", f"{device} is named twice"))
    if problems:
        raise Refused(422, problems)
    return [found.places[device] for device in devices]


def _read(here: Context, found: Concentrator, read: Read) -> models.StationReadAnswer:
    device, outcome = here.farm.device(found.devices[read.meter]), read.outcome
    ended_at = None if outcome is None else _local(here, outcome.at_s)
    answered = read.told is not None
    return models.StationReadAnswer(
        ticket=read.ticket,
        device=device.id,
        status="waiting" if outcome is None else "answered" if answered else "unanswered",
        asked_at=_local(here, read.asked_s),
        ended_at=ended_at,
        serial=read.serial or None,
        read_at=ended_at if answered else None,
        quantities=None
        if read.told is None
        else {
            name: models.ReadQuantityAnswer(
                value=number(each.value),
                unit=quantity(name).unit,
                role=quantity(name).role,
                quality=quality_text(each.quality),
            )
            for name, each in read.told.items()
        },
    )


def _local(here: Context, time_s: float) -> datetime:
    return datetime.fromtimestamp(here.farm.world.unix_s(time_s), here.farm.world.zone)


@router.get(
    "/stations/{station}/outages",
    summary="Customers without supply, as a data concentrator knows it",
    description="Those that it takes to be without supply, or cannot reach, and those that are without it in truth.",
    responses=documented(404),
)
async def list_station_outages(here: Here, station: StationName) -> list[models.OutageAnswer]:
    return [
        models.OutageAnswer(
            device=each.device,
            known=each.known,
            since=None if each.since_s is None else _local(here, each.since_s),
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
