"""The sky over a site: sun, clear sky, clouds and air, as a function of time and nothing else.

What varies is made of hashes of the seed and the number of an instant, so the sky is the same whatever
was asked before and however long the steps are. A local day is computed at once on a grid of 60 s; an
instant is interpolated, and the clouds are read where they stand at that instant: a step longer than a
minute sees a sample of the clouds, not their mean, and energies are right over days.

References
----------
.. [1] Erbs, Klein and Duffie, Solar Energy 28 (1982) 293 (diffuse share of the light).
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from math import cos, radians
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from pilotfarm.profiles.draws import Floats
from pilotfarm.profiles.weather.climate import Climate
from pilotfarm.profiles.weather.clouds import Clouds
from pilotfarm.profiles.weather.record import Record
from pilotfarm.profiles.weather.replay import Replay

GRID_S: Final = 60.0
DAYS_KEPT: Final = 2
_MIDDLE: Final = np.zeros(1)

_ERBS: Final = (12.336, -16.638, 4.388, -0.1604, 0.9511)
_COS_ZENITH_MIN: Final = 0.065  # below 3.7 degrees the sun's light does not differ from the sky's
_BEAM_OVER_CLEAR: Final = 1.1
"""Maximum beam, as a share of the clear sky's: light from cloud edges beyond it is diffuse."""


@dataclass(frozen=True, slots=True)
class SunAndAir:
    """What is the same all over the site at one instant.

    Zenith is the true one; angles in degrees, azimuth from north over east.
    """

    sun_zenith_deg: float
    sun_azimuth_deg: float
    air_temperature_degc: float
    wind_speed_m_per_s: float
    wind_direction_deg: float
    humidity_frac: float
    pressure_pa: float
    rain_mm_per_h: float


@dataclass(frozen=True, slots=True)
class Sky(SunAndAir):
    """Sun and air at one instant, with the light at the middle of the site."""

    ghi_w_per_m2: float
    dni_w_per_m2: float
    dhi_w_per_m2: float


@dataclass(frozen=True, slots=True)
class Light:
    """Irradiance [W/m2] at places of the site, each ``(n,)``: global, beam normal to the sun, diffuse."""

    ghi_w_per_m2: Floats
    dni_w_per_m2: Floats
    dhi_w_per_m2: Floats


@dataclass(frozen=True, slots=True)
class _Day:
    """The grid of one local day: ``rows[i]`` holds at ``start_s + 60 i``; angles unwrapped.

    Columns: zenith, azimuth, extraterrestrial, clear GHI, clear DNI, clearness, diffuse share, the air's.
    """

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
    record : a year read from a file (``files.read``), to be followed instead of a made-up one
    clouds : whether single clouds cross the site; left out, they do unless a record is followed
    """

    def __init__(
        self,
        latitude_deg: float,
        longitude_deg: float,
        altitude_m: float,
        time_zone: str,
        key: int,
        *,
        record: Record | None = None,
        clouds: bool | None = None,
    ) -> None:
        # pvlib and its pandas take a second to import: who only looks at a site does not wait for them.
        from pilotfarm.profiles.weather.sun import Sun

        keys = np.array([key], dtype=np.uint64)
        self._zone = ZoneInfo(time_zone)
        self._sun = Sun(latitude_deg, longitude_deg, altitude_m)
        self._clouds = Clouds(keys)
        self._cloudy = record is None if clouds is None else clouds
        self._source = Climate(self._sun, keys, self._clouds) if record is None else Replay(self._sun, record)
        self._days: list[_Day] = []
        self._last: tuple[float, list[float]] | None = None

    def sun_and_air(self, unix_s: float) -> SunAndAir:
        """Return what is the same all over the site at an instant [s since 1970 UTC]."""
        row = self._row(unix_s)
        air, wind, direction, humidity, pressure, rain = row[7:]
        return SunAndAir(row[0], row[1] % 360.0, air, wind, direction % 360.0, humidity, pressure, rain)

    def at(self, unix_s: float) -> Sky:
        """Return the sky over the middle of the site at an instant [s since 1970 UTC]."""
        light = self.light(unix_s, _MIDDLE, _MIDDLE)
        own = (light.ghi_w_per_m2, light.dni_w_per_m2, light.dhi_w_per_m2)
        return Sky(*astuple(self.sun_and_air(unix_s)), *(float(each[0]) for each in own))

    def light(self, unix_s: float, x_m: Floats, y_m: Floats) -> Light:
        """Return the light at places of the site [m east and north of its middle] at an instant."""
        _, _, _, clear_ghi, _, clearness, diffuse = self._row(unix_s)[:7]
        n = len(x_m)
        if clear_ghi <= 0.0:
            return Light(np.zeros(n), np.zeros(n), np.zeros(n))
        if self._cloudy:
            ghi = self._clouds.index(unix_s, clearness, x_m, y_m)
            ghi *= clear_ghi
        else:
            ghi = np.full(n, clearness * clear_ghi)
        return self.parted(unix_s, ghi, None if self._cloudy or diffuse < 0.0 else diffuse)

    def parted(self, unix_s: float, ghi: Floats, diffuse: float | None = None) -> Light:
        """Part global irradiance [W/m2] at an instant into beam and diffuse light.

        ``diffuse`` is the diffuse share of it; without, [1] says it. With the sun down all is diffuse.
        """
        zenith, _, extra, _, clear_dni = self._row(unix_s)[:5]
        height = max(cos(radians(zenith)), 0.0)
        to_beam = 1.0 / max(height, _COS_ZENITH_MIN)
        if diffuse is None:
            dni, dni_max = diffuse_share(ghi * (to_beam / extra)), _BEAM_OVER_CLEAR * clear_dni
        else:
            dni, dni_max = np.full(len(ghi), diffuse), extra
        np.subtract(1.0, dni, out=dni)
        dni *= ghi
        dni *= to_beam
        np.minimum(dni, dni_max, out=dni)
        dhi = dni * -height
        dhi += ghi
        return Light(ghi, dni, dhi)

    def _row(self, unix_s: float) -> list[float]:
        """A day's row at an instant; the last one is kept, for all who ask of the same instant."""
        if self._last is None or self._last[0] != unix_s:
            day = self._day(unix_s)
            place = (unix_s - day.start_s) / GRID_S
            index = min(int(place), len(day.rows) - 2)
            share = place - index
            self._last = unix_s, (day.rows[index] * (1.0 - share) + day.rows[index + 1] * share).tolist()
        return self._last[1]

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
        light = self._sun.over(unix_s)
        clearness = self._source.clearness(unix_s)
        diffuse = self._source.diffuse(unix_s)
        above = (light.zenith_deg, light.azimuth_deg, light.extra, light.ghi, light.dni, clearness, diffuse)
        return np.concatenate((np.stack(above, axis=1), self._source.air(unix_s, light, clearness)), axis=1)


def diffuse_share(clearness: Floats) -> Floats:
    """Diffuse share of global irradiance, by [1], from the share of the extraterrestrial that arrives."""
    share = clearness * _ERBS[0]
    for coefficient in _ERBS[1:-1]:
        share += coefficient
        share *= clearness
    share += _ERBS[-1]
    np.copyto(share, 1.0 - 0.09 * clearness, where=clearness <= 0.22)
    np.copyto(share, 0.165, where=clearness > 0.8)
    return share
