"""A house with a heat pump, and loads that can wait.

The house has two temperatures, of the room air and of the mass behind it. Over a step the heat put in and
the outside temperature are constant, and the two follow the exact solution, so a step may have any length.

References
----------
.. [1] Bacher and Madsen, "Identifying suitable models for the heat dynamics of buildings", Energy and
   Buildings 43:1511-1522, 2011, doi 10.1016/j.enbuild.2011.02.005 (the two-state model).
.. [2] Staffell et al., "A review of domestic heat pumps", Energy and Environmental Science 5:9291-9306, 2012,
   doi 10.1039/c2ee22653g (coefficient of performance of air-source heat pumps).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from emulators.encoding import Floats

THERMOSTAT_BAND_K: Final = 0.4
SUPPLY_TEMPERATURE_DEGC: Final = 40.0
_LEAST_COP, _MOST_COP = 1.5, 6.0


def house_temperatures(
    room_degc: Floats,
    mass_degc: Floats,
    outside_degc: float,
    heat_w: Floats,
    loss_w_per_k: Floats,
    coupling_w_per_k: Floats,
    air_j_per_k: Floats,
    mass_j_per_k: Floats,
    dt_s: float,
) -> tuple[Floats, Floats]:
    """Return room and mass temperature after ``dt_s`` [degC], both ``(n,)``.

    Solves, with constant heat into the air and constant outside temperature,

        air_j_per_k * dTr/dt = loss * (To - Tr) + coupling * (Tm - Tr) + heat
        mass_j_per_k * dTm/dt = coupling * (Tr - Tm)

    All of ``loss_w_per_k``, ``coupling_w_per_k``, ``air_j_per_k``, ``mass_j_per_k`` are ``(n,)`` and > 0.
    """
    a11 = -(loss_w_per_k + coupling_w_per_k) / air_j_per_k
    a12 = coupling_w_per_k / air_j_per_k
    a21 = coupling_w_per_k / mass_j_per_k
    middle = 0.5 * (a11 - a21)
    spread = np.sqrt(0.25 * (a11 + a21) ** 2 + a12 * a21)  # > 0: both couplings are
    fast, slow = np.exp((middle - spread) * dt_s), np.exp((middle + spread) * dt_s)
    mean, slope = 0.5 * (fast + slow), 0.5 * (slow - fast) / spread
    settled = outside_degc + heat_w / loss_w_per_k
    room, mass = room_degc - settled, mass_degc - settled
    room_after = mean * room + slope * ((a11 - middle) * room + a12 * mass)
    mass_after = mean * mass + slope * (a21 * room + (-a21 - middle) * mass)
    return settled + room_after, settled + mass_after


def thermostat(on: Floats, room_degc: Floats, wanted_degc: Floats) -> Floats:
    """Return whether to heat, 1.0 or 0.0: switches at the edges of a band of +-0.4 K, holds in between."""
    below = room_degc < wanted_degc - THERMOSTAT_BAND_K
    above = room_degc > wanted_degc + THERMOSTAT_BAND_K
    return np.where(below, 1.0, np.where(above, 0.0, on))


def heat_pump_cop(outside_degc: float) -> float:
    """Return heat over electric power of an air-source heat pump [2]_, kept within 1.5 to 6."""
    lift = SUPPLY_TEMPERATURE_DEGC - outside_degc
    return min(max(6.81 - 0.121 * lift + 0.000630 * lift * lift, _LEAST_COP), _MOST_COP)


def deferrable_draw_w(waiting_wh: Floats, asked_w: Floats, rated_w: Floats, room_wh: Floats, dt_s: float) -> Floats:
    """Return the mean power the loads that can wait draw over a step [W, >= 0].

    Parameters
    ----------
    waiting_wh : (n,)
        Energy that waits to be drawn, >= 0.
    asked_w : (n,)
        Power they are asked to draw, >= 0.
    rated_w : (n,)
        The most they can draw.
    room_wh : (n,)
        The most that may wait; what is beyond is drawn whether asked for or not.
    dt_s : float
        Length of the step, > 0.
    """
    all_of_it = waiting_wh * (3600.0 / dt_s)
    overdue = np.maximum(waiting_wh - room_wh, 0.0) * (3600.0 / dt_s)
    return np.minimum(np.minimum(np.maximum(asked_w, overdue), rated_w), all_of_it)
