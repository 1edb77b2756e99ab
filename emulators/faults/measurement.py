"""Measurement faults: the physics goes on, and what is reported of it is wrong."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.fault import FaultSpec
from pilotfarm.emulators.contracts.quality import Quality

_QUALITIES = {"good": Quality.GOOD, "invalid": Quality.INVALID, "questionable": Quality.NOT_TOPICAL}


class _Reported(BaseModel):
    model_config = ConfigDict(extra="forbid")

    quality: Literal["good", "invalid", "questionable"] = Field(
        "good", description="What the device says of the value; a sensor rarely knows that it is wrong"
    )


class Stuck(_Reported):
    """The value no longer moves."""

    value: float | None = Field(
        None, allow_inf_nan=False, description="Where it stands; the last reported value if left out"
    )


class Bias(_Reported):
    """The value is off: reported = true * factor + offset."""

    offset: float = Field(0.0, allow_inf_nan=False, description="Added, in the quantity's own unit")
    factor: float = Field(1.0, allow_inf_nan=False, description="Multiplied")

    @model_validator(mode="after")
    def _changes_something(self) -> Bias:
        if self.offset == 0.0 and self.factor == 1.0:
            raise ValueError("give an offset other than 0 or a factor other than 1")
        return self


def _stuck(
    mode: str, parameters: Stuck, true: Floats, reported: Floats, note: Floats, elapsed_s: float
) -> tuple[Floats, Quality]:
    held = note if parameters.value is None else np.full_like(note, parameters.value)
    return held, _QUALITIES[parameters.quality]


def _bias(
    mode: str, parameters: Bias, true: Floats, reported: Floats, note: Floats, elapsed_s: float
) -> tuple[Floats, Quality]:
    with np.errstate(over="ignore"):
        return reported * parameters.factor + parameters.offset, _QUALITIES[parameters.quality]


STUCK = FaultSpec(
    kind="stuck",
    family="measurement",
    title="A reported value stands still while the true one moves",
    parameters=Stuck,
    report=_stuck,
    example={},
)

BIAS = FaultSpec(
    kind="bias",
    family="measurement",
    title="A reported value is off by an offset, a factor, or both",
    parameters=Bias,
    report=_bias,
    example={"offset": 5.0, "factor": 1.1},
)
