"""What a grid inverter can do and does by itself: capability, ramps, voltage and frequency support.

Elementwise on arrays ``(n,)`` or scalars, without state. Plus is power to the grid and reactive power
delivered (over-excited).

References
----------
.. [1] IEEE Std 1547-2018, 5.2 (reactive capability), table 8 (volt-var, category B), table 24 (droop).
"""

from __future__ import annotations

from math import exp
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]

VOLT_VAR_DEAD_BAND: Final = 0.02
"""Share of the nominal voltage around the reference within which no vars flow ([1], V2 and V3)."""
VOLT_VAR_SATURATION: Final = 0.08
"""Distance from the reference at which the vars are at their most ([1], V1 and V4)."""
VOLT_VAR_MOST: Final = 0.44
"""Most vars of volt-var, as a share of the rated apparent power ([1], Q1 and Q4)."""
VOLT_VAR_RESPONSE_S: Final = 5.0
"""Open loop response time: to 90 % of the final change ([1], table 8)."""
DROOP_DEAD_BAND_HZ: Final = 0.036
DROOP: Final = 0.05
"""Frequency change, per unit, for a power change of the whole rating ([1], table 24)."""
_LEAST_POWER_FACTOR: Final = 1e-3


def volt_var(voltage_v: Floats, reference_v: Floats, nominal_v: Floats, rated_va: Floats) -> Floats:
    """Reactive power [var] that supports the voltage: the category B curve of [1], moved to a reference."""
    away = (voltage_v - reference_v) / nominal_v
    slope = 1.0 / (VOLT_VAR_SATURATION - VOLT_VAR_DEAD_BAND)
    share = np.clip((np.abs(away) - VOLT_VAR_DEAD_BAND) * slope, 0.0, 1.0)
    return np.asarray(-np.sign(away) * share * (VOLT_VAR_MOST * rated_va))


def settled(before: Floats, target: Floats, response_s: float, dt_s: float) -> Floats:
    """Follow a target with a first-order lag whose change is 90 % done after ``response_s``, exact for any step."""
    return target + (before - target) * exp(-np.log(10.0) * dt_s / response_s)


def droop(frequency_hz: float, reference_hz: Floats, rated_w: Floats) -> Floats:
    """Change of active power [W] that supports the frequency: plus below the reference, 0 in the dead band [1]."""
    away = reference_hz - frequency_hz
    beyond = np.abs(away)
    beyond -= DROOP_DEAD_BAND_HZ
    np.maximum(beyond, 0.0, out=beyond)
    return np.asarray(np.sign(away) * np.minimum(beyond / (DROOP * reference_hz), 1.0) * rated_w)


def ramped(before: Floats, target: Floats, rate_per_s: Floats, dt_s: float) -> Floats:
    """Move from ``before`` towards ``target`` by no more than ``rate_per_s * dt_s``."""
    most = rate_per_s * dt_s
    return np.asarray(np.clip(target, before - most, before + most))


def vars_at_power_factor(active_w: Floats, power_factor: Floats) -> Floats:
    """Reactive power [var] at a power factor from -1 to 1; minus draws vars, whichever way the power flows."""
    size = np.maximum(np.abs(power_factor), _LEAST_POWER_FACTOR)
    ratio = np.sqrt(np.maximum(1.0 / (size * size) - 1.0, 0.0))
    return np.asarray(np.copysign(np.abs(active_w) * ratio, power_factor))


def rest_of_circle(used: Floats, rated_va: Floats) -> Floats:
    """What the apparent power leaves for the other axis: ``sqrt(S**2 - used**2)``, 0 where it is used up."""
    return np.asarray(np.sqrt(np.maximum(rated_va * rated_va - used * used, 0.0)))


def within_circle(
    active_w: Floats, reactive_var: Floats, rated_va: Floats, most_var: Floats, reactive_first: Floats
) -> tuple[Floats, Floats]:
    """Cut active and reactive power down to what the inverter can carry.

    Parameters
    ----------
    active_w, reactive_var : (n,)
        What is asked.
    rated_va, most_var : (n,), >= 0
        Radius of the circle, and the reactive capability within it.
    reactive_first : (n,), 1.0 or 0.0
        Which one keeps its value: 1.0 as [1] asks while the voltage is supported.

    Returns
    -------
    active_w, reactive_var : (n,)
        ``P**2 + Q**2 <= S**2`` to rounding; signs are kept and neither grows.
    """
    reactive_goes_first = reactive_first > 0.0
    active_alone = np.clip(active_w, -rated_va, rated_va)
    reactive_room = np.where(reactive_goes_first, rated_va, rest_of_circle(active_alone, rated_va))
    reactive_room = np.minimum(reactive_room, most_var)
    reactive = np.clip(reactive_var, -reactive_room, reactive_room)
    active_room = rest_of_circle(reactive, rated_va)
    active = np.where(reactive_goes_first, np.clip(active_w, -active_room, active_room), active_alone)
    return active, reactive
