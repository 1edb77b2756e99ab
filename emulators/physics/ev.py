"""A charging point and the vehicle on it: control pilot states, current on offer, charge with a taper.

The vehicle's charge follows the two-stage model of ACN-Sim: constant power up to a state of charge, then
power falling linearly to none at full. Both stages have closed forms, and so has the lag with which the
vehicle follows the offer, so a step may have any length and two half steps come to the same as a whole one.

Valid for a pack between freezing and its own derating: cold and hot cells, preconditioning and the steps of
a real fast charging curve are left out.

References
----------
.. [1] IEC 61851-1:2017, Annex A (states A to F of the control pilot; 6 A is the minimum current on offer: both as
   the manuals of the testers Fluke FEV300 and Gossen Metrawatt M525B quote it; a vehicle has 5 s to follow a
   change: from memory, to be checked against the standard's text).
.. [2] Lee, Sharma, Johansson and Low, "ACN-Sim: an open-source simulator for data-driven electric
   vehicle charging research", IEEE Transactions on Smart Grid 12(6):5113-5123, 2021,
   doi 10.1109/TSG.2021.3103156 (the two-stage battery; the equations of ``charged_soc``).
"""

from __future__ import annotations

from enum import IntEnum
from math import exp
from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Bools, Floats
from pilotfarm.emulators.physics.inverter import clipped


class State(IntEnum):
    """State of the control pilot: IEC 61851-1, Table A.4 and Annex A."""

    A = 0  # no vehicle
    B = 1  # a vehicle that does not charge
    C = 2  # it charges
    D = 3  # it charges and asks for ventilation
    E = 4  # no supply
    F = 5  # the point is not available


CHARGING: Final = float(State.C)
"""State C, as a column holds it."""
_A, _B, _E, _F = (float(state) for state in (State.A, State.B, State.E, State.F))

LEGAL: Final = {
    State.A: {State.A, State.B, State.E, State.F},
    State.B: {State.A, State.B, State.C, State.D, State.E, State.F},
    State.C: {State.A, State.B, State.C, State.E, State.F},
    State.D: {State.A, State.B, State.D, State.E, State.F},
    State.E: {State.A, State.B, State.E, State.F},
    State.F: {State.A, State.B, State.E, State.F},
}
"""From each state, where it may go. Charging starts from B alone; a cable may be pulled at any time."""

CURRENT_MIN_A: Final = 6.0
"""Minimum current an AC point can offer; less is none."""
LAG_S: Final = 3.0
"""Time constant with which a vehicle follows the current on offer: 80 % of a change within the 5 s of [1]_."""
TAPER_FROM_FRAC: Final = 0.8
"""State of charge at which a vehicle charging with all its power begins to taper (ACN-Sim's default)."""
FAST_TAPER_FROM_FRAC: Final = 0.5
"""The same at a DC point, where all its power is about twice its capacity an hour; own choice."""
_RATE_MIN: Final = 1e-30
"""Less than any charge: who does not charge takes for ever to come to the taper."""


def next_state(
    state: Floats, connected: Bools, ready: Bools, unpowered: Bools | None = None, unavailable: Bools | None = None
) -> Floats:
    """Return each point's next state, ``(n,)``, by a legal transition.

    ``ready`` is a vehicle that wants to charge and is offered current. It charges from the step after
    its state was B. ``unavailable`` goes before ``unpowered``; left out, neither is anywhere.
    """
    may_charge = (state == _B) | (state == CHARGING)
    following = np.where(connected, np.where(ready & may_charge, CHARGING, _B), _A)
    if unpowered is not None:
        following = np.where(unpowered, _E, following)
    return following if unavailable is None else np.where(unavailable, _F, following)


def offered_current_a(limit_a: Floats, rated_a: Floats, min_a: Floats | float = CURRENT_MIN_A) -> Floats:
    """Return the current a phase on offer [A]: the limit within the rating, or 0 below the minimum."""
    offer = np.minimum(limit_a, rated_a)
    return np.where(offer >= min_a, np.maximum(offer, 0.0), 0.0)


def followed(before: Floats, target: Floats, dt_s: float) -> tuple[Floats, Floats]:
    """Follow a power on offer with a lag of ``LAG_S``: return the step's mean power and the power at its end."""
    kept = exp(-dt_s / LAG_S)
    away = before - target
    return target + away * ((1.0 - kept) * LAG_S / dt_s), target + away * kept


def charged_soc(
    soc: Floats,
    rate_per_s: Floats,
    full_rate_per_s: Floats,
    dt_s: Floats | float,
    taper_from: Floats | float = TAPER_FROM_FRAC,
) -> Floats:
    """Return the state of charge after charging for ``dt_s``.

    Parameters
    ----------
    soc : (n,)
        State of charge before, 0 to 1.
    rate_per_s : (n,)
        Rise of the state of charge at the power on offer, >= 0 and at most ``full_rate_per_s``. [1/s]
    full_rate_per_s : (n,)
        The same at all the power the vehicle can take, > 0. [1/s]
    dt_s : (n,) or float
        Any length >= 0.
    taper_from : (n,) or float
        State of charge at which the taper begins at all the power, 0 to 1.

    Notes
    -----
    The less is offered, the later the taper begins, at ``1 - (1 - taper_from) * rate / full_rate``;
    in it the state of charge nears 1 with a time constant that only depends on the vehicle.
    """
    constant_s = (1.0 - taper_from) / full_rate_per_s
    knee = 1.0 - constant_s * rate_per_s
    straight_s = clipped((knee - soc) / np.maximum(rate_per_s, _RATE_MIN), 0.0, dt_s)
    at_bend = soc + rate_per_s * straight_s
    decay = np.exp(-(dt_s - straight_s) / constant_s)
    bent = 1.0 - (1.0 - at_bend) * decay
    return np.where(rate_per_s > 0.0, bent, soc)


def taper_power_w(soc: Floats, full_power_w: Floats, taper_from: Floats | float = TAPER_FROM_FRAC) -> Floats:
    """Return the maximum power a vehicle takes at a state of charge [W], of ``full_power_w`` below the taper."""
    return full_power_w * clipped((1.0 - soc) / (1.0 - taper_from), 0.0, 1.0)
