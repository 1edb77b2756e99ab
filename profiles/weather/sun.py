"""The sun over a place and the light of a sky without clouds, by pvlib, on arrays of instants.

References
----------
.. [1] Reda and Andreas, Solar Energy 76 (2004) 577 (sun position), in pvlib.spa.
.. [2] Ineichen and Perez, Solar Energy 73 (2002) 151 (clear sky), in pvlib.clearsky.ineichen.
.. [3] ICAO standard atmosphere, Doc 7488 (pressure by altitude).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import pandas as pd
import pvlib

from pilotfarm.profiles.draws import Floats
from pilotfarm.profiles.weather.days import YEAR_DAYS, day_of_year

_DELTA_T_S: Final = 69.0  # Terrestrial minus universal time in the 2020s; a second moves the sun by 0.004 deg
_REFRACTION_DEG: Final = 0.5667
_SUN_GRID_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Sunlight:
    """Sun and cloudless light at the instants asked for, each ``(t,)``; angles in degrees, irradiance in W/m2."""

    zenith_deg: Floats
    """True zenith, without refraction."""
    azimuth_deg: Floats
    """From north over east, unwrapped."""
    extra: Floats
    """Outside the atmosphere, normal to the sun."""
    ghi: Floats
    dni: Floats


class Sun:
    """The sun of one place: degrees north and east, metres above the sea."""

    def __init__(self, latitude_deg: float, longitude_deg: float, altitude_m: float) -> None:
        self.latitude_deg = latitude_deg
        self.longitude_deg = longitude_deg
        self.altitude_m = altitude_m
        self.pressure_pa = 101_325.0 * (1.0 - 2.25577e-5 * altitude_m) ** 5.25588  # [3]
        self._turbidity = _monthly_turbidity(latitude_deg, longitude_deg)

    def over(self, unix_s: Floats) -> Sunlight:
        """Sun [1] and clear sky [2] at instants in order [s since 1970 UTC]; no light while the sun is down."""
        apparent, zenith, azimuth = self._position(unix_s)
        year_day = day_of_year(unix_s)
        extra = np.asarray(pvlib.irradiance.get_extra_radiation(year_day))
        up = apparent < 90.0
        seen = np.where(up, apparent, 89.9)
        airmass = pvlib.atmosphere.get_absolute_airmass(pvlib.atmosphere.get_relative_airmass(seen), self.pressure_pa)
        middles = (np.arange(12) + 0.5) * (YEAR_DAYS / 12.0)
        turbidity = np.interp(year_day, middles, self._turbidity, period=YEAR_DAYS)
        clear = pvlib.clearsky.ineichen(seen, airmass, turbidity, altitude=self.altitude_m, dni_extra=extra)
        return Sunlight(
            zenith,
            azimuth,
            extra,
            np.where(up, clear["ghi"], 0.0),
            np.where(up, clear["dni"], 0.0),
        )

    def _position(self, unix_s: Floats) -> tuple[Floats, Floats, Floats]:
        """Apparent and true zenith, and azimuth, unwrapped [deg], by [1].

        Between instants five minutes apart the sun's direction is interpolated: 0.004 degrees off at most.
        """
        grid = np.arange(unix_s[0], unix_s[-1] + _SUN_GRID_S, _SUN_GRID_S)
        sparse = len(grid) >= len(unix_s)
        if sparse:
            grid = unix_s
        position = pvlib.spa.solar_position_numpy(
            grid,
            self.latitude_deg,
            self.longitude_deg,
            self.altitude_m,
            self.pressure_pa / 100.0,
            12.0,
            _DELTA_T_S,
            _REFRACTION_DEG,
            1,
        )
        apparent, zenith, azimuth = position[0], position[1], position[4]
        if sparse:
            return apparent, zenith, np.unwrap(azimuth, period=360.0)
        tilt, turn = np.radians(zenith), np.radians(azimuth)
        up, north, east = (
            np.interp(unix_s, grid, side)
            for side in (np.cos(tilt), np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn))
        )
        zenith_there = np.degrees(np.arctan2(np.hypot(north, east), up))
        refraction = np.interp(unix_s, grid, zenith - apparent)
        return zenith_there - refraction, zenith_there, np.degrees(np.unwrap(np.arctan2(east, north)))


@lru_cache(maxsize=64)
def _monthly_turbidity(latitude_deg: float, longitude_deg: float) -> Floats:
    """Linke turbidity in the middle of each month, from pvlib's table."""
    months = pd.date_range("2025-01-15", periods=12, freq="MS", tz="UTC")
    found = pvlib.clearsky.lookup_linke_turbidity(months, latitude_deg, longitude_deg, interp_turbidity=False)
    by_month = dict(zip(months.month, found, strict=True))
    turbidity = np.array([by_month[month] for month in range(1, 13)], dtype=np.float64)
    turbidity.setflags(write=False)
    return turbidity
