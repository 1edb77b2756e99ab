"""Files of series: CSV with a line of names on top, and Parquet. A column of times, and columns of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa

from pilotfarm.profiles.series import csv_file, parquet_file
from pilotfarm.profiles.series.columns import Columns
from pilotfarm.profiles.series.told import Mistake, SeriesFileError, at_most, first_line

BYTES_MAX: Final = 1_000_000_000
ENDINGS: Final = (".csv", ".parquet")


def names(path: Path, decimal: str = ".") -> list[str]:
    """Return the names of a file's columns, in their order. Raises ``SeriesFileError``, ``OSError``."""
    if path.suffix.lower() not in ENDINGS:
        raise SeriesFileError([Mistake(0, f"a series is a file that ends in {' or '.join(ENDINGS)}")])
    found = parquet_file.names(path) if is_parquet(path) else csv_file.layout(path, decimal)[1]
    twice = sorted({name for name in found if found.count(name) > 1}) if len(set(found)) < len(found) else []
    mistakes = [Mistake(1, f"two columns are named {name!r}") for name in twice]
    mistakes += [Mistake(1, "a column has no name")] * ("" in found)
    if mistakes:
        raise SeriesFileError(at_most(mistakes))
    return found


def is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"


def read(path: Path, time: str, columns: Sequence[str], decimal: str = ".") -> Columns:
    """Read a column of times and columns of numbers, which the file has. Raises ``SeriesFileError``, ``OSError``."""
    try:
        if is_parquet(path):
            return parquet_file.read(path, time, columns)
        return csv_file.read(path, time, columns, decimal)
    except pa.ArrowException as error:
        raise SeriesFileError([Mistake(0, f"cannot be read: {first_line(error)}")]) from error
