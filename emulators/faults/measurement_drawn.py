"""Measurement faults that draw: noise, and spikes now and then.

A draw belongs to a cell and to a slot of site time, so it is the same however the steps are cut.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from pilotfarm.emulators.columns.arrays import Floats, finite
from pilotfarm.emulators.contracts.fault import Cells, MeasurementFault, Numbers
from pilotfarm.emulators.faults.measurement import Bias, Reported, quality_of
from pilotfarm.profiles.draws import normal, uniform

_SLOT_MIN_S, _SLOT_MAX_S = 0.1, 86_400.0


class Noise(Reported):
    """The value scatters around the true one, normally distributed."""

    std: float = Field(
        0.0, ge=0.0, le=1e12, allow_inf_nan=False, description="Standard deviation, in the quantity's own unit"
    )
    std_frac: float = Field(
        0.0, ge=0.0, le=1e3, allow_inf_nan=False, description="Standard deviation, as a share of the value"
    )
    every_s: float = Field(
        1.0,
        ge=_SLOT_MIN_S,
        le=_SLOT_MAX_S,
        allow_inf_nan=False,
        description="Site time from one draw to the next, each independent of the last [s]",
    )

    @model_validator(mode="after")
    def _scatters(self) -> Noise:
        if self.std == 0.0 and self.std_frac == 0.0:
            raise ValueError("give a std or a std_frac above 0")
        return self


class Spike(Bias):
    """Now and then, for a moment: reported = true * factor + offset."""

    spikes_per_h: float = Field(
        60.0, gt=0.0, le=36_000.0, allow_inf_nan=False, description="How many there are in an hour on average"
    )
    lasts_s: float = Field(
        1.0,
        ge=_SLOT_MIN_S,
        le=_SLOT_MAX_S,
        allow_inf_nan=False,
        description="How long each lasts in site time; one that is over between two steps is not seen [s]",
    )

    @model_validator(mode="after")
    def _now_and_then(self) -> Spike:
        if self.spikes_per_h * self.lasts_s > 3600.0:
            raise ValueError("spikes_per_h times lasts_s is at most 3600: no more of an hour than there is")
        return self


def _slot(time_s: float, every_s: Floats) -> npt.NDArray[np.uint64]:
    """Number the slots of site time; a sum of steps may come out a little short of where a slot begins."""
    return np.floor(time_s / every_s + 1e-6).astype(np.uint64)


def _scatters_by(mode: str, parameters: Noise) -> dict[str, float]:
    return {"std": parameters.std, "std_frac": parameters.std_frac, "every_s": parameters.every_s}


def _both_noises(first: Numbers, second: Numbers, passed_s: Floats) -> dict[str, Floats]:
    """Of independent draws the variances add up."""
    return {
        "std": np.hypot(first["std"], second["std"]),
        "std_frac": np.hypot(first["std_frac"], second["std_frac"]),
        "every_s": np.minimum(first["every_s"], second["every_s"]),
    }


def _noise(mode: str, cells: Cells) -> Floats:
    drawn = normal(cells.keys, _slot(cells.time_s, cells.numbers["every_s"]), "noise")
    with np.errstate(over="ignore"):
        deviation = np.hypot(cells.numbers["std"], cells.numbers["std_frac"] * cells.reported)
        return cells.reported + finite(deviation) * drawn


def _jumps_by(mode: str, parameters: Spike) -> dict[str, float]:
    share = parameters.spikes_per_h * parameters.lasts_s / 3600.0
    return {"factor": parameters.factor, "offset": parameters.offset, "share": share, "lasts_s": parameters.lasts_s}


def _spike(mode: str, cells: Cells) -> Floats:
    numbers = cells.numbers
    jumps = uniform(cells.keys, _slot(cells.time_s, numbers["lasts_s"]), "spike") < numbers["share"]
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(jumps, cells.reported * numbers["factor"] + numbers["offset"], cells.reported)


NOISE = MeasurementFault(
    kind="noise",
    title="A reported value scatters around the true one; of several such faults on it the variances add up",
    parameters=Noise,
    numbers=_scatters_by,
    report=_noise,
    then=_both_noises,
    quality=quality_of,
    example={"std": 50.0},
)

SPIKE = MeasurementFault(
    kind="spike",
    title="A reported value jumps now and then, for a moment",
    parameters=Spike,
    numbers=_jumps_by,
    report=_spike,
    quality=quality_of,
    example={"offset": 10000.0, "spikes_per_h": 360.0},
)
