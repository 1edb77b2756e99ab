"""The stations of a site, and how far those that poll are behind their devices."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Annotated, Final

import numpy as np
from fastapi import APIRouter, Path, Query, Response

from pilotfarm.api import requests
from pilotfarm.api import station_models as models
from pilotfarm.api.routes.context import TOTAL, Context, Here, counted, number, quality_text
from pilotfarm.emulators.site.layout import StationLayout
from pilotfarm.emulators.stations.polled import Polling
from pilotfarm.emulators.stations.sequence import EVENTS_KEPT, Event
from pilotfarm.emulators.wording import unknown
from pilotfarm.loadtests.problems import Refused, StrictRoute, documented

router = APIRouter(tags=["site"], route_class=StrictRoute)

_CLASSES: Final = ("scan", "slow", "counters")


@router.get(
    "/stations",
    summary="What answers for several devices",
    description="Gateways and RTUs, by the names of the site file. One that polls says how its scans go, and how old "
    "is what it knows: site seconds since a value was read at its device, of the quantities of each class of scans.",
)
async def list_stations(here: Here) -> list[models.StationAnswer]:
    return [_station(here, layout) for layout in here.pilot.layout.stations if layout.name]


@router.get(
    "/stations/{station}/events",
    summary="The sequence of events of a station that polls",
    description="How states and alarms of its devices have changed, whether they answer among them, oldest first; "
    f"measurements are none. The newest {EVENTS_KEPT:,} are kept. The header `{TOTAL}` says how many there are.",
    responses={200: {"headers": counted("How many events are kept")}, **documented(404)},
)
async def list_station_events(
    here: Here,
    response: Response,
    station: Annotated[str, Path(description="A station's name", examples=["rtu"])],
    limit: Annotated[requests.StationEventsLimit, Query(description="Maximum number of events to list")] = 100,
    offset: Annotated[requests.Offset, Query(description="How many to pass over first")] = 0,
) -> list[models.StationEventAnswer]:
    sequence = here.pilot.images.sequences.get(station)
    if sequence is None:
        names = [each.name for each in here.pilot.layout.stations if each.name]
        why = f"{station} does not poll, and keeps no events" if station in names else unknown(station, names)
        raise Refused(404, [("station", why)])
    response.headers[TOTAL] = str(len(sequence.events))
    zone = here.farm.world.zone
    return [_event(each, zone) for each in list(sequence.events)[offset : offset + limit]]


def _event(event: Event, zone: tzinfo) -> models.StationEventAnswer:
    return models.StationEventAnswer(
        number=event.number,
        device=event.device,
        quantity=event.quantity,
        value=number(event.value),
        quality=quality_text(event.quality),
        time=datetime.fromtimestamp(event.stamped_s, zone),
        received=datetime.fromtimestamp(event.heard_s, zone),
    )


def _station(here: Context, layout: StationLayout) -> models.StationAnswer:
    polling = here.pilot.images.polling.get(layout.name)
    return models.StationAnswer(
        name=layout.name,
        protocol=layout.protocol,
        medium=layout.medium,
        devices=len(layout.seats),
        polling=None if polling is None else _polling(here, layout, polling),
    )


def _polling(here: Context, layout: StationLayout, polling: Polling) -> models.PollingAnswer:
    assert layout.polling is not None
    scanner, sequence = polling.scanner, here.pilot.images.sequences[layout.name]
    age_s = here.farm.time_s - scanner.known_s
    answers: list[bool] = np.all(scanner.answers, axis=0).tolist()
    return models.PollingAnswer(
        protocol=layout.polling.protocol,
        medium=layout.polling.medium,
        buses=scanner.buses,
        scan_s=scanner.scan_s,
        scans=scanner.scans,
        scans_left_out=scanner.left_out,
        polls_unanswered=scanner.unanswered,
        time_stamps="device" if layout.polling.stamped_by_devices else "station",
        events=len(sequence.events),
        events_dropped=sequence.dropped,
        silent=[
            here.farm.groups[seat.group].layout.devices[seat.row]
            for seat, answered in zip(layout.seats, answers, strict=True)
            if not answered
        ],
        age_s={
            name: models.AgeAnswer(median=float(np.median(ages)), p95=float(np.quantile(ages, 0.95)), max=ages.max())
            for name, ages in zip(_CLASSES, age_s, strict=True)
        },
    )
