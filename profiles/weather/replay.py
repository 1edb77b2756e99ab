"""A recorded year, followed: hours become instants, on the light of a clear sky.

Between the middles of hours the share of the clear sky's light is interpolated, not the light itself, so
that mornings and evenings keep their shape and an hour its energy. A leap year has 28 February twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from pilotfarm.profiles.draws import Floats
from pilotfarm.profiles.weather.record import HOURS, Record

if TYPE_CHECKING:
    from pilotfarm.profiles.weather.sun import Sun, Sunlight

_Share: TypeAlias = Callable[[npt.NDArray[np.intp], Floats], Floats]

_HOUR_S: Final = 3_600.0
_YEAR_S: Final = HOURS * _HOUR_S
_LEAST_CLEAR: Final = 5.0  # W/m2; below it, a share of the clear sky says nothing
_MOST_CLEARNESS: Final = 1.5
_DARK_CLEARNESS: Final = 0.7
_WITHIN_HOUR_S: Final = np.arange(5.0, 60.0, 10.0) * 60.0


class Replay:
    """A record's weather at a place, a function of time."""

    def __init__(self, sun: Sun, record: Record) -> None:
        self._sun = sun
        self._record = record

    def clearness(self, unix_s: Floats) -> Floats:
        """Share of the clear sky's light at instants in order."""
        return self._of_hours(unix_s, lambda rows, clear: self._record.ghi[rows] / clear, _DARK_CLEARNESS)

    def diffuse(self, unix_s: Floats) -> Floats:
        """Diffuse share of the light at instants in order, below 0 where the record does not tell."""
        ghi, dhi = self._record.ghi, self._record.dhi
        if np.isnan(dhi).any():
            return np.full_like(unix_s, -1.0)
        share = self._of_hours(unix_s, lambda rows, _: dhi[rows] / np.maximum(ghi[rows], 1e-9), 1.0)
        return np.clip(share, 0.0, 1.0)

    def air(self, unix_s: Floats, light: Sunlight, clearness: Floats) -> Floats:
        """The air at instants: a row each of ``climate.AIR``."""
        record = self._record
        angle = np.radians(record.wind_deg)
        direction = np.degrees(np.arctan2(self._air(np.sin(angle), unix_s), self._air(np.cos(angle), unix_s)))
        pressure = np.where(np.isnan(record.pressure_pa), self._sun.pressure_pa, record.pressure_pa)
        rows = (
            self._air(record.air_degc, unix_s),
            self._air(record.wind_m_per_s, unix_s),
            np.unwrap(direction, period=360.0),
            np.clip(self._air(record.humidity_frac, unix_s), 0.0, 1.0),
            self._air(pressure, unix_s),
            self._air(record.rain_mm_per_h, unix_s),
        )
        return np.stack(rows, axis=1)

    def _air(self, values: Floats, unix_s: Floats) -> Floats:
        places = np.arange(HOURS) * _HOUR_S + self._record.air_shift_s
        return np.interp(self._second_of_year(unix_s), places, values, period=_YEAR_S)

    def _of_hours(self, unix_s: Floats, share: _Share, dark: float) -> Floats:
        """Interpolate a share of the hours' light, given the clear sky's in the same hours."""
        record = self._record
        offset = record.utc_offset_s % _HOUR_S
        first = np.floor((unix_s[0] + offset) / _HOUR_S) - 14.0
        count = int(np.floor((unix_s[-1] + offset) / _HOUR_S) - first) + 15
        starts = (first + np.arange(count)) * _HOUR_S - offset
        shifts = _WITHIN_HOUR_S if record.averaged else np.array([record.light_shift_s])
        clear = self._sun.over((starts[:, None] + shifts).ravel()).ghi.reshape(count, -1).mean(axis=1)
        rows = (self._second_of_year(starts + 0.5 * _HOUR_S) // _HOUR_S).astype(np.intp)
        light = clear > _LEAST_CLEAR
        if not light.any():
            return np.full_like(unix_s, dark)
        values = np.minimum(share(rows[light], clear[light]), _MOST_CLEARNESS)
        return np.interp(unix_s, starts[light] + record.light_shift_s, values)

    def _second_of_year(self, unix_s: Floats) -> Floats:
        """Second of a common year in the record's zone [0, 31,536,000)."""
        local = unix_s + self._record.utc_offset_s
        days = np.floor(local / 86_400.0)
        years = days.astype("M8[D]").astype("M8[Y]")
        begun = years.astype("M8[D]").astype(np.float64)
        length = (years + np.timedelta64(1, "Y")).astype("M8[D]").astype(np.float64) - begun
        day = days - begun
        day -= (length > 365.0) & (day >= 59.0)
        return np.asarray(day * 86_400.0 + local % 86_400.0)
