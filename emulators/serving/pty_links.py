"""Links to pseudo-terminals: one farm has one at a time, and what a farm that crashed has left is no hindrance."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

PSEUDO_TERMINALS: Final = "/dev/pts/"


def locked(link: Path) -> int:
    """Return the descriptor of a lock by which one farm has a link; ``OSError`` if another has it."""
    for folder in (link.parent.parent, link.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid != os.getuid():
            raise OSError(errno.EPERM, f"the folder {folder} is another user's")
    while True:
        fd = os.open(_lock_of(link), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(fd).st_ino == _lock_of(link).stat().st_ino:
                return fd
        except FileNotFoundError:  # who had it has just removed it
            pass
        except BlockingIOError:
            os.close(fd)
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY)) from None
        os.close(fd)


def _lock_of(link: Path) -> Path:
    return link.with_name(f".{link.name}.lock")


def cleared(link: Path) -> None:
    """Remove the link of a farm that crashed; what else is there stays, and is an ``OSError``."""
    if link.is_symlink() and str(link.readlink()).startswith(PSEUDO_TERMINALS):
        link.unlink()
    elif link.is_symlink() or link.exists():
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))


def unlink(link: Path, other_end: str) -> None:
    if link.is_symlink() and str(link.readlink()) == other_end:
        link.unlink()


def unlock(link: Path, lock: int) -> None:
    """Remove the lock, and folders with nothing else in them."""
    _lock_of(link).unlink(missing_ok=True)
    os.close(lock)
    with suppress(OSError):
        link.parent.rmdir()
        link.parent.parent.rmdir()
