"""Where the reference SESP keeps readings: the first of each name is stored, and every later one is counted.

A later one with the same content is a duplicate, with any other content a conflict. Content is the kind, the instant,
the values and the quality; the time of sending is not, for a reading that is sent again has another one.

A store belongs to one thread at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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
    RowMapping,
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

CONFLICTS: Final = Table(
    "conflicts",
    _METADATA,
    Column("reading_id", BigInteger, primary_key=True, autoincrement=False),
    Column("copies", Integer, nullable=False),
)
"""How many readings came under the name of a stored one with other content; ``readings.copies`` counts them too."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The outcome of one reading: the id its name is stored under, and whether with its content or with another."""

    id: int
    duplicate: bool
    conflict: bool


@dataclass(frozen=True, slots=True)
class _Held:
    """What the table holds of a name."""

    id: int
    copies: int
    content: tuple[Any, ...]


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
            row |= {"timestamp_s": 0.0, "sent_s": None, "received_s": 0.0, "copies": 1}
            (held,) = self._upsert(connection, [row]).values()
            self._add_conflicts(connection, {held.id: 1})
            connection.rollback()

    def add(self, rows: Sequence[dict[str, Any]]) -> list[Stored]:
        """Store readings in one transaction; the answer has one entry a row, in the order given."""
        copies = Counter(map(_key, rows))
        first: dict[Key, dict[str, Any]] = {}
        for row in rows:
            first.setdefault(_key(row), row)
        with self._engine.begin() as connection:
            held = self._upsert(connection, [{**row, "copies": copies[key]} for key, row in first.items()])
            known = {key for key, found in held.items() if found.copies > copies[key]}
            answers = list(_outcomes(rows, held, known))
            self._add_conflicts(connection, Counter(answer.id for answer in answers if answer.conflict))
        return answers

    def _upsert(self, connection: Connection, rows: list[dict[str, Any]]) -> dict[Key, _Held]:
        """Insert rows of different keys, or add to the copies of those already there; return what is there now."""
        insert = self._insert(READINGS)
        c = READINGS.c
        upsert = insert.on_conflict_do_update(
            index_elements=["run", "device_id", "sequence"], set_={"copies": c.copies + insert.excluded.copies}
        ).returning(READINGS)
        return {
            _key(row): _Held(row["id"], row["copies"], _content(row))
            for row in connection.execute(upsert, rows).mappings()
        }

    def _add_conflicts(self, connection: Connection, counts: Mapping[int, int]) -> None:
        """Count conflicts with stored readings, by their ids."""
        if not counts:
            return
        insert = self._insert(CONFLICTS)
        upsert = insert.on_conflict_do_update(
            index_elements=["reading_id"], set_={"copies": CONFLICTS.c.copies + insert.excluded.copies}
        )
        connection.execute(upsert, [{"reading_id": found, "copies": count} for found, count in counts.items()])

    def readings(
        self, *, device_id: str | None, run: str | None, since_s: float | None, after: int, limit: int
    ) -> list[dict[str, Any]]:
        """Read back what was stored, in the order of arrival, from the id after ``after``."""
        query = (
            select(READINGS, _CONFLICTING.label("conflicts"))
            .select_from(_COUNTED)
            .where(READINGS.c.id > after)
            .order_by(READINGS.c.id)
            .limit(limit)
        )
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
        """List, device by device, which sequence numbers of a run are stored, and which came again with what content.

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
            select(c.sequence, c.copies, _CONFLICTING)
            .select_from(_COUNTED)
            .where(c.run == run, c.device_id == device)
            .order_by(c.sequence)
        )
        ranges: list[list[int]] = []
        duplicates: list[list[int]] = []
        conflicts: list[list[int]] = []
        for sequence, copies, conflicting in rows:
            if ranges and ranges[-1][1] + 1 == sequence:
                ranges[-1][1] = sequence
            else:
                ranges.append([sequence, sequence])
            if copies > 1 + conflicting:
                duplicates.append([sequence, copies - 1 - conflicting])
            if conflicting:
                conflicts.append([sequence, conflicting])
        return {"device_id": device, "stored": ranges, "duplicates": duplicates, "conflicts": conflicts}


def expanded(ranges: Sequence[Sequence[int]]) -> Iterator[int]:
    """Yield the numbers of ranges ``[first, last]``."""
    for first, last in ranges:
        yield from range(first, last + 1)


_COUNTED: Final = READINGS.outerjoin(CONFLICTS, CONFLICTS.c.reading_id == READINGS.c.id)
_CONFLICTING: Final = func.coalesce(CONFLICTS.c.copies, 0)


def _outcomes(rows: Sequence[dict[str, Any]], held: Mapping[Key, _Held], known: set[Key]) -> Iterator[Stored]:
    """Yield what became of each row; ``known`` are the keys that were stored before the first of them."""
    known = set(known)
    for row in rows:
        key = _key(row)
        same = _content(row) == held[key].content
        yield Stored(held[key].id, duplicate=same and key in known, conflict=not same)
        known.add(key)


def _key(row: RowMapping | dict[str, Any]) -> Key:
    return row["run"], row["device_id"], row["sequence"]


def _content(row: RowMapping | dict[str, Any]) -> tuple[Any, ...]:
    """What a reading says. A value whose quality is 0 is good, as is one without a quality."""
    quality = {name: bits for name, bits in row["quality"].items() if bits}
    return row["kind"], row["timestamp_s"], row["values"], quality
