"""Faults: what there is, what stands, and how to begin and end one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Query, Response

from pilotfarm.api import models
from pilotfarm.api.routes.context import Context, Here
from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.fault import FaultSpec, GridFault, LinkFault, MeasurementFault, ProtocolFault
from pilotfarm.emulators.errors import StateError
from pilotfarm.emulators.farm.faultboard import Fault
from pilotfarm.loadtests.problems import Refused, documented

PLACE_KEYS: Final = ["kind", "group", "feeder", "device"]

router = APIRouter(tags=["faults"])

FaultId = Annotated[int, Path(description="A fault's number", ge=1, le=2**63 - 1, examples=[1])]


@router.get("/faults/kinds", summary="Kinds of fault, with what each can be told")
async def list_fault_kinds() -> list[models.FaultKind]:
    return [_kind(registry.fault(name)) for name in registry.FAULTS]


@router.get(
    "/faults",
    summary="Faults that wait, grip, or have ended",
    description="Oldest first. The last few that ended are kept.",
    responses=documented(422),
)
async def list_faults(
    here: Here, state: Annotated[Literal["pending", "active", "ended"] | None, Query(description="Only these")] = None
) -> list[models.FaultAnswer]:
    return [_fault(here, fault) for fault in here.farm.faults if state is None or fault.state == state]


@router.post(
    "/faults",
    status_code=201,
    summary="Put a fault on the farm",
    description="It takes hold with the first step at or after its start. `hit` are the devices it grips, `missed` "
    "those of the target that cannot have it.",
    responses=documented(400, 409, 413, 422),
)
async def add_fault(here: Here, request: models.FaultRequest, response: Response) -> models.FaultAnswer:
    start_s = _start_s(here, request.start)
    fault = here.farm.faults.add(
        request.kind, request.target, request.mode, request.parameters, start_s, request.duration_s
    )
    response.headers["Location"] = f"/api/v1/faults/{fault.id}"
    return _fault(here, fault)


@router.delete("/faults", summary="End every fault", description="As of the next step; answers with those it ended.")
async def clear_faults(here: Here) -> list[models.FaultAnswer]:
    return [_fault(here, fault) for fault in here.farm.faults.clear_all()]


@router.get("/faults/{fault}", summary="One fault", responses=documented(404, 422))
async def read_fault(here: Here, fault: FaultId) -> models.FaultAnswer:
    return _fault(here, _found(here, fault))


@router.delete("/faults/{fault}", summary="End a fault, as of the next step", responses=documented(404, 409, 422))
async def clear_fault(here: Here, fault: FaultId) -> models.FaultAnswer:
    _found(here, fault)
    return _fault(here, here.farm.faults.clear(fault))


def _found(here: Context, number: int) -> Fault:
    try:
        return here.farm.faults.get(number)
    except StateError as error:
        raise Refused(404, [("fault", str(error))]) from None


def _start_s(here: Context, start: float | datetime | None) -> float | None:
    """Turn what was asked for into seconds since the site's start; the next step if it has passed."""
    if start is None:
        return None
    now_s = here.farm.time_s
    if not isinstance(start, datetime):
        return now_s + start
    local = start if start.tzinfo is not None else start.replace(tzinfo=ZoneInfo(here.pilot.layout.place.time_zone))
    start_s = (local - here.pilot.layout.start).total_seconds()
    if start_s - now_s > models.TIME_MAX_S:
        raise Refused(422, [("start", f"lies more than {models.TIME_MAX_S:g} s of site time ahead")])
    return max(start_s, now_s)


def _fault(here: Context, fault: Fault) -> models.FaultAnswer:
    zone = here.farm.now.tzinfo
    return models.FaultAnswer(
        id=fault.id,
        kind=fault.spec.kind,
        target=dict(fault.target),
        mode=fault.mode if fault.spec.modes else None,
        parameters=fault.parameters.model_dump(mode="json"),
        start=datetime.fromtimestamp(here.farm.unix_s - here.farm.time_s + fault.start_s, zone),
        duration_s=fault.duration_s,
        state=fault.state,
        hit=list(fault.hit),
        missed=list(fault.missed),
    )


def _kind(spec: FaultSpec) -> models.FaultKind:
    measures = isinstance(spec, MeasurementFault)
    everywhere = isinstance(spec, GridFault) and spec.everywhere
    schema: dict[str, Any] = spec.parameters.model_json_schema()
    return models.FaultKind(
        kind=spec.kind,
        family=spec.family,
        title=spec.title,
        modes=list(spec.modes),
        targets=[] if everywhere else [*PLACE_KEYS, "quantity"] if measures else PLACE_KEYS,
        required=["quantity"] if measures else [],
        protocols=list(spec.protocols) if isinstance(spec, ProtocolFault | LinkFault) else [],
        parameters=schema,
        example=dict(spec.example),
    )
