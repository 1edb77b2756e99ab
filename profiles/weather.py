"""The sky over a site: sun, clear sky, clouds and air, as a function of time and nothing else.

Sun position and clear sky come from pvlib (SPA; Ineichen with its table of Linke turbidity). Everything
that varies is noise made of hashes of the seed and the number of an hour or a minute, so the sky at an
instant is the same whatever was asked before and however long the steps are. A local day is computed at
once on a grid of 60 s; an instant is interpolated.

The seasons are those of maritime Europe, from latitude and altitude alone: plausible to a few kelvin,
not a climate record.

References
----------
.. [1] Ineichen and Perez, Solar Energy 73 (2002) 151 (clear sky), in pvlib.clearsky.ineichen.
.. [2] Erbs, Klein and Duffie, Solar Energy 28 (1982) 293 (diffuse share), in pvlib.irradiance.erbs.
.. [3] Reda and Andreas, Solar Energy 76 (2004) 577 (sun position), in pvlib.spa.
.. [4] ICAO standard atmosphere, Doc 7488 (pressure and temperature by altitude).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pvlib
from scipy.special import ndtr

from profiles.draws import Floats, normal

GRID_S: Final = 60.0
DAYS_KEPT: Final = 2

_DAY_S: Final = 86_400.0
_YEAR_DAYS: Final = 365.25
_COLDEST_DAY: Final = 24.0  # after the winter solstice the air goes on cooling for a month
_DELTA_T_S: Final = 69.0  # Terrestrial minus universal time in the 2020s; a second moves the sun by 0.004 deg
_REFRACTION_DEG: Final = 0.5667
_LAPSE_K_PER_M: Final = 0.0065


@dataclass(frozen=True, slots=True)
class Sky:
    """Sun and air at one instant. Zenith is the true one; angles in degrees, azimuth from north over east."""

    sun_zenith_deg: float
    sun_azimuth_deg: float
    ghi_w_per_m2: float
    dni_w_per_m2: float
    dhi_w_per_m2: float
    air_temperature_degc: float
    wind_speed_m_per_s: float
    wind_direction_deg: float
    humidity_frac: float
    pressure_pa: float
    rain_mm_per_h: float


@dataclass(frozen=True, slots=True)
class _Day:
    """The grid of one local day: ``rows[i]`` are the fields of ``Sky`` at ``start_s + 60 i``; angles unwrapped."""

    start_s: float
    end_s: float
    rows: Floats


class Weather:
    """The weather of one site.

    Parameters
    ----------
    latitude_deg, longitude_deg, altitude_m : where, north and east positive
    time_zone : IANA name; says when a local day begins
    key : which weather of all possible ones (``draws.key_of``)
    """

    def __init__(self, latitude_deg: float, longitude_deg: float, altitude_m: float, time_zone: str, key: int) -> None:
        self._latitude_deg = latitude_deg
        self._longitude_deg = longitude_deg
        self._altitude_m = altitude_m
        self._zone = ZoneInfo(time_zone)
        self._key = np.array([key], dtype=np.uint64)
        self._pressure_pa = 101_325.0 * (1.0 - 2.25577e-5 * altitude_m) ** 5.25588  # [4]
        self._turbidity = _monthly_turbidity(latitude_deg, longitude_deg)
        self._days: list[_Day] = []

    def at(self, unix_s: float) -> Sky:
        """Return the sky at an instant [s since 1970 UTC]."""
        day = self._day(unix_s)
        place = (unix_s - day.start_s) / GRID_S
        index = min(int(place), len(day.rows) - 2)
        share = place - index
        row = (day.rows[index] * (1.0 - share) + day.rows[index + 1] * share).tolist()
        zenith, azimuth, ghi, dni, dhi, air, wind, direction, humidity, pressure, rain = row
        return Sky(zenith, azimuth % 360.0, ghi, dni, dhi, air, wind, direction % 360.0, humidity, pressure, rain)

    def _day(self, unix_s: float) -> _Day:
        for day in self._days:
            if day.start_s <= unix_s < day.end_s:
                return day
        date = datetime.fromtimestamp(unix_s, self._zone).date()
        start_s, end_s = (
            datetime(on.year, on.month, on.day, tzinfo=self._zone).timestamp()
            for on in (date, date + timedelta(days=1))
        )
        count = int(np.ceil((end_s - start_s) / GRID_S)) + 1
        grid = start_s + GRID_S * np.arange(count, dtype=np.float64)
        day = _Day(start_s, end_s, self._rows(grid))
        self._days = [day, *self._days[: DAYS_KEPT - 1]]
        return day

    def _rows(self, unix_s: Floats) -> Floats:
        sun = pvlib.spa.solar_position_numpy(
            unix_s,
            self._latitude_deg,
            self._longitude_deg,
            self._altitude_m,
            self._pressure_pa / 100.0,
            12.0,
            _DELTA_T_S,
            _REFRACTION_DEG,
            1,
        )
        apparent_zenith, zenith, azimuth = sun[0], sun[1], np.unwrap(sun[4], period=360.0)
        year_day = _day_of_year(unix_s)
        cover = self._cloudiness(unix_s)
        ghi = self._clear_sky(apparent_zenith, year_day) * _clearness(cover)
        split = pvlib.irradiance.erbs(ghi, zenith, year_day)
        dni = np.maximum(split["dni"], 0.0)
        dhi = ghi - dni * np.maximum(np.cos(np.radians(zenith)), 0.0)
        air = self._air_temperature(unix_s, year_day, cover)
        wind = 3.5 * np.exp(0.5 * self._noise(unix_s, 21_600.0, "wind") + 0.25 * self._noise(unix_s, 600.0, "gust"))
        direction = 240.0 + 70.0 * self._noise(unix_s, 43_200.0, "wind direction")
        humidity = 0.72 + 0.1 * cover + 0.06 * self._noise(unix_s, 28_800.0, "humidity")
        humidity -= 0.15 * np.maximum(np.cos(np.radians(zenith)), 0.0)
        pressure = self._pressure_pa + 900.0 * self._noise(unix_s, 172_800.0, "pressure")
        rain = np.clip(2.0 * (cover - 1.3), 0.0, 40.0)
        return np.stack(
            (
                zenith,
                azimuth,
                ghi,
                dni,
                np.maximum(dhi, 0.0),
                air,
                np.minimum(wind, 40.0),
                direction,
                np.clip(humidity, 0.1, 1.0),
                pressure,
                rain,
            ),
            axis=1,
        )

    def _clear_sky(self, apparent_zenith: Floats, year_day: Floats) -> Floats:
        """Global horizontal irradiance of a cloudless sky [W/m2], 0 at night [1]."""
        up = apparent_zenith < 90.0
        seen = np.where(up, apparent_zenith, 89.9)
        relative = pvlib.atmosphere.get_relative_airmass(seen)
        absolute = pvlib.atmosphere.get_absolute_airmass(relative, self._pressure_pa)
        middles = (np.arange(12) + 0.5) * (_YEAR_DAYS / 12.0)
        turbidity = np.interp(year_day, middles, self._turbidity, period=_YEAR_DAYS)
        extra = pvlib.irradiance.get_extra_radiation(year_day)
        clear = pvlib.clearsky.ineichen(seen, absolute, turbidity, altitude=self._altitude_m, dni_extra=extra)
        return np.where(up, clear["ghi"], 0.0)

    def _cloudiness(self, unix_s: Floats) -> Floats:
        """How cloudy it is, in standard deviations around the usual: by day, by the hours, by the minutes."""
        slow = 0.75 * self._noise(unix_s, _DAY_S, "day") + 0.5 * self._noise(unix_s, 10_800.0, "front")
        fast = 0.35 * self._noise(unix_s, 900.0, "cloud") + 0.2 * self._noise(unix_s, 120.0, "edge")
        usual = np.clip((abs(self._latitude_deg) - 48.0) / 30.0, -0.5, 0.2)
        return np.asarray(slow + fast + usual)

    def _air_temperature(self, unix_s: Floats, year_day: Floats, cover: Floats) -> Floats:
        """Air temperature [degC]: latitude, season, altitude, time of day by the height of the noon sun, weather."""
        size = abs(self._latitude_deg)
        north = 1.0 if self._latitude_deg >= 0.0 else -1.0
        season = -north * np.cos(2.0 * np.pi * (year_day - _COLDEST_DAY) / _YEAR_DAYS)
        mean = 34.0 - 0.45 * size - _LAPSE_K_PER_M * self._altitude_m + (3.0 + 0.11 * size) * season
        declination = 23.45 * np.sin(2.0 * np.pi * (year_day - 81.0) / _YEAR_DAYS)
        noon = np.maximum(np.cos(np.radians(self._latitude_deg - declination)), 0.0)
        solar_hour = (unix_s / 3600.0 + self._longitude_deg / 15.0) % 24.0
        daily = (1.0 + 4.0 * noon) * np.cos(2.0 * np.pi * (solar_hour - 15.0) / 24.0)
        spell = 3.0 * self._noise(unix_s, 259_200.0, "spell") + 0.5 * self._noise(unix_s, 7_200.0, "air")
        return np.asarray(mean + daily + spell)

    def _noise(self, unix_s: Floats, period_s: float, stream: str) -> Floats:
        """Draw smooth noise of unit variance: a normal number each ``period_s``, blended between two.

        The weights are cosine and sine, so that the variance is the same at and between the numbers.
        """
        place = unix_s / period_s
        index = np.floor(place)
        angle = (place - index) * (0.5 * np.pi)
        first = int(index[0])
        numbers = normal(self._key, np.arange(first, int(index[-1]) + 2), stream)
        offset = (index - first).astype(np.intp)
        return np.asarray(numbers[offset] * np.cos(angle) + numbers[offset + 1] * np.sin(angle))


def _clearness(cover: Floats) -> Floats:
    """Share of the clear sky's irradiance that comes through, from 0.1 to 1.05 (light between clouds)."""
    return np.asarray(0.1 + 0.95 * ndtr(-1.6 * (cover - 0.45)))


def _day_of_year(unix_s: Floats) -> Floats:
    """Day of the year with its fraction, from 1, on a year of 365.25 days; within a day of the calendar's."""
    return np.asarray(unix_s / _DAY_S % _YEAR_DAYS + 1.0)


def _monthly_turbidity(latitude_deg: float, longitude_deg: float) -> Floats:
    """Linke turbidity in the middle of each month, from pvlib's table."""
    months = pd.date_range("2025-01-15", periods=12, freq="MS", tz="UTC")
    found = pvlib.clearsky.lookup_linke_turbidity(months, latitude_deg, longitude_deg, interp_turbidity=False)
    by_month = dict(zip(months.month, found, strict=True))
    return np.array([by_month[month] for month in range(1, 13)], dtype=np.float64)
