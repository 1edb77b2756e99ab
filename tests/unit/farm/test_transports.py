"""Endpoints that are not host and port: a transport behind each, and nothing else knows how the bytes come."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from dataclasses import replace

import pytest

from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.serving import transports
from pilotfarm.emulators.serving.lines import PtyTransport, TtyTransport
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.serving.transports import Arrival, TcpTransport, transport_of
from pilotfarm.emulators.site.layout import PtyEndpoint, SerialEndpoint, SiteLayout, TcpEndpoint
from pilotfarm.emulators.wire.rtu import framed

READ = framed(1, struct.pack(">BHH", 3, 40_000, 2))
SUNS = framed(1, b"\x03\x04SunS")
LINE = PtyEndpoint("/dev/ttyS7", 9_600, "even", 8, 1)
METER = "  meters: {kind: smart_meter, count: 1, feeder: west, endpoints: [{protocol: modbus}]}\n"


class Wire(asyncio.Transport):
    """The station's end of a line: what it writes is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    abort = close


class Line:
    """A line at which the master has always been: it arrives when the line is opened."""

    def __init__(self, endpoint: SerialEndpoint) -> None:
        self.peer = endpoint.label
        self.wire = Wire()
        self.connection: asyncio.Protocol | None = None
        self.is_open = False

    def open(self, arrived: Callable[[Arrival], None]) -> None:
        self.is_open = True
        arrived(self)

    def close(self) -> None:
        self.is_open = False

    async def let_in(self, connection: asyncio.Protocol) -> None:
        self.connection = connection
        connection.connection_made(self.wire)

    def turn_away(self) -> None:
        self.wire.close()


def test_a_new_kind_of_endpoint_is_a_transport_and_one_line(
    make_layout: Callable[..., SiteLayout], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[Line] = []

    def opened(endpoint: SerialEndpoint) -> Line:
        lines.append(Line(endpoint))
        return lines[-1]

    monkeypatch.setitem(transports.TRANSPORTS, PtyEndpoint, opened)
    layout = make_layout(METER)
    layout = replace(layout, stations=tuple(replace(each, endpoint=LINE) for each in layout.stations))

    async def scenario() -> None:
        pilot = Pilot(layout, ManualClock())
        await pilot.start()
        await asyncio.sleep(0)
        (line,) = lines
        assert pilot.server.listening == 1
        assert line.connection is not None
        line.connection.data_received(READ)
        assert line.wire.written == SUNS
        pilot.farm.faults.add("offline")
        pilot.step(1.0)
        assert line.wire.closed
        assert not line.is_open
        await pilot.close()

    asyncio.run(scenario())


def test_each_kind_of_endpoint_has_its_transport() -> None:
    assert isinstance(transport_of(TcpEndpoint("127.0.0.1", 1502)), TcpTransport)
    assert isinstance(transport_of(SerialEndpoint("/dev/ttyS7", 9_600, "even", 8, 1)), TtyTransport)
    assert isinstance(transport_of(LINE), PtyTransport)
