"""Several outstations of one station for laws about DNP3, and masters that share a connection to them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from dnp3_bench import STATION, Master
from dnp3_rig import UNIX_S, FakeDevice
from py1815 import link as wire
from world import devices

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.protocol import Seat
from pilotfarm.emulators.contracts.way import Engine
from pilotfarm.emulators.maps.mesa_der import MAP
from pilotfarm.emulators.protocols.dnp3 import PROTOCOL
from pilotfarm.emulators.protocols.dnp3.application import Outstation
from pilotfarm.emulators.protocols.dnp3.engine import Dnp3Station
from pilotfarm.emulators.protocols.dnp3.table import Dnp3Table


class Line:
    """One connection to a station, and what came over it by the outstation that sent it."""

    def __init__(self, station: Dnp3Station, now_s: float = 0.0, peer: str = "front end") -> None:
        self.engine: Engine = station.connect(peer, now_s)
        self._frames = wire.FrameReader()
        self._unread: dict[int, bytearray] = defaultdict(bytearray)

    def said_by(self, outstation: int) -> bytes:
        for frame in self._frames.feed(self.engine.take_output()):
            self._unread[frame.source] += wire.build(frame.control, frame.destination, frame.source, frame.payload)
        octets = bytes(self._unread[outstation])
        self._unread[outstation].clear()
        return octets

    def quiet(self) -> bool:
        self.said_by(-1)
        return not any(self._unread.values())

    def master(self, outstation: int = STATION, address: int = 1, now_s: float = 0.0) -> Master:
        """A master that speaks with one of the outstations."""
        return Master(_Tap(self, outstation), address, now_s, outstation)  # type: ignore[arg-type]


@dataclass
class _Tap:
    """What a master sees of a connection it shares."""

    line: Line
    outstation: int

    def connect(self, peer: str, now_s: float) -> _Tap:
        return self

    @property
    def closed(self) -> bool:
        return self.line.engine.closed

    def receive(self, data: bytes, now_s: float) -> None:
        self.line.engine.receive(data, now_s)

    def advance(self, now_s: float) -> None:
        self.line.engine.advance(now_s)

    def deadline_s(self) -> float | None:
        return self.line.engine.deadline_s()

    def take_output(self) -> bytes:
        return self.line.said_by(self.outstation)


@dataclass
class Drops:
    """``n`` devices of a kind behind one station, and the columns they answer from."""

    columns: dict[str, np.ndarray]
    table: Dnp3Table
    devices: list[FakeDevice]
    station: Dnp3Station

    def outstation(self, row: int) -> Outstation:
        return self.station.outstations[STATION + row]

    def refresh(self, row: int, unix_s: float = UNIX_S, quality: int = 0, **changes: float) -> None:
        """A step after which ``changes`` hold in a row, all of them with this quality."""
        self.columns = {name: column.copy() for name, column in self.columns.items()}
        bad = {}
        for name, value in changes.items():
            self.columns[name][row] = value
            bad[name] = np.where(np.arange(len(self.devices)) == row, quality, 0).astype(np.uint8)
        self.table.refresh(self.columns, bad if quality else {}, unix_s)


def drops(n: int = 3, kind: str = "battery", **options: object) -> Drops:
    spec = registry.device(kind)
    columns = devices(spec, n)
    table = Dnp3Table(MAP.plan(spec), n, columns)
    table.refresh(columns, {}, UNIX_S)
    behind = [FakeDevice(columns, id=f"device-{row + 1}") for row in range(n)]
    seats = [Seat(device, table, row, STATION + row) for row, device in enumerate(behind)]
    return Drops(columns, table, behind, Dnp3Station(seats, PROTOCOL.options_model(**options)))


def alone(n: int = 3, kind: str = "battery", **options: object) -> tuple[Drops, list[Dnp3Station]]:
    """The same devices, each at an address of its own."""
    here = drops(n, kind, **options)
    seats = [outstation.seat for outstation in here.station.outstations.values()]
    return here, [Dnp3Station([seat], here.station.options) for seat in seats]
