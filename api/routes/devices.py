"""Devices: what they are, what they read, and what they are told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import numpy as np
from fastapi import APIRouter, Path, Query, Request, Response

from pilotfarm.api import models
from pilotfarm.api.routes.context import Context, Here, number
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.errors import Blocked, PointError
from pilotfarm.emulators.farm.commands import enabled
from pilotfarm.emulators.farm.device import FarmDevice
from pilotfarm.emulators.farm.population import Group
from pilotfarm.emulators.quantities import quantity
from pilotfarm.emulators.site.listing import group_point_rows, ways
from pilotfarm.emulators.stations.known import REACHED
from pilotfarm.loadtests.problems import Refused, documented

LIMIT_MAX: Final = 10_000

router = APIRouter(tags=["devices"])

DeviceId = Annotated[str, Path(description="A device's id", examples=["batteries-0001"])]


@router.get(
    "/devices",
    summary="Devices, in brief",
    description="In the site's order. Filters narrow each other; the header `X-Total-Count` says how many match.",
    responses={
        200: {
            "headers": {
                "X-Total-Count": {"description": "How many devices match", "schema": {"type": "integer"}},
            }
        },
        **documented(422),
    },
    response_model=list[models.DeviceSummary],
)
async def list_devices(
    here: Here,
    kind: Annotated[str, Query(description="Kind of device, such as battery")] = "",
    group: Annotated[str, Query(description="Group of the site file")] = "",
    feeder: Annotated[str, Query(description="Feeder of the site file")] = "",
    device: Annotated[str, Query(description="Glob over ids, such as `meters-00*`", max_length=200)] = "*",
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Most devices to list")] = 1_000,
    offset: Annotated[int, Query(ge=0, le=2**31, description="How many to pass over first")] = 0,
) -> Response:
    found = here.farm.population.rows_of(kind=kind, group=group, feeder=feeder, device=device)
    count = sum(map(len, found.values()))
    listed: list[dict[str, Any]] = []
    for name, rows in found.items():
        listed += _summaries(here, here.farm.groups[name], rows[offset : offset + limit - len(listed)])
        offset = max(0, offset - len(rows))
    # Masters wait while this is made: ten thousand models would take half a second.
    return Response(json.dumps(listed), media_type="application/json", headers={"X-Total-Count": str(count)})


@router.get(
    "/devices/{device}",
    summary="A device with everything it has",
    description="`value` is what is true, `reported` what the device says; they differ only under a fault. While it is "
    "off the network its `online` is reported as 0: masters get no answer, and from an RTU what it last knew.",
    responses=documented(404, 422),
)
async def read_device(here: Here, device: DeviceId) -> models.DeviceAnswer:
    found = here.farm.device(device)
    return models.DeviceAnswer(
        device=found.id,
        kind=found.kind,
        site=here.pilot.layout.name,
        feeder=found.group.layout.feeder,
        time=here.farm.now,
        quantities={
            each.name: models.QuantityAnswer(
                value=number(found.true_value(each.name)),
                reported=number(_told(here, found, each.name)),
                unit=each.unit,
                role=each.role,
                quality=_quality_text(found.quality(each.name)),
            )
            for each in found.group.spec.quantities
        },
    )


@router.get(
    "/devices/{device}/points",
    summary="A device's points, on every protocol it is served on",
    description="The rows of `pilotfarm points`: what a SCADA engineer imports.",
    responses=documented(404, 422),
    response_model=list[models.PointAnswer],
)
async def list_points(here: Here, device: DeviceId) -> list[dict[str, Any]]:
    found = here.farm.device(device)
    # What a point list takes from the columns are ratings, which stand still.
    stations = here.pilot.ways.stations(found.group.name, found.row)
    site, group = here.pilot.layout.name, found.group
    return list(group_point_rows(site, group.layout, group.columns, [found.row], ways(stations)))


@router.post(
    "/devices/{device}/setpoints",
    status_code=202,
    summary="Tell a device set-points and commands",
    description="All of them or none. They wait in the queue that every protocol's writes wait in and are taken by "
    "the next step. A set-point that has an enable switches it on, unless the same request sets it. Refused, with "
    "every reason: unknown names, names that cannot be written, values that are not finite numbers or out of range.",
    responses=documented(400, 404, 413, 422, 503),
)
async def write_setpoints(
    here: Here, request: Request, device: DeviceId, values: models.Setpoints
) -> models.SetpointsAnswer:
    found = here.farm.device(device)
    problems = list(_refusals(found, values))
    if problems:
        raise Refused(422, problems)
    accepted = enabled({name: float(value) for name, value in values.items()})
    accepted = {name: value for name, value in accepted.items() if name in values or _has(found, name)}
    now_s = here.pilot.clock.now_s()
    command = found.submit(accepted, "rest", _peer(request), now_s)
    command.acknowledged_s = here.pilot.clock.now_s()
    return models.SetpointsAnswer(
        id=command.id, device=found.id, accepted=dict(command.values), limited=dict(command.limited)
    )


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


def _refusals(device: FarmDevice, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Say why each value is refused; all that can be wrong with one is found here."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield name, f"must be a number, not {type(value).__name__}"
            continue
        try:
            device.check({name: float(value)})
        except OverflowError:
            yield name, "is too large for a number"
        except Blocked as error:
            if not values.get(quantity(name).permitted_by):  # the request itself may give the permission
                yield name, str(error)
        except PointError as error:
            yield name, str(error)


def _has(device: FarmDevice, name: str) -> bool:
    return name in device.group.writable


def _quality_text(bits: int) -> str:
    names = [str(flag.name).lower() for flag in Quality if flag and bits & flag]
    return ",".join(names) if names else "good"


def _peer(request: Request) -> str:
    return f"{request.client.host}:{request.client.port}" if request.client else "unknown"
