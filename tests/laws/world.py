"""A world for laws about devices: weather of a real place, the grid as the test wants it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache

import numpy as np

from pilotfarm.emulators.columns.arrays import Columns, Floats
from pilotfarm.emulators.contracts.device import DeviceSpec, Rating
from pilotfarm.emulators.contracts.mains import Mains
from pilotfarm.emulators.contracts.world import Place, Surroundings
from pilotfarm.profiles.draws import key_of, keys_of, uniform
from pilotfarm.profiles.weather import Weather

PLACE = Place(35.9, 14.4, 50.0, "Europe/Malta")
MIDNIGHT_S = datetime(2025, 6, 10, 22, tzinfo=UTC).timestamp()
"""Midnight of a Wednesday in June at the place."""
HOUR_S = 3600.0
DAY_S = 86_400.0


@cache
def _weather() -> Weather:
    return Weather(PLACE.latitude_deg, PLACE.longitude_deg, PLACE.altitude_m, PLACE.time_zone, key_of(7, "weather"))


def surroundings(
    n: int, time_s: float, *, voltage_v: float | Floats = 230.0, frequency_hz: float = 50.0, **changes: float
) -> Surroundings:
    """The world ``time_s`` after midnight; ``changes`` replace single fields."""
    sky = asdict(_weather().at(MIDNIGHT_S + time_s))
    fields = {
        **sky,
        "time_s": time_s,
        "unix_s": MIDNIGHT_S + time_s,
        "local_hour": time_s / HOUR_S % 24.0,
        "weekday": (2 + int(time_s // 86_400.0)) % 7,
        "day_of_year": 162,
        "frequency_hz": frequency_hz,
        **changes,
    }
    return Surroundings(mains=Mains.of(np.broadcast_to(np.asarray(voltage_v, dtype=float), (3, n))), **fields)


def drawn(rating: Rating, keys: np.ndarray) -> Floats:
    """One value of a rating for each key, as a site would draw them."""
    chance = uniform(keys, 0, rating.name)
    default = rating.default
    if not isinstance(default, dict):
        return np.full(len(keys), float(default))
    ((shape, parameters),) = default.items()
    if shape == "choice":
        return np.array([float(parameters[int(u * len(parameters))]) for u in chance])
    low, high = (rating.min, rating.max) if shape != "uniform" else parameters
    if shape in ("normal", "lognormal"):
        low, high = max(low, parameters[0] - parameters[1]), min(high, parameters[0] + parameters[1])
    return low + (high - low) * chance


def devices(spec: DeviceSpec, n: int = 16, *, seed: int = 1, **ratings: float | Floats) -> Columns:
    """The columns of ``n`` devices of a kind at the start; ``ratings`` replace the defaults, ``(n,)`` or everywhere."""
    keys = keys_of(seed, [f"{spec.kind}-{k}" for k in range(n)])
    values = {rating.name: drawn(rating, keys) for rating in spec.ratings}
    unknown = set(ratings) - set(values)
    assert not unknown, f"{spec.kind} has no rating {unknown}"
    values.update({name: np.full(n, value, dtype=np.float64) for name, value in ratings.items()})
    return spec.make(values, keys, PLACE)


def told(columns: Columns, **values: float) -> Columns:
    """The columns with values written to every row, as the farm writes them."""
    n = len(columns["online"])
    return {**columns, "sesp_heard": np.ones(n), **{name: np.full(n, float(value)) for name, value in values.items()}}


def after(
    spec: DeviceSpec, columns: Columns, start_s: float, seconds: float, dt_s: float = 60.0, **world: float
) -> Columns:
    """The columns some time later."""
    n = len(columns["online"])
    for k in range(1, round(seconds / dt_s) + 1):
        columns = spec.step(columns, surroundings(n, start_s + k * dt_s, **world), dt_s)
    return columns
