"""What is read from a file of series, and how much may be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa

from pilotfarm.profiles.draws import Floats
from pilotfarm.profiles.series.told import Mistake, SeriesFileError

ROWS_MAX: Final = 1_200_000
VALUES_MAX: Final = 100_000_000
"""Rows times columns that are replayed: 800 MB."""
_TOGETHER: Final = 64
"""Columns that are laid beside each other at a time: their values of a row share a line of the processor's cache."""
_THREADS: Final = 2
"""That lay columns: more of them wait for the memory."""

Times: TypeAlias = Floats | list[str]


@dataclass(frozen=True, slots=True)
class Columns:
    """What was read: ``values`` is ``(rows, columns)`` and NaN where nothing is.

    ``times`` are texts where ``times_are`` is ``text``, or numbers: seconds since 1970 UTC where it is ``utc``, seconds
    of the wall clock since 1970 where it is ``wall``, and offsets in seconds where it is ``offsets``.
    """

    times: Times
    times_are: str
    values: Floats
    line: Callable[[int], int]
    """From a row, counted from 0, to its line in the file; 0 where a file has no lines."""
    said: Callable[[int], str]
    """Names a row in front of a message where it has no line."""
    mistakes: tuple[Mistake, ...] = ()
    """What could not be read."""


def refuse_size(rows: int, columns: int) -> None:
    if rows < 2:
        raise SeriesFileError([Mistake(0, "needs at least two rows: without two times it has no interval")])
    if rows > ROWS_MAX:
        raise SeriesFileError([Mistake(0, f"has {rows:,} rows; at most {ROWS_MAX:,} are read")])
    if rows * columns > VALUES_MAX:
        raise SeriesFileError([Mistake(0, f"{rows * columns:,} values are asked for; at most {VALUES_MAX:,} are read")])


def side_by_side(table: pa.Table, columns: Sequence[str]) -> Floats:
    """Return columns as one array, a row an instant."""
    values = np.empty((table.num_rows, len(columns)))

    def lay(begin: int) -> None:
        some = [numbers(table.column(name)) for name in columns[begin : begin + _TOGETHER]]
        values[:, begin : begin + len(some)] = np.stack(some).T

    with ThreadPoolExecutor(_THREADS) as threads:
        list(threads.map(lay, range(0, len(columns), _TOGETHER)))
    return values


def numbers(column: pa.ChunkedArray) -> Floats:
    """Return a column as float64, NaN where it is empty."""
    same = column if column.type == pa.float64() else column.cast(pa.float64())
    return np.asarray(same.to_numpy(), dtype=np.float64)
