"""The weather of a site: sun and clear sky, made-up or recorded days, clouds that cross the neighbours.

``Weather`` answers for an instant; ``sun`` has the sun, ``climate`` the made-up year, ``clouds`` the field
that drifts over the site, ``ground`` where devices stand; ``files`` reads a recorded year (``record``) from a
file in one of the ``formats``.
"""

from pilotfarm.profiles.weather.ground import EXTENT_DEFAULT_M, scattered
from pilotfarm.profiles.weather.record import Record, WeatherFileError
from pilotfarm.profiles.weather.sky import DAYS_KEPT, GRID_S, Light, Sky, SunAndAir, Weather

__all__ = [
    "DAYS_KEPT",
    "EXTENT_DEFAULT_M",
    "GRID_S",
    "Light",
    "Record",
    "Sky",
    "SunAndAir",
    "Weather",
    "WeatherFileError",
    "scattered",
]
