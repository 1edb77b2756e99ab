"""Time on the site: its speed, its pauses, its steps."""

from __future__ import annotations

from fastapi import APIRouter

from pilotfarm.api import models, requests
from pilotfarm.api.routes.context import Context, Here
from pilotfarm.loadtests.problems import Refused, StrictRoute, documented

router = APIRouter(tags=["clock"], route_class=StrictRoute)


@router.get("/clock", summary="How time passes on the site")
async def read_clock(here: Here) -> models.ClockAnswer:
    return _clock(here)


@router.patch(
    "/clock",
    summary="Change speed, step length, or pause",
    description="What is left out stays as it is. The schedule of the steps starts afresh.",
)
async def change_clock(here: Here, change: requests.ClockChange) -> models.ClockAnswer:
    asked = change.model_dump(exclude_unset=True)
    if not asked:
        raise Refused(422, [("", "give at least one of speed, paused and step_s")])
    here.pilot.runner.change(**asked)
    return _clock(here)


@router.post(
    "/clock/step",
    summary="Take steps by hand while paused",
    description="Answers once they are taken. Masters are served between two steps.",
    responses=documented(409),
)
async def step_clock(here: Here, request: requests.StepRequest) -> models.ClockAnswer:
    await here.pilot.runner.step_by_hand(request.steps)
    return _clock(here)


def _clock(here: Context) -> models.ClockAnswer:
    runner = here.pilot.runner
    return models.ClockAnswer(
        time=here.farm.now,
        speed=runner.speed,
        paused=runner.paused,
        step_s=runner.step_s,
        late_steps=runner.late_steps,
        worst_late_s=runner.worst_late_s,
    )
