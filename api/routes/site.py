"""The site: what it is, and every way to its devices."""

from __future__ import annotations

import json

from fastapi import APIRouter, Response

from api import models
from api.routes.context import Here
from emulators.layout import endpoint_rows

router = APIRouter(tags=["site"])


@router.get("/site", summary="The site as it was brought up")
async def read_site(here: Here) -> models.SiteAnswer:
    layout, farm = here.pilot.layout, here.farm
    return models.SiteAnswer(
        name=layout.name,
        title=layout.title,
        start=layout.start,
        time=farm.now,
        seed=layout.seed,
        step_s=here.pilot.runner.step_s,
        place=models.PlaceAnswer.model_validate(layout.place, from_attributes=True),
        devices=layout.device_count,
        feeders=[models.FeederAnswer.model_validate(each, from_attributes=True) for each in layout.feeders.values()],
        groups=[
            models.GroupAnswer(
                name=group.name,
                kind=group.kind,
                count=len(group.devices),
                feeder=group.feeder,
                served=[models.WayAnswer(protocol=way.protocol, map=way.map) for way in group.served],
            )
            for group in layout.groups
        ],
    )


@router.get(
    "/endpoints",
    summary="Every way to every device",
    description="The rows of `pilotfarm endpoints --json`. A device's address at its station is under the name its "
    "protocol gives it: `unit`, `common_address` or `link_address`.",
    response_model=list[models.EndpointAnswer],
)
async def list_endpoints(here: Here) -> Response:
    # Ten thousand rows need no model built for each: they are the farm's own.
    return Response(json.dumps(endpoint_rows(here.pilot.layout)), media_type="application/json")
