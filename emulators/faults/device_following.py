"""Faults of how a device does what it is told: not at all, slowly, or not by whom it cannot identify."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from pilotfarm.emulators.contracts.fault import DeviceFault
from pilotfarm.emulators.faults.device_parts import Noticed, OfPart, noticed, part

_LEVELS: Final = {"set-points": 1.0, "all": 2.0}


class FollowsNone(Noticed):
    """What it does not follow."""

    of: Literal["set-points", "all"] = Field(
        "set-points", description="Set-points with their switches, or also start, stop and resets"
    )


class FollowsSlowly(Noticed):
    """How slowly."""

    time_s: float = Field(
        gt=0.0,
        le=86_400.0,
        allow_inf_nan=False,
        description="How long a change takes, in site time [s]; a number moves evenly, a switch acts at the end",
    )


def _ignores(mode: str, parameters: FollowsNone) -> dict[str, float]:
    return noticed(parameters, ignores=_LEVELS[parameters.of])


def _delays(mode: str, parameters: FollowsSlowly) -> dict[str, float]:
    return noticed(parameters, following_s=parameters.time_s)


def _refuses(mode: str, parameters: OfPart) -> dict[str, float]:
    return {"identification_refused": 1.0}


FOLLOWS_NONE = DeviceFault(
    kind="follows-none",
    title="The device acknowledges set-points and shows them, and goes on with those it had when the fault began",
    parameters=FollowsNone,
    sets=_ignores,
    part=part,
)

FOLLOWS_SLOWLY = DeviceFault(
    kind="follows-slowly",
    title="The device follows what it is told, and takes its time",
    parameters=FollowsSlowly,
    sets=_delays,
    part=part,
    example={"time_s": 30.0},
)

IDENTIFICATION_REFUSED = DeviceFault(
    kind="identification-refused",
    title="Identifications are refused: at a charging point those of all owners, elsewhere the device's own",
    parameters=OfPart,
    sets=_refuses,
    part=part,
)
