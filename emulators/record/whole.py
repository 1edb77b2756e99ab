"""One file of rows whose bytes are a function of these rows and their order alone, however they came.

Rows are taken in chunks of ``CHUNK_ROWS``, which bounds the memory. A chunk is sorted as ``schema.SORTED_BY`` says, and
then as its rows came, that is by time; its names are numbered by the alphabet.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pilotfarm.emulators.record.exchange import sync

CHUNK_ROWS: Final = 1_000_000
"""Rows that are sorted together, in about 200 MB."""
GROUP_ROWS: Final = 131_072
"""Rows of a row group, what a reader's filter takes or leaves."""


class Whole:
    """A file under way. Any error leaves it fit for ``abort`` alone."""

    def __init__(self, path: Path, schema: pa.Schema, by: Sequence[str]) -> None:
        self.path = path
        self._by = by
        self._waiting: list[pa.Table] = []
        self._rows = 0
        plain = [field.name for field in schema if not pa.types.is_floating(field.type)]
        numbers = [field.name for field in schema if pa.types.is_floating(field.type)]
        self._writer = pq.ParquetWriter(
            path, schema, compression="zstd", use_dictionary=plain, use_byte_stream_split=numbers
        )

    def add(self, rows: pa.Table) -> None:
        self._waiting.append(rows)
        self._rows += rows.num_rows
        while self._rows >= CHUNK_ROWS:
            waiting = pa.concat_tables(self._waiting)
            self._write(waiting.slice(0, CHUNK_ROWS))
            self._waiting = [waiting.slice(CHUNK_ROWS)]
            self._rows -= CHUNK_ROWS

    def finish(self) -> None:
        """Write what is left, and have all of it on the disk."""
        if self._rows:
            self._write(pa.concat_tables(self._waiting))
        self._writer.close()
        sync(self.path)

    def abort(self) -> None:
        with suppress(OSError, pa.ArrowException):
            self._writer.close()
        self.path.unlink(missing_ok=True)

    def _write(self, chunk: pa.Table) -> None:
        self._writer.write_table(_sorted(chunk, self._by), row_group_size=GROUP_ROWS)


def _sorted(chunk: pa.Table, by: Sequence[str]) -> pa.Table:
    """Rows by columns of names, and of the same names in the order they had."""
    chunk = chunk.unify_dictionaries().combine_chunks()
    for number, field in enumerate(chunk.schema):
        if pa.types.is_dictionary(field.type):
            chunk = chunk.set_column(number, field, _numbered(chunk[field.name].combine_chunks()))
    order = np.arange(chunk.num_rows)
    for name in reversed(by):
        order = order[np.argsort(_numbers(chunk[name].combine_chunks())[order], kind="stable")]
    return chunk.take(pa.array(order)) if by else chunk


def _numbered(names: pa.DictionaryArray) -> pa.DictionaryArray:
    """Return the same names, with a dictionary of those that occur, in the order of the alphabet."""
    codes = names.indices.to_numpy()
    found = np.flatnonzero(np.bincount(codes, minlength=len(names.dictionary)))
    known = np.array(names.dictionary.to_pylist(), dtype=object)[found]
    alphabet = np.argsort(known)
    number = np.zeros(len(names.dictionary), dtype=np.int32)
    number[found[alphabet]] = np.arange(len(found), dtype=np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(number[codes]), pa.array(known[alphabet].tolist(), pa.string()))


def _numbers(names: pa.DictionaryArray) -> Any:
    """Each row's name as its number; as 16 bits, where NumPy's stable sort is a radix sort."""
    return names.indices.to_numpy().astype(np.uint16 if len(names.dictionary) <= 2**16 else np.int32)
