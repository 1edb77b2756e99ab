"""The stations of a site, and how far those that poll are behind their devices."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Annotated, Final

import numpy as np
from fastapi import APIRouter, Path, Query, Response

from pilotfarm.api import requests
from pilotfarm.api import station_models as models
from pilotfarm.api.concentrator_models import CollectingAnswer
from pilotfarm.api.routes.context import TOTAL, Context, Here, counted, number, quality_text
from pilotfarm.emulators.serving.images import Place, Placed
from pilotfarm.emulators.site.layout import CollectingLayout, PollingLayout
from pilotfarm.emulators.stations.known import REACHED
from pilotfarm.emulators.stations.sequence import EVENTS_KEPT, Event
from pilotfarm.emulators.wording import unknown
from pilotfarm.loadtests.problems import Refused, StrictRoute, documented

router = APIRouter(tags=["site"], route_class=StrictRoute)

_CLASSES: Final = ("scan", "slow", "counters")


@router.get(
    "/stations",
    summary="What answers for several devices",
    description="Gateways, RTUs and data concentrators, by the names of the site file. One that polls says how its "
    "scans go, and how old is what it knows: site seconds since a value was read at its device, of the quantities of "
    "each class of scans, be "
    "it through other stations.",
)
async def list_stations(here: Here) -> list[models.StationAnswer]:
    return [_station(here, place) for place in here.pilot.images.places if place.layout.name]


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


def _station(here: Context, place: Place) -> models.StationAnswer:
    layout = place.layout
    return models.StationAnswer(
        name=layout.name,
        protocol=layout.protocol,
        medium=layout.medium,
        devices=len(layout.seats),
        polling=None if layout.polling is None else _polling(here, place, layout.polling),
        collecting=None if layout.collecting is None else _collecting(here, layout.name, layout.collecting),
    )


def _collecting(here: Context, name: str, layout: CollectingLayout) -> CollectingAnswer:
    found = here.pilot.images.concentrators[name]
    rounds, collector, devices = found.rounds, found.rounds.collector, found.devices
    readings, alarms = found.queue.waiting()
    return CollectingAnswer(
        medium=layout.medium,
        at=layout.at.isoformat("minutes"),
        again_s=layout.again_s,
        rounds=rounds.scans,
        rounds_left_out=rounds.left_out,
        exchanges=collector.exchanges,
        exchanges_unanswered=collector.unanswered,
        behind=[devices[place] for place in np.flatnonzero(collector.behind)],
        silent=[devices[place] for place in np.flatnonzero(~rounds.answers[0])],
        clocks_set=found.clocks_set,
        clocks_not_set=found.clocks_not_set,
        readings_waiting=readings,
        alarms_waiting=alarms,
        alarms_lost=found.queue.lost_alarms,
        problem=found.queue.problem,
    )


def _polling(here: Context, place: Place, layout: PollingLayout) -> models.PollingAnswer:
    images, name = here.pilot.images, place.layout.name
    scanner, sequence = images.polling[name].scanner, images.sequences[name]
    age_s = here.farm.time_s - place.read_times()
    answers = np.all(scanner.answers, axis=0)
    return models.PollingAnswer(
        protocol=layout.protocol,
        through=list(layout.through),
        medium=layout.medium,
        real=layout.real,
        buses=scanner.buses,
        scan_s=scanner.scan_s,
        scans=scanner.scans,
        scans_left_out=scanner.left_out,
        polls_unanswered=scanner.unanswered,
        time_stamps="device" if layout.stamped_by_devices else "station",
        events=len(sequence.events),
        events_dropped=sequence.dropped,
        silent_stations=[name for name, answered in zip(layout.through, answers, strict=False) if not answered],
        silent=[
            each.seat.device.id
            for each, asked in zip(place.placed, layout.places, strict=True)
            if not answers[asked] or not _is_reached(each)
        ],
        age_s={
            name: models.AgeAnswer(median=float(np.median(ages)), p95=float(np.quantile(ages, 0.95)), max=ages.max())
            for name, ages in zip(_CLASSES, age_s, strict=True)
        },
    )


def _is_reached(placed: Placed) -> bool:
    """Whether the station takes a device to be there; behind another one, as that has it."""
    assert placed.image.known is not None
    return bool(placed.image.known.columns[REACHED][placed.row])
