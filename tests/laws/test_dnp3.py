"""DNP3 seen from the wire: a small master of our own against the outstation of every device kind."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
from emulators import registry
from emulators.contracts import Command, DeviceSpec, Place, Seat
from emulators.errors import Busy, OutOfRange
from emulators.maps.mesa_der import MAP
from emulators.plans.dnp3 import Plan, Point, PointType
from emulators.protocols.dnp3 import PROTOCOL
from emulators.protocols.dnp3.outstation import Link, Outstation
from emulators.protocols.dnp3.table import Dnp3Table
from emulators.quantities import Role
from profiles import draws
from py1815 import link as wire
from py1815.application import FunctionCode, Response, build_confirm, build_request, parse_response
from py1815.transport import Reassembler, segment

PLACE = Place(59.9, 10.7, 20.0, "Europe/Oslo")
UNIX_S = 1_750_000_000.0
STATION, MASTER = 7, 1
EVERYTHING = bytes([60, 2, 6, 60, 3, 6, 60, 4, 6, 60, 1, 6])
EVENTS = bytes([60, 2, 6, 60, 3, 6, 60, 4, 6])
CLASS_0 = bytes([60, 1, 6])

SIZES = {(1, 2): 1, (10, 2): 1, (20, 1): 5, (21, 1): 5, (21, 5): 11, (30, 1): 5, (40, 1): 5}
EVENT_SIZES = {(2, 2): 7, (32, 3): 11, (23, 5): 11, (12, 1): 11, (41, 1): 5, (41, 3): 5}
GROUPS = {1: PointType.BINARY_INPUT, 10: PointType.BINARY_OUTPUT, 20: PointType.COUNTER}
GROUPS |= {30: PointType.ANALOG_INPUT, 40: PointType.ANALOG_OUTPUT}


@dataclass
class FakeDevice:
    """Takes everything inside its limits, and remembers it."""

    columns: dict[str, np.ndarray]
    busy: bool = False
    commands: list[Command] = field(default_factory=list)
    id: str = "device-1"

    def value(self, quantity: str) -> float:
        return float(self.columns[quantity][0])

    def quality(self, quantity: str) -> int:
        return 0

    def condition(self, name: str) -> float:
        return 0.0

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
    plan: Plan
    table: Dnp3Table
    device: FakeDevice
    station: Outstation

    def refresh(self, unix_s: float = UNIX_S, **changes: float) -> None:
        self.columns = {name: column.copy() for name, column in self.columns.items()}
        for name, value in changes.items():
            self.columns[name][0] = value
        self.table.refresh(self.columns, {}, unix_s)


def rig(kind: str, **options: object) -> Rig:
    spec = registry.device(kind)
    ratings = {rating.name: np.full(2, _typical(rating.default)) for rating in spec.ratings}
    columns = spec.make(ratings, draws.keys_of(1, ["a", "b"]), PLACE)
    plan = MAP.plan(spec)
    table = Dnp3Table(plan, 2, columns)
    table.refresh(columns, {}, UNIX_S)
    device = FakeDevice(columns)
    station = Outstation([Seat(device, table, 0, STATION)], PROTOCOL.options_model(**options))
    return Rig(spec, columns, plan, table, device, station)


def _typical(default: object) -> float:
    if isinstance(default, Mapping):
        first = next(iter(default.values()))
        return float(
            first[0]
            if isinstance(first, list | tuple)
            else first
            if not isinstance(first, Mapping)
            else next(iter(first))
        )
    return float(default)  # type: ignore[arg-type]


class Master:
    """Frames requests and takes answers apart, a fragment at a time."""

    def __init__(self, station: Outstation, address: int = MASTER, now_s: float = 0.0) -> None:
        self.address = address
        self.now_s = now_s
        self.sequence = 0
        self.link: Link = station.connect(f"master {address}", now_s)
        self._frames = wire.FrameReader()
        self._segments = Reassembler()

    def framed(self, fragment: bytes, destination: int = STATION) -> bytes:
        control = wire.control_byte(from_master=True, primary=True, function=wire.PrimaryFunction.UNCONFIRMED_USER_DATA)
        return b"".join(
            wire.build(control, destination=destination, source=self.address, payload=tpdu)
            for tpdu in segment(fragment)
        )

    def request(self, function: FunctionCode, body: bytes = b"") -> bytes:
        self.sequence = (self.sequence + 1) % 16
        return self.framed(build_request(function, sequence=self.sequence, body=body))

    def heard(self) -> list[Response]:
        responses = []
        for frame in self._frames.feed(self.link.take_output()):
            assert (frame.source, frame.destination) == (STATION, self.address)
            fragment = self._segments.add(frame.payload) if frame.payload else None
            if fragment is not None:
                responses.append(parse_response(fragment))
        return responses

    def ask(self, function: FunctionCode, body: bytes = b"", *, confirm: bool = True) -> list[Response]:
        """Send a request and take all fragments of its answer, confirming those that ask for it."""
        self.link.receive(self.request(function, body), self.now_s)
        taken: list[Response] = []
        while True:
            heard = self.heard()
            if not heard:
                return taken
            for response in heard:
                taken.append(response)
                if response.control.con and confirm:
                    self.confirm(response)

    def confirm(self, response: Response) -> None:
        unsolicited = response.control.uns
        confirmation = build_confirm(sequence=response.control.sequence, unsolicited=unsolicited)
        self.link.receive(self.framed(confirmation), self.now_s)

    def settle(self) -> None:
        """Confirm the null response that announces the restart, and clear the indication."""
        self.ask(FunctionCode.WRITE, bytes([80, 1, 0, 7, 7, 0]))

    def wait(self, seconds: float) -> list[Response]:
        self.now_s += seconds
        self.link.advance(self.now_s)
        return self.heard()


def objects(responses: list[Response]) -> Iterator[tuple[int, int, int, bytes]]:
    """Group, variation, index and octets of every object in some answers."""
    for response in responses:
        body, at = response.body, 0
        while at < len(body):
            group, variation, qualifier = body[at : at + 3]
            at += 3
            if qualifier in (0x00, 0x01):
                width = 1 if qualifier == 0 else 2
                first, last = (int.from_bytes(body[at + i * width : at + (i + 1) * width], "little") for i in (0, 1))
                at += 2 * width
                size = SIZES[group, variation]
                for index in range(first, last + 1):
                    yield group, variation, index, body[at : at + size]
                    at += size
            else:
                assert qualifier in (0x17, 0x28)
                width = 1 if qualifier == 0x17 else 2
                count = int.from_bytes(body[at : at + width], "little")
                at += width
                size = EVENT_SIZES[group, variation]
                for _ in range(count):
                    index = int.from_bytes(body[at : at + width], "little")
                    yield group, variation, index, body[at + width : at + width + size]
                    at += width + size


def analog(index: int, value: int) -> bytes:
    return bytes([41, 1, 0x28, 1, 0]) + struct.pack("<Hib", index, value, 0)


def relay(index: int, code: int, count: int = 1) -> bytes:
    return bytes([12, 1, 0x28, 1, 0]) + struct.pack("<HBBIIB", index, code, count, 0, 0, 0)


def point_of(rig: Rig, quantity: str, kind: PointType) -> Point:
    return next(point for point in rig.plan.of(kind) if point.quantity == quantity)


@pytest.mark.parametrize("kind", registry.DEVICES)
def test_class_0_returns_each_static_point_once_with_the_value_of_its_column(kind: str) -> None:
    here = rig(kind, unsolicited=False)
    answer = Master(here.station).ask(FunctionCode.READ, EVERYTHING)
    found = [(GROUPS[group], index, octets) for group, _, index, octets in objects(answer)]
    wanted = {(point.type, point.index): point for point in here.plan.points}
    assert sorted((k.value, i) for k, i, _ in found) == sorted((k.value, i) for k, i in wanted)
    for point_type, index, octets in found:
        point = wanted[point_type, index]
        value = float(here.columns[point.quantity][0])
        if len(octets) == 1:
            assert octets[0] == (0x81 if value else 0x01), point
        else:
            assert octets[0] == 0x01, point
            assert int.from_bytes(octets[1:], "little", signed=True) == round(value / point.scale), point
