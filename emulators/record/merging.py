"""Many small files of a table made into few large ones, while readers read and whatever instant a crash takes.

``FAN_IN`` small files make a medium one, and as many medium ones a large one, which stays. Rows are sorted in chunks
of about ``CHUNK_ROWS``, so that memory is bounded: as ``schema.SORTED_BY`` says, then by time.

A reader sees the small files or the merged one, never both and never neither, because the table's folder is exchanged
as a whole:

1. the merged file is written beside the table's folder, as ``.TABLE.part``, and synced;
2. ``.TABLE.next`` is filled with a hard link to every file that stays, and with the merged file, and synced;
3. ``.TABLE.next`` and ``TABLE`` change places in one call;
4. what is now ``.TABLE.next`` is removed.

A system that cannot exchange names (``renameat2``: Linux alone) renames ``TABLE`` to ``.TABLE.old`` and
``.TABLE.next`` to ``TABLE``; between the two, readers find no folder. ``recover`` puts right at the next start what a
crash left.
"""

from __future__ import annotations

import ctypes
import logging
import os
import shutil
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pilotfarm.emulators.record.schema import SORTED_BY

FAN_IN: Final = 30
FILE_ROWS: Final = 100_000_000
"""Files that make as many rows together are merged though they are fewer; half of it is a large file."""
CHUNK_ROWS: Final = 1_000_000
"""Rows that are sorted together, in about 200 MB."""
GROUP_ROWS: Final = 131_072
"""Rows of a row group of a merged file, what a reader's filter takes or leaves."""

_EXCHANGE: Final = 2
_AT_FDCWD: Final = -100

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class File:
    path: Path
    rows: int


class Merging:
    """The files of one run in one table. ``step`` does a piece of the work, about a second of it at most."""

    def __init__(self, directory: Path, table: str) -> None:
        self._directory, self._table = directory, table
        self._levels: tuple[list[File], ...] = ([], [])
        self._work: Generator[None] | None = None
        self._pause = 0
        self._warned = False

    def add(self, path: Path, rows: int) -> None:
        """Take note of a new small file."""
        self._levels[0].append(File(path, rows))
        self._pause -= 1

    def step(self) -> bool:
        """Go on with a merge, or begin one; whether there was anything to do.

        A merge that fails leaves the files as they are, and is tried again ``FAN_IN`` files later.
        """
        if self._work is None:
            level = next((k for k, files in enumerate(self._levels) if _due(files)), None)
            if level is None or self._pause > 0:
                return False
            self._work = self._merge(level)
        try:
            next(self._work)
        except StopIteration:
            self._work = None
        except (OSError, pa.ArrowException, MemoryError) as error:
            self._work = None
            self._failed(error)
        return True

    def close(self) -> None:
        """Give up a merge that is not done; its files stay as they are."""
        if self._work is not None:
            with suppress(OSError):
                self._work.close()

    def _merge(self, level: int) -> Generator[None]:
        files = _first(self._levels[level])
        there = [file for file in files if file.path.exists()]
        if len(there) > 1:
            run, first, *_ = there[0].path.stem.split("-")
            name = f"{run}-{first}-{there[-1].path.stem.split('-')[-1]}.parquet"
            part = self._directory / f".{self._table}.part"
            try:
                yield from _written(part, [file.path for file in there], SORTED_BY.get(self._table, ()))
                replace(self._directory, self._table, {file.path.name for file in there}, part, name)
            finally:
                part.unlink(missing_ok=True)
            merged = File(self._directory / self._table / name, sum(file.rows for file in there))
            if level + 1 < len(self._levels) and merged.rows < FILE_ROWS // 2:
                self._levels[level + 1].append(merged)
        del self._levels[level][: len(files)]

    def _failed(self, error: Exception) -> None:
        self._pause = FAN_IN
        if not self._warned:
            log.warning(
                "files of the ledger in %s stay small, nothing is lost: %s", self._directory / self._table, error
            )
        self._warned = True


def _due(files: list[File]) -> bool:
    return len(files) >= FAN_IN or sum(file.rows for file in files) >= FILE_ROWS


