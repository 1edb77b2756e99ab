"""Voltages along radial low-voltage feeders, from what every device on them draws or delivers.

A feeder is a stiff source and a line whose impedance to its far end is given; a device sits at a
share of that length. Squared voltages follow the linearised branch-flow equations, each phase for
itself: a device's power meets every other's over the stretch of line the two have in common,

    V_i**2 = V_0**2 + 2 * sum_j min(x_i, x_j) * (R * P_j + X * Q_j)

which leaves out losses, neutral displacement and coupling between phases.

References
----------
.. [1] Baran and Wu, "Optimal sizing of capacitors placed on a radial distribution system", IEEE
   Transactions on Power Delivery 4(1):735-743, 1989, doi 10.1109/61.19266 (the branch-flow
   equations; dropping their loss terms leaves the form used here).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats, Indices

LOWEST_SHARE: Final = 0.5
HIGHEST_SHARE: Final = 1.3
"""Whatever the load, a voltage stays between these shares of its source's. Beyond them the linear
model means nothing: a real feeder would have collapsed, or its protection would have opened it."""

_GRAINS: Final = 2.0**20  # in a W ohm


def voltages(
    active_power_w: Floats,
    reactive_power_var: Floats,
    feeder: Indices,
    position: Floats,
    source_voltage_v: Floats,
    resistance_ohm: Floats,
    reactance_ohm: Floats,
) -> Floats:
    """Return the line-to-neutral voltage of every device and phase.

    Parameters
    ----------
    active_power_w, reactive_power_var : (3, n)
        By phase, plus delivered to the feeder (raises the voltage). [W, var]
    feeder : (n,) integer
        Which of the F feeders a device is on.
    position : (n,)
        Share of the feeder's length between source and device, 0 to 1.
    source_voltage_v : (F,) or (3, F)
        Line-to-neutral voltage at the source, of all phases or of each.
    resistance_ohm, reactance_ohm : (F,)
        Of one phase to the far end.

    Returns
    -------
    (3, n) float64
        Volts, within ``LOWEST_SHARE`` to ``HIGHEST_SHARE`` of the source's.

    Notes
    -----
    Rows already grouped by feeder and ordered by position are sorted fastest. The products summed
    are rounded to 2**-20 W ohm, which makes their sums exact: a feeder's voltages do not depend, not
    even in the last bit, on other feeders or on the order of the rows.
    """
    order = np.argsort(feeder + 0.5 * position, kind="stable")
    count = np.bincount(feeder, minlength=len(resistance_ohm))
    ends = np.cumsum(count)
    place = position[order]
    push = np.repeat(resistance_ohm, count) * active_power_w[:, order]
    push += np.repeat(reactance_ohm, count) * reactive_power_var[:, order]
    grains = np.concatenate((push * place, push))
    grains *= _GRAINS
    so_far = np.cumsum(np.rint(grains, out=grains), axis=1)
    edges = np.concatenate((np.zeros((6, 1)), so_far), axis=1)
    near = so_far[:3] - np.repeat(edges[:3, ends - count], count, axis=1)
    beyond = np.repeat(edges[3:, ends], count, axis=1) - so_far[3:]
    source = np.repeat(source_voltage_v, count, axis=-1)
    squared = source * source + (2.0 / _GRAINS) * (near + place * beyond)
    along = np.sqrt(np.clip(squared, (LOWEST_SHARE * source) ** 2, (HIGHEST_SHARE * source) ** 2))
    result: Floats = np.empty((3, len(order)))
    result[:, order] = along
    return result
