"""A station of stand-in devices, and a master's half of the link, for the tests of IEC 60870-5-104."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pilotfarm.emulators.columns.arrays import Columns
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.protocol import Command, ProtocolSpec, Seat
from pilotfarm.emulators.contracts.way import Engine
from pilotfarm.emulators.errors import NoSuchPoint, NotWritable, OutOfRange
from pilotfarm.emulators.maps.iec104 import MAP
from pilotfarm.emulators.maps.iec104.addresses import IOA
from pilotfarm.emulators.plans.iec104 import ObjectPlan
from pilotfarm.emulators.protocols.iec104 import PROTOCOL
from pilotfarm.emulators.protocols.iec104.link import STARTDT_ACT, STARTDT_CON
from pilotfarm.emulators.protocols.iec60870.asdu import FORMAT_104, Asdu, Cause, Type
from pilotfarm.emulators.protocols.iec60870.table import ObjectTable
from pilotfarm.emulators.quantities import CATALOGUE, quantities
from pilotfarm.emulators.stations.known import Known

START_S = 1_750_000_000.0
ACT, CON, TERM = Cause.ACTIVATION, Cause.ACTIVATION_CON, Cause.ACTIVATION_TERM
SETPOINT = IOA["active_power_setpoint_w"]


def spec_of(names: Sequence[str]) -> DeviceSpec:
    """A device kind with the given quantities and nothing behind them."""
    return DeviceSpec(
        kind="stand-in",
        title="",
        quantities=quantities(names),
        make=lambda ratings, keys, place: {},
        step=lambda columns, surroundings, dt_s: columns,
    )


EVERYTHING = spec_of(tuple(CATALOGUE))


def columns_of(spec: DeviceSpec, n: int) -> Columns:
    """Another value for every quantity and row, inside what the quantity may hold."""
    columns = {}
    for index, each in enumerate(spec.quantities):
        value = 10.0 * index + np.arange(n, dtype=np.float64)
        if each.is_binary:
            value = (index + np.arange(n)) % 2.0
        elif each.max <= 1.0:
            value = value / (10.0 * len(spec.quantities) + n)
        columns[each.name] = np.minimum(value, each.max)
    return columns


class StandIn:
    """A device that takes every set-point inside the catalogue's bounds and notes it."""

    def __init__(self, name: str, spec: DeviceSpec) -> None:
        self.id = name
        self._spec = {each.name: each for each in spec.quantities}
        self.taken: list[Command] = []
        self.refuses: Exception | None = None

    @property
    def serial(self) -> str:
        return self.id

    def value(self, quantity: str) -> float:
        raise AssertionError("the table is read, not the device")

    def quality(self, quantity: str) -> int:
        raise AssertionError("the table is read, not the device")

    def check(self, values: Mapping[str, float]) -> None:
        if self.refuses is not None:
            raise self.refuses
        for name, value in values.items():
            if name not in self._spec:
                raise NoSuchPoint(name)
            found = self._spec[name]
            if not found.writable:
                raise NotWritable(name)
            if not max(found.min, -1e6) <= value <= min(found.max, 1e6):
                raise OutOfRange(name)

    def submit(self, values: Mapping[str, float], protocol: str, peer: str, now_s: float) -> Command:
        self.check(values)
        command = Command(len(self.taken), self.id, dict(values), protocol, peer, now_s)
        self.taken.append(command)
        return command


class Bench:
    """A station with ``n`` devices at common addresses 1 to ``n``, and its table."""

    def __init__(
        self,
        n: int = 2,
        spec: DeviceSpec = EVERYTHING,
        *,
        columns: Columns | None = None,
        protocol: ProtocolSpec = PROTOCOL,
        plan: ObjectPlan | None = None,
        **options: Any,
    ) -> None:
        self.spec, self.n = spec, n
        self.columns = columns_of(spec, n) if columns is None else columns
        self.plan = MAP.plan(spec) if plan is None else plan
        made = protocol.options_model(**options)
        self.table = protocol.table(self.plan, n, self.columns, protocol.form(made))
        assert isinstance(self.table, ObjectTable)
        self.devices = [StandIn(f"d{row}", spec) for row in range(n)]
        self.seats = [Seat(device, self.table, row, row + 1) for row, device in enumerate(self.devices)]
        self.unix_s = START_S
        self.quality: dict[str, Any] = {}
        self.known = Known([each.name for each in spec.quantities], n, self.columns, self.quality)
        self.step()
        self.station = protocol.station(self.seats, made)

    def step(self, dt_s: float = 1.0) -> None:
        self.unix_s += dt_s
        self.known.update(self.columns, self.quality)
        self.table.refresh(self.known.columns, self.known.quality, self.unix_s)

    def reach(self, row: int, reached: bool) -> None:
        """Let the station lose a device, or have it back."""
        self.seats[row].reachable = reached
        self.known.reach(row, reached)

    def set(self, name: str, row: int, value: float) -> None:
        self.columns[name] = self.columns[name].copy()
        self.columns[name][row] = value


