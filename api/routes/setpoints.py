"""Set-points and commands: to one device, and to many at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from pilotfarm.api import models, requests
from pilotfarm.api.routes.context import Context, DeviceId, Here
from pilotfarm.emulators.contracts.protocol import Command
from pilotfarm.emulators.errors import Blocked, Busy, NoSuchPoint, PointError
from pilotfarm.emulators.farm.commands import enabled
from pilotfarm.emulators.farm.device import FarmDevice
from pilotfarm.emulators.quantities import quantity
from pilotfarm.loadtests.problems import Refused, Said, StrictRoute, documented

AT_ONCE: Final = 50
"""Devices told in one go: masters are served between two."""

router = APIRouter(tags=["devices"], route_class=StrictRoute)


@router.post(
    "/devices/{device}/setpoints",
    status_code=202,
    summary="Tell a device set-points and commands",
    description="All of them or none. They wait in the queue that every protocol's writes wait in and are taken by "
    "the next step. A set-point that has an enable switches it on, unless the same request sets it. Refused, with "
    "every reason: unknown names, names that cannot be written, values that are not finite numbers or out of range.",
    responses=documented(404, 503),
)
async def write_setpoints(
    here: Here, request: Request, device: DeviceId, values: requests.Setpoints
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


@router.post(
    "/setpoints",
    status_code=202,
    summary="Tell many devices set-points and commands",
    description="The same `values` to all of a `target`, or to each of `devices` its own. Every device is told all of "
    "its values or none, whatever comes of the others: 202 if all have succeeded, 207 if any has failed, and the "
    "answer says which and why. Nobody is told anything where the request itself is refused.",
    response_model=models.BulkAnswer,
    responses={207: {"model": models.BulkAnswer, "description": "Some devices, or all, were told nothing"}},
)
async def write_setpoints_in_bulk(here: Here, request: Request, asked: requests.BulkRequest) -> Response:
    succeeded, failed = [], []
    for number, (device, values) in enumerate(_asked(here, asked).items()):
        if number % AT_ONCE == AT_ONCE - 1:
            await asyncio.sleep(0)
        try:
            succeeded.append(_taken(_tell(here, here.farm.device(device), values, _peer(request))))
        except (NoSuchPoint, Busy) as error:
            failed.append(_failed(device, [("", str(error))]))
        except Refused as refused:
            failed.append(_failed(device, refused.problems))
    # Ten thousand rows need no model built for each.
    content = json.dumps({"succeeded": succeeded, "failed": failed})
    return Response(content, 207 if failed else 202, media_type="application/json")


def _asked(here: Context, asked: requests.BulkRequest) -> Mapping[str, Mapping[str, Any]]:
    """Return what each device is to be told."""
    given = asked.model_fields_set
    if given == {"devices"}:
        return asked.devices
    if given != {"target", "values"}:
        raise Refused(422, [("", "give either target and values, or devices")])
    rows = here.rows_of("target", asked.target)
    if not rows:
        raise Refused(422, [("target", "no device matches the target")])
    return dict.fromkeys(here.farm.population.ids(rows), asked.values)


def _tell(here: Context, device: FarmDevice, values: Mapping[str, Any], peer: str) -> Command:
    problems = list(_refusals(device, values))
    if problems:
        raise Refused(422, problems)
    accepted = enabled({name: float(value) for name, value in values.items()})
    accepted = {name: value for name, value in accepted.items() if name in values or _has(device, name)}
    command = device.submit(accepted, "rest", peer, here.pilot.clock.now_s())
    command.acknowledged_s = here.pilot.clock.now_s()
    return command


def _taken(command: Command) -> dict[str, Any]:
    """In the shape of ``models.SetpointsAnswer``."""
    accepted, limited = dict(command.values), dict(command.limited)
    return {"id": command.id, "device": command.device, "accepted": accepted, "limited": limited}


def _failed(device: str, problems: Sequence[Said]) -> dict[str, Any]:
    """In the shape of ``models.BulkFailure``."""
    return {"device": device, "problems": [{"where": where, "message": message} for where, message, *_ in problems]}


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


def _peer(request: Request) -> str:
    return f"{request.client.host}:{request.client.port}" if request.client else "unknown"
