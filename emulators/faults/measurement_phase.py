"""Measurement faults of a whole phase: one that is not measured, and two that were connected the wrong way round.

The device's sums stay as they are: it has them from elsewhere. A quantity is of a phase by its name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import numpy as np
from pydantic import Field

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.fault import Cells, MeasurementFault
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.faults.measurement import Reported, as_it_is, no_numbers, quality_of
from pilotfarm.emulators.quantities import Quantity, Role

_PHASES: Final = ("l1", "l2", "l3")
_PAIRS: Final = {"l1-l2": ("l1", "l2"), "l2-l3": ("l2", "l3"), "l1-l3": ("l1", "l3")}


class PhaseMissing(Reported):
    """A phase is not measured."""

    shows: Literal["zero", "nothing"] = Field(
        "zero",
        description="What is reported of it: 0, while its totals stand still, or no value at all, which is invalid",
    )


def _of_phase(name: str, phase: str) -> bool:
    return f"_{phase}_" in name


def _measured(mode: str, quantities: Sequence[Quantity]) -> Mapping[str, str]:
    measured = (each.name for each in quantities if each.role in (Role.MEASUREMENT, Role.TOTAL))
    return {name: name for name in measured if _of_phase(name, mode)}


def _shown(mode: str, parameters: PhaseMissing) -> dict[str, float]:
    return {"value": 0.0 if parameters.shows == "zero" else math.nan}


def _without(mode: str, cells: Cells) -> Floats:
    value = cells.numbers["value"]
    return np.where(cells.counts & ~np.isnan(value), cells.note, value)


def _said(mode: str, parameters: PhaseMissing) -> Quality:
    unknown = Quality.INVALID if parameters.shows == "nothing" else Quality.GOOD
    return quality_of(mode, parameters) | unknown


def _swapped(mode: str, quantities: Sequence[Quantity]) -> Mapping[str, str]:
    one, other = _PAIRS[mode]
    names = {each.name for each in quantities}
    reads = {name: name.replace(f"_{one}_", f"_{other}_") for name in names if _of_phase(name, one)}
    pairs = {name: read for name, read in reads.items() if read in names}
    both = {**pairs, **{read: name for name, read in pairs.items()}}
    return {each.name: both[each.name] for each in quantities if each.name in both}


PHASE_MISSING = MeasurementFault(
    kind="phase-missing",
    title="One phase is not measured, with all that is reported of it",
    parameters=PhaseMissing,
    modes=_PHASES,
    numbers=_shown,
    report=_without,
    reads=_measured,
    replaces=True,
    by_phase=True,
    quality=_said,
)

PHASES_SWAPPED = MeasurementFault(
    kind="phases-swapped",
    title="Two phases are connected the wrong way round: what is reported of each is the other's, with its totals",
    parameters=Reported,
    modes=tuple(_PAIRS),
    numbers=no_numbers,
    report=as_it_is,
    reads=_swapped,
    by_phase=True,
    quality=quality_of,
)
