"""Captures: what connections to some addresses say and hear, as packets in a queue with a bound."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Hashable, Iterable
from typing import Final

from pilotfarm.emulators.serving import pcapng
from pilotfarm.emulators.serving.pcapng import TcpStream

WAITING_MAX: Final = 4 * 1024 * 1024
"""Octets that may wait for a reader; when they are full, packets are dropped and counted."""
CAPTURES_MAX: Final = 8


class Capture:
    """One reader's packets that it has not had yet, and the streams they belong to."""

    def __init__(self) -> None:
        self._streams: dict[Hashable, TcpStream] = {}
        self._waiting: deque[bytes] = deque([pcapng.header()])
        self._octets = 0
        self._more = asyncio.Event()
        self._ended = False
        self.packets = self.dropped = 0

    # ----------------------------------------------------------------------- told by connections

    def began(self, connection: Hashable, peer: str, device: str, unix_s: float) -> None:
        """Show a new connection from a peer to a device's address, ``HOST:PORT`` each; lines have no beginning."""
        if _is_address(device):
            self._segments(unix_s, self._stream(connection, peer, device).began())

    def said(self, connection: Hashable, peer: str, device: str, data: bytes, unix_s: float, *, inbound: bool) -> None:
        """Show octets that came from the peer, or went to it."""
        if _is_address(device):
            self._segments(unix_s, self._stream(connection, peer, device).said(inbound, data))
        else:
            self._put(pcapng.on_line(unix_s, data, inbound=inbound))

    def ended(self, connection: Hashable, unix_s: float, *, reset: bool) -> None:
        stream = self._streams.pop(connection, None)
        if stream is not None:
            self._segments(unix_s, stream.ended(reset=reset))

    def _stream(self, connection: Hashable, peer: str, device: str) -> TcpStream:
        if connection not in self._streams:
            self._streams[connection] = TcpStream(_end(peer), _end(device))
        return self._streams[connection]

    def _segments(self, unix_s: float, segments: Iterable[tuple[bool, bytes]]) -> None:
        for inbound, segment in segments:
            self._put(pcapng.packet(unix_s, segment, inbound=inbound))

    def _put(self, packet: bytes) -> None:
        if self._octets + len(packet) > WAITING_MAX:
            self.dropped += 1
            return
        self.packets += 1
        self._octets += len(packet)
        self._waiting.append(packet)
        self._more.set()

    # ------------------------------------------------------------------------------------ reading

    def end(self, unix_s: float) -> None:
        """Take nothing any more; a file that lacks packets says so in the end."""
        if self.dropped and not self._ended:
            self._waiting.append(pcapng.dropped(unix_s, self.dropped))
        self._ended = True
        self._more.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the file piece by piece as it comes, until the capture ends."""
        while True:
            taken = b"".join(self._waiting)
            self._waiting.clear()
            self._octets = 0
            if taken:
                yield taken
            elif self._ended:
                return
            else:
                self._more.clear()
                await self._more.wait()


def _is_address(device: str) -> bool:
    """Whether it is no serial line, which is named by its path."""
    return not device.startswith("/")


def _end(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)
