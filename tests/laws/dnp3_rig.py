"""One outstation of a kind of device for laws about DNP3, and what masters ask it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from dnp3_bench import STATION, objects
from py1815.application import Response
from world import devices

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.protocol import Command, Seat
from pilotfarm.emulators.errors import Busy, OutOfRange
from pilotfarm.emulators.maps.mesa_der import MAP
from pilotfarm.emulators.plans.dnp3 import Point, PointPlan, PointType
from pilotfarm.emulators.protocols.dnp3 import PROTOCOL
from pilotfarm.emulators.protocols.dnp3.application import Outstation
from pilotfarm.emulators.protocols.dnp3.engine import Dnp3Station
from pilotfarm.emulators.protocols.dnp3.table import Dnp3Table

UNIX_S = 1_750_000_000.0
EVENTS = bytes([60, 2, 6, 60, 3, 6, 60, 4, 6])
CLASS_0 = bytes([60, 1, 6])
ALL_COUNTERS = bytes([20, 0, 6])


@dataclass
class FakeDevice:
    """Takes everything inside its limits, and remembers it."""

    columns: dict[str, np.ndarray]
    busy: bool = False
    commands: list[Command] = field(default_factory=list)
    id: str = "device-1"

    @property
    def serial(self) -> str:
        return self.id

    def value(self, quantity: str) -> float:
        return float(self.columns[quantity][0])

    def quality(self, quantity: str) -> int:
        return 0

    def check(self, values: Mapping[str, float]) -> None:
        if any(abs(value) > 1e6 for value in values.values()):
            raise OutOfRange("beyond the rating")
        if self.busy:
            raise Busy("queue full")

    def submit(self, values: Mapping[str, float], protocol: str, peer: str, now_s: float) -> Command:
        self.check(values)
        command = Command(len(self.commands), self.id, dict(values), protocol, peer, now_s)
        self.commands.append(command)
        return command


@dataclass
class Rig:
    """One outstation of a kind, row 0 of two, and the columns it answers from."""

    spec: DeviceSpec
    columns: dict[str, np.ndarray]
    plan: PointPlan
    table: Dnp3Table
    device: FakeDevice
    station: Dnp3Station

    @property
    def outstation(self) -> Outstation:
        return self.station.outstations[STATION]

    @property
    def seat(self) -> Seat:
        (seat,) = self.outstation.database.seats
        return seat

    def refresh(self, unix_s: float = UNIX_S, quality: int = 0, **changes: float) -> None:
        """A step after which ``changes`` hold in row 0, all of them with this quality."""
        self.columns = {name: column.copy() for name, column in self.columns.items()}
        for name, value in changes.items():
            self.columns[name][0] = value
        bad = {name: np.array([quality, 0], np.uint8) for name in changes} if quality else {}
        self.table.refresh(self.columns, bad, unix_s)


def rig(kind: str, **options: object) -> Rig:
    spec = registry.device(kind)
    columns = devices(spec, 2)
    plan = MAP.plan(spec)
    table = Dnp3Table(plan, 2, columns)
    table.refresh(columns, {}, UNIX_S)
    device = FakeDevice(columns)
    station = Dnp3Station([Seat(device, table, 0, STATION)], PROTOCOL.options_model(**options))
    return Rig(spec, columns, plan, table, device, station)


def analog(index: int, value: int) -> bytes:
    return bytes([41, 1, 0x28, 1, 0]) + struct.pack("<Hib", index, value, 0)


def relay(index: int, code: int, count: int = 1) -> bytes:
    return bytes([12, 1, 0x28, 1, 0]) + struct.pack("<HBBIIB", index, code, count, 0, 0, 0)


def point_of(rig: Rig, quantity: str, kind: PointType) -> Point:
    return next(point for point in rig.plan.of(kind) if point.quantity == quantity)


def statuses(answer: list[Response]) -> list[int]:
    return [octets[-1] for _, _, _, octets in objects(answer)]
