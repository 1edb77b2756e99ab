"""What the farm answers over REST about the memory of meters."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from pilotfarm.api.models import Answer

ProfileStatus = Literal["power_failure", "clock_invalid", "relay_open", "tampered"]


class ProfileReadingAnswer(Answer):
    """A quarter of an hour, or the end of a day; registers are whole."""

    end: datetime = Field(description="Site time at which the interval or the day ends")
    energy_imported_wh: int
    energy_exported_wh: int
    reactive_energy_imported_varh: int
    reactive_energy_exported_varh: int
    status: list[ProfileStatus] = Field(description="What was the matter at some time in the interval")


class ProfileAnswer(Answer):
    """A profile that a meter keeps."""

    device: str
    serial: str
    kind: Literal["load", "daily"] = Field(
        description="Energy of quarters of an hour, or registers at the ends of days"
    )
    clock_offset_s: float = Field(description="By how much the meter's clock is fast now")
    readings: list[ProfileReadingAnswer]


class LoggedEventAnswer(Answer):
    """An event in the log of a meter."""

    number: int = Field(description="Counted from 1 since the meter stands there; one that is missing was dropped")
    time: datetime = Field(description="By the meter's clock")
    quantity: str = Field(
        description="The alarm, `relay_control_state`, `voltage_dip`, or `event_clear` where the log was cleared",
        examples=["power_failure_alarm"],
    )
    value: int = Field(description="What it became")
    cause: Literal["", "remote", "manual", "local"] = Field(description="Who moved the relay")
