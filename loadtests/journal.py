"""What a load test sent, one row a request, in an SQLite file: evidence that outlives the process.

Rows are written a batch at a time, so memory stays bounded however long the test; a crash loses
the last batch at most.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Final

BATCH: Final = 500
"""Maximum number of rows in memory."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS sent (
    device_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    due_s REAL NOT NULL,
    sent_s REAL NOT NULL,
    answered_s REAL,
    status INTEGER NOT NULL
)
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One reading sent. Times are wall seconds since 1970; ``status`` is HTTP's, 0 for no answer."""

    device_id: str
    sequence: int
    due_s: float
    sent_s: float
    answered_s: float | None
    status: int

    @property
    def acknowledged(self) -> bool:
        return is_acknowledged(self.status)


def is_acknowledged(status: int) -> bool:
    """Whether an HTTP status says that the reading was received."""
    return 200 <= status < 300


class Journal:
    """A load test's record, open for writing or for reading."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute(_SCHEMA)
        self._pending: list[Entry] = []

    def add(self, entry: Entry) -> None:
        self._pending.append(entry)
        if len(self._pending) >= BATCH:
            self.flush()

    def flush(self) -> None:
        rows, self._pending = self._pending, []
        with self._connection:
            self._connection.executemany("INSERT INTO sent VALUES (?, ?, ?, ?, ?, ?)", map(astuple, rows))

    def close(self) -> None:
        self.flush()
        self._connection.close()

    def devices(self) -> Iterator[tuple[str, list[Entry]]]:
        """Yield what was sent, a device at a time, by name and sequence number."""
        rows = self._connection.execute("SELECT * FROM sent ORDER BY device_id, sequence")
        for device, entries in groupby(rows, itemgetter(0)):
            yield device, [Entry(*row) for row in entries]

    def latency_s(self, share: float) -> float | None:
        """Return the quantile ``share`` of the latency [s] by nearest rank, ``None`` if no request was answered."""
        (answered,) = self._connection.execute("SELECT count(answered_s) FROM sent").fetchone()
        if not answered:
            return None
        rank = max(0, -int(-share * answered // 1) - 1)
        (latency,) = self._connection.execute(
            "SELECT answered_s - sent_s AS latency FROM sent WHERE answered_s IS NOT NULL "
            "ORDER BY latency LIMIT 1 OFFSET ?",
            (min(rank, answered - 1),),
        ).fetchone()
        return float(latency)

    def duration_s(self) -> float:
        """Return the time from the first request sent to the last one sent or answered. [s]"""
        (span,) = self._connection.execute(
            "SELECT max(max(sent_s, coalesce(answered_s, 0.0))) - min(sent_s) FROM sent"
        ).fetchone()
        return 0.0 if span is None else float(span)

    def worst_late_s(self) -> float:
        """Return the maximum time a request was sent after it was due [s]: the sender's own backlog."""
        (late,) = self._connection.execute("SELECT max(sent_s - due_s) FROM sent").fetchone()
        return 0.0 if late is None else max(0.0, float(late))
