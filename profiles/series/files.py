"""Files of series: CSV with a line of names on top, and Parquet. A column of times, and columns of numbers.

A CSV file is in UTF-8; commas, semicolons or tabs part its columns. Empty cells and the usual words for nothing are
values that are missing, NaN here. Lines of a CSV file count from 1, the names among them; rows of a Parquet file too.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as parquet

from pilotfarm.profiles.draws import Floats
from pilotfarm.profiles.series.told import TOLD_MAX, Mistake, SeriesFileError, at_most

BYTES_MAX: Final = 1_000_000_000
ROWS_MAX: Final = 1_200_000
VALUES_MAX: Final = 100_000_000
"""Rows times columns that are replayed: 800 MB."""
ENDINGS: Final = (".csv", ".parquet")
NOTHING: Final = ("", "-", "NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL", "n/e", "N/E")
_NAMES_MAX: Final = 10_000_000  # characters of the line of names
_DELIMITERS: Final = ",;\t"
_BLOCK: Final = 1 << 24
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


def names(path: Path, decimal: str = ".") -> list[str]:
    """Return the names of a file's columns, in their order. Raises ``SeriesFileError``, ``OSError``."""
    if path.suffix.lower() not in ENDINGS:
        raise SeriesFileError([Mistake(0, f"a series is a file that ends in {' or '.join(ENDINGS)}")])
    found = _parquet_names(path) if path.suffix.lower() == ".parquet" else csv_layout(path, decimal)[1]
    twice = sorted({name for name in found if found.count(name) > 1}) if len(set(found)) < len(found) else []
    mistakes = [Mistake(1, f"two columns are named {name!r}") for name in twice]
    mistakes += [Mistake(1, "a column has no name")] * ("" in found)
    if mistakes:
        raise SeriesFileError(at_most(mistakes))
    return found


def read(path: Path, time: str, columns: Sequence[str], decimal: str = ".") -> Columns:
    """Read a column of times and columns of numbers, which the file has. Raises ``SeriesFileError``, ``OSError``."""
    try:
        if path.suffix.lower() == ".parquet":
            return _read_parquet(path, time, columns)
        return _read_csv(path, time, columns, decimal)
    except pa.ArrowException as error:
        raise SeriesFileError([Mistake(0, f"cannot be read: {_first_line(error)}")]) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _refuse_size(rows: int, columns: int) -> None:
    if rows < 2:
        raise SeriesFileError([Mistake(0, "needs at least two rows: without two times it has no interval")])
    if rows > ROWS_MAX:
        raise SeriesFileError([Mistake(0, f"has {rows:,} rows; at most {ROWS_MAX:,} are read")])
    if rows * columns > VALUES_MAX:
        raise SeriesFileError([Mistake(0, f"{rows * columns:,} values are asked for; at most {VALUES_MAX:,} are read")])


def _side_by_side(table: pa.Table, columns: Sequence[str]) -> Floats:
    """Return columns as one array, a row an instant."""
    values = np.empty((table.num_rows, len(columns)))

    def lay(begin: int) -> None:
        some = [_numbers(table.column(name)) for name in columns[begin : begin + _TOGETHER]]
        values[:, begin : begin + len(some)] = np.stack(some).T

    with ThreadPoolExecutor(_THREADS) as threads:
        list(threads.map(lay, range(0, len(columns), _TOGETHER)))
    return values


def _numbers(column: pa.ChunkedArray) -> Floats:
    """Return a column as float64, NaN where it is empty."""
    same = column if column.type == pa.float64() else column.cast(pa.float64())
    return np.asarray(same.to_numpy(), dtype=np.float64)


# ------------------------------------------------------------------------------------------- CSV


def csv_layout(path: Path, decimal: str) -> tuple[str, list[str]]:
    """Return what parts the columns of a CSV file, and their names."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            top = file.readline(_NAMES_MAX)
    except UnicodeDecodeError as error:
        raise SeriesFileError([Mistake(0, "is not text in UTF-8; save it as that")]) from error
    possible = _DELIMITERS if decimal == "." else _DELIMITERS.replace(",", "")
    delimiter = max(possible, key=top.count)
    found = [name.strip() for name in next(csv.reader([top], delimiter=delimiter), [])]
    if len(found) < 2:
        raise SeriesFileError([Mistake(1, "a line of names with at least two columns comes first: time, then values")])
    return delimiter, found


def _read_csv(path: Path, time: str, columns: Sequence[str], decimal: str) -> Columns:
    delimiter, found = csv_layout(path, decimal)
    kinds = {time: pa.string(), **dict.fromkeys(columns, pa.float64())}
    lines = cache(lambda: _lines(path))
    try:
        table = arrow_csv.read_csv(
            path,
            arrow_csv.ReadOptions(column_names=found, skip_rows=1, block_size=_BLOCK),
            arrow_csv.ParseOptions(delimiter=delimiter),
            arrow_csv.ConvertOptions(
                column_types=kinds,
                include_columns=list(kinds),
                null_values=list(NOTHING),
                strings_can_be_null=False,
                decimal_point=decimal,
            ),
        )
    except pa.ArrowInvalid as error:
        by_hand = _by_hand(path, delimiter, decimal, found, (time, *columns))
        if not by_hand.mistakes:
            raise SeriesFileError([Mistake(0, f"cannot be read: {_first_line(error)}")]) from error
        return by_hand
    _refuse_size(table.num_rows, len(columns))
    texts = [text.strip() for text in table.column(time).to_pylist()]
    return Columns(texts, "text", _side_by_side(table, columns), lambda row: lines()[row], lambda row: "")


def _lines(path: Path) -> list[int]:
    """Return the line of every row: empty lines are no rows."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [number for number, line in enumerate(file, start=1) if line.strip("\r\n")][1:]


