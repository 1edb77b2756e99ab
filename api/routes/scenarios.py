"""Scenarios: take one, run it, say what comes of it, stop it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from pilotfarm.api import requests
from pilotfarm.api import scenario_models as models
from pilotfarm.api.routes.context import TOTAL, Context, Here, counted
from pilotfarm.emulators.errors import ConfigError, StateError
from pilotfarm.emulators.scenarios import reporting
from pilotfarm.emulators.scenarios.board import ENDED_KEPT, RESULTS_MAX, RUNNING_MAX, Entry
from pilotfarm.emulators.scenarios.fitting import fit
from pilotfarm.emulators.scenarios.plan import Plan
from pilotfarm.emulators.scenarios.reading import Draft
from pilotfarm.emulators.scenarios.resolve import resolving
from pilotfarm.emulators.scenarios.verdict import Result
from pilotfarm.emulators.site.document import Document, of_data, read
from pilotfarm.loadtests.problems import Refused, StrictRoute, documented, is_json, of_file, strict_json

YAML: Final = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")
"""What says of a body that it is YAML (RFC 9512)."""
_TAKEN: Final = "a scenario is JSON or YAML: send it with Content-Type: application/json or application/yaml"
_BODY: Final = {
    "required": True,
    "description": "A scenario file, as JSON or as the YAML text itself",
    "content": {
        "application/json": {"schema": {"$ref": "#/components/schemas/ScenarioFile"}},
        YAML[0]: {"schema": {"type": "string"}},
    },
}
_XML: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "JUnit XML", "content": {"text/xml": {"schema": {"type": "string"}}}}
}

router = APIRouter(tags=["scenarios"], route_class=StrictRoute)

ScenarioId = Annotated[requests.ScenarioNumber, Path(description="A scenario's number", examples=[1])]
ResultsLimit = Annotated[requests.ResultsLimit, Query(description="Maximum number of results to list")]
Offset = Annotated[requests.Offset, Query(description="How many to pass over first")]
DryRun = Annotated[bool, Query(description="Check it alone: say what it comes to, and begin nothing")]
AsIs = Annotated[
    bool,
    Query(description="Take the farm as it is, whatever the scenario says of `site`, `start`, `seed` and `step_s`"),
]


@router.post(
    "/scenarios",
    status_code=201,
    summary="Run a scenario",
    description="The document of a scenario file, as JSON or as YAML text; every problem is listed, with its line if "
    "it is text. It begins at once, and what it does takes hold with the next step. `site`, `start`, `seed` and "
    "`step_s` must be those of this farm, or be left out. Its faults are ended when it ends. At most "
    f"{RUNNING_MAX} run at a time; one comes to at most {RESULTS_MAX:,} results.",
    response_model=models.ScenarioTaken,
    responses={
        200: {"model": models.ScenarioTrial, "description": "What it comes to, with `dry_run`"},
        **documented(400, 409, 413, 415),
    },
    openapi_extra={"requestBody": _BODY},
)
async def run_scenario(
    here: Here, request: Request, response: Response, dry_run: DryRun = False, as_is: AsIs = False
) -> Any:
    text, is_text = await _body(request)
    async with here.checking:
        plan = await _checked(here, text, is_text, as_is)
    here.scenarios.check_room(plan)
    warnings = list(_doubts(here, plan))
    if dry_run:
        trial = models.ScenarioTrial(
            name=plan.name,
            title=plan.title,
            phases=len(plan.phases),
            steps=sum(len(phase.steps) for phase in plan.phases),
            expectations=plan.expectations,
            warnings=warnings,
        )
        return Response(trial.model_dump_json(), media_type="application/json")
    entry = here.scenarios.begin(plan)
    response.headers["Location"] = f"/api/v1/scenarios/{entry.id}"
    return models.ScenarioTaken(**_summary(entry), warnings=warnings)


@router.get(
    "/scenarios",
    summary="Scenarios that run or have ended",
    description=f"Oldest first. The last {ENDED_KEPT} that ended are kept.",
)
async def list_scenarios(
    here: Here, state: Annotated[Literal["running", "ended"] | None, Query(description="Only these")] = None
) -> list[models.ScenarioSummary]:
    found = [_summary(entry) for entry in here.scenarios]
    return [models.ScenarioSummary(**each) for each in found if state in (None, each["state"])]


@router.get(
    "/scenarios/{scenario}",
    summary="One scenario, and its results so far",
    description=f"A page of its results; the header `{TOTAL}` says how many there are.",
    responses={200: {"headers": counted("How many results there are")}, **documented(404)},
)
async def read_scenario(
    here: Here, response: Response, scenario: ScenarioId, limit: ResultsLimit = 1_000, offset: Offset = 0
) -> models.ScenarioAnswer:
    return _answer(here, response, _found(here, scenario), offset, limit)


@router.delete(
    "/scenarios/{scenario}",
    summary="Stop a scenario",
    description="What of it has not ended is skipped; its faults are ended, as of the next step.",
    responses={200: {"headers": counted("How many results there are")}, **documented(404, 409)},
)
async def stop_scenario(here: Here, response: Response, scenario: ScenarioId) -> models.ScenarioAnswer:
    _found(here, scenario)
    return _answer(here, response, here.scenarios.stop(scenario, "stopped over REST"), 0, requests.RESULTS_MAX)


@router.get(
    "/scenarios/{scenario}/junit",
    summary="The results of a scenario that has ended, as JUnit XML",
    response_class=Response,
    responses={**_XML, **documented(404, 409)},
)
async def read_scenario_junit(here: Here, scenario: ScenarioId) -> Response:
    entry = _found(here, scenario)
    if entry.ended_s is None:
        raise StateError(f"scenario {scenario} has not ended")
    text = reporting.junit(entry.plan.name, entry.plan.file, entry.run.results, entry.began)
    return Response(text, media_type="text/xml")


# ----------------------------------------------------------------------------------------- checking


async def _body(request: Request) -> tuple[str, bool]:
    """Return the text of a body, and whether it is YAML."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    content = await request.body()
    if not content:
        raise Refused(422, [("body", "is missing")])
    if kind not in YAML and not is_json(request):
        raise Refused(415, [("Content-Type", _TAKEN)])
    try:
        return content.decode(), kind in YAML
    except UnicodeDecodeError:
        raise Refused(400, [("body", "is not text in UTF-8")]) from None


