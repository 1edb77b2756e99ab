"""What the farm answers over REST about scenarios: one model a shape, and nothing that runs."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from pydantic import Field

from pilotfarm.api.models import Answer

Verdict: TypeAlias = Literal["PASS", "FAIL", "BLOCKED", "SKIPPED"]


class CountsAnswer(Answer):
    """How many results are what."""

    passed: int
    failed: int
    blocked: int
    skipped: int


class ScenarioSummary(Answer):
    """A scenario that is under way or has ended, in brief."""

    id: int
    name: str = Field(examples=["stuck-meter"])
    title: str
    state: Literal["running", "ended"]
    verdict: Verdict | None = Field(description="Of one that has ended")
    began: datetime = Field(description="Site time")
    time_s: float = Field(description="Site seconds it has taken so far, or took")
    limit_s: float = Field(description="The longest it may take")
    phase: str = Field(description="The phase under way; empty of one that has ended")
    waits_for: str = Field(description="What is under way now; empty of one that has ended")
    expectations: int = Field(description="How many it has, repetitions counted")
    counts: CountsAnswer


class ResultAnswer(Answer):
    """How a step, or an expectation of a step, ended; times are site seconds since the scenario began."""

    phase: str
    step: str
    line: int | None = Field(description="In the text that was sent; null if that was JSON")
    text: str
    verdict: Verdict
    began_s: float | None = Field(description="Null of one that never began")
    ended_s: float
    detail: str = Field(description="Why it is no PASS, or what was seen or done")


class ScenarioAnswer(ScenarioSummary):
    """A scenario with a page of its results, in the order in which they came."""

    results: list[ResultAnswer]


class ScenarioTaken(ScenarioSummary):
    """A scenario that has begun."""

    warnings: list[str] = Field(description="What may not be meant; it has begun all the same")


class ScenarioTrial(Answer):
    """What a scenario that was only checked comes to."""

    name: str
    title: str
    phases: int = Field(description="Repetitions counted, as of steps and expectations")
    steps: int
    expectations: int
    warnings: list[str] = Field(description="As of one that is begun")


class RecordingAnswer(Answer):
    """What was done to the farm, as a scenario."""

    began: datetime = Field(description="Site time")
    time: datetime = Field(description="Site time it is recorded up to")
    masters: bool = Field(description="Whether what masters write is recorded, too")
    steps: int = Field(description="How many steps the scenario has so far")
    full: bool = Field(description="It has come to its bound: nothing more is recorded")
    text: str = Field(description="The scenario file so far, as YAML")
