"""The stations of a site, and how far those that poll are behind their devices."""

from __future__ import annotations

from typing import Final

import numpy as np
from fastapi import APIRouter

from pilotfarm.api import models
from pilotfarm.api.routes.context import Context, Here
from pilotfarm.emulators.site.layout import StationLayout
from pilotfarm.emulators.stations.polled import Polling
from pilotfarm.loadtests.problems import StrictRoute

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
    scanner = polling.scanner
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
