"""Grid faults: the grid the devices stand on fails, and their physics answers it.

Words and depths are those of EN 50160 and IEC 61000-4-30: a dip is told by the voltage that is left.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from pilotfarm.emulators.contracts.disturbance import (
    ALL_OPEN,
    BRANCH,
    FEEDER,
    NONE_OPEN,
    TRANSFORMER,
    Disturbance,
    Open,
)
from pilotfarm.emulators.contracts.fault import GridFault

LOST_MAX_W: Final = 1e11
CARRIED_S: Final = 2.0
"""IEC 62116:2014: anti-islanding of PV inverters has to have acted within 2 s."""

Phases: TypeAlias = Literal["all", "l1", "l2", "l3", "l1-l2", "l2-l3", "l3-l1"]
SomePhases: TypeAlias = Literal["l1", "l2", "l3", "l1-l2", "l2-l3", "l3-l1"]


class _Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Outage(_Parameters):
    """Nothing to choose beside the mode."""


class PhaseLoss(_Parameters):
    phases: SomePhases = Field(
        default="l1", description="Which phases are open; with `transformer` those of the medium voltage"
    )


class Sag(_Parameters):
    voltage_pu: float = Field(
        ge=0.0, lt=1.0, description="What is left of the source's voltage, per unit of what it would be"
    )
    phases: Phases = Field(default="all", description="Which phases of the low voltage have it")


class Swell(_Parameters):
    voltage_pu: float = Field(
        gt=1.0, le=2.0, description="What becomes of the source's voltage, per unit of what it would be"
    )
    phases: Phases = Field(default="all", description="Which phases of the low voltage have it")


class Islanding(_Parameters):
    carried_s: float = Field(
        default=CARRIED_S,
        ge=0.0,
        le=600.0,
        allow_inf_nan=False,
        description="How long units carry what is cut off [s]; anti-islanding after IEC 62116 takes 2 at most",
    )


class Tap(_Parameters):
    steps: int = Field(ge=-16, le=16, description="Steps the tap has moved; plus raises the low voltage")
    step_frac: float = Field(
        default=0.025,
        gt=0.0,
        le=0.03,
        description="One step, as a share of the winding: 0.025 of a distribution transformer, 0.015 under load",
    )


class WeakGrid(_Parameters):
    factor: float = Field(
        gt=1.0, le=100.0, description="Impedance of the transformers, or of a feeder that is one, over what it was"
    )


class GenerationLoss(_Parameters):
    """How much the area loses; its frequency controls bring it back."""

    power_w: float = Field(
        ge=-LOST_MAX_W,
        le=LOST_MAX_W,
        allow_inf_nan=False,
        description="Generation that trips [W]; minus is load. The whole of Continental Europe is built for 3e9",
    )


class FrequencyOffset(_Parameters):
    offset_hz: float = Field(
        ge=-5.0,
        le=5.0,
        allow_inf_nan=False,
        description="By how much the frequency is off, whatever the area does [Hz]",
    )


def _outage(mode: str, parameters: Outage) -> Disturbance:
    return Disturbance(at=mode, opened=ALL_OPEN)


def _phase_loss(mode: str, parameters: PhaseLoss) -> Disturbance:
    phases = _chosen(parameters.phases)
    at_medium_voltage = mode == TRANSFORMER
    return Disturbance(
        at=mode, opened=NONE_OPEN if at_medium_voltage else phases, blown=phases if at_medium_voltage else NONE_OPEN
    )


def _voltage(mode: str, parameters: Sag | Swell) -> Disturbance:
    a, b, c = (parameters.voltage_pu if chosen else 1.0 for chosen in _chosen(parameters.phases))
    return Disturbance(at=FEEDER, voltage=(a, b, c))


def _islanding(mode: str, parameters: Islanding) -> Disturbance:
    return Disturbance(at=mode, opened=ALL_OPEN, carried_s=parameters.carried_s)


def _tap(mode: str, parameters: Tap) -> Disturbance:
    return Disturbance(
        at=TRANSFORMER, tap_frac=parameters.steps * parameters.step_frac, tap_step_frac=parameters.step_frac
    )


def _weak_grid(mode: str, parameters: WeakGrid) -> Disturbance:
    return Disturbance(at=FEEDER, impedance=parameters.factor)


def _generation_loss(mode: str, parameters: GenerationLoss) -> Disturbance:
    return Disturbance(lost_generation_w=parameters.power_w)


def _frequency_offset(mode: str, parameters: FrequencyOffset) -> Disturbance:
    return Disturbance(frequency_hz=parameters.offset_hz)


def _chosen(phases: str) -> Open:
    a, b, c = (phases == "all" or name in phases for name in ("l1", "l2", "l3"))
    return a, b, c


OUTAGE = GridFault(
    kind="outage",
    title="The feeders of the targeted devices, or their branches or transformers only, have no supply; "
    "devices stay in contact",
    parameters=Outage,
    modes=(FEEDER, BRANCH, TRANSFORMER),
    disturbance=_outage,
)

PHASE_LOSS = GridFault(
    kind="phase-loss",
    title="One or two phases are open: of the feeder, of a branch, or by fuses at the medium voltage of a transformer",
    parameters=PhaseLoss,
    modes=(FEEDER, BRANCH, TRANSFORMER),
    disturbance=_phase_loss,
    example={"phases": "l1"},
)

VOLTAGE_SAG = GridFault(
    kind="voltage-sag",
    title="The voltage of the feeder's source falls, on all phases or some",
    parameters=Sag,
    disturbance=_voltage,
    example={"voltage_pu": 0.6},
)

VOLTAGE_SWELL = GridFault(
    kind="voltage-swell",
    title="The voltage of the feeder's source rises, on all phases or some",
    parameters=Swell,
    disturbance=_voltage,
    example={"voltage_pu": 1.15},
)

ISLANDING = GridFault(
    kind="islanding",
    title="Feeders or branches are cut off from the area with their own generation, which carries them until its "
    "anti-islanding acts",
    parameters=Islanding,
    modes=(FEEDER, BRANCH, TRANSFORMER),
    disturbance=_islanding,
    example={"carried_s": 2.0},
)

TAP_MOVED = GridFault(
    kind="tap",
    title="The taps of the transformers of the targeted devices have moved",
    parameters=Tap,
    disturbance=_tap,
    example={"steps": 2},
)

WEAK_GRID = GridFault(
    kind="weak-grid",
    title="The feeder's source has a high impedance, so voltages move with the power",
    parameters=WeakGrid,
    disturbance=_weak_grid,
    example={"factor": 5.0},
)

GENERATION_LOSS = GridFault(
    kind="generation-loss",
    title="A power station of the synchronous area trips: the frequency falls, and its controls bring it back",
    parameters=GenerationLoss,
    disturbance=_generation_loss,
    everywhere=True,
    example={"power_w": 3e9},
)

FREQUENCY_OFFSET = GridFault(
    kind="frequency-offset",
    title="The frequency of the area is off by a step that no control brings back",
    parameters=FrequencyOffset,
    disturbance=_frequency_offset,
    everywhere=True,
    example={"offset_hz": -0.3},
)
