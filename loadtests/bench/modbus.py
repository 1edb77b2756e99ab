"""The Modbus client of the benchmarks: one outstanding read a connection, nothing decoded but its length."""

from __future__ import annotations

import asyncio
import struct
import time
from dataclasses import dataclass
from typing import cast

import uvloop

REGISTERS = 50
RESPONSE_BYTES = 9 + 2 * REGISTERS


def request(address: int, count: int = REGISTERS, unit: int = 1) -> bytes:
    """A whole read of holding registers (function 3)."""
    return struct.pack(">HHHBBHH", 1, 0, 6, unit, 3, address, count)


class _Reader(asyncio.Protocol):
    def __init__(self, frame: bytes, pause_s: float, until_s: float) -> None:
        self._frame = frame
        self._pause_s = pause_s
        self._until_s = until_s
        self._got = bytearray()
        self._asked_s = 0.0
        self.latencies_s: list[float] = []
        self.reads = 0
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports behave as asyncio.Transport without deriving from it.
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._got += data
        if len(self._got) < RESPONSE_BYTES:
            return
        assert len(self._got) == RESPONSE_BYTES, (
            f"not the answer of {REGISTERS} registers: {bytes(self._got[:16]).hex()}"
        )
        self._got.clear()
        now_s = time.perf_counter()
        self.reads += 1
        if self._pause_s:
            self.latencies_s.append(now_s - self._asked_s)
        if now_s >= self._until_s:
            self._transport.close()
        elif self._pause_s:
            asyncio.get_running_loop().call_later(self._pause_s, self._ask)
        else:
            self._transport.write(self._frame)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def _ask(self) -> None:
        self._asked_s = time.perf_counter()
        if not self._transport.is_closing():
            self._transport.write(self._frame)


@dataclass(frozen=True, slots=True)
class Reads:
    """What a run of reads gave."""

    reads: int
    seconds: float
    latencies_s: list[float]

    @property
    def per_s(self) -> float:
        return self.reads / self.seconds

    def latency_ms(self, share: float) -> float:
        ordered = sorted(self.latencies_s)
        return 1e3 * ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def read_for(addresses: list[tuple[str, int]], register: int, seconds: float, pause_s: float = 0.0) -> Reads:
    """Read from every address at once for ``seconds``; ``pause_s`` between a connection's reads."""

    async def run() -> Reads:
        loop = asyncio.get_running_loop()
        begin_s = time.perf_counter()
        readers = []
        for i, (host, port) in enumerate(addresses):
            # Paced readers start spread over their pause, so that they do not read in step.
            await asyncio.sleep(pause_s / len(addresses) if i else 0.0)
            _, reader = await loop.create_connection(
                lambda: _Reader(request(register), pause_s, begin_s + seconds), host, port
            )
            readers.append(reader)
        await asyncio.wait_for(asyncio.gather(*(reader.ended for reader in readers)), seconds + 30.0)
        took_s = time.perf_counter() - begin_s
        latencies = [latency for reader in readers for latency in reader.latencies_s]
        return Reads(sum(reader.reads for reader in readers), took_s, latencies)

    return uvloop.run(run())


def read_once(host: str, port: int, register: int) -> bytes:
    """The bytes of ``REGISTERS`` registers, read over a plain socket."""
    import socket

    with socket.create_connection((host, port), 10.0) as sock:
        sock.sendall(request(register))
        got = b""
        while len(got) < RESPONSE_BYTES:
            part = sock.recv(4096)
            if not part:
                raise ConnectionError("closed before the answer was whole")
            got += part
    return got[9:]
