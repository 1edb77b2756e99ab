"""What a grid inverter can do and does by itself: capability, ramps, voltage and frequency support.

Elementwise on arrays ``(n,)`` or scalars, without state. Plus is power to the grid and reactive power
delivered (over-excited). The curves are those of a grid code (``grid_code.GridCode``).

Valid for steps of 0.1 s to 900 s. Nothing moves within a step; a response faster than the step is over at
its end (``lagged``). Support of the voltage is answered by the voltage it supports one step later; ``paced``
keeps the two from swinging where a step is long.

References
----------
.. [1] IEEE Std 1547-2018, 5.2 (reactive capability), 5.3.3 (volt-var), 5.4.2 (volt-watt), 6.5.2.7 (droop).
.. [2] EPRI report 3002030962, IEEE 1547-2018 OpenDER model: 3.7.1, 3.8.1 and the filter of 3.12.1.
"""

from __future__ import annotations

from math import exp
from typing import Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.physics.grid_code import UNBOUND, GridCode, Setting

_POWER_FACTOR_MIN: Final = 1e-3
_LAG: Final = 1.15
"""Half of ln(10), as [2] rounds it: from the response time, to 90 %, to the filter's coefficient."""
_CABINET_K: Final = 25.0
_CABINET_S: Final = 900.0
_COOL_K: Final = 0.01
_HOT_DEGC, _TOO_HOT_DEGC = 65.0, 85.0
_STEPS_A_RESPONSE: Final = 5.0
_PACE_MIN: Final = 1.0 / 64.0


def clipped(value: Floats | float, low: Floats | float, high: Floats | float) -> Floats:
    """Return a value kept within bounds; the same as ``np.clip`` in a fraction of its time."""
    within: Floats = np.minimum(np.maximum(value, low), high)
    return within


def volt_var(voltage_pu: Floats, reference_pu: Floats, code: GridCode) -> Floats:
    """Reactive power that supports the voltage, as a share of the rating: the code's curve, moved to a reference."""
    moved = voltage_pu - (reference_pu - 1.0)
    low = clipped((code.volt_var_v2 - moved) / (code.volt_var_v2 - code.volt_var_v1), 0.0, 1.0)
    high = clipped((moved - code.volt_var_v3) / (code.volt_var_v4 - code.volt_var_v3), 0.0, 1.0)
    return np.asarray(low * code.volt_var_q1 + high * code.volt_var_q4)


def volt_watt(voltage_pu: Floats, code: GridCode) -> Floats:
    """Active power given up at a voltage, as a share of the rating; 0 below the code's curve or without one."""
    done = clipped((voltage_pu - code.volt_watt_v1) / (code.volt_watt_v2 - code.volt_watt_v1), 0.0, 1.0)
    return np.asarray(done * (1.0 - code.volt_watt_p2))


def droop(frequency_hz: float, reference_hz: Floats, code: GridCode) -> Floats:
    """Change of active power that supports the frequency, as a share of the rating: plus below the dead band."""
    away = frequency_hz / reference_hz - 1.0
    share = np.maximum(-away - code.droop_under, 0.0)
    share -= np.maximum(away - code.droop_over, 0.0)
    return clipped(share / code.droop, -1.0, 1.0)


def lagged(target: Floats, target_before: Floats, before: Floats, response_s: Setting, dt_s: float) -> Floats:
    """Follow a target with a first-order lag whose change is 90 % done after ``response_s``.

    The bilinear form of [2]. A response shorter than 1.15 steps is over within its step: the target passes
    through, for the form would swing there.
    """
    ratio = response_s / (_LAG * dt_s)
    # Written so that what has settled stays where it is to the last bit.
    follows = before + (target + target_before - 2.0 * before) / (1.0 + ratio)
    if isinstance(ratio, float):
        return np.asarray(target if ratio < 1.0 else follows)
    return np.where(ratio < 1.0, target, follows)


def outrun(response_s: Setting, dt_s: float) -> bool:
    """Whether steps are so long that some response takes less than five: others come to rest by their lag alone."""
    return bool(np.min(response_s) < _STEPS_A_RESPONSE * dt_s)


def paced(
    target: Floats, answer: Floats, before: Floats, moved: Floats, pace: Floats, response_s: Setting, dt_s: float
) -> tuple[Floats, Floats]:
    """Go only part of the way to ``target`` while the voltage answers the last move by calling it back.

    An inverter supports a voltage that its own answer moves at once; here the voltage follows a step later. Where
    the answer outweighs what it answers, on a weak feeder, long steps would swing for ever between too much
    and too little, where a real inverter comes to rest. So a move that takes back more than half of the last one
    is halved, and one that does not may be twice as long as the last.

    Parameters
    ----------
    target, answer, before : (n,)
        What is asked for, how far the lag comes (``lagged``), and where the step began.
    moved, pace : (n,)
        The last move, and the share of the way it was; 1 at first.
    response_s : float or (n,)
        Where it is not ``outrun`` the answer keeps to its lag.

    Returns
    -------
    answer, pace : (n,)
        The lag's own answer wherever the pace is 1.
    """
    # Without the memory of what was asked before, which would push on where the answer has turned.
    move = (target - before) * np.minimum(2.0 / (1.0 + response_s / (_LAG * dt_s)), 1.0)
    back = (move * moved < 0.0) & (np.abs(move) > 0.5 * np.abs(moved))
    pace = clipped(np.where(back, 0.5, 2.0) * pace, _PACE_MIN, 1.0)
    pace = np.where(response_s < _STEPS_A_RESPONSE * dt_s, pace, 1.0)
    return np.where(pace < 1.0, before + pace * move, answer), pace


