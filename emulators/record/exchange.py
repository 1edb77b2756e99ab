"""Files of a folder put in place of others, while readers read and whatever instant a crash takes.

A reader sees the old files or the new one, never both and never neither, because the folder is exchanged as a whole.
With ``TABLE/run=1`` as the folder:

1. the new file is written beside the table's folder, and synced;
2. ``.TABLE.run=1.next`` is filled with a hard link to every file that stays, and with the new one, and synced;
3. ``.TABLE.run=1.next`` and ``TABLE/run=1`` change places in one call;
4. what is now ``.TABLE.run=1.next`` is removed.

A system that cannot exchange names (``renameat2``: Linux alone) renames ``TABLE/run=1`` to ``.TABLE.run=1.old`` and
``.TABLE.run=1.next`` to ``TABLE/run=1``; between the two, readers find no folder. ``recover`` puts right at the next
start what a crash left.
"""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

_EXCHANGE: Final = 2
_AT_FDCWD: Final = -100


def beside(folder: Path, what: str) -> Path:
    """Return a place beside a run's folder of a table that readers of the table do not see."""
    return folder.parents[1] / f".{folder.parent.name}.{folder.name}.{what}"


def replace(folder: Path, gone: Collection[str], made: Path, name: str) -> None:
    """Put ``made``, which is synced, in a run's folder as ``name``, in place of the files ``gone``: all at once."""
    if not gone:
        folder.mkdir(parents=True, exist_ok=True)
        made.rename(folder / name)
        sync(folder)
        return
    after, before = beside(folder, "next"), beside(folder, "old")
    shutil.rmtree(after, ignore_errors=True)
    try:
        after.mkdir()
        shutil.copystat(folder, after)
        for path in folder.iterdir():
            if path.name not in gone:
                os.link(path, after / path.name)
        made.rename(after / name)
        sync(after)
        try:
            _exchange(folder, after)
        except OSError:
            _rename_both(folder, after, before)
        sync(folder.parent)
    finally:
        shutil.rmtree(after, ignore_errors=True)
        shutil.rmtree(before, ignore_errors=True)


def recover(directory: Path, table: str) -> None:
    """Put right what a crash in the middle of ``replace`` or of a write left; nobody else may be writing there."""
    for before, folder in _away(directory, table):
        before.rename(folder)
    for left in directory.glob(f".{table}.*"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink()


def halfway(directory: Path, table: str) -> bool:
    """Whether a folder of a table is missing, between the two renames of a system that cannot exchange names."""
    return any(True for _ in _away(directory, table))


def _away(directory: Path, table: str) -> Iterator[tuple[Path, Path]]:
    for before in directory.glob(f".{table}.*.old"):
        folder = directory / table / before.name.removeprefix(f".{table}.").removesuffix(".old")
        if not folder.exists():
            yield before, folder


def _rename_both(folder: Path, after: Path, before: Path) -> None:
    folder.rename(before)
    try:
        after.rename(folder)
    except OSError:
        before.rename(folder)
        raise


def _exchange(one: Path, other: Path) -> None:
    """Have two names change places at once; ``OSError`` where the system or the file system cannot."""
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        raise OSError("names cannot be exchanged here") from None
    if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one))


def sync(path: Path) -> None:
    """Have a file's bytes, or a folder's names, on the disk before anything that relies on them."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
