"""From a user's file to a ``Series``, or everything that is wrong with the file."""

from __future__ import annotations

import numpy as np

from pilotfarm.profiles.series import files, gaps, instants
from pilotfarm.profiles.series.replay import Recipe, Series
from pilotfarm.profiles.series.told import Mistake, SeriesFileError


def columns_of(recipe: Recipe) -> tuple[str, list[str]]:
    """Return the name of the column of times and those of the others. Raises ``SeriesFileError``, ``OSError``."""
    found = files.names(recipe.path, recipe.decimal)
    time = found[0] if recipe.time is None else recipe.time
    if time not in found:
        raise SeriesFileError([Mistake(1, f"there is no column {time!r} for the time; there are {_some(found)}")])
    return time, [name for name in found if name != time]


def load(recipe: Recipe, time: str, columns: tuple[str, ...], start_s: float) -> Series:
    """Read columns that the file has; ``start_s`` is where offsets count from [s since 1970 UTC].

    Raises ``SeriesFileError``, ``OSError``.
    """
    read = files.read(recipe.path, time, columns, recipe.decimal)
    mistakes = [*read.mistakes, *gaps.mistakes_in_cells(read, columns, recipe.gaps)]
    try:
        times_s = instants.seconds(read, recipe, start_s)
    except SeriesFileError as error:
        raise SeriesFileError([*mistakes, *error.mistakes]) from None
    # Lines that could not be read leave gaps of their own.
    mistakes += [] if read.mistakes else gaps.mistakes_between_rows(times_s, read, recipe.gaps)
    if mistakes:
        raise SeriesFileError(mistakes)
    interval_s, read_s, line, said = gaps.interval_s(times_s), times_s, read.line, read.said
    times_s, values = gaps.filled(times_s, read.values, recipe.gaps)

    def place(row: int) -> tuple[int, str]:
        at = int(read_s.searchsorted(times_s[row], side="right")) - 1
        return line(at), said(at)

    before, after = ([times_s[0] - interval_s], []) if recipe.stamp == "end" else ([], [times_s[-1] + interval_s])
    edges_s = np.concatenate((before, times_s, after))
    return Series(recipe.path, columns, edges_s, values, interval_s, recipe.repeats, recipe.resample, place)


def _some(names: list[str]) -> str:
    return ", ".join(map(repr, names[:8])) + (f" and {len(names) - 8:,} more" if len(names) > 8 else "")