def ramped(before: Floats, target: Floats, rate_per_s: Floats, dt_s: float, down_per_s: Floats | None = None) -> Floats:
    """Move from ``before`` towards ``target`` by no more than ``rate_per_s * dt_s``, down by its own rate if given."""
    up = rate_per_s * dt_s
    down = up if down_per_s is None else down_per_s * dt_s
    return clipped(target, before - down, before + up)


def vars_at_power_factor(active_w: Floats, power_factor: Floats) -> Floats:
    """Reactive power [var] at a power factor from -1 to 1; minus draws vars, whichever way the power flows."""
    return np.asarray(np.abs(active_w) * vars_per_watt(power_factor))


def vars_per_watt(power_factor: Floats) -> Floats:
    """Reactive over active power [var/W] at a power factor from -1 to 1; minus draws vars."""
    size = np.maximum(np.abs(power_factor), _POWER_FACTOR_MIN)
    ratio = np.sqrt(np.maximum(1.0 / (size * size) - 1.0, 0.0))
    return np.asarray(np.copysign(ratio, power_factor))


def power_factor_at(vars_per_watt: Floats) -> Floats:
    """The power factor, from -1 to 1, at which this much reactive power [var/W] flows; minus draws vars."""
    return np.asarray(np.copysign(1.0 / np.sqrt(1.0 + vars_per_watt * vars_per_watt), vars_per_watt))


def rest_of_circle(used: Floats, rated_va: Floats) -> Floats:
    """What the apparent power leaves for the other axis: ``sqrt(S**2 - used**2)``, 0 where it is used up."""
    return np.asarray(np.sqrt(np.maximum(rated_va * rated_va - used * used, 0.0)))


def reactive_area(active_w: Floats, rated_va: Floats, max_var: Floats, code: GridCode) -> Floats:
    """Return the maximum reactive power [var] at an active power, by the code's area and by ``max_var``."""
    if isinstance(code.reactive_at_rest, float) and code.reactive_at_rest >= UNBOUND:
        return max_var
    slope, at_rest = np.asarray(code.reactive_per_active), np.asarray(code.reactive_at_rest)
    drawn = np.maximum(slope * np.minimum(np.abs(active_w), rated_va), at_rest * rated_va)
    return np.asarray(np.minimum(max_var, drawn))


def within_circle(
    active_w: Floats, reactive_var: Floats, rated_va: Floats, max_var: Floats, reactive_first: Floats
) -> tuple[Floats, Floats]:
    """Cut active and reactive power down to what the inverter can carry.

    Parameters
    ----------
    active_w, reactive_var : (n,)
        What is asked.
    rated_va, max_var : (n,), >= 0
        Radius of the circle, and the reactive capability within it.
    reactive_first : (n,), 1.0 or 0.0
        Which one keeps its value: 1.0 as [1] asks while the voltage is supported.

    Returns
    -------
    active_w, reactive_var : (n,)
        ``P**2 + Q**2 <= S**2`` to rounding; signs are kept and neither grows.
    """
    reactive_goes_first = reactive_first > 0.0
    active_alone = clipped(active_w, -rated_va, rated_va)
    reactive_room = np.where(reactive_goes_first, rated_va, rest_of_circle(active_alone, rated_va))
    reactive_room = np.minimum(reactive_room, max_var)
    reactive = clipped(reactive_var, -reactive_room, reactive_room)
    active_room = rest_of_circle(reactive, rated_va)
    active = np.where(reactive_goes_first, clipped(active_w, -active_room, active_room), active_alone)
    return active, reactive


def cabinet_excess(before_k: Floats, loss_share: Floats, dt_s: float) -> Floats:
    """Temperature in an inverter's cabinet over the air around it [K] at the end of a step.

    Own choice: 25 K at the losses of its rated power (``loss_share`` of 1), approached with a time constant of 15 min;
    less than a hundredth is none.
    """
    kept = exp(-dt_s / _CABINET_S)
    excess = before_k * kept + loss_share * (_CABINET_K * (1.0 - kept))
    return np.asarray(excess * (excess > _COOL_K))


def heat_derating(cabinet_degc: Floats) -> Floats:
    """Return the share of its power that an inverter does without for the heat in its cabinet.

    Own choice: none up to 65 degC, which is more than air of 40 degC and its own losses make, and all from 85 degC on.
    """
    return clipped((cabinet_degc - _HOT_DEGC) / (_TOO_HOT_DEGC - _HOT_DEGC), 0.0, 1.0)
