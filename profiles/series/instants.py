"""The times of a series: instants, or offsets in seconds from the site's start; in order, each once.

An instant without an offset from UTC is wall time in the series' zone. In the hour that comes twice as clocks go
back, the first pass is summer time and the second standard time, and a file that has one of them alone cannot be
placed; in the hour that is left out as they go forward there is nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pilotfarm.profiles.draws import Floats
from pilotfarm.profiles.series.columns import Columns, Times
from pilotfarm.profiles.series.csv_file import number_in
from pilotfarm.profiles.series.replay import Recipe
from pilotfarm.profiles.series.told import LOOKED_AT, Mistake, SeriesFileError, at_most

OFFSET_MAX_S: Final = 3_155_760_000.0
"""A hundred years; a larger number is no offset."""
_YEARS: Final = (1900, 2199)
_BEGIN_S, _END_S = (datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in (_YEARS[0], _YEARS[1] + 1))
_EXAMPLE: Final = "2025-01-31T12:15:00"


def seconds(read: Columns, recipe: Recipe, start_s: float) -> Floats:
    """Return the times in seconds since 1970 UTC, in order, each once.

    ``start_s`` is where offsets count from. Raises ``SeriesFileError`` with everything that is wrong with them.
    """
    return _in_order(_unix_s(read, recipe, start_s, ordered=True), read)


def in_any_order(read: Columns, recipe: Recipe, start_s: float) -> Floats:
    """Return times as ``seconds`` does, in any order: then nothing tells apart an hour from the same hour again."""
    return _unix_s(read, recipe, start_s, ordered=False)


def _unix_s(read: Columns, recipe: Recipe, start_s: float, *, ordered: bool) -> Floats:
    offsets = _offsets(read, recipe)
    if offsets is not None:
        return _checked(offsets, read, recipe) + start_s
    if read.times_are == "utc":
        return _in_bounds(np.asarray(read.times, dtype=np.float64), read)
    wall_s, offset_s = _parsed(read, recipe.time_format) if read.times_are == "text" else (np.asarray(read.times), None)
    _in_bounds(wall_s, read)
    naive = np.ones(len(wall_s), dtype=np.bool_) if offset_s is None else np.isnan(offset_s)
    unix_s = wall_s.copy() if offset_s is None else wall_s - np.where(naive, 0.0, offset_s)
    if naive.any():
        rows = naive.nonzero()[0]
        if recipe.zone is None:
            row = int(rows[0])
            raise SeriesFileError(
                [_at(read, row, "has no offset from UTC, and the series says no zone, such as zone: Europe/Oslo")]
            )
        unix_s[rows] = wall_s[rows] - _zone_offsets(read, rows, wall_s[rows], ZoneInfo(recipe.zone), ordered)
    return unix_s


def _offsets(read: Columns, recipe: Recipe) -> Floats | None:
    """Return times that are numbers, or texts of numbers."""
    if read.times_are == "offsets":
        return np.asarray(read.times, dtype=np.float64)
    if read.times_are != "text" or recipe.time_format is not None:
        return None
    try:
        return np.array(read.times, dtype=np.float64)
    except ValueError:
        return _told_apart(read)


def _told_apart(read: Columns) -> Floats | None:
    """Return NaN for what is no number among offsets, as the first time that is there is one; else ``None``."""
    numbers = [number_in(str(text), ".") for text in read.times]
    first = next((number for number, text in zip(numbers, read.times, strict=True) if text), None)
    if first is None:
        return None
    return np.array([np.nan if number is None else number for number in numbers])


def _at(read: Columns, row: int, message: str) -> Mistake:
    return Mistake(read.line(row), read.said(row) + message)


def _checked(times: Floats, read: Columns, recipe: Recipe) -> Floats:
    """Return offsets that are some."""
    wrong = (~((times >= 0.0) & (times <= OFFSET_MAX_S))).nonzero()[0].tolist()
    mistakes = [
        _at(
            read,
            row,
            f"{str(read.times[row])[:40] or 'an empty cell'} is no offset in seconds from the site's start; "
            f"an instant is as {_EXAMPLE}Z",
        )
        for row in wrong[:LOOKED_AT]
    ]
    if mistakes:
        raise SeriesFileError(at_most(mistakes, len(wrong)))
    if recipe.zone is not None:
        raise SeriesFileError([Mistake(0, "its times are offsets from the site's start, which have no zone")])
    return times


def _in_bounds(times_s: Floats, read: Columns) -> Floats:
    """Refuse instants of other centuries: they are slips, and clocks and zones know nothing of them."""
    wrong = (~((times_s >= _BEGIN_S) & (times_s < _END_S))).nonzero()[0]
    told = [_at(read, row, f"is not in the years {_YEARS[0]} to {_YEARS[1]}") for row in wrong[:LOOKED_AT].tolist()]
    if told:
        raise SeriesFileError(at_most(told, len(wrong)))
    return times_s


def _parsed(read: Columns, form: str | None) -> tuple[Floats, Floats]:
    """Return texts as seconds of the wall clock since 1970, and their offsets from UTC, NaN where they have none.

    Of a span, such as ``01.01.2025 00:00 - 01.01.2025 01:00``, the beginning counts.
    """
    if form is None and (alike := _parsed_at_once(read.times)) is not None:
        return alike
    wall_s, offset_s = np.empty(len(read.times)), np.full(len(read.times), np.nan)
    wrong: list[int] = []
    for row, text in enumerate(read.times):
        begin = str(text).partition(" - ")[0].strip()
        try:
            moment = datetime.fromisoformat(begin) if form is None else datetime.strptime(begin, form)  # noqa: DTZ007 - aware or not is told apart below
        except ValueError:
            wrong.append(row)
            continue
        wall_s[row] = moment.replace(tzinfo=UTC).timestamp()
        if moment.tzinfo is not None:
            offset_s[row] = moment.utcoffset().total_seconds()  # type: ignore[union-attr]  # it is aware
    if wrong:
        meant = f"such as {_EXAMPLE}; others need a time_format" if form is None else f"by the time_format {form!r}"
        told = [_at(read, row, f"{str(read.times[row])[:40]!r} is no instant {meant}") for row in wrong[:LOOKED_AT]]
        raise SeriesFileError(at_most(told, len(wrong)))
    return wall_s, offset_s


def _parsed_at_once(texts: Times) -> tuple[Floats, Floats] | None:
    """Return what ``_parsed`` does, in a hundredth of its time, where all texts have an offset from UTC or none has."""
    for zone, offset_s in (("UTC", 0.0), (None, np.nan)):
        try:
            moments = pa.array(texts, pa.string()).cast(pa.timestamp("us", zone))
        except pa.ArrowInvalid:
            continue
        return moments.cast(pa.int64()).to_numpy() / 1e6, np.full(len(texts), offset_s)
    return None


def _zone_offsets(read: Columns, rows: npt.NDArray[np.intp], wall_s: Floats, zone: ZoneInfo, ordered: bool) -> Floats:
    """Return the offsets from UTC of wall times in a zone."""
    first, second = _of_both_folds(wall_s, zone)
    mistakes = [
        _at(read, int(rows[place]), f"{_wall(wall_s[place])} is left out in {zone.key}: clocks go forward")
        for place in (first < second).nonzero()[0].tolist()
    ]
    offsets = first.copy()
    for run in _runs(first > second):
        back = (np.diff(wall_s[run]) <= 0.0).nonzero()[0]
        if not ordered or not len(back):
            here = ", and here once: write offsets from UTC, or both" if ordered else ": write offsets from UTC"
            told = f" comes twice in {zone.key}, where clocks go back{here}"
            # Of times in order one stands for the hour; of others each is a place to write.
            places = range(run.start, run.start + 1 if ordered else run.stop)
            mistakes += [_at(read, int(rows[at]), f"{_wall(wall_s[at])}{told}") for at in places]
        else:
            offsets[run.start + int(back[0]) + 1 : run.stop] = second[run.start + int(back[0]) + 1 : run.stop]
    if mistakes:
        raise SeriesFileError(at_most(sorted(mistakes)))
    return offsets


def _of_both_folds(wall_s: Floats, zone: ZoneInfo) -> tuple[Floats, Floats]:
    """Return the offsets of wall times from UTC, the first time they come and the second.

    All times of a day have those of its beginning and its end, unless they differ: only of such days each is looked up.
    """
    days, at = np.unique(np.floor(wall_s / 86_400.0), return_inverse=True)
    begin, end = _looked_up(days * 86_400.0, zone), _looked_up(days * 86_400.0 + 86_399.0, zone)
    first, second = begin[:, at]
    moved = (begin != end).any(axis=0)[at]
    first[moved], second[moved] = _looked_up(wall_s[moved], zone)
    return first, second


def _looked_up(wall_s: Floats, zone: ZoneInfo) -> Floats:
    moments = [datetime.fromtimestamp(each, UTC).replace(tzinfo=zone) for each in wall_s.tolist()]
    folds = [[moment.replace(fold=fold).utcoffset() for moment in moments] for fold in (0, 1)]
    return np.array([[offset.total_seconds() for offset in each] for each in folds])  # type: ignore[union-attr]


def _wall(wall_s: float) -> str:
    return f"{datetime.fromtimestamp(wall_s, UTC):%Y-%m-%d %H:%M}"


def _runs(marks: npt.NDArray[np.bool_]) -> list[slice]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], marks, [False])).astype(np.int8)))
    return [slice(int(begin), int(end)) for begin, end in zip(edges[::2], edges[1::2], strict=True)]


def _in_order(unix_s: Floats, read: Columns) -> Floats:
    """Refuse instants that come twice or before the one above them."""
    wrong = (np.diff(unix_s) <= 0.0).nonzero()[0] + 1
    mistakes = []
    for row in wrong[:LOOKED_AT].tolist():
        above = f"line {read.line(row - 1)}" if read.line(row) else f"row {row:,}"
        told = "is the same instant as" if unix_s[row] == unix_s[row - 1] else "is earlier than"
        mistakes.append(_at(read, row, f"{told} {above}; times go forward, each once"))
    if mistakes:
        raise SeriesFileError(at_most(mistakes, len(wrong)))
    return unix_s
