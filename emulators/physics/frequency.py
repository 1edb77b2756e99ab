"""The grid's frequency: slow deviations that are a function of time and a key alone.

The deviation is a sum of waves of 30 s to 1 h. The strongest have the periods of the market's
schedules, a quarter of an hour and an hour, which dominate the spectrum measured in Continental Europe;
the standard deviation is that area's, about 20 mHz.

References
----------
.. [1] Rydin Gorjao et al., "Data-driven model of the power-grid frequency dynamics", IEEE Access
   8:43082-43097, 2020, doi 10.1109/ACCESS.2020.2967834 (standard deviation, schedule periods).
"""

from __future__ import annotations

from functools import lru_cache
from math import pi, sin, sqrt
from typing import Final

import numpy as np

from profiles import draws

STANDARD_DEVIATION_HZ: Final = 0.020

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
_SCALE: Final = STANDARD_DEVIATION_HZ / sqrt(sum(a * a for _, a in _WAVES) / 2.0)

LARGEST_DEVIATION_HZ: Final = _SCALE * sum(a for _, a in _WAVES)
"""What the frequency never strays beyond, 68 mHz."""


def frequency_hz(key: int, unix_s: float, nominal: float = 50.0) -> float:
    """Return the grid's frequency [Hz] at a moment of site time (``unix_s``, seconds since 1970 UTC)."""
    deviation = sum(
        amplitude * sin(2.0 * pi * (unix_s / period + phase))
        for (period, amplitude), phase in zip(_WAVES, _phases(key), strict=True)
    )
    return nominal + _SCALE * deviation


@lru_cache(maxsize=64)
def _phases(key: int) -> tuple[float, ...]:
    keys = np.full(len(_WAVES), key, dtype=np.uint64)
    return tuple(draws.uniform(keys, np.arange(len(_WAVES)), "frequency").tolist())
