"""Link faults: what happens to the bytes of a device's connections on their way, none of them lost.

They run on wall time, as protocols do, whatever the speed of the site.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pilotfarm.emulators.contracts.fault import LinkFault
from pilotfarm.emulators.contracts.hindrance import UNIMPAIRED, Hindrance, Impairment
from pilotfarm.emulators.contracts.way import Engine, Link
from pilotfarm.emulators.links.channels import Channel, Delay, Draws, Flapping, Gap, Hole, Loss, Rate
from pilotfarm.emulators.links.pipe import Pipe
from pilotfarm.profiles.media import Medium

DELAY_MAX_S = 600.0


class _Directed(BaseModel):
    model_config = ConfigDict(extra="forbid")

    direction: Literal["both", "to_device", "to_master"] = Field(
        "both", description="Which way it acts; with both, a request and its answer each meet it"
    )


class Latency(_Directed):
    """Bytes arrive late."""

    delay_s: float = Field(0.0, ge=0.0, le=DELAY_MAX_S, allow_inf_nan=False, description="One way [s]")
    jitter_s: float = Field(
        0.0, ge=0.0, le=DELAY_MAX_S, allow_inf_nan=False, description="Up to this much later yet, drawn evenly [s]"
    )

    @model_validator(mode="after")
    def _takes_time(self) -> Latency:
        if self.delay_s == 0.0 and self.jitter_s == 0.0:
            raise ValueError("give a delay_s or a jitter_s above 0")
        return self


class Bandwidth(_Directed):
    """Bytes go one after the other."""

    rate_bit_s: float = Field(ge=10.0, le=1e9, allow_inf_nan=False, description="Rate of each way [bit/s]")


class Lossy(_Directed):
    """Segments are lost, and TCP repeats them after 0.2 s, 0.4 s, 0.8 s and so on."""

    loss_frac: float = Field(gt=0.0, le=1.0, allow_inf_nan=False, description="Share of the segments that is lost")
    burst_length: float | None = Field(
        None,
        ge=1.0,
        le=1e6,
        allow_inf_nan=False,
        description="How many are lost in a row on average; each by itself if left out",
    )

    @model_validator(mode="after")
    def _can_be(self) -> Lossy:
        if self.burst_length is not None and self.loss_frac > self.burst_length / (self.burst_length + 1.0):
            raise ValueError("with bursts this short, loss_frac is at most burst_length / (burst_length + 1)")
        return self


class Flaps(_Directed):
    """The medium comes and goes."""

    up_s: float = Field(10.0, gt=0.0, le=86_400.0, allow_inf_nan=False, description="How long it is up [s]")
    down_s: float = Field(5.0, gt=0.0, le=86_400.0, allow_inf_nan=False, description="How long it is down [s]")


class Sliced(_Directed):
    """Messages arrive in pieces."""

    piece_octets: int = Field(1, ge=1, le=1_024, description="Octets of a piece; the last may be shorter")
    gap_s: float = Field(0.01, ge=0.0001, le=10.0, allow_inf_nan=False, description="Time between two pieces [s]")


class Blackhole(_Directed):
    """Nothing to choose beside the direction."""


def _wrapped(
    channel: Callable[[Any, Draws], Channel], piece_octets: Callable[[Any], int] = lambda parameters: 0
) -> Callable[[Engine, str, Any, int, float], Link]:
    """Return what puts a pipe around an engine: a channel of its own each way that the fault acts."""

    def wrap(engine: Engine, mode: str, parameters: _Directed, key: int, now_s: float) -> Link:
        inward, outward = (
            [channel(parameters, Draws(key, way))] if parameters.direction in ("both", way) else []
            for way in ("to_device", "to_master")
        )
        return Pipe(engine, inward, outward, piece_octets=piece_octets(parameters))

    return wrap


def _on_ways(parameters: _Directed, way: Impairment) -> Hindrance:
    """Return what is on the ways of polls that a fault acts on."""
    there, back = (
        way if parameters.direction in ("both", direction) else UNIMPAIRED for direction in ("to_device", "to_master")
    )
    return Hindrance(there=there, back=back)


def _flaps(mode: str, parameters: Flaps) -> Hindrance:
    return Hindrance(unanswered=True, up_s=parameters.up_s, down_s=parameters.down_s)


def _below_the_floor(mode: str, parameters: Latency, medium: Medium) -> str:
    most_s = parameters.delay_s + parameters.jitter_s
    if most_s >= medium.floor_s:
        return ""
    return (
        f"adds at most {most_s:g} s where {medium.name} takes {medium.floor_s:g} s or more by itself, one way; what a "
        "fault adds comes on top"
    )


def _above_the_rate(mode: str, parameters: Bandwidth, medium: Medium) -> str:
    rates = {"to_device": medium.rate_down_bit_s, "to_master": medium.rate_up_bit_s}
    most = min(rate for way, rate in rates.items() if parameters.direction in ("both", way))
    if parameters.rate_bit_s < most:
        return ""
    return f"rate_bit_s {parameters.rate_bit_s:,.0f} is no less than the {most:,.0f} bit/s that {medium.name} has"


LATENCY = LinkFault(
    kind="latency",
    title="What is sent arrives late",
    parameters=Latency,
    wrap=_wrapped(lambda p, draw: Delay(p.delay_s, p.jitter_s, draw)),
    polled=lambda mode, p: _on_ways(p, Impairment(delay_s=p.delay_s, jitter_s=p.jitter_s)),
    fights=_below_the_floor,
    example={"delay_s": 0.5, "jitter_s": 1.0},
)

BANDWIDTH = LinkFault(
    kind="bandwidth",
    title="What is sent arrives bit by bit, at a rate",
    parameters=Bandwidth,
    wrap=_wrapped(lambda p, draw: Rate(p.rate_bit_s)),
    polled=lambda mode, p: _on_ways(p, Impairment(octet_s=8.0 / p.rate_bit_s)),
    fights=_above_the_rate,
    example={"rate_bit_s": 9_600.0},
)

LOSS = LinkFault(
    kind="loss",
    title="The medium loses segments; TCP repeats them, which takes time, and gives up after 15 repeats",
    parameters=Lossy,
    wrap=_wrapped(lambda p, draw: Loss.of(p.loss_frac, p.burst_length, draw)),
    polled=lambda mode, p: _on_ways(p, Impairment(lost_frac=p.loss_frac)),
    example={"loss_frac": 0.1},
)

FLAPPING = LinkFault(
    kind="flapping",
    title="The medium comes and goes, for all devices together; what is sent meanwhile waits",
    parameters=Flaps,
    wrap=_wrapped(lambda p, draw: Flapping(p.up_s, p.down_s)),
    polled=_flaps,
    example={"up_s": 10.0, "down_s": 5.0},
)

SLICED = LinkFault(
    kind="sliced",
    title="Messages arrive in pieces",
    parameters=Sliced,
    wrap=_wrapped(lambda p, draw: Gap(p.gap_s), lambda p: p.piece_octets),
    polled=lambda mode, p: _on_ways(p, Impairment(octet_s=p.gap_s / p.piece_octets)),
    example={"piece_octets": 3},
)

BLACKHOLE = LinkFault(
    kind="blackhole",
    title="Connections stay and nothing arrives, until the fault ends or TCP gives up after 924.6 s",
    parameters=Blackhole,
    wrap=_wrapped(lambda p, draw: Hole()),
    polled=lambda mode, p: Hindrance(unanswered=True),
    example={"direction": "to_master"},
)
