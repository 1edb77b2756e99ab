"""A device without physics behind real register rows, and a master's half of Modbus TCP."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.arrays import Columns
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.protocol import Command, MapSpec, PointRow, Seat
from pilotfarm.emulators.errors import PointError
from pilotfarm.emulators.plans import register_points
from pilotfarm.emulators.plans.modbus import HOLDING, RegisterPlan
from pilotfarm.emulators.protocols.modbus import PROTOCOL
from pilotfarm.emulators.protocols.modbus.engine import ModbusEngine, ModbusStation
from pilotfarm.emulators.protocols.modbus.options import ModbusOptions
from pilotfarm.emulators.protocols.modbus.table import ModbusTable
from pilotfarm.emulators.quantities import CATALOGUE, Quantity, Role, split

NOW_S = 1_750_000_000.0


@dataclass
class FakeDevice:
    """Takes everything, unless it was told to refuse, and remembers it."""

    id: str
    columns: Columns
    row: int
    refusal: PointError | None = None
    table: ModbusTable | None = None
    commands: list[Command] = field(default_factory=list)

    @property
    def serial(self) -> str:
        return self.id

    def value(self, quantity: str) -> float:
        return float(self.columns[quantity][self.row])

    def quality(self, quantity: str) -> int:
        raise AssertionError("Modbus has no qualities")

    def check(self, values: Mapping[str, float]) -> None:
        raise AssertionError("Modbus does not select before it operates")

    def submit(self, values: Mapping[str, float], protocol: str, peer: str, now_s: float) -> Command:
        if self.refusal is not None:
            raise self.refusal
        settings = [name for name in values if CATALOGUE[split(name)[1]].role is Role.SETPOINT]
        self.columns = {**self.columns, **{name: self.columns[name].copy() for name in settings}}
        for name in settings:
            self.columns[name][self.row] = values[name]
        if self.table is not None:
            self.table.tell(self.columns, self.row, settings)
        self.commands.append(Command(len(self.commands), self.id, dict(values), protocol, peer, now_s))
        return self.commands[-1]

    @property
    def told(self) -> list[Mapping[str, float]]:
        return [command.values for command in self.commands]


def default_map(kind: str) -> MapSpec:
    return registry.maps_for("modbus", kind)[0]


def plausible(quantity: Quantity, salt: int) -> float:
    """A value a device of that kind could have, a different one for every ``salt``."""
    wobble = (salt * 37 % 101) / 101.0
    if quantity.is_binary:
        return float(salt % 2)
    if quantity.role is Role.RATING:
        return {"W": 11_000.0, "VA": 11_000.0, "V": 230.0, "A": 32.0, "Wh": 60_000.0}.get(quantity.unit, 1.0)
    known = {"W": 9_000.0, "var": 4_000.0, "VA": 9_000.0, "V": 230.0, "A": 20.0, "Hz": 50.0, "Wh": 45_000.0}
    known |= {"varh": 30_000.0, "Pa": 101_000.0, "W/m2": 900.0, "degC": 30.0, "deg": 300.0, "s": 3_000.0, "enum": 4.0}
    if quantity.name == "demand_period_s":
        return 900.0
    value = known.get(quantity.unit, 1.0) * (0.5 + wobble / 2.0)
    if quantity.name.endswith("owner_card_id"):
        return 0xA00000 + float(salt)
    if quantity.name.endswith("cell_voltage_v"):
        return value / 70.0
    return float(round(value)) if quantity.unit == "enum" else value


def plausible_columns(spec: DeviceSpec, n: int = 2) -> Columns:
    return {"sesp_silence_s": np.full(n, 7.0)} | {
        quantity.name: np.array([plausible(quantity, k + 13 * row) for row in range(n)])
        for k, quantity in enumerate(spec.quantities)
    }


class Bench:
    """A station with one or more seats of a kind, and one connection to it."""

    def __init__(
        self,
        kind: str,
        seats: tuple[int, ...] = (1,),
        *,
        map_name: str = "",
        columns: Columns | None = None,
        **options: Any,
    ):
        self.spec = registry.device(kind)
        self.map = registry.point_map(map_name) if map_name else default_map(kind)
        self.plan: RegisterPlan = self.map.plan(self.spec)
        self.columns = columns or plausible_columns(self.spec, len(seats))
        made = ModbusOptions(**options)
        self.table: ModbusTable = PROTOCOL.table(self.plan, len(seats), self.columns, PROTOCOL.form(made))  # type: ignore[assignment]
        self.plan = self.table.plan
        self.devices = [FakeDevice(f"{kind}-{row}", self.columns, row, table=self.table) for row in range(len(seats))]
        self.seats = [Seat(self.devices[row], self.table, row, address) for row, address in enumerate(seats)]
        self.station: ModbusStation = PROTOCOL.station(self.seats, made)  # type: ignore[assignment]
        self.step()
        self.engine = self.station.connect("peer", NOW_S)

    @property
    def device(self) -> FakeDevice:
        return self.devices[0]

    def step(self) -> None:
        self.table.refresh(self.columns, {}, NOW_S)

    def ask(self, message: str | bytes, unit: int = 1) -> bytes:
        """Send one request (function code first, hexadecimal or bytes) and return the response, its header checked."""
        self.engine.receive(frame(message, unit), NOW_S)
        out = self.engine.take_output()
        transaction, protocol, length, from_unit = struct.unpack(">HHHB", out[:7])
        assert (transaction, protocol, from_unit) == (0x0102, 0, unit)
        assert length == len(out) - 6
        return out[7:]

    def registers(self, address: int, count: int, unit: int = 1, function: int = HOLDING) -> bytes:
        answer = self.ask(struct.pack(">BHH", function, address, count), unit)
        assert answer[:2] == bytes([function, 2 * count]), answer.hex()
        return answer[2:]

    def write(self, address: int, data: bytes, unit: int = 1) -> bytes:
        head = struct.pack(">BHHB", 16, address, len(data) // 2, len(data))
        return self.ask(head + data, unit)

    def points(self, access: str = "r") -> list[PointRow]:
        return [row for row in register_points.points(self.plan, self.columns) if access in row.access]


def frame(message: str | bytes, unit: int = 1) -> bytes:
    body = bytes.fromhex(message) if isinstance(message, str) else message
    return struct.pack(">HHHB", 0x0102, 0, len(body) + 1, unit) + body


def talk(engine: ModbusEngine, stream: bytes) -> tuple[bytes, bool]:
    """What an engine makes of bytes, and whether it closes."""
    engine.receive(stream, NOW_S)
    return engine.take_output(), engine.closed
