"""A recorded year of weather, as the farm follows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pilotfarm.profiles.draws import Floats

HOURS: Final = 8_760


class WeatherFileError(ValueError):
    """A weather file that cannot be followed; ``line`` counts from 1, 0 where none can be named."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Record:
    """A year of hours, each column ``(8760,)``; hour i begins i hours after the file's own new year.

    Irradiance holds for ``light_shift_s`` after the hour's beginning (the middle of the hour it is the mean
    of, ``averaged``, or an instant), the air for ``air_shift_s`` after it. ``dhi`` is NaN where unknown.
    """

    utc_offset_s: float
    light_shift_s: float
    air_shift_s: float
    averaged: bool
    latitude_deg: float
    longitude_deg: float
    ghi: Floats
    dhi: Floats
    air_degc: Floats
    wind_m_per_s: Floats
    wind_deg: Floats
    humidity_frac: Floats
    pressure_pa: Floats
    rain_mm_per_h: Floats
    notes: tuple[str, ...]
    """What was bridged or left out, for people."""
