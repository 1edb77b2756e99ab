"""CSV files of series: in UTF-8, with a line of names on top; commas, semicolons or tabs part their columns.

Empty cells and the usual words for nothing are values that are missing, NaN here. Lines count from 1, the names among
them. A file without mistakes is read by pyarrow, all of it at once; one with some row by row, to name them all.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from pilotfarm.profiles.draws import Floats
from pilotfarm.profiles.series.columns import Columns, refuse_size, side_by_side
from pilotfarm.profiles.series.told import TOLD_MAX, Mistake, SeriesFileError, first_line

NOTHING: Final = ("", "-", "NA", "N/A", "#N/A", "NaN", "nan", "null", "NULL", "n/e", "N/E")
_NAMES_MAX: Final = 10_000_000
"""Bytes of the line of names."""
_DELIMITERS: Final = ",;\t"
_BLOCK: Final = 1 << 24
_COUNTED_FROM: Final = 250_000_000
"""Bytes from which the lines of a file are counted before it is read."""
_NO_TEXT: Final = "is not text in UTF-8; save it as that"
_NUMBER: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?|[-+]?(inf(inity)?|nan)", re.ASCII | re.IGNORECASE)


def layout(path: Path, decimal: str) -> tuple[str, list[str]]:
    """Return what parts the columns of a file, and their names."""
    with path.open("rb") as file:
        top = re.split(rb"[\r\n]", file.readline(_NAMES_MAX), maxsplit=1)[0]
    try:
        names = top.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SeriesFileError([Mistake(1, _NO_TEXT)]) from error
    if "\0" in names:
        raise SeriesFileError([Mistake(1, _NO_TEXT)])
    if names.lower().startswith("sep="):
        raise SeriesFileError([Mistake(1, "is a line for Excel alone; delete it: the line of names comes first")])
    possible = _DELIMITERS if decimal == "." else _DELIMITERS.replace(",", "")
    delimiter = max(possible, key=names.count)
    found = [name.strip() for row in _cells([names], delimiter) for name in row[1]]
    if len(found) < 2:
        raise SeriesFileError([Mistake(1, "a line of names with at least two columns comes first: time, then values")])
    return delimiter, found


def read(path: Path, time: str, columns: Sequence[str], decimal: str) -> Columns:
    """Read a column of times and columns of numbers, which the file has."""
    delimiter, found = layout(path, decimal)
    _refuse_length(path, len(columns))
    kinds = {time: pa.string(), **dict.fromkeys(columns, pa.float64())}
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
        by_rows = _by_rows(path, delimiter, decimal, found, (time, *columns))
        if not by_rows.mistakes:
            raise SeriesFileError([Mistake(0, f"cannot be read: {first_line(error)}")]) from error
        return by_rows
    refuse_size(table.num_rows, len(columns))
    lines = cache(lambda: [line for line, _ in rows(path, delimiter)])
    texts = [text.strip() for text in table.column(time).to_pylist()]
    return Columns(texts, "text", side_by_side(table, columns), lambda row: lines()[row], lambda row: "")


def rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line, of several the last, and the cells of each row but the names; empty lines are no rows."""
    with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
        yield from islice(_cells(file, delimiter), 1, None)


def _cells(lines: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise SeriesFileError([Mistake(reader.line_num, f"cannot be read: {error}")]) from error


def _refuse_length(path: Path, columns: int) -> None:
    """Refuse a long file with too many values before they are in memory."""
    if path.stat().st_size >= _COUNTED_FROM:
        with path.open("rb") as file:
            blocks = iter(partial(file.read, _BLOCK), b"")
            ends = [(block.count(b"\n"), block.count(b"\r")) for block in blocks]
        refuse_size(max(map(sum, zip(*ends, strict=True))) - 1, columns)


def _by_rows(path: Path, delimiter: str, decimal: str, found: Sequence[str], wanted: Sequence[str]) -> Columns:
    """Read a file with mistakes: what can be read of it, and what is wrong. Mistaken numbers are 0."""
    time, *places = (found.index(name) for name in wanted)
    texts: list[str] = []
    lines: list[int] = []
    values: list[Floats] = []
    mistakes: list[Mistake] = []
    try:
        for line, row in rows(path, delimiter):
            if len(row) != len(found):
                mistakes.append(Mistake(line, f"has {len(row):,} columns, and the line of names {len(found):,}"))
            else:
                cells = [row[at].strip() for at in places]
                numbers = _numbers(cells, decimal)
                if numbers is None:
                    each = [number_in(cell, decimal) for cell in cells]
                    wrong = [place for place, number in enumerate(each) if number is None]
                    told = [f"{found[places[at]]}: {cells[at][:40]!r} is not a number" for at in wrong]
                    mistakes += [Mistake(line, message) for message in told]
                    numbers = np.array([number or 0.0 for number in each])
                texts.append(row[time].strip())
                lines.append(line)
                values.append(numbers)
            if len(mistakes) > TOLD_MAX:
                mistakes[TOLD_MAX:] = [Mistake(mistakes[TOLD_MAX].line, "and perhaps more from here on")]
                break
    except SeriesFileError as error:
        mistakes += error.mistakes
    together = np.array(values).reshape(len(texts), len(places))
    return Columns(texts, "text", together, lines.__getitem__, lambda row: "", tuple(mistakes))


def _numbers(cells: Sequence[str], decimal: str) -> Floats | None:
    """Return the numbers of cells where all have one or are empty, in a tenth of the time that ``number_in`` takes."""
    together = "".join(cells)
    if not together.isascii() or "_" in together or (decimal != "." and "." in together):
        return None
    try:
        return np.array([cell.replace(decimal, ".") or "nan" for cell in cells], dtype=np.float64)
    except ValueError:
        return None


def number_in(text: str, decimal: str) -> float | None:
    """Return a cell's number, NaN for an empty one, ``None`` for what is no number."""
    if text in NOTHING:
        return float("nan")
    if decimal != "." and "." in text:
        return None
    found = text.replace(decimal, ".")
    return float(found) if _NUMBER.fullmatch(found) else None
