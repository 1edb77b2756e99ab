"""Clock faults: a device's clock gains or loses time, was set wrong, or shows the time of another zone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pilotfarm.emulators.contracts.fault import ClockFault, ClockTime
from pilotfarm.emulators.wire.clock import ahead_of_utc

DRIFT_MAX_PPM: Final = 1_000_000.0
"""A clock that loses as much stands still."""
STEP_MAX_S: Final = 2_000_000_000.0
"""63 years: enough to be in 1970."""
HOURS_MAX: Final = 26.0
"""Between the zones furthest from each other, UTC-12 and UTC+14."""
STANDARD_TIME: Final = "standard"


class Drift(BaseModel):
    """How fast it goes wrong."""

    model_config = ConfigDict(extra="forbid")

    drift_ppm: float = Field(
        ge=-DRIFT_MAX_PPM,
        le=DRIFT_MAX_PPM,
        allow_inf_nan=False,
        description="What it gains, from the fault's start on [millionths, 11.6 are a second a day]; minus loses, and "
        "-1e6 stands still",
    )

    @field_validator("drift_ppm")
    @classmethod
    def _drifts(cls, value: float) -> float:
        if value == 0.0:
            raise ValueError("a clock that drifts by 0 is right")
        return value


class Step(BaseModel):
    """By how much it was set wrong."""

    model_config = ConfigDict(extra="forbid")

    step_s: float = Field(
        ge=-STEP_MAX_S, le=STEP_MAX_S, allow_inf_nan=False, description="What it is ahead [s]; minus is behind"
    )

    @field_validator("step_s")
    @classmethod
    def _steps(cls, value: float) -> float:
        if value == 0.0:
            raise ValueError("a clock that is ahead by 0 is right")
        return value


class Zone(BaseModel):
    """Whose time it shows, and whose time masters take that for."""

    model_config = ConfigDict(extra="forbid")

    hours: float | None = Field(
        None, ge=-HOURS_MAX, le=HOURS_MAX, allow_inf_nan=False, description="So many hours ahead; minus is behind"
    )
    zone: str | None = Field(
        None,
        max_length=64,
        description="In place of hours: the zone whose time it shows, an IANA name; `standard` is the site's without "
        "its summer time",
    )
    taken_for: str | None = Field(
        None, max_length=64, description="The zone whose time it should show; the site's if left out"
    )

    @field_validator("zone", "taken_for")
    @classmethod
    def _exists(cls, name: str | None) -> str | None:
        if name not in (None, STANDARD_TIME):
            try:
                ZoneInfo(name)
            except (ValueError, OSError, ZoneInfoNotFoundError) as error:
                raise ValueError("must be a name of the IANA data base, such as Asia/Tokyo or UTC") from error
        return name

    @model_validator(mode="after")
    def _one_of_both(self) -> Zone:
        if (self.hours is None) == (self.zone is None):
            raise ValueError("give hours or a zone, one of them")
        if self.hours == 0.0:
            raise ValueError("a clock that is ahead by 0 hours is right")
        if self.taken_for is not None and self.zone in (None, self.taken_for):
            raise ValueError("taken_for goes with another zone")
        return self


def _drifted_s(mode: str, parameters: Drift, time: ClockTime) -> float:
    return parameters.drift_ppm * 1e-6 * time.elapsed_s


def _stepped_s(mode: str, parameters: Step, time: ClockTime) -> float:
    return parameters.step_s


def _shifted_s(mode: str, parameters: Zone, time: ClockTime) -> float:
    if parameters.zone is None:
        assert parameters.hours is not None, "one of them is given"
        return 3_600.0 * parameters.hours
    should = time.zone if parameters.taken_for is None else parameters.taken_for
    return (_ahead_of_utc(parameters.zone, time) - _ahead_of_utc(should, time)).total_seconds()


def _ahead_of_utc(name: str, time: ClockTime) -> timedelta:
    if name == STANDARD_TIME:
        year = datetime.fromtimestamp(time.unix_s, ZoneInfo(time.zone)).year
        return ahead_of_utc(time.zone, year)[0]
    return datetime.fromtimestamp(time.unix_s, ZoneInfo(name)).utcoffset() or timedelta()


CLOCK_DRIFT = ClockFault(
    kind="clock-drift",
    title="The device's clock gains or loses time",
    parameters=Drift,
    offset_s=_drifted_s,
    example={"drift_ppm": -200.0},
)

CLOCK_STEP = ClockFault(
    kind="clock-step",
    title="The device's clock was set wrong",
    parameters=Step,
    offset_s=_stepped_s,
    example={"step_s": 3_600.0},
)

CLOCK_ZONE = ClockFault(
    kind="clock-zone",
    title="The device's clock shows the time of another zone, or has missed the summer time",
    parameters=Zone,
    offset_s=_shifted_s,
    example={"zone": "UTC"},
)
