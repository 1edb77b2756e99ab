"""How fast a meter is read by one master with one read under way: over TCP, RTU over TCP, and a pseudo-terminal."""

from __future__ import annotations

import os
import socket
import statistics
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from pilotfarm.emulators.site import load
from pilotfarm.emulators.site.layout import SerialEndpoint, TcpEndpoint
from pilotfarm.emulators.wire import rtu
from pilotfarm.loadtests.bench import modbus, sites
from pilotfarm.loadtests.bench.masters import rate
from pilotfarm.loadtests.bench.process import BenchError, Pilot
from pilotfarm.loadtests.bench.row import Row

SUNSPEC_BASE = 40_070
NAME = "serial-1"
ASKED = rtu.framed(1, struct.pack(">BHH", 3, SUNSPEC_BASE, modbus.REGISTERS))
ANSWER_OCTETS = 5 + 2 * modbus.REGISTERS


def serial_reads(quick: bool) -> Iterator[Row]:
    """(m) Reads a second of 50 registers, one at a time, by the framing and the way."""
    seconds, rounds = (0.5, 1) if quick else (3.0, 5)
    text = sites.SITES[NAME]()
    tcp, over_tcp, pty = _endpoints(text)
    assert isinstance(tcp, TcpEndpoint)
    assert isinstance(over_tcp, TcpEndpoint)
    found: dict[str, list[float]] = {}
    with Pilot(text), _connected(tcp) as plain, _connected(over_tcp) as framed:
        terminal = os.open(pty.label, os.O_RDWR | os.O_NOCTTY)
        ways: dict[str, Callable[[], None]] = {
            "Modbus TCP": lambda: _read(plain.sendall, plain.recv, modbus.request(SUNSPEC_BASE), modbus.RESPONSE_BYTES),
            "RTU over TCP": lambda: _read(framed.sendall, framed.recv, ASKED, ANSWER_OCTETS),
            "RTU over a pseudo-terminal": lambda: _read(
                lambda octets: os.write(terminal, octets), lambda size: os.read(terminal, size), ASKED, ANSWER_OCTETS
            ),
        }
        for _ in range(rounds):
            for way, act in ways.items():
                found.setdefault(way, []).append(rate(act, seconds))
        os.close(terminal)
    for way, each in found.items():
        yield Row("m", f"{way}, reads of {modbus.REGISTERS} registers", statistics.median(each), "reads/s")
    first, *others = found
    for way in others:
        ratio = statistics.median(a / b for a, b in zip(found[way], found[first], strict=True))
        yield Row("m", f"{way}, over {first}", ratio, "x")


def _endpoints(text: str) -> list[TcpEndpoint | SerialEndpoint]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "site.yaml"
        path.write_text(text, encoding="utf-8")
        return sorted((each.endpoint for each in load(str(path)).stations), key=_by_port)


def _by_port(endpoint: TcpEndpoint | SerialEndpoint) -> int:
    return endpoint.port if isinstance(endpoint, TcpEndpoint) else 1 << 16


def _connected(endpoint: TcpEndpoint) -> socket.socket:
    sock = socket.create_connection((endpoint.host, endpoint.port), 10.0)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _read(say: Callable[[bytes], object], hear: Callable[[int], bytes], asked: bytes, octets: int) -> None:
    say(asked)
    while octets:
        heard = hear(octets)
        if not heard:
            raise BenchError("the line ended before the answer was whole")
        octets -= len(heard)
