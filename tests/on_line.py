"""Masters at the other end of a serial line that a pilot serves in the same process."""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from on_loopback import until

from pilotfarm.emulators.serving.lines import _Line
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.wire.rtu import framed

READ = bytes.fromhex("03 9c40 0002")
SUNS = b"\x03\x04SunS"


def unread(fd: int) -> int:
    """Octets that have come to a terminal and that nobody has read."""
    count: int = struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4))[0]
    return count


class LineMaster:
    """Opens a line and asks; what it gets it reads when a test says so."""

    def __init__(self, path: Path | str | int) -> None:
        self.fd = path if isinstance(path, int) else os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def close(self) -> None:
        os.close(self.fd)

    def say(self, octets: bytes) -> None:
        assert os.write(self.fd, octets) == len(octets)
        Octets.said += len(octets)

    async def hear(self, size: int) -> bytes:
        heard = b""
        while len(heard) < size:
            await until(lambda: unread(self.fd) > 0)
            heard += os.read(self.fd, size - len(heard))
        return heard

    def left(self) -> bytes:
        """What has come and nobody has read."""
        with suppress(OSError):  # nothing, or nobody has the other end open
            return os.read(self.fd, 65_536)
        return b""

    async def ask(self, unit: int = 1, message: bytes = READ, size: int = len(SUNS) + 3) -> bytes:
        self.say(framed(unit, message))
        return await self.hear(size)

    async def is_answered(self, unit: int = 1) -> bool:
        return await self.ask(unit) == framed(unit, SUNS)


@contextmanager
def at(path: Path | str) -> Iterator[LineMaster]:
    master = LineMaster(path)
    try:
        yield master
    finally:
        master.close()


class Octets:
    """How many masters have said, and how many the lines have taken; the system is in no hurry to bring them over."""

    said = 0
    taken = 0


@pytest.fixture
def octets(monkeypatch: pytest.MonkeyPatch) -> type[Octets]:
    """Count from here on."""
    take = _Line._take

    def counted(line: _Line, data: bytes) -> None:
        Octets.taken += len(data)
        take(line, data)

    monkeypatch.setattr(_Line, "_take", counted)
    Octets.said = Octets.taken = 0
    return Octets


async def taken(pilot: Pilot) -> None:
    """Wait until the line of a pilot has taken what its masters have said, and it has had time to answer."""
    (line,) = [each.transport for each in pilot.server._listeners if isinstance(each.transport, _Line)]
    if line._fd < 0:  # nobody takes it: it has to have come before somebody does, who drops it
        with at(line.endpoint.device) as near:
            await until(lambda: unread(near.fd) == Octets.said - Octets.taken)
        Octets.taken = Octets.said
    await until(lambda: Octets.taken == Octets.said)
    for _ in range(5):
        await asyncio.sleep(0)
