"""The demand of a meter: means over whole demand periods of the clock, and the highest of them since a reset.

Power counts as drawn less delivered. A demand stands once the first whole period is over, and a period that a master
changes begins anew. With a period of 0 the demand is what is now. The meter keeps these columns, of no quantity:
``demand_sums`` ``(n, 6)`` of the period under way and its seconds ``demand_s``, its number ``demand_number``, and the
period that they were counted with, ``demand_counted_s``.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Columns, Floats, anywhere, nothing
from pilotfarm.emulators.wire.electrical import NEUTRAL

PERIOD_S: Final = 3600.0
"""As an Eastron SDM630 comes from the factory."""
_NAMES: Final = (
    ("demand_power_w", "demand_power_max_w"),
    ("demand_apparent_power_va", "demand_apparent_power_max_va"),
    *((f"demand_current_{at}_a", f"demand_current_max_{at}_a") for at in ("l1", "l2", "l3", "neutral")),
)
QUANTITIES: Final = (*(name for names in _NAMES for name in names), "demand_period_s", "demand_reset")
_NEVER_S: Final = 1e18  # a period that does not end


def initial(n: int) -> Columns:
    """Return the columns of ``n`` meters at the start."""
    period_s = np.full(n, PERIOD_S)
    none = dict.fromkeys((name for names in _NAMES for name in names), nothing(n))
    return none | {
        "demand_period_s": period_s,
        "demand_counted_s": period_s,
        "demand_sums": np.zeros((n, len(_NAMES))),
        "demand_s": np.zeros(n),
        "demand_number": np.full(n, -1.0),
    }


def count(columns: Columns, new: Columns, unix_s: float, dt_s: float) -> None:
    """Count a step of constant power, in the step's own columns."""
    now = np.stack(
        (
            -new["active_power_w"],
            new["apparent_power_va"],
            new["current_l1_a"],
            new["current_l2_a"],
            new["current_l3_a"],
            NEUTRAL.of(new),
        )
    )
    sums, seconds, number = columns["demand_sums"].T, columns["demand_s"], columns["demand_number"]
    period_s = columns["demand_period_s"]
    if period_s is not columns["demand_counted_s"]:
        kept = period_s == columns["demand_counted_s"]
        sums, seconds, number = sums * kept, seconds * kept, np.where(kept, number, -1.0)
        new["demand_counted_s"] = period_s
    at_once = period_s <= 0.0
    length_s = np.where(at_once, _NEVER_S, period_s)
    now_number = np.floor(unix_s / length_s)
    ended = now_number != number
    since_s = np.where(ended, np.minimum(unix_s - now_number * length_s, dt_s), dt_s)
    if anywhere(ended) or anywhere(at_once) or columns["demand_reset"] is not nothing(len(seconds)):
        before_s = dt_s - since_s
        whole = ended & (seconds + before_s >= length_s)
        # Of a step longer than a period, its last whole period is shown.
        mean = np.where(before_s >= length_s, now, (sums + now * before_s) / np.maximum(seconds + before_s, 1e-9))
        _show(columns, new, np.where(at_once, now, mean), whole | at_once)
    new["demand_sums"] = (np.where(ended, 0.0, sums) + now * since_s).T
    new["demand_s"] = np.where(ended, 0.0, seconds) + since_s
    new["demand_number"] = now_number


def _show(columns: Columns, new: Columns, demand: Floats, stands: Bools) -> None:
    """Show the demands ``(6, n)`` where new ones stand, in the step's own columns."""
    kept = 1.0 - columns["demand_reset"]
    for (name, highest), values in zip(_NAMES, demand, strict=True):
        new[name] = np.where(stands, values, columns[name])
        new[highest] = np.maximum(columns[highest] * kept, new[name])
