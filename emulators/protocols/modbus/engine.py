"""Modbus TCP: one connection's framing, and the station behind a listener.

A frame is an MBAP header (transaction, protocol 0, length, unit) and a message of at most 253
bytes (TCP, 3.1.3). A header that cannot be one (another protocol, a length no message has) closes the
connection: after it, nobody knows where the next frame starts. At most one unfinished frame is kept.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from pilotfarm.emulators.contracts.protocol import Seat
from pilotfarm.emulators.protocols.modbus.application import Application
from pilotfarm.emulators.protocols.modbus.options import ModbusOptions

_HEADER: Final = struct.Struct(">HHHB")  # transaction, protocol, length, unit
_LENGTH_AT: Final = 6
_LENGTH_MIN, _LENGTH_MAX = 2, 254  # unit and message, by the header's length field


class ModbusEngine:
    """One connection to a station."""

    __slots__ = ("_admitted", "_application", "_buffer", "_closed", "_heard_s", "_out", "_peer", "_station")

    def __init__(self, station: ModbusStation, peer: str, now_s: float, admitted: bool) -> None:
        self._station = station
        self._application = station.application
        self._peer = peer
        self._heard_s = now_s
        self._closed = not admitted
        self._admitted = admitted
        self._buffer = b""
        self._out = bytearray()

    @property
    def closed(self) -> bool:
        return self._closed

    def receive(self, data: bytes, now_s: float) -> None:
        if self._closed:
            return
        self._heard_s = now_s
        if self._buffer:
            data = self._buffer + data
        at, end = 0, len(data)
        while end - at > _LENGTH_AT:
            transaction, protocol, length, unit = _HEADER.unpack_from(data, at)
            if protocol or not _LENGTH_MIN <= length <= _LENGTH_MAX:
                self._closed = True
                return
            following = at + _LENGTH_AT + length
            if following > end:
                break
            answer = self._application.answer(unit, data[at + 7 : following], self._peer, now_s)
            if answer is not None:
                self._out += _HEADER.pack(transaction, 0, len(answer) + 1, unit) + answer
            at = following
        self._buffer = data[at:]
        if len(self._buffer) == _LENGTH_AT:
            protocol, length = int.from_bytes(self._buffer[2:4], "big"), int.from_bytes(self._buffer[4:6], "big")
            self._closed = bool(protocol) or not _LENGTH_MIN <= length <= _LENGTH_MAX

    def advance(self, now_s: float) -> None:
        deadline_s = self.deadline_s()
        if deadline_s is not None and now_s >= deadline_s:
            self._closed = True

    def deadline_s(self) -> float | None:
        idle_s = self._station.options.idle_timeout_s
        return None if self._closed or idle_s == 0.0 else self._heard_s + idle_s

    def take_output(self) -> bytes:
        out = bytes(self._out)
        self._out.clear()
        return out

    def hang_up(self, now_s: float) -> None:
        self._closed = True
        if self._admitted:
            self._admitted = False
            self._station.connections -= 1


class ModbusStation:
    """What answers at one address. Connections past the limit get an engine that is closed already."""

    __slots__ = ("application", "connections", "filtered", "options")

    def __init__(self, seats: Sequence[Seat], options: ModbusOptions) -> None:
        self.application = Application(seats, options)
        self.options = options
        self.connections = 0
        self.filtered = False

    def connect(self, peer: str, now_s: float) -> ModbusEngine:
        admitted = self.connections < self.options.max_connections
        self.connections += admitted
        return ModbusEngine(self, peer, now_s, admitted)
