"""The synthetic year of a place: how much of the clear sky's light each day gets, and the air that goes with it.

A day's clearness is drawn from the distribution of its month (``clearness.csv``, MERRA-2 at three pilots;
elsewhere by latitude between them and held beyond, half a year later in the south), each day a little
like the one before. Within the day the clearness wanders about that level, and the day as a whole keeps
it. Air temperature, wind, humidity, pressure and rain follow season, sun and clearness: those of maritime Europe
from latitude and altitude alone, plausible to a few kelvin, not a climate record.

References
----------
.. [1] Gelaro et al., J. Climate 30 (2017) 5419; Pfenninger and Staffell, Energy 114 (2016) 1251 (clearness).
.. [2] Graham, Hollands and Huget, Solar Energy 40 (1988) 83 (days as a Gaussian AR(1) process, about 0.3).
.. [3] Allen et al., FAO Irrigation and Drainage Paper 56 (1998), eq. 48 (dew point near the night's lowest).
.. [4] Magnus formula with the constants of WMO-No. 8 (2018), annex 4.B (vapour pressure).
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import ndtr

from pilotfarm.profiles.draws import Floats, Keys
from pilotfarm.profiles.weather.clouds import Clouds
from pilotfarm.profiles.weather.days import DAY_S, YEAR_DAYS, day_of_year
from pilotfarm.profiles.weather.noise import autoregressive, smooth

if TYPE_CHECKING:
    from pilotfarm.profiles.weather.sun import Sun, Sunlight

AIR: Final = (
    "air_temperature_degc",
    "wind_speed_m_per_s",
    "wind_direction_deg",
    "humidity_frac",
    "pressure_pa",
    "rain_mm_per_h",
)
"""Columns of the air, in the order of ``air``'s rows."""

_LOW, _HIGH = 0.03, 1.06  # between these the clearness wanders, in the logarithm of its odds
_DAY_MEMORY: Final = 1.0 / np.log(1.0 / 0.29)  # [2], days
_KNOT_S: Final = 900.0
_HOURS_MEMORY: Final = 4.0 * 3_600.0 / _KNOT_S  # knots
_WANDER: Final = 0.9
_BLEND_S: Final = 7_200.0  # around local midnight the level goes over from one day to the next
_COLDEST_DAY: Final = 24.0  # after the winter solstice the air goes on cooling for a month
_LAPSE_K_PER_M: Final = 0.0065
_SURFACE_WIND: Final = 0.45  # of the clouds' speed, ten metres above ground
_BACKED_DEG: Final = 25.0  # friction turns the surface wind against that of the clouds
_RAIN_BELOW: Final = 0.22
_RAIN_MAX_MM_PER_H: Final = 40.0


