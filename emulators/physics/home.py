"""A house, its heating and its hot water.

The house has two temperatures, of the room air and of the mass behind it; the hot water is one of its own,
well mixed. Over a step what heats and cools them is constant, and they follow the exact solution, so a step
may have any length. Where a thermostat would switch within a step, the heater's mean power over the step is
the one that ends it on the thermostat's edge: nothing is overshot, however long the step.

Valid for a house as a load: rooms, solar gains by direction and a layered tank are left out, and a heat
pump is on or off (its power does not follow its lift).

References
----------
.. [1] Bacher and Madsen, "Identifying suitable models for the heat dynamics of buildings", Energy and
   Buildings 43:1511-1522, 2011, doi 10.1016/j.enbuild.2011.02.005 (the two-state model).
.. [2] Staffell et al., "A review of domestic heat pumps", Energy and Environmental Science 5:9291-9306, 2012,
   doi 10.1039/c2ee22653g (coefficient of performance of air-source heat pumps).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.physics.inverter import clipped

THERMOSTAT_BAND_K: Final = 0.4
SUPPLY_TEMPERATURE_DEGC: Final = 40.0
_COP_MIN, _COP_MAX = 1.5, 6.0

HOT_WATER_DEGC: Final = 52.0
HOT_WATER_BAND_K: Final = 3.0
TAPPED_MIN_DEGC: Final = 30.0
"""Colder water nobody taps."""
TANK_J_PER_K: Final = 200.0 * 4_186.0
"""200 litres of water."""
TANK_LOSS_W_PER_K: Final = 1.5
"""A usual tank loses about 50 W while it is hot; own choice."""


@dataclass(frozen=True, slots=True)
class House:
    """What a house is like, all ``(n,)`` and > 0."""

    heat_loss_w_per_k: Floats
    coupling_w_per_k: Floats
    air_j_per_k: Floats
    mass_j_per_k: Floats


@dataclass(frozen=True, slots=True)
class Response:
    """What a step does to a house: its temperatures above the settled one after it, from those before.

    ``room = room_by_room * room + room_by_mass * mass``, and the same for the mass. Each watt of heat into
    the air over the step makes them higher by ``room_k_per_w`` and ``mass_k_per_w``.
    """

    room_by_room: Floats
    room_by_mass: Floats
    mass_by_room: Floats
    mass_by_mass: Floats
    room_k_per_w: Floats
    mass_k_per_w: Floats


def response(house: House, dt_s: float) -> Response:
    """Return the exponential of the matrix of a house over ``dt_s``.

    With constant heat into the air and constant outside temperature,

        air_j_per_k * dTr/dt = loss * (To - Tr) + coupling * (Tm - Tr) + heat
        mass_j_per_k * dTm/dt = coupling * (Tr - Tm)
    """
    a11 = -(house.heat_loss_w_per_k + house.coupling_w_per_k) / house.air_j_per_k
    a12 = house.coupling_w_per_k / house.air_j_per_k
    a21 = house.coupling_w_per_k / house.mass_j_per_k
    middle = 0.5 * (a11 - a21)
    spread = np.sqrt(0.25 * (a11 + a21) ** 2 + a12 * a21)  # > 0: both couplings are
    fast, slow = np.exp((middle - spread) * dt_s), np.exp((middle + spread) * dt_s)
    mean, slope = 0.5 * (fast + slow), 0.5 * (slow - fast) / spread
    by = mean + slope * (a11 - middle), slope * a12, slope * a21, mean - slope * (a21 + middle)
    loss = house.heat_loss_w_per_k
    return Response(*by, room_k_per_w=(1.0 - by[0] - by[1]) / loss, mass_k_per_w=(1.0 - by[2] - by[3]) / loss)


def house_temperatures(
    room_degc: Floats,
    mass_degc: Floats,
    outside_degc: Floats | float,
    heat_w: Floats,
    heat_loss_w_per_k: Floats,
    over: Response,
) -> tuple[Floats, Floats]:
    """Return room and mass temperature after a step [degC], both ``(n,)``, with ``heat_w`` into the air."""
    settled = outside_degc + heat_w / heat_loss_w_per_k
    room, mass = room_degc - settled, mass_degc - settled
    return (
        settled + over.room_by_room * room + over.room_by_mass * mass,
        settled + over.mass_by_room * room + over.mass_by_mass * mass,
    )


def heat_by_thermostat(
    on: Floats,
    unheated: Floats,
    kelvin_per_watt: Floats | float,
    low: Floats | float,
    high: Floats | float,
    max_w: Floats,
) -> tuple[Floats, Floats]:
    """Return a heater's mean power over a step [W], and whether it is on after it, 1.0 or 0.0.

    Parameters
    ----------
    on : (n,)
        Whether it is on before.
    unheated : (n,)
        The temperature at the step's end without it.
    kelvin_per_watt : (n,) or float
        How much higher that is for each watt of heat, > 0.
    low, high : (n,) or float
        Edges of the thermostat's band: on, it heats up to the upper one; off, it comes on at the lower one.
    max_w : (n,)
        Its heat while on.
    """
    was_on = on > 0.0
    heat_w = clipped((np.where(was_on, high, low) - unheated) / kelvin_per_watt, 0.0, max_w)
    return heat_w, np.where(was_on, heat_w >= max_w, heat_w > 0.0).astype(np.float64)


def unheated_tank(tank_degc: Floats, room_degc: Floats, tapped_w: Floats, dt_s: float) -> tuple[Floats, float]:
    """Return a tank's temperature after a step without heat [degC], and how much higher a watt makes it [K/W].

    ``tapped_w`` is the mean heat drawn from it. [W]
    """
    kept = float(np.exp(-TANK_LOSS_W_PER_K * dt_s / TANK_J_PER_K))
    settled = room_degc - tapped_w / TANK_LOSS_W_PER_K
    return settled + (tank_degc - settled) * kept, (1.0 - kept) / TANK_LOSS_W_PER_K


def heat_pump_cop(outside_degc: Floats | float, supply_degc: Floats | float = SUPPLY_TEMPERATURE_DEGC) -> Floats:
    """Return heat over electric power of an air-source heat pump [2]_, kept within 1.5 to 6."""
    lift = supply_degc - np.asarray(outside_degc)
    return clipped(6.81 - 0.121 * lift + 0.000630 * lift * lift, _COP_MIN, _COP_MAX)
