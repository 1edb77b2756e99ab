"""Sessions of vehicles at charging points, as a user's file has them: a row a visit.

The columns ``device``, ``arrive``, ``leave`` and ``energy`` are looked for by name, whatever stands beside them.
Visits may stand in any order; those of a point do not overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from pilotfarm.profiles.draws import Floats
from pilotfarm.profiles.series import csv_file, files, instants
from pilotfarm.profiles.series.columns import Columns
from pilotfarm.profiles.series.replay import Recipe
from pilotfarm.profiles.series.stays import Stays
from pilotfarm.profiles.series.told import LOOKED_AT, Mistake, SeriesFileError, at_most

COLUMNS: Final = ("device", "arrive", "leave", "energy")
ROWS_MAX: Final = 200_000
_Table = list[tuple[int, list[str]]]
"""Lines, and the cells of ``COLUMNS`` in each."""


def load(recipe: Recipe, devices: Sequence[str], gain: float, start_s: float) -> Stays:
    """Read the visits of ``devices``; an energy times ``gain`` is in Wh, and offsets count from ``start_s``.

    Raises ``SeriesFileError`` with everything that is wrong with the file, ``OSError``.
    """
    found = files.names(recipe.path, recipe.decimal)
    missing = [name for name in COLUMNS if name not in found]
    if missing:
        told = f"sessions have columns {', '.join(COLUMNS)}; there is no {', '.join(missing)}"
        raise SeriesFileError([Mistake(1, told)])
    is_csv = not files.is_parquet(recipe.path)
    rows, mistakes = _csv_rows(recipe, found) if is_csv else (_parquet_rows(recipe.path), [])
    if not rows:
        raise SeriesFileError(mistakes or [Mistake(0, "has no sessions")])
    if len(rows) > ROWS_MAX:
        raise SeriesFileError([Mistake(0, f"has more than {ROWS_MAX:,} sessions")])

    def place(row: int) -> tuple[int, str]:
        return (rows[row][0], "") if is_csv else (0, f"row {rows[row][0]:,}: ")

    def line(row: int) -> int:
        return place(row)[0]

    def named(column: str, row: int) -> str:
        return f"{place(row)[1]}{column}: "

    number = {name: at for at, name in enumerate(devices)}
    point = np.array([number.get(cells[0], -1) for _, cells in rows], dtype=np.intp)
    energy = np.array([_energy(cells[3], recipe.decimal) for _, cells in rows]) * gain
    wrong = [
        (point < 0, "is of a device that the group has not"),
        (~(energy >= 0.0) | np.isinf(energy), "has no energy from 0 up"),
    ]
    times: list[Floats] = []
    for at, name in ((1, "arrive"), (2, "leave")):
        texts = [cells[at] for _, cells in rows]
        read = Columns(texts, "text", np.zeros((0, 0)), line, partial(named, name))
        try:
            times.append(instants.in_any_order(read, recipe, start_s))
        except SeriesFileError as error:
            mistakes += error.mistakes
    order = np.arange(len(rows))
    if len(times) == 2:
        order = np.lexsort((times[0], point))
        wrong.append((times[1] <= times[0], "leaves before it comes"))
        overlaps = np.zeros(len(rows), dtype=np.bool_)
        overlaps[order[1:]] = (times[0][order[1:]] < times[1][order[:-1]]) & (point[order[1:]] == point[order[:-1]])
        wrong.append((overlaps & (point >= 0), "comes before the one at its point has left"))
    for marks, told in wrong:
        at_rows = np.flatnonzero(marks)
        some = [
            Mistake(place(row)[0], f"{place(row)[1]}{rows[row][1][0]} {told}") for row in at_rows[:LOOKED_AT].tolist()
        ]
        mistakes += at_most(some, len(at_rows))
    if mistakes:
        raise SeriesFileError(mistakes)
    arrive_s, leave_s = times
    return Stays(
        recipe.path,
        len(devices),
        point[order],
        arrive_s[order],
        leave_s[order],
        energy[order],
        recipe.repeats,
        lambda row: place(int(order[row])),
    )


def _energy(text: str, decimal: str) -> float:
    found = csv_file.number_in(text, decimal)
    return float("nan") if found is None else found


def _csv_rows(recipe: Recipe, found: Sequence[str]) -> tuple[_Table, list[Mistake]]:
    delimiter, _ = csv_file.layout(recipe.path, recipe.decimal)
    places = [found.index(name) for name in COLUMNS]
    rows: _Table = []
    mistakes: list[Mistake] = []
    for line, row in islice(csv_file.rows(recipe.path, delimiter), ROWS_MAX + 1):
        if len(row) == len(found):
            rows.append((line, [row[at].strip() for at in places]))
        else:
            mistakes.append(Mistake(line, f"has {len(row):,} columns, and the line of names {len(found):,}"))
    return rows, at_most(mistakes)


def _parquet_rows(path: Path) -> _Table:
    try:
        file = parquet.ParquetFile(path)
        if file.metadata.num_rows > ROWS_MAX:
            raise SeriesFileError([Mistake(0, f"has more than {ROWS_MAX:,} sessions")])
        columns = [_texts(file.read(columns=[name]).column(name)) for name in COLUMNS]
    except pa.ArrowException as error:
        raise SeriesFileError([Mistake(0, f"cannot be read: {error}")]) from error
    return [(number, list(cells)) for number, cells in enumerate(zip(*columns, strict=True), start=1)]


def _texts(column: pa.ChunkedArray) -> list[str]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    elif pa.types.is_duration(column.type):
        column = column.cast(pa.duration("us"), safe=False)
    return [_text(cell) for cell in column.to_pylist()]


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, timedelta):
        cell = cell.total_seconds()
    return cell.isoformat() if isinstance(cell, datetime) else str(cell).strip()