def _first(files: list[File]) -> list[File]:
    """The oldest files, as many as a merge takes."""
    rows = 0
    for count, file in enumerate(files[:FAN_IN], 1):
        rows += file.rows
        if rows >= FILE_ROWS:
            return files[:count]
    return files[:FAN_IN]


# ------------------------------------------------------------------------------------------- rows


def _written(part: Path, files: list[Path], by: Sequence[str]) -> Iterator[None]:
    """Write the rows of files into one, chunk by chunk, and have it on the disk."""
    schema = pq.read_schema(files[0])
    plain = [field.name for field in schema if not pa.types.is_floating(field.type)]
    numbers = [field.name for field in schema if pa.types.is_floating(field.type)]
    with pq.ParquetWriter(
        part, schema, compression="zstd", use_dictionary=plain, use_byte_stream_split=numbers
    ) as writer:
        for chunk in _chunks(files):
            writer.write_table(_sorted(chunk, by), row_group_size=GROUP_ROWS)
            yield
    sync(part)


def _chunks(files: list[Path]) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    for path in files:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                waiting.append(file.read_row_group(group, use_threads=False))
                if sum(table.num_rows for table in waiting) >= CHUNK_ROWS:
                    yield pa.concat_tables(waiting)
                    waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _sorted(chunk: pa.Table, by: Sequence[str]) -> pa.Table:
    """Rows by columns of names, and of the same names in the order they had: that of time."""
    chunk = chunk.unify_dictionaries().combine_chunks()
    order = np.arange(chunk.num_rows)
    for name in reversed(by):
        order = order[np.argsort(_ranks(chunk[name])[order], kind="stable")]
    return chunk.take(pa.array(order)) if by else chunk


def _ranks(column: pa.ChunkedArray) -> Any:
    """Each row's name as its place in the alphabet; as 16 bits, where NumPy's stable sort is a radix sort."""
    codes = column.combine_chunks()
    names = codes.dictionary.to_pylist()
    rank = np.empty(len(names), dtype=np.uint16 if len(names) <= 2**16 else np.int32)
    rank[np.argsort(np.array(names, dtype=object))] = np.arange(len(names))
    return rank[codes.indices.to_numpy()]


# ------------------------------------------------------------------------------------------ names


def replace(directory: Path, table: str, gone: set[str], part: Path, name: str) -> None:
    """Put ``part`` in the table's folder as ``name``, in place of the files ``gone``: for a reader, all at once."""
    folder, after, before = directory / table, directory / f".{table}.next", directory / f".{table}.old"
    shutil.rmtree(after, ignore_errors=True)
    try:
        after.mkdir()
        shutil.copystat(folder, after)
        for path in folder.iterdir():
            if path.name not in gone:
                os.link(path, after / path.name)
        part.rename(after / name)
        sync(after)
        try:
            _exchange(folder, after)
        except OSError:
            _rename_both(folder, after, before)
        sync(directory)
    finally:
        shutil.rmtree(after, ignore_errors=True)
        shutil.rmtree(before, ignore_errors=True)


def recover(directory: Path, table: str) -> None:
    """Put right what a crash in the middle of ``replace`` or of a write left; nobody else may be writing there."""
    folder, after, before = directory / table, directory / f".{table}.next", directory / f".{table}.old"
    if before.exists() and not folder.exists():
        before.rename(folder)
    shutil.rmtree(after, ignore_errors=True)
    shutil.rmtree(before, ignore_errors=True)
    for part in (directory / f".{table}.part", *folder.glob("*.part")):
        part.unlink(missing_ok=True)


def _rename_both(folder: Path, after: Path, before: Path) -> None:
    folder.rename(before)
    try:
        after.rename(folder)
    except OSError:
        before.rename(folder)
        raise


def _exchange(one: Path, other: Path) -> None:
    """Have two names change places at once; ``OSError`` where the system or the file system cannot."""
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        raise OSError("names cannot be exchanged here") from None
    if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one))


def sync(path: Path) -> None:
    """Have a file's bytes, or a folder's names, on the disk before anything that relies on them."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