async def _checked(here: Context, text: str, is_yaml: bool, as_is: bool) -> Plan:
    """Read a scenario and check it against the farm, while masters are served; refused with every problem."""
    draft = await asyncio.to_thread(_draft, text, is_yaml)
    if not as_is:
        fit(draft, here.pilot.layout, here.pilot.runner.step_s)
    making = resolving(draft, here.farm)
    while True:
        try:
            next(making)
        except StopIteration as made:
            plan: Plan = made.value
            return plan
        await asyncio.sleep(0)


def _doubts(here: Context, plan: Plan) -> Iterator[str]:
    if here.pilot.runner.paused:
        yield "the clock is paused: it goes on when the clock does"
    if any(phase.speed is not None for phase in plan.phases):
        yield "the farm keeps its speed, whatever phases say"
    if any(phase.load is not None for phase in plan.phases):
        yield "loads of phases are skipped: this farm has no SESP to send to"


def _draft(text: str, is_yaml: bool) -> Draft:
    document = read("body", text, "scenario") if is_yaml else _from_json(text)
    if document.data is None and is_yaml:
        raise Refused(400, [of_file(each) for each in document.problems])
    if not isinstance(document.data, dict):
        raise ConfigError(document.problems)
    return Draft(document)


def _from_json(text: str) -> Document:
    try:
        document = of_data("body", strict_json(text))
    except (ValueError, RecursionError) as error:
        raise Refused(400, [("body", f"is not JSON: {error}")]) from None
    if not isinstance(document.data, dict):
        document.problem((), "a scenario is a table of keys and values, such as `name: street`")
    return document


# ------------------------------------------------------------------------------------------ answers


def _found(here: Context, number: int) -> Entry:
    try:
        return here.scenarios.get(number)
    except StateError as error:
        raise Refused(404, [("scenario", str(error))]) from None


def _answer(here: Context, response: Response, entry: Entry, offset: int, limit: int) -> models.ScenarioAnswer:
    response.headers[TOTAL] = str(len(entry.run.results))
    results = [_result(each) for each in entry.run.results[offset : offset + limit]]
    return models.ScenarioAnswer(**_summary(entry), results=results)


def _summary(entry: Entry) -> dict[str, Any]:
    run, plan = entry.run, entry.plan
    found = reporting.counts(run.results)
    return {
        "id": entry.id,
        "name": plan.name,
        "title": plan.title,
        "state": "running" if entry.ended_s is None else "ended",
        "verdict": entry.verdict,
        "began": entry.began,
        "time_s": entry.time_s,
        "limit_s": plan.limit_s,
        "phase": run.phase,
        "waits_for": run.waits_for(),
        "expectations": plan.expectations,
        "counts": models.CountsAnswer(
            passed=found["pass"], failed=found["fail"], blocked=found["blocked"], skipped=found["skipped"]
        ),
    }


def _result(result: Result) -> models.ResultAnswer:
    return models.ResultAnswer(**{**asdict(result), "line": result.line or None})
