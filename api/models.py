"""What goes over REST: one model a shape, and nothing that runs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from pilotfarm.emulators.farm.farm import STEP_MAX_S, STEP_MIN_S
from pilotfarm.emulators.quantities import Role
from pilotfarm.emulators.registry import DEVICES, FAULTS
from pilotfarm.emulators.serving.runner import SPEED_MAX, SPEED_MIN, STEPS_BY_HAND_MAX

TIME_MAX_S: Final = 1e9
"""Furthest a fault may be scheduled, and longest it may last: about 32 years of site time."""
VALUES_MAX: Final = 200
"""Most values of one set-point request."""

Quality: TypeAlias = Annotated[
    str,
    Field(
        description="`good`, or what is wrong with the reported value: one or several of overflow, blocked, "
        "substituted, not_topical, invalid, joined by commas (the bits of IEC 60870-5-101, 7.2.6.3)",
        examples=["good", "not_topical"],
    ),
]


class Answer(BaseModel):
    """A body the farm sends."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class Request(BaseModel):
    """A body the farm takes: no unknown names, no NaN, no numbers written as text."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


# ------------------------------------------------------------------------------------------- site


class PlaceAnswer(Answer):
    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    time_zone: str = Field(examples=["Europe/Oslo"])


class FeederAnswer(Answer):
    """A feeder as described, and as its power flow stands; powers are plus towards the medium voltage."""

    name: str
    nominal_voltage_v: float
    source_voltage_v: float
    resistance_ohm: float | None = Field(description="Of a feeder described by an impedance, else null")
    reactance_ohm: float | None
    energised: bool
    converged: bool = Field(description="False: the power flow fails, and voltages are left from before")
    failures: int = Field(description="Power flows that did not converge")
    power_w: float
    reactive_power_var: float
    losses_w: float
    loading_frac: float = Field(description="Of its fullest transformer")
    lowest_voltage_v: float
    highest_voltage_v: float


class WayAnswer(Answer):
    """One way in which a group is served."""

    protocol: str = Field(examples=["modbus"])
    map: str = Field(examples=["sunspec"])


class GroupAnswer(Answer):
    name: str
    kind: str
    count: int
    feeder: str
    served: list[WayAnswer]


class SiteAnswer(Answer):
    """The site as it was brought up."""

    name: str = Field(examples=["norway"])
    title: str
    start: datetime
    time: datetime = Field(description="Site time now, in the site's own zone")
    seed: int
    step_s: float
    place: PlaceAnswer
    devices: int = Field(description="How many")
    feeders: list[FeederAnswer]
    groups: list[GroupAnswer]


# ---------------------------------------------------------------------------------------- devices


class DeviceSummary(Answer):
    """One device of the list, in brief."""

    device: str
    kind: str
    site: str
    group: str
    feeder: str
    online: bool = Field(description="Whether it runs and its masters can reach it")
    general_alarm: bool
    active_power_w: float | None = Field(description="As reported; plus leaves the device towards the grid")


class QuantityAnswer(Answer):
    """One quantity of a device, now."""

    value: float | None = Field(description="The true value; null if it is not a number", examples=[-3680.0])
    reported: float | None = Field(description="What masters are told; differs only under a fault", examples=[-3680.0])
    unit: str = Field(examples=["W"])
    role: Role
    quality: Quality


class DeviceAnswer(Answer):
    """A device with everything it has."""

    device: str
    kind: str
    site: str
    feeder: str
    time: datetime = Field(description="Site time the values hold for")
    quantities: dict[str, QuantityAnswer]


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


class SetpointsAnswer(Answer):
    """A command that waits for the next step."""

    id: int = Field(description="The command's number, as in the events and the ledger")
    device: str
    accepted: dict[str, float] = Field(
        description="What will be applied, with the enables that the set-points switch on",
        examples=[{"active_power_setpoint_enabled": 1.0, "active_power_setpoint_w": -2000.0}],
    )
    limited: dict[str, float] = Field(
        description="For each value the device cannot follow in full at present, what it will follow instead",
        examples=[{"active_power_setpoint_w": -1500.0}],
    )


# ----------------------------------------------------------------------------------------- faults

# The fault board checks these by name, so that one answer can list all that is wrong and what was meant.
Target: TypeAlias = Annotated[
    dict[str, Annotated[str, Field(max_length=200)]],
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "kind": {"type": "string", "enum": list(DEVICES)},
                "group": {"type": "string"},
                "feeder": {"type": "string"},
                "device": {"type": "string", "maxLength": 200, "description": "Glob over device ids"},
                "quantity": {
                    "type": "string",
                    "maxLength": 200,
                    "description": "Name or glob of quantities; measurement faults need it, others refuse it",
                },
            },
        }
    ),
]


def _start(value: Any) -> float | datetime | None:
    """Read seconds from now, or an instant; anything else is refused in one sentence."""
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value[:40]!r} is no instant such as 2026-06-15T08:00:00+02:00") from None
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


class FaultAnswer(Answer):
    """A fault of the farm, waiting, active or ended."""

    id: int
    kind: str
    target: dict[str, str]
    mode: str | None
    parameters: dict[str, Any]
    start: datetime
    duration_s: float | None
    state: Literal["pending", "active", "ended"]
    hit: list[str] = Field(description="Devices it grips")
    missed: list[str] = Field(description="Devices of the target that cannot have this fault")


class FaultKind(Answer):
    """A kind of fault, and what it can be told."""

    kind: str
    family: str
    title: str
    modes: list[str] = Field(description="The default first; empty if it has none")
    targets: list[str] = Field(description="Keys its target may have")
    required: list[str] = Field(description="Keys its target must have")
    protocols: list[str] = Field(description="Protocols it acts on; empty is all")
    parameters: dict[str, Any] = Field(description="JSON Schema of its parameters")
    example: dict[str, Any] = Field(description="Parameters to try it with")


# ------------------------------------------------------------------------------------------ clock


class ClockAnswer(Answer):
    """How time passes on the site."""

    time: datetime = Field(description="Site time")
    speed: float = Field(description="Site seconds a wall second")
    paused: bool
    step_s: float = Field(description="Site seconds a step")
    late_steps: int = Field(description="Steps that began late; none is ever skipped")
    worst_late_s: float = Field(description="Wall seconds")


class ClockChange(Request):
    """What to change; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "examples": [{"speed": 60.0}]})

    speed: float = Field(default=1.0, ge=SPEED_MIN, le=SPEED_MAX)
    paused: bool = False
    step_s: float = Field(default=1.0, ge=STEP_MIN_S, le=STEP_MAX_S)


class StepRequest(Request):
    """Steps to take by hand."""

    steps: int = Field(default=1, ge=1, le=STEPS_BY_HAND_MAX, examples=[60])


# ------------------------------------------------------------------------------------------ lists


class EndpointAnswer(Answer):
    """One way to one device; the address is named as the protocol names it."""

    model_config = ConfigDict(extra="allow")

    device: str
    kind: str
    site: str
    protocol: str
    map: str
    host: str
    port: int
    station: str | None


class PointAnswer(Answer):
    """One point of a device, as `pilotfarm points` lists it."""

    model_config = ConfigDict(extra="allow")

    device: str
    kind: str
    quantity: str
    unit: str
    role: str
    protocol: str


class Health(Answer):
    """The farm is up."""

    status: Literal["ok"] = "ok"
    site: str
    time: datetime
    listening: int = Field(description="Addresses the farm listens at")
