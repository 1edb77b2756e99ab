"""The tables of a scenario file as pydantic models: what may be written where, with bounds.

Each table is checked on its own, so that one bad value does not hide another; ``ScenarioFile`` puts them together for
the JSON Schema. What needs a site (devices, quantities, faults) is checked in ``resolve``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeAlias

from pydantic import Field, PlainValidator, WithJsonSchema

from pilotfarm.emulators.farm.farm import STEP_MAX_S, STEP_MIN_S
from pilotfarm.emulators.faults.overrides import Load, OtherMedium, Weather
from pilotfarm.emulators.scenarios.words import TEXT_MAX, TIME_PATTERN, instant, seconds
from pilotfarm.emulators.site.model import SEED_END, Name
from pilotfarm.emulators.site.table import Table

PHASES_MAX: Final = 100
STEPS_MAX: Final = 1_000
"""Maximum number of steps of a phase."""
REPEAT_MAX: Final = 1_000
EXPANDED_MAX: Final = 10_000
"""Maximum number of steps with every repetition counted."""
EXPECTATIONS_MAX: Final = 100
"""Maximum number of expectations of one step."""
LIMIT_S: Final = 86_400.0


def _time_schema(**bound: float) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"type": "number", **bound}, {"type": "string", "pattern": TIME_PATTERN}]})


Seconds: TypeAlias = Annotated[float, PlainValidator(seconds), _time_schema(exclusiveMinimum=0)]
"""A number of seconds, or text such as 5 min."""
Instant: TypeAlias = Annotated[float, PlainValidator(instant), _time_schema(minimum=0)]
NotNegative: TypeAlias = Annotated[float, Field(ge=0.0, le=1e9)]
Text: TypeAlias = Annotated[str, Field(min_length=1, max_length=TEXT_MAX)]


def _texts(most: int) -> Any:
    """Take one text or a list of them."""

    def check(value: Any) -> tuple[str, ...]:
        several = [value] if isinstance(value, str) else value
        if not isinstance(several, list) or not several or not all(isinstance(each, str) for each in several):
            raise ValueError("must be a text or a list of texts")
        if len(several) > most:
            raise ValueError(f"has {len(several)} entries; {most} are the maximum")
        return tuple(several)

    return PlainValidator(check)


def _texts_schema(most: int) -> Any:
    one = {"type": "string", "minLength": 1}
    return WithJsonSchema({"anyOf": [one, {"type": "array", "items": one, "minItems": 1, "maxItems": most}]})


Names: TypeAlias = Annotated[tuple[str, ...], _texts(STEPS_MAX), _texts_schema(STEPS_MAX)]
Expectations: TypeAlias = Annotated[tuple[str, ...], _texts(EXPECTATIONS_MAX), _texts_schema(EXPECTATIONS_MAX)]


class OverrideTable(Table):
    """Whom it is about and for how long; it begins with its step."""

    target: dict[str, Any] = Field(default_factory=dict, description="Whom; what is left out matches everything")
    duration_s: Annotated[float, Field(gt=0.0, le=1e9)] | None = Field(
        default=None, description="Site seconds; until it is cleared, or the scenario ends, if left out"
    )
    ramp_s: NotNegative = Field(default=0.0, description="Site seconds to take all devices in")
    spread_s: NotNegative = Field(default=0.0, description="Site seconds after its duration to leave all devices in")

    def as_fault(self, kind: str) -> FaultTable:
        """Return it as a fault of the kind, as REST takes it."""
        course = {name: getattr(self, name) for name in OverrideTable.model_fields}
        own = {name: getattr(self, name) for name in sorted(self.model_fields_set - course.keys())}
        given = {name: value for name, value in own.items() if value is not None}
        return FaultTable(kind=kind, parameters=given, **course)


class WeatherTable(OverrideTable, Weather):
    """Another weather over some devices."""


class LoadTable(OverrideTable, Load):
    """More or less load."""


class MediumTable(OverrideTable, OtherMedium):
    """Another medium on the ways to some devices."""


OVERRIDES: Final[Mapping[str, type[OverrideTable]]] = {
    "weather": WeatherTable,
    "load": LoadTable,
    "medium": MediumTable,
}
"""Steps that are faults in words of their own: parameters stand beside the target."""


class FaultTable(OverrideTable):
    """A fault, as REST takes it."""

    kind: str = Field(description="One of the kinds of docs/faults.md")
    mode: str | None = Field(default=None, description="One of the kind's modes; its first if left out")
    parameters: dict[str, Any] = Field(default_factory=dict, description="As the kind's schema says")
    count: Annotated[int, Field(ge=1, le=10**9)] | None = Field(
        default=None, description="It ends after it has changed so many messages"
    )


class SetpointsTable(Table):
    """Set-points and commands, as REST takes them: the same to all of a target, or to each device its own."""

    target: dict[str, Any] | None = Field(default=None, description="Whom, with the keys of a fault's target")
    values: dict[str, Any] | None = Field(default=None, description="Quantity -> number, for all of the target")
    devices: dict[str, dict[str, Any]] | None = Field(default=None, description="Device -> quantity -> number")


class StepTable(Table):
    """One step of a phase: one thing that is done, waited for or expected.

    It begins when the step before it has ended; with ``after`` when those named have, with ``at`` at its time.
    """

    name: Name | None = Field(default=None, description="By which after and clear mean it")
    at: Instant | None = Field(
        default=None, description="Site time since its phase began; it does not wait for the step before it"
    )
    after: Names | None = Field(default=None, description="Steps of its phase that it waits for instead")
    when: Text | None = Field(
        default=None, description="A condition it waits for, such as battery-001.soc_frac < 0.1 within 1 h"
    )
    skip: Text | None = Field(default=None, description="Why it is left out for now")
    fault: FaultTable | None = Field(default=None, description="Break something")
    weather: WeatherTable | None = Field(default=None, description="Have another weather")
    load: LoadTable | None = Field(default=None, description="Have homes draw more or less")
    medium: MediumTable | None = Field(default=None, description="Have ways on another medium")
    setpoints: SetpointsTable | None = Field(default=None, description="Tell devices set-points and commands")
    clear: Names | None = Field(default=None, description="End the faults of the steps named, or `all`")
    wait: Seconds | None = Field(default=None, description="Let site time pass")
    expect: Expectations | None = Field(
        default=None,
        description="What must be seen, such as meter-001.voltage_l1_v reported < 207 within 60 s; those of a list "
        "begin together, and each has a verdict of its own",
    )


ACTIONS: Final = ("fault", *OVERRIDES, "setpoints", "clear", "wait", "expect")


class SespLoadTable(Table):
    """The load of a phase on a SESP: devices of the site that send it their readings while the phase lasts."""

    users: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None, description="How many devices send; all of the site's if left out"
    )
    factor: Annotated[float, Field(ge=0.001, le=10_000.0)] = Field(
        default=1.0, description="How many times as often as the pilot does"
    )
    min_stored_frac: Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        default=1.0, description="Share of the readings sent that must be stored afterwards"
    )
    max_latency_p95_s: Annotated[float, Field(gt=0.0, le=1e6)] | None = Field(
        default=None, description="Wall time within which 95 % of those answered must be"
    )


class PhaseTable(Table):
    """A part of a scenario; it begins when the one before it has ended."""

    name: Name = Field(description="The phase's name: a letter, then up to 62 letters, digits, - or _")
    repeat: int = Field(default=1, ge=1, le=REPEAT_MAX, description="How many times it runs, one after the other")
    skip: Text | None = Field(default=None, description="Why it is left out for now")
    speed: Annotated[float, Field(ge=0.001, le=100_000.0)] | None = Field(
        default=None, description="Site seconds a wall second in it, with servers; --speed if left out"
    )
    sesp_load: SespLoadTable | None = Field(default=None, description="Load on a SESP while it lasts, with servers")
    steps: list[StepTable] = Field(min_length=1, max_length=STEPS_MAX)


class Head(Table):
    """The plain values at the top of a scenario file."""

    name: Name = Field(description="The scenario's name: a letter, then up to 62 letters, digits, - or _")
    title: str = Field(default="", description="One line for people")
    site: Text | None = Field(
        default=None, description="A built-in site or a site file, from the scenario's folder; --site goes before it"
    )
    start: Text | None = Field(default=None, description="Instant the site starts at; the site's if left out")
    seed: Annotated[int, Field(ge=0, lt=SEED_END)] | None = Field(
        default=None, description="Of everything random; the site's if left out"
    )
    step_s: Annotated[float, Field(ge=STEP_MIN_S, le=STEP_MAX_S)] | None = Field(
        default=None, description="Length of a physics step; the site's if left out"
    )
    media: bool | None = Field(
        default=None, description="Whether the media of endpoints and stations hold; as the site says if left out"
    )
    limit: Seconds = Field(
        default=LIMIT_S, description="Longest it may take in site time, whatever it waits for; a day if left out"
    )


class ScenarioFile(Head):
    """What goes wrong at a site and when, and what must be seen."""

    phases: list[PhaseTable] = Field(min_length=1, max_length=PHASES_MAX, description="One after the other")
