"""Where devices stand on the ground of a site, from their keys."""

from __future__ import annotations

from typing import Final

import numpy as np

from pilotfarm.profiles.draws import Floats, Keys, uniform

EXTENT_DEFAULT_M: Final = 2_000.0
_FEEDER_RADIUS_M: Final = 300.0
"""How far a low-voltage feeder's customers stand from its middle, at most."""


def scattered(keys: Keys, feeder_key: int, extent_m: float) -> tuple[Floats, Floats]:
    """Place devices around the middle of their feeder, evenly on a disc: metres east and north of the site's middle.

    The feeder lies somewhere in a square of ``extent_m``; nobody stands outside of it.
    """
    radius = min(_FEEDER_RADIUS_M, 0.5 * extent_m)
    feeder = np.array([feeder_key], dtype=np.uint64)
    middle = (extent_m - 2.0 * radius) * (uniform(feeder, np.arange(2), "feeder's middle") - 0.5)
    distance = radius * np.sqrt(uniform(keys, 0, "distance"))
    angle = 2.0 * np.pi * uniform(keys, 0, "direction")
    return middle[0] + distance * np.cos(angle), middle[1] + distance * np.sin(angle)