class Master:
    """The master's half of one link: frames what it is told, acknowledges what it gets unless told not to."""

    def __init__(
        self,
        bench: Bench,
        now_s: float = 0.0,
        started: bool = True,
        acknowledges: bool = True,
        peer: str = "peer",
    ) -> None:
        self.engine: Engine = bench.station.connect(peer, now_s)
        self.now_s = now_s
        self.sent = self.received = self.acknowledged = 0
        self.acknowledges = True
        self.frames: list[bytes] = []
        if started:
            self.feed(u(STARTDT_ACT))
            assert self.frames.pop(0) == u(STARTDT_CON)
            self.pull()
            self.frames.clear()
        self.acknowledges = acknowledges

    def feed(self, data: bytes) -> None:
        self.engine.receive(data, self.now_s)
        self.collect()

    def collect(self) -> None:
        """Take what came, and acknowledge it at once so that the window opens."""
        while new := split(self.engine.take_output()):
            self.frames += new
            numbered = [frame for frame in new if not frame[2] & 1]
            self.received += len(numbered)
            if not self.acknowledges or not numbered or self.engine.closed:
                return
            self.acknowledged = self.received
            self.engine.receive(s(self.received), self.now_s)

    def block(self) -> None:
        """Fill the window: nothing more comes before the next acknowledgement."""
        self.acknowledges = False
        for _ in range(100):
            before = self.received
            self.feed(self.i_frame(unit(Type.READ, Cause.REQUEST, 1, 0xFFFFFF)))
            if self.received == before:
                break
        self.frames.clear()

    def acknowledge(self) -> None:
        """Acknowledge all that came, and go on doing so."""
        self.acknowledges, self.acknowledged = True, self.received
        self.feed(s(self.received))

    def pull(self, dt_s: float = 0.0) -> None:
        self.now_s += dt_s
        self.engine.advance(self.now_s)
        self.collect()

    def i_frame(self, asdu: bytes) -> bytes:
        frame = i(self.sent, self.acknowledged, asdu)
        self.sent += 1
        return frame

    def ask(self, type_id: int, cause: int, address: int, ioa: int, element: bytes = b"") -> list[Asdu]:
        """Send one data unit and return what comes back."""
        return self.send(unit(type_id, cause, address, ioa, element))

    def send(self, asdu: bytes) -> list[Asdu]:
        self.frames.clear()
        self.feed(self.i_frame(asdu))
        return self.heard()

    def heard(self) -> list[Asdu]:
        """Take the data units received so far."""
        found = [taken_apart(frame[6:]) for frame in self.frames if not frame[2] & 1]
        self.frames.clear()
        return found


def unit(
    type_id: int, cause: int, address: int, ioa: int, element: bytes = b"", count: int = 1, orig: int = 0
) -> bytes:
    return FORMAT_104.header(type_id, count, cause, address, orig) + ioa.to_bytes(3, "little") + element


def taken_apart(asdu: bytes) -> Asdu:
    cause = asdu[2]
    address = int.from_bytes(asdu[4:6], "little")
    return Asdu(asdu[0], asdu[1], cause & 0x3F, bool(cause & 0x40), bool(cause & 0x80), asdu[3], address, asdu[6:])


def u(function: int) -> bytes:
    return bytes((0x68, 4, function, 0, 0, 0))


def s(received: int) -> bytes:
    return bytes((0x68, 4, 1, 0)) + struct.pack("<H", received % 32768 << 1)


def i(sent: int, received: int, asdu: bytes) -> bytes:
    return bytes((0x68, 4 + len(asdu))) + struct.pack("<HH", sent % 32768 << 1, received % 32768 << 1) + asdu


def split(data: bytes) -> list[bytes]:
    frames = []
    while data:
        assert data[0] == 0x68
        frames.append(data[: 2 + data[1]])
        data = data[2 + data[1] :]
    return frames


def float_element(value: float, qualifier: int = 0) -> bytes:
    return struct.pack("<fB", value, qualifier)
