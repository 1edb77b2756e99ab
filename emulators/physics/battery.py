"""A battery of lithium-ion cells behind a converter: what it can give and take, and what that does to it.

Elementwise on arrays ``(n,)``; plus discharges. A cell is a voltage behind a resistance [1]_,

    P = I (U(soc) - R(soc, T) I),   d(soc)/dt = -I / (capacity SoH)

with power constant over a step, and U its mean over the charge that the step moves: exact above ``_SHORT_STEP_S``,
along the slope below. A step of any length gives up as much chemical energy as lies between its two states of charge,
and what does not leave as power is heat: cells cannot make energy, however long the step.

Valid for steps of 0.1 s to 900 s. Resistance, temperature and the voltage limits are those at the step's start: at
900 s and 1 C the voltage may pass its limit by what the open circuit voltage moves in the step (some 0.1 V).

References
----------
.. [1] Naumann, dissertation, TU Munich 2018, as in SimSES (TUM, BSD-3), compared in ``tests/oracles``.
.. [2] Notton, Lazarov, Stoyanov, Renewable Energy 35 (2010) 541, doi 10.1016/j.renene.2009.07.013: converter loss
   as ``P0 + K p**2`` of the rating; type 2.
"""

from __future__ import annotations

from math import exp
from typing import Final, NamedTuple

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.physics import cells
from pilotfarm.emulators.physics.cells import Cells
from pilotfarm.emulators.physics.inverter import clipped

THERMAL_TIME_S: Final = 3.0 * 3600.0
"""How long the pack takes to follow its surroundings to 63 %, own choice for a housed pack."""
HOT_SPOT_FRAC: Final = 0.15
"""The hottest cell stands this share of the mean's rise above the mean, own choice."""

_NO_LOAD: Final = 0.0072
_LOAD: Final = 0.0345
_PULSING: Final = _NO_LOAD / 0.01 + _LOAD * 0.01
"""Below a hundredth of its rating the converter pulses, so that its loss goes to nothing with its power."""
_SHORT_STEP_S: Final = 10.0
"""Up to which the open circuit voltage is taken as a straight line over the charge of one step."""
_AT_EDGE: Final = 1e-12
"""Nearer to the edge of its window than this a battery is at it: what is left is rounding, and no power."""
_TURNS: Final = 2
"""From near enough the first finds the straight line of the voltage a step ends on, and the second its end there."""
_SLOPE_MIN: Final = 0.1
"""Keeps a turn on this side of the maximum power there is, as a share of the voltage."""

_COLD_DEGC: Final = (0.0, 5.0)
_FREEZING_DEGC: Final = (-20.0, -10.0)
_HOT_DEGC: Final = (50.0, 58.0)


# --------------------------------------------------------------------------------------- converter


def with_loss(power: Floats) -> Floats:
    """Power that goes into a converter for a power that comes out, both >= 0 and as shares of its rating [2]_."""
    return np.asarray(power + np.minimum(power * _PULSING, _NO_LOAD + _LOAD * power * power))


def without_loss(power: Floats) -> Floats:
    """Power that comes out of a converter, the inverse of ``with_loss``."""
    loaded = np.maximum(power - _NO_LOAD, 0.0)
    loaded *= 2.0 / (1.0 + np.sqrt(1.0 + 4.0 * _LOAD * loaded))
    return np.asarray(np.maximum(loaded, power * (1.0 / (1.0 + _PULSING))))


def cell_power(active_w: Floats, converter_w: Floats) -> Floats:
    """DC power of the cells [W] behind an AC power [W]."""
    share = np.abs(active_w) / converter_w
    return np.asarray(np.where(active_w > 0.0, with_loss(share), -without_loss(share)) * converter_w)


# ------------------------------------------------------------------------------------------- cells


class Circuit(NamedTuple):
    """Cells in a state: of one cell, arrays ``(n,)``."""

    cells: Cells
    soc_frac: Floats
    open_v: Floats
    slope_v: Floats
    """Rise of the open circuit voltage over the whole charge, as steep as it is here."""
    energy_v: Floats
    charge_ohm: Floats
    discharge_ohm: Floats
    capacity_ah: Floats
    """Now, aged."""


def circuit(
    of: Cells, soc_frac: Floats, temperature_degc: Floats, soh_frac: Floats, resistance_rise: Floats
) -> Circuit:
    """Look up cells in a state; ``resistance_rise`` is the share by which age has raised their resistance."""
    opened = cells.open_circuit(of.kind, soc_frac)
    ohms = resistance(of, soc_frac, temperature_degc, resistance_rise)
    return Circuit(of, soc_frac, *opened, *ohms, capacity_ah=of.capacity_ah * soh_frac)


def resistance(of: Cells, soc_frac: Floats, temperature_degc: Floats, resistance_rise: Floats) -> tuple[Floats, Floats]:
    """Resistance of a cell to charge and to discharge [ohm], aged."""
    charge_ohm, discharge_ohm = cells.resistance(of.kind, soc_frac, temperature_degc) * (1.0 + resistance_rise)
    return charge_ohm, discharge_ohm


