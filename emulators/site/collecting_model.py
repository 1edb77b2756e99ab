"""The site file's table of how a station collects readings, as a data concentrator does."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field, WithJsonSchema

from pilotfarm.emulators.site.table import Table

TIME_PATTERN: Final = "([01][0-9]|2[0-3]):[0-5][0-9]"


def is_time(text: str) -> str:
    if not re.fullmatch(TIME_PATTERN, text):
        raise ValueError("must be a time of day, such as '00:05'")
    return text


TimeOfDay = Annotated[str, AfterValidator(is_time), WithJsonSchema({"type": "string", "pattern": f"^{TIME_PATTERN}$"})]


class Collecting(Table):
    """How a station reads its meters: a round every day, and further ones for what lacks."""

    medium: str = Field(description="What lies between it and its meters, one exchange at a time")
    at: TimeOfDay = Field(default="00:05", description="When a round begins, local time")
    again_s: float = Field(
        default=1_800.0, ge=60.0, le=86_400.0, description="Site time from one round to the next, while a reading lacks"
    )
    timeout_s: float = Field(default=5.0, gt=0, le=600.0, description="How long an answer is waited for")
    tries: int = Field(
        default=4, ge=1, le=20, description="How often a meter is asked before it is left for a later round"
    )
    block_intervals: int = Field(default=7, ge=1, le=96, description="Intervals of the load profile in an answer")
    queue: int = Field(
        default=200_000, ge=100, le=10_000_000, description="Readings it keeps at most until they are acknowledged"
    )
    alarms: int = Field(
        default=10_000, ge=100, le=10_000_000, description="The same of alarms; the oldest give way to newer ones"
    )
    folder: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="Folder of the file with what it keeps; in memory if left out"
    )
