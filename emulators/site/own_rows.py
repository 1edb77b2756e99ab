"""The rows of a station's own list of points: as the site file has them, or a CSV file beside it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Final

from pilotfarm.emulators.site.checks import Checker
from pilotfarm.emulators.site.document import BYTES_MAX, Document, Path, of_lines, scalar
from pilotfarm.emulators.site.inputs import Inputs
from pilotfarm.emulators.site.model import ListedRow
from pilotfarm.emulators.words import quoted

ROWS_MAX: Final = 100_000
_DELIMITERS: Final = ",;\t"
_NAMES: Final = ("devices", "quantity")
"""Columns of a CSV file in which several names may stand, with blanks between them."""
_TEXT: Final = ("type",)


@dataclass(frozen=True, slots=True)
class ListRow:
    """A row as read; ``path`` is where it stands in ``document``."""

    document: Document
    path: Path
    table: ListedRow

    def problem(self, message: str, *key: str) -> None:
        self.document.problem((*self.path, *key), message)


def read(checker: Checker, inputs: Inputs, value: Any, path: Path) -> list[ListRow] | None:
    """Return the rows that are right; ``None`` where there is no list at all. What is wrong becomes problems."""
    if isinstance(value, str):
        document = inputs.read(value, path, BYTES_MAX, _of_csv)
        return None if document is None else _of_file(checker.document, document)
    if not isinstance(value, list) or not value:
        shown = "an empty list" if value == [] else quoted(value)
        checker.document.problem(path, f"must be a list of points, or the name of a CSV file, not {shown}")
        return None
    return list(_rows(checker, value, path))


def _of_file(site: Document, document: Document) -> list[ListRow]:
    rows = list(_rows(Checker(document), document.data, ()))
    if not document.data and not document.problems:
        document.problem((), "has no points")
    # What is found out of these rows later belongs to the site's problems as well.
    site.problems.extend(document.problems)
    document.problems = site.problems
    return rows


def _rows(checker: Checker, items: list[Any], path: Path) -> Iterator[ListRow]:
    if len(items) > ROWS_MAX:
        checker.document.problem(path, f"has {len(items):,} rows; {ROWS_MAX:,} are the maximum")
        return
    for index, item in enumerate(items):
        table = checker.read(ListedRow, item, (*path, index))
        if table is not None:
            yield ListRow(checker.document, (*path, index), table)


def _of_csv(file: FilePath) -> Document:
    """Read a CSV file with the keys of a row in its first line; ``,``, ``;`` or tabulators part the columns."""
    document = Document(str(file))
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        document.problem((), f"is not UTF-8 at octet {error.start}")
        return of_lines(document, [], [])
    lines = text.splitlines(keepends=True)
    first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    reader = csv.reader(lines, delimiter=max(_DELIMITERS, key=first.count), strict=True)
    rows, at, header = [], [], None
    try:
        for cells in reader:
            if not any(each.strip() for each in cells) or cells[0].startswith("#"):
                continue
            if header is None:
                header = [each.strip() for each in cells]
                continue
            at.append(reader.line_num)
            rows.append({key: _cell(key, each.strip()) for key, each in _celled(header, cells) if each.strip()})
    except csv.Error as error:
        document.problem((), f"line {reader.line_num} is not CSV: {error}")
    return of_lines(document, rows, at)


def _celled(header: list[str], cells: list[str]) -> Iterator[tuple[str, str]]:
    yield from zip(header, cells, strict=False)
    yield from ((f"column {number}", cells[number - 1]) for number in range(len(header) + 1, len(cells) + 1))


def _cell(key: str, text: str) -> Any:
    if key in _NAMES:
        names = text.split()
        return names[0] if len(names) == 1 else names
    if key in _TEXT or text.endswith("%"):
        return text
    return scalar(text)
