"""Masters that nobody here wrote, at an easy pace: pymodbus, hat-drivers (IEC 104), py1815 (DNP3).

Each keeps a connection for a number of polls and then comes again, as a gateway that is restarted now and then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

from hat.drivers import iec104, net
from py1815.decode import PointType
from py1815.master import Outstation
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from pilotfarm.loadtests.soak.points import Point, decoded

PATIENCE_S: Final = 60.0
POLLS_A_CONNECTION: Final = 300
KEPT_ERRORS: Final = 20
_BLOCK_MAX: Final = 100
_ACTIVATION: Final = iec104.CommandReqCause.ACTIVATION
_CONFIRMATION: Final = iec104.CommandResCause.ACTIVATION_CONFIRMATION
_DNP3_KINDS: Final = {"BI": PointType.BINARY_INPUT, "AI": PointType.ANALOG_INPUT, "CTR": PointType.COUNTER}


class MasterError(Exception):
    """A master was refused, or not answered as it should be."""


Values = dict[tuple[str, tuple[Any, ...]], float]
"""Wire values by device and place."""


@dataclass(slots=True)
class Way:
    """Where a master connects, and the devices it finds there by their address."""

    protocol: str
    host: str
    port: int
    devices: dict[int, str]
    points: dict[str, list[Point]]


@dataclass(slots=True)
class Score:
    """What became of a master's polls."""

    answers: int = 0
    errors: int = 0
    connections: int = 0
    last_answer_s: float = 0.0
    worst_s: float = 0.0
    said: list[str] = field(default_factory=list)


class Session(Protocol):
    """A connection that is up."""

    async def poll(self, number: int) -> Values:
        """Ask for a part of what there is, another one for each number."""
        ...

    async def read(self) -> Values:
        """Ask for every point."""
        ...


Connect: TypeAlias = Callable[[Way], AbstractAsyncContextManager[Session]]


class Master:
    """Polls one station, and comes again when the connection ends."""

    def __init__(self, way: Way, period_s: float, heard: Callable[[Values], None]) -> None:
        self.way = way
        self.score = Score()
        self._connect = CONNECT[way.protocol]
        self._period_s = period_s
        self._heard = heard
        self._turn = asyncio.Lock()
        self._session: Session | None = None
        self._up = asyncio.Event()
        self._polls = 0

    async def run(self) -> None:
        """Connect, poll and come again until cancelled."""
        while True:
            try:
                async with self._connect(self.way) as session:
                    self.score.connections += 1
                    self._session = session
                    self._up.set()
                    for _ in range(POLLS_A_CONNECTION):
                        await self._poll(session)
                        await asyncio.sleep(self._period_s)
                    async with self._turn:
                        self._session = None
            except Exception as error:  # noqa: BLE001  whatever a client raises is counted
                self._failed(error)
                await asyncio.sleep(self._period_s)
            finally:
                self._session = None
                self._up.clear()

    async def everything(self) -> Values:
        """Every point as it is now; ``MasterError`` if there is no connection for it."""
        async with asyncio.timeout(PATIENCE_S):
            await self._up.wait()
        async with self._turn:
            if self._session is None:
                raise MasterError("between two connections")
            values = await self._timed(self._session.read())
            self._heard(values)
            return values

    async def _poll(self, session: Session) -> None:
        async with self._turn:
            self._polls += 1
            self._heard(await self._timed(session.poll(self._polls)))

    async def _timed(self, asked: Awaitable[Values]) -> Values:
        begin_s = time.monotonic()
        async with asyncio.timeout(PATIENCE_S):
            values = await asked
        self.score.last_answer_s = time.monotonic()
        self.score.worst_s = max(self.score.worst_s, self.score.last_answer_s - begin_s)
        self.score.answers += 1
        return values

    def _failed(self, error: Exception) -> None:
        self.score.errors += 1
        if len(self.score.said) < KEPT_ERRORS:
            self.score.said.append(f"{self.way.protocol} {self.way.host}: {type(error).__name__}: {error}")


@asynccontextmanager
async def modbus(way: Way) -> AsyncIterator[Session]:
    """One device by pymodbus, a block of registers a poll."""
    client = AsyncModbusTcpClient(way.host, port=way.port, timeout=PATIENCE_S, retries=0)
    try:
        if not await client.connect():
            raise MasterError("no connection")
        yield _Modbus(client, way)
    finally:
        client.close()


class _Modbus:
    def __init__(self, client: AsyncModbusTcpClient, way: Way) -> None:
        self._client = client
        (self._device,) = way.devices.values()
        self._blocks = _blocks(way.points[self._device])

    async def poll(self, number: int) -> Values:
        return await self._block(self._blocks[number % len(self._blocks)])

    async def read(self) -> Values:
        found: Values = {}
        for block in self._blocks:
            found |= await self._block(block)
        return found

    async def _block(self, block: Sequence[Point]) -> Values:
        unit, inputs, start = block[0].place
        count = max(point.place[2] + point.registers for point in block) - start
        ask = self._client.read_input_registers if inputs else self._client.read_holding_registers
        try:
            answer = await ask(start, count=count, device_id=unit)
        except ModbusException as error:
            raise MasterError(f"unit {unit}, {count} from {start}: {error}") from error
        if answer.isError():
            raise MasterError(f"unit {unit}, {count} from {start}: {answer}")
        return {
            (self._device, point.place): decoded(
                point.data_type, answer.registers[point.place[2] - start :][: point.registers]
            )
            for point in block
        }


