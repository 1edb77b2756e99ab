"""What the farm answers over REST: one model a shape, and nothing that runs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from pilotfarm.emulators.quantities import Role
from pilotfarm.loadtests.problems import ProblemItem

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


# ------------------------------------------------------------------------------------------- site


class PlaceAnswer(Answer):
    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    time_zone: str = Field(examples=["Europe/Oslo"])


class InputAnswer(Answer):
    """A file that the site file names, as it was read."""

    name: str = Field(description="As the site file writes it", examples=["street.csv"])
    sha256: str
    bytes: int


class PriceAnswer(Answer):
    """What energy costs now, and how that stands in the day, as far as its series has the day."""

    per_mwh: float
    currency: str = Field(description="ISO 4217", examples=["EUR"])
    cheaper_h: float = Field(description="Hours of the site's day in which it is cheaper")
    dearer_h: float


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
    medium: str = Field(examples=["lte"], description="What lies between the devices and their masters")


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
    inputs: list[InputAnswer] = Field(description="The files of series and weather that it was made from")


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

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)  # one without a price is sent without

    device: str
    kind: str
    site: str
    feeder: str
    branch: str | None = Field(description="The branch of its feeder it is on, if that has any", examples=["north/1"])
    time: datetime = Field(description="Site time the values hold for")
    clock_offset_s: float = Field(
        description="What its own clock is ahead of site time; an RTU tells of it by a clock that is the RTU's",
        examples=[0.0],
    )
    price: PriceAnswer | None = Field(default=None, description="Of energy here; only where a series says it")
    quantities: dict[str, QuantityAnswer]


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


class BulkFailure(Answer):
    """A device that was told nothing, and every reason."""

    device: str
    problems: list[ProblemItem]


class BulkAnswer(Answer):
    """What came of it, device by device."""

    succeeded: list[SetpointsAnswer] = Field(description="Commands that wait for the next step")
    failed: list[BulkFailure] = Field(description="Devices that were told nothing")


# ----------------------------------------------------------------------------------------- faults


class _Fault(Answer):
    kind: str
    target: dict[str, str | list[str]]
    mode: str | None
    parameters: dict[str, Any]
    start: datetime
    duration_s: float | None
    count: int | None
    ramp_s: float
    spread_s: float
    hit: list[str] = Field(description="Devices it grips")
    missed: list[str] = Field(description="Devices of the target that cannot have this fault")


class FaultTrial(_Fault):
    """A fault that was tried, and is nowhere."""

    warnings: list[str] = Field(description="As of one that is taken")


class FaultAnswer(_Fault):
    """A fault of the farm, waiting, active or ended."""

    id: int
    state: Literal["pending", "active", "ended"]
    bites: int | None = Field(
        description="How often it has changed what passes: messages, frames, or pieces of bytes that took time; null "
        "for families that do not act there"
    )


class FaultTaken(FaultAnswer):
    """A fault that has been put on the farm."""

    warnings: list[str] = Field(
        description="What of it may not be meant, such as a start that is months away; it is taken all the same"
    )


class FaultKind(Answer):
    """A kind of fault, and what it can be told."""

    kind: str
    family: str
    title: str
    modes: list[str] = Field(description="The default first; empty if it has none")
    targets: list[str] = Field(description="Keys its target may have")
    required: list[str] = Field(description="Keys its target must have")
    protocols: list[str] = Field(description="Protocols it acts on; empty is all")
    counts: bool = Field(description="Whether it acts on single messages, and may end after a `count` of them")
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


class UntilAnswer(Answer):
    """What has come of waiting for a condition."""

    time: datetime = Field(description="Site time")
    passed_s: float = Field(description="Site seconds since it was asked")
    condition: str
    held: bool = Field(description="False: it has not come in time")
    seen: str = Field(description="What decides it now", examples=["battery-001 has 0.499858"])


# ------------------------------------------------------------------------------------------ lists


class SerialLine(Answer):
    """What a master's serial port is to be set to."""

    device: str = Field(description="A serial device, or the link to a pseudo-terminal", examples=["/dev/ttyUSB0"])
    baud_rate: int = Field(description="[bit/s]", examples=[19_200])
    parity: Literal["none", "even", "odd"]
    data_bits: int
    stop_bits: int


class EndpointAnswer(Answer):
    """One way to one device; the address is named as the protocol names it."""

    # Where it is found is told in one way or the other.
    model_config = ConfigDict(extra="allow", json_schema_serialization_defaults_required=False)

    device: str
    kind: str
    site: str
    protocol: str
    map: str
    medium: str
    host: str | None = Field(None, description="With the port, where it is found over TCP")
    port: int | None = None
    serial: SerialLine | None = Field(None, description="Where it is found on a serial line")
    framing: str | None = Field(None, description="`rtu` where Modbus RTU is spoken over TCP, as to a serial server")
    station: str | None
    polled_over: str | None = Field(None, description="Medium between a station that asks and the device")
    scan_s: float | None = Field(None, description="How often it does")


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
