"""The grid's frequency: noise, and the response of a synchronous area to the loss of generation.

The noise is a function of time and a key alone: a sum of waves of 30 s to 1 h. The strongest have the
periods of the market's schedules, a quarter of an hour and an hour, which dominate the spectrum measured
in Continental Europe; the standard deviation is that area's, about 20 mHz [1].

A loss is answered by one mass for the whole area, with load damping, primary control (proportional, a lag,
a cap) and secondary control (integral, a lag) [2], in Continental Europe of the size its rules ask for [3]:

    2 H S / f0  df/dt = P - loss - D f      primary  dp/dt = (limited(-K f) - p) / T1
                                            secondary  dz/dt = -(K + D) f / Ti,  da/dt = (z - a) / T2

with P = p + a and f the deviation. Valid for losses that the area survives: there is no load shedding, and
the deviation is held within ``DEVIATION_MAX_HZ``. Both deviations add up. The devices' own answer to the
frequency is too small to move an area and is left out.

References
----------
.. [1] Rydin Gorjao et al., "Data-driven model of the power-grid frequency dynamics", IEEE Access
   8:43082-43097, 2020, doi 10.1109/ACCESS.2020.2967834 (standard deviation, schedule periods).
.. [2] Kundur, "Power System Stability and Control", McGraw-Hill 1994, 11.1 (the block diagram).
.. [3] Regulation (EU) 2017/1485: article 153(2) as regelleistung.net quotes it (reference incident of 3,000 MW in
   Continental Europe), annex V (all of the primary reserve at 200 mHz, within 30 s): 15,000 MW/Hz. The load of
   150 GW and its 1 %/Hz are of UCTE's Operation Handbook, policy 1, appendix 1, from memory and to be checked
   against its text; lags, inertia and the island are own choices.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, pi, sin, sqrt
from typing import Final

import numpy as np

from pilotfarm.profiles import draws

STANDARD_DEVIATION_HZ: Final = 0.020
DEVIATION_MAX_HZ: Final = 3.0
"""Beyond it an area falls apart: generators trip below 47.5 Hz and above 51.5 Hz."""

_WAVES: Final = (
    # period [s], relative amplitude (own choice)
    (3600.0, 1.0),
    (1800.0, 0.6),
    (900.0, 0.8),
    (613.0, 0.5),
    (347.0, 0.5),
    (191.0, 0.4),
    (89.0, 0.3),
    (31.0, 0.2),
)
_TURN: Final = 2.0 * pi
_SCALE: Final = STANDARD_DEVIATION_HZ / sqrt(sum(a * a for _, a in _WAVES) / 2.0)

NOISE_MAX_HZ: Final = _SCALE * sum(a for _, a in _WAVES)
"""Largest possible deviation by noise, 68 mHz in Continental Europe."""


@dataclass(frozen=True, slots=True)
class Area:
    """A synchronous area. Powers in W, gains in W/Hz, times in s."""

    nominal_hz: float
    rated_va: float
    inertia_s: float
    damping_w_per_hz: float
    primary_w_per_hz: float
    primary_max_w: float
    primary_lag_s: float
    secondary_time_s: float
    secondary_lag_s: float
    noise: float
    """Standard deviation of the frequency noise over that of Continental Europe."""


AREAS: Final = {
    "continental": Area(50.0, 150e9, 6.0, 1.5e9, 15e9, 3e9, 8.0, 150.0, 30.0, 1.0),
    "island": Area(50.0, 400e6, 4.0, 4e6, 60e6, 60e6, 2.0, 120.0, 30.0, 3.0),
}
"""Name in a site file -> area."""


@dataclass(frozen=True, slots=True)
class Swing:
    """An area's answer to a loss: deviation [Hz] and the powers of its controls [W]."""

    deviation_hz: float = 0.0
    primary_w: float = 0.0
    integral_w: float = 0.0
    secondary_w: float = 0.0


_STEP_S: Final = 0.1  # a hundredth of the fastest swing; 1 mHz at the nadir would need 0.5 s
_REST: Final = 1e-6  # Hz, and of the rated power: the swing is over


def swung(area: Area, swing: Swing, lost_w: float, dt_s: float) -> Swing:
    """Return the swing ``dt_s`` seconds on, with ``lost_w`` of generation missing (minus: of load)."""
    small = _REST * area.rated_va
    if (
        abs(swing.deviation_hz) < _REST
        and abs(swing.primary_w) < small
        and max(abs(swing.integral_w - lost_w), abs(swing.secondary_w - lost_w)) < small
    ):
        return Swing(0.0, 0.0, lost_w, lost_w)
    count = ceil(dt_s / _STEP_S - 1e-9)
    h = dt_s / count
    per_w = area.nominal_hz / (2.0 * area.inertia_s * area.rated_va)
    gain, max_w, damping = area.primary_w_per_hz, area.primary_max_w, area.damping_w_per_hz
    bias = (gain + damping) / area.secondary_time_s
    f, p, z, a = swing.deviation_hz, swing.primary_w, swing.integral_w, swing.secondary_w
    for _ in range(count):
        # The midpoint rule; plain floats are faster than arrays of four.
        asked = min(max(-gain * f, -max_w), max_w)
        f_mid = f + 0.5 * h * per_w * (p + a - lost_w - damping * f)
        p_mid = p + 0.5 * h * (asked - p) / area.primary_lag_s
        z_mid = z - 0.5 * h * bias * f
        a_mid = a + 0.5 * h * (z - a) / area.secondary_lag_s
        asked = min(max(-gain * f_mid, -max_w), max_w)
        f += h * per_w * (p_mid + a_mid - lost_w - damping * f_mid)
        p += h * (asked - p_mid) / area.primary_lag_s
        z -= h * bias * f_mid
        a += h * (z_mid - a_mid) / area.secondary_lag_s
        f = min(max(f, -DEVIATION_MAX_HZ), DEVIATION_MAX_HZ)
    return Swing(f, p, z, a)


def steady_deviation_hz(area: Area, lost_w: float) -> float:
    """Return where primary control and load damping alone hold the frequency after a loss [Hz]."""
    together = -lost_w / (area.primary_w_per_hz + area.damping_w_per_hz)
    if abs(together) * area.primary_w_per_hz <= area.primary_max_w:
        return together
    rest = abs(lost_w) - area.primary_max_w
    return (-rest if lost_w > 0.0 else rest) / area.damping_w_per_hz


def frequency_hz(key: int, unix_s: float, nominal: float = 50.0, noise: float = 1.0) -> float:
    """Return the frequency [Hz] of an undisturbed area at a time ``unix_s`` [s since 1970 UTC]."""
    deviation = 0.0
    for period, amplitude, phase in _waves(key):
        deviation += amplitude * sin(_TURN * (unix_s / period + phase))
    return nominal + noise * _SCALE * deviation


@lru_cache(maxsize=64)
def _waves(key: int) -> list[tuple[float, float, float]]:
    """Return periods [s], relative amplitudes, and a key's phases [turns]."""
    keys = np.full(len(_WAVES), key, dtype=np.uint64)
    phases = draws.uniform(keys, np.arange(len(_WAVES)), "frequency").tolist()
    return [(period, amplitude, phase) for (period, amplitude), phase in zip(_WAVES, phases, strict=True)]
