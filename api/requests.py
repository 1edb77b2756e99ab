"""What the farm takes over REST: one model a shape, and nothing that runs."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema

from pilotfarm.api.events import NAMES
from pilotfarm.emulators.farm.event_log import EVENTS_MAX
from pilotfarm.emulators.farm.farm import STEP_MAX_S, STEP_MIN_S
from pilotfarm.emulators.farm.load_profile import INTERVALS
from pilotfarm.emulators.farm.targets import ENTRIES_MAX, ENTRY_LENGTH_MAX
from pilotfarm.emulators.registry import DEVICES, FAULTS, PROTOCOLS
from pilotfarm.emulators.scenarios.words import SECONDS_MAX, TEXT_MAX
from pilotfarm.emulators.serving.runner import SPEED_MAX, SPEED_MIN, STEPS_BY_HAND_MAX
from pilotfarm.emulators.stations.collecting import DEMANDS_MAX
from pilotfarm.emulators.stations.sequence import EVENTS_KEPT
from pilotfarm.emulators.wording import shown, unknown
from pilotfarm.profiles.media import NAMES as MEDIA

TIME_MAX_S: Final = 1e9
"""Furthest a fault may be scheduled, and longest it may last: about 32 years of site time."""
COUNT_MAX: Final = 10**9
"""Maximum number of messages that a fault may change before it ends."""
VALUES_MAX: Final = 200
"""Maximum number of values of one set-point request."""
DEVICES_MAX: Final = 10_000
"""Maximum number of devices that one set-point request names, and that one list shows."""
FAULTS_MAX: Final = 1_000
"""Maximum number of faults that one list shows."""

RECORDS_MAX: Final = 10_000
"""Maximum number of records of a data concentrator that one list shows."""
RESULTS_MAX: Final = 1_000
"""Maximum number of results of a scenario that one answer shows."""


def _whole(value: Any) -> Any:
    """Refuse text that is no whole number as everybody writes it, such as 1_0 or 5.0."""
    if isinstance(value, str) and not re.fullmatch("[+-]?[0-9]{1,40}", value):
        raise ValueError(f"must be a whole number, not {shown(value)!r}")
    return value


# Bounds stand before the validator, or the schema would not have them.
Offset: TypeAlias = Annotated[int, Field(ge=0, le=2**31), BeforeValidator(_whole)]
DevicesLimit: TypeAlias = Annotated[int, Field(ge=1, le=DEVICES_MAX), BeforeValidator(_whole)]
FaultsLimit: TypeAlias = Annotated[int, Field(ge=1, le=FAULTS_MAX), BeforeValidator(_whole)]
StationEventsLimit: TypeAlias = Annotated[int, Field(ge=1, le=EVENTS_KEPT), BeforeValidator(_whole)]
RecordNumber: TypeAlias = Annotated[int, Field(ge=0, le=2**63 - 1), BeforeValidator(_whole)]
RecordsLimit: TypeAlias = Annotated[int, Field(ge=1, le=RECORDS_MAX), BeforeValidator(_whole)]
ReadingsLimit: TypeAlias = Annotated[int, Field(ge=1, le=INTERVALS), BeforeValidator(_whole)]
LoggedLimit: TypeAlias = Annotated[int, Field(ge=1, le=EVENTS_MAX), BeforeValidator(_whole)]
ResultsLimit: TypeAlias = Annotated[int, Field(ge=0, le=RESULTS_MAX), BeforeValidator(_whole)]
FaultNumber: TypeAlias = Annotated[int, Field(ge=1, le=2**63 - 1), BeforeValidator(_whole)]
Ticket: TypeAlias = Annotated[int, Field(ge=1, le=2**63 - 1), BeforeValidator(_whole)]
ScenarioNumber: TypeAlias = Annotated[int, Field(ge=1, le=2**63 - 1), BeforeValidator(_whole)]


def _kind(value: str) -> str:
    if value not in DEVICES:
        raise ValueError(unknown(value, DEVICES))
    return value


def _event_kinds(value: str) -> str:
    """Take kinds of event that may be joined by commas."""
    strange = [each for each in value.split(",") if each not in NAMES]
    if strange:
        raise ValueError("; ".join(unknown(each, NAMES) if each else "a kind must not be empty" for each in strange))
    return value


DeviceKind: TypeAlias = Annotated[str, AfterValidator(_kind), WithJsonSchema({"type": "string", "enum": list(DEVICES)})]
EventKinds: TypeAlias = Annotated[
    str, AfterValidator(_event_kinds), WithJsonSchema({"type": "string", "enum": list(NAMES)})
]


class Request(BaseModel):
    """A body the farm takes: no unknown names, no NaN, no numbers written as text."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