def _blocks(points: Sequence[Point]) -> list[list[Point]]:
    """Points that are read together: neighbours without a hole between them."""
    blocks: list[list[Point]] = []
    for point in sorted(points, key=lambda each: each.place):
        last = blocks[-1] if blocks else []
        end = max((each.place[2] + each.registers for each in last), default=0)
        begins = last and point.place[:2] == last[0].place[:2] and point.place[2] <= end
        if begins and point.place[2] + point.registers - last[0].place[2] <= _BLOCK_MAX:
            last.append(point)
        else:
            blocks.append([point])
    return blocks


@asynccontextmanager
async def iec104_station(way: Way) -> AsyncIterator[Session]:
    """One controlled station by hat-drivers: a device interrogated each poll, and what it tells by itself."""
    async with asyncio.timeout(PATIENCE_S):
        connection = await iec104.connect(net.TcpAddress(way.host, way.port))
    session = _Iec104(connection, way)
    listening = asyncio.create_task(session.listen())
    try:
        yield session
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await connection.async_close()


class _Iec104:
    def __init__(self, connection: iec104.Connection, way: Way) -> None:
        self._connection = connection
        self._devices = way.devices
        self._addresses = list(way.devices)
        self._values: dict[str, Values] = {device: {} for device in way.devices.values()}
        self._replies: asyncio.Queue[Any] = asyncio.Queue()

    async def poll(self, number: int) -> Values:
        address = self._addresses[number % len(self._addresses)]
        await self._interrogate(address)
        return dict(self._values[self._devices[address]])

    async def read(self) -> Values:
        for address in self._addresses:
            await self._interrogate(address)
        return {place: value for values in self._values.values() for place, value in values.items()}

    async def _interrogate(self, address: int) -> None:
        # In one after the other: a confirmation, the data, the termination.
        for ask in (
            iec104.InterrogationMsg(False, 0, address, 20, False, _ACTIVATION),
            iec104.CounterInterrogationMsg(False, 0, address, 5, iec104.FreezeCode.READ, False, _ACTIVATION),
        ):
            await self._connection.send([ask])
            while True:
                reply = await self._replies.get()
                if reply is None:
                    raise MasterError("the connection was closed")
                if type(reply) is not type(ask) or reply.asdu_address != address:
                    continue
                if reply.is_negative_confirm:
                    raise MasterError(f"common address {address}: {reply}")
                if reply.cause is not _CONFIRMATION:
                    break

    async def listen(self) -> None:
        """Take what comes until the connection ends."""
        try:
            while True:
                for message in await self._connection.receive():
                    if not isinstance(message, iec104.DataMsg):
                        self._replies.put_nowait(message)
                    elif message.asdu_address in self._devices:
                        device, value = self._devices[message.asdu_address], message.data.value
                        self._values[device][device, (message.io_address,)] = float(getattr(value, "value", value))
        except ConnectionError:
            self._replies.put_nowait(None)


@asynccontextmanager
async def dnp3(way: Way) -> AsyncIterator[Session]:
    """One outstation by py1815: an integrity poll, then events, until the next integrity poll."""
    ((address, device),) = way.devices.items()
    outstation = Outstation(
        way.host,
        host=way.host,
        port=way.port,
        outstation_address=address,
        response_timeout=PATIENCE_S,
        reconnect=None,
    )
    await outstation.connect()
    try:
        yield _Dnp3(outstation, device, way.points[device])
    finally:
        await outstation.close()


class _Dnp3:
    _INTEGRITY_EVERY: Final = 10

    def __init__(self, outstation: Outstation, device: str, points: Sequence[Point]) -> None:
        self._outstation = outstation
        self._device = device
        self._points = points

    async def poll(self, number: int) -> Values:
        return await self._scan("events" if number % self._INTEGRITY_EVERY else "integrity")

    async def read(self) -> Values:
        return await self._scan("integrity")

    async def _scan(self, kind: str) -> Values:
        exchange = await self._outstation.scan(kind)
        if not exchange.complete or exchange.undecoded:
            raise MasterError(f"{kind} poll: {exchange.outcome.value}, {len(exchange.undecoded)} not decoded")
        found: Values = {}
        for point in self._points:
            kind, index = point.place
            told = self._outstation.store.get(_DNP3_KINDS[kind], index)
            if told is not None and told.value is not None:
                found[self._device, point.place] = float(told.value)
        return found


CONNECT: Final[Mapping[str, Connect]] = {"modbus": modbus, "iec104": iec104_station, "dnp3": dnp3}
