"""A connection point whose phases are loaded unevenly: a household's, what stands behind it, and what its loads get."""

from __future__ import annotations

from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Columns, Floats, anywhere
from pilotfarm.emulators.contracts.world import Surroundings
from pilotfarm.emulators.devices import common, metering

WHOLE_FRAC: Final = 0.7
"""Down to this share of the nominal voltage loads hold their power; below they are impedances. Own choice: equipment is
to ride through it for half a second (ITI curve of the Information Technology Industry Council, 2000)."""


def by_phase(
    columns: Columns,
    surroundings: Surroundings,
    active_w: Floats,
    reactive_var: Floats,
    dt_s: float,
    totals: tuple[Floats, Floats] | None = None,
) -> Columns:
    """Show the powers of three phases at the connection point, as ``common.at_connection`` does an even one.

    Parameters
    ----------
    active_w, reactive_var : (3, n)
        By phase, constant over the step, plus to the grid.
    totals : (n,) and (n,), optional
        What the phases add up to, where whoever asks has added it up already.
    """
    new = dict(columns)
    total_w, total_var = (active_w.sum(axis=0), reactive_var.sum(axis=0)) if totals is None else totals
    apparent = np.sqrt(total_w * total_w + total_var * total_var)
    new.update(common.seen(surroundings))
    current_a = np.sqrt(active_w * active_w + reactive_var * reactive_var) * surroundings.mains.current_a_per_va
    for index, phase in enumerate(("l1", "l2", "l3")):
        new[f"active_power_{phase}_w"] = active_w[index]
        new[f"reactive_power_{phase}_var"] = reactive_var[index]
        new[f"current_{phase}_a"] = current_a[index]
    metering.show_totals(new, total_w, total_var, apparent, dt_s)
    return new


def served(columns: Columns, surroundings: Surroundings) -> Floats | None:
    """Return the share of their power that loads on each phase get ``(3, n)``; ``None`` if they get all everywhere."""
    nominal_v = columns["nominal_voltage_v"]
    if not anywhere(surroundings.mains.lowest_v < WHOLE_FRAC * nominal_v):
        return None
    seen = surroundings.voltage_v / nominal_v
    share = np.minimum(seen / WHOLE_FRAC, 1.0)
    return np.where(seen > common.DEAD_FRAC, share * share, 0.0)


def served_evenly(columns: Columns, share: Floats) -> Floats:
    """Return, of ``served``, what loads get that need all phases of the connection ``(n,)``."""
    return np.asarray(np.where(common.phase_shares(columns) > 0.0, share, 1.0).min(axis=0))
