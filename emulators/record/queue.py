"""A queue in a file, or in memory: SQLite keeps what has been put when the process is killed.

A commit is handed to the system and not waited for on the disk (``synchronous=NORMAL`` with a write-ahead log): it
outlives the process, and a failure of the machine's power may cost the last ones.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from weakref import finalize

from pilotfarm.emulators.contracts.queue import Kept
from pilotfarm.emulators.errors import ConfigError, Problem

VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS readings (number INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS alarms (number INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS read_to (meter TEXT PRIMARY KEY, interval INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""


class SqliteQueue:
    """A queue of at most so many readings, and so many alarms.

    ``file`` is made where it is missing, ``None`` is memory. ``of`` says whose it is, a site and its seed: raises
    ``ConfigError`` for a file that is another's or cannot be had.
    """

    def __init__(self, file: Path | None, of: str, *, readings_max: int, alarms_max: int) -> None:
        self._readings_max, self._alarms_max = readings_max, alarms_max
        self.lost_alarms = 0
        self.problem = ""
        try:
            self._base = sqlite3.connect(
                ":memory:" if file is None else file, isolation_level=None, timeout=1.0, check_same_thread=False
            )
            self._end = finalize(self, self._base.close)
            self._base.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=NORMAL")
            self._claim(file, of)
        except sqlite3.Error as error:
            raise ConfigError([Problem(str(file), 0, "", f"cannot be had as a queue: {error}")]) from None
        self._counts = {table: self._count(table) for table in ("readings", "alarms")}

    def _claim(self, file: Path | None, of: str) -> None:
        ((version,),) = self._base.execute("PRAGMA user_version")
        if version not in (0, VERSION):
            raise ConfigError([Problem(str(file), 0, "", f"is a queue of version {version}, not {VERSION}")])
        self._base.executescript(_SCHEMA)
        self._base.execute("CREATE TABLE IF NOT EXISTS about (of TEXT NOT NULL) STRICT")
        whose = self._base.execute("SELECT of FROM about").fetchone()
        if whose is None:
            self._base.execute("INSERT INTO about VALUES (?)", (of,))
        elif whose != (of,):
            raise ConfigError([Problem(str(file), 0, "", f"is the queue of {whose[0]}, not of {of}")])
        self._base.execute(f"PRAGMA user_version={VERSION}")

    # ------------------------------------------------------------------------------------ putting

    def put_readings(self, texts: Sequence[str], read_to: Mapping[str, int]) -> bool:
        if self._counts["readings"] + len(texts) > self._readings_max:
            self.problem = f"the queue is full: {self._counts['readings']} readings wait to be acknowledged"
            return False
        try:
            with self._base:
                self._base.execute("BEGIN IMMEDIATE")
                self._base.executemany("INSERT INTO readings (text) VALUES (?)", [(text,) for text in texts])
                self._base.executemany("INSERT OR REPLACE INTO read_to VALUES (?, ?)", read_to.items())
        except sqlite3.Error as error:
            self.problem = f"the queue cannot be written: {error}"
            return False
        self._counts["readings"] += len(texts)
        self.problem = ""
        return True

    def put_alarms(self, texts: Sequence[str]) -> None:
        over = max(self._counts["alarms"] + len(texts) - self._alarms_max, 0)
        try:
            with self._base:
                self._base.execute("BEGIN IMMEDIATE")
                self._base.executemany("INSERT INTO alarms (text) VALUES (?)", [(text,) for text in texts])
                self._base.execute(
                    "DELETE FROM alarms WHERE number IN (SELECT number FROM alarms ORDER BY number LIMIT ?)", (over,)
                )
        except sqlite3.Error:
            self.lost_alarms += len(texts)
            return
        self.lost_alarms += over
        self._counts["alarms"] += len(texts) - over

    # ------------------------------------------------------------------------------------ reading

    def readings(self, after: int, count: int) -> Sequence[Kept]:
        return self._after("readings", after, count)

    def alarms(self, after: int, count: int) -> Sequence[Kept]:
        return self._after("alarms", after, count)

    def acknowledge_readings(self, to: int) -> int:
        return self._forget("readings", to)

    def acknowledge_alarms(self, to: int) -> int:
        return self._forget("alarms", to)

    def read_to(self) -> Mapping[str, int]:
        return dict(self._base.execute("SELECT meter, interval FROM read_to"))

    def waiting(self) -> tuple[int, int]:
        return self._counts["readings"], self._counts["alarms"]

    def close(self) -> None:
        self._end()

    def _after(self, table: str, after: int, count: int) -> Sequence[Kept]:
        asked = f"SELECT number, text FROM {table} WHERE number > ? ORDER BY number LIMIT ?"  # noqa: S608  of ours
        return [Kept(*row) for row in self._base.execute(asked, (after, count))]

    def _forget(self, table: str, to: int) -> int:
        try:
            gone = self._base.execute(f"DELETE FROM {table} WHERE number <= ?", (to,)).rowcount  # noqa: S608
        except sqlite3.Error:
            return 0
        self._counts[table] -= gone
        return gone

    def _count(self, table: str) -> int:
        ((count,),) = self._base.execute(f"SELECT count(*) FROM {table}")  # noqa: S608
        return int(count)
