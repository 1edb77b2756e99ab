"""Devices: what they are, and what they read."""

from __future__ import annotations

import json
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Response

from pilotfarm.api import models, requests
from pilotfarm.api.routes.context import TOTAL, Context, DeviceId, Here, counted, number, quality_text
from pilotfarm.emulators.farm.device import FarmDevice
from pilotfarm.emulators.farm.population import Group
from pilotfarm.emulators.site.listing import group_point_rows, ways
from pilotfarm.emulators.stations.known import REACHED
from pilotfarm.loadtests.problems import StrictRoute, documented

router = APIRouter(tags=["devices"], route_class=StrictRoute)


@router.get(
    "/devices",
    summary="Devices, in brief",
    description="In the site's order. Filters narrow each other; the header `X-Total-Count` says how many match.",
    responses={
        200: {"headers": counted("How many devices match")},
    },
    response_model=list[models.DeviceSummary],
)
async def list_devices(
    here: Here,
    kind: Annotated[requests.DeviceKind | None, Query(description="Kind of device")] = None,
    group: Annotated[str | None, Query(description="Group of the site file", min_length=1)] = None,
    feeder: Annotated[str | None, Query(description="Feeder of the site file", min_length=1)] = None,
    device: Annotated[
        str | None, Query(description="Glob over ids, such as `meters-00*`", min_length=1, max_length=200)
    ] = None,
    limit: Annotated[requests.DevicesLimit, Query(description="Maximum number of devices to list")] = 1_000,
    offset: Annotated[requests.Offset, Query(description="How many to pass over first")] = 0,
) -> Response:
    found = here.rows_of("query", {"kind": kind, "group": group, "feeder": feeder, "device": device})
    count = sum(map(len, found.values()))
    listed: list[dict[str, Any]] = []
    for name, rows in found.items():
        listed += _summaries(here, here.farm.groups[name], rows[offset : offset + limit - len(listed)])
        offset = max(0, offset - len(rows))
    # Masters wait while this is made: ten thousand models would take half a second.
    return Response(json.dumps(listed), media_type="application/json", headers={TOTAL: str(count)})


@router.get(
    "/devices/{device}",
    summary="A device with everything it has",
    description="`value` is what is true, `reported` what the device says; they differ only under a fault. While it is "
    "off the network its `online` is reported as 0: masters get no answer, and from an RTU what it last knew.",
    responses=documented(404),
    response_model_exclude_unset=True,
)
async def read_device(here: Here, device: DeviceId) -> models.DeviceAnswer:
    found = here.farm.device(device)
    return models.DeviceAnswer(
        device=found.id,
        kind=found.kind,
        site=here.pilot.layout.name,
        feeder=found.group.layout.feeder,
        branch=found.group.branches[found.row] or None,
        time=here.farm.now,
        clock_offset_s=round(found.clock.off_s(here.farm.unix_s), 6),
        quantities={
            each.name: models.QuantityAnswer(
                value=number(found.true_value(each.name)),
                reported=number(_told(here, found, each.name)),
                unit=each.unit,
                role=each.role,
                quality=quality_text(found.quality(each.name)),
            )
            for each in found.group.spec.quantities
        },
        **_priced(here, found),
    )


def _priced(here: Context, device: FarmDevice) -> dict[str, models.PriceAnswer]:
    prices = here.farm.world.prices_of(device.group.name)
    if prices is None or np.isnan(prices[0, device.row]):
        return {}
    per_mwh, cheaper_h, dearer_h = prices[:, device.row].tolist()
    currency = here.pilot.layout.currency
    return {"price": models.PriceAnswer(per_mwh=per_mwh, currency=currency, cheaper_h=cheaper_h, dearer_h=dearer_h)}


@router.get(
    "/devices/{device}/points",
    summary="A device's points, on every protocol it is served on",
    description="The rows of `pilotfarm points`: what a SCADA engineer imports.",
    responses=documented(404),
    response_model=list[models.PointAnswer],
)
async def list_points(here: Here, device: DeviceId) -> list[dict[str, Any]]:
    found = here.farm.device(device)
    # What a point list takes from the columns are ratings, which stand still.
    stations = here.pilot.ways.stations(found.group.name, found.row)
    site, group = here.pilot.layout.name, found.group
    return list(group_point_rows(site, group.layout, group.columns, [found.row], ways(stations)))


def _told(here: Context, device: FarmDevice, name: str) -> float:
    """What a device says; that it is not there is said by others."""
    if name == REACHED and not here.pilot.ways.reachable(device.group.name, device.row):
        return 0.0
    return device.value(name)


def _summaries(here: Context, group: Group, rows: np.ndarray[Any, np.dtype[np.intp]]) -> list[dict[str, Any]]:
    """Rows in the shape of ``models.DeviceSummary``."""
    columns = [(group.reported[name][rows] + 0.0).tolist() for name in ("online", "general_alarm", "active_power_w")]
    shared = {
        "kind": group.spec.kind,
        "site": here.pilot.layout.name,
        "group": group.name,
        "feeder": group.layout.feeder,
    }
    return [
        {
            "device": group.layout.devices[row],
            **shared,
            "online": bool(online) and here.pilot.ways.reachable(group.name, int(row)),
            "general_alarm": bool(alarm),
            "active_power_w": number(power),
        }
        for row, online, alarm, power in zip(rows, *columns, strict=True)
    ]
