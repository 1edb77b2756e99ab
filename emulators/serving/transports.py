"""The only module with sockets: how bytes come to an address; ``lines`` has what is no socket.

A transport is opened and closed, and says who arrives. Listeners are plain sockets watched by the event loop, which
keeps ten thousand of them cheap; an arrival that is let in becomes a transport of the event loop.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol, runtime_checkable

from pilotfarm.emulators.errors import LinkError
from pilotfarm.emulators.serving.descriptors import SHORTAGE
from pilotfarm.emulators.serving.lines import PtyTransport, TtyTransport
from pilotfarm.emulators.site.layout import Endpoint, PtyEndpoint, SerialEndpoint, TcpEndpoint

BACKLOG: Final = 128
ACCEPTS_A_TURN: Final = 64
PAUSE_S: Final = 1.0
"""How long nobody is accepted where the system has just refused a descriptor or memory."""
_GONE: Final = (errno.EPROTO, errno.ENOPROTOOPT, errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH)
"""What ``accept`` says of a peer that is gone before it is let in; see accept(2) of Linux."""

_DEAD_AFTER_S: Final = 120
"""How long a peer may leave a probe, or bytes, without an acknowledgement."""
_KEEP_ALIVE: Final = {
    "TCP_KEEPIDLE": 60,  # s of silence before the first probe
    "TCP_KEEPALIVE": 60,  # the same, as macOS calls it
    "TCP_KEEPINTVL": 15,  # s between probes
    "TCP_KEEPCNT": 4,
    "TCP_USER_TIMEOUT": 1_000 * _DEAD_AFTER_S,  # ms; where bytes wait for a peer there are no probes
}
"""Options of the sockets, where the system has them. The defaults of Linux would find out after more than two hours."""


class Arrival(Protocol):
    """Somebody who wants to talk, to be let in or turned away."""

    @property
    def peer(self) -> str: ...
    async def let_in(self, connection: asyncio.Protocol) -> None:
        """Hand the bytes to a connection; ``LinkError`` if whoever came has gone."""
        ...

    def turn_away(self) -> None:
        """Close so that the peer learns at once and no descriptor lingers."""
        ...


class Transport(Protocol):
    """One address."""

    @property
    def is_open(self) -> bool: ...
    def open(self, arrived: Callable[[Arrival], None]) -> None:
        """Be there for whoever comes; ``OSError`` if the address cannot be had."""
        ...

    def close(self) -> None:
        """Be gone; what was let in stays."""
        ...


@runtime_checkable
class Lasting(Protocol):
    """A transport that is there while it is closed, too."""

    def remove(self) -> None:
        """Be gone for good."""
        ...


class Acceptor:
    """Accepts who comes to a listening socket; where the system is short of descriptors or memory, it pauses."""

    __slots__ = ("_a_turn", "_arrived", "_pause", "_sock")

    def __init__(self, sock: socket.socket, arrived: Callable[[Arrival], None], a_turn: int = ACCEPTS_A_TURN) -> None:
        self._sock = sock
        self._arrived = arrived
        self._a_turn = a_turn
        self._pause: asyncio.TimerHandle | None = None
        asyncio.get_running_loop().add_reader(sock.fileno(), self._accept)

    def close(self) -> None:
        """Accept nobody any more, and close the socket."""
        if self._pause is not None:
            self._pause.cancel()
        asyncio.get_running_loop().remove_reader(self._sock.fileno())
        self._sock.close()
        SHORTAGE.over(self)

    def _accept(self) -> None:
        for _ in range(self._a_turn):
            if self._sock.fileno() < 0:
                return
            try:
                sock, peer = self._sock.accept()
            except (BlockingIOError, ConnectionAbortedError):
                break
            except OSError as error:
                if error.errno in _GONE:
                    break
                self._rest(error)
                return
            self._arrived(_TcpArrival(sock, f"{peer[0]}:{peer[1]}"))
        SHORTAGE.over(self)

    def _rest(self, error: OSError) -> None:
        """Leave the loop for a while: whoever waits in the backlog would wake it at every turn."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._sock.fileno())
        self._pause = loop.call_later(PAUSE_S, self._go_on)
        SHORTAGE.begin(self, error)

    def _go_on(self) -> None:
        self._pause = None
        asyncio.get_running_loop().add_reader(self._sock.fileno(), self._accept)
        self._accept()


class TcpTransport:
    """A listening TCP socket."""

    __slots__ = ("_acceptor", "_endpoint")

    def __init__(self, endpoint: TcpEndpoint) -> None:
        self._endpoint = endpoint
        self._acceptor: Acceptor | None = None

    @property
    def is_open(self) -> bool:
        return self._acceptor is not None

    def open(self, arrived: Callable[[Arrival], None]) -> None:
        family = socket.AF_INET6 if ":" in self._endpoint.host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((self._endpoint.host, self._endpoint.port))
            sock.listen(BACKLOG)
        except OSError:
            sock.close()
            raise
        self._acceptor = Acceptor(sock, arrived)

    def close(self) -> None:
        if self._acceptor is not None:
            self._acceptor.close()
            self._acceptor = None


class _TcpArrival:
    __slots__ = ("_sock", "peer")

    def __init__(self, sock: socket.socket, peer: str) -> None:
        self._sock = sock
        self.peer = peer

    async def let_in(self, connection: asyncio.Protocol) -> None:
        try:
            self._sock.setblocking(False)
            _keep_alive(self._sock)
            await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, self._sock)
        except OSError as error:
            self._sock.close()
            raise LinkError(str(error)) from None

    def turn_away(self) -> None:
        _reset_when_closed(self._sock)
        self._sock.close()


def reset(transport: asyncio.Transport) -> None:
    """End a connection at once, and have its peer told that it was reset (RFC 9293, 3.10.7.4)."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        _reset_when_closed(sock)
    transport.abort()


def _reset_when_closed(sock: socket.socket) -> None:
    with suppress(OSError):  # of a peer that is gone
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _keep_alive(sock: socket.socket) -> None:
    """Have the system close the connection when the peer is gone without a word."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


TRANSPORTS: Final[dict[type, Callable[[Any], Transport]]] = {
    TcpEndpoint: TcpTransport,
    SerialEndpoint: TtyTransport,
    PtyEndpoint: PtyTransport,
}
"""How the bytes come to each kind of endpoint that a site file may have."""


def transport_of(endpoint: Endpoint) -> Transport:
    """Return the transport of an endpoint."""
    return TRANSPORTS[type(endpoint)](endpoint)