def _by_hand(path: Path, delimiter: str, decimal: str, found: Sequence[str], wanted: Sequence[str]) -> Columns:
    """Read a file with mistakes line by line: what can be read of it, and what is wrong. Mistaken numbers are 0."""
    places = [found.index(name) for name in wanted]
    texts: list[str] = []
    lines: list[int] = []
    mistakes: list[Mistake] = []
    wrong = 0
    values: list[Floats] = []
    with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
        rows = csv.reader(file, delimiter=delimiter)
        next(rows)
        for row in rows:
            if not row or wrong > TOLD_MAX:
                continue
            told = _told_of(row, found, places[1:], decimal)
            wrong += len(told)
            mistakes += [Mistake(rows.line_num, each) for each in told]
            if len(row) == len(found):
                texts.append(row[places[0]].strip())
                lines.append(rows.line_num)
                values.append(np.array([number_in(row[at].strip(), decimal) or 0.0 for at in places[1:]]))
    if wrong > TOLD_MAX:
        mistakes = [*mistakes[:TOLD_MAX], Mistake(mistakes[TOLD_MAX].line, "and perhaps more from here on")]
    together = np.array(values).reshape(len(texts), len(wanted) - 1)
    return Columns(texts, "text", together, lines.__getitem__, lambda row: "", tuple(mistakes))


def _told_of(row: Sequence[str], found: Sequence[str], places: Sequence[int], decimal: str) -> list[str]:
    if len(row) != len(found):
        return [f"has {len(row):,} columns, and the line of names {len(found):,}"]
    return [
        f"{found[at]}: {row[at].strip()[:40]!r} is not a number"
        for at in places
        if number_in(row[at].strip(), decimal) is None
    ]


def number_in(text: str, decimal: str) -> float | None:
    """Return a cell's number, NaN for an empty one, ``None`` for what is no number."""
    if text in NOTHING:
        return float("nan")
    try:
        return None if decimal != "." and "." in text else float(text.replace(decimal, "."))
    except ValueError:
        return None


# --------------------------------------------------------------------------------------- Parquet


def _parquet_names(path: Path) -> list[str]:
    try:
        return list(parquet.read_schema(path).names)
    except pa.ArrowException as error:
        raise SeriesFileError([Mistake(0, f"is no Parquet file: {_first_line(error)}")]) from error


def _read_parquet(path: Path, time: str, columns: Sequence[str]) -> Columns:
    file = parquet.ParquetFile(path)
    schema, rows = file.schema_arrow, file.metadata.num_rows
    _refuse_size(rows, len(columns))
    words = [name for name in columns if not _is_numeric(schema.field(name).type)]
    if words:
        raise SeriesFileError(
            at_most([Mistake(0, f"column {name!r} holds {schema.field(name).type}, no numbers") for name in words])
        )
    table = file.read(columns=[time, *columns])
    times, times_are = _parquet_times(time, table.column(time))
    return Columns(times, times_are, _side_by_side(table, columns), lambda row: 0, lambda row: f"row {row + 1:,}: ")


def _is_numeric(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _parquet_times(name: str, column: pa.ChunkedArray) -> tuple[Times, str]:
    kind = column.type
    if column.null_count:
        row = column.is_null().to_pylist().index(True)
        raise SeriesFileError([Mistake(0, f"row {row + 1:,}: {name} is empty")])
    if pa.types.is_timestamp(kind):
        micros = column.cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.int64()).to_numpy()
        return micros / 1e6, "wall" if kind.tz is None else "utc"
    if pa.types.is_duration(kind):
        return column.cast(pa.duration("us"), safe=False).cast(pa.int64()).to_numpy() / 1e6, "offsets"
    if _is_numeric(kind):
        return _numbers(column), "offsets"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return [text.strip() for text in column.to_pylist()], "text"
    raise SeriesFileError([Mistake(0, f"{name} holds {kind}: times are instants, or offsets in seconds")])
