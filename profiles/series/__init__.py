"""Measured series: what a user's CSV or Parquet file says of loads, PV power, light or air, by columns.

``files`` reads a file, ``instants`` its times, ``gaps`` answers for what is missing; ``replay`` gives the values of a
step. ``visits`` reads sessions of vehicles, and ``stays`` says who comes next. Everything wrong with a file is told at
once (``told``).
"""

from pilotfarm.profiles.series.replay import Gaps, Recipe, Replayed, Resample, Series
from pilotfarm.profiles.series.stays import Guests, Stays
from pilotfarm.profiles.series.told import SeriesFileError

__all__ = ["Gaps", "Guests", "Recipe", "Replayed", "Resample", "Series", "SeriesFileError", "Stays"]
