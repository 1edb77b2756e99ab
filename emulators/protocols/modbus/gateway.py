"""A gateway from Modbus TCP to a serial bus: requests of all its masters wait for their turn on the bus.

What a device answers it answers when it hears the request. Of a unit that does not answer within the time-out, or that
is not there, the gateway says exception 0B. A master whose request finds no room in the queue hears 0A, "gateway path
unavailable", which the specification has for one that is overloaded (MODBUS Application Protocol V1.1b3, 7). Unit 0 is
said to all and answered by nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pilotfarm.emulators.contracts.protocol import Traffic
from pilotfarm.emulators.contracts.way import Engine
from pilotfarm.emulators.links.bus import Bus, Errand
from pilotfarm.emulators.protocols.modbus.application import Application
from pilotfarm.emulators.protocols.modbus.framed import HEADER_OCTETS, MESSAGE_AT, UNIT_AT, FramedEngine
from pilotfarm.emulators.protocols.modbus.functions import GATEWAY_PATH_UNAVAILABLE, GATEWAY_TARGET_FAILED
from pilotfarm.emulators.protocols.modbus.options import BusOptions
from pilotfarm.emulators.protocols.modbus.rtu import BROADCAST
from pilotfarm.profiles.draws import key_of
from pilotfarm.profiles.media.shared import shared_medium

_CHECK_OCTETS: Final = 2


class GatewayEngine(FramedEngine):
    """One master's connection to a gateway."""

    __slots__ = ("_application", "_bus", "_errands", "_options", "_peer")

    def __init__(
        self, inner: Engine, bus: Bus, options: BusOptions, application: Application, traffic: Traffic, peer: str
    ) -> None:
        super().__init__(inner, traffic)
        self._options = options
        self._application, self._peer = application, peer
        self._bus = bus
        self._errands: set[Errand] = set()

    def advance(self, now_s: float) -> None:
        self._bus.advance(now_s)
        if not self._errands:
            self._inner.advance(now_s)

    def deadline_s(self) -> float | None:
        # Whoever waits wakes at everything that happens on the bus: when its own turn comes is not known before.
        return self._bus.deadline_s() if self._errands else self._inner.deadline_s()

    def hang_up(self, now_s: float) -> None:
        """The master is gone, and what it has asked and is not under way is forgotten."""
        self._inner.hang_up(now_s)
        self._bus.forget(self._errands)

    def _take(self, frame: bytes, now_s: float) -> None:
        def hear(heard_s: float) -> bytes | None:
            if frame[UNIT_AT] == BROADCAST:
                self._application.tell(frame[MESSAGE_AT:], self._peer, heard_s)
                return b""
            return self._answered(frame, heard_s) or None

        def deliver(answer: bytes | None) -> None:
            self._errands.discard(errand)
            self._out += self._refused(frame, GATEWAY_TARGET_FAILED) if answer is None else answer

        timeout_s = self._options.timeout_of(frame[UNIT_AT])
        errand = Errand(_on_bus(frame), hear, deliver, lambda answer: _on_bus(answer) if answer else 0, timeout_s)
        if self._bus.ask(errand, now_s):
            self._errands.add(errand)
        else:
            self._out += self._refused(frame, GATEWAY_PATH_UNAVAILABLE)


def bus_of(options: BusOptions, devices: Sequence[str]) -> Bus:
    """Make the bus behind a gateway to these devices, whose names decide what is drawn."""
    return Bus(
        shared_medium(options.medium),
        key_of(0, "bus", *devices),
        rate_bit_s=options.rate_bit_s,
        timeout_s=options.timeout_s,
        retries=options.retries,
        queue_max=options.queue,
    )


def _on_bus(frame: bytes) -> int:
    """How many octets a frame's message is on a serial line: with unit and check, without the header of TCP."""
    return len(frame) - HEADER_OCTETS + _CHECK_OCTETS
