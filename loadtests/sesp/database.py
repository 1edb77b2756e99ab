"""Which databases the reference SESP can use, how it connects to one, and what a failing one is called.

They are SQLite in a file (with a write-ahead log), SQLite in memory, and PostgreSQL by psycopg 3.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Engine, create_engine, event, make_url, text
from sqlalchemy.pool import StaticPool

SQLITE: Final = ("sqlite", "sqlite+pysqlite")
POSTGRESQL: Final = "postgresql+psycopg"
NO_DRIVER: Final = "PostgreSQL needs its driver, which is not installed: pip install 'pilotfarm[postgresql]'"

ENCODINGS: Final = ("UTF8", "SQL_ASCII")
"""Encodings of a PostgreSQL database that keep any text: in SQL_ASCII it stays the octets we send, which are UTF-8."""

BOUNDS: Final[dict[str, Any]] = {
    "connect_timeout": 5,
    "tcp_user_timeout": 15_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "options": "-c statement_timeout=30s",
}
"""How long a PostgreSQL server may be silent, in libpq's own words: 5 s to take a connection [s], 30 s a statement,
and its machine 15 s (tcp_user_timeout [ms], which only Linux has; while a query runs the keepalives [s] are what goes
unanswered). A parameter of the same name in the URL goes before."""


def database_url(database: str) -> URL:
    """Return the URL of a database as a user names it: an SQLAlchemy or libpq URL, or the path of an SQLite file."""
    if "://" not in database:
        return URL.create("sqlite", database=str(Path(database)))
    url = make_url(database)
    return url.set(drivername=POSTGRESQL) if url.drivername in ("postgresql", "postgres") else url


def without_password(database: str) -> str:
    """Return the name of a database as a message may show it."""
    without = re.sub(r"(://[^/@:]*:).*@", r"\1***@", database)
    return re.sub(r"([?&]password=)[^&]*", r"\1***", without)


def cause(error: BaseException) -> str:
    """Return what the database itself says, on one line."""
    return " ".join(str(getattr(error, "orig", None) or error).split())


def connect(database: str) -> Engine:
    """Return the engine of a database, not connected yet; ``ValueError`` says why it cannot be used."""
    url = database_url(database)
    if url.drivername in SQLITE:
        return _sqlite(url)
    if url.drivername != POSTGRESQL:
        raise ValueError(f"the SESP stores in SQLite, or in PostgreSQL by psycopg 3, not in {url.drivername}")
    return _postgresql(url)


def _sqlite(url: URL) -> Engine:
    in_memory = url.database in (None, "", ":memory:")
    options: dict[str, Any] = {"poolclass": StaticPool} if in_memory else {}
    engine = create_engine(url, connect_args={"check_same_thread": False}, **options)
    event.listen(engine, "connect", _write_ahead)
    return engine


def _write_ahead(connection: Any, _record: Any) -> None:
    """Let a commit cost one append: the log is on disk at each checkpoint, and survives a crash of the process."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _postgresql(url: URL) -> Engine:
    bounds = {name: value for name, value in BOUNDS.items() if name not in url.query}
    try:
        # The ping finds a server that went and came back between two transactions.
        return create_engine(url, pool_pre_ping=True, connect_args={"client_encoding": "UTF8", **bounds})
    except ImportError as error:
        raise ValueError(NO_DRIVER) from error


def require_unicode(engine: Engine) -> None:
    """Refuse a PostgreSQL database whose encoding lacks characters that a name may have."""
    if engine.dialect.name != "postgresql":
        return
    with engine.connect() as connection:
        encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding not in ENCODINGS:
        raise ValueError(f"its encoding is {encoding}, not UTF8: createdb --encoding UTF8 --template template0 NAME")
