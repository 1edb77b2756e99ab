"""A gateway from Modbus TCP to a serial bus: requests of all its masters wait for their turn on the bus.

What a device answers it answers when it hears the request. Of a unit that does not answer within the time-out, or that
is not there, the gateway says exception 0B. A master whose request finds no room in the queue hears 0A, "gateway path
unavailable", which the specification has for one that is overloaded (MODBUS Application Protocol V1.1b3, 7). Unit 0 is
said to all and answered by nobody.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from pilotfarm.emulators.contracts.protocol import Traffic
from pilotfarm.emulators.contracts.way import Engine
from pilotfarm.emulators.links.bus import Bus, Errand
from pilotfarm.emulators.protocols.modbus.application import Application
from pilotfarm.emulators.protocols.modbus.functions import (
    EXCEPTION,
    GATEWAY_PATH_UNAVAILABLE,
    GATEWAY_TARGET_FAILED,
    exception_name,
)
from pilotfarm.emulators.protocols.modbus.options import BusOptions
from pilotfarm.emulators.protocols.modbus.rtu import BROADCAST
from pilotfarm.profiles.draws import key_of
from pilotfarm.profiles.media.shared import shared_medium

_HEADER: Final = struct.Struct(">HHH")
_HEADER_OCTETS: Final = 6
_LENGTH_MIN, _LENGTH_MAX = 2, 254
_UNIT_AT, _MESSAGE_AT = 6, 7
_CHECK_OCTETS: Final = 2


class GatewayEngine:
    """One master's connection to a gateway: an engine around the one that answers for the devices."""

    __slots__ = ("_application", "_buffer", "_bus", "_errands", "_inner", "_out", "_peer", "_traffic")

    def __init__(self, inner: Engine, bus: Bus, application: Application, traffic: Traffic, peer: str) -> None:
        self._application, self._peer = application, peer
        self._inner = inner
        self._bus = bus
        self._traffic = traffic
        self._buffer = self._out = b""
        self._errands: set[Errand] = set()

    @property
    def closed(self) -> bool:
        return self._inner.closed

    def receive(self, data: bytes, now_s: float) -> None:
        self._buffer += data
        while not self.closed and len(self._buffer) >= _HEADER_OCTETS:
            _, protocol, length = _HEADER.unpack_from(self._buffer)
            if protocol or not _LENGTH_MIN <= length <= _LENGTH_MAX:
                self._inner.receive(self._buffer, now_s)  # it knows what to do
                self._buffer = b""
                return
            end = _HEADER_OCTETS + length
            if len(self._buffer) < end:
                return
            frame, self._buffer = self._buffer[:end], self._buffer[end:]
            self._ask(frame, now_s)

    def advance(self, now_s: float) -> None:
        self._bus.advance(now_s)
        if not self._errands:
            self._inner.advance(now_s)

    def deadline_s(self) -> float | None:
        # Whoever waits wakes at everything that happens on the bus: when its own turn comes is not known before.
        return self._bus.deadline_s() if self._errands else self._inner.deadline_s()

    def take_output(self) -> bytes:
        out, self._out = self._out, b""
        return out

    def hang_up(self, now_s: float) -> None:
        """The master is gone, and what it has asked and is not under way is forgotten."""
        self._inner.hang_up(now_s)
        self._bus.forget(self._errands)

    def _ask(self, frame: bytes, now_s: float) -> None:
        def hear(heard_s: float) -> bytes | None:
            if frame[_UNIT_AT] == BROADCAST:
                self._application.tell(frame[_MESSAGE_AT:], self._peer, heard_s)
                return b""
            self._inner.receive(frame, heard_s)
            return self._inner.take_output() or None

        def deliver(answer: bytes | None) -> None:
            self._errands.discard(errand)
            self._out += self._refusal(frame, GATEWAY_TARGET_FAILED) if answer is None else answer

        errand = Errand(_on_bus(frame), hear, deliver, lambda answer: _on_bus(answer) if answer else 0)
        if self._bus.ask(errand, now_s):
            self._errands.add(errand)
        else:
            self._out += self._refusal(frame, GATEWAY_PATH_UNAVAILABLE)

    def _refusal(self, frame: bytes, code: int) -> bytes:
        self._traffic.refuse(exception_name(code))
        return frame[:2] + _HEADER.pack(0, 0, 3)[2:] + bytes((frame[_UNIT_AT], frame[_MESSAGE_AT] | EXCEPTION, code))


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
    return len(frame) - _HEADER_OCTETS + _CHECK_OCTETS
