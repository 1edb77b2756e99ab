"""Homes in some weeks of a year, and the German standard profile for households in the same weeks.

The page's plots and ``tests/oracles/test_load_oracle.py`` both draw them from here.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import MISSING, fields
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.world import Surroundings
from pilotfarm.emulators.devices.keys import key_columns, keys_in
from pilotfarm.emulators.physics import appliances
from pilotfarm.profiles.draws import keys_of

DAYS: Final = 7


def drawn_w(n: int, year_wh: float, seed: int, start: datetime, step_s: float) -> Floats:
    """Return what each of ``n`` homes draws in the steps of a week, ``(steps, n)``. [W]"""
    keys = keys_of(seed, [f"home-{k}" for k in range(n)])
    on_one_phase = np.tile([1.0, 0.0, 0.0], (n, 1))
    columns = appliances.initial_columns(keys, np.full(n, year_wh), on_one_phase) | key_columns(keys)
    steps = []
    for k in range(1, round(DAYS * 86_400 / step_s) + 1):
        world = _world(start + timedelta(seconds=step_s * k - 0.001))
        columns = appliances.drawn(columns, keys_in, world, step_s)
        steps.append(columns["power"][:, 0, 0])
    return np.array(steps)


def _world(now: datetime) -> Surroundings:
    known: dict[str, Any] = {
        "unix_s": now.timestamp(),
        "local_hour": now.hour + now.minute / 60.0 + now.second / 3_600.0,
        "weekday": now.weekday(),
        "day_of_year": now.timetuple().tm_yday,
    }
    needed = (f.name for f in fields(Surroundings) if f.default is MISSING)
    return Surroundings(**{name: known.get(name, 0.0) for name in needed})


def h25(starts: Iterable[datetime]) -> list[Floats]:
    """Return the standard profile (BDEW's H25 for 2025) in the quarters of some weeks, as multiples of its mean."""
    from oemof.demand.bdew import H25

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it still calls what pandas 3.1 deprecates
        year = H25(pd.date_range("2025-01-01", periods=365 * 96, freq="15min"))
    shape = year / year.mean()
    weeks = (pd.date_range(start.replace(tzinfo=None), periods=DAYS * 96, freq="15min") for start in starts)
    return [shape[week].to_numpy() for week in weeks]
