"""Masters of a line, for the tests of IEC 60870-5-101: one that polls, and one that both ends speak to."""

from __future__ import annotations

from typing import Any

from iec104_bench import Bench, spec_of

from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.protocols.iec101 import PROTOCOL
from pilotfarm.emulators.protocols.iec101.frames import SINGLE, Deframer, Frame
from pilotfarm.emulators.protocols.iec101.options import Iec101Options
from pilotfarm.emulators.protocols.iec60870.asdu import Asdu

ACD, DFC, BIT = 0x20, 0x10, 0x20
SMALL = spec_of(("online", "active_power_w", "voltage_l1_v", "general_alarm", "started", "active_power_setpoint_w"))


def line(n: int = 2, spec: DeviceSpec = SMALL, **options: Any) -> Bench:
    """A line with ``n`` devices at common addresses 1 to ``n``."""
    return Bench(n, spec, protocol=PROTOCOL, **options)


class _Master:
    def __init__(self, bench: Bench, now_s: float = 0.0, peer: str = "peer") -> None:
        self.options: Iec101Options = bench.station.options
        self.form, self.framing = self.options.form, self.options.framing
        self.engine: Any = bench.station.connect(peer, now_s)
        self.deframer = Deframer(self.framing, now_s)
        self.now_s = now_s

    def frames(self, octets: bytes) -> list[Frame]:
        """Take apart what came, all of it."""
        found = self.deframer.receive(octets, self.now_s)
        assert not self.deframer._rest
        if self.deframer._single:
            self.deframer._single = False
            found.append(SINGLE)
        return found

    def unit(
        self, type_id: int, cause: int, address: int, ioa: int, element: bytes = b"", count: int = 1, orig: int = 0
    ) -> bytes:
        return self.form.header(type_id, count, cause, address, orig) + self.form.ioa(ioa) + element

    def taken_apart(self, data: bytes) -> Asdu:
        """The identifier of a data unit, and its objects."""
        at = self.form.header_octets
        cause, originator = data[2], data[3] if self.form.cause_octets == 2 else 0
        address = int.from_bytes(data[2 + self.form.cause_octets : at], "little")
        return Asdu(
            data[0], data[1], cause & 0x3F, bool(cause & 0x40), bool(cause & 0x80), originator, address, data[at:]
        )


class Poller(_Master):
    """An unbalanced master of the stations of a line: one service at a time, and the count bits kept."""

    def __init__(self, bench: Bench, *links: int, now_s: float = 0.0, peer: str = "peer") -> None:
        super().__init__(bench, now_s, peer)
        self.bits: dict[int, int] = {}
        for link in links:
            self.reset(link)

    def octets(self, link: int, control: int, data: bytes = b"") -> bytes:
        """Send a frame, and return what comes back as it is."""
        self.engine.receive(self.framing.encode(control, link, data), self.now_s)
        return bytes(self.engine.take_output())

    def ask(self, link: int, function: int, data: bytes = b"") -> Frame | None:
        """A service with the next count bit; what is answered."""
        self.bits[link] = self.bits.get(link, 0) ^ BIT
        return self.again(link, function, data)

    def again(self, link: int, function: int, data: bytes = b"") -> Frame | None:
        """A service with the count bit of before."""
        octets = self.octets(link, 0x50 | self.bits[link] | function, data)
        return self.frames(octets)[0] if octets else None

    def reset(self, link: int) -> Frame | None:
        self.bits[link] = 0
        octets = self.octets(link, 0x40)
        return self.frames(octets)[0] if octets else None

    def poll(self, link: int, function: int = 10, times: int = 10_000) -> list[Asdu]:
        """Ask for data of a class until there are none."""
        found = []
        while len(found) < times and (frame := self.ask(link, function)) is not None and frame.data:
            found.append(self.taken_apart(frame.data))
        return found

    def both(self, link: int) -> list[Asdu]:
        return self.poll(link, 10) + self.poll(link, 11)

    def send(self, link: int, data: bytes) -> list[Asdu]:
        """Send a data unit, and return what data of class 1 come of it."""
        frame = self.ask(link, 3, data)
        assert frame is not None
        assert frame.control & 0x0F == 0
        return self.poll(link, 10)


class Peer(_Master):
    """A balanced master: it acknowledges what it gets, unless told not to."""

    def __init__(self, bench: Bench, link: int, *, begun: bool = True, now_s: float = 0.0, peer: str = "peer") -> None:
        super().__init__(bench, now_s, peer)
        self.link = link
        self.bit = 0
        self.acknowledges = True
        self.got: list[Frame] = []
        """Services of the station."""
        self.answers: list[Frame] = []
        if begun:
            self.collect()
            self.feed(0xC0)

    def feed(self, control: int, data: bytes = b"") -> None:
        self.engine.receive(self.framing.encode(control, self.link, data), self.now_s)
        self.collect()

    def collect(self) -> None:
        """Take what came, and answer it as the standard has it."""
        while octets := self.engine.take_output():
            for frame in self.frames(octets):
                if frame is SINGLE or not frame.control & 0x40:
                    self.answers.append(frame)
                    continue
                self.got.append(frame)
                if self.acknowledges:
                    reply = 0x8B if frame.control & 0x0F == 9 else 0x80
                    self.engine.receive(self.framing.encode(reply, self.link), self.now_s)

    def pull(self, dt_s: float = 0.0) -> None:
        self.now_s += dt_s
        self.engine.advance(self.now_s)
        self.collect()

    def send(self, data: bytes) -> list[Asdu]:
        """Send a data unit, and return what the station tells then."""
        self.bit ^= BIT
        self.feed(0xD3 | self.bit, data)
        return self.heard()

    def heard(self) -> list[Asdu]:
        found = [self.taken_apart(frame.data) for frame in self.got if frame.data]
        self.got.clear()
        return found
