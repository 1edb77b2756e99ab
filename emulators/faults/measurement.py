"""Measurement faults: the physics goes on, and what is reported of it is wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pilotfarm.emulators.columns.arrays import Floats, finite
from pilotfarm.emulators.contracts.fault import Cells, MeasurementFault
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


def _quality(mode: str, parameters: _Reported) -> Quality:
    return _QUALITIES[parameters.quality]


def _stands_at(mode: str, parameters: Stuck) -> dict[str, float]:
    return {"value": math.nan if parameters.value is None else parameters.value}


def _stuck(mode: str, cells: Cells) -> Floats:
    value = cells.numbers["value"]
    return np.where(np.isnan(value), cells.note, value)


def _off_by(mode: str, parameters: Bias) -> dict[str, float]:
    return {"factor": parameters.factor, "offset": parameters.offset}


def _one_after_the_other(first: Mapping[str, Floats], second: Mapping[str, Floats]) -> dict[str, Floats]:
    with np.errstate(over="ignore"):
        factor = first["factor"] * second["factor"]
        offset = first["offset"] * second["factor"] + second["offset"]
        # Infinity times a value of 0 would be none.
        return {"factor": finite(factor), "offset": finite(offset)}


def _bias(mode: str, cells: Cells) -> Floats:
    with np.errstate(over="ignore"):
        return cells.reported * cells.numbers["factor"] + cells.numbers["offset"]


STUCK = MeasurementFault(
    kind="stuck",
    title="A reported value stands still while the true one moves",
    parameters=Stuck,
    numbers=_stands_at,
    report=_stuck,
    replaces=True,
    quality=_quality,
    example={},
)

BIAS = MeasurementFault(
    kind="bias",
    title="A reported value is off by an offset, a factor, or both",
    parameters=Bias,
    numbers=_off_by,
    report=_bias,
    then=_one_after_the_other,
    quality=_quality,
    example={"offset": 5.0, "factor": 1.1},
)
