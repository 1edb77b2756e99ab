"""Recording: what an operator does over REST becomes a scenario."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query

from pilotfarm import profiles
from pilotfarm.api import scenario_models as models
from pilotfarm.api.routes.context import Context, Here
from pilotfarm.emulators.errors import StateError
from pilotfarm.emulators.scenarios.recorded import text_of
from pilotfarm.emulators.scenarios.recorder import NOTES_MAX, Recorder
from pilotfarm.emulators.site.layout import SiteLayout
from pilotfarm.loadtests.problems import Refused, StrictRoute, documented

router = APIRouter(tags=["scenarios"], route_class=StrictRoute)

Masters = Annotated[bool, Query(description="Record what masters write over their protocols, too")]


@router.post(
    "/scenarios/recording",
    status_code=201,
    summary="Record what is done to the farm",
    description="Faults that take hold and are cleared, set-points and commands over REST; faults that stand already "
    f"are in it, too. One at a time, at most {NOTES_MAX} steps of a scenario.",
    responses=documented(409),
)
async def begin_recording(here: Here, masters: Masters = False) -> models.RecordingAnswer:
    return _answer(here, here.scenarios.record(here.pilot.runner.step_s, masters=masters))


@router.get("/scenarios/recording", summary="What is recorded so far", responses=documented(404))
async def read_recording(here: Here) -> models.RecordingAnswer:
    return _answer(here, _found(here))


@router.delete("/scenarios/recording", summary="End the recording, and have what it came to", responses=documented(404))
async def end_recording(here: Here) -> models.RecordingAnswer:
    _found(here)
    return _answer(here, here.scenarios.end_recording())


def _found(here: Context) -> Recorder:
    try:
        return here.scenarios.recorder
    except StateError as error:
        raise Refused(404, [("recording", str(error))]) from None


def _answer(here: Context, recorder: Recorder) -> models.RecordingAnswer:
    return models.RecordingAnswer(
        began=recorder.began,
        time=here.farm.now,
        masters=recorder.masters,
        steps=len(recorder.notes),
        full=recorder.full,
        text=text_of(recorder, "recorded", _site(here.pilot.layout)),
    )


def _site(layout: SiteLayout) -> str:
    """Name a site as a scenario file does: a built-in one by its name, another by the path of its file."""
    if any(str(profiles.site(name)) == layout.source for name in profiles.names()):
        return layout.name
    return str(Path(layout.source).absolute())
