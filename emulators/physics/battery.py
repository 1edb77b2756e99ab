"""A battery of lithium iron phosphate cells: energy, power it can give, heat, and age.

Elementwise on arrays ``(n,)``. Plus discharges. Stored energy moves by

    d(stored) = charge_efficiency * drawn - delivered / discharge_efficiency

with both measured at the connection point; the efficiencies hold converter and cells together.

Valid for steps of 0.1 s to 900 s: the thermal node is exact for constant heat, the energy limits for
constant power. Ageing is linear in time and in throughput, with the temperature law of Arrhenius in its
rule-of-thumb form (twice as fast 10 K warmer); it is meant to be slow and in the right order, not to
rank cells.

References
----------
.. [1] Naumann et al., J. Energy Storage 17 (2018) 153, doi 10.1016/j.est.2018.01.019 (calendar ageing of
   such cells: some 10 to 20 % in 15 to 20 years at 25 degC).
.. [2] Naumann et al., J. Power Sources 451 (2020) 227666, doi 10.1016/j.jpowsour.2019.227666 (cycle
   ageing: thousands of cycles to 80 %; specific heat of some 1 kJ/(kg K)).
"""

from __future__ import annotations

from math import exp
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]

YEAR_S: Final = 365.25 * 86_400.0
END_OF_LIFE_FRAC: Final = 0.8
"""State of health at which a battery counts as worn out."""
HEAT_CAPACITY_J_PER_K_WH: Final = 8.0
"""A kilowatt-hour of pack weighs some 8 kg at 1 kJ/(kg K) [2]."""
THERMAL_TIME_S: Final = 3.0 * 3600.0
"""How long the pack takes to follow its surroundings to 63 %."""
CELL_SHARE_OF_LOSS: Final = 0.5
"""The other half heats the converter."""
HOT_SPOT_FRAC: Final = 0.15
"""The hottest cell stands this share of the mean's rise above the mean."""
STRESS_TIME_S: Final = 30.0 * 86_400.0
"""Time over which the stress that the remaining life assumes is averaged."""

_FADE_TO_END: Final = 1.0 - END_OF_LIFE_FRAC
_COLD_DEGC: Final = (0.0, 5.0)
_FREEZING_DEGC: Final = (-20.0, -10.0)
_HOT_DEGC: Final = (50.0, 58.0)


def cell_power(active_w: Floats, charge_efficiency: Floats, discharge_efficiency: Floats) -> Floats:
    """DC power of the cells [W] behind an AC power [W]."""
    return np.asarray(np.where(active_w > 0.0, active_w / discharge_efficiency, active_w * charge_efficiency))


def energy_limits(
    soc_frac: Floats, low_frac: Floats, high_frac: Floats, capacity_wh: Floats, dt_s: float
) -> tuple[Floats, Floats]:
    """Return the most DC power [W] in and out, both >= 0, that keeps a whole step within the SoC window."""
    per_frac = capacity_wh * (3600.0 / dt_s)
    room = np.maximum(high_frac - soc_frac, 0.0) * per_frac
    store = np.maximum(soc_frac - low_frac, 0.0) * per_frac
    return room, store


def thermal_derating(temperature_degc: Floats) -> tuple[Floats, Floats]:
    """Return which share of the power may go in and out, from 0 to 1.

    Lithium plating forbids charging below 0 degC; cold slows discharge and heat stops both.
    """
    cool = 1.0 - _risen(temperature_degc, _HOT_DEGC)
    return np.minimum(_risen(temperature_degc, _COLD_DEGC), cool), np.minimum(
        _risen(temperature_degc, _FREEZING_DEGC), cool
    )


def _risen(value: Floats, span: tuple[float, float]) -> Floats:
    """How far a value has come through a span, 0 to 1."""
    low, high = span
    return np.asarray(np.clip((value - low) * (1.0 / (high - low)), 0.0, 1.0))


def warmed(
    temperature_degc: Floats, around_degc: Floats, loss_w: Floats, capacity_wh: Floats, dt_s: float
) -> tuple[Floats, Floats]:
    """Return mean and hottest temperature of the cells [degC] after a step of constant loss; one node, exact."""
    conductance = capacity_wh * (HEAT_CAPACITY_J_PER_K_WH / THERMAL_TIME_S)
    final = around_degc + loss_w * CELL_SHARE_OF_LOSS / conductance
    mean = final + (temperature_degc - final) * exp(-dt_s / THERMAL_TIME_S)
    hottest = mean + HOT_SPOT_FRAC * np.maximum(mean - around_degc, 0.0)
    return mean, hottest


def fade_per_year(
    temperature_degc: Floats, cycles_per_year: Floats, calendar_life_years: Floats, cycle_life: Floats
) -> Floats:
    """State of health lost in a year [1/a], at a temperature and a number of full equivalent cycles a year.

    ``calendar_life_years`` is the life to 80 % at 25 degC without use, ``cycle_life`` the full equivalent
    cycles to 80 % without age.
    """
    resting = np.exp2((temperature_degc - 25.0) * 0.1) / calendar_life_years
    return np.asarray(_FADE_TO_END * (resting + cycles_per_year / cycle_life))


def remaining_years(soh_frac: Floats, mean_fade_per_year: Floats) -> Floats:
    """Years until the state of health reaches 80 %, if the fading goes on as it did on average."""
    return np.asarray(np.maximum(soh_frac - END_OF_LIFE_FRAC, 0.0) / mean_fade_per_year)


def terminal_voltage(soc_frac: Floats, cell_power_w: Floats, capacity_wh: Floats, nominal_v: Floats) -> Floats:
    """DC voltage [V]: flat over most of the charge, falling away when empty, 3 % lower at 1 C discharge."""
    empty = (1.0 - soc_frac) * (1.0 - soc_frac)
    empty *= empty
    open_circuit = 0.98 + 0.06 * soc_frac - 0.18 * (empty * empty * empty)
    return np.asarray(nominal_v * open_circuit * (1.0 - 0.03 * np.clip(cell_power_w / capacity_wh, -5.0, 5.0)))
