"""What a medium costs a master: time, and processor time of the farm, against ways without one in the same run."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, cast

import uvloop

from pilotfarm.loadtests.bench.modbus import RESPONSE_BYTES, request

Address: TypeAlias = tuple[str, int]
FAST: Final = ("none", "ethernet", "fibre_mm", "fibre_sm", "wifi", "lte")
"""Media over which a master keeps a processor busy."""
PATIENCE_S: Final = 180.0
"""How long a connection over the slowest medium may take beyond its time: a call set up, and the longest message."""


@dataclass(slots=True)
class Exchanges:
    """What the connections to some addresses took, a list each: the first read, and those that followed it. [s]"""

    first_s: list[float] = field(default_factory=list)
    later_s: list[list[float]] = field(default_factory=list)

    @property
    def latency_ms(self) -> float:
        """Median time of a read on a connection that stands. [ms]"""
        return 1e3 * statistics.median(each for one in self.later_s for each in one)

    @property
    def first_ms(self) -> float:
        """Median time of a first read. [ms]"""
        return 1e3 * statistics.median(self.first_s)

    @property
    def count(self) -> int:
        return len(self.first_s) + sum(map(len, self.later_s))

    @property
    def per_s(self) -> float:
        """Reads a second of all connections together, each of which asks anew when it has its answer."""
        return sum(len(one) / sum(one) for one in self.later_s)


class _Master(asyncio.Protocol):
    """Reads once, and from then on again and again for some seconds."""

    def __init__(self, frame: bytes, seconds: float) -> None:
        self._frame = frame
        self._seconds = seconds
        self._until_s = 0.0
        self._got = 0
        self.took_s: list[float] = []
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports behave as asyncio.Transport without deriving from it.
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._got += len(data)
        if self._got < RESPONSE_BYTES:
            return
        assert self._got == RESPONSE_BYTES, f"not one answer: {self._got} octets"
        self._got = 0
        now_s = time.perf_counter()
        self.took_s.append(now_s - self._asked_s)
        if len(self.took_s) == 1:
            self._until_s = now_s + self._seconds
        elif now_s >= self._until_s:
            self._transport.close()
            return
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def _ask(self) -> None:
        self._asked_s = time.perf_counter()
        self._transport.write(self._frame)


def exchange(addresses: Mapping[str, Sequence[Address]], register: int, seconds: float) -> dict[str, Exchanges]:
    """Read from all addresses at once, for ``seconds`` after a first read and twice at least; by name what it took."""

    async def run() -> dict[str, Exchanges]:
        loop = asyncio.get_running_loop()
        frame = request(register)
        masters: dict[str, list[_Master]] = {name: [] for name in addresses}
        for name, those in addresses.items():
            for host, port in those:
                _, master = await loop.create_connection(lambda: _Master(frame, seconds), host, port)
                masters[name].append(master)
        every = [master.ended for those in masters.values() for master in those]
        await asyncio.wait_for(asyncio.gather(*every), seconds + PATIENCE_S)
        return {
            name: Exchanges([each.took_s[0] for each in those], [each.took_s[1:] for each in those])
            for name, those in masters.items()
        }

    return uvloop.run(run())
