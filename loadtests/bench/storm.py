"""A reconnect storm: everybody is cut off, and all masters are back at once, or as fast as a spread has it."""

from __future__ import annotations

import asyncio
import random
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, cast

import httpx
import uvloop

from pilotfarm.loadtests.bench.modbus import RESPONSE_BYTES, request

RETRY_S: Final = 1.0
"""A master that is not let in tries again after half of that to one and a half."""
DOWN_S: Final = 5.0
PATIENCE_S: Final = 120.0
OWN_FILES: Final = 400
"""Open files that the farm and a bench need beside listeners and connections."""


def devices_max(wanted: int) -> int:
    """Return how many devices can each have a listener and a master; a farm's open files are limited."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, (hard - OWN_FILES) // 2)


@dataclass(slots=True)
class _Masters:
    """Masters with a connection each, that connect again for as long as it takes."""

    register: int
    served: int = 0
    every: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while all of them have been answered on the connection they have."""
    cut: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while one of them has not."""

    async def run(self, addresses: Sequence[tuple[str, int]]) -> None:
        await asyncio.gather(*(self._one(host, port, len(addresses)) for host, port in addresses))

    async def _one(self, host: str, port: int, number: int) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                _, reader = await loop.create_connection(lambda: _Reader(request(self.register)), host, port)
            except OSError:
                await asyncio.sleep(RETRY_S * random.uniform(0.5, 1.5))  # noqa: S311  no secret
                continue
            if await reader.answered:
                self._count(1, number)
                await reader.ended
                self._count(-1, number)
            await asyncio.sleep(RETRY_S * random.uniform(0.0, 1.0))  # noqa: S311  no secret

    def _count(self, more: int, number: int) -> None:
        self.served += more
        if self.served == number:
            self.every.set()
            self.cut.clear()
        else:
            self.every.clear()
            self.cut.set()


class _Reader(asyncio.Protocol):
    """Asks once, and stays."""

    def __init__(self, frame: bytes) -> None:
        self._frame = frame
        self._octets = 0
        loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[bool] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self._frame)

    def data_received(self, data: bytes) -> None:
        self._octets += len(data)
        if self._octets == RESPONSE_BYTES and not self.answered.done():
            self.answered.set_result(True)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answered.done():
            self.answered.set_result(False)
        self.ended.set_result(None)


def back_s(api: str, addresses: Sequence[tuple[str, int]], register: int, spreads_s: Sequence[float]) -> list[float]:
    """Return how long it takes, for each spread, from the end of a fault until every master is served again. [s]"""

    async def run() -> list[float]:
        masters = _Masters(register)
        running = asyncio.ensure_future(masters.run(addresses))
        async with httpx.AsyncClient(base_url=f"{api}/api/v1", timeout=PATIENCE_S, trust_env=False) as rest:
            await asyncio.wait_for(masters.every.wait(), PATIENCE_S)
            found = [await _cut_off(rest, masters, spread_s) for spread_s in spreads_s]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return found

    return uvloop.run(run())


async def _cut_off(rest: httpx.AsyncClient, masters: _Masters, spread_s: float) -> float:
    body = {"kind": "offline", "mode": "cut", "duration_s": DOWN_S, "spread_s": spread_s}
    (await rest.post("/faults", json=body)).raise_for_status()
    # The site's time is wall time. So the first to be cut off tells when the fault has begun, and when it ends.
    await asyncio.wait_for(masters.cut.wait(), PATIENCE_S)
    ends_s = time.monotonic() + DOWN_S
    await asyncio.wait_for(masters.every.wait(), PATIENCE_S)
    return time.monotonic() - ends_s
