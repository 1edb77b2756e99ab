"""What load tests sent, one row a request, in an SQLite file: evidence that outlives the process.

A file may hold several runs; each row names its own. Rows are written a batch at a time, so memory
stays bounded however long the test; a crash loses the last batch at most.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict, astuple, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Final

from pilotfarm.emulators.clock import WallClock
from pilotfarm.emulators.errors import StateError
from pilotfarm.loadtests.plan import Plan

BATCH: Final = 500
"""Maximum number of rows in memory."""
BUSY_S: Final = 5.0
"""How long another process may keep the file for itself. [s]"""
APPLICATION_ID: Final = 0x70666A6C
"""Marks an SQLite file as a journal (``PRAGMA application_id``): "pfjl"."""
SCHEMA_VERSION: Final = 1

_MAGIC: Final = b"SQLite format 3\0"

_RUNS: Final = """
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY,
    run TEXT NOT NULL UNIQUE,
    began TEXT NOT NULL,
    url TEXT NOT NULL,
    version TEXT NOT NULL,
    plan TEXT NOT NULL
)
"""
_SENT: Final = """
CREATE TABLE IF NOT EXISTS sent (
    run_id INTEGER NOT NULL REFERENCES runs,
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
    """The record of one run, open for writing and for reading."""

    def __init__(self, connection: sqlite3.Connection, run: str) -> None:
        self._connection = connection
        (self._run_id,) = connection.execute("SELECT id FROM runs WHERE run = ?", (run,)).fetchone()
        self._pending: list[Entry] = []

    @classmethod
    def begin(cls, path: Path, plan: Plan) -> Journal:
        """Add a run to a file, which is made if it is not there; ``StateError`` says why that cannot be.

        A file that is no journal of this version stays as it is.
        """
        try:
            _require_journal(path)
            connection = _connected(path)
            try:
                _add_run(connection, plan)
            except BaseException:
                connection.close()
                raise
        except (sqlite3.Error, OSError, ValueError) as error:
            raise StateError(f"the journal {path} cannot be used: {error}; give another file") from error
        return cls(connection, plan.run)

    @classmethod
    def resume(cls, path: Path, run: str) -> Journal:
        """Open the record of a run that was begun."""
        return cls(_connected(path), run)

    def add(self, entry: Entry) -> None:
        self._pending.append(entry)
        if len(self._pending) >= BATCH:
            self.flush()

    def flush(self) -> None:
        with self._connection:
            self._connection.executemany(
                "INSERT INTO sent VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(self._run_id, *astuple(entry)) for entry in self._pending],
            )
        self._pending.clear()

    def close(self) -> None:
        try:
            self.flush()
        finally:
            self._connection.close()

    def devices(self) -> Iterator[tuple[str, list[Entry]]]:
        """Yield what was sent, a device at a time, by name and sequence number."""
        rows = self._connection.execute(
            "SELECT device_id, sequence, due_s, sent_s, answered_s, status FROM sent WHERE run_id = ?"
            " ORDER BY device_id, sequence",
            (self._run_id,),
        )
        for device, entries in groupby(rows, itemgetter(0)):
            yield device, [Entry(*row) for row in entries]

    def latency_s(self, share: float) -> float | None:
        """Return the quantile ``share`` of the latency [s] by nearest rank, ``None`` if no request was answered."""
        (answered,) = self._connection.execute(
            "SELECT count(answered_s) FROM sent WHERE run_id = ?", (self._run_id,)
        ).fetchone()
        if not answered:
            return None
        rank = max(0, -int(-share * answered // 1) - 1)
        (latency,) = self._connection.execute(
            "SELECT answered_s - sent_s AS latency FROM sent WHERE run_id = ? AND answered_s IS NOT NULL "
            "ORDER BY latency LIMIT 1 OFFSET ?",
            (self._run_id, min(rank, answered - 1)),
        ).fetchone()
        return float(latency)

    def duration_s(self) -> float:
        """Return the time from the first request sent to the last one sent or answered. [s]"""
        (span,) = self._connection.execute(
            "SELECT max(max(sent_s, coalesce(answered_s, 0.0))) - min(sent_s) FROM sent WHERE run_id = ?",
            (self._run_id,),
        ).fetchone()
        return 0.0 if span is None else float(span)

    def worst_late_s(self) -> float:
        """Return the maximum time a request was sent after it was due [s]: the sender's own backlog."""
        (late,) = self._connection.execute(
            "SELECT max(sent_s - due_s) FROM sent WHERE run_id = ?", (self._run_id,)
        ).fetchone()
        return 0.0 if late is None else max(0.0, float(late))


def _require_journal(path: Path) -> None:
    """Refuse what stands at ``path`` unless it is nothing, an empty file or a journal; it is only read."""
    if not path.exists():
        return
    if not path.is_file():
        raise ValueError("it is no file")
    if path.stat().st_size == 0:
        return
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:  # SQLite itself would write over a short one
            raise ValueError("it is no SQLite file")
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", timeout=BUSY_S, uri=True)) as connection:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (schema,) = connection.execute("PRAGMA user_version").fetchone()
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if (application, schema) == (APPLICATION_ID, SCHEMA_VERSION) or (not application and not schema and not tables):
        return
    if application == APPLICATION_ID:
        raise ValueError(f"it is a journal of version {schema}, and this pilotfarm writes version {SCHEMA_VERSION}")
    if tables == {"sent"}:
        raise ValueError("it is a journal of an older pilotfarm, whose rows do not name their run")
    raise ValueError("it is a database of another program")


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_S)
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def _add_run(connection: sqlite3.Connection, plan: Plan) -> None:
    began = datetime.fromtimestamp(WallClock().now_s(), UTC).isoformat(timespec="seconds")
    told = json.dumps(asdict(plan))
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        connection.execute(_RUNS)
        connection.execute(_SENT)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        connection.execute(
            "INSERT INTO runs (run, began, url, version, plan) VALUES (?, ?, ?, ?, ?)",
            (plan.run, began, plan.url, version("pilotfarm"), told),
        )
    # The file stays in this mode. While another run writes it cannot change; it then has been changed already.
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode=WAL")
