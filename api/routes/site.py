"""The site: what it is, and every way to its devices."""

from __future__ import annotations

import json

from fastapi import APIRouter, Response

from pilotfarm.api import models
from pilotfarm.api.routes.context import Here
from pilotfarm.emulators.grid.network import FeederState
from pilotfarm.emulators.site.layout import FeederLayout
from pilotfarm.emulators.site.listing import endpoint_rows
from pilotfarm.loadtests.problems import StrictRoute

router = APIRouter(tags=["site"], route_class=StrictRoute)

_STATE = (
    "name",
    "energised",
    "converged",
    "failures",
    "power_w",
    "reactive_power_var",
    "loading_frac",
    "lowest_voltage_v",
    "highest_voltage_v",
)


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
        feeders=[_feeder(each, farm.network.feeder(name)) for name, each in layout.feeders.items()],
        groups=[
            models.GroupAnswer(
                name=group.name,
                kind=group.kind,
                count=len(group.devices),
                feeder=group.feeder,
                served=[
                    models.WayAnswer(protocol=way.protocol, map=way.map, medium=way.medium) for way in group.served
                ],
            )
            for group in layout.groups
        ],
        inputs=[models.InputAnswer.model_validate(each, from_attributes=True) for each in layout.inputs],
    )


def _feeder(layout: FeederLayout, state: FeederState) -> models.FeederAnswer:
    return models.FeederAnswer(
        nominal_voltage_v=layout.nominal_voltage_v,
        source_voltage_v=layout.source_voltage_v,
        resistance_ohm=layout.resistance_ohm,
        reactance_ohm=layout.reactance_ohm,
        losses_w=state.losses_w,
        **{name: getattr(state, name) for name in _STATE},
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
