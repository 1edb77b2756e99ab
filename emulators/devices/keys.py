"""A device's key for its random draws, kept in its columns."""

from __future__ import annotations

import numpy as np

from pilotfarm.emulators.columns.arrays import Columns
from pilotfarm.emulators.contracts.device import Keys


def key_columns(keys: Keys) -> Columns:
    """Return the devices' 64-bit keys as two columns, ``key_high`` and ``key_low``: a float64 holds half of one."""
    low = keys & np.uint64(0xFFFFFFFF)
    return {"key_high": (keys >> np.uint64(32)).astype(np.float64), "key_low": low.astype(np.float64)}


def keys_in(columns: Columns) -> Keys:
    """Return the keys that ``key_columns`` put into a device's columns, ``(n,)`` uint64."""
    return (columns["key_high"].astype(np.uint64) << np.uint64(32)) | columns["key_low"].astype(np.uint64)
