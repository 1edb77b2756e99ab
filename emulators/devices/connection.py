"""A connection point whose phases are loaded unevenly: a household's, and what stands behind it."""

from __future__ import annotations

import numpy as np

from pilotfarm.emulators.columns.arrays import Columns, Floats
from pilotfarm.emulators.contracts.world import Surroundings
from pilotfarm.emulators.devices import common, metering


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
