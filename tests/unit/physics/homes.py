"""Households by themselves, for tests of what they draw."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime, timedelta

import numpy as np

from emulators.contracts import Surroundings
from emulators.devices import common
from emulators.encoding import Columns
from emulators.mains import Mains
from emulators.physics import appliances
from profiles.draws import keys_of

HOMES_N = 200


def begun(n: int = HOMES_N, *, annual_wh: float = 4e6, phases: float = 3.0, phase: float = 0.0) -> Columns:
    """Columns of ``n`` households before their first step, even on three phases."""
    keys = keys_of(3, [f"home-{k}" for k in range(n)])
    columns = appliances.begun(keys, np.full(n, annual_wh), np.full(n, phases), np.full(n, phase))
    shares = {f"share_l{index}": np.full(n, 1.0 / 3.0) for index in (1, 2, 3)}
    return columns | shares | common.key_columns(keys)


def world(now: datetime) -> Surroundings:
    """The surroundings at a moment, on a clock that shows UTC."""
    seconds = {
        "unix_s": now.timestamp(),
        "local_hour": now.hour + now.minute / 60.0 + now.second / 3_600.0,
        "weekday": now.weekday(),
        "day_of_year": now.timetuple().tm_yday,
        "mains": Mains.of(np.full((3, 1), 230.0)),
    }
    return Surroundings(**{field.name: seconds.get(field.name, 0.0) for field in fields(Surroundings)})


def energy_wh(columns: Columns, start: datetime, length: timedelta, dt_s: float) -> np.ndarray:
    """What is drawn over a time, ``(2, 3, n)``: Wh and varh by phase. Moves the columns on."""
    total = np.zeros((2, 3, len(columns["use_slot"])))
    for k in range(1, round(length.total_seconds() / dt_s) + 1):
        drawn = appliances.drawn(columns, common.keys_in, world(start + timedelta(seconds=k * dt_s)), dt_s)
        total += np.stack(drawn) * (dt_s / 3_600.0)
    return total
