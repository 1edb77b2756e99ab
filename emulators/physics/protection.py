"""Grid protection of an inverter: when it leaves the grid, and when and how it comes back.

Each limit has a time for which it may be passed: until then the inverter rides through. Once off, it waits
until voltage and frequency have been within the code's window for the code's delay, and then comes back with
power that rises no faster than the code's ramp. All by itself: no reset is asked for, but where the permission to
start is withdrawn it stays off (IEEE Std 1547-2018, 4.10.2, permit service).

The ten-minute mean of the voltage is a first-order lag of 300 s, whose memory has the same mean age as the
sliding window EN 50549-1 describes: a step from 1.00 to 1.12 passes 1.10 after 537 s instead of 500 s.

Valid for any step; voltage and frequency are those of the step, so a time shorter than the step is over at
its end.
"""

from __future__ import annotations

from math import exp
from typing import Final, NamedTuple

import numpy as np

from pilotfarm.emulators.columns.arrays import Floats, anywhere, canonical, everything, flags, nothing
from pilotfarm.emulators.physics.grid_code import GridCode

MEAN_TIME_S: Final = 300.0
_ROUNDING_S: Final = 1e-6

FUNCTIONS: Final = ("over_voltage", "under_voltage", "over_frequency", "under_frequency")
STAGES: Final = tuple(f"{name}_{number}" for name in FUNCTIONS for number in (1, 2))
"""The limits, and the names of their settings in a grid code."""


class Protection(NamedTuple):
    """What the protection of ``n`` inverters remembers; arrays ``(n,)``, never changed in place."""

    out_s: tuple[Floats, ...]
    """For how long each of ``STAGES`` has been passed."""
    operated: tuple[Floats, ...]
    """1.0 where each of ``FUNCTIONS`` has tripped it, until it is back."""
    mean_pu: Floats
    """Mean of the highest phase voltage over ten minutes."""
    tripped: Floats
    """1.0 while off the grid."""
    waited_s: Floats
    """For how long, while off, the grid has been good enough to come back."""
    ramp_frac: Floats
    """Maximum power since it came back, as a share of the rating; 1.0 in normal service."""
    calm: Floats
    """1.0 where no limit is passed, and it is on the grid with all its power: nothing but the mean moves."""


def in_service(n: int) -> Protection:
    """Return the protection of ``n`` inverters in normal service."""
    none, every = nothing(n), everything(n)
    return Protection((none,) * len(STAGES), (none,) * len(FUNCTIONS), every, none, none, every, every)


def watched(
    state: Protection,
    highest_pu: Floats,
    lowest_pu: Floats,
    frequency_pu: float,
    code: GridCode,
    dt_s: float,
    permitted: Floats | float = 1.0,
) -> Protection:
    """Watch the grid through one step.

    Parameters
    ----------
    highest_pu, lowest_pu : (n,)
        Of the phases an inverter is connected to, per unit of the nominal voltage.
    frequency_pu : per unit of the nominal frequency
    permitted : (n,) or for all
        1.0 where it may come back.
    """
    mean = highest_pu + (state.mean_pu - highest_pu) * exp(-dt_s / MEAN_TIME_S)
    by_mean = mean > code.mean_over_voltage
    # A second limit lies beyond the first, so the first ones show whether anything is wrong.
    wrong = (frequency_pu > code.over_frequency_1) | (frequency_pu < code.under_frequency_1) | by_mean
    wrong = wrong | (highest_pu > code.over_voltage_1) | (lowest_pu < code.under_voltage_1)
    if state.calm is not everything(len(mean)):
        wrong |= state.calm == 0.0
    if not anywhere(wrong):
        return state._replace(mean_pu=mean)
    passed = (
        highest_pu > code.over_voltage_1,
        highest_pu > code.over_voltage_2,
        lowest_pu < code.under_voltage_1,
        lowest_pu < code.under_voltage_2,
        frequency_pu > code.over_frequency_1,
        frequency_pu > code.over_frequency_2,
        frequency_pu < code.under_frequency_1,
        frequency_pu < code.under_frequency_2,
    )
    out_s, by_stage = [], []
    for name, outside, before_s in zip(STAGES, passed, state.out_s, strict=True):
        now_s = np.where(outside, before_s + dt_s, 0.0)
        by_stage.append((now_s + _ROUNDING_S >= getattr(code, f"{name}_s")) & (now_s > 0.0))
        out_s.append(now_s)
    by_function = [first | second for first, second in zip(by_stage[::2], by_stage[1::2], strict=True)]
    by_function[0] |= by_mean
    trips = np.logical_or.reduce(by_function)
    was_off = state.tripped > 0.0
    good = (
        (lowest_pu >= code.reconnect_voltage_low)
        & (highest_pu <= code.reconnect_voltage_high)
        & (frequency_pu >= code.reconnect_frequency_low)
        & (frequency_pu <= code.reconnect_frequency_high)
        & ~trips
        & (np.asarray(permitted) > 0.0)
    )
    waited_s = np.where(was_off & good, state.waited_s + dt_s, 0.0)
    back = was_off & good & (waited_s + _ROUNDING_S >= code.reconnect_s)
    off = (was_off | trips) & ~back
    ramp = np.minimum(state.ramp_frac + code.reconnect_ramp_per_s * dt_s, 1.0)
    ramp = np.where(off | back, 0.0, ramp)
    calm = (ramp >= 1.0) & (np.maximum.reduce(out_s) == 0.0)
    waited_s = np.where(off, waited_s, 0.0)
    # Back in normal service these are again the arrays that say so by their identity.
    tripped, ramp, calm_again = (canonical(np.asarray(each, dtype=np.float64)) for each in (off, ramp, calm))
    operated = tuple(
        flags(((before > 0.0) | now) & off) for before, now in zip(state.operated, by_function, strict=True)
    )
    return Protection(tuple(out_s), operated, mean, tripped, waited_s, ramp, calm_again)
