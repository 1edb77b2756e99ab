"""What the farm answers over REST about data concentrators and what they keep."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from pilotfarm.api.memory_models import ProfileReadingAnswer
from pilotfarm.api.models import Answer, Quality
from pilotfarm.emulators.contracts.outage import Known
from pilotfarm.emulators.quantities import Role


class CollectingAnswer(Answer):
    """How a station reads its meters, and how far it is."""

    medium: str
    at: str = Field(description="When a round begins, local time", examples=["00:05"])
    again_s: float = Field(description="Site time from one round to the next, while a reading lacks")
    rounds: int = Field(description="Begun at their time of day")
    rounds_left_out: int = Field(description="Further ones that were due while one was still under way")
    exchanges: int
    exchanges_unanswered: int
    behind: list[str] = Field(description="Meters of which a reading lacks that was wanted: the gap list")
    silent: list[str] = Field(description="Meters that did not answer when they were last asked")
    clocks_set: int = Field(description="Of meters, whose clocks were off by more than 10 s")
    clocks_not_set: int = Field(description="That many meters were told the time and did not answer; each is an alarm")
    readings_waiting: int = Field(description="Kept until they are acknowledged")
    alarms_waiting: int
    alarms_lost: int = Field(description="The oldest, which gave way to newer ones")
    problem: str = Field(description="Why the last readings could not be kept; empty when they could")


class StationReadingAnswer(ProfileReadingAnswer):
    """A quarter of an hour of a meter, as its concentrator has read it."""

    number: int = Field(description="It grows, and none comes twice")
    device: str
    serial: str = Field(description="Of the meter, which may have been exchanged")
    begin: datetime = Field(description="Site time at which the interval begins")
    read_at: datetime = Field(description="Site time at which the concentrator had it")


class StationAlarmAnswer(Answer):
    """What a meter has told its concentrator unasked, or that its clock could not be set."""

    number: int = Field(description="It grows, and none comes twice; one that is missing was lost or acknowledged")
    device: str
    alarm: Literal["power_failure", "power_restored", "clock_not_set"]
    since: datetime = Field(description="By the meter; of `clock_not_set` as `received`")
    received: datetime = Field(description="Site time at which the concentrator had it")


class ReadQuantityAnswer(Answer):
    """A quantity as the meter had it when it was read."""

    value: float | None = Field(description="Null if it is not a number")
    unit: str = Field(examples=["Wh"])
    role: Role
    quality: Quality


class StationReadAnswer(Answer):
    """A read on demand, and what came of it."""

    ticket: int = Field(description="It grows, and none comes twice while the farm runs")
    device: str
    status: Literal["waiting", "answered", "unanswered"]
    asked_at: datetime = Field(description="Site time")
    ended_at: datetime | None = Field(description="Site time at which it was answered or given up")
    serial: str | None = Field(description="Of the meter that has answered")
    read_at: datetime | None = Field(description="Site time at which the concentrator had the answer, if one came")
    quantities: dict[str, ReadQuantityAnswer] | None = Field(description="Registers, states and alarms, if answered")


class OutageAnswer(Answer):
    """A customer without supply, as the concentrator knows it, beside what is true."""

    device: str
    known: Known = Field(
        description="`last_gasp`: the meter has said so, and nothing since; `no_contact`: it did not answer when it "
        "was last asked, for whatever reason; `supplied`: nothing is known of it"
    )
    since: datetime | None = Field(description="When the last gasp came, or of no contact when the meter last answered")
    supplied: bool = Field(description="Whether it has supply in truth")


class AcknowledgedAnswer(Answer):
    """What a concentrator has forgotten, since somebody else has it."""

    acknowledged: int = Field(description="How many these were; 0 where they were none any more")
