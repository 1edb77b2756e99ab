"""Letting site time pass until something is seen, in the words of scenarios."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from fastapi import APIRouter, Request

from pilotfarm.api import models, requests
from pilotfarm.api.routes.context import Context, Here
from pilotfarm.emulators.contracts.fault import DeviceFault, MeasurementFault
from pilotfarm.emulators.farm.fault import ENDED
from pilotfarm.emulators.scenarios.binding import Binder
from pilotfarm.emulators.scenarios.observed import Observed
from pilotfarm.emulators.scenarios.watching import Watching
from pilotfarm.emulators.scenarios.words import Watch, watch
from pilotfarm.emulators.serving.runner import STEPS_BY_HAND_MAX
from pilotfarm.loadtests.problems import Refused, StrictRoute

PATROL_S: Final = 0.1
"""Wall time between two looks whether who waits is still there, while the clock runs."""

router = APIRouter(tags=["clock"], route_class=StrictRoute)


@router.post(
    "/clock/until",
    summary="Let time pass until a condition holds",
    description="While paused, steps are taken by hand, and masters are served between two; while the clock runs, its "
    "own steps are waited for. The condition is that of a scenario, such as `battery-001.soc_frac < 0.5` or "
    "`all meter-*.voltage_l1_v reported > 207 for 60 s`; it is looked at now and after every step. Answers once it "
    "holds, or once `within_s` are over: `held` says which.",
)
async def step_until(here: Here, request: Request, asked: requests.UntilRequest) -> models.UntilAnswer:
    wanted, within_s = _wanted(here, asked)
    return await _come(here, request, wanted, within_s)


def _wanted(here: Context, asked: requests.UntilRequest) -> tuple[Observed, float]:
    """Return what to look at, and in how many seconds of site time it has to come."""
    try:
        read = watch(asked.condition)
    except ValueError as error:
        raise Refused(422, [("condition", str(error))]) from None
    problems = list(_wrong_times(read, asked.within_s))
    messages: list[str] = []
    standing = (fault.spec for fault in here.farm.faults if fault.state != ENDED)
    can_be_wrong = any(isinstance(spec, MeasurementFault | DeviceFault) for spec in standing)
    found = Binder(here.farm, can_be_wrong).bind(read, 0, messages.append, viewed=False)
    problems += [("condition", message) for message in messages]
    within_s = asked.within_s if read.within_s is None else read.within_s
    if found is None or within_s is None or problems:
        raise Refused(422, problems)
    steps = (within_s + read.for_s) / here.pilot.runner.step_s
    if steps > STEPS_BY_HAND_MAX:
        raise Refused(422, [("within_s", f"comes to {steps:,.0f} steps; {STEPS_BY_HAND_MAX:,} are the maximum")])
    return found, within_s


def _wrong_times(read: Watch, within_s: float | None) -> Iterator[tuple[str, str]]:
    if read.wall:
        yield "condition", "within is site time here; leave out wall"
    if read.within_s is None and within_s is None:
        yield "within_s", "is missing, and so is `within` in the condition"
    if read.within_s is not None and within_s is not None:
        yield "within_s", "is said twice: leave it out, or `within` in the condition"


async def _come(here: Context, request: Request, wanted: Observed, within_s: float) -> models.UntilAnswer:
    """Look now and after each step until it has come or cannot; who has gone is not waited for."""
    farm, began_s = here.farm, here.farm.time_s
    watching = Watching(wanted, within_s, lambda: farm.time_s)
    answer: asyncio.Future[models.UntilAnswer] = asyncio.get_running_loop().create_future()

    def told(held: bool) -> models.UntilAnswer:
        passed_s = round(farm.time_s - began_s, 6)
        text = wanted.watch.text
        return models.UntilAnswer(time=farm.now, passed_s=passed_s, condition=text, held=held, seen=wanted.seen())

    def look() -> None:
        # Told here: by the time somebody else has its turn, the clock may have taken further steps.
        if not answer.done() and (come := watching.look()) is not None:
            answer.set_result(told(come))

    here.pilot.attendants.append(look)
    try:
        look()
        while not answer.done() and not await request.is_disconnected():
            if here.pilot.runner.paused:
                await here.pilot.runner.step_by_hand(1)
            else:
                await asyncio.wait([answer], timeout=PATROL_S)
        return answer.result() if answer.done() else told(False)
    finally:
        here.pilot.attendants.remove(look)
