"""The files that a site file names, and their fingerprints as they were read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path as FilePath
from stat import S_ISDIR, S_ISREG
from typing import TypeVar

from pilotfarm.emulators.site.document import Document, Path
from pilotfarm.emulators.site.layout import InputFile
from pilotfarm.profiles.series.told import first_line

_T = TypeVar("_T")


class Inputs:
    """What is read besides the site file: each file once in ``found``, by their names."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._found: dict[str, InputFile] = {}

    @property
    def found(self) -> tuple[InputFile, ...]:
        return tuple(self._found[name] for name in sorted(self._found))

    def place(self, name: str) -> FilePath:
        """Return where a file is, whose name counts from the site file's folder."""
        return FilePath(self._document.file).parent / name

    def read(self, name: str, path: Path, bytes_max: int, reader: Callable[[FilePath], _T]) -> _T | None:
        """Return what ``reader`` makes of a file, and keep its fingerprint.

        What is no file, cannot be read, has more than ``bytes_max`` bytes, or changes meanwhile is a problem at
        ``path``, and ``None``. What else ``reader`` raises is raised.
        """
        file = self.place(name)
        try:
            before = file.stat()
            if not S_ISREG(before.st_mode):
                self._document.problem(path, f"{file} is {'a folder' if S_ISDIR(before.st_mode) else 'no plain file'}")
                return None
            if before.st_size > bytes_max:
                self._document.problem(path, f"{file} has {before.st_size:,} bytes; at most {bytes_max:,} are read")
                return None
            with ThreadPoolExecutor(1) as beside:
                digest = beside.submit(_sha256, file)
                read = reader(file)
            after = file.stat()
        except OSError as error:
            self._document.problem(path, f"{file} cannot be read: {error.strerror or first_line(error)}")
            return None
        if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
            self._document.problem(path, f"{file} has changed while it was read")
            return None
        self._found[name] = InputFile(name, digest.result(), after.st_size)
        return read


def _sha256(file: FilePath) -> str:
    with file.open("rb") as octets:
        return hashlib.file_digest(octets, "sha256").hexdigest()
