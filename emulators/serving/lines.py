"""Serial lines: a device that is there, or a pseudo-terminal that the farm makes.

A line has one master, who has always been there: it arrives when the line is opened, and again when a connection to
it has ended. What is sent while the line takes nothing, or nobody is there, is lost as on wires.

Terminals are set by termios: pyserial would be one more way to do the same, and it has had no release since 2020.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import select
import termios
import tty
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pilotfarm.emulators.errors import LinkError
from pilotfarm.emulators.serving import pty_links
from pilotfarm.emulators.site.layout import PtyEndpoint, SerialEndpoint

READ_BYTES: Final = 4096
READS_A_TURN: Final = 16
AGAIN_S: Final = 0.1
"""How long a line waits after a connection that lasted no longer, before the next."""

_CHARACTER: Final = termios.CSIZE | termios.CSTOPB | termios.PARENB | termios.PARODD

log = logging.getLogger(__name__)


class _Wire(asyncio.Transport):
    """A connection's end of a line. It takes everything at once, and keeps nothing."""

    def __init__(self, line: _Line, connection: asyncio.Protocol) -> None:
        super().__init__()
        self._line = line
        self._closing = False
        self.connection = connection
        self.since_s = asyncio.get_running_loop().time()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is no buffer."""

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self._closing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing:
            self._line.send(data)

    def close(self) -> None:
        self.lose(None)

    abort = close

    def lose(self, why: OSError | None) -> None:
        if not self._closing:
            self._closing = True
            asyncio.get_running_loop().call_soon(self._lost, why)

    def _lost(self, why: OSError | None) -> None:
        self.connection.connection_lost(why)
        self._line.left()


class _Arrival:
    """The master of a line."""

    __slots__ = ("_line", "peer")

    def __init__(self, line: _Line, peer: str) -> None:
        self._line = line
        self.peer = peer

    async def let_in(self, connection: asyncio.Protocol) -> None:
        self._line.let_in(connection)

    def turn_away(self) -> None:
        self._line.close()


class _Line(ABC):
    """A line while it is open, and a connection on it stands."""

    def __init__(self, endpoint: SerialEndpoint) -> None:
        self.endpoint = endpoint
        self.is_open = False
        self._fd = -1
        self._wire: _Wire | None = None
        self._arriving = False
        self._early = b""
        """What has come for a connection that is about to stand."""
        self._arrived: Callable[[Any], None] | None = None

    def open(self, arrived: Callable[[Any], None]) -> None:
        if self._fd < 0:
            self._plug_in()
        self.is_open = True
        self._arriving = False
        self._arrived = arrived
        self._arrive()

    def close(self) -> None:
        self.is_open = False
        self._early = b""
        if self._wire is None:
            self._give_back()

    def let_in(self, connection: asyncio.Protocol) -> None:
        self._arriving = False
        if self._fd < 0:
            raise LinkError("the line is gone")
        self._wire = _Wire(self, connection)
        connection.connection_made(self._wire)
        early, self._early = self._early, b""
        if early:
            connection.data_received(early)

    def left(self) -> None:
        """The connection is gone: the next one comes, or the line is closed."""
        assert self._wire is not None
        loop = asyncio.get_running_loop()
        lasted_s = loop.time() - self._wire.since_s
        self._wire = None
        if self.is_open:
            loop.call_later(AGAIN_S if lasted_s < AGAIN_S else 0.0, self._arrive)
        else:
            self._give_back()

    def send(self, data: bytes | bytearray | memoryview) -> None:
        with suppress(OSError):  # full, or gone, which reading will tell
            os.write(self._fd, data)

    def _arrive(self) -> None:
        if self.is_open and self._wire is None and not self._arriving and self._arrived is not None:
            self._arriving = True
            self._arrived(_Arrival(self, self.endpoint.device))

    def _read(self) -> bool:
        """Take what has come; return whether there may be more."""
        try:
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return False
        except OSError as error:
            self._hung_up(error)
            return False
        if not data:
            self._hung_up(OSError(errno.EIO, os.strerror(errno.EIO)))
            return False
        self._take(data)
        return True

    def _take(self, data: bytes) -> None:
        if self._wire is not None:
            self._wire.connection.data_received(data)
        elif self._arriving:
            self._early = (self._early + data)[-READ_BYTES:]

    @abstractmethod
    def _plug_in(self) -> None:
        """Have a descriptor and watch it; ``OSError`` if it cannot be had."""

    @abstractmethod
    def _give_back(self) -> None:
        """Nobody needs the line for now."""

    @abstractmethod
    def _hung_up(self, error: OSError) -> None:
        """Nothing can be read any more."""


class TtyTransport(_Line):
    """A serial device. While it is closed it is not held, and what comes is lost."""

    def _plug_in(self) -> None:
        fd = os.open(self.endpoint.device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            _set_up(fd, self.endpoint)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY)) from None
        except termios.error as error:
            os.close(fd)
            raise OSError(*error.args) from None
        except OSError:
            os.close(fd)
            raise
        self._fd = fd
        asyncio.get_running_loop().add_reader(fd, self._read)

    def _give_back(self) -> None:
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _hung_up(self, error: OSError) -> None:
        log.warning("%s: gone: %s; tried after every step", self.endpoint.device, error.strerror)
        self.is_open = False
        self._give_back()
        if self._wire is not None:
            self._wire.lose(error)


class PtyTransport(_Line):
    """A pseudo-terminal, and a link to its other end, which stay until ``remove``: a master does not see who is off.

    Linux keeps what has been sent to a pseudo-terminal that nobody has open, for whoever opens it next. Of a line
    that would be lost, and so it is here: nothing is sent to nobody, and what a master has left unread goes with it.
    """

    def __init__(self, endpoint: PtyEndpoint) -> None:
        super().__init__(endpoint)
        self._link = Path(endpoint.device)
        self._other_end = ""
        self._lock = -1
        self._events: select.epoll | None = None
        self._sent = False
        """Whether something may have been left unread."""

    def remove(self) -> None:
        """Be gone for good, with the link."""
        self.close()
        if self._events is not None:
            asyncio.get_running_loop().remove_reader(self._events.fileno())
            self._events.close()
            self._events = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            pty_links.unlink(self._link, self._other_end)
            pty_links.unlock(self._link, self._lock)

    def send(self, data: bytes | bytearray | memoryview) -> None:
        if self._has_master:
            self._sent = True
            super().send(data)

    @property
    def _has_master(self) -> bool:
        looked = select.poll()
        looked.register(self._fd, 0)  # a hang-up is told of anyway
        return self._fd >= 0 and not looked.poll(0)

    def _plug_in(self) -> None:
        if not hasattr(select, "epoll"):
            raise OSError(errno.ENOTSUP, "pseudo-terminals are watched in Linux's way; use a serial device here")
        lock = pty_links.locked(self._link)
        try:
            pty_links.cleared(self._link)
            self._fd, other_end = os.openpty()
        except OSError:
            pty_links.unlock(self._link, lock)
            raise
        self._lock = lock
        self._other_end = os.ttyname(other_end)
        tty.setraw(other_end)
        os.close(other_end)
        os.set_blocking(self._fd, False)
        self._link.symlink_to(self._other_end)
        # A pseudo-terminal that nobody has open is readable all the time; what changes there is told once.
        self._events = select.epoll()
        self._events.register(self._fd, select.EPOLLIN | select.EPOLLHUP | select.EPOLLET)
        asyncio.get_running_loop().add_reader(self._events.fileno(), self._changed)

    def _give_back(self) -> None:
        """Whoever has it open keeps it, and is not heard."""

    def _changed(self) -> None:
        if self._events is None:
            return
        self._events.poll(0)
        for _ in range(READS_A_TURN):
            if self._fd < 0 or not self._read():
                return
        asyncio.get_running_loop().call_soon(self._changed)

    def _hung_up(self, error: OSError) -> None:
        if not self._sent:
            return
        self._sent = False
        with suppress(OSError):  # whoever had it open may have kept it for himself
            other_end = os.open(self._other_end, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            tty.setraw(other_end, termios.TCSAFLUSH)  # and what is unread is gone
            os.close(other_end)


# ------------------------------------------------------------------------------- serial devices


def _set_up(fd: int, endpoint: SerialEndpoint) -> None:
    """Have a terminal hand over octets as they come; characters with a wrong parity are none."""
    parity = {"none": 0, "even": termios.PARENB, "odd": termios.PARENB | termios.PARODD}[endpoint.parity]
    stop_bits = termios.CSTOPB if endpoint.stop_bits == 2 else 0
    rate: int = getattr(termios, f"B{endpoint.baud_rate}")
    control = termios.CS8 | termios.CREAD | termios.CLOCAL | parity | stop_bits
    told = termios.IGNBRK | (termios.INPCK | termios.IGNPAR if parity else 0)
    characters = termios.tcgetattr(fd)[6]
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    # Terminals take what they can of a setting, and say that they took it, or that they took nothing new.
    with suppress(termios.error):
        termios.tcsetattr(fd, termios.TCSANOW, [told, 0, control, 0, rate, rate, characters])
    termios.tcflush(fd, termios.TCIOFLUSH)
    now = termios.tcgetattr(fd)
    has_parity = not os.ttyname(fd).startswith(pty_links.PSEUDO_TERMINALS)
    if now[4:6] != [rate, rate] or (has_parity and (now[2] ^ control) & _CHARACTER):
        raise OSError(errno.EINVAL, f"it does not take {endpoint.baud_rate} bit/s with these characters")
