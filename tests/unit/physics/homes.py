"""Households by themselves, for tests of what they draw."""

from __future__ import annotations

from dataclasses import MISSING, fields
from datetime import datetime, timedelta

import numpy as np

from pilotfarm.emulators.columns.arrays import Columns
from pilotfarm.emulators.contracts.mains import Mains
from pilotfarm.emulators.contracts.world import Surroundings
from pilotfarm.emulators.devices.keys import key_columns, keys_in
from pilotfarm.emulators.physics import appliances
from pilotfarm.profiles.draws import keys_of

HOMES_N = 200


def begun(n: int = HOMES_N, *, annual_wh: float = 4e6, phase: float | None = None) -> Columns:
    """Columns of ``n`` households before their first step, even on three phases or on one."""
    keys = keys_of(3, [f"home-{k}" for k in range(n)])
    shares = np.full((n, 3), 1.0 / 3.0) if phase is None else np.tile(np.arange(3.0) == phase, (n, 1)).astype(float)
    return appliances.initial_columns(keys, np.full(n, annual_wh), shares) | key_columns(keys)


def world(now: datetime) -> Surroundings:
    """The surroundings at a moment, on a clock that shows UTC."""
    seconds = {
        "unix_s": now.timestamp(),
        "local_hour": now.hour + now.minute / 60.0 + now.second / 3_600.0,
        "weekday": now.weekday(),
        "day_of_year": now.timetuple().tm_yday,
        "mains": Mains.of(np.full((3, 1), 230.0)),
    }
    needed = (field.name for field in fields(Surroundings) if field.default is MISSING)
    return Surroundings(**{name: seconds.get(name, 0.0) for name in needed})


def stepped(columns: Columns, now: datetime, dt_s: float) -> Columns:
    return appliances.drawn(columns, keys_in, world(now), dt_s)


def energy_wh(columns: Columns, start: datetime, length: timedelta, dt_s: float) -> np.ndarray:
    """What is drawn over a time, ``(n, 6)`` by phase: three of Wh and three of varh."""
    total = np.zeros((len(columns["power"]), 6))
    for k in range(1, round(length.total_seconds() / dt_s) + 1):
        columns = stepped(columns, start + timedelta(seconds=k * dt_s), dt_s)
        total += columns["power"][:, 0] * (dt_s / 3_600.0)
    return total
