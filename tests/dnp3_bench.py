"""A master's half of DNP3: it frames requests, and takes answers apart down to their objects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from py1815 import link as wire
from py1815.application import FunctionCode, Response, build_confirm, build_request, parse_response
from py1815.transport import Reassembler, segment

from pilotfarm.emulators.contracts.way import Engine
from pilotfarm.emulators.plans.dnp3 import PointType
from pilotfarm.emulators.protocols.dnp3.engine import Dnp3Station
from pilotfarm.emulators.protocols.dnp3.link import Link

STATION, MASTER = 7, 1
EVERYTHING = bytes([60, 2, 6, 60, 3, 6, 60, 4, 6, 60, 1, 6])
CLEAR_RESTART = bytes([80, 1, 0, 7, 7, 0])
SIZES = {(30, 2): 3, (1, 2): 1, (10, 2): 1, (20, 1): 5, (21, 1): 5, (21, 5): 11, (30, 1): 5, (40, 1): 5}
SIZES |= {(30, 5): 5, (30, 6): 9, (40, 3): 5, (40, 4): 9, (34, 1): 2, (34, 2): 4, (34, 3): 4, (52, 2): 2}
EVENT_SIZES = {(2, 2): 7, (32, 3): 11, (23, 5): 11, (12, 1): 11, (41, 1): 5, (41, 3): 5}
EVENT_SIZES |= {(32, 5): 5, (32, 6): 9, (32, 7): 11, (32, 8): 15}
GROUPS = {1: PointType.BINARY_INPUT, 10: PointType.BINARY_OUTPUT, 20: PointType.COUNTER}
GROUPS |= {30: PointType.ANALOG_INPUT, 40: PointType.ANALOG_OUTPUT}


class Master:
    """Frames requests and takes answers apart, a fragment at a time."""

    def __init__(
        self, station: Dnp3Station, address: int = MASTER, now_s: float = 0.0, outstation: int = STATION
    ) -> None:
        self.address = address
        self.outstation = outstation
        self.now_s = now_s
        self.sequence = 0
        self.link: Link = station.connect(f"master {address}", now_s)
        self._frames = wire.FrameReader()
        self._segments = Reassembler()

    def framed(self, fragment: bytes, destination: int | None = None) -> bytes:
        destination = self.outstation if destination is None else destination
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
            assert (frame.source, frame.destination) == (self.outstation, self.address)
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
        self.ask(FunctionCode.WRITE, CLEAR_RESTART)

    def wait(self, seconds: float) -> list[Response]:
        self.now_s += seconds
        self.link.advance(self.now_s)
        return self.heard()


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
