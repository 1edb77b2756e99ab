"""Stale time tags: values go on, and the time they are said to be of does not."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from pilotfarm.emulators.contracts.fault import ClockFault, ClockTime


class Stale(BaseModel):
    """How stale."""

    model_config = ConfigDict(extra="forbid")

    lag_s: float | None = Field(
        None,
        gt=0.0,
        le=1e9,
        allow_inf_nan=False,
        description="How far tags are behind [s]; if left out they stand still where they were",
    )


def _behind(mode: str, parameters: Stale, time: ClockTime) -> float:
    return -(time.elapsed_s if parameters.lag_s is None else parameters.lag_s)


STALE_TIME_TAG = ClockFault(
    kind="stale-time-tag",
    title="Values go on and their time tags stand still or lag; the device's clock is right",
    parameters=Stale,
    offset_s=_behind,
    tags_only=True,
    example={"lag_s": 3600.0},
)