# ------------------------------------------------------------------------------------ set-points

# Checked by the route, so that one answer can list every value that is refused, whatever is wrong with it.
Number: TypeAlias = Annotated[Any, WithJsonSchema({"type": "number"})]
Setpoints: TypeAlias = Annotated[
    dict[str, Number],
    Field(
        min_length=1,
        max_length=VALUES_MAX,
        description="Set-points and commands by the quantity's name; true and on are 1",
        examples=[{"active_power_setpoint_w": -2000.0}],
    ),
]


# The farm checks these by name, so that one answer can list all that is wrong and what was meant.
_Names: TypeAlias = dict[str, Any]


def _one_or_more(**schema: Any) -> dict[str, Any]:
    one = {"type": "string", **schema}
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1, "maxItems": ENTRIES_MAX}]}


_PLACES: Final[dict[str, Any]] = {
    "kind": _one_or_more(enum=list(DEVICES)),
    "group": _one_or_more(),
    "feeder": _one_or_more(),
    "branch": _one_or_more(description="A branch of a feeder, as FEEDER/N from 1"),
    "phase": _one_or_more(
        enum=["L1", "L2", "L3"], description="A phase the devices are on; those of three phases are on all"
    ),
    "device": _one_or_more(maxLength=ENTRY_LENGTH_MAX, description="Glob over device ids"),
    "exclude": _one_or_more(maxLength=ENTRY_LENGTH_MAX, description="Glob over device ids that are not meant"),
    "station": _one_or_more(description="A station that answers for the devices"),
    "protocol": _one_or_more(enum=list(PROTOCOLS)),
    "map": _one_or_more(description="A map the devices are served with"),
    "medium": _one_or_more(enum=list(MEDIA), description="What lies between the devices and their masters"),
    "label": _one_or_more(
        pattern="^[^=]+=[^=]+$",
        description="A label of a group or station, such as cell=north; of each name one has to match",
    ),
}
_OF_FAULTS: Final[dict[str, Any]] = {
    "quantity": _one_or_more(
        maxLength=ENTRY_LENGTH_MAX,
        description="Name or glob of quantities; for measurement faults, which need it",
    ),
    "pick": {
        "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string"}],
        "description": "How many that can have the fault: all, a number, or a share such as 25 %; drawn by the seed",
    },
}
Place: TypeAlias = Annotated[
    _Names, WithJsonSchema({"type": "object", "additionalProperties": False, "properties": _PLACES})
]
Target: TypeAlias = Annotated[
    _Names,
    WithJsonSchema({"type": "object", "additionalProperties": False, "properties": {**_PLACES, **_OF_FAULTS}}),
]


