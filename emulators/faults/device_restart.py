"""Devices that restart, once or again and again, and devices that are exchanged for others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.fault import Away, Cells, DeviceFault, MeasurementFault
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.quantities import Quantity, Role

_SOON_S: Final = 1e-6
"""Times that add up to a moment may come out a little before it."""


class Exchanged(BaseModel):
    """How long it takes."""

    model_config = ConfigDict(extra="forbid")

    down_s: float = Field(
        60.0,
        gt=0.0,
        le=86_400.0,
        allow_inf_nan=False,
        description="How long it is off the network, in site time [s]; for a step at least",
    )
    power_stops: bool = Field(
        True, description="Whether chargers and inverters, those of a home too, move no power meanwhile"
    )


class Restart(Exchanged):
    """How long it takes, and when it happens again."""

    down_s: float = Field(
        10.0,
        gt=0.0,
        le=86_400.0,
        allow_inf_nan=False,
        description="How long it is off the network, in site time [s]; for a step at least",
    )
    every_s: float | None = Field(
        None,
        gt=0.0,
        le=604_800.0,
        allow_inf_nan=False,
        description="From one restart to the next, as in a boot loop [s]; once if left out",
    )

    @model_validator(mode="after")
    def _comes_back(self) -> Restart:
        if self.every_s is not None and self.every_s <= self.down_s:
            raise ValueError("every_s must be more than down_s, or the device never comes back")
        return self


def _restarting(mode: str, parameters: Restart, elapsed_s: Floats) -> Away:
    return away(elapsed_s, parameters.down_s, parameters.every_s)


def _exchanging(mode: str, parameters: Exchanged, elapsed_s: Floats) -> Away:
    return away(elapsed_s, parameters.down_s, None)


def away(elapsed_s: Floats, down_s: float, every_s: float | None) -> Away:
    """Return who is away for ``down_s`` each time, once or every ``every_s``, so long after each was taken ``(m,)``."""
    since_s = elapsed_s + _SOON_S
    phase_s = since_s if every_s is None else np.where(since_s < 0.0, since_s, np.mod(since_s, every_s))
    now = (phase_s >= 0.0) & (phase_s < down_s)
    again_s = math.inf if every_s is None else every_s
    turns_s = np.where(phase_s < 0.0, 0.0, np.where(now, down_s, again_s)) - phase_s
    return Away(now, float(turns_s.min(initial=math.inf)))


def _stops(mode: str, parameters: Exchanged) -> dict[str, float]:
    return {"booting": 1.0} if parameters.power_stops else {}


def _once(mode: str, parameters: Restart) -> float | None:
    return parameters.down_s if parameters.every_s is None else None


RESTART = DeviceFault(
    kind="restart",
    title="The device restarts: it is off the network for a while, and begins anew with nothing to tell of before",
    parameters=Restart,
    sets=_stops,
    away=_restarting,
    lasts_s=_once,
    example={"down_s": 5.0, "every_s": 20.0},
)


# ----------------------------------------------------------------------------------------- exchanged


def _no_numbers(mode: str, parameters: Exchanged) -> dict[str, float]:
    return {}


def _since_then(mode: str, cells: Cells) -> Floats:
    return np.maximum(cells.reported - cells.note, 0.0)


def _good(mode: str, parameters: Exchanged) -> Quality:
    return Quality.GOOD


def _totals(mode: str, quantities: Sequence[Quantity]) -> dict[str, str]:
    return {each.name: each.name for each in quantities if each.role is Role.TOTAL}


_FROM_0 = MeasurementFault(
    kind="exchanged",
    title="A register counts from 0",
    parameters=Exchanged,
    numbers=_no_numbers,
    report=_since_then,
    quality=_good,
    reads=_totals,
)

EXCHANGED = DeviceFault(
    kind="exchanged",
    title="Another device of the same make stands in its place: another serial number, and registers that began at 0",
    parameters=Exchanged,
    sets=_stops,
    says=_FROM_0,
    away=_exchanging,
    exchanges=True,
    example={"down_s": 20.0},
)
