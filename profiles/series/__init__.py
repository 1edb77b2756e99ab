"""Measured series: what a user's CSV or Parquet file says of loads, PV power, light, air or prices, by columns.

``files`` reads a file, ``instants`` its times, ``gaps`` answers for what is missing; ``replay`` gives the values of a
step, ``prices`` how they stand in their day. ``visits`` reads sessions of vehicles, and ``stays`` says who comes next.
Everything wrong with a file is told at once (``told``).
"""

from pilotfarm.profiles.series.prices import Prices
from pilotfarm.profiles.series.replay import Gaps, Recipe, Replayed, Resample, Series
from pilotfarm.profiles.series.stays import Guests, Stays
from pilotfarm.profiles.series.told import SeriesFileError

__all__ = ["Gaps", "Guests", "Prices", "Recipe", "Replayed", "Resample", "Series", "SeriesFileError", "Stays"]