class BulkRequest(Request):
    """The same values for all devices of a target, or values for each of some devices."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["target", "values"]}, {"required": ["devices"]}],
            "examples": [
                {"target": {"kind": "battery"}, "values": {"active_power_setpoint_w": -2000.0}},
                {"devices": {"battery-001": {"active_power_setpoint_w": -2000.0}}},
            ],
        }
    )

    target: Place = Field(default_factory=dict, description="What is left out matches everything")
    values: Setpoints = Field(default_factory=dict)
    devices: Annotated[dict[str, Setpoints], Field(min_length=1, max_length=DEVICES_MAX)] = Field(
        default_factory=dict, description="Values by the device's id"
    )


class ReadsRequest(Request):
    """Meters that a data concentrator is to read at once."""

    devices: Annotated[list[str], Field(min_length=1, max_length=DEMANDS_MAX)] = Field(
        description="Ids of meters of this concentrator, each once", examples=[["homes-001", "homes-002"]]
    )


# ---------------------------------------------------------------------------------------- faults


def _start(value: Any) -> float | datetime | None:
    """Read seconds from now, or an instant; anything else is refused in one sentence."""
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{shown(value)!r} is no instant such as 2026-06-15T08:00:00+02:00") from None
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= TIME_MAX_S:
        raise ValueError(f"must be null, an instant, or a number of seconds from 0 to {TIME_MAX_S:g}")
    return float(value)


Start: TypeAlias = Annotated[
    float | datetime | None,
    PlainValidator(_start),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "null"},
                {"type": "number", "minimum": 0.0, "maximum": TIME_MAX_S},
                {"type": "string", "format": "date-time"},
            ]
        }
    ),
]


class FaultRequest(Request):
    """A fault to put on the farm."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "stuck",
                    "target": {"kind": "smart_meter", "quantity": "active_power_w"},
                    "parameters": {"quality": "good"},
                    "start": None,
                    "duration_s": 60.0,
                }
            ]
        }
    )

    kind: str = Field(json_schema_extra={"enum": list(FAULTS)})
    target: Target = Field(default_factory=dict, description="What is left out matches everything")
    mode: str | None = Field(default=None, description="One of the kind's modes; its first if left out")
    parameters: dict[str, Any] = Field(default_factory=dict, description="As the kind's schema says")
    start: Start = Field(
        default=None,
        description="Null is the next step; a number is seconds of site time from now; text is an instant of site "
        "time (ISO 8601, local where it has no offset). An instant already past is the next step",
    )
    duration_s: Annotated[float, Field(gt=0.0, le=TIME_MAX_S)] | None = Field(
        default=None, description="Site seconds; until cleared if null"
    )
    count: Annotated[int, Field(ge=1, le=COUNT_MAX)] | None = Field(
        default=None,
        description="It ends after it has changed so many messages of all its devices together, or with its duration; "
        "for kinds that act on messages. So it depends on who polls",
    )
    ramp_s: Annotated[float, Field(ge=0.0, le=TIME_MAX_S)] = Field(
        default=0.0,
        description="Site seconds in which it takes its devices one after the other, by draws of the seed or, "
        "of weather with `from_deg`, by where they stand; a wrong value or clock goes evenly from right to wrong",
    )
    spread_s: Annotated[float, Field(ge=0.0, le=TIME_MAX_S)] = Field(
        default=0.0,
        description="Site seconds, after its duration, in which it leaves its devices one after the other; for faults "
        "of admission, link and protocol and for overrides. One that is cleared leaves all at once",
    )
    dry_run: bool = Field(default=False, description="Answer with whom it would hit, and put it nowhere")


# ----------------------------------------------------------------------------------------- clock


class ClockChange(Request):
    """What to change; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "examples": [{"speed": 60.0}]})

    speed: float = Field(default=1.0, ge=SPEED_MIN, le=SPEED_MAX)
    paused: bool = False
    step_s: float = Field(default=1.0, ge=STEP_MIN_S, le=STEP_MAX_S)


class StepRequest(Request):
    """Steps to take by hand."""

    steps: int = Field(default=1, ge=1, le=STEPS_BY_HAND_MAX, examples=[60])


class UntilRequest(Request):
    """What to wait for, and for how long."""

    condition: str = Field(
        min_length=1,
        max_length=TEXT_MAX,
        description="As in a scenario; where it says neither true nor reported, true is meant",
        examples=["battery-001.soc_frac < 0.5"],
    )
    within_s: Annotated[float, Field(ge=0.0, le=SECONDS_MAX)] | None = Field(
        default=None,
        description="Site seconds in which it has to begin to hold; 0 looks now. The condition may say it instead",
        examples=[3600.0],
    )