class Climate:
    """The made-up weather of a place, a function of time and the key."""

    def __init__(self, sun: Sun, key: Keys, clouds: Clouds) -> None:
        self._sun = sun
        self._key = key
        self._clouds = clouds
        self._table = _clearness_at(sun.latitude_deg)

    def clearness(self, unix_s: Floats) -> Floats:
        """Share of the clear sky's light [0.03, 1.06] in the quarter of an hour around instants in order."""
        first, last = (int(np.floor(self._local(t) / DAY_S)) for t in (unix_s[0], unix_s[-1]))
        levels = self._levels(first - 1, last - first + 3)
        place = self._local(unix_s) / DAY_S
        day = np.floor(place)
        since_s = (place - day) * DAY_S
        index = (day - (first - 1)).astype(np.intp)
        late = np.clip((since_s - (DAY_S - _BLEND_S)) / (2.0 * _BLEND_S), 0.0, 0.5)
        early = np.clip((_BLEND_S - since_s) / (2.0 * _BLEND_S), 0.0, 0.5)
        level = levels[index] * (1.0 - late - early) + levels[index + 1] * late + levels[index - 1] * early
        return _from_odds(level + self._wander(unix_s))

    def diffuse(self, unix_s: Floats) -> Floats:
        """No diffuse share of its own: -1 everywhere, so it follows from the light."""
        return np.full_like(unix_s, -1.0)

    def air(self, unix_s: Floats, light: Sunlight, clearness: Floats) -> Floats:
        """The air at instants: a row each of ``AIR``."""
        key, day = self._key, day_of_year(unix_s)
        dull = np.clip((0.75 - clearness) / 0.7, -0.5, 1.0)
        air, night = self._temperature(unix_s, day, dull)
        east, north = self._clouds.velocity(unix_s)
        wind = _SURFACE_WIND * np.hypot(east, north) * np.exp(0.3 * smooth(key, unix_s, 600.0, "gust"))
        from_deg = np.degrees(np.arctan2(-east, -north)) - _BACKED_DEG + 8.0 * smooth(key, unix_s, 900.0, "veer")
        rain = np.clip((_RAIN_BELOW - clearness) * 9.0, 0.0, None) * np.exp(0.8 * smooth(key, unix_s, 1_800.0, "rain"))
        rain = np.where(rain > 0.1, np.minimum(rain, _RAIN_MAX_MM_PER_H), 0.0)
        dew = night - 1.5 + 1.5 * smooth(key, unix_s, DAY_S, "dew") + 1.5 * dull
        dew = np.minimum(np.where(rain > 0.0, np.maximum(dew, air - 1.5), dew), air)
        humidity = vapour_pressure(dew) / vapour_pressure(air)
        pressure = self._sun.pressure_pa - 700.0 * dull + 700.0 * smooth(key, unix_s, 172_800.0, "pressure")
        rows = (air, np.minimum(wind, 40.0), from_deg, np.clip(humidity, 0.1, 1.0), pressure, rain)
        return np.stack(rows, axis=1)

    def _temperature(self, unix_s: Floats, day: Floats, dull: Floats) -> tuple[Floats, Floats]:
        """Air temperature and that of the night before dawn [degC]; clouds take from day and night alike."""
        latitude = self._sun.latitude_deg
        size, north = abs(latitude), 1.0 if latitude >= 0.0 else -1.0
        season = -north * np.cos(2.0 * np.pi * (day - _COLDEST_DAY) / YEAR_DAYS)
        mean = 36.0 - 0.47 * size - _LAPSE_K_PER_M * self._sun.altitude_m + (3.0 + 0.11 * size) * season
        declination = 23.45 * np.sin(2.0 * np.pi * (day - 81.0) / YEAR_DAYS)
        noon = np.maximum(np.cos(np.radians(latitude - declination)), 0.0)
        swing = (1.0 + 5.0 * noon) * (1.0 - 0.5 * np.maximum(dull, 0.0))
        hour = self._local(unix_s) / 3_600.0
        spell = 3.0 * smooth(self._key, unix_s, 259_200.0, "spell") + 0.5 * smooth(self._key, unix_s, 7_200.0, "air")
        # A dull day is cool in summer; in winter the clouds keep the warmth in.
        mean = mean + spell - 2.5 * dull * season * north
        return mean + swing * np.cos(2.0 * np.pi * (hour - 15.0) / 24.0), mean - swing

    def _levels(self, first: int, count: int) -> Floats:
        """Levels of ``count`` days from a local day's number on, with which each day gets its clearness."""
        days = first + np.arange(count, dtype=np.float64)
        rank = ndtr(autoregressive(self._key, first, count, _DAY_MEMORY, "clear day"))
        shift = 0.0 if self._sun.latitude_deg >= 0.0 else 0.5 * YEAR_DAYS
        noon_s = days * DAY_S + 0.5 * DAY_S - self._sun.longitude_deg * 240.0
        month = ((day_of_year(noon_s) + shift - 1.0) / (YEAR_DAYS / 12.0) - 0.5) % 12.0
        before = month.astype(np.intp) % 12
        weight = (month - np.floor(month))[:, None]
        quantiles = self._table[before] * (1.0 - weight) + self._table[(before + 1) % 12] * weight
        ranks = np.linspace(0.0, 1.0, quantiles.shape[1])
        wanted = np.array([np.interp(r, ranks, row) for r, row in zip(rank, quantiles, strict=True)])
        grid = (noon_s - 0.5 * DAY_S)[:, None] + np.arange(0.0, DAY_S, _KNOT_S)
        light = self._sun.over(grid.ravel()).ghi.reshape(grid.shape) + 1e-9
        return _solved(wanted, light / light.sum(axis=1, keepdims=True), self._wander(grid.ravel()).reshape(grid.shape))

    def _wander(self, unix_s: Floats) -> Floats:
        place = unix_s / _KNOT_S
        first = int(np.floor(place[0]))
        knots = autoregressive(self._key, first, int(np.floor(place[-1])) - first + 2, _HOURS_MEMORY, "hours")
        return _WANDER * np.interp(place - first, np.arange(len(knots)), knots)

    def _local(self, unix_s: Floats) -> Floats:
        """Mean solar time since 1970 [s]."""
        return unix_s + self._sun.longitude_deg * 240.0


def vapour_pressure(air_degc: Floats) -> Floats:
    """Saturation vapour pressure over water [Pa] by [4]."""
    return np.asarray(611.2 * np.exp(17.62 * air_degc / (243.12 + air_degc)))


def _from_odds(odds: Floats) -> Floats:
    return np.asarray(_LOW + (_HIGH - _LOW) / (1.0 + np.exp(-odds)))


def _solved(wanted: Floats, weights: Floats, wander: Floats) -> Floats:
    """Levels for which the weighted mean of each day is what is wanted, by halving."""
    low, high = np.full_like(wanted, -12.0), np.full_like(wanted, 12.0)
    for _ in range(40):
        middle = 0.5 * (low + high)
        above = (weights * _from_odds(middle[:, None] + wander)).sum(axis=1) > wanted
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return 0.5 * (low + high)


@lru_cache(maxsize=8)
def _clearness_at(latitude_deg: float) -> Floats:
    """Quantiles of daily clearness, ``(12, 21)``, between the pilots on either side in latitude."""
    text = (files(__package__) / "clearness.csv").read_text(encoding="utf-8")
    rows = [line.split(",")[1:] for line in text.splitlines() if not line.startswith("#")][1:]
    table = np.array(rows, dtype=np.float64)
    latitudes = np.unique(table[:, 0])
    pilots = np.stack([table[table[:, 0] == latitude][:, 2:] for latitude in latitudes])
    place = float(np.interp(abs(latitude_deg), latitudes, np.arange(len(latitudes))))
    low = min(int(place), len(latitudes) - 2)
    return np.asarray(pilots[low] * (1.0 - (place - low)) + pilots[low + 1] * (place - low))