def reach(
    at: Circuit,
    window_frac: tuple[Floats, Floats],
    rate_max_per_h: Floats,
    dt_s: float,
) -> tuple[Floats, Floats]:
    """Return the maximum power of a cell in and out [W, >= 0] over a whole step.

    Parameters
    ----------
    window_frac : lowest and highest state of charge
        Outside of it a battery only moves back towards it.
    rate_max_per_h : (n,) or (2, n)
        Maximum current, or maximum in and out, over the capacity when new [1/h].
    """
    # Both ways at once: what goes in is the first row, what comes out the second.
    of, per_frac = at.cells, at.capacity_ah * (3600.0 / dt_s)
    ohm = np.array((at.charge_ohm, at.discharge_ohm))
    by_voltage = np.array((of.voltage_max_v - at.open_v, at.open_v - of.voltage_min_v)) / ohm
    window = np.array((window_frac[1] - at.soc_frac, at.soc_frac - window_frac[0]))
    current_a = np.maximum(np.minimum(rate_max_per_h * of.capacity_ah, by_voltage), 0.0)
    current_a = np.minimum(window * (window > _AT_EDGE) * per_frac, current_a)
    np.negative(current_a[0], out=current_a[0])
    into, out = _power(at, current_a, ohm, per_frac, dt_s)
    return -into, np.maximum(out, 0.0)


def _power(at: Circuit, current_a: Floats, ohm: Floats, per_frac: Floats, dt_s: float) -> Floats:
    """Power [W] of a cell that gives a current over a whole step; ``per_frac`` is that of its whole charge [A]."""
    if dt_s <= _SHORT_STEP_S:
        # Along a slope the falling voltage acts as so much more resistance.
        return np.asarray(current_a * (at.open_v - (ohm + 0.5 * at.slope_v / per_frac) * current_a))
    after_v = cells.open_circuit(at.cells.kind, clipped(at.soc_frac - current_a / per_frac, 0.0, 1.0))[2]
    return np.asarray((at.energy_v - after_v) * per_frac - ohm * current_a * current_a)


def drawn(at: Circuit, power_w: Floats, dt_s: float) -> Floats:
    """Draw a power [W] within ``reach`` from a cell for one step; return the state of charge at its end."""
    ohm = _ohm(at, power_w)
    per_frac = at.capacity_ah * (3600.0 / dt_s)
    if dt_s <= _SHORT_STEP_S:
        moved = _current(at.open_v, ohm + 0.5 * at.slope_v / per_frac, power_w) / per_frac
        return clipped(at.soc_frac - moved, 0.0, 1.0)
    # What the cells held, less what they hold and the heat, is the power. That is a parabola of the charge wherever
    # the voltage is a straight line, and solved as one: as many turns for all.
    after = clipped(at.soc_frac - _current(at.open_v, ohm, power_w) / per_frac, 0.0, 1.0)
    left_v, heat_v = at.energy_v - power_w / per_frac, ohm * per_frac
    for _ in range(_TURNS):
        volts, slope_v, energy_v = cells.open_circuit(at.cells.kind, after)
        moved = at.soc_frac - after
        hot_v = heat_v * moved
        excess = 2.0 * (left_v - energy_v - hot_v * moved)
        steep = np.maximum(volts - 2.0 * hot_v, _SLOPE_MIN * volts)
        bent = steep * steep + (slope_v + 2.0 * heat_v) * excess
        after = clipped(after + excess / (steep + np.sqrt(np.maximum(bent, 0.0))), 0.0, 1.0)
    return after


def terminal_voltage(at: Circuit, power_w: Floats) -> Floats:
    """Voltage [V] of a cell that gives a power."""
    ohm = _ohm(at, power_w)
    return np.asarray(at.open_v - ohm * _current(at.open_v, ohm, power_w))


def _ohm(at: Circuit, power_w: Floats) -> Floats:
    return np.where(power_w > 0.0, at.discharge_ohm, at.charge_ohm)


def _current(open_v: Floats, ohm: Floats, power_w: Floats) -> Floats:
    """Current [A] at which a voltage behind a resistance gives a power; of the two the smaller."""
    return np.asarray(2.0 * power_w / (open_v + np.sqrt(np.maximum(open_v * open_v - 4.0 * ohm * power_w, 0.0))))


def heat(at: Circuit, energy_after_v: Floats, power_w: Floats, dt_s: float) -> Floats:
    """Heat of a cell [W]: the chemical energy a step has taken that did not leave as power."""
    return np.asarray((at.energy_v - energy_after_v) * at.capacity_ah * (3600.0 / dt_s) - power_w)


# -------------------------------------------------------------------------------------------- heat


def thermal_derating(temperature_degc: Floats) -> Floats | float:
    """Return which share of the current may go in and out ``(2, n)``, from 0 to 1; a number where all may.

    Lithium plating forbids charging below 0 degC; cold slows discharge and heat stops both.
    """
    if temperature_degc.min() >= _COLD_DEGC[1] and temperature_degc.max() <= _HOT_DEGC[0]:
        return 1.0
    warm = np.array((_risen(temperature_degc, _COLD_DEGC), _risen(temperature_degc, _FREEZING_DEGC)))
    return np.asarray(np.minimum(warm, 1.0 - _risen(temperature_degc, _HOT_DEGC)))


def _risen(value: Floats, span: tuple[float, float]) -> Floats:
    """How far a value has come through a span, 0 to 1."""
    low, high = span
    return clipped((value - low) * (1.0 / (high - low)), 0.0, 1.0)


def warmed(
    temperature_degc: Floats, around_degc: Floats, heat_w: Floats, heat_j_per_k: float | Floats, dt_s: float
) -> tuple[Floats, Floats]:
    """Return mean and hottest temperature of the cells [degC] after a step of constant heat; one node, exact."""
    final = around_degc + heat_w * (THERMAL_TIME_S / heat_j_per_k)
    mean = final + (temperature_degc - final) * exp(-dt_s / THERMAL_TIME_S)
    hottest = mean + HOT_SPOT_FRAC * np.maximum(mean - around_degc, 0.0)
    return mean, hottest
