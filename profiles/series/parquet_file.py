"""Parquet files of series. Rows count from 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet

from pilotfarm.profiles.series.columns import Columns, Times, numbers, refuse_size, side_by_side
from pilotfarm.profiles.series.told import Mistake, SeriesFileError, at_most, first_line


def names(path: Path) -> list[str]:
    try:
        return list(parquet.read_schema(path).names)
    except pa.ArrowException as error:
        raise SeriesFileError([Mistake(0, f"is no Parquet file: {first_line(error)}")]) from error


def read(path: Path, time: str, columns: Sequence[str]) -> Columns:
    file = parquet.ParquetFile(path)
    schema, rows = file.schema_arrow, file.metadata.num_rows
    refuse_size(rows, len(columns))
    words = [name for name in columns if not _is_numeric(schema.field(name).type)]
    if words:
        raise SeriesFileError(
            at_most([Mistake(0, f"column {name!r} holds {schema.field(name).type}, no numbers") for name in words])
        )
    table = file.read(columns=[time, *columns])
    times, times_are = _times(time, table.column(time))
    return Columns(times, times_are, side_by_side(table, columns), lambda row: 0, lambda row: f"row {row + 1:,}: ")


def _is_numeric(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _times(name: str, column: pa.ChunkedArray) -> tuple[Times, str]:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if column.null_count:
        row = column.is_null().to_pylist().index(True)
        raise SeriesFileError([Mistake(0, f"row {row + 1:,}: {name} is empty")])
    if pa.types.is_date(kind):
        column, kind = column.cast(pa.timestamp("s")), pa.timestamp("s")
    if pa.types.is_timestamp(kind):
        micros = column.cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.int64()).to_numpy()
        return micros / 1e6, "wall" if kind.tz is None else "utc"
    if pa.types.is_duration(kind):
        return column.cast(pa.duration("us"), safe=False).cast(pa.int64()).to_numpy() / 1e6, "offsets"
    if _is_numeric(kind):
        return numbers(column), "offsets"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return [text.strip() for text in column.to_pylist()], "text"
    raise SeriesFileError([Mistake(0, f"{name} holds {kind}: times are instants, or offsets in seconds")])
