"""Where the reference SESP keeps readings: one table, each reading stored once and every copy counted.

A store belongs to one thread at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from uuid import uuid4

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
    Text,
    UniqueConstraint,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from pilotfarm.emulators.errors import StateError
from pilotfarm.loadtests.sesp.database import cause, connect, require_unicode, without_password

Key: TypeAlias = tuple[str, str, int]
"""What makes a reading one and the same: run, device and sequence number."""

NAME_MAX: Final = 200
"""Maximum length of the name of a device, kind or run. [characters]"""

_INSERT: Final[dict[str, Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}

_METADATA: Final = MetaData()

# In PostgreSQL names have the order of their code points, as in SQLite, whatever the locale; `model` bounds them.
_NAME: Final = String(NAME_MAX).with_variant(Text(collation="C"), "postgresql")

READINGS: Final = Table(
    "readings",
    _METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("run", _NAME, nullable=False),
    Column("device_id", _NAME, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("kind", _NAME, nullable=False),
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
    """The outcome of one reading: the id it is stored under, and whether it was stored before."""

    id: int
    duplicate: bool


def check(database: str) -> None:
    """Open a database, check that it accepts readings, and close it; ``StateError`` says why it does not."""
    try:
        store = Store(database)
        try:
            store.check_writable()
        finally:
            store.close()
    except (SQLAlchemyError, ValueError) as error:
        raise StateError(f"the database {without_password(database)} cannot be used: {cause(error)}") from error


class Store:
    """The readings of a SESP. Times are seconds since 1970 UTC."""

    def __init__(self, database: str) -> None:
        self._engine: Engine = connect(database)
        self._insert = _INSERT[self._engine.dialect.name]
        try:
            require_unicode(self._engine)
            _METADATA.create_all(self._engine)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._engine.dispose()

    def check_writable(self) -> None:
        """Store a reading and roll it back: raises what a database that is read-only or full would answer later."""
        row = {"run": uuid4().hex, "device_id": "", "sequence": 0, "kind": "", "values": {}, "quality": {}}
        with self._engine.connect() as connection:
            self._upsert(connection, [{**row, "timestamp_s": 0.0, "sent_s": None, "received_s": 0.0, "copies": 1}])
            connection.rollback()

    def add(self, rows: Sequence[dict[str, Any]]) -> list[Stored]:
        """Store readings in one transaction; the answer has one entry a row, in the order given."""
        copies = Counter(map(_key, rows))
        first: dict[Key, dict[str, Any]] = {}
        for row in rows:
            first.setdefault(_key(row), row)
        with self._engine.begin() as connection:
            held = self._upsert(connection, [{**row, "copies": copies[key]} for key, row in first.items()])
        known = {key for key, (_, total) in held.items() if total > copies[key]}
        answers = []
        for key in map(_key, rows):
            answers.append(Stored(held[key][0], key in known))
            known.add(key)
        return answers

    def _upsert(self, connection: Connection, rows: list[dict[str, Any]]) -> dict[Key, tuple[int, int]]:
        """Insert rows of different keys, or add to the copies of those already there: key -> id and copies now."""
        insert = self._insert(READINGS)
        c = READINGS.c
        upsert = insert.on_conflict_do_update(
            index_elements=["run", "device_id", "sequence"], set_={"copies": c.copies + insert.excluded.copies}
        ).returning(c.run, c.device_id, c.sequence, c.id, c.copies)
        return {
            (run, device, sequence): (found, total)
            for run, device, sequence, found, total in connection.execute(upsert, rows)
        }

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
        """List the devices that have sent readings, by name, from the one after ``after``."""
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


def expanded(ranges: Sequence[Sequence[int]]) -> Iterator[int]:
    """Yield the numbers of ranges ``[first, last]``."""
    for first, last in ranges:
        yield from range(first, last + 1)


def _key(row: dict[str, Any]) -> Key:
    return row["run"], row["device_id"], row["sequence"]
