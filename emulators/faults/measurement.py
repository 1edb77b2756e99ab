"""Measurement faults of single values: the physics goes on, and what is reported of it is wrong.

Faults that draw are in ``measurement_drawn``, those of a whole phase in ``measurement_phase``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pilotfarm.emulators.columns.arrays import Floats, finite
from pilotfarm.emulators.contracts.fault import Cells, MeasurementFault, Numbers
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.faults.parameters import Nothing
from pilotfarm.emulators.quantities import Quantity, Role

QUALITIES = {
    "good": Quality.GOOD,
    "invalid": Quality.INVALID,
    "questionable": Quality.NOT_TOPICAL,
    "overflow": Quality.OVERFLOW,
}
_MODES = {
    "invalid": Quality.INVALID,
    "not-topical": Quality.NOT_TOPICAL,
    "blocked": Quality.BLOCKED,
    "substituted": Quality.SUBSTITUTED,
    "overflow": Quality.OVERFLOW,
}


class Reported(BaseModel):
    """What every fault of a value has."""

    model_config = ConfigDict(extra="forbid")

    quality: Literal["good", "invalid", "questionable"] = Field(
        "good", description="What the device says of the value; a sensor rarely knows that it is wrong"
    )


class Stuck(Reported):
    """The value no longer moves."""

    value: float | None = Field(
        None, allow_inf_nan=False, description="Where it stands; the last reported value if left out"
    )


class Bias(Reported):
    """The value is off: reported = true * factor + offset."""

    offset: float = Field(0.0, allow_inf_nan=False, description="Added, in the quantity's own unit")
    factor: float = Field(1.0, allow_inf_nan=False, description="Multiplied")

    @model_validator(mode="after")
    def _changes_something(self) -> Bias:
        if self.offset == 0.0 and self.factor == 1.0:
            raise ValueError("give an offset other than 0 or a factor other than 1")
        return self


class Drift(Reported):
    """The value goes away from the true one: reported = true + rate * time."""

    rate_per_h: float = Field(
        allow_inf_nan=False, description="Change in an hour of site time, in the quantity's own unit"
    )

    @model_validator(mode="after")
    def _moves(self) -> Drift:
        if self.rate_per_h == 0.0:
            raise ValueError("give a rate_per_h other than 0")
        return self


class Quantised(Reported):
    """The value moves in steps."""

    step: float = Field(
        gt=0.0, le=1e12, allow_inf_nan=False, description="What it is a multiple of, in the quantity's own unit"
    )


class Missing(BaseModel):
    """There is no value."""

    model_config = ConfigDict(extra="forbid")

    quality: Literal["invalid", "questionable"] = Field(
        "invalid", description="What the device says of it; questionable is not topical"
    )


class OutOfRange(BaseModel):
    """The value cannot be."""

    model_config = ConfigDict(extra="forbid")

    value: float = Field(
        1e39,
        allow_inf_nan=False,
        description="What is reported, in the quantity's own unit; beyond 3.4e38 either way it is infinite and invalid",
    )
    quality: Literal["overflow", "good", "invalid", "questionable"] = Field(
        "overflow", description="What the device says of the value"
    )


def quality_of(mode: str, parameters: Reported | Missing | OutOfRange) -> Quality:
    """Return what parameters have the device say."""
    return QUALITIES[parameters.quality]


def no_numbers(mode: str, parameters: BaseModel) -> dict[str, float]:
    """Return what a kind needs to know that has nothing to know."""
    return {}


def as_it_is(mode: str, cells: Cells) -> Floats:
    """Return what was reported before."""
    return cells.reported


def _stands_at(mode: str, parameters: Stuck) -> dict[str, float]:
    return {"value": math.nan if parameters.value is None else parameters.value}


def _stuck(mode: str, cells: Cells) -> Floats:
    value = cells.numbers["value"]
    return np.where(np.isnan(value), cells.note, value)


def _off_by(mode: str, parameters: Bias) -> dict[str, float]:
    return {"factor": parameters.factor, "offset": parameters.offset}


def _one_after_the_other(first: Numbers, second: Numbers, passed_s: Floats) -> dict[str, Floats]:
    with np.errstate(over="ignore"):
        factor = first["factor"] * second["factor"]
        offset = first["offset"] * second["factor"] + second["offset"]
        # Infinity times a value of 0 would be none.
        return {"factor": finite(factor), "offset": finite(offset)}


def _bias(mode: str, cells: Cells) -> Floats:
    with np.errstate(over="ignore"):
        return cells.reported * cells.numbers["factor"] + cells.numbers["offset"]


def _drifts_by(mode: str, parameters: Drift) -> dict[str, float]:
    return {"rate_per_h": parameters.rate_per_h, "offset": 0.0}


def _both_drifts(first: Numbers, second: Numbers, passed_s: Floats) -> dict[str, Floats]:
    with np.errstate(over="ignore", invalid="ignore"):
        gone = first["offset"] + first["rate_per_h"] * (passed_s / 3600.0)
        rate = first["rate_per_h"] + second["rate_per_h"]
        return {"rate_per_h": finite(rate), "offset": finite(gone + second["offset"])}


def _drift(mode: str, cells: Cells) -> Floats:
    with np.errstate(over="ignore", invalid="ignore"):
        gone = finite(cells.numbers["rate_per_h"] * (cells.elapsed_s / 3600.0) + cells.numbers["offset"])
        return cells.reported + gone


def _in_steps_of(mode: str, parameters: Quantised) -> dict[str, float]:
    return {"step": parameters.step}


def _quantised(mode: str, cells: Cells) -> Floats:
    step = cells.numbers["step"]
    with np.errstate(over="ignore", invalid="ignore"):
        steps = cells.reported / step
        whole = np.rint(steps)
        if mode == "down":
            # A multiple, divided by its step, may come out a little below its number.
            whole = np.where(np.abs(steps - whole) <= 1e-12 * np.abs(whole), whole, np.floor(steps))
        return np.where(np.isfinite(steps), whole * step, cells.reported)


def _turned(mode: str, parameters: Reported) -> dict[str, float]:
    return {"sign": -1.0}


def _signs(first: Numbers, second: Numbers, passed_s: Floats) -> dict[str, Floats]:
    return {"sign": first["sign"] * second["sign"]}


def _sign(mode: str, cells: Cells) -> Floats:
    # Adding 0 makes -0 of it, of which a register with a sign bit would tell, plain 0.
    return cells.reported * cells.numbers["sign"] + 0.0


def _signed(mode: str, quantities: Sequence[Quantity]) -> Mapping[str, str]:
    """Only what is measured and may be on either side of 0 has a sign to be turned."""
    return {each.name: each.name for each in quantities if each.role is Role.MEASUREMENT and each.min < 0.0}


def _missing(mode: str, cells: Cells) -> Floats:
    return np.full_like(cells.true, math.nan)


def _beyond(mode: str, parameters: OutOfRange) -> dict[str, float]:
    return {"value": parameters.value}


def _out_of_range(mode: str, cells: Cells) -> Floats:
    return cells.numbers["value"]


def _marked(mode: str, parameters: Nothing) -> Quality:
    return _MODES[mode]


STUCK = MeasurementFault(
    kind="stuck",
    title="A reported value stands still while the true one moves",
    parameters=Stuck,
    numbers=_stands_at,
    report=_stuck,
    replaces=True,
    quality=quality_of,
    example={},
)

BIAS = MeasurementFault(
    kind="bias",
    title="A reported value is off by an offset, a factor, or both",
    parameters=Bias,
    numbers=_off_by,
    report=_bias,
    then=_one_after_the_other,
    quality=quality_of,
    example={"offset": 5.0, "factor": 1.1},
)

DRIFT = MeasurementFault(
    kind="drift",
    title="A reported value goes away from the true one, further every hour",
    parameters=Drift,
    numbers=_drifts_by,
    report=_drift,
    then=_both_drifts,
    quality=quality_of,
    example={"rate_per_h": 60.0},
)

QUANTISED = MeasurementFault(
    kind="quantised",
    title="A reported value moves in steps: the nearest, or the one below as counters have it",
    parameters=Quantised,
    modes=("nearest", "down"),
    numbers=_in_steps_of,
    report=_quantised,
    quality=quality_of,
    example={"step": 100.0},
)

SIGN_TURNED = MeasurementFault(
    kind="sign-turned",
    title="A measured value is reported with the other sign, as of a current transformer that is the wrong way round",
    parameters=Reported,
    numbers=_turned,
    report=_sign,
    then=_signs,
    reads=_signed,
    quality=quality_of,
)

MISSING = MeasurementFault(
    kind="missing",
    title="There is no value: what the device says in place of one is its protocol's word for that",
    parameters=Missing,
    numbers=no_numbers,
    report=_missing,
    replaces=True,
    quality=quality_of,
)

OUT_OF_RANGE = MeasurementFault(
    kind="out-of-range",
    title="A reported value is one that cannot be, by default one beyond all that can be reported",
    parameters=OutOfRange,
    numbers=_beyond,
    report=_out_of_range,
    replaces=True,
    quality=quality_of,
    example={"value": -1e39},
)

QUALITY = MeasurementFault(
    kind="quality",
    title="A value is right, and the device says that it is not to be trusted",
    parameters=Nothing,
    modes=tuple(_MODES),
    numbers=no_numbers,
    report=as_it_is,
    then=lambda first, second, passed_s: {},
    quality=_marked,
)
