"""A pilot that listens on loopback and steps when a test steps it, and masters of each protocol on real sockets."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from iec104_bench import ACT, i, s, taken_apart, u, unit
from py1815 import link as wire
from py1815.application import FunctionCode, build_request, parse_response
from py1815.transport import Reassembler, segment

from pilotfarm.emulators import registry
from pilotfarm.emulators.clock import Clock, ManualClock
from pilotfarm.emulators.protocols.iec104.link import STARTDT_ACT, STARTDT_CON
from pilotfarm.emulators.protocols.iec60870.asdu import Asdu, Cause, Type
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site.layout import SiteLayout

GONE: Final = 0x0B
"""Modbus: the gateway's target device failed to respond."""
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@asynccontextmanager
async def running(layout: SiteLayout, clock: Clock | None = None) -> AsyncIterator[Pilot]:
    """A pilot that listens, and steps when a test steps it; wall time stands still, unless a clock says otherwise."""
    pilot = Pilot(layout, ManualClock() if clock is None else clock)
    pilot.runner.change(paused=True)
    await pilot.start()
    try:
        yield pilot
    finally:
        await pilot.close()


async def step(pilot: Pilot, steps: int = 1) -> None:
    await pilot.runner.step_by_hand(steps)


async def until(true: Callable[[], bool]) -> None:
    """Let the loop turn until something holds; the test's own time limit ends a wait for nothing."""
    while not true():  # noqa: ASYNC110  what is waited for is the far end of a real socket
        await asyncio.sleep(0.005)


@asynccontextmanager
async def connected(port: int, host: str = "127.0.0.1", whence: str = "127.0.0.1") -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection(host, port, local_addr=(whence, 0))
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the other side ends a connection before it sends anything more."""
    try:
        return await reader.read(1) == b""
    except ConnectionResetError:
        return True


async def listens(port: int, host: str = "127.0.0.1") -> bool:
    try:
        async with connected(port, host):
            return True
    except ConnectionRefusedError:
        return False


async def closed_at_once(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a new connection is taken and ended by the other side before a byte is sent."""
    try:
        async with connected(port, host) as (reader, _):
            return await reader.read(1) == b""
    except ConnectionResetError:
        return True


# ------------------------------------------------------------------------------------------ masters


@dataclass
class ModbusMaster:
    """Reads registers; an exception comes back as its code."""

    streams: Streams

    async def registers(self, unit_id: int, address: int, count: int) -> bytes | int:
        """Read input registers, which a meter's are."""
        reader, writer = self.streams
        writer.write(struct.pack(">HHHBBHH", 7, 0, 6, unit_id, 4, address, count))
        _, _, length, _ = struct.unpack(">HHHB", await reader.readexactly(7))
        function, code, *rest = await reader.readexactly(length - 1)
        return code if function & 0x80 else bytes(rest)

    async def float32(self, unit_id: int, address: int) -> float | int:
        found = await self.registers(unit_id, address, 2)
        return found if isinstance(found, int) else float(struct.unpack(">f", found)[0])


@dataclass
class Iec104Master:
    """Asks for everything a common address has, and acknowledges what it gets."""

    streams: Streams
    sent: int = 0
    received: int = 0

    async def start(self) -> None:
        self.streams[1].write(u(STARTDT_ACT))
        while await self._frame() != u(STARTDT_CON):
            pass

    async def interrogate(self, address: int) -> dict[int, bytes]:
        """Object address -> value and quality, of the answer to a general interrogation."""
        self.streams[1].write(i(self.sent, self.received, unit(Type.INTERROGATION, ACT, address, 0, b"\x14")))
        self.sent += 1
        found: dict[int, bytes] = {}
        while True:
            frame = await self._frame()
            if frame[2] & 1:
                continue
            asdu = taken_apart(frame[6:])
            if (asdu.type, asdu.address, asdu.cause) == (Type.INTERROGATION, address, Cause.ACTIVATION_TERM):
                return found
            if asdu.address == address and asdu.cause == Cause.INTERROGATED:
                size = len(asdu.body) // asdu.count
                for at in range(0, len(asdu.body), size):
                    body = asdu.body[at : at + size]
                    found[int.from_bytes(body[:3], "little")] = body[3:]

    async def told(self) -> Asdu:
        """The next data unit that comes."""
        while (frame := await self._frame())[2] & 1:
            pass
        return taken_apart(frame[6:])

    async def float_at(self, address: int, ioa: int) -> tuple[float, int]:
        """A measurement, and its quality."""
        value, quality = struct.unpack("<fB", (await self.interrogate(address))[ioa])
        return value, quality

    async def _frame(self) -> bytes:
        reader, writer = self.streams
        head = await reader.readexactly(2)
        frame = head + await reader.readexactly(head[1])
        if not frame[2] & 1:
            self.received += 1
            writer.write(s(self.received))
        return frame


@dataclass
class Dnp3Master:
    """Reads analog inputs one at a time; ``outstation`` is the link address it asks."""

    streams: Streams
    outstation: int = registry.protocol("dnp3").default_address
    address: int = 100
    sequence: int = 0
    frames: wire.FrameReader = field(default_factory=wire.FrameReader)
    segments: Reassembler = field(default_factory=Reassembler)

    async def analog(self, index: int) -> tuple[int, int]:
        """A value in the units of the wire, and its flags."""
        reader, writer = self.streams
        self.sequence = (self.sequence + 1) % 16
        body = struct.pack("<BBBHH", 30, 1, 1, index, index)
        request = build_request(FunctionCode.READ, sequence=self.sequence, body=body)
        control = wire.control_byte(from_master=True, primary=True, function=wire.PrimaryFunction.UNCONFIRMED_USER_DATA)
        for piece in segment(request):
            writer.write(wire.build(control, destination=self.outstation, source=self.address, payload=piece))
        while True:
            data = await reader.read(4096)
            if not data:
                raise ConnectionResetError
            for frame in self.frames.feed(data):
                fragment = self.segments.add(frame.payload) if frame.payload else None
                if fragment is not None:
                    flags, value = struct.unpack("<Bi", parse_response(fragment).body[-5:])
                    return value, flags
