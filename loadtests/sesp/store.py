"""Where the reference SESP keeps readings: one table, each reading stored once and every copy counted.

Any database SQLAlchemy knows with ``ON CONFLICT`` serves: SQLite in a file (with a write-ahead log),
SQLite in memory, PostgreSQL. A store belongs to one thread at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    Engine,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    create_engine,
    event,
    func,
    make_url,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from emulators.errors import StateError

Key: TypeAlias = tuple[str, str, int]
"""What makes a reading one and the same: run, device and sequence number."""

NAME_MAX: Final = 200
"""Longest name of a device, kind or run. [characters]"""

_INSERT: Final[dict[str, Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}

_METADATA: Final = MetaData()

READINGS: Final = Table(
    "readings",
    _METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("run", String(NAME_MAX), nullable=False),
    Column("device_id", String(NAME_MAX), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("kind", String(NAME_MAX), nullable=False),
    Column("timestamp_s", Float(53), nullable=False),
    Column("sent_s", Float(53)),
    Column("received_s", Float(53), nullable=False),
    Column("values", JSON, nullable=False),
    Column("quality", JSON, nullable=False),
    Column("copies", Integer, nullable=False),
    UniqueConstraint("run", "device_id", "sequence"),
)


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of one reading: the id it is stored under, and whether it had been there before."""

    id: int
    duplicate: bool


def database_url(database: str) -> URL:
    """Take a database as a user names it: an SQLAlchemy URL, or the path of an SQLite file."""
    return make_url(database) if "://" in database else URL.create("sqlite", database=str(Path(database)))


def check(database: str) -> None:
    """Open a database and close it again; ``StateError`` says why that does not work."""
    try:
        Store(database).close()
    except (SQLAlchemyError, ValueError, ImportError) as error:
        cause = getattr(error, "orig", None) or error
        raise StateError(f"the database {database} cannot be used: {cause}") from error


class Store:
    """The readings of a SESP. Times are seconds since 1970 UTC."""

    def __init__(self, database: str) -> None:
        url = database_url(database)
        in_memory = url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")
        options: dict[str, Any] = {"poolclass": StaticPool} if in_memory else {}
        if url.get_backend_name() == "sqlite":
            options["connect_args"] = {"check_same_thread": False}
        self._engine: Engine = create_engine(url, **options)
        if self._engine.dialect.name not in _INSERT:
            raise ValueError(f"the SESP stores in SQLite or PostgreSQL, not in {self._engine.dialect.name}")
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _write_ahead)
        self._insert = _INSERT[self._engine.dialect.name]
        _METADATA.create_all(self._engine)

    def close(self) -> None:
        self._engine.dispose()

    def add(self, rows: Sequence[dict[str, Any]]) -> list[Stored]:
        """Store readings in one transaction; the answer has one entry a row, in the order given."""
        copies = Counter(map(_key, rows))
        first: dict[Key, dict[str, Any]] = {}
        for row in rows:
            first.setdefault(_key(row), row)
        insert = self._insert(READINGS)
        upsert = insert.on_conflict_do_update(
            index_elements=["run", "device_id", "sequence"],
            set_={"copies": READINGS.c.copies + insert.excluded.copies},
        ).returning(READINGS.c.run, READINGS.c.device_id, READINGS.c.sequence, READINGS.c.id, READINGS.c.copies)
        ids: dict[Key, int] = {}
        known: set[Key] = set()
        with self._engine.begin() as connection:
            for run, device, sequence, found, total in connection.execute(
                upsert, [{**row, "copies": copies[key]} for key, row in first.items()]
            ):
                key = (run, device, sequence)
                ids[key] = found
                if total > copies[key]:
                    known.add(key)
        answers = []
        for key in map(_key, rows):
            answers.append(Stored(ids[key], key in known))
            known.add(key)
        return answers

    def readings(
        self, *, device_id: str | None, run: str | None, since_s: float | None, after: int, limit: int
    ) -> list[dict[str, Any]]:
        """Read back what was stored, in the order of arrival, from the id after ``after``."""
        query = select(READINGS).where(READINGS.c.id > after).order_by(READINGS.c.id).limit(limit)
        if device_id is not None:
            query = query.where(READINGS.c.device_id == device_id)
        if run is not None:
            query = query.where(READINGS.c.run == run)
        if since_s is not None:
            query = query.where(READINGS.c.timestamp_s >= since_s)
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def devices(self, *, after: str, limit: int) -> list[dict[str, Any]]:
        """List the devices heard of, by name, from the one after ``after``."""
        query = (
            select(
                READINGS.c.device_id,
                func.max(READINGS.c.kind).label("kind"),
                func.count().label("readings"),
                func.max(READINGS.c.timestamp_s).label("last_s"),
            )
            .where(READINGS.c.device_id > after)
            .group_by(READINGS.c.device_id)
            .order_by(READINGS.c.device_id)
            .limit(limit)
        )
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def sequences(self, run: str, *, after: str, limit: int) -> list[dict[str, Any]]:
        """List, device by device, which sequence numbers of a run are stored and which came more than once.

        Numbers that follow each other are one range ``[first, last]``, so a run without loss is one
        range a device, however long.
        """
        c = READINGS.c
        with self._engine.connect() as connection:
            names = connection.scalars(
                select(c.device_id)
                .where(c.run == run, c.device_id > after)
                .distinct()
                .order_by(c.device_id)
                .limit(limit)
            ).all()
            return [self._sequences_of(connection, run, name) for name in names]

    @staticmethod
    def _sequences_of(connection: Connection, run: str, device: str) -> dict[str, Any]:
        c = READINGS.c
        rows = connection.execute(
            select(c.sequence, c.copies).where(c.run == run, c.device_id == device).order_by(c.sequence)
        )
        ranges: list[list[int]] = []
        duplicates: list[list[int]] = []
        for sequence, copies in rows:
            if ranges and ranges[-1][1] + 1 == sequence:
                ranges[-1][1] = sequence
            else:
                ranges.append([sequence, sequence])
            if copies > 1:
                duplicates.append([sequence, copies - 1])
        return {"device_id": device, "stored": ranges, "duplicates": duplicates}


def members(ranges: Sequence[Sequence[int]]) -> Iterator[int]:
    """Count out ranges ``[first, last]`` again."""
    for first, last in ranges:
        yield from range(first, last + 1)


def _key(row: dict[str, Any]) -> Key:
    return row["run"], row["device_id"], row["sequence"]


def _write_ahead(connection: Any, _record: Any) -> None:
    """Let a commit cost one append: the log is on disk at each checkpoint, and survives a crash of the process."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()
