"""What the farm answers over REST about stations."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from pilotfarm.api.concentrator_models import CollectingAnswer
from pilotfarm.api.models import Answer, Quality


class AgeAnswer(Answer):
    """How old is what a station knows, over its devices. [s]"""

    median: float
    p95: float
    max: float


class PollingAnswer(Answer):
    """How a station asks its devices, or the stations they are behind."""

    protocol: str
    through: list[str] = Field(description="The stations it asks; empty where it asks its devices")
    medium: str
    real: bool = Field(description="Whether octets are exchanged, and not only counted")
    buses: int
    scan_s: float
    scans: int = Field(description="Scans begun, of all buses together")
    scans_left_out: int = Field(description="Scans that were due while their bus was still busy")
    polls_unanswered: int
    time_stamps: Literal["station", "device"] = Field(description="Whose clock stamps events")
    events: int = Field(description="Kept in its sequence of events")
    events_dropped: int = Field(description="Oldest ones that gave way to newer ones")
    silent_stations: list[str] = Field(description="Those it asks that did not answer when they were last asked")
    silent: list[str] = Field(
        description="Devices that did not answer when they were last asked, be it by the station they are behind"
    )
    age_s: dict[str, AgeAnswer] = Field(description="By class of scans: scan, slow and counters")


class StationAnswer(Answer):
    """What answers for several devices at one address."""

    name: str
    protocol: str
    medium: str
    devices: int
    polling: PollingAnswer | None = Field(description="null where it does not poll")
    collecting: CollectingAnswer | None = Field(description="null where it does not read meters in rounds")


class StationEventAnswer(Answer):
    """A state or an alarm that changed, as a station that polls knows of it."""

    number: int = Field(description="Counted from 1 since the station began; one that is missing was dropped")
    device: str
    quantity: str = Field(examples=["grid_switch_closed"])
    value: float | None = Field(description="null if it is not a number", examples=[0.0])
    quality: Quality
    time: datetime = Field(description="As its time tag has it: by the clock of the station, or of the device")
    received: datetime = Field(description="Site time of the step in which the station knew of it")
