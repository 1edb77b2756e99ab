"""What low-voltage networks are made of, and how large one has to be for those who stand on it.

Cables and lines carry the data of [1], transformers the largest losses of [2] and the usual
impedances. A network nobody described is sized by the rule of planners: the sum of the customers'
ratings times a coincidence factor that falls with their number [3], against all generation at once.

References
----------
.. [1] Heuck, Dettmann and Schulz, "Elektrische Energieversorgung", 9th ed., 2013, tables p. 742-744,
   as pandapower's standard types quote them (R, X, C and thermal current a phase).
.. [2] Commission Regulation (EU) 548/2014, annex I, table I.1, tier 2 (losses of oil transformers).
.. [3] Kaufmann, "Planung öffentlicher Elektrizitätsverteilungs-Systeme", VDE-Verlag, 1995: the
   coincidence of n households is g + (1 - g) * n**-0.75. Our g is a mean over homes, heaters and
   chargers, an own choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats


@dataclass(frozen=True, slots=True)
class Cable:
    """A cable or overhead line a phase: ohm/km and nF/km of the positive sequence, amperes it bears."""

    resistance_ohm_per_km: float
    reactance_ohm_per_km: float
    capacitance_nf_per_km: float
    current_max_a: float


CABLES: Final = {
    "NAYY-4x50": Cable(0.642, 0.083, 210.0, 142.0),
    "NAYY-4x120": Cable(0.225, 0.080, 264.0, 242.0),
    "NAYY-4x150": Cable(0.208, 0.080, 261.0, 270.0),
    "AL-48": Cable(0.5939, 0.300, 12.2, 210.0),
    "AL-94": Cable(0.3060, 0.290, 13.2, 350.0),
}

ZERO_SEQUENCE: Final = 4.0
"""Zero over positive sequence impedance of a line whose neutral is a fourth equal conductor: Z + 3 Z_N."""

_LOSSES: Final = (
    # kVA, load losses [W], no-load losses [W] ([2]; class Ak and A0 less 10 %)
    (50.0, 750.0, 81.0),
    (100.0, 1_250.0, 130.0),
    (160.0, 1_750.0, 189.0),
    (250.0, 2_350.0, 270.0),
    (315.0, 2_800.0, 324.0),
    (400.0, 3_250.0, 387.0),
    (500.0, 3_900.0, 459.0),
    (630.0, 4_600.0, 540.0),
    (800.0, 6_000.0, 585.0),
    (1_000.0, 7_600.0, 693.0),
    (1_250.0, 9_500.0, 855.0),
    (1_600.0, 12_000.0, 1_080.0),
    (2_000.0, 15_000.0, 1_305.0),
    (2_500.0, 18_500.0, 1_575.0),
    (3_150.0, 23_000.0, 1_980.0),
)
STANDARD_KVA: Final = tuple(kva for kva, _, _ in _LOSSES)

COINCIDENCE: Final = 0.15
SUBSTATION_KVA: Final = 630.0
"""Largest transformer a network is planned with before it gets another."""
HEADROOM: Final = 1.25
BRANCH_KW: Final = 65.0
BRANCHES_MAX: Final = 8
CABLE_KW: Final = 100.0
LENGTH_M: Final = 300.0
"""Of a branch, if nobody says: with 65 kW spread along a NAYY 4x150 its end is some 1 % lower."""


@dataclass(frozen=True, slots=True)
class Transformer:
    """A transformer MV/LV, Dyn5: apparent power [VA], short-circuit voltage [share], losses [W]."""

    rated_va: float
    uk_frac: float
    load_loss_w: float
    no_load_loss_w: float


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """A low-voltage network: equal substations, each with equal branches of parallel cables."""

    substations: int
    transformer: Transformer
    branches: int
    cable: Cable
    parallel: int
    length_m: float


def transformer(kva: float, uk_frac: float | None = None, rx_ratio: float | None = None) -> Transformer:
    """Return a transformer of ``kva`` > 0 with usual losses, unless its R/X says what its load losses are."""
    sizes, load, idle = (np.array(column) for column in zip(*_LOSSES, strict=True))
    # Losses a kVA hardly change beyond the table's ends.
    within = min(max(kva, sizes[0]), sizes[-1])
    load_w = float(np.interp(within, sizes, load)) * kva / within
    idle_w = float(np.interp(within, sizes, idle)) * kva / within
    uk = (0.04 if kva <= SUBSTATION_KVA else 0.06) if uk_frac is None else uk_frac
    if rx_ratio is not None:
        load_w = kva * 1e3 * uk * rx_ratio / (1.0 + rx_ratio * rx_ratio) ** 0.5
    # An impedance cannot be less than its resistance.
    return Transformer(kva * 1e3, uk, min(load_w, 0.999 * uk * kva * 1e3), idle_w)


def standard_kva(kva: float) -> float:
    """Return the smallest usual transformer of at least ``kva``, beyond the largest a multiple of 1,000 kVA."""
    return float(next((size for size in STANDARD_KVA if size >= kva), 1e3 * ceil(kva / 1e3)))


def coincident_kw(draw_w: Floats, deliver_w: Floats) -> float:
    """Largest power [kW] to plan for, of customers rated to draw and deliver so much ``(n,)`` [W, >= 0].

    Customers do not all draw at once; the sun shines on all of them.
    """
    n = len(draw_w)
    if n == 0:
        return 0.0
    together: float = COINCIDENCE + (1.0 - COINCIDENCE) * n**-0.75
    largest = max(float(draw_w.max()), float(deliver_w.max()))
    return max(float(draw_w.sum()) * together, float(deliver_w.sum()), largest) / 1e3


def planned(
    draw_w: Floats,
    deliver_w: Floats,
    *,
    transformers: int | None = None,
    transformer_kva: float | None = None,
    uk_frac: float | None = None,
    rx_ratio: float | None = None,
    branches: int | None = None,
    cable: str | None = None,
    length_m: float | None = None,
) -> NetworkPlan:
    """Plan the network for customers rated to draw and deliver so much ``(n,)`` [W, >= 0].

    What is given stands; what is ``None`` is sized. ``branches`` is a transformer's, ``length_m`` a
    branch's. A transformer whose size is given is the only one unless ``transformers`` says otherwise,
    and a branch of which anything is given is a single cable.
    """
    design_kw = coincident_kw(draw_w, deliver_w)
    largest_kw = max(float(draw_w.max(initial=0.0)), float(deliver_w.max(initial=0.0))) / 1e3
    if transformers is not None:
        count = transformers
    elif transformer_kva is not None:
        count = 1
    else:
        count = max(1, ceil(HEADROOM * design_kw / SUBSTATION_KVA))
    share_kw = max(design_kw / count, largest_kw)
    kva = standard_kva(HEADROOM * share_kw) if transformer_kva is None else transformer_kva
    many = max(1, min(BRANCHES_MAX, ceil(design_kw / count / BRANCH_KW))) if branches is None else branches
    sized = transformer_kva is None and branches is None and cable is None
    parallel = max(1, ceil(max(design_kw / count / many, largest_kw) / CABLE_KW)) if sized else 1
    return NetworkPlan(
        substations=count,
        transformer=transformer(kva, uk_frac, rx_ratio),
        branches=many,
        cable=CABLES["NAYY-4x150" if cable is None else cable],
        parallel=parallel,
        length_m=LENGTH_M if length_m is None else length_m,
    )
