"""A ledger's folder: had by one farm at a time, and every file in it whole."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from pilotfarm.emulators.errors import ConfigError, Problem
from pilotfarm.emulators.record.exchange import recover
from pilotfarm.emulators.record.schema import RUN, SCHEMAS, VERSION, version_of
from pilotfarm.emulators.record.tables import runs_in

LOCK: Final = ".lock"
_PROBE_BYTES: Final = 65_536
"""What has to fit at the start: about a first file of a small site."""


def claimed(directory: Path) -> int:
    """Take a folder for writing, made if it is missing, and mend what a crash left; returns the lock to ``release``.

    Raises ``ConfigError`` when it cannot be written, when another farm writes there, and when what it holds is of
    another version of the ledger.
    """
    lock = -1
    try:
        if directory.exists() and not directory.is_dir():
            raise _refused(directory, "is a file, not a folder")
        directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        _take(lock, directory)
        for table in SCHEMAS:
            recover(directory, table)
            _fits(directory / table, SCHEMAS[table])
        for folder in (directory, *(directory / table for table in SCHEMAS if (directory / table).exists())):
            _probe(folder)
    except OSError as error:
        release(lock)
        raise _refused(error.filename or directory, f"cannot be written: {error.strerror or error}") from None
    except ConfigError:
        release(lock)
        raise
    return lock


def new_run(directory: Path) -> int:
    """Return the number of the next run in a folder; they count from 1."""
    told = (path.stem.removeprefix(f"{RUN}-") for path in directory.glob(f"{RUN}-*.json"))
    return 1 + max([*runs_in(directory), *(int(number) for number in told if number.isdecimal())], default=0)


def about(directory: Path, run: int) -> Path:
    """Return the file that says what a run is of."""
    return directory / f"{RUN}-{run}.json"


def release(lock: int) -> None:
    if lock >= 0:
        os.close(lock)


def _take(lock: int, directory: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _refused(directory, "another pilotfarm writes its ledger there") from None
    except OSError:
        return  # a network's file system without locks; nobody can be kept out there


def _fits(folder: Path, schema: pa.Schema) -> None:
    file = max(folder.rglob("*.parquet"), default=None)
    if file is None:
        return
    try:
        found = pq.read_schema(file)
    except pa.ArrowInvalid:
        raise _refused(file, "is no whole Parquet file; take it away") from None
    if version_of(found) != VERSION or not found.equals(schema):
        message = f"holds a ledger of version {version_of(found)}, and this pilotfarm writes version {VERSION}"
        raise _refused(folder, message)


def _probe(folder: Path) -> None:
    path = folder / f".probe-{os.getpid()}"
    try:
        with path.open("wb", buffering=0) as file:
            if file.write(bytes(_PROBE_BYTES)) < _PROBE_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
            os.fsync(file.fileno())
    finally:
        with suppress(OSError):
            path.unlink()


def _refused(place: object, message: str) -> ConfigError:
    return ConfigError([Problem(str(place), 0, "", f"{message}; choose another folder for the ledger")])
