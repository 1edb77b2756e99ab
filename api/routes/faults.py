"""Faults: what there is, what stands, and how to begin and end one."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Query, Response

from pilotfarm.api import models, requests
from pilotfarm.api.routes import timing
from pilotfarm.api.routes.context import TOTAL, Context, Here, counted
from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.fault import (
    GridFault,
    LinkFault,
    MeasurementFault,
    ProtocolFault,
    counts,
    needed,
)
from pilotfarm.emulators.errors import StateError
from pilotfarm.emulators.farm.fault import Fault
from pilotfarm.emulators.farm.faultboard import ENDED_KEPT
from pilotfarm.emulators.farm.requests import FAULT_KEYS
from pilotfarm.loadtests.problems import Refused, StrictRoute, documented

router = APIRouter(tags=["faults"], route_class=StrictRoute)

FaultId = Annotated[requests.FaultNumber, Path(description="A fault's number", examples=[1])]


@router.get("/faults/kinds", summary="Kinds of fault, with what each can be told")
async def list_fault_kinds() -> list[models.FaultKind]:
    return [_kind(name) for name in registry.FAULTS]


@router.get(
    "/faults",
    summary="Faults that wait, grip, or have ended",
    description=f"Oldest first. The last {ENDED_KEPT} that ended are kept. The header `{TOTAL}` says how many are of "
    "the state.",
    responses={200: {"headers": counted("How many faults are of the state")}},
)
async def list_faults(
    here: Here,
    response: Response,
    state: Annotated[Literal["pending", "active", "ended"] | None, Query(description="Only these")] = None,
    limit: Annotated[requests.FaultsLimit, Query(description="Maximum number of faults to list")] = 100,
    offset: Annotated[requests.Offset, Query(description="How many to pass over first")] = 0,
) -> list[models.FaultAnswer]:
    found = [fault for fault in here.farm.faults if state is None or fault.state == state]
    response.headers[TOTAL] = str(len(found))
    return [_fault(here, fault) for fault in found[offset : offset + limit]]


@router.post(
    "/faults",
    status_code=201,
    summary="Put a fault on the farm",
    description="It takes hold with the first step at or after its start. `hit` are the devices it grips, `missed` "
    "those of the target that cannot have it. `warnings` are no refusal: the fault is taken. With `dry_run` it is "
    "put nowhere.",
    response_model=models.FaultTaken,
    responses={200: {"model": models.FaultTrial, "description": "What would be, as of now"}, **documented(409)},
)
async def add_fault(here: Here, request: requests.FaultRequest, response: Response) -> Any:
    now_s = here.farm.time_s
    start_s = _start_s(here, request.start)
    fault = here.farm.faults.add(
        request.kind,
        request.target,
        request.mode,
        request.parameters,
        None if start_s is None else max(start_s, now_s),
        request.duration_s,
        ramp_s=request.ramp_s,
        spread_s=request.spread_s,
        count=request.count,
        dry_run=request.dry_run,
    )
    runner = here.pilot.runner
    doubts = list(timing.doubts(now_s, start_s, request.duration_s, runner.speed, runner.step_s))
    if request.dry_run:
        trial = models.FaultTrial(**_asked(here, fault), warnings=doubts)
        return Response(trial.model_dump_json(), media_type="application/json")
    response.headers["Location"] = f"/api/v1/faults/{fault.id}"
    return models.FaultTaken(**_fault(here, fault).model_dump(), warnings=doubts)


@router.delete("/faults", summary="End every fault", description="As of the next step; answers with those it ended.")
async def clear_faults(here: Here) -> list[models.FaultAnswer]:
    return [_fault(here, fault) for fault in here.farm.faults.clear_all()]


@router.get("/faults/{fault}", summary="One fault", responses=documented(404))
async def read_fault(here: Here, fault: FaultId) -> models.FaultAnswer:
    return _fault(here, _found(here, fault))


@router.delete("/faults/{fault}", summary="End a fault, as of the next step", responses=documented(404, 409))
async def clear_fault(here: Here, fault: FaultId) -> models.FaultAnswer:
    _found(here, fault)
    return _fault(here, here.farm.faults.clear(fault))


def _found(here: Context, number: int) -> Fault:
    try:
        return here.farm.faults.get(number)
    except StateError as error:
        raise Refused(404, [("fault", str(error))]) from None


def _start_s(here: Context, start: float | datetime | None) -> float | None:
    """Turn what was asked for into seconds since the site's start; it may have passed."""
    if start is None:
        return None
    now_s = here.farm.time_s
    if not isinstance(start, datetime):
        return now_s + start
    local = start if start.tzinfo is not None else start.replace(tzinfo=ZoneInfo(here.pilot.layout.place.time_zone))
    # From UTC: between two instants of one zone Python takes what their clocks show, whatever summer time does.
    start_s = (local - here.pilot.layout.start.astimezone(UTC)).total_seconds()
    if start_s - now_s > requests.TIME_MAX_S:
        raise Refused(422, [("start", f"lies more than {requests.TIME_MAX_S:g} s of site time ahead")])
    return start_s


def _fault(here: Context, fault: Fault) -> models.FaultAnswer:
    bites = fault.bites.count if isinstance(fault.spec, LinkFault | ProtocolFault) else None
    return models.FaultAnswer(id=fault.id, state=fault.state, bites=bites, **_asked(here, fault))


def _asked(here: Context, fault: Fault) -> dict[str, Any]:
    """What was asked for, and whom it grips."""
    zone = here.farm.now.tzinfo
    return {
        "kind": fault.spec.kind,
        "target": {key: each if isinstance(each, str) else list(each) for key, each in fault.target.items()},
        "mode": fault.mode if fault.spec.modes else None,
        "parameters": fault.parameters.model_dump(mode="json"),
        "start": datetime.fromtimestamp(here.farm.unix_s - here.farm.time_s + fault.start_s, zone),
        **asdict(fault.course),
        "hit": list(fault.hit),
        "missed": list(fault.missed),
    }


@cache
def _kind(name: str) -> models.FaultKind:
    spec = registry.fault(name)
    measures = isinstance(spec, MeasurementFault)
    everywhere = isinstance(spec, GridFault) and spec.everywhere
    schema: dict[str, Any] = spec.parameters.model_json_schema()
    return models.FaultKind(
        kind=spec.kind,
        family=spec.family,
        title=spec.title,
        modes=list(spec.modes),
        targets=[] if everywhere else [key for key in FAULT_KEYS if measures or key != "quantity"],
        required=list(needed(spec)),
        protocols=list(spec.protocols) if isinstance(spec, ProtocolFault | LinkFault) else [],
        counts=counts(spec),
        parameters=schema,
        example=dict(spec.example),
    )
