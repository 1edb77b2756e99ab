"""What meters keep: profiles and event logs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from pilotfarm.api import memory_models as models
from pilotfarm.api import requests
from pilotfarm.api.routes.context import TOTAL, Context, DeviceId, Here, counted
from pilotfarm.emulators.farm.load_profile import REGISTERS
from pilotfarm.emulators.farm.memory import RATING, Memory
from pilotfarm.loadtests.problems import Refused, StrictRoute, documented

router = APIRouter(tags=["devices"], route_class=StrictRoute)


@router.get(
    "/devices/{device}/profile",
    summary="A profile that a meter keeps",
    description="The energy of quarters of an hour, or the registers at the ends of days, of 60 days. The newest "
    f"`limit` of them, oldest first; `offset` passes over newer ones. The header `{TOTAL}` says how many there are.",
    responses={200: {"headers": counted("How many readings are kept")}, **documented(404)},
)
async def read_profile(
    here: Here,
    response: Response,
    device: DeviceId,
    kind: Annotated[Literal["load", "daily"], Query(description="Quarters of an hour, or days")] = "load",
    limit: Annotated[requests.ReadingsLimit, Query(description="Maximum number of readings")] = 96,
    offset: Annotated[requests.Offset, Query(description="How many newer ones to pass over")] = 0,
) -> models.ProfileAnswer:
    found = here.farm.device(device)
    memory, meter = _memory(here, device)
    kept = memory.profile.intervals(meter) if kind == "load" else memory.profile.days(meter)
    response.headers[TOTAL] = str(len(kept))
    end = max(len(kept) - offset, 0)
    return models.ProfileAnswer(
        device=found.id,
        serial=found.serial,
        kind=kind,
        clock_offset_s=round(found.clock.off_s(here.farm.unix_s), 6),
        readings=[
            models.ProfileReadingAnswer(
                end=datetime.fromtimestamp(each.end_s, here.farm.world.zone),
                **dict(zip(REGISTERS, each.values, strict=True)),
                status=[str(flag.name).lower() for flag in each.status],
            )
            for each in kept[max(end - limit, 0) : end]
        ],
    )


@router.get(
    "/devices/{device}/events",
    summary="The event log of a meter",
    description="The newest 200 are kept. The newest `limit` of them, oldest first; `offset` passes over newer ones. "
    f"The header `{TOTAL}` says how many there are.",
    responses={200: {"headers": counted("How many events are kept")}, **documented(404)},
)
async def list_device_events(
    here: Here,
    response: Response,
    device: DeviceId,
    limit: Annotated[requests.LoggedLimit, Query(description="Maximum number of events to list")] = 100,
    offset: Annotated[requests.Offset, Query(description="How many newer ones to pass over")] = 0,
) -> list[models.LoggedEventAnswer]:
    memory, meter = _memory(here, device)
    kept = memory.log.read(meter)
    response.headers[TOTAL] = str(len(kept))
    end = max(len(kept) - offset, 0)
    zone = here.farm.world.zone
    return [
        models.LoggedEventAnswer(
            number=each.number,
            time=datetime.fromtimestamp(each.time_s, zone),
            quantity=each.quantity,
            value=each.value,
            cause=each.cause,
        )
        for each in kept[max(end - limit, 0) : end]
    ]


def _memory(here: Context, name: str) -> tuple[Memory, int]:
    """Return the memory of a device and which of its meters it is; whoever has none is refused."""
    device = here.farm.device(name)
    memory = here.farm.memories.get(device.group.name)
    meter = None if memory is None else memory.meter(device.row)
    if memory is None or meter is None:
        why = f"{name} keeps nothing"
        if RATING in device.group.layout.ratings:
            why += f": its rating {RATING} is 0"
        raise Refused(404, [("device", why)])
    return memory, meter
