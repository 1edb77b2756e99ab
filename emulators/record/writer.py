"""Rows on their way to the disk: they wait in memory until a thread has put them in files.

What came is written every ``SEGMENT_S``. When the disk cannot keep up, is full or cannot be written, rows wait up to
``WAITING_MAX``; beyond it the oldest are dropped, counted and reported.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from pilotfarm.emulators.clock import Clock
from pilotfarm.emulators.record.backlog import Backlog
from pilotfarm.emulators.record.schema import OF_GROUPS, SCHEMAS
from pilotfarm.emulators.record.shelf import ERRORS, Shelf
from pilotfarm.emulators.record.tables import Step, values_table
from pilotfarm.emulators.record.windows import window_at

SEGMENT_S: Final = 3.0
WAITING_MAX: Final = 20_000_000
"""Maximum number of rows of values that may wait to be written: about 500 MB of arrays the farm has let go of."""
COUNTDOWNS_MAX: Final = 2_000_000
"""Maximum number of rows of countdowns that may wait."""
EVENTS_MAX: Final = 200_000
"""Maximum number of rows of each of the other tables that may wait."""

_NEVER: Final = datetime.max.replace(tzinfo=UTC)

log = logging.getLogger(__name__)


class Writer:
    """Writes rows of tables to ``directory``, in the order in which they are added, from a thread of its own.

    ``shelves`` are the tables' files, each of a window of site time of that ``length``. The file ``beside`` is written
    with the first rows, from ``about``. With ``lossless`` who adds rows waits for room, while the disk takes any.
    """

    def __init__(
        self,
        directory: Path,
        shelves: Mapping[str, Shelf],
        length: timedelta,
        beside: Path,
        about: str,
        clock: Clock,
        *,
        lossless: bool,
    ) -> None:
        self.directory = directory
        self.rows_written = 0
        self.errors = 0
        """Writes that failed."""
        self._shelves, self._length = shelves, length
        self._beside, self._about = beside, about
        self._clock = clock
        self._lossless = lossless
        self._backlogs = {table: Backlog(table) for table in shelves}
        self._seen = datetime.min.replace(tzinfo=UTC)
        """Whatever comes now is of this site time or later."""
        self._lock = threading.Condition()
        self._closing = self._pressed = False
        self._thread = threading.Thread(target=self._write_on, name="ledger", daemon=True)
        self._thread.start()

    @property
    def rows_dropped(self) -> int:
        return sum(self.rows_lost.values())

    @property
    def rows_lost(self) -> dict[str, int]:
        """How many rows of which table were dropped unwritten; of tables that lost any."""
        return {table: backlog.lost for table, backlog in self._backlogs.items() if backlog.lost}

    @property
    def last_error(self) -> str:
        """Why some table cannot be written now; empty if all can."""
        return next((backlog.error for backlog in self._backlogs.values() if backlog.error), "")

    def add(self, table: str, items: Sequence[Step | Mapping[str, Any]]) -> None:
        """Let rows of a table wait to be written."""
        backlog, rows_max = self._backlogs[table], _rows_max(table)
        with self._lock:
            for item in items:
                backlog.add(item, item.rows if isinstance(item, Step) else 1)
            while backlog.rows > rows_max // 2 and self._waits(backlog):
                self.press()
                self._lock.wait(1.0)
            if backlog.rows > rows_max // 2:
                self.press()
            backlog.shrink(rows_max)

    def pass_to(self, at: datetime) -> None:
        """Note that whatever comes now is of this site time or later."""
        with self._lock:
            self._seen = at

    def press(self) -> None:
        """Have what waits written now."""
        with self._lock:
            self._pressed = True
            self._lock.notify_all()

    def close(self) -> None:
        """Write what waits and end the thread; what cannot be written is counted as lost."""
        with self._lock:
            self._closing = True
            self._lock.notify_all()
        self._thread.join()
        for backlog in self._backlogs.values():
            backlog.shrink(0)

    def _waits(self, backlog: Backlog) -> bool:
        """Whether the farm is to wait for room. A disk that takes nothing is not waited for."""
        return self._lossless and not backlog.error and self._thread.is_alive()

    def _write_on(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._closing or self._pressed, SEGMENT_S)
                closing, self._pressed = self._closing, False
                taken = {table: self._taken(table, closing) for table in self._shelves}
                self._lock.notify_all()
            wrote = [self._write(table, items, until) for table, (items, until) in taken.items()]
            if closing and not any(wrote):
                break
            if not closing:
                self._tidy()
        for shelf in self._shelves.values():
            shelf.close()

    def _taken(self, table: str, closing: bool) -> tuple[list[tuple[Any, int]], datetime]:
        """Take what waits, and the site time before which nothing comes any more."""
        backlog = self._backlogs[table]
        taken = backlog.take(WAITING_MAX // 8)
        if backlog.rows:
            return taken, _time_of(taken[-1])
        return taken, _NEVER if closing else self._seen

    def _tidy(self) -> None:
        """Do what can wait, until rows wait to be written."""
        due_s = self._clock.now_s() + SEGMENT_S / 2
        for shelf in self._shelves.values():
            while shelf.step():
                if self._closing or self._clock.now_s() >= due_s or self._backlogs["values"].rows >= WAITING_MAX // 8:
                    return

    def _write(self, table: str, taken: list[tuple[Any, int]], until: datetime) -> bool:
        """Write rows, a file for each window of theirs; whether there were any, and the disk took them."""
        backlog, shelf, left = self._backlogs[table], self._shelves[table], list(taken)
        try:
            for window, of_it in groupby(taken, lambda item: window_at(_time_of(item), self._length)):
                items = [item for item, _ in of_it]
                shelf.put(window, self._made(table, items), last=window.end <= until)
                self._wrote(backlog, sum(rows for _, rows in left[: len(items)]))
                del left[: len(items)]
        except ERRORS as error:
            self._failed(backlog, left, error)
            return False
        shelf.pass_to(until)
        return bool(taken)

    def _made(self, table: str, items: Sequence[Any]) -> pa.Table:
        if not self._beside.exists():
            self._beside.parent.mkdir(parents=True, exist_ok=True)
            self._beside.write_text(self._about, encoding="utf-8")
        return values_table(items) if table in OF_GROUPS else pa.Table.from_pylist(list(items), SCHEMAS[table])

    def _wrote(self, backlog: Backlog, rows: int) -> None:
        self.rows_written += rows
        with self._lock:
            news = backlog.written(rows)
        if news:
            lost = f"{backlog.lost:,} rows were lost" if backlog.lost else "no row was lost"
            log.warning(
                "the ledger writes %s to %s again, with all that waited; %s", backlog.table, self.directory, lost
            )

    def _failed(self, backlog: Backlog, left: list[tuple[Any, int]], error: Exception) -> None:
        self.errors += 1
        with self._lock:
            news = backlog.failed(left, str(error))
            backlog.shrink(_rows_max(backlog.table))
        if news:
            message = "the ledger cannot write %s to %s: %s; rows wait in memory"
            log.warning(message, backlog.table, self.directory, error)


def _time_of(item: tuple[Any, int]) -> datetime:
    """Return the site time of what waits for a table."""
    row, _ = item
    found: datetime = row.site_time if isinstance(row, Step) else row["site_time"]
    return found


def _rows_max(table: str) -> int:
    """How many rows of a table may wait."""
    return {"values": WAITING_MAX, "countdowns": COUNTDOWNS_MAX}.get(table, EVENTS_MAX)
