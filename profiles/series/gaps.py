"""What stands where a series has nothing: cells that are empty, and instants left out of an even pace."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from pilotfarm.profiles.draws import Floats
from pilotfarm.profiles.series.columns import ROWS_MAX, VALUES_MAX, Columns
from pilotfarm.profiles.series.replay import Gaps
from pilotfarm.profiles.series.told import LOOKED_AT, Mistake, at_most

Bools: TypeAlias = npt.NDArray[np.bool_]
_ANSWER: Final = "say what holds there, such as gaps: hold"
_SLACK_S: Final = 1e-5
"""Two times this much further apart are still one interval apart: numbers of seconds since 1970 are rounded."""


def interval_s(times_s: Floats) -> float:
    """Return the pace of a series: the interval that is its commonest, of several the shortest. [s]"""
    found, counts = np.unique(np.round(np.diff(times_s), 6), return_counts=True)
    return float(found[counts.argmax()])


def mistakes_in_cells(read: Columns, names: tuple[str, ...], gaps: Gaps) -> list[Mistake]:
    """Return what is wrong with the values: infinite ones, columns of nothing, empty cells where they are refused."""
    finite = np.isfinite(read.values)
    if finite.all():
        return []
    missing = np.isnan(read.values)
    mistakes = _of_cells(read, names, ~(finite | missing), "is no finite number")
    empty: Bools = np.asarray(missing.all(axis=0))
    mistakes += at_most([Mistake(0, f"column {names[at]!r} holds nothing") for at in empty.nonzero()[0]])
    if gaps == "refuse":
        mistakes += _of_cells(read, names, missing & ~empty, f"is empty; {_ANSWER}")
    return mistakes


def mistakes_between_rows(times_s: Floats, read: Columns, gaps: Gaps) -> list[Mistake]:
    """Return where instants are left out and that is refused, or would need too many rows."""
    pace_s, out = interval_s(times_s), _left_out(times_s)
    if gaps == "hold" or not out.any():
        return []
    if gaps != "refuse":
        rows = len(times_s) + int(out.sum())
        too_many = rows > ROWS_MAX or rows * read.values.shape[1] > VALUES_MAX
        told = f"with its gaps filled it has {rows:,} rows, more than are read; gaps: hold needs none"
        return [Mistake(0, told)] * too_many
    rows_after = out.nonzero()[0] + 1
    holes = [
        Mistake(
            read.line(row),
            f"{read.said(row)}{out[row - 1]:,} left out before {_when(times_s[row])}, of one every {pace_s:g} s; "
            + _ANSWER,
        )
        for row in rows_after[:LOOKED_AT].tolist()
    ]
    return at_most(holes, len(rows_after))


def filled(times_s: Floats, values: Floats, gaps: Gaps) -> tuple[Floats, Floats]:
    """Return times and values ``(rows, columns)`` without gaps; NaN stays only where the model is to say."""
    if gaps == "refuse":
        return times_s, values
    if gaps == "hold":
        return times_s, _held(values)
    times_s, values = _with_rows(times_s, values)
    if gaps == "zero":
        return times_s, np.nan_to_num(values, nan=0.0)
    return times_s, _interpolated(times_s, values) if gaps == "interpolate" else values


def _left_out(times_s: Floats) -> npt.NDArray[np.int64]:
    """Return how many instants are left out between each two."""
    apart = (np.diff(times_s) - _SLACK_S) / interval_s(times_s)
    return np.maximum(np.ceil(apart).astype(np.int64) - 1, 0)


def _with_rows(times_s: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Put rows of nothing where instants are left out."""
    out = _left_out(times_s)
    rows = len(times_s) + int(out.sum())
    if rows == len(times_s):
        return times_s, values
    place = np.arange(len(times_s)) + np.concatenate(([0], np.cumsum(out)))
    spread = np.full((rows, values.shape[1]), np.nan)
    spread[place] = values
    before = np.repeat(np.arange(len(times_s)), np.concatenate((out, [0])) + 1)
    return times_s[before] + interval_s(times_s) * (np.arange(rows) - place[before]), spread


def _held(values: Floats) -> Floats:
    """Return values with the last one before each that is missing; before the first there is, that one."""
    missing = np.isnan(values)
    if not missing.any():
        return values
    rows = np.where(missing, 0, np.arange(len(values))[:, None])
    np.maximum.accumulate(rows, axis=0, out=rows)
    np.maximum(rows, (~missing).argmax(axis=0), out=rows)
    return np.asarray(np.take_along_axis(values, rows, axis=0))


def _interpolated(times_s: Floats, values: Floats) -> Floats:
    """Return values with a line across what is missing, held at both ends."""
    done = values.copy()
    for column in np.flatnonzero(np.isnan(values).any(axis=0)):
        known = ~np.isnan(values[:, column])
        done[:, column] = np.interp(times_s, times_s[known], values[known, column])
    return done


def _of_cells(read: Columns, names: tuple[str, ...], wrong: Bools, told: str) -> list[Mistake]:
    """Tell of cells, a mistake for each run of them in a column."""
    if not wrong.any():
        return []
    begins = wrong.copy()
    begins[1:] &= ~wrong[:-1]
    rows, columns = begins.nonzero()
    cells = [
        Mistake(read.line(row), f"{read.said(row)}{names[column]}{_and_below(wrong[row:, column])} {told}")
        for row, column in zip(rows[:LOOKED_AT].tolist(), columns[:LOOKED_AT].tolist(), strict=True)
    ]
    return at_most(cells, len(rows))


def _and_below(wrong: Bools) -> str:
    count = len(wrong) if wrong.all() else int((~wrong).argmax())
    return f", {count:,} rows from here on," if count > 1 else ""


def _when(unix_s: float) -> str:
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%dT%H:%M:%SZ}"
