"""The files of one run in one table: parts of the window that is open, and one whole file of each that is over.

Rows go to the disk at once, as a part of their window, and into the window's whole file (``whole``), which grows where
no reader sees it. When the window is over the whole file takes the place of the parts. Rows that come with the end of
their window need no part.

``FAN_IN`` small parts are joined to a larger one, and as many of these once more, so that there are few files however
slowly site time goes. Where a whole file cannot be made the parts stay in its place, and it is made of these later.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from pilotfarm.emulators.record.exchange import beside, replace, sync
from pilotfarm.emulators.record.schema import RUN, SORTED_BY
from pilotfarm.emulators.record.whole import CHUNK_ROWS, Whole
from pilotfarm.emulators.record.windows import Window

FAN_IN: Final = 40
LEFT_MAX: Final = 1_000
"""Windows whose whole files are still to be made; beyond it the oldest stay in parts."""
ERRORS: Final = (OSError, pa.ArrowException, MemoryError)
"""What a disk that cannot be written comes to."""

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Kept:
    """What there is of a window. Parts stand by how often they were joined; ``whole`` has the rows of all of them."""

    window: Window
    levels: tuple[list[Path], ...] = field(default_factory=lambda: ([], [], []))
    whole: Whole | None = None

    @property
    def parts(self) -> list[Path]:
        """In the order of their rows."""
        return [*chain(*reversed(self.levels))]


class Shelf:
    """Puts rows in files. ``step`` does a piece of what can wait, about a second of it at most."""

    def __init__(self, directory: Path, table: str, run: int, schema: pa.Schema) -> None:
        self._folder = directory / table / f"{RUN}={run}"
        self._schema, self._by = schema, SORTED_BY.get(table, ())
        # Unsorted rows have everything between least and greatest, but for their time.
        few = [field.name for field in schema if not pa.types.is_floating(field.type)]
        self._of_parts: dict[str, Any] = {
            "compression": "zstd",
            "use_dictionary": few,
            "write_statistics": ["site_time"],
        }
        self._parts = 0
        self._kept: _Kept | None = None
        self._left: deque[_Kept] = deque(maxlen=LEFT_MAX)
        self._work: Generator[None] | None = None
        self._worked_on: _Kept | None = None
        self._pause = 0
        self._warned = False

    def put(self, window: Window, rows: pa.Table, *, last: bool) -> None:
        """Have rows of a window on the disk; ``last`` where no more come of it. Windows come in their order.

        Raises one of ``ERRORS``, and none of the rows is there.
        """
        self._pause -= 1
        if self._kept is None or self._kept.window != window:
            self._end()
            self._kept = _Kept(window)
        kept, rows = self._kept, rows.replace_schema_metadata(self._schema.metadata)
        if last and self._finish(kept, rows):
            return
        is_first = not kept.parts
        self._put_part(kept, rows)
        if last:
            self._leave(kept)
        elif is_first or kept.whole is not None:
            self._grow(kept, rows)

    def pass_to(self, until: datetime) -> None:
        """Note that no row comes any more of a site time before ``until``."""
        if self._kept is not None and self._kept.window.end <= until:
            self._end()

    def step(self) -> bool:
        """Go on with what can wait, or begin it; whether there was anything to do.

        Where it fails the files stay as they are, and it is tried again ``FAN_IN`` files later.
        """
        if self._work is None and not self._begin():
            return False
        assert self._work is not None
        try:
            next(self._work)
        except StopIteration:
            self._work = None
        except ERRORS as error:
            self._work = None
            self._failed(error)
        return True

    def close(self) -> None:
        """Give up what can wait; the files stay as they are."""
        if self._work is not None:
            with suppress(OSError):
                self._work.close()
        self._work = None

    # --------------------------------------------------------------------------------- at once

    def _put_part(self, kept: _Kept, rows: pa.Table) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._parts += 1
        made = beside(self._folder, "rows")
        name = f"{kept.window.name}-{self._parts:08d}.parquet"
        try:
            pq.write_table(rows, made, **self._of_parts)
            sync(made)
            replace(self._folder, (), made, name)
        finally:
            with suppress(OSError):
                made.unlink(missing_ok=True)
        kept.levels[0].append(self._folder / name)

    def _grow(self, kept: _Kept, rows: pa.Table) -> None:
        """Let the whole file have rows that are on the disk."""
        try:
            self._whole(kept).add(rows)
        except ERRORS as error:
            self._spoilt(kept, error)

    def _finish(self, kept: _Kept, rows: pa.Table | None) -> bool:
        """Put the whole file in the place of the parts, with rows that are on no disk yet; whether that went well."""
        if kept.whole is None and kept.parts:
            return False
        if self._worked_on is kept:
            self.close()
        name = f"{kept.window.name}.parquet"
        try:
            whole = self._whole(kept)
            if rows is not None:
                whole.add(rows)
            whole.finish()
            replace(self._folder, {path.name for path in kept.parts}, whole.path, name)
        except ERRORS as error:
            if not (self._folder / name).exists():
                self._spoilt(kept, error)
                return False
        self._kept = None
        return True

    def _end(self) -> None:
        kept = self._kept
        if kept is None or (kept.parts and self._finish(kept, None)):
            return
        self._leave(kept)

    def _leave(self, kept: _Kept) -> None:
        """Leave a window in parts for now."""
        self._kept = None
        if kept.parts:
            self._left.append(kept)

    def _whole(self, kept: _Kept) -> Whole:
        if kept.whole is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            kept.whole = Whole(beside(self._folder, kept.window.name), self._schema, self._by)
        return kept.whole

    def _spoilt(self, kept: _Kept, error: Exception) -> None:
        if kept.whole is not None:
            kept.whole.abort()
            kept.whole = None
        self._failed(error)

    def _failed(self, error: Exception) -> None:
        self._pause = FAN_IN
        if not self._warned:
            log.warning("files of the ledger in %s stay small, nothing is lost: %s", self._folder, error)
        self._warned = True

    # ---------------------------------------------------------------------------- what can wait

    def _begin(self) -> bool:
        """Find something that can be done."""
        if self._pause > 0:
            return False
        if self._kept is not None:
            level = next((n for n in (0, 1) if len(self._kept.levels[n]) >= FAN_IN), None)
            if level is not None:
                self._work, self._worked_on = self._join(self._kept, level), self._kept
                return True
        if self._left:
            self._work, self._worked_on = self._remake(self._left[0]), self._left[0]
        return bool(self._left)

    def _join(self, kept: _Kept, level: int) -> Generator[None]:
        parts = kept.levels[level][:FAN_IN]
        there = [path for path in parts if path.exists()]
        if len(there) > 1:
            made = beside(self._folder, "joined")
            (_, first, *_), (*_, last) = (path.stem.split("-") for path in (there[0], there[-1]))
            name = f"{kept.window.name}-{first}-{last}.parquet"
            try:
                with pq.ParquetWriter(made, self._schema, **self._of_parts) as writer:
                    for chunk in _chunks(there):
                        writer.write_table(chunk)
                        yield
                sync(made)
                replace(self._folder, {path.name for path in there}, made, name)
            finally:
                made.unlink(missing_ok=True)
            there = [self._folder / name]
        del kept.levels[level][: len(parts)]
        kept.levels[level + 1].extend(there)

    def _remake(self, kept: _Kept) -> Generator[None]:
        """Make a whole file of parts."""
        there = [path for path in kept.parts if path.exists()]
        whole = self._whole(kept)
        try:
            for chunk in _chunks(there):
                whole.add(chunk)
                yield
            whole.finish()
            replace(self._folder, {path.name for path in there}, whole.path, f"{kept.window.name}.parquet")
        finally:
            whole.abort()
            kept.whole = None
        self._left.remove(kept)


def _chunks(files: Sequence[Path]) -> Iterator[pa.Table]:
    """Yield the rows of files, about ``CHUNK_ROWS`` at a time."""
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
