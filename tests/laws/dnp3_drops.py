"""Several outstations of one station for laws about DNP3, and what each does by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from dnp3_bench import STATION
from dnp3_rig import UNIX_S, FakeDevice
from world import devices

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.protocol import Seat
from pilotfarm.emulators.maps.mesa_der import MAP
from pilotfarm.emulators.protocols.dnp3 import PROTOCOL
from pilotfarm.emulators.protocols.dnp3.application import Outstation
from pilotfarm.emulators.protocols.dnp3.engine import Dnp3Station
from pilotfarm.emulators.protocols.dnp3.table import Dnp3Table


@dataclass
class Drops:
    """``n`` devices of a kind behind one station, and the columns they answer from."""

    columns: dict[str, np.ndarray]
    table: Dnp3Table
    devices: list[FakeDevice]
    station: Dnp3Station

    def outstation(self, row: int) -> Outstation:
        return self.station.outstations[STATION + row]

    def seat(self, row: int) -> Seat:
        (seat,) = self.outstation(row).database.seats
        return seat

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
    seats = [here.seat(row) for row in range(n)]
    return here, [Dnp3Station([seat], here.station.options) for seat in seats]
